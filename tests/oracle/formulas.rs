//! The formulas, letter by letter: one element, plain `f64`, nothing shared with the crate.
//!
//! Each function takes hyperparameters and returns the update of one element, which keeps its own
//! state: of the step `t` (from 1), the learning rate `lr`, the parameter `w` and the gradient `g`
//! it makes the new parameter. Where a norm couples a leaf, all of this is of a leaf.

/// w of the step before to w, given `t`, `lr`, `w`, `g`.
pub type Formula = Box<dyn FnMut(i32, f64, f64, f64) -> f64>;

pub fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

pub fn sgd() -> Formula {
    Box::new(|_, lr, w, g| w - lr * g)
}

pub fn momentum(gamma: f64) -> Formula {
    let mut dw = 0.0;
    Box::new(move |_, lr, w, g| {
        dw = gamma * dw - lr * g;
        w + dw
    })
}

pub fn momentum_torch(gamma: f64, tau: f64) -> Formula {
    let mut b = 0.0;
    Box::new(move |t, lr, w, g| {
        b = if t == 1 { g } else { gamma * b + (1.0 - tau) * g };
        w - lr * b
    })
}

/// Keras, `nesterov=True`.
pub fn nesterov(gamma: f64) -> Formula {
    let mut m = 0.0;
    Box::new(move |_, lr, w, g| {
        m = gamma * m - lr * g;
        w + gamma * m - lr * g
    })
}

pub fn nesterov_torch(gamma: f64) -> Formula {
    let mut b = 0.0;
    Box::new(move |_, lr, w, g| {
        b = gamma * b + g;
        w - lr * (g + gamma * b)
    })
}

pub fn adagrad(initial: f64, eps: f64) -> Formula {
    let mut s = initial;
    Box::new(move |_, lr, w, g| {
        s += g * g;
        w - lr * g / (s.sqrt() + eps)
    })
}

pub fn adagrad_keras(initial: f64, eps: f64) -> Formula {
    let mut s = initial;
    Box::new(move |_, lr, w, g| {
        s += g * g;
        w - lr * g / (s + eps).sqrt()
    })
}

pub fn rmsprop(initial: f64, gamma: f64, eps: f64) -> Formula {
    let mut s = initial;
    Box::new(move |_, lr, w, g| {
        s = gamma * s + (1.0 - gamma) * g * g;
        w - lr * g / (s + eps).sqrt()
    })
}

pub fn rmsprop_torch(initial: f64, gamma: f64, eps: f64) -> Formula {
    let mut s = initial;
    Box::new(move |_, lr, w, g| {
        s = gamma * s + (1.0 - gamma) * g * g;
        w - lr * g / (s.sqrt() + eps)
    })
}

pub fn rmsprop_momentum(mu: f64, gamma: f64, eps: f64) -> Formula {
    let (mut s, mut dw) = (0.0, 0.0);
    Box::new(move |_, lr, w, g| {
        s = gamma * s + (1.0 - gamma) * g * g;
        dw = mu * dw - lr * g / f64::sqrt(s + eps);
        w + dw
    })
}

pub fn rmsprop_momentum_torch(mu: f64, gamma: f64, eps: f64) -> Formula {
    let (mut s, mut b) = (0.0, 0.0);
    Box::new(move |_, lr, w, g| {
        s = gamma * s + (1.0 - gamma) * g * g;
        b = mu * b + g / (f64::sqrt(s) + eps);
        w - lr * b
    })
}

pub fn centered(gamma: f64, eps: f64) -> Formula {
    let (mut s, mut mean) = (0.0, 0.0);
    Box::new(move |_, lr, w, g| {
        s = gamma * s + (1.0 - gamma) * g * g;
        mean = gamma * mean + (1.0 - gamma) * g;
        w - lr * g / (f64::max(s - mean * mean, 0.0) + eps).sqrt()
    })
}

pub fn centered_torch(gamma: f64, eps: f64) -> Formula {
    let (mut s, mut mean) = (0.0, 0.0);
    Box::new(move |_, lr, w, g| {
        s = gamma * s + (1.0 - gamma) * g * g;
        mean = gamma * mean + (1.0 - gamma) * g;
        w - lr * g / (f64::max(s - mean * mean, 0.0).sqrt() + eps)
    })
}

/// As published: there is no learning rate.
pub fn adadelta(rho: f64, eps: f64) -> Formula {
    let (mut s, mut x) = (0.0, 0.0);
    Box::new(move |_, _, w, g| {
        s = rho * s + (1.0 - rho) * g * g;
        let delta = f64::sqrt(x + eps) / f64::sqrt(s + eps) * g;
        x = rho * x + (1.0 - rho) * delta * delta;
        w - delta
    })
}

