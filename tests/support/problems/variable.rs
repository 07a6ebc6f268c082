//! Problems 20 to 35: those of any dimension.

use super::{Number, Problem, Sum, problem};

pub fn problems() -> Vec<Problem> {
    vec![
        problem!(20, "Watson", watson, [0.0; 6]).minimum(2.287_670_053_55e-3),
        problem!(20, "Watson", watson, [0.0; 9]).minimum(1.399_760_138e-6),
        extended_rosenbrock(10),
        extended_rosenbrock(100),
        sized(22, 12),
        sized(23, 4).minimum(2.249_977_501e-5),
        sized(23, 10).minimum(7.087_651_467e-5),
        sized(24, 4).minimum(9.376_293_007e-6),
        sized(24, 10).minimum(2.936_605_374e-4),
        sized(25, 10),
        sized(26, 10).minimum_at(0.0, [0.0; 10]).minimum(2.795_056e-5),
        sized(27, 10)
            .minimum_at(0.0, [1.0; 10])
            .minimum_at(1.0, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 11.0]),
        sized(28, 10).minimum(0.0),
        sized(29, 10).minimum(0.0),
        sized(30, 10).minimum(0.0),
        sized(30, 100).minimum(0.0),
        sized(31, 10).minimum(0.0),
        sized(32, 10).minimum_at(10.0, [-1.0; 10]),
        sized(33, 10).minimum(190.0 / 41.0),
        sized(34, 10).minimum(227.0 / 37.0),
        sized(35, 7).minimum_at(
            0.0,
            [
                0.058_069_149_621,
                0.235_171_612_357,
                0.338_044_094_740,
                0.5,
                0.661_955_905_260,
                0.764_828_387_643,
                0.941_930_850_379,
            ],
        ),
        sized(35, 8).minimum(3.516_873_725_68e-3),
        sized(35, 10).minimum(6.503_954_800e-3),
    ]
}

/// Problem 21.
pub fn extended_rosenbrock(n: usize) -> Problem {
    sized(21, n)
}

/// A problem from 21 on, in that dimension, with the minima that do not depend on it.
pub fn sized(number: usize, n: usize) -> Problem {
    let of =
        |at: fn(f64, f64) -> f64| -> Vec<f64> { (1..=n).map(|j| at(j as f64, n as f64)).collect() };
    match number {
        21 => problem!(
            21,
            "Extended Rosenbrock",
            rosenbrock,
            of(|j, _| if j % 2.0 == 1.0 { -1.2 } else { 1.0 })
        )
        .minimum_at(0.0, of(|_, _| 1.0)),
        22 => problem!(
            22,
            "Extended Powell singular",
            extended_powell_singular,
            of(|j, _| [1.0, 3.0, -1.0, 0.0][(j % 4.0) as usize])
        )
        .minimum_at(0.0, of(|_, _| 0.0)),
        23 => problem!(23, "Penalty I", penalty_1, of(|j, _| j)),
        24 => problem!(24, "Penalty II", penalty_2, of(|_, _| 0.5)),
        25 => problem!(25, "Variably dimensioned", variably_dimensioned, of(|j, n| 1.0 - j / n))
            .minimum_at(0.0, of(|_, _| 1.0)),
        26 => problem!(26, "Trigonometric", trigonometric, of(|_, n| 1.0 / n)),
        27 => problem!(27, "Brown almost-linear", brown_almost_linear, of(|_, _| 0.5)),
        28 => problem!(28, "Discrete boundary value", discrete_boundary_value, of(discrete_start)),
        29 => {
            problem!(
                29,
                "Discrete integral equation",
                discrete_integral_equation,
                of(discrete_start)
            )
        }
        30 => problem!(30, "Broyden tridiagonal", broyden_tridiagonal, of(|_, _| -1.0)),
        31 => problem!(31, "Broyden banded", broyden_banded, of(|_, _| -1.0)),
        32 => problem!(32, "Linear, full rank", linear_full_rank, of(|_, _| 1.0)),
        33 => problem!(33, "Linear, rank 1", linear_rank_1, of(|_, _| 1.0)),
        34 => problem!(
            34,
            "Linear, rank 1 with zero columns and rows",
            linear_rank_1_with_zeros,
            of(|_, _| 1.0)
        ),
        35 => problem!(35, "Chebyquad", chebyquad, of(|j, n| j / (n + 1.0))),
        _ => panic!("problem {number} has a fixed dimension"),
    }
}

fn discrete_start(j: f64, n: f64) -> f64 {
    let t = j / (n + 1.0);
    t * (t - 1.0)
}

