//! Conjugate gradient in a loop of one's own: gradients alone, one a call.

use super::{Beta, ConjugateGradient, Products};
use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Flatten, Params, ParamsMut};
use crate::scalar::Scalar;
use crate::solvers::line_search::{LineSearch, Next, Sample, Secant};
use crate::state::State;
use crate::vector;

/// What is kept from one call to the next.
#[derive(Debug, Clone)]
pub(super) struct Stepped<F> {
    pub(super) search: Secant,
    pub(super) fixed_rate: Option<f64>,
    pub(super) flatten: Option<Flatten>,
    /// The last accepted iterate, and the gradient there.
    pub(super) base: Vec<F>,
    pub(super) base_gradient: Vec<F>,
    /// ρ.
    pub(super) direction: Vec<F>,
    /// Where the parameters were left.
    pub(super) point: Vec<F>,
    /// The parameters and the gradient of this call.
    pub(super) incoming: Vec<F>,
    pub(super) gradient: Vec<F>,
    pub(super) numbers: Numbers,
}

/// The part of it that is numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    /// gᵀg at the base, and gᵀρ.
    pub(super) square: f64,
    pub(super) slope: f64,
    /// α of the trial that the parameters are left at.
    pub(super) length: f64,
    /// Iterations since ρ was -g.
    pub(super) since: u64,
    pub(super) steps: u64,
    pub(super) restarts: u64,
    pub(super) accepted: bool,
}

impl<F: Scalar> Stepped<F> {
    pub(super) fn new() -> Self {
        Self {
            search: Secant::new(),
            fixed_rate: None,
            flatten: None,
            base: Vec::new(),
            base_gradient: Vec::new(),
            direction: Vec::new(),
            point: Vec::new(),
            incoming: Vec::new(),
            gradient: Vec::new(),
            numbers: Numbers::default(),
        }
    }

    /// ρ = -g at the base.
    fn along_gradient(&mut self) {
        vector::combine(-1.0, &self.base_gradient, 0.0, &mut self.direction);
        self.numbers.slope = -self.numbers.square;
        self.numbers.since = 0;
    }

    /// Makes the point and the gradient of this call the base.
    fn rebase(&mut self) {
        std::mem::swap(&mut self.base, &mut self.point);
        std::mem::swap(&mut self.base_gradient, &mut self.gradient);
    }

    /// Begins a search at that length.
    fn begin_search(&mut self, length: f64) {
        let start = Sample { length: 0.0, value: f64::NAN, slope: self.numbers.slope };
        self.numbers.length = self.search.begin(start, length, 0.0);
    }

    /// Begins anew at the point and with the gradient of this call.
    fn begin_anew(&mut self, length: Option<f64>) {
        self.rebase();
        let (square, largest) = vector::dot_and_max(&self.base_gradient, &self.base_gradient);
        self.numbers.square = square;
        self.along_gradient();
        let length = length.unwrap_or_else(|| {
            let size = vector::norm_max(&self.base);
            if largest == 0.0 {
                0.0
            } else if size > 0.0 {
                0.01 * size / largest
            } else {
                square.sqrt().recip()
            }
        });
        self.begin_search(length);
        self.numbers.accepted = true;
    }

    /// A step of that length, whatever comes of it.
    fn move_by(&mut self, rate: f64, beta: Beta) {
        let (square, cross) = vector::square_and_dot(&self.gradient, &self.base_gradient);
        let old = self.numbers;
        let (mut share, mut slope) = (0.0, 0.0);
        if old.square > 0.0 {
            slope = vector::dot(&self.gradient, &self.direction);
            let products =
                Products { old_square: old.square, square, cross, old_slope: old.slope, slope };
            share = beta.of(products, || vector::dot(&self.direction, &self.direction));
        }
        vector::combine(-1.0, &self.gradient, share, &mut self.direction);
        self.rebase();
        self.numbers = Numbers {
            square,
            slope: share * slope - square,
            length: rate,
            since: if share == 0.0 { 0 } else { old.since + 1 },
            accepted: true,
            ..old
        };
        if self.numbers.slope > 0.0 {
            self.along_gradient();
            self.numbers.restarts += 1;
        }
    }

    /// Writes the next trial.
    fn place(&mut self) {
        vector::shifted(&self.base, self.numbers.length, &self.direction, &mut self.point);
    }
}

/// Calls of `step` by gradients alone: see [`ConjugateGradient`].
impl<F: Scalar, L: LineSearch> ConjugateGradient<F, L> {
    /// Whether the gradient last given to `step` was one at an accepted iterate, rather than at a
    /// trial on the way to it.
    pub fn accepted(&self) -> bool {
        self.stepped.numbers.accepted
    }

    /// How often `step` gave up a direction for -g.
    pub fn restarts(&self) -> u64 {
        self.stepped.numbers.restarts
    }

    /// Puts the parameters back to the last accepted iterate: each is below the one before along its
    /// direction, as far as slopes can tell. With a fixed rate, or before the first step, they stay.
    ///
    /// # Errors
    /// If the leaves are not those of the steps; the parameters are then as they were.
    pub fn settle(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let state = &self.stepped;
        match (&state.flatten, state.fixed_rate) {
            (Some(flatten), None) => flatten.scatter(&state.base, params),
            _ => Ok(()),
        }
    }

