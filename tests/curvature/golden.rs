//! The curvature of a small network, against PyTorch, SciPy and PyHessian.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde_json::Value;
use thalweg::Error;
use thalweg::curvature::{
    Dense, Differences, Fisher, GaussNewton, Hessian, Lanczos, LinearOperator,
};

struct Golden {
    file: Value,
    inputs: usize,
    units: usize,
    classes: usize,
    w: Vec<f64>,
    x: Array2<f64>,
    y: Vec<usize>,
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/curvature.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let size = |name: &str| file[name].as_u64().unwrap() as usize;
    let (inputs, units, classes) = (size("inputs"), size("units"), size("classes"));
    let y: Vec<usize> = numbers(&file["y"]).iter().map(|&y| y as usize).collect();
    let x = Array2::from_shape_vec((y.len(), inputs), numbers(&file["x"])).unwrap();
    Golden { w: numbers(&file["w"]), inputs, units, classes, x, y, file }
}

/// The parts of a flat vector: two weights and two biases.
struct Parts<'a> {
    w1: ArrayView2<'a, f64>,
    b1: ArrayView1<'a, f64>,
    w2: ArrayView2<'a, f64>,
    b2: ArrayView1<'a, f64>,
}

impl Golden {
    fn parts<'a>(&self, w: &'a [f64]) -> Parts<'a> {
        let (w1, rest) = w.split_at(self.inputs * self.units);
        let (b1, rest) = rest.split_at(self.units);
        let (w2, b2) = rest.split_at(self.units * self.classes);
        Parts {
            w1: ArrayView2::from_shape((self.inputs, self.units), w1).unwrap(),
            b1: ArrayView1::from(b1),
            w2: ArrayView2::from_shape((self.units, self.classes), w2).unwrap(),
            b2: ArrayView1::from(b2),
        }
    }

    fn hidden(&self, w: &[f64]) -> Array2<f64> {
        let parts = self.parts(w);
        (self.x.dot(&parts.w1) + parts.b1).mapv(f64::tanh)
    }

    fn probabilities(&self, w: &[f64]) -> Array2<f64> {
        let parts = self.parts(w);
        let mut p = (self.hidden(w).dot(&parts.w2) + parts.b2).mapv(f64::exp);
        p.rows_mut().into_iter().for_each(|mut row| row /= row.sum());
        p
    }

    fn loss(&self, w: &[f64]) -> f64 {
        let p = self.probabilities(w);
        let sum: f64 = self.y.iter().enumerate().map(|(i, &class)| -p[[i, class]].ln()).sum();
        sum / self.y.len() as f64
    }

    /// Jᵀu for u by the scores: back-propagation.
    fn back(&self, w: &[f64], u: &Array2<f64>, samples: std::ops::Range<usize>) -> Vec<f64> {
        let rows = ndarray::s![samples, ..];
        let (a, x, u) = (self.hidden(w), self.x.slice(rows), u.slice(rows));
        let a = a.slice(rows);
        let d = u.dot(&self.parts(w).w2.t()) * a.mapv(|a| 1.0 - a * a);
        let (w1, b1) = (x.t().dot(&d), d.sum_axis(Axis(0)));
        let (w2, b2) = (a.t().dot(&u), u.sum_axis(Axis(0)));
        w1.iter().chain(&b1).chain(&w2).chain(&b2).copied().collect()
    }

    /// The gradients of the samples' losses by the scores.
    fn by_scores(&self, w: &[f64]) -> Array2<f64> {
        let mut p = self.probabilities(w);
        self.y.iter().enumerate().for_each(|(i, &class)| p[[i, class]] -= 1.0);
        p
    }

    fn gradient(&self, w: &[f64], g: &mut [f64]) -> Result<(), Error> {
        let u = self.by_scores(w) / self.y.len() as f64;
        g.copy_from_slice(&self.back(w, &u, 0..self.y.len()));
        Ok(())
    }

    fn hessian(&self) -> impl LinearOperator<f64> {
        let gradient = |w: &[f64], g: &mut [f64]| self.gradient(w, g);
        Hessian::new(&self.w, gradient).unwrap().differences(Differences::Fourth)
    }
}

fn worst(found: &[f64], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len());
    found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn the_hessian_is_pytorchs() {
    let golden = golden();
    let torch = &golden.file["torch"];
    assert!((golden.loss(&golden.w) - torch["loss"].as_f64().unwrap()).abs() < 1e-14);
    let mut gradient = vec![0.0; golden.w.len()];
    golden.gradient(&golden.w, &mut gradient).unwrap();
    assert!(worst(&gradient, &numbers(&torch["gradient"])) < 1e-14);
    let dense = Dense::of(golden.hessian()).unwrap();
    let off = worst(dense.matrix().as_slice().unwrap(), &numbers(&torch["hessian"]));
    assert!(off < 1e-10, "{off:e}");
    let trace = dense.diagonal().sum();
    assert!((trace - torch["trace"].as_f64().unwrap()).abs() < 1e-10);
    #[cfg(feature = "linalg")]
    {
        let off = worst(&dense.eigenvalues().unwrap(), &numbers(&torch["eigenvalues"]));
        assert!(off < 1e-10, "{off:e}");
    }
}

