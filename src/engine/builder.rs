//! What an optimizer is built with.

use std::sync::Arc;

use super::average::Average;
use super::compact::Precision;
use super::elementwise::Elementwise;
use super::settings::{NonFinite, Precedence, Settings};
use super::sixteen::Rounding;
use super::untouched::Untouched;
use crate::params::Pattern;
use crate::regularize::{AdaptiveClip, Decay, GradientNoise, MaxNorm, Penalty, Units};
use crate::rule::Rule;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Simd;

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    /// The same optimizer with its rule changed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut R)) -> Self {
        if let Some(rule) = self.core.rule_mut().downcast_mut() {
            change(rule);
        }
        self
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(self.core.settings_mut());
        self
    }

    /// Sets the learning rate: a number or a schedule.
    #[must_use]
    pub fn schedule(mut self, learning_rate: impl Into<Schedule>) -> Self {
        self.core.replace_schedule(learning_rate.into());
        self
    }

    /// Lets a schedule drive a hyperparameter: one of the rule's, by its name, or `"l1"`, `"l2"`,
    /// `"decoupled_decay"`, `"shrink"`, `"proximal_l1"`.
    ///
    /// Its values are checked at each step. An unknown name is an error at the first, which lists
    /// those there are.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Momentum, Optimizer};
    /// let mut w = array![0.0];
    /// let mut momentum = Momentum::new(1.0).scheduled("momentum", |step: u64| 0.5 / step as f64);
    /// momentum.step(&mut w, &array![-1.0])?; // Δw = 1
    /// momentum.step(&mut w, &array![0.0])?; // Δw = 0.25
    /// assert_eq!(w[0], 1.25);
    /// # Ok::<(), thalweg::Error>(())
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

    /// Treats the leaves of a [`Pattern`], a glob or a predicate on their names, in another way.
    ///
    /// `change` gets the optimizer and returns it changed, by the same builder methods; order does
    /// not matter, but that of groups: a leaf of several gets their changes in the order of the
    /// groups. The learning rate may have a [`rate_factor`](Self::rate_factor) or a
    /// [`schedule`](Self::schedule) of its own. What concerns the step as a whole (the first
    /// [`Settings`]) is the optimizer's alone, and a group that changes it is an error, as is a
    /// pattern that no leaf matches.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{AdamW, Optimizer};
    /// thalweg::params!(Layer: f64 { weight, bias });
    /// struct Layer { weight: ndarray::Array2<f64>, bias: ndarray::Array1<f64> }
    ///
    /// let mut layer = Layer { weight: array![[1.0]], bias: array![1.0] };
    /// let zero = Layer { weight: array![[0.0]], bias: array![0.0] };
    /// let mut adamw = AdamW::new(0.1)
    ///     .weight_decay(0.5)
    ///     .group("*bias", |biases| biases.weight_decay(0.0));
    /// adamw.step(&mut layer, &zero)?;
    /// assert_eq!((layer.weight[[0, 0]], layer.bias[0]), (0.95, 1.0));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn group(
        mut self,
        leaves: impl Into<Pattern>,
        change: impl Fn(Self) -> Self + Send + Sync + 'static,
    ) -> Self {
        let change = move |core| change(Self::of_core(core)).core;
        self.core.add_group(leaves.into(), Arc::new(change));
        self
    }

    /// Leaves the parameters as they are, and their state; for [`group`](Self::group).
    ///
    /// Their gradients are not looked at, and count for no norm. A leaf that is thawed later takes its
    /// first step then: its state, its bias corrections and its average begin there, while schedules
    /// go by the optimizer's step. A leaf that is frozen after some steps keeps its state, and its
    /// average goes on taking the parameter as it stands.
    #[must_use]
    pub fn frozen(self, frozen: bool) -> Self {
        self.set(|s| s.frozen = frozen)
    }

    /// Keeps the state in fewer bits: see [`Precision`].
    ///
    /// A [`group`](Self::group) may have another than the rest. It can be changed between steps: the state goes
    /// on, rounded to the nearest. A saved state goes on in the precision that the optimizer is built with.
    ///
    /// ```
    /// use thalweg::{AdamW, Precision};
    /// let adamw = AdamW::<f32>::new(1e-3)
    ///     .state_precision(Precision::BFloat16)
    ///     .group("*norm*", |group| group.state_precision(Precision::Full));
    /// ```
    #[must_use]
    pub fn state_precision(self, precision: Precision) -> Self {
        self.set(|s| s.state_precision = precision)
    }

    /// Sets how parameters of `half::bf16` and `half::f16` take the result of a step: see [`Rounding`].
    ///
    /// A [`group`](Self::group) may have another way than the rest, and it can be changed between steps. Parameters
    /// of `f32` and `f64` are as they are.
    ///
    /// ```
    /// use thalweg::{AdamW, Rounding};
    /// let adamw = AdamW::<f32>::new(1e-3).parameter_rounding(Rounding::Compensated);
    /// ```
    #[must_use]
    pub fn parameter_rounding(self, rounding: Rounding) -> Self {
        self.set(|s| s.parameter_rounding = rounding)
    }

    /// Sets what becomes of rows that a gradient of [`Rows`](crate::params::Rows) does not touch: see
    /// [`Untouched`].
    ///
    /// ```
    /// use thalweg::{Ftrl, Untouched};
    /// let ftrl = Ftrl::<f32>::new(0.1).l1(1.0).untouched(Untouched::Exact);
    /// ```
    #[must_use]
    pub fn untouched(self, untouched: Untouched) -> Self {
        self.set(|s| s.untouched = untouched)
    }

    /// Lets gradients leave the leaves out, as those of experts or of tables that a batch does not ask; without
    /// it a gradient that is not there is an error.
    ///
    /// A leaf that is left out is one of which no row is touched: [`untouched`](Self::untouched) says what becomes
    /// of it.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, Sgd};
    /// let mut w = [array![1.0], array![1.0]];
    /// let only_first = (array![0.5],);
    /// assert!(Sgd::new(1.0).step(&mut w, &only_first).is_err());
    /// Sgd::new(1.0).group("1", |second| second.sparse(true)).step(&mut w, &only_first)?;
    /// assert_eq!(w, [array![0.5], array![1.0]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn sparse(self, sparse: bool) -> Self {
        self.set(|s| s.sparse = sparse)
    }

    /// Multiplies the learning rate, as [`group`](Self::group)s do; in [0, ∞).
    #[must_use]
    pub fn rate_factor(self, factor: f64) -> Self {
        self.set(|s| s.rate_factor = factor)
    }

    /// Sets whose values go on where a saved run was built with other hyperparameters or schedules.
    ///
    /// [`load_state`](crate::Optimizer::load_state) refuses such a state unless this says more. It holds
    /// for the optimizer and its groups alike; a learning rate that was set by
    /// [`set_learning_rate`](crate::Optimizer::set_learning_rate) is no difference, and goes on.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{AdamW, Optimizer, Precedence, Schedule};
    /// let mut w = array![1.0];
    /// let mut first = AdamW::new(Schedule::cosine(1e-3, 0.0, 100));
    /// first.step(&mut w, &array![1.0])?;
    ///
    /// let longer = || AdamW::<f64>::new(Schedule::cosine(1e-3, 0.0, 1000));
    /// assert!(longer().load_state(&first.state()).is_err());
    /// let mut longer = longer().precedence(Precedence::Built);
    /// longer.load_state(&first.state())?; // the moments are the saved run's, the schedule is not
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn precedence(mut self, precedence: Precedence) -> Self {
        self.core.set_precedence(None, precedence);
        self
    }

    /// As [`precedence`](Self::precedence), for one hyperparameter, schedule or setting: by its name,
    /// such as `"beta2"`, `"clip_norm"` or `"learning_rate"`.
    #[must_use]
    pub fn precedence_of(mut self, name: impl Into<String>, precedence: Precedence) -> Self {
        self.core.set_precedence(Some(name.into()), precedence);
        self
    }

    /// Replaces all settings.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        self.set(|s| *s = settings)
    }

    /// Sets what to do about a gradient that is NaN or infinite.
    #[must_use]
    pub fn non_finite(self, policy: NonFinite) -> Self {
        self.set(|s| s.non_finite = policy)
    }

    /// Climbs instead of descending: turns the gradients' sign.
    #[must_use]
    pub fn maximize(self, maximize: bool) -> Self {
        self.set(|s| s.maximize = maximize)
    }

    /// Takes off each unit's gradient its mean: g - mean(g), over the elements that share an index of the axis
    /// that `units` names, for every leaf of two axes or more.
    ///
    /// What is left of a step does not change the sum of the weights that feed a unit. It comes before all
    /// else, so norms and clips are those of the centralized gradient; the penalty's is not centralized. The
    /// convention of units is that of [`Units`]: the authors' and PyTorch's weights, outputs × inputs, are
    /// [`FirstAxis`](Units::FirstAxis); x·W has [`LastAxis`](Units::LastAxis); with [`Leaf`](Units::Leaf)
    /// the mean is that of the whole leaf. A gradient of [`Rows`](crate::params::Rows) is refused, and
    /// [`Sharded`](crate::distributed::Sharded) takes `Split::Leaves`. Costs a copy of the gradient.
    ///
    /// Source: Yong, Huang, Hua & Zhang, "Gradient centralization: a new optimization technique for deep
    /// neural networks", 2020.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, Sgd, regularize::Units};
    /// let mut w = array![[0.0, 0.0], [0.0, 0.0]];
    /// let mut sgd = Sgd::new(1.0).centralized(Units::LastAxis); // the columns
    /// sgd.step(&mut w, &array![[1.0, 5.0], [3.0, 5.0]])?;
    /// assert_eq!(w, array![[1.0, 0.0], [-1.0, 0.0]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn centralized(self, units: Units) -> Self {
        self.set(|s| s.centralized = Some(units))
    }

    /// Adds noise to each element of the gradient: see [`GradientNoise`].
    ///
    /// It comes before clipping, so that norms are those of what the rule gets; a limit below the noise's own
    /// norm scales the gradient away with it. A [`group`](Self::group) may have another noise than the rest,
    /// or none by [`with_settings`](Self::with_settings). A gradient of [`Rows`](crate::params::Rows) is
    /// refused, and a leaf whose gradient is left out gets none.
    #[must_use]
    pub fn gradient_noise(self, noise: GradientNoise) -> Self {
        self.set(|s| s.gradient_noise = Some(noise))
    }

    /// Scales gradients whose ‖g‖₂ over all leaves is above `limit` down to it.
    ///
    /// The norm is summed in `f64`, over the data's gradients before any penalty. `limit` is in
    /// (0, ∞). A zero norm scales nothing, nor does one that is not finite
    /// ([`NonFinite::Propagate`]).
    ///
    /// Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural
    /// networks", 2013.
    #[must_use]
    pub fn clip_norm(self, limit: f64) -> Self {
        self.set(|s| s.clip_norm = Some(limit))
    }

    /// Scales the gradient of each leaf whose ‖g‖₂ is above `limit` down to it; in (0, ∞).
    ///
    /// Costs one read of the gradients.
    #[must_use]
    pub fn clip_leaf_norm(self, limit: f64) -> Self {
        self.set(|s| s.clip_leaf_norm = Some(limit))
    }

    /// Scales the gradient of each unit whose ‖g‖₂ is large beside its ‖w‖₂.
    ///
    /// Costs one read of gradients and parameters.
    #[must_use]
    pub fn clip_adaptive(self, clip: AdaptiveClip) -> Self {
        self.set(|s| s.clip_adaptive = Some(clip))
    }

    /// Cuts each element of the gradient to [-limit, limit]; in (0, ∞). NaN stays NaN.
    #[must_use]
    pub fn clip_value(self, limit: f64) -> Self {
        self.set(|s| s.clip_value = Some(limit))
    }

    /// Reports ‖g‖₂ in each [`StepInfo`](crate::StepInfo) although nothing is clipped by it.
    #[must_use]
    pub fn report_norm(self, report: bool) -> Self {
        self.set(|s| s.report_norm = report)
    }

    /// Adds the gradient of a penalty to the data's, after clipping.
    #[must_use]
    pub fn penalty(self, penalty: Penalty) -> Self {
        self.set(|s| s.penalty = penalty)
    }

    /// Takes a share of each parameter off beside the update, w ← w - d·w + Δw, whatever the rule.
    ///
    /// Rules with a `weight_decay` of their own do the same by it. For plain SGD it is an L2
    /// penalty of d/α; for an adaptive rule it is not.
    ///
    /// Source: Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, RmsProp, regularize::Decay};
    /// let mut w = array![2.0];
    /// let mut rmsprop = RmsProp::new(0.1).decoupled_decay(Decay::Relative(0.5));
    /// rmsprop.step(&mut w, &array![0.0])?;
    /// assert!((w[0] - 1.9_f64).abs() < 1e-15);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn decoupled_decay(self, decay: Decay) -> Self {
        self.set(|s| s.decoupled_decay = Some(decay))
    }

    /// Multiplies each parameter after its update, w ← ε·(w + Δw); ε is in (0, 1], close to 1.
    ///
    /// For plain SGD without momentum it is an L2 penalty of (1-ε)/α whose gradient is taken after
    /// the step. Under AMSGrad, momentum and the like the two differ.
    ///
    /// Source: Hinton, "Learning distributed representations of concepts", 1986.
    #[must_use]
    pub fn shrink(self, epsilon: f64) -> Self {
        self.set(|s| s.shrink = epsilon)
    }

    /// Follows each update by the proximal step of λ‖w‖₁: w ← sign(w)·max(|w| - αλ, 0), which makes
    /// exact zeros; λ is in [0, ∞).
    ///
    /// With SGD this is ISTA. With an adaptive rule each element still shrinks by αλ, whatever its
    /// own step.
    ///
    /// Source: Daubechies, Defrise & De Mol, "An iterative thresholding algorithm for linear inverse
    /// problems with a sparsity constraint", 2004.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, Sgd};
    /// let mut w = array![1.0, -0.25, 0.0];
    /// Sgd::new(0.5).proximal_l1(1.0).step(&mut w, &array![0.0, 0.0, 0.0])?;
    /// assert_eq!(w, array![0.5, 0.0, 0.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn proximal_l1(self, strength: f64) -> Self {
        self.set(|s| s.proximal_l1 = strength)
    }

    /// Brings each unit's ‖w‖₂ within a bound after each update.
    ///
    /// Costs one pass over the parameters. A leaf without the bound's axis is an error at the first
    /// step: give the bound to a [`group`](Self::group) of the weights.
    ///
    /// ```
    /// use ndarray::{Axis, array};
    /// use thalweg::{Optimizer, Sgd, regularize::MaxNorm};
    /// let mut w = array![[3.0, 0.0], [4.0, 1.0]];
    /// let mut sgd = Sgd::new(1.0).max_norm(MaxNorm::new(1.0, Axis(1)));
    /// sgd.step(&mut w, &array![[0.0, 0.0], [0.0, 0.5]])?;
    /// assert!((w - array![[0.6, 0.0], [0.8, 0.5]]).iter().all(|d: &f64| d.abs() < 1e-15));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn max_norm(self, bound: MaxNorm) -> Self {
        self.set(|s| s.max_norm = Some(bound))
    }

    /// Moves an element only where its update descends along its gradient, Δw·g < 0, and scales a
    /// leaf's updates by the inverse of the share of elements that move, 1000 at most.
    ///
    /// State and weight decay go on as ever. Costs one read of everything.
    ///
    /// Source: Liang, Chen, Liu & Liu, "Cautious optimizers: improving training with one line of
    /// code", 2024.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Momentum, Optimizer};
    /// let mut w = array![0.0, 0.0];
    /// let mut momentum = Momentum::new(1.0).momentum(0.5).cautious(true);
    /// momentum.step(&mut w, &array![-4.0, -4.0])?; // both move by 4
    /// momentum.step(&mut w, &array![1.0, -1.0])?; // 1 would go on by 1, against its gradient
    /// assert_eq!(w, array![4.0, 4.0 + 2.0 * 3.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[must_use]
    pub fn cautious(self, cautious: bool) -> Self {
        self.set(|s| s.cautious = cautious)
    }

    /// Keeps an average of the parameters, inside the same sweep; see
    /// [`swap_average`](crate::Optimizer::swap_average).
    #[must_use]
    pub fn average(self, average: Average) -> Self {
        self.set(|s| s.average = Some(average))
    }

    /// Sets the instruction set of the sweep; the results do not depend on it.
    #[must_use]
    pub fn simd(self, simd: Simd) -> Self {
        self.set(|s| s.simd = simd)
    }

    /// Sets how many elements one thread takes at most (feature `rayon`); the results do not
    /// depend on it.
    #[must_use]
    pub fn parallel_above(self, elements: usize) -> Self {
        self.set(|s| s.parallel_above = elements)
    }
}
