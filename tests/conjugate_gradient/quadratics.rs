//! On quadratics: what theory says to the iteration.

use ndarray::{Array1, Array2};
use thalweg::curvature::LinearOperator;
use thalweg::solvers::{
    Beta, ConjugateGradient, Exact, Flat, LinearConjugateGradient, LinearStatus, Report, Stop,
    WithHessian, minimize,
};
use thalweg::{Error, ErrorKind, Scalar};

use super::on::{On, start};
use crate::problems::quadratic;

/// A symmetric positive definite matrix with full rows, and b.
fn system(n: usize) -> (Array2<f64>, Array1<f64>) {
    let m =
        Array2::from_shape_fn((n, n), |(i, j)| ((i * i * 7 + i * j * 5 + j * 3 + 1) as f64).sin());
    let a = m.dot(&m.t()) / n as f64 + Array2::<f64>::eye(n);
    (a, Array1::from_shape_fn(n, |i| ((i + 2) as f64).cos()))
}

struct Dense(Array2<f64>);

impl<F: Scalar> LinearOperator<F> for Dense {
    fn dim(&self) -> usize {
        self.0.nrows()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        for (y, row) in y.iter_mut().zip(self.0.rows()) {
            let sum: f64 = row.iter().zip(x).map(|(a, x)| a * x.into_f64()).sum();
            *y = F::from_f64(sum);
        }
        Ok(())
    }
}

/// Minimizes ½xᵀAx + bᵀx from 0 with products by A; the report, and the steps taken.
fn minimized(
    a: &Array2<f64>,
    b: &Array1<f64>,
    beta: Beta,
) -> (Report, Array1<f64>, Vec<Array1<f64>>) {
    let mut objective = WithHessian::new(
        |x: &Array1<f64>| (0.5 * x.dot(&a.dot(x)) + b.dot(x), a.dot(x) + b),
        |_: &Array1<f64>, v: Flat<'_, f64>| a.dot(&Array1::from(v.as_slice().to_vec())),
    );
    let mut x = Array1::zeros(b.len());
    let mut points = Vec::new();
    let stop = Stop::default().gradient_max(1e-9).callback(|progress| {
        points.push(Array1::from(progress.point.as_slice().to_vec()));
        std::ops::ControlFlow::Continue(())
    });
    let mut solver = ConjugateGradient::new().beta(beta).line_search(Exact::new());
    let report = minimize(&mut solver, &mut x, &mut objective, stop).unwrap();
    points.push(x.clone());
    let steps = points.windows(2).map(|pair| &pair[1] - &pair[0]).collect();
    (report, x, steps)
}

#[test]
fn n_steps_end_it_and_solve_ax_equal_to_minus_b() {
    for n in [1, 2, 3, 5, 8] {
        let (a, b) = system(n);
        let (report, x, _) = minimized(&a, &b, Beta::PolakRibierePlus);
        assert!(report.iterations <= n as u64, "{n}: {report}");
        assert!((a.dot(&x) + &b).iter().all(|r| r.abs() < 1e-9), "{n}");
        // One product and one evaluation an iteration, and the start.
        assert_eq!(report.evaluations.hessian_vectors, report.iterations);
        assert_eq!(report.evaluations.gradients, report.iterations + 1);
    }
}

#[test]
fn without_products_one_evaluation_an_iteration_does() {
    let (a, b) = system(8);
    let mut objective = |x: &Array1<f64>| (0.5 * x.dot(&a.dot(x)) + b.dot(x), a.dot(x) + &b);
    let mut x = Array1::zeros(8);
    let stop = Stop::default().gradient_max(1e-9);
    let report = minimize(&mut ConjugateGradient::new(), &mut x, &mut objective, stop).unwrap();
    assert!(report.iterations <= 8, "{report}");
    // The start, the first step's scale, and the end, which is evaluated.
    assert!(report.evaluations.total() <= report.iterations + 4, "{report}");
}

