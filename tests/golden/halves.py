"""The problems of `tests/support/problems/halves.rs`, written anew in numpy, in the order of the alphabet."""
import numpy as np

I = lambda x: np.arange(1, len(x) + 1)
PAIRS = lambda x: (x[::2], x[1::2])


def allinitu(x):
    a, b, c, d = x
    return (c - 1 + a**2 + b**2 + (c + d) ** 2 + np.sin(c) ** 2 + a**2 * b**2 + d - 3 + np.sin(c) ** 2 + (d - 1) ** 2
            + (b**2) ** 2 + (c**2 + (d + a) ** 2) ** 2 + (a - 4 + np.sin(d) ** 2 + b**2 * c**2) ** 2 + np.sin(d) ** 4)


def bd1(x):
    a, b = PAIRS(x)
    return np.sum((a**2 + b**2 - 2) ** 2 + (np.exp(a - 1) - b) ** 2)


def chainwoo(x):
    a, b, c, d = x[:-2:2], x[1:-2:2], x[2::2], x[3::2]
    return 1 + np.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 + 90 * (d - c**2) ** 2 + (1 - c) ** 2
                      + 10 * (b + d - 2) ** 2 + (b - d) ** 2 / 10)


def curly10(x):
    q = np.array([np.sum(x[i : i + 11]) for i in range(len(x))])
    return np.sum(q**4 - 20 * q**2 - 0.1 * q)


def dixmaan(alpha, beta, gamma, delta, k1, k2, k3, k4):
    def f(x):
        n, m, w = len(x), len(x) // 3, I(x) / len(x)
        return (1 + np.sum(alpha * w**k1 * x**2) + np.sum(beta * w[:-1] ** k2 * x[:-1] ** 2 * (x[1:] + x[1:] ** 2) ** 2)
                + np.sum(gamma * w[: 2 * m] ** k3 * x[: 2 * m] ** 2 * x[m:] ** 4)
                + np.sum(delta * w[:m] ** k4 * x[:m] * x[2 * m :]))
    return f


def eigenals(x):
    d, q = x[:4], x[4:].reshape(4, 4)
    upper = np.triu_indices(4)
    return (np.sum((q.T @ np.diag(d) @ q - np.diag([1.0, 2, 3, 4]))[upper] ** 2)
            + np.sum((q.T @ q - np.eye(4))[upper] ** 2))


def ep1(x):
    d = x[::2] - x[1::2]
    return np.sum((np.exp(d) - 5) ** 2 + d**2 * (d - 11) ** 2)


def expfit(x):
    t = np.arange(1, 11) / 4
    return np.sum((x[0] * np.exp(t * x[1]) - t) ** 2)


def fletcbv2(x):
    h = 1 / (len(x) + 1)
    return (x[0] ** 2 + np.sum(np.diff(x) ** 2) + x[-1] ** 2) / 2 - h**2 * np.sum(2 * x + np.cos(x)) - x[-1]


def fminsrf2(x):
    p = 6
    z = x.reshape(p, p)
    across = (z[:-1, :-1] - z[1:, 1:]) ** 2 + (z[:-1, 1:] - z[1:, :-1]) ** 2
    return np.sum(np.sqrt(1 + (p - 1) ** 2 / 2 * across)) / (p - 1) ** 2 + z[p // 2 - 1, p // 2 - 1] ** 2 / p**2


def fminsrf2_start(p=6):
    z = np.zeros((p, p))  # z[j, i]
    rise, run = np.linspace(0, 8, p), np.linspace(0, 4, p)
    z[0], z[-1] = 5 + rise, 1 + rise
    z[:, 0], z[:, -1] = 1 + run, 9 + run
    return z.ravel()


def goldprice(x):
    a, b = x
    return ((1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a**2 - 14 * b + 6 * a * b + 3 * b**2))
            * (30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a**2 + 48 * b - 36 * a * b + 27 * b**2)))


def hairy(x):
    a, b = x
    return (30 * np.sin(7 * a) ** 2 * np.cos(7 * b) ** 2 + 100 * np.sqrt(0.01 + (a - b) ** 2)
            + 100 * np.sqrt(0.01 + a**2))


