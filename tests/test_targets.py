"""Whatever language a model is exported to, its code predicts what the model predicts."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import twolayer
from tests.exports import (
    HOSTILE,
    LANGUAGES,
    MODELS,
    check,
    make_model,
    make_rows,
    make_table_model,
)
from twolayer.data.encoding import DATE_PARTS, CategoryColumn, NumberColumn, fit_encoding
from twolayer.equations import ACTIVATIONS
from twolayer.errors import DataError
from twolayer.export.targets import TARGETS, export_model
from twolayer.model import Model

FEW = settings(
    max_examples=settings.default.max_examples // 8, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
each_language = pytest.mark.parametrize("language", list(LANGUAGES))
COLUMNS = (
    NumberColumn("age", 40.5, 10.0, flagged=True),
    CategoryColumn("tree", ("ash", "fir", "*/"), rare=True, flagged=True),
    NumberColumn("height", 1e6, 1e-2),
    CategoryColumn("fresh", ("true", "false")),
    CategoryColumn("only rare", (), rare=True),
)


@pytest.fixture(scope="module")
def digits():
    """Return a network trained on the digits 0 and 1, and test digits."""
    X, y, X_test, _ = twolayer.load_mnist((0, 1))
    model, _ = twolayer.fit_model(X, y, n_hidden=32, scale=255.0, input_shape=(28, 28))
    return model, X_test[::2][:1000].tolist()


@each_language
def test_a_thousand_digits_get_the_models_probabilities(language, digits, tmp_path):
    """Of a trained network in float32, within 1e-6, and with the same class."""
    model, rows = digits

    check(model, rows, LANGUAGES[language](model, rows, tmp_path))


@each_language
@pytest.mark.parametrize(("output", "tolerance"), [("sigmoid", 2.3e-16), ("softmax", 4.5e-16)])
def test_a_thousand_rows_of_a_table_get_the_models_probabilities(language, output, tolerance, tmp_path):
    """To the last digits of float64: numbers, levels, unknown and missing ones, which DuckDB reads for the model."""
    model = make_table_model(1, COLUMNS, 4, ["a", "b", "c"], activation="tanh", output=output)
    rows = make_rows(model, 1000)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path), tolerance)


@each_language
@pytest.mark.parametrize("scaling", ["clip", "quantile", "bins"])
def test_a_thousand_rows_of_an_array_get_the_models_probabilities(language, scaling, tmp_path):
    """To the last digits of float64, of a network of many units: far and missing numbers, and a column not used."""
    random = np.random.default_rng(0)
    X = np.exp(random.standard_normal((3000, 7)))
    X[:, 3], X[::9, 5], X[::7, 2] = 4.0, np.nan, 1e9
    encoding = fit_encoding(X, scaling)
    model = make_model(1, encoding.n_values, 512, "abc", encoding=encoding, input_shape=(7,), weight=0.1)
    rows = np.where(np.isnan(X[:1000]), None, X[:1000]).tolist()

    check(model, rows, LANGUAGES[language](model, rows, tmp_path), 1e-14)


@each_language
def test_a_thousand_dates_get_the_models_probabilities(language, tmp_path):
    """Of the years 70 to 9891, in all parts, as DuckDB takes them for the model."""
    columns = [NumberColumn("when", 1.0, 9.0, part=part, clip=3.0) for part in DATE_PARTS]
    model = make_table_model(1, columns, 4, ["a", "b", "c"], activation="tanh")
    rows = make_rows(model, 1000)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path), 1e-15)


@each_language
@FEW
@given(model=MODELS, seed=st.integers(0, 99))
def test_any_model_is_exported_truly(language, model, seed, tmp_path):
    """Both types, each activation and output, two or more classes, whole numbers or texts, weights up to 1e30."""
    rows = make_rows(model, 20, seed)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path))


@each_language
def test_no_text_of_a_model_becomes_code(language, tmp_path):
    """Names of columns, levels and classes that try to break out stay texts, and are recognized in rows."""
    columns = [NumberColumn(f"n{text}", 1.0, 2.0, flagged=True) for text in HOSTILE]
    columns += [CategoryColumn(text, tuple(level.strip() for level in HOSTILE), rare=True) for text in HOSTILE]
    model = make_table_model(2, columns, 2, HOSTILE, weight=0.1)
    rows = make_rows(model, 30)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path))


@each_language
@pytest.mark.parametrize(
    "name", ["*/break", '"""break', "\nbreak", "</break", "'break", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_the_name_of_the_file_cannot_become_code(language, small_model, name):
    """Only its letters, digits and what is as safe as they are stand in the source."""
    source = export_model(small_model, language, name).decode("ascii")

    assert name not in source
    assert language == "python" or name.isalpha() or "break" in source[:900]


