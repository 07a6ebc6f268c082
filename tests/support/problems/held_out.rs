//! Problems of the CUTEst collection by which no setting of a solver was chosen: what a solver is worth on
//! functions that it was not made for is told by these alone. Let it stay so.
//!
//! Formulas and starts: Bongartz, Conn, Gould & Toint, "CUTE", 1995; gradients are derivatives by dual numbers.

use super::cutest::{square, sum};
use super::{Number, Problem, by_duals};

/// All of them.
pub fn held_out() -> Vec<Problem> {
    let alike = |x: f64, n: usize| vec![x; n];
    let first = |first: &[f64], n: usize| {
        let mut all = vec![0.0; n];
        all[..first.len()].copy_from_slice(first);
        all
    };
    vec![
        by_duals!("BRKMCC", brkmcc, alike(2.0, 2)),
        by_duals!("BROYDN7D", broydn7d, alike(-1.0, 20)),
        by_duals!("CUBE", cube, vec![-1.2, 1.0]),
        by_duals!("DENSCHNA", denschna, alike(1.0, 2)),
        by_duals!("DENSCHNB", denschnb, alike(1.0, 2)),
        by_duals!("DENSCHNC", denschnc, vec![2.0, 3.0]),
        by_duals!("DENSCHND", denschnd, alike(10.0, 3)),
        by_duals!("DENSCHNE", denschne, vec![2.0, 3.0, -8.0]),
        by_duals!("DENSCHNF", denschnf, vec![2.0, 0.0]),
        by_duals!("DIXMAANB", dixmaanb, alike(2.0, 18)),
        by_duals!("DIXON3DQ", dixon3dq, alike(-1.0, 20)),
        by_duals!("DQDRTIC", dqdrtic, alike(3.0, 20)),
        by_duals!("EG2", eg2, alike(0.0, 20)),
        by_duals!("ENGVAL2", engval2, vec![1.0, 2.0, 0.0]),
        by_duals!("EXTROSNB", extrosnb, alike(-1.0, 10)),
        by_duals!("FREUROTH", freuroth, first(&[0.5, -2.0], 20)),
        by_duals!("HILBERTB", hilbertb, alike(-3.0, 10)),
        by_duals!("HIMMELBG", himmelbg, alike(0.5, 2)),
        by_duals!("HIMMELBH", himmelbh, vec![0.0, 2.0]),
        by_duals!("MARATOSB", maratosb, vec![1.1, 0.1]),
        by_duals!("NONDIA", nondia, alike(-1.0, 20)),
        by_duals!("SINEVAL", sineval, vec![4.712389, -1.0]),
        by_duals!("SISSER", sisser, vec![1.0, 0.1]),
        by_duals!("TQUARTIC", tquartic, alike(0.1, 20)),
    ]
}

fn brkmcc<T: Number>(x: &[T]) -> T {
    let [a, b] = [x[0], x[1]];
    let wall = (-a * a * 0.25 - b * b + 1.0).recip() / 25.0;
    square(a - 2.0) + square(b - 1.0) + wall + square(a - b * 2.0 + 1.0) * 5.0
}

fn broydn7d<T: Number>(x: &[T]) -> T {
    let n = x.len();
    let at = |i: usize| if (1..=n).contains(&i) { x[i - 1] } else { T::from(0.0) };
    let power = |x: T| x.abs().powf(7.0 / 3.0);
    let near = |i| power((-at(i) * 2.0 + 3.0) * at(i) - at(i - 1) - at(i + 1) + 1.0);
    sum((1..=n).map(near)) + sum((1..=n / 2).map(|i| power(at(i) + at(i + n / 2))))
}

fn cube<T: Number>(x: &[T]) -> T {
    square(x[0] - 1.0) + square(x[1] - x[0].powi(3)) * 100.0
}

fn denschna<T: Number>(x: &[T]) -> T {
    x[0].powi(4) + square(x[0] + x[1]) + square(x[1].exp() - 1.0)
}

fn denschnb<T: Number>(x: &[T]) -> T {
    square(x[0] - 2.0) + square((x[0] - 2.0) * x[1]) + square(x[1] + 1.0)
}

fn denschnc<T: Number>(x: &[T]) -> T {
    let [a, b] = [x[0], x[1]];
    square(a * a + b * b - 2.0) + square((a - 1.0).exp() + b.powi(3) - 2.0)
}

fn denschnd<T: Number>(x: &[T]) -> T {
    let [a, b, c] = [x[0], x[1], x[2]];
    square(a * a + b.powi(3) - c.powi(4))
        + square(a * b * c * 2.0)
        + square(a * b * 2.0 - b * c * 3.0 + a * c)
}

