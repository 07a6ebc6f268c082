//! Sharpness-aware minimization.

use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Params, ParamsMut, Snapshot};
use crate::reduce;
use crate::scalar::Scalar;
use crate::state::{Record, State, missing};

const NAME: &str = "Sam";

/// **SAM**: an optimizer inside steps from w along the gradient at w + ρ·g/‖g‖₂, the worst point
/// nearby.
///
/// A step has two phases. [`ascend`](Self::ascend) takes the gradient at w and moves the parameters
/// to that point; [`step`](Optimizer::step) takes the gradient there, brings the parameters back to w
/// and steps. A phase out of turn is an error, and an error in either leaves all as it was.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `rho` ρ | | [0, ∞) |
/// | [`adaptive`](Self::adaptive) | no | ASAM: w + ρ·w²g/‖\|w\|g‖₂ |
///
/// A gradient of 0 moves nothing. Costs a copy of the parameters.
///
/// Sources: Foret, Kleiner, Mobahi & Neyshabur, "Sharpness-aware minimization for efficiently
/// improving generalization", 2021; Kwon, Kim, Park & Choi, "ASAM", 2021.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Sgd, train::Sam};
/// let gradient = |w: &ndarray::Array1<f64>| w * 2.0; // of w²
/// let mut w = array![3.0, -4.0];
/// let mut sam = Sam::new(Sgd::new(0.1), 0.5);
/// sam.ascend(&mut w, &gradient(&array![3.0, -4.0]))?;
/// assert_eq!(w, array![3.3, -4.4]);
/// let there = gradient(&w);
/// sam.step(&mut w, &there)?;
/// assert!((w - array![3.0 - 0.66, -4.0 + 0.88]).iter().all(|d: &f64| d.abs() < 1e-15));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sam<F: Scalar, O> {
    inner: O,
    rho: f64,
    adaptive: bool,
    /// Between the phases, w.
    home: Option<Snapshot<F>>,
    ascended: bool,
}

impl<F: Scalar, O: Optimizer<F>> Sam<F, O> {
    /// SAM over `inner`, with the radius ρ ≥ 0.
    pub fn new(inner: O, rho: f64) -> Self {
        Self { inner, rho, adaptive: false, home: None, ascended: false }
    }

    /// Measures the radius relative to each parameter's size (ASAM).
    #[must_use]
    pub fn adaptive(mut self, adaptive: bool) -> Self {
        self.adaptive = adaptive;
        self
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// Whether the parameters are at the point nearby, and a [`step`](Optimizer::step) is due.
    pub fn ascended(&self) -> bool {
        self.ascended
    }

    /// The record of now, where `home` is w between the phases.
    fn record(&self, home: Option<&Snapshot<F>>) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.number("rho", self.rho);
        record.count("adaptive", u64::from(self.adaptive));
        record.count("ascended", u64::from(home.is_some()));
        if let Some(home) = home {
            record.tree("home", home);
        }
        record
    }

    /// Moves the parameters to the worst point nearby, by their gradient.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfTurn`] if they are there already; as [`step`](Optimizer::step) for leaves
    /// that differ and a gradient that is not finite.
    pub fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        if self.ascended {
            return out_of_turn("`ascend` was called; compute the gradient there and call `step`");
        }
        self.validate()?;
        if self.home.is_none() {
            self.home = Some(Snapshot::of(&*params)?);
        }
        let home = self.home.as_mut().ok_or(ErrorKind::NoLeaves)?;
        home.check(&*params)?;
        home.check_as(grads, Tree::Gradients)?;
        if let Some(error) = reduce::find_non_finite(grads, |_| true) {
            return Err(error);
        }
        home.take(&*params)?;
        let adaptive = self.adaptive;
        let mut square = 0.0;
        let mut largest = 0.0_f64;
        home.zip(grads, Tree::Gradients, |w, g| {
            let term = if adaptive { w.abs() * g } else { g }.into_f64();
            largest = largest.max(term.abs());
            square += term * term;
        })?;
        // A norm whose square overflows or vanishes is found relative to its largest element.
        if !(1e-280..1e300).contains(&square) && largest > 0.0 && largest.is_finite() {
            let mut scaled = 0.0;
            home.zip(grads, Tree::Gradients, |w, g| {
                let term = if adaptive { w.abs() * g } else { g }.into_f64() / largest;
                scaled += term * term;
            })?;
            square = scaled;
        } else {
            largest = 1.0;
        }
        let rate = if square > 0.0 { self.rho / square.sqrt() } else { 0.0 };
        let (rate, scale) = (F::from_f64(rate), F::from_f64(largest));
        home.zip_into(grads, params, |w, g| {
            let direction = if adaptive { w * w * g } else { g };
            w + rate * (direction / scale)
        })?;
        self.ascended = true;
        Ok(())
    }

    /// Brings the parameters back to w without a step, if they are at the point nearby.
    ///
    /// # Errors
    /// For leaves that differ.
    pub fn abandon(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        if self.ascended
            && let Some(home) = &self.home
        {
            home.restore(params)?;
            self.ascended = false;
        }
        Ok(())
    }
}

fn out_of_turn<T>(what: &'static str) -> Result<T, Error> {
    Err(ErrorKind::OutOfTurn { what }.into())
}

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Sam<F, O> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        let Some(home) = self.home.as_mut().filter(|_| self.ascended) else {
            return out_of_turn("a step of `Sam` begins with `ascend`");
        };
        home.swap(params)?;
        match self.inner.step(params, grads) {
            Ok(info) => {
                self.ascended = false;
                Ok(info)
            }
            Err(error) => {
                home.swap(params)?;
                Err(error)
            }
        }
    }

    fn validate(&self) -> Result<(), Error> {
        Interval::NON_NEGATIVE.check::<F>(NAME, "rho", self.rho)?;
        self.inner.validate()
    }

    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.inner.set_learning_rate(learning_rate)
    }

    fn steps(&self) -> u64 {
        self.inner.steps()
    }

    fn skipped(&self) -> u64 {
        self.inner.skipped()
    }

    fn reset(&mut self) {
        self.inner.reset();
        (self.home, self.ascended) = (None, false);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        if self.ascended {
            return out_of_turn("the parameters are at the point that `ascend` went to");
        }
        self.inner.swap_average(params)
    }

    fn state(&self) -> State {
        let home = self.home.as_ref().filter(|_| self.ascended);
        self.inner.state().around(self.record(home))
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        let record = state.record::<F>(NAME)?;
        record.compare_number("rho", self.rho)?;
        record.compare_count("adaptive", u64::from(self.adaptive))?;
        let home = record.get_snapshot("home", self.home.as_ref())?;
        let ascended = record.get_flag("ascended")?;
        if ascended && home.is_none() {
            return Err(missing("home"));
        }
        record.assert_like(&self.record(home.as_ref().filter(|_| ascended)))?;
        self.inner.load_state(&state.inner()?)?;
        // Where it is not needed it is only memory.
        (self.ascended, self.home) = (ascended, home);
        Ok(())
    }
}
