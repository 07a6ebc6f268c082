//! The optimizer of the crate that corresponds to a case of a library.

use thalweg::regularize::{Decay, Penalty};
use thalweg::*;

use super::book::{Arguments, Case};

/// A library's learning rate.
#[derive(Debug, Clone, Copy)]
pub enum Rate {
    Constant(f64),
    /// Another from step 31 on.
    Late(f64, f64),
    /// Torch's `lr_decay`: lr / (1 + (t-1)·decay).
    Inverse(f64, f64),
}

impl From<Rate> for Schedule {
    fn from(rate: Rate) -> Self {
        match rate {
            Rate::Constant(rate) => rate.into(),
            Rate::Late(early, late) => {
                Schedule::from(move |step: u64| if step <= 30 { early } else { late })
            }
            Rate::Inverse(rate, decay) => {
                Schedule::from(move |step: u64| rate / (1.0 + (step - 1) as f64 * decay))
            }
        }
    }
}

impl Rate {
    /// That rate times a factor.
    fn scaled(self, factor: f64) -> Self {
        match self {
            Rate::Constant(rate) => Rate::Constant(rate * factor),
            Rate::Late(early, late) => Rate::Late(early * factor, late * factor),
            Rate::Inverse(rate, decay) => Rate::Inverse(rate * factor, decay),
        }
    }
}

type Counterpart = Option<Box<dyn Optimizer<f64>>>;

