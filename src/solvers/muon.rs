//! Muon: momentum, orthogonalized.

use std::fmt;
use std::mem;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD};

use super::orthogonal::Workspace;
use crate::engine::{NonFinite, recycle};
use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Leaf, LeafMut, Params, ParamsMut, Path, Roster};
use crate::reduce::{self, How};
use crate::regularize::Decay;
use crate::rule::bias_correction;
use crate::rules::adamw::Optimizer as AdamW;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Simd;
use crate::vector;

/// How far a matrix of R outputs and C inputs moves: what the learning rate is multiplied by.
///
/// ```
/// use thalweg::solvers::muon::Scale;
/// assert_eq!(Scale::Original.factor(8, 2), 2.0);
/// assert_eq!(Scale::Original.factor(2, 8), 1.0);
/// assert_eq!(Scale::Spectral.factor(2, 8), 0.5);
/// assert_eq!(Scale::MatchRms(0.2).factor(4, 25), 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Scale {
    /// √max(1, R/C): Jordan's.
    Original,
    /// √(R/C): the step has one size in the norm of operators that maps root mean squares to root
    /// mean squares (Bernstein, "Deriving Muon", 2025).
    Spectral,
    /// f·√max(R, C): the elements of the step have a root mean square of about f. With f = 0.2 that
    /// of AdamW, whose learning rate and weight decay then fit (Liu et al., "Muon is scalable for
    /// LLM training", 2025).
    MatchRms(f64),
    /// 1.
    None,
}

impl Scale {
    /// The factor for so many outputs and inputs.
    pub fn factor(self, outputs: usize, inputs: usize) -> f64 {
        let (outputs, inputs) = (outputs as f64, inputs as f64);
        match self {
            Scale::Original => (outputs / inputs).max(1.0).sqrt(),
            Scale::Spectral => (outputs / inputs).sqrt(),
            Scale::MatchRms(factor) => factor * outputs.max(inputs).sqrt(),
            Scale::None => 1.0,
        }
    }
}

/// What a leaf of that name and shape is asked.
type Predicate = Arc<dyn Fn(&str, &[usize]) -> bool + Send + Sync>;

/// **Muon**: matrices move along their momentum, orthogonalized; the other leaves by [`AdamW`].
///
/// For each matrix of R rows and C columns
///
/// ```text
/// m = μm + (1-μ)g;  u = μm + (1-μ)g (Nesterov), or m
/// X = u / (‖u‖ + ε);  ns_steps times:  A = XXᵀ,  X = aX + (bA + cA²)X
/// w -= α·λ·w + α·√max(1, R/C)·X
/// ```
///
/// The iteration is Newton and Schulz's, with coefficients that raise small singular values fast
/// rather than meet 1: those of X end between about 0.7 and 1.2, unless u is nearly singular.
///
/// | hyperparameter | default | [`torch`](Self::torch) | [`optax`](Self::optax) | range |
/// |---|---|---|---|---|
/// | `momentum` μ | 0.95 | 0.95 | 0.95, bias-corrected | [0, 1) |
/// | `nesterov` | yes | yes | yes | |
/// | `weight_decay` λ | 0 | 0.1 | 0 | [0, ∞) |
/// | `ns_steps` | 5 | 5 | 5 | 1 to 100 |
/// | `ns_coefficients` (a, b, c) | (3.4445, -4.775, 2.0315) | the same | the same | finite |
/// | `epsilon` ε | 1e-7 | 1e-7, max(‖u‖, ε) | 1e-8 | (0, ∞) |
/// | `scale` | √max(1, R/C) | the same | √max(1, C/R) | |
/// | leaves of rank 3 and more | R × all other | by AdamW | by AdamW | |
///
/// - A leaf of rank 2 and more is a matrix, unless [`matrices`](Self::matrices) says otherwise:
///   **embeddings and the last layer should not be orthogonalized**, whatever their shape. Rows are
///   outputs, as PyTorch has them; say [`inputs_first`](Self::inputs_first) where a layer computes
///   x·W. A leaf of higher rank is flattened to its outputs and all the rest.
/// - Every other leaf is moved by an inner [`AdamW`] with a learning rate of its own (3e-4, β₂ =
///   0.95, ε = 1e-10, λ = 0); see [`with_adamw`](Self::with_adamw).
/// - The iteration runs in the precision of the parameters. (PyTorch's runs in bfloat16, whatever
///   they are.) It costs 5·(4·R·C + 2·R²)·min(R, C) operations or so: little beside a
///   batch, much beside AdamW.
///
/// Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
///
/// ```
/// use ndarray::{array, Array1, Array2};
/// use thalweg::{Muon, Optimizer};
///
/// let (mut weight, mut bias) = (Array2::eye(2), Array1::zeros(2));
/// let (dweight, dbias) = (array![[2.0, 0.0], [0.0, -2.0]], array![1.0, -1.0]);
/// let mut muon = Muon::new(0.1);
/// muon.step(&mut (&mut weight, &mut bias), &(&dweight, &dbias))?;
/// // Both directions move alike, however steep they are.
/// assert!((weight[[0, 0]] - 1.0_f64 + 0.07).abs() < 0.02);
/// assert!((weight[[1, 1]] - 1.0 - 0.07).abs() < 0.02);
/// assert!((bias[0] + 3e-4).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Muon<F: Scalar> {
    schedule: Schedule,
    momentum: f64,
    corrected: bool,
    nesterov: bool,
    decay: Decay,
    ns_steps: u32,
    ns_coefficients: [f64; 3],
    epsilon: f64,
    clamped: bool,
    scale: Scale,
    inputs_first: bool,
    matrices: Predicate,
    non_finite: NonFinite,
    how: How,
    adamw: AdamW<F>,
    /// Whether the hyperparameters were checked since they last changed.
    checked: bool,
    steps: u64,
    skipped: u64,
    ledger: Option<Ledger<F>>,
    scratch: Scratch<F>,
}

