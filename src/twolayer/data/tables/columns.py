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
_GROUPED_ROWS = 1_000_000  # of more rows a text column with a value for nearly each is not looked at any closer
_RARE_ROWS = 10  # a level of fewer rows has no value of its own, in a table of some thousand rows
_LEAST_COUNTED = 30  # rows from which a column of 1, 2, 3, ... can be no chance
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
class _Number:
    """A column of numbers, or a part of a column of dates."""

    name: str
    part: str = ""

    @property
    def value(self) -> Sql:
        return as_date_part(sql_name(self.name), self.part) if self.part else as_number(self.name)


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
    numbers = [_Number(name) for name in names if table.kinds[name] == "number" and name not in ignore]
    found = {column.name: column for column in _find_numbers(table, numbers, counters, n_train, scaling)}
    for name in names:
        if name in ignore:
            found[name] = Findings(name, table.kinds[name], 0, 0, "left out on request", (), ignored=ON_REQUEST)
        elif table.kinds[name] == "date":
            found[name] = _find_date(table, name, n_train, scaling)
        elif name not in found:
            found[name] = _find_category(table, name, n_train, scaling)
    return [found[name] for name in names]


def _find_counters(table: Table, names: Sequence[str]) -> set[str]:
    """Return the columns that only count the rows, in any order."""
    if not names or table.n_rows < _LEAST_COUNTED:
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
    table: Table, numbers: Sequence[_Number], counters: set[str], n_train: int, scaling: str
) -> list[Findings]:
    """Return what columns of numbers hold."""
    return [each for some in batches(numbers) for each in _find_some_numbers(table, some, counters, n_train, scaling)]


def _find_some_numbers(
    table: Table, numbers: Sequence[_Number], counters: set[str], n_train: int, scaling: str
) -> list[Findings]:
    """Return what a few columns of numbers hold."""
    aliases = [f"x{k}" for k in range(len(numbers))]
    listed = ", ".join(f"{number.value} AS {x}" for x, number in zip(aliases, numbers, strict=True))
    source = f"(SELECT _twolayer_row, {listed} FROM {TRAINING.format(table.whole)})"
    counts = (f"count({x}), min({x}), max({x}), {_count_different(x, n_train)}" for x in aliases)
    counted = table.ask(f"SELECT {', '.join(counts)} FROM {source}")[0]
    for k, name in enumerate(number.name for number in numbers):
        if math.inf in (counted[4 * k + 2], -(counted[4 * k + 1] or 0)):
            n_infinite = table.ask(f"SELECT count(*) FROM {source} WHERE isinf(x{k})")[0][0]
            message = f"Column {name!r} of {table.name} has {count(n_infinite, 'infinite value')}"
            raise DataError(f"{message}: repair it, or leave it out with `ignore`.")
    means = table.ask(f"SELECT {', '.join(f'avg({x}), stddev_pop({x})' for x in aliases)} FROM {source}")[0]
    values = [] if scaling == "standard" else _read_values(table, source, aliases, n_train)
    columns = []
    for k, number in enumerate(numbers):
        name = number.name
        (n, low, high, n_different), (mean, deviation) = counted[4 * k : 4 * k + 4], means[2 * k : 2 * k + 2]
        missing = n_train - n
        if n and not (abs(mean) < MAX_NUMBER and deviation < MAX_NUMBER):
            raise DataError(f"Column {name!r} of {table.name} holds numbers too large to add up: repair or scale them.")
        reason = None
        if not n:
            reason = "no values"
        elif low == high and not missing:
            reason = f"always {low:g}"
        elif name in counters:
            reason = "counts the rows"
        summary = reason or f"{low:g} to {high:g}"
        encoded: tuple[Column, ...] = ()
        if not reason:
            deviation = deviation if low < high and deviation > 0 else 1.0
            fitted = fit_number(name, values[k], scaling, flagged=missing > 0) if values else None
            encoded = (replace(fitted or NumberColumn(name, mean, deviation, missing > 0), part=number.part),)
        key = ("number", n, low, high, n_different, None if mean is None else round(mean, 12))
        columns.append(
            Findings(name, "number", missing, n_different, _with_missing(summary, missing, n), key, encoded, reason)
        )
    return columns


