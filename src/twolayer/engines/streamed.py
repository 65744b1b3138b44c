"""Samples that memory does not hold: each pass reads them block by block and adds up what the blocks give."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.rows import MemoryRows
from twolayer.engines.objective import (
    Descended,
    Descent,
    Evaluation,
    Objective,
    Samples,
    Task,
    make_objective,
    never,
)
from twolayer.engines.whole import Whole
from twolayer.parameters import Parameters
from twolayer.text import count


class Streamed:
    """Cost and gradient over rows that are read block by block, each block by the engine that suits it.

    Parameters
    ----------
    samples : Samples
    """

    def __init__(self, samples: Samples) -> None:
        self._samples, self.task = samples, samples.task
        self.blocks, self.n_samples = samples.rows.blocks, samples.rows.shape[0]
        self._starts = np.concatenate([[0], np.cumsum(self.blocks)]).tolist()
        self.engine = f"streamed: {count(len(self.blocks), 'block')} read from where they are stored"
        self._at_hand: tuple[int, Objective] | None = None

    def evaluate(
        self,
        networks: Sequence[Parameters],
        *,
        gradient: bool,
        rows: Array | None = None,
        stop: Callable[[], bool] = never,
    ) -> list[Evaluation] | None:
        """Evaluate networks in one pass over the blocks, or on a mini-batch of one block, which stays in memory."""
        if rows is not None:
            objective, start = self._keep(rows)
            return objective.evaluate(networks, gradient=gradient, rows=rows - start)
        self._at_hand = None
        weights, totals = self._block_weights(), [_Total(network) for network in networks]
        for block, fraction in enumerate((weights / weights.sum()).tolist()):
            if stop():
                return None
            objective = self._load(block, replace(self.task, l2=0.0), weighted=fraction > 0)
            for total, part in zip(totals, objective.evaluate(networks, gradient=gradient) or (), strict=True):
                total.add(part, fraction)
        return [self.task.finish(total.mean(), network) for total, network in zip(totals, networks, strict=True)]

    def descend(self, descent: Descent, stop: Callable[[], bool] = never) -> Descended | None:
        """Go through mini-batches of one block, which stays in memory."""
        objective, start = self._keep(descent.order)
        return objective.descend(replace(descent, order=descent.order - start), stop)

    def _keep(self, rows: Array) -> tuple[Objective, int]:
        """Return the objective of the block that rows are of, kept until another one is asked for, and its start."""
        block = int(np.searchsorted(self._starts, rows[0], "right")) - 1
        if self._at_hand is None or self._at_hand[0] != block:
            self._at_hand = None  # let go of the last one first
            self._at_hand = block, self._load(block, self.task)
        return self._at_hand[1], self._starts[block]

    def _load(self, block: int, task: Task, *, weighted: bool = True) -> Objective:
        """Return the objective of a block; unweighted where its samples weigh nothing: right predictions count."""
        of, part = self._samples, slice(self._starts[block], self._starts[block + 1])
        weight = of.weight[part] if of.weight is not None and weighted else None
        rows, labels = MemoryRows(of.rows.read(block)), replace(of.labels, codes=of.labels.codes[part])
        if weight is not None and not weight.any():  # of mini-batches that weigh nothing
            return Whole(replace(of, rows=rows, labels=labels, task=task, weight=weight))
        settings: dict[str, Any] = {"dtype": of.dtype, "scale": of.scale, "n_threads": of.n_threads}
        return make_objective(rows, labels, task, sample_weight=weight, **settings)

    def _block_weights(self) -> Array:
        if self._samples.weight is None:
            return np.asarray(self.blocks, float)
        return np.add.reduceat(self._samples.weight, self._starts[:-1])


class _Total:
    """The mean over all samples of what the blocks give: each block counts by the weight of its samples."""

    def __init__(self, network: Parameters) -> None:
        self._dtype, self._cost, self._correct = network.dtype, 0.0, 0
        self._gradient: Array | float = 0.0

    def add(self, part: Evaluation, fraction: float) -> None:
        """Add a block's part; gradients are summed in float64."""
        self._cost += part.cost * fraction
        self._correct += part.correct
        self._gradient = self._gradient + part.gradient.astype(float) * fraction

    def mean(self) -> Evaluation:
        """Return the evaluation, the gradient in the type of the parameters."""
        return Evaluation(self._cost, self._correct, np.asarray(self._gradient).astype(self._dtype))
