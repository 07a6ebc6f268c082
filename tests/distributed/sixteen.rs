//! Parameters and gradients of 16 bits on many ranks: the bits of one process.

use std::collections::BTreeMap;

use half::{bf16, f16};
use ndarray::{ArrayD, Axis, Slice};
use thalweg::distributed::{
    Communicator, DataParallel, LocalSteps, Sharded, Split, Threads, broadcast, verify,
};
use thalweg::params::Rows;
use thalweg::train::Accumulate;
use thalweg::{
    Adam, Error, ErrorKind, Momentum, Optimizer, Params, ParamsMut, Rounding, Sgd, State, StepInfo,
    catalog,
};

use super::support::{Model, by_units, every_setting, gradient, model, on_ranks};
use crate::LOSS;
use thalweg_tests_support::sixteen::told;

const STEPS: usize = 3;
const SHARDS: usize = 6;
const ROUNDINGS: [Rounding; 3] = [Rounding::Stochastic, Rounding::Compensated, Rounding::Nearest];

/// Leaves of each kind of numbers, and one of every second column of an array.
type Mixed = (BTreeMap<String, ArrayD<bf16>>, ArrayD<f16>, ArrayD<f32>, ArrayD<bf16>);

fn mixed(model: &Model<f32>) -> Mixed {
    let of = |name: &str| &model[name];
    (
        model.iter().map(|(name, leaf)| (name.clone(), leaf.mapv(bf16::from_f32))).collect(),
        of("b.weight").mapv(f16::from_f32),
        of("a.weight").clone(),
        of("a.weight").mapv(bf16::from_f32),
    )
}

/// A model of which a rank has all; the last of its leaves leaves gaps.
struct Whole(Mixed);

impl Whole {
    fn new(seed: u64) -> Self {
        Self(mixed(&model(seed)))
    }

    fn on<T>(&mut self, work: impl FnOnce(&mut dyn ParamsMut<f32>) -> T) -> T {
        let (leaves, half, full, wide) = &mut self.0;
        let columns = wide.slice_axis_mut(Axis(1), Slice::from(..).step_by(2));
        work(&mut (leaves, half, full, columns))
    }

    fn bits(&self) -> Vec<u32> {
        let (leaves, half, full, wide) = &self.0;
        let leaves = leaves.values().chain([wide]).flatten().map(|x| u32::from(x.to_bits()));
        let half = half.iter().map(|x| u32::from(x.to_bits()));
        leaves.chain(half).chain(full.iter().map(|x| x.to_bits())).collect()
    }
}

/// The gradient of a shard, whose numbers are not of the kind of the parameters everywhere.
fn on_shard<T>(step: usize, shard: usize, work: impl FnOnce(&dyn Params<f32>) -> T) -> T {
    let g = gradient::<f32>(step, shard);
    let (leaves, half, full, wide) = mixed(&g);
    let columns = wide.slice_axis(Axis(1), Slice::from(..).step_by(2));
    match shard % 3 {
        0 => work(&(leaves, half, full, columns)),
        // What another rank has in full has the same numbers.
        1 => work(&(leaves, half.mapv(f16::to_f32), full, columns)),
        _ => work(&(leaves, half, full, columns.mapv(bf16::to_f32))),
    }
}

/// What the steps of a run came to.
#[derive(Debug, PartialEq)]
struct Run {
    bits: Vec<Vec<u32>>,
    norms: Vec<Option<u64>>,
    state: State,
}

fn note(run: &mut Run, w: &Whole, info: StepInfo) {
    run.bits.push(w.bits());
    run.norms.push(info.grad_norm.map(f64::to_bits));
}

type Build = std::sync::Arc<dyn Fn() -> Box<dyn Optimizer<f32>> + Send + Sync>;

fn alone(build: &Build) -> Run {
    let mut optimizer = Accumulate::new(build(), SHARDS as u64);
    let (mut w, state) = (Whole::new(1), optimizer.state());
    let mut run = Run { bits: Vec::new(), norms: Vec::new(), state };
    for step in 0..STEPS {
        let calls = (0..SHARDS).map(|shard| {
            let stepped = |g: &dyn Params<f32>| w.on(|w| optimizer.step_with_loss(w, g, LOSS));
            on_shard(step, shard, stepped).unwrap()
        });
        let info = calls.last().unwrap();
        note(&mut run, &w, info);
    }
    run.state = optimizer.inner().state();
    run
}

