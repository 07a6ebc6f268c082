//! Gradients by differences of values, and a check of gradients against them.

use std::fmt;

use super::objective::{FlatMut, FlatObjective, Objective, OnTree};
use crate::error::{Error, ErrorKind};
use crate::params::{Flatten, ParamsMut};
use crate::scalar::Scalar;
use crate::vector;

/// An objective made of values alone: ∂f/∂wᵢ ≈ (f(w + hᵢeᵢ) - f(w - hᵢeᵢ)) / 2hᵢ.
///
/// hᵢ = ε^(1/3)·max(1, |wᵢ|), with ε the precision of the parameters: the error is about ε^(2/3) of
/// f. Each gradient takes 2n values, which the report does not count one by one: it counts the
/// gradient as one evaluation. Expect max|∇f| ≤ 1e-6 to be within reach for f of the size of 1, and
/// not much less.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{CentralDifferences, ConjugateGradient, Stop, minimize};
///
/// let mut objective = CentralDifferences::new(|w: &Array1<f64>| (w[0] - 3.0).powi(2) + w[1].powi(4));
/// let mut w = array![0.0, 1.0];
/// minimize(&mut ConjugateGradient::new(), &mut w, &mut objective, Stop::default())?;
/// assert!((w[0] - 3.0).abs() < 1e-5);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// The parameters are cloned once, to have a tree to vary; a tree of views cannot be.
#[derive(Debug, Clone)]
pub struct CentralDifferences<C, P> {
    value: C,
    varied: Option<P>,
}

impl<C, P: Clone> CentralDifferences<C, P> {
    /// The value f(w).
    pub fn new<V>(value: C) -> Self
    where
        C: FnMut(&P) -> V,
    {
        Self { value, varied: None }
    }
}

impl<F, P, C, V> Objective<F, P> for CentralDifferences<C, P>
where
    F: Scalar,
    P: ParamsMut<F> + Clone,
    C: FnMut(&P) -> V,
    V: Into<f64>,
{
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        let flatten = gradient.flatten();
        let varied = self.varied.insert(params.clone());
        // The gradient's own memory holds the point, whose elements are needed one by one.
        let g = gradient.as_mut_slice();
        flatten.gather(params, g)?;
        let mut x = g.to_vec();
        for i in 0..x.len() {
            let at = x[i];
            let h = F::epsilon().cbrt() * at.abs().max(F::one());
            let (above, below) = (at + h, at - h);
            x[i] = above;
            flatten.scatter(&x, varied)?;
            let up: f64 = (self.value)(varied).into();
            x[i] = below;
            flatten.scatter(&x, varied)?;
            let down: f64 = (self.value)(varied).into();
            x[i] = at;
            // The distance as it was rounded.
            g[i] = F::from_f64((up - down) / (above.into_f64() - below.into_f64()));
        }
        Ok((self.value)(params).into())
    }

    fn has_value(&self) -> bool {
        true
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        Ok((self.value)(params).into())
    }
}

/// Checks an objective's gradient against its values at the parameters' values.
///
/// Along several directions d (pseudo-random ones, the same at each call, and -∇f), the difference
/// quotient (f(w + hd) - f(w - hd))/2h of a right gradient differs from ∇fᵀd by O(h²) until rounding
/// takes over: for a row of h, the check looks at how the difference shrinks, and at what two quotients
/// extrapolate to. Where it does not agree, the elements are checked one by one to name the worst (all of them, or a thousand spread evenly).
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
pub fn check_gradient<F, P, O>(params: &mut P, objective: &mut O) -> Result<GradientCheck, Error>
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
    let mut on_tree = OnTree { flatten: &flatten, params, objective };
    let outcome = check(&flatten, &mut on_tree, &x);
    flatten.scatter(&x, on_tree.params)?;
    outcome
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
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Direction {
    /// ∇fᵀd.
    pub slope: f64,
    /// The difference quotient that comes closest to it.
    pub quotient: f64,
    /// By how many powers of h the difference falls while it is above rounding: 2 for a right
    /// gradient, 0 for a wrong one; NaN where there is nothing but rounding to see.
    pub order: f64,
    /// Whether the two agree.
    pub agrees: bool,
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
    /// Whether gradient and values agree along every direction.
    pub fn is_right(&self) -> bool {
        self.directions.iter().all(|direction| direction.agrees)
    }
}

impl fmt::Display for GradientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>18} {:>18} {:>6}", "gᵀd", "quotient", "order")?;
        for Direction { slope, quotient, order, agrees } in &self.directions {
            let verdict = if *agrees { "" } else { "  differs" };
            writeln!(f, "{slope:>18.10e} {quotient:>18.10e} {order:>6.1}{verdict}")?;
        }
        if let Some(Worst { leaf, index, gradient, quotient }) = &self.worst {
            let leaf = if leaf.is_empty() { String::new() } else { format!(" of `{leaf}`") };
            writeln!(f, "worst: index {index:?}{leaf}: {gradient:e}, by differences {quotient:e}")?;
        }
        Ok(())
    }
}

