"""The blackboard on the whole batch: the plain engine, to which every faster one is held."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Labels
from twolayer.engines.objective import (
    NO_GRADIENT,
    Descended,
    Descent,
    Evaluation,
    Samples,
    never,
    out_of_range,
    range_overrun,
)
from twolayer.equations import back_propagation, find_loss, forward_propagation
from twolayer.parameters import Parameters


class Whole:
    """Cost and gradient by the formulas of `twolayer.equations`, all samples at once.

    Parameters
    ----------
    samples : Samples
        Their threads are left to the library that multiplies matrices.
    """

    def __init__(self, samples: Samples) -> None:
        task, labels, dtype = samples.task, samples.labels, samples.dtype
        self.task, self._loss = task, find_loss(task.loss, labels.n_outputs)
        self._X = to_columns(samples.rows.read(0), samples.scale, dtype)
        self._codes, self._Y = labels.codes, one_hot(labels, dtype)
        self._weight = None if samples.weight is None else samples.weight.astype(dtype)
        self.n_samples = len(labels)
        self.blocks: tuple[int, ...] = (self.n_samples,)
        self.engine = f"whole: the formulas on all samples at once, {samples.reason}"

    def evaluate(
        self,
        networks: Sequence[Parameters],
        *,
        gradient: bool,
        rows: Array | None = None,
        stop: Callable[[], bool] = never,  # noqa: ARG002 - one pass is one block
    ) -> list[Evaluation]:
        """Evaluate networks, one after the other."""
        X, Y, codes, weight = self._X, self._Y, self._codes, self._weight
        if rows is not None:
            X, Y, codes, weight = X[:, rows], Y[:, rows], codes[rows], None if weight is None else weight[rows]
        return [self._evaluate(each, X, Y, codes, weight, gradient=gradient) for each in networks]

    def descend(self, descent: Descent, stop: Callable[[], bool] = never) -> Descended | None:  # noqa: ARG002
        """Leave mini-batches to `evaluate`."""
        return NotImplemented  # type: ignore[no-any-return]

    def _evaluate(
        self, network: Parameters, X: Any, Y: Array, codes: Array, weight: Array | None, *, gradient: bool
    ) -> Evaluation:
        task, vector = self.task, NO_GRADIENT
        with range_overrun():
            A2, cache = forward_propagation(X, network, task.activation, self._loss.output)
            cost = float(self._loss.cost(cache, Y, weight))
            if gradient:
                grads = back_propagation(
                    X, Y, network, cache, activation=task.activation, loss=task.loss, sample_weight=weight
                )
                vector = np.concatenate([grads[f"d{name}"].ravel() for name in network])
        predicted = A2[0] > 0.5 if len(A2) == 1 else A2.argmax(axis=0)
        return task.finish(Evaluation(cost, int((predicted == codes).sum()), vector), network)


def one_hot(labels: Labels, dtype: np.dtype[Any]) -> Array:
    """Return Y (n_y, m): 1 in the row of each sample's class; with one output, 1 for the second class."""
    outputs = np.ones((1, 1)) if labels.n_outputs == 1 else np.arange(labels.n_outputs)[:, None]
    Y: Array = (labels.codes == outputs).astype(dtype)
    return Y


def to_columns(X: Any, scale: float, dtype: np.dtype[Any]) -> Any:
    """Return rows of features as scaled columns of a type: (m, n_x) becomes (n_x, m).

    Raises
    ------
    DataError
        If features leave the type's range.
    """
    columns = X.T
    if scale == 1 and X.dtype == dtype:
        return columns
    with np.errstate(all="ignore"):  # what goes out of range is found below
        if not isinstance(X, np.ndarray):  # sparse: zeros stay zeros
            columns = (columns.astype(dtype) / scale).astype(dtype)
            values = columns.data
        else:
            values = columns = np.empty(columns.shape, dtype)
            np.divide(X.T, dtype.type(scale), out=columns, casting="same_kind")
    if X.dtype != np.uint8 and not np.isfinite(values).all():
        raise out_of_range(scale, dtype)
    return columns
