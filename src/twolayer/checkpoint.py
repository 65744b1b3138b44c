"""The checkpoint: all that a later process needs to go on with a training, bit by bit, in one file.

A checkpoint is a safetensors file: arrays by name, and one JSON record in its metadata with what they belong to. It
holds numbers and text, never code. `docs/checkpoint-format.md` gives its content.
"""

import hashlib
import json
import math
import os
import re
import stat
import time
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from twolayer.data.rows import Rows
from twolayer.engines.objective import Measure
from twolayer.equations import Arrays
from twolayer.errors import CheckpointWarning, DataError, FileFormatError, SettingError, StorageError
from twolayer.history import RANGES, Epoch
from twolayer.solvers import Solver
from twolayer.storage import open_file, replace_file
from twolayer.training import Good, Status, TrainingState, Wait

FORMAT_VERSION = 1
MAX_FILE_BYTES = 16 * 2**30
MAX_HEADER_BYTES = 2**20
_KEY = "twolayer_checkpoint"
_FIELDS = {"format_version", "library_version", "settings", "data", "engine", "iteration", "seconds"}
_FIELDS |= {"parameters", "solver", "history", "wait", "checksum"}
_CHECKSUM = re.compile(rb'(?<=\\"checksum\\": \\")[0-9a-f]{8}(?=\\")')  # as text within the text of the header
_TYPES = {"F32", "F64"}
_NAMES = ("W1", "b1", "W2", "b2")
_COLUMNS = ("cost", "train_accuracy", "test_accuracy", "validation_cost", "validation_score", "seconds")
_MOST_ITERATIONS = 2**53
_LEAST_CURVATURE = 1e-300  # of a pair of L-BFGS, which divides by it
_ERRORS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)  # of wrong content
_SHARE = 0.01  # of the time that checkpoints may cost
_READ_BYTES_PER_SECOND, _WRITE_BYTES_PER_SECOND, _LEAST_SECONDS = 8e8, 3e8, 0.01  # a guess, until one was written
_MOST_DIGESTED_BLOCKS = 8  # of samples that are read from disk: evenly spaced, the first and the last among them


@dataclass(frozen=True)
class Purpose:
    """What a training is of: a checkpoint serves the same alone.

    Attributes
    ----------
    settings : dict
        Text and numbers that decide how the training runs.
    samples : sequence
        What is learned from and judged by: arrays, sparse matrices, `Rows` and None.
    """

    settings: Mapping[str, Any]
    samples: Sequence[Any]

    def digest(self) -> str:
        """Return the SHA-256 of the samples; of `Rows`, of some blocks and of the shape."""
        digest = hashlib.sha256()
        for each in self.samples:
            for part in _iter_parts(each):
                digest.update(f"{part.shape} {part.dtype.str};".encode())
                digest.update(np.ascontiguousarray(part).data.cast("B") if part.size else b"")
        return digest.hexdigest()

    @property
    def n_bytes(self) -> int:
        """How many bytes `digest` reads, about."""
        return sum(math.prod(each.shape) * each.dtype.itemsize for each in self.samples if each is not None)