def mancino_sum(square):
    n = len(square)
    v = np.sqrt(square[:, None] + np.arange(1, n + 1)[:, None] / np.arange(1, n + 1)[None])
    h = v * (np.sin(np.log(v)) ** 5 + np.cos(np.log(v)) ** 5)
    return np.sum(h * (1 - np.eye(n)), axis=1)


def mancino(x):
    n = len(x)
    return np.sum((14 * n * x + (I(x) - n / 2) ** 3 + mancino_sum(x**2)) ** 2)


def mancino_start(n=10):
    factor = -14 * n / ((14 * n) ** 2 - 36 * (n - 1) ** 2)
    return factor * (mancino_sum(np.zeros(n)) + (np.arange(1, n + 1) - n / 2) ** 3)


B = np.sin(np.arange(1, 17.0) ** 2).reshape(4, 4)


def ncb20b(x):
    s = 0
    for i in range(len(x) - 19):
        w = x[i : i + 20]
        s = s + 10 / (i + 1) * np.sum(w / (1 + w**2)) ** 2 - 0.2 * np.sum(w)
    return s + np.sum(100 * x**4 + 2)


def noncvxu2(x):
    n = len(x)
    s = x + x[(3 * I(x) - 2) % n] + x[(7 * I(x) - 3) % n]
    return np.sum(s**2 + 4 * np.cos(s))


