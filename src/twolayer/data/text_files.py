"""What a look at the lines of a CSV file tells: which separator it has, and why it cannot be read."""

import contextlib
import csv
import gzip
import itertools
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from twolayer.data.packed import check_unpacked
from twolayer.errors import FileFormatError

ENCODINGS = ("utf-8", "utf-16", "latin-1")
_SEPARATORS = ",;\t|"
_SNIFFED = 100  # lines, to know a separator by
_LONGEST = 2**20  # letters of such a line
_BLOCK_BYTES = 2**20
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)
_OTHER_FILES = {b"\x1f\x8b": ".csv.gz", b"PAR1": ".parquet"}  # by their first bytes
_OTHER_STARTS = tuple(_OTHER_FILES)
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff")
_UNREADABLE = (UnicodeError, OSError, EOFError, zlib.error)


def check_packed(path: Path) -> None:
    """Read a gzipped file through, which compares its checksum; DuckDB does not.

    Raises
    ------
    FileFormatError
        If it is none, is damaged, or holds more than `most_unpacked` lets it hold.
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
        raise FileFormatError(f"{path} is no gzip file, or is damaged: get a fresh copy.") from None


def check_encoding(path: Path, encoding: str) -> None:
    """Compare the first bytes of a text with its encoding, where DuckDB would read something else without a word.

    Raises
    ------
    FileFormatError
        If it cannot be of that encoding.
    """
    reader: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with reader(path, "rb") as file:
        start = file.read(1000)
    if start.startswith(_OTHER_STARTS):
        return
    if (start.startswith(_UTF16_STARTS) or b"\0" in start) is not (encoding == "utf-16"):
        raise FileFormatError(f"{path} cannot be read: {_not_encoded(encoding)}.")


def check_width(path: Path, encoding: str, most: int) -> None:
    """Compare the number of values in the first lines with what a table may have; DuckDB takes memory for any number.

    Raises
    ------
    FileFormatError
        If one has more than `most`, whichever separates them.
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
        return _not_encoded(encoding)
    for path in paths:
        if (ragged := find_ragged(path, encoding)) is not None:
            return ragged.rstrip(".")
    if any(_has_two_line_ends(path) for path in paths):
        return "its lines end in two ways, with CR LF and with LF, within quotes or not; write them in one"
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
                    count = f"{len(values)} value{'s' * (len(values) != 1)}"
                    return f"Line {lines.line_num:,} of {path} has {count} where the first has {width}: repair it."
    return None


def _iter_lines(file: Any) -> Iterator[str]:
    """Yield lines; one that is longer than anybody's in parts, so that memory holds it."""
    return iter(lambda: file.readline(_LONGEST), "")


def _is_whole(line: str) -> bool:
    return len(line) < _LONGEST


def _not_encoded(encoding: str) -> str:
    others = " or ".join(f"--encoding {other}" for other in ENCODINGS if other != encoding)
    return f"its text is not {encoding}; say {others}, or convert it"


def _find_other_kind(path: Path) -> str | None:
    """Say of what kind a file is that has the ending of a text and is none."""
    with path.open("rb") as file:
        start = file.read(4)
    right = next((ending for magic, ending in _OTHER_FILES.items() if start.startswith(magic)), None)
    if right is None or path.suffix.lower() == right[-3:]:
        return None
    return f"{path} holds no plain text; give it its true ending, {right}"


def _has_two_line_ends(path: Path) -> bool:
    with _open_text(path, "latin-1") as file:
        start: str = file.read(_BLOCK_BYTES)
    return 0 < start.count("\r\n") < start.count("\n")


def _open_text(path: Path, encoding: str) -> Any:
    reader: Any = gzip.open if path.suffix.lower() == ".gz" else open
    return reader(path, "rt", encoding=encoding, errors="replace", newline="")
