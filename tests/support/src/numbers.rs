//! Numbers of a test, and their comparison.

use std::fmt::Debug;

use ndarray::{ArrayD, ArrayViewD};
use thalweg::params::Path;
use thalweg::{Entry, Params, Scalar};

/// The bits of a value; every NaN has the same.
pub fn bits<F: Scalar>(x: F) -> u64 {
    if x.is_nan() { u64::MAX } else { x.into_f64().to_bits() }
}

#[track_caller]
pub fn assert_same<F: Scalar>(
    found: ArrayViewD<'_, F>,
    expected: ArrayViewD<'_, F>,
    what: impl Debug,
) {
    assert_same_of(found, expected, &what);
}

#[track_caller]
pub(crate) fn assert_same_of<F: Scalar>(
    found: ArrayViewD<'_, F>,
    expected: ArrayViewD<'_, F>,
    what: &dyn Debug,
) {
    assert_eq!(found.shape(), expected.shape(), "{what:?}");
    // Of arrays that lie alike their memory is compared; indices cost more than the comparison.
    if let (Some(a), Some(b)) = (found.as_slice(), expected.as_slice())
        && F::bytes(a) == F::bytes(b)
    {
        return;
    }
    if found.iter().zip(&expected).all(|(&a, &b)| bits(a) == bits(b)) {
        return;
    }
    for ((index, &a), &b) in found.indexed_iter().zip(&expected) {
        assert!(bits(a) == bits(b), "{what:?}: {a:?} and not {b:?} at {index:?}");
    }
}

#[track_caller]
pub fn assert_same_slices<F: Scalar>(found: &[F], expected: &[F], what: impl Debug) {
    assert_same(
        ArrayViewD::from_shape(vec![found.len()], found).unwrap(),
        ArrayViewD::from_shape(vec![expected.len()], expected).unwrap(),
        what,
    );
}

#[track_caller]
pub fn assert_close<F: Scalar>(found: &[F], expected: &[F], what: impl Debug) {
    assert_close_of(found, expected, &what);
}

#[track_caller]
pub(crate) fn assert_close_of<F: Scalar>(found: &[F], expected: &[F], what: &dyn Debug) {
    assert_eq!(found.len(), expected.len(), "{what:?}");
    let tolerance = F::epsilon().into_f64() * 64.0;
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let (a, b) = (a.into_f64(), b.into_f64());
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what:?}: {a} and not {b} at {i}");
    }
}

/// Of two layouts of the same arrays: the same bits, up to the last digits where a norm couples a
/// leaf, since its sum in another order may round otherwise.
#[track_caller]
pub fn assert_agrees<F: Scalar>(
    entry: &Entry<F>,
    found: ArrayViewD<'_, F>,
    expected: ArrayViewD<'_, F>,
    what: impl Debug,
) {
    if entry.couples {
        assert_close(&elements(&found), &elements(&expected), what);
    } else {
        assert_same(found, expected, what);
    }
}

/// Whether a rule takes something off each parameter by itself: AdamW by its default decay, Fromage by the
/// length of its step.
pub fn shrinks(name: &str) -> bool {
    matches!(name, "adamw" | "fromage")
}

/// The rules whose elements do not know of each other.
pub fn uncoupled<F: Scalar>() -> impl Iterator<Item = &'static Entry<F>> {
    thalweg::catalog::<F>().iter().filter(|entry| !entry.couples)
}

/// Numbers of both signs and many magnitudes, zeros among them; the same for the same seed.
pub fn numbers<F: Scalar>(len: usize, seed: u64) -> Vec<F> {
    const SIZES: [f64; 8] = [1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let number = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        let kind = (state ^ state >> 29) % 160;
        F::from_f64(if kind < 8 { 0.0 } else { value * SIZES[kind as usize / 20] })
    };
    (0..len).map(number).collect()
}

pub fn array<F: Scalar>(shape: &[usize], seed: u64) -> ArrayD<F> {
    ArrayD::from_shape_vec(shape, numbers(shape.iter().product(), seed)).unwrap()
}

/// The elements of a tree in the order of its visit.
pub fn elements<F: Scalar>(tree: &dyn Params<F>) -> Vec<F> {
    let mut all = Vec::new();
    tree.visit(Path::ROOT, &mut |_, leaf| all.extend(leaf.view().iter().copied()));
    all
}
