//! The numbers of a tensor, as they stand in a file.

use std::borrow::Cow;

use ::safetensors::tensor::{Dtype, TensorView, View, serialize};
use ndarray::{ArrayD, ArrayViewD};

use crate::bfloat16;
use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;

/// A tensor to write.
pub(super) struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    pub(super) fn of<F: Scalar>(array: ArrayViewD<'_, F>) -> Self {
        let mut bytes = Vec::with_capacity(array.len() * size_of::<F>());
        for &x in &array {
            // `Scalar` is sealed: it is one or the other.
            match size_of::<F>() {
                4 => bytes.extend((x.into_f64() as f32).to_le_bytes()),
                _ => bytes.extend(x.into_f64().to_le_bytes()),
            }
        }
        let dtype = if size_of::<F>() == 4 { Dtype::F32 } else { Dtype::F64 };
        Self { dtype, shape: array.shape().to_vec(), bytes }
    }

    /// PyTorch's count of steps: a tensor of no axis, of the type that tensors have unless told otherwise.
    pub(super) fn step<F: Scalar>(step: u64) -> Self {
        Self::of(ndarray::arr0(F::from_f64(step as f64)).view().into_dyn())
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The bytes of a file with these tensors.
pub(super) fn write(tensors: Vec<(String, Stored)>) -> Result<Vec<u8>, Error> {
    serialize(tensors, None).map_err(Error::other)
}

/// The numbers of a tensor, each as it is.
pub(super) fn read<F: Scalar>(name: &str, tensor: &TensorView<'_>) -> Result<ArrayD<F>, Error> {
    let numbers = numbers(name, tensor)?;
    let cast: Vec<F> = numbers.iter().map(|&x| F::from_f64(x)).collect();
    let same = |(x, y): (&f64, &F)| y.into_f64() == *x || x.is_nan();
    if !numbers.iter().zip(&cast).all(same) {
        let problem = format!(
            "is {:?}, and some of its numbers are none of {}; cast it, or use parameters of f64",
            tensor.dtype(),
            F::NAME
        );
        return Err(wrong(name, problem));
    }
    ArrayD::from_shape_vec(tensor.shape(), cast).map_err(|error| wrong(name, error.to_string()))
}

/// The whole number ≥ 1 that a count of steps is.
pub(super) fn read_step(name: &str, tensor: &TensorView<'_>) -> Result<u64, Error> {
    match numbers(name, tensor)?[..] {
        [step] if step >= 1.0 && step.fract() == 0.0 && step < 9e15 => Ok(step as u64),
        [step] => Err(wrong(name, format!("is {step}, and no number of steps"))),
        _ => Err(wrong(name, format!("has shape {:?}, and is no number of steps", tensor.shape()))),
    }
}

fn numbers(name: &str, tensor: &TensorView<'_>) -> Result<Vec<f64>, Error> {
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F64 => each(data).map(f64::from_le_bytes).collect(),
        Dtype::F32 => each(data).map(|x| f64::from(f32::from_le_bytes(x))).collect(),
        Dtype::BF16 => {
            each(data).map(|x| f64::from(bfloat16::to_f32(u16::from_le_bytes(x)))).collect()
        }
        Dtype::F16 => each(data).map(|x| half(u16::from_le_bytes(x))).collect(),
        Dtype::I64 => each(data).map(|x| i64::from_le_bytes(x) as f64).collect(),
        other => return Err(wrong(name, format!("is {other:?}, which no parameter is made of"))),
    })
}

fn each<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
    data.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok())
}

/// The number of a half: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    }
}

pub(super) fn wrong(name: &str, problem: String) -> Error {
    ErrorKind::StateInvalid { entry: format!("the tensor `{name}`"), problem }.into()
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves_are_the_numbers_of_the_standard() {
        // IEEE 754 binary16: table of examples.
        let cases = [
            (0x0000, 0.0),
            (0x0001, 2_f64.powi(-24)),
            (0x03ff, 2_f64.powi(-14) * 1023.0 / 1024.0),
            (0x0400, 2_f64.powi(-14)),
            (0x3555, 0.333_251_953_125),
            (0x3c00, 1.0),
            (0x3c01, 1.0 + 1.0 / 1024.0),
            (0x7bff, 65504.0),
            (0xc000, -2.0),
            (0x7c00, f64::INFINITY),
        ];
        for (bits, expected) in cases {
            assert_eq!(half(bits), expected, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    }
}
