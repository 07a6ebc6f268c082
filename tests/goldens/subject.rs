//! What of the crate corresponds to a case on a model of several leaves.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use thalweg::regularize::{AdaptiveClip, Decay, Units};
use thalweg::train::{Lookahead, Sam};
use thalweg::*;

use super::book::{self, Arguments};
use super::counterpart::{Rate, boxed};

pub type Model = BTreeMap<String, ArrayD<f64>>;

/// Track to step to leaf to its elements, row by row.
pub type Tracks = BTreeMap<String, BTreeMap<usize, BTreeMap<String, Vec<f64>>>>;
pub type Case = book::Case<Tracks>;

type Any = Box<dyn Optimizer<f64>>;

/// An optimizer, and what it can show beside the parameters.
pub enum Subject {
    Plain(Any),
    Averaging(Any),
    ScheduleFree(Box<ScheduleFreeAdamW<f64>>),
    ScheduleFreeSgd(Box<ScheduleFreeSgd<f64>>),
    Lookahead(Lookahead<f64, Any>),
    /// It takes gradients where it chooses: those of w⁴/4 - w²/2 + gw.
    Sam(Sam<f64, Any>),
}

use Subject::{Averaging, Plain};

impl Subject {
    fn optimizer(&mut self) -> &mut dyn Optimizer<f64> {
        match self {
            Plain(optimizer) | Averaging(optimizer) => optimizer,
            Subject::ScheduleFree(optimizer) => optimizer.as_mut(),
            Subject::ScheduleFreeSgd(optimizer) => optimizer.as_mut(),
            Subject::Lookahead(optimizer) => optimizer,
            Subject::Sam(optimizer) => optimizer,
        }
    }

    pub fn name(&mut self) -> String {
        let name = self.optimizer().name().to_owned();
        match self {
            Averaging(_) => format!("{name}, average"),
            Subject::Lookahead(outer) => format!("{name} of {}", outer.inner().name()),
            Subject::Sam(outer) => format!("{name} of {}", outer.inner().name()),
            _ => name,
        }
    }

    pub fn set_learning_rate(&mut self, rate: f64) {
        self.optimizer().set_learning_rate(rate).unwrap();
    }

    pub fn step(&mut self, w: &mut Model, g: &Model) {
        if let Subject::Sam(sam) = self {
            let there = |w: &Model| -> Model {
                let gradient = |(name, w): (&String, &ArrayD<f64>)| {
                    (name.clone(), w.mapv(|w| w * w * w - w) + &g[name])
                };
                w.iter().map(gradient).collect()
            };
            let here = there(w);
            sam.ascend(w, &here).unwrap();
            let nearby = there(w);
            sam.step(w, &nearby).unwrap();
        } else {
            self.optimizer().step(w, g).unwrap();
        }
    }

    /// The tracks as they are now.
    pub fn show(&mut self, w: &mut Model) -> BTreeMap<&'static str, Model> {
        let mut tracks = BTreeMap::from([("w", w.clone())]);
        match self {
            Plain(_) | Subject::Sam(_) => {}
            Averaging(optimizer) => {
                optimizer.swap_average(w).unwrap();
                tracks.insert("average", w.clone());
                optimizer.swap_average(w).unwrap();
                assert_eq!(&tracks["w"], w, "swapped to and fro");
            }
            Subject::ScheduleFree(optimizer) => {
                let mut x = w.clone();
                optimizer.settle_copy(&mut x).unwrap();
                tracks.insert("x", x);
            }
            Subject::ScheduleFreeSgd(optimizer) => {
                let mut x = w.clone();
                optimizer.settle_copy(&mut x).unwrap();
                tracks.insert("x", x);
            }
            Subject::Lookahead(outer) => {
                let leaves = outer.slow().unwrap().leaves();
                let slow = leaves.map(|(name, leaf)| (name.to_owned(), leaf.to_owned()));
                tracks.insert("slow", slow.collect());
            }
        }
        tracks
    }
}

