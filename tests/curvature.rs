//! Curvature against dense truth, other libraries and exact derivatives.

#[path = "curvature/bad_input.rs"]
mod bad_input;
#[path = "curvature/certified.rs"]
mod certified;
#[path = "support/counting.rs"]
mod counting;
#[cfg(feature = "rand")]
#[path = "curvature/coverage.rs"]
mod coverage;
#[path = "curvature/critical.rs"]
mod critical;
#[path = "curvature/derivatives.rs"]
mod derivatives;
#[path = "curvature/flow.rs"]
mod flow;
// Without the feature some of its helpers have nothing to do.
#[cfg_attr(not(feature = "linalg"), allow(unused_imports, dead_code))]
#[path = "curvature/golden.rs"]
mod golden;
#[cfg(feature = "rand")]
#[path = "../examples/digits/mlp.rs"]
#[allow(dead_code)]
mod mlp;
#[path = "curvature/planted.rs"]
mod planted;
#[cfg(feature = "rand")]
#[path = "../examples/spectrum/product.rs"]
#[allow(dead_code)]
mod product;
// Without the feature some of its helpers have nothing to do.
#[cfg_attr(not(feature = "linalg"), allow(unused_imports, dead_code))]
#[path = "curvature/pruning.rs"]
mod pruning;
#[path = "curvature/sizes.rs"]
mod sizes;
#[cfg_attr(not(feature = "rayon"), allow(unused_imports))]
#[path = "curvature/spectrum.rs"]
mod spectrum;
#[cfg(feature = "rand")]
#[path = "curvature/stochastic.rs"]
mod stochastic;
