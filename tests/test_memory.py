"""Amounts of memory, and how much of the samples it holds."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.memory import Plan, database_bytes, half_of_memory, parse_bytes
from twolayer.errors import SettingError

UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
BYTES = st.integers(1, 2**40)


@given(st.integers(1, 10**6), st.sampled_from(list(UNITS)), st.sampled_from(["", " "]), st.booleans())
def test_amounts_of_memory_are_understood(n, unit, space, lower):
    """A number and a unit, in letters of either case, with a space or without."""
    text = f"{n}{space}{unit}"

    assert parse_bytes(text.lower() if lower else text) == n * UNITS[unit]
    assert parse_bytes(f" {n + 0.5}{unit} ") == int((n + 0.5) * UNITS[unit])


@pytest.mark.parametrize(
    "wrong", ["", "MB", "x", "-1GB", "0", "nan", "inf", "1e30GB", "1 GB 2", "1,5GB", "1PB", "0x10"]
)
def test_an_invalid_amount_of_memory_is_told(wrong):
    """With two that are valid."""
    with pytest.raises(SettingError, match=r"must be written like 800MB or 1.5GB; got '"):
        parse_bytes(wrong)


def test_half_of_the_memory_is_taken_where_nothing_is_said():
    """Half of what the machine has, or less where a group of processes has less."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    assert 2**20 < half_of_memory() <= whole // 2
    assert Plan.make(None, 1, 8, 8) == Plan.make(half_of_memory(), 1, 8, 8)


@given(BYTES, st.integers(1, 10**9), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_plan_keeps_to_the_memory(limit, n_rows, row_bytes, raw_bytes):
    """Blocks and test samples fit beside the code; what fits three times is not streamed, and DuckDB gets half."""
    plan = Plan.make(limit, n_rows, row_bytes, raw_bytes)
    room = max(48 * 2**20, limit - 200 * 2**20)

    assert plan.streamed == (3 * n_rows * row_bytes > room)
    assert plan.block_rows * (3 * row_bytes + 2 * raw_bytes) <= room / 4 or plan.block_rows == 1
    assert plan.most_test_rows * row_bytes <= room / 8 or plan.most_test_rows == 1
    assert database_bytes(limit) == room // 2
    assert bool(plan.notes(0, 0)) == (limit < 248 * 2**20)


def test_what_memory_does_not_allow_is_told():
    """Less than is needed, and fewer test samples."""
    assert Plan.make(10, 1, 1, 1).notes(9, 9) == ("At least 260 MB of memory are needed.",)
    (note,) = Plan.make(10**9, 1, 1, 1).notes(9, 8)
    assert note.startswith("Only 8 of the 9 held-out samples, evenly spaced, are used")
