"""A table is looked at before training: what its columns hold, how they are encoded, what is wrong with it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from twolayer.data.survey import code_target, order_classes, survey_table
from twolayer.data.table_encoding import CategoryColumn, NumberColumn
from twolayer.data.tables import TableRows, as_table
from twolayer.errors import DataError


def make_columns(n=400, seed=0):
    """Return columns without anything to warn of."""
    random = np.random.default_rng(seed)
    return {
        "size": random.normal(5, 2, n),
        "tree": random.choice(np.array(["ash", "birch", "cedar"], object), n),
        "kind": random.choice(np.array(["no", "yes"], object), n),
    }


def warnings_of(columns, **options):
    """Return the warnings about columns of which `kind` is the target."""
    return survey_table(as_table(columns), "kind", **options).report.warnings


def test_clean_data_raises_no_alarm():
    """Random columns that are as they should be, with several seeds and with rows held out."""
    for seed in range(5):
        assert warnings_of(make_columns(seed=seed), share=0.25) == ()


def test_numbers_are_standardized_by_the_training_rows_alone():
    """As scikit-learn's StandardScaler does it; the rows held out have no part in it."""
    columns = make_columns()
    table = as_table(columns)
    survey = survey_table(table, "kind", share=0.3, random_state=1)

    X = TableRows(table, survey.encoding, dtype=np.float64).read(0)
    size = columns["size"][:, None]
    expected = StandardScaler().fit(size[survey.train]).transform(size)
    np.testing.assert_allclose(expected[:, 0], X[:, 0], rtol=1e-9)
    assert len(np.intersect1d(survey.train, survey.test)) == 0
    assert len(survey.train) + len(survey.test) == 400


def test_missing_numbers_are_the_mean_and_flagged():
    """A value of 1 says where, and only for a column in which some were missing."""
    columns = make_columns()
    columns["size"][::10] = np.nan
    table = as_table(columns)
    encoding = survey_table(table, "kind").encoding

    X = TableRows(table, encoding, dtype=np.float64).read(0)
    assert encoding.value_names[:2] == ["size", "size missing"]
    np.testing.assert_array_equal(np.arange(400) % 10 == 0, X[:, 1] == 1)
    assert (X[::10, 0] == 0).all()
    np.testing.assert_allclose(np.nanmean(columns["size"]), encoding.columns[0].mean)


def test_categories_have_a_place_each_and_rare_ones_share_one():
    """As pandas counts them; the most frequent first."""
    columns = make_columns()
    columns["tree"][:3] = ["elm", "fir", "yew"]
    table = as_table(columns)
    encoding = survey_table(table, "kind").encoding
    (column,) = (c for c in encoding.columns if isinstance(c, CategoryColumn))

    counts = pd.Series(columns["tree"]).value_counts()
    assert sorted(column.levels) == ["ash", "birch", "cedar"]
    assert [counts[level] for level in column.levels] == sorted(counts[:3], reverse=True)
    assert column.rare
    X = TableRows(table, encoding).read(0)
    np.testing.assert_array_equal(1, X[:, 1:].sum(axis=1))
    assert encoding.value_names[-1] == "tree rare"
    np.testing.assert_array_equal([0, 1, 2], np.flatnonzero(X[:, -1]))


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (lambda c: {"number": np.arange(400)}, "'number' is left out: counts the rows"),
        (lambda c: {"name": np.array([f"n{k}" for k in range(400)], object)}, "'name' is left out: nearly every row"),
        (lambda c: {"always": np.ones(400)}, "'always' is left out: always 1"),
        (lambda c: {"nothing": np.full(400, np.nan)}, "'nothing' is left out: no values"),
        (lambda c: {"copy": c["size"].copy()}, "'copy' is the same as 'size'"),
        (lambda c: {"twin": c["tree"].copy()}, "'twin' is the same as 'tree'"),
        (lambda c: {"leak": (c["kind"] == "yes").astype(int)}, "'leak' alone tells the target"),
        (lambda c: {"leak": np.where(c["kind"] == "yes", "a", "b").astype(object)}, "'leak' alone tells the target"),
        (lambda c: {"empty": np.where(np.arange(400) % 4, np.nan, c["size"])}, "'empty' is missing in 75.0 %"),
        (lambda c: {"far": np.where(np.arange(400) == 7, 1e6, c["size"])}, "'far' has values"),
    ],
)
def test_what_is_planted_in_a_column_is_found(plant, sentence):
    """And nothing else is."""
    columns = make_columns()
    columns = {**plant(columns), **columns} if "copy" not in plant(columns) else {**columns, **plant(columns)}
    columns = dict(sorted(columns.items(), key=lambda item: item[0] in ("copy", "twin")))

    (warning,) = warnings_of(columns)

    assert sentence in warning


