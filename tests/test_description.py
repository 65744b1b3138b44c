"""The description: strict JSON, complete enough to compute from, which a reader written here does."""

import json
import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exports import HOSTILE, MODELS, check, make_model, make_rows, make_table_model
from twolayer.data.encoding import CategoryColumn, NumberColumn
from twolayer.export.description import describe, quote, quote_label, summarize, to_json, write
from twolayer.model import Model

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(HOSTILE)


def read(text):
    """Return the document; NaN, infinity and a name that stands twice are refused."""

    def refuse(constant):
        raise AssertionError(constant)

    def to_object(pairs):
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=to_object)


def sigmoid(z):
    """Return 1 / (1 + exp(-z)), of large numbers too."""
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(max(z, -745)) / (1 + math.exp(max(z, -745)))


def encode(source, row):
    """Return x as the document's own rules say."""
    if "scale" in source:
        return np.array(row) / source["scale"]
    x = []
    for place, column in enumerate(source["columns"]):
        value = row[place if "shape" in source else column["name"]]
        if "unused" in column:
            continue
        if isinstance(value, str):
            value = value.strip(source["spaces"])
        missing = value is None or value in source["missing"]
        if "levels" in column:
            places = [float(value == level and not missing) for level in column["levels"]]
            x += places
            x += [float(not missing and value not in column["levels"])] * column["rare"]
        else:
            x += encode_number(column, None if missing else value)
        x += [float(missing)] * column["flagged"]
    return np.array(x)


def encode_number(column, number):
    """Return the values of a number, None where it is missing."""
    curves = column.get("curves", [])
    if number is None:
        return [column["fill"], *(curve["missing"] for curve in curves)]
    if "part" in column:
        date = datetime(1970, 1, 1) + timedelta(seconds=number)  # noqa: DTZ001
        parts = {"year": date.year, "month": date.month, "day": date.day, "hour": date.hour}
        number = {**parts, "weekday": date.weekday(), "age": number / 86400}[column["part"]]
    u = (number - column["mean"]) / column["deviation"]
    if "clip" in column:
        u = min(max(u, -1e9 * column["clip"]), 1e9 * column["clip"])
        u /= math.sqrt(1 + (u / column["clip"]) ** 2)
    return [u, *(np.interp(number, curve["x"], curve["y"]) for curve in curves)]


def predict(document, row):
    """Return probabilities and class as the document's own rules say."""
    names = {"exp": np.exp, "tanh": np.tanh, "log1p": np.log1p, "fmax": np.maximum}
    z = np.array(document["W1"]) @ encode(document["input"], row) + document["b1"]
    hidden = eval(document["expression"], {"__builtins__": {}, "z": z, **names})
    logits = np.array(document["W2"]) @ hidden + document["b2"]
    classes, threshold = document["classes"], document["threshold"]
    if len(classes) == 2:
        second = sigmoid(logits[0])
        return [1 - second, second], classes[int(second > threshold)]
    if document["output"] == "softmax":
        outputs = np.exp(logits - logits.max())
    else:
        outputs = np.maximum([sigmoid(z) for z in logits], 2.2250738585072014e-308)
    probabilities = outputs / outputs.sum()
    return probabilities.tolist(), classes[int(probabilities.argmax())]


@settings(max_examples=2 * settings.default.max_examples // 5)
@given(model=MODELS, seed=st.integers(0, 9))
def test_a_reader_that_knows_the_document_alone_computes_the_same(model, seed):
    """It gives the model's probabilities of any rows, and those of the test vectors within their tolerance."""
    document = read(to_json(model, "net"))
    rows = make_rows(model, 10, seed)

    assert document["classes"] == list(model.classes)
    assert document["class_type"] == ("integer" if isinstance(model.classes[0], int) else "text")
    assert document["threshold"] == (0.5 if len(model.classes) == 2 else None)
    check(model, rows, [predict(document, row) for row in rows])
    for sample in document["test_vectors"]:
        found, _ = predict(document, sample["row"])
        np.testing.assert_allclose(found, sample["shares"], rtol=0, atol=document["tolerance"] / 1000)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_have_all_their_digits(dtype):
    """Read as float64 they are the very values; those for programs are so once rounded to their own type."""
    model = make_model(1, 3, 2, (0, 1, 2), dtype=dtype)
    document, short = read(to_json(model, "net")), describe(model)

    for name, value in model.parameters.items():
        np.testing.assert_array_equal(np.ravel(document[name]), value.ravel().astype(float))
        np.testing.assert_array_equal(np.ravel(short[name]).astype(dtype), value.ravel())


def test_nine_digits_give_any_float32_back():
    """Bit by bit, read as a float64 that is then rounded."""
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, np.uint32)
    values = bits.view(np.float32)[np.isfinite(bits.view(np.float32))]
    parameters = {"W1": values[:, None], "b1": values[:, None], "W2": values[None, :], "b2": np.ones((1, 1), "f")}
    model = Model(parameters, (0, 1), (1,))

    with np.errstate(all="ignore"):
        short = read(write({"W1": describe(model)["W1"]}))["W1"]

    np.testing.assert_array_equal(np.array(short).astype(np.float32), values[:, None])


