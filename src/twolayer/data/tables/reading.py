"""Tables from files and queries: CSV of any dialect, TSV, Parquet, JSON lines, gzipped or not, a glob of files, SQL."""

import contextlib
import glob
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twolayer.data.encoding import MAX_COLUMNS
from twolayer.data.request import ENCODINGS
from twolayer.data.tables.tables import (
    COUNTER,
    MISSING,
    PARQUET_FILES,
    NoRowsError,
    Sql,
    Table,
    as_text,
    connect,
    execute,
    explained,
    first_line,
    load,
    sql_name,
    sql_text,
)
from twolayer.data.tables.text_files import (
    check_encoding,
    check_packed,
    check_width,
    explain_text,
    find_ragged,
    find_repeated,
    first_lines,
    has_decimal_commas,
    has_spaces,
    split_lines,
    to_utf8,
)
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError, StorageError
from twolayer.storage import open_file
from twolayer.text import choices

_TEXT_FILES = (".csv", ".tsv", ".tab", ".psv", ".txt", ".data")
_JSON_FILES = (".jsonl", ".ndjson", ".json")
_SUFFIXES = (*_TEXT_FILES, *_JSON_FILES, *PARQUET_FILES)
_BUFFER_BYTES = 8_000_000  # of a text file that DuckDB holds at once, and a line at most
_SNIFF_BYTES = 2**28  # of a text file whose every line is looked at to find out its columns' kinds
_SNIFF_LINES = 1_000_000  # of a larger one
_SURE_BYTES = 2**22  # of a text file whose first lines tell how its values are separated
_FEW_LINES = 20_000
_WHOLE_TEXT = "'\\s*[+-]?(0|[1-9][0-9]*)\\s*'"
_QUERY = re.compile(r"\s*(select|with|from)\s", re.IGNORECASE)
_SEMICOLON = "delim = ';'"
_KINDS = ["BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "VARCHAR"]  # yes stays yes
_FOREIGN = "cp1252"  # what DuckDB does not read


def is_table_name(name: str) -> bool:
    """Tell whether a name is that of a table: a file by its ending, a glob, or an SQL query."""
    return is_query(name) or _ending(Path(name)) is not None


def is_query(name: str) -> bool:
    """Tell whether a name is an SQL query."""
    return bool(_QUERY.match(name)) and not os.path.exists(name)  # noqa: PTH110 - False too where no path can be so long


def _ending(path: Path) -> str | None:
    """Return the ending of a table's file, without that of gzip."""
    endings = [suffix.lower() for suffix in path.suffixes[-2:]]
    endings = endings[:-1] if len(endings) == 2 and endings[-1] == ".gz" else endings[-1:]
    return endings[0] if endings and endings[0] in _SUFFIXES else None


def read_table(
    name: str, *, encoding: str = "utf-8", memory_bytes: int | None = None, n_threads: int | None = None
) -> Table:
    """Read a table.

    Parameters
    ----------
    name : str
        A path with a known ending, a glob of such, or an SQL query.
    encoding : str
        Of the text in CSV files: one of `ENCODINGS`.
    memory_bytes, n_threads : int, optional
        What DuckDB may take.

    Raises
    ------
    MissingFileError, StorageError, FileFormatError, DataError, SettingError
        If there is no such table, or it cannot be read.
    """
    if encoding not in ENCODINGS:
        raise SettingError(f"There is no encoding {encoding!r}: set `encoding` to {choices(ENCODINGS)}.")
    connection = connect(memory_bytes, n_threads)
    if is_query(name):
        query = name.rstrip("; \n")
        _check_query(connection, query)
        return load(name, connection, f"({query}\n)", "the query")  # in a line of its own, for a comment
    paths = find_files(name)
    ending = _ending(paths[0])
    if ending in PARQUET_FILES:
        return _open_parquet(name, connection, paths)
    for path in paths:
        check_packed(path)
    if ending in _JSON_FILES:
        options = f"union_by_name = true, sample_size = -1, map_inference_threshold = {MAX_COLUMNS + 2}"
        source = f"read_json_auto({_listed(paths)}, {options})"
        return load(name, connection, source, name, lambda error: f"it is not JSON lines: {first_line(error)}")
    return _read_text(name, connection, paths, encoding)


def _check_query(connection: Any, query: Sql) -> None:
    """Check that a query reads and does nothing else: one SELECT that cannot change how DuckDB is set.

    DuckDB can be set to write logs to any place, and a query may come from the settings of a run.
    """
    import duckdb

    with explained("the query", FileFormatError):
        statements = connection.extract_statements(query)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise DataError("the query must be a single SELECT: leave out all else.")
        connection.execute("SET lock_configuration = true")


def find_files(name: str) -> list[Path]:
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
    parts, first = [], set[str]()
    for path in paths:
        source = _file(path)
        with explained(
            str(path), FileFormatError, lambda error: f"it is not Parquet, or damaged ({first_line(error)})"
        ):
            counted = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({source})").fetchone()
            columns = {column for column, *_ in connection.execute(f"DESCRIBE FROM read_parquet({source})").fetchall()}
        if counted is None:
            raise FileFormatError(f"{path} cannot be read: it is not Parquet, or damaged.")
        first = first or columns
        _check_same_columns(path, paths[0], columns, first)
        parts.append((f"read_parquet({source}, {COUNTER} = true)", COUNTER, counted[0]))
    whole = f"read_parquet({_listed(paths)}, union_by_name = true"
    if COUNTER in map(str.lower, first):  # then DuckDB cannot count the rows where they lie
        return load(name, connection, f"{whole})", name)
    table = Table(name, connection, parts, f"{whole}, {COUNTER} = true)")
    if not table.n_rows:
        raise NoRowsError(f"{name} has no rows: name a table that has some.")
    return table


def _check_same_columns(path: Path, first: Path, columns: set[str], known: set[str]) -> None:
    odd = sorted(columns ^ known)
    if odd:
        differ = f"{first} and {path} do not have the same columns ({odd[0]!r})"
        raise DataError(f"{differ}: use matching files.")


def read_some_rows(path: str, start: int, stop: int, n_threads: int | None = None) -> Table:
    """Read the rows of a Parquet file from one to before another; DataError or FileFormatError if they are damaged."""
    connection = connect(None, n_threads)
    counter = f"{COUNTER} - {start} AS {COUNTER}"
    source = f"read_parquet({_file(Path(path))}, {COUNTER} = true)"
    some = f"(SELECT * REPLACE ({counter}) FROM {source} WHERE {COUNTER} >= {start} AND {COUNTER} < {stop})"
    return Table(path, connection, [(some, COUNTER, stop - start)], some)


def row_groups(connection: Any, path: Path) -> list[int]:
    """Return the numbers of rows in the groups of a Parquet file; of one whose rows cannot be counted, of all."""
    source = _file(path)
    with explained(str(path), FileFormatError, lambda error: f"it is not Parquet, or damaged ({first_line(error)})"):
        columns = [column for column, *_ in connection.execute(f"DESCRIBE FROM read_parquet({source})").fetchall()]
        groups = f"SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata({source}) ORDER BY ALL"
        sizes = [size for _, size in connection.execute(groups).fetchall()]
    return [sum(sizes)] if COUNTER in map(str.lower, columns) else sizes


def is_parquet(path: Path) -> bool:
    """Tell whether a file is Parquet, by its ending."""
    return _ending(path) in PARQUET_FILES


def _read_text(name: str, connection: Any, paths: list[Path], encoding: str) -> Table:
    """Return the table of CSV files, whatever separates their values."""
    for path in paths:
        if not path.stat().st_size:
            raise DataError(f"{path} is empty: name a table that has rows.")
        check_encoding(path, encoding)
        check_width(path, encoding, MAX_COLUMNS + 1)
    large = sum(path.stat().st_size for path in paths) > _SNIFF_BYTES
    missing = ", ".join(map(sql_text, MISSING))
    options = [
        f"encoding = '{'utf-8' if encoding == _FOREIGN else encoding}'",
        f"sample_size = {_SNIFF_LINES if large else -1}",
        f"nullstr = [{missing}]",
        f"union_by_name = {str(len(paths) > 1).lower()}",  # which looks at each file twice
        "skip = 0",  # else lines that do not fit are passed over in silence
        "comment = ''",
        f"buffer_size = {_BUFFER_BYTES}",
        f"auto_type_candidates = {_KINDS}",
    ]

    n_always = len(options)

    def load_with(*more: str) -> Table:
        options[n_always:] = more
        source = f"read_csv({_listed(read)}, {', '.join(options)})"
        return load(name, connection, source, name, lambda error: explain_text(error, paths, encoding))

    with to_utf8(paths if encoding == _FOREIGN else [], encoding) as converted:
        read = converted or paths
        lines = first_lines(paths[0], encoding)
        table, numbers = _load_separated(
            load_with, lines, paths[0], encoding, _FirstLines.read(connection, read, options)
        )
        headers = [_header(table, path, options) for path in read] if len(read) > 1 else []
    for path, header in zip(paths, headers, strict=False):
        _check_same_columns(path, paths[0], header, headers[0])
    repeated = find_repeated(lines, list(table.kinds))
    texts = [column for column, kind in table.kinds.items() if kind == "category" and column not in numbers]
    comma = len(next(split_lines(lines, ","), [])) == len(table.kinds)  # stands between values
    numbers |= _find_numbers(table, texts, commas=_SEMICOLON in options or not comma)
    if numbers:
        replaced = ", ".join(f"{number} AS {sql_name(column)}" for column, number in numbers.items())
        table = load(name, connection, f"(SELECT * REPLACE ({replaced}) FROM {table.whole})", name)
    table.notes = tuple(
        f"Two columns are named {first!r}: the second one is read as {second!r}." for first, second in repeated
    )
    return table


@dataclass(frozen=True)
class _FirstLines:
    """What the first lines of a large text file tell of it: the options of its dialect, the kind of each column."""

    dialect: tuple[str, ...]
    kinds: Mapping[str, str]

    @staticmethod
    def read(connection: Any, paths: list[Path], options: list[str]) -> "_FirstLines | None":
        """Look at the first lines; None where there are several files, a small one, or the lines do not tell."""
        import duckdb

        if len(paths) > 1 or paths[0].stat().st_size < _SURE_BYTES:
            return None
        few = [f"sample_size = {_FEW_LINES}" if option.startswith("sample_size") else option for option in options]
        query = f"SELECT Delimiter, HasHeader, Columns FROM sniff_csv({_file(paths[0])}, {', '.join(few)})"
        try:
            delimiter, has_header, columns = execute(connection, query)
        except duckdb.Error:
            return None
        if len(delimiter) != 1 or len(columns) == 1:
            return None
        dialect = (f"delim = {sql_text(delimiter)}", "quote = '\"'", "escape = '\"'", f"header = {has_header}")
        return _FirstLines(dialect, {column["name"]: column["type"] for column in columns})

    def load(self, load_with: Callable[..., Table]) -> tuple[Table, dict[str, Sql]] | None:
        """Return the table by the kinds of the first lines, and the SQL of its whole numbers; None where others follow.

        DuckDB takes 1.5 and 007 for whole numbers in silence: such columns are read as text, and then looked at.
        """
        if not {"BIGINT", "DOUBLE", "VARCHAR"}.issuperset(self.kinds.values()):
            return None
        read = {name: "DOUBLE" if kind == "DOUBLE" else "VARCHAR" for name, kind in self.kinds.items()}
        listed = ", ".join(f"{sql_text(name)}: '{kind}'" for name, kind in read.items())
        table = load_with(*self.dialect, "auto_detect = false", f"columns = {{{listed}}}")
        texts = [name for name, kind in self.kinds.items() if kind == "VARCHAR"]
        some = f"SELECT * FROM {table.whole} LIMIT {_FEW_LINES // 2}"
        known = [f"count({sql_name(name)}) > 0" for name in texts]
        whole = [name for name, kind in self.kinds.items() if kind == "BIGINT"]
        numbers = {name: f"TRY_CAST({sql_name(name)} AS BIGINT)" for name in whole}
        fit = [
            f"({sql_name(name)} IS NULL OR {number} IS NOT NULL AND regexp_full_match({sql_name(name)}, {_WHOLE_TEXT}))"
            for name, number in numbers.items()
        ]
        if known and not all(table.ask(f"SELECT {', '.join(known)} FROM ({some})")[0]):
            return None
        if fit and not table.ask(f"SELECT bool_and({' AND '.join(fit)}) FROM {table.whole}")[0][0]:
            return None
        return table, numbers


def _load_separated(
    load_with: Callable[..., Table], lines: list[str], path: Path, encoding: str, first: _FirstLines | None
) -> tuple[Table, dict[str, Sql]]:
    """Return the table that a function loads, told of the separators that DuckDB does not find out itself.

    Beside it is the SQL of columns of whole numbers that are text in it.
    """
    if first is not None and not has_decimal_commas(lines):
        with contextlib.suppress(FileFormatError):
            if found := first.load(load_with):
                return found
        with contextlib.suppress(FileFormatError):
            return load_with(*first.dialect), {}
    try:
        table = load_with(*((_SEMICOLON, "decimal_separator = ','") if has_decimal_commas(lines) else ()))
    except FileFormatError:
        if not has_spaces(lines):
            raise
        return load_with("delim = ' '"), {}
    if len(table.kinds) > 1:
        return table, {}
    if (ragged := find_ragged(path, encoding)) is not None:  # no separator gave lines of the same length
        raise FileFormatError(ragged)
    return load_with("delim = ' '") if has_spaces(lines) else table, {}


def _header(table: Table, path: Path, options: Sequence[str]) -> set[str]:
    """Return the columns of one of several files."""
    query = f"DESCRIBE SELECT * FROM read_csv({_file(path)}, {', '.join(options)})"
    return {column for column, *_ in table.ask(query)}


def _find_numbers(table: Table, columns: Sequence[str], *, commas: bool) -> dict[str, Sql]:
    """Return the SQL of numbers of those columns whose texts all are one, with white space or a decimal comma.

    Texts such as 007 are not: a number would lose the zeros.
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
    return sql_text(f"./{name}" if name.startswith("~") else name)
