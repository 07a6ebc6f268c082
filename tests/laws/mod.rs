//! The laws: what holds for every rule of the catalog, in both precisions.

pub(crate) mod support;

mod atomic;
mod descent;
mod finite;
mod layouts;
mod long_runs;
mod names;
mod objects;
mod own;
mod ranges;
mod shapes;
mod splits;
mod widths;
mod zero;
