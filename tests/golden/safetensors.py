"""Runs of torch.optim, handed over after 7 of 12 steps: safetensors/CASE.mid and .end, and safetensors.json.

pip install torch safetensors; python safetensors.py
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
FOLDER = pathlib.Path(__file__).parent / "safetensors"
CASES = {
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_dampened": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.25)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True)),
    "adam": (torch.optim.Adam, dict(lr=0.05, betas=(0.8, 0.95))),
    "adam_l2": (torch.optim.Adam, dict(lr=0.05, weight_decay=0.1)),
    "amsgrad": (torch.optim.Adam, dict(lr=0.05, betas=(0.8, 0.6), amsgrad=True)),
    "adamw": (torch.optim.AdamW, dict(lr=0.05, weight_decay=0.1)),
    "adamax": (torch.optim.Adamax, dict(lr=0.05)),
    "radam": (torch.optim.RAdam, dict(lr=0.05)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=0.02)),
    "rmsprop_centered": (torch.optim.RMSprop, dict(lr=0.02, centered=True)),
    "rmsprop_momentum": (torch.optim.RMSprop, dict(lr=0.02, momentum=0.9)),
    "adagrad": (torch.optim.Adagrad, dict(lr=0.1)),
    "adadelta": (torch.optim.Adadelta, dict(lr=1.0)),
}


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]))
        self.bias = torch.nn.Parameter(torch.tensor([0.1, -0.2, 0.3]))


def gradient(parameter, step):
    """Anything that is not the same twice, and exact to say: ((37·i + 101·step) mod 64) / 32 - 1 + w / 4."""
    places = torch.arange(parameter.numel(), dtype=torch.float64).reshape(parameter.shape)
    return (37 * places + 101 * step) % 64 / 32 - 1 + parameter.detach() / 4


def write(model, optimizer, file):
    names = [name for name, _ in model.named_parameters()]
    state = optimizer.state_dict()["state"]
    tensors = {f"{names[i]}.{key}": x for i, of in state.items() for key, x in of.items() if x is not None}
    save_file(tensors, file)
    return {name: parameter.tolist() for name, parameter in model.named_parameters()}


runs = {}
for case, (make, arguments) in CASES.items():
    model = Model()
    optimizer = make(model.parameters(), foreach=False, **arguments)
    for step in range(1, 13):
        for parameter in model.parameters():
            parameter.grad = gradient(parameter, step)
        optimizer.step()
        if step in (7, 12):
            name = {7: "mid", 12: "end"}[step]
            runs.setdefault(case, {})[name] = write(model, optimizer, FOLDER / f"{case}.{name}")
save_file({n: p.detach().to(torch.bfloat16) for n, p in model.named_parameters()}, FOLDER / "model.bf16")
runs["model.bf16"] = {n: p.detach().to(torch.bfloat16).to(torch.float64).tolist() for n, p in model.named_parameters()}
runs["model.f16"] = {n: p.detach().to(torch.float16).to(torch.float64).tolist() for n, p in model.named_parameters()}
save_file({n: p.detach().to(torch.float16) for n, p in model.named_parameters()}, FOLDER / "model.f16")
(FOLDER.parent / "safetensors.json").write_text(json.dumps(runs, indent=1) + "\n")