#[test]
fn the_steps_are_conjugate() {
    let (a, b) = system(12);
    let (_, _, steps) = minimized(&a, &b, Beta::PolakRibierePlus);
    assert!(steps.len() > 6);
    let size = |s: &Array1<f64>| s.dot(&a.dot(s)).sqrt();
    for (i, s) in steps.iter().enumerate() {
        for t in &steps[..i] {
            let product = s.dot(&a.dot(t)) / (size(s) * size(t));
            assert!(product.abs() < 1e-6, "{product:e}");
        }
    }
}

#[test]
fn with_exact_steps_every_beta_takes_the_same_way() {
    let (a, b) = system(10);
    let (first, _, steps) = minimized(&a, &b, Beta::PolakRibiere);
    for beta in [
        Beta::FletcherReeves,
        Beta::HestenesStiefel,
        Beta::DaiYuan,
        Beta::HagerZhang,
        Beta::DaiKou,
        Beta::PolakRibierePlus,
    ] {
        let (report, _, others) = minimized(&a, &b, beta);
        assert_eq!(report.iterations, first.iterations, "{beta:?}");
        for (s, t) in steps.iter().zip(&others) {
            let difference = (s - t).iter().fold(0.0, |m: f64, d| m.max(d.abs()));
            assert!(difference < 1e-7, "{beta:?}: {difference:e}");
        }
    }
}

#[test]
fn iterations_grow_with_the_root_of_the_condition() {
    for (condition, expected) in [(10.0, 25.0), (100.0, 67.0), (1000.0, 160.0_f64)] {
        let problem = quadratic(100, condition);
        // By the exact length; and by interpolation of gradients.
        let mut exact = On::with_hessian(&problem);
        let mut solver = ConjugateGradient::new().line_search(Exact::new());
        let mut w = start::<f64>(&problem);
        let report = minimize(&mut solver, &mut w, &mut exact, Stop::default()).unwrap();
        let share = report.iterations as f64 / expected;
        assert!((share - 1.0).abs() <= 0.1, "{condition}: {}", report.iterations);

        let mut w = start::<f64>(&problem);
        let mut objective = On::new(&problem);
        let solver = &mut ConjugateGradient::new();
        let report = minimize(solver, &mut w, &mut objective, Stop::default()).unwrap();
        let share = report.iterations as f64 / expected;
        assert!((share - 1.0).abs() <= 0.1, "{condition}: {}", report.iterations);
        assert!(report.evaluations.total() <= report.iterations + 4, "{report}");
    }
}

#[test]
fn the_linear_solver_takes_the_steps_of_its_literal_transcription() {
    let (a, b) = system(9);
    let mut x = Array1::<f64>::zeros(9);
    let mut r = a.dot(&x) + &b;
    let mut d = -&r;
    let mut norms = vec![r.dot(&r).sqrt()];
    for _ in 0..5 {
        let alpha = r.dot(&r) / d.dot(&a.dot(&d));
        x = x + alpha * &d;
        let next = &r + alpha * a.dot(&d);
        d = -&next + next.dot(&next) / r.dot(&r) * &d;
        r = next;
        norms.push(r.dot(&r).sqrt());
    }
    let mut found = vec![0.0; 9];
    let solver = LinearConjugateGradient::new().iterations(5);
    let solution = solver.solve(&mut Dense(a), b.as_slice().unwrap(), &mut found).unwrap();
    assert_eq!((solution.status, solution.iterations), (LinearStatus::IterationLimit, 5));
    for (found, expected) in found.iter().zip(&x) {
        assert!((found - expected).abs() < 1e-12);
    }
    for (found, expected) in solution.residuals.iter().zip(&norms) {
        assert!((found - expected).abs() < 1e-12 * norms[0]);
    }
}

