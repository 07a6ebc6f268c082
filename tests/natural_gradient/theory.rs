use ndarray::{Array1, Array2, Axis, array};
use thalweg::natural_gradient::{
    Batch, Dense, DenseLayer, Empirical, Exact, MatrixFree, Metric, NaturalGradient,
};
use thalweg::params::Flatten;
use thalweg::{Optimizer, Sgd};

use super::support::*;

/// Logistic regression with the parameters written as w = T·u.
struct Written {
    t: Array2<f64>,
    x: Array2<f64>,
    y: Array1<f64>,
}

impl Written {
    fn new(t: Array2<f64>) -> Self {
        let mut draw = numbers(11);
        let x = Array2::from_shape_simple_fn((30, 3), &mut draw);
        // Labels that no line separates.
        let y = Array1::from_shape_fn(30, |i| f64::from(u8::from((i * 5 + 2) % 7 < 3)));
        Self { t, x, y }
    }

    /// The inputs as u sees them.
    fn inputs(&self) -> Array2<f64> {
        self.x.dot(&self.t)
    }

    fn scores(&self, u: &Array1<f64>) -> Array2<f64> {
        self.inputs().dot(u).insert_axis(Axis(1))
    }

    fn gradient(&self, u: &Array1<f64>) -> Array1<f64> {
        let p = self.scores(u).column(0).mapv(|s| 1.0 / (1.0 + (-s).exp()));
        self.inputs().t().dot(&(p - &self.y)) / 30.0
    }

    fn hessian(&self, u: &Array1<f64>) -> Array2<f64> {
        let p = self.scores(u).column(0).mapv(|s| 1.0 / (1.0 + (-s).exp()));
        let x = self.inputs();
        let mut h = Array2::zeros((3, 3));
        for (row, p) in x.rows().into_iter().zip(p) {
            add_outer(&mut h, &row.to_vec(), p * (1.0 - p) / 30.0);
        }
        h
    }

    fn batch(&self, u: &Array1<f64>) -> Batch<f64, Exact> {
        let outputs = Exact::bernoulli(&self.scores(u)).unwrap();
        let rows = self.inputs() * &outputs.passes()[0];
        Batch::of_gradients(rows).unwrap()
    }

    /// The scores after each step of the natural gradient, and of the plain one.
    fn trajectories(&self) -> [Vec<Array2<f64>>; 2] {
        // The same function: w = T·u.
        let w = array![0.5, -1.0, 0.25];
        let start = Array1::from(eliminate(&self.t, w.as_slice().unwrap()));
        let mut natural = NaturalGradient::new(0.5, Dense::<f64, Exact>::new(0.0));
        let mut plain = Sgd::new(0.5);
        let (mut u, mut v) = (start.clone(), start);
        let mut both = [Vec::new(), Vec::new()];
        for _ in 0..8 {
            natural.observe(&u, self.batch(&u).into()).unwrap();
            let g = self.gradient(&u);
            natural.step(&mut u, &g).unwrap();
            both[0].push(self.scores(&u));
            let g = self.gradient(&v);
            plain.step(&mut v, &g).unwrap();
            both[1].push(self.scores(&v));
        }
        both
    }
}

#[test]
fn a_linear_map_of_the_parameters_changes_the_plain_trajectory_and_not_the_natural_one() {
    let [natural, plain] = Written::new(Array2::eye(3)).trajectories();
    let t = array![[2.0, 0.3, -1.0], [0.0, 0.5, 4.0], [1.0, -2.0, 0.1]];
    let [mapped_natural, mapped_plain] = Written::new(t).trajectories();
    let off = |a: &[Array2<f64>], b: &[Array2<f64>]| {
        let largest = |(a, b): (&Array2<f64>, &Array2<f64>)| {
            (a - b).iter().fold(0.0_f64, |max, d| max.max(d.abs()))
        };
        a.iter().zip(b).map(largest).fold(0.0_f64, f64::max)
    };
    assert!(off(&natural, &mapped_natural) < 1e-11, "{}", off(&natural, &mapped_natural));
    assert!(off(&plain, &mapped_plain) > 0.05);
}

