//! Distorted copies of images, so that a network sees more of them than there are.
//!
//! [`Augment`] draws a distortion and applies it. Its parts serve alone: a [`Warp`] is a distortion
//! itself, the same for as many images as it is applied to; an [`Affine`] map or an [`Elastic`] field
//! makes one.

mod affine;
mod elastic;
mod noise;
mod warp;

use std::ops::RangeInclusive;

use ndarray::{Array2, Array3, ArrayRef2, ArrayRef3, Axis};
use rand::Rng;

pub use affine::Affine;
pub use elastic::Elastic;
pub use warp::Warp;

use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::random::Generator;
use crate::scalar::Scalar;

/// **Augmentation**: rotates, scales, shifts and elastically distorts images at random, and adds noise.
///
/// | setting | what is drawn for each image |
/// |---|---|
/// | [`rotate`](Augment::rotate) | an angle, uniform in [-a, a] degrees, about the centre |
/// | [`scale`](Augment::scale) | a factor, uniform in a range, about the centre |
/// | [`shift`](Augment::shift) | a way along each axis, uniform in [-s, s] pixels |
/// | [`elastic`](Augment::elastic) | a smooth field of displacements, see [`Elastic`] |
/// | [`noise`](Augment::noise) | a normal number for each pixel, added last |
///
/// Nothing is on until it is set. All moves are joined into one [`Warp`], so that each image is
/// interpolated once, bilinearly; what lies outside of it has the value [`fill`](Augment::fill), 0
/// unless set. Shapes are kept, and the input is left alone. Draws and coordinates are in `f64` and in a
/// fixed order: the same generator gives the same image whatever the memory layout, and in `f32` the
/// `f64` image rounded. Settings that come to nothing give the image back bit for bit.
///
/// Sources: Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to
/// visual document analysis", 2003 (all but the noise); Sietsma & Dow, "Creating artificial neural
/// networks that generalize", 1991 (noise).
///
/// ```
/// use ndarray::Array2;
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::regularize::Augment;
///
/// let augment = Augment::new().elastic(4.0, 34.0).rotate(10.0).shift(1.5).scale(0.9..=1.1);
/// let mut rng = StdRng::seed_from_u64(1);
/// let batch = Array2::<f32>::ones((16, 28 * 28)); // an image a row
/// let distorted = augment.rows(&batch, [28, 28], &mut rng)?;
/// assert_eq!(distorted.dim(), batch.dim());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Augment {
    elastic: Option<Elastic>,
    degrees: f64,
    shift: f64,
    scale: RangeInclusive<f64>,
    noise: f64,
    fill: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self { elastic: None, degrees: 0.0, shift: 0.0, scale: 1.0..=1.0, noise: 0.0, fill: 0.0 }
    }
}

impl Augment {
    const NAME: &'static str = "Augment";

    /// Leaves images as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an elastic distortion: displacements smoothed over σ pixels, in [0, 1000], and scaled by α,
    /// in [0, ∞). They are about α/(2σ√(3π)) pixels, for Simard's σ = 4, α = 34 on 28x28 pixels 1.4.
    #[must_use]
    pub fn elastic(self, sigma: f64, alpha: f64) -> Self {
        Self { elastic: Some(Elastic { sigma, alpha }), ..self }
    }

    /// Sets the largest angle of a rotation, either way; in [0, 180] degrees.
    #[must_use]
    pub fn rotate(self, degrees: f64) -> Self {
        Self { degrees, ..self }
    }

    /// Sets the largest shift along each axis, either way; in [0, ∞) pixels.
    #[must_use]
    pub fn shift(self, pixels: f64) -> Self {
        Self { shift: pixels, ..self }
    }

    /// Sets the range of the factor; above 1 it enlarges. Its ends are in (0, ∞).
    #[must_use]
    pub fn scale(self, factors: RangeInclusive<f64>) -> Self {
        Self { scale: factors, ..self }
    }

    /// Sets the standard deviation of the noise; in [0, ∞).
    #[must_use]
    pub fn noise(self, standard_deviation: f64) -> Self {
        Self { noise: standard_deviation, ..self }
    }

