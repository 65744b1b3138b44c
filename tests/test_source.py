"""Whatever language a model is exported to, its code says what the model says."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import twolayer
from tests.sources import (
    HOSTILE,
    LANGUAGES,
    PLAIN_MODELS,
    TABLE_MODELS,
    check,
    make_model,
    make_rows,
    make_table_model,
)
from twolayer.data.table_encoding import CategoryColumn, NumberColumn
from twolayer.files.source import TARGETS, export_model
from twolayer.fitting import fit_model

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
    model, _ = fit_model(X, y, scale=255.0, input_shape=(28, 28))
    return model, X_test[::2][:1000].tolist()


@each_language
def test_a_thousand_digits_get_the_models_shares(language, digits, tmp_path):
    """Of a trained network in float32, within 1e-6, and with the same class."""
    model, rows = digits

    check(model, rows, LANGUAGES[language](model, rows, tmp_path))


@each_language
def test_a_thousand_rows_of_a_table_get_the_models_shares(language, tmp_path):
    """With numbers, levels, unknown and missing ones; DuckDB reads them for the model."""
    model = make_table_model(1, COLUMNS, 4, ["a", "b", "c"], activation="tanh")
    rows = make_rows(model, 1000)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path))


@each_language
@FEW
@given(model=st.one_of(PLAIN_MODELS, TABLE_MODELS), seed=st.integers(0, 99))
def test_any_model_is_exported_truly(language, model, seed, tmp_path):
    """Both types, each activation, two or more classes, whole numbers or texts, weights up to 1e30."""
    rows = make_rows(model, 20, seed)

    check(model, rows, LANGUAGES[language](model, rows, tmp_path))


@each_language
def test_no_text_of_a_model_becomes_code(language, tmp_path):
    """Names of columns, levels and classes that try to break out stay texts, and are found again."""
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
    assert language == "python" or name.isalpha() or "break" in source


@each_language
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_weights_beyond_the_range_of_the_exponential_give_shares(language, activation, tmp_path):
    """Each is between 0 and 1 and none is NaN where the sums are 1e33."""
    model = make_model(3, 3, 2, (0, 1, 2), weight=1e30, scale=1e-3, activation=activation)
    rows = make_rows(model, 50)

    answer = LANGUAGES[language](model, rows, tmp_path)

    assert np.isfinite([shares for shares, _ in answer]).all()
    check(model, rows, answer)


@each_language
def test_equal_models_give_equal_files(language, small_model):
    """The samples that a file carries are made of the model alone."""
    assert export_model(small_model, language, "net") == export_model(small_model, language, "net")


@each_language
def test_a_file_says_what_it_is(language, small_model):
    """Version, sizes, activation and classes stand at its top."""
    top = export_model(small_model, language, "net").decode()[:600]

    assert f"written by twolayer {twolayer.__version__}" in top
    assert "6 numbers (2 x 3), each divided by 255" in top
    assert "6 inputs, 3 hidden units (sigmoid), 1 output; parameters in float32" in top
    assert "2 classes: 0, 1" in top


def test_each_target_has_an_ending_of_its_own():
    """No two targets write the same file."""
    assert len({target.ending for target in TARGETS.values()}) == len(TARGETS)
