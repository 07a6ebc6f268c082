//! The engine: what every elementwise optimizer shares, written once.
//!
//! A step goes through six stages, and writes in the last alone:
//!
//! 1. hyperparameters and learning rate are checked;
//! 2. parameters and gradients are paired by name with the state of each leaf (`ledger`);
//! 3. each pair becomes a job: slices where parameter and gradient lie in one order (`sweep`), tiles
//!    otherwise (`strided`);
//! 4. the gradients are looked through for NaN and ∞, or their norm is computed;
//! 5. the rule computes the constants of the step;
//! 6. the one loop runs over all jobs.

mod ledger;
mod prepare;
mod scratch;
mod settings;
mod strided;
mod sweep;

use std::fmt;

use ndarray::ArrayViewD;

use crate::error::{Error, ErrorKind};
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Fit, Leaf, LeafMut, Order, Params, ParamsMut};
use crate::reduce::{self, How, ScaledSquare, Square, Sum, Term};
use crate::regularize::Penalty;
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Simd;
use ledger::{LeafState, Ledger, Pair};
use prepare::{Norm, Plain, Prepare, Scale, Scaled, WithL1, WithL2};
pub(crate) use scratch::recycle;
use scratch::{Lists, Scratch};
pub use settings::{NonFinite, Settings};
use strided::{Source, Strided, Target};
use sweep::{Flat, Kernel};

/// The optimizer that a [`Rule`] makes: [`Adam<F>`](crate::Adam) is `Elementwise<F, rules::Adam>`.
///
/// It owns what all of them share: state by name and shape, the step counter, the learning rate,
/// clipping, penalty, the guard against NaN and ∞, SIMD, threads. A step is one pass over memory
/// and allocates nothing once the leaves are known; a norm or the guard reads the gradients once
/// more. Two runs of the same steps give the same bits whatever the instruction set, the number of
/// threads and the layout of the arrays; between machines they may differ by the last digit of the
/// logarithms and exponentials in a step's constants, which are the system's.
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
#[derive(Clone)]
pub struct Elementwise<F: Scalar, R: Rule<F>> {
    rule: R,
    schedule: Schedule,
    settings: Settings,
    /// Whether `rule` and `settings` were checked since they last changed.
    checked: bool,
    steps: u64,
    skipped: u64,
    last_learning_rate: f64,
    ledger: Ledger<F, R::State>,
    scratch: Scratch<F, R::State>,
}

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    /// An optimizer of that rule; the learning rate is a number or a schedule.
    pub fn with_rule(rule: R, learning_rate: impl Into<Schedule>) -> Self {
        Self {
            rule,
            schedule: learning_rate.into(),
            settings: Settings::default(),
            checked: false,
            steps: 0,
            skipped: 0,
            last_learning_rate: 0.0,
            ledger: Ledger::default(),
            scratch: Scratch::default(),
        }
    }

    /// The rule and its hyperparameters.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    /// The same optimizer with its rule changed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut R)) -> Self {
        change(&mut self.rule);
        self.checked = false;
        self
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self.checked = false;
        self
    }

    /// Sets the learning rate: a number or a schedule.
    #[must_use]
    pub fn schedule(mut self, learning_rate: impl Into<Schedule>) -> Self {
        self.schedule = learning_rate.into();
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

    /// Scales gradients whose ‖g‖₂ over all leaves is above `limit` down to it.
    ///
    /// The norm is summed in `f64`, over the data's gradients before any penalty. `limit` is in
    /// (0, ∞). A zero norm scales nothing.
    ///
    /// Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural
    /// networks", 2013.
    #[must_use]
    pub fn clip_norm(self, limit: f64) -> Self {
        self.set(|s| s.clip_norm = Some(limit))
    }

    /// Reports ‖g‖₂ in each [`StepInfo`] although nothing is clipped by it.
    #[must_use]
    pub fn report_norm(self, report: bool) -> Self {
        self.set(|s| s.report_norm = report)
    }

    /// Adds the gradient of a penalty to the data's, after clipping.
    #[must_use]
    pub fn penalty(self, penalty: Penalty) -> Self {
        self.set(|s| s.penalty = penalty)
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

    /// A slot of the state of a leaf, such as `"m"` of `"layers.0.weight"`, in the leaf's shape.
    ///
    /// `None` before the first step, and for names that do not exist. A lone array's name is `""`.
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
    pub fn slot(&self, leaf: &str, slot: &str) -> Option<ArrayViewD<'_, F>> {
        self.ledger.slot(leaf, R::SLOTS.iter().position(|&name| name == slot)?)
    }

    /// The learning rate that the last step had; 0 before the first.
    pub(crate) fn last_learning_rate(&self) -> f64 {
        self.last_learning_rate
    }

    /// Replaces each parameter by what `update` makes of it and of one of its slots; does nothing
    /// before the first step.
    pub(crate) fn each_slot(
        &self,
        slot: usize,
        params: &mut dyn ParamsMut<F>,
        update: impl Fn(F, F) -> F,
    ) -> Result<(), Error> {
        if self.ledger.is_empty() {
            return Ok(());
        }
        let mut pairs = Vec::new();
        self.ledger.find_params(params, &mut pairs)?;
        for (leaf, pair) in self.ledger.leaves.iter().zip(pairs) {
            if let Some(slot) = leaf.slot(slot) {
                pair.w.view_mut().zip_mut_with(&slot, |w, &slot| *w = update(*w, slot));
            }
        }
        Ok(())
    }

    /// The learning rate of a step, checked.
    fn rate(&self, step: u64) -> Result<f64, Error> {
        let value = self.schedule.at(step);
        if value >= 0.0 && F::from_f64(value).is_finite() {
            Ok(value)
        } else {
            Err(ErrorKind::LearningRate { value, step }.into())
        }
    }
}