/// What has the case's hyperparameters, or `None` where the crate has nothing like it.
///
/// With `late`, the learning rate that holds from step 31 on is part of the schedule.
pub fn subject(case: &Case, late: Option<f64>, w: &Model) -> Option<Subject> {
    let mut arguments = Arguments::of(case);
    let early = arguments.learning_rate();
    let rate = late.map_or(Rate::Constant(early), |late| Rate::Late(early, late));
    let a = &mut arguments;
    let sgd = || Sgd::<f64>::new(rate);
    let subject = match case.optimizer.as_str() {
        "optax.lars" => lars_optax(a, rate),
        "pytorch_optimizer.LARS" => lars_pytorch_optimizer(a, rate),
        "timm.optim.Lars" => lars_timm(a, rate),
        "optax.lamb" => {
            let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
            let (eps, root) = (a.number("eps"), a.number("eps_root"));
            let lamb = Lamb::new(rate).beta1(beta1).beta2(beta2).weight_decay(decay);
            Plain(boxed(lamb.epsilon(eps).epsilon_root(root)))
        }
        "pytorch_optimizer.Lamb" => lamb_pytorch_optimizer(a, rate)?,
        "timm.optim.Lamb" => lamb_timm(a, rate)?,
        "schedulefree.AdamWScheduleFree" => {
            let (warmup, step_power) = (a.number("warmup_steps"), a.number("r"));
            let free = schedule_free(a, rate).step_power(step_power);
            Subject::ScheduleFree(Box::new(free.warmup(warmup as u64)))
        }
        "optax.contrib.schedule_free_adamw" => {
            let warmup = a.number("warmup_steps");
            let free = schedule_free(a, rate);
            (warmup == 0.0).then_some(Subject::ScheduleFree(Box::new(free)))?
        }
        "schedulefree.SGDScheduleFree" => {
            let (warmup, step_power) = (a.number("warmup_steps"), a.number("r"));
            let momentum = a.number("momentum");
            let free = schedule_free_sgd(a, rate).momentum(momentum).step_power(step_power);
            Subject::ScheduleFreeSgd(Box::new(free.warmup(warmup as u64)))
        }
        "optax.contrib.schedule_free_sgd" => {
            let momentum = a.number("b1");
            Subject::ScheduleFreeSgd(Box::new(schedule_free_sgd(a, rate).momentum(momentum)))
        }
        "optax.fromage" => Plain(boxed(Fromage::optax(rate).min_norm(a.number("min_norm")))),
        "pytorch_optimizer.Fromage" => Plain(boxed(Fromage::new(rate))),
        "pytorch_optimizer.MARS" => {
            let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
            let mars = Mars::pytorch_optimizer(rate).beta1(beta1).beta2(beta2).weight_decay(decay);
            assert!(a.flag("optimize_1d"));
            Plain(boxed(mars.variance_reduction(a.number("gamma")).epsilon(a.number("eps"))))
        }
        "timm.optim.AdamWLegacy" => {
            let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
            let adamw = AdamW::new(rate).beta1(beta1).beta2(beta2).epsilon(a.number("eps"));
            Plain(boxed(adamw.weight_decay(decay).cautious(a.flag("caution"))))
        }
        "timm.optim.Lion" => {
            let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
            let lion = Lion::new(rate).beta1(beta1).beta2(beta2).weight_decay(decay);
            Plain(boxed(lion.cautious(a.flag("caution"))))
        }
        name if name.starts_with("optax.lookahead") => lookahead_optax(case, a, rate)?,
        name if name.starts_with("pytorch_optimizer.Lookahead") => {
            lookahead_pytorch_optimizer(case, a, rate)?
        }
        name if name.starts_with("pytorch_optimizer.SAM") => {
            let (rho, adaptive) = (a.number("rho"), a.flag("adaptive"));
            assert!(a.number("perturb_eps") <= 1e-12, "it does not show");
            Subject::Sam(Sam::new(torch(case, a, rate), rho).adaptive(adaptive))
        }
        "optax.ema" => {
            let average = Average::ema(a.number("decay")).debiased();
            a.flag("debias").then(|| Averaging(boxed(sgd().average(average))))?
        }
        "torch.optim.swa_utils.get_ema_multi_avg_fn" => {
            let average = Average::ema(a.number("decay")).start(a.number("from_step") as u64);
            Averaging(boxed(sgd().average(average)))
        }
        "torch.optim.swa_utils.AveragedModel" => {
            let average = Average::swa().start(a.number("from_step") as u64);
            Averaging(boxed(sgd().average(average)))
        }
        "optax.adaptive_grad_clip" => {
            let clip = AdaptiveClip::new(a.number("clipping")).epsilon(a.number("eps"));
            Plain(boxed(sgd().clip_adaptive(clip)))
        }
        "pytorch_optimizer.optimizer.agc.agc" => {
            assert!(a.number("eps") <= 1e-6, "below every limit of the case");
            let clip = AdaptiveClip::new(a.number("agc_clip_val")).epsilon(a.number("agc_eps"));
            Plain(boxed(sgd().clip_adaptive(clip.units(Units::FirstAxis))))
        }
        "optax.clip_by_global_norm" => Plain(boxed(sgd().clip_norm(a.number("max_norm")))),
        "torch.nn.utils.clip_grad_norm_" => {
            let limit = a.number("max_norm");
            let each = a.flag("per_leaf");
            Plain(boxed(if each { sgd().clip_leaf_norm(limit) } else { sgd().clip_norm(limit) }))
        }
        "optax.clip_by_block_rms" => {
            let threshold = a.number("threshold");
            // The limit of a leaf of n elements is √n times that.
            Plain(boxed(w.iter().fold(sgd(), |sgd, (name, leaf)| {
                let limit = threshold * (leaf.len() as f64).sqrt();
                sgd.group(name.as_str(), move |own| own.clip_leaf_norm(limit))
            })))
        }
        "optax.clip" => Plain(boxed(sgd().clip_value(a.number("max_delta")))),
        "torch.nn.utils.clip_grad_value_" => Plain(boxed(sgd().clip_value(a.number("clip_value")))),
        _ => return None,
    };
    arguments.assert_all_taken(case);
    Some(subject)
}