/// The optimizer with the case's hyperparameters, or `None` where the crate has none.
///
/// With `late`, the learning rate that holds from step 31 on is part of the schedule.
pub fn counterpart(case: &Case, late: Option<f64>) -> Counterpart {
    let mut arguments = Arguments::of(case);
    let early = arguments.learning_rate();
    let rate = late.map_or(Rate::Constant(early), |late| Rate::Late(early, late));
    let a = &mut arguments;
    let counterpart = match case.optimizer.as_str() {
        "torch.optim.SGD" | "keras.optimizers.SGD" | "optax.sgd" => sgd(case, a, rate),
        "torch.optim.Adagrad" | "keras.optimizers.Adagrad" | "optax.adagrad" => {
            adagrad(case, a, rate, early)
        }
        "torch.optim.RMSprop" => rmsprop_torch(a, rate),
        "keras.optimizers.RMSprop" => rmsprop_keras(a, rate),
        "optax.rmsprop" => rmsprop_optax(a, rate),
        "torch.optim.Adadelta" | "keras.optimizers.Adadelta" | "optax.adadelta" => {
            adadelta(case, a, rate)
        }
        "torch.optim.Adam" => adam_torch(a, rate),
        "keras.optimizers.Adam" => adam_keras(a, rate),
        "optax.adam" => {
            let ((beta1, beta2), eps, root) = (a.betas(), a.number("eps"), a.number("eps_root"));
            let adam = Adam::new(rate).beta1(beta1).beta2(beta2);
            some(adam.epsilon(eps).epsilon_root(root))
        }
        "torch.optim.AdamW" | "keras.optimizers.AdamW" | "optax.adamw" => adamw(case, a, rate),
        "optax.amsgrad" => amsgrad_optax(a, rate),
        "torch.optim.Adamax" | "optax.adamax" => {
            let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
            some(AdaMax::new(rate).beta1(beta1).beta2(beta2).epsilon(eps))
        }
        "optax.adamaxw" => {
            let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
            let adamax = AdaMax::new(rate).beta1(beta1).beta2(beta2).epsilon(eps);
            some(adamax.decoupled_decay(Decay::Relative(a.number("weight_decay"))))
        }
        "keras.optimizers.Adamax" => {
            let ((beta1, beta2), eps) = (a.betas(), a.number("epsilon"));
            some(AdaMax::keras(rate).beta1(beta1).beta2(beta2).epsilon(eps))
        }
        "torch.optim.NAdam" => nadam_torch(a, rate),
        "keras.optimizers.Nadam" => {
            let ((beta1, beta2), eps) = (a.betas(), a.number("epsilon"));
            some(NAdam::keras(rate).beta1(beta1).beta2(beta2).epsilon(eps))
        }
        "optax.nadam" => {
            let ((beta1, beta2), eps, root) = (a.betas(), a.number("eps"), a.number("eps_root"));
            let nadam = NAdam::optax(rate).beta1(beta1).beta2(beta2).epsilon(eps);
            (root == 0.0).then(|| boxed(nadam))
        }
        "optax.nadamw" => {
            let ((beta1, beta2), eps, root) = (a.betas(), a.number("eps"), a.number("eps_root"));
            let nadam = NAdam::optax(rate).beta1(beta1).beta2(beta2).epsilon(eps);
            let nadam = nadam.decoupled_decay(Decay::Relative(a.number("weight_decay")));
            (root == 0.0).then(|| boxed(nadam))
        }
        "torch.optim.RAdam" => {
            let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
            some(RAdam::new(rate).beta1(beta1).beta2(beta2).epsilon(eps))
        }
        "optax.radam" => radam_optax(a, rate),
        "optax.adabelief" => adabelief_optax(a, rate),
        "adabelief_pytorch.AdaBelief" | "pytorch_optimizer.AdaBelief" => adabelief(case, a, rate),
        "optax.yogi" | "optax.scale_by_yogi" => {
            let ((beta1, beta2), eps, root) = (a.betas(), a.number("eps"), a.number("eps_root"));
            let initial = a.number("initial_accumulator_value");
            let yogi = Yogi::optax(rate).beta1(beta1).beta2(beta2).epsilon(eps);
            (root == 0.0).then(|| boxed(yogi.initial_accumulator(initial)))
        }
        "pytorch_optimizer.Yogi" => {
            let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
            let (initial, decay) = (a.number("initial_accumulator"), a.number("weight_decay"));
            let yogi = Yogi::optax(rate).beta1(beta1).beta2(beta2).epsilon(eps);
            some(yogi.initial_accumulator(initial).decoupled_decay(Decay::Relative(decay)))
        }
        "optax.lion" | "keras.optimizers.Lion" | "pytorch_optimizer.Lion" => {
            let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
            some(Lion::new(rate).beta1(beta1).beta2(beta2).weight_decay(decay))
        }
        "lion_pytorch.Lion" => {
            let ((beta1, beta2), weight_decay) = (a.betas(), a.number("weight_decay"));
            let decay = if a.flag("decoupled_weight_decay") {
                Decay::Scheduled { weight_decay, base: early }
            } else {
                Decay::Relative(weight_decay)
            };
            some(Lion::new(rate).beta1(beta1).beta2(beta2).decay(decay))
        }
        "optax.sign_sgd" => some(SignSgd::new(rate)),
        "optax.signum" => some(Signum::new(rate).momentum(a.number("beta"))),
        "torch.optim.Rprop" => {
            let [shrink, growth] = a.numbers("etas");
            let [least, largest] = a.numbers("step_sizes");
            let rprop = Rprop::new(rate).shrink_factor(shrink).growth_factor(growth);
            some(rprop.smallest_step(least).largest_step(largest))
        }
        "keras.optimizers.Ftrl" => ftrl_keras(a, rate),
        "optax.optimistic_gradient_descent" => {
            let (alpha, beta) = (a.number("alpha"), a.number("beta"));
            some(OptimisticGradient::new(rate.scaled(alpha)).optimism(beta / alpha))
        }
        "optax.optimistic_adam_v2" => {
            let (alpha, beta, root) = (a.number("alpha"), a.number("beta"), a.number("eps_root"));
            let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
            let adam = OptimisticAdam::new(rate.scaled(alpha)).optimism(beta / alpha);
            let adam = adam.beta1(beta1).beta2(beta2).epsilon(eps).nesterov(a.flag("nesterov"));
            (root == 0.0).then(|| boxed(adam))
        }
        "optax.adan" => None,
        "pytorch_optimizer.Adan" => {
            let ([beta1, beta2, beta3], eps) = (a.numbers("betas"), a.number("eps"));
            let (decay, decoupled) = (a.number("weight_decay"), a.flag("weight_decouple"));
            let adan = Adan::new(rate).beta1(beta1).beta2(beta2).beta3(beta3).epsilon(eps);
            some(adan.weight_decay(decay).proximal(!decoupled))
        }
        "optax.contrib.ademamix" | "pytorch_optimizer.AdEMAMix" => ademamix(case, a, rate),
        "optax.contrib.adopt" => {
            let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
            let adopt = Adopt::new(rate).beta1(beta1).beta2(beta2).epsilon(eps);
            (!a.flag("nesterov")).then(|| boxed(adopt))
        }
        // Its weights are computed in single precision.
        "optax.contrib.madgrad" => None,
        "pytorch_optimizer.MADGRAD" => {
            let (momentum, decay) = (a.number("momentum"), a.number("weight_decay"));
            let madgrad = Madgrad::new(rate).momentum(momentum).epsilon(a.number("eps"));
            Some(decayed(madgrad, decay, false))
        }
        other => panic!("no counterpart of {other}: add one, or a row to NOT_OURS"),
    };
    if counterpart.is_some() {
        arguments.assert_all_taken(case);
    }
    counterpart
}

