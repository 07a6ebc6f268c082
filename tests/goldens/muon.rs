//! The Muons of `tests/golden/leaves_*.json`.

use thalweg::muon::Scale;
use thalweg::{AdamW, Muon, Optimizer, Schedule};

use super::book::{Arguments, load};
use super::leaves::{Problem, TOLERANCE, book};
use super::parity::Measured;
use super::subject::Case;

/// File, case, reason.
pub const NOT_OURS: &[(&str, &str, &str)] = &[
    ("pytorch_optimizer", "muon_cautious", "Muon is not cautious"),
    ("optax", "muon_adaptive", "the step is not scaled by the dual norm of the gradient"),
];

/// Muon with the case's hyperparameters, the learning rate that holds from step 31 on, and whether
/// AdamW's leaves are to be compared; `None` where the crate has no such Muon.
fn counterpart(case: &Case) -> Option<(Muon<f64>, Option<f64>, bool)> {
    let late = case.late_rate();
    let mut a = Arguments::of(case);
    let mut all_leaves = true;
    let muon = match case.optimizer.as_str() {
        "torch.optim.Muon" => {
            let [beta1, beta2] = a.numbers("adamw_betas");
            let adamw = AdamW::new(a.number("adamw_lr")).beta1(beta1).beta2(beta2);
            let adamw = adamw.epsilon(a.number("adamw_eps"));
            let [c0, c1, c2] = a.numbers("ns_coefficients");
            Muon::torch(a.number("lr"))
                .with_adamw(adamw.weight_decay(a.number("adamw_weight_decay")))
                .weight_decay(a.number("weight_decay"))
                .momentum(a.number("momentum"))
                .nesterov(a.flag("nesterov"))
                .ns_coefficients(c0, c1, c2)
                .epsilon(a.number("eps"))
                .ns_steps(a.steps("ns_steps"))
                .scale(match a.text("adjust_lr_fn").as_str() {
                    "" | "original" => Scale::Original,
                    "match_rms_adamw" => Scale::MatchRms(0.2),
                    "spectral_unclamped" => Scale::Spectral,
                    other => panic!("{other}"),
                })
        }
        "pytorch_optimizer.Muon" => {
            if a.flag("cautious") {
                return None;
            }
            assert!(a.flag("weight_decouple"));
            let [beta1, beta2] = a.numbers("adamw_betas");
            let adamw = AdamW::new(a.number("adamw_lr")).beta1(beta1).beta2(beta2);
            let adamw = adamw.epsilon(a.number("adamw_eps"));
            let adjusted = a.flag("use_adjusted_lr");
            Muon::torch(a.number("lr"))
                .with_adamw(adamw.weight_decay(a.number("adamw_wd")))
                .matrices(|_, _| true)
                .weight_decay(a.number("weight_decay"))
                .momentum(a.number("momentum"))
                .nesterov(a.flag("nesterov"))
                .ns_steps(a.steps("ns_steps"))
                .scale(if adjusted { Scale::MatchRms(0.2) } else { Scale::Original })
        }
        "optax.contrib.muon" => {
            if a.flag("adaptive") {
                return None;
            }
            let rate = a.number("learning_rate");
            let schedule = match late {
                None => Schedule::from(rate),
                Some(late) => Schedule::from(move |step: u64| if step <= 30 { rate } else { late }),
            };
            let nesterov = a.flag("nesterov");
            // Optax then moves the others by Nesterov's form of AdamW.
            all_leaves = !nesterov;
            let epsilon = a.number("eps");
            let adam_rate = match a.optional("adam_learning_rate") {
                None => schedule.clone(),
                Some(rate) => rate.into(),
            };
            let adamw = AdamW::new(adam_rate).beta1(a.number("adam_b1")).beta2(a.number("adam_b2"));
            let adamw = adamw.weight_decay(a.number("adam_weight_decay"));
            assert_eq!(a.number("adam_eps_root"), 0.0);
            let [c0, c1, c2] = a.numbers("ns_coeffs");
            let scale = a.optional("consistent_rms").map_or(Scale::Original, Scale::MatchRms);
            let muon = Muon::optax(schedule)
                .with_adamw(adamw.epsilon(epsilon))
                .momentum(a.number("beta"))
                .nesterov(nesterov)
                .epsilon(epsilon)
                .weight_decay(a.number("weight_decay"))
                .ns_coefficients(c0, c1, c2)
                .ns_steps(a.steps("ns_steps"))
                .scale(scale);
            a.assert_all_taken(case);
            return Some((muon, None, all_leaves));
        }
        _ => return None,
    };
    a.assert_all_taken(case);
    Some((muon, late, all_leaves))
}

/// Every case with a counterpart, what is too far off, and the cases without.
pub fn measure() -> (Measured, Vec<String>, Vec<(&'static str, String)>) {
    let problem: Problem = load("leaves");
    let (mut measured, mut wrong, mut not_ours) = (Measured::default(), Vec::new(), Vec::new());
    for file in ["torch", "pytorch_optimizer", "optax"] {
        let book = book(file);
        let library = format!("{} {}", book.library, book.version);
        for case in book.cases {
            if !case.optimizer.to_lowercase().ends_with("muon") {
                continue;
            }
            let Some((mut muon, late, all_leaves)) = counterpart(&case) else {
                not_ours.push((file, case.id));
                continue;
            };
            let mut worst = 0.0_f64;
            let known = &case.checkpoints["w"];
            let mut w = problem.initial();
            for step in 1..=60 {
                if let (31, Some(late)) = (step, late) {
                    muon.set_learning_rate(late).unwrap();
                }
                muon.step(&mut w, &problem.gradients(step)).unwrap();
                let Some(known_now) = known.get(&step) else { continue };
                for (name, known_leaf) in known_now {
                    if !all_leaves && w[name].ndim() != 2 {
                        continue;
                    }
                    let at_any = known.values().flat_map(|tree| &tree[name]);
                    let reach = at_any.fold(0.0, |reach, w| f64::max(reach, w.abs()));
                    for (ours, known) in w[name].iter().zip(known_leaf) {
                        let off = (ours - known).abs() / reach;
                        if off.is_nan() || off >= TOLERANCE {
                            wrong.push(format!("{file} {} {name}: {ours} for {known}", case.id));
                        }
                        worst = worst.max(off);
                    }
                }
            }
            measured.add(&library, &case.optimizer, "Muon", &case.id, worst);
        }
    }
    (measured, wrong, not_ours)
}

#[test]
fn muon_agrees_with_torch_optax_and_pytorch_optimizer() {
    let (measured, wrong, not_ours) = measure();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(measured.cases() >= 20, "{}", measured.cases());
    let listed: Vec<_> = NOT_OURS.iter().map(|&(file, id, _)| (file, id.to_owned())).collect();
    assert_eq!(not_ours, listed);
}
