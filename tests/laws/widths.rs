//! The bits do not depend on the instruction set, nor on the number of threads.

use ndarray::{Array1, ArrayD, s};
use thalweg::{NonFinite, Optimizer, Scalar, Settings, Simd, StepInfo, catalog};

use super::support::*;

/// Parameters and reports of some steps on one model.
type Trace<F> = Vec<(Vec<F>, StepInfo)>;

fn trace<F: Scalar>(
    mut optimizer: Box<dyn Optimizer<F>>,
    steps: usize,
    step: impl Fn(&mut dyn Optimizer<F>, u64) -> (Vec<F>, StepInfo),
) -> Trace<F> {
    (0..steps).map(|i| step(&mut *optimizer, i as u64)).collect()
}

#[track_caller]
fn assert_same_trace<F: Scalar>(found: &Trace<F>, expected: &Trace<F>, what: impl std::fmt::Debug) {
    assert_eq!(found.len(), expected.len());
    for (step, ((w, info), (expected_w, expected_info))) in found.iter().zip(expected).enumerate() {
        let what = (&what, step);
        assert_same_slices(w, expected_w, what);
        let norm = |info: &StepInfo| info.grad_norm.map(bits);
        assert_eq!(norm(info), norm(expected_info), "{what:?}: grad_norm");
        assert_eq!(info, expected_info, "{what:?}");
    }
}

/// One flat leaf of `n` elements.
fn flat<F: Scalar>(optimizer: Box<dyn Optimizer<F>>, n: usize) -> Trace<F> {
    let w = std::cell::RefCell::new(Array1::from_vec(numbers::<F>(n, 1)));
    trace(optimizer, 3, |optimizer, i| {
        let mut w = w.borrow_mut();
        let info =
            optimizer.step_with_loss(&mut *w, &Array1::from_vec(numbers(n, 10 + i)), LOSS).unwrap();
        (w.to_vec(), info)
    })
}

/// Many leaves: flat, of one element, empty, strided, transposed, with a gradient in another order.
fn mixed<F: Scalar>(optimizer: Box<dyn Optimizer<F>>, n: usize) -> Trace<F> {
    let small: Vec<ArrayD<F>> = (0..9).map(|i| array(&[i * 7 % 33], i as u64)).collect();
    let grid = array::<F>(&[n / 8, 9], 2).into_dimensionality::<ndarray::Ix2>().unwrap();
    let wide = array::<F>(&[4, n / 4, 3], 3).into_dimensionality::<ndarray::Ix3>().unwrap();
    let state = std::cell::RefCell::new((small, grid, wide));
    trace(optimizer, 3, |optimizer, i| {
        let (small, grid, wide) = &mut *state.borrow_mut();
        let info = {
            let many: Vec<ArrayD<F>> =
                small.iter().map(|w| array(w.shape(), 20 + i + w.len() as u64)).collect();
            let turned = array::<F>(&[9, n / 8], 30 + i);
            let padded = array::<F>(&[4, n / 4, 4], 40 + i);
            let mut w = (&mut *small, &mut *grid, wide.slice_mut(s![.., .., ..;2]));
            let g = (many, turned.t(), padded.slice(s![.., .., 1..3]));
            optimizer.step_with_loss(&mut w, &g, LOSS).unwrap()
        };
        (elements(&(&*small, &*grid, &*wide)), info)
    })
}

fn variants() -> [Settings; 9] {
    let full = [Settings::default(), penalized(), clipped(), everything(), coupled()];
    let [a, b, c, d, e] = full;
    [a, b, c, d, e, compact(), compact_and_coupled(), compact8(), compact8_and_coupled()]
}

const LENGTHS: [usize; 21] =
    [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 1000, 1023, 1024, 1025, 3001];

fn every_instruction_set_gives_the_same_bits<F: Scalar>() {
    assert!(Simd::available().len() > 1, "nothing to compare on this machine");
    for entry in catalog::<F>() {
        for settings in variants() {
            let with = |simd| {
                let mut settings = settings.clone();
                settings.simd = simd;
                entry.build(RATE, settings)
            };
            for n in LENGTHS {
                let expected = flat(with(Simd::BASELINE), n);
                for simd in Simd::available() {
                    assert_same_trace(&flat(with(simd), n), &expected, (entry.name, n, simd));
                }
            }
            let expected = mixed(with(Simd::BASELINE), 400);
            for simd in Simd::available() {
                assert_same_trace(&mixed(with(simd), 400), &expected, (entry.name, simd));
            }
        }
    }
}

/// Denormal and huge numbers, zeros of both signs, infinities that the update makes itself.
fn so_it_does_at_the_edges_of_the_range<F: Scalar>() {
    let edges = [
        F::zero(),
        F::neg_zero(),
        F::min_positive_value(),
        F::min_positive_value() / F::from_f64(64.0),
        F::epsilon(),
        F::one(),
        F::max_value().sqrt(),
        F::max_value(),
    ];
    let n = 8 * 8 * 2 + 5;
    let of = |shift: usize| {
        let value = |i: usize| edges[(i / 8 + shift * i + shift) % 8];
        Array1::from_iter((0..n).map(|i| if i % 3 == 0 { -value(i) } else { value(i) }))
    };
    for entry in catalog::<F>() {
        for settings in variants() {
            let run = |simd: Simd| {
                let mut settings = settings.clone();
                settings.simd = simd;
                settings.non_finite = NonFinite::Propagate;
                let w = std::cell::RefCell::new(of(0));
                trace(entry.build(RATE, settings), 4, |optimizer, i| {
                    let mut w = w.borrow_mut();
                    let info =
                        optimizer.step_with_loss(&mut *w, &of(i as usize + 1), LOSS).unwrap();
                    (w.to_vec(), info)
                })
            };
            let expected = run(Simd::BASELINE);
            for simd in Simd::available() {
                assert_same_trace(&run(simd), &expected, (entry.name, simd));
            }
        }
    }
}

