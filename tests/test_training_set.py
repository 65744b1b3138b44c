"""What a training gets is the same whether memory holds it or not, and never more than memory has room for."""

import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolayer.data import training_set
from twolayer.data.catalogue import ReadOptions
from twolayer.data.rows import ArrayRows, Rows, SomeRows, gather, spool
from twolayer.data.training_set import TrainingOptions, load_training_set, memory_bytes, parse_bytes
from twolayer.errors import DataError, SettingError, TwoLayerError
from twolayer.fitting import fit_model

DiskUsage = namedtuple("DiskUsage", "total used free")  # noqa: PYI024 - as shutil has it


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each test in a folder of its own, and see that nothing is left in that for temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    if os.listdir(temporary):  # a test that fails holds what it used
        gc.collect()
    assert os.listdir(temporary) == []


@pytest.fixture
def little_memory(monkeypatch):
    """Return options that leave some ten thousand bytes for samples."""
    monkeypatch.setattr(training_set, "_LEAST_ROOM", 20_000)
    return {"memory_bytes": 1, "dtype": "float64"}


def people(m=600, seed=0):
    """Return a table of numbers and categories, some missing, whose classes can be learned."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": random.normal(5, 3, m), "c": random.choice(["a", "b", "d"], m), "z": random.integers(0, 9, m)}
    )
    up = frame["x"] + 3 * (frame["c"] == "a") + random.normal(size=m) > 6
    frame["y"] = np.where(up, "up", "down")
    frame.loc[::9, "x"] = np.nan
    frame.loc[::11, "c"] = None
    return frame


def load(name, **options):
    return load_training_set(name, TrainingOptions(**options))


def fitted(samples, **options):
    """Return the result of a short training."""
    return fit_model(
        samples.X,
        samples.codes,
        X_test=samples.X_test,
        y_test=samples.codes_test,
        classes=range(len(samples.classes)),
        scale=samples.scale,
        dtype="float64",
        max_iter=12,
        **options,
    )[1]


def assert_same_training(streamed, whole, **options):
    """Compare what two trainings come to."""
    a, b = fitted(streamed, **options), fitted(whole, **options)

    assert a.n_iter == b.n_iter
    assert a.cost == pytest.approx(b.cost, rel=1e-7)
    assert (a.train_correct, a.test_correct) == (b.train_correct, b.test_correct)
    for name, value in b.parameters.items():
        np.testing.assert_allclose(a.parameters[name], value, rtol=1e-4, atol=1e-6)


def test_a_table_becomes_samples_to_learn_from_and_to_test_on():
    """A fifth is held out where nothing else is said; a share of 0 holds out none."""
    people().to_csv("people.csv", index=False)
    samples = load("people.csv", target="y")
    all_of_them = load("people.csv", target="y", hold_out=0.0)

    assert (len(samples.X), len(samples.X_test)) == (480, 120) == (len(samples.codes), len(samples.codes_test))
    assert (samples.classes, samples.target, samples.hold_out) == (("down", "up"), "y", 0.2)
    assert samples.input_shape == (samples.table.n_values,) == samples.X.shape[1:]
    assert (samples.report.n_train, samples.report.n_test) == (480, 120)
    assert (len(all_of_them.X), all_of_them.X_test, all_of_them.codes_test) == (600, None, None)
    assert samples.X.dtype == np.float32


def test_the_target_of_a_bundled_table_is_known():
    """Another may be named."""
    samples = load("wine")

    assert (samples.target, samples.classes) == ("target", ("class_0", "class_1", "class_2"))
    with pytest.raises(DataError, match="numbers that are not whole"):
        load("wine", target="alcohol")


def test_the_target_of_other_tables_must_be_said():
    """The columns are listed."""
    people().to_csv("people.csv", index=False)

    with pytest.raises(SettingError, match=r"Which column of people.csv tells the class\? .* it has x, c, z, y\."):
        load("people.csv")


def test_a_table_is_tested_on_another():
    """By the encoding of the training rows; the share held out is none."""
    people().to_csv("people.csv", index=False)
    others = people(100, seed=1)
    others.loc[:4, "y"] = None
    others[["y", "c", "z", "x"]].to_parquet("others.parquet")
    samples = load("people.csv", target="y", test="others.parquet")

    assert (len(samples.X), len(samples.X_test), samples.hold_out, samples.report.n_test) == (600, 95, 0.0, 95)
    x = samples.table.columns[0]
    np.testing.assert_allclose(
        samples.X_test[:, 0], ((others["x"] - x.mean) / x.deviation).fillna(0)[5:], rtol=1e-5, atol=1e-6
    )
    for change, sentence in (
        ({"test": "digits"}, "digits is no table"),
        ({"test": "iris"}, "iris has no column 'y', the target"),
        ({"test": "people.csv", "hold_out": 0.5}, "a share to hold out or samples to test on, not both"),
    ):
        with pytest.raises(TwoLayerError, match=sentence):
            load("people.csv", target="y", **change)
    others.assign(y="sideways").to_csv("odd.csv", index=False)
    with pytest.raises(DataError, match="'sideways' in 'y' that is not known"):
        load("people.csv", target="y", test="odd.csv")
    others.drop(columns="x").to_csv("odd.csv", index=False)
    with pytest.raises(DataError, match="no column 'x', which the model needs"):
        load("people.csv", target="y", test="odd.csv")


def test_digits_and_files_of_arrays_are_held_out_too():
    """A fifth of each class, unless they have a test part, or one is named."""
    random = np.random.default_rng(0)
    X, y = random.normal(size=(100, 4)), np.arange(100) % 2
    np.savez("one.npz", X=X, y=y)
    np.savez("two.npz", x_train=X, y_train=y, x_test=X[:10] + 9, y_test=y[:10])
    one, two, other = load("one.npz"), load("two.npz"), load("one.npz", test="two.npz")

    assert (len(one.X), len(one.X_test), one.hold_out, one.report.n_test) == (80, 20, 0.2, 20)
    assert np.bincount(one.codes_test).tolist() == [10, 10]
    assert (len(two.X), len(two.X_test), two.hold_out) == (100, 10, 0.0)
    assert (len(other.X), len(other.X_test)) == (100, 100)
    assert (load("digits").scale, load("digits").input_shape) == (16.0, (8, 8))
    assert load("one.npz", positive="0").classes == (1, 0)
    assert len(load("two.npz", hold_out=0.0).X_test) == 10


def test_what_arrays_cannot_be_asked_for_is_told(idx_folder):
    """Columns, a second test part, samples of another kind, one class only, labels that nobody learned."""
    random = np.random.default_rng(0)
    X, y = random.normal(size=(100, 4)), np.arange(100) % 2
    np.savez("two.npz", x_train=X, y_train=y, x_test=X[:10], y_test=y[:10])
    np.savez("one.npz", X=X, y=y + 1)
    np.savez("wide.npz", X=X[:, :3], y=y)
    np.savez("bytes.npz", X=(X > 0).astype(np.uint8), y=y)
    np.savez("same.npz", X=X, y=y * 0)
    np.savez("bare.npz", X=X)
    for name, options, sentence in (
        ("two.npz", {"target": "y"}, "two.npz has no columns by name: --target and --ignore are for tables"),
        ("two.npz", {"ignore": ("y",)}, "has no columns by name"),
        ("two.npz", {"hold_out": 0.3}, "has a test part: leave out the share"),
        ("two.npz", {"test": "iris"}, "iris is a table, and two.npz is none"),
        ("two.npz", {"test": "wide.npz"}, "wide.npz and two.npz hold samples of different shape"),
        ("two.npz", {"test": "bytes.npz"}, "bytes.npz and two.npz hold samples of different shape or type"),
        ("two.npz", {"test": str(idx_folder)}, "different shape or type"),
        ("two.npz", {"test": "one.npz"}, r"one.npz has a label 2 that is not in the training samples \(known: 0, 1\)"),
        ("two.npz", {"test": "bare.npz"}, "bare.npz has no labels"),
        ("two.npz", {"positive": "7"}, "positive class must be one of two"),
        ("same.npz", {}, "All samples are of one class, 0"),
        ("bare.npz", {}, "bare.npz has no labels"),
    ):
        with pytest.raises(TwoLayerError, match=sentence):
            load(name, **options)


def test_a_flaw_of_arrays_is_reported():
    """With the notes of the reader; of the shipped digits nothing but the counts."""
    random = np.random.default_rng(0)
    np.savez("wide.npz", X=random.normal(size=(100, 4)) * 1000, y=np.arange(100) % 2)
    (warning,) = load("wide.npz").report.warnings

    assert "saturates sigmoid units" in warning
    assert load("mnist:0,1").report.warnings == ()
    assert load("mnist:0,1").report.classes == {"0": 5923, "1": 6742}


@pytest.mark.parametrize(("ending", "solver"), [("parquet", "lbfgs"), ("csv", "adam")])
def test_a_table_that_memory_does_not_hold_is_the_same(little_memory, ending, solver):
    """The encoding, each sample, the classes, and what is learned of them."""
    frame = people()
    frame.to_parquet("people.parquet", row_group_size=90)
    frame.to_csv("people.csv", index=False)
    whole = load(f"people.{ending}", target="y", dtype="float64")
    streamed = load(f"people.{ending}", target="y", **little_memory)

    assert isinstance(streamed.X, Rows)
    assert len(streamed.X.blocks) > 3
    assert streamed.table == whole.table
    assert 10 < len(streamed.X_test) < len(whole.X_test)  # as many as there is room for
    np.testing.assert_array_equal(gather(streamed.X), whole.X)
    np.testing.assert_array_equal(streamed.codes, whole.codes)
    assert streamed.report.classes == whole.report.classes
    thinned = np.linspace(0, len(whole.X_test) - 1, len(streamed.X_test)).astype(int)
    np.testing.assert_array_equal(streamed.X_test, whole.X_test[thinned])
    same_test = replace(whole, X_test=streamed.X_test, codes_test=streamed.codes_test)
    np.testing.assert_array_equal(streamed.codes_test, whole.codes_test[thinned])
    if solver == "lbfgs":
        assert_same_training(streamed, same_test, solver=solver)
    else:
        assert fitted(streamed, solver=solver).cost < fitted(streamed, solver="gd").history[0].cost


def test_a_full_disk_is_no_hindrance(little_memory, monkeypatch):
    """Then each pass encodes the rows anew."""
    people().to_parquet("people.parquet", row_group_size=90)
    whole = load("people.parquet", target="y", dtype="float64")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(2**40, 2**40, 1000))
    streamed = load("people.parquet", target="y", **little_memory)

    assert isinstance(streamed.X, SomeRows)
    np.testing.assert_array_equal(gather(streamed.X), whole.X)


@pytest.mark.parametrize("hold_out", [0.0, 0.3])
def test_an_array_that_memory_does_not_hold_is_the_same(little_memory, hold_out):
    """It stays in its file; what is learned of it is the same."""
    random = np.random.default_rng(0)
    X = random.normal(size=(1500, 7))
    np.save("X.npy", X)
    np.save("y.npy", (X[:, 0] + X[:, 1] ** 2 > 1).astype(int))
    read = ReadOptions(labels=Path("y.npy"))
    whole = load("X.npy", read=read, hold_out=hold_out, dtype="float64")
    streamed = load("X.npy", read=read, hold_out=hold_out, **little_memory)

    assert isinstance(streamed.X, Rows)
    assert not isinstance(whole.X, Rows)
    assert len(streamed.X.blocks) > 3
    np.testing.assert_array_equal(gather(streamed.X), whole.X)
    np.testing.assert_array_equal(streamed.codes, whole.codes)
    assert streamed.report.classes == whole.report.classes
    told = ["Some 210 MB of memory are taken: there is no way with less."]
    told += [f"{len(streamed.X_test):,} of the 450 samples held out are tested on"] if hold_out else []
    assert [warning.partition(", evenly")[0] for warning in streamed.report.warnings] == told
    assert (streamed.X_test is None) is (whole.X_test is None) is (hold_out == 0)
    assert_same_training(replace(streamed, X_test=None, codes_test=None), replace(whole, X_test=None, codes_test=None))


def test_less_memory_than_is_needed_is_told():
    """A training with so little takes more than it was told to."""
    Path("a.csv").write_text("x,y\n" + "1,a\n2,b\n" * 20)

    assert "260 MB" in load("a.csv", target="y", memory_bytes=10).report.warnings[-1]
    assert not [each for each in load("a.csv", target="y", memory_bytes=10**9).report.warnings if "memory" in each]


@settings(max_examples=30)
@given(
    st.integers(0, 60),
    st.integers(1, 4),
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(["float32", "float64", "uint8"]),
)
def test_rows_written_to_a_file_keep_every_value(m, n, block_rows, most, dtype):
    """In blocks of the size asked for, and also those that are no numbers."""
    X = np.random.default_rng(m).integers(0, 200, (m, n)).astype(dtype)
    spooled = spool(ArrayRows(X, block_rows), most)

    assert (spooled.shape, spooled.dtype) == (X.shape, X.dtype)
    assert max(spooled.blocks) <= most
    np.testing.assert_array_equal(gather(spooled), X)


def test_rows_written_to_a_file_leave_no_name():
    """The file goes with its last use."""
    spooled = spool(ArrayRows(np.ones((100, 3)), 7), 10)

    assert os.listdir(tempfile.gettempdir()) == []
    assert gather(spooled).sum() == 300


def test_rows_stay_where_they_are_if_the_disk_is_full(monkeypatch):
    """Half a gigabyte is left free for others."""
    rows = ArrayRows(np.ones((100, 3)), 7)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(2**40, 2**40, 2400 + 2**29 - 1))
    assert spool(rows, 10) is rows
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(2**40, 2**40, 2400 + 2**29))
    assert spool(rows, 10) is not rows


UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@given(st.integers(1, 10**6), st.sampled_from(list(UNITS)), st.sampled_from(["", " "]), st.booleans())
def test_amounts_of_memory_are_understood(n, unit, space, lower):
    """A number and a unit, in letters of either case, with a space or without."""
    text = f"{n}{space}{unit}"

    assert parse_bytes(text.lower() if lower else text) == n * UNITS[unit]
    assert parse_bytes(f" {n + 0.5}{unit} ") == int((n + 0.5) * UNITS[unit])


@pytest.mark.parametrize(
    "wrong", ["", "MB", "x", "-1GB", "0", "nan", "inf", "1e30GB", "1 GB 2", "1,5GB", "1PB", "0x10"]
)
def test_what_is_no_amount_of_memory_is_told(wrong):
    """With two that are."""
    with pytest.raises(SettingError, match=r"written like 800MB or 1.5GB, not '"):
        parse_bytes(wrong)


def test_half_of_the_memory_is_taken_where_nothing_is_said():
    """Half of what the machine has, or less where a group of processes has less."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    assert 2**20 < memory_bytes() <= whole // 2


