"""JAX: all iterations in one compiled loop."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.job import Job, Train
from twolayer.equations import Arrays

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - float32 arrays stay float32
_ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}
Cost = Callable[[Arrays, Any, Any], Any]


class Compiled:
    """`jax.grad` in a `fori_loop` over iterations, compiled once; with Adam, over mini-batches in it."""

    name = "JAX"

    def does(self, job: Job) -> bool:  # noqa: ARG002
        """Do any job."""
        return True

    def prepare(self, job: Job) -> Train:
        """Move the data to the device."""
        X, y = jnp.asarray(job.features()), jnp.asarray(job.y.astype(np.int32 if job.n_outputs > 1 else job.dtype))
        start = {name: jnp.asarray(value) for name, value in job.start().items()}
        rate = np.dtype(job.dtype).type(job.learning_rate)
        train = _adam(job, X, y, rate) if job.batch_size else _descent(job, X, y, rate)
        loop: Any = jax.jit(train)

        def run(n_iter: int) -> Arrays:
            found: Arrays = jax.block_until_ready(loop(start, n_iter))
            return {name: np.asarray(value) for name, value in found.items()}

        return run


RIVALS = (Compiled(),)


def _cost(job: Job) -> Cost:
    """Return the mean loss as a function of parameters, samples and labels."""
    activation = _ACTIVATIONS[job.activation]

    def cost(parameters: Arrays, X: Any, y: Any) -> Any:
        a1 = activation(parameters["W1"] @ X.T + parameters["b1"])
        z2 = parameters["W2"] @ a1 + parameters["b2"]
        if job.n_outputs > 1:
            return (jax.nn.logsumexp(z2, axis=0) - jnp.take_along_axis(z2, y[None], axis=0)[0]).sum() / len(X)
        if job.loss == "square":
            return ((jax.nn.sigmoid(z2) - y) ** 2).sum() / (2 * len(X))
        return (jax.nn.softplus(z2) - y * z2).sum() / len(X)

    return cost


def _descent(job: Job, X: Any, y: Any, rate: Any) -> Callable[[Arrays, int], Arrays]:
    slope = jax.grad(_cost(job))

    def step(_: int, parameters: Arrays) -> Arrays:
        moved: Arrays = jax.tree.map(lambda p, g: p - rate * g, parameters, slope(parameters, X, y))
        return moved

    return lambda parameters, n_iter: jax.lax.fori_loop(0, n_iter, step, parameters)


def _adam(job: Job, X: Any, y: Any, rate: Any) -> Callable[[Arrays, int], Arrays]:
    assert job.batch_size
    slope, size = jax.grad(_cost(job)), job.batch_size
    n_whole, rest = divmod(len(X), size)

    def move(state: Any, some: Any, labels: Any) -> Any:
        parameters, first, second, t = state
        g = slope(parameters, some, labels)
        t = t + 1
        first = jax.tree.map(lambda m, g: (0.9 * m + 0.1 * g).astype(g.dtype), first, g)
        second = jax.tree.map(lambda v, g: (0.999 * v + 0.001 * g * g).astype(g.dtype), second, g)
        along, square = rate / (1 - 0.9**t), 1 / (1 - 0.999**t)
        parameters = jax.tree.map(
            lambda p, m, v: (p - along * m / (jnp.sqrt(v * square) + 1e-8)).astype(p.dtype), parameters, first, second
        )
        return parameters, first, second, t

    def batch(k: int, state: Any) -> Any:
        some = jax.lax.dynamic_slice_in_dim(X, k * size, size), jax.lax.dynamic_slice_in_dim(y, k * size, size)
        return move(state, *some)

    def one_pass(_: int, state: Any) -> Any:
        state = jax.lax.fori_loop(0, n_whole, batch, state)
        return move(state, X[-rest:], y[-rest:]) if rest else state

    def train(parameters: Arrays, n_iter: int) -> Arrays:
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        found: Arrays = jax.lax.fori_loop(0, n_iter, one_pass, (parameters, zeros, zeros, 0.0))[0]
        return found

    return train
