"""What a training gets: samples to learn from and to test on, in memory or read block by block, with a report."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.data.catalogue import Dataset, ReadOptions, Samples, check_options, is_table, load_dataset, open_table
from twolayer.data.report import DataReport, report_samples
from twolayer.data.rows import ArrayRows, Rows, SomeRows, gather, spool
from twolayer.data.split import hold_out
from twolayer.data.survey import code_target, order_classes, survey_table
from twolayer.data.table_encoding import TableEncoding
from twolayer.data.tables import TableRows
from twolayer.errors import DataError, SettingError

DEFAULT_HOLD_OUT = 0.2
_BASE_BYTES = 200 * 2**20  # what Python, NumPy, DuckDB and their code take without any data
_LEAST_ROOM = 48 * 2**20
_COPIES = 3  # of the samples in the training type, while they are in memory
_NO_LIMIT = 2**62


@dataclass(frozen=True)
class TrainingOptions:
    """What is learned of a source, and on what it is tested.

    Attributes
    ----------
    target : str, optional
        The column of the classes, for a table.
    ignore : tuple of str
        Columns to leave out.
    positive : str, optional
        Which of two classes is the positive one.
    test : str, optional
        Name or path of samples to test on.
    hold_out : float, optional
        Share of the samples to test on; a fifth where the source has no test part and none is named.
    seed : int
        Of the samples held out.
    keep_spellings : bool
        Take classes that differ in upper and lower case alone for different ones.
    memory_bytes : int, optional
        What the whole process may take; half of the machine's when not given.
    dtype : str
        Of the training.
    read : ReadOptions
        How the source is read.
    """

    target: str | None = None
    ignore: tuple[str, ...] = ()
    positive: str | None = None
    test: str | None = None
    hold_out: float | None = None
    seed: int = 0
    keep_spellings: bool = False
    memory_bytes: int | None = None
    dtype: str = "float32"
    read: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class TrainingSet:
    """Samples to learn from and to test on.

    Attributes
    ----------
    X : array of shape (m, n_features), or Rows
    codes : array of int of shape (m,)
        Places of the classes.
    X_test, codes_test : arrays, or None
    classes : tuple of int or of str
        In order, of two the positive one second.
    input_shape, scale, table
        As for `Model`.
    report : DataReport
    hold_out : float
        Share that was held out; 0 where the test samples are others.
    target : str or None
        The column of the classes.
    """

    X: Any
    codes: np.ndarray[Any, Any]
    X_test: Any
    codes_test: np.ndarray[Any, Any] | None
    classes: tuple[Any, ...]
    input_shape: tuple[int, ...]
    scale: float
    table: TableEncoding | None
    report: DataReport
    hold_out: float
    target: str | None = None


def load_training_set(name: str, options: TrainingOptions | None = None) -> TrainingSet:
    """Load what a training gets.

    Parameters
    ----------
    name : str
        Of the source: all that `load_dataset` and `open_table` know.
    options : TrainingOptions, optional

    Returns
    -------
    TrainingSet

    Raises
    ------
    MissingFileError, StorageError, FileFormatError, DataError, SettingError
        If the source cannot be read, or makes nothing to learn from.
    """
    options = options or TrainingOptions()
    if options.hold_out is not None and options.test is not None:
        raise SettingError("Give a share to hold out or samples to test on, not both.")
    check_options(name, options.read)
    return _from_table(name, options) if is_table(name) else _from_dataset(name, options)


def held_out(dataset: Dataset, share: float, seed: int) -> Samples:
    """Return the samples that a training of a data set without test part held out."""
    _, out = hold_out(dataset.train.labels(dataset.name), share, seed)
    return dataset.train.some(out)


def parse_bytes(text: str) -> int:
    """Return the bytes that a text such as 800MB, 1GB or 1.5GiB says.

    Raises
    ------
    SettingError
        If it says none.
    """
    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
    units |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    stripped = text.strip().lower()
    number = stripped.rstrip("abcdefghijklmnopqrstuvwxyz ")
    try:
        n_bytes = float(number) * units[stripped[len(number) :].strip()]
    except (KeyError, ValueError):
        n_bytes = 0.0
    if not 1 <= n_bytes < _NO_LIMIT:
        raise SettingError(f"An amount of memory is written like 800MB or 1.5GB, not {text!r}.")
    return int(n_bytes)


def memory_bytes() -> int:
    """Return half of the memory that the machine, or the group of processes, has."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows
        whole = 8 * 2**30
    with contextlib.suppress(OSError, ValueError):  # no such group, or one without a limit
        whole = min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return whole // 2


