//! Conjugate gradient in a loop of one's own: gradients alone, one a call.

use super::{Beta, ConjugateGradient, Products};
use crate::error::Error;
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Params, ParamsMut};
use crate::scalar::Scalar;
use crate::solvers::line_search::{LineSearch, Next, Sample, Secant};
use crate::solvers::stepped::Trail;
use crate::state::State;
use crate::vector;

/// Where gradients are interpolated, the first trial moves the largest element by this part of it.
const FIRST: f64 = 0.1;

/// There a length is within this factor of the one before.
const CHANGE: f64 = 4.0;

/// What is kept from one call to the next.
#[derive(Debug, Clone)]
pub(super) struct Stepped<F> {
    /// Its direction is ρ.
    pub(super) trail: Trail<F>,
    /// gᵀg at the base.
    pub(super) square: f64,
    /// Iterations since ρ was -g.
    pub(super) since: u64,
    /// Whether gradients may be told by others.
    pub(super) tells: bool,
}

impl<F: Scalar> Stepped<F> {
    pub(super) fn new() -> Self {
        Self { trail: Trail::new(Secant::new()), square: 0.0, since: 0, tells: false }
    }

    /// ρ = -g at the base.
    fn along_gradient(&mut self) {
        let Trail { base_gradient, direction, slope, .. } = &mut self.trail;
        vector::combine(-1.0, base_gradient, 0.0, direction);
        *slope = -self.square;
        self.since = 0;
    }

    /// Begins anew at the point and with the gradient of this call.
    fn begin_anew(&mut self, length: Option<f64>) {
        self.trail.rebase();
        let Trail { base, base_gradient, .. } = &self.trail;
        let (square, largest) = vector::dot_and_max(base_gradient, base_gradient);
        self.square = square;
        let first = if self.tells { FIRST } else { 0.01 };
        let length = length.unwrap_or_else(|| {
            let size = vector::norm_max(base);
            if largest == 0.0 {
                0.0
            } else if size > 0.0 {
                first * size / largest
            } else {
                square.sqrt().recip()
            }
        });
        self.along_gradient();
        self.trail.begin_search(length);
        self.trail.accepted = true;
    }

    /// The direction β·ρ - g with the gradient of this call, which becomes the base; ρ had that slope
    /// there.
    fn conjugate(&mut self, beta: Beta, slope: f64) {
        let Trail { gradient, base_gradient, direction, slope: old_slope, .. } = &mut self.trail;
        let (square, cross) = vector::square_and_dot(gradient, base_gradient);
        let products =
            Products { old_square: self.square, square, cross, old_slope: *old_slope, slope };
        let share = beta.of(products, || vector::dot(direction, direction));
        vector::combine(-1.0, gradient, share, direction);
        *old_slope = share * slope - square;
        self.trail.rebase();
        self.square = square;
        self.since = if share == 0.0 { 0 } else { self.since + 1 };
    }

    /// A step of that length, whatever comes of it.
    fn move_by(&mut self, rate: f64, beta: Beta) {
        if self.square > 0.0 {
            let slope = vector::dot(&self.trail.gradient, &self.trail.direction);
            self.conjugate(beta, slope);
        } else {
            self.trail.rebase();
            self.square = vector::dot(&self.trail.base_gradient, &self.trail.base_gradient);
            self.along_gradient();
        }
        self.trail.length = rate;
        self.trail.accepted = true;
        if self.trail.slope > 0.0 {
            self.along_gradient();
            self.trail.restarts += 1;
        }
    }
}

/// Calls of `step` by gradients alone: see [`ConjugateGradient`].
impl<F: Scalar, L: LineSearch> ConjugateGradient<F, L> {
    /// Whether the gradient last given to `step` ended a line search, rather than being one of a trial on the
    /// way. The iterate is where it was given, or with
    /// [`interpolate_gradients`](ConjugateGradient::interpolate_gradients) beside it on the line.
    pub fn accepted(&self) -> bool {
        self.stepped.trail.accepted
    }

    /// How often `step` gave up a direction for -g.
    pub fn restarts(&self) -> u64 {
        self.stepped.trail.restarts
    }

