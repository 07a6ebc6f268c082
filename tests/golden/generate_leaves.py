"""Golden trajectories of rules in which a norm, a matrix or a mask couples the
elements of a leaf, and of what is done around a step: clipping, averages,
Lookahead, SAM. In float64.

    python generate_leaves.py             # everything
    python generate_leaves.py timm optax  # only these files

The sibling of generate.py for a model of several leaves of different shapes.
Again every library stands beside an independent transcription of its formula.
See README.md for the format.
"""

import contextlib
import functools
import importlib.metadata
import inspect
import json
import os
import sys

import numpy as np

from generate import (
    HERE, LR_CHANGE, STEPS, State, case, ema, one_line, optax_adam_step, optax_adamw_step, optax_nadamw_step,
    optax_sgd_step, resolve, torch_adamw_step, torch_sgd_step,
)  # fmt: skip

assert os.environ["JAX_ENABLE_X64"] == "1"  # set by generate
CHECKPOINTS = (1, 10, 30, 60)


# --------------------------------------------------------------- the problem


def make_problem():
    """Eight leaves, 60 gradients that do not depend on the parameters.

    hidden, wide, square  matrices; the norm of wide is above 10
    kernel  of rank 3
    bias    a vector
    gain    one element
    late    its gradient is exactly 0 in the first five steps
    fresh   it starts at exactly 0
    """
    shapes = {
        "hidden": (6, 4), "wide": (3, 8), "square": (5, 5), "kernel": (3, 2, 2),
        "bias": (5,), "gain": (1,), "late": (2, 3), "fresh": (2, 2),
    }  # fmt: skip
    sizes = {"hidden": 1.0, "wide": 3.0, "square": 0.3, "kernel": 0.5, "bias": 0.2, "gain": 2.0, "late": 0.7}
    steepness = {"hidden": 1.0, "wide": 0.1, "square": 3.0, "kernel": 0.3, "bias": 0.5, "late": 0.7, "fresh": 0.4}
    rng = np.random.default_rng(20250613)
    digits = np.vectorize(lambda x: float(f"{x:.5e}"))  # short numbers; they are exact all the same
    loudness = 1 + 1.5 * np.sin(2 * np.pi * np.arange(STEPS) / 20) ** 2  # so that clipping has both cases
    leaves = {}
    for name, shape in shapes.items():
        initial = sizes.get(name, 0.0) * rng.standard_normal(shape)
        gradients = 0.5 * rng.standard_normal(shape) + rng.standard_normal((STEPS, *shape))
        gradients *= steepness.get(name, 2.0) * loudness.reshape(-1, *([1] * len(shape)))
        if name == "late":
            gradients[:5] = 0.0
        leaves[name] = {
            "shape": list(shape),
            "initial": digits(initial).ravel().tolist(),
            "gradients": digits(gradients).reshape(STEPS, -1).tolist(),
        }
    return {"leaves": leaves}


def read_problem():
    """Parameters, and the gradients of every step, as trees: name to array."""
    leaves = json.loads((HERE / "leaves.json").read_text(encoding="utf-8"))["leaves"]
    w = {name: np.array(leaf["initial"]).reshape(leaf["shape"]) for name, leaf in leaves.items()}
    grads = [
        {name: np.array(leaf["gradients"][t]).reshape(leaf["shape"]) for name, leaf in leaves.items()}
        for t in range(STEPS)
    ]
    return w, grads


def quartic_gradient(w, g):
    """The gradient of w^4 / 4 - w^2 / 2 + g w, g being the problem's: for rules that choose where to take it."""
    return {name: w[name] ** 3 - w[name] + g[name] for name in w}


# ------------------------------------------------------ formulas, in plain numpy
#
# step(s, t, w, g, **arguments) -> new w, all trees; t counts from 1, s holds the
# state. s["tracks"] is what else there is to compare. A function under
# @leafwise sees one leaf and a state of its own. Names and defaults of the
# arguments are the library's; the docstring is the formula.


def leafwise(step):
    @functools.wraps(step)
    def steps(s, t, w, g, **arguments):
        for name in w:
            s.setdefault(name, State())
        return {name: step(s[name], t, w[name], g[name], **arguments) for name in w}

    return steps


def norm(x):
    return np.sqrt(np.sum(x**2))


def global_norm(tree):
    return np.sqrt(sum(np.sum(x**2) for x in tree.values()))


# LARS


@leafwise
def optax_lars_step(
    s, t, w, g, learning_rate, weight_decay=0.0, trust_coefficient=0.001, eps=0.0, momentum=0.9, nesterov=False
):
    """u = g + weight_decay w; r = trust_coefficient |w| / (|u| + eps), but 1 where |w| = 0 or |u| = 0; v = learning_rate r u; b = momentum b + v; w -= b, with nesterov w -= v + momentum b; every leaf"""
    u = g + weight_decay * w
    if norm(w) > 0 and norm(u) > 0:
        u = u * trust_coefficient * norm(w) / (norm(u) + eps)
    u = learning_rate * u
    s["b"] = momentum * s["b"] + u
    return w - (u + momentum * s["b"] if nesterov else s["b"])


@leafwise
def pytorch_optimizer_lars_step(
    s, t, w, g, lr, weight_decay=0.0, momentum=0.9, dampening=0.0, trust_coefficient=1e-3, nesterov=False
):
    """rank >= 2: r = trust_coefficient |w| / (|g| + weight_decay |w|), but 1 where |w| = 0 or the denominator is; u = r (g + weight_decay w); rank < 2: u = g, not decayed; b = momentum b + (1 - dampening) u from b = 0; w -= lr b, with nesterov w -= lr (u + momentum b)"""
    u = g
    if w.ndim > 1:
        below = norm(g) + weight_decay * norm(w)
        r = trust_coefficient * norm(w) / below if norm(w) > 0 and below > 0 else 1.0
        u = r * (g + weight_decay * w)
    if momentum == 0:
        return w - lr * u
    s["b"] = momentum * s["b"] + (1 - dampening) * u
    return w - lr * (u + momentum * s["b"] if nesterov else s["b"])


@leafwise
def timm_lars_step(
    s, t, w, g, lr=1.0, momentum=0, dampening=0, weight_decay=0, nesterov=False,
    trust_coeff=0.001, eps=1e-8, trust_clip=False, always_adapt=False,
):  # fmt: skip
    """where weight_decay != 0 or always_adapt: r = trust_coeff |w| / (|g| + weight_decay |w| + eps), but 1 where |w| = 0 or |g| = 0; trust_clip: r = min(r / lr, 1); u = r (g + weight_decay w), else u = g; b = u at t = 1, else momentum b + (1 - dampening) u; w -= lr b, with nesterov w -= lr (u + momentum b); every leaf"""
    u = g
    if weight_decay != 0 or always_adapt:
        r = trust_coeff * norm(w) / (norm(g) + weight_decay * norm(w) + eps) if norm(w) > 0 and norm(g) > 0 else 1.0
        if trust_clip:
            r = min(r / lr, 1.0)
        u = r * (g + weight_decay * w)
    return torch_sgd_step(s, t, w, u, lr, momentum, dampening, 0.0, nesterov)


# LAMB


def trust(w_norm, u_norm, eps=0.0):
    return w_norm / (u_norm + eps) if w_norm > 0 and u_norm > 0 else 1.0


@leafwise
def optax_lamb_step(s, t, w, g, learning_rate, b1=0.9, b2=0.999, eps=1e-6, eps_root=0.0, weight_decay=0.0):
    """m = b1 m + (1 - b1) g; s = b2 s + (1 - b2) g^2; u = m / (1 - b1^t) / (sqrt(s / (1 - b2^t) + eps_root) + eps) + weight_decay w; r = |w| / |u|, but 1 where |w| = 0 or |u| = 0; w -= learning_rate r u; every leaf"""
    u = -optax_adam_step(s, t, 0 * w, g, 1.0, b1, b2, eps, eps_root) + weight_decay * w
    return w - learning_rate * trust(norm(w), norm(u)) * u


@leafwise
def pytorch_optimizer_lamb_step(
    s, t, w, g, lr, betas=(0.9, 0.999), weight_decay=0.0, weight_decouple=True, fixed_decay=False,
    grad_averaging=True, adam=False, eps=1e-6, adam_debias=False,
):  # fmt: skip
    """m = b1 m + (1 - b1) g, or m = b1 m + g without grad_averaging; s = b2 s + (1 - b2) g^2; weight_decouple: w *= 1 - lr weight_decay (with fixed_decay 1 - weight_decay); u = m / (sqrt(s) + eps), not corrected, and without weight_decouple u += weight_decay w; r = min(|w|, 10) / (|u| + eps), but 1 where |w| = 0 or |u| = 0, and 1 with adam; w -= lr / (1 - b1^t) r u, with adam_debias w -= lr r u; every leaf"""
    b1, b2 = betas
    s["m"] = b1 * s["m"] + (1 - b1 if grad_averaging else 1.0) * g
    s["s"] = ema(s["s"], g**2, b2)
    if weight_decouple:
        w = w * (1 - (1.0 if fixed_decay else lr) * weight_decay)
    u = s["m"] / (np.sqrt(s["s"]) + eps)
    if not weight_decouple:
        u = u + weight_decay * w
    r = 1.0 if adam else trust(min(norm(w), 10.0), norm(u), eps)
    return w - (lr if adam_debias else lr / (1 - b1**t)) * r * u


