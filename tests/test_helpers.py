"""Helping threads do every job that they are given, asleep or awake, and leave the processor alone afterwards."""

import threading
import time

import numpy as np
import pytest

from strategies import Case, coded, normal
from twolayer.engines import helpers, tiled
from twolayer.engines.helpers import Helper, release_helpers, take_helpers
from twolayer.engines.kernel import load_kernel
from twolayer.parameters import Sizes

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")


@pytest.fixture
def evaluate(monkeypatch):
    """Return a function that evaluates on three threads and returns the cost."""
    monkeypatch.setattr(tiled, "_THREAD_VALUES", 1)
    random = np.random.default_rng(0)
    labels, network = coded(random.integers(0, 2, 400)), normal(Sizes(3, 2, 1), random)
    settings = {"dtype": "float64", "n_threads": 3}
    objective = Case(random.standard_normal((400, 3)), labels, [network], settings=settings).tiled()
    return lambda: objective.evaluate([network], gradient=True)[0].cost


def is_asleep(helper):
    """Wait for a helper to fall asleep."""
    for _ in range(2000):
        if not helper._post.awake:
            return True
        time.sleep(0.001)
    return False


@pytest.mark.parametrize("patience", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 300)), 4000])
def test_no_job_is_lost_whenever_it_comes(evaluate, patience, monkeypatch):
    """Around the moment at which a helper falls asleep, many times over; a lost one would be waited for in vain."""
    monkeypatch.setattr(helpers, "_PATIENCE", patience)
    random, expected, right = np.random.default_rng(patience), evaluate(), []

    def evaluate_often():
        for _ in range(2000):
            pause = time.perf_counter() + random.uniform(0, 3e-4) * random.integers(0, 2)
            while time.perf_counter() < pause:
                pass
            right.append(evaluate() == expected)

    caller = threading.Thread(target=evaluate_often, daemon=True)
    caller.start()
    caller.join(timeout=120)

    assert len(right) == 2000
    assert all(right)


def test_helpers_sleep_when_nothing_is_left_to_do(evaluate):
    """They take no processor from anybody for longer than a moment."""
    evaluate()

    own = take_helpers(load_kernel(), 2)
    assert all(is_asleep(helper) for helper in own)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.1
    release_helpers(own)


def test_helpers_are_used_again(evaluate):
    """A thousand evaluations start no more threads than the first."""
    evaluate()
    before = threading.active_count()
    for _ in range(1000):
        evaluate()

    assert threading.active_count() == before


def test_nobody_else_gets_a_helper_at_work():
    """Those that are taken are others than those that were."""
    first, second = take_helpers(load_kernel(), 2), take_helpers(load_kernel(), 2)

    assert len({id(helper) for helper in first + second}) == 4
    release_helpers(first + second)


def test_a_helper_that_was_given_up_ends():
    """Asleep or not, without a job or with one that nobody told it of."""
    before = set(threading.enumerate())
    Helper(load_kernel()).give_up()

    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_a_helper_without_a_job_is_not_waited_for():
    """An exception may come before it has been given one."""
    helper = Helper(load_kernel())

    helper.wait()
    helper.give_up()
