//! L-BFGS of several crates on 90 problems of CUTEst and other collections, ten starts each; SciPy's on the same are in
//! the tests.
//!
//! `cargo run --release --bin lbfgs` prints the table of `../results/LBFGS.md`. A run ends at the first point that a
//! crate evaluates with max|g| ≤ 1e-6, whatever its own test: nobody's tolerance counts. It is solved if that is
//! reached in 20 000 points; counts are compared where all crates come to one value.

#[path = "../../../../../tests/support/problems/mod.rs"]
mod problems;
#[path = "../../../../../tests/support/starts.rs"]
mod starts;

use std::cell::RefCell;
use std::fmt;
use std::time::{Duration, Instant};

use argmin::solver::linesearch::{HagerZhangLineSearch, MoreThuenteLineSearch};
use argmin::solver::quasinewton::LBFGS;
use ndarray::Array1;
use problems::Problem;
use thalweg::solvers::{Bfgs, Lbfgs, Solver, Stop, minimize};

const FLAT: f64 = 1e-6;
const LIMIT: u64 = 20_000;

/// What a crate asked for.
#[derive(Default)]
struct Asked {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    points: u64,
    /// The points until the first flat one, and the value there.
    flat: Option<(u64, f64)>,
}

/// A problem of which each point counts once, and that ends a run.
struct Counted<'a> {
    problem: &'a Problem,
    asked: RefCell<Asked>,
}

/// A run has come to its end.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the run is over")
    }
}

impl std::error::Error for Ended {}

impl<'a> Counted<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self { problem, asked: RefCell::default() }
    }

    fn at<R>(&self, x: &[f64], take: impl FnOnce(&Asked) -> R) -> Result<R, Ended> {
        let mut asked = self.asked.borrow_mut();
        let asked = &mut *asked;
        if asked.flat.is_some() || asked.points >= LIMIT {
            return Err(Ended);
        }
        if asked.points == 0 || asked.x != x {
            asked.x = x.to_vec();
            asked.gradient.resize(x.len(), 0.0);
            asked.value = self.problem.evaluate(x, &mut asked.gradient);
            asked.points += 1;
            if asked.gradient.iter().all(|g| g.abs() <= FLAT) {
                asked.flat = Some((asked.points, asked.value));
                return Err(Ended);
            }
        }
        Ok(take(asked))
    }
}

type Run = fn(&Counted<'_>, Array1<f64>);

fn ours(solver: &mut dyn Solver<f64>, problem: &Counted<'_>, mut w: Array1<f64>) {
    let mut objective = |w: &Array1<f64>| {
        problem.at(w.as_slice().unwrap_or_default(), |asked| {
            (asked.value, Array1::from(asked.gradient.clone()))
        })
    };
    let _ = minimize(solver, &mut w, &mut objective, Stop::never());
}

/// A problem, and bounds that are none.
struct OfBasin<'a>(&'a Counted<'a>, [Vec<f64>; 2]);

impl<'a> OfBasin<'a> {
    fn new(problem: &'a Counted<'a>, dimension: usize) -> Self {
        Self(problem, [f64::NEG_INFINITY, f64::INFINITY].map(|bound| vec![bound; dimension]))
    }
}

impl basin::CostFunction for OfBasin<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    type Error = Ended;

    fn cost(&self, w: &Vec<f64>) -> Result<f64, Ended> {
        self.0.at(w, |asked| asked.value)
    }
}

impl basin::Gradient for OfBasin<'_> {
    type Gradient = Vec<f64>;

    fn gradient(&self, w: &Vec<f64>) -> Result<Vec<f64>, Ended> {
        self.0.at(w, |asked| asked.gradient.clone())
    }
}

impl basin::Constraints for OfBasin<'_> {
    type Set = basin::ConstraintSet<basin::BoxBounds<Vec<f64>>>;

    fn constraints(&self) -> <Self::Set as basin::ConstraintDescription>::Borrowed<'_> {
        basin::ConstraintSet::new()
            .with_bounds(basin::BoxBounds::new(Some(&self.1[0]), Some(&self.1[1])))
    }
}

fn basin(problem: &Counted<'_>, start: Array1<f64>) {
    let solver = basin::Lbfgsb::new()
        .with_absolute_projected_gradient_tolerance(0.0)
        .with_relative_cost_reduction_tolerance(0.0);
    let state = basin::FirstOrderState::new(start.to_vec());
    let problem = OfBasin::new(problem, start.len());
    let _ = basin::Executor::new(problem, solver, state).max_iter(LIMIT).run();
}

