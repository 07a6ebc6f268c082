//! The Hessian as an operator, from gradients alone.

use std::fmt;

use super::operator::{LinearOperator, check_finite, check_lengths, check_size};
use crate::error::{Error, Tree};
use crate::interval::Interval;
use crate::params::{Flatten, Params, ParamsMut};
use crate::scalar::Scalar;

/// How a product with the Hessian is made of gradients at nearby points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Differences {
    /// (g(x+δv) - g(x-δv)) / 2δ: two gradients, an error of δ².
    ///
    /// About 10 digits in `f64` and 4 in `f32`; the step is ∛ε.
    #[default]
    Second,
    /// (8(g(x+δv) - g(x-δv)) - (g(x+2δv) - g(x-2δv))) / 12δ: four gradients, an error of δ⁴.
    ///
    /// About 12 digits in `f64` and 5 in `f32`, for smooth functions; the step is ε^(1/5).
    Fourth,
}

/// What computes a gradient at a point; every closure `|x, g| { ...; Ok(()) }` does.
pub trait Gradient<F: Scalar> {
    /// Writes ∇f(x) to `g`; both have one length.
    ///
    /// # Errors
    /// What stops the computation; it is handed through.
    fn gradient(&mut self, x: &[F], g: &mut [F]) -> Result<(), Error>;
}

impl<F: Scalar, T: FnMut(&[F], &mut [F]) -> Result<(), Error>> Gradient<F> for T {
    fn gradient(&mut self, x: &[F], g: &mut [F]) -> Result<(), Error> {
        self(x, g)
    }
}

/// The gradient of a model that is a tree; see [`Hessian::of_model`].
pub struct ModelGradient<F, M, G> {
    model: M,
    flatten: Flatten,
    /// The model as it was given.
    home: Vec<F>,
    gradient: G,
}

impl<F: Scalar, M: ParamsMut<F>, D: Params<F>, G: FnMut(&M) -> D> Gradient<F>
    for ModelGradient<F, M, G>
{
    fn gradient(&mut self, x: &[F], g: &mut [F]) -> Result<(), Error> {
        self.flatten.scatter(x, &mut self.model)?;
        let gradient = (self.gradient)(&self.model);
        self.flatten.scatter(&self.home, &mut self.model)?;
        self.flatten.gather_as(&gradient, Tree::Gradients, g)
    }
}

/// The Hessian H = ∇²f(x) by its products Hv, each made of two or four gradients.
///
/// Hv ≈ (∇f(x+δv) - ∇f(x-δv)) / 2δ. An element's size is sᵢ + |xᵢ|, with sᵢ = 1 (see
/// [`typical`](Self::typical) and [`typical_sizes`](Self::typical_sizes)). The step moves no element
/// by more than η times its size or the usual one, with η = ∛ε (or ε^(1/5), see [`Differences`]),
/// and one of them by half of that or more: so it follows the sizes of x and of v, and the product
/// is as good for 10⁸·v. Elements whose sizes differ by more than 1000 (30 in `f32`) are moved apart, each kind by
/// a step of its own: Hv is the sum, of two or four gradients for each kind.
///
/// Gradients are known to about ε times their size, and so are their differences: an entry of H
/// that is smaller than that over the step is noise.
///
/// ```
/// use thalweg::curvature::{Hessian, LinearOperator};
///
/// // f = x²y
/// let mut hessian = Hessian::new(&[1.0, 3.0], |w: &[f64], g: &mut [f64]| {
///     (g[0], g[1]) = (2.0 * w[0] * w[1], w[0] * w[0]);
///     Ok(())
/// })?;
/// let mut hv = [0.0; 2];
/// hessian.apply(&[1.0, 1.0], &mut hv)?;
/// assert!((hv[0] - 8.0).abs() < 1e-9 && (hv[1] - 2.0).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// The function must be smooth on the scale of the step. Where the kink of a ReLU lies within it, the
/// product is far off, and [`Lanczos`](super::Lanczos) as a rule says that the operator is not
/// symmetric; such a network wants an exact product ([`operator_fn`](super::operator_fn)) or
/// [`GaussNewton`](super::GaussNewton).
///
/// Source: Dennis & Schnabel, "Numerical methods for unconstrained optimization", 1983, §5.4;
/// Pearlmutter, "Fast exact multiplication by the Hessian", 1994, for exact products.
pub struct Hessian<F, G> {
    x: Vec<F>,
    gradient: G,
    differences: Differences,
    /// sᵢ, or one for all.
    typical: Vec<f64>,
    kinds: Kinds,
    point: Vec<F>,
    other: Vec<F>,
}

/// Elements by their sizes: within a kind these do not differ much.
struct Kinds {
    /// The kind of each element; empty if there is one alone.
    of: Vec<u16>,
    /// The root of the mean square of each kind's sizes.
    usual: Vec<f64>,
}

