"""Minima within bounds by SciPy's L-BFGS-B, and of L1 penalties by scikit-learn: bounded.json.

    pip install scipy==1.17.1 scikit-learn==1.9.1
    python bounded.py

The problems of Hock & Schittkowski, "Test examples for nonlinear programming codes", 1981, whose
constraints are bounds alone, by their numbers; Moré & Toraldo's torsion of a bar on a grid; and logistic
regression of the digits 3 and 8 in examples/data/optdigits.csv, mean log loss + C·Σ|w|, whose intercept
is exempt. Each minimum is taken as far as the solver goes, and polished on the elements that are free by
Newton steps with differences of exact gradients; `residual` is max|P(w - g) - w| there.
"""
import json
import math
import os

import numpy as np
import sklearn
import scipy
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

INF = math.inf


def rosenbrock(x):
    a, b = 1 - x[0], x[1] - x[0] ** 2
    return a * a + 100 * b * b, [-2 * a - 400 * x[0] * b, 200 * b]


def hs3(x):
    d = x[1] - x[0]
    return x[1] + 1e-5 * d * d, [-2e-5 * d, 1 + 2e-5 * d]


def hs4(x):
    return (x[0] + 1) ** 3 / 3 + x[1], [(x[0] + 1) ** 2, 1]


def hs5(x):
    c, d = math.cos(x[0] + x[1]), x[0] - x[1]
    return math.sin(x[0] + x[1]) + d * d - 1.5 * x[0] + 2.5 * x[1] + 1, [c + 2 * d - 1.5, c - 2 * d + 2.5]


def wood(x):
    a, b, c, d = x
    f = 100 * (b - a * a) ** 2 + (1 - a) ** 2 + 90 * (d - c * c) ** 2 + (1 - c) ** 2
    f += 10.1 * ((b - 1) ** 2 + (d - 1) ** 2) + 19.8 * (b - 1) * (d - 1)
    g = [
        -400 * a * (b - a * a) - 2 * (1 - a),
        200 * (b - a * a) + 20.2 * (b - 1) + 19.8 * (d - 1),
        -360 * c * (d - c * c) - 2 * (1 - c),
        180 * (d - c * c) + 20.2 * (d - 1) + 19.8 * (b - 1),
    ]
    return f, g


def hs45(x):
    p = np.prod(x) / 120
    return 2 - p, [-p / v if v != 0 else -np.prod(np.delete(x, i)) / 120 for i, v in enumerate(x)]


def hs110(x):
    x = np.asarray(x)
    a, b = np.log(x - 2), np.log(10 - x)
    p = np.prod(x) ** 0.2
    return np.sum(a * a + b * b) - p, 2 * a / (x - 2) - 2 * b / (10 - x) - 0.2 * p / x


M, FORCE = 10, 5.0


def torsion(x):
    h = 1 / (M + 1)
    grid = np.zeros((M + 2, M + 2))
    grid[1:-1, 1:-1] = np.reshape(x, (M, M))
    ax = 4 * grid[1:-1, 1:-1] - grid[:-2, 1:-1] - grid[2:, 1:-1] - grid[1:-1, :-2] - grid[1:-1, 2:]
    ax = ax.ravel()
    return 0.5 * ax @ x - FORCE * h * h * np.sum(x), ax - FORCE * h * h


def to_the_rim():
    i, j = np.divmod(np.arange(M * M), M)
    return np.minimum(np.minimum(i + 1, M - i), np.minimum(j + 1, M - j)) / (M + 1)


def problems():
    rim = to_the_rim()
    return [
        ("HS1", rosenbrock, [-2, 1], [-INF, -1.5], [INF, INF]),
        ("HS2", rosenbrock, [-2, 1], [-INF, 1.5], [INF, INF]),
        ("HS3", hs3, [10, 1], [-INF, 0], [INF, INF]),
        ("HS4", hs4, [1.125, 0.125], [1, 0], [INF, INF]),
        ("HS5", hs5, [0, 0], [-1.5, -3], [4, 3]),
        ("HS38", wood, [-3, -1, -3, -1], [-10] * 4, [10] * 4),
        ("HS45", hs45, [2] * 5, [0] * 5, [1, 2, 3, 4, 5]),
        ("HS110", hs110, [9] * 10, [2.001] * 10, [9.999] * 10),
        ("Torsion", torsion, rim, -rim, rim),
    ]


