//! candle: AdamW of `candle-nn`, and the optimizers of `candle-optimisers`.
//!
//! What they lack around a step, clipping and averaging, is written with tensors.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use candle_optimisers::adadelta::{Adadelta, ParamsAdaDelta};
use candle_optimisers::adam::{Adam, ParamsAdam};
use candle_optimisers::esgd::{ParamsSGD, SGD};
use candle_optimisers::{Decay, Momentum};

use super::{SAMPLE, Stepper, gradient};
use crate::work::*;

pub const NN_RULES: &[Rule] = &[Rule::Adam, Rule::ClipAdamwEma];
pub const OPTIMISERS_RULES: &[Rule] =
    &[Rule::Adam, Rule::Momentum, Rule::Adadelta, Rule::ClipAdamwEma];

const NO_ERROR: &str = "tensors of one shape, type and device";

/// AdamW; with no decay it is Adam, and a multiplication by 1 besides.
pub fn enter_nn(work: Work) -> Box<dyn Stepper> {
    let weight_decay = if work.rule == Rule::Adam { 0.0 } else { WEIGHT_DECAY };
    let (beta1, beta2) = (BETA1, BETA2);
    let params = ParamsAdamW { lr: LEARNING_RATE, beta1, beta2, eps: EPSILON, weight_decay };
    made::<AdamW>(work, params)
}

pub fn enter_optimisers(work: Work) -> Box<dyn Stepper> {
    let adam = |weight_decay| ParamsAdam {
        lr: LEARNING_RATE,
        beta_1: BETA1,
        beta_2: BETA2,
        eps: EPSILON,
        weight_decay,
        amsgrad: false,
    };
    match work.rule {
        Rule::Momentum => {
            let momentum = Some(Momentum::Classical(MOMENTUM));
            made::<SGD>(work, ParamsSGD { lr: LEARNING_RATE, momentum, ..Default::default() })
        }
        Rule::Adadelta => {
            let (rho, eps) = (RHO, ADADELTA_EPSILON);
            made::<Adadelta>(work, ParamsAdaDelta { lr: 1.0, rho, eps, weight_decay: None })
        }
        Rule::ClipAdamwEma => {
            made::<Adam>(work, adam(Some(Decay::DecoupledWeightDecay(WEIGHT_DECAY))))
        }
        Rule::Adam | Rule::Yogi => made::<Adam>(work, adam(None)),
    }
}

struct Candle<O> {
    optimizer: O,
    w: Var,
    g: Tensor,
    grads: GradStore,
    around: bool,
    average: Option<Tensor>,
}

fn made<O: Optimizer + 'static>(work: Work, config: O::Config) -> Box<dyn Stepper> {
    Box::new(Candle::<O>::new(work, config).expect(NO_ERROR))
}

impl<O: Optimizer> Candle<O> {
    fn new(work: Work, config: O::Config) -> Result<Self> {
        let device = Device::Cpu;
        let (dtype, g) = match work.precision {
            Precision::F32 => {
                (DType::F32, Tensor::from_vec(gradient::<f32>(work.n), work.n, &device))
            }
            Precision::F64 => {
                (DType::F64, Tensor::from_vec(gradient::<f64>(work.n), work.n, &device))
            }
        };
        let (w, g) = (Var::ones(work.n, dtype, &device)?, g?);
        // Gradients can be put only where a backward pass has been.
        let mut grads = w.sum_all()?.backward()?;
        grads.insert(&w, g.clone());
        Ok(Self {
            optimizer: O::new(vec![w.clone()], config)?,
            w,
            g,
            grads,
            around: work.rule == Rule::ClipAdamwEma,
            average: None,
        })
    }

    fn clip(&mut self) -> Result<()> {
        let norm = self.g.sqr()?.sum_all()?.sqrt()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        self.grads.insert(&self.w, (&self.g * (CLIP_NORM / norm).min(1.0))?);
        Ok(())
    }

    fn follow(&mut self) -> Result<()> {
        let w = self.w.as_tensor();
        self.average = Some(match &self.average {
            Some(average) => ((average * EMA_DECAY)? + (w * (1.0 - EMA_DECAY))?)?,
            None => w.copy()?,
        });
        Ok(())
    }

    fn try_step(&mut self) -> Result<()> {
        if self.around {
            self.clip()?;
        }
        self.optimizer.step(&self.grads)?;
        if self.around {
            self.follow()?;
        }
        Ok(())
    }
}

impl<O: Optimizer> Stepper for Candle<O> {
    fn step(&mut self) {
        self.try_step().expect(NO_ERROR);
    }

    fn sample(&mut self) -> Vec<f64> {
        let first = |w: &Tensor| w.narrow(0, 0, SAMPLE)?.to_dtype(DType::F64)?.to_vec1::<f64>();
        let tensors = [Some(self.w.as_tensor()), self.average.as_ref()];
        tensors.into_iter().flatten().flat_map(|w| first(w).expect(NO_ERROR)).collect()
    }
}
