//! Rows of differences, and what they show.

use super::{DIRECTIONS, GradientVerdict, Group};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::solvers::objective::FlatObjective;

/// A group of no more elements than this is looked at one by one; others are halved.
const ELEMENTS: usize = 1000;

/// What a row of differences showed.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// ∇fᵀd.
    pub(super) slope: f64,
    /// The quotient less the slope.
    pub(super) apart: f64,
    pub(super) error: f64,
    pub(super) order: f64,
    pub(super) verdict: GradientVerdict,
    /// The length of d, if it moves one element.
    pub(super) unit: f64,
}

/// A difference: h, the quotient less the slope, and the curvature times h.
struct Rung {
    h: f64,
    apart: f64,
    bend: f64,
    /// Rounding of the values, over h.
    rounding: f64,
}

/// Differences of values around a point.
pub(super) struct Probe<'a, F> {
    objective: &'a mut dyn FlatObjective<F>,
    x: &'a [F],
    gradient: &'a [F],
    sizes: Option<&'a [f64]>,
    value: f64,
    trial: Vec<F>,
    unused: Vec<F>,
}

impl<'a, F: Scalar> Probe<'a, F> {
    pub(super) fn new(
        objective: &'a mut dyn FlatObjective<F>,
        x: &'a [F],
        gradient: &'a [F],
        sizes: Option<&'a [f64]>,
        value: f64,
    ) -> Self {
        let (trial, unused) = (x.to_vec(), vec![F::zero(); x.len()]);
        Self { objective, x, gradient, sizes, value, trial, unused }
    }

    fn value_here(&mut self) -> Result<f64, Error> {
        if self.objective.has_value() {
            self.objective.value(&self.trial)
        } else {
            self.objective.value_and_gradient(&self.trial, &mut self.unused)
        }
    }

