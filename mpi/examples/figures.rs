//! What ranks cost: the exchange beside `MPI_Allreduce`, a step beside allreduce and step, overlap.
//!
//! ```text
//! mpirun -n 2 target/release/examples/figures            # all
//! mpirun -n 2 target/release/examples/figures exchange   # or step, overlap
//! mpirun -n 2 target/release/examples/figures exchange 1000000   # of so many elements
//! ```
//!
//! Each figure is the least of some repetitions, all in one run; the slowest rank's.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::CommunicatorCollectives as _;
use ndarray::Array1;
use thalweg::distributed::{Communicator, DataParallel, LocalSteps, Sharded};
use thalweg::{AdamW, Error, Nesterov, Optimizer, Params, ParamsMut, State, StepInfo};
use thalweg_mpi::Mpi;

/// Leaves of a model with that many elements.
const LEAVES: usize = 12;

/// An optimizer that does nothing: what is left is the exchange.
#[derive(Debug)]
struct Nothing;

impl Optimizer<f32> for Nothing {
    fn step(
        &mut self,
        _params: &mut dyn ParamsMut<f32>,
        _grads: &dyn Params<f32>,
    ) -> Result<StepInfo, Error> {
        Ok(StepInfo::default())
    }

    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        0.0
    }

    fn set_learning_rate(&mut self, _learning_rate: f64) -> Result<(), Error> {
        Ok(())
    }

    fn steps(&self) -> u64 {
        0
    }

    fn skipped(&self) -> u64 {
        0
    }

    fn reset(&mut self) {}

    fn name(&self) -> &'static str {
        "Nothing"
    }

    fn state(&self) -> State {
        thalweg::state::Record::new::<f32>("Nothing").into()
    }

    fn load_state(&mut self, _state: &State) -> Result<(), Error> {
        Ok(())
    }
}

fn model(elements: usize) -> Vec<Array1<f32>> {
    let leaf = |i: usize| {
        let len = elements * (i + 1) / LEAVES - elements * i / LEAVES;
        Array1::from_shape_fn(len, |j| ((i + j) as f32 * 1e-3).sin())
    };
    (0..LEAVES).map(leaf).collect()
}

/// One of several ways of doing something, and its name.
type Way<'w> = (&'w str, &'w mut dyn FnMut() -> Result<(), Error>);

