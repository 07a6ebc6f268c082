//! Removes weights of a digit reader four ways, and prints what is lost.
//!
//! ```text
//! cargo run --release --features linalg --example prune
//! cargo run --release --features linalg --example prune -- --quick
//! ```
//!
//! By magnitude; by Optimal Brain Damage, ½H_qq·w_q²; and by Optimal Brain Surgeon, whose other
//! weights make up for each that goes, with the dense Hessian and with blocks of the Fisher matrix.

#[path = "../bar.rs"]
mod bar;
#[path = "../digits/data.rs"]
#[allow(dead_code)]
mod data;
#[path = "../digits/mlp.rs"]
#[allow(dead_code)]
mod mlp;
#[path = "../spectrum/product.rs"]
mod product;

use std::error::Error;
use std::path::Path;

use clap::Parser;
use ndarray::{Array2, s};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use thalweg::curvature::{Dense, Fisher, Obs, obd_saliency, prune_lowest};
use thalweg::loss::softmax_cross_entropy;
use thalweg::params::Flatten;
use thalweg::{Adam, Optimizer};

use data::{CLASSES, Digits, PIXELS};
use mlp::Mlp;
use product::ExactHessian;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/optdigits.csv");
const METHODS: [&str; 4] = ["magnitude", "OBD", "OBS, Hessian", "OBS, Fisher"];
const SPARSITIES: [f64; 4] = [0.5, 0.7, 0.8, 0.9];
/// Weights in a block of the Fisher matrix.
const BLOCK: usize = 128;

/// Removes weights of a digit reader four ways, and prints what is lost
#[derive(Parser)]
struct Args {
    /// How many networks to train, each from other weights
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,

    /// One small network, few images and epochs, to see that everything works
    #[arg(long)]
    quick: bool,
}

struct Plan {
    images: usize,
    hidden: usize,
    epochs: usize,
}

/// Images and their classes.
struct Batch {
    images: Array2<f64>,
    classes: Vec<usize>,
}

/// What pruning did to a network.
#[derive(Clone, Copy, Default)]
struct Loss {
    /// Of test images, in percent, that are no longer read right.
    accuracy: f64,
    /// Of the training loss.
    actual: f64,
    predicted: f64,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args = Args::parse();
    let (plan, seeds) = match args.quick {
        true => (Plan { images: 150, hidden: 4, epochs: 5 }, 1),
        false => (Plan { images: usize::MAX, hidden: 16, epochs: 40 }, args.seeds.max(1)),
    };
    let split = Digits::read(Path::new(DATA))?.split();
    let some: Vec<usize> = (0..split.training.len().min(plan.images)).collect();
    let training = take(&split.training, &some);
    let test = take(&split.test, &(0..split.test.len()).collect::<Vec<_>>());

    let mut table: [[Vec<Loss>; 4]; 4] = Default::default();
    let bar = bar::bar(seeds as usize * table.len(), "prunings");
    for seed in 1..=seeds {
        let model = train(&training, &plan, seed)?;
        let accuracy = accuracy(&model, &test);
        bar.suspend(|| println!("seed {seed}: {accuracy:.2} % of the test images before"));
        for (method, row) in table.iter_mut().enumerate() {
            for (cell, loss) in
                row.iter_mut().zip(prune(method, &model, &training, &test, accuracy)?)
            {
                cell.push(loss);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();

    println!("\nTest accuracy lost, points (mean of {seeds}, ± standard error)");
    print_table(&table, |loss| loss.accuracy, 2);
    println!("\nTraining loss gained");
    print_table(&table, |loss| loss.actual, 3);
    println!("\nTraining loss gained, as predicted");
    print_table(&table, |loss| loss.predicted, 3);
    println!(
        "A prediction is of the parabola at the weights as they were: far from them it says little."
    );
    Ok(())
}

fn print_table(table: &[[Vec<Loss>; 4]; 4], of: impl Fn(&Loss) -> f64, digits: usize) {
    print!("{:<14}", "sparsity");
    SPARSITIES.iter().for_each(|sparsity| print!("{:>18}", format!("{} %", 100.0 * sparsity)));
    println!();
    for (method, row) in METHODS.iter().zip(table) {
        print!("{method:<14}");
        for cell in row {
            let n = cell.len() as f64;
            let mean = cell.iter().map(&of).sum::<f64>() / n;
            let scatter = cell.iter().map(|loss| (of(loss) - mean).powi(2)).sum::<f64>();
            let error = if n > 1.0 { (scatter / (n - 1.0) / n).sqrt() } else { 0.0 };
            // Magnitude predicts nothing.
            let text = match mean.is_nan() {
                true => "-".into(),
                false => format!("{mean:.digits$} ± {error:.digits$}"),
            };
            print!("{text:>18}");
        }
        println!();
    }
}

fn take(digits: &Digits, indices: &[usize]) -> Batch {
    let part = digits.select(indices);
    Batch { images: part.images.mapv(f64::from), classes: part.classes }
}

fn train(training: &Batch, plan: &Plan, seed: u64) -> Outcome<Mlp<f64>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = Mlp::new(PIXELS, plan.hidden, CLASSES, &mut rng);
    let mut adam = Adam::new(3e-3);
    let mut order: Vec<usize> = (0..training.classes.len()).collect();
    for _ in 0..plan.epochs {
        order.shuffle(&mut rng);
        for indices in order.chunks(16) {
            let images = training.images.select(ndarray::Axis(0), indices);
            let classes: Vec<usize> = indices.iter().map(|&i| training.classes[i]).collect();
            let gradient = model.gradient(&images, &classes)?;
            adam.step(&mut model, &gradient)?;
        }
    }
    Ok(model)
}

fn accuracy(model: &Mlp<f64>, batch: &Batch) -> f64 {
    let scores = model.scores(&batch.images);
    let right = scores.rows().into_iter().zip(&batch.classes).filter(|(row, class)| {
        (0..CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b])) == Some(**class)
    });
    100.0 * right.count() as f64 / batch.classes.len() as f64
}

