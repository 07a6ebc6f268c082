//! The curvature of a small network, against PyTorch, SciPy and PyHessian.

use std::ops::Deref;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde_json::Value;
use thalweg::curvature::{
    Dense, Differences, Fisher, GaussNewton, Hessian, Lanczos, LinearOperator,
};
use thalweg_tests_support::network::Network;

struct Golden {
    file: Value,
    network: Network,
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
    let network = Network { w: numbers(&file["w"]), inputs, units, classes, x, y };
    Golden { network, file }
}

impl Deref for Golden {
    type Target = Network;

    fn deref(&self) -> &Network {
        &self.network
    }
}

impl Golden {
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
