//! A model, its gradients, and optimizers with all there is.

use ndarray::{Array1, Array2, Array3, ShapeBuilder};
use thalweg::params::Path;
use thalweg::regularize::{AdaptiveClip, Decay, MaxNorm, Penalty};
use thalweg::{Average, Elementwise, Optimizer, Params, Rule, Scalar, Schedule, Settings, State};
use thalweg::{Precision, StepInfo, checkpoint};

#[derive(Debug, Clone, PartialEq)]
pub struct Model<F> {
    pub weight: Array2<F>,
    pub bias: Array1<F>,
    pub head: Array3<F>,
}

thalweg::params!(Model<F> { weight, bias, head });

/// The same leaves in another order.
pub struct Turned<F>(pub Model<F>);

impl<F: Scalar> Params<F> for Turned<F> {
    fn visit<'a>(
        &'a self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a dyn thalweg::params::Leaf<F>),
    ) {
        visit(path.name("head"), &self.0.head);
        visit(path.name("bias"), &self.0.bias);
        visit(path.name("weight"), &self.0.weight);
    }
}

impl<F: Scalar> thalweg::ParamsMut<F> for Turned<F> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn thalweg::params::LeafMut<F>),
    ) {
        visit(path.name("head"), &mut self.0.head);
        visit(path.name("bias"), &mut self.0.bias);
        visit(path.name("weight"), &mut self.0.weight);
    }
}

/// Numbers of both signs; the same for the same seed.
pub fn model<F: Scalar>(seed: u64) -> Model<F> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut number = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        F::from_f64((state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)
    };
    Model {
        weight: Array2::from_shape_simple_fn((4, 3), &mut number),
        bias: Array1::from_shape_simple_fn(5, &mut number),
        head: Array3::from_shape_simple_fn((2, 3, 2), &mut number),
    }
}

/// The same values in column-major arrays.
pub fn columns<F: Scalar>(model: &Model<F>) -> Model<F> {
    let mut turned = Model {
        weight: Array2::zeros(model.weight.raw_dim().f()),
        bias: model.bias.clone(),
        head: Array3::zeros(model.head.raw_dim().f()),
    };
    turned.weight.assign(&model.weight);
    turned.head.assign(&model.head);
    turned
}

pub fn bits<F: Scalar>(model: &Model<F>) -> Vec<u64> {
    let all = model.weight.iter().chain(&model.bias).chain(&model.head);
    all.map(|x| x.into_f64().to_bits()).collect()
}

pub type Report = (u64, u64, Option<u64>, bool);

/// What a step reports, by its bits.
pub fn report(info: StepInfo) -> Report {
    let norm = info.grad_norm.map(f64::to_bits);
    (info.step, info.learning_rate.to_bits(), norm, info.accumulating)
}

pub const KINDS: usize = 5;

/// Settings of that kind: all elements are coupled by a norm, those of a leaf are, or none; the last two have
/// their state in fewer bits.
fn settings(kind: usize) -> Settings {
    let mut settings = Settings::default();
    settings.penalty = Penalty::elastic_net(0.01, 0.1);
    if kind != 1 {
        settings.clip_norm = (kind == 0).then_some(0.7);
        settings.clip_value = Some(0.4);
        settings.decoupled_decay = Some(Decay::Relative(0.1));
        settings.shrink = 0.999;
        settings.proximal_l1 = 1e-3;
        settings.average = Some(Average::ema(0.9));
    } else {
        settings.clip_leaf_norm = Some(0.5);
        settings.clip_adaptive = Some(AdaptiveClip::new(0.3));
        settings.cautious = true;
        settings.maximize = true;
        settings.max_norm = Some(MaxNorm::whole(3.0));
        settings.average = Some(Average::swa().start(2).every(3));
    }
    match kind {
        3 => settings.state_precision = Precision::BFloat16,
        4 => settings.state_precision = Precision::Int8,
        _ => {}
    }
    settings
}

/// An optimizer with schedules, groups, a frozen one among them, and settings of that kind.
pub fn build<F: Scalar, R: Rule<F> + Default>(kind: usize) -> Box<dyn Optimizer<F>>
where
    Elementwise<F, R>: Default,
{
    let mut optimizer = Elementwise::<F, R>::default()
        .schedule(Schedule::cosine(0.05, 0.0, 20).warm_up(3))
        .with_settings(settings(kind))
        .scheduled("l2", Schedule::linear(0.1, 0.0, 9))
        .group("bias", |group| group.rate_factor(0.5).penalty(Penalty::NONE))
        .group("head", |group| group.frozen(true));
    let mut numbers = Vec::new();
    R::default().hyperparameters(&mut |name, number| numbers.push((name, *number)));
    if let Some(&(name, value)) = numbers.first() {
        optimizer = optimizer.scheduled(name, Schedule::linear(value, value * 0.9, 9));
    }
    Box::new(optimizer)
}

/// Calls a generic function for each rule of the crate.
macro_rules! each_rule {
    ($call:ident::<$scalar:ty>) => {
        each_rule!(
            @ $call, $scalar, Sgd Momentum Nesterov AdaGrad RmsProp RmsPropMomentum CenteredRmsProp
            AdaDelta Adam AdamW AmsGrad AdaMax NAdam RAdam AdaBelief Yogi Lion Lars Lamb
            ScheduleFreeAdamW
            Adan AdEmaMix Adopt Madgrad SignSgd Signum Rprop Ftrl OptimisticGradient
            OptimisticAdam Fromage Mars ScheduleFreeSgd GpaAdamW NovoGrad DoG LDoG DoWG Prodigy
            DAdaptAdam PolyakStep MoMo MoMoAdam
        )
    };
    (@ $call:ident, $scalar:ty, $($rule:ident)+) => {{
        let rules = [$((
            <thalweg::rules::$rule as thalweg::Rule<$scalar>>::NAME,
            $call::<$scalar, thalweg::rules::$rule> as fn(usize) -> Box<dyn Optimizer<$scalar>>,
        )),+];
        let titles = thalweg::catalog::<$scalar>().iter().map(|entry| entry.title);
        assert!(rules.iter().map(|(name, _)| *name).eq(titles), "the catalog has another row");
        rules
    }};
}
pub(crate) use each_rule;

/// The formats that a state is sent through.
pub const FORMATS: [fn(&State) -> State; 4] = [
    |state| serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap(),
    |state| {
        let mut bytes = Vec::new();
        ciborium::into_writer(state, &mut bytes).unwrap();
        ciborium::from_reader(&bytes[..]).unwrap()
    },
    |state| rmp_serde::from_slice(&rmp_serde::to_vec(state).unwrap()).unwrap(),
    |state| checkpoint::from_bytes(&checkpoint::to_bytes(state).unwrap()).unwrap(),
];
