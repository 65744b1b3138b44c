"""The contract of engines: which is chosen, and what each must do with the settings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from strategies import networks
from twolayer.engines.kernel import load_kernel
from twolayer.engines.objective import ENGINES, Evaluation, Task, make_objective
from twolayer.errors import DataError, SettingError
from twolayer.explain.gradients import check_gradients

HERE = [engine for engine in ENGINES if engine != "tiled" or load_kernel()]
TASKS = [
    {"activation": activation, "loss": loss, "l2": l2}
    for activation in ("sigmoid", "tanh", "relu")
    for loss in ("square", "log")
    for l2 in (0.0, 0.3)
]


def a_network(seed=0, n_x=5, n_h=4, n_y=2, m=30):
    """Return samples, targets and parameters in float64."""
    random = np.random.default_rng(seed)
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    parameters = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    return random.standard_normal((n_x, m)), random.integers(0, 2, (n_y, m)).astype(float), parameters


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: " ".join(map(str, task.values())))
@pytest.mark.parametrize("weighted", [False, True])
def test_every_gradient_is_that_of_its_cost(engine, task, weighted):
    """A difference quotient says so, for each engine, activation, loss, penalty, with and without weights."""
    X, Y, parameters = a_network()
    weight = np.random.default_rng(1).random(X.shape[1]) if weighted else None
    objective = make_objective(X, Y, engine, sample_weight=weight, **task)

    checks = check_gradients(
        lambda p: objective.measure(p).cost,
        parameters,
        objective.evaluate(parameters).grads,
        np.random.default_rng(2),
    )

    assert [check.name for check in checks if not check.agrees] == []


@pytest.mark.parametrize("engine", HERE)
@given(network=networks(), seed=st.integers(0, 99))
def test_a_weight_of_two_is_the_sample_twice(engine, network, seed):
    """And a weight of zero is no sample at all."""
    X, Y, parameters = network
    weight = np.random.default_rng(seed).integers(0, 3, X.shape[1])
    weight[0] = 2
    repeated = np.repeat(np.arange(X.shape[1]), weight)

    weighted = make_objective(X, Y, engine, sample_weight=weight).evaluate(parameters)
    twice = make_objective(X[:, repeated], Y[:, repeated], engine).evaluate(parameters)

    assert weighted.cost == pytest.approx(twice.cost, rel=1e-12)
    for name, grad in twice.grads.items():
        np.testing.assert_allclose(weighted.grads[name], grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("engine", HERE)
@given(network=networks())
def test_mini_batches_add_up_to_all_samples(engine, network):
    """The mean of the batches' gradients, by their sizes, is that of all samples."""
    X, Y, parameters = network
    objective = make_objective(X, Y, engine)
    whole, total = objective.evaluate(parameters), dict.fromkeys(("dW1", "db1", "dW2", "db2"), 0.0)
    for index in np.array_split(np.random.default_rng(0).permutation(X.shape[1]), 3):
        if len(index):
            batch = objective.rows(index)
            assert batch.n_samples == len(index)
            for name, grad in batch.evaluate(parameters).grads.items():
                total[name] = total[name] + grad * len(index) / X.shape[1]

    for name, grad in whole.grads.items():
        np.testing.assert_allclose(total[name], grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("engine", HERE)
def test_networks_side_by_side_are_evaluated_as_alone(engine):
    """With other numbers of hidden units, each sees its own."""
    X, Y, _ = a_network()
    objective = make_objective(X, Y, engine, l2=0.1)
    several = [a_network(seed, n_h=n_h)[2] for seed, n_h in enumerate((1, 7, 3))]

    measures = objective.measure_many(several)
    for k, (alone, together) in enumerate(
        zip(map(objective.evaluate, several), objective.evaluate_many(several), strict=True)
    ):
        assert measures[k].correct == together.correct == alone.correct
        assert together.cost == pytest.approx(alone.cost, rel=1e-13)
        assert measures[k].cost == pytest.approx(alone.cost, rel=1e-13)
        for name, grad in alone.grads.items():
            np.testing.assert_allclose(together.grads[name], grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("engine", HERE)
def test_sparse_samples_are_dense_ones_with_zeros(engine):
    """A CSR matrix gives what its array gives, and is left as it is."""
    X, Y, parameters = a_network()
    X[np.abs(X) < 1] = 0
    rows = sparse.csr_matrix(X.T)
    before = rows.copy()

    expected, got = (make_objective(A, Y, engine).evaluate(parameters) for A in (X, rows.T))

    assert got.cost == pytest.approx(expected.cost, rel=1e-12)
    np.testing.assert_allclose(got.grads["dW1"], expected.grads["dW1"], rtol=1e-9, atol=1e-12)
    assert (before != rows).nnz == 0


@pytest.mark.parametrize("engine", HERE)
def test_values_given_twice_in_a_sparse_row_are_added(engine):
    """As SciPy means them; the matrix of the caller keeps both."""
    Y, parameters = np.ones((1, 1)), a_network(n_x=3, n_y=1)[2]
    twice = sparse.csr_matrix((np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2])), shape=(1, 3))

    expected = make_objective(np.array([[0.0], [3.0], [0.0]]), Y, engine).evaluate(parameters)

    assert make_objective(twice.T, Y, engine).evaluate(parameters).cost == pytest.approx(expected.cost, rel=1e-12)
    assert twice.nnz == 2


