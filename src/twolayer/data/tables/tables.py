"""A table in DuckDB: what its columns are, queries about them, and its rows as samples, block by block.

Parquet is read where it lies, a few row groups at a time; everything else is brought into a database that DuckDB keeps
in memory, or in a temporary file where that is too small.
"""

import contextlib
import difflib
import errno
import importlib
import itertools
import os
import re
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.encoding import CategoryColumn, Column, Encoding, NumberColumn, UnusedColumn
from twolayer.data.rows import Rows, split_evenly
from twolayer.errors import DataError, FileFormatError, SettingError, StorageError
from twolayer.text import free_name, join, shorten

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?")
BLOCK_ROWS = 65_536
PARQUET_FILES = (".parquet", ".pq")
COUNTER = "file_row_number"  # DuckDB's name for the place of a row in its Parquet file
EXAMPLE_LENGTH = 40  # of a value in a sentence
_INTERRUPT_SECONDS = 0.05  # from one to the next
_THREAD_BYTES = 2**28  # that one thread of DuckDB's should have, for a group of rows of a Parquet file
_DAY_MICROSECONDS = 86_400_000_000
_EXPRESSIONS_AT_ONCE = 128  # the time to plan a query of more grows with their square
_WIDE_QUERY = 20_000  # letters; DuckDB compares each part of a longer one with every other to find the same work twice
_NUMBERS = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*|BIGNUM")
_WHOLE = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)")
_CATEGORIES = re.compile(r"VARCHAR|BOOLEAN|ENUM.*|UUID|\"?NULL\"?", re.DOTALL)  # a value may have a line end
_DATES = re.compile(r"(DATE|TIME|INTERVAL).*")

Sql = str


class NoRowsError(DataError):
    """A table has columns and no rows."""


