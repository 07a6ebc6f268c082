//! Dropout of units, of whole channels, and of weights.

use ndarray::{ArrayRef, ArrayView, Axis, Dimension, Zip};
use rand::Rng;

use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::random::Generator;
use crate::scalar::Scalar;

/// Whether a network learns or is used; layers with noise in them tell the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Units are dropped.
    #[default]
    Training,
    /// Nothing is dropped: the layer is the identity.
    Evaluation,
}

/// **Dropout**: in training each unit is 0 with probability p, else x/(1 - p); in evaluation it is x.
///
/// The rate p in [0, 1) is the fraction dropped, taken to the nearest 2⁻³². The factor 1/(1 - p) keeps
/// the expectation, so that evaluation has nothing to make up for. The layer takes arrays of any rank
/// and layout, in place: [`forward`](Dropout::forward) draws a mask and keeps it,
/// [`backward`](Dropout::backward) applies it to the gradient. A layer that has seen its largest batch
/// allocates nothing.
///
/// The mask is drawn in logical (row-major) order, one `u32` a unit: the same generator gives the same
/// mask whatever the layout and the precision.
///
/// Sources: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout: a simple way to
/// prevent neural networks from overfitting", 2014; Tompson, Goroshin, Jain, LeCun & Bregler,
/// "Efficient object localization using convolutional networks", 2015 ([`channels`](Dropout::channels)).
///
/// ```
/// use ndarray::{Array2, Axis};
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::regularize::{Dropout, Mode};
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let mut dropout = Dropout::new(0.5);
/// let mut hidden = Array2::from_elem((4, 100), 1.0);
/// dropout.forward(&mut hidden, &mut rng)?;
/// assert!(hidden.iter().all(|&x: &f64| x == 0.0 || x == 2.0));
///
/// let mut by_hidden = Array2::from_elem((4, 100), 1.0);
/// dropout.backward(&mut by_hidden)?;
/// assert_eq!(by_hidden, hidden);
///
/// dropout.set_mode(Mode::Evaluation);
/// dropout.forward(&mut by_hidden, &mut rng)?;
/// assert_eq!(by_hidden, hidden);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dropout {
    axis: Option<usize>,
    mode: Mode,
    mask: Mask,
}

impl Dropout {
    const NAME: &'static str = "Dropout";

    /// Drops single units at that rate p in [0, 1), which the first pass checks.
    pub const fn new(rate: f64) -> Self {
        Self { axis: None, mode: Mode::Training, mask: Mask::new(Self::NAME, rate) }
    }

    /// Drops whole channels: the units that share their index along `axis` and, since each example of
    /// a batch draws for itself, along axis 0.
    ///
    /// For batches of images (n × channels × height × width) that is `Axis(1)`; for a single image
    /// (channels × height × width), `Axis(0)`.
    ///
    /// ```
    /// use ndarray::{Array4, Axis};
    /// use rand::{SeedableRng, rngs::StdRng};
    /// use thalweg::regularize::Dropout;
    /// let mut images = Array4::<f32>::ones((2, 8, 3, 3));
    /// let mut rng = StdRng::seed_from_u64(1);
    /// Dropout::channels(0.5, Axis(1)).forward(&mut images, &mut rng)?;
    /// let sums = images.sum_axis(Axis(3)).sum_axis(Axis(2)); // over the 9 pixels of each channel
    /// assert!(sums.iter().all(|&sum| sum == 0.0 || sum == 18.0));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub const fn channels(rate: f64, axis: Axis) -> Self {
        let mask = Mask::new(Self::NAME, rate);
        Self { axis: Some(axis.0), mode: Mode::Training, mask }
    }

    /// The rate p.
    pub fn rate(&self) -> f64 {
        self.mask.rate
    }

    /// Whether it drops; a new layer does.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Makes it drop, or not.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Drops units of `x`, drawing from `rng`, and keeps the mask; in evaluation, leaves `x` and `rng`
    /// as they are.
    ///
    /// A dropped unit is 0, even if it was NaN.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`] if the rate is not in [0, 1), and
    /// [`ErrorKind::Axis`] if `x` has no such axis; nothing has then changed.
    pub fn forward<F: Scalar, D: Dimension>(
        &mut self,
        x: &mut ArrayRef<F, D>,
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<(), Error> {
        self.mask.check()?;
        if self.mode == Mode::Evaluation {
            self.mask.clear(x.shape());
            return Ok(());
        }
        if let Some(axis) = self.axis
            && axis >= x.ndim()
        {
            let (owner, leaf, rank) = (Self::NAME, String::new(), x.ndim());
            return Err(ErrorKind::Axis { owner, leaf, axis, rank }.into());
        }
        self.mask.draw(x.shape(), self.axis, rng);
        self.mask.apply(x)
    }

    /// Makes the gradient by the output of the last [`forward`](Dropout::forward) the one by its input.
    ///
    /// # Errors
    /// [`ErrorKind::NoForward`] before the first forward pass, and
    /// [`ErrorKind::Shape`] unless the gradient has the shape that went
    /// forward; it is then as it was.
    pub fn backward<F: Scalar, D: Dimension>(
        &self,
        gradient: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        self.mask.apply(gradient)
    }
}

