//! Laws of optimizers, for conjugate gradient and L-BFGS in a loop of one's own.

use ndarray::{Array1, array};
use thalweg::solvers::{ConjugateGradient, Lbfgs};
use thalweg::{Change, ErrorKind, Optimizer};

use crate::problems::large;

type Make = fn() -> Box<dyn Optimizer<f64>>;

/// With a search, and with a fixed rate.
fn every() -> [(&'static str, Make); 4] {
    [
        ("conjugate gradient", || Box::new(ConjugateGradient::new())),
        ("conjugate gradient, fixed", || Box::new(ConjugateGradient::new().fixed_rate(0.01))),
        ("L-BFGS", || Box::new(Lbfgs::new())),
        ("L-BFGS, fixed", || Box::new(Lbfgs::new().fixed_rate(0.01))),
    ]
}

/// ∇ of Σ (i + 1)·wᵢ²/2 over two leaves.
fn gradient(w: &(Array1<f64>, Array1<f64>)) -> (Array1<f64>, Array1<f64>) {
    (&w.0 * &array![1.0, 2.0], &w.1 * &array![3.0])
}

#[test]
fn a_group_is_refused_by_a_typed_error_before_and_between_steps_and_changes_nothing() {
    for (name, make) in every() {
        let mut optimizer = make();
        let mut w = (array![1.0, -2.0], array![0.5]);
        for steps in 0..4 {
            let before = optimizer.state();
            for change in [
                Change::new().frozen(true),
                Change::new().frozen(false),
                Change::new().rate_factor(0.1),
                Change::new().set("momentum", 0.5),
            ] {
                let error = optimizer.change_group("1".into(), change).unwrap_err();
                let unsupported = matches!(error.kind(), ErrorKind::Unsupported { .. });
                assert!(unsupported, "{name}: {error}");
            }
            assert!(optimizer.treatment("1", &[1]).trained, "{name}");
            assert_eq!(optimizer.state(), before, "{name} after {steps}");
            let g = gradient(&w);
            optimizer.step(&mut w, &g).unwrap();
        }
    }
}

#[test]
fn a_gradient_of_other_leaves_or_not_finite_changes_nothing_at_any_moment() {
    for (name, make) in every() {
        let mut optimizer = make();
        let mut w = (array![1.0, -2.0], array![0.5]);
        for _ in 0..6 {
            let (before, at) = (optimizer.state(), w.clone());
            let longer = (array![1.0, 1.0, 1.0], array![1.0]);
            assert!(optimizer.step(&mut w, &longer).is_err(), "{name}");
            let fewer = array![1.0, 1.0];
            assert!(optimizer.step(&mut w, &fewer).is_err(), "{name}");
            // At a trial of a search it says that the step was too long; not elsewhere.
            let mut moved = (array![7.0, 7.0], array![7.0]);
            let nan = (array![1.0, f64::NAN], array![1.0]);
            let error = optimizer.step(&mut moved, &nan).unwrap_err();
            let named =
                matches!(error.kind(), ErrorKind::NonFiniteGradient { index, .. } if index == &[1]);
            assert!(named, "{name}: {error}");
            assert_eq!(moved.0[0], 7.0, "{name}");
            assert_eq!((optimizer.state(), &w), (before, &at), "{name}");
            let g = gradient(&w);
            optimizer.step(&mut w, &g).unwrap();
        }
    }
}

#[test]
fn a_state_saved_at_any_step_goes_on_to_the_bit_and_another_ones_is_refused() {
    for (name, make) in every() {
        let (mut optimizer, mut w) = (make(), (array![1.0, -2.0], array![0.5]));
        for _ in 0..12 {
            let saved = optimizer.state();
            let mut loaded = make();
            loaded.load_state(&saved).unwrap();
            assert_eq!(loaded.state(), saved, "{name}");
            let mut other = w.clone();
            for _ in 0..5 {
                let g = gradient(&other);
                loaded.step(&mut other, &g).unwrap();
            }
            let mut original = make();
            original.load_state(&saved).unwrap();
            let g = gradient(&w);
            optimizer.step(&mut w, &g).unwrap();
            let mut ahead = w.clone();
            let mut follower = make();
            follower.load_state(&optimizer.state()).unwrap();
            for _ in 0..4 {
                let g = gradient(&ahead);
                follower.step(&mut ahead, &g).unwrap();
            }
            assert_eq!(ahead, other, "{name}");
        }
        for (foreign, make) in every() {
            let kind = |name: &str| name.starts_with('L');
            let mut fresh = make();
            let before = fresh.state();
            if kind(foreign) != kind(name) {
                let error = fresh.load_state(&optimizer.state()).unwrap_err();
                let other = matches!(error.kind(), ErrorKind::StateOptimizer { .. });
                assert!(other && fresh.state() == before, "{name} into {foreign}: {error}");
            }
        }
    }
}

#[test]
fn a_state_grows_by_the_same_for_every_leaf() {
    for (name, make) in every() {
        // The entries of the state, for so many leaves of one element.
        let entries = |leaves: usize| {
            let mut optimizer = make();
            let mut w: Vec<Array1<f64>> = vec![array![1.0]; leaves];
            let g = w.clone();
            optimizer.step(&mut w, &g).unwrap();
            let state = optimizer.state();
            let mut fresh = make();
            fresh.load_state(&state).unwrap();
            assert_eq!(fresh.state(), state, "{name}");
            format!("{state:?}").len()
        };
        // Not in proportion would be hours for the most.
        let [one, some, most] = [1, 101, 60_001].map(entries);
        let each = (some - one) as f64 / 100.0;
        let all = (most - one) as f64 / 60_000.0;
        assert!(all < 1.2 * each + 40.0, "{name}: {each} and {all} a leaf");
    }
}

#[test]
fn a_curvature_that_falls_by_powers_of_ten_is_no_trouble_for_bfgs() {
    use crate::objective::On;
    use thalweg::solvers::{Bfgs, Stop, minimize};
    // SciPy 1.17's BFGS takes 297 on POWER.
    for (name, most) in [("POWER", 120), ("CRAGGLVY", 200), ("DIXMAANI", 250), ("ENGVAL1", 50)] {
        let all = large(100);
        let problem = all.iter().find(|problem| problem.name == name).unwrap();
        let mut w = Array1::from(problem.start.clone());
        let report =
            minimize(&mut Bfgs::new(), &mut w, &mut On::new(problem), Stop::default()).unwrap();
        let evaluations = report.evaluations.total();
        assert!(report.status.is_converged() && evaluations <= most, "{name}: {report}");
    }
}
