//! How many evaluations it takes, and where it ends.

use thalweg::Optimizer;
use thalweg::solvers::{ConjugateGradient, Report, Stall, Status, Stop, Test, minimize};

use crate::on::{On, start};
use crate::problems::{Problem, all, eleven};

fn solve(problem: &Problem) -> (Report, u64) {
    let mut objective = On::new(problem);
    let mut w = start::<f64>(problem);
    let stop = Stop::default().evaluations(200_000);
    let report = minimize(&mut ConjugateGradient::new(), &mut w, &mut objective, stop).unwrap();
    (report, objective.twice)
}

/// Gradients until max|g| ≤ 1e-6 in a loop of one's own, and f there.
fn stepped(problem: &Problem, limit: u64) -> (u64, f64) {
    let mut solver = ConjugateGradient::new();
    let mut w = start::<f64>(problem);
    let mut g = w.clone();
    for evaluations in 1..=limit {
        let value = problem.evaluate(w.as_slice().unwrap(), g.as_slice_mut().unwrap());
        if g.iter().all(|g| g.abs() <= 1e-6) {
            return (evaluations, value);
        }
        solver.step(&mut w, &g).unwrap();
    }
    (limit, f64::NAN)
}

#[test]
fn print() {
    for problem in all() {
        let (report, twice) = solve(&problem);
        let (steps, value) = stepped(&problem, 20_000);
        let ok = |v: f64| {
            problem.minima.iter().any(|m| (v - m.value).abs() <= 1e-6 * m.value.abs().max(1.0))
        };
        println!(
            "(\"{}\", {}, {}), // {} {:?} twice {twice} {:e} {:e} {} {}",
            problem.title(),
            report.evaluations.total(),
            steps,
            report.status,
            report.restarts,
            report.value,
            value,
            ok(report.value),
            ok(value)
        );
    }
}
#[test]
fn brown() {
    solve(&all()[3]);
    eprintln!("-------");
    solve(all().iter().find(|p| p.title() == "Penalty II 10").unwrap());
}
