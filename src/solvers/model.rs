//! What a quadratic model of f needs: curvature along a direction, and how well it was foretold.

use super::descent::Descent;
use super::halt::Halt;
use super::line_search::Sample;
use crate::rule::Interval;
use crate::scalar::Scalar;
use crate::vector;

/// (0, 1).
pub(super) const OPEN_FRACTION: Interval =
    Interval::closed(f64::MIN_POSITIVE, 1.0 - f64::EPSILON, "a number in (0, 1)");
/// [0, 1].
pub(super) const UNIT: Interval = Interval::closed(0.0, 1.0, "a number in [0, 1]");

/// f(x) - f(x + αd). If it is the `first` trial, and the values differ by little more than rounding,
/// from the slopes: then the mean of the two is better known than the difference. Of shorter trials
/// every gradient would say so.
pub(super) fn decrease<F: Scalar>(
    descent: &Descent<'_, F>,
    slope: f64,
    trial: &Sample,
    first: bool,
) -> f64 {
    let decrease = descent.value() - trial.value;
    let noise = 64.0 * F::epsilon().into_f64() * descent.value().abs();
    if !first || decrease.abs() > noise || !trial.is_finite() {
        return decrease;
    }
    -0.5 * trial.length * (slope + trial.slope)
}

/// ∇²f(x)·v: the objective's own, else the difference of the gradients at x and a little further
/// along v, which is evaluated as a trial.
pub(super) fn hessian_vector<F: Scalar>(
    descent: &mut Descent<'_, F>,
    v: &[F],
    product: &mut [F],
) -> Result<(), Halt> {
    if descent.has_hessian_vector() {
        return descent.hessian_vector(v, product);
    }
    let size = 1.0 + vector::norm(descent.x());
    let h = 2.0 * (F::epsilon().into_f64() * size).sqrt() / vector::norm(v);
    difference(descent, v, h, product)
}

/// (∇f(x + hv) - ∇f(x))/h; h is shortened where f is not finite.
pub(super) fn difference<F: Scalar>(
    descent: &mut Descent<'_, F>,
    v: &[F],
    mut h: f64,
    product: &mut [F],
) -> Result<(), Halt> {
    if descent.has_walls() {
        return descent.difference_inside(v, h, product);
    }
    for _ in 0..4 {
        let trial = descent.try_length(h, v)?;
        if trial.is_finite() {
            break;
        }
        h *= 0.01;
    }
    vector::shifted(descent.trial_gradient(), -1.0, descent.gradient(), product);
    let inverse = F::from_f64(h.recip());
    product.iter_mut().for_each(|p| *p = *p * inverse);
    Ok(())
}

/// vᵀ∇²f(x)v, by a product that is left in `product`.
pub(super) fn curvature<F: Scalar>(
    descent: &mut Descent<'_, F>,
    v: &[F],
    product: &mut [F],
) -> Result<f64, Halt> {
    hessian_vector(descent, v, product)?;
    Ok(vector::dot(v, product))
}

/// Makes a vector one of `dim` zeros.
pub(super) fn zero<F: Scalar>(vector: &mut Vec<F>, dim: usize) {
    vector.clear();
    vector.resize(dim, F::zero());
}
