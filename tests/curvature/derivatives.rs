//! Hessians by differences against exact ones.

use argmin_testfunctions::{rosenbrock_derivative, rosenbrock_hessian};
use ndarray::{Array1, Array2, array};
use num_dual::{DualNum, HyperDual64};
use thalweg::Error;
use thalweg::curvature::{
    Dense, Differences, Fisher, GaussNewton, Hessian, LinearOperator, QuadraticModel, slice_2d,
};

use super::planted::{normal, rng};

fn rosenbrock_gradient(x: &[f64], g: &mut [f64]) -> Result<(), Error> {
    g.copy_from_slice(&rosenbrock_derivative(x));
    Ok(())
}

/// Points of 20 elements, of sizes 0.01 to 100.
fn points() -> Vec<Vec<f64>> {
    let mut rng = rng(11);
    let size = |decade: i32| 10.0_f64.powi(decade - 2);
    (0..50).map(|i| (0..20).map(|_| size(i % 5) * normal(&mut rng)).collect()).collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
}

/// The worst error of products over points and scalings of v: relative to ‖Hv‖.
fn worst_product(differences: Differences) -> f64 {
    let mut rng = rng(12);
    let mut worst = 0.0_f64;
    for x in points() {
        let exact = rosenbrock_hessian(&x);
        let mut hessian = Hessian::new(&x, rosenbrock_gradient).unwrap().differences(differences);
        let v: Vec<f64> = (0..20).map(|_| normal(&mut rng)).collect();
        for scale in [1.0, 1e8, 1e-8] {
            let v: Vec<f64> = v.iter().map(|v| v * scale).collect();
            let hv: Vec<f64> =
                exact.iter().map(|row| row.iter().zip(&v).map(|(h, v)| h * v).sum()).collect();
            let mut found = vec![0.0; 20];
            hessian.apply(&v, &mut found).unwrap();
            worst = worst.max(distance(&found, &hv) / norm(&hv));
        }
    }
    worst
}

/// The worst error of dense Hessians over points, relative to ‖H‖_F, and the worst defect.
fn worst_dense(differences: Differences) -> (f64, f64) {
    let (mut worst, mut defect) = (0.0_f64, 0.0_f64);
    for x in points() {
        let exact: Vec<f64> = rosenbrock_hessian(&x).concat();
        let hessian = Hessian::new(&x, rosenbrock_gradient).unwrap().differences(differences);
        let dense = Dense::of(hessian).unwrap();
        let found = dense.matrix().as_slice().unwrap().to_vec();
        worst = worst.max(distance(&found, &exact) / norm(&exact));
        defect = defect.max(dense.defect());
    }
    (worst, defect)
}

#[test]
fn products_by_differences_have_nine_digits_whatever_the_size_of_the_point_and_the_vector() {
    let [second, fourth] = [Differences::Second, Differences::Fourth].map(worst_product);
    println!("products: {second:.1e} {fourth:.1e}");
    assert!(second <= 1e-9, "{second:e}");
    assert!(fourth <= 1e-11, "{fourth:e}");
}

#[test]
fn a_dense_hessian_by_differences_has_ten_digits_and_its_defect_says_so() {
    let [second, fourth] = [Differences::Second, Differences::Fourth].map(worst_dense);
    println!("dense: {second:?} {fourth:?}");
    assert!(second.0 <= 1e-10 && fourth.0 <= 1e-11, "{second:?} {fourth:?}");
    assert!(second.1 <= 1e-9 && fourth.1 <= 1e-11, "{second:?} {fourth:?}");
}

/// Something with exponentials and quotients.
fn function(x: &[HyperDual64]) -> HyperDual64 {
    let mut sum = HyperDual64::from(0.0);
    for i in 0..x.len() {
        let next = x[(i + 1) % x.len()];
        sum += (x[i] * next).tanh() + (x[i] - next * 0.5).powi(2).exp() / (next * next + 1.0);
    }
    sum
}

/// xᵀ∇²f y and its two gradients, by hyper-dual numbers: exact to rounding.
fn dual(x: &[f64], a: &[f64], b: &[f64]) -> HyperDual64 {
    let number = |i: usize| HyperDual64::new(x[i], a[i], b[i], 0.0);
    function(&(0..x.len()).map(number).collect::<Vec<_>>())
}

#[test]
fn differences_agree_with_dual_numbers() {
    let n = 8;
    let mut rng = rng(13);
    let unit = |i: usize| (0..n).map(|j| f64::from(u8::from(i == j))).collect::<Vec<f64>>();
    for _ in 0..20 {
        let x: Vec<f64> = (0..n).map(|_| 0.5 * normal(&mut rng)).collect();
        let gradient = |x: &[f64], g: &mut [f64]| {
            (0..n).for_each(|i| g[i] = dual(x, &unit(i), &unit(i)).eps1);
            Ok(())
        };
        let dense = Dense::of(Hessian::new(&x, gradient).unwrap()).unwrap();
        let exact = Array2::from_shape_fn((n, n), |(i, j)| dual(&x, &unit(i), &unit(j)).eps1eps2);
        let error = (&dense.matrix() - &exact).mapv(f64::abs).fold(0.0, |a: f64, &b| a.max(b));
        let size = exact.mapv(f64::abs).fold(0.0, |a: f64, &b| a.max(b));
        assert!(error <= 1e-9 * size, "{error:e} {size:e}");
    }
}

