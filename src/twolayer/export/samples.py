"""Samples for an exported file to test itself with."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.encoding import CategoryColumn, Encoding, NumberColumn, UnusedColumn
from twolayer.data.tables import MISSING
from twolayer.errors import DataError
from twolayer.model import Model
from twolayer.text import free_name

SPACES = "\t\n\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
N_SAMPLES = 10
TOLERANCE = 1e-6  # of probabilities that are computed in float64
_ROUNDINGS = 10  # another order of additions may differ this many times as much as the model's own rounding
_ANY_AGE = NumberColumn("", 15_000.0, 5_000.0)
_DAYS = (-700_000, 2_900_000)  # years of one to four digits
_CANDIDATES_EACH = 100
_CANDIDATE_VALUES = 2**22


@dataclass(frozen=True)
class SelfTest:
    """Samples with the probabilities of their classes.

    Attributes
    ----------
    rows : list
        Lists of n_features numbers, before division by `scale`, or None where one is missing. For a model of a table,
        dicts of the columns' names to a number, a text, seconds since 1970 for a date, or None.
    probabilities : array of shape (n, n_classes), float64
        What the model gives when it computes in float64.
    deviation : float
        The largest difference between these and what the model gives in its own type, which may be float32.
    """

    rows: list[Any]
    probabilities: Array
    deviation: float

    @property
    def tolerance(self) -> float:
        """How far an export may be off that computes in the model's own type, adding in another order."""
        return TOLERANCE + _ROUNDINGS * self.deviation


