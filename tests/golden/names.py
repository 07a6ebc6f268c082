"""Holds names.tsv to what the libraries of requirements.txt have: prints what is missing there, and what is no more.

    python names.py
"""

import functools
import inspect
import os
import types
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import keras
import optax
import optax.contrib
import torch
from optax._src import alias

HERE = Path(__file__).resolve().parent


def classes(module, base):
    found = {name for name, x in vars(module).items() if inspect.isclass(x)}
    return found - {base}


def names():
    makes = (types.FunctionType, functools.partial)
    aliases = {name for name, x in vars(alias).items() if not name.startswith("_") and isinstance(x, makes) and hasattr(optax, name)}
    contrib = {name for name, x in vars(optax.contrib).items() if inspect.isfunction(x) and not name.startswith("scale_by_")}
    return {
        "torch": {name for name in classes(torch.optim, "Optimizer") if issubclass(getattr(torch.optim, name), torch.optim.Optimizer)},
        "optax": aliases,
        "optax.contrib": contrib,
        "keras": classes(keras.optimizers, "Optimizer"),
    }


if __name__ == "__main__":
    for library in (torch, optax, keras):
        print(f"# {library.__name__} {library.__version__.partition('+')[0]}")
    lines = [line.split("\t") for line in (HERE / "names.tsv").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    for library, found in names().items():
        listed = {line[1] for line in lines if line[0] == library}
        print(library, len(found), "missing:", sorted(found - listed), "no more:", sorted(listed - found))