pub fn adadelta_torch(rho: f64, eps: f64) -> Formula {
    let (mut s, mut x) = (0.0, 0.0);
    Box::new(move |_, lr, w, g| {
        s = rho * s + (1.0 - rho) * g * g;
        let delta = f64::sqrt(x + eps) / f64::sqrt(s + eps) * g;
        x = rho * x + (1.0 - rho) * delta * delta;
        w - lr * delta
    })
}

pub fn adam(b1: f64, b2: f64, eps: f64, eps_root: f64) -> Formula {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let (m_hat, v_hat) = (m / (1.0 - b1.powi(t)), v / (1.0 - b2.powi(t)));
        w - lr * m_hat / (f64::sqrt(v_hat + eps_root) + eps)
    })
}

pub fn adam_keras(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let alpha = lr * f64::sqrt(1.0 - b2.powi(t)) / (1.0 - b1.powi(t));
        w - alpha * m / (f64::sqrt(v) + eps)
    })
}

/// `adam` and, beside it, a decay of the share `fraction(lr)` of the old parameter.
pub fn decayed(mut adam: Formula, fraction: impl Fn(f64) -> f64 + 'static) -> Formula {
    Box::new(move |t, lr, w, g| adam(t, lr, w, g) - fraction(lr) * w)
}

/// Algorithm 2 of the AdamW paper: η multiplies both α and λ.
pub fn adamw_paper(b1: f64, b2: f64, eps: f64, lambda: f64, alpha: f64) -> Formula {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        let eta = lr / alpha;
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let (m_hat, v_hat) = (m / (1.0 - b1.powi(t)), v / (1.0 - b2.powi(t)));
        w - eta * (alpha * m_hat / (f64::sqrt(v_hat) + eps) + lambda * w)
    })
}

/// Torch: the maximum is over v, and is corrected afterwards.
pub fn amsgrad(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v, mut x) = (0.0, 0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        x = f64::max(x, v);
        let root = f64::sqrt(x) / f64::sqrt(1.0 - b2.powi(t));
        w - lr * m / (1.0 - b1.powi(t)) / (root + eps)
    })
}

pub fn amsgrad_optax(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v, mut x) = (0.0, 0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        x = f64::max(x, v / (1.0 - b2.powi(t)));
        w - lr * m / (1.0 - b1.powi(t)) / (f64::sqrt(x) + eps)
    })
}

pub fn amsgrad_keras(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v, mut x) = (0.0, 0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        x = f64::max(x, v);
        let alpha = lr * f64::sqrt(1.0 - b2.powi(t)) / (1.0 - b1.powi(t));
        w - alpha * m / (f64::sqrt(x) + eps)
    })
}

pub fn amsgrad_paper(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v, mut x) = (0.0, 0.0, 0.0);
    Box::new(move |_, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        x = f64::max(x, v);
        w - lr * m / (f64::sqrt(x) + eps)
    })
}

/// Torch: ε decays with u, for it is inside the maximum.
pub fn adamax(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut u) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        u = f64::max(b2 * u, g.abs() + eps);
        w - lr / (1.0 - b1.powi(t)) * m / u
    })
}

pub fn adamax_keras(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut u) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        u = f64::max(b2 * u, g.abs());
        w - lr * m / ((1.0 - b1.powi(t)) * (u + eps))
    })
}

/// Torch, and with ψ = 1 Keras: the product of all μ so far is carried along.
pub fn nadam(b1: f64, b2: f64, eps: f64, psi: f64) -> Formula {
    let (mut m, mut v, mut product) = (0.0, 0.0, 1.0);
    let mu = move |t: i32| b1 * (1.0 - 0.5 * 0.96_f64.powf(f64::from(t) * psi));
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        product *= mu(t);
        let ahead = mu(t + 1) * m / (1.0 - product * mu(t + 1));
        let here = (1.0 - mu(t)) * g / (1.0 - product);
        w - lr * (ahead + here) / (f64::sqrt(v / (1.0 - b2.powi(t))) + eps)
    })
}

pub fn nadam_optax(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let m_hat = b1 * m / (1.0 - b1.powi(t + 1)) + (1.0 - b1) * g / (1.0 - b1.powi(t));
        w - lr * m_hat / (f64::sqrt(v / (1.0 - b2.powi(t))) + eps)
    })
}

/// ρₜ and, where it is above 4, r of "On the variance of the adaptive learning rate and beyond".
///
/// ρₜ magnifies the rounding of β₂ᵗ: `powi`, which multiplies, is 20 times worse than `powf` here.
fn rectification(b2: f64, t: i32) -> (f64, f64) {
    let limit = 2.0 / (1.0 - b2) - 1.0;
    let power = b2.powf(f64::from(t));
    let rho = limit - 2.0 * f64::from(t) * power / (1.0 - power);
    let r = (rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho);
    (rho, r.sqrt())
}

