//! Names of leaves, and values of settings, in messages.

use std::fmt;

use crate::words::in_words;

/// A leaf's name in a message; a lone array has none.
pub(super) struct Name<'a>(pub(super) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("the array") } else { write!(f, "`{}`", self.0) }
    }
}

/// A parameter by its name.
pub(super) struct Parameter<'a>(pub(super) &'a str);

impl fmt::Display for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "the parameter " })?;
        Name(self.0).fmt(f)
    }
}

/// Names in a message.
pub(super) struct Names<'a>(pub(super) &'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A renamed layer would otherwise list a whole model.
        const SHOWN: usize = 5;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, Name(name))?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A value as a state has it: of a setting in words, and a name or a pattern as it is.
pub(super) fn told(value: &str) -> String {
    let is_debug = value == "None" || value.contains(['(', '{']);
    if is_debug { in_words(value) } else { value.to_owned() }
}
