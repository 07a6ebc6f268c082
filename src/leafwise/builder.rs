//! What a user types: an engine with the rule in its type.

use std::fmt;
use std::marker::PhantomData;

use super::core::{Around, Core, Engine};
use super::rule::{LeafRule, Slot};
use crate::engine::NonFinite;
use crate::optimizer::{Change, Optimizer, forward};
use crate::params::Pattern;
use crate::regularize::{Decay, GradientNoise, Units};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Simd;

/// The optimizer that a [`LeafRule`] makes: [`Adafactor<F>`](crate::Adafactor) is
/// `Leafwise<F, factored::Adafactor>`.
///
/// It owns what all of them share: state by name and shape, the counts of steps, learning rate and
/// schedules, [groups](Self::group), [clipping](Self::clip_norm), [weight decay](Self::decay), the guard
/// against NaN and ∞, checkpoints, and steps of many ranks by whole leaves. Two runs of the same steps
/// give the same bits whatever the instruction set, the number of threads and the layout of the arrays;
/// how they are split into leaves matters to every one of them. A step allocates nothing once the leaves
/// are known.
///
/// A leaf that is thawed takes its first step then: its state and its counts begin there. An average of the
/// parameters is kept by [`Averaged`](crate::train::Averaged) around it. The state is kept in full: what of it is
/// large are factors, roots and bases, whose small differences matter, so there is no
/// [`state_precision`](crate::Elementwise::state_precision) to set. For the same reason, that its slots have shapes of
/// their own, a rule of whole leaves is no row of [`catalog`](crate::catalog()), whose rows are built from
/// [`Settings`](crate::Settings).
pub struct Leafwise<F: Scalar, R> {
    core: Box<dyn Core<F>>,
    rule: PhantomData<R>,
}

/// A rule of this crate, which is compiled here.
pub(crate) trait Compiled: Sized {
    fn core<F: Scalar>(self, schedule: Schedule) -> Box<dyn Core<F>>;
}

/// What makes an engine of a rule.
pub(crate) struct MakeLeafwise<R>(PhantomData<R>);

/// Compiles a rule for each scalar, here and nowhere else.
macro_rules! compiled {
    ($rule:ident) => {
        impl $crate::scalar::ByScalar for $crate::leafwise::MakeLeafwise<$rule> {
            type For<F: $crate::Scalar> = $crate::leafwise::Make<F, $rule>;

            #[inline(never)]
            fn f32() -> Self::For<f32> {
                $crate::leafwise::make
            }

            #[inline(never)]
            fn f64() -> Self::For<f64> {
                $crate::leafwise::make
            }
        }

        impl $crate::leafwise::Compiled for $rule {
            fn core<F: $crate::Scalar>(
                self,
                schedule: $crate::Schedule,
            ) -> Box<dyn $crate::leafwise::Core<F>> {
                F::choose::<$crate::leafwise::MakeLeafwise<$rule>>()(self, schedule)
            }
        }

        impl<F: $crate::Scalar> Default for $crate::Leafwise<F, $rule> {
            fn default() -> Self {
                let learning_rate = <$rule as $crate::leafwise::LeafRule<F>>::LEARNING_RATE;
                Self::of_compiled($rule::default(), learning_rate)
            }
        }
    };
}
pub(crate) use compiled;

/// What [`make`] is.
pub(crate) type Make<F, R> = fn(R, Schedule) -> Box<dyn Core<F>>;

pub(crate) fn make<F: Scalar, R: LeafRule<F>>(rule: R, schedule: Schedule) -> Box<dyn Core<F>> {
    Box::new(Engine::new(Box::new(rule), schedule))
}

impl<F: Scalar, R: LeafRule<F>> Leafwise<F, R> {
    /// An optimizer of a rule of your own; the learning rate is a number or a schedule.
    pub fn with_rule(rule: R, learning_rate: impl Into<Schedule>) -> Self {
        Self { core: make(rule, learning_rate.into()), rule: PhantomData }
    }

    /// The rule and its hyperparameters.
    ///
    /// # Panics
    /// Never: an optimizer has the rule of its type.
    pub fn rule(&self) -> &R {
        self.core.rule().downcast_ref().expect("an optimizer has the rule of its type")
    }
}

