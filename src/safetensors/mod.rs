//! Parameters and optimizer state in the files that PyTorch, candle and burn read (feature `safetensors`).
//!
//! A [safetensors](https://github.com/huggingface/safetensors) file is a header in JSON and the numbers. [`save`]
//! and [`load`] move the parameters of a model, by the names of its leaves. [`save_optimizer`] and
//! [`load_optimizer`] move the moments of an optimizer under PyTorch's names, so that a run that was begun there
//! goes on here, and back:
//!
//! | optimizer here | `torch.optim` | tensors of the parameter `w` |
//! |---|---|---|
//! | `Momentum::torch`, `Nesterov::torch` | `SGD` | `w.momentum_buffer` |
//! | `Adam`, `AdamW`, `RAdam` | the same | `w.exp_avg`, `w.exp_avg_sq` |
//! | `AmsGrad` | `Adam` with `amsgrad=True` | and `w.max_exp_avg_sq` |
//! | `AdaMax` | `Adamax` | `w.exp_avg`, `w.exp_inf` |
//! | `RmsProp`, `CenteredRmsProp`, `RmsPropMomentum::torch` | `RMSprop` | `w.square_avg`; `w.grad_avg`; `w.momentum_buffer` |
//! | `AdaGrad` | `Adagrad` | `w.sum` |
//! | `AdaDelta` | `Adadelta` | `w.square_avg`, `w.acc_delta` |
//!
//! Each has `w.step` besides, the steps that the parameter has seen. `SGD` has none of its own: it is 1 where the
//! file does not have it. Learning rate and hyperparameters are not in the file: build the optimizer with those
//! of the run.
//!
//! This writes the files in PyTorch:
//!
//! ```python
//! from safetensors.torch import load_file, save_file
//! names = [name for name, _ in model.named_parameters()]
//! save_file({n: p.detach() for n, p in model.named_parameters()}, "model.safetensors")
//! state = optimizer.state_dict()["state"]
//! tensors = {f"{names[i]}.{key}": x for i, of in state.items() for key, x in of.items() if x is not None}
//! save_file(tensors, "optimizer.safetensors")
//!
//! # and back, into an optimizer that was built the same way
//! tensors = load_file("optimizer.safetensors")
//! state = {i: {key[len(n) + 1:]: x for key, x in tensors.items() if key.rpartition(".")[0] == n}
//!          for i, n in enumerate(names)}
//! optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
//! ```
//!
//! and this reads them:
//!
//! ```no_run
//! use ndarray::{Array1, Array2};
//! use thalweg::{AdamW, Params, safetensors};
//!
//! #[derive(Params)]
//! struct Linear { weight: Array2<f32>, bias: Array1<f32> }
//!
//! let mut model = Linear { weight: Array2::zeros((10, 64)), bias: Array1::zeros(10) };
//! safetensors::load("model.safetensors", &mut model)?;
//! let mut adamw = AdamW::new(1e-3).weight_decay(0.01);
//! safetensors::load_optimizer("optimizer.safetensors", &mut adamw, &model)?;
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! For a run that goes on bit for bit, schedules and averages included, see [`checkpoint`](crate::checkpoint).

mod numbers;
mod pytorch;

use std::path::Path;

use ::safetensors::SafeTensors;
use ndarray::ArrayD;
use numbers::{Stored, read, write};
pub use pytorch::{load_optimizer, optimizer_from_bytes, optimizer_to_bytes, save_optimizer};

use crate::checkpoint::write_atomically;
use crate::error::{Error, ErrorKind};
use crate::params::{Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;

/// The parameters as the bytes of a file: a tensor for each leaf, of its name and shape, row-major.
///
/// # Errors
/// [`ErrorKind::NoLeaves`] and [`ErrorKind::DuplicateLeaf`].
///
/// ```
/// use ndarray::array;
/// use thalweg::safetensors;
/// let model = (array![[1.0_f32, 2.0]], array![3.0]);
/// let bytes = safetensors::to_bytes(&model)?;
/// let mut other = (array![[0.0_f32, 0.0]], array![0.0]);
/// safetensors::from_bytes(&bytes, &mut other)?;
/// assert_eq!(model, other);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn to_bytes<F: Scalar>(params: &dyn Params<F>) -> Result<Vec<u8>, Error> {
    let leaves = Snapshot::of(params)?;
    let tensors = leaves.leaves().map(|(name, leaf)| (name.to_owned(), Stored::of(leaf)));
    write(tensors.collect())
}

/// Takes the parameters from the bytes of a file, which must have a tensor for each leaf, of its name and shape,
/// and no other.
///
/// Tensors of `F32`, `F64`, `BF16` and `F16` are read where each of their numbers is one of the parameters' type
/// as it is.
///
/// # Errors
/// What the file's header or a tensor is not; the parameters are then as they were.
/// [`ErrorKind::Leaves`] names the tensors that are missing and those that have no leaf.
pub fn from_bytes<F: Scalar>(bytes: &[u8], params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
    let file = SafeTensors::deserialize(bytes).map_err(Error::other)?;
    let mut leaves: Vec<(String, ArrayD<F>)> = Vec::new();
    for (name, tensor) in file.iter() {
        leaves.push((name.to_owned(), read(name, &tensor)?));
    }
    Snapshot::from_leaves(leaves)?.restore(params)
}

/// Writes the parameters to a file, whole or not at all.
///
/// # Errors
/// As [`to_bytes`], and [`ErrorKind::File`].
pub fn save<F: Scalar>(path: impl AsRef<Path>, params: &dyn Params<F>) -> Result<(), Error> {
    write_atomically(path, &to_bytes(params)?)
}

/// Takes the parameters from a file.
///
/// # Errors
/// As [`from_bytes`], and [`ErrorKind::File`]; the parameters are then as they were.
pub fn load<F: Scalar>(path: impl AsRef<Path>, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
    from_bytes(&bytes_of(path.as_ref())?, params)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        ErrorKind::File { path: path.to_owned(), problem: error.to_string() }.into()
    })
}
