"""The folder of a run: claimed before the work, left whole after it."""

import os
import sys

import pytest

from twolayer.errors import MissingFileError, StorageError
from twolayer.runs.folder import RunFolder, read_model, read_run
from twolayer.runs.request import Request
from twolayer.training.history import Epoch

EPOCHS = [Epoch(0, 0.5, 0.5, None, 0.1)]


def test_a_run_is_written_and_read(tmp_path, small_model):
    """Request, model and history come back, these two by the folder or by the model's file."""
    with RunFolder(tmp_path / "a" / "run") as run:
        run.write_request(Request())
        run.write(small_model, EPOCHS)
        run.write_pictures({"loss.png": b"picture"})
        assert run.read_request() == Request()

    assert sorted(os.listdir(run.path)) == ["history.jsonl", "loss.png", "model.safetensors", "run.json"]
    for path in (run.path, run.path / "model.safetensors"):
        model, epochs = read_run(path)
        assert (model.classes, epochs) == (small_model.classes, EPOCHS)
    (run.path / "history.jsonl").unlink()
    assert read_run(run.path)[1] == []


def test_what_a_run_has_come_to_is_read_where_it_can_be(tmp_path, small_model):
    """A missing or damaged model is none: it is written anew."""
    with RunFolder(tmp_path / "run") as run:
        assert run.read_result() is None
        run.write(small_model, EPOCHS)
        assert run.read_result().classes == small_model.classes
        (run.path / "model.safetensors").write_bytes(b"")
        assert run.read_result() is None


def test_each_run_gets_a_folder_of_its_own(tmp_path):
    """The first free name, made of characters that any system takes."""
    names = [RunFolder.next_free("mnist:0,1", tmp_path).path.name for _ in range(3)]

    assert names == ["mnist-0-1", "mnist-0-1-2", "mnist-0-1-3"]
    assert RunFolder.next_free("../..", tmp_path).path.name == "run"
    assert len(RunFolder.next_free("x" * 1000, tmp_path).path.name) < 100


def test_what_was_made_for_nothing_is_removed(tmp_path):
    """Folders without a file, or with a request alone, go; those that were there before stay."""
    with RunFolder(tmp_path / "a" / "b") as run:
        run.write_request(Request())
    assert os.listdir(tmp_path) == []

    (tmp_path / "mine").mkdir()
    with RunFolder(tmp_path / "mine"):
        pass
    assert os.listdir(tmp_path) == ["mine"]


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    """Files in it, a file in its place or above it; the setting is named, and nothing is changed."""
    (tmp_path / "file").write_text("mine")

    for path, sentence in (
        (tmp_path, "is not empty"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "run", "is a file"),
        (tmp_path / "file" / "a" / "run", "Cannot create"),
        (tmp_path / ("x" * 300), "Cannot create"),
    ):
        with pytest.raises(StorageError, match=f"{sentence}.*choose another `out`"):
            RunFolder(path)
    with pytest.raises(StorageError, match="is a file"):
        RunFolder.next_free("mnist", tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


def test_an_unfinished_run_is_not_begun_again(tmp_path):
    """The sentence says how to continue it."""
    with RunFolder(tmp_path / "run") as run:
        run.write_request(Request())
        run.write_pictures({"loss.png": b""})  # so that it stays

    with pytest.raises(StorageError, match=r"unfinished run: continue it with `resume` .*run, or choose another `out`"):
        RunFolder(tmp_path / "run")


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no locks on folders")
def test_a_folder_is_claimed_once(tmp_path):
    """Until it is let go."""
    with RunFolder(tmp_path / "run") as run:
        run.write_request(Request())
        run.write_pictures({"loss.png": b""})
        for resume in (False, True):
            with pytest.raises(StorageError, match="Another process is using the run"):
                RunFolder(tmp_path / "run", resume=resume)

    RunFolder(tmp_path / "run", resume=True).release()


def test_what_was_half_written_goes_when_a_run_is_resumed(tmp_path):
    """Files of the user's own stay."""
    with RunFolder(tmp_path / "run") as run:
        run.write_request(Request())
        for name in (".0123abcd.model.safetensors", ".mine", "notes"):
            (run.path / name).write_text("")

    with RunFolder(run.path, resume=True):
        assert sorted(os.listdir(run.path)) == [".mine", "notes", "run.json"]


def test_a_folder_without_a_run_is_told(tmp_path):
    """The file that is missed is named."""
    with pytest.raises(MissingFileError, match=r"no model\.safetensors: name the folder of a finished run"):
        read_model(tmp_path)
    with pytest.raises(MissingFileError, match=r"no run\.json: name the folder of a run to resume"):
        RunFolder(tmp_path, resume=True)
    with pytest.raises(MissingFileError, match="nothing is not a folder"):
        RunFolder(tmp_path / "nothing", resume=True)
