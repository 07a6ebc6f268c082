"""Golden trajectories of PyTorch's optimizers on gradients of few rows, in float64.

    python rows.py

A table of 7 rows of 3, 40 steps; a step's gradient is of a few rows, some of which come several times, and
once of none. Each case has the table after every tenth step, and a transcription of its formula as a loop over
the rows stands beside it ("agreement" is the largest deviation, relative to the largest magnitude of an element).
"""

import json
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
STEPS, ROWS, COLUMNS = 40, 7, 3
torch.set_default_dtype(torch.float64)


def make_problem():
    rng = np.random.default_rng(20261128)
    steps = []
    for t in range(STEPS):
        count = 0 if t == 17 else int(rng.integers(1, 6))
        # Row 6 is never touched, row 5 rarely.
        rows = rng.choice(6, count, p=[0.3, 0.25, 0.2, 0.13, 0.1, 0.02])
        values = rng.normal(0.2, 1.0, (count, COLUMNS)) * 10.0 ** np.array([-2, 0, 2])
        steps.append({"rows": rows.tolist(), "values": values.tolist()})
    return {"initial": rng.normal(0, 1, (ROWS, COLUMNS)).tolist(), "steps": steps}


def run(problem, make):
    w = torch.tensor(problem["initial"], requires_grad=True)
    optimizer = make([w])
    checkpoints = {}
    for t, step in enumerate(problem["steps"], 1):
        values = torch.tensor(step["values"]).reshape(-1, COLUMNS)
        rows = torch.tensor([step["rows"]], dtype=torch.int64)
        w.grad = torch.sparse_coo_tensor(rows, values, (ROWS, COLUMNS))
        optimizer.step()
        if t % 10 == 0:
            checkpoints[str(t)] = w.detach().tolist()
    return checkpoints


def by_rows(problem, step):
    """The same as a loop over the rows that are touched."""
    w = np.array(problem["initial"])
    state = [dict() for _ in range(ROWS)]
    checkpoints = {}
    for t, given in enumerate(problem["steps"], 1):
        sums = {}
        for row, values in zip(given["rows"], given["values"]):
            sums[row] = sums.get(row, 0.0) + np.array(values)
        for row, g in sums.items():
            w[row] = step(state[row], t, w[row], g)
        if t % 10 == 0:
            checkpoints[str(t)] = w.tolist()
    return checkpoints


def sparse_adam(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
    """m = b1 m + (1 - b1) g; s = b2 s + (1 - b2) g^2; w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(s) + eps); t counts all steps"""

    def step(s, t, w, g):
        g = -g if maximize else g
        s["m"] = betas[0] * s.get("m", 0.0) + (1 - betas[0]) * g
        s["s"] = betas[1] * s.get("s", 0.0) + (1 - betas[1]) * g**2
        rate = lr * np.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t)
        return w - rate * s["m"] / (np.sqrt(s["s"]) + eps)

    return step


def adagrad(lr=1e-2, lr_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    """s += g^2; w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps); t counts all steps"""

    def step(s, t, w, g):
        s["s"] = s.get("s", initial_accumulator_value) + g**2
        return w - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["s"]) + eps)

    return step


def sgd(lr=1e-3):
    """w -= lr g"""
    return lambda s, t, w, g: w - lr * g


CASES = [
    ("sparse_adam_default", torch.optim.SparseAdam, sparse_adam, {}),
    ("sparse_adam", torch.optim.SparseAdam, sparse_adam, {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}),
    ("sparse_adam_maximize", torch.optim.SparseAdam, sparse_adam, {"lr": 0.05, "maximize": True}),
    ("adagrad_default", torch.optim.Adagrad, adagrad, {}),
    ("adagrad", torch.optim.Adagrad, adagrad, {"lr": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    ("adagrad_lr_decay", torch.optim.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.05}),
    ("sgd", torch.optim.SGD, sgd, {"lr": 0.01}),
]


def main():
    problem = make_problem()
    cases = []
    for name, optimizer, formula, arguments in CASES:
        checkpoints = run(problem, lambda parameters: optimizer(parameters, **arguments))
        literal = by_rows(problem, formula(**arguments))
        found, expected = (np.array(list(x.values())) for x in (checkpoints, literal))
        agreement = float(np.max(np.abs(found - expected) / np.max(np.abs(expected), axis=0)))
        assert agreement < 1e-13, (name, agreement)
        cases.append({
            "id": name, "optimizer": f"torch.optim.{optimizer.__name__}", "arguments": arguments,
            "formula": formula.__doc__, "agreement": agreement, "checkpoints": checkpoints,
        })
    golden = {"library": "torch", "version": torch.__version__.split("+")[0], "problem": problem, "cases": cases}
    (HERE / "rows.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
