//! Random shapes, strides and splits: the result is that of row-major arrays, bit for bit.

use crate::LOSS;
use ndarray::{Array1, ArrayD, ArrayView1, ArrayViewMut1, Axis, IxDyn, Slice};
use proptest::prelude::*;
use thalweg::regularize::Penalty;
use thalweg::{Scalar, Settings, Simd, catalog};

const GUARD: f64 = 123.456;

/// How an array of some shape lies within a larger one.
#[derive(Debug, Clone)]
struct Lie {
    /// Sort keys: the axes' order in memory is that of their keys.
    keys: Vec<u32>,
    /// Per axis: step (negative runs backwards), and room before and after.
    axes: Vec<(isize, usize, usize)>,
}

fn lie(rank: usize) -> impl Strategy<Value = Lie> {
    let step = prop_oneof![4 => Just(1isize), 1 => Just(-1), 1 => Just(2), 1 => Just(-3)];
    let axis = (step, 0usize..2, 0usize..2);
    (proptest::collection::vec(any::<u32>(), rank), proptest::collection::vec(axis, rank))
        .prop_map(|(keys, axes)| Lie { keys, axes })
}

impl Lie {
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_by_key(|&axis| self.keys[axis]);
        order
    }

    /// The larger array, its axes in the order of its memory.
    fn room<F: Scalar>(&self, shape: &[usize]) -> ArrayD<F> {
        let length = |axis: usize| {
            let (step, before, after) = self.axes[axis];
            let covered = match shape[axis] {
                0 => 0,
                n => (n - 1) * step.unsigned_abs() + 1,
            };
            before + covered + after
        };
        let lengths: Vec<usize> = self.order().into_iter().map(length).collect();
        ArrayD::from_elem(lengths, F::from_f64(GUARD))
    }

    fn slice(&self, shape: &[usize], axis: usize) -> Slice {
        let (step, before, _) = self.axes[axis];
        let covered = match shape[axis] {
            0 => 0,
            n => (n - 1) * step.unsigned_abs() + 1,
        };
        Slice::new(before as isize, Some((before + covered) as isize), step)
    }

    fn view_mut<'a, F: Scalar>(
        &self,
        room: &'a mut ArrayD<F>,
        shape: &[usize],
    ) -> ndarray::ArrayViewMutD<'a, F> {
        let order = self.order();
        let mut inverse = vec![0; order.len()];
        for (i, &axis) in order.iter().enumerate() {
            inverse[axis] = i;
        }
        let mut view = room.view_mut().permuted_axes(IxDyn(&inverse));
        for axis in 0..shape.len() {
            view.slice_axis_inplace(Axis(axis), self.slice(shape, axis));
        }
        view
    }
}

#[derive(Debug, Clone)]
struct Case {
    shape: Vec<usize>,
    w: Lie,
    g: Lie,
    entry: usize,
    simd: usize,
    penalty: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let length = prop_oneof![8 => 0usize..6, 2 => 6usize..40];
    proptest::collection::vec(length, 0..=4).prop_flat_map(|shape| {
        let rank = shape.len();
        let rules = catalog::<f64>().len();
        (Just(shape), lie(rank), lie(rank), 0..rules, 0..8usize, any::<bool>()).prop_map(
            |(shape, w, g, entry, simd, penalty)| Case { shape, w, g, entry, simd, penalty },
        )
    })
}

fn number<F: Scalar>(i: usize, step: usize) -> F {
    F::from_f64(((i * 31 + step * 17) as f64).sin() * 2.0)
}

fn filled<F: Scalar>(shape: &[usize], step: usize) -> ArrayD<F> {
    let len: usize = shape.iter().product();
    let numbers = Array1::from_shape_fn(len, |i| number::<F>(i, step));
    numbers.into_shape_with_order(shape).unwrap()
}

fn settings(simd: Simd, penalty: bool) -> Settings {
    let mut settings = Settings::default();
    settings.simd = simd;
    if penalty {
        settings.penalty = Penalty::elastic_net(0.1, 0.01);
    }
    settings
}

fn check_layout<F: Scalar>(case: &Case) {
    let entry = &catalog::<F>()[case.entry];
    let available = Simd::available();
    let simd = available[case.simd % available.len()];
    let mut plain = entry.build(0.1, settings(Simd::BASELINE, case.penalty));
    let mut other = entry.build(0.1, settings(simd, case.penalty));

    let mut expected = filled::<F>(&case.shape, 0);
    let mut room = case.w.room::<F>(&case.shape);
    case.w.view_mut(&mut room, &case.shape).assign(&expected);
    for step in 1..4 {
        let g = filled::<F>(&case.shape, step);
        plain.step_with_loss(&mut expected, &g, LOSS).unwrap();
        let mut g_room = case.g.room::<F>(&case.shape);
        case.g.view_mut(&mut g_room, &case.shape).assign(&g);
        let g_view = case.g.view_mut(&mut g_room, &case.shape);
        other.step_with_loss(&mut case.w.view_mut(&mut room, &case.shape), &g_view, LOSS).unwrap();
    }
    let found = case.w.view_mut(&mut room, &case.shape);
    // The sum of a norm in another order may round otherwise.
    let tolerance = if entry.couples { 64.0 * F::epsilon().into_f64() } else { 0.0 };
    for (&a, &b) in found.iter().zip(&expected) {
        let (a, b) = (a.into_f64(), b.into_f64());
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{}: {a} and {b}", entry.name);
    }
    // What is left after the view is wiped is the room around it.
    case.w.view_mut(&mut room, &case.shape).fill(F::from_f64(GUARD));
    assert!(room.iter().all(|&x| x == F::from_f64(GUARD)), "{} wrote outside", entry.name);
}

fn check_split<F: Scalar>(n: usize, cuts: &[usize], entry: usize, penalty: bool) {
    // A norm that couples a leaf is about leaves.
    let entry = catalog::<F>().iter().filter(|entry| !entry.couples).nth(entry).unwrap();
    let build = || entry.build(0.1, settings(Simd::default(), penalty));
    let (mut whole, mut split) = (build(), build());
    let mut expected = filled::<F>(&[n], 0);
    let mut w = filled::<F>(&[n], 0).into_raw_vec_and_offset().0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (n + 1)).chain([0, n]).collect();
    ends.sort_unstable();
    for step in 1..4 {
        let g = filled::<F>(&[n], step);
        whole.step_with_loss(&mut expected, &g, LOSS).unwrap();
        let g = g.into_raw_vec_and_offset().0;
        let (mut rest, mut leaves) = (&mut w[..], Vec::new());
        for pair in ends.windows(2) {
            let (leaf, after) = rest.split_at_mut(pair[1] - pair[0]);
            leaves.push(ArrayViewMut1::from(leaf));
            rest = after;
        }
        let views: Vec<_> =
            ends.windows(2).map(|pair| ArrayView1::from(&g[pair[0]..pair[1]])).collect();
        split.step_with_loss(&mut leaves, &views, LOSS).unwrap();
    }
    assert_eq!(w, expected.into_raw_vec_and_offset().0, "{}", entry.name);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_layout_gives_the_bits_of_row_major(case in case()) {
        check_layout::<f32>(&case);
        check_layout::<f64>(&case);
    }

    #[test]
    fn any_split_gives_the_bits_of_the_whole(
        n in 0usize..3000,
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        entry in 0..catalog::<f64>().iter().filter(|entry| !entry.couples).count(),
        penalty in any::<bool>(),
    ) {
        check_split::<f32>(n, &cuts, entry, penalty);
        check_split::<f64>(n, &cuts, entry, penalty);
    }
}
