"""The model file comes back bit by bit, and each rule of docs/model-format.md has a file that breaks it."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tests.test_encoding import array_encodings, encodings
from twolayer.data.encoding import Curve, UnusedColumn
from twolayer.errors import DataError, FileFormatError, MissingFileError, StorageError, TwoLayerError
from twolayer.files.model_file import from_bytes, load, save, to_bytes
from twolayer.model import Model


def header_of(content):
    """Return the header of a safetensors file."""
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def with_header(content, header):
    """Return the file with another header before the same values."""
    old = 8 + int.from_bytes(content[:8], "little")
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[old:]


def with_record(content, **changes):
    """Return the file with other metadata; a value of None takes the name out."""
    header = header_of(content)
    record = {**json.loads(header["__metadata__"]["twolayer"]), **changes}
    record = {name: value for name, value in record.items() if changes.get(name, 0) is not None}
    header["__metadata__"]["twolayer"] = json.dumps(record)
    return with_header(content, header)


def with_tensors(content, **changes):
    """Return the file with other arrays; None takes one out."""
    tensors = {name: value for name, value in {**load_tensors(content), **changes}.items() if value is not None}
    return save_tensors(tensors, metadata=header_of(content)["__metadata__"])


CURVE = {"name": "quantile", "x": [-1.5, 0.0, 40.0], "y": [-2.0, 0.25, 1e6], "missing": 0.5}
BENT = {
    "kind": "number",
    "name": "size",
    "flagged": False,
    "mean": 1.0,
    "deviation": 2.0,
    "clip": 3.0,
    "curves": [CURVE],
}
DATE = {"kind": "number", "name": "when", "flagged": False, "mean": 1.0, "deviation": 2.0, "part": "month"}
NUMBER = {"kind": "number", "name": "age", "flagged": True, "mean": 40.5, "deviation": 10.0}
CATEGORY = {"kind": "category", "name": "tree", "flagged": True, "levels": ["ash", "fir"], "rare": True}

SETS = {"coverage": 0.9, "least": 0.1, "n_samples": 5}


def with_columns(content, *columns, target="kind", **changes):
    """Return the file as that of a model of a table, of six values: two of a number, four of a category."""
    table = {"target": target, "columns": list(columns or (NUMBER, CATEGORY))}
    return with_record(content, **{"table": table, "input_shape": [6], "scale": 1, **changes})


@pytest.fixture
def content(small_model):
    return to_bytes(small_model)


def test_a_model_comes_back_bit_by_bit(tmp_path, small_model):
    """Parameters, classes, shape, scale and settings; and saving it again gives the same bytes."""
    path = tmp_path / "model.safetensors"
    save(small_model, path)
    loaded = load(path)

    for name, value in small_model.parameters.items():
        assert value.dtype == loaded.parameters[name].dtype
        np.testing.assert_array_equal(value, loaded.parameters[name])
    assert (loaded.classes, loaded.input_shape, loaded.scale) == (small_model.classes, (2, 3), 255.0)
    assert loaded.settings == small_model.settings
    assert to_bytes(loaded) == path.read_bytes()
    assert os.listdir(tmp_path) == ["model.safetensors"]


FORMAT_1 = sorted(Path(__file__).with_name("format1").glob("*.safetensors"))


@pytest.mark.parametrize("path", FORMAT_1, ids=lambda path: path.stem)
def test_a_file_of_format_1_is_read_as_before(path):
    """Its parameters bit by bit, with sigmoid outputs; its probabilities to the rounding of a BLAS."""
    model, told = load(path), json.loads(path.with_suffix(".json").read_text())

    for name, value in load_tensors(path.read_bytes()).items():
        assert (model.parameters[name].dtype, model.parameters[name].tobytes()) == (value.dtype, value.tobytes())
    assert model.output == "sigmoid"
    table = told["dtype"] == "table"
    X = {name: np.array(values) for name, values in told["input"].items()} if table else None
    probabilities = model.predict_proba(np.array(told["input"], told["dtype"]) if X is None else X)
    expected = [[float.fromhex(number) for number in row] for row in told["probabilities"]]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6 if probabilities.dtype == np.float32 else 1e-12)
    again = from_bytes(to_bytes(model))
    assert (again.table, again.settings, again.output) == (model.table, model.settings, "sigmoid")
    np.testing.assert_array_equal(again.parameters["W1"], model.parameters["W1"])


LABELS = st.text().map(lambda text: text.rstrip("\0"))


@given(classes=st.lists(LABELS, min_size=2, max_size=5, unique=True) | st.just([-(2**40), 3]), n_h=st.integers(1, 3))
def test_any_classes_and_sizes_come_back(classes, n_h):
    """Text of any kind, numbers of any size."""
    n_y = 1 if len(classes) == 2 else len(classes)
    shapes = {"W1": (n_h, 4), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    random = np.random.default_rng(0)
    model = Model({name: random.standard_normal(shape) for name, shape in shapes.items()}, tuple(classes), (4,))

    if n_y > 1:
        model = replace(model, output="softmax")

    loaded = from_bytes(to_bytes(model))

    assert (loaded.classes, loaded.output) == (tuple(classes), model.output)


def test_arrays_may_lie_in_any_order(content):
    """Their places tell them apart."""
    header = header_of(content)
    backwards = {name: header[name] for name in reversed(header)}
    values, end, parts = content[8 + int.from_bytes(content[:8], "little") :], 0, []
    for name in ("b2", "W1", "b1", "W2"):
        begin, stop = header[name]["data_offsets"]
        backwards[name] = {**header[name], "data_offsets": [end, end + stop - begin]}
        parts.append(values[begin:stop])
        end += stop - begin
    shuffled = with_header(content, backwards)[: -len(values)] + b"".join(parts)

    assert to_bytes(from_bytes(shuffled)) == content


@pytest.mark.parametrize("classes", [(0, 2**63), ("a", "a\0"), ("a" * 2**23, *"bcdefghij")])
def test_a_model_whose_classes_no_array_holds_is_not_saved(classes):
    """It could not be read again, or would answer with other classes."""
    n_y = 1 if len(classes) == 2 else len(classes)
    shapes = {"W1": (1, 1), "b1": (1, 1), "W2": (n_y, 1), "b2": (n_y, 1)}
    model = Model({name: np.zeros(shape) for name, shape in shapes.items()}, classes, (1,))

    with pytest.raises(DataError, match="cannot be saved"):
        to_bytes(model)


def test_other_programs_can_read_it(content):
    """It is a safetensors file with four arrays and one text."""
    assert set(load_tensors(content)) == {"W1", "b1", "W2", "b2"}
    record = json.loads(header_of(content)["__metadata__"]["twolayer"])
    assert (record["classes"], record["input_shape"], record["scale"]) == ([0, 1], [2, 3], 255.0)
    assert record["settings"]["n_hidden"] == 3
    assert record["library_version"]


def test_a_model_of_a_table_comes_back(content):
    """With every column's mean, levels and marks."""
    model = from_bytes(with_columns(content))
    number, category = model.table.columns

    assert (number.name, number.mean, number.deviation, number.flagged) == ("age", 40.5, 10.0, True)
    assert (category.levels, category.rare, category.flagged) == (("ash", "fir"), True, True)
    assert from_bytes(to_bytes(model)).table == model.table


