//! The formulas, letter by letter: one element, plain `f64`, nothing shared with the crate.
//!
//! Each function takes hyperparameters and returns the update of one element, which keeps its own
//! state: of the step `t` (from 1), the learning rate `lr`, the parameter `w` and the gradient `g`
//! it makes the new parameter.

/// w of the step before to w, given `t`, `lr`, `w`, `g`.
pub type Formula = Box<dyn FnMut(i32, f64, f64, f64) -> f64>;

fn sign(x: f64) -> f64 {
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
