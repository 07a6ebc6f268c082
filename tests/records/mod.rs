//! What is printed and logged: one line, a table, records by serde.

mod guide;
mod links;
#[cfg(feature = "serde")]
mod progress;
mod range_test;
mod shown;
#[cfg(feature = "serde")]
mod written;
