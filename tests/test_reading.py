"""A table is the same in every form of file, and what cannot be read is told in a sentence."""

import csv
import gzip
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_tables import FEW, assert_same, json_lines, parquet, people, samples, survey, text
from twolayer.data.tables import reading, tables
from twolayer.data.tables.reading import is_table_name, read_table
from twolayer.data.tables.tables import MISSING, as_number, as_text
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError, StorageError, TwoLayerError


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def padded(frame):
    """Return a frame as CSV with white space around its values."""
    rows = frame.astype(object).where(frame.notna(), "").to_numpy().tolist()
    lines = [" , ".join(frame.columns), *(" \t,  ".join(map(str, row)) for row in rows)]
    return "".join(f"{line} \n" for line in lines).encode()


def simple(frame):
    """Return a frame without texts that need quotes."""
    return frame.assign(job=frame["job"].str.replace(r"\W", "", regex=True))


FORMS = {
    "comma.csv": text,
    "semicolon.csv": lambda frame: text(frame, sep=";"),
    "decimal comma.csv": lambda frame: text(frame, sep=";", decimal=","),
    "tab.tsv": lambda frame: text(frame, sep="\t"),
    "tab and decimal comma.tab": lambda frame: text(frame, sep="\t", decimal=","),
    "pipe.psv": lambda frame: text(frame, sep="|"),
    "space.data": lambda frame: text(frame, sep=" ", na_rep="NA"),
    "quoted.csv": lambda frame: text(frame, quoting=csv.QUOTE_ALL),
    "line ends.csv": lambda frame: text(frame, lineterminator="\r\n"),
    "byte order mark.csv": lambda frame: b"\xef\xbb\xbf" + text(frame),
    "missing.csv": lambda frame: text(frame, na_rep="NULL"),
    "not ended.csv": lambda frame: text(frame)[:-1],
    "gzip.csv.gz": lambda frame: gzip.compress(text(frame, sep=";")),
    "lines.jsonl": json_lines,
    "list.json": lambda frame: frame.to_json(orient="records").encode(),
    "gzip.jsonl.gz": lambda frame: gzip.compress(json_lines(frame)),
    "rows.parquet": parquet,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_the_same_in_every_form(form):
    """Survey, classes, encoding and samples are those of the frame in memory."""
    frame = people()
    Path(form).write_bytes(FORMS[form](frame))

    assert is_table_name(form)
    assert_same(read_table(form), frame)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_white_space_around_values_is_none_of_theirs(line_end):
    """Numbers stay numbers, and texts are compared without it."""
    frame = simple(people())
    Path("padded.csv").write_bytes(padded(frame).replace(b"\n", line_end.encode()))

    assert_same(read_table("padded.csv"), frame)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_file_without_a_header_has_numbered_columns(separator):
    """What the first line holds are values, where columns of numbers tell so."""
    frame = people()
    Path("bare.csv").write_bytes(text(frame, sep=separator, header=False, decimal="," if separator == ";" else "."))

    assert_same(read_table("bare.csv"), frame.set_axis([f"column{k}" for k in range(4)], axis=1), "column3")


LATE = ["", "NA", "1.5", "007", " 3 ", "+4", "-0", '"12"', "1e3", "9" * 20, "2020-01-01", "true", "x", "1,5", '"a,b"']


@FEW
@given(st.lists(st.sampled_from(["whole", "real", "text", "empty", "day"]), min_size=2, max_size=4),
       st.integers(0, 3), st.sampled_from(LATE), st.sampled_from(",;\t"))  # fmt: skip
def test_a_large_file_is_the_table_that_a_look_at_all_its_lines_gives(kinds, column, late, separator):
    """Its first lines tell how it is separated and what is in its columns, as far as the others bear it out."""
    values = {"whole": "{}", "real": "{}.25", "text": "t{}", "empty": "", "day": "2024-01-{}"}
    rows = [[values[kind].format(k % 20 + 10) for kind in kinds] for k in range(60)]
    rows[45][column % len(kinds)] = late
    header = [f"c{k}" for k in range(len(kinds))]
    Path("table.csv").write_text("".join(separator.join(row) + "\n" for row in [header, *rows]))

    def read(sure_bytes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "_SURE_BYTES", sure_bytes)
            patch.setattr(reading, "_FEW_LINES", 30)
            try:
                table = read_table("table.csv")
                return dict(table.kinds), table.ask(f"SELECT * FROM {table.whole}")
            except (DataError, FileFormatError) as error:
                return str(error)

    assert read(0) == read(2**40)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_other_encodings_are_read_on_request(encoding):
    """And told where they are not asked for."""
    frame = people().replace("plain", "größer š 5 €" if encoding == "cp1252" else "größer")
    Path("other.csv").write_bytes(text(frame).decode().encode(encoding))

    assert_same(read_table("other.csv", encoding=encoding.removesuffix("-le")), frame)
    with pytest.raises(FileFormatError, match=r"not utf-8; set `encoding` to .*"):
        read_table("other.csv")
    with pytest.raises(SettingError, match="no encoding 'ascii'"):
        read_table("other.csv", encoding="ascii")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "jsonl"])
