//! Trains a small network to read handwritten digits, with any optimizer of the catalog.
//!
//! ```text
//! cargo run --release --example digits
//! cargo run --release --example digits -- --optimizer yogi --learning-rate 0.003
//! cargo run --release --example digits -- --optimizer all
//! cargo run --release --example digits -- --augment --dropout --ema --schedule one-cycle --learning-rate 0.005
//! cargo run --release --example digits -- --compare-regularizers --fraction 0.1 --epochs 1000
//! cargo run --release --example digits -- --compare-precisions --learning-rate 0.001
//! cargo run --release --features serde --example digits -- --checkpoint run.checkpoint
//! cargo run --release --features serde --example digits -- --resume run.checkpoint
//! ```
//!
//! `train` has the training loop, `plan` what it goes by, `mlp` the network and its gradient, `data`
//! the images, `checkpoint` what outlives an interruption, `compare` the table of regularizers;
//! `report` and `plot` show what came out.

#[cfg_attr(not(feature = "serde"), path = "no_checkpoint.rs")]
mod checkpoint;
mod compare;
mod data;
mod fingerprint;
mod mlp;
mod plan;
mod plot;
#[path = "../png.rs"]
mod png;
mod report;
mod train;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use thalweg::{Entry, ErrorKind, catalog};

use compare::{compare, compare_precisions};
use data::{Digits, Split};
use plan::{Plan, positive};
use report::Progress;
use train::{Failure, Training, train};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/optdigits.csv");
const QUICK_EPOCHS: usize = 3;

/// Trains a small network to read handwritten digits, with any optimizer of the catalog
#[derive(Parser)]
#[command(allow_negative_numbers = true)]
struct Args {
    /// The optimizer, or `all` for a race of all of them
    #[arg(long, value_name = "NAME", default_value = "adam", value_parser = optimizer_names())]
    optimizer: String,

    /// The learning rate [default: the optimizer's own]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    learning_rate: Option<f64>,

    #[command(flatten)]
    plan: Plan,

    /// The images: lines of 64 pixels from 0 to 16 and a class
    #[arg(long, value_name = "FILE", default_value = DATA, hide_default_value = true)]
    data: PathBuf,

    /// The picture of the learning curves [default: target/digits/NAME.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Writes the training to a new file after each epoch
    #[arg(long, value_name = "FILE", value_parser = checkpoint_file)]
    checkpoint: Option<PathBuf>,

    /// Goes on from such a file, with the same options, and goes on writing it
    #[arg(long, value_name = "FILE", value_parser = checkpoint_file, conflicts_with = "checkpoint")]
    resume: Option<PathBuf>,

    /// Prints what each regularizer buys, as the mean of 5 seeds
    #[arg(long, conflicts_with_all = ["checkpoint", "resume"])]
    compare_regularizers: bool,

    /// Prints what state in fewer bits costs, as the mean of 10 seeds
    #[arg(long, conflicts_with_all = ["checkpoint", "resume", "compare_regularizers"])]
    compare_precisions: bool,

    /// Three epochs, to see that everything works
    #[arg(long, conflicts_with = "epochs")]
    quick: bool,
}

fn optimizer_names() -> PossibleValuesParser {
    catalog::<f32>().iter().map(|entry| entry.name).chain(["all"]).into()
}

fn checkpoint_file(name: &str) -> Result<PathBuf, &'static str> {
    if cfg!(feature = "serde") {
        Ok(name.into())
    } else {
        Err("checkpoints need a feature: cargo run --release --features serde --example digits")
    }
}

/// Why the program ends early.
enum Exit {
    /// What it was asked to do cannot be done.
    Usage(String),
    /// The training failed, or part of it.
    Training(String),
}

fn main() -> ExitCode {
    // clap answers for the arguments itself, also with 2.
    let (code, message) = match run(Args::parse()) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Exit::Usage(message)) => (2, message),
        Err(Exit::Training(message)) => (1, message),
    };
    eprintln!("error: {message}");
    ExitCode::from(code)
}

fn run(mut args: Args) -> Result<(), Exit> {
    if args.quick {
        args.plan.epochs = QUICK_EPOCHS;
    }
    let split = Digits::read(&args.data).map_err(Exit::Usage)?.split();
    let entry = catalog().iter().find(|entry| entry.name == args.optimizer);
    if args.compare_regularizers {
        let entry = entry.ok_or_else(|| one_only("--compare-regularizers"))?;
        let rate = args.learning_rate.unwrap_or(entry.learning_rate);
        return compare(entry, rate, &args.plan, &split).map_err(failed);
    }
    if args.compare_precisions {
        let entry = entry.ok_or_else(|| one_only("--compare-precisions"))?;
        let rate = args.learning_rate.unwrap_or(entry.learning_rate);
        return compare_precisions(entry, rate, &args.plan, &split).map_err(failed);
    }

    let picture = args.out.clone().unwrap_or_else(|| {
        Path::new(ROOT).join("target").join("digits").join(format!("{}.png", args.optimizer))
    });
    make_folder_of(&picture)?;
    match entry {
        Some(entry) => one(entry, &args, &split, &picture),
        None if args.checkpoint.is_some() => Err(one_only("--checkpoint")),
        None if args.resume.is_some() => Err(one_only("--resume")),
        None => race(args.learning_rate, &args.plan, &split, &picture),
    }
}

