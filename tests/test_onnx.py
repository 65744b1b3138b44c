"""An ONNX file predicts what its model does, of plain rows and of tables, whatever their columns are called."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import twolayer
from tests import exports
from tests.strategies import SEEDS
from twolayer.data.encoding import DATE_PARTS, CategoryColumn, Curve, Encoding, NumberColumn, fit_encoding
from twolayer.data.tables import as_table
from twolayer.equations import ACTIVATIONS
from twolayer.errors import DataError, SettingError
from twolayer.export import onnx as module
from twolayer.export.samples import SPACES
from twolayer.export.targets import export_model
from twolayer.model import Model

onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")


def to_bytes(model):
    """Return the ONNX file of a model."""
    return export_model(model, "onnx", "net")


def run(content, feeds):
    """Return what onnxruntime predicts."""
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, feeds)


def make_model(random, n_x, classes, *, n_h=4, dtype="float64", **kwargs):
    """Return a random network."""
    n_y = 1 if len(classes) == 2 else len(classes)
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    parameters = {name: random.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
    kwargs["output"] = kwargs.get("output", "sigmoid") if n_y > 1 else "sigmoid"
    return Model(parameters, tuple(classes), (n_x,), **kwargs)


def check_same(model, samples, feeds, content=None):
    """Check labels, where no other class is as near, and probabilities within what rounding of the logits allows."""
    label, probabilities = run(content or to_bytes(model), feeds)
    expected = model.predict_proba(samples)
    assert (probabilities.dtype, probabilities.shape, label.shape) == (
        expected.dtype,
        expected.shape,
        expected.shape[:1],
    )
    assert label.dtype == (object if isinstance(model.classes[0], str) else np.int64)
    tolerance = 1e-6 if expected.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=tolerance)
    first, second = np.sort(expected)[:, :-3:-1].T
    clear = first - second > tolerance
    np.testing.assert_array_equal(label[clear].astype("U"), model.predict(samples)[clear].astype("U"))


DIGITS = {
    "two digits": ((0, 1), {"dtype": "float32"}),
    "two digits in float64": ((4, 9), {"dtype": "float64", "activation": "tanh"}),
    "ten digits": (tuple(range(10)), {"loss": "log", "n_hidden": 40, "activation": "relu"}),
}


@pytest.mark.parametrize("name", DIGITS)
def test_a_thousand_digits_have_the_probabilities_of_the_model(name):
    """Raw pixels go in: the graph divides them."""
    digits, kwargs = DIGITS[name]
    X, y, X_test, _ = twolayer.load_mnist(digits)
    model, _ = twolayer.fit_model(X, y, scale=255.0, recipe="none", max_iter=15, **kwargs)
    samples = X_test[:1000]

    check_same(model, samples, {"X": samples.astype(model.parameters["W1"].dtype)})


CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
LABELS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=5, unique=True) | st.lists(
    st.text(CHARACTERS), min_size=2, max_size=5, unique=True
)


@given(
    classes=LABELS,
    n_x=st.integers(1, 6),
    n_h=st.integers(1, 5),
    activation=st.sampled_from(list(ACTIVATIONS)),
    output=st.sampled_from(["sigmoid", "softmax"]),
    dtype=st.sampled_from(["float32", "float64"]),
    scale=st.sampled_from([1.0, 255.0, 0.1]),
    m=st.integers(1, 30),
    seed=SEEDS,
)
def test_any_network_has_the_probabilities_of_the_model(classes, n_x, n_h, activation, output, dtype, scale, m, seed):
    """Whatever its classes, sizes, activation, output, type and scale."""
    random = np.random.default_rng(seed)
    others = {"activation": activation, "output": output, "scale": scale}
    model = make_model(random, n_x, classes, n_h=n_h, dtype=dtype, **others)
    X = (scale * random.standard_normal((m, n_x))).astype(dtype)

    check_same(model, X, {"X": X})


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_small_probabilities_stay_exact(output):
    """Logits of -20 to -90, of which a common sigmoid would make the same tiny number."""
    logits = np.array([[-20.0], [-30.0], [-90.0]])
    parameters = {"W1": np.zeros((1, 1)), "b1": np.zeros((1, 1)), "W2": np.zeros((3, 1)), "b2": logits}
    for dtype in ("float32", "float64"):
        model = Model({name: value.astype(dtype) for name, value in parameters.items()}, (0, 1, 2), (1,), output=output)
        label, probabilities = run(to_bytes(model), {"X": np.zeros((1, 1), dtype)})

        assert label.tolist() == [0]
        np.testing.assert_allclose(probabilities, model.predict_proba(np.zeros((1, 1))), rtol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_first_of_equals_is_the_answer(n_classes):
    """A network of zeros answers the first class, as the model does."""
    classes = tuple(range(7, 7 + n_classes))
    model = make_model(np.random.default_rng(0), 2, classes)
    zeros = replace(model, parameters={name: 0 * value for name, value in model.parameters.items()})

    label, _ = run(to_bytes(zeros), {"X": np.ones((3, 2))})

    assert label.tolist() == [7, 7, 7] == zeros.predict(np.ones((3, 2))).tolist()


@pytest.mark.parametrize("table", [False, True])
def test_any_number_of_rows_goes_in(table):
    """None, one, many."""
    random = np.random.default_rng(0)
    encoding = Encoding("y", (CategoryColumn("a", ("p", "q"), rare=True), NumberColumn("b", 0.0, 1.0)))
    model = make_model(random, 4, "xyz", encoding=encoding if table else None)
    content = to_bytes(model)

    for n in (0, 1, 1000):
        texts = random.choice(["p", " q", "r", "?"], (n, 1)).astype(object)
        feeds = {"a": texts, "b": random.random((n, 1))} if table else {"X": random.random((n, 4))}
        label, probabilities = run(content, feeds)
        assert (label.shape, probabilities.shape) == ((n,), (n, 3))


# What a table may hold beside its levels: missing ones, others, and white space at the ends.
WORDS = st.text(CHARACTERS, max_size=8).map(lambda text: text.strip(SPACES)) | st.sampled_from(
    ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?", "na", "a.b", "a|b", "^a$", "\\d", "(a", "a  b", "a\nb"]
)
ENDS = st.sampled_from(["", "", " ", "\t", "\r\n", "\u00a0", " \u3000\u2003"])


@st.composite
def columns(draw, name):
    """Draw a column and ten of its values."""
    flagged = draw(st.booleans())
    if draw(st.booleans()):
        mean = draw(st.sampled_from([0.0, 0.1, -3.5, 1e9, 1e15]))
        column = NumberColumn(name, mean, draw(st.sampled_from([1.0, 0.3, 50.0])), flagged)
        near = draw(st.lists(st.floats(-3, 3) | st.just(float("nan")), min_size=10, max_size=10))
        return column, [mean + column.deviation * z for z in near]
    rare = draw(st.booleans())
    levels = draw(st.lists(WORDS | st.just(" a"), min_size=0 if rare or flagged else 1, max_size=5, unique=True))
    words = WORDS | st.sampled_from(levels) if levels else WORDS
    values = draw(st.lists(st.tuples(ENDS, words, ENDS).map("".join), min_size=10, max_size=10))
    return CategoryColumn(name, tuple(levels), rare, flagged), values


@st.composite
def tables(draw):
    """Draw an encoding with the values of ten rows."""
    names = st.text(CHARACTERS, min_size=1, max_size=6)
    own = st.sampled_from(["label", "probabilities", "W1", "Gemm4", "X", "classes", "label_", "n"])
    drawn = draw(st.lists(names | own, min_size=1, max_size=4, unique_by=str.casefold))
    parts = [draw(columns(name)) for name in drawn]
    return Encoding("\0target", tuple(part[0] for part in parts)), {part[0].name: part[1] for part in parts}


@given(tables(), st.sampled_from(["float32", "float64"]), st.sampled_from(["ab", "abc"]), SEEDS)
@settings(max_examples=3 * settings.default.max_examples // 5)
def test_any_table_has_the_probabilities_of_the_model(table, dtype, classes, seed):
    """Odd names, odd levels, white space, large means, missing values."""
    encoding, values = table
    model = make_model(np.random.default_rng(seed), encoding.n_values, classes, dtype=dtype, encoding=encoding)
    feeds = {
        column.name: np.array(values[column.name], float if isinstance(column, NumberColumn) else object)[:, None]
        for column in encoding.columns
    }

    check_same(model, as_table(values), feeds)


def feeds_of(model, rows):
    """Return the inputs of rows: of an array in one, NaN where missing, else one a column, dates in seconds."""
    if model.table is None:
        return {"X": np.array(rows, float)}
    feeds = {}
    for column, *_ in model.table.fields:
        values = [row[column.name] for row in rows]
        numbers = isinstance(column, NumberColumn)
        feeds[column.name] = np.array(
            values if numbers else [value or "" for value in values], float if numbers else object
        )
    return {name: values[:, None] for name, values in feeds.items()}


@settings(max_examples=3 * settings.default.max_examples // 5)
@given(model=exports.ARRAY_MODELS | exports.TABLE_MODELS, seed=st.integers(0, 9))
def test_any_encoding_has_the_probabilities_of_the_model(model, seed):
    """Clips, curves, parts of dates, unused and missing numbers."""
    names = [] if model.table is None else [column.name for column in model.table.columns]
    assume(not any("\0" in text for text in names))
    assume(all(isinstance(label, str) or -(2**63) <= label < 2**63 for label in model.classes))
    assume(not any(isinstance(label, str) and "\0" in label for label in model.classes))
    assume(max(np.abs(value).max() for value in model.parameters.values()) < 10)
    rows = exports.make_rows(model, 20, seed)
    samples = np.array(rows, float) if model.table is None else exports.as_columns(model, rows)

    check_same(model, samples, feeds_of(model, rows))


@pytest.mark.parametrize("scaling", ["standard", "clip", "quantile", "bins"])
def test_a_thousand_rows_of_an_array_have_the_probabilities_of_the_model(scaling):
    """Of a committee's size, in float32, with missing numbers and a column that never changed."""
    random = np.random.default_rng(0)
    X = np.exp(random.standard_normal((3000, 7)))
    X[:, 3], X[::9, 5] = 4.0, np.nan
    encoding = fit_encoding(X, scaling)
    n_x = encoding.n_values
    model = replace(make_model(random, n_x, "abc", n_h=512, dtype="float32"), encoding=encoding, input_shape=(7,))
    model = replace(model, parameters={name: value / 8 for name, value in model.parameters.items()})

    check_same(model, X[:1000], {"X": X[:1000]})


