"""A table in several files, of which each is looked at where it is read: what they hold together is added up.

A survey of one table asks DuckDB three things: the classes, figures of the columns, and some values. Here each
partition is asked them, and the answers are merged before the same functions judge them. Numbers have the same
encoding as from one table, but for the rounding of sums: their curves are made of the same rows, evenly spaced. So
have categories with at most `MOST_COUNTED` different values in a partition; of others the frequent ones are counted
approximately.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.split import hold_out
from twolayer.data.tables.columns import (
    GROUPED_ROWS,
    TRAINING,
    CategoryFigures,
    Number,
    NumberFigures,
    batches,
    count_category,
    count_flaws,
    count_numbers,
    numbers_of_date,
    read_values,
)
from twolayer.data.tables.reading import find_files, is_parquet, read_some_rows, read_table, row_groups
from twolayer.data.tables.survey import (
    code_target,
    find_labels,
)
from twolayer.data.tables.tables import NoRowsError, Sql, Table, as_number, as_text, connect, sql_name
from twolayer.errors import MissingFileError, StorageError

MOST_COUNTED = 20_000  # different values of a column that are counted in a partition
PARTITION_ROWS = 500_000  # of a Parquet file with several groups of rows, which is cut between them into such parts
SPLITS = ("train", "test", "validation")
_LEAST_HASHES = 1024  # by which more different values are estimated, within 3 %
_HASH_DIGITS = 15


@dataclass(frozen=True)
class Extent:
    """Where a partition is: a file, or of a Parquet file the rows from `start` to before `stop`.

    Attributes
    ----------
    path : str
    start : int
    stop : int or None
        None for a file as a whole.
    encoding : str
        Of the text in a CSV file.
    """

    path: str
    start: int = 0
    stop: int | None = None
    encoding: str = "utf-8"

    @property
    def n_bytes(self) -> int:
        """Bytes of its file; 0 where that is not there."""
        path = Path(self.path)
        return path.stat().st_size if path.is_file() else 0

    def open(self) -> Table | None:
        """Return its table, read by one thread; None where it has no rows."""
        try:
            if self.stop is not None:
                return read_some_rows(self.path, self.start, self.stop, 1)
            return read_table(self.path, encoding=self.encoding, n_threads=1)
        except NoRowsError:
            return None
        except (MissingFileError, StorageError) as error:
            reason = str(error).rstrip(".")
            message = f"A worker of the cluster cannot read {self.path} ({reason}): put it where all workers can"
            raise StorageError(f"{message}, under the same path.") from None


def find_extents(name: str, encoding: str = "utf-8") -> list[Extent]:
    """Return the partitions of a path or a glob; the same ones whatever cluster they are for.

    Parameters
    ----------
    name : str
    encoding : str
        Of the text in CSV files.

    Raises
    ------
    MissingFileError, StorageError, FileFormatError
        If there are no such files, or they cannot be read here.
    """
    connection, extents = None, []
    for path in find_files(name):
        whole = Extent(str(path.resolve()), encoding=encoding)
        if not is_parquet(path):
            extents.append(whole)
            continue
        connection = connection or connect(None, 1)
        spans = cut_groups(row_groups(connection, path))
        extents += [replace(whole, start=a, stop=b) for a, b in spans] if len(spans) > 1 else [whole]
    return extents


def cut_groups(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first row, and the one behind the last, of parts of neighbouring groups of about `PARTITION_ROWS`."""
    total = sum(sizes)
    n_parts = max(1, min(len(sizes), round(total / PARTITION_ROWS)))
    ends = np.cumsum(sizes)
    wanted = total * np.arange(1, n_parts) / n_parts
    cuts = sorted({0, total, *(int(ends[np.abs(ends - each).argmin()]) for each in wanted)})
    return list(itertools.pairwise(cuts))


