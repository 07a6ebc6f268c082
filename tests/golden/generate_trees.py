"""Golden trajectories of rules that look at the whole tree of leaves, or at the
loss: `trees.json`, in float64.

    python generate_trees.py

On the model of `leaves.json`, whose gradients do not depend on the parameters,
with the losses of `loss`. What is compared is the authors' own package, or the
library that the crate's constructor is named after.
"""

import importlib.metadata
import json
import math
import os
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import dadaptation
import dog
import jax.numpy as jnp
import momo
import numpy as np
import optax
import optax.contrib
import prodigyopt
import pytorch_optimizer
import torch

HERE = Path(__file__).parent
STEPS = 60
CHECKPOINTS = (1, 10, 60)


def loss(t):
    return 2 + math.sin(t) + 10 / t


def problem():
    leaves = json.loads((HERE / "leaves.json").read_text(encoding="utf-8"))["leaves"]
    w = {name: np.array(leaf["initial"]).reshape(leaf["shape"]) for name, leaf in sorted(leaves.items())}
    g = [{name: np.array(leaves[name]["gradients"][t]).reshape(w[name].shape) for name in w} for t in range(STEPS)]
    return w, g


def of_torch(make, with_loss=False):
    def run(arguments):
        torch.set_default_dtype(torch.float64)
        w, g = problem()
        leaves = {name: torch.nn.Parameter(torch.tensor(x)) for name, x in w.items()}
        optimizer = make(list(leaves.values()), **arguments)
        for t in range(STEPS):
            for name, leaf in leaves.items():
                leaf.grad = torch.tensor(g[t][name])
            if with_loss:
                optimizer.step(loss=torch.tensor(loss(t + 1)))
            else:
                optimizer.step()
            yield t + 1, {name: leaf.detach().numpy() for name, leaf in leaves.items()}

    return run


def of_optax(make, with_loss=False):
    def run(arguments):
        w, g = problem()
        w = {name: jnp.asarray(x) for name, x in w.items()}
        optimizer = make(**arguments)
        state = optimizer.init(w)
        for t in range(STEPS):
            grads = {name: jnp.asarray(x) for name, x in g[t].items()}
            extra = {"value": loss(t + 1)} if with_loss else {}
            updates, state = optimizer.update(grads, state, w, **extra)
            w = optax.apply_updates(w, updates)
            yield t + 1, {name: np.asarray(x) for name, x in w.items()}

    return run


RUNS = {
    "prodigyopt.Prodigy": ("prodigyopt", of_torch(prodigyopt.Prodigy)),
    "dadaptation.DAdaptAdam": ("dadaptation", of_torch(dadaptation.DAdaptAdam)),
    "dog.DoG": ("dog-optimizer", of_torch(dog.DoG)),
    "dog.LDoG": ("dog-optimizer", of_torch(dog.LDoG)),
    "momo.Momo": ("momo-opt", of_torch(momo.Momo, with_loss=True)),
    "momo.MomoAdam": ("momo-opt", of_torch(momo.MomoAdam, with_loss=True)),
    "pytorch_optimizer.NovoGrad": ("pytorch_optimizer", of_torch(pytorch_optimizer.NovoGrad)),
    "optax.novograd": ("optax", of_optax(optax.novograd)),
    "optax.polyak_sgd": ("optax", of_optax(optax.polyak_sgd, with_loss=True)),
    "optax.contrib.dog": ("optax", of_optax(optax.contrib.dog)),
    "optax.contrib.dowg": ("optax", of_optax(optax.contrib.dowg)),
    "optax.contrib.prodigy": ("optax", of_optax(optax.contrib.prodigy)),
    "optax.contrib.dadapt_adamw": ("optax", of_optax(optax.contrib.dadapt_adamw)),
    "optax.contrib.momo": ("optax", of_optax(optax.contrib.momo, with_loss=True)),
    "optax.contrib.momo_adam": ("optax", of_optax(optax.contrib.momo_adam, with_loss=True)),
}

