//! What the tests compute much by.
//!
//! The tests are compiled without optimization, and with them what they call of generic functions. What is here is
//! compiled with some: it is for operators and closures behind a `dyn`, and what is generic over the scalar is named
//! for both in [`of_both`], so that it is compiled here and the tests are linked to it.

pub mod counting;
pub mod course;
pub mod layout;
pub mod network;
#[path = "../nist.rs"]
pub mod nist;
pub mod numbers;
pub mod planted;
#[path = "../problems/mod.rs"]
pub mod problems;
mod run;
pub mod settings;
#[cfg(feature = "half")]
pub mod sixteen;
pub mod truth;

#[cfg(feature = "rand")]
pub use run::Optimized;
use thalweg::Scalar;

pub use run::{
    Judged, Matrix, classify, condition, condition_with_basis, lanczos, lanczos_f32, solve,
};

/// What is generic over the scalar, for both: nothing calls it, but by it they are compiled.
pub fn of_both() -> [Vec<*const ()>; 2] {
    [generic::<f32>(), generic::<f64>()]
}

fn generic<F: Scalar>() -> Vec<*const ()> {
    use course::Run;
    use layout::Placed;
    vec![
        Run::<F>::new as *const (),
        Run::<F>::of as *const (),
        Run::<F>::check_by as *const (),
        Placed::<F>::new as *const (),
        Placed::<F>::view as *const (),
        Placed::<F>::view_mut as *const (),
        Placed::<F>::is_same as *const (),
        numbers::array::<F> as *const (),
        numbers::assert_same_of::<F> as *const (),
        numbers::assert_close_of::<F> as *const (),
        numbers::elements::<F> as *const (),
        numbers::numbers::<F> as *const (),
    ]
}

/// The loss that rules are told which may want one.
pub const LOSS: f64 = 1.5;