fn lars_optax(a: &mut Arguments, rate: Rate) -> Subject {
    let lars = Lars::optax(rate).momentum(a.number("momentum")).epsilon(a.number("eps"));
    let lars = lars.weight_decay(a.number("weight_decay")).nesterov(a.flag("nesterov"));
    Plain(boxed(lars.trust_coefficient(a.number("trust_coefficient"))))
}

fn lars_pytorch_optimizer(a: &mut Arguments, rate: Rate) -> Subject {
    let lars = Lars::pytorch_optimizer(rate).momentum(a.number("momentum"));
    let lars = lars.dampening(a.number("dampening")).nesterov(a.flag("nesterov"));
    let lars = lars.weight_decay(a.number("weight_decay"));
    let lars = lars.trust_coefficient(a.number("trust_coefficient"));
    // It leaves out all leaves of rank 1.
    let of_rank_one = |leaf: &str| ["bias", "gain"].contains(&leaf);
    Plain(boxed(lars.group(of_rank_one, |own| own.weight_decay(0.0).adapted(false))))
}

fn lars_timm(a: &mut Arguments, rate: Rate) -> Subject {
    let (decay, always) = (a.number("weight_decay"), a.flag("always_adapt"));
    let lars = Lars::timm(rate).momentum(a.number("momentum")).dampening(a.number("dampening"));
    let lars = lars.weight_decay(decay).adapted(always || decay != 0.0);
    let lars = lars.nesterov(a.flag("nesterov")).trust_clip(a.flag("trust_clip"));
    Plain(boxed(lars.trust_coefficient(a.number("trust_coeff")).epsilon(a.number("eps"))))
}

fn lamb_pytorch_optimizer(a: &mut Arguments, rate: Rate) -> Option<Subject> {
    let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
    let (decoupled, fixed) = (a.flag("weight_decouple"), a.flag("fixed_decay"));
    let lamb = Lamb::pytorch_optimizer(rate).beta1(beta1).beta2(beta2).epsilon(a.number("eps"));
    let lamb = lamb.averaged(a.flag("grad_averaging"));
    let lamb = lamb.bias_correction(!a.flag("adam_debias")).adapted(!a.flag("adam"));
    let lamb = match (decoupled, fixed) {
        (true, false) => lamb.decoupled_decay(Decay::Relative(decay)),
        (true, true) => lamb.decoupled_decay(Decay::Absolute(decay)),
        (false, _) => lamb.weight_decay(decay),
    };
    Some(Plain(boxed(lamb)))
}

