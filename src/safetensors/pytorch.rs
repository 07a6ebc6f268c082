//! The moments of an optimizer under the names that PyTorch has for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ::safetensors::SafeTensors;
use ::safetensors::tensor::TensorView;

use super::bytes_of;
use super::numbers::{Stored, read, read_step, write, wrong};
use crate::checkpoint::write_atomically;
use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::Optimizer;
use crate::params::{Params, Snapshot};
use crate::scalar::Scalar;
use crate::state::{Record, State};

/// Slots of a rule, here and there, in one order.
type Names = &'static [(&'static str, &'static str)];

const MOMENTS: Names = &[("m", "exp_avg"), ("v", "exp_avg_sq")];

/// By the optimizer's name; the conventions that keep something else in a slot are not PyTorch's.
const TABLE: &[(&str, Names)] = &[
    ("Momentum", &[("velocity", "momentum_buffer")]),
    ("Nesterov", &[("velocity", "momentum_buffer")]),
    ("Adam", MOMENTS),
    ("AdamW", MOMENTS),
    ("RAdam", MOMENTS),
    ("AmsGrad", &[("m", "exp_avg"), ("v", "exp_avg_sq"), ("max", "max_exp_avg_sq")]),
    ("AdaMax", &[("m", "exp_avg"), ("u", "exp_inf")]),
    ("AdaGrad", &[("s", "sum")]),
    ("RmsProp", &[("s", "square_avg")]),
    ("RmsPropMomentum", &[("s", "square_avg"), ("velocity", "momentum_buffer")]),
    ("CenteredRmsProp", &[("s", "square_avg"), ("mean", "grad_avg")]),
    ("AdaDelta", &[("s", "square_avg"), ("x", "acc_delta")]),
];

const OTHER_SLOTS: [&str; 4] = [
    "rate_inside: true",
    "correction: BeforeMaximum",
    "correction: Quotient",
    "correction: Nothing",
];

/// The names of the optimizer's slots in PyTorch.
fn names_of(optimizer: &'static str, record: &Record) -> Result<Names, Error> {
    let what = "PyTorch's form of its state; see `thalweg::safetensors` for those that have one";
    let unsupported = || ErrorKind::Unsupported { optimizer, what }.into();
    let conventions = record.get_text("conventions").unwrap_or_default();
    if OTHER_SLOTS.iter().any(|other| conventions.contains(other)) {
        return Err(unsupported());
    }
    let found = TABLE.iter().find(|(name, _)| *name == optimizer);
    found.map(|(_, names)| *names).ok_or_else(unsupported)
}

/// Whether a leaf has the optimizer's state; a frozen one has none.
fn has_slots(record: &Record, names: Names, leaf: usize) -> bool {
    names.iter().any(|(here, _)| record.has_array(leaf, &slot(here)))
}

/// The cohort of a leaf: those of one count of steps.
fn cohort_of(record: &Record, leaf: usize) -> u64 {
    record.get_count_or(&format!("leaf.{leaf}.cohort"), 0)
}

/// The state of an optimizer as the bytes of a file, under PyTorch's names.
///
/// # Errors
/// [`ErrorKind::Unsupported`] of an optimizer that PyTorch has not, or not in this convention, or that has
/// another one inside; [`ErrorKind::NoLeaves`] before the first step.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, Optimizer, safetensors};
/// let (mut w, g) = (array![1.0, 2.0], array![0.5, -0.5]);
/// let mut adam = Adam::new(0.1);
/// adam.step(&mut w, &g)?;
/// let bytes = safetensors::optimizer_to_bytes(&adam)?;
///
/// let mut other = Adam::new(0.1);
/// safetensors::optimizer_from_bytes(&bytes, &mut other, &w)?;
/// let mut same = w.clone();
/// adam.step(&mut w, &g)?;
/// other.step(&mut same, &g)?;
/// assert_eq!(w, same);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn optimizer_to_bytes<F: Scalar>(optimizer: &dyn Optimizer<F>) -> Result<Vec<u8>, Error> {
    let state = optimizer.state();
    let record = state.record::<F>(optimizer.name())?;
    let names = names_of(optimizer.name(), record)?;
    state.assert_innermost()?;
    if record.leaves().len() == 0 {
        return Err(ErrorKind::NoLeaves.into());
    }
    let mut tensors = Vec::new();
    for (leaf, (name, _)) in record.leaves().enumerate() {
        if !has_slots(record, names, leaf) {
            continue;
        }
        for (here, there) in names {
            let array = record.array_of::<F>(leaf, &slot(here))?;
            tensors.push((joined(name, there), Stored::of(array.view())));
        }
        let step = record.get_count(&format!("cohort.{}.step", cohort_of(record, leaf)))?;
        tensors.push((joined(name, "step"), Stored::step::<F>(step)));
    }
    write(tensors)
}

