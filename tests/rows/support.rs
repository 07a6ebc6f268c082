//! What the tests of rows share.

use ndarray::{ArrayD, Axis, Ix1, Ix2, Ix3, Ix5};
use thalweg::params::{HasRowNumbers, Rows};
use thalweg::regularize::{AdaptiveClip, MaxNorm, Units};
use thalweg::{Entry, Precision, Scalar, Settings, catalog};

pub use crate::laws::support::*;

/// The settings that take rows: a mean over a unit and noise of all elements want whole arrays.
macro_rules! taking_rows {
    ($($name:ident)+) => {$(
        pub fn $name() -> Settings {
            let mut settings = crate::laws::support::$name();
            (settings.centralized, settings.gradient_noise) = (None, None);
            settings
        }
    )+};
}
taking_rows!(everything coupled compact);

/// Settings of all kinds that mean the same for the rows of a table as for a table of those rows.
pub fn variants() -> Vec<Settings> {
    let by_rows = settings(|s| {
        *s = coupled();
        s.clip_adaptive = Some(AdaptiveClip::new(0.3).units(Units::FirstAxis));
        s.max_norm = Some(MaxNorm::new(3.0, Axis(0)));
    });
    let as_one = settings(|s| {
        *s = coupled();
        s.clip_adaptive = Some(AdaptiveClip::new(0.3).units(Units::Leaf));
        s.max_norm = None;
    });
    let compact_as_one = settings(|s| {
        *s = as_one.clone();
        s.state_precision = Precision::BFloat16;
    });
    let all = [penalized(), clipped(), everything(), as_one, by_rows, compact(), compact_as_one];
    [Settings::default()].into_iter().chain(all).collect()
}

/// The rules that take rows: those that sum over the whole tree do not.
pub fn taking_rows<F: Scalar>() -> impl Iterator<Item = &'static Entry<F>> {
    catalog::<F>().iter().filter(|entry| !entry.couples_leaves && !entry.needs_loss)
}

/// Some rows of an array, in that order.
pub fn chosen<F: Scalar>(all: &ArrayD<F>, rows: &[usize]) -> ArrayD<F> {
    all.select(Axis(0), rows)
}

/// Calls `each` with a gradient of rows whose type tells its rank, where that is a usual one.
pub fn with_rank<F: Scalar, R: HasRowNumbers>(
    rows: R,
    values: ArrayD<F>,
    each: impl FnOnce(&dyn thalweg::Params<F>),
) {
    match values.ndim() {
        1 => each(&Rows { rows, values: values.into_dimensionality::<Ix1>().unwrap() }),
        2 => each(&Rows { rows, values: values.into_dimensionality::<Ix2>().unwrap() }),
        3 => each(&Rows { rows, values: values.into_dimensionality::<Ix3>().unwrap() }),
        5 => each(&Rows { rows, values: values.into_dimensionality::<Ix5>().unwrap() }),
        _ => each(&Rows { rows, values }),
    }
}

/// The numbers below `len`, shuffled; the same for the same seed.
pub fn shuffled(len: usize, seed: u64) -> Vec<usize> {
    let keys: Vec<f64> = numbers(len, seed);
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]).then(a.cmp(&b)));
    order
}
