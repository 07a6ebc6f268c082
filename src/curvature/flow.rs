//! How gradients fare on their way through the layers.

use std::fmt;

use ndarray::{ArrayD, Zip};

use crate::error::{Error, Tree};
use crate::interval::Interval;
use crate::params::{Leaf, Params, Roster, copy_of};
use crate::reduce::BLOCK;
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// What [`GradientFlow`] makes of a leaf's gradient, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// Neither of the others.
    #[default]
    Healthy,
    /// Its root mean square is less than the vanishing ratio times that of the last layer.
    Vanishing,
    /// Its root mean square is more than the exploding ratio times that of the last layer, or it is
    /// not finite.
    Exploding,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Vanishing => "vanishing",
            Self::Exploding => "exploding",
        })
    }
}

/// A leaf as [`GradientFlow`] saw it last.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct LeafFlow {
    /// The leaf's name.
    pub name: String,
    /// ‖g‖₂
    pub gradient_norm: f64,
    /// ‖w‖₂
    pub weight_norm: f64,
    /// ‖w - w₋‖₂ / ‖w₋‖₂, where w₋ was observed the time before; `None` the first time.
    ///
    /// About 1e-3 a step is usual; 1e-5 is slow, 1e-1 is wild.
    pub update_ratio: Option<f64>,
    /// The part of the entries with |g| at or below the dead limit.
    pub dead: f64,
    /// The part of the entries with |g| above the exploding limit, or NaN.
    pub exploding: f64,
    /// The verdict by depth.
    pub flow: Flow,
    len: usize,
    is_weight: bool,
}

impl LeafFlow {
    /// ‖g‖₂ / √n, the root mean square of the entries; 0 for a leaf without any.
    pub fn root_mean_square(&self) -> f64 {
        if self.len == 0 { 0.0 } else { self.gradient_norm / (self.len as f64).sqrt() }
    }
}

/// Watches gradients leaf by leaf: their norms, dead and exploding entries, how far a step moves
/// the weights, and whether they vanish or explode with depth.
///
/// Call [`observe`](Self::observe) after each step, or after each hundredth. It passes over
/// gradients and parameters once, and allocates nothing after the first time. The order of depth is
/// that of the leaves, the first layer first; of leaves with two axes or more, if there are such,
/// the last with a gradient is what the others are held against.
///
/// | setting | default | |
/// |---|---|---|
/// | [`vanishing_ratio`](Self::vanishing_ratio) | 1e-3 | of the last layer's root mean square |
/// | [`exploding_ratio`](Self::exploding_ratio) | 1e3 | of the last layer's root mean square |
/// | [`dead_limit`](Self::dead_limit) | 0 | an entry is dead with \|g\| at or below it |
/// | [`exploding_limit`](Self::exploding_limit) | 1e3 | an entry explodes with \|g\| above it |
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::curvature::{Flow, GradientFlow};
///
/// let weights = (Array2::<f64>::ones((2, 2)), Array2::<f64>::ones((2, 2)));
/// let gradients = (array![[1e-9, 0.0], [0.0, 0.0]], Array2::<f64>::ones((2, 2)));
/// let mut watch = GradientFlow::new();
/// let leaves = watch.observe(&weights, &gradients)?;
/// assert_eq!((leaves[0].flow, leaves[0].dead), (Flow::Vanishing, 0.75));
/// assert_eq!((leaves[1].flow, leaves[1].gradient_norm), (Flow::Healthy, 2.0));
/// assert_eq!(watch.flow(), Flow::Vanishing);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
/// networks", 2010.
#[derive(Debug, Clone)]
pub struct GradientFlow<F> {
    vanishing_ratio: f64,
    exploding_ratio: f64,
    dead_limit: f64,
    exploding_limit: f64,
    seen: Option<Seen<F>>,
}

#[derive(Debug, Clone)]
struct Seen<F> {
    roster: Roster,
    leaves: Vec<LeafFlow>,
    weights: Vec<ArrayD<F>>,
}

impl<F: Scalar> Default for GradientFlow<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> GradientFlow<F> {
    /// A watch with its defaults.
    pub fn new() -> Self {
        Self {
            vanishing_ratio: 1e-3,
            exploding_ratio: 1e3,
            dead_limit: 0.0,
            exploding_limit: 1e3,
            seen: None,
        }
    }

    /// Sets the part of the last layer's root mean square below which a gradient vanishes; in
    /// [0, ∞).
    #[must_use]
    pub fn vanishing_ratio(mut self, ratio: f64) -> Self {
        self.vanishing_ratio = ratio;
        self
    }

