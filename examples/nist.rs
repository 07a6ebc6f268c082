//! NIST's 27 nonlinear fits from both their starts, beside SciPy's `least_squares`: how many digits of the
//! parameters and of their standard deviations are the certified ones, and for how many evaluations.
//!
//! `cargo run --release --features problems --example nist` prints the table of
//! `src/guide/nist.md`. SciPy's rows come from `benches/peers/results/least_squares.tsv`.

#[path = "../tests/support/nist.rs"]
mod nist;

use ndarray::Array1;
use thalweg::Error;
use thalweg::solvers::Stop;
use thalweg::solvers::least_squares::{Fit, LeastSquares, LevenbergMarquardt, least_squares};

const SCIPY: &str = include_str!("../benches/peers/results/least_squares.tsv");
/// The digits that a fit is to have.
const ENOUGH: f64 = 6.0;

fn main() -> Result<(), Error> {
    println!(
        "| fit | start | digits of the parameters | of their deviations | evaluations of r, J | MINPACK's digits | evaluations | `trf`'s digits | evaluations |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut ratios = [(0.0, 0); 2];
    for problem in nist::fits() {
        for (k, start) in problem.starts.iter().enumerate() {
            let mut w = Array1::from(start.clone());
            let mut sum = LeastSquares::new(&problem);
            let stop = Stop::never().evaluations(5000);
            let fit = least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut sum, stop)?;
            let (values, deviations) = digits(&fit, &problem);
            let counts = fit.counts();
            let own = format!("{}, {}", counts.residuals, counts.jacobians);
            print!("| {} | {} | {values:.1} | {deviations:.1} | {own} |", problem.name, k + 1);
            for (method, ratio) in ["lm", "trf"].into_iter().zip(&mut ratios) {
                let row = scipy(&format!("{} {}", problem.name, k + 1), method);
                print!(" {} | {}, {} |", row[6], row[3], row[4]);
                if row[6].parse().unwrap_or(0.0) >= ENOUGH {
                    let theirs: f64 = row[3].parse().unwrap_or(f64::NAN);
                    *ratio = (ratio.0 + (counts.residuals as f64 / theirs).ln(), ratio.1 + 1);
                }
            }
            println!();
        }
    }
    for (method, (sum, rows)) in ["lm", "trf"].into_iter().zip(ratios) {
        let mean = (sum / f64::from(rows)).exp();
        println!(
            "\n`{method}` has six digits in {rows} rows; there ours takes {mean:.2} of its evaluations."
        );
    }
    Ok(())
}

/// The fewest digits that agree.
fn digits(fit: &Fit, problem: &nist::Fit) -> (f64, f64) {
    let agree = |found: f64, known: f64| (-((found - known) / known).abs().log10()).min(15.0);
    let pairs = fit.estimates().iter().zip(problem.at.iter().zip(&problem.deviations));
    pairs.fold((15.0, 15.0), |(values, deviations), (estimate, (&at, &deviation))| {
        (
            values.min(agree(estimate.value, at)),
            deviations.min(agree(estimate.standard_error, deviation)),
        )
    })
}

/// SciPy's row, with all tolerances at 1e-15.
fn scipy(name: &str, method: &str) -> Vec<&'static str> {
    let rows = SCIPY.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let mut rows = rows.filter(|row| row.len() == 8 && row[0] == name && row[1] == method);
    rows.find(|row| row[2] == "1e-15").unwrap_or_else(|| vec!["-"; 8])
}
