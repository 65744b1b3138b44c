"""A model takes rows of samples and gives classes."""

from dataclasses import replace

import numpy as np
import pytest

from twolayer.data.rows import ArrayRows, SomeRows
from twolayer.data.table_encoding import NumberColumn, TableEncoding
from twolayer.equations import forward_propagation
from twolayer.errors import DataError, SettingError
from twolayer.files.model_file import from_bytes, to_bytes
from twolayer.fitting import fit_model
from twolayer.model import Model, encode_labels


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


def test_rows_read_block_by_block_give_what_the_array_gives(small_model):
    """Wherever the blocks end, and also where no rows were chosen."""
    X = np.random.default_rng(0).integers(0, 256, (50, 6)).astype(np.uint8)
    rows = ArrayRows(X, 7)

    np.testing.assert_allclose(small_model.outputs(X), small_model.outputs(rows), rtol=1e-6)
    np.testing.assert_array_equal(small_model.predict(X), small_model.predict(rows))
    assert small_model.outputs(SomeRows(rows, np.arange(0))).shape == (0, 1)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logits_and_hidden_units_are_those_of_the_blackboard(blobs, n_classes):
    """`decision_function` is Z2, flat with one output, and `transform` is A1, a row a sample."""
    X, y = blobs[0], np.minimum(np.arange(90) % 3, n_classes - 1)
    model, _ = fit_model(X, y, n_hidden=4, max_iter=3, activation="tanh", dtype="float64")
    _, cache = forward_propagation(X.T, model.parameters, "tanh")

    np.testing.assert_allclose(model.transform(X), cache["A1"].T, rtol=1e-12)
    np.testing.assert_allclose(model.decision_function(X), cache["Z2"][0] if n_classes == 2 else cache["Z2"].T)
    assert model.decision_function(X).shape == ((90,) if n_classes == 2 else (90, 3))


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


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_a_model_predicts_with_the_activation_it_was_trained_with(blobs, activation):
    """Right predictions counted in training are those of the model, which a file keeps."""
    X, y = blobs
    model, result = fit_model(X, y, activation=activation, loss="log", n_hidden=6, dtype="float64")
    again = from_bytes(to_bytes(model))

    assert result.train_correct == (again.predict(X) == y).sum() > 80
    assert again.activation == model.settings["activation"] == activation


def test_a_model_in_float64_takes_tables_in_float64():
    """A number that float32 has not makes a difference."""
    parameters = {"W1": np.full((1, 1), 1.0), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)), "b2": np.zeros((1, 1))}
    table = TableEncoding("y", (NumberColumn("x", 0.0, 1.0),))
    model = Model(parameters, (0, 1), (1,), table=table)

    one, other = model.outputs({"x": [1.0, 1.0 + 1e-12]})[:, 0]

    assert one < other


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"activation": "logistic"}, "no activation 'logistic': choose one of sigmoid, tanh, relu"),
        ({"input_shape": (7,)}, r"needs a W1 of the shape \(3, 7\), not \(3, 6\)"),
        ({"classes": (0, 1, 2)}, r"3 classes .* needs a W2 of the shape \(3, 3\), not \(1, 3\)"),
        ({"parameters": {}}, "W1, b1, W2 and b2"),
    ],
)
def test_what_does_not_belong_together_is_no_model(small_model, changes, sentence):
    """It is told when the model is made, not when it is used or read again."""
    with pytest.raises((DataError, SettingError), match=sentence):
        replace(small_model, **changes)
