//! A step with rows allocates nothing once it has seen as many.

use ndarray::{Array1, Array2, ShapeBuilder};
use thalweg::params::Rows;
use thalweg::{Params, ParamsMut};

use super::support::*;
use crate::counting::allocations_of;

#[track_caller]
fn assert_steady(what: &str, w: &mut dyn ParamsMut<f64>, g: [&dyn Params<f64>; 2]) {
    for entry in taking_rows::<f64>() {
        for mut settings in variants() {
            settings.sparse = true;
            let mut optimizer = entry.build(RATE, settings);
            g.iter().for_each(|g| _ = optimizer.step(w, *g).unwrap());
            let calls = allocations_of(|| {
                for g in [g[0], g[1], g[0]] {
                    optimizer.step(w, g).unwrap();
                }
            });
            assert_eq!(calls, 0, "{} on {what}", entry.name);
        }
    }
}

#[test]
fn rows_allocate_nothing() {
    let values = || Array2::from_elem((40, 7), 0.5);
    let rows: Vec<usize> = shuffled(100, 1).into_iter().take(38).chain([5, 5]).collect();
    let some = Rows { rows, values: values() };
    let other = Rows { rows: vec![3_u32, 99, 3], values: Array2::from_elem((3, 7), 0.5) };
    assert_steady("a table", &mut Array2::ones((100, 7)), [&some, &other]);
    assert_steady("a table by columns", &mut Array2::ones((100, 7).f()), [&some, &other]);
    let mut large = Array2::ones((100, 14));
    let mut window = large.slice_mut(ndarray::s![.., ..;2]);
    assert_steady("a table with gaps", &mut window, [&some, &other]);
    let wide = Rows { rows: shuffled(60, 1), values: Array2::from_elem((60, 700), 0.5) };
    let turned =
        Rows { rows: shuffled(60, 2), values: Array2::from_elem((700, 60), 0.5).reversed_axes() };
    assert_steady("long rows", &mut Array2::ones((90, 700)), [&wide, &turned]);
    let numbers = Rows { rows: [7_usize, 2], values: Array1::ones(2) };
    let none: Option<Array1<f64>> = None;
    let bias = Array1::from_elem(3, 0.5);
    assert_steady(
        "several leaves",
        &mut (Array2::ones((100, 7)), Array1::ones(9), Array1::ones(3)),
        [&(&some, &numbers, &bias), &(&other, &none, &bias)],
    );
}
