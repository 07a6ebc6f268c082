//! Conjugate gradient and L-BFGS: evaluations and seconds to max|g| ≤ 1e-6.

mod argmin;
mod ours;
mod problems;

use std::cell::Cell;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use problems::{Problem, problems};

use crate::record::Solution;
use crate::steps::script;

/// max|g| at a minimum.
const TOLERANCE: f64 = 1e-6;
/// A solver that takes longer has failed.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Pairs that L-BFGS keeps, SciPy's default.
const MEMORY: usize = 10;

/// A problem, how often it was asked, and the time spent in it.
struct Counted<'a> {
    problem: &'a dyn Problem,
    values: Cell<u64>,
    gradients: Cell<u64>,
    spent: Cell<Duration>,
}

impl<'a> Counted<'a> {
    fn new(problem: &'a dyn Problem) -> Self {
        Self {
            problem,
            values: Cell::default(),
            gradients: Cell::default(),
            spent: Cell::default(),
        }
    }

    fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.spent.set(self.spent.get() + begun.elapsed());
        result
    }

    fn value(&self, w: &[f64]) -> f64 {
        self.values.set(self.values.get() + 1);
        self.timed(|| self.problem.value(w))
    }

    fn value_and_gradient(&self, w: &[f64], g: &mut [f64]) -> f64 {
        self.values.set(self.values.get() + 1);
        self.gradients.set(self.gradients.get() + 1);
        self.timed(|| self.problem.value_and_gradient(w, g))
    }

    /// The gradient alone takes as long as with the value.
    fn gradient(&self, w: &[f64], g: &mut [f64]) {
        self.gradients.set(self.gradients.get() + 1);
        self.timed(|| self.problem.value_and_gradient(w, g));
    }
}

/// A solver: from the start to a point, and what it says of it.
struct Entry {
    who: &'static str,
    method: &'static str,
    run: fn(&Counted<'_>, Vec<f64>) -> (Vec<f64>, String),
}

const ENTRIES: [Entry; 4] = [
    Entry { who: crate::peers::OURS, method: "CG", run: ours::conjugate_gradient },
    Entry { who: "argmin", method: "CG", run: argmin::conjugate_gradient },
    Entry { who: crate::peers::OURS, method: "L-BFGS", run: ours::lbfgs },
    Entry { who: "argmin", method: "L-BFGS", run: argmin::lbfgs },
];

/// Solves every problem by this crate and by argmin, in turns; of each the fastest run.
pub fn measure(quick: bool) -> Result<Vec<Solution>, Box<dyn Error>> {
    let mut all = Vec::new();
    for problem in problems(quick)? {
        let mut best: Vec<Solution> = ENTRIES.iter().map(|e| solve(&*problem, e)).collect();
        let turns = if quick { 1 } else { 4 };
        for _ in 0..turns {
            for (entry, best) in ENTRIES.iter().zip(&mut best) {
                // A long run says enough at once.
                if best.seconds < 3.0 {
                    let solution = solve(&*problem, entry);
                    if solution.seconds < best.seconds {
                        *best = solution;
                    }
                }
            }
        }
        for solution in best {
            eprintln!("{}", line(&solution));
            all.push(solution);
        }
    }
    Ok(all)
}

fn solve(problem: &dyn Problem, entry: &Entry) -> Solution {
    let counted = Counted::new(problem);
    let begun = Instant::now();
    let (w, said) = (entry.run)(&counted, problem.start());
    let seconds = begun.elapsed().as_secs_f64();
    let mut g = vec![0.0; w.len()];
    problem.value_and_gradient(&w, &mut g);
    let gradient_max = g.iter().fold(0.0_f64, |max, g| if g.abs() <= max { max } else { g.abs() });
    Solution {
        problem: problem.name().to_owned(),
        n: w.len(),
        method: entry.method.to_owned(),
        who: entry.who.to_owned(),
        converged: gradient_max <= TOLERANCE,
        said,
        gradient_max: Some(gradient_max).filter(|g| g.is_finite()),
        values: counted.values.get(),
        gradients: counted.gradients.get(),
        seconds,
        objective_seconds: counted.spent.get().as_secs_f64(),
    }
}

/// What SciPy makes of the same problems.
pub fn measure_scipy(interpreter: &Path, quick: bool) -> Result<Vec<Solution>, Box<dyn Error>> {
    let mut command = Command::new(interpreter);
    command.arg(script()).arg("solve").args(quick.then_some("--quick"));
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the script that runs SciPy failed".into());
    }
    let text = String::from_utf8(output.stdout)?;
    let solutions: Result<Vec<Solution>, _> = text.lines().map(serde_json::from_str).collect();
    let solutions = solutions?;
    solutions.iter().for_each(|solution| eprintln!("{}", line(solution)));
    Ok(solutions)
}

fn line(solution: &Solution) -> String {
    let Solution { problem, n, method, who, values, gradients, seconds, said, .. } = solution;
    format!("{problem}, {n}: {who} {method}: {values} f, {gradients} g, {seconds:.4} s, {said}")
}
