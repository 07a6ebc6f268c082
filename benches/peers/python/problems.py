"""The test problems as sums of squares in numpy: the 35 of Moré, Garbow & Hillstrom 1981, two more,
and the 27 of NIST's StRD.

A residual takes x of n rows, with any number of columns, real or complex; its gradient comes by a
complex step of 1e-200, which is exact to rounding.
"""

import math
import re
from pathlib import Path

import numpy as np

NIST = Path(__file__).parent / "../../../tests/data/nist"
DATA = Path(__file__).parent / "../../../tests/support/problems/data.rs"
STEP = 1e-200


def table(name):
    """A list of measurements, from where the tests have it."""
    text = re.search(rf"{name}: \[.*?\] =\s*\[(.*?)\];", DATA.read_text(), re.DOTALL).group(1)
    return np.array([float(x) for x in re.findall(r"[\d.]+", text)])


class Problem:
    def __init__(self, name, start, residuals, minima):
        self.start = np.array(start, dtype=float)
        self.name, self.minima = f"{name} {len(self.start)}", minima
        self.residuals = residuals
        self.step = 1j * STEP * np.eye(len(self.start))

    def __call__(self, x):
        r = self.residuals(x[:, None] + self.step)
        first = r[:, 0].real
        return first @ first, 2.0 * (first @ r.imag) / STEP


class Nist(Problem):
    def __init__(self, path, model, which):
        lines = path.read_text().splitlines()
        rows = [line.split() for line in lines[60:] if line.strip()]
        data = np.array(rows, dtype=float)
        parameters = [line.split("=")[1].split() for line in lines[40:50] if re.match(r"\s*b\d+ =", line)]
        certified = next(float(s.split(":")[1]) for s in lines if s.startswith("Residual Sum of Squares"))
        y, x = data[:, :1], [data[:, i : i + 1] for i in range(1, data.shape[1])]
        if path.stem == "Nelson":
            y = np.log(y)
        start = [float(p[which]) for p in parameters]
        super().__init__(path.stem, start, lambda b: model(b, *x) - y, [certified])
        self.name = f"{path.stem} {which + 1}"


def cubic_over_cubic(b, x):
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def two_bells(b, x):
    bell = lambda height, center, width: height * np.exp(-((x - center) ** 2) / width**2)
    return b[0] * np.exp(-b[1] * x) + bell(b[2], b[3], b[4]) + bell(b[5], b[6], b[7])


def decays(b, x):
    return b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)


def enso(b, x):
    wave = lambda c, s, period: c * np.cos(2 * np.pi * x / period) + s * np.sin(2 * np.pi * x / period)
    return b[0] + wave(b[1], b[2], 12.0) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6])


MODELS = {
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
    "BoxBOD": lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    "Chwirut1": lambda b, x: np.exp(-b[0] * x) / (b[1] + b[2] * x),
    "Chwirut2": lambda b, x: np.exp(-b[0] * x) / (b[1] + b[2] * x),
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "ENSO": enso,
    "Eckerle4": lambda b, x: b[0] / b[1] * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": two_bells,
    "Gauss2": two_bells,
    "Gauss3": two_bells,
    "Hahn1": cubic_over_cubic,
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos1": decays,
    "Lanczos2": decays,
    "Lanczos3": decays,
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * np.exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
    "Misra1a": lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda b, x, z: b[0] - b[1] * x * np.exp(-b[2] * z),
    "Rat42": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / np.pi,
    "Thurber": cubic_over_cubic,
}


def nist():
    return [Nist(NIST / f"{n}.dat", m, which) for n, m in MODELS.items() for which in (0, 1)]


def rows(*r):
    return np.concatenate([np.atleast_2d(r) for r in r])


def column(first, last):
    return np.arange(first, last + 1, dtype=float)[:, None]


def helical_valley(x):
    angle = np.arctan(x[1] / x[0]) / (2 * np.pi) + np.where(x[0].real < 0, 0.5, 0.0)
    return rows(10 * (x[2] - 10 * angle), 10 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2])


def bard(x, y=table("BARD")[:, None]):
    u = column(1, 15)
    v, w = 16 - u, np.minimum(u, 16 - u)
    return y - (x[0] + u / (v * x[1] + w * x[2]))


def gaussian(x, y=table("GAUSSIAN")[:, None]):
    t = (8 - column(1, 15)) / 2
    return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - y


def meyer(x, y=table("MEYER")[:, None]):
    return x[0] * np.exp(x[1] / (45 + 5 * column(1, 16) + x[2])) - y


def gulf(x):
    t = column(1, 99) / 100
    d = 25 + (-50 * np.log(t)) ** (2 / 3) - x[1]
    size = np.where(d.real < 0, -d, d)
    return np.exp(-(size ** x[2]) / x[0]) - t