fn check(what: &str, build: Build, size: usize) {
    let expected = alone(&build);
    let runs = on_ranks(size, move |ranks| {
        let mut optimizer = DataParallel::new(build(), ranks.clone()).shards(SHARDS);
        let (mut w, state) = (Whole::new(1), optimizer.state());
        let mut run = Run { bits: Vec::new(), norms: Vec::new(), state };
        for step in 0..STEPS {
            let info = all_shards(&mut optimizer, &mut w, step)?;
            note(&mut run, &w, info);
        }
        w.on(|w| verify(&ranks, &*w))?;
        run.state = optimizer.state();
        Ok(run)
    });
    for run in runs.unwrap_or_else(|error| panic!("{what}: {error}")) {
        assert!(run.bits == expected.bits, "{what} on {size}: the parameters");
        assert_eq!(run.norms, expected.norms, "{what} on {size}: the norms");
        assert!(run.state == expected.state, "{what} on {size}: the state");
    }
}

/// All shards of this rank at a step.
fn all_shards<O: Optimizer<f32>>(
    optimizer: &mut DataParallel<f32, O, Threads>,
    w: &mut Whole,
    step: usize,
) -> Result<StepInfo, Error> {
    let mut info = StepInfo::default();
    for shard in optimizer.own() {
        let stepped = |g: &dyn Params<f32>| w.on(|w| optimizer.step_with_loss(w, g, LOSS));
        info = on_shard(step, shard, stepped)?;
    }
    Ok(info)
}

#[test]
fn every_rule_steps_as_one_process_does() {
    for (i, entry) in catalog::<f32>().iter().enumerate() {
        for (j, (name, settings)) in every_setting().into_iter().enumerate() {
            let settings = told(ROUNDINGS[(i + j) % 3], settings);
            let build: Build = std::sync::Arc::new(move || entry.build(0.03, settings.clone()));
            check(&format!("{} {name}", entry.name), build.clone(), 2 + (i + 2 * j) % 3);
            if j == 0 {
                check(entry.name, build, 1);
            }
        }
        let settings = told(ROUNDINGS[i % 3], by_units());
        let build: Build = std::sync::Arc::new(move || entry.build(0.03, settings.clone()));
        check(&format!("{} by units", entry.name), build, 3);
    }
}

#[test]
fn a_checkpoint_goes_on_on_another_number_of_ranks() {
    for rounding in ROUNDINGS {
        let train = move |size: usize, steps: std::ops::Range<usize>, begun: Option<_>| {
            let begun: Option<(Mixed, State)> = begun;
            let runs = on_ranks(size, move |ranks| {
                let adam = Adam::<f32>::new(0.05).clip_norm(1.0).parameter_rounding(rounding);
                let mut optimizer = DataParallel::new(adam, ranks).shards(SHARDS);
                let mut w = Whole::new(1);
                if let Some((model, state)) = &begun {
                    w.0 = model.clone();
                    optimizer.load_state(state)?;
                }
                for step in steps.clone() {
                    all_shards(&mut optimizer, &mut w, step)?;
                }
                Ok((w.0, optimizer.state()))
            });
            runs.unwrap().swap_remove(0)
        };
        let (expected, _) = train(1, 0..6, None);
        let begun = train(3, 0..3, None);
        let (found, _) = train(2, 3..6, Some(begun));
        assert!(Whole(found).bits() == Whole(expected).bits(), "{rounding:?}");
    }
}

#[test]
fn leaves_may_come_one_by_one() {
    let run = |at_once: bool| {
        let runs = on_ranks(3, move |ranks| {
            let mut data = DataParallel::new(Adam::<f32>::new(0.05), ranks.clone());
            let mut whole = Whole::new(1);
            for step in 0..STEPS {
                let g = mixed(&gradient(step, ranks.rank()));
                let w = &mut (&mut whole.0.3, &mut whole.0.1);
                if at_once {
                    data.step(w, &(&g.0["a.weight"], &g.1))?;
                    continue;
                }
                let mut last = data.begin(w, 1.0)?;
                last.ready("1", &g.1)?;
                last.ready("0", &g.0["a.weight"])?;
                last.finish(w)?;
            }
            Ok(whole.bits())
        });
        runs.unwrap()
    };
    let [a, b] = [run(true), run(false)];
    assert!(a == b && a.iter().all(|bits| *bits == a[0]));
}