class Checkpoints:
    """Writes the checkpoints of one training to one file, as seldom as costs 1 % of its time.

    One that cannot be written is a `CheckpointWarning`, the first time: the last one is still there, and the training,
    which is worth more, goes on.

    Parameters
    ----------
    path : path
        Of the file; a new checkpoint takes the place of the last one in one piece.
    purpose : Purpose
    seconds : float, optional
        Time from one to the next, s; 0 for one at each iteration. When not given, it follows from what they cost.

    Raises
    ------
    SettingError, StorageError
        If there is no such path, or no folder for the file.
    """

    def __init__(self, path: str | os.PathLike[str], purpose: Purpose, seconds: float | None = None) -> None:
        if not isinstance(path, str | os.PathLike):
            raise SettingError(f"A checkpoint is a path of a file, not {path!r}.")
        self.path, self._purpose, self._seconds = Path(path), purpose, seconds
        try:
            possible = not stat.S_ISDIR(self.path.stat().st_mode)
        except FileNotFoundError:
            possible = self.path.parent.is_dir()
        except (OSError, ValueError):  # too long, or of letters that no name has
            possible = False
        if not possible:
            raise StorageError(
                f"A checkpoint cannot be written to {str(path)!r}: name a file in a folder that is there."
            )
        self._digest: str | None = None
        self._began = self._written = time.perf_counter()
        self._spent, self._last_cost = 0.0, math.nan
        self._last: TrainingState | None = None
        self._failed = False

    def read(self, solver: Solver, like: Arrays) -> TrainingState | None:
        """Return the state to go on from; None if there is no file.

        Parameters
        ----------
        solver : Solver
            A new one, of the settings of the training.
        like : dict
            Parameters of the training's shapes and type.

        Raises
        ------
        StorageError, FileFormatError
            If the file cannot be read or is no checkpoint.
        SettingError, DataError
            If it is one of other settings or other samples.
        """
        if not self.path.exists():
            return None
        with open_file(self.path) as file:
            n_bytes = os.fstat(file.fileno()).st_size
            if n_bytes > MAX_FILE_BYTES:
                raise FileFormatError(f"{self.path} is larger than any checkpoint: remove it to start anew.")
            record, arrays = _parse(file, n_bytes, str(self.path))
        self._compare(record)
        try:
            return _to_state(record, arrays, solver, like)
        except KeyError as error:
            raise _damaged(str(self.path), f"it lacks {_short(error)}") from None
        except _ERRORS as error:
            raise _damaged(str(self.path), _short(error)) from None

    def offer(self, state: TrainingState) -> None:
        """Take note of a state, and write it if it is time to."""
        if self._last is None:
            self._began = self._written = time.perf_counter()
        self._last = state
        now = time.perf_counter()
        if self._seconds is None:
            due = _SHARE * (now - self._began) >= self._spent + self._cost(state)
        else:
            due = now - self._written >= self._seconds
        if due:
            self._write("The training goes on without it, and tries again.")

    def end(self, status: Status) -> None:
        """Write the last state of a training that was ended before its time."""
        if status in (Status.INTERRUPTED, Status.STOPPED_EARLY):
            self._failed = False
            self._write("What was trained since the last one cannot be gone on with.")

    def _write(self, otherwise: str) -> None:
        """Write the last state that was offered, if there was one, or warn of what comes otherwise."""
        if self._last is None:
            return
        began = time.perf_counter()
        try:
            replace_file(self.path, self._to_bytes(self._last))
            self._failed = False
        except StorageError as error:
            if not self._failed:
                warnings.warn(f"{error} {otherwise}", CheckpointWarning, stacklevel=2)
            self._failed = True
        self._written = time.perf_counter()
        self._last_cost = self._written - began
        self._spent += self._last_cost

    def _cost(self, state: TrainingState) -> float:
        """Return the seconds that a checkpoint is expected to cost: as many as the last one."""
        if not math.isnan(self._last_cost):
            return self._last_cost
        n_bytes = sum(array.nbytes for tree in (state.parameters, state.solver) for array in _arrays_of(tree))
        read, write = self._purpose.n_bytes / _READ_BYTES_PER_SECOND, n_bytes / _WRITE_BYTES_PER_SECOND
        return _LEAST_SECONDS + read + write

    def _samples_digest(self) -> str:
        if self._digest is None:
            self._digest = self._purpose.digest()
        return self._digest

    def _compare(self, record: dict[str, Any]) -> None:
        """Check that a checkpoint is of this training."""
        own, its = _plain(self._purpose.settings), record["settings"]
        for name in sorted({*own, *its}):
            if own.get(name) != its.get(name):
                message = f"{self.path} was made with {name} {_short(its.get(name))}, not {_short(own.get(name))}"
                raise SettingError(f"{message}: take the settings it was made with, or remove it to start anew.")
        if record["data"] != self._samples_digest():
            message = f"{self.path} was made with other samples than these"
            raise DataError(f"{message}: bring the old ones back, or remove it to start anew.")

    def _to_bytes(self, state: TrainingState) -> bytes:
        """Return the content of the file."""
        from importlib.metadata import version

        from safetensors.numpy import save

        arrays: dict[str, np.ndarray[Any, Any]] = {}
        best = state.wait.best
        wait: dict[str, Any] = {"bar": _to_json(state.wait.bar), "waited": state.wait.waited, "best": None}
        if best is not None and best.measure is not None:
            figures = {"cost": best.measure.cost, "validation_cost": best.validation_cost, "score": best.score}
            counts = {"n_iter": best.n_iter, "correct": best.measure.correct}
            wait["best"] = {name: _to_json(value) for name, value in figures.items()} | counts
            wait["best"]["parameters"] = _pack(best.parameters, arrays, "best")
        record = {
            "checksum": "00000000",
            "format_version": FORMAT_VERSION,
            "library_version": version("twolayer"),
            "settings": _plain(self._purpose.settings),
            "data": self._samples_digest(),
            "engine": state.engine,
            "iteration": state.iteration,
            "seconds": state.seconds,
            "parameters": _pack(state.parameters, arrays, "parameters"),
            "solver": _pack(state.solver, arrays, "solver"),
            "history": _pack(_to_columns(state.history), arrays, "history"),
            "wait": wait,
        }
        return seal(save(arrays, metadata={_KEY: json.dumps(record, sort_keys=True, allow_nan=False)}))


