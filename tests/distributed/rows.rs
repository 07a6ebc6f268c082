//! Gradients of rows are exchanged as rows, and give the bits of one process.

use std::collections::BTreeMap;

use ndarray::{Array, Array2, ArrayD, array};
use thalweg::distributed::{Communicator, DataParallel, Sharded, Threads};
use thalweg::params::Rows;
use thalweg::train::Accumulate;
use thalweg::{Adam, Error, ErrorKind, Optimizer, Params, Scalar, Settings, Sgd, catalog};

use super::support::*;

type Tree<F> = BTreeMap<String, Box<dyn Params<F>>>;

/// Two tables, one of them of numbers, and a bias.
fn tables<F: Scalar>() -> Model<F> {
    let leaf = |shape: &[usize], seed| {
        Array::from_shape_vec(shape, numbers(shape.iter().product(), seed)).unwrap()
    };
    BTreeMap::from([
        ("bias".to_owned(), leaf(&[70], 1)),
        ("numbers".to_owned(), leaf(&[40], 2)),
        ("words".to_owned(), leaf(&[50, 6], 3)),
    ])
}

fn rows<F: Scalar>(shape: &[usize], seed: u64) -> Rows<Vec<usize>, ArrayD<F>> {
    // Some come twice, and some shards have none.
    let count = seed as usize % 5 * 3;
    let rows: Vec<usize> =
        (0..count).map(|i| (i * 17 + seed as usize * 7) % (shape[0] - i / 4)).collect();
    let mut of_values = shape.to_vec();
    of_values[0] = count;
    let len = of_values.iter().product();
    let values = Array::from_shape_vec(of_values, numbers(len, 900 + seed)).unwrap();
    Rows { rows, values }
}

fn gradients<F: Scalar>(step: usize, shard: usize) -> Tree<F> {
    let seed = (step * 8 + shard) as u64;
    let bias = Array::from_vec(numbers::<F>(70, 500 + seed)).into_dyn();
    BTreeMap::from([
        ("bias".to_owned(), Box::new(bias) as Box<dyn Params<F>>),
        ("numbers".to_owned(), Box::new(rows::<F>(&[40], seed + 3))),
        ("words".to_owned(), Box::new(rows::<F>(&[50, 6], seed))),
    ])
}

fn weight(step: usize, shard: usize) -> f64 {
    if step == 1 { 1.0 + shard as f64 } else { 1.0 }
}

const STEPS: usize = 4;

fn on_many_ranks_as_in_one_process<F: Scalar>() {
    let all = [Settings::default(), {
        let mut settings = Settings::default();
        settings.clip_norm = Some(0.7);
        settings.clip_leaf_norm = Some(0.5);
        settings
    }];
    let entries = catalog::<F>().iter();
    for entry in entries.filter(|entry| !entry.couples_leaves && !entry.needs_loss) {
        for settings in &all {
            for (ranks, shards) in [(1, 1), (1, 3), (2, 2), (3, 5), (4, 8)] {
                let mut alone = Accumulate::new(entry.build(0.03, settings.clone()), shards as u64);
                let mut w = tables::<F>();
                for step in 0..STEPS {
                    for shard in 0..shards {
                        let g = gradients::<F>(step, shard);
                        alone.step_weighted(&mut w, &g, weight(step, shard)).unwrap();
                    }
                }
                let settings = settings.clone();
                let runs = on_ranks(ranks, move |threads| {
                    let inner = entry.build(0.03, settings.clone());
                    let mut many = DataParallel::new(inner, threads).shards(shards);
                    let mut w = tables::<F>();
                    for step in 0..STEPS {
                        for shard in many.own() {
                            let g = gradients::<F>(step, shard);
                            many.step_weighted(&mut w, &g, weight(step, shard))?;
                        }
                    }
                    Ok((bits(&w), many.state()))
                });
                for (found, state) in runs.unwrap() {
                    assert_eq!(found, bits(&w), "{} {ranks} {shards}", entry.name);
                    assert_eq!(state, alone.inner().state(), "{}", entry.name);
                }
            }
        }
    }
}

#[test]
fn on_many_ranks_as_in_one_process_in_f32() {
    on_many_ranks_as_in_one_process::<f32>();
}

