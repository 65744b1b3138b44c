"""A table is the same whatever holds it, and so are its rows, block by block; what cannot be one is told."""

import gc
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twolayer.data.encoding import CategoryColumn, Encoding, NumberColumn
from twolayer.data.rows import gather
from twolayer.data.tables.reading import read_table
from twolayer.data.tables.survey import code_target, survey_table
from twolayer.data.tables.tables import TableRows, as_table, as_text, explained, select
from twolayer.errors import DataError, StorageError

TEXTS = ["plain", "a,b;c\td|e", 'say "hi"', "line\nend", "x y"]

FEW = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def people(m=60, seed=0):
    """Return a table with a number, a whole number, categories, missing ones, and a target."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "pay": random.normal(size=m).round(3),
            "age": random.integers(20, 70, m),
            "job": random.choice(TEXTS, m),
            "income": random.choice(["low", "high"], m),
        }
    )
    frame.loc[::7, "pay"] = None
    frame.loc[::11, "job"] = None
    return frame


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left(tmp_path_factory):
    """See that no temporary file or folder outlives the tables, whatever becomes of them."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield
    gc.collect()  # an error that was caught holds the table that it is about
    assert os.listdir(folder) == []


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def text(frame, **options):
    """Return a frame as the bytes of a CSV file."""
    return frame.to_csv(index=False, **options).encode()


def json_lines(frame):
    return frame.to_json(orient="records", lines=True).encode()


def parquet(frame):
    file = io.BytesIO()
    frame.to_parquet(file, row_group_size=16)
    return file.getvalue()


def survey(table, target="income"):
    return survey_table(table, target, fraction=0.25)


def samples(table, found):
    """Return all rows, encoded."""
    return gather(TableRows(table, found.encoding))


EXPECTED = {}  # what the frames that come again and again are in memory


def in_memory(frame, target):
    """Return the survey and the samples of a frame in memory."""
    key = frame.to_json(), target
    if key not in EXPECTED:
        table = as_table(frame)
        found = survey(table, target)
        EXPECTED[key] = found, samples(table, found)
    return EXPECTED[key]


def assert_same(table, frame, target="income"):
    """Compare the survey, the encoding and the samples of a table with those of the frame in memory."""
    own, (expected, X) = survey(table, target), in_memory(frame, target)

    assert (own.labels.classes, own.report) == (expected.labels.classes, expected.report)
    assert own.encoding.value_names == expected.encoding.value_names
    np.testing.assert_array_equal(own.labels.codes, expected.labels.codes)
    np.testing.assert_array_equal(own.test, expected.test)
    np.testing.assert_allclose(samples(table, own), X, rtol=1e-6, atol=1e-6)


