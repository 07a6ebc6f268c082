//! What Lanczos's method costs beside its products: `cargo bench --bench curvature`.
//!
//! A basis of k = 40 vectors of n = 1e6 numbers is built by 40 products. Full re-orthogonalization
//! reads each vector of the basis twice a step, for the projection and for the subtraction: that is
//! k(k + 1) = 1640 vectors of 8 MB. That traffic is timed as a plain stream over memory in the same run.
//! With `--features rayon`, one thread and two are compared, bit by bit.

use std::time::Instant;

use ndarray::Array1;
use pulp::{Arch, Simd, WithSimd};
use thalweg::curvature::{GradientFlow, Lanczos, LinearOperator, Spectrum};
use thalweg::{Adam, Error, Optimizer};

const N: usize = 1_000_000;
const K: usize = 40;
const LIMIT: f64 = 1.5;

/// A diagonal matrix that measures the time of its own products.
struct Timed {
    diagonal: Vec<f64>,
    seconds: f64,
}

impl LinearOperator<f64> for Timed {
    fn dim(&self) -> usize {
        self.diagonal.len()
    }

    fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
        let start = Instant::now();
        y.iter_mut().zip(x).zip(&self.diagonal).for_each(|((y, x), d)| *y = d * x);
        self.seconds += start.elapsed().as_secs_f64();
        Ok(())
    }
}

/// Seconds outside the products, and what was found.
fn outside(operator: &mut Timed) -> (f64, Spectrum<f64>) {
    operator.seconds = 0.0;
    let start = Instant::now();
    let lanczos = Lanczos::ends(1, 1).basis(K).max_products(K).tolerance(0.0);
    let found = lanczos.run(operator).expect("a diagonal matrix is symmetric");
    (start.elapsed().as_secs_f64() - operator.seconds, found)
}

struct Sum<'a>(&'a [f64]);

impl WithSimd for Sum<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut lanes = [0.0; 32];
        for chunk in self.0.as_chunks::<32>().0 {
            for i in 0..32 {
                lanes[i] += chunk[i];
            }
        }
        lanes.iter().sum()
    }
}

/// Seconds to read as many vectors as the re-orthogonalization does.
fn stream(basis: &[Vec<f64>]) -> f64 {
    let start = Instant::now();
    let mut sum = 0.0;
    for step in 1..=K {
        for _ in 0..2 {
            sum += basis[..step].iter().map(|q| Arch::new().dispatch(Sum(q))).sum::<f64>();
        }
    }
    std::hint::black_box(sum);
    start.elapsed().as_secs_f64()
}

#[cfg(feature = "rayon")]
fn threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut operator = operator();
        pool.install(|| {
            let best = (0..5).map(|_| outside(&mut operator)).min_by(|a, b| a.0.total_cmp(&b.0));
            best.expect("five runs")
        })
    };
    let (one, two) = (run(1), run(2));
    let same = one.1 == two.1;
    println!(
        "| two threads, one | {:.3} s | {:.3} s | {:.2} | | same bits: {same}",
        two.0,
        one.0,
        two.0 / one.0
    );
    assert!(same);
}

fn operator() -> Timed {
    let diagonal = (0..N).map(|i| ((i * 7919) % N) as f64 / N as f64).collect();
    Timed { diagonal, seconds: 0.0 }
}

/// An observation of gradients, beside a step of Adam.
fn flow() {
    let mut w = Array1::from_elem(N, 1.0_f32);
    let g = Array1::from_shape_fn(N, |i| (i % 1000) as f32 * 1e-3 - 0.5);
    let (mut adam, mut watch) = (Adam::new(1e-3), GradientFlow::new());
    let (mut step, mut observation) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..100 {
        let start = Instant::now();
        adam.step(&mut w, &g).expect("one shape");
        step = step.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        watch.observe(&w, &g).expect("one shape");
        observation = observation.min(start.elapsed().as_secs_f64());
    }
    println!(
        "| gradient flow, a step of Adam (f32) | {:.3} ms | {:.3} ms | {:.2} | |",
        1e3 * observation,
        1e3 * step,
        observation / step
    );
}

fn main() {
    println!("| what | ours | other | ratio | limit |\n|---|---|---|---|---|");
    let mut operator = operator();
    let basis: Vec<Vec<f64>> = (0..K).map(|i| vec![i as f64; N]).collect();
    let (mut ours, mut other) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        ours = ours.min(outside(&mut operator).0);
        other = other.min(stream(&basis));
    }
    let verdict = if ours <= LIMIT * other { "" } else { " **above**" };
    println!(
        "| Lanczos outside its products, a stream of the traffic | {ours:.3} s | {other:.3} s | {:.2} | {LIMIT}{verdict} |",
        ours / other
    );
    #[cfg(feature = "rayon")]
    threads();
    flow();
}