def timm_lamb_step(
    s, t, w, g, lr, bias_correction=True, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, grad_averaging=True,
    max_grad_norm=1.0, trust_clip=False, always_adapt=False, caution=False, decoupled_decay=False,
):  # fmt: skip
    """g = g / max(1, |all g| / max_grad_norm) unless that is None; m = b1 m + (1 - b1) g, or m = b1 m + g without grad_averaging; s = b2 s + (1 - b2) g^2; u = m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + eps), without bias_correction u = m / (sqrt(s) + eps); caution: u as timm AdamW's; decoupled_decay: w *= 1 - lr weight_decay, else u += weight_decay w; where weight_decay != 0 or always_adapt: r = |w| / |u|, but 1 where |w| = 0 or |u| = 0; trust_clip: r = min(r, 1); else r = 1; w -= lr r u"""
    b1, b2 = betas
    shrink = 1.0 if max_grad_norm is None else max(1.0, global_norm(g) / max_grad_norm)

    @leafwise
    def one(s, t, w, g):
        g = g / shrink
        s["m"] = b1 * s["m"] + (1 - b1 if grad_averaging else 1.0) * g
        s["s"] = ema(s["s"], g**2, b2)
        c1, c2 = (1 - b1**t, 1 - b2**t) if bias_correction else (1.0, 1.0)
        u = s["m"] / c1 / (np.sqrt(s["s"] / c2) + eps)
        if caution:
            u = u * timm_mask(u, g)
        if decoupled_decay:
            w = w * (1 - lr * weight_decay)
        else:
            u = u + weight_decay * w
        r = trust(norm(w), norm(u)) if weight_decay != 0 or always_adapt else 1.0
        return w - lr * (min(r, 1.0) if trust_clip else r) * u

    return one(s, t, w, g)


# Cautious


def timm_mask(u, g):
    mask = (u * g > 0).astype(float)
    return mask / max(mask.mean(), 1e-3)


@leafwise
def timm_adamw_step(s, t, w, g, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, caution=False):
    """w *= 1 - lr weight_decay; m = b1 m + (1 - b1) g; s = b2 s + (1 - b2) g^2; caution: k = 1 where m g > 0, else 0, divided by max(mean of k over the leaf, 1e-3), else k = 1; w -= lr k m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + eps)"""
    w = w * (1 - lr * weight_decay)
    u = -torch_adamw_step(s, t, 0 * w, g, lr, betas, eps, 0.0)
    return w - (timm_mask(s["m"], g) if caution else 1.0) * u


@leafwise
def timm_lion_step(s, t, w, g, lr, betas=(0.9, 0.99), weight_decay=0.0, caution=False):
    """w *= 1 - lr weight_decay; u = sign(b1 m + (1 - b1) g); caution: k as timm AdamW's, with u for m; w -= lr k u; then m = b2 m + (1 - b2) g"""
    u = np.sign(ema(s["m"], g, betas[0]))
    s["m"] = ema(s["m"], g, betas[1])
    return w * (1 - lr * weight_decay) - lr * (timm_mask(u, g) if caution else 1.0) * u


@leafwise
def pytorch_optimizer_lion_step(s, t, w, g, lr, betas=(0.9, 0.99), weight_decay=0.0, cautious=False):
    """w *= 1 - lr weight_decay; u = sign(b1 m + (1 - b1) g); cautious: k = 1 where u g > 0, else 0, times n / (sum of k + 1) of the n elements of the leaf; w -= lr k u; then m = b2 m + (1 - b2) g"""
    u = np.sign(ema(s["m"], g, betas[0]))
    s["m"] = ema(s["m"], g, betas[1])
    k = (u * g > 0).astype(float)
    return w * (1 - lr * weight_decay) - lr * (k * k.size / (k.sum() + 1) if cautious else 1.0) * u


# Fromage, MARS


@leafwise
def optax_fromage_step(s, t, w, g, learning_rate, min_norm=1e-6):
    """w = (w - learning_rate g max(|w|, min_norm) / max(|g|, min_norm)) / sqrt(1 + learning_rate^2)"""
    r = max(norm(w), min_norm) / max(norm(g), min_norm)
    return (w - learning_rate * r * g) / np.sqrt(1 + learning_rate**2)


@leafwise
def pytorch_optimizer_fromage_step(s, t, w, g, lr=1e-2):
    """w = (w - lr g |w| / |g|) / sqrt(1 + lr^2), without |w| / |g| where either is 0"""
    r = norm(w) / norm(g) if norm(w) > 0 and norm(g) > 0 else 1.0
    return (w - lr * r * g) / np.sqrt(1 + lr**2)


@leafwise
def pytorch_optimizer_mars_step(
    s, t, w, g, lr=3e-3, betas=(0.95, 0.99), gamma=0.025, optimize_1d=False, weight_decay=0.0, eps=1e-8
):
    """c = g + gamma b1 / (1 - b1) (g - g_before), over its norm where that is above 1; m = b1 m + (1 - b1) c; s = b2 s + (1 - b2) c^2; w *= 1 - lr weight_decay; w -= lr m / (1 - b1^t) sqrt(1 - b2^t) / (sqrt(s + 1e-15) + eps); every leaf with optimize_1d"""
    assert optimize_1d
    b1, b2 = betas
    c = g + gamma * b1 / (1 - b1) * (g - s["g"])
    s["g"] = g
    c = c / max(norm(c), 1.0)
    s["m"], s["s"] = ema(s["m"], c, b1), ema(s["s"], c**2, b2)
    u = s["m"] / (1 - b1**t) * np.sqrt(1 - b2**t) / (np.sqrt(s["s"] + 1e-15) + eps)
    return w * (1 - lr * weight_decay) - lr * u


# Schedule-free


def schedule_free_sgd_step(
    s, t, w, g, lr=1.0, momentum=0.9, weight_decay=0.0, warmup_steps=0, r=0.0, weight_lr_power=2.0
):
    """as AdamWScheduleFree, but u = g + weight_decay y, and momentum for b1"""
    rate = lr * (t / warmup_steps if t < warmup_steps else 1.0)
    s["highest"] = max(s["highest"], rate)
    weight = t**r * s["highest"] ** weight_lr_power
    return schedule_free(s, t, w, g, rate, weight, momentum, None, 0.0, weight_decay)


def optax_schedule_free_sgd_step(s, t, w, g, learning_rate=1.0, b1=0.9, weight_decay=0.0, weight_lr_power=2.0):
    """as schedulefree.SGDScheduleFree with r = 0, without warm-up"""
    return schedule_free_sgd_step(s, t, w, g, learning_rate, b1, weight_decay, weight_lr_power=weight_lr_power)


def schedule_free_adamw_step(
    s, t, w, g, lr=0.0025, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, warmup_steps=0, r=0.0, weight_lr_power=2.0
):
    """the parameters are y; x = z = y at first; a = lr min(t / warmup_steps, 1); h = max of the a so far; c = p / (sum of the p so far) of p = t^r h^weight_lr_power; s = b2 s + (1 - b2) g^2; u = g / (sqrt(s / (1 - b2^t)) + eps) + weight_decay y; z -= a u; x = (1 - c) x + c z; y = (1 - b1) z + b1 x"""
    rate = lr * (t / warmup_steps if t < warmup_steps else 1.0)
    s["highest"] = max(s["highest"], rate)
    return schedule_free(s, t, w, g, rate, t**r * s["highest"] ** weight_lr_power, *betas, eps, weight_decay)


def schedule_free(s, t, w, g, rate, weight, b1, b2, eps, weight_decay):
    s["sum"] = s["sum"] + weight
    c = weight / s["sum"] if s["sum"] > 0 else 0.0
    tracks = s.setdefault("tracks", {"x": dict(w)})

    @leafwise
    def one(s, t, y, g, name):
        if t == 1:
            s["x"], s["z"] = y, y
        u = g if b2 is None else -optax_adam_step(s, t, 0 * y, g, 1.0, 0.0, b2, eps)
        u = u + weight_decay * y
        s["z"] = s["z"] - rate * u
        s["x"] = (1 - c) * s["x"] + c * s["z"]
        return (1 - b1) * s["z"] + b1 * s["x"]

    y = one(s, t, w, g, name=None)
    tracks["x"] = {name: s[name]["x"] for name in w}
    return y


