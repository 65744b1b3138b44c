"""How raw columns become the values of a sample: plain numbers and text, kept in the model file.

A number is standardized, u = (x - mean) / deviation, and may be clipped smoothly, u / sqrt(1 + (u / clip)^2), so that
one far value cannot take over. Curves, piecewise linear, add further values made of the same number: its normal
quantile, or how far it has come through each of some bins. A missing number becomes 0, the mean; where some were
missing in the training data, a missing indicator stands beside it. A date is several numbers: its year, its month and
so on. A category becomes a value of 1 at its own place and 0 at the others; rare and unseen ones share a place, missing
ones have their own.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.rows import Rows
from twolayer.errors import DataError

MAX_COLUMNS = 20_000
MAX_LEVELS = 100
MAX_NUMBER = 1e300  # what a mean, a standard deviation and a knot are smaller than
MIN_STEP = 1e-300  # from one knot to the next
MAX_VALUE = 1e6  # of a curve
MIN_CLIP, MAX_CLIP = 1e-6, 1e6
FAR = 1e9  # bounds from the mean: what is farther is the bound itself, to the last digit
DATE_PARTS = ("year", "month", "day", "weekday", "hour", "age")  # weekdays from Monday, 0; ages in days since 1970
MAX_CURVES = 100  # of a column
MAX_KNOTS = 1000  # of a curve
_CURVED_COLUMNS = 200  # at most, where nothing is said
_MAX_CURVED = 4000  # columns with curves of an encoding, so that a model file holds it
_CLIP = 3.0
_KNOTS = 65
_BINS = 8
_LEAST_RANK = 1e-10  # for weights that are tiny
_FITTED_COLUMNS = 64  # at once
STORED_SCALE = "stored_scale"  # in the settings of a model: what an encoding has taken the place of
_ENCODED_ROWS = 4096  # at once, so that they stay in the cache while column after column is written


@dataclass(frozen=True)
class Curve:
    """A piecewise linear function of a number: constant before the first knot and after the last one.

    Attributes
    ----------
    name : str
        What is added to the name of the column, such as "quantile".
    x, y : tuple of float
        Its knots, with rising x.
    missing : float
        Its value where the number is missing.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    missing: float = 0.0


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, or a part of a column of dates.

    Attributes
    ----------
    name : str
    mean, deviation : float
        What is subtracted from a number and what it is then divided by; the latter is greater than 0.
    flagged : bool
        Whether there is a missing indicator: a last value, 1 where the number is missing.
    clip : float
        Bound that the standardized number approaches; 0 for none.
    curves : tuple of Curve
        Further values made of the number itself.
    part : str
        Which of `DATE_PARTS` the number is; "" where the column is one of numbers.
    """

    name: str
    mean: float
    deviation: float
    flagged: bool = False
    clip: float = 0.0
    curves: tuple[Curve, ...] = ()
    part: str = ""

    @property
    def value_names(self) -> list[str]:
        """Name of each value."""
        own = f"{self.name} {self.part}" if self.part else self.name
        return [own, *(f"{own} {curve.name}" for curve in self.curves), *([f"{self.name} missing"] * self.flagged)]

    @property
    def n_values(self) -> int:
        """Number of values."""
        return 1 + len(self.curves) + self.flagged

    def encode(self, numbers: Array, out: Array) -> None:
        """Write the values of numbers, NaN where missing, into the columns `out` of shape (m, n_values)."""
        missing = np.isnan(numbers)
        with np.errstate(over="ignore"):
            values = (numbers - self.mean) / self.deviation
        if self.clip:
            np.clip(values, -FAR * self.clip, FAR * self.clip, out=values)
            values /= np.sqrt(1 + (values / self.clip) ** 2)
        out[:, 0] = values
        for place, curve in enumerate(self.curves, 1):
            out[:, place] = np.interp(numbers, curve.x, curve.y)
        if self.flagged:
            out[:, -1] = missing
        if missing.any():
            out[missing, : 1 + len(self.curves)] = [0.0, *(curve.missing for curve in self.curves)]

    def check_range(self, numbers: Array, dtype: Any, source: str) -> None:
        """Check that numbers are finite, and stay so when they are standardized in a type; `source` is in the error.

        Raises
        ------
        DataError
            If they are not.
        """
        reach = math.inf if self.clip else float(np.finfo(dtype).max) * self.deviation
        if ((numbers <= self.mean - reach) | (numbers >= self.mean + reach)).any():
            what = "an infinite value" if np.isinf(numbers).any() else "a value too large to compute with"
            raise DataError(f"Column {self.name!r} of {source} has {what}: repair it.")


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

    @property
    def n_values(self) -> int:
        """Number of values."""
        return len(self.levels) + self.rare + self.flagged

    def encode(self, codes: Array, out: Array) -> None:
        """Write the values of codes into the columns `out`: k is the k-th level from 1, 0 is another, -1 is missing."""
        n = len(self.levels)
        place = np.where(codes > 0, codes - 1, np.where(codes == 0, n if self.rare else -1, n + self.rare))
        if not self.flagged:
            place = np.where(codes < 0, -1, place)
        out[:] = 0
        rows = np.flatnonzero(place >= 0)
        out[rows, place[rows]] = 1


@dataclass(frozen=True)
class UnusedColumn:
    """A column of an array that has no values, such as one that was the same in all training samples.

    Attributes
    ----------
    name : str
    """

    name: str
    value_names = ()
    n_values = 0

    def encode(self, numbers: Array, out: Array) -> None:
        """Write nothing."""


Column = NumberColumn | CategoryColumn | UnusedColumn


@dataclass(frozen=True)
class Encoding:
    """How the columns of a table, or of an array, become the values of a sample.

    Attributes
    ----------
    target : str or None
        The column that the classes come from; None for the columns of an array, which are known by their places: they
        are numbers or unused.
    columns : tuple of NumberColumn, CategoryColumn or UnusedColumn
        What a sample is made of, in this order. The parts of a date are columns of the same name beside each other.
    """

    target: str | None
    columns: tuple[Column, ...]

    @property
    def value_names(self) -> list[str]:
        """Name of each value of a sample."""
        return [name for column in self.columns for name in column.value_names]

    @property
    def scaling(self) -> str | None:
        """How the numbers are encoded, by the name of the setting; None where there are none."""
        first = next((column for column in self.columns if isinstance(column, NumberColumn)), None)
        if first is None:
            return None
        curves = {curve.name for column in self.columns if isinstance(column, NumberColumn) for curve in column.curves}
        return "quantile" if "quantile" in curves else "bins" if curves else "clip" if first.clip else "standard"

    @property
    def n_values(self) -> int:
        """Number of values of a sample."""
        return sum(column.n_values for column in self.columns)

    @property
    def fields(self) -> list[tuple[Column, ...]]:
        """The columns that are made of each raw one: the parts of a date, else one."""
        fields: list[tuple[Column, ...]] = []
        for column in self.columns:
            if isinstance(column, NumberColumn) and column.part and fields and fields[-1][0].name == column.name:
                fields[-1] += (column,)
            else:
                fields.append((column,))
        return fields

    def encode(self, raw: Sequence[Array], dtype: Any, source: str = "the samples") -> Array:
        """Return samples, (m, n_values), made of the numbers or codes of each column, as its `encode` takes them.

        Raises
        ------
        DataError
            If a number is infinite, or too large to compute with in this type; `source` is what its column is of.
        """
        X = np.empty((len(raw[0]), self.n_values), dtype)
        ends = np.cumsum([column.n_values for column in self.columns]).tolist()
        for first in range(0, len(X), _ENCODED_ROWS):
            rows = slice(first, first + _ENCODED_ROWS)
            start = 0
            for column, values, end in zip(self.columns, raw, ends, strict=True):
                if isinstance(column, NumberColumn):
                    column.check_range(values[rows], dtype, source)
                column.encode(values[rows], X[rows, start:end])
                start = end
        return X

    def encode_rows(self, rows: Any, dtype: Any, source: str = "the samples") -> Array:
        """Return the samples that rows of an array, or of a SciPy sparse matrix, become; as `encode`.

        Raises
        ------
        DataError
            As for `encode`.
        """
        X = np.empty((rows.shape[0], self.n_values), dtype)
        for first in range(0, len(X), _ENCODED_ROWS):
            part = rows[first : first + _ENCODED_ROWS]
            part = part.toarray() if hasattr(part, "toarray") else part
            X[first : first + _ENCODED_ROWS] = self.encode(list(np.array(part.T, np.float64, order="C")), dtype, source)
        return X


class EncodedRows(Rows):
    """Rows of an array as the values that an encoding makes of them.

    Parameters
    ----------
    rows : Rows
        Raw numbers, a column of the encoding each; NaN where missing.
    encoding : Encoding
    dtype : numpy.dtype
        Of the values.
    """

    def __init__(self, rows: Rows, encoding: Encoding, dtype: Any) -> None:
        self._rows, self._encoding, self.dtype = rows, encoding, np.dtype(dtype)
        self.shape, self.blocks = (rows.shape[0], encoding.n_values), rows.blocks

    def read(self, block: int) -> Array:
        """Return the values of one block."""
        return self._encoding.encode_rows(self._rows.read(block), self.dtype)


def fit_number(
    name: str, numbers: Array, scaling: str, weight: Array | None = None, *, flagged: bool | None = None
) -> NumberColumn | None:
    """Return how a column of numbers is encoded, by its training values; None where all are the same.

    Parameters
    ----------
    name : str
    numbers : array of shape (m,)
        Training values, NaN where missing.
    scaling : str
        "standard", "clip", "quantile" or "bins".
    weight : array of shape (m,), optional
        How much each counts: a weight of 2 is the same value twice, a weight of 0 is none.
    flagged : bool, optional
        Whether there is a missing indicator; where some are missing when not given.

    Returns
    -------
    NumberColumn or None

    Raises
    ------
    DataError
        If a number is infinite, or too large to add up.
    """
    x, mass, is_missing = _count_values(np.asarray(numbers, np.float64), weight)
    flagged = is_missing if flagged is None else flagged
    if len(x) and not max(-x[0], x[-1]) < MAX_NUMBER:
        raise DataError(f"Column {name!r} has numbers that are infinite or too large to add up: repair or scale them.")
    if len(x) < 2:
        return NumberColumn(name, float(x[0]), 1.0, flagged) if flagged and len(x) else None
    share = mass / mass.sum()
    mean = float((share * x).sum())
    largest = float(np.abs(x - mean).max())
    deviation = largest * math.sqrt(float((share * ((x - mean) / largest) ** 2).sum())) or largest  # no square is lost
    if scaling == "standard":
        return NumberColumn(name, mean, deviation, flagged)
    curves: tuple[Curve, ...] = ()
    if len(x) > 2 and scaling == "quantile":
        curves = _quantile_curve(x, mass)
    elif len(x) > 2 and scaling == "bins":
        curves = _bins(x, mass)
    return NumberColumn(name, mean, deviation, flagged, _CLIP, curves)


def fit_encoding(
    X: Any,
    scaling: str | None,
    weight: Array | None = None,
    *,
    names: Sequence[str] | None = None,
    flagged: bool | None = None,
) -> Encoding:
    """Return how the columns of an array are encoded, by its training rows.

    Parameters
    ----------
    X : array or SciPy sparse matrix of shape (m, n_columns)
        NaN where missing.
    scaling, weight, flagged
        As for `fit_number`.
    names : sequence of str, optional
        Of the columns; x0, x1, ... when not given.

    Returns
    -------
    Encoding
        Without a target; a column that is the same in all rows is unused.

    Raises
    ------
    DataError
        If a number is infinite, or too large to add up, or if there are more than `MAX_COLUMNS` columns.
    """
    X = X.tocsc() if hasattr(X, "tocsc") else np.asarray(X)
    if X.shape[1] > MAX_COLUMNS:
        raise DataError(f"An encoding has at most {MAX_COLUMNS:,} columns, not {X.shape[1]:,}: leave some out.")
    scaling = choose_scaling(scaling, X.shape[1])
    columns: list[Column] = []
    for first in range(0, X.shape[1], _FITTED_COLUMNS):
        part = X[:, first : first + _FITTED_COLUMNS]
        part = part.toarray() if hasattr(part, "toarray") else part
        for k, numbers in enumerate(np.array(part.T, np.float64, order="C"), first):
            name = f"x{k}" if names is None else names[k]
            columns.append(fit_number(name, numbers, scaling, weight, flagged=flagged) or UnusedColumn(name))
    return Encoding(None, tuple(columns))


def choose_scaling(scaling: str | None, n_numbers: int) -> str:
    """Return how so many columns are encoded: as is said; with curves, unless there are very many, where nothing is."""
    if scaling is None:
        return "quantile" if n_numbers <= _CURVED_COLUMNS else "clip"
    return "clip" if scaling in ("quantile", "bins") and n_numbers > _MAX_CURVED else scaling


def _count_values(numbers: Array, weight: Array | None) -> tuple[Array, Array, bool]:
    """Return the different numbers, rising, the weights of each added up, and whether some are missing."""
    if weight is not None:
        used = np.asarray(weight) > 0
        numbers, weight = numbers[used], np.asarray(weight, np.float64)[used]
    missing = np.isnan(numbers)
    is_missing = bool(missing.any())
    if is_missing:
        numbers, weight = numbers[~missing], None if weight is None else weight[~missing]
    if weight is None or (weight == weight[:1]).all():  # as the samples of a fold
        x, each = np.sort(numbers), 1.0 if weight is None or not len(weight) else weight[0]
        first = _starts(x)
        return x[first] + 0.0, each * np.diff(first, append=len(x)), is_missing
    order = np.argsort(numbers, kind="stable")
    x = numbers[order]
    first = _starts(x)
    return x[first] + 0.0, np.add.reduceat(weight[order], first), is_missing


def _starts(x: Array) -> Array:
    """Return the places at which rising numbers become others."""
    return np.flatnonzero(np.append(True, x[1:] != x[:-1])[: len(x)])


def _quantile_curve(x: Array, mass: Array) -> tuple[Curve, ...]:
    """Return the curve of the normal quantile of each number: that of the middle of its ranks."""
    from statistics import NormalDist

    rank = (np.cumsum(mass) - mass / 2) / mass.sum()
    kept = np.unique(np.searchsorted(rank, np.linspace(0, 1, _KNOTS)).clip(0, len(x) - 1))
    kept = kept[_apart(x[kept])]
    normal = NormalDist()
    y = [normal.inv_cdf(each) for each in rank[kept].clip(_LEAST_RANK, 1 - _LEAST_RANK).tolist()]
    return (Curve("quantile", tuple(x[kept].tolist()), tuple(y)),)


def _bins(x: Array, mass: Array) -> tuple[Curve, ...]:
    """Return how far each number has come through each of the bins that hold about equally many."""
    upto, total = np.cumsum(mass), mass.sum()
    inner = x[np.searchsorted(upto, np.arange(1, _BINS) * total / _BINS).clip(0, len(x) - 1)]
    edges = np.unique([x[0], *inner, x[-1]])
    edges = edges[_apart(edges)].tolist()
    curves = []
    for k, pair in enumerate(itertools.pairwise(edges), 1):
        mean = float((mass / total * np.interp(x, pair, (0.0, 1.0))).sum())
        curves.append(Curve(f"bin {k}", pair, (0.0, 1.0), mean))
    return tuple(curves)


def _apart(x: Array) -> Array:
    """Tell which of rising numbers are far enough from the one before to be knots."""
    return np.append(True, np.diff(x) >= MIN_STEP)