def test_clips_curves_and_dates_come_back(content):
    """They are absent where a column has none, so that such files are as ever."""
    parts = [{**DATE, "part": part} for part in ("year", "month")]
    model = from_bytes(with_columns(content, NUMBER, BENT, *parts))
    age, size, year, month = model.table.columns

    assert (age.clip, age.curves, age.part) == (0.0, (), "")
    assert (size.clip, size.curves) == (3.0, (Curve("quantile", (-1.5, 0.0, 40.0), (-2.0, 0.25, 1e6), 0.5),))
    assert (year.name, year.part, month.name, month.part) == ("when", "year", "when", "month")
    again = to_bytes(model)
    assert from_bytes(again).table == model.table
    columns = json.loads(header_of(again)["__metadata__"]["twolayer"])["table"]["columns"]
    assert columns == [NUMBER, BENT, *parts]


def test_a_model_of_an_array_comes_back(content):
    """Its target is null; a column that never changed is unused."""
    columns = (*({**BENT, "name": f"x{k}"} for k in range(3)), {"kind": "unused", "name": "x3"})
    model = from_bytes(with_columns(content, *columns, target=None, input_shape=[2, 2]))

    assert (model.table, model.encoding.target, model.input_shape) == (None, None, (2, 2))
    assert model.encoding.columns[3] == UnusedColumn("x3")
    assert from_bytes(to_bytes(model)).encoding == model.encoding


