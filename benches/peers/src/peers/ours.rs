//! This crate.

use ndarray::Array1;
use thalweg::{
    AdaDelta, Adam, AdamW, Average, Elementwise, Momentum, NonFinite, Optimizer, Scalar, Yogi,
};

use super::{SAMPLE, Stepper, by_precision, gradient};
use crate::work::*;

/// Without the look at every gradient for NaN and ∞, which no peer takes.
pub fn enter(work: Work) -> Box<dyn Stepper> {
    by_precision!(with_policy(work, NonFinite::Propagate))
}

/// As it is by default.
pub fn enter_guarded(work: Work) -> Box<dyn Stepper> {
    by_precision!(with_policy(work, NonFinite::Reject))
}

fn with_policy<F: Scalar>(work: Work, policy: NonFinite) -> Box<dyn Stepper> {
    match work.rule {
        Rule::Adam => made(work, policy, Adam::<F>::new(LEARNING_RATE).epsilon(EPSILON)),
        Rule::Momentum => {
            made(work, policy, Momentum::<F>::torch(LEARNING_RATE).momentum(MOMENTUM))
        }
        Rule::Yogi => {
            let yogi = Yogi::<F>::new(LEARNING_RATE).epsilon(YOGI_EPSILON);
            made(work, policy, yogi.initial_accumulator(YOGI_START))
        }
        Rule::Adadelta => {
            made(work, policy, AdaDelta::<F>::new().rho(RHO).epsilon(ADADELTA_EPSILON))
        }
        Rule::ClipAdamwEma => {
            let adamw = AdamW::<F>::new(LEARNING_RATE).weight_decay(WEIGHT_DECAY);
            let around = adamw.clip_norm(CLIP_NORM).average(Average::ema(EMA_DECAY));
            made(work, policy, around)
        }
    }
}

struct Ours<F: Scalar, R: thalweg::Rule<F>> {
    optimizer: Elementwise<F, R>,
    averaged: bool,
    w: Array1<F>,
    g: Array1<F>,
}

fn made<F: Scalar, R: thalweg::Rule<F>>(
    work: Work,
    policy: NonFinite,
    optimizer: Elementwise<F, R>,
) -> Box<dyn Stepper> {
    Box::new(Ours {
        optimizer: optimizer.non_finite(policy),
        averaged: work.rule == Rule::ClipAdamwEma,
        w: Array1::from_elem(work.n, F::one()),
        g: Array1::from(gradient(work.n)),
    })
}

impl<F: Scalar, R: thalweg::Rule<F>> Stepper for Ours<F, R> {
    fn step(&mut self) {
        self.optimizer.step(&mut self.w, &self.g).expect("finite gradients of one shape");
    }

    fn sample(&mut self) -> Vec<f64> {
        let first = |w: &Array1<F>| w.iter().take(SAMPLE).map(|w| w.into_f64()).collect::<Vec<_>>();
        let mut sample = first(&self.w);
        if self.averaged {
            self.optimizer.swap_average(&mut self.w).expect("an average was kept");
            sample.extend(first(&self.w));
            self.optimizer.swap_average(&mut self.w).expect("an average was kept");
        }
        sample
    }
}