def test_several_files_are_one_table(ending):
    """One after the other by their names, the columns in any order; those that differ are told."""
    frame = people(90)
    write = {"csv": text, "csv.gz": lambda part: gzip.compress(text(part)), "parquet": parquet, "jsonl": json_lines}
    Path("some").mkdir()
    backwards = list(frame.columns[::-1])
    for name, part in (("1", frame[:30]), ("2", frame[30:70][backwards]), ("3", frame[70:])):
        Path(f"some/{name}.{ending}").write_bytes(write[ending](part))

    assert_same(read_table(f"some/*.{ending}"), frame)
    assert_same(read_table(str(Path.cwd() / f"**/*.{ending}")), frame)
    if ending != "jsonl":  # there a column that a line leaves out is missing in it
        Path(f"some/4.{ending}").write_bytes(write[ending](frame[:30].rename(columns={"age": "years"})))
        with pytest.raises(DataError, match=rf"1\.{ending} and .*4.{ending} do not have the same columns \('age'\)"):
            read_table(f"some/*.{ending}")
        Path(f"some/4.{ending}").unlink()
    Path(f"some/0.{ending}").write_bytes(b"")
    if ending == "jsonl":
        assert_same(read_table(f"some/*.{ending}"), frame)
        return
    with pytest.raises(TwoLayerError, match=r"0.* (is empty|is not Parquet|has no rows|cannot be read)"):
        read_table(f"some/*.{ending}")


@pytest.mark.parametrize(
    "query",
    [
        "select * from 'people.parquet'",
        "SELECT * FROM 'people.csv' ;",
        "from 'people.jsonl'",
        " with p as (select * from 'people.parquet')\nselect pay, age, job, income from p -- all of them",
        "select * from read_csv('people.csv')",
    ],
)
def test_a_query_gives_a_table(query):
    """Of any file that DuckDB reads."""
    frame = people()
    for name, write in (("csv", text), ("parquet", parquet), ("jsonl", json_lines)):
        Path(f"people.{name}").write_bytes(write(frame))

    assert is_table_name(query)
    assert_same(read_table(query), frame)


def test_a_file_may_be_named_like_a_query():
    """What is there is no query."""
    Path("from people.csv").write_bytes(text(people()))

    assert is_table_name("from people.csv")
    assert_same(read_table("from people.csv"), people())


@pytest.mark.parametrize(
    "name",
    ["x.csv", "a/b.TSV", "x.txt", "x.ndjson", "x.PQ", "x.csv.gz", "*.parquet", "x.jsonl.gz", "select 1", "from x"],
)
def test_names_of_tables_are_known(name):
    """By their ending, or as a query."""
    assert is_table_name(name)


@pytest.mark.parametrize("name", ["mnist", "digits", "x.npy", "x.gz", "x.csv.zip", "selected", "select", "folder/", ""])
def test_other_names_are_none_of_tables(name):
    """They are other sources, or nothing."""
    assert not is_table_name(name)


def test_texts_that_say_that_a_value_is_missing():
    """Each of them, in a column of numbers and in one of categories, with white space or without."""
    lines = [f"{token},{token},low\n {token} , {token} ,high\n" for token in MISSING] + ["1.5,x,low\n"] * 20
    Path("missing.csv").write_text("pay,job,income\n" + "".join(lines))
    table = read_table("missing.csv")

    for column, value in (("pay", as_number("pay")), ("job", as_text("job"))):
        assert table.kinds[column] == {"pay": "number", "job": "category"}[column]
        (present,) = table.ask(f"SELECT count({value}) FROM {table.whole}")[0]
        assert present == 20