/// The leaves of the first step, in its order.
#[derive(Clone)]
struct Ledger<F: Scalar> {
    roster: Roster,
    /// m of each matrix, row-major; `None` for a leaf that is AdamW's.
    momenta: Vec<Option<ArrayD<F>>>,
}

/// Memory that is kept from step to step.
struct Scratch<F: Scalar> {
    workspace: Workspace<F>,
    // Trait objects would make the optimizer `!Send`; numbers of their size keep their memory.
    params: Vec<[usize; 3]>,
    grads: Vec<[usize; 2]>,
}

impl<F: Scalar> Default for Scratch<F> {
    fn default() -> Self {
        Self { workspace: Workspace::default(), params: Vec::new(), grads: Vec::new() }
    }
}

impl<F: Scalar> Muon<F> {
    /// Muon with that learning rate α ≥ 0 of the matrices, a number or a schedule: Jordan's own
    /// convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self {
            schedule: learning_rate.into(),
            momentum: 0.95,
            corrected: false,
            nesterov: true,
            decay: Decay::Relative(0.0),
            ns_steps: 5,
            ns_coefficients: [3.4445, -4.775, 2.0315],
            epsilon: 1e-7,
            clamped: false,
            scale: Scale::Original,
            inputs_first: false,
            matrices: Arc::new(|_, _| true),
            non_finite: NonFinite::default(),
            how: How::default(),
            adamw: quiet(AdamW::new(3e-4).beta2(0.95).epsilon(1e-10).weight_decay(0.0)),
            checked: false,
            steps: 0,
            skipped: 0,
            ledger: None,
            scratch: Scratch::default(),
        }
    }

    /// PyTorch's convention: ‖u‖ is kept from falling below ε, λ = 0.1, leaves of rank 2 alone; the
    /// others by [`AdamW::new`]`(1e-3)`.
    pub fn torch(learning_rate: impl Into<Schedule>) -> Self {
        Self { clamped: true, ..Self::new(learning_rate) }
            .weight_decay(0.1)
            .matrices(|_, shape| shape.len() == 2)
            .with_adamw(AdamW::new(1e-3))
    }

    /// Optax's convention: the momentum is bias-corrected, ε = 1e-8, inputs come first, leaves of
    /// rank 2 alone; the others by AdamW at the same learning rate, with ε and without decay.
    ///
    /// (With `nesterov`, Optax moves the others by Nesterov's form of AdamW; here it is AdamW.)
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        let learning_rate = learning_rate.into();
        let adamw = AdamW::new(learning_rate.clone()).weight_decay(0.0);
        Self { corrected: true, ..Self::new(learning_rate) }
            .epsilon(1e-8)
            .inputs_first(true)
            .matrices(|_, shape| shape.len() == 2)
            .with_adamw(adamw)
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.checked = false;
        self
    }

    /// Sets the learning rate of the matrices: a number or a schedule.
    #[must_use]
    pub fn schedule(self, learning_rate: impl Into<Schedule>) -> Self {
        self.with(|muon| muon.schedule = learning_rate.into())
    }

    /// Sets μ, the share of the average of gradients that is kept; in [0, 1).
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Self {
        self.with(|muon| muon.momentum = momentum)
    }

    /// Sets whether the gradient is averaged in once more before it is orthogonalized.
    #[must_use]
    pub fn nesterov(self, nesterov: bool) -> Self {
        self.with(|muon| muon.nesterov = nesterov)
    }

    /// Sets λ of the decay αλw of the matrices; in [0, ∞).
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        self.decay(Decay::Relative(weight_decay))
    }

    /// Sets what is taken off each matrix beside the update.
    #[must_use]
    pub fn decay(self, decay: Decay) -> Self {
        self.with(|muon| muon.decay = decay)
    }

    /// Sets how often the polynomial is applied; from 1 to 100.
    #[must_use]
    pub fn ns_steps(self, steps: u32) -> Self {
        self.with(|muon| muon.ns_steps = steps)
    }

    /// Sets (a, b, c) of the polynomial aσ + bσ³ + cσ⁵ that each singular value goes through.
    ///
    /// With (1.875, -1.25, 0.375) and more steps they all converge to 1.
    #[must_use]
    pub fn ns_coefficients(self, a: f64, b: f64, c: f64) -> Self {
        self.with(|muon| muon.ns_coefficients = [a, b, c])
    }

    /// Sets ε, which keeps the quotient finite; in (0, ∞).
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        self.with(|muon| muon.epsilon = epsilon)
    }

    /// Sets what the learning rate is multiplied by, by the shape of a matrix.
    #[must_use]
    pub fn scale(self, scale: Scale) -> Self {
        self.with(|muon| muon.scale = scale)
    }

    /// Sets whether a matrix is inputs × outputs, as in x·W, rather than outputs × inputs, as in
    /// W·x: [`Scale`] and the flattening of higher ranks go by the outputs.
    ///
    /// A leaf of rank 3 and more is then flattened to all axes but the last, and the last.
    #[must_use]
    pub fn inputs_first(self, inputs_first: bool) -> Self {
        self.with(|muon| muon.inputs_first = inputs_first)
    }

    /// Sets which leaves of rank 2 and more are orthogonalized, by name and shape; [`AdamW`] moves
    /// the others. It is asked once, at the first step.
    ///
    /// ```
    /// use thalweg::Muon;
    /// let muon = Muon::<f32>::new(0.02)
    ///     .matrices(|name, _| !name.starts_with("embedding") && !name.starts_with("head"));
    /// ```
    #[must_use]
    pub fn matrices(self, which: impl Fn(&str, &[usize]) -> bool + Send + Sync + 'static) -> Self {
        self.with(|muon| muon.matrices = Arc::new(which))
    }

    /// Sets the optimizer of the other leaves; any state it has is forgotten.
    ///
    /// Its settings, such as clipping, are for its own leaves. What to do about NaN is Muon's to
    /// say, for all.
    #[must_use]
    pub fn with_adamw(self, adamw: AdamW<F>) -> Self {
        self.with(|muon| muon.adamw = quiet(adamw))
    }

    /// The optimizer of the other leaves.
    pub fn adamw(&self) -> &AdamW<F> {
        &self.adamw
    }

    /// Replaces the learning rate of the other leaves by a constant.
    ///
    /// # Errors
    /// [`ErrorKind::LearningRate`] unless it is finite and ≥ 0.
    pub fn set_adamw_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.adamw.set_learning_rate(learning_rate)
    }

    /// Sets what to do about a gradient that is NaN or infinite, in any leaf.
    #[must_use]
    pub fn non_finite(self, policy: NonFinite) -> Self {
        self.with(|muon| muon.non_finite = policy)
    }

    /// Sets the instruction set of the matrices; the results do not depend on it.
    #[must_use]
    pub fn simd(self, simd: Simd) -> Self {
        self.with(|muon| muon.how.simd = simd)
    }

    /// A slot of the state of a leaf, in the leaf's shape: `"m"` of a matrix, AdamW's of the others.
    ///
    /// `None` before the first step, and for names that do not exist.
    pub fn slot(&self, leaf: &str, slot: &str) -> Option<ArrayViewD<'_, F>> {
        let ledger = self.ledger.as_ref()?;
        match &ledger.momenta[ledger.roster.index_of(leaf)?] {
            Some(m) => (slot == "m").then(|| m.view()),
            None => self.adamw.slot(leaf, slot),
        }
    }

    fn check(&self) -> Result<(), Error> {
        const NAME: &str = "Muon";
        Interval::FRACTION.check::<F>(NAME, "momentum", self.momentum)?;
        Interval::POSITIVE.check::<F>(NAME, "epsilon", self.epsilon)?;
        Interval::closed(1.0, 100.0, "a number from 1 to 100").check::<f64>(
            NAME,
            "ns_steps",
            f64::from(self.ns_steps),
        )?;
        for value in self.ns_coefficients {
            let finite = Interval::closed(f64::MIN, f64::MAX, "finite numbers");
            finite.check::<F>(NAME, "ns_coefficients", value)?;
        }
        if let Scale::MatchRms(factor) = self.scale {
            Interval::POSITIVE.check::<F>(NAME, "scale", factor)?;
        }
        self.decay.check::<F>(NAME)
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

    /// What the momentum and the gradient are multiplied by to be orthogonalized.
    fn mixture(&self, step: u64) -> [f64; 2] {
        let correction =
            |step| if self.corrected { bias_correction(self.momentum, step) } else { 1.0 };
        if self.nesterov {
            [self.momentum / correction(step + 1), (1.0 - self.momentum) / correction(step)]
        } else {
            [correction(step).recip(), 0.0]
        }
    }

    /// Rows and columns of a leaf as a matrix.
    fn flattened(&self, shape: &[usize]) -> (usize, usize) {
        let split = if self.inputs_first { shape.len() - 1 } else { 1 };
        let (rows, columns) = shape.split_at(split);
        (rows.iter().product(), columns.iter().product())
    }

    /// The state of a model that has taken no step.
    fn open(&self, params: &dyn Params<F>) -> Result<Ledger<F>, Error> {
        let roster = Roster::of(params)?;
        let wanted = |name: &str, shape: &[usize]| shape.len() >= 2 && (self.matrices)(name, shape);
        let momenta = roster
            .entries()
            .iter()
            .map(|entry| {
                wanted(&entry.name, &entry.shape).then(|| ArrayD::zeros(entry.shape.as_slice()))
            })
            .collect();
        Ok(Ledger { roster, momenta })
    }

    /// Whether no gradient is NaN or infinite.
    fn all_finite(&self, grads: &dyn Params<F>) -> bool {
        let mut all = true;
        grads.visit(Path::ROOT, &mut |_, leaf| {
            all &= match leaf.as_slice() {
                Some(slice) => reduce::all_finite_slice(slice, self.how),
                None => reduce::all_finite_view(&leaf.view()),
            };
        });
        all
    }

    /// Updates one matrix and its momentum.
    fn update(
        &self,
        step: &Step,
        w: &mut dyn LeafMut<F>,
        g: &dyn Leaf<F>,
        m: &mut [F],
        workspace: &mut Workspace<F>,
    ) {
        let (rows, columns) = self.flattened(w.shape());
        if m.is_empty() {
            return;
        }
        workspace.reserve(rows.min(columns), rows.max(columns));
        let u = &mut workspace.y[..m.len()];
        let [keep, take, of_m, of_g] = step.averaging.map(F::from_f64);
        for ((u, m), &g) in u.iter_mut().zip(m.iter_mut()).zip(g.view().iter()) {
            *m = keep * *m + take * g;
            // Without Nesterov's term an infinite gradient is not multiplied by 0.
            *u = if of_g == F::zero() { of_m * *m } else { of_m * *m + of_g * g };
        }

        let norm = vector::norm(u);
        let norm = if self.clamped { norm.max(self.epsilon) } else { norm + self.epsilon };
        let factor = F::from_f64(norm.recip());
        let x = &mut workspace.x[..m.len()];
        let tall = rows > columns;
        if tall {
            for (i, row) in u.chunks_exact(columns).enumerate() {
                row.iter().enumerate().for_each(|(j, &u)| x[j * rows + i] = u * factor);
            }
        } else {
            x.iter_mut().zip(&*u).for_each(|(x, &u)| *x = u * factor);
        }
        let shape = (rows.min(columns), rows.max(columns));
        workspace.iterate(shape, self.ns_coefficients, self.ns_steps, self.how);

        let (outputs, inputs) = if self.inputs_first { (columns, rows) } else { (rows, columns) };
        let alpha = F::from_f64(step.learning_rate * self.scale.factor(outputs, inputs));
        let decay = F::from_f64(step.decay);
        let x = &workspace.x[..m.len()];
        let moved = |w: F, x: F| (w - decay * w) - alpha * x;
        let mut view = w.view_mut();
        if tall {
            for (i, w) in view.iter_mut().enumerate() {
                *w = moved(*w, x[i % columns * rows + i / columns]);
            }
        } else {
            view.iter_mut().zip(x).for_each(|(w, &x)| *w = moved(*w, x));
        }
    }
}

