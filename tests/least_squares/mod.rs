//! Least squares: certified fits, published minima, statistics, robust losses.

mod bounds;
mod curve;
mod fits;
mod losses;
mod statuses;
mod sums;
