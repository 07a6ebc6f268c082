//! What looks at the whole tree, or at the loss: the file `trees.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use thalweg::regularize::Penalty;
use thalweg::*;

use super::book::load;
use super::leaves::{Problem, TOLERANCE};
use super::parity::Measured;

#[derive(Deserialize)]
struct Book {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    library: String,
    version: String,
    optimizer: String,
    arguments: Map<String, Value>,
    /// Step to leaf to its elements, row by row.
    checkpoints: BTreeMap<usize, BTreeMap<String, Vec<f64>>>,
}

/// As `generate_trees.py`.
fn loss(t: usize) -> f64 {
    let t = t as f64;
    2.0 + t.sin() + 10.0 / t
}

/// The arguments, each to be taken once: one that is left over was overlooked.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn number(&mut self, name: &str, default: f64) -> f64 {
        match self.0.remove(name) {
            Some(Value::String(text)) if text == "inf" => f64::INFINITY,
            Some(value) => value.as_f64().unwrap(),
            None => default,
        }
    }

    fn flag(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some_and(|value| value.as_bool().unwrap())
    }

    fn pair(&mut self, name: &str, default: [f64; 2]) -> [f64; 2] {
        match self.0.remove(name) {
            Some(value) => [0, 1].map(|i| value[i].as_f64().unwrap()),
            None => default,
        }
    }
}

/// What of the crate corresponds to a case.
fn ours(case: &Case) -> Box<dyn Optimizer<f64>> {
    let mut a = Arguments(case.arguments.clone());
    let optimizer: Box<dyn Optimizer<f64>> = match case.optimizer.as_str() {
        "prodigyopt.Prodigy" => {
            let [beta1, beta2] = a.pair("betas", [0.9, 0.999]);
            a.flag("decouple");
            Box::new(
                Prodigy::new(a.number("lr", 1.0))
                    .beta1(beta1)
                    .beta2(beta2)
                    .epsilon(a.number("eps", 1e-8))
                    .weight_decay(a.number("weight_decay", 0.0))
                    .initial_estimate(a.number("d0", 1e-6))
                    .estimate_factor(a.number("d_coef", 1.0))
                    .growth_rate(a.number("growth_rate", f64::INFINITY))
                    .bias_correction(a.flag("use_bias_correction"))
                    .safeguard_warmup(a.flag("safeguard_warmup")),
            )
        }
        "optax.contrib.prodigy" => {
            let [beta1, beta2] = a.pair("betas", [0.9, 0.999]);
            Box::new(
                Prodigy::optax(a.number("learning_rate", 0.1))
                    .beta1(beta1)
                    .beta2(beta2)
                    .epsilon(a.number("eps", 1e-8))
                    .initial_estimate(a.number("estim_lr0", 1e-6))
                    .weight_decay(a.number("weight_decay", 0.0)),
            )
        }
        "dadaptation.DAdaptAdam" => {
            let [beta1, beta2] = a.pair("betas", [0.9, 0.999]);
            a.flag("decouple");
            Box::new(
                DAdaptAdam::new(a.number("lr", 1.0))
                    .beta1(beta1)
                    .beta2(beta2)
                    .epsilon(a.number("eps", 1e-8))
                    .weight_decay(a.number("weight_decay", 0.0))
                    .initial_estimate(a.number("d0", 1e-6))
                    .growth_rate(a.number("growth_rate", f64::INFINITY))
                    .bias_correction(a.flag("use_bias_correction")),
            )
        }
        "optax.contrib.dadapt_adamw" => {
            let [beta1, beta2] = a.pair("betas", [0.9, 0.999]);
            Box::new(
                DAdaptAdam::optax(a.number("learning_rate", 1.0))
                    .beta1(beta1)
                    .beta2(beta2)
                    .epsilon(a.number("eps", 1e-8))
                    .initial_estimate(a.number("estim_lr0", 1e-6)),
            )
        }
        "dog.DoG" => Box::new(
            DoG::new(a.number("lr", 1.0))
                .initial_distance(a.number("reps_rel", 1e-6))
                .epsilon(a.number("eps", 1e-8))
                .penalty(Penalty::l2(a.number("weight_decay", 0.0))),
        ),
        "dog.LDoG" => Box::new(
            LDoG::new(a.number("lr", 1.0))
                .initial_distance(a.number("reps_rel", 1e-6))
                .epsilon(a.number("eps", 1e-8)),
        ),
        "optax.contrib.dog" => {
            let share = a.0.remove("init_step").map_or(1e-6, |value| value[1].as_f64().unwrap());
            Box::new(
                DoG::new(a.number("learning_rate", 1.0))
                    .initial_distance(share)
                    .epsilon(a.number("eps", 1e-8)),
            )
        }
        "optax.contrib.dowg" => Box::new(
            DoWG::new(a.number("learning_rate", 1.0))
                .initial_square(a.number("init_estim_sq_dist", 1e-4))
                .epsilon(a.number("eps", 1e-4)),
        ),
        "optax.polyak_sgd" => {
            // The two variants differ where the loss is below f* alone.
            a.0.remove("variant");
            let largest = a.number("max_learning_rate", 1.0);
            Box::new(
                PolyakStep::optax(a.number("scaling", 1.0), largest)
                    .lower_bound(a.number("f_min", 0.0))
                    .epsilon(a.number("eps", 0.0)),
            )
        }
        "momo.Momo" => Box::new(
            MoMo::new(a.number("lr", 1.0))
                .momentum(a.number("beta", 0.9))
                .weight_decay(a.number("weight_decay", 0.0))
                .lower_bound(a.number("lb", 0.0))
                .bias_correction(a.flag("bias_correction"))
                .estimate_bound(a.flag("use_fstar")),
        ),
        "momo.MomoAdam" => {
            let [beta1, beta2] = a.pair("betas", [0.9, 0.999]);
            Box::new(
                MoMoAdam::new(a.number("lr", 1e-2))
                    .beta1(beta1)
                    .beta2(beta2)
                    .epsilon(a.number("eps", 1e-8))
                    .weight_decay(a.number("weight_decay", 0.0))
                    .lower_bound(a.number("lb", 0.0))
                    .estimate_bound(a.flag("use_fstar")),
            )
        }
        "optax.contrib.momo" => Box::new(MoMo::new(a.number("learning_rate", 1.0))),
        "optax.contrib.momo_adam" => Box::new(MoMoAdam::new(a.number("learning_rate", 1e-2))),
        "optax.novograd" => Box::new(
            NovoGrad::optax(a.number("learning_rate", 1e-2))
                .beta1(a.number("b1", 0.9))
                .beta2(a.number("b2", 0.25))
                .epsilon(a.number("eps", 1e-6))
                .weight_decay(a.number("weight_decay", 0.0)),
        ),
        "pytorch_optimizer.NovoGrad" => {
            let [beta1, beta2] = a.pair("betas", [0.95, 0.98]);
            Box::new(
                NovoGrad::pytorch_optimizer(a.number("lr", 1e-3))
                    .beta1(beta1)
                    .beta2(beta2)
                    .epsilon(a.number("eps", 1e-8))
                    .weight_decay(a.number("weight_decay", 0.0))
                    .averaged(a.flag("grad_averaging")),
            )
        }
        other => panic!("no counterpart of {other}"),
    };
    assert!(a.0.is_empty(), "{}: {:?} were not looked at", case.optimizer, a.0);
    optimizer
}

