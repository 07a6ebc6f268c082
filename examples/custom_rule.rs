//! An optimizer of one's own: the rule is written here, the rest comes with it.
//!
//! `cargo run --release --example custom_rule`

use ndarray::{Array1, Array2, array};
use thalweg::regularize::Penalty;
use thalweg::rule::{Clock, Interval};
use thalweg::{Elementwise, Error, Momentum, NonFinite, Optimizer, Rule, Scalar, Sgd};

/// **QHM**, quasi-hyperbolic momentum: m = βm + (1-β)g, Δw = -α((1-ν)g + νm).
///
/// Source: Ma & Yarats, "Quasi-hyperbolic momentum and Adam for deep learning", 2019.
#[derive(Debug, Clone)]
struct Qhm {
    momentum: f64,
    nu: f64,
}

impl<F: Scalar> Rule<F> for Qhm {
    const NAME: &'static str = "QHM";
    const SLOTS: &'static [&'static str] = &["m"];
    type State = [F; 1];
    type Step = [F; 4];

    fn validate(&self) -> Result<(), Error> {
        Interval::FRACTION.check::<F>("QHM", "momentum", self.momentum)?;
        // A range that `Interval` does not have. NaN is not contained in it.
        let allowed = (0.0..=1.0).contains(&self.nu);
        allowed
            .then_some(())
            .ok_or_else(|| Error::hyperparameter("QHM", "nu", self.nu, "a number in [0, 1]"))
    }

    /// Once a step, in `f64`.
    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> [F; 4] {
        let Self { momentum, nu } = *self;
        [momentum, 1.0 - momentum, learning_rate * (1.0 - nu), learning_rate * nu].map(F::from_f64)
    }

    /// Once an element; inlined, so that the loop around it is vectorized.
    #[inline(always)]
    fn update(&[beta, rest, by_g, by_m]: &[F; 4], w: F, g: F, [m]: [F; 1]) -> (F, [F; 1]) {
        let m = beta * m + rest * g;
        (w - (by_g * g + by_m * m), [m])
    }
}

fn qhm(momentum: f64, nu: f64, learning_rate: f64) -> Elementwise<f64, Qhm> {
    Elementwise::with_rule(Qhm { momentum, nu }, learning_rate)
}

/// A line through points in the plane: y = x·weight + bias.
struct Line {
    weight: Array1<f64>,
    bias: Array1<f64>,
}
thalweg::params!(Line: f64 { weight, bias });

impl Line {
    fn zero() -> Self {
        Self { weight: Array1::zeros(2), bias: Array1::zeros(1) }
    }

    /// Half the mean square of the residuals, and its gradient.
    fn loss_and_gradient(&self, x: &Array2<f64>, y: &Array1<f64>) -> (f64, Line) {
        let residual = x.dot(&self.weight) + &self.bias - y;
        let count = y.len() as f64;
        let weight = x.t().dot(&residual) / count;
        let bias = array![residual.sum() / count];
        (residual.dot(&residual) / (2.0 * count), Line { weight, bias })
    }
}

fn main() -> Result<(), Error> {
    // y = 3 x₀ - 2 x₁ + 1, where x₁ hardly varies: a narrow valley.
    let x = Array2::from_shape_fn((40, 2), |(i, j)| match j {
        0 => (i as f64 * 0.7).sin(),
        _ => 0.1 * (i as f64 * 1.9).cos(),
    });
    let y = x.dot(&array![3.0, -2.0]) + 1.0;

    println!("half the mean square error of a line after so many steps");
    println!("{:<28}{:>9}{:>9}{:>9}{:>9}", "", 10, 100, 1000, 10_000);
    let contenders: [(&str, Box<dyn Optimizer<f64>>); 4] = [
        ("SGD", Box::new(Sgd::new(0.5))),
        ("momentum", Box::new(Momentum::new(0.5))),
        ("QHM", Box::new(qhm(0.9, 0.7, 4.0))),
        ("QHM, gradients clipped to 1", Box::new(qhm(0.9, 0.7, 4.0).clip_norm(1.0))),
    ];
    for (name, mut optimizer) in contenders {
        print!("{name:<28}");
        let mut line = Line::zero();
        for step in 1..=10_000 {
            let (_, gradient) = line.loss_and_gradient(&x, &y);
            optimizer.step(&mut line, &gradient)?;
            if [10, 100, 1000, 10_000].contains(&step) {
                print!("{:>9.0e}", line.loss_and_gradient(&x, &y).0);
            }
        }
        println!();
    }

    println!("\nits state has the names and shapes of the parameters");
    let mut line = Line::zero();
    let mut optimizer = qhm(0.9, 0.7, 0.5).penalty(Penalty::l2(1e-3)).clip_norm(1.0);
    for _ in 0..3 {
        let (loss, gradient) = line.loss_and_gradient(&x, &y);
        let info = optimizer.step(&mut line, &gradient)?;
        let norm = info.grad_norm.unwrap_or(f64::NAN);
        println!("step {}: loss {loss:.4}, gradient norm {norm:.4}", info.step);
    }
    for leaf in ["weight", "bias"] {
        if let Some(m) = optimizer.slot(leaf, "m") {
            println!("m of {leaf}: {m:.5}");
        }
    }

    println!("\na gradient that is not finite changes nothing");
    let broken = Line { weight: array![f64::NAN, 0.0], bias: array![0.0] };
    if let Err(error) = optimizer.step(&mut line, &broken) {
        println!("rejected: {error}");
    }
    let mut optimizer = optimizer.non_finite(NonFinite::Skip);
    let skipped = optimizer.step(&mut line, &broken)?.skipped;
    println!("skipped: {skipped}, after {} steps", optimizer.steps());

    println!("\na hyperparameter out of its range");
    if let Err(error) = qhm(0.9, 1.5, 0.5).validate() {
        println!("{error}");
    }
    Ok(())
}
