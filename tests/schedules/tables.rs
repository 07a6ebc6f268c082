//! The values of PyTorch's and Optax's schedulers, at each of 1,000 steps.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use thalweg::Schedule;
use thalweg::schedule::{Cyclic, OneCycle};

#[derive(Deserialize)]
struct Book {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    scheduler: String,
    arguments: Map<String, Value>,
    quantity: String,
    values: Vec<f64>,
}

/// Of the value.
const TOLERANCE: f64 = 1e-12;

/// The libraries' 1 + cos x rounds at the size of the peak, and so does torch's one cycle on its line
/// down: where little is left of the peak, that is more than a part in 1e12 of the value.
fn cancels(case: &Case) -> bool {
    case.scheduler == "torch.OneCycleLR"
        || case.scheduler.to_lowercase().contains("cosine")
        || format!("{:?}", case.arguments).contains("cosine")
}

/// A scheduler's arguments by name, each to be taken once: one that is left over was overlooked.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn take(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
    }

    fn number(&mut self, name: &str) -> f64 {
        self.take(name).as_f64().unwrap()
    }

    fn number_or(&mut self, name: &str, default: f64) -> f64 {
        if self.0.contains_key(name) { self.number(name) } else { default }
    }

    fn count(&mut self, name: &str) -> u64 {
        self.take(name).as_u64().unwrap()
    }

    fn count_or(&mut self, name: &str, default: u64) -> u64 {
        if self.0.contains_key(name) { self.count(name) } else { default }
    }

    fn flag(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some_and(|value| value.as_bool().unwrap())
    }

    fn text(&mut self, name: &str) -> String {
        self.take(name).as_str().unwrap().to_owned()
    }

    fn counts(&mut self, name: &str) -> Vec<u64> {
        serde_json::from_value(self.take(name)).unwrap()
    }

    fn parts(&mut self) -> Vec<(String, Map<String, Value>)> {
        serde_json::from_value(self.take("schedulers")).unwrap()
    }
}

/// The schedule of the crate that corresponds to a scheduler of a library.
fn counterpart(scheduler: &str, arguments: Map<String, Value>, momentum: bool) -> Schedule {
    let mut arguments = Arguments(arguments);
    let a = &mut arguments;
    let schedule = match scheduler {
        name if name.starts_with("torch.") => torch(name, a, momentum),
        name => optax(name, a),
    };
    assert!(arguments.0.is_empty(), "{scheduler}: {:?} was overlooked", arguments.0);
    schedule
}

fn torch(scheduler: &str, a: &mut Arguments, momentum: bool) -> Schedule {
    let lr = a.number("lr");
    match scheduler {
        "torch.LambdaLR" => {
            assert_eq!(a.text("lr_lambda"), "1 / (1 + 0.01 * e)");
            Schedule::from(|step: u64| 1.0 / (1.0 + 0.01 * (step - 1) as f64)).scaled(lr)
        }
        "torch.MultiplicativeLR" => {
            Schedule::exponential(lr, a.text("lr_lambda").parse().unwrap(), 1)
        }
        "torch.StepLR" => Schedule::step_decay(lr, a.number("gamma"), a.count("step_size")),
        "torch.MultiStepLR" => Schedule::multi_step(lr, a.number("gamma"), a.counts("milestones")),
        "torch.ConstantLR" => {
            Schedule::constant(lr * a.number("factor")).then(a.count("total_iters"), lr)
        }
        "torch.LinearLR" => {
            let [start, end] = ["start_factor", "end_factor"].map(|name| lr * a.number(name));
            Schedule::linear(start, end, a.count("total_iters"))
        }
        "torch.ExponentialLR" => Schedule::exponential(lr, a.number("gamma"), 1),
        "torch.PolynomialLR" => {
            Schedule::polynomial(lr, 0.0, a.number("power"), a.count("total_iters"))
        }
        "torch.CosineAnnealingLR" => {
            let (steps, low) = (a.count("T_max"), a.number("eta_min"));
            // Torch's goes up again.
            Schedule::cosine(lr, low, steps).then(steps, Schedule::cosine(low, lr, steps))
        }
        "torch.CosineAnnealingWarmRestarts" => Schedule::cosine_restarts(
            lr,
            a.number("eta_min"),
            a.count("T_0"),
            a.count("T_mult"),
            1.0,
        ),
        "torch.CyclicLR" => {
            let rate = (a.number("base_lr"), a.number("max_lr"));
            let other = (a.number("max_momentum"), a.number("base_momentum"));
            let (base, peak) = if momentum { other } else { rate };
            let up = a.count("step_size_up");
            let cycle = Cyclic::new(base, peak, up).down(a.count_or("step_size_down", up));
            match a.text("mode").as_str() {
                "triangular" => cycle,
                "triangular2" => cycle.halved(),
                _ => cycle.decaying(a.number("gamma")),
            }
            .into()
        }
        "torch.OneCycleLR" => {
            let (peak, steps) = (a.number("max_lr"), a.count("total_steps"));
            let start = peak / a.number_or("div_factor", 25.0);
            let end = start / a.number_or("final_div_factor", 1e4);
            let cycle = if momentum {
                OneCycle::momentum(0.95, 0.85, steps)
            } else {
                OneCycle::new(peak, steps).start(start).end(end)
            };
            let cycle = cycle.rise(a.number_or("pct_start", 0.3));
            let cycle = if a.flag("three_phase") { cycle.three_phases() } else { cycle };
            if a.text("anneal_strategy") == "linear" { cycle.linear() } else { cycle }.into()
        }
        "torch.SequentialLR" => {
            let parts = a.parts().into_iter().map(|(name, mut arguments)| {
                arguments.insert("lr".to_owned(), lr.into());
                counterpart(&format!("torch.{name}"), arguments, false)
            });
            chain(parts, &a.counts("milestones"))
        }
        other => panic!("{other} has no counterpart"),
    }
}

