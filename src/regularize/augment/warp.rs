//! A distortion: where each pixel of the result comes from.

use ndarray::{Array2, Array3, ArrayRef2, ArrayRef3};

use super::Affine;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::scalar::Scalar;

/// A distortion of images of one shape: for each pixel of the result its source in the image.
///
/// [`apply`](Warp::apply) interpolates bilinearly between the four pixels around a source; one that is
/// a pixel itself is taken as it is, bit for bit. Labels, of which there is no mean, go through
/// [`apply_nearest`](Warp::apply_nearest). Outside the image, where a source that is not finite
/// lies too, all is 0, or what [`apply_with_fill`](Warp::apply_with_fill) is given.
///
/// ```
/// use ndarray::{Array3, array};
/// use thalweg::regularize::augment::Warp;
/// // Every pixel from half a pixel to its right.
/// let mut field = Array3::zeros((2, 1, 3));
/// field.index_axis_mut(ndarray::Axis(0), 1).fill(0.5);
/// let moved = Warp::identity([1, 3]).displaced(&field)?.apply(&array![[2.0, 4.0, 8.0]])?;
/// assert_eq!(moved, array![[3.0, 6.0, 4.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Warp {
    shape: [usize; 2],
    /// Row and column of each pixel's source, in logical order.
    sources: Vec<[f64; 2]>,
}

impl Warp {
    const NAME: &'static str = "Warp";

    /// Leaves images of that height and width as they are.
    pub fn identity(shape: [usize; 2]) -> Self {
        let [rows, columns] = shape;
        let row = |i| (0..columns).map(move |j| [i as f64, j as f64]);
        Self { shape, sources: (0..rows).flat_map(row).collect() }
    }

    /// The distortion of an affine map.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`] unless all is finite, the scale above 0, and the shape one that
    /// memory can hold.
    pub fn affine(shape: [usize; 2], map: Affine) -> Result<Self, Error> {
        const FINITE: Interval = Interval::closed(f64::MIN, f64::MAX, "a finite number");
        FINITE.check::<f64>("Affine", "degrees", map.degrees)?;
        Interval::POSITIVE.check::<f64>("Affine", "scale", map.scale)?;
        FINITE.check::<f64>("Affine", "shift", map.shift[0])?;
        FINITE.check::<f64>("Affine", "shift", map.shift[1])?;
        let mut warp = Self::with_room(shape)?;
        warp.set_affine(map);
        Ok(warp)
    }

    /// This distortion with displacements added to the sources: 2 × height × width, along the rows and
    /// along the columns.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`].
    pub fn displaced(mut self, field: &ArrayRef3<f64>) -> Result<Self, Error> {
        let [rows, columns] = self.shape;
        if field.shape() != [2, rows, columns] {
            let (expected, found) = (vec![2, rows, columns], field.shape().to_vec());
            let (owner, what) = (Self::NAME, "field of displacements");
            return Err(ErrorKind::Shape { owner, what, expected, found }.into());
        }
        for (k, component) in field.outer_iter().enumerate() {
            self.sources.iter_mut().zip(&component).for_each(|(source, d)| source[k] += d);
        }
        Ok(self)
    }

    /// Where each pixel comes from: 2 × height × width, its row and its column in the image.
    pub fn sources(&self) -> Array3<f64> {
        let [rows, columns] = self.shape;
        Array3::from_shape_fn((2, rows, columns), |(k, i, j)| self.sources[i * columns + j][k])
    }

    /// The distorted image.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the image has another one.
    pub fn apply<F: Scalar>(&self, image: &ArrayRef2<F>) -> Result<Array2<F>, Error> {
        self.apply_with_fill(image, 0.0)
    }

    /// The distorted image, with that value outside.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the image has another one.
    pub fn apply_with_fill<F: Scalar>(
        &self,
        image: &ArrayRef2<F>,
        fill: f64,
    ) -> Result<Array2<F>, Error> {
        self.check_image(image.shape())?;
        let pixels: Vec<f64> = image.iter().map(|x| x.into_f64()).collect();
        let [_, columns] = self.shape;
        let at = |(i, j)| F::from_f64(self.sample(&pixels, i * columns + j, fill));
        Ok(Array2::from_shape_fn(image.raw_dim(), at))
    }

