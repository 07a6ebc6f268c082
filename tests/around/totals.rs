//! What looks at the whole tree, or at the loss.

use ndarray::{Array1, Array2, ShapeBuilder, array};
use thalweg::train::{Accumulate, Lookahead, Projected, Sam};
use thalweg::{
    Average, Bounds, Change, DoG, Entry, ErrorKind, LDoG, Momentum, NonFinite, NovoGrad, Optimizer,
    Pattern, PolyakStep, Prodigy, Settings, catalog,
};

type Pair = (Array1<f64>, Array1<f64>);

fn pair(a: f64, b: f64) -> Pair {
    (array![a, -0.5 * a], array![b])
}

/// The gradient of ‖w - 1‖², and its value.
fn bowl(w: &Pair) -> (Pair, f64) {
    let (a, b) = (&w.0 - 1.0, &w.1 - 1.0);
    let loss = a.dot(&a) + b.dot(&b);
    ((a * 2.0, b * 2.0), loss)
}

fn of_tree() -> impl Iterator<Item = &'static Entry<f64>> {
    catalog::<f64>().iter().filter(|entry| entry.couples_leaves)
}

fn build(entry: &Entry<f64>, change: impl FnOnce(&mut Settings)) -> Box<dyn Optimizer<f64>> {
    let mut settings = Settings::default();
    change(&mut settings);
    entry.build(entry.learning_rate, settings)
}

fn run(optimizer: &mut dyn Optimizer<f64>, w: &mut Pair, steps: usize) {
    for _ in 0..steps {
        let (g, loss) = bowl(w);
        optimizer.step_with_loss(w, &g, loss).unwrap();
    }
}

#[test]
fn a_loss_that_is_not_asked_for_changes_nothing() {
    for entry in catalog::<f64>().iter().filter(|entry| !entry.needs_loss) {
        let (mut a, mut b) = (build(entry, |_| {}), build(entry, |_| {}));
        let (mut v, mut w) = (pair(3.0, -2.0), pair(3.0, -2.0));
        for _ in 0..5 {
            let (g, loss) = bowl(&v);
            let infos = (a.step(&mut v, &g).unwrap(), b.step_with_loss(&mut w, &g, loss).unwrap());
            assert_eq!((infos.0, &v), (infos.1, &w), "{}", entry.name);
        }
        assert_eq!(a.state(), b.state(), "{}", entry.name);
    }
}

#[test]
fn whoever_needs_the_loss_says_so_and_takes_no_step_without() {
    for entry in catalog::<f64>().iter().filter(|entry| entry.needs_loss) {
        let (mut optimizer, mut w) = (build(entry, |_| {}), pair(3.0, -2.0));
        let (g, loss) = bowl(&w);
        let before = (w.clone(), optimizer.state());
        let error = optimizer.step(&mut w, &g).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NeedsLoss { .. }), "{error}");
        assert!(error.to_string().contains("`step_with_loss`"), "{error}");
        assert_eq!(before, (w.clone(), optimizer.state()));
        optimizer.step_with_loss(&mut w, &g, loss).unwrap();
        assert_ne!(before.0, w);
    }
}

#[test]
fn a_loss_that_is_not_finite_is_as_a_gradient_that_is_not() {
    for entry in catalog::<f64>() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut w = pair(3.0, -2.0);
            let (mut rejects, mut skips) =
                (build(entry, |_| {}), build(entry, |s| s.non_finite = NonFinite::Skip));
            for optimizer in [&mut rejects, &mut skips] {
                run(&mut **optimizer, &mut w, 2);
            }
            let (g, before) = (bowl(&w).0, w.clone());
            let states = (rejects.state(), skips.state());
            let error = rejects.step_with_loss(&mut w, &g, bad).unwrap_err();
            let is_that = matches!(error.kind(), ErrorKind::NonFiniteLoss { value }
                if value.to_bits() == bad.to_bits());
            assert!(is_that, "{}: {error}", entry.name);
            assert!(skips.step_with_loss(&mut w, &g, bad).unwrap().skipped, "{}", entry.name);
            assert_eq!((skips.skipped(), skips.steps()), (1, 2), "{}", entry.name);
            assert_eq!(w, before, "{}", entry.name);
            assert_eq!(rejects.state(), states.0, "{}", entry.name);
            let mut lets = build(entry, |s| s.non_finite = NonFinite::Propagate);
            lets.step_with_loss(&mut w, &g, bad).unwrap();
            let mut again = build(entry, |s| s.non_finite = NonFinite::Propagate);
            again.load_state(&lets.state()).unwrap();
        }
    }
}

