//! Closures as schedules.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

type Function = Arc<dyn Fn(u64) -> f64 + Send + Sync>;

/// A closure and its name, which is all that is saved of it.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct Custom {
    name: String,
    /// Absent from one that was loaded, until it is bound.
    #[cfg_attr(feature = "serde", serde(skip))]
    function: Option<Function>,
}

impl Custom {
    pub(super) fn new(name: String, value: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        Self { name, function: Some(Arc::new(value)) }
    }

    pub(super) fn at(&self, step: u64) -> f64 {
        self.function.as_ref().map_or(f64::NAN, |function| function(step))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.function {
            Some(_) => Ok(()),
            None => Err(ErrorKind::UnboundSchedule { name: self.name.clone() }.into()),
        }
    }

    /// Takes over the function of `other` if it has none and the names agree; whether it did.
    pub(super) fn adopt(&mut self, other: &Custom) -> bool {
        let takes = self.function.is_none() && self.name == other.name;
        if takes {
            self.function.clone_from(&other.function);
        }
        takes
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && match (&self.function, &other.function) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            }
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        if self.function.is_none() { f.write_str(", unbound") } else { Ok(()) }
    }
}

impl fmt::Display for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.function.is_none() { f.write_str(" (unbound)") } else { Ok(()) }
    }
}
