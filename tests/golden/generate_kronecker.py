"""Golden trajectories of Shampoo and SOAP by their authors' code, and of the
paper's Shampoo by pytorch-optimizer, on the model of generate_leaves.py. In float64.

    git clone https://github.com/facebookresearch/optimizers META
    git -C META checkout f60660661194de26d3ee78bae6d15820ff8e583d
    git clone https://github.com/nikhilvyas/SOAP VYAS
    git -C VYAS checkout a1e553530fde97d0e6b307d7c82ac6d38b072340
    python generate_kronecker.py META VYAS        # needs torch and pytorch_optimizer

Again either stands beside an independent transcription of its formula. See
README.md for the format, and for what is done to compute in float64.
"""

import importlib.metadata
import logging
import math
import sys
import types
from pathlib import Path

import numpy as np

from generate import case, ema
from generate_leaves import METHODS, leafwise, norm, plain, read_problem, run_case, torch_run, write_library

# ------------------------------------------------------ formulas, in plain numpy


def gram(x, axis):
    """The sums of products over all axes but one."""
    others = [i for i in range(x.ndim) if i != axis]
    return np.tensordot(x, x, axes=(others, others))


def along(matrix, x, axis):
    """matrix x along an axis."""
    return np.moveaxis(np.tensordot(matrix, x, axes=(1, axis)), 0, axis)


def root(matrix, epsilon, exponent):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * (values - min(values[0], 0) + epsilon) ** -exponent) @ vectors.T


def blocks(shape, longest):
    """Slices, the last axis fastest."""
    cuts = [[]]
    for n in shape:
        longest_here = n if longest is None else longest
        cuts = [[*c, slice(i, i + longest_here)] for c in cuts for i in range(0, n, longest_here)]
    return [tuple(c) for c in cuts]


@leafwise
def shampoo_step(
    s, t, w, g, lr, betas=(0.9, 1.0), epsilon=1e-12, weight_decay=0.0, max_preconditioner_dim=1024,
    precondition_frequency=1, start_preconditioning_step=-1, grafting=None, grafting_beta2=None, grafting_epsilon=1e-10,
    exponent=None,
):  # fmt: skip
    """of each block: A_i = b2 A_i + (1 - b2, but 1 where b2 = 1) (g g^T over all axes but i); every precondition_frequency steps from start_preconditioning_step on: P_i = (A_i / (1 - b2^t, but 1) + epsilon I)^-exponent, exponent = 1/(2 axes) if None; m = average (b1) of g, m' = m / (1 - b1^t); u = P_1 m' P_2 ...; with grafting: a = m' (SGD), m' / (sqrt(v) + grafting_epsilon) where v is the sum of g^2 (AdaGrad), its average (RMSprop), that corrected (Adam); u = a before start_preconditioning_step, then u |a| / (|u| + 1e-16); w -= lr (u + weight_decay w)"""
    b1, b2 = betas
    start = precondition_frequency if start_preconditioning_step == -1 else start_preconditioning_step
    s["m"] = ema(s["m"], g, b1)
    m = s["m"] / (1 - b1**t)
    corrected = 1 - grafting_beta2**t if grafting == "Adam" else 1
    if grafting == "AdaGrad":
        s["v"] = s["v"] + g**2
    elif grafting in ("RMSprop", "Adam"):
        s["v"] = ema(s["v"], g**2, grafting_beta2)
    a = m if grafting in (None, "SGD") else m / (np.sqrt(s["v"] / corrected) + grafting_epsilon)
    step = np.zeros_like(w)
    for place, block in enumerate(blocks(w.shape, max_preconditioner_dim)):
        u, of_block = m[block], g[block]
        for i in range(w.ndim):
            name = (place, i)
            s[name] = b2 * s[name] + (1 - b2 if b2 < 1 else 1) * gram(of_block, i)
            if t == start or t > start and t % precondition_frequency == 0:
                bias = 1 - b2**t if b2 < 1 else 1
                power = 1 / (2 * w.ndim) if exponent is None else exponent
                s["root", name] = root(s[name] / bias, epsilon, power)
            if ("root", name) in s:
                u = along(s["root", name], u, i)
        if grafting is not None:
            u = a[block] if t < start else u * norm(a[block]) / (norm(u) + 1e-16)
        step[block] = u
    return w - lr * (step + weight_decay * w)


@leafwise
def pytorch_optimizer_shampoo_step(s, t, w, g, lr, matrix_eps=1e-6):
    """A_i += g g^T over all axes but i, from matrix_eps I on; w -= lr A_1^(-1/(2 axes)) g A_2^(-1/(2 axes)) ..."""
    u = g
    for i in range(w.ndim):
        s[i] = s[i] + gram(g, i)
        u = along(root(s[i], matrix_eps, 1 / (2 * w.ndim)), u, i)
    return w - lr * u


