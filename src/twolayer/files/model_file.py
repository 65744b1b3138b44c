"""The model file: safetensors, one JSON text in its metadata, no code. `docs/model-format.md` gives every byte."""

import io
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from twolayer.data.table_encoding import TableEncoding
from twolayer.equations import ACTIVATIONS
from twolayer.errors import DataError, FileFormatError
from twolayer.model import Label, Model, is_text
from twolayer.storage import open_file, replace_file

FORMAT_VERSION = 1
MAX_FILE_BYTES = 4 * 2**30
MAX_HEADER_BYTES = 16 * 2**20
MAX_JSON_PARTS = 250_000  # colons, and opening brackets and braces, of a JSON text: what a second is enough to read
_MAX_LETTERS = 2**26  # of all classes if each had as many as the longest, as in an array
_ARRAY_LABELS = "numbers of 64 bits, or short texts without a NUL at the end"
_KEY = "twolayer"
_TENSORS = ("W1", "b1", "W2", "b2")
_FIELDS = {"format_version", "library_version", "classes", "input_shape", "scale", "activation", "settings", "table"}


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model file; one that is already there is replaced in one piece.

    Parameters
    ----------
    model : Model, or a fitted TwoLayerClassifier
    path : path, by custom ending in .safetensors

    Raises
    ------
    DataError
        If the model has classes that a file cannot hold.
    StorageError
        If the file cannot be written.
    """
    replace_file(Path(path), to_bytes(model if isinstance(model, Model) else model.to_model()))


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model file, checking every rule of the format.

    Parameters
    ----------
    path : path

    Returns
    -------
    Model

    Raises
    ------
    MissingFileError, StorageError
        If the file is not there or cannot be read.
    FileFormatError
        If it is not a twolayer model, is damaged, or was written by a newer version.
    """
    path = Path(path)
    with open_file(path, "check the path, or make one with 'twolayer train'") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        if n_bytes > MAX_FILE_BYTES:
            raise FileFormatError(f"{path} is larger than any model ({MAX_FILE_BYTES:,} bytes): name a model file.")
        return _read(file, n_bytes, str(path))


