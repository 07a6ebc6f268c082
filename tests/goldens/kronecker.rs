//! The optimizers of `tests/golden/kronecker_*.json`: a matrix for each axis, by their authors' code and others'.

use ndarray::ArrayD;
use thalweg::kronecker::Grafting;
use thalweg::{Optimizer, Schedule, Shampoo, Soap};

use super::book::{Arguments, Book, load};
use super::leaves::{Problem, TOLERANCE};
use super::parity::Measured;
use super::subject::{Case, Model};

/// What has the case's hyperparameters. The rate that holds from step 31 on is part of the schedule.
fn counterpart(case: &Case) -> Box<dyn Optimizer<f64>> {
    let mut a = Arguments::of(case);
    let early = a.learning_rate();
    let schedule = match case.late_rate() {
        None => Schedule::from(early),
        Some(late) => Schedule::from(move |step: u64| if step <= 30 { early } else { late }),
    };
    let optimizer: Box<dyn Optimizer<f64>> = match case.optimizer.as_str() {
        "pytorch_optimizer.Shampoo" => {
            Box::new(Shampoo::paper(schedule).epsilon(a.number("matrix_eps")))
        }
        "distributed_shampoo.DistributedShampoo" => {
            let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
            let name = a.text("grafting");
            let (beta2_of_squares, epsilon) =
                (a.number("grafting_beta2"), a.number("grafting_epsilon"));
            let grafting = match name.as_str() {
                "" => Grafting::None,
                "SGD" => Grafting::Sgd,
                "AdaGrad" => Grafting::AdaGrad { epsilon },
                "RMSprop" => Grafting::RmsProp { beta2: beta2_of_squares, epsilon },
                "Adam" => Grafting::Adam { beta2: beta2_of_squares, epsilon },
                other => panic!("{other}"),
            };
            // -1 is theirs for what is the default here.
            let start = match a.number("start_preconditioning_step") {
                -1.0 => None,
                step => Some(step as u32),
            };
            let shampoo = Shampoo::new(schedule)
                .beta1(beta1)
                .beta2(beta2)
                .epsilon(a.number("epsilon"))
                .exponent(a.number("exponent"))
                .every(a.steps("precondition_frequency"))
                .block(a.optional("max_preconditioner_dim").map_or(usize::MAX, |len| len as usize))
                .grafting(grafting)
                .weight_decay(decay);
            Box::new(match start {
                Some(step) => shampoo.start(step),
                None => shampoo,
            })
        }
        "soap.SOAP" => {
            let ((beta1, beta2), decay) = (a.betas(), a.number("weight_decay"));
            let beta = Some(a.number("shampoo_beta")).filter(|beta| *beta >= 0.0);
            let soap = Soap::new(schedule)
                .beta1(beta1)
                .beta2(beta2)
                .shampoo_beta(beta.unwrap_or(beta2))
                .epsilon(a.number("eps"))
                .every(a.steps("precondition_frequency"))
                .longest(a.number("max_precond_dim") as usize)
                .normalized(a.flag("normalize_grads"));
            Box::new(soap.weight_decay(decay))
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
    for file in ["distributed_shampoo", "pytorch_optimizer", "soap"] {
        let book: Book<Case> = load(&format!("kronecker_{file}"));
        let library = format!("{} {}", book.library, book.version);
        for case in book.cases {
            let (mut optimizer, mut worst) = (counterpart(&case), 0.0_f64);
            let known = &case.checkpoints["w"];
            // Leaves whose bases are told by their gradients alone.
            let of_case = |mut model: Model| -> Model {
                model.retain(|name, _: &mut ArrayD<f64>| known[&60].contains_key(name));
                model
            };
            let mut w = of_case(problem.initial());
            assert!(w.len() >= 5, "{}", case.id);
            for step in 1..=60 {
                optimizer.step(&mut w, &of_case(problem.gradients(step))).unwrap();
                let Some(known_now) = known.get(&step) else { continue };
                for (name, known_leaf) in known_now {
                    let at_any = known.values().flat_map(|tree| &tree[name]);
                    let reach = at_any.fold(0.0, |reach, w| f64::max(reach, w.abs()));
                    for (ours, known) in w[name].iter().zip(known_leaf) {
                        let off = if ours == known { 0.0 } else { (ours - known).abs() / reach };
                        if off.is_nan() || off >= TOLERANCE {
                            let place = format!("{file} {} {name}, step {step}", case.id);
                            wrong.push(format!("{place}: {ours} for {known}, {off:.1e} off"));
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
fn a_matrix_for_each_axis_agrees_with_the_authors_code_and_with_pytorch_optimizer() {
    let (measured, wrong) = measure();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(measured.cases() >= 29, "{}", measured.cases());
}
