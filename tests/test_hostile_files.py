"""Files made to do harm: bombs, lies, endless things, and names and queries that mean something else, one by one.

What takes memory is read in a process of its own that may not have it.
"""

import gzip
import os
import re
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.little_memory import LINUX, MIB, read_with_little_memory
from tests.test_arrays import header as npy_header
from twolayer.data import packed
from twolayer.data.readers import arrays, idx
from twolayer.data.readers.arrays import read_npy, read_npz
from twolayer.data.readers.idx import read_idx
from twolayer.data.rows import gather
from twolayer.data.tables import tables
from twolayer.data.tables.reading import read_table
from twolayer.data.tables.survey import survey_table
from twolayer.data.tables.tables import TableRows, as_table
from twolayer.errors import DataError, FileFormatError, MissingFileError, StorageError, TwoLayerError
from twolayer.files import checkpoint, model_file
from twolayer.files.model_file import load
from twolayer.runs.folder import RunFolder
from twolayer.training import history
from twolayer.training.history import read_history

READ_IDX = "twolayer.data.readers.idx:read_idx"
READ_NPY = "twolayer.data.readers.arrays:read_npy"
READ_NPZ = "twolayer.data.readers.arrays:read_npz"
READ_TABLE = "twolayer.data.tables.reading:read_table"
LOAD, READ_CHECKPOINT = "twolayer.files.model_file:load", "twolayer.files.checkpoint:FORM.read"


