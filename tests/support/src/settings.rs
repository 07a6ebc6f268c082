//! Settings of many kinds, for laws that hold whatever is set.

use thalweg::regularize::{AdaptiveClip, Decay, GradientNoise, MaxNorm, Penalty, Units};
use thalweg::{Average, Precision, Settings};

pub fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

pub fn penalized() -> Settings {
    settings(|s| s.penalty = Penalty::elastic_net(0.01, 0.1))
}

pub fn clipped() -> Settings {
    settings(|s| {
        s.clip_norm = Some(0.7);
        s.penalty = Penalty::elastic_net(0.01, 0.1);
    })
}

/// Whatever happens to each element by itself.
pub fn everything() -> Settings {
    let mut all = clipped();
    all.clip_value = Some(0.05);
    all.maximize = true;
    all.gradient_noise = Some(GradientNoise::annealed(0.01, 0.55).seed(5));
    all.rate_factor = 0.5;
    all.decoupled_decay = Some(Decay::Relative(0.1));
    all.shrink = 0.999;
    all.proximal_l1 = 1e-3;
    all.average = Some(Average::ema(0.9));
    all
}

/// Whatever couples the elements of a leaf.
pub fn coupled() -> Settings {
    let mut all = everything();
    all.clip_norm = None;
    all.centralized = Some(Units::FirstAxis);
    all.clip_leaf_norm = Some(0.5);
    all.clip_adaptive = Some(AdaptiveClip::new(0.3));
    all.cautious = true;
    all.max_norm = Some(MaxNorm::whole(3.0));
    all
}

/// Whatever happens to each element by itself, with state in fewer bits.
pub fn compact() -> Settings {
    let mut all = everything();
    all.clip_norm = None;
    all.state_precision = Precision::BFloat16;
    all
}

/// Whatever couples the elements of a leaf, with state in fewer bits.
pub fn compact_and_coupled() -> Settings {
    let mut all = coupled();
    all.state_precision = Precision::BFloat16;
    all
}

/// As [`compact`], in 8 bits.
pub fn compact8() -> Settings {
    let mut all = compact();
    all.state_precision = Precision::Int8;
    all
}

/// As [`compact_and_coupled`], in 8 bits.
pub fn compact8_and_coupled() -> Settings {
    let mut all = compact_and_coupled();
    all.state_precision = Precision::Int8;
    all
}

/// Whether what a step does depends on norms that it does not report.
pub(crate) fn has_hidden_norms(settings: &Settings) -> bool {
    settings.clip_leaf_norm.is_some() || settings.clip_adaptive.is_some()
}
