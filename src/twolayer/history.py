"""The record of a training: one epoch a line, as JSON."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from twolayer.errors import FileFormatError
from twolayer.storage import open_file

_LIMITS = {"train_accuracy": 1.0, "test_accuracy": 1.0}
_OPTIONAL = ("test_accuracy", "validation_cost", "validation_score")
_MOST = 1e100  # far beyond any cost or time, and what pictures can still be drawn of


@dataclass(frozen=True)
class Epoch:
    """One pass over all samples.

    Attributes
    ----------
    iteration : int
        Counted from 0.
    cost : float
        Mean square loss before the step of this iteration.
    train_accuracy : float
        Share of the training samples predicted right, before the step.
    test_accuracy : float or None
        The same of the test samples; None where there are none.
    validation_cost, validation_score : float or None
        Cost and score of the validation samples, before the step; None where there are none.
    seconds : float
        Time since training began, s.
    """

    iteration: int
    cost: float
    train_accuracy: float
    test_accuracy: float | None
    seconds: float
    validation_cost: float | None = None
    validation_score: float | None = None


def to_json_lines(epochs: Iterable[Epoch]) -> str:
    """Return one JSON object a line, one line an epoch, keys as the attributes of `Epoch`."""
    return "".join(json.dumps(asdict(epoch), allow_nan=False) + "\n" for epoch in epochs)


def from_json_lines(text: str, source: str = "the history") -> list[Epoch]:
    """Return the epochs that `to_json_lines` wrote.

    Parameters
    ----------
    text : str
    source : str
        What to call the text in an error.

    Raises
    ------
    FileFormatError
        If a line is not an epoch, or epochs are not in order.
    """
    epochs: list[Epoch] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            epochs.append(_to_epoch(json.loads(line), len(epochs)))
        except (ValueError, RecursionError):
            message = (
                f"Line {number} of {source} is not epoch {len(epochs)} of a training: use an untouched history.jsonl."
            )
            raise FileFormatError(message) from None
    return epochs


def read_history(path: str | os.PathLike[str]) -> list[Epoch]:
    """Read the epochs of a `history.jsonl`.

    Raises
    ------
    MissingFileError, StorageError, FileFormatError
        If the file is not there, cannot be read, or is not a history.
    """
    with open_file(Path(path)) as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise FileFormatError(f"{path} is not text in UTF-8: use an untouched history.jsonl.") from None
    return from_json_lines(text, str(path))


def _to_epoch(record: Any, iteration: int) -> Epoch:
    """Return the epoch of a decoded line; ValueError if it is not that."""
    if not isinstance(record, dict) or set(record) != {field.name for field in fields(Epoch)}:
        raise ValueError
    numbers = {name: value for name, value in record.items() if value is not None or name not in _OPTIONAL}
    for name, value in numbers.items():
        least = -_MOST if name == "validation_score" else 0  # a score may be a cost with a minus
        if type(value) not in (int, float) or not least <= value <= _LIMITS.get(name, _MOST):
            raise ValueError
    if type(record["iteration"]) is not int or record["iteration"] != iteration:
        raise ValueError
    return Epoch(**record)
