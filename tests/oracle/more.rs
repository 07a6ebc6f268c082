//! More formulas, letter by letter, of the same kind as those of `formulas`.

use super::formulas::{Formula, LeafFormula, elementwise, norm, sign};

pub fn sign_sgd() -> Formula {
    Box::new(|_, lr, w, g| w - lr * sign(g))
}

pub fn signum(gamma: f64) -> Formula {
    let mut m = 0.0;
    Box::new(move |_, lr, w, g| {
        m = gamma * m + (1.0 - gamma) * g;
        w - lr * sign(m)
    })
}

/// PyTorch's, with Δ kept as a number of its own that goes with the rate where that changes.
pub fn rprop(shrink: f64, growth: f64, [least, largest]: [f64; 2]) -> Formula {
    let (mut delta, mut last, mut last_rate) = (0.0, 0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        delta = if t == 1 { lr } else { delta * (lr / last_rate) };
        last_rate = lr;
        let turned = sign(g) * sign(last);
        if turned > 0.0 {
            delta *= growth;
        } else if turned < 0.0 {
            delta *= shrink;
        }
        delta = f64::min(f64::max(delta, least), largest);
        last = if turned < 0.0 { 0.0 } else { g };
        w - delta * sign(last)
    })
}

/// The authors' code; `proximal` is not `no_prox`.
pub fn adan([b1, b2, b3]: [f64; 3], eps: f64, decay: f64, proximal: bool) -> Formula {
    let (mut m, mut v, mut n, mut last) = (0.0, 0.0, 0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        let d = if t == 1 { 0.0 } else { g - last };
        last = g;
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * d;
        n = b3 * n + (1.0 - b3) * (g + b2 * d) * (g + b2 * d);
        let below = f64::sqrt(n) / (1.0 - b3.powi(t)).sqrt() + eps;
        let u = (m / (1.0 - b1.powi(t)) + b2 * v / (1.0 - b2.powi(t))) / below;
        if proximal { (w - lr * u) / (1.0 + lr * decay) } else { w * (1.0 - lr * decay) - lr * u }
    })
}

/// The authors' schedulers of α and β₃ while `t` is below `warmup`.
pub fn ademamix(
    [b1, b2, b3]: [f64; 3],
    mixture: f64,
    eps: f64,
    decay: f64,
    warmup: f64,
) -> Formula {
    let (mut m1, mut m2, mut v) = (0.0, 0.0, 0.0);
    let f = |beta: f64| 0.5_f64.ln() / beta.ln() - 1.0;
    Box::new(move |t, lr, w, g| {
        let (mut alpha, mut b3_now) = (mixture, b3);
        let step = f64::from(t);
        if step < warmup {
            let a = step / warmup;
            alpha = a * mixture;
            b3_now = f64::powf(0.5, 1.0 / ((1.0 - a) * f(b1) + a * f(b3) + 1.0)).min(b3);
        }
        m1 = b1 * m1 + (1.0 - b1) * g;
        m2 = b3_now * m2 + (1.0 - b3_now) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let below = f64::sqrt(v) / (1.0 - b2.powi(t)).sqrt() + eps;
        w - lr * ((m1 / (1.0 - b1.powi(t)) + alpha * m2) / below + decay * w)
    })
}

/// Optax: `count` begins at 0, and its fourth root bounds.
pub fn adopt(b1: f64, b2: f64, eps: f64) -> Formula {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        if t == 1 {
            v = g * g;
            return w;
        }
        let clip = f64::powf(f64::from(t - 1), 0.25);
        let ratio = g / f64::max(f64::sqrt(v), eps);
        m = b1 * m + (1.0 - b1) * ratio.clamp(-clip, clip);
        v = b2 * v + (1.0 - b2) * g * g;
        w - lr * m
    })
}

pub fn madgrad(momentum: f64, eps: f64) -> Formula {
    let (mut s, mut squares, mut origin) = (0.0, 0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        if t == 1 {
            origin = w;
        }
        let weight = (lr + eps) * f64::from(t).sqrt();
        s += weight * g;
        squares += weight * g * g;
        let z = origin - s / (f64::cbrt(squares) + eps);
        momentum * w + (1.0 - momentum) * z
    })
}

/// Optax, with α = 1.
pub fn optimistic_gradient(optimism: f64) -> Formula {
    let mut last = 0.0;
    Box::new(move |t, lr, w, g| {
        let before = if t == 1 { g } else { last };
        last = g;
        w - lr * ((1.0 + optimism) * g - optimism * before)
    })
}