impl<F: Scalar, R: 'static> Leafwise<F, R> {
    pub(crate) fn of_compiled(rule: R, learning_rate: impl Into<Schedule>) -> Self
    where
        R: Compiled,
    {
        Self { core: rule.core(learning_rate.into()), rule: PhantomData }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut R)) -> Self {
        if let Some(rule) = self.core.rule_mut().downcast_mut() {
            change(rule);
        }
        self
    }

    fn set(mut self, change: impl FnOnce(&mut Around)) -> Self {
        change(self.core.around_mut());
        self
    }

    /// Sets the learning rate: a number or a schedule.
    #[must_use]
    pub fn schedule(mut self, learning_rate: impl Into<Schedule>) -> Self {
        self.core.replace_schedule(learning_rate.into());
        self
    }

    /// Lets a schedule drive a hyperparameter: one of the rule's, by its name, or `"weight_decay"`.
    ///
    /// Its values are checked at each step; an unknown name is an error at the first. Leaves of a
    /// [`group`](Self::group) that sets the number keep theirs.
    ///
    /// ```
    /// use thalweg::{Schedule, Soap};
    /// let soap = Soap::<f32>::new(3e-3).scheduled("weight_decay", Schedule::linear(0.1, 0.0, 1000));
    /// ```
    #[must_use]
    pub fn scheduled(
        mut self,
        hyperparameter: impl Into<String>,
        schedule: impl Into<Schedule>,
    ) -> Self {
        self.core.set_scheduled(hyperparameter.into(), schedule.into());
        self
    }

    /// Treats the leaves of a [`Pattern`] in another way: see [`Change`]. What matches no leaf is an
    /// error of the first step.
    ///
    /// ```
    /// use thalweg::{Adafactor, Change, Pattern};
    /// let adafactor = Adafactor::<f32>::new(1e-2)
    ///     .weight_decay(0.1)
    ///     .group(Pattern::rank_at_most(1), Change::new().set("weight_decay", 0.0))
    ///     .group("head.*", Change::new().rate_factor(0.1));
    /// ```
    #[must_use]
    pub fn group(mut self, leaves: impl Into<Pattern>, change: Change) -> Self {
        self.core.put_group(leaves.into(), change);
        self
    }

    /// Sets λ of the decay αλw; in [0, ∞).
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        self.decay(Decay::Relative(weight_decay))
    }

    /// Sets what is taken off each parameter beside the update.
    #[must_use]
    pub fn decay(self, decay: Decay) -> Self {
        self.set(|around| around.decay = decay)
    }

    /// Scales gradients whose ‖g‖₂ over all leaves is above `limit` down to it; in (0, ∞).
    #[must_use]
    pub fn clip_norm(self, limit: f64) -> Self {
        self.set(|around| around.clip_norm = Some(limit))
    }

    /// Sets what to do about a gradient that is NaN or infinite.
    #[must_use]
    pub fn non_finite(self, policy: NonFinite) -> Self {
        self.set(|around| around.non_finite = policy)
    }

    /// Climbs instead of descending: turns the gradients' sign.
    #[must_use]
    pub fn maximize(self, maximize: bool) -> Self {
        self.set(|around| around.maximize = maximize)
    }

    /// Takes off each unit's gradient its mean, before all else: see
    /// [`Elementwise::centralized`](crate::Elementwise::centralized).
    #[must_use]
    pub fn centralized(self, units: Units) -> Self {
        self.set(|around| around.centralized = Some(units))
    }

    /// Adds noise to each element of the gradient, before it is clipped: see [`GradientNoise`].
    #[must_use]
    pub fn gradient_noise(self, noise: GradientNoise) -> Self {
        self.set(|around| around.gradient_noise = Some(noise))
    }

    /// Sets the instruction set; the results do not depend on it.
    #[must_use]
    pub fn simd(self, simd: Simd) -> Self {
        self.set(|around| around.simd = simd)
    }

    /// A slot of the state of a leaf, in the slot's own shape.
    ///
    /// `None` before the leaf's first step, and for names that do not exist. A lone array's name is `""`.
    pub fn slot(&self, leaf: &str, slot: &str) -> Option<&Slot<F>> {
        self.core.slot(leaf, slot)
    }

    /// The number of values that the state has, over all leaves.
    pub fn state_len(&self) -> usize {
        self.core.state_len()
    }
}

crate::optimizer::display!([R: Send + Sync + 'static] Leafwise<F, R>);

impl<F: Scalar, R: Send + Sync + 'static> Optimizer<F> for Leafwise<F, R> {
    forward!(self, self.core);
}

impl<F: Scalar, R> Clone for Leafwise<F, R> {
    fn clone(&self) -> Self {
        Self { core: self.core.boxed(), rule: PhantomData }
    }
}

impl<F: Scalar, R> fmt::Debug for Leafwise<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.describe(f)
    }
}
