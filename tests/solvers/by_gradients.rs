//! Conjugate gradient and L-BFGS in a loop of one's own: what they never do.

use ndarray::{Array1, array};
use thalweg::solvers::{
    Backtracking, ConjugateGradient, Cubic, Exact, HagerZhang, LineSearch, MoreThuente, Next,
    Sample, Secant,
};
use thalweg::{ErrorKind, Lbfgs, Optimizer};

type Gradient = fn(&Array1<f64>) -> Array1<f64>;

fn both() -> [(&'static str, Box<dyn Optimizer<f64>>); 2] {
    [
        ("ConjugateGradient", Box::new(ConjugateGradient::<f64>::new())),
        ("L-BFGS", Box::new(Lbfgs::<f64>::new())),
    ]
}

#[test]
fn no_step_writes_an_infinity_and_the_error_leaves_the_last_accepted_point() {
    let gradients: [Gradient; 3] = [
        |w| Array1::from_elem(w.len(), -1.0), // of -Σ w
        |w| -2.0 * w,                         // of -Σ w²
        |w| -w.mapv(f64::exp),                // of -Σ eʷ
    ];
    for gradient in gradients {
        for (name, mut optimizer) in both() {
            let mut w = array![1.0, 0.5];
            let mut accepted = w.clone();
            for _ in 0..3000 {
                let g = gradient(&w);
                if !g.iter().all(|g| g.is_finite()) {
                    break;
                }
                let steps = optimizer.steps();
                match optimizer.step(&mut w, &g) {
                    Ok(info) => {
                        if info.grad_norm.is_some() {
                            accepted = w.clone();
                        }
                    }
                    Err(error) => {
                        let kind = error.kind();
                        let told = matches!(kind, ErrorKind::NonFiniteStep { .. });
                        assert!(told && optimizer.steps() == steps, "{name}: {error}");
                    }
                }
                assert!(w.iter().all(|w| w.is_finite()), "{name}: {w}");
            }
            assert!(accepted[0] > 1.0, "{name}: {accepted}");
        }
    }
}

#[test]
fn a_step_beyond_the_largest_number_is_an_error_and_the_next_call_goes_on() {
    for (name, mut optimizer) in both() {
        optimizer.set_learning_rate(10.0).unwrap();
        let mut w = array![1.5e308];
        let error = optimizer
            .step(&mut w, &array![-1e307])
            .map(|_| ())
            .and_then(|()| optimizer.step(&mut w, &array![-1e308]).map(|_| ()));
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NonFiniteStep { .. }), "{name}: {error}");
        assert!(w[0].is_finite(), "{name}: {w}");
        let at = w[0];
        optimizer.step(&mut w, &array![1e300]).unwrap();
        assert!(w[0] <= at, "{name}: {w}");
    }
}

#[test]
fn conjugate_gradient_stays_near_on_a_bounded_function_and_finds_a_minimum() {
    // COSINE of CUTEst: Σ cos(xᵢ² - ½xᵢ₊₁), whose least value is 1 - n.
    for n in [50, 200, 1000] {
        let mut w: Array1<f64> = Array1::ones(n);
        let mut optimizer = ConjugateGradient::new();
        let mut g = Array1::zeros(n);
        for _ in 0..3000 {
            g.fill(0.0);
            for i in 0..n - 1 {
                let s = -(w[i] * w[i] - 0.5 * w[i + 1]).sin();
                g[i] += 2.0 * s * w[i];
                g[i + 1] -= 0.5 * s;
            }
            if g.iter().all(|g: &f64| g.abs() < 1e-4) {
                break;
            }
            optimizer.step(&mut w, &g).unwrap();
        }
        let value: f64 = (0..n - 1).map(|i| (w[i] * w[i] - 0.5 * w[i + 1]).cos()).sum();
        assert!(value < -0.9 * n as f64, "{n}: {value}");
    }
}

