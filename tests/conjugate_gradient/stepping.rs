//! Conjugate gradient in a loop of one's own.

use ndarray::{Array1, array};
use thalweg::solvers::{Beta, ConjugateGradient, Secant};
use thalweg::{ErrorKind, Optimizer};

fn gradient(w: &Array1<f64>) -> Array1<f64> {
    let b = w[1] - w[0] * w[0];
    array![-2.0 * (1.0 - w[0]) - 400.0 * w[0] * b, 200.0 * b]
}

fn value(w: &Array1<f64>) -> f64 {
    (1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2)
}

#[test]
fn it_settles_at_the_last_accepted_iterate() {
    let mut solver = ConjugateGradient::new();
    let mut w = array![-1.2, 1.0];
    let mut settled = w.clone();
    let mut last = f64::INFINITY;
    for _ in 0..60 {
        let at = w.clone();
        solver.step(&mut w, &gradient(&at)).unwrap();
        if solver.accepted() {
            assert!(value(&at) < last, "{} after {last}", value(&at));
            last = value(&at);
            settled = at;
        }
        let mut back = w.clone();
        solver.settle(&mut back).unwrap();
        assert_eq!(back, settled);
    }
    assert_eq!(solver.steps(), 60);
    // To go on from the settled point is a new start, not an error.
    solver.settle(&mut w).unwrap();
    let restarts = solver.restarts();
    solver.step(&mut w, &gradient(&settled)).unwrap();
    assert_eq!(solver.restarts(), restarts + 1);
}

#[test]
fn a_fixed_rate_takes_the_steps_of_its_literal_transcription() {
    let (a, b) = (array![[3.0, 0.5], [0.5, 1.0]], array![1.0, -2.0]);
    for beta in [Beta::PolakRibierePlus, Beta::FletcherReeves] {
        let mut solver = ConjugateGradient::new().beta(beta).fixed_rate(0.05);
        let mut w = array![2.0, 1.0];
        let mut expected = w.clone();
        let (mut old, mut rho) = (Array1::<f64>::zeros(2), Array1::<f64>::zeros(2));
        for step in 0..20 {
            let g = a.dot(&expected) + &b;
            let share = match beta {
                _ if step == 0 => 0.0,
                Beta::FletcherReeves => g.dot(&g) / old.dot(&old),
                _ => ((&g - &old).dot(&g) / old.dot(&old)).max(0.0),
            };
            rho = share * &rho - &g;
            assert!(g.dot(&rho) < 0.0);
            expected = expected + 0.05 * &rho;
            old = g;

            let g = a.dot(&w) + &b;
            let info = solver.step(&mut w, &g).unwrap();
            assert!(info.learning_rate == 0.05 && solver.accepted());
            assert!((&w - &expected).iter().all(|d: &f64| d.abs() < 1e-13), "{beta:?} {step}");
        }
    }
}

#[test]
fn on_a_quadratic_it_ends_in_few_iterations() {
    let lambda = Array1::from_shape_fn(10, |i| 1.0 + i as f64);
    let mut w = Array1::from_elem(10, 1.0);
    let mut solver = ConjugateGradient::new().slope_search(Secant::new().curvature(1e-6));
    let mut iterations = 0;
    while (&lambda * &w).iter().any(|g: &f64| g.abs() > 1e-6) {
        let g = &lambda * &w;
        solver.step(&mut w, &g).unwrap();
        iterations += u32::from(solver.accepted());
    }
    assert!(iterations <= 12 && solver.steps() <= 40, "{iterations}, {}", solver.steps());
}

#[test]
fn a_refused_step_changes_nothing() {
    let mut solver = ConjugateGradient::new();
    let mut w = array![-1.2, 1.0];
    let error = solver.step(&mut w, &array![1.0, f64::NAN]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }), "{error}");
    assert_eq!((w[0], solver.steps()), (-1.2, 0));
    let (mut twin, mut v) = (ConjugateGradient::new(), w.clone());
    for step in 0..30 {
        if step % 4 == 1 {
            let before = w.clone();
            assert!(solver.step(&mut w, &array![1.0, 2.0, 3.0]).is_err());
            assert!(solver.step(&mut w, &array![[1.0, 2.0]]).is_err());
            assert!(solver.step(&mut array![1.0], &array![1.0]).is_err());
            assert_eq!(w, before);
        }
        let (g, h) = (gradient(&w), gradient(&v));
        solver.step(&mut w, &g).unwrap();
        twin.step(&mut v, &h).unwrap();
        assert_eq!(w, v, "{step}");
    }
    assert_eq!(solver.steps(), twin.steps());
}

