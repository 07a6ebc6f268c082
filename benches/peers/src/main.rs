//! This crate and its peers over the same work, in turns. What is measured, and how: README.md.

mod contest;
mod merge;
mod peers;
mod plot;
mod record;
mod solvers;
mod steps;
mod work;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::{Parser, Subcommand};

use record::{Machine, Run, said};
use steps::Side;
use work::Work;

#[derive(Parser)]
#[command(about = "Measures this crate beside its peers; without a command, those from crates.io")]
struct Options {
    /// Few and short turns, and no large sizes: shows that all works, in target/quick/.
    #[arg(long, global = true)]
    quick: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Measures this crate beside the crates from crates.io (the default).
    Rust,
    /// Measures this crate beside torch, optax and SciPy.
    Python {
        /// A Python that has python/requirements.txt.
        #[arg(default_value = "python3")]
        interpreter: PathBuf,
    },
    /// Writes one table and one plot of what the other two measured.
    Merge,
    #[command(hide = true)]
    Contestant {
        name: String,
        #[command(flatten)]
        work: Work,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match options.action {
        None | Some(Action::Rust) => rust(options.quick),
        Some(Action::Python { interpreter }) => python(interpreter, options.quick),
        Some(Action::Merge) => merge(options.quick),
        Some(Action::Contestant { name, work }) => contestant(&name, work),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn Error>>;

fn rust(quick: bool) -> Outcome {
    let (begun, machine) = (Instant::now(), Machine::describe());
    let steps = steps::measure(&Side::Rust, quick)?;
    let solvers = solvers::measure(quick)?;
    let names = [
        "argmin",
        "burn-optim",
        "candle-nn",
        "candle-optimisers",
        "ndarray",
        "stochastic_optimizers",
    ];
    let versions = names.into_iter().filter_map(locked).collect();
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    write(Run { machine, versions, quick, minutes, steps, solvers }, merge::RUST)
}

fn python(interpreter: PathBuf, quick: bool) -> Outcome {
    let (begun, machine) = (Instant::now(), Machine::describe());
    let versions = said(Command::new(&interpreter).arg(steps::script()).arg("versions"));
    if versions.is_empty() {
        let name = interpreter.display();
        return Err(format!("{name} does not run, or lacks python/requirements.txt").into());
    }
    let solvers = solvers::measure_scipy(&interpreter, quick)?;
    let steps = steps::measure(&Side::Python { interpreter }, quick)?;
    let versions = versions.lines().map(str::to_owned).collect();
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    write(Run { machine, versions, quick, minutes, steps, solvers }, merge::PYTHON)
}

fn write(mut run: Run, name: &str) -> Outcome {
    run.machine.end();
    let path = run.write(name)?;
    eprintln!("{:.1} minutes; wrote {}", run.minutes, path.display());
    Ok(())
}

fn merge(quick: bool) -> Outcome {
    let runs = merge::Runs::read(quick)?;
    let directory = record::directory(quick);
    let written = |name: &str| Path::new(&directory).join(name);
    std::fs::write(written("TABLE.md"), merge::table(&runs))?;
    plot::draw(&runs, &written("peers.png"))?;
    eprintln!("wrote TABLE.md and peers.png in {}", directory.display());
    Ok(())
}

fn contestant(name: &str, work: Work) -> Outcome {
    let peer = peers::find(name).ok_or_else(|| format!("there is no peer called {name}"))?;
    Ok(contest::take_part(&mut *(peer.enter)(work))?)
}

/// A crate's name and version in the lock file; of several, the newest.
fn locked(name: &str) -> Option<String> {
    let lock = include_str!("../Cargo.lock");
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, after) = lock.rsplit_once(&entry)?;
    Some(format!("{name} {}", after.split_once('"')?.0))
}