@FEW
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.text('ab ,;"\n\té|', max_size=5)), min_size=2, max_size=30),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_pythons_csv_writes_is_read(rows, separator, quoting, line_end):
    """Every number to its last digit, and every text but for the white space around it."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=line_end)
    writer.writerows([("number", "text", "end"), *((number, words, "end") for number, words in rows)])
    Path("any.csv").write_text(file.getvalue(), newline="")
    table = read_table("any.csv")

    read = table.ask(f"SELECT number, {as_text('text')} FROM {table.whole}")
    assert read == [(number, words.strip() or None) for number, words in rows]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "+3"], "number"),
        (["1.5", ".5", "2e-3"], "number"),
        (["1", "", "2"], "number"),
        ([" 1.5 ", "2.5", " 3.5"], "number"),
        (["99999999999999999999", "1", "2"], "number"),
        (["inf", "1.5", "-inf"], "number"),
        (["007", "008", "012"], "category"),  # a number would lose the zeros
        (["yes", "no", "yes"], "category"),
        (["true", "false", "TRUE"], "category"),
        (["1,5", "2,25", "3,0"], "category"),  # quoted, where commas separate
        (["a", "1", "2"], "category"),
        (["2020-01-31", "2020-02-28", ""], "date"),
        (["31.01.2020", "28.02.2020", "01.03.2021"], "date"),
        (["2020-01-31 10:00:00", "2020-02-28 11:30:00", ""], "date"),
        (["2020-01-31T10:00:00Z", "2020-02-28T11:30:00+01:00", ""], "date"),
        (["10:30", "11:45", "12:00"], "date"),
    ],
)
def test_the_kind_of_a_column_of_text_is_found_out(values, kind):
    """By all of its values."""
    frame = pd.DataFrame({"x": values * 9, "y": ["a", "b", "c"] * 9})
    Path("kinds.csv").write_bytes(text(frame))

    assert read_table("kinds.csv").kinds == {"x": kind, "y": "category"}


GOOD = "pay,job\n" + "1.5,x\n2.5,z\n" * 20

BROKEN = {
    "empty.csv": (b"", DataError, "is empty"),
    "header.csv": (b"pay,job\n", DataError, "no rows"),
    "header without end.csv": (b"pay,job", DataError, "no rows"),
    "blank.csv": (b"\n", DataError, "no rows"),
    "noise.csv": (np.random.default_rng(0).bytes(5000), FileFormatError, "not utf-8"),
    "short.csv": (f"{GOOD}1\n".encode(), FileFormatError, "Line 42 of short.csv has 1 value where the first has 2"),
    "short first.csv": (b"a,b\n1\n2,3\n", FileFormatError, "Line 2 .* has 1 value where the first has 2"),
    "long.csv": (f"{GOOD}1,2,3\n".encode(), FileFormatError, "Line 42 of long.csv has 3 values where the first has 2"),
    "long first.csv": (b"a,b\n1,2,3\n2,3\n", FileFormatError, "Line 2 .* has 3 values where the first has 2"),
    "late.csv": (f"a,b\n{'1,2' * 0}".encode() + b"1,2\n" * 40_000 + b"1\n", FileFormatError, "Line 40,002 of late.csv"),
    "late long.csv": (b"a,b\n" + b"1,2\n" * 40_000 + b"1,2,3\n", FileFormatError, "Line 40,002 .* has 3 values"),
    "ends.csv": (b"a,b\r\n1,2\n3,4\r\n" * 9, FileFormatError, "CR LF and LF"),
    "latin.csv": ("a,b\nü,1\n".encode("latin-1"), FileFormatError, "not utf-8; set `encoding` to cp1252"),
    "late latin.csv": (b"a,b\n" + b"x,1\n" * 40_000 + b"\xfc,1\n", FileFormatError, "not utf-8"),
    "packed.csv": (gzip.compress(GOOD.encode()), FileFormatError, "give it the ending .csv.gz"),
    "stored.csv": (parquet(people()), FileFormatError, "give it the ending .parquet"),
    "plain.csv.gz": (GOOD.encode(), FileFormatError, "not a gzip file, or is damaged"),
    "cut.csv.gz": (gzip.compress(GOOD.encode())[:-9], FileFormatError, "not a gzip file, or is damaged"),
    "cut.jsonl.gz": (gzip.compress(json_lines(people()))[:-9], FileFormatError, "not a gzip file, or is damaged"),
    "text.parquet": (GOOD.encode(), FileFormatError, "is not Parquet, or damaged"),
    "cut.parquet": (parquet(people())[:-20], FileFormatError, "is not Parquet, or damaged"),
    "nothing.parquet": (b"", FileFormatError, "is not Parquet, or damaged"),
    "no rows.parquet": (parquet(people(0)), DataError, "no rows"),
    "text.jsonl": (b"hello\n", FileFormatError, "not JSON lines"),
    "cut.jsonl": (b'{"a": 1}\n{"a":\n', FileFormatError, "not JSON lines"),
    "no rows.json": (b"[]", DataError, "no rows"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_told(name):
    """In one sentence that names the file and what is wrong with it."""
    content, kind, sentence = BROKEN[name]
    Path(name).write_bytes(content)

    with pytest.raises(kind, match=sentence) as caught:
        read_table(name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_longer_than_what_is_held_at_once_is_told(monkeypatch):
    """It is no line, but a file without line ends, or in another encoding."""
    monkeypatch.setattr(reading, "_BUFFER_BYTES", 2_100_000)
    Path("wide.csv").write_bytes(b"a,b\n" + b"x" * 2_200_000 + b",1\n")

    with pytest.raises(FileFormatError, match=r"wide\.csv .* Maximum line size"):
        read_table("wide.csv")


def test_damaged_values_of_a_parquet_file_are_told_when_they_are_read():
    """Its end may be whole, while a page within is not."""
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=20_000), "y": ["a", "b"] * 10_000})
    content = bytearray(parquet(frame))
    content[200:600] = bytes(400)
    Path("damaged.parquet").write_bytes(content)

    with pytest.raises(TwoLayerError, match=r"damaged\.parquet"):
        survey(read_table("damaged.parquet"), "y")


def test_folders_and_missing_files_are_told():
    """And names that fit no file."""
    Path("folder.csv").mkdir()
    with pytest.raises(StorageError, match=r"is a folder: name its files, like folder.csv/\*.csv"):
        read_table("folder.csv")
    with pytest.raises(MissingFileError, match=r"There is no file nowhere\.csv"):
        read_table("nowhere.csv")
    with pytest.raises(MissingFileError, match=r"no files like nowhere\*.csv"):
        read_table("nowhere*.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_told():
    """Reading one may never end."""
    os.mkfifo("pipe.csv")
    Path("files.csv").write_text(GOOD)

    with pytest.raises(StorageError, match="not a regular file"):
        read_table("*.csv")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("select * frm people", "cannot be read"),
        ("select nothing from 'people.csv'", 'Referenced column "nothing" not found'),
        ("select * from nowhere", "nowhere does not exist"),
        ("select * from called", "called does not exist"),  # which is a variable where the query is made
        ("select * from 'nowhere.csv'", "No files found"),
        ("select 1; drop table x", "must be a single SELECT"),
        ("select * from 'people.csv' where 1 = 0", "the query has no rows"),
        ("select error('boo')", "boo"),
        ("select * from 'https://127.0.0.1:1/x.parquet'", "cannot be read"),
        ("with x", "syntax error"),
    ],
)
def test_a_wrong_query_is_told(query, sentence):
    """In DuckDB's words, of which the first line says enough."""
    Path("people.csv").write_bytes(text(people()))

    with pytest.raises(TwoLayerError, match=sentence) as caught:
        read_table(query)
    assert "\n" not in str(caught.value)


