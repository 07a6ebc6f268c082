//! The optimizer around a metric and another optimizer.

mod saved;

use std::fmt::Debug;

use super::metric::Metric;
use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::{Call, Optimizer, StepInfo, forward, step_by, steps_by_call};
use crate::params::{Flatten, Params, ParamsMut, Snapshot};
use crate::rules::sgd::Optimizer as Sgd;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::State;
use crate::vector::{combine, dot};

const NAME: &str = "NaturalGradient";

/// How the damping moves.
#[derive(Debug, Clone, PartialEq)]
enum Damping {
    /// It is the metric's.
    Fixed,
    Scheduled(Schedule),
    /// The factor of a change.
    LevenbergMarquardt(f64),
}

/// What the last step promised: the decrease of the quadratic model.
type Promise = Option<f64>;

/// **Natural gradient**: w -= α(F + λI)⁻¹g, with what a [`Metric`] M knows of the Fisher matrix F.
///
/// The direction d = (F + λI)⁻¹g goes as a gradient to an optimizer inside, plain [`Sgd`] unless another
/// is given: learning rate, schedule, groups, frozen leaves, clipping, weight decay and the policy for
/// NaN are that one's. `clip_norm` is then a bound on ‖d‖, and a norm that a step reports is ‖d‖.
///
/// Feed the metric by [`observe`](NaturalGradient::observe), then [`step`](Optimizer::step). To step
/// without is an error, unless [`observe_every`](NaturalGradient::observe_every) allows it.
///
/// | setting | what |
/// |---|---|
/// | the metric's damping | λ of F + λI, fixed |
/// | [`damping`](NaturalGradient::damping) | λ by a schedule |
/// | [`levenberg_marquardt`](NaturalGradient::levenberg_marquardt) | λ by how well the quadratic model foretells the loss |
/// | [`trust_region`](NaturalGradient::trust_region) | ½ΔwᵀFΔw ≤ δ: a bound on KL |
/// | [`quadratic_model`](NaturalGradient::quadratic_model) | length and momentum from the quadratic model |
///
/// The metrics take the whole tree; leaves that a group freezes take part in F, but do not move: their
/// gradient counts as 0, and so does their direction in lengths and in what the quadratic model foretells.
///
/// Source: Amari, "Natural gradient works efficiently in learning", 1998.
///
/// ```
/// use ndarray::array;
/// use thalweg::natural_gradient::{Batch, Diagonal, Empirical, NaturalGradient};
/// use thalweg::{ErrorKind, Optimizer, Sgd};
///
/// let mut w = array![1.0, 1.0];
/// let metric = Diagonal::<f64, Empirical>::new(1e-3);
/// let mut optimizer = NaturalGradient::around(Sgd::new(0.1).clip_norm(10.0), metric);
/// let error = optimizer.step(&mut w, &array![1.0, 2.0]).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::NoStatistics { .. }));
///
/// optimizer.observe(&w, Batch::of_gradients(array![[1.0, 1.0], [1.0, 3.0]])?)?;
/// optimizer.step(&mut w, &array![1.0, 2.0])?;
/// assert!(w[0] < w[1] && w[1] < 1.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NaturalGradient<F: Scalar, M, O = Sgd<F>> {
    metric: M,
    inner: O,
    damping: Damping,
    trust_region: Option<f64>,
    quadratic_model: bool,
    observe_every: u64,
    /// Steps since the last batch; `None` before the first.
    age: Option<u64>,
    promise: Promise,
    layout: Option<Flatten>,
    /// What the inner optimizer was given last.
    direction: Option<Snapshot<F>>,
    scratch: Scratch<F>,
}

/// Vectors whose memory is kept.
#[derive(Debug, Clone, Default)]
struct Scratch<F> {
    gradient: Vec<F>,
    before: Vec<F>,
    direction: Vec<F>,
    product: Vec<F>,
    product_before: Vec<F>,
    /// Where the elements of frozen leaves begin and end.
    frozen: Vec<[usize; 2]>,
}

impl<F: Scalar, M: Metric<F>> NaturalGradient<F, M> {
    /// Over plain gradient descent of that learning rate: a number, a [`Schedule`] or a closure of the
    /// step.
    pub fn new(learning_rate: impl Into<Schedule>, metric: M) -> Self {
        Self::around(Sgd::new(learning_rate), metric)
    }
}

