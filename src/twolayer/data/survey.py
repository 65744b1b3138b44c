"""A table before training: the kinds of its columns, how they are encoded, and what a person should know about them.

Everything is counted by DuckDB, so that a table larger than memory is no other case. What is learned of the columns,
means and levels, is learned of the training rows alone.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from twolayer.data.report import DataReport, percent, warn_of_classes
from twolayer.data.split import hold_out
from twolayer.data.table_encoding import MAX_LEVELS, MAX_NUMBER, CategoryColumn, Column, NumberColumn, TableEncoding
from twolayer.data.tables import Sql, Table, as_number, as_text, select, shortened, sql_name
from twolayer.errors import DataError, SettingError

_T = TypeVar("_T")
MAX_CLASSES = 1000
_EXACT_ROWS = 50_000  # of more rows different values are counted approximately
_GROUPED_ROWS = 1_000_000  # of more rows a text column with a value for nearly each is not looked at any closer
_COMPARED_ROWS = 2_000_000  # rows are compared with each other in tables of at most so many
_RARE_ROWS = 10  # a level of fewer rows is rare, in a table of some thousand rows
_FAR_DEVIATIONS = 15
_FEW_VALUES = 10  # such as marks of 0 and 1, of which a rare one is far from the mean and no flaw
_MOSTLY = 0.5
_LEAST_COUNTED = 30  # rows from which a column of 1, 2, 3, ... can be no chance
_NUMBERS_WITH_FLAWS = 0.9
_UNCERTAIN = 2.0**53  # from here on neighbours become the same number
_ON_REQUEST = "on request"
_AT_ONCE = 32  # columns; the time and the memory for the different values of more grow with their square
_UNIQUE = "nearly every row has a value of its own"


@dataclass(frozen=True)
class Survey:
    """What was found out about a table.

    Attributes
    ----------
    encoding : TableEncoding
    classes : tuple of int or of str
        In order, of two the positive one second.
    codes : integer array of shape (n_rows,)
        Place of each row's class among the classes, -1 where the target is missing.
    train, test : arrays of int
        Rows to learn from and rows held out, in rising order.
    report : DataReport
    """

    encoding: TableEncoding
    classes: tuple[Any, ...]
    codes: np.ndarray[Any, Any]
    train: np.ndarray[Any, Any]
    test: np.ndarray[Any, Any]
    report: DataReport


@dataclass(frozen=True)
class _Found:
    """What a column holds in the training rows."""

    name: str
    kind: str
    n_missing: int
    n_different: int
    summary: str
    key: tuple[Any, ...]  # equal for columns that may be the same
    encoded: Column | None = None
    ignored: str | None = None


def survey_table(
    table: Table,
    target: str,
    *,
    ignore: Sequence[str] = (),
    positive: str | None = None,
    share: float = 0.0,
    random_state: int = 0,
    keep_spellings: bool = False,
    compare_rows: bool = True,
) -> Survey:
    """Look at a table that is to be learned from.

    Parameters
    ----------
    table : Table
    target : str
        The column of the classes.
    ignore : sequence of str
        Columns to leave out.
    positive : str, optional
        Which of two classes is the positive one; the second in order when not given.
    share : float
        Of the rows, held out.
    random_state : int
        Seed of the rows that are held out.
    keep_spellings : bool
        Take classes that differ in upper and lower case alone for different ones.
    compare_rows : bool
        Look for rows that are the same, which takes memory.

    Returns
    -------
    Survey

    Raises
    ------
    DataError
        If the target is not there or makes no classes, or a column cannot be used.
    """
    table.check_columns([target], "the target")
    table.check_columns(list(ignore), "to be ignored")
    if target in ignore:
        raise SettingError(f"{target!r} is the target and cannot be ignored: take one of them back.")
    classes = order_classes(_find_classes(table, target, keep_spellings=keep_spellings), positive)
    codes = code_target(table, target, classes)
    known = np.flatnonzero(codes >= 0)
    rest, out = hold_out(codes[known], share, random_state)
    train, test = known[rest], known[out]
    kept = np.zeros(table.n_rows, bool)
    kept[train] = True
    marks = {"_twolayer_kept": kept, "_twolayer_code": codes, "_twolayer_row": np.arange(table.n_rows)}
    table.register("_twolayer", marks)
    found = _find_columns(table, [name for name in table.kinds if name != target], list(ignore), len(train))
    columns = tuple(column.encoded for column in found if column.encoded is not None)
    if not columns:
        raise DataError(f"{table.name} has no column to learn from beside {target!r}: name another table.")
    encoding = TableEncoding(target, columns)
    warnings = [
        *_warn_of_target(table, target, len(codes) - len(known)),
        *warn_of_classes(classes, codes[train], codes[test]),
        *_warn_of_columns(table, found, len(train), len(classes)),
        *(_warn_of_rows(table, found, len(test)) if compare_rows and table.n_rows <= _COMPARED_ROWS else ()),
    ]
    counts = dict(zip(map(str, classes), np.bincount(codes[train], minlength=len(classes)).tolist(), strict=True))
    shown = tuple((column.name, "ignored" if column.ignored else column.kind, column.summary) for column in found)
    report = DataReport(len(train), len(test), target, counts, shown, tuple(warnings))
    return Survey(encoding, classes, codes, train, test, report)


def code_target(table: Table, target: str, classes: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return the place of each row's class among the classes, -1 where the target is missing.

    Raises
    ------
    DataError
        If there is no such column, or it holds another class.
    """
    table.check_columns([target], "the target")
    value, kind = (as_text(target), "VARCHAR") if isinstance(classes[0], str) else (as_number(target), "DOUBLE")
    if kind == "DOUBLE" and table.kinds[target] == "category":
        value = f"TRY_CAST({as_text(target)} AS DOUBLE)"
    wanted = {"classes": list(classes)}
    place = f"list_position($classes::{kind}[], {value})"
    expression = f"CAST(coalesce({place}, CASE WHEN {as_text(target)} IS NULL THEN 0 ELSE -1 END) AS INTEGER) - 1"
    parts = [select(table, [expression], k, 0, n, wanted)[0] for k, (_, _, n) in enumerate(table.parts)]
    codes = np.concatenate(parts).astype(np.int32)
    strange = np.flatnonzero(codes == -2)
    if len(strange):
        (label,) = table.ask(
            f"SELECT {as_text(target)} FROM {table.whole} WHERE {expression} = -2 LIMIT 1",
            wanted,
        )[0]
        known = ", ".join(map(str, classes[:10]))
        raise DataError(
            f"{table.name} has a class {shortened(label)!r} in {target!r} that is not known (known: {known})."
        )
    return codes


