"""How much memory samples may take: what is not held at once is read block by block."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from twolayer.errors import SettingError

_BASE_BYTES = 200 * 2**20  # what Python, NumPy, DuckDB and their code take without any data
_LEAST_ROOM = 48 * 2**20
_COPIES = 3  # of the samples in the training type, while they are in memory
_BLOCK_COPIES = 5  # of a block, of which some samples are held out
_NO_LIMIT = 2**62
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def parse_bytes(amount: str | int) -> int:
    """Return the number of bytes of an amount such as 800MB, 1GB or 1.5GiB; SettingError if it is invalid."""
    stripped = str(amount).strip().lower()
    number = stripped.rstrip("abcdefghijklmnopqrstuvwxyz ")
    try:
        n_bytes = float(number) * _UNITS[stripped[len(number) :].strip()]
    except (KeyError, ValueError):
        n_bytes = 0.0
    if not 1 <= n_bytes < _NO_LIMIT:
        raise SettingError(f"An amount of memory must be written like 800MB or 1.5GB; got {amount!r}.")
    return int(n_bytes)


def half_of_memory() -> int:
    """Return half of the memory that the machine, or the group of processes, has."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows
        whole = 8 * 2**30
    with contextlib.suppress(OSError, ValueError):  # no such group, or one without a limit
        whole = min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return whole // 2


def database_bytes(limit: int | None) -> int | None:
    """Return what DuckDB may take of so much memory; None for its own choice."""
    return None if limit is None else max(_LEAST_ROOM, limit - _BASE_BYTES) // 2


@dataclass(frozen=True)
class Plan:
    """How much of the samples memory holds."""

    streamed: bool  # whether they are read block by block
    block_rows: int
    most_test_rows: int
    least: int  # bytes that are needed, where that is more than the limit; else 0

    @classmethod
    def make(cls, limit: int | None, n_rows: int, row_bytes: int, raw_bytes: int) -> "Plan":
        """Return the plan for so many rows of so many bytes, as they are trained on and as they are stored."""
        limit = limit or half_of_memory()
        room = max(_LEAST_ROOM, limit - _BASE_BYTES)
        return cls(
            streamed=n_rows * row_bytes * _COPIES > room,
            block_rows=max(1, int(room / 4 / (row_bytes * _BLOCK_COPIES + 2 * raw_bytes))),
            most_test_rows=max(1, int(room / 8 / row_bytes)),
            least=0 if limit >= _BASE_BYTES + _LEAST_ROOM else _BASE_BYTES + _LEAST_ROOM,
        )

    def notes(self, n_held_out: int, n_test: int) -> tuple[str, ...]:
        """Return sentences about what memory does not allow."""
        notes = []
        if self.least:
            notes.append(f"At least {self.least / 1e6:.0f} MB of memory are needed.")
        if n_test < n_held_out:
            held = f"Only {n_test:,} of the {n_held_out:,} held-out samples, evenly spaced, are used for testing"
            notes.append(f"{held}: more do not fit in memory.")
        return tuple(notes)
