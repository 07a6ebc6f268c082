//! burn-optim on burn's two CPU backends written in Rust: ndarray, and flex, which is to replace it.
//!
//! The optimizers' own step is called with a tensor and its gradient, without the module around the
//! parameter. What burn lacks around a step, an average, is written with tensors.

use burn_core::tensor::{DType, Device, Tensor, TensorData};
use burn_optim::grad_clipping::{GradientClipping, GradientClippingConfig};
use burn_optim::momentum::MomentumConfig;
use burn_optim::{AdamConfig, AdamWConfig, Optimizer, SgdConfig};

use super::{SAMPLE, Stepper, gradient};
use crate::work::*;

pub const RULES: &[Rule] = &[Rule::Adam, Rule::Momentum, Rule::ClipAdamwEma];

#[expect(deprecated, reason = "flex is to replace it, and it is measured beside it")]
pub fn enter_ndarray(work: Work) -> Box<dyn Stepper> {
    enter(work, Device::ndarray())
}

pub fn enter_flex(work: Work) -> Box<dyn Stepper> {
    enter(work, Device::flex())
}

fn enter(work: Work, device: Device) -> Box<dyn Stepper> {
    let (beta1, beta2, epsilon) = (BETA1 as f32, BETA2 as f32, EPSILON as f32);
    match work.rule {
        Rule::Momentum => {
            let momentum = MomentumConfig::new().with_momentum(MOMENTUM).with_dampening(0.0);
            made(work, device, SgdConfig::new().with_momentum(Some(momentum)).build())
        }
        Rule::ClipAdamwEma => {
            let adamw = AdamWConfig::new().with_beta_1(beta1).with_beta_2(beta2);
            let adamw = adamw.with_epsilon(epsilon).with_weight_decay(WEIGHT_DECAY as f32);
            made(work, device, adamw.build())
        }
        _ => {
            let adam = AdamConfig::new().with_beta_1(beta1).with_beta_2(beta2);
            made(work, device, adam.with_epsilon(epsilon).build())
        }
    }
}

struct Burn<O: Optimizer> {
    optimizer: O,
    state: Option<O::State<1>>,
    /// Absent only within a step, which takes it and gives it back.
    w: Option<Tensor<1>>,
    g: Tensor<1>,
    clip: Option<GradientClipping>,
    average: Option<Tensor<1>>,
}

fn made<O: Optimizer + 'static>(work: Work, device: Device, optimizer: O) -> Box<dyn Stepper> {
    let (dtype, g) = match work.precision {
        Precision::F32 => (DType::F32, TensorData::new(gradient::<f32>(work.n), [work.n])),
        Precision::F64 => (DType::F64, TensorData::new(gradient::<f64>(work.n), [work.n])),
    };
    let clip = GradientClippingConfig::Norm(CLIP_NORM as f32).init();
    Box::new(Burn {
        optimizer,
        state: None,
        w: Some(Tensor::ones([work.n], (&device, dtype))),
        g: Tensor::from_data(g, (&device, dtype)),
        clip: (work.rule == Rule::ClipAdamwEma).then_some(clip),
        average: None,
    })
}

impl<O: Optimizer> Stepper for Burn<O> {
    fn step(&mut self) {
        let mut g = self.g.clone();
        if let Some(clip) = &self.clip {
            g = clip.clip_gradient(g);
        }
        let w = self.w.take().expect("the last step gave it back");
        let (w, state) = self.optimizer.step(LEARNING_RATE, w, g, self.state.take());
        if self.clip.is_some() {
            self.average = Some(match self.average.take() {
                Some(average) => {
                    average.mul_scalar(EMA_DECAY) + w.clone().mul_scalar(1.0 - EMA_DECAY)
                }
                None => w.clone(),
            });
        }
        (self.w, self.state) = (Some(w), state);
    }

    fn sample(&mut self) -> Vec<f64> {
        let tensors = [self.w.clone(), self.average.clone()].into_iter().flatten();
        tensors
            .flat_map(|w| w.narrow(0, 0, SAMPLE).into_data().iter::<f64>().collect::<Vec<_>>())
            .collect()
    }
}
