//! Conjugate gradient and the line searches.

#[path = "support/problems/mod.rs"]
mod problems;

use ndarray::Array1;
use problems::{Problem, eleven, more_garbow_hillstrom};
use thalweg::solvers::*;
use thalweg::{Error, Optimizer};

struct On<'a>(&'a Problem);

impl Objective<f64, Array1<f64>> for On<'_> {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        Ok(self.0.evaluate(w.as_slice().unwrap(), gradient.as_mut_slice()))
    }
}

fn stepped(problem: &Problem, mut solver: ConjugateGradient<f64>, limit: u64) -> (u64, f64) {
    let mut w = Array1::from(problem.start.clone());
    let mut g = Array1::zeros(w.len());
    for evaluations in 1..=limit {
        problem.evaluate(w.as_slice().unwrap(), g.as_slice_mut().unwrap());
        if g.iter().all(|g: &f64| g.abs() <= 1e-6) {
            return (evaluations, problem.value(w.as_slice().unwrap()));
        }
        solver.step(&mut w, &g).unwrap();
    }
    (limit, f64::NAN)
}

#[test]
fn table() {
    const BEST: [f64; 11] = [80., 37., 83., 103., 95., 75., 1261., 17., 59., 91., 673.];
    const SCIPY: [f64; 11] = [80., 46., 92., 154., 154., 75., 1982., f64::NAN, 128., 265., 2165.];
    for beta in [
        Beta::PolakRibierePlus,
        Beta::PolakRibiere,
        Beta::FletcherReeves,
        Beta::HestenesStiefel,
        Beta::DaiYuan,
        Beta::HagerZhang,
        Beta::DaiKou,
    ] {
        let (mut wins, mut log) = (0, 0.0);
        let mut glog = 0.0;
        let mut line = String::new();
        for (i, p) in eleven().iter().enumerate() {
            let mut w = Array1::from(p.start.clone());
            let mut s = ConjugateGradient::new().beta(beta);
            let r = minimize(&mut s, &mut w, &mut On(p), Stop::default()).unwrap();
            let e = r.evaluations.total() as f64;
            let g = stepped(p, ConjugateGradient::new().beta(beta), 100_000).0;
            wins += (e <= BEST[i]) as u32;
            if !SCIPY[i].is_nan() {
                log += (e / SCIPY[i]).ln();
                glog += (g as f64 / SCIPY[i]).ln();
            }
            line += &format!(" {e}/{g}{}", if r.status.is_converged() { "" } else { "!" });
        }
        println!(
            "{beta:?} {:.3} {:.3} wins {wins}: {line}",
            (log / 10.0f64).exp(),
            (glog / 10.0f64).exp()
        );
    }
    for p in more_garbow_hillstrom() {
        let mut w = Array1::from(p.start.clone());
        let r =
            minimize(&mut ConjugateGradient::new(), &mut w, &mut On(&p), Stop::default()).unwrap();
        println!(
            "{:32} {:60} {:?} f={:e} g={:.1e} it={} {:?}",
            p.title(),
            r.status.to_string(),
            r.evaluations.total(),
            r.value,
            r.gradient_max,
            r.iterations,
            stepped(&p, ConjugateGradient::new(), 100_000)
        );
    }
}

#[test]
fn meyer() {
    let all = more_garbow_hillstrom();
    let p = all.iter().find(|p| p.name == "Meyer").unwrap();
    for beta in [Beta::PolakRibierePlus, Beta::HestenesStiefel, Beta::DaiKou, Beta::HagerZhang] {
        for si in [0.05] {
            for int in [true, false] {
                for re in [1.0, 2.0, 6.0, 100.0] {
                    let mut w = Array1::from(p.start.clone());
                    let r = minimize(
                        &mut ConjugateGradient::new().beta(beta).restart_after(re).interpolate(int),
                        &mut w,
                        &mut On(&p),
                        Stop::default().evaluations(1_000_000),
                    )
                    .unwrap();
                    let reached = r
                        .history
                        .iter()
                        .find(|h| h.value < 87.945855171 * (1.0 + 1e-6))
                        .map(|h| h.evaluations);
                    println!(
                        "{beta:?} {si} {int} {re} {reached:?} {} {} {:.12} {:e} restarts {}",
                        r.status,
                        r.evaluations.total(),
                        r.value,
                        r.gradient_max,
                        r.restarts
                    );
                }
            }
        }
    }
}