def test_a_file_of_numbers_alone_is_for_older_readers():
    """Operators 17 in format 8; 20 in 9 only where texts are compared; the checker agrees with both."""
    random = np.random.default_rng(0)
    number, category = NumberColumn("a", 0.0, 1.0, True), CategoryColumn("b", ("p",), True, True)
    curve = Curve("c", (0.0, 1.0), (0.0, 1.0))
    bent = (
        replace(number, clip=3.0, curves=(curve,)),
        *(NumberColumn("d", 0.0, 1.0, part=part) for part in DATE_PARTS),
    )
    models = {
        (17, 8): [
            make_model(random, 3, "ab", scale=255.0),
            make_model(random, 3, "abc"),
            make_model(random, 2, "ab", encoding=Encoding("y", (number,))),
            make_model(random, 9, "ab", encoding=Encoding("y", bent)),
        ],
        (20, 9): [make_model(random, 5, "ab", dtype="float32", encoding=Encoding("y", (number, category)))],
    }
    for (opset, ir_version), of_these in models.items():
        for model in of_these:
            proto = onnx.load_from_string(to_bytes(model))
            onnx.checker.check_model(proto, full_check=True)
            assert [(each.domain, each.version) for each in proto.opset_import] == [("", opset)]
            assert proto.ir_version == ir_version