#[test]
fn a_trial_without_a_gradient_was_too_far() {
    // ∇(w - ln w), undefined for w ≤ 0.
    let gradient = |w: &Array1<f64>| w.mapv(|w| if w > 0.0 { 1.0 - 1.0 / w } else { f64::NAN });
    let mut w = array![50.0, 1e-3];
    let mut solver = ConjugateGradient::new();
    for _ in 0..200 {
        let g = gradient(&w);
        if g.iter().all(|g: &f64| g.abs() <= 1e-6) {
            break;
        }
        solver.step(&mut w, &g).unwrap();
    }
    assert!(w.iter().all(|w| (w - 1.0).abs() < 1e-5), "{w}");
    assert!(solver.steps() < 150, "{}", solver.steps());
}

#[test]
fn parameters_moved_by_another_hand_are_a_new_start() {
    let mut solver = ConjugateGradient::new();
    let mut w = array![-1.2, 1.0];
    for step in 0..300 {
        if step == 20 {
            w = array![0.3, -0.4];
        }
        let g = gradient(&w);
        if g.iter().all(|g: &f64| g.abs() <= 1e-6) {
            break;
        }
        solver.step(&mut w, &g).unwrap();
    }
    assert!(value(&w) < 1e-9 && solver.steps() < 250, "{}", solver.steps());
}

#[test]
fn a_zero_gradient_moves_nothing_for_ever() {
    let mut solver = ConjugateGradient::new();
    let mut w = array![1.0, -3.0];
    for _ in 0..100 {
        solver.step(&mut w, &array![0.0, 0.0]).unwrap();
        assert_eq!(w, array![1.0, -3.0]);
    }
    // And wakes up.
    solver.step(&mut w, &array![1.0, 1.0]).unwrap();
    for _ in 0..20 {
        let g = 2.0 * &w;
        solver.step(&mut w, &g).unwrap();
    }
    assert!(w.iter().all(|w: &f64| w.is_finite()));
}

#[test]
fn it_is_an_optimizer_like_any_other() {
    let mut optimizer: Box<dyn Optimizer<f32>> = Box::new(ConjugateGradient::new());
    assert_eq!((optimizer.name(), optimizer.steps()), ("ConjugateGradient", 0));
    let mut w = array![[3.0_f32, -2.0], [1.0, 0.5]];
    for _ in 0..40 {
        let g = &w * 2.0;
        optimizer.step(&mut w, &g).unwrap();
    }
    assert!(w.iter().all(|w| w.abs() < 1e-5), "{w}");
    optimizer.reset();
    let mut other = array![1.0_f32];
    optimizer.step(&mut other, &array![2.0_f32]).unwrap();
    assert_eq!(optimizer.steps(), 1);
    assert!(optimizer.set_learning_rate(-1.0).is_err());
    optimizer.set_learning_rate(0.25).unwrap();
    assert_eq!(optimizer.learning_rate(), 0.25);
    let error = ConjugateGradient::<f64>::new().fixed_rate(f64::NAN).validate().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "fixed_rate", .. }));
}

#[test]
fn saved_at_any_step_it_goes_on_bit_for_bit() {
    let mut solver = ConjugateGradient::new();
    let mut w = (array![-1.2], array![[1.0]]);
    let tree = |w: &(Array1<f64>, ndarray::Array2<f64>)| {
        let g = gradient(&array![w.0[0], w.1[[0, 0]]]);
        (array![g[0]], array![[g[1]]])
    };
    for step in 0..60 {
        let state = solver.state();
        let mut other = ConjugateGradient::new();
        other.load_state(&state).unwrap();
        assert_eq!(other.state(), state, "{step}");
        let mut v = w.clone();
        let (mut first, mut second) = (solver.clone(), other);
        let mut u = w.clone();
        for _ in 0..12 {
            let (g, h) = (tree(&u), tree(&v));
            first.step(&mut u, &g).unwrap();
            second.step(&mut v, &h).unwrap();
            assert_eq!((&u, first.accepted()), (&v, second.accepted()), "{step}");
        }
        assert_eq!((second.steps(), second.restarts()), (first.steps(), first.restarts()));
        let g = tree(&w);
        solver.step(&mut w, &g).unwrap();
    }
    // Another configuration is another solver.
    let state = solver.state();
    let mut other = ConjugateGradient::<f64>::new().beta(Beta::DaiYuan);
    let before = other.state();
    assert!(matches!(other.load_state(&state).unwrap_err().kind(), ErrorKind::StateDiffers { .. }));
    assert_eq!(other.state(), before);
    let mut narrow = ConjugateGradient::<f32>::new();
    assert!(matches!(narrow.load_state(&state).unwrap_err().kind(), ErrorKind::StateScalar { .. }));
}
