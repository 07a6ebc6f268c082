//! What holds of every optimizer, for Muon.

use ndarray::{Array1, Array2, ArrayD, Axis, ShapeBuilder, array};
use thalweg::muon::Scale;
use thalweg::{AdamW, ErrorKind, Muon, NonFinite, Optimizer, Scalar, Simd};

use super::oracle::{Model, array as numbers, model};

fn assert_same_bits(a: &Model<f64>, b: &Model<f64>) {
    for (name, a) in a {
        assert!(a.iter().zip(&b[name]).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}");
    }
}

#[test]
fn a_zero_gradient_moves_nothing() {
    let before = model::<f32>(1);
    let zeros: Model<f32> =
        before.iter().map(|(name, w)| (name.clone(), ArrayD::zeros(w.shape()))).collect();
    for muon in
        [Muon::new(0.1), Muon::optax(0.1).nesterov(false), Muon::torch(0.1).weight_decay(0.0)]
    {
        let mut muon = muon.with_adamw(AdamW::new(0.1).weight_decay(0.0));
        let mut w = before.clone();
        for _ in 0..5 {
            muon.step(&mut w, &zeros).unwrap();
        }
        assert_eq!(w, before);
    }
}

/// Each bad call fails with a kind, and everything goes on as if it had not been.
fn is_refused(
    what: &str,
    change: impl Fn(&mut Model<f64>, &mut Model<f64>),
    is: impl Fn(&ErrorKind) -> bool,
) {
    let (mut w, mut undisturbed) = (model(1), model(1));
    let (mut muon, mut other) = (Muon::new(0.1), Muon::new(0.1));
    for step in 0..4 {
        let g = model(10 + step);
        if step > 0 {
            let (mut bad_w, mut bad_g) = (w.clone(), g.clone());
            change(&mut bad_w, &mut bad_g);
            let before = bad_w.clone();
            let error = muon.step(&mut bad_w, &bad_g).unwrap_err();
            assert!(is(error.kind()), "{what}: {error}");
            assert!(bad_w.iter().all(|(name, w)| before[name] == *w), "{what}");
        }
        muon.step(&mut w, &g).unwrap();
        other.step(&mut undisturbed, &g).unwrap();
        assert_same_bits(&w, &undisturbed);
        assert_eq!((muon.steps(), muon.skipped()), (other.steps(), 0));
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
        "an infinity in a vector",
        |_, g| g.get_mut("bias").unwrap()[[4]] = f64::INFINITY,
        |kind| matches!(kind, ErrorKind::NonFiniteGradient { leaf, .. } if leaf == "bias"),
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
        "a gradient would have to be broadcast",
        |_, g| drop(g.insert("wide".into(), ArrayD::zeros(vec![1, 33]))),
        |kind| matches!(kind, ErrorKind::GradientShape { leaf, .. } if leaf == "wide"),
    );
    is_refused(
        "a parameter has another shape",
        |w, g| {
            w.insert("square".into(), ArrayD::zeros(vec![9, 8]));
            g.insert("square".into(), ArrayD::zeros(vec![9, 8]));
        },
        |kind| matches!(kind, ErrorKind::ShapeChanged { leaf, .. } if leaf == "square"),
    );
}

#[test]
fn a_failed_first_step_leaves_a_fresh_optimizer() {
    let mut muon =
        Muon::new(0.1).with_adamw(AdamW::new(|step: u64| if step == 1 { -1.0 } else { 0.1 }));
    let mut w = model(1);
    let error = muon.step(&mut w, &model(2)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LearningRate { .. }), "{error}");
    assert_same_bits(&w, &model(1));
    assert!(muon.slot("tall", "m").is_none());
    // Another model is as welcome as the first.
    muon.matrices(|_, _| true)
        .with_adamw(AdamW::new(0.1))
        .step(&mut array![1.0], &array![1.0])
        .unwrap();
}

