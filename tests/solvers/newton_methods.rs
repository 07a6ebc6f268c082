//! Newton and Newton-CG.

use ndarray::{Array1, array};
#[cfg(feature = "linalg")]
use thalweg::solvers::Newton;
use thalweg::solvers::{Flat, NewtonCg, Solver, Stop, WithHessian, minimize};

use crate::objective::On;
#[cfg(feature = "linalg")]
use crate::problems::quadratic;
use crate::problems::{eleven, more_garbow_hillstrom};

/// Σ wᵢ⁴/4 - wᵢ²/2, whose saddle at 0 the start lies beside, and whose minima are at ±1.
fn double_well() -> impl thalweg::solvers::Objective<f64, Array1<f64>> {
    WithHessian::new(
        |w: &Array1<f64>| {
            (w.mapv(|w| w.powi(4) / 4.0 - w * w / 2.0).sum(), w.mapv(|w| w.powi(3) - w))
        },
        |w: &Array1<f64>, v: Flat<'_, f64>| {
            let v = Array1::from(v.as_slice().to_vec());
            w.mapv(|w| 3.0 * w * w - 1.0) * v
        },
    )
}

fn both() -> Vec<Box<dyn Solver<f64>>> {
    vec![
        #[cfg(feature = "linalg")]
        Box::new(Newton::new()),
        Box::new(NewtonCg::new()),
    ]
}

#[test]
fn from_beside_a_saddle_newton_goes_down_not_to_it() {
    for mut solver in both() {
        let mut w = array![1e-3, -2e-3, 0.3];
        let report = minimize(&mut *solver, &mut w, &mut double_well(), Stop::default()).unwrap();
        assert!(report.status.is_converged(), "{report}");
        assert!((report.value + 0.75).abs() < 1e-10, "{report}");
    }
}

#[test]
fn near_the_minimum_newton_doubles_its_digits() {
    // Problems with a minimum of full rank and no residual, or a small one.
    let all = more_garbow_hillstrom();
    for number in [1, 2, 5, 7, 14, 16, 29] {
        let problem = all.iter().find(|problem| problem.number == number).unwrap();
        for mut solver in both() {
            let mut gradients = Vec::new();
            let stop = Stop::never().gradient_max(1e-13).evaluations(2000).callback(|progress| {
                gradients.push(progress.gradient_max);
                std::ops::ControlFlow::Continue(())
            });
            let mut objective = On::with_hessian(problem);
            let mut w: Array1<f64> = objective.start();
            let report = minimize(&mut *solver, &mut w, &mut objective, stop).unwrap();
            // The last one ends it before the callback.
            gradients.push(report.gradient_max);
            // In the last steps above rounding, the order that the gradients shrink by.
            let scale = gradients[0];
            let order = |row: &[f64]| (row[2] / row[1]).ln() / (row[1] / row[0]).ln();
            let clear = |row: &&[f64]| row[0] < 1e-2 * scale && row[2] > 1e-12 * scale.max(1.0);
            let orders: Vec<f64> = gradients.windows(3).filter(clear).map(order).collect();
            let fastest = orders.iter().copied().fold(0.0, f64::max);
            let title = format!("{} {}", solver.name(), problem.title());
            assert!(gradients.last().unwrap() <= &(1e-9 * scale), "{title}: {gradients:?}");
            // Newton-CG solves inexactly: superlinear, by the square root of the gradient.
            let expected = if solver.name() == "Newton" { 1.7 } else { 1.3 };
            assert!(orders.is_empty() || fastest > expected, "{title}: {orders:?} {gradients:?}");
        }
    }
}

#[cfg(feature = "linalg")]
#[test]
fn one_step_of_newton_solves_a_quadratic() {
    let problem = quadratic(100, 1e4);
    let mut objective = On::with_hessian(&problem);
    let mut w: Array1<f64> = objective.start();
    let report = minimize(&mut Newton::new(), &mut w, &mut objective, Stop::default()).unwrap();
    assert_eq!(report.iterations, 1, "{report}");
    assert_eq!(report.evaluations.hessian_vectors, 100);
    assert_eq!(report.evaluations.gradients, 2);
}

#[test]
fn differences_of_gradients_stand_in_for_products_with_the_hessian() {
    for problem in eleven() {
        if problem.dimension() > 10 {
            continue;
        }
        for mut solver in both() {
            let mut w: Array1<f64> = On::new(&problem).start();
            let stop = Stop::default();
            let report = minimize(&mut *solver, &mut w, &mut On::new(&problem), stop).unwrap();
            assert!(report.status.is_converged(), "{report}");
            assert_eq!(report.evaluations.hessian_vectors, 0);
        }
    }
}

#[test]
fn a_radius_bounds_the_first_step() {
    let problem = &eleven()[1];
    for radius in [0.01, 0.1, 1.0] {
        let mut objective = On::with_hessian(problem);
        let start: Array1<f64> = objective.start();
        let mut w = start.clone();
        let mut solver = NewtonCg::new().radius(radius);
        let stop = Stop::never().iterations(1);
        _ = minimize(&mut solver, &mut w, &mut objective, stop).unwrap();
        let moved = (&w - &start).mapv(|d| d * d).sum().sqrt();
        assert!(moved > 0.0 && moved <= radius * (1.0 + 1e-12), "{moved} of {radius}");
    }
}

#[test]
fn hessian_products_are_counted_apart() {
    let problem = &eleven()[0];
    let mut objective = On::with_hessian(problem);
    let mut w: Array1<f64> = objective.start();
    let report = minimize(&mut NewtonCg::new(), &mut w, &mut objective, Stop::default()).unwrap();
    let counts = report.evaluations;
    assert!(counts.hessian_vectors > 0 && counts.gradients > 0 && counts.values == 0);
    assert_eq!(counts.total(), counts.gradients + counts.hessian_vectors);
}

#[test]
fn a_smaller_forcing_takes_more_products_for_each_step() {
    let (mut tight, mut loose) = (Vec::new(), Vec::new());
    for (forcing, means) in [(0.01, &mut tight), (0.9, &mut loose)] {
        for problem in crate::problems::large(100) {
            let mut objective = On::with_hessian(&problem);
            let mut w: Array1<f64> = objective.start();
            let mut solver = NewtonCg::new().forcing(forcing);
            let report = minimize(&mut solver, &mut w, &mut objective, Stop::default()).unwrap();
            assert!(report.status.is_converged(), "{}: {report}", problem.name);
            means.push(report.evaluations.hessian_vectors as f64 / report.iterations as f64);
        }
    }
    let more = tight.iter().zip(&loose).filter(|(tight, loose)| *tight > loose).count();
    assert!(more >= 10, "{tight:?} {loose:?}");
}

#[test]
fn far_from_a_minimum_newton_cg_does_not_solve_to_the_end() {
    // POWER, n = 1000: SciPy 1.17's trust-ncg takes 368 evaluations and products.
    let all = crate::problems::large(1000);
    let power = all.iter().find(|problem| problem.name == "POWER").unwrap();
    let mut w = Array1::from(power.start.clone());
    let stop = Stop::default();
    let report = minimize(&mut NewtonCg::new(), &mut w, &mut On::new(power), stop).unwrap();
    assert!(report.status.is_converged() && report.evaluations.total() <= 368, "{report}");
}
