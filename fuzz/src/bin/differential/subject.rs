//! The optimizers that are tried.

use ndarray::{Array2, ArrayD};
use thalweg::natural_gradient::{Batch, Diagonal, Empirical, NaturalGradient};
use thalweg::regularize::Units;
use thalweg::solvers::{ConjugateGradient, Lbfgs};
use thalweg::train::{Accumulate, Averaged, Lookahead, Sam};
use thalweg::{
    Adafactor, Average, Error, Muon, Optimizer, Scalar, Shampoo, Simd, Sm3, Soap, State, catalog,
};

use crate::model::{LEAVES, Model, Way};
use crate::{Program, Random, Wrapper};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The place in the catalog.
    Rule(usize),
    Muon,
    MuonTorch,
    MuonOptax,
    Adafactor,
    Sm3,
    Shampoo,
    Soap,
    ConjugateGradient,
    Lbfgs,
    /// The natural gradient around a rule and its wrappers.
    Natural(usize),
}

impl Kind {
    pub fn random(random: &mut Random) -> Self {
        let rules = catalog::<f64>().len();
        match random.below(24) {
            0 => Kind::Muon,
            1 => Kind::MuonTorch,
            2 => Kind::MuonOptax,
            3 => Kind::ConjugateGradient,
            4 => Kind::Lbfgs,
            5 | 6 => Kind::Natural(random.below(rules)),
            7 => Kind::Adafactor,
            8 => Kind::Sm3,
            9 => Kind::Shampoo,
            10 => Kind::Soap,
            _ => Kind::Rule(random.below(rules)),
        }
    }

    pub fn couples(self) -> bool {
        match self {
            Kind::Rule(rule) => catalog::<f64>()[rule].couples,
            _ => true,
        }
    }

    /// Whether a leaf may have a schedule of its own: a matrix of Muon's may not.
    pub fn may_have_own_rate(self, rank: usize) -> bool {
        rank < 2 || !matches!(self, Kind::Muon | Kind::MuonTorch | Kind::MuonOptax)
    }

    /// Whether the gradients must be those of one function, and a step may fail all the same.
    pub fn goes_by_a_function(self) -> bool {
        matches!(self, Kind::ConjugateGradient | Kind::Lbfgs)
    }
}

type Plain<F> = Box<dyn Optimizer<F>>;

pub enum Subject<F: Scalar> {
    Plain(Plain<F>, bool),
    Natural(Box<NaturalGradient<F, Diagonal<F, Empirical>, Plain<F>>>),
}

impl<F: Scalar> Subject<F> {
    pub fn build(program: &Program, way: Way) -> Self {
        let mut settings = program.settings.clone();
        let mut simd = Simd::default();
        if way == Way::Baseline {
            simd = Simd::BASELINE;
            settings.parallel_above = 1;
        }
        settings.simd = simd;
        let mut optimizer: Plain<F> = match program.kind {
            Kind::Rule(rule) | Kind::Natural(rule) => catalog::<F>()[rule].build(0.05, settings),
            Kind::Muon => Box::new(Muon::new(0.05).simd(simd)),
            Kind::MuonTorch => Box::new(Muon::torch(0.05).simd(simd)),
            Kind::MuonOptax => Box::new(Muon::optax(0.05).simd(simd)),
            Kind::Adafactor => Box::new(Adafactor::new(0.05).momentum(0.5).simd(simd)),
            Kind::Sm3 => Box::new(Sm3::new(0.05).simd(simd)),
            Kind::Shampoo => Box::new(Shampoo::new(0.05).every(3).block(8).simd(simd)),
            Kind::Soap => {
                Box::new(Soap::new(0.05).every(3).centralized(Units::LastAxis).simd(simd))
            }
            Kind::ConjugateGradient => Box::new(ConjugateGradient::new()),
            Kind::Lbfgs => Box::new(Lbfgs::new().memory(3)),
        };
        for wrapper in &program.wrappers {
            optimizer = match *wrapper {
                Wrapper::Lookahead(period) => Box::new(Lookahead::new(optimizer).period(period)),
                Wrapper::Accumulate(count) => Box::new(Accumulate::new(optimizer, count)),
                Wrapper::Averaged => Box::new(Averaged::new(optimizer, Average::ema(0.8))),
                Wrapper::Sam { adaptive } => Box::new(Sam::new(optimizer, 0.05).adaptive(adaptive)),
            };
        }
        match program.kind {
            Kind::Natural(_) => {
                let metric = Diagonal::new(0.5);
                let natural = NaturalGradient::around(optimizer, metric).observe_every(4);
                Subject::Natural(Box::new(natural))
            }
            kind => Subject::Plain(optimizer, kind.goes_by_a_function()),
        }
    }

    pub fn get(&self) -> &dyn Optimizer<F> {
        match self {
            Subject::Plain(optimizer, _) => &**optimizer,
            Subject::Natural(natural) => &**natural,
        }
    }

    pub fn get_mut(&mut self) -> &mut dyn Optimizer<F> {
        match self {
            Subject::Plain(optimizer, _) => &mut **optimizer,
            Subject::Natural(natural) => natural,
        }
    }

    pub fn state(&self) -> State {
        self.get().state()
    }

    /// Feeds the natural gradient with a batch at these parameters.
    pub fn observe(&mut self, model: &mut Model<F>) {
        if let Subject::Natural(natural) = self {
            let n = LEAVES.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
            let row = |(i, j)| F::from_f64(((i * 31 + j * 7) as f64).sin());
            let batch = Batch::of_gradients(Array2::from_shape_fn((3, n), row)).unwrap();
            natural.observe(&model.views(), batch).unwrap();
        }
    }

    pub fn swap_average(&mut self, model: &mut Model<F>) -> Result<(), Error> {
        self.get_mut().swap_average(&mut model.views_mut())
    }

    /// A step along gradients of that seed, as `change` leaves them; with its first phase where that is due.
    pub fn step(
        &mut self,
        model: &mut Model<F>,
        seed: u64,
        change: impl Fn(usize, &mut ArrayD<F>),
    ) -> Result<(), Error> {
        let bowl = matches!(self, Subject::Plain(_, true));
        if self.get().has_ascended() == Some(false) {
            let g = model.gradients(seed ^ 1, bowl, &change);
            self.get_mut().ascend(&mut model.views_mut(), &g.views())?;
        }
        let g = model.gradients(seed, bowl, &change);
        self.get_mut().step_with_loss(&mut model.views_mut(), &g.views(), 1.0).map(drop)
    }
}
