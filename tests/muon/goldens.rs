//! The Muons of `tests/golden/leaves_*.json`.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::ArrayD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thalweg::solvers::muon::Scale;
use thalweg::{AdamW, Muon, Optimizer, Schedule};

/// Of the largest magnitude that a leaf has at any checkpoint.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Leaf {
    shape: Vec<usize>,
    initial: Vec<f64>,
    gradients: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Problem {
    leaves: BTreeMap<String, Leaf>,
}

type Tree = BTreeMap<String, ArrayD<f64>>;

#[derive(Deserialize)]
struct Book {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    optimizer: String,
    arguments: Map<String, Value>,
    resolved: Map<String, Value>,
    /// Track to step to leaf to numbers.
    checkpoints: BTreeMap<String, BTreeMap<usize, BTreeMap<String, Vec<f64>>>>,
}

fn load<T: DeserializeOwned>(file: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

impl Problem {
    fn tree(&self, numbers: impl Fn(&Leaf) -> &[f64]) -> Tree {
        let array = |leaf: &Leaf| {
            ArrayD::from_shape_vec(leaf.shape.as_slice(), numbers(leaf).to_vec()).unwrap()
        };
        self.leaves.iter().map(|(name, leaf)| (name.clone(), array(leaf))).collect()
    }
}

/// The arguments of a case, each to be taken once: one that is left over was overlooked.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn take(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or_else(|| panic!("no argument {name} in {:?}", self.0))
    }

    fn number(&mut self, name: &str) -> f64 {
        self.take(name).as_f64().unwrap()
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name).as_bool().unwrap()
    }

    fn numbers<const N: usize>(&mut self, name: &str) -> [f64; N] {
        let value = self.take(name);
        std::array::from_fn(|i| value[i].as_f64().unwrap())
    }

    fn steps(&mut self, name: &str) -> u32 {
        self.number(name) as u32
    }
}

/// Muon with the case's hyperparameters, the learning rate that holds from step 31 on, and whether
/// AdamW's leaves are to be compared; `None` where the crate has no such Muon.
fn counterpart(case: &Case) -> Option<(Muon<f64>, Option<f64>, bool)> {
    let late = ["lr_from_step_31", "learning_rate_from_step_31"];
    let late = late.iter().find_map(|&name| case.arguments.get(name)).and_then(Value::as_f64);
    let mut a = Arguments(case.resolved.clone());
    a.0.retain(|name, _| !name.ends_with("_from_step_31"));
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
                .scale(match a.take("adjust_lr_fn").as_str() {
                    None | Some("original") => Scale::Original,
                    Some("match_rms_adamw") => Scale::MatchRms(0.2),
                    Some("spectral_unclamped") => Scale::Spectral,
                    Some(other) => panic!("{other}"),
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
            let adam_rate = match a.take("adam_learning_rate").as_f64() {
                None => schedule.clone(),
                Some(rate) => rate.into(),
            };
            let adamw = AdamW::new(adam_rate).beta1(a.number("adam_b1")).beta2(a.number("adam_b2"));
            let adamw = adamw.weight_decay(a.number("adam_weight_decay"));
            assert_eq!(a.number("adam_eps_root"), 0.0);
            let [c0, c1, c2] = a.numbers("ns_coeffs");
            let scale = a.take("consistent_rms").as_f64().map_or(Scale::Original, Scale::MatchRms);
            let muon = Muon::optax(schedule)
                .with_adamw(adamw.epsilon(epsilon))
                .momentum(a.number("beta"))
                .nesterov(nesterov)
                .epsilon(epsilon)
                .weight_decay(a.number("weight_decay"))
                .ns_coefficients(c0, c1, c2)
                .ns_steps(a.steps("ns_steps"))
                .scale(scale);
            assert!(a.0.is_empty(), "{}: {:?} were not looked at", case.id, a.0);
            return Some((muon, None, all_leaves));
        }
        _ => return None,
    };
    assert!(a.0.is_empty(), "{}: {:?} were not looked at", case.id, a.0);
    Some((muon, late, all_leaves))
}

#[test]
fn muon_agrees_with_torch_optax_and_pytorch_optimizer() {
    let problem: Problem = load("leaves.json");
    let (mut compared, mut not_ours) = (0, Vec::new());
    for file in ["torch", "pytorch_optimizer", "optax"] {
        let (mut worst, mut cases) = (0.0_f64, 0);
        for case in load::<Book>(&format!("leaves_{file}.json")).cases {
            if !case.optimizer.to_lowercase().ends_with("muon") {
                continue;
            }
            let Some((mut muon, late, all_leaves)) = counterpart(&case) else {
                not_ours.push(case.id);
                continue;
            };
            cases += 1;
            let known = &case.checkpoints["w"];
            let mut w = problem.tree(|leaf| &leaf.initial);
            for step in 1..=60 {
                if let (31, Some(late)) = (step, late) {
                    muon.set_learning_rate(late).unwrap();
                }
                muon.step(&mut w, &problem.tree(|leaf| &leaf.gradients[step - 1])).unwrap();
                let Some(known_now) = known.get(&step) else { continue };
                for (name, known_leaf) in known_now {
                    if !all_leaves && w[name].ndim() != 2 {
                        continue;
                    }
                    let at_any = known.values().flat_map(|tree| &tree[name]);
                    let reach = at_any.fold(0.0, |reach, w| f64::max(reach, w.abs()));
                    for (ours, known) in w[name].iter().zip(known_leaf) {
                        let off = (ours - known).abs() / reach;
                        assert!(off < TOLERANCE, "{file} {} {name}: {ours} for {known}", case.id);
                        worst = worst.max(off);
                        compared += 1;
                    }
                }
            }
        }
        println!("{file}: {cases} cases, worst relative deviation {worst:.1e}");
    }
    assert!(compared > 7_000, "{compared}");
    assert_eq!(not_ours, ["muon_cautious", "muon_adaptive"]);
}
