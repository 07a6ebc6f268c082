//! Test problems for minimization, shared by tests, benches and examples.
//!
//! The 35 of Moré, Garbow & Hillstrom, "Testing unconstrained optimization software", 1981, by
//! their numbers, each a sum of squares of residuals; a few more that solvers are commonly compared
//! on; and the surfaces of `argmin_testfunctions`.
// Formulas count their indices, and each user takes what it needs.
#![allow(clippy::needless_range_loop, dead_code, unreachable_pub, unused_imports)]

mod cutest;
mod data;
mod fixed;
mod halves;
mod held_out;
mod large;
mod more;
mod surfaces;
mod variable;

use num_dual::{Dual64, DualNum};

pub use cutest::cutest;
pub use halves::{choosing, reporting};
pub use held_out::held_out;
pub use large::large;
pub use more::{chained_rosenbrock, quadratic};
pub use surfaces::{Surface, surfaces};
pub use variable::{extended_rosenbrock, sized};

/// What a problem is computed in: `f64`, or a dual number, whose second part is a derivative.
pub trait Number: DualNum<Primitive = f64> + Copy {}
impl<T: DualNum<Primitive = f64> + Copy> Number for T {}

/// A residual, and the entries of its gradient by their index.
pub type Residual<T> = (T, Vec<(usize, T)>);

/// f and ∇f, summed over the residuals.
pub struct Sum<'a, T> {
    pub value: T,
    pub gradient: &'a mut [T],
    /// Each residual and its gradient, where they are wanted.
    pub residuals: Option<&'a mut Vec<Residual<T>>>,
}

impl<T: Number> Sum<'_, T> {
    /// Adds r², where the gradient of r has these entries.
    pub fn sparse(&mut self, r: T, gradient: impl IntoIterator<Item = (usize, T)>) {
        self.value += r * r;
        if let Some(residuals) = &mut self.residuals {
            residuals.push((r, gradient.into_iter().collect()));
            return;
        }
        for (j, d) in gradient {
            self.gradient[j] += r * d * 2.0;
        }
    }

    /// Adds r², where the gradient of r begins with these entries.
    pub fn square(&mut self, r: T, gradient: impl IntoIterator<Item = T>) {
        self.sparse(r, gradient.into_iter().enumerate());
    }
}

/// A minimum that is published: its value, to the digits known, and where it lies.
#[derive(Debug, Clone)]
pub struct Minimum {
    pub value: f64,
    pub at: Option<Vec<f64>>,
}

/// A function to minimize, with where to begin and where it ends.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The number in the paper; 0 for the others.
    pub number: usize,
    pub name: &'static str,
    pub start: Vec<f64>,
    pub minima: Vec<Minimum>,
    plain: fn(&[f64], &mut Sum<'_, f64>),
    dual: fn(&[Dual64], &mut Sum<'_, Dual64>),
}

impl Problem {
    pub fn dimension(&self) -> usize {
        self.start.len()
    }

    /// Name and dimension.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.dimension())
    }

    /// f, and ∇f into `gradient`.
    pub fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut sum = Sum { value: 0.0, gradient, residuals: None };
        (self.plain)(x, &mut sum);
        sum.value
    }

    /// The residuals, and of each the entries of its gradient by their index.
    pub fn residuals(&self, x: &[f64]) -> Vec<Residual<f64>> {
        let mut residuals = Vec::new();
        let mut sum = Sum { value: 0.0, gradient: &mut [], residuals: Some(&mut residuals) };
        (self.plain)(x, &mut sum);
        residuals
    }

    /// f alone.
    pub fn value(&self, x: &[f64]) -> f64 {
        self.evaluate(x, &mut vec![0.0; x.len()])
    }

    /// f, ∇f, vᵀ∇f as the derivative of f, and the Hessian times v as the derivative of ∇f.
    pub fn along(&self, x: &[f64], v: &[f64]) -> (f64, Vec<f64>, f64, Vec<f64>) {
        let x: Vec<Dual64> = x.iter().zip(v).map(|(&x, &v)| Dual64::new(x, v)).collect();
        let mut gradient = vec![Dual64::from(0.0); x.len()];
        let zero = Dual64::from(0.0);
        let mut sum = Sum { value: zero, gradient: &mut gradient, residuals: None };
        (self.dual)(&x, &mut sum);
        let Sum { value, .. } = sum;
        let parts = |part: fn(&Dual64) -> f64| gradient.iter().map(part).collect();
        (value.re, parts(|g| g.re), value.eps, parts(|g| g.eps))
    }

    /// The Hessian times v, exact.
    pub fn hessian_vector(&self, x: &[f64], v: &[f64]) -> Vec<f64> {
        self.along(x, v).3
    }

    fn minimum(mut self, value: f64) -> Self {
        self.minima.push(Minimum { value, at: None });
        self
    }

    fn minimum_at(mut self, value: f64, at: impl Into<Vec<f64>>) -> Self {
        self.minima.push(Minimum { value, at: Some(at.into()) });
        self
    }
}

