//! The constants of a step that are easily computed badly.

use ndarray::{Array1, array};
use thalweg::{Adam, NAdam, Optimizer, RAdam};

use super::data::Random;
use super::formulas::nadam;

/// What one step does to a parameter that stands at 0, so that no rounding of it hides the step.
fn step_from_zero(optimizer: &mut dyn Optimizer<f64>, g: f64) -> f64 {
    let mut w = array![0.0];
    optimizer.step(&mut w, &array![g]).unwrap();
    w[0]
}

/// Under a constant gradient m̂ = g and v̂ = g², so every step is α against the sign. In `f32`,
/// 1 - 0.99999ᵗ would be 1.4e-3 off at the first step, and the step 7e-4.
#[test]
fn the_bias_correction_of_f32_parameters_is_right_to_f32_precision() {
    for beta2 in [0.99999, 0.999999] {
        let mut adam = Adam::new(0.5).beta2(beta2).epsilon(1e-16);
        for t in 1..=10 {
            let mut w = Array1::<f32>::zeros(3);
            adam.step(&mut w, &array![2.0, -3e-3, 7e3]).unwrap();
            if t == 1 || t == 10 {
                for (w, expected) in w.iter().zip([-0.5_f32, 0.5, -0.5]) {
                    let off = (w / expected - 1.0).abs();
                    assert!(off <= 4.0 * f32::EPSILON, "step {t} of {w} is {off:e} off");
                }
            }
        }
    }
}

/// The schedule's product of μ is carried along here; a rule knows the number of the step alone.
#[test]
fn the_momentum_product_of_nadam_is_the_running_one() {
    for beta1 in [0.0, 0.5, 0.9, 0.99, 0.9999] {
        for momentum_decay in [0.0, 1e-3, 4e-3, 0.1, 0.31, 1.0, 20.0, 500.0] {
            // β₂ = 0.99, since 1 - 0.999ᵗ of the formula loses three digits by itself.
            let mut optimizer =
                NAdam::new(1.0).beta1(beta1).beta2(0.99).momentum_decay(momentum_decay);
            let mut formula = nadam(beta1, 0.99, 1e-8, momentum_decay);
            let mut random = Random(17);
            let mut product = 1.0;
            for t in 1..=5000 {
                let g = 1.0 + 0.9 * random.symmetric();
                let (step, expected) = (step_from_zero(&mut optimizer, g), formula(t, 1.0, 0.0, g));
                let off = (step / expected - 1.0).abs();
                // A product near 1 leaves few digits to 1 - ∏μ, in the formula as well.
                product *= beta1 * (1.0 - 0.5 * 0.96_f64.powf(f64::from(t) * momentum_decay));
                let tolerance = f64::max(1e-13, 4.0 * f64::EPSILON / (1.0 - product));
                let case = format!("β₁ = {beta1}, ψ = {momentum_decay}, step {t}");
                assert!(off <= tolerance, "{case}: {step} for {expected}, {off:e} off");
            }
        }
    }
}

/// r, with ρₜ as a sum of positive terms: (1+β)(1-βᵗ) - 2t(1-β)βᵗ over (1-β)(1-βᵗ) has the
/// numerator (1-β)·Σ(βᵏ - βᵗ + βᵏ⁺¹ - βᵗ) for k below t.
fn rectification(beta2: f64, t: i32) -> f64 {
    let ln = beta2.ln();
    let lead = |k: i32| (f64::from(k) * ln).exp() * -(f64::from(t - k) * ln).exp_m1();
    let sum: f64 = (0..t).map(|k| lead(k) + lead(k + 1)).sum();
    let rho = sum / -(f64::from(t) * ln).exp_m1();
    let limit = (1.0 + beta2) / (1.0 - beta2);
    ((rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho)).sqrt()
}

#[test]
fn the_rectification_of_radam_is_as_exact_as_its_formula_can_be() {
    for beta2 in [0.9, 0.99, 0.999, 0.9999] {
        // What is left of the digits where ρ, near 6, is a difference of two numbers near 2/(1-β₂).
        let tolerance = 8.0 * f64::EPSILON * 2.0 / (1.0 - beta2);
        let mut radam = RAdam::new(1.0).beta1(0.0).beta2(beta2).epsilon(1e-16);
        for t in 1..=200 {
            // Under a constant gradient of 1, √v is √(1-β₂ᵗ), and the step is r alone.
            let step = -step_from_zero(&mut radam, 1.0);
            let expected = if t < 6 { 1.0 } else { rectification(beta2, t) };
            let off = (step / expected - 1.0).abs();
            assert!(off <= tolerance, "β₂ = {beta2}, step {t}: {step} for {expected}, {off:e} off");
        }
    }
}
