"""A look at the lines of a CSV file finds its separator, and says what is wrong with it."""

import csv
import gzip
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.tables.text_files import (
    check_encoding,
    check_packed,
    explain_text,
    find_ragged,
    find_repeated,
    first_lines,
    has_decimal_commas,
    has_spaces,
    split_lines,
    to_utf8,
)
from twolayer.errors import FileFormatError

VALUES = st.text("ab ,;\"'\t|\n\r", max_size=4)


@given(st.lists(st.lists(VALUES, min_size=2, max_size=4), min_size=1, max_size=4), st.sampled_from(",;\t| "))
def test_lines_are_split_as_pythons_csv_wrote_them(rows, separator):
    """Whatever stands between quotes."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)

    assert list(split_lines(text.getvalue().splitlines(keepends=True), separator)) == rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;x\n-2,25;z\n", True),
        ("1,5;2\n1,5e-05;3\n", True),
        ("a,b;c\n1,5;x\n", True),  # of the header nothing is asked
        ("a;b\n1.5;x\n2.5;z\n", False),  # nothing to repair
        ('a;b\n1,5;"Smith, J"\n', False),
        ("a;b\n1,5;x\n2,5\n", False),
        ("a,b\n1;5,x\n", False),
        ("a;b\n", False),
        ("", False),
    ],
)
def test_decimal_commas_are_known(text, expected):
    """Semicolons stand between values of which all that have a comma are numbers."""
    assert has_decimal_commas(text.splitlines(keepends=True)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a b c\n", True), ('a "b c" d\n', True), ("a,b c\n", False), ("a  b\n", False), ("a\n", False)],
)
def test_spaces_between_values_are_known(text, expected):
    """Where no other separator is in the line, and one space stands between values."""
    assert has_spaces([text]) is expected


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n3\n", "Line 3 of .* has 1 value where the first has 2"),
        ("a,b\n1,2,3\n", "Line 2 of .* has 3 values where the first has 2"),
        ('a;b\n"1\n;";2\n1;2;3\n', "Line 4 of .* has 3 values where the first has 2"),
        ("a b\n1 2 3\n", "Line 2 of .* has 3 values where the first has 2"),
        ("a,b\n" + "1,2\n" * 40_000 + "1\n", "Line 40,002 of .* has 1 value"),
    ],
)
def test_a_ragged_line_is_named(tmp_path, text, sentence, ending):
    """By its number, gzipped or not, however late."""
    path = tmp_path / f"x.{ending}"
    path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())

    assert re.search(sentence, find_ragged(path, "utf-8"))


def test_even_lines_are_not_named(tmp_path):
    """Empty lines, quotes, and bytes that are no text among them."""
    path = tmp_path / "x.csv"
    for content in (b"a,b\n1,2\n\n3,4\n", b'a,b\n"1,\n",2\n', b"\xff,\xff\n1,2\n", b"", b"\0\0\n\0"):
        path.write_bytes(content)

        assert find_ragged(path, "utf-8") is None
        assert find_ragged(path, "utf-16") is None or content.startswith(b"a")


def test_first_lines_are_read_as_far_as_they_can_be(tmp_path):
    """Without the empty ones, at most a hundred; of what is no text or no gzip file there are none."""
    path, packed = tmp_path / "x.csv", tmp_path / "x.csv.gz"
    path.write_bytes(b"\n  \na,b\r\n" + b"1,2\n" * 200)
    packed.write_bytes(b"a,b\n")

    assert first_lines(path, "utf-8")[:2] == ["a,b\r\n", "1,2\n"]
    assert len(first_lines(path, "utf-8")) == 100
    assert first_lines(packed, "utf-8") == []
    assert first_lines(tmp_path / "nowhere.csv", "utf-8") == []


@given(st.binary(min_size=20), st.integers(1, 8), st.integers(0, 7))
def test_a_gzip_file_whose_checksum_does_not_fit_is_told(tmp_path_factory, content, place, bit):
    """DuckDB reads such a file as if it were whole."""
    path = tmp_path_factory.getbasetemp() / "bits.csv.gz"
    packed = bytearray(gzip.compress(content))
    path.write_bytes(packed)
    check_packed(path)
    packed[-place] ^= 1 << bit
    path.write_bytes(packed)

    with pytest.raises(FileFormatError, match="not a gzip file, or is damaged"):
        check_packed(path)


@pytest.mark.parametrize(
    ("content", "encoding", "good"),
    [
        (b"a,b\n", "utf-8", True),
        (b"a,b\n", "latin-1", True),
        (b"a,b\n", "utf-16", False),
        ("a,b\n".encode("utf-16"), "utf-16", True),
        ("a,b\n".encode("utf-16-le"), "utf-16", True),
        ("a,b\n".encode("utf-16"), "utf-8", False),
        ("a,b\n".encode("utf-16"), "latin-1", False),
        (b"PAR1\0", "utf-8", True),  # another sentence says what it is
    ],
)
def test_a_text_of_two_bytes_a_letter_is_told_from_others(tmp_path, content, encoding, good):
    """With the encodings that may be meant."""
    for path in (tmp_path / "x.csv", tmp_path / "x.csv.gz"):
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        if good:
            check_encoding(path, encoding)
            continue
        with pytest.raises(FileFormatError, match=f"not {encoding}; (set|convert)"):
            check_encoding(path, encoding)


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (b"a,b\n\xff,1\n", "CSV Error on Line: 2\nInvalid unicode (byte sequence mismatch)", "text is not utf-8"),
        (b"a,b\n1\n", "anything", "Line 2 of .* has 1 value"),
        (b"a,b\r\n1,2\n3,4\r\n", "Error when sniffing", "CR LF and LF"),
        (b"\x1f\x8b\x08", "anything", "give it the ending .csv.gz"),
        (b"PAR1\1\1", "anything", "give it the ending .parquet"),
        (b"PK\3\4", "anything", "is a spreadsheet or an archive; save it as CSV"),
        (b"a,b\n1,2\n", "Invalid Input Error: one\nOriginal Line: 1\ntwo: \n  x\n\nLINE 1: select", "^one, two$"),
        (b"a,b\n1,2\n", "", "^ValueError$"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, error, sentence):
    """In words about the file, not about DuckDB, where they can be found."""
    path = tmp_path / "x.csv"
    path.write_bytes(content)

    assert re.search(sentence, explain_text(ValueError(error), [path], "utf-8"))


LETTERS = {"utf-8": "größer ☂", "utf-16": "größer ☂", "cp1252": "größer š 5 €", "latin-1": "größer"}


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
@pytest.mark.parametrize("asked", LETTERS)
@pytest.mark.parametrize("written", LETTERS)
def test_the_encoding_of_a_text_is_proposed(tmp_path, written, asked, ending):
    """The first that fits, and never one that would be refused again; of noise none is."""
    path = tmp_path / f"x.{ending}"
    content = LETTERS[written].encode(written)
    path.write_bytes(gzip.compress(content) if ending == "csv.gz" else content)
    sentence = explain_text(ValueError("Invalid unicode"), [path], asked)

    proposed = re.fullmatch(rf"its text is not {asked}; set `encoding` to (\S+), or convert it", sentence)
    if written == "utf-16" == asked:
        assert sentence.endswith("convert it to UTF-8")
    elif written != asked:
        assert content.decode(proposed[1]) == LETTERS[written]
    path.write_bytes(b"\x81\xff\x8d" if ending == "csv" else gzip.compress(b"\x81\xff"))
    assert explain_text(ValueError("Invalid unicode"), [path], asked).endswith("convert it to UTF-8")


@given(st.text(st.characters(codec="cp1252")))
def test_texts_are_copied_into_utf8(tmp_path_factory, text):
    """Each letter and line end; a byte that is no letter is told."""
    path = tmp_path_factory.getbasetemp() / "copied.csv"
    path.write_bytes(text.encode("cp1252"))

    with to_utf8([path], "cp1252") as (copy,):
        assert copy.read_bytes() == text.encode()
    assert not copy.exists()
    path.write_bytes(text.encode("cp1252") + b"\x81")
    with pytest.raises(FileFormatError, match="its text is not cp1252"), to_utf8([path], "cp1252"):
        pass


@pytest.mark.parametrize(
    ("header", "columns", "expected"),
    [
        ("a,b", ["a", "b"], []),
        ("a;a;A", ["a", "a_1", "A_2"], [("a", "a_1"), ("A", "A_2")]),
        ("\ufeffa\tb\ta", ["a", "b", "a_1"], [("a", "a_1")]),
        ('"a, b"," a, b"', ["a, b", "a, b_1"], [("a, b", "a, b_1")]),
        ("1,1", ["column0", "column1"], []),  # no header
        ("a,b", ["x"], []),
    ],
)
def test_a_name_twice_is_found(header, columns, expected):
    """Where the columns are otherwise those of the header."""
    assert find_repeated([f"{header}\n", "1,2\n"], columns) == expected
