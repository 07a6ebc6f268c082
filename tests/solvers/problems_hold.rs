//! The problems themselves: gradients, Hessians, starts and minima.

use serde_json::Value;

use crate::problems::{
    Problem, choosing, cutest, eleven, extended_rosenbrock, held_out, large, more_garbow_hillstrom,
    quadratic, reporting, sized, surfaces,
};
use crate::starts::start;

/// Those of the solvers' table, and the large ones in a small size.
fn all() -> Vec<Problem> {
    let mut all = crate::problems::all();
    all.extend(large(12));
    all.extend(collected());
    all
}

/// Those of CUTEst and other collections that are compared with SciPy.
fn collected() -> Vec<Problem> {
    [cutest(), held_out(), choosing(), reporting()].concat()
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |largest, x| largest.max(x.abs()))
}

/// Points to check a gradient at: the start, and two beside it.
fn points(start: &[f64]) -> Vec<Vec<f64>> {
    let wave = |size: f64, at: f64| -> Vec<f64> {
        let beside =
            |(j, x): (usize, &f64)| x + size * (1.0 + x.abs()) * (at * (j + 1) as f64).sin();
        start.iter().enumerate().map(beside).collect()
    };
    vec![start.to_vec(), wave(0.05, 1.0), wave(0.02, 2.7)]
}

/// A step that leaves errors of fourth order small, and those of rounding.
fn step(x: f64) -> f64 {
    1e-3 * x.abs().max(1e-3)
}

/// The difference quotient along axis j, by four points: the error is of fourth order.
fn difference(f: &dyn Fn(&[f64]) -> f64, x: &[f64], j: usize, h: f64) -> f64 {
    let at = |k: f64| {
        let mut x = x.to_vec();
        x[j] += k * h;
        f(&x)
    };
    (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h)
}

#[test]
fn every_gradient_is_the_slope_of_the_value() {
    for problem in all() {
        for x in points(&problem.start) {
            let mut gradient = vec![0.0; x.len()];
            let value = problem.evaluate(&x, &mut gradient);
            for j in 0..x.len() {
                let slope = difference(&|x| problem.value(x), &x, j, step(x[j]));
                let h = step(x[j]);
                // What rounding in f alone can do to the quotient.
                let noise = 1e-14 * value.abs() / h;
                let error = (slope - gradient[j]).abs();
                assert!(
                    error <= 1e-6 * largest(&gradient) + 1e-6 * gradient[j].abs() + noise,
                    "{} at {x:?}: axis {j}, {} against {slope}",
                    problem.title(),
                    gradient[j]
                );
            }
        }
    }
}

#[test]
fn every_gradient_is_the_exact_derivative_by_dual_numbers() {
    for problem in all() {
        for x in points(&problem.start) {
            let mut gradient = vec![0.0; x.len()];
            let value = problem.evaluate(&x, &mut gradient);
            let size = largest(&gradient).max(value.abs());
            for j in 0..x.len() {
                let mut axis = vec![0.0; x.len()];
                axis[j] = 1.0;
                let (again, same, slope, _) = problem.along(&x, &axis);
                assert!((again - value).abs() <= 1e-12 * value.abs(), "{}", problem.title());
                let unequal = (same[j] - gradient[j]).abs().max((slope - gradient[j]).abs());
                let (title, expected) = (problem.title(), gradient[j]);
                assert!(unequal <= 1e-11 * size, "{title}: axis {j}, {slope} against {expected}");
            }
        }
    }
}

#[test]
fn every_hessian_is_symmetric_and_the_slope_of_the_gradient() {
    for problem in all().into_iter().filter(|problem| problem.dimension() <= 12) {
        let n = problem.dimension();
        for x in points(&problem.start) {
            let columns: Vec<Vec<f64>> = (0..n)
                .map(|j| {
                    let mut axis = vec![0.0; n];
                    axis[j] = 1.0;
                    problem.hessian_vector(&x, &axis)
                })
                .collect();
            let size = columns.iter().map(|column| largest(column)).fold(0.0, f64::max);
            for i in 0..n {
                for j in 0..n {
                    let unequal = (columns[i][j] - columns[j][i]).abs();
                    assert!(unequal <= 1e-11 * size, "{}: {i}, {j}", problem.title());
                    let component = |x: &[f64]| {
                        let mut gradient = vec![0.0; n];
                        problem.evaluate(x, &mut gradient);
                        gradient[i]
                    };
                    let h = 0.3 * step(x[j]);
                    let slope = difference(&component, &x, j, h);
                    let noise = 1e-14 * component(&x).abs() / h;
                    let error = (slope - columns[j][i]).abs();
                    assert!(error <= 1e-6 * size + noise, "{} {i}, {j}: {error}", problem.title());
                }
            }
        }
    }
}