pub fn radam(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let m_hat = m / (1.0 - b1.powi(t));
        let (rho, r) = rectification(b2, t);
        if rho > 5.0 {
            w - lr * m_hat * r * f64::sqrt(1.0 - b2.powi(t)) / (f64::sqrt(v) + eps)
        } else {
            w - lr * m_hat
        }
    })
}

pub fn radam_optax(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let m_hat = m / (1.0 - b1.powi(t));
        let (rho, r) = rectification(b2, t);
        if rho >= 5.0 {
            w - lr * m_hat * r / (f64::sqrt(v / (1.0 - b2.powi(t))) + eps)
        } else {
            w - lr * m_hat
        }
    })
}

pub fn adabelief(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut s) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        s = b2 * s + (1.0 - b2) * (g - m) * (g - m) + eps;
        let (m_hat, s_hat) = (m / (1.0 - b1.powi(t)), s / (1.0 - b2.powi(t)));
        w - lr * m_hat / (f64::sqrt(s_hat) + eps)
    })
}

pub fn yogi(b1: f64, b2: f64, eps: f64, initial: f64) -> Formula {
    let (mut m, mut s) = (initial, initial);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        s -= (1.0 - b2) * sign(s - g * g) * g * g;
        let (m_hat, s_hat) = (m / (1.0 - b1.powi(t)), s / (1.0 - b2.powi(t)));
        w - lr * m_hat / (s_hat.sqrt() + eps)
    })
}

/// As published: s begins with the square of the first gradient, and nothing is corrected.
pub fn yogi_paper(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut s) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        if t == 1 {
            s = g * g;
        }
        m = b1 * m + (1.0 - b1) * g;
        s -= (1.0 - b2) * sign(s - g * g) * g * g;
        w - lr * m / (f64::sqrt(s) + eps)
    })
}

pub fn lion(b1: f64, b2: f64, fraction: impl Fn(f64) -> f64 + 'static) -> Formula {
    let mut m = 0.0;
    Box::new(move |_, lr, w, g| {
        let update = sign(b1 * m + (1.0 - b1) * g);
        m = b2 * m + (1.0 - b2) * g;
        w - lr * update - fraction(lr) * w
    })
}

/// `schedulefree`: z and x are kept, y is made of them. `powers` are r and p.
pub fn schedule_free(
    [b1, b2]: [f64; 2],
    eps: f64,
    decay: f64,
    warmup: f64,
    powers: [f64; 2],
) -> Formula {
    let (mut z, mut x, mut s, mut highest, mut sum) = (0.0, 0.0, 0.0, 0.0, 0.0);
    Box::new(move |t, lr, y, g| {
        if t == 1 {
            (z, x) = (y, y);
        }
        let t = f64::from(t);
        let rate = if t < warmup { lr * t / warmup } else { lr };
        highest = f64::max(highest, rate);
        let weight = t.powf(powers[0]) * highest.powf(powers[1]);
        sum += weight;
        let c = weight / sum;
        s = b2 * s + (1.0 - b2) * g * g;
        let u = g / ((s / (1.0 - b2.powf(t))).sqrt() + eps) + decay * y;
        z -= rate * u;
        x = (1.0 - c) * x + c * z;
        (1.0 - b1) * z + b1 * x
    })
}

/// The new leaf from the old one, given `t`, `lr`, `w`, `g`.
pub type LeafFormula = Box<dyn FnMut(i32, f64, &[f64], &[f64]) -> Vec<f64>>;

pub fn norm(x: impl Iterator<Item = f64>) -> f64 {
    x.map(|x| x * x).sum::<f64>().sqrt()
}

/// A leaf whose state is `N` zeros an element: `step` makes its elements from the scalars that
/// `whole` finds.
pub fn elementwise<const N: usize, K: 'static>(
    mut whole: impl FnMut(i32, f64, &[f64], &[f64], &mut Vec<[f64; N]>) -> K + 'static,
    mut step: impl FnMut(&K, f64, f64, &mut [f64; N]) -> f64 + 'static,
) -> LeafFormula {
    let mut state = Vec::new();
    Box::new(move |t, lr, w, g| {
        state.resize(w.len(), [0.0; N]);
        let k = whole(t, lr, w, g, &mut state);
        w.iter().zip(g).zip(&mut state).map(|((&w, &g), state)| step(&k, w, g, state)).collect()
    })
}