#[test]
fn a_sum_that_is_not_finite_takes_the_whole_step_back() {
    for entry in of_tree() {
        for average in [None, Some(Average::ema(0.9))] {
            let settings = |s: &mut Settings| {
                s.average = average;
                s.clip_leaf_norm = Some(1e3);
            };
            let mut optimizer = build(entry, settings);
            let mut w = pair(3.0, -2.0);
            run(&mut *optimizer, &mut w, 3);
            let (good, state) = (w.clone(), optimizer.state());
            for bad in [f64::NAN, f64::INFINITY] {
                w.1[0] = bad;
                let g = pair(0.1, 0.2);
                match optimizer.step_with_loss(&mut w, &g, 1.0) {
                    Err(error) => {
                        let is_that = matches!(error.kind(), ErrorKind::NonFiniteSum { .. });
                        assert!(is_that, "{}: {error}", entry.name);
                        assert_eq!(optimizer.state(), state, "{}", entry.name);
                    }
                    // Nothing that it sums is of the parameters.
                    Ok(_) => {
                        assert!(
                            matches!(entry.name, "polyak-step" | "dadapt-adam"),
                            "{}",
                            entry.name
                        );
                        optimizer.load_state(&state).unwrap();
                    }
                }
                w = good.clone();
            }
            // It goes on as if nothing had been.
            let mut other = build(entry, settings);
            let mut v = pair(3.0, -2.0);
            run(&mut *other, &mut v, 6);
            run(&mut *optimizer, &mut w, 3);
            assert_eq!(v, w, "{}", entry.name);
        }
    }
}

#[test]
fn what_is_carried_is_of_the_tree_whatever_its_groups() {
    for entry in of_tree() {
        let (mut one, mut grouped) = (build(entry, |_| {}), build(entry, |_| {}));
        let (mut v, mut w) = (pair(3.0, -2.0), pair(3.0, -2.0));
        for step in 0..12 {
            run(&mut *one, &mut v, 1);
            if step % 4 == 1 {
                let change = Change::new().rate_factor(1.0);
                grouped.change_group(["0", "1", "*"][step / 4].into(), change).unwrap();
            }
            run(&mut *grouped, &mut w, 1);
            assert_eq!(v, w, "{} at {step}", entry.name);
        }
    }
}

#[test]
fn frozen_leaves_are_left_out_of_the_sums_and_late_ones_find_what_is_carried() {
    for entry in of_tree() {
        let (mut all, mut part) = (build(entry, |_| {}), build(entry, |_| {}));
        part.change_group("1".into(), Change::new().frozen(true)).unwrap();
        let (mut alone, mut w) = (pair(3.0, -2.0).0, pair(3.0, -2.0));
        for _ in 0..8 {
            let ((g, _), h) = (bowl(&w), 2.0 * (&alone - 1.0));
            all.step_with_loss(&mut alone, &h, 1.0).unwrap();
            part.step_with_loss(&mut w, &(g.0, array![f64::NAN]), 1.0).unwrap();
            assert_eq!(alone, w.0, "{}", entry.name);
        }
        assert_eq!(w.1[0], -2.0);
        // Thawed, it moves at once, by what the others have found out; and saved, so does what is loaded.
        part.change_group("1".into(), Change::new().frozen(false)).unwrap();
        let mut again = build(entry, |_| {});
        again.change_group("1".into(), Change::new().frozen(true)).unwrap();
        again.change_group("1".into(), Change::new().frozen(false)).unwrap();
        again.load_state(&part.state()).unwrap();
        let mut v = w.clone();
        run(&mut *part, &mut w, 3);
        run(&mut *again, &mut v, 3);
        assert!(w.1[0] != -2.0 && v == w, "{}: {v:?} {w:?}", entry.name);
    }
    let mut prodigy = Prodigy::new(1.0).group("1", |late| late.frozen(true));
    let mut w = pair(3.0, -2.0);
    run(&mut prodigy, &mut w, 60);
    let found = prodigy.estimate();
    assert!(found > 1e-3, "{found}");
    prodigy.change_group("1".into(), Change::new().frozen(false)).unwrap();
    run(&mut prodigy, &mut w, 1);
    assert!(prodigy.estimate() >= found && prodigy.slot("1", "origin").unwrap()[[0]] == -2.0);
}

#[test]
fn a_tree_in_pieces_is_the_tree_within_rounding() {
    for entry in of_tree() {
        let n = 5000;
        let start = Array1::from_shape_fn(n, |i| ((i * 37 % 101) as f64 - 50.0) / 17.0);
        let (mut whole, mut w) = (build(entry, |_| {}), start.clone());
        let (mut split, mut pieces) = (
            build(entry, |_| {}),
            (start.slice(ndarray::s![..13]).to_owned(), start.slice(ndarray::s![13..]).to_owned()),
        );
        for step in 0..10 {
            let g = Array1::from_shape_fn(n, |i| ((i * 53 + step * 71) % 97) as f64 / 97.0 - 0.3);
            whole.step_with_loss(&mut w, &g, 1.0).unwrap();
            let g = (g.slice(ndarray::s![..13]).to_owned(), g.slice(ndarray::s![13..]).to_owned());
            split.step_with_loss(&mut pieces, &g, 1.0).unwrap();
            let both = pieces.0.iter().chain(&pieces.1).zip(&w);
            for (a, b) in both {
                assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-3), "{}: {a} for {b}", entry.name);
            }
        }
    }
}