def optax_schedule_free_adamw_step(
    s, t, w, g, learning_rate=0.0025, warmup_steps=None, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0, weight_lr_power=2.0
):
    """as schedulefree.AdamWScheduleFree with r = 0, but a = learning_rate min((t - 1) / warmup_steps, 1), and h the max of learning_rate min(t / warmup_steps, 1): the weights are one step ahead of the steps, the first of which is 0"""
    ramp = (lambda k: 1.0) if warmup_steps is None else (lambda k: min(k / warmup_steps, 1.0))
    rate, highest = learning_rate * ramp(t - 1), learning_rate * ramp(t)
    return schedule_free(s, t, w, g, rate, highest**weight_lr_power, b1, b2, eps, weight_decay)


# Muon


def newton_schulz(x, coefficients, steps):
    """x = a x + (b A + c A A) x of A = x x^T, `steps` times, on the side with fewer rows."""
    if x.shape[0] > x.shape[1]:
        return newton_schulz(x.T, coefficients, steps).T
    a, b, c = coefficients
    for _ in range(steps):
        A = x @ x.T
        x = a * x + (b * A + c * A @ A) @ x
    return x


KELLER_JORDAN = (3.4445, -4.7750, 2.0315)


def muon_direction(s, g, momentum, nesterov, coefficients, steps, eps):
    """Keller Jordan's: the momentum is an average, its norm is clamped from below; a leaf as rows x rest."""
    s["b"] = ema(s["b"], g, momentum)
    u = ema(s["b"], g, momentum) if nesterov else s["b"]
    u = u.reshape(len(u), -1)
    return newton_schulz(u / max(norm(u), eps), coefficients, steps)


@leafwise
def torch_muon_step(
    s, t, w, g, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=KELLER_JORDAN, eps=1e-7,
    ns_steps=5, adjust_lr_fn=None, adamw_lr=0.01, adamw_betas=(0.9, 0.999), adamw_eps=1e-8, adamw_weight_decay=0.01,
):  # fmt: skip
    """matrices, R rows and C columns: m = momentum m + (1 - momentum) g; u = momentum m + (1 - momentum) g with nesterov, else m; x = u / max(|u|, eps), transposed where R > C; ns_steps times: A = x x^T, x = a x + (b A + c A A) x; w *= 1 - lr weight_decay; w -= lr k x, transposed back, where k = sqrt(max(1, R / C)), with match_rms_adamw k = 0.2 sqrt(max(R, C)), with spectral_unclamped k = sqrt(R / C). The other leaves: torch.optim.AdamW with the adamw_ arguments"""
    if w.ndim != 2:
        return torch_adamw_step(s, t, w, g, adamw_lr, adamw_betas, adamw_eps, adamw_weight_decay)
    rows, columns = w.shape
    k = {
        None: np.sqrt(max(1, rows / columns)),
        "original": np.sqrt(max(1, rows / columns)),
        "match_rms_adamw": 0.2 * np.sqrt(max(rows, columns)),
        "spectral_unclamped": np.sqrt(rows / columns),
    }[adjust_lr_fn]
    x = muon_direction(s, g, momentum, nesterov, ns_coefficients, ns_steps, eps)
    return w * (1 - lr * weight_decay) - lr * k * x


@leafwise
def pytorch_optimizer_muon_step(
    s, t, w, g, lr=2e-2, momentum=0.95, weight_decay=0.0, weight_decouple=True, nesterov=True, ns_steps=5,
    use_adjusted_lr=False, adamw_lr=3e-4, adamw_betas=(0.9, 0.95), adamw_wd=0.0, adamw_eps=1e-10, cautious=False,
):  # fmt: skip
    """rank >= 2, as a matrix of R rows and C = all other columns: weight_decouple: w *= 1 - lr weight_decay, else g += weight_decay w; x as torch.optim.Muon's with eps = 1e-7; cautious: x *= k as pytorch_optimizer.Lion's, of x and, with nesterov, u for g; w -= lr sqrt(max(1, R / C)) x, with use_adjusted_lr w -= 0.2 lr sqrt(max(R, C)) x. Rank < 2: w *= 1 - adamw_lr adamw_wd; m = b1 m + (1 - b1) g; s = b2 s + (1 - b2) g^2; w -= adamw_lr m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + adamw_eps)"""
    if w.ndim < 2:
        if not weight_decouple:
            w, g, adamw_wd = w, g + adamw_wd * w, 0.0
        return torch_adamw_step(s, t, w, g, adamw_lr, adamw_betas, adamw_eps, adamw_wd)
    if weight_decouple:
        w = w * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * w
    rows, columns = len(w), w.size // len(w)
    x = muon_direction(s, g, momentum, nesterov, KELLER_JORDAN, ns_steps, 1e-7).reshape(w.shape)
    if cautious:
        k = (x * (ema(s["b"], g, momentum) if nesterov else g) > 0).astype(float)
        x = x * k * k.size / (k.sum() + 1)
    return w - lr * (0.2 * np.sqrt(max(rows, columns)) if use_adjusted_lr else np.sqrt(max(1, rows / columns))) * x


@leafwise
def optax_muon_step(
    s, t, w, g, learning_rate, ns_coeffs=KELLER_JORDAN, ns_steps=5, beta=0.95, eps=1e-8, weight_decay=0.0, nesterov=True,
    adaptive=False, adam_b1=0.9, adam_b2=0.999, adam_eps_root=0.0, adam_weight_decay=0.0, adam_learning_rate=None,
    consistent_rms=None,
):  # fmt: skip
    """matrices, R rows and C columns: m = beta m + (1 - beta) g; u = m / (1 - beta^t), with nesterov u = beta m / (1 - beta^(t+1)) + (1 - beta) g / (1 - beta^t); x = u / (|u| + eps), transposed where R > C; ns_steps times: A = x x^T, x = a x + (b A + c A A) x; transposed back; adaptive: x *= sum(u x); w -= learning_rate (k x + weight_decay w), k = sqrt(max(1, C / R)), with consistent_rms k = consistent_rms sqrt(max(R, C)). The other leaves: optax.adamw, with nesterov optax.nadamw, of the adam_ arguments and eps; adam_learning_rate is learning_rate if None"""
    if w.ndim != 2:
        step = optax_nadamw_step if nesterov else optax_adamw_step
        rate = learning_rate if adam_learning_rate is None else adam_learning_rate
        return step(s, t, w, g, rate, adam_b1, adam_b2, eps, adam_eps_root, adam_weight_decay)
    rows, columns = w.shape
    s["m"] = ema(s["m"], g, beta)
    u = s["m"] / (1 - beta**t)
    if nesterov:
        u = beta * s["m"] / (1 - beta ** (t + 1)) + (1 - beta) * g / (1 - beta**t)
    x = newton_schulz(u / (norm(u) + eps), ns_coeffs, ns_steps)
    if adaptive:
        x = x * np.sum(u * x)
    k = np.sqrt(max(1, columns / rows)) if consistent_rms is None else consistent_rms * np.sqrt(max(rows, columns))
    return w - learning_rate * (k * x + weight_decay * w)


# Lookahead


def lookahead(s, t, w, fast, period, alpha):
    """The fast weights after their step, drawn back to the slow ones after each period."""
    if t == 1:
        s["slow"] = dict(w)
    if t % period == 0:
        s["slow"] = fast = {name: s["slow"][name] + alpha * (fast[name] - s["slow"][name]) for name in w}
    s["tracks"] = {"slow": s["slow"]}
    return dict(fast)


def optax_lookahead_sgd_step(
    s, t, w, g, learning_rate, momentum=None, nesterov=False, sync_period=5, slow_step_size=0.5, reset_state=False
):
    """a step of optax.sgd on w; slow = w at first; every sync_period steps: slow += slow_step_size (w - slow), w = slow, and with reset_state the momentum is 0"""
    fast = leafwise(optax_sgd_step)(s, t, w, g, learning_rate=learning_rate, momentum=momentum, nesterov=nesterov)
    if reset_state and t % sync_period == 0:
        for name in w:
            s[name] = State()
    return lookahead(s, t, w, fast, sync_period, slow_step_size)