fn watson<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for i in 1..=29 {
        let t = f64::from(i) / 29.0;
        let mut slope = T::from(0.0);
        let mut sum = T::from(0.0);
        for (j, &x) in (0_i32..).zip(x) {
            sum += x * t.powi(j);
            if j > 0 {
                slope += x * (f64::from(j) * t.powi(j - 1));
            }
        }
        let entry = |j: i32| {
            let slope = if j > 0 { f64::from(j) * t.powi(j - 1) } else { 0.0 };
            sum * (-2.0 * t.powi(j)) + slope
        };
        f.square(slope - sum * sum - 1.0, (0_i32..).zip(x).map(|(j, _)| entry(j)));
    }
    f.square(x[0], [T::from(1.0)]);
    f.square(x[1] - x[0] * x[0] - 1.0, [x[0] * -2.0, T::from(1.0)]);
}

fn rosenbrock<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for j in (0..x.len()).step_by(2) {
        let (a, b) = (x[j], x[j + 1]);
        f.sparse((b - a * a) * 10.0, [(j, a * -20.0), (j + 1, T::from(10.0))]);
        f.sparse(-a + 1.0, [(j, T::from(-1.0))]);
    }
}

pub fn extended_powell_singular<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let number = T::from;
    let (five, ten) = (5.0_f64.sqrt(), 10.0_f64.sqrt());
    for j in (0..x.len()).step_by(4) {
        let (a, b, c, d) = (x[j], x[j + 1], x[j + 2], x[j + 3]);
        f.sparse(a + b * 10.0, [(j, number(1.0)), (j + 1, number(10.0))]);
        f.sparse((c - d) * five, [(j + 2, number(five)), (j + 3, number(-five))]);
        let e = b - c * 2.0;
        f.sparse(e * e, [(j + 1, e * 2.0), (j + 2, e * -4.0)]);
        let e = a - d;
        f.sparse(e * e * ten, [(j, e * (2.0 * ten)), (j + 3, e * (-2.0 * ten))]);
    }
}

fn penalty_1<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let a = 1e-5_f64.sqrt();
    for (j, &x) in x.iter().enumerate() {
        f.sparse((x - 1.0) * a, [(j, T::from(a))]);
    }
    let square = x.iter().fold(T::from(0.0), |sum, &x| sum + x * x);
    f.square(square - 0.25, x.iter().map(|&x| x * 2.0));
}

fn penalty_2<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let (a, n) = (1e-5_f64.sqrt(), x.len());
    f.square(x[0] - 0.2, [T::from(1.0)]);
    for i in 2..=n {
        let y = (i as f64 / 10.0).exp() + ((i - 1) as f64 / 10.0).exp();
        let (e, before) = ((x[i - 1] / 10.0).exp(), (x[i - 2] / 10.0).exp());
        f.sparse((e + before - y) * a, [(i - 1, e * (a / 10.0)), (i - 2, before * (a / 10.0))]);
    }
    for i in n + 1..2 * n {
        let e = (x[i - n] / 10.0).exp();
        f.sparse((e - (-0.1_f64).exp()) * a, [(i - n, e * (a / 10.0))]);
    }
    let weight = |j: usize| (n - j) as f64;
    let sum = (0..n).fold(T::from(0.0), |sum, j| sum + x[j] * x[j] * weight(j));
    f.square(sum - 1.0, (0..n).map(|j| x[j] * (2.0 * weight(j))));
}

fn variably_dimensioned<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let mut s = T::from(0.0);
    for (j, &x) in x.iter().enumerate() {
        f.sparse(x - 1.0, [(j, T::from(1.0))]);
        s += (x - 1.0) * (j + 1) as f64;
    }
    f.square(s, (1..=x.len()).map(|j| T::from(j as f64)));
    f.square(s * s, (1..=x.len()).map(|j| s * (2.0 * j as f64)));
}

fn trigonometric<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let cosines = x.iter().fold(T::from(0.0), |sum, x| sum + x.cos());
    for (i, xi) in x.iter().enumerate() {
        let k = (i + 1) as f64;
        let r = -cosines + x.len() as f64 + (-xi.cos() + 1.0) * k - xi.sin();
        let own = xi.sin() * k - xi.cos();
        f.square(
            r,
            x.iter().enumerate().map(|(j, x)| if j == i { x.sin() + own } else { x.sin() }),
        );
    }
}

fn brown_almost_linear<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let n = x.len();
    let sum = x.iter().fold(T::from(0.0), |sum, &x| sum + x);
    for i in 0..n - 1 {
        let row = (0..n).map(|j| T::from(if j == i { 2.0 } else { 1.0 }));
        f.square(x[i] + sum - (n + 1) as f64, row);
    }
    let others =
        |j: usize| (0..n).filter(|&k| k != j).fold(T::from(1.0), |product, k| product * x[k]);
    f.square(others(n) - 1.0, (0..n).map(others));
}

