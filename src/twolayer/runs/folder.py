"""The folder of a run: request, checkpoint, model, history and pictures, each file written whole or not at all."""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from twolayer.errors import FileFormatError, MissingFileError, StorageError
from twolayer.files.model_file import load, to_bytes
from twolayer.model import Model
from twolayer.runs.request import MAX_FILE_BYTES, Request
from twolayer.storage import open_file, replace_file
from twolayer.training.history import Epoch, read_history, to_json_lines

MODEL_FILE = "model.safetensors"
HISTORY_FILE = "history.jsonl"
CHECKPOINT_FILE = "checkpoint.safetensors"
REQUEST_FILE = "run.json"
DEFAULT_PARENT = Path("runs")
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{8}\..+")  # what `storage.replacement` calls its files


class RunFolder:
    """A folder claimed for one run, for as long as the `with` block lasts that it is used in: a new or empty one.

    FileExistsError if it must be `new` and is not. With `resume` it is that of a run that was begun before, and what
    that had half written is removed. StorageError if it has files in it, cannot be made or written, or another process
    is at work on it.
    """

    def __init__(self, path: Path, *, new: bool = False, resume: bool = False) -> None:
        if resume and not (path / REQUEST_FILE).is_file():
            lacks = f"The folder {path} has no {REQUEST_FILE}" if path.is_dir() else f"{path} is not a folder"
            raise MissingFileError(f"{lacks}: name the folder of a run to resume.")
        self.path, self.begun_before = path, resume
        self._made = [] if resume else _make_empty(path, new=new)
        self._lock = _lock(path)
        if resume:
            _remove_half_written(path)

    @classmethod
    def next_free(cls, name: str, parent: Path = DEFAULT_PARENT) -> "RunFolder":
        """Claim `parent/name`, or with a number behind it the first that is free: mnist-0-1, mnist-0-1-2, ...

        Characters that suit no file name become hyphens.
        """
        stem = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")[-80:] or "run"
        number = 1
        while True:
            path = parent / (stem if number == 1 else f"{stem}-{number}")
            try:
                return cls(path, new=True)
            except FileExistsError:
                number += 1

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint of the run is."""
        return self.path / CHECKPOINT_FILE

    def write_request(self, request: Request) -> None:
        """Write what the run is asked to do; StorageError if the folder cannot be written."""
        replace_file(self.path / REQUEST_FILE, request.to_json())

    def read_request(self) -> Request:
        """Read what the run was asked to do; StorageError or FileFormatError if that cannot be read."""
        path = self.path / REQUEST_FILE
        with open_file(path) as file:
            return Request.from_json(file.read(MAX_FILE_BYTES + 1), str(path))

    def read_result(self) -> Model | None:
        """Read the model that the run has come to so far; None if there is none, or a damaged one."""
        if not (self.path / MODEL_FILE).is_file():
            return None
        try:
            return read_model(self.path)
        except FileFormatError:  # it is written anew
            return None

    def write(self, model: Model, epochs: Sequence[Epoch]) -> None:
        """Write the history, then the model: where that is, all is there. StorageError if the disk has no room."""
        content = to_bytes(model)
        replace_file(self.path / HISTORY_FILE, to_json_lines(epochs).encode())
        replace_file(self.path / MODEL_FILE, content)

    def write_pictures(self, pictures: Mapping[str, bytes]) -> None:
        """Write pictures by their names; StorageError if the disk has no room."""
        for name, content in pictures.items():
            replace_file(self.path / name, content)

    def __enter__(self) -> Self:
        """Return the folder itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others have the folder."""
        self.release()

    def release(self) -> None:
        """Let others have the folder; if there is nothing in it but the request of a new run, remove what was made."""
        with contextlib.suppress(OSError):
            if not self.begun_before and [entry.name for entry in self.path.iterdir()] in ([], [REQUEST_FILE]):
                (self.path / REQUEST_FILE).unlink(missing_ok=True)
                for folder in self._made:
                    folder.rmdir()
        _unlock(self._lock)
        self._lock = None


def read_model(path: Path) -> Model:
    """Read a model: its file, or the one in the folder of a run."""
    if not path.is_dir():
        return load(path)
    if not (path / MODEL_FILE).is_file():
        raise MissingFileError(f"The folder {path} has no {MODEL_FILE}: name the folder of a finished run.")
    return load(path / MODEL_FILE)


def read_run(path: Path) -> tuple[Model, list[Epoch]]:
    """Read the model and the history of a run's folder; a model file without a history beside it has no epochs."""
    model = read_model(path)
    history = (path if path.is_dir() else path.parent) / HISTORY_FILE
    return model, read_history(history) if history.exists() else []


def _make_empty(path: Path, *, new: bool) -> list[Path]:
    """Make a folder and what is missing above it; return what was made, innermost first."""
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=not new)
        occupied = any(path.iterdir())
    except FileExistsError:
        if new and path.parent.is_dir():
            raise
        culprit = path if path.exists() else path.parent
        raise StorageError(f"{culprit} is a file, not a folder: choose another `out`.") from None
    except OSError as error:
        message = f"Cannot create the folder {path} ({error.strerror or error}): choose another `out`."
        raise StorageError(message) from error
    if (path / REQUEST_FILE).is_file() and not (path / MODEL_FILE).is_file():
        _unlock(_lock(path))  # where it is being trained now, that is what is told
        message = f"The folder {path} has an unfinished run: continue it with `resume` {path}"
        raise StorageError(f"{message}, or choose another `out`.")
    if occupied:
        raise StorageError(f"The folder {path} is not empty: choose another `out`, or remove its files.")
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"The folder {path} is not writable: choose another `out`, or change its permissions.")
    return missing


def _remove_half_written(path: Path) -> None:
    """Remove what a process that was killed in the midst of writing left behind."""
    for entry in path.iterdir():
        if _HALF_WRITTEN.fullmatch(entry.name):
            with contextlib.suppress(OSError):
                entry.unlink()


def _lock(path: Path) -> int | None:
    """Claim a folder for this process, as long as it lives; None where the system cannot do that."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        folder = os.open(path, os.O_RDONLY)
    except OSError as error:
        message = f"The folder {path} cannot be read ({error.strerror or error}): change its permissions."
        raise StorageError(message) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        message = f"Another process is using the run {path}: wait for it, or choose another folder."
        raise StorageError(message) from None
    except OSError:  # some network disks have no locks
        os.close(folder)
        return None
    return folder


def _unlock(lock: int | None) -> None:
    """Let a folder go."""
    if lock is not None:
        os.close(lock)