fn optax(scheduler: &str, a: &mut Arguments) -> Schedule {
    match scheduler {
        "optax.constant_schedule" => a.number("value").into(),
        "optax.linear_schedule" | "optax.polynomial_schedule" => {
            let (from, to) = (a.number("init_value"), a.number("end_value"));
            let steps = a.count("transition_steps");
            let moving = if scheduler == "optax.linear_schedule" {
                Schedule::linear(from, to, steps)
            } else {
                Schedule::polynomial(from, to, a.number("power"), steps)
            };
            Schedule::constant(from).then(a.count_or("transition_begin", 0), moving)
        }
        "optax.piecewise_constant_schedule" => {
            let mut value = a.number("init_value");
            let mut schedule = Schedule::constant(value);
            for (step, scale) in boundaries(a) {
                value *= scale;
                schedule = schedule.then(step, value);
            }
            schedule
        }
        "optax.exponential_decay" => exponential(a.number("init_value"), a),
        "optax.cosine_decay_schedule" => {
            let from = a.number("init_value");
            Schedule::cosine(from, from * a.number("alpha"), a.count("decay_steps"))
        }
        // Its phases begin at whole steps, PyTorch's in between: half cosines chained by hand.
        "optax.cosine_onecycle_schedule" => {
            let (steps, peak) = (a.count("transition_steps"), a.number("peak_value"));
            let (start, rise) = (peak / 25.0, steps * 3 / 10);
            Schedule::cosine(start, peak, rise)
                .then(rise, Schedule::cosine(peak, start / 1e4, steps - rise))
        }
        "optax.linear_onecycle_schedule" => {
            let (steps, peak) = (a.count("transition_steps"), a.number("peak_value"));
            let (start, rise, fall) = (peak / 25.0, steps * 30 / 100, steps * 85 / 100);
            Schedule::linear(start, peak, rise)
                .then(rise, Schedule::linear(peak, start, fall - rise))
                .then(fall, Schedule::linear(start, start / 1e4, steps - fall))
        }
        "optax.warmup_constant_schedule" => Schedule::linear(
            a.number("init_value"),
            a.number("peak_value"),
            a.count("warmup_steps"),
        ),
        "optax.warmup_cosine_decay_schedule" => warmup_cosine(a).0,
        "optax.warmup_exponential_decay_schedule" => {
            let (from, peak) = (a.number("init_value"), a.number("peak_value"));
            let warm_up = a.count("warmup_steps");
            Schedule::linear(from, peak, warm_up).then(warm_up, exponential(peak, a))
        }
        "optax.sgdr_schedule" => {
            let parts: Vec<Map<String, Value>> =
                serde_json::from_value(a.take("cosine_kwargs")).unwrap();
            let (mut schedules, mut milestones, mut end) = (Vec::new(), Vec::new(), 0);
            for part in parts {
                let (schedule, steps) = warmup_cosine(&mut Arguments(part));
                schedules.push(schedule);
                end += steps;
                milestones.push(end);
            }
            milestones.pop();
            chain(schedules, &milestones)
        }
        "optax.piecewise_interpolate_schedule" => {
            let mut value = a.number("init_value");
            let shape = match a.text("interpolate_type").as_str() {
                "linear" => Schedule::linear,
                _ => Schedule::cosine,
            };
            let (mut schedule, mut begin) = (Schedule::constant(value), 0);
            for (step, scale) in boundaries(a) {
                schedule = schedule.then(begin, shape(value, value * scale, step - begin));
                (value, begin) = (value * scale, step);
            }
            schedule
        }
        "optax.join_schedules" => {
            a.0.remove("schedules").into_iter().for_each(|parts| {
                a.0.insert("schedulers".to_owned(), parts);
            });
            let parts = a
                .parts()
                .into_iter()
                .map(|(name, arguments)| counterpart(&format!("optax.{name}"), arguments, false));
            chain(parts, &a.counts("boundaries"))
        }
        other => panic!("{other} has no counterpart"),
    }
}

fn boundaries(a: &mut Arguments) -> Vec<(u64, f64)> {
    let Value::Object(boundaries) = a.take("boundaries_and_scales") else { panic!("no object") };
    let mut boundaries: Vec<_> = boundaries
        .iter()
        .map(|(step, scale)| (step.parse().unwrap(), scale.as_f64().unwrap()))
        .collect();
    boundaries.sort_by_key(|&(step, _)| step);
    boundaries
}

