"""From rows and labels to a model: what is given is checked, and what is asked for is done."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.utils.class_weight import compute_class_weight

from twolayer.data.rows import ArrayRows
from twolayer.engines.objective import make_objective
from twolayer.equations import initialize_parameters
from twolayer.errors import DataError, SettingError
from twolayer.files.model_file import to_bytes
from twolayer.fitting import ValidationSet, fit_model, fit_models, start_parameters, weigh_classes
from twolayer.model import encode_labels
from twolayer.training import Status


@pytest.fixture
def blobs():
    """Return three groups of points in the plane and their names."""
    random = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = random.standard_normal((90, 2)) + 6 * np.array([[0, 0], [0, 1], [1, 0]])[y]
    return X, np.array(["ash", "birch", "cedar"])[y]


@pytest.fixture
def start():
    """Return parameters of a network with 2 features, 3 hidden units and 3 outputs."""
    return initialize_parameters(2, 3, 3, np.random.default_rng(7))


def assert_same_bits(parameters, others):
    for name, value in parameters.items():
        np.testing.assert_array_equal(value, others[name])


def test_the_same_seed_gives_the_same_bits(blobs):
    """And another seed another network."""
    first, again, other = (fit_model(*blobs, max_iter=5, random_state=seed)[0] for seed in (1, 1, 2))

    for name, value in first.parameters.items():
        np.testing.assert_array_equal(value, again.parameters[name])
    assert not np.array_equal(first.parameters["W1"], other.parameters["W1"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_have_the_type_asked_for(blobs, dtype):
    """Also when the samples have the other one."""
    for X in (blobs[0].astype(np.float32), blobs[0].astype(np.float64), blobs[0].astype(np.int64)):
        model, _ = fit_model(X, blobs[1], max_iter=2, dtype=dtype)
        assert {value.dtype for value in model.parameters.values()} == {np.dtype(dtype)}


def test_settings_may_be_numpys_numbers(blobs):
    """A model trained with them can be saved."""
    model, _ = fit_model(
        *blobs,
        n_hidden=np.int64(3),
        max_iter=np.int32(2),
        learning_rate=np.float32(1),
        dtype=np.dtype("float64"),
        input_shape=np.array([1, 2]),
    )

    assert to_bytes(model)


def test_test_samples_are_measured(blobs):
    """Their right predictions are those of the returned model."""
    X, y = blobs
    model, result = fit_model(X, y, X_test=X[:10], y_test=y[:10], max_iter=5)

    assert (result.test_correct, result.n_test) == ((model.predict(X[:10]) == y[:10]).sum(), 10)


def test_a_listener_sees_each_epoch_and_can_stop(blobs):
    """`on_epoch` is handed on to the loop, and the settings tell how the training ended."""
    model, result = fit_model(*blobs, max_iter=9, on_epoch=lambda epoch: epoch.iteration == 2)

    assert result.status == Status.STOPPED_EARLY
    assert (model.settings["status"], model.settings["n_iter"]) == ("stopped early", 2)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"on_epoch": 5}, "on_epoch must be a function; got 5"),
        ({"on_parameters": "print"}, "on_parameters must be a function"),
        ({"n_hidden": 0}, "at least 1 hidden unit"),
        ({"n_hidden": 2**60}, "fewer than"),
        ({"n_hidden": 1.5}, "n_hidden must be a whole number"),
        ({"max_iter": "5"}, "max_iter must be a whole number"),
        ({"learning_rate": None}, "learning_rate must be a number"),
        ({"random_state": None}, "random_state must be a whole number"),
        ({"tol": float("inf")}, "tolerance"),
        ({"learning_rate": 0.0}, "greater than 0"),
        ({"max_iter": 0}, "at least 1"),
        ({"scale": -1.0}, "scale"),
        ({"solver": "magic"}, "gd"),
        ({"learning_rate": "quick"}, "or auto"),
        ({"solver": "lbfgs", "learning_rate": 1.0}, "finds its own steps"),
        ({"batch_size": 5}, "take adam"),
        ({"solver": "adam", "batch_size": "5"}, "batch_size must be a whole number"),
        ({"activation": "step"}, "sigmoid, tanh, relu"),
        ({"loss": "hinge"}, "square, log"),
        ({"l2": -1}, "l2"),
        ({"n_threads": 0}, "threads"),
        ({"engine": "magic"}, "auto"),
        ({"dtype": "float16"}, "float32 or float64"),
        ({"random_state": -1}, "seed"),
    ],
)
def test_a_wrong_setting_is_told(blobs, wrong, sentence):
    """Each has a sentence of its own."""
    with pytest.raises(SettingError, match=sentence):
        fit_model(*blobs, **wrong)


@pytest.mark.parametrize(
    ("X", "y", "more", "sentence"),
    [
        (np.ones((3, 2)), [1, 1, 1], {}, "two classes"),
        (np.ones((3, 2)), [0, 1], {}, "one label"),
        (np.ones(3), [0, 1, 1], {}, "rows"),
        (np.ones((0, 2)), [], {}, "at least one"),
        (np.full((3, 2), np.nan), [0, 1, 1], {}, "not finite"),
        (np.full((3, 2), -np.inf), [0, 1, 1], {}, "not finite"),
        (np.array([["a"], ["b"]]), [0, 1], {}, "not finite numbers"),
        (np.ones((3, 2)), [0.5, 1, 1], {}, "whole numbers or text"),
        (np.ones((3, 2)), [0, 1, 1], {"input_shape": (3, 3)}, "true shape"),
        (np.ones((3, 4)), [0, 1, 1], {"input_shape": (-2, -2)}, "dimensions"),
        (np.ones((3, 4)), [0, 1, 1], {"input_shape": (1,) * 8 + (4,)}, "dimensions"),
        (np.full((3, 2), 1e300), [0, 1, 1], {}, "do not fit into float32"),
        (np.ones((3, 2)), ["a", "\ud800", "a"], {}, "surrogate"),
        (np.ones((3, 2)), [0, 1, 1], {"X_test": np.ones((1, 5)), "y_test": [0]}, "width"),
        (np.ones((3, 2)), [0, 1, 1], {"X_test": np.ones((1, 2)), "y_test": [7]}, "label 7"),
    ],
)
def test_wrong_samples_are_told(X, y, more, sentence):
    """Each has a sentence of its own."""
    with pytest.raises(DataError, match=sentence):
        fit_model(X, y, **more)


def test_a_learning_rate_chooses_gradient_descent(blobs):
    """Without one L-BFGS finds its own steps; a named solver is taken."""
    for settings, solver in (({}, "lbfgs"), ({"learning_rate": 0.5}, "gd"), ({"solver": "adam"}, "adam")):
        model, _ = fit_model(*blobs, max_iter=1, **settings)
        assert model.settings["solver"] == solver


def test_models_side_by_side_are_those_alone(blobs):
    """Seeds, sizes, rates and solvers may differ; the order is kept."""
    X, y = blobs
    variants = [{"random_state": 3}, {"n_hidden": 4, "learning_rate": 2.0}, {"solver": "adam", "batch_size": 30}, {}]

    for variant, (model, result) in zip(
        variants, fit_models(X, y, variants, max_iter=15, X_test=X[:9], y_test=y[:9], dtype="float64"), strict=True
    ):
        alone, alone_result = fit_model(X, y, max_iter=15, X_test=X[:9], y_test=y[:9], dtype="float64", **variant)
        assert model.settings == alone.settings
        assert (result.n_iter, result.test_correct) == (alone_result.n_iter, alone_result.test_correct)
        for name, value in alone.parameters.items():
            np.testing.assert_allclose(model.parameters[name], value, rtol=1e-6, atol=1e-9)


def test_what_networks_side_by_side_share_is_told(blobs):
    """The penalty belongs to the cost, which is one for all."""
    with pytest.raises(SettingError, match="cannot have a l2 of its own"):
        fit_models(*blobs, [{"l2": 1.0}])


def test_sample_weights_count(blobs):
    """A class whose samples weigh nothing is not learned."""
    X, y = blobs
    model, _ = fit_model(X, y, sample_weight=(y != "ash").astype(float))

    assert "ash" not in model.predict(X)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_defaults_are_right_on_the_digits(seed):
    """At most 2 of the 2,115 test digits are wrong, with every one of ten seeds, in a few steps."""
    from twolayer import load_mnist

    X, y, X_test, y_test = load_mnist((0, 1))
    _, result = fit_model(X, y, X_test=X_test, y_test=y_test, scale=255.0, random_state=seed)

    assert result.n_test - result.test_correct <= 2


def test_a_training_starts_where_it_is_told(blobs, start):
    """At the parameters given, which stay as they are, in the type of the computation."""
    before = {name: value.copy() for name, value in start.items()}
    objective = make_objective(blobs[0].T, encode_labels(blobs[1], ("ash", "birch", "cedar"), "float64"))

    _, result = fit_model(*blobs, n_hidden=3, start=start, max_iter=2, dtype="float64")
    narrow, _ = fit_model(*blobs, n_hidden=3, start=start, max_iter=2, dtype="float32")

    assert result.history[0].cost == objective.measure(start).cost
    assert_same_bits(before, start)
    assert narrow.parameters["W1"].dtype == np.float32


def test_without_a_start_it_is_the_blackboards():
    """`initialize_parameters` with the seed, rounded to the type."""
    drawn = initialize_parameters(4, 3, 2, np.random.default_rng(5))

    for dtype in ("float32", "float64"):
        assert_same_bits({n: v.astype(dtype) for n, v in drawn.items()}, start_parameters(4, 3, 2, dtype, 5))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda _: 3, "a dict of W1, b1, W2 and b2"),
        (lambda start: {"W1": start["W1"]}, "a dict of W1, b1, W2 and b2"),
        (lambda start: start | {"b1": np.ones(3)}, r"b1 must hold finite .* the shape \(3, 1\); got the shape \(3,\)"),
        (lambda start: start | {"W2": np.full((3, 3), np.nan)}, "W2 must hold finite numbers"),
        (lambda start: start | {"W1": "many"}, "W1 is none"),
        (lambda start: start | {"W1": [[1, 2], [3]]}, "W1 is none"),
    ],
)
def test_a_wrong_start_is_told(blobs, start, wrong, sentence):
    """What is missing, of another shape, or no finite number."""
    with pytest.raises(SettingError, match=sentence):
        fit_model(*blobs, n_hidden=3, start=wrong(start), max_iter=1)


def test_classes_can_be_named_in_an_order_of_ones_own(blobs):
    """Of two the second is the positive one; a class without samples has an output as well."""
    X, y = blobs[0], np.where(blobs[1] == "ash", "no", "yes")
    upside_down, _ = fit_model(X, y, classes=("yes", "no"), max_iter=50)
    more, _ = fit_model(X, y, classes=("maybe", "no", "yes"), max_iter=50)

    assert upside_down.classes == ("yes", "no")
    assert (upside_down.predict(X) == y).mean() > 0.95
    np.testing.assert_array_equal(upside_down.decision_function(X) > 0, upside_down.predict(X) == "no")
    assert more.parameters["W2"].shape[0] == 3
    assert (more.predict(X) == y).mean() > 0.95
    with pytest.raises(DataError, match="label no that the network does not know"):
        fit_model(X, y, classes=("maybe", "yes"))


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=40).map(np.array),
    st.one_of(st.none(), st.integers(0, 2**32 - 1)),
)
def test_balanced_is_scikit_learns(y, seed):
    """The weights of the classes are those of `compute_class_weight`; a sample of weight 3 counts as three samples."""
    classes = np.unique(y)
    own = None if seed is None else np.random.default_rng(seed).integers(1, 5, len(y))

    weight = weigh_classes(y, classes, "balanced", own)

    theirs = compute_class_weight("balanced", classes=classes, y=y if own is None else y.repeat(own))
    np.testing.assert_allclose(weight, theirs[np.searchsorted(classes, y)] * (1 if own is None else own), rtol=1e-12)
    totals = [weight[y == label].sum() for label in classes]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-12)


def test_classes_count_as_much_as_they_are_told():
    """A class that is not named counts 1, one that is named but has no samples does no harm."""
    y = np.array(["a", "b", "b", "c"])

    np.testing.assert_array_equal(weigh_classes(y, list("abc"), {"a": 3, "b": 0}), [3, 0, 0, 1])
    np.testing.assert_array_equal(weigh_classes(y, list("abc"), {"a": 3}, [1, 2, 3, 4]), [3, 2, 3, 4])
    np.testing.assert_array_equal(weigh_classes(y, list("abc"), dict.fromkeys("abcd", 2)), [2, 2, 2, 2])
    np.testing.assert_array_equal(weigh_classes(y, list("abcd"), "balanced"), [1, 0.5, 0.5, 1])
    assert weigh_classes(y, list("abc"), None) is None
    np.testing.assert_array_equal(weigh_classes(y, list("abc"), None, [1, 2, 3, 4]), [1, 2, 3, 4])


def test_weights_given_are_left_as_they_are():
    """The factors of the classes are put into a copy."""
    own = np.array([1.0, 2.0])
    weigh_classes(np.array([0, 1]), [0, 1], {0: 5}, own)

    np.testing.assert_array_equal(own, [1, 2])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("heavy", "'balanced' or a number for each class; got 'heavy'"),
        ([1, 2, 3], "'balanced' or a number"),
        ({"oak": 1}, "'oak', which is no class: name 'ash' and the others"),
        ({"ash": -1}, "at least 0"),
        ({"ash": float("nan")}, "at least 0"),
        ({"ash": "much"}, "a class weight must be a number"),
        (dict.fromkeys(("ash", "birch", "cedar"), 0), "not all weights zero"),
    ],
)
def test_wrong_class_weights_are_told(blobs, wrong, sentence):
    """A class that is none, a number that is none, nothing that counts."""
    with pytest.raises((SettingError, DataError), match=sentence):
        fit_model(*blobs, class_weight=wrong)


def test_class_weights_are_weights_of_their_samples(blobs):
    """Bit by bit the same training."""
    X, y = blobs
    by_class, _ = fit_model(X, y, class_weight={"ash": 3, "birch": 0.5}, max_iter=5)
    by_sample, _ = fit_model(X, y, sample_weight=np.select([y == "ash", y == "birch"], [3, 0.5], 1), max_iter=5)

    assert_same_bits(by_class.parameters, by_sample.parameters)


@pytest.mark.parametrize("solver", ["lbfgs", "gd", "momentum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_in_blocks_train_the_same_network(blobs, monkeypatch, solver, dtype):
    """As the array does, to rounding, with test samples of either kind; so does an array that is to be streamed."""
    X, y = blobs[0].astype(np.float32), blobs[1]
    settings = {"solver": solver, "max_iter": 4, "tol": 0, "dtype": dtype, "X_test": X[:20], "y_test": y[:20]}
    monkeypatch.setattr("twolayer.engines.objective.STREAM_VALUES", 50)

    whole, expected = fit_model(X, y, **settings)
    in_blocks, result = fit_model(ArrayRows(X, 13), y, **settings)
    streamed, again = fit_model(X, y, engine="streamed", **{**settings, "X_test": ArrayRows(X[:20], 6)})

    assert "7 blocks" in result.engine
    assert "4 blocks" in again.engine
    rtol = 1e-3 if dtype == "float32" else 1e-8
    for model, got in ((in_blocks, result), (streamed, again)):
        assert got.test_correct == expected.test_correct
        assert [e.cost for e in got.history] == pytest.approx([e.cost for e in expected.history], rel=rtol)
        for name, value in whole.parameters.items():
            np.testing.assert_allclose(model.parameters[name], value, rtol=rtol, atol=rtol)


def test_adam_takes_its_mini_batches_block_by_block(blobs):
    """It learns from all samples, with the same bits each time."""
    X, y = blobs
    settings = {"solver": "adam", "batch_size": 10, "max_iter": 30, "dtype": "float64"}
    first, result = fit_model(ArrayRows(X, 40), y, **settings)
    again, _ = fit_model(ArrayRows(X, 40), y, **settings)

    assert result.train_correct > 85
    assert_same_bits(first.parameters, again.parameters)


def test_samples_kept_apart_are_judged_without_the_penalty(blobs):
    """Their cost is the mean loss by their own weights, and the score is their share of right predictions."""
    X, y = blobs
    weight = np.linspace(0, 1, 30)
    kept = ValidationSet(X[:30], y[:30], weight)
    seen = []

    model, result = fit_model(
        X[30:], y[30:], validation=kept, l2=0.5, max_iter=4, tol=0, dtype="float64", on_parameters=seen.append
    )

    Y = encode_labels(y[:30], model.classes, "float64")
    by_hand = [make_objective(X[:30].T, Y, sample_weight=weight).measure(parameters) for parameters in seen]
    assert [e.validation_cost for e in result.history] == pytest.approx([m.cost for m in by_hand], rel=1e-12)
    assert [e.validation_score for e in result.history] == [m.correct / 30 for m in by_hand]
    assert result.validation_score == (model.predict(X[:30]) == y[:30]).mean()


def test_the_parameters_with_the_best_score_come_back(blobs):
    """Where there is patience, and it comes to an end."""
    X, y = blobs
    scores = iter([0.1, 0.5, 0.2, 0.5, 0.5, 0.5, 1.0])
    seen = []
    kept = ValidationSet(X[:9], y[:9], score=lambda _: next(scores), patience=3)

    model, result = fit_model(X, y, validation=kept, max_iter=50, on_parameters=seen.append)

    assert (result.status, result.n_iter, len(result.history)) == (Status.STOPPED_EARLY, 1, 5)
    assert result.validation_score == 0.5
    assert_same_bits(model.parameters, seen[1])
    assert (model.settings["status"], model.settings["n_iter"]) == ("stopped early", 1)


@pytest.mark.parametrize(
    ("X_val", "y_val", "sentence"),
    [
        (np.ones((2, 3)), ["ash", "ash"], "width"),
        (np.full((2, 2), np.nan), ["ash", "ash"], "not finite"),
        (np.ones((2, 2)), ["ash", "oak"], "label oak"),
        (np.ones((2, 2)), ["ash"], "one label"),
    ],
)
def test_wrong_samples_to_validate_on_are_told(blobs, X_val, y_val, sentence):
    """As the training samples are."""
    with pytest.raises(DataError, match=sentence):
        fit_model(*blobs, validation=ValidationSet(X_val, np.array(y_val)))


@pytest.mark.parametrize("engine", ["whole", "auto"])
def test_sparse_samples_train_the_same_network(blobs, engine):
    """A CSR matrix of the same numbers, also to test on."""
    X, y = np.where(blobs[0] > 3, blobs[0], 0), blobs[1]
    settings = {"max_iter": 4, "tol": 0, "dtype": "float64", "engine": engine, "y_test": y[:9]}

    dense, expected = fit_model(X, y, X_test=X[:9], **settings)
    model, result = fit_model(sparse.csr_array(X), y, X_test=sparse.csr_array(X[:9]), **settings)

    assert result.test_correct == expected.test_correct
    for name, value in dense.parameters.items():
        np.testing.assert_allclose(model.parameters[name], value, rtol=1e-9, atol=1e-12)
