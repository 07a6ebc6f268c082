//! The rules whose `f32` does not follow their formula in `f64`, transcribed in `f32`: what is of an element is
//! rounded as it goes, sums and what is made of them are `f64`.
//!
//! A distance w - w₀ of 1e-6 has one digit in `f32`, and the next step is as long as it says: runs that round
//! otherwise part, however right they are.

use std::cell::Cell;

use super::formulas::LeafFormula;
use super::trees::{ProdigyNumbers, TreeFormula};

thread_local! {
    /// Whether formulas are to be of `f32`.
    pub static IS_NARROW: Cell<bool> = const { Cell::new(false) };
}

pub fn is_narrow() -> bool {
    IS_NARROW.get()
}

/// What vanishes in a square.
const LEAST: f32 = 1.387_778_8e-17;

fn narrowed(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

fn share_of_square(x: f32, share: f32) -> f32 {
    if x.abs() < LEAST { 0.0 } else { share * x * x }
}

fn square(x: f32) -> f64 {
    f64::from(x) * f64::from(x)
}

fn product(a: f32, b: f32) -> f64 {
    f64::from(a) * f64::from(b)
}

/// ‖a - b‖², the differences in `f32`.
fn square_of_way(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| square(a - b)).sum()
}

fn along(w: &[f32], g: &[f32], rate: f64) -> Vec<f64> {
    w.iter().zip(g).map(|(w, g)| f64::from(w - rate as f32 * g)).collect()
}

pub fn dog(reps_rel: f64, eps: f64) -> TreeFormula {
    let (mut init, mut rbar, mut squares) = (Vec::new(), 0.0_f64, 0.0);
    Box::new(move |t, lr, _, w, g| {
        let (w, g) = (narrowed(w), narrowed(g));
        let of_g: f64 = g.iter().map(|&g| square(g)).sum();
        if t == 1 {
            init = w.clone();
            rbar = reps_rel * (1.0 + w.iter().map(|&w| square(w)).sum::<f64>().sqrt());
            squares = of_g + eps;
        } else {
            rbar = rbar.max(square_of_way(&w, &init).sqrt());
            squares += of_g;
        }
        along(&w, &g, lr * rbar / squares.sqrt())
    })
}

pub fn ldog(reps_rel: f64, eps: f64) -> LeafFormula {
    let mut dog = dog(reps_rel, eps);
    Box::new(move |t, lr, w, g| dog(t, lr, 0.0, w, g))
}

pub fn dowg(initial: f64, eps: f64) -> TreeFormula {
    let (mut init, mut farthest, mut weighted) = (Vec::new(), initial, 0.0_f64);
    Box::new(move |t, lr, _, w, g| {
        let (w, g) = (narrowed(w), narrowed(g));
        if t == 1 {
            init = w.clone();
        }
        farthest = f64::max(farthest, square_of_way(&w, &init));
        weighted += farthest * g.iter().map(|&g| square(g)).sum::<f64>();
        along(&w, &g, lr * farthest / (weighted.sqrt() + eps))
    })
}

pub fn prodigy(n: ProdigyNumbers) -> TreeFormula {
    let [b1, b2] = n.betas;
    let b3 = b2.sqrt();
    let (mut d, mut d_max, mut numerator) = (n.d0, n.d0, 0.0);
    let mut state: Vec<[f32; 4]> = Vec::new();
    Box::new(move |t, lr, _, w, g| {
        let (w, g) = (narrowed(w), narrowed(g));
        if t == 1 {
            state = w.iter().map(|&w| [0.0, 0.0, 0.0, w]).collect();
        }
        let correction =
            if n.corrected { (1.0 - b2.powi(t)).sqrt() / (1.0 - b1.powi(t)) } else { 1.0 };
        let dlr = d * lr * correction;
        let weight = d / n.d0 * dlr;
        let of_s = if n.safeguard { d / n.d0 * d } else { weight };
        numerator *= b3;
        let mut denominator = 0.0;
        for ((&w, &g), [m, v, s, p0]) in w.iter().zip(&g).zip(&mut state) {
            numerator += weight * product(g, *p0 - w);
            *m = b1 as f32 * *m + (d * (1.0 - b1)) as f32 * g;
            *v = b2 as f32 * *v + share_of_square(d as f32 * g, (1.0 - b2) as f32);
            *s = b3 as f32 * *s + of_s as f32 * g;
            denominator += f64::from(s.abs());
        }
        let d_hat = n.coef * numerator / denominator;
        if d == n.d0 {
            d = d.max(d_hat);
        }
        d_max = d_max.max(d_hat);
        d = d_max.min(d * n.growth);
        let (rate, decay) = (dlr as f32, (dlr * n.decay) as f32);
        let below = (d * n.eps).max(f64::from(LEAST)) as f32;
        let step = |(&w, [m, v, ..]): (&f32, &[f32; 4])| {
            f64::from((w - decay * w) - rate * m / (v.sqrt() + below))
        };
        w.iter().zip(&state).map(step).collect()
    })
}

