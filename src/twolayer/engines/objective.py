"""The objective, the one idea between data and steps: parameters in, cost and gradient out.

An engine makes an objective from samples and knows nothing of steps; a solver makes steps and knows nothing of samples.
A new engine is one class with one method, and one line in `_ENGINES`.
"""

import contextlib
import importlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Labels
from twolayer.data.rows import ArrayRows, MemoryRows, Rows, as_rows
from twolayer.engines.kernel import load_kernel
from twolayer.engines.rules import Rule
from twolayer.errors import DataError, SettingError
from twolayer.parameters import Parameters
from twolayer.settings import AUTO, ENGINES

_ENGINES = {
    "whole": "twolayer.engines.whole:Whole",
    "tiled": "twolayer.engines.tiled:Tiled",
    "streamed": "twolayer.engines.streamed:Streamed",
    "little": "twolayer.engines.minibatch:Little",
}
STREAM_VALUES = 2**22  # values in a block of an array that is streamed on request
NO_GRADIENT = np.empty(0)
WORTH_TILES = 20_000  # values from which the kernel is ahead of NumPy


def never() -> bool:
    """Say that nobody asks to stop."""
    return False


@dataclass(frozen=True)
class Evaluation:
    """What a pass over the samples tells of parameters.

    Attributes
    ----------
    cost : float
        Mean loss, with the penalty; not finite where the parameters have grown out of range.
    correct : int
        Number of samples whose predicted class is theirs.
    gradient : array of shape (n_parameters,)
        In the order of the parameters' vector; empty after a forward pass alone.
    """

    cost: float
    correct: int
    gradient: Array = field(default_factory=lambda: NO_GRADIENT, repr=False)

    def largest_slope(self) -> float:
        """Return the largest absolute entry of the gradient."""
        return float(abs(self.gradient).max())


@dataclass(frozen=True)
class Descent:
    """A pass over mini-batches that is asked for, each of which moves the parameters.

    Attributes
    ----------
    parameters : Parameters
        Where it begins.
    rule : Rule
        How a gradient moves them.
    vectors : tuple of array
        What the rule remembers.
    order : array of int
        The samples, of one block, in their order.
    batch_size : int
        Samples in a mini-batch; what is left over makes the last one.
    rates : array of float
        The rate of each mini-batch.
    n_updates : int
        Mini-batches before this pass.
    """

    parameters: Parameters
    rule: Rule
    vectors: tuple[Array, ...]
    order: Array
    batch_size: int
    rates: Array
    n_updates: int = 0

    @property
    def batches(self) -> list[Array]:
        """The samples of each mini-batch."""
        starts = range(0, len(self.order), self.batch_size)
        return [self.order[start : start + self.batch_size] for start in starts]


@dataclass(frozen=True)
class Descended:
    """Where a pass over mini-batches went.

    Attributes
    ----------
    parameters : Parameters
    vectors : tuple of array
        What the rule remembers then.
    cost : float
        Mean loss of the samples on the way, each before its own mini-batch moved the parameters.
    correct : int
        Right predictions, counted in the same way.
    """

    parameters: Parameters
    vectors: tuple[Array, ...]
    cost: float
    correct: int


@dataclass(frozen=True)
class Task:
    """What is computed of the samples, whichever engine does it: settings of the same names."""

    activation: str = "sigmoid"
    loss: str = "square"
    l2: float = 0.0

    def finish(self, evaluation: Evaluation, parameters: Parameters) -> Evaluation:
        """Add the penalty to an evaluation, and make its cost NaN where parameters are out of range.

        The sigmoid can hide an infinite weight; the cost does not.
        """
        if not _are_finite(parameters.vector):
            evaluation = replace(evaluation, cost=math.nan)
        if not self.l2:
            return evaluation
        with range_overrun():
            W1, W2 = parameters["W1"], parameters["W2"]
            squares = float((W1**2).sum()) + float((W2**2).sum())
            gradient = evaluation.gradient.copy()
            parts = parameters.sizes.split(gradient) if gradient.size else {}
            for name in ("W1", "W2") if parts else ():
                parts[name] += self.l2 * parameters[name]
            return Evaluation(evaluation.cost + self.l2 / 2 * squares, evaluation.correct, gradient)


@dataclass(frozen=True)
class Samples:
    """What an engine is made of.

    Attributes
    ----------
    rows : Rows
    labels : Labels
    task : Task
    dtype : numpy.dtype
        Of the computation.
    scale : float
        What features are divided by.
    weight : array of shape (m,), or None
        How much each sample counts in the cost.
    n_threads : int
        At most.
    reason : str
        Why this engine was chosen.
    """

    rows: Rows
    labels: Labels
    task: Task
    dtype: np.dtype[Any]
    scale: float = 1.0
    weight: Array | None = None
    n_threads: int = 1
    reason: str = "as requested"


