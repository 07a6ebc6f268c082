//! Rows mean the same as a table of those rows, in any order, layout, and number of threads.

use ndarray::{ArrayD, Axis};
use thalweg::params::Rows;
use thalweg::{Average, Optimizer, Scalar, Simd, catalog};

use super::support::*;

for_both_scalars!(
    all_rows_once_are_the_whole_array,
    rows_are_a_table_of_their_own,
    neither_layout_nor_threads_nor_vectors_change_a_bit,
    what_is_not_touched_keeps_its_bits,
    tables_of_any_rank_and_width,
    the_bits_after_loading_are_those_of_going_on,
);

const SHAPES: [&[usize]; 6] = [&[37], &[9, 40], &[13, 7], &[70, 32], &[4, 3, 5], &[3, 2, 2, 3, 2]];

fn all_rows_once_are_the_whole_array<F: Scalar>() {
    for entry in taking_rows::<F>() {
        for (kind, settings) in variants().iter().enumerate() {
            for shape in SHAPES {
                let run = Run::new(entry, settings, shape);
                let (mut optimizer, mut w) = (run.optimizer(), run.start.clone());
                for (step, (g, (expected, report))) in
                    run.gradients.iter().zip(&run.expected).enumerate()
                {
                    let rows: Vec<usize> = match step % 2 {
                        0 => (0..shape[0]).collect(),
                        _ => shuffled(shape[0], step as u64),
                    };
                    let values = chosen(g, &rows);
                    let mut info = None;
                    with_rank(rows, values, |g| info = Some(optimizer.step(&mut w, g).unwrap()));
                    let what = (entry.name, kind, shape, step);
                    assert_eq!(info.unwrap().grad_norm, report.grad_norm, "{what:?}");
                    assert_same(w.view(), expected.view(), what);
                }
                if settings.average.is_some() {
                    let mut dense = run.optimizer();
                    let mut whole = run.start.clone();
                    run.gradients.iter().for_each(|g| _ = dense.step(&mut whole, g).unwrap());
                    dense.swap_average(&mut whole).unwrap();
                    optimizer.swap_average(&mut w).unwrap();
                    assert_same(w.view(), whole.view(), (entry.name, kind, shape, "average"));
                }
            }
        }
    }
}

/// Rows that come several times, and those of a larger table whose other rows are never touched.
fn rows_are_a_table_of_their_own<F: Scalar>() {
    for entry in taking_rows::<F>() {
        for (kind, settings) in variants().iter().enumerate() {
            for shape in SHAPES {
                let len = shape[0];
                let mut large = shape.to_vec();
                large[0] = 3 * len + 5;
                // In their order: norms are summed along it.
                let touched: Vec<usize> = (0..len).map(|i| 3 * i + i % 3).collect();
                let run = Run::new(entry, settings, shape);
                let mut table = array::<F>(&large, 77);
                for (i, &row) in touched.iter().enumerate() {
                    table.index_axis_mut(Axis(0), row).assign(&run.start.index_axis(Axis(0), i));
                }
                let mut optimizer = run.optimizer();
                for (step, (g, (expected, _))) in
                    run.gradients.iter().zip(&run.expected).enumerate()
                {
                    let order = shuffled(len, step as u64);
                    // A half is its own half: the sum of the two is what it was.
                    let twice = order.iter().chain(order.iter().rev().take(len / 2));
                    let rows: Vec<u32> = twice.clone().map(|&i| touched[i] as u32).collect();
                    let mut values = chosen(g, &twice.copied().collect::<Vec<_>>());
                    let half = F::from_f64(0.5);
                    for (place, mut values) in values.outer_iter_mut().enumerate() {
                        if place >= len - len / 2 {
                            values.mapv_inplace(|g| half * g);
                        }
                    }
                    let whole = g.mapv(|g| half * g + half * g);
                    assert_same(whole.view(), g.view(), "halves");
                    with_rank(rows, values, |g| _ = optimizer.step(&mut table, g).unwrap());
                    let what = (entry.name, kind, shape, step);
                    assert_same(chosen(&table, &touched).view(), expected.view(), what);
                }
            }
        }
    }
}

fn neither_layout_nor_threads_nor_vectors_change_a_bit<F: Scalar>() {
    for entry in taking_rows::<F>() {
        for (kind, settings) in [variants()[0].clone(), everything(), compact()].iter().enumerate()
        {
            // A norm's last digit would round state in fewer bits otherwise.
            if entry.couples && kind == 2 {
                continue;
            }
            let mut settings = settings.clone();
            // Norms are summed in the order of memory.
            settings.clip_norm = None;
            for shape in [&[60, 37][..], &[60, 32], &[60], &[31, 3, 5]] {
                let steps = |optimizer: &mut dyn Optimizer<F>, of_w: &Layout, of_g: &Layout| {
                    let mut w = Placed::new(of_w, array::<F>(shape, 5).view(), F::from_f64(7.0));
                    for step in 0..4 {
                        let rows: Vec<usize> =
                            shuffled(shape[0], step).into_iter().take(20).collect();
                        // At some steps rows come again.
                        let again = rows.iter().copied().take(2 * (step as usize % 2));
                        let rows: Vec<usize> = rows.iter().copied().chain(again).collect();
                        let mut values = shape.to_vec();
                        values[0] = rows.len();
                        let g = Placed::new(of_g, array::<F>(&values, 9 + step).view(), F::nan());
                        let g = Rows { rows, values: g.view() };
                        optimizer.step(&mut w.view_mut(), &g).unwrap();
                    }
                    w.assert_guarded((entry.name, of_w, of_g));
                    w.view().to_owned()
                };
                let plain = Layout::row_major(shape.len());
                let mut optimizer = entry.build(RATE, settings.clone());
                let expected = steps(&mut *optimizer, &plain, &plain);
                let check = |settings: &thalweg::Settings, of_w: &Layout, of_g: &Layout| {
                    let mut optimizer = entry.build(RATE, settings.clone());
                    let found = steps(&mut *optimizer, of_w, of_g);
                    let what = (entry.name, kind, shape, of_w, of_g);
                    assert_agrees(entry, found.view(), expected.view(), what);
                };
                let all = layouts(shape.len());
                for (i, layout) in all.iter().enumerate() {
                    check(&settings, layout, &all[(i * 5 + 3) % all.len()]);
                    check(&settings, &plain, layout);
                }
                for simd in Simd::available() {
                    let mut settings = settings.clone();
                    settings.simd = simd;
                    check(&settings, &plain, &plain);
                }
                let mut threaded = settings.clone();
                threaded.parallel_above = 64;
                all.iter().for_each(|layout| check(&threaded, layout, &plain));
            }
        }
    }
}

