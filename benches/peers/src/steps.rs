//! The step: every rule, precision, size and number of threads, by everyone who can.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::contest::{Contestant, Limits, hold};
use crate::peers::{OURS, PEERS, Peer, STREAM};
use crate::record::Step;
use crate::work::{Precision, Rule, Work};

pub const SIZES: [usize; 4] = [100, 10_000, 1_000_000, 25_000_000];
const THREADS: [usize; 2] = [1, 2];
/// A memory stream says something only beyond the caches.
pub const IN_MEMORY: usize = 25_000_000;
/// Bytes that the contestants of one contest may hold together.
const MEMORY: usize = 5_200_000_000;
/// How many times parameter, gradient and state a contestant holds that makes new tensors.
const WITH_TEMPORARIES: usize = 4;

/// Who takes part, and where the program is.
pub enum Side {
    Rust,
    Python { interpreter: PathBuf },
}

/// A column: its name, its rules, and the program that steps.
#[derive(Clone, Copy)]
struct Entry {
    name: &'static str,
    rules: &'static [Rule],
    /// Whether each step asks for memory and gives it back.
    temporaries: bool,
    python: bool,
}

impl Entry {
    fn holds(&self, work: Work) -> usize {
        work.held() * if self.temporaries { WITH_TEMPORARIES } else { 1 }
    }
}

const TORCH: &[Rule] = &[Rule::Adam, Rule::Momentum, Rule::Adadelta, Rule::ClipAdamwEma];
const FUSED: &[Rule] = &[Rule::Adam, Rule::Momentum, Rule::ClipAdamwEma];
static PYTHON: [Entry; 4] = [
    Entry { name: "torch for-loop", rules: TORCH, temporaries: true, python: true },
    Entry { name: "torch foreach", rules: TORCH, temporaries: true, python: true },
    Entry { name: "torch fused", rules: FUSED, temporaries: false, python: true },
    Entry { name: "optax jit", rules: &Rule::ALL, temporaries: false, python: true },
];

/// The columns of the table, in its order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PEERS.iter().map(|peer| peer.name).chain(PYTHON.iter().map(|entry| entry.name))
}

/// The Python script beside this crate.
pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/measure.py")
}

fn entries(side: &Side, work: Work) -> Vec<Entry> {
    let own = PEERS.iter().map(|&Peer { name, rules, temporaries, .. }| Entry {
        name,
        rules,
        temporaries,
        python: false,
    });
    let all: Vec<Entry> = match side {
        Side::Rust => own.collect(),
        // This crate takes part in both runs.
        Side::Python { .. } => own.filter(|entry| entry.name == OURS).chain(PYTHON).collect(),
    };
    let can = |entry: &Entry| {
        entry.rules.contains(&work.rule) && (entry.name != STREAM || work.n == IN_MEMORY)
    };
    all.into_iter().filter(can).collect()
}

fn command(side: &Side, entry: &Entry, work: Work) -> Result<Command, Box<dyn Error>> {
    let mut command = match side {
        Side::Python { interpreter } if entry.python => {
            let mut command = Command::new(interpreter);
            command.arg(script());
            command
        }
        _ => Command::new(std::env::current_exe()?),
    };
    let word = |value: Option<clap::builder::PossibleValue>| {
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    };
    command.args(["contestant", entry.name]);
    command.args([word(work.rule.to_possible_value()), word(work.precision.to_possible_value())]);
    command.args([work.n.to_string(), work.threads.to_string()]);
    command.env("RAYON_NUM_THREADS", work.threads.to_string());
    if entry.temporaries {
        // What is given back stays with the process. By default glibc returns it to the system, and
        // the next step pays a page fault for every page: up to ten times as long.
        command.envs([("MALLOC_MMAP_MAX_", "0"), ("MALLOC_TRIM_THRESHOLD_", "100000000000")]);
    }
    Ok(command)
}