#[test]
fn the_linear_solver_counts_as_theory_does_in_both_precisions() {
    for (condition, expected) in [(10.0_f64, 25.0), (100.0, 67.0), (1000.0, 160.0)] {
        let lambda = |j: usize| condition.powf(j as f64 / 99.0);
        let a = Array2::from_diag(&(0..100).map(lambda).collect::<Array1<f64>>());
        // The residual at 0 is that of the quadratic at (1, 1, ...).
        let b: Vec<f64> = (0..100).map(|j| -lambda(j)).collect();
        let mut x = vec![0.0; 100];
        let solver = LinearConjugateGradient::new().relative(0.0).absolute(2e-6);
        let solution = solver.solve(&mut Dense(a.clone()), &b, &mut x).unwrap();
        assert_eq!(solution.status, LinearStatus::Converged);
        let share = solution.iterations as f64 / expected;
        assert!((share - 1.0).abs() <= 0.1, "{condition}: {}", solution.iterations);
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-5));

        let narrow: Vec<f32> = b.iter().map(|&b| b as f32).collect();
        let mut x = vec![0.0_f32; 100];
        let solver = LinearConjugateGradient::new().relative(1e-5);
        let solution = solver.solve(&mut Dense(a), &narrow, &mut x).unwrap();
        assert_eq!(solution.status, LinearStatus::Converged);
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-2), "{condition}: {x:?}");
    }
}

#[test]
fn a_preconditioner_that_knows_the_scale_saves_iterations() {
    let n = 60;
    let (mut a, b) = system(n);
    for i in 0..n {
        for j in 0..n {
            a[[i, j]] *= 10_f64.powf((i + j) as f64 / 20.0);
        }
    }
    let jacobi = Array2::from_diag(&a.diag().mapv(|d| 1.0 / d));
    let b = b.as_slice().unwrap();
    let solver = LinearConjugateGradient::new().relative(1e-8);
    let (mut x, mut y) = (vec![0.0; n], vec![0.0; n]);
    let plain = solver.solve(&mut Dense(a.clone()), b, &mut x).unwrap();
    let helped =
        solver.solve_preconditioned(&mut Dense(a.clone()), &mut Dense(jacobi), b, &mut y).unwrap();
    assert_eq!(helped.status, LinearStatus::Converged);
    assert!(3 * helped.iterations < plain.iterations, "{helped:?} against {plain:?}");
    let r = a.dot(&Array1::from(y)) + &Array1::from(b.to_vec());
    assert!(r.dot(&r).sqrt() < 1e-6);
}

#[test]
fn the_linear_solver_says_what_is_wrong() {
    let b = [1.0, 1.0];
    let solver = LinearConjugateGradient::new();
    let mut indefinite = Dense(Array2::from_diag(&Array1::from(vec![1.0, -3.0])));
    let solution = solver.solve(&mut indefinite, &b, &mut [0.0; 2]).unwrap();
    let LinearStatus::NotPositiveDefinite { curvature } = solution.status else {
        panic!("{solution:?}");
    };
    assert!((curvature + 1.0).abs() < 1e-12);

    let mut undefined = Dense(Array2::from_elem((2, 2), f64::NAN));
    let solution = solver.solve(&mut undefined, &b, &mut [0.0; 2]).unwrap();
    assert_eq!(solution.status, LinearStatus::NonFinite);

    let mut identity = Dense(Array2::eye(2));
    let mut x = [5.0, 5.0, 5.0];
    let error = solver.solve(&mut identity, &b, &mut x).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Size { what: "x", found: 3, expected: 2 }));
    assert_eq!(x, [5.0; 3]);
    let error = solver.clone().relative(f64::NAN).solve(&mut identity, &b, &mut [0.0; 2]);
    assert!(matches!(
        error.unwrap_err().kind(),
        ErrorKind::Hyperparameter { name: "relative", .. }
    ));
    // Nothing to do, and nothing at all.
    let solution = solver.solve(&mut identity, &b, &mut [-1.0, -1.0]).unwrap();
    assert_eq!((solution.status, solution.iterations), (LinearStatus::Converged, 0));
    let mut none = Dense(Array2::eye(0));
    let solution = solver.solve::<f64, _>(&mut none, &[], &mut []).unwrap();
    assert_eq!(solution.status, LinearStatus::Converged);
}
