//! A check of gradients against differences of values.

use std::fmt;

use super::objective::{FlatObjective, Objective, OnTree};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{Flatten, ParamsMut};
use crate::scalar::Scalar;

/// Checks an objective's gradient against its values at the parameters' values.
///
/// The elements of each leaf are taken together by the size of their part gᵢsᵢ of the slope, a group
/// for each power of ten, with sᵢ the size of the parameter. Along two pseudo-random directions d of
/// each group (the same at each call), the quotient (f(w + hd) - f(w - hd))/2h of a right gradient
/// differs from ∇fᵀd by O(h²) until rounding takes over. A row of h from 0.1 down shows where it
/// comes to rest, and how far the values can be trusted there. A group whose quotient rests at
/// another number is wrong, and its elements are looked at to name the worst. Where rounding, or
/// a function that bends too sharply, hides what the group does, the verdict is
/// [`CannotTell`](GradientVerdict::CannotTell).
///
/// sᵢ is max(|wᵢ|, 1); if that does not tell, the leaf's largest element in place of 1, and then |wᵢ|.
/// [`check_gradient_with_sizes`] takes it from you.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::check_gradient;
///
/// let mut w = array![0.5, -1.0];
/// let right = check_gradient(&mut w, &mut |w: &Array1<f64>| (w.mapv(f64::exp).sum(), w.mapv(f64::exp)))?;
/// assert!(right.is_right());
/// let wrong = check_gradient(&mut w, &mut |w: &Array1<f64>| {
///     (w.mapv(f64::exp).sum(), array![w[0].exp(), 1.1 * w[1].exp()])
/// })?;
/// let worst = wrong.worst.unwrap();
/// assert_eq!((worst.leaf.as_str(), worst.index), ("", vec![1]));
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// A parameter that is NaN or infinite, a gradient of other leaves, or what the objective returns.
/// The parameters are left as they were in any case.
///
/// Source: Nocedal & Wright, "Numerical optimization", 2006, §8.1, for the errors of differences.
pub fn check_gradient<F, P, O>(params: &mut P, objective: &mut O) -> Result<GradientCheck, Error>
where
    F: Scalar,
    P: ParamsMut<F>,
    O: Objective<F, P> + ?Sized,
{
    run(params, objective, None)
}

/// As [`check_gradient`], with the size of each parameter: the length over which f changes with it.
///
/// `sizes` are laid out by [`Flatten`], leaf by leaf.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::check_gradient_with_sizes;
///
/// let mut w = array![0.0, 2.0];
/// let mut f = |w: &Array1<f64>| {
///     ((1e12 * w[0]).sin() + w[1], array![1e12 * (1e12 * w[0]).cos(), 1.0])
/// };
/// assert!(check_gradient_with_sizes(&mut w, &mut f, &[1e-12, 1.0])?.is_right());
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// As [`check_gradient`]; and if there are not as many sizes as elements, or one is not positive and
/// finite.
pub fn check_gradient_with_sizes<F, P, O>(
    params: &mut P,
    objective: &mut O,
    sizes: &[f64],
) -> Result<GradientCheck, Error>
where
    F: Scalar,
    P: ParamsMut<F>,
    O: Objective<F, P> + ?Sized,
{
    run(params, objective, Some(sizes))
}

fn run<F, P, O>(
    params: &mut P,
    objective: &mut O,
    sizes: Option<&[f64]>,
) -> Result<GradientCheck, Error>
where
    F: Scalar,
    P: ParamsMut<F>,
    O: Objective<F, P> + ?Sized,
{
    let flatten = Flatten::of(&*params)?;
    let mut x = vec![F::zero(); flatten.len()];
    flatten.gather(&*params, &mut x)?;
    if let Some(at) = x.iter().position(|x| !x.is_finite()) {
        let (leaf, index) = flatten.locate(at).unwrap_or_default();
        let (leaf, value) = (leaf.to_owned(), x[at].into_f64());
        return Err(ErrorKind::NonFiniteParameter { leaf, index, value }.into());
    }
    if let Some(sizes) = sizes {
        if sizes.len() != x.len() {
            let (what, found, expected) = ("the sizes", sizes.len(), x.len());
            return Err(ErrorKind::Size { what, found, expected }.into());
        }
        for &size in sizes {
            Interval::POSITIVE.check::<F>("check_gradient", "sizes", size)?;
        }
    }
    let mut on_tree = OnTree { flatten: &flatten, params, objective };
    let outcome = check(&flatten, &mut on_tree, &x, sizes);
    flatten.scatter(&x, on_tree.params)?;
    outcome
}