#[test]
fn every_value_is_that_of_a_transcription_in_numpy() {
    let golden: Value = serde_json::from_str(include_str!("../golden/cutest.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(collected().len(), cases.len());
    for problem in collected() {
        let case = cases.iter().find(|case| case["name"] == problem.name).unwrap();
        for (k, first) in (0..).zip(case["first"].as_array().unwrap()) {
            let x = start(&problem.start, k).to_vec();
            let (value, first) = (problem.value(&x), first.as_f64().unwrap());
            assert!((value - first).abs() <= 1e-11 * first.abs(), "{}: {value}", problem.name);
        }
    }
}

#[test]
fn the_halves_are_the_alphabet_by_turns() {
    let names = |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.name);
    let turns = names(choosing()).zip(names(reporting())).flat_map(|(a, b)| [a, b]);
    assert!(turns.is_sorted() && choosing().len() == reporting().len());
}

#[test]
fn every_published_minimum_is_taken_at_its_published_place() {
    let mut checked = 0;
    for problem in all() {
        for minimum in &problem.minima {
            let Some(at) = &minimum.at else { continue };
            let mut gradient = vec![0.0; at.len()];
            let value = problem.evaluate(at, &mut gradient);
            // Places are published to nine digits or so.
            let error = (value - minimum.value).abs();
            assert!(error <= 1e-9 * minimum.value.max(1e-3), "{}: {value}", problem.title());
            checked += 1;
        }
    }
    assert!(checked >= 25);
}

#[test]
fn the_numbers_run_from_1_to_35_and_each_start_has_its_published_value() {
    let numbers: std::collections::BTreeSet<usize> =
        more_garbow_hillstrom().iter().map(|problem| problem.number).collect();
    assert!(numbers.into_iter().eq(1..=35));
    // f at the standard start, as the driver of Algorithm 566 and its successors print it.
    let close = |problem: &Problem, expected: f64| {
        let value = problem.value(&problem.start);
        assert!((value / expected - 1.0).abs() < 6e-3, "{}: {value}", problem.title());
    };
    let all = more_garbow_hillstrom();
    for (number, expected) in [
        (1, 24.2),
        (3, 1.135),
        (4, 9.99998e11),
        (5, 14.203125),
        (7, 2500.0),
        (9, 3.888e-6),
        (11, 12.11),
        (12, 1031.0),
        (14, 19192.0),
        (16, 7.926e6),
        (18, 0.779),
        (20, 30.0),
    ] {
        close(all.iter().find(|problem| problem.number == number).unwrap(), expected);
    }
    close(&extended_rosenbrock(40), 484.0);
    close(&sized(22, 60), 3225.0);
    close(&sized(23, 60), 5.445e9);
    close(&sized(24, 65), 2.87e5);
    close(&sized(25, 40), 9.39e10);
    close(&sized(26, 40), 2.01e-3);
    close(&sized(35, 50), 1.39e-2);
}

#[test]
fn the_eleven_are_the_ones_of_the_comparison() {
    let dimensions: Vec<usize> = eleven().iter().map(Problem::dimension).collect();
    assert_eq!(dimensions, [2, 2, 3, 4, 4, 100, 100, 10, 100, 10, 100]);
    for condition in [10.0, 100.0, 1e3, 1e4] {
        let problem = quadratic(100, condition);
        let mut axis = vec![0.0; 100];
        axis[99] = 1.0;
        let curvature = problem.hessian_vector(&problem.start, &axis)[99];
        assert!((curvature / condition - 1.0).abs() < 1e-12);
    }
}

#[test]
fn every_surface_has_its_gradient_and_its_minimum() {
    for surface in surfaces() {
        let mut gradient = vec![0.0; surface.start.len()];
        let value = surface.evaluate(&surface.start, &mut gradient);
        for j in 0..gradient.len() {
            let slope =
                difference(&|x| surface.value(x), &surface.start, j, 0.02 * step(surface.start[j]));
            let error = (slope - gradient[j]).abs();
            let allowed = 1e-5 * (largest(&gradient) + value.abs()) + 1e-9;
            assert!(
                error <= allowed,
                "{}: axis {j}, {} against {slope}",
                surface.name,
                gradient[j]
            );
        }
        let (minimum, at) = &surface.minimum;
        let error = (surface.value(at) - minimum).abs();
        assert!(error <= 1e-6 * minimum.abs().max(1.0), "{}: {}", surface.name, surface.value(at));
    }
}
