//! Gradients that are not finite, or hardly.

use ndarray::{Array1, ArrayD, Axis, Slice};
use thalweg::{Entry, ErrorKind, NonFinite, Optimizer, Scalar, Settings, Sgd, catalog};

use super::support::*;

const SHAPE: [usize; 2] = [9, 13];
/// Corners, a vector's body and its tail.
const PLACES: [[usize; 2]; 6] = [[0, 0], [0, 12], [4, 7], [8, 0], [8, 11], [8, 12]];

fn bad_values<F: Scalar>() -> [F; 3] {
    [F::nan(), F::infinity(), F::neg_infinity()]
}

fn with(settings: &Settings, policy: NonFinite) -> Settings {
    let mut settings = settings.clone();
    settings.non_finite = policy;
    settings
}

/// The gradients of a run, one of them spoiled, in the layout of a view with gaps or without.
fn spoiled<F: Scalar>(g: &ArrayD<F>, place: [usize; 2], value: F, with_gaps: bool) -> Placed<F> {
    let layout = Layout::row_major(2);
    let layout = if with_gaps { layout.step(1, -2).window() } else { layout };
    let mut placed = Placed::new(&layout, g.view(), F::nan());
    placed.view_mut()[place] = value;
    placed
}

fn a_bad_gradient_is_rejected_wherever_it_lies<F: Scalar>() {
    for entry in catalog::<F>() {
        for settings in [Settings::default(), clipped(), settings(|s| s.report_norm = true)] {
            let run = Run::new(entry, &settings, &SHAPE);
            let (mut w, mut optimizer) = (run.start.clone(), run.optimizer());
            for (step, (g, (expected, _))) in run.gradients.iter().zip(&run.expected).enumerate() {
                for (bad, place) in
                    bad_values::<F>().into_iter().zip(PLACES.iter().cycle().skip(step))
                {
                    for with_gaps in [false, true] {
                        let spoiled = spoiled(g, *place, bad, with_gaps);
                        let error =
                            optimizer.step_with_loss(&mut w, &spoiled.view(), LOSS).unwrap_err();
                        let ErrorKind::NonFiniteGradient { leaf, index, value } = error.kind()
                        else {
                            panic!("{error}")
                        };
                        assert_eq!((leaf.as_str(), index.as_slice()), ("", place.as_slice()));
                        assert_eq!(bits(*value), bits(bad.into_f64()));
                        let text = error.to_string();
                        assert!(
                            text.contains("the array") && text.contains(&format!("{place:?}")),
                            "{text}"
                        );
                    }
                }
                assert_eq!(optimizer.steps(), step as u64);
                optimizer.step_with_loss(&mut w, g, LOSS).unwrap();
                assert_same(w.view(), expected.view(), entry.name);
            }
            assert_eq!(optimizer.skipped(), 0);
        }
    }
}

fn a_skipped_step_is_counted_and_never_was<F: Scalar>() {
    for entry in catalog::<F>() {
        for settings in [Settings::default(), clipped()] {
            let run = Run::new(entry, &with(&settings, NonFinite::Skip), &SHAPE);
            let (mut w, mut optimizer) = (run.start.clone(), run.optimizer());
            let mut skipped = 0;
            for (g, (expected, info)) in run.gradients.iter().zip(&run.expected) {
                for (bad, place) in bad_values::<F>().into_iter().cycle().zip(PLACES) {
                    let before = w.clone();
                    let g = spoiled(g, place, bad, place[1] == 12);
                    let report = optimizer.step_with_loss(&mut w, &g.view(), LOSS).unwrap();
                    skipped += 1;
                    assert!(report.skipped);
                    assert_eq!((report.step, report.learning_rate), (info.step - 1, RATE));
                    assert_eq!((optimizer.steps(), optimizer.skipped()), (info.step - 1, skipped));
                    assert_same(w.view(), before.view(), entry.name);
                }
                assert_eq!(optimizer.step_with_loss(&mut w, g, LOSS).unwrap(), *info);
                assert_same(w.view(), expected.view(), entry.name);
            }
        }
    }
}