    /// Sets the multiple of the last layer's root mean square above which a gradient explodes; in
    /// (0, ∞).
    #[must_use]
    pub fn exploding_ratio(mut self, ratio: f64) -> Self {
        self.exploding_ratio = ratio;
        self
    }

    /// Sets |g| up to which an entry is dead; in [0, ∞).
    #[must_use]
    pub fn dead_limit(mut self, limit: f64) -> Self {
        self.dead_limit = limit;
        self
    }

    /// Sets |g| above which an entry explodes; in (0, ∞).
    #[must_use]
    pub fn exploding_limit(mut self, limit: f64) -> Self {
        self.exploding_limit = limit;
        self
    }

    /// Looks at the parameters and gradients of a step, and returns what is known of each leaf.
    ///
    /// # Errors
    /// Settings out of their ranges; trees without leaves, with two of one name, or with other
    /// leaves than the first time. What was known then stays. Gradients that are not finite are no
    /// error: they explode.
    pub fn observe(
        &mut self,
        params: &dyn Params<F>,
        grads: &dyn Params<F>,
    ) -> Result<&[LeafFlow], Error> {
        let owner = "GradientFlow";
        Interval::NON_NEGATIVE.check::<F>(owner, "vanishing_ratio", self.vanishing_ratio)?;
        Interval::POSITIVE.check::<F>(owner, "exploding_ratio", self.exploding_ratio)?;
        Interval::NON_NEGATIVE.check::<F>(owner, "dead_limit", self.dead_limit)?;
        Interval::POSITIVE.check::<F>(owner, "exploding_limit", self.exploding_limit)?;
        let first = self.seen.is_none();
        let mut seen = match self.seen.take() {
            Some(seen) => seen,
            None => Seen::of(params)?,
        };
        let checked = seen
            .roster
            .meet(params, Tree::Parameters, |_, _| {})
            .and_then(|()| seen.roster.meet(grads, Tree::Gradients, |_, _| {}));
        if let Err(error) = checked {
            if !first {
                self.seen = Some(seen);
            }
            return Err(error);
        }

        let Seen { roster, leaves, weights } = &mut seen;
        let limits = [self.dead_limit, self.exploding_limit].map(F::from_f64);
        roster.meet(grads, Tree::Gradients, |index, leaf| {
            let (norm, [dead, exploding]) = gradient(leaf, limits);
            let known = &mut leaves[index];
            let part = |count: u64| if count == 0 { 0.0 } else { count as f64 / known.len as f64 };
            (known.dead, known.exploding) = (part(dead), part(exploding));
            known.gradient_norm = norm;
        })?;
        roster.meet(params, Tree::Parameters, |index, leaf| {
            let (norm, moved) = weight(leaf, &mut weights[index]);
            let known = &mut leaves[index];
            let before = std::mem::replace(&mut known.weight_norm, norm);
            known.update_ratio = match first {
                true => None,
                false => Some(if moved == 0.0 { 0.0 } else { moved / before }),
            };
        })?;
        self.judge(leaves);
        Ok(&self.seen.insert(seen).leaves)
    }

    /// The worst verdict of all leaves at the last observation.
    pub fn flow(&self) -> Flow {
        let has = |flow| self.leaves().iter().any(|leaf| leaf.flow == flow);
        if has(Flow::Exploding) {
            Flow::Exploding
        } else if has(Flow::Vanishing) {
            Flow::Vanishing
        } else {
            Flow::Healthy
        }
    }

    /// What is known of each leaf since the last observation; none before the first.
    pub fn leaves(&self) -> &[LeafFlow] {
        self.seen.as_ref().map_or(&[], |seen| &seen.leaves)
    }

    fn judge(&self, leaves: &mut [LeafFlow]) {
        let weights = leaves.iter().any(|leaf| leaf.is_weight);
        let counts = |leaf: &LeafFlow| (!weights || leaf.is_weight) && leaf.len > 0;
        let sound = |leaf: &&LeafFlow| {
            counts(leaf) && leaf.gradient_norm > 0.0 && leaf.gradient_norm.is_finite()
        };
        let last = leaves.iter().rfind(sound).map(LeafFlow::root_mean_square);
        for leaf in leaves {
            let size = leaf.root_mean_square();
            leaf.flow = match last {
                _ if !size.is_finite() => Flow::Exploding,
                Some(last) if counts(leaf) && size < self.vanishing_ratio * last => Flow::Vanishing,
                Some(last) if counts(leaf) && size > self.exploding_ratio * last => Flow::Exploding,
                _ => Flow::Healthy,
            };
        }
    }
}