def order_classes(classes: Sequence[Any], positive: str | None) -> tuple[Any, ...]:
    """Return classes in order, of two the positive one second.

    Raises
    ------
    DataError
        If there are not two, or none of them is the positive one.
    """
    if positive is None:
        return tuple(classes)
    named = [label for label in classes if str(label) == positive]
    if len(classes) != 2 or not named:
        listed = ", ".join(map(str, classes[:10]))
        raise DataError(f"The positive class must be one of two classes; got {positive!r}, and the classes {listed}.")
    return (*(label for label in classes if label != named[0]), named[0])


def _find_classes(table: Table, target: str, *, keep_spellings: bool) -> list[Any]:
    """Return the classes of a target, sorted."""
    kind = table.kinds[target]
    if kind in ("date", "other"):
        what = "dates" if kind == "date" else "no single values"
        raise DataError(f"The target {target!r} holds {what}: name a column of classes.")
    value = as_number(target) if kind == "number" else as_text(target)
    distinct = f"SELECT DISTINCT {value} AS label FROM {table.whole}"
    query = f"SELECT label FROM ({distinct}) WHERE label IS NOT NULL LIMIT {MAX_CLASSES + 1}"
    labels = [label for (label,) in table.ask(query)]
    if len(labels) > MAX_CLASSES:
        raise DataError(f"The target {target!r} has more than {MAX_CLASSES:,} values: name a column of classes.")
    if kind == "number":
        if not all(label.is_integer() for label in labels):
            raise DataError(f"The target {target!r} holds numbers that are not whole: name a column of classes.")
        if any(abs(label) >= _UNCERTAIN for label in labels):
            message = f"The target {target!r} holds numbers of more than 15 digits: make text of them, or name another"
            raise DataError(f"{message} column.")
        labels = [int(label) for label in labels]
    if not labels:
        raise DataError(f"The target {target!r} has no values: name a column of classes.")
    if len(labels) == 1:
        message = f"All samples are of one class, {labels[0]}: the target {target!r} must have at least two classes."
        raise DataError(message)
    if kind != "number" and not keep_spellings:
        spellings = Counter(label.casefold() for label in labels)
        twice = sorted(label for label in labels if spellings[label.casefold()] > 1)
        if twice:
            message = f"The target {target!r} has {twice[0]!r} and {twice[1]!r}, two spellings of one class"
            raise DataError(f"{message}: give it one, or say --keep-spellings if they are two classes.")
    return sorted(labels)


