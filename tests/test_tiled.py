"""The kernel is the blackboard, only faster: same cost, same gradients, same bits for the same threads."""

import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from twolayer import load_mnist
from twolayer.engines import tiled
from twolayer.engines.kernel import LEVELS, load_kernel
from twolayer.engines.objective import Task, make_objective
from twolayer.engines.tiled import Tiles
from twolayer.engines.whole import WholeBatch
from twolayer.equations import forward_propagation
from twolayer.errors import DataError, SettingError

TOLERANCES = {"float32": 1e-4, "float64": 1e-10}

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")


@pytest.fixture(autouse=True, scope="module")
def small_threads():
    """Let little work be shared by several threads, and little data be put in order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiled, "_THREAD_VALUES", 1)
        yield


def start(random, n_x, n_h, n_y, dtype="float64"):
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    return {name: random.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


@st.composite
def jobs(draw):
    """Draw samples of any storage and share of zeros, targets, weights, a task and networks."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    n_x, m, n_y = draw(st.integers(1, 40)), draw(st.integers(1, 150)), draw(st.integers(1, 4))
    storage = draw(st.sampled_from(["uint8", "bool", "int16", "float32", "float64"]))
    rows = 3 * random.standard_normal((m, n_x)) * (random.random((m, n_x)) < draw(st.sampled_from([0.0, 0.2, 1.0])))
    rows = np.abs(20 * rows).astype(storage) if storage in ("uint8", "int16") else rows.astype(storage)
    scale = 60.0 if storage in ("uint8", "int16") else 2.0
    form = draw(st.sampled_from(["rows", "columns", "sparse"]))
    X = {"rows": rows.T, "columns": np.ascontiguousarray(rows.T), "sparse": sparse.csr_array(rows).T}[form]
    Y = random.random((n_y, m)) if draw(st.booleans()) else random.integers(0, 2, (n_y, m)).astype(float)
    weight = random.random(m) * (random.random(m) < 0.8) + 1e-3 if draw(st.booleans()) else None
    task = Task(
        draw(st.sampled_from(["sigmoid", "tanh", "relu"])),
        draw(st.sampled_from(["square", "log"])),
        draw(st.sampled_from([0.0, 0.1])),
    )
    networks = [start(random, n_x, draw(st.integers(1, 30)), n_y, dtype) for _ in range(draw(st.integers(1, 3)))]
    settings = {"dtype": dtype, "scale": scale, "sample_weight": weight, "n_threads": draw(st.integers(1, 4))}
    return X, Y.astype(dtype), task, networks, settings


def assert_same(objective, parameters, got, tolerance):
    """Compare with an objective: the cost, and each gradient relative to its largest entry.

    Of a saturated unit's slope, 1 - A1^2 say, rounding may be all that is left. A hundredth of the gradient that
    the unit would have with slope and error at 1 is therefore looked at, however little comes through.
    """
    expected = objective.evaluate(parameters)
    reach = largest_gradients(objective, parameters)
    assert got.cost == pytest.approx(expected.cost, rel=tolerance, abs=tolerance * 1e-3)
    for name, grad in expected.grads.items():
        allowed = tolerance * (np.abs(grad).max() + reach[name] / 100)
        np.testing.assert_allclose(got.grads[name], grad, rtol=0, atol=allowed)
        assert (got.grads[name].dtype, got.grads[name].shape) == (grad.dtype, grad.shape)


def largest_gradients(objective, parameters):
    """Return a bound of each gradient: those of a network whose errors and slopes are all 1."""
    A1 = forward_propagation(objective.X, parameters, objective.task.activation)[1]["A1"]
    weights = np.abs(parameters["W2"]).sum(0).max()
    return {"dW1": weights * np.abs(objective.X).max(), "db1": weights, "dW2": np.abs(A1).max(), "db2": 1.0}


def near_the_border(objective, parameters):
    """How many samples have outputs so close that rounding decides their class."""
    A2 = np.sort(forward_propagation(objective.X, parameters, objective.task.activation)[0], axis=0)
    gap = np.abs(A2[0] - 0.5) if len(A2) == 1 else A2[-1] - A2[-2]
    return int((gap < 1e-4).sum())