def optax_lookahead_adam_step(
    s, t, w, g, learning_rate, b1=0.9, b2=0.999, eps=1e-8, sync_period=5, slow_step_size=0.5, reset_state=False
):
    """a step of optax.adam on w; slow = w at first; every sync_period steps: slow += slow_step_size (w - slow), w = slow, and with reset_state moments and counter are 0"""
    s["t"] = s["t"] + 1
    fast = leafwise(optax_adam_step)(s, s["t"], w, g, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps)
    if reset_state and t % sync_period == 0:
        s["t"] = 0
        for name in w:
            s[name] = State()
    return lookahead(s, t, w, fast, sync_period, slow_step_size)


def pytorch_optimizer_lookahead_sgd_step(
    s, t, w, g, lr, momentum=0.0, weight_decay=0.0, nesterov=False, k=5, alpha=0.5, pullback_momentum="none"
):
    """a step of torch.optim.SGD on w; slow = w at first; every k steps: slow += alpha (w - slow), w = slow; with pullback_momentum = reset b = 0, with pullback b = q = q + alpha (b - q), where q is 0 at first"""
    fast = leafwise(torch_sgd_step)(
        s, t, w, g, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
    )
    if t % k == 0:
        for name in w:
            if pullback_momentum == "reset":
                s[name]["b"] = 0 * w[name]
            elif pullback_momentum == "pullback":
                s[name]["q"] = s[name]["b"] = s[name]["q"] + alpha * (s[name]["b"] - s[name]["q"])
    return lookahead(s, t, w, fast, k, alpha)


def pytorch_optimizer_lookahead_adamw_step(
    s, t, w, g, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, k=5, alpha=0.5
):
    """a step of torch.optim.AdamW on w; slow = w at first; every k steps: slow += alpha (w - slow), w = slow; the moments stay"""
    fast = leafwise(torch_adamw_step)(s, t, w, g, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return lookahead(s, t, w, fast, k, alpha)


# Sharpness-aware minimization


def pytorch_optimizer_sam(s, t, w, g, step, rho, adaptive, perturb_eps, **arguments):
    first = quartic_gradient(w, g)
    size = global_norm({name: np.abs(w[name]) * x for name, x in first.items()} if adaptive else first)
    scale = rho / (size + perturb_eps)
    there = {name: w[name] + (w[name] ** 2 if adaptive else 1.0) * first[name] * scale for name in w}
    return leafwise(step)(s, t, w, quartic_gradient(there, g), **arguments)


def pytorch_optimizer_sam_sgd_step(
    s, t, w, g, lr, momentum=0.0, weight_decay=0.0, nesterov=False, rho=0.05, adaptive=False, perturb_eps=1e-12
):
    """h(w) = w^3 - w + g; e = rho h / (|all h| + perturb_eps), adaptive: e = rho w^2 h / (|all w h| + perturb_eps); then torch.optim.SGD's step from w with the gradient h(w + e)"""
    inner = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
    return pytorch_optimizer_sam(s, t, w, g, torch_sgd_step, rho, adaptive, perturb_eps, **inner)


def pytorch_optimizer_sam_adamw_step(
    s, t, w, g, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, rho=0.05, adaptive=False, perturb_eps=1e-12
):
    """as with SGD, and torch.optim.AdamW's step from w"""
    inner = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
    return pytorch_optimizer_sam(s, t, w, g, torch_adamw_step, rho, adaptive, perturb_eps, **inner)


# Averages of the parameters, over plain gradient steps


def optax_ema_step(s, t, w, g, learning_rate, decay, debias=True):
    """w -= learning_rate g; e = decay e + (1 - decay) w from e = 0; average = e / (1 - decay^t) with debias, else e"""
    w = {name: w[name] - learning_rate * g[name] for name in w}
    s["e"] = {name: ema(s["e"][name] if t > 1 else 0.0, w[name], decay) for name in w}
    s["tracks"] = {"average": {name: e / (1 - decay**t if debias else 1.0) for name, e in s["e"].items()}}
    return w


def torch_ema_step(s, t, w, g, lr, decay, from_step=1):
    """w -= lr g; average = w before from_step and in it, from then on decay average + (1 - decay) w"""
    w = {name: w[name] - lr * g[name] for name in w}
    if t > from_step:
        average = {name: ema(s["tracks"]["average"][name], w[name], decay) for name in w}
    s["tracks"] = {"average": dict(w) if t <= from_step else average}
    return w


def torch_swa_step(s, t, w, g, lr, from_step=1):
    """w -= lr g; average = w before from_step and in it, from then on the mean of the w of from_step to t"""
    w = {name: w[name] - lr * g[name] for name in w}
    s["all"] = s["all"] + [w] if t > from_step else [w]
    s["tracks"] = {"average": {name: sum(v[name] for v in s["all"]) / len(s["all"]) for name in w}}
    return w


# Clipping, before plain gradient steps


def descend(w, g, rate):
    return {name: w[name] - rate * g[name] for name in w}


def optax_clip_step(s, t, w, g, learning_rate, max_delta):
    """every element of g clamped to [-max_delta, max_delta]; w -= learning_rate g"""
    return descend(w, {name: np.clip(x, -max_delta, max_delta) for name, x in g.items()}, learning_rate)


def optax_clip_by_global_norm_step(s, t, w, g, learning_rate, max_norm):
    """where |all g| >= max_norm: g *= max_norm / |all g|; w -= learning_rate g"""
    factor = min(1.0, max_norm / global_norm(g))
    return descend(w, {name: factor * x for name, x in g.items()}, learning_rate)


def optax_clip_by_block_rms_step(s, t, w, g, learning_rate, threshold):
    """each leaf, of n elements: g /= max(1, |g| / sqrt(n) / threshold); w -= learning_rate g"""
    clip = lambda x: x / max(1.0, norm(x) / np.sqrt(x.size) / threshold)
    return descend(w, {name: clip(x) for name, x in g.items()}, learning_rate)


def clip_units(w, g, axis, clipping, eps, floor):
    size = lambda x: np.sqrt(np.sum(x**2, axis=axis if x.ndim > 1 else None, keepdims=True))
    limit = clipping * np.maximum(size(w), eps)
    return np.where(size(g) < limit, g, g * limit / np.maximum(size(g), floor))


def optax_adaptive_grad_clip_step(s, t, w, g, learning_rate, clipping, eps=1e-3):
    """a unit is what has the same indices but the first (axis 0) in leaves of rank 2 and 3, and a whole leaf of rank 1; each unit: where |g| >= L of L = clipping max(|w|, eps): g *= L / max(|g|, 1e-6); w -= learning_rate g"""
    return descend(w, {name: clip_units(w[name], g[name], 0, clipping, eps, 1e-6) for name in w}, learning_rate)


def pytorch_optimizer_agc_step(s, t, w, g, lr, agc_eps=1e-3, agc_clip_val=1e-2, eps=1e-6):
    """a unit is what has the same indices but the second (axis 1) in leaves of rank 2 and 3, and a whole leaf of rank 1; each unit: where max(|g|, eps) > L of L = agc_clip_val max(|w|, agc_eps): g *= L / max(|g|, eps); w -= lr g"""
    return descend(w, {name: clip_units(w[name], g[name], 1, agc_clip_val, agc_eps, eps) for name in w}, lr)


def torch_clip_grad_norm_step(s, t, w, g, lr, max_norm, per_leaf=False):
    """g *= min(1, max_norm / (|all g| + 1e-6)), with per_leaf each leaf by its own norm; w -= lr g"""
    sizes = {name: norm(x) if per_leaf else global_norm(g) for name, x in g.items()}
    return descend(w, {name: min(1.0, max_norm / (sizes[name] + 1e-6)) * x for name, x in g.items()}, lr)


def torch_clip_grad_value_step(s, t, w, g, lr, clip_value):
    """every element of g clamped to [-clip_value, clip_value]; w -= lr g"""
    return optax_clip_step(s, t, w, g, lr, clip_value)


# ------------------------------------------------------------ the libraries
#
# trajectory(arguments, later_lr, w, grads) -> the tracks after every step, "w"
# and others, computed by the library.


def parts(arguments, *names):
    """The arguments with those names, and the others."""
    return {k: v for k, v in arguments.items() if k in names}, {k: v for k, v in arguments.items() if k not in names}


def torch_leaves(tree):
    import torch

    torch.set_default_dtype(torch.float64)
    return {name: torch.tensor(x, requires_grad=True) for name, x in tree.items()}


def numpy_leaves(tree):
    return {name: x.detach().numpy().copy() for name, x in tree.items()}


def give(leaves, grads):
    import torch

    for name, p in leaves.items():
        p.grad = torch.tensor(grads[name])


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate


def torch_run(make):
    """A trajectory of make(leaves, **arguments) -> list of optimizers; the first has the learning rate that changes."""

    def trajectory(arguments, later_lr, w, grads):
        leaves = torch_leaves(w)
        optimizers = make(leaves, **arguments)
        for t, g in enumerate(grads, 1):
            if t == LR_CHANGE and later_lr is not None:
                set_rate(optimizers[0], later_lr)
            give(leaves, g)
            for optimizer in optimizers:
                optimizer.step()
            yield {"w": numpy_leaves(leaves)}

    return trajectory


def plain(name):
    return torch_run(lambda leaves, **a: [resolve(name)(list(leaves.values()), foreach=False, **a)])


def torch_sgd_after(change):
    """Plain steps of torch.optim.SGD after change(leaves, **arguments) has worked on the gradients."""

    def trajectory(arguments, later_lr, w, grads):
        import torch

        rate, others = parts(arguments, "lr")
        leaves = torch_leaves(w)
        sgd = torch.optim.SGD(list(leaves.values()), foreach=False, **rate)
        for g in grads:
            give(leaves, g)
            change(leaves, **others)
            sgd.step()
            yield {"w": numpy_leaves(leaves)}

    return trajectory


def torch_clip_norm(leaves, max_norm, per_leaf=False):
    import torch

    for some in [[p] for p in leaves.values()] if per_leaf else [list(leaves.values())]:
        torch.nn.utils.clip_grad_norm_(some, max_norm)


def torch_clip_value(leaves, clip_value):
    import torch

    torch.nn.utils.clip_grad_value_(list(leaves.values()), clip_value)


def pytorch_optimizer_agc(leaves, **arguments):
    import torch

    agc = resolve("pytorch_optimizer.optimizer.agc.agc")
    with torch.no_grad():
        for p in leaves.values():
            p.grad = agc(p, p.grad, **arguments)


def torch_muon(leaves, **arguments):
    import torch

    ours, others = parts(arguments, "adamw_lr", "adamw_betas", "adamw_eps", "adamw_weight_decay")
    aux = {"lr": 0.01} | {name.removeprefix("adamw_"): value for name, value in ours.items()}
    matrices, rest = ([p for p in leaves.values() if (p.ndim == 2) == is_matrix] for is_matrix in (True, False))
    return [torch.optim.Muon(matrices, **others), torch.optim.AdamW(rest, foreach=False, **aux)]


@contextlib.contextmanager
def muon_in_float64():
    """Both Muons of torch's world iterate in bfloat16, whatever the parameters are. Torch's names the type in its
    code: there the name bfloat16 is given the type float64. Pytorch-optimizer's has an argument for it."""
    import torch
    from torch.optim import _muon
    from pytorch_optimizer.optimizer.muon import base

    class Torch:
        bfloat16 = torch.float64

        def __getattr__(self, name):
            return getattr(torch, name)

    iteration = base.zero_power_via_newton_schulz_5
    _muon.torch = Torch()
    base.zero_power_via_newton_schulz_5 = functools.partial(iteration, dtype=torch.float64)
    try:
        yield
    finally:
        _muon.torch = torch
        base.zero_power_via_newton_schulz_5 = iteration


def within(context, trajectory):
    def run(*problem):
        with context():
            yield from trajectory(*problem)

    return run


def pytorch_optimizer_muon(leaves, **arguments):
    muon = resolve("pytorch_optimizer.Muon")
    groups = [
        {"params": [p for p in leaves.values() if (p.ndim >= 2) == wanted], "use_muon": wanted} for wanted in (True, False)
    ]
    cautious, others = parts(arguments, "cautious")
    for name in cautious:
        groups[0][name] = cautious[name]
    optimizer = muon(groups, foreach=False, **others)
    # The learning rate that changes is that of the first group alone.
    first = type("First", (), {"param_groups": optimizer.param_groups[:1], "step": optimizer.step})
    return [first]


@contextlib.contextmanager
def sam_in_float64():
    """Pytorch-optimizer's SAM sums the squared norm of its gradients in float32, whatever their type; here in float64."""
    import torch
    from pytorch_optimizer.optimizer import sam

    def squared_norm(groups, weight_adaptive):
        assert weight_adaptive
        grads = [p.grad * p.abs() if group["adaptive"] else p.grad for group in groups for p in group["params"]]
        return torch.stack([g.norm() for g in grads]).square().sum().reshape(1)

    original, sam.get_global_gradient_norm = sam.get_global_gradient_norm, squared_norm
    try:
        yield
    finally:
        sam.get_global_gradient_norm = original


def pytorch_optimizer_sam_trajectory(base):
    def trajectory(arguments, later_lr, w, grads):
        leaves = torch_leaves(w)
        method = resolve("pytorch_optimizer.SAM")(list(leaves.values()), resolve(base), foreach=False, **arguments)
        for g in grads:
            here = lambda: give(leaves, quartic_gradient(numpy_leaves(leaves), g))
            here()
            method.step(here)
            yield {"w": numpy_leaves(leaves)}

    return within(sam_in_float64, trajectory)


def pytorch_optimizer_lookahead(base):
    def trajectory(arguments, later_lr, w, grads):
        own, others = parts(arguments, "k", "alpha", "pullback_momentum")
        leaves = torch_leaves(w)
        inner = resolve(base)(list(leaves.values()), foreach=False, **others)
        method = resolve("pytorch_optimizer.Lookahead")(inner, **own)
        for t, g in enumerate(grads, 1):
            if t == LR_CHANGE and later_lr is not None:
                set_rate(inner, later_lr)
            give(leaves, g)
            method.step()
            slow = {name: method.state[p]["slow_params"] for name, p in leaves.items()}
            yield {"w": numpy_leaves(leaves), "slow": numpy_leaves(slow)}

    return trajectory


def schedule_free_trajectory(name, arguments, later_lr, w, grads):
    leaves = torch_leaves(w)
    method = resolve(name)(list(leaves.values()), foreach=False, **arguments)
    method.train()
    for t, g in enumerate(grads, 1):
        if t == LR_CHANGE and later_lr is not None:
            set_rate(method, later_lr)
        give(leaves, g)
        method.step()
        y = numpy_leaves(leaves)
        group = method.param_groups[0]
        b1 = group["momentum"] if "momentum" in group else group["betas"][0]
        # What eval() makes of the parameters, on a copy: going to and fro would round them.
        x = {name: p.detach().lerp(method.state[p]["z"], 1 - 1 / b1).numpy() for name, p in leaves.items()}
        if t == STEPS:
            method.eval()
            assert all(np.array_equal(x[name], p.detach().numpy()) for name, p in leaves.items())
        yield {"w": y, "x": x}


def torch_average(make):
    """Plain steps, and an AveragedModel that looks at them from a step on."""

    def trajectory(arguments, later_lr, w, grads):
        import torch

        own, others = parts(arguments, "decay", "from_step")
        first = own.pop("from_step", 1)
        leaves = torch_leaves(w)
        model = torch.nn.ParameterDict(leaves)
        leaves = dict(model.items())
        average = make(model, **own)
        sgd = torch.optim.SGD(list(leaves.values()), foreach=False, **others)
        for t, g in enumerate(grads, 1):
            give(leaves, g)
            sgd.step()
            if t >= first:
                average.update_parameters(model)
            shown = average.module if t >= first else model
            yield {"w": numpy_leaves(leaves), "average": numpy_leaves(dict(shown.items()))}

    return trajectory


def torch_ema(model, decay):
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))