    /// Sets the value outside the image.
    #[must_use]
    pub fn fill(self, fill: f64) -> Self {
        Self { fill, ..self }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`].
    pub fn check(&self) -> Result<(), Error> {
        const DEGREES: Interval = Interval::closed(0.0, 180.0, "a number in [0, 180]");
        if let Some(elastic) = self.elastic {
            elastic.check()?;
        }
        DEGREES.check::<f64>(Self::NAME, "rotate", self.degrees)?;
        Interval::NON_NEGATIVE.check::<f64>(Self::NAME, "shift", self.shift)?;
        Interval::NON_NEGATIVE.check::<f64>(Self::NAME, "noise", self.noise)?;
        let (low, high) = (*self.scale.start(), *self.scale.end());
        Interval::POSITIVE.check::<f64>(Self::NAME, "scale", low)?;
        Interval::POSITIVE.check::<f64>(Self::NAME, "scale", high)?;
        if low > high {
            const ORDER: &str = "a range whose start is not above its end";
            return Err(Error::hyperparameter(Self::NAME, "scale", low, ORDER));
        }
        Ok(())
    }

    /// Draws a distortion for images of that height and width, to be applied to one or several: the
    /// channels of a colour image, or an image and its labels, which
    /// [`Warp::apply_nearest`] is for. It has all but the noise.
    ///
    /// # Errors
    /// As [`check`](Augment::check).
    ///
    /// ```
    /// use ndarray::Array3;
    /// use rand::{SeedableRng, rngs::StdRng};
    /// use thalweg::regularize::Augment;
    /// let warp = Augment::new().rotate(30.0).warp([9, 9], &mut StdRng::seed_from_u64(1))?;
    /// let mut colours = Array3::<f32>::ones((3, 9, 9));
    /// for mut colour in colours.outer_iter_mut() {
    ///     let turned = warp.apply(&colour)?;
    ///     colour.assign(&turned);
    /// }
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn warp(
        &self,
        shape: [usize; 2],
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Warp, Error> {
        self.check()?;
        let mut warp = Warp::with_room(shape)?;
        self.draw(&mut warp, rng);
        Ok(warp)
    }

    /// A distorted copy of an image, rows × columns.
    ///
    /// # Errors
    /// As [`check`](Augment::check).
    pub fn image<F: Scalar>(
        &self,
        image: &ArrayRef2<F>,
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Array2<F>, Error> {
        let batch = self.images(&image.view().insert_axis(Axis(0)), rng)?;
        Ok(batch.remove_axis(Axis(0)))
    }

    /// A distorted copy of a batch of images, n × rows × columns; each draws for itself, in turn.
    ///
    /// # Errors
    /// As [`check`](Augment::check).
    pub fn images<F: Scalar>(
        &self,
        images: &ArrayRef3<F>,
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Array3<F>, Error> {
        self.check()?;
        let (_, rows, columns) = images.dim();
        let mut warp = Warp::identity([rows, columns]);
        let mut pixels = vec![0.0; rows * columns];
        let mut distorted = Array3::zeros(images.raw_dim());
        for (image, mut to) in images.outer_iter().zip(distorted.outer_iter_mut()) {
            pixels.iter_mut().zip(&image).for_each(|(pixel, x)| *pixel = x.into_f64());
            self.draw(&mut warp, rng);
            let moved = (0..pixels.len()).map(|i| warp.sample(&pixels, i, self.fill));
            if self.noise == 0.0 {
                to.iter_mut().zip(moved).for_each(|(to, x)| *to = F::from_f64(x));
            } else {
                let noisy = moved.zip(noise::Normal::new(rng)).map(|(x, z)| x + self.noise * z);
                to.iter_mut().zip(noisy).for_each(|(to, x)| *to = F::from_f64(x));
            }
        }
        Ok(distorted)
    }

    /// As [`images`](Augment::images), for images of that height and width that are the rows of a
    /// matrix, n × (height · width).
    ///
    /// # Errors
    /// As [`check`](Augment::check), and [`ErrorKind::Shape`] if a row has not
    /// that many pixels.
    pub fn rows<F: Scalar>(
        &self,
        rows: &ArrayRef2<F>,
        shape: [usize; 2],
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Array2<F>, Error> {
        let [height, width] = shape;
        let (count, pixels) = rows.dim();
        let mismatch = || {
            let (expected, found) =
                (vec![count, height.saturating_mul(width)], vec![count, pixels]);
            let what = "batch of rows of height·width pixels";
            Error::from(ErrorKind::Shape { owner: Self::NAME, what, expected, found })
        };
        if height.checked_mul(width) != Some(pixels) {
            return Err(mismatch());
        }
        let images = rows.to_shape((count, height, width)).map_err(|_| mismatch())?;
        let distorted = self.images(&images, rng)?;
        distorted.into_shape_with_order((count, pixels)).map_err(|_| mismatch())
    }

    /// Makes `warp` a new draw. What is off draws nothing.
    fn draw(&self, warp: &mut Warp, rng: &mut (impl Rng + ?Sized)) {
        let mut within = |limit: f64| {
            if limit == 0.0 { 0.0 } else { limit * noise::symmetric(rng) }
        };
        let degrees = within(self.degrees);
        let (low, high) = (*self.scale.start(), *self.scale.end());
        // A range of one number is that number, whatever the rounding of its half.
        let half = 0.5 * (high - low);
        let scale = if half == 0.0 { low } else { (low + half + within(half)).clamp(low, high) };
        let shift = [within(self.shift), within(self.shift)];
        warp.set_affine(Affine { degrees, scale, shift });
        if let Some(elastic) = self.elastic.filter(|elastic| elastic.alpha > 0.0) {
            elastic.add_to(warp, rng);
        }
    }
}