/// Pseudo-random directions beside -∇f.
const RANDOM: u64 = 4;
/// Elements that are checked one by one at most.
const ELEMENTS: usize = 1000;

fn check<F: Scalar>(
    flatten: &Flatten,
    objective: &mut dyn FlatObjective<F>,
    x: &[F],
) -> Result<GradientCheck, Error> {
    let dim = x.len();
    let mut gradient = vec![F::zero(); dim];
    let value = objective.value_and_gradient(x, &mut gradient)?;
    let mut probe = Probe {
        objective,
        x,
        value,
        size: vector::norm_max(x).max(1.0),
        trial: vec![F::zero(); dim],
        unused: vec![F::zero(); dim],
    };
    let mut directions = Vec::new();
    let mut d = vec![F::zero(); dim];
    for seed in 0..=RANDOM {
        if seed == RANDOM {
            let largest = vector::norm_max(&gradient);
            if !(largest > 0.0 && largest.is_finite()) {
                break;
            }
            vector::combine(-1.0 / largest, &gradient, 0.0, &mut d);
        } else {
            let mut bits = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * seed + 1);
            for d in &mut d {
                bits ^= bits << 13;
                bits ^= bits >> 7;
                bits ^= bits << 17;
                *d = F::from_f64((bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0);
            }
        }
        directions.push(probe.look_along(&d, vector::dot(&gradient, &d))?);
    }
    let mut worst = None;
    if directions.iter().any(|direction| !direction.agrees) {
        let mut largest = 0.0;
        d.fill(F::zero());
        for at in (0..dim).step_by(dim.div_ceil(ELEMENTS).max(1)) {
            d[at] = F::one();
            let g = gradient[at].into_f64();
            let Direction { quotient, .. } = probe.look_along(&d, g)?;
            d[at] = F::zero();
            let difference = (g - quotient).abs();
            if (difference > largest || difference.is_nan())
                && let Some((leaf, index)) = flatten.locate(at)
            {
                largest = if difference.is_nan() { f64::INFINITY } else { difference };
                worst = Some(Worst { leaf: leaf.to_owned(), index, gradient: g, quotient });
            }
        }
    }
    Ok(GradientCheck { directions, worst })
}

struct Probe<'a, F> {
    objective: &'a mut dyn FlatObjective<F>,
    x: &'a [F],
    value: f64,
    size: f64,
    trial: Vec<F>,
    unused: Vec<F>,
}

impl<F: Scalar> Probe<'_, F> {
    fn value_at(&mut self, length: f64, d: &[F]) -> Result<f64, Error> {
        vector::shifted(self.x, length, d, &mut self.trial);
        if self.objective.has_value() {
            self.objective.value(&self.trial)
        } else {
            self.objective.value_and_gradient(&self.trial, &mut self.unused)
        }
    }

    /// Quotients for a row of h = 10^-k, against the slope.
    fn look_along(&mut self, d: &[F], slope: f64) -> Result<Direction, Error> {
        let precision = F::epsilon().into_f64();
        let mut quotient = f64::NAN;
        let mut closest = f64::INFINITY;
        // Differences that stand clear of rounding, the largest h first.
        let mut clear: Vec<(f64, f64)> = Vec::new();
        let mut agrees = false;
        let mut previous = f64::NAN;
        let steps = if F::NAME == "f32" { 1..=5 } else { 1..=9 };
        for k in steps {
            let h = self.size * 10_f64.powf(-0.5 * f64::from(k) - 0.5);
            let (up, down) = (self.value_at(h, d)?, self.value_at(-h, d)?);
            let q = (up - down) / (2.0 * h);
            let error = (q - slope).abs();
            // h falls by √10 and its square by 10: the two quotients' error of second order cancels,
            // which a function that bends within the least h needs.
            let extrapolated = q + (q - previous) / 9.0;
            previous = q;
            // Values carry an error of some units, and so do the points they are taken at.
            let size = up.abs().max(down.abs()).max(self.value.abs());
            let rounding =
                16.0 * precision * (size / h + slope.abs() * self.size / h + slope.abs());
            for q in [q, extrapolated] {
                let error = (q - slope).abs();
                if error < closest {
                    (quotient, closest) = (q, error);
                }
                if error <= 1e-6_f64.max(precision.sqrt()) * slope.abs() || error <= rounding {
                    agrees = true;
                }
            }
            if error > 4.0 * rounding && error.is_finite() {
                clear.push((h, error));
            }
        }
        let order = match (clear.first(), clear.last()) {
            (Some(&(h, e)), Some(&(h_last, e_last))) if h_last < h => {
                (e / e_last).ln() / (h / h_last).ln()
            }
            _ => f64::NAN,
        };
        // A difference that keeps falling by its order is that of a right gradient.
        agrees = agrees && !(order < 0.5 && closest > 1e-3 * slope.abs());
        Ok(Direction { slope, quotient, order, agrees })
    }
}
