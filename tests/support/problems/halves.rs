//! Problems in two halves: settings of solvers may be chosen by the first, and the second says what they are worth
//! elsewhere. Which half a problem is in, its place in the alphabet says.
//!
//! Formulas and starts: Bongartz, Conn, Gould & Toint, "CUTE", 1995, with the collections that continue it; Andrei,
//! "An unconstrained optimization test functions collection", 2008; Hedar, "Test functions for unconstrained global
//! optimization", whose starts are ours: DIXPRICE, GOLDPRICE, TRID, ZAKHAROV. Gradients are derivatives by dual numbers.

use super::cutest::{square, sum};
use super::{Number, Problem, by_duals};

/// The first, third and so on.
pub fn choosing() -> Vec<Problem> {
    all().into_iter().step_by(2).collect()
}

/// The second, fourth and so on. Let them stay without a say.
pub fn reporting() -> Vec<Problem> {
    all().into_iter().skip(1).step_by(2).collect()
}

/// All of them, in the order of the alphabet.
fn all() -> Vec<Problem> {
    let alike = |x: f64, n: usize| vec![x; n];
    let of = |at: fn(f64) -> f64, n: usize| -> Vec<f64> { (1..=n).map(|i| at(i as f64)).collect() };
    let pairs = |a: f64, b: f64, n: usize| [a, b].repeat(n / 2);
    vec![
        by_duals!("ALLINITU", allinitu, alike(0.0, 4)),
        by_duals!("BD1", bd1, alike(0.1, 20)),
        by_duals!("CHAINWOO", chainwoo, [vec![-3.0, -1.0, -3.0, -1.0], vec![-2.0; 16]].concat()),
        by_duals!("CURLY10", curly10, of(|i| 1e-4 * i / 41.0, 40)),
        by_duals!("DIAGONAL3", diagonal3, alike(1.0, 40)),
        by_duals!("DIXMAANF", dixmaanf, alike(2.0, 30)),
        by_duals!("DIXMAANP", dixmaanp, alike(2.0, 60)),
        by_duals!("DIXPRICE", dixprice, alike(2.0, 15)),
        by_duals!("EIGENALS", eigenals, eigenals_start()),
        by_duals!("EP1", ep1, alike(1.5, 10)),
        by_duals!("EXPFIT", expfit, alike(0.0, 2)),
        by_duals!("FH1", fh1, alike(0.01, 20)),
        by_duals!("FLETCBV2", fletcbv2, of(|i| i / 51.0, 50)),
        by_duals!("FMINSRF2", fminsrf2, fminsrf2_start()),
        by_duals!("GENQUARTIC", genquartic, alike(1.0, 30)),
        by_duals!("GOLDPRICE", goldprice, vec![-0.5, 0.5]),
        by_duals!("HAGER", hager, alike(1.0, 100)),
        by_duals!("HAIRY", hairy, vec![-5.0, -7.0]),
        by_duals!("HATFLDFL", hatfldfl, alike(0.1, 3)),
        by_duals!("HIEBERT", hiebert, alike(0.0, 2)),
        by_duals!("HIMMELBLAU", himmelblau, alike(1.0, 10)),
        by_duals!("MANCINO", mancino, mancino_start()),
        by_duals!("MSQRTBLS", msqrtbls, of(|k| 0.2 * (k * k).sin(), 16)),
        by_duals!("NCB20B", ncb20b, alike(0.0, 30)),
        by_duals!("NONCVXU2", noncvxu2, of(|i| i, 20)),
        by_duals!("OSCIPATH", oscipath, vec![-1.0, 1.0, 1.0, 1.0]),
        by_duals!("PENALTY3", penalty3, of(|i| i / 11.0, 10)),
        by_duals!("PENALTYX", penaltyx, of(|i| i, 10)),
        by_duals!("PPQUAD", ppquad, alike(0.5, 50)),
        by_duals!("PSC1", psc1, pairs(3.0, 0.1, 20)),
        by_duals!("QF2", qf2, alike(0.5, 30)),
        by_duals!("QP1", qp1, alike(1.0, 30)),
        by_duals!("QP2", qp2, alike(1.0, 20)),
        by_duals!("RAYDAN1", raydan1, alike(1.0, 50)),
        by_duals!("SPARSINE", sparsine, alike(0.5, 30)),
        by_duals!("SPARSQUR", sparsqur, alike(0.5, 40)),
        by_duals!("STAIRCASE2", staircase2, alike(0.0, 25)),
        by_duals!("TET", tet, alike(0.1, 10)),
        by_duals!("TRID", trid, alike(0.0, 10)),
        by_duals!("TRIDIAGONAL1", tridiagonal1, alike(2.0, 20)),
        by_duals!("TRIDIAGONAL2", tridiagonal2, alike(1.0, 20)),
        by_duals!("TRIDIAGONALX", tridiagonalx, alike(2.0, 20)),
        by_duals!("WHITEHOLST", whiteholst, pairs(-1.2, 1.0, 10)),
        by_duals!("ZAKHAROV", zakharov, alike(1.0, 10)),
    ]
}

