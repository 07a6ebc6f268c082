//! Every optimizer on three problems, each with the same search:
//!
//! ```text
//! cargo run --release --features linalg --example compare [-- --quick] [-- --only NAME]
//! ```
//!
//! A search tries 20 settings of each, and five other seeds judge the best of them, where there are images that
//! took no part in the search by those. The table is `compare.md`, the picture `compare.png`.

#[path = "../digits/data.rs"]
#[allow(dead_code)]
mod data;
mod network;
mod plot;
#[path = "../png.rs"]
mod png;
mod problems;
mod subjects;
mod table;

use std::error::Error;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use problems::{By, Problem, streams};
use subjects::{Setting, Subject, subjects};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

/// Seeds of the search, and of what is reported.
const SEARCH: std::ops::Range<u64> = 101..103;
const REPORT: std::ops::Range<u64> = 1..6;

#[derive(Parser)]
struct Options {
    /// Two settings, one seed and few epochs, to see that everything works
    #[arg(long)]
    quick: bool,

    /// This optimizer alone
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// The folder where table and picture go
    #[arg(long, value_name = "FOLDER", default_value = "target/compare")]
    out: PathBuf,
}

/// What came of an optimizer on a problem.
#[derive(Clone)]
pub struct Result {
    /// The settings and their mean loss in the search; ∞ where one has diverged.
    pub tried: Vec<(Setting, f64)>,
    pub chosen: Setting,
    /// Of the chosen setting, on the seeds of the report.
    pub losses: Vec<f64>,
    /// Of one training.
    pub time: Duration,
}

impl Result {
    /// The best of the search.
    pub fn least(&self) -> f64 {
        self.tried.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min)
    }

    /// How many settings come within 5 % of the best.
    pub fn within(&self) -> usize {
        let least = self.least();
        self.tried.iter().filter(|(_, loss)| loss.is_finite() && *loss <= 1.05 * least).count()
    }
}

/// The loss of a network that an optimizer has trained; ∞ where it has diverged.
fn train(problem: &Problem, subject: &Subject, setting: &Setting, seed: u64, by: By) -> f64 {
    let [mut weights, mut order, own] = streams(seed);
    let mut network = problem.network(&mut weights);
    let mut mover = subject.make(setting, problem.steps(), own);
    for _ in 0..problem.epochs {
        // A step that is refused is one after others that were too long.
        if problem
            .epoch(&mut network, &mut order, |network, seen| mover.step(network, seen))
            .is_err()
        {
            return f64::INFINITY;
        }
    }
    match mover.finish(&mut network) {
        Ok(()) => problem.judge(&network, by),
        Err(_) => f64::INFINITY,
    }
}

/// Time of this thread: that of the processor where the system tells it, so that other work does not count.
enum Spent {
    Processor(Duration),
    Clock(Instant),
}

impl Spent {
    fn processor() -> Option<Duration> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
    }

    fn now() -> Self {
        Self::processor().map_or_else(|| Self::Clock(Instant::now()), Self::Processor)
    }

    fn so_far(&self) -> Duration {
        match self {
            Self::Processor(before) => Self::processor().unwrap_or(*before).saturating_sub(*before),
            Self::Clock(start) => start.elapsed(),
        }
    }
}

fn compare(problem: &Problem, subject: &Subject, quick: bool) -> Result {
    let mut settings = subject.settings();
    let (mut search, mut report) = (SEARCH, REPORT);
    if quick {
        settings = vec![settings[3], settings[13]];
        (search, report) = (SEARCH.start..SEARCH.start + 1, REPORT.start..REPORT.start + 2);
    }
    let seeds = (search.end - search.start) as f64;
    let tried = settings.into_iter().map(|setting| {
        let losses =
            search.clone().map(|seed| train(problem, subject, &setting, seed, By::Validation));
        (setting, losses.sum::<f64>() / seeds)
    });
    let tried: Vec<(Setting, f64)> = tried.collect();
    let best = tried.iter().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let chosen = best.map_or(tried[0].0, |(setting, _)| *setting);
    let start = Spent::now();
    let losses: Vec<f64> =
        report.map(|seed| train(problem, subject, &chosen, seed, By::Test)).collect();
    let time = start.so_far() / losses.len() as u32;
    Result { tried, chosen, losses, time }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let start = Instant::now();
    let mut problems = Problem::all(Path::new(DATA))?;
    if options.quick {
        problems.iter_mut().for_each(|problem| problem.epochs = 2);
    }
    let mut subjects = subjects();
    if let Some(only) = &options.only {
        subjects.retain(|subject| subject.title.eq_ignore_ascii_case(only));
    }
    if subjects.is_empty() {
        return Err("there is no optimizer of that name".into());
    }

    let count = subjects.len() * problems.len();
    let template = "{bar:30.cyan} {pos}/{len} searches  {msg}";
    let bar = ProgressBar::new(count as u64).with_style(ProgressStyle::with_template(template)?);
    let results: Mutex<Vec<Option<Result>>> = Mutex::new(vec![None; count]);
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let (Some(subject), problem) =
                (subjects.get(i / problems.len()), &problems[i % problems.len()])
            else {
                return;
            };
            let result = compare(problem, subject, options.quick);
            bar.set_message(format!(
                "{}: {:.4} on {}",
                subject.title,
                result.least(),
                problem.name
            ));
            bar.inc(1);
            if let Ok(mut results) = results.lock() {
                results[i] = Some(result);
                let done = results.iter().flatten().count();
                if bar.is_hidden() && (done % count.div_ceil(10) == 0 || done == count) {
                    println!("{done} of {count} searches, {:.0} s", start.elapsed().as_secs_f64());
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    bar.abandon();

    let results = results.into_inner().map_err(|_| "a thread has panicked")?;
    let results: Vec<Result> = results.into_iter().flatten().collect();
    if results.len() < count {
        return Err("a search has not ended".into());
    }
    let mut rows: Vec<(&Subject, &[Result])> =
        subjects.iter().zip(results.chunks(problems.len())).collect();
    table::sort(&mut rows);
    let text = table::table(&problems, &rows, threads);
    println!("{text}");
    std::fs::create_dir_all(&options.out)?;
    std::fs::write(options.out.join("compare.md"), text)?;
    plot::draw(&options.out.join("compare.png"), &problems, &rows)?;
    println!(
        "{} s; compare.md and compare.png are in {}",
        start.elapsed().as_secs(),
        options.out.display()
    );
    Ok(())
}