#[test]
fn single_precision_differences_have_four_digits() {
    let x = [0.5_f32, -1.0, 2.0];
    let gradient = |x: &[f32], g: &mut [f32]| {
        g.iter_mut().zip(x).for_each(|(g, x)| *g = x.sin());
        Ok(())
    };
    for (differences, limit) in [(Differences::Second, 1e-3), (Differences::Fourth, 1e-4)] {
        let hessian = Hessian::new(&x, gradient).unwrap().differences(differences);
        let diagonal = Dense::of(hessian).unwrap().diagonal();
        for (found, x) in diagonal.iter().zip(x) {
            assert!((found - x.cos()).abs() < limit, "{differences:?} {found} {}", x.cos());
        }
    }
}

#[test]
fn a_model_of_several_leaves_has_the_hessian_of_its_flat_vector_and_is_put_back() {
    type Model = (Array2<f64>, Array1<f64>);
    let model: Model = (array![[0.3, -0.2], [1.0, 0.1]], array![0.7]);
    let flat = [0.3, -0.2, 1.0, 0.1, 0.7];
    let gradient = |x: &[f64]| -> Vec<f64> {
        let sum: f64 = x.iter().map(|x| x * x).sum();
        x.iter().map(|x| 4.0 * sum * x + x.cos()).collect()
    };
    let mut held = model.clone();
    let of_tree = |model: &&mut Model| {
        let x: Vec<f64> = model.0.iter().chain(&model.1).copied().collect();
        let g = gradient(&x);
        (Array2::from_shape_vec((2, 2), g[..4].to_vec()).unwrap(), array![g[4]])
    };
    let tree = Dense::of(Hessian::of_model(&mut held, of_tree).unwrap()).unwrap();
    let of_flat = |x: &[f64], g: &mut [f64]| {
        g.copy_from_slice(&gradient(x));
        Ok(())
    };
    let plain = Dense::of(Hessian::new(&flat, of_flat).unwrap()).unwrap();
    assert_eq!(tree, plain);
    assert_eq!(held, model);
}

#[test]
fn gauss_newton_of_a_linear_model_is_its_hessian() {
    let inputs = array![[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]];
    let forward = |v: &[f64], z: &mut [f64]| {
        z.copy_from_slice(inputs.dot(&Array1::from(v.to_vec())).as_slice().unwrap());
        Ok(())
    };
    let loss = |u: &[f64], y: &mut [f64]| {
        y.iter_mut().zip(u).for_each(|(y, u)| *y = 2.0 * u);
        Ok(())
    };
    let backward = |u: &[f64], g: &mut [f64]| {
        g.copy_from_slice(inputs.t().dot(&Array1::from(u.to_vec())).as_slice().unwrap());
        Ok(())
    };
    let dense = Dense::of(GaussNewton::new(2, 3, forward, loss, backward)).unwrap();
    assert_eq!(dense.matrix(), inputs.t().dot(&inputs) * 2.0);
    assert_eq!(dense.defect(), 0.0);
    let fisher = Dense::of(Fisher::new(inputs.clone()).unwrap()).unwrap();
    let expected = inputs.t().dot(&inputs) / 3.0;
    assert!((&fisher.matrix() - &expected).iter().all(|d| d.abs() < 1e-15));
}

#[test]
fn the_error_of_a_quadratic_model_is_of_third_order() {
    let x = [-0.5, 0.8, 0.3, 0.1];
    let f = |x: &[f64]| argmin_testfunctions::rosenbrock(x);
    let gradient = rosenbrock_derivative(&x[..]);
    let hessian = Hessian::new(&x, rosenbrock_gradient).unwrap();
    let mut model = QuadraticModel::new(f(&x), &gradient, hessian).unwrap();
    let direction = [0.6, -0.3, 0.2, 0.5];
    let along = model.along(&direction).unwrap();
    let errors = along.compare(&x, &direction, &[1e-2, 1e-3, 0.0], f).unwrap();
    let ratio = errors[0].error() / errors[1].error();
    assert!((900.0..1100.0).contains(&ratio), "{ratio}");
    assert_eq!(errors[2].error(), 0.0);

    // The quadratic term of a slice is the curvature.
    let steps = [-1e-3, 0.0, 1e-3];
    let slice = slice_2d(&x, [&direction, &[0.0; 4]], [&steps, &[0.0]], f).unwrap();
    let second = (slice[[0, 0]] - 2.0 * slice[[1, 0]] + slice[[2, 0]]) / 1e-6;
    assert!((second / along.curvature - 1.0).abs() < 1e-4, "{second} {}", along.curvature);
}
