"""The learning rate follows its schedule over the passes of a training."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.settings import SCHEDULES as NAMES
from twolayer.solvers.schedules import SCHEDULES, Schedule

PASSES = st.lists(st.floats(0, 50), min_size=1, max_size=20).map(np.array)
PROGRESS = st.floats(0, 1)


def factor(name, progress):
    """Return the factor where so much of a training is over."""
    return float(Schedule(name).factors(np.array([progress]))[0])


def test_each_schedule_that_can_be_set_is_there():
    """Under the same name, and no other."""
    assert set(SCHEDULES) == set(NAMES)


@pytest.mark.parametrize("name", SCHEDULES)
@given(passes=PASSES, n_passes=st.integers(1, 50))
def test_a_factor_depends_on_the_fraction_that_is_over(name, passes, n_passes):
    """Between 0 and 1, and after the end as at the end."""
    factors = Schedule(name, n_passes).factors(passes)

    assert ((factors >= 0) & (factors <= 1)).all()
    np.testing.assert_allclose(factors, Schedule(name, 1).factors(passes / n_passes), atol=1e-12)
    np.testing.assert_array_equal(
        Schedule(name, n_passes).factors(n_passes + passes), SCHEDULES[name](np.ones(len(passes)))
    )


@pytest.mark.parametrize(
    ("name", "at", "factor"),
    [
        ("constant", 0.3, 1.0),
        ("cosine", 0.0, 0.0),
        ("cosine", 0.025, 0.5),
        ("cosine", 0.05, 1.0),
        ("cosine", 0.525, 0.5),
        ("cosine", 1.0, 0.0),
        ("onecycle", 0.0, 0.04),
        ("onecycle", 0.15, 0.52),
        ("onecycle", 0.3, 1.0),
        ("onecycle", 0.65, 0.500005),
        ("onecycle", 1.0, 1e-5),
    ],
)
def test_a_schedule_goes_through_its_points(name, at, factor):
    """Warm-up to 5 %, then half a cosine; or up from 1/25 until 30 %, and down to 1e-5."""
    assert Schedule(name, 40).factors(np.array([40 * at]))[0] == pytest.approx(factor, abs=1e-9)


@given(PROGRESS)
def test_a_constant_rate_is_the_learning_rate(progress):
    """Everywhere, to the bit."""
    assert factor("constant", progress) == 1


@given(PROGRESS)
def test_cosine_rises_on_a_line_and_falls_along_half_a_cosine(progress):
    """From 0 to 1 over the first 5 %, then down to 0."""
    fall = math.cos(math.pi * (progress - 0.05) / 0.95)
    expected = progress / 0.05 if progress < 0.05 else (1 + fall) / 2

    assert factor("cosine", progress) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("name", "peak"), [("cosine", 0.05), ("onecycle", 0.3)])
@given(one=PROGRESS, other=PROGRESS)
def test_a_schedule_turns_once(name, peak, one, other):
    """Up to its peak it never falls, and from there on it never rises."""
    early, late = sorted((one, other))
    before, after = factor(name, early), factor(name, late)

    assert late > peak or before <= after + 1e-12
    assert early < peak or before >= after - 1e-12
    assert factor(name, peak) == pytest.approx(1)