def projected(x, g, l, u):
    return np.minimum(np.maximum(-np.asarray(g), l - x), u - x)


def polish(function, x, l, u):
    gradient = lambda x: np.asarray(function(x)[1], dtype=float)
    for _ in range(5):
        g = gradient(x)
        free = projected(x, g, l, u) != 0
        free &= (x > l) & (x < u)
        index = np.flatnonzero(free)
        if len(index) == 0:
            break
        h = 1e-6
        columns = []
        for i in index:
            e = np.zeros_like(x)
            e[i] = h
            columns.append((gradient(x + e) - gradient(x - e))[index] / (2 * h))
        step = np.linalg.lstsq(np.array(columns).T, -g[index], rcond=None)[0]
        new = x.copy()
        new[index] += step
        new = np.clip(new, l, u)
        if np.abs(projected(new, gradient(new), l, u)).max() >= np.abs(projected(x, g, l, u)).max():
            break
        x = new
    return x


def bounded():
    cases = []
    for name, function, start, l, u in problems():
        start, l, u = (np.asarray(v, dtype=float) for v in (start, l, u))
        pair = lambda x: (float(function(x)[0]), np.asarray(function(x)[1], dtype=float))
        found = minimize(pair, start, jac=True, method="L-BFGS-B", bounds=list(zip(l, u)),
                         options=dict(ftol=0, gtol=1e-10, maxfun=10000))
        x = polish(function, found.x, l, u)
        none = lambda v: [None if math.isinf(e) else float(e) for e in v]
        cases.append({
            "name": name, "start": [float(v) for v in start], "lower": none(l), "upper": none(u),
            "value": float(function(x)[0]), "at": [float(v) for v in x],
            "evaluations": int(found.nfev),
            "residual": float(np.abs(projected(x, function(x)[1], l, u)).max()),
        })
        print(name, found.nfev, cases[-1]["value"], cases[-1]["residual"], found.message)
    return cases


def logistic(strength):
    rows = np.loadtxt(os.path.join(os.path.dirname(__file__), "../../examples/data/optdigits.csv"), delimiter=",")
    rows = rows[(rows[:, -1] == 3) | (rows[:, -1] == 8)]
    x, y = rows[:, :-1] / 16, np.where(rows[:, -1] == 8, 1.0, -1.0)
    n = len(y)
    model = LogisticRegression(l1_ratio=1.0, C=1 / (n * strength), solver="saga", tol=1e-14, max_iter=200000, random_state=0)
    model.fit(x, y)
    w, b = model.coef_[0], float(model.intercept_[0])

    def loss(w, b):
        return float(np.mean(np.logaddexp(0, -y * (x @ w + b))))

    p = -y / (1 + np.exp(y * (x @ w + b))) / n
    g = x.T @ p
    support = w != 0
    residual = np.where(support, g + strength * np.sign(w), np.maximum(np.abs(g) - strength, 0))
    residual = max(np.abs(residual).max(), abs(p.sum()))
    value = loss(w, b) + strength * np.abs(w).sum()
    print("logistic", strength, n, value, support.sum(), residual)
    return {"strength": strength, "value": value, "weights": [float(v) for v in w], "intercept": b,
            "residual": float(residual)}


if __name__ == "__main__":
    out = {
        "scipy": scipy.__version__, "sklearn": sklearn.__version__, "bounded": bounded(),
        "logistic": [logistic(c) for c in (1e-3, 1e-2, 5e-2)],
    }
    with open(os.path.join(os.path.dirname(__file__), "bounded.json"), "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")
