//! The loops of one rule: all of the engine that is compiled for each rule anew.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use super::codes::Coding;
use super::program::{
    About, Before, Kernel, Penalized, Program, RowsOf, Stretch, Terms, in_vectors,
};
use super::terms::{OfTree, Squares, measured};
use crate::error::Error;
use crate::rule::{Clock, MOST, Rule, SUMS, Slices, Slots, Totals};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// Gradients that are made at a time where the baseline's loop gets made ones.
const PREPARED: usize = 32;

/// A rule, as an object.
#[derive(Clone)]
struct Typed<R>(R);

impl<R: fmt::Debug> fmt::Debug for Typed<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The object of a rule: in a rule's own crate alone it should be asked for.
pub(crate) fn program<F: Scalar, R: Rule<F>>(rule: R) -> Box<dyn Program<F>> {
    Box::new(Typed(rule))
}

impl<F: Scalar, R: Rule<F>> Program<F> for Typed<R> {
    fn about(&self) -> About {
        let (name, slots, kinds) = (R::NAME, R::SLOTS, R::SLOT_KINDS);
        About {
            name,
            slots,
            kinds,
            count: R::State::COUNT,
            norms: R::NORMS,
            leaf_clocks: R::LEAF_CLOCKS,
            sums: R::SUMS,
            loss: R::LOSS,
        }
    }

    fn boxed(&self) -> Box<dyn Program<F>> {
        Box::new(self.clone())
    }

    fn rule(&self) -> &dyn Any {
        &self.0
    }

    fn rule_mut(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.0.hyperparameters(visit);
    }

    fn initial(&self) -> [F; MOST] {
        self.0.initial().padded()
    }

    fn largest_gradient(&self) -> f64 {
        self.0.largest_gradient()
    }

    fn total(&self, totals: &mut Totals) {
        self.0.total(totals);
    }

    fn rests(&self) -> bool {
        self.0.rests()
    }

    fn kernel(&self) -> Box<dyn Kernel<F>> {
        Box::new(Loops::<F, R> { steps: Vec::new(), rule: PhantomData })
    }
}

/// The loops of a rule and the constants of a step.
struct Loops<F: Scalar, R: Rule<F>> {
    steps: Vec<R::Step>,
    rule: PhantomData<fn() -> (F, R)>,
}

impl<F: Scalar, R: Rule<F>> Kernel<F> for Loops<F, R> {
    fn clear(&mut self) {
        self.steps.clear();
    }

    fn begin(&mut self, program: &dyn Program<F>, clock: &mut Clock, learning_rate: f64) {
        // All programs of an optimizer are of its rule.
        if let Some(rule) = program.rule().downcast_ref::<R>() {
            self.steps.push(rule.begin(clock, learning_rate));
        }
    }

    fn repeat(&mut self, place: usize) -> usize {
        self.steps.push(self.steps[place]);
        self.steps.len() - 1
    }

    fn of_leaf(
        &mut self,
        place: usize,
        program: &dyn Program<F>,
        norms: [f64; 2],
        clock: &mut Clock,
    ) {
        if let Some(rule) = program.rule().downcast_ref::<R>() {
            rule.of_leaf(&mut self.steps[place], norms, clock);
        }
    }

    fn of_tree(&mut self, place: usize, program: &dyn Program<F>, totals: &Totals) {
        if let Some(rule) = program.rule().downcast_ref::<R>() {
            rule.of_tree(&mut self.steps[place], totals);
        }
    }

    fn decay(&self, place: usize) -> F {
        R::decay(&self.steps[place])
    }

    fn update(&self, place: usize, before: Before<F>, simd: Simd, stretch: &mut Stretch<'_, F>) {
        let step = &self.steps[place];
        // Loops over whole vectors end without a tail, whose constants would be kept in registers
        // beside the vectors', and drive those out.
        let at = if simd.is_wide() { in_vectors(stretch.w.len()).unwrap_or(0) } else { 0 };
        if at > 0 {
            match before {
                Before::Nothing => {
                    simd.run_wide(Update::<F, R, _> { step, before: Plain, n: at, stretch });
                }
                Before::Scaled(factor) => {
                    let (rows, factor) =
                        (RowsOf { rows: &[0], first: 0, width: at }, Scaled(factor));
                    simd.run_wide(UpdateRows::<F, R> { step, factor, rows, stretch });
                }
                Before::Penalized(before) => {
                    simd.run_wide(Update::<F, R, _> { step, before, n: at, stretch });
                }
            }
        }
        if at == stretch.w.len() {
            return;
        }
        if matches!(before, Before::Nothing) {
            let (w, g) = (&mut stretch.w[at..], &stretch.g[at..]);
            return baseline::<F, R>(step, w, g, &mut stretch.slots, at);
        }
        prepared::<F, R>(step, before, at, stretch);
    }

