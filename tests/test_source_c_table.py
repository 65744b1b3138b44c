"""The columns of a table in C: literals that stay texts, and fields that compile."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources import HOSTILE, run_c
from tests.sources import make_table_model as make
from twolayer.data.table_encoding import CategoryColumn, NumberColumn
from twolayer.files.source_c_table import c_number, c_text, encoding_template, field_names, field_value, table_leaves

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(HOSTILE)
NUMBER, CATEGORY = NumberColumn("n", 1.0, 2.0, flagged=True), CategoryColumn("c", ("a", "b"), rare=True)


def read_literal(literal):
    """Return the text of a C literal, read by the rules of the language."""
    assert literal[0] == literal[-1] == '"'
    parts = re.findall(r'\\[0-7]{3}|\\["?\\]|[^"\\]', literal[1:-1])
    assert "".join(parts) == literal[1:-1]
    codes = [int(part[1:], 8) if len(part) == 4 else ord(part[-1]) for part in parts]
    return bytes(codes).decode()


@given(TEXTS)
def test_the_literal_of_a_text_is_that_text(text):
    """In printable ASCII, without two question marks, which begin a trigraph."""
    literal = c_text(text)

    assert read_literal(literal) == text
    assert literal.isascii()
    assert literal.isprintable()
    assert "??" not in literal


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_literal_of_a_number_is_that_number(value):
    """With all of its digits."""
    assert float(c_number(value)) == value


@given(st.lists(TEXTS, unique=True, max_size=20))
def test_each_column_has_a_field_of_its_own(names):
    """An identifier, whatever the name is."""
    fields = field_names(names)

    assert len(set(fields)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field) for field in fields)


def test_fields_are_told_apart():
    """Names that read alike get numbers, and words of the language as well."""
    names = ["Age", "age", "age 2", "AGE", "class", "Int", "errno", "1st", "?", "!", "linux"]
    fields = field_names(names)

    assert fields[:4] == ["age", "age_2", "age_2_2", "age_3"]
    assert fields[4:] == ["class_2", "int_2", "errno_2", "column_1st", "column", "column_2", "linux_2"]


@pytest.mark.parametrize("flags", [("-std=c99",), ("-std=gnu17",)])
def test_fields_named_like_words_compile(tmp_path, flags):
    """Also where the compiler has macros of its own, such as linux."""
    names = [
        "class",
        "int",
        "errno",
        "linux",
        "unix",
        "i386",
        "stdin",
        "assert",
        "bool",
        "NULL",
        "EOF",
        "INFINITY",
        "inline",
    ]
    model = make(1, [NumberColumn(name, 0.0, 1.0) for name in names], 2, (0, 1))

    answer = run_c(
        model, [dict.fromkeys(names, 0.5)], tmp_path, flags=(*flags, "-Wall", "-Wextra", "-Werror", "-pedantic")
    )

    assert len(answer) == 1


def test_only_the_functions_that_are_needed_are_there():
    """A table of numbers reads no text, one of categories no number."""
    numbers, categories = (encoding_template(make(1, [c], 1, (0, 1)).table) for c in (NUMBER, CATEGORY))

    assert "_number(" in numbers
    assert "_number(" not in categories
    assert "_trim(" in categories
    assert "_trim(" not in numbers


def test_places_follow_each_other():
    """A flagged number takes two, a category one a level and one for the rare; the next column begins behind them."""
    table = make(1, [NUMBER, CATEGORY, CategoryColumn("d", (), flagged=True)], 1, (0, 1)).table
    leaves = table_leaves(table, "net")

    assert leaves["calls"].splitlines() == [
        "    entries[0] = net_number(row->n, 1.0, 2.0, 0, 1);",
        "    entries[1] = net_category(row->c, net_levels_1, 2, 2, 1, 0);",
        "    entries[2] = net_category(row->d, NULL, 0, 5, 0, 1);",
    ]
    assert '{"a", 1}, {"b", 1}' in leaves["levels"]
    assert leaves["n_columns"] == "3"


def test_missing_values_are_those_of_the_kind():
    """NAN for numbers, NULL for texts."""
    assert [field_value(column, None) for column in (NUMBER, CATEGORY)] == ["NAN", "NULL"]
    assert [field_value(NUMBER, 2.0), field_value(CATEGORY, "a")] == ["2", '"a"']


def test_a_level_with_nul_is_another_than_its_beginning(tmp_path):
    """A text of C ends at NUL, so that it is never that level."""
    model = make(3, [CategoryColumn("c", ("a\0b", "b"), rare=True)], 2, (0, 1))

    (same, _), (other, _), (level, _) = run_c(model, [{"c": "a"}, {"c": "z"}, {"c": "b"}], tmp_path)

    assert same == other != level


def test_an_empty_text_is_missing(tmp_path):
    """As NULL is, and as white space alone; no byte beyond a text is read."""
    model = make(3, [CategoryColumn("c", ("b",), rare=True, flagged=True)], 2, (0, 1))
    texts = [None, "", " ", "\N{IDEOGRAPHIC SPACE}\t\N{NO-BREAK SPACE}", "?", "b", "z"]

    shares = [share for share, _ in run_c(model, [{"c": text} for text in texts], tmp_path)]

    assert shares[0] == shares[1] == shares[2] == shares[3] == shares[4]
    assert shares[0] != shares[5] != shares[6] != shares[0]
