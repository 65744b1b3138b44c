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
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from twolayer.aliases import Array
from twolayer.data.rows import MemoryRows, Rows
from twolayer.errors import CheckpointWarning, DataError, SettingError, StorageError
from twolayer.files.records import BrokenRuleError, FileForm, Record, pack, take, unpack
from twolayer.parameters import Parameters
from twolayer.solvers.solver import Solver
from twolayer.storage import replace_file
from twolayer.text import shorten
from twolayer.training.history import Epoch
from twolayer.training.result import Event, Result, State, Status

_NO_CHECKSUM = "00000000"
_CHECKSUM = re.compile(rb'(?<=\\"checksum\\":\\")[0-9a-f]{8}(?=\\")')  # as text within the text of the header
_COLUMNS = ("cost", "train_accuracy", "test_accuracy", "validation_cost", "validation_score", "seconds")
_MOST = {"cost": sys.float_info.max, "train_accuracy": 1, "test_accuracy": 1, "seconds": sys.float_info.max}
_NEEDED = {"cost", "train_accuracy", "seconds"}
_FRACTION = 0.01  # of the time that checkpoints may cost
_READ_BYTES_PER_SECOND, _WRITE_BYTES_PER_SECOND, _LEAST_SECONDS = 8e8, 3e8, 0.01  # a guess, until one was written
_DIGESTED_BYTES = 2**24  # at once
_MOST_DIGESTED_BLOCKS = 8  # of samples that are read from disk: evenly spaced, the first and the last among them


class _CheckpointRecord(Record, kw_only=True, forbid_unknown_fields=True):
    """What a state belongs to, and the state without its arrays."""

    checksum: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    library_version: str
    settings: dict[str, Any]
    data: str
    state: dict[str, Any]


def _verify(content: bytes) -> None:
    """Check the checksum of a checkpoint."""
    place, checksum = _find_checksum(content)
    if place is None or place[0] != checksum:
        raise BrokenRuleError("it is damaged: its checksum does not match")


FORM = FileForm(
    noun="checkpoint",
    key="twolayer_checkpoint",
    versions={2: _CheckpointRecord},
    max_bytes=16 * 2**30,
    max_header_bytes=2**20,
    advice="remove it to start again",
    verify=_verify,
)


