//! Every solver on every test problem: status, f, max|g| and evaluations until max|g| ≤ 1e-6, or in
//! `f32` 1e-3, from the standard start.
//!
//! `cargo run --release --features problems --example solvers` prints the table; words after `--` choose solvers whose names
//! contain one of them, `eleven` the problems that other libraries were measured on, `f32` the
//! precision, and `tsv` the form that `tests/solvers/table.tsv` has.

#[path = "../tests/support/objective.rs"]
mod objective;
#[path = "../tests/support/problems/mod.rs"]
mod problems;
#[path = "../tests/support/solvers.rs"]
mod solvers;

use solvers::LIMIT;
use thalweg::{Error, Scalar};

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|w| w == word);
    let list = if has("eleven") { problems::eleven() } else { problems::all() };
    let names: Vec<&String> =
        words.iter().filter(|w| !["eleven", "f32", "tsv"].contains(&w.as_str())).collect();
    if has("f32") {
        table::<f32>(&list, &names, has("tsv"))
    } else {
        table::<f64>(&list, &names, has("tsv"))
    }
}

fn table<F: Scalar>(
    problems: &[problems::Problem],
    names: &[&String],
    tsv: bool,
) -> Result<(), Error> {
    for entry in solvers::solvers::<F>() {
        if !names.is_empty() && !names.iter().any(|&name| entry.name.contains(name.as_str())) {
            continue;
        }
        if !tsv {
            println!("\n{}, {}", entry.name, F::NAME);
            println!("{:45} {:>9} {:>15} {:>9} {:>11}", "", "", "f", "max|g|", "evaluations");
        }
        let mut logarithms = 0.0;
        for problem in problems {
            if tsv {
                println!("{}\t{}", F::NAME, solvers::row(&entry, problem)?.join("\t"));
                continue;
            }
            let (report, _) = solvers::run(&entry, problem, solvers::tolerance::<F>(), LIMIT)?;
            let (title, word) = (problem.title(), solvers::word(&report.status));
            let total = report.evaluations.total();
            let (f, g) = (report.value, report.gradient_max);
            logarithms += (total as f64).ln();
            println!("{title:45} {word:>9} {f:>15.8e} {g:>9.1e} {total:>11}");
        }
        if !tsv {
            let mean = (logarithms / problems.len() as f64).exp();
            println!("{:45} {:>48.1}", "geometric mean", mean);
        }
    }
    Ok(())
}
