//! What couples a leaf, and what is done around a step: the files `leaves_*.json`.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::ArrayD;
use serde::Deserialize;

use super::book::{Book, load};
use super::parity::Measured;
use super::subject::{Case, Model, Subject, Tracks, subject};

const FILES: [&str; 5] = ["optax", "torch", "pytorch_optimizer", "schedulefree", "timm"];

/// Of the largest magnitude that a leaf has at any checkpoint.
pub const TOLERANCE: f64 = 1e-12;

/// File, case, reason.
pub const NOT_OURS: &[(&str, &str, &str)] = &[
    ("optax", "schedule_free_warmup", ONE_AHEAD),
    ("optax", "schedule_free_warmup_power", ONE_AHEAD),
    ("optax", "lookahead_momentum_reset", KEEPS),
    ("optax", "lookahead_adam_reset", KEEPS),
    ("optax", "ema_biased", "an average begins at its first term, or is corrected"),
    ("pytorch_optimizer", "lookahead_reset", KEEPS),
    ("pytorch_optimizer", "lookahead_pullback", KEEPS),
    ("pytorch_optimizer", "lion_cautious", MEAN_OF_ONE_MORE),
    ("pytorch_optimizer", "lion_cautious_decay", MEAN_OF_ONE_MORE),
    ("timm", "lamb_cautious", "the mask is of the whole update, and its ratio of all elements"),
];

const ONE_AHEAD: &str = "a step weighs as its own rate, not as that of the next";
const KEEPS: &str = "Lookahead keeps the state of the optimizer inside";
const MEAN_OF_ONE_MORE: &str = "the mask is divided by its mean, not by (sum + 1)/n";

/// File, case, tolerance, reason.
const LOOSE: &[(&str, &str, f64, &str)] = &[
    ("torch", "clip_global_norm", 1e-6, ADDS),
    ("torch", "clip_global_norm_tight", 1e-6, ADDS),
    ("torch", "clip_leaf_norm", 1e-6, ADDS),
];

const ADDS: &str = "torch scales by limit / (norm + 1e-6), and where the norm is just below it";

/// File, optimizer, leaf, reason.
const OTHER_LEAVES: &[(&str, &str, &str, &str)] = &[
    ("optax", "optax.adaptive_grad_clip", "kernel", UNITS),
    ("pytorch_optimizer", "pytorch_optimizer.optimizer.agc.agc", "kernel", UNITS),
];

const UNITS: &str = "of rank 3, units differ by two axes there and by one here";

/// Muon is compared beside this.
fn elsewhere(case: &Case) -> bool {
    case.optimizer.ends_with("uon")
}

#[derive(Deserialize)]
pub struct Problem {
    leaves: BTreeMap<String, Leaf>,
}

#[derive(Deserialize)]
struct Leaf {
    shape: Vec<usize>,
    initial: Vec<f64>,
    gradients: Vec<Vec<f64>>,
}

impl Problem {
    fn model(&self, of: impl Fn(&Leaf) -> &Vec<f64>) -> Model {
        let array = |leaf| ArrayD::from_shape_vec(leaf_shape(leaf), of(leaf).clone()).unwrap();
        self.leaves.iter().map(|(name, leaf)| (name.clone(), array(leaf))).collect()
    }

    pub fn initial(&self) -> Model {
        self.model(|leaf| &leaf.initial)
    }

    /// Those of a step, counted from 1.
    pub fn gradients(&self, step: usize) -> Model {
        self.model(|leaf| &leaf.gradients[step - 1])
    }
}

fn leaf_shape(leaf: &Leaf) -> Vec<usize> {
    leaf.shape.clone()
}

pub fn book(file: &str) -> Book<Case> {
    load(&format!("leaves_{file}"))
}

/// Runs a case; its tracks at its checkpoints. `late` replaces the learning rate before step 31.
fn run(case: &Case, problem: &Problem, mut subject: Subject, late: Option<f64>) -> Tracks {
    let mut w = problem.initial();
    let mut tracks = Tracks::new();
    for step in 1..=60 {
        if step == 31
            && let Some(late) = late
        {
            subject.set_learning_rate(late);
        }
        subject.step(&mut w, &problem.gradients(step));
        if case.checkpoints["w"].contains_key(&step) {
            for (track, model) in subject.show(&mut w) {
                let leaves = model.into_iter();
                let leaves = leaves.map(|(name, leaf)| (name, leaf.iter().copied().collect()));
                tracks.entry(track.to_owned()).or_default().insert(step, leaves.collect());
            }
        }
    }
    tracks
}