pub fn boxed<R: Rule<f64>>(optimizer: Elementwise<f64, R>) -> Box<dyn Optimizer<f64>> {
    Box::new(optimizer)
}

fn some<R: Rule<f64>>(optimizer: Elementwise<f64, R>) -> Counterpart {
    Some(boxed(optimizer))
}

fn sgd(case: &Case, a: &mut Arguments, rate: Rate) -> Counterpart {
    let keras = case.optimizer.starts_with("keras");
    let (momentum, nesterov) = (a.number("momentum"), a.flag("nesterov"));
    let decay = if case.optimizer == "optax.sgd" { 0.0 } else { a.number("weight_decay") };
    let dampening = if case.optimizer == "torch.optim.SGD" { a.number("dampening") } else { 0.0 };
    Some(match (momentum != 0.0, nesterov, keras) {
        (false, ..) => decayed(Sgd::new(rate), decay, keras),
        (true, false, true) => decayed(Momentum::new(rate).momentum(momentum), decay, keras),
        (true, false, false) => {
            let torch = Momentum::torch(rate).momentum(momentum);
            decayed(torch.dampening(dampening), decay, keras)
        }
        (true, true, true) => decayed(Nesterov::new(rate).momentum(momentum), decay, keras),
        (true, true, false) => decayed(Nesterov::torch(rate).momentum(momentum), decay, keras),
    })
}

fn decayed<R: Rule<f64>>(
    optimizer: Elementwise<f64, R>,
    decay: f64,
    decoupled: bool,
) -> Box<dyn Optimizer<f64>> {
    boxed(if decoupled {
        optimizer.decoupled_decay(Decay::Relative(decay))
    } else {
        optimizer.penalty(Penalty::l2(decay))
    })
}

fn adagrad(case: &Case, a: &mut Arguments, rate: Rate, early: f64) -> Counterpart {
    let initial = a.number("initial_accumulator_value");
    if case.optimizer == "torch.optim.Adagrad" {
        let (eps, decay) = (a.number("eps"), a.number("lr_decay"));
        let rate = if decay == 0.0 { rate } else { Rate::Inverse(early, decay) };
        return some(AdaGrad::new(rate).epsilon(eps).initial_accumulator(initial));
    }
    let optimizer = if case.optimizer == "optax.adagrad" {
        AdaGrad::optax(rate).epsilon(a.number("eps"))
    } else {
        AdaGrad::keras(rate).epsilon(a.number("epsilon"))
    };
    some(optimizer.initial_accumulator(initial))
}

fn rmsprop_torch(a: &mut Arguments, rate: Rate) -> Counterpart {
    let (rho, eps) = (a.number("alpha"), a.number("eps"));
    let (momentum, centered) = (a.number("momentum"), a.flag("centered"));
    match (momentum != 0.0, centered) {
        (false, false) => some(RmsProp::torch(rate).rho(rho).epsilon(eps)),
        (false, true) => some(CenteredRmsProp::torch(rate).rho(rho).epsilon(eps)),
        (true, false) => {
            some(RmsPropMomentum::torch(rate).rho(rho).epsilon(eps).momentum(momentum))
        }
        (true, true) => None,
    }
}

