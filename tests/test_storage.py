"""Files are replaced whole or not at all."""

import os
from pathlib import Path

import pytest

from twolayer import storage
from twolayer.errors import MissingFileError, StorageError


def test_a_file_is_made_and_replaced(tmp_path):
    """The new content stands under the name, and nothing else is left in the folder."""
    path = tmp_path / "file"
    storage.replace_file(path, b"old")
    storage.replace_file(path, b"new")

    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("failing", ["fsync", "write"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing):
    """A full disk is told in a sentence; the old content stays, the temporary file goes."""
    path = tmp_path / "file"
    storage.replace_file(path, b"old")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(storage.os, "fsync", no_space)
    else:
        monkeypatch.setattr(storage.Path, "replace", no_space)
    with pytest.raises(StorageError, match="No space left on device"):
        storage.replace_file(path, b"new")

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_and_the_permissions_of_a_file_stay(tmp_path):
    """What the link points to is replaced, with the mode that it had."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "link").symlink_to("file")

    storage.replace_file(tmp_path / "link", b"new")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    """Neither is a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    storage.replace_file(pipe, b"content")

    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path, monkeypatch):
    """Also the one we stand in."""
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, Path()):
        with pytest.raises(StorageError, match="is a folder"):
            storage.replace_file(path, b"")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_told_before_it_is_read(tmp_path):
    """A pipe or a device might never end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(StorageError, match="not a regular file"), storage.open_file(path):
            pytest.fail("it was opened")


def test_a_file_that_is_not_there_is_told_with_advice(tmp_path):
    """The caller knows what to do about it."""
    with (
        pytest.raises(MissingFileError, match="nothing: bake one"),
        storage.open_file(tmp_path / "nothing", "bake one"),
    ):
        pytest.fail("it was opened")


def test_a_missing_folder_is_told(tmp_path):
    """The path and the reason are in the sentence."""
    with pytest.raises(StorageError, match="nowhere"):
        storage.replace_file(tmp_path / "nowhere" / "file", b"")


def test_a_file_that_is_read_is_not_written_over(tmp_path):
    """By whatever path it is named; what is not a path is passed over."""
    (tmp_path / "data.csv").write_bytes(b"x")
    (tmp_path / "link").symlink_to("data.csv")
    storage.check_other_file(tmp_path / "model", [tmp_path / "data.csv", "mnist:0,1", "SELECT '\0'"])

    with pytest.raises(StorageError, match="is an input and would be overwritten: choose another `out`"):
        storage.check_other_file(tmp_path / "link", ["mnist", str(tmp_path / "data.csv")])
