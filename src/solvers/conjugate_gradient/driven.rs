//! Conjugate gradient with an objective.

use super::{ConjugateGradient, Products};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::solvers::descent::Descent;
use crate::solvers::halt::Halt;
use crate::solvers::line_search::{LineSearch, Next, NoLength, Sample, between};
use crate::solvers::solver::Solver;
use crate::vector;

/// What an iteration knows of the last one.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// gᵀg at the current point.
    square: f64,
    /// gᵀρ there, for the direction to come.
    slope: f64,
    /// α, the slope it began with, and f - f₋.
    length: f64,
    old_slope: f64,
    decrease: f64,
    /// Iterations since ρ was -g.
    since: u64,
    /// Searches in a row that ended without a length of their own.
    failed: u32,
}

/// Where a parabola is believed: the error of f at the trial, as a share of αφ'(0).
///
/// A trial that is good enough may be improved on; one that is not must leave less doubt.
const PARABOLA_AFTER: f64 = 3e-4;
const PARABOLA_INSTEAD: f64 = 1e-4;
/// How far from the trial the minimum may be, as a ratio.
const REACH: f64 = 1000.0;
/// The first step, relative to the parameters.
const FIRST: f64 = 0.1;
/// After so many trials that are no better, an interpolated value is doubted.
const DOUBT: u64 = 2;
/// Lengths that are tried beyond the one that a search by values has accepted.
const REFINEMENTS: u32 = 10;
/// Searches in a row that may end without a length of their own.
const FAILURES: u32 = 5;

impl<F: Scalar, L: LineSearch> Solver<F> for ConjugateGradient<F, L> {
    fn name(&self) -> &'static str {
        "ConjugateGradient"
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.direction.clear();
        self.direction.resize(descent.dim(), F::zero());
        let g = descent.gradient();
        self.driven = State { square: vector::dot(g, g), ..State::default() };
        self.along_gradient(descent);
        let (size, steepest) = (vector::norm_max(descent.x()), descent.gradient_max());
        let square = self.driven.square;
        self.driven.length = if size > 0.0 {
            // Parameters of a fit differ in size: none moves by more than itself.
            let part = |x: F| if x == F::zero() { size } else { x.into_f64().abs() };
            let pairs = descent.x().iter().zip(descent.gradient());
            let own = pairs.map(|(&x, &g)| part(x) / g.into_f64().abs());
            own.fold(FIRST * size / steepest, f64::min).max(f64::MIN_POSITIVE)
        } else if descent.value() != 0.0 {
            FIRST * descent.value().abs() / square
        } else {
            square.sqrt().recip()
        };
        self.driven.old_slope = self.driven.slope;
        self.driven.decrease = f64::NAN;
        Ok(())
    }

    fn turn(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let g = descent.gradient();
        self.driven.square = vector::dot(g, g);
        let length = descent.length();
        if length > 0.0 {
            (self.driven.length, self.driven.old_slope) = (length, self.driven.slope);
        }
        self.along_gradient(descent);
        self.driven.decrease = f64::NAN;
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        if !self.descends() || self.driven.since >= self.period(descent.dim()) {
            descent.count_restart();
            self.along_gradient(descent);
        }
        loop {
            let first = self.first_length(descent)?;
            let value = descent.value();
            match self.search(descent, first)? {
                Found::Length(slope) => {
                    self.driven.failed = 0;
                    return self.turn(descent, slope, value);
                }
                Found::Better(length) => {
                    self.driven.failed += 1;
                    if self.driven.failed > FAILURES {
                        return Err(Halt::Stuck);
                    }
                    self.driven.length = length;
                    let slope = descent.slope_along(&self.direction);
                    return self.turn(descent, slope, value);
                }
                Found::Nothing => {
                    let steepest = self.driven.since == 0;
                    let square = |g: &[F]| vector::dot(g, g);
                    if descent.confirm()? {
                        self.driven.square = square(descent.gradient());
                        self.driven.slope = descent.slope_along(&self.direction);
                    } else if steepest {
                        return Err(Halt::Stuck);
                    } else {
                        self.driven.slope = f64::NAN;
                    }
                    if !self.descends() {
                        descent.count_restart();
                        self.along_gradient(descent);
                    }
                    self.driven.old_slope = self.driven.slope;
                    self.driven.decrease = f64::NAN;
                }
            }
        }
    }
}

/// What came of a search.
enum Found {
    /// A point was accepted; the slope along ρ there.
    Length(f64),
    /// The search gave up, but a better point was tried, at this length.
    Better(f64),
    Nothing,
}

impl<F: Scalar, L: LineSearch> ConjugateGradient<F, L> {
    /// Whether ρ descends, more than by rounding; NaN does not.
    fn descends(&self) -> bool {
        self.driven.slope <= -1e-10 * self.driven.square
    }

    /// ρ = -g.
    fn along_gradient(&mut self, descent: &Descent<'_, F>) {
        vector::combine(-1.0, descent.gradient(), 0.0, &mut self.direction);
        self.driven.slope = -self.driven.square;
        self.driven.since = 0;
    }

    /// The first length to try.
    fn first_length(&mut self, descent: &mut Descent<'_, F>) -> Result<f64, Halt> {
        if descent.has_hessian_vector() {
            let curvature = self.curvature(descent)?;
            let exact = -self.driven.slope / curvature;
            if curvature > 0.0 && exact.is_finite() {
                return Ok(exact);
            }
        }
        let State { slope, length, old_slope, decrease, .. } = self.driven;
        // As much decrease at first order as the last step had, and as much as it was.
        let by_slope = length * (old_slope / slope).clamp(0.25, 4.0);
        let by_decrease = 2.0 * decrease / slope;
        if by_decrease > 0.0 {
            let (low, high) = (0.1 * by_slope.min(length), 10.0 * by_slope.max(length));
            Ok((by_slope * between(by_decrease, low, high)).sqrt())
        } else {
            Ok(by_slope)
        }
    }

