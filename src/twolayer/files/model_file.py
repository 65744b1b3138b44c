"""The model file: safetensors, one JSON text in its metadata, no code. `docs/model-format.md` gives every byte."""

import itertools
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from twolayer.aliases import Array, Label
from twolayer.data.encoding import (
    DATE_PARTS,
    MAX_CLIP,
    MAX_COLUMNS,
    MAX_CURVES,
    MAX_KNOTS,
    MAX_LEVELS,
    MAX_NUMBER,
    MAX_VALUE,
    MIN_CLIP,
    MIN_STEP,
    CategoryColumn,
    Column,
    Curve,
    Encoding,
    NumberColumn,
    UnusedColumn,
)
from twolayer.errors import DataError, TwoLayerError
from twolayer.files.records import BrokenRuleError, FileForm, Record
from twolayer.model import Model, PredictionSets
from twolayer.parameters import NAMES
from twolayer.storage import replace_file
from twolayer.text import join, shorten

_MAX_LETTERS = 2**26  # of all classes if each had as many as the longest, as in an array
_LABELS = "different whole numbers of 64 bits, or different short texts without a NUL at the end"


_Number = Annotated[float, Meta(gt=-MAX_NUMBER, lt=MAX_NUMBER)]
_Value = Annotated[float, Meta(ge=-MAX_VALUE, le=MAX_VALUE)]


class _CurveRecord(msgspec.Struct, forbid_unknown_fields=True):
    """A further value of a column of numbers."""

    name: str
    x: Annotated[list[_Number], Meta(min_length=1, max_length=MAX_KNOTS)]
    y: list[_Value]
    missing: _Value

    def to_curve(self) -> Curve:
        if len(self.x) != len(self.y):
            raise BrokenRuleError("a curve must have as many y as x")
        if not all(b - a >= MIN_STEP for a, b in itertools.pairwise(self.x)):
            raise BrokenRuleError(f"the x of a curve must rise, by at least {MIN_STEP:g}")
        return Curve(self.name, tuple(self.x), tuple(self.y), self.missing)


class _NumberRecord(msgspec.Struct, tag_field="kind", tag="number", forbid_unknown_fields=True, omit_defaults=True):
    """A column of numbers."""

    name: str
    flagged: bool
    mean: _Number
    deviation: Annotated[float, Meta(gt=0, lt=MAX_NUMBER)]
    clip: Annotated[float, Meta(ge=0, le=MAX_CLIP)] = 0.0
    curves: Annotated[list[_CurveRecord], Meta(max_length=MAX_CURVES)] = []
    part: str = ""

    def to_column(self) -> Column:
        if 0 < self.clip < MIN_CLIP:
            raise BrokenRuleError(f"clip must be 0 or at least {MIN_CLIP:g}")
        if self.part and self.part not in DATE_PARTS:
            raise BrokenRuleError(f"the part of a date must be one of {join(DATE_PARTS)}")
        curves = tuple(curve.to_curve() for curve in self.curves)
        return NumberColumn(self.name, self.mean, self.deviation, self.flagged, self.clip, curves, self.part)


class _CategoryRecord(msgspec.Struct, tag_field="kind", tag="category", forbid_unknown_fields=True):
    """A column of categories."""

    name: str
    flagged: bool
    levels: Annotated[list[str], Meta(max_length=MAX_LEVELS)]
    rare: bool

    def to_column(self) -> Column:
        if len(set(self.levels)) < len(self.levels) or not (self.levels or self.rare or self.flagged):
            raise BrokenRuleError("a column of categories must have different levels, and at least one value")
        return CategoryColumn(self.name, tuple(self.levels), self.rare, self.flagged)


class _UnusedRecord(msgspec.Struct, tag_field="kind", tag="unused", forbid_unknown_fields=True):
    """A column of an array without values."""

    name: str

    def to_column(self) -> Column:
        return UnusedColumn(self.name)


_ColumnRecord = _NumberRecord | _CategoryRecord | _UnusedRecord


class _TableRecord(msgspec.Struct, forbid_unknown_fields=True):
    """How the columns of a table, or of an array if there is no target, become the values of a sample."""

    target: str | None
    columns: Annotated[list[_ColumnRecord], Meta(min_length=1, max_length=MAX_COLUMNS)]


class _ModelRecord1(Record, kw_only=True, forbid_unknown_fields=True):
    """All of a model but its parameters, in format 1: the outputs are sigmoids."""

    library_version: str
    classes: Annotated[list[int | str], Meta(min_length=2)]
    input_shape: Annotated[list[Annotated[int, Meta(ge=1, le=2**53)]], Meta(min_length=1, max_length=8)]
    scale: Annotated[float, Meta(gt=0, le=sys.float_info.max)]
    activation: str
    settings: dict[str, Any]
    table: _TableRecord | None


class _ModelRecord2(_ModelRecord1, kw_only=True, forbid_unknown_fields=True):
    """All of a model but its parameters, in format 2: without prediction sets."""

    output: str


class _SetsRecord(msgspec.Struct, forbid_unknown_fields=True):
    """From which probability on a class is in a prediction set."""

    coverage: Annotated[float, Meta(gt=0, lt=1)]
    least: Annotated[float, Meta(ge=0, le=1)]
    n_samples: Annotated[int, Meta(ge=1, le=2**53)]


class _ModelRecord(_ModelRecord2, kw_only=True, forbid_unknown_fields=True):
    """All of a model but its parameters, in format 3."""

    sets: _SetsRecord | None


