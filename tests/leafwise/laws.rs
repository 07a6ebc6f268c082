//! What holds of every optimizer, for those of whole leaves.

use ndarray::{Array2, ArrayD, Axis, IxDyn, ShapeBuilder, Slice, array};
use thalweg::params::Snapshot;
use thalweg::{
    Adafactor, ErrorKind, NonFinite, Optimizer, Scalar, Schedule, Shampoo, Simd, Sm3, Soap,
};

use super::support::{Boxed, Model, all, array as numbers, assert_same_bits, builds, model};

const STEPS: u64 = 8;

fn run<F: Scalar>(mut optimizer: impl Optimizer<F>) -> Model<F> {
    let mut w = model(1);
    for seed in 2..2 + STEPS {
        optimizer.step(&mut w, &model(seed)).unwrap();
    }
    w
}

#[test]
fn steps_go_against_the_gradient_and_are_finite() {
    for (name, build) in builds::<f64>() {
        let (mut optimizer, g) = (build(1e-3.into()), model::<f64>(2));
        let mut w = model::<f64>(1);
        (0..12).for_each(|_| _ = optimizer.step(&mut w, &g).unwrap());
        for (leaf, w) in &w {
            let along: f64 = ((&model::<f64>(1)[leaf] - w) * &g[leaf]).sum();
            assert!(w.is_empty() || along > 0.0, "{name}: {leaf}");
        }
    }
}

#[test]
fn a_zero_gradient_moves_nothing() {
    fn holds<F: Scalar>() {
        for (name, build) in builds::<F>() {
            let (mut optimizer, mut w) = (build(0.1.into()), model::<F>(1));
            let zeros: Model<F> =
                w.iter().map(|(name, w)| (name.clone(), ArrayD::zeros(w.shape()))).collect();
            for _ in 0..5 {
                optimizer.step(&mut w, &zeros).unwrap();
            }
            assert_eq!(w, model(1), "{name}");
            // And what comes after is as finite as ever.
            optimizer.step(&mut w, &model(2)).unwrap();
            optimizer.step(&mut w, &model(3)).unwrap();
            assert!(w.values().flatten().all(|w| w.is_finite()), "{name}");
            assert!(w["square"] != model::<F>(1)["square"], "{name}");
        }
    }
    holds::<f32>();
    holds::<f64>();
}

/// Each bad call fails with a kind, and everything goes on as if it had not been.
fn is_refused(
    what: &str,
    change: impl Fn(&mut Model<f64>, &mut Model<f64>),
    is: impl Fn(&ErrorKind) -> bool,
) {
    for (name, build) in all::<f64>() {
        let (mut w, mut undisturbed) = (model(1), model(1));
        let (mut optimizer, mut other) = (build(0.1.into()), build(0.1.into()));
        for step in 0..4 {
            let g = model(10 + step);
            let (mut bad_w, mut bad_g) = (w.clone(), g.clone());
            change(&mut bad_w, &mut bad_g);
            if step > 0 || bad_w.len() == w.len() {
                let (before, state) = (bad_w.clone(), optimizer.state());
                let error = optimizer.step(&mut bad_w, &bad_g).unwrap_err();
                assert!(is(error.kind()), "{name}: {what}: {error}");
                assert_eq!((&bad_w, optimizer.state()), (&before, state), "{name}: {what}");
            }
            optimizer.step(&mut w, &g).unwrap();
            other.step(&mut undisturbed, &g).unwrap();
            assert_same_bits(&w, &undisturbed);
            assert_eq!((optimizer.steps(), optimizer.skipped()), (other.steps(), 0));
        }
    }
}