    fn search(&mut self, descent: &mut Descent<'_, F>, first: f64) -> Result<Found, Halt> {
        let start = Sample { length: 0.0, value: descent.value(), slope: self.driven.slope };
        let mut length = self.search.begin(start, first, descent.noise());
        let (mut better, mut least) = (None, start.value);
        for trial in 0_u64.. {
            let sample = if self.search.needs_slope() {
                descent.try_length(length, &self.direction)?
            } else {
                let (length, value) = descent.try_value(length, &self.direction)?;
                Sample { length, value, slope: f64::NAN }
            };
            // A wall may have stopped it.
            length = sample.length;
            if sample.value < least {
                (better, least) = (Some(length), sample.value);
            }
            let next = self.search.advance(sample);
            let accepted = next == Next::Accept;
            if self.interpolate
                && (accepted || trial == 0)
                && let Some(ratio) = minimum_of_parabola(start, sample, accepted)
                && descent.stays_inside(ratio * length, &self.direction)
            {
                descent.accept_minimum(ratio, length, &self.direction, start.slope)?;
                self.driven.length = ratio * length;
                return Ok(Found::Length(0.0));
            }
            match next {
                // An interpolated value that is too low cannot be got below.
                Next::Try(_) if trial >= DOUBT && better.is_none() && descent.is_predicted() => {
                    break;
                }
                Next::Try(next) => length = next,
                Next::Accept if !descent.falls() => break,
                Next::Accept if sample.slope.is_nan() => {
                    let length = self.refine(descent, start, sample)?;
                    if !descent.accept_best(length)? {
                        descent.try_length(length, &self.direction)?;
                        descent.accept(length);
                    }
                    self.driven.length = length;
                    return Ok(Found::Length(descent.slope_along(&self.direction)));
                }
                Next::Accept => {
                    descent.accept(length);
                    self.driven.length = length;
                    return Ok(Found::Length(sample.slope));
                }
                Next::Fail(NoLength::NotDescent) => break,
                Next::Fail(_) => {
                    if let Some(length) = better
                        && descent.accept_best(length)?
                    {
                        return Ok(Found::Better(length));
                    }
                    break;
                }
            }
        }
        Ok(Found::Nothing)
    }

    /// Goes on from a length that a search by values has accepted to the minimum of the parabola, or
    /// further while f falls: conjugate directions want a good one.
    fn refine(
        &self,
        descent: &mut Descent<'_, F>,
        start: Sample,
        accepted: Sample,
    ) -> Result<f64, Halt> {
        let (mut length, mut value) = (accepted.length, accepted.value);
        for _ in 0..REFINEMENTS {
            let bend = value - start.value - length * start.slope;
            let parabola = -0.5 * start.slope * length * length / bend;
            let furthest = 4.0 * length;
            let next =
                if bend > 0.0 { between(parabola, 0.1 * length, furthest) } else { furthest };
            if (next - length).abs() <= 0.1 * length {
                break;
            }
            let (next, there) = descent.try_value(next, &self.direction)?;
            if there.is_nan() || there >= value {
                break;
            }
            (length, value) = (next, there);
        }
        Ok(length)
    }

    /// The next direction, after a step that ended with that slope along the old one.
    fn turn(&mut self, descent: &Descent<'_, F>, slope: f64, value: f64) -> Result<(), Halt> {
        let state = &mut self.driven;
        let (square, cross) = vector::square_and_dot(descent.gradient(), descent.trial_gradient());
        let products =
            Products { old_square: state.square, square, cross, old_slope: state.slope, slope };
        let direction = &mut self.direction;
        let beta = self.beta.of(products, || vector::dot(direction, direction));
        vector::combine(-1.0, descent.gradient(), beta, direction);
        state.decrease = descent.value() - value;
        state.old_slope = state.slope;
        state.square = square;
        state.slope = beta * slope - square;
        state.since = if beta == 0.0 { 0 } else { state.since + 1 };
        Ok(())
    }

    /// ρᵀHρ.
    fn curvature(&mut self, descent: &mut Descent<'_, F>) -> Result<f64, Halt> {
        let mut product = std::mem::take(&mut self.product);
        product.resize(descent.dim(), F::zero());
        let outcome = descent.hessian_vector(&self.direction, &mut product);
        let curvature = vector::dot(&self.direction, &product);
        self.product = product;
        outcome.map(|()| curvature)
    }
}

/// Where the parabola by value and slope at 0 and the slope at the trial has its minimum, as a
/// multiple of the trial, if the value there agrees with it.
fn minimum_of_parabola(start: Sample, trial: Sample, accepted: bool) -> Option<f64> {
    let bend = trial.slope - start.slope;
    let ratio = -start.slope / bend;
    let scale = (trial.length * start.slope).abs();
    let error = trial.value - start.value - 0.5 * trial.length * (start.slope + trial.slope);
    let allowed = if accepted { PARABOLA_AFTER } else { PARABOLA_INSTEAD * ratio.min(1.0 / ratio) };
    let there = trial.slope.abs() <= 1e-10 * start.slope.abs();
    let near = ratio > 1.0 / REACH && ratio < REACH;
    (near && !there && error.abs() <= allowed * scale).then_some(ratio)
}
