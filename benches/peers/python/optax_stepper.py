"""optax under jit, its arguments donated."""

import os
from functools import partial

from work import *


class OptaxStepper:
    def __init__(self, rule, precision, n, threads):
        # Before the first import: the pool is as large as the processors that one may run on.
        if threads == 1:
            os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import jax
        import jax.numpy as jnp
        import optax

        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", precision == "f64")
        optimizer = {
            "adam": lambda: optax.adam(LEARNING_RATE, BETA1, BETA2, EPSILON),
            "momentum": lambda: optax.sgd(LEARNING_RATE, MOMENTUM),
            "yogi": lambda: optax.yogi(LEARNING_RATE, BETA1, BETA2, YOGI_EPSILON),
            "adadelta": lambda: optax.adadelta(1.0, RHO, ADADELTA_EPSILON),
            "clip-adamw-ema": lambda: optax.chain(
                optax.clip_by_global_norm(CLIP_NORM),
                optax.adamw(LEARNING_RATE, BETA1, BETA2, EPSILON, weight_decay=WEIGHT_DECAY),
            ),
        }[rule]()
        around = rule == "clip-adamw-ema"
        self.jax = jax
        self.g = jnp.asarray(gradient(n, precision))
        w = jnp.ones(n, dtype=self.g.dtype)
        average = jnp.zeros_like(w) if around else None
        self.state = (w, optimizer.init(w), average, jnp.zeros((), jnp.int32))

        @partial(jax.jit, donate_argnums=0)
        def step(state, g):
            w, inner, average, count = state
            updates, inner = optimizer.update(g, inner, w)
            w = optax.apply_updates(w, updates)
            if around:
                rate = jnp.where(count == 0, 1.0, 1.0 - EMA_DECAY).astype(w.dtype)
                average = optax.incremental_update(w, average, rate)
            return w, inner, average, count + 1

        self.compiled = step

    def step(self):
        self.state = self.compiled(self.state, self.g)

    def finish(self):
        self.jax.block_until_ready(self.state)

    def sample(self):
        w, _, average, _ = self.state
        arrays = [w] if average is None else [w, average]
        return [float(x) for array in arrays for x in array[:SAMPLE]]