FRAMES = {
    "pandas": lambda frame: frame,
    "pandas with an index": lambda frame: frame.set_index(np.arange(len(frame))[::-1]),
    "pandas of objects": lambda frame: frame.astype(object),
    "pandas of categories": lambda frame: frame.astype({"job": "category", "income": "category"}),
    "pandas with Int64": lambda frame: frame.astype({"age": "Int64", "job": "string"}),
    "polars": pl.from_pandas,
    "polars, lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "polars of categories": lambda frame: pl.from_pandas(frame).with_columns(pl.col("job").cast(pl.Categorical)),
    "Arrow": pa.Table.from_pandas,
    "a dict of arrays": lambda frame: {str(name): frame[name].to_numpy() for name in frame},
    "a dict of lists": lambda frame: frame.astype(object).where(frame.notna(), None).to_dict("list"),
    "a dict of series": lambda frame: dict(pl.from_pandas(frame).to_dict()),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_every_kind_are_the_same_table(kind):
    """As the same frame of pandas, which is that in every file."""
    assert_same(as_table(FRAMES[kind](people())), people())


def test_a_table_stays_what_it_is():
    """No copy is made of it."""
    table = as_table({"a": [1, 2]})

    assert as_table(table) is table


def test_polars_needs_no_pyarrow():
    """DuckDB's own way to read polars would import it."""
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import polars as pl\n"
        "from twolayer.data.tables import as_table\n"
        "frame = pl.DataFrame({'a': [1.5, None], 'b': ['x', None], 'c': [True, False], 'd': [[1], [2]]})\n"
        "print(as_table(frame).kinds, as_table(frame.lazy()).n_rows)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed == "{'a': 'number', 'b': 'category', 'c': 'category', 'd': 'other'} 2\n"


class Odd:
    """Something with columns that no library knows."""

    columns = ("a",)


WRONG_FRAMES = {
    "an array": (np.ones((3, 2)), "takes a data frame, or a mapping of names to columns, not a ndarray"),
    "nothing": (None, "not a NoneType"),
    "a text": ("people.csv", "not a str"),
    "columns of two lengths": ({"a": [1, 2], "b": [1]}, "the same length: 'a' has 2 values, 'b' has 1"),
    "a single value": ({"a": 1}, "'a' must be a list or an array with one value"),
    "a matrix": ({"a": [1, 2], "b": np.ones((2, 2))}, "'b' must be a list or an array with one value"),
    "uneven lists": ({"a": [[1], [1, 2]]}, "'a' has rows of different lengths"),
    "no columns": ({}, "cannot be read"),
    "a pandas frame without columns": (pd.DataFrame(index=[1, 2]), "cannot be read"),
    "complex numbers": ({"a": [1j, 2]}, "convert such columns to numbers or text"),
    "no rows": (people(0), "no rows"),
    "no rows in polars": (pl.DataFrame({"a": []}), "no rows"),
    "something else with columns": (Odd(), "cannot be read"),
}


@pytest.mark.parametrize("kind", WRONG_FRAMES)
def test_what_is_no_frame_is_told(kind):
    """With what is wrong with it."""
    data, sentence = WRONG_FRAMES[kind]

    with pytest.raises(DataError, match=sentence):
        as_table(data)


NAMES = ["rowid", "file_row_number", "v", "n", "code", "kept", "c0", "x0", "data", "frame", "whole", "select", "named"]

NAMES += ['say "x"', "don't", ";", "%", "$levels0", "two words", "größe", "rowid_", "beside", "h"]


def in_three_sources(frame):
    """Return a frame as tables: in memory, as Parquet, as CSV."""
    Path("odd.parquet").write_bytes(parquet(frame))
    Path("odd.csv").write_bytes(text(frame))
    return as_table(frame), read_table("odd.parquet"), read_table("odd.csv")


def test_columns_may_have_any_name():
    """Also names that DuckDB, or a query made here, has for something else; numbers and categories in turn."""
    frame = people()
    shuffled = [frame[["age", "job"][k % 2]].sample(frac=1, random_state=k).array for k in range(len(NAMES))]
    shuffled = [pd.Series(values).where(frame.index >= k) for k, values in enumerate(shuffled)]  # no two are the same
    frame = pd.DataFrame(dict(zip([*NAMES, "y"], [*shuffled, frame["income"]], strict=True)))
    plain = as_table(frame.set_axis([*(f"column {k}" for k in range(len(NAMES))), "y"], axis=1))
    expected = survey(plain, "y")
    for table in in_three_sources(frame):
        own = survey(table, "y")

        assert list(table.kinds) == [*NAMES, "y"]
        assert [shown[1:] for shown in own.report.columns] == [shown[1:] for shown in expected.report.columns]
        np.testing.assert_array_equal(samples(table, own), samples(plain, expected))


@pytest.mark.parametrize("name", ["ROWID", "file_row_number", "v", "label"])
def test_a_target_may_have_any_name(name):
    """And classes go with their rows."""
    frame = people().rename(columns={"income": name})
    for table in in_three_sources(frame):
        np.testing.assert_array_equal(survey(table, name).labels.codes, (frame[name] == "low").astype(int))


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        (pd.Series([1, None], dtype="Int64"), "number"),
        (pd.Series([2**64 - 1, 1], dtype="uint64"), "number"),
        (pd.Series([True, None], dtype=object), "category"),
        (pd.Series([1, "a"], dtype=object), "category"),
        (pd.Series(pd.to_datetime(["2020-01-01", None])), "date"),
        (pd.Series(pd.to_timedelta([1, 2], unit="s")), "date"),
        (pd.Series([[1], [2]]), "other"),
        (pd.Series([{"a": 1}, {"a": 2}]), "other"),
        (pd.Series([b"1", b"2"]), "other"),
        (pl.Series([1, None], dtype=pl.UInt8), "number"),
        (pl.Series([1, 2], dtype=pl.Int128), "number"),
        (pl.Series(["a", None], dtype=pl.Enum(["a"])), "category"),
        (pl.Series([None, None]), "category" if duckdb.__version__ >= "2" else "number"),
        (pl.Series([[1], [2]]), "other"),
        (pl.Series([{"a": 1}, {"a": 2}]), "other"),
    ],
    ids=str,
)
def test_the_kind_of_a_column_in_memory_is_found_out(series, kind):
    """In pandas and in polars."""
    frame = pd.DataFrame({"x": series}) if isinstance(series, pd.Series) else pl.DataFrame({"x": series})

    assert as_table(frame).kinds == {"x": kind}


