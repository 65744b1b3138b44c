"""One fused pass over tiles of samples, in C and on all processors.

A tile holds 16 samples side by side, and only the features that are not zero in all of them. Alike samples share a
tile, so few features are left. Each tile goes forward and backward while it is in the cache. The inner loops are in
kernel.c; nothing here is slower for being Python.
"""

import math
import threading
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twolayer.engines.helpers import Helper, release_helpers, take_helpers
from twolayer.engines.kernel import (
    ACTIVATIONS,
    LEVELS,
    LINE,
    LOSSES,
    STORAGES,
    Kernel,
    Networks,
    Rows,
    Samples,
    Sums,
    load_kernel,
)
from twolayer.engines.objective import Evaluation, Measure, Task
from twolayer.equations import Arrays
from twolayer.errors import DataError, SettingError

_TILE, _TILE_BYTES = 16, 128  # samples at least, and bytes where there are few zeros to leave out
_BLOCK_BYTES = 2**24  # of features converted at once
_SORT_ZEROS = 0.3  # share of zeros from which it pays to bring alike samples together
_SORT_FEATURES = 200  # features looked at for that
_SORT_SAMPLES = 100  # samples that tell in which directions the samples differ
_SORT_DIRECTIONS = 8
_SORT_PRODUCT = 2**17  # multiplications in a product: for more BLAS has threads, which wait where ours are to run
_THREAD_VALUES = 100_000  # in tiles, that make a thread worth its start

_Numbers = np.ndarray[Any, Any]