    /// Looks with one kind of sizes after the other, until one tells.
    pub(super) fn look_any(
        &mut self,
        group: &Group<'_>,
        elements: &[usize],
        seed: usize,
    ) -> Result<Look, Error> {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * seed as u64 + 1);
        // In ±[½, 1): errors of one size do not cancel.
        let signs: Vec<f64> = elements
            .iter()
            .map(|_| {
                bits ^= bits << 13;
                bits ^= bits >> 7;
                bits ^= bits << 17;
                let length = 0.5 + (bits >> 12) as f64 / (1_u64 << 53) as f64;
                if bits & 1 == 0 { length } else { -length }
            })
            .collect();
        if let Some(sizes) = self.sizes {
            let steps: Vec<f64> = elements.iter().zip(&signs).map(|(&i, s)| s * sizes[i]).collect();
            return self.look(elements, &steps);
        }
        let usual = if group.largest > 0.0 { group.largest } else { 1.0 };
        let mut first = None;
        for least in [1.0, usual, 0.0] {
            let steps: Vec<f64> = elements
                .iter()
                .zip(&signs)
                .map(|(&i, sign)| {
                    let own = self.x[i].into_f64().abs().max(least);
                    sign * if own > 0.0 { own } else { usual }
                })
                .collect();
            let look = self.look(elements, &steps)?;
            if look.verdict != GradientVerdict::CannotTell {
                return Ok(look);
            }
            first = first.or(Some(look));
        }
        Ok(first.unwrap_or(Look::NOTHING))
    }

    /// The element that differs most.
    pub(super) fn worst(&mut self, group: &Group<'_>) -> Result<(usize, Look), Error> {
        let mut elements = group.elements.clone();
        while elements.len() > ELEMENTS {
            // The half that is further off.
            let right = elements.split_off(elements.len() / 2);
            let mut apart = [0.0_f64; 2];
            for (half, apart) in [&elements, &right].into_iter().zip(&mut apart) {
                for seed in 0..DIRECTIONS {
                    let look = self.look_any(group, half, seed)?;
                    let wrong = look.verdict == GradientVerdict::Wrong;
                    *apart = apart.max(if wrong { look.apart.abs() } else { 0.0 });
                }
            }
            if apart[1] > apart[0] {
                elements = right;
            }
        }
        let mut worst: Option<(usize, Look)> = None;
        for at in elements {
            let look = self.look_any(group, &[at], 0)?;
            let key = |look: &Look| {
                let apart = if look.apart.is_nan() { f64::INFINITY } else { look.apart.abs() };
                (look.verdict == GradientVerdict::Wrong, apart)
            };
            if worst.as_ref().is_none_or(|(_, worst)| key(&look) > key(worst)) {
                worst = Some((at, look));
            }
        }
        Ok(worst.unwrap_or((group.elements[0], Look::NOTHING)))
    }

    /// The difference at h, of steps that x ± h·step has without rounding; `None` if nothing moves.
    fn rung(&mut self, elements: &[usize], steps: &[f64], h: f64) -> Result<Option<Rung>, Error> {
        let mut moved: Vec<F> = Vec::with_capacity(elements.len());
        // What a rounding of the parameters themselves changes is that times ε.
        let (mut linear, mut through) = (0.0, 0.0);
        for (&i, step) in elements.iter().zip(steps) {
            let (x, step) = (self.x[i], F::from_f64(h * step));
            let twice = x.abs() + x.abs();
            let step =
                if step < F::zero() { twice - (twice - step) } else { (twice + step) - twice };
            let g = self.gradient[i].into_f64();
            if g.is_finite() {
                linear += g * step.into_f64();
                through += (g * x.into_f64()).abs();
            }
            moved.push(step);
        }
        if moved.iter().all(|step| *step == F::zero()) {
            return Ok(None);
        }
        for (&i, &step) in elements.iter().zip(&moved) {
            self.trial[i] = self.x[i] + step;
        }
        let up = self.value_here();
        for (&i, &step) in elements.iter().zip(&moved) {
            self.trial[i] = self.x[i] - step;
        }
        let down = up.and_then(|up| Ok((up, self.value_here()?)));
        for &i in elements {
            self.trial[i] = self.x[i];
        }
        let (up, down) = down?;
        let size = up.abs().max(down.abs()).max(self.value.abs());
        // Values that single precision holds were computed in it.
        let single = [up, down, self.value].iter().all(|v| f64::from(*v as f32) == *v);
        let precision =
            if single && F::NAME == "f32" { F::epsilon().into_f64() } else { f64::EPSILON };
        let apart = ((up - down) / 2.0 - linear) / h;
        let bend = ((up - self.value) + (down - self.value)).abs() / h;
        Ok(Some(Rung { h, apart, bend, rounding: 8.0 * precision * (size + through) / h }))
    }

    fn look(&mut self, elements: &[usize], steps: &[f64]) -> Result<Look, Error> {
        let slope = |(&i, step): (&usize, &f64)| self.gradient[i].into_f64() * step;
        let slope: f64 = elements.iter().zip(steps).map(slope).sum();
        let unit = if let [step] = steps { *step } else { 1.0 };
        let single = F::NAME == "f32";
        let (ratio, count) = if single { (10_f64.sqrt(), 10) } else { (10.0, 11) };
        let tolerance = if single { 3e-4 } else { 1e-6 } * slope.abs();
        let mut rungs: Vec<Rung> = Vec::new();
        let mut h = 0.1;
        for _ in 0..count {
            let Some(rung) = self.rung(elements, steps, h)? else { break };
            h /= ratio;
            if !rung.apart.is_finite() {
                continue;
            }
            let close = rung.apart.abs() <= tolerance && rung.rounding <= tolerance;
            // Close by chance alone, unless it came closer or has been close.
            let closer = rungs.last().is_none_or(|last| last.apart.abs() >= rung.apart.abs());
            rungs.push(rung);
            if close && closer && rungs.len() > 1 {
                let (apart, error) = (rungs[rungs.len() - 1].apart, tolerance);
                let (order, verdict) = (order(&rungs), GradientVerdict::Right);
                return Ok(Look { slope, apart, error, order, verdict, unit });
            }
        }
        let order = order(&rungs);
        let still = rungs.iter().all(|rung| rung.apart == 0.0 && rung.bend == 0.0);
        if !slope.is_finite() {
            let apart = rungs.iter().rev().map(|rung| rung.apart).find(|x| x.is_finite());
            let apart = apart.unwrap_or(f64::NAN) - slope;
            let (error, verdict) = (f64::NAN, GradientVerdict::Wrong);
            return Ok(Look { slope, apart, error, order, verdict, unit });
        }
        if rungs.len() < 3 {
            let (apart, error, verdict) = (f64::NAN, f64::INFINITY, GradientVerdict::CannotTell);
            return Ok(Look { slope, apart, error, order, verdict, unit });
        }
        // Rounding grows as 1/h: the lesser differences show how large that of the values is.
        let scatter = rungs[rungs.len() / 2..]
            .windows(2)
            .map(|pair| (pair[1].apart - pair[0].apart).abs() * pair[0].h)
            .fold(0.0, f64::max);
        let errors: Vec<f64> = (1..rungs.len())
            .map(|k| {
                let falls = (rungs[k].apart - rungs[k - 1].apart).abs();
                let next =
                    rungs.get(k + 1).map_or(falls, |next| (next.apart - rungs[k].apart).abs());
                let truncation = (3.0 * falls / (ratio * ratio - 1.0)).max(next);
                truncation + rungs[k].rounding.max(scatter / rungs[k].h)
            })
            .collect();
        let best = (0..errors.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap_or(0);
        let (apart, error) = (rungs[best + 1].apart, errors[best]);
        // By how much the slope changes over steps of that size: where it is 0, that is the measure.
        let natural = rungs[best].bend.max(rungs[best + 1].bend);
        let size = slope.abs().max((slope + apart).abs());
        let clear = error <= 0.03 * size || error <= 1e-4 * natural || still;
        // Where a function bends within h, the quotient may rest at a number that is none of its
        // slopes: then less h move it, by more than rounding.
        let mut less = rungs[best + 1..].iter();
        let error = error + 8.0 * F::epsilon().into_f64() * slope.abs();
        let rests = less.all(|rung| (rung.apart - apart).abs() <= error + 3.0 * rung.rounding);
        let verdict = if rests && apart.abs() > tolerance.max(8.0 * error) {
            GradientVerdict::Wrong
        } else if clear && apart.abs() <= tolerance.max(3.0 * error) {
            GradientVerdict::Right
        } else {
            GradientVerdict::CannotTell
        };
        Ok(Look { slope, apart, error, order, verdict, unit })
    }
}

impl Look {
    const NOTHING: Self = Self {
        slope: 0.0,
        apart: f64::NAN,
        error: f64::INFINITY,
        order: f64::NAN,
        verdict: GradientVerdict::CannotTell,
        unit: 1.0,
    };
}

/// The power of h by which differences that stand clear of rounding fall.
fn order(rungs: &[Rung]) -> f64 {
    let clear: Vec<&Rung> =
        rungs.iter().filter(|rung| rung.apart.abs() > 16.0 * rung.rounding).collect();
    match (clear.first(), clear.last()) {
        (Some(first), Some(last)) if last.h < first.h => {
            (first.apart / last.apart).abs().ln() / (first.h / last.h).ln()
        }
        _ => f64::NAN,
    }
}
