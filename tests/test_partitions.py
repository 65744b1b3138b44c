"""The partitions of a table are its files, or parts of them, and are the same for whatever cluster."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.tables import partitions
from twolayer.data.tables.partitions import Extent, Part, Question, cut_groups, estimate, find_extents, smallest
from twolayer.errors import MissingFileError, StorageError


@given(st.lists(st.integers(1, 500_000), min_size=1, max_size=30))
def test_parts_of_a_file_hold_each_row_once(sizes):
    """They begin where the one before ends, at the edge of a row group."""
    parts = cut_groups(sizes)

    assert [parts[0][0], parts[-1][1]] == [0, sum(sizes)]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert {end for _, end in parts} <= set(np.cumsum(sizes).tolist())


def test_files_are_partitions_and_large_ones_several(tmp_path, monkeypatch):
    """In the order of their names; together they have all rows."""
    monkeypatch.setattr(partitions, "PARTITION_ROWS", 100)
    table = pd.DataFrame({"a": np.arange(250.0), "y": np.arange(250) % 2})
    table.to_parquet(tmp_path / "b.parquet", row_group_size=50)
    table[:30].to_csv(tmp_path / "a.csv", index=False)
    extents = find_extents(str(tmp_path / "*"))

    assert next(extent.path[-5:] for extent in extents) == "a.csv"
    assert len(extents) == 3
    assert [extent.open().n_rows for extent in extents] == [30, 100, 150]
    with pytest.raises(MissingFileError, match="no files like"):
        find_extents(str(tmp_path / "c*"))
    with pytest.raises(StorageError, match="put it where all workers can"):
        Extent(str(tmp_path / "gone.csv")).open()


def test_a_part_splits_its_rows_once(tmp_path):
    """Each labelled row is in one split, the same one wherever the part has travelled."""
    pd.DataFrame({"a": np.arange(90.0), "y": ["u", "v", None] * 30}).to_csv(tmp_path / "t.csv", index=False)
    part = Part(Extent(str(tmp_path / "t.csv")))
    question = Question("y", fraction=0.2, validation=0.25)
    rows = part.split(question, ("u", "v"), 3)

    assert [len(rows[name]) for name in ("train", "test", "validation")] == [36, 12, 12]
    assert len(np.unique(np.concatenate(list(rows.values())))) == 60
    again = pickle.loads(pickle.dumps(part)).split(question, ("u", "v"), 3)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)


@given(st.integers(1, 20_000), st.integers(0, 99))
def test_different_values_are_counted_or_estimated(n, seed):
    """Exactly while they are few, within a tenth when they are many; twice the same values are no more."""
    hashes = np.random.default_rng(seed).choice(16**partitions._HASH_DIGITS, n)
    kept = smallest(hashes[: n // 2], hashes)

    assert estimate(kept) == pytest.approx(n, rel=0.1 if n > 1000 else 1e-9)