fn exponential(from: f64, a: &mut Arguments) -> Schedule {
    let (every, factor) = (a.count("transition_steps"), a.number("decay_rate"));
    let decay = if a.flag("staircase") { Schedule::step_decay } else { Schedule::exponential };
    let begin = a.count_or("transition_begin", 0);
    let schedule = Schedule::constant(from).then(begin, decay(from, factor, every));
    match a.0.remove("end_value").map(|end| end.as_f64().unwrap()) {
        None => schedule,
        Some(end) if factor < 1.0 => schedule.at_least(end),
        Some(end) => schedule.at_most(end),
    }
}

/// And how many steps it takes.
fn warmup_cosine(a: &mut Arguments) -> (Schedule, u64) {
    let (from, peak, to) = (a.number("init_value"), a.number("peak_value"), a.number("end_value"));
    let (warm_up, steps) = (a.count("warmup_steps"), a.count("decay_steps"));
    let cosine = Schedule::cosine(peak, to, steps - warm_up);
    (Schedule::linear(from, peak, warm_up).then(warm_up, cosine), steps)
}

fn chain(parts: impl IntoIterator<Item = Schedule>, milestones: &[u64]) -> Schedule {
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap();
    parts.zip(milestones).fold(first, |chain, (next, &milestone)| chain.then(milestone, next))
}

#[test]
fn every_value_is_that_of_the_library() {
    let book: Book = serde_json::from_str(&super::golden("schedules.json")).unwrap();
    let (mut wrong, mut worst) = (Vec::new(), 0.0_f64);
    for case in &book.cases {
        let what = format!("{} {:?} {}", case.scheduler, case.arguments, case.quantity);
        let momentum = case.quantity == "momentum";
        let schedule = counterpart(&case.scheduler, case.arguments.clone(), momentum);
        schedule.validate().unwrap();
        assert_eq!(case.values.len(), 1000, "{what}");
        let peak = case.values.iter().fold(0.0_f64, |peak, value| peak.max(value.abs()));
        let rounding = if cancels(case) { 2.0 * f64::EPSILON * peak } else { 0.0 };
        let mut case_worst = 0.0_f64;
        for (step, &expected) in (1..).zip(&case.values) {
            let value = schedule.at(step);
            let off = ((value - expected).abs() - rounding).max(0.0);
            case_worst = case_worst.max(off / expected.abs().max(f64::MIN_POSITIVE));
            if off > TOLERANCE * expected.abs() {
                wrong.push(format!("{what}, step {step}: {value} for {expected}"));
                break;
            }
        }
        println!("{case_worst:8.1e}  {what}: {schedule}");
        worst = worst.max(case_worst);
    }
    println!("{worst:8.1e}  the worst of {} cases", book.cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is in neither list would be a scheduler that nobody looked at.
#[test]
fn every_scheduler_of_the_libraries_is_compared_or_explained() {
    let book: Book = serde_json::from_str(&super::golden("schedules.json")).unwrap();
    let compared: BTreeSet<&str> = book.cases.iter().map(|case| case.scheduler.as_str()).collect();
    let readme = super::golden("README.md");
    for scheduler in SCHEDULERS {
        let (_, name) = scheduler.split_once('.').unwrap();
        let explained = readme.contains(&format!("- `{name}`: "));
        assert!(
            compared.contains(scheduler) != explained,
            "{scheduler} is to be compared, or explained in the README of the goldens"
        );
    }
    assert!(compared.iter().all(|name| SCHEDULERS.contains(name)));
}

/// `torch.optim.lr_scheduler.__all__` of 2.15 but for the base class, and `optax.schedules` of
/// 0.2.8 but for its types.
const SCHEDULERS: [&str; 31] = [
    "torch.LambdaLR",
    "torch.MultiplicativeLR",
    "torch.StepLR",
    "torch.MultiStepLR",
    "torch.ConstantLR",
    "torch.LinearLR",
    "torch.ExponentialLR",
    "torch.SequentialLR",
    "torch.CosineAnnealingLR",
    "torch.ChainedScheduler",
    "torch.ReduceLROnPlateau",
    "torch.CyclicLR",
    "torch.CosineAnnealingWarmRestarts",
    "torch.OneCycleLR",
    "torch.PolynomialLR",
    "optax.constant_schedule",
    "optax.cosine_decay_schedule",
    "optax.cosine_onecycle_schedule",
    "optax.exponential_decay",
    "optax.inject_hyperparams",
    "optax.inject_stateful_hyperparams",
    "optax.join_schedules",
    "optax.linear_onecycle_schedule",
    "optax.linear_schedule",
    "optax.piecewise_constant_schedule",
    "optax.piecewise_interpolate_schedule",
    "optax.polynomial_schedule",
    "optax.sgdr_schedule",
    "optax.warmup_constant_schedule",
    "optax.warmup_cosine_decay_schedule",
    "optax.warmup_exponential_decay_schedule",
];