impl Kinds {
    fn new<F: Scalar>(x: &[F], typical: &[f64]) -> Self {
        let size = |i: usize| size(x, typical, i);
        // Beyond this the small ones would be moved too far for the digits there are.
        let spread = if F::epsilon().into_f64() > 1e-10 { 30.0 } else { 1000.0 };
        let largest = (0..x.len()).map(size).fold(0.0, f64::max);
        let kind = |i: usize| (largest / size(i)).log(spread).max(0.0) as u16;
        let mut of: Vec<u16> = (0..x.len()).map(kind).collect();
        // Kinds without elements are left out.
        let mut present = of.clone();
        present.sort_unstable();
        present.dedup();
        let mut sums = vec![(0.0, 0.0); present.len()];
        for (i, kind) in of.iter_mut().enumerate() {
            *kind = present.binary_search(kind).unwrap_or_default() as u16;
            let (squares, count) = &mut sums[usize::from(*kind)];
            *squares += (size(i) / largest).powi(2);
            *count += 1.0;
        }
        if present.len() <= 1 {
            of = Vec::new();
        }
        let usual = sums.iter().map(|(squares, count)| f64::sqrt(squares / count) * largest);
        Self { of, usual: usual.collect() }
    }

    fn has(&self, kind: usize, i: usize) -> bool {
        self.of.get(i).is_none_or(|&of| usize::from(of) == kind)
    }
}

/// sᵢ + |xᵢ|
fn size<F: Scalar>(x: &[F], typical: &[f64], i: usize) -> f64 {
    typical[i.min(typical.len() - 1)] + x[i].into_f64().abs()
}

impl<F: Scalar, G: Gradient<F>> Hessian<F, G> {
    /// The Hessian at `x` of the function with that gradient.
    ///
    /// # Errors
    /// If an element of `x` is NaN or infinite.
    pub fn new(x: &[F], gradient: G) -> Result<Self, Error> {
        check_finite("the point", x)?;
        let typical = vec![1.0];
        Ok(Self {
            x: x.to_vec(),
            gradient,
            differences: Differences::default(),
            kinds: Kinds::new(x, &typical),
            typical,
            point: x.to_vec(),
            other: vec![F::zero(); x.len()],
        })
    }

    /// Sets how many gradients a product takes.
    #[must_use]
    pub fn differences(mut self, differences: Differences) -> Self {
        self.differences = differences;
        self
    }

    /// Sets s for all elements, the size below which an element's own does not count; in (0, ∞).
    ///
    /// The default is 1. Parameters that live on a scale of 1e-6 want it so.
    ///
    /// # Errors
    /// If it is not in its range.
    pub fn typical(mut self, size: f64) -> Result<Self, Error> {
        Interval::POSITIVE.check::<F>("Hessian", "typical", size)?;
        self.typical = vec![size];
        self.kinds = Kinds::new(&self.x, &self.typical);
        Ok(self)
    }

    /// Sets sᵢ, an element's own: the length over which the gradient changes with it; each in
    /// (0, ∞).
    ///
    /// ```
    /// use thalweg::curvature::{Dense, Hessian};
    ///
    /// // f = sin(1e6·x) + y², where x is some 1e-7.
    /// let gradient = |w: &[f64], g: &mut [f64]| {
    ///     (g[0], g[1]) = (1e6 * (1e6 * w[0]).cos(), 2.0 * w[1]);
    ///     Ok(())
    /// };
    /// let hessian = Hessian::new(&[1e-7, 3.0], gradient)?.typical_sizes(&[1e-6, 1.0])?;
    /// let found = Dense::of(hessian)?.diagonal();
    /// assert!((found[0] / (-1e12 * 0.1_f64.sin()) - 1.0).abs() < 1e-8);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are not as many as elements, or one is not in its range.
    pub fn typical_sizes(mut self, sizes: &[f64]) -> Result<Self, Error> {
        check_size("the typical sizes", sizes.len(), self.x.len())?;
        for &size in sizes {
            Interval::POSITIVE.check::<F>("Hessian", "typical_sizes", size)?;
        }
        self.typical = if sizes.is_empty() { vec![1.0] } else { sizes.to_vec() };
        self.kinds = Kinds::new(&self.x, &self.typical);
        Ok(self)
    }

    /// The step δ for a kind's part of a direction; 0 if that is 0.
    fn step(&self, v: &[F], kind: usize) -> f64 {
        // Elements smaller than the usual do not shorten the step: the others would drown in
        // rounding.
        let usual = self.kinds.usual[kind];
        let (mut largest, mut relative) = (0.0_f64, 0.0_f64);
        for (i, v) in v.iter().enumerate().filter(|&(i, _)| self.kinds.has(kind, i)) {
            let v = v.into_f64().abs();
            largest = largest.max(v);
            relative = relative.max(v / size(&self.x, &self.typical, i).max(usual));
        }
        if largest == 0.0 {
            return 0.0;
        }
        let epsilon = F::epsilon().into_f64();
        let eta = match self.differences {
            Differences::Second => epsilon.cbrt(),
            Differences::Fourth => epsilon.powf(0.2),
        };
        // A power of two moves the one element of a unit vector without rounding.
        (eta * (largest / relative)).log2().floor().exp2() / largest
    }

