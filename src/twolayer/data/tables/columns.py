"""What the columns of a table hold, counted by DuckDB, and how each is encoded by its training rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from twolayer.aliases import Array
from twolayer.data.encoding import (
    DATE_PARTS,
    MAX_LEVELS,
    MAX_NUMBER,
    CategoryColumn,
    Column,
    NumberColumn,
    choose_scaling,
    fit_number,
)
from twolayer.data.tables.tables import EXAMPLE_LENGTH, Sql, Table, as_date_part, as_number, as_text, sql_name
from twolayer.errors import DataError
from twolayer.text import count, join, shorten

_T = TypeVar("_T")
TRAINING = "{} POSITIONAL JOIN _twolayer WHERE _twolayer_kept"
ON_REQUEST = "on request"
_EXACT_ROWS = 50_000  # of more rows different values are counted approximately
GROUPED_ROWS = 1_000_000  # of more rows a text column with a value for nearly each is not looked at any closer
_RARE_ROWS = 10  # a level of fewer rows has no value of its own, in a table of some thousand rows
LEAST_COUNTED = 30  # rows from which a column of 1, 2, 3, ... can be no chance
_NUMBERS_WITH_FLAWS = 0.9
_FITTED_ROWS = 200_000  # by which the curves of columns are made
AT_ONCE = 32  # columns; the time and the memory for the different values of more grow with their square
_UNIQUE = "nearly every row has a value of its own"
_ADVICE = "; if it matters, make a few categories or numbers of it"


@dataclass(frozen=True)
class Findings:
    """What a column holds in the training rows."""

    name: str
    kind: str
    n_missing: int
    n_different: int
    summary: str
    key: tuple[Any, ...]  # equal for columns that may be the same
    encoded: tuple[Column, ...] = ()
    ignored: str | None = None


@dataclass(frozen=True)
class Number:
    """A column of numbers, or a part of a column of dates."""

    name: str
    part: str = ""

    @property
    def value(self) -> Sql:
        """The SQL of its numbers."""
        return as_date_part(sql_name(self.name), self.part) if self.part else as_number(self.name)


@dataclass(frozen=True)
class NumberFigures:
    """What is counted of the training values of a column of numbers.

    Attributes
    ----------
    n : int
        Values that are not missing.
    low, high, mean, deviation : float or None
        None where all are missing.
    n_different : int
        Approximately, of many rows.
    """

    n: int
    low: float | None
    high: float | None
    n_different: int
    mean: float | None
    deviation: float | None


@dataclass(frozen=True)
class CategoryFigures:
    """What is counted of the training values of a column of categories.

    Attributes
    ----------
    n : int
        Values that are not missing.
    n_different : int
    counted : tuple of (str, int)
        The most frequent ones and how often each occurs, falling; of those that are equally frequent, in order.
    is_unique : bool
        Whether nearly every one of very many rows has a value of its own: nothing else was counted then.
    """

    n: int
    n_different: int
    counted: tuple[tuple[str, int], ...] = ()
    is_unique: bool = False


def find_columns(
    table: Table, names: Sequence[str], ignore: list[str], n_train: int, scaling: str | None
) -> list[Findings]:
    """Return what each column holds in the training rows."""
    others = [name for name in names if table.kinds[name] == "other" and name not in ignore]
    if others:
        raise DataError(
            f"Column {others[0]!r} of {table.name} holds neither numbers nor text: leave it out with `ignore`."
        )
    n_numbers = sum({"number": 1, "date": len(DATE_PARTS)}.get(table.kinds[name], 0) for name in names)
    scaling = choose_scaling(scaling, n_numbers)
    counters = _find_counters(table, [name for name in names if name in table.whole_numbers and name not in ignore])
    numbers = [Number(name) for name in names if table.kinds[name] == "number" and name not in ignore]
    found = {column.name: column for column in _find_numbers(table, numbers, counters, n_train, scaling)}
    for name in names:
        if name in ignore:
            found[name] = Findings(name, table.kinds[name], 0, 0, "left out on request", (), ignored=ON_REQUEST)
        elif table.kinds[name] == "date":
            found[name] = _find_date(table, name, n_train, scaling)
        elif name not in found:
            found[name] = _find_category(table, name, n_train, scaling)
    return [found[name] for name in names]


def _find_date(table: Table, name: str, n_train: int, scaling: str) -> Findings:
    """Return what a column of dates holds."""
    is_duration = name in table.durations
    parts = _find_numbers(table, numbers_of_date(name, is_duration=is_duration), set(), n_train, scaling)
    return describe_date(name, parts, is_duration=is_duration)


def _find_category(table: Table, name: str, n_train: int, scaling: str) -> Findings:
    """Return what a column of categories holds."""
    figures = count_category(table, name, n_train)
    if is_mostly_text(figures):
        check_no_flaws(table.name, name, *count_flaws(table, name))
    return describe_category(name, figures, n_train, scaling)


def _find_counters(table: Table, names: Sequence[str]) -> set[str]:
    """Return the columns that only count the rows, in any order."""
    if not names or table.n_rows < LEAST_COUNTED:
        return set()
    row: list[Any] = []
    for some_names in batches(names):
        query = []
        for name in map(sql_name, some_names):
            different = _count_different(name, table.n_rows)
            query.append(f"count({name}), max({name})::DOUBLE - min({name})::DOUBLE, {different}")
        row += table.ask(f"SELECT {', '.join(query)} FROM {table.whole}")[0]
    figures = zip(names, row[0::3], row[1::3], row[2::3], strict=True)
    n = table.n_rows
    return {name for name, some, span, different in figures if some == n and span == n - 1 and different >= 0.9 * n}


def batches(columns: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield some columns at a time."""
    return (columns[first : first + AT_ONCE] for first in range(0, len(columns), AT_ONCE))


