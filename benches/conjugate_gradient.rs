//! Conjugate gradient's own time on Extended Rosenbrock with a million parameters, outside the
//! objective, against the memory traffic of its vector operations.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ndarray::Array1;
use thalweg::Error;
use thalweg::solvers::{ConjugateGradient, FlatMut, Objective, Stop, minimize};

const N: usize = 1_000_000;

/// The time that this thread has run: what other processes take does not count, where Linux says.
fn now() -> Duration {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let begun = BEGUN.get_or_init(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = text.as_ref().and_then(|text| text.split(' ').next()?.parse().ok());
    first.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

/// The objective, and the time spent in it.
struct Rosenbrock(Duration);

impl Objective<f64, Array1<f64>> for Rosenbrock {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        let begun = now();
        let mut sum = 0.0;
        let pairs = w.as_slice().expect("contiguous").as_chunks::<2>().0;
        for (w, g) in pairs.iter().zip(gradient.as_mut_slice().as_chunks_mut::<2>().0) {
            let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
            *g = [-2.0 * a - 400.0 * w[0] * b, 200.0 * b];
            sum += a * a + 100.0 * b * b;
        }
        self.0 += now() - begun;
        Ok(sum)
    }
}

/// Bytes a second of a = b + s·c over vectors as long as the solver's, the mean of many: the memory
/// is shared with whatever else runs.
fn bandwidth() -> f64 {
    const TIMES: usize = 50;
    let (b, c) = (vec![1.0_f64; N], vec![2.0_f64; N]);
    let mut a = vec![0.5_f64; N];
    let begun = now();
    for _ in 0..TIMES {
        for i in 0..N {
            a[i] = b[i] + 3.0 * c[i];
        }
        black_box(&mut a);
    }
    (24 * N * TIMES) as f64 / (now() - begun).as_secs_f64()
}

fn main() {
    for _ in 0..5 {
        let mut w = Array1::from_shape_fn(N, |i| if i % 2 == 0 { -1.2 } else { 1.0 });
        let mut objective = Rosenbrock(Duration::ZERO);
        let mut solver = ConjugateGradient::new();
        // The first iteration takes its memory from the system.
        let mut first = None;
        let before = bandwidth();
        let begun = now();
        let stop = Stop::default().callback(|progress| {
            if progress.iteration == 1 {
                first = Some((now() - begun, progress.evaluations.gradients));
            }
            std::ops::ControlFlow::Continue(())
        });
        let report = minimize(&mut solver, &mut w, &mut objective, stop).expect("a minimum");
        let (until_first, trials_first) = first.expect("an iteration");
        let share = 1.0 - trials_first as f64 / report.evaluations.gradients as f64;
        let own = (now() - begun - until_first).as_secs_f64() - share * objective.0.as_secs_f64();
        let after = bandwidth();
        // A trial: x + αρ (24), its copy into the parameters (16), gᵀρ and max|g| (16). An
        // iteration: gᵀg and gᵀg₋ (16), ρ = βρ - g (24).
        let trials = (report.evaluations.gradients - trials_first) as f64;
        let iterations = (report.iterations - 1) as f64;
        let traffic = (56.0 * trials + 40.0 * iterations) * N as f64;
        let bandwidth = 0.5 * (before + after);
        println!(
            "{:.1} GB/s, {} iterations, {} evaluations: own time {:.3} s, of its traffic {:.3} s, ratio {:.2}",
            bandwidth * 1e-9,
            report.iterations,
            report.evaluations.gradients,
            own,
            traffic / bandwidth,
            own * bandwidth / traffic
        );
    }
}