@dataclass(frozen=True)
class Question:
    """What a survey is about.

    Attributes
    ----------
    target : str
    ignore : tuple of str
    fraction, validation : float
        Of the rows of each class that are held out to test on, and of the rest to validate on, in each partition.
    random_state : int
    """

    target: str
    ignore: tuple[str, ...] = ()
    fraction: float = 0.0
    validation: float = 0.0
    random_state: int = 0


@dataclass(frozen=True)
class Schema:
    """What the columns of a partition are, and what its target holds."""

    path: str
    n_rows: int
    kinds: Mapping[str, str]
    whole_numbers: frozenset[str]
    durations: frozenset[str]
    labels: tuple[Any, ...]
    notes: tuple[str, ...]


class Part:
    """A partition that is open; it travels as what it is of, and is opened anew where it arrives."""

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self._table: Table | None = None
        self._is_open = False
        self._marked: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled without the table."""
        return Part, (self.extent,)

    def __sizeof__(self) -> int:
        """Say what it takes, so that Dask leaves it where it is."""
        return 10_000 + self.extent.n_bytes

    @property
    def table(self) -> Table | None:
        """Its table; None where it has no rows."""
        if not self._is_open:
            self._table, self._is_open = self.extent.open(), True
        return self._table

    def schema(self, question: Question) -> Schema | None:
        """Return its columns; None where it has no rows."""
        table = self.table
        if table is None:
            return None
        labels = tuple(find_labels(table, question.target)) if question.target in table.kinds else ()
        kinds = frozenset(table.whole_numbers), frozenset(table.durations)
        return Schema(self.extent.path, table.n_rows, table.kinds, *kinds, labels, table.notes)

    def split(self, question: Question, classes: Sequence[Label], index: int, first: int = 0) -> dict[str, Array]:
        """Return the rows of each of `SPLITS` in rising order; from then on queries know which ones are trained on.

        `index` is that of the partition, and `first` the number of its first row in the whole table.
        """
        table = self.table
        if table is None:
            return dict.fromkeys(SPLITS, np.zeros(0, np.int64))
        codes = code_target(table, question.target, classes).codes
        known, seed = np.flatnonzero(codes >= 0), [question.random_state, index]
        rest, out = hold_out(codes[known], question.fraction, seed)
        train, test = known[rest], known[out]
        rest, out = hold_out(codes[train], question.validation, [*seed, 1])
        rows = {"train": train[rest], "test": test, "validation": train[out]}
        kept = np.zeros(table.n_rows, bool)
        kept[rows["train"]] = True
        marks = {"_twolayer_kept": kept, "_twolayer_code": codes, "_twolayer_row": first + np.arange(table.n_rows)}
        table.register("_twolayer", marks)
        self._marked = (question, tuple(classes), index, first), codes
        return rows

    def mark(self, question: Question, classes: Sequence[Label], index: int, first: int) -> Array:
        """Return the code of each row's class, -1 where it has none, having split the rows."""
        key = question, tuple(classes), index, first
        if self._marked is None or self._marked[0] != key:
            self.split(*key)
        codes: Array = self._marked[1]
        return codes


def open_part(extent: Extent) -> Part:
    """Open a partition."""
    part = Part(extent)
    part.table  # noqa: B018 - here and now
    return part


def ask_schema(part: Part, question: Question) -> Schema | None:
    """Return the columns of a partition."""
    return part.schema(question)