def seal(content: bytes) -> bytes:
    """Return a checkpoint with its checksum in its place: the CRC-32 of all bytes but the checksum's own eight."""
    place, checksum = _find_checksum(content)
    return content if place is None else content[: place.start()] + checksum + content[place.end() :]


def _find_checksum(content: bytes) -> tuple[re.Match[bytes] | None, bytes]:
    """Return where the checksum of a checkpoint stands, and what it must be."""
    place = _CHECKSUM.search(content, 8, 8 + int.from_bytes(content[:8], "little"))
    if place is None:
        return None, b""
    whole = memoryview(content)
    return place, f"{zlib.crc32(whole[place.end() :], zlib.crc32(whole[: place.start()])):08x}".encode()


def _iter_parts(samples: Any) -> Iterable[np.ndarray[Any, Any]]:
    """Yield the arrays that samples are made of."""
    if samples is None:
        return
    if isinstance(samples, Rows):
        yield np.array(samples.shape)
        n = len(samples.blocks)
        for block in sorted(set(np.linspace(0, n - 1, min(n, _MOST_DIGESTED_BLOCKS)).astype(int).tolist())):
            yield samples.read(block)
    elif hasattr(samples, "indptr"):
        yield from (samples.data, samples.indices, samples.indptr, np.array(samples.shape))
    else:
        array = np.asarray(samples)
        step = max(1, 2**24 // max(1, array[:1].nbytes))
        yield np.array(array.shape)
        yield from (array[first : first + step] for first in range(0, len(array), step))


def _plain(settings: Mapping[str, Any]) -> Any:
    """Return settings as they come back from JSON."""
    return json.loads(json.dumps(dict(settings), sort_keys=True))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _arrays_of(tree: Any) -> Iterable[np.ndarray[Any, Any]]:
    """Yield the arrays in dicts and lists."""
    if isinstance(tree, np.ndarray):
        yield tree
    elif isinstance(tree, dict | list):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _arrays_of(value)


def _pack(tree: Any, arrays: dict[str, np.ndarray[Any, Any]], name: str) -> Any:
    """Return numbers, texts, dicts and lists as JSON values; arrays go to `arrays`, their names take their place.

    An array that lies in memory column by column comes back so: the order in which it is added up decides the last bit.
    """
    if isinstance(tree, np.ndarray):
        by_column = tree.flags.f_contiguous and not tree.flags.c_contiguous
        arrays[name] = np.ascontiguousarray(tree.T if by_column else tree)
        return {"array": name, "by_column": by_column}
    if isinstance(tree, dict):
        return {"dict": {key: _pack(value, arrays, f"{name}.{key}") for key, value in tree.items()}}
    if isinstance(tree, list):
        return {"list": [_pack(value, arrays, f"{name}.{k}") for k, value in enumerate(tree)]}
    return _to_json(tree) if isinstance(tree, float) else tree


def _unpack(packed: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """Return what `_pack` packed; ValueError or KeyError if it is nothing of that kind."""
    if packed is None or isinstance(packed, int | float | str):
        return packed
    if not isinstance(packed, dict):
        raise TypeError("a list stands where none may be")
    if set(packed) == {"array", "by_column"}:
        array = arrays[str(packed["array"])]
        return np.array(array.T if packed["by_column"] else array, order="K")
    if set(packed) == {"dict"} and isinstance(packed["dict"], dict):
        return {key: _unpack(value, arrays) for key, value in packed["dict"].items()}
    if set(packed) == {"list"} and isinstance(packed["list"], list):
        return [_unpack(value, arrays) for value in packed["list"]]
    raise ValueError("an object is none of the format")


def _to_json(number: float | None) -> float | str | None:
    """Return a number as JSON has it, those that are not finite as text."""
    return number if number is None or math.isfinite(number) else str(float(number))


def _to_columns(history: Sequence[Epoch]) -> dict[str, Any]:
    """Return the epochs as arrays of float64 by the names of their figures; those they do not have are left out."""
    columns = {}
    for name in _COLUMNS:
        values = [getattr(epoch, name) for epoch in history]
        if None not in values:
            columns[name] = np.array(values, float)
    return columns


def _to_history(columns: Any, n: int) -> list[Epoch]:
    """Return the epochs of such arrays."""
    if not isinstance(columns, dict) or not set(columns) <= set(_COLUMNS):
        raise ValueError("its history has other figures")
    if not {"cost", "train_accuracy", "seconds"} <= set(columns):
        raise ValueError("its history lacks figures")
    for name, column in columns.items():
        _check_array(column, (n,), np.float64)
        least, most = RANGES[name]
        of_its_own = name.startswith("validation") & ~np.isfinite(column)  # a score may be no number
        if not ((least <= column) & (column <= most) | of_its_own).all():
            raise ValueError("its history has impossible figures")
    lists = {name: columns[name].tolist() if name in columns else [None] * n for name in _COLUMNS}
    rows = zip(*(lists[name] for name in _COLUMNS), strict=True)
    return [Epoch(iteration=k, **dict(zip(_COLUMNS, row, strict=True))) for k, row in enumerate(rows)]


def _damaged(source: str, reason: str) -> FileFormatError:
    message = f"{source} is no checkpoint that can be read: {reason}; remove it to start anew."
    return FileFormatError(message)


def _parse(file: BinaryIO, n_bytes: int, source: str) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Return the JSON record and the arrays of an open checkpoint of so many bytes."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    start = file.read(8)
    header_bytes = int.from_bytes(start, "little")
    if n_bytes < 8 or not 2 <= header_bytes <= min(MAX_HEADER_BYTES, n_bytes - 8):
        raise _damaged(source, "it is cut short or of another kind")
    content = start + file.read(header_bytes)
    try:
        header = json.loads(content[8:].decode())
        record = json.loads(header["__metadata__"][_KEY])
        entries = [entry for name, entry in header.items() if name != "__metadata__"]
        types = {entry["dtype"] for entry in entries}
        whole = max((entry["data_offsets"][1] for entry in entries), default=0) == n_bytes - len(content)
        content += file.read() if whole else b""
        arrays = load(content) if types <= _TYPES and whole else {}
    except KeyError:
        raise _damaged(source, "it is a file of another kind, or damaged") from None
    except (*_ERRORS, SafetensorError) as error:
        raise _damaged(source, f"it is damaged ({_short(error)})") from None
    if not whole:
        raise _damaged(source, "it is damaged (its arrays do not end where it ends)")
    if not types <= _TYPES:
        raise _damaged(source, "its arrays are of other types")
    _check_record(record, source)
    place, checksum = _find_checksum(content)
    if place is None or place[0] != checksum:
        raise _damaged(source, "it is damaged (its checksum is another)")
    return record, arrays


def _check_record(record: Any, source: str) -> None:
    """Check that a record is one of this format."""
    if not isinstance(record, dict) or set(record) != _FIELDS:
        raise _damaged(source, "its record has other names")
    format_version = record["format_version"]
    if type(format_version) is not int or format_version < 1:
        raise _damaged(source, "its format_version is no whole number from 1")
    if format_version > FORMAT_VERSION:
        raise FileFormatError(f"{source} is of a format newer than {FORMAT_VERSION}: update twolayer to go on.")
    if not isinstance(record["settings"], dict) or not isinstance(record["engine"], str):
        raise _damaged(source, "its settings are no object, or its engine no text")


def _to_state(
    record: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]], solver: Solver, like: Arrays
) -> TrainingState:
    """Return the state that a record and its arrays hold; ValueError and its like if they hold none."""
    iteration = _check_whole(record["iteration"])
    seconds = _check_number(record["seconds"])
    if not 0 <= seconds < math.inf:
        raise ValueError("its seconds are none")
    parameters = _check_parameters(_unpack(record["parameters"], arrays), like)
    state = _unpack(record["solver"], arrays)
    _check_solver_state(state, solver.get_state(), like)
    solver.set_state(state)
    history = _to_history(_unpack(record["history"], arrays), iteration)
    wait = _to_wait(record["wait"], arrays, like)
    return TrainingState(iteration, parameters, state, wait, history, seconds, record["engine"])


