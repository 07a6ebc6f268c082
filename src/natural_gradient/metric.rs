//! The trait of metrics.

use std::fmt::Debug;

use crate::error::Error;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::Record;

/// What is known of the Fisher matrix F: fed by statistics, asked for (F + λI)⁻¹g.
///
/// Vectors are those of a [`Flatten`]. An `Err` leaves the metric as it was.
///
/// ```
/// use thalweg::params::{Flatten, Params};
/// use thalweg::natural_gradient::{Metric, NaturalGradient};
/// use thalweg::{Error, Optimizer, state::Record};
///
/// /// F = s·I, with s as the statistic.
/// #[derive(Debug)]
/// struct Sphere(f64, f64);
/// impl Metric<f64> for Sphere {
///     type Statistics = f64;
///     fn name(&self) -> &'static str { "Sphere" }
///     fn observe(&mut self, _: &Flatten, _: &dyn Params<f64>, s: f64) -> Result<(), Error> {
///         self.0 = s;
///         Ok(())
///     }
///     fn apply(&mut self, _: &Flatten, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
///         y.iter_mut().zip(x).for_each(|(y, x)| *y = self.0 * x);
///         Ok(())
///     }
///     fn apply_inverse(&mut self, _: &Flatten, g: &[f64], d: &mut [f64]) -> Result<(), Error> {
///         d.iter_mut().zip(g).for_each(|(d, g)| *d = g / (self.0 + self.1));
///         Ok(())
///     }
///     fn damping(&self) -> f64 { self.1 }
///     fn set_damping(&mut self, damping: f64) { self.1 = damping; }
///     fn forget(&mut self) { self.0 = 0.0; }
///     fn save(&self, record: &mut Record) { record.number("s", self.0); }
///     fn load(&mut self, _: Option<&Flatten>, record: &Record) -> Result<(), Error> {
///         self.0 = record.get_number("s")?;
///         Ok(())
///     }
/// }
///
/// let mut w = ndarray::array![3.0];
/// let mut optimizer = NaturalGradient::new(1.0, Sphere(0.0, 0.5));
/// optimizer.observe(&w, 1.5)?;
/// optimizer.step(&mut w, &ndarray::array![2.0])?;
/// assert_eq!(w[0], 2.0);
/// # Ok::<(), Error>(())
/// ```
pub trait Metric<F: Scalar>: Debug + Send + Sync {
    /// What it is fed.
    type Statistics;

    /// Its name, which a checkpoint must agree with.
    fn name(&self) -> &'static str;

    /// Takes statistics in, of a model with these leaves and these values.
    ///
    /// # Errors
    /// If they are not of that model, or not finite.
    fn observe(
        &mut self,
        layout: &Flatten,
        params: &dyn Params<F>,
        statistics: Self::Statistics,
    ) -> Result<(), Error>;

    /// y = F·x, without the damping.
    ///
    /// # Errors
    /// What a product says.
    fn apply(&mut self, layout: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error>;

    /// direction = (F + λI)⁻¹·gradient. On entry `direction` is that of the step before, or 0: where
    /// an iteration may start.
    ///
    /// # Errors
    /// [`ErrorKind::NotPositiveDefinite`](crate::ErrorKind::NotPositiveDefinite) where F + λI has no inverse in the working precision.
    fn apply_inverse(
        &mut self,
        layout: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error>;

    /// Forgets what the last [`apply_inverse`](Metric::apply_inverse) has kept for later ones, since its
    /// step was not taken. A metric that keeps nothing of it need do nothing.
    fn revert(&mut self) {}

    /// The damping λ.
    fn damping(&self) -> f64;

    /// Replaces the damping; the optimizer has checked that it is finite and ≥ 0.
    fn set_damping(&mut self, damping: f64);

    /// Forgets all statistics.
    fn forget(&mut self);

    /// Puts what it needs to go on into a record of its own; the damping is the optimizer's to save.
    ///
    /// Arrays go in by [`Record::array`], in any shape: the record's leaves are the metric's.
    fn save(&self, record: &mut Record);

    /// Takes it out again, for a model of these leaves; `None` where nothing had been observed.
    ///
    /// The optimizer sees to it that the record has no other entries than [`save`](Metric::save) puts
    /// in.
    ///
    /// # Errors
    /// If an entry is missing or has a form that it cannot have.
    fn load(&mut self, layout: Option<&Flatten>, record: &Record) -> Result<(), Error>;
}
