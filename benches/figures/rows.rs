//! A table of which a step touches few rows, against a loop over the rows written by hand.

use ndarray::{Array2, ArrayView2};
use pulp::Arch;
use thalweg::params::Rows;
use thalweg::{AdaGrad, Adam, NonFinite, Optimizer};

use crate::loops::gradient;
use crate::measure::{Aligned, Row, Section, duel};

const COLUMNS: usize = 32;
const TOUCHED: usize = 600;
/// As many that no cache knows beforehand which rows come.
const BATCHES: usize = 64;

/// Different rows of a table, in any order.
fn batches(len: usize) -> Vec<Vec<usize>> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut batch = || {
        let mut seen = vec![false; len];
        let mut rows = Vec::new();
        while rows.len() < TOUCHED {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let row = (state >> 33) as usize % len;
            if !std::mem::replace(&mut seen[row], true) {
                rows.push(row);
            }
        }
        rows
    };
    (0..BATCHES).map(|_| batch()).collect()
}

fn row(at: usize) -> std::ops::Range<usize> {
    at * COLUMNS..(at + 1) * COLUMNS
}

struct AdamRows<'a> {
    rows: &'a [usize],
    g: &'a [f32],
    w: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    alpha: f32,
    correction: f32,
}

impl pulp::WithSimd for AdamRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { rows, g, w, m, v, alpha, correction } = self;
        for (&at, g) in rows.iter().zip(g.as_chunks::<COLUMNS>().0) {
            let (w, m, v) = (&mut w[row(at)], &mut m[row(at)], &mut v[row(at)]);
            let (w, m, v) = (&mut w[..COLUMNS], &mut m[..COLUMNS], &mut v[..COLUMNS]);
            for i in 0..COLUMNS {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                w[i] -= alpha * m[i] / ((v[i] * correction).sqrt() + 1e-8);
            }
        }
    }
}

struct AdaGradRows<'a> {
    rows: &'a [usize],
    g: &'a [f32],
    w: &'a mut [f32],
    s: &'a mut [f32],
    alpha: f32,
}

impl pulp::WithSimd for AdaGradRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { rows, g, w, s, alpha } = self;
        for (&at, g) in rows.iter().zip(g.as_chunks::<COLUMNS>().0) {
            let (w, s) = (&mut w[row(at)][..COLUMNS], &mut s[row(at)][..COLUMNS]);
            for i in 0..COLUMNS {
                s[i] += g[i] * g[i];
                w[i] -= alpha * g[i] / (s[i].sqrt() + 1e-10);
            }
        }
    }
}

fn against<O: Optimizer<f32>>(
    len: usize,
    mut optimizer: O,
    mut by_hand: impl FnMut(&[usize], &[f32], [&mut [f32]; 3]),
) -> (f64, f64) {
    let batches = batches(len);
    let values = gradient::<f32>(TOUCHED * COLUMNS);
    let values = ArrayView2::from_shape((TOUCHED, COLUMNS), values.as_slice().unwrap()).unwrap();
    let n = len * COLUMNS;
    let mut table = Array2::from_elem((len, COLUMNS), 1.0_f32);
    optimizer.step(&mut table, &Array2::from_elem((len, COLUMNS), 0.1)).expect("one shape");
    let [mut w, mut m, mut v] = [1.0, 0.01, 0.01].map(|value| Aligned::new(n, value));
    let (mut i, mut j) = (0, 0);
    duel(
        || {
            i = (i + 1) % BATCHES;
            let rows = batches[i].as_slice();
            optimizer.step(&mut table, &Rows { rows, values }).expect("rows of the table");
        },
        || {
            j = (j + 1) % BATCHES;
            let slots = [w.slice_mut(), m.slice_mut(), v.slice_mut()];
            by_hand(&batches[j], values.as_slice().expect("standard"), slots);
        },
    )
}

fn adam(len: usize, policy: NonFinite) -> (f64, f64) {
    let arch = Arch::new();
    against(len, Adam::new(1e-3).non_finite(policy), move |rows, g, [w, m, v]| {
        arch.dispatch(AdamRows { rows, g, w, m, v, alpha: 1e-3, correction: 1.0 });
    })
}

fn adagrad(len: usize, policy: NonFinite) -> (f64, f64) {
    let arch = Arch::new();
    against(len, AdaGrad::new(1e-3).non_finite(policy), move |rows, g, [w, s, _]| {
        arch.dispatch(AdaGradRows { rows, g, w, s, alpha: 1e-3 });
    })
}

type Duel = fn(usize, NonFinite) -> (f64, f64);

/// 600 rows of tables of three sizes; the last has a guard as well.
pub fn rows() -> Section {
    let mut all = Vec::new();
    for (name, run) in [("Adam", adam as Duel), ("AdaGrad", adagrad)] {
        for len in [6_000, 60_000, 600_000] {
            let what = format!("{name} f32, {TOUCHED} of {len} rows of {COLUMNS}");
            let none = NonFinite::Propagate;
            all.push(Row::ratio(what, TOUCHED * COLUMNS, 1.2, move || run(len, none)));
        }
        let what = format!("{name} f32, {TOUCHED} of 60000 rows of {COLUMNS}, guard");
        let guard = NonFinite::Reject;
        all.push(Row::ratio(what, TOUCHED * COLUMNS, 1.4, move || run(60_000, guard)));
    }
    Section { name: "rows", title: "Gradients of few rows", rows: all }
}