impl<F: Scalar, M: Metric<F>, O: Optimizer<F>> NaturalGradient<F, M, O> {
    /// Over an optimizer that takes the natural gradient for the gradient.
    pub fn around(inner: O, metric: M) -> Self {
        Self {
            metric,
            inner,
            damping: Damping::Fixed,
            trust_region: None,
            quadratic_model: false,
            observe_every: 1,
            age: None,
            promise: None,
            layout: None,
            direction: None,
            scratch: Scratch::default(),
        }
    }

    /// Lets the damping λ follow a schedule, step by step.
    #[must_use]
    pub fn damping(mut self, damping: impl Into<Schedule>) -> Self {
        self.damping = Damping::Scheduled(damping.into());
        self
    }

    /// Lets [`report`](NaturalGradient::report) change the damping by ω in (0, 1): λ·ω where the loss fell
    /// by more than ¾ of what the quadratic model foretold, λ/ω where by less than ¼.
    ///
    /// Source: Martens & Grosse, 2015, with ω = (19/20)^T for a report every T steps.
    #[must_use]
    pub fn levenberg_marquardt(mut self, omega: f64) -> Self {
        self.damping = Damping::LevenbergMarquardt(omega);
        self
    }

    /// Shortens the direction so that ½ΔwᵀFΔw ≤ δ for the Δw = -αd of plain gradient descent inside.
    ///
    /// F is the metric's, without damping. Momentum or weight decay inside move further.
    #[must_use]
    pub fn trust_region(mut self, delta: f64) -> Self {
        self.trust_region = Some(delta);
        self
    }

    /// Chooses length and momentum by the quadratic model: hands on h = a·d + b·h₀, with h₀ the one
    /// before, whose a and b minimize ½hᵀ(F + λI)h - gᵀh.
    ///
    /// F is the metric's. For plain gradient descent with learning rate 1 inside.
    ///
    /// Source: Martens & Grosse, 2015, section 7.
    #[must_use]
    pub fn quadratic_model(mut self) -> Self {
        self.quadratic_model = true;
        self
    }

    /// Allows k steps to a batch of statistics; 1 without.
    #[must_use]
    pub fn observe_every(mut self, steps: u64) -> Self {
        self.observe_every = steps;
        self
    }

