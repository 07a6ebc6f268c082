"""Evaluations of SciPy's L-BFGS-B, BFGS and CG on problems of CUTEst, without bounds: cutest.json.

    pip install scipy==1.17.1
    python cutest.py

The problems are those of `tests/support/problems/cutest.rs` and `held_out.rs`, and of `halves.rs` in `halves.py`, all
written anew; gradients are derivatives by complex steps. Start k of ten is the collection's, each element x times 1 + 0.1·u, or 0.1·u where it is
0, with u in [-1, 1] by SplitMix64 of seed k; f there is `first`. A run goes to max|g| <= 1e-6, with no other test; null where
it ended before.
"""
import json
import os

import numpy as np
import scipy
from halves import HALVES
from scipy.optimize import minimize


def cragglvy(x):
    a, b, c, d = x[0:-3:2], x[1:-2:2], x[2:-1:2], x[3::2]
    return np.sum((np.exp(a) - b) ** 4 + 100 * (b - c) ** 6 + (np.tan(c - d) + c - d) ** 4 + a**8 + (d - 1) ** 2)


def dixmaan(power):
    def f(x):
        n, m = len(x), len(x) // 3
        w = (np.arange(1, n + 1) / n) ** power
        return (1 + np.sum(w * x * x) + 0.125 * np.sum(x[: 2 * m] ** 2 * x[m : 3 * m] ** 4)
                + 0.125 * np.sum(w[:m] * x[:m] * x[2 * m :]))
    return f


ALPHA = np.array([1.25, 1.4, 2.4, 1.4, 1.75, 1.2, 2.25, 1.2, 1.0, 1.1])
I = lambda x: np.arange(1, len(x) + 1)
PROBLEMS = [
    ("ARWHEAD", lambda x: np.sum((x[:-1] ** 2 + x[-1] ** 2) ** 2 - 4 * x[:-1] + 3), [1.0] * 20),
    ("BDQRTIC", lambda x: np.sum((-4 * x[:-4] + 3) ** 2 + (x[:-4] ** 2 + 2 * x[1:-3] ** 2 + 3 * x[2:-2] ** 2
                                                           + 4 * x[3:-1] ** 2 + 5 * x[-1] ** 2) ** 2), [1.0] * 20),
    ("COSINE", lambda x: np.sum(np.cos(x[:-1] ** 2 - 0.5 * x[1:])), [1.0] * 20),
    ("CRAGGLVY", cragglvy, [1.0] + [2.0] * 19),
    ("DIXMAANA", dixmaan(0), [2.0] * 18),
    ("DIXMAANI", dixmaan(2), [2.0] * 18),
    ("EDENSCH", lambda x: 16 + np.sum((x[:-1] - 2) ** 4 + (x[:-1] * x[1:] - 2 * x[1:]) ** 2 + (x[1:] + 1) ** 2),
     [8.0] * 20),
    ("ENGVAL1", lambda x: np.sum((x[:-1] ** 2 + x[1:] ** 2) ** 2 - 4 * x[:-1] + 3), [2.0] * 20),
    ("LIARWHD", lambda x: np.sum(4 * (x * x - x[0]) ** 2 + (x - 1) ** 2), [4.0] * 20),
    ("NONDQUAR", lambda x: (x[0] - x[1]) ** 2 + (x[-2] + x[-1]) ** 2 + np.sum((x[:-2] + x[1:-1] + x[-1]) ** 4),
     [1.0, -1.0] * 10),
    ("POWER", lambda x: np.sum(I(x) * x * x) ** 2, [1.0] * 20),
    ("SINQUAD", lambda x: (x[0] - 1) ** 4 + (x[-1] ** 2 - x[0] ** 2) ** 2
     + np.sum((np.sin(x[1:-1] - x[-1]) - x[0] ** 2 + x[1:-1] ** 2) ** 2), [0.1] * 20),
    ("TRIDIA", lambda x: (x[0] - 1) ** 2 + np.sum(I(x)[1:] * (2 * x[1:] - x[:-1]) ** 2), [1.0] * 20),
    ("CHNROSNB", lambda x: np.sum(16 * ALPHA[1:] ** 2 * (x[:-1] - x[1:] ** 2) ** 2 + (x[1:] - 1) ** 2), [-1.0] * 10),
    ("CLIFF", lambda x: ((x[0] - 3) / 100) ** 2 - x[0] + x[1] + np.exp(20 * (x[0] - x[1])), [0.0, -1.0]),
    ("DQRTIC", lambda x: np.sum((x - I(x)) ** 4), [2.0] * 20),
    ("ERRINROS", lambda x: np.sum((x[:-1] - 16 * ALPHA[1:] ** 2 * x[1:] ** 2) ** 2 + (x[1:] - 1) ** 2), [-1.0] * 10),
    ("FLETCHCR", lambda x: 100 * np.sum((x[1:] - x[:-1] + 1 - x[:-1] ** 2) ** 2), [0.0] * 10),
    ("GENROSE", lambda x: 1 + np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (x[1:] - 1) ** 2),
     [i / 11 for i in range(1, 11)]),
    ("HILBERTA", lambda x: x @ (1 / (I(x)[:, None] + I(x)[None] - 1)) @ x, [-3.0] * 5),
    ("SCHMVETT", lambda x: -np.sum(1 / (1 + (x[:-2] - x[1:-1]) ** 2) + np.sin((np.pi * x[1:-1] + x[2:]) / 2)
                                   + np.exp(-(((x[:-2] + x[2:]) / x[1:-1] - 2) ** 2))), [0.5] * 10),
    ("TOINTGSS", lambda x: np.sum((10 / len(x) + x[2:] ** 2)
                                  * (2 - np.exp(-((x[:-2] - x[1:-1]) ** 2) / (0.1 + x[2:] ** 2)))), [3.0] * 10),
]


