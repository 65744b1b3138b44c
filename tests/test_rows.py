"""Rows in blocks are the rows of the array, wherever a block ends and whatever memory holds."""

import os
import shutil
import tempfile
from collections import namedtuple

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data import rows as rows_module
from twolayer.data.rows import ArrayRows, MemoryRows, SomeRows, as_rows, gather, gather_parts, split_evenly, spool
from twolayer.errors import DataError

ARRAYS = st.builds(
    lambda m, n, dtype: (np.arange(m * n) % 200).reshape(m, n).astype(dtype),
    st.integers(0, 40),
    st.integers(1, 3),
    st.sampled_from(["uint8", "int64", "float32", "float64"]),
)
SIZES = st.integers(1, 50)
DiskUsage = namedtuple("DiskUsage", "total used free")  # noqa: PYI024 - as shutil has it


@pytest.fixture
def let_go(monkeypatch):
    """Return the memory maps whose pages were let go, and let them go."""
    seen, real = [], rows_module.let_go
    monkeypatch.setattr(rows_module, "let_go", lambda mapped: (seen.append(mapped), real(mapped)))
    return seen


def mapped(path, X, mode):
    """Return an array as a memory map of a file."""
    X.tofile(path)
    return np.memmap(path, X.dtype, mode, shape=X.shape)


@given(st.integers(0, 300), SIZES)
def test_blocks_are_few_and_even(n, most):
    """They make up n, none is larger than allowed, no fewer would do, and sizes differ by 1 at most."""
    sizes = split_evenly(n, most)

    assert sum(sizes) == n
    assert max(sizes) <= most
    assert len(sizes) == max(1, -(-n // most))
    assert max(sizes) - min(sizes) <= 1


@given(ARRAYS, SIZES)
def test_the_blocks_of_an_array_are_its_rows(X, block_rows):
    """One after the other, of its type, without a copy."""
    rows = ArrayRows(X, block_rows)
    blocks = [rows.read(block) for block in range(len(rows.blocks))]

    assert (rows.shape, rows.dtype) == (X.shape, X.dtype)
    assert tuple(map(len, blocks)) == rows.blocks
    np.testing.assert_array_equal(np.concatenate(blocks), X)
    assert all(np.shares_memory(block, X) for block in blocks if block.size)


@given(ARRAYS, SIZES, st.data())
def test_some_rows_are_the_chosen_ones(X, block_rows, data):
    """In blocks of those that they came from, none of them empty but a single one; also chosen from chosen ones."""
    rows = ArrayRows(X, block_rows)
    chosen = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(X), max_size=len(X))))
    again = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen))))
    some = SomeRows(rows, chosen)
    fewer = SomeRows(some, again)

    for picked, index in ((some, chosen), (fewer, chosen[again])):
        assert (picked.shape, picked.dtype) == ((len(index), X.shape[1]), X.dtype)
        assert sum(picked.blocks) == len(index)
        assert all(picked.blocks) or picked.blocks == (0,)
        assert len(picked.blocks) <= len(rows.blocks)
        np.testing.assert_array_equal(gather(picked), X[index])


@given(ARRAYS, SIZES)
def test_gathered_rows_are_the_array(X, block_rows):
    """Of its own type, or of one that is asked for."""
    rows = ArrayRows(X, block_rows)

    np.testing.assert_array_equal(gather(rows), X)
    assert gather(rows).dtype == X.dtype
    assert gather(rows, "float64").dtype == np.float64


@given(ARRAYS, SIZES, st.randoms(use_true_random=False))
def test_parts_gathered_at_once_are_the_rows_chosen_for_each(X, size, random):
    """Rows may be in both, or in none."""
    parts = [np.array(sorted(k for k in range(len(X)) if random.random() < 0.5), np.intp) for _ in range(2)]
    rows = ArrayRows(X, size)

    for found, chosen in zip(gather_parts(rows, parts), parts, strict=True):
        np.testing.assert_array_equal(found, X[chosen])
    np.testing.assert_array_equal(gather(rows, "float64"), X)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_told_when_it_is_read(wrong):
    """Blocks without one can be used."""
    X = np.ones((4, 2))
    X[3, 1] = wrong
    rows = ArrayRows(X, 2)

    assert rows.read(0).shape == (2, 2)
    with pytest.raises(DataError, match="not finite numbers"):
        rows.read(1)


@pytest.mark.parametrize("as_view", [False, True], ids=["memory map", "array that looks at one"])
@pytest.mark.parametrize("mode", ["r", "r+", "w+"])
def test_pages_of_a_memory_map_are_let_go(tmp_path, let_go, mode, as_view):
    """What was read is a copy, and stays what it was; so does the file."""
    X = np.random.default_rng(0).random((1000, 8))
    whole = mapped(tmp_path / "X", X, mode)
    if mode == "w+":
        whole[:] = X
    rows = ArrayRows(np.asarray(whole)[:] if as_view else whole, 400)

    blocks = [rows.read(block) for block in range(3)]

    assert len(let_go) == 3
    assert not any(np.shares_memory(block, whole) for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), X)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "X").reshape(X.shape), X)


def test_changes_that_only_memory_has_are_kept(tmp_path, let_go):
    """The pages of a map that is copied on write are not let go: what was written to them is in no file."""
    whole = mapped(tmp_path / "X", np.zeros((100, 8)), "c")
    whole += 1
    rows = ArrayRows(whole, 50)

    assert gather(rows).min() == gather(rows).max() == 1
    assert let_go == []


def test_rows_in_memory_are_one_block():
    """Without a copy: an array, a list, a sparse matrix by rows; rows stay what they are."""
    X = np.arange(6).reshape(3, 2)
    rows, sparse = as_rows(X), as_rows(scipy.sparse.csc_matrix(X))

    assert (rows.blocks, rows.shape, rows.dtype) == ((3,), (3, 2), X.dtype)
    assert rows.read(0) is X
    assert sparse.read(0).format == "csr"
    assert as_rows(rows) is rows
    np.testing.assert_array_equal(as_rows(X.tolist()).read(0), X)
    some = SomeRows.of(rows, np.array([0, 2]))
    assert isinstance(some, MemoryRows)
    np.testing.assert_array_equal(some.read(0), X[[0, 2]])


@given(ARRAYS, SIZES, SIZES)
def test_rows_written_to_a_file_keep_every_value(X, block_rows, most):
    """In blocks of the size asked for."""
    spooled = spool(ArrayRows(X, block_rows), most)

    assert (spooled.shape, spooled.dtype) == (X.shape, X.dtype)
    assert max(spooled.blocks) <= max(most, block_rows * (not X.size))
    np.testing.assert_array_equal(gather(spooled), X)


def test_rows_written_to_a_file_leave_no_name(tmp_path, monkeypatch):
    """The file goes with its last use."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spooled = spool(ArrayRows(np.ones((100, 3)), 7), 10)

    assert os.listdir(tmp_path) == []
    assert gather(spooled).sum() == 300


def test_rows_stay_where_they_are_if_the_disk_is_full(monkeypatch):
    """Half a gigabyte is left free for others."""
    rows = ArrayRows(np.ones((100, 3)), 7)
    for free, stays in ((2400 + 2**29 - 1, True), (2400 + 2**29, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: DiskUsage(2**40, 2**40, free))
        assert (spool(rows, 10) is rows) is stays