    /// The gradient at x + tv, of v the kind's part.
    fn at(&mut self, t: f64, v: &[F], kind: usize, g: &mut [F]) -> Result<(), Error> {
        for (i, point) in self.point.iter_mut().enumerate() {
            let moved = if self.kinds.has(kind, i) { t * v[i].into_f64() } else { 0.0 };
            *point = F::from_f64(self.x[i].into_f64() + moved);
        }
        self.gradient.gradient(&self.point, g)?;
        check_finite("the gradient", g)
    }

    /// y = y - g(x + tv)
    fn subtract(&mut self, t: f64, v: &[F], kind: usize, y: &mut [F]) -> Result<(), Error> {
        let mut other = std::mem::take(&mut self.other);
        let outcome = self.at(t, v, kind, &mut other);
        y.iter_mut().zip(&other).for_each(|(y, &other)| *y = *y - other);
        self.other = other;
        outcome
    }

    /// y = H times the kind's part of v.
    fn part(&mut self, v: &[F], kind: usize, y: &mut [F]) -> Result<(), Error> {
        let step = self.step(v, kind);
        if step == 0.0 {
            y.fill(F::zero());
            return Ok(());
        }
        self.at(step, v, kind, y)?;
        self.subtract(-step, v, kind, y)?;
        match self.differences {
            Differences::Second => scale(y, 0.5 / step),
            Differences::Fourth => {
                let mut wide = vec![F::zero(); y.len()];
                self.at(2.0 * step, v, kind, &mut wide)?;
                self.subtract(-2.0 * step, v, kind, &mut wide)?;
                for (y, wide) in y.iter_mut().zip(wide) {
                    let sum = 8.0 * y.into_f64() - wide.into_f64();
                    *y = F::from_f64(sum / 12.0 / step);
                }
            }
        }
        check_finite("the operator's product", y)
    }
}

impl<F, M, G, D> Hessian<F, ModelGradient<F, M, G>>
where
    F: Scalar,
    M: ParamsMut<F>,
    D: Params<F>,
    G: FnMut(&M) -> D,
{
    /// The Hessian of a model that is a tree, at its parameters; vectors are laid out by
    /// [`Flatten`].
    ///
    /// `gradient` is called with the model moved a little; it is put back each time.
    ///
    /// ```
    /// use ndarray::{Array1, array};
    /// use thalweg::curvature::{Hessian, LinearOperator};
    ///
    /// let mut model = (array![1.0], array![2.0, 3.0]);
    /// // f = Σ wᵢ³
    /// let gradient = |m: &&mut (Array1<f64>, Array1<f64>)| (&m.0 * &m.0 * 3.0, &m.1 * &m.1 * 3.0);
    /// let mut hv = [0.0; 3];
    /// Hessian::of_model(&mut model, gradient)?.apply(&[1.0, 1.0, 1.0], &mut hv)?;
    /// assert!((hv[2] - 18.0).abs() < 1e-8);
    /// assert_eq!(model.0[0], 1.0);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Flatten::of`] and [`new`](Hessian::new). A product fails if the gradients have other
    /// leaves than the model.
    pub fn of_model(model: M, gradient: G) -> Result<Self, Error> {
        let flatten = Flatten::of(&model)?;
        let mut home = vec![F::zero(); flatten.len()];
        flatten.gather(&model, &mut home)?;
        let x = home.clone();
        Hessian::new(&x, ModelGradient { model, flatten, home, gradient })
    }

    /// Where each leaf lies in the vectors.
    pub fn flatten(&self) -> &Flatten {
        &self.gradient.flatten
    }
}

impl<F: Scalar, G: Gradient<F>> LinearOperator<F> for Hessian<F, G> {
    fn dim(&self) -> usize {
        self.x.len()
    }

    fn apply(&mut self, v: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.x.len(), v, y)?;
        check_finite("the vector", v)?;
        if self.kinds.usual.len() == 1 {
            return self.part(v, 0, y);
        }
        y.fill(F::zero());
        let mut part = vec![F::zero(); y.len()];
        for kind in 0..self.kinds.usual.len() {
            self.part(v, kind, &mut part)?;
            y.iter_mut().zip(&part).for_each(|(y, &part)| *y = *y + part);
        }
        Ok(())
    }
}

fn scale<F: Scalar>(y: &mut [F], factor: f64) {
    y.iter_mut().for_each(|y| *y = F::from_f64(y.into_f64() * factor));
}

impl<F: Scalar, G> fmt::Debug for Hessian<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hessian")
            .field("dim", &self.x.len())
            .field("differences", &self.differences)
            .field("typical", &self.typical)
            .finish_non_exhaustive()
    }
}

impl<F, M, G> fmt::Debug for ModelGradient<F, M, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelGradient").field("flatten", &self.flatten).finish_non_exhaustive()
    }
}