def _to_wait(record: Any, arrays: Mapping[str, np.ndarray[Any, Any]], like: Arrays) -> Wait:
    """Return how the wait for a better score stood."""
    if not isinstance(record, dict) or set(record) != {"bar", "waited", "best"}:
        raise ValueError("its wait has other names")
    best = record["best"]
    if best is not None:
        names = {"n_iter", "validation_cost", "score", "cost", "correct", "parameters"}
        if not isinstance(best, dict) or set(best) != names:
            raise ValueError("its best parameters have other names")
        measure = Measure(_check_number(best["cost"]), _check_whole(best["correct"]))
        parameters = _check_parameters(_unpack(best["parameters"], arrays), like)
        validation_cost, score = _check_number(best["validation_cost"]), _check_number(best["score"])
        best = Good(parameters, measure, _check_whole(best["n_iter"]), validation_cost, score)
    return Wait(best, _check_number(record["bar"]), _check_whole(record["waited"]))


def _check_solver_state(state: Any, fresh: Mapping[str, Any], like: Arrays) -> None:
    """Check that a solver's state is made as that of a fresh one, of arrays that belong to the parameters."""
    if not isinstance(state, dict) or set(state) != set(fresh):
        raise ValueError("its solver is another one")
    n_parameters = sum(array.size for array in like.values())
    for name, value in state.items():
        if isinstance(fresh[name], list):
            if not isinstance(value, list) or len(value) != len(state[min(state)]):
                raise ValueError("its lists do not belong together")
            for vector in value:
                _check_array(vector, (n_parameters,), np.float64)
        elif name != "random" and isinstance(fresh[name], dict):  # the generator checks its own
            if value:
                _check_parameters(value, like, finite=False)
        elif name != "random":
            _check_number(value) if isinstance(fresh[name], float) else _check_whole(value)
    _check_pairs(state)


