//! Rules that look at the whole tree, or at the loss, beside their formulas, letter by letter.

use thalweg::*;

use super::formulas::{LeafFormula, elementwise, norm};
use super::narrow::{self, is_narrow};
use super::table::{Of, Row, rows};

/// The new leaves, one after the other, from the old ones, given `t`, `lr`, the loss, `w`, `g`.
pub type TreeFormula = Box<dyn FnMut(i32, f64, f64, &[f64], &[f64]) -> Vec<f64>>;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// ‖a - b‖
fn distance(a: &[f64], b: &[f64]) -> f64 {
    norm(a.iter().zip(b).map(|(a, b)| a - b))
}

/// As `dog/dog.py`.
fn dog(reps_rel: f64, eps: f64) -> TreeFormula {
    if is_narrow() {
        return narrow::dog(reps_rel, eps);
    }
    let (mut init, mut rbar, mut squares) = (Vec::new(), 0.0, 0.0);
    Box::new(move |t, lr, _, w, g| {
        if t == 1 {
            init = w.to_vec();
            rbar = reps_rel * (1.0 + norm(w.iter().copied()));
            squares = dot(g, g) + eps;
        } else {
            rbar = f64::max(rbar, distance(w, &init));
            squares += dot(g, g);
        }
        let eta = lr * rbar / squares.sqrt();
        w.iter().zip(g).map(|(w, g)| w - eta * g).collect()
    })
}

/// As `LDoG` in `dog/dog.py`: DoG of a leaf.
fn ldog(reps_rel: f64, eps: f64) -> LeafFormula {
    if is_narrow() {
        return narrow::ldog(reps_rel, eps);
    }
    let mut dog = dog(reps_rel, eps);
    Box::new(move |t, lr, w, g| dog(t, lr, 0.0, w, g))
}

/// As `optax.contrib.dowg`.
fn dowg(initial: f64, eps: f64) -> TreeFormula {
    if is_narrow() {
        return narrow::dowg(initial, eps);
    }
    let (mut init, mut square, mut weighted) = (Vec::new(), initial, 0.0);
    Box::new(move |t, lr, _, w, g| {
        if t == 1 {
            init = w.to_vec();
        }
        square = f64::max(square, distance(w, &init).powi(2));
        weighted += square * dot(g, g);
        let eta = lr * square / (f64::sqrt(weighted) + eps);
        w.iter().zip(g).map(|(w, g)| w - eta * g).collect()
    })
}

#[derive(Clone, Copy)]
pub struct ProdigyNumbers {
    pub betas: [f64; 2],
    pub eps: f64,
    pub decay: f64,
    pub d0: f64,
    pub coef: f64,
    pub growth: f64,
    pub corrected: bool,
    pub safeguard: bool,
}

const PRODIGY: ProdigyNumbers = ProdigyNumbers {
    betas: [0.9, 0.999],
    eps: 1e-8,
    decay: 0.0,
    d0: 1e-6,
    coef: 1.0,
    growth: f64::INFINITY,
    corrected: false,
    safeguard: false,
};

/// As `prodigyopt/prodigy.py`.
fn prodigy(n: ProdigyNumbers) -> TreeFormula {
    if is_narrow() {
        return narrow::prodigy(n);
    }
    let [b1, b2] = n.betas;
    let b3 = b2.sqrt();
    let (mut d, mut d_max, mut numerator) = (n.d0, n.d0, 0.0);
    let mut state: Vec<[f64; 4]> = Vec::new();
    Box::new(move |t, lr, _, w, g| {
        if t == 1 {
            state = w.iter().map(|&w| [0.0, 0.0, 0.0, w]).collect();
        }
        let correction =
            if n.corrected { (1.0 - b2.powi(t)).sqrt() / (1.0 - b1.powi(t)) } else { 1.0 };
        let dlr = d * lr * correction;
        numerator *= b3;
        let mut denominator = 0.0;
        for ((w, g), [m, v, s, p0]) in w.iter().zip(g).zip(&mut state) {
            numerator += d / n.d0 * dlr * g * (*p0 - w);
            *m = b1 * *m + d * (1.0 - b1) * g;
            *v = b2 * *v + d * d * (1.0 - b2) * g * g;
            *s = b3 * *s + d / n.d0 * if n.safeguard { d } else { dlr } * g;
            denominator += s.abs();
        }
        let d_hat = n.coef * numerator / denominator;
        if d == n.d0 {
            d = d.max(d_hat);
        }
        d_max = d_max.max(d_hat);
        d = d_max.min(d * n.growth);
        let step = |(w, [m, v, ..]): (&f64, &[f64; 4])| {
            w - n.decay * dlr * w - dlr * m / (v.sqrt() + d * n.eps)
        };
        w.iter().zip(&state).map(step).collect()
    })
}