#[test]
fn a_pair_that_is_passed_over_changes_nothing_and_its_state_loads() {
    let mut lbfgs = Lbfgs::<f64>::new().memory(1).fixed_rate(0.1);
    let mut w = array![1.0];
    for g in [1.0, 0.5, 2.0] {
        lbfgs.step(&mut w, &array![g]).unwrap();
    }
    // w = 0.9; s = -0.1, y = -0.5, H = 0.2, w = 0.89; passed over, d = -0.4.
    assert!((w[0] - 0.85).abs() < 1e-15, "{w}");
    let mut again = Lbfgs::<f64>::new().memory(1).fixed_rate(0.1);
    again.load_state(&lbfgs.state()).unwrap();
    assert_eq!(again.state(), lbfgs.state());
}

#[test]
fn memory_for_a_million_pairs_is_taken_as_they_come() {
    let mut lbfgs = Lbfgs::<f64>::new().memory(1_000_000);
    let mut w = Array1::from_elem(1000, 1.0);
    for _ in 0..30 {
        let g = Array1::from_shape_fn(1000, |i| (1.0 + i as f64) * w[i]);
        lbfgs.step(&mut w, &g).unwrap();
    }
    assert!(w.dot(&w) < 1000.0);
}

#[cfg(feature = "serde")]
#[test]
fn a_state_with_an_edited_entry_is_refused_or_steps_on_without_a_panic() {
    let gradient = |w: &Array1<f64>| w * &array![400.0, 1.0];
    for (name, mut optimizer) in both() {
        let mut w = array![1.0, 1.0];
        for _ in 0..4 {
            let g = gradient(&w);
            optimizer.step(&mut w, &g).unwrap();
        }
        let saved = serde_json::to_value(optimizer.state()).unwrap();
        let record = &saved["records"][0];
        let (mut refused, mut loaded) = (0, 0);
        let numbers = ["-1.0", "NaN", "inf", "-inf", "0.0", "1e300", "-1e-300"];
        let counts = [7, 1000, u64::MAX, u64::MAX - 1];
        let edits = record["numbers"].as_object().unwrap().keys().flat_map(|key| {
            numbers.map(|number| ("numbers", key.clone(), serde_json::Value::from(number)))
        });
        let edits = edits.chain(record["counts"].as_object().unwrap().keys().flat_map(|key| {
            counts.map(|count| ("counts", key.clone(), serde_json::Value::from(count)))
        }));
        for (map, key, value) in edits {
            let mut edited = saved.clone();
            edited["records"][0][map][&key] = value.clone();
            let Ok(state) = serde_json::from_value(edited) else { continue };
            let before = optimizer.state();
            if optimizer.load_state(&state).is_err() {
                assert_eq!(optimizer.state(), before, "{name}: {key} = {value}");
                refused += 1;
                continue;
            }
            loaded += 1;
            assert_eq!(optimizer.state(), state, "{name}: {key} = {value}");
            let mut w = w.clone();
            for _ in 0..5 {
                let g = gradient(&w);
                let _ = optimizer.step(&mut w, &g);
            }
            let original = serde_json::from_value(saved.clone()).unwrap();
            optimizer.load_state(&original).unwrap();
        }
        assert!(refused > 20 && loaded > 5, "{name}: {refused} {loaded}");
    }
}

#[test]
fn a_search_answers_every_length() {
    let strange =
        [f64::NAN, -1.0, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 1e-320, 1e308, -1e-5];
    let searches: [fn() -> Box<dyn LineSearch>; 6] = [
        || Box::new(Cubic::new()),
        || Box::new(MoreThuente::new()),
        || Box::new(HagerZhang::new()),
        || Box::new(Backtracking::new()),
        || Box::new(Secant::new()),
        || Box::new(Exact::new()),
    ];
    for make in searches {
        for first in strange {
            for slope in [-1.0, 1.0, 0.0, f64::NAN, f64::INFINITY, -1e308] {
                for value in [0.0, -1e-5, 1.0, f64::NAN, 1e308] {
                    let mut search = make();
                    let start = Sample { length: 0.0, value: 0.0, slope: -1.0 };
                    let begun = search.begin(start, first, 0.0);
                    assert!(begun > 0.0 && begun.is_finite(), "{search:?}");
                    for length in strange.into_iter().chain([begun, 2.0, 0.5]) {
                        let next = search.advance(Sample { length, value, slope });
                        let positive = length > 0.0 && length.is_finite();
                        assert!(positive || matches!(next, Next::Fail(_)), "{search:?}");
                    }
                }
            }
        }
    }
}
