//! Functions of a length, to search along.

use thalweg::solvers::Sample;

pub(super) type Phi = fn(f64) -> (f64, f64);

/// φ and φ' of the paper of Moré and Thuente, section 5, but for the one made to be rough.
pub(super) const PHIS: [(&str, Phi); 5] = [
    ("5.1", |a| {
        let d = a * a + 2.0;
        (-a / d, (a * a - 2.0) / (d * d))
    }),
    ("5.2", |a| {
        let t = a + 0.004;
        (t.powi(5) - 2.0 * t.powi(4), 5.0 * t.powi(4) - 8.0 * t.powi(3))
    }),
    ("5.4", |a| yanai(0.001, 0.001, a)),
    ("5.5", |a| yanai(0.01, 0.001, a)),
    ("5.6", |a| yanai(0.001, 0.01, a)),
];

fn yanai(b1: f64, b2: f64, a: f64) -> (f64, f64) {
    let g = |b: f64| (1.0 + b * b).sqrt() - b;
    let (p, q) = (((1.0 - a).powi(2) + b2 * b2).sqrt(), (a * a + b1 * b1).sqrt());
    (g(b1) * p + g(b2) * q, -g(b1) * (1.0 - a) / p + g(b2) * a / q)
}

pub(super) fn sample(phi: Phi, length: f64) -> Sample {
    let (value, slope) = phi(length);
    Sample { length, value, slope }
}

pub(super) const FIRSTS: [f64; 4] = [1e-3, 1e-1, 1e1, 1e3];
