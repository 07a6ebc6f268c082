//! Numbers of a schedule: what they may be, and how they are written.

use std::fmt;

use crate::error::Error;

/// base^n.
pub(super) fn power(base: f64, n: u64) -> f64 {
    base.powf(n as f64)
}

type Check = Result<(), Error>;

pub(super) fn require(
    holds: bool,
    owner: &'static str,
    name: &'static str,
    value: f64,
    allowed: &'static str,
) -> Check {
    if holds { Ok(()) } else { Err(Error::hyperparameter(owner, name, value, allowed)) }
}

pub(super) fn finite(owner: &'static str, name: &'static str, value: f64) -> Check {
    require(value.is_finite(), owner, name, value, "a finite number")
}

pub(super) fn non_negative(owner: &'static str, name: &'static str, value: f64) -> Check {
    require(value >= 0.0 && value.is_finite(), owner, name, value, "a finite number >= 0")
}

pub(super) fn share(owner: &'static str, name: &'static str, value: f64) -> Check {
    require((0.0..=1.0).contains(&value), owner, name, value, "a number in [0, 1]")
}

pub(super) fn half(owner: &'static str, name: &'static str, value: f64) -> Check {
    require((0.0..=0.5).contains(&value), owner, name, value, "a number in [0, 0.5]")
}

pub(super) fn at_least_one(owner: &'static str, name: &'static str, value: u64) -> Check {
    require(value >= 1, owner, name, value as f64, "a whole number >= 1")
}

/// Short where it is very small or large.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size != 0.0 && size.is_finite() && !(1e-3..1e7).contains(&size) {
            write!(f, "{:e}", self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

pub(super) struct Steps(pub(super) u64);

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} step{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}
