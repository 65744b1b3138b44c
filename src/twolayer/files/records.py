"""The one way to read and write a typed record: as JSON, alone or in the metadata of a safetensors file of arrays.

A record is a `msgspec.Struct` with a `format_version`; its type is the check of what is read. msgspec refuses what is
not JSON, is nested too deeply or has numbers out of range, but of a name that stands twice it takes the last: such
texts are refused here, and so are those of more parts than a second is enough to read.
"""

import contextlib
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, BinaryIO, Literal, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from twolayer.aliases import Array
from twolayer.errors import FileFormatError
from twolayer.parameters import Parameters
from twolayer.storage import open_file
from twolayer.text import join, shorten

MAX_JSON_PARTS = 250_000  # colons, and opening brackets and braces, of a JSON text
_COUNT = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class BrokenRuleError(Exception):
    """A rule of a format is broken: which one and, where it differs from the usual advice, what to do."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.advice = advice


class Record(msgspec.Struct, kw_only=True):
    """What all versions of all records have; a record that is read forbids unknown fields, too."""

    format_version: Annotated[int, msgspec.Meta(ge=1)]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """What the header of a safetensors file says of an array."""

    dtype: Literal["F32", "F64"]
    shape: list[int]
    data_offsets: tuple[int, int]


@contextlib.contextmanager
def broken_rules(subject: str, advice: str) -> Iterator[None]:
    """Turn a broken rule into a `FileFormatError`: "SUBJECT: reason; advice."."""
    try:
        yield
    except BrokenRuleError as broken:
        raise FileFormatError(f"{subject}: {broken}; {broken.advice or advice}.") from None


def encode(record: msgspec.Struct) -> str:
    """Return a record as JSON with sorted names; ValueError or TypeError if JSON cannot hold it."""
    options: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}
    text = json.dumps(msgspec.structs.asdict(record), default=msgspec.to_builtins, sort_keys=True, **options)
    text.encode()  # half of a surrogate pair is not text
    return text


def decode(text: bytes, versions: Mapping[int, type[Any]], what: str = "its record") -> Any:
    """Return the record that a JSON text holds: of the type that `versions` has for its `format_version`.

    BrokenRuleError if it is not JSON, of another version, or not a record of that type; `what` names it.
    """
    _check_size(text, what)
    version = _typed(text, Record, what).format_version
    if version > max(versions):
        newest = f"the newest that this version of twolayer reads is {max(versions)}"
        raise BrokenRuleError(f"its format_version is {shorten(version)}, {newest}", "update twolayer")
    if version not in versions:
        raise BrokenRuleError(f"its format_version {version} is older than {min(versions)}, the oldest that is read")
    return _decode(text, versions[version], what)


def _check_size(text: bytes, what: str) -> None:
    """Check that a JSON text will not become very many objects."""
    if max(text.count(b":"), text.count(b"[") + text.count(b"{")) > MAX_JSON_PARTS:
        raise BrokenRuleError(f"{what} has more than {MAX_JSON_PARTS:,} names or lists")


def _typed(text: bytes | msgspec.Raw, kind: Any, what: str) -> Any:
    """Return a JSON text as a value of a type."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenRuleError(f"{what} is invalid ({_plain(error)})") from None


def _plain(error: Exception) -> str:
    """Return what msgspec says without its marks: "classes[0]: Expected int, got str"."""
    reason, _, place = shorten(str(error).replace("`", ""), 200).partition(" - at ")
    place = place.lstrip("$.")
    return f"{place}: {reason}" if place else reason


def _decode(text: bytes, kind: Any, what: str) -> Any:
    """Return a JSON text as a value of a type, in whose objects the names differ."""
    repeats = _repeats_a_name(text)
    value = _typed(text, kind, what)
    if repeats:
        raise BrokenRuleError(f"{what} is invalid (a name occurs twice, or it is nested too deeply)")
    return value