fn discrete_boundary_value<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let n = x.len();
    let h = 1.0 / (n + 1) as f64;
    for i in 0..n {
        let e = x[i] + ((i + 1) as f64 * h + 1.0);
        let mut r = x[i] * 2.0 + e * e * e * (h * h / 2.0);
        if i > 0 {
            r -= x[i - 1];
        }
        if i + 1 < n {
            r -= x[i + 1];
        }
        let left = (i > 0).then(|| (i - 1, T::from(-1.0)));
        let right = (i + 1 < n).then(|| (i + 1, T::from(-1.0)));
        let own = (i, e * e * (1.5 * h * h) + 2.0);
        f.sparse(r, left.into_iter().chain([own]).chain(right));
    }
}

fn discrete_integral_equation<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let n = x.len();
    let h = 1.0 / (n + 1) as f64;
    let t = |j: usize| (j + 1) as f64 * h;
    // Green's function of the second derivative.
    let green = |i: usize, j: usize| t(i.min(j)) * (1.0 - t(i.max(j)));
    let e = |j: usize| x[j] + (t(j) + 1.0);
    for i in 0..n {
        let sum = (0..n).fold(T::from(0.0), |sum, j| sum + e(j) * e(j) * e(j) * green(i, j));
        let entry =
            |j: usize| e(j) * e(j) * (1.5 * h * green(i, j)) + if i == j { 1.0 } else { 0.0 };
        f.square(x[i] + sum * (h / 2.0), (0..n).map(entry));
    }
}

fn broyden_tridiagonal<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let n = x.len();
    for i in 0..n {
        let mut r = (-x[i] * 2.0 + 3.0) * x[i] + 1.0;
        if i > 0 {
            r -= x[i - 1];
        }
        if i + 1 < n {
            r -= x[i + 1] * 2.0;
        }
        let left = (i > 0).then(|| (i - 1, T::from(-1.0)));
        let right = (i + 1 < n).then(|| (i + 1, T::from(-2.0)));
        f.sparse(r, left.into_iter().chain([(i, -x[i] * 4.0 + 3.0)]).chain(right));
    }
}

fn broyden_banded<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let n = x.len();
    for i in 0..n {
        let band = (i.saturating_sub(5)..n.min(i + 2)).filter(move |&j| j != i);
        let square = x[i] * x[i];
        let sum = band.clone().fold(T::from(0.0), |sum, j| sum + x[j] * (x[j] + 1.0));
        let others = band.map(|j| (j, -x[j] * 2.0 - 1.0));
        f.sparse(x[i] * (square * 5.0 + 2.0) + 1.0 - sum, others.chain([(i, square * 15.0 + 2.0)]));
    }
}

/// Residuals of the linear problems.
const LINEAR_M: usize = 20;

fn linear_full_rank<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let (n, m) = (x.len(), LINEAR_M.max(x.len()));
    let sum = x.iter().fold(T::from(0.0), |sum, &x| sum + x);
    let share = 2.0 / m as f64;
    for i in 0..m {
        let own = if i < n { x[i] } else { T::from(0.0) };
        let row = (0..n).map(|j| T::from(if j == i { 1.0 - share } else { -share }));
        f.square(own - sum * share - 1.0, row);
    }
}

fn linear_rank_1<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let (n, m) = (x.len(), LINEAR_M.max(x.len()));
    let sum = (0..n).fold(T::from(0.0), |sum, j| sum + x[j] * (j + 1) as f64);
    for i in 1..=m {
        f.square(sum * i as f64 - 1.0, (1..=n).map(|j| T::from((i * j) as f64)));
    }
}

fn linear_rank_1_with_zeros<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let (n, m) = (x.len(), LINEAR_M.max(x.len()));
    let sum = (1..n - 1).fold(T::from(0.0), |sum, j| sum + x[j] * (j + 1) as f64);
    for i in 1..=m {
        let factor = if i == 1 || i == m { 0.0 } else { (i - 1) as f64 };
        let row = (1..n - 1).map(|j| (j, T::from(factor * (j + 1) as f64)));
        f.sparse(sum * factor - 1.0, row);
    }
}

fn chebyquad<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let n = x.len();
    // Tᵢ and its derivative by x, of the polynomial shifted to [0, 1].
    let polynomial = |i: usize, x: T| {
        let y = x * 2.0 - 1.0;
        let (mut before, mut now) = ([T::from(1.0), T::from(0.0)], [y, T::from(2.0)]);
        for _ in 1..i {
            let next = y * now[0] * 2.0 - before[0];
            let slope = now[0] * 4.0 + y * now[1] * 2.0 - before[1];
            (before, now) = (now, [next, slope]);
        }
        now
    };
    for i in 1..=n {
        let integral = if i % 2 == 0 { -1.0 / (i * i - 1) as f64 } else { 0.0 };
        let mean = x.iter().fold(T::from(0.0), |sum, &x| sum + polynomial(i, x)[0]) / n as f64;
        f.square(mean - integral, x.iter().map(|&x| polynomial(i, x)[1] / n as f64));
    }
}
