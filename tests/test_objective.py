"""The contract of engines: which is chosen, and what each must do with the settings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from strategies import Case, cases, coded, flat, normal, part
from twolayer.data.rows import ArrayRows
from twolayer.engines import objective as objective_module
from twolayer.engines.kernel import load_kernel
from twolayer.engines.objective import Evaluation, Task, make_objective
from twolayer.equations import ACTIVATIONS, LOSSES
from twolayer.errors import DataError, SettingError
from twolayer.parameters import Sizes

HERE = [engine for engine in ("whole", "tiled", "streamed") if engine != "tiled" or load_kernel()]
each_engine = pytest.mark.parametrize("engine", HERE)


def a_case(n_classes=3, task=None, m=30, **settings):
    """Return samples and two networks in float64."""
    random, labels = np.random.default_rng(0), coded(np.arange(m) % n_classes, n_classes)
    several = [normal(Sizes(5, n_h, labels.n_outputs), random) for n_h in (4, 7)]
    return Case(random.standard_normal((m, 5)), labels, several, task or Task(), {"dtype": "float64", **settings})


def evaluate(objective, network, **options):
    """Return the evaluation of one network, with its gradient."""
    return objective.evaluate([network], gradient=True, **options)[0]


@each_engine
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_gradient_is_that_of_its_cost(engine, activation, loss):
    """Difference quotients say so, of one output and of several, with weights and a penalty and without."""
    random, h = np.random.default_rng(2), 1e-5
    for n_classes, l2, weight in ((2, 0.0, None), (2, 0.3, random.random(30)), (3, 0.0, None), (3, 0.3, None)):
        case = a_case(n_classes, Task(activation, loss, l2), sample_weight=weight)
        objective, p = case.objective(engine), case.networks[0]
        gradient = evaluate(objective, p).gradient
        for _ in range(6):
            d = random.standard_normal(p.sizes.n_parameters)
            ends = [p.moved_to(p.vector + sign * h * d) for sign in (1, -1)]
            high, low = (each.cost for each in objective.evaluate(ends, gradient=False))
            assert (high - low) / (2 * h) == pytest.approx(gradient @ d, rel=1e-6, abs=1e-8)


@each_engine
@given(case=cases(), seed=st.integers(0, 99))
def test_a_weight_of_two_is_the_sample_twice(engine, case, seed):
    """And a weight of zero is no sample at all."""
    case = replace(case.in_memory(), task=Task(case.task.activation, case.task.loss))
    case = replace(case, rows=case.rows.toarray() if sparse.issparse(case.rows) else case.rows)
    case = replace(case, networks=[case.networks[0].moved_to(case.networks[0].vector.astype(float))])
    m = len(case.labels)
    weight = np.random.default_rng(seed).integers(0, 3, m)
    weight[0] = 2
    repeated = np.repeat(np.arange(m), weight)
    p = normal(case.networks[0].sizes, np.random.default_rng(seed))
    settings = {"dtype": "float64", "scale": case.settings["scale"]}

    weighted = evaluate(replace(case, settings=settings | {"sample_weight": weight}).objective(engine), p)
    twice = evaluate(part(replace(case, settings=settings), repeated).objective(engine), p)

    assert weighted.cost == pytest.approx(twice.cost, rel=1e-12)
    np.testing.assert_allclose(weighted.gradient, twice.gradient, rtol=1e-9, atol=1e-11)


@each_engine
@pytest.mark.parametrize("loss", LOSSES)
def test_mini_batches_add_up_to_all_samples(engine, loss):
    """The mean of the batches' gradients, by their sizes, is that of all samples; the penalty is in each of them."""
    case = a_case(task=Task(loss=loss, l2=0.1))
    objective, p = case.objective(engine), case.networks[0]
    batches = np.array_split(np.random.default_rng(0).permutation(30), 4)

    found = [evaluate(objective, p, rows=batch) for batch in batches]

    whole = evaluate(objective, p)
    assert sum(each.correct for each in found) == whole.correct
    mean = sum(each.gradient * len(batch) / 30 for each, batch in zip(found, batches, strict=True))
    np.testing.assert_allclose(mean, whole.gradient, rtol=1e-10, atol=1e-14)


