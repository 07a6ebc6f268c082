//! Layouts other than row-major.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, ShapeBuilder, Slice};
use thalweg::{Adam, NonFinite, Optimizer};

use crate::measure::{Row, Section, duel};

const ROWS: usize = 1000;
const EVERY_SECOND: Slice = Slice { start: 0, end: None, step: 2 };

fn adam() -> Adam<f32> {
    Adam::new(1e-3).non_finite(NonFinite::Propagate).parallel_above(usize::MAX)
}

/// A step on `w` and `g` against one on row-major arrays of that shape.
fn against_row_major(mut w: ArrayViewMut2<'_, f32>, g: ArrayView2<'_, f32>) -> (f64, f64) {
    let mut plain = Array2::from_elem(w.raw_dim(), 1.0);
    let plain_g = Array2::from_elem(w.raw_dim(), 0.5);
    let (mut a, mut b) = (adam(), adam());
    duel(
        || _ = a.step(&mut w, &g).expect("one shape"),
        || _ = b.step(&mut plain, &plain_g).expect("one shape"),
    )
}

/// Adam on f32 in several layouts against row-major arrays of the same shape.
pub fn layouts() -> Section {
    let mut rows = Vec::new();
    for columns in [100, 1000] {
        let n = ROWS * columns;
        let mut row = |what: &str, limit: f64, run: Box<dyn Fn() -> (f64, f64)>| {
            rows.push(Row::ratio(format!("{what}, {n}"), n, limit, run));
        };
        let ones = Array2::<f32>::ones;
        row(
            "column-major",
            1.05,
            Box::new(move || {
                let (mut w, g) =
                    (Array2::ones((ROWS, columns).f()), Array2::ones((ROWS, columns).f()));
                against_row_major(w.view_mut(), g.view())
            }),
        );
        row(
            "transposed",
            1.05,
            Box::new(move || {
                let (mut w, g) = (ones((columns, ROWS)), ones((columns, ROWS)));
                against_row_major(w.view_mut().reversed_axes(), g.t())
            }),
        );
        row(
            "every second column",
            4.0,
            Box::new(move || {
                let (mut w, g) = (ones((ROWS, 2 * columns)), ones((ROWS, 2 * columns)));
                let w = w.slice_axis_mut(Axis(1), EVERY_SECOND);
                against_row_major(w, g.slice_axis(Axis(1), EVERY_SECOND))
            }),
        );
        row(
            "gradient every second column",
            4.0,
            Box::new(move || {
                let (mut w, g) = (ones((ROWS, columns)), ones((ROWS, 2 * columns)));
                against_row_major(w.view_mut(), g.slice_axis(Axis(1), EVERY_SECOND))
            }),
        );
        row(
            "gradient column-major",
            f64::INFINITY,
            Box::new(move || {
                let (mut w, g) = (ones((ROWS, columns)), Array2::ones((ROWS, columns).f()));
                against_row_major(w.view_mut(), g.view())
            }),
        );
    }
    Section { name: "layout", title: "Layouts against row-major (Adam f32)", rows }
}
