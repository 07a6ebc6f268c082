//! Pruning against the quadratics it assumes.

use ndarray::{Array1, Array2};
use rand::RngExt;
use thalweg::curvature::{Fisher, Obs, obd_saliency, prune_lowest};
use thalweg_tests_support::truth::{best_without, loss};

use super::planted::{Planted, normal, rng};

#[cfg(feature = "linalg")]
#[test]
fn surgery_is_exact_on_quadratics() {
    use thalweg::curvature::Dense;
    let mut rng = rng(51);
    for n in [1, 2, 5, 12] {
        let eigenvalues: Vec<f64> = (0..n).map(|_| rng.random_range(0.5..3.0)).collect();
        let planted = Planted::new(eigenvalues, &mut rng);
        let (hessian, norm) = (planted.matrix(), planted.norm());
        let minimum: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
        let mut obs = Obs::dense(&Dense::from_matrix(&hessian).unwrap(), 0.0).unwrap();
        let (mut w, mut predicted, mut removed) = (minimum.clone(), 0.0, Vec::new());
        // One by one, as far as it goes.
        for _ in 0..n {
            let least = obs.saliency(&w).unwrap().into_iter().fold(f64::INFINITY, f64::min);
            let pruned = obs.prune(&mut w, 1).unwrap();
            assert!((pruned.predicted - least).abs() <= 1e-12 * (1.0 + least));
            predicted += pruned.predicted;
            removed.extend(pruned.removed);
            assert!(removed.iter().all(|&q| w[q] == 0.0));
            let actual = loss(&hessian, &minimum, &w);
            assert!((actual - predicted).abs() < 1e-10 * (1.0 + actual), "{actual} {predicted}");
            let best = best_without(&hessian, &minimum, &removed, norm);
            assert!((actual - best).abs() < 1e-9 * (1.0 + actual), "{actual} {best}");
        }
        assert!(obs.prune(&mut w, 1).is_err());
        // All at once is the same.
        let mut obs = Obs::dense(&Dense::from_matrix(&hessian).unwrap(), 0.0).unwrap();
        let all = obs.prune(&mut minimum.clone(), n).unwrap();
        assert_eq!(all.removed, removed);
    }
}

#[test]
fn damage_is_exact_on_diagonal_quadratics() {
    let diagonal = [2.0, 1.0, 0.5, 8.0];
    let minimum = [1.0, -2.0, 3.0, 0.1];
    let mut w = minimum;
    let saliency = obd_saliency(&w, &diagonal).unwrap();
    let pruned = prune_lowest(&mut w, &saliency, 2).unwrap();
    assert_eq!(pruned.removed, [3, 0]);
    let hessian = Array2::from_diag(&Array1::from(diagonal.to_vec()));
    assert!((loss(&hessian, &minimum, &w) - pruned.predicted).abs() < 1e-15);
}

#[test]
fn woodburys_blocks_invert_the_damped_fisher_matrix() {
    let mut rng = rng(52);
    let (samples, n, damping) = (30, 13, 0.01);
    let gradients = Array2::from_shape_simple_fn((samples, n), || normal(&mut rng));
    let fisher = Fisher::new(gradients.clone()).unwrap();
    let w: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
    for block in [1, 4, 5, 13, 99] {
        let obs = Obs::fisher(&fisher, block, damping).unwrap();
        let saliency = obs.saliency(&w).unwrap();
        for start in (0..n).step_by(block) {
            let end = n.min(start + block);
            let part = gradients.slice(ndarray::s![.., start..end]);
            let matrix =
                part.t().dot(&part) / samples as f64 + Array2::<f64>::eye(end - start) * damping;
            // [M⁻¹]_qq = 1 / max over v of (2v_q - vᵀMv)... checked by M·x = e_q, by descent.
            for q in 0..end - start {
                let mut x = Array1::<f64>::zeros(end - start);
                let mut r = Array1::<f64>::zeros(end - start);
                r[q] = 1.0;
                let mut p = r.clone();
                for _ in 0..3 * n {
                    let mp = matrix.dot(&p);
                    let before = r.dot(&r);
                    if before == 0.0 {
                        break;
                    }
                    let step = before / p.dot(&mp);
                    x.scaled_add(step, &p);
                    r.scaled_add(-step, &mp);
                    p = &r + &(&p * (r.dot(&r) / before));
                }
                let expected = 0.5 * w[start + q] * w[start + q] / x[q];
                assert!((saliency[start + q] / expected - 1.0).abs() < 1e-8, "{block} {q}");
            }
        }
    }
}

#[test]
fn bad_input_is_refused_and_nothing_changed() {
    let mut w = [1.0, 2.0, 3.0];
    assert!(obd_saliency(&w, &[1.0]).is_err() && obd_saliency(&[f64::NAN], &[1.0]).is_err());
    assert!(prune_lowest(&mut w, &[1.0, f64::NAN, 2.0], 1).is_err());
    assert!(prune_lowest(&mut w, &[1.0, 2.0, 3.0], 4).is_err());
    let fisher = Fisher::new(Array2::<f64>::ones((2, 3))).unwrap();
    assert!(Obs::fisher(&fisher, 0, 1.0).is_err() && Obs::fisher(&fisher, 3, 0.0).is_err());
    let mut obs = Obs::fisher(&fisher, 3, 1.0).unwrap();
    assert!(obs.prune(&mut w, 4).is_err() && obs.prune(&mut w[..2], 1).is_err());
    assert!(obs.prune(&mut [f64::NAN, 0.0, 0.0], 1).is_err());
    assert_eq!(w, [1.0, 2.0, 3.0]);
    assert!(Obs::from_inverse(&ndarray::array![[1.0, 0.0], [0.0, -1.0]]).is_err());
    assert!(Obs::from_inverse(&Array2::zeros((2, 3))).is_err());
    #[cfg(feature = "linalg")]
    {
        use thalweg::ErrorKind;
        use thalweg::curvature::Dense;
        let indefinite = Dense::from_matrix(&ndarray::array![[1.0, 0.0], [0.0, -1.0]]).unwrap();
        let error = Obs::dense(&indefinite, 0.5).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotPositiveDefinite { .. }));
        assert!(Obs::dense(&indefinite, 1.5).is_ok() && Obs::dense(&indefinite, -1.0).is_err());
    }
}