def penalty3(x):
    n = len(x)
    r = np.sum((x[:-2] + 2 * x[1:-1] + 10 * x[2:] - 1) ** 2)
    s = np.sum((2 * x[:-2] + x[1:-1] - 3) ** 2)
    return (1 + np.exp(x[-1]) * r + r * s + np.exp(x[-2]) * s + np.sum(x**2 - n) ** 2
            + np.sum((x[: n // 2] - 1) ** 2))


def psc1(x):
    a, b = PAIRS(x)
    return np.sum((a**2 + b**2 + a * b) ** 2 + np.sin(a) ** 2 + np.cos(b) ** 2)


def sparse(term, factor):
    def f(x):
        n, t = len(x), term(x)
        s = t + sum(t[(k * I(x) - 1) % n] for k in (2, 3, 5, 7, 11))
        return factor * np.sum(I(x) * s**2)
    return f


def tet(x):
    a, b = PAIRS(x)
    return np.sum(np.exp(a + 3 * b - 0.1) + np.exp(a - 3 * b - 0.1) + np.exp(-a - 0.1))


def bow(a, b):
    return np.sum((a + b - 3) ** 2 + (a - b + 1) ** 4)


def zakharov(x):
    s = np.sum(I(x) * x) / 2
    return np.sum(x**2) + s**2 + s**4


HALVES = [
    ("ALLINITU", allinitu, [0.0] * 4),
    ("BD1", bd1, [0.1] * 20),
    ("CHAINWOO", chainwoo, [-3.0, -1.0, -3.0, -1.0] + [-2.0] * 16),
    ("CURLY10", curly10, 1e-4 * np.arange(1, 41) / 41),
    ("DIAGONAL3", lambda x: np.sum(np.exp(x) - I(x) * np.sin(x)), [1.0] * 40),
    ("DIXMAANF", dixmaan(1, 0.0625, 0.0625, 0.0625, 1, 0, 0, 1), [2.0] * 30),
    ("DIXMAANP", dixmaan(1, 0.26, 0.26, 0.26, 2, 1, 1, 2), [2.0] * 60),
    ("DIXPRICE", lambda x: (x[0] - 1) ** 2 + np.sum(I(x)[1:] * (2 * x[1:] ** 2 - x[:-1]) ** 2), [2.0] * 15),
    ("EIGENALS", eigenals, [1.0] * 4 + list(np.eye(4).ravel())),
    ("EP1", ep1, [1.5] * 10),
    ("EXPFIT", expfit, [0.0] * 2),
    ("FH1", lambda x: (x[0] - 3) ** 2 + np.sum((x[0] - 3 - 2 * np.cumsum(x)[1:] ** 2) ** 2), [0.01] * 20),
    ("FLETCBV2", fletcbv2, np.arange(1, 51) / 51),
    ("FMINSRF2", fminsrf2, fminsrf2_start()),
    ("GENQUARTIC", lambda x: np.sum(x[:-1] ** 2 + (x[1:] + x[:-1] ** 2) ** 2), [1.0] * 30),
    ("GOLDPRICE", goldprice, [-0.5, 0.5]),
    ("HAGER", lambda x: np.sum(np.exp(x) - np.sqrt(I(x)) * x), [1.0] * 100),
    ("HAIRY", hairy, [-5.0, -7.0]),
    ("HATFLDFL", lambda x: sum((x[0] + x[1] * x[2] ** i - y) ** 2 for i, y in [(1, 0.032), (2, 0.056), (3, 0.099)]),
     [0.1] * 3),
    ("HIEBERT", lambda x: (x[0] - 10) ** 2 + (x[0] * x[1] - 50000) ** 2, [0.0] * 2),
    ("HIMMELBLAU", lambda x: np.sum((x[::2] ** 2 + x[1::2] - 11) ** 2 + (x[::2] + x[1::2] ** 2 - 7) ** 2), [1.0] * 10),
    ("MANCINO", mancino, mancino_start()),
    ("MSQRTBLS", lambda x: np.sum((x.reshape(4, 4) @ x.reshape(4, 4) - B @ B) ** 2), 0.2 * B.ravel()),
    ("NCB20B", ncb20b, [0.0] * 30),
    ("NONCVXU2", noncvxu2, np.arange(1, 21.0)),
    ("OSCIPATH", lambda x: (x[0] - 1) ** 2 / 4 + 500 * np.sum((x[1:] - 2 * x[:-1] ** 2 + 1) ** 2), [-1.0, 1.0, 1.0, 1.0]),
    ("PENALTY3", penalty3, np.arange(1, 11) / 11),
    ("PENALTYX", lambda x: np.sum((x[:-1] - 1) ** 2) + (np.sum(x**2) - 0.25) ** 2, np.arange(1, 11.0)),
    ("PPQUAD", lambda x: x[0] ** 2 + np.sum(I(x) * x**2 + np.cumsum(x) ** 2 / 100), [0.5] * 50),
    ("PSC1", psc1, [3.0, 0.1] * 10),
    ("QF2", lambda x: np.sum(I(x) * (x**2 - 1) ** 2) / 2 - x[-1], [0.5] * 30),
    ("QP1", lambda x: np.sum((x[:-1] ** 2 - 2) ** 2) + (np.sum(x**2) - 0.5) ** 2, [1.0] * 30),
    ("QP2", lambda x: np.sum((x[:-1] ** 2 - np.sin(x[:-1])) ** 2) + (np.sum(x**2) - 100) ** 2, [1.0] * 20),
    ("RAYDAN1", lambda x: np.sum(I(x) / 10 * (np.exp(x) - x)), [1.0] * 50),
    ("SPARSINE", sparse(np.sin, 0.5), [0.5] * 30),
    ("SPARSQUR", sparse(np.square, 0.125), [0.5] * 40),
    ("STAIRCASE2", lambda x: np.sum((np.cumsum(x) - I(x)) ** 2), [0.0] * 25),
    ("TET", tet, [0.1] * 10),
    ("TRID", lambda x: np.sum((x - 1) ** 2) - np.sum(x[1:] * x[:-1]), [0.0] * 10),
    ("TRIDIAGONAL1", lambda x: bow(x[:-1], x[1:]), [2.0] * 20),
    ("TRIDIAGONAL2", lambda x: np.sum((x[:-1] * x[1:] - 1) ** 2 + 0.1 * (x[:-1] + 1) * (x[1:] + 1)), [1.0] * 20),
    ("TRIDIAGONALX", lambda x: bow(*PAIRS(x)), [2.0] * 20),
    ("WHITEHOLST", lambda x: np.sum(100 * (x[1:] - x[:-1] ** 3) ** 2 + (1 - x[:-1]) ** 2), [-1.2, 1.0] * 5),
    ("ZAKHAROV", zakharov, [1.0] * 10),
]