fn denschne<T: Number>(x: &[T]) -> T {
    square(x[0]) + square(x[1] + x[1] * x[1]) + square(x[2].exp() - 1.0)
}

fn denschnf<T: Number>(x: &[T]) -> T {
    let [a, b] = [x[0], x[1]];
    square(square(a + b) * 2.0 + square(a - b) - 8.0) + square(a * a * 5.0 + square(b - 3.0) - 9.0)
}

fn dixmaanb<T: Number>(x: &[T]) -> T {
    let (n, m) = (x.len(), x.len() / 3);
    let neighbours = |i: usize| square(x[i]) * square(x[i + 1] + square(x[i + 1]));
    let fourths = |i: usize| square(x[i]) * x[i + m].powi(4);
    let ends = |i: usize| x[i] * x[i + 2 * m];
    sum(x.iter().map(|&x| x * x))
        + (sum((0..n - 1).map(neighbours)) + sum((0..2 * m).map(fourths)) + sum((0..m).map(ends)))
            * 0.0625
        + 1.0
}

fn dixon3dq<T: Number>(x: &[T]) -> T {
    let last = x.len() - 1;
    let inner = sum((1..last).map(|j| square(x[j] - x[j + 1])));
    square(x[0] - 1.0) + inner + square(x[last] - 1.0)
}

fn dqdrtic<T: Number>(x: &[T]) -> T {
    let term = |i: usize| square(x[i]) + (square(x[i + 1]) + square(x[i + 2])) * 100.0;
    sum((0..x.len() - 2).map(term))
}

fn eg2<T: Number>(x: &[T]) -> T {
    let last = x.len() - 1;
    sum((0..last).map(|i| (x[0] + square(x[i]) - 1.0).sin())) + square(x[last]).sin() * 0.5
}

fn engval2<T: Number>(x: &[T]) -> T {
    let [a, b, c] = [x[0], x[1], x[2]];
    square(a * a + b * b + c * c - 1.0)
        + square(a * a + b * b + square(c - 2.0) - 1.0)
        + square(a + b + c - 1.0)
        + square(a + b - c + 1.0)
        + square(b * b * 3.0 + a.powi(3) + square(c * 5.0 - a + 1.0) - 36.0)
}

fn extrosnb<T: Number>(x: &[T]) -> T {
    let term = |i: usize| square(x[i] - square(x[i - 1])) * 100.0;
    square(x[0] - 1.0) + sum((1..x.len()).map(term))
}

fn freuroth<T: Number>(x: &[T]) -> T {
    let term = |i: usize| {
        let [a, b] = [x[i], x[i + 1]];
        square(a + ((-b + 5.0) * b - 2.0) * b - 13.0)
            + square(a + ((b + 1.0) * b - 14.0) * b - 29.0)
    };
    sum((0..x.len() - 1).map(term))
}

fn hilbertb<T: Number>(x: &[T]) -> T {
    let row = |i: usize| {
        let others = sum((0..x.len()).map(|j| x[j] / (i + j + 1) as f64));
        (others + x[i] * 5.0) * x[i]
    };
    sum((0..x.len()).map(row))
}

fn himmelbg<T: Number>(x: &[T]) -> T {
    (-x[0] - x[1]).exp() * (square(x[0]) * 2.0 + square(x[1]) * 3.0)
}

fn himmelbh<T: Number>(x: &[T]) -> T {
    x[0].powi(3) + square(x[1]) - x[0] * 3.0 - x[1] * 2.0 + 2.0
}

fn maratosb<T: Number>(x: &[T]) -> T {
    x[0] + square(square(x[0]) + square(x[1]) - 1.0) * 1e6
}

fn nondia<T: Number>(x: &[T]) -> T {
    square(x[0] - 1.0) + sum((1..x.len()).map(|i| square(x[0] - square(x[i - 1])) * 100.0))
}

fn sineval<T: Number>(x: &[T]) -> T {
    square(x[1] - x[0].sin()) * 1e4 + square(x[0]) * 0.25
}

fn sisser<T: Number>(x: &[T]) -> T {
    x[0].powi(4) * 3.0 - square(x[0] * x[1]) * 2.0 + x[1].powi(4) * 3.0
}

fn tquartic<T: Number>(x: &[T]) -> T {
    square(x[0] - 1.0) + sum((1..x.len()).map(|i| square(square(x[0]) - square(x[i]))))
}