def _repeats_a_name(text: bytes) -> bool:
    """Tell whether a name stands twice in an object of a JSON text; nothing of it is kept, of numbers their length."""
    try:
        json.loads(text.decode(), object_pairs_hook=_differ, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return True
    return False


def _differ(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise ValueError


@dataclass(frozen=True)
class FileForm:
    """A kind of safetensors file: arrays of F32 or F64, and one record in the metadata."""

    noun: str  # what to call such a file
    key: str  # the name of the record in the metadata
    versions: Mapping[int, type[Any]]  # as for `decode`
    max_bytes: int
    max_header_bytes: int
    advice: str  # what to do about a broken one
    verify: Callable[[bytes], None] | None = None  # raises `BrokenRuleError` if the bytes of a file are damaged

    def broken_rules(self, source: str) -> contextlib.AbstractContextManager[None]:
        """Turn a broken rule into the error of a file of this kind."""
        return broken_rules(f"{source} is not a valid {self.noun}", self.advice)

    def write(self, record: msgspec.Struct, arrays: Mapping[str, Array]) -> bytes:
        """Return the content of a file; ValueError or TypeError if none can hold the record."""
        from safetensors.numpy import save

        text = encode(record)
        content = save({name: np.ascontiguousarray(each) for name, each in arrays.items()}, metadata={self.key: text})
        header_bytes = int.from_bytes(content[:8], "little")
        try:
            _check_size(content[8 : 8 + header_bytes], "its header")
        except BrokenRuleError as broken:
            raise ValueError(str(broken)) from None
        if header_bytes > self.max_header_bytes:
            raise ValueError(f"its header would have more than {self.max_header_bytes:,} bytes")
        return content

    def read(self, path: str | os.PathLike[str], missing: str = "check the path") -> tuple[Any, dict[str, Array]]:
        """Return the record and the arrays of a file; `missing` is the advice where there is none."""
        with open_file(Path(path), missing) as file, self.broken_rules(str(path)):
            n_bytes = os.fstat(file.fileno()).st_size
            if n_bytes > self.max_bytes:
                raise BrokenRuleError(f"it is larger than any {self.noun} ({self.max_bytes:,} bytes)")
            return self._parse(file, n_bytes)

    def parse(self, content: bytes, source: str) -> tuple[Any, dict[str, Array]]:
        """Return the record and the arrays of a file's content; `source` names it in an error."""
        with self.broken_rules(source):
            return self._parse(io.BytesIO(content), len(content))

    def _parse(self, file: BinaryIO, n_bytes: int) -> tuple[Any, dict[str, Array]]:
        """Return the record and the arrays of an open file; what the header promises is checked before it is read."""
        start = file.read(8)
        header_bytes = int.from_bytes(start, "little")
        if n_bytes < 8 or not 2 <= header_bytes <= min(self.max_header_bytes, n_bytes - 8):
            raise BrokenRuleError("it is cut short, or not a safetensors file")
        content = start + file.read(header_bytes)
        text, end = _parse_header(content[8:], self.key)
        record = decode(text, self.versions)
        if end != n_bytes - len(content):
            raise BrokenRuleError("its arrays do not end where the file ends")
        content += file.read()
        if self.verify:
            self.verify(content)
        return record, _read_arrays(content)


def _parse_header(header: bytes, key: str) -> tuple[bytes, int]:
    """Return the text of the record in a header, and where the last array ends."""
    text = header.rstrip(b" ")
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise BrokenRuleError("its header is not a JSON object")
    _check_size(text, "its header")
    parts = _decode(text, dict[str, msgspec.Raw], "its header")
    metadata = _typed(parts.pop("__metadata__", b"{}"), dict[str, str], "its metadata")
    if key not in metadata:
        raise BrokenRuleError("it is a safetensors file of another kind")
    entries = [_typed(entry, _Entry, f"its array {shorten(name)}") for name, entry in parts.items()]
    return metadata[key].encode(), max((entry.data_offsets[1] for entry in entries), default=0)


def _read_arrays(content: bytes) -> dict[str, Array]:
    """Return the arrays of a file's content."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, ValueError, OverflowError) as error:
        raise BrokenRuleError(f"its arrays are damaged ({shorten(error, 200).rstrip('.')})") from None


def pack(value: Any, arrays: dict[str, Array], name: str) -> Any:
    """Return a value as JSON: numbers, texts, arrays, parameters, and dataclasses, tuples and dicts of them.

    The arrays go to `arrays`; the path to each, which begins with the name of the value, stands in its place.
    """
    if isinstance(value, Parameters):
        value = value.vector
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return name
    if is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, dict):
        return {key: pack(each, arrays, f"{name}.{key}") for key, each in value.items()}
    if isinstance(value, tuple):
        return [pack(each, arrays, f"{name}.{k}") for k, each in enumerate(value)]
    return str(float(value)) if isinstance(value, float) and not math.isfinite(value) else value


def unpack(kind: Any, packed: Any, name: str, readers: Mapping[Any, Callable[[Any, str], Any]]) -> Any:
    """Return the value of a type that `pack` packed; BrokenRuleError if something else was packed.

    The type is a dataclass, a tuple of items of one type, float, text, int for counts, one of these or None, or one of
    `readers`, which make a value of what is packed and its name.
    """
    items = get_args(kind)
    if kind in readers:
        return readers[kind](packed, name)
    if is_dataclass(kind):
        return _unpack_fields(kind, packed, name, readers)
    if get_origin(kind) is tuple:
        parts = enumerate(_convert(packed, list[Any], name))
        return tuple(unpack(items[0], each, f"{name}.{k}", readers) for k, each in parts)
    if NoneType in items:
        return None if packed is None else unpack(items[0], packed, name, readers)
    if kind is float and packed in ("inf", "-inf", "nan"):
        return float(packed)
    return _convert(packed, _COUNT if kind is int else kind, name)


def _unpack_fields(kind: Any, packed: Any, name: str, readers: Mapping[Any, Callable[[Any, str], Any]]) -> Any:
    """Return a dataclass."""
    kinds = get_type_hints(kind)
    if set(_convert(packed, dict[str, Any], name)) != set(kinds):
        raise BrokenRuleError(f"{name} must have exactly {join(kinds) or 'nothing'}")
    return kind(**{key: unpack(kinds[key], packed[key], f"{name}.{key}", readers) for key in kinds})


def _convert(packed: Any, kind: Any, name: str) -> Any:
    """Return a JSON value as one of a type."""
    try:
        return msgspec.convert(packed, kind)
    except msgspec.ValidationError as error:
        raise BrokenRuleError(f"{name} is invalid ({_plain(error)})") from None


def take(arrays: dict[str, Array], packed: Any, name: str) -> Array:
    """Take an array out of those of a file, as a copy that lies in memory as any other."""
    if packed != name or name not in arrays:
        raise BrokenRuleError(f"it lacks the array {name}")
    return np.array(arrays.pop(name))
