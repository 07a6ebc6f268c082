//! Which learning rates a training can take.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, ErrorKind};
use crate::optimizer::Optimizer;
use crate::params::{Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;

/// How much of the last smoothed loss stays in the next one.
const SMOOTHING: f64 = 0.9;
/// The loss has diverged where it has risen by so many times the larger of its size and of what it had fallen.
const DIVERGED: f64 = 3.0;

/// A learning-rate **range test**: raises the rate at every step from one end of `rates` to the other, evenly in
/// its logarithm, and records what the loss does.
///
/// `batch` gives loss and gradient at the parameters, of another mini-batch each time. The optimizer is used up:
/// hand over one that is built as for the training, with any rate. The run ends early where the loss diverges or
/// is not finite. The parameters are then as they were before, also where the result is an error.
///
/// # Errors
/// [`ErrorKind::Hyperparameter`] unless 0 < `rates.start` < `rates.end` < ∞ and `steps` ≥ 2; whatever `batch`
/// and the step return, but that a gradient is not finite.
///
/// Source: Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.
///
/// ```
/// use ndarray::array;
/// use thalweg::Sgd;
/// use thalweg::train::range_test;
///
/// // ½(x² + 4y²): SGD is stable below 2/4.
/// let mut w = array![10.0, 10.0];
/// let test = range_test(Sgd::new(0.0), &mut w, 1e-4..10.0, 100, |w, _step| {
///     let gradient = w * &array![1.0, 4.0];
///     Ok((0.5 * w.dot(&gradient), gradient))
/// })?;
/// println!("{test}");
/// let rate = test.steepest().unwrap();
/// assert!((0.01..0.5).contains(&rate), "{rate}");
/// assert_eq!(w, array![10.0, 10.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn range_test<F, P, G>(
    mut optimizer: impl Optimizer<F>,
    params: &mut P,
    rates: Range<f64>,
    steps: u64,
    mut batch: impl FnMut(&P, u64) -> Result<(f64, G), Error>,
) -> Result<RangeTest, Error>
where
    F: Scalar,
    P: ParamsMut<F>,
    G: Params<F>,
{
    const OWNER: &str = "range_test";
    if !(rates.start > 0.0 && rates.start.is_finite()) {
        return Err(Error::hyperparameter(OWNER, "rates.start", rates.start, "a number in (0, ∞)"));
    }
    let above = rates.end > rates.start && rates.end.is_finite();
    if !above {
        return Err(Error::hyperparameter(
            OWNER,
            "rates.end",
            rates.end,
            "a number above rates.start",
        ));
    }
    if steps < 2 {
        return Err(Error::hyperparameter(OWNER, "steps", steps as f64, "at least 2"));
    }
    let before = Snapshot::of(params)?;
    let mut test = RangeTest { rates: vec![], losses: vec![], smoothed: vec![], diverged: false };
    let result = climb(&mut optimizer, params, &rates, steps, &mut batch, &mut test);
    before.restore(params)?;
    result.map(|()| test)
}

fn climb<F: Scalar, P: ParamsMut<F>, G: Params<F>>(
    optimizer: &mut impl Optimizer<F>,
    params: &mut P,
    rates: &Range<f64>,
    steps: u64,
    batch: &mut impl FnMut(&P, u64) -> Result<(f64, G), Error>,
    test: &mut RangeTest,
) -> Result<(), Error> {
    let growth = (rates.end / rates.start).ln() / (steps - 1) as f64;
    for step in 1..=steps {
        let rate = rates.start * (growth * (step - 1) as f64).exp();
        let (loss, gradient) = batch(params, step)?;
        test.push(rate, loss);
        if test.diverged {
            break;
        }
        optimizer.set_learning_rate(rate)?;
        match optimizer.step_with_loss(params, &gradient, loss) {
            Ok(_) => {}
            Err(error) if is_divergence(&error) => {
                test.diverged = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_divergence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NonFiniteGradient { .. } | ErrorKind::LargeGradient { .. })
}

/// The course of a [`range_test`]: what the loss was before the step at each rate. It prints in one line, with
/// `{:#}` as a table.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RangeTest {
    /// The learning rates, rising.
    pub rates: Vec<f64>,
    /// The loss at each, of its own batch; the last one may be NaN or infinite.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain_list"))]
    pub losses: Vec<f64>,
    /// The average of the losses up to each, the older ones by less: lᵢ = 0.9·lᵢ₋₁ + 0.1·lossᵢ, divided by
    /// 1 - 0.9ⁱ.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain_list"))]
    pub smoothed: Vec<f64>,
    /// Whether it ended because the loss diverged.
    pub diverged: bool,
}

impl RangeTest {
    fn push(&mut self, rate: f64, loss: f64) {
        // The weight of the newest among Σ 0.9ⁱ; a loss that stays the same is its mean to the last bit.
        let terms = self.losses.len() + 1;
        let share = (1.0 - SMOOTHING) / -(terms as f64 * SMOOTHING.ln()).exp_m1();
        let last = self.smoothed.last().copied().unwrap_or(loss);
        let smoothed = last + share * (loss - last);
        self.rates.push(rate);
        self.losses.push(loss);
        self.smoothed.push(smoothed);
        let least = self.smoothed.iter().copied().fold(f64::INFINITY, f64::min);
        let size = least.abs().max(self.smoothed[0] - least);
        // A loss of NaN has diverged too.
        let held = smoothed - least <= DIVERGED * size;
        self.diverged = !(held && loss.is_finite());
    }

    /// The rate at which the smoothed loss falls fastest, by the logarithm of the rate: one to begin with. `None`
    /// if it falls nowhere.
    pub fn steepest(&self) -> Option<f64> {
        let end = self.lowest_index()?;
        let slope = |i: usize| {
            let rise = self.smoothed[i + 1] - self.smoothed[i - 1];
            rise / (self.rates[i + 1] / self.rates[i - 1]).ln()
        };
        let falls = (1..end).map(|i| (slope(i), i)).filter(|(slope, _)| *slope < 0.0);
        falls.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, i)| self.rates[i])
    }

    /// The rate at which the smoothed loss was lowest: an upper end, as that of a cyclic schedule. `None` if no
    /// loss was finite.
    pub fn lowest(&self) -> Option<f64> {
        self.lowest_index().map(|i| self.rates[i])
    }

    fn lowest_index(&self) -> Option<usize> {
        let finite = self.smoothed.iter().enumerate().filter(|(_, loss)| loss.is_finite());
        finite.min_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i)
    }
}

impl fmt::Display for RangeTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.steepest(), self.lowest()) {
            (Some(steepest), Some(lowest)) => {
                write!(
                    f,
                    "the loss falls fastest at {steepest:.1e} and is lowest at {lowest:.1e}"
                )?;
            }
            _ => f.write_str("the loss falls at no rate")?,
        }
        if let (true, Some(last)) = (self.diverged, self.rates.last()) {
            write!(f, "; it diverges at {last:.1e}")?;
        }
        if f.alternate() {
            write!(f, "\n{:>9} {:>12} {:>12}", "rate", "loss", "smoothed")?;
            let every = self.rates.len().div_ceil(20).max(1);
            let rows = self.rates.iter().zip(&self.losses).zip(&self.smoothed).enumerate();
            for (i, ((rate, loss), smoothed)) in rows {
                if i % every == 0 || i + 1 == self.rates.len() {
                    write!(f, "\n{rate:>9.2e} {loss:>12.5e} {smoothed:>12.5e}")?;
                }
            }
        }
        Ok(())
    }
}