fn a_propagated_value_stays_in_its_element<F: Scalar>() {
    for entry in uncoupled::<F>() {
        for settings in [Settings::default(), penalized()] {
            let run = Run::new(entry, &with(&settings, NonFinite::Propagate), &SHAPE);
            for (bad, place) in
                bad_values::<F>().into_iter().flat_map(|bad| PLACES.map(|p| (bad, p)))
            {
                for first in [0, 2] {
                    let (mut w, mut optimizer) = (run.start.clone(), run.optimizer());
                    for (step, (g, (expected, info))) in
                        run.gradients.iter().zip(&run.expected).enumerate()
                    {
                        let value = if step == first { bad } else { g[place] };
                        let g = spoiled(g, place, value, place[0] == 4);
                        assert_eq!(
                            optimizer.step_with_loss(&mut w, &g.view(), LOSS).unwrap(),
                            *info
                        );
                        let mut expected = expected.clone();
                        assert!(
                            step < first || !bad.is_nan() || w[place].is_nan(),
                            "{}",
                            entry.name
                        );
                        expected[place] = w[place];
                        assert_same(w.view(), expected.view(), (entry.name, bad, place, step));
                    }
                    assert_eq!(optimizer.skipped(), 0);
                }
            }
        }
    }
}

/// A norm that is not finite scales nothing.
fn so_it_does_with_clipping<F: Scalar>() {
    for entry in uncoupled::<F>() {
        let g = array::<F>(&SHAPE, 2);
        for (bad, place) in bad_values::<F>().into_iter().zip(PLACES) {
            let start = array::<F>(&SHAPE, 1);
            let (mut w, mut unclipped) = (start.clone(), start);
            let mut settings = settings(|s| s.non_finite = NonFinite::Propagate);
            entry.build(RATE, settings.clone()).step_with_loss(&mut unclipped, &g, LOSS).unwrap();
            settings.clip_norm = Some(0.1);
            let g = spoiled(&g, place, bad, false);
            let info = entry.build(RATE, settings).step_with_loss(&mut w, &g.view(), LOSS).unwrap();
            assert!(info.grad_norm.is_some_and(|norm| !norm.is_finite()));
            unclipped[place] = w[place];
            assert_same(w.view(), unclipped.view(), entry.name);
        }
    }
}

/// A norm that is not finite scales nothing: the other elements move, and stay numbers.
fn a_propagated_value_leaves_the_others_of_a_coupled_leaf_finite<F: Scalar>() {
    for entry in catalog::<F>().iter().filter(|entry| entry.couples) {
        for (bad, place) in bad_values::<F>().into_iter().zip(PLACES) {
            let settings = with(&Settings::default(), NonFinite::Propagate);
            let mut optimizer = entry.build(RATE, settings);
            let (mut w, mut last) = (array::<F>(&SHAPE, 1), array::<F>(&SHAPE, 1));
            for seed in 2..6 {
                let g = array::<F>(&SHAPE, seed).mapv(|g| g + F::from_f64(0.01));
                optimizer
                    .step_with_loss(&mut w, &spoiled(&g, place, bad, false).view(), LOSS)
                    .unwrap();
                for ((index, &w), &last) in w.indexed_iter().zip(&last) {
                    let here = ndarray::Dimension::slice(&index) == place;
                    // Who cannot tell how far to go stays, or goes no further than a first estimate.
                    let is_short = matches!(entry.name, "prodigy" | "dadapt-adam");
                    let moved = w != last || entry.needs_loss || is_short;
                    assert!(here || (w.is_finite() && moved), "{}: {w}", entry.name);
                }
                last = w.clone();
            }
        }
    }
}