class Objective(Protocol):
    """Cost and gradient over the samples of one set of data.

    Attributes
    ----------
    n_samples : int
    blocks : tuple of int
        Numbers of samples that are read together: all of them, where they are in memory.
    engine : str
        What computes, and why, in a few words for a person.
    """

    n_samples: int
    blocks: tuple[int, ...]
    engine: str

    def evaluate(
        self,
        networks: Sequence[Parameters],
        *,
        gradient: bool,
        rows: Array | None = None,
        stop: Callable[[], bool] = never,
    ) -> list[Evaluation] | None:
        """Evaluate networks side by side; the numbers of their hidden units may differ.

        Parameters
        ----------
        networks : sequence of Parameters
        gradient : bool
            Whether the gradients are wanted: a backward pass behind the forward pass.
        rows : array of int, optional
            Of these samples only, a mini-batch, counted as they were given; they are all of one block.
        stop : callable
            Asked between blocks; where it says True the pass is abandoned.

        Returns
        -------
        list of Evaluation, or None if the pass was abandoned
        """

    def descend(self, descent: Descent, stop: Callable[[], bool] = never) -> Descended | None:
        """Go through mini-batches, in less time than by an evaluation of each.

        Parameters
        ----------
        descent : Descent
        stop : callable
            Asked now and then; where it says True the pass is abandoned.

        Returns
        -------
        Descended, or None if the pass was abandoned
            NotImplemented if there is no quicker way for these mini-batches: evaluate each of them.
        """


def make_objective(
    rows: Any,
    labels: Labels,
    task: Task | None = None,
    *,
    engine: str = AUTO,
    dtype: str = "float32",
    scale: float = 1.0,
    sample_weight: Any = None,
    n_threads: int | None = None,
    worth_tiles: int = WORTH_TILES,
) -> Objective:
    """Make the objective of samples.

    Parameters
    ----------
    rows : Rows, or array or SciPy sparse matrix of shape (m, n_x)
    labels : Labels
    task : Task, optional
    engine, dtype, n_threads
        As for `Settings`. "auto" is "streamed" for rows of several blocks, "tiled" where the kernel was built and there
        is enough work for it, else "whole".
    scale : float
        What features are divided by.
    sample_weight : array of shape (m,), optional
        How much each sample counts in the cost: numbers of at least 0, not all 0.
    worth_tiles : int
        Values from which "auto" is "tiled".

    Returns
    -------
    Objective

    Raises
    ------
    SettingError
        If the engine does not suit the samples or was not built.
    DataError
        If the sample weights do not fit the samples, or features leave the type's range.
    """
    rows, task, reason = as_rows(rows), task or Task(), "as requested"
    weight = None if sample_weight is None else check_weight(sample_weight, len(labels))
    if engine == AUTO:
        engine, reason = _choose(rows, worth_tiles)
    elif engine not in ENGINES:
        raise SettingError(f"`engine` must be one of {', '.join(ENGINES)}; got {engine!r}.")
    if engine == "streamed":
        rows = _in_blocks(rows)
    elif len(rows.blocks) > 1:
        raise SettingError(f"Samples that are read block by block need `engine` auto or streamed, not {engine}.")
    module, _, name = _ENGINES[engine].partition(":")
    make = getattr(importlib.import_module(module), name)
    samples = Samples(rows, labels, task, np.dtype(dtype), scale, weight, n_threads or n_processors(), reason)
    objective: Objective = make(samples)
    return objective


def n_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def range_overrun() -> np.errstate:
    """Let parameters that grow out of range give a cost that is not finite, without a warning: the loop ends then."""
    return np.errstate(over="ignore", invalid="ignore")


def out_of_range(scale: float, dtype: Any) -> DataError:
    """Return the error of features that leave the range of a type."""
    return DataError(
        f"The samples divided by {scale:g} are out of the range of {dtype}: scale them, or set `dtype` to float64."
    )


def _in_blocks(rows: Rows) -> Rows:
    if not isinstance(rows, MemoryRows):
        return rows
    if hasattr(rows.X, "tocsr"):
        raise SettingError("Sparse samples are already in memory: set `engine` to auto.")
    return ArrayRows(rows.X, max(1, STREAM_VALUES // rows.shape[1]))


def _are_finite(vector: Array) -> bool:
    with range_overrun():  # the quick way; a sum may be out of range though
        return math.isfinite(vector.sum()) or bool(np.isfinite(vector).all())


def _choose(rows: Rows, worth_tiles: int) -> tuple[str, str]:
    """Return the engine that suits the samples, and the reason."""
    if len(rows.blocks) > 1:
        return "streamed", "for samples in several blocks"
    if rows.shape[0] * rows.shape[1] < worth_tiles:
        return "whole" if load_kernel() is None else "little", "for little data"
    if load_kernel() is None:
        return "whole", "because the C kernel was not built"
    return "tiled", "for enough data"


def check_weight(sample_weight: Any, m: int) -> Array:
    """Return the weights of samples as float64.

    Raises
    ------
    DataError
        If they are not one finite number of at least 0 for each sample, some greater than 0.
    """
    with contextlib.suppress(TypeError, ValueError):
        weight: Array = np.asarray(sample_weight, float)
        if weight.shape == (m,) and np.isfinite(weight).all() and (weight >= 0).all() and weight.any():
            return weight
    raise DataError(f"Sample weights must be {m:,} numbers of at least 0, and not all of them 0.")
