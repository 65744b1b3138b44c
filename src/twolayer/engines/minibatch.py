"""Passes over mini-batches, each in one call of the C kernel, or a few.

The threads share the hidden units: each goes forward and backward with its own ones, and moves them, so that no
gradient is stored. The inner loops are in minibatch.c.
"""

import threading
from collections.abc import Callable
from ctypes import addressof
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.helpers import helping
from twolayer.engines.kernel import LEVELS, STORAGES, Pass, load_kernel
from twolayer.engines.objective import Descended, Descent, Samples, never
from twolayer.engines.packing import Source, aligned
from twolayer.engines.rules import RULES, AdamRule, MomentumRule, Rule
from twolayer.engines.whole import Whole
from twolayer.equations import ACTIVATIONS, LOSSES
from twolayer.parameters import Parameters, Sizes

_VECTOR_BYTES = (16, 32, 64)  # of each level
_SKIP_ZEROS = 0.5  # fraction of zeros from which it pays to skip them
_MOST_VALUES = 2**23  # of a mini-batch: larger ones are the business of tiles
_THREAD_PRODUCTS = 50_000  # in a mini-batch, that make a thread worth its meetings with the others
_CALL_PRODUCTS = 2**31  # in a call of the kernel: about a tenth of a second, between two looks at a request to stop