#[test]
fn on_many_ranks_as_in_one_process_in_f64() {
    on_many_ranks_as_in_one_process::<f64>();
}

fn step_of(
    threads: Threads,
    g: impl Fn(usize) -> Box<dyn Params<f64>>,
) -> Result<(Array2<f64>, Result<(), Error>), Error> {
    let rank = threads.rank();
    let mut optimizer = DataParallel::new(Adam::new(0.1), threads);
    let mut w = Array2::<f64>::ones((4, 2));
    let good = Rows { rows: vec![1_usize], values: Array2::ones((1, 2)) };
    optimizer.step(&mut w, &good)?;
    let outcome = optimizer.step(&mut w, &g(rank)).map(drop);
    let before = w.clone();
    optimizer.step(&mut w, &good)?;
    Ok((before, outcome))
}

#[test]
fn what_is_wrong_with_rows_on_one_rank_is_wrong_on_all() {
    let expected = on_ranks(2, |threads| {
        let mut optimizer = DataParallel::new(Adam::new(0.1), threads);
        let mut w = Array2::<f64>::ones((4, 2));
        let good = Rows { rows: vec![1_usize], values: Array2::ones((1, 2)) };
        optimizer.step(&mut w, &good)?;
        Ok(w)
    });
    let expected = expected.unwrap().remove(0);
    type Bad = fn(usize) -> Box<dyn Params<f64>>;
    fn rows(row: usize, value: f64) -> Box<dyn Params<f64>> {
        Box::new(Rows { rows: vec![row], values: array![[value, 0.0]] })
    }
    let bad: [(&str, Bad); 3] = [
        ("RowOutOfRange", |rank| rows(2 + 2 * rank, 1.0)),
        ("NonFiniteGradient", |rank| rows(2, if rank == 1 { f64::NAN } else { 1.0 })),
        ("RanksDiffer", |rank| match rank {
            0 => rows(2, 1.0),
            _ => Box::new(Array2::<f64>::ones((4, 2))),
        }),
    ];
    for (kind, g) in bad {
        for (w, outcome) in on_ranks(2, move |threads| step_of(threads, g)).unwrap() {
            let error = outcome.unwrap_err();
            assert!(format!("{:?}", error.kind()).contains(kind), "{error}");
            assert_eq!(w, expected, "{kind}");
        }
    }
}

#[test]
fn rows_of_a_shard_that_weighs_nothing_do_not_count() {
    let found = on_ranks(2, |threads| {
        let rank = threads.rank();
        let mut optimizer = DataParallel::new(Adam::new(0.1), threads);
        let mut w = Array2::<f64>::ones((4, 2));
        for step in 0..3_usize {
            let row = if rank == 0 { step } else { 9 };
            let g = Rows { rows: vec![row], values: array![[1.0 + rank as f64, 0.0]] };
            optimizer.step_weighted(&mut w, &g, 1.0 - rank as f64)?;
        }
        Ok(w)
    });
    let (mut alone, mut w) = (Adam::new(0.1), Array2::<f64>::ones((4, 2)));
    for step in 0..3_usize {
        alone.step(&mut w, &Rows { rows: vec![step], values: array![[1.0, 0.0]] }).unwrap();
    }
    assert_eq!(found.unwrap(), [w.clone(), w]);
}

#[test]
fn shards_of_one_rank_have_rows_of_the_same_leaves_and_sharded_takes_arrays_alone() {
    let g = || Rows { rows: vec![1_usize], values: Array2::<f64>::ones((1, 2)) };
    let errors = on_ranks(1, move |threads| {
        let mut w = Array2::<f64>::ones((4, 2));
        let mut mixed = DataParallel::new(Sgd::new(0.1), threads.clone()).shards(2);
        mixed.step(&mut w, &g())?;
        let first = mixed.step(&mut w, &Array2::ones((4, 2))).unwrap_err();
        let second = Sharded::new(Sgd::new(0.1), threads).step(&mut w, &g()).unwrap_err();
        assert_eq!(w, Array2::<f64>::ones((4, 2)));
        Ok([first, second])
    });
    for error in errors.unwrap().concat() {
        assert!(matches!(error.kind(), ErrorKind::WholeArrays { .. }), "{error}");
    }
}