#[test]
fn an_error_changes_nothing() {
    is_refused(
        "a NaN in a matrix",
        |_, g| g.get_mut("tall").unwrap()[[2, 1]] = f64::NAN,
        |kind| matches!(kind, ErrorKind::NonFiniteGradient { leaf, index, .. } if leaf == "tall" && index == &[2, 1]),
    );
    is_refused(
        "an infinity in a number",
        |_, g| g.get_mut("number").unwrap().fill(f64::INFINITY),
        |kind| matches!(kind, ErrorKind::NonFiniteGradient { leaf, .. } if leaf == "number"),
    );
    is_refused(
        "a gradient is missing",
        |_, g| drop(g.remove("wide")),
        |kind| matches!(kind, ErrorKind::Leaves { missing, .. } if missing == &["wide"]),
    );
    is_refused(
        "a parameter is new",
        |w, g| {
            w.insert("more".into(), ArrayD::zeros(vec![2, 2]));
            g.insert("more".into(), ArrayD::zeros(vec![2, 2]));
        },
        |kind| matches!(kind, ErrorKind::Leaves { unexpected, .. } if unexpected == &["more"]),
    );
    is_refused(
        "a gradient has another shape",
        |_, g| drop(g.insert("square".into(), ArrayD::zeros(vec![9, 8]))),
        |kind| matches!(kind, ErrorKind::GradientShape { leaf, .. } if leaf == "square"),
    );
}

#[test]
fn a_square_that_overflows_is_refused_and_what_is_below_stays_finite() {
    for (name, build) in builds::<f32>() {
        let (mut optimizer, mut w) = (build(0.1.into()), model::<f32>(1));
        let mut g = model::<f32>(2);
        optimizer.step(&mut w, &g).unwrap();
        g.get_mut("square").unwrap()[[1, 1]] = 1e20;
        let before = w.clone();
        let error = optimizer.step(&mut w, &g).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::LargeGradient { .. }), "{name}: {error}");
        assert_eq!(w, before);
        // What is just below the limit is taken, however often.
        let (mut optimizer, mut w) = (build(0.1.into()), model::<f32>(1));
        for leaf in g.values_mut() {
            leaf.iter_mut()
                .enumerate()
                .for_each(|(i, g)| *g = if i % 2 == 0 { 9e18 } else { -9e18 });
        }
        for _ in 0..20 {
            optimizer.step(&mut w, &g).unwrap();
        }
        assert!(w.values().flatten().all(|w| w.is_finite()), "{name}");
        for seed in 2..20 {
            optimizer.step(&mut w, &model::<f32>(seed)).unwrap();
        }
        assert!(w.values().flatten().all(|w| w.is_finite()), "{name}");
    }
}

#[test]
fn gradients_that_are_not_finite_follow_the_policy_in_every_leaf() {
    type Built = fn(NonFinite) -> Boxed<f64>;
    let built: [Built; 4] = [
        |policy| Box::new(Adafactor::new(0.1).non_finite(policy)),
        |policy| Box::new(Sm3::new(0.1).non_finite(policy).clip_norm(1.0)),
        |policy| Box::new(Shampoo::new(0.1).non_finite(policy)),
        |policy| Box::new(Soap::new(0.1).non_finite(policy)),
    ];
    for build in built {
        for leaf in ["bias", "tall"] {
            let (mut w, mut g) = (model::<f64>(1), model(2));
            *g.get_mut(leaf).unwrap().first_mut().unwrap() = f64::INFINITY;
            let mut skipping = build(NonFinite::Skip);
            for _ in 0..2 {
                let info = skipping.step(&mut w, &g).unwrap();
                assert!(info.skipped && info.step == 0);
            }
            assert_same_bits(&w, &model(1));
            skipping.step(&mut w, &model(3)).unwrap();
            let (after, state) = (w.clone(), skipping.state());
            skipping.step(&mut w, &g).unwrap();
            assert_same_bits(&w, &after);
            assert_ne!(skipping.state(), state, "what was skipped is counted");
            assert_eq!((skipping.skipped(), skipping.steps()), (3, 1));

            // Nobody looks: it is no error, whatever comes of it.
            let mut through = build(NonFinite::Propagate);
            (0..3).for_each(|_| assert!(!through.step(&mut w, &g).unwrap().skipped));
        }
    }
}

/// An array in memory as its axes, turned round, in steps and in a window.
fn laid_out(x: &ArrayD<f64>, kind: usize) -> (ArrayD<f64>, Vec<Slice>) {
    let rank = x.ndim();
    let room: Vec<usize> = x.shape().iter().map(|&len| 2 * len + 3).collect();
    let buffer = match kind {
        0 => ArrayD::from_elem(IxDyn(&room), 77.0),
        _ => ArrayD::from_elem(IxDyn(&room).f(), 77.0),
    };
    let slices = (0..rank).map(|axis| {
        let len = x.shape()[axis] as isize;
        match (kind + axis) % 3 {
            0 => Slice::new(1, Some(1 + len), 1),
            1 => Slice::new(1, Some(1 + len), -1),
            _ => Slice::new(1, Some(1 + 2 * len - isize::from(len > 0)), 2),
        }
    });
    (buffer, slices.collect())
}