fn lamb_timm(a: &mut Arguments, rate: Rate) -> Option<Subject> {
    let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
    let (decoupled, always) = (a.flag("decoupled_decay"), a.flag("always_adapt"));
    let lamb = match a.optional("max_grad_norm") {
        Some(limit) => Lamb::timm(rate).clip_norm(limit),
        None => Lamb::new(rate),
    };
    let lamb = lamb.beta1(beta1).beta2(beta2).epsilon(a.number("eps"));
    let lamb = lamb.bias_correction(a.flag("bias_correction")).averaged(a.flag("grad_averaging"));
    let lamb = lamb.trust_clip(a.flag("trust_clip")).adapted(always || decay != 0.0);
    let lamb = if decoupled {
        lamb.weight_decay(0.0).decoupled_decay(Decay::Relative(decay))
    } else {
        lamb.weight_decay(decay)
    };
    (!a.flag("caution")).then(|| Plain(boxed(lamb)))
}

fn schedule_free(a: &mut Arguments, rate: Rate) -> ScheduleFreeAdamW<f64> {
    let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
    let free = ScheduleFreeAdamW::new(rate).beta1(beta1).beta2(beta2).epsilon(a.number("eps"));
    free.weight_decay(decay).rate_power(a.number("weight_lr_power"))
}

fn schedule_free_sgd(a: &mut Arguments, rate: Rate) -> ScheduleFreeSgd<f64> {
    let (decay, power) = (a.number("weight_decay"), a.number("weight_lr_power"));
    ScheduleFreeSgd::new(rate).weight_decay(decay).rate_power(power)
}

fn lookahead_optax(case: &Case, a: &mut Arguments, rate: Rate) -> Option<Subject> {
    let (period, alpha) = (a.number("sync_period"), a.number("slow_step_size"));
    let reset = a.flag("reset_state");
    let inner = if case.optimizer.ends_with("(optax.sgd)") {
        assert!(!a.flag("nesterov"));
        sgd(rate, a.number("momentum"))
    } else {
        let ((beta1, beta2), eps) = (a.betas(), a.number("eps"));
        boxed(Adam::new(rate).beta1(beta1).beta2(beta2).epsilon(eps))
    };
    (!reset).then(|| lookahead(inner, period, alpha))
}

fn lookahead_pytorch_optimizer(case: &Case, a: &mut Arguments, rate: Rate) -> Option<Subject> {
    let (period, alpha) = (a.number("k"), a.number("alpha"));
    let of_sgd = case.optimizer.ends_with("(torch.optim.SGD)");
    let keeps = !of_sgd || a.text("pullback_momentum") == "none";
    let inner = torch(case, a, rate);
    keeps.then(|| lookahead(inner, period, alpha))
}

fn lookahead(inner: Any, period: f64, alpha: f64) -> Subject {
    Subject::Lookahead(Lookahead::new(inner).period(period as u64).alpha(alpha))
}

fn sgd(rate: Rate, momentum: f64) -> Any {
    if momentum == 0.0 {
        boxed(Sgd::new(rate))
    } else {
        boxed(Momentum::torch(rate).momentum(momentum))
    }
}

/// The optimizer of torch that a case has inside.
fn torch(case: &Case, a: &mut Arguments, rate: Rate) -> Any {
    if case.optimizer.ends_with("(torch.optim.SGD)") {
        assert!(!a.flag("nesterov") && a.number("weight_decay") == 0.0);
        sgd(rate, a.number("momentum"))
    } else {
        let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
        let adamw = AdamW::new(rate).beta1(beta1).beta2(beta2).epsilon(a.number("eps"));
        boxed(adamw.weight_decay(decay))
    }
}