def box(x):
    t = column(1, 10) / 10
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def wood(x):
    return rows(
        10 * (x[1] - x[0] ** 2),
        1 - x[0],
        90**0.5 * (x[3] - x[2] ** 2),
        1 - x[2],
        10**0.5 * (x[1] + x[3] - 2),
        (x[1] - x[3]) / 10**0.5,
    )


def kowalik_osborne(x, t=table("KOWALIK_OSBORNE").reshape(11, 2)):
    y, u = t[:, :1], t[:, 1:]
    return y - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x):
    t = column(1, 20) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


def osborne_1(x, y=table("OSBORNE_1")[:, None]):
    t = 10 * column(0, 32)
    return y - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def biggs(x):
    t = 0.1 * column(1, 13)
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


def osborne_2(x, y=table("OSBORNE_2")[:, None]):
    t = column(0, 64) / 10
    bell = lambda height, rate, center: height * np.exp(-((t - center) ** 2) * rate)
    return y - (
        x[0] * np.exp(-t * x[4]) + bell(x[1], x[5], x[8]) + bell(x[2], x[6], x[9]) + bell(x[3], x[7], x[10])
    )


def powell_singular(x):
    a, b, c, d = x[::4], x[1::4], x[2::4], x[3::4]
    return rows(a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2)


def watson(x):
    n, t = len(x), column(1, 29) / 29
    powers = t ** np.arange(n)
    slopes = np.arange(n) * t ** np.maximum(np.arange(n) - 1, 0)
    return rows(slopes @ x - (powers @ x) ** 2 - 1, x[0], x[1] - x[0] ** 2 - 1)


def rosenbrock(x):
    return rows(10 * (x[1::2] - x[::2] ** 2), 1 - x[::2])


def chained(x):
    return rows(10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1])


def penalty_1(x):
    return rows(1e-5**0.5 * (x - 1), (x**2).sum(0) - 0.25)


def penalty_2(x):
    n, a = len(x), 1e-5**0.5
    i = column(2, n)
    e = np.exp(x / 10)
    near = a * (e[1:] + e[:-1] - np.exp(i / 10) - np.exp((i - 1) / 10))
    return rows(x[0] - 0.2, near, a * (e[1:] - math.exp(-0.1)), ((n + 1 - column(1, n)) * x**2).sum(0) - 1)


def variably_dimensioned(x):
    s = (column(1, len(x)) * (x - 1)).sum(0)
    return rows(x - 1, s, s**2)


def trigonometric(x):
    n = len(x)
    return n - np.cos(x).sum(0) + column(1, n) * (1 - np.cos(x)) - np.sin(x)


def brown_almost_linear(x):
    return rows(x[:-1] + x.sum(0) - (len(x) + 1), x.prod(0) - 1)


def neighbours(x):
    zero = np.zeros_like(x[:1])
    return np.concatenate([zero, x[:-1]]), np.concatenate([x[1:], zero])


def boundary_value(x):
    n = len(x)
    h, (left, right) = 1 / (n + 1), neighbours(x)
    return 2 * x - left - right + h**2 * (x + column(1, n) * h + 1) ** 3 / 2


def integral_equation(x):
    n = len(x)
    h, t = 1 / (n + 1), column(1, n) / (n + 1)
    green = np.minimum(t, t.T) * (1 - np.maximum(t, t.T))
    return x + h / 2 * (green @ (x + t + 1) ** 3)


def tridiagonal(x):
    left, right = neighbours(x)
    return (3 - 2 * x) * x - left - 2 * right + 1


def banded(x):
    n = len(x)
    i = np.arange(n)
    band = (i[None] >= i[:, None] - 5) & (i[None] <= i[:, None] + 1) & (i[None] != i[:, None])
    return x * (2 + 5 * x**2) + 1 - band.astype(float) @ (x * (1 + x))


def linear_full_rank(x):
    m = max(20, len(x))
    padded = np.concatenate([x, np.zeros((m - len(x), x.shape[1]))])
    return padded - 2 / m * x.sum(0) - 1


def linear_rank_1(x):
    return column(1, max(20, len(x))) * (column(1, len(x)) * x).sum(0) - 1


def linear_with_zeros(x):
    m, n = max(20, len(x)), len(x)
    factor = column(0, m - 1)
    factor[-1] = 0
    return factor * (column(2, n - 1) * x[1:-1]).sum(0) - 1


def chebyquad(x):
    n = len(x)
    y = 2 * x - 1
    before, now, r = np.ones_like(y), y, []
    for i in range(1, n + 1):
        r.append(now.mean(0) - (-1 / (i * i - 1) if i % 2 == 0 else 0))
        before, now = now, 2 * y * now - before
    return np.array(r)


def quadratic(x):
    n = len(x)
    return np.sqrt(1e4 ** (column(0, n - 1) / (n - 1)) / 2) * x


