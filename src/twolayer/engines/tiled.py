"""One fused pass over tiles of samples, in C and on all processors.

A tile holds 16 samples side by side, and only the features that are not zero in all of them. Alike samples share a
tile, so few features are left. Each tile goes forward and backward while it is in the cache. The inner loops are in
kernel.c; nothing here is slower for being Python.
"""

import math
import threading
from collections.abc import Callable, Sequence
from ctypes import addressof
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.helpers import helping
from twolayer.engines.kernel import (
    LEVELS,
    LINE,
    STORAGES,
    Kernel,
    Networks,
    Sums,
    TiledSamples,
    load_kernel,
)
from twolayer.engines.minibatch import Passes
from twolayer.engines.objective import (
    NO_GRADIENT,
    Descended,
    Descent,
    Evaluation,
    Samples,
    Task,
    never,
    out_of_range,
)
from twolayer.engines.packing import Source, aligned
from twolayer.equations import ACTIVATIONS, LOSSES
from twolayer.errors import SettingError
from twolayer.parameters import Parameters

_TILE, _TILE_BYTES = 16, 128  # samples at least, and bytes where there are few zeros to leave out
_SORT_ZEROS = 0.3  # fraction of zeros from which it pays to bring alike samples together
_THREAD_VALUES = 100_000  # in tiles, that make a thread worth its start


