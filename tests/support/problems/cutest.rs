//! Twenty problems of the CUTEst collection, written from their formulas; no setting of a solver was chosen
//! by them.
//!
//! Gould, Orban & Toint, "CUTEst: a constrained and unconstrained testing environment with safe threads",
//! 2015, and the papers that it names; gradients are derivatives by dual numbers.

use std::f64::consts::PI;

use num_dual::{Dual, Dual64, DualNum};

use super::{Number, Problem, Sum};

/// A problem of a function that is generic over [`Number`], in the sum's value.
macro_rules! by_duals {
    ($name:expr, $function:path, $start:expr) => {{
        fn plain(x: &[f64], sum: &mut Sum<'_, f64>) {
            for j in 0..x.len() {
                let seeded = |(i, &x): (usize, &f64)| Dual64::new(x, f64::from(u8::from(i == j)));
                let x: Vec<Dual64> = x.iter().enumerate().map(seeded).collect();
                sum.gradient[j] = $function(&x).eps;
            }
            sum.value = $function(x);
        }
        fn dual(x: &[Dual64], sum: &mut Sum<'_, Dual64>) {
            for j in 0..x.len() {
                let one = |i: usize| Dual64::from(f64::from(u8::from(i == j)));
                let seeded = |(i, &x): (usize, &Dual64)| Dual::new(x, one(i));
                let x: Vec<Dual<Dual64>> = x.iter().enumerate().map(seeded).collect();
                sum.gradient[j] = $function(&x).eps;
            }
            sum.value = $function(x);
        }
        Problem { number: 0, name: $name, start: $start, minima: Vec::new(), plain, dual }
    }};
}

/// From the starts of the collection.
pub fn cutest() -> Vec<Problem> {
    let alike = |x: f64, n: usize| vec![x; n];
    let mut cragglvy = alike(2.0, 10);
    cragglvy[0] = 1.0;
    let signs = |j: usize| if j % 2 == 0 { 1.0 } else { -1.0 };
    vec![
        by_duals!("ARWHEAD", arwhead, alike(1.0, 20)),
        by_duals!("BDQRTIC", bdqrtic, alike(1.0, 20)),
        by_duals!("CHNROSNB", chnrosnb, alike(-1.0, 10)),
        by_duals!("CLIFF", cliff, vec![0.0, -1.0]),
        by_duals!("COSINE", cosine, alike(1.0, 20)),
        by_duals!("CRAGGLVY", cragglvy_sum, cragglvy),
        by_duals!("DIXMAANA", dixmaan::<0, _>, alike(2.0, 15)),
        by_duals!("DIXMAANI", dixmaan::<2, _>, alike(2.0, 15)),
        by_duals!("DQRTIC", dqrtic, alike(2.0, 20)),
        by_duals!("EDENSCH", edensch, alike(0.0, 20)),
        by_duals!("ENGVAL1", engval1, alike(2.0, 20)),
        by_duals!("ERRINROS", errinros, alike(-1.0, 10)),
        by_duals!("FLETCHCR", fletchcr, alike(0.0, 10)),
        by_duals!("GENROSE", genrose, (1..=10).map(|i| f64::from(i) / 11.0).collect()),
        by_duals!("HILBERTA", hilberta, alike(-3.0, 5)),
        by_duals!("LIARWHD", liarwhd, alike(4.0, 20)),
        by_duals!("NONDQUAR", nondquar, (0..20).map(signs).collect()),
        by_duals!("SCHMVETT", schmvett, alike(0.5, 10)),
        by_duals!("TOINTGSS", tointgss, alike(3.0, 10)),
        by_duals!("TRIDIA", tridia, alike(1.0, 20)),
    ]
}

fn sum<T: Number>(terms: impl Iterator<Item = T>) -> T {
    terms.fold(T::from(0.0), |sum, term| sum + term)
}

fn square<T: Number>(x: T) -> T {
    x * x
}

fn arwhead<T: Number>(x: &[T]) -> T {
    let n = x.len() - 1;
    sum((0..n).map(|i| square(square(x[i]) + square(x[n])) - x[i] * 4.0 + 3.0))
}

fn bdqrtic<T: Number>(x: &[T]) -> T {
    let n = x.len();
    sum((0..n - 4).map(|i| {
        let squares = square(x[i])
            + square(x[i + 1]) * 2.0
            + square(x[i + 2]) * 3.0
            + square(x[i + 3]) * 4.0
            + square(x[n - 1]) * 5.0;
        square(-x[i] * 4.0 + 3.0) + square(squares)
    }))
}

const ALPHA: [f64; 10] = [1.25, 1.4, 2.4, 1.4, 1.75, 1.2, 2.25, 1.2, 1.0, 1.1];