def test_a_text_late_in_a_column_of_objects_is_seen():
    """Every value counts, not the first thousand."""
    values = pd.Series(range(5000), dtype=object)
    values[4321] = "x"

    assert as_table(pd.DataFrame({"x": values})).kinds == {"x": "category"}


ENCODING = Encoding(
    "income",
    (NumberColumn("pay", 0.5, 2.0, flagged=True), CategoryColumn("job", ("plain", "x y"), True, True)),
)


@FEW
@given(st.integers(1, 80), st.integers(1, 70), st.sampled_from(["frame", "parquet", "files", "rowid"]))
def test_blocks_of_any_size_are_the_whole_table(m, block_rows, source):
    """One after the other, whatever the table is stored in; none is larger than asked for."""
    frame = people(m)
    frame["pay"], frame["job"] = frame["pay"].astype(float), frame["job"].astype(object)
    if source in ("frame", "rowid"):
        table = as_table(frame.rename(columns={"age": "rowid"}) if source == "rowid" else frame)
    else:
        for old in Path().glob("*.parquet"):
            old.unlink()
        cut = m // 3 if source == "files" else m
        for name, part in (("1", frame[:cut]), ("2", frame[cut:])):
            if len(part):
                Path(f"{name}.parquet").write_bytes(parquet(part))
        table = read_table("*.parquet")
    rows = TableRows(table, ENCODING, block_rows, np.float64)
    blocks = [rows.read(block) for block in range(len(rows.blocks))]

    assert tuple(map(len, blocks)) == rows.blocks
    assert max(rows.blocks) <= block_rows
    assert rows.shape == (m, 6)
    pay, job = frame["pay"].to_numpy(), frame["job"]
    expected = [np.where(np.isnan(pay), 0, (pay - 0.5) / 2), np.isnan(pay), job == "plain", job == "x y"]
    expected += [~job.isin(["plain", "x y"]) & job.notna(), job.isna()]
    np.testing.assert_allclose(np.concatenate(blocks), np.column_stack(expected).astype(float), rtol=1e-12)


def test_large_parquet_files_keep_the_order_of_their_rows():
    """With many groups of rows and two files, read on several threads."""
    m = 150_000
    frame = pd.DataFrame({"x": np.arange(m), "y": np.arange(m) % 7})
    frame[:100_000].to_parquet("1.parquet", row_group_size=5000)
    frame[100_000:].to_parquet("2.parquet", row_group_size=7000)
    table = read_table("*.parquet")
    encoding = Encoding("y", (NumberColumn("x", 0.0, 1.0),))

    assert [n for _, _, n in table.parts] == [100_000, 50_000]
    np.testing.assert_array_equal(gather(TableRows(table, encoding, 20_001, np.float64))[:, 0], np.arange(m))
    table.write(Path("out.parquet"), ["y"], {"row": np.arange(m)})
    written = pd.read_parquet("out.parquet")
    np.testing.assert_array_equal(written["row"] % 7, written["y"])