@each_language
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_weights_beyond_the_range_of_the_exponential_give_probabilities(language, activation, output, tmp_path):
    """Each is between 0 and 1 and none is NaN where the sums are 1e33."""
    model = make_model(3, 3, 2, (0, 1, 2), weight=1e30, scale=1e-3, activation=activation, output=output)
    rows = make_rows(model, 50)

    answer = LANGUAGES[language](model, rows, tmp_path)

    assert np.isfinite([probabilities for probabilities, _ in answer]).all()
    check(model, rows, answer)


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "onnx"])
def test_a_file_says_what_it_is(target, small_model):
    """Version, sizes, activation and classes stand at its top; equal models give equal files in ASCII."""
    content = export_model(small_model, target, "net")
    top = content.decode("ascii")[:600]

    assert f"written by twolayer {twolayer.__version__}" in top
    assert "6 numbers (2 x 3), each divided by 255" in top
    assert "6 inputs, 3 hidden units (sigmoid), 1 output (sigmoid); parameters in float32" in top
    assert "2 classes: 0, 1" in top
    assert export_model(small_model, target, "net") == content


@each_language
def test_a_new_activation_needs_its_record_alone(language, monkeypatch, tmp_path):
    """An expression with each of the functions that expressions may use is evaluated in every language."""
    softplus = "fmax(z, 0.0) + log1p(exp(-fmax(z, -z))) + tanh(0 * z)"
    function = dataclasses.replace(ACTIVATIONS["relu"], function=lambda z: np.logaddexp(0, z), expression=softplus)
    monkeypatch.setitem(ACTIVATIONS, "softplus", function)
    model = make_model(1, 3, 4, (0, 1, 2), activation="softplus", dtype="float64")
    rows = make_rows(model, 100)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path), tolerance=4.5e-16)


@each_language
def test_a_missing_number_is_filled_as_its_column_says(language, monkeypatch, tmp_path):
    """What stands for a missing number is what the encoding of the column makes of it."""
    plain = NumberColumn.encode

    def encode(column, numbers, out):
        plain(column, numbers, out)
        out[np.isnan(numbers), 0] = 1.25

    monkeypatch.setattr(NumberColumn, "encode", encode)
    model = make_table_model(1, COLUMNS, 4, ["a", "b"])
    rows = make_rows(model, 100)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path))


@pytest.mark.parametrize("target", list(TARGETS))
def test_outputs_that_are_not_numbers_are_reported(target):
    """A network whose sums overflow in float64 has no probabilities to export."""
    W1, W2 = np.full((2, 1), 1e308), np.array([[1.0, -1.0]])
    parameters = {"W1": W1, "b1": np.zeros((2, 1)), "W2": W2, "b2": np.ones((1, 1))}

    with pytest.raises(DataError, match="not finite numbers: train it again"):
        export_model(Model(parameters, (0, 1), (1,), activation="relu"), target, "net")


def test_each_target_has_an_ending_of_its_own():
    """No two targets write the same file."""
    assert len({target.ending for target in TARGETS.values()}) == len(TARGETS)
