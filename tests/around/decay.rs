//! Weight decay in its forms, the proximal step, the bound on norms, climbing and caution.

use ndarray::{Array1, Axis, array};
use thalweg::regularize::{Decay, MaxNorm, Penalty};
use thalweg::{Adam, AdamW, Elementwise, Lion, Momentum, Optimizer, Rule, Sgd};

use super::{assert_close, matrix, vector};

fn run<R: Rule<f64>>(mut optimizer: Elementwise<f64, R>) -> Array1<f64> {
    let mut w = vector(40, 1);
    for step in 0..20 {
        // A gradient that depends on the parameters.
        let g = &w * 0.3 + &vector(40, 10 + step);
        optimizer.step(&mut w, &g).unwrap();
    }
    w
}

#[test]
fn for_plain_sgd_every_decay_is_an_l2_penalty() {
    let (alpha, lambda) = (0.1, 0.4);
    let l2 = run(Sgd::new(alpha).penalty(Penalty::l2(lambda)));
    let decoupled = run(Sgd::new(alpha).decoupled_decay(Decay::Relative(lambda)));
    assert_close(decoupled.as_slice().unwrap(), l2.as_slice().unwrap());
    let absolute = run(Sgd::new(alpha).decoupled_decay(Decay::Absolute(alpha * lambda)));
    assert_close(absolute.as_slice().unwrap(), l2.as_slice().unwrap());
    // w ← ε(w + Δw) is the penalty (1-ε)/α whose gradient is taken after the step: w = w' + Δw with
    // w' = εw is the same sequence but for a factor ε.
    let epsilon = 1.0 - alpha * lambda;
    let (mut shrunk, mut penalized) = (vector(40, 1), vector(40, 1) / epsilon);
    let mut shrinking = Sgd::new(alpha).shrink(epsilon);
    let mut l2 = Sgd::new(alpha).penalty(Penalty::l2((1.0 - epsilon) / alpha));
    for step in 0..20 {
        let g = vector(40, 10 + step);
        shrinking.step(&mut shrunk, &g).unwrap();
        l2.step(&mut penalized, &(&g * 1.0)).unwrap();
        if step == 0 {
            // From the same point before the decay of the first step on.
            penalized = &shrunk / epsilon;
        }
        assert_close(shrunk.as_slice().unwrap(), (&penalized * epsilon).as_slice().unwrap());
    }
}

#[test]
fn for_adam_an_l2_penalty_is_not_weight_decay() {
    let l2 = run(Adam::new(0.1).penalty(Penalty::l2(0.4)));
    let decoupled = run(Adam::new(0.1).decoupled_decay(Decay::Relative(0.4)));
    let shrunk = run(Adam::new(0.1).shrink(0.96));
    let far = |a: &Array1<f64>, b: &Array1<f64>| a.iter().zip(b).all(|(a, b)| (a - b).abs() > 1e-6);
    assert!(far(&l2, &decoupled) && far(&l2, &shrunk) && far(&decoupled, &shrunk));
    // Decoupled, it is AdamW's, to the last bit.
    assert_eq!(decoupled, run(AdamW::new(0.1).weight_decay(0.4)));
}

#[test]
fn shrinking_follows_the_update() {
    let mut w = array![1.0];
    Sgd::new(1.0).shrink(0.5).step(&mut w, &array![-3.0]).unwrap();
    assert_eq!(w[0], 0.5 * 4.0);
}

/// min ½‖w - a‖² + λ‖w‖₁ is a, soft-thresholded.
#[test]
fn proximal_steps_find_the_exact_zeros_of_the_lasso() {
    let a = vector(50, 4);
    let lambda = 0.6;
    let mut w = Array1::<f64>::zeros(50);
    let mut sgd = Sgd::new(0.5).proximal_l1(lambda);
    for _ in 0..200 {
        let g = &w - &a;
        sgd.step(&mut w, &g).unwrap();
    }
    let expected = a.mapv(|a: f64| a.signum() * (a.abs() - lambda).max(0.0));
    assert_close(w.as_slice().unwrap(), expected.as_slice().unwrap());
    let zeros = expected.iter().filter(|&&x| x == 0.0).count();
    assert!(zeros > 10 && w.iter().filter(|&&x| x == 0.0).count() == zeros);
    // The penalty's subgradient makes none.
    let mut w = Array1::<f64>::zeros(50);
    let mut sgd = Sgd::new(0.5).penalty(Penalty::l1(lambda));
    for _ in 0..200 {
        let g = &w - &a;
        sgd.step(&mut w, &g).unwrap();
    }
    assert!(w.iter().filter(|&&x| x == 0.0).count() < 5);
}

