//! Adafactor and SM3 against literal transcriptions, element by element.

use ndarray::{ArrayD, Dimension};
use thalweg::factored::Axes;
use thalweg::{Adafactor, Optimizer, Scalar, Sm3};

use super::support::{Model, model};

#[derive(Clone, Copy)]
struct Case {
    exponent: f64,
    /// Added to squares; or the least root.
    added: f64,
    least: f64,
    floor: f64,
    threshold: f64,
    momentum: f64,
    relative: bool,
    by_parameter: bool,
    axes: Axes,
    decay: f64,
}

/// Second moment of each element by name of the kept sums: `kept` is R and C, or V in the first.
#[derive(Clone, Default)]
struct Kept {
    r: Option<ArrayD<f64>>,
    c: Option<ArrayD<f64>>,
    m: Option<ArrayD<f64>>,
}

fn mean(x: &ArrayD<f64>, axis: usize) -> ArrayD<f64> {
    x.sum_axis(ndarray::Axis(axis)) / x.shape()[axis] as f64
}

fn adafactor(case: Case, t: u64, w: &mut ArrayD<f64>, g: &ArrayD<f64>, kept: &mut Kept, rate: f64) {
    let t = t as f64;
    let beta = 1.0 - t.powf(-case.exponent);
    let square = g.mapv(|g| g * g + case.added);
    let average = |kept: &mut Option<ArrayD<f64>>, new: ArrayD<f64>| {
        let old = kept.take().unwrap_or_else(|| ArrayD::zeros(new.shape()));
        *kept = Some(beta * old + (1.0 - beta) * new);
        kept.clone().unwrap()
    };
    let v = match case.axes.of(w.shape()) {
        None => average(&mut kept.r, square),
        Some([a, b]) => {
            let r = average(&mut kept.r, mean(&square, b));
            let c = average(&mut kept.c, mean(&square, a));
            let means = mean(&r, a);
            ArrayD::from_shape_fn(w.raw_dim(), |index| {
                let without = |axes: &[usize]| {
                    let kept = index.slice().iter().enumerate();
                    kept.filter(|(i, _)| !axes.contains(i)).map(|(_, &i)| i).collect::<Vec<_>>()
                };
                let m = means[&without(&[a, b])[..]].max(case.least);
                r[&without(&[b])[..]] * c[&without(&[a])[..]] / m
            })
        }
    };
    let mut u = g / &v.mapv(|v| v.sqrt().max(case.least));
    let rms = |x: &ArrayD<f64>| (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
    if case.threshold > 0.0 {
        u /= f64::max(1.0, rms(&u) / case.threshold);
    }
    let mut alpha = if case.relative { rate.min(1.0 / t.sqrt()) } else { rate };
    if case.by_parameter {
        alpha *= rms(w).max(case.floor);
    }
    u *= alpha;
    if case.momentum > 0.0 {
        let m = kept.m.take().unwrap_or_else(|| ArrayD::zeros(u.shape()));
        u = case.momentum * m + (1.0 - case.momentum) * u;
        kept.m = Some(u.clone());
    }
    *w = &*w - &(&*w * (rate * case.decay)) - u;
}

fn close<F: Scalar>(found: &Model<F>, expected: &Model<f64>, tolerance: f64) {
    for (name, expected) in expected {
        for (a, b) in found[name].iter().zip(expected) {
            let off = (a.into_f64() - b).abs();
            assert!(off <= tolerance, "{name}: {a} for {b}, {off:.1e} off");
        }
    }
}

/// The leaves as `f64`.
fn wide<F: Scalar>(model: &Model<F>) -> Model<f64> {
    model.iter().map(|(name, w)| (name.clone(), w.mapv(F::into_f64))).collect()
}

fn adafactor_agrees<F: Scalar>(tolerance: f64) {
    let torch = Case {
        exponent: 0.8,
        added: 0.0,
        least: F::epsilon().into_f64(),
        floor: 1e-3,
        threshold: 1.0,
        momentum: 0.0,
        relative: true,
        by_parameter: true,
        axes: Axes::LastTwo,
        decay: 0.0,
    };
    let optax = Case {
        added: 1e-30,
        least: 0.0,
        relative: false,
        axes: Axes::Largest { least: 128 },
        ..torch
    };
    let axes = |least| Axes::Largest { least };
    type Change<F> = fn(Adafactor<F>) -> Adafactor<F>;
    let cases: Vec<(Case, Adafactor<F>, Change<F>)> = vec![
        (torch, Adafactor::new(rate), |a| a),
        (Case { relative: false, ..torch }, Adafactor::new(rate), |a| a.relative_step(false)),
        (Case { exponent: 0.5, threshold: 0.3, decay: 0.2, ..torch }, Adafactor::new(rate), |a| {
            a.decay_exponent(0.5).clip_threshold(0.3).weight_decay(0.2)
        }),
        (Case { least: 0.3, floor: 2.0, momentum: 0.8, ..torch }, Adafactor::new(rate), |a| {
            a.epsilon(0.3).scale_floor(2.0).momentum(0.8)
        }),
        (optax, Adafactor::optax(rate), |a| a),
        (Case { axes: axes(2), ..optax }, Adafactor::optax(rate), |a| {
            a.axes(Axes::Largest { least: 2 })
        }),
        (
            Case { axes: axes(4), by_parameter: false, threshold: 0.0, momentum: 0.5, ..optax },
            Adafactor::optax(rate),
            |a| {
                let a = a.axes(Axes::Largest { least: 4 }).scale_by_parameter(false);
                a.clip_threshold(0.0).momentum(0.5)
            },
        ),
        (Case { relative: true, axes: Axes::LastTwo, ..optax }, Adafactor::paper(), |a| {
            a.schedule(rate)
        }),
        (Case { axes: Axes::None, added: 0.01, ..optax }, Adafactor::optax(rate), |a| {
            a.axes(Axes::None).epsilon(0.01)
        }),
    ];
    for (case, adafactor_of, change) in cases {
        let mut optimizer = change(adafactor_of);
        let (mut w, mut kept) = (model::<F>(1), std::collections::BTreeMap::new());
        let mut expected = wide(&w);
        for step in 1..=25 {
            let g = model::<F>(step + 1);
            optimizer.step(&mut w, &g).unwrap();
            for (name, w) in expected.iter_mut().filter(|(_, w)| !w.is_empty()) {
                let kept: &mut Kept = kept.entry(name.clone()).or_default();
                adafactor(case, step, w, &g[name].mapv(F::into_f64), kept, rate(step));
            }
        }
        close(&w, &expected, tolerance);
    }
}

fn rate(step: u64) -> f64 {
    0.1 * (1.0 + 0.5 * (step as f64).sin())
}

#[test]
fn adafactor_agrees_with_a_literal_transcription() {
    adafactor_agrees::<f64>(1e-12);
    adafactor_agrees::<f32>(2e-5);
}

fn sm3_agrees<F: Scalar>(tolerance: f64) {
    for (momentum, beta2, epsilon) in
        [(0.9, 1.0, 1e-30), (0.0, 1.0, 1e-8), (0.5, 0.9, 1e-30), (0.9, 0.5, 0.1)]
    {
        let mut optimizer = Sm3::new(rate).momentum(momentum).beta2(beta2).epsilon(epsilon);
        let (mut w, mut expected) = (model::<F>(1), wide(&model::<F>(1)));
        let zeros = |w: &ArrayD<f64>| ArrayD::<f64>::zeros(w.shape());
        let mut m: Model<f64> = expected.iter().map(|(n, w)| (n.clone(), zeros(w))).collect();
        // One number for each index of each axis.
        let mut covers = std::collections::BTreeMap::<(String, usize, usize), f64>::new();
        for step in 1..=20 {
            let mut g = model::<F>(step + 1);
            // A row that has seen nothing does not move.
            g.get_mut("tall").unwrap().row_mut_of(3).for_each(|g| *g = F::zero());
            optimizer.step(&mut w, &g).unwrap();
            for (name, w) in expected.iter_mut() {
                let mut next = std::collections::BTreeMap::new();
                for (index, &g) in g[name].indexed_iter() {
                    let key = |axis: usize| {
                        (name.clone(), axis, index.slice().get(axis).copied().unwrap_or(0))
                    };
                    let axes = 0..w.ndim().max(1);
                    let cover = axes.clone().map(|axis| covers.get(&key(axis)).copied());
                    let least = cover.map(Option::unwrap_or_default).fold(f64::INFINITY, f64::min);
                    let g = g.into_f64();
                    let share = if beta2 < 1.0 { 1.0 - beta2 } else { 1.0 };
                    let sum = beta2 * least + share * g * g;
                    let u = if sum > 0.0 { g / (sum + epsilon).sqrt() } else { 0.0 };
                    for axis in axes {
                        let largest = next.entry(key(axis)).or_insert(0.0_f64);
                        *largest = largest.max(sum);
                    }
                    let m = &mut m.get_mut(name).unwrap()[index.clone()];
                    *m = momentum * *m + (1.0 - momentum) * u;
                    w[index] -= rate(step) * *m;
                }
                covers.extend(next);
            }
        }
        close(&w, &expected, tolerance);
        let axis = optimizer.slot("tall", "axis0").unwrap();
        assert_eq!((axis.values.len(), axis.values[3]), (19, F::zero()));
    }
}

trait RowMut<F> {
    fn row_mut_of(&mut self, row: usize) -> ndarray::iter::IterMut<'_, F, ndarray::IxDyn>;
}

impl<F> RowMut<F> for ArrayD<F> {
    fn row_mut_of(&mut self, row: usize) -> ndarray::iter::IterMut<'_, F, ndarray::IxDyn> {
        self.index_axis_mut(ndarray::Axis(0), row).into_iter()
    }
}

#[test]
fn sm3_agrees_with_a_literal_transcription() {
    sm3_agrees::<f64>(1e-12);
    sm3_agrees::<f32>(2e-5);
}

#[test]
fn the_sums_of_sm3_cover_those_of_adagrad_and_are_the_same_for_a_vector() {
    let (mut sm3, mut w) = (Sm3::<f64>::new(0.1), model(1));
    let mut sums: Model<f64> =
        w.iter().map(|(n, w): (_, &ArrayD<f64>)| (n.clone(), w * 0.0)).collect();
    for step in 2..12 {
        let g = model(step);
        sm3.step(&mut w, &g).unwrap();
        sums.iter_mut().for_each(|(name, sum)| *sum = &*sum + &g[name] * &g[name]);
    }
    for (index, &sum) in sums["square"].indexed_iter() {
        let of =
            |axis: usize| sm3.slot("square", ["axis0", "axis1"][axis]).unwrap().values[index[axis]];
        assert!(sum <= of(0).min(of(1)) + 1e-12, "{index:?}");
    }
    let own = &sm3.slot("bias", "axis0").unwrap().values;
    assert!(own.iter().zip(&sums["bias"]).all(|(a, b)| (a - b).abs() < 1e-12));
}
