"""What the lines of a CSV file say: which separator and encoding it has, and why it cannot be read."""

import contextlib
import csv
import gzip
import itertools
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from twolayer.data.packed import check_unpacked
from twolayer.data.request import ENCODINGS
from twolayer.errors import FileFormatError, StorageError
from twolayer.text import count

_SEPARATORS = ",;\t|"
_SNIFFED = 100  # lines, to know a separator by
_LONGEST = 2**20  # letters of such a line
_BLOCK_BYTES = 2**20
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)
_OTHER_FILES = {  # by their first bytes
    b"\x1f\x8b": "is not plain text; give it the ending .csv.gz",
    b"PAR1": "is not plain text; give it the ending .parquet",
    b"PK\3\4": "is a spreadsheet or an archive; save it as CSV, or unpack it",
}
_OTHER_STARTS = tuple(_OTHER_FILES)
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff")
_CONTROLS = re.compile("[\x80-\x9f]")  # DuckDB takes them for no letters of latin-1
_UNREADABLE = (UnicodeError, OSError, EOFError, zlib.error)


def check_packed(path: Path) -> None:
    """Read a gzipped file through, which compares its checksum; DuckDB does not.

    Raises
    ------
    FileFormatError
        If it is not gzip, is damaged, or holds more than `most_unpacked` lets it hold.
    """
    if path.suffix.lower() != ".gz":
        return
    try:
        stored_bytes, n_bytes = path.stat().st_size, 0
        with gzip.open(path) as file:
            while block := file.read(_BLOCK_BYTES):
                n_bytes += len(block)
                check_unpacked(str(path), n_bytes, stored_bytes)
    except (EOFError, OSError, zlib.error):
        raise FileFormatError(f"{path} is not a gzip file, or is damaged: get a fresh copy.") from None


def check_encoding(path: Path, encoding: str) -> None:
    """Compare the first bytes of a text with its encoding, where DuckDB would read something else without a word.

    Raises
    ------
    FileFormatError
        If it cannot be of that encoding.
    """
    start = _start(path)
    if not start.startswith(_OTHER_STARTS) and _has_two_byte_letters(start) is not (encoding == "utf-16"):
        raise FileFormatError(f"{path} cannot be read: {_not_encoded([path], encoding)}.")


@contextlib.contextmanager
def to_utf8(paths: Sequence[Path], encoding: str) -> Iterator[list[Path]]:
    """Give temporary copies of texts in UTF-8.

    Raises
    ------
    FileFormatError
        If one is not of that encoding.
    StorageError
        If the disk has no room for them.
    """
    with tempfile.TemporaryDirectory(prefix="twolayer-") as folder:
        copies = [Path(folder, f"{k}.csv") for k in range(len(paths))]
        for path, copy in zip(paths, copies, strict=True):
            try:
                with _open_text(path, encoding, "strict") as file, copy.open("w", encoding="utf-8", newline="") as out:
                    shutil.copyfileobj(file, out, _BLOCK_BYTES)
            except UnicodeError:
                if (other := _find_other_kind(path)) is not None:
                    raise FileFormatError(f"{path} cannot be read: {other}.") from None
                raise FileFormatError(f"{path} cannot be read: {_not_encoded([path], encoding)}.") from None
            except OSError as error:
                reason = error.strerror or error
                raise StorageError(
                    f"{path} cannot be copied ({reason}): free some space, or save it in UTF-8."
                ) from None
        yield copies


def check_width(path: Path, encoding: str, most: int) -> None:
    """Check that no separator makes more than so many values of a line; DuckDB takes memory for any number.

    Raises
    ------
    FileFormatError
        If one of the first lines has more.
    """
    lines: list[str] = []
    with contextlib.suppress(*_UNREADABLE), _open_text(path, encoding) as file:
        lines.extend(itertools.islice(_iter_lines(file), _SNIFFED))
    for line, separator in itertools.product(lines, _SEPARATORS):
        if line.count(separator) >= most:
            values = next(split_lines([line], separator), None)
            if values is None or len(values) > most:
                raise FileFormatError(f"{path} has more than {most:,} columns: leave out those that are not needed.")


def first_lines(path: Path, encoding: str) -> list[str]:
    """Return the first lines that are not empty, as far as they can be read."""
    lines: list[str] = []
    with contextlib.suppress(*_UNREADABLE), _open_text(path, encoding) as file:
        every = (line for line in _iter_lines(file) if line.strip())
        lines.extend(itertools.islice(every, _SNIFFED))
    return lines


