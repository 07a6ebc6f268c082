//! A training's log.

use std::io::Write;

use crate::error::Error;
use crate::optimizer::StepInfo;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

/// The log of a training: a line for each step with its number, loss, learning rate and gradient norm, as CSV or
/// as JSON lines.
///
/// It writes to anything that is [`Write`]: a file, standard error, a `Vec<u8>`. Put a
/// [`BufWriter`](std::io::BufWriter) around a file. A number that is not there (a norm that was not computed) is
/// empty in CSV, `null` in JSON; NaN and infinite ones are `NaN`, `inf`, `-inf`, in JSON as texts.
///
/// ```
/// use ndarray::array;
/// use thalweg::train::Progress;
/// use thalweg::{Adam, Optimizer};
///
/// let mut log = Progress::csv(Vec::new()).every(2);
/// let (mut w, mut adam) = (array![3.0, 4.0], Adam::new(0.5).clip_norm(100.0));
/// for _ in 0..3 {
///     let (loss, gradient) = (w.dot(&w), 2.0 * &w);
///     let info = adam.step(&mut w, &gradient)?;
///     log.record(&info, loss)?;
/// }
/// let text = String::from_utf8(log.into_inner()).unwrap();
/// let mut lines = text.lines();
/// assert_eq!(lines.next(), Some("step,loss,learning_rate,grad_norm,skipped"));
/// assert_eq!(lines.next(), Some("1,25,0.5,10,false"));
/// assert!(lines.next().unwrap().starts_with("3,"));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug)]
pub struct Progress<W> {
    to: W,
    format: Format,
    every: u64,
    /// Records so far, those that were not written included.
    seen: u64,
}

impl<W: Write> Progress<W> {
    /// Comma-separated values, with a line of names first.
    pub fn csv(to: W) -> Self {
        Self { to, format: Format::Csv, every: 1, seen: 0 }
    }

    /// A JSON object on each line.
    ///
    /// ```
    /// use thalweg::train::Progress;
    /// let mut log = Progress::json_lines(Vec::new());
    /// log.line(1, 0.5, 1e-3, None)?;
    /// assert_eq!(
    ///     String::from_utf8(log.into_inner()).unwrap(),
    ///     "{\"step\":1,\"loss\":0.5,\"learning_rate\":0.001,\"grad_norm\":null,\"skipped\":false}\n"
    /// );
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn json_lines(to: W) -> Self {
        Self { format: Format::JsonLines, ..Self::csv(to) }
    }

    /// Writes the first of every so many records, of 0 each; the default is 1.
    #[must_use]
    pub fn every(mut self, records: u64) -> Self {
        self.every = records.max(1);
        self
    }

    /// Records a step and the loss before it.
    ///
    /// # Errors
    /// [`ErrorKind::Other`](crate::ErrorKind::Other) if the line cannot be written.
    pub fn record(&mut self, step: &StepInfo, loss: f64) -> Result<(), Error> {
        self.put(step.step, loss, step.learning_rate, step.grad_norm, step.skipped)
    }

    /// Records numbers that are no optimizer's, such as those of a
    /// [callback](crate::solvers::Stop::callback).
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn line(
        &mut self,
        step: u64,
        loss: f64,
        learning_rate: f64,
        grad_norm: Option<f64>,
    ) -> Result<(), Error> {
        self.put(step, loss, learning_rate, grad_norm, false)
    }

    /// Where it was written to.
    pub fn into_inner(self) -> W {
        self.to
    }

    fn put(
        &mut self,
        step: u64,
        loss: f64,
        rate: f64,
        norm: Option<f64>,
        skipped: bool,
    ) -> Result<(), Error> {
        let (is_first, is_due) = (self.seen == 0, self.seen.is_multiple_of(self.every));
        self.seen += 1;
        if !is_due {
            return Ok(());
        }
        let number = |x: f64| match self.format {
            Format::JsonLines if !x.is_finite() => format!("\"{x}\""),
            _ => x.to_string(),
        };
        let (loss, rate, norm) = (number(loss), number(rate), norm.map(number));
        let result = match self.format {
            Format::Csv => {
                let head =
                    if is_first { "step,loss,learning_rate,grad_norm,skipped\n" } else { "" };
                let norm = norm.unwrap_or_default();
                writeln!(self.to, "{head}{step},{loss},{rate},{norm},{skipped}")
            }
            Format::JsonLines => {
                let norm = norm.unwrap_or_else(|| "null".to_owned());
                writeln!(
                    self.to,
                    "{{\"step\":{step},\"loss\":{loss},\"learning_rate\":{rate},\"grad_norm\":{norm},\
                     \"skipped\":{skipped}}}"
                )
            }
        };
        result.map_err(Error::other)
    }
}