@each_engine
@given(case=cases())
def test_networks_side_by_side_have_the_bits_of_each_alone(engine, case):
    """With other numbers of hidden units; a forward pass alone has the same cost, and no gradient."""
    case = replace(case, rows=case.rows.toarray() if sparse.issparse(case.rows) else case.rows)
    objective = case.objective(engine)

    together = objective.evaluate(case.networks, gradient=True)
    forward = objective.evaluate(case.networks, gradient=False)

    for network, side_by_side, measured in zip(case.networks, together, forward, strict=True):
        alone = evaluate(objective, network)
        assert (measured.cost, measured.correct) == (side_by_side.cost, side_by_side.correct)
        assert (alone.cost, alone.correct) == (side_by_side.cost, side_by_side.correct)
        assert not measured.gradient.size
        np.testing.assert_array_equal(side_by_side.gradient, alone.gradient)


@pytest.mark.parametrize("engine", [engine for engine in HERE if engine != "streamed"])
def test_sparse_samples_are_dense_ones_with_zeros(engine):
    """A CSR matrix gives what its array gives, values given twice are added, and it is left as it is."""
    case = a_case()
    case.rows[np.abs(case.rows) < 1] = 0
    rows = sparse.csr_matrix(case.rows)
    twice = sparse.csr_matrix((np.repeat(rows.data / 2, 2), np.repeat(rows.indices, 2), 2 * rows.indptr), rows.shape)
    expected = evaluate(case.objective(engine), case.networks[0])
    for matrix in (rows, twice):
        before = matrix.copy()

        got = evaluate(replace(case, rows=matrix).objective(engine), case.networks[0])

        assert got.cost == pytest.approx(expected.cost, rel=1e-12)
        np.testing.assert_allclose(got.gradient, expected.gradient, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(before.data, matrix.data)


@each_engine
def test_features_are_divided_by_their_scale(engine):
    """Bytes with a scale give what fractions give, in the type that was requested."""
    case, X = a_case(), np.random.default_rng(0).integers(0, 256, (30, 5)).astype(np.uint8)

    expected = evaluate(replace(case, rows=X / 51.0).objective(engine), case.networks[0])
    got = evaluate(
        replace(case, rows=X, settings={"dtype": "float64", "scale": 51.0}).objective(engine), case.networks[0]
    )

    assert got.cost == pytest.approx(expected.cost, rel=1e-12)
    np.testing.assert_allclose(got.gradient, expected.gradient, rtol=1e-10, atol=1e-14)


@each_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_log_cost_is_exact_where_outputs_saturate(engine, dtype):
    """A probability of exp(-50) costs 50, not the logarithm of a rounded number; one of 1 next to nothing."""
    settings = {"dtype": dtype}
    sigmoid = flat(b2=50.0)
    softmax = normal(Sizes(1, 1, 3), np.random.default_rng(0), dtype).moved_to(np.array([0, 0, 0, 0, 0, 50.0, 0, 0]))
    for network, labels in ((sigmoid, [coded([k]) for k in (0, 1)]), (softmax, [coded([k], 3) for k in (1, 0)])):
        n = network.moved_to(network.vector.astype(dtype))
        wrong, right = (
            make_objective(np.ones((1, 1)), each, Task(loss="log"), engine=engine, **settings) for each in labels
        )

        assert evaluate(wrong, n).cost == pytest.approx(50.0, rel=1e-6)
        assert evaluate(right, n).cost == pytest.approx(2 * np.exp(-50) if n is softmax else np.exp(-50), abs=1e-20)
        assert (evaluate(wrong, n).correct, evaluate(right, n).correct) == (0, 1)


@each_engine
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("far", [1e3, -1e30, np.inf, -np.inf, np.nan])
def test_parameters_out_of_range_do_as_on_the_blackboard(engine, loss, far):
    """Saturated outputs give a finite cost, parameters that are not numbers one that is not; nobody warns."""
    for n_classes in (2, 3):
        case = a_case(n_classes, Task(loss=loss), dtype="float32")
        vector = case.networks[0].vector.astype(np.float32)
        vector[0] = far

        got = evaluate(case.objective(engine), case.networks[0].moved_to(vector.astype(float)))

        assert np.isfinite(got.cost) == np.isfinite(far)


@each_engine
def test_a_mini_batch_that_weighs_nothing_moves_nothing(engine):
    """Its cost and gradients are 0, not NaN; its right predictions count."""
    weight = (np.arange(30) < 5).astype(float)
    case, rows = a_case(sample_weight=weight), np.arange(10, 20)

    found = evaluate(case.objective(engine), case.networks[0], rows=rows)

    assert found.cost == 0
    assert not found.gradient.any()
    assert found.correct == evaluate(a_case().objective(), case.networks[0], rows=rows).correct


@each_engine
def test_codes_of_any_whole_type_are_taken(engine):
    """As NumPy makes them, 64 bits wide."""
    case = a_case()
    wide = replace(case, labels=replace(case.labels, codes=case.labels.codes.astype(np.int64)))

    got, expected = (evaluate(each.objective(engine), case.networks[0]) for each in (wide, case))

    assert (got.cost, got.correct) == (expected.cost, expected.correct)


@pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")
def test_the_engine_suits_the_work_and_says_why():
    """Little data on the blackboard, more in tiles, several blocks streamed."""

    def chosen(X, engine="auto", **settings):
        return make_objective(X, coded(np.arange(len(X.shape) and X.shape[0]) % 2), engine=engine, **settings).engine

    few, many = np.zeros((10, 2)), np.zeros((1000, 100))

    assert chosen(few) == "whole: the formulas on all samples at once, for little data"
    assert "tiled: the C kernel" in chosen(many, n_threads=2)
    assert "for enough data" in chosen(many)
    assert "as requested" in chosen(many, "whole")
    assert chosen(ArrayRows(few, 4)) == "streamed: 3 blocks read from where they are stored"
    assert chosen(ArrayRows(few, 4), "streamed") == chosen(ArrayRows(few, 4))
    assert "streamed" in chosen(few, "streamed")


def test_an_array_is_streamed_in_blocks_of_so_many_values(monkeypatch):
    """At least a row in each."""
    for values, blocks in ((2**22, (10,)), (8, (4, 3, 3)), (1, (1,) * 10)):
        monkeypatch.setattr(objective_module, "STREAM_VALUES", values)
        assert make_objective(np.zeros((10, 2)), coded(np.arange(10) % 2), engine="streamed").blocks == blocks


def test_the_largest_slope_is_over_all_parameters():
    """The largest absolute entry of the gradient."""
    assert Evaluation(0.0, 0, np.array([1.0, -3.0, 2.0])).largest_slope() == 3.0


def test_a_penalty_is_half_the_sum_of_the_squared_weights():
    """Biases are free, and what was evaluated stays as it is."""
    network = flat(W1=2.0, b1=9.0, W2=3.0, b2=9.0)
    zero = Evaluation(1.0, 0, np.zeros(4))

    penalized = Task(l2=0.5).finish(zero, network)

    assert penalized.cost == 1.0 + 0.25 * (4 + 9)
    assert penalized.gradient.tolist() == [1.0, 0.0, 1.5, 0.0]
    assert not zero.gradient.any()


@pytest.mark.parametrize(
    ("rows", "engine", "sentence"),
    [
        (np.eye(2), "warp", "`engine` must be one of auto, whole, tiled, streamed; got 'warp'"),
        (sparse.csr_array(np.eye(2)), "streamed", "already in memory: set `engine` to auto"),
        (ArrayRows(np.eye(2), 1), "whole", "need `engine` auto or streamed, not whole"),
    ],
)
def test_an_engine_that_does_not_suit_is_refused(rows, engine, sentence):
    """With those that do."""
    with pytest.raises(SettingError, match=sentence):
        make_objective(rows, coded([0, 1]), engine=engine)


@pytest.mark.parametrize(
    "weight",
    [[1.0], [0.0, 0.0], [1.0, -1.0], [1.0, float("nan")], ["a", "b"], [[1, 1]], {"a": 1}, [1, [2, 3]]],
    ids=str,
)
@pytest.mark.parametrize("rows", [np.eye(2), ArrayRows(np.eye(2), 1)])
def test_weights_that_do_not_fit_are_refused(rows, weight):
    """One number for each sample, none negative, not all zero."""
    with pytest.raises(DataError, match="2 numbers of at least 0"):
        make_objective(rows, coded([0, 1]), sample_weight=weight)
