//! Every solver on data that lie on many ranks.

use ndarray::{Array1, Array2, array};
use thalweg::distributed::{Sum, Threads};
use thalweg::solvers::{
    BarzilaiBorwein, Bfgs, ConjugateGradient, Flat, FlatMut, Lbfgs, NewtonCg, Objective,
    ScaledConjugateGradient, Solver, Stop, WithHessian, WithValue, minimize,
};
use thalweg::{Error, ErrorKind};

use super::support::on_ranks;

/// Σ over rows of log(1 + e^(-y·xᵀw)) + ½·0.01·‖w‖², of which each shard has some rows.
#[derive(Debug, Clone)]
struct Logistic {
    x: Array2<f64>,
    y: Array1<f64>,
    l2: f64,
}

fn logistic(shard: usize, shards: usize) -> Logistic {
    let rows = thalweg::distributed::rows_of(40, shard, shards);
    let x = Array2::from_shape_fn((rows.len(), 3), |(i, j)| {
        ((rows.start + i) as f64 * 0.7 + j as f64 * 1.3).sin()
    });
    let y = rows.map(|i| if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
    Logistic { x, y, l2: 0.1 / shards as f64 }
}

impl Logistic {
    fn value_and_gradient(&self, w: &Array1<f64>) -> (f64, Array1<f64>) {
        let margins = self.x.dot(w) * &self.y;
        let value = margins.iter().map(|m| (-m).exp().ln_1p()).sum::<f64>();
        let by_margin = margins.mapv(|m| -1.0 / (1.0 + m.exp())) * &self.y;
        (value + 0.5 * self.l2 * w.dot(w), self.x.t().dot(&by_margin) + w * self.l2)
    }

    fn hessian_vector(&self, w: &Array1<f64>, v: &Array1<f64>) -> Array1<f64> {
        let margins = self.x.dot(w) * &self.y;
        let weights = margins.mapv(|m| 1.0 / ((1.0 + m.exp()) * (1.0 + (-m).exp())));
        self.x.t().dot(&(self.x.dot(v) * weights)) + v * self.l2
    }
}

type Make = fn() -> Box<dyn Solver<f64>>;

/// The gradient of all at a point, by one process and rows in one go.
fn whole_gradient(w: &Array1<f64>) -> Array1<f64> {
    logistic(0, 1).value_and_gradient(w).1
}

fn run(size: usize, shards: usize, solver: Make) -> Vec<(Array1<f64>, u64)> {
    let runs = on_ranks(size, move |ranks: Threads| {
        let mut objective = Sum::new(ranks, shards, |shard| {
            let of = logistic(shard, shards);
            let (value, product) = (of.clone(), of.clone());
            let whole = move |w: &Array1<f64>| of.value_and_gradient(w);
            let whole = WithValue::new(whole, move |w: &Array1<f64>| value.value_and_gradient(w).0);
            WithHessian::new(whole, move |w: &Array1<f64>, v: Flat<'_, f64>| {
                product.hessian_vector(w, &Array1::from(v.as_slice().to_vec()))
            })
        });
        let mut w = array![0.5, -1.0, 2.0];
        let stop = Stop::default().gradient_max(1e-9);
        let report = minimize(&mut *solver(), &mut w, &mut objective, stop)?;
        assert!(report.status.is_converged(), "{report}");
        Ok((w, report.evaluations.total()))
    });
    runs.unwrap()
}

#[test]
fn every_solver_goes_one_way_on_any_number_of_ranks() {
    let solvers: [Make; 6] = [
        || Box::new(Lbfgs::new()),
        || Box::new(ConjugateGradient::new()),
        || Box::new(Bfgs::new()),
        || Box::new(NewtonCg::new()),
        || Box::new(BarzilaiBorwein::new()),
        || Box::new(ScaledConjugateGradient::new()),
    ];
    for solver in solvers {
        for shards in [4, 5] {
            let alone = run(1, shards, solver).remove(0);
            assert!(whole_gradient(&alone.0).iter().all(|g| g.abs() < 1e-8));
            for size in 2..=4 {
                assert!(run(size, shards, solver).iter().all(|found| *found == alone));
            }
        }
    }
}

#[test]
fn an_error_of_one_shard_is_that_of_all() {
    for bad in 0..4 {
        let errors = on_ranks(3, move |ranks: Threads| {
            let mut calls = 0;
            let mut objective = Sum::new(ranks, 4, |shard| {
                move |w: &Array1<f64>| {
                    calls += 1;
                    match shard == bad && calls > 2 {
                        true => Err(Error::other("the simulation is lost")),
                        false => Ok((w.dot(w), 2.0 * w)),
                    }
                }
            });
            let mut w = array![3.0, 4.0];
            let start = w.clone();
            let stop = Stop::never().evaluations(10);
            let error = minimize(&mut ConjugateGradient::new(), &mut w, &mut objective, stop);
            let error = error.map(|report| format!("{report}"));
            if error.is_err() {
                assert_eq!(w, start);
            }
            Ok(error.map_err(|error| error.to_string()))
        });
        let errors = errors.unwrap();
        assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    }
    let error = on_ranks(3, |ranks: Threads| {
        let mut objective = Sum::new(ranks, 2, |_| |w: &Array1<f64>| (w.dot(w), 2.0 * w));
        minimize(&mut Lbfgs::new(), &mut array![1.0], &mut objective, Stop::default()).map(drop)
    });
    assert!(matches!(error.unwrap_err().kind(), ErrorKind::Hyperparameter { name: "shards", .. }));
}

/// A gradient that leaves an element unwritten is found, as it is in one process.
#[test]
fn what_is_not_written_is_not_a_number() {
    #[derive(Debug)]
    struct Half;
    impl Objective<f64, Array1<f64>> for Half {
        fn value_and_gradient(
            &mut self,
            w: &Array1<f64>,
            gradient: &mut FlatMut<'_, f64>,
        ) -> Result<f64, Error> {
            gradient.as_mut_slice()[0] = w[0];
            Ok(0.5 * w[0] * w[0])
        }
    }
    let mut w = array![1.0, 2.0];
    let alone = minimize(&mut Lbfgs::new(), &mut w, &mut Half, Stop::default()).unwrap();
    let expected = format!("{:?}", alone.status);
    assert!(expected.contains("Unwritten"), "{expected}");
    for (size, shards) in [(1, 1), (1, 2), (3, 4)] {
        let found = on_ranks(size, move |ranks: Threads| {
            let mut sum = Sum::new(ranks, shards, |_| Half);
            minimize(&mut Lbfgs::new(), &mut array![1.0, 2.0], &mut sum, Stop::default())
        });
        for report in found.unwrap() {
            assert_eq!(format!("{:?}", report.status), expected);
        }
    }
}
