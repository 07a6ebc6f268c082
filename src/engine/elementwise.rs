//! What a user types: an engine with the rule in its type.

use std::fmt;
use std::marker::PhantomData;

use ndarray::{ArrayViewD, CowArray, IxDyn};

use super::core::MakeEngine;
use super::loops;
use super::object::{Core, Factors};
use super::program::Program;
use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::params::ParamsMut;
use crate::rule::Rule;
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// The optimizer that a [`Rule`] makes: [`Adam<F>`](crate::Adam) is `Elementwise<F, rules::Adam>`.
///
/// It owns what all of them share: state by name and shape, the step counter, learning rate and
/// schedules, groups, clipping, penalties and weight decay, averages, the guard against NaN and ∞,
/// SIMD, threads, checkpoints. A step is one pass over memory and allocates nothing once the leaves
/// are known; a norm or the guard reads the gradients once more. Two runs of the same steps give the
/// same bits whatever the instruction set, the number of threads and the layout of the arrays;
/// between machines they may differ by the last digit of the logarithms and exponentials in a step's
/// constants, which are the system's.
///
/// What happens to an element, in this order: the gradient is [`centralized`](Self::centralized), gets its
/// [`gradient_noise`](Self::gradient_noise), is scaled by [`clip_norm`](Self::clip_norm),
/// [`clip_leaf_norm`](Self::clip_leaf_norm) and [`clip_adaptive`](Self::clip_adaptive), cut by
/// [`clip_value`](Self::clip_value), and gets the [`penalty`](Self::penalty)'s gradient; the parameter
/// loses its [`decoupled_decay`](Self::decoupled_decay); the rule updates it, where
/// [`cautious`](Self::cautious) allows; [`shrink`](Self::shrink) and
/// [`proximal_l1`](Self::proximal_l1) follow; the [`average`](Self::average) takes what came out.
///
/// Subnormal numbers in gradients and state count as 0, since many processors are a hundred times
/// slower with them: in `f32` what is below 1.2e-38, and gradients below 1.4e-17 in an average of
/// squares.
///
/// The rules of this crate were compiled with it; a crate that uses them compiles no loop.
///
/// ```
/// use ndarray::{array, Array2};
/// use thalweg::{Momentum, Optimizer};
///
/// let (mut weight, mut bias) = (Array2::<f32>::zeros((2, 3)), array![0.0, 0.0]);
/// let (dweight, dbias) = (Array2::<f32>::ones((2, 3)), array![1.0, -1.0]);
/// let mut optimizer = Momentum::new(0.1).clip_norm(1.0);
/// let info = optimizer.step(&mut (&mut weight, &mut bias), &(&dweight, &dbias))?;
/// assert_eq!(info.grad_norm, Some(8.0_f64.sqrt()));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Elementwise<F: Scalar, R> {
    pub(super) core: Box<dyn Core<F>>,
    rule: PhantomData<fn() -> R>,
}

/// A rule whose loops are compiled in this crate: [`compiled!`](crate::engine::compiled) makes it one.
pub(crate) trait Compiled: Sized {
    /// The rule as an object.
    fn program<F: Scalar>(self) -> Box<dyn Program<F>>;
}

/// What makes an object of a rule.
pub(crate) struct MakeProgram<R>(PhantomData<R>);

