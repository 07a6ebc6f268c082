//! Every solver on every problem, against `table.tsv`: what it took when the file was written.

use std::collections::BTreeMap;

use thalweg::Scalar;

use ndarray::Array1;
use thalweg::solvers::{Stop, minimize};

use crate::every_solver::{Entry, LIMIT, row, solvers};
use crate::objective::OnSurface;
use crate::problems::{all, surfaces};

const TABLE: &str = include_str!("table.tsv");

/// The rows of a precision, by solver and problem: status, f, evaluations, minimum.
fn rows(precision: &str) -> BTreeMap<(&str, &str), [&str; 4]> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [scalar, solver, problem, status, f, evaluations, minimum] = fields[..] else {
            panic!("seven fields: {line}")
        };
        if scalar == precision {
            let before = rows.insert((solver, problem), [status, f, evaluations, minimum]);
            assert!(before.is_none(), "{line}");
        }
    }
    rows
}

fn check<F: Scalar>(wanted: impl Fn(&Entry<F>) -> bool) {
    let rows = rows(F::NAME);
    for entry in solvers::<F>().into_iter().filter(wanted) {
        for problem in all() {
            let title = problem.title();
            let Some(&[status, f, evaluations, minimum]) = rows.get(&(entry.name, title.as_str()))
            else {
                panic!("{} on {title} is not in the table", entry.name)
            };
            let now = row(&entry, &problem).unwrap();
            let what = format!("{}, {}: {now:?}", F::NAME, entry.name);
            assert_eq!(now[2], status, "{what}");
            assert_eq!(now[5], minimum, "{what}");
            let number = |text: &str| -> f64 { text.parse().unwrap() };
            // A tenth, and one for counts below ten.
            let limit = 1.1 * number(evaluations) + 1.0;
            assert!(number(&now[4]) <= limit, "{what} after {evaluations}");
            if status == "converged" {
                let error = (number(&now[3]) - number(f)).abs();
                let digits = if F::NAME == "f32" { 1e-2 } else { 1e-3 };
                assert!(error <= digits * number(f).abs() + 1e-4, "{what} against {f}");
            }
        }
    }
}

#[test]
fn first_order_solvers_take_no_more_evaluations_than_their_table_says() {
    check::<f64>(|entry| {
        !["Newton", "ConjugateGradient"].iter().any(|&name| entry.name.starts_with(name))
    });
}

#[test]
fn newton_solvers_take_no_more_evaluations_than_their_table_says() {
    check::<f64>(|entry| entry.name.starts_with("Newton"));
}

#[test]
fn single_precision_takes_no_more_evaluations_than_its_table_says() {
    check::<f32>(|entry| entry.name != "ConjugateGradient");
}

#[test]
fn every_solver_reaches_a_published_minimum_but_where_it_is_known_not_to() {
    // Local minima that are not published, and valleys too flat for a gradient method.
    let elsewhere = [
        ("Newton", "Chained Rosenbrock 100"),
        ("Newton", "Trigonometric 10"),
        ("Newton with Hv", "Chained Rosenbrock 100"),
        ("Newton with Hv", "Trigonometric 10"),
        ("BarzilaiBorwein", "Meyer 3"),
        ("BarzilaiBorwein", "Osborne 1 5"),
        ("BarzilaiBorwein", "Powell badly scaled 2"),
        ("BarzilaiBorwein", "Watson 9"),
        ("ScaledConjugateGradient", "Meyer 3"),
        ("ScaledConjugateGradient", "Osborne 1 5"),
        ("ScaledConjugateGradient", "Watson 9"),
    ];
    for ((solver, problem), [.., minimum]) in rows("f64") {
        if minimum == "-" {
            assert!(elsewhere.contains(&(solver, problem)), "{solver} on {problem}");
        }
    }
}

#[test]
fn every_solver_comes_down_to_the_minimum_of_each_smooth_surface() {
    let mut elsewhere = Vec::new();
    for entry in solvers::<f64>() {
        for surface in surfaces().iter().filter(|surface| surface.smooth) {
            let mut w = Array1::from(surface.start.clone());
            let stop = Stop::default().evaluations(LIMIT);
            let mut objective = OnSurface(surface);
            let report = minimize(&mut *(entry.make)(), &mut w, &mut objective, stop).unwrap();
            let above = report.value - surface.minimum.0;
            if above.is_nan() || above.abs() > 1e-6 * surface.minimum.0.abs().max(1.0) {
                elsewhere.push((entry.name, surface.name, above));
            }
            assert!(report.value <= surface.value(&surface.start), "{report}");
        }
    }
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

/// The geometric mean of a solver's counts on the eleven problems.
fn mean(solver: &str, eleven: &[&str]) -> f64 {
    let rows = rows("f64");
    let logarithm = |problem: &&str| rows[&(solver, *problem)][2].parse::<f64>().unwrap().ln();
    (eleven.iter().map(logarithm).sum::<f64>() / eleven.len() as f64).exp()
}

#[test]
fn lbfgs_takes_no_more_evaluations_than_the_lbfgsb_of_scipy() {
    // SciPy 1.17, m = 10, until max|g| ≤ 1e-6 from the standard start.
    let scipy = [
        ("Rosenbrock 2", 45.0),
        ("Beale 2", 16.0),
        ("Helical valley 3", 33.0),
        ("Powell singular 4", 52.0),
        ("Wood 4", 115.0),
        ("Extended Rosenbrock 100", 49.0),
        ("Chained Rosenbrock 100", 631.0),
        ("Variably dimensioned 10", 20.0),
        ("Broyden tridiagonal 100", 30.0),
        ("Penalty I 10", 63.0),
        ("Quadratic of condition 1e4 100", 922.0_f64),
    ];
    let theirs = (scipy.iter().map(|(_, count)| count.ln()).sum::<f64>() / 11.0).exp();
    let eleven = scipy.map(|(name, _)| name);
    assert!(mean("Lbfgs", &eleven) <= theirs);
    // Standard starts repeat themselves, and BFGS makes much of that where it does not scale.
    assert!(mean("Bfgs", &eleven) <= 1.15 * theirs);
}
