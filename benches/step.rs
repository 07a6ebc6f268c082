//! A step of every rule of the catalog, for watching a change: `cargo bench --bench step`.
//!
//! The figures of the README are ratios, which `--bench figures` measures.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array1;
use thalweg::{Optimizer, Scalar, Settings, catalog};

fn steps<F: Scalar>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("step/{}", F::NAME));
    for n in [10_000, 1_000_000] {
        group.throughput(Throughput::Elements(n as u64));
        for entry in catalog::<F>() {
            let mut w = Array1::from_elem(n, F::one());
            let g = Array1::from_shape_fn(n, |i| F::from_f64((i % 17) as f64 * 0.1 - 0.8));
            let mut optimizer = entry.build(entry.learning_rate, Settings::default());
            group.bench_function(BenchmarkId::new(entry.name, n), |b| {
                b.iter(|| {
                    let stepped = optimizer.step_with_loss(&mut w, &g, 1.0);
                    stepped.expect("finite gradients of one shape")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, steps::<f32>, steps::<f64>);
criterion_main!(benches);
