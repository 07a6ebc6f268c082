//! The trait of metrics, and what they keep: averages, and arrays in a record.

use std::fmt::Debug;
use std::fmt::Write as _;

use ndarray::Array2;

use super::batch::{Place, check_finite};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::Record;

/// What is known of the Fisher matrix F: fed by statistics, asked for (F + λI)⁻¹g.
///
/// Vectors are those of a [`Flatten`]. An `Err` leaves the metric as it was.
///
/// ```
/// use thalweg::params::{Flatten, Params};
/// use thalweg::solvers::natural_gradient::{Metric, NaturalGradient};
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
///     fn load(&mut self, record: &Record) -> Result<(), Error> {
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
    /// [`ErrorKind::NotPositiveDefinite`] where F + λI has no inverse in the working precision.
    fn apply_inverse(
        &mut self,
        layout: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error>;

    /// The damping λ.
    fn damping(&self) -> f64;

    /// Replaces the damping; the optimizer has checked that it is finite and ≥ 0.
    fn set_damping(&mut self, damping: f64);

    /// Forgets all statistics.
    fn forget(&mut self);

    /// Puts what it needs to go on into a record; the damping is the optimizer's to save.
    fn save(&self, record: &mut Record);

    /// Takes it out again.
    ///
    /// # Errors
    /// If an entry is missing or has a form that it cannot have.
    fn load(&mut self, record: &Record) -> Result<(), Error>;
}

pub(super) fn check_decay(owner: &'static str, decay: f64) -> Result<(), Error> {
    Interval::FRACTION.check::<f64>(owner, "decay", decay)
}

/// The error of a metric that has seen nothing.
pub(super) fn nothing_observed() -> Error {
    ErrorKind::NoStatistics { steps: None }.into()
}

pub(super) fn singular(what: &'static str) -> Error {
    ErrorKind::NotPositiveDefinite { what }.into()
}

/// Statistics of layers, averaged over batches: a list of matrices for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Average {
    pub(super) decay: f64,
    pub(super) count: u64,
    pub(super) places: Vec<Place>,
    pub(super) arrays: Vec<Array2<f64>>,
}

impl Average {
    /// The weight of what there is, min(1 - 1/k, decay) at the k-th batch.
    pub(super) fn kept(&self) -> f64 {
        (1.0 - 1.0 / (self.count + 1) as f64).min(self.decay)
    }

    /// Whether new statistics are finite and of the same layers as those before.
    pub(super) fn check(&self, places: &[Place], arrays: &[Array2<f64>]) -> Result<(), Error> {
        for array in arrays {
            check_finite("a product of statistics", array.iter())?;
        }
        if self.count > 0 && self.places != places {
            let what =
                "the layers are other ones than those observed before; use `reset` to start anew";
            return Err(ErrorKind::OutOfTurn { what }.into());
        }
        Ok(())
    }

    /// average = kept·average + (1 - kept)·new
    pub(super) fn add(
        &mut self,
        places: Vec<Place>,
        arrays: Vec<Array2<f64>>,
    ) -> Result<(), Error> {
        self.check(&places, &arrays)?;
        let kept = self.kept();
        if kept == 0.0 || self.count == 0 {
            self.arrays = arrays;
        } else {
            for (old, new) in self.arrays.iter_mut().zip(&arrays) {
                old.zip_mut_with(new, |old, &new| *old = kept * *old + (1.0 - kept) * new);
            }
        }
        self.places = places;
        self.count += 1;
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        *self = Self { decay: self.decay, ..Self::default() };
    }

    pub(super) fn save(&self, record: &mut Record) {
        record.number("metric.decay", self.decay);
        record.count("metric.count", self.count);
        save_places(record, &self.places);
        save_arrays(record, "metric.average", &self.arrays);
    }

    pub(super) fn load(&self, record: &Record) -> Result<Self, Error> {
        record.compare_number("metric.decay", self.decay)?;
        Ok(Self {
            decay: self.decay,
            count: record.get_count("metric.count")?,
            places: load_places(record)?,
            arrays: load_arrays(record, "metric.average")?,
        })
    }
}

pub(super) fn save_places(record: &mut Record, places: &[Place]) {
    let mut text = String::new();
    for place in places {
        let bias = place.bias.map_or(-1, |bias| bias as i64);
        let Place { weight, inputs, outputs, outputs_first, .. } = place;
        let _ = write!(text, "{weight} {bias} {inputs} {outputs} {};", u8::from(*outputs_first));
    }
    record.text("metric.layers", text);
}

pub(super) fn load_places(record: &Record) -> Result<Vec<Place>, Error> {
    let place = |text: &str| {
        let numbers: Vec<i64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [weight, bias, inputs, outputs, outputs_first] = numbers[..] else { return None };
        Some(Place {
            weight: usize::try_from(weight).ok()?,
            bias: usize::try_from(bias).ok(),
            inputs: usize::try_from(inputs).ok()?,
            outputs: usize::try_from(outputs).ok()?,
            outputs_first: outputs_first == 1,
        })
    };
    let text = record.get_text("metric.layers")?;
    let places: Option<Vec<Place>> = text.split_terminator(';').map(place).collect();
    places.ok_or_else(|| invalid("metric.layers"))
}

pub(super) fn invalid(entry: &str) -> Error {
    let (entry, problem) = (format!("`{entry}`"), "cannot be read".to_owned());
    ErrorKind::StateInvalid { entry, problem }.into()
}

/// Arrays that are of no leaf's shape: the bits in hexadecimal digits.
pub(super) fn save_arrays(record: &mut Record, name: &str, arrays: &[Array2<f64>]) {
    record.count(format!("{name}.count"), arrays.len() as u64);
    for (i, array) in arrays.iter().enumerate() {
        let mut text = String::with_capacity(17 * array.len() + 16);
        let _ = write!(text, "{} {} ", array.nrows(), array.ncols());
        for value in array {
            let _ = write!(text, "{:016x}", value.to_bits());
        }
        record.text(format!("{name}.{i}"), text);
    }
}

pub(super) fn load_arrays(record: &Record, name: &str) -> Result<Vec<Array2<f64>>, Error> {
    let array = |text: &str| {
        let mut parts = text.splitn(3, ' ');
        let rows: usize = parts.next()?.parse().ok()?;
        let columns: usize = parts.next()?.parse().ok()?;
        let digits = parts.next()?.as_bytes();
        let number = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            u64::from_str_radix(digits, 16).ok().map(f64::from_bits)
        };
        let values: Option<Vec<f64>> = digits.chunks(16).map(number).collect();
        Array2::from_shape_vec((rows, columns), values?).ok()
    };
    let count = record.get_count(&format!("{name}.count"))?;
    (0..count)
        .map(|i| {
            let name = format!("{name}.{i}");
            array(record.get_text(&name)?).ok_or_else(|| invalid(&name))
        })
        .collect()
}
