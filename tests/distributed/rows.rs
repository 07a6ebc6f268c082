//! Gradients of rows are exchanged as rows, and give the bits of one process.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array, Array2, ArrayD, Axis, IxDyn, ShapeBuilder, array};
use thalweg::distributed::{Communicator, DataParallel, Split, Threads};
use thalweg::params::Rows;
use thalweg::regularize::{AdaptiveClip, Decay, MaxNorm, Units};
use thalweg::train::Accumulate;
use thalweg::{
    AdaGrad, Adam, Average, Error, ErrorKind, Ftrl, Muon, Optimizer, Params, Scalar, Sgd, StepInfo,
    Untouched, catalog,
};

use super::support::*;

type Tree<F> = BTreeMap<String, Box<dyn Params<F>>>;

/// Tables of all kinds, which ranks split within rows, and a bias.
fn tables<F: Scalar>() -> Model<F> {
    let leaf = |shape: &[usize], seed| {
        Array::from_shape_vec(shape, numbers(shape.iter().product(), seed)).unwrap()
    };
    let mut columns = Array::zeros(IxDyn(&[90, 31]).f());
    columns.assign(&leaf(&[90, 31], 4));
    let mut backwards = leaf(&[300, 5], 5);
    backwards.invert_axis(Axis(0));
    BTreeMap::from([
        ("bias".to_owned(), leaf(&[70], 1)),
        ("backwards".to_owned(), backwards),
        ("columns".to_owned(), columns),
        ("numbers".to_owned(), leaf(&[1500], 2)),
        ("wide".to_owned(), leaf(&[50, 2, 32], 6)),
        ("words".to_owned(), leaf(&[400, 6], 3)),
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

fn gradients<F: Scalar>(tables: &Model<F>, step: usize, shard: usize) -> Tree<F> {
    let seed = (step * 8 + shard) as u64;
    let leaf = |(i, (name, table)): (u64, (&String, &ArrayD<F>))| {
        let g: Box<dyn Params<F>> = match name.as_str() {
            "bias" => Box::new(Array::from_vec(numbers::<F>(70, 500 + seed)).into_dyn()),
            _ => Box::new(rows::<F>(table.shape(), seed + i)),
        };
        (name.clone(), g)
    };
    (0..).zip(tables).map(leaf).collect()
}

fn weight(step: usize, shard: usize) -> f64 {
    if step == 1 { 1.0 + shard as f64 } else { 1.0 }
}

const STEPS: usize = 4;

/// Numbers of ranks, and of shards.
const SIZES: [[usize; 2]; 4] = [[1, 3], [2, 2], [3, 5], [4, 8]];

type Build<F> = Arc<dyn Fn() -> Box<dyn Optimizer<F>> + Send + Sync>;

/// That a run on ranks has the bits of one process.
#[track_caller]
fn check<F: Scalar>(
    what: &str,
    start: &Model<F>,
    build: &Build<F>,
    kinds: &[Kind],
    sizes: &[[usize; 2]],
) {
    for &[ranks, shards] in sizes {
        let mut alone = Accumulate::new(build(), shards as u64);
        let (mut w, mut expected) = (start.clone(), Vec::new());
        for step in 0..STEPS {
            let mut info = StepInfo::default();
            for shard in 0..shards {
                let g = gradients(start, step, shard);
                info = alone.step_weighted(&mut w, &g, weight(step, shard)).unwrap();
            }
            expected.push(seen(&w, info));
        }
        for &kind in kinds {
            let (build, start) = (build.clone(), start.clone());
            let runs = on_ranks(ranks, move |threads| {
                let mut many = Many::new(kind, build(), threads, shards);
                let (mut w, mut run) = (start.clone(), Vec::new());
                for step in 0..STEPS {
                    let mut info = StepInfo::default();
                    for shard in many.own() {
                        let g = gradients(&start, step, shard);
                        info = many.step_weighted(&mut w, &g, weight(step, shard))?;
                    }
                    run.push(seen(&w, info));
                }
                Ok((run, many.whole_state()?))
            });
            for (run, state) in runs.unwrap_or_else(|error| panic!("{what} {kind:?}: {error}")) {
                for (step, (found, expected)) in run.iter().zip(&expected).enumerate() {
                    assert_eq!(found.info, expected.info, "{what} {kind:?} {ranks} {step}");
                    let same = found.parameters == expected.parameters;
                    assert!(same, "{what} {kind:?} on {ranks} at step {step}");
                }
                assert!(state == alone.inner().state(), "{what} {kind:?} on {ranks}: the state");
            }
        }
    }
}

fn on_many_ranks_as_in_one_process<F: Scalar>() {
    let entries = catalog::<F>().iter();
    for entry in entries.filter(|entry| !entry.couples_leaves && !entry.needs_loss) {
        for (name, settings) in every_setting() {
            let mut start = tables::<F>();
            match name {
                // It needs whole arrays.
                "noisy" => continue,
                // What is summed over a leaf in the order of its memory is, with blocks, summed in that of its index.
                "compact8" if entry.couples => continue,
                // Rows are whole blocks.
                "compact8" => start.retain(|name, _| name == "bias" || name == "wide"),
                _ => {}
            }
            let build: Build<F> = Arc::new(move || entry.build(0.03, settings.clone()));
            let what = format!("{} {name}", entry.name);
            match name {
                "coupled" => check(&what, &start, &build, &KINDS, &SIZES),
                _ => check(&what, &start, &build, &KINDS[1..], &SIZES[2..3]),
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

#[test]
fn exact_rows_are_those_of_one_process() {
    type Plain = fn() -> Box<dyn Optimizer<f64>>;
    let exact: [(&str, Plain); 4] = [
        ("sgd", || Box::new(Sgd::new(0.1).untouched(Untouched::Exact))),
        ("adagrad", || {
            let adagrad = AdaGrad::new(0.1).untouched(Untouched::Exact);
            Box::new(adagrad.clip_norm(0.5).decoupled_decay(Decay::Relative(0.1)))
        }),
        ("ftrl", || {
            let ftrl = Ftrl::new(0.1).l1(0.3).untouched(Untouched::Exact);
            Box::new(ftrl.clip_leaf_norm(0.5))
        }),
        ("shrunk", || {
            let sgd = Sgd::new(0.1).untouched(Untouched::Exact).proximal_l1(0.01).shrink(0.99);
            Box::new(sgd.clip_value(0.02))
        }),
    ];
    for (name, build) in exact {
        check(name, &tables(), &(Arc::new(build) as Build<f64>), &KINDS, &SIZES);
    }
}

#[test]
fn rows_as_units_of_whole_leaves_are_those_of_one_process() {
    let build: Build<f32> = Arc::new(|| {
        let adam = Adam::new(0.03).max_norm(MaxNorm::new(2.0, Axis(0))).clip_norm(2.0);
        Box::new(adam.clip_adaptive(AdaptiveClip::new(0.3).units(Units::FirstAxis)))
    });
    check("by rows", &tables(), &build, &[Kind::Sharded(None), KINDS[2]], &SIZES);
}

type Stepped = (Model<f64>, Option<Error>);

/// A good step, one that may be bad, and what has become of the parameters after each.
fn step_of(
    kind: Kind,
    threads: Threads,
    g: impl Fn(usize) -> Box<dyn Params<f64>>,
) -> Result<[Stepped; 3], Error> {
    let rank = threads.rank();
    let ranks = threads.size();
    let mut many = Many::new(kind, Box::new(Adam::new(0.1)), threads, ranks);
    // Each rank has a part of each row or so.
    let mut w: Model<f64> = BTreeMap::from([(String::new(), ArrayD::ones(vec![4, 1000]))]);
    let mut step = |g: &dyn Params<f64>| {
        let outcome = many.step_weighted(&mut w, g, 1.0);
        (w.clone(), outcome.err())
    };
    let good = of_rows(vec![1], Array2::ones((1, 1000)));
    Ok([step(&*good), step(&*named(g(rank))), step(&*good)])
}

fn named(g: Box<dyn Params<f64>>) -> Box<dyn Params<f64>> {
    Box::new(BTreeMap::from([(String::new(), g)]))
}

fn of_rows(rows: Vec<usize>, values: Array2<f64>) -> Box<dyn Params<f64>> {
    named(Box::new(Rows { rows, values }))
}

#[test]
fn what_is_wrong_with_rows_on_one_rank_is_wrong_on_all() {
    type Bad = fn(usize) -> Box<dyn Params<f64>>;
    fn rows(row: usize, value: f64) -> Box<dyn Params<f64>> {
        let mut values = Array2::zeros((2, 1000));
        values[[0, 700]] = value;
        Box::new(Rows { rows: vec![row, 1], values })
    }
    let bad: [(&str, Bad); 4] = [
        ("RowOutOfRange", |rank| rows(2 + 2 * rank, 1.0)),
        ("index: [2, 700]", |rank| rows(2, if rank == 1 { f64::NAN } else { 1.0 })),
        ("LargeGradient", |_| rows(2, 1e300)),
        ("RanksDiffer", |rank| match rank {
            0 => rows(2, 1.0),
            _ => Box::new(Array2::<f64>::ones((4, 1000))),
        }),
    ];
    for kind in KINDS {
        for (what, g) in bad {
            let mut errors = Vec::new();
            for [good, bad, again] in on_ranks(2, move |threads| step_of(kind, threads, g)).unwrap()
            {
                assert!(good.1.is_none() && again.1.is_none(), "{kind:?} {what}");
                let error = bad.1.expect(what);
                assert!(format!("{:?}", error.kind()).contains(what), "{kind:?}: {error}");
                assert_eq!(bad.0, good.0, "{kind:?} {what}");
                assert!(again.0 != good.0, "{kind:?} {what}");
                errors.push(error.to_string());
            }
            assert_eq!(errors[0], errors[1], "{kind:?}");
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
fn shards_of_one_rank_have_rows_of_the_same_leaves() {
    for kind in KINDS {
        let error = on_ranks(1, move |threads| {
            let mut w: Model<f64> = BTreeMap::from([(String::new(), ArrayD::ones(vec![4, 2]))]);
            let mut mixed = Many::new(kind, Box::new(Sgd::new(0.1)), threads, 2);
            let g = of_rows(vec![1], Array2::ones((1, 2)));
            mixed.step_weighted(&mut w, &*g, 1.0)?;
            let g = w.clone();
            mixed.step_weighted(&mut w, &g, 1.0).map(drop)
        });
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WholeArrays { .. }), "{error}");
    }
}

#[test]
fn what_needs_whole_arrays_says_so_on_all_ranks() {
    let error = on_ranks(3, |threads| {
        let mut w: Model<f64> = BTreeMap::from([(String::new(), ArrayD::ones(vec![4, 2]))]);
        let kind = Kind::Sharded(Some(Split::Leaves));
        let mut many = Many::new(kind, Box::new(Muon::new(0.1)), threads, 3);
        let g = of_rows(vec![1], Array2::ones((1, 2)));
        let error = many.step_weighted(&mut w, &*g, 1.0).unwrap_err();
        assert!(w[""].iter().all(|&w| w == 1.0));
        Ok(error)
    });
    for error in error.unwrap() {
        assert!(matches!(error.kind(), ErrorKind::WholeArrays { .. }), "{error}");
    }
}

/// A leaf may be of rows in one step and an array in the next, and parameters may be changed between steps.
#[test]
fn rows_and_arrays_take_turns() {
    fn g(start: &Model<f32>, step: usize) -> Tree<f32> {
        match step % 3 {
            1 => start.iter().map(|(name, w)| (name.clone(), Box::new(w.clone()) as _)).collect(),
            _ => gradients(start, step, 0),
        }
    }
    fn adam() -> Box<dyn Optimizer<f32>> {
        Box::new(Adam::new(0.03).average(Average::ema(0.9)))
    }
    fn change(w: &mut Model<f32>) {
        w.values_mut().for_each(|w| w.mapv_inplace(|w| w * 0.5));
    }
    let start = tables::<f32>();
    let (mut alone, mut expected) = (adam(), start.clone());
    for step in 0..7 {
        alone.step(&mut expected, &g(&start, step)).unwrap();
        change(&mut expected);
    }
    let mut average = expected.clone();
    alone.swap_average(&mut average).unwrap();
    for kind in KINDS {
        let start = start.clone();
        let runs = on_ranks(3, move |threads| {
            let mut many = Many::new(kind, adam(), threads, 3);
            let mut w = start.clone();
            for step in 0..7 {
                // Of three shards all but the first weigh nothing.
                for shard in many.own() {
                    let weight = if shard == 0 { 1.0 } else { 0.0 };
                    many.step_weighted(&mut w, &g(&start, step), weight)?;
                }
                change(&mut w);
            }
            let mut average = w.clone();
            many.optimizer().swap_average(&mut average)?;
            Ok((bits(&w), bits(&average)))
        });
        for found in runs.unwrap() {
            assert!(found == (bits(&expected), bits(&average)), "{kind:?}");
        }
    }
}
