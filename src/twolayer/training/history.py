"""The record of a training: one epoch a line, as JSON."""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twolayer.errors import FileFormatError
from twolayer.storage import open_file

MAX_FILE_BYTES = 256 * 2**20
_MAX_LINE_BYTES = 10_000
_MOST = 1e100  # far beyond any cost or time, and what pictures can still be drawn of
RANGES = {  # of what a line holds; a score may be a cost with a minus
    "iteration": (0, _MOST),
    "cost": (0, _MOST),
    "train_accuracy": (0, 1),
    "test_accuracy": (0, 1),
    "seconds": (0, _MOST),
    "validation_cost": (0, _MOST),
    "validation_score": (-_MOST, _MOST),
}
_OPTIONAL = ("test_accuracy", "validation_cost", "validation_score")


@dataclass(frozen=True, slots=True)
class Epoch:
    """The figures of one iteration, before its step.

    Attributes
    ----------
    iteration : int
        Counted from 0.
    cost : float
        Of the training samples, with the penalty.
    train_accuracy : float
        Fraction of the training samples predicted right.
    test_accuracy : float or None
        The same of the test samples; None where there are none.
    validation_cost, validation_score : float or None
        Of the validation samples; None where there are none.
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
    """Return one JSON object a line, one line an epoch, keys as the attributes of `Epoch`.

    A cost or a score of validation that is no finite number, as one's own may be, becomes null.
    """
    return "".join(json.dumps(_to_json(epoch), allow_nan=False) + "\n" for epoch in epochs)


def from_json_lines(text: str, source: str = "the history") -> list[Epoch]:
    """Return the epochs that `to_json_lines` wrote, in order; `source` is what an error calls the text."""
    return _read_lines(text.removesuffix("\n").split("\n") if text else (), source)


def read_history(path: str | os.PathLike[str]) -> list[Epoch]:
    """Read the epochs of a `history.jsonl`, of at most `MAX_FILE_BYTES`."""
    with open_file(Path(path)) as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise FileFormatError(f"{path} is larger than any history ({MAX_FILE_BYTES:,} bytes): use a history.jsonl.")
        return _read_lines(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), str(path))


def _to_json(epoch: Epoch) -> dict[str, Any]:
    record = asdict(epoch)
    for name in _OPTIONAL:
        if record[name] is not None and not math.isfinite(record[name]):
            record[name] = None
    return record


def _read_lines(lines: Iterable[str | bytes], source: str) -> list[Epoch]:
    epochs: list[Epoch] = []
    for line in lines:
        try:
            text = line if isinstance(line, str) else line.decode("utf-8")
            epochs.append(_to_epoch(_DECODER.decode(text), len(epochs)))
        except UnicodeDecodeError:
            raise FileFormatError(f"{source} is not text in UTF-8: use an unmodified history.jsonl.") from None
        except (ValueError, RecursionError):
            n = len(epochs)
            message = f"Line {n + 1} of {source} is not epoch {n} of a training: use an unmodified history.jsonl."
            raise FileFormatError(message) from None
    return epochs


def _to_record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; ValueError if it is not one of an epoch."""
    record = dict(pairs)
    if len(pairs) != len(RANGES) or record.keys() != RANGES.keys():
        raise ValueError
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_to_record)


def _to_epoch(record: Any, iteration: int) -> Epoch:
    """Return the epoch of a decoded line; ValueError if it is not that."""
    if type(record) is not dict or type(record["iteration"]) is not int or record["iteration"] != iteration:
        raise ValueError
    for name, (least, most) in RANGES.items():
        value = record[name]
        if value is None and name in _OPTIONAL:
            continue
        if type(value) not in (int, float) or not least <= value <= most:
            raise ValueError
    return Epoch(**record)
