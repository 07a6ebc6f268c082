//! What holds of every optimizer around an optimizer, two deep: an error changes nothing, a saved run
//! goes on to the same bits, a step allocates nothing, and what is frozen is left alone.

use ndarray::Array1;
use thalweg::params::{Leaf, LeafMut, Path};
use thalweg::train::{Accumulate, Lookahead, Sam};
use thalweg::{Adam, Average, Error, Momentum, Optimizer, Params, ParamsMut, RAdam, StepInfo};

use super::{Model, vector};
use crate::counting::allocations_of;

/// An optimizer that may have a phase before its step.
trait Run: Optimizer<f64> {
    fn ascend(&mut self, _: &mut dyn ParamsMut<f64>, _: &dyn Params<f64>) -> Result<(), Error> {
        Ok(())
    }
}

impl Run for Adam<f64> {}
impl Run for Momentum<f64> {}
impl Run for RAdam<f64> {}
impl<O: Run> Run for Lookahead<f64, O> {}
impl<O: Run> Run for Accumulate<f64, O> {}
impl<O: Run> Run for Sam<f64, O> {
    fn ascend(&mut self, w: &mut dyn ParamsMut<f64>, g: &dyn Params<f64>) -> Result<(), Error> {
        Sam::ascend(self, w, g)
    }
}

type Build = fn() -> Box<dyn Run>;

fn adam() -> Adam<f64> {
    Adam::new(0.05).clip_norm(1.0).average(Average::ema(0.9))
}

fn momentum() -> Momentum<f64> {
    Momentum::new(0.05)
        .average(Average::swa().start(2).every(2))
        .group("head", |group| group.frozen(true))
        .group("bias", |group| group.maximize(true).rate_factor(0.5))
}

fn radam() -> RAdam<f64> {
    RAdam::new(0.05).group("weight", |group| group.frozen(true))
}

/// Each optimizer in each wrapper, and each wrapper in each. SAM goes outermost: its first phase is no
/// part of the trait.
const ALL: &[(&str, Build)] = &[
    ("Adam", || Box::new(adam())),
    ("Lookahead(Adam)", || Box::new(Lookahead::new(adam()).period(2))),
    ("Lookahead(Momentum)", || Box::new(Lookahead::new(momentum()).period(3).alpha(0.3))),
    ("Accumulate(Adam)", || Box::new(Accumulate::new(adam(), 2))),
    ("Accumulate(Momentum)", || Box::new(Accumulate::new(momentum(), 3))),
    ("Accumulate(RAdam)", || Box::new(Accumulate::new(radam(), 1))),
    ("Sam(Adam)", || Box::new(Sam::new(adam(), 0.1))),
    ("Sam(Momentum)", || Box::new(Sam::new(momentum(), 0.1).adaptive(true))),
    ("Sam(RAdam)", || Box::new(Sam::new(radam(), 0.0))),
    ("Lookahead(Lookahead(Adam))", || {
        Box::new(Lookahead::new(Lookahead::new(adam()).period(2)).period(3))
    }),
    ("Lookahead(Accumulate(Momentum))", || {
        Box::new(Lookahead::new(Accumulate::new(momentum(), 2)).period(2))
    }),
    ("Accumulate(Lookahead(Momentum))", || {
        Box::new(Accumulate::new(Lookahead::new(momentum()).period(2), 2))
    }),
    ("Accumulate(Accumulate(Adam))", || Box::new(Accumulate::new(Accumulate::new(adam(), 2), 2))),
    ("Sam(Lookahead(Momentum))", || Box::new(Sam::new(Lookahead::new(momentum()).period(2), 0.1))),
    ("Sam(Accumulate(Adam))", || Box::new(Sam::new(Accumulate::new(adam(), 2), 0.1))),
];

fn call(run: &mut dyn Run, w: &mut Model, step: u64) -> StepInfo {
    run.ascend(w, &Model::new(500 + step)).unwrap();
    run.step(w, &Model::new(700 + step)).unwrap()
}

/// The same leaves in another order.
struct Turned<'m>(&'m mut Model);

impl Params<f64> for Turned<'_> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<f64>)) {
        visit(path.name("head"), &self.0.head);
        visit(path.name("weight"), &self.0.weight);
        visit(path.name("bias"), &self.0.bias);
    }
}

impl ParamsMut<f64> for Turned<'_> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<f64>),
    ) {
        visit(path.name("head"), &mut self.0.head);
        visit(path.name("weight"), &mut self.0.weight);
        visit(path.name("bias"), &mut self.0.bias);
    }
}