@given(encodings() | array_encodings(), st.integers(0, 2**32))
def test_any_encoding_comes_back(encoding, seed):
    """With every digit of its numbers, and text of any kind."""
    n_x, random = encoding.n_values, np.random.default_rng(seed)
    shapes = {"W1": (1, n_x), "b1": (1, 1), "W2": (1, 1), "b2": (1, 1)}
    parameters = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    shape = (len(encoding.columns),) if encoding.target is None else (n_x,)

    loaded = from_bytes(to_bytes(Model(parameters, (0, 1), shape, encoding=encoding)))

    assert loaded.encoding == encoding
    assert {name: each.tobytes() for name, each in loaded.parameters.items()} == {
        name: each.tobytes() for name, each in parameters.items()
    }


def with_text(content, old, new):
    """Return the file with something else in the text of its header, once."""
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    assert old in header
    return with_header(content, header.replace(old, new, 1))


def with_entry(content, name, **changes):
    """Return the file with another entry of one array."""
    header = header_of(content)
    return with_header(content, {**header, name: {**header[name], **changes}})


def with_curve(content, **changes):
    """Return the file with another curve in a column."""
    return with_columns(content, {**BENT, "curves": [{**CURVE, **changes}]})


SIXES = [{**NUMBER, "flagged": False, "name": f"x{k}"} for k in range(6)]
BROKEN = {
    "no file at all": (lambda c: b"", "cut short"),
    "another file": (lambda c: b"%PDF-1.7 and so on", "not a safetensors file"),
    "a pickle": (lambda c: pickle.dumps({"W1": 1}), "not a safetensors file"),
    "cut in the header": (lambda c: c[:100], "cut short"),
    "cut in the values": (lambda c: c[:-1], "do not end where"),
    "values too many": (lambda c: c + b"x", "do not end where"),
    "a header of 2^60 bytes": (lambda c: (2**60).to_bytes(8, "little") + c[8:], "cut short"),
    "a header of one byte": (lambda c: with_header(c, b" "), "cut short"),
    "a header that is not UTF-8": (lambda c: with_text(c, b"W1", b"W\xff"), "utf-8"),
    "a header padded in front": (lambda c: with_header(c, b"  " + json.dumps(header_of(c)).encode()), "not a JSON"),
    "a header padded with line ends": (
        lambda c: with_header(c, json.dumps(header_of(c)).encode() + b"\n"),
        "not a JSON",
    ),
    "a header padded with zeros": (lambda c: with_header(c, json.dumps(header_of(c)).encode() + b"\0"), "not a JSON"),
    "a header that is no JSON": (lambda c: with_header(c, b"{" * 20), "not a JSON object"),
    "a header that is a list": (lambda c: with_header(c, [1]), "not a JSON object"),
    "a header nested deeply": (lambda c: with_header(c, b"[" * 100_000), "not a JSON object"),
    "a header of too many lists": (lambda c: with_header(c, b"{" + b"[" * 250_000 + b"}"), "more than 250,000"),
    "a header of too many names": (lambda c: with_header(c, b"{" + b'"a":0,' * 250_001 + b"}"), "more than 250,000"),
    "a record of too many lists": (lambda c: with_record(c, settings={"a": [[]] * 250_000}), "more than 250,000"),
    "an array twice": (lambda c: with_text(c, b'"W1":', b'"b1":'), "a name occurs twice"),
    "an array with one more name": (lambda c: with_entry(c, "W1", order="C"), "W1 .* unknown field order"),
    "an array without a shape": (lambda c: with_text(c, b'"shape"', b'"sizes"'), "W1 .* unknown field sizes"),
    "a shape that is a text": (lambda c: with_entry(c, "W1", shape="3,6"), "shape: Expected array"),
    "a shape below 0": (lambda c: with_entry(c, "W1", shape=[-3, -6]), "damaged"),
    "a shape of 2^63": (lambda c: with_entry(c, "W1", shape=[2**63, 2]), "damaged"),
    "a shape of many digits": (lambda c: with_entry(c, "W1", shape=[10**4000, 6]), "damaged"),
    "offsets that are a text": (lambda c: with_entry(c, "W1", data_offsets="0,72"), "data_offsets: Expected array"),
    "one offset": (lambda c: with_entry(c, "W1", data_offsets=[0]), "array of length 2"),
    "offsets backwards": (
        lambda c: with_entry(c, "W1", data_offsets=header_of(c)["W1"]["data_offsets"][::-1]),
        "damaged",
    ),
    "a gap between arrays": (
        lambda c: with_tensors(c, W1=np.zeros((3, 7), np.float32)).replace(b"[3,7]", b"[3,6]"),
        "damaged",
    ),
    "a name twice": (lambda c: with_header(c, b'{"a":1,"a":1}'), "a name occurs twice"),
    "another program's file": (lambda c: save_tensors(load_tensors(c)), "another kind"),
    "another program's text": (lambda c: save_tensors(load_tensors(c), {"twolayer": "hello"}), "record .*malformed"),
    "an array missing": (lambda c: with_tensors(c, b2=None), "exactly W1, b1, W2, b2"),
    "an array too many": (lambda c: with_tensors(c, W3=np.zeros(1)), "exactly W1, b1, W2, b2"),
    "arrays of whole numbers": (lambda c: with_tensors(c, b1=np.zeros((3, 1), np.int64)), "array b1 .*'I64'"),
    "arrays of two types": (lambda c: with_tensors(c, b1=np.zeros((3, 1))), "one type"),
    "a wrong shape": (lambda c: with_tensors(c, b1=np.zeros(3, np.float32)), "two dimensions"),
    "no hidden unit": (lambda c: with_tensors(c, W1=np.zeros((0, 6), np.float32)), "two dimensions"),
    "a scalar W1": (lambda c: with_tensors(c, W1=np.zeros((), np.float32)), "two dimensions"),
    "an infinite value": (lambda c: with_tensors(c, b2=np.full((1, 1), -np.inf, np.float32)), "not finite"),
    "a NaN": (lambda c: with_tensors(c, b2=np.full((1, 1), np.nan, np.float32)), "not finite"),
    "offsets that overlap": (
        lambda c: with_header(
            c, {**header_of(c), "b1": {**header_of(c)["b1"], "data_offsets": header_of(c)["W1"]["data_offsets"]}}
        ),
        "damaged",
    ),
    "a newer format": (lambda c: with_record(c, format_version=4, more=1), "is 4, the newest .* is 3; update twolayer"),
    "a much newer format": (lambda c: with_record(c, format_version=10**4000), "update twolayer"),
    "format 1 with an output": (lambda c: with_record(c, format_version=1), "unknown field (output|sets)"),
    "format 2 with sets": (lambda c: with_record(c, format_version=2), "unknown field sets"),
    "no output": (lambda c: with_record(c, output=None), "missing required field output"),
    "sets that are a list": (lambda c: with_record(c, sets=[0.9, 0.1, 5]), "sets: Expected object"),
    "sets without their coverage": (lambda c: with_record(c, sets={"least": 0.1, "n_samples": 5}), "field coverage"),
    "a coverage of 1": (lambda c: with_record(c, sets={**SETS, "coverage": 1.0}), "coverage: Expected float < 1"),
    "a probability above 1": (lambda c: with_record(c, sets={**SETS, "least": 1.5}), "least: Expected float <= 1"),
    "sets of no sample": (lambda c: with_record(c, sets={**SETS, "n_samples": 0}), "n_samples: Expected int >= 1"),
    "an unknown output": (lambda c: with_record(c, output="linear"), "output must be sigmoid, or softmax"),
    "an output that is no text": (lambda c: with_record(c, output=1), "output: Expected str"),
    "softmax of two classes": (lambda c: with_record(c, output="softmax"), "softmax for more than two classes"),
    "a shape of many digits as input": (lambda c: with_record(c, input_shape=[10**4000] * 8), "input_shape"),
    "a format of 0": (lambda c: with_record(c, format_version=0), "format_version: Expected int >= 1"),
    "a format of true": (lambda c: with_record(c, format_version=True), "format_version"),
    "no format": (lambda c: with_record(c, format_version=None), "format_version"),
    "a field missing": (lambda c: with_record(c, classes=None), "missing required field classes"),
    "a field too many": (lambda c: with_record(c, code="import os"), "unknown field code"),
    "a field twice": (
        lambda c: with_text(c, b'{\\"activation', b'{\\"scale\\":1,\\"activation'),
        "a name occurs twice",
    ),
    "an unknown activation": (lambda c: with_record(c, activation="step"), "activation must be one of"),
    "an activation that is no text": (lambda c: with_record(c, activation=["tanh"]), "activation: Expected str"),
    "a version that is no text": (lambda c: with_record(c, library_version=1), "library_version"),
    "a table with one more name": (
        lambda c: with_record(c, table={"target": "y", "columns": [NUMBER], "rows": 1}),
        "table: .*unknown field rows",
    ),
    "columns that are an object": (
        lambda c: with_record(c, table={"target": "y", "columns": NUMBER}),
        r"table\.columns: Expected array",
    ),
    "too many columns": (
        lambda c: with_columns(c, *({**NUMBER, "name": str(k)} for k in range(20_001))),
        "length <= 20000",
    ),
    "half a surrogate pair as the target": (lambda c: with_columns(c, target="\ud800"), "malformed"),
    "a column whose name is a number": (lambda c: with_columns(c, {**NUMBER, "name": 1}), "name: Expected str"),
    "a column of no kind": (lambda c: with_columns(c, {**NUMBER, "kind": None}), "kind: Expected str"),
    "a category with a mean": (lambda c: with_columns(c, {**CATEGORY, "mean": 1.0}), "unknown field mean"),
    "a mean that is true": (lambda c: with_columns(c, {**NUMBER, "mean": True}), "mean: Expected float"),
    "a mean of 1e300": (lambda c: with_columns(c, {**NUMBER, "mean": 1e300}), r"mean: Expected float < 1e\+300"),
    "a deviation below 0": (lambda c: with_columns(c, {**NUMBER, "deviation": -1.0}), "deviation: Expected float > 0"),
    "levels that are a text": (lambda c: with_columns(c, {**CATEGORY, "levels": "ab"}), "levels: Expected array"),
    "rare that is a number": (lambda c: with_columns(c, {**CATEGORY, "rare": 1}), "rare: Expected bool"),
    "a clip below 0": (lambda c: with_columns(c, {**BENT, "clip": -1.0}), "clip: Expected float >= 0"),
    "a clip that is tiny": (lambda c: with_columns(c, {**BENT, "clip": 1e-7}), "clip must be 0 or at least 1e-06"),
    "a clip that is huge": (lambda c: with_columns(c, {**BENT, "clip": 2e6}), "clip: Expected float <= 1000000"),
    "a clip that is no number": (lambda c: with_columns(c, {**BENT, "clip": None}), "clip: Expected float"),
    "a category with a clip": (lambda c: with_columns(c, {**CATEGORY, "clip": 1.0}), "unknown field clip"),
    "curves that are an object": (lambda c: with_columns(c, {**BENT, "curves": CURVE}), "curves: Expected array"),
    "too many curves": (lambda c: with_columns(c, {**BENT, "curves": [CURVE] * 101}), "curves: .*length <= 100"),
    "a curve with one more name": (lambda c: with_curve(c, z=1), "unknown field z"),
    "a curve without a name": (lambda c: with_curve(c, name=1), "name: Expected str"),
    "a curve whose name is no text": (lambda c: with_curve(c, name="\ud800"), "malformed"),
    "a curve without knots": (lambda c: with_curve(c, x=[], y=[]), "x: .*length >= 1"),
    "a curve of too many knots": (
        lambda c: with_curve(c, x=list(range(1001)), y=[0.0] * 1001),
        "x: .*length <= 1000",
    ),
    "a curve with fewer y": (lambda c: with_curve(c, y=[0.0, 1.0]), "as many y as x"),
    "a curve with more y": (lambda c: with_curve(c, y=[0.0] * 2000), "as many y as x"),
    "knots that do not rise": (
        lambda c: with_curve(c, x=[0.0, 1.0, 1.0]),
        "must rise, by at least 1e-300",
    ),
    "knots that fall": (lambda c: with_curve(c, x=[0.0, 1.0, -1.0]), "must rise"),
    "knots that rise by nothing": (lambda c: with_curve(c, x=[0.0, 5e-324, 1.0]), "must rise"),
    "a knot of 1e300": (lambda c: with_curve(c, x=[0.0, 1.0, 1e300]), r"x\[2\]: Expected float < 1e\+300"),
    "a knot that is a text": (lambda c: with_curve(c, x=[0.0, 1.0, "2"]), r"x\[2\]: Expected float"),
    "a knot that is NaN": (lambda c: with_curve(c, x=[0.0, 1.0, float("nan")]), "malformed"),
    "a value out of range": (lambda c: with_curve(c, y=[0.0, 1.0, 1.1e6]), r"y\[2\]: Expected float <= 1000000"),
    "an infinite value of a curve": (lambda c: with_curve(c, y=[0.0, 1.0, float("-inf")]), "malformed"),
    "a missing value out of range": (lambda c: with_curve(c, missing=-1e7), "missing: Expected float >= -1000000"),
    "a curve without its missing": (
        lambda c: with_columns(c, {**BENT, "curves": [{"name": "a", "x": [0.0], "y": [0.0]}]}),
        "missing required field missing",
    ),
    "a part of no date": (
        lambda c: with_columns(c, {**DATE, "part": "minute"}),
        "must be one of year, month",
    ),
    "a part that is no text": (lambda c: with_columns(c, {**DATE, "part": 1}), "part: Expected str"),
    "a part twice": (lambda c: with_columns(c, DATE, DATE), "must differ"),
    "a date that is a number, too": (lambda c: with_columns(c, DATE, {**DATE, "part": ""}), "must differ"),
    "parts that stand apart": (lambda c: with_columns(c, DATE, NUMBER, {**DATE, "part": "day"}), "must differ"),
    "a date that is the target": (lambda c: with_columns(c, DATE, target="when"), "must differ"),
    "an array with a category": (lambda c: with_columns(c, target=None, input_shape=[2]), "array must be numbers"),
    "an array with a date": (
        lambda c: with_columns(c, *(DATE, {**DATE, "part": "day"}), *SIXES[2:], target=None),
        "array must be numbers",
    ),
    "an array with two columns of one name": (lambda c: with_columns(c, *SIXES[:5], SIXES[0], target=None), "differ"),
    "an array of another width": (
        lambda c: with_columns(c, *SIXES, target=None, input_shape=[7]),
        "of its input_shape",
    ),
    "an array that is scaled": (lambda c: with_columns(c, *SIXES, target=None, scale=255.0), "scale 1"),
    "an unused column with a mean": (
        lambda c: with_columns(c, *SIXES, {"kind": "unused", "name": "x", "mean": 1.0}, target=None, input_shape=[7]),
        "unknown field mean",
    ),
    "a table with an unused column": (
        lambda c: with_columns(c, *SIXES, {"kind": "unused", "name": "x"}),
        "table must be numbers and categories",
    ),
    "an array of unused columns": (
        lambda c: with_columns(c, {"kind": "unused", "name": "x"}, target=None, input_shape=[1]),
        "must make values",
    ),
    "no target": (lambda c: with_record(c, table={"columns": [NUMBER]}), "missing required field target"),
    "a table that is a list": (lambda c: with_record(c, table=[]), "table: Expected object"),
    "a table of another size": (lambda c: with_columns(c, input_shape=[2, 3]), "samples of its input_shape"),
    "a table that is scaled": (lambda c: with_columns(c, scale=255.0), "scale 1"),
    "a table without columns": (lambda c: with_record(c, table={"target": "y", "columns": []}), "length >= 1"),
    "a target that is no text": (lambda c: with_columns(c, target=1), "target: Expected str"),
    "a target that is a feature": (lambda c: with_columns(c, target="age"), "must differ"),
    "a column twice": (lambda c: with_columns(c, NUMBER, NUMBER), "must differ"),
    "a column that is a text": (lambda c: with_columns(c, "age"), r"columns\[0\]: Expected object"),
    "a column without flagged": (lambda c: with_columns(c, {**NUMBER, "flagged": 1}), "flagged: Expected bool"),
    "a column of another kind": (lambda c: with_columns(c, {**NUMBER, "kind": "date"}), "Invalid value 'date'"),
    "a number with levels": (lambda c: with_columns(c, {**NUMBER, "levels": []}), "unknown field levels"),
    "a mean that is no number": (lambda c: with_columns(c, {**NUMBER, "mean": "4"}), "mean: Expected float"),
    "a deviation of 0": (lambda c: with_columns(c, {**NUMBER, "deviation": 0}), "deviation: Expected float > 0"),
    "a deviation that is infinite": (lambda c: with_columns(c, {**NUMBER, "deviation": float("inf")}), "malformed"),
    "a level twice": (lambda c: with_columns(c, {**CATEGORY, "levels": ["ash", "ash"]}), "different levels"),
    "a level that is a number": (lambda c: with_columns(c, {**CATEGORY, "levels": [1]}), r"levels\[0\]: Expected str"),
    "too many levels": (
        lambda c: with_columns(c, {**CATEGORY, "levels": list(map(str, range(101)))}),
        "levels: .*length <= 100",
    ),
    "half a surrogate pair as a level": (
        lambda c: with_columns(c, {**CATEGORY, "levels": ["\ud800"]}),
        "malformed",
    ),
    "a category of nothing": (
        lambda c: with_columns(c, {**CATEGORY, "levels": [], "rare": False, "flagged": False}),
        "at least one value",
    ),
    "settings that are a list": (lambda c: with_record(c, settings=[]), "settings: Expected object"),
    "one class": (lambda c: with_record(c, classes=[0]), "classes: .*length >= 2"),
    "a class twice": (lambda c: with_record(c, classes=[0, 0]), "classes"),
    "classes of two kinds": (lambda c: with_record(c, classes=[0, "1"]), "classes"),
    "classes that are lists": (lambda c: with_record(c, classes=[[0], [1]]), "classes"),
    "classes true and false": (lambda c: with_record(c, classes=[False, True]), r"classes\[0\]: .*got bool"),
    "classes that are a text": (lambda c: with_record(c, classes="ab"), "classes"),
    "classes that are not whole": (lambda c: with_record(c, classes=[0.5, 1.5]), "classes"),
    "more classes than outputs": (lambda c: with_record(c, classes=[0, 1, 2]), "3 classes .* needs W2"),
    "a shape that does not fit": (lambda c: with_record(c, input_shape=[2, 4]), r"needs W1 of the shape \(3, 8\)"),
    "a shape of 0": (lambda c: with_record(c, input_shape=[0, 6]), r"input_shape\[0\]: Expected int >= 1"),
    "a shape of nothing": (lambda c: with_record(c, input_shape=[]), "input_shape"),
    "a shape of nine sizes": (lambda c: with_record(c, input_shape=[6] + [1] * 8), "input_shape"),
    "a shape that is not whole": (lambda c: with_record(c, input_shape=[2.0, 3]), "input_shape"),
    "a shape of text": (lambda c: with_record(c, input_shape="23"), "input_shape"),
    "a scale of 0": (lambda c: with_record(c, scale=0), "scale"),
    "a scale below 0": (lambda c: with_record(c, scale=-255.0), "scale"),
    "a scale that is a text": (lambda c: with_record(c, scale="255"), "scale"),
    "a class that is no text": (lambda c: with_record(c, classes=["\ud800", "a"]), "malformed"),
    "a class of more than 64 bits": (lambda c: with_record(c, classes=[0, 2**63]), "numbers of 64 bits"),
    "a class with a NUL at its end": (lambda c: with_record(c, classes=["a", "a\0"]), "without a NUL"),
    "classes with very long texts": (lambda c: with_record(c, classes=["a" * 2**23, *"bcdefghij"]), "short"),
    "settings with an infinite number": (
        lambda c: with_text(c, b'\\"settings\\":{', b'\\"settings\\":{\\"x\\":1e999,'),
        "out of range",
    ),
    "settings with a number of many digits": (
        lambda c: with_text(c, b'\\"settings\\":{', b'\\"settings\\":{\\"x\\":' + b"9" * 5000 + b","),
        "out of range",
    ),
    "settings with a NaN": (lambda c: with_record(c, settings={"tol": float("nan")}), "malformed"),
    "a scale beyond any number": (lambda c: with_record(c, scale=10**400), "scale"),
    "a scale of NaN": (lambda c: with_record(c, scale=float("nan")), "malformed"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_rule_is_told(content, name):
    """One sentence that says what is wrong."""
    damage, sentence = BROKEN[name]

    with pytest.raises(FileFormatError, match=sentence):
        from_bytes(damage(content), "it")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5 * settings.default.max_examples)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5))
