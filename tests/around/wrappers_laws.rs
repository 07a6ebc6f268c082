//! What holds of every optimizer around an optimizer, two deep: an error changes nothing, a saved run
//! goes on to the same bits, a step allocates nothing, and what is frozen is left alone.

use ndarray::Array1;
use thalweg::params::{Leaf, LeafMut, Path};
use thalweg::regularize::Projection;
use thalweg::train::{Accumulate, Averaged, ByGroup, Lookahead, Projected, Sam};
use thalweg::{
    Adafactor, Adam, Average, Bounds, Change, Error, Lion, Momentum, Optimizer, Params, ParamsMut,
    RAdam, Shampoo, Sm3, Soap, StepInfo,
};

use super::{Model, vector};
use crate::counting::allocations_of;

type Run = dyn Optimizer<f64>;
type Build = fn() -> Box<Run>;

/// The phase before the step, where there is one and it is due.
fn ascend(run: &mut Run, w: &mut dyn ParamsMut<f64>, g: &dyn Params<f64>) -> Result<(), Error> {
    if run.has_ascended() == Some(false) { run.ascend(w, g) } else { Ok(()) }
}

fn adam() -> Box<Run> {
    Box::new(Adam::new(0.05).clip_norm(1.0).average(Average::ema(0.9)))
}

fn momentum() -> Box<Run> {
    let momentum = Momentum::new(0.05)
        .average(Average::swa().start(2).every(2))
        .group("head", |group| group.frozen(true))
        .group("bias", |group| group.maximize(true).rate_factor(0.5));
    Box::new(momentum)
}

fn radam() -> Box<Run> {
    Box::new(RAdam::new(0.05).group("weight", |group| group.frozen(true)))
}

fn adafactor() -> Box<Run> {
    let head = Change::new().frozen(true);
    Box::new(Adafactor::new(0.05).momentum(0.5).clip_norm(1.0).group("head", head))
}

/// Its roots are made before anything is counted.
fn shampoo() -> Box<Run> {
    let bias = Change::new().rate_factor(0.5);
    Box::new(Shampoo::new(0.05).start(1).every(1000).group("bias", bias))
}

fn soap() -> Box<Run> {
    Box::new(Soap::new(0.05).every(1000).group("weight", Change::new().frozen(true)))
}

/// Sets of every kind around an optimizer.
fn projected(inner: Box<Run>) -> Projected<f64, Box<Run>> {
    Projected::new(inner)
        .within(Bounds::new().all(-0.9..).leaf("head", ..=0.5))
        .onto("weight", Projection::l1_ball(1.0).by_row())
        .onto("bias", Projection::simplex(1.0))
        .onto("head", Projection::l2_ball(1.5))
}

