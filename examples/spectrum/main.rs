//! The Hessian's spectrum of a small network as it learns to read digits.
//!
//! ```text
//! cargo run --release --features linalg --example spectrum
//! cargo run --release --features linalg --example spectrum -- --quick
//! ```
//!
//! Draws the density of the eigenvalues along the training (few large ones, many close to zero, few
//! negative) and what the diagonals of RMSprop and Adam make of it, and prints how badly the problem
//! is conditioned without and with them.

#[path = "../bar.rs"]
mod bar;
#[path = "../digits/data.rs"]
#[allow(dead_code)]
mod data;
#[path = "../digits/mlp.rs"]
#[allow(dead_code)]
mod mlp;
mod plot;
#[path = "../png.rs"]
mod png;
mod product;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;
use ndarray::{Array2, CowArray, IxDyn};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use thalweg::curvature::{
    Condition, Dense, Lanczos, LinearOperator, Preconditioned, Quadrature, Restricted,
    SpectralDensity,
};
use thalweg::params::Flatten;
use thalweg::rule::bias_correction;
use thalweg::{Adam, Optimizer, RmsProp};

use data::{CLASSES, Digits, PIXELS};
use mlp::Mlp;
use product::ExactHessian;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/optdigits.csv");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/spectrum/spectrum.png");
const HIDDEN: usize = 16;

/// The Hessian's spectrum of a small network as it learns to read digits
#[derive(Parser)]
struct Args {
    /// Draws the initial weights, the order of the images and the random vectors
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The picture [default: target/spectrum/spectrum.png]
    #[arg(long, value_name = "FILE", default_value = PICTURE, hide_default_value = true)]
    out: PathBuf,

    /// Few images and epochs, to see that everything works
    #[arg(long)]
    quick: bool,
}

/// How much work to put in.
struct Plan {
    images: usize,
    /// When to look, in epochs; the last ends the training.
    epochs: [usize; 3],
    steps: usize,
    probes: usize,
}

/// The images and classes that the Hessian is of.
struct Batch {
    images: Array2<f64>,
    classes: Vec<usize>,
}

/// A spectrum to draw and to print.
pub struct Look {
    pub label: String,
    pub density: SpectralDensity,
    pub lowest: f64,
    pub highest: f64,
    /// λ_max over the mean |λ|: finite where some eigenvalues are 0.
    pub spread: f64,
    /// The part of the eigenvalues above a hundredth of the largest.
    pub large: f64,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args = Args::parse();
    let plan = match args.quick {
        true => Plan { images: 150, epochs: [0, 1, 3], steps: 15, probes: 2 },
        false => Plan { images: usize::MAX, epochs: [0, 2, 40], steps: 80, probes: 10 },
    };
    std::fs::create_dir_all(args.out.parent().unwrap_or(Path::new(".")))?;
    let mut training = Digits::read(Path::new(DATA))?.split().training;
    training = training.select(&(0..training.len().min(plan.images)).collect::<Vec<_>>());
    let all: Vec<usize> = (0..training.len()).collect();
    let batch = take(&training, &all);

    let mut rng = StdRng::seed_from_u64(args.seed);
    let mut model = Mlp::<f64>::new(PIXELS, HIDDEN, CLASSES, &mut rng);
    let flatten = Flatten::of(&model)?;
    println!("{} parameters, {} images", flatten.len(), training.len());

