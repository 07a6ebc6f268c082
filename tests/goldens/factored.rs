//! The optimizers of `tests/golden/factored_*.json`: second moments by rows and columns.

use thalweg::factored::Axes;
use thalweg::regularize::Decay;
use thalweg::{Adafactor, Optimizer, Schedule, Sm3};

use super::book::{Arguments, Book, load};
use super::leaves::{Problem, TOLERANCE};
use super::parity::Measured;
use super::subject::Case;

/// What has the case's hyperparameters. The rate that holds from step 31 on is part of the schedule.
fn counterpart(case: &Case) -> Box<dyn Optimizer<f64>> {
    let mut a = Arguments::of(case);
    let early = a.learning_rate();
    let schedule = match case.late_rate() {
        None => Schedule::from(early),
        Some(late) => Schedule::from(move |step: u64| if step <= 30 { early } else { late }),
    };
    let optimizer: Box<dyn Optimizer<f64>> = match case.optimizer.as_str() {
        "torch.optim.Adafactor" => {
            let [epsilon, floor] = a.optional_numbers("eps").map(|eps| eps.unwrap_or(0.0));
            Box::new(
                Adafactor::new(schedule)
                    .decay_exponent(-a.number("beta2_decay"))
                    .epsilon(epsilon)
                    .scale_floor(floor)
                    .clip_threshold(a.number("d"))
                    .weight_decay(a.number("weight_decay"))
                    .maximize(a.flag("maximize")),
            )
        }
        "optax.adafactor" => {
            let least = a.number("min_dim_size_to_factor") as usize;
            assert!(a.flag("factored"));
            let adafactor = Adafactor::optax(schedule)
                .axes(Axes::Largest { least })
                .decay_exponent(a.number("decay_rate"))
                .epsilon(a.number("eps"))
                .clip_threshold(a.number("clipping_threshold"))
                .momentum(a.number("momentum"))
                .scale_by_parameter(a.flag("multiply_by_parameter_scale"));
            Box::new(adafactor.decay(Decay::Absolute(a.number("weight_decay_rate"))))
        }
        "optax.scale_by_sm3" => {
            let sm3 = Sm3::optax(schedule).momentum(a.number("b1")).beta2(a.number("b2"));
            Box::new(sm3.epsilon(a.number("eps")))
        }
        other => panic!("{other}"),
    };
    a.assert_all_taken(case);
    optimizer
}

/// Every case, and what is too far off.
pub fn measure() -> (Measured, Vec<String>) {
    let problem: Problem = load("leaves");
    let (mut measured, mut wrong) = (Measured::default(), Vec::new());
    for file in ["torch", "optax"] {
        let book: Book<Case> = load(&format!("factored_{file}"));
        let library = format!("{} {}", book.library, book.version);
        for case in book.cases {
            let (mut optimizer, mut w, mut worst) =
                (counterpart(&case), problem.initial(), 0.0_f64);
            let known = &case.checkpoints["w"];
            for step in 1..=60 {
                optimizer.step(&mut w, &problem.gradients(step)).unwrap();
                let Some(known_now) = known.get(&step) else { continue };
                for (name, known_leaf) in known_now {
                    let at_any = known.values().flat_map(|tree| &tree[name]);
                    let reach = at_any.fold(0.0, |reach, w| f64::max(reach, w.abs()));
                    for (ours, known) in w[name].iter().zip(known_leaf) {
                        let off = if ours == known { 0.0 } else { (ours - known).abs() / reach };
                        if off.is_nan() || off >= TOLERANCE {
                            wrong.push(format!("{file} {} {name}: {ours} for {known}", case.id));
                        }
                        worst = worst.max(off);
                    }
                }
            }
            measured.add(&library, &case.optimizer, optimizer.name(), &case.id, worst);
        }
    }
    (measured, wrong)
}

#[test]
fn sums_of_rows_and_columns_agree_with_torch_and_optax() {
    let (measured, wrong) = measure();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(measured.cases() >= 23, "{}", measured.cases());
}
