//! Every rule of the crate, a row each.

use super::*;
use crate::engine::{Compiled, Elementwise, Settings};
use crate::optimizer::Optimizer;
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// A rule of the crate: its name, what it costs, and how to make it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Entry<F: Scalar> {
    /// The name to choose it by, in lower case, such as `"adam"`.
    pub name: &'static str,
    /// The type's name, such as `"Adam"`.
    pub title: &'static str,
    /// The update, as its page gives it.
    pub formula: &'static str,
    /// Who published it, and when.
    pub source: &'static str,
    /// The learning rate of a default-constructed optimizer.
    pub learning_rate: f64,
    /// Values of state that it keeps for each parameter.
    pub slots: usize,
    /// Whether a norm couples the elements of a leaf: what becomes of one depends on the others.
    pub couples: bool,
    /// Whether sums over all leaves couple these, too.
    pub couples_leaves: bool,
    /// Whether it takes its step size from the loss
    /// ([`step_with_loss`](crate::Optimizer::step_with_loss)).
    pub needs_loss: bool,
    build: fn(Schedule, Settings) -> Box<dyn Optimizer<F>>,
}

impl<F: Scalar> Entry<F> {
    /// An optimizer of that rule with default hyperparameters and that learning rate, a number or a
    /// schedule.
    pub fn build(
        &self,
        learning_rate: impl Into<Schedule>,
        settings: Settings,
    ) -> Box<dyn Optimizer<F>> {
        (self.build)(learning_rate.into(), settings)
    }

    /// Bytes that a step reads and writes for each parameter: what bounds its speed where the
    /// parameters do not fit in a cache. A rule that [`couples`](Self::couples) reads everything once
    /// more; the guard against NaN and ∞, which reads the gradients, is not counted.
    pub fn bytes_per_element(&self) -> usize {
        let norms = if self.couples { 2 + self.slots } else { 0 };
        (3 + 2 * self.slots + norms) * size_of::<F>()
    }
}

const fn entry<F: Scalar, R: Rule<F> + Compiled + Default>(
    name: &'static str,
    formula: &'static str,
    source: &'static str,
) -> Entry<F> {
    Entry {
        name,
        title: R::NAME,
        formula,
        source,
        learning_rate: R::LEARNING_RATE,
        slots: <R::State as Slots<F>>::COUNT,
        couples: R::NORMS || !R::SUMS.is_empty(),
        couples_leaves: !R::SUMS.is_empty(),
        needs_loss: R::LOSS,
        build: |learning_rate, settings| {
            Box::new(Elementwise::of_compiled(R::default(), learning_rate).with_settings(settings))
        },
    }
}

macro_rules! rows {
    ($($name:literal $rule:ident $formula:literal $source:literal)*) => {
        /// Every elementwise optimizer of the crate.
        ///
        /// ```
        /// use thalweg::{catalog, Settings};
        /// let yogi = catalog::<f32>().iter().find(|entry| entry.name == "yogi").unwrap();
        /// let optimizer = yogi.build(yogi.learning_rate, Settings::default());
        /// assert_eq!(optimizer.name(), "Yogi");
        /// assert_eq!(yogi.bytes_per_element(), 28);
        /// ```
        pub fn catalog<F: Scalar>() -> &'static [Entry<F>] {
            const { &[$(entry::<F, $rule>($name, $formula, $source)),*] }
        }
    };
}