    // Adam trains; RMSprop only keeps its average beside it.
    let mut adam = Adam::new(3e-3);
    let mut rmsprop = RmsProp::new(0.0);
    let mut along = vec![look("at the start".into(), &model, &batch, None, &plan, &mut rng)?];
    let mut divided = Vec::new();
    println!(
        "\n{:<32}{:>11}{:>11}{:>18}{:>20}",
        "spectrum", "lowest", "highest", "highest/mean|λ|", "|λ| > highest/100"
    );
    print(&along[0]);
    let mut order = all;
    let bar = bar::bar(plan.epochs[2], "epochs");
    for epoch in 1..=plan.epochs[2] {
        bar.inc(1);
        order.shuffle(&mut rng);
        for indices in order.chunks(16) {
            let Batch { images, classes } = take(&training, indices);
            let gradient = model.gradient(&images, &classes)?;
            adam.step(&mut model, &gradient)?;
            rmsprop.step(&mut model, &gradient)?;
        }
        if !plan.epochs.contains(&epoch) {
            continue;
        }
        let label = format!("after {epoch} epoch{}", if epoch == 1 { "" } else { "s" });
        along.push(look(label, &model, &batch, None, &plan, &mut rng)?);
        bar.suspend(|| print(&along[along.len() - 1]));
        // RMSprop's √(s + ε) and Adam's √v̂ + ε, with their default constants.
        let correction = bias_correction(0.999, adam.steps());
        let by_adam =
            diagonal(&flatten, |leaf| adam.slot(leaf, "v"), |v| (v / correction).sqrt() + 1e-8);
        let by_rmsprop = diagonal(&flatten, |leaf| rmsprop.slot(leaf, "s"), |s| (s + 1e-6).sqrt());
        divided.clear();
        for (name, diagonal) in [("RMSprop", by_rmsprop), ("Adam", by_adam)] {
            let label = format!("divided by {name}'s diagonal");
            divided.push(look(label, &model, &batch, Some(&diagonal), &plan, &mut rng)?);
            bar.suspend(|| print(&divided[divided.len() - 1]));
        }
    }
    bar.finish_and_clear();

    conditions(&model, &batch)?;
    plot::draw(&args.out, &along, &divided)?;
    println!("\ndensities: {}", args.out.display());
    Ok(())
}

fn print(look: &Look) {
    let percent = 100.0 * look.large;
    println!(
        "{:<32}{:>11.3}{:>11.3}{:>18.1}{:>18.1} %",
        look.label, look.lowest, look.highest, look.spread, percent
    );
}

fn take(digits: &Digits, indices: &[usize]) -> Batch {
    let part = digits.select(indices);
    Batch { images: part.images.mapv(f64::from), classes: part.classes }
}

/// The diagonal that an optimizer divides by, from one of its slots.
fn diagonal<'a>(
    flatten: &Flatten,
    slot: impl Fn(&str) -> Option<CowArray<'a, f64, IxDyn>>,
    root: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let leaves = flatten.leaves().filter_map(|(name, _, _)| slot(name));
    leaves.flat_map(|leaf| leaf.iter().map(|&v| root(v)).collect::<Vec<_>>()).collect()
}

/// The Hessian's spectrum, between two factors D^(-½) if there is a D.
fn look(
    label: String,
    model: &Mlp<f64>,
    batch: &Batch,
    diagonal: Option<&[f64]>,
    plan: &Plan,
    rng: &mut StdRng,
) -> Outcome<Look> {
    let flatten = Flatten::of(model)?;
    let mut w = vec![0.0; flatten.len()];
    flatten.gather(model, &mut w)?;
    let hessian = ExactHessian::new(&flatten, &w, &batch.images, &batch.classes);
    let mut operator: Box<dyn LinearOperator<f64>> = match diagonal {
        Some(diagonal) => Box::new(Preconditioned::new(hessian, diagonal)?),
        None => Box::new(hessian),
    };
    let ends = Lanczos::ends(1, 1).tolerance(1e-6).run(&mut operator)?;
    let density = Quadrature::new(plan.steps, plan.probes).run(&mut operator, rng)?;
    let (lowest, highest) = (ends.lowest[0].value, ends.highest[0].value);
    let spread = highest / density.mean(f64::abs)?.value;
    let large = density.mean(|x| f64::from(u8::from(x.abs() > highest / 100.0)))?.value;
    Ok(Look { label, density, lowest, highest, spread, large })
}

/// The condition of each layer's own block.
fn conditions(model: &Mlp<f64>, batch: &Batch) -> Outcome<()> {
    let flatten = Flatten::of(model)?;
    let mut w = vec![0.0; flatten.len()];
    flatten.gather(model, &mut w)?;
    println!("\n{:<32}{:>11}{:>11}{:>16}", "block at the end", "lowest", "highest", "stable rate");
    for (leaf, _, _) in flatten.leaves() {
        let hessian = ExactHessian::new(&flatten, &w, &batch.images, &batch.classes);
        let dense = Dense::of(Restricted::to_leaves(hessian, &flatten, &[leaf])?)?;
        let Some(condition) = Condition::of_eigenvalues(&dense.eigenvalues()?, 0.0) else {
            continue;
        };
        let rate = condition.stable_learning_rate();
        let [lowest, highest] = [condition.lowest.value, condition.highest.value];
        println!("{leaf:<32}{lowest:>11.4}{highest:>11.3}{rate:>16.3}");
    }
    Ok(())
}