def more_garbow_hillstrom():
    """In the order of the tests, with the minima that are published."""
    alternating = lambda n: [-1.2 if i % 2 == 0 else 1.0 for i in range(n)]
    t = lambda n: np.arange(1, n + 1) / (n + 1)
    y = [1.5, 2.25, 2.625]
    return [
        Problem("Rosenbrock", [-1.2, 1], rosenbrock, [0]),
        Problem(
            "Freudenstein and Roth",
            [0.5, -2],
            lambda x: rows(
                x[0] - 13 + ((5 - x[1]) * x[1] - 2) * x[1], x[0] - 29 + ((x[1] + 1) * x[1] - 14) * x[1]
            ),
            [0, 48.98425367924],
        ),
        Problem(
            "Powell badly scaled",
            [0, 1],
            lambda x: rows(1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001),
            [0],
        ),
        Problem(
            "Brown badly scaled", [1, 1], lambda x: rows(x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2), [0]
        ),
        Problem("Beale", [1, 1], lambda x: rows(*[y[i] - x[0] * (1 - x[1] ** (i + 1)) for i in range(3)]), [0]),
        Problem(
            "Jennrich and Sampson",
            [0.3, 0.4],
            lambda x: 2 + 2 * column(1, 10) - np.exp(column(1, 10) * x[0]) - np.exp(column(1, 10) * x[1]),
            [124.3621823556],
        ),
        Problem("Helical valley", [-1, 0, 0], helical_valley, [0]),
        Problem("Bard", [1, 1, 1], bard, [8.214877306579e-3, 17.428693333]),
        Problem("Gaussian", [0.4, 1, 0], gaussian, [1.127932769619e-8]),
        Problem("Meyer", [0.02, 4000, 250], meyer, [87.945855171]),
        Problem("Gulf research and development", [5, 2.5, 0.15], gulf, [0]),
        Problem("Box three-dimensional", [0, 10, 20], box, [0]),
        Problem("Powell singular", [3, -1, 0, 1], powell_singular, [0]),
        Problem("Wood", [-3, -1, -3, -1], wood, [0]),
        Problem("Kowalik and Osborne", [0.25, 0.39, 0.415, 0.39], kowalik_osborne, [3.0750560385e-4, 1.02734e-3]),
        Problem("Brown and Dennis", [25, 5, -5, -1], brown_dennis, [85822.201626356]),
        Problem("Osborne 1", [0.5, 1.5, -1, 0.01, 0.02], osborne_1, [5.4648946975e-5]),
        Problem("Biggs EXP6", [1, 2, 1, 1, 1, 1], biggs, [0, 5.655649925e-3]),
        Problem(
            "Osborne 2", [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5], osborne_2, [4.0137736294e-2]
        ),
        Problem("Watson", [0] * 6, watson, [2.28767005355e-3]),
        Problem("Watson", [0] * 9, watson, [1.399760138e-6]),
        Problem("Extended Rosenbrock", alternating(10), rosenbrock, [0]),
        Problem("Extended Rosenbrock", alternating(100), rosenbrock, [0]),
        Problem("Extended Powell singular", [3, -1, 0, 1] * 3, powell_singular, [0]),
        Problem("Penalty I", range(1, 5), penalty_1, [2.249977501e-5]),
        Problem("Penalty I", range(1, 11), penalty_1, [7.087651467e-5]),
        Problem("Penalty II", [0.5] * 4, penalty_2, [9.376293007e-6]),
        Problem("Penalty II", [0.5] * 10, penalty_2, [2.936605374e-4]),
        Problem("Variably dimensioned", 1 - np.arange(1, 11) / 10, variably_dimensioned, [0]),
        Problem("Trigonometric", [0.1] * 10, trigonometric, [0, 2.795056e-5]),
        Problem("Brown almost-linear", [0.5] * 10, brown_almost_linear, [0, 1]),
        Problem("Discrete boundary value", t(10) * (t(10) - 1), boundary_value, [0]),
        Problem("Discrete integral equation", t(10) * (t(10) - 1), integral_equation, [0]),
        Problem("Broyden tridiagonal", [-1] * 10, tridiagonal, [0]),
        Problem("Broyden tridiagonal", [-1] * 100, tridiagonal, [0]),
        Problem("Broyden banded", [-1] * 10, banded, [0]),
        Problem("Linear, full rank", [1] * 10, linear_full_rank, [10]),
        Problem("Linear, rank 1", [1] * 10, linear_rank_1, [190 / 41]),
        Problem("Linear, rank 1 with zero columns and rows", [1] * 10, linear_with_zeros, [227 / 37]),
        Problem("Chebyquad", t(7), chebyquad, [0]),
        Problem("Chebyquad", t(8), chebyquad, [3.51687372568e-3]),
        Problem("Chebyquad", t(10), chebyquad, [6.503954800e-3]),
        Problem("Chained Rosenbrock", alternating(100), chained, [0]),
        Problem("Quadratic of condition 1e4", [1] * 100, quadratic, [0]),
    ]


def every():
    return more_garbow_hillstrom() + nist()