def power(x):
    return np.where(x.real < 0, -x, x) ** (7 / 3)


def broydn7d(x):
    z = np.concatenate([[0], x, [0]])
    near, half = (3 - 2 * x) * x - z[:-2] - z[2:] + 1, len(x) // 2
    return np.sum(power(near)) + np.sum(power(x[:half] + x[half:]))


def dixmaanb(x):
    m = len(x) // 3
    inner = x[:-1] ** 2 * (x[1:] + x[1:] ** 2) ** 2
    return (1 + np.sum(x * x) + 0.0625 * np.sum(inner) + 0.0625 * np.sum(x[: 2 * m] ** 2 * x[m:] ** 4)
            + 0.0625 * np.sum(x[:m] * x[2 * m :]))


def engval2(x):
    a, b, c = x
    return ((a**2 + b**2 + c**2 - 1) ** 2 + (a**2 + b**2 + (c - 2) ** 2 - 1) ** 2 + (a + b + c - 1) ** 2
            + (a + b - c + 1) ** 2 + (3 * b**2 + a**3 + (5 * c - a + 1) ** 2 - 36) ** 2)


def freuroth(x):
    a, b = x[:-1], x[1:]
    return np.sum((-13 + a + ((5 - b) * b - 2) * b) ** 2 + (-29 + a + ((b + 1) * b - 14) * b) ** 2)