def zeros_in_gzip(n_mib):
    """Return gzip members that hold so many MiB of zeros in a thousandth of that, made in a moment."""
    return gzip.compress(bytes(16 * MIB), 9, mtime=0) * (n_mib // 16)


def zeros_in_deflate(n_mib):
    """Return a deflate stream of so many MiB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(16 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (n_mib // 16) + b"\3\0"


def zip_of(*members):
    """Return an archive of members, which may claim what they like.

    A member is its name, packed content, size claimed, method and, if it is another, the packed size claimed.
    """
    body, directory = b"", b""
    for name, content, size, method, *packed_size in members:
        packed_bytes = packed_size[0] if packed_size else len(content)
        fields = struct.pack("<HHHHHIII", 20, 0, method, 0, 33, zlib.crc32(content), packed_bytes, size)
        names = struct.pack("<HH", len(name), 0)
        directory += b"PK\1\2" + b"\x14\0" + fields + names + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + fields + names + name + content
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def npz_of_zeros(n_mib, *, name=b"X.npy", shape=None, descr="|u1"):
    """Return the member of an NPZ that holds so many MiB of zeros, deflated."""
    start = npy_header(shape or (n_mib * MIB // 8, 8), descr)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH) + zeros_in_deflate(n_mib)
    return name, content, len(start) + n_mib * MIB, 8


def idx_header(*sizes, code=8):
    return bytes([0, 0, code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


@LINUX
def test_gzipped_idx_files_that_claim_much_are_refused_before_memory_is_taken(tmp_path):
    """A gigabyte of zeros in a megabyte, whether or not it is there; nor is anything behind what is claimed read."""
    contents = {
        "holds": gzip.compress(idx_header(1024, MIB)) + zeros_in_gzip(1024),
        "claims": gzip.compress(idx_header(1024, MIB)) + os.urandom(MIB),
        "tail": gzip.compress(idx_header(8)) + zeros_in_gzip(1024),
        "numbers": gzip.compress(idx_header(128, MIB, code=14)) + zeros_in_gzip(1024),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    said = dict(zip(contents, read_with_little_memory(READ_IDX, *map(tmp_path.joinpath, contents)), strict=True))

    for name in ("holds", "claims", "numbers"):
        assert "claims 1,073,741,824 bytes out of 1,0" in said[name]
        assert "a decompression bomb" in said[name]
    assert "is longer than the 8 bytes" in said["tail"]


def test_a_gzipped_idx_file_may_hold_a_hundred_times_what_is_stored(tmp_path, monkeypatch):
    """Not a byte more, beyond what any file may hold."""
    monkeypatch.setattr(packed, "MOST_ALWAYS", 1000)
    for size, good in ((1000, True), (1001, False)):
        (tmp_path / "zeros").write_bytes(gzip.compress(idx_header(size) + bytes(size), 9, mtime=0))
        if good:
            assert read_idx(tmp_path / "zeros").tolist() == [0] * size
            continue
        monkeypatch.setattr(packed, "MOST_TIMES", 10)
        with pytest.raises(FileFormatError, match=r"claims 1,001 bytes out of \d\d: a decompression bomb"):
            read_idx(tmp_path / "zeros")


@LINUX
def test_archives_that_claim_much_are_refused_before_memory_is_taken(tmp_path):
    """One member or several together, letters that take four bytes each, truth values that take eight as labels."""
    m = 16 * MIB
    contents = {
        "one": [npz_of_zeros(1024)],
        "several": [npz_of_zeros(160, name=name) for name in (b"x_train.npy", b"x_test.npy")],
        "letters": [npz_of_zeros(16, shape=(m, 1)), npz_of_zeros(80, name=b"y.npy", shape=(m,), descr="|S5")],
        "truths": [npz_of_zeros(64, shape=(4 * m, 1)), npz_of_zeros(64, name=b"y.npy", shape=(4 * m,), descr="|b1")],
    }
    for name, members in contents.items():
        (tmp_path / name).write_bytes(zip_of(*members))

    said = dict(zip(contents, read_with_little_memory(READ_NPZ, *map(tmp_path.joinpath, contents)), strict=True))

    for name, sentence in said.items():
        assert "a decompression bomb" in sentence, name
    assert re.search(r"claims 1,073,741,\d\d\d bytes out of 1,\d\d\d,\d\d\d:", said["one"])


@LINUX
def test_an_archive_with_very_many_members_is_refused_before_they_are_listed(tmp_path):
    """Each would take a kilobyte of memory."""
    entry = zip_of((b"a", b"", 0, 0))
    directory = entry[entry.index(b"PK\1\2") : entry.index(b"PK\5\6")]
    n = 1_000_000
    end = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, n * len(directory), 0, 0)
    (tmp_path / "many.npz").write_bytes(directory * n + b"PK\5\6" + end)

    assert "too many arrays" in read_with_little_memory(READ_NPZ, tmp_path / "many.npz")[0]


def test_archives_that_lie_give_an_error(tmp_path):
    """Sizes too large and too small, members that overlap or are packed otherwise, a name twice, other starts."""
    content = npy_header((4, 2)) + bytes(8)
    size = len(content)
    twice = zip_of((b"X.npy", content, size, 0), (b"X.npy", content, size, 0))
    overlapping = bytearray(zip_of((b"X.npy", content, size, 0), (b"y.npy", content, size, 0)))
    second = overlapping.rindex(b"PK\1\2")
    overlapping[second + 42 : second + 46] = bytes(4)
    encrypted = bytearray(zip_of((b"X.npy", content, size, 0)))
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    lies = {
        "more than there is": (zip_of((b"X.npy", content, 10**6, 0)), "more than it can hold"),
        "far more than there is": (zip_of((b"X.npy", content, 3 * 10**9, 8)), "claims 3,000,000,000 bytes, more"),
        "two sizes that are none": (zip_of((b"X.npy", content, 3 * 10**9, 8, 2**32 - 2)), "more than it can hold"),
        "bzip2": (zip_of((b"X.npy", content, size, 12)), "compressed in a way that NumPy does not use"),
        "encrypted": (bytes(encrypted), "encrypted"),
        "less than there is": (zip_of((b"X.npy", content, size - 1, 0)), "damaged"),
        "another checksum": (zip_of((b"X.npy", content, size, 0)).replace(content, content[:-1] + b"\1"), "damaged"),
        "a name twice": (twice, "both X and X"),
        "another name inside": (zip_of((b"X.npy", content, size, 0)).replace(b"X.npy", b"Y.npy", 1), "damaged"),
        "a name of a folder": (zip_of((b"X.npy/", b"", 0, 0)), "no array x_train or X"),
        "a name of a path": (zip_of((b"../../X.npy", content, size, 0)), "no array x_train or X"),
        "a long name": (zip_of((b"a" * 60_000, content, size, 0)), r"it has a{40}\): save"),
        "overlapping": (bytes(overlapping), "damaged"),
        "nested headers": (zip_of((b"X.npy", npy_header("(" * 4000), len(npy_header("(" * 4000)), 0)), "header"),
        "a header of headers": (zip_of((b"X.npy", content[:8] * 1000, 8000, 0)), "header"),
        "no archive": (b"PK\3\4" + bytes(100), "not an NPZ"),
    }
    for name, (archive, sentence) in lies.items():
        (tmp_path / f"{name}.npz").write_bytes(archive)
        with pytest.raises(TwoLayerError, match=sentence):
            read_npz(tmp_path / f"{name}.npz")


@pytest.mark.slow
@LINUX
def test_packed_tables_that_hold_much_are_refused_before_they_are_read(tmp_path):
    """A gigabyte of line ends, of zeros and of JSON in a megabyte."""
    lines = gzip.compress(b"1,2\n" * 4 * MIB, 9) * 64
    objects = gzip.compress(b'{"a": 1}\n' * MIB, 9) * 64
    for name, content in (("a.csv.gz", lines), ("b.csv.gz", zeros_in_gzip(1024)), ("c.jsonl.gz", objects)):
        (tmp_path / name).write_bytes(content)
    names = sorted(path for path in tmp_path.iterdir())

    for sentence in read_with_little_memory(READ_TABLE, *names, room=256 * MIB):
        assert "a decompression bomb" in sentence


@LINUX
def test_headers_that_claim_more_than_any_memory_are_refused(tmp_path):
    """Of 2^63 bytes and beyond, in each format, without a byte of memory for them."""
    claims = {
        READ_IDX: (idx_header(2**31, 2**31, 2, code=14), "claims"),
        READ_NPY: (npy_header((2**62, 2)), "promises"),
        READ_NPZ: (zip_of((b"X.npy", npy_header((2**62, 2)), 2**32 - 2, 8)), "more than it can hold|claims"),
        LOAD: ((2**63).to_bytes(8, "little") + b"{}", "cut short"),
        READ_CHECKPOINT: ((2**63).to_bytes(8, "little") + b"{}", "cut short"),
    }
    for reader, (content, sentence) in claims.items():
        path = tmp_path / (f"{reader}.npy")
        path.write_bytes(content)
        assert re.search(sentence, read_with_little_memory(reader, path)[0]), reader


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(("start", "filling"), [(b"", "ä".encode()), (b"a,b\n", b"x"), (b'a,b\n1,"', b"x\n")])
def test_a_table_of_one_long_line_takes_no_more_memory_than_it_is_given(tmp_path, start, filling):
    """A line of 100 MB, whatever it is made of; Python's own look at it included."""
    path = tmp_path / "long.csv"
    path.write_bytes(start + filling * (100_000_000 // len(filling)))

    (sentence,) = read_with_little_memory(READ_TABLE, path, room=1024 * MIB)

    assert not sentence.startswith("MemoryError")
    assert sentence == "a result" or str(path) in sentence


WIDE = {
    "commas": b"," * 8_000_000,
    "commas behind a header": b"a,b\n" + b"," * 8_000_000,
    "tabs": b"\t" * 100_000,
    "semicolons": b"a;b\n1;2\n" + b";" * 20_001 + b"\n",
    "quotes": b'"",' * 2_000_000,
    "names": b",".join(b"c%d" % k for k in range(20_002)) + b"\n",
}


@LINUX
def test_tables_of_more_columns_than_a_model_has_are_refused_before_they_are_read(tmp_path):
    """DuckDB would take gigabytes for a megabyte of commas."""
    for name, content in WIDE.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(content, 1))

    for sentence in read_with_little_memory(READ_TABLE, *sorted(tmp_path.iterdir()), room=128 * MIB):
        assert "has more than 20,001 columns" in sentence


def wide_table(path, columns, row):
    """Write a table of columns whose values a function of row and column gives; the last one tells the classes."""
    lines = [",".join(f"c{k}" for k in range(columns))]
    lines += [",".join(str(row(m, k)) for k in range(columns - 1)) + f",{m % 2}" for m in range(30)]
    path.write_text("\n".join(lines) + "\n")
    return read_table(str(path), memory_bytes=128 * MIB)


@pytest.mark.slow
def test_many_columns_of_numbers_take_little_memory(tmp_path):
    """Their different values are counted a few columns at a time."""
    table = wide_table(tmp_path / "wide.csv", 400, lambda m, k: (m * k) % (7 + k % 5))

    found = survey_table(table, "c399", fraction=0.25)

    X = gather(TableRows(table, found.encoding))
    names = [column.name for column in found.encoding.columns]
    assert len(names) > 300
    for place in (0, 127, 128, -1):
        numbers = np.array(table.ask(f"SELECT {names[place]} FROM data")).ravel()
        encoding = found.encoding.columns[place]
        np.testing.assert_allclose(X[:, place], (numbers - encoding.mean) / encoding.deviation, rtol=1e-5)


@pytest.mark.parametrize(
    "value",
    [pytest.param(lambda m, k: "abc"[m % 3], marks=pytest.mark.slow), lambda m, k: m % 3],
    ids=["text", "numbers"],
)
def test_the_work_for_a_table_grows_with_its_columns_and_not_with_their_square(tmp_path, monkeypatch, value):
    """Though all of them hold the same: some queries for each, and none of more columns than can be planned quickly."""
    asked = []
    run = tables.execute
    monkeypatch.setattr(tables, "execute", lambda connection, *query: asked.append(query[0]) or run(connection, *query))
    table = wide_table(tmp_path / "same.csv", 150, value)

    found = survey_table(table, "c149", fraction=0.25)
    gather(TableRows(table, found.encoding))

    assert sum("is the same as 'c0'" in warning for warning in found.report.warnings) == 148
    assert len(asked) < 10 * 150
    assert all(query.count("bit_xor") <= 32 and query.count("DISTINCT") <= 32 for query in asked)
    assert all(len(re.findall(r" AS c\d", query)) <= 129 for query in asked)


def test_columns_are_the_same_where_each_row_is():
    """The same values in another order are another column."""
    random = np.random.default_rng(0)
    texts, numbers = np.array(list("abc") * 20), np.arange(60) % 7
    order = random.permutation(60)
    columns = {"text": texts, "number": numbers, "other text": texts[order], "other number": numbers[order]}
    table = as_table({**columns, "text again": texts, "number again": numbers, "y": random.permutation(60) % 2})

    warnings = survey_table(table, "y").report.warnings

    assert [warning for warning in warnings if "is the same as" in warning] == [
        f"Column '{name} again' is the same as '{name}': leave one of them out with `ignore`."
        for name in ("text", "number")
    ]


def test_rows_come_in_their_order_whichever_way_they_are_read(tmp_path, monkeypatch):
    """DuckDB's threads may bring them in another one."""
    table = wide_table(tmp_path / "wide.csv", 200, lambda m, k: m * k)
    ask = table.ask_arrays
    monkeypatch.setattr(table, "ask_arrays", lambda *query: [values[::-1] for values in ask(*query)])

    columns = tables.select(table, [f"c{k}" for k in range(200)], 0, 10, 15)

    for k in (0, 1, 127, 128, 198):
        np.testing.assert_array_equal(columns[k], np.arange(10, 25) * k)


def test_a_text_with_many_commas_is_one_value(tmp_path):
    """Where it stands between quotes."""
    (tmp_path / "text.csv").write_bytes(b'a,b\n1,"' + b"," * 30_000 + b'"\n')

    assert read_table(str(tmp_path / "text.csv")).ask("SELECT a, length(b) FROM data") == [(1, 30_000)]


def read_request(path):
    """Read the request of a run in the folder of a file."""
    with RunFolder(path.parent, resume=True) as folder:
        return folder.read_request()


READERS = {
    "idx": (read_idx, "file"),
    "npz": (read_npz, "file"),
    "npy": (read_npy, "a.npy"),
    "table": (lambda path: read_table(str(path)), "a.csv"),
    "model": (load, "file"),
    "checkpoint": (checkpoint.FORM.read, "file"),
    "history": (read_history, "file"),
    "run": (read_request, "run.json"),
}


def make_socket(path):
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(path.name)


ODD = {
    "a pipe": os.mkfifo,  # into which nobody writes
    "a device behind a link": lambda path: path.symlink_to("/dev/zero"),  # which never ends
    "a socket": make_socket,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}


@pytest.mark.skipif(os.name == "nt", reason="there are no pipes, devices and sockets by name")
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, monkeypatch, name, kind):
    """By each reader; what is not there is missing, and so is a run where its request is none."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    read, file = READERS[name]
    ODD[kind](tmp_path / file)

    with pytest.raises(MissingFileError if kind == "a link to nothing" or name == "run" else StorageError):
        read(tmp_path / file)


def test_a_wrong_label_is_named_by_its_place_wherever_it_is(tmp_path, monkeypatch):
    """Labels are looked at block by block."""
    monkeypatch.setattr(arrays, "_BLOCK_VALUES", 2)
    np.save(tmp_path / "X.npy", np.zeros((5, 1)))
    np.save(tmp_path / "y.npy", np.array([0, 1, 0, 0.5, 1]))

    with pytest.raises(DataError, match=r"Label 3 .* is 0\.5"):
        read_npy(tmp_path / "X.npy")


QUERIES = {
    "select 1); copy (select 1) to 'out.csv'; --": "cannot be read",
    "select 1) to 'out.csv'": "cannot be read",
    "select 1; copy (select 1) to 'out.csv'": "must be a single SELECT",
    "select 1; select 2": "must be a single SELECT",
    "with x as (select 1) insert into data select 1": "must be a single SELECT",
    "with x as (copy (select 1) to 'out.csv') select * from x": "cannot be read",
    "select 1 /* ": "cannot be read",
    "from enable_logging(storage='file', storage_path='out')": "cannot be read",
    "from query('copy (select 1) to ''out.csv''')": "cannot be read",
    "from 'https://example.com/x.csv'": "cannot be read",
    "from read_csv('s3://bucket/x.csv')": "cannot be read",
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_and_does_nothing_else(tmp_path, monkeypatch, query):
    """It writes no file, starts no log, reaches no network, and is one SELECT."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises((FileFormatError, DataError), match=QUERIES[query]):
        read_table(query)

    assert os.listdir(tmp_path) == []


def test_a_wide_query_gives_a_table(tmp_path, monkeypatch):
    """Though DuckDB's settings can then be changed no more."""
    monkeypatch.chdir(tmp_path)
    Path("wide.csv").write_text(",".join(f"c{k}" for k in range(100)) + "\n" + ",".join("x" * 100) + "\n")

    table = read_table("select * from 'wide.csv'")
    texts = ", ".join(tables.as_text(name) for name in table.kinds)

    assert len(texts) > tables._WIDE_QUERY
    assert table.ask(f"SELECT {texts} FROM {table.whole}") == [("x",) * 100]


@pytest.mark.parametrize(
    "name", ["x[1].csv", "x[!a].csv", "*.csv", "x?.csv", "~x.csv", "a'b.csv", 'a"b.csv', "x[1].jsonl"]
)
def test_a_file_is_read_by_its_name_and_no_other(tmp_path, monkeypatch, name):
    """Whatever its name would mean as a pattern or in SQL."""
    monkeypatch.chdir(tmp_path)
    row = b'{"a": 7, "b": 8}\n' if name.endswith("jsonl") else b"a,b\n7,8\n"
    for other in ("x1.csv", "xb.csv", "other.csv", "x1.jsonl"):
        Path(other).write_bytes(row.replace(b"7", b"1"))
    Path(name).write_bytes(row)

    table = read_table(name)

    assert table.ask(f"SELECT * FROM {table.whole}") == [(7, 8)]


def test_names_of_columns_are_names_and_no_sql(tmp_path, monkeypatch):
    """In a table's header, and in a model that is asked about one."""
    monkeypatch.chdir(tmp_path)
    names = ['a"b', "a'; DROP TABLE data; --", "*", "rowid", "c0", "(select 1)", "data", "frame"]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    Path("odd.csv").write_text(f"{header}\n1,2,3,4,5,6,7,8\n9,10,11,12,13,14,15,16\n")

    table = read_table("odd.csv")

    assert list(table.kinds) == names
    for k, name in enumerate(names):
        assert table.ask(f"SELECT {tables.sql_name(name)} FROM {table.whole}") == [(k + 1,), (k + 9,)]


def test_the_limits_are_those_that_are_promised():
    """SECURITY.md names them."""
    promised = (Path(__file__).parents[1] / "docs/SECURITY.md").read_text()

    assert (idx.MAX_BYTES, arrays.MAX_BYTES, model_file.FORM.max_bytes) == (4 * 2**30,) * 3
    assert (packed.MOST_ALWAYS, packed.MOST_TIMES) == (256 * MIB, 100)
    assert (checkpoint.FORM.max_bytes, history.MAX_FILE_BYTES) == (16 * 2**30, 256 * MIB)
    for limit in ("4 GiB", "16 GiB", "256 MiB", "100 times"):
        assert limit in promised