/// Takes the state of an optimizer from the bytes of a file, under PyTorch's names; `params` are those that it is
/// to move.
///
/// The file must have the tensors of all leaves that are trained, and no others, and one count of steps.
/// What PyTorch does not keep begins here: an average of the parameters at the parameters as they are.
///
/// # Errors
/// As [`optimizer_to_bytes`]; [`ErrorKind::Leaves`] names the tensors that are missing and those that have no
/// place; [`ErrorKind::StateInvalid`] one of another shape. The optimizer is then as it was.
pub fn optimizer_from_bytes<F: Scalar>(
    bytes: &[u8],
    optimizer: &mut dyn Optimizer<F>,
    params: &dyn Params<F>,
) -> Result<(), Error> {
    let before = optimizer.state();
    let names = names_of(optimizer.name(), before.record::<F>(optimizer.name())?)?;
    before.assert_innermost()?;
    optimizer.ready()?;
    let file = SafeTensors::deserialize(bytes).map_err(Error::other)?;
    let tensors: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
    // A step along nothing, of a copy, makes room for each leaf that is trained.
    let mut copy = Snapshot::of(params)?;
    let nothing = copy.zeros_like();
    let result = optimizer.step(&mut copy, &nothing).and_then(|_| {
        let state = filled::<F>(&optimizer.state(), optimizer.name(), names, &tensors)?;
        optimizer.load_state(&state)
    });
    if result.is_err() {
        // It is the optimizer's own.
        optimizer.load_state(&before)?;
    }
    result
}

/// The state with the numbers of the file.
fn filled<F: Scalar>(
    state: &State,
    optimizer: &str,
    names: Names,
    tensors: &BTreeMap<&str, TensorView<'_>>,
) -> Result<State, Error> {
    let mut record = state.record::<F>(optimizer)?.clone();
    let leaves: Vec<(usize, String, Vec<usize>)> = record
        .leaves()
        .enumerate()
        .filter(|(leaf, _)| has_slots(&record, names, *leaf))
        .map(|(leaf, (name, shape))| (leaf, name.to_owned(), shape.to_vec()))
        .collect();

    let (mut missing, mut known) = (Vec::new(), BTreeSet::new());
    let mut steps: Option<(u64, String)> = None;
    for (leaf, name, shape) in &leaves {
        for (here, there) in names {
            let tensor_name = joined(name, there);
            let Some(tensor) = tensors.get(tensor_name.as_str()) else {
                missing.push(tensor_name);
                continue;
            };
            if tensor.shape() != shape {
                let problem =
                    format!("has shape {:?}; the parameter has {shape:?}", tensor.shape());
                return Err(wrong(&tensor_name, problem));
            }
            record.array::<F>(name, &slot(here), read::<F>(&tensor_name, tensor)?.view());
            known.insert(tensor_name);
        }
        let step_name = joined(name, "step");
        let step = match tensors.get(step_name.as_str()) {
            Some(tensor) => read_step(&step_name, tensor)?,
            None if names == TABLE[0].1 => 1,
            None => {
                missing.push(step_name);
                continue;
            }
        };
        match &steps {
            Some((other, of)) if *other != step => {
                return Err(wrong(&step_name, format!("is {step}, and `{of}` is {other}")));
            }
            _ => steps = Some((step, step_name.clone())),
        }
        let cohort = cohort_of(&record, *leaf);
        set_clock(&mut record, cohort, step);
        known.insert(step_name);
    }
    let unexpected: Vec<String> = tensors
        .keys()
        .filter(|name| !known.contains(**name))
        .map(|&name| name.to_owned())
        .collect();
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(ErrorKind::Leaves { tree: Tree::State, missing, unexpected }.into());
    }
    let Some((steps, _)) = steps else { return Err(ErrorKind::NoLeaves.into()) };
    record.count("steps", steps);
    Ok(record.into())
}

/// Only the steps are known: the next one takes its β for that of all.
fn set_clock(record: &mut Record, cohort: u64, step: u64) {
    record.count(format!("cohort.{cohort}.step"), step);
    for place in 0..2 {
        record.count(format!("cohort.{cohort}.run.{place}"), step);
        record.number(format!("cohort.{cohort}.beta.{place}"), f64::NAN);
        record.number(format!("cohort.{cohort}.before.{place}"), 0.0);
    }
}

/// What a state calls the array of a slot.
fn slot(name: &str) -> String {
    format!("slot.{name}")
}

/// The name of a tensor of a leaf; one that is alone has no name.
fn joined(leaf: &str, key: &str) -> String {
    if leaf.is_empty() { key.to_owned() } else { format!("{leaf}.{key}") }
}

/// Writes the state of an optimizer to a file, whole or not at all, under PyTorch's names.
///
/// # Errors
/// As [`optimizer_to_bytes`], and [`ErrorKind::File`].
pub fn save_optimizer<F: Scalar>(
    path: impl AsRef<Path>,
    optimizer: &dyn Optimizer<F>,
) -> Result<(), Error> {
    write_atomically(path, &optimizer_to_bytes(optimizer)?)
}

/// Takes the state of an optimizer from a file, under PyTorch's names; `params` are those that it is to move.
///
/// # Errors
/// As [`optimizer_from_bytes`], and [`ErrorKind::File`]; the optimizer is then as it was.
pub fn load_optimizer<F: Scalar>(
    path: impl AsRef<Path>,
    optimizer: &mut dyn Optimizer<F>,
    params: &dyn Params<F>,
) -> Result<(), Error> {
    optimizer_from_bytes(&bytes_of(path.as_ref())?, optimizer, params)
}
