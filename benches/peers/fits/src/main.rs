//! Least squares of several crates, on NIST's 54 rows and the sums of squares of Moré, Garbow and Hillstrom.
//!
//! `cargo run --release` prints the table of `../results/FITS.md`. All have the same residuals and exact
//! Jacobians. A fit is solved with six certified digits of each parameter, a sum where it is within 1e-6 of a
//! published minimum, or 1e-10. Each crate runs with its defaults, and with its tolerances as tight as they go.

#[path = "../../../../tests/support/nist.rs"]
mod nist;
#[path = "../../../../tests/support/objective.rs"]
mod objective;
#[path = "../../../../tests/support/problems/mod.rs"]
mod problems;

mod peers;

use std::time::{Duration, Instant};

use ndarray::{Array1, Array2};
use peers::Peer;
use thalweg::solvers::least_squares::Residuals;

/// A sum of squares, and how an answer is judged.
pub struct Sum {
    title: String,
    start: Vec<f64>,
    of: Box<dyn Fn() -> Box<dyn Residuals<f64, Array1<f64>>>>,
    is_solved: Box<dyn Fn(&[f64]) -> bool>,
}

impl Sum {
    pub fn residuals(&self, w: &[f64]) -> Vec<f64> {
        (self.of)().residuals(&Array1::from(w.to_vec())).map_or_else(|_| Vec::new(), |r| r.to_vec())
    }

    pub fn jacobian(&self, w: &[f64], residuals: usize) -> Array2<f64> {
        let r = Array1::zeros(residuals);
        (self.of)().jacobian(&Array1::from(w.to_vec()), &r).unwrap_or_default()
    }
}

/// What a crate did on a problem: the point, and evaluations of residuals and Jacobians.
pub struct Outcome {
    pub at: Vec<f64>,
    pub residuals: u64,
    pub jacobians: u64,
}

fn nist() -> Vec<Sum> {
    let mut sums = Vec::new();
    for fit in nist::fits() {
        for (k, start) in fit.starts.clone().into_iter().enumerate() {
            let (at, title) = (fit.at.clone(), format!("{} {}", fit.name, k + 1));
            let fit: &'static nist::Fit = Box::leak(Box::new(fit.clone()));
            let six = move |w: &[f64]| {
                w.iter().zip(&at).all(|(w, at)| ((w - at) / at).abs() <= 1e-6)
            };
            let (of, is_solved) = (Box::new(move || Box::new(fit) as _), Box::new(six));
            sums.push(Sum { title, start, of, is_solved });
        }
    }
    sums
}

fn more_garbow_hillstrom() -> Vec<Sum> {
    let mut sums = Vec::new();
    for problem in problems::more_garbow_hillstrom() {
        let (title, start) = (problem.title(), problem.start.clone());
        let problem: &'static problems::Problem = Box::leak(Box::new(problem));
        let solved = |w: &[f64]| {
            let squares = problem.value(w);
            problem.minima.iter().any(|m| (squares - m.value).abs() <= 1e-6 * m.value.abs() + 1e-10)
        };
        let of = Box::new(|| Box::new(objective::BySquares(problem)) as _);
        sums.push(Sum { title, start, of, is_solved: Box::new(solved) });
    }
    sums
}

/// The least of three times.
fn timed(peer: &Peer, sum: &Sum) -> (Option<Outcome>, Duration) {
    let mut least = Duration::MAX;
    let mut outcome = None;
    for repeat in 0..3 {
        if repeat > 0 && least > Duration::from_secs(1) {
            break;
        }
        let begun = Instant::now();
        outcome = (peer.run)(sum);
        least = least.min(begun.elapsed());
    }
    (outcome, least)
}

fn main() {
    println!("| problems | crate | solved | evaluations of r, J of those that all solve, geometric means | milliseconds of all |");
    println!("|---|---|---|---|---|");
    for (group, sums) in [("NIST", nist()), ("35 sums", more_garbow_hillstrom())] {
        let peers = peers::all();
        let mut table = Vec::new();
        for peer in &peers {
            eprintln!("{group}: {}", peer.name);
            let row: Vec<_> = sums.iter().map(|sum| timed(peer, sum)).collect();
            table.push(row);
        }
        let solves = |peer: usize, i: usize| {
            table[peer][i].0.as_ref().is_some_and(|found| (sums[i].is_solved)(&found.at))
        };
        let compared: Vec<usize> = (0..peers.len()).filter(|&p| peers[p].is_compared).collect();
        let common = |i: &usize| compared.iter().all(|&peer| solves(peer, *i));
        let common: Vec<usize> = (0..sums.len()).filter(common).collect();
        for (p, peer) in peers.iter().enumerate() {
            let solved = (0..sums.len()).filter(|&i| solves(p, i)).count();
            let mean = |count: fn(&Outcome) -> u64| {
                let logs = common.iter().filter_map(|&i| table[p][i].0.as_ref());
                let logs: Vec<f64> = logs.map(|found| (count(found).max(1) as f64).ln()).collect();
                (logs.iter().sum::<f64>() / logs.len() as f64).exp()
            };
            let time: Duration = table[p].iter().map(|(_, time)| *time).sum();
            let milliseconds = time.as_secs_f64() * 1e3;
            let counts = if peer.is_compared {
                format!("{:.1}, {:.1}", mean(|o| o.residuals), mean(|o| o.jacobians))
            } else {
                "-".into()
            };
            println!("| {group} | {} | {solved} of {} | {counts} ({}) | {milliseconds:.1} |", peer.name, sums.len(), common.len());
            if std::env::args().any(|word| word == "unsolved") {
                let left: Vec<&str> = (0..sums.len()).filter(|&i| !solves(p, i)).map(|i| &sums[i].title[..]).collect();
                eprintln!("{}: {left:?}", peer.name);
            }
        }
    }
}
