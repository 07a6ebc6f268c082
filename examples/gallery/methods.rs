//! Every optimizer and solver of the crate that has a meaning on a function of the plane.

use std::fmt;

use thalweg::solvers::{
    BarzilaiBorwein, Bfgs, ConjugateGradient, Lbfgs, Newton, NewtonCg, ScaledConjugateGradient,
    Solver,
};
use thalweg::train::{Accumulate, Lookahead};
use thalweg::{Adafactor, Adam, Muon, Optimizer, Settings, Sgd, Shampoo, Sm3, Soap, catalog};

/// An optimizer, and how to make it.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// The name to choose it by.
    pub name: &'static str,
    /// The name to read.
    pub title: &'static str,
    /// The update.
    pub formula: &'static str,
    /// The rate of a default-constructed optimizer.
    pub learning_rate: f64,
    pub kind: Kind,
}

/// What asks for gradients.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A rule of the catalog.
    Rule(&'static thalweg::Entry<f64>),
    /// An optimizer that takes a gradient a step.
    Steps(fn(f64) -> Box<dyn Optimizer<f64>>),
    /// Sharpness-aware SGD, two gradients a step; the radius is a fiftieth of the frame's height.
    Sam,
    /// A minimizer that chooses its lengths by itself.
    Solver(fn() -> Box<dyn Solver<f64>>),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Rule(_) => "Rule",
            Kind::Steps(_) => "Steps",
            Kind::Sam => "Sam",
            Kind::Solver(_) => "Solver",
        })
    }
}

/// The columns of a picture.
pub const FAMILIES: [&str; 4] =
    ["By the gradient", "Divided by its size", "Adam and its kin", "Solvers, without a rate"];

impl Method {
    /// One of [`FAMILIES`].
    pub fn family(&self) -> &'static str {
        const PLAIN: [&str; 18] = [
            "sgd",
            "momentum",
            "nesterov",
            "lars",
            "lion",
            "muon",
            "accumulate",
            "sam",
            "sign-sgd",
            "signum",
            "optimistic-gradient",
            "fromage",
            "schedule-free-sgd",
            "novograd",
            "dog",
            "ldog",
            "dowg",
            "momo",
        ];
        const ADAM: [&str; 18] = [
            "soap",
            "adam",
            "adamw",
            "amsgrad",
            "adamax",
            "nadam",
            "radam",
            "adabelief",
            "yogi",
            "adan",
            "ademamix",
            "adopt",
            "optimistic-adam",
            "mars",
            "gpa",
            "prodigy",
            "dadapt-adam",
            "momo-adam",
        ];
        FAMILIES[match self.kind {
            Kind::Solver(_) => 3,
            _ if PLAIN.contains(&self.name) => 0,
            _ if ADAM.contains(&self.name) => 2,
            _ => 1,
        }]
    }

    /// Whether it has a learning rate.
    pub fn takes_rate(&self) -> bool {
        !matches!(self.kind, Kind::Solver(_))
    }

    /// The optimizer with that rate, of those that take one gradient a step.
    pub fn build(&self, rate: f64) -> Option<Box<dyn Optimizer<f64>>> {
        match self.kind {
            Kind::Rule(entry) => Some(entry.build(rate, Settings::default())),
            Kind::Steps(make) => Some(make(rate)),
            Kind::Sam | Kind::Solver(_) => None,
        }
    }
}

/// All of them: the catalog, what updates whole leaves, what goes around an optimizer, and the solvers.
pub fn all() -> Vec<Method> {
    let rules = catalog::<f64>().iter().map(|entry| Method {
        name: entry.name,
        title: entry.title,
        formula: entry.formula,
        learning_rate: entry.learning_rate,
        kind: Kind::Rule(entry),
    });
    rules.chain(around()).chain(solvers()).collect()
}

fn around() -> Vec<Method> {
    let method = |name, title, formula, learning_rate, kind| Method {
        name,
        title,
        formula,
        learning_rate,
        kind,
    };
    vec![
        method(
            "muon",
            "Muon",
            "Δw = -α√2·X, X the momentum orthogonalized: of a 2×1 matrix, its direction",
            0.02,
            Kind::Steps(|rate| Box::new(Muon::new(rate))),
        ),
        method(
            "adafactor",
            "Adafactor",
            "Δw = -α·max(ε₂, RMS(w))·û, û = g/√V of means over rows and columns, at most 1",
            0.01,
            Kind::Steps(|rate| Box::new(Adafactor::new(rate).relative_step(false))),
        ),
        method(
            "sm3",
            "Sm3",
            "m = βm + (1-β)g/√ν, Δw = -αm, ν = g² + the least of its row's and its column's",
            0.1,
            Kind::Steps(|rate| Box::new(Sm3::new(rate))),
        ),
        method(
            "shampoo",
            "Shampoo",
            "Δw = -α·L^(-½)m̂, as long as Adam's step, L the average of ggᵀ",
            1e-3,
            Kind::Steps(|rate| Box::new(Shampoo::new(rate).every(1))),
        ),
        method(
            "soap",
            "Soap",
            "Adam in the basis of the eigenvectors of the average of ggᵀ",
            3e-3,
            Kind::Steps(|rate| Box::new(Soap::new(rate).every(1))),
        ),
        method(
            "lookahead",
            "Lookahead (Adam)",
            "after 6 steps of Adam φ += ½(w - φ), w = φ",
            1e-3,
            Kind::Steps(|rate| Box::new(Lookahead::new(Adam::new(rate)))),
        ),
        method(
            "accumulate",
            "Accumulate (SGD)",
            "every fourth gradient: Δw = -α times the mean of four",
            0.01,
            Kind::Steps(|rate| Box::new(Accumulate::new(Sgd::new(rate), 4))),
        ),
        method(
            "sam",
            "SAM (SGD)",
            "Δw = -α∇E(w + ρg/‖g‖), ρ a fiftieth of the frame's height",
            0.01,
            Kind::Sam,
        ),
    ]
}

fn solvers() -> Vec<Method> {
    let solver = |name, title, formula, make| Method {
        name,
        title,
        formula,
        learning_rate: f64::NAN,
        kind: Kind::Solver(make),
    };
    vec![
        solver(
            "conjugate-gradient",
            "ConjugateGradient",
            "ρ = -g + βρ₋ (Polak-Ribière), w += αρ by a line search",
            || Box::new(ConjugateGradient::new()),
        ),
        solver("lbfgs", "Lbfgs", "w -= αHg, H from the last steps, α by a line search", || {
            Box::new(Lbfgs::new())
        }),
        solver("bfgs", "Bfgs", "w -= αHg, H from all steps, α by a line search", || {
            Box::new(Bfgs::new())
        }),
        solver(
            "newton",
            "Newton",
            "w -= α|∇²E|⁻¹g, the Hessian by differences of gradients",
            || Box::new(Newton::new()),
        ),
        solver(
            "newton-cg",
            "NewtonCg",
            "∇²E·d = -g by conjugate gradients within a trust region",
            || Box::new(NewtonCg::new()),
        ),
        solver(
            "barzilai-borwein",
            "BarzilaiBorwein",
            "w -= αg, α from the last step and the change of the gradient",
            || Box::new(BarzilaiBorwein::new()),
        ),
        solver(
            "scaled-conjugate-gradient",
            "ScaledConjugateGradient",
            "conjugate gradient with a length from a product with the Hessian",
            || Box::new(ScaledConjugateGradient::new()),
        ),
    ]
}
