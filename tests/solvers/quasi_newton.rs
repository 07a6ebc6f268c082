//! BFGS and L-BFGS.

use ndarray::{Array1, Array2, array};
use thalweg::solvers::{Bfgs, Exact, Lbfgs, Solver, Stop, minimize};
use thalweg::{Error, ErrorKind, Optimizer, Scalar};

use crate::objective::On;
use crate::problems::{Problem, eleven, quadratic};

/// ½wᵀAw with a fixed, full, well-conditioned A of six rows.
fn matrix() -> Array2<f64> {
    let b = Array2::from_shape_fn((6, 6), |(i, j)| ((3 * i + 5 * j) as f64).sin());
    b.dot(&b.t()) + Array2::from_diag(&array![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
}

#[test]
fn bfgs_with_exact_steps_ends_after_n_of_them_on_a_quadratic() {
    let a = matrix();
    let mut objective = |w: &Array1<f64>| (0.5 * w.dot(&a.dot(w)), a.dot(w));
    let mut w = Array1::from_elem(6, 1.0);
    let mut solver = Bfgs::new().line_search(Exact::new());
    let stop = Stop::never().iterations(6);
    let report = minimize(&mut solver, &mut w, &mut objective, stop).unwrap();
    assert!(report.gradient_max < 1e-9, "{report}");
}

#[test]
fn lbfgs_with_n_pairs_and_exact_steps_ends_after_n_of_them_on_a_quadratic() {
    let a = matrix();
    let mut objective = |w: &Array1<f64>| (0.5 * w.dot(&a.dot(w)), a.dot(w));
    let mut w = Array1::from_elem(6, 1.0);
    let mut solver = Lbfgs::new().memory(6).line_search(Exact::new());
    let report = minimize(&mut solver, &mut w, &mut objective, Stop::default()).unwrap();
    assert!(report.status.is_converged() && report.iterations <= 7, "{report}");
}

#[test]
fn the_inverse_of_bfgs_satisfies_the_secant_equation_and_is_symmetric() {
    for problem in eleven() {
        let n = problem.dimension();
        let mut points: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
        let mut solver = Bfgs::new();
        let mut w: Array1<f64> = On::new(&problem).start();
        let stop = Stop::default().iterations(12).callback(|progress| {
            let (x, g) = (progress.point.as_slice(), progress.gradient.as_slice());
            points.push((x.to_vec(), g.to_vec()));
            std::ops::ControlFlow::Continue(())
        });
        _ = minimize(&mut solver, &mut w, &mut On::new(&problem), stop).unwrap();
        let [.., (x_old, g_old), (x, g)] = &points[..] else { panic!("two points") };
        let h = solver.inverse_hessian();
        let mut largest: f64 = 0.0;
        let mut wrong: f64 = 0.0;
        for i in 0..n {
            let hy: f64 = (0..n).map(|j| h[i * n + j] * (g[j] - g_old[j])).sum();
            wrong = wrong.max((hy - (x[i] - x_old[i])).abs());
            largest = largest.max((x[i] - x_old[i]).abs());
            for j in 0..n {
                assert_eq!(h[i * n + j], h[j * n + i], "{}", problem.title());
            }
        }
        assert!(wrong <= 1e-7 * largest, "{}: {wrong} of {largest}", problem.title());
    }
}

type Pair = (Array1<f64>, Array1<f64>);

/// The newest pairs that agree and are independent, each conjugate to those after it; the oldest first.
fn taken_together(pairs: &[Pair]) -> Vec<Pair> {
    let mut free: Vec<Pair> = Vec::new();
    for (age, (s, y)) in pairs.iter().rev().enumerate() {
        let agrees =
            |(t, z): &Pair| (t.dot(y) - s.dot(z)).abs() <= 0.1 * (t.dot(z) * s.dot(y)).sqrt();
        let (mut own_s, mut own_y) = (s.clone(), y.clone());
        for (t, z) in &free {
            own_s = &own_s - t * (z.dot(&own_s) / t.dot(z));
            own_y = &own_y - z * (t.dot(&own_y) / t.dot(z));
        }
        if !pairs.iter().rev().take(age).all(agrees) || own_s.dot(&own_y) <= 1e-3 * s.dot(y) {
            break;
        }
        free.push((own_s, own_y));
    }
    free.reverse();
    free
}

/// One L-BFGS direction in `f64`, by the matrices of the definition.
fn by_matrices(pairs: &[Pair], diagonal: Option<&Array1<f64>>, g: &Array1<f64>) -> Array1<f64> {
    let n = g.len();
    let Some((s, y)) = pairs.last() else { return -g };
    let mut h = match diagonal {
        Some(diagonal) => Array2::from_diag(diagonal),
        None => Array2::<f64>::eye(n) * (s.dot(y) / y.dot(y)),
    };
    let outer =
        |a: &Array1<f64>, b: &Array1<f64>| Array2::from_shape_fn((n, n), |(i, j)| a[i] * b[j]);
    let together = taken_together(pairs);
    for (s, y) in pairs[..pairs.len() - together.len()].iter().chain(&together) {
        let sy = s.dot(y);
        let left = Array2::<f64>::eye(n) - outer(s, y) / sy;
        h = left.dot(&h).dot(&left.t()) + outer(s, s) / sy;
    }
    -h.dot(g)
}

/// D after a pair, and whether D before it turned y closer to s than y is, by a tenth of the sine.
fn learnt(d: &Array1<f64>, s: &Array1<f64>, y: &Array1<f64>) -> (Array1<f64>, bool) {
    let sine = |a: &Array1<f64>| {
        let cosine = a.dot(s) / (a.dot(a) * s.dot(s)).sqrt();
        (1.0 - cosine * cosine).sqrt()
    };
    let is_better = sine(&(d * y)) <= 0.9 * sine(y);
    // The diagonal of B - Bssᵀ B/sᵀBs + yyᵀ/sᵀy, where B is the inverse of D as it fits y.
    let b = (d * (s.dot(y) / (d * y).dot(y))).recip();
    let bs = &b * s;
    let updated = &b - &(&bs * &bs / s.dot(&bs)) + &(y * y / s.dot(y));
    (updated.recip(), is_better)
}

#[test]
fn a_step_of_lbfgs_is_along_the_direction_of_its_definition() {
    // With a fixed rate of 1 every call moves by the direction itself.
    let a = matrix() / 20.0;
    let gradient = |w: &Array1<f64>| a.dot(w) + w.mapv(|w| 0.1 * w.powi(3));
    let mut solver = Lbfgs::new().memory(4).fixed_rate(1.0);
    let mut w = Array1::from_shape_fn(6, |i| 1.0 + 0.1 * i as f64);
    let mut pairs: Vec<Pair> = Vec::new();
    let mut sizes = Vec::new();
    let mut last: Option<(Array1<f64>, Array1<f64>)> = None;
    let (mut diagonal, mut is_better, mut both) = (None, false, [0, 0]);
    for _ in 0..12 {
        let g = gradient(&w);
        if let Some((w_old, g_old)) = &last {
            let (s, y): (Array1<f64>, Array1<f64>) = (&w - w_old, &g - g_old);
            assert!(s.dot(&y) > 0.0);
            let d = diagonal.take().unwrap_or_else(|| Array1::from_elem(6, s.dot(&y) / y.dot(&y)));
            let (next, better) = learnt(&d, &s, &y);
            (diagonal, is_better) = (Some(next), better);
            both[usize::from(better)] += 1;
            pairs.push((s, y));
            if pairs.len() > 4 {
                pairs.remove(0);
            }
            sizes.push(taken_together(&pairs).len());
        }
        let expected = by_matrices(&pairs, diagonal.as_ref().filter(|_| is_better), &g);
        last = Some((w.clone(), g.clone()));
        solver.step(&mut w, &g).unwrap();
        let moved = &w - &last.as_ref().unwrap().0;
        let error = (&moved - &expected).mapv(f64::abs).sum();
        assert!(error <= 1e-12 * expected.mapv(f64::abs).sum() + 1e-15, "{moved} {expected}");
    }
    assert!(both[0] > 1 && both[1] > 1, "{both:?}");
    // Some pairs disagree, and are taken one by one.
    assert!(sizes.contains(&4) && sizes[4..].iter().any(|&size| size < 4), "{sizes:?}");
}

#[test]
fn on_a_quadratic_n_pairs_of_any_steps_are_the_inverse_hessian() {
    let a = matrix();
    let mut solver = Lbfgs::new();
    let mut w = Array1::from_elem(6, 1.0);
    for call in 0..7 {
        let rate = if call == 0 { 0.05 } else { [0.5, 1.5][call % 2] };
        solver.set_learning_rate(rate).unwrap();
        let g = a.dot(&w);
        solver.step(&mut w, &g).unwrap();
    }
    let before = w.mapv(f64::abs).sum();
    solver.set_learning_rate(1.0).unwrap();
    let g = a.dot(&w);
    solver.step(&mut w, &g).unwrap();
    assert!(w.mapv(f64::abs).sum() < 1e-8 * before, "{w} after {before}");
}

/// Steps until max|g| ≤ `tolerance`; how many gradients that took, and where it ended.
fn stepped<F: Scalar>(problem: &Problem, tolerance: f64, limit: u64) -> (u64, Array1<F>) {
    let mut solver = Lbfgs::new();
    let mut w: Array1<F> = On::new(problem).start();
    let mut g = vec![0.0; w.len()];
    for gradients in 1..limit {
        let x: Vec<f64> = w.iter().map(|&w| w.into_f64()).collect();
        problem.evaluate(&x, &mut g);
        if g.iter().all(|g| g.abs() <= tolerance) {
            return (gradients, w);
        }
        let gradient: Array1<F> = g.iter().map(|&g| F::from_f64(g)).collect();
        solver.step(&mut w, &gradient).unwrap();
    }
    (limit, w)
}

#[test]
fn by_gradients_alone_lbfgs_takes_hardly_more_of_them() {
    let measured = STEPPED.iter();
    let problems = eleven();
    for (problem, (title, count)) in problems.iter().zip(measured) {
        assert_eq!(problem.title(), *title);
        let (gradients, w) = stepped::<f64>(problem, 1e-6, 10_000);
        assert!(gradients as f64 <= 1.1 * f64::from(*count) + 1.0, "{title}: {gradients}");
        let value = problem.value(w.as_slice().unwrap());
        let close = |minimum: f64| (value - minimum).abs() < 1e-5;
        assert!(problem.minima.iter().any(|minimum| close(minimum.value)), "{title}: {value}");
    }
    let (gradients, _) = stepped::<f32>(&problems[0], 1e-3, 1000);
    assert!(gradients < 100, "{gradients}");
}

/// Gradients until max|g| ≤ 1e-6.
const STEPPED: [(&str, u32); 11] = [
    ("Rosenbrock 2", 67),
    ("Beale 2", 18),
    ("Helical valley 3", 41),
    ("Powell singular 4", 39),
    ("Wood 4", 218),
    ("Extended Rosenbrock 100", 63),
    ("Chained Rosenbrock 100", 675),
    ("Variably dimensioned 10", 22),
    ("Broyden tridiagonal 100", 27),
    ("Penalty I 10", 94),
    ("Quadratic of condition 1e4 100", 137),
];

#[test]
fn in_a_loop_lbfgs_says_what_is_an_iterate_and_settles_there() {
    let problem = &eleven()[0];
    let mut solver = Lbfgs::new();
    let mut w: Array1<f64> = On::new(problem).start();
    let mut g = Array1::zeros(2);
    let mut last: Option<f64> = None;
    let (mut iterates, mut trials) = (0, 0);
    for _ in 0..40 {
        let value = problem.evaluate(w.as_slice().unwrap(), g.as_slice_mut().unwrap());
        let at = w.clone();
        let info = solver.step(&mut w, &g).unwrap();
        assert_eq!(info.grad_norm.is_some(), solver.accepted());
        if solver.accepted() {
            iterates += 1;
            let mut settled = w.clone();
            solver.settle(&mut settled).unwrap();
            assert_eq!(settled, at);
            assert!(last.is_none_or(|last| value <= last + 1e-12), "{value} after {last:?}");
            last = Some(value);
        } else {
            trials += 1;
        }
    }
    assert!(iterates >= 20 && trials > 0, "{iterates} {trials}");
}

#[test]
fn in_a_loop_lbfgs_goes_back_from_a_gradient_that_is_nan() {
    let mut w = array![1e-3, 50.0];
    let mut solver = Lbfgs::new();
    for _ in 0..200 {
        let g = w.mapv(|w: f64| if w > 0.0 { 1.0 - 1.0 / w } else { f64::NAN });
        if g.iter().all(|g| g.abs() < 1e-8) {
            break;
        }
        solver.step(&mut w, &g).unwrap();
    }
    assert!(w.iter().all(|w| (w - 1.0).abs() < 1e-6), "{w}");
}

#[test]
fn in_a_loop_lbfgs_refuses_bad_input_and_changes_nothing() -> Result<(), Error> {
    let mut solver = Lbfgs::new();
    let mut w = array![1.0, 2.0];
    let error = solver.step(&mut w, &array![f64::NAN, 0.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }));
    let error = solver.step(&mut w, &array![1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }));
    let error = Lbfgs::<f64>::new().memory(0).step(&mut w, &array![1.0, 1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "memory", .. }));
    let error = solver.set_learning_rate(-1.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LearningRate { .. }));
    assert_eq!((w.clone(), Optimizer::<f64>::steps(&solver)), (array![1.0, 2.0], 0));
    // A zero gradient moves nothing.
    solver.step(&mut w, &array![0.0, 0.0])?;
    assert_eq!(w, array![1.0, 2.0]);
    // A changed shape is refused until a reset.
    let mut other = array![1.0, 2.0, 3.0];
    assert!(solver.step(&mut other, &array![1.0, 1.0, 1.0]).is_err());
    Optimizer::<f64>::reset(&mut solver);
    solver.step(&mut other, &array![1.0, 1.0, 1.0])?;
    Ok(())
}

