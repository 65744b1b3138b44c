"""A model takes rows of samples and gives classes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from strategies import normal
from twolayer.data.encoding import CategoryColumn, Encoding, NumberColumn, UnusedColumn, fit_encoding
from twolayer.data.rows import ArrayRows, MemoryRows, SomeRows
from twolayer.equations import ACTIVATIONS, find_loss, forward_propagation
from twolayer.errors import DataError, SettingError
from twolayer.fit import fit_model
from twolayer.model import Model
from twolayer.parameters import Sizes

BYTES = np.random.default_rng(0).integers(0, 256, (10_000, 6)).astype(np.uint8)


@pytest.fixture
def blobs():
    """Return three groups of points in the plane and their names."""
    random = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = random.standard_normal((90, 2)) + 6 * np.array([[0, 0], [0, 1], [1, 0]])[y]
    return X, np.array(["ash", "birch", "cedar"])[y]


def test_rows_become_the_columns_of_the_blackboard(small_model):
    """Outputs are A2 of the scaled, transposed samples."""
    A2, _ = forward_propagation(BYTES[:9].T.astype(np.float32) / np.float32(255), small_model.parameters)

    np.testing.assert_array_equal(A2.T, small_model.outputs(BYTES[:9]))
    np.testing.assert_array_equal((A2[0] > 0.5).astype(int), small_model.predict(BYTES[:9]))


def test_many_rows_give_what_few_give(small_model):
    """Samples are taken in blocks; where a block ends makes no difference but rounding, and no rows are no outputs."""
    rows, outputs = ArrayRows(BYTES[:50], 7), small_model.outputs(BYTES)

    parts = np.vstack([small_model.outputs(BYTES[:5000]), small_model.outputs(BYTES[5000:])])
    np.testing.assert_allclose(parts, outputs, rtol=1e-6)
    np.testing.assert_allclose(small_model.outputs(rows), outputs[:50], rtol=1e-6)
    np.testing.assert_allclose(small_model.outputs(sparse.csr_array(BYTES[:50])), outputs[:50], rtol=1e-6)
    np.testing.assert_array_equal(small_model.predict(rows), small_model.predict(BYTES[:50]))
    for none in (BYTES[:0], SomeRows(rows, np.arange(0))):
        assert small_model.outputs(none).shape == (0, 1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["square", "log"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_model_is_the_network_that_was_trained(blobs, activation, loss, n_classes):
    """Right predictions counted in training are its own; Z2, A1 and A2 are the blackboard's, a row a sample."""
    X, y = blobs[0][np.arange(90) % 3 < n_classes], blobs[1][np.arange(90) % 3 < n_classes]
    model, result = fit_model(
        X, y, recipe="none", activation=activation, loss=loss, n_hidden=4, max_iter=30, dtype="float64"
    )
    output = find_loss(loss, 1 if n_classes == 2 else 3).output
    _, cache = forward_propagation(X.T, model.parameters, activation, output)

    assert (model.classes, model.output) == (("ash", "birch", "cedar")[:n_classes], output)
    assert model.activation == model.settings["activation"] == activation
    assert result.train_correct == (model.predict(X) == y).sum() > 0.8 * len(y)
    np.testing.assert_allclose(model.transform(X), cache["A1"].T, rtol=1e-12)
    np.testing.assert_allclose(
        model.decision_function(X), cache["Z2"][0] if n_classes == 2 else cache["Z2"].T, rtol=1e-12
    )
    np.testing.assert_allclose(model.outputs(X), cache["A2"].T, rtol=1e-12)


