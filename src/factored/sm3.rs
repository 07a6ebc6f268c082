//! SM3.

use crate::error::Error;
use crate::leafwise::{LeafRule, LeafStep, Leafwise, Slot, Step, compiled, descend, room};
use crate::rules::hyperparameters;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Work;
use crate::vector::combine;

/// **SM3**: AdaGrad whose sums of squares are covered by one number for each index of each axis.
///
/// For an element, whose indices have the numbers μᵢ
///
/// ```text
/// ν = minᵢ μᵢ + g²;  u = g/√(ν + ε);  m = βm + (1-β)u;  w -= αm
/// ```
///
/// and then the μᵢ of an index is the largest ν of all elements that have it (the paper's SM3-II).
///
/// When to use it: sparse features and embeddings where memory is short: the sum of a row that is rarely
/// met stays small. An n×m matrix has n + m numbers beside the momentum's n·m; without momentum nothing of
/// its size. As AdaGrad's, its steps shrink for good; a warm-up helps. Typical rates are 0.01 to 1.
///
#[doc = include_str!("../../docs/paths/sm3.svg")]
///
/// | hyperparameter | default | [`optax`](Self::optax) | range |
/// |---|---|---|---|
/// | `momentum` β | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 1 | 1 | (0, 1] |
/// | `epsilon` ε | 1e-30 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON_INSIDE) |
///
/// - `new` is the authors' convention. An element whose ν is 0 does not move.
/// - With β₂ < 1, ν = β₂·minᵢ μᵢ + (1-β₂)g², as RMSprop forgets.
/// - A vector has one axis: AdaGrad. m is not corrected for its start at 0.
///
/// Source: Anil, Gupta, Koren & Singer, "Memory-efficient adaptive optimization", 2019.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Sm3};
/// let mut w = array![[0.0, 0.0], [0.0, 0.0]];
/// let mut sm3 = Sm3::new(1.0).momentum(0.0);
/// sm3.step(&mut w, &array![[3.0, 0.0], [0.0, 4.0]])?;
/// assert_eq!(w, array![[-1.0, 0.0], [0.0, -1.0]]);
/// assert_eq!(sm3.slot("", "axis0").unwrap().values, [9.0, 16.0]);
/// assert_eq!(sm3.state_len(), 2 + 2);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Leafwise<F, Sm3>;

hyperparameters! {
    /// The rule of [`Sm3`](crate::Sm3).
    Sm3 of Leafwise {
        /// β, the share of the average of updates that is kept; 0 keeps none.
        momentum = 0.9 in FRACTION;
        /// β₂, the share of the sums of squares that is kept; 1 adds them up.
        beta2 = 1.0 in UP_TO_ONE;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-30 in EPSILON_INSIDE;
    }
}

impl<F: Scalar> Leafwise<F, Sm3> {
    /// SM3 with that learning rate α ≥ 0, a number or a schedule: the authors' convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Sm3::default(), learning_rate)
    }

    /// Optax's convention: ε = 1e-8.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Sm3 { epsilon: 1e-8, ..Sm3::default() }, learning_rate)
    }
}

compiled!(Sm3);

/// The shape by whose axes a leaf has numbers.
fn axes_of(shape: &[usize]) -> &[usize] {
    if shape.is_empty() { &[1] } else { shape }
}

/// The elements of one index of all axes but the last.
struct Row<'a, F> {
    g: &'a [F],
    /// The least number of the other axes.
    least: F,
    /// The numbers of the last axis, and those to come.
    last: &'a [F],
    next: &'a mut [F],
    u: &'a mut [F],
    keep: F,
    take: F,
    epsilon: F,
}

impl<F: Scalar> Work for Row<'_, F> {
    /// The largest ν.
    type Output = F;

    #[inline(always)]
    fn run(self) -> F {
        let Self { g, least, last, next, u, keep, take, epsilon } = self;
        let (g, last, next) = (&g[..u.len()], &last[..u.len()], &mut next[..u.len()]);
        let larger = |a: F, b: F| if b > a { b } else { a };
        let smaller = |a: F, b: F| if b < a { b } else { a };
        let mut largest = F::zero();
        for i in 0..u.len() {
            let covered = smaller(least, last[i]);
            let sum = (keep * covered + g[i].share_of_square(take)).flushed();
            let sum = smaller(sum, F::max_value());
            let quotient = g[i] / (sum + epsilon).sqrt();
            u[i] = if sum > F::zero() { quotient } else { F::zero() };
            next[i] = larger(next[i], sum);
            largest = larger(largest, sum);
        }
        largest
    }
}

impl<F: Scalar> LeafRule<F> for Sm3 {
    const NAME: &'static str = "Sm3";
    const LEARNING_RATE: f64 = 0.1;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>> {
        let of_axis = |(axis, &len)| Slot::zeros(format!("axis{axis}"), vec![len]);
        let mut slots: Vec<_> = axes_of(shape).iter().enumerate().map(of_axis).collect();
        if self.momentum > 0.0 {
            slots.push(Slot::zeros("m", shape.to_vec()));
        }
        slots
    }

    fn update(&self, step: &Step, leaf: LeafStep<'_, F>) {
        let LeafStep { shape, w, g, slots, workspace, how } = leaf;
        let shape = axes_of(shape);
        let (axes, rest) = slots.split_at_mut(shape.len());
        let [u, next, ..] = &mut workspace.of_leaf;
        let u = room(u, w.len());
        let next = room(next, shape.iter().sum());
        next.fill(F::zero());
        let take = if self.beta2 < 1.0 { 1.0 - self.beta2 } else { 1.0 };
        let [keep, take, epsilon] = [self.beta2, take, self.epsilon].map(F::from_f64);

        let (last, outer) = (shape[shape.len() - 1], &shape[..shape.len() - 1]);
        let (next_outer, next_last) = next.split_at_mut(outer.iter().sum());
        for (row, (g, u)) in g.chunks_exact(last).zip(u.chunks_exact_mut(last)).enumerate() {
            // The index of each axis, the last of them first.
            let indices = |visit: &mut dyn FnMut(usize, usize)| {
                let mut rest = row;
                for (axis, &len) in outer.iter().enumerate().rev() {
                    visit(axis, rest % len);
                    rest /= len;
                }
            };
            let mut least = F::max_value();
            indices(&mut |axis, i| least = least.min(axes[axis].values[i]));
            let last = &axes[outer.len()].values;
            let of_row = Row { g, least, last, next: next_last, u, keep, take, epsilon };
            let largest = how.simd.run(of_row);
            let mut end = next_outer.len();
            indices(&mut |axis, i| {
                let next = &mut next_outer[end - outer[axis] + i];
                *next = next.max(largest);
                end -= outer[axis];
            });
        }
        let mut next = &next[..];
        for axis in axes {
            let (own, after) = next.split_at(axis.values.len());
            axis.values.copy_from_slice(own);
            next = after;
        }
        match rest.first_mut() {
            Some(m) => {
                combine(1.0 - self.momentum, u, self.momentum, &mut m.values);
                descend(w, step, step.learning_rate, &m.values, how);
            }
            None => descend(w, step, step.learning_rate, u, how),
        }
    }
}
