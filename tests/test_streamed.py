"""Samples read block by block give what the blackboard gives on all of them at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import networks
from twolayer.data.rows import ArrayRows, Rows, SomeRows
from twolayer.engines import objective as objective_module
from twolayer.engines.objective import Task, make_objective
from twolayer.engines.whole import WholeBatch
from twolayer.equations import forward_propagation
from twolayer.errors import DataError, SettingError

TOLERANCES = {"float32": 1e-4, "float64": 1e-10}
TASKS = st.builds(
    Task, st.sampled_from(["sigmoid", "tanh", "relu"]), st.sampled_from(["square", "log"]), st.sampled_from([0.0, 0.3])
)


class Counted(Rows):
    """Rows that count how often each block is read."""

    def __init__(self, rows):
        self._rows, self.shape, self.dtype, self.blocks = rows, rows.shape, rows.dtype, rows.blocks
        self.reads = []

    def read(self, block):
        """Return the rows of one block."""
        self.reads.append(block)
        return self._rows.read(block)


def near_the_border(X, parameters, activation):
    """How many samples have outputs so close that rounding decides their class."""
    A2 = np.sort(forward_propagation(X, parameters, activation)[0], axis=0)
    return int(((np.abs(A2[0] - 0.5) if len(A2) == 1 else A2[-1] - A2[-2]) < 1e-4).sum())


def assert_same(expected, got, tolerance, n_doubtful=0):
    """Compare two evaluations: cost, gradients relative to the largest entry of any, and right predictions."""
    assert got.cost == pytest.approx(expected.cost, rel=tolerance, abs=tolerance * 1e-3)
    assert abs(got.correct - expected.correct) <= n_doubtful
    for name, grad in expected.grads.items():
        atol = tolerance * max(np.abs(other).max() for other in expected.grads.values())
        np.testing.assert_allclose(got.grads[name], grad, rtol=0, atol=atol)
        assert (got.grads[name].dtype, got.grads[name].shape) == (grad.dtype, grad.shape)


@st.composite
def jobs(draw):
    """Draw samples in blocks of any sizes, weights that leave whole blocks out, a task and networks."""
    X, Y, parameters = draw(networks(max_samples=40))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block_rows = draw(st.integers(1, X.shape[1]))
    rows = ArrayRows(X.T.astype(dtype), block_rows)
    chosen = np.sort(random.permutation(X.shape[1])[: draw(st.integers(1, X.shape[1]))])
    some = SomeRows(rows, chosen) if draw(st.booleans()) else rows
    X, Y = (X[:, chosen], Y[:, chosen]) if some is not rows else (X, Y)
    weight = None
    if draw(st.booleans()):
        weight = random.random(X.shape[1]) + 0.1
        starts = np.concatenate([[0], np.cumsum(some.blocks)])
        for block in draw(st.sets(st.integers(0, len(some.blocks) - 1), max_size=len(some.blocks) - 1)):
            weight[starts[block] : starts[block + 1]] = 0
    several = [{name: value.astype(dtype) for name, value in parameters.items()}]
    several.append({name: value.copy() for name, value in several[0].items()})
    several[1]["W1"] += 1
    return X.astype(dtype), Y.astype(dtype), some, weight, draw(TASKS), several


@given(jobs())
def test_cost_and_gradients_are_those_of_the_blackboard(job):
    """Over any blocks, weights that leave whole blocks out among them, alone and side by side."""
    X, Y, rows, weight, task, several = job
    tolerance = TOLERANCES[X.dtype.name]
    settings = {"activation": task.activation, "loss": task.loss, "l2": task.l2, "sample_weight": weight}
    expected = WholeBatch(X, Y, task, sample_weight=weight)
    streamed = make_objective(rows, Y, **settings)

    assert (streamed.n_samples, streamed.blocks) == (X.shape[1], rows.blocks)
    for network, side_by_side in zip(several, streamed.evaluate_many(several), strict=True):
        doubtful = near_the_border(X, network, task.activation)
        alone, measure = streamed.evaluate(network), streamed.measure(network)
        assert_same(expected.evaluate(network), alone, tolerance, doubtful)
        assert_same(alone, side_by_side, tolerance, doubtful)
        assert measure.cost == pytest.approx(alone.cost, rel=tolerance)
        assert abs(measure.correct - alone.correct) <= doubtful
    assert [measure.cost for measure in streamed.measure_many(several)] == pytest.approx(
        [streamed.measure(network).cost for network in several], rel=tolerance
    )


@given(jobs(), st.integers(0, 99))
def test_a_mini_batch_is_the_blackboard_on_its_samples(job, seed):
    """Those of one block, in any order, with their weights and the whole penalty."""
    X, Y, rows, weight, task, several = job
    random = np.random.default_rng(seed)
    streamed = make_objective(rows, Y, activation=task.activation, loss=task.loss, l2=task.l2, sample_weight=weight)
    starts = np.concatenate([[0], np.cumsum(rows.blocks)])
    counted = [k for k in range(len(rows.blocks)) if weight is None or weight[starts[k] : starts[k + 1]].any()]
    for block in random.permutation(counted)[:4]:
        index = starts[block] + random.permutation(rows.blocks[block])[: max(1, rows.blocks[block] // 2)]
        part = WholeBatch(X[:, index], Y[:, index], task, sample_weight=None if weight is None else weight[index])
        batch = streamed.rows(index)

        assert batch.n_samples == len(index)
        doubtful = near_the_border(X[:, index], several[0], task.activation)
        assert_same(part.evaluate(several[0]), batch.evaluate(several[0]), TOLERANCES[X.dtype.name], doubtful)


def test_each_pass_reads_each_block_once():
    """Also for several networks; mini-batches of one block read it once, and a pass lets go of it."""
    X, Y = np.random.default_rng(0).random((10, 2)), np.ones((1, 10))
    rows = Counted(ArrayRows(X, 4))
    parameters = {"W1": np.ones((1, 2)), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)), "b2": np.zeros((1, 1))}
    streamed = make_objective(rows, Y)

    assert streamed.blocks == (4, 3, 3)
    streamed.evaluate_many([parameters, parameters])
    assert rows.reads == [0, 1, 2]
    streamed.measure(parameters)
    assert rows.reads == [0, 1, 2, 0, 1, 2]

    rows.reads.clear()
    for index in ([0, 3], [1, 2], [9, 8], [7], [0]):
        streamed.rows(np.array(index)).evaluate(parameters)
    assert rows.reads == [0, 2, 0]
    streamed.measure(parameters)
    streamed.rows(np.array([0]))
    assert rows.reads == [0, 2, 0, 0, 1, 2, 0]


def test_features_are_divided_by_their_scale():
    """Bytes with a scale give what shares give."""
    random = np.random.default_rng(0)
    X, Y = random.integers(0, 256, (30, 5)).astype(np.uint8), random.integers(0, 2, (1, 30)).astype(float)
    parameters = {"W1": random.random((2, 5)), "b1": np.ones((2, 1)), "W2": np.ones((1, 2)), "b2": np.zeros((1, 1))}

    expected = make_objective(X.T / 51.0, Y).evaluate(parameters)
    got = make_objective(ArrayRows(X, 7), Y, dtype="float64", scale=51.0).evaluate(parameters)

    assert_same(expected, got, 1e-10)


@pytest.mark.parametrize("engine", ["auto", "streamed"])
def test_rows_are_streamed(engine):
    """The engine says so, and how many blocks there are; an array is streamed on request, in blocks of its own."""
    X, Y = np.zeros((10, 2)), np.ones((1, 10))

    assert make_objective(ArrayRows(X, 4), Y, engine).engine == "streamed: 3 blocks read from where they are stored"
    assert ("streamed" in make_objective(X.T, Y, engine).engine) == (engine == "streamed")


def test_an_array_is_streamed_in_blocks_of_so_many_values(monkeypatch):
    """At least a row in each."""
    X, Y = np.zeros((10, 2)), np.ones((1, 10))
    for values, blocks in ((2**22, (10,)), (8, (4, 3, 3)), (1, (1,) * 10)):
        monkeypatch.setattr(objective_module, "STREAM_VALUES", values)
        assert make_objective(X.T, Y, "streamed").blocks == blocks


def test_what_cannot_be_streamed_is_told():
    """Sparse samples, and rows for an engine that needs them all."""
    sparse = pytest.importorskip("scipy.sparse")
    Y = np.ones((1, 3))
    with pytest.raises(SettingError, match="in memory already"):
        make_objective(sparse.csr_array(np.eye(3)).T, Y, "streamed")
    with pytest.raises(SettingError, match="auto or streamed, not whole"):
        make_objective(ArrayRows(np.eye(3), 2), Y, "whole")
    with pytest.raises(DataError, match="3 numbers of at least 0"):
        make_objective(ArrayRows(np.eye(3), 2), Y, sample_weight=[1, 2])


def test_parameters_out_of_range_give_a_cost_that_is_not_finite_and_no_warning():
    """As in memory, whichever block they show in."""
    X, Y = np.array([[1.0], [0.0], [0.0]]), np.ones((1, 3))
    far = {"W1": np.full((1, 1), np.inf), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)), "b2": np.zeros((1, 1))}

    assert not np.isfinite(make_objective(ArrayRows(X, 1), Y).evaluate(far).cost)
