"""Golden trajectories of optimizers whose second moments are sums of rows and
columns, on the model of generate_leaves.py. In float64.

    python generate_factored.py        # both files
    python generate_factored.py torch  # only this one

Again every library stands beside an independent transcription of its formula.
See README.md for the format.
"""

import functools
import importlib.metadata
import sys

import numpy as np

from generate import case, ema
from generate_leaves import METHODS, leafwise, norm, optax_run, plain, read_problem, run_case, write_library


def rms(x):
    return norm(x) / np.sqrt(x.size)


def factored(s, square, beta, axes, floor):
    """The second moment from its means over each of two axes, of which the second is kept by the rows."""
    a, b = axes
    s["r"] = ema(s["r"], square.mean(axis=b, keepdims=True), beta)
    s["c"] = ema(s["c"], square.mean(axis=a, keepdims=True), beta)
    return s["r"] * s["c"] / np.maximum(s["r"].mean(axis=a, keepdims=True), floor)


@leafwise
def torch_adafactor_step(s, t, w, g, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, maximize=False):
    """b = 1 - t^beta2_decay; rank >= 2: r and c are averages (b) of the means of g^2 over the last and the last but one axis; v = r c / max(mean r, eps1); rank < 2: v the average of g^2; u = g / max(sqrt(v), eps1); a = min(lr, t^-1/2) max(eps2, rms(w)); w -= lr weight_decay w; w -= a u / max(1, rms(u) / d); eps1 is that of float64 if None"""
    if maximize:
        g = -g
    least, floor = eps
    least = np.finfo(np.float64).eps if least is None else least
    b = 1 - t**beta2_decay
    if w.ndim > 1:
        v = factored(s, g**2, b, (-2, -1), least)
    else:
        v = s["v"] = ema(s["v"], g**2, b)
    u = g / np.maximum(np.sqrt(v), least)
    a = min(lr, t**-0.5) * max(floor, rms(w))
    return w * (1 - lr * weight_decay) - a * u / max(1, rms(u) / d)


@leafwise
def optax_adafactor_step(
    s, t, w, g, learning_rate, min_dim_size_to_factor=128, decay_rate=0.8, multiply_by_parameter_scale=True,
    clipping_threshold=1.0, momentum=None, weight_decay_rate=None, eps=1e-30, factored=True,
):  # fmt: skip
    """b = 1 - t^-decay_rate; where the two longest axes have min_dim_size_to_factor elements: r and c are averages (b) of the means of g^2 + eps over the longest and the next axis; v = r c / mean r; else v the average of g^2 + eps; u = g / sqrt(v); u /= max(1, rms(u) / clipping_threshold); u *= learning_rate; multiply_by_parameter_scale: u *= max(1e-3, rms(w)); momentum: m = average of u, u = m; w -= u + weight_decay_rate w"""
    b, square = 1 - t**-decay_rate, g**2 + eps
    order = np.argsort(w.shape) if w.ndim > 1 else []
    if factored and len(order) and w.shape[order[-2]] >= min_dim_size_to_factor:
        v = globals()["factored"](s, square, b, (int(order[-2]), int(order[-1])), 0)
    else:
        v = s["v"] = ema(s["v"], square, b)
    u = g / np.sqrt(v)
    if clipping_threshold is not None:
        u = u / max(1, rms(u) / clipping_threshold)
    u = u * learning_rate
    if multiply_by_parameter_scale:
        u = u * max(1e-3, rms(w))
    if momentum is not None:
        u = s["m"] = ema(s["m"], u, momentum)
    return w - u - (0 if weight_decay_rate is None else weight_decay_rate * w)


@leafwise
def optax_sm3_step(s, t, w, g, learning_rate, b1=0.9, b2=1.0, eps=1e-8):
    """n = b2 min of the m_i of its indices + (1 - b2, but 1 where b2 = 1) g^2; m_i the largest n of an index of axis i; u = g / sqrt(n + eps), 0 where n = 0; v = average (b1) of u; w -= learning_rate v"""
    axes = range(w.ndim)
    covers = [np.asarray(s[f"m{i}"]) for i in axes]
    n = b2 * functools.reduce(np.minimum, covers) + (1 - b2 if b2 < 1 else 1) * g**2
    for i in axes:
        s[f"m{i}"] = n.max(axis=tuple(j for j in axes if j != i), keepdims=True)
    u = np.where(n > 0, g / np.sqrt(n + eps), 0)
    s["v"] = ema(s["v"], u, b1)
    return w - learning_rate * s["v"]