#[test]
fn gradients_that_are_not_finite_follow_the_policy_in_every_leaf() {
    for leaf in ["bias", "tall"] {
        let (mut w, mut g) = (model::<f64>(1), model(2));
        *g.get_mut(leaf).unwrap().first_mut().unwrap() = f64::INFINITY;
        let mut skipping = Muon::new(0.1).non_finite(NonFinite::Skip);
        for _ in 0..2 {
            let info = skipping.step(&mut w, &g).unwrap();
            assert!(info.skipped && info.step == 0);
        }
        assert_same_bits(&w, &model(1));
        skipping.step(&mut w, &model(3)).unwrap();
        let after = w.clone();
        skipping.step(&mut w, &g).unwrap();
        assert_same_bits(&w, &after);
        assert_eq!((skipping.skipped(), skipping.steps(), skipping.adamw().steps()), (3, 1, 1));

        let mut through = Muon::new(0.1).non_finite(NonFinite::Propagate);
        through.step(&mut w, &g).unwrap();
        assert!(w[leaf].iter().any(|w| w.is_nan()));
        assert!(w["square"].iter().all(|w| w.is_finite()));
    }
}

#[test]
fn layouts_give_the_same_bits_and_gaps_are_left_alone() {
    let (w0, g0) = (numbers::<f64>(&[12, 7], 1), numbers::<f64>(&[12, 7], 2));
    let (w0, g0): (Array2<f64>, Array2<f64>) =
        (w0.into_dimensionality().unwrap(), g0.into_dimensionality().unwrap());
    let mut plain = w0.clone();
    let mut muon = Muon::new(0.1);
    muon.step(&mut plain, &g0).unwrap();
    muon.step(&mut plain, &g0).unwrap();

    let mut columns = Array2::zeros((12, 7).f());
    columns.assign(&w0);
    let mut muon = Muon::new(0.1);
    muon.step(&mut columns, &g0.clone().reversed_axes().as_standard_layout().t()).unwrap();

    let mut gapped = Array2::from_elem((24, 21), 77.0);
    let mut view = gapped.slice_mut(ndarray::s![..;-2, ..;3]);
    view.assign(&columns);
    muon.step(&mut view, &g0).unwrap();
    assert_eq!(view, plain);
    assert_eq!(gapped.iter().filter(|&&w| w == 77.0).count(), 24 * 21 - 84);
}

#[test]
fn instruction_sets_give_the_same_bits() {
    let run = |simd| {
        let mut muon = Muon::new(0.1).simd(simd);
        let mut w = model::<f64>(1);
        for seed in 2..6 {
            muon.step(&mut w, &model(seed)).unwrap();
        }
        w
    };
    let all: Vec<_> = Simd::available().into_iter().map(run).collect();
    all.iter().for_each(|w| assert_same_bits(w, &all[0]));
}

#[cfg(feature = "rayon")]
#[test]
fn threads_give_the_same_bits() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut w = numbers::<f32>(&[150, 170], 1);
        let mut muon = Muon::new(0.1);
        pool.install(|| muon.step(&mut w, &numbers::<f32>(&[150, 170], 2)).unwrap());
        w
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn leaves_may_come_in_another_order() {
    let (a, b) = (numbers::<f64>(&[4, 6], 1), numbers::<f64>(&[3], 2));
    let (ga, gb) = (numbers::<f64>(&[4, 6], 3), numbers::<f64>(&[3], 4));
    let tree = |reversed: bool, a: &ArrayD<f64>, b: &ArrayD<f64>| {
        let mut leaves = vec![("a".to_string(), a.clone()), ("b".to_string(), b.clone())];
        if reversed {
            leaves.reverse();
        }
        thalweg::params::Snapshot::from_leaves(leaves).unwrap()
    };
    let (mut one, mut two) = (Muon::new(0.1), Muon::new(0.1));
    let (mut forward, mut backward) = (tree(false, &a, &b), tree(true, &a, &b));
    one.step(&mut forward, &tree(false, &ga, &gb)).unwrap();
    two.step(&mut tree(false, &a, &b), &tree(true, &ga, &gb)).unwrap();
    one.step(&mut forward, &tree(false, &ga, &gb)).unwrap();
    backward.take(&tree(false, &a, &b)).unwrap();
    let mut again = Muon::new(0.1);
    again.step(&mut backward, &tree(true, &ga, &gb)).unwrap();
    again.step(&mut backward, &tree(false, &ga, &gb)).unwrap();
    assert_eq!(forward.leaf("a"), backward.leaf("a"));
    assert_eq!(forward.leaf("b"), backward.leaf("b"));
}