#[test]
fn a_table_takes_gradients_of_rows() {
    let run = |size: usize| {
        let runs = on_ranks(size, move |ranks| {
            let momentum = Momentum::<f32>::new(0.1).sparse(true);
            let mut optimizer = DataParallel::new(momentum, ranks).shards(4);
            let mut w = model::<f32>(1)["b.weight"].mapv(bf16::from_f32);
            for step in 0..4 {
                for shard in optimizer.own() {
                    let values = gradient::<f32>(step, shard)["a.weight"].clone();
                    let values = values.slice_axis(Axis(1), Slice::from(..31)).to_owned();
                    let rows: Vec<usize> = (0..30).map(|i| (i * (shard + 3)) % 70).collect();
                    optimizer.step(&mut w, &Rows { rows, values })?;
                }
            }
            Ok(w.mapv(bf16::to_bits))
        });
        runs.unwrap()
    };
    let expected = run(1).remove(0);
    for size in [2, 3, 4] {
        assert!(run(size).iter().all(|w| *w == expected), "{size}");
    }
}

#[test]
fn one_error_on_all_and_nothing_has_changed() {
    let runs = on_ranks(3, move |ranks| {
        let (rank, mut w) = (ranks.rank(), Whole::new(1));
        let before = w.bits();
        let mut optimizer = DataParallel::new(Adam::<f32>::new(0.05), ranks);
        for bad in [f16::INFINITY, f16::NAN] {
            let (leaves, mut half, full, wide) = mixed(&gradient(0, rank));
            if rank == 1 {
                half[[60, 30]] = bad;
            }
            let columns = wide.slice_axis(Axis(1), Slice::from(..).step_by(2));
            let g = (leaves, half, full, columns);
            let error = w.on(|w| optimizer.step(w, &g)).unwrap_err();
            let ErrorKind::NonFiniteGradient { leaf, index, .. } = error.kind() else {
                return Err(error);
            };
            assert_eq!((leaf.as_str(), &index[..]), ("1", &[60, 30][..]));
        }
        assert_eq!(w.bits(), before);
        Ok(())
    });
    runs.unwrap();
}

#[test]
fn ranks_whose_numbers_are_of_other_kinds_are_told_apart() {
    let error = on_ranks(2, |ranks| {
        let mut optimizer = DataParallel::new(Sgd::<f32>::new(0.1), ranks.clone());
        // The same numbers.
        let (mut full, mut half) =
            (ArrayD::<f32>::ones(vec![4]), ArrayD::from_elem(vec![4], bf16::ONE));
        let g = full.clone();
        let w: &mut dyn ParamsMut<f32> = if ranks.rank() == 0 { &mut full } else { &mut half };
        let error = broadcast(&ranks, w).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RanksDiffer { rank: 1, .. }), "{error}");
        optimizer.step(w, &g).map(drop)
    });
    let error = error.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::RanksDiffer { rank: 1, .. }), "{error}");
}

#[test]
fn rank_0_gives_its_numbers_to_all() {
    let runs = on_ranks(3, |ranks| {
        let mut w = Whole::new(1 + ranks.rank() as u64);
        assert!(w.on(|w| verify(&ranks, &*w)).is_err());
        w.on(|w| broadcast(&ranks, w))?;
        w.on(|w| verify(&ranks, &*w))?;
        let (leaves, half, full, _) = &w.0;
        let first = mixed(&model(1));
        assert!(*leaves == first.0 && *half == first.1 && *full == first.2);
        Ok(())
    });
    runs.unwrap();
}

/// Wrappers that keep full numbers of the parameters, or parts of them.
fn others(ranks: Threads) -> [Box<dyn Optimizer<f32>>; 3] {
    let adam = || Adam::<f32>::new(0.1);
    [
        Box::new(LocalSteps::new(adam(), Sgd::new(1.0), 1, ranks.clone())),
        Box::new(Sharded::new(adam(), ranks.clone())),
        Box::new(Sharded::new(adam(), ranks).split(Split::Leaves)),
    ]
}

#[test]
fn the_others_say_what_to_do_and_take_gradients_of_16_bits() {
    let runs = on_ranks(2, |ranks| {
        for (mut half, mut full) in others(ranks.clone()).into_iter().zip(others(ranks.clone())) {
            let mut w = ArrayD::from_elem(vec![40], bf16::ONE);
            let g = ArrayD::from_elem(vec![40], bf16::from_f32(0.3));
            let error = half.step(&mut w, &g).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::FullNumbers { .. }), "{error}");
            assert!(error.to_string().contains("let it be an `f32` array"), "{error}");
            assert!(w.iter().all(|w| *w == bf16::ONE));
            let (mut v, mut w) = (ArrayD::<f32>::ones(vec![40]), ArrayD::<f32>::ones(vec![40]));
            half.step(&mut v, &g)?;
            full.step(&mut w, &g.mapv(bf16::to_f32))?;
            assert!(v == w && v[[39]] < 1.0);
        }
        Ok(())
    });
    runs.unwrap();
}