    fn update_codes(
        &self,
        place: usize,
        factor: F,
        key: u32,
        simd: Simd,
        stretch: &mut Stretch<'_, F>,
    ) -> usize {
        // In f64 the state is the smaller part of what is moved.
        if const { size_of::<F>() > 4 || R::State::COUNT == 0 } {
            return 0;
        }
        let coding = &stretch.codes.coding[..R::State::COUNT];
        if !simd.is_wide() || coding.iter().any(|coding| *coding != Coding::BFloat16) {
            return 0;
        }
        let step = &self.steps[place];
        let n = in_vectors(stretch.w.len()).unwrap_or(0);
        // A factor of 1 changes no gradient.
        simd.run_wide(UpdateCodes::<F, R> { step, factor: Scaled(factor), key, n, stretch });
        n
    }

    fn update_rows(
        &self,
        place: usize,
        factor: F,
        simd: Simd,
        rows: RowsOf<'_>,
        stretch: &mut Stretch<'_, F>,
    ) {
        let step = &self.steps[place];
        // A factor of 1 changes no gradient.
        simd.run_wide(UpdateRows::<F, R> { step, factor: Scaled(factor), rows, stretch });
    }

    fn squares(
        &self,
        place: usize,
        power: F,
        simd: Simd,
        stretch: &Stretch<'_, F>,
        terms: &mut Terms,
    ) -> usize {
        if const { !R::NORMS } {
            return 0;
        }
        measured(&Squares::<F, R> { step: &self.steps[place], power }, simd, stretch, terms);
        2
    }

    fn terms(
        &self,
        place: usize,
        simd: Simd,
        stretch: &Stretch<'_, F>,
        terms: &mut Terms,
    ) -> usize {
        if const { R::SUMS.is_empty() } {
            return 0;
        }
        measured(&OfTree::<F, R>(&self.steps[place], PhantomData), simd, stretch, terms);
        R::SUMS.len().min(SUMS)
    }
}

/// Updates elements from `at` on whose gradients something happens to before.
fn prepared<F: Scalar, R: Rule<F>>(
    step: &R::Step,
    before: Before<F>,
    mut at: usize,
    stretch: &mut Stretch<'_, F>,
) {
    let Stretch { w, g, slots, .. } = stretch;
    let mut made = [F::zero(); PREPARED];
    while at < w.len() {
        let end = w.len().min(at + PREPARED);
        prepare(before, &w[at..end], &g[at..end], &mut made);
        baseline::<F, R>(step, &mut w[at..end], &made, slots, at);
        at = end;
    }
}

/// Makes gradients as the rule gets them.
#[inline(never)]
fn prepare<F: Scalar>(before: Before<F>, w: &[F], g: &[F], made: &mut [F; PREPARED]) {
    let pairs = made.iter_mut().zip(g.iter().zip(w));
    match before {
        Before::Nothing => pairs.for_each(|(made, (&g, _))| *made = g),
        Before::Scaled(factor) => {
            pairs.for_each(|(made, (&g, &w))| *made = Scaled(factor).gradient(w, g));
        }
        Before::Penalized(penalized) => {
            pairs.for_each(|(made, (&g, &w))| *made = penalized.gradient(w, g));
        }
    }
}

/// Updates elements and their slots from `at` on, by what every processor has.
#[inline(never)]
fn baseline<F: Scalar, R: Rule<F>>(
    step: &R::Step,
    w: &mut [F],
    g: &[F],
    slots: &mut Slices<'_, F>,
    at: usize,
) {
    let [a, b, c, d] = slots;
    R::State::sweep(
        w.len(),
        w,
        g,
        from(a, at),
        from(b, at),
        from(c, at),
        from(d, at),
        #[inline(always)]
        |w, g, state| R::update(step, w, g.flushed(), state.flushed()),
    );
}

