//! Curvature: why a training is slow, and what to do about it.

mod adaptors;
mod condition;
mod critical;
mod dense;
#[cfg(feature = "rand")]
mod density;
mod flow;
mod gauss_newton;
mod hessian;
mod krylov;
mod lanczos;
mod landscape;
mod operator;
mod pruning;
mod quadratic;
mod small;
#[cfg(feature = "rand")]
mod stochastic;

pub use adaptors::{Preconditioned, Restricted, Scaled, Shifted};
pub use condition::{Bounded, Condition, HeavyBall};
pub use critical::{Classifier, CriticalKind, CriticalPoint};
pub use dense::Dense;
#[cfg(feature = "rand")]
pub use density::{Quadrature, SpectralDensity};
pub use flow::{Flow, GradientFlow, LeafFlow};
pub use gauss_newton::{Fisher, GaussNewton};
pub use hessian::{Differences, Gradient, Hessian, ModelGradient};
pub use lanczos::{Eigenpair, Lanczos, Spectrum};
#[cfg(feature = "rand")]
pub use landscape::{Filters, filter_normalized};
pub use landscape::{slice_1d, slice_2d};
pub use operator::{LinearOperator, OperatorFn, operator_fn};
pub use pruning::{Obs, Pruned, obd_saliency, prune_lowest};
pub use quadratic::{Comparison, Parabola, QuadraticModel};
#[cfg(feature = "rand")]
pub use stochastic::{Diagonal, DiagonalEstimate, Estimate, Trace};
