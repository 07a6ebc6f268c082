//! Projections: the nearest point of a set.

use std::fmt;

use ndarray::ArrayViewMutD;

use crate::error::Error;
use crate::interval::Interval;
use crate::params::{LeafMut, ParamsMut, Path, by_copy};
use crate::scalar::Scalar;
use crate::vector;

/// **The nearest point of a set**, for each array as a whole or for each of its rows:
///
/// | | set | w becomes |
/// |---|---|---|
/// | [`non_negative`](Self::non_negative) | w ≥ 0 | max(w, 0) |
/// | [`simplex`](Self::simplex) | w ≥ 0, Σw = s | max(w - θ, 0), θ such that the sum is s |
/// | [`l1_ball`](Self::l1_ball) | Σ\|w\| ≤ r | sign(w)·max(\|w\| - θ, 0), if it is outside |
/// | [`l2_ball`](Self::l2_ball) | ‖w‖₂ ≤ r | w·r/‖w‖₂, if it is outside |
/// | [`linf_ball`](Self::linf_ball) | max\|w\| ≤ r | w between -r and r |
///
/// What is in the set keeps its bits, and projecting again changes nothing. A sum that is right but for
/// the rounding of its terms counts as right. Where a sum counts, an array or a row with a NaN or
/// infinite element is left as it is. Sums are taken in `f64` in logical order: the same bits in any
/// layout. θ takes a sort, n·log n. A box is [`Bounds`](crate::Bounds); after every step of an
/// optimizer, [`Projected`](crate::train::Projected).
///
/// Sources: Held, Wolfe & Crowder 1974; Duchi, Shalev-Shwartz, Singer & Chandra, "Efficient projections
/// onto the l1-ball for learning in high dimensions", 2008.
///
/// ```
/// use ndarray::array;
/// use thalweg::regularize::Projection;
///
/// let mut p = array![[0.5, 0.75], [3.0, -1.0]];
/// Projection::simplex(1.0).by_row().apply(&mut p)?;
/// assert_eq!(p, array![[0.375, 0.625], [1.0, 0.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projection {
    set: Set,
    by_row: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Set {
    NonNegative,
    Simplex(f64),
    L1(f64),
    L2(f64),
    Linf(f64),
}

/// How often a projection is repeated whose sum large elements have made inexact.
const ROUNDS: usize = 3;

impl Projection {
    const fn onto(set: Set) -> Self {
        Self { set, by_row: false }
    }

    /// Onto w ≥ 0.
    pub const fn non_negative() -> Self {
        Self::onto(Set::NonNegative)
    }

    /// Onto w ≥ 0 with that sum, in (0, ∞): shares of 1, for one.
    pub const fn simplex(sum: f64) -> Self {
        Self::onto(Set::Simplex(sum))
    }

    /// Onto Σ|w| ≤ r, in (0, ∞).
    pub const fn l1_ball(radius: f64) -> Self {
        Self::onto(Set::L1(radius))
    }

    /// Onto ‖w‖₂ ≤ r, in (0, ∞); it ends a hair within it.
    pub const fn l2_ball(radius: f64) -> Self {
        Self::onto(Set::L2(radius))
    }

    /// Onto max|w| ≤ r, in (0, ∞).
    pub const fn linf_ball(radius: f64) -> Self {
        Self::onto(Set::Linf(radius))
    }

    /// Each row by itself: the elements along the last axis.
    #[must_use]
    pub const fn by_row(mut self) -> Self {
        self.by_row = true;
        self
    }

    /// Checks the sum or the radius.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter).
    pub fn check<F: Scalar>(self) -> Result<(), Error> {
        let (name, value) = match self.set {
            Set::NonNegative => return Ok(()),
            Set::Simplex(sum) => ("sum", sum),
            Set::L1(radius) | Set::L2(radius) | Set::Linf(radius) => ("radius", radius),
        };
        Interval::POSITIVE.check::<F>("Projection", name, value)
    }

    /// Projects each array of a tree.
    ///
    /// # Errors
    /// As [`check`](Projection::check); nothing was then changed.
    pub fn apply<F: Scalar>(self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.check::<F>()?;
        let mut scratch = Scratch::default();
        params.visit_mut(Path::ROOT, &mut |_, leaf| {
            by_copy(leaf, |leaf| self.apply_leaf(leaf, &mut scratch));
        });
        Ok(())
    }

