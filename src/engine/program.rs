//! A rule as an object: what the engine, which is compiled once, knows of it.

use std::any::Any;
use std::fmt::Debug;

use super::codes::{Codes, split_at};
use crate::error::Error;
use crate::rule::{Clock, MOST, SUMS, Slices, SlotKind, Totals};
use crate::scalar::Scalar;
use crate::simd::Simd;

/// A rule with its hyperparameters.
pub(crate) trait Program<F: Scalar>: Debug + Send + Sync {
    fn about(&self) -> About;

    fn boxed(&self) -> Box<dyn Program<F>>;

    /// The rule itself, for its own builder methods.
    fn rule(&self) -> &dyn Any;
    fn rule_mut(&mut self) -> &mut dyn Any;

    fn validate(&self) -> Result<(), Error>;

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64));

    /// The state of an element before its first step.
    fn initial(&self) -> [F; MOST];

    /// The largest |g| that the state can keep.
    fn largest_gradient(&self) -> f64;

    /// Takes the sums of a step into what is carried.
    fn total(&self, totals: &mut Totals);

    /// Whether an element whose gradient is 0 stays as it is, and its state too.
    fn rests(&self) -> bool;

    /// The loops of the rule, with room for the constants of steps.
    fn kernel(&self) -> Box<dyn Kernel<F>>;
}

/// What is the same for all optimizers of a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) slots: &'static [&'static str],
    pub(crate) kinds: &'static [SlotKind],
    pub(crate) count: usize,
    /// Whether the rule wants norms of each leaf.
    pub(crate) norms: bool,
    /// Whether each leaf has a clock of its own.
    pub(crate) leaf_clocks: bool,
    /// The sums over the tree that the rule wants.
    pub(crate) sums: &'static [&'static str],
    /// Whether it wants the loss.
    pub(crate) loss: bool,
}

impl About {
    /// Whether the constants of a step are completed by what is true of the whole tree.
    pub(crate) fn has_totals(&self) -> bool {
        self.loss || !self.sums.is_empty()
    }

    /// What the array of a slot is called.
    pub(crate) fn slot_name(&self, index: usize) -> String {
        // A rule that names fewer slots than it has loses none.
        let name = self.slots.get(index).copied();
        name.map_or_else(|| format!("slot.{index}"), |name| format!("slot.{name}"))
    }
}

/// The loops of a rule, by the place of their constants in a list.
pub(crate) trait Kernel<F: Scalar>: Send + Sync {
    /// Empties the list.
    fn clear(&mut self);

    /// Adds the constants of a step, for a rule with these hyperparameters.
    fn begin(&mut self, program: &dyn Program<F>, clock: &mut Clock, learning_rate: f64);

    /// Adds a copy of constants, completed for a leaf.
    fn repeat(&mut self, place: usize) -> usize;

    /// Completes the constants at a place for a leaf of these norms.
    fn of_leaf(
        &mut self,
        place: usize,
        program: &dyn Program<F>,
        norms: [f64; 2],
        clock: &mut Clock,
    );

    /// Completes the constants at a place by what is true of the whole tree.
    fn of_tree(&mut self, place: usize, program: &dyn Program<F>, totals: &Totals);

    /// The fraction of the parameter that the update takes off beside its direction.
    fn decay(&self, place: usize) -> F;