/// Measures every cell.
pub fn measure(side: &Side, quick: bool) -> Result<Vec<Step>, Box<dyn Error>> {
    let limits = if quick {
        Limits { turn: 0.002, turns: 3, enough: 0.1 }
    } else {
        Limits { turn: 0.02, turns: 11, enough: 1.5 }
    };
    let mut steps = Vec::new();
    for n in SIZES.into_iter().filter(|&n| !quick || n < IN_MEMORY) {
        for rule in Rule::ALL {
            for precision in Precision::ALL {
                for threads in THREADS {
                    let work = Work { rule, precision, n, threads };
                    let cell = cell(side, work, limits)?;
                    eprintln!("{}", line(work, &cell));
                    steps.extend(cell);
                }
            }
        }
    }
    Ok(steps)
}

/// Measures one cell, in as many contests as the memory asks for; this crate is in each of them.
fn cell(side: &Side, work: Work, limits: Limits) -> Result<Vec<Step>, Box<dyn Error>> {
    let (ours, others): (Vec<_>, Vec<_>) =
        entries(side, work).into_iter().partition(|entry| entry.name == OURS);
    let mut cell: Vec<Step> = Vec::new();
    let mut others = others.iter().peekable();
    while others.peek().is_some() {
        let mut some: Vec<&Entry> = ours.iter().collect();
        let mut held = work.held();
        while let Some(entry) =
            others.next_if(|e| some.len() == 1 || held + e.holds(work) <= MEMORY)
        {
            held += entry.holds(work);
            some.push(entry);
        }
        for step in contest(side, work, &some, limits)? {
            match cell.iter_mut().find(|other| other.who == step.who) {
                Some(other) if other.best <= step.best => {}
                Some(other) => *other = step,
                None => cell.push(step),
            }
        }
    }
    Ok(cell)
}

fn contest(
    side: &Side,
    work: Work,
    entries: &[&Entry],
    limits: Limits,
) -> Result<Vec<Step>, Box<dyn Error>> {
    let failed = |entry: &Entry, error| format!("{}, {work:?}: {error}", entry.name);
    let mut contestants: Vec<Contestant> = Vec::new();
    let mut samples: Vec<Vec<f64>> = Vec::new();
    for entry in entries {
        let contestant = Contestant::start(command(side, entry, work)?);
        contestants.push(contestant.map_err(|error| failed(entry, error))?);
        // Large ones get warm one after the other, which is when they ask for memory.
        if work.n >= IN_MEMORY || contestants.len() == entries.len() {
            for (entry, contestant) in entries.iter().zip(&mut contestants).skip(samples.len()) {
                samples.push(contestant.sample().map_err(|error| failed(entry, error))?);
            }
        }
    }
    for (entry, sample) in entries.iter().zip(&samples) {
        agree(work, entry.name, sample, &samples[0])?;
    }
    hold(&mut contestants, limits)?;
    let ours = contestants[0].best();
    let steps = entries.iter().zip(&contestants).map(|(entry, contestant)| Step {
        work,
        who: entry.name.to_owned(),
        best: contestant.best(),
        median: contestant.median(),
        turns: contestant.turns(),
        ours,
    });
    Ok(steps.collect())
}

/// All must have gone to the same point: who does other work is not measured.
fn agree(work: Work, who: &str, sample: &[f64], ours: &[f64]) -> Result<(), Box<dyn Error>> {
    if who == STREAM {
        return Ok(());
    }
    let tolerance = match work.precision {
        Precision::F32 => 2e-3,
        Precision::F64 => 1e-5,
    };
    // All start from 1.
    let near = |(&a, &b): (&f64, &f64)| (a - b).abs() <= tolerance * (b - 1.0).abs();
    if sample.len() == ours.len() && sample.iter().zip(ours).all(near) {
        return Ok(());
    }
    Err(format!("{who} does other work than {OURS}: {work:?}, {sample:?}, {ours:?}").into())
}

/// What a cell came to, for whoever waits.
fn line(work: Work, cell: &[Step]) -> String {
    let Work { rule, precision, n, threads } = work;
    let mut line = format!("{}, {}, {n}, {threads}:", rule.title(), precision.title());
    for step in cell {
        line += &format!(" {} {:.3}", step.who, step.best / n as f64);
    }
    line + " ns/element"
}