HELD_OUT = [
    ("BRKMCC", lambda x: (x[0] - 2) ** 2 + (x[1] - 1) ** 2 + 1 / (1 - 0.25 * x[0] ** 2 - x[1] ** 2) / 25
     + 5 * (x[0] - 2 * x[1] + 1) ** 2, [2.0] * 2),
    ("BROYDN7D", broydn7d, [-1.0] * 20),
    ("CUBE", lambda x: (x[0] - 1) ** 2 + 100 * (x[1] - x[0] ** 3) ** 2, [-1.2, 1.0]),
    ("DENSCHNA", lambda x: x[0] ** 4 + (x[0] + x[1]) ** 2 + (np.exp(x[1]) - 1) ** 2, [1.0] * 2),
    ("DENSCHNB", lambda x: (x[0] - 2) ** 2 + ((x[0] - 2) * x[1]) ** 2 + (x[1] + 1) ** 2, [1.0] * 2),
    ("DENSCHNC", lambda x: (x[0] ** 2 + x[1] ** 2 - 2) ** 2 + (np.exp(x[0] - 1) + x[1] ** 3 - 2) ** 2, [2.0, 3.0]),
    ("DENSCHND", lambda x: (x[0] ** 2 + x[1] ** 3 - x[2] ** 4) ** 2 + (2 * x[0] * x[1] * x[2]) ** 2
     + (2 * x[0] * x[1] - 3 * x[1] * x[2] + x[0] * x[2]) ** 2, [10.0] * 3),
    ("DENSCHNE", lambda x: x[0] ** 2 + (x[1] + x[1] ** 2) ** 2 + (np.exp(x[2]) - 1) ** 2, [2.0, 3.0, -8.0]),
    ("DENSCHNF", lambda x: (2 * (x[0] + x[1]) ** 2 + (x[0] - x[1]) ** 2 - 8) ** 2
     + (5 * x[0] ** 2 + (x[1] - 3) ** 2 - 9) ** 2, [2.0, 0.0]),
    ("DIXMAANB", dixmaanb, [2.0] * 18),
    ("DIXON3DQ", lambda x: (x[0] - 1) ** 2 + np.sum((x[1:-1] - x[2:]) ** 2) + (x[-1] - 1) ** 2, [-1.0] * 20),
    ("DQDRTIC", lambda x: np.sum(x[:-2] ** 2 + 100 * x[1:-1] ** 2 + 100 * x[2:] ** 2), [3.0] * 20),
    ("EG2", lambda x: np.sum(np.sin(x[0] + x[:-1] ** 2 - 1)) + 0.5 * np.sin(x[-1] ** 2), [0.0] * 20),
    ("ENGVAL2", engval2, [1.0, 2.0, 0.0]),
    ("EXTROSNB", lambda x: (x[0] - 1) ** 2 + 100 * np.sum((x[1:] - x[:-1] ** 2) ** 2), [-1.0] * 10),
    ("FREUROTH", freuroth, [0.5, -2.0] + [0.0] * 18),
    ("HILBERTB", lambda x: x @ (1 / (I(x)[:, None] + I(x)[None] - 1) + 5 * np.eye(len(x))) @ x, [-3.0] * 10),
    ("HIMMELBG", lambda x: np.exp(-x[0] - x[1]) * (2 * x[0] ** 2 + 3 * x[1] ** 2), [0.5] * 2),
    ("HIMMELBH", lambda x: x[0] ** 3 + x[1] ** 2 - 3 * x[0] - 2 * x[1] + 2, [0.0, 2.0]),
    ("MARATOSB", lambda x: x[0] + 1e6 * (x[0] ** 2 + x[1] ** 2 - 1) ** 2, [1.1, 0.1]),
    ("NONDIA", lambda x: (x[0] - 1) ** 2 + 100 * np.sum((x[0] - x[:-1] ** 2) ** 2), [-1.0] * 20),
    ("SINEVAL", lambda x: 1e4 * (x[1] - np.sin(x[0])) ** 2 + x[0] ** 2 / 4, [4.712389, -1.0]),
    ("SISSER", lambda x: 3 * x[0] ** 4 - 2 * (x[0] * x[1]) ** 2 + 3 * x[1] ** 4, [1.0, 0.1]),
    ("TQUARTIC", lambda x: (x[0] - 1) ** 2 + np.sum((x[0] ** 2 - x[1:] ** 2) ** 2), [0.1] * 20),
]


def numbers(seed):
    mask, state = 2**64 - 1, seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        yield (z >> 11) * 2.0**-52 - 1.0


def start(x, k):
    return np.array([x * (1 + 0.1 * u) if x != 0 else 0.1 * u for x, u in zip(x, numbers(k))])


def run(f, x, method, options):
    count = [0]

    def both(x):
        count[0] += 1
        g = np.empty(len(x))
        for j in range(len(x)):
            z = x.astype(complex)
            z[j] += 1e-30j
            g[j] = f(z).imag / 1e-30
        return float(f(x)), g

    with np.errstate(all="ignore"):
        found = minimize(both, x, jac=True, method=method, options=options)
        evaluations = count[0]
        value, g = both(found.x)
    return (evaluations if np.abs(g).max() <= 1e-6 else None), value


if __name__ == "__main__":
    cases = []
    for name, f, x in PROBLEMS + HELD_OUT + HALVES:
        case = {"name": name, "lbfgsb": [], "bfgs": [], "cg": [], "value": [], "cg_value": [], "first": []}
        for k in range(10):
            at = start(x, k)
            case["first"].append(float(f(at)))
            count, value = run(f, at, "L-BFGS-B", dict(ftol=0, gtol=1e-6, maxfun=20000, maxiter=20000))
            case["lbfgsb"].append(count)
            case["value"].append(value)
            case["bfgs"].append(run(f, at, "BFGS", dict(gtol=1e-6, maxiter=20000))[0])
            count, value = run(f, at, "CG", dict(gtol=1e-6, maxiter=20000))
            case["cg"].append(count)
            case["cg_value"].append(value)
        cases.append(case)
        print(name, case["lbfgsb"], case["bfgs"], case["cg"], flush=True)
    with open(os.path.join(os.path.dirname(__file__), "cutest.json"), "w") as file:
        json.dump({"scipy": scipy.__version__, "cases": cases}, file, indent=None, separators=(",", ":"))
        file.write("\n")
