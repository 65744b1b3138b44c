"""A model in float64, its features and its baselines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.networks import PEOPLE, TABLE, logits_of, model_of, table_model
from twolayer.data.encoding import Encoding, NumberColumn, UnusedColumn
from twolayer.errors import DataError, SettingError
from twolayer.explain.view import View, find_row

X = np.random.default_rng(0).standard_normal((5, 3))


@given(st.integers(0, 99), st.sampled_from(["sigmoid", "tanh", "relu"]), st.integers(1, 3))
def test_logits_are_those_of_the_model(seed, activation, n_y):
    """To rounding, in float64."""
    model = model_of(3, 4, 3 if n_y > 1 else 1, activation, seed=seed)

    np.testing.assert_allclose(View.of(model).logits(X), logits_of(model, X), rtol=1e-13, atol=1e-13)


def test_features_are_columns_pixels_or_places():
    """A table's have the names of its columns, an image's their row and column."""
    assert View.of(table_model()).names == ("age", "town")
    assert View.of(model_of(6, 1, input_shape=(2, 3))).names[:4] == ("pixel 0,0", "pixel 0,1", "pixel 0,2", "pixel 1,0")
    assert View.of(model_of(2, 1)).names == ("x0", "x1")


def test_shares_of_encoded_values_are_added_up_under_their_column():
    """Also where a column has no value at all."""
    number = NumberColumn("x1", 0.0, 1.0, flagged=True)
    view = View.of(model_of(3, 1, encoding=Encoding(None, (UnusedColumn("x0"), number, NumberColumn("x2", 0.0, 1.0)))))

    assert view.pool(np.array([[1.0, 10.0, 100.0]])).tolist() == [[0.0, 11.0, 100.0]]
    assert view.spread(np.array([1, 2, 3])).tolist() == [2, 2, 3]
    assert View.of(table_model()).pool(np.arange(5.0)).tolist() == [1.0, 9.0]


def test_values_are_described_in_words():
    """Numbers come back from their standardized and clipped values, categories by name."""
    view = View.of(table_model())
    values = view.read(PEOPLE)

    assert [view.describe(row) for row in values] == [
        ["25", "Ulm"],
        ["61", "Bern"],
        ["missing", "other"],
        ["40", "Ulm"],
    ]
    assert view.describe(values.mean(axis=0))[1] == "Ulm (50 %)"
    assert View.of(model_of(2, 1, scale=255.0)).describe(np.array([1.0, 0.2])) == ["255", "51"]


def test_the_parts_of_a_date_are_one_feature():
    """With the name of its column."""
    parts = tuple(NumberColumn("day", 5.0, 2.0, part=part) for part in ("month", "hour"))
    view = View.of(model_of(2, 1, encoding=Encoding("y", parts)))

    assert view.names == ("day",)
    assert view.describe(np.array([1.0, -1.0])) == ["month 7, hour 3"]


def test_baselines_are_means_rows_zero_or_given():
    """Of the samples, of one class of them, of none."""
    view, codes = View.of(model_of(3, 1)), np.array([0, 1, 1, 0, 1])

    np.testing.assert_allclose(view.baseline("mean", X), X.mean(axis=0)[None])
    np.testing.assert_allclose(view.baseline("class:1", X, codes), X[[1, 2, 4]].mean(axis=0)[None])
    assert view.baseline("row:2", X).tolist() == X[[2]].tolist()
    assert view.baseline("zero", X).tolist() == [[0, 0, 0]]
    assert view.baseline("data", X).tolist() == X.tolist()
    assert view.baseline(X[:2], X).tolist() == X[:2].tolist()
    assert len(view.baseline("data", np.zeros((1000, 3)))) == 100


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("median", "must be mean, zero, data, class:LABEL or row:NUMBER; got 'median'"),
        ("row:5", "from 0 to 4; got 5"),
        ("row:", "number of a sample"),
        ("class:9", "names a class '9' that the model has not: it has 0, 1"),
        ("class:1", "needs samples with labels"),
        (np.zeros((1, 2)), "rows of 3 values"),
        (np.zeros((0, 3)), "at least one row"),
    ],
)
def test_a_wrong_baseline_is_refused(choice, message):
    """With what can be chosen."""
    with pytest.raises((SettingError, DataError), match=message):
        View.of(model_of(3, 1)).baseline(choice, X)


def test_a_baseline_of_a_class_without_samples_is_refused():
    """No mean of nothing."""
    with pytest.raises(DataError, match="no sample of the class 1"):
        View.of(model_of(3, 1)).baseline("class:1", X, np.zeros(5, int))


def test_a_feature_is_found_by_name_or_place():
    """Others are refused with those there are."""
    view = View.of(table_model())

    assert (view.find("town"), view.find(0)) == (1, 0)
    for wrong in ("city", 2, -1):
        with pytest.raises(SettingError, match="it has age, town"):
            view.find(wrong)


def test_rows_are_numbered_from_0():
    """A number as text is one, too."""
    assert find_row("3", 4) == 3
    for wrong in ("4", "-1", "x"):
        with pytest.raises(SettingError, match="from 0 to 3"):
            find_row(wrong, 4)


def test_the_encoding_of_the_table_is_that_of_the_model():
    """Five values: a number with its indicator, two towns and all others."""
    assert View.of(table_model()).read(PEOPLE).shape == (4, TABLE.n_values)
