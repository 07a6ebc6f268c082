//! Gradients by differences of values.

use super::flat::{Flat, FlatMut};
use super::objective::Objective;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::ParamsMut;
use crate::scalar::Scalar;

/// An objective made of values alone: ∂f/∂wᵢ ≈ (f(w + hᵢeᵢ) - f(w - hᵢeᵢ)) / 2hᵢ.
///
/// hᵢ = η·max(sᵢ, |wᵢ|), with η = ε^(1/3) for the precision ε of the parameters (see
/// [`relative_step`](Self::relative_step)) and sᵢ = 1 (see [`typical`](Self::typical)): the error is
/// about ε^(2/3) of f. Where f is NaN or infinite on one side alone, as at the edge of where it is
/// defined, or where a bound of [`minimize_within`](super::minimize_within) is in the way,
/// (±3f(w) ∓ 4f(w ∓ hᵢeᵢ) ± f(w ∓ 2hᵢeᵢ)) / 2hᵢ takes its place. Each gradient takes 2n values, which the report does not count one by one: it counts the
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
    relative_step: Option<f64>,
    /// One for all, or as many as elements.
    typical: Vec<f64>,
    /// Where the parameters may go; empty if everywhere.
    bounds: Vec<(f64, f64)>,
}

impl<C, P: Clone> CentralDifferences<C, P> {
    /// The value f(w).
    pub fn new<V>(value: C) -> Self
    where
        C: FnMut(&P) -> V,
    {
        Self { value, varied: None, relative_step: None, typical: vec![1.0], bounds: Vec::new() }
    }

    /// Sets η, the step relative to a parameter's size; in (0, ∞). The default is ε^(1/3).
    #[must_use]
    pub fn relative_step(mut self, step: f64) -> Self {
        self.relative_step = Some(step);
        self
    }

    /// Sets s for all elements, the size below which a parameter's own does not count; in (0, ∞).
    #[must_use]
    pub fn typical(mut self, size: f64) -> Self {
        self.typical = vec![size];
        self
    }

    /// Sets sᵢ for each element, laid out by [`Flatten`](crate::params::Flatten); in (0, ∞).
    ///
    /// ```
    /// use ndarray::{Array1, array};
    /// use thalweg::solvers::{CentralDifferences, Lbfgs, Stop, minimize};
    ///
    /// // A length of some micrometres, and a number.
    /// let f = |w: &Array1<f64>| (w[0] / 1e-6 - 3.0).powi(2) + (w[1] - 1.0).powi(2);
    /// let mut objective = CentralDifferences::new(f).typical_sizes(&[1e-6, 1.0]);
    /// let mut w = array![0.0, 0.0];
    /// minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default().gradient_max(1e-3))?;
    /// assert!((w[0] / 1e-6 - 3.0).abs() < 1e-6);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn typical_sizes(mut self, sizes: &[f64]) -> Self {
        self.typical = sizes.to_vec();
        self
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
        let owner = "CentralDifferences";
        let eta = self.relative_step.unwrap_or(F::epsilon().into_f64().cbrt());
        Interval::POSITIVE.check::<F>(owner, "relative_step", eta)?;
        if self.typical.len() != 1 && self.typical.len() != x.len() {
            let (found, expected) = (self.typical.len(), x.len());
            return Err(ErrorKind::Size { what: "the typical sizes", found, expected }.into());
        }
        for &size in &self.typical {
            Interval::POSITIVE.check::<F>(owner, "typical", size)?;
        }
        let here: f64 = (self.value)(params).into();
        for i in 0..x.len() {
            let at = x[i];
            let size = self.typical[i.min(self.typical.len() - 1)];
            let everywhere = (f64::NEG_INFINITY, f64::INFINITY);
            let (l, u) = self.bounds.get(i).copied().unwrap_or(everywhere);
            if l == u {
                // It cannot be varied, and is not asked for.
                g[i] = F::zero();
                continue;
            }
            // So that one side has room for two steps.
            let h = F::from_f64((eta * at.into_f64().abs().max(size)).min(0.25 * (u - l)));
            let mut moved = |to: F| -> Result<(f64, f64), Error> {
                if !(l..=u).contains(&to.into_f64()) {
                    return Ok((to.into_f64() - at.into_f64(), f64::NAN));
                }
                x[i] = to;
                flatten.scatter(&x, varied)?;
                x[i] = at;
                // The distance as it was rounded.
                Ok((to.into_f64() - at.into_f64(), (self.value)(varied).into()))
            };
            let ((above, up), (below, down)) = (moved(at + h)?, moved(at - h)?);
            let slope = if up.is_finite() == down.is_finite() {
                (up - down) / (above - below)
            } else {
                let ((near, first), side) =
                    if up.is_finite() { ((above, up), h) } else { ((below, down), -h) };
                let (far, second) = moved(at + side + side)?;
                // The parabola through three points.
                let [first, second] = [(first - here) / near, (second - here) / far];
                (first * far - second * near) / (far - near)
            };
            g[i] = F::from_f64(slope);
        }
        Ok(here)
    }

    fn within(&mut self, bounds: Option<(Flat<'_, F>, Flat<'_, F>)>) {
        self.bounds.clear();
        if let Some((lower, upper)) = bounds {
            let ends = lower.as_slice().iter().zip(upper.as_slice());
            self.bounds.extend(ends.map(|(l, u)| (l.into_f64(), u.into_f64())));
        }
    }

    fn has_value(&self) -> bool {
        true
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        Ok((self.value)(params).into())
    }
}
