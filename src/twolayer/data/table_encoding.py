"""How the columns of a table become the values of a sample: plain numbers and text, kept in the model file.

A number is standardized, (x - mean) / deviation, and a missing one becomes 0, the mean; where some were missing in the
training data, a value of 1 beside it says so. A category becomes a value of 1 at its own place and 0 at the others;
rare and unseen ones share a place, missing ones have their own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_COLUMNS = 20_000
MAX_LEVELS = 100
MAX_NUMBER = 1e300  # what a mean or a deviation is smaller than
_ENCODED_ROWS = 1024  # at once, so that they stay in the cache while column after column is written


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers.

    Attributes
    ----------
    name : str
    mean, deviation : float
        Of the training data, without the missing ones; the deviation is greater than 0.
    flagged : bool
        Whether a second value says that the number is missing.
    """

    name: str
    mean: float
    deviation: float
    flagged: bool = False

    @property
    def value_names(self) -> list[str]:
        """What each value says."""
        return [self.name, f"{self.name} missing"] if self.flagged else [self.name]

    def encode(self, numbers: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
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
        Whether one value stands for a missing category.
    """

    name: str
    levels: tuple[str, ...]
    rare: bool = False
    flagged: bool = False

    @property
    def value_names(self) -> list[str]:
        """What each value says."""
        others = [f"{self.name} rare"] * self.rare + [f"{self.name} missing"] * self.flagged
        return [*(f"{self.name}={level}" for level in self.levels), *others]

    def encode(self, codes: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
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
        """What each value of a sample says."""
        return [name for column in self.columns for name in column.value_names]

    @property
    def n_values(self) -> int:
        """Number of values of a sample."""
        return sum(len(column.value_names) for column in self.columns)

    def encode(self, raw: Sequence[np.ndarray[Any, Any]], dtype: Any) -> np.ndarray[Any, Any]:
        """Return samples made of the columns' numbers and codes.

        Parameters
        ----------
        raw : sequence of arrays of shape (m,)
            For each column, as its `encode` takes it.
        dtype : float32 or float64

        Returns
        -------
        array of shape (m, n_values)
        """
        X = np.empty((len(raw[0]), self.n_values), dtype)
        ends = np.cumsum([len(column.value_names) for column in self.columns]).tolist()
        for first in range(0, len(X), _ENCODED_ROWS):
            rows = slice(first, first + _ENCODED_ROWS)
            start = 0
            for column, values, end in zip(self.columns, raw, ends, strict=True):
                column.encode(values[rows], X[rows, start:end])
                start = end
        return X

    def rows(self, table: Any, block_rows: int | None = None, dtype: Any = np.float32) -> Any:
        """Return the samples of a table, read block by block.

        Parameters
        ----------
        table : twolayer.data.tables.Table
        block_rows : int, optional
        dtype : float32 or float64

        Returns
        -------
        twolayer.data.rows.Rows

        Raises
        ------
        DataError
            If the table has not the columns, or they are of another kind.
        """
        from twolayer.data.tables import TableRows

        return TableRows(table, self, block_rows, dtype)

    def to_record(self) -> dict[str, Any]:
        """Return the encoding as JSON values."""
        return {"target": self.target, "columns": [_to_record(column) for column in self.columns]}

    @classmethod
    def from_record(cls, record: Any) -> "TableEncoding":
        """Return the encoding of JSON values; ValueError with what is wrong if they are none."""
        if not isinstance(record, dict) or set(record) != {"target", "columns"}:
            raise ValueError("its table must have just target and columns")
        columns = record["columns"]
        if not _is_text(record["target"]) or type(columns) is not list or not 1 <= len(columns) <= MAX_COLUMNS:
            raise ValueError(f"its table must have a target and 1 to {MAX_COLUMNS:,} columns")
        encoding = cls(record["target"], tuple(map(_from_record, columns)))
        names = [column.name for column in encoding.columns]
        if len({*names, encoding.target}) <= len(names):
            raise ValueError("the names of its table's columns must differ")
        return encoding


def _to_record(column: Column) -> dict[str, Any]:
    if isinstance(column, NumberColumn):
        own = {"kind": "number", "mean": column.mean, "deviation": column.deviation}
    else:
        own = {"kind": "category", "levels": list(column.levels), "rare": column.rare}
    return {"name": column.name, "flagged": column.flagged, **own}


def _from_record(record: Any) -> Column:
    if not isinstance(record, Mapping) or not _is_text(record.get("name")) or type(record.get("flagged")) is not bool:
        raise ValueError("each column of its table must have a name and flagged")
    name, flagged = record["name"], record["flagged"]
    names = set(record) - {"name", "flagged", "kind"}
    if record.get("kind") == "number" and names == {"mean", "deviation"}:
        mean, deviation = record["mean"], record["deviation"]
        if not (_is_number(mean) and _is_number(deviation) and deviation > 0):
            raise ValueError("the mean and the deviation of a number must be finite, the deviation greater than 0")
        return NumberColumn(name, float(mean), float(deviation), flagged)
    if record.get("kind") == "category" and names == {"levels", "rare"}:
        levels, rare = record["levels"], record["rare"]
        good = type(levels) is list and type(rare) is bool and len(levels) <= MAX_LEVELS and all(map(_is_text, levels))
        if not good or len(set(levels)) < len(levels) or not (levels or rare or flagged):
            raise ValueError(f"the levels of a category must be up to {MAX_LEVELS} different texts")
        return CategoryColumn(name, tuple(levels), rare, flagged)
    raise ValueError(
        "a column of its table must be a number with mean and deviation, or a category with levels and rare"
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MAX_NUMBER and math.isfinite(value)


def _is_text(value: Any) -> bool:
    """Tell whether a value is a text that can be written in UTF-8."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False
