//! Second moments in less memory than the parameters: sums of rows and columns in the place of squares.
//!
//! For a matrix of n rows and m columns [`Adafactor`](crate::Adafactor) and [`Sm3`](crate::Sm3) keep
//! n + m values where [`Adam`](crate::Adam) keeps n·m. The rules that hold the hyperparameters are here.

pub(crate) mod adafactor;
pub(crate) mod sm3;

pub use adafactor::{Adafactor, Axes};
pub use sm3::Sm3;
