"""The numbers of `src/work.rs`."""

import numpy as np

# Parameters of each array that contestants print, to be compared.
SAMPLE = 3

LEARNING_RATE = 1e-3
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MOMENTUM = 0.9
RHO, ADADELTA_EPSILON = 0.9, 1e-6
YOGI_EPSILON, YOGI_START = 1e-3, 1e-6
WEIGHT_DECAY = 1e-2
CLIP_NORM = 1.0
EMA_DECAY = 0.999


def gradient(n, precision):
    dtype = np.float32 if precision == "f32" else np.float64
    return (np.arange(n) % 17 * 0.1 - 0.75).astype(dtype)
