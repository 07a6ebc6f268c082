//! Natural gradients of a small network that reads digits, and of a normal distribution:
//!
//! ```text
//! cargo run --release --example natural_gradient [-- --quick] [-- --tune]
//! ```
//!
//! The table has the epochs and seconds until 97 % of the validation images are read correctly. The
//! picture has the flows of the plain and of the natural gradient over one landscape.

#[path = "../digits/data.rs"]
#[allow(dead_code)]
mod data;
mod flows;
mod network;
mod race;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;

use data::Digits;
use race::{METHODS, Method, Outcome, Plan};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/optdigits.csv");

#[derive(Parser)]
struct Options {
    /// One seed and few epochs, to see that everything works
    #[arg(long)]
    quick: bool,

    /// Tries learning rates around each method's own, and prints the epochs of each
    #[arg(long)]
    tune: bool,

    /// This method alone
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// Where the picture goes
    #[arg(long, value_name = "FILE", default_value = "target/natural_gradient.png")]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let split = Digits::read(Path::new(DATA))?.split();
    let plan =
        if options.quick { Plan { seeds: 1, limit: 8 } } else { Plan { seeds: 5, limit: 100 } };
    let chosen = |method: &&Method| options.only.as_deref().is_none_or(|only| only == method.name);
    if options.tune {
        let plan = Plan { limit: 20, ..plan };
        for method in METHODS.iter().filter(chosen) {
            print!("{:<16}", method.name);
            for factor in [0.125, 0.25, 0.5, 1.0, 2.0, 4.0] {
                let rate = method.learning_rate * factor;
                match race::run(method, rate, &plan, &split) {
                    Ok(outcome) => print!("  {rate}: {:.1}", outcome.epochs),
                    Err(_) => print!("  {rate}: fails"),
                }
            }
            println!();
        }
        return Ok(());
    }

    println!("epochs and seconds to 97 % of the validation images, means of {} seeds", plan.seeds);
    println!(
        "{:<16}{:>8}{:>10}{:>10}{:>12}{:>10}",
        "", "rate", "reached", "epochs", "ms/epoch", "seconds"
    );
    for method in METHODS.iter().filter(chosen) {
        let outcome = race::run(method, method.learning_rate, &plan, &split)?;
        let Outcome { reached, epochs, seconds, seconds_an_epoch } = outcome;
        println!(
            "{:<16}{:>8}{:>10}{epochs:>10.1}{:>12.1}{seconds:>10.3}",
            method.name,
            method.learning_rate,
            format!("{reached}/{}", plan.seeds),
            1e3 * seconds_an_epoch,
        );
    }
    if let Some(folder) = options.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    flows::draw(&options.out)?;
    println!("the flows of a normal distribution's fit: {}", options.out.display());
    Ok(())
}
