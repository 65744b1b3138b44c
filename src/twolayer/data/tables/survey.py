"""A table before training: the kinds of its columns, how they are encoded, and what a person should know about them.

Everything is counted by DuckDB, so that a table larger than memory is no other case. What is learned of the columns,
means and levels, is learned of the training rows alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.dataset import Labels, order_classes
from twolayer.data.encoding import MAX_COLUMNS, MAX_LEVELS, Encoding, NumberColumn
from twolayer.data.report import DataReport, count_classes, warn_of_both, warn_of_classes
from twolayer.data.split import hold_out
from twolayer.data.tables.columns import AT_ONCE, ON_REQUEST, TRAINING, Findings, batches, find_columns
from twolayer.data.tables.tables import EXAMPLE_LENGTH, Sql, Table, as_date_part, as_number, as_text, select, sql_name
from twolayer.errors import DataError, SettingError
from twolayer.text import count, join, percent, shorten

MAX_CLASSES = 1000
_COMPARED_ROWS = 2_000_000  # rows are compared with each other in tables of at most so many
_MANY_NUMBERS = 30  # different numbers of a target from which it looks like a quantity
_LIKELY_CLASSES = 20  # different values of a column that may be the target, at most
_LIKELY_NAMES = ("target", "class", "label", "y")
_FAR_DEVIATIONS = 15
_FEW_VALUES = 10  # such as marks of 0 and 1, of which a rare one is far from the mean and no flaw
_MOSTLY = 0.5
_UNCERTAIN = 2.0**53  # from here on neighbours become the same number


@dataclass(frozen=True)
class Survey:
    """What was found out about a table.

    Attributes
    ----------
    encoding : Encoding
    labels : Labels
        Of all rows: codes are -1 where the target is missing.
    train, test : arrays of int
        Rows to learn from and rows held out, in rising order.
    report : DataReport
    """

    encoding: Encoding
    labels: Labels
    train: Array
    test: Array
    report: DataReport


def survey_table(
    table: Table,
    target: str,
    *,
    ignore: Sequence[str] = (),
    positive: str | None = None,
    fraction: float = 0.0,
    random_state: int = 0,
    keep_spellings: bool = False,
    compare_rows: bool = True,
    scaling: str | None = "standard",
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
    fraction : float
        Of the rows, held out.
    random_state : int
        Seed of the rows that are held out.
    keep_spellings : bool
        Take classes that differ in upper and lower case alone for different ones.
    compare_rows : bool
        Look for rows that are the same, which takes memory.
    scaling : str
        How numbers are encoded, as for `fit_number`; chosen by their number where None.

    Returns
    -------
    Survey

    Raises
    ------
    DataError
        If the target is not there or makes no classes, or a column cannot be used.
    """
    table.check_columns([target], "the `target`")
    table.check_columns(list(ignore), "to `ignore`")
    if target in ignore:
        raise SettingError(f"{target!r} is both the `target` and in `ignore`: remove it from one of them.")
    found_labels = find_labels(table, target)
    classes = check_classes(target, table.kinds[target], found_labels, keep_spellings=keep_spellings)
    labels = code_target(table, target, order_classes(classes, positive))
    known = np.flatnonzero(labels.codes >= 0)
    rest, out = hold_out(labels.codes[known], fraction, random_state)
    train, test = known[rest], known[out]
    kept = np.zeros(table.n_rows, bool)
    kept[train] = True
    marks = {"_twolayer_kept": kept, "_twolayer_code": labels.codes, "_twolayer_row": np.arange(table.n_rows)}
    table.register("_twolayer", marks)
    found = find_columns(table, [name for name in table.kinds if name != target], list(ignore), len(train), scaling)
    encoding = make_encoding(table.name, target, found)
    train_labels = labels.take(train)
    n_missing = int((labels.codes < 0).sum())
    warnings = [
        *table.notes,
        *warn_of_target(target, table.kinds[target], len(labels.classes), n_missing, table.n_rows),
        *warn_of_classes(labels.classes, train_labels.counts, labels.take(test).counts),
        *_warn_of_columns(table, found, len(train), len(labels.classes)),
        *(_warn_of_rows(table, found, len(test)) if compare_rows and table.n_rows <= _COMPARED_ROWS else ()),
    ]
    report = DataReport(
        len(train), len(test), target, count_classes(train_labels), shown_columns(found), tuple(warnings)
    )
    return Survey(encoding, labels, train, test, report)


def make_encoding(source: str, target: str, found: Sequence[Findings]) -> Encoding:
    """Return the encoding of what was found in columns; DataError if there are none, or too many."""
    columns = tuple(encoded for column in found for encoded in column.encoded)
    if len(columns) > MAX_COLUMNS:
        message = f"{source} has more than {MAX_COLUMNS:,} columns, the parts of its dates counted"
        raise DataError(f"{message}: leave some out with `ignore`.")
    if not columns:
        raise DataError(f"{source} has no column besides {target!r}: name another table.")
    return Encoding(target, columns)


