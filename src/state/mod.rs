//! What an optimizer is made of at one moment: to save, and to go on from.

mod display;
#[cfg(feature = "serde")]
pub(crate) mod format;
mod leaf;
mod numbers;
mod parts;

use std::collections::{BTreeMap, BTreeSet};

use leaf::Places;
use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn};
pub(crate) use numbers::Numbers;

use crate::error::{Error, ErrorKind, Tree};
use crate::params::{Params, Roster, Snapshot, copy_of};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// The format's number; what cannot be read by an older version makes it larger.
const VERSION: u32 = 5;
/// The number of a state whose arrays are all of their leaf's shape and in full, which version 2 can read.
const FULL: u32 = 2;

/// The state of an optimizer: what [`state`](crate::Optimizer::state) returns and
/// [`load_state`](crate::Optimizer::load_state) takes.
///
/// It holds one [`Record`] for the optimizer and one for each optimizer inside it (and one for the
/// statistics of a metric, whose arrays are of no parameter's shape), and can be compared,
/// and with the feature `serde` written to any format. State of a leaf is kept by its name and shape,
/// in row-major order whatever the layout of the parameters was.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, Optimizer};
///
/// let (mut w, g) = (array![1.0, 2.0], array![0.1, -0.2]);
/// let mut adam = Adam::new(1e-3);
/// adam.step(&mut w, &g)?;
/// let (saved_w, state) = (w.clone(), adam.state());
/// adam.step(&mut w, &g)?;
///
/// let (mut resumed_w, mut resumed) = (saved_w, Adam::new(1e-3)); // built alike
/// resumed.load_state(&state)?;
/// resumed.step(&mut resumed_w, &g)?;
/// assert_eq!(w, resumed_w);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct State {
    version: u32,
    records: Vec<Record>,
}

/// The state of one optimizer: numbers, texts, schedules and arrays by name.
///
/// An optimizer of your own puts in what it needs to go on, and takes it out again; what is missing
/// or of another kind is an error.
///
/// ```
/// use thalweg::state::{Record, State};
/// let mut record = Record::new::<f32>("Mine");
/// record.count("steps", 7);
/// let state = State::from(record);
///
/// let record = state.record::<f32>("Mine")?;
/// assert_eq!(record.get_count("steps")?, 7);
/// assert!(state.record::<f64>("Mine").is_err());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Record {
    optimizer: String,
    scalar: String,
    counts: BTreeMap<String, u64>,
    numbers: BTreeMap<String, Number>,
    texts: BTreeMap<String, String>,
    schedules: BTreeMap<String, Saved>,
    leaves: Vec<LeafRecord>,
    #[cfg_attr(feature = "serde", serde(skip))]
    places: Places,
}

/// The state of one leaf: arrays of its shape by name.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct LeafRecord {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) arrays: BTreeMap<String, Numbers>,
}

/// A number that is written without loss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pub(crate) f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

/// A schedule that is written without loss.
#[derive(Debug, Clone, PartialEq)]
struct Saved(Schedule);

impl From<Record> for State {
    fn from(record: Record) -> Self {
        let arrays = record.leaves.iter().flat_map(|leaf| leaf.arrays.values());
        let version = arrays.map(Numbers::version).fold(FULL, u32::max);
        Self { version, records: vec![record] }
    }
}

impl State {
    /// The state of an optimizer that has another one inside.
    #[must_use]
    pub fn around(mut self, outer: Record) -> Self {
        self.records.insert(0, outer);
        self
    }

    /// The format's number.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The record of the outermost optimizer, which must have that name and that scalar.
    ///
    /// # Errors
    /// [`ErrorKind::StateVersion`], [`ErrorKind::StateOptimizer`], [`ErrorKind::StateScalar`];
    /// [`ErrorKind::DuplicateLeaf`] and [`ErrorKind::StateInvalid`] for leaves that cannot be.
    pub fn record<F: Scalar>(&self, optimizer: &str) -> Result<&Record, Error> {
        if self.version > VERSION {
            let (saved, known) = (self.version, VERSION);
            return Err(ErrorKind::StateVersion { saved, known }.into());
        }
        if self.version == 0 {
            return Err(invalid("the version".to_owned(), "is 0".to_owned()));
        }
        let record = self.records.first().ok_or_else(|| missing("optimizer"))?;
        if record.optimizer != optimizer {
            let (saved, here) = (record.optimizer.clone(), optimizer.to_owned());
            return Err(ErrorKind::StateOptimizer { saved, here }.into());
        }
        if record.scalar != F::NAME {
            let (saved, here) = (record.scalar.clone(), F::NAME);
            return Err(ErrorKind::StateScalar { saved, here }.into());
        }
        record.check()?;
        Ok(record)
    }

