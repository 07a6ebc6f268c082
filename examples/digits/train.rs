//! The training loop.

use std::time::{Duration, Instant};

use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use thalweg::{Entry, Error, Settings};

use crate::data::{CLASSES, PIXELS, Split};
use crate::mlp::{Mlp, cross_entropy};

/// What all optimizers of a race have in common.
pub struct Plan {
    pub epochs: usize,
    pub batch_size: usize,
    pub hidden: usize,
    /// Draws the initial weights and the order of the images.
    pub seed: u64,
}

/// What is known after an epoch.
#[derive(Clone, Copy)]
pub struct Epoch {
    /// Of the batches, each as it was before its step.
    pub training_loss: f64,
    pub validation_loss: f64,
    pub validation_accuracy: f64,
}

/// A finished training.
pub struct Run {
    pub name: &'static str,
    pub title: &'static str,
    pub learning_rate: f64,
    pub epochs: Vec<Epoch>,
    /// How many test images of a class (row) were taken for a class (column).
    pub confusion: Array2<usize>,
    pub time: Duration,
}

impl Run {
    /// Whether the last loss is that of equal scores for all classes, or worse.
    pub fn is_no_better_than_guessing(&self) -> bool {
        // In this form NaN counts as worse.
        !self.epochs.last().is_some_and(|epoch| epoch.validation_loss < (CLASSES as f64).ln())
    }
}

/// How and when a training failed.
pub struct Failure {
    pub title: &'static str,
    pub learning_rate: f64,
    pub epoch: usize,
    pub error: Error,
}

/// Trains a network from scratch and tests it once, at the end.
pub fn train(
    entry: &Entry<f32>,
    learning_rate: f64,
    plan: &Plan,
    Split { training, validation, test }: &Split,
    mut after_epoch: impl FnMut(&Epoch),
) -> Result<Run, Failure> {
    let start = Instant::now();
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut model = Mlp::new(PIXELS, plan.hidden, CLASSES, &mut rng);
    let mut optimizer = entry.build(learning_rate, Settings::default());
    let mut order: Vec<usize> = (0..training.len()).collect();
    let mut epochs = Vec::new();

    for epoch in 1..=plan.epochs {
        order.shuffle(&mut rng);
        let mut loss_sum = 0.0;
        for indices in order.chunks(plan.batch_size) {
            let batch = training.select(indices);
            let (loss, gradient) = model.loss_and_gradient(&batch.images, &batch.classes);
            optimizer.step(&mut model, &gradient).map_err(|error| Failure {
                title: entry.title,
                learning_rate,
                epoch,
                error,
            })?;
            loss_sum += loss * batch.len() as f64;
        }
        let scores = model.scores(&validation.images);
        let confusion = confusion(&scores, &validation.classes);
        epochs.push(Epoch {
            training_loss: loss_sum / training.len() as f64,
            validation_loss: cross_entropy(scores, &validation.classes).0,
            validation_accuracy: accuracy(&confusion),
        });
        after_epoch(&epochs[epoch - 1]);
    }

    let confusion = confusion(&model.scores(&test.images), &test.classes);
    let (name, title, time) = (entry.name, entry.title, start.elapsed());
    Ok(Run { name, title, learning_rate, epochs, confusion, time })
}

/// How many rows of a class (row) have their largest score in a class (column).
fn confusion(scores: &Array2<f32>, classes: &[usize]) -> Array2<usize> {
    let mut counts = Array2::zeros((CLASSES, CLASSES));
    for (row, &class) in scores.rows().into_iter().zip(classes) {
        let guess = (0..CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        counts[[class, guess]] += 1;
    }
    counts
}

/// The share on the diagonal.
pub fn accuracy(confusion: &Array2<usize>) -> f64 {
    confusion.diag().sum() as f64 / confusion.sum() as f64
}