def to_bytes(model: Model) -> bytes:
    """Return the content of the file of a model; equal models give equal bytes.

    Raises
    ------
    DataError
        If its classes or parameters are none that a file can hold.
    """
    from importlib.metadata import version

    from safetensors.numpy import save as to_safetensors

    if not _fit_an_array(model.classes):
        raise DataError(f"The model cannot be saved: its classes must be {_ARRAY_LABELS}.")
    if not all(np.isfinite(value).all() for value in model.parameters.values()):
        raise DataError("The model cannot be saved: its parameters are not all finite numbers; train it again.")
    record = {
        "format_version": FORMAT_VERSION,
        "library_version": version("twolayer"),
        "classes": list(model.classes),
        "input_shape": list(model.input_shape),
        "scale": model.scale,
        "activation": model.activation,
        "settings": dict(model.settings),
        "table": None if model.table is None else model.table.to_record(),
    }
    text = json.dumps(record, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    tensors = {name: np.ascontiguousarray(model.parameters[name]) for name in _TENSORS}
    return to_safetensors(tensors, metadata={_KEY: text})


def from_bytes(content: bytes, source: str = "the model") -> Model:
    """Return the model of a file's content, checking every rule of the format.

    Parameters
    ----------
    content : bytes
    source : str
        What to call the content in an error.

    Raises
    ------
    FileFormatError
        If a rule is broken.
    """
    return _read(io.BytesIO(content), len(content), source)


class _BrokenRuleError(Exception):
    """A rule of the format does not hold; the message says which, and what to do."""


def _read(file: BinaryIO, n_bytes: int, source: str) -> Model:
    """Return the model of an open file of so many bytes."""
    try:
        header = _read_header(file, n_bytes)
        record = _parse_header(header[8:], n_bytes - len(header))
        _check_version(record)
        return _to_model(record, _read_tensors(header, file))
    except _BrokenRuleError as broken:
        raise FileFormatError(f"{source} is not a twolayer model that can be read: {broken}.") from None


def _read_header(file: BinaryIO, n_bytes: int) -> bytes:
    """Return the header with its length in front."""
    start = file.read(8)
    header_bytes = int.from_bytes(start, "little")
    if n_bytes < 8 or not 2 <= header_bytes <= min(MAX_HEADER_BYTES, n_bytes - 8):
        raise _BrokenRuleError("it is no safetensors file, or is cut short; use a file that 'twolayer train' wrote")
    return start + file.read(header_bytes)


def _parse_header(content: bytes, n_bytes: int) -> dict[str, Any]:
    """Return the JSON record of a header that so many bytes of values follow."""
    text = content.rstrip(b" ")
    header = _json(text if text.startswith(b"{") and text.endswith(b"}") else b"", "its header")
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise _BrokenRuleError("it is a safetensors file of another program; use one that 'twolayer train' wrote")
    record = _json(metadata[_KEY].encode("utf-8", "surrogatepass"), "its metadata")
    if set(header) != {"__metadata__", *_TENSORS}:
        raise _BrokenRuleError(f"its arrays must be just {', '.join(_TENSORS)}; get a fresh copy")
    for name in _TENSORS:
        if not isinstance(header[name], dict) or set(header[name]) != {"dtype", "shape", "data_offsets"}:
            raise _BrokenRuleError(f"its array {name} must have just dtype, shape and data_offsets; get a fresh copy")
        if header[name]["dtype"] not in ("F32", "F64"):
            raise _BrokenRuleError(f"its array {name} must be F32 or F64; get a fresh copy")
    if max(_end(header[name]) for name in _TENSORS) != n_bytes:
        raise _BrokenRuleError("its arrays are damaged (they do not end where the file ends); get a fresh copy")
    return record


def _end(entry: dict[str, Any]) -> int:
    """Return where an array's values end; -1 if its header does not tell."""
    offsets = entry["data_offsets"]
    return offsets[1] if type(offsets) is list and list(map(type, offsets)) == [int, int] else -1


def _read_tensors(header: bytes, file: BinaryIO) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays whose values stand in the rest of a file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_safetensors

    try:
        return from_safetensors(header + file.read())
    except (SafetensorError, ValueError, OverflowError) as error:
        raise _BrokenRuleError(f"its arrays are damaged ({str(error)[:200]}); get a fresh copy") from None


def _json(text: bytes, what: str) -> dict[str, Any]:
    """Return the object that a JSON text holds; no name may stand twice, and every number is one."""

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            raise ValueError
        return value

    if max(text.count(b":"), text.count(b"[") + text.count(b"{")) > MAX_JSON_PARTS:
        raise _BrokenRuleError(f"{what} has more than {MAX_JSON_PARTS:,} names or lists; get a fresh copy")
    read: Any = {"object_pairs_hook": to_object, "parse_constant": _refuse, "parse_float": _finite}
    try:
        value = json.loads(text.decode("utf-8"), **read)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _BrokenRuleError(f"{what} is not a JSON object; get a fresh copy")
    return value


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity, which JSON has not."""
    raise ValueError(constant)


def _finite(text: str) -> float:
    """Return a number, which may be too large to be one."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _check_version(record: dict[str, Any]) -> None:
    format_version = record.get("format_version")
    if type(format_version) is not int or format_version < 1:
        raise _BrokenRuleError("its format_version is no whole number from 1; get a fresh copy")
    if format_version > FORMAT_VERSION:
        raise _BrokenRuleError(f"its format is newer than {FORMAT_VERSION}, the newest known here; update twolayer")


def _to_model(record: dict[str, Any], tensors: dict[str, np.ndarray[Any, Any]]) -> Model:
    if set(record) != _FIELDS:
        raise _BrokenRuleError(f"its metadata must have just {', '.join(sorted(_FIELDS))}; get a fresh copy")
    if type(record["library_version"]) is not str or type(record["settings"]) is not dict:
        raise _BrokenRuleError("its library_version must be text and its settings an object; get a fresh copy")
    scale = record["scale"]
    if type(scale) not in (int, float) or not 0 < scale <= sys.float_info.max:
        raise _BrokenRuleError("its scale must be a number greater than 0; get a fresh copy")
    activation = record["activation"]
    if type(activation) is not str or activation not in ACTIVATIONS:
        raise _BrokenRuleError(f"its activation must be one of {', '.join(ACTIVATIONS)}; get a fresh copy")
    input_shape = _check_shape(record["input_shape"])
    classes = _check_classes(record["classes"])
    _check_tensors(tensors, math.prod(input_shape), 1 if len(classes) == 2 else len(classes))
    table = _check_table(record["table"], input_shape, scale)
    parameters = {name: tensors[name] for name in _TENSORS}
    return Model(parameters, classes, input_shape, float(scale), activation, record["settings"], table)


def _check_table(record: Any, input_shape: tuple[int, ...], scale: float) -> TableEncoding | None:
    if record is None:
        return None
    try:
        table = TableEncoding.from_record(record)
    except ValueError as error:
        raise _BrokenRuleError(f"{error}; get a fresh copy") from None
    if input_shape != (table.n_values,) or scale != 1:
        raise _BrokenRuleError("its table does not make samples of its input_shape and scale 1; get a fresh copy")
    return table


def _check_shape(shape: Any) -> tuple[int, ...]:
    if type(shape) is not list or not 1 <= len(shape) <= 8 or not all(type(size) is int and size > 0 for size in shape):
        raise _BrokenRuleError("its input_shape must be one to eight whole numbers from 1; get a fresh copy")
    return tuple(shape)


def _check_classes(classes: Any) -> tuple[Label, ...]:
    of_one_type = type(classes) is list and len({type(label) for label in classes}) == 1
    if not of_one_type or len(classes) < 2 or type(classes[0]) not in (int, str) or len(set(classes)) < len(classes):
        raise _BrokenRuleError("its classes must be two or more different whole numbers or texts; get a fresh copy")
    if any(type(label) is str and not is_text(label) for label in classes):
        raise _BrokenRuleError("its classes must be texts of Unicode characters; get a fresh copy")
    if not _fit_an_array(classes):
        raise _BrokenRuleError(f"its classes must be {_ARRAY_LABELS}; train again")
    return tuple(classes)


def _fit_an_array(classes: Sequence[Label]) -> bool:
    """Tell whether an array holds labels as they are, and with little memory."""
    texts = [label for label in classes if isinstance(label, str)]
    if not texts:
        return all(-(2**63) <= label < 2**63 for label in classes if not isinstance(label, str))
    return len(classes) * max(map(len, texts)) <= _MAX_LETTERS and not any(label.endswith("\0") for label in texts)


def _check_tensors(tensors: dict[str, np.ndarray[Any, Any]], n_x: int, n_y: int) -> None:
    W1 = tensors["W1"]
    n_h = W1.shape[0] if W1.ndim else 0
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    if n_h < 1 or any(tensors[name].shape != shape for name, shape in shapes.items()):
        raise _BrokenRuleError("the shapes of its arrays do not fit its input_shape and classes; get a fresh copy")
    if any(tensors[name].dtype != W1.dtype for name in _TENSORS):
        raise _BrokenRuleError("its arrays must be of one type; get a fresh copy")
    if not all(np.isfinite(tensors[name]).all() for name in _TENSORS):
        raise _BrokenRuleError("its arrays hold values that are not finite numbers; train again")