@leafwise
def soap_step(
    s, t, w, g, lr=3e-3, betas=(0.95, 0.95), shampoo_beta=-1, eps=1e-8, weight_decay=0.01, precondition_frequency=10,
    max_precond_dim=10000, normalize_grads=False,
):  # fmt: skip
    """the first step makes bases alone: A_i = (1 - b) (g g^T over all axes but i), Q_i its eigenvectors, the largest eigenvalue's first; axes longer than max_precond_dim, and leaves of rank 1, have none; b = b2 if shampoo_beta < 0; from then on, t counting from 1 anew: g' = g along Q; m = average (b1) of g'; v = average (b2) of g'^2; u = m / (sqrt(v) + eps) back along Q; normalize_grads: u /= sqrt(mean u^2); w -= lr sqrt(1 - b2^t) / (1 - b1^t) u; w -= lr weight_decay w; A_i = average (b) of g g^T; every precondition_frequency steps: the columns of Q_i, and v with them, in the order of diag(Q_i^T A_i Q_i), the largest first; Q_i = Q of the QR factors of A_i Q_i; m goes into the new basis"""
    b1, b2 = betas
    b = b2 if shampoo_beta < 0 else shampoo_beta
    axes = [i for i in range(w.ndim) if w.ndim > 1 and w.shape[i] <= max_precond_dim]
    into = lambda x: [x := along(s["q", i].T, x, i) for i in axes][-1] if axes else x
    back = lambda x: [x := along(s["q", i], x, i) for i in axes][-1] if axes else x
    t -= 1
    if t > 0:
        turned = into(g)
        s["m"], s["v"] = ema(s["m"], turned, b1), ema(s["v"], turned**2, b2)
        u = back(s["m"] / (np.sqrt(s["v"]) + eps))
        if normalize_grads:
            u = u / (1e-30 + np.sqrt(np.mean(u**2)))
        w = w - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * u
        w = w - lr * weight_decay * w
        m = back(s["m"])
    for i in axes:
        s["a", i] = ema(s["a", i], gram(g, i), b)
        if t == 0:
            s["q", i] = np.linalg.eigh(s["a", i])[1][:, ::-1]
        elif t % precondition_frequency == 0:
            order = np.argsort(-np.diag(s["q", i].T @ s["a", i] @ s["q", i]), kind="stable")
            s["v"] = np.take(s["v"], order, axis=i)
            s["q", i] = np.linalg.qr(s["a", i] @ s["q", i][:, order])[0]
    if t > 0:
        s["m"] = into(m)
    return w


# ----------------------------------------------------------------- the libraries


def shampoo(leaves, grafting=None, grafting_beta2=None, grafting_epsilon=1e-10, exponent=None, **arguments):
    """Matrices and roots are float32 unless told otherwise, and the rate always: here the rates are exact in it."""
    import distributed_shampoo as theirs
    import torch

    logging.disable(logging.WARNING)
    double = {"factor_matrix_dtype": torch.float64, "inv_factor_matrix_dtype": torch.float64}
    override = {} if exponent is None else {order: exponent for order in range(4)}
    graft = {} if grafting in (None, "SGD") else {"epsilon": grafting_epsilon}
    if grafting in ("RMSprop", "Adam"):
        graft["beta2"] = grafting_beta2
    if arguments.get("max_preconditioner_dim", 1024) is None:
        arguments["max_preconditioner_dim"] = math.inf
    return [
        theirs.DistributedShampoo(
            list(leaves.values()),
            grafting_config=None if grafting is None else getattr(theirs, f"{grafting}PreconditionerConfig")(**graft),
            # Without it axes are merged where their product is no longer than max_preconditioner_dim.
            distributed_config=theirs.SingleDeviceDistributedConfig(target_parameter_dimensionality=math.inf),
            preconditioner_config=theirs.RootInvShampooPreconditionerConfig(inverse_exponent_override=override, **double),
            **arguments,
        )
    ]


def soap_of(folder):
    """The authors' file makes bases in float32 whatever the parameters are; here it says double for float."""
    text = (Path(folder) / "soap.py").read_text(encoding="utf-8")
    module = types.ModuleType("soap")
    exec(text.replace("torch.float)", "torch.double)").replace("!= torch.float:", "!= torch.double:").replace(".float()", ".double()"), module.__dict__)  # fmt: skip
    return lambda leaves, **arguments: [module.SOAP(list(leaves.values()), **arguments)]


