//! What a rule wants summed: terms of each element by its own loops, and their sums by one for all rules.

use std::marker::PhantomData;
use std::ops::Range;

use super::program::{Stretch, TERMS, Terms, in_vectors};
use crate::reduce::{LANES, fold};
use crate::rule::{Rule, SUMS, Slots};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// What is summed up of each element.
pub(super) trait Summed<F> {
    /// Makes the terms of the elements of a range.
    fn make(&self, range: Range<usize>, stretch: &Stretch<'_, F>, terms: &mut Terms);
}

/// Makes the terms of a stretch: of whole vectors on a wide instruction set, and of what remains by what every
/// processor has.
#[inline(always)]
pub(super) fn measured<F: Scalar, T: Summed<F>>(
    summed: &T,
    simd: Simd,
    stretch: &Stretch<'_, F>,
    terms: &mut Terms,
) {
    let n = stretch.w.len();
    let at = if simd.is_wide() { in_vectors(n).unwrap_or(0) } else { 0 };
    if at > 0 {
        simd.run_wide(ByVectors { summed, n: at, stretch, terms: &mut *terms });
    }
    if at < n {
        summed.make(at..n, stretch, terms);
    }
}

struct ByVectors<'s, 'a, F, T> {
    summed: &'s T,
    n: usize,
    stretch: &'s Stretch<'a, F>,
    terms: &'s mut Terms,
}

impl<F: Scalar, T: Summed<F>> Work for ByVectors<'_, '_, F, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if let Some(n) = in_vectors(self.n) {
            self.summed.make(0..n, self.stretch, self.terms);
        }
    }
}

/// The squares of the quantities whose norms the rule wants.
pub(super) struct Squares<'s, F: Scalar, R: Rule<F>> {
    pub(super) step: &'s R::Step,
    pub(super) power: F,
}

impl<F: Scalar, R: Rule<F>> Summed<F> for Squares<'_, F, R> {
    #[inline(always)]
    fn make(&self, range: Range<usize>, stretch: &Stretch<'_, F>, terms: &mut Terms) {
        let (step, power) = (*self.step, self.power);
        make::<F, R>(
            2,
            range,
            stretch,
            terms,
            #[inline(always)]
            |w, g, state| {
                let [x, y] = R::norms(&step, w, g.flushed(), state.flushed());
                let (x, y) = ((power * x).into_f64(), (power * y).into_f64());
                [x * x, y * y, 0.0, 0.0]
            },
        );
    }
}

/// The terms that the rule wants summed over the tree.
pub(super) struct OfTree<'s, F: Scalar, R: Rule<F>>(
    pub(super) &'s R::Step,
    pub(super) PhantomData<fn() -> F>,
);

impl<F: Scalar, R: Rule<F>> Summed<F> for OfTree<'_, F, R> {
    #[inline(always)]
    fn make(&self, range: Range<usize>, stretch: &Stretch<'_, F>, terms: &mut Terms) {
        let step = *self.0;
        make::<F, R>(
            R::SUMS.len(),
            range,
            stretch,
            terms,
            #[inline(always)]
            |w, g, state| R::sums(&step, w, g.flushed(), state.flushed()),
        );
    }
}

/// Writes so many terms of the elements of a range.
#[inline(always)]
fn make<F: Scalar, R: Rule<F>>(
    count: usize,
    range: Range<usize>,
    stretch: &Stretch<'_, F>,
    terms: &mut Terms,
    of: impl Fn(F, F, R::State) -> [f64; SUMS],
) {
    let Stretch { w, g, slots: [a, b, c, d], .. } = stretch;
    let [first, second, third, fourth] = terms;
    let (Range { start: at, .. }, n) = (range.clone(), range.len());
    let slots = [of_slot(a, at), of_slot(b, at), of_slot(c, at), of_slot(d, at)];
    R::State::terms(
        n,
        &w[at..],
        &g[at..],
        slots,
        count,
        &mut first[at..],
        &mut second[at..],
        &mut third[at..],
        &mut fourth[at..],
        of,
    );
}

/// The elements of a slot from `at` on; none of a slot that the rule does not have.
#[inline(always)]
fn of_slot<F>(slot: &[F], at: usize) -> &[F] {
    slot.get(at..).unwrap_or_default()
}

/// The sums of terms that `make` makes of parts of a stretch.
pub(super) fn sum<F: Scalar>(
    simd: Simd,
    mut stretch: Stretch<'_, F>,
    make: impl Fn(&Stretch<'_, F>, &mut Terms) -> usize,
) -> [f64; SUMS] {
    let (mut terms, mut lanes) = ([[0.0; TERMS]; SUMS], [[0.0; LANES]; SUMS]);
    while !stretch.w.is_empty() {
        let n = TERMS.min(stretch.w.len());
        let (part, rest) = stretch.split_at(n);
        let count = make(&part, &mut terms);
        let (terms, lanes) = (&terms[..count], &mut lanes);
        simd.run(Add { n, terms, lanes });
        stretch = rest;
    }
    lanes.map(fold)
}

/// Running sums, which take every sixteenth term.
struct Add<'t> {
    n: usize,
    terms: &'t [[f64; TERMS]],
    lanes: &'t mut [[f64; LANES]; SUMS],
}

impl Work for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (terms, lanes) in self.terms.iter().zip(self.lanes) {
            let mut sums = *lanes;
            let (whole, rest) = terms[..self.n].as_chunks::<LANES>();
            for terms in whole {
                for i in 0..LANES {
                    sums[i] += terms[i];
                }
            }
            sums.iter_mut().zip(rest).for_each(|(sum, term)| *sum += term);
            *lanes = sums;
        }
    }
}