/// Each optimizer in each wrapper, and each wrapper in each.
const ALL: &[(&str, Build)] = &[
    ("Adam", adam),
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
    ("Lookahead(Sam(Momentum))", || Box::new(Lookahead::new(Sam::new(momentum(), 0.1)).period(2))),
    ("Lookahead(Sam(Adam))", || Box::new(Lookahead::new(Sam::new(adam(), 0.1)).period(1))),
    ("Accumulate(Sam(RAdam))", || Box::new(Accumulate::new(Sam::new(radam(), 0.1), 3))),
    ("Lookahead(Accumulate(Sam(Adam)))", || {
        Box::new(Lookahead::new(Accumulate::new(Sam::new(adam(), 0.1), 2)).period(2))
    }),
    ("Accumulate(Lookahead(Sam(Momentum)))", || {
        let sam = Sam::new(momentum(), 0.1).adaptive(true);
        Box::new(Accumulate::new(Lookahead::new(sam).period(2), 2))
    }),
    ("Adafactor", adafactor),
    ("Lookahead(Adafactor)", || Box::new(Lookahead::new(adafactor()).period(2))),
    ("Accumulate(Shampoo)", || Box::new(Accumulate::new(shampoo(), 2))),
    ("Sam(Soap)", || Box::new(Sam::new(soap(), 0.1))),
    ("Lookahead(Accumulate(Sam(Sm3)))", || {
        let sm3 = Sm3::new(0.05).maximize(true).weight_decay(0.1);
        Box::new(Lookahead::new(Accumulate::new(Sam::new(sm3, 0.1), 2)).period(2))
    }),
    ("Averaged(Soap)", || Box::new(Averaged::new(soap(), Average::ema(0.9).debiased()))),
    ("Averaged(Sam(RAdam))", || {
        Box::new(Averaged::new(Sam::new(radam(), 0.1), Average::swa().start(2).every(2)))
    }),
    ("Lookahead(Averaged(Adafactor))", || {
        let averaged = Averaged::new(adafactor(), Average::polynomial(8.0));
        Box::new(Lookahead::new(averaged).period(2))
    }),
    ("Projected(Averaged(Accumulate(Sm3)))", || {
        let sm3 = Sm3::new(0.05).maximize(true).weight_decay(0.1);
        Box::new(projected(Box::new(Averaged::new(Accumulate::new(sm3, 2), Average::swa()))))
    }),
    ("Sam(Averaged(Shampoo))", || {
        Box::new(Sam::new(Averaged::new(shampoo(), Average::swa()), 0.1))
    }),
    ("Projected(Adafactor)", || Box::new(projected(adafactor()))),
    ("Projected(Adam)", || Box::new(projected(adam()))),
    ("Projected(Momentum)", || Box::new(projected(momentum()))),
    ("Projected(RAdam)", || Box::new(projected(radam()))),
    ("Projected(Accumulate(Adam))", || Box::new(projected(Box::new(Accumulate::new(adam(), 2))))),
    ("Projected(Lookahead(Sam(Momentum)))", || {
        Box::new(projected(Box::new(Lookahead::new(Sam::new(momentum(), 0.1)).period(2))))
    }),
    ("Accumulate(Projected(RAdam))", || Box::new(Accumulate::new(projected(radam()), 3))),
    ("Lookahead(Projected(Momentum))", || {
        Box::new(Lookahead::new(projected(momentum())).period(2))
    }),
    ("Sam(Projected(Adam))", || Box::new(Sam::new(projected(adam()), 0.1))),
    ("ByGroup(Adam)", || Box::new(ByGroup::new(adam()))),
    ("ByGroup(Adam, RAdam, Lion)", || Box::new(by_group())),
    ("ByGroup(Accumulate(Adam), Lookahead(Momentum))", || {
        let slow = Lookahead::new(momentum()).period(2);
        Box::new(ByGroup::new(Accumulate::new(adam(), 2)).group("????", slow))
    }),
    ("ByGroup(ByGroup(Adam, RAdam, Lion), Shampoo)", || {
        let shampoo = Shampoo::new(0.05).start(1).every(1000);
        Box::new(ByGroup::new(Adam::new(0.1)).group("*", by_group()).group("head", shampoo))
    }),
    ("Lookahead(ByGroup(Adam, RAdam, Lion))", || Box::new(Lookahead::new(by_group()).period(2))),
    ("Accumulate(ByGroup(Adam, RAdam, Lion))", || Box::new(Accumulate::new(by_group(), 2))),
    ("Sam(ByGroup(Adam, RAdam, Lion))", || Box::new(Sam::new(by_group(), 0.1))),
    ("Projected(ByGroup(Adam, RAdam, Lion))", || Box::new(projected(Box::new(by_group())))),
];

/// Three optimizers, one with an average and one that freezes its only leaf.
fn by_group() -> ByGroup<f64> {
    let lion = Lion::new(0.05).average(Average::ema(0.5));
    ByGroup::new(adam()).group("weight", radam()).group("bias", lion)
}

