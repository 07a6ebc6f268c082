//! Statistics averaged over batches, and how they are saved.

use std::fmt::Write as _;
use std::marker::PhantomData;

use ndarray::{Array2, ArrayD, ArrayView2, Ix2};

use super::kind::FisherKind;
use super::layer::{Place, check_finite};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::Flatten;
use crate::scalar::Scalar;
use crate::state::{Record, compare};

/// The error of a metric that has seen nothing.
pub(super) fn nothing_observed() -> Error {
    ErrorKind::NoStatistics { steps: None }.into()
}

pub(super) fn singular(what: &'static str) -> Error {
    ErrorKind::NotPositiveDefinite { what }.into()
}

/// Makes of the arrays before and the new ones their average, in the place of the new ones.
type Merge = fn(&[Array2<f64>], &mut [Array2<f64>], f64);

/// kept·old + (1 - kept)·new
pub(super) fn linear(old: &[Array2<f64>], new: &mut [Array2<f64>], kept: f64) {
    for (new, old) in new.iter_mut().zip(old) {
        new.zip_mut_with(old, |new, &old| *new = kept * old + (1.0 - kept) * *new);
    }
}

/// Arrays of layers, averaged over batches.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Average {
    pub(super) decay: f64,
    pub(super) count: u64,
    pub(super) places: Vec<Place>,
    pub(super) arrays: Vec<Array2<f64>>,
}

impl Average {
    /// The weight of what there is, min(1 - 1/k, decay) at the k-th batch.
    fn kept(&self) -> f64 {
        (1.0 - 1.0 / (self.count + 1) as f64).min(self.decay)
    }

    /// Takes new arrays in, by what makes an average of them and of those before.
    ///
    /// # Errors
    /// If the new ones are not finite, or of other layers than those before.
    pub(super) fn add_by(
        &mut self,
        owner: &'static str,
        places: Vec<Place>,
        mut arrays: Vec<Array2<f64>>,
        merge: Merge,
    ) -> Result<(), Error> {
        Interval::FRACTION.check::<f64>(owner, "decay", self.decay)?;
        for array in &arrays {
            check_finite("a product of statistics", array)?;
        }
        if self.count > 0 && self.places != places {
            let what =
                "the layers are other ones than those observed before; use `reset` to start anew";
            return Err(ErrorKind::OutOfTurn { what }.into());
        }
        let kept = self.kept();
        if kept > 0.0 {
            merge(&self.arrays, &mut arrays, kept);
        }
        (self.arrays, self.places) = (arrays, places);
        self.count += 1;
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        *self = Self { decay: self.decay, ..Self::default() };
    }

    pub(super) fn save(&self, record: &mut Record) {
        record.number("decay", self.decay);
        record.count("batches", self.count);
        save_places(record, &self.places);
        let arrays: Vec<_> = self.arrays.iter().map(|array| array.view()).collect();
        save_arrays(record, "average", &arrays);
    }

    /// What was saved, whose layers must lie in the model and whose arrays must be of these shapes.
    pub(super) fn load(
        &self,
        layout: Option<&Flatten>,
        record: &Record,
        shapes: impl Fn(&[Place], usize) -> Vec<[usize; 2]>,
    ) -> Result<Self, Error> {
        record.compare_number("decay", self.decay)?;
        let count = record.get_counter("batches")?;
        let dim = layout.map_or(0, Flatten::len);
        let places = load_places(record, dim)?;
        let arrays = load_arrays(record, "average")?;
        let expected = if count == 0 { Vec::new() } else { shapes(&places, dim) };
        check_shapes("average", &arrays, &expected)?;
        Ok(Self { decay: self.decay, count, places, arrays })
    }
}

/// An [`Average`], the damping, and what was computed from both: what most metrics are.
#[derive(Debug, Clone)]
pub(super) struct Averaged<F, K, D> {
    pub(super) damping: f64,
    pub(super) average: Average,
    derived: Option<D>,
    kind: PhantomData<(F, K)>,
}

impl<F, K: FisherKind, D> Averaged<F, K, D> {
    pub(super) fn new(damping: f64) -> Self {
        Self { damping, average: Average::default(), derived: None, kind: PhantomData }
    }

    pub(super) fn add(
        &mut self,
        owner: &'static str,
        places: Vec<Place>,
        arrays: Vec<Array2<f64>>,
    ) -> Result<(), Error> {
        self.add_by(owner, places, arrays, linear)
    }

    pub(super) fn add_by(
        &mut self,
        owner: &'static str,
        places: Vec<Place>,
        arrays: Vec<Array2<f64>>,
        merge: Merge,
    ) -> Result<(), Error> {
        self.average.add_by(owner, places, arrays, merge)?;
        self.derived = None;
        Ok(())
    }

    /// The average, once there is one.
    pub(super) fn observed(&self) -> Result<&Average, Error> {
        if self.average.count == 0 { Err(nothing_observed()) } else { Ok(&self.average) }
    }

