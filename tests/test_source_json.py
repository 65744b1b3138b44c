"""The JSON document: strict, and complete enough to compute from, which a reader written here does."""

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources import HOSTILE, PLAIN_MODELS, TABLE_MODELS, check, make_model, make_rows, make_table_model
from twolayer.data.table_encoding import CategoryColumn, NumberColumn
from twolayer.files.source_json import to_json


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
    for column in source["columns"]:
        value = row[column["name"]]
        if isinstance(value, str):
            value = value.strip(source["spaces"])
        missing = value is None or value in source["missing"]
        if "levels" in column:
            places = [float(value == level and not missing) for level in column["levels"]]
            x += places
            x += [float(not missing and value not in column["levels"])] * column["rare"]
        else:
            x.append(0.0 if missing else (value - column["mean"]) / column["deviation"])
        x += [float(missing)] * column["flagged"]
    return np.array(x)


def predict(document, row):
    """Return shares and class as the document's own rules say."""
    activation = {"tanh": np.tanh, "sigmoid": np.vectorize(sigmoid), "relu": lambda z: np.maximum(z, 0)}
    hidden = activation[document["activation"]](
        np.array(document["W1"]) @ encode(document["input"], row) + document["b1"]
    )
    outputs = [sigmoid(z) for z in np.array(document["W2"]) @ hidden + document["b2"]]
    classes, threshold = document["classes"], document["threshold"]
    if len(classes) == 2:
        return [1 - outputs[0], outputs[0]], classes[int(outputs[0] > threshold)]
    shares = np.maximum(outputs, 2.2250738585072014e-308)
    shares /= shares.sum()
    return shares.tolist(), classes[int(shares.argmax())]


@settings(max_examples=2 * settings.default.max_examples // 5)
@given(model=st.one_of(PLAIN_MODELS, TABLE_MODELS), seed=st.integers(0, 9))
def test_a_reader_that_knows_the_document_alone_computes_the_same(model, seed):
    """Of rows, and of the samples that it carries."""
    document = read(to_json(model))
    rows = make_rows(model, 10, seed)

    assert document["classes"] == list(model.classes)
    assert document["threshold"] == (0.5 if len(model.classes) == 2 else None)
    check(model, rows, [predict(document, row) for row in rows])
    for sample in document["test_vectors"]:
        np.testing.assert_allclose(predict(document, sample["row"])[0], sample["shares"], rtol=0, atol=1e-9)


def test_parameters_have_all_their_digits():
    """Read as float64 they are the very values, of a float32, too."""
    model = make_model(1, 3, 2, (0, 1, 2))
    document = read(to_json(model))

    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(np.ravel(document[name]), model.parameters[name].ravel().astype(float))


def test_the_document_is_ascii_and_says_what_it_computes():
    """Hostile texts are data in it, and its rules are those of its own kind of input."""
    columns = [NumberColumn("a", 0.0, 1.0), *(CategoryColumn(text, tuple(HOSTILE[:5])) for text in HOSTILE)]
    table = to_json(make_table_model(1, columns, 2, HOSTILE))
    plain = to_json(make_model(1, 2, 2, (0, 1)))

    assert table.isascii()
    assert read(table)["classes"] == HOSTILE
    assert [column["name"] for column in read(table)["input"]["columns"]] == ["a", *HOSTILE]
    assert any("input.columns" in rule for rule in read(table)["computes"])
    assert any("divided by input.scale" in rule for rule in read(plain)["computes"])
    assert any("threshold" in rule for rule in read(plain)["computes"])