/// Without the feature `rayon` the setting does nothing, and may be anything as well.
fn work_may_be_split_as_finely_as_one_likes<F: Scalar>() {
    for entry in catalog::<F>() {
        let expected =
            (flat(entry.build(RATE, clipped()), 300), mixed(entry.build(RATE, clipped()), 80));
        for elements in [0, 1, 2, 10, 62, 63, 64, 65, 100] {
            let optimizer = || {
                let mut settings = clipped();
                settings.parallel_above = elements;
                entry.build(RATE, settings)
            };
            assert_same_trace(&flat(optimizer(), 300), &expected.0, (entry.name, elements));
            assert_same_trace(&mixed(optimizer(), 80), &expected.1, (entry.name, elements));
        }
    }
}

#[test]
fn parallel_above_may_be_any_number() {
    in_its_own_process("widths::parallel_above_may_be_any_number", || {
        work_may_be_split_as_finely_as_one_likes::<f32>();
        work_may_be_split_as_finely_as_one_likes::<f64>();
    });
}

#[cfg(feature = "rayon")]
fn every_number_of_threads_gives_the_same_bits<F: Scalar>() {
    let pools: Vec<_> =
        (1..=4).map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap()).collect();
    for entry in catalog::<F>() {
        for settings in variants() {
            let (one_thread, mut split) = (settings.clone(), settings);
            let alone = || entry.build(RATE, one_thread.clone());
            let expected = (flat(alone(), 5000), flat(alone(), 101), mixed(alone(), 2000));
            for parallel_above in [100, 1000] {
                split.parallel_above = parallel_above;
                let shared = || entry.build(RATE, split.clone());
                for pool in &pools {
                    let what = (entry.name, parallel_above, pool.current_num_threads());
                    let found = pool.install(|| {
                        (flat(shared(), 5000), flat(shared(), 101), mixed(shared(), 2000))
                    });
                    assert_same_trace(&found.0, &expected.0, what);
                    assert_same_trace(&found.1, &expected.1, what);
                    assert_same_trace(&found.2, &expected.2, what);
                }
            }
        }
    }
}

/// Rounding differs in one sum of a few only: many gradients tell.
#[cfg(feature = "rayon")]
fn every_number_of_threads_gives_the_same_norm<F: Scalar>() {
    let sgd = &catalog::<F>()[0];
    let norms = |simd, parallel_above| -> Vec<u64> {
        let of = |seed| {
            let n = 1500 + 377 * seed as usize;
            let mut optimizer = sgd.build(
                RATE,
                settings(|s| {
                    (s.report_norm, s.simd, s.parallel_above) = (true, simd, parallel_above);
                }),
            );
            let (mut w, g) = (array::<F>(&[n], 1), array::<F>(&[n], seed));
            let (mut v, h) = (array::<F>(&[n / 7, 5], 1), array::<F>(&[5, n / 7], seed));
            let info = optimizer.step_with_loss(&mut (&mut w, &mut v), &(&g, h.t()), LOSS).unwrap();
            bits(info.grad_norm.unwrap())
        };
        (0..40).map(of).collect()
    };
    let expected = norms(Simd::BASELINE, usize::MAX);
    for threads in 1..=4 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for simd in Simd::available() {
            for parallel_above in [100, 1000, 5000] {
                let found = pool.install(|| norms(simd, parallel_above));
                assert_eq!(found, expected, "{threads} threads, {simd:?}, {parallel_above}");
            }
        }
    }
}

#[cfg(feature = "rayon")]
fn threads_split_a_leaf_above_the_default_size<F: Scalar>() {
    let n = 2 * Settings::default().parallel_above + 77;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for entry in catalog::<F>() {
        let alone =
            entry.build(RATE, settings(|s| (s.clip_norm, s.parallel_above) = (Some(0.7), n)));
        let shared = entry.build(RATE, settings(|s| s.clip_norm = Some(0.7)));
        assert_same_trace(&pool.install(|| flat(shared, n)), &flat(alone, n), entry.name);
    }
}

/// The guard too is split, and must find the one bad element wherever it lies.
#[cfg(feature = "rayon")]
fn threads_find_the_first_bad_gradient<F: Scalar>() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let mut optimizer = catalog::<F>()[0].build(RATE, settings(|s| s.parallel_above = 100));
    for at in [0, 1, 499, 500, 1023, 2046] {
        let mut w = ndarray::Array2::<F>::zeros((23, 89));
        let mut g = w.clone();
        g[[at / 89, at % 89]] = F::nan();
        g[[22, 88]] = F::infinity();
        let error = pool.install(|| optimizer.step_with_loss(&mut w, &g, LOSS)).unwrap_err();
        let thalweg::ErrorKind::NonFiniteGradient { index, .. } = error.kind() else {
            panic!("{error}")
        };
        assert_eq!(index, &[at / 89, at % 89]);
        assert!(w.iter().all(|&w| w == F::zero()));
    }
}

for_both_scalars!(every_instruction_set_gives_the_same_bits, so_it_does_at_the_edges_of_the_range);

#[cfg(feature = "rayon")]
for_both_scalars!(
    every_number_of_threads_gives_the_same_bits,
    every_number_of_threads_gives_the_same_norm,
    threads_split_a_leaf_above_the_default_size,
    threads_find_the_first_bad_gradient,
);