/// The squares of huge and tiny numbers overflow and vanish; the norms of a rule do not.
fn a_coupled_leaf_of_any_size_moves_in_proportion<F: Scalar>() {
    // The steps of MARS are as long as Adam's, those of NovoGrad as momentum's of gradients of length 1,
    // whatever the size of anything; DoG begins at a share of 1 + ‖w‖.
    const FIXED: [&str; 3] = ["mars", "novograd", "ldog"];
    let scales =
        |entry: &&Entry<F>| entry.couples && !entry.couples_leaves && !FIXED.contains(&entry.name);
    for entry in catalog::<F>().iter().filter(scales) {
        for exponent in powers::<F>() {
            let factor = F::from_f64(2.0).powi(exponent);
            // The direction of LAMB does not depend on the size of gradients, but for ε.
            let (of_w, of_g) =
                if entry.name == "lamb" { (factor, F::one()) } else { (factor, factor) };
            let (mut plain, mut sized) =
                (entry.build(RATE, settings(|_| ())), entry.build(RATE, settings(|_| ())));
            let mut w = array::<F>(&[5, 7], 1);
            let mut large = w.mapv(|w| w * of_w);
            for seed in 2..6 {
                let g = array::<F>(&[5, 7], seed);
                plain.step_with_loss(&mut w, &g, LOSS).unwrap();
                sized.step_with_loss(&mut large, &g.mapv(|g| g * of_g), LOSS).unwrap();
                let back = large.mapv(|w| w / of_w);
                assert_close(&elements(&back), &elements(&w), (entry.name, exponent, seed));
            }
        }
    }
}

fn powers<F: Scalar>() -> Vec<i32> {
    // 2^100 = 1e30, 2^664 = 1e200; of the smallest a thousandth is still no subnormal number.
    if F::NAME == "f32" { vec![100, 120, -80, -90] } else { vec![664, 1018, -664, -960] }
}

fn huge_and_tiny_gradients_have_their_norm<F: Scalar>() {
    for entry in catalog::<F>() {
        for exponent in powers::<F>() {
            let factor = F::from_f64(2.0).powi(exponent);
            for shape in [&[1][..], &[13], &[5, 7]] {
                for step in [1, 2] {
                    let base = array::<F>(shape, 2).mapv(|g| g + F::from_f64(0.125));
                    let g = base.mapv(|g| g * factor);
                    let slice = g.slice_axis(Axis(0), Slice::new(0, None, step));
                    let base = base.slice_axis(Axis(0), Slice::new(0, None, step));
                    let mut w = base.mapv(|_| F::one());
                    let expected = base.fold(0.0, |sum, g| sum + g.into_f64().powi(2)).sqrt();
                    let mut optimizer = entry.build(
                        RATE,
                        // What overflows when it is squared has a norm all the same.
                        settings(|s| (s.report_norm, s.clip_value) = (true, Some(1.0))),
                    );
                    let norm =
                        optimizer.step_with_loss(&mut w, &slice, LOSS).unwrap().grad_norm.unwrap();
                    let found = norm / 2.0_f64.powi(exponent);
                    assert!((found / expected - 1.0).abs() < 1e-14, "{exponent}: {norm:e}");
                }
            }
        }
    }
}

/// Clipping brings a gradient of any size to the same length.
fn huge_gradients_are_clipped<F: Scalar>() {
    for entry in catalog::<F>() {
        for exponent in powers::<F>().into_iter().filter(|&exponent| exponent > 0) {
            let factor = F::from_f64(2.0).powi(exponent - 8);
            let (mut w, mut expected) = (array::<F>(&[5, 7], 1), array::<F>(&[5, 7], 1));
            let mut clipping = entry.build(RATE, clipped());
            let mut plain = entry.build(RATE, clipped());
            for seed in 2..6 {
                let g = array::<F>(&[5, 7], seed);
                plain.step_with_loss(&mut expected, &g, LOSS).unwrap();
                clipping.step_with_loss(&mut w, &g.mapv(|g| g * factor), LOSS).unwrap();
                assert!(w.iter().all(|w| w.is_finite()), "{}", entry.name);
                assert_close(&elements(&w), &elements(&expected), (entry.name, exponent, seed));
            }
        }
    }
}

