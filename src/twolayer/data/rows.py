"""Rows of samples, in memory or read block by block."""

import math
import mmap
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.errors import DataError

_CHECK_VALUES = 2**18
_LEFT_FREE_BYTES = 2**29  # on a disk on which samples are put for the time of a training


class Rows(ABC):
    """Rows of samples, in blocks; those in memory are one block."""

    shape: tuple[int, int]  # rows, and values in each
    dtype: np.dtype[Any]
    blocks: tuple[int, ...]  # numbers of rows in the blocks, which stand one after the other

    @abstractmethod
    def read(self, block: int) -> Any:
        """Return the rows of one block: an array, or a SciPy sparse matrix by rows."""


class MemoryRows(Rows):
    """Rows that are in memory, an array or a SciPy sparse matrix by rows: one block."""

    def __init__(self, X: Any) -> None:
        self.X, self.shape, self.dtype = X, X.shape, X.dtype
        self.blocks = (X.shape[0],)

    def read(self, block: int) -> Any:  # noqa: ARG002
        """Return all rows."""
        return self.X


class ArrayRows(Rows):
    """The rows of an array or a memory map, in blocks of so many rows at most."""

    def __init__(self, X: Array, block_rows: int) -> None:
        self.X, self._mapped = X, _memory_map(X)
        self.shape, self.dtype = X.shape, X.dtype
        self.blocks = split_evenly(len(X), block_rows)

    def read(self, block: int) -> Array:
        """Return the rows of one block, of finite numbers."""
        first = sum(self.blocks[:block])
        rows = self.X[first : first + self.blocks[block]]
        if self._mapped is not None:
            rows = np.array(rows)
            let_go(self._mapped)
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise DataError("The samples contain values that are not finite numbers: remove or repair them.")
        return rows


class SomeRows(Rows):
    """Some rows of others, chosen in rising order, in the same blocks."""

    @staticmethod
    def of(rows: Rows, chosen: Array) -> Rows:
        """Return some rows; of rows in memory, in memory."""
        return MemoryRows(rows.X[chosen]) if isinstance(rows, MemoryRows) else SomeRows(rows, chosen)

    def __init__(self, rows: Rows, chosen: Array) -> None:
        self._rows, self.dtype = rows, rows.dtype
        starts = np.concatenate([[0], np.cumsum(rows.blocks)])
        at = np.searchsorted(chosen, starts)
        parts = [chosen[a:b] - start for a, b, start in zip(at[:-1], at[1:], starts[:-1], strict=True)]
        self._parts = [(block, part) for block, part in enumerate(parts) if len(part)] or [(0, chosen[:0])]
        self.blocks = tuple(len(part) for _, part in self._parts)
        self.shape = (len(chosen), rows.shape[1])

    def read(self, block: int) -> Array:
        """Return the chosen rows of one block."""
        of_all, part = self._parts[block]
        rows: Array = self._rows.read(of_all)
        return rows if len(part) == len(rows) else rows[part]


def as_rows(X: Any) -> Rows:
    """Return samples as rows, without a copy where they are an array, a sparse matrix by rows, or rows already."""
    if isinstance(X, Rows):
        return X
    return MemoryRows(X.tocsr() if hasattr(X, "tocsr") else np.asarray(X))


def check_finite(rows: Rows, *, missing: bool = False) -> None:
    """Check that samples in memory are finite numbers, in parts, without a copy; others are checked when read.

    Where `missing` is true, NaN is a number, too: one that is missing.
    """
    if not isinstance(rows, MemoryRows) or rows.dtype.kind in "iub":
        return
    values = rows.X.data if hasattr(rows.X, "tocsr") else rows.X
    step = max(1, _CHECK_VALUES // max(1, math.prod(values.shape[1:])))
    parts = (values[first : first + step] for first in range(0, len(values), step))
    if rows.dtype.kind != "f" or any((np.isinf(part) if missing else ~np.isfinite(part)).any() for part in parts):
        raise DataError("The samples contain values that are not finite numbers: remove or repair them.")


def _memory_map(X: Any) -> Any:
    """Return the memory map that an array is a view of, if its pages are those of the file; else None."""
    while X is not None and not isinstance(X, np.memmap):
        X = getattr(X, "base", None)
    return None if X is None or X.mode == "c" else X  # pages that were written to are then nowhere on disk


def let_go(mapped: Any) -> None:
    """Let the pages of a memory map that were read leave memory; they are on disk."""
    pages: Any = getattr(mapped, "_mmap", None)  # NumPy has no other name for it
    if hasattr(pages, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


def spool(rows: Rows, block_rows: int) -> Rows:
    """Return rows that take long to read as those of a temporary file, which each pass reads quickly.

    Where the disk has no room for them, they are returned as they came.
    """
    n_bytes = rows.shape[0] * rows.shape[1] * rows.dtype.itemsize
    if not n_bytes or shutil.disk_usage(tempfile.gettempdir()).free < n_bytes + _LEFT_FREE_BYTES:
        return rows
    with tempfile.TemporaryFile(prefix="twolayer-") as file:  # without a name, it goes with the last use of it
        for block in range(len(rows.blocks)):
            rows.read(block).tofile(file)
        file.flush()
        return ArrayRows(np.memmap(file, rows.dtype, "r", shape=rows.shape), block_rows)


def split_evenly(n: int, most: int) -> tuple[int, ...]:
    """Return the sizes of the fewest blocks of at most so many that make up n, as even as can be."""
    n_blocks = max(1, -(-n // most))
    return tuple(len(part) for part in np.array_split(np.empty(n, np.uint8), n_blocks))


def gather_parts(rows: Rows, parts: Sequence[Array]) -> list[Array]:
    """Return some rows as an array for each part, which are chosen in rising order; each block is read once."""
    found = [np.empty((len(chosen), *rows.shape[1:]), rows.dtype) for chosen in parts]
    start = 0
    for block, size in enumerate(rows.blocks):
        values = rows.read(block)
        for chosen, X in zip(parts, found, strict=True):
            first, last = np.searchsorted(chosen, [start, start + size])
            X[first:last] = values[chosen[first:last] - start]
        start += size
    return found


def gather(rows: Rows, dtype: Any = None) -> Array:
    """Return all rows as one array."""
    X = np.empty(rows.shape, dtype or rows.dtype)
    end = 0
    for block, size in enumerate(rows.blocks):
        X[end : end + size] = rows.read(block)
        end += size
    return X