fn one_only(option: &str) -> Exit {
    Exit::Usage(format!("{option} is for one --optimizer, not for all"))
}

/// Trains with one optimizer.
fn one(entry: &'static Entry<f32>, args: &Args, split: &Split, picture: &Path) -> Result<(), Exit> {
    let rate = args.learning_rate.unwrap_or(entry.learning_rate);
    let mut training = Training::new(entry, rate, &args.plan, split);
    let progress = Progress::new(args.plan.epochs, "epochs");
    let file = args.checkpoint.as_ref().or(args.resume.as_ref());
    if let Some(file) = &args.resume {
        checkpoint::resume(&mut training, file).map_err(Exit::Usage)?;
        progress.skip(training.epochs.len());
    } else if let Some(file) = file {
        begin(&training, file)?;
    }
    report::header(&args.plan, split);
    println!("{}, learning rate {rate:?}: {} ({})\n", entry.title, entry.formula, entry.source);

    let run = train(&mut training, |training| {
        progress.epoch(&training.epochs);
        file.map_or(Ok(()), |file| checkpoint::save(training, file))
    });
    let run = run.map_err(failed)?;
    progress.finish();

    report::result(&run);
    plot::one(picture, &run).map_err(|error| cannot_write(picture, error))?;
    println!("learning curves: {}", picture.display());
    Ok(())
}

/// Writes a training's first checkpoint, before its first epoch.
fn begin(training: &Training<'_>, file: &Path) -> Result<(), Exit> {
    if file.exists() {
        let name = file.display();
        return Err(Exit::Usage(format!(
            "{name} is there already; go on from it by --resume {name}"
        )));
    }
    checkpoint::save(training, file).map_err(|error| Exit::Usage(error.to_string()))
}

/// Trains with every optimizer, from the same initial weights and with the same batches.
fn race(
    learning_rate: Option<f64>,
    plan: &Plan,
    split: &Split,
    picture: &Path,
) -> Result<(), Exit> {
    let entries = catalog::<f32>();
    report::header(plan, split);
    let progress = Progress::new(plan.epochs * entries.len(), "epochs");
    let mut runs = Vec::new();
    let mut failures = Vec::new();
    report::race_header();
    for entry in entries {
        let rate = learning_rate.unwrap_or(entry.learning_rate);
        let mut training = Training::new(entry, rate, plan, split);
        let run = train(&mut training, |_| {
            progress.tick(entry.title);
            Ok(())
        });
        match run {
            Ok(run) => {
                progress.print(&report::race_row(&run));
                runs.push(run);
            }
            Err(failure) => {
                progress.print(&format!("{:<18}failed in epoch {}", entry.name, failure.epoch));
                failures.push(explain(&failure));
            }
        }
    }
    progress.finish();

    if !runs.is_empty() {
        plot::race(picture, &runs).map_err(|error| cannot_write(picture, error))?;
        println!("\nlearning curves: {}", picture.display());
    }
    if failures.is_empty() { Ok(()) } else { Err(Exit::Training(failures.join("\n"))) }
}

fn failed(failure: Failure) -> Exit {
    Exit::Training(explain(&failure))
}

/// The library says what is wrong; why, and what to do, depends on what it was used for.
fn explain(Failure { title, learning_rate, epoch, error }: &Failure) -> String {
    let hint = match error.kind() {
        ErrorKind::NonFiniteGradient { .. } => {
            format!("\nhint: the training diverged; try a --learning-rate below {learning_rate:?}")
        }
        _ => String::new(),
    };
    format!("{title} failed in epoch {epoch}: {error}{hint}")
}

/// Finds out before the training whether its result can be kept.
fn make_folder_of(picture: &Path) -> Result<(), Exit> {
    let folder = picture.parent().filter(|_| picture.extension().is_some_and(|e| e == "png"));
    let Some(folder) = folder else {
        return Err(Exit::Usage(format!("{} does not end in .png", picture.display())));
    };
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, error))
}

fn cannot_write(path: &Path, error: impl std::fmt::Display) -> Exit {
    Exit::Usage(format!("cannot write {}: {error}", path.display()))
}
