//! Extreme eigenvalues by this crate and by SciPy's `eigsh`, side by side:
//! `cargo run --release --bin eigenvalues -- path/to/python`.
//!
//! Six operators whose spectra are known, the lowest and the highest 1 and 3 of each, to 1e-10 of the
//! norm. The products are cheap, so that the seconds are those of the method.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use thalweg::curvature::{Lanczos, LinearOperator};

const ROWS: usize = 2000;

/// A diagonal behind a reflection, or alone.
struct Reflected {
    diagonal: Vec<f64>,
    reflection: Option<Vec<f64>>,
}

impl LinearOperator<f64> for Reflected {
    fn dim(&self) -> usize {
        self.diagonal.len()
    }

    fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), thalweg::Error> {
        let dot = |x: &[f64], v: &[f64]| 2.0 * x.iter().zip(v).map(|(x, v)| x * v).sum::<f64>();
        y.copy_from_slice(x);
        if let Some(v) = &self.reflection {
            let along = dot(x, v);
            y.iter_mut().zip(v).for_each(|(y, v)| *y -= along * v);
        }
        y.iter_mut().zip(&self.diagonal).for_each(|(y, d)| *y *= d);
        if let Some(v) = &self.reflection {
            let along = dot(y, v);
            y.iter_mut().zip(v).for_each(|(y, v)| *y -= along * v);
        }
        Ok(())
    }
}

/// The Laplacian of a path.
struct Laplacian(usize);

impl LinearOperator<f64> for Laplacian {
    fn dim(&self) -> usize {
        self.0
    }

    fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), thalweg::Error> {
        let n = self.0;
        y.fill(0.0);
        for i in 1..n {
            let step = x[i] - x[i - 1];
            y[i] += step;
            y[i - 1] -= step;
        }
        Ok(())
    }
}

/// As in `python/eigenvalues.py`, with the exact eigenvalues, ascending.
fn operators() -> Vec<(&'static str, Box<dyn LinearOperator<f64>>, Vec<f64>)> {
    let v: Vec<f64> = (0..ROWS).map(|i| (1.3 * i as f64 + 0.4).sin()).collect();
    let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let v: Vec<f64> = v.into_iter().map(|v| v / length).collect();
    let share = |i: usize| (ROWS - i) as f64 / ROWS as f64;
    let clustered = |i: usize| if i < 10 { 1.0 - 1e-6 * i as f64 } else { 0.9 * share(i) };
    let decades = |i: usize| 1e14_f64.powf(-(i as f64) / (ROWS - 1) as f64);
    let signs = |i: usize| [1.0, -1.0][i % 2] * (0.000_101 + (i / 2) as f64 / 1000.0);
    let rank = |i: usize| if i < 5 { (i + 1) as f64 } else { 0.0 };
    let spectra: [(&str, Vec<f64>); 4] = [
        ("clustered", (0..ROWS).map(clustered).collect()),
        ("condition 1e14", (0..ROWS).map(decades).collect()),
        ("indefinite", (0..ROWS).map(signs).collect()),
        ("rank 5", (0..ROWS).map(rank).collect()),
    ];
    let mut all: Vec<(&str, Box<dyn LinearOperator<f64>>, Vec<f64>)> = Vec::new();
    for (name, diagonal) in spectra {
        let mut exact = diagonal.clone();
        exact.sort_by(f64::total_cmp);
        all.push((name, Box::new(Reflected { diagonal, reflection: Some(v.clone()) }), exact));
    }
    let diagonal: Vec<f64> = (1..=100_000).map(f64::from).collect();
    let plain = Reflected { diagonal: diagonal.clone(), reflection: None };
    all.push(("diagonal 1e5", Box::new(plain), diagonal));
    let n = 10_000;
    let sine = |k: usize| (std::f64::consts::PI * k as f64 / (2 * n) as f64).sin();
    let exact = (0..n).map(|k| 4.0 * sine(k) * sine(k)).collect();
    all.push(("path Laplacian", Box::new(Laplacian(n)), exact));
    all
}

/// A row of SciPy's: its key, then products, seconds and the largest error, or why there is none.
fn scipy(interpreter: &str) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/eigenvalues.py");
    let output = Command::new(interpreter).arg(script).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(rows.map(|(key, rest)| (key.to_owned(), rest.replace('\t', " | "))).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let interpreter = std::env::args().nth(1).unwrap_or_else(|| "python3".to_owned());
    let theirs = scipy(&interpreter)?;
    println!(
        "| operator | ends | products | seconds | error | eigsh: products | seconds | error |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, mut operator, exact) in operators() {
        let norm = exact.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
        for k in [1, 3] {
            let mut best = f64::INFINITY;
            let mut row = String::new();
            for _ in 0..5 {
                let begun = Instant::now();
                let found = Lanczos::ends(k, k).run(&mut *operator)?;
                let seconds = begun.elapsed().as_secs_f64();
                if seconds < best {
                    best = seconds;
                    let lowest = found.lowest.iter().zip(&exact);
                    let highest = found.highest.iter().zip(exact.iter().rev());
                    let off = lowest.chain(highest).map(|(pair, x)| (pair.value - x).abs() / norm);
                    let off = off.fold(0.0_f64, f64::max);
                    let status = if found.converged { "" } else { ", not converged" };
                    row = format!("{} | {seconds:.4} | {off:.0e}{status}", found.products);
                }
                // A long run says enough at once.
                if seconds > 3.0 {
                    break;
                }
            }
            let key = format!("{name} {k}");
            let theirs = theirs.get(&key).map_or("— | — | —", String::as_str);
            println!("| {name} | {k} + {k} | {row} | {theirs} |");
        }
    }
    Ok(())
}
