"""The first numbers of gradient noise: SplitMix64, and the percentage points of Python's `statistics`.

`python3 noise.py` prints, for seed 7, the numbers of the first four elements in the first two steps, which
`tests/around/altered.rs` has.
"""

from statistics import NormalDist

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(x):
    x &= MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def normal(seed, step, place):
    stream = mixed(mixed(seed + GOLDEN) + step * GOLDEN)
    bits = mixed(stream + (place + 1) * GOLDEN)
    return NormalDist().inv_cdf(((bits >> 11) + 0.5) / 2**53)


for step in (1, 2):
    print([normal(7, step, place) for place in range(4)])