def _count_different(value: Sql, n_rows: int) -> Sql:
    return f"approx_count_distinct({value})" if n_rows > _EXACT_ROWS else f"count(DISTINCT {value})"


def _find_numbers(
    table: Table, numbers: Sequence[Number], counters: set[str], n_train: int, scaling: str
) -> list[Findings]:
    """Return what columns of numbers hold."""
    return [each for some in batches(numbers) for each in _find_some_numbers(table, some, counters, n_train, scaling)]


def _find_some_numbers(
    table: Table, numbers: Sequence[Number], counters: set[str], n_train: int, scaling: str
) -> list[Findings]:
    """Return what a few columns of numbers hold."""
    figures = count_numbers(table, numbers, n_train)
    values = [None] * len(numbers) if scaling == "standard" else read_values(table, numbers, fitted_every(n_train))
    return [
        describe_number(table.name, number, found, own, number.name in counters, n_train, scaling)
        for number, found, own in zip(numbers, figures, values, strict=True)
    ]


def _listed_values(table: Table, numbers: Sequence[Number]) -> tuple[list[str], Sql]:
    """Return names for the values of columns, and what to select these from: the training rows."""
    aliases = [f"x{k}" for k in range(len(numbers))]
    listed = ", ".join(f"{number.value} AS {x}" for x, number in zip(aliases, numbers, strict=True))
    return aliases, f"(SELECT _twolayer_row, {listed} FROM {TRAINING.format(table.whole)})"


def count_numbers(table: Table, numbers: Sequence[Number], n_train: int) -> list[NumberFigures]:
    """Return the figures of a few columns of numbers in so many training rows; DataError where one is infinite."""
    aliases, source = _listed_values(table, numbers)
    counts = (f"count({x}), min({x}), max({x}), {_count_different(x, n_train)}" for x in aliases)
    counted = table.ask(f"SELECT {', '.join(counts)} FROM {source}")[0]
    for k, name in enumerate(number.name for number in numbers):
        if math.inf in (counted[4 * k + 2], -(counted[4 * k + 1] or 0)):
            n_infinite = table.ask(f"SELECT count(*) FROM {source} WHERE isinf(x{k})")[0][0]
            message = f"Column {name!r} of {table.name} has {count(n_infinite, 'infinite value')}"
            raise DataError(f"{message}: repair it, or leave it out with `ignore`.")
    means = table.ask(f"SELECT {', '.join(f'avg({x}), stddev_pop({x})' for x in aliases)} FROM {source}")[0]
    return [NumberFigures(*counted[4 * k : 4 * k + 4], *means[2 * k : 2 * k + 2]) for k in range(len(numbers))]