    /// The average, and what `derive` makes of it and of the damping, computed where one has changed.
    pub(super) fn derived(
        &mut self,
        derive: impl FnOnce(&Average, f64) -> Result<D, Error>,
    ) -> Result<(&Average, &D), Error> {
        self.observed()?;
        let derived = match self.derived.take() {
            Some(derived) => derived,
            None => derive(&self.average, self.damping)?,
        };
        Ok((&self.average, self.derived.insert(derived)))
    }

    pub(super) fn set_damping(&mut self, damping: f64) {
        if damping != self.damping {
            self.derived = None;
        }
        self.damping = damping;
    }

    pub(super) fn forget(&mut self) {
        self.average.forget();
        self.derived = None;
    }

    pub(super) fn save(&self, record: &mut Record) {
        record.text("fisher", K::NAME);
        self.average.save(record);
    }

    pub(super) fn load(
        &mut self,
        layout: Option<&Flatten>,
        record: &Record,
        shapes: impl Fn(&[Place], usize) -> Vec<[usize; 2]>,
    ) -> Result<(), Error> {
        compare("the Fisher matrix", record.get_text("fisher")?, K::NAME)?;
        self.average = self.average.load(layout, record, shapes)?;
        self.derived = None;
        Ok(())
    }
}

/// The methods of a metric around a field `averaged` that do not depend on what is averaged; arrays
/// have the shapes that `$shapes` says.
macro_rules! averaged {
    ($name:expr, $shapes:expr) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn damping(&self) -> f64 {
            self.averaged.damping
        }

        fn set_damping(&mut self, damping: f64) {
            self.averaged.set_damping(damping);
        }

        fn forget(&mut self) {
            self.averaged.forget();
        }

        fn save(&self, record: &mut Record) {
            self.averaged.save(record);
        }

        fn load(&mut self, layout: Option<&Flatten>, record: &Record) -> Result<(), Error> {
            self.averaged.load(layout, record, $shapes)
        }
    };
}
pub(super) use averaged;

pub(super) fn save_places(record: &mut Record, places: &[Place]) {
    let mut text = String::new();
    for place in places {
        let bias = place.bias.map_or(-1, |bias| bias as i64);
        let Place { weight, inputs, outputs, outputs_first, .. } = place;
        let _ = write!(text, "{weight} {bias} {inputs} {outputs} {};", u8::from(*outputs_first));
    }
    record.text("layers", text);
}

/// The layers, which lie in a vector of `dim` elements.
pub(super) fn load_places(record: &Record, dim: usize) -> Result<Vec<Place>, Error> {
    let place = |text: &str| {
        let numbers: Option<Vec<i64>> = text.split(' ').map(|number| number.parse().ok()).collect();
        let [weight, bias, inputs, outputs, outputs_first @ 0..=1] = numbers?[..] else {
            return None;
        };
        let place = Place {
            weight: usize::try_from(weight).ok()?,
            bias: usize::try_from(bias).ok(),
            inputs: usize::try_from(inputs).ok()?,
            outputs: usize::try_from(outputs).ok()?,
            outputs_first: outputs_first == 1,
        };
        place.lies_within(dim).then_some(place)
    };
    let text = record.get_text("layers")?;
    let places: Option<Vec<Place>> = text.split_terminator(';').map(place).collect();
    places.ok_or_else(|| invalid("layers", "cannot be read, or are not of this model"))
}

pub(super) fn invalid(entry: &str, problem: &str) -> Error {
    let (entry, problem) = (format!("`{entry}`"), problem.to_owned());
    ErrorKind::StateInvalid { entry, problem }.into()
}

/// Arrays that are of no leaf's shape: each is a leaf of its own in the metric's record.
pub(super) fn save_arrays<F: Scalar>(
    record: &mut Record,
    name: &str,
    arrays: &[ArrayView2<'_, F>],
) {
    for (i, array) in arrays.iter().enumerate() {
        record.array(&format!("{name}.{i}"), name, array.view().into_dyn());
    }
}

pub(super) fn load_arrays<F: Scalar>(record: &Record, name: &str) -> Result<Vec<Array2<F>>, Error> {
    let matrix = |(i, (leaf, array)): (usize, (String, ArrayD<F>))| {
        if leaf != format!("{name}.{i}") {
            return Err(invalid(&leaf, "is not in its place"));
        }
        array.into_dimensionality::<Ix2>().map_err(|_| invalid(&leaf, "is not a matrix"))
    };
    record.get_tree::<F>(name)?.into_iter().enumerate().map(matrix).collect()
}

pub(super) fn check_shapes<F>(
    name: &str,
    arrays: &[Array2<F>],
    expected: &[[usize; 2]],
) -> Result<(), Error> {
    let same = |(array, expected): (&Array2<F>, &[usize; 2])| array.shape() == expected;
    if arrays.len() == expected.len() && arrays.iter().zip(expected).all(same) {
        Ok(())
    } else {
        Err(invalid(name, "has other numbers or shapes of matrices than its layers"))
    }
}