#[test]
fn nan_is_not_thresholded_away() {
    let mut w = array![f64::NAN, 1.0];
    Sgd::new(1.0).proximal_l1(0.5).shrink(0.5).step(&mut w, &array![0.0, 0.0]).unwrap();
    assert!(w[0].is_nan());
    assert_eq!(w[1], 0.0);
}

#[test]
fn a_bound_holds_after_each_step_and_wants_its_axis() {
    let mut w = matrix(6, 4, 1);
    let mut adam = Adam::new(0.5).max_norm(MaxNorm::new(1.5, Axis(1)));
    let mut expected = w.clone();
    let mut alone = Adam::new(0.5);
    for step in 0..10 {
        let g = matrix(6, 4, 20 + step);
        adam.step(&mut w, &g).unwrap();
        alone.step(&mut expected, &g).unwrap();
        MaxNorm::new(1.5, Axis(1)).apply(&mut expected).unwrap();
        assert_eq!(w, expected);
        for unit in w.columns() {
            assert!(unit.dot(&unit).sqrt() <= 1.5);
        }
    }
    let mut model = super::Model::new(1);
    let error = adam_step(Adam::new(0.5).max_norm(MaxNorm::new(1.5, Axis(1))), &mut model);
    assert!(error.unwrap_err().to_string().contains("bias"));
    assert_eq!(model, super::Model::new(1));
    let grouped = Adam::new(0.5).group("weight", |g| g.max_norm(MaxNorm::new(1.5, Axis(1))));
    adam_step(grouped, &mut model).unwrap();
}

fn adam_step(
    mut adam: thalweg::Adam<f64>,
    model: &mut super::Model,
) -> Result<thalweg::StepInfo, thalweg::Error> {
    adam.step(model, &super::Model::new(2))
}

#[test]
fn climbing_is_descending_along_the_negative() {
    let run = |mut optimizer: thalweg::AdamW<f64>, sign: f64| {
        let mut w = vector(30, 1);
        for step in 0..10 {
            optimizer.step(&mut w, &(vector(30, 5 + step) * sign)).unwrap();
        }
        w
    };
    assert_eq!(run(AdamW::new(0.1).maximize(true), 1.0), run(AdamW::new(0.1), -1.0));
}

#[test]
fn caution_moves_what_agrees_and_makes_up_for_the_rest() {
    let n = 60;
    let mut w = vector(n, 1).to_vec();
    let (mut m, decay) = (vec![0.0; n], 0.1 * 0.5);
    let mut ours = vector(n, 1);
    let mut lion = Lion::new(0.1).weight_decay(0.5).cautious(true);
    let mut velocity = vec![0.0; n];
    let mut w2 = vector(n, 1).to_vec();
    let mut ours2 = vector(n, 1);
    let mut momentum = Momentum::new(0.1).cautious(true);
    for step in 0..12 {
        let g = vector(n, 30 + step).to_vec();
        let u: Vec<f64> = (0..n).map(|i| (0.9 * m[i] + (1.0 - 0.9) * g[i]).signum()).collect();
        let agrees = |u: f64, g: f64| u * g > 0.0;
        let share = (0..n).filter(|&i| agrees(u[i], g[i])).count() as f64 / n as f64;
        for i in 0..n {
            let step = if agrees(u[i], g[i]) { u[i] / share.max(1e-3) } else { 0.0 };
            w[i] = w[i] - decay * w[i] - 0.1 * step;
            m[i] = 0.99 * m[i] + (1.0 - 0.99) * g[i];
        }
        for i in 0..n {
            velocity[i] = 0.9 * velocity[i] - 0.1 * g[i];
        }
        let share = (0..n).filter(|&i| agrees(-velocity[i], g[i])).count() as f64 / n as f64;
        for i in 0..n {
            w2[i] += if agrees(-velocity[i], g[i]) { velocity[i] / share } else { 0.0 };
        }
        let g = Array1::from_vec(g);
        lion.step(&mut ours, &g).unwrap();
        momentum.step(&mut ours2, &g).unwrap();
    }
    assert_close(ours.as_slice().unwrap(), &w);
    assert_close(ours2.as_slice().unwrap(), &w2);
}
