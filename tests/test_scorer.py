"""What exports take from a model: samples that the model agrees on, exact numbers, and text that stays text."""

import ast
import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources import HOSTILE, PLAIN_MODELS, TABLE_MODELS, exact_shares, make_model, make_table_model
from twolayer.data.table_encoding import CategoryColumn, NumberColumn
from twolayer.data.tables import MISSING, TableRows, as_table
from twolayer.errors import DataError
from twolayer.files.scorer import (
    SPACES,
    describe,
    enclose,
    fill,
    identifier,
    make_vectors,
    number_texts,
    quote,
    quote_label,
)
from twolayer.model import Model

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(HOSTILE)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(PLAIN_MODELS)
def test_samples_of_numbers_have_the_models_shares(model):
    """As the model computes them in float64 of the same rows."""
    vectors = make_vectors(model)

    assert len(vectors.rows) == 10
    np.testing.assert_allclose(vectors.shares, exact_shares(model, vectors.rows), rtol=0, atol=1e-9)
    difference = np.abs(model.predict_proba(np.array(vectors.rows)) - vectors.shares).max()
    assert vectors.deviation == pytest.approx(difference)


@settings(max_examples=settings.default.max_examples // 4)
@given(TABLE_MODELS)
def test_samples_of_a_table_have_the_models_shares(model):
    """When DuckDB reads and encodes the same rows."""
    vectors = make_vectors(model)

    np.testing.assert_allclose(vectors.shares, exact_shares(model, vectors.rows), rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [0.1, 1.0, 7.0, 255.0])
def test_samples_look_like_data(scale):
    """From 0 to the scale, whole numbers where that is large; around 0 without a scale."""
    rows = np.array(make_vectors(make_model(1, 50, 3, (0, 1), scale=scale)).rows)

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
    missing, unknown, *others = make_vectors(make_table_model(1, columns, 2, (0, 1)), 60).rows

    assert missing == {"a": None, "b": None}
    assert unknown["b"] == "another!"
    texts = {row["b"] for row in others}
    assert {"x", "y", "another", " x\t", "NA", "", None} <= texts
    assert any(row["a"] is None for row in others)
    assert all(row["a"] is None or abs(row["a"] - 4) < 12 for row in others)


@pytest.mark.parametrize("level", [*MISSING, " x", "x\n", "a\0b"])
def test_a_level_that_no_text_can_be_is_no_sample(level):
    """A missing token, one with white space at an end, or with NUL, at which C's texts end."""
    model = make_table_model(1, [CategoryColumn("b", (level, "y"), rare=True)], 2, (0, 1))

    assert level not in {row["b"] for row in make_vectors(model, 60).rows} - {None, "", "NA"}


def test_samples_reach_from_doubt_to_certainty():
    """So that a wrong export shows, and a trained network's usual answer is among them."""
    shares = make_vectors(make_model(5, 30, 4, (0, 1), weight=3.0)).shares.max(axis=1)

    assert shares[0] < 0.6
    assert shares[-1] > 0.99
    assert (np.diff(shares) >= 0).all()


def test_equal_models_have_equal_samples(small_model):
    """And those of another model are others."""
    one, same = make_vectors(small_model), make_vectors(dataclasses.replace(small_model))
    changed = {**small_model.parameters, "b2": small_model.parameters["b2"] + 1}
    other = make_vectors(dataclasses.replace(small_model, parameters=changed))

    assert one.rows == same.rows != other.rows
    np.testing.assert_array_equal(one.shares, same.shares)


def test_outputs_that_are_no_numbers_are_told():
    """A network whose sums overflow in float64 has no shares to export."""
    sums = {
        "W1": np.full((2, 1), 1e308),
        "b1": np.zeros((2, 1)),
        "W2": np.array([[1.0, -1.0]]),
        "b2": np.ones((1, 1)),
    }
    model = Model(sums, (0, 1), (1,), activation="relu")

    with pytest.raises(DataError, match="not finite numbers: train it again"):
        make_vectors(model)


def test_overflow_in_float32_is_a_whole_deviation():
    """What is no number there differs by 1 from the share in float64."""
    model = make_model(2, 3, 4, (0, 1), weight=1e30, activation="relu")

    with np.errstate(all="ignore"):
        assert make_vectors(model).deviation == 1


def test_nine_digits_give_a_float32_back():
    """Any of them, bit by bit, read as a float64 that is then rounded."""
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, np.uint32)
    array = bits.view(np.float32)[np.isfinite(bits.view(np.float32))]
    read = np.array([float(text) for text in number_texts(array)], np.float64).astype(np.float32)

    np.testing.assert_array_equal(read, array)


