//! L-BFGS in a loop of one's own: gradients alone, one a call.

use super::pairs::Pairs;
use super::{Lbfgs, first_length};
use crate::error::Error;
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Params, ParamsMut};
use crate::scalar::Scalar;
use crate::solvers::line_search::{LineSearch, Next, Sample, Secant};
use crate::solvers::stepped::Trail;
use crate::state::State;
use crate::vector;

/// What is kept from one call to the next.
#[derive(Debug, Clone)]
pub(super) struct Stepped<F> {
    pub(super) trail: Trail<F>,
    pub(super) pairs: Pairs<F>,
}

impl<F: Scalar> Stepped<F> {
    pub(super) fn new() -> Self {
        Self { trail: Trail::new(Secant::new().curvature(0.9)), pairs: Pairs::default() }
    }

    /// Begins a search along the direction from the base, at that length.
    fn begin_search(&mut self, first: f64) {
        let trail = &mut self.trail;
        trail.slope = vector::dot(&trail.base_gradient, &trail.direction);
        if trail.slope < 0.0 {
            // By slopes alone nobody would notice how far off it is.
            let furthest =
                10.0 * vector::norm(&trail.base).max(1.0) / vector::norm(&trail.direction);
            trail.begin_search(first.min(furthest));
        } else {
            trail.length = 0.0;
        }
    }

    /// Along -g from the base, no pair being left.
    fn along_gradient(&mut self, first: f64) {
        self.pairs.clear();
        vector::combine(-1.0, &self.trail.base_gradient, 0.0, &mut self.trail.direction);
        self.begin_search(first);
    }

    /// Makes the point and the gradient of this call the base.
    fn rebase(&mut self) {
        self.trail.rebase();
        self.trail.accepted = true;
    }

    /// The length of a first step from the base.
    fn first_length(&self) -> f64 {
        first_length(&self.trail.base, &self.trail.base_gradient, 0.1)
    }

    /// Begins anew at the point and with the gradient of this call.
    fn begin_anew(&mut self) {
        self.rebase();
        self.along_gradient(self.first_length());
    }

    /// Keeps the pair of the way from the base to the point of this call.
    fn push_pair(&mut self) {
        let Trail { point, base, gradient, base_gradient, .. } = &self.trail;
        self.pairs.push([point, base], [gradient, base_gradient], None);
    }

    /// The point of this call is the next iterate.
    fn accept(&mut self) {
        self.push_pair();
        let length = self.trail.length;
        self.rebase();
        self.pairs.direction(&self.trail.base_gradient, &mut self.trail.direction);
        // Along a line without curvature there is no pair; the next step goes further.
        self.begin_search(if self.pairs.is_empty() { 10.0 * length } else { 1.0 });
        let zero = self.trail.base_gradient.iter().all(|g| *g == F::zero());
        if self.trail.length == 0.0 && !zero {
            self.trail.restarts += 1;
            self.along_gradient(self.first_length());
        }
    }

    /// The next point after a trial with that slope.
    fn advance(&mut self, slope: f64) {
        let length = self.trail.length;
        match self.trail.search.advance(Sample { length, value: f64::NAN, slope }) {
            Next::Try(next) => {
                self.trail.length = next;
                self.trail.accepted = false;
            }
            Next::Accept => self.accept(),
            Next::Fail(_) => {
                self.trail.restarts += 1;
                if slope.is_finite() {
                    // The bracket has shrunk around this very point.
                    self.begin_anew();
                } else {
                    self.trail.accepted = false;
                    self.along_gradient(1e-3 * self.first_length());
                }
            }
        }
    }
}

/// Calls of `step` by gradients alone: see [`Lbfgs`].
impl<F: Scalar, L: LineSearch> Lbfgs<F, L> {
    /// Whether the gradient last given to `step` was one at an accepted iterate, rather than at a
    /// trial on the way to it.
    pub fn accepted(&self) -> bool {
        self.stepped.trail.accepted
    }

    /// How often `step` forgot its pairs for -g.
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
}

crate::optimizer::display!([L: LineSearch] Lbfgs<F, L>);

impl<F: Scalar, L: LineSearch> Optimizer<F> for Lbfgs<F, L> {
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
        let fresh = state.trail.flatten.is_none();
        let moved = state.trail.arrive(&*params, grads)?;
        if fresh {
            state.pairs.begin(state.trail.base.len(), self.memory);
        }
        if let Some(rate) = state.trail.fixed_rate {
            if state.trail.steps > 0 {
                state.push_pair();
            }
            state.rebase();
            state.pairs.direction(&state.trail.base_gradient, &mut state.trail.direction);
            state.trail.length = rate;
        } else if moved {
            state.trail.restarts += u64::from(state.trail.steps > 0);
            state.begin_anew();
        } else {
            let slope = state.trail.slope_here();
            state.advance(slope);
        }
        state.trail.leave(params, |trail| vector::norm(&trail.base_gradient))
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }

    /// The fixed rate, or the length of the last step; NaN before the first one.
    fn learning_rate(&self) -> f64 {
        self.stepped.trail.learning_rate()
    }

    /// Sets a fixed rate, as [`fixed_rate`](Lbfgs::fixed_rate) does.
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
        self.stepped = Stepped { trail: self.stepped.trail.anew(), ..Stepped::new() };
    }

    fn name(&self) -> &'static str {
        "L-BFGS"
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }
}
