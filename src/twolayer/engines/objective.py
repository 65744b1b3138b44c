"""The objective, the one idea between data and steps: parameters in, cost and gradients out.

An engine makes an objective from data and knows nothing of steps; a solver makes steps and knows nothing of data.
A new engine is one file and one line in `ENGINES`.
"""

import importlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from twolayer.data.rows import ArrayRows, Rows
from twolayer.engines.kernel import load_kernel
from twolayer.equations import ACTIVATIONS, Array, Arrays
from twolayer.errors import DataError, SettingError

ENGINES = {"whole": "twolayer.engines.whole:WholeBatch", "tiled": "twolayer.engines.tiled:Tiles"}
STREAMED = "streamed"
STREAM_VALUES = 2**22  # values in a block of an array that is streamed without a word about its blocks
LOSSES = ("square", "log")
_WORTH_TILES = 20_000  # values in X from which the kernel is ahead of NumPy


@dataclass(frozen=True)
class Measure:
    """What a forward pass over all samples tells.

    Attributes
    ----------
    cost : float
        Mean loss, with the penalty; not finite where the parameters have grown out of range.
    correct : int
        Number of samples whose predicted class is theirs.
    """

    cost: float
    correct: int


@dataclass(frozen=True)
class Evaluation(Measure):
    """A measure together with the gradient at the same parameters.

    Attributes
    ----------
    grads : dict
        dW1, db1, dW2, db2.
    """

    grads: Arrays

    def largest_slope(self) -> float:
        """Return the largest absolute entry of the gradient."""
        return max(float(abs(grad).max()) for grad in self.grads.values())


_M = TypeVar("_M", bound=Measure)


@dataclass(frozen=True)
class Task:
    """What is computed of the samples, whichever engine does it.

    Attributes
    ----------
    activation : str
        Of the hidden layer: "sigmoid", "tanh" or "relu".
    loss : str
        "square" or "log".
    l2 : float
        Adds l2 / 2 times the sum of the squared weights W1 and W2 to the cost.

    Raises
    ------
    SettingError
        If there is no such activation or loss, or `l2` is negative or not finite.
    """

    activation: str = "sigmoid"
    loss: str = "square"
    l2: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.activation not in ACTIVATIONS:
            raise SettingError(f"There is no activation {self.activation!r}: choose one of {', '.join(ACTIVATIONS)}.")
        if self.loss not in LOSSES:
            raise SettingError(f"There is no loss {self.loss!r}: choose one of {', '.join(LOSSES)}.")
        if not 0 <= self.l2 < float("inf"):
            raise SettingError(f"The penalty l2 must be a number of at least 0; got {self.l2}.")

    def finish(self, measure: _M, parameters: Arrays) -> _M:
        """Add the penalty to a measure or an evaluation, and make its cost NaN where parameters are out of range.

        The sigmoid can hide an infinite weight; the cost does not.
        """
        if not _are_finite(parameters):
            measure = replace(measure, cost=float("nan"))
        if not self.l2:
            return measure
        with range_overrun():
            weights = {name: parameters[name] for name in ("W1", "W2")}
            squares = sum(float((value**2).sum()) for value in weights.values())
            measure = replace(measure, cost=measure.cost + self.l2 / 2 * squares)
            if isinstance(measure, Evaluation):
                penalties = {f"d{name}": measure.grads[f"d{name}"] + self.l2 * value for name, value in weights.items()}
                measure = replace(measure, grads={**measure.grads, **penalties})
        return measure


class Objective(Protocol):
    """Cost and gradients over all samples of one set of data.

    Attributes
    ----------
    n_samples : int
    blocks : tuple of int
        Numbers of samples that are at hand together: all of them, where they are in memory.
    engine : str
        What computes, and why, in a few words for a person.
    """

    n_samples: int
    blocks: tuple[int, ...]
    engine: str

    def measure(self, parameters: Arrays) -> Measure:
        """Return the cost and the number of right predictions: one forward pass."""

    def measure_many(self, networks: Sequence[Arrays]) -> list[Measure]:
        """Measure several networks side by side; their sizes may differ."""

    def evaluate(self, parameters: Arrays) -> Evaluation:
        """Return the cost, the number of right predictions and the gradients: one forward and one backward pass."""

    def evaluate_many(self, networks: Sequence[Arrays]) -> list[Evaluation]:
        """Evaluate several networks side by side, as one with a wide hidden layer; their sizes may differ."""

    def rows(self, index: np.ndarray[Any, Any]) -> "Objective":
        """Return the objective of some of the samples, counted as they were given: a mini-batch."""


