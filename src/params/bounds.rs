//! Bounds: the box that a minimization stays in.

use std::ops::{Bound, Range, RangeBounds};

use ndarray::ArrayViewMutD;

use super::{Flatten, Params, ParamsMut, Pattern, Snapshot};
use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;

/// **Bounds** l ≤ w ≤ u, element by element; ±∞ where there is none.
///
/// A range says both ends, and one that it leaves open has no bound: `0.0..` is w ≥ 0, `..=3.0` is
/// w ≤ 3, and `2.0..=2.0` fixes an element. Both ends belong to the box. Where two calls are about
/// one element, the later one holds. Bounds of single elements are trees like the parameters:
/// [`lower`](Bounds::lower) and [`upper`](Bounds::upper). Nothing is checked before the bounds meet
/// the parameters.
///
/// ```
/// use ndarray::array;
/// use thalweg::params::Bounds;
///
/// let bounds = Bounds::new().all(-1.0..=1.0).leaf("0", 0.0..);
/// let mut w = (array![-2.0, 5.0], array![-2.0, 0.5]);
/// assert!(!bounds.contain(&w)?);
/// bounds.clip(&mut w)?;
/// assert_eq!(w, (array![0.0, 5.0], array![-1.0, 0.5]));
///
/// // Element by element; -∞ and ∞ are none.
/// let bounds = Bounds::new().lower(&array![0.0, f64::NEG_INFINITY]);
/// let mut w = array![-1.0, -1.0];
/// bounds.clip(&mut w)?;
/// assert_eq!(w, array![0.0, -1.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bounds<F: Scalar> {
    rules: Vec<Rule<F>>,
}

#[derive(Debug, Clone)]
enum Rule<F: Scalar> {
    Range(Pattern, Bound<F>, Bound<F>),
    Tree(Side, Result<Snapshot<F>, Error>),
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Side {
    /// l.
    Lower,
    /// u.
    Upper,
}

impl<F: Scalar> Default for Bounds<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> Bounds<F> {
    /// No bounds.
    pub fn new() -> Self {
        Self { rules: Vec::new() }
    }

    /// Bounds of every element: l and u in the places of the parameters, as
    /// [`lower`](Bounds::lower) and [`upper`](Bounds::upper) have them.
    pub fn from_trees(lower: &dyn Params<F>, upper: &dyn Params<F>) -> Self {
        Self::new().lower(lower).upper(upper)
    }

    /// One range for all elements.
    #[must_use]
    pub fn all(self, range: impl RangeBounds<F>) -> Self {
        self.leaf("*", range)
    }

    /// One range for the elements of the leaves of a [`Pattern`], a glob or a predicate.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{ErrorKind, params::Bounds};
    /// let mut w = array![1.0];
    /// let error = Bounds::new().leaf("scale", 0.0..).clip(&mut w).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::MatchesNothing { .. }));
    /// ```
    #[must_use]
    pub fn leaf(mut self, leaves: impl Into<Pattern>, range: impl RangeBounds<F>) -> Self {
        let (lower, upper) = (range.start_bound().cloned(), range.end_bound().cloned());
        self.rules.push(Rule::Range(leaves.into(), lower, upper));
        self
    }

    /// The lower bound of each element, from a tree of leaves named and shaped like the parameters';
    /// those that it does not have keep theirs.
    #[must_use]
    pub fn lower(self, tree: &dyn Params<F>) -> Self {
        self.tree(Side::Lower, tree)
    }

    /// The upper bound of each element, as [`lower`](Bounds::lower).
    #[must_use]
    pub fn upper(self, tree: &dyn Params<F>) -> Self {
        self.tree(Side::Upper, tree)
    }

    fn tree(mut self, side: Side, tree: &dyn Params<F>) -> Self {
        self.rules.push(Rule::Tree(side, Snapshot::of(tree)));
        self
    }

    /// Moves every element that is outside to the nearest end.
    ///
    /// # Errors
    /// [`ErrorKind::Bounds`] where l > u or one is NaN, [`ErrorKind::OpenBound`] of a range like
    /// `0.0..1.0`, [`ErrorKind::MatchesNothing`] of a pattern without a leaf,
    /// [`ErrorKind::UnknownLeaf`] and [`ErrorKind::BoundShape`] of a tree of other leaves. Nothing
    /// was then changed.
    pub fn clip(&self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let flatten = Flatten::of(&*params)?;
        let walls = self.resolve(&flatten)?;
        let mut flat = vec![F::zero(); flatten.len()];
        flatten.gather(&*params, &mut flat)?;
        walls.clip(&mut flat);
        flatten.scatter(&flat, params)
    }

