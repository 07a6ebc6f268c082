//! Quasi-Newton solvers on problems of CUTEst, beside SciPy. They had a say in the last choice of L-BFGS's σ and first
//! step.

use serde_json::Value;
use thalweg::solvers::{Bfgs, Lbfgs, Solver, Stop, minimize};

use crate::objective::On;
use crate::problems::cutest;
use crate::starts::start;

/// The geometric mean of our evaluations over theirs, of runs that end at one minimum, and their number.
fn beside(make: fn() -> Box<dyn Solver<f64>>, theirs: &str) -> (f64, usize) {
    let golden: Value = serde_json::from_str(include_str!("../golden/cutest.json")).unwrap();
    let mut ratios = Vec::new();
    for problem in cutest() {
        let cases = golden["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == problem.name).unwrap();
        for k in 0..10 {
            let mut w = start(&problem.start, k);
            let stop = Stop::never().gradient_max(1e-6).evaluations(20_000);
            let mut objective = On::new(&problem);
            let report = minimize(&mut *make(), &mut w, &mut objective, stop).unwrap();
            assert!(report.status.is_converged(), "{} from {k}: {report}", problem.name);
            let Some(count) = case[theirs][k as usize].as_f64() else { continue };
            let value = case["value"][k as usize].as_f64().unwrap();
            if (report.value - value).abs() <= 1e-6 * value.abs() + 1e-9 {
                ratios.push((report.evaluations.total() as f64 / count).ln());
            }
        }
    }
    ((ratios.iter().sum::<f64>() / ratios.len() as f64).exp(), ratios.len())
}

#[test]
fn lbfgs_takes_fewer_evaluations_than_the_lbfgsb_of_scipy() {
    let (ratio, runs) = beside(|| Box::new(Lbfgs::new()), "lbfgsb");
    assert!(runs > 180 && ratio < 0.92, "{ratio} over {runs}");
    println!("L-BFGS: {ratio:.3} over {runs}");
}

#[test]
fn bfgs_takes_fewer_evaluations_than_the_bfgs_of_scipy() {
    let (ratio, runs) = beside(|| Box::new(Bfgs::new()), "bfgs");
    assert!(runs > 180 && ratio < 0.76, "{ratio} over {runs}");
    println!("BFGS: {ratio:.3} over {runs}");
}
