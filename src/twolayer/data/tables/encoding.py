"""How the columns of a table become the values of a sample: plain numbers and text, kept in the model file.

A number is standardized, (x - mean) / standard deviation, and a missing one becomes 0, the mean; where some were
missing in the training data, a missing indicator stands beside it. A category becomes a value of 1 at its own place and
0 at the others; rare and unseen ones share a place, missing ones have their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array

MAX_COLUMNS = 20_000
MAX_LEVELS = 100
MAX_NUMBER = 1e300  # what a mean or a standard deviation is smaller than
_ENCODED_ROWS = 1024  # at once, so that they stay in the cache while column after column is written


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers.

    Attributes
    ----------
    name : str
    mean, deviation : float
        Mean and standard deviation of the training data, without the missing ones; the latter is greater than 0.
    flagged : bool
        Whether there is a missing indicator: a second value, 1 where the number is missing.
    """

    name: str
    mean: float
    deviation: float
    flagged: bool = False

    @property
    def value_names(self) -> list[str]:
        """Name of each value."""
        return [self.name, f"{self.name} missing"] if self.flagged else [self.name]

    def encode(self, numbers: Array, out: Array) -> None:
        """Write the values of numbers, NaN where missing, into the columns `out` of shape (m, n_values)."""
        missing = np.isnan(numbers)
        standardized = (numbers - self.mean) / self.deviation
        out[:, 0] = np.where(missing, 0.0, standardized)
        if self.flagged:
            out[:, 1] = missing


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories.

    Attributes
    ----------
    name : str
    levels : tuple of str
        Categories with a value of their own, the most frequent first.
    rare : bool
        Whether one value stands for all other categories; without it they are 0 everywhere.
    flagged : bool
        Whether there is a missing indicator, 1 where the category is missing.
    """

    name: str
    levels: tuple[str, ...]
    rare: bool = False
    flagged: bool = False

    @property
    def value_names(self) -> list[str]:
        """Name of each value."""
        others = [f"{self.name} other"] * self.rare + [f"{self.name} missing"] * self.flagged
        return [*(f"{self.name}={level}" for level in self.levels), *others]

    def encode(self, codes: Array, out: Array) -> None:
        """Write the values of codes into the columns `out`: k is the k-th level from 1, 0 is another, -1 is missing."""
        n = len(self.levels)
        place = np.where(codes > 0, codes - 1, np.where(codes == 0, n if self.rare else -1, n + self.rare))
        if not self.flagged:
            place = np.where(codes < 0, -1, place)
        out[:] = 0
        rows = np.flatnonzero(place >= 0)
        out[rows, place[rows]] = 1


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class TableEncoding:
    """How the columns of a table become the values of a sample.

    Attributes
    ----------
    target : str
        The column that the classes come from.
    columns : tuple of NumberColumn or CategoryColumn
        What a sample is made of, in this order.
    """

    target: str
    columns: tuple[Column, ...]

    @property
    def value_names(self) -> list[str]:
        """Name of each value of a sample."""
        return [name for column in self.columns for name in column.value_names]

    @property
    def n_values(self) -> int:
        """Number of values of a sample."""
        return sum(len(column.value_names) for column in self.columns)

    def encode(self, raw: Sequence[Array], dtype: Any) -> Array:
        """Return samples, (m, n_values), made of the numbers or codes of each column, as its `encode` takes them."""
        X = np.empty((len(raw[0]), self.n_values), dtype)
        ends = np.cumsum([len(column.value_names) for column in self.columns]).tolist()
        for first in range(0, len(X), _ENCODED_ROWS):
            rows = slice(first, first + _ENCODED_ROWS)
            start = 0
            for column, values, end in zip(self.columns, raw, ends, strict=True):
                column.encode(values[rows], X[rows, start:end])
                start = end
        return X
