"""The history comes back as it was written, and anything else is told."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.errors import FileFormatError, MissingFileError, StorageError, TwoLayerError
from twolayer.training.history import Epoch, from_json_lines, read_history, to_json_lines

FRACTIONS = st.floats(0, 1)
EPOCHS = st.lists(st.tuples(st.floats(0, 1e9), FRACTIONS, st.none() | FRACTIONS, st.floats(0, 1e9))).map(
    lambda rows: [Epoch(index, *row) for index, row in enumerate(rows)]
)
LINE = {"iteration": 0, "cost": 0.5, "train_accuracy": 0.5, "test_accuracy": None, "seconds": 0.1}
LINE |= {"validation_cost": None, "validation_score": None}


@given(EPOCHS)
def test_epochs_come_back(epochs):
    """Every number to the last bit, one line an epoch."""
    text = to_json_lines(epochs)

    assert from_json_lines(text) == epochs
    assert len(text.splitlines()) == len(epochs)


@pytest.mark.parametrize(
    "change",
    [
        {"iteration": 1},
        {"iteration": 0.0},
        {"iteration": True},
        {"cost": "0.5"},
        {"cost": None},
        {"cost": float("nan")},
        {"seconds": float("inf")},
        {"test_accuracy": [1]},
        {"train_accuracy": 1.5},
        {"cost": -0.1},
        {"cost": 1e308},
        {"cost": 10**400},
        {"extra": 1},
    ],
)
def test_a_changed_line_is_told(change):
    """With its number and what it should have been."""
    with pytest.raises(FileFormatError, match="Line 1 of the history is not epoch 0"):
        from_json_lines(json.dumps({**LINE, **change}))


TWICE = json.dumps({**LINE, "iteration": 1}).replace('{"', '{"cost": 0.25, "', 1)


@pytest.mark.parametrize("text", ["{", "[]", "1", "[" * 100_000, "null", TWICE])
def test_a_line_that_is_no_object_is_told(text):
    """Also one nested too deeply to be read, or with a name twice."""
    with pytest.raises(FileFormatError, match="Line 2"):
        from_json_lines(json.dumps(LINE) + "\n" + text)


@given(st.text())
def test_any_text_gives_epochs_or_an_error_of_ours(text):
    """Nothing else happens."""
    with contextlib.suppress(TwoLayerError):
        from_json_lines(text)


def test_unreadable_files_are_told(tmp_path):
    """No file, a folder, bytes that are not text."""
    with pytest.raises(MissingFileError):
        read_history(tmp_path / "nothing")
    with pytest.raises(StorageError):
        read_history(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(FileFormatError, match="UTF-8"):
        read_history(tmp_path / "bytes")
