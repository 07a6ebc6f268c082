//! A check of gradients against differences of values.

mod probe;
mod verdict;

use super::objective::{FlatObjective, Objective, OnTree};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{Flatten, ParamsMut};
use crate::scalar::Scalar;

use probe::Probe;
pub use verdict::{Direction, GradientCheck, GradientVerdict, Worst};

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

/// Directions of each group.
const DIRECTIONS: usize = 2;

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
    let mut probe = Probe::new(objective, x, &gradient, sizes, value);
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
