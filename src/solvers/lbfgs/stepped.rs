//! L-BFGS in a loop of one's own: gradients alone, one a call.

use super::pairs::Pairs;
use super::{Lbfgs, first_length};
use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Flatten, Params, ParamsMut};
use crate::scalar::Scalar;
use crate::solvers::line_search::{LineSearch, Next, Sample, Secant};
use crate::solvers::model::zero;
use crate::state::State;
use crate::vector;

/// What is kept from one call to the next.
#[derive(Debug, Clone)]
pub(super) struct Stepped<F> {
    pub(super) search: Secant,
    pub(super) fixed_rate: Option<f64>,
    pub(super) flatten: Option<Flatten>,
    pub(super) pairs: Pairs<F>,
    /// The last accepted iterate, and the gradient there.
    pub(super) base: Vec<F>,
    pub(super) base_gradient: Vec<F>,
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
    /// gᵀd at the base.
    pub(super) slope: f64,
    /// α of the trial that the parameters are left at.
    pub(super) length: f64,
    pub(super) steps: u64,
    pub(super) restarts: u64,
    pub(super) accepted: bool,
}

impl<F: Scalar> Stepped<F> {
    pub(super) fn new() -> Self {
        Self {
            search: Secant::new().curvature(0.9),
            fixed_rate: None,
            flatten: None,
            pairs: Pairs::default(),
            base: Vec::new(),
            base_gradient: Vec::new(),
            direction: Vec::new(),
            point: Vec::new(),
            incoming: Vec::new(),
            gradient: Vec::new(),
            numbers: Numbers::default(),
        }
    }

    /// Begins a search along the direction from the base, at that length.
    fn begin_search(&mut self, first: f64) {
        self.numbers.slope = vector::dot(&self.base_gradient, &self.direction);
        let start = Sample { length: 0.0, value: f64::NAN, slope: self.numbers.slope };
        self.numbers.length =
            if self.numbers.slope < 0.0 { self.search.begin(start, first, 0.0) } else { 0.0 };
    }

    /// Along -g from the base, no pair being left.
    fn along_gradient(&mut self, first: f64) {
        self.pairs.clear();
        vector::combine(-1.0, &self.base_gradient, 0.0, &mut self.direction);
        self.begin_search(first);
    }

    /// Makes the point and the gradient of this call the base.
    fn rebase(&mut self) {
        std::mem::swap(&mut self.base, &mut self.point);
        std::mem::swap(&mut self.base_gradient, &mut self.gradient);
        self.numbers.accepted = true;
    }

    /// Begins anew at the point and with the gradient of this call.
    fn begin_anew(&mut self) {
        self.rebase();
        let first = first_length(&self.base, &self.base_gradient);
        self.along_gradient(first);
    }

    /// The point of this call is the next iterate.
    fn accept(&mut self) {
        self.pairs.push(&self.point, &self.base, &self.gradient, &self.base_gradient);
        let length = self.numbers.length;
        self.rebase();
        self.pairs.direction(&self.base_gradient, &mut self.direction);
        // Along a line without curvature there is no pair; the next step goes further.
        self.begin_search(if self.pairs.is_empty() { 10.0 * length } else { 1.0 });
        let zero = self.base_gradient.iter().all(|g| *g == F::zero());
        if self.numbers.length == 0.0 && !zero {
            self.numbers.restarts += 1;
            let first = first_length(&self.base, &self.base_gradient);
            self.along_gradient(first);
        }
    }

    /// The next point after a trial with that slope.
    fn advance(&mut self, slope: f64) {
        let length = self.numbers.length;
        match self.search.advance(Sample { length, value: f64::NAN, slope }) {
            Next::Try(next) => {
                self.numbers.length = next;
                self.numbers.accepted = false;
            }
            Next::Accept => self.accept(),
            Next::Fail(_) => {
                self.numbers.restarts += 1;
                if slope.is_finite() {
                    // The bracket has shrunk around this very point.
                    self.begin_anew();
                } else {
                    self.numbers.accepted = false;
                    let first = first_length(&self.base, &self.base_gradient);
                    self.along_gradient(1e-3 * first);
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
        self.stepped.numbers.accepted
    }

    /// How often `step` forgot its pairs for -g.
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
}

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
        let memory = self.memory;
        let state = &mut self.stepped;
        let fresh = match &state.flatten {
            Some(_) => None,
            None => Some(Flatten::of(&*params)?),
        };
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
            let dim = flatten.len();
            state.pairs.begin(dim, memory);
            for vector in
                [&mut state.base, &mut state.base_gradient, &mut state.direction, &mut state.point]
            {
                zero(vector, dim);
            }
            state.flatten = Some(flatten);
        }
        std::mem::swap(&mut state.point, &mut state.incoming);
        if let Some(rate) = state.fixed_rate {
            if state.numbers.steps > 0 {
                let Stepped { pairs, point, base, gradient, base_gradient, .. } = state;
                pairs.push(point, base, gradient, base_gradient);
            }
            state.rebase();
            state.pairs.direction(&state.base_gradient, &mut state.direction);
            state.numbers.length = rate;
        } else if moved {
            state.numbers.restarts += u64::from(state.numbers.steps > 0);
            state.begin_anew();
        } else {
            let slope = vector::dot(&state.gradient, &state.direction);
            state.advance(slope);
        }
        let length = state.numbers.length;
        vector::shifted(&state.base, length, &state.direction, &mut state.point);
        state.numbers.steps += 1;
        if let Some(flatten) = &state.flatten {
            flatten.scatter(&state.point, params)?;
        }
        let norm = || vector::norm(&state.base_gradient);
        Ok(StepInfo {
            step: state.numbers.steps,
            learning_rate: length,
            grad_norm: state.numbers.accepted.then(norm),
            ..StepInfo::default()
        })
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }

    fn learning_rate(&self) -> f64 {
        self.stepped.fixed_rate.unwrap_or(self.stepped.numbers.length)
    }

    /// Sets a fixed rate, as [`fixed_rate`](Lbfgs::fixed_rate) does.
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
        "L-BFGS"
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }
}