/// The sums of the first element, of the first two, and so on.
fn running<T: Number>(x: &[T]) -> impl Iterator<Item = T> {
    x.iter().scan(T::from(0.0), |sum, &x| {
        *sum += x;
        Some(*sum)
    })
}

fn total<T: Number>(x: &[T]) -> T {
    sum(x.iter().copied())
}

fn squares<T: Number>(x: &[T]) -> T {
    sum(x.iter().map(|&x| x * x))
}

fn allinitu<T: Number>(x: &[T]) -> T {
    let [a, b, c, d] = [x[0], x[1], x[2], x[3]];
    let [sine, other] = [square(c.sin()), square(d.sin())];
    c - 1.0 + square(a) + square(b) + square(c + d) + sine * 2.0 + square(a * b) + d - 3.0
        + square(d - 1.0)
        + b.powi(4)
        + square(square(c) + square(d + a))
        + square(a - 4.0 + other + square(b * c))
        + square(other)
}

fn bd1<T: Number>(x: &[T]) -> T {
    sum(x
        .chunks(2)
        .map(|x| square(square(x[0]) + square(x[1]) - 2.0) + square((x[0] - 1.0).exp() - x[1])))
}

fn chainwoo<T: Number>(x: &[T]) -> T {
    sum((0..x.len() - 2).step_by(2).map(|i| {
        let [a, b, c, d] = [x[i], x[i + 1], x[i + 2], x[i + 3]];
        square(b - square(a)) * 100.0
            + square(a - 1.0)
            + square(d - square(c)) * 90.0
            + square(c - 1.0)
            + square(b + d - 2.0) * 10.0
            + square(b - d) * 0.1
    })) + 1.0
}

fn curly10<T: Number>(x: &[T]) -> T {
    let n = x.len();
    sum((0..n).map(|i| {
        let q = total(&x[i..n.min(i + 11)]);
        q * (q * (square(q) - 20.0) - 0.1)
    }))
}

fn diagonal3<T: Number>(x: &[T]) -> T {
    sum((1..).zip(x).map(|(i, &x)| x.exp() - x.sin() * f64::from(i)))
}

fn dixmaanf<T: Number>(x: &[T]) -> T {
    dixmaan(x, [1.0, 0.0625, 0.0625, 0.0625], [1, 0, 0, 1])
}

fn dixmaanp<T: Number>(x: &[T]) -> T {
    dixmaan(x, [1.0, 0.26, 0.26, 0.26], [2, 1, 1, 2])
}

/// Four kinds of terms: the factor of each, and the power of i/n in it.
fn dixmaan<T: Number>(x: &[T], factors: [f64; 4], powers: [i32; 4]) -> T {
    let (n, m) = (x.len(), x.len() / 3);
    let weight =
        |kind: usize, i: usize| factors[kind] * ((i + 1) as f64 / n as f64).powi(powers[kind]);
    sum((0..n).map(|i| square(x[i]) * weight(0, i)))
        + sum((0..n - 1).map(|i| square(x[i]) * square(x[i + 1] + square(x[i + 1])) * weight(1, i)))
        + sum((0..2 * m).map(|i| square(x[i]) * x[i + m].powi(4) * weight(2, i)))
        + sum((0..m).map(|i| x[i] * x[i + 2 * m] * weight(3, i)))
        + 1.0
}

