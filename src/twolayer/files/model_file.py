"""The model file: safetensors, one JSON text in its metadata, no code. `docs/model-format.md` gives every byte."""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.data.table_encoding import TableEncoding
from twolayer.equations import ACTIVATIONS
from twolayer.errors import FileFormatError
from twolayer.model import Label, Model, is_text
from twolayer.storage import open_file, replace_file

FORMAT_VERSION = 1
MAX_FILE_BYTES = 4 * 2**30
MAX_HEADER_BYTES = 16 * 2**20
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
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise FileFormatError(f"{path} is larger than any model ({MAX_FILE_BYTES:,} bytes): name a model file.")
        content = file.read()
    return from_bytes(content, str(path))


def to_bytes(model: Model) -> bytes:
    """Return the content of the file of a model; equal models give equal bytes."""
    from importlib.metadata import version

    from safetensors.numpy import save as to_safetensors

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
    try:
        record, tensors = _parse(content)
        _check_version(record)
        return _to_model(record, tensors)
    except _BrokenRuleError as broken:
        raise FileFormatError(f"{source} is not a twolayer model that can be read: {broken}.") from None


class _BrokenRuleError(Exception):
    """A rule of the format does not hold; the message says which, and what to do."""


def _parse(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Return the JSON record and the four arrays."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_safetensors

    header_bytes = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= header_bytes <= min(MAX_HEADER_BYTES, len(content) - 8):
        raise _BrokenRuleError("it is no safetensors file, or is cut short; use a file that 'twolayer train' wrote")
    header = _json(content[8 : 8 + header_bytes], "its header")
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise _BrokenRuleError("it is a safetensors file of another program; use one that 'twolayer train' wrote")
    record = _json(metadata[_KEY].encode("utf-8", "surrogatepass"), "its metadata")
    if set(header) != {"__metadata__", *_TENSORS}:
        raise _BrokenRuleError(f"its arrays must be just {', '.join(_TENSORS)}; get a fresh copy")
    for name in _TENSORS:
        if not isinstance(header[name], dict) or header[name].get("dtype") not in ("F32", "F64"):
            raise _BrokenRuleError(f"its array {name} must be F32 or F64; get a fresh copy")
    try:
        return record, from_safetensors(content)
    except (SafetensorError, ValueError, OverflowError) as error:
        raise _BrokenRuleError(f"its arrays are damaged ({error}); get a fresh copy") from None


def _json(text: bytes, what: str) -> dict[str, Any]:
    """Return the object that a JSON text holds; no name may stand twice."""

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=to_object)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _BrokenRuleError(f"{what} is not a JSON object; get a fresh copy")
    return value


def _check_version(record: dict[str, Any]) -> None:
    format_version = record.get("format_version")
    if type(format_version) is not int or format_version < 1:
        raise _BrokenRuleError("its format_version is no whole number from 1; get a fresh copy")
    if format_version > FORMAT_VERSION:
        message = f"its format {format_version} is newer than {FORMAT_VERSION}, the newest known here; update twolayer"
        raise _BrokenRuleError(message)


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
    return tuple(classes)


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
