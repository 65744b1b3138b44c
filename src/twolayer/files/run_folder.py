"""The folder of a run: the model, the history and the pictures, each file written whole or not at all."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from twolayer.errors import MissingFileError, StorageError
from twolayer.files.model_file import load, to_bytes
from twolayer.history import Epoch, read_history, to_json_lines
from twolayer.model import Model
from twolayer.storage import replace_file

MODEL_FILE = "model.safetensors"
HISTORY_FILE = "history.jsonl"
DEFAULT_PARENT = Path("runs")


class RunFolder:
    """A folder claimed for one run.

    Parameters
    ----------
    path : Path
        The folder: new or empty.
    new : bool
        Whether it must be new.

    Raises
    ------
    StorageError
        If it has files in it, or cannot be made or written.
    FileExistsError
        If it must be new and is not.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self.path = path
        self._made = _make_empty(path, new=new)

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

    def write(self, model: Model, epochs: Sequence[Epoch]) -> None:
        """Write the model, then the history.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        replace_file(self.path / MODEL_FILE, to_bytes(model))
        replace_file(self.path / HISTORY_FILE, to_json_lines(epochs).encode())

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
        """Remove the folders that were made for the run and are still empty."""
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:
                return


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
    if occupied:
        raise StorageError(f"The folder {path} already has files in it: choose another --out or remove them.")
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"The folder {path} cannot be written: choose another --out or change its permissions.")
    return missing