/// Compiles the loops of a rule for each scalar, here and nowhere else.
macro_rules! compiled {
    ($rule:ident) => {
        impl $crate::scalar::ByScalar for $crate::engine::MakeProgram<$rule> {
            type For<F: $crate::Scalar> = fn($rule) -> Box<dyn $crate::engine::Program<F>>;

            #[inline(never)]
            fn f32() -> Self::For<f32> {
                $crate::engine::program
            }

            #[inline(never)]
            fn f64() -> Self::For<f64> {
                $crate::engine::program
            }
        }

        impl $crate::engine::Compiled for $rule {
            fn program<F: $crate::Scalar>(self) -> Box<dyn $crate::engine::Program<F>> {
                F::choose::<$crate::engine::MakeProgram<$rule>>()(self)
            }
        }

        impl<F: $crate::Scalar> Default for $crate::Elementwise<F, $rule> {
            fn default() -> Self {
                let learning_rate = <$rule as $crate::Rule<F>>::LEARNING_RATE;
                Self::of_compiled($rule::default(), learning_rate)
            }
        }
    };
}
pub(crate) use compiled;

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    /// An optimizer of a rule of your own; the learning rate is a number or a schedule.
    ///
    /// The loops of the rule are compiled in the crate that calls this.
    pub fn with_rule(rule: R, learning_rate: impl Into<Schedule>) -> Self {
        Self::of_program(loops::program(rule), learning_rate.into())
    }

    /// The rule and its hyperparameters.
    ///
    /// # Panics
    /// Never: an optimizer has the rule of its type.
    pub fn rule(&self) -> &R {
        self.core.rule().downcast_ref().expect("an optimizer has the rule of its type")
    }
}

impl<F: Scalar, R> Elementwise<F, R> {
    /// An optimizer of a rule of this crate.
    pub(crate) fn of_compiled(rule: R, learning_rate: impl Into<Schedule>) -> Self
    where
        R: Compiled,
    {
        Self::of_program(rule.program(), learning_rate.into())
    }

    fn of_program(program: Box<dyn Program<F>>, schedule: Schedule) -> Self {
        Self { core: F::choose::<MakeEngine>()(program, schedule), rule: PhantomData }
    }

    pub(super) fn of_core(core: Box<dyn Core<F>>) -> Self {
        Self { core, rule: PhantomData }
    }

    /// A slot of the state of a leaf, such as `"m"` of `"layers.0.weight"`, in the leaf's shape.
    ///
    /// One in fewer bits ([`state_precision`](Self::state_precision)) is decoded.
    ///
    /// `None` before the first step, for a leaf that was never trained, and for names that do not exist.
    /// A lone array's name is `""`.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{AdaGrad, Optimizer};
    /// let mut w = array![1.0, 1.0];
    /// let mut adagrad = AdaGrad::new(0.1);
    /// adagrad.step(&mut w, &array![3.0, 0.0])?;
    /// assert_eq!(adagrad.slot("", "s").unwrap(), array![9.0, 0.0].into_dyn());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn slot(&self, leaf: &str, slot: &str) -> Option<CowArray<'_, F, IxDyn>> {
        self.core.slot(leaf, slot)
    }

    /// The average of a leaf, in its shape; `None` where none is kept, and before its first term.
    pub fn average_of(&self, leaf: &str) -> Option<ArrayViewD<'_, F>> {
        self.core.average_of(leaf)
    }

    /// What the rule carries of the whole tree.
    pub(crate) fn carried(&self) -> [f64; 4] {
        self.core.carried()
    }

    /// Brings parameters to the point to evaluate, or back from it.
    pub(crate) fn settle_by(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        settled: bool,
        factors: Factors<'_, F>,
    ) -> Result<(), Error> {
        self.core.settle(params, settled, factors)
    }

    /// Brings a copy of the parameters to the point to evaluate.
    pub(crate) fn settle_copy_by(
        &self,
        params: &mut dyn ParamsMut<F>,
        factors: Factors<'_, F>,
    ) -> Result<(), Error> {
        self.core.settle_copy(params, factors)
    }
}

impl<F: Scalar, R> Clone for Elementwise<F, R> {
    fn clone(&self) -> Self {
        Self { core: self.core.boxed(), rule: PhantomData }
    }
}

impl<F: Scalar, R> fmt::Debug for Elementwise<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.describe(f)
    }
}

crate::optimizer::display!([R] Elementwise<F, R>);

impl<F: Scalar, R> Optimizer<F> for Elementwise<F, R> {
    crate::optimizer::forward!(self, self.core);
}
