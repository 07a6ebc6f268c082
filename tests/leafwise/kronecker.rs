//! Shampoo and SOAP against literal transcriptions in `f64`, with another library's eigenvalues.
#![cfg(feature = "linalg")]

use std::collections::BTreeMap;

use faer::{Mat, Side};
use ndarray::{Array2, ArrayD, Axis, Slice};
use thalweg::kronecker::Grafting;
use thalweg::{Adam, Optimizer, Scalar, Shampoo, Soap};

use super::support::{Model, array, model};

/// XXᵀ of the matrix whose rows are the indices along an axis.
fn unfolded(x: &ArrayD<f64>, axis: usize) -> Array2<f64> {
    let mut order: Vec<usize> = (0..x.ndim()).collect();
    order.remove(axis);
    order.insert(0, axis);
    let turned = x.view().permuted_axes(order);
    let n = turned.shape()[0];
    Array2::from_shape_vec((n, x.len() / n), turned.iter().copied().collect()).unwrap()
}

fn gram(x: &ArrayD<f64>, axis: usize) -> Array2<f64> {
    let x = unfolded(x, axis);
    x.dot(&x.t())
}

/// M·x along an axis.
fn along(m: &Array2<f64>, x: &ArrayD<f64>, axis: usize) -> ArrayD<f64> {
    let product = m.dot(&unfolded(x, axis));
    let mut shape = x.shape().to_vec();
    let n = shape.remove(axis);
    shape.insert(0, n);
    let turned = ArrayD::from_shape_vec(shape, product.iter().copied().collect()).unwrap();
    let mut back: Vec<usize> = (1..x.ndim()).collect();
    back.insert(axis, 0);
    turned.permuted_axes(back).as_standard_layout().into_owned()
}

fn power(a: &Array2<f64>, epsilon: f64, exponent: f64) -> Array2<f64> {
    let n = a.nrows();
    let eigen = Mat::from_fn(n, n, |i, j| a[[i, j]]).self_adjoint_eigen(Side::Lower).unwrap();
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let lift = epsilon - values[0].min(0.0);
    Array2::from_shape_fn((n, n), |(i, j)| {
        let term =
            |k: usize| eigen.U()[(i, k)] * (values[k] + lift).powf(exponent) * eigen.U()[(j, k)];
        (0..n).map(term).sum()
    })
}

#[derive(Clone, Copy)]
struct Case {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    exponent: f64,
    every: u64,
    start: u64,
    block: usize,
    grafting: Grafting,
    decay: f64,
}

#[derive(Default)]
struct Kept {
    m: Option<ArrayD<f64>>,
    v: Option<ArrayD<f64>>,
    /// Of each block and axis: matrix and root.
    matrices: BTreeMap<(usize, usize), (Array2<f64>, Array2<f64>)>,
}

