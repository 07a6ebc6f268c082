//! Natural gradients of a small network that reads digits, and of a normal distribution:
//!
//! ```text
//! cargo run --release --features linalg --example natural_gradient [-- --quick] [-- --tune] [-- --only NAME]
//! ```
//!
//! The table has the epochs and seconds until 97 % of the test images are read correctly, which took no
//! part in choosing the settings. The picture has the flows of the plain and of the natural gradient
//! over one landscape. `--same-loss docs/same_loss.md` searches settings and races to the same loss, on the digits and on
//! 20,000 printed letters, and writes a page of it.

#[path = "../bar.rs"]
mod bar;
#[path = "../digits/data.rs"]
#[allow(dead_code)]
mod data;
mod flows;
mod letters;
mod methods;
mod network;
#[path = "../png.rs"]
mod png;
mod race;
mod same_loss;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;

use data::{CLASSES, Digits};
use methods::{METHODS, Method};
use race::{Goal, Run, Task};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

const TASK: Task = Task {
    hidden: 32,
    classes: CLASSES,
    goal: Goal::Share(0.97),
    search_seeds: 3,
    search_limit: 8,
};

#[derive(Parser)]
struct Options {
    /// One seed and few epochs, to see that everything works
    #[arg(long)]
    quick: bool,

    /// Searches each method's settings, the same number of trials for each, by the validation images
    #[arg(long)]
    tune: bool,

    /// Races to the same loss, each method after a search of 20 settings, and writes a page of it
    #[arg(long, value_name = "FILE")]
    same_loss: Option<PathBuf>,

    /// This method alone, without the picture
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// Where the picture goes
    #[arg(long, value_name = "FILE", default_value = "target/natural_gradient.png")]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let folder = Path::new(DATA);
    let digits = Digits::read(&folder.join("optdigits.csv"))?;
    if let Some(file) = &options.same_loss {
        let letters = letters::read(&folder.join("letters.csv"))?;
        return same_loss::write(file, &digits, &letters, options.quick);
    }
    let split = digits.split();
    let chosen = |method: &&Method| options.only.as_deref().is_none_or(|only| only == method.name);
    if options.tune {
        for method in METHODS.iter().filter(chosen) {
            println!("{}: mean epochs to 97 % of the validation images", method.name);
            let tried =
                race::tune(&TASK, method, method.grid.all(), &split.training, &split.validation)?;
            for (epochs, config) in tried.iter().take(5) {
                println!("{epochs:>8.2}  {config}");
            }
        }
        return Ok(());
    }

    let (seeds, limit, turns) = if options.quick { (1, 4, 1) } else { (5, 40, 15) };
    println!(
        "epochs and seconds to 97 % of the test images, means of {seeds} seeds ± standard error;"
    );
    println!("the cost of a first epoch over one of SGD with the same batches, in turns");
    println!("{:<18}{:>9}{:>16}{:>10}{:>7}  settings", "", "reached", "epochs", "seconds", "cost");
    let bar = bar::bar(METHODS.iter().filter(chosen).count() * seeds as usize, "races");
    for method in METHODS.iter().filter(chosen) {
        let run = |seed| {
            bar.inc(1);
            race::run(&TASK, method, &method.chosen, seed, limit, &split.training, &split.test)
        };
        let runs = (1..=seeds).map(run).collect::<Result<Vec<Run>, _>>()?;
        let (epochs, error) = mean(runs.iter().map(|run| run.epochs));
        let (seconds, _) = mean(runs.iter().map(|run| run.seconds));
        let reached = runs.iter().filter(|run| run.reached).count();
        let cost = race::cost(&TASK, method, &METHODS[0], &method.chosen, turns, &split.training)?;
        bar.suspend(|| {
            println!(
                "{:<18}{:>9}{:>16}{seconds:>10.3}{cost:>7.2}  {}",
                method.name,
                format!("{reached}/{seeds}"),
                format!("{epochs:.2} ± {error:.2}"),
                method.chosen,
            );
        });
    }
    bar.finish_and_clear();
    if options.only.is_some() {
        return Ok(());
    }
    if let Some(folder) = options.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    flows::draw(&options.out)?;
    println!("the flows of a normal distribution's fit: {}", options.out.display());
    Ok(())
}

/// The mean and its standard error.
fn mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let square = values.map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (square / (n - 1.0).max(1.0) / n).sqrt())
}
