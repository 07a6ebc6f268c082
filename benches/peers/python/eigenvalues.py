"""SciPy's `eigsh` on the operators of `src/bin/eigenvalues.rs`: the lowest and the highest, by two calls."""

import time

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

ROWS = 2000
TOLERANCE = 1e-10


def reflected(d):
    v = np.sin(1.3 * np.arange(ROWS) + 0.4)
    v /= np.linalg.norm(v)

    def product(x):
        y = d * (x - 2.0 * v * (v @ x))
        return y - 2.0 * v * (v @ y)

    return product, d


def laplacian(n):
    def product(x):
        step = np.diff(x)
        y = np.zeros_like(x)
        y[1:] += step
        y[:-1] -= step
        return y

    return product, 4.0 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2


def operators():
    i = np.arange(ROWS)
    half = 0.000101 + (i // 2) / 1000
    yield "clustered", *reflected(np.where(i < 10, 1 - 1e-6 * i, 0.9 * (ROWS - i) / ROWS)), None
    # ARPACK does not converge on these two; its default limit takes a minute and more.
    yield "condition 1e14", *reflected(1e14 ** (-i / (ROWS - 1))), 2000
    yield "indefinite", *reflected(np.where(i % 2 == 0, half, -half)), None
    yield "rank 5", *reflected(np.where(i < 5, i + 1.0, 0.0)), None
    d = np.arange(1, 100_001.0)
    yield "diagonal 1e5", lambda x: d * x, d, None
    yield "path Laplacian", *laplacian(10_000), 2000


def main():
    for name, product, exact, limit in operators():
        exact = np.sort(exact)
        norm = np.abs(exact).max()
        for k in (1, 3):
            rows = []
            for _ in range(5):
                count = 0

                def counted(x):
                    nonlocal count
                    count += 1
                    return product(np.ravel(x))

                a = LinearOperator((len(exact),) * 2, matvec=counted, dtype=float)
                begun = time.perf_counter()
                said, errors = "", []
                for which, right in (("SA", exact[:k]), ("LA", exact[-k:])):
                    try:
                        found = eigsh(
                            a, k, which=which, tol=TOLERANCE, maxiter=limit, return_eigenvectors=False
                        )
                        errors.append(np.abs(np.sort(found) - right).max() / norm)
                    except ArpackNoConvergence:
                        said = "not converged"
                seconds = time.perf_counter() - begun
                rows.append((seconds, count, said or f"{max(errors):.0e}"))
                if seconds > 3.0:
                    break
            seconds, count, said = min(rows)
            print(f"{name} {k}\t{count}\t{seconds:.4f}\t{said}", flush=True)


if __name__ == "__main__":
    main()
