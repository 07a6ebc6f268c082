//! What is printed and logged: one line, a table, records by serde.

mod errors;
mod guide;
mod links;
mod plain;
#[cfg(feature = "serde")]
mod progress;
mod range_test;
mod shown;
#[cfg(feature = "serde")]
mod written;