#[test]
fn layouts_give_the_same_bits_and_gaps_are_left_alone() {
    for (name, build) in all::<f64>() {
        for shape in [&[12, 7][..], &[3, 4, 5], &[9]] {
            let mut plain = numbers::<f64>(shape, 1);
            let mut optimizer = build(0.1.into());
            for seed in 2..2 + STEPS {
                optimizer.step(&mut plain, &numbers::<f64>(shape, seed)).unwrap();
            }
            for kind in 0..3 {
                let (mut buffer, slices) = laid_out(&plain, kind);
                let (mut source, of_source) = laid_out(&plain, (kind + 1) % 3);
                let mut w = buffer.slice_each_axis_mut(|axis| slices[axis.axis.index()]);
                w.assign(&numbers::<f64>(shape, 1));
                let mut optimizer = build(0.1.into());
                for seed in 2..2 + STEPS {
                    let mut g = source.slice_each_axis_mut(|axis| of_source[axis.axis.index()]);
                    g.assign(&numbers::<f64>(shape, seed));
                    optimizer.step(&mut w, &g).unwrap();
                }
                let off = w.iter().zip(&plain).map(|(a, b)| (a - b).abs());
                // Clipping by a norm sums in another order.
                let bound = if matches!(name, "adafactor" | "shampoo") { 1e-13 } else { 0.0 };
                assert!(off.fold(0.0, f64::max) <= bound, "{name} {shape:?} {kind}");
                let others = buffer.iter().filter(|&&w| w == 77.0).count();
                assert_eq!(others, buffer.len() - plain.len(), "{name}: written outside");
            }
        }
    }
}

#[test]
fn instruction_sets_give_the_same_bits() {
    fn same<F: Scalar>(build: impl Fn(Simd) -> Boxed<F>) {
        let all: Vec<_> = Simd::available().into_iter().map(|simd| run(build(simd))).collect();
        all.iter().for_each(|w| assert_same_bits(w, &all[0]));
    }
    same::<f32>(|simd| Box::new(Adafactor::new(0.1).simd(simd)));
    same::<f32>(|simd| Box::new(Sm3::new(0.1).simd(simd)));
    same::<f32>(|simd| Box::new(Shampoo::new(0.1).every(2).simd(simd)));
    same::<f64>(|simd| Box::new(Soap::new(0.1).every(2).simd(simd)));
}

#[cfg(feature = "rayon")]
#[test]
fn threads_give_the_same_bits() {
    let builds: [fn() -> Boxed<f32>; 4] = [
        || Box::new(Adafactor::new(0.1)),
        || Box::new(Sm3::new(0.1)),
        || Box::new(Shampoo::new(0.1).every(2)),
        || Box::new(Soap::new(0.1).every(1)),
    ];
    for build in builds {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut w = numbers::<f32>(&[130, 150], 1);
            let mut optimizer = build();
            for seed in 2..5 {
                pool.install(|| {
                    optimizer.step(&mut w, &numbers::<f32>(&[130, 150], seed)).unwrap()
                });
            }
            w
        };
        assert_eq!(run(1), run(3));
    }
}

#[test]
fn leaves_may_come_in_another_order() {
    for (name, build) in all::<f64>() {
        let tree = |seed: u64, backwards: bool| {
            let mut leaves: Vec<_> = model::<f64>(seed).into_iter().collect();
            if backwards {
                leaves.reverse();
            }
            Snapshot::from_leaves(leaves).unwrap()
        };
        let (mut w, mut turned) = (tree(1, false), tree(1, true));
        let (mut one, mut other) = (build(0.1.into()), build(0.1.into()));
        for seed in 2..6 {
            one.step(&mut w, &tree(seed, seed % 2 == 0)).unwrap();
            other.step(&mut turned, &tree(seed, seed % 2 == 1)).unwrap();
        }
        for (leaf, w) in w.leaves() {
            // A norm over all is summed in their order.
            let off = w.iter().zip(turned.leaf(leaf).unwrap()).map(|(a, b)| (a - b).abs());
            let bound = if matches!(name, "adafactor" | "shampoo") { 1e-13 } else { 0.0 };
            assert!(off.fold(0.0, f64::max) <= bound, "{name} {leaf}");
        }
    }
}

