"""What is counted in partitions and added up is what is counted in the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.tables.columns import NumberFigures
from twolayer.data.tables.merging import check_same_columns, differing, merge_figures, merge_labels, merge_numbers
from twolayer.data.tables.partitions import Schema
from twolayer.errors import DataError


def figures_of(x):
    """Return the figures of a column."""
    if not len(x):
        return NumberFigures(0, None, None, 0, None, None)
    return NumberFigures(len(x), x.min(), x.max(), len(np.unique(x)), x.mean(), x.std())


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), min_size=1, max_size=6))
def test_figures_of_numbers_add_up_to_those_of_the_whole(parts):
    """Number, extremes, mean and deviation; of different values at least as many as any part has."""
    arrays = [np.array(part) for part in parts]
    merged = figures_of(arrays[0])
    for other in arrays[1:]:
        merged = merge_numbers(merged, figures_of(other))
    whole = figures_of(np.concatenate(arrays))

    assert (merged.n, merged.low, merged.high) == (whole.n, whole.low, whole.high)
    assert merged.n_different <= max(whole.n_different, 2)
    if whole.n:
        assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
        assert merged.deviation == pytest.approx(whole.deviation, rel=1e-6, abs=1e-3)


def make_schema(path, kinds, labels=()):
    return Schema(path, 10, kinds, frozenset(), frozenset(), tuple(labels), ())


def test_partitions_must_have_the_same_columns():
    """The first that differs is named with its files; empty ones do not count."""
    one, other = make_schema("one", {"a": "number"}), make_schema("other", {"a": "category", "b": "number"})
    check_same_columns([None, one, one])

    with pytest.raises(DataError, match="other has a column 'b' and one has not"):
        check_same_columns([one, other])
    with pytest.raises(DataError, match="None of the files has rows"):
        check_same_columns([None])
    assert differing([one, make_schema("third", {"a": "category"})]) == ["a"]


def test_labels_of_partitions_are_put_together():
    """Whole numbers are texts where other partitions have texts."""
    numbers, texts = make_schema("n", {"y": "number"}, [1.0, 2.0]), make_schema("t", {"y": "category"}, ["2", "x"])

    assert sorted(merge_labels([numbers, None, texts], "y", "category")) == ["1", "2", "x"]
    assert sorted(merge_labels([numbers], "y", "number")) == [1.0, 2.0]
    assert merge_figures(None, None) is None
