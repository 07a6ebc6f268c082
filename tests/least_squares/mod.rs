//! Least squares: certified fits, published minima, statistics, robust losses.

mod curve;
mod fits;
mod losses;
mod statuses;
mod sums;
