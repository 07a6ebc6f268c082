"""SciPy's minimizers on the problems of `src/solvers/problems.rs`."""

import time
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

TOLERANCE = 1e-6
TIME_LIMIT = 30.0
MEMORY = 10
PIXELS, CLASSES, PENALTY = 64, 10, 1e-3
DIGITS = Path(__file__).parent / "../../../examples/data/optdigits.csv"


class Rosenbrock:
    name = "Extended Rosenbrock"

    def __init__(self, n):
        self.start = np.tile([-1.2, 1.0], n // 2)

    def __call__(self, w):
        x, y = w[::2], w[1::2]
        a, b = 1.0 - x, y - x * x
        g = np.empty_like(w)
        g[::2] = -2.0 * a - 400.0 * x * b
        g[1::2] = 200.0 * b
        return a @ a + 100.0 * (b @ b), g


class Quadratic:
    name = "quadratic, κ = 1e4"

    def __init__(self, n):
        self.curvatures = np.geomspace(1.0, 1e4, n)
        self.start = np.ones(n)

    def __call__(self, w):
        g = self.curvatures * w
        return 0.5 * (g @ w), g


class Logistic:
    name = "logistic regression, digits"

    def __init__(self):
        table = np.loadtxt(DIGITS, delimiter=",")
        self.images = table[:, :PIXELS] / 16.0
        self.classes = table[:, PIXELS].astype(int)
        self.start = np.zeros((PIXELS + 1) * CLASSES)

    def __call__(self, w):
        count = len(self.classes)
        weights = w[: PIXELS * CLASSES].reshape(PIXELS, CLASSES)
        z = self.images @ weights + w[PIXELS * CLASSES :]
        z -= z.max(axis=1, keepdims=True)
        rows = np.arange(count)
        own = z[rows, self.classes]
        p = np.exp(z)
        sums = p.sum(axis=1)
        p /= sums[:, None]
        p[rows, self.classes] -= 1.0
        value = np.mean(np.log(sums) - own) + 0.5 * PENALTY * np.sum(weights * weights)
        g = np.empty_like(w)
        g[: PIXELS * CLASSES] = (self.images.T @ p / count + PENALTY * weights).ravel()
        g[PIXELS * CLASSES :] = p.sum(axis=0) / count
        return value, g


class Late(Exception):
    """The time is used up."""


class Counted:
    """Value and gradient are asked for together."""

    def __init__(self, problem):
        self.problem, self.count, self.spent = problem, 0, 0.0
        self.begun = time.perf_counter()

    def __call__(self, w):
        begun = time.perf_counter()
        if begun - self.begun > TIME_LIMIT:
            raise Late
        result = self.problem(w)
        self.count += 1
        self.spent += time.perf_counter() - begun
        return result


METHODS = {
    # Its test is max|g| by default.
    "CG": ("CG", {"gtol": TOLERANCE, "maxiter": 10**9}),
    "L-BFGS": (
        "L-BFGS-B",
        {"gtol": TOLERANCE, "ftol": 0.0, "maxcor": MEMORY, "maxiter": 10**9, "maxfun": 10**9},
    ),
}


def solve(problem, method):
    counted = Counted(problem)
    name, options = METHODS[method]
    begun = time.perf_counter()
    try:
        result = minimize(counted, problem.start, jac=True, method=name, options=options)
        w, said = result.x, str(result.message)
    except Late:
        w, said = problem.start, "the time is used up"
    seconds = time.perf_counter() - begun
    gradient_max = float(np.abs(problem(w)[1]).max())
    return {
        "problem": problem.name,
        "n": len(w),
        "method": method,
        "who": "SciPy",
        "converged": gradient_max <= TOLERANCE,
        "said": said,
        "gradient_max": gradient_max if np.isfinite(gradient_max) else None,
        "values": counted.count,
        "gradients": counted.count,
        "seconds": seconds,
        "objective_seconds": counted.spent,
    }


def solutions(quick):
    """The fastest of several runs of each method on each problem."""
    sizes = [2, 100, 10_000] if quick else [2, 100, 10_000, 1_000_000]
    problems = [Rosenbrock(n) for n in sizes]
    problems += [Quadratic(100), Quadratic(10_000), Logistic()]
    for problem in problems:
        for method in METHODS:
            best = solve(problem, method)
            for _ in range(1 if quick else 4):
                if best["seconds"] < 3.0:
                    best = min(best, solve(problem, method), key=lambda s: s["seconds"])
            yield best