impl<F: Scalar, R: Rule<F> + Default> Default for Elementwise<F, R> {
    fn default() -> Self {
        Self::with_rule(R::default(), R::LEARNING_RATE)
    }
}

impl<F: Scalar, R: Rule<F>> Optimizer<F> for Elementwise<F, R> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        if !self.checked {
            self.rule.validate()?;
            self.settings.check::<F>()?;
            self.checked = true;
        }
        let step = self.steps + 1;
        let learning_rate = self.rate(step)?;

        let mut opened = None;
        if self.ledger.is_empty() {
            opened = Some(Ledger::open(&*params, self.rule.initial())?);
        }
        let ledger = opened.as_mut().unwrap_or(&mut self.ledger);

        let mut lists = self.scratch.lend();
        let constants = || self.rule.begin(step, learning_rate);
        let outcome = ledger
            .pair(params, grads, &mut lists.pairs)
            .map_err(Halt::from)
            .map(|()| enlist(ledger, &mut lists))
            .and_then(|()| run::<F, R>(&self.settings, constants, &mut lists));
        self.scratch.take_back(lists);

        let grad_norm = match outcome {
            Err(Halt::Failed(error)) => return Err(error),
            Err(Halt::NotFinite { skip: false }) => return Err(reduce::name_non_finite(grads)),
            Err(Halt::NotFinite { skip: true }) => {
                self.skipped += 1;
                return Ok(StepInfo {
                    step: self.steps,
                    learning_rate,
                    skipped: true,
                    grad_norm: None,
                });
            }
            Ok(grad_norm) => grad_norm,
        };
        if let Some(opened) = opened {
            self.ledger = opened;
        }
        self.steps = step;
        self.last_learning_rate = learning_rate;
        Ok(StepInfo { step, learning_rate, skipped: false, grad_norm })
    }

    fn validate(&self) -> Result<(), Error> {
        self.rule.validate()?;
        self.settings.check::<F>()?;
        self.rate(self.steps + 1).map(|_| ())
    }

    fn learning_rate(&self) -> f64 {
        self.schedule.at(self.steps + 1)
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let previous = std::mem::replace(&mut self.schedule, learning_rate.into());
        self.rate(self.steps + 1).map(|_| ()).inspect_err(|_| self.schedule = previous)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn reset(&mut self) {
        self.ledger = Ledger::default();
        self.steps = 0;
        self.skipped = 0;
        self.last_learning_rate = 0.0;
    }

    fn name(&self) -> &'static str {
        R::NAME
    }
}

/// Why a step stops before it writes.
enum Halt {
    Failed(Error),
    NotFinite { skip: bool },
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

/// Makes a job of each pair, bringing the slots into the parameter's order where that has changed.
fn enlist<'a, F: Scalar, S: Slots<F>>(ledger: &'a mut Ledger<F, S>, lists: &mut Lists<'a, F, S>) {
    // From the last to the first: popping leaves the list's memory where it is.
    for leaf in ledger.leaves.iter_mut().rev() {
        let Some(Pair { w, g: Some(g), .. }) = lists.pairs.pop() else { continue };
        if leaf.is_empty() {
            continue;
        }
        let w_fit = leaf.order.fit(w.shape(), w.strides());
        let g_fit = leaf.order.fit(g.shape(), g.strides());
        if (w_fit, g_fit) == (Fit::Packed, Fit::Packed) {
            let w = w.as_slice_mut().unwrap_or_default();
            let g = g.as_slice().unwrap_or_default();
            lists.flat.push(Flat { w, g, slots: S::slices(&mut leaf.slots) });
        } else {
            enlist_strided(leaf, w, g, w_fit, lists);
        }
    }
}

