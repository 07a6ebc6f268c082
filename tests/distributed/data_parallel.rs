//! The bits of one process, whatever the number of ranks.

use ndarray::{Array1, array};
use thalweg::distributed::{Communicator, DataParallel, Solo, mean, rows_of, shards_of};
use thalweg::train::{Accumulate, Lookahead, Sam};
use thalweg::{Adam, ErrorKind, Lbfgs, Muon, Optimizer, Scalar, Settings, Sgd, catalog};

use super::support::{Model, Seen, every_setting, gradient, model, on_ranks, seen};
use crate::LOSS;

const STEPS: usize = 4;

type Build = fn() -> Box<dyn Optimizer<f64>>;

/// A run of one process.
fn alone<F: Scalar>(inner: Box<dyn Optimizer<F>>, shards: usize) -> Vec<Seen> {
    let mut optimizer = Accumulate::new(inner, shards as u64);
    let mut w = model::<F>(1);
    let step = |step| {
        let calls = (0..shards)
            .map(|shard| optimizer.step_with_loss(&mut w, &gradient(step, shard), LOSS).unwrap());
        let info = calls.last().unwrap();
        seen(&w, info)
    };
    (0..STEPS).map(step).collect()
}

/// A run of some ranks: what the first has seen, which all have.
fn together<F: Scalar>(
    size: usize,
    shards: usize,
    build: impl Fn() -> Box<dyn Optimizer<F>> + Send + Sync + 'static,
) -> Vec<Seen> {
    let runs = on_ranks(size, move |ranks| {
        let mut optimizer = DataParallel::new(build(), ranks).shards(shards);
        let mut w = model::<F>(1);
        let mut run = Vec::new();
        for step in 0..STEPS {
            let own = optimizer.own();
            for shard in own.clone() {
                let info = optimizer.step_with_loss(&mut w, &gradient(step, shard), LOSS)?;
                assert_eq!(info.accumulating, shard + 1 < own.end);
                if !info.accumulating {
                    run.push(seen(&w, info));
                }
            }
        }
        Ok(run)
    });
    let mut runs = runs.unwrap();
    assert!(runs.iter().all(|run| *run == runs[0]), "all ranks have the same parameters");
    runs.remove(0)
}

fn every_rule_on_any_number_of_ranks<F: Scalar>() {
    for entry in catalog::<F>() {
        for (name, settings) in every_setting() {
            let build = move || entry.build(0.03, settings.clone());
            for (shards, sizes) in [(8, &[1, 3, 8][..]), (4, &[2, 4])] {
                let expected = alone(build(), shards);
                for &size in sizes {
                    let found = together(size, shards, build.clone());
                    assert!(found == expected, "{} {name}: {shards} on {size}", entry.name);
                }
            }
        }
    }
}

#[test]
fn every_rule_on_any_number_of_ranks_f32() {
    every_rule_on_any_number_of_ranks::<f32>();
}

#[test]
fn every_rule_on_any_number_of_ranks_f64() {
    every_rule_on_any_number_of_ranks::<f64>();
}