@pytest.mark.parametrize("loss", ["square", "log"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_sum_to_one_and_are_largest_for_the_prediction(blobs, loss, n_classes):
    """One output gives 1 - A2 and A2, softmax A2 itself, and sigmoids what they are of their sum."""
    X, y = blobs[0][np.arange(90) % 3 < n_classes], blobs[1][np.arange(90) % 3 < n_classes]
    model, _ = fit_model(X, y, recipe="none", loss=loss, n_hidden=4, max_iter=30, dtype="float64")
    A2 = model.outputs(X)

    probabilities = model.predict_proba(X)

    assert probabilities.shape == (len(X), n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(np.array(model.classes)[probabilities.argmax(axis=1)], model.predict(X))
    expected = np.hstack([1 - A2, A2]) if n_classes == 2 else A2 if loss == "log" else A2 / A2.sum(axis=1)[:, None]
    np.testing.assert_array_equal(probabilities, expected)


def test_probabilities_of_outputs_that_all_round_to_zero_are_equal():
    """No division by zero."""
    zeros = normal(Sizes(1, 1, 3), np.random.default_rng(0), "float32")
    far = zeros.moved_to(np.array([0] * 5 + [-500] * 3))

    for output in ("sigmoid", "softmax"):
        probabilities = Model(far, (0, 1, 2), (1,), output=output).predict_proba(np.ones((2, 1)))
        np.testing.assert_allclose(probabilities, 1 / 3, rtol=1e-6)


@pytest.mark.parametrize(
    "X", [np.ones((2, 5)), np.ones(6), np.full((2, 6), np.nan), np.full((1, 6), 1 + 1j), [["a"] * 6]]
)
def test_wrong_samples_to_predict_are_refused(small_model, X):
    """Another width, another shape, values that are not finite numbers."""
    with pytest.raises(DataError):
        small_model.predict(X)


def test_data_stored_in_another_way_is_refused(small_model):
    """A model of bytes does not take values that are fractions already."""
    small_model.check_scale(255.0, "it")
    with pytest.raises(DataError, match="divided by 255, but those of it by 1: use data stored in the same way"):
        small_model.check_scale(1.0, "it")


def test_labels_that_the_network_does_not_know_are_refused(small_model):
    """By the first of them."""
    y = np.array([0, 1, 1])

    assert small_model.check_labels(y, "it") is y
    with pytest.raises(DataError, match=r"it has a label 7 that is not a class of the model \(0, 1\)"):
        small_model.check_labels(np.array([0, 7, 8]), "it")


def test_a_model_in_float64_takes_tables_in_float64():
    """A number that float32 has not makes a difference."""
    network = normal(Sizes(1, 1, 1), np.random.default_rng(0))
    model = Model(network, (0, 1), (1,), encoding=Encoding("y", (NumberColumn("x", 0.0, 1.0),)))

    one, other = model.outputs({"x": [1.0, 1.0 + 1e-12]})[:, 0]

    assert one != other


@pytest.fixture(scope="module")
def encoded_model():
    """Return a network behind the encoding of arrays of 2 x 3 numbers, and such arrays, with missing ones."""
    random = np.random.default_rng(0)
    X = np.exp(random.standard_normal((5000, 6)))
    X[:, 2], X[::7, 4] = 3.0, np.nan
    encoding = fit_encoding(X, "quantile")
    network = normal(Sizes(encoding.n_values, 4, 3), random, "float32")
    return Model(network, (0, 1, 2), (2, 3), encoding=encoding, output="softmax"), X


def test_a_model_with_an_encoding_takes_raw_rows(encoded_model):
    """It gives what its network gives of the encoded ones, whatever holds them and in whatever blocks."""
    model, X = encoded_model
    values = model.encoding.encode_rows(X, np.float32)
    network = replace(model, encoding=None, input_shape=(model.n_inputs,))

    assert (model.n_features, model.n_inputs, model.table) == (6, 11, None)
    for method in ("outputs", "predict", "predict_proba", "decision_function", "transform"):
        expected = getattr(network, method)(values)
        np.testing.assert_array_equal(getattr(model, method)(X), expected)
    for rows in (X.tolist(), sparse.csr_array(X), np.asfortranarray(X), SomeRows(MemoryRows(X), np.arange(5000))):
        np.testing.assert_allclose(model.predict_proba(rows), network.predict_proba(values), rtol=1e-5)
    whole = np.floor(np.nan_to_num(X[:100]))
    np.testing.assert_allclose(model.outputs(ArrayRows(whole, 7)), model.outputs(whole), rtol=1e-5)
    np.testing.assert_array_equal(model.outputs(whole.astype(np.uint8)), model.outputs(whole))
    assert model.outputs(X[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (np.ones((2, 11)), r"takes rows of 6 values \(2 x 3\); these have 11 values"),
        (np.ones(6), r"these have the shape \(6,\)"),
        (np.full((1, 6), np.inf), "not finite numbers"),
        (np.full((1, 6), 1 + 1j), "not finite numbers"),
        ([["a"] * 6], "not finite numbers"),
    ],
)
def test_wrong_raw_rows_are_refused(encoded_model, X, sentence):
    """Another width, another shape, infinite numbers and what is none."""
    with pytest.raises(DataError, match=sentence):
        encoded_model[0].predict(X)


NUMBER, CATEGORY = NumberColumn("a", 0.0, 1.0), CategoryColumn("b", ("x",))
ENCODINGS = {
    "of another width": ({"encoding": Encoding(None, (NUMBER,) * 5)}, "must make values of samples of its input_shape"),
    "of a table in a shape": ({"encoding": Encoding("y", (NUMBER,) * 6)}, "samples of its input_shape"),
    "with a scale": ({"encoding": Encoding(None, (NUMBER,) * 6), "scale": 255.0}, "of scale 1"),
    "of nothing": ({"encoding": Encoding(None, (UnusedColumn("a"),) * 6)}, "must make values"),
    "of categories": ({"encoding": Encoding(None, (*[NUMBER] * 5, CATEGORY))}, "columns of an array must be numbers"),
    "of dates": ({"encoding": Encoding(None, (replace(NUMBER, part="age"),) * 6)}, "of an array must be numbers"),
    "of an unused column": (
        {"encoding": Encoding("y", (*[NUMBER] * 6, UnusedColumn("c"))), "input_shape": (6,)},
        "columns of a table must be numbers and categories",
    ),
}


@pytest.mark.parametrize("kind", ENCODINGS)
def test_an_encoding_that_does_not_belong_to_the_network_is_refused(small_model, kind):
    """When the model is made."""
    changes, sentence = ENCODINGS[kind]

    with pytest.raises(DataError, match=sentence):
        replace(small_model, **{"scale": 1.0, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"activation": "logistic"}, "`activation` must be one of sigmoid, tanh, relu; got 'logistic'"),
        ({"output": "linear"}, "sigmoid, or softmax for more than two classes; got 'linear'"),
        ({"output": "softmax"}, "sigmoid, or softmax for more than two classes; got 'softmax'"),
        ({"input_shape": (7,)}, r"needs W1 of the shape \(3, 7\), not \(3, 6\)"),
        ({"classes": (0, 1, 2)}, r"3 classes .* needs W2 of the shape \(3, 3\), not \(1, 3\)"),
        ({"parameters": {}}, "W1, b1, W2 and b2"),
    ],
)
def test_what_does_not_belong_together_is_no_model(small_model, changes, sentence):
    """It is refused when the model is made, not when it is used or read again."""
    with pytest.raises((DataError, SettingError), match=sentence):
        replace(small_model, **changes)
