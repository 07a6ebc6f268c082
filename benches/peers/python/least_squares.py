"""SciPy's `least_squares` on NIST's fits, from both starts, and on the problems of Moré, Garbow and Hillstrom.

`python least_squares.py` writes `../results/least_squares.tsv`: problem, method and tolerance of all three
tests, evaluations of the residuals and of the Jacobian (exact, by a complex step), the sum of squares, and
for NIST's the digits of the parameters and of their standard deviations that are the certified ones.
"""

import re
import warnings
from pathlib import Path

import numpy as np
import scipy
from problems import NIST, STEP, more_garbow_hillstrom, nist
from scipy.optimize import least_squares

METHODS = [("lm", 1e-8), ("lm", 1e-15), ("trf", 1e-8), ("trf", 1e-15)]


def certified(name):
    lines = (NIST / f"{name.split()[0]}.dat").read_text().splitlines()
    rows = [line.split("=")[1].split() for line in lines[40:50] if re.match(r"\s*b\d+ =", line)]
    return np.array([float(r[2]) for r in rows]), np.array([float(r[3]) for r in rows])


def digits(found, known):
    with np.errstate(divide="ignore"):
        return min(15.0, -np.log10(np.max(np.abs((found - known) / known))))


def row(problem, method, tolerance, is_fit):
    counts = [0, 0]

    def residuals(x):
        counts[0] += 1
        return problem.residuals(x[:, None].astype(complex))[:, 0].real

    def jacobian(x):
        counts[1] += 1
        return problem.residuals(x[:, None] + problem.step).imag / STEP

    limits = {"ftol": tolerance, "xtol": tolerance, "gtol": tolerance, "max_nfev": 5000}
    try:
        found = least_squares(residuals, problem.start, jacobian, method=method, **limits)
    except ValueError:
        return [problem.name, method, f"{tolerance:g}", *counts, "nan", "-", "-"]
    cells = [problem.name, method, f"{tolerance:g}", *counts, f"{2 * found.cost:.10e}"]
    if not is_fit:
        return [*cells, "-", "-"]
    at, deviations = certified(problem.name)
    m, n = found.jac.shape
    _, s, vt = np.linalg.svd(found.jac, full_matrices=False)
    covariance = (vt.T / s**2) @ vt * 2 * found.cost / (m - n)
    errors = np.sqrt(np.diag(covariance))
    return [*cells, f"{digits(found.x, at):.1f}", f"{digits(errors, deviations):.1f}"]


def main():
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    problems = [(p, True) for p in nist()] + [(p, False) for p in more_garbow_hillstrom()]
    with open(Path(__file__).parent / "../results/least_squares.tsv", "w") as file:
        print(f"# SciPy {scipy.__version__}", file=file)
        for problem, is_fit in problems:
            for method, tolerance in METHODS:
                print(*row(problem, method, tolerance, is_fit), sep="\t", file=file)


if __name__ == "__main__":
    main()