@pytest.mark.parametrize("level", LEVELS[: load_kernel().n_levels if load_kernel() else 0])
@given(job=jobs(), n_lines=st.integers(1, 5))
def test_cost_and_gradients_are_those_of_the_blackboard(level, job, n_lines):
    """To 1e-10 in float64 and 1e-4 in float32, on each level, in tiles of any size, alone and side by side."""
    X, Y, task, networks, settings = job
    expected = WholeBatch(X, Y, task, **settings)
    objective = Tiles(X, Y, task, **settings, level=level, tile=n_lines * 64 // np.dtype(settings["dtype"]).itemsize)
    tolerance = TOLERANCES[settings["dtype"]]

    for network, side_by_side in zip(networks, objective.evaluate_many(networks), strict=True):
        plain, alone, measure = expected.evaluate(network), objective.evaluate(network), objective.measure(network)
        assert_same(expected, network, alone, tolerance)
        assert abs(plain.correct - alone.correct) <= near_the_border(expected, network)
        assert (measure.cost, measure.correct) == (alone.cost, alone.correct)
        assert (side_by_side.cost, side_by_side.correct) == (alone.cost, alone.correct)
        for name, grad in alone.grads.items():
            np.testing.assert_array_equal(side_by_side.grads[name], grad)


@given(job=jobs(), seed=st.integers(0, 99))
def test_a_mini_batch_is_the_blackboard_on_its_samples(job, seed):
    """Rows are those that were asked for, in whichever order the tiles hold them."""
    X, Y, task, networks, settings = job
    index = np.random.default_rng(seed).permutation(X.shape[1])[: max(1, X.shape[1] // 3)]
    if settings["sample_weight"] is not None and not settings["sample_weight"][index].any():
        return

    expected = WholeBatch(X, Y, task, **settings).rows(index)
    objective = Tiles(X, Y, task, **settings)
    batch = objective.rows(index)

    assert batch.n_samples == len(index)
    assert_same(expected, networks[0], batch.evaluate(networks[0]), TOLERANCES[settings["dtype"]])
    assert objective.n_samples == X.shape[1]


@given(job=jobs())
def test_the_same_input_and_threads_give_the_same_bits(job):
    """Whatever ran in between, and whichever thread was first."""
    X, Y, task, networks, settings = job
    first, second = (Tiles(X, Y, task, **settings) for _ in range(2))
    before = first.evaluate(networks[0])
    first.evaluate_many(networks)

    for again in (first.evaluate(networks[0]), second.evaluate(networks[0])):
        assert again.cost == before.cost
        for name, grad in before.grads.items():
            np.testing.assert_array_equal(grad, again.grads[name])


@pytest.fixture(scope="module")
def digits():
    X, y, _, _ = load_mnist((0, 1))
    return X.T, y[None].astype(np.float32)


def test_alike_digits_share_a_tile(digits):
    """Of the features of a tile of real digits less than a third are left, where one digit has a sixth."""
    X, Y = digits
    objective = Tiles(X, Y, dtype="float32", scale=255.0, n_threads=2)

    first = objective._samples.members["first"]
    assert first[-1] / (len(first) - 1) < 0.33 * len(X)
    assert "2 threads" in objective.engine


def test_tiles_are_larger_where_there_are_no_zeros_to_leave_out(digits):
    """Sixteen samples for digits, and in float64; twice as many for dense data in float32."""
    dense, Y = np.ones((30, 400)), np.zeros((1, 400))
    for X, targets, dtype, expected in ((*digits, "float32", 16), (dense, Y, "float32", 32), (dense, Y, "float64", 16)):
        assert Tiles(X, targets, dtype=dtype)._samples.tile == expected


def test_wide_sparse_samples_are_put_in_order_without_filling_memory():
    """Half a million features, of which few are looked at; the figures are those of the blackboard."""
    random = np.random.default_rng(0)
    rows = sparse.random_array((300, 500_000), density=2e-5, format="csr", random_state=random)
    Y, network = random.integers(0, 2, (1, 300)).astype(float), start(random, 500_000, 2, 1)
    tracemalloc.start()
    got = Tiles(rows.T, Y).evaluate(network)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert_same(WholeBatch(rows.T, Y), network, got, 1e-10)
    assert peak < 300e6


def test_the_order_of_tiles_loses_no_sample(digits):
    """Each sample stands in it once."""
    X, _ = digits
    order = tiled._Source(X, np.dtype("float32")).alike_order(16)

    assert sorted(order) == list(range(X.shape[1]))


def test_real_digits_give_the_blackboards_figures(digits):
    """All 12,665 digits as bytes, in both types, with several outputs' worth of classes as well."""
    X, Y = digits
    random = np.random.default_rng(0)
    for dtype, tolerance in TOLERANCES.items():
        network = {name: value / 20 for name, value in start(random, 784, 10, 1, dtype).items()}
        expected = WholeBatch(X, Y, dtype=dtype, scale=255.0)
        got = Tiles(X, Y, dtype=dtype, scale=255.0, n_threads=2).evaluate(network)
        assert_same(expected, network, got, tolerance)
        assert abs(got.correct - expected.measure(network).correct) <= 1


@pytest.mark.parametrize("far", [1e3, 1e30, np.inf, np.nan])
def test_parameters_out_of_range_do_as_on_the_blackboard(far):
    """Saturated sigmoids give a finite cost, parameters that are no numbers one that is not."""
    random = np.random.default_rng(1)
    X, Y = random.standard_normal((5, 40)).astype(np.float32), np.ones((1, 40), np.float32)
    network = start(random, 5, 3, 1, "float32")
    network["W1"][0, 0] = far

    expected, got = WholeBatch(X, Y).measure(network), Tiles(X, Y).measure(network)

    assert np.isfinite(got.cost) == np.isfinite(expected.cost) == np.isfinite(far)


def test_several_callers_do_not_disturb_each_other(digits):
    """An objective used from many threads at once gives each its own figures."""
    X, Y = digits
    objective = Tiles(X[:, :2000], Y[:, :2000], dtype="float32", scale=255.0, n_threads=2)
    networks = [start(np.random.default_rng(seed), 784, 4 + seed, 1, "float32") for seed in range(4)]
    expected = [objective.evaluate(network).cost for network in networks]
    wrong = []

    def call(k):
        wrong.extend(k for _ in range(20) if objective.evaluate(networks[k]).cost != expected[k])

    callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_computes_too():
    """It starts threads of its own, as it has none of its parent's."""
    code = (
        "import os, sys, numpy as np\n"
        "from twolayer.engines import tiled\n"
        "tiled._THREAD_VALUES = 1\n"
        "o = tiled.Tiles(np.ones((3, 99)), np.ones((1, 99)), n_threads=2)\n"
        "p = {'W1': np.ones((2, 3)), 'b1': np.ones((2, 1)), 'W2': np.ones((1, 2)), 'b2': np.ones((1, 1))}\n"
        "cost = o.evaluate(p).cost\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if o.evaluate(p).cost == cost else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )

    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False).returncode == 0


def test_features_out_of_range_are_told():
    """A float64 that float32 cannot hold, or that a small scale makes too large."""
    Y = np.zeros((1, 3), np.float32)
    for X, scale in ((np.full((2, 3), 1e300), 1.0), (np.full((2, 3), 1e30, np.float32), 1e-20)):
        with pytest.raises(DataError, match="do not fit into float32"):
            Tiles(X, Y, scale=scale)


def test_a_type_that_the_kernel_does_not_have_is_told():
    """Float32 and float64 only."""
    with pytest.raises(SettingError, match="float32 or float64, not float16"):
        Tiles(np.zeros((1, 1)), np.zeros((1, 1)), dtype="float16")


def test_tiles_that_do_not_fill_lines_are_told():
    """With how many samples do."""
    for dtype, n_samples in (("float32", 16), ("float64", 8)):
        for tile in (0, -16, n_samples + 1):
            with pytest.raises(SettingError, match=f"hold {n_samples} samples or a multiple"):
                Tiles(np.zeros((1, 1)), np.zeros((1, 1)), dtype=dtype, tile=tile)


def test_a_level_that_the_processor_does_not_have_is_told(monkeypatch):
    """With those that it has."""
    monkeypatch.setattr(load_kernel(), "n_levels", 1)
    with pytest.raises(SettingError, match="no avx512: choose one of base"):
        Tiles(np.zeros((1, 1)), np.zeros((1, 1)), level="avx512")


def test_without_the_kernel_numpy_computes(monkeypatch):
    """The choice says why, and asking for tiles says what to do."""
    for module in ("objective", "tiled"):
        monkeypatch.setattr(f"twolayer.engines.{module}.load_kernel", lambda: None)
    X, Y = np.zeros((200, 200)), np.zeros((1, 200))

    assert "not built" in make_objective(X, Y).engine
    with pytest.raises(SettingError, match="install GCC or Clang"):
        make_objective(X, Y, "tiled")