def torch_swa(model):
    from torch.optim.swa_utils import AveragedModel

    return AveragedModel(model)


def jax_leaves(tree):
    import jax.numpy as jnp

    return {name: jnp.asarray(x, dtype=jnp.float64) for name, x in tree.items()}


def optax_rate(arguments, later_lr):
    import jax.numpy as jnp

    if later_lr is None:
        return arguments
    first = arguments["learning_rate"]
    return arguments | {"learning_rate": lambda count: jnp.where(count < LR_CHANGE - 1, first, later_lr)}


def optax_run(make, shown=lambda state, w: {}, compiled=False):
    """A trajectory of make(**arguments), an optax transformation."""

    def trajectory(arguments, later_lr, w, grads):
        import jax
        import optax

        jax.clear_caches()
        method = make(**optax_rate(arguments, later_lr))
        update = jax.jit(method.update) if compiled else method.update
        w = jax_leaves(w)
        state = method.init(w)
        for g in grads:
            updates, state = update(jax_leaves(g), state, w)
            w = optax.apply_updates(w, updates)
            tracks = {"w": w, **shown(state, w)}
            yield {track: {name: np.asarray(x) for name, x in tree.items()} for track, tree in tracks.items()}

    return trajectory


def optax_named(name, compiled=False):
    return optax_run(lambda **arguments: resolve(name)(**arguments), compiled=compiled)


def optax_sgd_after(name):
    """Plain steps after a transformation of the gradients."""

    def make(learning_rate, **arguments):
        import optax

        return optax.chain(resolve(name)(**arguments), optax.sgd(learning_rate))

    return optax_run(make)