#[test]
fn the_extreme_eigenvalues_are_scipys_and_pyhessians() {
    let golden = golden();
    let found = Lanczos::ends(3, 3).run(&mut golden.hessian()).unwrap();
    let values = |pairs: &[thalweg::curvature::Eigenpair<f64>]| -> Vec<f64> {
        pairs.iter().map(|pair| pair.value).collect()
    };
    assert!(worst(&values(&found.lowest), &numbers(&golden.file["scipy"]["lowest"])) < 1e-10);
    assert!(worst(&values(&found.highest), &numbers(&golden.file["scipy"]["highest"])) < 1e-10);
    // Power iteration stops early.
    let top = golden.file["pyhessian"]["top"].as_f64().unwrap();
    assert!((found.by_magnitude()[0].value - top).abs() < 1e-5);
}

#[cfg(feature = "rand")]
#[test]
fn trace_and_density_agree_with_pyhessians_within_both_errors() {
    use thalweg::curvature::{Quadrature, Trace};
    use thalweg_tests_support::Optimized;
    let golden = golden();
    let torch_trace = golden.file["torch"]["trace"].as_f64().unwrap();
    let theirs = &golden.file["pyhessian"];
    let mut rng = super::planted::rng(61);
    let trace = Trace::hutchinson().tolerance(0.02).max_samples(4096);
    let trace = trace.optimized(&mut golden.hessian(), &mut rng).unwrap();
    assert!((trace.value - torch_trace).abs() < 3.0 * trace.standard_error);
    let error = theirs["trace_error"].as_f64().unwrap().hypot(trace.standard_error);
    assert!((trace.value - theirs["trace"].as_f64().unwrap()).abs() < 3.0 * error);

    let density = Quadrature::new(25, 100).optimized(&mut golden.hessian(), &mut rng).unwrap();
    let width = theirs["width"].as_f64().unwrap();
    let ours = density.density(&numbers(&theirs["places"]), width).unwrap();
    let (values, errors) = (numbers(&theirs["density"]), numbers(&theirs["density_error"]));
    for ((ours, value), error) in ours.iter().zip(values).zip(errors) {
        let error = error.hypot(ours.standard_error);
        assert!((ours.value - value).abs() < 4.0 * error, "{ours:?} {value} {error}");
    }
}

#[cfg(feature = "linalg")]
#[test]
fn gauss_newton_and_fisher_matrices_are_pytorchs() {
    let golden = golden();
    let (n, samples) = (golden.w.len(), golden.y.len());
    let torch = &golden.file["torch"];
    let p = golden.probabilities(&golden.w);
    let outputs = samples * golden.classes;
    let forward = |v: &[f64], z: &mut [f64]| {
        let (v, w, a) = (golden.parts(v), golden.parts(&golden.w), golden.hidden(&golden.w));
        let d = (golden.x.dot(&v.w1) + v.b1) * a.mapv(|a| 1.0 - a * a);
        let out = a.dot(&v.w2) + d.dot(&w.w2) + v.b2;
        z.copy_from_slice(out.as_slice().unwrap());
        Ok(())
    };
    // (diag(p) - ppᵀ)/N for each sample.
    let loss = |u: &[f64], y: &mut [f64]| {
        let u = ArrayView2::from_shape(p.dim(), u).unwrap();
        let across = (&u * &p).sum_axis(Axis(1)).insert_axis(Axis(1));
        let out = (&u - &across) * &p / samples as f64;
        y.copy_from_slice(out.as_slice().unwrap());
        Ok(())
    };
    let backward = |u: &[f64], g: &mut [f64]| {
        let u = Array2::from_shape_vec((samples, golden.classes), u.to_vec()).unwrap();
        g.copy_from_slice(&golden.back(&golden.w, &u, 0..samples));
        Ok(())
    };
    let dense = Dense::of(GaussNewton::new(n, outputs, forward, loss, backward)).unwrap();
    assert!(dense.defect() < 1e-14);
    let off = worst(&dense.eigenvalues().unwrap(), &numbers(&torch["ggn_eigenvalues"]));
    assert!(off < 1e-14, "{off:e}");

    let u = golden.by_scores(&golden.w);
    let rows = (0..samples).map(|i| Array1::from(golden.back(&golden.w, &u, i..i + 1)));
    let rows: Vec<Array1<f64>> = rows.collect();
    let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
    let fisher = Fisher::new(ndarray::stack(Axis(0), &views).unwrap()).unwrap();
    let found = Dense::of(fisher).unwrap().eigenvalues().unwrap();
    let off = worst(&found, &numbers(&torch["fisher_eigenvalues"]));
    assert!(off < 1e-14, "{off:e}");
}
