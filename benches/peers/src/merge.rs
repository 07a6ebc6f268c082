//! One table of both runs.

use std::error::Error;
use std::fmt::Write;

use crate::peers::{OURS, STREAM};
use crate::record::{Run, Solution, Step};
use crate::steps::{IN_MEMORY, names};
use crate::work::Work;

pub const RUST: &str = "rust.json";
pub const PYTHON: &str = "python.json";

/// What a step at 25M should reach of a memory stream's bandwidth.
const SHARE: f64 = 0.95;
/// Not peers: the limit, and this crate itself.
const NOT_PEERS: [&str; 3] = [STREAM, OURS, "thalweg, guarded"];

/// Both runs, as far as they have been made.
pub struct Runs {
    rust: Option<Run>,
    python: Option<Run>,
}

impl Runs {
    pub fn read(quick: bool) -> Result<Self, Box<dyn Error>> {
        let runs = Self { rust: Run::read(RUST, quick)?, python: Run::read(PYTHON, quick)? };
        if runs.rust.is_none() && runs.python.is_none() {
            return Err("nothing has been measured: run without a command, then `python`".into());
        }
        Ok(runs)
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        [&self.rust, &self.python].into_iter().flatten()
    }

    /// Every step of the Rust run, and of the Python run what is not in it.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let python = self.python.iter().flat_map(|run| &run.steps);
        let python = python.filter(|step| self.rust.is_none() || step.who != OURS);
        self.rust.iter().flat_map(|run| &run.steps).chain(python)
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells: Vec<Cell<'_>> = Vec::new();
        for step in self.steps() {
            match cells.iter_mut().find(|cell| cell.work == step.work) {
                Some(cell) => cell.steps.push(step),
                None => cells.push(Cell { work: step.work, steps: vec![step] }),
            }
        }
        cells.sort_by_key(|Cell { work, .. }| {
            (work.rule as usize, work.precision as usize, work.n, work.threads)
        });
        cells
    }
}

/// All who did the same work.
struct Cell<'a> {
    work: Work,
    steps: Vec<&'a Step>,
}

impl Cell<'_> {
    fn of(&self, who: &str) -> Option<&Step> {
        self.steps.iter().copied().find(|step| step.who == who)
    }

    /// Who comes nearest to this crate, or is ahead of it, within one contest.
    fn nearest(&self) -> Option<&Step> {
        let peers = self.steps.iter().copied().filter(|s| !NOT_PEERS.contains(&s.who.as_str()));
        peers.min_by(|a, b| lead(a).total_cmp(&lead(b)))
    }

    /// This crate's share of a memory stream's bandwidth.
    fn share(&self) -> Option<f64> {
        self.of(STREAM).map(|stream| stream.best / stream.ours)
    }
}

/// How many times as long as this crate it took, in the same contest.
pub fn lead(step: &Step) -> f64 {
    step.best / step.ours
}

/// The whole document.
pub fn table(runs: &Runs) -> String {
    let mut text = String::new();
    write_table(runs, &mut text).expect("a string takes everything");
    text
}

fn write_table(runs: &Runs, out: &mut String) -> std::fmt::Result {
    let cells = runs.cells();
    writeln!(out, "# Peers, side by side\n")?;
    writeln!(out, "What is measured, and how: [README.md](../README.md). Written by")?;
    writeln!(out, "`cargo run --release -- merge`.\n")?;
    for run in runs.runs() {
        machine(run, out)?;
    }
    writeln!(out, "## The step\n")?;
    summary(&cells, out)?;
    writeln!(out, "\n![Times relative to thalweg](peers.png)\n")?;
    step_table(&cells, out)?;
    writeln!(out, "\n## Conjugate gradient and L-BFGS\n")?;
    solver_table(runs, out)
}

fn machine(run: &Run, out: &mut String) -> std::fmt::Result {
    let machine = &run.machine;
    writeln!(
        out,
        "- {}: {:.1} minutes on {} cores of {} ({:.0} GiB), {}; load {:.1} before and {:.1} after.",
        run.versions.join(", "),
        run.minutes,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.compiler,
        machine.load[0],
        machine.load[1],
    )?;
    if run.quick {
        writeln!(out, "  **A short run: the figures say little.**")?;
    }
    writeln!(out)
}