impl<F: Scalar> Seen<F> {
    fn of(params: &dyn Params<F>) -> Result<Self, Error> {
        let (roster, weights) = Roster::of_each(params, copy_of)?;
        let leaf = |entry: &crate::params::Entry| LeafFlow {
            name: entry.name.clone(),
            len: entry.shape.iter().product(),
            is_weight: entry.shape.len() >= 2,
            ..LeafFlow::default()
        };
        let leaves = roster.entries().iter().map(leaf).collect();
        Ok(Self { roster, leaves, weights })
    }
}

/// Sums of squares, and how many entries are dead and exploding.
struct Glance<'a, F>(&'a [F], [F; 2]);

impl<F: Scalar> Work for Glance<'_, F> {
    type Output = (f64, [u64; 2]);

    #[inline(always)]
    fn run(self) -> (f64, [u64; 2]) {
        const LANES: usize = 16;
        let Self(g, [dead_limit, exploding_limit]) = self;
        // Counts are of the elements' own type, so that all lanes are alike; a block's are exact.
        let (mut dead, mut fine) = ([F::zero(); LANES], [F::zero(); LANES]);
        let mut squares = [0.0; LANES];
        let one_if = |holds: bool| if holds { F::one() } else { F::zero() };
        let (chunks, rest) = g.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                squares[i] += chunk[i].into_f64() * chunk[i].into_f64();
            }
            for i in 0..LANES {
                dead[i] = dead[i] + one_if(chunk[i].abs() <= dead_limit);
            }
            for i in 0..LANES {
                fine[i] = fine[i] + one_if(chunk[i].abs() <= exploding_limit);
            }
        }
        for i in 0..rest.len() {
            squares[i] += rest[i].into_f64() * rest[i].into_f64();
            dead[i] = dead[i] + one_if(rest[i].abs() <= dead_limit);
            fine[i] = fine[i] + one_if(rest[i].abs() <= exploding_limit);
        }
        let count = |lanes: [F; LANES]| lanes.iter().map(|n| n.into_f64()).sum::<f64>() as u64;
        (squares.iter().sum(), [count(dead), g.len() as u64 - count(fine)])
    }
}

fn gradient<F: Scalar>(leaf: &dyn Leaf<F>, limits: [F; 2]) -> (f64, [u64; 2]) {
    let simd = Simd::default();
    let mut square = 0.0;
    let mut counts = [0; 2];
    let mut add = |block: &[F]| {
        let (more, [dead, exploding]) = simd.run(Glance(block, limits));
        square += more;
        counts = [counts[0] + dead, counts[1] + exploding];
    };
    match leaf.as_slice() {
        Some(slice) => slice.chunks(8 * BLOCK).for_each(&mut add),
        None => leaf.view().iter().for_each(|&g| add(&[g])),
    }
    (square.sqrt(), counts)
}

/// Squares of the entries and of what they moved by; the old entries become the new.
struct Moved<'a, F>(&'a [F], &'a mut [F]);

impl<F: Scalar> Work for Moved<'_, F> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self) -> (f64, f64) {
        const LANES: usize = 16;
        let Self(new, old) = self;
        let (mut squares, mut moved) = ([0.0; LANES], [0.0; LANES]);
        let (news, new_rest) = new.as_chunks::<LANES>();
        let (olds, old_rest) = old.as_chunks_mut::<LANES>();
        for (new, old) in news.iter().zip(olds) {
            for i in 0..LANES {
                let (w, d) = (new[i].into_f64(), new[i].into_f64() - old[i].into_f64());
                squares[i] += w * w;
                moved[i] += d * d;
            }
            *old = *new;
        }
        for i in 0..new_rest.len() {
            let (w, d) = (new_rest[i].into_f64(), new_rest[i].into_f64() - old_rest[i].into_f64());
            squares[i] += w * w;
            moved[i] += d * d;
        }
        old_rest.copy_from_slice(new_rest);
        (squares.iter().sum(), moved.iter().sum())
    }
}

fn weight<F: Scalar>(leaf: &dyn Leaf<F>, old: &mut ArrayD<F>) -> (f64, f64) {
    let simd = Simd::default();
    let (mut square, mut moved) = (0.0, 0.0);
    let mut add = |new: &[F], old: &mut [F]| {
        let (more, further) = simd.run(Moved(new, old));
        square += more;
        moved += further;
    };
    let same_order = leaf.strides() == old.strides();
    match (leaf.as_slice(), old.as_slice_memory_order_mut()) {
        (Some(new), Some(old)) if same_order => {
            let blocks = new.chunks(8 * BLOCK).zip(old.chunks_mut(8 * BLOCK));
            blocks.for_each(|(new, old)| add(new, old));
        }
        _ => Zip::from(leaf.view()).and(old).for_each(|&new, old| {
            add(&[new], std::slice::from_mut(old));
        }),
    }
    (square.sqrt(), moved.sqrt())
}
