"""The Python module: sentences for wrong rows, and a self test that can fail; static programs that are linted."""

import math
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.exports import (
    HOSTILE,
    MODELS,
    TABLE_MODELS,
    as_columns,
    change_number,
    check,
    find,
    make_array_model,
    make_model,
    make_rows,
    make_table_model,
)
from twolayer.data.encoding import DATE_PARTS, CategoryColumn, Curve, NumberColumn, UnusedColumn
from twolayer.data.tables import MISSING, TableRows, as_table
from twolayer.export import programs
from twolayer.export.programs import read, to_js, to_python

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
@given(model=MODELS, seed=st.integers(0, 9))
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
    """Value by value what DuckDB and the encoding make of the rows."""
    encode = load(to_python(model, "net"))["encode"]
    rows = make_rows(model, 20, seed)
    expected = TableRows(as_table(as_columns(model, rows)), model.table, dtype=np.float64).read(0)

    np.testing.assert_allclose([encode(row) for row in rows], expected, rtol=1e-14, atol=1e-14)


def test_the_preprocessing_of_plain_rows_divides_by_the_scale():
    """Whatever sequence of numbers the row is."""
    encode = load(to_python(make_model(1, 3, 2, (0, 1), scale=4.0), "net"))["encode"]

    for row in ([1, 2.0, 3], (1, 2, 3), np.array([1, 2, 3], np.uint8)):
        assert encode(row) == [0.25, 0.5, 0.75]


@settings(max_examples=settings.default.max_examples // 4)
@given(model=TABLE_MODELS)
@example(
    model=make_table_model(2, [CategoryColumn(text, tuple(HOSTILE[:9]), rare=True) for text in HOSTILE], 2, HOSTILE)
)
def test_a_model_is_text_within_the_program(model):
    """All but one literal, the activation and the comment at the top is the same program for every model."""
    source, other = to_python(model, "net"), to_python(make_model(1, 1, 1, (0, 1), activation=model.activation), "net")

    assert source.isascii()
    assert WITHOUT_MODEL.sub("", source) == WITHOUT_MODEL.sub("", other)


WITHOUT_MODEL = re.compile(r'\A(#.*\n)*|(?<=r""")[^"]*("(?!"")[^"]*)*')


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
def test_a_wrong_row_of_numbers_is_refused(plain_net, row, sentence):
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
        ({"age": math.inf, "tree": "ash"}, "within range, not inf"),
        ({"age": "1e999", "tree": "ash"}, "within range"),
        ({"age": 1, "tree": 1.5}, "'tree' takes a text, not 1.5"),
        ({"age": 1, "tree": b"ash"}, "takes a text"),
    ],
)
def test_a_wrong_row_of_a_table_is_refused(table_net, row, sentence):
    """In one sentence that names the column, as a ValueError."""
    with pytest.raises(ValueError, match=sentence):
        table_net["predict"](row)


@pytest.fixture(scope="module")
def array_net():
    curve = Curve("bin 1", (0.0, 8.0), (0.0, 1.0), 0.5)
    columns = [NumberColumn("a", 1.0, 2.0, flagged=True, clip=3.0, curves=(curve,)), UnusedColumn("b")]
    return load(to_python(make_array_model(1, columns, 2, (0, 1)), "net"))


def test_rows_of_an_encoded_array_are_sequences(array_net):
    """Of numbers, in any form; missing ones are None or NaN, and nobody looks at what is not used."""
    encode = array_net["encode"]

    for row in ([3, 0], (3.0, None), np.array([3.0, np.inf])):
        assert encode(row) == [1 / math.sqrt(1 + 1 / 9), 0.375, 0.0]
    for missing in (None, math.nan, "NA", ""):
        assert encode([missing, 0]) == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(encode([1e308, 0]), [3, 1, 0], rtol=1e-15)
    np.testing.assert_allclose(encode([-1e308, 0]), [-3, 0, 0], rtol=1e-15)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([1], "must have 2 numbers, this one has 1"),
        ([1, 2, 3], "must have 2 numbers, this one has 3"),
        (7, "must be a sequence of numbers"),
        (None, "must be a sequence of numbers"),
        (["x", 2], "'a' takes a number, not 'x'"),
        ([math.inf, 2], "'a' takes a number within range, not inf"),
        ([10**400, 2], "'a' takes a number"),
        ([datetime(2020, 1, 1, tzinfo=UTC), 2], "'a' takes a number"),
    ],
)
def test_a_wrong_row_of_an_encoded_array_is_refused(array_net, row, sentence):
    """In one sentence, as a ValueError."""
    with pytest.raises(ValueError, match=sentence):
        array_net["predict"](row)


@pytest.fixture(scope="module")
def date_net():
    columns = [NumberColumn("when", 0.0, 1.0, part=part) for part in DATE_PARTS]
    return load(to_python(make_table_model(1, columns, 2, (0, 1)), "net"))


