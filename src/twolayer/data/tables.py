"""Tables of any size and kind that DuckDB reads.

CSV of any dialect, TSV, Parquet, JSON lines, gzipped or not; a glob of files, an SQL query, a frame in memory.

Parquet is read where it lies, a few row groups at a time; everything else is brought into a database that DuckDB keeps
in memory, or in a temporary file where that is too small.
"""

import contextlib
import errno
import glob
import itertools
import os
import re
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.data.rows import Rows, split_evenly
from twolayer.data.table_encoding import MAX_COLUMNS, CategoryColumn, NumberColumn, TableEncoding
from twolayer.data.text_files import (
    ENCODINGS,
    check_encoding,
    check_packed,
    check_width,
    explain_text,
    find_ragged,
    first_lines,
    has_decimal_commas,
    has_spaces,
    split_lines,
)
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError, StorageError
from twolayer.storage import open_file

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?")
BLOCK_ROWS = 65_536
_TEXT_FILES = (".csv", ".tsv", ".tab", ".psv", ".txt", ".data")
_JSON_FILES = (".jsonl", ".ndjson", ".json")
_PARQUET_FILES = (".parquet", ".pq")
_COUNTER = "file_row_number"  # DuckDB's name for the place of a row in its Parquet file
_SUFFIXES = (*_TEXT_FILES, *_JSON_FILES, *_PARQUET_FILES)
_THREAD_BYTES = 2**28  # that one thread of DuckDB's should have, for a group of rows of a Parquet file
_EXAMPLE_LENGTH = 40
_EXPRESSIONS_AT_ONCE = 128  # the time to plan a query of more grows with their square
_WIDE_QUERY = 20_000  # letters; DuckDB compares each part of a longer one with every other to find the same work twice
_BUFFER_BYTES = 8_000_000  # of a text file that DuckDB holds at once, and a line at most
_SNIFF_BYTES = 2**28  # of a text file whose every line is looked at to find out its columns' kinds
_SNIFF_LINES = 1_000_000  # of a larger one
_NUMBERS = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*|BIGNUM")
_WHOLE = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)")
_CATEGORIES = re.compile(r"VARCHAR|BOOLEAN|ENUM.*|UUID|\"?NULL\"?", re.DOTALL)  # a value may have a line end
_DATES = re.compile(r"(DATE|TIME|INTERVAL).*")
_QUERY = re.compile(r"\s*(select|with|from)\s", re.IGNORECASE)
_SEMICOLON = "delim = ';'"