def test_rows_on_both_sides_of_the_split_and_of_two_classes_are_counted():
    """Rows that stand there twice; rows that differ in nothing but their class."""
    columns = make_columns()
    both = {name: np.concatenate([column, column]) for name, column in columns.items()}
    assert any("stand among the training rows too" in warning for warning in warnings_of(both, share=0.3))

    both["kind"][400:] = np.where(columns["kind"] == "yes", "no", "yes")
    assert any("800 rows are the same as others of another class" in warning for warning in warnings_of(both))


def test_uneven_and_small_classes_are_told():
    """With what can be done about it."""
    columns = make_columns()
    columns["kind"][:] = "no"
    columns["kind"][:5] = "yes"

    small, uneven = warnings_of(columns)
    assert "yes has only 5 samples" in small
    assert "--weights balanced" in uneven


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"kind": ["a"] * 9}, "one class, a"),
        ({"kind": [None] * 9}, "has no values"),
        ({"kind": np.arange(9) / 2}, "not whole"),
        ({"kind": np.arange("2020-01", "2020-10", dtype="datetime64[M]").astype("datetime64[ns]")}, "holds dates"),
        ({"kind": ["Yes", "yes", "No"] * 3}, "two spellings"),
        ({"when": np.arange("2020-01", "2020-10", dtype="datetime64[M]").astype("datetime64[ns]")}, "with dates"),
        ({"x": [1.0, np.inf, 2.0] * 3}, "3 infinite values"),
        ({"x": [None] * 9}, "no column to learn from"),
    ],
)
def test_what_cannot_be_learned_from_is_told(columns, sentence):
    """Each has a sentence of its own."""
    table = as_table({"kind": ["a", "b", "c"] * 3, **columns})
    with pytest.raises(DataError, match=sentence):
        survey_table(table, "kind")


def test_a_target_of_too_many_values_and_numbers_with_texts_among_them_are_told():
    """The example of a text is in the sentence."""
    columns = make_columns(3000)
    with pytest.raises(DataError, match="more than 1,000 values"):
        survey_table(as_table({**columns, "id": np.arange(3000)}), "id")
    flawed = columns["size"].astype(str).astype(object)
    flawed[2000] = "oops"
    with pytest.raises(DataError, match=r"'size'.*numbers, but text such as 'oops' in 1 row"):
        survey_table(as_table({**columns, "size": flawed}), "kind")


def test_the_positive_class_stands_second():
    """Of two; anything else is told."""
    assert order_classes(["a", "b"], "a") == ("b", "a")
    assert order_classes([3, 5], "5") == (3, 5)
    for classes, positive in ((["a", "b"], "c"), (["a", "b", "c"], "a")):
        with pytest.raises(DataError, match="one of two classes"):
            order_classes(classes, positive)


def test_the_same_data_in_another_order_of_columns_gives_the_same_codes():
    """Codes are places among the classes; a missing target is -1, an unknown class is told."""
    table = as_table({"kind": np.array(["b", None, "a"], object), "x": np.arange(3.0)})

    np.testing.assert_array_equal([1, -1, 0], code_target(table, "kind", ("a", "b")))
    with pytest.raises(DataError, match="class 'b'"):
        code_target(table, "kind", ("a", "c"))
    with pytest.raises(DataError, match="no column 'y'"):
        code_target(table, "y", ("a", "b"))


def test_columns_left_out_on_request_are_no_features():
    """They are shown as such, and a column that is not there is told."""
    survey = survey_table(as_table(make_columns()), "kind", ignore=["tree"])

    assert [column.name for column in survey.encoding.columns if isinstance(column, NumberColumn)] == ["size"]
    assert ("tree", "ignored", "left out on request") in survey.report.columns
    with pytest.raises(DataError, match="to be ignored"):
        survey_table(as_table(make_columns()), "kind", ignore=["frob"])
