//! Curvature against dense truth, other libraries and exact derivatives.

#[path = "curvature/planted.rs"]
mod planted;
#[path = "curvature/spectrum.rs"]
mod spectrum;
