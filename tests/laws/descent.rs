//! Every optimizer descends as it comes out of its constructor.

use ndarray::Array1;
use thalweg::*;

use super::support::for_both_scalars;

/// ½Σλw², from w = ±1 and nearby.
struct Quadratic<F> {
    curvature: Array1<F>,
}

impl<F: Scalar> Quadratic<F> {
    /// Curvatures from 1 down to 1 / `spread`.
    fn new(spread: f64) -> Self {
        let curvature = |i: usize| F::from_f64(spread.powf(-(i as f64) / 19.0));
        Self { curvature: Array1::from_shape_fn(20, curvature) }
    }

    fn start() -> Array1<F> {
        Array1::from_shape_fn(20, |i| F::from_f64((1.0 + 0.1 * i as f64) * [1.0, -1.0][i % 2]))
    }

    fn loss(&self, w: &Array1<F>) -> f64 {
        self.curvature.iter().zip(w).map(|(l, w)| 0.5 * l.into_f64() * w.into_f64().powi(2)).sum()
    }
}

fn check<F: Scalar>(optimizer: &mut dyn Optimizer<F>, what: &str) {
    for spread in [1.0, 1e4] {
        optimizer.reset();
        let (task, mut w) = (Quadratic::<F>::new(spread), Quadratic::<F>::start());
        let first = task.loss(&w);
        let mut last = first;
        for step in 1..=200 {
            let g = &task.curvature * &w;
            let loss = task.loss(&w);
            optimizer.step_with_loss(&mut w, &g, loss).unwrap();
            last = task.loss(&w);
            assert!(last.is_finite(), "{what} at {step}");
            // ADOPT only looks at its first gradient.
            let waits = optimizer.name() == "Adopt" && last == first;
            assert!(step > 1 || last < first || waits, "{what} ascends: {first} to {last}");
        }
        assert!(last < 0.9999 * first, "{what}: {first} to {last}");
    }
}

fn a_default_optimizer_descends<F: Scalar>() {
    for entry in catalog::<F>() {
        check(&mut *entry.build(entry.learning_rate, Settings::default()), entry.name);
    }
}

fn so_does_every_convention<F: Scalar>() {
    macro_rules! conventions {
        ($($optimizer:ident: $($convention:ident($($argument:expr),*))+;)+) => {$($(
            let what = concat!(stringify!($optimizer), "::", stringify!($convention));
            check::<F>(&mut $optimizer::$convention($($argument),*), what);
        )+)+};
    }
    let rate = 1e-2;
    conventions! {
        Sgd: new(rate) default();
        Momentum: new(rate) torch(rate) default();
        Nesterov: new(rate) torch(rate) default();
        AdaGrad: new(rate) keras(rate) optax(rate) default();
        RmsProp: new(rate) torch(rate) keras(rate) optax(rate) default();
        RmsPropMomentum: new(rate) torch(rate) keras(rate) optax(rate) default();
        CenteredRmsProp: new(rate) torch(rate) keras(rate) optax(rate) default();
        AdaDelta: new() torch(1.0) keras(1.0) optax(1.0) default();
        Adam: new(rate) keras(rate) default();
        AdamW: new(rate) optax(rate) keras(rate) paper(rate, rate) default();
        AmsGrad: new(rate) optax(rate) keras(rate) paper(rate) default();
        AdaMax: new(rate) keras(rate) default();
        NAdam: new(rate) keras(rate) optax(rate) default();
        RAdam: new(rate) optax(rate) default();
        AdaBelief: new(rate) default();
        Yogi: new(rate) optax(rate) paper(rate) default();
        Lion: new(rate) optax(rate) default();
        Lars: new(rate) optax(rate) timm(rate) pytorch_optimizer(rate) default();
        Lamb: new(rate) timm(rate) pytorch_optimizer(rate) default();
        ScheduleFreeAdamW: new(rate) default();
        Adan: new(rate) default();
        AdEmaMix: new(rate) default();
        Adopt: new(rate) default();
        Madgrad: new(rate) default();
        SignSgd: new(rate) default();
        Signum: new(rate) default();
        Rprop: new(rate) default();
        Ftrl: new(rate) keras(rate) default();
        OptimisticGradient: new(rate) default();
        OptimisticAdam: new(rate) optax(rate) default();
        Fromage: new(rate) optax(rate) default();
        Mars: new(rate) pytorch_optimizer(rate) default();
        ScheduleFreeSgd: new(rate) default();
        GpaAdamW: new(rate) default();
        NovoGrad: new(rate) optax(rate) pytorch_optimizer(rate) default();
        DoG: new(1.0) default();
        LDoG: new(1.0) default();
        DoWG: new(1.0) default();
        Prodigy: new(1.0) optax(1.0) default();
        DAdaptAdam: new(1.0) optax(1.0) default();
        PolyakStep: new(1.0) optax(1.0, 1.0) default();
        MoMo: new(1.0) default();
        MoMoAdam: new(rate) default();
    }
}

fn no_rule_leaves_the_minimum<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(entry.learning_rate, Settings::default());
        let task = Quadratic::<F>::new(1e4);
        let mut w = Array1::<F>::zeros(20);
        for _ in 0..50 {
            let g = &task.curvature * &w;
            optimizer.step_with_loss(&mut w, &g, 0.0).unwrap();
        }
        assert!(w.iter().all(|&w| w == F::zero()), "{}", entry.name);
    }
}

for_both_scalars!(
    a_default_optimizer_descends,
    so_does_every_convention,
    no_rule_leaves_the_minimum
);