def optax_lookahead(base):
    def trajectory(arguments, later_lr, w, grads):
        import optax

        own, others = parts(optax_rate(arguments, later_lr), "sync_period", "slow_step_size", "reset_state")
        method = optax.lookahead(resolve(base)(**others), **{"sync_period": 5, "slow_step_size": 0.5} | own)
        both = optax.LookaheadParams.init_synced(jax_leaves(w))
        state = method.init(both)
        for g in grads:
            updates, state = method.update(jax_leaves(g), state, both)
            both = optax.apply_updates(both, updates)
            yield {
                track: {name: np.asarray(x) for name, x in tree.items()}
                for track, tree in {"w": both.fast, "slow": both.slow}.items()
            }

    return trajectory


def optax_ema_trajectory(arguments, later_lr, w, grads):
    import optax

    rate, others = parts(arguments, "learning_rate")
    average = optax.ema(**others)
    state = average.init(jax_leaves(w))
    for tracks in optax_named("optax.sgd")(rate, later_lr, w, grads):
        shown, state = average.update(jax_leaves(tracks["w"]), state)
        yield tracks | {"average": {name: np.asarray(x) for name, x in shown.items()}}


def optax_schedule_free_shown(state, w):
    import optax

    return {"x": optax.contrib.schedule_free_eval_params(state, w)}


def optax_schedule_free(name):
    return optax_run(lambda **arguments: resolve(name)(**arguments), optax_schedule_free_shown)


# ------------------------------------------------------------------- cases

ONE_AHEAD = (
    "the first step is 0: its learning rate is, but not its weight in the average. Optax computes the ramp in float32; "
    "with this rate and length every value of it is exact"
)


def optax_cases():
    lars, lamb, muon = "optax.lars", "optax.lamb", "optax.contrib.muon"
    free, ahead = "optax.contrib.schedule_free_adamw", "optax.lookahead"
    agc = "optax.adaptive_grad_clip"
    return [
        case("lars_default", lars, learning_rate=0.1),
        case("lars_trust", lars, learning_rate=0.1, trust_coefficient=0.3),
        case("lars_decay", lars, learning_rate=0.1, weight_decay=0.1, trust_coefficient=0.3),
        case("lars_eps", lars, learning_rate=0.1, trust_coefficient=0.3, eps=1.0),
        case("lars_nesterov", lars, learning_rate=0.1, trust_coefficient=0.3, momentum=0.8, nesterov=True),
        case("lars_lr_change", lars, learning_rate=0.1, learning_rate_from_step_31=0.01, trust_coefficient=0.3),
        case("lamb_default", lamb, learning_rate=0.01),
        case("lamb_decay", lamb, learning_rate=0.01, weight_decay=0.1),
        case("lamb_betas", lamb, learning_rate=0.05, b1=0.8, b2=0.95, weight_decay=0.5),
        case("lamb_eps", lamb, learning_rate=0.05, eps=0.1, eps_root=0.01),
        case("schedule_free_default", free, learning_rate=0.01),
        case("schedule_free_decay", free, learning_rate=0.05, b1=0.8, b2=0.95, weight_decay=0.1),
        case("schedule_free_warmup", free, ONE_AHEAD, learning_rate=0.0625, warmup_steps=16),
        case("schedule_free_warmup_power", free, ONE_AHEAD, learning_rate=0.0625, warmup_steps=16, weight_lr_power=1.0),
        case("muon_default", muon, learning_rate=0.02),
        case("muon_plain", muon, learning_rate=0.02, nesterov=False),
        case("muon_decay", muon, learning_rate=0.02, beta=0.9, weight_decay=0.5, adam_weight_decay=0.1),
        case("muon_consistent_rms", muon, learning_rate=0.02, consistent_rms=0.2, adam_learning_rate=0.005),
        case("muon_steps", muon, learning_rate=0.02, ns_coeffs=(2.0, -1.5, 0.5), ns_steps=3),
        case("muon_eps", muon, learning_rate=0.02, eps=0.5),
        case("muon_adaptive", muon, learning_rate=0.002, adaptive=True),
        case("muon_lr_change", muon, learning_rate=0.02, learning_rate_from_step_31=0.002),
        case("lookahead_sgd", f"{ahead}(optax.sgd)", learning_rate=0.05),
        case("lookahead_momentum", f"{ahead}(optax.sgd)", learning_rate=0.05, momentum=0.9, sync_period=7, slow_step_size=0.8),
        case("lookahead_momentum_reset", f"{ahead}(optax.sgd)", learning_rate=0.05, momentum=0.9, reset_state=True),
        case("lookahead_adam", f"{ahead}(optax.adam)", learning_rate=0.05, sync_period=6),
        case("lookahead_adam_reset", f"{ahead}(optax.adam)", learning_rate=0.05, reset_state=True),
        case("ema", "optax.ema", learning_rate=0.05, decay=0.9),
        case("ema_biased", "optax.ema", learning_rate=0.05, decay=0.99, debias=False),
        case("agc_loose", agc, learning_rate=0.05, clipping=0.5),
        case("agc_tight", agc, learning_rate=0.05, clipping=0.01),
        case("agc_eps", agc, learning_rate=0.05, clipping=0.3, eps=1.0),
        case("clip_global_norm", "optax.clip_by_global_norm", learning_rate=0.05, max_norm=28.0),
        case("clip_global_norm_tight", "optax.clip_by_global_norm", learning_rate=0.05, max_norm=1.0),
        case("clip_block_rms", "optax.clip_by_block_rms", learning_rate=0.05, threshold=1.5),
        case("clip_value", "optax.clip", learning_rate=0.05, max_delta=1.0),
        case("schedule_free_sgd_default", "optax.contrib.schedule_free_sgd", learning_rate=0.05),
        case("schedule_free_sgd_decay", "optax.contrib.schedule_free_sgd", learning_rate=0.1, b1=0.6, weight_decay=0.1),
        case("fromage_default", "optax.fromage", learning_rate=0.01),
        case("fromage_min_norm", "optax.fromage", learning_rate=0.1, min_norm=2.0),
        case("fromage_lr_change", "optax.fromage", learning_rate=0.1, learning_rate_from_step_31=0.01),
    ]


def torch_cases():
    muon = "torch.optim.Muon"
    return [
        case("muon_default", muon, lr=0.02),
        case("muon_plain", muon, lr=0.02, momentum=0.9, nesterov=False, weight_decay=0.0),
        case("muon_match_rms_adamw", muon, lr=0.02, adjust_lr_fn="match_rms_adamw"),
        case("muon_spectral_unclamped", muon, lr=0.02, adjust_lr_fn="spectral_unclamped"),
        case("muon_steps", muon, lr=0.02, ns_steps=3, ns_coefficients=(2.0, -1.5, 0.5)),
        case("muon_eps", muon, lr=0.02, eps=2.0),
        case("muon_adamw", muon, lr=0.02, weight_decay=0.5, adamw_lr=0.05, adamw_betas=(0.8, 0.95), adamw_weight_decay=0.1),
        case("muon_lr_change", muon, lr=0.02, lr_from_step_31=0.002),
        case("ema", "torch.optim.swa_utils.get_ema_multi_avg_fn", lr=0.05, decay=0.9),
        case("ema_late", "torch.optim.swa_utils.get_ema_multi_avg_fn", lr=0.05, decay=0.99, from_step=21),
        case("swa", "torch.optim.swa_utils.AveragedModel", lr=0.05),
        case("swa_late", "torch.optim.swa_utils.AveragedModel", lr=0.05, from_step=21),
        case("clip_global_norm", "torch.nn.utils.clip_grad_norm_", lr=0.05, max_norm=28.0),
        case("clip_global_norm_tight", "torch.nn.utils.clip_grad_norm_", lr=0.05, max_norm=1.0),
        case("clip_leaf_norm", "torch.nn.utils.clip_grad_norm_", lr=0.05, max_norm=3.0, per_leaf=True),
        case("clip_value", "torch.nn.utils.clip_grad_value_", lr=0.05, clip_value=1.0),
    ]