def shown_columns(found: Sequence[Findings]) -> tuple[tuple[str, str, str], ...]:
    """Return what a report says of columns."""
    return tuple((column.name, "ignored" if column.ignored else column.kind, column.summary) for column in found)


def guess_target(table: Table) -> str | None:
    """Return the column that most likely holds the classes: one called so, else the last one with few values."""
    names = [name for name, kind in table.kinds.items() if kind == "category" or name in table.whole_numbers]
    called = next((name for wanted in _LIKELY_NAMES for name in names if name.lower() == wanted), None)
    if called is not None or not names:
        return called
    last = names[-AT_ONCE:]
    query = ", ".join(f"approx_count_distinct({sql_name(name)})" for name in last)
    counts = table.ask(f"SELECT {query} FROM {table.whole}")[0]
    few = [name for name, n in zip(last, counts, strict=True) if 2 <= n <= _LIKELY_CLASSES]
    return few[-1] if few else None


def code_target(table: Table, target: str, classes: Sequence[Label]) -> Labels:
    """Return the class of each row of a table, coded -1 where the target is missing.

    Raises
    ------
    DataError
        If there is no such column, or it holds another class.
    """
    table.check_columns([target], "the `target`")
    value, kind = (as_text(target), "VARCHAR") if isinstance(classes[0], str) else (as_number(target), "DOUBLE")
    if kind == "DOUBLE" and table.kinds[target] == "category":
        value = f"TRY_CAST({as_text(target)} AS DOUBLE)"
    wanted = {"classes": list(classes)}
    place = f"list_position($classes::{kind}[], {value})"
    expression = f"CAST(coalesce({place}, CASE WHEN {as_text(target)} IS NULL THEN 0 ELSE -1 END) AS INTEGER) - 1"
    parts = [select(table, [expression], k, 0, n, wanted)[0] for k, (_, _, n) in enumerate(table.parts)]
    codes = np.concatenate(parts).astype(np.int32)
    if (codes == -2).any():
        query = f"SELECT {as_text(target)} FROM {table.whole} WHERE {expression} = -2 LIMIT 1"
        label = shorten(table.ask(query, wanted)[0][0], EXAMPLE_LENGTH)
        message = f"{table.name} has a class {label!r} in {target!r} that is not among the classes ({join(classes)})"
        raise DataError(f"{message}: leave such rows out.")
    return Labels(codes, tuple(classes))


def find_labels(table: Table, target: str) -> list[Any]:
    """Return the different values of a target, one more than there may be at most; of dates and the like none."""
    kind = table.kinds[target]
    if kind in ("date", "other"):
        return []
    value = as_number(target) if kind == "number" else as_text(target)
    distinct = f"SELECT DISTINCT {value} AS label FROM {table.whole}"
    query = f"SELECT label FROM ({distinct}) WHERE label IS NOT NULL LIMIT {MAX_CLASSES + 1}"
    return [label for (label,) in table.ask(query)]


def check_classes(target: str, kind: str, labels: Sequence[Any], *, keep_spellings: bool) -> list[Any]:
    """Return the values of a target of a kind as classes, sorted; DataError if they are none."""
    called = f"The `target` {target!r}"
    quantity = "turn it into a few classes, such as low and high, or name a column of classes"
    if kind in ("date", "other"):
        what = "dates" if kind == "date" else "neither numbers nor text"
        raise DataError(f"{called} holds {what}: name a column of classes.")
    if len(labels) > MAX_CLASSES:
        advice = quantity if kind == "number" else "name a column of classes"
        raise DataError(f"{called} has more than {MAX_CLASSES:,} values: {advice}.")
    if kind == "number":
        if not all(label.is_integer() for label in labels):
            raise DataError(f"{called} holds numbers that are not whole: {quantity}.")
        if any(abs(label) >= _UNCERTAIN for label in labels):
            raise DataError(
                f"{called} holds numbers of more than 15 digits: convert them to text, or name another column."
            )
        labels = [int(label) for label in labels]
    if not labels:
        raise DataError(f"{called} has no values: name a column of classes.")
    if len(labels) == 1:
        raise DataError(
            f"All samples belong to one class, {labels[0]}: {called[0].lower()}{called[1:]} needs at least two."
        )
    if kind != "number" and not keep_spellings:
        spellings = Counter(label.casefold() for label in labels)
        twice = sorted(label for label in labels if spellings[label.casefold()] > 1)
        if twice:
            other = next(label for label in twice[1:] if label.casefold() == twice[0].casefold())
            message = f"{called} has {twice[0]!r} and {other!r}, two spellings of one class"
            raise DataError(f"{message}: use one of them, or set `keep_spellings` if they are two classes.")
    return sorted(labels)


