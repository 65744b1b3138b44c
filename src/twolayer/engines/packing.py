"""Samples as they were given, on their way into the C kernel: bytes are kept as bytes, float32 as float32."""

from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.kernel import LINE, Kernel, PackedRows

_BLOCK_BYTES = 2**24  # of features converted at once
_SORT_FEATURES = 200  # features looked at for that
_SORT_SAMPLES = 100  # samples that tell in which directions the samples differ
_SORT_DIRECTIONS = 8
_SORT_PRODUCT = 2**17  # multiplications in a product: for more BLAS has threads, which wait where ours are to run


class Source:
    """Samples as they were given, on their way into tiles: bytes are kept as bytes, float32 as float32."""

    def __init__(self, X: Any, dtype: np.dtype[Any]) -> None:
        self.n_samples, self.n_features = X.shape
        kept = X.dtype in (np.bool_, np.uint8, np.float32)
        self.storage = (np.dtype(np.uint8) if X.dtype.itemsize == 1 else X.dtype) if kept else dtype
        self.sparse = not isinstance(X, np.ndarray)
        self.rows = X
        if self.sparse:
            rows = X.tocsr()
            if not rows.has_canonical_format:
                rows = rows.copy()  # the caller's stays as it is
                rows.sum_duplicates()
            self.rows = rows.astype(self.storage)
        elif X.dtype == np.bool_:
            self.rows = X.view(np.uint8)
        self.whole = self.sparse or (self.rows.dtype == self.storage and self.rows.flags.c_contiguous)
        self._stride = max(1, self.n_features // _SORT_FEATURES)
        self._some = self._not_zero(slice(None, None, max(1, self.n_samples // _SORT_SAMPLES)))
        self.fraction_of_zeros = 1 - float(self._some.mean())

    def pack(self, kernel: Kernel, order: Array, tile: int) -> tuple[Array, Array, Array]:
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
        feature, x = np.empty(first[-1], np.int32), aligned(int(first[-1]) * tile, self.storage)
        for start in starts:
            at = first[start // tile]
            self._pack(kernel, order[start : start + step], tile, feature[at:], x[at * tile :], mark, place)
        return first, feature, x

    def alike_order(self, tile: int) -> Array:
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
        result: Array = place[place < m]
        return result

    def _not_zero(self, rows: slice) -> Array:
        """Return 1 where some features of some rows are not zero, else 0."""
        block = self.rows[rows][:, :: self._stride]
        dense = block.toarray() if self.sparse else block
        not_zero: Array = (dense != 0).astype(np.float32)
        return not_zero

    def _pack(
        self,
        kernel: Kernel,
        order: Array,
        tile: int,
        feature: Array | None,
        x: Array | None,
        mark: Array,
        place: Array,
    ) -> Array:
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
        rows = PackedRows.of(
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


def aligned(n: int, dtype: np.dtype[Any]) -> Array:
    """Return an array of n zeros that begins on a cache line."""
    raw = np.zeros(n * dtype.itemsize + LINE, np.uint8)
    begin = -raw.ctypes.data % LINE
    return raw[begin : begin + n * dtype.itemsize].view(dtype)