Sql = str


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
    whole_numbers : set of str
        Columns of whole numbers.
    n_rows : int
    """

    def __init__(self, name: str, connection: Any, parts: Sequence[tuple[Sql, str, int]], whole: Sql) -> None:
        self.name, self._connection, self.parts, self.whole = name, connection, tuple(parts), whole
        described = self.ask(f"DESCRIBE SELECT * FROM {whole}")
        counters = {counter for _, counter, _ in self.parts}
        types = {column: kind for column, kind, *_ in described if column not in counters}
        self.kinds = {column: _kind_of(kind) for column, kind in types.items()}
        self.whole_numbers = {column for column, kind in types.items() if _WHOLE.fullmatch(kind)}
        self.n_rows = sum(n for _, _, n in parts)

    def ask(self, query: Sql, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows that a query gives."""
        return self._run(query, parameters).fetchall()  # type: ignore[no-any-return]

    def ask_arrays(self, query: Sql, parameters: Any = None) -> list[np.ndarray[Any, Any]]:
        """Return the columns that a query gives."""
        return list(self._run(query, parameters).fetchnumpy().values())

    def register(self, name: str, columns: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Let queries select from arrays, which stand row by row beside the table's rows."""
        self._connection.register(name, dict(columns))

    def write(self, path: Path, names: Sequence[str], columns: Mapping[str, np.ndarray[Any, Any]]) -> None:
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
        listed = ", ".join(
            [*(f"whole.{sql_name(name)}" for name in names), *(f"beside.{sql_name(name)}" for name in columns)]
        )
        query = f"SELECT {listed} FROM {self.whole} AS whole POSITIONAL JOIN beside"
        form = "parquet" if path.suffix.lower() in _PARQUET_FILES else "csv, header"
        self._run(f"COPY ({query}) TO {_text(str(path))} (FORMAT {form})", None, writes=True)

    def _run(self, query: Sql, parameters: Any, *, writes: bool = False) -> Any:
        import duckdb

        try:
            _prepare(self._connection, query)
            return self._connection.execute(query, parameters)
        except duckdb.OutOfRangeException:
            raise DataError(f"{self.name} holds numbers too large to add up: repair or scale them.") from None
        except duckdb.OutOfMemoryException:
            raise _no_room(self.name) from None
        except duckdb.Error as error:
            if _is_full(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if writes else _no_room(self.name) from None
            raise DataError(f"{self.name} cannot be read: {_first_line(error)}.") from None

    def check_columns(self, names: Sequence[str], need: str) -> None:
        """Check that columns are there.

        Raises
        ------
        DataError
            If one is not; `need` says who needs it.
        """
        missing = [name for name in names if name not in self.kinds]
        if missing:
            listed = ", ".join(repr(name) for name in missing[:5]) + (" and others" if len(missing) > 5 else "")
            has = ", ".join(list(self.kinds)[:12]) + (", ..." if len(self.kinds) > 12 else "")
            plural = "s" if len(missing) > 1 else ""
            raise DataError(f"{self.name} has no column{plural} {listed}, {need}: it has {has}.")


class TableRows(Rows):
    """The samples of a table, encoded block by block.

    Parameters
    ----------
    table : Table
    encoding : TableEncoding
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
        self, table: Table, encoding: TableEncoding, block_rows: int | None = None, dtype: Any = np.float32
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
        table.check_columns([column.name for column in encoding.columns], "which the model needs")
        self._expressions = [_expression(table, column, k) for k, column in enumerate(encoding.columns)]
        self._levels = {
            f"levels{k}": list(column.levels)
            for k, column in enumerate(encoding.columns)
            if isinstance(column, CategoryColumn)
        }

    def read(self, block: int) -> np.ndarray[Any, Any]:
        """Return the samples of one block."""
        part, start, size = self._blocks[block]
        raw = select(self._table, self._expressions, part, start, size, self._levels)
        for column, values in zip(self._encoding.columns, raw, strict=True):
            if isinstance(column, NumberColumn):
                self._check_range(column, values)
        return self._encoding.encode(raw, self.dtype)

    def _check_range(self, column: NumberColumn, values: np.ndarray[Any, Any]) -> None:
        """Check that numbers are finite, and stay so when they are standardized."""
        reach = float(np.finfo(self.dtype).max) * column.deviation
        if ((values <= column.mean - reach) | (values >= column.mean + reach)).any():
            what = "an infinite value" if np.isinf(values).any() else "a value too large to compute with"
            raise DataError(f"Column {column.name!r} of {self._table.name} has {what}: repair it.")


def select(
    table: Table, expressions: Sequence[Sql], part: int, start: int, size: int, parameters: Any = None
) -> list[np.ndarray[Any, Any]]:
    """Return expressions of some rows of one part of a table, in their order."""
    source, counter, _ = table.parts[part]
    where = f"{counter} >= {start} AND {counter} < {start + size}"
    columns: list[np.ndarray[Any, Any]] = []
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


def is_table_name(name: str) -> bool:
    """Tell whether a name is that of a table: a file by its ending, a glob, or an SQL query."""
    if _is_query(name):
        return True
    suffixes = Path(name).suffixes[-2:]
    return bool(suffixes) and (suffixes[-1].lower() in _SUFFIXES or _is_packed(suffixes))


def _is_query(name: str) -> bool:
    return bool(_QUERY.match(name)) and not os.path.exists(name)  # noqa: PTH110 - False too where no path can be so long


def _is_packed(suffixes: list[str]) -> bool:
    return len(suffixes) == 2 and suffixes[1].lower() == ".gz" and suffixes[0].lower() in _SUFFIXES


def read_table(name: str, *, encoding: str = "utf-8", memory_bytes: int | None = None) -> Table:
    """Read a table.

    Parameters
    ----------
    name : str
        A path with a known ending, a glob of such, or an SQL query.
    encoding : str
        Of the text in CSV files: one of `ENCODINGS`.
    memory_bytes : int, optional
        What DuckDB may take.

    Returns
    -------
    Table

    Raises
    ------
    MissingFileError, StorageError, FileFormatError, DataError, SettingError
        If there is no such table, or it cannot be read.
    """
    if encoding not in ENCODINGS:
        raise SettingError(f"There is no encoding {encoding!r} here: choose one of {', '.join(ENCODINGS)}.")
    connection = _connect(memory_bytes)
    if _is_query(name):
        query = name.rstrip("; \n")
        _check_query(connection, query)
        return _load(name, connection, f"({query}\n)", "the query", _first_line)  # in a line of its own, for a comment
    paths = _find_files(name)
    ending = next(suffix for suffix in reversed(paths[0].suffixes) if suffix.lower() in _SUFFIXES).lower()
    if ending in _PARQUET_FILES:
        return _open_parquet(name, connection, paths)
    for path in paths:
        check_packed(path)
    if ending in _JSON_FILES:
        options = f"union_by_name = true, sample_size = -1, map_inference_threshold = {MAX_COLUMNS + 2}"
        source = f"read_json_auto({_listed(paths)}, {options})"
        return _load(name, connection, source, name, lambda error: f"it is no JSON lines: {_first_line(error)}")
    return _read_text(name, connection, paths, encoding)


def as_table(data: Any, name: str = "the data") -> Table:
    """Return a table of a frame, or of a mapping of names to columns; `name` is what errors call it."""
    if isinstance(data, Table):
        return data
    connection = _connect(None)
    if hasattr(data, "collect"):  # polars, where it is lazy
        data = data.collect()
    if isinstance(data, Mapping):
        data = _from_mapping(data)
    elif hasattr(data, "to_dict") and hasattr(data, "get_columns"):  # polars, without its way through pyarrow
        data = {column: _from_series(values) for column, values in data.to_dict().items()}
    elif not hasattr(data, "columns"):
        raise DataError(
            f"A model of a table takes a frame, or a mapping of names to columns, not a {type(data).__name__}."
        )
    try:
        connection.register("frame", data)
    except Exception as error:  # noqa: BLE001 - whatever a frame of another library raises
        message = (
            f"The frame cannot be read ({_first_line(error)}): make numbers or text of such columns, or drop them."
        )
        raise DataError(message) from None
    return _load(name, connection, "frame", name, _first_line)


def _from_mapping(columns: Mapping[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Return columns as arrays."""
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[str(name)] = np.asarray(values)
        except ValueError:  # lists of different lengths
            raise DataError(f"Column {name!r} holds no single values: drop it.") from None
    for name, array in arrays.items():
        first = next(iter(arrays))
        if array.ndim != 1:
            raise DataError(f"Column {name!r} must be a list or an array of single values, one a row.")
        if len(array) != len(arrays[first]):
            sizes = f"{first!r} has {len(arrays[first]):,} values, {name!r} has {len(array):,}"
            raise DataError(f"All columns must be of one length: {sizes}.")
    return arrays


def _from_series(series: Any) -> np.ndarray[Any, Any]:
    """Return a column of polars as an array; missing values are None in one of objects."""
    if series.dtype.is_numeric() and not series.null_count():
        with contextlib.suppress(Exception):  # NumPy has not all of its types, and polars panics there before 2.0
            kind = np.dtype(str(series.dtype).lower())
            return np.asarray(series.to_numpy(), kind)
    return np.fromiter(series.to_list(), object, len(series))


def sql_name(name: str) -> Sql:
    """Return a column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def as_number(name: str) -> Sql:
    """Return the SQL of a column's numbers, NULL where missing or not a number."""
    return f"nullif(CAST({sql_name(name)} AS DOUBLE), 'nan'::DOUBLE)"


def as_text(name: str) -> Sql:
    """Return the SQL of a column's texts, NULL where missing."""
    text = f"CAST({sql_name(name)} AS VARCHAR)"
    spaced = f"trim({text})"  # knows spaces of every script, but no tab and no line end
    stripped = f"regexp_replace({spaced}, '^[\\s\\p{{Z}}]+|[\\s\\p{{Z}}]+$', '', 'g')"
    trimmed = f"CASE WHEN {spaced} < '!' OR right({spaced}, 1) < '!' THEN {stripped} ELSE {spaced} END"
    tokens = ", ".join(f"'{token}'" for token in MISSING)  # IN would make it a join, which mixes the rows
    return f"CASE WHEN list_position([{tokens}], {trimmed}) > 0 THEN NULL ELSE {trimmed} END"


def shortened(text: str) -> str:
    """Return a text as an example in a sentence."""
    return text if len(text) <= _EXAMPLE_LENGTH else f"{text[: _EXAMPLE_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"


def _expression(table: Table, column: NumberColumn | CategoryColumn, k: int) -> Sql:
    """Return the SQL of what a column's `encode` takes; DataError where the table's is of another kind."""
    kind, text = table.kinds[column.name], as_text(column.name)
    if isinstance(column, NumberColumn):
        if kind == "number":
            return f"coalesce({as_number(column.name)}, 'nan'::DOUBLE)"
        wrong: Any = kind in ("date", "other")
        if kind == "category":
            where = f"{text} IS NOT NULL AND TRY_CAST({text} AS DOUBLE) IS NULL"
            found = table.ask(f"SELECT {text} FROM {table.whole} WHERE {where} LIMIT 1")
            wrong = f"text ({shortened(found[0][0])!r})" if found else None
        if not wrong:
            return f"coalesce(TRY_CAST({text} AS DOUBLE), 'nan'::DOUBLE)"
        what = wrong if isinstance(wrong, str) else {"date": "dates"}.get(kind, "no single values")
        raise DataError(
            f"Column {column.name!r} of {table.name} holds {what} where the model takes numbers: repair it."
        )
    if kind in ("date", "other") or (kind == "number" and column.name not in table.whole_numbers):
        what = {"date": "dates", "number": "decimal numbers"}.get(kind, "no single values")
        known = ", ".join(repr(level) for level in column.levels[:3])
        message = f"Column {column.name!r} of {table.name} holds {what} where the model takes categories"
        raise DataError(f"{message} such as {known}: repair it.")
    place = f"list_position($levels{k}::VARCHAR[], {text})"
    return f"CAST(coalesce({place}, CASE WHEN {text} IS NULL THEN -1 ELSE 0 END) AS INTEGER)"


def _spans(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(itertools.accumulate(sizes, initial=0), sizes, strict=False)


def _kind_of(kind: str) -> str:
    for pattern, name in ((_NUMBERS, "number"), (_CATEGORIES, "category"), (_DATES, "date")):
        if pattern.fullmatch(kind):
            return name
    return "other"


def _connect(memory_bytes: int | None) -> Any:
    """Return a connection that reaches no network, and keeps what memory cannot hold in a folder that goes with it."""
    try:
        import duckdb
    except ImportError:
        raise SettingError("Tables need DuckDB: pip install duckdb.") from None
    connection = duckdb.connect()
    folder = tempfile.TemporaryDirectory(prefix="twolayer-")
    weakref.finalize(connection, folder.cleanup)
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    settings |= {"temp_directory": _text(folder.name), "enable_progress_bar": "false"}
    settings |= {"python_enable_replacements": "false", "pandas_analyze_sample": str(2**40)}  # every value is looked at
    if memory_bytes is not None:
        settings["memory_limit"] = _text(f"{max(64, memory_bytes // 2**20)}MiB")
        n_threads = max(1, min(os.cpu_count() or 1, memory_bytes // _THREAD_BYTES))
        settings["threads"] = str(n_threads)
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")
    return connection


def _check_query(connection: Any, query: Sql) -> None:
    """See that a query reads and does nothing else: one SELECT that cannot change how DuckDB is set.

    DuckDB can be set to write logs to any place, and a query may come from the settings of a run.
    """
    import duckdb

    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise FileFormatError(f"the query cannot be read: {_first_line(error)}.") from None
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise DataError("the query is more than one SELECT: leave out what is not to be read.")
    connection.execute("SET lock_configuration = true")


def _prepare(connection: Any, query: Sql) -> None:
    """See that the time to plan a query, and those after it, grows with its columns and not with their square."""
    import duckdb

    if len(query) > _WIDE_QUERY:
        with contextlib.suppress(duckdb.InvalidInputException):  # where the table is of a query
            connection.execute("SET disabled_optimizers = 'common_subexpressions'")


def _is_full(error: Exception) -> bool:
    return os.strerror(errno.ENOSPC) in str(error)


def _no_room(called: str) -> StorageError:
    return StorageError(f"There is no room for {called}: give --memory more or free some space.")


def _load(name: str, connection: Any, source: Sql, called: str, explain: Callable[[Exception], str]) -> Table:
    """Bring what a source gives into the connection's own database."""
    import duckdb

    query = f"CREATE OR REPLACE TABLE data AS SELECT * FROM {source}"
    try:
        _prepare(connection, query)
        connection.execute(query)
        (n_rows,) = connection.execute("SELECT count(*) FROM data").fetchone()
    except duckdb.OutOfMemoryException:
        raise _no_room(called) from None
    except duckdb.Error as error:
        if _is_full(error):  # the disk, with what memory cannot hold
            raise _no_room(called) from None
        raise FileFormatError(f"{called} cannot be read: {explain(error)}.") from None
    if not n_rows:
        raise DataError(f"{called} has no rows: name a table that has some.")
    columns = [column for column, *_ in connection.execute("DESCRIBE data").fetchall()]
    hiding = next((column for column in columns if column.lower() == "rowid"), None)  # what DuckDB counts rows by
    if hiding is None:
        return Table(name, connection, [("data", "rowid", n_rows)], "data")
    free = _free_name("rowid_", columns)
    connection.execute(f"ALTER TABLE data RENAME COLUMN {sql_name(hiding)} TO {sql_name(free)}")
    named = f"* RENAME ({sql_name(free)} AS {sql_name(hiding)}) FROM data"
    connection.execute(f"CREATE OR REPLACE VIEW named AS SELECT {named}")
    counter = _free_name(_COUNTER, columns)
    return Table(name, connection, [(f"(SELECT rowid AS {counter}, {named})", counter, n_rows)], "named")


def _free_name(name: str, columns: Sequence[str]) -> str:
    """Return a name that no column has yet."""
    taken = {column.lower() for column in columns}
    while name in taken:
        name += "_"
    return name


def _find_files(name: str) -> list[Path]:
    """Return the files of a path or a glob."""
    path = Path(name)
    if path.is_file():
        paths = [path]
    elif path.is_dir():
        raise StorageError(f"{path} is a folder: name its files, like {path}/*.csv.")
    else:
        paths = sorted(Path(found) for found in glob.glob(name, recursive=True))  # noqa: PTH207 - absolute ones too
        if not paths:
            what = "are no files like" if glob.has_magic(name) else "is no file"
            raise MissingFileError(f"There {what} {name}: check the path.")
    for each in paths:
        with open_file(each) as file:  # its sentences
            file.read(1)
    return paths


def _open_parquet(name: str, connection: Any, paths: list[Path]) -> Table:
    """Return the table of Parquet files, which stay where they are."""
    import duckdb

    parts, first = [], set[str]()
    for path in paths:
        source = _file(path)
        try:
            (n_rows,) = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({source})").fetchone()
            columns = {column for column, *_ in connection.execute(f"DESCRIBE FROM read_parquet({source})").fetchall()}
        except (duckdb.Error, TypeError) as error:
            raise FileFormatError(f"{path} is no Parquet file, or is damaged ({_first_line(error)}).") from None
        first = first or columns
        _check_same_columns(path, paths[0], columns, first)
        parts.append((f"read_parquet({source}, {_COUNTER} = true)", _COUNTER, n_rows))
    whole = f"read_parquet({_listed(paths)}, union_by_name = true"
    if _COUNTER in map(str.lower, first):  # then DuckDB cannot count the rows where they lie
        return _load(name, connection, f"{whole})", name, _first_line)
    table = Table(name, connection, parts, f"{whole}, {_COUNTER} = true)")
    if not table.n_rows:
        raise DataError(f"{name} has no rows: name a table that has some.")
    return table


def _check_same_columns(path: Path, first: Path, columns: set[str], known: set[str]) -> None:
    odd = sorted(columns ^ known)
    if odd:
        raise DataError(
            f"{first} and {path} do not have the same columns ({odd[0]!r}): use files that belong together."
        )


def _read_text(name: str, connection: Any, paths: list[Path], encoding: str) -> Table:
    """Return the table of CSV files, whatever separates their values."""
    first = paths[0]
    for path in paths:
        if not path.stat().st_size:
            raise DataError(f"{path} is empty: name a table that has rows.")
        check_encoding(path, encoding)
        check_width(path, encoding, MAX_COLUMNS + 1)
    large = sum(path.stat().st_size for path in paths) > _SNIFF_BYTES
    missing = ", ".join(_text(token) for token in MISSING)
    kinds = ["BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "VARCHAR"]  # yes stays yes
    options = [
        f"encoding = '{encoding}'",
        f"sample_size = {_SNIFF_LINES if large else -1}",
        f"nullstr = [{missing}]",
        "union_by_name = true",
        "skip = 0",  # else lines that do not fit are passed over in silence
        "comment = ''",
        f"buffer_size = {_BUFFER_BYTES}",
        f"auto_type_candidates = {kinds}",
    ]

    def load(*more: str) -> Table:
        options.extend(more)
        source = f"read_csv({_listed(paths)}, {', '.join(options)})"
        return _load(name, connection, source, name, lambda error: explain_text(error, paths, encoding))

    lines = first_lines(first, encoding)
    table = _load_separated(load, lines, first, encoding)
    headers = [_header(table, path, options) for path in paths] if len(paths) > 1 else []
    for path, header in zip(paths, headers, strict=False):
        _check_same_columns(path, first, header, headers[0])
    texts = [column for column, kind in table.kinds.items() if kind == "category"]
    comma = len(next(split_lines(lines, ","), [])) == len(table.kinds)  # stands between values
    numbers = _find_numbers(table, texts, commas=_SEMICOLON in options or not comma)
    if not numbers:
        return table
    repaired = ", ".join(f"{number} AS {sql_name(column)}" for column, number in numbers.items())
    return _load(name, connection, f"(SELECT * REPLACE ({repaired}) FROM {table.whole})", name, _first_line)


def _load_separated(load: Callable[..., Table], lines: list[str], path: Path, encoding: str) -> Table:
    """Return the table that a function loads, told of the separators that DuckDB does not find out itself."""
    try:
        table = load(*((_SEMICOLON, "decimal_separator = ','") if has_decimal_commas(lines) else ()))
    except FileFormatError:
        if not has_spaces(lines):
            raise
        return load("delim = ' '")
    if len(table.kinds) > 1:
        return table
    if (ragged := find_ragged(path, encoding)) is not None:  # no separator gave lines of the same length
        raise FileFormatError(ragged)
    return load("delim = ' '") if has_spaces(lines) else table


def _header(table: Table, path: Path, options: Sequence[str]) -> set[str]:
    """Return the columns of one of several files."""
    query = f"DESCRIBE SELECT * FROM read_csv({_file(path)}, {', '.join(options)})"
    return {column for column, *_ in table.ask(query)}


def _find_numbers(table: Table, columns: Sequence[str], *, commas: bool) -> dict[str, Sql]:
    """Return the SQL of numbers of those columns whose texts all are one, with white space or a decimal comma.

    Texts such as 007 are none: a number would lose the zeros.
    """
    numbers = {}
    for column in columns:
        text = as_text(column)
        dotted = f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END"
        some = f"SELECT 1 FROM {table.whole} WHERE {text} IS NOT NULL"
        thousands = "'[+-]?[1-9][0-9]{0,2}(,[0-9]{3})*'"
        for value in (text, dotted)[: 1 + commas]:
            number = f"CASE WHEN regexp_matches({text}, '^[+-]?0[0-9]') THEN NULL ELSE TRY_CAST({value} AS DOUBLE) END"
            if table.ask(f"{some} AND {number} IS NULL LIMIT 1"):
                continue
            if table.ask(f"{some} {f'AND NOT regexp_full_match({text}, {thousands})' * (value == dotted)} LIMIT 1"):
                numbers[column] = number
                break
    return numbers


def _listed(paths: Sequence[Path]) -> Sql:
    return "[" + ", ".join(map(_file, paths)) + "]"


def _file(path: Path) -> Sql:
    """Return a path for DuckDB to read, which would take *, ? and [ for those of a glob, and ~ for a home."""
    name = glob.escape(str(path))
    return _text(f"./{name}" if name.startswith("~") else name)


def _text(value: str) -> Sql:
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    """Return the gist of an error of DuckDB's."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^(\w+ )*Error: ", "", lines[0]).rstrip(".: ")
