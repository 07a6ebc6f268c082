//! Gradient-based optimizers over `ndarray`: SGD, momentum, Adam, Yogi and their kin, each a rule for
//! one element, run by one fused, bit-reproducible loop.
//!
//! Add the crate, compute a gradient your own way, and call `step` in a loop:
//!
//! ```
//! use ndarray::{Array1, array};
//! use thalweg::{Adam, Optimizer};
//!
//! // The Rosenbrock function's gradient.
//! fn gradient(w: &Array1<f64>) -> Array1<f64> {
//!     let (x, y) = (w[0], w[1]);
//!     array![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)]
//! }
//!
//! let mut w = array![-1.2, 1.0];
//! let mut adam = Adam::new(0.02);
//! for _ in 0..5_000 {
//!     let g = gradient(&w);
//!     adam.step(&mut w, &g)?;
//! }
//! assert!((w - 1.0).iter().all(|d| d.abs() < 1e-3));
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! # I want to
//!
//! | | read | with |
//! |---|---|---|
//! | train a network | [training](guide::training) | [`Params`](trait@Params) by `#[derive(Params)]`, [`Elementwise`]'s builder, [`Schedule`], [`train`], [`loss`], [`regularize`] |
//! | fit or minimize a function | [fitting](guide::fitting) | [`solvers`]: [`minimize`](solvers::minimize()), [`Lbfgs`], [`ConjugateGradient`], Newton, trust regions |
//! | fit a curve to data, with standard errors | [least squares](guide::least_squares) | [`least_squares`]: [`curve_fit`](least_squares::curve_fit()), [`LevenbergMarquardt`](least_squares::LevenbergMarquardt) |
//! | get gradients, or use arrays that are not `ndarray`'s | [gradients](guide::gradients) | num-dual, nalgebra, candle, `Vec<f64>` |
//! | know why a training is slow | [slow training](guide::slow_training) | [`curvature`]: gradient flow, condition numbers, spectra, saddles |
//! | write a rule of my own | [own rule](guide::own_rule) | [`Rule`], [`rule`]; of whole leaves [`leafwise::LeafRule`] |
//! | choose an optimizer | [choosing](guide::choosing) | the pages below, [`catalog`] |
//! | train on several machines | [distributed](guide::distributed) | [`mod@distributed`]: [`DataParallel`](distributed::DataParallel), [`Sharded`](distributed::Sharded), [`LocalSteps`](distributed::LocalSteps), [`Sum`](distributed::Sum) |
//! | know which formula exactly, and who agrees | [conventions](guide::conventions) | the parity matrix |
//! | come from PyTorch, Optax, Keras or argmin | [migration](guide::migration) | their line beside ours |
//! | stop, save and go on | [training](guide::training#stopping-and-going-on) | [`State`], [`mod@state`], `checkpoint` (feature `serde`) |
//! | go on with a run of PyTorch's, or take its weights | [migration](guide::migration) | `safetensors` (feature `safetensors`) |
//! | hold any optimizer | [`Optimizer`] | which is object-safe |
//! | know what went wrong | [`Error`] | [`ErrorKind`], [`Foreign`] |
//!
//! The optimizers: [`Sgd`], [`Momentum`], [`Nesterov`], [`AdaGrad`], [`RmsProp`], [`RmsPropMomentum`],
//! [`CenteredRmsProp`], [`AdaDelta`], [`Adam`], [`AdamW`], [`AmsGrad`], [`AdaMax`], [`NAdam`],
//! [`RAdam`], [`AdaBelief`], [`Yogi`], [`Lion`], [`Lars`], [`Lamb`], [`ScheduleFreeAdamW`],
//! [`ScheduleFreeSgd`], [`GpaAdamW`], [`Adan`], [`AdEmaMix`], [`Adopt`], [`Madgrad`], [`SignSgd`], [`Signum`],
//! [`Rprop`], [`Ftrl`], [`OptimisticGradient`], [`OptimisticAdam`], [`Fromage`], [`Mars`]; with moments of rows
//! and columns [`Adafactor`], [`Sm3`]; for matrices [`Muon`], [`Shampoo`], [`Soap`]; without a learning rate [`ConjugateGradient`] and [`Lbfgs`]. Each page has the
//! formula, when to use it, a picture of its path, and an example. [`natural_gradient`]
//! descends by the model's own metric. What stands around a step (groups, clipping, penalties,
//! averages, NaN) is in [`Elementwise`] and its [`Settings`].
//!
//! # What always holds
//!
//! - A step that returns an error has changed nothing: not the parameters, not the state, not the
//!   counter.
//! - The same steps give the same bits, whatever the instruction set, the number of threads, the
//!   memory layout of the arrays and their split into leaves. A sum over all elements (a norm) is the
//!   same bits over instruction sets and threads, and within 1e-15 over layouts and splits; what
//!   depends on the norm of a leaf ([`Lars`], [`Lamb`], [`Fromage`], [`Mars`], clipping by leaf) depends on what is a leaf.
//! - State is kept by a leaf's name and shape; a changed name, count or shape is an error that names
//!   both.
//! - A step that has seen its leaves before allocates nothing, and passes over memory once; a norm or
//!   the guard against NaN reads the gradients once more, a norm of the update everything. (Of
//!   arrays with more than four axes, those that are not row-major may allocate a little where the number
//!   of axes is known at run time alone, or is above six.)
//! - No shape is ever broadcast into a parameter, and nothing is written outside a view or into a
//!   gradient.
//!
//! # How it is built
//!
//! Imports only go down.
//!
//! | floor | rooms | what |
//! |---|---|---|
//! | top | [`guide`] | pages, without code |
//! | 3 | [`rules`], [`factored`], [`kronecker`], [`solvers`], [`muon`], [`natural_gradient`], [`curvature`], [`train`], [`mod@distributed`] | one file a rule, and the [`catalog`] of them; what couples elements; diagnostics; what stands around the steps; the steps of many ranks |
//! | 2 | [`Optimizer`], [`Elementwise`], [`Leafwise`] | the trait; the engine: the one loop; that of whole leaves |
//! | 1 | [`mod@params`], [`schedule`], [`regularize`], [`loss`], [`rule`], [`mod@state`], `checkpoint`, reductions, dense algebra | vocabulary, without loops over training |
//! | 0 | [`Scalar`], [`Error`], intervals, [`Simd`], threads | what everything else speaks of |
//!
//! # Features
//!
//! `derive` (default): `#[derive(Params)]`. `rand` (default): dropout, augmentation, and whatever else draws numbers from the user's generator.
//! `linalg`: dense eigenvalues, factorizations and solves, by `faer`, which takes longer to build than
//! all else. `rayon`: large parameters are swept on all threads of the current pool. `serde`:
//! checkpoints. `safetensors`: parameters and moments in files of PyTorch.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(unreachable_pub)]

