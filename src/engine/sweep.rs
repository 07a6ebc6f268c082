//! The one loop: a rule over leaves whose elements lie in one order without gaps.

use super::around::{Around, Cautious, Constants, Mode, Plain};
use super::inspect::Scale;
use crate::reduce::{self, BLOCK, How, Sum, Term};
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};
use crate::threads::join;

/// Elements of the widest vector: fewer are updated sooner by the baseline.
const WIDEST: usize = 16;

/// A stretch of elements in one order: parameter, gradient, slots, and average where it is kept.
pub(super) struct Stretch<'a, F: Scalar, S: Slots<F>> {
    pub(super) w: &'a mut [F],
    pub(super) g: &'a [F],
    pub(super) slots: S::Slices<'a>,
    /// Empty where no average is kept.
    pub(super) average: &'a mut [F],
}

impl<'a, F: Scalar, S: Slots<F>> Stretch<'a, F, S> {
    #[inline]
    pub(super) fn reborrow(&mut self) -> Stretch<'_, F, S> {
        Stretch { w: self.w, g: self.g, slots: S::reborrow(&mut self.slots), average: self.average }
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let (w0, w1) = self.w.split_at_mut(at);
        let (g0, g1) = self.g.split_at(at);
        let (s0, s1) = S::split_at(self.slots, at);
        let (a0, a1) = self.average.split_at_mut(at.min(self.average.len()));
        (
            Self { w: w0, g: g0, slots: s0, average: a0 },
            Self { w: w1, g: g1, slots: s1, average: a1 },
        )
    }
}

impl<F: Scalar, R: Rule<F>> Constants<F, R> {
    /// What happens to gradient and parameter, the nothing included.
    fn around_or_nothing(&self) -> Around<F> {
        self.around.unwrap_or_else(|| Around::new(&super::Settings::default(), 0.0, Scale::one()))
    }

    /// Updates a stretch of elements; the slices have one length.
    ///
    /// It is called where it stands: inlined, each caller would have all loops of its own.
    #[inline(never)]
    pub(super) fn update(&self, how: How, stretch: Stretch<'_, F, R::State>) {
        match (self.around, self.caution, self.average) {
            (None, None, None) => self.run(how, Plain, stretch),
            (Some(around), None, None) => self.run(how, around, stretch),
            _ => self.update_rarer(how, stretch),
        }
    }

    fn update_rarer(&self, how: How, stretch: Stretch<'_, F, R::State>) {
        let around = self.around_or_nothing();
        let averages = self.average.filter(|_| !stretch.average.is_empty());
        match (self.caution, averages) {
            (None, None) => self.run(how, around, stretch),
            (None, Some(rates)) => self.run_averaged(how, around, rates, stretch),
            (Some(factor), None) => self.run(how, Cautious { around, factor }, stretch),
            (Some(factor), Some(rates)) => {
                self.run_averaged(how, Cautious { around, factor }, rates, stretch);
            }
        }
    }

    #[inline(always)]
    fn run<M: Mode<F, R>>(&self, how: How, mode: M, stretch: Stretch<'_, F, R::State>) {
        let simd = width(how, stretch.w.len());
        simd.run(Update::<F, R, M> { step: self.step, mode, stretch });
    }

    #[inline(never)]
    fn run_averaged<M: Mode<F, R>>(
        &self,
        how: How,
        mode: M,
        rates: [F; 2],
        stretch: Stretch<'_, F, R::State>,
    ) {
        let simd = width(how, stretch.w.len());
        simd.run(UpdateAveraged::<F, R, M> { step: self.step, mode, rates, stretch });
    }

    /// How many elements would agree with their gradient, as a sum.
    pub(super) fn agreeing(&self, how: How, stretch: Stretch<'_, F, R::State>) -> [Sum; 2] {
        let cautious = Cautious { around: self.around_or_nothing(), factor: F::one() };
        self.measure(how, Agreeing(cautious), stretch)
    }

    /// The squares of `power` times the norms that the rule wants.
    pub(super) fn norms(&self, how: How, power: F, stretch: Stretch<'_, F, R::State>) -> [Sum; 2] {
        self.measure(how, Norms { around: self.around_or_nothing(), power }, stretch)
    }

    fn measure<M: Measured<F, R>>(
        &self,
        how: How,
        measured: M,
        stretch: Stretch<'_, F, R::State>,
    ) -> [Sum; 2] {
        let len = stretch.w.len();
        if len <= BLOCK {
            let work = Measure::<F, R, M> { step: self.step, measured, stretch };
            return width(how, len).run(work).map(Sum::of);
        }
        let (left, right) = stretch.split_at(len.div_ceil(BLOCK) / 2 * BLOCK);
        let ([a, b], [c, d]) = join(
            len > how.parallel_above,
            || self.measure(how, measured, left),
            || self.measure(how, measured, right),
        );
        [a.add(c), b.add(d)]
    }
}

fn width(how: How, len: usize) -> Simd {
    if len < WIDEST { Simd::BASELINE } else { how.simd }
}

struct Update<'a, F: Scalar, R: Rule<F>, M> {
    step: R::Step,
    mode: M,
    stretch: Stretch<'a, F, R::State>,
}

impl<F: Scalar, R: Rule<F>, M: Mode<F, R>> Work for Update<'_, F, R, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (step, mode, Stretch { w, g, slots, .. }) = (self.step, self.mode, self.stretch);
        R::State::sweep(
            w,
            g,
            slots,
            #[inline(always)]
            |w, g, state| mode.update(&step, w, g, state),
        );
    }
}

struct UpdateAveraged<'a, F: Scalar, R: Rule<F>, M> {
    step: R::Step,
    mode: M,
    rates: [F; 2],
    stretch: Stretch<'a, F, R::State>,
}

