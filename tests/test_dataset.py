"""Labels are coded once, and a dataset gives parts of itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.dataset import Dataset, Labels, count_outputs, order_classes
from twolayer.data.rows import ArrayRows, MemoryRows, gather
from twolayer.errors import DataError

LABELS = st.one_of(
    st.lists(st.integers(-5, 5), min_size=2), st.lists(st.text("ab\u00fc", max_size=3), min_size=2)
).filter(lambda labels: len(set(labels)) > 1)


@given(LABELS, st.randoms(use_true_random=False))
def test_labels_come_back_from_their_codes(y, random):
    """Sorted as they are found, or in an order that is given."""
    found = Labels.of(y)
    given_order = sorted(set(y))
    random.shuffle(given_order)
    ordered = Labels.of(y, given_order)

    assert found.classes == tuple(sorted(set(y)))
    assert ordered.classes == tuple(given_order)
    for labels in (found, ordered, Labels.found(y)):
        assert labels.decode().tolist() == y
        assert (labels.codes.dtype, len(labels)) == (np.int32, len(y))
        assert labels.counts.tolist() == [y.count(label) for label in labels.classes]
        assert labels.take(np.array([1, 0])).decode().tolist() == [y[1], y[0]]


def test_labels_that_make_no_classes_are_told():
    """Only one class, and one that is not among those known; to find labels, one is enough."""
    with pytest.raises(DataError, match="All samples belong to one class, 3"):
        Labels.of([3, 3])
    for y in ([0, 7, 1], ["a", "b"]):
        with pytest.raises(DataError, match=r"It has a label (7|a) that is not among the classes \(0, 1\): leave"):
            Labels.of(y, (0, 1), "It")
    assert Labels.found([3, 3]).classes == (3,)


def test_the_positive_class_is_the_second():
    """Of two that are told apart by their text."""
    assert order_classes([0, 1], "0") == (1, 0)
    assert order_classes(["a", "b"], "b") == order_classes(["a", "b"], None) == ("a", "b")
    for classes, positive in ((["a", "b"], "c"), (["a", "b", "c"], "a")):
        with pytest.raises(DataError, match=f"`positive` must be one of two classes; got '{positive}'"):
            order_classes(classes, positive)


def test_two_classes_need_one_output():
    """More need one each."""
    assert [count_outputs(n) for n in (2, 3, 10)] == [1, 3, 10]
    assert Labels.of([0, 1, 2]).n_outputs == 3


@pytest.mark.parametrize("rows", [MemoryRows, lambda X: ArrayRows(X, 4)], ids=["in memory", "in blocks"])
def test_some_samples_are_taken_with_all_that_is_theirs(rows):
    """Their rows, labels and files; the test samples stay behind."""
    X = np.arange(20).reshape(10, 2)
    test = Dataset("test", MemoryRows(X[:2]), None, (2,))
    whole = Dataset("it", rows(X), Labels.of(np.arange(10) % 3), (2,), files=tuple("abcdefghij"), test=test)
    some = whole.take(np.array([1, 4, 8]))

    assert (some.n_samples, some.files, some.test) == (3, ("b", "e", "i"), None)
    np.testing.assert_array_equal(gather(some.rows), X[[1, 4, 8]])
    assert some.known_labels.decode().tolist() == [1, 1, 2]
    assert (whole.part(), whole.part("test"), whole.part("train"), some.part()) == (test, test, whole, some)


def test_what_a_dataset_lacks_is_told():
    """Labels, or test samples."""
    bare = Dataset("it", MemoryRows(np.ones((2, 2))), None, (2,))
    with pytest.raises(DataError, match=r"it has no labels: .* one folder per class"):
        bare.known_labels  # noqa: B018
    with pytest.raises(DataError, match="it has no test samples: choose train as `part`"):
        bare.part("test")