/// As `dadaptation/dadapt_adam.py`, decoupled.
fn dadapt(
    [b1, b2]: [f64; 2],
    eps: f64,
    decay: f64,
    [d0, growth]: [f64; 2],
    corrected: bool,
) -> TreeFormula {
    let root = b2.sqrt();
    let (mut d, mut weighted) = (d0, 0.0);
    let mut state: Vec<[f64; 3]> = Vec::new();
    Box::new(move |t, lr, _, w, g| {
        state.resize(w.len(), [0.0; 3]);
        let correction =
            if corrected { (1.0 - b2.powi(t)).sqrt() / (1.0 - b1.powi(t)) } else { 1.0 };
        let dlr = d * lr * correction;
        let (mut along, mut length) = (0.0, 0.0);
        for (g, [m, v, s]) in g.iter().zip(&mut state) {
            along += dlr * g * (*s / (v.sqrt() + eps));
            *m = b1 * *m + dlr * (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *s = root * *s + dlr * (1.0 - root) * g;
            length += s.abs();
        }
        weighted = root * weighted + (1.0 - root) * along;
        d = d.max(f64::min(weighted / ((1.0 - root) * length), d * growth));
        let step = |(w, [m, v, _]): (&f64, &[f64; 3])| w - decay * dlr * w - m / (v.sqrt() + eps);
        w.iter().zip(&state).map(step).collect()
    })
}

/// SPSmax of Loizou et al., with ε.
fn polyak(bound: f64, c: f64, eps: f64) -> TreeFormula {
    Box::new(move |_, lr, loss, w, g| {
        let eta = f64::min(lr, f64::max(loss - bound, 0.0) / (c * dot(g, g) + eps));
        w.iter().zip(g).map(|(w, g)| w - eta * g).collect()
    })
}

/// `optax.polyak_sgd` of the variant "sps+".
fn polyak_optax(bound: f64, eps: f64, largest: f64) -> TreeFormula {
    Box::new(move |_, lr, loss, w, g| {
        let gap = f64::max(loss - bound, 0.0);
        let scaled: Vec<f64> = g.iter().map(|g| lr * g).collect();
        let eta = lr * f64::min(gap / (dot(&scaled, &scaled) + eps), largest);
        w.iter().zip(g).map(|(w, g)| w - eta * g).collect()
    })
}

/// As `momo/momo.py`; `uses_fstar` estimates the bound.
fn momo(beta: f64, decay: f64, lb: f64, corrected: bool, uses_fstar: bool) -> TreeFormula {
    if is_narrow() {
        return narrow::momo(beta, decay, lb, corrected, uses_fstar);
    }
    let (mut loss_avg, mut gamma, mut bound) = (0.0, 0.0, lb);
    let mut d: Vec<f64> = Vec::new();
    Box::new(move |t, lr, loss, w, g| {
        if t == 1 {
            loss_avg = if corrected { 0.0 } else { loss };
            gamma = if corrected { 0.0 } else { dot(g, w) };
            d = if corrected { vec![0.0; w.len()] } else { g.to_vec() };
        }
        loss_avg = beta * loss_avg + (1.0 - beta) * loss;
        gamma = beta * gamma + (1.0 - beta) * dot(g, w);
        d.iter_mut().zip(g).for_each(|(d, g)| *d = beta * *d + (1.0 - beta) * g);
        let rho = if corrected { 1.0 - beta.powi(t) } else { 1.0 };
        let (dw, square, growth) = (dot(&d, w), dot(&d, &d), 1.0 + lr * decay);
        if uses_fstar {
            let cap = growth * loss_avg + dw - growth * gamma;
            if cap < growth * rho * bound {
                bound = f64::max(cap / (2.0 * growth * rho), lb);
            }
        }
        let nom = growth * (loss_avg - rho * bound) + dw - growth * gamma;
        let tau = f64::min(lr / rho, f64::max(nom, 0.0) / square);
        if uses_fstar {
            bound = f64::max((loss_avg + dw - gamma - 0.5 * tau * square) / rho, lb);
        }
        w.iter().zip(&d).map(|(w, d)| (w - tau * d) / growth).collect()
    })
}

/// As `momo/momo_adam.py` with `divide`.
fn momo_adam([b1, b2]: [f64; 2], eps: f64, decay: f64, lb: f64, uses_fstar: bool) -> TreeFormula {
    if is_narrow() {
        return narrow::momo_adam([b1, b2], eps, decay, lb, uses_fstar);
    }
    let (mut loss_avg, mut gamma, mut bound) = (0.0, 0.0, lb);
    let mut state: Vec<[f64; 2]> = Vec::new();
    Box::new(move |t, lr, loss, w, g| {
        state.resize(w.len(), [0.0; 2]);
        let (c1, c2) = (1.0 - b1.powi(t), 1.0 - b2.powi(t));
        loss_avg = b1 * loss_avg + (1.0 - b1) * loss;
        gamma = b1 * gamma + (1.0 - b1) * dot(g, w);
        let (mut dw, mut square, growth) = (0.0, 0.0, 1.0 + lr * decay);
        for ((w, g), [d, v]) in w.iter().zip(g).zip(&mut state) {
            *d = b1 * *d + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            dw += *d * w;
            square += *d * (*d / ((*v / c2).sqrt() + eps));
        }
        if uses_fstar {
            let cap = growth * loss_avg + dw - growth * gamma;
            if cap < growth * c1 * bound {
                bound = f64::max(cap / (2.0 * growth * c1), lb);
            }
        }
        let nom = growth * (loss_avg - c1 * bound) + dw - growth * gamma;
        let tau = f64::min(lr / c1, f64::max(nom, 0.0) / square);
        if uses_fstar {
            bound = f64::max((loss_avg + dw - gamma - 0.5 * tau * square) / c1, lb);
        }
        let step =
            |(w, [d, v]): (&f64, &[f64; 2])| (w - tau * (d / ((v / c2).sqrt() + eps))) / growth;
        w.iter().zip(&state).map(step).collect()
    })
}

/// As `optax.novograd`, or with an average in the momentum's place after the first step.
fn novograd([b1, b2]: [f64; 2], eps: f64, decay: f64, averaged: bool) -> LeafFormula {
    let mut v = 0.0;
    elementwise::<1, _>(
        move |t, lr, _, g, _| {
            let square = dot(g, g);
            v = if t == 1 { square } else { b2 * v + (1.0 - b2) * square };
            (lr, f64::sqrt(v) + eps, if averaged && t > 1 { 1.0 - b1 } else { 1.0 })
        },
        move |&(lr, below, share), w, g, [m]| {
            *m = b1 * *m + share * (g / below + decay * w);
            w - lr * *m
        },
    )
}

pub fn trees() -> Vec<Row> {
    rows! {
        "novograd" [0.01]:
        new |a| NovoGrad::new(a) => novograd([0.95, 0.98], 1e-8, 0.0, false);
        new |a| NovoGrad::new(a).beta1(0.8).beta2(0.9).epsilon(0.1).weight_decay(0.3)
            => novograd([0.8, 0.9], 0.1, 0.3, false);
        new |a| NovoGrad::new(a).averaged(true).weight_decay(0.3)
            => novograd([0.95, 0.98], 1e-8, 0.3, true);
        optax |a| NovoGrad::optax(a) => novograd([0.9, 0.25], 1e-6, 0.0, false);
        optax |a| NovoGrad::optax(a).weight_decay(0.1) => novograd([0.9, 0.25], 1e-6, 0.1, false);
        pytorch_optimizer |a| NovoGrad::pytorch_optimizer(a)
            => novograd([0.95, 0.98], 1e-8, 0.0, false);
        pytorch_optimizer |a| NovoGrad::pytorch_optimizer(a).beta2(0.5)
            => novograd([0.95, 0.5], 1e-8, 0.0, false);

        "dog" [1.0]:
        new |a| DoG::new(a) => dog(1e-6, 1e-8);
        new |a| DoG::new(a).initial_distance(1e-2).epsilon(10.0) => dog(1e-2, 10.0);

        "ldog" [1.0]:
        new |a| LDoG::new(a) => ldog(1e-6, 1e-8);
        new |a| LDoG::new(a).initial_distance(1e-2).epsilon(10.0) => ldog(1e-2, 10.0);

        "dowg" [1.0]:
        new |a| DoWG::new(a) => dowg(1e-4, 1e-4);
        new |a| DoWG::new(a).initial_square(0.3).epsilon(2.0) => dowg(0.3, 2.0);

        "prodigy" [1.0]:
        new |a| Prodigy::new(a) => prodigy(PRODIGY);
        new |a| Prodigy::new(a).beta1(0.8).beta2(0.9).epsilon(0.1).weight_decay(0.1)
            .initial_estimate(1e-3).estimate_factor(2.0)
            => prodigy(ProdigyNumbers {
                betas: [0.8, 0.9],
                eps: 0.1,
                decay: 0.1,
                d0: 1e-3,
                coef: 2.0,
                ..PRODIGY
            });
        new |a| Prodigy::new(a).initial_estimate(1e-2).growth_rate(1.02).safeguard_warmup(true)
            => prodigy(ProdigyNumbers { d0: 1e-2, growth: 1.02, safeguard: true, ..PRODIGY });
        optax |a| Prodigy::optax(a) => prodigy(ProdigyNumbers { corrected: true, ..PRODIGY });
        optax |a| Prodigy::optax(a).initial_estimate(1e-2).weight_decay(0.1)
            => prodigy(ProdigyNumbers { corrected: true, d0: 1e-2, decay: 0.1, ..PRODIGY });

        "dadapt-adam" [1.0]:
        new |a| DAdaptAdam::new(a)
            => dadapt([0.9, 0.999], 1e-8, 0.0, [1e-6, f64::INFINITY], false);
        new |a| DAdaptAdam::new(a).beta1(0.8).beta2(0.9).epsilon(0.1).weight_decay(0.1)
            .initial_estimate(1e-3).growth_rate(1.02)
            => dadapt([0.8, 0.9], 0.1, 0.1, [1e-3, 1.02], false);
        optax |a| DAdaptAdam::optax(a)
            => dadapt([0.9, 0.999], 1e-8, 0.0, [1e-6, f64::INFINITY], true);
        optax |a| DAdaptAdam::optax(a).initial_estimate(1e-2)
            => dadapt([0.9, 0.999], 1e-8, 0.0, [1e-2, f64::INFINITY], true);

        "polyak-step" [1e-8]:
        new |a| PolyakStep::new(a) => polyak(0.0, 1.0, 0.0);
        new |a| PolyakStep::new(a).lower_bound(1.5).scale(0.5).epsilon(3.0)
            => polyak(1.5, 0.5, 3.0);
        optax |a| PolyakStep::optax(a, 1.0) => polyak_optax(0.0, 0.0, 1.0);
        optax |a| PolyakStep::optax(a, 1.0).epsilon(3.0) => polyak_optax(0.0, 3.0, 1.0);
        optax |a| PolyakStep::optax(a, 1e-8).lower_bound(-1.0).epsilon(0.1)
            => polyak_optax(-1.0, 0.1, 1e-8);

        "momo" [1e-8]:
        new |a| MoMo::new(a) => momo(0.9, 0.0, 0.0, false, false);
        new |a| MoMo::new(a).momentum(0.5).weight_decay(1e6).lower_bound(1.0)
            => momo(0.5, 1e6, 1.0, false, false);
        new |a| MoMo::new(a).bias_correction(true) => momo(0.9, 0.0, 0.0, true, false);
        new |a| MoMo::new(a).estimate_bound(true).bias_correction(true).lower_bound(-0.5)
            => momo(0.9, 0.0, -0.5, true, true);
        new |a| MoMo::new(a).estimate_bound(true).weight_decay(1e6)
            => momo(0.9, 1e6, 0.0, false, true);

        "momo-adam" [0.01]:
        new |a| MoMoAdam::new(a) => momo_adam([0.9, 0.999], 1e-8, 0.0, 0.0, false);
        new |a| MoMoAdam::new(a).beta1(0.5).beta2(0.9).epsilon(0.1).weight_decay(0.3)
            .lower_bound(1.0) => momo_adam([0.5, 0.9], 0.1, 0.3, 1.0, false);
        new |a| MoMoAdam::new(a).estimate_bound(true).weight_decay(0.3).lower_bound(-0.5)
            => momo_adam([0.9, 0.999], 1e-8, 0.3, -0.5, true);
    }
}