#[test]
fn a_gradient_may_be_of_the_other_sign_and_is_clipped_before_all_else() {
    let negative = |seed| -> Model<f64> {
        model::<f64>(seed).into_iter().map(|(name, g)| (name, -g)).collect()
    };
    let norm = |g: &Model<f64>| g.values().flatten().map(|g| g * g).sum::<f64>().sqrt();
    type Pair = (fn() -> Boxed<f64>, fn() -> Boxed<f64>);
    let pairs: [Pair; 4] = [
        (
            || Box::new(Adafactor::new(0.1).maximize(true).clip_norm(3.0)),
            || Box::new(Adafactor::new(0.1)),
        ),
        (|| Box::new(Sm3::new(0.1).maximize(true).clip_norm(3.0)), || Box::new(Sm3::new(0.1))),
        (
            || Box::new(Shampoo::new(0.1).every(2).epsilon(0.1).maximize(true).clip_norm(3.0)),
            || Box::new(Shampoo::new(0.1).every(2).epsilon(0.1)),
        ),
        (
            || Box::new(Soap::new(0.1).longest(9).maximize(true).clip_norm(3.0)),
            || Box::new(Soap::new(0.1).longest(9)),
        ),
    ];
    for (around, plain) in pairs {
        let (mut around, mut plain) = (around(), plain());
        let (mut w, mut v) = (model::<f64>(1), model::<f64>(1));
        for seed in 2..7 {
            let (g, mut scaled) = (model(seed), negative(seed));
            let size = norm(&g);
            assert!(size > 3.0);
            scaled.values_mut().for_each(|g| *g *= 3.0 / size);
            let info = around.step(&mut w, &g).unwrap();
            assert!((info.grad_norm.unwrap() / size - 1.0).abs() < 1e-14);
            plain.step(&mut v, &scaled).unwrap();
        }
        assert!(around.treatment("bias", &[5]).maximize);
        // Where a first gradient leaves directions open, the last digit chooses SOAP's basis.
        let is_open = |leaf: &str| !matches!(leaf, "square" | "bias" | "number");
        for (name, w) in w.iter().filter(|(leaf, _)| around.name() != "Soap" || !is_open(leaf)) {
            let off = w.iter().zip(&v[name]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-8, "{} {name}: {off:e}", around.name());
        }
    }
}

#[test]
fn rates_are_set_scaled_and_scheduled() {
    for (name, build) in builds::<f64>() {
        let mut scheduled = build(Schedule::from(|step: u64| 0.1 / step as f64));
        let (mut w, mut v) = (model::<f64>(1), model::<f64>(1));
        let mut set = build(7.0.into());
        set.scale_rate(0.5).unwrap();
        for step in 1..=5 {
            set.set_learning_rate(0.2 / step as f64).unwrap();
            let info = scheduled.step(&mut w, &model(step + 1)).unwrap();
            assert_eq!((info.step, info.learning_rate), (step, 0.1 / step as f64));
            set.step(&mut v, &model(step + 1)).unwrap();
        }
        assert_eq!(set.learning_rate(), 0.02);
        for (leaf, w) in &w {
            let off = w.iter().zip(&v[leaf]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-14, "{name} {leaf}");
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(set.set_learning_rate(bad).is_err() && set.scale_rate(bad).is_err());
            assert!(set.set_schedule(Schedule::from(0.1)).is_ok());
        }
        assert!(build((-1.0).into()).validate().is_err(), "{name}");
    }
}

