//! The numbers that a parameter may be made of.

use std::fmt::{Debug, Display};

use num_traits::Float;

use crate::bfloat16;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// An element of a parameter: `f32` or `f64`.
///
/// The trait is sealed. Constants of a step are computed in `f64` and cast once by
/// [`from_f64`](Scalar::from_f64), so that a rule is as exact for `f32` parameters as `f32` allows.
///
/// ```
/// use thalweg::Scalar;
/// assert_eq!(f32::from_f64(0.1), 0.1_f32);
/// assert_eq!((-3.0_f64).sign(), -1.0);
/// assert_eq!(0.0_f64.sign(), 0.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number that can be optimized: `f32` and `f64` are",
    label = "neither `f32` nor `f64`",
    note = "whole numbers become such by `array.mapv(f64::from)`, or where they are written, `1.0` for `1`"
)]
pub trait Scalar:
    Float + Debug + Display + Default + Send + Sync + sealed::Sealed + 'static
{
    /// The type's name as a checkpoint and a message write it: `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;

    /// This value, exactly.
    fn into_f64(self) -> f64;

    /// Zero where the value is subnormal, with its sign; else the value.
    ///
    /// Where a subnormal number enters a product, many processors take a hundred times as long. The
    /// engine gives rules gradients and states without any.
    ///
    /// ```
    /// use thalweg::Scalar;
    /// assert_eq!((1e-41_f32.flushed(), 1e-37_f32.flushed()), (0.0, 1e-37));
    /// ```
    fn flushed(self) -> Self;

    /// Zero where the square of the value, or a small share of it, would be subnormal; else the value.
    ///
    /// It is for averages of squares, (1-β)·g². What vanishes is below 1.4e-17 in `f32` and 1.9e-152
    /// in `f64`: [`Interval::EPSILON`](crate::rule::Interval::EPSILON) keeps an ε above that.
    ///
    /// ```
    /// use thalweg::Scalar;
    /// assert_eq!((1e-21_f32.squarable(), 1e-16_f32.squarable()), (0.0, 1e-16));
    /// assert_eq!(1e-100_f64.squarable(), 1e-100);
    /// ```
    fn squarable(self) -> Self;

    /// The smallest value that [`squarable`](Scalar::squarable) leaves as it is.
    const LEAST_SQUARABLE: f64;

    /// The largest value of which averages of squares are numbers: its square is a quarter of the largest,
    /// which leaves room for how the shares of an average are rounded.
    const LARGEST_SQUARABLE: f64;

    /// That share of the square, (share·x)·x, without subnormal numbers on the way.
    #[inline(always)]
    fn share_of_square(self, share: Self) -> Self {
        let x = self.squarable();
        share * x * x
    }

    /// The bits of |x| as a whole number, which are in the order of the values, NaN last.
    #[doc(hidden)]
    type Size: Ord + Copy + Default + Send + Sync;

    #[doc(hidden)]
    fn size(self) -> Self::Size;

    #[doc(hidden)]
    fn of_size(size: Self::Size) -> Self;

    /// What was compiled in this crate for this scalar.
    #[doc(hidden)]
    fn choose<C: ByScalar>() -> C::For<Self>;

    /// Numbers as the bytes that they are in memory.
    #[doc(hidden)]
    fn bytes(numbers: &[Self]) -> &[u8];

    #[doc(hidden)]
    fn bytes_mut(numbers: &mut [Self]) -> &mut [u8];

    /// The slice, where it is of `f32`.
    #[doc(hidden)]
    fn as_f32_mut(numbers: &mut [Self]) -> Option<&mut [f32]>;

    /// Its bits, brought down to 32.
    #[doc(hidden)]
    fn folded(self) -> u32;

    /// The number of 16 bits that a dither rounds it to.
    #[doc(hidden)]
    fn to_bfloat16(self, dither: u32) -> u16;

    #[doc(hidden)]
    fn of_bfloat16(code: u16) -> Self;

    /// The sign: 1, -1, or the value itself where it is 0 or NaN.
    ///
    /// `Float::signum(0.0)` is 1, with which a zero gradient would move a parameter.
    #[inline(always)]
    fn sign(self) -> Self {
        if self > Self::zero() {
            Self::one()
        } else if self < Self::zero() {
            -Self::one()
        } else {
            self
        }
    }
}

