"""JAX: all iterations in one compiled loop."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.job import Job, Train
from twolayer.equations import Arrays

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - float32 arrays stay float32


class Compiled:
    """`jax.value_and_grad` in a `fori_loop`, compiled once for each number of iterations."""

    name, losses = "JAX", ("square", "log")

    def prepare(self, job: Job) -> Train:
        """Move the data to the device."""
        X, y = jnp.asarray(job.features()), jnp.asarray(job.y.astype(job.dtype))[None]
        start = {name: jnp.asarray(value) for name, value in job.start().items()}
        rate = np.dtype(job.dtype).type(job.learning_rate)

        def cost(parameters: Arrays) -> jax.Array:
            a1 = jax.nn.sigmoid(parameters["W1"] @ X.T + parameters["b1"])
            z2 = parameters["W2"] @ a1 + parameters["b2"]
            if job.loss == "square":
                return ((jax.nn.sigmoid(z2) - y) ** 2).sum() / (2 * len(X))
            return (jax.nn.softplus(z2) - y * z2).sum() / len(X)

        def step(_: int, parameters: Arrays) -> Arrays:
            moved: Arrays = jax.tree.map(lambda p, g: p - rate * g, parameters, jax.grad(cost)(parameters))
            return moved

        loop: Any = jax.jit(lambda parameters, n_iter: jax.lax.fori_loop(0, n_iter, step, parameters))

        def run(n_iter: int) -> Arrays:
            found: Arrays = jax.block_until_ready(loop(start, n_iter))
            return {name: np.asarray(value) for name, value in found.items()}

        return run


RIVALS = (Compiled(),)