/// Every case, and what is too far off.
pub fn measure() -> (Measured, Vec<String>) {
    let problem: Problem = load("leaves");
    let (mut measured, mut wrong) = (Measured::default(), Vec::new());
    for (i, case) in load::<Book>("trees").cases.iter().enumerate() {
        let (mut optimizer, mut w) = (ours(case), problem.initial());
        let mut worst = 0.0_f64;
        for step in 1..=60 {
            optimizer.step_with_loss(&mut w, &problem.gradients(step), loss(step)).unwrap();
            let Some(known) = case.checkpoints.get(&step) else { continue };
            for (name, known) in known {
                let reach = known.iter().fold(0.0_f64, |reach, w| reach.max(w.abs()));
                for (found, known) in w[name].iter().zip(known) {
                    let off = if found == known { 0.0 } else { (found - known).abs() / reach };
                    worst = if off.is_nan() { f64::INFINITY } else { worst.max(off) };
                }
            }
            if worst > TOLERANCE {
                let Case { optimizer, arguments, .. } = case;
                wrong.push(format!("{optimizer} {arguments:?}, step {step}: {worst:.1e} off"));
            }
        }
        let library = format!("{} {}", case.library, case.version);
        measured.add(&library, &case.optimizer, optimizer.name(), &format!("trees {i}"), worst);
    }
    (measured, wrong)
}

#[test]
fn the_crate_agrees_with_every_package_on_trees() {
    let (measured, wrong) = measure();
    assert!(measured.cases() >= 36 && wrong.is_empty(), "{}", wrong.join("\n"));
}