pub fn momo(beta: f64, decay: f64, lb: f64, corrected: bool, uses_fstar: bool) -> TreeFormula {
    let (mut loss_avg, mut gamma, mut bound) = (0.0, 0.0, lb);
    let mut d: Vec<f32> = Vec::new();
    Box::new(move |t, lr, loss, w, g| {
        let (w, g) = (narrowed(w), narrowed(g));
        d.resize(w.len(), 0.0);
        let keeps = if t == 1 && !corrected { 0.0 } else { beta };
        d.iter_mut().zip(&g).for_each(|(d, g)| *d = keeps as f32 * *d + (1.0 - keeps) as f32 * g);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| product(a, b)).sum::<f64>();
        loss_avg = keeps * loss_avg + (1.0 - keeps) * loss;
        gamma = keeps * gamma + (1.0 - keeps) * dot(&g, &w);
        let rho = if corrected { 1.0 - beta.powi(t) } else { 1.0 };
        let tau = rate(
            [lr, decay, rho, lb],
            [loss_avg, gamma, dot(&d, &w), dot(&d, &d)],
            &mut bound,
            uses_fstar,
        );
        moved(&w, &d, tau, lr * decay)
    })
}

pub fn momo_adam(
    [b1, b2]: [f64; 2],
    eps: f64,
    decay: f64,
    lb: f64,
    uses_fstar: bool,
) -> TreeFormula {
    let (mut loss_avg, mut gamma, mut bound) = (0.0, 0.0, lb);
    let mut state: Vec<[f32; 2]> = Vec::new();
    Box::new(move |t, lr, loss, w, g| {
        let (w, g) = (narrowed(w), narrowed(g));
        state.resize(w.len(), [0.0; 2]);
        let (c1, c2) = (1.0 - b1.powi(t), 1.0 - b2.powi(t));
        loss_avg = b1 * loss_avg + (1.0 - b1) * loss;
        let (mut gw, mut dw, mut square) = (0.0, 0.0, 0.0);
        let mut direction = Vec::new();
        for ((&w, &g), [d, v]) in w.iter().zip(&g).zip(&mut state) {
            *d = b1 as f32 * *d + (1.0 - b1) as f32 * g;
            *v = b2 as f32 * *v + share_of_square(g, (1.0 - b2) as f32);
            let along = *d / ((*v * (1.0 / c2) as f32).sqrt() + eps as f32);
            gw += product(g, w);
            dw += product(*d, w);
            square += product(*d, along);
            direction.push(along);
        }
        gamma = b1 * gamma + (1.0 - b1) * gw;
        let sums = [loss_avg, gamma, dw, square];
        let tau = rate([lr, decay, c1, lb], sums, &mut bound, uses_fstar);
        moved(&w, &direction, tau, lr * decay)
    })
}

/// τ of MoMo, as `momo/momo.py`.
fn rate(
    [lr, decay, rho, lb]: [f64; 4],
    [loss_avg, gamma, dw, square]: [f64; 4],
    bound: &mut f64,
    uses_fstar: bool,
) -> f64 {
    let growth = 1.0 + lr * decay;
    if uses_fstar {
        let cap = growth * loss_avg + dw - growth * gamma;
        if cap < growth * rho * *bound {
            *bound = f64::max(cap / (2.0 * growth * rho), lb);
        }
    }
    let nom = growth * (loss_avg - rho * *bound) + dw - growth * gamma;
    let tau = f64::min(lr / rho, f64::max(nom, 0.0) / square);
    if uses_fstar {
        *bound = f64::max((loss_avg + dw - gamma - 0.5 * tau * square) / rho, lb);
    }
    tau
}

/// (w - τd)/(1 + δ), as w less its share and less the step.
fn moved(w: &[f32], d: &[f32], tau: f64, delta: f64) -> Vec<f64> {
    let (decay, rate) = ((delta / (1.0 + delta)) as f32, (tau / (1.0 + delta)) as f32);
    w.iter().zip(d).map(|(w, d)| f64::from(w - decay * w - rate * d)).collect()
}
