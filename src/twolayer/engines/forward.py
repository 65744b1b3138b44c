"""Predictions without what training keeps: many by the C kernel, few with as little of NumPy as they need.

The kernel shares blocks of rows among threads, reads bytes and float32 without copies and skips zeros.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.kernel import Pass, load_kernel
from twolayer.engines.minibatch import run, to_members
from twolayer.engines.objective import n_processors
from twolayer.engines.packing import Source, aligned
from twolayer.equations import ACTIVATIONS, Arrays, softmax
from twolayer.parameters import Parameters, Sizes

BLOCK_VALUES = 2**26  # of rows that are given at once: the kernel cannot be interrupted
_FEWEST_PRODUCTS = 2**20  # for which the kernel is faster than BLAS, which needs no preparation
_FEWEST_SAMPLES = 256  # for which it pays to lay the weights out
_THREAD_PRODUCTS = 2**22  # that make a thread worth waking
_SAMPLES = 128  # that go through the network at once, so that what is between stays in the cache


def pays(n_samples: int, sizes: Sizes) -> bool:
    """Tell whether the kernel is there, and so much is to be computed that it is faster."""
    enough = n_samples >= _FEWEST_SAMPLES and n_samples * sizes.n_x * sizes.n_h >= _FEWEST_PRODUCTS
    return enough and load_kernel() is not None


def logits(
    X: Any, parameters: Parameters, activation: str, scale: float = 1.0, n_threads: int | None = None, level: int = -1
) -> Array:
    """Return Z2 = W2 A1 + b2, a row a sample, by the kernel.

    Parameters
    ----------
    X : array or SciPy sparse matrix of shape (m, n_x)
        Before division by `scale`; bytes and float32 are read where they are.
    parameters : Parameters
    activation : str
    scale : float
    n_threads : int, optional
        Default: all processors, where there is enough to do.
    level : int
        The place in `kernel.LEVELS` of the instructions to use; default: the best that the processor has.

    Returns
    -------
    array of shape (m, n_y), of the parameters' type
    """
    kernel, sizes, source = load_kernel(), parameters.sizes, Source(X, parameters.dtype)
    assert kernel is not None
    at_level, is_double, m = range(kernel.n_levels)[level], int(parameters.dtype.itemsize == 8), source.n_samples
    products, n_blocks = m * (sizes.n_x + sizes.n_y) * sizes.n_h, -(-m // _SAMPLES)
    found = np.empty((m, sizes.n_y), parameters.dtype)
    job = Pass.of(
        **to_members(source),
        factor=1 / scale,
        activation=list(ACTIVATIONS).index(activation),
        n_hidden=sizes.n_h,
        n_y=sizes.n_y,
        n_samples=m,
        batch_size=min(_SAMPLES, m),
        n_threads=n_threads or max(1, min(n_processors(), n_blocks, products // _THREAD_PRODUCTS)),
        parameters=np.ascontiguousarray(parameters.vector),
        outputs=found,
    )
    scratch = aligned(kernel.pass_bytes(job, is_double, at_level), np.dtype(np.uint8))
    job.scratch = scratch.ctypes.data
    run(job, scratch, is_double, at_level)
    return found


def hidden(X: Any, parameters: Arrays, activation: str) -> Array:
    """Return A1, a column a sample, of columns as they enter the network, in the place of Z1."""
    Z1 = parameters["W1"] @ X
    Z1 += parameters["b1"]
    found: Array = _IN_PLACE.get(activation, ACTIVATIONS[activation].function)(Z1)
    return found


def sigmoid(x: Array) -> Array:
    """Return the sigmoid of an array by the formula, with two arrays beside it."""
    e = np.abs(x)
    np.exp(np.negative(e, out=e), out=e)
    found: Array = np.where(x < 0, e, x.dtype.type(1))
    e += 1
    found /= e
    return found


_IN_PLACE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "tanh": lambda x: np.tanh(x, out=x),
    "relu": lambda x: np.maximum(x, 0, out=x),
}
OUTPUTS: dict[str, Callable[[Array], Array]] = {"sigmoid": sigmoid, "softmax": softmax}
