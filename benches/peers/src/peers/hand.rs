//! A loop written by hand: `ndarray`'s `Zip` over everything at once, on all threads of the pool
//! where there are several and the arrays are large.

use ndarray::{Array1, Zip};
use thalweg::Scalar;

use super::{SAMPLE, Stepper, by_precision, gradient};
use crate::work::*;

/// Below this many elements, threads cost more than they save.
const PARALLEL: usize = 500_000;

struct Hand<F> {
    rule: Rule,
    parallel: bool,
    steps: i32,
    w: Array1<F>,
    g: Array1<F>,
    /// m or the velocity; v, s or the square's average; the average of the parameters or of Δ².
    slots: [Array1<F>; 3],
}

pub fn enter(work: Work) -> Box<dyn Stepper> {
    by_precision!(made(work))
}

fn made<F: Scalar>(work: Work) -> Box<dyn Stepper> {
    let start = if work.rule == Rule::Yogi { YOGI_START } else { 0.0 };
    let slot = |i: usize| {
        let n = if i < work.rule.slots() { work.n } else { 0 };
        Array1::from_elem(n, F::from_f64(start))
    };
    Box::new(Hand {
        rule: work.rule,
        parallel: work.threads > 1 && work.n >= PARALLEL,
        steps: 0,
        w: Array1::from_elem(work.n, F::one()),
        g: Array1::from(gradient(work.n)),
        slots: [slot(0), slot(1), slot(2)],
    })
}

/// Runs a `Zip` on one thread or on all.
macro_rules! run {
    ($self:ident, $zip:expr, $body:expr) => {
        if $self.parallel { $zip.par_for_each($body) } else { $zip.for_each($body) }
    };
}

impl<F: Scalar> Stepper for Hand<F> {
    fn step(&mut self) {
        self.steps += 1;
        let c = F::from_f64;
        let (b1, r1) = (c(BETA1), c(1.0 - BETA1));
        let (b2, r2) = (c(BETA2), c(1.0 - BETA2));
        let alpha = c(LEARNING_RATE / (1.0 - BETA1.powi(self.steps)));
        let correction = c(1.0 / (1.0 - BETA2.powi(self.steps)));
        let Self { w, g, slots: [a, b, average], .. } = self;
        match self.rule {
            Rule::Adam => {
                let epsilon = c(EPSILON);
                run!(self, Zip::from(w).and(&*g).and(a).and(b), |w, &g, m, v| {
                    *m = b1 * *m + r1 * g;
                    *v = b2 * *v + r2 * g * g;
                    *w = *w - alpha * *m / ((*v * correction).sqrt() + epsilon);
                });
            }
            Rule::Momentum => {
                let (alpha, gamma) = (c(LEARNING_RATE), c(MOMENTUM));
                run!(self, Zip::from(w).and(&*g).and(a), |w, &g, d| {
                    *d = gamma * *d + g;
                    *w = *w - alpha * *d;
                });
            }
            Rule::Yogi => {
                let epsilon = c(YOGI_EPSILON);
                run!(self, Zip::from(w).and(&*g).and(a).and(b), |w, &g, m, s| {
                    *m = b1 * *m + r1 * g;
                    let square = g * g;
                    let pace = if square > *s { r2 } else { -r2 };
                    *s = *s + if square == *s { F::zero() } else { pace * square };
                    *w = *w - alpha * *m / ((*s * correction).sqrt() + epsilon);
                });
            }
            Rule::Adadelta => {
                let (rho, rest, epsilon) = (c(RHO), c(1.0 - RHO), c(ADADELTA_EPSILON));
                run!(self, Zip::from(w).and(&*g).and(a).and(b), |w, &g, s, x| {
                    *s = rho * *s + rest * g * g;
                    let delta = g * ((*x + epsilon) / (*s + epsilon)).sqrt();
                    *x = rho * *x + rest * delta * delta;
                    *w = *w - delta;
                });
            }
            Rule::ClipAdamwEma => {
                let (epsilon, keep) = (c(EPSILON), c(1.0 - LEARNING_RATE * WEIGHT_DECAY));
                let factor = c((CLIP_NORM / g.dot(&*g).into_f64().sqrt()).min(1.0));
                let rate = c(if self.steps == 1 { 1.0 } else { 1.0 - EMA_DECAY });
                let zip = Zip::from(w).and(&*g).and(a).and(b).and(average);
                run!(self, zip, |w, &g, m, v, average| {
                    let g = factor * g;
                    *m = b1 * *m + r1 * g;
                    *v = b2 * *v + r2 * g * g;
                    *w = keep * *w - alpha * *m / ((*v * correction).sqrt() + epsilon);
                    *average = *average + rate * (*w - *average);
                });
            }
        }
    }

    fn sample(&mut self) -> Vec<f64> {
        let average = (self.rule == Rule::ClipAdamwEma).then_some(&self.slots[2]);
        let first = |w: &Array1<F>| w.iter().take(SAMPLE).map(|w| w.into_f64()).collect::<Vec<_>>();
        [&self.w].into_iter().chain(average).flat_map(first).collect()
    }
}