fn dixprice<T: Number>(x: &[T]) -> T {
    let term = |i: usize| square(square(x[i]) * 2.0 - x[i - 1]) * (i + 1) as f64;
    square(x[0] - 1.0) + sum((1..x.len()).map(term))
}

/// Eigenvalues and vectors of the diagonal matrix of 1 to 4: the values, and the rows of the matrix of the vectors.
fn eigenals<T: Number>(x: &[T]) -> T {
    let (values, rows) = x.split_at(4);
    let at = |k: usize, i: usize| rows[4 * k + i];
    sum((0..4).flat_map(|i| (i..4).map(move |j| (i, j))).map(|(i, j)| {
        let unit = f64::from(u8::from(i == j));
        let matrix = sum((0..4).map(|k| values[k] * at(k, i) * at(k, j)));
        let product = sum((0..4).map(|k| at(k, i) * at(k, j)));
        square(matrix - unit * (i + 1) as f64) + square(product - unit)
    }))
}

fn eigenals_start() -> Vec<f64> {
    let unit = (0..16).map(|at| if at % 5 == 0 { 1.0 } else { 0.0 });
    [1.0; 4].into_iter().chain(unit).collect()
}

fn ep1<T: Number>(x: &[T]) -> T {
    sum(x.chunks(2).map(|x| {
        let d = x[0] - x[1];
        square(d.exp() - 5.0) + square(d) * square(d - 11.0)
    }))
}

fn expfit<T: Number>(x: &[T]) -> T {
    let times = (1..=10).map(|i| 0.25 * f64::from(i));
    sum(times.map(|t| square(x[0] * (x[1] * t).exp() - t)))
}

fn fh1<T: Number>(x: &[T]) -> T {
    let a = x[0] - 3.0;
    square(a) + sum(running(x).skip(1).map(|s| square(a - square(s) * 2.0)))
}

fn fletcbv2<T: Number>(x: &[T]) -> T {
    let last = x.len() - 1;
    let step = 1.0 / (x.len() + 1) as f64;
    let bends = sum((0..last).map(|i| square(x[i] - x[i + 1])));
    (square(x[0]) + bends + square(x[last])) * 0.5
        - sum(x.iter().map(|&x| x * 2.0 + x.cos())) * (step * step)
        - x[last]
}

/// The heights of a grid of points over a square, row by row.
fn fminsrf2<T: Number>(x: &[T]) -> T {
    const P: usize = 6;
    let at = |i: usize, j: usize| x[i + j * P];
    let cells = ((P - 1) * (P - 1)) as f64;
    let area = |i: usize, j: usize| {
        let across = square(at(i, j) - at(i + 1, j + 1)) + square(at(i + 1, j) - at(i, j + 1));
        (across * (0.5 * cells) + 1.0).sqrt()
    };
    sum((0..(P - 1) * (P - 1)).map(|k| area(k % (P - 1), k / (P - 1)))) / cells
        + square(at(2, 2)) / (P * P) as f64
}

fn fminsrf2_start() -> Vec<f64> {
    let height = |k: usize| match (k % 6, k / 6) {
        (0, j) => 1.0 + 0.8 * j as f64,
        (5, j) => 9.0 + 0.8 * j as f64,
        (i, 0) => 5.0 + 1.6 * i as f64,
        (i, 5) => 1.0 + 1.6 * i as f64,
        _ => 0.0,
    };
    (0..36).map(height).collect()
}

fn genquartic<T: Number>(x: &[T]) -> T {
    sum((0..x.len() - 1).map(|i| square(x[i]) + square(x[i + 1] + square(x[i]))))
}

fn goldprice<T: Number>(x: &[T]) -> T {
    let [a, b] = [x[0], x[1]];
    let near = a * -14.0 + a * a * 3.0 - b * 14.0 + a * b * 6.0 + b * b * 3.0 + 19.0;
    let far = a * -32.0 + a * a * 12.0 + b * 48.0 - a * b * 36.0 + b * b * 27.0 + 18.0;
    (square(a + b + 1.0) * near + 1.0) * (square(a * 2.0 - b * 3.0) * far + 30.0)
}