@given(st.lists(FLOATS))
def test_a_float64_comes_back(values):
    """Bit by bit."""
    assert [float(text) for text in number_texts(np.array(values, np.float64))] == values


@given(TEXTS)
def test_a_quoted_text_ends_no_comment(text):
    """It is JSON in one line of ASCII, without a sign of comments, trigraphs or markup."""
    quoted = quote(text)

    assert json.loads(quoted) == text
    assert quoted.isascii()
    assert quoted.isprintable()
    assert not set(quoted) & set("/*?<>")


def test_labels_in_comments_are_short():
    """Numbers as they are, texts in quotes and cut."""
    assert quote_label(-3) == "-3"
    assert quote_label("a\nb") == '"a\\nb"'
    assert len(quote_label("x" * 5000)) == 62


@given(TEXTS, TEXTS)
def test_what_fills_a_place_is_not_filled_again(a, b):
    """A text that looks like a place stays as it is."""
    assert fill("@a@|@b@", a=a, b=b) == f"{a}|{b}"
    assert fill("@a@ @b@", a="@b@", b="@a@\\1") == "@b@ @a@\\1"


@given(TEXTS)
def test_an_identifier_is_one_in_each_language(name):
    """Letters, digits and single underscores, beginning with a letter."""
    assert re.fullmatch(r"[a-z]([a-z0-9]|_(?!_))*(?<!_)", identifier(name, "model"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist-0-1", "mnist_0_1"),
        ("Petal length (cm)", "petal_length_cm"),
        ("H\N{LATIN SMALL LETTER O WITH DIAERESIS}he", "hohe"),
        ("Stra\N{LATIN SMALL LETTER SHARP S}e", "strasse"),
        ("3rd", "model_3rd"),
        ("\N{CJK UNIFIED IDEOGRAPH-5E74}", "model"),
        ("", "model"),
    ],
)
def test_an_identifier_keeps_what_can_be_read(name, expected):
    """Accents go, other signs become underscores."""
    assert identifier(name, "model") == expected


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1), st.integers(0, 8))
def test_enclosed_tokens_are_all_there(values, indent):
    """In their order, on lines of bounded length."""
    text = enclose(map(str, values), "[]", indent)

    assert ast.literal_eval(text) == values
    lines = text.splitlines()
    assert max(map(len, lines)) <= 112
    assert len(lines) == 1 or lines[-1] == " " * indent + "]"


def test_white_space_is_what_tables_cut_off():
    """Each sign that DuckDB takes from the ends of a text is listed, and no other."""
    encoding = make_table_model(1, [CategoryColumn("c", ("a",))], 1, (0, 1)).table
    signs = [chr(code) for code in range(1, 0x3100)]
    rows = TableRows(as_table({"c": np.array([f"a{sign}" for sign in signs], object)}), encoding).read(0)

    assert "".join(sign for sign, row in zip(signs, rows, strict=True) if row[0]) == SPACES


def test_a_description_is_short_and_safe():
    """Of many classes with long and hostile names it shows the first ones."""
    columns = [CategoryColumn("a", ("x", "y"))]
    lines = describe(make_table_model(1, columns, 2, [*HOSTILE, "more"], dtype="float64", activation="tanh"))

    assert lines[1:3] == [
        "Input: 1 column of a table, made into 2 numbers.",
        "Network: 2 inputs, 2 hidden units (tanh), 18 outputs; parameters in float64.",
    ]
    assert lines[3].startswith('Output: the shares of 18 classes of "target": ')
    assert lines[3].endswith(" and 8 more.")
    assert not set("".join(lines)) & set("/*?<>\n")
    assert "".join(lines).isascii()


def test_a_description_of_plain_samples_names_their_shape():
    """Without a scale of 1 and a shape of one size, which say nothing."""
    assert describe(make_model(1, 4, 2, (0, 1)))[1] == "Input: 4 numbers."
    shaped = make_model(1, 4, 2, (0, 1), scale=255.0, input_shape=(2, 2))
    assert describe(shaped)[1] == "Input: 4 numbers (2 x 2), each divided by 255."