/// **DropConnect**: in training each weight is 0 with probability p, else w/(1 - p).
///
/// It is [`Dropout`] of weights, which must survive it: [`forward`](DropConnect::forward) writes them,
/// masked, into an array of their own, to be used in their place. One mask serves the whole batch. In
/// evaluation the weights are used as they are; the paper samples from a normal distribution instead.
///
/// Source: Wan, Zeiler, Zhang, LeCun & Fergus, "Regularization of neural networks using DropConnect",
/// 2013.
///
/// ```
/// use ndarray::{Array2, array};
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::regularize::DropConnect;
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let mut drop_connect = DropConnect::new(0.5);
/// let (x, weight) = (array![[1.0, 2.0]], Array2::<f64>::ones((2, 3)));
/// let mut masked = weight.clone();
/// drop_connect.forward(&weight, &mut masked, &mut rng)?;
/// let output = x.dot(&masked);
///
/// let by_output = Array2::ones(output.raw_dim());
/// let mut by_weight = x.t().dot(&by_output);
/// drop_connect.backward(&mut by_weight)?;
/// assert_eq!(by_weight, &masked * &array![[1.0], [2.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DropConnect {
    mode: Mode,
    mask: Mask,
}

impl DropConnect {
    const NAME: &'static str = "DropConnect";

    /// Drops weights at that rate p in [0, 1), which the first pass checks.
    pub const fn new(rate: f64) -> Self {
        Self { mode: Mode::Training, mask: Mask::new(Self::NAME, rate) }
    }

    /// The rate p.
    pub fn rate(&self) -> f64 {
        self.mask.rate
    }

    /// Whether it drops; a new one does.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Makes it drop, or not.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Writes the weights into `masked`, of the same shape, and drops some of them there.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`] and
    /// [`ErrorKind::Shape`]; nothing has then changed.
    pub fn forward<F: Scalar, D: Dimension>(
        &mut self,
        weight: &ArrayRef<F, D>,
        masked: &mut ArrayRef<F, D>,
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<(), Error> {
        self.mask.check()?;
        if weight.shape() != masked.shape() {
            let (expected, found) = (weight.shape().to_vec(), masked.shape().to_vec());
            let (owner, what) = (Self::NAME, "array for the masked weights");
            return Err(ErrorKind::Shape { owner, what, expected, found }.into());
        }
        masked.assign(weight);
        match self.mode {
            Mode::Training => self.mask.draw(weight.shape(), None, rng),
            Mode::Evaluation => self.mask.clear(weight.shape()),
        }
        self.mask.apply(masked)
    }

    /// Makes the gradient by the masked weights the one by the weights.
    ///
    /// # Errors
    /// As [`Dropout::backward`].
    pub fn backward<F: Scalar, D: Dimension>(
        &self,
        gradient: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        self.mask.apply(gradient)
    }
}

/// Which elements the last forward pass has kept.
#[derive(Debug, Clone)]
struct Mask {
    owner: &'static str,
    rate: f64,
    /// The shape that went forward; none before the first pass.
    shape: Option<Vec<usize>>,
    /// The shape of `kept`: 1 along the axes that an element shares its fate with.
    drawn: Vec<usize>,
    /// In logical order; empty if all are kept.
    kept: Vec<bool>,
    drops: bool,
}

impl Mask {
    const fn new(owner: &'static str, rate: f64) -> Self {
        Self { owner, rate, shape: None, drawn: Vec::new(), kept: Vec::new(), drops: false }
    }

