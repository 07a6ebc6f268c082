//! What the tests of 16 bits share: arrays of both formats in any layout, and the rounding by arithmetic.

mod courses;

use half::{bf16, f16};
use ndarray::{
    ArrayBase, ArrayD, ArrayViewD, ArrayViewMutD, Axis, Dimension, IxDyn, ShapeBuilder, Slice,
};
use thalweg::{Params, ParamsMut};

pub use courses::{
    RATE, STEPS, all_settings, assert_alike, compensated_in, gradients_in, of_both, parameters_in,
    told,
};

/// A number of 16 bits.
pub trait Sixteen: Copy + PartialEq + std::fmt::Debug + 'static {
    const NAME: &'static str;
    /// Binary digits after the first, and the exponent of the least normal number.
    const DIGITS: i32;
    const LEAST: i32;
    fn of(x: f32) -> Self;
    fn number(self) -> f32;
    fn read(array: &Laid<Self>) -> Box<dyn Params<f32> + '_>;
    fn write(array: &mut Laid<Self>) -> Box<dyn ParamsMut<f32> + '_>;
}

macro_rules! sixteen {
    ($($number:ident: $digits:literal, $least:literal);*) => {$(
        impl Sixteen for $number {
            const NAME: &'static str = stringify!($number);
            const DIGITS: i32 = $digits;
            const LEAST: i32 = $least;

            fn of(x: f32) -> Self {
                Self::from_f32(x)
            }

            fn number(self) -> f32 {
                self.to_f32()
            }

            fn read(array: &Laid<Self>) -> Box<dyn Params<f32> + '_> {
                Box::new(array.view())
            }

            fn write(array: &mut Laid<Self>) -> Box<dyn ParamsMut<f32> + '_> {
                Box::new(array.view_mut())
            }
        }
    )*};
}

sixteen!(bf16: 7, -126; f16: 10, -14);

/// How an array lies in its buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    Rows,
    Columns,
    /// Every second place of the last axis.
    Gaps,
    /// The first axis from its end.
    Reversed,
    ColumnsWithGaps,
}

pub const WAYS: [Way; 5] =
    [Way::Rows, Way::Columns, Way::Gaps, Way::Reversed, Way::ColumnsWithGaps];

/// An array in a buffer.
#[derive(Debug, Clone)]
pub struct Laid<E> {
    way: Way,
    buffer: ArrayD<E>,
}

macro_rules! view_of {
    ($laid:expr, $view:expr) => {{
        let mut view = $view;
        match $laid.way {
            Way::Rows | Way::Columns => {}
            Way::Gaps => {
                let last = Axis(view.ndim() - 1);
                view.slice_axis_inplace(last, Slice::new(0, None, 2));
            }
            Way::Reversed => view.invert_axis(Axis(0)),
            Way::ColumnsWithGaps => view.slice_axis_inplace(Axis(0), Slice::new(1, None, 2)),
        }
        view
    }};
}

impl<E: Copy> Laid<E> {
    pub fn new(way: Way, values: ArrayViewD<'_, E>) -> Self {
        let mut shape = values.shape().to_vec();
        let last = shape.len() - 1;
        match way {
            Way::Gaps => shape[last] *= 2,
            Way::ColumnsWithGaps => shape[0] *= 2,
            _ => {}
        }
        let columns = matches!(way, Way::Columns | Way::ColumnsWithGaps);
        let fill = *values.first().expect("elements");
        let buffer = ArrayD::from_elem(IxDyn(&shape).set_f(columns), fill);
        let mut laid = Self { way, buffer };
        laid.view_mut().assign(&values);
        laid
    }

    pub fn view(&self) -> ArrayViewD<'_, E> {
        view_of!(self, self.buffer.view())
    }

    pub fn view_mut(&mut self) -> ArrayViewMutD<'_, E> {
        view_of!(self, self.buffer.view_mut())
    }
}

/// An array in 16 bits.
pub fn halved<E: Sixteen, S: ndarray::Data<Elem = f32>, D: Dimension>(
    array: &ArrayBase<S, D>,
) -> ndarray::Array<E, D> {
    array.map(|&x| E::of(x))
}

/// Its numbers.
pub fn numbers_of<E: Sixteen>(array: ArrayViewD<'_, E>) -> ArrayD<f32> {
    array.map(|x| x.number())
}

/// SplitMix64's finalizer of the step.
fn key(step: u64) -> u32 {
    let mut x = (step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as u32
}

/// The numbers of a format below and above one in size, of which it is so much of the way.
fn between<E: Sixteen>(x: f32) -> (f64, f64, f64) {
    let size = f64::from(x.abs());
    let exponent = (size.log2().floor() as i32).max(E::LEAST);
    let last = 2.0_f64.powi(exponent - E::DIGITS);
    let (whole, part) = ((size / last).floor(), (size / last).fract());
    (whole * last, (whole + 1.0) * last, part)
}

/// One of the two by chance, as the page of `Rounding` has it, by arithmetic of numbers rather than bits.
pub fn by_chance<E: Sixteen>(x: f32, step: u64) -> f32 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let (below, above, part) = between::<E>(x);
    let mut h = (x.to_bits() ^ key(step)).wrapping_mul(0x85eb_ca6b);
    h ^= h >> 15;
    let h = h.rotate_left(16).wrapping_mul(0xc2b2_ae35) >> 16;
    // As many digits of the chance count as are cut off; of numbers below the least normal one, 16.
    let digits = if f64::from(x.abs()) < 2.0_f64.powi(E::LEAST) { 16 } else { 23 - E::DIGITS };
    let digits = digits.min(16);
    let chance = f64::from(h >> (16 - digits)) / 2.0_f64.powi(digits);
    let size = if part + chance >= 1.0 { above } else { below };
    E::of((size as f32).copysign(x)).number()
}

/// The nearer of the two; of two that are as near the larger.
pub fn nearest<E: Sixteen>(x: f32) -> f32 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let (below, above, part) = between::<E>(x);
    ((if part >= 0.5 { above } else { below }) as f32).copysign(x)
}