mod basis;
mod bfloat16;
#[cfg(feature = "serde")]
pub mod checkpoint;
pub mod curvature;
pub mod distributed;
mod engine;
mod error;
pub mod factored;
pub mod guide;
mod hash;
mod int8;
mod interval;
pub mod kronecker;
pub mod leafwise;
mod linalg;
pub mod loss;
mod mean;
pub mod muon;
pub mod natural_gradient;
mod optimizer;
pub mod params;
#[cfg(feature = "rand")]
mod random;
mod ranking;
mod reduce;
pub mod regularize;
pub mod rule;
pub mod rules;
#[cfg(feature = "safetensors")]
pub mod safetensors;
mod scalar;
pub mod schedule;
mod simd;
mod sixteen;
pub mod solvers;
pub mod state;
mod threads;
pub mod train;
mod vector;
mod words;

// The trait and the engine.
pub use engine::{
    Average, Elementwise, NonFinite, Precedence, Precision, Rounding, Settings, Untouched,
};
pub use leafwise::Leafwise;
#[doc(hidden)]
pub use optimizer::{Call, OtherRanks, Partwise, Wholes};
pub use optimizer::{Change, Optimizer, StepInfo, Treatment};

// The optimizers.
pub use factored::adafactor::Optimizer as Adafactor;
pub use factored::sm3::Optimizer as Sm3;
pub use kronecker::shampoo::Optimizer as Shampoo;
pub use kronecker::soap::Optimizer as Soap;
pub use muon::Muon;
pub use rules::adabelief::Optimizer as AdaBelief;
pub use rules::adadelta::Optimizer as AdaDelta;
pub use rules::adagrad::Optimizer as AdaGrad;
pub use rules::adam::Optimizer as Adam;
pub use rules::adamax::Optimizer as AdaMax;
pub use rules::adamw::Optimizer as AdamW;
pub use rules::adan::Optimizer as Adan;
pub use rules::ademamix::Optimizer as AdEmaMix;
pub use rules::adopt::Optimizer as Adopt;
pub use rules::amsgrad::Optimizer as AmsGrad;
pub use rules::catalog::{Entry, catalog};
pub use rules::centered_rmsprop::Optimizer as CenteredRmsProp;
pub use rules::dadapt_adam::Optimizer as DAdaptAdam;
pub use rules::dog::Optimizer as DoG;
pub use rules::dowg::Optimizer as DoWG;
pub use rules::fromage::Optimizer as Fromage;
pub use rules::ftrl::Optimizer as Ftrl;
pub use rules::gpa::Optimizer as GpaAdamW;
pub use rules::lamb::Optimizer as Lamb;
pub use rules::lars::Optimizer as Lars;
pub use rules::ldog::Optimizer as LDoG;
pub use rules::lion::Optimizer as Lion;
pub use rules::madgrad::Optimizer as Madgrad;
pub use rules::mars::Optimizer as Mars;
pub use rules::momentum::Optimizer as Momentum;
pub use rules::momo::Optimizer as MoMo;
pub use rules::momo_adam::Optimizer as MoMoAdam;
pub use rules::nadam::Optimizer as NAdam;
pub use rules::nesterov::Optimizer as Nesterov;
pub use rules::novograd::Optimizer as NovoGrad;
pub use rules::optimistic_adam::Optimizer as OptimisticAdam;
pub use rules::optimistic_gradient::Optimizer as OptimisticGradient;
pub use rules::polyak_step::Optimizer as PolyakStep;
pub use rules::prodigy::Optimizer as Prodigy;
pub use rules::radam::Optimizer as RAdam;
pub use rules::rmsprop::Optimizer as RmsProp;
pub use rules::rmsprop_momentum::Optimizer as RmsPropMomentum;
pub use rules::rprop::Optimizer as Rprop;
pub use rules::schedule_free::Optimizer as ScheduleFreeAdamW;
pub use rules::schedule_free_sgd::Optimizer as ScheduleFreeSgd;
pub use rules::sgd::Optimizer as Sgd;
pub use rules::sign_sgd::Optimizer as SignSgd;
pub use rules::signum::Optimizer as Signum;
pub use rules::yogi::Optimizer as Yogi;
pub use solvers::{ConjugateGradient, Lbfgs, least_squares};

// The vocabulary.
pub use error::{Error, ErrorKind, Foreign, Tree};
pub use params::{Bounds, Params, ParamsMut, Pattern};
#[cfg(feature = "rand")]
pub use random::{Generator, RandomBits};
pub use rule::Rule;
pub use scalar::Scalar;
pub use schedule::Schedule;
pub use simd::Simd;
pub use state::State;

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../docs/tour.md")]
mod tour {}

#[cfg(doctest)]
#[doc = include_str!("../docs/figures.md")]
mod figures {}