fn rmsprop_keras(a: &mut Arguments, rate: Rate) -> Counterpart {
    let (rho, eps) = (a.number("rho"), a.number("epsilon"));
    let (momentum, centered) = (a.number("momentum"), a.flag("centered"));
    match (momentum != 0.0, centered) {
        (false, false) => some(RmsProp::keras(rate).rho(rho).epsilon(eps)),
        (false, true) => some(CenteredRmsProp::keras(rate).rho(rho).epsilon(eps)),
        (true, false) => {
            some(RmsPropMomentum::keras(rate).rho(rho).epsilon(eps).momentum(momentum))
        }
        (true, true) => None,
    }
}

fn rmsprop_optax(a: &mut Arguments, rate: Rate) -> Counterpart {
    let (rho, eps, initial) = (a.number("decay"), a.number("eps"), a.number("initial_scale"));
    let (momentum, centered) = (a.number("momentum"), a.flag("centered"));
    let (inside, nesterov) = (a.flag("eps_in_sqrt"), a.flag("nesterov"));
    if a.flag("bias_correction") || nesterov {
        return None;
    }
    match (momentum != 0.0, centered, inside) {
        (false, false, true) => {
            some(RmsProp::optax(rate).rho(rho).epsilon(eps).initial_accumulator(initial))
        }
        // Without the root, ε stands where torch has it.
        (false, false, false) => {
            some(RmsProp::torch(rate).rho(rho).epsilon(eps).initial_accumulator(initial))
        }
        (false, true, true) => some(CenteredRmsProp::optax(rate).rho(rho).epsilon(eps)),
        (false, true, false) => some(CenteredRmsProp::torch(rate).rho(rho).epsilon(eps)),
        (true, false, true) => {
            some(RmsPropMomentum::optax(rate).rho(rho).epsilon(eps).momentum(momentum))
        }
        (true, ..) => None,
    }
}

fn adadelta(case: &Case, a: &mut Arguments, rate: Rate) -> Counterpart {
    let rho = a.number("rho");
    some(match case.optimizer.as_str() {
        "torch.optim.Adadelta" => AdaDelta::torch(rate).rho(rho).epsilon(a.number("eps")),
        "keras.optimizers.Adadelta" => AdaDelta::keras(rate).rho(rho).epsilon(a.number("epsilon")),
        _ => {
            let penalty = Penalty::l2(a.number("weight_decay"));
            AdaDelta::optax(rate).rho(rho).epsilon(a.number("eps")).penalty(penalty)
        }
    })
}

fn adam_torch(a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
    let penalty = Penalty::l2(a.number("weight_decay"));
    if a.flag("amsgrad") {
        some(AmsGrad::new(rate).beta1(beta1).beta2(beta2).epsilon(eps).penalty(penalty))
    } else {
        some(Adam::new(rate).beta1(beta1).beta2(beta2).epsilon(eps).penalty(penalty))
    }
}

fn adam_keras(a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), eps) = (a.betas(), a.number("epsilon"));
    let (decay, amsgrad) = (a.number("weight_decay"), a.flag("amsgrad"));
    if decay != 0.0 {
        None
    } else if amsgrad {
        some(AmsGrad::keras(rate).beta1(beta1).beta2(beta2).epsilon(eps))
    } else {
        some(Adam::keras(rate).beta1(beta1).beta2(beta2).epsilon(eps))
    }
}

fn adamw(case: &Case, a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
    let library = case.optimizer.as_str();
    let eps = a.number(if library.starts_with("keras") { "epsilon" } else { "eps" });
    if library != "optax.adamw" && a.flag("amsgrad") {
        let amsgrad =
            if library.starts_with("keras") { AmsGrad::keras(rate) } else { AmsGrad::new(rate) };
        let amsgrad = amsgrad.beta1(beta1).beta2(beta2).epsilon(eps);
        return some(amsgrad.decoupled_decay(Decay::Relative(decay)));
    }
    let adamw = match library {
        "torch.optim.AdamW" => AdamW::new(rate),
        "keras.optimizers.AdamW" => AdamW::keras(rate),
        _ => {
            if a.number("eps_root") != 0.0 {
                return None;
            }
            AdamW::optax(rate)
        }
    };
    some(adamw.beta1(beta1).beta2(beta2).epsilon(eps).weight_decay(decay))
}