/// Calls that must fail, at either phase, whatever was before.
fn disturb(name: &str, run: &mut dyn Run, w: &mut Model) {
    let nan = |leaf: usize| {
        let mut g = Model::new(3);
        match leaf {
            0 => g.weight[[1, 2]] = f64::NAN,
            1 => g.bias[3] = f64::INFINITY,
            _ => g.head[[0, 1]] = f64::NAN,
        }
        g
    };
    let good = Model::new(4);
    let mut short: Vec<Array1<f64>> = vec![vector(3, 1)];
    let (state, kept) = (run.state(), w.clone());
    for phase in 0..2 {
        let mut go = |w: &mut dyn ParamsMut<f64>, g: &dyn Params<f64>| {
            if phase == 0 { run.ascend(w, g) } else { run.step(w, g).map(|_| ()) }
        };
        // What has no first phase does nothing in it.
        if phase == 0 && !name.starts_with("Sam") {
            continue;
        }
        let other = go(&mut short, &good).unwrap_err();
        assert!(other.to_string().len() > 20);
        go(w, &vec![vector(3, 1)]).unwrap_err();
        go(&mut vector(5, 1), &vector(5, 1)).unwrap_err();
        let reshaped = Model { bias: vector(7, 1), ..good.clone() };
        go(&mut reshaped.clone(), &reshaped).map_or_else(|_| (), |()| panic!("{name}: reshaped"));
        go(w, &reshaped).unwrap_err();
        let refused = (0..3).filter(|&leaf| {
            // A leaf that is frozen may have any gradient, and a good step must not be taken here.
            let frozen = !run_trains(name, leaf);
            !frozen && go(w, &nan(leaf)).is_err()
        });
        assert!(refused.count() >= 2, "{name}");
        assert_eq!(*w, kept, "{name}");
    }
    assert_eq!((run.state(), &*w), (state, &kept), "{name}");
}

/// Whether the optimizer of that name trains the weight, the bias or the head.
fn run_trains(name: &str, leaf: usize) -> bool {
    !(name.contains("Momentum") && leaf == 2 || name.contains("RAdam") && leaf == 0)
}

#[test]
fn an_error_changes_nothing_and_what_follows_is_as_if_it_had_not_been() {
    for (name, build) in ALL {
        let (mut calm, mut disturbed) = (build(), build());
        let (mut a, mut b) = (Model::new(1), Model::new(1));
        for step in 0..9 {
            if step > 0 {
                disturb(name, &mut *disturbed, &mut b);
            }
            let at = Model::new(500 + step);
            calm.ascend(&mut a, &at).unwrap();
            disturbed.ascend(&mut b, &at).unwrap();
            if name.starts_with("Sam") && step > 0 {
                disturb(name, &mut *disturbed, &mut b);
            }
            let g = Model::new(700 + step);
            let infos = (calm.step(&mut a, &g).unwrap(), disturbed.step(&mut b, &g).unwrap());
            assert_eq!((infos.0, &a), (infos.1, &b), "{name}");
            assert_eq!(calm.state(), disturbed.state(), "{name}");
        }
    }
}

/// The first call binds an optimizer to a model; one that fails must not.
#[test]
fn a_first_call_that_fails_binds_to_nothing() {
    for (name, build) in ALL {
        let (mut run, fresh) = (build(), build().state());
        let mut small = vector(2, 1);
        for g in [vector(3, 1), Array1::from_elem(2, f64::NAN)] {
            assert!(run.ascend(&mut small, &g).is_err() || run.step(&mut small, &g).is_err());
            assert_eq!((run.state(), &small), (fresh.clone(), &vector(2, 1)), "{name}");
        }
        let mut w = Model::new(1);
        call(&mut *run, &mut w, 1);
    }
}

#[test]
fn the_average_is_guarded_at_every_call() {
    for (name, build) in ALL {
        let (mut run, mut w) = (build(), Model::new(1));
        for step in 0..5 {
            call(&mut *run, &mut w, step);
            if run.swap_average(&mut w).is_err() {
                assert!(name.contains("RAdam"), "{name}");
                continue;
            }
            let (state, kept) = (run.state(), w.clone());
            let g = Model::new(9);
            assert!(run.ready().is_err(), "{name}");
            assert!(run.ascend(&mut w, &g).is_err() || !name.starts_with("Sam"), "{name}");
            run.step(&mut w, &g).unwrap_err();
            assert_eq!((run.state(), &w), (state, &kept), "{name}");
            run.swap_average(&mut w).unwrap();
        }
    }
}

