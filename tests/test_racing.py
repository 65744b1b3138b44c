"""A race spends its budget on the choices that are best so far, and draws choices that differ."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.errors import SettingError
from twolayer.racing import Budget, Range, draw_choices, race


def make_choices(n_choices, n_repeats):
    """Return choices with trainings that are pairs of a choice and a number."""
    return {choice: [(choice, repeat) for repeat in range(n_repeats)] for choice in range(n_choices)}


def judge(points):
    """Return scores by which choice 0 is best, then 1, and so on."""
    return [(1 - 0.01 * choice, 0.1) for choice, _ in points]


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 100))
def test_a_race_keeps_within_its_budget_and_finds_the_best(n_choices, n_repeats, most):
    """No training is done twice, and of those tried the best one was trained most often."""
    done = race(make_choices(n_choices, n_repeats), Budget(trainings=most), judge)

    assert len(done) == len(set(done)) <= most
    assert len(done) >= min(most, n_choices)
    counts = {choice: len(list(group)) for choice, group in itertools.groupby(sorted(done), lambda point: point[0])}
    assert counts[min(counts)] == max(counts.values())
    if most >= 2 * n_choices and n_choices > 1 and n_repeats > 1:
        assert counts[0] > 1 > counts.get(n_choices - 1, 1) - 1


def test_the_better_half_goes_on():
    """Of eight choices four, of these two, of these one."""
    done = race(make_choices(8, 5), Budget(), judge)

    assert [sum(turn == repeat for _, turn in done) for repeat in range(5)] == [8, 4, 2, 1, 0]


def test_seconds_are_a_limit():
    """What has begun is finished, and at least one part is trained."""

    def slow(points):
        time.sleep(0.05)
        return judge(points)

    assert len(race(make_choices(100, 3), Budget(seconds=0.01), slow)) == 16
    assert 16 < len(race(make_choices(100, 3), Budget(seconds=0.12), slow)) < 100


def test_drawn_choices_differ_and_stay():
    """They are within their ranges, whole where the ends are, and the first ones are the same if more are drawn."""
    values = {"n_hidden": Range.of("5..100"), "learning_rate": Range.of("0.01..10"), "activation": ["tanh", "relu"]}
    drawn = [dict(each) for each in draw_choices(values, 50, 0)]

    assert len({tuple(each.items()) for each in drawn}) == 50
    assert drawn[:10] == [dict(each) for each in draw_choices(values, 10, 0)]
    assert drawn != [dict(each) for each in draw_choices(values, 50, 1)]
    assert all(isinstance(each["n_hidden"], int) and 5 <= each["n_hidden"] <= 100 for each in drawn)
    rates = np.array([each["learning_rate"] for each in drawn])
    assert 0.01 <= rates.min() < 0.1
    assert 1 < rates.max() <= 10
    assert len(draw_choices({"activation": ["tanh", "relu"]}, 5, 0)) == 2


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5", "0s", "s", 0, "1e3"])
def test_a_wrong_budget_gets_one_sentence(value):
    """It says what a budget looks like."""
    with pytest.raises(SettingError, match="such as 50, or seconds, such as 90s"):
        Budget.of(value)


@pytest.mark.parametrize("value", ["5..5", "9..3", "1..1e999", "+..3", "e..2"])
def test_a_wrong_range_gets_one_sentence(value):
    """What is no range at all is a value."""
    with pytest.raises(SettingError, match=r"as 0.01\.\.10"):
        Range.of(value)
    assert Range.of("5") is Range.of(5) is Range.of("a..b") is None
    assert (Budget.of("90s"), Budget.of(50), Budget.of(None)) == (Budget(seconds=90), Budget(trainings=50), None)
