//! Slices of a loss around a point, as arrays to plot.

use ndarray::{Array1, Array2};
#[cfg(feature = "rand")]
use ndarray::{ArrayViewMutD, Axis};
#[cfg(feature = "rand")]
use rand::{Rng, RngExt};

use super::operator::check_size;
use crate::error::Error;
#[cfg(feature = "rand")]
use crate::params::Flatten;
#[cfg(feature = "rand")]
use crate::random::Generator;
use crate::scalar::Scalar;

/// f(x + td) for each step t: a slice of a loss along a direction.
///
/// Values that are not finite are kept as they are: a plot has a gap there. Directions come from
/// `filter_normalized`, from an eigenvector ([`Lanczos::vectors`](super::Lanczos::vectors)), or from
/// the difference of two trained models.
///
/// ```
/// use thalweg::curvature::slice_1d;
/// let f = |w: &[f64]| w[0] * w[0] + w[1];
/// let slice = slice_1d(&[1.0, 5.0], &[1.0, 0.0], &[-1.0, 0.0, 1.0], f)?;
/// assert_eq!(slice.to_vec(), [5.0, 6.0, 9.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// If the direction has another size than the point.
pub fn slice_1d<F: Scalar>(
    x: &[F],
    direction: &[F],
    steps: &[f64],
    mut f: impl FnMut(&[F]) -> f64,
) -> Result<Array1<f64>, Error> {
    check_size("the direction", direction.len(), x.len())?;
    let mut point = x.to_vec();
    let at = |&t: &f64| {
        move_to(&mut point, x, t, direction);
        f(&point)
    };
    Ok(steps.iter().map(at).collect())
}

/// f(x + t·d + u·e) for each step t (row) and u (column): a slice of a loss along two directions.
///
/// ```
/// use thalweg::curvature::slice_2d;
/// let f = |w: &[f64]| w[0] * w[1];
/// let slice = slice_2d(&[1.0, 1.0], [&[1.0, 0.0], &[0.0, 1.0]], [&[0.0, 1.0], &[0.0, 2.0]], f)?;
/// assert_eq!(slice, ndarray::array![[1.0, 3.0], [2.0, 6.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// If a direction has another size than the point.
pub fn slice_2d<F: Scalar>(
    x: &[F],
    directions: [&[F]; 2],
    steps: [&[f64]; 2],
    mut f: impl FnMut(&[F]) -> f64,
) -> Result<Array2<f64>, Error> {
    for direction in directions {
        check_size("the direction", direction.len(), x.len())?;
    }
    let (mut row, mut point) = (x.to_vec(), x.to_vec());
    let mut slice = Array2::zeros([steps[0].len(), steps[1].len()]);
    for (i, &t) in steps[0].iter().enumerate() {
        move_to(&mut row, x, t, directions[0]);
        for (j, &u) in steps[1].iter().enumerate() {
            move_to(&mut point, &row, u, directions[1]);
            slice[[i, j]] = f(&point);
        }
    }
    Ok(slice)
}

fn move_to<F: Scalar>(point: &mut [F], from: &[F], t: f64, direction: &[F]) {
    for ((point, &from), &d) in point.iter_mut().zip(from).zip(direction) {
        *point = F::from_f64(from.into_f64() + t * d.into_f64());
    }
}

/// Which slices of a weight belong together: the weights of one unit.
#[cfg(feature = "rand")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filters {
    /// Those of one index of the first axis: weights of shape (outputs, inputs, ...).
    FirstAxis,
    /// Those of one index of the last axis: weights of shape (inputs, outputs).
    LastAxis,
}

/// A random direction whose every filter is as long as the point's own.
///
/// Normal numbers d, then d_f ← d_f·‖w_f‖/‖d_f‖ for each filter f; leaves of one axis or none
/// (biases) get 0. Two nets with the same function and other scales so have the same slices.
///
/// ```
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::{curvature::{Filters, filter_normalized}, params::Flatten};
///
/// let model = (array![[3.0, 0.0], [4.0, 0.0]], array![1.0]);
/// let flatten = Flatten::of::<f64>(&model)?;
/// let mut x = [0.0; 5];
/// flatten.gather(&model, &mut x)?;
/// let mut rng = StdRng::seed_from_u64(1);
/// let d = filter_normalized(&flatten, &x, Filters::LastAxis, &mut rng)?;
/// assert!((d[0].hypot(d[2]) - 5.0).abs() < 1e-12);
/// assert_eq!((d[1], d[3], d[4]), (0.0, 0.0, 0.0));
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// If the point has another size than the tree.
///
/// Source: Li, Xu, Taylor, Studer & Goldstein, "Visualizing the loss landscape of neural nets",
/// 2018.
#[cfg(feature = "rand")]
pub fn filter_normalized<F: Scalar>(
    flatten: &Flatten,
    x: &[F],
    filters: Filters,
    rng: &mut (impl Generator + ?Sized),
) -> Result<Vec<F>, Error> {
    check_size("the point", x.len(), flatten.len())?;
    let mut direction = vec![F::zero(); x.len()];
    for (index, (_, shape, range)) in flatten.leaves().enumerate() {
        if shape.len() < 2 || range.is_empty() {
            continue;
        }
        let to = &mut direction[range];
        to.iter_mut().for_each(|d| *d = F::from_f64(normal(rng)));
        let (Ok(mut to), Some(from)) =
            (ArrayViewMutD::from_shape(shape, to), flatten.leaf(x, index))
        else {
            continue;
        };
        let axis = match filters {
            Filters::FirstAxis => Axis(0),
            Filters::LastAxis => Axis(shape.len() - 1),
        };
        for (mut to, from) in to.axis_iter_mut(axis).zip(from.axis_iter(axis)) {
            let [old, new] = [to.view(), from].map(|filter| {
                filter.iter().map(|x| x.into_f64() * x.into_f64()).sum::<f64>().sqrt()
            });
            let factor = if old > 0.0 { F::from_f64(new / old) } else { F::zero() };
            to.mapv_inplace(|d| d * factor);
        }
    }
    Ok(direction)
}

/// A normal number: Box & Muller, 1958.
#[cfg(feature = "rand")]
fn normal(rng: &mut (impl Rng + ?Sized)) -> f64 {
    let radius: f64 = 1.0 - rng.random::<f64>();
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