def fitted_every(n_train: int) -> int:
    """Return by which rows the curves of columns are made: by every one, every second one, ..."""
    return max(1, -(-n_train // _FITTED_ROWS))


def read_values(table: Table, numbers: Sequence[Number], every: int) -> list[Array]:
    """Return the training values of columns in every so-manieth row, NaN where missing."""
    aliases, source = _listed_values(table, numbers)
    listed = ", ".join(f"coalesce({x}, 'nan'::DOUBLE) AS {x}" for x in aliases)
    where = f" WHERE _twolayer_row % {every} = 0" if every > 1 else ""
    return table.ask_arrays(f"SELECT {listed} FROM {source}{where}")


def describe_number(
    source: str,
    number: Number,
    figures: NumberFigures,
    values: Array | None,
    counts_rows: bool,  # noqa: FBT001
    n_train: int,
    scaling: str,
) -> Findings:
    """Return what a column of numbers holds, by its figures and, but for "standard", its values."""
    name, n, missing = number.name, figures.n, n_train - figures.n
    low, high, mean, deviation = (each or 0.0 for each in (figures.low, figures.high, figures.mean, figures.deviation))
    if n and not (abs(mean) < MAX_NUMBER and deviation < MAX_NUMBER):
        raise DataError(f"Column {name!r} of {source} holds numbers too large to add up: repair or scale them.")
    reason = None
    if not n:
        reason = "no values"
    elif low == high and not missing:
        reason = f"always {low:g}"
    elif counts_rows:
        reason = "counts the rows"
    summary = reason or f"{low:g} to {high:g}"
    encoded: tuple[Column, ...] = ()
    if not reason:
        deviation = deviation if low < high and deviation > 0 else 1.0
        fitted = None if values is None else fit_number(name, values, scaling, flagged=missing > 0)
        encoded = (replace(fitted or NumberColumn(name, mean, deviation, missing > 0), part=number.part),)
    key = ("number", n, figures.low, figures.high, figures.n_different, round(mean, 12) if n else None)
    summary = _with_missing(summary, missing, n)
    return Findings(name, "number", missing, figures.n_different, summary, key, encoded, reason)


def numbers_of_date(name: str, *, is_duration: bool) -> list[Number]:
    """Return the numbers that a column of dates is made of."""
    return [Number(name, part) for part in (DATE_PARTS[-1:] if is_duration else DATE_PARTS)]


def describe_date(name: str, parts: Sequence[Findings], *, is_duration: bool) -> Findings:
    """Return what a column of dates holds: those of its parts that vary."""
    age = parts[-1]
    (_, n, low, high, n_different, _) = age.key
    varying = [part for part in parts if part.n_different > 1] or [age]
    numbers = [column for part in varying for column in part.encoded if isinstance(column, NumberColumn)]
    encoded = [replace(column, flagged=False) for column in numbers]
    if encoded and age.n_missing:
        encoded[-1] = replace(encoded[-1], flagged=True)
    summary = age.ignored or ""
    if n:
        write = _days if is_duration else _time if int(low) == int(high) else _date
        as_parts = f", as {join(column.part for column in encoded)}" if encoded else ""
        summary = f"{write(low)} to {write(high)}{as_parts}" if low < high else f"always {write(low)}"
    ignored = None if encoded else summary
    key = ("date", *age.key[1:])
    summary = _with_missing(summary, age.n_missing, n)
    return Findings(name, "date", age.n_missing, n_different, summary, key, tuple(encoded), ignored)


def _days(days: float) -> str:
    return f"{days:g} d"


def _date(days: float) -> str:
    """Return the date so many days after the beginning of 1970."""
    return str(np.datetime64(math.floor(days), "D"))


def _time(days: float) -> str:
    """Return the date and the time so many days after the beginning of 1970; the time alone on that day."""
    time = str(np.datetime64(round(days * 86_400), "s")).replace("T", " ")
    return time.removesuffix(" 00:00:00").removeprefix("1970-01-01 ")


def count_category(table: Table, name: str, n_train: int, most: int = MAX_LEVELS) -> CategoryFigures:
    """Return the figures of a column of categories in so many training rows, of the most frequent so many values."""
    value, training = as_text(name), TRAINING.format(table.whole)
    if n_train > GROUPED_ROWS:
        (n_values,) = table.ask(f"SELECT approx_count_distinct({value}) FROM {training}")[0]
        if n_values > n_train / 2:
            return CategoryFigures(n_train, n_values, is_unique=True)
    grouped = f"SELECT v, count(*) AS n FROM (SELECT {value} AS v FROM {training}) GROUP BY v"
    figures = "v, n, sum(n) OVER ()::BIGINT, count(*) OVER ()"
    limited = f"SELECT {figures} FROM ({grouped}) WHERE v IS NOT NULL ORDER BY n DESC, v LIMIT {most}"
    rows = table.ask(limited)
    n, n_different = rows[0][2:] if rows else (0, 0)
    return CategoryFigures(n, n_different, tuple(row[:2] for row in rows))


def is_mostly_text(figures: CategoryFigures) -> bool:
    """Tell whether a column has so many values that they may be texts, or numbers with flaws."""
    return not figures.is_unique and figures.n_different > min(MAX_LEVELS, figures.n / 2)


def describe_category(name: str, figures: CategoryFigures, n_train: int, scaling: str) -> Findings:
    """Return what a column of categories holds, by its figures."""
    n, n_different, counted = figures.n, figures.n_different, figures.counted[:MAX_LEVELS]
    if figures.is_unique:
        return Findings(name, "category", 0, n_different, _UNIQUE, ("many", name), ignored=_UNIQUE + _ADVICE)
    missing = n_train - n
    least = max(2, min(_RARE_ROWS, n_train // 200))
    levels = tuple(level for level, n_rows in counted if n_rows >= least)
    n_covered = sum(n_rows for _, n_rows in counted[: len(levels)])
    reason, advice = None, ""
    if not n:
        reason = "no values"
    elif n_different == 1 and not missing:
        reason = f"always {shorten(counted[0][0], EXAMPLE_LENGTH)}"
    elif not levels:
        reason = _UNIQUE if n_different > n_train / 2 else f"no value occurs in {least} rows or more"
        advice = _ADVICE
    elif scaling != "standard" and is_mostly_text(figures) and n_covered < n / 2:
        reason, advice = f"{n_different:,} different texts, most of them in few rows", _ADVICE
    n_other = n_different - len(levels)
    other = f", {n_other:,} other" if n_other else ""
    summary = _with_missing(reason or f"{count(len(levels), 'level')}{other}", missing, n)
    encoded = () if reason else (CategoryColumn(name, levels, n_other > 0, missing > 0),)
    key = ("category", n, n_different, tuple(n_rows for _, n_rows in counted))
    return Findings(name, "category", missing, n_different, summary, key, encoded, reason and reason + advice)


def count_flaws(table: Table, name: str) -> tuple[int, int, str | None]:
    """Return how many values a column of texts has, how many of them are no numbers, and one of these."""
    value = as_text(name)
    text = f"{value} IS NOT NULL AND TRY_CAST({value} AS DOUBLE) IS NULL"
    figures = f"count({value}), count(*) FILTER (WHERE {text}), any_value({value}) FILTER (WHERE {text})"
    n, n_texts, example = table.ask(f"SELECT {figures} FROM {table.whole}")[0]
    return n, n_texts, example


def check_no_flaws(source: str, name: str, n: int, n_texts: int, example: str | None) -> None:
    """Check that a column with many texts is not one of numbers with a few texts among them."""
    if 0 < n_texts <= (1 - _NUMBERS_WITH_FLAWS) * n:
        text = f"text such as {shorten(example, EXAMPLE_LENGTH)!r} in {count(n_texts, 'row')}"
        message = f"Column {name!r} of {source} holds numbers, but {text}"
        raise DataError(f"{message}: repair it, or leave it out with `ignore`.")


def _with_missing(summary: str, missing: int, n: int) -> str:
    return f"{summary}; {missing:,} missing" if missing and n else summary