class Tiled:
    """Cost and gradient by the C kernel.

    Parameters
    ----------
    samples : Samples
    level : str, optional
        One of `LEVELS`; the highest that the processor has when not given.
    tile : int
        Samples in a tile: as many as fill a cache line of 64 bytes in the type of the computation, or a multiple of
        that; chosen when not given.

    Raises
    ------
    SettingError
        If the kernel was not built, or has no such level or tiles.
    DataError
        If features leave the type's range.
    """

    def __init__(self, samples: Samples, level: str | None = None, tile: int | None = None) -> None:
        kernel = load_kernel()
        if kernel is None:
            message = "The C kernel was not built when twolayer was installed: set `engine` to whole, or install GCC"
            raise SettingError(f"{message} or Clang and reinstall twolayer.")
        dtype, labels, weight = samples.dtype, samples.labels, samples.weight
        self._kernel, self.task, self._dtype = kernel, samples.task, dtype
        self._level = kernel.n_levels - 1 if level is None else LEVELS.index(level)
        if self._level >= kernel.n_levels:
            raise SettingError(f"This processor has no {level}: use one of {', '.join(LEVELS[: kernel.n_levels])}.")
        line = LINE // dtype.itemsize
        if tile is not None and (tile < 1 or tile % line):
            raise SettingError(f"In {dtype} tiles hold {line} samples or a multiple of that; got {tile}.")
        self._source = Source(samples.rows.read(0), dtype)
        self._scale, self._max_threads = samples.scale, samples.n_threads
        few_zeros = self._source.fraction_of_zeros < _SORT_ZEROS
        self._tile = tile or (max(_TILE, _TILE_BYTES // dtype.itemsize) if few_zeros else _TILE)
        self._n_y, self._codes = labels.n_outputs, labels.codes.astype(np.int32, copy=False)  # as C reads them
        self._weight = (np.ones(len(labels)) if weight is None else weight / weight.mean()).astype(dtype)
        self.n_samples = self._source.n_samples
        self.blocks: tuple[int, ...] = (self.n_samples,)
        sort = not few_zeros and self.n_samples >= 4 * self._tile
        self._all = self._pack(self._source.alike_order(self._tile) if sort else np.arange(self.n_samples))
        self._check_range()
        self._lock, self._work = threading.RLock(), dict[Any, _Work]()
        self._passes = Passes(samples, self._source, level)
        threads = f"{self._all.n_threads} thread{'s' * (self._all.n_threads > 1)}"
        self.engine = f"tiled: the C kernel ({LEVELS[self._level]}) on {threads}, {samples.reason}"

    def evaluate(
        self,
        networks: Sequence[Parameters],
        *,
        gradient: bool,
        rows: Array | None = None,
        stop: Callable[[], bool] = never,  # noqa: ARG002 - one pass is one block
    ) -> list[Evaluation]:
        """Evaluate networks side by side, as one with a wide hidden layer; each has units of its own."""
        with self._lock:
            batch = self._all if rows is None else self._pack(np.asarray(rows, np.int64))
            work, scale = self._run(batch, networks, gradient=gradient)
            totals = work.totals()
            costs, correct = (totals["cost"] * scale).tolist(), totals["correct"].tolist()
            vectors = (
                work.gradients(networks, scale, scale / self._scale) if gradient else [NO_GRADIENT] * len(networks)
            )
        return [
            self.task.finish(Evaluation(cost, int(n_right), vector), network)
            for cost, n_right, vector, network in zip(costs, correct, vectors, networks, strict=True)
        ]

    def descend(self, descent: Descent, stop: Callable[[], bool] = never) -> Descended | None:
        """Go through mini-batches in one call of the kernel."""
        return self._passes.descend(descent, stop)

    def _pack(self, order: Array) -> "_Batch":
        """Bring samples, labels and weights into tiles, in this order."""
        tile, m = self._tile, len(order)
        first, feature, x = self._source.pack(self._kernel, order, tile)
        n_tiles = len(first) - 1

        def in_tiles(values: Array, filler: int) -> Array:
            filled = aligned(n_tiles * tile * len(values), values.dtype).reshape(n_tiles, len(values), tile)
            padded = np.full((len(values), n_tiles * tile), filler, values.dtype)
            padded[:, :m] = values[:, order]
            filled[:] = padded.reshape(len(values), n_tiles, tile).swapaxes(0, 1)
            return filled

        samples = TiledSamples.of(
            n_features=self._source.n_features,
            storage=STORAGES[x.dtype.name],
            tile=tile,
            first=first,
            feature=feature,
            x=x,
            weight=in_tiles(self._weight[None], 0),
            label=in_tiles(self._codes[None], -1),
        )
        n_threads = max(1, min(self._max_threads, n_tiles, len(x) // _THREAD_VALUES))
        total_weight = float(self._weight[order].sum(dtype=float))
        return _Batch(samples, n_tiles, n_threads, int(np.diff(first).max(initial=0)), total_weight)

    def _check_range(self) -> None:
        x = self._all.samples.members["x"]
        largest = max(x.max(initial=0), -x.min(initial=0)) if x.dtype != np.uint8 else 255
        with np.errstate(all="ignore"):
            fits = np.isfinite(self._dtype.type(largest / self._scale))
        if not fits:
            raise out_of_range(self._scale, self._dtype)

    def _run(self, batch: "_Batch", networks: Sequence[Parameters], *, gradient: bool) -> tuple["_Work", float]:
        """Let all threads add up their tiles; return their sums, and what makes a mean of them."""
        n_threads = batch.n_threads
        work = self._working_memory(batch, tuple(network.sizes.n_h for network in networks))
        work.take(networks, 1 / self._scale)
        sums = work.sums if gradient else work.costs
        numbers = {"to_tile": batch.n_tiles, "step": n_threads, "level": self._level}  # each takes every so many tiles
        numbers["is_double"] = int(self._dtype.itemsize == 8)
        try:
            with helping(self._kernel, n_threads - 1) as helpers:
                for thread, helper in enumerate(helpers, 1):
                    job = batch.samples, work.networks, sums[thread]
                    addresses = dict(zip(("data", "net", "out"), map(addressof, job), strict=True))
                    scratch = work.scratch[thread]
                    more = {"pass_": None, "scratch": scratch.ctypes.data, "from_tile": thread}
                    helper.give((job, scratch), **addresses, **more, **numbers)
                own = 0, batch.n_tiles, n_threads, work.scratch[0].ctypes.data, numbers["is_double"], self._level
                self._kernel.evaluate(batch.samples, work.networks, sums[0], *own)
        except BaseException:
            self._work.clear()
            raise
        return work, 1 / (batch.total_weight or 1.0)  # a mini-batch may weigh nothing

    def _working_memory(self, batch: "_Batch", sizes: tuple[int, ...]) -> "_Work":
        """Return the memory for networks of some sizes: that of the last time, if it fits."""
        work = self._work.get((sizes, batch.n_threads))
        if work is None or work.most_features < batch.most_features:
            self._work.clear()
            needed = min(self._source.n_features, 2 * batch.most_features)  # the next mini-batch may need more
            shape = self._source.n_features, self._n_y, self._tile
            work = _Work(self._kernel, self._dtype, self._level, self.task, shape, sizes, batch.n_threads, needed)
            self._work[sizes, batch.n_threads] = work
        return work


@dataclass(frozen=True)
class _Batch:
    """Samples in tiles: all of them, or a mini-batch."""

    samples: TiledSamples
    n_tiles: int
    n_threads: int
    most_features: int
    total_weight: float


class _Work:
    """Working memory for networks of some sizes: parameters as the kernel reads them, and each thread's sums."""

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
            activation=list(ACTIVATIONS).index(task.activation),
            loss=list(LOSSES).index(task.loss),
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
        self.sums = [Sums.of(**own) for own in each]  # each keeps its arrays, which a helper writes to
        self._in_a_row = (Sums * n_threads)(*self.sums)
        forward_only = dict.fromkeys(("dW1", "db1", "dW2", "db2"))
        self.costs = [Sums.of(**{**own, **forward_only}) for own in each]
        size = self.kernel.scratch(self.networks, self.n_x, self.most_features, tile, self.dtype.itemsize == 8)
        self.scratch = [aligned(size, self.dtype) for _ in range(n_threads)]

    def take(self, networks: Sequence[Parameters], factor: float) -> None:
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

    def _parts(self, small: Array) -> dict[str, Array]:
        """Return the sums other than dW1 that stand one after the other in an array."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes.values()])[:-1]
        parts = zip(self.shapes.items(), np.split(small, ends), strict=True)
        return {name: part.reshape(shape) for (name, shape), part in parts}

    def totals(self) -> dict[str, Array]:
        """Return the sums over the threads, but for dW1."""
        self.small.sum(axis=0, out=self.total)
        return self.parts

    def gradients(self, networks: Sequence[Parameters], scale: float, scale_W1: float) -> list[Array]:
        """Return the gradient of each network: the sums over the threads, in the order of the parameters' vector."""
        vectors, unit = [], 0
        dW1 = self._collect(scale_W1)
        db1, dW2, db2 = ((self.parts[name] * scale).astype(self.dtype) for name in ("db1", "dW2", "db2"))
        for k, network in enumerate(networks):
            units = slice(unit, unit + network.sizes.n_h)
            parts = dW1[units].ravel(), db1[units], dW2[:, units].ravel(), db2[k]
            vectors.append(np.concatenate(parts))
            unit = units.stop
        return vectors

    def _collect(self, factor: float) -> Array:
        """Return dW1 (n_h, n_x), the sum over the threads times a factor."""
        dW1 = np.empty((self.n_h, self.n_x), self.dtype)
        is_double = self.dtype.itemsize == 8
        self.kernel.collect(self.networks, self.n_x, self._in_a_row, len(self.sums), factor, dW1.ctypes.data, is_double)
        return dW1