def shampoo_cases():
    name, paper = "distributed_shampoo.DistributedShampoo", {"betas": (0.0, 1.0), "epsilon": 1e-4}
    adam = {"grafting": "Adam", "grafting_beta2": 0.999, "grafting_epsilon": 1e-8}
    whole = {"max_preconditioner_dim": None}
    return [
        case("paper", name, lr=0.125, **paper, **whole),
        case("paper_decay", name, lr=0.125, weight_decay=0.25, **paper, **whole),
        case("paper_rarely", name, "before the first roots a step is that of SGD", lr=0.125, precondition_frequency=7, **paper),
        case("exponent", name, lr=0.125, exponent=0.5, **paper),
        case("momentum", name, lr=0.125, betas=(0.9, 1.0), epsilon=1e-2),
        case("forgetting", name, lr=0.125, betas=(0.9, 0.95), epsilon=1e-2, precondition_frequency=3),
        case("adam", name, lr=0.015625, betas=(0.9, 0.999), precondition_frequency=10, **adam),
        case("adam_often", name, lr=0.015625, betas=(0.8, 0.99), epsilon=1e-2, **adam),
        case("adam_late", name, lr=0.015625, betas=(0.9, 0.99), precondition_frequency=4, start_preconditioning_step=17, **adam),
        case("adam_decay", name, lr=0.015625, betas=(0.9, 0.999), precondition_frequency=10, weight_decay=0.5, **adam),
        case("adam_lr_change", name, lr=0.015625, lr_from_step_31=0.00390625, betas=(0.9, 0.999), precondition_frequency=10, **adam),
        case("sgd", name, lr=0.0625, betas=(0.9, 1.0), epsilon=1e-2, grafting="SGD"),
        case("adagrad", name, lr=0.125, betas=(0.0, 1.0), epsilon=1e-2, grafting="AdaGrad", grafting_epsilon=0.1),
        case("rmsprop", name, lr=0.015625, betas=(0.5, 0.9), epsilon=1e-2, precondition_frequency=2, grafting="RMSprop", grafting_beta2=0.9, grafting_epsilon=1e-6),
        case("blocks", name, lr=0.125, max_preconditioner_dim=4, **paper),
        case("blocks_adam", name, lr=0.015625, betas=(0.9, 0.999), precondition_frequency=10, max_preconditioner_dim=3, **adam),
    ]  # fmt: skip


def pytorch_optimizer_cases():
    name = "pytorch_optimizer.Shampoo"
    return [
        case("paper", name, lr=0.1, matrix_eps=1e-4),
        case("paper_eps", name, lr=0.1, matrix_eps=0.5),
        case("paper_lr_change", name, lr=0.1, lr_from_step_31=0.01, matrix_eps=1e-4),
    ]


# A basis is the only one where the first gradient is in as many directions as there are along the axis.
ALL_DIRECTIONS = ["square", "kernel", "bias", "gain", "fresh"]
# With max_precond_dim=4 the long axes of these have none.
SHORT_AXES = ["hidden", "wide", *ALL_DIRECTIONS]


def soap_cases():
    name = "soap.SOAP"
    short = {"leaves": SHORT_AXES}
    return [
        case("default", name, lr=0.01),
        case("often", name, lr=0.01, precondition_frequency=1),
        case("betas", name, lr=0.02, betas=(0.9, 0.99), shampoo_beta=0.8, weight_decay=0.0),
        case("eps", name, lr=0.1, eps=0.5, precondition_frequency=4),
        case("decay", name, lr=0.01, weight_decay=1.0, precondition_frequency=3),
        case("normalized", name, lr=0.01, normalize_grads=True),
        case("lr_change", name, lr=0.02, lr_from_step_31=0.002),
        case("short_axes", name, lr=0.01, max_precond_dim=4) | short,
        case("short_axes_often", name, lr=0.05, max_precond_dim=4, precondition_frequency=2, weight_decay=0.0) | short,
        case("no_axes", name, lr=0.01, max_precond_dim=1) | {"leaves": [*SHORT_AXES, "late"]},
    ]


def main(meta, vyas):
    sys.path.insert(0, meta)
    METHODS["distributed_shampoo.DistributedShampoo"] = (shampoo_step, torch_run(shampoo))
    METHODS["soap.SOAP"] = (soap_step, torch_run(soap_of(vyas)))
    METHODS["pytorch_optimizer.Shampoo"] = (pytorch_optimizer_shampoo_step, plain("pytorch_optimizer.Shampoo"))
    w, grads = read_problem()
    for name, version, cases_of, every in [
        ("pytorch_optimizer", importlib.metadata.version("pytorch-optimizer"), pytorch_optimizer_cases, list(w)),
        ("distributed_shampoo", "f606606", shampoo_cases, list(w)),
        ("soap", "a1e5535", soap_cases, ALL_DIRECTIONS),
    ]:
        cases = []
        for c in cases_of():
            chosen = c.pop("leaves", every)
            some = lambda tree: {leaf: tree[leaf] for leaf in chosen}
            cases.append(run_case(c, some(w), [some(g) for g in grads]))
            print(f"{name} {c['id']}: agreement {c['agreement']:.1e}")
        formulas = {c["optimizer"]: METHODS[c["optimizer"]][0].__doc__ for c in cases}
        write_library(name, version, formulas, cases, kind="kronecker")


if __name__ == "__main__":
    main(*sys.argv[1:])