pub fn optimistic_adam(optimism: f64, [b1, b2]: [f64; 2], eps: f64, nesterov: bool) -> Formula {
    let (mut m, mut v, mut last) = (0.0, 0.0, 0.0);
    Box::new(move |t, lr, w, g| {
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let mut m_hat = m / (1.0 - b1.powi(t));
        if nesterov {
            m_hat = b1 * m / (1.0 - b1.powi(t + 1)) + (1.0 - b1) * g / (1.0 - b1.powi(t));
        }
        let r = m_hat / ((v / (1.0 - b2.powi(t))).sqrt() + eps);
        let before = if t == 1 { r } else { last };
        last = r;
        w - lr * ((1.0 + optimism) * r - optimism * before)
    })
}

#[derive(Clone, Copy)]
pub struct FtrlNumbers {
    pub l1: f64,
    pub l2: f64,
    pub shrinkage: f64,
    pub beta: f64,
    pub initial: f64,
}

/// The paper's z and n. z begins as that of the w there is, and is made anew where the rate changes.
pub fn ftrl(numbers: FtrlNumbers) -> Formula {
    let FtrlNumbers { l1, l2, shrinkage, beta, initial } = numbers;
    let (mut z, mut n, mut rate) = (0.0, initial, f64::NAN);
    Box::new(move |_, lr, w, g| {
        if lr != rate && w != 0.0 {
            z = -w * ((beta + f64::sqrt(n)) / lr + l2) - sign(w) * l1;
        }
        rate = lr;
        let sigma = (f64::sqrt(n + g * g) - f64::sqrt(n)) / lr;
        n += g * g;
        z += g + shrinkage * w - sigma * w;
        if f64::abs(z) <= l1 {
            return 0.0;
        }
        -(z - sign(z) * l1) / ((beta + f64::sqrt(n)) / lr + l2)
    })
}

/// `schedulefree`: z and x are kept, y is made of them. `powers` are r and p.
pub fn schedule_free_sgd(momentum: f64, decay: f64, warmup: f64, powers: [f64; 2]) -> Formula {
    let (mut z, mut x, mut highest, mut sum) = (0.0, 0.0, 0.0, 0.0);
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
        z -= rate * (g + decay * y);
        x = (1.0 - c) * x + c * z;
        (1.0 - momentum) * z + momentum * x
    })
}

/// The definition: x and z are kept, y is made of them. `shares` are μ_y and μₓ.
pub fn gpa(shares: [f64; 2], [b1, b2]: [f64; 2], eps: f64, decay: f64) -> Formula {
    let (mut z, mut x, mut m, mut v) = (0.0, 0.0, 0.0, 0.0);
    Box::new(move |t, lr, y, g| {
        if t == 1 {
            (z, x) = (y, y);
        }
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        let below = (v / (1.0 - b2.powi(t))).sqrt() + eps;
        z -= lr * (m / (1.0 - b1.powi(t)) / below + decay * z);
        x = shares[1] * x + (1.0 - shares[1]) * z;
        shares[0] * x + (1.0 - shares[0]) * z
    })
}

/// The authors', and Optax's with `least` above 0.
pub fn fromage(least: f64) -> LeafFormula {
    elementwise::<0, _>(
        move |_, lr, w, g, _| {
            let of_w = norm(w.iter().copied()).max(least);
            let of_g = norm(g.iter().copied()).max(least);
            (lr, if of_w > 0.0 && of_g > 0.0 { of_w / of_g } else { 1.0 })
        },
        |&(lr, r), w, g, _| (w - lr * r * g) / (1.0 + lr * lr).sqrt(),
    )
}

/// `of_root` is what the division is by, of v, 1 - β₂ᵗ.
pub fn mars(
    [b1, b2]: [f64; 2],
    gamma: f64,
    decay: f64,
    clipped: bool,
    below: impl Fn(f64, f64) -> f64 + 'static,
) -> LeafFormula {
    elementwise::<4, _>(
        move |t, lr, _, g, state| {
            for (g, [_, _, last, c]) in g.iter().zip(state.iter_mut()) {
                *c = g + gamma * (b1 / (1.0 - b1)) * (g - *last);
                *last = *g;
            }
            let of_c = norm(state.iter().map(|s| s[3]));
            let over = if clipped && of_c > 1.0 { of_c } else { 1.0 };
            (t, lr, over)
        },
        move |&(t, lr, over), w, _, [m, v, _, c]| {
            let c = *c / over;
            *m = b1 * *m + (1.0 - b1) * c;
            *v = b2 * *v + (1.0 - b2) * c * c;
            let u = *m / (1.0 - b1.powi(t)) / below(*v, 1.0 - b2.powi(t));
            w * (1.0 - lr * decay) - lr * u
        },
    )
}