class Passes:
    """Passes over mini-batches of samples in memory.

    Parameters
    ----------
    samples : Samples
    source : Source, optional
        Their rows, where they have been prepared already.
    level : str, optional
        As for `Tiled`.
    """

    def __init__(self, samples: Samples, source: Source | None = None, level: str | None = None) -> None:
        self._samples, self._source, self._level = samples, source, level
        self._lock, self._scratch = threading.RLock(), np.empty(0, np.uint8)
        self._rows: Pass | None = None  # what of a pass is the samples', whichever pass it is

    def descend(self, descent: Descent, stop: Callable[[], bool] = never) -> Descended | None:
        """Go through mini-batches; NotImplemented where these are too large, or there is no kernel."""
        kernel, of = load_kernel(), self._samples
        if kernel is None or descent.parameters.dtype != of.dtype:
            return NotImplemented  # type: ignore[no-any-return]
        with self._lock:
            rows = self._rows = self._rows or self._prepare()
            if min(descent.batch_size, len(descent.order)) * rows.room > _MOST_VALUES:
                return NotImplemented  # type: ignore[no-any-return]
            level = kernel.n_levels - 1 if self._level is None else LEVELS.index(self._level)
            vectors = [vector.copy() for vector in (descent.parameters.vector, *descent.vectors)]
            job = self._to_pass(rows, descent, vectors, level)
            is_double = int(of.dtype.itemsize == 8)
            n_bytes = kernel.pass_bytes(job, is_double, level)
            if len(self._scratch) < n_bytes:
                self._scratch = aligned(n_bytes, np.dtype(np.uint8))
            job.scratch = self._scratch.ctypes.data
            n, step = len(descent.rates), self._batches_in_a_call(job)
            for first in range(0, n, step):
                if first and stop():
                    return None
                job.from_batch, job.to_batch = first, min(n, first + step)
                self._run(job, is_double, level)
            return self._to_descended(descent, vectors, job.members["figures"])

    def _prepare(self) -> Pass:
        """Return a pass over the samples, of no network yet."""
        of = self._samples
        source = self._source or Source(of.rows.read(0), of.dtype)
        weight = None if of.weight is None else (of.weight / of.weight.mean()).astype(of.dtype)
        return Pass.of(
            **to_members(source),
            factor=1 / of.scale,
            label=of.labels.codes.astype(np.int32, copy=False),
            weight=weight,
            activation=list(ACTIVATIONS).index(of.task.activation),
            loss=list(LOSSES).index(of.task.loss),
            l2=of.task.l2,
        )

    def _to_pass(self, rows: Pass, descent: Descent, vectors: list[Array], level: int) -> Pass:
        """Return what the kernel is to do, but for its scratch."""
        sizes, batch_size = descent.parameters.sizes, min(descent.batch_size, len(descent.order))
        n_threads = self._n_threads(rows, sizes, batch_size, level)
        return rows.having(
            **_constants(descent.rule),
            n_hidden=sizes.n_h,
            n_y=sizes.n_y,
            n_samples=len(descent.order),
            batch_size=batch_size,
            n_threads=n_threads,
            order=np.ascontiguousarray(descent.order, np.int64),
            moves=np.ascontiguousarray(descent.rule.numbers(descent.rates, descent.n_updates + 1)),
            figures=np.zeros((n_threads, 8)),
            **dict(zip(("parameters", "first", "second"), vectors, strict=False)),
        )

    def _n_threads(self, rows: Pass, sizes: Sizes, batch_size: int, level: int) -> int:
        """Return how many threads share the hidden units, whole vectors of them."""
        n_vectors = -(-sizes.n_h * self._samples.dtype.itemsize // _VECTOR_BYTES[level])
        products = batch_size * (rows.room + sizes.n_y) * sizes.n_h
        return int(max(1, min(self._samples.n_threads, n_vectors, products // _THREAD_PRODUCTS)))

    def _batches_in_a_call(self, job: Pass) -> int:
        return int(max(1, _CALL_PRODUCTS // (2 * job.batch_size * (job.room + job.n_y) * job.n_hidden)))

    def _run(self, job: Pass, is_double: int, level: int) -> None:
        """Let all threads go through some of the mini-batches."""
        try:
            run(job, self._scratch, is_double, level)
        except BaseException:
            self._scratch = np.empty(0, np.uint8)
            raise

    def _to_descended(self, descent: Descent, vectors: list[Array], figures: Array) -> Descended:
        """Return where a pass went."""
        assert self._rows
        weight, (cost, correct) = self._rows.members["weight"], figures.sum(axis=0)[:2].tolist()
        total = len(descent.order) if weight is None else float(weight[descent.order].sum(dtype=float))
        moved = Parameters(vectors[0], descent.parameters.sizes)
        return Descended(moved, tuple(vectors[1:]), cost / (total or 1.0), int(correct))


class Little(Whole):
    """The formulas on all samples at once, and the kernel for mini-batches: where samples are few."""

    def __init__(self, samples: Samples) -> None:
        super().__init__(samples)
        self._passes = Passes(samples)

    def descend(self, descent: Descent, stop: Callable[[], bool] = never) -> Descended | None:
        """Go through mini-batches in one call of the kernel."""
        return self._passes.descend(descent, stop)


def _constants(rule: Rule) -> dict[str, Any]:
    """Return the members of `Pass` that are a rule's."""
    constants: dict[str, Any] = {"rule": RULES.index(type(rule))}
    if isinstance(rule, AdamRule):
        return constants | {"decay1": rule.decay1, "decay2": rule.decay2, "epsilon": rule.epsilon}
    assert isinstance(rule, MomentumRule)
    return constants | {"decay1": rule.momentum}


def to_members(source: Source) -> dict[str, Any]:
    """Return the members of `Pass` that say where rows are, and whether their zeros are skipped."""
    members: dict[str, Any] = {"start": None, "column": None, "room": source.n_features}
    if source.sparse:
        start = source.rows.indptr.astype(np.int64, copy=False)
        members |= {"x": source.rows.data, "start": start, "room": max(1, int(np.diff(start).max(initial=0)))}
        members["column"] = source.rows.indices.astype(np.int32, copy=False)
    else:
        with np.errstate(all="ignore"):  # what is out of range is found elsewhere
            members["x"] = np.ascontiguousarray(source.rows, source.storage)
    members["skips_zeros"] = int(source.fraction_of_zeros > _SKIP_ZEROS)
    if not members["skips_zeros"]:
        members["room"] = source.n_features
    return members | {"n_features": source.n_features, "storage": STORAGES[source.storage.name]}


def run(job: Pass, scratch: Array, is_double: int, level: int) -> None:
    """Let all threads of a pass do their work; after an exception the scratch is still theirs, and given up."""
    kernel = load_kernel()
    assert kernel is not None
    numbers = {"pass_": addressof(job), "is_double": is_double, "level": level}
    try:
        with helping(kernel, job.n_threads - 1) as helpers:
            for thread, helper in enumerate(helpers, 1):
                helper.give((job, scratch), thread=thread, **numbers)
            kernel.descend(job, 0, is_double, level)
    except BaseException:
        job.given_up = 1  # those who wait for this thread are to leave the memory
        raise