/// What differences of values tell of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GradientVerdict {
    /// The values change as the gradient says.
    Right,
    /// They change otherwise.
    Wrong,
    /// Rounding or sharp bends hide whether they do, at every size that was tried.
    CannotTell,
}

/// What came of [`check_gradient`]. It prints as a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GradientCheck {
    /// The directions that were looked along.
    pub directions: Vec<Direction>,
    /// The element that differs most, where a direction failed.
    pub worst: Option<Worst>,
}

/// A direction of a [`GradientCheck`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Direction {
    /// The leaf whose elements it moves.
    pub leaf: String,
    /// How many of them: those whose parts of the slope are of one power of ten.
    pub elements: usize,
    /// ∇fᵀd.
    pub slope: f64,
    /// The difference quotient where it comes to rest.
    pub quotient: f64,
    /// How far that may be off.
    pub error: f64,
    /// By how many powers of h the difference falls while it is above rounding: 2 for a right
    /// gradient, 0 for a wrong one; NaN where there is nothing but rounding to see.
    pub order: f64,
    /// Whether the two agree.
    pub verdict: GradientVerdict,
}

/// The worst element of a [`GradientCheck`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Worst {
    /// The leaf's name.
    pub leaf: String,
    /// The index in it.
    pub index: Vec<usize>,
    /// The element of the gradient.
    pub gradient: f64,
    /// The difference quotient.
    pub quotient: f64,
}

impl GradientCheck {
    /// Wrong if a direction is; else whether all of them could be told.
    pub fn verdict(&self) -> GradientVerdict {
        let any = |verdict| self.directions.iter().any(|direction| direction.verdict == verdict);
        [GradientVerdict::Wrong, GradientVerdict::CannotTell]
            .into_iter()
            .find(|&verdict| any(verdict))
            .unwrap_or(GradientVerdict::Right)
    }

    /// Whether gradient and values agree along every direction.
    pub fn is_right(&self) -> bool {
        self.verdict() == GradientVerdict::Right
    }

    /// Whether gradient and values differ along a direction.
    pub fn is_wrong(&self) -> bool {
        self.verdict() == GradientVerdict::Wrong
    }
}

impl fmt::Display for GradientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>18} {:>18} {:>8} {:>6}", "gᵀd", "quotient", "error", "order")?;
        for direction in &self.directions {
            let Direction { leaf, elements, slope, quotient, error, order, verdict } = direction;
            let verdict = match verdict {
                GradientVerdict::Right => "",
                GradientVerdict::Wrong => ", differs",
                GradientVerdict::CannotTell => ", cannot be told by differences at this scale",
            };
            let leaf = if leaf.is_empty() { String::new() } else { format!(" of `{leaf}`") };
            write!(f, "{slope:>18.10e} {quotient:>18.10e} {error:>8.0e} {order:>6.1}")?;
            writeln!(f, "  {elements} elements{leaf}{verdict}")?;
        }
        if let Some(Worst { leaf, index, gradient, quotient }) = &self.worst {
            let leaf = if leaf.is_empty() { String::new() } else { format!(" of `{leaf}`") };
            writeln!(f, "worst: index {index:?}{leaf}: {gradient:e}, by differences {quotient:e}")?;
        }
        Ok(())
    }
}

/// Directions of each group.
const DIRECTIONS: usize = 2;
/// A group of no more elements than this is looked at one by one; others are halved.
const ELEMENTS: usize = 1000;

/// Elements of a leaf whose parts of the slope are of one size.
struct Group<'a> {
    leaf: &'a str,
    /// The largest |wᵢ| of the leaf.
    largest: f64,
    elements: Vec<usize>,
}