def test_the_document_is_ascii_and_says_what_it_computes():
    """Hostile texts are data in it, and its rules are those of its own kind of input and output."""
    columns = [NumberColumn("a", 0.0, 1.0), *(CategoryColumn(text, tuple(HOSTILE[:5])) for text in HOSTILE)]
    table = to_json(make_table_model(1, columns, 2, HOSTILE, output="softmax"), "net")
    plain = to_json(make_model(1, 2, 2, (0, 1)), "net")

    assert table.isascii()
    assert read(table)["classes"] == HOSTILE
    assert [column["name"] for column in read(table)["input"]["columns"]] == ["a", *HOSTILE]
    assert any("input.columns" in rule for rule in read(table)["computes"])
    assert any("exp(z - max z)" in rule for rule in read(table)["computes"])
    assert any("divided by input.scale" in rule for rule in read(plain)["computes"])
    assert any("threshold" in rule for rule in read(plain)["computes"])


def test_the_document_has_the_names_that_readers_know():
    """Names of earlier versions stay, with more of them."""
    document = read(to_json(make_table_model(1, [NumberColumn("a", 0.0, 1.0)], 2, (0, 1)), "net"))

    known = {"about", "computes", "classes", "threshold", "input", "activation", "W1", "W2", "b1", "b2", "test_vectors"}
    assert set(document) == known | {"class_type", "expression", "output", "dtype", "tolerance", "sets"}
    assert set(document["input"]) == {"missing", "spaces", "columns"}
    assert set(document["input"]["columns"][0]) == {"name", "mean", "deviation", "fill", "flagged"}
    assert set(document["test_vectors"][0]) == {"row", "shares"}


@given(TEXTS)
def test_a_quoted_text_ends_no_comment(text):
    """It is JSON in one line of ASCII, without a character of comments, trigraphs or markup."""
    quoted = quote(text)

    assert json.loads(quoted) == text
    assert quoted.isascii()
    assert quoted.isprintable()
    assert not set(quoted) & set("/*?<>")


def test_labels_in_comments_are_short():
    """Numbers as they are, texts in quotes and cut."""
    assert quote_label(-3) == "-3"
    assert quote_label('a"b') == '"a\\"b"'
    assert len(quote_label("x" * 5000)) == 62


def test_a_summary_is_short_and_safe():
    """Of many classes with long and hostile names it shows the first ones."""
    columns = [CategoryColumn("a", ("x", "y"))]
    lines = summarize(make_table_model(1, columns, 2, [*HOSTILE, "more"], dtype="float64", activation="tanh"))

    assert lines[1:3] == [
        "Input: 1 column of a table, encoded as 2 numbers.",
        "Network: 2 inputs, 2 hidden units (tanh), 20 outputs (sigmoid); parameters in float64.",
    ]
    assert lines[3].startswith('Output: the probabilities of 20 classes of "target": ')
    assert lines[3].endswith(" and 10 more.")
    assert not set("".join(lines)) & set("/*?<>\n")
    assert "".join(lines).isascii()


def test_a_summary_of_plain_samples_names_their_shape():
    """Without a scale of 1 and a shape of one size, which say nothing."""
    assert summarize(make_model(1, 4, 2, (0, 1)))[1] == "Input: 4 numbers."
    shaped = make_model(1, 4, 2, (0, 1), scale=255.0, input_shape=(2, 2))
    assert summarize(shaped)[1] == "Input: 4 numbers (2 x 2), each divided by 255."