fn norm(x: &ArrayD<f64>) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The blocks of an array, the last axis fastest: for each axis where it begins and ends.
fn blocks(shape: &[usize], limit: usize) -> Vec<Vec<(usize, usize)>> {
    let mut all = vec![vec![]];
    for &len in shape {
        let cuts = (0..len).step_by(limit).map(|at| (at, (at + limit).min(len)));
        let with = |block: &Vec<(usize, usize)>| {
            let more = cuts.clone().map(|cut| [&block[..], &[cut]].concat());
            more.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

fn shampoo(case: Case, t: u64, w: &mut ArrayD<f64>, g: &ArrayD<f64>, kept: &mut Kept, rate: f64) {
    let whole = w.shape().to_vec();
    let mut dims: Vec<usize> = whole.iter().copied().filter(|&len| len != 1).collect();
    if dims.is_empty() {
        dims.push(1);
    }
    let g = ArrayD::from_shape_vec(dims.clone(), g.iter().copied().collect()).unwrap();
    let (order, steps) = (dims.len(), t as i32);

    let average = |kept: &mut Option<ArrayD<f64>>, keep: f64, take: f64, new: &ArrayD<f64>| {
        let old = kept.take().unwrap_or_else(|| ArrayD::zeros(new.shape()));
        *kept = Some(keep * old + take * new);
        kept.clone().unwrap()
    };
    let m = average(&mut kept.m, case.beta1, 1.0 - case.beta1, &g) / (1.0 - case.beta1.powi(steps));
    let square = &g * &g;
    let grafted = match case.grafting {
        Grafting::AdaGrad { epsilon } => {
            &m / &average(&mut kept.v, 1.0, 1.0, &square).mapv(|v| v.sqrt() + epsilon)
        }
        Grafting::RmsProp { beta2, epsilon } => {
            let v = average(&mut kept.v, beta2, 1.0 - beta2, &square);
            &m / &v.mapv(|v| v.sqrt() + epsilon)
        }
        Grafting::Adam { beta2, epsilon } => {
            let v = average(&mut kept.v, beta2, 1.0 - beta2, &square);
            &m / &(v / (1.0 - beta2.powi(steps))).mapv(|v| v.sqrt() + epsilon)
        }
        _ => m.clone(),
    };
    let mut step = ArrayD::zeros(dims.clone());
    for (b, block) in blocks(&dims, case.block).into_iter().enumerate() {
        let part = |x: &ArrayD<f64>| {
            let mut view = x.view();
            for (axis, &(from, to)) in block.iter().enumerate() {
                view.slice_axis_inplace(Axis(axis), Slice::from(from..to));
            }
            view.as_standard_layout().into_owned()
        };
        let (g, mut p, length) = (part(&g), part(&m), norm(&part(&grafted)));
        for axis in 0..order {
            let n = g.shape()[axis];
            let (matrix, root) = kept
                .matrices
                .entry((b, axis))
                .or_insert_with(|| (Array2::zeros((n, n)), Array2::eye(n)));
            let take = if case.beta2 < 1.0 { 1.0 - case.beta2 } else { 1.0 };
            *matrix = case.beta2 * &*matrix + take * gram(&g, axis);
            if t == case.start || t > case.start && t.is_multiple_of(case.every) {
                let bias = if case.beta2 < 1.0 { 1.0 - case.beta2.powi(steps) } else { 1.0 };
                let exponent =
                    if case.exponent > 0.0 { case.exponent } else { 1.0 / (2.0 * order as f64) };
                *root = power(&(&*matrix / bias), case.epsilon, -exponent);
            }
            p = along(root, &p, axis);
        }
        if t < case.start {
            p = part(&grafted);
        } else if case.grafting != Grafting::None {
            p = &p * (length / norm(&p));
        }
        let mut view = step.view_mut();
        for (axis, &(from, to)) in block.iter().enumerate() {
            view.slice_axis_inplace(Axis(axis), Slice::from(from..to));
        }
        view.assign(&p);
    }
    for (w, u) in w.iter_mut().zip(&step) {
        *w = *w - rate * case.decay * *w - rate * u;
    }
}

fn rate(step: u64) -> f64 {
    0.05 * (1.0 + 0.5 * (step as f64).sin())
}

fn worst<F: Scalar>(found: &Model<F>, expected: &Model<f64>) -> f64 {
    let off = |(name, w): (&String, &ArrayD<f64>)| {
        let pairs = found[name].iter().zip(w);
        pairs.fold(0.0, |worst, (a, b)| f64::max(worst, (a.into_f64() - b).abs()))
    };
    expected.iter().map(off).fold(0.0, f64::max)
}

fn wide<F: Scalar>(model: &Model<F>) -> Model<f64> {
    model.iter().map(|(name, w)| (name.clone(), w.mapv(F::into_f64))).collect()
}

fn shampoo_agrees<F: Scalar>(tolerance: f64) {
    let plain = Case {
        beta1: 0.0,
        beta2: 1.0,
        epsilon: 1e-2,
        exponent: 0.0,
        every: 1,
        start: 1,
        block: 1000,
        grafting: Grafting::None,
        decay: 0.0,
    };
    let adam = Grafting::Adam { beta2: 0.99, epsilon: 1e-8 };
    let cases = [
        plain,
        Case { beta1: 0.9, beta2: 0.95, every: 3, start: 3, grafting: adam, ..plain },
        Case { grafting: Grafting::Sgd, exponent: 0.5, decay: 0.1, ..plain },
        Case { grafting: Grafting::AdaGrad { epsilon: 0.1 }, block: 4, every: 2, ..plain },
        Case {
            beta1: 0.5,
            beta2: 0.9,
            start: 5,
            every: 2,
            block: 3,
            grafting: Grafting::RmsProp { beta2: 0.9, epsilon: 1e-6 },
            ..plain
        },
    ];
    for (at, case) in cases.into_iter().enumerate() {
        let mut optimizer = Shampoo::paper(rate)
            .beta1(case.beta1)
            .beta2(case.beta2)
            .epsilon(case.epsilon)
            .exponent(case.exponent)
            .every(case.every as u32)
            .start(case.start as u32)
            .block(case.block)
            .grafting(case.grafting)
            .weight_decay(case.decay);
        let (mut w, mut kept) = (model::<F>(1), BTreeMap::<String, Kept>::new());
        let mut expected = wide(&w);
        for step in 1..=12 {
            let g = model::<F>(step + 1);
            optimizer.step(&mut w, &g).unwrap();
            for (name, w) in expected.iter_mut().filter(|(_, w)| !w.is_empty()) {
                let (g, kept) = (g[name].mapv(F::into_f64), kept.entry(name.clone()).or_default());
                shampoo(case, step, w, &g, kept, rate(step));
            }
        }
        let off = worst(&w, &expected);
        assert!(off < tolerance, "case {at}: {off:.1e} off");
    }
}

#[test]
fn shampoo_agrees_with_a_literal_transcription() {
    shampoo_agrees::<f64>(1e-11);
    shampoo_agrees::<f32>(2e-4);
}

/// What SOAP knows of a leaf.
struct Basis {
    m: ArrayD<f64>,
    v: ArrayD<f64>,
    /// By axis: the matrix, and the basis in its columns.
    matrices: BTreeMap<usize, (Array2<f64>, Array2<f64>)>,
}

struct Soaped {
    beta1: f64,
    beta2: f64,
    beta: f64,
    every: u64,
    normalized: bool,
    decay: f64,
}

fn orthonormal(a: &Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let q = Mat::from_fn(n, n, |i, j| a[[i, j]]).qr().compute_thin_Q();
    Array2::from_shape_fn((n, n), |(i, j)| q[(i, j)])
}

fn turned(x: &ArrayD<f64>, kept: &Basis, back: bool) -> ArrayD<f64> {
    kept.matrices.iter().fold(x.clone(), |x, (&axis, (_, q))| {
        if back { along(q, &x, axis) } else { along(&q.t().to_owned(), &x, axis) }
    })
}

/// One of the authors' steps after the first; `t` counts from 1 there.
fn soap(case: &Soaped, t: u64, w: &mut ArrayD<f64>, g: &ArrayD<f64>, kept: &mut Basis, rate: f64) {
    let turned_g = turned(g, kept, false);
    kept.m = case.beta1 * &kept.m + (1.0 - case.beta1) * &turned_g;
    kept.v = case.beta2 * &kept.v + (1.0 - case.beta2) * &turned_g * &turned_g;
    let direction = &kept.m / &kept.v.mapv(|v| v.sqrt() + 1e-8);
    let mut direction = turned(&direction, kept, true);
    if case.normalized {
        direction = &direction / (norm(&direction) / (w.len() as f64).sqrt());
    }
    let (first, second) = (1.0 - case.beta1.powi(t as i32), 1.0 - case.beta2.powi(t as i32));
    *w = &*w - &(direction * (rate * second.sqrt() / first));
    *w = &*w - &(&*w * (rate * case.decay));
    let m = turned(&kept.m, kept, true);
    for (&axis, (matrix, q)) in &mut kept.matrices {
        *matrix = case.beta * &*matrix + (1.0 - case.beta) * gram(g, axis);
        if t.is_multiple_of(case.every) {
            let sizes = q.t().dot(&*matrix).dot(&*q).diag().to_owned();
            let mut order: Vec<usize> = (0..sizes.len()).collect();
            order.sort_by(|&i, &j| sizes[j].total_cmp(&sizes[i]));
            kept.v = kept.v.select(Axis(axis), &order);
            *q = orthonormal(&matrix.dot(&q.select(Axis(1), &order)));
        }
    }
    kept.m = turned(&m, kept, false);
}

fn soap_agrees<F: Scalar>(tolerance: f64, steps: u64) {
    let plain =
        Soaped { beta1: 0.95, beta2: 0.95, beta: 0.95, every: 4, normalized: false, decay: 0.0 };
    let cases = [
        Soaped { ..plain },
        Soaped { every: 1, decay: 0.1, ..plain },
        Soaped { beta1: 0.9, beta2: 0.99, beta: 0.8, normalized: true, every: 3, ..plain },
    ];
    // Before each new basis gradients were in as many directions as there are: else it is not the only one.
    let shapes: [(&str, &[usize]); 4] =
        [("square", &[6, 6]), ("cube", &[4, 3, 4]), ("row", &[1, 4]), ("bias", &[5])];
    let tree = |seed: u64| -> Model<F> {
        let leaf = |(i, &(name, shape)): (usize, &(&str, &[usize]))| {
            let mut x = array::<F>(shape, 40 * seed + i as u64);
            if name == "square" {
                // Well conditioned.
                (0..6).for_each(|i| x[[i, i]] = x[[i, i]] + F::from_f64(1.0 + 0.5 * i as f64));
            }
            (name.to_owned(), x)
        };
        shapes.iter().enumerate().map(leaf).collect()
    };
    // Which of two eigenvalues is the larger may be told otherwise in `f32`, the sooner the more often it is asked.
    let often = |case: &&Soaped| case.every > 1 || F::NAME == "f64";
    for (at, case) in cases.iter().filter(often).enumerate() {
        let mut optimizer = Soap::new(rate)
            .beta1(case.beta1)
            .beta2(case.beta2)
            .shampoo_beta(case.beta)
            .every(case.every as u32)
            .normalized(case.normalized)
            .weight_decay(case.decay);
        let tree = |seed| {
            let mut tree = tree(seed);
            if case.every < 3 {
                tree.remove("row");
            }
            tree
        };
        let mut w = tree(1);
        let g = tree(2);
        let before = w.clone();
        optimizer.step(&mut w, &g).unwrap();
        assert_eq!(w, before, "the first step moves nothing");
        let mut expected = wide(&w);
        let mut kept = BTreeMap::new();
        for (name, w) in &expected {
            let g = g[name].mapv(F::into_f64);
            let mut matrices = BTreeMap::new();
            for axis in (0..w.ndim()).filter(|&axis| w.ndim() > 1 && w.shape()[axis] > 1) {
                let matrix = (1.0 - case.beta) * gram(&g, axis);
                let q = &optimizer.slot(name, &format!("basis{axis}")).unwrap().values;
                let n = w.shape()[axis];
                let q = Array2::from_shape_fn((n, n), |(i, j)| q[i * n + j].into_f64());
                // It is one: orthonormal, and what it makes of the matrix falls along the diagonal.
                let tolerance = 100.0 * F::epsilon().into_f64();
                let unit = q.t().dot(&q);
                let made = q.t().dot(&matrix).dot(&q);
                for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let one = f64::from(u8::from(i == j));
                    assert!((unit[[i, j]] - one).abs() < tolerance, "{name}");
                    assert!(i == j || made[[i, j]].abs() < tolerance * made[[0, 0]], "{name}");
                    assert!(i != j || i == 0 || made[[i, i]] <= made[[i - 1, i - 1]] + tolerance);
                }
                matrices.insert(axis, (matrix, q));
            }
            let zeros = ArrayD::zeros(w.shape());
            kept.insert(name.clone(), Basis { m: zeros.clone(), v: zeros, matrices });
        }
        for step in 2..=steps {
            let g = tree(step + 1);
            optimizer.step(&mut w, &g).unwrap();
            for (name, w) in &mut expected {
                let (g, kept) = (g[name].mapv(F::into_f64), kept.get_mut(name).unwrap());
                soap(case, step - 1, w, &g, kept, rate(step));
            }
        }
        let off = worst(&w, &expected);
        assert!(off < tolerance, "case {at}: {off:.1e} off");
    }
}

#[test]
fn soap_agrees_with_a_literal_transcription() {
    soap_agrees::<f64>(1e-10, 20);
    soap_agrees::<f32>(2e-3, 12);
}

#[test]
fn without_bases_soap_is_adam_from_its_second_step_on() {
    let (mut soap, mut w) = (Soap::new(rate).longest(0).beta1(0.9), model::<f64>(1));
    soap.step(&mut w, &model(2)).unwrap();
    // ε beside the root as it is.
    let mut adam = Adam::keras(|step| rate(step + 1)).epsilon(1e-8).beta1(0.9).beta2(0.95);
    let mut expected = w.clone();
    for seed in 3..12 {
        soap.step(&mut w, &model(seed)).unwrap();
        adam.step(&mut expected, &model(seed)).unwrap();
    }
    for (name, w) in &w {
        for (a, b) in w.iter().zip(&expected[name]) {
            assert!((a - b).abs() < 1e-14, "{name}: {a} {b}");
        }
    }
}

#[test]
fn bases_stay_orthonormal() {
    for every in [1, 3] {
        let (mut soap, mut w) = (Soap::<f32>::new(0.01).every(every), model::<f32>(1));
        for seed in 2..60 {
            soap.step(&mut w, &model::<f32>(seed)).unwrap();
        }
        for (leaf, slot) in [("square", "basis0"), ("tall", "basis0"), ("wide", "basis1")] {
            let q = soap.slot(leaf, slot).unwrap();
            let n = q.shape[0];
            let q = Array2::from_shape_vec((n, n), q.values.clone()).unwrap().mapv(f64::from);
            let unit = q.t().dot(&q);
            for ((i, j), x) in unit.indexed_iter() {
                assert!((x - f64::from(u8::from(i == j))).abs() < 1e-5, "{leaf} {slot}: {x}");
            }
        }
    }
}

#[test]
fn a_step_of_the_paper_is_the_same_in_a_rotated_space() {
    // Shampoo does not know the basis: U(g)V = (UgV) for orthogonal U and V.
    let rotation =
        |n: usize, seed| orthonormal(&array::<f64>(&[n, n], seed).into_dimensionality().unwrap());
    let (u, v) = (rotation(6, 1), rotation(5, 2));
    let two = |x: ArrayD<f64>| -> Array2<f64> { x.into_dimensionality().unwrap() };
    let (mut w, mut turned) = (Array2::zeros((6, 5)), Array2::zeros((6, 5)));
    let (mut one, mut other) = (Shampoo::paper(0.1), Shampoo::paper(0.1));
    for seed in 3..9 {
        let g = two(array(&[6, 5], seed));
        one.step(&mut w, &g).unwrap();
        other.step(&mut turned, &u.dot(&g).dot(&v)).unwrap();
    }
    let off = (u.dot(&w).dot(&v) - turned).iter().fold(0.0_f64, |worst, off| worst.max(off.abs()));
    assert!(off < 1e-11, "{off:e}");
}