/// An AdamW that has seen nothing and leaves it to Muon to look for NaN.
fn quiet<F: Scalar>(adamw: AdamW<F>) -> AdamW<F> {
    let mut adamw = adamw.non_finite(NonFinite::Propagate);
    adamw.reset();
    adamw
}

/// The constants of a step.
struct Step {
    learning_rate: f64,
    decay: f64,
    /// μ and 1-μ, and the mixture of m and g.
    averaging: [f64; 4],
}

/// The leaves that are AdamW's, with their gradients.
struct OthersMut<'l, 'a, F: Scalar> {
    ledger: &'l Ledger<F>,
    params: &'l mut [(usize, &'a mut dyn LeafMut<F>)],
}

struct Others<'l, 'a, F: Scalar> {
    ledger: &'l Ledger<F>,
    grads: &'l [Option<&'a dyn Leaf<F>>],
}

impl<F: Scalar> Ledger<F> {
    /// The name of a leaf that is AdamW's.
    fn other(&self, index: usize) -> Option<&str> {
        self.momenta[index].is_none().then(|| self.roster.entries()[index].name.as_str())
    }

    fn has_others(&self) -> bool {
        self.momenta.iter().any(Option::is_none)
    }
}

impl<F: Scalar> Params<F> for OthersMut<'_, '_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (index, leaf) in &*self.params {
            if let Some(name) = self.ledger.other(*index) {
                visit(path.name(name), &**leaf);
            }
        }
    }
}

