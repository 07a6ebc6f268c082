//! Curvature: why a training is slow, and what to do about it.
//!
//! Everything here works on a [`LinearOperator`], a matrix that is known by its products, over flat
//! vectors ([`Flatten`](crate::params::Flatten) lays a tree out as one).
//!
//! | to | see |
//! |---|---|
//! | have the Hessian as an operator | [`Hessian`] from gradients, [`operator_fn`] from a product, any square `Array2` |
//! | have a positive semidefinite stand-in | [`GaussNewton`], [`Fisher`] |
//! | damp, scale, precondition it, or take a layer's block | [`Shifted`], [`Scaled`], [`Preconditioned`], [`Restricted`] |
//! | know every entry and every eigenvalue | [`Dense`] |
//! | know the extreme eigenvalues of a large one, with bounds | [`Lanczos`] |
//! | know the condition number and the learning rates it allows | [`Condition`] |
//! | know the highest stable learning rate alone, for little | [`stable_learning_rate`] |
//! | estimate trace, diagonal or density, with errors (feature `rand`) | `Trace`, `Diagonal`, `Quadrature` |
//! | tell a minimum from a saddle, and leave it | [`Classifier`] |
//! | compare a function with its quadratic model; plot slices of it | [`QuadraticModel`], [`slice_1d`], [`slice_2d`] |
//! | see gradients vanish or explode | [`GradientFlow`] |
//! | remove weights | [`obd_saliency`], [`prune_lowest`], [`Obs`] |
//!
//! ```
//! use thalweg::curvature::{Condition, Hessian};
//!
//! // f = ½(100x² + y²): the gradient is all that is needed.
//! let gradient = |w: &[f64], g: &mut [f64]| {
//!     (g[0], g[1]) = (100.0 * w[0], w[1]);
//!     Ok(())
//! };
//! let condition = Condition::of(Hessian::new(&[1.0, 1.0], gradient)?)?;
//! assert!((condition.signed() - 100.0).abs() < 1e-6);
//! assert!((condition.stable_learning_rate() - 0.02).abs() < 1e-6);
//! # Ok::<(), thalweg::Error>(())
//! ```

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
#[cfg(feature = "rand")]
mod stochastic;

pub use adaptors::{Preconditioned, Restricted, Scaled, Shifted};
pub use condition::{Bounded, Condition, HeavyBall, stable_learning_rate};
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
