//! The bits do not depend on where the arrays lie in memory; where a norm couples a leaf, the last
//! digits may.

use ndarray::{ArcArray, Array, Array1, Array2, Array3, ArrayD, ArrayView1, Axis, Slice, s};
use thalweg::{Adam, AmsGrad, Optimizer, Precision, Scalar, Settings, catalog};

use super::support::*;

/// Every pair of a parameter's layout and a gradient's.
fn pairs(rank: usize) -> Vec<(Layout, Layout)> {
    let all = layouts(rank);
    all.iter().flat_map(|w| all.iter().map(|g| (w.clone(), g.clone()))).collect()
}

fn check_all_pairs<F: Scalar>(shapes: &[&[usize]], settings: &Settings) {
    for entry in catalog::<F>() {
        for &shape in shapes {
            let run = Run::new(entry, settings, shape);
            for (w, g) in pairs(shape.len()) {
                run.check(|_| (w.clone(), g.clone()));
            }
        }
    }
}

fn every_pair_of_layouts_gives_the_same_bits<F: Scalar>() {
    check_all_pairs::<F>(&[&[23], &[5, 7], &[4, 3, 5], &[2, 3, 4, 3]], &Settings::default());
}

fn so_it_does_with_a_penalty<F: Scalar>() {
    check_all_pairs::<F>(&[&[23], &[5, 7], &[4, 3, 5]], &penalized());
}

fn so_it_does_with_clipping_up_to_the_norms_last_digit<F: Scalar>() {
    check_all_pairs::<F>(&[&[23], &[5, 7], &[4, 3, 5]], &clipped());
    check_all_pairs::<F>(&[&[23], &[5, 7], &[4, 3, 5]], &everything());
    check_all_pairs::<F>(&[&[23], &[5, 7], &[4, 3, 5]], &coupled());
    check_all_pairs::<F>(&[&[5, 7]], &settings(|s| s.report_norm = true));
}

/// A norm's last digit would round the state of all elements otherwise: without one the bits are the same.
fn state_in_fewer_bits_knows_of_no_layout<F: Scalar>() {
    let plain = settings(|s| s.state_precision = Precision::BFloat16);
    let plain8 = settings(|s| s.state_precision = Precision::Int8);
    let (c, f) = (Layout::row_major(2), Layout::column_major(2));
    let some = [c.clone(), f.clone(), c.clone().step(1, 2), f.step(1, -3).window(), c.step(0, 2)];
    for entry in uncoupled::<F>() {
        for settings in [&plain, &compact(), &plain8, &compact8()] {
            for shape in [&[23][..], &[5, 7], &[4, 3, 5]] {
                let run = Run::new(entry, settings, shape);
                for (w, g) in pairs(shape.len()) {
                    run.check(|_| (w.clone(), g.clone()));
                }
            }
            for shape in [[100, 37], [33, 31], [3, 1025], [1, 2049], [5, 700]] {
                let run = Run::new(entry, settings, &shape);
                let at = |i: usize| some[i % 5].clone();
                for first in 0..5 {
                    run.check(|_| (at(first), at(first * 3 + 1)));
                }
                run.check(|step| (at(step), at(step * 2 + 1)));
            }
        }
    }
}

fn ranks_five_and_six_give_the_same_bits<F: Scalar>() {
    for entry in catalog::<F>() {
        for shape in [&[2, 3, 2, 2, 3][..], &[2, 1, 3, 2, 2, 3], &[3, 2, 2, 2, 2, 2]] {
            let run = Run::new(entry, &Settings::default(), shape);
            let all = layouts(shape.len());
            for (i, w) in all.iter().enumerate() {
                for g in [&all[i % 2], &all[(i * 5 + 3) % all.len()]] {
                    run.check(|_| (w.clone(), g.clone()));
                }
            }
        }
    }
}

fn state_follows_a_layout_that_changes_between_steps<F: Scalar>() {
    for entry in catalog::<F>() {
        for settings in [Settings::default(), penalized(), clipped(), everything(), coupled()] {
            for shape in [&[19][..], &[6, 5], &[4, 3, 5], &[2, 3, 2, 4]] {
                let run = Run::new(entry, &settings, shape);
                let all = layouts(shape.len());
                for stride in [1, 3, 5] {
                    let at = |i: usize| all[i % all.len()].clone();
                    run.check(|step| (at(step * stride), at(step * 7 + 2)));
                    run.check(|step| (at(step / 2 * stride + 1), at(step)));
                }
            }
        }
    }
}

