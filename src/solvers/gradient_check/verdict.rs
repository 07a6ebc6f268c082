//! What a check of a gradient says.

use std::fmt;

use crate::words::counted;

/// What differences of values tell of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GradientVerdict {
    /// The values change as the gradient says.
    Right,
    /// They change otherwise.
    Wrong,
    /// Rounding or sharp bends hide whether they do, at every size that was tried.
    CannotTell,
}

/// What came of [`check_gradient`](super::check_gradient). It prints as a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GradientCheck {
    /// The directions that were looked along.
    pub directions: Vec<Direction>,
    /// The element that differs most, where a direction failed.
    pub worst: Option<Worst>,
}

/// A direction of a [`GradientCheck`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Direction {
    /// The leaf whose elements it moves.
    pub leaf: String,
    /// How many of them: those whose parts of the slope are of one power of ten.
    pub elements: usize,
    /// ∇fᵀd.
    pub slope: f64,
    /// The difference quotient where it comes to rest.
    pub quotient: f64,
    /// How far that may be off.
    pub error: f64,
    /// By how many powers of h the difference falls while it is above rounding: 2 for a right
    /// gradient, 0 for a wrong one; NaN where there is nothing but rounding to see.
    pub order: f64,
    /// Whether the two agree.
    pub verdict: GradientVerdict,
}

/// The worst element of a [`GradientCheck`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Worst {
    /// The leaf's name.
    pub leaf: String,
    /// The index in it.
    pub index: Vec<usize>,
    /// The element of the gradient.
    pub gradient: f64,
    /// The difference quotient.
    pub quotient: f64,
}

impl GradientCheck {
    /// Wrong if a direction is; else whether all of them could be told.
    pub fn verdict(&self) -> GradientVerdict {
        let any = |verdict| self.directions.iter().any(|direction| direction.verdict == verdict);
        [GradientVerdict::Wrong, GradientVerdict::CannotTell]
            .into_iter()
            .find(|&verdict| any(verdict))
            .unwrap_or(GradientVerdict::Right)
    }

    /// Whether gradient and values agree along every direction.
    pub fn is_right(&self) -> bool {
        self.verdict() == GradientVerdict::Right
    }

    /// Whether gradient and values differ along a direction.
    pub fn is_wrong(&self) -> bool {
        self.verdict() == GradientVerdict::Wrong
    }
}

impl fmt::Display for GradientVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "the gradient is right",
            Self::Wrong => "the gradient is wrong",
            Self::CannotTell => "differences cannot tell whether the gradient is right",
        })
    }
}

impl fmt::Display for GradientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict())?;
        writeln!(f, "{:>18} {:>18} {:>8} {:>6}", "gᵀd", "quotient", "error", "order")?;
        for direction in &self.directions {
            let Direction { leaf, elements, slope, quotient, error, order, verdict } = direction;
            let verdict = match verdict {
                GradientVerdict::Right => "",
                GradientVerdict::Wrong => ", differs",
                GradientVerdict::CannotTell => ", cannot be told by differences at this scale",
            };
            let leaf = if leaf.is_empty() { String::new() } else { format!(" of `{leaf}`") };
            let order = if order.is_nan() { "-".to_owned() } else { format!("{order:.1}") };
            let elements = counted(*elements as u64, "element", "elements");
            write!(f, "{slope:>18.10e} {quotient:>18.10e} {error:>8.0e} {order:>6}")?;
            writeln!(f, "  {elements}{leaf}{verdict}")?;
        }
        if let Some(Worst { leaf, index, gradient, quotient }) = &self.worst {
            let leaf = if leaf.is_empty() { String::new() } else { format!(" of `{leaf}`") };
            writeln!(f, "worst: index {index:?}{leaf}: {gradient:e}, by differences {quotient:e}")?;
        }
        Ok(())
    }
}