fn call(run: &mut Run, w: &mut Model, step: u64) -> StepInfo {
    ascend(&mut *run, w, &Model::new(500 + step)).unwrap();
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

/// Names and shapes of the leaves of the model.
const LEAVES: [(&str, &[usize]); 3] = [("weight", &[4, 6]), ("bias", &[6]), ("head", &[6, 3])];

fn leaf_mut(model: &mut Model, leaf: usize) -> &mut [f64] {
    let slice = match leaf {
        0 => model.weight.as_slice_mut(),
        1 => model.bias.as_slice_mut(),
        _ => model.head.as_slice_mut(),
    };
    slice.unwrap()
}

/// Calls that must fail, at either phase, whatever was before.
fn disturb(name: &str, run: &mut Run, w: &mut Model) {
    let nan = |leaf: usize| {
        let mut g = Model::new(3);
        match leaf {
            0 => g.weight[[1, 2]] = f64::NAN,
            1 => g.bias[3] = f64::INFINITY,
            _ => g.head[[0, 1]] = f64::NAN,
        }
        g
    };
    let is_trained = |leaf: &usize| run.treatment(LEAVES[*leaf].0, LEAVES[*leaf].1).trained;
    let trained: Vec<usize> = (0..3).filter(is_trained).collect();
    assert!(!trained.is_empty(), "{name}");
    let good = Model::new(4);
    let mut short: Vec<Array1<f64>> = vec![vector(3, 1)];
    let (state, kept) = (run.state(), w.clone());
    // What has no first phase does nothing in it.
    for phase in usize::from(run.has_ascended().is_none())..2 {
        let mut go = |w: &mut dyn ParamsMut<f64>, g: &dyn Params<f64>| {
            if phase == 0 { run.ascend(w, g) } else { run.step(w, g).map(|_| ()) }
        };
        let other = go(&mut short, &good).unwrap_err();
        assert!(other.to_string().len() > 20);
        go(w, &vec![vector(3, 1)]).unwrap_err();
        go(&mut vector(5, 1), &vector(5, 1)).unwrap_err();
        let reshaped = Model { bias: vector(7, 1), ..good.clone() };
        go(&mut reshaped.clone(), &reshaped).map_or_else(|_| (), |()| panic!("{name}: reshaped"));
        go(w, &reshaped).unwrap_err();
        // A leaf that is frozen may have any gradient, and a good step must not be taken here.
        for leaf in trained.iter().copied() {
            go(w, &nan(leaf)).unwrap_err();
        }
        assert_eq!(*w, kept, "{name}");
    }
    assert_eq!((run.state(), &*w), (state, &kept), "{name}");
}

/// Whether the optimizer of that name trains the weight, the bias or the head.
fn run_trains(name: &str, leaf: usize) -> bool {
    let freezes = |those: [&str; 2]| those.iter().any(|part| name.contains(part));
    !(freezes(["Momentum", "Adafactor"]) && leaf == 2 || freezes(["RAdam", "Soap"]) && leaf == 0)
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
            ascend(&mut *calm, &mut a, &at).unwrap();
            ascend(&mut *disturbed, &mut b, &at).unwrap();
            if calm.has_ascended().is_some() && step > 0 {
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
            assert!(
                ascend(&mut *run, &mut small, &g).is_err() || run.step(&mut small, &g).is_err()
            );
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
                let without = ["RAdam", "Adafactor", "Shampoo", "Soap", "Sm3"];
                let has_none = without.iter().any(|part| name.contains(part));
                assert!(has_none || run.has_ascended() == Some(true), "{name}");
                continue;
            }
            let (state, kept) = (run.state(), w.clone());
            let g = Model::new(9);
            assert!(run.ready().is_err(), "{name}");
            assert!(run.ascend(&mut w, &g).is_err() || run.has_ascended().is_none(), "{name}");
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
                ascend(&mut *one, &mut a, &Model::new(500 + step)).unwrap();
                ascend(&mut *other, &mut b, &Model::new(500 + step)).unwrap();
                let mut third = build();
                third.load_state(&other.state()).unwrap();
                other = third;
                let g = Model::new(700 + step);
                let infos = (one.step(&mut a, &g).unwrap(), other.step(&mut b, &g).unwrap());
                assert_eq!((infos.0, &a), (infos.1, &b), "{name} saved at {saved_at}");
            }
            assert_eq!(other.state(), one.state(), "{name}");
            // What is at the point nearby has a way back to keep.
            if one.has_ascended() != Some(true) {
                one.reset();
                assert_eq!(one.state(), build().state(), "{name}");
            }
        }
    }
}

