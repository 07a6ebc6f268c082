//! Sharpness-aware minimization.

use super::leaves::{check_gradients, treatments};
use super::length::{Squares, scaled, split};
use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::{Call, Optimizer, StepInfo, Treatment, forward, step_by, steps_by_call};
use crate::params::{Params, ParamsMut, Snapshot, pairs, pairs_mut};
use crate::scalar::Scalar;
use crate::state::{Record, State, missing};

const NAME: &str = "Sam";

/// **SAM**: an optimizer inside steps from w along the gradient at w + ρ·g/‖g‖₂, the worst point
/// nearby.
///
/// A step has two phases. [`ascend`](Optimizer::ascend) takes the gradient at w and moves the parameters
/// to that point; [`step`](Optimizer::step) takes the gradient there, brings the parameters back to w
/// and steps. A phase out of turn is an error, and an error in either leaves all as it was.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `rho` ρ | | [0, ∞) |
/// | [`adaptive`](Self::adaptive) | no | ASAM: w + ρ·T²g/‖Tg‖₂, T = \|w\| + η |
/// | [`eta`](Self::eta) η | 0 | [0, ∞); of ASAM alone; 0.01 in the authors' code |
///
/// The norm is over the leaves that the optimizer inside trains; one that it has frozen stays where it
/// is, and its gradient is not looked at. The worst point is where the objective is largest, or for a
/// leaf that is to maximize it, smallest. A gradient of 0 moves nothing. Costs a copy of the
/// parameters.
///
/// The authors of ASAM scale weights so and leave biases as SAM has them; here every parameter is scaled.
///
/// Inside another optimizer its phases are handed on: call `ascend` and `step` of the outer one. An
/// [`Accumulate`](crate::train::Accumulate) ascends once for all the gradients of a step.
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
    eta: f64,
    /// Between the phases, w.
    home: Option<Snapshot<F>>,
    ascended: bool,
    /// Of the leaves of `home`; their memory is kept.
    treatments: Vec<Treatment>,
}

impl<F: Scalar, O: Optimizer<F>> Sam<F, O> {
    /// SAM over `inner`, with the radius ρ ≥ 0.
    pub fn new(inner: O, rho: f64) -> Self {
        let treatments = Vec::new();
        Self { inner, rho, adaptive: false, eta: 0.0, home: None, ascended: false, treatments }
    }

    /// Measures the radius relative to each parameter's size (ASAM).
    #[must_use]
    pub fn adaptive(mut self, adaptive: bool) -> Self {
        self.adaptive = adaptive;
        self
    }

    /// Sets what ASAM adds to each parameter's size, with which one that is 0 moves too; in [0, ∞).
    #[must_use]
    pub fn eta(mut self, eta: f64) -> Self {
        self.eta = eta;
        self
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// The optimizer inside, to set its learning rate or its groups by.
    pub fn inner_mut(&mut self) -> &mut O {
        &mut self.inner
    }

    /// Whether the parameters are at the point nearby, and a [`step`](Optimizer::step) is due.
    pub fn ascended(&self) -> bool {
        self.ascended
    }

    fn check(&self) -> Result<(), Error> {
        Interval::NON_NEGATIVE.check::<F>(NAME, "rho", self.rho)?;
        Interval::NON_NEGATIVE.check::<F>(NAME, "eta", self.eta)
    }

    /// The record of now, where `home` is w between the phases.
    fn record(&self, home: Option<&Snapshot<F>>) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.number("rho", self.rho);
        record.count("adaptive", u64::from(self.adaptive));
        if self.eta != 0.0 {
            record.number("eta", self.eta);
        }
        record.count("ascended", u64::from(home.is_some()));
        if let Some(home) = home {
            record.tree("home", home);
        }
        record
    }

