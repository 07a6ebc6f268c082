//! The training loop.

use std::time::{Duration, Instant};

use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use thalweg::params::Snapshot;
use thalweg::regularize::Dropout;
use thalweg::train::{EarlyStopping, Verdict};
use thalweg::{Entry, Error, ErrorKind, Optimizer, loss};

use crate::data::{CLASSES, Digits, PIXELS, SIDE, Split};
use crate::mlp::Mlp;
use crate::plan::Plan;

/// What is known after an epoch.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch {
    /// Of the batches, each as it was before its step.
    pub training_loss: f64,
    pub validation_loss: f64,
    pub validation_accuracy: f64,
}

/// A training under way.
pub struct Training<'a> {
    // What it goes by.
    pub entry: &'static Entry<f32>,
    pub learning_rate: f64,
    pub plan: &'a Plan,
    pub training: Digits,
    pub validation: &'a Digits,
    pub test: &'a Digits,
    dropout: Dropout,
    start: Instant,
    // What its epochs change.
    pub model: Mlp<f32>,
    pub optimizer: Box<dyn Optimizer<f32>>,
    /// Draws the weights, the order of the images, the distortions and the dropped units.
    pub rng: ChaCha8Rng,
    pub early_stopping: Option<EarlyStopping<f32>>,
    pub epochs: Vec<Epoch>,
    /// Whether early stopping has ended it.
    pub stopped: bool,
}

/// A finished training.
pub struct Run {
    pub name: &'static str,
    pub title: &'static str,
    pub learning_rate: f64,
    pub epochs: Vec<Epoch>,
    /// The parameters that were tested.
    pub parameters: Snapshot<f32>,
    /// The epoch that they are from, if not the last.
    pub best_epoch: Option<u64>,
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

/// Trains until the end from where the training stands, and tests the result once.
pub fn train(
    training: &mut Training<'_>,
    mut after_epoch: impl FnMut(&Training<'_>) -> Result<(), Error>,
) -> Result<Run, Failure> {
    let mut go_on = || {
        while !training.is_over() {
            training.epoch()?;
            after_epoch(training)?;
        }
        training.finish()
    };
    go_on().map_err(|error| Failure {
        title: training.entry.title,
        learning_rate: training.learning_rate,
        epoch: training.epochs.len() + 1,
        error,
    })
}

impl<'a> Training<'a> {
    /// A training before its first epoch.
    pub fn new(
        entry: &'static Entry<f32>,
        learning_rate: f64,
        plan: &'a Plan,
        split: &'a Split,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let training = split.training.sample(plan.fraction, &mut rng);
        let steps = training.len().div_ceil(plan.batch_size) * plan.epochs;
        let schedule = plan.learning_rate(learning_rate, steps as u64);
        Self {
            entry,
            learning_rate,
            plan,
            training,
            validation: &split.validation,
            test: &split.test,
            dropout: Dropout::new(plan.dropout().unwrap_or(0.0)),
            start: Instant::now(),
            model: Mlp::new(PIXELS, plan.hidden, CLASSES, &mut rng),
            optimizer: entry.build(schedule, plan.settings()),
            rng,
            early_stopping: plan.patience().map(EarlyStopping::minimize),
            epochs: Vec::new(),
            stopped: false,
        }
    }

    pub fn is_over(&self) -> bool {
        self.stopped || self.epochs.len() >= self.plan.epochs
    }

    /// Shows each image once, in a new order, and looks at what was learned.
    fn epoch(&mut self) -> Result<(), Error> {
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        order.shuffle(&mut self.rng);
        let mut loss_sum = 0.0;
        for indices in order.chunks(self.plan.batch_size) {
            let batch = self.training.select(indices);
            loss_sum += self.step(batch)? * indices.len() as f64;
        }
        self.validate(loss_sum / order.len() as f64)
    }

    /// Learns from a batch, and returns the loss that it had before.
    fn step(&mut self, mut batch: Digits) -> Result<f64, Error> {
        if let Some(augment) = self.plan.augment() {
            batch.images = augment.rows(&batch.images, [SIDE, SIDE], &mut self.rng)?;
        }
        let Digits { images, classes } = &batch;
        let (loss, gradient) =
            self.model.loss_and_gradient(images, classes, &mut self.dropout, &mut self.rng)?;
        self.optimizer.step_with_loss(&mut self.model, &gradient, loss)?;
        Ok(loss)
    }

    /// Judges the parameters, or their average where one is kept, and keeps the best.
    fn validate(&mut self, training_loss: f64) -> Result<(), Error> {
        self.swap_average()?;
        let scores = self.model.scores(&self.validation.images);
        let (validation_loss, _) = loss::softmax_cross_entropy(&scores, &self.validation.classes)?;
        if let Some(early_stopping) = &mut self.early_stopping {
            let verdict = early_stopping.observe(validation_loss, &self.model)?;
            self.stopped = matches!(verdict, Verdict::Stop { .. });
        }
        self.swap_average()?;
        let validation_accuracy = accuracy(&confusion(&scores, &self.validation.classes));
        self.epochs.push(Epoch { training_loss, validation_loss, validation_accuracy });
        Ok(())
    }

    /// Tests what the training comes to: the best parameters, or else the last.
    fn finish(&mut self) -> Result<Run, Error> {
        self.swap_average()?;
        let mut best_epoch = None;
        if let Some(early_stopping) = &self.early_stopping
            && early_stopping.best().is_some()
        {
            // It observed the average where one is kept.
            early_stopping.restore(&mut self.model)?;
            best_epoch = early_stopping.best_epoch();
        }
        let scores = self.model.scores(&self.test.images);
        Ok(Run {
            name: self.entry.name,
            title: self.entry.title,
            learning_rate: self.learning_rate,
            epochs: self.epochs.clone(),
            parameters: Snapshot::of(&self.model)?,
            best_epoch,
            confusion: confusion(&scores, &self.test.classes),
            time: self.start.elapsed(),
        })
    }

    /// Puts the averaged parameters into the model, or the others back, where an average is kept.
    fn swap_average(&mut self) -> Result<(), Error> {
        match self.optimizer.swap_average(&mut self.model) {
            Err(error) if matches!(error.kind(), ErrorKind::NoAverage) => Ok(()),
            result => result,
        }
    }
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