#[test]
fn a_steady_state_step_allocates_nothing_in_any_order_of_the_leaves() {
    // One of several optimizers keeps what the others can be taken back by.
    for (name, build) in ALL.iter().filter(|(name, _)| !name.contains("ByGroup")) {
        for order in 0..4 {
            let (mut run, mut w) = (build(), Model::new(1));
            let (mut at, mut g) = (Model::new(2), Model::new(3));
            // Sometimes the first leaves are seen in the other order.
            if order == 3 {
                ascend(&mut *run, &mut w, &at).unwrap();
                run.step(&mut w, &g).unwrap();
                let state = run.state();
                run.load_state(&state).unwrap();
            }
            let mut go = |run: &mut Run| match order {
                0 => {
                    ascend(&mut *run, &mut w, &at).unwrap();
                    run.step(&mut w, &g).unwrap();
                }
                1 => {
                    ascend(&mut *run, &mut w, &Turned(&mut at)).unwrap();
                    run.step(&mut w, &Turned(&mut g)).unwrap();
                }
                2 => {
                    ascend(&mut *run, &mut Turned(&mut w), &at).unwrap();
                    run.step(&mut Turned(&mut w), &g).unwrap();
                }
                _ => {
                    ascend(&mut *run, &mut Turned(&mut w), &Turned(&mut at)).unwrap();
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
                    ascend(&mut *run, &mut w, &grads[0]).unwrap();
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
    boxed.step_before_average(&mut w, &vector(3, 2), None).unwrap();
    w.fill(7.0);
    boxed.average_again(&mut w).unwrap();
    // Once is enough.
    boxed.average_again(&mut vector(3, 5)).unwrap();
    w.fill(0.0);
    boxed.swap_average(&mut w).unwrap();
    assert_eq!(w, Array1::from_elem(3, 7.0));
}

/// Frozen and thawed again and again, and changed while it is, with calls that fail and a save in between.
#[test]
fn a_leaf_that_is_frozen_stays_and_goes_on_when_it_is_thawed() {
    for (name, build) in ALL {
        for (leaf, &(frozen, shape)) in LEAVES.iter().enumerate() {
            let (mut calm, mut disturbed) = (build(), build());
            let (mut a, mut b) = (Model::new(1), Model::new(1));
            let mut kept = None;
            for step in 0..22 {
                let change = match step {
                    3 | 9 | 10 | 16 => Some(true),
                    6 | 13 | 14 | 19 => Some(false),
                    _ => None,
                };
                if let Some(freezes) = change {
                    for run in [&mut calm, &mut disturbed] {
                        run.change_group(frozen.into(), Change::new().frozen(freezes)).unwrap();
                    }
                    let is_home = calm.has_ascended() != Some(true);
                    kept = (freezes && is_home).then(|| leaf_mut(&mut a, leaf).to_vec());
                }
                if step > 0 {
                    disturb(name, &mut *disturbed, &mut b);
                }
                let mut at = [Model::new(500 + step), Model::new(700 + step)];
                let trained = calm.treatment(frozen, shape).trained;
                ascend(&mut *calm, &mut a, &at[0]).unwrap();
                if !trained {
                    at.iter_mut().for_each(|g| leaf_mut(g, leaf)[2] = f64::NAN);
                }
                ascend(&mut *disturbed, &mut b, &at[0]).unwrap();
                assert_eq!(a, b, "{name}");
                if step > 0 {
                    disturb(name, &mut *disturbed, &mut b);
                    let mut resumed = build();
                    resumed.load_state(&disturbed.state()).unwrap();
                    assert_eq!(resumed.state(), disturbed.state(), "{name}");
                    disturbed = resumed;
                }
                let infos = (
                    calm.step(&mut a, &Model::new(700 + step)).unwrap(),
                    disturbed.step(&mut b, &at[1]).unwrap(),
                );
                assert_eq!((infos.0, &a), (infos.1, &b), "{name} at {step}");
                assert_eq!(calm.state(), disturbed.state(), "{name} at {step}");
                // Where the parameters are their own place.
                if calm.has_ascended() != Some(true) && !trained {
                    let now = leaf_mut(&mut a, leaf).to_vec();
                    assert_eq!(*kept.get_or_insert_with(|| now.clone()), now, "{name} at {step}");
                }
            }
        }
    }
}