def pytorch_optimizer_cases():
    lars, lamb, muon, lion = (f"pytorch_optimizer.{name}" for name in ("LARS", "Lamb", "Muon", "Lion"))
    ahead, sam = "pytorch_optimizer.Lookahead", "pytorch_optimizer.SAM"
    sgd, adamw = "(torch.optim.SGD)", "(torch.optim.AdamW)"
    return [
        case("lars_default", lars, lr=0.1),
        case("lars_trust", lars, lr=0.1, trust_coefficient=0.3),
        case("lars_decay", lars, lr=0.1, weight_decay=0.1, trust_coefficient=0.3),
        case("lars_dampening", lars, lr=0.1, trust_coefficient=0.3, dampening=0.3),
        case("lars_nesterov", lars, lr=0.1, weight_decay=0.1, trust_coefficient=0.3, momentum=0.8, nesterov=True),
        case("lars_plain", lars, lr=0.1, trust_coefficient=0.3, momentum=0.0),
        case("lars_lr_change", lars, lr=0.1, lr_from_step_31=0.01, trust_coefficient=0.3),
        case("lamb_default", lamb, lr=0.01),
        case("lamb_decay", lamb, "decoupled", lr=0.01, weight_decay=0.1),
        case("lamb_decay_fixed", lamb, lr=0.01, weight_decay=0.01, fixed_decay=True),
        case("lamb_decay_paper", lamb, lr=0.01, weight_decay=0.1, weight_decouple=False),
        case("lamb_uncorrected", lamb, lr=0.01, betas=(0.8, 0.95), adam_debias=True),
        case("lamb_no_averaging", lamb, lr=0.01, grad_averaging=False),
        case("lamb_eps", lamb, lr=0.05, eps=0.1),
        case("lion_cautious", lion, lr=0.01, cautious=True),
        case("lion_cautious_decay", lion, lr=0.05, betas=(0.95, 0.98), weight_decay=0.1, cautious=True),
        case("muon_default", muon),
        case("muon_plain", muon, lr=0.02, momentum=0.9, nesterov=False),
        case("muon_adjusted", muon, lr=0.02, use_adjusted_lr=True, adamw_lr=0.05, adamw_betas=(0.8, 0.99)),
        case("muon_decay", muon, lr=0.02, weight_decay=0.5, adamw_wd=0.1, adamw_lr=0.01),
        case("muon_steps", muon, lr=0.02, ns_steps=3),
        case("muon_cautious", muon, lr=0.02, nesterov=False, cautious=True),
        case("muon_lr_change", muon, lr=0.02, lr_from_step_31=0.002),
        case("lookahead_sgd", ahead + sgd, lr=0.05),
        case("lookahead_momentum", ahead + sgd, lr=0.05, momentum=0.9, k=7, alpha=0.8),
        case("lookahead_reset", ahead + sgd, lr=0.05, momentum=0.9, pullback_momentum="reset"),
        case("lookahead_pullback", ahead + sgd, lr=0.05, momentum=0.9, pullback_momentum="pullback"),
        case("lookahead_adamw", ahead + adamw, lr=0.05, k=6),
        case("lookahead_lr_change", ahead + adamw, lr=0.05, lr_from_step_31=0.005),
        case("sam_sgd", sam + sgd, lr=0.02),
        case("sam_momentum", sam + sgd, lr=0.01, momentum=0.9, rho=0.5),
        case("sam_adaptive", sam + sgd, lr=0.01, rho=0.05, adaptive=True),
        case("sam_adamw", sam + adamw, lr=0.02, rho=0.5),
        case("agc_loose", "pytorch_optimizer.optimizer.agc.agc", lr=0.05, agc_clip_val=0.5),
        case("agc_default", "pytorch_optimizer.optimizer.agc.agc", lr=0.05),
        case("fromage_default", "pytorch_optimizer.Fromage", lr=0.01),
        case("fromage_lr_change", "pytorch_optimizer.Fromage", lr=0.1, lr_from_step_31=0.01),
        case("mars_default", "pytorch_optimizer.MARS", lr=0.01, optimize_1d=True),
        case("mars_betas", "pytorch_optimizer.MARS", lr=0.05, betas=(0.8, 0.9), gamma=0.2, eps=0.1, optimize_1d=True),
        case("mars_decay", "pytorch_optimizer.MARS", lr=0.01, weight_decay=0.1, optimize_1d=True),
    ]


def schedulefree_cases():
    o = "schedulefree.AdamWScheduleFree"
    return [
        case("default", o, lr=0.01),
        case("betas", o, lr=0.05, betas=(0.8, 0.95)),
        case("eps", o, lr=0.05, eps=0.1),
        case("decay", o, lr=0.05, weight_decay=0.1),
        case("warmup", o, lr=0.05, warmup_steps=20),
        case("warmup_power", o, lr=0.05, warmup_steps=20, weight_lr_power=0.5),
        case("warmup_decay", o, lr=0.05, betas=(0.95, 0.99), weight_decay=0.1, warmup_steps=35, r=1.0),
        case("polynomial", o, lr=0.05, r=2.0),
        case("unweighted", o, lr=0.05, warmup_steps=20, weight_lr_power=0.0),
        case("lr_change", o, lr=0.05, lr_from_step_31=0.01),
        case("sgd_default", "schedulefree.SGDScheduleFree", lr=0.05),
        case("sgd_decay", "schedulefree.SGDScheduleFree", lr=0.1, momentum=0.6, weight_decay=0.1),
        case("sgd_warmup", "schedulefree.SGDScheduleFree", lr=0.1, warmup_steps=20, r=1.0, weight_lr_power=0.5),
        case("sgd_lr_change", "schedulefree.SGDScheduleFree", lr=0.1, lr_from_step_31=0.01),
    ]


def timm_cases():
    lars, lamb = "timm.optim.Lars", "timm.optim.Lamb"
    adamw, lion = "timm.optim.AdamWLegacy", "timm.optim.Lion"
    return [
        case("lars_decay", lars, lr=0.1, momentum=0.9, weight_decay=0.1, trust_coeff=0.3),
        case("lars_always", lars, lr=0.1, momentum=0.9, trust_coeff=0.3, always_adapt=True),
        case("lars_never", lars, "not adapted without weight_decay: plain momentum", lr=0.1, momentum=0.9),
        case("lars_clip", lars, lr=0.1, momentum=0.9, weight_decay=0.1, trust_coeff=0.3, trust_clip=True),
        case("lars_nesterov", lars, lr=0.1, momentum=0.8, weight_decay=0.1, trust_coeff=0.3, nesterov=True),
        case("lars_eps", lars, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.1, trust_coeff=0.3, eps=1.0),
        case("lars_lr_change", lars, lr=0.1, lr_from_step_31=0.01, momentum=0.9, weight_decay=0.1, trust_coeff=0.3),
        case("lamb_default", lamb, lr=0.01),
        case("lamb_unclipped", lamb, lr=0.01, weight_decay=0.1, max_grad_norm=None),
        case("lamb_uncorrected", lamb, lr=0.01, weight_decay=0.1, max_grad_norm=None, bias_correction=False),
        case("lamb_trust_clip", lamb, lr=0.05, weight_decay=0.1, max_grad_norm=None, trust_clip=True),
        case("lamb_decoupled", lamb, lr=0.05, betas=(0.8, 0.95), weight_decay=0.1, max_grad_norm=None, decoupled_decay=True),
        case("lamb_always", lamb, lr=0.05, weight_decay=0.0, max_grad_norm=None, always_adapt=True),
        case("lamb_never", lamb, "not adapted without weight_decay: Adam", lr=0.05, weight_decay=0.0, max_grad_norm=None),
        case("lamb_cautious", lamb, lr=0.05, weight_decay=0.1, max_grad_norm=20.0, caution=True),
        case("lamb_no_averaging", lamb, lr=0.01, max_grad_norm=None, grad_averaging=False),
        case("lamb_eps", lamb, lr=0.05, eps=0.1, max_grad_norm=None),
        case("adamw_cautious", adamw, lr=0.01, caution=True),
        case("adamw_cautious_betas", adamw, lr=0.05, betas=(0.8, 0.95), eps=0.1, weight_decay=0.1, caution=True),
        case("lion_cautious", lion, lr=0.01, caution=True),
        case("lion_cautious_decay", lion, lr=0.05, betas=(0.95, 0.98), weight_decay=0.1, caution=True),
    ]