/// Columns and rows around the widths of vectors, tiles (1024, 32) and blocks of a sum.
fn lengths_around_vectors_and_tiles_give_the_same_bits<F: Scalar>() {
    const LENGTHS: [usize; 20] =
        [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 2047, 2048, 2049];
    for entry in catalog::<F>() {
        for settings in [Settings::default(), clipped()] {
            for n in LENGTHS {
                let run = Run::new(entry, &settings, &[n]);
                let c = Layout::row_major(1);
                for w in [c.clone(), c.clone().step(0, 2), c.clone().step(0, -1)] {
                    for g in [c.clone(), c.clone().step(0, 3), c.clone().step(0, -2)] {
                        run.check(|_| (w.clone(), g.clone()));
                    }
                }
            }
        }
    }
}

fn grids_around_tiles_give_the_same_bits<F: Scalar>() {
    const SHAPES: [[usize; 2]; 14] = [
        [100, 37],
        [37, 100],
        [31, 33],
        [32, 32],
        [33, 31],
        [64, 65],
        [1025, 3],
        [3, 1025],
        [2, 1024],
        [1024, 2],
        [1023, 2],
        [1, 2049],
        [2049, 1],
        [5, 700],
    ];
    let (c, f) = (Layout::row_major(2), Layout::column_major(2));
    let some = [c.clone(), f.clone(), c.clone().step(1, 2), f.step(1, -3).window(), c.step(0, 2)];
    for entry in catalog::<F>() {
        for shape in SHAPES {
            let run = Run::new(entry, &Settings::default(), &shape);
            for (i, w) in some.iter().enumerate() {
                for g in [&some[i % 2], &some[(i + 2) % 5]] {
                    run.check(|_| (w.clone(), g.clone()));
                }
            }
        }
    }
}

fn a_gradient_may_be_a_broadcast_view<F: Scalar>() {
    for entry in catalog::<F>() {
        for settings in [Settings::default(), penalized()] {
            for (from, shape) in [
                (&[][..], &[5, 7][..]),
                (&[7], &[5, 7]),
                (&[5, 1], &[5, 7]),
                (&[1], &[40]),
                (&[3, 1, 2], &[3, 40, 2]),
                (&[3, 1], &[2, 3, 33]),
            ] {
                let small: Vec<ArrayD<F>> = (0..STEPS).map(|i| array(from, 7 + i as u64)).collect();
                let wide = |g: &ArrayD<F>| g.broadcast(shape).unwrap().to_owned();
                let run =
                    Run::of(entry, &settings, array(shape, 3), small.iter().map(wide).collect());
                for layout in layouts(shape.len()) {
                    let mut w = Placed::new(&layout, run.start.view(), F::from_f64(-1.25e30));
                    let mut optimizer = run.optimizer();
                    for (g, (expected, _)) in small.iter().zip(&run.expected) {
                        let g = g.broadcast(shape).unwrap();
                        optimizer.step_with_loss(&mut w.view_mut(), &g, LOSS).unwrap();
                        assert_agrees(
                            entry,
                            w.view(),
                            expected.view(),
                            (entry.name, shape, &layout),
                        );
                        w.assert_guarded(entry.name);
                    }
                }
            }
        }
    }
}

/// Ranks that are types, and arrays that own, share or borrow.
fn arrays_of_every_type_give_the_same_bits<F: Scalar>() {
    for entry in catalog::<F>() {
        let run = Run::new(entry, &Settings::default(), &[4, 3, 5]);
        let start = run.start.clone().into_dimensionality::<ndarray::Ix3>().unwrap();
        let mut optimizers: Vec<_> = (0..5).map(|_| run.optimizer()).collect();

        let mut owned = start.clone();
        let mut column_major = Array3::zeros(ndarray::ShapeBuilder::f((4, 3, 5)));
        column_major.assign(&start);
        let (mut shared, witness) = {
            let array = ArcArray::from(start.clone());
            (array.clone(), array)
        };
        let mut wide = Array3::from_elem((4, 3, 15), F::one());
        wide.slice_mut(s![.., .., 1..;3]).assign(&start);
        let mut turned = start.clone().permuted_axes([2, 0, 1]).as_standard_layout().to_owned();

        for (g, (expected, _)) in run.gradients.iter().zip(&run.expected) {
            let fixed = g.view().into_dimensionality::<ndarray::Ix3>().unwrap();
            optimizers[0].step_with_loss(&mut owned, &fixed, LOSS).unwrap();
            optimizers[1].step_with_loss(&mut column_major, g, LOSS).unwrap();
            optimizers[2]
                .step_with_loss(&mut shared, &ArcArray::from(fixed.to_owned()), LOSS)
                .unwrap();
            optimizers[3]
                .step_with_loss(&mut wide.slice_mut(s![.., .., 1..;3]), &fixed.to_owned(), LOSS)
                .unwrap();
            let mut view = turned.view_mut().permuted_axes([1, 2, 0]);
            optimizers[4].step_with_loss(&mut view, &ndarray::CowArray::from(fixed), LOSS).unwrap();
            for found in [
                owned.view(),
                column_major.view(),
                shared.view(),
                wide.slice(s![.., .., 1..;3]),
                turned.view().permuted_axes([1, 2, 0]),
            ] {
                assert_agrees(entry, found.into_dyn(), expected.view(), entry.name);
            }
        }
        assert_same(witness.view().into_dyn(), run.start.view(), "another handle of the array");
        assert!(wide.slice(s![.., .., ..;3]).iter().all(|&x| x == F::one()));
    }
}