class Table:
    """A table that DuckDB reads.

    Parameters
    ----------
    name : str
        What to call it in an error.
    connection : DuckDB connection
    parts : sequence of (str, str, int)
        What to select from, the column that counts its rows from 0, and the number of them; one after the other they
        are the table.
    whole : str
        What to select from to have all of them.

    Attributes
    ----------
    kinds : dict
        "number", "category", "date" or "other" of each column, in their order.
    whole_numbers, durations : set of str
        Columns of whole numbers, and those of dates that are spans of time.
    n_rows : int
    target : str or None
        The column of the classes, where the source says so.
    notes : tuple of str
        Sentences about how it was read.
    """

    target: str | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, name: str, connection: Any, parts: Sequence[tuple[Sql, str, int]], whole: Sql) -> None:
        self.name, self._connection, self.parts, self.whole = name, connection, tuple(parts), whole
        described = self.ask(f"DESCRIBE SELECT * FROM {whole}")
        counters = {counter for _, counter, _ in self.parts}
        types = {column: kind for column, kind, *_ in described if column not in counters}
        self.kinds = {column: _kind_of(kind) for column, kind in types.items()}
        self.whole_numbers = {column for column, kind in types.items() if _WHOLE.fullmatch(kind)}
        self.durations = {column for column, kind in types.items() if kind == "INTERVAL"}
        self.n_rows = sum(n for _, _, n in parts)

    def ask(self, query: Sql, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows that a query gives."""
        with explained(self.name):
            return execute(self._connection, query, parameters, "fetchall")  # type: ignore[no-any-return]

    def ask_arrays(self, query: Sql, parameters: Any = None) -> list[Array]:
        """Return the columns that a query gives."""
        with explained(self.name):
            return list(execute(self._connection, query, parameters, "fetchnumpy").values())

    def register(self, name: str, columns: Mapping[str, Array]) -> None:
        """Let queries select from arrays, which stand row by row beside the table's rows."""
        self._connection.register(name, dict(columns))

    def write(self, path: Path, names: Sequence[str], columns: Mapping[str, Array]) -> None:
        """Write some of its columns and others beside them as Parquet or CSV, by the path's ending.

        Parameters
        ----------
        path : Path
            Is overwritten.
        names : sequence of str
            Columns of the table.
        columns : mapping of str to arrays of shape (n_rows,)

        Raises
        ------
        OSError
            If the disk is full.
        """
        self.register("beside", columns)
        own, others = (f"whole.{sql_name(name)}" for name in names), (f"beside.{sql_name(name)}" for name in columns)
        query = f"SELECT {', '.join([*own, *others])} FROM {self.whole} AS whole POSITIONAL JOIN beside"
        form = "parquet" if path.suffix.lower() in PARQUET_FILES else "csv, header"
        with explained(self.name, writes=True):
            execute(self._connection, f"COPY ({query}) TO {sql_text(str(path))} (FORMAT {form})")

    def check_columns(self, names: Sequence[str], need: str) -> None:
        """Check that columns are there; `need` says in the error who needs them.

        Raises
        ------
        DataError
            If one is not, with one of a similar name.
        """
        check_names(self.name, self.kinds, names, need)


def check_names(source: str, known: Mapping[str, Any], names: Sequence[str], need: str) -> None:
    """Check that columns are among those known of a source, as `Table.check_columns`."""
    missing = [name for name in names if name not in known]
    if missing:
        listed = ", ".join(map(repr, missing[:5])) + (" and others" if len(missing) > 5 else "")
        similar = _similar(missing[0], known)
        meant = f" (did you mean {similar!r}?)" if similar else ""
        columns = f"column{'s' * (len(missing) > 1)}"
        raise DataError(f"{source} has no {columns} {listed}, {need}{meant}: it has {join(known, 12)}.")


class TableRows(Rows):
    """The samples of a table, encoded block by block.

    Parameters
    ----------
    table : Table
    encoding : Encoding
    block_rows : int, optional
        Rows in a block at most.
    dtype : numpy.dtype
        Of the values.

    Raises
    ------
    DataError
        If the table has not the columns, or they are of another kind.
    """

    def __init__(
        self, table: Table, encoding: Encoding, block_rows: int | None = None, dtype: Any = np.float32
    ) -> None:
        self._table, self._encoding, self.dtype = table, encoding, np.dtype(dtype)
        self.shape = (table.n_rows, encoding.n_values)
        blocks = [
            (part, start, size)
            for part, (_, _, n) in enumerate(table.parts)
            for start, size in _spans(split_evenly(n, block_rows or BLOCK_ROWS))
            if size
        ]
        self._blocks, self.blocks = blocks, tuple(size for _, _, size in blocks)
        table.check_columns(list(dict.fromkeys(column.name for column in encoding.columns)), "which the model needs")
        self._expressions = [_expression(table, column, k) for k, column in enumerate(encoding.columns)]
        self._levels = {
            f"levels{k}": list(column.levels)
            for k, column in enumerate(encoding.columns)
            if isinstance(column, CategoryColumn)
        }

    def read(self, block: int) -> Array:
        """Return the samples of one block."""
        part, start, size = self._blocks[block]
        raw = select(self._table, self._expressions, part, start, size, self._levels)
        return self._encoding.encode(raw, self.dtype, self._table.name)


def select(
    table: Table, expressions: Sequence[Sql], part: int, start: int, size: int, parameters: Any = None
) -> list[Array]:
    """Return expressions of some rows of one part of a table, in their order."""
    source, counter, _ = table.parts[part]
    where = f"{counter} >= {start} AND {counter} < {start + size}"
    columns: list[Array] = []
    for first in range(0, len(expressions), _EXPRESSIONS_AT_ONCE):
        some = [counter, *expressions[first : first + _EXPRESSIONS_AT_ONCE]]
        listed = ", ".join(f"{expression} AS c{k}" for k, expression in enumerate(some))
        used = {name: value for name, value in (parameters or {}).items() if f"${name}::" in listed}
        places, *found = table.ask_arrays(f"SELECT {listed} FROM {source} WHERE {where}", used or None)
        if not (places[1:] > places[:-1]).all():  # several threads read them
            order = np.argsort(places)
            found = [column[order] for column in found]
        columns += found
    return columns


def as_table(data: Any, name: str = "the data") -> Table:
    """Return a table of a frame, or of a mapping of names to columns; `name` is what errors call it."""
    if isinstance(data, Table):
        return data
    connection = connect(None)
    if hasattr(data, "collect"):  # polars, where it is lazy
        data = data.collect()
    if isinstance(data, Mapping):
        data = _from_mapping(data)
    elif hasattr(data, "to_dict") and hasattr(data, "get_columns"):  # polars, without its way through pyarrow
        data = {column: _from_series(values) for column, values in data.to_dict().items()}
    elif not hasattr(data, "columns"):
        kind = type(data).__name__
        raise DataError(f"A model of a table takes a data frame, or a mapping of names to columns, not a {kind}.")
    try:
        connection.register("frame", data)
    except Exception as error:  # noqa: BLE001 - whatever a frame of another library raises
        reason = f"The frame cannot be read ({first_line(error)})"
        raise DataError(f"{reason}: convert such columns to numbers or text, or drop them.") from None
    return load(name, connection, "frame", name)


def _from_mapping(columns: Mapping[Any, Any]) -> dict[str, Array]:
    """Return columns as arrays."""
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[str(name)] = np.asarray(values)
        except ValueError:  # lists of different lengths
            raise DataError(f"Column {name!r} has rows of different lengths: drop it.") from None
    for name, array in arrays.items():
        first = next(iter(arrays))
        if array.ndim != 1:
            raise DataError(f"Column {name!r} must be a list or an array with one value per row.")
        if len(array) != len(arrays[first]):
            sizes = f"{first!r} has {len(arrays[first]):,} values, {name!r} has {len(array):,}"
            raise DataError(f"All columns must have the same length: {sizes}.")
    return arrays


def _from_series(series: Any) -> Array:
    """Return a column of polars as an array; missing values are None in one of objects."""
    if series.dtype.is_numeric() and not series.null_count():
        with contextlib.suppress(Exception):  # NumPy has not all of its types, and polars panics there before 2.0
            kind = np.dtype(str(series.dtype).lower())
            return np.asarray(series.to_numpy(), kind)
    return np.fromiter(series.to_list(), object, len(series))


def sql_name(name: str) -> Sql:
    """Return a column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def sql_text(value: str) -> Sql:
    """Return a text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def as_number(name: str) -> Sql:
    """Return the SQL of a column's numbers, NULL where missing or not a number."""
    return f"nullif(CAST({sql_name(name)} AS DOUBLE), 'nan'::DOUBLE)"


def as_date_part(value: Sql, part: str) -> Sql:
    """Return the SQL of a part of a date in UTC, one of `DATE_PARTS`, NULL where missing or infinite."""
    microseconds = f"epoch_us({value})"
    if part == "age":
        return f"CAST({microseconds} AS DOUBLE) / {_DAY_MICROSECONDS}"
    number = "isodow({}) - 1" if part == "weekday" else part + "({})"
    return f"CAST({number.format(f'make_timestamp({microseconds})')} AS DOUBLE)"


def as_text(name: str) -> Sql:
    """Return the SQL of a column's texts, NULL where missing."""
    text = f"CAST({sql_name(name)} AS VARCHAR)"
    spaced = f"trim({text})"  # knows spaces of every script, but no tab and no line end
    stripped = f"regexp_replace({spaced}, '^[\\s\\p{{Z}}]+|[\\s\\p{{Z}}]+$', '', 'g')"
    trimmed = f"CASE WHEN {spaced} < '!' OR right({spaced}, 1) < '!' THEN {stripped} ELSE {spaced} END"
    tokens = ", ".join(map(sql_text, MISSING))  # IN would make it a join, which mixes the rows
    return f"CASE WHEN list_position([{tokens}], {trimmed}) > 0 THEN NULL ELSE {trimmed} END"


def _expression(table: Table, column: Column, k: int) -> Sql:
    """Return the SQL of what a column's `encode` takes; DataError where the table's is of another kind."""
    kind, text = table.kinds[column.name], as_text(column.name)
    wrong = {"number": "numbers", "date": "dates", "other": "neither numbers nor text"}.get(kind)
    if isinstance(column, UnusedColumn):
        return "0"
    if isinstance(column, NumberColumn):
        wanted, sql_type = ("dates", "TIMESTAMP") if column.part else ("numbers", "DOUBLE")
        value = sql_name(column.name) if column.part else as_number(column.name)
        if kind == "category":
            value = f"TRY_CAST({text} AS {sql_type})"
            found = table.ask(f"SELECT {text} FROM {table.whole} WHERE {text} IS NOT NULL AND {value} IS NULL LIMIT 1")
            wrong = f"text ({shorten(found[0][0], EXAMPLE_LENGTH)!r})" if found else None
        number = as_date_part(value, column.part) if column.part else value
        sql = f"coalesce({number}, 'nan'::DOUBLE)"
        wrong = None if wrong == wanted else wrong
    else:
        wanted = f"categories such as {join(map(repr, column.levels[:3]))}"
        if kind == "number":
            wrong = None if column.name in table.whole_numbers else "decimal numbers"
        place = f"list_position($levels{k}::VARCHAR[], {text})"
        sql = f"CAST(coalesce({place}, CASE WHEN {text} IS NULL THEN -1 ELSE 0 END) AS INTEGER)"
    if wrong:
        message = f"Column {column.name!r} of {table.name} holds {wrong} where the model needs {wanted}"
        raise DataError(f"{message}: repair it.")
    return sql


def _spans(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(itertools.accumulate(sizes, initial=0), sizes, strict=False)


def _kind_of(kind: str) -> str:
    for pattern, name in ((_NUMBERS, "number"), (_CATEGORIES, "category"), (_DATES, "date")):
        if pattern.fullmatch(kind):
            return name
    return "other"


def _similar(name: str, known: Mapping[str, Any]) -> str | None:
    """Return the known name that a misspelled one may stand for."""
    lower = {each.lower(): each for each in reversed(list(known))}
    return next((lower[each] for each in difflib.get_close_matches(name.lower(), lower, 1)), None)


def connect(memory_bytes: int | None, n_threads: int | None = None) -> Any:
    """Return a connection that reaches no network, and keeps what memory cannot hold in a folder that goes with it."""
    try:
        duckdb = _beside(lambda: importlib.import_module("duckdb"))
    except ImportError:
        raise SettingError("Tables need DuckDB: pip install duckdb.") from None
    connection = duckdb.connect()
    folder = tempfile.TemporaryDirectory(prefix="twolayer-")
    weakref.finalize(connection, folder.cleanup)
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    settings |= {"temp_directory": sql_text(folder.name), "enable_progress_bar": "false"}
    settings |= {"python_enable_replacements": "false", "pandas_analyze_sample": str(2**40)}  # every value is looked at
    if memory_bytes is not None:
        settings["memory_limit"] = sql_text(f"{max(64, memory_bytes // 2**20)}MiB")
        n_threads = n_threads or max(1, min(os.cpu_count() or 1, memory_bytes // _THREAD_BYTES))
    if n_threads is not None:
        settings["threads"] = str(n_threads)
    with explained("DuckDB"):
        for name, value in settings.items():
            connection.execute(f"SET {name} = {value}")
    return connection


def execute(connection: Any, query: Sql, parameters: Any = None, fetch: str = "fetchone") -> Any:
    """Run a query and fetch what it gives.

    The time to plan a wide query, and those after it, grows with its columns, not with their square.
    """
    import duckdb

    def work() -> Any:
        if len(query) > _WIDE_QUERY:
            with contextlib.suppress(duckdb.InvalidInputException):  # where the table is of a query
                connection.execute("SET disabled_optimizers = 'common_subexpressions'")
        return getattr(connection.execute(query, parameters), fetch)()

    return _beside(work, connection.interrupt)


def _beside(work: Callable[[], Any], interrupt: Callable[[], Any] = lambda: None) -> Any:
    """Do work in another thread: DuckDB overlooks Ctrl-C while its threads work, and aborts where one loads it."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(work)
        try:
            return answer.result()
        except KeyboardInterrupt:
            while not wait([answer], _INTERRUPT_SECONDS).done:  # again, where the work had not begun
                interrupt()
            raise
        finally:
            del answer  # an error in it holds this frame, and with it the connection


@contextlib.contextmanager
def explained(
    name: str,
    kind: type[Exception] = DataError,
    explain: Callable[[Exception], str] | None = None,
    *,
    writes: bool = False,
) -> Iterator[None]:
    """Turn what DuckDB raises into an error of a kind, with a reason that ends without a point; Ctrl-C stays Ctrl-C."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise _no_room(name) from None
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        if os.strerror(errno.ENOSPC) in str(error):  # the disk, with what memory cannot hold
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if writes else _no_room(name) from None
        if isinstance(error, duckdb.OutOfRangeException) and kind is DataError:
            raise DataError(f"{name} holds numbers too large to add up: repair or scale them.") from None
        raise kind(f"{name} cannot be read: {(explain or first_line)(error)}.") from None
    except RuntimeError as error:
        if "interrupted" in str(error):  # what DuckDB makes of the KeyboardInterrupt of a signal
            raise KeyboardInterrupt from None
        raise


def _no_room(name: str) -> StorageError:
    return StorageError(f"{name} does not fit: increase `memory`, or free some disk space.")


def first_line(error: Exception) -> str:
    """Return the gist of an error, without a point at its end."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^(\w+ )*Error: ", "", lines[0]).rstrip(".: ")


def load(
    name: str, connection: Any, source: Sql, called: str, explain: Callable[[Exception], str] | None = None
) -> Table:
    """Bring what a source gives into the connection's own database; errors call it `called`."""
    with explained(called, FileFormatError, explain):
        execute(connection, f"CREATE OR REPLACE TABLE data AS SELECT * FROM {source}")
        (n_rows,) = connection.execute("SELECT count(*) FROM data").fetchone()
        if not n_rows:
            raise NoRowsError(f"{called} has no rows: name a table that has some.")
        columns = [column for column, *_ in connection.execute("DESCRIBE data").fetchall()]
        hiding = next((column for column in columns if column.lower() == "rowid"), None)  # what DuckDB counts rows by
        if hiding is None:
            return Table(name, connection, [("data", "rowid", n_rows)], "data")
        lower = [column.lower() for column in columns]
        free, counter = free_name("rowid_", lower), free_name(COUNTER, lower)
        connection.execute(f"ALTER TABLE data RENAME COLUMN {sql_name(hiding)} TO {sql_name(free)}")
        named = f"* RENAME ({sql_name(free)} AS {sql_name(hiding)}) FROM data"
        connection.execute(f"CREATE OR REPLACE VIEW named AS SELECT {named}")
        return Table(name, connection, [(f"(SELECT rowid AS {counter}, {named})", counter, n_rows)], "named")
