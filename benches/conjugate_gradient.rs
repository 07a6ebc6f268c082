//! Conjugate gradient's own time on Extended Rosenbrock with a million parameters, outside the
//! objective, against the memory traffic of its vector operations.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ndarray::Array1;
use thalweg::Error;
use thalweg::solvers::{ConjugateGradient, FlatMut, Objective, Stop, minimize};

const N: usize = 1_000_000;

/// The objective, and the time spent in it.
struct Rosenbrock(Duration);

impl Objective<f64, Array1<f64>> for Rosenbrock {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        let begun = Instant::now();
        let mut sum = 0.0;
        let pairs = w.as_slice().expect("contiguous").as_chunks::<2>().0;
        for (w, g) in pairs.iter().zip(gradient.as_mut_slice().as_chunks_mut::<2>().0) {
            let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
            *g = [-2.0 * a - 400.0 * w[0] * b, 200.0 * b];
            sum += a * a + 100.0 * b * b;
        }
        self.0 += begun.elapsed();
        Ok(sum)
    }
}

/// Bytes a second of a = b + s·c over vectors as long as the solver's: the best of several.
fn bandwidth() -> f64 {
    let (b, c) = (vec![1.0_f64; N], vec![2.0_f64; N]);
    let mut a = vec![0.0_f64; N];
    let best = (0..20)
        .map(|_| {
            let begun = Instant::now();
            for i in 0..N {
                a[i] = b[i] + 3.0 * c[i];
            }
            black_box(&mut a);
            begun.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    24.0 * N as f64 / best
}

fn main() {
    let bandwidth = bandwidth();
    println!("triad: {:.1} GB/s", bandwidth * 1e-9);
    for _ in 0..5 {
        let mut w = Array1::from_shape_fn(N, |i| if i % 2 == 0 { -1.2 } else { 1.0 });
        let mut objective = Rosenbrock(Duration::ZERO);
        let mut solver = ConjugateGradient::new();
        // The first iteration takes its memory from the system.
        let mut first = None;
        let begun = Instant::now();
        let stop = Stop::default().callback(|progress| {
            if progress.iteration == 1 {
                first = Some((begun.elapsed(), progress.evaluations.gradients));
            }
            std::ops::ControlFlow::Continue(())
        });
        let report = minimize(&mut solver, &mut w, &mut objective, stop).expect("a minimum");
        let (until_first, trials_first) = first.expect("an iteration");
        let share = 1.0 - trials_first as f64 / report.evaluations.gradients as f64;
        let own = (begun.elapsed() - until_first).as_secs_f64() - share * objective.0.as_secs_f64();
        // A trial: x + αρ (24), its copy into the parameters (16), gᵀρ and max|g| (16). An
        // iteration: gᵀg and gᵀg₋ (16), ρ = βρ - g (24).
        let trials = (report.evaluations.gradients - trials_first) as f64;
        let iterations = (report.iterations - 1) as f64;
        let traffic = (56.0 * trials + 40.0 * iterations) * N as f64;
        println!(
            "{} iterations, {} evaluations: own time {:.3} s, of its traffic {:.3} s, ratio {:.2}",
            report.iterations,
            report.evaluations.gradients,
            own,
            traffic / bandwidth,
            own * bandwidth / traffic
        );
    }
}
