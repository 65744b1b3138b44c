"""Samples held out: a fraction of each class, the same ones for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.split import hold_out
from twolayer.errors import SettingError

LABELS = st.lists(st.integers(0, 4), max_size=60).map(np.array)
FRACTIONS = st.one_of(st.just(0.0), st.floats(0.001, 0.999))
SEEDS = st.integers(0, 99)


@given(LABELS, FRACTIONS, SEEDS)
def test_every_sample_is_on_one_side(y, fraction, seed):
    """Each is learned from or held out, and both lists rise, so that blocks can be read in order."""
    rest, out = hold_out(y, fraction, seed)

    assert sorted([*rest, *out]) == list(range(len(y)))
    assert (np.diff(rest) > 0).all()
    assert (np.diff(out) > 0).all()


@given(LABELS, st.floats(0.001, 0.999), SEEDS)
def test_each_class_gives_its_part_and_keeps_a_sample(y, fraction, seed):
    """Its number of samples times the fraction, rounded, but never its last one; one of the largest if that is none."""
    rest, out = hold_out(y, fraction, seed)
    counts = {label: (y == label).sum() for label in set(y.tolist())}
    wanted = {label: min(round(fraction * n), n - 1) for label, n in counts.items()}

    if any(wanted.values()):
        assert {label: (y[out] == label).sum() for label in counts} == wanted
    else:
        assert len(out) == (max(counts.values(), default=0) > 1)
        assert all(counts[label] == max(counts.values()) for label in y[out])
    assert set(y[rest].tolist()) == set(counts)


@given(LABELS, FRACTIONS, SEEDS)
def test_the_seed_decides(y, fraction, seed):
    """The same samples each time, whatever the classes are called."""
    again = hold_out(y, fraction, seed)
    by_name = hold_out(np.array(list("abcde"))[y.astype(int)], fraction, seed)

    for first, second, third in zip(hold_out(y, fraction, seed), again, by_name, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)


def test_another_seed_holds_out_others():
    """And each sample has the same chance: of 1,000 draws of one in ten, each is held out 100 times or so."""
    y = np.arange(40) % 2
    times = np.zeros(40)
    for seed in range(1000):
        times[hold_out(y, 0.1, seed)[1]] += 1

    assert times.sum() == 4000
    assert 60 < times.min() < times.max() < 145


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan"), float("inf")])
def test_an_invalid_fraction_is_told(fraction):
    """At least 0, less than 1."""
    with pytest.raises(SettingError, match="at least 0 and less than 1"):
        hold_out([0, 1], fraction)