#[cold]
fn enlist_strided<'a, F: Scalar, S: Slots<F>>(
    leaf: &'a mut LeafState<F, S>,
    w: &'a mut dyn LeafMut<F>,
    g: &'a dyn Leaf<F>,
    w_fit: Fit,
    lists: &mut Lists<'a, F, S>,
) {
    if w_fit == Fit::Differs {
        leaf.reorder(Order::of(w.shape(), w.strides()));
    }
    let packed = |fit| fit == Fit::Packed;
    let w_packed = packed(leaf.order.fit(w.shape(), w.strides()));
    let g_packed = packed(leaf.order.fit(g.shape(), g.strides()));
    let slots = S::slices(&mut leaf.slots);
    if w_packed && g_packed {
        let w = w.as_slice_mut().unwrap_or_default();
        lists.flat.push(Flat { w, g: g.as_slice().unwrap_or_default(), slots });
        return;
    }
    let w = if w_packed {
        Target::Slice(w.as_slice_mut().unwrap_or_default())
    } else {
        Target::View(leaf.order.arrange_mut(w.view_mut()))
    };
    let g = if g_packed {
        Source::Slice(g.as_slice().unwrap_or_default())
    } else {
        Source::View(leaf.order.arrange(g.view()))
    };
    lists.strided.push(Strided { w, g, slots }.flattened());
}

/// Looks at the gradients as the settings want, then updates every leaf; returns ‖g‖₂ if it was
/// computed.
fn run<F: Scalar, R: Rule<F>>(
    settings: &Settings,
    constants: impl FnOnce() -> R::Step,
    lists: &mut Lists<'_, F, R::State>,
) -> Result<Option<f64>, Halt> {
    let norm = settings.wants_norm().then(|| norm(lists, settings.how()));
    let finite = match (settings.non_finite, norm) {
        (NonFinite::Propagate, _) => true,
        (_, Some(norm)) => norm.scaled.is_finite(),
        (_, None) => all_finite(lists, settings.how()),
    };
    if !finite {
        return Err(Halt::NotFinite { skip: settings.non_finite == NonFinite::Skip });
    }

    let scale = Scale::of(settings, norm);
    let step = constants();
    if scale.is_one() {
        penalize::<F, R, _>(settings, &step, Plain, lists);
    } else {
        penalize::<F, R, _>(settings, &step, Scaled(scale), lists);
    }
    Ok(norm.map(Norm::value))
}

/// Adds the penalty, where there is one, to what is done to a gradient, and updates every leaf.
#[inline]
fn penalize<F: Scalar, R: Rule<F>, P: Prepare<F>>(
    settings: &Settings,
    step: &R::Step,
    inner: P,
    lists: &mut Lists<'_, F, R::State>,
) {
    let (l1, l2) = (F::from_f64(settings.penalty.l1), F::from_f64(settings.penalty.l2));
    match (l1 != F::zero(), l2 != F::zero()) {
        (false, false) => update::<F, R, _>(settings, step, inner, lists),
        (false, true) => update::<F, R, _>(settings, step, WithL2 { inner, l2 }, lists),
        (true, false) => update::<F, R, _>(settings, step, WithL1 { inner, l1 }, lists),
        (true, true) => {
            let inner = WithL2 { inner, l2 };
            update::<F, R, _>(settings, step, WithL1 { inner, l1 }, lists);
        }
    }
}

fn update<F: Scalar, R: Rule<F>, P: Prepare<F>>(
    settings: &Settings,
    step: &R::Step,
    prepare: P,
    lists: &mut Lists<'_, F, R::State>,
) {
    let kernel = Kernel::<F, R, P> { step, prepare, how: settings.how() };
    sweep::sweep(&kernel, &mut lists.flat);
    while let Some(leaf) = lists.strided.pop() {
        strided::sweep(&kernel, leaf);
    }
}

fn all_finite<F: Scalar, S: Slots<F>>(lists: &Lists<'_, F, S>, how: How) -> bool {
    sweep::all_finite(&lists.flat, how) && lists.strided.iter().all(|leaf| leaf.all_finite(how))
}

/// ‖g‖₂ over all leaves.
fn norm<F: Scalar, S: Slots<F>>(lists: &Lists<'_, F, S>, how: How) -> Norm {
    fn sum<F: Scalar, S: Slots<F>, T: Term>(lists: &Lists<'_, F, S>, term: T, how: How) -> f64 {
        let strided = lists.strided.iter().map(|leaf| leaf.sum(term, how));
        strided.fold(sweep::sum(&lists.flat, term, how), Sum::add).value()
    }
    let square = sum(lists, Square, how);
    if square > 1e-280 && square < 1e300 {
        return Norm { scaled: square.sqrt(), power: 1.0 };
    }
    // `f64` gradients whose squares overflow or vanish: powers of two bring them back.
    let power = if square < 1.0 { 2.0_f64.powi(500) } else { 2.0_f64.powi(-600) };
    Norm { scaled: sum(lists, ScaledSquare(power), how).sqrt(), power }
}

impl<F: Scalar, R: Rule<F>> fmt::Debug for Elementwise<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(R::NAME)
            .field("rule", &self.rule)
            .field("schedule", &self.schedule)
            .field("settings", &self.settings)
            .field("steps", &self.steps)
            .field("skipped", &self.skipped)
            .field("leaves", &self.ledger.leaves.len())
            .finish()
    }
}