def _find_columns(table: Table, names: Sequence[str], ignore: list[str], n_train: int) -> list[_Found]:
    """Return what each column holds in the training rows."""
    dates = [name for name in names if table.kinds[name] == "date" and name not in ignore]
    if dates:
        listed = ", ".join(map(repr, dates))
        message = f"{'Columns' if len(dates) > 1 else 'Column'} {listed} of {table.name} with dates cannot be used"
        raise DataError(f"{message}: make numbers of them, such as year or age, or --ignore them.")
    others = [name for name in names if table.kinds[name] == "other" and name not in ignore]
    if others:
        raise DataError(f"Column {others[0]!r} of {table.name} holds no single values: --ignore it.")
    counters = _find_counters(table, [name for name in names if name in table.whole_numbers and name not in ignore])
    numbers = [name for name in names if table.kinds[name] == "number" and name not in ignore]
    found = {column.name: column for column in _find_numbers(table, numbers, counters, n_train)}
    for name in names:
        if name in ignore:
            found[name] = _Found(name, table.kinds[name], 0, 0, "left out on request", (), ignored=_ON_REQUEST)
        elif name not in found:
            found[name] = _find_category(table, name, n_train)
    return [found[name] for name in names]


def _find_counters(table: Table, names: Sequence[str]) -> set[str]:
    """Return the columns that only count the rows, in any order."""
    if not names or table.n_rows < _LEAST_COUNTED:
        return set()
    row: list[Any] = []
    for some_names in _batches(names):
        query = []
        for name in map(sql_name, some_names):
            different = _count_different(name, table.n_rows)
            query.append(f"count({name}), max({name})::DOUBLE - min({name})::DOUBLE, {different}")
        row += table.ask(f"SELECT {', '.join(query)} FROM {table.whole}")[0]
    figures = zip(names, row[0::3], row[1::3], row[2::3], strict=True)
    n = table.n_rows
    return {name for name, some, span, different in figures if some == n and span == n - 1 and different >= 0.9 * n}