FORM = FileForm(
    noun="twolayer model",
    key="twolayer",
    versions={1: _ModelRecord1, 2: _ModelRecord2, 3: _ModelRecord},
    max_bytes=4 * 2**30,
    max_header_bytes=16 * 2**20,
    advice="get a fresh copy, or train it again",
)


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model file; one that is already there is replaced in one piece.

    Parameters
    ----------
    model : Model, or a fitted TwoLayerClassifier
    path : path, by custom ending in .safetensors

    Raises
    ------
    DataError
        If a file cannot hold the model.
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
    return _to_model(*FORM.read(path, "check the path, or make one with 'twolayer train'"), str(path))


def to_bytes(model: Model) -> bytes:
    """Return the content of the file of a model; equal models give equal bytes.

    Raises
    ------
    DataError
        If a file cannot hold its classes, parameters or settings.
    """
    if not _fit_an_array(model.classes):
        raise DataError(f"The model cannot be saved: its classes must be {_LABELS}.")
    if not all(np.isfinite(value).all() for value in model.parameters.values()):
        raise DataError("The model cannot be saved: its parameters are not all finite numbers; train it again.")
    record = _ModelRecord(
        format_version=max(FORM.versions),
        library_version=version("twolayer"),
        classes=list(model.classes),
        input_shape=list(model.input_shape),
        scale=model.scale,
        activation=model.activation,
        output=model.output,
        settings=dict(model.settings),
        table=None if model.encoding is None else _to_table_record(model.encoding),
        sets=None if model.sets is None else _SetsRecord(**vars(model.sets)),
    )
    try:
        return FORM.write(record, {name: model.parameters[name] for name in NAMES})
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"The model cannot be saved: a file cannot hold its settings or names ({error}).") from None


def from_bytes(content: bytes, source: str = "the model") -> Model:
    """Return the model of a file's content, checking every rule of the format; `source` names it in an error.

    Raises
    ------
    FileFormatError
        If a rule is broken.
    """
    return _to_model(*FORM.parse(content, source), source)


def _to_model(record: _ModelRecord1, arrays: dict[str, Array], source: str) -> Model:
    """Return the model of a record and arrays that belong together."""
    with FORM.broken_rules(source):
        _check_classes(record.classes)
        _check_arrays(arrays)
        encoding = None if record.table is None else _to_encoding(record.table)
        try:
            return Model(
                {name: arrays[name] for name in NAMES},
                tuple(record.classes),
                tuple(record.input_shape),
                record.scale,
                record.activation,
                record.settings,
                encoding,
                record.output if isinstance(record, _ModelRecord2) else "sigmoid",
                _to_sets(record),
            )
        except TwoLayerError as error:
            raise BrokenRuleError(shorten(str(error).replace("`", ""), 200).rstrip(".")) from None


def _to_sets(record: _ModelRecord1) -> PredictionSets | None:
    """Return the prediction sets of a record, which earlier formats had not."""
    sets = record.sets if isinstance(record, _ModelRecord) else None
    return None if sets is None else PredictionSets(sets.coverage, sets.least, sets.n_samples)


def _check_classes(classes: Sequence[Label]) -> None:
    if len({type(label) for label in classes}) > 1 or len(set(classes)) < len(classes) or not _fit_an_array(classes):
        raise BrokenRuleError(f"its classes must be {_LABELS}")


def _fit_an_array(classes: Sequence[Label]) -> bool:
    """Tell whether an array holds labels as they are, and with little memory."""
    texts = [label for label in classes if isinstance(label, str)]
    if not texts:
        return all(-(2**63) <= label < 2**63 for label in classes if not isinstance(label, str))
    return len(classes) * max(map(len, texts)) <= _MAX_LETTERS and not any(label.endswith("\0") for label in texts)


def _check_arrays(arrays: dict[str, Array]) -> None:
    """Check that arrays are the parameters of a network; that their shapes fit is checked by the model."""
    if set(arrays) != set(NAMES):
        raise BrokenRuleError(f"its arrays must be exactly {join(NAMES)}")
    if len({array.dtype for array in arrays.values()}) > 1:
        raise BrokenRuleError("its arrays must be of one type")
    if any(array.ndim != 2 or not array.size for array in arrays.values()):
        raise BrokenRuleError("its arrays must have two dimensions of at least 1")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise BrokenRuleError("its arrays hold values that are not finite numbers")


def _to_table_record(table: Encoding) -> _TableRecord:
    """Return the record of an encoding."""
    return _TableRecord(table.target, [_to_column_record(column) for column in table.columns])


def _to_column_record(column: Column) -> _ColumnRecord:
    """Return the record of a column."""
    if isinstance(column, UnusedColumn):
        return _UnusedRecord(column.name)
    if isinstance(column, CategoryColumn):
        return _CategoryRecord(column.name, column.flagged, list(column.levels), column.rare)
    curves = [_CurveRecord(curve.name, list(curve.x), list(curve.y), curve.missing) for curve in column.curves]
    return _NumberRecord(column.name, column.flagged, column.mean, column.deviation, column.clip, curves, column.part)


def _to_encoding(record: _TableRecord) -> Encoding:
    """Return the encoding of a record."""
    parts = [(column.name, getattr(column, "part", "")) for column in record.columns]
    names = [name for (name, _), _ in itertools.groupby((name, bool(part)) for name, part in parts)]
    if len({record.target, *names}) <= len(names) or len(set(parts)) < len(parts):
        raise BrokenRuleError("the names of its table's columns must differ, also from its target")
    return Encoding(record.target, tuple(column.to_column() for column in record.columns))