/// Runs ways of doing one thing in turn, and returns the least time of each, in milliseconds.
fn least(mpi: &Mpi, repetitions: usize, ways: &mut [Way<'_>]) -> Result<Vec<f64>, Error> {
    let mut times = vec![f64::INFINITY; ways.len()];
    for repetition in 0..repetitions {
        for (time, (_, way)) in times.iter_mut().zip(&mut *ways) {
            SimpleCommunicator::world().barrier();
            let begun = Instant::now();
            way()?;
            let own = begun.elapsed().as_secs_f64() * 1e3;
            let mut slowest = 0.0;
            let max = SystemOperation::max();
            SimpleCommunicator::world().all_reduce_into(&own, &mut slowest, max);
            // The first one makes room.
            if repetition > 0 {
                *time = time.min(slowest);
            }
        }
    }
    if mpi.rank() == 0 {
        for ((name, _), time) in ways.iter().zip(&times) {
            println!("  {name:<32} {time:>9.2} ms   {:>5.2}×", time / times[0]);
        }
    }
    Ok(times)
}

fn say(mpi: &Mpi, text: &str) {
    if mpi.rank() == 0 {
        println!("{text}");
    }
}

fn repetitions(elements: usize) -> usize {
    if elements > 10_000_000 { 12 } else { 60 }
}

/// The numbers of elements that are asked for.
fn sizes() -> Vec<usize> {
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    if asked.is_empty() { vec![1_000_000, 25_000_000] } else { asked }
}

fn exchange(mpi: &Mpi) -> Result<(), Error> {
    for elements in sizes() {
        say(mpi, &format!("the exchange, {elements} f32 on {} ranks", mpi.size()));
        let (mut w, g) = (model(elements), model(elements));
        let (sent, mut received) = (vec![1.0_f32; elements], vec![0.0_f32; elements]);
        let mut tree = DataParallel::new(Nothing, *mpi);
        let mut reduced = || {
            let sum = SystemOperation::sum();
            SimpleCommunicator::world().all_reduce_into(&sent[..], &mut received[..], sum);
            Ok(())
        };
        let mut exchanged = || tree.step(&mut w, &g).map(drop);
        least(
            mpi,
            repetitions(elements),
            &mut [("MPI_Allreduce", &mut reduced), ("the tree", &mut exchanged)],
        )?;
    }
    Ok(())
}

fn step(mpi: &Mpi) -> Result<(), Error> {
    for elements in sizes() {
        say(mpi, &format!("a step of AdamW, {elements} f32 on {} ranks", mpi.size()));
        let g = model(elements);
        let mut plain = (AdamW::new(1e-3), model(elements), model(elements));
        let mut data = (DataParallel::new(AdamW::new(1e-3), *mpi), model(elements));
        let mut parts = (Sharded::new(AdamW::new(1e-3), *mpi), model(elements));
        let mut clipped = (Sharded::new(AdamW::new(1e-3).clip_norm(1e9), *mpi), model(elements));
        let size = mpi.size() as f32;
        let mut reduced = || {
            let (adamw, w, mean) = &mut plain;
            for (mean, g) in mean.iter_mut().zip(&g) {
                let (sent, received) = (g.as_slice(), mean.as_slice_mut());
                let (Some(sent), Some(received)) = (sent, received) else { continue };
                let sum = SystemOperation::sum();
                SimpleCommunicator::world().all_reduce_into(sent, received, sum);
                *mean /= size;
            }
            adamw.step(w, mean).map(drop)
        };
        let mut whole = || data.0.step(&mut data.1, &g).map(drop);
        let mut sharded = || parts.0.step(&mut parts.1, &g).map(drop);
        let mut by_norm = || clipped.0.step(&mut clipped.1, &g).map(drop);
        least(
            mpi,
            repetitions(elements),
            &mut [
                ("MPI_Allreduce and step", &mut reduced),
                ("DataParallel", &mut whole),
                ("Sharded", &mut sharded),
                ("Sharded, clip_norm", &mut by_norm),
            ],
        )?;
    }
    Ok(())
}

/// Gradients of leaves come one after another, the last leaf's first, after a pause that stands for computing
/// elsewhere.
fn overlap(mpi: &Mpi) -> Result<(), Error> {
    let elements = 12_000_000;
    for pause in [10, 20, 60] {
        let pause = Duration::from_millis(pause);
        let (mut w, g) = (model(elements), model(elements));
        let mut after = DataParallel::new(AdamW::new(1e-3), *mpi);
        let (mut others, mut amid) = (w.clone(), DataParallel::new(AdamW::new(1e-3), *mpi));
        let computing = pause * LEAVES as u32;
        say(
            mpi,
            &format!(
                "{LEAVES} leaves of 4 MB, computing takes {computing:?}, {} ranks",
                mpi.size()
            ),
        );
        let mut waited = || {
            (0..LEAVES).for_each(|_| std::thread::sleep(pause));
            after.step(&mut w, &g).map(drop)
        };
        let mut overlapped = || {
            let mut step = amid.begin(&others, 1.0)?;
            for i in (0..LEAVES).rev() {
                std::thread::sleep(pause);
                step.ready(&i.to_string(), &g[i])?;
            }
            step.finish(&mut others).map(drop)
        };
        least(
            mpi,
            4,
            &mut [("one after the other", &mut waited), ("overlapped", &mut overlapped)],
        )?;
    }
    let elements = 1_000_000;
    say(mpi, &format!("local steps, {elements} f32 on {} ranks, a step on average", mpi.size()));
    let g = model(elements);
    let mut every = (DataParallel::new(AdamW::new(1e-3), *mpi), model(elements));
    let outer = || Nesterov::new(0.7);
    let mut some = (LocalSteps::new(AdamW::new(1e-3), outer(), 10, *mpi), model(elements));
    let mut whole = || (0..50).try_for_each(|_| every.0.step(&mut every.1, &g).map(drop));
    let mut local = || (0..50).try_for_each(|_| some.0.step(&mut some.1, &g).map(drop));
    least(mpi, 4, &mut [("50 steps, every step", &mut whole), ("50 steps, H = 10", &mut local)])?;
    Ok(())
}

fn measure(mpi: Mpi) -> Result<(), Error> {
    let words = std::env::args().skip(1);
    let wanted: Vec<String> = words.filter(|word| word.parse::<usize>().is_err()).collect();
    type Section = (&'static str, fn(&Mpi) -> Result<(), Error>);
    let sections: [Section; 3] = [("exchange", exchange), ("step", step), ("overlap", overlap)];
    for (name, section) in sections {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            section(&mpi)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    thalweg_mpi::run(measure)
}