def optax_adafactor(**arguments):
    """Optax raises the step to a power in float32, which moves the parameters by 1e-8, and keeps the momentum in
    float32 unless told otherwise: here all is in float64."""
    import jax.numpy as jnp
    import optax
    from optax._src import factorized

    def decay_rate(i, exponent=0.8):
        return 1.0 - jnp.asarray(i + 1, jnp.float64) ** -exponent

    plain = factorized.scale_by_factored_rms
    factorized.scale_by_factored_rms = functools.partial(plain, decay_rate_fn=decay_rate)
    try:
        return optax.adafactor(**arguments, dtype_momentum=jnp.float64)
    finally:
        factorized.scale_by_factored_rms = plain


def optax_sm3(learning_rate, **arguments):
    import optax

    return optax.chain(optax.scale_by_sm3(**arguments), optax.scale_by_learning_rate(learning_rate))


METHODS.update({
    "torch.optim.Adafactor": (torch_adafactor_step, plain("torch.optim.Adafactor")),
    "optax.adafactor": (optax_adafactor_step, optax_run(optax_adafactor)),
    "optax.scale_by_sm3": (optax_sm3_step, optax_run(optax_sm3)),
})  # fmt: skip


def torch_cases():
    adafactor = "torch.optim.Adafactor"
    return [
        case("adafactor_default", adafactor, lr=0.01),
        case("adafactor_relative", adafactor, lr=0.5),
        case("adafactor_decay_exponent", adafactor, lr=0.1, beta2_decay=-0.5),
        case("adafactor_eps", adafactor, lr=0.1, eps=(0.1, 0.5)),
        case("adafactor_threshold", adafactor, lr=0.1, d=3.0),
        case("adafactor_weight_decay", adafactor, lr=0.1, weight_decay=0.3),
        case("adafactor_maximize", adafactor, lr=0.1, maximize=True),
        case("adafactor_lr_change", adafactor, lr=0.1, lr_from_step_31=0.01),
    ]


def optax_cases():
    adafactor, sm3 = "optax.adafactor", "optax.scale_by_sm3"
    return [
        case("adafactor_unfactored", adafactor, learning_rate=0.05),
        case("adafactor_factored", adafactor, learning_rate=0.05, min_dim_size_to_factor=2),
        case("adafactor_some", adafactor, learning_rate=0.05, min_dim_size_to_factor=4),
        case("adafactor_absolute", adafactor, learning_rate=0.05, min_dim_size_to_factor=2, multiply_by_parameter_scale=False),
        case("adafactor_unclipped", adafactor, learning_rate=0.05, min_dim_size_to_factor=2, clipping_threshold=None),
        case("adafactor_threshold", adafactor, learning_rate=0.05, min_dim_size_to_factor=2, clipping_threshold=2.0),
        case("adafactor_momentum", adafactor, learning_rate=0.1, min_dim_size_to_factor=2, momentum=0.9),
        case("adafactor_weight_decay", adafactor, learning_rate=0.1, min_dim_size_to_factor=2, momentum=0.5, weight_decay_rate=0.01),
        case("adafactor_eps", adafactor, learning_rate=0.1, min_dim_size_to_factor=2, eps=0.01, decay_rate=0.5),
        case("adafactor_lr_change", adafactor, learning_rate=0.1, learning_rate_from_step_31=0.01, min_dim_size_to_factor=2),
        case("sm3_default", sm3, learning_rate=0.1),
        case("sm3_plain", sm3, learning_rate=0.1, b1=0.0),
        case("sm3_forgetting", sm3, learning_rate=0.1, b1=0.5, b2=0.9),
        case("sm3_eps", sm3, learning_rate=0.1, eps=0.5),
        case("sm3_lr_change", sm3, learning_rate=0.1, learning_rate_from_step_31=0.01),
    ]  # fmt: skip


LIBRARIES = {"torch": torch_cases, "optax": optax_cases}


def main(names):
    w, grads = read_problem()
    for name in names:
        cases = [run_case(c, w, grads) for c in LIBRARIES[name]()]
        for c in cases:
            print(f"{name} {c['id']}: agreement {c['agreement']:.1e}")
        formulas = {c["optimizer"]: METHODS[c["optimizer"]][0].__doc__ for c in cases}
        write_library(name, importlib.metadata.version(name), formulas, cases, kind="factored")


if __name__ == "__main__":
    main(sys.argv[1:] or list(LIBRARIES))
