//! A table of which a step touches few rows, against a loop over the rows written by hand.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use pulp::Arch;
use thalweg::params::Rows;
use thalweg::{AdaGrad, Adam, Momentum, NonFinite, Optimizer, Sgd};

use crate::loops::aligned_gradient;
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

/// A row in a room of its own: of slices it would be asked for each row whether they overlap, or the loop not
/// be vectorized.
#[inline(always)]
fn lifted(from: &[f32], at: usize) -> [f32; COLUMNS] {
    let mut room = [0.0; COLUMNS];
    room.copy_from_slice(&from[row(at)]);
    room
}

/// What the loops by hand have: rows, their gradients, the parameter, two slots, and α.
struct Table<'a> {
    rows: &'a [usize],
    g: &'a [f32],
    w: &'a mut [f32],
    slots: [&'a mut [f32]; 2],
    alpha: f32,
}

macro_rules! by_hand {
    ($name:ident, $table:ident, $at:ident, $g:ident, $body:block) => {
        struct $name<'a>(Table<'a>);

        impl pulp::WithSimd for $name<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, _: S) {
                let $table = self.0;
                for (&$at, $g) in $table.rows.iter().zip($table.g.as_chunks::<COLUMNS>().0) $body
            }
        }
    };
}

by_hand!(SgdRows, table, at, g, {
    let mut w = lifted(table.w, at);
    for i in 0..COLUMNS {
        w[i] -= table.alpha * g[i];
    }
    table.w[row(at)].copy_from_slice(&w);
});

by_hand!(MomentumRows, table, at, g, {
    let (mut w, mut m) = (lifted(table.w, at), lifted(table.slots[0], at));
    for i in 0..COLUMNS {
        m[i] = 0.9 * m[i] + g[i];
        w[i] -= table.alpha * m[i];
    }
    table.w[row(at)].copy_from_slice(&w);
    table.slots[0][row(at)].copy_from_slice(&m);
});

by_hand!(AdaGradRows, table, at, g, {
    let (mut w, mut s) = (lifted(table.w, at), lifted(table.slots[0], at));
    for i in 0..COLUMNS {
        s[i] += g[i] * g[i];
        w[i] -= table.alpha * g[i] / (s[i].sqrt() + 1e-10);
    }
    table.w[row(at)].copy_from_slice(&w);
    table.slots[0][row(at)].copy_from_slice(&s);
});

by_hand!(AdamRows, table, at, g, {
    let mut w = lifted(table.w, at);
    let (mut m, mut v) = (lifted(table.slots[0], at), lifted(table.slots[1], at));
    for i in 0..COLUMNS {
        m[i] = 0.9 * m[i] + 0.1 * g[i];
        v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
        w[i] -= table.alpha * m[i] / (v[i].sqrt() + 1e-8);
    }
    table.w[row(at)].copy_from_slice(&w);
    table.slots[0][row(at)].copy_from_slice(&m);
    table.slots[1][row(at)].copy_from_slice(&v);
});

fn against<O: Optimizer<f32>>(
    len: usize,
    mut optimizer: O,
    by_hand: fn(Arch, Table<'_>),
) -> (f64, f64) {
    let (arch, batches) = (Arch::new(), batches(len));
    let values = aligned_gradient::<f32>(TOUCHED * COLUMNS);
    let values = values.view();
    let g = values.as_slice().expect("a slice");
    let values = ArrayView2::from_shape((TOUCHED, COLUMNS), g).expect("as many");
    let n = len * COLUMNS;
    let mut table = Aligned::new(n, 1.0_f32);
    let mut table = ArrayViewMut2::from_shape((len, COLUMNS), table.slice_mut()).expect("as many");
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
            let slots = [m.slice_mut(), v.slice_mut()];
            let (rows, w) = (&batches[j], w.slice_mut());
            by_hand(arch, Table { rows, g, w, slots, alpha: 1e-3 });
        },
    )
}

fn sgd(len: usize, policy: NonFinite) -> (f64, f64) {
    let by_hand = |arch: Arch, table: Table<'_>| arch.dispatch(SgdRows(table));
    against(len, Sgd::new(1e-3).non_finite(policy), by_hand)
}

fn momentum(len: usize, policy: NonFinite) -> (f64, f64) {
    let by_hand = |arch: Arch, table: Table<'_>| arch.dispatch(MomentumRows(table));
    against(len, Momentum::new(1e-3).non_finite(policy), by_hand)
}

fn adagrad(len: usize, policy: NonFinite) -> (f64, f64) {
    let by_hand = |arch: Arch, table: Table<'_>| arch.dispatch(AdaGradRows(table));
    against(len, AdaGrad::new(1e-3).non_finite(policy), by_hand)
}

fn adam(len: usize, policy: NonFinite) -> (f64, f64) {
    let by_hand = |arch: Arch, table: Table<'_>| arch.dispatch(AdamRows(table));
    against(len, Adam::new(1e-3).non_finite(policy), by_hand)
}

type Duel = fn(usize, NonFinite) -> (f64, f64);

/// 600 rows of tables of three sizes; the last has a guard as well.
pub fn rows() -> Section {
    let mut all = Vec::new();
    let names: [(_, Duel); 4] =
        [("SGD", sgd), ("Momentum", momentum), ("AdaGrad", adagrad), ("Adam", adam)];
    for (name, run) in names {
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