/// Whatever stands around it hands the loss on.
#[test]
fn wrappers_hand_the_loss_on() {
    let polyak = || PolyakStep::new(1e9);
    let gradient = |w: &Array1<f64>| w * 2.0;
    let start = array![3.0, -4.0];
    let halved = &start * 0.5; // f/‖g‖² = ¼ of 2w
    let mut optimizers: Vec<(&str, Box<dyn Optimizer<f64>>)> = vec![
        ("box", Box::new(Box::new(polyak()) as Box<dyn Optimizer<f64>>)),
        ("lookahead", Box::new(Lookahead::new(polyak()))),
        ("accumulate", Box::new(Accumulate::new(polyak(), 1))),
        ("projected", Box::new(Projected::new(polyak()).within(Bounds::new().all(-9.0..=9.0)))),
        ("averaged", Box::new(polyak().average(Average::swa()))),
    ];
    for (name, optimizer) in &mut optimizers {
        let mut w = start.clone();
        let g = gradient(&w);
        assert!(matches!(
            optimizer.step(&mut w, &g).unwrap_err().kind(),
            ErrorKind::NeedsLoss { .. }
        ));
        assert_eq!(w, start, "{name}");
        optimizer.step_with_loss(&mut w, &g, 25.0).unwrap();
        assert_eq!(w, halved, "{name}");
        optimizer.reset();
        w = start.clone();
        optimizer.step_before_average(&mut w, &g, Some(25.0)).unwrap();
        assert_eq!(w, halved, "{name}");
    }
    // Its phases have one loss: that where the gradient for the step is taken.
    let (mut sam, mut w) = (Sam::new(polyak(), 0.0), start.clone());
    sam.ascend(&mut w, &gradient(&start)).unwrap();
    sam.step_with_loss(&mut w, &gradient(&start), 25.0).unwrap();
    assert_eq!(w, halved);
}

#[test]
fn gradients_that_wait_have_their_losses_waiting_with_them() {
    let start = array![3.0, -4.0];
    let run = |weights: [f64; 3], losses: [f64; 3]| {
        let (mut optimizer, mut w) = (Accumulate::new(PolyakStep::new(1e9), 3), start.clone());
        for (i, (weight, loss)) in weights.into_iter().zip(losses).enumerate() {
            if i == 2 {
                // Saved and loaded amid a batch, it has them still.
                let state = optimizer.state();
                optimizer = Accumulate::new(PolyakStep::new(1e9), 3);
                optimizer.load_state(&state).unwrap();
            }
            let g = &start * 2.0;
            optimizer.step_weighted_with_loss(&mut w, &g, weight, loss).unwrap();
        }
        w
    };
    // Gradients are one, so that only the mean of the losses tells: 25 in each case.
    for (weights, losses) in [
        ([1.0; 3], [25.0; 3]),
        ([1.0, 1.0, 2.0], [5.0, 45.0, 25.0]),
        ([4.0, 1.0, 1.0], [25.0, 50.0, 0.0]),
    ] {
        let w = run(weights, losses);
        assert!((&w - &(&start * 0.5)).iter().all(|d: &f64| d.abs() < 1e-14), "{losses:?}: {w}");
    }
    // One that has none leaves the step without.
    let (mut optimizer, mut w) = (Accumulate::new(PolyakStep::new(1.0), 2), start.clone());
    optimizer.step(&mut w, &start).unwrap();
    let error = optimizer.step_with_loss(&mut w, &start, 1.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NeedsLoss { .. }), "{error}");
    assert_eq!((optimizer.waiting(), &w), (1, &start));
    let error = optimizer.step_with_loss(&mut w, &start, f64::NAN).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteLoss { .. }), "{error}");
    let mut skips = Accumulate::new(PolyakStep::new(1.0), 2).non_finite(NonFinite::Skip);
    assert!(skips.step_with_loss(&mut w, &start, f64::NAN).unwrap().skipped);
    assert_eq!((skips.skipped(), skips.waiting()), (1, 0));
}