#[test]
fn a_saved_run_goes_on_to_the_same_bits() {
    for (name, build) in ALL {
        for saved_at in 0..8 {
            let (mut one, mut a) = (build(), Model::new(1));
            for step in 0..saved_at {
                call(&mut *one, &mut a, step);
            }
            let (mut other, mut b) = (build(), a.clone());
            other.load_state(&one.state()).unwrap();
            assert_eq!(other.state(), one.state(), "{name}");
            for step in saved_at..saved_at + 8 {
                // Between the phases too.
                one.ascend(&mut a, &Model::new(500 + step)).unwrap();
                other.ascend(&mut b, &Model::new(500 + step)).unwrap();
                let mut third = build();
                third.load_state(&other.state()).unwrap();
                other = third;
                let g = Model::new(700 + step);
                let infos = (one.step(&mut a, &g).unwrap(), other.step(&mut b, &g).unwrap());
                assert_eq!((infos.0, &a), (infos.1, &b), "{name} saved at {saved_at}");
            }
            assert_eq!(other.state(), one.state(), "{name}");
            one.reset();
            assert_eq!(one.state(), build().state(), "{name}");
        }
    }
}

#[test]
fn a_steady_state_step_allocates_nothing_in_any_order_of_the_leaves() {
    for (name, build) in ALL {
        for order in 0..4 {
            let (mut run, mut w) = (build(), Model::new(1));
            let (mut at, mut g) = (Model::new(2), Model::new(3));
            // Sometimes the first leaves are seen in the other order.
            if order == 3 {
                run.ascend(&mut w, &at).unwrap();
                run.step(&mut w, &g).unwrap();
                let state = run.state();
                run.load_state(&state).unwrap();
            }
            let mut go = |run: &mut dyn Run| match order {
                0 => {
                    run.ascend(&mut w, &at).unwrap();
                    run.step(&mut w, &g).unwrap();
                }
                1 => {
                    run.ascend(&mut w, &Turned(&mut at)).unwrap();
                    run.step(&mut w, &Turned(&mut g)).unwrap();
                }
                2 => {
                    run.ascend(&mut Turned(&mut w), &at).unwrap();
                    run.step(&mut Turned(&mut w), &g).unwrap();
                }
                _ => {
                    run.ascend(&mut Turned(&mut w), &Turned(&mut at)).unwrap();
                    run.step(&mut Turned(&mut w), &Turned(&mut g)).unwrap();
                }
            };
            (0..12).for_each(|_| go(&mut *run));
            let calls = allocations_of(|| (0..12).for_each(|_| go(&mut *run)));
            assert_eq!(calls, 0, "{name}, order {order}");
        }
    }
}

#[test]
fn a_frozen_leaf_stays_and_its_gradient_does_not_matter() {
    for (name, build) in ALL {
        for leaf in 0..3 {
            if run_trains(name, leaf) {
                continue;
            }
            let run = |value: Option<f64>| {
                let (mut run, mut w) = (build(), Model::new(1));
                for step in 0..12 {
                    let mut grads = [Model::new(500 + step), Model::new(700 + step)];
                    for g in &mut grads {
                        if let Some(value) = value {
                            if leaf == 0 { g.weight.fill(value) } else { g.head.fill(value) }
                        }
                    }
                    run.ascend(&mut w, &grads[0]).unwrap();
                    run.step(&mut w, &grads[1]).unwrap();
                }
                w
            };
            let expected = run(None);
            let start = Model::new(1);
            assert!(if leaf == 0 {
                expected.weight == start.weight
            } else {
                expected.head == start.head
            });
            for value in [0.0, 1e300, f64::NAN, f64::INFINITY] {
                assert_eq!(run(Some(value)), expected, "{name} {value}");
            }
        }
    }
}

#[test]
fn a_box_passes_every_question_on() {
    let inner = || Lookahead::new(momentum()).period(2);
    let boxed: Box<dyn Optimizer<f64>> = Box::new(Accumulate::new(inner(), 1));
    for (leaf, trained, maximize) in
        [("weight", true, false), ("bias", true, true), ("head", false, false)]
    {
        let found = Optimizer::treatment(&boxed, leaf, &[1]);
        assert_eq!((found.trained, found.maximize), (trained, maximize), "{leaf}");
    }
    // A term that waits for what moves the parameters after the step.
    let mut boxed: Box<dyn Optimizer<f64>> = Box::new(Adam::new(0.5).average(Average::swa()));
    let mut w = vector(3, 1);
    boxed.step_before_average(&mut w, &vector(3, 2)).unwrap();
    w.fill(7.0);
    boxed.average_again(&mut w).unwrap();
    // Once is enough.
    boxed.average_again(&mut vector(3, 5)).unwrap();
    w.fill(0.0);
    boxed.swap_average(&mut w).unwrap();
    assert_eq!(w, Array1::from_elem(3, 7.0));
}