    /// Updates a stretch of elements; the slices have one length.
    fn update(&self, place: usize, before: Before<F>, simd: Simd, stretch: &mut Stretch<'_, F>);

    /// As [`update`](Self::update), where all slots are kept in 16 bits and there is a loop for that: how many
    /// elements from the first on it has updated.
    fn update_codes(
        &self,
        place: usize,
        factor: F,
        key: u32,
        simd: Simd,
        stretch: &mut Stretch<'_, F>,
    ) -> usize;

    /// As [`update`](Self::update), on a wide instruction set, of rows of whole vectors: those of a table, of
    /// which the stretch has everything but the gradients, which are of the rows.
    fn update_rows(
        &self,
        place: usize,
        factor: F,
        simd: Simd,
        rows: RowsOf<'_>,
        stretch: &mut Stretch<'_, F>,
    );

    /// The squares of the two quantities whose norms the rule wants, each times `power` before, of no more
    /// elements than there is room for; how many sums there are.
    fn squares(
        &self,
        place: usize,
        power: F,
        simd: Simd,
        stretch: &Stretch<'_, F>,
        terms: &mut Terms,
    ) -> usize;

    /// The terms that the rule wants summed over the tree, of no more elements than there is room for.
    fn terms(&self, place: usize, simd: Simd, stretch: &Stretch<'_, F>, terms: &mut Terms)
    -> usize;
}

/// Elements of the widest vector: fewer are updated sooner by the baseline.
pub(crate) const WIDEST: usize = 16;

/// Elements in whole vectors, where there is one.
///
/// A loop that begins behind this test cannot be too short for vectors, so that no second one, of single elements,
/// is compiled beside it.
#[inline(always)]
pub(crate) fn in_vectors(n: usize) -> Option<usize> {
    (n >= WIDEST).then_some(n & !(WIDEST - 1))
}

/// Terms of some elements, for each sum.
pub(crate) type Terms = [[f64; TERMS]; SUMS];

/// Elements whose terms are made at a time: a whole number of the running sums.
pub(crate) const TERMS: usize = 128;

/// Rows of a table.
#[derive(Clone, Copy)]
pub(crate) struct RowsOf<'r> {
    pub(crate) rows: &'r [usize],
    /// The row that the table begins with.
    pub(crate) first: usize,
    pub(crate) width: usize,
}

/// What happens to a gradient before the rule sees it, in the loop of the rule.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Before<F> {
    Nothing,
    /// It is multiplied.
    Scaled(F),
    /// It gets the gradient of a penalty.
    Penalized(Penalized<F>),
}

/// The penalty ½l₂w² + l₁|w| of an element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Penalized<F> {
    pub(crate) l1: F,
    pub(crate) l2: F,
}

impl<F: Scalar> Penalized<F> {
    /// Its derivative.
    #[inline(always)]
    pub(crate) fn pull(&self, w: F) -> F {
        let sign = if w == F::zero() { F::zero() } else { self.l1.copysign(w) };
        self.l2 * w.flushed() + sign
    }
}

/// A stretch of elements in one order: parameter, gradient, slots, and average where it is kept.
pub(crate) struct Stretch<'a, F> {
    pub(crate) w: &'a mut [F],
    pub(crate) g: &'a [F],
    /// Empty from the first on that the rule does not have.
    pub(crate) slots: Slices<'a, F>,
    /// Of the slots that are kept in fewer bits, which are empty there.
    pub(crate) codes: Codes<'a>,
    /// Empty where no average is kept.
    pub(crate) average: &'a mut [F],
}

impl<F> Stretch<'_, F> {
    #[inline]
    pub(crate) fn reborrow(&mut self) -> Stretch<'_, F> {
        let [a, b, c, d] = &mut self.slots;
        let (slots, codes) = ([&mut **a, b, c, d], self.codes.reborrow());
        Stretch { w: self.w, g: self.g, slots, codes, average: self.average }
    }

    #[inline]
    pub(crate) fn split_at(self, at: usize) -> (Self, Self) {
        let (w0, w1) = self.w.split_at_mut(at);
        let (g0, g1) = self.g.split_at(at);
        let (s0, s1) = split_slots(self.slots, at);
        let (c0, c1) = self.codes.split_at(at);
        let (a0, a1) = self.average.split_at_mut(at.min(self.average.len()));
        (
            Self { w: w0, g: g0, slots: s0, codes: c0, average: a0 },
            Self { w: w1, g: g1, slots: s1, codes: c1, average: a1 },
        )
    }
}

/// The slots before and after an element.
#[inline]
pub(crate) fn split_slots<F>(slots: Slices<'_, F>, at: usize) -> (Slices<'_, F>, Slices<'_, F>) {
    let [a, b, c, d] = slots;
    let (a, b, c, d) = (split_at(a, at), split_at(b, at), split_at(c, at), split_at(d, at));
    ([a.0, b.0, c.0, d.0], [a.1, b.1, c.1, d.1])
}
