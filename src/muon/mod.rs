//! Muon: momentum, orthogonalized.

mod groups;
mod ledger;
mod saved;
mod step;

use std::fmt;
use std::mem;
use std::sync::Arc;

use ndarray::{ArrayD, CowArray, IxDyn};

use crate::engine::NonFinite;
use crate::error::Error;
use crate::interval::Interval;
use crate::leafwise::Rates;
use crate::optimizer::{Optimizer, Wholes};
use crate::params::{Entry, Roster};
use crate::reduce::How;
use crate::regularize::Decay;
use crate::rules::adamw::Optimizer as AdamW;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Simd;
use groups::Group;
use ledger::Ledger;
use step::Scratch;

/// How far a matrix of R outputs and C inputs moves: what the learning rate is multiplied by.
///
/// ```
/// use thalweg::muon::Scale;
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

const NAME: &str = "Muon";

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
/// When to use it: the hidden layers of networks whose matrices are large; attention models reach the
/// loss of AdamW in fewer steps (Jordan et al. 2024; Liu et al. 2025). One value for each element of
/// a matrix, half of AdamW's, and more arithmetic. Typical rates are 0.02, or AdamW's with
/// [`Scale::MatchRms`]`(0.2)`.
///
#[doc = include_str!("../../docs/paths/muon.svg")]
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
///   they are.) It takes about ns_steps·(4r²c + 2r³) operations, where r ≤ c are rows and columns
///   in the better order: little beside a batch, much beside AdamW.
/// - There is no clipping: an orthogonalized step has one size whatever the gradient's.
/// - [`change_group`](crate::Optimizer::change_group) freezes matrices and gives them a factor of the
///   learning rate; what else it can change, it can for AdamW's leaves.
///
/// Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
///
/// ```
/// use ndarray::{array, Array1, Array2};
/// use thalweg::{Muon, Optimizer};
///
/// let (mut weight, mut bias) = (Array2::<f64>::eye(2), Array1::<f64>::zeros(2));
/// let (dweight, dbias) = (array![[20.0, 0.0], [0.0, -2.0]], array![1.0, -1.0]);
/// let mut muon = Muon::new(0.1);
/// muon.step(&mut (&mut weight, &mut bias), &(&dweight, &dbias))?;
/// // Both directions move about as far, however steep they are.
/// assert!((0.065..0.125).contains(&(1.0_f64 - weight[[0, 0]])));
/// assert!((0.065..0.125).contains(&(weight[[1, 1]] - 1.0)));
/// assert!((bias[0] + 3e-4).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Muon<F: Scalar> {
    /// Of the matrices; what it is multiplied by is AdamW's too.
    rates: Rates,
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
    groups: Vec<Group>,
    /// Whether a rate that is set is AdamW's too.
    has_one_rate: bool,
    /// Whether the hyperparameters were checked since they last changed.
    checked: bool,
    steps: u64,
    skipped: u64,
    ledger: Option<Ledger<F>>,
    scratch: Scratch<F>,
    /// The shapes of the leaves, where some of these are other ranks'.
    wholes: Option<Arc<Wholes>>,
}

impl<F: Scalar> Muon<F> {
    /// Muon with that learning rate α ≥ 0 of the matrices, a number or a schedule: Jordan's own
    /// convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self {
            rates: Rates::new(learning_rate.into()),
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
            adamw: AdamW::new(3e-4).beta2(0.95).epsilon(1e-10).weight_decay(0.0),
            groups: Vec::new(),
            has_one_rate: false,
            checked: false,
            steps: 0,
            skipped: 0,
            ledger: None,
            scratch: Scratch::default(),
            wholes: None,
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
    /// rank 2 alone; the others by AdamW at the same learning rate, with ε and without decay. A rate
    /// that is set is that of both.
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
            .with(|muon| muon.has_one_rate = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.checked = false;
        self
    }

    /// Sets the learning rate of the matrices: a number or a schedule.
    #[must_use]
    pub fn schedule(self, learning_rate: impl Into<Schedule>) -> Self {
        self.with(|muon| (muon.rates.schedule, muon.rates.set) = (learning_rate.into(), None))
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
    /// the others. It is asked at the first step, and of a state that is loaded.
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
    /// Its settings, such as groups and clipping, are for its own leaves. What to do about NaN is
    /// Muon's to say, for all.
    #[must_use]
    pub fn with_adamw(self, adamw: AdamW<F>) -> Self {
        self.with(|muon| {
            muon.adamw = adamw.non_finite(muon.non_finite);
            muon.adamw.reset();
            muon.groups.iter_mut().for_each(|group| group.is_handed_on = false);
            muon.has_one_rate = false;
        })
    }

    /// The optimizer of the other leaves.
    pub fn adamw(&self) -> &AdamW<F> {
        &self.adamw
    }

    /// Replaces the learning rate of the other leaves by a constant.
    ///
    /// # Errors
    /// [`ErrorKind::LearningRate`](crate::ErrorKind::LearningRate) unless it is finite and ≥ 0.
    pub fn set_adamw_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.adamw.set_learning_rate(learning_rate)
    }

    /// Sets what to do about a gradient that is NaN or infinite, in any leaf.
    #[must_use]
    pub fn non_finite(self, policy: NonFinite) -> Self {
        self.with(|muon| {
            muon.non_finite = policy;
            muon.adamw = mem::take(&mut muon.adamw).non_finite(policy);
        })
    }

    /// Sets the instruction set of the matrices; the results do not depend on it.
    #[must_use]
    pub fn simd(self, simd: Simd) -> Self {
        self.with(|muon| muon.how.simd = simd)
    }

    /// A slot of the state of a leaf, in the leaf's shape: `"m"` of a matrix, AdamW's of the others.
    ///
    /// `None` before the first step, and for names that do not exist.
    pub fn slot(&self, leaf: &str, slot: &str) -> Option<CowArray<'_, F, IxDyn>> {
        let ledger = self.ledger.as_ref()?;
        match &ledger.momenta[ledger.roster.index_of(leaf)?] {
            Some(m) => (slot == "m").then(|| m.view().into()),
            None => self.adamw.slot(leaf, slot),
        }
    }

    fn check(&self) -> Result<(), Error> {
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

    fn is_matrix(&self, entry: &Entry) -> bool {
        let shape = self.shape_of(entry);
        shape.len() >= 2 && (self.matrices)(&entry.name, shape)
    }

    /// The shape of a leaf, which may be another rank's.
    fn shape_of<'e>(&'e self, entry: &'e Entry) -> &'e [usize] {
        let whole = self.wholes.as_ref().and_then(|wholes| wholes.get(&entry.name));
        whole.unwrap_or(&entry.shape)
    }

    /// The state of a model that has taken no step.
    fn open(&self, roster: Roster) -> Ledger<F> {
        let zeros =
            |entry: &Entry| self.is_matrix(entry).then(|| ArrayD::zeros(entry.shape.as_slice()));
        let momenta = roster.entries().iter().map(zeros).collect();
        self.ledger_of(roster, momenta)
    }
}

impl<F: Scalar> Clone for Muon<F> {
    fn clone(&self) -> Self {
        Self {
            rates: self.rates.clone(),
            matrices: Arc::clone(&self.matrices),
            adamw: self.adamw.clone(),
            groups: self.groups.clone(),
            ledger: self.ledger.clone(),
            scratch: Scratch::default(),
            wholes: self.wholes.clone(),
            ..*self
        }
    }
}

impl<F: Scalar> fmt::Debug for Muon<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(NAME)
            .field("schedule", &self.rates.schedule)
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