/// The largest deviation, and a line for each leaf that is too far off.
fn compare(file: &str, case: &Case, ours: &Tracks) -> (f64, Vec<String>) {
    let loose = LOOSE.iter().find(|(of, id, ..)| (*of, *id) == (file, &case.id));
    let tolerance = loose.map_or(TOLERANCE, |loose| loose.2);
    let (mut worst, mut wrong) = (0.0_f64, Vec::new());
    assert!(ours.keys().eq(case.checkpoints.keys()), "{file} {}: other tracks", case.id);
    for (track, points) in &case.checkpoints {
        assert!(ours[track].keys().eq(points.keys()), "{file} {}: other steps", case.id);
        for leaf in points[&60].keys() {
            let other = |(of, optimizer, name, _): &&(&str, &str, &str, &str)| {
                (*of, *optimizer, *name) == (file, &case.optimizer, leaf)
            };
            if OTHER_LEAVES.iter().any(|row| other(&row)) {
                continue;
            }
            let all = points.values().flat_map(|leaves| &leaves[leaf]);
            let reach = all.fold(0.0_f64, |reach, w| reach.max(w.abs()));
            for (step, theirs) in points {
                let (found, known) = (&ours[track][step][leaf], &theirs[leaf]);
                assert_eq!(found.len(), known.len());
                for (i, (a, b)) in found.iter().zip(known).enumerate() {
                    let off = if a == b { 0.0 } else { (a - b).abs() / reach };
                    if off.is_nan() || off > tolerance {
                        let place = format!("{file} {} {track} {leaf}[{i}]", case.id);
                        wrong.push(format!("{place}, step {step}: {a} for {b}, {off:.1e} off"));
                    }
                    worst = worst.max(off);
                }
            }
        }
    }
    (worst, wrong)
}

/// Every case with a counterpart, and what is too far off.
pub fn measure() -> (Measured, Vec<String>) {
    let problem: Problem = load("leaves");
    let initial = problem.initial();
    let (mut measured, mut wrong) = (Measured::default(), Vec::new());
    for file in FILES {
        let book = book(file);
        let library = format!("{} {}", book.library, book.version);
        for case in &book.cases {
            let Some(mut plain) = subject(case, None, &initial) else { continue };
            let ours = plain.name();
            let late = case.late_rate();
            let mut runs = vec![run(case, &problem, plain, late)];
            if late.is_some() {
                // The same change as a schedule.
                let scheduled = subject(case, late, &initial).unwrap();
                runs.push(run(case, &problem, scheduled, None));
            }
            for run in runs {
                let (worst, lines) = compare(file, case, &run);
                measured.add(&library, &case.optimizer, &ours, &case.id, worst);
                wrong.extend(lines);
            }
        }
    }
    (measured, wrong)
}

#[test]
fn the_crate_agrees_with_every_library_on_leaves() {
    let (_, wrong) = measure();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_on_leaves_is_compared_or_listed() {
    let initial = load::<Problem>("leaves").initial();
    let mut listed: BTreeSet<_> = NOT_OURS.iter().map(|&(file, id, _)| (file, id)).collect();
    let mut loose: BTreeSet<_> = LOOSE.iter().map(|&(file, id, ..)| (file, id)).collect();
    assert_eq!((listed.len(), loose.len()), (NOT_OURS.len(), LOOSE.len()), "listed twice");
    let mut elsewhere_too = 0;
    for file in FILES {
        for case in book(file).cases {
            let id = case.id.as_str();
            let ours = subject(&case, None, &initial).is_some();
            let ways = [ours, listed.iter().any(|row| *row == (file, id)), elsewhere(&case)];
            let ways = ways.into_iter().filter(|&way| way).count();
            assert_eq!(ways, 1, "{file} {id} is to be compared, listed, or another test's");
            elsewhere_too += usize::from(elsewhere(&case));
            listed.retain(|row| *row != (file, id));
            loose.retain(|row| *row != (file, id));
        }
    }
    assert!(listed.is_empty() && loose.is_empty(), "no such cases: {listed:?} {loose:?}");
    assert!(elsewhere_too > 0, "no case of Muon");
    for (file, optimizer, leaf, reason) in OTHER_LEAVES {
        let known = book(file).cases.iter().any(|case| case.optimizer == *optimizer);
        assert!(known && initial.contains_key(*leaf), "{file} {optimizer} {leaf}: {reason}");
    }
}