#[test]
fn a_generalized_linear_model_makes_it_newtons_method() {
    let problem = Written::new(Array2::eye(3));
    let mut u = array![0.5, -1.0, 0.25];
    let mut natural = NaturalGradient::new(1.0, Dense::new(0.0));
    for _ in 0..6 {
        natural.observe(&u, problem.batch(&u).into()).unwrap();
        let (g, h) = (problem.gradient(&u), problem.hessian(&u));
        let f = natural.metric().matrix().unwrap();
        assert!((f - &h).iter().all(|d| d.abs() < 1e-15));
        let newton = &u - &Array1::from(eliminate(&h, g.as_slice().unwrap()));
        natural.step(&mut u, &g).unwrap();
        assert!((&u - &newton).iter().all(|d| d.abs() < 1e-12));
    }
    assert!(problem.gradient(&u).iter().all(|g| g.abs() < 1e-12));
}

#[test]
fn one_step_reaches_the_mean_of_a_normal_distribution() {
    // -log p of the mean m, with precision Λ: F = Λ, gradient Λ(m - mean of the data).
    let precision = array![[4.0, 1.5, 0.0], [1.5, 2.0, -0.5], [0.0, -0.5, 1.0]];
    let optimum = array![1.0, -2.0, 0.5];
    let mut by_cholesky = array![10.0, 20.0, -5.0];
    let mut by_products = by_cholesky.clone();
    let g = precision.dot(&(&by_cholesky - &optimum));
    let mut natural = NaturalGradient::new(1.0, Dense::<f64, Exact>::new(0.0));
    natural.observe(&by_cholesky, precision.clone().into()).unwrap();
    natural.step(&mut by_cholesky, &g).unwrap();
    let mut natural =
        NaturalGradient::new(1.0, MatrixFree::<f64, Array2<f64>>::new(0.0, 1e-14, 20));
    natural.observe(&by_products, precision).unwrap();
    natural.step(&mut by_products, &g).unwrap();
    for w in [by_cholesky, by_products] {
        assert!((w - &optimum).iter().all(|d| d.abs() < 1e-12));
    }
}

#[test]
fn kl_is_half_the_square_length_to_third_order() {
    let (net, (x, _)) = (Net::new(1), data(5, 2));
    let f = net.slow_exact(&x);
    let direction = vector(net.len(), 9);
    let p = net.probabilities(&x);
    let error = |size: f64| {
        let mut moved = net.clone();
        let layout = net.layout();
        let mut flat = vec![0.0; net.len()];
        layout.gather(&net, &mut flat).unwrap();
        flat.iter_mut().zip(&direction).for_each(|(w, d)| *w += size * d);
        layout.scatter(&flat, &mut moved).unwrap();
        let q = moved.probabilities(&x);
        let kl: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum::<f64>() / 5.0;
        let fd = times(&f, &direction);
        let square: f64 = fd.iter().zip(&direction).map(|(a, b)| a * b).sum();
        (kl - 0.5 * size * size * square).abs()
    };
    for size in [0.04, 0.02, 0.01] {
        let ratio = error(size) / error(size / 2.0);
        assert!((ratio - 8.0).abs() < 1.2, "{size}: {ratio}");
    }
}

#[test]
fn an_empirical_matrix_far_from_the_data_is_not_the_exact_one() {
    let (net, (x, classes)) = (Net::new(1), data(5, 2));
    let (exact, empirical) = (net.slow_exact(&x), net.slow_empirical(&x, &classes));
    let off = (&exact - &empirical).iter().fold(0.0_f64, |max, d| max.max(d.abs()));
    assert!(off > 0.01);
}

#[test]
fn targets_of_a_normal_distribution_give_residuals_over_the_variance() {
    let (z, y) = (array![[1.0, 2.0], [0.0, -1.0]], array![[0.0, 2.5], [1.0, 1.0]]);
    let outputs = Empirical::gaussian(&z, &y, 0.5).unwrap();
    assert_eq!(outputs.passes(), [array![[4.0, -2.0], [-4.0, -8.0]]]);
    // A linear layer: its rows are a·δ.
    let x = array![[1.0], [3.0]];
    let batch = outputs.backward(|d| vec![DenseLayer::new("", x.clone(), d.clone())]).unwrap();
    let model = Array2::<f64>::zeros((1, 2));
    let layout = Flatten::of(&model).unwrap();
    let mut dense = Dense::new(0.0);
    dense.observe(&layout, &model, batch.into()).unwrap();
    assert_eq!(*dense.matrix().unwrap(), array![[80.0, 140.0], [140.0, 290.0]]);
}
