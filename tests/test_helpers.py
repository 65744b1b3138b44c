"""Helping threads do every job that they are given, asleep or awake, and leave the processor alone afterwards."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from twolayer.engines import helpers, tiled
from twolayer.engines.helpers import Helper, release_helpers, take_helpers
from twolayer.engines.kernel import load_kernel
from twolayer.engines.tiled import Tiles

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")

PARAMETERS = {"W1": np.ones((2, 3)), "b1": np.ones((2, 1)), "W2": np.ones((1, 2)), "b2": np.ones((1, 1))}


@pytest.fixture
def objective(monkeypatch):
    monkeypatch.setattr(tiled, "_THREAD_VALUES", 1)
    random = np.random.default_rng(0)
    return Tiles(random.standard_normal((3, 400)), random.integers(0, 2, (1, 400)).astype(float), n_threads=3)


def is_asleep(helper):
    for _ in range(2000):
        if not helper._post.awake:
            return True
        time.sleep(0.001)
    return False


@pytest.mark.parametrize("patience", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 300)), 4000])
def test_no_job_is_lost_whenever_it_comes(objective, patience, monkeypatch):
    """Around the moment at which a helper falls asleep, many times over; a lost one would be waited for in vain."""
    monkeypatch.setattr(helpers, "_PATIENCE", patience)
    random, expected, right = np.random.default_rng(patience), objective.evaluate(PARAMETERS), []

    def evaluate_often():
        for _ in range(3000):
            pause = time.perf_counter() + random.uniform(0, 3e-4) * random.integers(0, 2)
            while time.perf_counter() < pause:
                pass
            right.append(objective.evaluate(PARAMETERS).cost == expected.cost)

    caller = threading.Thread(target=evaluate_often, daemon=True)
    caller.start()
    caller.join(timeout=120)

    assert len(right) == 3000
    assert all(right)


def test_helpers_sleep_when_nothing_is_left_to_do(objective):
    """They take no processor from anybody for longer than a moment."""
    objective.evaluate(PARAMETERS)

    own = take_helpers(load_kernel(), 2)
    assert all(is_asleep(helper) for helper in own)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.1
    release_helpers(own)


def test_helpers_are_used_again(objective):
    """A thousand evaluations start no more threads than the first."""
    objective.evaluate(PARAMETERS)
    before = threading.active_count()
    for _ in range(1000):
        objective.evaluate(PARAMETERS)

    assert threading.active_count() == before


def test_nobody_else_gets_a_helper_at_work():
    """Those that are taken are others than those that were."""
    first, second = take_helpers(load_kernel(), 2), take_helpers(load_kernel(), 2)

    assert len({id(helper) for helper in first + second}) == 4
    release_helpers(first + second)


def test_after_an_interruption_the_next_evaluation_waits_for_what_still_runs(objective, monkeypatch):
    """Its figures are right, and the helpers are used again."""
    expected, before = objective.evaluate(PARAMETERS), threading.active_count()
    kernel = load_kernel()
    evaluate = kernel.evaluate

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    for _ in range(20):
        monkeypatch.setattr(kernel, "evaluate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            objective.evaluate({**PARAMETERS, "W1": 2 * PARAMETERS["W1"]})
        monkeypatch.setattr(kernel, "evaluate", evaluate)
        again = objective.evaluate(PARAMETERS)
        assert again.cost == expected.cost
        np.testing.assert_array_equal(again.grads["dW1"], expected.grads["dW1"])
    assert threading.active_count() == before


def test_a_helper_that_an_interruption_left_asleep_is_woken(objective):
    """It has a job and does not know: the next evaluation would wait for ever."""
    expected, right, rings = objective.evaluate(PARAMETERS), [], []

    def interrupt(_):
        rings.append(None)
        if len(rings) == 1:
            raise KeyboardInterrupt
        ring(None)

    for _ in range(5):
        rings.clear()
        own = take_helpers(load_kernel(), 2)
        assert all(is_asleep(helper) for helper in own)
        bell = own[-1]._bell  # which the next evaluation rings first
        ring = bell.put
        own[-1]._bell = SimpleNamespace(put=interrupt, get=bell.get)
        release_helpers(own)
        with pytest.raises(KeyboardInterrupt):
            objective.evaluate({**PARAMETERS, "W1": 2 * PARAMETERS["W1"]})
        again = threading.Thread(target=lambda: right.append(objective.evaluate(PARAMETERS).cost), daemon=True)
        again.start()
        again.join(timeout=60)
        own[-1]._bell = bell

    assert right == [expected.cost] * 5


def test_a_helper_without_a_job_is_not_waited_for():
    """An interruption may come before it has been given one."""
    Helper(load_kernel()).wait()