fn loss(model: &Mlp<f64>, batch: &Batch) -> Outcome<f64> {
    Ok(softmax_cross_entropy(&model.scores(&batch.images), &batch.classes)?.0)
}

/// What each sparsity costs by one of the methods.
fn prune(
    method: usize,
    model: &Mlp<f64>,
    training: &Batch,
    test: &Batch,
    accuracy_before: f64,
) -> Outcome<Vec<Loss>> {
    let flatten = Flatten::of(model)?;
    let n = flatten.len();
    let mut trained = vec![0.0; n];
    flatten.gather(model, &mut trained)?;
    let mut pruned_model =
        Mlp::<f64>::new(PIXELS, n_hidden(&flatten), CLASSES, &mut StdRng::seed_from_u64(0));
    flatten.scatter(&trained, &mut pruned_model)?;
    let before = loss(model, training)?;

    let mut saliency = Vec::new();
    let mut surgeon = None;
    match method {
        0 => saliency = trained.iter().map(|w| w * w).collect(),
        1 | 2 => {
            let (images, classes) = (&training.images, &training.classes);
            let dense = Dense::of(ExactHessian::new(&flatten, &trained, images, classes))?;
            if method == 1 {
                saliency = obd_saliency(&trained, dense.diagonal().as_slice().unwrap_or_default())?;
            } else {
                // As little as makes it positive definite.
                let lowest = dense.eigenvalues()?[0];
                surgeon = Some(Obs::dense(&dense, 1e-4 + 2.0 * (-lowest).max(0.0))?);
            }
        }
        _ => {
            let mut gradients = Array2::zeros((training.classes.len(), n));
            for (i, mut row) in gradients.rows_mut().into_iter().enumerate() {
                let image = training.images.slice(s![i..i + 1, ..]).to_owned();
                let gradient = model.gradient(&image, &training.classes[i..i + 1])?;
                flatten.gather(&gradient, row.as_slice_mut().unwrap_or_default())?;
            }
            surgeon = Some(Obs::fisher(&Fisher::new(gradients)?, BLOCK, 1e-5)?);
        }
    }

    let mut w = trained.clone();
    let (mut removed, mut predicted) = (0, 0.0);
    let mut losses = Vec::new();
    for sparsity in SPARSITIES {
        let count = (sparsity * n as f64).round() as usize;
        if let Some(surgeon) = &mut surgeon {
            predicted += surgeon.prune(&mut w, count - removed)?.predicted;
        } else {
            w.copy_from_slice(&trained);
            predicted = prune_lowest(&mut w, &saliency, count)?.predicted;
        }
        removed = count;
        flatten.scatter(&w, &mut pruned_model)?;
        losses.push(Loss {
            accuracy: accuracy_before - accuracy(&pruned_model, test),
            actual: loss(&pruned_model, training)? - before,
            predicted: if method == 0 { f64::NAN } else { predicted },
        });
    }
    Ok(losses)
}

fn n_hidden(flatten: &Flatten) -> usize {
    flatten.range("hidden.bias").map_or(0, |range| range.len())
}
