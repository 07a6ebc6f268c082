//! What is measured, as it lies in `results/`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::work::Work;

/// One run of this program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Run {
    pub machine: Machine,
    /// Versions of what is measured.
    pub versions: Vec<String>,
    /// Whether it was a short run, whose figures say little.
    pub quick: bool,
    pub minutes: f64,
    pub steps: Vec<Step>,
    pub solvers: Vec<Solution>,
}

/// What it was measured on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub compiler: String,
    /// The load of the last minute, when the run began and when it ended.
    pub load: [f64; 2],
}

/// A step of one contestant; times are nanoseconds of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    pub work: Work,
    pub who: String,
    pub best: f64,
    pub median: f64,
    pub turns: usize,
    /// This crate's best time in the same contest.
    pub ours: f64,
}

/// A minimization by one solver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Solution {
    pub problem: String,
    pub n: usize,
    pub method: String,
    pub who: String,
    /// Whether max|g| ≤ 1e-6 at the end; what it says for itself otherwise.
    pub converged: bool,
    pub said: String,
    /// Absent where it is not finite.
    pub gradient_max: Option<f64>,
    /// Evaluations of f and of g, both counted where they are asked for together.
    pub values: u64,
    pub gradients: u64,
    pub seconds: f64,
    /// Of which in the objective.
    pub objective_seconds: f64,
}

type Fallible<T> = Result<T, Box<dyn Error>>;

/// `results/` beside the manifest, or `target/quick/` for short runs.
pub fn directory(quick: bool) -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.join(if quick { "target/quick" } else { "results" })
}

impl Run {
    pub fn write(&self, name: &str) -> Fallible<PathBuf> {
        let directory = directory(self.quick);
        fs::create_dir_all(&directory)?;
        let path = directory.join(name);
        fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(path)
    }

    /// The run of that name, if there was one.
    pub fn read(name: &str, quick: bool) -> Fallible<Option<Self>> {
        match fs::read(directory(quick).join(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Machine {
    /// As Linux describes it.
    pub fn describe() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
        };
        let cpu = read("/proc/cpuinfo");
        let flags = field(&cpu, "flags").unwrap_or_default();
        let widest = ["avx512f", "avx2", "avx", "sse2"];
        let widest = widest.into_iter().find(|name| flags.split(' ').any(|flag| flag == *name));
        let part = |name| field(&cpu, name).unwrap_or_else(|| "?".to_owned());
        let processor = format!(
            "{}, family {}, model {}, {}",
            part("model name"),
            part("cpu family"),
            part("model\t"),
            widest.unwrap_or("?"),
        );
        let kib = field(&read("/proc/meminfo"), "MemTotal");
        let kib = kib.and_then(|total| total.split(' ').next()?.parse::<f64>().ok());
        let load = load();
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            memory_gib: kib.unwrap_or(0.0) / 1024.0 / 1024.0,
            compiler: said(Command::new("rustc").arg("--version")),
            load: [load, load],
        }
    }

    pub fn end(&mut self) {
        self.load[1] = load();
    }
}

/// How many processes wanted to run, the mean of the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// What a command writes, on one line.
pub fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