rows! {
    "sgd" Sgd
        "Δw = -αg"
        "Robbins & Monro 1951"
    "momentum" Momentum
        "Δw = γΔw₋ - αg"
        "Polyak 1964"
    "nesterov" Nesterov
        "Δw = γΔw₋ - α∇E(w + γΔw₋)"
        "Nesterov 1983"
    "adagrad" AdaGrad
        "s += g², Δw = -αg/(√s + ε)"
        "Duchi, Hazan & Singer 2011"
    "rmsprop" RmsProp
        "s = γs + (1-γ)g², Δw = -αg/√(s + ε)"
        "Tieleman & Hinton 2012"
    "rmsprop-momentum" RmsPropMomentum
        "s as RMSprop, Δw = μΔw₋ - αg/√(s + ε)"
        "Graves 2013"
    "centered-rmsprop" CenteredRmsProp
        "s as RMSprop, ḡ = γḡ + (1-γ)g, Δw = -αg/√(max(s - ḡ², 0) + ε)"
        "Graves 2013"
    "adadelta" AdaDelta
        "s = ρs + (1-ρ)g², Δ = g√((x + ε)/(s + ε)), w -= Δ, x = ρx + (1-ρ)Δ²"
        "Zeiler 2012"
    "adam" Adam
        "m = β₁m + (1-β₁)g, v = β₂v + (1-β₂)g², Δw = -αm̂/(√v̂ + ε)"
        "Kingma & Ba 2015"
    "adamw" AdamW
        "as Adam, Δw -= αλw"
        "Loshchilov & Hutter 2019"
    "amsgrad" AmsGrad
        "m, v as Adam, x = max(x, v), Δw = -αm̂/(√x̂ + ε)"
        "Reddi, Kale & Kumar 2018"
    "adamax" AdaMax
        "m as Adam, u = max(β₂u, |g| + ε), Δw = -αm̂/u"
        "Kingma & Ba 2015"
    "nadam" NAdam
        "m, v as Adam, Δw = -α(μ₊m̂₊ + (1-μ)ĝ)/(√v̂ + ε)"
        "Dozat 2016"
    "radam" RAdam
        "as Adam, times r(t); Δw = -αm̂ while r is undefined"
        "Liu et al. 2020"
    "adabelief" AdaBelief
        "m as Adam, s = β₂s + (1-β₂)(g - m)² + ε, Δw = -αm̂/(√ŝ + ε)"
        "Zhuang et al. 2020"
    "yogi" Yogi
        "m as Adam, s += (1-β₂)sign(g² - s)g², Δw = -αm̂/(√ŝ + ε)"
        "Zaheer et al. 2018"
    "lion" Lion
        "Δw = -α(sign(β₁m + (1-β₁)g) + λw), m = β₂m + (1-β₂)g"
        "Chen et al. 2023"
    "lars" Lars
        "r = η‖w‖/(‖g‖ + λ‖w‖), v = γv + αr(g + λw), Δw = -v"
        "You, Gitman & Ginsburg 2017"
    "lamb" Lamb
        "u = m̂/(√v̂ + ε) + λw as Adam, Δw = -α(‖w‖/‖u‖)u"
        "You et al. 2020"
    "schedule-free" ScheduleFreeAdamW
        "u = g/(√v̂ + ε) + λy, z -= αu, x += c(z - x), y = (1-β₁)z + β₁x"
        "Defazio et al. 2024"
    "adan" Adan
        "m, v, n of g, d = g - g₋, (g + β₂d)², w = (w - α(m̂ + β₂v̂)/(√n̂ + ε))/(1 + αλ)"
        "Xie et al. 2022"
    "ademamix" AdEmaMix
        "m, v as Adam, l = β₃l + (1-β₃)g, Δw = -α((m̂ + κl)/(√v̂ + ε) + λw)"
        "Pagliardini, Ablin & Grangier 2024"
    "adopt" Adopt
        "m = β₁m + (1-β₁)g/max(√v, ε), Δw = -αm, v = β₂v + (1-β₂)g²"
        "Taniguchi et al. 2024"
    "madgrad" Madgrad
        "s += αg√t, ν += αg²√t, w += (1-γ)(w₀ - s/(ν^⅓ + ε) - w)"
        "Defazio & Jelassi 2021"
    "sign-sgd" SignSgd
        "Δw = -α sign(g)"
        "Bernstein et al. 2018"
    "signum" Signum
        "m = γm + (1-γ)g, Δw = -α sign(m)"
        "Bernstein et al. 2018"
    "rprop" Rprop
        "Δ grows by η⁺ or shrinks by η⁻ as the sign of g stays or turns, Δw = -Δ sign(g)"
        "Riedmiller & Braun 1993"
    "ftrl" Ftrl
        "n += g², z += g - σw, w = -(z - λ₁ sign(z))/((√n + β)/α + λ₂), 0 where |z| ≤ λ₁"
        "McMahan et al. 2013"
    "optimistic-gradient" OptimisticGradient
        "Δw = -α(g + ο(g - g₋))"
        "Popov 1980"
    "optimistic-adam" OptimisticAdam
        "r = m̂/(√v̂ + ε) as Adam, Δw = -α(r + ο(r - r₋))"
        "Daskalakis et al. 2018"
    "fromage" Fromage
        "w = (w - αg‖w‖/‖g‖)/√(1 + α²)"
        "Bernstein et al. 2020"
    "mars" Mars
        "c = g + ηβ₁/(1-β₁)·(g - g₋) within ‖c‖ ≤ 1, then AdamW of c"
        "Yuan et al. 2024"
    "schedule-free-sgd" ScheduleFreeSgd
        "z -= α(g + λy), x += c(z - x), y = (1-γ)z + γx"
        "Defazio et al. 2024"
    "gpa" GpaAdamW
        "u as AdamW, z -= αu, x = μₓx + (1-μₓ)z, y = μ_y x + (1-μ_y)z"
        "Defazio et al. 2025"
    "novograd" NovoGrad
        "v = β₂v + (1-β₂)‖g‖², m = β₁m + g/(√v + ε) + λw, Δw = -αm"
        "Ginsburg et al. 2019"
    "dog" DoG
        "r̄ = max ‖w - w₀‖, Δw = -αg·r̄/√(Σ‖g‖² + ε)"
        "Ivgi, Hinder & Carmon 2023"
    "ldog" LDoG
        "as DoG, for each leaf"
        "Ivgi, Hinder & Carmon 2023"
    "dowg" DoWG
        "r̄ as DoG, V += r̄²‖g‖², Δw = -αg·r̄²/(√V + ε)"
        "Khaled, Mishchenko & Jin 2023"
    "prodigy" Prodigy
        "AdamW at dα; d = max(d, N/‖s‖₁), N and s the sums of d²⟨g, w₀ - w⟩ and d²g"
        "Mishchenko & Defazio 2023"
    "dadapt-adam" DAdaptAdam
        "Adam at dα; d = max(d, N/‖s‖₁), N and s the sums of d⟨g, s/(√v + ε)⟩ and dg"
        "Defazio & Mishchenko 2023"
    "polyak-step" PolyakStep
        "Δw = -g·min(α, (f - f*)/(c‖g‖²))"
        "Polyak 1987"
    "momo" MoMo
        "d = βd + (1-β)g, Δw = -d·min(α, (f̄ - f* - γ + ⟨d, w⟩)/‖d‖²)"
        "Schaipp et al. 2024"
    "momo-adam" MoMoAdam
        "as MoMo, in Adam's metric: d and ‖d‖² over √v̂ + ε"
        "Schaipp et al. 2024"
}
