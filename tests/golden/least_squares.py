"""Goldens of least squares: `python least_squares.py > least_squares.tsv`.

Of SciPy 1.17's `least_squares` with each loss, and of `curve_fit` with standard deviations of the
observations, on y = 3 exp(-0.4 x) + 0.5 with a disturbance and two outliers; of statsmodels' `RLM` the
standard errors of Huber's estimate of a line.
"""

import numpy as np
import statsmodels.api as sm
from scipy.optimize import curve_fit, least_squares

X = np.arange(21.0)
Y = 3.0 * np.exp(-0.4 * X) + 0.5 + 0.05 * np.sin(37.0 * X)
Y[[3, 11]] += 2.0
SIGMA = 0.05 * (1.0 + 0.1 * X)


def model(x, a, b, c):
    return a * np.exp(-b * x) + c


def out(name, *values):
    print(name, *(f"{v:.15e}" for v in values), sep="\t")


def main():
    residuals = lambda w: model(X, *w) - Y
    jacobian = lambda w: np.stack([np.exp(-w[1] * X), -w[0] * X * np.exp(-w[1] * X), np.ones(21)], 1)
    start = np.array([2.0, 0.5, 0.3])
    for loss in ["linear", "soft_l1", "huber", "cauchy", "arctan"]:
        found = start
        for _ in range(3):
            found = least_squares(
                residuals, found, jacobian, loss=loss, f_scale=0.1, ftol=1e-15, xtol=1e-15, gtol=1e-15
            ).x
        cost = least_squares(residuals, found, jacobian, loss=loss, f_scale=0.1, max_nfev=1).cost
        out(loss, *found, cost)
    for name, sigma, absolute in [("plain", None, False), ("relative", SIGMA, False), ("absolute", SIGMA, True)]:
        w, c = curve_fit(
            model, X, Y, start, sigma, absolute, jac=lambda x, *w: jacobian(w), ftol=1e-15, xtol=1e-15, gtol=1e-15
        )
        out(name, *w, *np.sqrt(np.diag(c)), c[0, 1])
    # A line; the last number is the size from which on a residual is an outlier.
    line = sm.RLM(Y, sm.add_constant(X), M=sm.robust.norms.HuberT(t=1.0))
    line = line.fit(tol=1e-15, maxiter=10000, cov="H1", update_scale=False)
    out("rlm", *line.params, *line.bse, line.scale)


main()