#[test]
fn in_a_loop_lbfgs_goes_on_from_a_saved_state_to_the_bit() -> Result<(), Error> {
    let problem = &eleven()[4];
    let gradient = |w: &Array1<f64>| -> Array1<f64> {
        let mut g = vec![0.0; w.len()];
        problem.evaluate(w.as_slice().unwrap(), &mut g);
        g.into()
    };
    for saved_at in [0, 1, 2, 3, 5, 8, 13, 21, 34] {
        let build = || Lbfgs::<f64>::new().memory(4);
        let mut solver = build();
        let mut w: Array1<f64> = On::new(problem).start();
        for _ in 0..saved_at {
            let g = gradient(&w);
            solver.step(&mut w, &g)?;
        }
        let state = solver.state();
        let (mut resumed, mut resumed_w) = (build(), w.clone());
        resumed.load_state(&state)?;
        assert_eq!(resumed.state(), state);
        for _ in 0..30 {
            let (g, resumed_g) = (gradient(&w), gradient(&resumed_w));
            solver.step(&mut w, &g)?;
            resumed.step(&mut resumed_w, &resumed_g)?;
            assert_eq!(w, resumed_w, "saved at {saved_at}");
        }
        let mut other = Lbfgs::<f64>::new().memory(5);
        assert!(matches!(
            other.load_state(&state).unwrap_err().kind(),
            ErrorKind::StateDiffers { .. }
        ));
        assert_eq!(other.state(), Lbfgs::<f64>::new().memory(5).state());
    }
    Ok(())
}