fn amsgrad_optax(a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), eps, root) = (a.betas(), a.number("eps"), a.number("eps_root"));
    let amsgrad = match (a.flag("bias_correction_mu"), a.flag("bias_correction_nu")) {
        (true, true) => AmsGrad::optax(rate),
        (false, false) => AmsGrad::paper(rate),
        _ => return None,
    };
    (root == 0.0).then(|| boxed(amsgrad.beta1(beta1).beta2(beta2).epsilon(eps)))
}

fn nadam_torch(a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
    let (momentum_decay, decay) = (a.number("momentum_decay"), a.number("weight_decay"));
    let decoupled = a.flag("decoupled_weight_decay");
    let nadam = NAdam::new(rate).beta1(beta1).beta2(beta2).epsilon(eps);
    let nadam = nadam.momentum_decay(momentum_decay);
    Some(decayed(nadam, decay, decoupled))
}

fn radam_optax(a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), eps, root) = (a.betas(), a.number("eps"), a.number("eps_root"));
    let (threshold, nesterov) = (a.number("threshold"), a.flag("nesterov"));
    let radam = RAdam::optax(rate).beta1(beta1).beta2(beta2).epsilon(eps);
    (root == 0.0 && threshold == 5.0 && !nesterov).then(|| boxed(radam))
}

/// Optax names the ε of the state and that of the root apart; the crate's, as the paper's, is one.
fn adabelief_optax(a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), eps, root) = (a.betas(), a.number("eps"), a.number("eps_root"));
    let nesterov = a.flag("nesterov");
    let adabelief = AdaBelief::new(rate).beta1(beta1).beta2(beta2).epsilon(eps);
    (root == eps && !nesterov).then(|| boxed(adabelief))
}

fn adabelief(case: &Case, a: &mut Arguments, rate: Rate) -> Counterpart {
    let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
    let (decay, decoupled) = (a.number("weight_decay"), a.flag("weight_decouple"));
    let mut other = a.flag("rectify");
    let mut fixed = false;
    if case.optimizer == "adabelief_pytorch.AdaBelief" {
        // How to do without the rectification says nothing where there is none.
        a.flag("degenerated_to_sgd");
        other |= a.flag("amsgrad");
        fixed = a.flag("fixed_decay");
    } else {
        other |= a.flag("ams_bound");
    }
    let adabelief = AdaBelief::new(rate).beta1(beta1).beta2(beta2).epsilon(eps);
    let adabelief = match (decoupled, fixed) {
        (false, _) => adabelief.penalty(Penalty::l2(decay)),
        (true, false) => adabelief.decoupled_decay(Decay::Relative(decay)),
        (true, true) => adabelief.decoupled_decay(Decay::Absolute(decay)),
    };
    (!other).then(|| boxed(adabelief))
}

/// Keras's strengths are those of w², without the ½.
fn ftrl_keras(a: &mut Arguments, rate: Rate) -> Counterpart {
    assert_eq!(a.number("learning_rate_power"), -0.5);
    let ftrl = Ftrl::keras(rate).l1(a.number("l1_regularization_strength"));
    let ftrl = ftrl.l2(2.0 * a.number("l2_regularization_strength")).beta(a.number("beta"));
    let ftrl = ftrl.shrinkage(2.0 * a.number("l2_shrinkage_regularization_strength"));
    some(ftrl.initial_accumulator(a.number("initial_accumulator_value")))
}

fn ademamix(case: &Case, a: &mut Arguments, rate: Rate) -> Counterpart {
    let optimizer = AdEmaMix::new(rate).mixture(a.number("alpha")).epsilon(a.number("eps"));
    let decay = a.number("weight_decay");
    if case.optimizer.starts_with("optax") {
        assert_eq!(a.number("eps_root"), 0.0);
        let ((beta1, beta2), beta3) = (a.betas(), a.number("b3"));
        return some(optimizer.beta1(beta1).beta2(beta2).beta3(beta3).weight_decay(decay));
    }
    let ([beta1, beta2, beta3], decoupled) = (a.numbers("betas"), a.flag("weight_decouple"));
    let warmup = a.number("t_alpha_beta3") as u64;
    let optimizer = optimizer.beta1(beta1).beta2(beta2).beta3(beta3).warmup(warmup);
    Some(decayed(optimizer, decay, decoupled))
}
