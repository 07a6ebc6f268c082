//! Natural gradient: Δw = -α(F + λI)⁻¹g, with the Fisher information F or what one can afford of it.
//!
//! The gradient of a model's parameters depends on how they are written down; the natural gradient
//! does not: it is steepest descent where the length of a step is how far the model's distribution
//! moves, KL ≈ ½ΔwᵀFΔw.
//!
//! ```
//! # #[cfg(feature = "linalg")] {
//! use ndarray::{Array2, Axis, array};
//! use thalweg::natural_gradient::{DenseLayer, Exact, Kfac, NaturalGradient};
//! use thalweg::{Optimizer, loss, params};
//!
//! struct Logistic { weight: Array2<f64>, bias: ndarray::Array1<f64> }
//! params!(Logistic: f64 { weight, bias });
//!
//! let x = array![[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [0.5, 0.5]];
//! let classes = [0, 1, 1, 0];
//! let mut model = Logistic { weight: Array2::zeros((2, 2)), bias: array![0.0, 0.0] };
//! let mut optimizer = NaturalGradient::new(1.0, Kfac::<f64, Exact>::new(1e-2));
//! for _ in 0..10 {
//!     let scores = x.dot(&model.weight) + &model.bias;
//!     let batch = Exact::categorical(&scores)?.backward(|delta| {
//!         vec![DenseLayer::new("weight", x.clone(), delta.clone()).bias("bias")]
//!     })?;
//!     optimizer.observe(&model, batch)?;
//!     let (_, delta) = loss::softmax_cross_entropy(&scores, &classes)?;
//!     let gradient = Logistic { weight: x.t().dot(&delta), bias: delta.sum_axis(Axis(0)) };
//!     optimizer.step(&mut model, &gradient)?;
//! }
//! assert_eq!(loss::accuracy(&(x.dot(&model.weight) + &model.bias), &classes)?, 1.0);
//! # }
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! | metric | F is | feature | cost of a batch |
//! |---|---|---|---|
//! | `Dense` | whole | `linalg` | np² + p³/3 |
//! | [`Diagonal`] | diagonal | | np |
//! | `PushThrough` | whole, of rank n | `linalg` | n²p, of layers n²(in + out) |
//! | `UnitWise` | a block each unit | `linalg` | n·out·in² + out·in³/3 |
//! | [`WhiteUnitWise`] | that of white Gaussian inputs, by three numbers each unit | | n·in·out |
//! | [`QuasiDiagonal`] | diagonal, and each unit's bias | | 2np |
//! | `Kfac` | A⊗G each layer | `linalg` | n(in² + out²) + (in³ + out³)/3 |
//! | [`MatrixFree`] | known by its products | | a product each iteration |
//!
//! [`Exact`], [`Sampled`] and [`Empirical`] say which expectation F takes. The statistics of a dense
//! network are its layers' inputs and gradients by pre-activations: [`DenseLayer`].

mod average;
mod batch;
#[cfg(feature = "linalg")]
mod dense;
mod diagonal;
#[cfg(feature = "linalg")]
mod kfac;
mod kind;
mod layer;
mod matrix_free;
mod metric;
mod optimizer;
mod outputs;
mod pairs;
mod products;
#[cfg(feature = "linalg")]
mod push_through;
mod quasi_diagonal;
#[cfg(feature = "linalg")]
mod unit_wise;
mod white_unit_wise;

pub use batch::{Batch, FisherOperator};
#[cfg(feature = "linalg")]
pub use dense::{Dense, DenseStatistics};
pub use diagonal::Diagonal;
#[cfg(feature = "linalg")]
pub use kfac::Kfac;
pub use kind::{Empirical, Exact, FisherKind, Sampled};
pub use layer::DenseLayer;
pub use matrix_free::MatrixFree;
pub use metric::Metric;
pub use optimizer::NaturalGradient;
pub use outputs::Outputs;
#[cfg(feature = "linalg")]
pub use push_through::PushThrough;
pub use quasi_diagonal::QuasiDiagonal;
#[cfg(feature = "linalg")]
pub use unit_wise::UnitWise;
pub use white_unit_wise::{WhiteBlock, WhiteUnitWise};
