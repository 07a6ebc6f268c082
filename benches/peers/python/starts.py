"""Of 100 starts that are off by up to a tenth: how many end at a published minimum.

`python starts.py` writes `../results/starts.tsv`; the example `solvers` prints it beside ours with
`starts`. Start k has x·(1 + 0.1·u), or 0.1·u where x is 0, with u in [-1, 1] from SplitMix64 of seed k,
an element after the other.
"""

import sys
import warnings
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import scipy
from problems import every
from scipy.optimize import minimize

STARTS, EVALUATIONS, TOLERANCE = 100, 5000, 1e-8
MASK = (1 << 64) - 1
METHODS = {
    "CG": {"gtol": TOLERANCE, "maxiter": 10**9},
    "L-BFGS-B": {"gtol": TOLERANCE, "ftol": 0.0, "maxcor": 10, "maxiter": 10**9, "maxfun": 10**9},
    "BFGS": {"gtol": TOLERANCE, "maxiter": 10**9},
    # Its test is the mean step.
    "Newton-CG": {"xtol": 1e-12, "maxiter": 10**9},
}


def numbers(seed):
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        yield (z >> 11) * 2.0**-52 - 1.0


def start(x, k):
    return np.array([x * (1 + 0.1 * u) if x != 0 else 0.1 * u for x, u in zip(x, numbers(k))])


class Done(Exception):
    """A test is met, or the evaluations are used up."""


class Counted:
    """Value and gradient, counted once where a method asks for them one by one."""

    def __init__(self, problem):
        self.problem, self.count, self.best, self.x = problem, 0, np.inf, None

    def both(self, x):
        if self.x is None or not np.array_equal(x, self.x):
            if self.count >= EVALUATIONS:
                raise Done
            self.count += 1
            self.x, (self.f, self.g) = x.copy(), self.problem(x)
            if self.f < self.best:
                self.best = self.f
            if np.abs(self.g).max() <= TOLERANCE:
                raise Done
        return self.f, self.g

    def value(self, x):
        return self.both(x)[0]

    def gradient(self, x):
        return self.both(x)[1].copy()


def is_minimum(f, minima):
    return any(abs(f - m) <= 1e-4 * abs(m) + 1e-9 for m in minima)


def share(problem, method):
    found, counts = 0, []
    for k in range(STARTS):
        counted = Counted(problem)
        try:
            minimize(
                counted.value,
                start(problem.start, k),
                jac=counted.gradient,
                method=method,
                options=METHODS[method],
            )
        except Done:
            pass
        found += is_minimum(counted.best, problem.minima)
        counts.append(counted.count)
    return found, int(np.median(counts))


def row(index):
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    problem = every()[index]
    cells = [problem.name]
    for method in METHODS:
        found, median = share(problem, method)
        cells += [str(found), str(median)]
    print("\t".join(cells), flush=True)
    return "\t".join(cells)


if __name__ == "__main__":
    with Pool(int(sys.argv[1]) if len(sys.argv) > 1 else None) as pool:
        found = pool.map(row, range(len(every())), chunksize=1)
    head = "\t".join(["problem"] + [f"{m}\t{m} evaluations" for m in METHODS])
    note = f"# SciPy {scipy.__version__}: of {STARTS} starts, and the median of the evaluations"
    path = Path(__file__).parent / "../results/starts.tsv"
    path.write_text("\n".join([note, head, *found]) + "\n")
