//! The 27 nonlinear fits of NIST's StRD as objectives, from the files in `tests/data/nist`.
#![allow(dead_code, unreachable_pub)]

use std::f64::consts::PI;

use ndarray::{Array1, Array2};
use num_dual::{Dual64, DualNum};
use thalweg::Error;
use thalweg::solvers::least_squares::Residuals;
use thalweg::solvers::{FlatMut, Objective};

/// ŷ for the parameters and one row of predictors.
type Model = fn(&[Dual64], &[f64]) -> Dual64;

/// A fit: the sum of squares of ŷ - y.
#[derive(Debug, Clone)]
pub struct Fit {
    pub name: &'static str,
    pub starts: [Vec<f64>; 2],
    /// The certified parameters and sum of squares.
    pub at: Vec<f64>,
    /// The certified standard deviations of the parameters.
    pub deviations: Vec<f64>,
    pub minimum: f64,
    model: Model,
    /// Of each observation, y and its predictors.
    data: Vec<Vec<f64>>,
}

impl Fit {
    fn read(name: &'static str, file: &str, model: Model) -> Self {
        let lines: Vec<&str> = file.lines().collect();
        let numbers = |text: &str| -> Vec<f64> {
            text.split_whitespace().map(|x| x.parse().unwrap()).collect()
        };
        let is_parameter = |line: &&&str| line.trim_start().starts_with('b') && line.contains(" =");
        let rows = lines[40..50].iter().filter(is_parameter);
        let rows: Vec<Vec<f64>> =
            rows.map(|line| numbers(line.split_once('=').unwrap().1)).collect();
        let column = |i: usize| rows.iter().map(|row| row[i]).collect();
        let sum = lines.iter().find_map(|line| line.strip_prefix("Residual Sum of Squares:"));
        let data = lines[60..].iter().filter(|line| !line.trim().is_empty());
        let mut data: Vec<Vec<f64>> = data.map(|line| numbers(line)).collect();
        if name == "Nelson" {
            data.iter_mut().for_each(|row| row[0] = row[0].ln());
        }
        let minimum = sum.unwrap().trim().parse().unwrap();
        let [first, second, at, deviations] = [0, 1, 2, 3].map(column);
        Self { name, starts: [first, second], at, deviations, minimum, model, data }
    }

    /// f, and ∇f into `gradient`, by dual numbers.
    pub fn evaluate(&self, b: &[f64], gradient: &mut [f64]) -> f64 {
        let mut dual: Vec<Dual64> = b.iter().map(|&b| Dual64::from(b)).collect();
        let mut f = 0.0;
        for (j, g) in gradient.iter_mut().enumerate() {
            dual[j].eps = 1.0;
            (f, *g) = (0.0, 0.0);
            for row in &self.data {
                let r = (self.model)(&dual, &row[1..]) - row[0];
                f += r.re * r.re;
                *g += 2.0 * r.re * r.eps;
            }
            dual[j].eps = 0.0;
        }
        f
    }
}

/// As a problem of least squares, with the derivatives by dual numbers.
impl Residuals<f64, Array1<f64>> for &Fit {
    fn residuals(&mut self, w: &Array1<f64>) -> Result<Array1<f64>, Error> {
        let dual: Vec<Dual64> = w.iter().map(|&b| Dual64::from(b)).collect();
        Ok(self.data.iter().map(|row| (self.model)(&dual, &row[1..]).re - row[0]).collect())
    }

    fn jacobian(&mut self, w: &Array1<f64>, _: &Array1<f64>) -> Result<Array2<f64>, Error> {
        let mut dual: Vec<Dual64> = w.iter().map(|&b| Dual64::from(b)).collect();
        let mut jacobian = Array2::zeros((self.data.len(), w.len()));
        for j in 0..w.len() {
            dual[j].eps = 1.0;
            for (i, row) in self.data.iter().enumerate() {
                jacobian[[i, j]] = (self.model)(&dual, &row[1..]).eps;
            }
            dual[j].eps = 0.0;
        }
        Ok(jacobian)
    }
}

impl Objective<f64, Array1<f64>> for Fit {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        Ok(self.evaluate(&w.to_vec(), gradient.as_mut_slice()))
    }
}

fn cubics(b: &[Dual64], x: &[f64]) -> Dual64 {
    let x = x[0];
    let above = b[0] + b[1] * x + b[2] * x.powi(2) + b[3] * x.powi(3);
    above / (b[4] * x + b[5] * x.powi(2) + b[6] * x.powi(3) + 1.0)
}

