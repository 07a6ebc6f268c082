//! Trains a small network to read handwritten digits, with any optimizer of the catalog.
//!
//! ```text
//! cargo run --release --example digits
//! cargo run --release --example digits -- --optimizer yogi --learning-rate 0.003
//! cargo run --release --example digits -- --optimizer all
//! ```
//!
//! `train` has the training loop, `mlp` the network and its gradient, `data` the images; `report`
//! and `plot` show what came out.

mod data;
mod mlp;
mod plot;
mod report;
mod train;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use thalweg::{Entry, ErrorKind, catalog};

use data::{Digits, Split};
use report::Progress;
use train::{Failure, Plan, train};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/optdigits.csv");
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

    /// How often each training image is seen
    #[arg(long, value_name = "N", default_value = "60", value_parser = at_least_one)]
    epochs: usize,

    /// How many images a step looks at
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_least_one)]
    batch_size: usize,

    /// How many units the hidden layer has
    #[arg(long, value_name = "N", default_value = "128", value_parser = at_least_one)]
    hidden: usize,

    /// Draws the initial weights and the order of the images
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The images: lines of 64 pixels from 0 to 16 and a class
    #[arg(long, value_name = "FILE", default_value = DATA, hide_default_value = true)]
    data: PathBuf,

    /// The picture of the learning curves [default: target/digits/NAME.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Three epochs, to see that everything works
    #[arg(long, conflicts_with = "epochs")]
    quick: bool,
}

fn optimizer_names() -> PossibleValuesParser {
    catalog::<f32>().iter().map(|entry| entry.name).chain(["all"]).into()
}

fn positive(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|&number: &f64| number > 0.0 && number.is_finite());
    number.ok_or("it takes a finite number above 0")
}

fn at_least_one(text: &str) -> Result<usize, &'static str> {
    /// Far above what is of use; a slip of the finger should not exhaust the memory.
    const MOST: usize = 100_000;
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or("it takes a whole number from 1 to 100000")
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

fn run(args: Args) -> Result<(), Exit> {
    let split = Digits::read(&args.data).map_err(Exit::Usage)?.split();
    let picture = args.out.unwrap_or_else(|| {
        Path::new(ROOT).join("target").join("digits").join(format!("{}.png", args.optimizer))
    });
    make_folder_of(&picture)?;

    let plan = Plan {
        epochs: if args.quick { QUICK_EPOCHS } else { args.epochs },
        batch_size: args.batch_size,
        hidden: args.hidden,
        seed: args.seed,
    };
    report::header(&plan, &split);
    match catalog().iter().find(|entry| entry.name == args.optimizer) {
        Some(entry) => one(entry, args.learning_rate, &plan, &split, &picture),
        None => race(args.learning_rate, &plan, &split, &picture),
    }
}

/// Trains with one optimizer.
fn one(
    entry: &Entry<f32>,
    learning_rate: Option<f64>,
    plan: &Plan,
    split: &Split,
    picture: &Path,
) -> Result<(), Exit> {
    let rate = learning_rate.unwrap_or(entry.learning_rate);
    println!("{}, learning rate {rate:?}: {} ({})\n", entry.title, entry.formula, entry.source);

    let progress = Progress::new(plan.epochs);
    let run = train(entry, rate, plan, split, |epoch| progress.epoch(epoch))
        .map_err(|failure| Exit::Training(explain(&failure)))?;
    progress.finish();

    report::result(&run);
    plot::one(picture, &run).map_err(|error| cannot_write(picture, error))?;
    println!("learning curves: {}", picture.display());
    Ok(())
}

/// Trains with every optimizer, from the same initial weights and with the same batches.
fn race(
    learning_rate: Option<f64>,
    plan: &Plan,
    split: &Split,
    picture: &Path,
) -> Result<(), Exit> {
    let entries = catalog::<f32>();
    let progress = Progress::new(plan.epochs * entries.len());
    let mut runs = Vec::new();
    let mut failures = Vec::new();
    report::race_header();
    for entry in entries {
        let rate = learning_rate.unwrap_or(entry.learning_rate);
        match train(entry, rate, plan, split, |_| progress.tick(entry.title)) {
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
