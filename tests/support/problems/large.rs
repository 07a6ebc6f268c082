//! Problems of CUTEst, of any dimension.
//!
//! Formulas and starts: Bongartz, Conn, Gould & Toint, "CUTE", 1995, and Luksan, Matonoha & Vlcek,
//! "Modified CUTE problems for sparse unconstrained optimization", 2010.

use super::{Number, Problem, Sum, problem};

/// All of them, of about that dimension.
pub fn large(n: usize) -> Vec<Problem> {
    let of = |at: fn(usize) -> f64, n: usize| -> Vec<f64> { (0..n).map(at).collect() };
    let thirds = n - n % 3;
    vec![
        problem!(0, "ARWHEAD", arwhead, of(|_| 1.0, n)).minimum(0.0),
        problem!(0, "BDQRTIC", bdqrtic, of(|_| 1.0, n)),
        problem!(0, "COSINE", cosine, of(|_| 1.0, n)).minimum(1.0 - n as f64),
        problem!(0, "CRAGGLVY", cragglvy, of(|j| if j == 0 { 1.0 } else { 2.0 }, n - n % 2)),
        problem!(0, "DIXMAANA", dixmaana, of(|_| 2.0, thirds)).minimum(1.0),
        problem!(0, "DIXMAANI", dixmaani, of(|_| 2.0, thirds)).minimum(1.0),
        problem!(0, "EDENSCH", edensch, of(|_| 8.0, n)),
        problem!(0, "ENGVAL1", engval1, of(|_| 2.0, n)),
        problem!(0, "LIARWHD", liarwhd, of(|_| 4.0, n)).minimum(0.0),
        problem!(0, "NONDQUAR", nondquar, of(|j| if j % 2 == 0 { 1.0 } else { -1.0 }, n))
            .minimum(0.0),
        problem!(0, "POWER", power, of(|_| 1.0, n)).minimum(0.0),
        problem!(0, "SINQUAD", sinquad, of(|_| 0.1, n)),
        problem!(0, "TRIDIA", tridia, of(|_| 1.0, n)).minimum(0.0),
    ]
}

impl<T: Number> Sum<'_, T> {
    /// Adds a term whose gradient has these entries.
    fn term<const N: usize>(&mut self, value: T, gradient: [(usize, T); N]) {
        self.value += value;
        for (j, d) in gradient {
            self.gradient[j] += d;
        }
    }

    /// Adds r⁴, where the gradient of r has these entries.
    fn fourth<const N: usize>(&mut self, r: T, gradient: [(usize, T); N]) {
        self.sparse(r * r, gradient.map(|(j, d)| (j, r * d * 2.0)));
    }

    /// Adds -4xⱼ + 3.
    fn line(&mut self, j: usize, x: T) {
        self.term(x * -4.0 + 3.0, [(j, T::from(-4.0))]);
    }
}

fn arwhead<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let last = x.len() - 1;
    for j in 0..last {
        f.line(j, x[j]);
        let square = x[j] * x[j] + x[last] * x[last];
        f.sparse(square, [(j, x[j] * 2.0), (last, x[last] * 2.0)]);
    }
}

fn bdqrtic<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let last = x.len() - 1;
    for j in 0..last - 3 {
        f.sparse(x[j] * -4.0 + 3.0, [(j, T::from(-4.0))]);
        let places = [(j, 1.0), (j + 1, 2.0), (j + 2, 3.0), (j + 3, 4.0), (last, 5.0)];
        let sum = places.iter().fold(T::from(0.0), |sum, &(i, k)| sum + x[i] * x[i] * k);
        f.sparse(sum, places.map(|(i, k)| (i, x[i] * (2.0 * k))));
    }
}

fn cosine<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for j in 0..x.len() - 1 {
        let angle = x[j] * x[j] - x[j + 1] * 0.5;
        let sine = angle.sin();
        f.term(angle.cos(), [(j, -sine * x[j] * 2.0), (j + 1, sine * 0.5)]);
    }
}

