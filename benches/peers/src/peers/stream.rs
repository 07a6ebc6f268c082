//! What the memory allows: the traffic of a step with hardly any arithmetic.

use pulp::{Arch, Simd, WithSimd};
use thalweg::Scalar;

use super::{Stepper, by_precision, gradient};
use crate::work::{Rule, Work};

struct Stream<F> {
    norm: bool,
    threads: usize,
    w: Vec<F>,
    g: Vec<F>,
    /// Empty where the rule has fewer.
    slots: [Vec<F>; 3],
}

pub fn enter(work: Work) -> Box<dyn Stepper> {
    by_precision!(made(work))
}

fn made<F: Scalar>(work: Work) -> Box<dyn Stepper> {
    let slot = |i: usize| vec![F::one(); if i < work.rule.slots() { work.n } else { 0 }];
    Box::new(Stream {
        norm: work.rule == Rule::ClipAdamwEma,
        threads: work.threads,
        w: vec![F::one(); work.n],
        g: gradient(work.n),
        slots: [slot(0), slot(1), slot(2)],
    })
}

impl<F: Scalar> Stepper for Stream<F> {
    fn step(&mut self) {
        if self.norm {
            std::hint::black_box(sum_of_squares(self.threads, &self.g));
        }
        let [a, b, c] = &mut self.slots;
        sweep(self.threads, &self.g, Written { w: &mut self.w, a, b, c });
    }

    fn sample(&mut self) -> Vec<f64> {
        Vec::new()
    }
}

struct Written<'a, F> {
    w: &'a mut [F],
    a: &'a mut [F],
    b: &'a mut [F],
    c: &'a mut [F],
}

impl<F> Written<'_, F> {
    fn split_at(self, mid: usize) -> (Self, Self) {
        let at = |slot: &[F]| mid.min(slot.len());
        let (w, w1) = self.w.split_at_mut(mid);
        let (a, a1) = {
            let at = at(self.a);
            self.a.split_at_mut(at)
        };
        let (b, b1) = {
            let at = at(self.b);
            self.b.split_at_mut(at)
        };
        let (c, c1) = {
            let at = at(self.c);
            self.c.split_at_mut(at)
        };
        (Self { w, a, b, c }, Self { w: w1, a: a1, b: b1, c: c1 })
    }
}

/// Adds the gradient to everything, each thread a part of equal length.
fn sweep<F: Scalar>(threads: usize, g: &[F], written: Written<'_, F>) {
    if threads <= 1 {
        return Arch::new().dispatch(Sweep { g, written });
    }
    let left = threads / 2;
    let mid = g.len() * left / threads;
    let (first, second) = written.split_at(mid);
    rayon::join(|| sweep(left, &g[..mid], first), || sweep(threads - left, &g[mid..], second));
}

struct Sweep<'a, F> {
    g: &'a [F],
    written: Written<'a, F>,
}

impl<F: Scalar> WithSimd for Sweep<'_, F> {
    type Output = ();

    // One loop for each number of slots: the compiler vectorizes a loop over slices that it sees
    // one by one.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (g, n) = (self.g, self.g.len());
        let Written { w, a, b, c } = self.written;
        let w = &mut w[..n];
        if b.is_empty() {
            let a = &mut a[..n];
            for i in 0..n {
                w[i] = w[i] + g[i];
                a[i] = a[i] + g[i];
            }
        } else if c.is_empty() {
            let (a, b) = (&mut a[..n], &mut b[..n]);
            for i in 0..n {
                w[i] = w[i] + g[i];
                a[i] = a[i] + g[i];
                b[i] = b[i] + g[i];
            }
        } else {
            let (a, b, c) = (&mut a[..n], &mut b[..n], &mut c[..n]);
            for i in 0..n {
                w[i] = w[i] + g[i];
                a[i] = a[i] + g[i];
                b[i] = b[i] + g[i];
                c[i] = c[i] + g[i];
            }
        }
    }
}

fn sum_of_squares<F: Scalar>(threads: usize, g: &[F]) -> F {
    if threads <= 1 {
        return Arch::new().dispatch(SumOfSquares(g));
    }
    let left = threads / 2;
    let (first, second) = g.split_at(g.len() * left / threads);
    let (first, second) =
        rayon::join(|| sum_of_squares(left, first), || sum_of_squares(threads - left, second));
    first + second
}

struct SumOfSquares<'a, F>(&'a [F]);

impl<F: Scalar> WithSimd for SumOfSquares<'_, F> {
    type Output = F;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> F {
        const LANES: usize = 16;
        // Four places at once: a single one does not fill the memory bus.
        let quarter = self.0.len() / 4 / LANES * LANES;
        let mut sums = [[F::zero(); LANES]; 4];
        for at in (0..quarter).step_by(LANES) {
            for (part, sums) in sums.iter_mut().enumerate() {
                let x = &self.0[part * quarter + at..][..LANES];
                for lane in 0..LANES {
                    sums[lane] = sums[lane] + x[lane] * x[lane];
                }
            }
        }
        sums.iter().flatten().fold(F::zero(), |sum, &x| sum + x)
    }
}
