//! What is printed is plain: no `Debug` text, no path of a type, nothing empty.

use ndarray::{Array1, array};
use thalweg::distributed::{DataParallel, LocalSteps, Sharded, Solo};
use thalweg::kronecker::Grafting;
use thalweg::natural_gradient::{Batch, Diagonal, Empirical, NaturalGradient};
use thalweg::params::Pattern;
use thalweg::regularize::{Decay, Penalty, Projection, Units};
use thalweg::schedule::{Cyclic, OneCycle};
use thalweg::solvers::least_squares::{Dogleg, GaussNewton, LevenbergMarquardt, curve_fit};
use thalweg::solvers::{
    BarzilaiBorwein, Bfgs, NewtonCg, ScaledConjugateGradient, Solver, Stop, check_gradient,
    minimize,
};
use thalweg::train::{Accumulate, Averaged, ByGroup, Lookahead, Projected, Sam, range_test};
use thalweg::{
    Adafactor, Adam, AdamW, Average, Bounds, Change, ConjugateGradient, Error, Lbfgs, Muon,
    NonFinite, Optimizer, Precision, Schedule, Settings, Sgd, Shampoo, Sm3, Soap, Untouched,
    catalog,
};
use thalweg_tests_support::settings::{compact, coupled, everything};

/// What `Debug` and `type_name` write, and a line of a table does not.
fn is_plain(text: &str) -> bool {
    let of_rust = ["::", "Some(", "None", "Ok(", " {", "{ ", "\"", "<", "PhantomData"];
    let has_call = text.split(|c: char| !(c.is_alphanumeric() || c == '(')).any(|word| {
        let name = word.split('(').next().unwrap();
        word.contains('(') && name.starts_with(char::is_uppercase)
    });
    let is_empty = text.is_empty()
        || text.lines().any(|line| line.ends_with([' ', ':', ',']))
        || [", ,", ": ,", "  ,", "()", "[]"].iter().any(|hole| text.contains(hole));
    !has_call && !is_empty && !of_rust.iter().any(|sign| text.contains(sign))
}

fn check(what: &str, text: &str) {
    // For whoever wants to look: `-- plain --nocapture`.
    println!("== {what}\n{text}");
    assert!(is_plain(text.trim_end()), "{what}: {text}");
}

fn check_both(what: &str, optimizer: &dyn Optimizer<f64>) {
    let line = optimizer.to_string();
    assert!(!line.contains('\n'), "{line}");
    check(what, &line);
    check(what, &format!("{optimizer:#}"));
    check(what, &optimizer.state().to_string());
}

/// As it is built, and after steps.
fn check_optimizer(what: &str, mut optimizer: Box<dyn Optimizer<f64>>) {
    check_both(what, &*optimizer);
    let mut w = (array![[1.0, 2.0], [3.0, 4.0]], array![5.0, 6.0], 7.0);
    for _ in 0..2 {
        let g = (&w.0 * 0.1, &w.1 * 0.1, w.2 * 0.1);
        let _ = optimizer.ascend(&mut w, &g);
        optimizer.step_with_loss(&mut w, &g, 1.5).unwrap();
    }
    check_both(what, &*optimizer);
}

fn grouped(optimizer: impl Optimizer<f64> + 'static) -> Box<dyn Optimizer<f64>> {
    let mut optimizer: Box<dyn Optimizer<f64>> = Box::new(optimizer);
    optimizer.change_group("1".into(), Change::new().frozen(false).rate_factor(0.5)).unwrap();
    optimizer
}

#[test]
fn every_optimizer_prints_plainly() {
    for entry in catalog::<f64>() {
        for settings in [Settings::default(), everything(), coupled(), compact()] {
            check_optimizer(entry.name, entry.build(0.125, settings));
        }
    }
    let schedule = || Schedule::warmup_cosine(0.5, 0.0, 10, 110);
    let adam = || Adam::<f64>::new(schedule()).clip_norm(1.0).average(Average::swa().start(2));
    let others: Vec<(&str, Box<dyn Optimizer<f64>>)> = vec![
        ("Adam", Box::new(adam().non_finite(NonFinite::Skip).untouched(Untouched::Lazy))),
        ("a closure", Box::new(Sgd::new(|t: u64| 0.1 / t as f64).penalty(Penalty::l2(0.1)))),
        ("scheduled", Box::new(adam().scheduled("beta1", Schedule::linear(0.8, 0.9, 10)))),
        ("bits", Box::new(adam().state_precision(Precision::Int8))),
        ("groups", grouped(AdamW::new(0.1).group(Pattern::rank_at_most(1), |g| g.frozen(true)))),
        ("group", Box::new(AdamW::new(0.1).group("1", |g| g.weight_decay(0.0).schedule(0.5)))),
        ("Adafactor", Box::new(Adafactor::new(0.1).decay(Decay::Absolute(0.1)).momentum(0.5))),
        ("Sm3", grouped(Sm3::new(0.1))),
        (
            "Shampoo",
            Box::new(Shampoo::new(schedule()).grafting(Grafting::AdaGrad { epsilon: 1e-8 })),
        ),
        ("Soap", Box::new(Soap::new(0.1).centralized(Units::LastAxis).maximize(true))),
        ("Muon", Box::new(Muon::new(schedule()))),
        ("Muon's groups", grouped(Muon::new(0.1))),
        ("Lbfgs", Box::new(Lbfgs::new())),
        ("ConjugateGradient", Box::new(ConjugateGradient::new())),
        ("Accumulate", Box::new(Accumulate::new(adam(), 2))),
        ("Averaged", Box::new(Averaged::new(Muon::new(0.1), Average::ema(0.9).debiased()))),
        ("ByGroup", Box::new(ByGroup::new(adam()).group("1", Sgd::new(0.1)))),
        ("Lookahead", Box::new(Lookahead::new(adam()).period(3))),
        ("Projected", Box::new(Projected::new(adam()).onto("1", Projection::l2_ball(1.0)))),
        ("bounds", Box::new(Projected::new(adam()).within(Bounds::new().all(0.0..)))),
        ("Sam", Box::new(Sam::new(adam(), 0.05).adaptive(true))),
        ("nested", Box::new(Accumulate::new(Lookahead::new(Sam::new(adam(), 0.1)), 1))),
        ("DataParallel", Box::new(DataParallel::new(adam(), Solo))),
        ("Sharded", Box::new(Sharded::new(Adam::new(0.1), Solo))),
        ("LocalSteps", Box::new(LocalSteps::new(Sgd::new(0.1), Sgd::new(1.0), 2, Solo))),
    ];
    for (what, optimizer) in others {
        check_optimizer(what, optimizer);
    }

    let metric = Diagonal::<f64, Empirical>::new(1e-2);
    let mut natural = NaturalGradient::around(Adam::new(0.1), metric);
    check_both("NaturalGradient", &natural);
    let mut w = array![1.0, 2.0];
    let batch = Batch::of_gradients(array![[1.0, 1.0], [1.0, 3.0]]).unwrap();
    natural.observe(&w, batch).unwrap();
    natural.step(&mut w, &array![1.0, 2.0]).unwrap();
    check_both("NaturalGradient", &natural);
}