/// A slice of one element has stride 0, and a stride of any size is allowed for it.
fn one_element_cut_out_of_many_is_updated<F: Scalar>() {
    for entry in catalog::<F>() {
        let run = Run::new(entry, &Settings::default(), &[1]);
        let mut optimizers = [run.optimizer(), run.optimizer(), run.optimizer()];
        let mut many = Array1::from_elem(9, F::one());
        many[4] = run.start[0];
        let mut alone = run.start.clone();
        let mut in_column = Array2::from_elem((3, 3), F::one());
        in_column[[1, 1]] = run.start[0];
        for (g, (expected, _)) in run.gradients.iter().zip(&run.expected) {
            let many_g = Array1::from_elem(9, g[0]);
            let cut = |g: &Array1<F>| g.slice(s![4..5;-2]).to_owned();
            optimizers[0]
                .step_with_loss(&mut many.slice_mut(s![4..6;2]), &cut(&many_g), LOSS)
                .unwrap();
            optimizers[1].step_with_loss(&mut alone, &many_g.slice(s![3..5;7]), LOSS).unwrap();
            let mut column = in_column.slice_mut(s![1..2, 1]);
            optimizers[2].step_with_loss(&mut column, &many_g.slice(s![..=0;-1]), LOSS).unwrap();
            for found in [many[4], alone[0], in_column[[1, 1]]] {
                assert_eq!(bits(found), bits(expected[0]), "{}", entry.name);
            }
        }
        let touched = |x: &&F| **x != F::one();
        assert!(many.iter().filter(touched).count() <= 1);
        assert!(in_column.iter().filter(touched).count() <= 1);
    }
}

fn strides_of_an_axis_of_length_one_do_not_matter<F: Scalar>() {
    for entry in catalog::<F>() {
        let run = Run::new(entry, &Settings::default(), &[3, 1, 4]);
        for stride in [1, 4, 12, 1000] {
            let mut w: Vec<F> = run.start.iter().copied().collect();
            let mut optimizer = run.optimizer();
            for (g, (expected, _)) in run.gradients.iter().zip(&run.expected) {
                let shape = ndarray::ShapeBuilder::strides((3, 1, 4), (4, stride, 1));
                let mut view = ndarray::ArrayViewMut3::from_shape(shape, &mut w).unwrap();
                optimizer.step_with_loss(&mut view, g, LOSS).unwrap();
                assert_agrees(entry, view.view().into_dyn(), expected.view(), (entry.name, stride));
            }
        }
    }
}

fn slots_are_in_the_parameters_shape_whatever_its_layout<F: Scalar>() {
    for shape in [&[11][..], &[5, 7], &[4, 3, 5], &[2, 1, 3, 4]] {
        let mut plain = (array::<F>(shape, 1), AmsGrad::new(0.1));
        let g: ArrayD<F> = array(shape, 2);
        for _ in 0..2 {
            plain.1.step_with_loss(&mut plain.0, &g, LOSS).unwrap();
        }
        for layout in layouts(shape.len()) {
            let mut w = Placed::new(&layout, array(shape, 1).view(), F::one());
            let mut optimizer = AmsGrad::new(0.1);
            for _ in 0..2 {
                optimizer.step_with_loss(&mut w.view_mut(), &g, LOSS).unwrap();
            }
            for slot in ["m", "v", "max"] {
                let expected = plain.1.slot("", slot).unwrap();
                let found = optimizer.slot("", slot).unwrap();
                assert_same(found.view(), expected.view(), (&layout, slot));
            }
            let m = optimizer.slot("", "m").unwrap();
            assert!(
                (w.view().strides().iter().zip(m.strides()).zip(shape))
                    .all(|((w, m), &n)| n == 1 || w.signum() == m.signum()),
                "{layout:?}"
            );
        }
    }
}