CASES = [
    ("prodigyopt.Prodigy", dict(decouple=True)),
    ("prodigyopt.Prodigy", dict(lr=0.5, betas=(0.8, 0.9), eps=0.1, weight_decay=0.1, d0=1e-2, d_coef=2.0)),
    ("prodigyopt.Prodigy", dict(d0=1e-2, growth_rate=1.02, use_bias_correction=True)),
    ("prodigyopt.Prodigy", dict(d0=1e-2, safeguard_warmup=True)),
    ("optax.contrib.prodigy", dict(learning_rate=1.0)),
    ("optax.contrib.prodigy", dict(learning_rate=0.5, betas=(0.8, 0.9), eps=0.1, estim_lr0=1e-2, weight_decay=0.1)),
    ("dadaptation.DAdaptAdam", dict(decouple=True)),
    ("dadaptation.DAdaptAdam", dict(lr=0.5, betas=(0.8, 0.9), eps=0.1, weight_decay=0.1, d0=1e-2, decouple=True)),
    ("dadaptation.DAdaptAdam", dict(d0=1e-2, growth_rate=1.02, use_bias_correction=True)),
    ("optax.contrib.dadapt_adamw", dict(learning_rate=1.0)),
    ("optax.contrib.dadapt_adamw", dict(learning_rate=0.5, betas=(0.8, 0.9), eps=0.1, estim_lr0=1e-2)),
    ("dog.DoG", dict()),
    ("dog.DoG", dict(reps_rel=1e-2, lr=0.5, eps=3.0)),
    ("dog.DoG", dict(reps_rel=1e-2, weight_decay=0.1)),
    ("dog.LDoG", dict()),
    ("dog.LDoG", dict(reps_rel=1e-2, lr=0.5, eps=3.0)),
    ("optax.contrib.dog", dict()),
    ("optax.contrib.dog", dict(learning_rate=0.5, init_step=("heuristic", 1e-2), eps=3.0)),
    ("optax.contrib.dowg", dict()),
    ("optax.contrib.dowg", dict(learning_rate=0.5, init_estim_sq_dist=0.3, eps=2.0)),
    ("optax.polyak_sgd", dict()),
    ("optax.polyak_sgd", dict(max_learning_rate=0.02, scaling=0.5, f_min=-1.0, eps=3.0, variant="sps+")),
    ("optax.polyak_sgd", dict(f_min=3.0, variant="sps+")),
    ("momo.Momo", dict(lr=0.05)),
    ("momo.Momo", dict(lr=0.05, weight_decay=0.3, beta=0.5, lb=1.0)),
    ("momo.Momo", dict(lr=0.05, bias_correction=True)),
    ("momo.Momo", dict(lr=0.5, bias_correction=True, use_fstar=True)),
    ("momo.MomoAdam", dict(lr=0.01)),
    ("momo.MomoAdam", dict(lr=1.0, betas=(0.5, 0.9), eps=0.1, weight_decay=0.3, lb=1.0)),
    ("momo.MomoAdam", dict(lr=0.1, use_fstar=True)),
    ("optax.contrib.momo", dict(learning_rate=0.05)),
    ("optax.contrib.momo_adam", dict(learning_rate=0.01)),
    ("optax.novograd", dict(learning_rate=0.01)),
    ("optax.novograd", dict(learning_rate=0.01, b1=0.8, b2=0.9, eps=0.1, weight_decay=0.3)),
    ("pytorch_optimizer.NovoGrad", dict(lr=0.01)),
    ("pytorch_optimizer.NovoGrad", dict(lr=0.01, betas=(0.8, 0.9), eps=0.1, weight_decay=0.1, grad_averaging=True)),
]


def main():
    cases = []
    for optimizer, arguments in CASES:
        library, run = RUNS[optimizer]
        points = {}
        for t, w in run(arguments):
            if t in CHECKPOINTS:
                assert all(np.isfinite(x).all() for x in w.values()), (optimizer, arguments, t)
                points[str(t)] = {name: np.ravel(x).tolist() for name, x in w.items()}
        arguments = {k: "inf" if v == float("inf") else v for k, v in arguments.items()}
        version = importlib.metadata.version(library)
        cases.append(dict(library=library, version=version, optimizer=optimizer, arguments=arguments, checkpoints=points))
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "trees.json").write_text(f'{{"cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
