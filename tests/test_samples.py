"""The samples that exported files test themselves with."""

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings

from tests.exports import (
    ARRAY_MODELS,
    PLAIN_MODELS,
    TABLE_MODELS,
    exact_probabilities,
    make_array_model,
    make_model,
    make_table_model,
)
from twolayer.data.encoding import CategoryColumn, NumberColumn, UnusedColumn
from twolayer.data.tables import MISSING, TableRows, as_table
from twolayer.export.samples import SPACES, date_part, make_samples


@given(PLAIN_MODELS)
def test_samples_of_numbers_have_the_models_probabilities(model):
    """As the model computes them in float64 of the same rows."""
    samples = make_samples(model)

    assert len(samples.rows) == 10
    np.testing.assert_allclose(samples.probabilities, exact_probabilities(model, samples.rows), rtol=0, atol=1e-9)
    differences = np.abs(model.predict_proba(np.array(samples.rows)) - samples.probabilities)
    assert samples.deviation == pytest.approx(np.nan_to_num(differences, nan=1.0).max())


@settings(max_examples=settings.default.max_examples // 4)
@given(TABLE_MODELS | ARRAY_MODELS)
def test_samples_with_an_encoding_have_the_models_probabilities(model):
    """When DuckDB, or the model, encodes the same rows; in the first, all is missing."""
    samples = make_samples(model)

    np.testing.assert_allclose(samples.probabilities, exact_probabilities(model, samples.rows), rtol=0, atol=1e-9)
    first = samples.rows[0].values() if model.table else samples.rows[0]
    assert all(value in (None, "", "NA") for value, unused in zip(first, _unused(model), strict=True) if not unused)


def _unused(model):
    return [isinstance(column, UnusedColumn) for column, *_ in model.encoding.fields]


def test_samples_of_numbers_with_a_clip_reach_far():
    """So that an export that does not clip shows it."""
    column = NumberColumn("a", 4.0, 2.0, clip=3.0)
    numbers = [row[0] for row in make_samples(make_array_model(1, [column], 2, (0, 1)), 60).rows[1:] if row[0]]

    assert max(abs(number - 4) for number in numbers) > 8


@pytest.mark.parametrize("scale", [0.1, 1.0, 7.0, 255.0])
def test_samples_look_like_data(scale):
    """From 0 to the scale, whole numbers where that is large; around 0 without a scale."""
    rows = np.array(make_samples(make_model(1, 50, 3, (0, 1), scale=scale)).rows)

    if scale == 1:
        assert rows.min() < -1
        assert rows.max() > 1
    else:
        assert rows.min() == 0
        assert scale / 2 < rows.max() <= scale
    assert (rows == np.floor(rows)).all() == (scale == 255)


def test_samples_of_a_table_cover_each_kind_of_value():
    """All missing, no text a level, and among the others levels, missing values, tokens and white space."""
    columns = (NumberColumn("a", 4.0, 2.0, flagged=True), CategoryColumn("b", ("x", "y", "another"), rare=True))
    missing, unknown, *others = make_samples(make_table_model(1, columns, 2, (0, 1)), 60).rows

    assert missing == {"a": None, "b": None}
    assert unknown["b"] == "another_2"
    texts = {row["b"] for row in others}
    assert {"x", "y", "another", " x\t", "NA", "", None} <= texts
    assert any(row["a"] is None for row in others)
    assert all(row["a"] is None or abs(row["a"] - 4) < 12 for row in others)


@pytest.mark.parametrize("level", [*MISSING, " x", "x\n", "a\0b"])
def test_a_level_that_no_text_can_be_is_no_sample(level):
    """A missing token, one with white space at an end, or with NUL, at which C's texts end."""
    model = make_table_model(1, [CategoryColumn("b", (level, "y"), rare=True)], 2, (0, 1))

    assert level not in {row["b"] for row in make_samples(model, 60).rows} - {None, "", "NA"}


def test_samples_reach_from_doubt_to_certainty():
    """So that a wrong export shows, and a trained network's usual answer is among them."""
    largest = make_samples(make_model(5, 30, 4, (0, 1), weight=3.0)).probabilities.max(axis=1)

    assert largest[0] < 0.6
    assert largest[-1] > 0.99
    assert (np.diff(largest) >= 0).all()


def test_equal_models_have_equal_samples(small_model):
    """And those of another model are others."""
    one, same = make_samples(small_model), make_samples(dataclasses.replace(small_model))
    changed = {**small_model.parameters, "b2": small_model.parameters["b2"] + 1}
    other = make_samples(dataclasses.replace(small_model, parameters=changed))

    assert one.rows == same.rows != other.rows
    np.testing.assert_array_equal(one.probabilities, same.probabilities)


def test_overflow_in_float32_is_a_whole_deviation():
    """Where that gives no number, the difference from float64 counts as 1."""
    model = make_model(2, 3, 4, (0, 1), weight=1e30, activation="relu")

    with np.errstate(all="ignore"):
        assert make_samples(model).deviation == 1


def test_white_space_is_what_tables_cut_off():
    """Each sign that DuckDB takes from the ends of a text is listed, and no other."""
    encoding = make_table_model(1, [CategoryColumn("c", ("a",))], 1, (0, 1)).table
    signs = [chr(code) for code in range(1, 0x3100)]
    rows = TableRows(as_table({"c": np.array([f"a{sign}" for sign in signs], object)}), encoding).read(0)

    assert "".join(sign for sign, row in zip(signs, rows, strict=True) if row[0]) == SPACES


def test_a_date_of_utc_is_the_same_everywhere():
    """The parts of samples are those of Python."""
    seconds = np.array([0.0, -1.0, 951_782_400.0, 4_107_542_399.5, np.nan])
    dates = [datetime.fromtimestamp(each, UTC) for each in seconds[:-1]]
    parts = {name: [getattr(each, name) for each in dates] for name in ("year", "month", "day", "hour")}
    parts["weekday"] = [each.weekday() for each in dates]

    for name, expected in parts.items():
        np.testing.assert_array_equal(date_part(seconds, name), [*expected, np.nan])
    np.testing.assert_array_equal(date_part(seconds, "age"), seconds / 86_400)
