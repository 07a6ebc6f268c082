//! What the laws share: data, memory layouts, runs and comparisons.

use std::cell::OnceCell;
use std::fmt::Debug;
use std::process::Command;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, Slice};
use thalweg::params::Path;
use thalweg::regularize::{AdaptiveClip, Decay, GradientNoise, MaxNorm, Penalty, Units};
use thalweg::{Average, Entry, Params, Precision, Scalar, Settings};

mod run;

use super::own::own;
pub use super::own::{Literal, Own, Typed, literal};
pub(crate) use crate::LOSS;
pub use run::{RATE, Run, STEPS};

/// Makes a test of each generic law in each precision.
macro_rules! for_both_scalars {
    ($($law:ident),+ $(,)?) => {$(
        mod $law {
            #[test]
            fn f32() {
                super::$law::<f32>();
            }
            #[test]
            fn f64() {
                super::$law::<f64>();
            }
        }
    )+};
}
pub(crate) use for_both_scalars;

/// What a generic function makes of each rule of the crate: `each_rule!(of::<F>)`.
macro_rules! each_rule {
    ($of:ident::<$scalar:ty>) => {
        each_rule!(
            @ $of, $scalar,
            Sgd Momentum Nesterov AdaGrad RmsProp RmsPropMomentum CenteredRmsProp AdaDelta Adam
            AdamW AmsGrad AdaMax NAdam RAdam AdaBelief Yogi Lion Lars Lamb ScheduleFreeAdamW
            Adan AdEmaMix Adopt Madgrad SignSgd Signum Rprop Ftrl OptimisticGradient
            OptimisticAdam Fromage Mars ScheduleFreeSgd GpaAdamW NovoGrad DoG LDoG DoWG Prodigy
            DAdaptAdam PolyakStep MoMo MoMoAdam
        )
    };
    (@ $of:ident, $scalar:ty, $($rule:ident)+) => {{
        assert_eq!(
            [$(<thalweg::rules::$rule as thalweg::Rule<$scalar>>::NAME),+].as_slice(),
            thalweg::catalog::<$scalar>().iter().map(|entry| entry.title).collect::<Vec<_>>(),
            "`each_rule!` lists the catalog",
        );
        [$($of::<$scalar, thalweg::rules::$rule>()),+]
    }};
}