fn check<F: Scalar>(
    flatten: &Flatten,
    objective: &mut dyn FlatObjective<F>,
    x: &[F],
    sizes: Option<&[f64]>,
) -> Result<GradientCheck, Error> {
    let mut gradient = vec![F::zero(); x.len()];
    let value = objective.value_and_gradient(x, &mut gradient)?;
    let groups = groups(flatten, x, &gradient);
    let trial = x.to_vec();
    let unused = vec![F::zero(); x.len()];
    let mut probe = Probe { objective, x, gradient: &gradient, sizes, value, trial, unused };
    let (mut directions, mut worst) = (Vec::new(), None);
    let mut furthest = -1.0;
    for group in &groups {
        let before = directions.len();
        for seed in 0..DIRECTIONS {
            let look = probe.look_any(group, &group.elements, seed)?;
            directions.push(Direction {
                leaf: group.leaf.to_owned(),
                elements: group.elements.len(),
                slope: look.slope,
                quotient: look.slope + look.apart,
                error: look.error,
                order: look.order,
                verdict: look.verdict,
            });
        }
        let failed = |d: &Direction| d.verdict == GradientVerdict::Wrong;
        if directions[before..].iter().any(failed) {
            let (at, look) = probe.worst(group)?;
            let apart = if look.apart.is_nan() { f64::INFINITY } else { look.apart.abs() };
            if apart > furthest
                && let Some((leaf, index)) = flatten.locate(at)
            {
                furthest = apart;
                let g = gradient[at].into_f64();
                let quotient = (look.slope + look.apart) / look.unit;
                worst = Some(Worst { leaf: leaf.to_owned(), index, gradient: g, quotient });
            }
        }
    }
    Ok(GradientCheck { directions, worst })
}

fn groups<'a, F: Scalar>(flatten: &'a Flatten, x: &[F], gradient: &[F]) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    for (leaf, _, range) in flatten.leaves() {
        let largest = x[range.clone()].iter().fold(0.0_f64, |max, x| max.max(x.into_f64().abs()));
        let mut keyed: Vec<(i32, usize)> = range
            .map(|i| {
                let part = gradient[i].into_f64().abs() * x[i].into_f64().abs().max(1.0);
                // 0 and what is not finite have groups of their own.
                let key = match part {
                    0.0 => i32::MIN,
                    part if part.is_finite() => part.log10().floor() as i32,
                    _ => i32::MAX,
                };
                (key, i)
            })
            .collect();
        keyed.sort_unstable();
        for chunk in keyed.chunk_by(|a, b| a.0 == b.0) {
            let elements = chunk.iter().map(|&(_, i)| i).collect();
            groups.push(Group { leaf, largest, elements });
        }
    }
    groups
}

/// What a row of differences showed.
#[derive(Clone, Copy)]
struct Look {
    /// ∇fᵀd.
    slope: f64,
    /// The quotient less the slope.
    apart: f64,
    error: f64,
    order: f64,
    verdict: GradientVerdict,
    /// The length of d, if it moves one element.
    unit: f64,
}

/// A difference: h, the quotient less the slope, and the curvature times h.
struct Rung {
    h: f64,
    apart: f64,
    bend: f64,
    /// Rounding of the values, over h.
    rounding: f64,
}

struct Probe<'a, F> {
    objective: &'a mut dyn FlatObjective<F>,
    x: &'a [F],
    gradient: &'a [F],
    sizes: Option<&'a [f64]>,
    value: f64,
    trial: Vec<F>,
    unused: Vec<F>,
}

impl<F: Scalar> Probe<'_, F> {
    fn value_here(&mut self) -> Result<f64, Error> {
        if self.objective.has_value() {
            self.objective.value(&self.trial)
        } else {
            self.objective.value_and_gradient(&self.trial, &mut self.unused)
        }
    }

    /// Looks with one kind of sizes after the other, until one tells.
    fn look_any(
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
    fn worst(&mut self, group: &Group<'_>) -> Result<(usize, Look), Error> {
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
