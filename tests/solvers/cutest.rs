//! Solvers on problems of CUTEst, beside SciPy: those that had a say in settings of L-BFGS, and those by which
//! no setting was chosen.

use ndarray::Array1;
use serde_json::Value;
use thalweg::Optimizer as _;
use thalweg::solvers::{Bfgs, ConjugateGradient, Lbfgs, Solver, Stop, minimize};

use crate::objective::On;
use crate::problems::{Problem, cutest, held_out};
use crate::starts::start;

/// Evaluations until max|g| ≤ 1e-6, and the value there.
type Run<'r> = &'r dyn Fn(&Problem, &mut Array1<f64>) -> (u64, f64);

/// The geometric mean of our evaluations over theirs, of runs that end at one minimum, and their number.
fn beside(problems: Vec<Problem>, run: Run<'_>, theirs: &str) -> (f64, usize) {
    let golden: Value = serde_json::from_str(include_str!("../golden/cutest.json")).unwrap();
    let values = if theirs == "cg" { "cg_value" } else { "value" };
    let mut ratios = Vec::new();
    for problem in problems {
        let cases = golden["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == problem.name).unwrap();
        for k in 0..10 {
            let mut w = start(&problem.start, k);
            let (evaluations, found) = run(&problem, &mut w);
            let Some(count) = case[theirs][k as usize].as_f64() else { continue };
            let value = case[values][k as usize].as_f64().unwrap();
            if (found - value).abs() <= 1e-6 * value.abs() + 1e-9 {
                ratios.push((evaluations as f64 / count).ln());
            }
        }
    }
    ((ratios.iter().sum::<f64>() / ratios.len() as f64).exp(), ratios.len())
}

/// Each run ends at a stationary point.
fn minimized(
    make: fn() -> Box<dyn Solver<f64>>,
) -> impl Fn(&Problem, &mut Array1<f64>) -> (u64, f64) {
    move |problem, w| {
        let stop = Stop::never().gradient_max(1e-6).evaluations(20_000);
        let mut objective = On::new(problem);
        let report = minimize(&mut *make(), w, &mut objective, stop).unwrap();
        assert!(report.status.is_converged(), "{} from {w}: {report}", problem.name);
        (report.evaluations.total(), report.value)
    }
}

/// Conjugate gradient in a loop of one's own.
fn stepped(interpolate: bool) -> impl Fn(&Problem, &mut Array1<f64>) -> (u64, f64) {
    move |problem, w| {
        let mut solver = ConjugateGradient::<f64>::new().interpolate_gradients(interpolate);
        let mut g = Array1::zeros(w.len());
        for evaluations in 1..=20_000 {
            let value = problem.evaluate(w.as_slice().unwrap(), g.as_slice_mut().unwrap());
            if g.iter().all(|g: &f64| g.abs() <= 1e-6) {
                return (evaluations, value);
            }
            solver.step(w, &g).unwrap();
        }
        (20_000, f64::NAN)
    }
}

#[test]
fn lbfgs_takes_fewer_evaluations_than_the_lbfgsb_of_scipy() {
    let run = minimized(|| Box::new(Lbfgs::new()));
    let (ratio, runs) = beside(cutest(), &run, "lbfgsb");
    assert!(runs > 180 && ratio < 0.84, "{ratio} over {runs}");
    println!("L-BFGS: {ratio:.3} over {runs}");
    let (ratio, runs) = beside(held_out(), &run, "lbfgsb");
    assert!(runs > 200 && ratio < 1.03, "{ratio} over {runs}");
    println!("L-BFGS, held out: {ratio:.3} over {runs}");
}

#[test]
fn bfgs_takes_fewer_evaluations_than_the_bfgs_of_scipy() {
    let run = minimized(|| Box::new(Bfgs::new()));
    let (ratio, runs) = beside(cutest(), &run, "bfgs");
    assert!(runs > 180 && ratio < 0.76, "{ratio} over {runs}");
    println!("BFGS: {ratio:.3} over {runs}");
    let (ratio, runs) = beside(held_out(), &run, "bfgs");
    assert!(runs > 200 && ratio < 0.92, "{ratio} over {runs}");
    println!("BFGS, held out: {ratio:.3} over {runs}");
}

#[test]
fn conjugate_gradient_takes_fewer_evaluations_than_the_cg_of_scipy() {
    let run = minimized(|| Box::new(ConjugateGradient::new()));
    let (ratio, runs) = beside(cutest(), &run, "cg");
    assert!(runs > 150 && ratio < 0.68, "{ratio} over {runs}");
    println!("CG: {ratio:.3} over {runs}");
    let (ratio, runs) = beside(held_out(), &run, "cg");
    assert!(runs > 180 && ratio < 0.90, "{ratio} over {runs}");
    println!("CG, held out: {ratio:.3} over {runs}");
}

#[test]
fn interpolated_gradients_save_four_of_ten_that_conjugate_gradient_asks_for_and_two_of_ten_held_out()
 {
    // By gradients alone, beside SciPy's by values too: as many on what it was made on, more elsewhere.
    for (problems, plain, interpolated) in
        [(cutest as fn() -> Vec<Problem>, 1.05, 0.62), (held_out, 1.32, 1.04)]
    {
        for (interpolate, limit) in [(false, plain), (true, interpolated)] {
            let (ratio, runs) = beside(problems(), &stepped(interpolate), "cg");
            assert!(runs > 150 && ratio < limit, "{interpolate}: {ratio} over {runs}");
            println!("CG by gradients, interpolated {interpolate}: {ratio:.3} over {runs}");
        }
    }
}

#[test]
fn interpolated_gradients_go_on_from_a_state_bit_for_bit() {
    let problem = &cutest()[0];
    let solver = || ConjugateGradient::<f64>::new().interpolate_gradients(true);
    let gradient = |w: &Array1<f64>| {
        let mut g = Array1::zeros(w.len());
        problem.evaluate(w.as_slice().unwrap(), g.as_slice_mut().unwrap());
        g
    };
    let (mut w, mut whole) = (start(&problem.start, 1), solver());
    for _ in 0..25 {
        let (mut other, mut again) = (w.clone(), solver());
        again.load_state(&whole.state()).unwrap();
        let g = gradient(&w);
        whole.step(&mut w, &g).unwrap();
        again.step(&mut other, &g).unwrap();
        assert_eq!((w.clone(), whole.state()), (other, again.state()));
    }
}

#[test]
fn by_gradients_alone_a_quadratic_takes_little_more_than_a_gradient_an_iteration() {
    // Eigenvalues 1 to 100, each as often: as many iterations as there are.
    for distinct in [1_usize, 3, 10] {
        let of = |i: usize| 1.0 + 99.0 * (i % distinct) as f64 / distinct as f64;
        let diagonal = Array1::from_shape_fn(60, of);
        let mut w = Array1::from_shape_fn(60, |i| (1.0 + i as f64).sin());
        let (mut solver, mut count) =
            (ConjugateGradient::<f64>::new().interpolate_gradients(true), 1);
        loop {
            let g = &diagonal * &w;
            if g.iter().all(|g| g.abs() <= 1e-8) {
                break;
            }
            solver.step(&mut w, &g).unwrap();
            count += 1;
        }
        assert!(count <= 2 * distinct + 8, "{count} for {distinct}");
    }
}