def split_lines(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    """Yield the values of lines, as far as they can be told apart."""
    with contextlib.suppress(csv.Error):
        yield from csv.reader(lines, delimiter=separator)


def find_repeated(lines: Sequence[str], columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return the columns whose name in the header is that of an earlier one: this name, and what they are called."""
    for separator in f"{_SEPARATORS} ":
        header = [name.strip("\ufeff \t") for name in next(split_lines(lines, separator), [])]
        if len(header) == len(columns):
            known = {name.casefold() for name, column in zip(header, columns, strict=True) if name == column}
            pairs = zip(header, columns, strict=True)
            return [(name, column) for name, column in pairs if name != column and name.casefold() in known]
    return []


def has_decimal_commas(lines: Sequence[str]) -> bool:
    """Tell whether semicolons stand between values, of which all that have a comma are numbers, but for the header."""
    rows = list(split_lines(lines, ";"))[: _SNIFFED - 1]  # the last of so many may be cut within quotes
    if len(rows) < 2 or len(rows[0]) < 2 or len(set(map(len, rows))) > 1:
        return False
    values = [value for row in rows[1:] for value in row if "," in value]
    return bool(values) and all(map(_DECIMAL_COMMA.fullmatch, values))


def has_spaces(lines: Sequence[str]) -> bool:
    """Tell whether nothing but single spaces can stand between values."""
    header = next(split_lines(lines[:1], " "), [])
    return len(header) > 1 and all(header) and not set(",;\t|") & set(lines[0])


def explain_text(error: Exception, paths: Sequence[Path], encoding: str) -> str:
    """Say what is wrong with CSV files that DuckDB could not read, and what to do; without a point at its end."""
    told = [line for line in str(error).partition("\nLINE 1")[0].splitlines() if line.strip()]
    for path in paths:
        if (other := _find_other_kind(path)) is not None:
            return other
    if re.search(r"invalid unicode|is not \S+ encoded", " ".join(told[:4]), re.IGNORECASE):
        return _not_encoded(paths, encoding)
    for path in paths:
        if (ragged := find_ragged(path, encoding)) is not None:
            return ragged.rstrip(".")
    if any(_has_two_line_ends(path) for path in paths):
        return "its line endings are mixed, CR LF and LF, within quotes or not; use one of them"
    words = [line for line in told if not line.startswith(("Original Line", "Possible", " "))][:2]
    return ", ".join(re.sub(r"^(\w+ )*Error: ", "", line).rstrip(".: ") for line in words) or type(error).__name__


def find_ragged(path: Path, encoding: str) -> str | None:
    """Name the first line whose number of values is not that of the first, if there is one."""
    with contextlib.suppress(csv.Error, *_UNREADABLE):
        with _open_text(path, encoding) as file:
            line = file.readline(_LONGEST)
        separator = max(",;\t| ", key=line.count)
        with _open_text(path, encoding) as file:
            lines = csv.reader(itertools.takewhile(_is_whole, _iter_lines(file)), delimiter=separator)
            width = len(next(lines, []))
            for values in lines:
                if values and len(values) != width:
                    found = f"Line {lines.line_num:,} of {path} has {count(len(values), 'value')}"
                    return f"{found} where the first has {width}: repair it."
    return None


def _iter_lines(file: Any) -> Iterator[str]:
    """Yield lines; one that is longer than anybody's in parts, so that memory holds it."""
    return iter(lambda: file.readline(_LONGEST), "")


def _is_whole(line: str) -> bool:
    return len(line) < _LONGEST


def _not_encoded(paths: Sequence[Path], encoding: str) -> str:
    """Say that texts are not of an encoding, and of which they may be."""
    others = [other for other in ENCODINGS if other != encoding and all(_is_encoded(path, other) for path in paths)]
    advice = f"set `encoding` to {others[0]}, or convert it" if others else "convert it to UTF-8"
    return f"its text is not {encoding}; {advice}"


def _is_encoded(path: Path, encoding: str) -> bool:
    """Tell whether all of a text can be of an encoding."""
    start = _start(path)
    if _has_two_byte_letters(start) is not (encoding == "utf-16"):
        return False
    codec = "utf-16-le" if encoding == "utf-16" and not start.startswith(_UTF16_STARTS) else encoding
    try:
        with _open_text(path, codec, "strict") as file:
            blocks = iter(lambda: file.read(_BLOCK_BYTES), "")
            return not any(encoding == "latin-1" and _CONTROLS.search(block) for block in blocks)
    except _UNREADABLE:
        return False


def _has_two_byte_letters(start: bytes) -> bool:
    return start.startswith(_UTF16_STARTS) or b"\0" in start


def _start(path: Path) -> bytes:
    """Return the first bytes of a text, gzipped or not."""
    reader: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with reader(path, "rb") as file:
        start: bytes = file.read(1000)
    return start


def _find_other_kind(path: Path) -> str | None:
    """Say of what kind a file is that has the ending of a text and holds something else."""
    with path.open("rb") as file:
        start = file.read(4)
    right = next((kind for magic, kind in _OTHER_FILES.items() if start.startswith(magic)), None)
    return None if right is None or (path.suffix.lower() == ".gz" and right.endswith(".gz")) else f"{path} {right}"


def _has_two_line_ends(path: Path) -> bool:
    with _open_text(path, "latin-1") as file:
        start: str = file.read(_BLOCK_BYTES)
    return 0 < start.count("\r\n") < start.count("\n")


def _open_text(path: Path, encoding: str, errors: str = "replace") -> Any:
    reader: Any = gzip.open if path.suffix.lower() == ".gz" else open
    return reader(path, "rt", encoding=encoding, errors=errors, newline="")
