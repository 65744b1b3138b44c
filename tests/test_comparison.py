"""Two models are compared on the same samples: by what either alone gets right, and by their log loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import draw_probabilities
from twolayer.evaluation import compare


@given(st.integers(0, 99))
def test_a_comparison_counts_what_either_model_alone_gets_right(seed):
    """McNemar's test is that of equal chances; of a model with itself it says nothing."""
    (P, y), (Q, _) = draw_probabilities(80, 3, seed), draw_probabilities(80, 3, seed + 1)
    found, same = compare(P, Q, y, range(3)), compare(P, P, y, range(3))
    right, other = P.argmax(axis=1) == y, Q.argmax(axis=1) == y

    assert (found.only_first, found.only_second) == ((right & ~other).sum(), (other & ~right).sum())
    assert found.accuracy_gain == pytest.approx(other.mean() - right.mean())
    assert found.log_loss_added == pytest.approx(found.log_loss[1] - found.log_loss[0])
    assert (same.p_value, same.accuracy_gain, same.log_loss_added) == (1.0, 0.0, 0.0)
    assert "No difference" in same.verdict


def test_a_better_model_is_found_out():
    """By accuracy where that differs, by the log loss where only the probabilities do."""
    P, y = draw_probabilities(4000, 2, 1, places=6)
    shuffled, unsure = P[::-1], 0.5 + 0.2 * (P - 0.5)

    assert "second model is more accurate" in compare(shuffled, P, y, (0, 1)).verdict
    assert "first model is more accurate" in compare(P, shuffled, y, (0, 1)).verdict
    assert "first model has better probabilities" in compare(P, unsure, y, (0, 1)).verdict