def test_any_change_of_bytes_gives_a_model_or_an_error_of_ours(content, changes):
    """No mutation ends in anything else."""
    mutated = bytearray(content)
    for place, value in changes:
        mutated[place % len(mutated)] = value

    try:
        model = from_bytes(bytes(mutated))
    except TwoLayerError:
        return
    assert all(np.isfinite(value).all() for value in model.parameters.values())


def test_unreadable_paths_are_told(tmp_path):
    """No file, a folder, a folder that is not there to write to."""
    with pytest.raises(MissingFileError, match="twolayer train"):
        load(tmp_path / "nothing")
    with pytest.raises(StorageError, match="is a folder"):
        load(tmp_path)


def test_a_model_is_not_saved_where_there_is_no_folder(tmp_path, small_model):
    """The sentence names the path."""
    with pytest.raises(StorageError, match="nowhere"):
        save(small_model, tmp_path / "nowhere" / "model.safetensors")


@pytest.mark.parametrize("settings", [{"x": np.nan}, {"x": "\ud800"}, {"x": object()}, {"x": [[]] * 250_000}])
def test_settings_that_no_file_holds_are_not_saved(small_model, settings):
    """Numbers that JSON lacks, halves of letters, objects, and more than is read again."""
    with pytest.raises(DataError, match="cannot be saved"):
        to_bytes(replace(small_model, settings=settings))


def test_parameters_that_are_no_numbers_are_not_saved(small_model, tmp_path):
    """The file could not be read again."""
    broken = replace(small_model, parameters={**small_model.parameters, "b2": np.full((1, 1), np.nan, np.float32)})

    with pytest.raises(DataError, match="not all finite"):
        save(broken, tmp_path / "model")
    assert os.listdir(tmp_path) == []