fn bells(b: &[Dual64], x: &[f64]) -> Dual64 {
    let bell = |i: usize| {
        let d = (-b[i + 1] + x[0]) / b[i + 2];
        b[i] * (-d * d).exp()
    };
    decay(b, x, 0) + bell(2) + bell(5)
}

/// bᵢ·exp(-bᵢ₊₁x)
fn decay(b: &[Dual64], x: &[f64], i: usize) -> Dual64 {
    b[i] * (-b[i + 1] * x[0]).exp()
}

fn decays(b: &[Dual64], x: &[f64]) -> Dual64 {
    decay(b, x, 0) + decay(b, x, 2) + decay(b, x, 4)
}

fn chwirut(b: &[Dual64], x: &[f64]) -> Dual64 {
    (-b[0] * x[0]).exp() / (b[1] + b[2] * x[0])
}

fn enso(b: &[Dual64], x: &[f64]) -> Dual64 {
    let turn = 2.0 * PI * x[0];
    let wave = |i: usize| {
        let angle = b[i].recip() * turn;
        b[i + 1] * angle.cos() + b[i + 2] * angle.sin()
    };
    let year = turn / 12.0;
    b[0] + b[1] * year.cos() + b[2] * year.sin() + wave(3) + wave(6)
}

fn mgh09(b: &[Dual64], x: &[f64]) -> Dual64 {
    let square = x[0] * x[0];
    b[0] * (b[1] * x[0] + square) / (b[2] * x[0] + square + b[3])
}

fn kirby2(b: &[Dual64], x: &[f64]) -> Dual64 {
    let (x, square) = (x[0], x[0] * x[0]);
    (b[0] + b[1] * x + b[2] * square) / (b[3] * x + b[4] * square + 1.0)
}

/// 1 + exp(b₁ - b₂x)
fn sigmoid(b: &[Dual64], x: &[f64]) -> Dual64 {
    (b[1] - b[2] * x[0]).exp() + 1.0
}

/// All of them.
#[rustfmt::skip]
pub fn fits() -> Vec<Fit> {
    macro_rules! fit {
        ($name:literal, $model:expr) => {
            Fit::read($name, include_str!(concat!("../data/nist/", $name, ".dat")), $model)
        };
    }
    vec![
        fit!("Bennett5", |b, x| b[0] * ((b[1] + x[0]).ln() / -b[2]).exp()),
        fit!("BoxBOD", |b, x| b[0] * (-(-b[1] * x[0]).exp() + 1.0)),
        fit!("Chwirut1", chwirut),
        fit!("Chwirut2", chwirut),
        fit!("DanWood", |b, x| b[0] * (b[1] * x[0].ln()).exp()),
        fit!("ENSO", enso),
        fit!("Eckerle4", |b, x| {
            let d = (-b[2] + x[0]) / b[1];
            b[0] / b[1] * (d * d * -0.5).exp()
        }),
        fit!("Gauss1", bells),
        fit!("Gauss2", bells),
        fit!("Gauss3", bells),
        fit!("Hahn1", cubics),
        fit!("Kirby2", kirby2),
        fit!("Lanczos1", decays),
        fit!("Lanczos2", decays),
        fit!("Lanczos3", decays),
        fit!("MGH09", mgh09),
        fit!("MGH10", |b, x| b[0] * (b[1] / (b[2] + x[0])).exp()),
        fit!("MGH17", |b, x| b[0] + b[1] * (-b[3] * x[0]).exp() + b[2] * (-b[4] * x[0]).exp()),
        fit!("Misra1a", |b, x| b[0] * (-(-b[1] * x[0]).exp() + 1.0)),
        fit!("Misra1b", |b, x| b[0] * (-(b[1] * x[0] * 0.5 + 1.0).powi(-2) + 1.0)),
        fit!("Misra1c", |b, x| b[0] * (-(b[1] * x[0] * 2.0 + 1.0).sqrt().recip() + 1.0)),
        fit!("Misra1d", |b, x| b[0] * b[1] * x[0] / (b[1] * x[0] + 1.0)),
        fit!("Nelson", |b, x| b[0] - b[1] * x[0] * (-b[2] * x[1]).exp()),
        fit!("Rat42", |b, x| b[0] / sigmoid(b, x)),
        fit!("Rat43", |b, x| b[0] / (sigmoid(b, x).ln() / b[3]).exp()),
        fit!("Roszman1", |b, x| b[0] - b[1] * x[0] - (b[2] / (-b[3] + x[0])).atan() / PI),
        fit!("Thurber", cubics),
    ]
}
