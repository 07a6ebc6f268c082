//! An error as bytes, for another process.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::{Error, ErrorKind, Tree};

/// What a field of an error is sent as.
trait Field: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

impl Field for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self::from_le_bytes(*number))
    }
}

macro_rules! by {
    ($($field:ty, $as:ty, $write:expr, $read:expr;)+) => {$(
        impl Field for $field {
            fn write(&self, out: &mut Vec<u8>) {
                let write: fn(&$field) -> $as = $write;
                write(self).write(out);
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let read: fn($as) -> Option<$field> = $read;
                read(<$as>::read(bytes)?)
            }
        }
    )+};
}

by! {
    usize, u64, |&n| n as u64, |n| usize::try_from(n).ok();
    u32, u64, |&n| u64::from(n), |n| u32::try_from(n).ok();
    u8, u64, |&n| u64::from(n), |n| u8::try_from(n).ok();
    f64, u64, |x| x.to_bits(), |bits| Some(f64::from_bits(bits));
    String, Vec<u8>, |text| text.clone().into_bytes(), |bytes| String::from_utf8(bytes).ok();
    &'static str, String, |text| (*text).to_owned(), |text| Some(kept(text));
    PathBuf, String, |path| path.display().to_string(), |path| Some(PathBuf::from(path));
    Option<u64>, Vec<u64>, |n| n.iter().copied().collect(), |n| Some(n.first().copied());
    Tree, u64, |tree| *tree as u64, |n| [Tree::Parameters, Tree::Gradients, Tree::State].get(n as usize).copied();
}

impl<T: Field> Field for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.len().write(out);
        self.iter().for_each(|field| field.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        (0..usize::read(bytes)?).map(|_| T::read(bytes)).collect()
    }
}

/// A text of another process, kept for good. There are as many as this crate has names.
fn kept(text: String) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text.as_str()) {
        return known;
    }
    let text: &'static str = text.leak();
    kept.insert(text);
    text
}

macro_rules! kinds {
    ($($kind:ident { $($field:ident),* })+) => {
        impl Error {
            /// The error as bytes; `None` where it is of a type of the caller's own.
            pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
                let mut out = Vec::new();
                match self.kind() {
                    $(ErrorKind::$kind { $($field),* } => {
                        stringify!($kind).to_owned().write(&mut out);
                        $($field.write(&mut out);)*
                    })+
                    ErrorKind::Other(_) => return None,
                }
                Some(out)
            }

            /// The error that [`to_bytes`](Self::to_bytes) wrote.
            pub(crate) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
                let bytes = &mut bytes;
                let kind = match String::read(bytes)?.as_str() {
                    $(stringify!($kind) => ErrorKind::$kind { $($field: Field::read(bytes)?),* },)+
                    _ => return None,
                };
                Some(kind.into())
            }
        }
    };
}

// A kind that is missing here is an error of the compiler.
kinds! {
    Hyperparameter { owner, name, value, allowed }
    LearningRate { value, step }
    NoLeaves {}
    DuplicateLeaf { tree, leaf }
    Leaves { tree, missing, unexpected }
    ContradictoryLeaf { leaf, problem }
    ShapeChanged { leaf, was, now }
    GradientShape { leaf, parameter, gradient }
    RowsShape { leaf, parameter, rows, values }
    RowOutOfRange { leaf, row, rows }
    WholeArrays { leaf }
    FullNumbers { leaf }
    NotExact { rule, reason }
    NeedsAllRows { leaf, what, remedy }
    NonFiniteGradient { leaf, index, value }
    LargeGradient { leaf, index, value, limit }
    NonFiniteLoss { value }
    NonFiniteSum { owner, sum, value }
    NeedsLoss { optimizer }
    UnknownHyperparameter { owner, name, known }
    GroupMatchesNothing { group, known }
    GroupSetting { group, setting }
    NoAverage {}
    AverageInPlace {}
    Settled {}
    Unsupported { optimizer, what }
    OutOfTurn { what }
    StateOptimizer { saved, here }
    StateScalar { saved, here }
    StateVersion { saved, known }
    StateDiffers { what, saved, here }
    StateMissing { entry }
    StateUnexpected { entry }
    StateInvalid { entry, problem }
    NotACheckpoint {}
    Truncated { found, expected }
    Damaged { problem }
    OtherValue { problem }
    NotWritable { problem }
    File { path, problem }
    UnboundSchedule { name }
    EmptyBatch { owner }
    Shape { owner, what, expected, found }
    Class { owner, index, class, classes }
    Target { owner, index, value, allowed }
    Axis { owner, leaf, axis, rank }
    NoForward { owner }
    NothingBest {}
    Size { what, found, expected }
    UnknownLeaf { leaf, known }
    NonFiniteProduct { what, index, value }
    NotSymmetric { defect, allowed }
    OperatorChanged { change, allowed }
    NotStationary { norm, limit }
    NotPositiveDefinite { what }
    NonFiniteParameter { leaf, index, value }
    NonFiniteStep { leaf, index, value }
    NoHessian { solver }
    NoStatistics { steps }
    NotObserved { leaf }
    NonFiniteStatistic { what, index, value }
    Bounds { leaf, index, lower, upper }
    OpenBound { end }
    BoundShape { leaf, parameter, bound }
    MatchesNothing { what, pattern, known }
    NoResiduals { solver }
    NoJacobian {}
    TooFewResiduals { observations, parameters }
    NonFiniteResidual { index, value }
    UndefinedStart { problem }
    Rank { rank, problem }
    Transport { problem }
    RanksDiffer { what, rank }
    Conflict { first, second, reason }
    NeedsWholeLeaves { what }
    NotSplittable { optimizer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_was_sent_is_the_same_error() {
        let leaf = || "layers.0.wéight".to_owned();
        let names = vec![leaf(), String::new()];
        let kinds = [
            ErrorKind::NoLeaves,
            ErrorKind::Hyperparameter {
                owner: "Adam",
                name: "beta1",
                value: 1.5,
                allowed: "[0, 1)",
            },
            ErrorKind::Leaves { tree: Tree::State, missing: names.clone(), unexpected: vec![] },
            ErrorKind::LargeGradient { leaf: leaf(), index: vec![1, 2], value: -0.0, limit: 1e300 },
            ErrorKind::File { path: "a/b".into(), problem: "full".to_owned() },
            ErrorKind::NoStatistics { steps: None },
            ErrorKind::NoStatistics { steps: Some(3) },
            ErrorKind::StateVersion { saved: 7, known: 2 },
            ErrorKind::Rank { rank: 3, problem: "panic".to_owned() },
        ];
        for kind in kinds {
            let error = Error::from(kind);
            let bytes = error.to_bytes().unwrap();
            assert_eq!(Error::from_bytes(&bytes), Some(error));
            for cut in 0..bytes.len() {
                assert_eq!(Error::from_bytes(&bytes[..cut]), None);
            }
        }
        assert!(Error::other("mine").to_bytes().is_none());
    }
}