#[test]
fn leaves_that_are_not_matrices_are_left_to_adamw() {
    let embedding = |name: &str, _: &[usize]| name != "wide";
    let mut muon = Muon::new(0.1).matrices(embedding).with_adamw(AdamW::new(0.01));
    let (mut w, mut alone) = (model::<f64>(1), model::<f64>(1));
    let mut adamw = AdamW::new(0.01);
    for seed in 2..5 {
        let g = model(seed);
        muon.step(&mut w, &g).unwrap();
        adamw.step(alone.get_mut("wide").unwrap(), &g["wide"]).unwrap();
    }
    assert_eq!(w["wide"], alone["wide"]);
    assert!(muon.slot("wide", "m").is_some() && muon.slot("wide", "v").is_some());
    assert!(muon.slot("tall", "v").is_none() && muon.slot("none", "m").is_none());
}

#[test]
fn a_model_of_vectors_alone_or_of_matrices_alone_is_a_model() {
    let (mut vector, mut matrix) = (Array1::from_elem(3, 1.0), Array2::from_elem((2, 2), 1.0));
    let mut muon = Muon::new(0.1);
    muon.step(&mut vector, &array![1.0, -1.0, 0.0]).unwrap();
    assert_eq!(vector[2], 1.0);
    muon.reset();
    muon.step(&mut matrix, &array![[1.0, 0.0], [0.0, -1.0]]).unwrap();
    assert!(muon.slot("", "m").is_some() && muon.steps() == 1 && muon.adamw().steps() == 0);
}

#[test]
fn a_copy_goes_on_alike() {
    let (mut w, mut muon) = (model::<f64>(1), Muon::optax(0.1));
    muon.step(&mut w, &model(2)).unwrap();
    let (mut other, mut copy) = (w.clone(), muon.clone());
    muon.step(&mut w, &model(3)).unwrap();
    copy.step(&mut other, &model(3)).unwrap();
    assert_same_bits(&w, &other);
    let _: Box<dyn Optimizer<f64>> = Box::new(copy);
    assert!(format!("{muon:?}").starts_with("Muon { schedule: "));
}

#[test]
fn hyperparameters_out_of_range_are_refused() {
    fn refused<F: Scalar>(muon: Muon<F>, expected: &str) {
        let error = muon.validate().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Hyperparameter { owner: "Muon", name, .. } if *name == expected),
            "{error}"
        );
    }
    for bad in [f64::NAN, -0.1, 1.0] {
        refused(Muon::<f64>::new(0.1).momentum(bad), "momentum");
    }
    for bad in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
        refused(Muon::<f64>::new(0.1).epsilon(bad), "epsilon");
        refused(Muon::<f64>::new(0.1).scale(Scale::MatchRms(bad)), "scale");
    }
    refused(Muon::<f32>::new(0.1).epsilon(1e-60), "epsilon");
    for bad in [0, 101] {
        refused(Muon::<f64>::new(0.1).ns_steps(bad), "ns_steps");
    }
    refused(Muon::<f64>::new(0.1).ns_coefficients(1.0, f64::NAN, 0.0), "ns_coefficients");
    refused(Muon::<f32>::new(0.1).ns_coefficients(1.0, 0.0, 1e60), "ns_coefficients");
    refused(Muon::<f64>::new(0.1).weight_decay(-1.0), "weight_decay");

    let mut muon = Muon::<f64>::new(0.1);
    assert!(muon.set_learning_rate(f64::NAN).is_err() && muon.learning_rate() == 0.1);
    assert!(Muon::<f64>::new(-1.0).validate().is_err());
    assert!(muon.set_adamw_learning_rate(-1.0).is_err());
}

#[test]
fn huge_and_tiny_gradients_move_as_far_as_others() {
    let g = numbers::<f64>(&[5, 8], 1);
    let moved = |factor: f64| {
        let mut w = ArrayD::zeros(vec![5, 8]);
        Muon::new(1.0).epsilon(1e-300).step(&mut w, &(&g * factor)).unwrap();
        w
    };
    let usual = moved(1.0);
    for factor in [1e-200, 1e250] {
        let off =
            (moved(factor) - &usual).iter().fold(0.0, |worst, off| f64::max(worst, off.abs()));
        assert!(off < 1e-12, "{factor:e}: {off:e}");
    }
    assert!(usual.axis_iter(Axis(0)).all(|row| row.iter().any(|w| *w != 0.0)));
}
