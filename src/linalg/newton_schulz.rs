//! The nearest orthogonal matrix, roughly, by Newton-Schulz iteration.

use super::product::{Panels, Product, product};
use crate::reduce::How;
use crate::scalar::Scalar;

/// Memory for the iteration, kept from one to the next.
#[derive(Debug)]
pub(crate) struct Workspace<F> {
    /// The matrix, row-major; no more rows than columns.
    pub(crate) x: Vec<F>,
    /// A second one of its size.
    pub(crate) y: Vec<F>,
    gram: Vec<F>,
    polynomial: Vec<F>,
    panels: Panels<F>,
}

impl<F> Default for Workspace<F> {
    fn default() -> Self {
        let none = Vec::new;
        Self { x: none(), y: none(), gram: none(), polynomial: none(), panels: Panels::default() }
    }
}

impl<F: Scalar> Workspace<F> {
    /// Makes `x` and `y` large enough for `rows` × `columns`.
    pub(crate) fn reserve(&mut self, rows: usize, columns: usize) {
        let grow = |list: &mut Vec<F>, len: usize| {
            if list.len() < len {
                list.resize(len, F::zero());
            }
        };
        grow(&mut self.x, rows * columns);
        grow(&mut self.y, rows * columns);
        grow(&mut self.gram, rows * rows);
        grow(&mut self.polynomial, rows * rows);
        self.panels.reserve(columns, rows);
        self.panels.reserve(rows, columns);
    }

    /// x = a·x + (b·A + c·A²)·x of A = x·xᵀ, `steps` times; `x` is `rows` × `columns`.
    pub(crate) fn iterate(
        &mut self,
        (rows, columns): (usize, usize),
        [a, b, c]: [f64; 3],
        steps: u32,
        how: How,
    ) {
        let [a, b, c] = [a, b, c].map(F::from_f64);
        let Self { x, y, gram, polynomial, panels } = self;
        let gram = &mut gram[..rows * rows];
        let polynomial = &mut polynomial[..rows * rows];
        for _ in 0..steps {
            let (x_now, y_now) = (&x[..rows * columns], &mut y[..rows * columns]);
            let panel = panels.pack(columns, rows, |p, j| x_now[j * columns + p]);
            product(
                Product {
                    a: x_now,
                    panels: panel,
                    inner: columns,
                    n: rows,
                    c: gram,
                    factor: F::one(),
                    plus: None,
                },
                how,
            );
            let panel = panels.pack(rows, rows, |p, j| gram[p * rows + j]);
            let plus = Some((b, &*gram));
            product(
                Product {
                    a: gram,
                    panels: panel,
                    inner: rows,
                    n: rows,
                    c: polynomial,
                    factor: c,
                    plus,
                },
                how,
            );
            let panel = panels.pack(rows, columns, |p, j| x_now[p * columns + j]);
            let plus = Some((a, x_now));
            product(
                Product {
                    a: polynomial,
                    panels: panel,
                    inner: rows,
                    n: columns,
                    c: y_now,
                    factor: F::one(),
                    plus,
                },
                how,
            );
            std::mem::swap(x, y);
        }
    }
}