def test_the_file_says_what_it_is(small_model):
    """Who wrote it, its classes, what it computes; and equal models give equal bytes."""
    content = to_bytes(small_model)
    proto = onnx.load_from_string(content)
    properties = {entry.key: entry.value for entry in proto.metadata_props}

    assert (proto.producer_name, proto.producer_version) == ("twolayer", twolayer.__version__)
    assert json.loads(properties["classes"]) == [0, 1]
    assert "6 numbers (2 x 3), each divided by 255" in properties["computes"]
    assert [value.name for value in proto.graph.input] == ["X"]
    assert [value.name for value in proto.graph.output] == ["label", "probabilities"]
    assert to_bytes(replace(small_model, settings={})) == content


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_by_its_extra(monkeypatch, small_model, package):
    """One sentence."""
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(SettingError, match=r"pip install 'twolayer\[onnx\]'"):
        to_bytes(small_model)


UNWRITABLE = {
    "a class of 65 bits": (lambda random: make_model(random, 1, (0, 2**63)), "64-bit integers"),
    "a column without a name": (
        lambda random: make_model(random, 1, "ab", encoding=Encoding("y", (NumberColumn("", 0.0, 1.0),))),
        "the name ''",
    ),
    "a column with a NUL": (
        lambda random: make_model(random, 1, "ab", encoding=Encoding("y", (NumberColumn("a\0b", 0.0, 1.0),))),
        r"rename that column",
    ),
    "a level that no regular expression holds": (
        lambda random: make_model(random, 1, "ab", encoding=Encoding("y", (CategoryColumn("a", ("x" * 10**6,)),))),
        "cannot run this model",
    ),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_onnx_cannot_hold_is_reported(name):
    """One sentence each."""
    make, sentence = UNWRITABLE[name]

    with pytest.raises(DataError, match=sentence):
        to_bytes(make(np.random.default_rng(0)))


def test_parameters_beyond_two_gigabytes_are_refused(monkeypatch, small_model):
    """Before anything is written."""
    monkeypatch.setattr(module, "MAX_BYTES", 10)

    with pytest.raises(DataError, match="limited to 2 GiB"):
        to_bytes(small_model)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": (1, 0)},
        {"activation": "tanh"},
        {"scale": 254.0},
    ],
)
def test_a_file_that_says_otherwise_is_not_given(monkeypatch, small_model, changes):
    """The file of another network is noticed when it is run."""
    original = module._to_proto
    monkeypatch.setattr(module, "_to_proto", lambda onnx, model: original(onnx, replace(model, **changes)))

    with pytest.raises(DataError, match="from the probabilities"):
        to_bytes(small_model)