    /// The distorted image of labels, whole numbers or whatever else cannot be mixed: each pixel is the
    /// one nearest to its source, bit for bit, or `fill` where that lies outside.
    ///
    /// A source halfway between two pixels takes the lower or the right one.
    ///
    /// ```
    /// use ndarray::{Array3, array};
    /// use thalweg::regularize::augment::Warp;
    /// let mut field = Array3::zeros((2, 1, 3));
    /// field.index_axis_mut(ndarray::Axis(0), 1).fill(0.75);
    /// let moved = Warp::identity([1, 3]).displaced(&field)?;
    /// assert_eq!(moved.apply_nearest(&array![[7_u8, 0, 3]], 255)?, array![[0, 3, 255]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the image has another one.
    pub fn apply_nearest<T: Copy>(
        &self,
        labels: &ArrayRef2<T>,
        fill: T,
    ) -> Result<Array2<T>, Error> {
        self.check_image(labels.shape())?;
        let [rows, columns] = self.shape;
        let at = |(i, j): (usize, usize)| {
            let [y, x] = self.sources[i * columns + j].map(nearest);
            let inside = y >= 0.0 && y < rows as f64 && x >= 0.0 && x < columns as f64;
            if inside { labels[[y as usize, x as usize]] } else { fill }
        };
        Ok(Array2::from_shape_fn(labels.raw_dim(), at))
    }

    fn check_image(&self, shape: &[usize]) -> Result<(), Error> {
        if shape == self.shape {
            return Ok(());
        }
        let (expected, found) = (self.shape.to_vec(), shape.to_vec());
        let (owner, what) = (Self::NAME, "image");
        Err(ErrorKind::Shape { owner, what, expected, found }.into())
    }

    /// A distortion of images of that shape, to be set.
    pub(super) fn with_room(shape: [usize; 2]) -> Result<Self, Error> {
        let [rows, columns] = shape;
        let mut sources = Vec::new();
        let pixels = rows.checked_mul(columns);
        if pixels.is_none_or(|pixels| sources.try_reserve_exact(pixels).is_err()) {
            let (pixels, allowed) =
                (rows as f64 * columns as f64, "as many pixels as memory can hold");
            return Err(Error::hyperparameter(Self::NAME, "shape", pixels, allowed));
        }
        sources.resize(rows * columns, [0.0; 2]);
        Ok(Self { shape, sources })
    }

    /// Makes this the distortion of an affine map.
    pub(super) fn set_affine(&mut self, map: Affine) {
        let [rows, columns] = self.shape;
        let back = map.back();
        // The centre and whole pixels are multiples of ½, so that quarter turns and whole shifts lead
        // to whole pixels.
        let centre = [rows, columns].map(|n| 0.5 * (n as f64 - 1.0));
        let mut sources = self.sources.iter_mut();
        for i in 0..rows {
            let y = i as f64 - centre[0] - map.shift[0];
            for (j, source) in (0..columns).zip(&mut sources) {
                let x = j as f64 - centre[1] - map.shift[1];
                *source = [0, 1].map(|k| centre[k] + (back[k][0] * y + back[k][1] * x));
            }
        }
    }

    /// The sources of a row of pixels, to be displaced.
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [[f64; 2]] {
        let columns = self.shape[1];
        &mut self.sources[row * columns..(row + 1) * columns]
    }

    pub(super) fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The value of a pixel of the result, from the pixels of the image in logical order.
    pub(super) fn sample(&self, pixels: &[f64], at: usize, fill: f64) -> f64 {
        let [y, x] = self.sources[at];
        if !y.is_finite() || !x.is_finite() {
            return fill;
        }
        let (top, left) = (y.floor(), x.floor());
        let (down, right) = (y - top, x - left);
        let [rows, columns] = self.shape.map(|n| n as f64 - 1.0);
        if top >= 0.0 && top < rows && left >= 0.0 && left < columns && down > 0.0 && right > 0.0 {
            // Four pixels of the image, as nearly always.
            let at = top as usize * self.shape[1] + left as usize;
            let (upper, lower) = (&pixels[at..at + 2], &pixels[at + self.shape[1]..][..2]);
            let upper = (1.0 - right) * upper[0] + right * upper[1];
            let lower = (1.0 - right) * lower[0] + right * lower[1];
            return (1.0 - down) * upper + down * lower;
        }
        let row = |top: f64| {
            let pixel = |left: f64| self.pixel(pixels, top, left, fill);
            between(right, || pixel(left), || pixel(left + 1.0))
        };
        between(down, || row(top), || row(top + 1.0))
    }

    fn pixel(&self, pixels: &[f64], row: f64, column: f64, fill: f64) -> f64 {
        let [rows, columns] = self.shape;
        let inside = row >= 0.0 && row < rows as f64 && column >= 0.0 && column < columns as f64;
        if inside { pixels[row as usize * columns + column as usize] } else { fill }
    }
}

/// The whole number nearest to a place; of two the larger.
fn nearest(place: f64) -> f64 {
    // Adding ½ would round what lies just below it up.
    let low = place.floor();
    if place - low >= 0.5 { low + 1.0 } else { low }
}

/// The value at a fraction of the way. At 0 it is the first's bits, whatever the other is.
fn between(fraction: f64, first: impl FnOnce() -> f64, second: impl FnOnce() -> f64) -> f64 {
    if fraction == 0.0 { first() } else { (1.0 - fraction) * first() + fraction * second() }
}
