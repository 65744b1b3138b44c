"""Errors, accuracy, confusion matrix and interval of predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.evaluation import score_predictions, wilson_interval

LABELS = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1))
def test_scores_count_the_pairs(pairs):
    """Errors are the pairs that differ; the confusion matrix counts every pair, rows true, columns predicted."""
    y, predictions = zip(*pairs, strict=True)

    scores = score_predictions(np.array(y), np.array(predictions), ("a", "b", "c"))

    assert scores.n_errors == sum(a != b for a, b in pairs)
    assert scores.accuracy == pytest.approx(1 - scores.n_errors / len(pairs))
    for i, true in enumerate("abc"):
        assert [pairs.count((true, predicted)) for predicted in "abc"] == scores.confusion[i].tolist()
    assert scores.interval[0] <= scores.accuracy <= scores.interval[1]


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_its_formula(counts):
    """(k + z^2/2 -+ z sqrt(k (n - k)/n + z^2/4)) / (n + z^2), z = 1.959964 at 95 %."""
    k, n = counts
    z = 1.959963984540054
    half = z * np.sqrt(k * (n - k) / n + z**2 / 4)

    low, high = wilson_interval(k, n)

    assert low == pytest.approx(max(0, (k + z**2 / 2 - half) / (n + z**2)), abs=1e-12)
    assert high == pytest.approx((k + z**2 / 2 + half) / (n + z**2), abs=1e-12)


def test_wilson_interval_of_one_error_of_2115():
    """An accuracy of 99.95 % is between 99.73 % and 99.99 %."""
    low, high = wilson_interval(2114, 2115)

    assert (round(100 * low, 2), round(100 * high, 2)) == (99.73, 99.99)