@dataclass(frozen=True)
class Columns:
    """The columns of all partitions together."""

    kinds: Mapping[str, str]
    whole_numbers: frozenset[str]
    durations: frozenset[str]
    classes: tuple[Label, ...] = ()
    starts: tuple[int, ...] = ()  # the number of each partition's first row
    n_rows: int = 0
    notes: tuple[str, ...] = ()

    def numbers(self, ignore: Sequence[str]) -> list[Number]:
        """Return the numbers that are counted: columns, and parts of those of dates."""
        numbers: list[Number] = []
        for name, kind in self.kinds.items():
            if name not in ignore and kind == "number":
                numbers.append(Number(name))
            elif name not in ignore and kind == "date":
                numbers += numbers_of_date(name, is_duration=name in self.durations)
        return numbers

    def counters(self, ignore: Sequence[str]) -> list[str]:
        """Return the columns of whole numbers, which may only count the rows."""
        return [name for name, kind in self.kinds.items()
                if kind == "number" and name in self.whole_numbers and name not in ignore]  # fmt: skip

    def categories(self, ignore: Sequence[str]) -> list[str]:
        """Return the columns of categories."""
        return [name for name, kind in self.kinds.items() if kind == "category" and name not in ignore]


def empty_columns(part: Part, names: Sequence[str]) -> set[str]:
    """Return those of some columns that hold no value in a partition."""
    table = part.table
    if table is None or not names:
        return set()
    counts = table.ask(f"SELECT {', '.join(f'count({as_text(name)})' for name in names)} FROM {table.whole}")[0]
    return {name for name, n in zip(names, counts, strict=True) if not n}


@dataclass(frozen=True)
class Tally:
    """How often each value of a column of categories occurs; where there are too many, the most frequent ones."""

    n: int
    counts: Mapping[str, int]
    hashes: Array | None = None  # the smallest ones of all values, where not all are counted

    def merged(self, other: "Tally") -> "Tally":
        """Return what both are together."""
        counts = dict(self.counts)
        for value, n in other.counts.items():
            counts[value] = counts.get(value, 0) + n
        hashes = None
        if self.hashes is not None or other.hashes is not None or len(counts) > MOST_COUNTED:
            hashes = smallest(self.all_hashes(), other.all_hashes())
            counts = dict(_falling(counts)[:MOST_COUNTED])
        return Tally(self.n + other.n, counts, hashes)

    def all_hashes(self) -> Array:
        """Return the smallest hashes of its values."""
        return self.hashes if self.hashes is not None else smallest(_hashes(list(self.counts)))

    def figures(self, n_train: int) -> CategoryFigures:
        """Return its figures."""
        n_different = len(self.counts) if self.hashes is None else estimate(self.hashes)
        if n_train > GROUPED_ROWS and n_different > n_train / 2:
            return CategoryFigures(n_train, n_different, is_unique=True)
        return CategoryFigures(self.n, n_different, tuple(_falling(self.counts)))