def _check_pairs(state: Mapping[str, Any]) -> None:
    """Check that L-BFGS can divide by the curvature of its pairs, each of a step and a change."""
    for s, y in zip(state.get("steps", ()), state.get("changes", ()), strict=True):
        if not (np.isfinite(s).all() and np.isfinite(y).all() and _LEAST_CURVATURE < np.vdot(s, y) < math.inf):
            raise ValueError("its solver's pairs have no curvature")


def _check_parameters(value: Any, like: Arrays, *, finite: bool = True) -> Arrays:
    """Return arrays of the shapes and the type of other parameters."""
    if not isinstance(value, dict) or set(value) != set(_NAMES):
        raise ValueError("its parameters are not W1, b1, W2 and b2")
    for name in _NAMES:
        _check_array(value[name], like[name].shape, like[name].dtype)
        if finite and not np.isfinite(value[name]).all():
            raise ValueError(f"{name} holds values that are not finite numbers")
    return value


def _check_array(value: Any, shape: tuple[int, ...], dtype: Any) -> None:
    if not isinstance(value, np.ndarray) or value.shape != shape or value.dtype != dtype:
        raise ValueError("an array has another shape or type")


def _check_whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST_ITERATIONS:
        raise ValueError("a count is none")
    return value


def _check_number(value: Any) -> float:
    if type(value) not in (int, float) and value not in ("inf", "-inf", "nan"):
        raise ValueError("a number is none")
    return float(value)
