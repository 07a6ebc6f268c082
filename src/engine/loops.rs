//! The loops of one rule: all of the engine that is compiled for each rule anew.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use super::program::{About, Before, Kernel, Penalized, Program, Stretch};
use crate::error::Error;
use crate::rule::{Clock, MOST, Rule, Slots};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// Elements of the widest vector: fewer are updated sooner by the baseline.
const WIDEST: usize = 16;

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
        let (name, slots) = (R::NAME, R::SLOTS);
        About { name, slots, count: R::State::COUNT, norms: R::NORMS }
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

    fn of_leaf(&mut self, place: usize, program: &dyn Program<F>, norms: [f64; 2]) {
        if let Some(rule) = program.rule().downcast_ref::<R>() {
            rule.of_leaf(&mut self.steps[place], norms);
        }
    }

    fn decay(&self, place: usize) -> F {
        R::decay(&self.steps[place])
    }

    fn update(&self, place: usize, before: Before<F>, simd: Simd, stretch: Stretch<'_, F>) {
        let step = self.steps[place];
        // Loops over whole vectors end without a tail, whose constants would be kept in registers
        // beside the vectors', and drive those out.
        let at = stretch.w.len() & !(WIDEST - 1);
        if at == 0 {
            return rest::<F, R>(&step, before, stretch);
        }
        let (stretch, after) = stretch.split_at(at);
        match before {
            Before::Nothing => simd.run(Update::<F, R, _> { step, before: Plain, stretch }),
            Before::Scaled(factor) => {
                simd.run(Update::<F, R, _> { step, before: Scaled(factor), stretch });
            }
            Before::Penalized(penalized) => {
                simd.run(Update::<F, R, _> { step, before: penalized, stretch });
            }
        }
        if !after.w.is_empty() {
            rest::<F, R>(&step, before, after);
        }
    }

    fn norms(&self, place: usize, power: F, simd: Simd, stretch: Stretch<'_, F>) -> [f64; 2] {
        if !R::NORMS {
            return [0.0; 2];
        }
        let simd = if stretch.w.len() < WIDEST { Simd::BASELINE } else { simd };
        simd.run(Norms::<F, R> { step: self.steps[place], power, stretch })
    }
}

/// The elements that fill no vector.
#[inline(never)]
fn rest<F: Scalar, R: Rule<F>>(step: &R::Step, before: Before<F>, stretch: Stretch<'_, F>) {
    let mut g = [F::zero(); WIDEST];
    let n = stretch.w.len();
    for (to, (&g, &w)) in g.iter_mut().zip(stretch.g.iter().zip(&*stretch.w)) {
        *to = match before {
            Before::Nothing => g,
            Before::Scaled(factor) => Scaled(factor).gradient(w, g),
            Before::Penalized(penalized) => penalized.gradient(w, g),
        };
    }
    let Stretch { w, slots, .. } = stretch;
    R::State::sweep(
        n,
        w,
        &g,
        slots,
        #[inline(always)]
        |w, g, state| R::update(step, w, g.flushed(), state.flushed()),
    );
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

struct Update<'a, F: Scalar, R: Rule<F>, B> {
    step: R::Step,
    before: B,
    stretch: Stretch<'a, F>,
}

impl<F: Scalar, R: Rule<F>, B: Gradient<F>> Work for Update<'_, F, R, B> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (step, before, Stretch { w, g, slots, .. }) = (self.step, self.before, self.stretch);
        let n = w.len() & !(WIDEST - 1);
        R::State::sweep(
            n,
            w,
            g,
            slots,
            #[inline(always)]
            |w, g, state| R::update(&step, w, before.gradient(w, g).flushed(), state.flushed()),
        );
    }
}

struct Norms<'a, F: Scalar, R: Rule<F>> {
    step: R::Step,
    power: F,
    stretch: Stretch<'a, F>,
}

impl<F: Scalar, R: Rule<F>> Work for Norms<'_, F, R> {
    type Output = [f64; 2];

    #[inline(always)]
    fn run(self) -> [f64; 2] {
        let (step, power, Stretch { w, g, slots, .. }) = (self.step, self.power, self.stretch);
        R::State::sum_squares(
            w,
            g,
            slots,
            #[inline(always)]
            |w, g, state| {
                R::norms(&step, w, g.flushed(), state.flushed()).map(
                    #[inline(always)]
                    |x| power * x,
                )
            },
        )
    }
}