def _falling(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return values with their counts, the most frequent first; of equally frequent ones in order of their bytes."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))


def _hashes(values: Sequence[str]) -> Array:
    digests = (hashlib.md5(value.encode(), usedforsecurity=False).hexdigest() for value in values)
    return np.array([int(digest[:_HASH_DIGITS], 16) for digest in digests], np.int64)


def smallest(*hashes: Array) -> Array:
    """Return the smallest hashes of several sets of values."""
    return np.unique(np.concatenate(hashes))[:_LEAST_HASHES]


def estimate(hashes: Array) -> int:
    """Return about how many different values there are, by their smallest hashes."""
    if len(hashes) < _LEAST_HASHES:
        return len(hashes)
    return int((_LEAST_HASHES - 1) / (int(hashes[-1]) / 16**_HASH_DIGITS))


def _ask_hashes(table: Table, value: Sql, source: Sql) -> Array:
    """Return the smallest hashes of the different values that a source gives."""
    hashed = f"SELECT DISTINCT substr(md5({value}), 1, {_HASH_DIGITS}) AS h FROM {source}"
    rows = table.ask(f"SELECT h FROM ({hashed}) WHERE h IS NOT NULL ORDER BY h LIMIT {_LEAST_HASHES}")
    return np.array([int(h, 16) for (h,) in rows], np.int64)


@dataclass(frozen=True)
class Figures:
    """What is counted in partitions, of the rows to train on where nothing else is said."""

    samples: Mapping[str, Array]  # of each class, by the names of `SPLITS`
    n_unlabelled: int
    numbers: tuple[NumberFigures, ...] = ()
    tallies: tuple[Tally, ...] = ()
    spans: tuple[tuple[int, float, float], ...] = ()  # of columns of whole numbers in all rows: how many, from, to


_NO_NUMBERS = NumberFigures(0, None, None, 0, None, None)


def count_part(part: Part, question: Question, columns: Columns, index: int) -> Figures | None:
    """Return what is counted in a partition; None where it has no rows."""
    table = part.table
    if table is None:
        return None
    rows = part.split(question, columns.classes, index, columns.starts[index])
    codes = part.mark(question, columns.classes, index, columns.starts[index])
    samples = {name: np.bincount(codes[some], minlength=len(columns.classes)) for name, some in rows.items()}
    ignore, n_train = [question.target, *question.ignore], len(rows["train"])
    return Figures(
        samples,
        int((codes < 0).sum()),
        tuple(_count_numbers(table, columns.numbers(ignore), n_train)),
        tuple(_tally(table, name) for name in columns.categories(ignore)),
        tuple(_spans(table, columns.counters(ignore))),
    )


def _present(table: Table, number: Number) -> bool:
    """Tell whether a partition's column is of the kind that all have: it is not where it is empty."""
    return table.kinds[number.name] == ("date" if number.part else "number")


def _count_numbers(table: Table, numbers: Sequence[Number], n_train: int) -> list[NumberFigures]:
    present = [number for number in numbers if _present(table, number)]
    counted = [each for some in batches(present) for each in count_numbers(table, some, n_train)]
    known = dict(zip(present, counted, strict=True))
    return [known.get(number, _NO_NUMBERS) for number in numbers]


def _tally(table: Table, name: str) -> Tally:
    figures = count_category(table, name, 0, MOST_COUNTED)
    hashes = None
    if figures.n_different > MOST_COUNTED:
        hashes = _ask_hashes(table, as_text(name), TRAINING.format(table.whole))
    return Tally(figures.n, dict(figures.counted), hashes)


def _spans(table: Table, names: Sequence[str]) -> list[tuple[int, float, float]]:
    spans = []
    for some in batches(list(names)):
        quoted = [as_number(name) for name in some]
        row = table.ask(f"SELECT {', '.join(f'count({x}), min({x}), max({x})' for x in quoted)} FROM {table.whole}")[0]
        spans += [(row[3 * k], row[3 * k + 1] or 0.0, row[3 * k + 2] or 0.0) for k in range(len(some))]
    return spans


@dataclass(frozen=True)
class Wanted:
    """What is asked once the figures are known."""

    every: int  # of these rows the values of numbers
    numbers: tuple[Number, ...] = ()
    texts: tuple[str, ...] = ()  # columns that may hold numbers with flaws
    counters: tuple[str, ...] = ()  # columns that may only count the rows


@dataclass(frozen=True)
class Answer:
    """The answers to what is `Wanted`."""

    values: tuple[Array, ...] = ()
    flaws: tuple[tuple[int, int, str | None], ...] = ()
    hashes: tuple[Array, ...] = ()


def answer_part(part: Part, question: Question, columns: Columns, index: int, wanted: Wanted) -> Answer | None:
    """Return a partition's answers; None where it has no rows."""
    table = part.table
    if table is None:
        return None
    part.mark(question, columns.classes, index, columns.starts[index])
    present = [number for number in wanted.numbers if _present(table, number)]
    read = [each for some in batches(present) for each in read_values(table, some, wanted.every)]
    known, n = dict(zip(present, read, strict=True)), len(read[0]) if read else 0
    values = tuple(known[number] if number in known else np.full(n, np.nan) for number in wanted.numbers)
    counters = (_ask_hashes(table, f"CAST({sql_name(name)} AS VARCHAR)", table.whole) for name in wanted.counters)
    return Answer(values, tuple(count_flaws(table, name) for name in wanted.texts), tuple(counters))