impl<F: Scalar, R: Rule<F>, M: Mode<F, R>> Work for UpdateAveraged<'_, F, R, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (step, mode, [rate, rest]) = (self.step, self.mode, self.rates);
        let Stretch { w, g, slots, average } = self.stretch;
        R::State::sweep_averaged(
            w,
            g,
            average,
            slots,
            #[inline(always)]
            |w, g, average, state| {
                let (w, state) = mode.update(&step, w, g, state);
                (w, averaged(average, w, rate, rest), state)
            },
        );
    }
}

/// The average that has taken another term; exactly that term where it keeps nothing of itself.
#[inline(always)]
pub(super) fn averaged<F: Scalar>(average: F, term: F, rate: F, rest: F) -> F {
    let moved = average + rate * (term - average);
    if rest == F::zero() { term } else { moved }
}

/// Two quantities of an element whose squares are summed over a leaf.
trait Measured<F: Scalar, R: Rule<F>>: Copy + Send + Sync {
    fn measure(&self, step: &R::Step, w: F, g: F, state: R::State) -> [F; 2];
}

#[derive(Clone, Copy)]
struct Agreeing<F>(Cautious<F>);

impl<F: Scalar, R: Rule<F>> Measured<F, R> for Agreeing<F> {
    #[inline(always)]
    fn measure(&self, step: &R::Step, w: F, g: F, state: R::State) -> [F; 2] {
        [self.0.agrees::<R>(step, w, g, state), F::zero()]
    }
}

#[derive(Clone, Copy)]
struct Norms<F> {
    around: Around<F>,
    power: F,
}

impl<F: Scalar, R: Rule<F>> Measured<F, R> for Norms<F> {
    #[inline(always)]
    fn measure(&self, step: &R::Step, w: F, g: F, state: R::State) -> [F; 2] {
        let [x, y] = self.around.norms::<R>(step, w, g, state);
        [self.power * x, self.power * y]
    }
}

struct Measure<'a, F: Scalar, R: Rule<F>, M> {
    step: R::Step,
    measured: M,
    stretch: Stretch<'a, F, R::State>,
}

impl<F: Scalar, R: Rule<F>, M: Measured<F, R>> Work for Measure<'_, F, R, M> {
    type Output = [f64; 2];

    #[inline(always)]
    fn run(self) -> [f64; 2] {
        let (step, measured, Stretch { w, g, slots, .. }) =
            (self.step, self.measured, self.stretch);
        R::State::sum_squares(
            w,
            g,
            slots,
            #[inline(always)]
            |w, g, state| measured.measure(&step, w, g, state),
        )
    }
}

/// A leaf, or a piece of one, whose parameter, gradient and slots are slices in one order.
pub(super) struct Flat<'a, F: Scalar, S: Slots<F>> {
    /// The place of its course.
    pub(super) course: usize,
    /// The place of its constants.
    pub(super) constants: usize,
    pub(super) stretch: Stretch<'a, F, S>,
}

/// Updates every leaf, halving the work between threads where there is enough.
pub(super) fn sweep<F: Scalar, R: Rule<F>>(
    constants: &[Constants<F, R>],
    how: How,
    leaves: &mut [Flat<'_, F, R::State>],
) {
    let total: usize = leaves.iter().map(|leaf| leaf.stretch.w.len()).sum();
    if total <= how.parallel_above || cfg!(not(feature = "rayon")) {
        for leaf in leaves {
            constants[leaf.constants].update(how, leaf.stretch.reborrow());
        }
        return;
    }
    if let [Flat { course, constants: own, stretch }] = leaves {
        // A multiple of every vector's width, so that only the last piece has a tail.
        let (course, own, len) = (*course, *own, stretch.w.len());
        let at = (len / 2).next_multiple_of(64).min(len);
        let (left, right) = stretch.reborrow().split_at(at);
        let half = |stretch| Flat { course, constants: own, stretch };
        let (mut left, mut right) = (half(left), half(right));
        join(
            at < len,
            || sweep(constants, how, std::slice::from_mut(&mut left)),
            || sweep(constants, how, std::slice::from_mut(&mut right)),
        );
        return;
    }
    let mut passed = 0;
    let half = leaves.iter().take_while(|leaf| {
        passed += leaf.stretch.w.len();
        passed <= total / 2
    });
    let at = half.count().clamp(1, leaves.len() - 1);
    let (left, right) = leaves.split_at_mut(at);
    join(true, || sweep(constants, how, left), || sweep(constants, how, right));
}

/// Whether every gradient is finite.
pub(super) fn all_finite<F: Scalar, S: Slots<F>>(leaves: &[Flat<'_, F, S>], how: How) -> bool {
    match leaves {
        [] => true,
        [leaf] => reduce::all_finite_slice(leaf.stretch.g, how),
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            let (left, right) =
                join(is_large(leaves, how), || all_finite(left, how), || all_finite(right, how));
            left && right
        }
    }
}

/// The sum of a term over every gradient; the tree of sums depends on the number of leaves alone.
pub(super) fn sum<F: Scalar, S: Slots<F>, T: Term>(
    leaves: &[Flat<'_, F, S>],
    term: T,
    how: How,
) -> Sum {
    match leaves {
        [] => Sum::default(),
        [leaf] => reduce::sum_slice(leaf.stretch.g, term, how),
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            let (left, right) =
                join(is_large(leaves, how), || sum(left, term, how), || sum(right, term, how));
            left.add(right)
        }
    }
}

fn is_large<F: Scalar, S: Slots<F>>(leaves: &[Flat<'_, F, S>], how: How) -> bool {
    cfg!(feature = "rayon")
        && leaves.iter().map(|leaf| leaf.stretch.g.len()).sum::<usize>() > how.parallel_above
}