/// Else each step after the change would read and write the state across its memory.
fn slots_take_the_order_of_a_parameter_that_changes_its_layout<F: Scalar>() {
    let shape = [3, 4, 5];
    let g = array::<F>(&shape, 2);
    let all = layouts(3);
    let mut optimizer = AmsGrad::new(0.1);
    for i in 0..3 * all.len() {
        let layout = &all[i * 5 % all.len()];
        let mut w = Placed::new(layout, array(&shape, 1).view(), F::one());
        optimizer.step_with_loss(&mut w.view_mut(), &g, LOSS).unwrap();
        let slot = optimizer.slot("", "v").unwrap();
        for axis in 0..3 {
            for other in 0..3 {
                let slower = |strides: &[isize]| strides[axis].abs() > strides[other].abs();
                assert_eq!(slower(w.view().strides()), slower(slot.strides()), "{layout:?}");
            }
            assert_eq!(w.view().strides()[axis] < 0, slot.strides()[axis] < 0, "{layout:?}");
        }
    }
}

/// A layout that has changed for a call that fails is no reason to lose the state.
fn a_refused_step_in_another_layout_changes_nothing<F: Scalar>() {
    let shape = [5, 7];
    let mut w = array::<F>(&shape, 1);
    let g = array::<F>(&shape, 2);
    let (mut once, mut twice) = (Adam::new(0.1), Adam::new(0.1));
    let mut expected = w.clone();
    once.step_with_loss(&mut expected, &g, LOSS).unwrap();
    once.step_with_loss(&mut expected, &g, LOSS).unwrap();

    twice.step_with_loss(&mut w, &g, LOSS).unwrap();
    let mut bad = g.clone();
    bad[[4, 6]] = F::nan();
    let mut turned = Placed::new(&Layout::column_major(2).step(0, -1), w.view(), F::one());
    twice.step_with_loss(&mut turned.view_mut(), &bad, LOSS).unwrap_err();
    assert_same(turned.view(), w.view(), "refused");
    twice.step_with_loss(&mut w, &g, LOSS).unwrap();
    assert_same(w.view(), expected.view(), "continued");
}

fn gradients_are_read_where_they_lie<F: Scalar>() {
    // Of overlapping rows, each element is many gradients at once.
    let series: Vec<F> = numbers(20, 5);
    let windows = ArrayView1::from(&series);
    for entry in catalog::<F>() {
        for rows in windows.windows(9) {
            let mut every_second = rows.into_dyn();
            every_second.slice_axis_inplace(Axis(0), Slice::new(0, None, 2));
            let mut w: Array1<F> = Array::zeros(5);
            let mut copy = w.clone();
            let packed = every_second.to_owned();
            entry.build(RATE, clipped()).step_with_loss(&mut w, &every_second, LOSS).unwrap();
            entry.build(RATE, clipped()).step_with_loss(&mut copy, &packed, LOSS).unwrap();
            assert_agrees(entry, w.into_dyn().view(), copy.into_dyn().view(), entry.name);
        }
    }
    assert_same_slices(&series, &numbers(20, 5), "gradients were written");
}

for_both_scalars!(
    state_in_fewer_bits_knows_of_no_layout,
    every_pair_of_layouts_gives_the_same_bits,
    so_it_does_with_a_penalty,
    so_it_does_with_clipping_up_to_the_norms_last_digit,
    ranks_five_and_six_give_the_same_bits,
    state_follows_a_layout_that_changes_between_steps,
    lengths_around_vectors_and_tiles_give_the_same_bits,
    grids_around_tiles_give_the_same_bits,
    a_gradient_may_be_a_broadcast_view,
    arrays_of_every_type_give_the_same_bits,
    one_element_cut_out_of_many_is_updated,
    strides_of_an_axis_of_length_one_do_not_matter,
    slots_are_in_the_parameters_shape_whatever_its_layout,
    slots_take_the_order_of_a_parameter_that_changes_its_layout,
    a_refused_step_in_another_layout_changes_nothing,
    gradients_are_read_where_they_lie,
);
