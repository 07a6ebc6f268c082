//! The crate agrees with what other libraries computed: the files of `tests/golden`.

mod book;
mod counterpart;
mod factored;
mod kronecker;
mod leaves;
mod muon;
mod names;
mod parity;
mod subject;
mod tables;
mod trees;

use std::collections::{BTreeMap, BTreeSet};

use book::{Case, FILES, Problem, book, problem};
use counterpart::counterpart;
use ndarray::Array1;
use parity::Measured;
use tables::{NOISY, NOT_OURS, Noise};
use thalweg::Optimizer;

/// Of the largest magnitude that an element has at any checkpoint.
const TOLERANCE: f64 = 1e-12;

/// Runs a case; parameters at its checkpoints. `late` replaces the learning rate before step 31.
fn trajectory(
    case: &Case,
    problem: &Problem,
    optimizer: &mut dyn Optimizer<f64>,
    late: Option<f64>,
) -> BTreeMap<usize, Array1<f64>> {
    let mut w = Array1::from_vec(problem.initial.clone());
    if let Some(start) = &case.start {
        assert_eq!(start, "zero");
        w.fill(0.0);
    }
    let mut checkpoints = BTreeMap::new();
    for (g, step) in problem.gradients.iter().zip(1..) {
        if step == 31
            && let Some(late) = late
        {
            optimizer.set_learning_rate(late).unwrap();
        }
        optimizer.step(&mut w, &Array1::from_vec(g.clone())).unwrap();
        if case.checkpoints.contains_key(&step) {
            checkpoints.insert(step, w.clone());
        }
    }
    assert_eq!(checkpoints.len(), case.checkpoints.len());
    checkpoints
}

fn noise(file: &str, case: &Case, element: usize) -> Option<&'static Noise> {
    NOISY.iter().find(|n| (n.file, n.id, n.element) == (file, case.id.as_str(), element))
}

/// The largest deviation, and a line for each value that is too far off.
fn compare(file: &str, case: &Case, ours: &BTreeMap<usize, Array1<f64>>) -> (f64, Vec<String>) {
    let (mut worst, mut wrong) = (0.0_f64, Vec::new());
    for element in 0..ours[&60].len() {
        let until = noise(file, case, element).map_or(60, |noise| noise.until);
        let known = |step: &usize| case.checkpoints[step][element].filter(|_| *step <= until);
        let reach = ours.keys().filter_map(known).fold(0.0, |reach, w| f64::max(reach, w.abs()));
        for (step, w) in ours {
            let w = w[element];
            let off = match known(step) {
                _ if !w.is_finite() => f64::INFINITY,
                Some(known) if w != known => (w - known).abs() / reach,
                _ => 0.0,
            };
            if off > TOLERANCE {
                let place = format!("{file} {}, element {element}, step {step}", case.id);
                wrong.push(format!("{place}: {w} for {:?}, {off:.1e} off", known(step)));
            }
            worst = worst.max(off);
        }
    }
    (worst, wrong)
}

/// Every case with a counterpart, and what is too far off.
fn measure() -> (Measured, Vec<String>) {
    let problem = problem();
    let (mut measured, mut wrong) = (Measured::default(), Vec::new());
    for file in FILES {
        let book = book(file);
        let library = format!("{} {}", book.library, book.version);
        for case in book.cases {
            let late = case.late_rate();
            let Some(mut optimizer) = counterpart(&case, None) else {
                continue;
            };
            let mut runs = vec![trajectory(&case, &problem, &mut optimizer, late)];
            if late.is_some() {
                // The same change as a schedule.
                let mut scheduled = counterpart(&case, late).unwrap();
                runs.push(trajectory(&case, &problem, &mut scheduled, None));
            }
            for run in runs {
                let (worst, lines) = compare(file, &case, &run);
                measured.add(&library, &case.optimizer, optimizer.name(), &case.id, worst);
                wrong.extend(lines);
            }
        }
    }
    (measured, wrong)
}

#[test]
fn the_crate_agrees_with_every_library() {
    let (_, wrong) = measure();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_is_compared_or_listed_as_not_ours() {
    let mut listed: BTreeSet<_> =
        NOT_OURS.iter().map(|&(file, id, _)| (file, id.to_string())).collect();
    assert_eq!(listed.len(), NOT_OURS.len(), "a case is listed twice");
    for file in FILES {
        for case in book(file).cases {
            let ours = counterpart(&case, None).is_some();
            let known = listed.remove(&(file, case.id.clone()));
            assert!(ours || known, "{file} {} is neither compared nor listed", case.id);
            assert!(!(ours && known), "{file} {} is compared, and listed as not ours", case.id);
        }
    }
    assert!(listed.is_empty(), "no such cases: {listed:?}");
}

#[test]
fn the_crate_is_finite_where_a_library_is_not() {
    let problem = problem();
    for file in FILES {
        for case in book(file).cases {
            for (step, w) in &case.checkpoints {
                for (element, _) in w.iter().enumerate().filter(|(_, w)| w.is_none()) {
                    let noise = noise(file, &case, element);
                    let known = noise.is_some_and(|noise| noise.until < *step);
                    assert!(known, "{file} {} is null at step {step}, {element}", case.id);
                }
            }
        }
    }
    for Noise { file, id, element, reason, .. } in NOISY {
        let cases = book(file).cases;
        let case = cases.iter().find(|case| case.id == *id).unwrap();
        assert_eq!(case.checkpoints[&60][*element], None, "{file} {id}: {reason}");
        let ours = trajectory(case, &problem, &mut counterpart(case, None).unwrap(), None);
        for (step, w) in ours {
            assert!(w[*element].is_finite(), "{file} {id}, step {step}: {w}; {reason}");
        }
    }
}