/// A problem of that number, name and start, computed by a function that is generic over [`Number`].
macro_rules! problem {
    ($number:expr, $name:expr, $function:path, $start:expr) => {
        $crate::problems::Problem {
            number: $number,
            name: $name,
            start: $start.into(),
            minima: Vec::new(),
            plain: $function,
            dual: $function,
        }
    };
}
pub(crate) use problem;

/// A problem of a function that is generic over [`Number`]; gradients are derivatives by dual numbers.
macro_rules! by_duals {
    ($name:expr, $function:path, $start:expr) => {{
        use num_dual::{Dual, Dual64};

        use $crate::problems::{Problem, Sum};
        fn plain(x: &[f64], sum: &mut Sum<'_, f64>) {
            for j in 0..x.len() {
                let seeded = |(i, &x): (usize, &f64)| Dual64::new(x, f64::from(u8::from(i == j)));
                let x: Vec<Dual64> = x.iter().enumerate().map(seeded).collect();
                sum.gradient[j] = $function(&x).eps;
            }
            sum.value = $function(x);
        }
        fn dual(x: &[Dual64], sum: &mut Sum<'_, Dual64>) {
            for j in 0..x.len() {
                let one = |i: usize| Dual64::from(f64::from(u8::from(i == j)));
                let seeded = |(i, &x): (usize, &Dual64)| Dual::new(x, one(i));
                let x: Vec<Dual<Dual64>> = x.iter().enumerate().map(seeded).collect();
                sum.gradient[j] = $function(&x).eps;
            }
            sum.value = $function(x);
        }
        Problem { number: 0, name: $name, start: $start, minima: Vec::new(), plain, dual }
    }};
}
pub(crate) use by_duals;

/// All problems of the paper, in its order; some in several dimensions.
pub fn more_garbow_hillstrom() -> Vec<Problem> {
    let mut all = fixed::problems();
    all.extend(variable::problems());
    all
}

/// The eleven problems that conjugate gradient and L-BFGS of other libraries were measured on.
pub fn eleven() -> Vec<Problem> {
    let all = more_garbow_hillstrom();
    let named = |number: usize, dimension: usize| {
        all.iter().find(|p| p.number == number && p.dimension() == dimension).unwrap().clone()
    };
    vec![
        named(1, 2),
        named(5, 2),
        named(7, 3),
        named(13, 4),
        named(14, 4),
        named(21, 100),
        more::chained_rosenbrock(100),
        named(25, 10),
        named(30, 100),
        named(23, 10),
        more::quadratic(100, 1e4),
    ]
}

/// Every problem once: those of the paper, and what the eleven add to them.
pub fn all() -> Vec<Problem> {
    let mut all = more_garbow_hillstrom();
    all.extend([more::chained_rosenbrock(100), more::quadratic(100, 1e4)]);
    all
}