/// Where v takes the learning rate, and how the first dampening is.
#[derive(Clone, Copy, PartialEq)]
pub enum Buffer {
    Inside,
    Outside,
    OutsideFirstUndampened,
}

#[derive(Clone, Copy)]
pub struct LarsNumbers {
    pub momentum: f64,
    pub dampening: f64,
    pub decay: f64,
    pub trust: f64,
    pub nesterov: bool,
    pub clip: bool,
    pub buffer: Buffer,
}

/// `ratio` of ‖w‖, ‖g‖ and ‖g + λw‖ is r/η, `None` where r is 1.
pub fn lars(n: LarsNumbers, ratio: impl Fn(f64, f64, f64) -> Option<f64> + 'static) -> LeafFormula {
    elementwise::<1, _>(
        move |t, lr, w, g, _| {
            let of_w = norm(w.iter().copied());
            let of_g = norm(g.iter().copied());
            let of_both = norm(w.iter().zip(g).map(|(w, g)| g + n.decay * w));
            let r = ratio(of_w, of_g, of_both).map_or(1.0, |r| n.trust * r);
            (t, lr, if n.clip { f64::min(r / lr, 1.0) } else { r })
        },
        move |&(t, lr, r), w, g, [v]| {
            let u = r * (g + n.decay * w);
            match n.buffer {
                Buffer::Inside => {
                    *v = n.momentum * *v + (1.0 - n.dampening) * lr * u;
                    w - if n.nesterov { lr * u + n.momentum * *v } else { *v }
                }
                buffer => {
                    let first = t == 1 && buffer == Buffer::OutsideFirstUndampened;
                    let share = if first { 1.0 } else { 1.0 - n.dampening };
                    *v = n.momentum * *v + share * u;
                    w - lr * if n.nesterov { u + n.momentum * *v } else { *v }
                }
            }
        },
    )
}

/// ‖w‖/(‖g‖ + λ‖w‖ + ε)
pub fn lars_ratio(decay: f64, eps: f64) -> impl Fn(f64, f64, f64) -> Option<f64> {
    move |w, g, _| {
        let below = g + decay * w;
        (w > 0.0 && below > 0.0).then(|| w / (below + eps))
    }
}

/// Adam's direction, with another correction and average where asked.
#[derive(Clone, Copy)]
pub struct LambNumbers {
    pub betas: [f64; 2],
    pub eps: f64,
    pub root: f64,
    pub decay: f64,
    pub corrected: bool,
    pub averaged: bool,
    pub clip: bool,
}

pub fn lamb(n: LambNumbers) -> LeafFormula {
    let [b1, b2] = n.betas;
    elementwise::<3, _>(
        move |t, lr, w, g, state| {
            let (c1, c2) = (1.0 - b1.powi(t), 1.0 - b2.powi(t));
            let (c1, c2) = if n.corrected { (c1, c2) } else { (1.0, 1.0) };
            for ((w, g), [m, s, u]) in w.iter().zip(g).zip(state.iter_mut()) {
                *m = b1 * *m + if n.averaged { (1.0 - b1) * g } else { *g };
                *s = b2 * *s + (1.0 - b2) * g * g;
                *u = *m / c1 / ((*s / c2 + n.root).sqrt() + n.eps) + n.decay * w;
            }
            let (of_w, of_u) = (norm(w.iter().copied()), norm(state.iter().map(|s| s[2])));
            let r = if of_w > 0.0 && of_u > 0.0 { of_w / of_u } else { 1.0 };
            lr * if n.clip { r.min(1.0) } else { r }
        },
        |rate, w, _, [_, _, u]| w - rate * *u,
    )
}

/// m/(√s + ε), uncorrected; min(‖w‖, 10)/(‖u‖ + ε); lr/(1 - β₁ᵗ).
pub fn lamb_pytorch_optimizer([b1, b2]: [f64; 2], eps: f64, decay: f64) -> LeafFormula {
    elementwise::<3, _>(
        move |t, lr, w, g, state| {
            for ((w, g), [m, s, u]) in w.iter().zip(g).zip(state.iter_mut()) {
                *m = b1 * *m + (1.0 - b1) * g;
                *s = b2 * *s + (1.0 - b2) * g * g;
                *u = *m / (s.sqrt() + eps) + decay * w;
            }
            let (of_w, of_u) = (norm(w.iter().copied()), norm(state.iter().map(|s| s[2])));
            let r = if of_w > 0.0 && of_u > 0.0 { of_w.min(10.0) / (of_u + eps) } else { 1.0 };
            lr / (1.0 - b1.powi(t)) * r
        },
        |rate, w, _, [_, _, u]| w - rate * *u,
    )
}