/// The elements of a slot from `at` on; none of a slot that the rule does not have.
#[inline(always)]
fn from<F>(slot: &mut [F], at: usize) -> &mut [F] {
    slot.get_mut(at..).unwrap_or_default()
}

/// What happens to a gradient before the rule sees it.
///
/// Each case is a type, so that the loop of the plainest costs nothing more.
trait Gradient<F>: Copy {
    fn gradient(self, w: F, g: F) -> F;
}

#[derive(Clone, Copy)]
struct Plain;

impl<F: Scalar> Gradient<F> for Plain {
    #[inline(always)]
    fn gradient(self, _w: F, g: F) -> F {
        g
    }
}

#[derive(Clone, Copy)]
struct Scaled<F>(F);

impl<F: Scalar> Gradient<F> for Scaled<F> {
    #[inline(always)]
    fn gradient(self, _w: F, g: F) -> F {
        g.flushed() * self.0
    }
}

impl<F: Scalar> Gradient<F> for Penalized<F> {
    #[inline(always)]
    fn gradient(self, w: F, g: F) -> F {
        g + self.pull(w)
    }
}

/// A loop over the first `n` elements of a stretch.
struct Update<'s, 'a, F: Scalar, R: Rule<F>, B> {
    step: &'s R::Step,
    before: B,
    n: usize,
    stretch: &'s mut Stretch<'a, F>,
}

impl<F: Scalar, R: Rule<F>, B: Gradient<F>> Work for Update<'_, '_, F, R, B> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { step, before, n, stretch: Stretch { w, g, slots: [a, b, c, d], .. } } = self;
        let (step, Some(n)) = (*step, in_vectors(n)) else { return };
        R::State::sweep(
            n,
            w,
            g,
            a,
            b,
            c,
            d,
            #[inline(always)]
            |w, g, state| R::update(&step, w, before.gradient(w, g).flushed(), state.flushed()),
        );
    }
}

struct UpdateCodes<'s, 'a, F: Scalar, R: Rule<F>> {
    step: &'s R::Step,
    factor: Scaled<F>,
    key: u32,
    n: usize,
    stretch: &'s mut Stretch<'a, F>,
}

impl<F: Scalar, R: Rule<F>> Work for UpdateCodes<'_, '_, F, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { step, factor, key, n, stretch: Stretch { w, g, codes, .. } } = self;
        let (step, Some(n)) = (*step, in_vectors(n)) else { return };
        let [a, b, c, d] = &mut codes.slices;
        R::State::sweep_codes(
            n,
            w,
            g,
            a,
            b,
            c,
            d,
            key,
            #[inline(always)]
            |w, g, state| R::update(&step, w, factor.gradient(w, g).flushed(), state.flushed()),
        );
    }
}

struct UpdateRows<'s, 'a, F: Scalar, R: Rule<F>> {
    step: &'s R::Step,
    factor: Scaled<F>,
    rows: RowsOf<'s>,
    stretch: &'s mut Stretch<'a, F>,
}

impl<F: Scalar, R: Rule<F>> Work for UpdateRows<'_, '_, F, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { step, factor, rows, stretch: Stretch { w, g, slots: [a, b, c, d], .. } } = self;
        let RowsOf { rows, first, width } = rows;
        let (step, Some(width)) = (*step, in_vectors(width)) else { return };
        for (place, &row) in rows.iter().enumerate() {
            let start = (row - first) * width;
            R::State::sweep(
                width,
                &mut w[start..start + width],
                &g[place * width..],
                row_of(a, start, width, R::State::COUNT > 0),
                row_of(b, start, width, R::State::COUNT > 1),
                row_of(c, start, width, R::State::COUNT > 2),
                row_of(d, start, width, R::State::COUNT > 3),
                #[inline(always)]
                |w, g, state| R::update(&step, w, factor.gradient(w, g).flushed(), state.flushed()),
            );
        }
    }
}

/// A row of a slot, where the rule has that slot.
#[inline(always)]
fn row_of<F>(slot: &mut [F], start: usize, width: usize, is_there: bool) -> &mut [F] {
    if is_there { &mut slot[start..start + width] } else { &mut [] }
}
