//! The loops of one rule, and the face that everything around them has of them.

use super::around::{Around, Cautious, Constants, Mode, Plain};
use super::inspect::Scale;
use super::sweep::Stretch;
use crate::reduce::How;
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// Elements of the widest vector: fewer are updated sooner by the baseline.
const WIDEST: usize = 16;

/// The loops of a rule, by the place of their constants.
///
/// It is an object so that whatever walks over leaves is compiled for each kind of state, and not
/// for each rule anew.
pub(super) trait Kernel<F: Scalar, S: Slots<F>>: Sync {
    /// Updates a stretch of elements; the slices have one length.
    fn update(&self, constants: usize, how: How, stretch: Stretch<'_, F, S>);

    /// The sums of the squares of two quantities over a stretch, which is short.
    fn measure(
        &self,
        constants: usize,
        quantities: Quantities<F>,
        how: How,
        stretch: Stretch<'_, F, S>,
    ) -> [f64; 2];
}

/// What is measured of an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Quantities<F> {
    /// 1 where the update would agree with the gradient, else 0; and nothing.
    Agreeing,
    /// Those whose norms the rule wants, times a power of two.
    OfRule { power: F },
}

/// The loops of a rule with these constants.
pub(super) struct Loops<'c, F: Scalar, R: Rule<F>>(pub(super) &'c [Constants<F, R>]);

impl<F: Scalar, R: Rule<F>> Kernel<F, R::State> for Loops<'_, F, R> {
    fn update(&self, constants: usize, how: How, stretch: Stretch<'_, F, R::State>) {
        let constants = &self.0[constants];
        match (constants.around, constants.caution, constants.average) {
            (None, None, None) => constants.run(how, Plain, stretch),
            (Some(around), None, None) => match (around.as_scaled(), around.as_penalized()) {
                (Some(scaled), _) => constants.run(how, scaled, stretch),
                (_, Some(penalized)) => constants.run(how, penalized, stretch),
                _ => constants.run(how, around, stretch),
            },
            _ => constants.update_rarer(how, stretch),
        }
    }

    fn measure(
        &self,
        constants: usize,
        quantities: Quantities<F>,
        how: How,
        stretch: Stretch<'_, F, R::State>,
    ) -> [f64; 2] {
        let constants = &self.0[constants];
        let (step, around) = (constants.step, constants.around_or_nothing());
        let simd = width(how, stretch.w.len());
        match quantities {
            Quantities::OfRule { power } if R::NORMS => {
                simd.run(Measure::<F, R, _> { step, measured: Norms { around, power }, stretch })
            }
            Quantities::OfRule { .. } => [0.0; 2],
            Quantities::Agreeing => {
                let cautious = Cautious { around, factor: F::one() };
                simd.run(Measure::<F, R, _> { step, measured: Agreeing(cautious), stretch })
            }
        }
    }
}

impl<F: Scalar, R: Rule<F>> Constants<F, R> {
    /// What happens to gradient and parameter, the nothing included.
    fn around_or_nothing(&self) -> Around<F> {
        self.around.unwrap_or_else(|| Around::new(&super::Settings::default(), 0.0, Scale::one()))
    }

    fn update_rarer(&self, how: How, stretch: Stretch<'_, F, R::State>) {
        let around = self.around_or_nothing();
        let averages = self.average.filter(|_| !stretch.average.is_empty());
        match (self.caution, averages) {
            (None, None) => self.run(how, around, stretch),
            (None, Some(rate)) => match around.as_scaled() {
                Some(scaled) => self.run_averaged(how, scaled, rate, stretch),
                None => self.run_averaged(how, around, rate, stretch),
            },
            (Some(factor), None) => self.run(how, Cautious { around, factor }, stretch),
            (Some(factor), Some(rate)) => {
                self.run_averaged(how, Cautious { around, factor }, rate, stretch);
            }
        }
    }

