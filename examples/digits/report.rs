//! What is printed: progress, results, tables.

use indicatif::{ProgressBar, ProgressStyle};
use ndarray::Axis;

use crate::data::{CLASSES, Split};
use crate::fingerprint::fingerprint;
use crate::plan::Plan;
use crate::train::{Epoch, Run, accuracy};

/// A bar on a terminal; elsewhere a line every few epochs.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn new(count: usize, unit: &str) -> Self {
        let template = format!("{{bar:30.cyan}} {{pos}}/{{len}} {unit}  {{msg}}");
        let style = ProgressStyle::with_template(&template).expect("the template is well-formed");
        Self(ProgressBar::new(count as u64).with_style(style))
    }

    /// Counts the epochs of before an interruption.
    pub fn skip(&self, epochs: usize) {
        self.0.set_position(epochs as u64);
    }

    /// Counts the last epoch and shows how it went.
    pub fn epoch(&self, epochs: &[Epoch]) {
        let Some(epoch) = epochs.last() else { return };
        let text = format!(
            "training loss {:.5}  validation loss {:.5}  accuracy {:.2} %",
            epoch.training_loss,
            epoch.validation_loss,
            100.0 * epoch.validation_accuracy
        );
        self.tick(&text);
        let (done, all) = (self.0.position(), self.0.length().unwrap_or(0));
        if self.0.is_hidden() && (done.is_multiple_of(all.div_ceil(10)) || done == all) {
            println!("epoch {done:>3}  {text}");
        }
    }

    /// Counts an epoch.
    pub fn tick(&self, message: &str) {
        self.0.set_message(message.to_owned());
        self.0.inc(1);
    }

    /// Prints a line above the bar.
    pub fn print(&self, line: &str) {
        self.0.suspend(|| println!("{line}"));
    }

    /// Leaves the bar as it is.
    pub fn finish(&self) {
        self.0.abandon();
    }
}

pub fn header(plan: &Plan, split: &Split) {
    println!(
        "{} images to train on, {} to validate, {} to test; {} hidden units, {} epochs in batches of \
         {}, seed {}",
        split.training.count(plan.fraction),
        split.validation.len(),
        split.test.len(),
        plan.hidden,
        plan.epochs,
        plan.batch_size,
        plan.seed
    );
    let regularizers = plan.regularizers();
    if !regularizers.is_empty() {
        println!("regularized by {regularizers}");
    }
}

/// The confusion table and the accuracy.
pub fn result(run: &Run) {
    println!("\ntest images by digit (rows) and by what they were read as (columns)\n");
    print!("   ");
    for class in 0..CLASSES {
        print!("{class:>4}");
    }
    println!("     right");
    for (class, row) in run.confusion.axis_iter(Axis(0)).enumerate() {
        print!("{class:>3}");
        for &count in row {
            if count == 0 { print!("   ·") } else { print!("{count:>4}") }
        }
        match row.sum() {
            0 => println!("         -"),
            sum => println!("{:>8.1} %", 100.0 * row[class] as f64 / sum as f64),
        }
    }

    let (all, right) = (run.confusion.sum(), run.confusion.diag().sum());
    let percent = 100.0 * accuracy(&run.confusion);
    println!("\ntest accuracy: {percent:.2} % ({} of {all} images misread)", all - right);
    if let Some(epoch) = run.best_epoch {
        println!("best epoch: {epoch} of {}", run.epochs.len());
    }
    parameters(run);
    println!("time: {:.2} s", run.time.as_secs_f64());
    if run.is_no_better_than_guessing() {
        println!("note: this is no better than guessing; another learning rate may help");
    }
}

/// How many there are, how many are 0, and which they are.
fn parameters(run: &Run) {
    let values =
        || run.parameters.leaves().flat_map(|(_, leaf)| leaf.iter().copied().collect::<Vec<f32>>());
    println!(
        "parameters: {}, of which {} are 0; fingerprint {}",
        values().count(),
        values().filter(|&value| value == 0.0).count(),
        fingerprint(values())
    );
}

pub fn race_header() {
    println!("\n{:<18}{:>13}{:>18}{:>12}", "", "learning", "epochs to 95 %", "best");
    println!(
        "{:<18}{:>13}{:>18}{:>12}{:>10}{:>9}",
        "optimizer", "rate", "of validation", "validation", "test", "time"
    );
}

pub fn race_row(run: &Run) -> String {
    let accuracies = || run.epochs.iter().map(|epoch| epoch.validation_accuracy);
    let reached = accuracies().position(|accuracy| accuracy >= 0.95);
    format!(
        "{:<18}{:>13?}{:>18}{:>10.2} %{:>8.2} %{:>7.2} s",
        run.name,
        run.learning_rate,
        reached.map_or("-".to_owned(), |epoch| (epoch + 1).to_string()),
        100.0 * accuracies().fold(0.0, f64::max),
        100.0 * accuracy(&run.confusion),
        run.time.as_secs_f64()
    )
}