TRAIN = """
import json, re, sys
from pathlib import Path
from twolayer import cli
code = cli.run(sys.argv[1:])
kilobytes = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]  # getrusage counts the parent's
print(json.dumps({"code": code, "peak": int(kilobytes) * 1024}))
"""
LIMIT = 450 * 10**6


def train_within(limit, *arguments):
    """Return code and record of a training in a process that gets no more memory than so many bytes."""

    def allow():
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_STACK, (2**21, 2**21))  # each thread's counts as a whole

    ended = subprocess.run(
        [sys.executable, "-c", TRAIN, "train", *arguments, "--json", "--quiet", "--no-pictures", "--threads", "2"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=allow,
    )
    *printed, last = ended.stdout.splitlines() or [""]
    assert last, ended.stderr
    return {**json.loads(last), "err": ended.stderr, "record": json.loads(printed[0]) if printed else None}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and counts memory so")
def test_an_array_larger_than_memory_is_learned_from(tmp_path):
    """300 MB of numbers, where the process may take 400 MB and its own code takes half of that."""
    m, n = 750_000, 100
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (m, n))
    y = np.empty(m, np.int64)
    random = np.random.default_rng(0)
    for first in range(0, m, 50_000):
        block = random.standard_normal((50_000, n), np.float32)
        X[first : first + 50_000] = block
        y[first : first + 50_000] = block[:, 0] + block[:, 1] > 0
    X.flush()
    del X
    np.save(tmp_path / "y.npy", y)
    names = str(tmp_path / "X.npy"), "--labels", str(tmp_path / "y.npy")

    ended = train_within(LIMIT, *names, "--memory", "400MB", "--iterations", "6", "--out", str(tmp_path / "run"))

    assert ended["code"] == 0, ended["err"]
    assert ended["peak"] < LIMIT
    assert ended["record"]["train_samples"] == 600_000
    assert ended["record"]["train_accuracy"] > 0.6


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and counts memory so")
def test_a_table_larger_than_memory_is_learned_from(tmp_path):
    """A million rows of fifty numbers, 200 MB when they are encoded, and 400 MB while they are read."""
    import duckdb

    path = tmp_path / "large.parquet"
    columns = ", ".join(f"(random() * {k + 1})::FLOAT AS x{k}" for k in range(50))
    connection = duckdb.connect()
    connection.execute("SELECT setseed(0.5)")
    rows = f"SELECT {columns} FROM range(1000000)"
    query = f"SELECT *, CASE WHEN x0 + x1 / 2 > 1 THEN 'up' ELSE 'down' END AS y FROM ({rows})"
    connection.execute(f"COPY ({query}) TO '{path}'")
    connection.close()

    ended = train_within(
        LIMIT, str(path), "--target", "y", "--memory", "400MB", "--iterations", "6", "--out", str(tmp_path / "run")
    )

    assert ended["code"] == 0, ended["err"]
    assert ended["peak"] < LIMIT
    assert ended["record"]["train_samples"] == 800_000
    assert ended["record"]["train_accuracy"] > 0.6
    assert os.listdir(tempfile.gettempdir()) == []