def _read_values(table: Table, source: Sql, aliases: Sequence[str], n_train: int) -> list[Array]:
    """Return the training values of columns, NaN where missing; of many rows evenly spaced ones."""
    listed = ", ".join(f"coalesce({x}, 'nan'::DOUBLE) AS {x}" for x in aliases)
    every = -(-n_train // _FITTED_ROWS)
    where = f" WHERE _twolayer_row % {every} = 0" if every > 1 else ""
    return table.ask_arrays(f"SELECT {listed} FROM {source}{where}")


def _find_date(table: Table, name: str, n_train: int, scaling: str) -> Findings:
    """Return what a column of dates holds: those of its parts that vary."""
    wanted = DATE_PARTS[-1:] if name in table.durations else DATE_PARTS
    parts = _find_numbers(table, [_Number(name, part) for part in wanted], set(), n_train, scaling)
    age = parts[-1]
    (_, n, low, high, n_different, _) = age.key
    varying = [part for part in parts if part.n_different > 1] or [age]
    numbers = [column for part in varying for column in part.encoded if isinstance(column, NumberColumn)]
    encoded = [replace(column, flagged=False) for column in numbers]
    if encoded and age.n_missing:
        encoded[-1] = replace(encoded[-1], flagged=True)
    summary = age.ignored or ""
    if n:
        write = _days if name in table.durations else _time if int(low) == int(high) else _date
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


def _find_category(table: Table, name: str, n_train: int, scaling: str) -> Findings:
    """Return what a column of categories holds."""
    value, training = as_text(name), TRAINING.format(table.whole)
    if n_train > _GROUPED_ROWS:
        (n_values,) = table.ask(f"SELECT approx_count_distinct({value}) FROM {training}")[0]
        if n_values > n_train / 2:
            return Findings(name, "category", 0, n_values, _UNIQUE, ("many", name), ignored=_UNIQUE + _ADVICE)
    grouped = f"SELECT v, count(*) AS n FROM (SELECT {value} AS v FROM {training}) GROUP BY v"
    figures = "v, n, sum(n) OVER ()::BIGINT, count(*) OVER ()"
    limited = f"SELECT {figures} FROM ({grouped}) WHERE v IS NOT NULL ORDER BY n DESC, v LIMIT {MAX_LEVELS}"
    rows = table.ask(limited)
    n, n_different = rows[0][2:] if rows else (0, 0)
    counted = [row[:2] for row in rows]
    missing = n_train - n
    least = max(2, min(_RARE_ROWS, n_train // 200))
    levels = tuple(level for level, n_rows in counted if n_rows >= least)
    is_text = n_different > min(MAX_LEVELS, n / 2)
    if is_text:
        _check_no_flawed_numbers(table, name)
    n_covered = sum(n_rows for _, n_rows in counted[: len(levels)])
    reason, advice = None, ""
    if not n:
        reason = "no values"
    elif n_different == 1 and not missing:
        reason = f"always {shorten(counted[0][0], EXAMPLE_LENGTH)}"
    elif not levels:
        reason = _UNIQUE if n_different > n_train / 2 else f"no value occurs in {least} rows or more"
        advice = _ADVICE
    elif scaling != "standard" and is_text and n_covered < n / 2:
        reason, advice = f"{n_different:,} different texts, most of them in few rows", _ADVICE
    n_other = n_different - len(levels)
    other = f", {n_other:,} other" if n_other else ""
    summary = _with_missing(reason or f"{count(len(levels), 'level')}{other}", missing, n)
    encoded = () if reason else (CategoryColumn(name, levels, n_other > 0, missing > 0),)
    key = ("category", n, n_different, tuple(n_rows for _, n_rows in counted))
    return Findings(name, "category", missing, n_different, summary, key, encoded, reason and reason + advice)


def _check_no_flawed_numbers(table: Table, name: str) -> None:
    """Check that a column with many texts is not one of numbers with a few texts among them."""
    value = as_text(name)
    text = f"{value} IS NOT NULL AND TRY_CAST({value} AS DOUBLE) IS NULL"
    figures = f"count({value}), count(*) FILTER (WHERE {text}), any_value({value}) FILTER (WHERE {text})"
    n, n_texts, example = table.ask(f"SELECT {figures} FROM {table.whole}")[0]
    if 0 < n_texts <= (1 - _NUMBERS_WITH_FLAWS) * n:
        text = f"text such as {shorten(example, EXAMPLE_LENGTH)!r} in {count(n_texts, 'row')}"
        message = f"Column {name!r} of {table.name} holds numbers, but {text}"
        raise DataError(f"{message}: repair it, or leave it out with `ignore`.")


def _with_missing(summary: str, missing: int, n: int) -> str:
    return f"{summary}; {missing:,} missing" if missing and n else summary
