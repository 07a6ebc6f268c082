//! The numbers that a parameter may be made of.

use std::fmt::{Debug, Display};

use num_traits::Float;

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
pub trait Scalar:
    Float + Debug + Display + Default + Send + Sync + sealed::Sealed + 'static
{
    /// The type's name as a checkpoint and a message write it: `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;

    /// This value, exactly.
    fn into_f64(self) -> f64;

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

impl Scalar for f32 {
    const NAME: &'static str = "f32";

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
    const NAME: &'static str = "f64";

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn into_f64(self) -> f64 {
        self
    }
}
