//! Objectives around others: what is inside is asked as if nothing were around it.

use std::cell::Cell;

use ndarray::{Array1, Array2, ArrayViewMut2, array};
use thalweg::Error;
use thalweg::distributed::{Solo, Sum};
use thalweg::params::Bounds;
use thalweg::solvers::{
    Flat, FlatMut, L1, Lbfgs, Linearization, Objective, Stop, WithHessian, WithHessianMatrix,
    WithL1, WithValue, minimize_within,
};

type Point = Array1<f64>;
type Ends<'e> = Option<(Flat<'e, f64>, Flat<'e, f64>)>;

/// ½‖w‖² with all that an objective can have; counts how often it is told of bounds.
struct Whole<'c> {
    l1: Option<L1>,
    told: &'c Cell<u32>,
}

impl Objective<f64, Point> for Whole<'_> {
    fn value_and_gradient(&mut self, w: &Point, g: &mut FlatMut<'_, f64>) -> Result<f64, Error> {
        g.as_mut_slice().copy_from_slice(w.as_slice().unwrap());
        Ok(0.5 * w.dot(w))
    }

    fn has_value(&self) -> bool {
        true
    }

    fn value(&mut self, w: &Point) -> Result<f64, Error> {
        Ok(0.5 * w.dot(w))
    }

    fn l1(&self) -> Option<&L1> {
        self.l1.as_ref()
    }

    fn within(&mut self, _: Ends<'_>) {
        self.told.set(self.told.get() + 1);
    }

    fn has_hessian_vector(&self) -> bool {
        true
    }

    fn hessian_vector(
        &mut self,
        _: &Point,
        v: Flat<'_, f64>,
        product: &mut FlatMut<'_, f64>,
    ) -> Result<(), Error> {
        product.as_mut_slice().copy_from_slice(v.as_slice());
        Ok(())
    }

    fn has_hessian(&self) -> bool {
        true
    }

    fn hessian(&mut self, w: &Point, mut hessian: ArrayViewMut2<'_, f64>) -> Result<(), Error> {
        hessian.assign(&Array2::eye(w.len()));
        Ok(())
    }

    fn has_residuals(&self) -> bool {
        true
    }

    fn linearize(&mut self, w: &Point) -> Result<Linearization, Error> {
        Ok(Linearization {
            residuals: w.clone(),
            jacobian: Array2::eye(w.len()),
            rows: Array1::ones(w.len()),
        })
    }

    fn residuals(&mut self, w: &Point) -> Result<Array1<f64>, Error> {
        Ok(w.clone())
    }
}

/// What an objective has.
fn has(objective: &impl Objective<f64, Point>) -> [bool; 5] {
    [
        objective.has_value(),
        objective.has_hessian_vector(),
        objective.has_hessian(),
        objective.has_residuals(),
        objective.l1().is_some(),
    ]
}

#[test]
fn what_is_around_an_objective_hides_nothing_of_it() {
    let told = Cell::new(0);
    let whole = || Whole { l1: Some(L1::new(0.5)), told: &told };
    let value = |w: &Point| 0.5 * w.dot(w);
    let product = |_: &Point, v: Flat<'_, f64>| v.view().to_owned();
    let matrix = |w: &Point| Array2::<f64>::eye(w.len());
    let w = array![1.0, 2.0];

    let mut with_value = WithValue::new(whole(), value);
    let mut with_product = WithHessian::new(whole(), product);
    let mut with_matrix = WithHessianMatrix::new(whole(), matrix);
    assert_eq!(has(&with_value), [true; 5]);
    assert_eq!(has(&with_product), [true; 5]);
    assert_eq!(has(&with_matrix), [true; 5]);
    let answers = |objective: &mut dyn Objective<f64, Point>| {
        let mut hessian = Array2::from_elem((2, 2), f64::NAN);
        objective.hessian(&w, hessian.view_mut()).unwrap();
        let linearization = objective.linearize(&w).unwrap();
        (objective.value(&w).unwrap(), hessian, linearization.jacobian, objective.residuals(&w))
    };
    for objective in
        [&mut with_value as &mut dyn Objective<_, _>, &mut with_product, &mut with_matrix]
    {
        let (value, hessian, jacobian, residuals) = answers(objective);
        assert_eq!((value, hessian), (2.5, Array2::eye(2)));
        assert_eq!((jacobian, residuals.unwrap()), (Array2::eye(2), w.clone()));
    }
    // With a penalty it is no sum of squares any more.
    assert_eq!(has(&WithL1::new(whole(), 1.0)), [true, true, true, false, true]);
    // A sum over shards has no residuals of its own: they lie on many ranks.
    let sum = Sum::new(Solo, 3, |_| Whole { l1: None, told: &told });
    assert_eq!(has(&sum), [true, true, true, false, false]);
}

#[test]
fn bounds_are_told_to_the_innermost_objective() {
    let told = Cell::new(0);
    let whole = || Whole { l1: None, told: &told };
    let bounds = Bounds::new().all(0.5..);
    let run = |minimize: &mut dyn FnMut(&mut Point) -> Result<(), Error>| {
        told.set(0);
        let mut w = array![1.0, 2.0];
        minimize(&mut w).unwrap();
        assert!(told.get() > 0);
        assert_eq!(w, array![0.5, 0.5]);
    };
    let value = |w: &Point| 0.5 * w.dot(w);
    run(&mut |w| {
        let mut objective = WithValue::new(whole(), value);
        minimize_within(&mut Lbfgs::new(), w, &bounds, &mut objective, Stop::default()).map(drop)
    });
    run(&mut |w| {
        let mut objective = WithHessianMatrix::new(whole(), |w: &Point| Array2::eye(w.len()));
        minimize_within(&mut Lbfgs::new(), w, &bounds, &mut objective, Stop::default()).map(drop)
    });
    run(&mut |w| {
        let mut objective = Sum::new(Solo, 2, |_| whole());
        minimize_within(&mut Lbfgs::new(), w, &bounds, &mut objective, Stop::default()).map(drop)
    });
}

#[test]
fn a_penalty_inside_a_sum_is_an_error_that_says_where_it_goes() {
    let told = Cell::new(0);
    let mut sum = Sum::new(Solo, 2, |_| Whole { l1: Some(L1::new(0.5)), told: &told });
    let mut w = array![1.0, 2.0];
    let error = thalweg::solvers::minimize(&mut Lbfgs::new(), &mut w, &mut sum, Stop::default());
    assert!(error.unwrap_err().to_string().contains("`WithL1` around the `Sum`"));
    assert_eq!(w, array![1.0, 2.0]);
}