class _Plan:
    """How much of the samples memory holds."""

    def __init__(self, options: TrainingOptions, n_rows: int, row_bytes: int, raw_bytes: int) -> None:
        limit = options.memory_bytes or memory_bytes()
        room = max(_LEAST_ROOM, limit - _BASE_BYTES)
        self.streamed = n_rows * row_bytes * _COPIES > room
        self.block_rows = max(1, int(room / 4 / (row_bytes * _COPIES + 2 * raw_bytes)))
        self.most_test_rows = max(1, int(room / 8 / row_bytes))
        self._least = 0 if limit >= _BASE_BYTES + _LEAST_ROOM else _BASE_BYTES + _LEAST_ROOM

    def notes(self, n_held_out: int, n_test: int) -> tuple[str, ...]:
        """Return sentences about what memory does not allow."""
        notes = []
        if self._least:
            notes.append(f"Some {self._least / 1e6:.0f} MB of memory are taken: there is no way with less.")
        if n_test < n_held_out:
            held = f"{n_test:,} of the {n_held_out:,} samples held out are tested on, evenly spaced"
            notes.append(f"{held}: memory has no room for more.")
        return tuple(notes)


def _from_table(name: str, options: TrainingOptions) -> TrainingSet:
    read = options.read
    if options.memory_bytes is not None:
        read = replace(read, memory_bytes=max(_LEAST_ROOM, options.memory_bytes - _BASE_BYTES) // 2)
    table, target = open_table(name, read)
    target = options.target or target
    if target is None:
        listed = ", ".join(list(table.kinds)[:12]) + (", ..." if len(table.kinds) > 12 else "")
        raise SettingError(f"Which column of {name} tells the class? Say it by --target; it has {listed}.")
    share = options.hold_out
    if share is None:
        share = DEFAULT_HOLD_OUT if options.test is None else 0.0
    survey = survey_table(
        table,
        target,
        ignore=options.ignore,
        positive=options.positive,
        share=share,
        random_state=options.seed,
        keep_spellings=options.keep_spellings,
        compare_rows=options.memory_bytes is None,
    )
    encoding, itemsize = survey.encoding, np.dtype(options.dtype).itemsize
    raw_bytes = 8 * (len(encoding.columns) + 1)
    plan = _Plan(options, table.n_rows, encoding.n_values * itemsize, raw_bytes)
    rows = TableRows(table, encoding, plan.block_rows if plan.streamed else None, options.dtype)
    if options.test is not None:
        test_rows, codes_test = _test_table(options.test, read, encoding, survey.classes, options.dtype)
        report = replace(survey.report, n_test=len(codes_test))
    else:
        test = _some(survey.test, plan.most_test_rows)
        test_rows, codes_test = SomeRows(rows, test), survey.codes[test]
        notes = plan.notes(len(survey.test), len(test))
        report = replace(survey.report, n_test=len(test), warnings=(*survey.report.warnings, *notes))
    train_rows: Any = SomeRows(rows, survey.train)
    return TrainingSet(
        X=spool(train_rows, plan.block_rows) if plan.streamed else gather(train_rows),
        codes=survey.codes[survey.train],
        X_test=gather(test_rows) if len(codes_test) else None,
        codes_test=codes_test if len(codes_test) else None,
        classes=survey.classes,
        input_shape=(encoding.n_values,),
        scale=1.0,
        table=encoding,
        report=report,
        hold_out=share,
        target=target,
    )


def _test_table(
    name: str, read: ReadOptions, encoding: TableEncoding, classes: Sequence[Any], dtype: str
) -> tuple[Rows, np.ndarray[Any, Any]]:
    """Return the rows of another table, those with a class."""
    if not is_table(name):
        raise DataError(f"{name} is no table: test on one that has the columns of the training table.")
    table, _ = open_table(name, read)
    codes = code_target(table, encoding.target, classes)
    known = np.flatnonzero(codes >= 0)
    return SomeRows(TableRows(table, encoding, None, dtype), known), codes[known]


def _some(rows: np.ndarray[Any, Any], most: int) -> np.ndarray[Any, Any]:
    """Return rows, evenly thinned out where there are more than so many."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _from_dataset(name: str, options: TrainingOptions) -> TrainingSet:
    dataset = load_dataset(name, options.read)
    if options.target is not None or options.ignore:
        raise SettingError(f"{name} has no columns by name: --target and --ignore are for tables.")
    X, y = dataset.train.X, dataset.train.labels(name)
    share = 0.0
    if options.test is not None:
        test: Samples | None = _other_dataset(options.test, dataset, options)
    elif dataset.test is not None:
        if options.hold_out:
            raise SettingError(f"{name} has a test part: leave out the share to hold out.")
        test = dataset.test
    else:
        share = DEFAULT_HOLD_OUT if options.hold_out is None else options.hold_out
        test = None
    labels = np.unique(y).tolist()
    if len(labels) < 2:
        raise DataError(f"All samples are of one class, {labels[0]}: give samples of at least two classes.")
    classes = order_classes(labels, options.positive)
    codes = _code(y, classes, name)
    row_bytes = X.shape[1] * (1 if X.dtype == np.uint8 else np.dtype(options.dtype).itemsize)
    plan = _Plan(options, len(X), row_bytes, X.shape[1] * X.dtype.itemsize)
    streamed = plan.streamed and isinstance(X, np.memmap)
    rest, out = hold_out(y, share, options.seed) if share else (np.arange(len(y)), np.zeros(0, int))
    n_held_out = len(out)
    if streamed:
        rows = ArrayRows(X, plan.block_rows)
        out = _some(out, plan.most_test_rows)
        X_test = gather(SomeRows(rows, out)) if len(out) else None
        X = SomeRows(rows, rest) if share else rows
    else:
        X_test = X[out] if len(out) else None
        X = X[rest] if share else X
    codes_test = codes[out] if len(out) else None
    codes = codes[rest] if share else codes
    if test is not None:
        X_test, codes_test = test.X, _code(test.labels(options.test or name), classes, options.test or name)
    report = _report(dataset, X, codes, X_test, codes_test, classes, streamed=streamed)
    if streamed:
        report = replace(report, warnings=(*report.warnings, *plan.notes(n_held_out, len(out))))
    return TrainingSet(X, codes, X_test, codes_test, classes, dataset.input_shape, dataset.scale, None, report, share)


def _other_dataset(name: str, dataset: Dataset, options: TrainingOptions) -> Samples:
    """Return the samples of another source of the same kind."""
    if is_table(name):
        raise DataError(f"{name} is a table, and {dataset.name} is none: test on samples of one kind.")
    colour: Any = "rgb" if len(dataset.input_shape) == 3 else "grey"
    size: Any = dataset.input_shape[:2] if len(dataset.input_shape) > 1 else None
    other = load_dataset(name, replace(options.read, size=size, colour=colour, labels=None))
    if other.input_shape != dataset.input_shape or other.scale != dataset.scale:
        raise DataError(
            f"{name} and {dataset.name} hold samples of different shape or type: use ones that belong together."
        )
    return other.train


def _code(y: np.ndarray[Any, Any], classes: Sequence[Any], name: str) -> np.ndarray[Any, Any]:
    """Return the places of labels among the classes."""
    codes = np.full(len(y), -1, np.int32)
    for place, label in enumerate(classes):
        codes[y == label] = place
    if (codes < 0).any():
        strange, known = y[codes < 0][0], ", ".join(map(str, classes[:10]))
        raise DataError(f"{name} has a label {strange} that is not in the training samples (known: {known}).")
    return codes


def _report(
    dataset: Dataset,
    X: Any,
    codes: np.ndarray[Any, Any],
    X_test: Any,
    codes_test: np.ndarray[Any, Any] | None,
    classes: Sequence[Any],
    *,
    streamed: bool,
) -> DataReport:
    """Return the report; of the shipped digits, and of what is not in memory, no more than the counts."""
    shipped = dataset.name.partition(":")[0] == "mnist"
    if shipped or streamed:
        counts = dict(zip(map(str, classes), np.bincount(codes, minlength=len(classes)).tolist(), strict=True))
        return DataReport(len(codes), 0 if X_test is None else len(X_test), "label", counts)
    return report_samples(X, codes, X_test, codes_test, classes=classes, scale=dataset.scale, notes=dataset.notes)
