//! Epochs and seconds to the same loss, after the same search for each method, on two data sets; and a page of it.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use crate::data::{self, Digits};
use crate::letters;
use crate::mean;
use crate::methods::{METHODS, Method};
use crate::race::{self, Config, Goal, Task};

/// Half octaves: what steps by rates of its own size is searched among these.
const RATES: [f64; 20] = [
    0.001, 0.0014, 0.002, 0.0028, 0.004, 0.0057, 0.008, 0.011, 0.016, 0.023, 0.032, 0.045, 0.064,
    0.09, 0.128, 0.18, 0.256, 0.36, 0.51, 0.72,
];
const NAMES: [&str; 6] = ["SGD", "Adam", "Muon", "Shampoo", "SOAP", "K-FAC"];
/// Seeds that no search has seen.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

/// A data set, and the loss to reach.
struct Course {
    title: &'static str,
    about: &'static str,
    batch: usize,
    task: Task,
    /// More epochs are not run.
    limit: usize,
}

const DIGITS: Course = Course {
    title: "Digits",
    about: "1,797 handwritten digits of 64 pixels, 10 classes; 64, 32 and 10 units",
    batch: 64,
    task: Task {
        hidden: 32,
        classes: data::CLASSES,
        goal: Goal::Loss(0.15),
        search_seeds: 3,
        search_limit: 8,
    },
    limit: 40,
};

const LETTERS: Course = Course {
    title: "Letters",
    about: "20,000 printed letters by 16 measures, 26 classes; 16, 64 and 26 units",
    batch: 128,
    task: Task {
        hidden: 64,
        classes: letters::CLASSES,
        goal: Goal::Loss(0.5),
        search_seeds: 2,
        search_limit: 6,
    },
    limit: 30,
};

impl Course {
    /// The 20 settings of a method.
    fn settings(&self, method: &Method) -> Vec<Config> {
        let batch = self.batch;
        if matches!(method.name, "SGD" | "K-FAC") {
            return method.grid.all().map(|config| Config { batch, ..config }).collect();
        }
        RATES.into_iter().map(|rate| Config { batch, rate, damping: 0.0 }).collect()
    }

    fn goal(&self) -> f64 {
        match self.task.goal {
            Goal::Loss(goal) | Goal::Share(goal) => goal,
        }
    }

    /// Its table.
    fn table(&self, all: &Digits, quick: bool) -> Result<String, Box<dyn Error>> {
        let split = all.split();
        let (mut limit, mut seeds) = (self.limit, SEEDS);
        let mut task = self.task;
        if quick {
            (limit, seeds, task.search_seeds, task.search_limit) = (1, 1..=2, 1, 1);
        }
        let mut text = format!(
            "## {}\n\n{}; batches of {}; to a loss of {} on the test set, {limit} epochs at most.\n\n\
             | | reached | epochs | seconds | setting | of its 20, reached in the search |\n\
             |---|---|---|---|---|---|\n",
            self.title,
            self.about,
            self.batch,
            self.goal(),
        );
        println!("{}: loss {}", self.title, self.goal());
        for method in NAMES.iter().filter_map(|name| METHODS.iter().find(|m| m.name == *name)) {
            let mut settings = self.settings(method);
            if quick {
                settings.truncate(2);
            }
            let tried = race::tune(
                &task,
                method,
                settings.into_iter(),
                &split.training,
                &split.validation,
            )?;
            let within =
                tried.iter().filter(|(epochs, _)| *epochs < task.search_limit as f64).count();
            let chosen = tried[0].1;
            let run =
                |seed| race::run(&task, method, &chosen, seed, limit, &split.training, &split.test);
            let runs = seeds.clone().map(run).collect::<Result<Vec<_>, _>>()?;
            let reached = runs.iter().filter(|run| run.reached).count();
            let (epochs, by) = mean(runs.iter().map(|run| run.epochs));
            let (seconds, off) = mean(runs.iter().map(|run| run.seconds));
            let mut setting = format!("rate {}", chosen.rate);
            if chosen.damping > 0.0 {
                write!(setting, ", λ {}", chosen.damping)?;
            }
            let row = format!(
                "| {} | {reached} of {} | {epochs:.2} ± {by:.2} | {seconds:.2} ± {off:.2} | {setting} | {within} |",
                method.name,
                runs.len(),
            );
            println!("{row}");
            text.push_str(&row);
            text.push('\n');
        }
        Ok(text)
    }
}

/// Runs it all and writes the page.
pub fn write(
    file: &Path,
    digits: &Digits,
    letters: &Digits,
    quick: bool,
) -> Result<(), Box<dyn Error>> {
    let mut page = String::from(
        "# To the same loss\n\n\
         How many epochs and seconds it takes to the same mean cross-entropy of images that are held out. One hidden \
         layer of tanh, a constant rate, no decay. Each method has had a search of 20 settings: rates, by half octaves \
         from 0.001 to 0.72 (SGD: from 0.0125 to 9), or for K-FAC five rates, from 0.0125 to 0.2, with four dampings. The \
         search goes by epochs on a validation set, with seeds of its own. What it chose runs from five fresh \
         seeds to the loss on the test set: means with their standard errors. The loss is looked at 16 times an epoch. \
         Seconds are those of training on one thread, the gradient included; their ratios tell more than they do. \
         One command makes this page:\n\n\
         ```text\ncargo run --release --features linalg --example natural_gradient -- --same-loss docs/same_loss.md\n```\n",
    );
    for (course, data) in [(DIGITS, digits), (LETTERS, letters)] {
        page.push('\n');
        page.push_str(&course.table(data, quick)?);
    }
    std::fs::write(file, page)?;
    println!("wrote {}", file.display());
    Ok(())
}