/// Which targets hold, and where they do not.
fn summary(cells: &[Cell<'_>], out: &mut String) -> std::fmt::Result {
    let behind: Vec<String> = cells
        .iter()
        .filter_map(|cell| {
            let nearest = cell.nearest().filter(|step| lead(step) < 1.0)?;
            Some(format!(
                "- {}: {} takes {:.2} of the time",
                title(cell.work),
                nearest.who,
                lead(nearest)
            ))
        })
        .collect();
    let contested = cells.iter().filter(|cell| cell.nearest().is_some()).count();
    writeln!(
        out,
        "Target: ahead of every peer. Met in {} of {contested} rows{}\n",
        contested - behind.len(),
        if behind.is_empty() { "." } else { "; **not met** in" },
    )?;
    behind.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    let shares = || cells.iter().filter_map(|cell| Some((cell.work, cell.share()?)));
    let low = |share: &f64| *share < SHARE;
    writeln!(
        out,
        "\nTarget: at {} at least {SHARE} of a memory stream's bandwidth. Met in {} of {} rows{}\n",
        size(IN_MEMORY),
        shares().filter(|(_, share)| !low(share)).count(),
        shares().count(),
        if shares().any(|(_, share)| low(&share)) { "; **not met** in" } else { "." },
    )?;
    for (work, share) in shares().filter(|(_, share)| low(share)) {
        writeln!(out, "- {}: {share:.2}", title(work))?;
    }
    Ok(())
}

fn step_table(cells: &[Cell<'_>], out: &mut String) -> std::fmt::Result {
    let present = |name: &&str| cells.iter().any(|cell| cell.of(name).is_some());
    let names: Vec<&str> = names().filter(present).collect();
    writeln!(out, "Nanoseconds per element, of the best turn; — where a peer has no such rule.")?;
    writeln!(out, "Nearest: the time of the fastest peer over thalweg's within the same turns.")?;
    writeln!(out, "Share: thalweg's part of the stream's bandwidth; GB/s: the stream's.\n")?;
    writeln!(
        out,
        "| rule | type | n | threads | {} | nearest | share | GB/s |",
        names.join(" | ")
    )?;
    writeln!(out, "|---|---|---|---|{}", "---|".repeat(names.len() + 3))?;
    for cell in cells {
        let Work { rule, precision, n, threads } = cell.work;
        let (rule, precision) = (rule.title(), precision.title());
        write!(out, "| {rule} | {precision} | {} | {threads} |", size(n))?;
        for name in &names {
            match cell.of(name) {
                Some(step) => write!(out, " {} |", figure(step.best / n as f64))?,
                None => write!(out, " — |")?,
            }
        }
        match cell.nearest() {
            Some(step) if lead(step) < 1.0 => write!(out, " **{:.2}** |", lead(step))?,
            Some(step) => write!(out, " {:.2} |", lead(step))?,
            None => write!(out, " — |")?,
        }
        match (cell.share(), cell.of(STREAM)) {
            (Some(share), Some(stream)) => {
                let mark = if share < SHARE { "**" } else { "" };
                let speed = cell.work.moved() as f64 / stream.best;
                writeln!(out, " {mark}{share:.2}{mark} | {speed:.1} |")?;
            }
            _ => writeln!(out, " | |")?,
        }
    }
    Ok(())
}

fn solver_table(runs: &Runs, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "To max|g| ≤ 1e-6 from the same start; f64, one thread. Own: seconds outside the"
    )?;
    writeln!(out, "objective, which is Rust for the crates and NumPy for SciPy.\n")?;
    writeln!(out, "| problem | n | method | who | f | g | seconds | own | max\\|g\\| |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    let mut all: Vec<&Solution> = runs.runs().flat_map(|run| &run.solvers).collect();
    let mut problems: Vec<(&str, usize)> = Vec::new();
    for solution in &all {
        let problem = (solution.problem.as_str(), solution.n);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    all.sort_by_key(|solution| {
        let problem = (solution.problem.as_str(), solution.n);
        (problems.iter().position(|&other| other == problem), &solution.method)
    });
    for solution in all {
        let Solution { problem, n, method, who, values, gradients, seconds, .. } = solution;
        let gradient_max = match solution.gradient_max {
            Some(g) if solution.converged => format!("{g:.1e}"),
            Some(g) => format!("**{g:.1e}**: {}", solution.said),
            None => format!("**not finite**: {}", solution.said),
        };
        let own = figure(seconds - solution.objective_seconds);
        writeln!(
            out,
            "| {problem} | {} | {method} | {who} | {values} | {gradients} | {} | {own} | {gradient_max} |",
            size(*n),
            figure(*seconds),
        )?;
    }
    Ok(())
}

fn title(work: Work) -> String {
    let Work { rule, precision, n, threads } = work;
    let s = if threads == 1 { "" } else { "s" };
    format!("{} {}, {}, {threads} thread{s}", rule.title(), precision.title(), size(n))
}

/// 10k for 10 000.
pub fn size(n: usize) -> String {
    match n {
        1_000_000.. if n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
        1_000.. if n.is_multiple_of(1_000) => format!("{}k", n / 1_000),
        _ => n.to_string(),
    }
}

/// Three digits.
fn figure(x: f64) -> String {
    match x {
        100.0.. => format!("{x:.0}"),
        10.0.. => format!("{x:.1}"),
        0.1.. => format!("{x:.2}"),
        0.001.. => format!("{x:.4}"),
        _ => format!("{x:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Machine;
    use crate::work::{Precision, Rule};

    fn run(steps: &[(&str, f64, f64)]) -> Run {
        let work = Work { rule: Rule::Adam, precision: Precision::F32, n: IN_MEMORY, threads: 1 };
        let step = |&(who, best, ours): &(&str, f64, f64)| {
            let per_step = |x: f64| x * IN_MEMORY as f64;
            let (best, ours) = (per_step(best), per_step(ours));
            Step { work, who: who.to_owned(), best, median: best, turns: 1, ours }
        };
        Run {
            machine: Machine::describe(),
            versions: Vec::new(),
            quick: false,
            minutes: 0.0,
            steps: steps.iter().map(step).collect(),
            solvers: Vec::new(),
        }
    }

    #[test]
    fn a_peer_that_is_ahead_and_a_low_share_are_said() {
        let rust = run(&[(STREAM, 0.9, 1.0), (OURS, 1.0, 1.0), ("candle-nn", 4.0, 1.0)]);
        // This crate was slower in the other run: its own time there counts.
        let python = run(&[(OURS, 2.0, 2.0), ("torch fused", 1.5, 2.0)]);
        let table = table(&Runs { rust: Some(rust), python: Some(python) });
        assert!(table.contains("Met in 0 of 1 rows; **not met** in\n\n- Adam f32, 25M, 1 thread: torch fused takes 0.75 of the time"), "{table}");
        assert!(table.contains("- Adam f32, 25M, 1 thread: 0.90"), "{table}");
        assert!(
            table.contains(
                "| Adam | f32 | 25M | 1 | 0.90 | 1.00 | 4.00 | 1.50 | **0.75** | **0.90** | 31.1 |"
            ),
            "{table}"
        );
    }

    #[test]
    fn a_guarded_step_and_the_stream_are_no_peers() {
        let rust = run(&[(STREAM, 0.99, 1.0), (OURS, 1.0, 1.0), ("thalweg, guarded", 0.5, 1.0)]);
        let table = table(&Runs { rust: Some(rust), python: None });
        assert!(table.contains("Met in 0 of 0 rows."), "{table}");
        assert!(table.contains("| 0.99 | 1.00 | 0.50 | — | 0.99 |"), "{table}");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([2, 650, 10_000, 25_000_000].map(size), ["2", "650", "10k", "25M"]);
    }
}