    fn go_to_worst(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        if self.ascended {
            return out_of_turn("`ascend` was called; compute the gradient there and call `step`");
        }
        self.check()?;
        if self.inner.has_ascended().is_some() {
            let what = "a `Sam` inside a `Sam` has no turn: one of them is enough";
            return Err(ErrorKind::OutOfTurn { what }.into());
        }
        if self.home.is_none() {
            self.inner.validate()?;
        }
        self.inner.ready()?;
        let mut first = None;
        let home = match &mut self.home {
            Some(home) => home,
            None => first.insert(Snapshot::of(&*params)?),
        };
        home.check(&*params)?;
        treatments(&self.inner, home, &mut self.treatments);
        check_gradients(home, &self.treatments, grads, true)?;
        // From here on nothing can fail.
        home.take(&*params)?;
        let (adaptive, eta, treatments) = (self.adaptive, self.eta, &self.treatments);
        let direction = Direction { adaptive, eta, norm: 0.0, exponent: 0 };
        let direction = direction.of_length(home, treatments, grads)?;
        let rho = self.rho;
        home.change(grads, Tree::Gradients, |index, w, g| {
            let Treatment { trained: true, maximize, .. } = treatments[index] else { return };
            let rho = if maximize { -rho } else { rho };
            pairs_mut(w, g, |w, g| *w = direction.moved(*w, g, rho));
        })?;
        home.swap(params)?;
        if let Some(first) = first {
            self.home = Some(first);
        }
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

/// g/‖g‖₂, or T²g/‖Tg‖₂ with T = |w| + η, element by element.
#[derive(Clone, Copy)]
struct Direction {
    adaptive: bool,
    eta: f64,
    /// The norm is `norm`·2^`exponent`, and `exponent` is 0 where that is a number.
    norm: f64,
    exponent: i32,
}

impl Direction {
    /// |w| + η, or 1.
    #[inline]
    fn size<F: Scalar>(self, w: F) -> f64 {
        if self.adaptive { w.into_f64().abs() + self.eta } else { 1.0 }
    }

    /// Measures the norm over the leaves that are trained.
    fn of_length<F: Scalar>(
        mut self,
        w: &Snapshot<F>,
        treatments: &[Treatment],
        g: &dyn Params<F>,
    ) -> Result<Self, Error> {
        let each = |each: &mut dyn FnMut(f64, f64)| {
            w.each_leaf(g, Tree::Gradients, |index, w, g| {
                if treatments[index].trained {
                    pairs(w, g, |w, g| each(self.size(w), g.into_f64()));
                }
            })
        };
        let mut squares = Squares::new();
        each(&mut |size, g| squares.add(size * g))?;
        let square = squares.total();
        if (1e-280..1e300).contains(&square) {
            self.norm = square.sqrt();
            return Ok(self);
        }
        // Its square overflows or vanishes: it is measured by its largest element.
        let mut largest = None;
        each(&mut |size, g| {
            let (fraction, exponent) = product(size, g);
            if fraction != 0.0 {
                largest = largest.max(Some(exponent));
            }
        })?;
        let Some(largest) = largest else { return Ok(self) };
        let mut squares = Squares::new();
        each(&mut |size, g| {
            let (fraction, exponent) = product(size, g);
            squares.add(scaled(fraction, exponent - largest));
        })?;
        Ok(Self { norm: squares.total().sqrt(), exponent: largest, ..self })
    }

    /// The parameter at a distance from where it is.
    #[inline]
    fn moved<F: Scalar>(self, w: F, g: F, rho: f64) -> F {
        if self.norm == 0.0 {
            return w;
        }
        let (size, g) = (self.size(w), g.into_f64());
        let share = if self.exponent == 0 {
            size * g / self.norm
        } else {
            let (fraction, exponent) = product(size, g);
            scaled(fraction, exponent - self.exponent) / self.norm
        };
        F::from_f64(w.into_f64() + rho * (size * share))
    }
}

/// A product that neither overflows nor vanishes, as a fraction and a power of two.
fn product(a: f64, b: f64) -> (f64, i32) {
    let ((a, left), (b, right)) = (split(a), split(b));
    (a * b, left + right)
}

fn out_of_turn<T>(what: &'static str) -> Result<T, Error> {
    Err(ErrorKind::OutOfTurn { what }.into())
}

impl<F: Scalar, O: Optimizer<F>> Sam<F, O> {
    /// Brings the parameters back to w for a step of the optimizer inside.
    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
    ) -> Result<StepInfo, Error> {
        let Some(home) = self.home.as_mut().filter(|_| self.ascended) else {
            return out_of_turn(DUE);
        };
        home.swap(params)?;
        match step_by(&mut self.inner, params, grads, call) {
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
}

const DUE: &str = "a step of `Sam` begins with `ascend`";

crate::optimizer::display!([O: Optimizer<F>] Sam<F, O>);

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Sam<F, O> {
    forward!(self, self.inner; rates treatment steps average_again skipped);

    steps_by_call!(self);

    fn ready(&self) -> Result<(), Error> {
        if self.ascended { self.inner.ready() } else { out_of_turn(DUE) }
    }

    /// Moves the parameters to the worst point nearby, by their gradient.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfTurn`] if they are there already, and [`ErrorKind::AverageInPlace`] if they
    /// are their average; as [`step`](Optimizer::step) for leaves that differ and a gradient that is
    /// not finite.
    fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        self.go_to_worst(params, grads)
    }

    fn has_ascended(&self) -> Option<bool> {
        Some(self.ascended)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.inner.validate()
    }

    /// Where the parameters are at the point nearby, w is kept: a step or [`abandon`](Sam::abandon) is
    /// still due.
    fn reset(&mut self) {
        self.inner.reset();
        if !self.ascended {
            self.home = None;
        }
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
        self.check()?;
        let record = state.record::<F>(NAME)?;
        record.compare_number("rho", self.rho)?;
        record.compare_count("adaptive", u64::from(self.adaptive))?;
        if self.eta != 0.0 {
            record.compare_number("eta", self.eta)?;
        }
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