#[test]
fn a_copy_goes_on_alike_and_a_reset_begins_anew() {
    let mut soap = Soap::new(0.1).every(2);
    let mut w = model::<f64>(1);
    (2..6).for_each(|seed| _ = soap.step(&mut w, &model(seed)).unwrap());
    let (mut copy, mut there) = (soap.clone(), w.clone());
    for seed in 6..9 {
        soap.step(&mut w, &model(seed)).unwrap();
        copy.step(&mut there, &model(seed)).unwrap();
    }
    assert_same_bits(&w, &there);
    soap.reset();
    assert_eq!((soap.steps(), soap.state_len()), (0, 0));
    assert_eq!(soap.state(), Soap::<f64>::new(0.1).every(2).state());
    soap.step(&mut array![1.0], &array![1.0]).unwrap();
    assert!(format!("{soap:?}").contains("Soap"));
}

#[test]
fn hyperparameters_out_of_range_are_refused() {
    fn refused(mut optimizer: impl Optimizer<f64>, expected: &str) {
        let error = optimizer.validate().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Hyperparameter { name, .. } if *name == expected),
            "{error}"
        );
        let mut w = array![[1.0]];
        assert!(optimizer.step(&mut w, &array![[1.0]]).is_err());
        assert_eq!(w, array![[1.0]]);
    }
    let adafactor = || Adafactor::new(0.1);
    refused(adafactor().decay_exponent(0.0), "decay_exponent");
    refused(adafactor().epsilon(-1.0), "epsilon");
    refused(adafactor().scale_floor(f64::NAN), "scale_floor");
    refused(adafactor().clip_threshold(-1.0), "clip_threshold");
    refused(adafactor().momentum(1.0), "momentum");
    refused(adafactor().weight_decay(-1.0), "weight_decay");
    refused(adafactor().clip_norm(0.0), "clip_norm");
    refused(Sm3::new(0.1).momentum(-0.1), "momentum");
    refused(Sm3::new(0.1).beta2(0.0), "beta2");
    refused(Sm3::new(0.1).beta2(1.1), "beta2");
    refused(Sm3::new(0.1).epsilon(0.0), "epsilon");
    refused(Shampoo::new(0.1).beta1(1.0), "beta1");
    refused(Shampoo::new(0.1).beta2(1.5), "beta2");
    refused(Shampoo::new(0.1).epsilon(0.0), "epsilon");
    refused(Shampoo::new(0.1).exponent(-0.1), "exponent");
    refused(Shampoo::new(0.1).every(0), "every");
    refused(Shampoo::new(0.1).start(0), "start");
    refused(Shampoo::new(0.1).block(0), "block");
    let grafting = thalweg::kronecker::Grafting::Adam { beta2: 1.0, epsilon: 1e-8 };
    refused(Shampoo::new(0.1).grafting(grafting), "grafting.beta2");
    refused(Soap::new(0.1).beta1(1.0), "beta1");
    refused(Soap::new(0.1).shampoo_beta(1.0), "shampoo_beta");
    refused(Soap::new(0.1).epsilon(1e-200), "epsilon");
    refused(Soap::new(0.1).every(0), "every");
}

#[test]
fn tiny_gradients_are_no_numbers_that_are_none() {
    for (name, build) in all::<f32>() {
        let (mut optimizer, mut w) = (build(0.1.into()), model::<f32>(1));
        for seed in 2..30 {
            let g: Model<f32> =
                model::<f32>(seed).into_iter().map(|(name, g)| (name, g * 1e-36)).collect();
            optimizer.step(&mut w, &g).unwrap();
        }
        assert!(w.values().flatten().all(|w| w.is_finite()), "{name}");
    }
}

#[test]
fn a_broadcast_gradient_is_read_as_it_is() {
    for (name, build) in builds::<f64>() {
        let row = numbers::<f64>(&[4], 3);
        let g = row.broadcast(IxDyn(&[3, 4])).unwrap();
        let whole = g.to_owned();
        let (mut w, mut v) = (Array2::ones((3, 4)), Array2::ones((3, 4)));
        let (mut one, mut other) = (build(0.1.into()), build(0.1.into()));
        for _ in 0..4 {
            one.step(&mut w, &g).unwrap();
            other.step(&mut v, &whole).unwrap();
        }
        assert_eq!(w, v, "{name}");
        assert!(w.axis_iter(Axis(0)).all(|row| row.iter().all(|w| w.is_finite())));
    }
}