    /// The metric.
    pub fn metric(&self) -> &M {
        &self.metric
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// Feeds the metric with statistics at these parameters.
    ///
    /// # Errors
    /// What the metric says of them, and as [`step`](Optimizer::step) for parameters of other names or
    /// shapes than before. Nothing has changed then.
    pub fn observe(
        &mut self,
        params: &dyn Params<F>,
        statistics: M::Statistics,
    ) -> Result<(), Error> {
        self.check()?;
        let layout = match &self.direction {
            Some(direction) => {
                direction.check(params)?;
                None
            }
            None => Some((Flatten::of(params)?, Snapshot::of(params)?.zeros_like())),
        };
        let new = layout.as_ref().map(|(layout, _)| layout);
        let known = new.or(self.layout.as_ref()).ok_or(ErrorKind::NoLeaves)?;
        self.metric.observe(known, params, statistics)?;
        if let Some((layout, direction)) = layout {
            (self.layout, self.direction) = (Some(layout), Some(direction));
        }
        self.age = Some(0);
        Ok(())
    }

    /// Reports the loss of a batch before and after the last step, for
    /// [`levenberg_marquardt`](NaturalGradient::levenberg_marquardt); returns the reduction ratio.
    ///
    /// It is the loss's change over the quadratic model's, ½Δwᵀ(F + λI)Δw + gᵀΔw. A loss that is not
    /// finite counts as a ratio of -∞.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfTurn`] unless a step came since the last report, with the damping chosen so.
    pub fn report(&mut self, before: f64, after: f64) -> Result<f64, Error> {
        let out_of_turn = |what| Error::from(ErrorKind::OutOfTurn { what });
        let Damping::LevenbergMarquardt(omega) = self.damping else {
            return Err(out_of_turn(
                "build the optimizer with `levenberg_marquardt` to report losses",
            ));
        };
        let promise = self
            .promise
            .take()
            .ok_or_else(|| out_of_turn("a step must come before each report of its losses"))?;
        let ratio = (after - before) / promise;
        let ratio = if after.is_finite() && before.is_finite() && !ratio.is_nan() {
            ratio
        } else {
            f64::NEG_INFINITY
        };
        let damping = self.metric.damping();
        let moved = match ratio {
            ratio if ratio > 0.75 => damping * omega,
            ratio if ratio < 0.25 => damping / omega,
            _ => damping,
        };
        if moved.is_finite() {
            self.metric.set_damping(moved);
        }
        Ok(ratio)
    }

    fn check(&self) -> Result<(), Error> {
        Interval::NON_NEGATIVE.check::<F>(NAME, "damping", self.metric.damping())?;
        if let Some(delta) = self.trust_region {
            Interval::POSITIVE.check::<F>(NAME, "trust_region", delta)?;
        }
        if let Damping::LevenbergMarquardt(omega) = self.damping
            && !(omega > 0.0 && omega < 1.0)
        {
            let allowed = "a number in (0, 1)";
            return Err(Error::hyperparameter(NAME, "levenberg_marquardt", omega, allowed));
        }
        if let Damping::Scheduled(schedule) = &self.damping {
            schedule.validate()?;
        }
        if self.observe_every == 0 {
            let allowed = "a whole number >= 1";
            return Err(Error::hyperparameter(NAME, "observe_every", 0.0, allowed));
        }
        Ok(())
    }

    /// (F + λI)⁻¹g in the scratch, shortened and mixed; returns what the quadratic model promises.
    fn prepare(&mut self) -> Result<Promise, Error> {
        let (Some(layout), Some(before)) = (&self.layout, &self.direction) else {
            return Err(ErrorKind::NoStatistics { steps: None }.into());
        };
        let Scratch { gradient, before: h0, direction, product, product_before, frozen } =
            &mut self.scratch;
        let n = layout.len();
        for vector in [&mut *h0, &mut *direction, &mut *product, &mut *product_before] {
            vector.resize(n, F::zero());
        }
        layout.gather(before, h0)?;
        direction.copy_from_slice(h0);
        self.metric.apply_inverse(layout, gradient, direction)?;
        // What does not move has no part in lengths and promises.
        clear(direction, frozen);
        let finite = |direction: &[F]| match direction.iter().position(|d| !d.is_finite()) {
            None => Ok(()),
            Some(index) => {
                let (what, value) = ("the natural gradient", direction[index].into_f64());
                Err(Error::from(ErrorKind::NonFiniteProduct { what, index, value }))
            }
        };
        finite(direction)?;
        let adaptive = matches!(self.damping, Damping::LevenbergMarquardt(_));
        if !(adaptive || self.quadratic_model || self.trust_region.is_some()) {
            return Ok(None);
        }
        let damping = self.metric.damping();
        self.metric.apply(layout, direction, product)?;
        if self.quadratic_model {
            self.metric.apply(layout, h0, product_before)?;
            let curved = |x: &[F], fx: &[F], y: &[F]| dot(fx, y) + damping * dot(x, y);
            let (dd, dh) = (curved(direction, product, direction), curved(direction, product, h0));
            let hh = curved(h0, product_before, h0);
            let (gd, gh) = (dot(gradient, direction), dot(gradient, h0));
            let determinant = dd * hh - dh * dh;
            let (a, b) = if determinant > 1e-10 * dd * hh {
                ((gd * hh - gh * dh) / determinant, (gh * dd - gd * dh) / determinant)
            } else if dd > 0.0 {
                // No step before this one, or one along the same line.
                (gd / dd, 0.0)
            } else {
                (1.0, 0.0)
            };
            combine(b, h0, a, direction);
            combine(b, product_before, a, product);
        }
        let rate = self.inner.learning_rate();
        if let Some(delta) = self.trust_region {
            let length = 0.5 * rate * rate * dot(direction, product);
            if length > delta {
                let factor = (delta / length).sqrt();
                for vector in [&mut *direction, &mut *product] {
                    vector.iter_mut().for_each(|d| *d = *d * F::from_f64(factor));
                }
            }
        }
        finite(direction)?;
        let square = dot(direction, product) + damping * dot(direction, direction);
        let model = 0.5 * rate * rate * square - rate * dot(gradient, direction);
        Ok(adaptive.then_some(model))
    }
}

impl<F: Scalar, M: Metric<F>, O: Optimizer<F>> NaturalGradient<F, M, O> {
    /// Finds out which elements are of frozen leaves, whose gradient counts as 0: nobody looks at it.
    fn pass_over_frozen(&mut self) {
        let Some(direction) = &self.direction else { return };
        let mut start = 0;
        self.scratch.frozen.clear();
        for (name, leaf) in direction.leaves() {
            let end = start + leaf.len();
            if !self.inner.treatment(name, leaf.shape()).trained {
                self.scratch.frozen.push([start, end]);
            }
            start = end;
        }
        let Scratch { gradient, frozen, .. } = &mut self.scratch;
        clear(gradient, frozen);
    }

    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
    ) -> Result<StepInfo, Error> {
        self.check()?;
        self.inner.ready()?;
        let fresh = self.age.filter(|&age| age < self.observe_every);
        let (Some(age), Some(layout)) = (fresh, &self.layout) else {
            return Err(ErrorKind::NoStatistics { steps: self.age }.into());
        };
        if let Some(direction) = &self.direction {
            direction.check(&*params)?;
        }
        self.scratch.gradient.resize(layout.len(), F::zero());
        layout.gather_as(grads, Tree::Gradients, &mut self.scratch.gradient)?;
        self.pass_over_frozen();
        if self.scratch.gradient.iter().any(|g| !g.is_finite()) {
            // The policy for it is the inner optimizer's.
            let before = self.inner.steps();
            let info = step_by(&mut self.inner, params, grads, call)?;
            self.age = Some(age + (self.inner.steps() - before));
            return Ok(info);
        }
        let damping = self.metric.damping();
        if let Damping::Scheduled(schedule) = &self.damping {
            let scheduled = schedule.at(self.inner.steps() + 1);
            Interval::NON_NEGATIVE.check::<F>(NAME, "damping", scheduled)?;
            self.metric.set_damping(scheduled);
        }
        let before = self.inner.steps();
        let stepped = self.prepare().and_then(|promise| {
            let (Some(layout), Some(direction)) = (&self.layout, &mut self.direction) else {
                return Err(ErrorKind::NoStatistics { steps: None }.into());
            };
            layout.scatter(&self.scratch.direction, direction)?;
            Ok((step_by(&mut self.inner, params, direction, call)?, promise))
        });
        match stepped {
            Ok((info, promise)) if self.inner.steps() > before => {
                (self.age, self.promise) = (Some(age + 1), promise);
                Ok(info)
            }
            stopped => {
                self.metric.revert();
                self.metric.set_damping(damping);
                let (Some(layout), Some(direction)) = (&self.layout, &mut self.direction) else {
                    return stopped.map(|(info, _)| info);
                };
                if self.scratch.before.len() == layout.len() {
                    layout.scatter(&self.scratch.before, direction)?;
                }
                stopped.map(|(info, _)| info)
            }
        }
    }
}

/// Sets the elements of frozen leaves to 0.
fn clear<F: Scalar>(vector: &mut [F], frozen: &[[usize; 2]]) {
    frozen.iter().for_each(|&[start, end]| vector[start..end].fill(F::zero()));
}

crate::optimizer::display!([M: Metric<F>, O: Optimizer<F>] NaturalGradient<F, M, O>);

impl<F: Scalar, M: Metric<F>, O: Optimizer<F>> Optimizer<F> for NaturalGradient<F, M, O> {
    forward! {
        self, self.inner;
        rates treatment steps average_again ascend has_ascended ready skipped swap_average
    }

    steps_by_call!(self);

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.inner.validate()
    }

    /// Forgets the statistics too; the damping stays where it is.
    fn reset(&mut self) {
        self.inner.reset();
        self.metric.forget();
        (self.age, self.promise) = (None, None);
        (self.layout, self.direction) = (None, None);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        let before = self.state();
        let (layout, direction) = (self.layout.clone(), self.direction.clone());
        self.load(state).inspect_err(|_| {
            // What was read so far goes back; its own state is one that it can read.
            let _ = self.load(&before);
            (self.layout, self.direction) = (layout, direction);
        })
    }
}