fn cragglvy<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let one = T::from(1.0);
    for j in (0..x.len() - 2).step_by(2) {
        let e = x[j].exp();
        f.fourth(e - x[j + 1], [(j, e), (j + 1, -one)]);
        let d = x[j + 1] - x[j + 2];
        let slope = d * d * 30.0;
        f.sparse(d * d * d * 10.0, [(j + 1, slope), (j + 2, -slope)]);
        let d = x[j + 2] - x[j + 3];
        let tangent = d.tan();
        let slope = tangent * tangent + 2.0;
        f.fourth(tangent + d, [(j + 2, slope), (j + 3, -slope)]);
        f.fourth(x[j] * x[j], [(j, x[j] * 2.0)]);
        f.sparse(x[j + 3] - 1.0, [(j + 3, one)]);
    }
}

fn dixmaana<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    dixmaan(x, f, |_| 1.0);
}

fn dixmaani<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    dixmaan(x, f, |part| part * part);
}

/// Of type A but for the weights of the squares and of the products.
fn dixmaan<T: Number>(x: &[T], f: &mut Sum<'_, T>, weight: fn(f64) -> f64) {
    let (n, m) = (x.len(), x.len() / 3);
    f.value += 1.0;
    for j in 0..n {
        let w = weight((j + 1) as f64 / n as f64);
        f.term(x[j] * x[j] * w, [(j, x[j] * (2.0 * w))]);
        if j < 2 * m {
            let y = x[j + m];
            let square = y * y;
            let (a, b) = (x[j] * square * square * 0.25, x[j] * x[j] * square * y * 0.5);
            f.term(x[j] * x[j] * square * square * 0.125, [(j, a), (j + m, b)]);
        }
        if j < m {
            let (i, w) = (j + 2 * m, 0.125 * w);
            f.term(x[j] * x[i] * w, [(j, x[i] * w), (i, x[j] * w)]);
        }
    }
}

fn edensch<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let one = T::from(1.0);
    f.value += 16.0;
    for j in 0..x.len() - 1 {
        f.fourth(x[j] - 2.0, [(j, one)]);
        f.sparse(x[j] * x[j + 1] - x[j + 1] * 2.0, [(j, x[j + 1]), (j + 1, x[j] - 2.0)]);
        f.sparse(x[j + 1] + 1.0, [(j + 1, one)]);
    }
}

fn engval1<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for j in 0..x.len() - 1 {
        let square = x[j] * x[j] + x[j + 1] * x[j + 1];
        f.sparse(square, [(j, x[j] * 2.0), (j + 1, x[j + 1] * 2.0)]);
        f.line(j, x[j]);
    }
}

fn liarwhd<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for j in 0..x.len() {
        f.sparse((x[j] * x[j] - x[0]) * 2.0, [(j, x[j] * 4.0), (0, T::from(-2.0))]);
        f.sparse(x[j] - 1.0, [(j, T::from(1.0))]);
    }
}

fn nondquar<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let (one, last) = (T::from(1.0), x.len() - 1);
    f.sparse(x[0] - x[1], [(0, one), (1, -one)]);
    f.sparse(x[last - 1] + x[last], [(last - 1, one), (last, one)]);
    for j in 0..last - 1 {
        f.fourth(x[j] + x[j + 1] + x[last], [(j, one), (j + 1, one), (last, one)]);
    }
}

fn power<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let weight = |j: usize| (j + 1) as f64;
    let sum = (0..x.len()).fold(T::from(0.0), |sum, j| sum + x[j] * x[j] * weight(j));
    f.square(sum, (0..x.len()).map(|j| x[j] * (2.0 * weight(j))));
}

fn sinquad<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let last = x.len() - 1;
    f.fourth(x[0] - 1.0, [(0, T::from(1.0))]);
    f.sparse(x[last] * x[last] - x[0] * x[0], [(last, x[last] * 2.0), (0, x[0] * -2.0)]);
    for j in 1..last {
        let (sine, cosine) = ((x[j] - x[last]).sin(), (x[j] - x[last]).cos());
        let entries = [(j, cosine + x[j] * 2.0), (last, -cosine), (0, x[0] * -2.0)];
        f.sparse(sine - x[0] * x[0] + x[j] * x[j], entries);
    }
}

fn tridia<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    f.sparse(x[0] - 1.0, [(0, T::from(1.0))]);
    for j in 1..x.len() {
        let root = ((j + 1) as f64).sqrt();
        let r = (x[j] * 2.0 - x[j - 1]) * root;
        f.sparse(r, [(j, T::from(2.0 * root)), (j - 1, T::from(-root))]);
    }
}