    /// Projects a leaf; `check` has passed it.
    pub(crate) fn apply_leaf<F: Scalar>(self, leaf: &mut dyn LeafMut<F>, scratch: &mut Scratch<F>) {
        let mut view = leaf.view_mut();
        if view.is_empty() {
            return;
        }
        if !self.by_row || view.ndim() < 2 {
            return self.apply_view(view, scratch);
        }
        for mut row in view.rows_mut() {
            match row.as_slice_mut() {
                Some(row) => self.apply_slice(row, &mut scratch.sorted),
                None => {
                    scratch.row.clear();
                    scratch.row.extend(row.iter().copied());
                    self.apply_slice(&mut scratch.row, &mut scratch.sorted);
                    row.iter_mut().zip(&scratch.row).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }

    fn apply_view<F: Scalar>(self, mut view: ArrayViewMutD<'_, F>, scratch: &mut Scratch<F>) {
        if let Some(slice) = view.as_slice_mut() {
            return self.apply_slice(slice, &mut scratch.sorted);
        }
        scratch.row.clear();
        scratch.row.extend(view.iter().copied());
        self.apply_slice(&mut scratch.row, &mut scratch.sorted);
        view.iter_mut().zip(&scratch.row).for_each(|(to, &from)| *to = from);
    }

    fn apply_slice<F: Scalar>(self, x: &mut [F], sorted: &mut Vec<f64>) {
        let zero = F::zero();
        match self.set {
            Set::NonNegative => x.iter_mut().filter(|x| **x < zero).for_each(|x| *x = zero),
            Set::Linf(radius) => {
                let radius = F::from_f64(radius);
                for x in x.iter_mut() {
                    if *x > radius {
                        *x = radius;
                    } else if *x < -radius {
                        *x = -radius;
                    }
                }
            }
            Set::L2(radius) => {
                let norm = vector::norm(x);
                if norm > radius && norm.is_finite() {
                    let part = radius / norm * (1.0 - 4.0 * F::epsilon().into_f64());
                    x.iter_mut().for_each(|x| *x = F::from_f64(x.into_f64() * part));
                }
            }
            Set::Simplex(sum) => {
                for _ in 0..ROUNDS {
                    let found: f64 = x.iter().map(|x| x.into_f64()).sum();
                    let inside = x.iter().all(|&x| x >= zero);
                    if inside && (found - sum).abs() <= blur::<F>(x.len()) * sum {
                        break;
                    }
                    let Some(theta) = threshold(x, sum, sorted) else { break };
                    x.iter_mut().for_each(|x| *x = F::from_f64((x.into_f64() - theta).max(0.0)));
                }
            }
            Set::L1(radius) => {
                for _ in 0..ROUNDS {
                    let found: f64 = x.iter().map(|x| x.into_f64().abs()).sum();
                    if found <= (1.0 + blur::<F>(x.len())) * radius {
                        break;
                    }
                    let size: fn(&F) -> f64 = |x| x.into_f64().abs();
                    let Some(theta) = threshold_of(x.iter().map(size), radius, sorted) else {
                        break;
                    };
                    for x in x.iter_mut() {
                        let size = (x.into_f64().abs() - theta).max(0.0);
                        *x = F::from_f64(if *x < zero { -size } else { size });
                    }
                }
            }
        }
    }
}

/// Memory that is used again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch<F> {
    row: Vec<F>,
    sorted: Vec<f64>,
}

/// What rounding makes of a sum of so many elements, beside it.
fn blur<F: Scalar>(len: usize) -> f64 {
    2.0 * (F::epsilon().into_f64() + len as f64 * f64::EPSILON)
}

fn threshold<F: Scalar>(x: &[F], sum: f64, sorted: &mut Vec<f64>) -> Option<f64> {
    let value: fn(&F) -> f64 = |x| x.into_f64();
    threshold_of(x.iter().map(value), sum, sorted)
}

/// θ with Σ max(xᵢ - θ, 0) = `sum`; `None` where an element is not finite.
fn threshold_of(x: impl Iterator<Item = f64>, sum: f64, sorted: &mut Vec<f64>) -> Option<f64> {
    sorted.clear();
    sorted.extend(x);
    if !sorted.iter().all(|x| x.is_finite()) {
        return None;
    }
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    // Relative to the largest, so that what is far above the sum does not hide it.
    let largest = *sorted.first()?;
    let (mut total, mut theta) = (0.0, 0.0);
    for (k, x) in sorted.iter().enumerate() {
        let below = x - largest;
        total += below;
        let mean = (total - sum) / (k + 1) as f64;
        if below - mean <= 0.0 {
            break;
        }
        theta = mean;
    }
    let theta = theta + largest;
    theta.is_finite().then_some(theta)
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.set {
            Set::NonNegative => f.write_str("non-negative")?,
            Set::Simplex(sum) => write!(f, "simplex {sum}")?,
            Set::L1(radius) => write!(f, "l1 ball {radius}")?,
            Set::L2(radius) => write!(f, "l2 ball {radius}")?,
            Set::Linf(radius) => write!(f, "linf ball {radius}")?,
        }
        f.write_str(if self.by_row { " by row" } else { "" })
    }
}