    /// Puts the parameters back to the last accepted iterate: each is below the one before along its
    /// direction, as far as slopes can tell. With a fixed rate, or before the first step, they stay.
    ///
    /// # Errors
    /// If the leaves are not those of the steps; the parameters are then as they were.
    pub fn settle(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.stepped.trail.settle(params)
    }

    /// The next point after a trial with that slope; returns gᵀg of the gradient given, where it ends a search.
    fn advance(&mut self, slope: f64) -> f64 {
        let period = self.period(self.stepped.trail.base.len());
        let state = &mut self.stepped;
        let Trail { length, slope: old_slope, .. } = state.trail;
        let told = if state.tells { state.told(slope) } else { None };
        let next = state.trail.search.advance(Sample { length, value: f64::NAN, slope });
        state.trail.accepted = false;
        match (next, told) {
            (Next::Try(next), None) => state.trail.length = next,
            (Next::Accept | Next::Try(_), _) => {
                let told = told.map(|part| state.tell(part));
                let length = state.trail.length;
                state.conjugate(self.beta, told.map_or(slope, |(slope, _)| slope));
                state.trail.accepted = true;
                // NaN is not a descent either.
                let descends = state.trail.slope <= -1e-10 * state.square;
                if !descends || state.since >= period {
                    state.along_gradient();
                    state.trail.restarts += u64::from(state.square > 0.0);
                }
                let ratio = old_slope / state.trail.slope;
                let change = if state.tells { CHANGE } else { 10.0 };
                // Where a gradient of 0 was told, what is there is looked at from there.
                let vanished = if state.tells { length } else { 0.0 };
                let first = match state.square {
                    square if square > 0.0 => length * ratio.clamp(change.recip(), change),
                    _ => vanished,
                };
                state.trail.begin_search(first);
                return told.map_or(state.square, |(_, square)| square);
            }
            (Next::Fail(_), _) => {
                state.trail.restarts += 1;
                if slope.is_finite() {
                    // The bracket has shrunk around this very point.
                    state.begin_anew(Some(length));
                } else {
                    state.along_gradient();
                    state.trail.begin_search(1e-3 * length);
                }
            }
        }
        state.square
    }
}

crate::optimizer::display!([L: LineSearch] ConjugateGradient<F, L>);

impl<F: Scalar, L: LineSearch> Optimizer<F> for ConjugateGradient<F, L> {
    /// Takes the gradient at the parameters, and moves them to where it wants the next one: an
    /// iterate, or a trial on the way to it.
    ///
    /// A gradient that is NaN or infinite at a trial says that the step was too long. Parameters
    /// that were changed between two calls are taken for a new start.
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.check()?;
        let state = &mut self.stepped;
        let moved = state.trail.arrive(&*params, grads)?;
        if let Some(rate) = state.trail.fixed_rate {
            state.move_by(rate, self.beta);
        } else if moved {
            let known = Some(state.trail.length).filter(|&length| length > 0.0);
            state.trail.restarts += u64::from(state.trail.steps > 0);
            state.begin_anew(known);
        } else {
            let slope = vector::dot(&state.trail.gradient, &state.trail.direction);
            let square = self.advance(slope);
            return self.stepped.trail.leave(params, |_| square.sqrt());
        }
        let Stepped { trail, square, .. } = &mut self.stepped;
        trail.leave(params, |_| square.sqrt())
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }

    /// The fixed rate, or the length of the last step; NaN before the first one.
    fn learning_rate(&self) -> f64 {
        self.stepped.trail.learning_rate()
    }

    /// Sets a fixed rate, as [`fixed_rate`](ConjugateGradient::fixed_rate) does.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.stepped.trail.set_learning_rate(learning_rate)
    }

    /// Scales the rate that [`set_learning_rate`](Optimizer::set_learning_rate) fixed; without one it is an error.
    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        let name = Optimizer::<F>::name(self);
        self.stepped.trail.scale_rate(name, factor)
    }

    fn steps(&self) -> u64 {
        self.stepped.trail.steps
    }

    fn skipped(&self) -> u64 {
        0
    }

    fn reset(&mut self) {
        let Stepped { trail, tells, .. } = &self.stepped;
        self.stepped = Stepped { trail: trail.anew(), tells: *tells, ..Stepped::new() };
    }

    fn name(&self) -> &'static str {
        "ConjugateGradient"
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }
}
