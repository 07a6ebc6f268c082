//! A model of leaves of many shapes, and the optimizers in many settings.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use thalweg::factored::Axes;
use thalweg::kronecker::Grafting;
use thalweg::regularize::{Decay, Units};
use thalweg::{Adafactor, Optimizer, Scalar, Schedule, Shampoo, Sm3, Soap};

pub type Model<F> = BTreeMap<String, ArrayD<F>>;

/// Numbers of both signs; the same for the same seed.
pub fn array<F: Scalar>(shape: &[usize], seed: u64) -> ArrayD<F> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    ArrayD::from_shape_fn(IxDyn(shape), |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        F::from_f64((state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)
    })
}

pub const SHAPES: [(&str, &[usize]); 9] = [
    ("bias", &[5]),
    ("column", &[7, 1]),
    ("empty", &[0, 3]),
    ("kernel", &[4, 2, 3]),
    ("number", &[]),
    ("row", &[1, 6]),
    ("square", &[9, 9]),
    ("tall", &[19, 4]),
    ("wide", &[3, 33]),
];

pub fn model<F: Scalar>(seed: u64) -> Model<F> {
    let leaf = |(i, &(name, shape)): (usize, &(&str, &[usize]))| {
        (name.to_owned(), array(shape, 100 * seed + i as u64))
    };
    SHAPES.iter().enumerate().map(leaf).collect()
}

pub fn assert_same_bits<F: Scalar>(a: &Model<F>, b: &Model<F>) {
    for (name, a) in a {
        let bits = |x: &F| x.into_f64().to_bits();
        assert!(a.iter().map(bits).eq(b[name].iter().map(bits)), "{name}");
    }
}

pub type Boxed<F> = Box<dyn Optimizer<F>>;

/// A name, and how it is built with that learning rate.
pub type Build<F> = (&'static str, fn(Schedule) -> Boxed<F>);

/// Each optimizer in settings that touch every part of it. None has weight decay.
pub fn builds<F: Scalar>() -> Vec<Build<F>> {
    vec![
        ("adafactor", |rate| Box::new(Adafactor::new(rate))),
        ("adafactor, optax", |rate| {
            let axes = Axes::Largest { least: 3 };
            Box::new(Adafactor::optax(rate).axes(axes).momentum(0.9).clip_threshold(0.0))
        }),
        ("adafactor, paper", |rate| {
            Box::new(Adafactor::paper().schedule(rate).axes(Axes::None).scale_by_parameter(false))
        }),
        ("sm3", |rate| Box::new(Sm3::new(rate))),
        ("sm3, plain", |rate| Box::new(Sm3::optax(rate).momentum(0.0).beta2(0.9))),
        ("shampoo", |rate| Box::new(Shampoo::new(rate).every(3).epsilon(1e-6))),
        ("shampoo, paper", |rate| Box::new(Shampoo::paper(rate))),
        ("shampoo, blocks", |rate| {
            let grafting = Grafting::AdaGrad { epsilon: 1e-8 };
            Box::new(Shampoo::new(rate).block(4).every(2).grafting(grafting).epsilon(1e-6))
        }),
        ("soap", |rate| Box::new(Soap::new(rate).every(3))),
        ("soap, all", |rate| {
            Box::new(Soap::new(rate).every(2).longest(9).vectors(true).normalized(true))
        }),
    ]
}

/// As [`builds`], with weight decay, clipping and another direction.
pub fn decayed<F: Scalar>() -> Vec<Build<F>> {
    vec![
        ("adafactor", |rate| {
            Box::new(Adafactor::new(rate).weight_decay(0.1).clip_norm(0.5).momentum(0.5))
        }),
        ("sm3", |rate| Box::new(Sm3::new(rate).decay(Decay::Absolute(0.01)).maximize(true))),
        ("shampoo", |rate| {
            Box::new(Shampoo::new(rate).weight_decay(0.1).start(2).every(4).clip_norm(2.0))
        }),
        ("soap", |rate| Box::new(Soap::new(rate).weight_decay(0.1).maximize(true).every(2))),
        ("soap, scheduled", |rate| {
            let soap = Soap::new(rate).every(2).centralized(Units::LastAxis);
            Box::new(
                soap.scheduled("beta1", Schedule::linear(0.95, 0.5, 5))
                    .scheduled("weight_decay", Schedule::linear(0.0, 0.2, 4)),
            )
        }),
        ("adafactor, scheduled", |rate| {
            // Its momentum begins amid the run, and ends.
            let momentum = Schedule::constant(0.0).then(2, 0.5).then(5, 0.0);
            Box::new(Adafactor::new(rate).scheduled("momentum", momentum))
        }),
    ]
}

pub fn all<F: Scalar>() -> Vec<Build<F>> {
    [builds(), decayed()].concat()
}
