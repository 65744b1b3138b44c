"""The Python module: safe literals, sentences for wrong rows, and a self test that can fail."""

import ast
import math
import operator
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources import (
    HOSTILE,
    PLAIN_MODELS,
    TABLE_MODELS,
    as_columns,
    check,
    make_model,
    make_rows,
    make_table_model,
)
from twolayer.data.table_encoding import CategoryColumn, NumberColumn
from twolayer.data.tables import MISSING, TableRows, as_table
from twolayer.files.source_python import preprocessing_source, python_text, to_python

COLUMNS = (NumberColumn("age", 40.0, 10.0, flagged=True), CategoryColumn("tree", ("ash", "3", "true"), rare=True))


def load(source):
    """Return the names that a module's text defines."""
    names = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), names)
    return names


@pytest.fixture(scope="module")
def table_net():
    return load(to_python(make_table_model(1, COLUMNS, 3, ("a", "b")), "net"))


@pytest.fixture(scope="module")
def plain_net():
    return load(to_python(make_model(1, 3, 2, (0, 1), scale=2.0), "net"))


@settings(max_examples=3 * settings.default.max_examples // 5)
@given(model=st.one_of(PLAIN_MODELS, TABLE_MODELS), seed=st.integers(0, 9))
def test_any_model_says_the_same(model, seed):
    """As a module, of rows with every kind of value."""
    net = load(to_python(model, "net"))
    rows = make_rows(model, 10, seed)

    assert net["self_test"]() <= 1e-9
    assert net["classes"] == model.classes
    check(model, rows, [(net["predict_proba"](row), net["predict"](row)) for row in rows])


@settings(max_examples=settings.default.max_examples // 4)
@given(model=TABLE_MODELS, seed=st.integers(0, 9))
def test_the_preprocessing_is_the_tables_own(model, seed):
    """Value by value what DuckDB and the encoding make of the rows, by source that other exports carry as well."""
    names = {"math": math, "operator": operator, "re": re}
    exec(preprocessing_source(model), names)
    rows = make_rows(model, 20, seed)
    expected = TableRows(as_table(as_columns(model, rows)), model.table, dtype=np.float64).read(0)

    np.testing.assert_array_equal([names["encode"](row) for row in rows], expected)


def test_the_preprocessing_of_plain_rows_divides_by_the_scale():
    """Whatever sequence of numbers the row is."""
    names = {"math": math}
    exec(preprocessing_source(make_model(1, 3, 2, (0, 1), scale=4.0)), names)

    for row in ([1, 2.0, 3], (1, 2, 3), np.array([1, 2, 3], np.uint8)):
        assert names["encode"](row) == [0.25, 0.5, 0.75]


@given(st.text() | st.sampled_from(HOSTILE))
def test_the_literal_of_a_text_is_that_text(text):
    """In ASCII, on one line, in double quotes."""
    literal = python_text(text)

    assert ast.literal_eval(literal) == text
    assert literal.isascii()
    assert literal.isprintable()
    assert literal[0] == literal[-1] == '"'


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([1, 2], "must have 3 numbers, this one has 2"),
        ([1, 2, 3, 4], "must have 3 numbers, this one has 4"),
        ([1, 2, math.nan], "finite numbers only"),
        ([1, 2, -math.inf], "finite numbers only"),
        ([1, 2, 10**400], "a sequence of numbers"),
        ([1, 2, None], "a sequence of numbers"),
        ([1, 2, "a"], "a sequence of numbers"),
        (7, "a sequence of numbers"),
        (None, "a sequence of numbers"),
    ],
)
def test_a_wrong_row_of_numbers_is_told(plain_net, row, sentence):
    """In one sentence, as a ValueError."""
    with pytest.raises(ValueError, match=rf"{sentence}[^.]*\.$"):
        plain_net["predict"](row)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"age": 1}, "no column 'tree'"),
        ([1, "ash"], "no column 'age'"),
        (None, "no column 'age'"),
        ({"age": "old", "tree": "ash"}, "'age' takes a number, not 'old'"),
        ({"age": "0x10", "tree": "ash"}, "takes a number"),
        ({"age": "\N{ARABIC-INDIC DIGIT THREE}", "tree": "ash"}, "takes a number"),
        ({"age": "1_000", "tree": "ash"}, "takes a number"),
        ({"age": True, "tree": "ash"}, "takes a number, not True"),
        ({"age": [1], "tree": "ash"}, "takes a number"),
        ({"age": 10**400, "tree": "ash"}, "takes a number"),
        ({"age": math.inf, "tree": "ash"}, "of usual size, not inf"),
        ({"age": "1e999", "tree": "ash"}, "of usual size"),
        ({"age": 1, "tree": 1.5}, "'tree' takes a text, not 1.5"),
        ({"age": 1, "tree": b"ash"}, "takes a text"),
    ],
)
def test_a_wrong_row_of_a_table_is_told(table_net, row, sentence):
    """In one sentence that names the column, as a ValueError."""
    with pytest.raises(ValueError, match=sentence):
        table_net["predict"](row)


