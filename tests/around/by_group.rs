//! Several optimizers, each with leaves of its own: each does what it does alone, and all of them step or none.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::array;
use thalweg::train::{Accumulate, Averaged, ByGroup, Lookahead};
use thalweg::{
    AdaGrad, Adam, Average, Change, ErrorKind, Lbfgs, Lion, Momentum, Muon, NonFinite, Optimizer,
    Params, ParamsMut, Pattern, PolyakStep, Schedule, Sgd, Shampoo, Sm3, State, StepInfo,
};

use super::Model;

fn three() -> ByGroup<f64> {
    ByGroup::new(Adam::new(0.1)).group("bias", Momentum::new(0.05)).group("head", Lion::new(0.01))
}

#[test]
fn each_optimizer_does_what_it_does_alone() {
    let (mut together, mut w) = (three(), Model::new(1));
    let (mut adam, mut momentum, mut lion) = (Adam::new(0.1), Momentum::new(0.05), Lion::new(0.01));
    let mut alone = w.clone();
    for step in 0..20 {
        let g = Model::new(100 + step);
        let info = together.step(&mut w, &g).unwrap();
        assert_eq!((info.step, info.learning_rate, info.skipped), (step + 1, 0.1, false));
        adam.step(&mut alone.weight, &g.weight).unwrap();
        momentum.step(&mut alone.bias, &g.bias).unwrap();
        lion.step(&mut alone.head, &g.head).unwrap();
        assert_eq!(w, alone);
    }
    assert_eq!(together.to_string(), "ByGroup: learning rate 0.1, 20 steps");
    let table = format!("{together:#}");
    assert!(["Adam", "Momentum", "Lion", "bias", "head"].iter().all(|part| table.contains(part)));
}

#[test]
fn the_last_group_that_matches_has_a_leaf() {
    let mut by_group =
        ByGroup::new(Sgd::new(1.0)).group("*", Sgd::new(2.0)).group("bias", Sgd::new(3.0));
    let mut w = Model::new(1);
    let before = w.clone();
    by_group.step(&mut w, &before).unwrap();
    assert_eq!(w.weight, -&before.weight);
    assert_eq!(w.bias, &before.bias - 3.0 * &before.bias);
}

#[test]
fn a_pattern_that_matches_nothing_is_told_at_the_first_step() {
    let mut by_group = ByGroup::new(Sgd::new(1.0)).group("biass", Sgd::new(2.0));
    let mut w = Model::new(1);
    let error = by_group.step(&mut w, &Model::new(2)).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::GroupMatchesNothing { group, .. } if group == "biass")
    );
    assert_eq!((w, by_group.steps()), (Model::new(1), 0));
}

/// Whichever of the optimizers it is that cannot step.
#[test]
fn where_one_fails_or_skips_the_others_are_taken_back() {
    let leaves = ["weight", "bias", "head"];
    let spoilt = |leaf: &str| {
        let mut g = Model::new(3);
        match leaf {
            "weight" => g.weight[[2, 1]] = f64::NAN,
            "bias" => g.bias[0] = f64::NAN,
            _ => g.head[[1, 1]] = f64::INFINITY,
        }
        g
    };
    for policy in [NonFinite::Reject, NonFinite::Skip] {
        for bad in leaves {
            for before in [0, 3] {
                let build = |policy| {
                    ByGroup::new(Adam::new(0.1).non_finite(policy))
                        .group("bias", Momentum::new(0.1).non_finite(policy))
                        .group("head", Lion::new(0.1).non_finite(policy).average(Average::ema(0.9)))
                };
                let (mut run, mut w) = (build(policy), Model::new(1));
                for step in 0..before {
                    run.step(&mut w, &Model::new(50 + step)).unwrap();
                }
                let (kept, calm_state) = (w.clone(), run.state());
                match run.step(&mut w, &spoilt(bad)) {
                    Ok(info) => assert!(info.skipped && policy == NonFinite::Skip, "{bad}"),
                    Err(_) => assert!(policy == NonFinite::Reject, "{bad}"),
                }
                assert_eq!((&w, run.steps()), (&kept, before), "{bad}");
                if policy == NonFinite::Reject {
                    assert_eq!(run.state(), calm_state, "{bad}");
                } else {
                    assert_eq!(run.skipped(), 1);
                }
                // And it goes on as one that has never met it.
                let (mut calm, mut v) = (build(policy), kept);
                calm.load_state(&calm_state).unwrap();
                for step in 0..3 {
                    let g = Model::new(80 + step);
                    run.step(&mut w, &g).unwrap();
                    calm.step(&mut v, &g).unwrap();
                    assert_eq!(w, v, "{bad}");
                }
            }
        }
    }
}