#[test]
fn any_number_of_shards_on_any_number_of_ranks() {
    let build = || -> Box<dyn Optimizer<f32>> { Box::new(Adam::new(0.03).clip_norm(0.5)) };
    let mut seen = Vec::new();
    for shards in 1..10 {
        let expected = alone(build(), shards);
        for size in 1..=shards {
            assert!(together(size, shards, build) == expected, "{shards} on {size}");
        }
        seen.push(expected);
    }
    // It is the shards that tell runs apart.
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn any_optimizer_that_is_none_of_the_engines() {
    let builds: [Build; 4] = [
        || Box::new(Muon::new(0.02).matrices(|_, shape| !shape.contains(&0))),
        || Box::new(Lookahead::new(Adam::new(0.05)).period(2)),
        || Box::new(Lbfgs::new()),
        || Box::new(Adam::new(0.05).group("*.bias", |group| group.frozen(true))),
    ];
    for build in builds {
        let expected = alone(build(), 4);
        for size in [1, 2, 3, 4] {
            assert!(together(size, 4, build) == expected, "{}: {size}", build().name());
        }
    }
}

#[test]
fn both_phases_of_sam_take_the_mean() {
    let run = |size: usize| {
        let runs = on_ranks(size, |ranks| {
            let sam = Sam::new(Adam::<f64>::new(0.1), 0.5);
            let mut optimizer = DataParallel::new(sam, ranks).shards(4);
            let mut w = array![1.0, -2.0];
            for _ in 0..3 {
                // ½‖w - shard‖²
                for shard in optimizer.own() {
                    let g = &w - shard as f64;
                    optimizer.ascend(&mut w, &g)?;
                }
                assert_eq!(optimizer.has_ascended(), Some(true));
                for shard in optimizer.own() {
                    let g = &w - shard as f64;
                    optimizer.step_with_loss(&mut w, &g, LOSS)?;
                }
            }
            Ok(w)
        });
        let runs = runs.unwrap();
        assert!(runs.iter().all(|w: &Array1<f64>| *w == runs[0]));
        runs[0].clone()
    };
    let mut sam = Sam::new(Adam::<f64>::new(0.1), 0.5);
    let mut w = array![1.0, -2.0];
    for _ in 0..3 {
        // The mean of the shards is 1.5, exactly.
        let g = &w - 1.5;
        sam.ascend(&mut w, &g).unwrap();
        let g = &w - 1.5;
        sam.step_with_loss(&mut w, &g, LOSS).unwrap();
    }
    for size in [1, 2, 4] {
        let found = run(size);
        assert!(found.iter().zip(&w).all(|(a, b)| (a - b).abs() < 1e-12), "{size}: {found} {w}");
        assert_eq!(found, run(1));
    }
}

/// Whole numbers, whose means are numbers that any order of additions gives.
#[test]
fn the_mean_is_that_of_the_rows() {
    for shards in [1, 2, 3, 5, 8, 16] {
        for rows in [1_usize, 2, 7, 16, 100] {
            for size in [1, 2, 3, 4].into_iter().filter(|&size| size <= shards) {
                let found = on_ranks(size, move |ranks| {
                    let mut optimizer =
                        DataParallel::new(Sgd::new(1.0), ranks.clone()).shards(shards);
                    let mut w = array![0.0_f64, 0.0];
                    let mut losses = Vec::new();
                    for shard in optimizer.own() {
                        let own = rows_of(rows, shard, shards);
                        let weight = own.len() as f64;
                        let center = own.map(|row| row as f64 * 12.0).sum::<f64>() / weight;
                        losses.push((center, weight));
                        // A shard without rows has no mean: NaN, of weight 0.
                        optimizer.step_weighted(&mut w, &array![-center, center], weight)?;
                    }
                    Ok((w, mean(&ranks, shards, &losses)?))
                });
                let expected = 12.0 * (rows as f64 - 1.0) / 2.0;
                for (w, loss) in found.unwrap() {
                    let close = |x: f64| (x - expected).abs() <= 1e-12 * expected;
                    assert!(
                        close(w[0]) && close(-w[1]) && close(loss),
                        "{shards} {rows} {size}: {w}"
                    );
                }
            }
        }
    }
}

#[test]
fn rows_and_shards_are_each_ones_once() {
    for n in 0..40 {
        for parts in 1..12 {
            let of = |i| rows_of(n, i, parts);
            assert!((0..parts).flat_map(of).eq(0..n));
            assert!((0..parts).all(|i| of(i).len().abs_diff(n / parts) <= 1));
            assert!((0..parts).all(|i| shards_of(i, parts, n) == of(i)));
        }
    }
    assert_eq!(rows_of(usize::MAX, 2, 3).end, usize::MAX);
}

#[test]
fn a_state_goes_on_on_any_number_of_ranks_or_none() {
    let build = |settings: &Settings| catalog::<f32>()[8].build(0.03, settings.clone());
    for (name, settings) in every_setting() {
        let expected = alone(build(&settings), 4);
        let mut saved = Accumulate::new(build(&settings), 4);
        let mut w = model::<f32>(1);
        for step in 0..2 {
            (0..4).for_each(|shard| {
                _ = saved.step_with_loss(&mut w, &gradient::<f32>(step, shard), LOSS).unwrap()
            });
        }
        for size in [1, 2, 3, 4] {
            let (w, settings) = (w.clone(), settings.clone());
            let inner = saved.inner().state();
            let runs = on_ranks(size, move |ranks| {
                let mut optimizer = DataParallel::new(build(&settings), ranks).shards(4);
                let mut w: Model<f32> = w.clone();
                optimizer.load_state(&inner)?;
                let mut run = Vec::new();
                for step in 2..STEPS {
                    for shard in optimizer.own() {
                        let info = optimizer.step_with_loss(
                            &mut w,
                            &gradient::<f32>(step, shard),
                            LOSS,
                        )?;
                        run.push(seen(&w, info));
                    }
                }
                Ok((run, optimizer.state()))
            });
            for (run, state) in runs.unwrap() {
                assert!(run.last() == expected.last(), "{name} {size}");
                let mut alone = DataParallel::new(build(&settings_of(name)), Solo);
                alone.load_state(&state).unwrap();
                assert_eq!(alone.steps(), STEPS as u64);
            }
        }
    }
}

fn settings_of(name: &str) -> Settings {
    every_setting().into_iter().find(|(other, _)| *other == name).unwrap().1
}

#[test]
fn a_metric_is_one_number_on_all_ranks() {
    let values = [0.1, 0.7, 1e-3, 5.0, 2.5, 0.3, 0.9];
    let weights = [3.0, 0.0, 1.0, 2.5, 9.0, 1.0, 4.0];
    let mut means = Vec::new();
    for size in 1..=7 {
        let found = on_ranks(size, move |ranks| {
            let own = shards_of(ranks.rank(), ranks.size(), 7);
            mean(&ranks, 7, &own.map(|i| (values[i], weights[i])).collect::<Vec<_>>())
        });
        means.extend(found.unwrap());
    }
    let sum: f64 = values.iter().zip(&weights).map(|(x, w)| x * w).sum();
    assert!((means[0] - sum / weights.iter().sum::<f64>()).abs() < 1e-15);
    assert!(means.iter().all(|mean| mean.to_bits() == means[0].to_bits()));
    let empty = mean(&Solo, 2, &[(1.0, 0.0), (2.0, 0.0)]).unwrap_err();
    assert!(matches!(empty.kind(), ErrorKind::EmptyBatch { .. }));
    mean(&Solo, 2, &[(1.0, 1.0)]).unwrap_err();
    mean(&Solo, 1, &[(1.0, -1.0)]).unwrap_err();
}