impl<F: Scalar> ParamsMut<F> for OthersMut<'_, '_, F> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        for (index, leaf) in &mut *self.params {
            if let Some(name) = self.ledger.other(*index) {
                visit(path.name(name), &mut **leaf);
            }
        }
    }
}

impl<F: Scalar> Params<F> for Others<'_, '_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (index, leaf) in self.grads.iter().enumerate() {
            if let (Some(leaf), Some(name)) = (leaf, self.ledger.other(index)) {
                visit(path.name(name), *leaf);
            }
        }
    }
}

/// Parameters and gradients of the ledger's leaves, each with its index there.
fn pair<'a, F: Scalar>(
    roster: &Roster,
    params: &'a mut dyn ParamsMut<F>,
    grads: &'a dyn Params<F>,
    (ws, gs): (&mut Vec<(usize, &'a mut dyn LeafMut<F>)>, &mut Vec<Option<&'a dyn Leaf<F>>>),
) -> Result<(), Error> {
    roster.meet_mut(params, Tree::Parameters, |index, w| ws.push((index, w)))?;
    gs.resize(ws.len(), None);
    roster.meet(grads, Tree::Gradients, |index, g| gs[index] = Some(g))
}

impl<F: Scalar> Optimizer<F> for Muon<F> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        if !self.checked {
            self.check()?;
            self.checked = true;
        }
        let step = self.steps + 1;
        let learning_rate = self.rate(step)?;
        let mut ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => self.open(&*params)?,
        };
        let mut scratch = mem::take(&mut self.scratch);
        let (mut ws, mut gs) = (recycle(scratch.params), recycle(scratch.grads));

        let outcome = pair(&ledger.roster, params, grads, (&mut ws, &mut gs)).and_then(|()| {
            if self.non_finite != NonFinite::Propagate && !self.all_finite(grads) {
                return match self.non_finite {
                    NonFinite::Skip => Ok(false),
                    _ => Err(reduce::name_non_finite(grads)),
                };
            }
            if ledger.has_others() {
                let mut params = OthersMut { ledger: &ledger, params: &mut ws };
                self.adamw.step(&mut params, &Others { ledger: &ledger, grads: &gs })?;
            }
            let [of_m, of_g] = self.mixture(step);
            let averaging = [self.momentum, 1.0 - self.momentum, of_m, of_g];
            let step = Step { learning_rate, decay: self.decay.fraction(learning_rate), averaging };
            for (index, w) in &mut ws {
                if let (Some(m), Some(g)) = (&mut ledger.momenta[*index], gs[*index])
                    && let Some(m) = m.as_slice_mut()
                {
                    self.update(&step, &mut **w, g, m, &mut scratch.workspace);
                }
            }
            Ok(true)
        });
        scratch.params = recycle(ws);
        scratch.grads = recycle(gs);
        self.scratch = scratch;
        if self.steps > 0 || matches!(outcome, Ok(true)) {
            self.ledger = Some(ledger);
        }

        let taken = outcome?;
        if taken {
            self.steps = step;
        } else {
            self.skipped += 1;
        }
        Ok(StepInfo { step: self.steps, learning_rate, skipped: !taken, grad_norm: None })
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.adamw.validate()?;
        self.rate(self.steps + 1).map(|_| ())
    }

    /// The learning rate of the matrices.
    fn learning_rate(&self) -> f64 {
        self.schedule.at(self.steps + 1)
    }

    /// Replaces the learning rate of the matrices; that of the other leaves is
    /// [`set_adamw_learning_rate`](Muon::set_adamw_learning_rate)'s.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let previous = mem::replace(&mut self.schedule, learning_rate.into());
        self.rate(self.steps + 1).map(|_| ()).inspect_err(|_| self.schedule = previous)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn reset(&mut self) {
        self.ledger = None;
        self.adamw.reset();
        self.steps = 0;
        self.skipped = 0;
    }

    fn name(&self) -> &'static str {
        "Muon"
    }
}

impl<F: Scalar> Clone for Muon<F> {
    fn clone(&self) -> Self {
        Self {
            schedule: self.schedule.clone(),
            matrices: Arc::clone(&self.matrices),
            adamw: self.adamw.clone(),
            ledger: self.ledger.clone(),
            scratch: Scratch::default(),
            ..*self
        }
    }
}

impl<F: Scalar> fmt::Debug for Muon<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Muon")
            .field("schedule", &self.schedule)
            .field("momentum", &self.momentum)
            .field("nesterov", &self.nesterov)
            .field("decay", &self.decay)
            .field("ns_steps", &self.ns_steps)
            .field("ns_coefficients", &self.ns_coefficients)
            .field("epsilon", &self.epsilon)
            .field("scale", &self.scale)
            .field("inputs_first", &self.inputs_first)
            .field("adamw", &self.adamw)
            .field("steps", &self.steps)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}
