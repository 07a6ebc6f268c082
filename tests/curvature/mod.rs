//! Curvature against dense truth, other libraries and exact derivatives.

mod bad_input;
mod certified;
#[cfg(feature = "rand")]
mod coverage;
mod critical;
mod derivatives;
mod flow;
// Without the feature some of its helpers have nothing to do.
#[cfg_attr(not(feature = "linalg"), allow(unused_imports, dead_code))]
mod golden;
#[cfg(feature = "rand")]
#[path = "../../examples/digits/mlp.rs"]
#[allow(dead_code)]
mod mlp;
mod planted;
#[cfg(feature = "rand")]
#[path = "../../examples/spectrum/product.rs"]
#[allow(dead_code)]
mod product;
// Without the feature some of its helpers have nothing to do.
#[cfg_attr(not(feature = "linalg"), allow(unused_imports, dead_code))]
mod pruning;
mod sizes;
#[cfg_attr(not(feature = "rayon"), allow(unused_imports))]
mod spectrum;
#[cfg(feature = "rand")]
mod stochastic;
