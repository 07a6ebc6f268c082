//! Curvature against dense truth, other libraries and exact derivatives.

#[path = "curvature/bad_input.rs"]
mod bad_input;
#[path = "curvature/critical.rs"]
mod critical;
#[path = "curvature/derivatives.rs"]
mod derivatives;
#[path = "curvature/flow.rs"]
mod flow;
#[path = "curvature/golden.rs"]
mod golden;
#[path = "curvature/planted.rs"]
mod planted;
#[path = "curvature/pruning.rs"]
mod pruning;
#[path = "curvature/spectrum.rs"]
mod spectrum;
#[cfg(feature = "rand")]
#[path = "curvature/stochastic.rs"]
mod stochastic;