#[test]
fn a_panic_of_one_takes_the_others_back() {
    let schedule =
        Schedule::custom("breaks", |step| if step == 3 { panic!("at step 3") } else { 0.1 });
    // The weight is largest, so that its step comes last.
    let mut run = ByGroup::new(Sgd::new(schedule)).group("bias", Momentum::new(0.1));
    let (mut w, g) = (Model::new(1), Model::new(2));
    run.step(&mut w, &g).unwrap();
    run.step(&mut w, &g).unwrap();
    let kept = w.clone();
    catch_unwind(AssertUnwindSafe(|| run.step(&mut w, &g))).unwrap_err();
    assert_eq!((&w, run.steps()), (&kept, 2));
}

#[test]
fn rates_are_the_first_ones_and_scaled_for_all() {
    let mut run = three();
    run.set_learning_rate(0.5).unwrap();
    let rates =
        |run: &ByGroup<f64>| run.inner().map(|inner| inner.learning_rate()).collect::<Vec<_>>();
    assert_eq!(rates(&run), [0.5, 0.05, 0.01]);
    run.scale_rate(2.0).unwrap();
    assert_eq!(rates(&run), [1.0, 0.1, 0.02]);
    run.scale_rate(f64::NAN).unwrap_err();
    // The last one's would not be finite, and so no one's is scaled.
    let mut steep = ByGroup::<f64>::new(Sgd::new(1.0)).group("bias", Sgd::new(1e300));
    steep.scale_rate(1e10).unwrap_err();
    assert_eq!(rates(&steep), [1.0, 1e300]);
    run.set_schedule(Schedule::linear(1.0, 0.0, 10)).unwrap();
    assert_eq!(rates(&run)[1..], [0.1, 0.02]);
    assert!(ByGroup::<f64>::new(Sgd::new(0.1)).group("bias", Sgd::new(-1.0)).validate().is_err());
}

#[test]
fn a_change_goes_to_those_who_have_the_leaves() {
    let (mut run, mut w) = (three(), Model::new(1));
    run.change_group("bias".into(), Change::new().frozen(true)).unwrap_err(); // no leaves are known
    run.step(&mut w, &Model::new(2)).unwrap();
    run.change_group("*ea*".into(), Change::new().frozen(true)).unwrap();
    assert!(!run.treatment("head", &[6, 3]).trained && run.treatment("bias", &[6]).trained);
    let (head, weight) = (w.head.clone(), w.weight.clone());
    run.step(&mut w, &Model::new(3)).unwrap();
    assert!(w.head == head && w.weight != weight);
    let many = run.change_group("*".into(), Change::new().schedule(0.1)).unwrap_err();
    assert!(matches!(many.kind(), ErrorKind::Unsupported { .. }));
    let none = run.change_group("nothing".into(), Change::new().frozen(true)).unwrap_err();
    assert!(matches!(none.kind(), ErrorKind::GroupMatchesNothing { .. }));
    // What was changed goes on in another one.
    let (mut other, mut v) = (three(), w.clone());
    other.load_state(&run.state()).unwrap();
    for step in 0..3 {
        run.step(&mut w, &Model::new(10 + step)).unwrap();
        other.step(&mut v, &Model::new(10 + step)).unwrap();
        assert_eq!(w, v);
    }
    assert_eq!(v.head, head);
}