/// What is made once for `f32` and once for `f64`, in this crate: its users link it, and compile
/// nothing of it.
///
/// The two functions must not be generic, and must not be inlined into other crates.
#[doc(hidden)]
pub trait ByScalar {
    type For<F: Scalar>;
    fn f32() -> Self::For<f32>;
    fn f64() -> Self::For<f64>;
}

/// Functions on slices that are compiled in this crate alone, with the optimization that it has: what calls them may be
/// generic, and is then compiled in its user's crate.
macro_rules! compiled_once {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident<F>($($arg:ident: $type:ty),*) $(-> $result:ty)? = $body:ident;)+) => {$(
        $(#[$doc])*
        $vis fn $name<F: $crate::scalar::Scalar>($($arg: $type),*) $(-> $result)? {
            struct Make;
            impl $crate::scalar::ByScalar for Make {
                type For<F: $crate::scalar::Scalar> = fn($($type),*) $(-> $result)?;

                #[inline(never)]
                fn f32() -> Self::For<f32> {
                    $body
                }

                #[inline(never)]
                fn f64() -> Self::For<f64> {
                    $body
                }
            }
            F::choose::<Make>()($($arg),*)
        }
    )+};
}

pub(crate) use compiled_once;

macro_rules! bits {
    ($scalar:ident, $bits:ident, $signed:ident, exponent: $exponent:expr, least: $least:expr, largest: $largest:expr) => {
        const LEAST_SQUARABLE: f64 = $scalar::from_bits($least) as f64;
        const LARGEST_SQUARABLE: f64 = $scalar::from_bits($largest) as f64;

        type Size = $signed;

        fn bytes(numbers: &[Self]) -> &[u8] {
            pulp::bytemuck::cast_slice(numbers)
        }

        fn bytes_mut(numbers: &mut [Self]) -> &mut [u8] {
            pulp::bytemuck::cast_slice_mut(numbers)
        }

        #[inline(always)]
        fn flushed(self) -> Self {
            let bits = self.to_bits();
            // A test of whole numbers: one of the number itself may take as long as its product.
            let kept = if bits & $exponent == 0 { bits & !($bits::MAX >> 1) } else { bits };
            $scalar::from_bits(kept)
        }

        #[inline(always)]
        fn squarable(self) -> Self {
            let bits = self.to_bits();
            let size = bits & ($bits::MAX >> 1);
            let kept = if size < $least { bits ^ size } else { bits };
            $scalar::from_bits(kept)
        }

        #[inline(always)]
        fn size(self) -> $signed {
            (self.to_bits() & ($bits::MAX >> 1)) as $signed
        }

        #[inline(always)]
        fn of_size(size: $signed) -> Self {
            $scalar::from_bits(size as $bits)
        }
    };
}

impl Scalar for f32 {
    bits!(f32, u32, i32, exponent: 0x7f80_0000, least: (127 - 56) << 23, largest: (127 + 63) << 23);

    fn choose<C: ByScalar>() -> C::For<Self> {
        C::f32()
    }

    const NAME: &'static str = "f32";

    #[inline(always)]
    fn as_f32_mut(numbers: &mut [Self]) -> Option<&mut [f32]> {
        Some(numbers)
    }

    #[inline(always)]
    fn folded(self) -> u32 {
        self.to_bits()
    }

    #[inline(always)]
    fn to_bfloat16(self, dither: u32) -> u16 {
        bfloat16::of_f32(self, dither)
    }

    #[inline(always)]
    fn of_bfloat16(code: u16) -> Self {
        bfloat16::to_f32(code)
    }

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn into_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    bits!(f64, u64, i64, exponent: 0x7ff0_0000_0000_0000, least: (1023 - 504) << 52, largest: (1023 + 511) << 52);

    fn choose<C: ByScalar>() -> C::For<Self> {
        C::f64()
    }

    const NAME: &'static str = "f64";

    #[inline(always)]
    fn as_f32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }

    #[inline(always)]
    fn folded(self) -> u32 {
        let bits = self.to_bits();
        (bits >> 32) as u32 ^ (bits as u32).rotate_left(16)
    }

    #[inline(always)]
    fn to_bfloat16(self, dither: u32) -> u16 {
        bfloat16::of_f64(self, dither)
    }

    #[inline(always)]
    fn of_bfloat16(code: u16) -> Self {
        f64::from(bfloat16::to_f32(code))
    }

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn into_f64(self) -> f64 {
        self
    }
}