def warn_of_target(target: str, kind: str, n_classes: int, n_missing: int, n_rows: int) -> list[str]:
    """Return sentences about a target: missing values, and numbers that look like a quantity."""
    warnings = []
    if n_missing:
        have, are = ("have", "are") if n_missing > 1 else ("has", "is")
        part = percent(n_missing, n_rows)
        warnings.append(f"{count(n_missing, 'row')} {have} no {target!r} and {are} left out ({part}).")
    if kind == "number" and n_classes > _MANY_NUMBERS:
        message = f"The target {target!r} has {n_classes:,} different numbers and looks like a quantity"
        warnings.append(f"{message}: each becomes its own class; consider a few ranges instead, such as low and high.")
    return warnings


def _warn_of_columns(table: Table, found: Sequence[Findings], n_train: int, n_classes: int) -> list[str]:
    """Return sentences about columns: useless, mostly empty, the same, giving the target away, far values."""
    used, warnings = [column for column in found if column.encoded], warn_of_gaps(found, n_train)
    warnings += [
        f"Column {name!r} is the same as {first!r}: leave one of them out with `ignore`."
        for name, first in _find_twins(table, used)
    ]
    most = max(n_classes, min(MAX_LEVELS, n_train // 10))
    few = [c for c in used if 2 <= c.n_different <= most and c.n_missing < n_train / 10]
    warnings += [
        f"Column {column.name!r} alone determines the class: if it is known only later, leave it out with `ignore`."
        for column in few
        if _tells_target(table, column)
    ]
    return [*warnings, *warn_of_far(used)]


def warn_of_gaps(found: Sequence[Findings], n_train: int) -> list[str]:
    """Return sentences about columns that are useless or mostly empty."""
    warnings = [f"Column {c.name!r} is left out: {c.ignored}." for c in found if c.ignored and c.ignored != ON_REQUEST]
    return warnings + [
        f"Column {column.name!r} is missing in {percent(column.n_missing, n_train)} of the rows."
        for column in found
        if column.encoded and column.n_missing > _MOSTLY * n_train
    ]


def warn_of_far(found: Sequence[Findings]) -> list[str]:
    """Return sentences about columns with far values."""
    used = (column for column in found if column.encoded and column.n_different > _FEW_VALUES)
    far = ((column, _farthest(column)) for column in used)
    return [
        f"Column {column.name!r} has values {deviations:,.0f} standard deviations from its mean: try its logarithm."
        for column, deviations in far
        if deviations > _FAR_DEVIATIONS
    ]


def _farthest(column: Findings) -> float:
    """Return how many standard deviations the farthest number is from the mean; 0 for categories."""
    number = column.encoded[0]
    if column.kind != "number" or not isinstance(number, NumberColumn):
        return 0.0
    low, high = column.key[2], column.key[3]
    return float(max(high - number.mean, number.mean - low) / number.deviation)


def _value(column: Findings) -> Sql:
    if column.kind == "date":
        return as_date_part(sql_name(column.name), "age")
    return as_number(column.name) if column.kind == "number" else as_text(column.name)


def _find_twins(table: Table, used: Sequence[Findings]) -> list[tuple[str, str]]:
    """Return each column that holds the same as an earlier one, row by row, and the name of that."""
    keys = Counter(column.key for column in used)
    alike = [column for column in used if keys[column.key] > 1]
    if not alike:
        return []
    checksums: list[Any] = []
    for some in batches(alike):
        # hashed twice: the hash of two values is one XOR another, and those of the rows would cancel out
        sums = ", ".join(f"bit_xor(hash(hash(_twolayer_row, {_value(column)})))" for column in some)
        checksums += table.ask(f"SELECT {sums} FROM {TRAINING.format(table.whole)}")[0]
    first: dict[Any, str] = {}
    pairs = [
        (column.name, first.setdefault((column.key, checksum), column.name))
        for column, checksum in zip(alike, checksums, strict=True)
    ]
    return [(name, earlier) for name, earlier in pairs if earlier != name]


def _tells_target(table: Table, column: Findings) -> bool:
    """Tell whether each value of a column goes with one class only."""
    pairs = f"SELECT DISTINCT {_value(column)} AS v, _twolayer_code AS code FROM {TRAINING.format(table.whole)}"
    figures = "count(*), count(DISTINCT v), count(DISTINCT code)"
    n_pairs, n_values, n_codes = table.ask(f"SELECT {figures} FROM ({pairs}) WHERE v IS NOT NULL")[0]
    return bool(n_pairs == n_values and n_codes > 1)


def _warn_of_rows(table: Table, found: Sequence[Findings], n_test: int) -> list[str]:
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
    warnings = [warn_of_both(int(both), n_test, "rows")] if n_test and both else []
    if split:
        warnings.append(f"{int(split):,} rows are the same as others of another class: no model can tell them apart.")
    return warnings
