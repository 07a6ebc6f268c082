//! Closures as schedules.

use std::fmt;
use std::sync::Arc;

type Function = dyn Fn(u64) -> f64 + Send + Sync;

/// A closure and its name.
#[derive(Clone)]
pub(super) struct Custom {
    name: String,
    function: Arc<Function>,
}

impl Custom {
    pub(super) fn new(name: String, value: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        Self { name, function: Arc::new(value) }
    }

    pub(super) fn at(&self, step: u64) -> f64 {
        (self.function)(step)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.function, &other.function)
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}