class Tiles:
    """Cost and gradients by the C kernel.

    Parameters
    ----------
    X : array or SciPy sparse matrix of shape (n_x, m)
    Y : array of shape (n_y, m), values in [0, 1]
    task : Task
    dtype, scale, sample_weight, n_threads
        As for `make_objective`.
    reason : str
        Why this engine was chosen.
    level : str, optional
        One of `LEVELS`; the highest that the processor has when not given.
    tile : int
        Samples in a tile: as many as fill a cache line of 64 bytes in the type of the computation, or a multiple of
        that; chosen when not given.

    Raises
    ------
    SettingError
        If the kernel was not built, or has no such type, level or tiles.
    DataError
        If features are out of the type's range.
    """

    def __init__(
        self,
        X: Any,
        Y: Any,
        task: Task | None = None,
        *,
        dtype: str | None = None,
        scale: float = 1.0,
        sample_weight: Any = None,
        n_threads: int = 1,
        reason: str = "as asked for",
        level: str | None = None,
        tile: int | None = None,
    ) -> None:
        kernel = load_kernel()
        if kernel is None:
            message = "The C kernel was not built when twolayer was installed: take the engine whole, or install"
            raise SettingError(f"{message} GCC or Clang and then twolayer again.")
        self._kernel, self.task, self._crew = kernel, task or Task(), _Crew()
        self._level = kernel.n_levels - 1 if level is None else LEVELS.index(level)
        if self._level >= kernel.n_levels:
            raise SettingError(f"This processor has no {level}: choose one of {', '.join(LEVELS[: kernel.n_levels])}.")
        self._dtype = np.dtype(dtype or Y.dtype)
        if self._dtype not in (np.float32, np.float64):
            raise SettingError(f"The tiled engine computes in float32 or float64, not {self._dtype}: choose one.")
        line = LINE // self._dtype.itemsize
        if tile is not None and (tile < 1 or tile % line):
            raise SettingError(f"In {self._dtype} tiles hold {line} samples or a multiple of that; got {tile}.")
        self._source, self._scale, self._max_threads = _Source(X, self._dtype), scale, n_threads
        few_zeros = self._source.share_of_zeros < _SORT_ZEROS
        self._tile = tile or (max(_TILE, _TILE_BYTES // self._dtype.itemsize) if few_zeros else _TILE)
        self._Y = np.asarray(Y, self._dtype)
        self._label = (self._Y[0] > 0.5 if len(Y) == 1 else self._Y.argmax(axis=0)).astype(np.int32)
        weight = np.ones(Y.shape[1]) if sample_weight is None else sample_weight / sample_weight.mean()
        self._weight = weight.astype(self._dtype)
        n_samples = self._source.n_samples
        sort = not few_zeros and n_samples >= 4 * self._tile
        self._load(self._source.alike_order(self._tile) if sort else np.arange(n_samples))
        self._check_range()
        threads = f"{self._n_threads} thread{'s' * (self._n_threads > 1)}"
        self.engine = f"tiled: the C kernel ({LEVELS[self._level]}) on {threads}, {reason}"

    def measure(self, parameters: Arrays) -> Measure:
        """Return the cost and the number of right predictions: one forward pass."""
        return self.measure_many([parameters])[0]

    def measure_many(self, networks: Sequence[Arrays]) -> list[Measure]:
        """Measure several networks side by side, as one with a wide hidden layer."""
        with self._crew.lock:
            work, scale = self._run(networks, gradients=False)
            totals = work.totals()
            figures = zip((totals["cost"] * scale).tolist(), totals["correct"].tolist(), networks, strict=True)
        return [self.task.finish(Measure(cost, int(correct)), network) for cost, correct, network in figures]

    def evaluate(self, parameters: Arrays) -> Evaluation:
        """Return the cost, the number of right predictions and the gradients."""
        return self.evaluate_many([parameters])[0]

    def evaluate_many(self, networks: Sequence[Arrays]) -> list[Evaluation]:
        """Evaluate several networks side by side, as one with a wide hidden layer; each has units of its own."""
        n_y, evaluations, unit = len(self._Y), [], 0
        with self._crew.lock:
            work, scale = self._run(networks, gradients=True)
            totals, dW1 = work.totals(), work.collect(scale / self._scale)
            cost, correct = (totals["cost"] * scale).tolist(), totals["correct"].tolist()
            db1, dW2, db2 = ((totals[name] * scale).astype(self._dtype) for name in ("db1", "dW2", "db2"))
        for k, network in enumerate(networks):
            units = slice(unit, unit + len(network["W1"]))
            grads = {"dW1": dW1[units], "db1": db1[units, None], "dW2": dW2[:, units], "db2": db2[k].reshape(n_y, 1)}
            evaluation = Evaluation(cost[k], int(correct[k]), grads)
            evaluations.append(self.task.finish(evaluation, network))
            unit = units.stop
        return evaluations

    def rows(self, index: _Numbers) -> "Tiles":
        """Return the objective of some of the samples."""
        batch = copy(self)  # with the same lock and the same working memory
        batch._load(np.asarray(index, np.int64))  # noqa: SLF001 - its own kind
        return batch

    def _load(self, order: _Numbers) -> None:
        """Bring samples, targets and weights into tiles, in this order."""
        tile, m = self._tile, len(order)
        first, feature, x = self._source.pack(self._kernel, order, tile)
        n_tiles = self._n_tiles = len(first) - 1

        def in_tiles(values: _Numbers, filler: int) -> _Numbers:
            filled = _aligned(n_tiles * tile * len(values), values.dtype).reshape(n_tiles, len(values), tile)
            padded = np.full((len(values), n_tiles * tile), filler, values.dtype)
            padded[:, :m] = values[:, order]
            filled[:] = padded.reshape(len(values), n_tiles, tile).swapaxes(0, 1)
            return filled

        self.n_samples, self.blocks = m, (m,)
        self._total_weight = float(self._weight[order].sum(dtype=float))
        self._n_values, self._most_features = len(x), int(np.diff(first).max(initial=0))
        self._samples = Samples.of(
            n_features=self._source.n_features,
            storage=STORAGES[x.dtype.name],
            tile=tile,
            first=first,
            feature=feature,
            x=x,
            y=in_tiles(self._Y, 0),
            weight=in_tiles(self._weight[None], 0),
            label=in_tiles(self._label[None], -1),
        )
        self._n_threads = max(1, min(self._max_threads, n_tiles, len(x) // _THREAD_VALUES))

    def _check_range(self) -> None:
        x = self._samples.members["x"]
        largest = max(x.max(initial=0), -x.min(initial=0)) if x.dtype != np.uint8 else 255
        with np.errstate(all="ignore"):
            fits = np.isfinite(self._dtype.type(largest / self._scale))
        if not fits:
            message = (
                f"The samples divided by {self._scale:g} do not fit into {self._dtype}: scale them or take float64."
            )
            raise DataError(message)

    def _run(self, networks: Sequence[Arrays], *, gradients: bool) -> tuple["_Work", float]:
        """Let all threads add up their tiles; return their sums, and what makes a mean of them."""
        crew, n_threads = self._crew, self._n_threads
        crew.finish()  # what an interruption left
        sizes = tuple(len(network["W1"]) for network in networks)
        key = (sizes, n_threads)
        work = crew.work.get(key)
        if work is None or work.most_features < self._most_features:
            crew.work.clear()
            needed = min(self._source.n_features, 2 * self._most_features)  # the next mini-batch may need more
            shape = self._source.n_features, len(self._Y), self._tile
            work = _Work(self._kernel, self._dtype, self._level, self.task, shape, sizes, n_threads, needed)
            crew.work[key] = work
        work.take(networks, 1 / self._scale)
        sums = work.sums if gradients else work.costs

        numbers = {"to_tile": self._n_tiles, "step": n_threads, "level": self._level}  # each takes every so many tiles
        numbers["is_double"] = int(self._dtype.itemsize == 8)
        crew.helpers = take_helpers(self._kernel, n_threads - 1)
        for thread, helper in enumerate(crew.helpers, 1):
            helper.give(self._samples, work.networks, sums[thread], work.scratch[thread], from_tile=thread, **numbers)
        own = 0, self._n_tiles, n_threads, work.scratch[0].ctypes.data, numbers["is_double"], self._level
        self._kernel.evaluate(self._samples, work.networks, sums[0], *own)
        crew.finish()
        return work, 1 / (self._total_weight or 1.0)  # a mini-batch may weigh nothing


@dataclass
class _Crew:
    """What an objective and its mini-batches share: one lock, the threads at work, and the memory they work in."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    helpers: list[Helper] = field(default_factory=list)
    work: dict[Any, "_Work"] = field(default_factory=dict)

    def finish(self) -> None:
        """Wait for the helpers, and let others use them."""
        for helper in self.helpers:
            helper.wait()
        helpers, self.helpers = self.helpers, []
        release_helpers(helpers)


class _Work:
    """Working memory for networks of some sizes: parameters as the kernel reads them, and each thread's sums.

    Parameters
    ----------
    kernel : Kernel
    dtype : numpy.dtype
    level : int
        Of the processor.
    task : Task
    shape : (int, int, int)
        Numbers of features, outputs and samples in a tile.
    sizes : tuple of int
        Number of hidden units of each network.
    n_threads : int
    most_features : int
        That a tile may have.
    """

    def __init__(
        self,
        kernel: Kernel,
        dtype: np.dtype[Any],
        level: int,
        task: Task,
        shape: tuple[int, int, int],
        sizes: tuple[int, ...],
        n_threads: int,
        most_features: int,
    ) -> None:
        self.kernel, self.dtype, self.level, self.most_features = kernel, dtype, level, most_features
        (self.n_x, n_y, tile), K, n_h = shape, len(sizes), sum(sizes)
        line = LINE // dtype.itemsize
        n_padded = -(-n_h // line) * line
        self.n_h = n_h
        self.b1, self.W2, self.b2 = (np.empty(shape, self.dtype) for shape in (n_h, (n_y, n_h), (K, n_y)))
        self.networks = Networks.of(
            n_networks=K,
            n_hidden=n_h,
            n_padded=n_padded,
            n_y=n_y,
            activation=ACTIVATIONS.index(task.activation),
            loss=LOSSES.index(task.loss),
            unit=np.cumsum([0, *sizes], dtype=np.int64),
            W1=np.empty((n_h, self.n_x), dtype),
            b1=self.b1,
            W2=self.W2,
            b2=self.b2,
        )
        shapes = {"cost": (K,), "correct": (K,), "db1": (n_h,), "dW2": (n_y, n_h), "db2": (K, n_y)}
        self.dW1 = np.zeros((n_threads, self.n_x, n_padded))
        self.small = np.zeros((n_threads, sum(map(math.prod, shapes.values()))))
        self.shapes, self.total = shapes, np.empty(self.small.shape[1])
        self.parts = self._parts(self.total)
        each = [{**self._parts(small), "dW1": dW1} for small, dW1 in zip(self.small, self.dW1, strict=True)]
        self.sums = (Sums * n_threads)(*(Sums.of(**own) for own in each))
        forward_only = dict.fromkeys(("dW1", "db1", "dW2", "db2"))
        self.costs = [Sums.of(**{**own, **forward_only}) for own in each]
        size = self.kernel.scratch(self.networks, self.n_x, self.most_features, tile, self.dtype.itemsize == 8)
        self.scratch = [_aligned(size, self.dtype) for _ in range(n_threads)]

    def take(self, networks: Sequence[Arrays], factor: float) -> None:
        """Take the parameters of the networks, W1 times a factor."""
        unit = 0
        for k, network in enumerate(networks):
            units = slice(unit, unit + len(network["W1"]))
            self.b1[units], self.b2[k] = network["b1"][:, 0], network["b2"][:, 0]
            self.W2[:, units] = network["W2"]
            unit = units.stop
        W1 = networks[0]["W1"] if len(networks) == 1 else np.concatenate([network["W1"] for network in networks])
        W1 = np.ascontiguousarray(W1, self.dtype)
        is_double, arranged = self.dtype.itemsize == 8, self.networks.W1
        self.kernel.arrange(self.networks, self.n_x, W1.ctypes.data, factor, arranged, is_double, self.level)

    def _parts(self, small: _Numbers) -> dict[str, _Numbers]:
        """Return the sums other than dW1 that stand one after the other in an array."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes.values()])[:-1]
        parts = zip(self.shapes.items(), np.split(small, ends), strict=True)
        return {name: part.reshape(shape) for (name, shape), part in parts}

    def totals(self) -> dict[str, _Numbers]:
        """Return the sums over the threads, but for dW1."""
        self.small.sum(axis=0, out=self.total)
        return self.parts

    def collect(self, factor: float) -> _Numbers:
        """Return dW1 (n_h, n_x), the sum over the threads times a factor."""
        dW1 = np.empty((self.n_h, self.n_x), self.dtype)
        is_double = self.dtype.itemsize == 8
        self.kernel.collect(self.networks, self.n_x, self.sums, len(self.sums), factor, dW1.ctypes.data, is_double)
        return dW1


class _Source:
    """Samples as they were given, on their way into tiles.

    Parameters
    ----------
    X : array or SciPy sparse matrix of shape (n_x, m)
    dtype : numpy.dtype
        Of the computation. Bytes are kept as bytes, float32 as float32.
    """

    def __init__(self, X: Any, dtype: np.dtype[Any]) -> None:
        self.n_features, self.n_samples = X.shape
        kept = X.dtype in (np.bool_, np.uint8, np.float32)
        self.storage = (np.dtype(np.uint8) if X.dtype.itemsize == 1 else X.dtype) if kept else dtype
        self.sparse = not isinstance(X, np.ndarray)
        self.rows = X.T
        if self.sparse:
            rows = X.T.tocsr()
            if not rows.has_canonical_format:
                rows = rows.copy()  # the caller's stays as it is
                rows.sum_duplicates()
            self.rows = rows.astype(self.storage)
        elif X.dtype == np.bool_:
            self.rows = X.T.view(np.uint8)
        self.whole = self.sparse or (self.rows.dtype == self.storage and self.rows.flags.c_contiguous)
        self._stride = max(1, self.n_features // _SORT_FEATURES)
        self._some = self._not_zero(slice(None, None, max(1, self.n_samples // _SORT_SAMPLES)))
        self.share_of_zeros = 1 - float(self._some.mean())

    def pack(self, kernel: Kernel, order: _Numbers, tile: int) -> tuple[_Numbers, _Numbers, _Numbers]:
        """Return samples in tiles: where the features of each tile begin, which they are, and their values."""
        m, row_bytes = len(order), self.n_features * self.storage.itemsize
        step = m if self.whole else max(1, _BLOCK_BYTES // row_bytes // tile) * tile
        starts = range(0, m, max(1, step))
        mark, place = np.empty(self.n_features, np.uint8), np.empty(self.n_features, np.int64)
        counts = [np.zeros(1, np.int64)]
        for start in starts:
            counts.append(self._pack(kernel, order[start : start + step], tile, None, None, mark, place)[1:])
            counts[-1] += counts[-2][-1]
        first = np.concatenate(counts)
        feature, x = np.empty(first[-1], np.int32), _aligned(int(first[-1]) * tile, self.storage)
        for start in starts:
            at = first[start // tile]
            self._pack(kernel, order[start : start + step], tile, feature[at:], x[at * tile :], mark, place)
        return first, feature, x

    def alike_order(self, tile: int) -> _Numbers:
        """Return an order in which samples with the same features near zero stand together.

        The samples are halved again and again, each part along that of a few directions in which it spreads most; the
        directions are the leading principal ones of what is zero and what is not, in some of the samples and features.
        """
        m, random, some = self.n_samples, np.random.default_rng(0), self._some - self._some.mean(axis=0)
        directions = random.standard_normal((some.shape[1], _SORT_DIRECTIONS)).astype(np.float32)
        for _ in range(2):  # power iterations
            directions = np.linalg.qr(some.T @ (some @ directions))[0]
        size = max(1, _SORT_PRODUCT // directions.size)
        blocks = [slice(start, start + size) for start in range(0, m, size)]
        spread = np.concatenate([self._not_zero(block) @ directions for block in blocks])
        n_halvings = int(np.log2(m / tile))
        size = -(-m // 2**n_halvings) << n_halvings
        order = np.concatenate([np.arange(m), random.integers(0, m, size - m)])  # as many as can be halved
        place = np.arange(size)
        for _ in range(n_halvings):
            parts = place.reshape(-1, size)
            values = spread[order[parts]]
            widest = values.var(axis=1).argmax(axis=1)
            along = np.take_along_axis(values, widest[:, None, None], axis=2)[:, :, 0]
            halves = np.argpartition(along, size // 2, axis=1)
            place = np.take_along_axis(parts, halves, axis=1).ravel()
            size //= 2
        result: _Numbers = place[place < m]
        return result

    def _not_zero(self, rows: slice) -> _Numbers:
        """Return 1 where some features of some rows are not zero, else 0."""
        block = self.rows[rows][:, :: self._stride]
        dense = block.toarray() if self.sparse else block
        not_zero: _Numbers = (dense != 0).astype(np.float32)
        return not_zero

    def _pack(
        self,
        kernel: Kernel,
        order: _Numbers,
        tile: int,
        feature: _Numbers | None,
        x: _Numbers | None,
        mark: _Numbers,
        place: _Numbers,
    ) -> _Numbers:
        """Pack some samples; without `feature` and `x` only count. Return where the features of each tile begin."""
        sparse = {"start": None, "column": None}
        if self.sparse:
            values = self.rows.data
            sparse = {"start": self.rows.indptr.astype(np.int64, copy=False)}
            sparse["column"] = self.rows.indices.astype(np.int32, copy=False)
        elif self.whole:
            values = self.rows
        else:
            with np.errstate(all="ignore"):  # what goes out of range is found in the tiles
                values, order = self.rows[order].astype(self.storage, order="C"), np.arange(len(order))
        rows = Rows.of(
            n_rows=len(order),
            n_features=self.n_features,
            size=self.storage.itemsize,
            tile=tile,
            row=np.ascontiguousarray(order, np.int64),
            x=values,
            **sparse,
        )
        first = np.empty(-(-len(order) // tile) + 1, np.int64)
        addresses = [None if array is None else array.ctypes.data for array in (first, feature, x, mark, place)]
        kernel.pack(rows, *addresses)
        return first


def _aligned(n: int, dtype: np.dtype[Any]) -> _Numbers:
    """Return an array of n zeros that begins on a cache line."""
    raw = np.zeros(n * dtype.itemsize + LINE, np.uint8)
    begin = -raw.ctypes.data % LINE
    return raw[begin : begin + n * dtype.itemsize].view(dtype)