@pytest.mark.parametrize("source", ["frame", "parquet"])
def test_texts_of_large_tables_keep_the_order_of_their_rows(source):
    """Several threads read them; classes and samples must go together, here and in each other query."""
    m = 400_000
    frame = pd.DataFrame({"x": np.arange(m), "letter": np.array(list("abcdefg"))[np.arange(m) % 7]})
    if source == "parquet":
        frame.to_parquet("large.parquet", row_group_size=9000)
    table = as_table(frame) if source == "frame" else read_table("large.parquet")

    for _ in range(3):
        x, letters = (select(table, [column], 0, 0, m)[0] for column in ("x", as_text("letter")))
        np.testing.assert_array_equal(x, frame["x"])
        assert (letters == frame["letter"].to_numpy(object)).all()
    np.testing.assert_array_equal(code_target(table, "letter", list("abcdefg")).codes, np.arange(m) % 7)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_columns_are_written_beside_others(name):
    """Row by row, with texts that need quotes."""
    frame = people()
    as_table(frame).write(Path(name), ["job", "age"], {"class": np.array(["a", "b"] * 30, object)})
    read = pd.read_csv(name) if name.endswith("csv") else pd.read_parquet(name)

    assert list(read) == ["job", "age", "class"]
    assert read["class"].tolist() == ["a", "b"] * 30
    assert read["age"].tolist() == frame["age"].tolist()
    assert read["job"].fillna("-").tolist() == frame["job"].fillna("-").tolist()


def test_texts_are_kept_as_they_are_written():
    """An id of zeros and digits is no number."""
    Path("ids.csv").write_text("id,x\n" + "".join(f"{k:05d},{k / 2}\n" for k in range(40)))
    table = read_table("ids.csv")
    table.write(Path("out.csv"), ["id"], {"k": np.arange(40)})

    assert pd.read_csv("out.csv", dtype=str)["id"].tolist() == [f"{k:05d}" for k in range(40)]


NEW = {
    "another order": (lambda frame: frame[["job", "age", "pay"]], None),
    "numbers as text": (lambda frame: frame.assign(pay=frame["pay"].astype(str)), None),
    "whole numbers": (lambda frame: frame.assign(pay=3), None),
    "whole numbers as categories": (lambda frame: frame.assign(job=3), None),
    "only missing ones": (lambda frame: frame.assign(pay=None, job=None), None),
    "another name": (lambda frame: frame.rename(columns={"pay": "Pay"}), "no column 'pay', which the model needs"),
    "both gone": (lambda frame: frame[["age"]], "no columns 'pay', 'job', which the model needs: it has age"),
    "text for numbers": (lambda frame: frame.assign(pay="much"), "'pay' of .* holds text .'much'. where .* numbers"),
    "dates for numbers": (lambda frame: frame.assign(pay=pd.Timestamp("2020-01-01")), "'pay' .* holds dates"),
    "lists for numbers": (
        lambda frame: frame.assign(pay=[[1]] * len(frame)),
        "'pay' .* holds neither numbers nor text",
    ),
    "decimals for categories": (lambda frame: frame.assign(job=1.5), "'job' .* decimal numbers .* such as 'plain'"),
    "dates for categories": (lambda frame: frame.assign(job=pd.Timestamp("2020-01-01")), "'job' .* holds dates"),
    "lists for categories": (lambda frame: frame.assign(job=[["a"]] * len(frame)), "'job' .* neither numbers nor text"),
}