fn hager<T: Number>(x: &[T]) -> T {
    sum((1..).zip(x).map(|(i, &x)| x.exp() - x * f64::from(i).sqrt()))
}

fn hairy<T: Number>(x: &[T]) -> T {
    let cup = |x: T| (square(x) + 0.01).sqrt() * 100.0;
    square((x[0] * 7.0).sin() * (x[1] * 7.0).cos()) * 30.0 + cup(x[0] - x[1]) + cup(x[0])
}

fn hatfldfl<T: Number>(x: &[T]) -> T {
    let rows = [(1, 0.032), (2, 0.056), (3, 0.099)];
    sum(rows.into_iter().map(|(i, y)| square(x[0] + x[1] * x[2].powi(i) - y)))
}

fn hiebert<T: Number>(x: &[T]) -> T {
    square(x[0] - 10.0) + square(x[0] * x[1] - 5e4)
}

fn himmelblau<T: Number>(x: &[T]) -> T {
    sum(x.chunks(2).map(|x| square(square(x[0]) + x[1] - 11.0) + square(x[0] + square(x[1]) - 7.0)))
}

fn mancino<T: Number>(x: &[T]) -> T {
    let n = x.len();
    let residual = |i: usize| {
        let others = (0..n).filter(|&j| j != i).map(|j| {
            let v = (square(x[i]) + (i + 1) as f64 / (j + 1) as f64).sqrt();
            v * (v.ln().sin().powi(5) + v.ln().cos().powi(5))
        });
        x[i] * (14.0 * n as f64) + ((i + 1) as f64 - n as f64 / 2.0).powi(3) + sum(others)
    };
    sum((0..n).map(|i| square(residual(i))))
}

fn mancino_start() -> Vec<f64> {
    let (n, b) = (10.0, 140.0_f64);
    let factor = -b / (b * b - (6.0_f64 * (n - 1.0)).powi(2));
    let at = |i: usize| {
        let others = (1..=10).filter(|&j| j != i).map(|j| {
            let v = (i as f64 / f64::from(j as u32)).sqrt();
            v * (v.ln().sin().powi(5) + v.ln().cos().powi(5))
        });
        factor * (others.sum::<f64>() + (i as f64 - n / 2.0).powi(3))
    };
    (1..=10).map(at).collect()
}

/// A root X of the square of a matrix B, X² = B², of four rows.
fn msqrtbls<T: Number>(x: &[T]) -> T {
    let b = |k: usize| (((k + 1) * (k + 1)) as f64).sin();
    sum((0..16).map(|at| {
        let (i, j) = (at / 4, at % 4);
        let known: f64 = (0..4).map(|k| b(4 * i + k) * b(4 * k + j)).sum();
        square(sum((0..4).map(|k| x[4 * i + k] * x[4 * k + j])) - known)
    }))
}

fn ncb20b<T: Number>(x: &[T]) -> T {
    let windows = (1..).zip(x.windows(20)).map(|(i, x)| {
        let s = sum(x.iter().map(|&x| x / (square(x) + 1.0)));
        square(s) * (10.0 / f64::from(i)) - total(x) * 0.2
    });
    sum(windows) + sum(x.iter().map(|&x| x.powi(4) * 100.0 + 2.0))
}

fn noncvxu2<T: Number>(x: &[T]) -> T {
    let n = x.len();
    sum((1..=n).map(|i| {
        let s = x[i - 1] + x[(3 * i - 2) % n] + x[(7 * i - 3) % n];
        square(s) + s.cos() * 4.0
    }))
}

fn oscipath<T: Number>(x: &[T]) -> T {
    let terms = x.windows(2).map(|x| square(x[1] - square(x[0]) * 2.0 + 1.0) * 500.0);
    square(x[0] - 1.0) * 0.25 + sum(terms)
}

fn penalty3<T: Number>(x: &[T]) -> T {
    let n = x.len();
    let r = sum(x.windows(3).map(|x| square(x[0] + x[1] * 2.0 + x[2] * 10.0 - 1.0)));
    let s = sum((0..n - 2).map(|i| square(x[i] * 2.0 + x[i + 1] - 3.0)));
    sum(x[..n / 2].iter().map(|&x| square(x - 1.0)))
        + x[n - 1].exp() * r
        + x[n - 2].exp() * s
        + r * s
        + square(squares(x) - (n * n) as f64)
        + 1.0
}

