"""The folder of a run: claimed before the work, left whole after it."""

import os

import pytest

from twolayer.errors import MissingFileError, StorageError
from twolayer.files.run_folder import RunFolder, read_model, read_run
from twolayer.history import Epoch

EPOCHS = [Epoch(0, 0.5, 0.5, None, 0.1)]


def test_a_run_is_written_and_read(tmp_path, small_model):
    """The model and the history come back, by the folder or by the model's file."""
    run = RunFolder(tmp_path / "a" / "run")
    run.write(small_model, EPOCHS)
    run.write_pictures({"loss.png": b"picture"})
    run.release()

    assert sorted(os.listdir(run.path)) == ["history.jsonl", "loss.png", "model.safetensors"]
    for path in (run.path, run.path / "model.safetensors"):
        model, epochs = read_run(path)
        assert (model.classes, epochs) == (small_model.classes, EPOCHS)
    (run.path / "history.jsonl").unlink()
    assert read_run(run.path)[1] == []


def test_each_run_gets_a_folder_of_its_own(tmp_path):
    """The first free name, made of characters that any system takes."""
    names = [RunFolder.next_free("mnist:0,1", tmp_path).path.name for _ in range(3)]

    assert names == ["mnist-0-1", "mnist-0-1-2", "mnist-0-1-3"]
    assert RunFolder.next_free("../..", tmp_path).path.name == "run"
    assert len(RunFolder.next_free("x" * 1000, tmp_path).path.name) < 100


def test_what_was_made_for_nothing_is_removed(tmp_path):
    """Empty folders go, and those that were there before stay."""
    run = RunFolder(tmp_path / "a" / "b")
    run.release()
    assert os.listdir(tmp_path) == []

    (tmp_path / "mine").mkdir()
    RunFolder(tmp_path / "mine").release()
    assert os.listdir(tmp_path) == ["mine"]


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    """Files in it, a file in its place or above it; nothing is changed."""
    (tmp_path / "file").write_text("mine")

    for path, sentence in (
        (tmp_path, "already has files"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "run", "is a file"),
        (tmp_path / "file" / "a" / "run", "Cannot make"),
        (tmp_path / ("x" * 300), "Cannot make"),
    ):
        with pytest.raises(StorageError, match=sentence):
            RunFolder(path)
    with pytest.raises(StorageError, match="is a file"):
        RunFolder.next_free("mnist", tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_without_a_model_is_told(tmp_path):
    """The file that is missed is named."""
    with pytest.raises(MissingFileError, match=r"no model\.safetensors"):
        read_model(tmp_path)
