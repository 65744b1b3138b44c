"""The folder of a run: settings, checkpoint, model, history and pictures, each file written whole or not at all."""

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from twolayer.errors import FileFormatError, MissingFileError, StorageError
from twolayer.files.model_file import load, to_bytes
from twolayer.history import Epoch, read_history, to_json_lines
from twolayer.model import Model
from twolayer.storage import open_file, replace_file

MODEL_FILE = "model.safetensors"
HISTORY_FILE = "history.jsonl"
CHECKPOINT_FILE = "checkpoint.safetensors"
SETTINGS_FILE = "run.json"
DEFAULT_PARENT = Path("runs")
_MAX_SETTINGS_BYTES = 2**20
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{8}\..+")  # what `replacement` calls its files


class RunFolder:
    """A folder claimed for one run.

    Parameters
    ----------
    path : Path
        The folder: new or empty.
    new : bool
        Whether it must be new.
    resume : bool
        Whether it must be that of a run that was begun before; what that had half written is removed.

    Raises
    ------
    StorageError
        If it has files in it, cannot be made or written, or another process is at work on it.
    MissingFileError
        If there is no run to go on with.
    FileExistsError
        If it must be new and is not.
    """

    def __init__(self, path: Path, *, new: bool = False, resume: bool = False) -> None:
        if resume and not (path / SETTINGS_FILE).is_file():
            lacks = f"The folder {path} has no {SETTINGS_FILE}" if path.is_dir() else f"{path} is no folder"
            raise MissingFileError(f"{lacks}: name the folder of a run to go on with.")
        self.path, self.begun_before = path, resume
        self._made = [] if resume else _make_empty(path, new=new)
        self._lock = _lock(path)
        if resume:
            _remove_half_written(path)

    @classmethod
    def next_free(cls, name: str, parent: Path = DEFAULT_PARENT) -> "RunFolder":
        """Claim `parent/name`, or with a number behind it the first that is free: mnist-0-1, mnist-0-1-2, ...

        Parameters
        ----------
        name : str
            What the run is about, such as `mnist:0,1`; characters that suit no file name become hyphens.
        parent : Path
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

    def write_arguments(self, arguments: Sequence[str]) -> None:
        """Write what stands behind `twolayer train` to begin this run: all of its settings.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        record = {"format_version": 1, "arguments": list(arguments)}
        replace_file(self.path / SETTINGS_FILE, (json.dumps(record, indent=1) + "\n").encode())

    def read_arguments(self) -> list[str]:
        """Read what `write_arguments` wrote.

        Raises
        ------
        StorageError, FileFormatError
            If the file cannot be read or is none of that kind.
        """
        path = self.path / SETTINGS_FILE
        with open_file(path) as file:
            content = file.read(_MAX_SETTINGS_BYTES + 1)
        try:
            record = json.loads(content.decode()) if len(content) <= _MAX_SETTINGS_BYTES else None
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and type(record.get("format_version")) is int and record["format_version"] > 1:
            raise FileFormatError(f"{path} was written by a newer version: update twolayer to go on with the run.")
        arguments = None
        if isinstance(record, dict) and set(record) == {"format_version", "arguments"}:
            arguments = record["arguments"] if record["format_version"] == 1 else None
        if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
            raise FileFormatError(f"{path} is damaged: train anew with the same settings.")
        return arguments

    def write(self, model: Model, epochs: Sequence[Epoch]) -> None:
        """Write the history, then the model: where that is, all is there.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        content = to_bytes(model)
        replace_file(self.path / HISTORY_FILE, to_json_lines(epochs).encode())
        replace_file(self.path / MODEL_FILE, content)

    def write_pictures(self, pictures: Mapping[str, bytes]) -> None:
        """Write pictures by their names.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        for name, content in pictures.items():
            replace_file(self.path / name, content)

    def release(self) -> None:
        """Let others have the folder; if there is nothing in it but the settings of a new run, remove what was made."""
        with contextlib.suppress(OSError):
            if not self.begun_before and [entry.name for entry in self.path.iterdir()] in ([], [SETTINGS_FILE]):
                (self.path / SETTINGS_FILE).unlink(missing_ok=True)
                for folder in self._made:
                    folder.rmdir()
        _unlock(self._lock)
        self._lock = None


def read_model(path: Path) -> Model:
    """Read a model: its file, or the one in the folder of a run.

    Raises
    ------
    MissingFileError, StorageError, FileFormatError
        If there is none, or it cannot be read.
    """
    if not path.is_dir():
        return load(path)
    if not (path / MODEL_FILE).is_file():
        raise MissingFileError(f"The folder {path} has no {MODEL_FILE}: name the folder of a finished run.")
    return load(path / MODEL_FILE)


def read_run(path: Path) -> tuple[Model, list[Epoch]]:
    """Read the model and the history of a run.

    Parameters
    ----------
    path : Path
        The run's folder, or a model file; without a history beside it there are no epochs.

    Returns
    -------
    model : Model
    epochs : list of Epoch

    Raises
    ------
    MissingFileError, StorageError, FileFormatError
        If there is no run, or its files cannot be read.
    """
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
        raise StorageError(f"{culprit} is a file, not a folder: choose another --out.") from None
    except OSError as error:
        message = f"Cannot make the folder {path} ({error.strerror or error}): choose another --out."
        raise StorageError(message) from error
    if (path / SETTINGS_FILE).is_file() and not (path / MODEL_FILE).is_file():
        _unlock(_lock(path))  # where it is being trained now, that is what is told
        message = f"The folder {path} has a run that was not finished: go on with it by --resume {path}"
        raise StorageError(f"{message}, or choose another --out.")
    if occupied:
        raise StorageError(f"The folder {path} already has files in it: choose another --out or remove them.")
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"The folder {path} cannot be written: choose another --out or change its permissions.")
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
        message = f"Another process is at work on the run {path}: wait for it, or choose another folder."
        raise StorageError(message) from None
    except OSError:  # some network disks have no locks
        os.close(folder)
        return None
    return folder


def _unlock(lock: int | None) -> None:
    """Let a folder go."""
    if lock is not None:
        os.close(lock)
