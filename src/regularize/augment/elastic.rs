//! Elastic distortion.

use ndarray::Array3;
use rand::Rng;

use super::Warp;
use super::noise::symmetric;
use crate::error::Error;
use crate::interval::Interval;
use crate::random::Generator;

/// An **elastic distortion**: a field of displacements as of paper that is unevenly wet.
///
/// Row and column of each pixel's source are displaced by α·(G ∗ u), where u has a number for each
/// pixel, uniform in [-1, 1], and G is a normalized Gaussian of σ pixels, cut off at 4σ. The numbers
/// go on beyond the border as far as G reaches, so that the border moves like the rest: everywhere
/// each component has mean 0 and standard deviation α·ΣG₁²/√3, with G₁ the Gaussian along one axis,
/// which for σ ≥ 1 is α/(2σ√(3π)).
///
/// Source: Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to
/// visual document analysis", 2003; there σ = 4 and α = 34 for images of 29x29 pixels.
///
/// ```
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::regularize::augment::{Elastic, Warp};
/// let field = Elastic { sigma: 4.0, alpha: 34.0 }.field([28, 28], &mut StdRng::seed_from_u64(1))?;
/// assert_eq!(field.dim(), (2, 28, 28));
/// let warp = Warp::identity([28, 28]).displaced(&field)?;
/// # let _ = warp;
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elastic {
    /// How far displacements are alike: σ in [0, 1000] pixels.
    pub sigma: f64,
    /// What the smoothed numbers are multiplied by: α in [0, ∞).
    pub alpha: f64,
}

impl Elastic {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter).
    pub fn check(self) -> Result<(), Error> {
        const SIGMA: Interval = Interval::closed(0.0, 1000.0, "a number in [0, 1000]");
        SIGMA.check::<f64>("Elastic", "sigma", self.sigma)?;
        Interval::NON_NEGATIVE.check::<f64>("Elastic", "alpha", self.alpha)
    }

    /// The Gaussian along one axis: exp(-i²/2σ²) at the whole numbers i up to 4σ either way, divided
    /// by their sum. For σ = 0 it is 1 at 0.
    ///
    /// # Errors
    /// As [`check`](Elastic::check).
    ///
    /// ```
    /// use thalweg::regularize::augment::Elastic;
    /// let kernel = Elastic { sigma: 1.0, alpha: 1.0 }.kernel()?;
    /// assert_eq!(kernel.len(), 9);
    /// assert!((kernel.iter().sum::<f64>() - 1.0).abs() < 1e-15);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn kernel(self) -> Result<Vec<f64>, Error> {
        self.check()?;
        Ok(self.gaussian())
    }

    fn gaussian(self) -> Vec<f64> {
        let reach = (4.0 * self.sigma).ceil() as i32;
        let height = |i: i32| {
            if i == 0 { 1.0 } else { (-0.5 * (f64::from(i) / self.sigma).powi(2)).exp() }
        };
        let mut kernel: Vec<f64> = (-reach..=reach).map(height).collect();
        let sum: f64 = kernel.iter().sum();
        kernel.iter_mut().for_each(|k| *k /= sum);
        kernel
    }

    /// A field of displacements for images of that height and width: 2 × height × width, along the rows
    /// and along the columns.
    ///
    /// # Errors
    /// As [`check`](Elastic::check).
    pub fn field(
        self,
        shape: [usize; 2],
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Array3<f64>, Error> {
        self.check()?;
        let mut field = Array3::zeros((2, shape[0], shape[1]));
        self.each(shape, rng, |k, i, row| {
            row.iter().enumerate().for_each(|(j, &d)| field[[k, i, j]] = d);
        });
        Ok(field)
    }

    /// Displaces the sources of a distortion.
    pub(super) fn add_to(self, warp: &mut Warp, rng: &mut (impl Rng + ?Sized)) {
        self.each(warp.shape(), rng, |k, i, row| {
            warp.row_mut(i).iter_mut().zip(row).for_each(|(source, d)| source[k] += d);
        });
    }

    /// Draws both components and hands out the rows of each.
    fn each(
        self,
        [rows, columns]: [usize; 2],
        rng: &mut (impl Rng + ?Sized),
        mut each: impl FnMut(usize, usize, &[f64]),
    ) {
        let kernel = self.gaussian();
        // Columns first, row by row as the numbers come; what is kept is as wide as the image alone.
        let mut drawn = vec![0.0; columns + kernel.len() - 1];
        let mut smoothed = vec![0.0; (rows + kernel.len() - 1) * columns];
        let mut row = vec![0.0; columns];
        if rows == 0 || columns == 0 {
            return;
        }
        for component in 0..2 {
            for to in smoothed.chunks_exact_mut(columns) {
                drawn.iter_mut().for_each(|u| *u = symmetric(rng));
                to.fill(0.0);
                for (&k, from) in kernel.iter().zip(drawn.windows(columns)) {
                    to.iter_mut().zip(from).for_each(|(to, u)| *to += k * u);
                }
            }
            for i in 0..rows {
                row.fill(0.0);
                for (&k, from) in kernel.iter().zip(smoothed[i * columns..].chunks_exact(columns)) {
                    row.iter_mut().zip(from).for_each(|(to, u)| *to += k * u);
                }
                row.iter_mut().for_each(|d| *d *= self.alpha);
                each(component, i, &row);
            }
        }
    }
}