LEAP_DAY = datetime(2020, 2, 29, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    [
        LEAP_DAY,
        LEAP_DAY.replace(tzinfo=None),
        LEAP_DAY.astimezone(timezone(timedelta(hours=9))),
        LEAP_DAY.timestamp(),
        int(LEAP_DAY.timestamp()),
        f" {LEAP_DAY.timestamp():.0f}",
        np.float64(LEAP_DAY.timestamp()),
        pd.Timestamp(LEAP_DAY),
    ],
)
def test_dates_come_in_several_forms(date_net, date):
    """As seconds since 1970 and as objects, which without a time zone are in UTC."""
    assert date_net["encode"]({"when": date}) == [2020, 2, 29, 5, 22, 18321.9375]


def test_a_day_begins_at_midnight(date_net):
    """Also long ago; what is no date is missing."""
    assert date_net["encode"]({"when": date(2021, 1, 1)}) == [2021, 1, 1, 4, 0, 18628]
    assert date_net["encode"]({"when": date(1, 1, 1)}) == [1, 1, 1, 0, 0, -719162]
    assert date_net["encode"]({"when": -0.25}) == [1969, 12, 31, 2, 23, -0.25 / 86400]
    assert date_net["encode"]({"when": pd.NaT}) == [0.0] * 6


@pytest.mark.parametrize("value", ["soon", "2020-01-01", True, math.inf, [1], 10**400])
def test_what_is_no_date_is_refused(date_net, value):
    """In one sentence that names the column."""
    with pytest.raises(ValueError, match=r"^Column 'when' takes a date, not "):
        date_net["predict"]({"when": value})


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


def test_a_column_without_levels_has_a_missing_indicator_alone():
    """Other texts set nothing there."""
    net = load(to_python(make_table_model(1, [CategoryColumn("a", (), flagged=True)], 2, (0, 1)), "net"))

    assert net["encode"]({"a": ""}) == [1.0]
    assert net["encode"]({"a": "x"}) == [0.0]


@pytest.mark.parametrize("part", ["W1", "b1", "W2", "b2", "scale"])
def test_a_changed_number_fails_the_self_test(tmp_path, part):
    """Run as a script, the file prints its deviation and exits with 1; unchanged with 0."""
    source = to_python(make_model(1, 3, 2, (0, 1, 2), scale=2.0), "net")
    for text, code in ((source, 0), (change_number(source, f'"{part}": '), 1)):
        path = tmp_path / "net.py"
        path.write_text(text)
        run = subprocess.run([sys.executable, "-S", "-B", path], capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (code, "")
        assert run.stdout.startswith("worst deviation of 10 samples: ")


def test_probabilities_that_are_not_numbers_fail_the_self_test():
    """NaN counts as a deviation, wherever it appears."""
    net = load(to_python(make_model(1, 3, 2, (0, 1)), "net"))
    calls = iter(range(100))
    net["to_probabilities"] = lambda outputs: [0.5, math.nan if next(calls) == 4 else 0.5]

    assert math.isnan(net["self_test"]())


def test_the_class_changes_at_the_threshold():
    """One constant decides between two classes: a probability equal to it predicts the first."""
    net = load(to_python(make_model(1, 3, 2, ("no", "yes")), "net"))

    assert net["THRESHOLD"] == 0.5
    assert [net["decide"]([1 - second, second]) for second in (0.5, 0.50001)] == [0, 1]
    net["THRESHOLD"] = 0.9
    assert net["decide"]([0.2, 0.8]) == 0


def test_of_equal_probabilities_the_first_is_the_class():
    """As for the model."""
    net = load(to_python(make_model(1, 3, 2, (5, 6, 7)), "net"))

    assert net["decide"]([0.2, 0.4, 0.4]) == 1
    assert net["THRESHOLD"] is None


STATIC = Path(programs.__file__).with_name("static")


def test_the_static_programs_run_as_they_stand():
    """With the little model that is in them, before any other is put in."""
    code = f"import sys; sys.path.insert(0, {str(STATIC)!r}); import scorer; print(scorer.predict([9.0]))"
    assert subprocess.run([find("node"), "--check", STATIC / "scorer.mjs"], check=True).returncode == 0
    assert subprocess.check_output([sys.executable, "-B", "-c", code], text=True) == "yes\n"


@pytest.mark.parametrize("name", ["scorer.py", "rows.py", "scorer.mjs", "scorer.h"])
def test_each_static_program_has_its_one_place_for_the_activation(name):
    """Nothing else in the programs looks like it."""
    assert read(name).count(programs.STAND_IN) == (0 if name == "rows.py" else 1)


def test_exported_javascript_passes_the_check_of_node(tmp_path):
    """With hostile texts in it, too."""
    path = tmp_path / "net.mjs"
    path.write_text(to_js(make_table_model(1, [CategoryColumn("a", tuple(HOSTILE))], 2, HOSTILE), "net"))

    assert subprocess.run([find("node"), "--check", path], check=True).returncode == 0