def _batches(columns: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (columns[first : first + _AT_ONCE] for first in range(0, len(columns), _AT_ONCE))


def _count_different(value: Sql, n_rows: int) -> Sql:
    return f"approx_count_distinct({value})" if n_rows > _EXACT_ROWS else f"count(DISTINCT {value})"


_TRAINING = "{} POSITIONAL JOIN _twolayer WHERE _twolayer_kept"


def _find_numbers(table: Table, names: Sequence[str], counters: set[str], n_train: int) -> list[_Found]:
    """Return what columns of numbers hold."""
    return [column for some in _batches(names) for column in _find_some_numbers(table, some, counters, n_train)]


def _find_some_numbers(table: Table, names: Sequence[str], counters: set[str], n_train: int) -> list[_Found]:
    """Return what a few columns of numbers hold."""
    aliases = [f"x{k}" for k in range(len(names))]
    numbers = ", ".join(f"{as_number(name)} AS {x}" for x, name in zip(aliases, names, strict=True))
    source = f"(SELECT {numbers} FROM {_TRAINING.format(table.whole)})"
    counts = (f"count({x}), min({x}), max({x}), {_count_different(x, n_train)}" for x in aliases)
    counted = table.ask(f"SELECT {', '.join(counts)} FROM {source}")[0]
    for k, name in enumerate(names):
        if math.inf in (counted[4 * k + 2], -(counted[4 * k + 1] or 0)):
            n_infinite = table.ask(f"SELECT count(*) FROM {source} WHERE isinf(x{k})")[0][0]
            message = f"Column {name!r} of {table.name} has {n_infinite:,} infinite value{'s' * (n_infinite > 1)}"
            raise DataError(f"{message}: repair or leave it out with --ignore.")
    means = table.ask(f"SELECT {', '.join(f'avg({x}), stddev_pop({x})' for x in aliases)} FROM {source}")[0]
    columns = []
    for k, name in enumerate(names):
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
        encoded = (
            None
            if reason
            else NumberColumn(name, mean, deviation if low < high and deviation > 0 else 1.0, missing > 0)
        )
        key = ("number", n, low, high, n_different, None if mean is None else round(mean, 12))
        columns.append(
            _Found(name, "number", missing, n_different, _with_missing(summary, missing, n), key, encoded, reason)
        )
    return columns


def _find_category(table: Table, name: str, n_train: int) -> _Found:
    """Return what a column of categories holds."""
    value, training = as_text(name), _TRAINING.format(table.whole)
    if n_train > _GROUPED_ROWS:
        (n_values,) = table.ask(f"SELECT approx_count_distinct({value}) FROM {training}")[0]
        if n_values > n_train / 2:
            return _Found(name, "category", 0, n_values, _UNIQUE, ("many", name), ignored=_UNIQUE)
    grouped = f"SELECT v, count(*) AS n FROM (SELECT {value} AS v FROM {training}) GROUP BY v"
    limited = f"SELECT v, n FROM ({grouped}) WHERE v IS NOT NULL ORDER BY n DESC, v LIMIT {MAX_LEVELS}"
    counted = table.ask(limited)
    n, n_different = table.ask(f"SELECT sum(n)::BIGINT, count(*) FROM ({grouped}) WHERE v IS NOT NULL")[0]
    n = n or 0
    missing = n_train - n
    least = max(2, min(_RARE_ROWS, n_train // 200))
    levels = tuple(level for level, count in counted if count >= least)
    if n_different > min(MAX_LEVELS, n / 2):
        _check_no_flawed_numbers(table, name)
    reason = None
    if not n:
        reason = "no values"
    elif n_different == 1 and not missing:
        reason = f"always {shortened(counted[0][0])}"
    elif not levels:
        reason = _UNIQUE if n_different > n_train / 2 else f"no value stands in {least} rows or more"
    n_rare = n_different - len(levels)
    rare = f", {n_rare:,} rare" if n_rare else ""
    summary = reason or f"{len(levels):,} level{'s' * (len(levels) != 1)}{rare}"
    encoded = None if reason else CategoryColumn(name, levels, n_rare > 0, missing > 0)
    key = ("category", n, n_different, tuple(count for _, count in counted))
    return _Found(name, "category", missing, n_different, _with_missing(summary, missing, n), key, encoded, reason)


def _check_no_flawed_numbers(table: Table, name: str) -> None:
    """Check that a column with many texts is not one of numbers with a few texts among them."""
    value = as_text(name)
    text = f"{value} IS NOT NULL AND TRY_CAST({value} AS DOUBLE) IS NULL"
    figures = f"count({value}), count(*) FILTER (WHERE {text}), any_value({value}) FILTER (WHERE {text})"
    n, n_texts, example = table.ask(f"SELECT {figures} FROM {table.whole}")[0]
    if 0 < n_texts <= (1 - _NUMBERS_WITH_FLAWS) * n:
        rows = f"{n_texts:,} row{'s' * (n_texts > 1)}"
        message = f"Column {name!r} of {table.name} holds numbers, but text such as {shortened(example)!r} in {rows}"
        raise DataError(f"{message}: repair it, or leave it out with --ignore.")


def _with_missing(summary: str, missing: int, n: int) -> str:
    return f"{summary}; {missing:,} missing" if missing and n else summary


def _warn_of_target(table: Table, target: str, n_missing: int) -> list[str]:
    if not n_missing:
        return []
    rows = f"{n_missing:,} row{'s have' if n_missing > 1 else ' has'}"
    return [
        f"{rows} no {target!r} and {'are' if n_missing > 1 else 'is'} left out ({percent(n_missing, table.n_rows)})."
    ]


def _warn_of_columns(table: Table, found: Sequence[_Found], n_train: int, n_classes: int) -> list[str]:
    """Return sentences about columns: useless, mostly empty, the same, giving the target away, far values."""
    warnings = [f"Column {c.name!r} is left out: {c.ignored}." for c in found if c.ignored and c.ignored != _ON_REQUEST]
    used = [column for column in found if column.encoded]
    warnings += [
        f"Column {column.name!r} is missing in {percent(column.n_missing, n_train)} of the rows."
        for column in used
        if column.n_missing > _MOSTLY * n_train
    ]
    warnings += [
        f"Column {name!r} is the same as {first!r}: --ignore one of them." for name, first in _find_twins(table, used)
    ]
    most = max(n_classes, min(MAX_LEVELS, n_train // 10))
    few = [c for c in used if 2 <= c.n_different <= most and c.n_missing < n_train / 10]
    warnings += [
        f"Column {column.name!r} alone tells the target: if it is known only afterwards, --ignore it."
        for column in few
        if _tells_target(table, column)
    ]
    far = ((column, _farthest(column)) for column in used if column.n_different > _FEW_VALUES)
    warnings += [
        f"Column {column.name!r} has values {deviations:,.0f} deviations from its mean: its logarithm may do better."
        for column, deviations in far
        if deviations > _FAR_DEVIATIONS
    ]
    return warnings


def _farthest(column: _Found) -> float:
    """Return how many deviations the farthest number is from the mean; 0 for categories."""
    number = column.encoded
    if not isinstance(number, NumberColumn):
        return 0.0
    low, high = column.key[2], column.key[3]
    return float(max(high - number.mean, number.mean - low) / number.deviation)


def _value(column: _Found) -> Sql:
    return as_number(column.name) if column.kind == "number" else as_text(column.name)


def _find_twins(table: Table, used: Sequence[_Found]) -> list[tuple[str, str]]:
    """Return each column that holds the same as an earlier one, row by row, and the name of that."""
    keys = Counter(column.key for column in used)
    alike = [column for column in used if keys[column.key] > 1]
    if not alike:
        return []
    checksums: list[Any] = []
    for some in _batches(alike):
        # hashed twice: the hash of two values is one XOR another, and those of the rows would cancel out
        sums = ", ".join(f"bit_xor(hash(hash(_twolayer_row, {_value(column)})))" for column in some)
        checksums += table.ask(f"SELECT {sums} FROM {_TRAINING.format(table.whole)}")[0]
    first: dict[Any, str] = {}
    pairs = [
        (column.name, first.setdefault((column.key, checksum), column.name))
        for column, checksum in zip(alike, checksums, strict=True)
    ]
    return [(name, earlier) for name, earlier in pairs if earlier != name]


def _tells_target(table: Table, column: _Found) -> bool:
    """Tell whether each value of a column goes with one class only."""
    pairs = f"SELECT DISTINCT {_value(column)} AS v, _twolayer_code AS code FROM {_TRAINING.format(table.whole)}"
    figures = "count(*), count(DISTINCT v), count(DISTINCT code)"
    n_pairs, n_values, n_codes = table.ask(f"SELECT {figures} FROM ({pairs}) WHERE v IS NOT NULL")[0]
    return bool(n_pairs == n_values and n_codes > 1)


def _warn_of_rows(table: Table, found: Sequence[_Found], n_test: int) -> list[str]:
    """Return sentences about rows that are the same: held out and learned from, or of different classes."""
    values = ", ".join(_value(column) for column in found if column.encoded)
    rows = f"{table.whole} POSITIONAL JOIN _twolayer WHERE _twolayer_code >= 0"
    hashed = f"SELECT hash({values}) AS h, _twolayer_kept AS kept, _twolayer_code AS code FROM {rows}"
    grouped = (
        "SELECT count(*) FILTER (WHERE kept) AS n_train, count(*) FILTER (WHERE NOT kept) AS n_test, "
        f"count(DISTINCT code) AS n_codes, count(*) AS n FROM ({hashed}) GROUP BY h"
    )
    figures = "sum(n_test) FILTER (WHERE n_train > 0), sum(n) FILTER (WHERE n_codes > 1)"
    both, split = table.ask(f"SELECT {figures} FROM ({grouped})")[0]
    warnings = []
    if n_test and both:
        message = (
            f"{int(both):,} of the {n_test:,} test rows stand among the training rows too ({percent(both, n_test)})"
        )
        warnings.append(f"{message}: their part of the test accuracy is remembered, not learned.")
    if split:
        warnings.append(f"{int(split):,} rows are the same as others of another class: no model can tell them apart.")
    return warnings