@pytest.mark.parametrize("change", NEW)
def test_new_data_whose_columns_differ(change):
    """In order or in how they are stored: fine; in name or kind: a sentence with the column."""
    alter, sentence = NEW[change]
    frame = people().dropna()
    table = as_table(alter(frame))
    if sentence is None:
        X = gather(TableRows(table, ENCODING))
        assert X.shape == (len(frame), 6)
        if change in ("another order", "numbers as text"):
            np.testing.assert_array_equal(X, gather(TableRows(as_table(frame), ENCODING)))
        return

    with pytest.raises(DataError, match=sentence):
        TableRows(table, ENCODING)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(np.inf, "an infinite value"), (-np.inf, "an infinite value"), (1e300, "a value too large to compute with")],
)
def test_numbers_that_are_not_finite_are_told_when_they_are_read(value, sentence):
    """Also those that become infinite in the numbers of the network."""
    table = as_table(people().assign(pay=value))

    with pytest.raises(DataError, match=f"'pay' of the data has {sentence}"):
        TableRows(table, ENCODING).read(0)


def test_queries_select_rows_by_their_place():
    """Of one part of the table, in order."""
    table = as_table({"x": np.arange(10)})

    (values,) = select(table, ["x * 2"], 0, 3, 4)
    assert values.tolist() == [6, 8, 10, 12]


def test_numbers_too_large_to_add_up_are_told():
    """Mean and deviation would be no numbers."""
    with pytest.raises(DataError, match="too large to add up"):
        survey(as_table({"x": [1e308, -1e308] * 9, "y": ["a", "b"] * 9}), "y")


@settings(max_examples=3 * settings.default.max_examples // 5)
@given(
    before=st.text("\t\n\r \u00a0\u2003\u3000", max_size=4),
    after=st.text("\t\n\r \u00a0\u2003\u3000", max_size=4),
    text=st.sampled_from(["a", "a b", "a\u00a0b", "x", ""]),
)
def test_white_space_of_any_kind_is_taken_off_the_ends(before, after, text):
    """Tabs, line ends and the spaces of other scripts, in any mixture; what is within stays."""
    table = as_table({"job": [f"{before}{text}{after}", "other"]})

    assert table.ask(f"SELECT {as_text('job')} FROM {table.whole}")[0][0] == (text or None)


INTERRUPT = """
import os, signal, sys, threading
from twolayer.data.tables.tables import as_table, connect, load
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)
slow = "SELECT count(*) AS n FROM range(100000000000) WHERE hash(range) % 7 = 3"
table = as_table({"x": [1, 2]})
threading.Timer(0.3, os.kill, (os.getpid(), getattr(signal, sys.argv[1]))).start()
try:
    table.ask(slow) if sys.argv[2] == "ask" else load("it", connect(None), f"({slow})", "it")
except KeyboardInterrupt:
    print("interrupted", table.n_rows)
"""


@pytest.mark.parametrize(("name", "way"), [("SIGINT", "ask"), ("SIGTERM", "load")])
def test_an_interrupt_while_duckdb_works_stays_one(name, way):
    """DuckDB makes a RuntimeError of it."""
    command = [sys.executable, "-c", INTERRUPT, name, way]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)

    assert ended.stdout == "interrupted 2\n"


@pytest.mark.parametrize(
    ("raised", "writes", "expected"),
    [
        (duckdb.InterruptException("Interrupted!"), False, KeyboardInterrupt),
        (RuntimeError("Query interrupted"), False, KeyboardInterrupt),
        (RuntimeError("another"), False, RuntimeError),
        (duckdb.OutOfMemoryException("x"), False, StorageError),
        (duckdb.IOException(f"x: {os.strerror(28)}"), False, StorageError),
        (duckdb.IOException(f"x: {os.strerror(28)}"), True, OSError),
        (duckdb.OutOfRangeException("x"), False, DataError),
        (duckdb.BinderException("Binder Error: x\nmore"), False, DataError),
    ],
    ids=str,
)
def test_what_duckdb_raises_is_told(raised, writes, expected):
    """Each kind in its own way."""
    with pytest.raises(expected) as caught, explained("it", writes=writes):
        raise raised
    assert type(caught.value) is expected