# optimizer: (formula, trajectory of the library)
METHODS = {
    "optax.lars": (optax_lars_step, optax_named("optax.lars")),
    "optax.lamb": (optax_lamb_step, optax_named("optax.lamb")),
    "optax.contrib.schedule_free_adamw": (
        optax_schedule_free_adamw_step, optax_schedule_free("optax.contrib.schedule_free_adamw"),
    ),  # fmt: skip
    "optax.contrib.schedule_free_sgd": (
        optax_schedule_free_sgd_step, optax_schedule_free("optax.contrib.schedule_free_sgd"),
    ),  # fmt: skip
    "optax.fromage": (optax_fromage_step, optax_named("optax.fromage")),
    "pytorch_optimizer.Fromage": (pytorch_optimizer_fromage_step, plain("pytorch_optimizer.Fromage")),
    "pytorch_optimizer.MARS": (pytorch_optimizer_mars_step, plain("pytorch_optimizer.MARS")),
    "schedulefree.SGDScheduleFree": (
        schedule_free_sgd_step, functools.partial(schedule_free_trajectory, "schedulefree.SGDScheduleFree"),
    ),  # fmt: skip
    "optax.contrib.muon": (optax_muon_step, optax_named("optax.contrib.muon", compiled=True)),  # or its loop is compiled at every step
    "optax.lookahead(optax.sgd)": (optax_lookahead_sgd_step, optax_lookahead("optax.sgd")),
    "optax.lookahead(optax.adam)": (optax_lookahead_adam_step, optax_lookahead("optax.adam")),
    "optax.ema": (optax_ema_step, optax_ema_trajectory),
    "optax.adaptive_grad_clip": (optax_adaptive_grad_clip_step, optax_sgd_after("optax.adaptive_grad_clip")),
    "optax.clip_by_global_norm": (optax_clip_by_global_norm_step, optax_sgd_after("optax.clip_by_global_norm")),
    "optax.clip_by_block_rms": (optax_clip_by_block_rms_step, optax_sgd_after("optax.clip_by_block_rms")),
    "optax.clip": (optax_clip_step, optax_sgd_after("optax.clip")),
    "torch.optim.Muon": (torch_muon_step, within(muon_in_float64, torch_run(torch_muon))),
    "torch.optim.swa_utils.get_ema_multi_avg_fn": (torch_ema_step, torch_average(torch_ema)),
    "torch.optim.swa_utils.AveragedModel": (torch_swa_step, torch_average(torch_swa)),
    "torch.nn.utils.clip_grad_norm_": (torch_clip_grad_norm_step, torch_sgd_after(torch_clip_norm)),
    "torch.nn.utils.clip_grad_value_": (torch_clip_grad_value_step, torch_sgd_after(torch_clip_value)),
    "pytorch_optimizer.LARS": (pytorch_optimizer_lars_step, plain("pytorch_optimizer.LARS")),
    "pytorch_optimizer.Lamb": (pytorch_optimizer_lamb_step, plain("pytorch_optimizer.Lamb")),
    "pytorch_optimizer.Lion": (pytorch_optimizer_lion_step, plain("pytorch_optimizer.Lion")),
    "pytorch_optimizer.Muon": (pytorch_optimizer_muon_step, within(muon_in_float64, torch_run(pytorch_optimizer_muon))),
    "pytorch_optimizer.Lookahead(torch.optim.SGD)": (
        pytorch_optimizer_lookahead_sgd_step, pytorch_optimizer_lookahead("torch.optim.SGD"),
    ),  # fmt: skip
    "pytorch_optimizer.Lookahead(torch.optim.AdamW)": (
        pytorch_optimizer_lookahead_adamw_step, pytorch_optimizer_lookahead("torch.optim.AdamW"),
    ),  # fmt: skip
    "pytorch_optimizer.SAM(torch.optim.SGD)": (
        pytorch_optimizer_sam_sgd_step, pytorch_optimizer_sam_trajectory("torch.optim.SGD"),
    ),  # fmt: skip
    "pytorch_optimizer.SAM(torch.optim.AdamW)": (
        pytorch_optimizer_sam_adamw_step, pytorch_optimizer_sam_trajectory("torch.optim.AdamW"),
    ),  # fmt: skip
    "pytorch_optimizer.optimizer.agc.agc": (pytorch_optimizer_agc_step, torch_sgd_after(pytorch_optimizer_agc)),
    "schedulefree.AdamWScheduleFree": (
        schedule_free_adamw_step, functools.partial(schedule_free_trajectory, "schedulefree.AdamWScheduleFree"),
    ),  # fmt: skip
    "timm.optim.Lars": (timm_lars_step, plain("timm.optim.Lars")),
    "timm.optim.Lamb": (timm_lamb_step, plain("timm.optim.Lamb")),
    "timm.optim.AdamWLegacy": (timm_adamw_step, plain("timm.optim.AdamWLegacy")),
    "timm.optim.Lion": (timm_lion_step, plain("timm.optim.Lion")),
}

# file leaves_<name>.json: (distribution, cases)
LIBRARIES = {
    "optax": ("optax", optax_cases),
    "torch": ("torch", torch_cases),
    "pytorch_optimizer": ("pytorch-optimizer", pytorch_optimizer_cases),
    "schedulefree": ("schedulefree", schedulefree_cases),
    "timm": ("timm", timm_cases),
}


# --------------------------------------------------------- running and writing


def formula_trajectory(step, arguments, lr_name, later_lr, w, grads):
    arguments, s = dict(arguments), State()
    for t, g in enumerate(grads, 1):
        if t == LR_CHANGE and later_lr is not None:
            arguments[lr_name] = later_lr
        w = step(s, t, w, g, **arguments)
        yield {"w": w, **s.get("tracks", {})}


def deviation(found, expected):
    """Largest deviation over all steps, relative to the largest magnitude that the leaf reaches: a norm or a matrix
    product spreads the rounding of its large elements over the small ones."""
    worst = 0.0
    for track in expected[0]:
        for name in expected[0][track]:
            ours, theirs = (np.array([tracks[track][name] for tracks in run]) for run in (expected, found))
            assert ours.shape == theirs.shape and theirs.dtype == np.float64, (track, name, theirs.dtype)
            worst = max(worst, np.max(np.abs(ours - theirs)) / np.max(np.abs(ours)))
    return float(worst)


def run_case(case, w, grads):
    step, trajectory = METHODS[case["optimizer"]]
    arguments = dict(case["arguments"])
    lr_name = "lr" if "lr" in arguments else "learning_rate"
    later_lr = arguments.pop(f"{lr_name}_from_step_{LR_CHANGE}", None)
    found = list(trajectory(arguments, later_lr, w, grads))
    expected = list(formula_trajectory(step, arguments, lr_name, later_lr, w, grads))
    assert len(found) == STEPS and found[0].keys() == expected[0].keys(), case["id"]

    signature = inspect.signature(step).parameters.items()
    defaults = {name: p.default for name, p in signature if p.default is not p.empty}
    case["resolved"] = defaults | case["arguments"]
    case["agreement"] = float(f"{deviation(found, expected):.1e}")
    case["checkpoints"] = {
        track: {str(t): {name: x.ravel().tolist() for name, x in found[t - 1][track].items()} for t in CHECKPOINTS}
        for track in found[0]
    }
    return case


def write_problem(problem):
    def block(name, leaf):
        rows = ",\n".join("   " + one_line(row) for row in leaf["gradients"])
        head = f'  "shape": {one_line(leaf["shape"])},\n  "initial": {one_line(leaf["initial"])},\n'
        return f' "{name}": {{\n{head}  "gradients": [\n{rows}\n  ]\n }}'

    body = ",\n".join(block(name, leaf) for name, leaf in problem["leaves"].items())
    (HERE / "leaves.json").write_text(f'{{\n"leaves": {{\n{body}\n}}\n}}\n', encoding="utf-8")


def write_library(name, version, formulas, cases, kind="leaves"):
    def block(case):
        fields = ["id", "optimizer", "arguments", "resolved", "note", "agreement"]
        head = ",\n".join(f'  "{f}": {one_line(case[f])}' for f in fields)
        tracks = ",\n".join(
            f'   "{track}": {{\n' + ",\n".join(f'    "{t}": {one_line(tree)}' for t, tree in points.items()) + "\n   }"
            for track, points in case["checkpoints"].items()
        )
        return f' {{\n{head},\n  "checkpoints": {{\n{tracks}\n  }}\n }}'

    formula_rows = ",\n".join(f" {one_line(k)}: {one_line(v)}" for k, v in formulas.items())
    body = ",\n".join(block(case) for case in cases)
    text = (
        f'{{\n"library": {one_line(name)},\n"version": {one_line(version)},\n'
        f'"formulas": {{\n{formula_rows}\n}},\n"cases": [\n{body}\n]\n}}\n'
    )
    (HERE / f"{kind}_{name}.json").write_text(text, encoding="utf-8")


def main(names):
    unknown = set(names) - {"problem", *LIBRARIES}
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; known: problem, {', '.join(LIBRARIES)}")
    if "problem" in names:
        write_problem(make_problem())
    w, grads = read_problem()
    for name in (n for n in LIBRARIES if n in names):
        distribution, cases_of = LIBRARIES[name]
        cases = [run_case(c, w, grads) for c in cases_of()]
        for c in cases:
            print(f"{name} {c['id']}: agreement {c['agreement']:.1e}")
        formulas = {c["optimizer"]: METHODS[c["optimizer"]][0].__doc__ for c in cases}
        write_library(name, importlib.metadata.version(distribution), formulas, cases)


if __name__ == "__main__":
    main(sys.argv[1:] or ["problem", *LIBRARIES])
