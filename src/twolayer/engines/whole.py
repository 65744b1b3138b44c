"""The blackboard on the whole batch: the plain engine, to which every faster one is held."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twolayer.engines.objective import Evaluation, Measure, Task, range_overrun
from twolayer.equations import (
    Array,
    Arrays,
    back_propagation,
    compute_cost,
    compute_log_cost,
    forward_propagation,
)
from twolayer.errors import DataError


class WholeBatch:
    """Cost and gradients by the formulas of `twolayer.equations`, all samples at once.

    Parameters
    ----------
    X : array of shape (n_x, m), of any Array-API library, or SciPy sparse matrix
    Y : array of shape (n_y, m), values in [0, 1]
    task : Task
    dtype, scale, sample_weight
        As for `make_objective`.
    n_threads : int
        Left to the library that multiplies matrices.
    reason : str
        Why this engine was chosen.
    """

    def __init__(
        self,
        X: Any,
        Y: Array,
        task: Task | None = None,
        *,
        dtype: str | None = None,
        scale: float = 1.0,
        sample_weight: Any = None,
        n_threads: int = 1,
        reason: str = "as asked for",
    ) -> None:
        self.task, self.n_threads = task or Task(), n_threads
        self.X, self.Y = (X, Y) if dtype is None and scale == 1 else _convert(X, Y, dtype, scale)
        self.sample_weight = None if sample_weight is None else sample_weight.astype(self.Y.dtype)
        self.n_samples: int = X.shape[1]
        self.blocks: tuple[int, ...] = (self.n_samples,)
        self.engine = f"whole: the formulas on all samples at once, {reason}"
        self._right_class = _predicted_class(self.Y)

    def measure(self, parameters: Arrays) -> Measure:
        """Return the cost and the number of right predictions: one forward pass."""
        with range_overrun():
            _, cache = forward_propagation(self.X, parameters, self.task.activation)
        return self.task.finish(self._measure(cache), parameters)

    def measure_many(self, networks: Sequence[Arrays]) -> list[Measure]:
        """Measure several networks, one after the other."""
        return [self.measure(network) for network in networks]

    def evaluate(self, parameters: Arrays) -> Evaluation:
        """Return the cost, the number of right predictions and the gradients."""
        with range_overrun():
            _, cache = forward_propagation(self.X, parameters, self.task.activation)
            grads = self._gradients(self.Y, parameters, cache)
        measure = self._measure(cache)
        return self.task.finish(Evaluation(measure.cost, measure.correct, grads), parameters)

    def evaluate_many(self, networks: Sequence[Arrays]) -> list[Evaluation]:
        """Evaluate several networks side by side: as one, whose W2 has a block for each of them and zeros elsewhere."""
        wide, n_y = _side_by_side(networks), self.Y.shape[0]
        Y = np.tile(self.Y, (len(networks), 1))
        with range_overrun():
            _, cache = forward_propagation(self.X, wide, self.task.activation)
            grads = self._gradients(Y, wide, cache)
        evaluations, unit, output = [], 0, 0
        for network in networks:
            units, outputs = slice(unit, unit + len(network["W1"])), slice(output, output + n_y)
            own = {"dW1": grads["dW1"][units], "db1": grads["db1"][units]}
            own |= {"dW2": grads["dW2"][outputs, units], "db2": grads["db2"][outputs]}
            measure = self._measure({name: cache[name][outputs] for name in ("Z2", "A2")})
            evaluations.append(self.task.finish(Evaluation(measure.cost, measure.correct, own), network))
            unit, output = units.stop, outputs.stop
        return evaluations

    def rows(self, index: np.ndarray[Any, Any]) -> "WholeBatch":
        """Return the objective of some of the samples."""
        weight = None if self.sample_weight is None else self.sample_weight[index]
        return WholeBatch(self.X[:, index], self.Y[:, index], self.task, sample_weight=weight)

    def _gradients(self, Y: Array, parameters: Arrays, cache: Arrays) -> Arrays:
        task, weight = self.task, self.sample_weight
        return back_propagation(
            self.X, Y, parameters, cache, activation=task.activation, loss=task.loss, sample_weight=weight
        )

    def _measure(self, cache: Arrays) -> Measure:
        with range_overrun():
            if self.task.loss == "square":
                cost = compute_cost(cache["A2"], self.Y, self.sample_weight)
            else:
                cost = compute_log_cost(cache["Z2"], self.Y, self.sample_weight)
        return Measure(float(cost), int((_predicted_class(cache["A2"]) == self._right_class).sum()))


def _side_by_side(networks: Sequence[Arrays]) -> Arrays:
    """Return one network made of several: their hidden units and outputs one below the other."""
    wide = {name: np.concatenate([network[name] for network in networks]) for name in ("W1", "b1", "b2")}
    wide["W2"] = np.zeros((len(wide["b2"]), len(wide["b1"])), wide["b2"].dtype)
    unit = output = 0
    for network in networks:
        n_y, n_h = network["W2"].shape
        wide["W2"][output : output + n_y, unit : unit + n_h] = network["W2"]
        unit, output = unit + n_h, output + n_y
    return wide


def _convert(X: Any, Y: Any, dtype: str | None, scale: float) -> tuple[Any, Any]:
    """Return samples and targets in the type of the computation, features divided by their scale.

    Raises
    ------
    DataError
        If features are then out of the type's range.
    """
    kind = np.dtype(dtype or Y.dtype)
    Y = Y.astype(kind, copy=False)
    if scale == 1 and X.dtype == kind:
        return X, Y
    with np.errstate(all="ignore"):  # what goes out of range is found below
        if not isinstance(X, np.ndarray):  # sparse: zeros stay zeros
            return (X.astype(kind) / scale).astype(kind), Y
        columns = np.empty(X.shape, kind)
        np.divide(X, kind.type(scale), out=columns, casting="same_kind")
    if X.dtype.kind == "f" and not np.isfinite(columns).all():
        raise DataError(f"The samples divided by {scale:g} do not fit into {kind}: scale them or take float64.")
    return columns, Y


def _predicted_class(A2: Array) -> Array:
    """Return the class of each sample: A2 > 0.5 with one output, else the index of the largest output."""
    return A2[0, :] > 0.5 if A2.shape[0] == 1 else A2.__array_namespace__().argmax(A2, axis=0)