    #[inline(always)]
    fn run<M: Mode<F, R>>(&self, how: How, mode: M, stretch: Stretch<'_, F, R::State>) {
        let at = whole(stretch.w.len());
        if at == 0 {
            return self.run_rest(mode, stretch);
        }
        let (whole, rest) = stretch.split_at(at);
        how.simd.run(Update::<F, R, M> { step: self.step, mode, stretch: whole });
        if !rest.w.is_empty() {
            self.run_rest(mode, rest);
        }
    }

    #[inline(never)]
    fn run_rest<M: Mode<F, R>>(&self, mode: M, stretch: Stretch<'_, F, R::State>) {
        let n = stretch.w.len();
        Update::<F, R, M> { step: self.step, mode, stretch }.sweep(n);
    }

    #[inline(never)]
    fn run_averaged<M: Mode<F, R>>(
        &self,
        how: How,
        mode: M,
        rate: F,
        stretch: Stretch<'_, F, R::State>,
    ) {
        let at = whole(stretch.w.len());
        if at == 0 {
            return self.run_averaged_rest(mode, rate, stretch);
        }
        let (whole, rest) = stretch.split_at(at);
        how.simd.run(UpdateAveraged::<F, R, M> { step: self.step, mode, rate, stretch: whole });
        if !rest.w.is_empty() {
            self.run_averaged_rest(mode, rate, rest);
        }
    }

    #[inline(never)]
    fn run_averaged_rest<M: Mode<F, R>>(
        &self,
        mode: M,
        rate: F,
        stretch: Stretch<'_, F, R::State>,
    ) {
        let n = stretch.w.len();
        UpdateAveraged::<F, R, M> { step: self.step, mode, rate, stretch }.sweep(n);
    }
}

/// The elements that fill vectors of every width.
///
/// Loops over them end without a tail, whose constants would be kept in registers beside the
/// vectors', and drive those out.
#[inline(always)]
fn whole(len: usize) -> usize {
    len & !(WIDEST - 1)
}

fn width(how: How, len: usize) -> Simd {
    if len < WIDEST { Simd::BASELINE } else { how.simd }
}

struct Update<'a, F: Scalar, R: Rule<F>, M> {
    step: R::Step,
    mode: M,
    stretch: Stretch<'a, F, R::State>,
}

impl<F: Scalar, R: Rule<F>, M: Mode<F, R>> Update<'_, F, R, M> {
    #[inline(always)]
    fn sweep(self, n: usize) {
        let (step, mode, Stretch { w, g, slots, .. }) = (self.step, self.mode, self.stretch);
        R::State::sweep(
            n,
            w,
            g,
            slots,
            #[inline(always)]
            |w, g, state| mode.update(&step, w, g, state),
        );
    }
}

impl<F: Scalar, R: Rule<F>, M: Mode<F, R>> Work for Update<'_, F, R, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let n = whole(self.stretch.w.len());
        self.sweep(n);
    }
}

struct UpdateAveraged<'a, F: Scalar, R: Rule<F>, M> {
    step: R::Step,
    mode: M,
    rate: F,
    stretch: Stretch<'a, F, R::State>,
}

impl<F: Scalar, R: Rule<F>, M: Mode<F, R>> UpdateAveraged<'_, F, R, M> {
    #[inline(always)]
    fn sweep(self, n: usize) {
        let (step, mode, rate) = (self.step, self.mode, self.rate);
        let Stretch { w, g, slots, average } = self.stretch;
        R::State::sweep_averaged(
            n,
            w,
            g,
            average,
            slots,
            #[inline(always)]
            |w, g, average, state| {
                let (w, state) = mode.update(&step, w, g, state);
                (w, averaged(average, w, rate), state)
            },
        );
    }
}

impl<F: Scalar, R: Rule<F>, M: Mode<F, R>> Work for UpdateAveraged<'_, F, R, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let n = whole(self.stretch.w.len());
        self.sweep(n);
    }
}

/// The average that has taken another term; exactly that term where it takes all of it, since it
/// begins at 0.
#[inline(always)]
pub(super) fn averaged<F: Scalar>(average: F, term: F, rate: F) -> F {
    average + rate * (term - average)
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
        self.around.norms::<R>(step, w, g, state).map(|x| self.power * x)
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