/// Each element is finite, and so must be what comes of it, although ‖g‖ is more than the largest
/// number there is.
fn a_norm_beyond_all_numbers_is_clipped<F: Scalar>() {
    let largest = F::max_value();
    let g = Array1::from_vec(vec![largest, -largest, largest, -largest]);
    let mut w = Array1::<F>::zeros(4);
    let mut sgd = Sgd::new(1.0).clip_norm(1.0);
    let info = sgd.step_with_loss(&mut w, &g, LOSS).unwrap();
    assert!(info.grad_norm.unwrap() >= largest.into_f64());
    for (w, sign) in w.iter().zip([-1.0, 1.0, -1.0, 1.0]) {
        assert!((w.into_f64() - sign * 0.5).abs() < 1e-6, "{w}");
    }
}

/// The factor of clipping may be smaller than the smallest normal number; its product is not.
fn clipping_keeps_its_digits<F: Scalar>() {
    let half = F::max_value() / F::from_f64(2.0);
    let mut w = Array1::from_vec(vec![F::zero(); 2]);
    let mut sgd = Sgd::new(1.0).clip_norm(1e-3);
    sgd.step_with_loss(&mut w, &Array1::from_vec(vec![half, -half]), LOSS).unwrap();
    let expected = 1e-3 / 2.0_f64.sqrt();
    for (w, sign) in w.iter().zip([-1.0, 1.0]) {
        let error = (w.into_f64() / (sign * expected) - 1.0).abs();
        assert!(error < 8.0 * F::epsilon().into_f64(), "{w} is off by {error:e}");
    }
}

fn a_zero_gradient_has_norm_zero_and_is_not_scaled<F: Scalar>() {
    for entry in catalog::<F>().iter().filter(|entry| !shrinks(entry.name)) {
        let mut optimizer = entry.build(RATE, settings(|s| s.clip_norm = Some(0.5)));
        let before = array::<F>(&SHAPE, 1);
        let mut w = before.clone();
        let info = optimizer.step_with_loss(&mut w, &ArrayD::zeros(SHAPE.to_vec()), LOSS).unwrap();
        assert_eq!(info.grad_norm, Some(0.0));
        assert_same(w.view(), before.view(), entry.name);
    }
}

fn a_gradient_within_the_limit_is_not_touched<F: Scalar>() {
    let step = |entry: &Entry<F>, clip_norm| {
        let mut w = array::<F>(&SHAPE, 1);
        let mut optimizer = entry.build(RATE, settings(|s| s.clip_norm = clip_norm));
        let info = optimizer.step_with_loss(&mut w, &array(&SHAPE, 2), LOSS).unwrap();
        (w, info.grad_norm)
    };
    for entry in catalog::<F>() {
        let (_, norm) = step(entry, Some(1e6));
        let (plain, none) = step(entry, None);
        assert_eq!(none, None);
        for limit in [norm.unwrap(), norm.unwrap() * 2.0, 1e300] {
            assert_same(step(entry, Some(limit)).0.view(), plain.view(), entry.name);
        }
    }
}

for_both_scalars!(
    a_bad_gradient_is_rejected_wherever_it_lies,
    a_skipped_step_is_counted_and_never_was,
    a_propagated_value_stays_in_its_element,
    so_it_does_with_clipping,
    a_propagated_value_leaves_the_others_of_a_coupled_leaf_finite,
    a_coupled_leaf_of_any_size_moves_in_proportion,
    huge_and_tiny_gradients_have_their_norm,
    huge_gradients_are_clipped,
    a_norm_beyond_all_numbers_is_clipped,
    clipping_keeps_its_digits,
    a_zero_gradient_has_norm_zero_and_is_not_scaled,
    a_gradient_within_the_limit_is_not_touched,
);