fn penaltyx<T: Number>(x: &[T]) -> T {
    let near = x[..x.len() - 1].iter().map(|&x| square(x - 1.0));
    sum(near) + square(squares(x) - 0.25)
}

fn ppquad<T: Number>(x: &[T]) -> T {
    let terms = (1..).zip(x.iter().zip(running(x)));
    square(x[0]) + sum(terms.map(|(i, (&x, s))| square(x) * f64::from(i) + square(s) * 0.01))
}

fn psc1<T: Number>(x: &[T]) -> T {
    sum(x.chunks(2).map(|x| {
        let [a, b] = [x[0], x[1]];
        square(a * a + b * b + a * b) + square(a.sin()) + square(b.cos())
    }))
}

fn qf2<T: Number>(x: &[T]) -> T {
    sum((1..).zip(x).map(|(i, &x)| square(square(x) - 1.0) * (0.5 * f64::from(i)))) - x[x.len() - 1]
}

fn qp1<T: Number>(x: &[T]) -> T {
    let near = x[..x.len() - 1].iter().map(|&x| square(square(x) - 2.0));
    sum(near) + square(squares(x) - 0.5)
}

fn qp2<T: Number>(x: &[T]) -> T {
    let near = x[..x.len() - 1].iter().map(|&x| square(square(x) - x.sin()));
    sum(near) + square(squares(x) - 100.0)
}

fn raydan1<T: Number>(x: &[T]) -> T {
    sum((1..).zip(x).map(|(i, &x)| (x.exp() - x) * (0.1 * f64::from(i))))
}

/// i times the square of a sum over six elements, which lie far from each other.
fn sparse<T: Number>(x: &[T], term: fn(T) -> T) -> T {
    let n = x.len();
    sum((1..=n).map(|i| {
        let others = [2, 3, 5, 7, 11].into_iter().map(|k| term(x[(k * i - 1) % n]));
        square(term(x[i - 1]) + sum(others)) * i as f64
    }))
}

fn sparsine<T: Number>(x: &[T]) -> T {
    sparse(x, |x| x.sin()) * 0.5
}

fn sparsqur<T: Number>(x: &[T]) -> T {
    sparse(x, square) * 0.125
}

fn staircase2<T: Number>(x: &[T]) -> T {
    sum((1..).zip(running(x)).map(|(i, s)| square(s - f64::from(i))))
}

fn tet<T: Number>(x: &[T]) -> T {
    sum(x.chunks(2).map(|x| {
        let [a, b] = [x[0] - 0.1, x[1] * 3.0];
        (a + b).exp() + (a - b).exp() + (-x[0] - 0.1).exp()
    }))
}

fn trid<T: Number>(x: &[T]) -> T {
    sum(x.iter().map(|&x| square(x - 1.0))) - sum(x.windows(2).map(|x| x[0] * x[1]))
}

fn tridiagonal1<T: Number>(x: &[T]) -> T {
    sum(x.windows(2).map(bow))
}

fn tridiagonal2<T: Number>(x: &[T]) -> T {
    sum(x.windows(2).map(|x| square(x[0] * x[1] - 1.0) + (x[0] + 1.0) * (x[1] + 1.0) * 0.1))
}

fn tridiagonalx<T: Number>(x: &[T]) -> T {
    sum(x.chunks(2).map(bow))
}

/// (a + b - 3)² + (a - b + 1)⁴.
fn bow<T: Number>(x: &[T]) -> T {
    square(x[0] + x[1] - 3.0) + (x[0] - x[1] + 1.0).powi(4)
}

fn whiteholst<T: Number>(x: &[T]) -> T {
    sum(x.windows(2).map(|x| square(x[1] - x[0].powi(3)) * 100.0 + square(x[0] - 1.0)))
}

fn zakharov<T: Number>(x: &[T]) -> T {
    let s = sum((1..).zip(x).map(|(i, &x)| x * (0.5 * f64::from(i))));
    squares(x) + square(s) + s.powi(4)
}
