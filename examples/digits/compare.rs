//! What each regularizer buys, and what state in fewer bits costs, as tables in Markdown.

use thalweg::{Entry, Precision};

use crate::data::Split;
use crate::plan::Plan;
use crate::report::Progress;
use crate::train::{Failure, Training, accuracy, train};

const SEEDS: u64 = 5;
const SEEDS_OF_PRECISIONS: u64 = 10;

/// Trains with none of the regularizers, each alone, and several, from the same seeds.
pub fn compare(
    entry: &'static Entry<f32>,
    learning_rate: f64,
    plan: &Plan,
    split: &Split,
) -> Result<(), Failure> {
    let kinds = plan.each_regularizer();
    let progress = Progress::new(kinds.len() * SEEDS as usize, "trainings");
    println!("| regularizer | options | epochs | test accuracy | gain over none |");
    println!("|---|---|---|---|---|");
    let mut without = Vec::new();
    for (name, plan) in kinds {
        let mut accuracies = Vec::new();
        let mut epochs = 0;
        for i in 0..SEEDS {
            let mut plan = plan.clone();
            plan.seed = plan.seed.wrapping_add(i);
            let mut training = Training::new(entry, learning_rate, &plan, split);
            let run = train(&mut training, |_| Ok(()))?;
            accuracies.push(100.0 * accuracy(&run.confusion));
            epochs += run.epochs.len();
            progress.tick(name);
        }
        if without.is_empty() {
            without.clone_from(&accuracies);
        }
        // Of the same seed, and so of the same images and initial weights.
        let gains: Vec<f64> = accuracies.iter().zip(&without).map(|(a, b)| a - b).collect();
        let options = plan.regularizers();
        progress.print(&format!(
            "| {name} | {} | {} | {} % | {} |",
            if options.is_empty() { options } else { format!("`{options}`") },
            epochs / SEEDS as usize,
            mean_and_error(&accuracies, false),
            if name == "none" { String::new() } else { mean_and_error(&gains, true) },
        ));
    }
    progress.finish();
    Ok(())
}

/// Trains with the state in each number of bits, from the same seeds.
pub fn compare_precisions(
    entry: &'static Entry<f32>,
    learning_rate: f64,
    plan: &Plan,
    split: &Split,
) -> Result<(), Failure> {
    let precisions = [Precision::Full, Precision::BFloat16, Precision::Int8];
    let progress = Progress::new(precisions.len() * SEEDS_OF_PRECISIONS as usize, "trainings");
    println!("| state | training loss | test accuracy |");
    println!("|---|---|---|");
    for precision in precisions {
        let (mut losses, mut accuracies) = (Vec::new(), Vec::new());
        for i in 0..SEEDS_OF_PRECISIONS {
            let mut plan = plan.clone();
            plan.seed = plan.seed.wrapping_add(i);
            let mut training = Training::new(entry, learning_rate, &plan, split);
            let steps = training.training.len().div_ceil(plan.batch_size) * plan.epochs;
            let mut settings = plan.settings();
            settings.state_precision = precision;
            let schedule = plan.learning_rate(learning_rate, steps as u64);
            training.optimizer = entry.build(schedule, settings);
            let run = train(&mut training, |_| Ok(()))?;
            losses.extend(run.epochs.last().map(|epoch| 1000.0 * epoch.training_loss));
            accuracies.push(100.0 * accuracy(&run.confusion));
            progress.tick("precisions");
        }
        progress.print(&format!(
            "| {precision:?} | ({}) / 1000 | {} % |",
            mean_and_error(&losses, false),
            mean_and_error(&accuracies, false),
        ));
    }
    progress.finish();
    Ok(())
}

/// The mean and its standard error.
fn mean_and_error(values: &[f64], signed: bool) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let error = (squares / (count - 1.0) / count).sqrt();
    if signed { format!("{mean:+.2} ± {error:.2}") } else { format!("{mean:.2} ± {error:.2}") }
}