    /// The state of the optimizer inside.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`] where there is none.
    pub fn inner(&self) -> Result<Self, Error> {
        match self.records.get(1..) {
            Some(records) if !records.is_empty() => {
                Ok(Self { version: self.version, records: records.to_vec() })
            }
            _ => Err(missing("optimizer inside")),
        }
    }

    /// Ends the reading of a state: it must have no optimizer inside that was not read.
    ///
    /// # Errors
    /// [`ErrorKind::StateUnexpected`].
    pub fn assert_innermost(&self) -> Result<(), Error> {
        match self.records.get(1) {
            None => Ok(()),
            Some(record) => Err(unexpected(format!("a {} inside", record.optimizer))),
        }
    }

    /// Whether its leaves are those of a tree, by name and shape; their order may differ.
    ///
    /// An optimizer that has taken no step cannot know it, and says so at its first step; this says
    /// it at once.
    ///
    /// # Errors
    /// [`ErrorKind::Leaves`] and [`ErrorKind::StateInvalid`] for a shape.
    pub fn check_leaves<F: Scalar>(&self, params: &dyn Params<F>) -> Result<(), Error> {
        self.check_roster(&Roster::of_any(params)?)
    }

    /// As [`check_leaves`](Self::check_leaves), of leaves that are known.
    pub(crate) fn check_roster(&self, roster: &Roster) -> Result<(), Error> {
        // An optimizer inside may have a part of the leaves alone.
        match self.records.iter().find(|record| !record.leaves.is_empty()) {
            Some(record) => record.places(roster).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Record {
    /// An empty record of an optimizer of that name over parameters of `F`.
    pub fn new<F: Scalar>(optimizer: &str) -> Self {
        Self {
            optimizer: optimizer.to_owned(),
            scalar: F::NAME.to_owned(),
            counts: BTreeMap::new(),
            numbers: BTreeMap::new(),
            texts: BTreeMap::new(),
            schedules: BTreeMap::new(),
            leaves: Vec::new(),
            places: Places::default(),
        }
    }

    /// Puts in a whole number.
    pub fn count(&mut self, name: impl Into<String>, value: u64) {
        self.counts.insert(name.into(), value);
    }

    /// Puts in a number; its bits are kept.
    pub fn number(&mut self, name: impl Into<String>, value: f64) {
        self.numbers.insert(name.into(), Number(value));
    }

    /// Puts in a text.
    pub fn text(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.texts.insert(name.into(), value.into());
    }

    /// Puts in a schedule.
    pub fn schedule(&mut self, name: impl Into<String>, value: Schedule) {
        self.schedules.insert(name.into(), Saved(value));
    }

    /// Puts in an array of a leaf, in the leaf's shape.
    pub fn array<F: Scalar>(&mut self, leaf: &str, name: &str, array: ArrayViewD<'_, F>) {
        self.put(leaf, array.shape(), name, Numbers::of(array.view()));
    }

    /// Puts in the elements of an array of a leaf.
    pub(crate) fn put(&mut self, leaf: &str, shape: &[usize], name: &str, numbers: Numbers) {
        let at = self.place_of(leaf, shape);
        self.leaves[at].arrays.insert(name.to_owned(), numbers);
    }

    /// Takes out a whole number: what a record of an earlier version does not have.
    pub(crate) fn forget_count(&mut self, name: &str) {
        self.counts.remove(name);
    }

    /// Puts in the leaves of a tree, each as the array of that name.
    pub fn tree<F: Scalar>(&mut self, name: &str, tree: &dyn Params<F>) {
        tree.visit(crate::params::Path::ROOT, &mut |path, leaf| {
            let name_of_leaf = path.to_string();
            match leaf.is_sixteen() {
                true => self.array(&name_of_leaf, name, copy_of(leaf).view()),
                false => self.array(&name_of_leaf, name, leaf.view()),
            }
        });
    }

    /// Puts in a leaf, with arrays or without.
    pub fn leaf(&mut self, name: &str, shape: &[usize]) {
        let (name, shape) = (name.to_owned(), shape.to_vec());
        self.leaves.push(LeafRecord { name, shape, arrays: BTreeMap::new() });
    }

    /// Name and shape of each leaf.
    pub(crate) fn leaves(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        self.leaves.iter().map(|leaf| (leaf.name.as_str(), &leaf.shape[..]))
    }

    /// The place in a roster of each leaf, whose leaves they must be.
    pub(crate) fn places(&self, roster: &Roster) -> Result<Vec<usize>, Error> {
        roster.compare(self.leaves(), Tree::State)
    }

    /// Whether the leaf at that place has any array.
    pub(crate) fn has_arrays(&self, leaf: usize) -> bool {
        !self.leaves[leaf].arrays.is_empty()
    }

    /// Whether the leaf at that place has an array of that name.
    pub(crate) fn has_array(&self, leaf: usize, name: &str) -> bool {
        self.leaves[leaf].arrays.contains_key(name)
    }

    /// A whole number that need not be there.
    pub(crate) fn get_count_or(&self, name: &str, default: u64) -> u64 {
        self.counts.get(name).copied().unwrap_or(default)
    }

    /// The entries by their names, those that are of no leaf where `stays` says so; arrays are empty.
    pub(crate) fn filtered(&self, stays: &dyn Fn(&str) -> bool) -> Self {
        let mut those = Self {
            optimizer: self.optimizer.clone(),
            scalar: self.scalar.clone(),
            counts: self.counts.clone(),
            numbers: self.numbers.clone(),
            texts: self.texts.clone(),
            schedules: self.schedules.clone(),
            leaves: Vec::with_capacity(self.leaves.len()),
            places: Places::default(),
        };
        those.counts.retain(|name, _| stays(name));
        those.numbers.retain(|name, _| stays(name));
        those.texts.retain(|name, _| stays(name));
        those.schedules.retain(|name, _| stays(name));
        for leaf in &self.leaves {
            // A loop, and no `collect`, which would be compiled with a sort of its own.
            let mut arrays = BTreeMap::new();
            for name in leaf.arrays.keys() {
                arrays.insert(name.clone(), Numbers::NONE);
            }
            let (name, shape) = (leaf.name.clone(), leaf.shape.clone());
            those.leaves.push(LeafRecord { name, shape, arrays });
        }
        those
    }

    /// The record of what is of no leaf.
    pub(crate) fn without_leaves(mut self) -> Self {
        self.leaves.clear();
        self
    }

    /// An array of the leaf at that place, in its shape.
    pub(crate) fn array_of<F: Scalar>(
        &self,
        leaf: usize,
        name: &str,
    ) -> Result<CowArray<'_, F, IxDyn>, Error> {
        let leaf = &self.leaves[leaf];
        let missing = || missing(&format!("{name} of leaf {}", leaf.name));
        leaf.array(name, leaf.arrays.get(name).ok_or_else(missing)?)
    }

    /// What counts up by one at a time: far below where it would overflow.
    pub(crate) fn get_counter(&self, name: &str) -> Result<u64, Error> {
        const LIMIT: u64 = 1 << 62;
        match self.get_count(name)? {
            count if count < LIMIT => Ok(count),
            count => Err(invalid(format!("`{name}`"), format!("is {count}"))),
        }
    }

    /// What is so or is not: 1 or 0.
    pub(crate) fn get_flag(&self, name: &str) -> Result<bool, Error> {
        match self.get_count(name)? {
            0 => Ok(false),
            1 => Ok(true),
            count => Err(invalid(format!("`{name}`"), format!("is {count} instead of 0 or 1"))),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`].
    pub fn get_count(&self, name: &str) -> Result<u64, Error> {
        self.counts.get(name).copied().ok_or_else(|| missing(name))
    }

    /// A number.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`].
    pub fn get_number(&self, name: &str) -> Result<f64, Error> {
        self.numbers.get(name).map(|number| number.0).ok_or_else(|| missing(name))
    }

    /// A text.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`].
    pub fn get_text(&self, name: &str) -> Result<&str, Error> {
        self.texts.get(name).map(String::as_str).ok_or_else(|| missing(name))
    }

    /// A schedule.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`].
    pub fn get_schedule(&self, name: &str) -> Result<&Schedule, Error> {
        self.schedules.get(name).map(|saved| &saved.0).ok_or_else(|| missing(name))
    }

    /// The leaves that have an array of that name, as a tree; `None` where none has. They must be those
    /// of `known`, where there is one.
    ///
    /// # Errors
    /// As [`get_tree`](Record::get_tree), and [`ErrorKind::Leaves`].
    pub fn get_snapshot<F: Scalar>(
        &self,
        name: &str,
        known: Option<&Snapshot<F>>,
    ) -> Result<Option<Snapshot<F>>, Error> {
        let leaves = self.get_tree::<F>(name)?;
        if leaves.is_empty() {
            return Ok(None);
        }
        let snapshot = Snapshot::from_leaves(leaves)?;
        if let Some(known) = known {
            known.check_as(&snapshot, Tree::State)?;
        }
        Ok(Some(snapshot))
    }

    /// That a whole number is this one.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`] and [`ErrorKind::StateDiffers`].
    pub fn compare_count(&self, name: &str, here: u64) -> Result<(), Error> {
        compare(name, &self.get_count(name)?.to_string(), &here.to_string())
    }

    /// That a number is this one.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`] and [`ErrorKind::StateDiffers`].
    pub fn compare_number(&self, name: &str, here: f64) -> Result<(), Error> {
        compare(name, &format!("{:?}", self.get_number(name)?), &format!("{here:?}"))
    }

    /// That a text is this one.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`] and [`ErrorKind::StateDiffers`].
    pub fn compare_text(&self, name: &str, here: &str) -> Result<(), Error> {
        compare(name, self.get_text(name)?, here)
    }

    /// The arrays of that name, one for each leaf that has one, with the leaf's name.
    ///
    /// # Errors
    /// [`ErrorKind::StateInvalid`] where an array has another scalar than `F`, or another number of
    /// elements than its leaf.
    pub fn get_tree<F: Scalar>(&self, name: &str) -> Result<Vec<(String, ArrayD<F>)>, Error> {
        let with = self.leaves.iter().filter_map(|leaf| Some((leaf, leaf.arrays.get(name)?)));
        with.map(|(leaf, numbers)| Ok((leaf.name.clone(), leaf.array(name, numbers)?.into_owned())))
            .collect()
    }

    /// That it has the entries of another record, and no others, whatever they are: what ends a
    /// strict reading.
    ///
    /// # Errors
    /// [`ErrorKind::StateUnexpected`] and [`ErrorKind::StateMissing`].
    pub fn assert_like(&self, other: &Self) -> Result<(), Error> {
        let (own, others) = (self.entries(), other.entries());
        if let Some(entry) = own.difference(&others).next() {
            return Err(unexpected(entry.clone()));
        }
        match others.difference(&own).next() {
            Some(entry) => Err(ErrorKind::StateMissing { entry: entry.clone() }.into()),
            None => Ok(()),
        }
    }

    /// A line for each entry that tells its kind and its name.
    fn entries(&self) -> BTreeSet<String> {
        let leaf = |leaf: &LeafRecord| {
            let name = leaf.name.clone();
            let arrays = leaf.arrays.keys().map(move |array| format!("`{array}` of leaf `{name}`"));
            arrays.chain([format!("the leaf `{}`", leaf.name)]).collect::<Vec<_>>()
        };
        (self.counts.keys().map(|name| format!("the count `{name}`")))
            .chain(self.numbers.keys().map(|name| format!("the number `{name}`")))
            .chain(self.texts.keys().map(|name| format!("the text `{name}`")))
            .chain(self.schedules.keys().map(|name| format!("the schedule `{name}`")))
            .chain(self.leaves.iter().flat_map(leaf))
            .collect()
    }
}

pub(crate) fn compare(what: &str, saved: &str, here: &str) -> Result<(), Error> {
    if saved == here {
        return Ok(());
    }
    let (what, saved, here) = (what.to_owned(), saved.to_owned(), here.to_owned());
    Err(ErrorKind::StateDiffers { what, saved, here }.into())
}

pub(crate) fn missing(entry: &str) -> Error {
    ErrorKind::StateMissing { entry: format!("`{entry}`") }.into()
}

pub(crate) fn invalid(entry: String, problem: String) -> Error {
    ErrorKind::StateInvalid { entry, problem }.into()
}

pub(crate) fn unexpected(entry: String) -> Error {
    ErrorKind::StateUnexpected { entry }.into()
}