    /// The next point after a trial with that slope.
    fn advance(&mut self, slope: f64) {
        let period = self.period(self.stepped.base.len());
        let state = &mut self.stepped;
        let length = state.numbers.length;
        let next = state.search.advance(Sample { length, value: f64::NAN, slope });
        state.numbers.accepted = next == Next::Accept;
        match next {
            Next::Try(next) => state.numbers.length = next,
            Next::Accept => {
                let (square, cross) = vector::square_and_dot(&state.gradient, &state.base_gradient);
                let old = state.numbers;
                let products =
                    Products { old_square: old.square, square, cross, old_slope: old.slope, slope };
                let direction = &mut state.direction;
                let beta = self.beta.of(products, || vector::dot(direction, direction));
                vector::combine(-1.0, &state.gradient, beta, direction);
                state.rebase();
                state.numbers.square = square;
                state.numbers.slope = beta * slope - square;
                state.numbers.since = if beta == 0.0 { 0 } else { old.since + 1 };
                // NaN is not a descent either.
                let descends = state.numbers.slope <= -1e-10 * square;
                if !descends || state.numbers.since >= period {
                    state.along_gradient();
                    state.numbers.restarts += u64::from(square > 0.0);
                }
                let ratio = old.slope / state.numbers.slope;
                let first = if square > 0.0 { length * ratio.clamp(0.1, 10.0) } else { 0.0 };
                state.begin_search(first);
            }
            Next::Fail(_) => {
                state.numbers.restarts += 1;
                if slope.is_finite() {
                    // The bracket has shrunk around this very point.
                    state.begin_anew(Some(length));
                } else {
                    state.along_gradient();
                    state.begin_search(1e-3 * length);
                }
            }
        }
    }
}

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
        let fresh = match &self.stepped.flatten {
            Some(_) => None,
            None => Some(Flatten::of(&*params)?),
        };
        let state = &mut self.stepped;
        let Some(flatten) = fresh.as_ref().or(state.flatten.as_ref()) else {
            return Err(ErrorKind::NoLeaves.into());
        };
        state.incoming.resize(flatten.len(), F::zero());
        state.gradient.resize(flatten.len(), F::zero());
        flatten.gather(&*params, &mut state.incoming)?;
        flatten.gather_as(grads, Tree::Gradients, &mut state.gradient)?;
        let moved = fresh.is_some() || state.incoming != state.point;
        let on_trial = !moved && state.fixed_rate.is_none();
        if !on_trial && let Some(at) = state.gradient.iter().position(|g| !g.is_finite()) {
            let (leaf, index) = flatten.locate(at).unwrap_or_default();
            let (leaf, value) = (leaf.to_owned(), state.gradient[at].into_f64());
            return Err(ErrorKind::NonFiniteGradient { leaf, index, value }.into());
        }
        // Nothing fails from here on.
        if let Some(flatten) = fresh {
            for vector in
                [&mut state.base, &mut state.base_gradient, &mut state.direction, &mut state.point]
            {
                vector.resize(flatten.len(), F::zero());
            }
            state.flatten = Some(flatten);
        }
        std::mem::swap(&mut state.point, &mut state.incoming);
        if let Some(rate) = state.fixed_rate {
            state.move_by(rate, self.beta);
        } else if moved {
            let known = (state.numbers.steps > 0).then_some(state.numbers.length);
            state.numbers.restarts += u64::from(known.is_some());
            state.begin_anew(known);
        } else {
            let slope = vector::dot(&state.gradient, &state.direction);
            self.advance(slope);
        }
        let state = &mut self.stepped;
        state.place();
        state.numbers.steps += 1;
        if let Some(flatten) = &state.flatten {
            flatten.scatter(&state.point, params)?;
        }
        Ok(StepInfo {
            step: state.numbers.steps,
            learning_rate: state.numbers.length,
            grad_norm: state.numbers.accepted.then(|| state.numbers.square.sqrt()),
            ..StepInfo::default()
        })
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }

    fn learning_rate(&self) -> f64 {
        self.stepped.fixed_rate.unwrap_or(self.stepped.numbers.length)
    }

    /// Sets a fixed rate, as [`fixed_rate`](ConjugateGradient::fixed_rate) does.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let allowed = Interval::NON_NEGATIVE.check::<F>("", "", learning_rate);
        if allowed.is_err() {
            let step = self.stepped.numbers.steps + 1;
            return Err(ErrorKind::LearningRate { value: learning_rate, step }.into());
        }
        self.stepped.fixed_rate = Some(learning_rate);
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.stepped.numbers.steps
    }

    fn skipped(&self) -> u64 {
        0
    }

    fn reset(&mut self) {
        let Stepped { search, fixed_rate, .. } = &self.stepped;
        self.stepped =
            Stepped { search: search.clone(), fixed_rate: *fixed_rate, ..Stepped::new() };
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
