//! Solvers on problems of CUTEst and other collections, beside SciPy: those that had a say in settings of solvers, and
//! those by which no setting was chosen.

use ndarray::Array1;
use serde_json::Value;
use thalweg::Optimizer as _;
use thalweg::solvers::{Bfgs, ConjugateGradient, Lbfgs, Solver, Stop, minimize};

use crate::objective::On;
use crate::problems::{Problem, choosing, cutest, held_out, reporting};
use crate::starts::start;

/// Evaluations until max|g| ≤ 1e-6, and the value there; NaN where that is not reached.
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

fn minimized(
    make: fn() -> Box<dyn Solver<f64>>,
) -> impl Fn(&Problem, &mut Array1<f64>) -> (u64, f64) {
    move |problem, w| {
        let stop = Stop::never().gradient_max(1e-6).evaluations(20_000);
        let mut objective = On::new(problem);
        let report = minimize(&mut *make(), w, &mut objective, stop).unwrap();
        let is_solved = report.status.is_converged();
        // These two have valleys without end.
        let may_fail = ["HATFLDFL", "HIEBERT"].contains(&problem.name);
        assert!(is_solved || may_fail, "{} from {w}: {report}", problem.name);
        (report.evaluations.total(), if is_solved { report.value } else { f64::NAN })
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
            // By slopes alone it may wander off where a function has many hills.
            if solver.step(w, &g).is_err() {
                break;
            }
        }
        (20_000, f64::NAN)
    }
}

/// On each set of problems the mean is at most that.
fn check(what: &str, run: Run<'_>, theirs: &str, limits: [f64; 4]) {
    let sets = [
        ("that had a say", cutest as fn() -> Vec<Problem>),
        ("held out", held_out),
        ("choosing", choosing),
        ("reporting", reporting),
    ];
    for ((set, problems), limit) in sets.into_iter().zip(limits) {
        let (ratio, runs) = beside(problems(), run, theirs);
        println!("{what}, {set}: {ratio:.3} over {runs}");
        assert!(runs > 150 && ratio < limit, "{what}, {set}: {ratio} over {runs}");
    }
}

#[test]
fn lbfgs_takes_fewer_evaluations_than_the_lbfgsb_of_scipy() {
    check("L-BFGS", &minimized(|| Box::new(Lbfgs::new())), "lbfgsb", [0.76, 0.91, 0.64, 0.83]);
}

#[test]
fn bfgs_takes_fewer_evaluations_than_the_bfgs_of_scipy() {
    check("BFGS", &minimized(|| Box::new(Bfgs::new())), "bfgs", [0.76, 0.92, 0.88, 0.67]);
}

#[test]
fn conjugate_gradient_takes_fewer_evaluations_than_the_cg_of_scipy() {
    check("CG", &minimized(|| Box::new(ConjugateGradient::new())), "cg", [0.68, 0.90, 0.72, 0.93]);
}

#[test]
fn interpolated_gradients_save_two_to_four_of_ten_that_conjugate_gradient_asks_for() {
    // By gradients alone, beside SciPy's by values too.
    check("CG by gradients", &stepped(false), "cg", [1.05, 1.32, 1.25, 1.6]);
    check("CG by interpolated gradients", &stepped(true), "cg", [0.62, 1.04, 0.71, 1.3]);
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