#[test]
fn parameters_that_were_moved_between_two_calls_are_a_new_start() {
    let mut w = array![4.0, -3.0];
    let mut solver = Lbfgs::new();
    for call in 0..60 {
        if call == 3 {
            w = array![30.0, 10.0];
        }
        let g = array![2.0 * w[0], 20.0 * w[1]];
        if g.iter().all(|g: &f64| g.abs() < 1e-8) {
            break;
        }
        solver.step(&mut w, &g).unwrap();
    }
    assert_eq!(solver.restarts(), 1);
    assert!(w.iter().all(|w: &f64| w.abs() < 1e-8), "{w}");
}

#[test]
fn more_pairs_take_fewer_evaluations_on_a_stiff_quadratic() {
    // Its axes are not the parameters': those one diagonal would tell.
    let problem = quadratic(100, 1e4);
    let mirrored = |w: &Array1<f64>| w - 2.0 * w.mean().unwrap();
    let count = |memory: usize| {
        let mut w: Array1<f64> = On::new(&problem).start();
        w[0] = 2.0;
        let mut solver = Lbfgs::new().memory(memory);
        let mut objective = |w: &Array1<f64>| {
            let mut g = Array1::zeros(100);
            let value =
                problem.evaluate(mirrored(w).as_slice().unwrap(), g.as_slice_mut().unwrap());
            (value, mirrored(&g))
        };
        let report = minimize(&mut solver, &mut w, &mut objective, Stop::default()).unwrap();
        assert!(report.status.is_converged());
        report.evaluations.total()
    };
    assert!(count(40) < count(20) && count(20) < count(10));
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_evaluated() {
    let mut refused = 0;
    let mut expect = |solver: &mut dyn Solver<f64>, setting: &str| {
        let mut w = array![1.0];
        let mut objective = |_: &Array1<f64>| -> (f64, Array1<f64>) { panic!("evaluated") };
        let error = minimize(solver, &mut w, &mut objective, Stop::default()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name, .. } if *name == setting));
        refused += 1;
    };
    expect(&mut Lbfgs::new().memory(0), "memory");
    expect(&mut Lbfgs::new().fixed_rate(f64::NAN), "fixed_rate");
    expect(&mut Bfgs::new().damping(1.0), "damping");
    expect(&mut thalweg::solvers::NewtonCg::new().forcing(1.0), "forcing");
    expect(&mut thalweg::solvers::NewtonCg::new().radius(0.0), "radius");
    expect(&mut thalweg::solvers::BarzilaiBorwein::new().decrease(0.0), "decrease");
    expect(&mut thalweg::solvers::BarzilaiBorwein::new().switch(-0.1), "switch");
    expect(&mut thalweg::solvers::ScaledConjugateGradient::new().damping(f64::NAN), "damping");
    assert_eq!(refused, 8);
}