    fn check(&self) -> Result<(), Error> {
        Interval::FRACTION.check::<f64>(self.owner, "rate", self.rate)
    }

    fn see(&mut self, shape: &[usize]) {
        let seen = self.shape.get_or_insert_default();
        seen.clear();
        seen.extend_from_slice(shape);
    }

    /// Keeps everything.
    fn clear(&mut self, shape: &[usize]) {
        self.see(shape);
        self.drops = false;
    }

    /// Draws anew: one number for each element, or for each channel of each example.
    fn draw(&mut self, shape: &[usize], channels: Option<usize>, rng: &mut (impl Rng + ?Sized)) {
        self.see(shape);
        self.drops = true;
        self.drawn.clear();
        self.drawn.extend_from_slice(shape);
        if let Some(axis) = channels {
            let shared = self.drawn.iter_mut().enumerate().filter(|&(i, _)| i != 0 && i != axis);
            shared.for_each(|(_, len)| *len = (*len).min(1));
        }
        // Compared as whole numbers; the cast saturates, so that the rarest unit may still be kept.
        let threshold = (self.rate * 2.0_f64.powi(32)).round() as u32;
        let count = self.drawn.iter().product();
        self.kept.clear();
        self.kept.extend((0..count).map(|_| rng.next_u32() >= threshold));
    }

    fn apply<F: Scalar, D: Dimension>(&self, x: &mut ArrayRef<F, D>) -> Result<(), Error> {
        let Some(shape) = &self.shape else {
            return Err(ErrorKind::NoForward { owner: self.owner }.into());
        };
        if shape != x.shape() {
            let (expected, found) = (shape.clone(), x.shape().to_vec());
            let (owner, what) = (self.owner, "gradient");
            return Err(ErrorKind::Shape { owner, what, expected, found }.into());
        }
        if !self.drops {
            return Ok(());
        }
        let scale = F::from_f64(1.0 / (1.0 - self.rate));
        // Scaled before it is chosen: a choice without a branch, which chance would mislead.
        let drop = |x: &mut F, &kept: &bool| {
            let scaled = *x * scale;
            *x = if kept { scaled } else { F::zero() };
        };
        if self.kept.len() == x.len()
            && let Some(x) = x.as_slice_mut()
        {
            x.iter_mut().zip(&self.kept).for_each(|(x, kept)| drop(x, kept));
            return Ok(());
        }
        let mut drawn = x.raw_dim();
        drawn.slice_mut().copy_from_slice(&self.drawn);
        let Ok(kept) = ArrayView::from_shape(drawn, &self.kept) else { return Ok(()) };
        if let Some(kept) = kept.broadcast(x.raw_dim()) {
            Zip::from(x).and(&kept).for_each(drop);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// Otherwise it could not be viewed in that shape, and nothing would be dropped.
    #[test]
    fn a_mask_has_an_element_for_each_that_is_drawn() {
        let mut rng = StdRng::seed_from_u64(1);
        for (axis, count) in [(None, 24), (Some(0), 2), (Some(1), 6), (Some(2), 8)] {
            let mut mask = Mask::new("Mask", 0.5);
            mask.draw(&[2, 3, 4], axis, &mut rng);
            assert_eq!((mask.kept.len(), mask.drawn.iter().product()), (count, count));
            let mut x = Array3::<f32>::ones((2, 3, 4));
            mask.apply(&mut x).unwrap();
            assert_eq!(x.iter().any(|&x| x == 0.0), mask.kept.contains(&false));
        }
    }
}
