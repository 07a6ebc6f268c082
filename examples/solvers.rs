//! Every solver on every test problem: status, f, max|g| and evaluations until max|g| ≤ 1e-6, or in
//! `f32` 1e-3, from the standard start.
//!
//! `cargo run --release --features problems --example solvers` prints the table; words after `--` choose solvers whose names
//! contain one of them, `eleven` the problems that other libraries were measured on, `f32` the
//! precision, and `tsv` the form that `tests/solvers/table.tsv` has.
//!
//! With `starts` it prints another table, which takes some minutes (`--release --features linalg`):
//! how many of 100 starts, each element of which is off by up to a tenth, end at a published minimum,
//! for these problems and NIST's StRD from both their starts, beside the shares of SciPy in
//! `benches/peers/results/starts.tsv`. A run goes to max|g| ≤ 1e-8 or 5000 evaluations, and the minimum
//! is found where |f - f*| ≤ 1e-4·|f*| + 1e-9. Words choose solvers and problems.

#[path = "../tests/support/nist.rs"]
mod nist;
#[path = "../tests/support/objective.rs"]
mod objective;
#[path = "../tests/support/problems/mod.rs"]
mod problems;
#[path = "../tests/support/solvers.rs"]
mod solvers;
#[path = "../tests/support/starts.rs"]
mod starts;

use ndarray::Array1;
use objective::On;
use solvers::LIMIT;
use thalweg::solvers::Objective;
use thalweg::{Error, Scalar};

/// SciPy's shares and medians of evaluations, by problem, written by `benches/peers/python/starts.py`.
const SCIPY: &str = include_str!("../benches/peers/results/starts.tsv");
/// Our solvers, and the place of SciPy's share in its rows.
const BESIDE: [(&str, usize); 5] =
    [("ConjugateGradient", 1), ("Lbfgs", 3), ("Bfgs", 5), ("NewtonCg", 7), ("Newton", 7)];

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word.starts_with('-')) {
        println!("words choose solvers whose names have one of them, of these:");
        solvers::solvers::<f64>().iter().for_each(|entry| println!("  {}", entry.name));
        println!("eleven: the problems that other libraries were measured on");
        println!("f32: single precision; tsv: the form of tests/solvers/table.tsv");
        println!("starts: how many of 100 starts end at a minimum, beside SciPy; minutes");
        return Ok(());
    }
    let has = |word: &str| words.iter().any(|w| w == word);
    let list = if has("eleven") { problems::eleven() } else { problems::all() };
    let names: Vec<&String> =
        words.iter().filter(|w| !["eleven", "f32", "tsv"].contains(&w.as_str())).collect();
    if has("starts") {
        return shares(&words[..]);
    }
    let known = solvers::solvers::<f64>();
    if let Some(word) =
        names.iter().find(|&name| !known.iter().any(|e| e.name.contains(name.as_str())))
    {
        println!("there is no solver `{word}`; --help lists them");
        return Ok(());
    }
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

/// Shares of starts: ours and SciPy's with the solver that is nearest, and sums over the problems.
fn shares(words: &[String]) -> Result<(), Error> {
    let solvers = solvers::solvers::<f64>();
    let is_solver = |word: &&String| BESIDE.iter().any(|(name, _)| name == word);
    let names: Vec<&String> = words.iter().filter(is_solver).collect();
    let rest = |word: &&String| !is_solver(word) && *word != "starts";
    let wanted: Vec<&String> = words.iter().filter(rest).collect();
    let chosen = |name: &str| names.is_empty() || names.iter().any(|&word| word == name);
    let rows: Vec<Vec<&str>> = SCIPY.lines().map(|line| line.split('\t').collect()).collect();
    let scipy = |title: &str, place: usize| -> Option<[u64; 2]> {
        let row = rows.iter().find(|row| row[0] == title)?;
        Some([row[place].parse().ok()?, row[place + 1].parse().ok()?])
    };
    let mut list = Vec::new();
    for problem in problems::all() {
        let minima: Vec<f64> = problem.minima.iter().map(|minimum| minimum.value).collect();
        list.push((problem.title(), problem.start.clone(), minima, Some(problem), None));
    }
    for fit in nist::fits() {
        for (i, x) in fit.starts.iter().enumerate() {
            let title = format!("{} {}", fit.name, i + 1);
            list.push((title, x.clone(), vec![fit.minimum], None, Some(fit.clone())));
        }
    }
    println!("share of {} starts, ours/SciPy's; median evaluations in brackets", starts::STARTS);
    let mut sums = [[[0; 3]; 5]; 2];
    for (title, x, minima, problem, mut fit) in list {
        if !wanted.is_empty() && !wanted.iter().any(|word| title.contains(word.as_str())) {
            continue;
        }
        print!("{title:42}");
        for (i, (name, place)) in BESIDE.into_iter().enumerate() {
            let entry = solvers.iter().find(|entry| entry.name == name);
            let Some(entry) = entry.filter(|_| chosen(name)) else { continue };
            let mut on = problem.as_ref().map(On::new);
            let objective: &mut dyn Objective<f64, Array1<f64>> = match (&mut on, &mut fit) {
                (Some(on), _) => on,
                (None, Some(fit)) => fit,
                (None, None) => continue,
            };
            let (found, evaluations) = starts::share(entry.make, objective, &x, &minima)?;
            let Some([theirs, count]) = scipy(&title, place) else {
                print!("  {found:>3}     ({evaluations:>4})");
                continue;
            };
            let less = if found < theirs { '<' } else { ' ' };
            print!("  {found:>3}{less}{theirs:>3} ({evaluations:>4}/{count:>4})");
            let sum = &mut sums[usize::from(problem.is_none())][i];
            *sum = [sum[0] + found, sum[1] + theirs, sum[2] + u64::from(found < theirs)];
        }
        println!();
    }
    println!();
    for (group, sums) in ["problems", "NIST"].into_iter().zip(sums) {
        for ((name, _), [ours, theirs, fewer]) in BESIDE.into_iter().zip(sums) {
            println!("{group:10} {name:20} {ours:>5} SciPy {theirs:>5}, fewer on {fewer}");
        }
    }
    Ok(())
}