def make_samples(model: Model, n: int = N_SAMPLES) -> SelfTest:
    """Return samples that resemble data, ordered from uncertain to certain predictions.

    Equal models give equal samples. With an encoding, the first sample has every value missing. For a table, the second
    has texts that are no level; the others have levels, missing values, and texts with white space at their ends.

    Parameters
    ----------
    model : Model
    n : int
        Number of samples, at least 3.

    Returns
    -------
    SelfTest

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    parameters = model.parameters
    random = np.random.default_rng(zlib.crc32(b"".join(parameters[name].tobytes() for name in sorted(parameters))))
    n_candidates = n + min(_CANDIDATES_EACH * n, _CANDIDATE_VALUES // model.n_inputs)
    if model.encoding is None:
        X = _plain_rows(model, n_candidates, random)
        rows, always = X.tolist(), []
    else:
        rows, X = _encoded_rows(model.encoding, n_candidates, random)
        always = [0, 1]
    network = replace(model, encoding=None, input_shape=(model.n_inputs,))
    exact = in_type(network, np.float64)
    order = np.argsort(exact.predict_proba(X).max(axis=1), kind="stable")
    order = order[~np.isin(order, always)]
    steps = np.linspace(0, 1, n - len(always)) ** 3  # an error in an export shows where the network is uncertain
    chosen = always + order[np.round(steps * (len(order) - 1)).astype(int)].tolist()
    probabilities = exact.predict_proba(X[chosen])
    if not np.isfinite(probabilities).all():
        raise DataError("The outputs of the network are not finite numbers: train it again.")
    deviations = np.abs(network.predict_proba(X[chosen]) - probabilities)
    return SelfTest([rows[k] for k in chosen], probabilities, float(np.nan_to_num(deviations, nan=1.0).max()))


def in_type(model: Model, dtype: Any) -> Model:
    """Return a model with its parameters in another type."""
    with np.errstate(over="ignore"):
        return replace(model, parameters={name: value.astype(dtype) for name, value in model.parameters.items()})


def _plain_rows(model: Model, n: int, random: np.random.Generator) -> Array:
    """Return numbers from 0 to the scale, few or many of them 0; without a scale normal ones, large or small."""
    shape = (n, model.n_features)
    if model.scale == 1:
        return _round(random.standard_normal(shape) * random.choice([0.3, 1.0, 3.0], (n, 1)), 3)
    parts = random.random(shape) * (random.random(shape) < random.random((n, 1)))
    return np.floor(parts * model.scale) if model.scale >= 100 else _round(parts, 3) * model.scale


def _round(values: Array, decimals: int) -> Array:
    """Return numbers of few digits, none of them -0."""
    return np.round(values, decimals) + 0.0


def _encoded_rows(encoding: Encoding, n: int, random: np.random.Generator) -> tuple[list[Any], Array]:
    """Return rows, those of a table as dicts, and as the values that the encoding gives."""
    values: list[list[Any]] = []
    raw: list[Array] = []
    names = []
    for columns in encoding.fields:
        names.append(columns[0].name)
        if isinstance(columns[0], CategoryColumn):
            texts, codes = _texts(columns[0], n, random)
            values.append(texts)
            raw.append(codes)
            continue
        numbers = _dates(columns, n, random) if getattr(columns[0], "part", "") else _numbers(columns[0], n, random)
        values.append([None if math.isnan(number) else number for number in numbers.tolist()])
        raw += [date_part(numbers, getattr(column, "part", "")) for column in columns]
    is_table, X = encoding.target is not None, encoding.encode(raw, np.float64)
    tuples = zip(*values, strict=True)
    return [dict(zip(names, row, strict=True)) if is_table else list(row) for row in tuples], X


def _numbers(column: NumberColumn | UnusedColumn, n: int, random: np.random.Generator) -> Array:
    """Return numbers around the mean, some of them missing, and far ones where a column bends them."""
    if isinstance(column, UnusedColumn):
        return np.zeros(n)
    z = random.standard_normal(n)
    z = z * np.abs(z) if column.clip or column.curves else z
    decimals = 2 - math.floor(math.log10(column.deviation))
    numbers = [round(column.mean + column.deviation * each, decimals) + 0.0 for each in z.tolist()]
    return _without_some(np.array(numbers), random)


def _dates(parts: Sequence[Any], n: int, random: np.random.Generator) -> Array:
    """Return dates around the mean, as whole seconds, some of them missing."""
    age = next((part for part in parts if part.part == "age"), _ANY_AGE)
    days = (age.mean + age.deviation * random.standard_normal(n)).clip(*_DAYS)
    return _without_some(np.round(days * 86_400), random)


def _without_some(numbers: Array, random: np.random.Generator) -> Array:
    """Return numbers, NaN in the place of some, and of the first."""
    missing = random.random(len(numbers)) < 0.1
    missing[0] = True
    return np.where(missing, np.nan, numbers)


def date_part(seconds: Array, part: str) -> Array:
    """Return a part of dates in seconds since 1970, one of `DATE_PARTS`; numbers as they are if it is ""."""
    if not part:
        return seconds
    time = np.floor(np.nan_to_num(seconds)).astype("datetime64[s]")
    day, month = time.astype("datetime64[D]"), time.astype("datetime64[M]")
    parts = {
        "year": time.astype("datetime64[Y]").astype(np.int64) + 1970,
        "month": month.astype(np.int64) % 12 + 1,
        "day": (day - month.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": (day.astype(np.int64) + 3) % 7,
        "hour": (time - day).astype(np.int64) // 3600,
        "age": seconds / 86_400,
    }
    return np.where(np.isnan(seconds), np.nan, parts[part])


def _texts(column: CategoryColumn, n: int, random: np.random.Generator) -> tuple[list[str | None], Array]:
    """Return levels, some in white space, missing values and another text, with their codes."""
    levels = [(level, code) for code, level in enumerate(column.levels, start=1) if _is_reachable(level)]
    other = free_name("another", column.levels)
    values, codes = [], []
    for k in range(n):
        kind = 0.0 if k == 0 else 0.15 if k == 1 or not levels else random.random()
        if kind < 0.1:
            text, code = [None, "", "NA"][k % 3], -1
        elif kind < 0.2:
            text, code = other, 0
        else:
            text, code = levels[random.integers(len(levels))]
            text = f" {text}\t" if kind < 0.3 else text
        values.append(text)
        codes.append(code)
    return values, np.array(codes)


def _is_reachable(level: str) -> bool:
    """Tell whether a text in a table can be this level in every language; a text of C ends at NUL."""
    return level.strip(SPACES) == level and level not in MISSING and "\0" not in level