/// Every rule of the crate in its own type.
pub fn each_rule<F: Scalar>() -> Vec<Own<F>> {
    each_rule!(own::<F>).into()
}

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
fn assert_same_of<F: Scalar>(
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
fn assert_close_of<F: Scalar>(found: &[F], expected: &[F], what: &dyn Debug) {
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

pub fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

pub fn penalized() -> Settings {
    settings(|s| s.penalty = Penalty::elastic_net(0.01, 0.1))
}

pub fn clipped() -> Settings {
    settings(|s| {
        s.clip_norm = Some(0.7);
        s.penalty = Penalty::elastic_net(0.01, 0.1);
    })
}

/// Whatever happens to each element by itself.
pub fn everything() -> Settings {
    let mut all = clipped();
    all.clip_value = Some(0.05);
    all.maximize = true;
    all.gradient_noise = Some(GradientNoise::annealed(0.01, 0.55).seed(5));
    all.rate_factor = 0.5;
    all.decoupled_decay = Some(Decay::Relative(0.1));
    all.shrink = 0.999;
    all.proximal_l1 = 1e-3;
    all.average = Some(Average::ema(0.9));
    all
}

/// Whatever couples the elements of a leaf.
pub fn coupled() -> Settings {
    let mut all = everything();
    all.clip_norm = None;
    all.centralized = Some(Units::FirstAxis);
    all.clip_leaf_norm = Some(0.5);
    all.clip_adaptive = Some(AdaptiveClip::new(0.3));
    all.cautious = true;
    all.max_norm = Some(MaxNorm::whole(3.0));
    all
}

/// Whatever happens to each element by itself, with state in fewer bits.
pub fn compact() -> Settings {
    let mut all = everything();
    all.clip_norm = None;
    all.state_precision = Precision::BFloat16;
    all
}

/// Whatever couples the elements of a leaf, with state in fewer bits.
pub fn compact_and_coupled() -> Settings {
    let mut all = coupled();
    all.state_precision = Precision::BFloat16;
    all
}

/// As [`compact`], in 8 bits.
pub fn compact8() -> Settings {
    let mut all = compact();
    all.state_precision = Precision::Int8;
    all
}

/// As [`compact_and_coupled`], in 8 bits.
pub fn compact8_and_coupled() -> Settings {
    let mut all = compact_and_coupled();
    all.state_precision = Precision::Int8;
    all
}

/// Whether what a step does depends on norms that it does not report.
fn has_hidden_norms(settings: &Settings) -> bool {
    settings.clip_leaf_norm.is_some() || settings.clip_adaptive.is_some()
}

/// Where a logical array lies in a larger buffer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The logical axes from the slowest to the fastest in memory.
    pub order: Vec<usize>,
    /// By how many places of the buffer each logical axis advances; negative where it runs back.
    pub steps: Vec<isize>,
    /// Places of the buffer before and after each logical axis.
    pub margin: Vec<(usize, usize)>,
}

impl Layout {
    pub fn row_major(rank: usize) -> Self {
        Self { order: (0..rank).collect(), steps: vec![1; rank], margin: vec![(0, 0); rank] }
    }

    pub fn column_major(rank: usize) -> Self {
        Self::row_major(rank).ordered((0..rank).rev().collect())
    }

    pub fn ordered(mut self, order: Vec<usize>) -> Self {
        self.order = order;
        self
    }

    pub fn step(mut self, axis: usize, step: isize) -> Self {
        self.steps[axis] = step;
        self
    }

    pub fn window(mut self) -> Self {
        self.margin.iter_mut().enumerate().for_each(|(i, margin)| *margin = (1 + i % 2, 2));
        self
    }

    fn span(&self, axis: usize, len: usize) -> usize {
        if len == 0 { 0 } else { (len - 1) * self.steps[axis].unsigned_abs() + 1 }
    }
}

/// Layouts of every kind for a shape.
pub fn layouts(rank: usize) -> Vec<Layout> {
    let (c, f) = (Layout::row_major(rank), Layout::column_major(rank));
    let mut all = vec![c.clone(), f.clone(), c.clone().window(), f.clone().window()];
    for turn in 1..rank.saturating_sub(1) {
        let order: Vec<usize> = (0..rank).map(|i| (i + turn) % rank).collect();
        all.push(c.clone().ordered(order));
    }
    if rank > 3 {
        let mut swapped: Vec<usize> = (0..rank).collect();
        swapped.swap(1, 2);
        all.push(c.clone().ordered(swapped));
    }
    for axis in 0..rank {
        all.push(c.clone().step(axis, -1));
        all.push(c.clone().step(axis, if axis + 1 == rank { 2 } else { 3 }));
    }
    if rank > 0 {
        all.push(c.clone().step(rank - 1, 3).window());
        all.push(f.clone().step(rank - 1, 2));
        all.push(f.clone().step(0, -2).window());
        all.push(Layout { steps: vec![-1; rank], ..c });
        all.push(Layout { steps: vec![-1; rank], ..f });
    }
    all
}

/// An array inside a buffer whose other places hold a guard value.
#[derive(Debug, Clone)]
pub struct Placed<F> {
    layout: Layout,
    shape: Vec<usize>,
    buffer: ArrayD<F>,
    /// Which places of the buffer are not the array's; made when they are looked at.
    outside: OnceCell<ArrayD<bool>>,
    guard: F,
}

macro_rules! view_of {
    ($placed:expr, $view:expr) => {{
        let mut view = $view;
        let Layout { order, margin, steps } = &$placed.layout;
        for (i, &axis) in order.iter().enumerate() {
            let start = margin[axis].0;
            let end = start + $placed.layout.span(axis, $placed.shape[axis]);
            let slice = Slice::new(start as isize, Some(end as isize), steps[axis]);
            view.slice_axis_inplace(Axis(i), slice);
        }
        let mut inverse = vec![0; order.len()];
        for (i, &axis) in order.iter().enumerate() {
            inverse[axis] = i;
        }
        view.permuted_axes(inverse)
    }};
}

impl<F: Scalar> Placed<F> {
    pub fn new(layout: &Layout, values: ArrayViewD<'_, F>, guard: F) -> Self {
        let shape = values.shape().to_vec();
        let room = |&axis: &usize| {
            let (before, after) = layout.margin[axis];
            before + layout.span(axis, shape[axis]) + after
        };
        let room: Vec<usize> = layout.order.iter().map(room).collect();
        let buffer = ArrayD::from_elem(room, guard);
        let outside = OnceCell::new();
        let mut placed = Self { layout: layout.clone(), shape, buffer, outside, guard };
        placed.view_mut().assign(&values);
        placed
    }

    pub fn view(&self) -> ArrayViewD<'_, F> {
        view_of!(self, self.buffer.view())
    }

    pub fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
        view_of!(self, self.buffer.view_mut())
    }

    /// Whether all of the buffer is the same, what is outside the array too.
    pub fn is_same<'a>(&'a self, other: &'a Self) -> bool {
        let of = |placed: &'a Self| F::bytes(placed.buffer.as_slice().unwrap());
        self.layout == other.layout && of(self) == of(other)
    }

    #[track_caller]
    pub fn assert_guarded(&self, what: impl Debug) {
        let outside = self.outside.get_or_init(|| {
            let mut outside = ArrayD::from_elem(self.buffer.shape(), true);
            view_of!(self, outside.view_mut()).fill(false);
            outside
        });
        for (&value, &outside) in self.buffer.iter().zip(outside) {
            assert!(!outside || bits(value) == bits(self.guard), "{what:?}: written outside");
        }
    }
}

/// Runs the rest of a test in a process of its own, where a stack overflow ends no other test.
pub fn in_its_own_process(test: &str, body: impl FnOnce()) {
    const VARIABLE: &str = "THALWEG_LAW";
    if std::env::var_os(VARIABLE).is_some_and(|running| running == test) {
        return body();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([format!("laws::{test}").as_str(), "--exact", "--nocapture"])
        .env(VARIABLE, test)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}\n{text}\n{errors}", child.status);
    assert!(text.contains("1 passed"), "`{test}` is not the test's name");
}
