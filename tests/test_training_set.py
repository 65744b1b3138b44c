"""What a training gets: samples to learn from and to test on, in memory or read block by block."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolayer.data.catalogue import ReadOptions
from twolayer.data.rows import ArrayRows, Rows, gather, spool
from twolayer.data.table_encoding import CategoryColumn, NumberColumn, TableEncoding
from twolayer.data.tables import TableRows, as_table
from twolayer.data.training_set import TrainingOptions, load_training_set, parse_bytes
from twolayer.errors import DataError, SettingError
from twolayer.fitting import fit_model

LITTLE = 1  # byte of memory: all that can be streamed is
LIMIT_BYTES = 450 * 10**6


def write_people(path, n=300, seed=0):
    """Write a CSV file of people, two classes."""
    random = np.random.default_rng(seed)
    age, work = random.integers(18, 80, n), random.choice(["a", "b", ""], n)
    rich = np.where(age + random.normal(0, 9, n) > 50, "yes", "no")
    lines = [f"{k + 1},{a},{w},{r}" for k, (a, w, r) in enumerate(zip(age, work, rich, strict=True))]
    path.write_text("\n".join(["id,age,work,rich", *lines]) + "\n")
    return str(path)


def write_parquet(csv, path):
    """Write the same table as Parquet, in small row groups."""
    import duckdb

    duckdb.execute(f"COPY (FROM '{csv}') TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return str(path)


def test_a_fifth_is_held_out_where_there_is_no_test_part(tmp_path):
    """Of a table and of arrays; a share on request, or none."""
    people = write_people(tmp_path / "people.csv")
    for share, n_test in ((None, 60), (0.5, 150), (0.0, 0)):
        samples = load_training_set(people, TrainingOptions(target="rich", hold_out=share))
        assert (samples.report.n_test, len(samples.codes)) == (n_test, 300 - n_test)
        assert (samples.X_test is None) is (n_test == 0)
    digits = load_training_set("digits")
    assert (len(digits.codes), len(digits.codes_test)) == (1438, 359)


def test_another_file_is_tested_on(tmp_path):
    """With the encoding of the first one, and all rows of it are learned from."""
    people, others = write_people(tmp_path / "people.csv"), write_people(tmp_path / "others.csv", 50, seed=1)
    samples = load_training_set(people, TrainingOptions(target="rich", test=others))

    assert (len(samples.codes), len(samples.codes_test), samples.hold_out) == (300, 50, 0.0)
    table = as_table({"age": [samples.table.columns[0].mean], "work": ["a"], "rich": ["no"]})
    assert TableRows(table, samples.table).read(0)[0, 0] == 0
    with pytest.raises(SettingError, match="not both"):
        load_training_set(people, TrainingOptions(target="rich", test=others, hold_out=0.1))
    with pytest.raises(DataError, match="is no table"):
        load_training_set(people, TrainingOptions(target="rich", test="digits"))


def test_the_positive_class_is_the_second(tmp_path):
    """Of tables and of other samples; codes follow."""
    people = write_people(tmp_path / "people.csv")
    plain = load_training_set(people, TrainingOptions(target="rich"))
    turned = load_training_set(people, TrainingOptions(target="rich", positive="no"))

    assert (plain.classes, turned.classes) == (("no", "yes"), ("yes", "no"))
    assert load_training_set("digits:3,5", TrainingOptions(positive="3")).classes == (5, 3)


def test_columns_are_asked_of_tables_alone():
    """And a table must say which column tells the class."""
    for options in (TrainingOptions(target="y"), TrainingOptions(ignore=("y",))):
        with pytest.raises(SettingError, match="for tables"):
            load_training_set("digits", options)
    assert load_training_set("iris").target == "target"


@pytest.mark.parametrize("kind", ["csv", "parquet", "npy"])
def test_what_memory_does_not_hold_is_trained_on_as_if_it_did(tmp_path, kind):
    """Rows, read block by block, give the samples and the training that they give in memory, to rounding."""
    people = write_people(tmp_path / "people.csv", 30_000)
    options = {"dtype": "float64"}
    if kind == "npy":
        X = np.random.default_rng(0).standard_normal((60_000, 40))
        np.save(tmp_path / "X.npy", X)
        np.save(tmp_path / "y.npy", (X[:, 0] > 0).astype(int))
        name = str(tmp_path / "X.npy")
    else:
        options |= {"target": "rich", "ignore": ("id",)}
        name = people if kind == "csv" else write_parquet(people, tmp_path / "people.parquet")
    held = load_training_set(name, TrainingOptions(**options))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("twolayer.data.training_set._LEAST_ROOM", 2**18)
        patch.setattr("twolayer.data.tables._connect", _unlimited())
        streamed = load_training_set(name, TrainingOptions(**options, memory_bytes=LITTLE))

    assert isinstance(streamed.X, Rows)
    assert len(streamed.X.blocks) > 1
    np.testing.assert_array_equal(held.codes, streamed.codes)
    np.testing.assert_allclose(held.X, gather(streamed.X), rtol=1e-12)
    network = {"classes": range(2), "max_iter": 5, "dtype": "float64", "table": held.table}
    (a, _), (b, _) = (fit_model(each.X, each.codes, **network) for each in (held, streamed))
    for parameter, value in a.parameters.items():
        np.testing.assert_allclose(value, b.parameters[parameter], rtol=1e-6, atol=1e-9)


def _unlimited():
    """Return what connects to DuckDB whatever the memory."""
    from twolayer.data import tables

    connect = tables._connect
    return lambda _: connect(None)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 50))
def test_blocks_of_any_size_make_the_same_table(n, block_rows):
    """One after the other they are all rows."""
    columns = {"age": np.arange(n) * 1.5, "tree": np.array(["ash", "elm", "fir"], object)[np.arange(n) % 3]}
    table = as_table({**columns, "y": np.arange(n) % 2})
    encoding = TableEncoding("y", (NumberColumn("age", 2.0, 3.0), CategoryColumn("tree", ("elm", "ash"), rare=True)))

    rows = TableRows(table, encoding, block_rows, np.float64)

    assert max(rows.blocks) <= block_rows
    X = gather(rows)
    np.testing.assert_allclose((columns["age"] - 2) / 3, X[:, 0])
    np.testing.assert_array_equal(
        [["elm", "ash", "fir"].index(tree) for tree in columns["tree"]], X[:, 1:].argmax(axis=1)
    )


def test_a_spool_keeps_every_value_and_needs_room(monkeypatch):
    """On a disk that is full the rows are read from where they are."""
    X = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
    rows = ArrayRows(X, 7)

    kept = spool(rows, 11)
    assert kept is not rows
    np.testing.assert_array_equal(X, gather(kept))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    assert spool(rows, 11) is rows


@given(st.integers(1, 10**6), st.sampled_from([("", 1), ("kB", 10**3), ("MB", 10**6), ("GiB", 2**30), ("M", 2**20)]))
def test_amounts_of_memory_are_read(n, unit):
    """In the units that people write, with or without a space."""
    name, size = unit

    assert parse_bytes(f"{n}{name}") == parse_bytes(f" {n} {name.lower()} ") == n * size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "nan", "inf", "1XB", "0"])
def test_what_is_no_amount_of_memory_is_told(text):
    """With an example of one."""
    with pytest.raises(SettingError, match="800MB"):
        parse_bytes(text)


def test_labels_of_an_array_are_named(tmp_path):
    """In a file of any name."""
    np.save(tmp_path / "some.npy", np.random.default_rng(0).random((40, 3)))
    np.save(tmp_path / "truth.npy", np.arange(40) % 2)

    read = ReadOptions(labels=tmp_path / "truth.npy")
    samples = load_training_set(str(tmp_path / "some.npy"), TrainingOptions(read=read))
    assert samples.classes == (0, 1)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems count memory in another way")
def test_a_large_file_is_trained_on_within_a_limit_of_memory(tmp_path):
    """600 MB of features under a limit that the kernel keeps; the peak of the process stays below it."""
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (1_500_000, 100))
    random = np.random.default_rng(0)
    for first in range(0, len(X), 50_000):
        X[first : first + 50_000] = random.standard_normal((50_000, 100), np.float32)
    np.save(tmp_path / "y.npy", (X[:, 0] > 0).astype(np.uint8))
    X.flush()
    del X
    command = [
        "train",
        str(tmp_path / "X.npy"),
        "--memory",
        "400MB",
        "--iterations",
        "3",
        "--out",
        str(tmp_path / "run"),
    ]
    code = (
        "import resource, sys; from twolayer import cli\n"
        f"resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT_BYTES}, {LIMIT_BYTES}))\n"
        f"code = cli.run({[*command, '--no-pictures', '--quiet']!r})\n"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1]\n"
        "print(code, peak)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    exit_code, peak_kib = map(int, ended.stdout.split()[-2:])
    assert exit_code == 0, ended.stderr
    assert "streamed" in ended.stdout
    assert peak_kib * 1024 < LIMIT_BYTES < (tmp_path / "X.npy").stat().st_size
    assert Path(tmp_path / "run" / "model.safetensors").exists()