@pytest.mark.parametrize("engine", HERE)
def test_features_are_divided_by_their_scale(engine):
    """Bytes with a scale give what shares give, and the type is the one asked for."""
    random = np.random.default_rng(0)
    X, (_, Y, parameters) = random.integers(0, 256, (5, 30)).astype(np.uint8), a_network()

    expected = make_objective(X / 51.0, Y, engine).evaluate(parameters)
    got = make_objective(X, Y, engine, dtype="float64", scale=51.0).evaluate(parameters)

    assert got.cost == pytest.approx(expected.cost, rel=1e-12)
    np.testing.assert_allclose(got.grads["dW1"], expected.grads["dW1"], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("engine", HERE)
def test_the_log_cost_is_exact_where_outputs_saturate(engine):
    """An output of 1 - 1e-22 for a target of 0 costs 50, not the logarithm of a rounded number."""
    far = {"W1": np.zeros((1, 1)), "b1": np.zeros((1, 1)), "W2": np.zeros((1, 1)), "b2": np.full((1, 1), 50.0)}

    wrong, right = (make_objective(np.ones((1, 1)), np.full((1, 1), y), engine, loss="log") for y in (0.0, 1.0))

    assert wrong.measure(far).cost == pytest.approx(50.0, rel=1e-12)
    assert right.measure(far).cost == pytest.approx(np.exp(-50.0), rel=1e-12)


@pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")
def test_the_engine_suits_the_work_and_says_why():
    """Little data on the blackboard, more in tiles, another library's arrays on theirs."""
    xp = pytest.importorskip("array_api_strict")
    few, many = np.zeros((2, 10)), np.zeros((100, 1000))

    assert make_objective(few, few[:1]).engine == "whole: the formulas on all samples at once, for little data"
    assert "tiled: the C kernel" in make_objective(many, many[:1], n_threads=2).engine
    assert "for enough data" in make_objective(many, many[:1]).engine
    assert "for arrays of array_api_strict" in make_objective(xp.zeros((100, 1000)), xp.zeros((1, 1000))).engine
    assert "as asked for" in make_objective(many, many[:1], "whole").engine


def test_the_largest_slope_is_over_all_parameters():
    """The largest absolute entry of the four gradients."""
    X, Y, parameters = a_network()
    evaluation = make_objective(X, Y).evaluate(parameters)

    assert evaluation.largest_slope() == max(np.abs(grad).max() for grad in evaluation.grads.values())


def test_a_penalty_is_half_the_sum_of_the_squared_weights():
    """Biases are free."""
    parameters = {name: np.full((1, 1), value) for name, value in (("W1", 2.0), ("b1", 9.0), ("W2", 3.0), ("b2", 9.0))}
    zero = Evaluation(1.0, 0, {f"d{name}": np.zeros((1, 1)) for name in parameters})

    penalized = Task(l2=0.5).finish(zero, parameters)

    assert penalized.cost == 1.0 + 0.25 * (4 + 9)
    assert [float(grad[0, 0]) for grad in penalized.grads.values()] == [1.0, 0.0, 1.5, 0.0]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"engine": "warp"}, f"auto or one of {', '.join(ENGINES)}"),
        ({"activation": "step"}, "sigmoid, tanh, relu"),
        ({"loss": "hinge"}, "square, log"),
        ({"l2": -1.0}, "at least 0"),
        ({"l2": float("nan")}, "at least 0"),
        ({"n_threads": 0}, "1 to 1,024"),
    ],
)
def test_a_wrong_setting_is_told(wrong, sentence):
    """Each has a sentence of its own."""
    with pytest.raises(SettingError, match=sentence):
        make_objective(np.zeros((1, 1)), np.ones((1, 1)), **wrong)


@pytest.mark.parametrize("weight", [[1.0], [0.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_weights_that_do_not_fit_are_told(weight):
    """One for each sample, none negative, not all zero."""
    with pytest.raises(DataError, match="2 numbers of at least 0"):
        make_objective(np.zeros((1, 2)), np.ones((1, 2)), sample_weight=weight)


@pytest.mark.parametrize("engine", ["whole", "tiled", "streamed"])
def test_a_mini_batch_that_weighs_nothing_moves_nothing(engine):
    """Its cost and gradients are 0, not NaN; its right predictions count."""
    if engine == "tiled" and load_kernel() is None:
        pytest.skip("the kernel was not built")
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((3, 40)), (random.random((1, 40)) > 0.5).astype(float)
    weight = np.zeros(40)
    weight[:5] = 1
    parameters = {"W1": random.standard_normal((2, 3)), "b1": np.zeros((2, 1))}
    parameters |= {"W2": random.standard_normal((1, 2)), "b2": np.zeros((1, 1))}

    batch = make_objective(X, Y, engine, sample_weight=weight).rows(np.arange(20, 30))
    found = batch.evaluate(parameters)

    assert found.cost == 0
    assert all(not grad.any() for grad in found.grads.values())
    assert found.correct == make_objective(X, Y, "whole").rows(np.arange(20, 30)).measure(parameters).correct
