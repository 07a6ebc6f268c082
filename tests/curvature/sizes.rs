//! Hessians by differences where parameters differ in size; vectors of the wrong length.

use ndarray::{Array2, array};
use thalweg::curvature::{
    Dense, Differences, Fisher, GaussNewton, Hessian, LinearOperator, Preconditioned, Restricted,
    Scaled, Shifted, operator_fn,
};
use thalweg::{Error, ErrorKind, Scalar};

/// The Hessian at `x` of a function of that gradient.
fn dense<F: Scalar>(
    x: &[F],
    differences: Differences,
    gradient: impl Fn(&[F]) -> Vec<F>,
) -> Dense<F> {
    let write = |w: &[F], g: &mut [F]| {
        g.copy_from_slice(&gradient(w));
        Ok(())
    };
    Dense::of(Hessian::new(x, write).unwrap().differences(differences)).unwrap()
}

#[test]
fn a_large_parameter_beside_a_small_one_hides_no_sign() {
    for scale in [1.0, 1e3, 1e5, 1e6, 1e9] {
        for differences in [Differences::Second, Differences::Fourth] {
            // (x - s)² + cos y at (s, 0)
            let found = dense(&[scale, 0.0], differences, |w: &[f64]| {
                vec![2.0 * (w[0] - scale), -w[1].sin()]
            });
            let off = (&found.matrix() - &array![[2.0, 0.0], [0.0, -1.0]]).mapv(f64::abs);
            assert!(off.iter().all(|off| *off < 1e-5), "{scale:e}: {found:?}");
            #[cfg(feature = "linalg")]
            {
                let eigenvalues = found.eigenvalues().unwrap();
                assert!((eigenvalues[0] + 1.0).abs() < 1e-5 && (eigenvalues[1] - 2.0).abs() < 1e-5);
            }
            // x·y/s - y²/2 + (x/s)⁴ at (s, 0.3)
            let found = dense(&[scale, 0.3], differences, |w: &[f64]| {
                let t = w[0] / scale;
                vec![(w[1] + 4.0 * t * t * t) / scale, t - w[1]]
            });
            let exact = array![[12.0 / scale / scale, 1.0 / scale], [1.0 / scale, -1.0]];
            let unit = [scale, 1.0];
            for ((i, j), exact) in exact.indexed_iter() {
                let off = (found.matrix()[[i, j]] - exact).abs() * unit[i] * unit[j];
                assert!(off < 1e-4, "{scale:e}, {i} {j}: {off:e}");
            }
        }
    }
}

#[test]
fn in_single_precision_too() {
    for scale in [1.0_f32, 1e3, 1e6] {
        let found = dense(&[scale, 0.0], Differences::Second, |w: &[f32]| {
            vec![2.0 * (w[0] - scale), -w[1].sin()]
        });
        assert!((found.matrix()[[0, 0]] - 2.0).abs() < 1e-2, "{scale:e}: {found:?}");
        assert!((found.matrix()[[1, 1]] + 1.0).abs() < 1e-2, "{scale:e}: {found:?}");
    }
}

#[test]
fn the_product_with_a_full_vector_is_the_sum_over_sizes() {
    let x = [1e6, 2.0, -3e4, 0.0, 1e-3];
    // Σ sᵢ²cos(wᵢ/sᵢ), with neighbours coupled.
    let s = [1e6, 1.0, 1e4, 1.0, 1.0];
    let gradient = |w: &[f64]| -> Vec<f64> {
        let coupled = |i: usize| {
            if i == 1 {
                w[3]
            } else if i == 3 {
                w[1]
            } else {
                0.0
            }
        };
        (0..5).map(|i| -s[i] * (w[i] / s[i]).sin() + coupled(i)).collect()
    };
    let v = [1.0, -2.0, 0.5, 3.0, 1.0];
    let mut exact: Vec<f64> = (0..5).map(|i| -(x[i] / s[i]).cos() * v[i]).collect();
    exact[1] += v[3];
    exact[3] += v[1];
    for scale in [1.0, 1e8, 1e-8] {
        let write = |w: &[f64], g: &mut [f64]| {
            g.copy_from_slice(&gradient(w));
            Ok(())
        };
        let v: Vec<f64> = v.iter().map(|v| v * scale).collect();
        let mut y = [0.0; 5];
        Hessian::new(&x, write).unwrap().apply(&v, &mut y).unwrap();
        for (y, exact) in y.iter().zip(&exact) {
            assert!((y / scale - exact).abs() < 1e-4, "{scale:e}: {y} {exact}");
        }
    }
}

#[test]
fn typical_sizes_are_an_elements_own() {
    let gradient = |w: &[f64], g: &mut [f64]| {
        (g[0], g[1]) = (1e8 * (1e8 * w[0]).cos(), w[1].exp());
        Ok(())
    };
    let hessian = || Hessian::new(&[2e-9, 1.0], gradient).unwrap();
    let found = Dense::of(hessian().typical_sizes(&[1e-8, 1.0]).unwrap()).unwrap().diagonal();
    assert!((found[0] / (-1e16 * 0.2_f64.sin()) - 1.0).abs() < 1e-8, "{found}");
    assert!((found[1] / 1.0_f64.exp() - 1.0).abs() < 1e-8, "{found}");
    assert!(hessian().typical_sizes(&[1.0]).is_err());
    assert!(hessian().typical_sizes(&[1.0, 0.0]).is_err());
    assert!(hessian().typical(f64::NAN).is_err());
}

#[test]
fn every_operator_refuses_vectors_of_another_length() {
    let matrix = || Array2::<f64>::eye(3);
    let copy = |x: &[f64], y: &mut [f64]| -> Result<(), Error> {
        y.copy_from_slice(x);
        Ok(())
    };
    let gradient = |w: &[f64], g: &mut [f64]| -> Result<(), Error> {
        g.copy_from_slice(w);
        Ok(())
    };
    let block = Restricted::new(Array2::<f64>::eye(5), vec![0..2, 4..5]).unwrap();
    let operators: Vec<(&str, Box<dyn LinearOperator<f64>>)> = vec![
        ("matrix", Box::new(matrix())),
        ("view", Box::new(matrix().reversed_axes())),
        ("dense", Box::new(Dense::from_matrix(&matrix()).unwrap())),
        ("closure", Box::new(operator_fn(3, copy))),
        ("shifted", Box::new(Shifted::new(matrix(), 1.0))),
        ("scaled", Box::new(Scaled::new(matrix(), 2.0))),
        ("preconditioned", Box::new(Preconditioned::new(matrix(), &[1.0, 2.0, 3.0]).unwrap())),
        ("restricted", Box::new(block)),
        ("hessian", Box::new(Hessian::new(&[1.0, 2.0, 3.0], gradient).unwrap())),
        ("gauss-newton", Box::new(GaussNewton::new(3, 3, copy, copy, copy))),
        ("fisher", Box::new(Fisher::new(matrix()).unwrap())),
    ];
    for (name, mut operator) in operators {
        assert!(operator.apply(&[1.0; 3], &mut [0.0; 3]).is_ok(), "{name}");
        for (x, y) in [(0, 3), (1, 3), (2, 3), (4, 3), (3, 0), (3, 1), (3, 2), (3, 4), (4, 4)] {
            let error = operator.apply(&vec![1.0; x], &mut vec![0.0; y]).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Size { expected: 3, .. }), "{name} {x} {y}");
        }
    }
}