fn what_is_not_touched_keeps_its_bits<F: Scalar>() {
    for rule in each_rule::<F>() {
        if rule.sums.is_empty() && !rule.loss {
            check_untouched(&rule);
        }
    }
}

fn check_untouched<F: Scalar>(rule: &Own<F>) {
    for settings in [everything(), compact()] {
        let mut optimizer = (rule.optimizer)().with(settings);
        let mut table = array::<F>(&[50, 20], 3);
        // All have a state, and none of it is that of the beginning.
        optimizer.step(&mut table, &array(&[50, 20], 4)).unwrap();
        optimizer.step(&mut table, &array(&[50, 20], 5)).unwrap();
        let state = |optimizer: &dyn Typed<F>| -> Vec<ArrayD<F>> {
            let slots = rule.slots.iter().map(|slot| optimizer.slot_of_array(slot).unwrap());
            slots.chain([optimizer.average_of_array().unwrap()]).collect()
        };
        let before = [table.clone()].into_iter().chain(state(&*optimizer));
        let before: Vec<ArrayD<F>> = before.collect();
        let rows = vec![7_usize, 49, 0];
        optimizer.step(&mut table, &Rows { rows: &rows, values: array(&[3, 20], 6) }).unwrap();
        let rest: Vec<usize> = (0..50).filter(|row| !rows.contains(row)).collect();
        let after = [table.clone()].into_iter().chain(state(&*optimizer));
        let mut moved = false;
        for (before, after) in before.iter().zip(after) {
            let (old, new) = (chosen(before, &rest), chosen(&after, &rest));
            assert_same(new.view(), old.view(), rule.entry.name);
            moved |= chosen(&after, &rows) != chosen(before, &rows);
        }
        assert!(moved, "{}", rule.entry.name);
    }
}

/// Rows shorter and longer than a vector and than a tile, of one element, and none.
fn tables_of_any_rank_and_width<F: Scalar>() {
    for name in ["adam", "sgd", "lamb", "ademamix"] {
        let entry = catalog::<F>().iter().find(|entry| entry.name == name).unwrap();
        for settings in [variants()[0].clone(), variants()[4].clone(), compact()] {
            for width in [1, 2, 3, 15, 16, 17, 31, 33, 64, 500, 1023, 1024, 1025, 2600] {
                let (len, touched) = (9, [0_usize, 2, 3, 4, 8]);
                let mut table = array::<F>(&[len, width], 1);
                let (f, mut by_columns) = (Layout::column_major(2), table.clone());
                let mut small = chosen(&table, &touched);
                let mut optimizers = [(); 3].map(|()| entry.build(RATE, settings.clone()));
                let [rows, columns, dense] = &mut optimizers;
                for step in 0..3 {
                    let g = array::<F>(&[5, width], 10 + step);
                    rows.step(&mut table, &Rows { rows: touched, values: g.view() }).unwrap();
                    let mut placed = Placed::new(&f, by_columns.view(), F::nan());
                    columns
                        .step(&mut placed.view_mut(), &Rows { rows: touched, values: g.view() })
                        .unwrap();
                    by_columns.assign(&placed.view());
                    dense.step(&mut small, &g).unwrap();
                    let what = (name, width, step);
                    assert_same(chosen(&table, &touched).view(), small.view(), what);
                    let (found, expected) = (chosen(&by_columns, &touched), small.view());
                    if entry.couples || settings.cautious {
                        assert_close(&elements(&found), &elements(&expected), what);
                    } else {
                        assert_agrees(entry, found.view(), expected, what);
                    }
                }
            }
        }
    }
}

fn the_bits_after_loading_are_those_of_going_on<F: Scalar>() {
    for entry in taking_rows::<F>() {
        let settings = settings(|s| s.average = Some(Average::ema(0.9)));
        let mut going_on = entry.build(RATE, settings.clone());
        let mut table = array::<F>(&[20, 3], 1);
        let step = |optimizer: &mut dyn Optimizer<F>, table: &mut ArrayD<F>, step: u64| {
            let rows: Vec<usize> = shuffled(20, step).into_iter().take(6).collect();
            optimizer.step(table, &Rows { rows, values: array(&[6, 3], step) }).unwrap();
        };
        (0..3).for_each(|i| step(&mut *going_on, &mut table, i));
        let mut loaded = entry.build(RATE, settings);
        loaded.load_state(&going_on.state()).unwrap();
        let mut copy = table.clone();
        for i in 3..6 {
            step(&mut *going_on, &mut table, i);
            step(&mut *loaded, &mut copy, i);
            assert_same(copy.view(), table.view(), (entry.name, i));
        }
        going_on.swap_average(&mut table).unwrap();
        loaded.swap_average(&mut copy).unwrap();
        assert_same(copy.view(), table.view(), entry.name);
    }
}