    /// Whether every element is inside; a NaN is not.
    ///
    /// # Errors
    /// As [`clip`](Bounds::clip).
    pub fn contain(&self, params: &dyn Params<F>) -> Result<bool, Error> {
        let flatten = Flatten::of(params)?;
        let walls = self.resolve(&flatten)?;
        let mut flat = vec![F::zero(); flatten.len()];
        flatten.gather(params, &mut flat)?;
        Ok(walls.contain(&flat))
    }

    /// The ends of each element, in the order of a flat vector.
    ///
    /// # Errors
    /// As [`clip`](Bounds::clip).
    pub(crate) fn resolve(&self, flatten: &Flatten) -> Result<Walls<F>, Error> {
        let mut walls = Walls::open(flatten.len());
        for rule in &self.rules {
            match rule {
                Rule::Range(pattern, lower, upper) => {
                    let lower = closed(lower, F::neg_infinity())?;
                    let upper = closed(upper, F::infinity())?;
                    let mut met = false;
                    for (name, shape, range) in flatten.leaves() {
                        if pattern.matches(name, shape) {
                            met = true;
                            walls.lower[range.clone()].fill(lower);
                            walls.upper[range].fill(upper);
                        }
                    }
                    if !met {
                        return Err(flatten.matches_nothing("bounds", pattern));
                    }
                }
                Rule::Tree(side, tree) => {
                    let tree = tree.as_ref().map_err(Clone::clone)?;
                    let to = match side {
                        Side::Lower => &mut walls.lower,
                        Side::Upper => &mut walls.upper,
                    };
                    fill(flatten, tree, to)?;
                }
            }
        }
        match walls.contradiction() {
            None => Ok(walls),
            Some(at) => {
                let (leaf, index) = flatten.locate(at).unwrap_or_default();
                let (lower, upper) = (walls.lower[at].into_f64(), walls.upper[at].into_f64());
                Err(ErrorKind::Bounds { leaf: leaf.to_owned(), index, lower, upper }.into())
            }
        }
    }
}

/// The end of a range that contains it.
fn closed<F: Scalar>(end: &Bound<F>, none: F) -> Result<F, Error> {
    match *end {
        Bound::Unbounded => Ok(none),
        Bound::Included(end) => Ok(end),
        Bound::Excluded(end) => Err(ErrorKind::OpenBound { end: end.into_f64() }.into()),
    }
}

/// Copies the leaves of a tree to their places.
fn fill<F: Scalar>(flatten: &Flatten, tree: &Snapshot<F>, to: &mut [F]) -> Result<(), Error> {
    let own = Flatten::of(tree)?;
    let mut flat = vec![F::zero(); own.len()];
    own.gather(tree, &mut flat)?;
    for (name, shape, range) in own.leaves() {
        let Some((_, parameter, place)) = flatten.leaves().find(|(leaf, ..)| *leaf == name) else {
            let known = flatten.leaves().map(|(leaf, ..)| leaf.to_owned()).collect();
            return Err(ErrorKind::UnknownLeaf { leaf: name.to_owned(), known }.into());
        };
        if shape != parameter {
            let (parameter, bound) = (parameter.to_vec(), shape.to_vec());
            return Err(ErrorKind::BoundShape { leaf: name.to_owned(), parameter, bound }.into());
        }
        to[place].copy_from_slice(&flat[range]);
    }
    Ok(())
}

/// Bounds of the elements of a flat vector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Walls<F> {
    pub(crate) lower: Vec<F>,
    pub(crate) upper: Vec<F>,
}

impl<F: Scalar> Walls<F> {
    /// No bounds.
    pub(crate) fn open(dim: usize) -> Self {
        Self { lower: vec![F::neg_infinity(); dim], upper: vec![F::infinity(); dim] }
    }

    /// Whether no element has a bound.
    pub(crate) fn is_open(&self) -> bool {
        self.lower.iter().all(|&l| l == F::neg_infinity())
            && self.upper.iter().all(|&u| u == F::infinity())
    }

    /// The first element that no finite number fits.
    fn contradiction(&self) -> Option<usize> {
        let possible = |(&l, &u): (&F, &F)| l <= u && l < F::infinity() && u > F::neg_infinity();
        self.lower.iter().zip(&self.upper).position(|ends| !possible(ends))
    }

