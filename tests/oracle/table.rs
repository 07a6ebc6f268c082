//! Every rule and convention of the crate beside its formula.

use thalweg::regularize::Decay;
use thalweg::*;

use super::data::Rate;
use super::formulas::*;
use super::more_rows::more;
use super::trees::{TreeFormula, trees};

/// What a formula is of.
pub enum Of {
    Element(Formula),
    Leaf(LeafFormula),
    Tree(TreeFormula),
}

impl From<TreeFormula> for Of {
    fn from(formula: TreeFormula) -> Self {
        Of::Tree(formula)
    }
}

impl From<Formula> for Of {
    fn from(formula: Formula) -> Self {
        Of::Element(formula)
    }
}

impl From<LeafFormula> for Of {
    fn from(formula: LeafFormula) -> Self {
        Of::Leaf(formula)
    }
}

/// An optimizer and the formula that it must agree with.
pub struct Row {
    /// The name in the catalog.
    pub rule: &'static str,
    /// The constructor.
    pub convention: &'static str,
    /// The optimizer, as the table writes it.
    pub setting: &'static str,
    pub learning_rate: f64,
    pub wide: fn(Rate) -> Box<dyn Optimizer<f64>>,
    pub narrow: fn(Rate) -> Box<dyn Optimizer<f32>>,
    pub formula: fn() -> Of,
}

/// `RULE [LEARNING RATE]: RATE CONVENTION, OPTIMIZER => FORMULA;`
macro_rules! rows {
    ($($rule:literal [$learning_rate:literal]:
        $($convention:ident |$rate:pat_param| $optimizer:expr => $formula:expr;)+)+) => {
        vec![$($(Row {
            rule: $rule,
            convention: stringify!($convention),
            setting: stringify!($optimizer),
            learning_rate: $learning_rate,
            wide: |$rate| Box::new($optimizer),
            narrow: |$rate| Box::new($optimizer),
            formula: || Of::from($formula),
        }),+),+]
    };
}

pub(crate) use rows;

pub fn table() -> Vec<Row> {
    let mut table = first();
    table.extend(more());
    table.extend(trees());
    table
}

