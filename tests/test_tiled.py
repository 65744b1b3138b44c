"""The kernel is the blackboard, only faster: same cost, same gradients, same bits for the same threads."""

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from strategies import TOLERANCES, Case, assert_alike, cases, coded, normal, part
from twolayer import load_mnist
from twolayer.engines import helpers, tiled
from twolayer.engines.kernel import LEVELS, load_kernel
from twolayer.engines.objective import make_objective
from twolayer.errors import DataError, SettingError
from twolayer.parameters import Sizes

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")


@pytest.fixture(autouse=True, scope="module")
def small_threads():
    """Let little work be shared by several threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled, "_THREAD_VALUES", 1)
        yield


def evaluate(objective, network, **options):
    """Return the evaluation of one network, with its gradient."""
    return objective.evaluate([network], gradient=True, **options)[0]


@pytest.mark.parametrize("level", LEVELS[: load_kernel().n_levels if load_kernel() else 0])
@given(case=cases(), n_lines=st.integers(1, 5))
def test_cost_and_gradients_are_those_of_the_blackboard(level, case, n_lines):
    """To 1e-10 in float64 and 1e-4 in float32, on each level, in tiles of any size."""
    objective = case.tiled(level=level, tile=n_lines * 64 // np.dtype(case.settings["dtype"]).itemsize)

    for network, got in zip(case.networks, objective.evaluate(case.networks, gradient=True), strict=True):
        assert_alike(case, network, got)
        assert evaluate(objective, network).cost == got.cost


@given(case=cases(), seed=st.integers(0, 99))
def test_a_mini_batch_is_the_blackboard_on_its_samples(case, seed):
    """Rows are those that were asked for, in whichever order the tiles hold them."""
    index = np.random.default_rng(seed).permutation(len(case.labels))[: max(1, len(case.labels) // 3)]

    got = evaluate(case.tiled(), case.networks[0], rows=index)

    assert_alike(part(case, index), case.networks[0], got)


@given(case=cases())
def test_the_same_input_and_threads_give_the_same_bits(case):
    """Whatever ran in between, and whichever thread was first."""
    first, second = case.tiled(), case.tiled()
    before = evaluate(first, case.networks[0])
    first.evaluate(case.networks, gradient=True)

    for again in (evaluate(first, case.networks[0]), evaluate(second, case.networks[0])):
        assert again.cost == before.cost
        np.testing.assert_array_equal(before.gradient, again.gradient)


@pytest.fixture(scope="module")
def digits():
    """Return 12,665 real digits as bytes, and a network for them in each type."""
    X, y, _, _ = load_mnist((0, 1))
    network = normal(Sizes(784, 10, 1), np.random.default_rng(0))
    small = network.moved_to(network.vector / 20)
    networks = {dtype: [replace_type(small, dtype)] for dtype in TOLERANCES}
    settings = {"scale": 255.0, "n_threads": 2}
    return {d: Case(X, coded(y), networks[d], settings={**settings, "dtype": d}) for d in TOLERANCES}


def replace_type(network, dtype):
    """Return parameters in a type."""
    return type(network)(network.vector.astype(dtype), network.sizes)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_real_digits_give_the_blackboards_figures(digits, dtype):
    """On two threads, in tiles that alike digits share: less than a third of the features of a tile are left."""
    case = digits[dtype]
    objective = case.tiled()

    assert_alike(case, case.networks[0], evaluate(objective, case.networks[0]))
    first = objective._all.samples.members["first"]
    assert first[-1] / (len(first) - 1) < 0.33 * 784
    assert "2 threads" in objective.engine


def test_tiles_are_larger_where_there_are_no_zeros_to_leave_out(digits):
    """Sixteen samples for digits, and in float64; twice as many for dense data in float32."""
    dense = Case(np.ones((400, 30)), coded(np.arange(400) % 2), [])
    for case, dtype, tile in ((digits["float32"], "float32", 16), (dense, "float32", 32), (dense, "float64", 16)):
        small = replace(part(case, np.arange(400)), settings={"dtype": dtype})
        assert small.tiled()._all.samples.tile == tile


def test_wide_sparse_samples_are_put_in_order_without_filling_memory():
    """Half a million features, of which few are looked at; the figures are those of the blackboard."""
    random = np.random.default_rng(0)
    rows = sparse.random_array((300, 500_000), density=2e-5, format="csr", random_state=random)
    network = normal(Sizes(500_000, 2, 1), random)
    case = Case(rows, coded(random.integers(0, 2, 300)), [network])
    tracemalloc.start()
    got = evaluate(case.tiled(), network)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    (expected,) = case.objective().evaluate([network], gradient=True)
    assert got.cost == pytest.approx(expected.cost, rel=1e-10)
    np.testing.assert_allclose(got.gradient, expected.gradient, atol=1e-10)
    assert peak < 300e6


def test_several_callers_do_not_disturb_each_other():
    """An objective used from many threads at once gives each its own figures."""
    random = np.random.default_rng(0)
    several = [normal(Sizes(20, 4 + k, 1), random) for k in range(4)]
    case = Case(random.standard_normal((800, 20)), coded(np.arange(800) % 2), several)
    objective = replace(case, settings={"dtype": "float64", "n_threads": 2}).tiled()
    expected, wrong = [evaluate(objective, network).cost for network in several], []

    def call(k):
        wrong.extend(k for _ in range(50) if evaluate(objective, several[k]).cost != expected[k])

    callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert wrong == []


def test_after_an_exception_in_a_pass_helpers_and_memory_are_given_up(monkeypatch):
    """What a helper still writes to stays until it is done, the next figures are right, and no thread is left over."""
    random, kernel = np.random.default_rng(0), load_kernel()
    network = normal(Sizes(20, 10, 1), random)
    case = Case(random.standard_normal((300, 20)), coded(np.arange(300) % 2), [network])
    objective = replace(case, settings={"dtype": "float64", "n_threads": 2}).tiled()
    expected, real, serve = evaluate(objective, network), kernel.evaluate, kernel.serve
    at_work, go_on = threading.Event(), threading.Event()
    held = [weakref.ref(array) for work in objective._work.values() for array in (work.dW1, work.small)]
    helpers._idle.clear()
    others = set(threading.enumerate())

    def serve_late(*arguments):
        at_work.set()
        go_on.wait(60)
        serve(*arguments)

    def interrupt(*_arguments):
        at_work.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(kernel, "evaluate", interrupt)
    monkeypatch.setattr(kernel, "serve", serve_late)
    with pytest.raises(KeyboardInterrupt):
        evaluate(objective, network)
    (late,) = set(threading.enumerate()) - others
    monkeypatch.setattr(kernel, "evaluate", real)
    monkeypatch.setattr(kernel, "serve", serve)
    gc.collect()

    assert all(each() is not None for each in held)
    again = evaluate(objective, network)
    assert again.cost == expected.cost
    np.testing.assert_array_equal(again.gradient, expected.gradient)
    go_on.set()
    late.join(60)
    assert not late.is_alive()
    gc.collect()
    assert all(each() is None for each in held)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_computes_too():
    """It starts threads of its own, as it has none of its parent's."""
    code = (
        "import os, sys, numpy as np\n"
        "from twolayer.data.dataset import Labels\n"
        "from twolayer.engines import objective, tiled\n"
        "from twolayer.parameters import Parameters, Sizes\n"
        "tiled._THREAD_VALUES = 1\n"
        "labels = Labels(np.zeros(99, np.int32), (0, 1))\n"
        "o = objective.make_objective(np.ones((99, 3)), labels, engine='tiled', n_threads=2, dtype='float64')\n"
        "p = [Parameters(np.ones(11), Sizes(3, 2, 1))]\n"
        "cost = o.evaluate(p, gradient=True)[0].cost\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if o.evaluate(p, gradient=True)[0].cost == cost else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )

    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False).returncode == 0