fn basin_unbounded(problem: &Counted<'_>, start: Array1<f64>) {
    let state = basin::FirstOrderState::new(start.to_vec());
    let domain = basin::SamplingDomain::new(OfBasin::new(problem, start.len()));
    let solver = basin::Lbfgsb::new().unbounded();
    let _ = basin::Executor::new(domain, solver, state).max_iter(LIMIT).run();
}

struct OfArgmin<'a>(&'a Counted<'a>);

impl argmin::core::CostFunction for OfArgmin<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, w: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        Ok(self.0.at(w, |asked| asked.value)?)
    }
}

impl argmin::core::Gradient for OfArgmin<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, w: &Vec<f64>) -> Result<Vec<f64>, argmin::core::Error> {
        Ok(self.0.at(w, |asked| asked.gradient.clone())?)
    }
}

macro_rules! argmin {
    ($problem:expr, $start:expr, $search:expr) => {{
        let solver = LBFGS::new($search, 10)
            .with_tolerance_grad(0.0)
            .and_then(|s| s.with_tolerance_cost(0.0));
        if let Ok(solver) = solver {
            let (start, problem) = ($start.to_vec(), OfArgmin($problem));
            let executor = argmin::core::Executor::new(problem, solver).ctrlc(false);
            let _ = executor.configure(|state| state.param(start).max_iters(LIMIT)).run();
        }
    }};
}

fn crates() -> Vec<(&'static str, Run)> {
    vec![
        ("thalweg, `Lbfgs` (20 pairs)", |p, w| ours(&mut Lbfgs::new(), p, w)),
        ("thalweg, `Lbfgs`, 10 pairs", |p, w| ours(&mut Lbfgs::new().memory(10), p, w)),
        ("thalweg, `Bfgs`", |p, w| ours(&mut Bfgs::new(), p, w)),
        ("basin 3.2, `Lbfgsb` (10 pairs)", basin),
        ("basin 3.2, the same, unbounded", basin_unbounded),
        ("argmin 0.11, `LBFGS` by Moré and Thuente, 10 pairs", |p, w| {
            argmin!(p, w, MoreThuenteLineSearch::new());
        }),
        ("argmin 0.11, `LBFGS` by Hager and Zhang, 10 pairs", |p, w| {
            argmin!(p, w, HagerZhangLineSearch::new());
        }),
    ]
}

fn main() {
    println!(
        "| problems | crate | solved | points, beside those of SciPy's L-BFGS-B | milliseconds of all |"
    );
    println!("|---|---|---|---|---|");
    let groups: [(&str, fn() -> Vec<Problem>); 4] = [
        ("22", problems::cutest),
        ("22 choosing", problems::choosing),
        ("24 held out", problems::held_out),
        ("22 reporting", problems::reporting),
    ];
    let golden = include_str!("../../../../../tests/golden/cutest.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap_or_default();
    for (group, problems) in groups {
        let problems = problems();
        for (name, run) in crates() {
            // It does not come back from a search on one of these.
            if name.contains("Hager") && ["22 choosing", "22 reporting"].contains(&group) {
                continue;
            }
            let (mut solved, mut all, mut time) = (0, 0, Duration::ZERO);
            let mut logs = Vec::new();
            for problem in &problems {
                let cases = golden["cases"].as_array().into_iter().flatten();
                let case = cases.into_iter().find(|case| case["name"] == problem.name);
                for k in 0..10 {
                    let counted = Counted::new(problem);
                    let begun = Instant::now();
                    run(&counted, starts::start(&problem.start, k));
                    time += begun.elapsed();
                    all += 1;
                    let Some((points, value)) = counted.asked.into_inner().flat else { continue };
                    solved += 1;
                    let of = |what: &str| case.and_then(|case| case[what][k as usize].as_f64());
                    if let (Some(count), Some(theirs)) = (of("lbfgsb"), of("value"))
                        && (value - theirs).abs() <= 1e-6 * theirs.abs() + 1e-9
                    {
                        logs.push((points as f64 / count).ln());
                    }
                }
            }
            let ratio = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
            println!(
                "| {group} | {name} | {solved} of {all} | {ratio:.2} ({}) | {:.1} |",
                logs.len(),
                time.as_secs_f64() * 1e3
            );
        }
    }
}