@dataclass(frozen=True)
class Purpose:
    """What a training is of: a checkpoint serves the same alone."""

    settings: Mapping[str, Any]  # text and numbers that decide how the training runs
    samples: Sequence[Any]  # learned from and evaluated on: arrays, sparse matrices, `Rows`, None

    def digest(self) -> str:
        """Return the SHA-256 of the samples; of `Rows` that are read from disk, of some blocks and of the shape."""
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
    """Writes the checkpoints of one training to one file, as seldom as costs 1 % of its time: a listener of events.

    A new checkpoint takes the place of the last one in one piece. One that cannot be written is a `CheckpointWarning`,
    the first time: the last one is still there, and the training, which is worth more, goes on. With `seconds` the time
    from one to the next is fixed, at 0 there is one at each iteration; when not given, it follows from what they cost.
    """

    def __init__(self, path: str | os.PathLike[str], purpose: Purpose, seconds: float | None = None) -> None:
        if not isinstance(path, str | os.PathLike):
            raise SettingError(f"`checkpoint` must be the path of a file; got {shorten(repr(path))}.")
        self.path, self._purpose, self._seconds = Path(path), purpose, seconds
        if not _can_be_a_file(self.path):
            raise StorageError(f"A checkpoint cannot be written to {str(path)!r}: name a file in an existing folder.")
        self._digest: str | None = None
        self._began = self._written = time.perf_counter()
        self._spent, self._last_cost = 0.0, math.nan
        self._last: State | None = None
        self._failed = False

    def read(self, solver: Solver, start: Parameters) -> State | None:
        """Return the state to go on from with this solver and start; None if there is no file.

        FileFormatError if it is not a checkpoint, SettingError or DataError if it is one of other settings or other
        samples.
        """
        if not self.path.exists():
            return None
        record, arrays = FORM.read(self.path)
        self._compare(record)
        with FORM.broken_rules(str(self.path)):
            return _to_state(record.state, arrays, solver, start)

    def __call__(self, event: Event) -> None:
        """Take note of the state with which an iteration begins, and write it if it is time to."""
        self.keep(event.state)

    def keep(self, state: State) -> None:
        """Take note of a state, and write it if it is time to."""
        now = time.perf_counter()
        if self._last is None:
            self._began = self._written = now
        self._last = state
        if self._seconds is None:
            due = _FRACTION * (now - self._began) >= self._spent + self._cost(state)
        else:
            due = now - self._written >= self._seconds
        if due:
            self._write(state, "Training continues without it and will try again.")

    def end(self, result: Result) -> None:
        """Write the last state of a training that was ended before its time."""
        if self._last is not None and result.status in (Status.INTERRUPTED, Status.STOPPED_EARLY):
            self._failed = False
            self._write(self._last, "Progress since the last checkpoint is lost.")

    def rescue(self) -> None:
        """Write the last state of a training that cannot go on."""
        if self._last is not None:
            self._failed = False
            self._write(self._last, "Progress since the last checkpoint is lost.")

    def _write(self, state: State, otherwise: str) -> None:
        """Write a state, or warn of what comes otherwise."""
        began = time.perf_counter()
        try:
            replace_file(self.path, self._to_bytes(state))
            self._failed = False
        except StorageError as error:
            if not self._failed:
                warnings.warn(f"{error} {otherwise}", CheckpointWarning, stacklevel=2)
            self._failed = True
        self._written = time.perf_counter()
        self._last_cost = self._written - began
        self._spent += self._last_cost

    def _cost(self, state: State) -> float:
        """Return the seconds that a checkpoint is expected to cost: as many as the last one."""
        if not math.isnan(self._last_cost):
            return self._last_cost
        arrays: dict[str, Array] = {"parameters": state.parameters.vector}
        pack(state.solver, arrays, "solver")
        read = self._purpose.n_bytes / _READ_BYTES_PER_SECOND
        return _LEAST_SECONDS + read + sum(array.nbytes for array in arrays.values()) / _WRITE_BYTES_PER_SECOND

    def _samples_digest(self) -> str:
        if self._digest is None:
            self._digest = self._purpose.digest()
        return self._digest

    def _compare(self, record: _CheckpointRecord) -> None:
        """Check that a checkpoint is of this training."""
        own, its = _plain(self._purpose.settings), record.settings
        for name in sorted({*own, *its}):
            if own.get(name) != its.get(name):
                message = f"{self.path} was made with `{name}` {shorten(its.get(name))}, not {shorten(own.get(name))}"
                raise SettingError(f"{message}: use the settings it was made with, or remove it to start again.")
        if record.data != self._samples_digest():
            message = f"{self.path} was made with other samples than these"
            raise DataError(f"{message}: use the samples it was made with, or remove it to start again.")

    def _to_bytes(self, state: State) -> bytes:
        """Return the content of the file."""
        arrays: dict[str, Array] = {}
        parts = {each.name: getattr(state, each.name) for each in fields(state)}
        packed = pack(parts | {"epochs": _to_columns(state.history)}, arrays, "state")
        record = _CheckpointRecord(
            format_version=max(FORM.versions),
            checksum=_NO_CHECKSUM,
            library_version=version("twolayer"),
            settings=_plain(self._purpose.settings),
            data=self._samples_digest(),
            state=packed,
        )
        return seal(FORM.write(record, arrays))


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