#[test]
fn a_state_of_another_one_is_refused_and_changes_nothing() {
    let (mut run, mut w) = (three(), Model::new(1));
    run.step(&mut w, &Model::new(2)).unwrap();
    let others: [ByGroup<f64>; 4] = [
        ByGroup::new(Adam::new(0.1)).group("bias", Momentum::new(0.05)),
        three().group("*.gain", Sgd::new(0.1)),
        ByGroup::new(Adam::new(0.1))
            .group("head", Momentum::new(0.05))
            .group("bias", Lion::new(0.01)),
        ByGroup::new(Adam::new(0.1))
            .group("bias", Momentum::new(0.05))
            .group("head", AdaGrad::new(0.01)),
    ];
    for mut other in others {
        let before = other.state();
        other.load_state(&run.state()).unwrap_err();
        assert_eq!(other.state(), before);
    }
    Adam::<f64>::new(0.1).load_state(&run.state()).unwrap_err();
    // Of another model.
    let mut small = ByGroup::new(Sgd::new(0.1)).group("1", Sgd::new(0.2));
    let mut v = (array![1.0], array![2.0]);
    small.step(&mut v, &(array![1.0], array![1.0])).unwrap();
    let mut like = ByGroup::new(Sgd::new(0.1)).group("1", Sgd::new(0.2));
    let mut u = (array![1.0, 2.0], array![2.0]);
    let g = u.clone();
    like.step(&mut u, &g).unwrap();
    like.load_state(&small.state()).unwrap_err();
}

#[test]
fn a_solver_and_a_rule_of_the_loss_have_their_leaves() {
    let mut run = ByGroup::new(PolyakStep::new(1.0)).group("1", Lbfgs::new());
    let mut w = (array![3.0, -4.0], array![5.0]);
    let g = w.clone();
    run.step(&mut w, &g).unwrap_err(); // without the loss
    for _ in 0..60 {
        let g = (&w.0 * 2.0, &w.1 * 2.0);
        let loss = w.0.dot(&w.0);
        run.step_with_loss(&mut w, &g, loss).unwrap();
    }
    assert!(w.0.dot(&w.0) < 1e-12 && w.1[0].abs() < 1e-6, "{w:?}");
}

/// An optimizer that says no, or panics, where it is asked to load a state, to change a group, to scale its rate or to
/// swap its average.
#[derive(Debug)]
struct Stubborn {
    inner: Sgd<f64>,
    panics: bool,
}

impl Stubborn {
    fn refuse<T>(&self) -> Result<T, thalweg::Error> {
        assert!(!self.panics, "as it was told");
        Err(thalweg::Error::other("as it was told"))
    }
}

impl Optimizer<f64> for Stubborn {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<f64>,
        grads: &dyn Params<f64>,
    ) -> Result<StepInfo, thalweg::Error> {
        self.inner.step(params, grads)
    }

    fn validate(&self) -> Result<(), thalweg::Error> {
        self.inner.validate()
    }

    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), thalweg::Error> {
        self.inner.set_learning_rate(learning_rate)
    }

    fn scale_rate(&mut self, _: f64) -> Result<(), thalweg::Error> {
        self.refuse()
    }

    fn change_group(&mut self, _: Pattern, _: Change) -> Result<(), thalweg::Error> {
        self.refuse()
    }

    fn swap_average(&mut self, _: &mut dyn ParamsMut<f64>) -> Result<(), thalweg::Error> {
        self.refuse()
    }

    fn steps(&self) -> u64 {
        self.inner.steps()
    }

    fn skipped(&self) -> u64 {
        self.inner.skipped()
    }

    fn reset(&mut self) {
        self.inner.reset();
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn state(&self) -> State {
        self.inner.state()
    }

    fn load_state(&mut self, _: &State) -> Result<(), thalweg::Error> {
        self.refuse()
    }
}

type Boxed = Box<dyn Optimizer<f64>>;
type Attempt = Box<dyn Fn(&mut ByGroup<f64>, &mut Model) -> Result<(), thalweg::Error>>;

