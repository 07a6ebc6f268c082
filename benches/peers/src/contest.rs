//! Contestants in processes of their own, which take turns.
//!
//! A process begins on memory that nobody has used; after others have used and freed it, the same
//! loop is slower. What one does between turns is nothing: it waits for a line.
//!
//! The protocol, on a contestant's standard input and output: it makes parameter, gradient and
//! state, takes [`WARM_UP`] steps, and writes a line, the first elements of the parameter (and of
//! the average). For each line with a number that it reads, it takes one step whose time does not
//! count where the number is above 1, then so many steps, and writes their nanoseconds.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use crate::peers::Stepper;

pub const WARM_UP: usize = 3;

/// How long a contest may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Seconds of a turn, where a step is no longer.
    pub turn: f64,
    pub turns: usize,
    /// Seconds after which a contestant has had enough, if it has had three turns.
    pub enough: f64,
}

/// Takes part in a contest, for as long as standard input lasts.
pub fn take_part(stepper: &mut dyn Stepper) -> Result<()> {
    let mut out = std::io::stdout();
    (0..WARM_UP).for_each(|_| stepper.step());
    let sample: Vec<String> = stepper.sample().iter().map(f64::to_string).collect();
    writeln!(out, "{}", sample.join(" "))?;
    for line in std::io::stdin().lines() {
        let steps: u64 = line?.trim().parse().map_err(|e| Error::new(ErrorKind::InvalidData, e))?;
        if steps > 1 {
            stepper.step();
        }
        let begun = Instant::now();
        (0..steps).for_each(|_| stepper.step());
        writeln!(out, "{}", begun.elapsed().as_nanos())?;
    }
    Ok(())
}

/// A contestant's process, and the nanoseconds of a step in each of its turns.
pub struct Contestant {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Steps in a turn.
    steps: u64,
    times: Vec<f64>,
}

impl Contestant {
    /// Starts it.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { child, input, output, steps: 1, times: Vec::new() })
    }

    /// Waits until it is warm, and says where it has come to.
    pub fn sample(&mut self) -> Result<Vec<f64>> {
        self.numbers()
    }

    fn numbers(&mut self) -> Result<Vec<f64>> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the contestant has ended"));
        }
        let numbers = line.split_whitespace().map(str::parse);
        numbers
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| Error::new(ErrorKind::InvalidData, e))
    }

    /// Nanoseconds of a step, the mean of so many.
    fn time(&mut self, steps: u64) -> Result<f64> {
        writeln!(self.input, "{steps}")?;
        match self.numbers()?[..] {
            [nanoseconds] => Ok(nanoseconds / steps as f64),
            _ => Err(Error::new(ErrorKind::InvalidData, "a time is one number")),
        }
    }

    /// Finds out how many steps fill a turn.
    fn calibrate(&mut self, limits: Limits) -> Result<()> {
        loop {
            let seconds = self.time(self.steps)? * self.steps as f64 * 1e-9;
            if seconds > limits.turn / 4.0 {
                if seconds >= limits.turn && self.steps == 1 {
                    // That was a turn.
                    self.times.push(seconds * 1e9);
                }
                self.steps = (self.steps as f64 * limits.turn / seconds).ceil() as u64;
                return Ok(());
            }
            self.steps *= 4;
        }
    }

    fn has_enough(&self, limits: Limits) -> bool {
        let spent = self.times.iter().sum::<f64>() * self.steps as f64 * 1e-9;
        self.times.len() >= 3 && spent > limits.enough
    }

    pub fn best(&self) -> f64 {
        self.times.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn median(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub fn turns(&self) -> usize {
        self.times.len()
    }
}

impl Drop for Contestant {
    /// Its memory is wanted by whoever comes next.
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Lets all take their turns, one after the other, until each has had enough.
pub fn hold(contestants: &mut [Contestant], limits: Limits) -> Result<()> {
    contestants.iter_mut().try_for_each(|contestant| contestant.calibrate(limits))?;
    for _ in 0..limits.turns {
        for contestant in contestants.iter_mut().filter(|c| !c.has_enough(limits)) {
            let time = contestant.time(contestant.steps)?;
            contestant.times.push(time);
        }
    }
    Ok(())
}
