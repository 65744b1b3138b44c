"""Samples that memory does not hold: each pass reads them block by block and adds up what the blocks give."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from twolayer.data.rows import Rows
from twolayer.engines.objective import Evaluation, Measure, Objective, Task
from twolayer.engines.whole import WholeBatch
from twolayer.equations import Arrays

_M = TypeVar("_M", bound=Measure)


class Streamed:
    """Cost and gradients over rows that are read block by block, each by the engine that suits it.

    Parameters
    ----------
    rows : Rows
        Rows are samples.
    Y : array of shape (n_y, m), values in [0, 1]
    task : Task
    dtype, scale, sample_weight, n_threads
        As for `make_objective`.
    make : callable
        Makes the objective of a block that is in memory: `make_objective` itself.
    """

    def __init__(
        self,
        rows: Rows,
        Y: Any,
        task: Task,
        *,
        dtype: str | None,
        scale: float,
        sample_weight: np.ndarray[Any, Any] | None,
        n_threads: int | None,
        make: Callable[..., Objective],
    ) -> None:
        self._rows, self._Y, self.task, self._weight, self._make = rows, Y, task, sample_weight, make
        self._settings: dict[str, Any] = {"dtype": dtype, "scale": scale, "n_threads": n_threads}
        self._settings |= {"activation": task.activation, "loss": task.loss}
        self.blocks, self.n_samples = rows.blocks, rows.shape[0]
        self._starts = np.concatenate([[0], np.cumsum(self.blocks)]).tolist()
        self.engine = f"streamed: {len(self.blocks):,} blocks read from where they are stored"
        self._at_hand: tuple[int, Objective] | None = None

    def measure(self, parameters: Arrays) -> Measure:
        """Return the cost and the number of right predictions: one pass over the blocks."""
        return self.measure_many([parameters])[0]

    def measure_many(self, networks: Sequence[Arrays]) -> list[Measure]:
        """Measure several networks in one pass."""
        return self._add(networks, lambda block: block.measure_many(networks))

    def evaluate(self, parameters: Arrays) -> Evaluation:
        """Return the cost, the number of right predictions and the gradients: one pass over the blocks."""
        return self.evaluate_many([parameters])[0]

    def evaluate_many(self, networks: Sequence[Arrays]) -> list[Evaluation]:
        """Evaluate several networks in one pass."""
        return self._add(networks, lambda block: block.evaluate_many(networks))

    def rows(self, index: np.ndarray[Any, Any]) -> Objective:
        """Return the objective of some samples of one block, which stays in memory until another is asked for."""
        block = int(np.searchsorted(self._starts, index[0], "right")) - 1
        if self._at_hand is None or self._at_hand[0] != block:
            self._at_hand = None  # let go of the last one first
            self._at_hand = block, self._load(block, self.task.l2)
        return self._at_hand[1].rows(index - self._starts[block])

    def _load(self, block: int, l2: float = 0.0, *, weighted: bool = True) -> Objective:
        """Return the objective of a block."""
        part = slice(self._starts[block], self._starts[block + 1])
        weight = self._weight[part] if self._weight is not None and weighted else None
        rows = self._rows.read(block)
        if weight is not None and not weight.any():  # of mini-batches that weigh nothing
            task, dtype, scale = replace(self.task, l2=l2), self._settings["dtype"], self._settings["scale"]
            return WholeBatch(rows.T, self._Y[:, part], task, dtype=dtype, scale=scale, sample_weight=weight)
        return self._make(rows.T, self._Y[:, part], "auto", sample_weight=weight, l2=l2, **self._settings)

    def _add(self, networks: Sequence[Arrays], look: Callable[[Objective], Sequence[_M]]) -> list[_M]:
        """Return the means over all samples of what the blocks give, each block by the weight of its samples."""
        self._at_hand = None
        totals: list[_M] = []
        weights = self._block_weights()
        for block, share in enumerate(weights / weights.sum()):
            objective = self._load(block, weighted=bool(share))  # right predictions count whatever they weigh
            parts = [_times(part, float(share)) for part in look(objective)]
            totals = [_plus(a, b) for a, b in zip(totals, parts, strict=True)] if totals else parts
        pairs = zip(totals, networks, strict=True)
        return [self.task.finish(_in_type_of(network, total), network) for total, network in pairs]

    def _block_weights(self) -> np.ndarray[Any, Any]:
        if self._weight is None:
            return np.asarray(self.blocks, float)
        return np.add.reduceat(self._weight, self._starts[:-1])


def _times(part: _M, share: float) -> _M:
    """Return a block's part of the mean; right predictions stay a count. Gradients are summed in float64."""
    part = replace(part, cost=part.cost * share)
    if isinstance(part, Evaluation):
        part = replace(part, grads={name: np.asarray(grad, float) * share for name, grad in part.grads.items()})
    return part


def _in_type_of(network: Arrays, total: _M) -> _M:
    """Return a total with gradients of the type of their parameters."""
    if not isinstance(total, Evaluation):
        return total
    return replace(total, grads={name: grad.astype(network[name[1:]].dtype) for name, grad in total.grads.items()})


def _plus(a: _M, b: _M) -> _M:
    total = replace(a, cost=a.cost + b.cost, correct=a.correct + b.correct)
    if isinstance(total, Evaluation) and isinstance(b, Evaluation):
        total = replace(total, grads={name: grad + b.grads[name] for name, grad in total.grads.items()})
    return total