    /// An element's ends.
    pub(crate) fn ends(&self) -> impl ExactSizeIterator<Item = (F, F)> + '_ {
        self.lower.iter().zip(&self.upper).map(|(&l, &u)| (l, u))
    }

    /// P(x); NaN stays.
    pub(crate) fn clip(&self, x: &mut [F]) {
        for (x, (l, u)) in x.iter_mut().zip(self.ends()) {
            *x = clipped(*x, l, u);
        }
    }

    /// P(x) of a leaf whose elements lie in that range.
    pub(crate) fn clip_view(&self, range: Range<usize>, mut leaf: ArrayViewMutD<'_, F>) {
        let ends = self.lower[range.clone()].iter().zip(&self.upper[range]);
        for (x, (&l, &u)) in leaf.iter_mut().zip(ends) {
            *x = clipped(*x, l, u);
        }
    }

    /// Whether l ≤ x ≤ u.
    pub(crate) fn contain(&self, x: &[F]) -> bool {
        x.iter().zip(self.ends()).all(|(&x, (l, u))| l <= x && x <= u)
    }

    /// The end that each element is at; where both are one, that towards which -g points.
    pub(crate) fn active<'a>(
        &'a self,
        x: &'a [F],
        g: &'a [F],
    ) -> impl ExactSizeIterator<Item = Option<Side>> + 'a {
        x.iter().zip(g).zip(self.ends()).map(|((&x, &g), (l, u))| match (x <= l, x >= u) {
            (false, false) => None,
            (true, true) if g < F::zero() => Some(Side::Upper),
            (true, _) => Some(Side::Lower),
            (false, true) => Some(Side::Upper),
        })
    }
}

/// The number of [l, u] nearest to x; NaN stays.
fn clipped<F: Scalar>(x: F, l: F, u: F) -> F {
    if x < l {
        l
    } else if x > u {
        u
    } else {
        x
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn error<F: Scalar>(bounds: &Bounds<F>, tree: &dyn Params<F>) -> ErrorKind {
        bounds.resolve(&Flatten::of(tree).unwrap()).unwrap_err().kind().clone()
    }

    #[test]
    fn what_cannot_be_a_box_is_a_typed_error() {
        let w = (array![1.0, 2.0], Array2::<f64>::zeros((2, 3)));
        let new = Bounds::<f64>::new;
        for bounds in [
            new().all(1.0..=0.0),
            new().all(f64::NAN..),
            new().all(..=f64::NAN),
            new().all(f64::INFINITY..),
            new().all(..=f64::NEG_INFINITY),
            new().all(0.0..).upper(&(array![1.0, -1e-300],)),
            new().lower(&(array![f64::NAN, 0.0],)),
        ] {
            assert!(matches!(error(&bounds, &w), ErrorKind::Bounds { .. }), "{bounds:?}");
        }
        let open = error(&new().all(0.0..1.0), &w);
        assert!(open.to_string().contains("..="), "{open}");
        assert_eq!(open, ErrorKind::OpenBound { end: 1.0 });
        assert!(matches!(error(&new().leaf("x*", ..), &w), ErrorKind::MatchesNothing { .. }));
        let other = (array![1.0, 2.0], array![1.0], array![1.0]);
        assert!(matches!(error(&new().lower(&other), &w), ErrorKind::BoundShape { .. }));
        let fourth = [array![1.0, 2.0], array![1.0, 2.0]];
        assert!(matches!(error(&new().upper(&fourth), &w), ErrorKind::BoundShape { .. }));
        let alone = array![1.0, 2.0];
        assert!(matches!(error(&new().upper(&alone), &w), ErrorKind::UnknownLeaf { .. }));
    }

    #[test]
    fn the_later_call_holds_and_a_part_of_the_leaves_will_do() {
        let w = (array![1.0, 2.0], array![3.0]);
        let flatten = Flatten::of(&w).unwrap();
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        let bounds = Bounds::new().all(0.0..=1.0).leaf("1", ..=7.0).upper(&(array![5.0, high],));
        let walls = bounds.resolve(&flatten).unwrap();
        assert_eq!(walls, Walls { lower: vec![0.0, 0.0, low], upper: vec![5.0, high, 7.0] });
        assert!(!walls.is_open() && walls.contain(&[5.0, 9.0, -1e300]));
        assert!(!walls.contain(&[f64::NAN, 0.0, 0.0]));
        let open = bounds.all(..).resolve(&flatten).unwrap();
        assert!(open.is_open() && open.contain(&[high, low, 0.0]));
    }

    #[test]
    fn of_two_equal_ends_an_element_is_at_the_one_that_it_is_pushed_against() {
        let walls = Walls { lower: vec![0.0, 0.0, 0.0, 2.0], upper: vec![1e20, 1.0, 1.0, 2.0] };
        let (x, g) = ([1e10, 0.0, 1.0, 2.0], [1e-9, 3.0, 0.25, -4.0]);
        let sides: Vec<_> = walls.active(&x, &g).collect();
        assert_eq!(sides, [None, Some(Side::Lower), Some(Side::Upper), Some(Side::Upper)]);
    }
}