def _can_be_a_file(path: Path) -> bool:
    """Tell whether a file is there, or can be made there."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return path.parent.is_dir()
    except (OSError, ValueError):  # too long, or of letters that no name has
        return False


def _iter_parts(samples: Any) -> Iterable[Array]:
    """Yield the arrays that samples are made of."""
    if samples is None:
        return
    if isinstance(samples, MemoryRows):
        samples = samples.X
    if isinstance(samples, Rows):
        yield np.array(samples.shape)
        n = len(samples.blocks)
        for block in sorted(set(np.linspace(0, n - 1, min(n, _MOST_DIGESTED_BLOCKS)).astype(int).tolist())):
            yield samples.read(block)
    elif hasattr(samples, "indptr"):
        yield from (samples.data, samples.indices, samples.indptr, np.array(samples.shape))
    else:
        array = np.asarray(samples)
        step = max(1, _DIGESTED_BYTES // max(1, array[:1].nbytes))
        yield np.array(array.shape)
        yield from (array[first : first + step] for first in range(0, len(array), step))


def _plain(settings: Mapping[str, Any]) -> Any:
    """Return settings as they come back from JSON."""
    return json.loads(json.dumps(dict(settings), sort_keys=True))


def _to_columns(history: Sequence[Epoch]) -> dict[str, Array]:
    """Return the epochs as arrays of float64 by the names of their figures; those they do not have are left out."""
    columns = {name: [getattr(epoch, name) for epoch in history] for name in _COLUMNS}
    return {name: np.array(values, float) for name, values in columns.items() if None not in values}


def _to_state(packed: dict[str, Any], arrays: dict[str, Array], solver: Solver, start: Parameters) -> State:
    """Return the state that a record and its arrays hold."""
    readers: dict[Any, Callable[[Any, str], Any]] = {
        Array: partial(take, arrays),
        Parameters: lambda packed, name: _to_parameters(take(arrays, packed, name), start, name),
        list[Epoch]: lambda packed, name: _to_history(packed, arrays, name),
        Any: lambda packed, name: unpack(type(solver.begin(start)), packed, name, readers),  # the solver's
    }
    state: State = unpack(State, packed, "state", readers)
    if arrays:
        raise BrokenRuleError(f"it has an unused array, {shorten(min(arrays))}")
    if not 0 <= state.seconds < math.inf:
        raise BrokenRuleError("its seconds must be a finite number of at least 0")
    if len(state.epochs) != state.iteration:
        raise BrokenRuleError(f"it has {len(state.epochs):,} epochs before iteration {state.iteration:,}")
    try:
        solver.check(state.solver, start)
    except ValueError as error:
        raise BrokenRuleError(str(error)) from None
    return state


def _to_parameters(vector: Array, start: Parameters, name: str) -> Parameters:
    if vector.shape != start.vector.shape or vector.dtype != start.dtype:
        raise BrokenRuleError(f"{name} has another shape or type than the parameters of this training")
    if not np.isfinite(vector).all():
        raise BrokenRuleError(f"{name} holds values that are not finite numbers")
    return start.moved_to(vector)


def _to_history(packed: Any, arrays: dict[str, Array], name: str) -> list[Epoch]:
    """Return the epochs of arrays of their figures."""
    if not isinstance(packed, dict) or not _NEEDED <= set(packed) <= set(_COLUMNS):
        raise BrokenRuleError(f"{name} must have {', '.join(sorted(_NEEDED))}, and no figures that an epoch lacks")
    columns = {key: take(arrays, packed[key], f"{name}.{key}") for key in packed}
    n = columns["cost"].size
    for key, column in columns.items():
        if column.shape != (n,) or column.dtype != np.float64:
            raise BrokenRuleError(f"{name}.{key} has another shape or type than float64, one for each iteration")
        if key in _MOST and not ((column >= 0) & (column <= _MOST[key])).all():
            raise BrokenRuleError(f"{name}.{key} has impossible values")
    lists = {key: columns[key].tolist() if key in columns else [None] * n for key in _COLUMNS}
    rows = zip(*(lists[key] for key in _COLUMNS), strict=True)
    return [Epoch(iteration=k, **dict(zip(_COLUMNS, row, strict=True))) for k, row in enumerate(rows)]