def test_too_little_room_is_told(monkeypatch):
    """Where memory is not enough and the disk has none, the cure is named."""
    connect = tables.connect

    def without_disk(memory_bytes, *more):
        connection = connect(memory_bytes, *more)
        connection.execute("SET max_temp_directory_size = '0KiB'")
        return connection

    monkeypatch.setattr(reading, "connect", without_disk)
    with pytest.raises(StorageError, match="the query does not fit: increase `memory`, or free some disk space"):
        read_table("select random() as a, random() as b from range(20000000)", memory_bytes=2**20)


TOKENS = [b",", b";", b'"', b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"NA", b"nan", b"inf", b"1e999", b"9" * 25, b"\\"]

TOKENS += [b"\t", b" ", b"2020-01-01", b"Yes", b"{", b"\xef\xbb\xbf", "\N{LINE SEPARATOR}".encode()]

CHANGES = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from([*TOKENS, None]), st.integers(1, 50)), min_size=1, max_size=8
)


@pytest.mark.parametrize("form", ["comma.csv", "decimal comma.csv", "space.data", "lines.jsonl", "rows.parquet"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_any_change_of_a_file_gives_a_table_or_an_error_of_ours(form, changes):
    """What is inserted, deleted or doubled anywhere: samples of finite numbers, or one sentence."""
    content = FORMS[form](people())
    for place, token, size in changes:
        before, after = content[: place % (len(content) + 1)], content[place % (len(content) + 1) :]
        doubled = after[:size] if size > 40 else token
        content = before + (after[size:] if token is None else doubled + after)
    Path(form).write_bytes(content)

    try:
        table = read_table(form)
        X = samples(table, survey(table))
    except TwoLayerError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert np.isfinite(X).all()


def test_two_columns_of_one_name_are_told():
    """And are read under two."""
    Path("twice.csv").write_text("a;A;b;y\n" + "1,5;2;x;no\n2;3;z;yes\n" * 20)
    table = read_table("twice.csv")

    assert table.notes == ("Two columns are named 'A': the second one is read as 'A_1'.",)
    assert list(table.kinds) == ["a", "A_1", "b", "y"]
    assert survey(table, "y").report.warnings[0] == table.notes[0]
    Path("once.csv").write_bytes(text(people()))
    assert read_table("once.csv").notes == ()