/// Optimizers of every kind that keeps something of its own.
fn kinds() -> Vec<fn() -> Boxed> {
    vec![
        || Box::new(Adam::new(0.1).average(Average::ema(0.9))),
        || {
            Box::new(
                Adam::new(Schedule::linear(0.1, 0.0, 50)).group("head", |g| g.rate_factor(0.5)),
            )
        },
        || Box::new(Sm3::new(0.1)),
        || Box::new(Shampoo::new(0.1).every(2)),
        || Box::new(Muon::new(0.1)),
        || Box::new(Lookahead::new(Adam::new(0.1)).period(2)),
        || Box::new(Averaged::new(Sm3::new(0.1), Average::ema(0.5))),
        || Box::new(Accumulate::new(Momentum::new(0.1), 2)),
        || Box::new(ByGroup::new(Lion::new(0.1)).group("head", Muon::new(0.1))),
    ]
}

/// Changes that a state of an optimizer tells of, which one that goes on from it makes too.
fn changed(optimizer: &mut dyn Optimizer<f64>) {
    optimizer.change_group("head".into(), Change::new().frozen(true)).unwrap();
    optimizer.change_group("head".into(), Change::new().rate_factor(0.25)).unwrap();
    optimizer.scale_rate(0.5).unwrap();
}

/// Takes steps together with another that must do the same, to the bit.
fn go_on_alike(run: &mut ByGroup<f64>, like: &mut ByGroup<f64>, w: &Model, what: &str) {
    assert_eq!(run.state(), like.state(), "{what}");
    let (mut w, mut v) = (w.clone(), w.clone());
    for step in 0..4 {
        let g = Model::new(300 + step);
        run.step(&mut w, &g).unwrap();
        like.step(&mut v, &g).unwrap();
        assert_eq!(w, v, "{what}");
    }
    assert_eq!(run.state(), like.state(), "{what}");
}

#[test]
fn what_one_refuses_is_done_by_none() {
    let steps = |run: &mut ByGroup<f64>, w: &mut Model, from: u64, count: u64| {
        for step in from..from + count {
            run.step(w, &Model::new(step)).unwrap();
        }
    };
    for (at, kind) in kinds().into_iter().enumerate() {
        for panics in [false, true] {
            for taken in [0, 1, 4] {
                let build = || {
                    let stubborn = Stubborn { inner: Sgd::new(0.3), panics };
                    ByGroup::new(kind()).group("weight", stubborn)
                };
                let what = format!("kind {at}, {taken} steps, panics: {panics}");
                let (mut run, mut like) = (build(), build());
                let (mut w, mut v) = (Model::new(1), Model::new(1));
                steps(&mut run, &mut w, 40, taken);
                steps(&mut like, &mut v, 40, taken);

                // A state of more steps, with changes that are not here.
                let (mut saved, mut u) = (build(), Model::new(2));
                steps(&mut saved, &mut u, 70, 6);
                changed(&mut **saved.inner_mut().next().unwrap());
                let states = [saved.state(), {
                    steps(&mut saved, &mut u, 80, 2);
                    saved.state()
                }];
                let mut attempts: Vec<Attempt> = vec![
                    Box::new(|run, _| run.scale_rate(0.5)),
                    Box::new(|run, _| run.change_group("*".into(), Change::new().frozen(true))),
                    Box::new(|run, _| run.change_group("*".into(), Change::new().rate_factor(0.1))),
                ];
                if taken > 0 {
                    // Before its first term an average learns of the leaves by a swap.
                    attempts.push(Box::new(|run, w| run.swap_average(w)));
                }
                for state in states {
                    attempts.push(Box::new(move |run, _| run.load_state(&state)));
                }
                for (which, attempt) in attempts.iter().enumerate() {
                    let tried = catch_unwind(AssertUnwindSafe(|| attempt(&mut run, &mut w)));
                    assert!(!matches!(tried, Ok(Ok(()))), "{what}: attempt {which} was no failure");
                    assert_eq!(w, v, "{what}, attempt {which}");
                    assert_eq!(run.state(), like.state(), "{what}, attempt {which}");
                }
                go_on_alike(&mut run, &mut like, &w, &what);
            }
        }
    }
}