/// What is a leaf's own stays with it, however leaves come and go.
#[test]
fn a_number_of_a_leaf_is_the_leafs_own() {
    fn check(build: &dyn Fn() -> Box<dyn Optimizer<f64>>) {
        let name = build().name();
        let (mut both, mut first, mut second) = (build(), build(), build());
        let (mut w, mut a, mut b) = (pair(3.0, -2.0), pair(3.0, -2.0).0, pair(3.0, -2.0).1);
        for step in 0..20 {
            // Of sizes that are far apart, and the second comes late.
            let g = (array![1e3, -2e3] * (1.0 + step as f64), array![1e-3 / (1.0 + step as f64)]);
            if step == 0 {
                both.change_group("1".into(), Change::new().frozen(true)).unwrap();
            }
            if step == 7 {
                both.change_group("1".into(), Change::new().frozen(false)).unwrap();
            }
            if step == 12 {
                let state = both.state();
                let mut again = build();
                again.load_state(&state).unwrap();
                assert_eq!(again.state(), state, "{name}");
                both = again;
            }
            both.step(&mut w, &g).unwrap();
            first.step(&mut a, &g.0).unwrap();
            if step >= 7 {
                second.step(&mut b, &g.1).unwrap();
            }
            assert_eq!((&w.0, &w.1), (&a, &b), "{name} at {step}");
        }
    }
    check(&|| Box::new(NovoGrad::new(0.1)));
    check(&|| Box::new(LDoG::new(1.0)));
}

/// In closed form: two elements, one step and another.
#[test]
fn distance_over_gradients_by_hand() {
    let mut w = (array![3.0_f64], array![4.0_f64]);
    let mut dog = DoG::new(1.0).initial_distance(0.5).epsilon(1e-300);
    // r̄ = 0.5·(1 + 5) = 3 and ‖g‖ = 10: by 0.3·g.
    dog.step(&mut w, &(array![6.0], array![8.0])).unwrap();
    assert!((w.0[0] - 1.2).abs() < 1e-14 && (w.1[0] - 1.6).abs() < 1e-14);
    // ‖w - w₀‖ = 3 still, and √(100 + 24²) = 26.
    dog.step(&mut w, &(array![0.0], array![24.0])).unwrap();
    assert!((w.1[0] - (1.6 - 24.0 * 3.0 / 26.0)).abs() < 1e-14);
}

#[test]
fn a_clip_and_a_penalty_are_in_what_is_summed() {
    // Clipped to a norm of 1, the rate is f/1.
    let mut w = array![3.0, -4.0];
    let mut polyak = PolyakStep::new(1e9).clip_norm(1.0);
    polyak.step_with_loss(&mut w, &array![6.0, -8.0], 2.0).unwrap();
    assert!((&w - &array![3.0 - 1.2, -4.0 + 1.6]).iter().all(|d: &f64| d.abs() < 1e-14));
}

#[test]
fn layouts_of_parameters_and_gradients_do_not_matter() {
    for entry in of_tree() {
        let value = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f64 / 23.0 - 0.4;
        let (mut c, mut f) = (
            Array2::from_shape_fn((40, 50), |(i, j)| value(i, j)),
            Array2::from_shape_fn((40, 50).f(), |(i, j)| value(i, j)),
        );
        let (mut a, mut b) = (build(entry, |_| {}), build(entry, |_| {}));
        for step in 0..5 {
            let g = Array2::from_shape_fn((40, 50), |(i, j)| value(i + step, j));
            a.step_with_loss(&mut c, &g, 1.0).unwrap();
            b.step_with_loss(&mut f, &g, 1.0).unwrap();
            let close = c.iter().zip(&f).all(|(a, b)| (a - b).abs() <= 1e-13 * b.abs().max(1e-3));
            assert!(close, "{} at {step}", entry.name);
        }
    }
}

#[test]
fn cautious_updates_count_those_of_the_whole_step() {
    for entry in of_tree() {
        let mut optimizer = build(entry, |s| s.cautious = true);
        let mut w = pair(3.0, -2.0);
        for step in 0..10 {
            let before = w.clone();
            let ((g, _), loss) = (bowl(&w), 1.0 + step as f64);
            optimizer.step_with_loss(&mut w, &g, loss).unwrap();
            let moved = [(&before.0, &w.0, &g.0), (&before.1, &w.1, &g.1)];
            for (before, after, g) in moved {
                let against = (after - before) * g;
                assert!(against.iter().all(|&product| product <= 0.0), "{}", entry.name);
            }
        }
        assert_ne!(w, pair(3.0, -2.0), "{}", entry.name);
    }
}

#[test]
fn rules_of_a_leaf_take_losses_too() {
    let mut momentum = Momentum::new(0.1).group(Pattern::from("1"), |g| g.rate_factor(0.5));
    let mut w = pair(1.0, 1.0);
    run(&mut momentum, &mut w, 3);
    assert_eq!(momentum.steps(), 3);
}
