//! Layouts, and a generator of input.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use thalweg::Scalar;

/// Numbers in [-1, 1) that are the same in every run: a multiplicative congruence (Lehmer).
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(2 * seed + 1)
    }

    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x9e37_79b9_7f4a_7c15);
        (self.0 >> 11) as f64 * 2.0_f64.powi(-52) - 1.0
    }

    pub fn array<F: Scalar>(&mut self, rows: usize, columns: usize, size: f64) -> Array2<F> {
        Array2::from_shape_simple_fn((rows, columns), || F::from_f64(size * self.next()))
    }
}

/// Calls `with` with views of this content: column-major, backwards, and every second of a larger
/// array, whose other elements it then checks.
pub fn in_layouts<F: Scalar>(content: &Array2<F>, mut with: impl FnMut(ArrayViewMut2<'_, F>)) {
    let (rows, columns) = content.dim();
    let mut columns_first = content.t().as_standard_layout().into_owned();
    with(columns_first.view_mut().reversed_axes());
    let mut backwards = content.slice(s![..;-1, ..;-1]).to_owned();
    with(backwards.slice_mut(s![..;-1, ..;-1]));
    let between = F::from_f64(-77.0);
    let mut larger = Array2::from_elem((2 * rows, 3 * columns + 1), between);
    larger.slice_mut(s![..;2, 1..;3]).assign(content);
    with(larger.slice_mut(s![..;2, 1..;3]));
    larger.slice_mut(s![..;2, 1..;3]).fill(between);
    assert!(larger.iter().all(|&x| x == between), "wrote outside the view");
}

pub fn bits<F: Scalar>(array: ArrayView2<'_, F>) -> Vec<u64> {
    array.iter().map(|x| x.into_f64().to_bits()).collect()
}