fn chnrosnb<T: Number>(x: &[T]) -> T {
    sum((1..x.len()).map(|i| {
        square(x[i - 1] - square(x[i])) * (16.0 * ALPHA[i] * ALPHA[i]) + square(x[i] - 1.0)
    }))
}

fn errinros<T: Number>(x: &[T]) -> T {
    sum((1..x.len()).map(|i| {
        square(x[i - 1] - square(x[i]) * (16.0 * ALPHA[i] * ALPHA[i])) + square(x[i] - 1.0)
    }))
}

fn cliff<T: Number>(x: &[T]) -> T {
    square((x[0] - 3.0) * 0.01) - x[0] + x[1] + ((x[0] - x[1]) * 20.0).exp()
}

fn cosine<T: Number>(x: &[T]) -> T {
    sum((0..x.len() - 1).map(|i| (square(x[i]) - x[i + 1] * 0.5).cos()))
}

fn cragglvy_sum<T: Number>(x: &[T]) -> T {
    sum((0..x.len() / 2 - 1).map(|k| {
        let [a, b, c, d] = [x[2 * k], x[2 * k + 1], x[2 * k + 2], x[2 * k + 3]];
        (a.exp() - b).powi(4)
            + (b - c).powi(6) * 100.0
            + (c - d).tan().powi(4)
            + a.powi(8)
            + square(d - 1.0)
    }))
}

/// DIXMAANA with powers 0 of i/n, DIXMAANI with 2.
fn dixmaan<const POWER: i32, T: Number>(x: &[T]) -> T {
    let (n, m) = (x.len(), x.len() / 3);
    let weight = |i: usize| ((i + 1) as f64 / n as f64).powi(POWER);
    let first = sum((0..n).map(|i| square(x[i]) * weight(i)));
    let third = sum((0..2 * m).map(|i| square(x[i]) * x[i + m].powi(4) * 0.125));
    let fourth = sum((0..m).map(|i| x[i] * x[i + 2 * m] * (0.125 * weight(i))));
    first + third + fourth + 1.0
}

fn dqrtic<T: Number>(x: &[T]) -> T {
    sum(x.iter().enumerate().map(|(i, &x)| (x - (i + 1) as f64).powi(4)))
}

fn edensch<T: Number>(x: &[T]) -> T {
    let term = |i: usize| {
        (x[i] - 2.0).powi(4) + square(x[i] * x[i + 1] - x[i + 1] * 2.0) + square(x[i + 1] + 1.0)
    };
    sum((0..x.len() - 1).map(term)) + 16.0
}

fn engval1<T: Number>(x: &[T]) -> T {
    let term = |i: usize| square(square(x[i]) + square(x[i + 1])) - x[i] * 4.0 + 3.0;
    sum((0..x.len() - 1).map(term))
}

fn fletchcr<T: Number>(x: &[T]) -> T {
    sum((0..x.len() - 1).map(|i| square(x[i + 1] - x[i] + 1.0 - square(x[i])) * 100.0))
}

fn genrose<T: Number>(x: &[T]) -> T {
    let term = |i: usize| square(x[i] - square(x[i - 1])) * 100.0 + square(x[i] - 1.0);
    sum((1..x.len()).map(term)) + 1.0
}

fn hilberta<T: Number>(x: &[T]) -> T {
    let row = |i: usize| sum((0..x.len()).map(|j| x[j] / (i + j + 1) as f64)) * x[i];
    sum((0..x.len()).map(row))
}

fn liarwhd<T: Number>(x: &[T]) -> T {
    sum(x.iter().map(|&xi| square(square(xi) - x[0]) * 4.0 + square(xi - 1.0)))
}

fn nondquar<T: Number>(x: &[T]) -> T {
    let n = x.len();
    let quartics = sum((0..n - 2).map(|i| (x[i] + x[i + 1] + x[n - 1]).powi(4)));
    square(x[0] - x[1]) + quartics + square(x[n - 2] + x[n - 1])
}

fn schmvett<T: Number>(x: &[T]) -> T {
    sum((0..x.len() - 2).map(|i| {
        let [a, b, c] = [x[i], x[i + 1], x[i + 2]];
        -(square(a - b) + 1.0).recip()
            - ((b * PI + c) * 0.5).sin()
            - (-square((a + c) / b - 2.0)).exp()
    }))
}

fn tointgss<T: Number>(x: &[T]) -> T {
    let part = 10.0 / x.len() as f64;
    sum((0..x.len() - 2).map(|i| {
        let c = square(x[i + 2]);
        (c + part) * (-(-square(x[i] - x[i + 1]) / (c + 0.1)).exp() + 2.0)
    }))
}

fn tridia<T: Number>(x: &[T]) -> T {
    let term = |i: usize| square(x[i] * 2.0 - x[i - 1]) * (i + 1) as f64;
    square(x[0] - 1.0) + sum((1..x.len()).map(term))
}