@pytest.mark.parametrize("missing", [None, math.nan, np.float32("nan"), *MISSING, " NA\t"])
def test_each_way_of_missing_is_the_same(table_net, missing):
    """None, NaN and the texts of the format, in each kind of column."""
    assert table_net["encode"]({"age": missing, "tree": missing}) == [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("age", [50, 50.0, "50", " +5e1 ", "50.", np.float32(50), np.int16(50)])
def test_numbers_come_in_several_forms(table_net, age):
    """Whole ones, decimal ones, as text, and NumPy's."""
    assert table_net["encode"]({"age": age, "tree": "ash", "more": 1}) == [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("tree", "place"), [("ash", 0), (3, 1), (np.int64(3), 1), ("3", 1), (True, 2), (4, 3), (False, 3), ("ASH", 3)]
)
def test_whole_numbers_and_truth_values_are_categories(table_net, tree, place):
    """By their digits, and as true and false; others are rare."""
    assert table_net["encode"]({"age": None, "tree": tree})[2:].index(1.0) == place


def test_a_column_that_only_tells_missing_has_one_value():
    """Other texts set nothing there."""
    net = load(to_python(make_table_model(1, [CategoryColumn("a", (), flagged=True)], 2, (0, 1)), "net"))

    assert net["encode"]({"a": ""}) == [1.0]
    assert net["encode"]({"a": "x"}) == [0.0]


@pytest.mark.parametrize("part", ["W1 = ", "b1 = ", "W2 = ", "b2 = ", "SCALE = "])
def test_a_changed_number_fails_the_self_test(tmp_path, part):
    """Run as a script, the file prints its deviation and exits with 1; unchanged with 0."""
    source = to_python(make_model(1, 3, 2, (0, 1, 2), scale=2.0), "net")
    place = source.index(part)
    digit = re.compile(r"[1-9]").search(source, source.index("[", place) if part != "SCALE = " else place).start()
    changed = source[:digit] + str(int(source[digit]) % 9 + 1) + source[digit + 1 :]

    for text, code in ((source, 0), (changed, 1)):
        path = tmp_path / "net.py"
        path.write_text(text)
        run = subprocess.run([sys.executable, "-S", "-B", path], capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (code, "")
        assert run.stdout.startswith("worst deviation of 10 samples: ")


def test_shares_that_are_no_numbers_fail_the_self_test():
    """NaN counts as a deviation, wherever it appears."""
    net = load(to_python(make_model(1, 3, 2, (0, 1)), "net"))
    calls = iter(range(100))
    net["to_shares"] = lambda logits: [0.5, math.nan if next(calls) == 4 else 0.5]

    assert math.isnan(net["self_test"]())


def test_the_class_changes_at_the_threshold():
    """One constant decides between two classes: a share equal to it is the first's."""
    net = load(to_python(make_model(1, 3, 2, ("no", "yes")), "net"))

    assert net["THRESHOLD"] == 0.5
    assert [net["decide"]([1 - share, share]) for share in (0.5, 0.50001)] == [0, 1]
    net["THRESHOLD"] = 0.9
    assert net["decide"]([0.2, 0.8]) == 0


def test_of_equal_shares_the_first_is_the_class():
    """As of the model."""
    net = load(to_python(make_model(1, 3, 2, (5, 6, 7)), "net"))

    assert net["decide"]([0.2, 0.4, 0.4]) == 1
    assert "THRESHOLD" not in net
