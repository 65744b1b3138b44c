"""A model takes rows of samples and gives classes; fitting one checks what it is given."""

import numpy as np
import pytest

from twolayer.equations import forward_propagation
from twolayer.errors import DataError, SettingError
from twolayer.files.model_file import from_bytes, to_bytes
from twolayer.model import Model, encode_labels, fit_model, fit_models
from twolayer.training import Status


@pytest.fixture
def blobs():
    """Return three groups of points in the plane and their names."""
    random = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = random.standard_normal((90, 2)) + 6 * np.array([[0, 0], [0, 1], [1, 0]])[y]
    return X, np.array(["ash", "birch", "cedar"])[y]


def test_rows_become_the_columns_of_the_blackboard(small_model):
    """Outputs are A2 of the scaled, transposed samples."""
    X = np.random.default_rng(0).integers(0, 256, (9, 6)).astype(np.uint8)

    A2, _ = forward_propagation(X.T.astype(np.float32) / np.float32(255), small_model.parameters)

    np.testing.assert_array_equal(A2.T, small_model.outputs(X))
    np.testing.assert_array_equal((A2[0] > 0.5).astype(int), small_model.predict(X))


def test_many_rows_give_what_few_give(small_model):
    """Samples are taken in blocks; where a block ends makes no difference but rounding."""
    X = np.random.default_rng(0).integers(0, 256, (10_000, 6))

    np.testing.assert_allclose(
        np.vstack([small_model.outputs(X[:5000]), small_model.outputs(X[5000:])]), small_model.outputs(X), rtol=1e-6
    )
    assert small_model.outputs(X[:0]).shape == (0, 1)


def test_several_classes_have_an_output_each(blobs):
    """Text labels, one output a class, shares that sum to 1 and are largest for the prediction."""
    X, y = blobs
    model, result = fit_model(X, y, n_hidden=8, max_iter=300, learning_rate=1.0, dtype="float64")

    assert model.classes == ("ash", "birch", "cedar")
    assert result.train_correct == (model.predict(X) == y).sum() > 80
    shares = model.predict_proba(X)
    np.testing.assert_allclose(1.0, shares.sum(axis=1))
    np.testing.assert_array_equal(np.array(model.classes)[shares.argmax(axis=1)], model.predict(X))


def test_shares_of_outputs_that_all_round_to_zero_are_equal():
    """No division by zero."""
    parameters = {
        "W1": np.zeros((1, 1), np.float32),
        "b1": np.zeros((1, 1), np.float32),
        "W2": np.zeros((3, 1), np.float32),
        "b2": np.full((3, 1), -500, np.float32),
    }

    np.testing.assert_allclose(1 / 3, Model(parameters, (0, 1, 2), (1,)).predict_proba(np.ones((2, 1))), rtol=1e-6)


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


@pytest.mark.parametrize("X", [np.ones((2, 5)), np.ones(6), np.full((2, 6), np.nan), np.full((1, 6), 1 + 1j)])
def test_wrong_samples_to_predict_are_told(small_model, X):
    """Another width, another shape, values that are no finite numbers."""
    with pytest.raises(DataError):
        small_model.predict(X)


def test_data_stored_in_another_way_is_told(small_model):
    """A model of bytes does not take values that are shares already."""
    small_model.check_scale(255.0, "it")
    with pytest.raises(DataError, match="divided by 255"):
        small_model.check_scale(1.0, "it")


def test_labels_become_targets():
    """Two classes share one row, the second is 1; more have a row each."""
    np.testing.assert_array_equal([[0, 1, 1]], encode_labels(np.array([4, 9, 9]), (4, 9), "float32"))
    np.testing.assert_array_equal(np.eye(3), encode_labels(np.array(list("abc")), ("a", "b", "c"), "float64"))


def test_a_learning_rate_chooses_gradient_descent(blobs):
    """Without one L-BFGS finds its own steps; a named solver is taken."""
    for settings, solver in (({}, "lbfgs"), ({"learning_rate": 0.5}, "gd"), ({"solver": "adam"}, "adam")):
        model, _ = fit_model(*blobs, max_iter=1, **settings)
        assert model.settings["solver"] == solver


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_a_model_predicts_with_the_activation_it_was_trained_with(blobs, activation):
    """Right predictions counted in training are those of the model, which a file keeps."""
    X, y = blobs
    model, result = fit_model(X, y, activation=activation, loss="log", n_hidden=6, dtype="float64")
    again = from_bytes(to_bytes(model))

    assert result.train_correct == (again.predict(X) == y).sum() > 80
    assert again.activation == model.settings["activation"] == activation


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
