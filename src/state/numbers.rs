//! The elements of an array as a state holds them.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use ndarray::ArrayViewD;

use crate::bfloat16::NEAREST;
use crate::int8;
use crate::scalar::Scalar;

/// The elements of an array, row-major, that are written without loss.
#[derive(Clone)]
pub(crate) enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// The codes of state that is kept in 16 bits.
    BFloat16(Vec<u16>),
    /// Those of so many elements in 8 bits, in blocks.
    Int8 {
        is_signed: bool,
        len: usize,
        words: Vec<u16>,
    },
    /// Full numbers in a shape that is not the leaf's.
    Shaped(Vec<usize>, Box<Numbers>),
}

/// The first few, and how many there are.
impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Debug>(f: &mut fmt::Formatter<'_>, of: &[T], name: &str) -> fmt::Result {
            for (i, number) in of.iter().take(4).enumerate() {
                write!(f, "{}{number:?}", if i == 0 { "[" } else { ", " })?;
            }
            let (open, dots) =
                (if of.is_empty() { "[" } else { "" }, if of.len() > 4 { ", .." } else { "" });
            write!(f, "{open}{dots}]: {} {name}", of.len())
        }
        match self {
            Self::F32(numbers) => list(f, numbers, "f32"),
            Self::F64(numbers) => list(f, numbers, "f64"),
            Self::BFloat16(codes) => list(f, codes, "codes of bf16"),
            Self::Int8 { len, .. } => write!(f, "codes of 8 bits: {len}"),
            Self::Shaped(shape, numbers) => write!(f, "{numbers:?} of shape {shape:?}"),
        }
    }
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => {
                a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()))
            }
            (Self::F64(a), Self::F64(b)) => {
                a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()))
            }
            (Self::BFloat16(a), Self::BFloat16(b)) => a == b,
            (
                Self::Int8 { is_signed: a, len: m, words: x },
                Self::Int8 { is_signed: b, len: n, words: y },
            ) => (a, m, x) == (b, n, y),
            (Self::Shaped(a, of_a), Self::Shaped(b, of_b)) => a == b && of_a == of_b,
            _ => false,
        }
    }
}

impl Numbers {
    /// In the place of those that do not matter.
    pub(crate) const NONE: Self = Self::F32(Vec::new());

    pub(crate) fn of<F: Scalar>(view: ArrayViewD<'_, F>) -> Self {
        // `Scalar` is sealed: it is one or the other.
        Self::of_vec(view.iter().copied().collect::<Vec<F>>())
    }

    pub(crate) fn of_vec<F: Scalar>(values: Vec<F>) -> Self {
        let values: Box<dyn Any> = Box::new(values);
        match values.downcast::<Vec<f32>>() {
            Ok(values) => Self::F32(*values),
            Err(values) => Self::F64(values.downcast().map_or_else(|_| Vec::new(), |v| *v)),
        }
    }

    pub(crate) fn as_slice<F: Scalar>(&self) -> Option<&[F]> {
        let values: &dyn Any = match self {
            Self::F32(values) => values,
            Self::F64(values) => values,
            Self::BFloat16(codes) | Self::Int8 { words: codes, .. } => codes,
            Self::Shaped(_, numbers) => return numbers.as_slice(),
        };
        values.downcast_ref::<Vec<F>>().map(Vec::as_slice)
    }

    /// The elements as numbers of `F`, which codes are exactly.
    pub(crate) fn decoded<F: Scalar>(&self) -> Option<Cow<'_, [F]>> {
        match self {
            Self::BFloat16(codes) => Some(codes.iter().map(|&code| F::of_bfloat16(code)).collect()),
            Self::Int8 { is_signed, len, words } => {
                let mut numbers = vec![F::zero(); *len];
                match is_signed {
                    true => int8::decode::<F, true>(words, &mut numbers),
                    false => int8::decode::<F, false>(words, &mut numbers),
                }
                Some(Cow::Owned(numbers))
            }
            _ => self.as_slice().map(Cow::Borrowed),
        }
    }

    /// Numbers in the bits that these are in.
    pub(crate) fn alike<F: Scalar>(&self, values: Vec<F>) -> Self {
        match self {
            Self::BFloat16(_) => {
                Self::BFloat16(values.into_iter().map(|x| x.to_bfloat16(NEAREST)).collect())
            }
            &Self::Int8 { is_signed, .. } => {
                let (len, mut words) = (values.len(), vec![0; int8::words(values.len())]);
                match is_signed {
                    true => int8::encode_nearest::<F, true>(&values, &mut words),
                    false => int8::encode_nearest::<F, false>(&values, &mut words),
                }
                Self::Int8 { is_signed, len, words }
            }
            _ => Self::of_vec(values),
        }
    }

    /// Numbers in a shape of their own, unless they are none.
    pub(crate) fn shaped(shape: &[usize], values: Vec<impl Scalar>) -> Self {
        let shape = if values.is_empty() { &[0] } else { shape };
        Self::Shaped(shape.to_vec(), Box::new(Self::of_vec(values)))
    }

    /// The shape, where it is not the leaf's.
    pub(crate) fn own_shape(&self) -> Option<&[usize]> {
        match self {
            Self::Shaped(shape, _) => Some(shape),
            _ => None,
        }
    }

    /// The first version of the format that has them.
    pub(super) fn version(&self) -> u32 {
        match self {
            Self::F32(_) | Self::F64(_) => 2,
            Self::BFloat16(_) => 3,
            Self::Shaped(..) => 4,
            Self::Int8 { .. } => 5,
        }
    }
}