fn first() -> Vec<Row> {
    rows! {
        "sgd" [0.01]:
        new |a| Sgd::new(a) => sgd();
        "sgd" [0.3]:
        new |a| Sgd::new(a).penalty(regularize::Penalty::NONE) => sgd();

        "momentum" [0.01]:
        new |a| Momentum::new(a) => momentum(0.9);
        new |a| Momentum::new(a).momentum(-0.4) => momentum(-0.4);
        torch |a| Momentum::torch(a) => momentum_torch(0.9, 0.0);
        torch |a| Momentum::torch(a).momentum(0.5).dampening(0.3) => momentum_torch(0.5, 0.3);

        "nesterov" [0.01]:
        new |a| Nesterov::new(a) => nesterov(0.9);
        new |a| Nesterov::new(a).momentum(-0.4) => nesterov(-0.4);
        torch |a| Nesterov::torch(a) => nesterov_torch(0.9);
        torch |a| Nesterov::torch(a).momentum(0.5) => nesterov_torch(0.5);

        "adagrad" [0.1]:
        new |a| AdaGrad::new(a) => adagrad(0.0, 1e-10);
        new |a| AdaGrad::new(a).epsilon(1e-2).initial_accumulator(0.3) => adagrad(0.3, 1e-2);
        keras |a| AdaGrad::keras(a) => adagrad_keras(0.1, 1e-7);
        keras |a| AdaGrad::keras(a).epsilon(0.1).initial_accumulator(0.0)
            => adagrad_keras(0.0, 0.1);
        optax |a| AdaGrad::optax(a) => adagrad_keras(0.1, 1e-7);
        optax |a| AdaGrad::optax(a).epsilon(1e-3).initial_accumulator(1.0)
            => adagrad_keras(1.0, 1e-3);

        "rmsprop" [0.01]:
        new |a| RmsProp::new(a) => rmsprop(0.0, 0.9, 1e-6);
        new |a| RmsProp::new(a).rho(0.6).epsilon(1e-2).initial_accumulator(0.5)
            => rmsprop(0.5, 0.6, 1e-2);
        torch |a| RmsProp::torch(a) => rmsprop_torch(0.0, 0.99, 1e-8);
        torch |a| RmsProp::torch(a).rho(0.7).epsilon(1e-2) => rmsprop_torch(0.0, 0.7, 1e-2);
        keras |a| RmsProp::keras(a) => rmsprop(0.0, 0.9, 1e-7);
        keras |a| RmsProp::keras(a).rho(0.99).epsilon(0.1) => rmsprop(0.0, 0.99, 0.1);
        optax |a| RmsProp::optax(a) => rmsprop(0.0, 0.9, 1e-8);
        optax |a| RmsProp::optax(a).rho(0.3).initial_accumulator(1.0) => rmsprop(1.0, 0.3, 1e-8);

        "rmsprop-momentum" [0.01]:
        new |a| RmsPropMomentum::new(a) => rmsprop_momentum(0.9, 0.9, 1e-6);
        new |a| RmsPropMomentum::new(a).momentum(-0.5).rho(0.7).epsilon(1e-2)
            => rmsprop_momentum(-0.5, 0.7, 1e-2);
        torch |a| RmsPropMomentum::torch(a) => rmsprop_momentum_torch(0.9, 0.99, 1e-8);
        torch |a| RmsPropMomentum::torch(a).momentum(0.5).rho(0.8).epsilon(1e-2)
            => rmsprop_momentum_torch(0.5, 0.8, 1e-2);
        keras |a| RmsPropMomentum::keras(a) => rmsprop_momentum(0.9, 0.9, 1e-7);
        keras |a| RmsPropMomentum::keras(a).momentum(0.3).rho(0.99).epsilon(0.1)
            => rmsprop_momentum(0.3, 0.99, 0.1);
        optax |a| RmsPropMomentum::optax(a) => rmsprop_momentum(0.9, 0.9, 1e-8);
        optax |a| RmsPropMomentum::optax(a).momentum(0.6).rho(0.95).epsilon(1e-4)
            => rmsprop_momentum(0.6, 0.95, 1e-4);

        "centered-rmsprop" [0.01]:
        new |a| CenteredRmsProp::new(a) => centered(0.9, 1e-6);
        new |a| CenteredRmsProp::new(a).rho(0.6).epsilon(1e-2) => centered(0.6, 1e-2);
        torch |a| CenteredRmsProp::torch(a) => centered_torch(0.99, 1e-8);
        torch |a| CenteredRmsProp::torch(a).rho(0.8).epsilon(0.1) => centered_torch(0.8, 0.1);
        keras |a| CenteredRmsProp::keras(a) => centered(0.9, 1e-7);
        keras |a| CenteredRmsProp::keras(a).rho(0.99).epsilon(1e-3) => centered(0.99, 1e-3);
        optax |a| CenteredRmsProp::optax(a) => centered(0.9, 1e-8);
        optax |a| CenteredRmsProp::optax(a).rho(0.95).epsilon(1e-4) => centered(0.95, 1e-4);

        "adadelta" [1.0]:
        new |_| AdaDelta::new() => adadelta(0.95, 1e-6);
        new |_| AdaDelta::new().rho(0.5).epsilon(1e-3) => adadelta(0.5, 1e-3);
        torch |a| AdaDelta::torch(a) => adadelta_torch(0.9, 1e-6);
        torch |a| AdaDelta::torch(a).rho(0.7).epsilon(0.1) => adadelta_torch(0.7, 0.1);
        keras |a| AdaDelta::keras(a) => adadelta_torch(0.95, 1e-7);
        keras |a| AdaDelta::keras(a).rho(0.99).epsilon(1e-3) => adadelta_torch(0.99, 1e-3);
        optax |a| AdaDelta::optax(a) => adadelta_torch(0.9, 1e-6);
        optax |a| AdaDelta::optax(a).rho(0.8).epsilon(1e-4) => adadelta_torch(0.8, 1e-4);

        "adam" [0.01]:
        new |a| Adam::new(a) => adam(0.9, 0.999, 1e-8, 0.0);
        new |a| Adam::new(a).beta1(0.8).beta2(0.95).epsilon(0.1) => adam(0.8, 0.95, 0.1, 0.0);
        new |a| Adam::new(a).beta1(0.0).epsilon_root(1e-3) => adam(0.0, 0.999, 1e-8, 1e-3);
        keras |a| Adam::keras(a) => adam_keras(0.9, 0.999, 1e-7);
        keras |a| Adam::keras(a).beta1(0.5).beta2(0.9).epsilon(1e-2) => adam_keras(0.5, 0.9, 1e-2);

        "adamw" [0.01]:
        new |a| AdamW::new(a) => decayed(adam(0.9, 0.999, 1e-8, 0.0), |lr| lr * 1e-2);
        new |a| AdamW::new(a).weight_decay(0.5).beta1(0.8).beta2(0.95).epsilon(0.1)
            => decayed(adam(0.8, 0.95, 0.1, 0.0), |lr| lr * 0.5);
        new |a| AdamW::new(a).decay(Decay::Relative(0.3))
            => decayed(adam(0.9, 0.999, 1e-8, 0.0), |lr| lr * 0.3);
        new |a| AdamW::new(a).decay(Decay::Scheduled { weight_decay: 0.02, base: 0.04 })
            => adamw_paper(0.9, 0.999, 1e-8, 0.02, 0.04);
        new |a| AdamW::new(a).decay(Decay::Absolute(0.03))
            => decayed(adam(0.9, 0.999, 1e-8, 0.0), |_| 0.03);
        optax |a| AdamW::optax(a) => decayed(adam(0.9, 0.999, 1e-8, 0.0), |lr| lr * 1e-4);
        optax |a| AdamW::optax(a).weight_decay(0.1).beta1(0.5).beta2(0.9).epsilon(1e-2)
            => decayed(adam(0.5, 0.9, 1e-2, 0.0), |lr| lr * 0.1);
        keras |a| AdamW::keras(a) => decayed(adam_keras(0.9, 0.999, 1e-7), |lr| lr * 4e-3);
        keras |a| AdamW::keras(a).weight_decay(0.1).beta1(0.5).beta2(0.9).epsilon(1e-2)
            => decayed(adam_keras(0.5, 0.9, 1e-2), |lr| lr * 0.1);
        paper |a| AdamW::paper(a, 0.01) => adamw_paper(0.9, 0.999, 1e-8, 1e-2, 0.01);
        paper |a| AdamW::paper(a, 0.05).beta1(0.8).beta2(0.95).epsilon(1e-2)
            => adamw_paper(0.8, 0.95, 1e-2, 1e-2, 0.05);

        "amsgrad" [0.01]:
        new |a| AmsGrad::new(a) => amsgrad(0.9, 0.999, 1e-8);
        new |a| AmsGrad::new(a).beta1(0.8).beta2(0.7).epsilon(0.1) => amsgrad(0.8, 0.7, 0.1);
        optax |a| AmsGrad::optax(a) => amsgrad_optax(0.9, 0.999, 1e-8);
        optax |a| AmsGrad::optax(a).beta1(0.5).beta2(0.5).epsilon(1e-2)
            => amsgrad_optax(0.5, 0.5, 1e-2);
        keras |a| AmsGrad::keras(a) => amsgrad_keras(0.9, 0.999, 1e-7);
        keras |a| AmsGrad::keras(a).beta1(0.8).beta2(0.9).epsilon(1e-2)
            => amsgrad_keras(0.8, 0.9, 1e-2);
        paper |a| AmsGrad::paper(a) => amsgrad_paper(0.9, 0.999, 1e-8);
        paper |a| AmsGrad::paper(a).beta1(0.0).beta2(0.8).epsilon(1e-3)
            => amsgrad_paper(0.0, 0.8, 1e-3);

        "adamax" [0.01]:
        new |a| AdaMax::new(a) => adamax(0.9, 0.999, 1e-8);
        new |a| AdaMax::new(a).beta1(0.8).beta2(0.6).epsilon(0.1) => adamax(0.8, 0.6, 0.1);
        keras |a| AdaMax::keras(a) => adamax_keras(0.9, 0.999, 1e-7);
        keras |a| AdaMax::keras(a).beta1(0.5).beta2(0.7).epsilon(0.1) => adamax_keras(0.5, 0.7, 0.1);

        "nadam" [0.01]:
        new |a| NAdam::new(a) => nadam(0.9, 0.999, 1e-8, 4e-3);
        new |a| NAdam::new(a).beta1(0.8).beta2(0.95).epsilon(0.1).momentum_decay(0.2)
            => nadam(0.8, 0.95, 0.1, 0.2);
        new |a| NAdam::new(a).beta1(0.99).momentum_decay(0.0) => nadam(0.99, 0.999, 1e-8, 0.0);
        keras |a| NAdam::keras(a) => nadam(0.9, 0.999, 1e-7, 1.0);
        keras |a| NAdam::keras(a).beta1(0.5).beta2(0.9).epsilon(1e-2) => nadam(0.5, 0.9, 1e-2, 1.0);
        optax |a| NAdam::optax(a) => nadam_optax(0.9, 0.999, 1e-8);
        optax |a| NAdam::optax(a).beta1(0.5).beta2(0.9).epsilon(1e-2)
            => nadam_optax(0.5, 0.9, 1e-2);

        "radam" [0.01]:
        new |a| RAdam::new(a) => radam(0.9, 0.999, 1e-8);
        new |a| RAdam::new(a).beta1(0.8).beta2(0.9).epsilon(0.1) => radam(0.8, 0.9, 0.1);
        new |a| RAdam::new(a).beta2(0.67) => radam(0.9, 0.67, 1e-8);
        new |a| RAdam::new(a).beta2(0.5) => radam(0.9, 0.5, 1e-8);
        optax |a| RAdam::optax(a) => radam_optax(0.9, 0.999, 1e-8);
        optax |a| RAdam::optax(a).beta1(0.5).beta2(0.95).epsilon(1e-2)
            => radam_optax(0.5, 0.95, 1e-2);

        "adabelief" [0.01]:
        new |a| AdaBelief::new(a) => adabelief(0.9, 0.999, 1e-16);
        new |a| AdaBelief::new(a).beta1(0.8).beta2(0.95).epsilon(1e-3)
            => adabelief(0.8, 0.95, 1e-3);

        "yogi" [0.01]:
        new |a| Yogi::new(a) => yogi(0.9, 0.999, 1e-3, 0.0);
        new |a| Yogi::new(a).beta1(0.8).beta2(0.93).epsilon(0.1).initial_accumulator(0.2)
            => yogi(0.8, 0.93, 0.1, 0.2);
        optax |a| Yogi::optax(a) => yogi(0.9, 0.999, 1e-3, 1e-6);
        optax |a| Yogi::optax(a).beta1(0.5).beta2(0.8).epsilon(1e-8) => yogi(0.5, 0.8, 1e-8, 1e-6);
        paper |a| Yogi::paper(a) => yogi_paper(0.9, 0.999, 1e-3);
        paper |a| Yogi::paper(a).beta1(0.5).beta2(0.8).epsilon(1e-2) => yogi_paper(0.5, 0.8, 1e-2);

        "lion" [0.001]:
        new |a| Lion::new(a) => lion(0.9, 0.99, |_| 0.0);
        new |a| Lion::new(a).beta1(0.5).beta2(0.7).weight_decay(0.5)
            => lion(0.5, 0.7, |lr| lr * 0.5);
        new |a| Lion::new(a).decay(Decay::Scheduled { weight_decay: 0.02, base: 0.004 })
            => lion(0.9, 0.99, |lr| lr / 0.004 * 0.02);
        new |a| Lion::new(a).decay(Decay::Absolute(0.03)) => lion(0.9, 0.99, |_| 0.03);
        optax |a| Lion::optax(a) => lion(0.9, 0.99, |lr| lr * 1e-3);
        optax |a| Lion::optax(a).beta1(0.95).beta2(0.98).weight_decay(0.1)
            => lion(0.95, 0.98, |lr| lr * 0.1);

        "lars" [0.3]:
        new |a| Lars::new(a) => lars(LARS, lars_ratio(0.0, 0.0));
        new |a| Lars::new(a).weight_decay(0.2).trust_coefficient(0.4).momentum(0.5).dampening(0.3)
            => lars(
                LarsNumbers { momentum: 0.5, dampening: 0.3, decay: 0.2, trust: 0.4, ..LARS },
                lars_ratio(0.2, 0.0),
            );
        new |a| Lars::new(a).trust_coefficient(0.1).nesterov(true)
            => lars(LarsNumbers { trust: 0.1, nesterov: true, ..LARS }, lars_ratio(0.0, 0.0));
        optax |a| Lars::optax(a) => lars(LARS, lars_ratio(0.0, 0.0));
        optax |a| Lars::optax(a).weight_decay(0.2).trust_coefficient(0.4).epsilon(0.5)
            => lars(
                LarsNumbers { decay: 0.2, trust: 0.4, ..LARS },
                |w, _, both| (w > 0.0 && both > 0.0).then(|| w / (both + 0.5)),
            );
        timm |a| Lars::timm(a) => lars(
            LarsNumbers { buffer: Buffer::OutsideFirstUndampened, ..LARS },
            |w, g, _| (w > 0.0 && g > 0.0).then(|| w / (g + 1e-8)),
        );
        timm |a| Lars::timm(a).weight_decay(0.2).dampening(0.4).nesterov(true).trust_clip(true)
            => lars(
                LarsNumbers {
                    dampening: 0.4,
                    decay: 0.2,
                    nesterov: true,
                    clip: true,
                    buffer: Buffer::OutsideFirstUndampened,
                    ..LARS
                },
                |w, g, _| (w > 0.0 && g > 0.0).then(|| w / (g + 0.2 * w + 1e-8)),
            );
        pytorch_optimizer |a| Lars::pytorch_optimizer(a)
            => lars(LarsNumbers { buffer: Buffer::Outside, ..LARS }, lars_ratio(0.0, 0.0));
        pytorch_optimizer |a| Lars::pytorch_optimizer(a).weight_decay(0.1).dampening(0.2)
            => lars(
                LarsNumbers {
                    dampening: 0.2,
                    decay: 0.1,
                    buffer: Buffer::Outside,
                    ..LARS
                },
                lars_ratio(0.1, 0.0),
            );

        "lamb" [0.01]:
        new |a| Lamb::new(a) => lamb(LAMB);
        new |a| Lamb::new(a).beta1(0.8).beta2(0.95).epsilon(0.1).epsilon_root(0.01)
            => lamb(LambNumbers { betas: [0.8, 0.95], eps: 0.1, root: 0.01, ..LAMB });
        new |a| Lamb::new(a).weight_decay(0.1).bias_correction(false).averaged(false)
            => lamb(LambNumbers { decay: 0.1, corrected: false, averaged: false, ..LAMB });
        new |a| Lamb::new(a).weight_decay(0.3).trust_clip(true)
            => lamb(LambNumbers { decay: 0.3, clip: true, ..LAMB });
        timm |a| Lamb::timm(a).clip_norm(1e30) => lamb(LambNumbers { decay: 1e-2, ..LAMB });
        timm |a| Lamb::timm(a).clip_norm(1e30).weight_decay(0.3).beta1(0.5)
            => lamb(LambNumbers { betas: [0.5, 0.999], decay: 0.3, ..LAMB });
        pytorch_optimizer |a| Lamb::pytorch_optimizer(a)
            => lamb_pytorch_optimizer([0.9, 0.999], 1e-6, 0.0);
        pytorch_optimizer |a| Lamb::pytorch_optimizer(a).beta2(0.9).epsilon(0.1).weight_decay(0.2)
            => lamb_pytorch_optimizer([0.9, 0.9], 0.1, 0.2);

        "schedule-free" [0.01]:
        new |a| ScheduleFreeAdamW::new(a)
            => schedule_free([0.9, 0.999], 1e-8, 0.0, 0.0, [0.0, 2.0]);
        new |a| ScheduleFreeAdamW::new(a).beta1(0.6).beta2(0.9).epsilon(0.1).weight_decay(0.3)
            => schedule_free([0.6, 0.9], 0.1, 0.3, 0.0, [0.0, 2.0]);
        new |a| ScheduleFreeAdamW::new(a).warmup(35).step_power(1.5).rate_power(0.5)
            => schedule_free([0.9, 0.999], 1e-8, 0.0, 35.0, [1.5, 0.5]);
        new |a| ScheduleFreeAdamW::new(a).rate_power(0.0)
            => schedule_free([0.9, 0.999], 1e-8, 0.0, 0.0, [0.0, 0.0]);
    }
}

const LARS: LarsNumbers = LarsNumbers {
    momentum: 0.9,
    dampening: 0.0,
    decay: 0.0,
    trust: 1e-3,
    nesterov: false,
    clip: false,
    buffer: Buffer::Inside,
};

const LAMB: LambNumbers = LambNumbers {
    betas: [0.9, 0.999],
    eps: 1e-6,
    root: 0.0,
    decay: 0.0,
    corrected: true,
    averaged: true,
    clip: false,
};