#[test]
fn every_solver_and_its_report_print_plainly() {
    let solvers: Vec<Box<dyn Solver<f64>>> = vec![
        Box::new(Lbfgs::new()),
        Box::new(ConjugateGradient::new()),
        Box::new(Bfgs::new()),
        Box::new(NewtonCg::new()),
        Box::new(BarzilaiBorwein::new()),
        Box::new(ScaledConjugateGradient::new()),
    ];
    for mut solver in solvers {
        for stop in [Stop::default(), Stop::never().iterations(1), Stop::never().target(1.0)] {
            let mut objective = |w: &Array1<f64>| (w.dot(w), w * 2.0);
            let mut w = array![1.0, 2.0];
            let report = minimize(&mut *solver, &mut w, &mut objective, stop).unwrap();
            check(solver.name(), &report.to_string());
            check(solver.name(), &format!("{report:#}"));
            check(solver.name(), &report.status.to_string());
        }
    }
    let (x, y) = (array![0.0, 1.0, 2.0, 3.0], array![1.1, 2.9, 5.2, 6.8]);
    let mut w = array![0.0, 1.0];
    let fit = curve_fit(|x: &f64, w: &Array1<f64>| w[0] + w[1] * x, &x, &y, &mut w).unwrap();
    check("Fit", &fit.to_string());
    for name in [
        Solver::<f64>::name(&LevenbergMarquardt::new()),
        Solver::<f64>::name(&Dogleg::new()),
        Solver::<f64>::name(&GaussNewton::new()),
    ] {
        check("a name", name);
    }
    let mut wrong = |w: &Array1<f64>| (w.dot(w), w * 3.0);
    let mut right = |w: &Array1<f64>| (w.dot(w), w * 2.0);
    let wrong = check_gradient(&mut w, &mut wrong).unwrap().to_string();
    let right = check_gradient(&mut w, &mut right).unwrap().to_string();
    check("GradientCheck", &wrong);
    check("GradientCheck", &right);
    assert!(
        wrong.starts_with("the gradient is wrong\n")
            && right.starts_with("the gradient is right\n")
    );
    let batch = |w: &Array1<f64>, _| Ok::<_, Error>((w.dot(w), w * 2.0));
    let test = range_test(Box::new(Sgd::new(0.0)), &mut w, 1e-3..10.0, 20, batch).unwrap();
    check("RangeTest", &test.to_string());
    check("RangeTest", &format!("{test:#}"));
}

#[test]
fn every_schedule_prints_plainly() {
    for schedule in [
        Schedule::constant(0.1),
        Schedule::step_decay(0.1, 0.5, 30),
        Schedule::multi_step(0.1, 0.1, [80, 30]),
        Schedule::multi_step(0.1, 0.1, []),
        Schedule::exponential(0.1, 0.9, 10),
        Schedule::polynomial(0.1, 0.01, 2.0, 100),
        Schedule::inverse_sqrt(0.1, 10),
        Schedule::cosine_restarts(0.1, 0.0, 10, 2, 0.5),
        Schedule::one_minus_sqrt(0.1, 0.0, 10),
        Schedule::warmup_stable_decay(0.1, 10, 100, 10, 0.0).scaled(0.5).at_least(1e-3),
        Schedule::warmup_cosine(0.1, 0.0, 10, 5),
        OneCycle::new(0.1, 100).three_phases().linear().into(),
        Cyclic::new(0.01, 0.1, 20).halved().into(),
        Schedule::from(|t: u64| 1.0 / t as f64),
    ] {
        check("a schedule", &schedule.to_string());
    }
}

/// The test can fail.
#[test]
fn text_that_is_not_plain_is_told() {
    for text in [
        "clip norm  Some(1.0)",
        "average  Average { kind: x }",
        "thalweg::rules::Adam: 1 step",
        "decay  Relative(0.1)",
        "name: ",
        "a, , b",
        "leaf w  []",
    ] {
        assert!(!is_plain(text), "{text}");
    }
}
