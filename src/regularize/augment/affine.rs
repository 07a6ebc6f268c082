//! Rotation, scale and shift.

/// The map that turns an image about its centre, scales it from there, and then shifts it.
///
/// The default is the identity. Multiples of 90 degrees are exact.
///
/// Source: Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to
/// visual document analysis", 2003.
///
/// ```
/// use ndarray::array;
/// use thalweg::regularize::augment::{Affine, Warp};
/// let image = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
/// let turn = Affine { degrees: 90.0, ..Affine::default() };
/// let turned = Warp::affine([3, 3], turn)?.apply(&image)?;
/// assert_eq!(turned, array![[3.0, 6.0, 9.0], [2.0, 5.0, 8.0], [1.0, 4.0, 7.0]]);
/// let shift = Affine { shift: [1.0, 0.0], ..Affine::default() };
/// let shifted = Warp::affine([3, 3], shift)?.apply(&image)?;
/// assert_eq!(shifted, array![[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// The angle in degrees, counter-clockwise as the image is looked at with row 0 on top.
    pub degrees: f64,
    /// The factor; above 1 it enlarges.
    pub scale: f64,
    /// How far the image moves down and to the right, in pixels.
    pub shift: [f64; 2],
}

impl Default for Affine {
    fn default() -> Self {
        Self { degrees: 0.0, scale: 1.0, shift: [0.0, 0.0] }
    }
}

impl Affine {
    /// The matrix that leads from the place of a pixel in the result, relative to the shifted
    /// centre, back to its place in the image.
    pub(super) fn back(self) -> [[f64; 2]; 2] {
        // By quarters of a turn first: the sine and cosine of those are exact.
        let quarters = (self.degrees / 90.0).round();
        let (sin, cos) = (self.degrees - 90.0 * quarters).to_radians().sin_cos();
        let (sin, cos) = match quarters.rem_euclid(4.0) as u8 {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
        [[cos / self.scale, sin / self.scale], [-sin / self.scale, cos / self.scale]]
    }
}