def test_features_out_of_range_are_refused():
    """A float64 that float32 cannot hold, or that a small scale makes too large."""
    for X, scale in ((np.full((3, 2), 1e300), 1.0), (np.full((3, 2), 1e30, np.float32), 1e-20)):
        with pytest.raises(DataError, match="out of the range of float32"):
            Case(X, coded([0, 1, 0]), [], settings={"dtype": "float32", "scale": scale}).tiled()


def test_tiles_and_levels_that_are_not_there_are_refused(monkeypatch):
    """With how many samples fill a line, and with the levels that the processor has."""
    case = Case(np.zeros((2, 1)), coded([0, 1]), [])
    for dtype, n_samples in (("float32", 16), ("float64", 8)):
        for tile in (0, -16, n_samples + 1):
            with pytest.raises(SettingError, match=f"hold {n_samples} samples or a multiple"):
                replace(case, settings={"dtype": dtype}).tiled(tile=tile)
    monkeypatch.setattr(load_kernel(), "n_levels", 1)
    with pytest.raises(SettingError, match="no avx512: use one of base"):
        case.tiled(level="avx512")


def test_without_the_kernel_numpy_computes(monkeypatch):
    """The choice says why, and asking for tiles says what to do."""
    for module in ("objective", "tiled"):
        monkeypatch.setattr(f"twolayer.engines.{module}.load_kernel", lambda: None)
    X, labels = np.zeros((200, 200)), coded(np.arange(200) % 2)

    assert "not built" in make_objective(X, labels).engine
    with pytest.raises(SettingError, match="set `engine` to whole, or install GCC or Clang"):
        make_objective(X, labels, engine="tiled")