def make_objective(
    X: Any,
    Y: Array,
    engine: str = "auto",
    *,
    dtype: str | None = None,
    scale: float = 1.0,
    sample_weight: Any = None,
    activation: str = "sigmoid",
    loss: str = "square",
    l2: float = 0.0,
    n_threads: int | None = None,
) -> Objective:
    """Make the objective of the samples X, Y.

    Parameters
    ----------
    X : array or SciPy sparse matrix of shape (n_x, m), a sample a column; or Rows
        The transpose of rows that lie one after the other is taken as it is, without a copy. `Rows` are read block by
        block in each pass.
    Y : array of shape (n_y, m), values in [0, 1]
    engine : str
        "whole" for the blackboard on all samples at once, "tiled" for the C kernel, "streamed" for blocks that are read
        in each pass, or "auto" for the one that suits the data: "tiled", where it was built and there is enough work,
        else "whole"; "streamed" for `Rows`.
    dtype : str, optional
        "float32" or "float64": the type of the computation; that of Y when not given.
    scale : float
        What features are divided by.
    sample_weight : array of shape (m,), optional
        How much each sample counts in the cost, at least 0, not all 0.
    activation, loss, l2
        As for `Task`.
    n_threads : int, optional
        For the tiled engine; as many as there are processors when not given. The same input with the same number of
        threads gives the same bits.

    Returns
    -------
    Objective

    Raises
    ------
    SettingError
        If there is no such engine here, or a setting is none.
    DataError
        If the sample weights do not fit the samples.
    """
    if engine not in ("auto", STREAMED, *ENGINES):
        raise SettingError(f"There is no engine {engine!r}: choose auto or one of {', '.join((*ENGINES, STREAMED))}.")
    if n_threads is not None and not 1 <= n_threads <= 1024:
        raise SettingError(f"The number of threads must be a whole number from 1 to 1,024; got {n_threads}.")
    task = Task(activation, loss, l2)
    if engine == STREAMED or isinstance(X, Rows):
        return _stream(X, Y, task, engine, dtype=dtype, scale=scale, sample_weight=sample_weight, n_threads=n_threads)
    name, reason = (engine, "as asked for") if engine != "auto" else _choose(X, Y)
    module, _, factory = ENGINES[name].partition(":")
    make = getattr(importlib.import_module(module), factory)
    weight = None if sample_weight is None else _check_weight(sample_weight, Y.shape[1])
    objective: Objective = make(
        X, Y, task, dtype=dtype, scale=scale, sample_weight=weight, n_threads=n_threads or n_processors(), reason=reason
    )
    return objective


def _stream(X: Any, Y: Array, task: Task, engine: str, *, sample_weight: Any, **settings: Any) -> Objective:
    """Return the objective of samples that are read block by block."""
    from twolayer.engines.streamed import Streamed

    if not isinstance(X, Rows):
        if hasattr(X, "tocsr"):
            raise SettingError("Sparse samples are in memory already: take the engine auto for them.")
        X = ArrayRows(X.T, max(1, STREAM_VALUES // X.shape[0]))
    elif engine not in ("auto", STREAMED):
        raise SettingError(f"Samples that are read block by block need the engine auto or streamed, not {engine}.")
    weight = None if sample_weight is None else _check_weight(sample_weight, Y.shape[1])
    return Streamed(X, Y, task, sample_weight=weight, make=make_objective, **settings)


def n_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def range_overrun() -> np.errstate:
    """Let parameters that grow out of range give a cost that is not finite, without a warning: the loop ends then."""
    return np.errstate(over="ignore", invalid="ignore")


def _are_finite(parameters: Arrays) -> bool:
    """Tell whether all entries are finite numbers."""
    arrays = parameters.values()
    if all(isinstance(array, np.ndarray) for array in arrays):
        with range_overrun():
            if math.isfinite(sum(array.sum() for array in arrays)):  # the quick way; a sum may be out of range though
                return True
    return all(map(_is_finite, arrays))


def _is_finite(array: Array) -> bool:
    xp = array.__array_namespace__()
    return bool(xp.all(xp.isfinite(array)))


def _choose(X: Any, Y: Array) -> tuple[str, str]:
    """Return the engine that suits the data, and the reason."""
    if not isinstance(Y, np.ndarray):
        return "whole", f"for arrays of {type(Y).__module__.partition('.')[0]}"
    if X.shape[0] * X.shape[1] < _WORTH_TILES:
        return "whole", "for little data"
    if load_kernel() is None:
        return "whole", "as the C kernel was not built"
    return "tiled", "for enough data"


def _check_weight(sample_weight: Any, m: int) -> np.ndarray[Any, Any]:
    weight = np.asarray(sample_weight, float)
    if weight.shape != (m,) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise DataError(f"Sample weights must be {m:,} numbers of at least 0, and not all weights zero.")
    return weight
