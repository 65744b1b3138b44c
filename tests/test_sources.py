"""One name for every source: to learn from, the same whether memory holds it or not, and for a trained model."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from PIL import Image

from tests.strategies import labels_of
from twolayer.data import memory
from twolayer.data.request import DataRequest
from twolayer.data.rows import ArrayRows, MemoryRows, SomeRows, gather
from twolayer.data.sources import READERS, find_reader, load, read_for
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError, TwoLayerError
from twolayer.model import Model
from twolayer.settings import Settings, setting_fields


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch, nothing_temporary):  # noqa: ARG001
    """Run each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def little_memory(monkeypatch):
    """Return a request that leaves some ten thousand bytes for samples."""
    monkeypatch.setattr(memory, "_LEAST_ROOM", 20_000)
    return {"memory": 1}


def get(name, seed=0, dtype=None, scaling=None, **request):
    return load(DataRequest(name, **request), Settings(random_state=seed, dtype=dtype, scaling=scaling))


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


def arrays():
    """Write arrays with and without a test part, of another width, type or labels."""
    random = np.random.default_rng(0)
    X, y = random.normal(size=(100, 4)), np.arange(100) % 2
    np.savez("one.npz", X=X, y=y)
    np.savez("two.npz", x_train=X, y_train=y, x_test=X[:10] + 9, y_test=y[:10])
    np.savez("other.npz", X=X, y=y + 1)
    np.savez("wide.npz", X=X[:, :3] * 1000, y=y)
    np.savez("bytes.npz", X=(X > 0).astype(np.uint8), y=y)
    np.savez("same.npz", X=X, y=y * 0)
    np.savez("texts.npz", X=X, y=np.array(["a", "b"])[y])
    np.savez("bare.npz", X=X)
    return X, y


@pytest.fixture
def pets():
    """Write a folder of grey pictures of cats, cows and dogs, to train and to test on."""
    random = np.random.default_rng(0)
    for part, m in (("train", 6), ("test", 2)):
        for name in ("cat", "cow", "dog"):
            folder = Path("pets", part, name)
            folder.mkdir(parents=True)
            for k in range(m):
                Image.fromarray(random.integers(0, 256, (6, 5)).astype(np.uint8)).save(folder / f"{k}.png")


def test_the_shipped_digits_have_both_parts():
    """`mnist:0,1` has 12,665 and 2,115 images of 28 x 28 bytes; its report is the counts."""
    dataset = get("mnist:0,1")

    assert (dataset.n_samples, dataset.test.n_samples, dataset.name) == (12665, 2115, "mnist:0,1")
    assert (dataset.input_shape, dataset.scale, dataset.held_out) == ((28, 28), 255.0, 0.0)
    assert (dataset.report.classes, dataset.report.warnings) == ({"0": 5923, "1": 6742}, ())
    assert dataset.labels.classes == dataset.test.labels.classes == (0, 1)


def test_a_folder_of_idx_files_has_both_parts(idx_folder):
    """Gzipped and plain files are found by their usual names, and labels can be chosen."""
    whole, chosen = get(str(idx_folder)), get(f"{idx_folder}:0,2")

    assert (whole.rows.shape, whole.test.rows.shape, whole.input_shape) == ((60, 6), (30, 6), (2, 3))
    assert (chosen.n_samples, chosen.test.n_samples, chosen.labels.classes) == (40, 20, (0, 2))
    np.testing.assert_array_equal(chosen.rows.X, whole.rows.X[np.arange(60) % 3 != 1])
    one = get(str(idx_folder / "t10k-images-idx3-ubyte.gz"), hold_out=0.0)
    assert (one.n_samples, one.test) == (30, None)


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("nowhere", MissingFileError, "no dataset or file 'nowhere': name one that exists, such as .*mnist:0,1"),
        ("", MissingFileError, "no dataset or file"),
        ("mnist:", SettingError, "'' is not a list of labels: separate labels by commas, like mnist:0,1"),
        ("mnist:0,,1", SettingError, "list of labels"),
        ("mnist:a", DataError, "mnist has no label a: it has 0, 1, 2"),
        ("mnist:0,77", DataError, "mnist has no label 77"),
        ("nowhere:0,1", MissingFileError, "nowhere:0,1"),
        ("nowhere.npz", MissingFileError, "no dataset or file"),
        ("x.xlsx", FileFormatError, "x.xlsx is a spreadsheet: save it as CSV"),
        ("x.csv.zip", FileFormatError, "is an archive: unpack it"),
        ("folder", MissingFileError, "folder has no file train-images-idx3-ubyte"),
        ("one.npz:1,4", DataError, r"one.npz has no label 4: it has 0, 1\."),
        ("bare.npz:1", DataError, "bare.npz:1 has no labels to choose from"),
        ("bare.npz", DataError, "bare.npz has no labels"),
        ("same.npz", DataError, "All samples belong to one class, 0"),
        ("pictures", DataError, "pictures has no labels"),
    ],
)
def test_a_wrong_name_is_told(name, kind, sentence, write_idx):
    """Each has a sentence that says what to do."""
    arrays()
    write_idx("pictures", np.ones((4, 5, 5), np.float32))
    Path("folder").mkdir()
    for file in ("x.xlsx", "x.csv.zip"):
        Path(file).write_bytes(b"PK\3\4")

    with pytest.raises(kind, match=sentence):
        get(name)


def test_idx_files_that_do_not_belong_together_are_told(idx_folder, write_idx):
    """Another number of labels, labels that are no numbers, a test part of another shape; no samples at all."""
    for labels, sentence in ((np.zeros(59, "u1"), r"60 samples .* 59 labels"), (np.zeros(60, "f4"), "whole number")):
        write_idx("small/train-labels-idx1-ubyte", labels)
        with pytest.raises(TwoLayerError, match=sentence):
            get(str(idx_folder))
    write_idx("small/train-labels-idx1-ubyte", np.zeros(60, np.uint8))
    write_idx("small/t10k-images-idx3-ubyte.gz", np.zeros((30, 3, 3), np.uint8))
    with pytest.raises(DataError, match="have samples of different shape or type"):
        get(str(idx_folder))
    wrong = np.zeros((9, 2, 2))
    wrong[4, 1, 1] = np.nan
    for images, sentence in (
        (np.zeros(9, np.uint8), "single values"),
        (np.zeros((0, 2, 2), np.uint8), "no samples"),
        (np.zeros((2,) + (1,) * 10, np.uint8), "10 dimensions"),
        (wrong, r"Sample 4 .* NaN or infinite"),
    ):
        with pytest.raises(DataError, match=sentence):
            get(str(write_idx("images", images)))


def test_the_digits_of_scikit_learn():
    """Its 1,797 images of 8 x 8 pixels from 0 to 16, all of them or those of some digits; a file of that name wins."""
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    whole, some = get("digits", hold_out=0.0), get("digits:3,5", hold_out=0.0)
    chosen = np.isin(y, [3, 5])

    assert (whole.input_shape, whole.scale, whole.test) == ((8, 8), 16.0, None)
    np.testing.assert_array_equal(whole.rows.X, X)
    np.testing.assert_array_equal(some.rows.X, X[chosen])
    np.testing.assert_array_equal(some.labels.decode(), y[chosen])
    for name in ("digits", "iris"):
        assert find_reader(name)[0].kind != "IDX files"
        Path(name).write_bytes(b"")
        assert find_reader(name)[0].kind == "IDX files"


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine"])
def test_the_tables_of_scikit_learn(name):
    """Their target is known, and another may be named."""
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    dataset = get(name, hold_out=0.0)

    assert dataset.encoding.target == "target"
    assert [column.name for column in dataset.encoding.columns] == list(bunch.feature_names)
    assert labels_of(dataset) == bunch.target_names[bunch.target].tolist()
    with pytest.raises(DataError, match="numbers that are not whole: turn it into a few classes"):
        get(name, target=bunch.feature_names[-3])


@pytest.mark.usefixtures("pets")
def test_a_folder_of_pictures_has_classes():
    """Those of its folders; train and test where there are both; of one size, and grey or in colour on request."""
    both, some = get("pets"), get("pets:cat,dog")
    colour = get("pets/train", size=(3, 3), colour="rgb", hold_out=0.0)

    assert (both.input_shape, both.scale, both.n_samples) == ((6, 5), 255.0, 18)
    assert both.test.files == ("cat/0.png", "cat/1.png", "cow/0.png", "cow/1.png", "dog/0.png", "dog/1.png")
    assert (some.labels.classes, some.test.files) == (("cat", "dog"), both.test.files[:2] + both.test.files[4:])
    assert (colour.input_shape, colour.rows.shape) == ((3, 3, 3), (18, 27))
    assert colour.report.warnings[0] == colour.notes[0]
    with pytest.raises(DataError, match="has no labels to choose from"):
        get("pets/test/cat:cat")


@pytest.mark.usefixtures("pets")
def test_every_example_of_a_reader_is_of_its_kind(idx_folder, write_idx):
    """Help and errors show them."""
    arrays()
    idx_folder.rename("fashion")
    Path("one.npz").rename("samples.npz")
    np.save("X.npy", np.ones((3, 2)))
    Image.fromarray(np.zeros((3, 3), np.uint8)).save("cat.png")
    write_idx("train-images-idx3-ubyte.gz", np.ones((4, 2, 2), np.uint8))

    for reader in READERS:
        for example in reader.examples:
            assert find_reader(example)[0] is reader, example


@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 255.0), ("float32", 1.0), ("int64", 1.0)])
def test_files_of_arrays(dtype, scale):
    """NPZ with names, NPY with its labels beside it or named; samples keep their shape and type."""
    X, y = (np.arange(480) % 7).reshape(40, 4, 3).astype(dtype), np.array(list("abbc") * 10)
    np.savez("all.npz", x_train=X, y_train=y, x_test=X[:2], y_test=y[:2])
    np.save("X.npy", X)
    np.save("some.npy", y)
    npz, npy = get("all.npz"), get("X.npy", labels="some.npy", hold_out=0.0)

    assert (npz.input_shape, npz.scale, labels_of(npz.test)) == ((4, 3), scale, ["a", "b"])
    for dataset in (npz, npy):
        assert dataset.rows.dtype == dtype
        np.testing.assert_array_equal(dataset.rows.X, X.reshape(40, 12))
        assert labels_of(dataset) == y.tolist()
    assert labels_of(get("all.npz:a,b").test) == ["a", "b"]
    with pytest.raises(MissingFileError, match=r"no file .*nowhere\.npy"):
        get("X.npy", labels="nowhere.npy")


@pytest.mark.parametrize(
    "field", [each for each in setting_fields(DataRequest) if each.name != "data"], ids=lambda each: each.name
)
def test_what_is_of_no_use_to_a_source_is_told(field):
    """Whatever some sources use and others do not; what all use is taken by all."""
    given = {"target": "y", "ignore": "a", "keep_spellings": True, "labels": "y.npy", "size": "8x8", "colour": "grey"}
    given |= {"encoding": "latin-1", "positive": "0", "test": "one.npz", "hold_out": 0.5, "memory": "1GB"}
    arrays()
    users = [reader for reader in READERS if field.name in reader.uses]

    if users:
        sentence = rf"^`{field.name}` is for .*{users[-1].kind}: leave it out for one.npz\.$"
        with pytest.raises(SettingError, match=sentence):
            get("one.npz", **{field.name: given[field.name]})
    else:
        get("one.npz", **{field.name: given[field.name]})


def test_a_table_becomes_samples_to_learn_from_and_to_test_on():
    """A fifth is held out where nothing else is said; a fraction of 0 holds out none."""
    people().to_csv("people.csv", index=False)
    dataset, all_of_them = get("people.csv", target="y"), get("people.csv", target="y", hold_out=0.0)

    assert (dataset.n_samples, dataset.test.n_samples) == (480, 120) == (len(dataset.labels), len(dataset.test.labels))
    assert (dataset.labels.classes, dataset.encoding.target, dataset.held_out) == (("down", "up"), "y", 0.2)
    assert dataset.input_shape == (dataset.encoding.n_values,) == dataset.rows.shape[1:]
    assert (dataset.report.n_train, dataset.report.n_test) == (480, 120)
    assert (all_of_them.n_samples, all_of_them.test) == (600, None)
    assert (dataset.rows.dtype, get("people.csv", target="y", dtype="float64").rows.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize(
    ("change", "meant"),
    [
        (lambda frame: frame, r" \(did you mean 'y'\?\)"),
        (lambda frame: frame.rename(columns={"y": "churn"}), r" \(did you mean 'churn'\?\)"),
        (lambda frame: frame.assign(y=frame["x"]).rename(columns={"y": "w"}), r" \(did you mean 'z'\?\)"),
        (lambda frame: frame[["x"]], ""),
    ],
)
def test_the_target_of_a_table_must_be_said(change, meant):
    """The likeliest column is proposed, and the columns are listed."""
    frame = change(people())
    frame.to_csv("people.csv", index=False)
    listed = ", ".join(frame)

    sentence = rf"column of people.csv to predict{meant}: it has {listed}\."
    with pytest.raises(SettingError, match=sentence):
        get("people.csv")


def test_a_table_is_tested_on_another():
    """By the encoding of the training rows; nothing is held out."""
    people().to_csv("people.csv", index=False)
    others = people(100, seed=1)
    others.loc[:4, "y"] = None
    others[["y", "c", "z", "x"]].to_parquet("others.parquet")
    dataset = get("people.csv", target="y", test="others.parquet", scaling="standard")

    assert (dataset.n_samples, dataset.test.n_samples, dataset.held_out, dataset.report.n_test) == (600, 95, 0.0, 95)
    assert (dataset.test.name, labels_of(dataset.test)) == ("others.parquet", others["y"].dropna().tolist())
    x = dataset.encoding.columns[0]
    expected = ((others["x"] - x.mean) / x.deviation).fillna(0)[5:]
    np.testing.assert_allclose(dataset.test.rows.X[:, 0], expected, rtol=1e-5, atol=1e-6)
    others.assign(y="sideways").to_csv("odd.csv", index=False)
    others.drop(columns="x").to_csv("less.csv", index=False)
    for test, sentence in (
        ("digits", "digits is not a table"),
        ("iris", "iris has no column 'y', the `target`"),
        ("odd.csv", "'sideways' in 'y' that is not among the classes"),
        ("less.csv", "no column 'x', which the model needs"),
    ):
        with pytest.raises(TwoLayerError, match=sentence):
            get("people.csv", target="y", test=test)


def test_digits_and_files_of_arrays_are_held_out_too():
    """A fifth of each class, unless they have a test part, or one is named."""
    arrays()
    one, two, other = get("one.npz"), get("two.npz"), get("one.npz", test="two.npz")

    assert (one.n_samples, one.test.n_samples, one.held_out, one.report.n_test) == (80, 20, 0.2, 20)
    assert one.test.labels.counts.tolist() == [10, 10]
    assert (two.n_samples, two.test.n_samples, two.held_out) == (100, 10, 0.0)
    assert (other.n_samples, other.test.n_samples, other.test.name) == (100, 100, "two.npz")
    assert get("two.npz", hold_out=0.0).test.n_samples == 10


def test_the_positive_class_changes_codes_and_not_the_samples_held_out():
    """It is the second of two."""
    arrays()
    plain, turned = get("one.npz", seed=3), get("one.npz", seed=3, positive="0")

    assert (plain.labels.classes, turned.labels.classes) == ((0, 1), (1, 0))
    for a, b in ((plain, turned), (plain.test, turned.test)):
        np.testing.assert_array_equal(a.rows.X, b.rows.X)
        assert labels_of(a) == labels_of(b)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hold_out": 0.3}, "two.npz has test samples: leave out `hold_out`"),
        ({"test": "iris"}, "iris is a table, and two.npz is not"),
        ({"test": "wide.npz"}, "wide.npz and two.npz hold samples of different shape"),
        ({"test": "bytes.npz"}, "bytes.npz and two.npz hold samples of different shape or type"),
        ({"test": "small"}, "different shape or type"),
        ({"test": "other.npz"}, r"other.npz has a label 2 that is not among the classes \(0, 1\)"),
        ({"test": "texts.npz"}, "texts.npz has a label a that is not among the classes"),
        ({"test": "bare.npz"}, "bare.npz has no labels"),
        ({"positive": "7"}, "`positive` must be one of two"),
    ],
)
@pytest.mark.usefixtures("idx_folder")
def test_what_arrays_cannot_be_asked_for_is_told(options, sentence):
    """A second test part, samples of another kind, labels that are not learned."""
    arrays()

    with pytest.raises(TwoLayerError, match=sentence):
        get("two.npz", **options)


def test_a_flaw_of_arrays_is_reported():
    """As of any samples in memory."""
    arrays()
    (warning,) = get("wide.npz").report.warnings

    assert "saturates sigmoid units" in warning


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_that_memory_does_not_hold_is_the_same(little_memory, ending):
    """The encoding, each sample, and the classes; the test samples are as many as there is room for."""
    frame = people()
    frame.to_parquet("people.parquet", row_group_size=90)
    frame.to_csv("people.csv", index=False)
    whole = get(f"people.{ending}", target="y", dtype="float64")
    streamed = get(f"people.{ending}", target="y", dtype="float64", **little_memory)

    assert isinstance(whole.rows, MemoryRows)
    assert isinstance(streamed.rows, ArrayRows)
    assert len(streamed.rows.blocks) > 3
    assert (streamed.encoding, streamed.report.classes) == (whole.encoding, whole.report.classes)
    np.testing.assert_array_equal(gather(streamed.rows), whole.rows.X)
    np.testing.assert_array_equal(streamed.labels.codes, whole.labels.codes)
    assert 10 < streamed.test.n_samples < whole.test.n_samples
    thinned = np.linspace(0, whole.test.n_samples - 1, streamed.test.n_samples).astype(int)
    np.testing.assert_array_equal(streamed.test.rows.X, whole.test.rows.X[thinned])
    np.testing.assert_array_equal(streamed.test.labels.codes, whole.test.labels.codes[thinned])


def test_a_full_disk_is_no_hindrance(little_memory, monkeypatch):
    """Then each pass encodes the rows anew."""
    people().to_parquet("people.parquet", row_group_size=90)
    whole = get("people.parquet", target="y")
    monkeypatch.setattr("twolayer.data.sources.spool", lambda rows, _: rows)
    streamed = get("people.parquet", target="y", **little_memory)

    assert isinstance(streamed.rows, SomeRows)
    np.testing.assert_array_equal(gather(streamed.rows), whole.rows.X)


@pytest.mark.parametrize("hold_out", [0.0, 0.3])
def test_an_array_that_memory_does_not_hold_is_the_same(little_memory, hold_out):
    """It stays in its file; what memory does not allow is told."""
    random = np.random.default_rng(0)
    X = random.normal(size=(1500, 7))
    np.save("X.npy", X)
    np.save("y.npy", (X[:, 0] + X[:, 1] ** 2 > 1).astype(int))
    whole, streamed = get("X.npy", hold_out=hold_out), get("X.npy", hold_out=hold_out, **little_memory)

    assert isinstance(whole.rows, MemoryRows)
    assert len(streamed.rows.blocks) > 3
    np.testing.assert_array_equal(gather(streamed.rows), whole.rows.X)
    np.testing.assert_array_equal(streamed.labels.codes, whole.labels.codes)
    assert streamed.report.classes == whole.report.classes
    told = ["At least 210 MB of memory are needed."]
    told += [f"Only {streamed.test.n_samples:,} of the 450 held-out samples"] if hold_out else []
    assert [warning.partition(", evenly")[0] for warning in streamed.report.warnings] == told
    assert (streamed.test is None) is (whole.test is None) is (hold_out == 0)


TRAIN = """
import json, re, sys
from pathlib import Path
import twolayer
from twolayer.data.request import DataRequest
from twolayer.data.sources import load
from twolayer.settings import Settings
d = load(DataRequest(sys.argv[1], target=sys.argv[2] or None, memory="400MB"), Settings())
options = dict(X_test=d.test.rows.X, y_test=d.test.labels.codes, max_iter=6, n_threads=2, dtype="float32")
_, result = twolayer.fit_model(d.rows, d.labels.codes, **options)
kilobytes = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]  # getrusage counts the parent's
print(json.dumps([d.n_samples, result.train_correct / result.n_train, int(kilobytes) * 1024]))
"""
LIMIT = 450 * 10**6
RESERVED = 64 * 2**20  # that threads take for themselves and do not use: it counts in the limit, not in the peak


def train_within(*arguments):
    """Return what a training in a process that gets no more memory than allowed says."""

    def allow():
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT + RESERVED,) * 2)
        resource.setrlimit(resource.RLIMIT_STACK, (2**21, 2**21))  # each thread's counts as a whole

    command = [sys.executable, "-c", TRAIN, *arguments]
    heaps = {**os.environ, "MALLOC_ARENA_MAX": "2"}  # how many threads make of their own depends on the moment
    ended = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=allow, env=heaps)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and counts memory so")
def test_an_array_larger_than_memory_is_learned_from():
    """300 MB of numbers, where the process may take 400 MB and its own code takes half of that."""
    m, n = 750_000, 100
    X = np.lib.format.open_memmap("X.npy", "w+", np.float32, (m, n))
    y = np.empty(m, np.int64)
    random = np.random.default_rng(0)
    for first in range(0, m, 50_000):
        block = random.standard_normal((50_000, n), np.float32)
        X[first : first + 50_000] = block
        y[first : first + 50_000] = block[:, 0] + block[:, 1] > 0
    X.flush()
    del X
    np.save("y.npy", y)

    n_samples, accuracy, peak = train_within("X.npy", "")

    assert n_samples == 600_000
    assert accuracy > 0.6
    assert peak < LIMIT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and counts memory so")
def test_a_table_larger_than_memory_is_learned_from():
    """A million rows of fifty numbers, 200 MB when they are encoded, and 400 MB while they are read."""
    import duckdb

    columns = ", ".join(f"(random() * {k + 1})::FLOAT AS x{k}" for k in range(50))
    connection = duckdb.connect()
    connection.execute("SELECT setseed(0.5)")
    rows = f"SELECT {columns} FROM range(1000000)"
    query = f"SELECT *, CASE WHEN x0 + x1 / 2 > 1 THEN 'up' ELSE 'down' END AS y FROM ({rows})"
    connection.execute(f"COPY ({query}) TO 'large.parquet'")
    connection.close()

    n_samples, accuracy, peak = train_within("large.parquet", "y")

    assert n_samples == 800_000
    assert accuracy > 0.6
    assert peak < LIMIT


def model_of(dataset, seed=0):
    """Return a model with random parameters as a training on a dataset makes it."""
    random, n_y = np.random.default_rng(0), dataset.labels.n_outputs
    shapes = {"W1": (2, dataset.rows.shape[1]), "b1": (2, 1), "W2": (n_y, 2), "b2": (n_y, 1)}
    parameters = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    settings = {"data": dataset.name, "hold_out": dataset.held_out, "random_state": seed}
    classes, shape, encoding = dataset.labels.classes, dataset.input_shape, dataset.encoding
    return Model(parameters, classes, shape, dataset.scale, settings=settings, encoding=encoding)


def assert_same(found, expected):
    """Compare samples with others, and their labels."""
    np.testing.assert_array_equal(gather(found.rows), gather(expected.rows))
    assert labels_of(found) == labels_of(expected)


@pytest.fixture
def rise():
    """Return a model of a table, and what it was trained on."""
    people(80).assign(id=[f"{k:03}" for k in range(80)]).to_csv("table.csv", index=False)
    dataset = get("table.csv", target="y", ignore=("id",), seed=3)
    return model_of(dataset, seed=3), dataset


def test_the_parts_of_a_table_are_found_again(rise):
    """With the seed of the training: what was held out is evaluated; all rows, without labels, are predicted."""
    model, dataset = rise
    found, table = read_for(model, "table.csv")

    assert (found.labels, table.n_rows) == (None, 80)
    np.testing.assert_array_equal(model.predict(found.rows), model.predict(people(80)))
    for part, expected in ((None, dataset.test), ("test", dataset.test), ("train", dataset)):
        found, table = read_for(model, str(Path("table.csv").resolve()), part=part, labelled=True)
        assert table is None
        assert_same(found, expected)


def test_all_labelled_rows_of_another_table_count(rise):
    """No part of it was held out."""
    model, _ = rise
    frame = people(80)
    frame.loc[::5, "y"] = None
    frame.to_csv("other.csv", index=False)

    assert labels_of(read_for(model, "other.csv", labelled=True)[0]) == frame["y"].dropna().tolist()
    assert read_for(model, "other.csv", part="train")[0].n_samples == 64
    with pytest.raises(DataError, match=r"other.csv has no test samples: choose train as `part`\."):
        read_for(model, "other.csv", part="test")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.drop(columns="y"), r"x.csv has no column 'y', the `target`"),
        (lambda frame: frame.assign(y="sideways"), r"'sideways' in 'y' that is not among the classes \(down, up\)"),
        (lambda frame: frame.assign(y=None), r"x.csv has no labels in 'y'"),
    ],
)
def test_a_table_without_labels_is_told(rise, change, sentence):
    """Where they are needed: no column, none that are known, none at all."""
    model, _ = rise
    change(people(80)).to_csv("x.csv", index=False)

    assert read_for(model, "x.csv")[1].n_rows == 80
    with pytest.raises(DataError, match=sentence):
        read_for(model, "x.csv", labelled=True)


def test_the_digits_held_out_are_found_again():
    """Of a source without a test part, also where the classes are turned round."""
    dataset = get("digits:3,5", seed=4, positive="3")
    model = model_of(dataset, seed=4)

    assert_same(read_for(model, "digits:3,5", labelled=True)[0], dataset.test)
    assert_same(read_for(model, "digits:3,5", part="train")[0], dataset)
    assert read_for(model, "digits:3,5")[0].n_samples == dataset.n_samples + dataset.test.n_samples
    assert read_for(model, "digits:3", labelled=True)[0].n_samples == 183  # another source
    assert read_for(model, "digits:3,5", labelled=True)[0].labels.classes == (5, 3)
    with pytest.raises(DataError, match=r"digits has a label 0 that is not among the classes \(5, 3\)"):
        read_for(model, "digits", labelled=True)
    assert read_for(model, "digits")[0].labels.classes == tuple(range(10))  # to predict, any may be there


def test_arrays_without_labels_have_no_part_held_out():
    """They may be predicted all the same, whatever they were named when they had some."""
    X, _ = arrays()
    model = model_of(get("one.npz"))
    np.savez("one.npz", X=X[:20])
    found, _ = read_for(model, "one.npz", labelled=True)

    assert (found.n_samples, found.labels) == (20, None)
    with pytest.raises(DataError, match=r"one.npz has no labels: put .* `labels`"):
        found.known_labels  # noqa: B018


@pytest.mark.usefixtures("pets")
def test_images_come_in_the_size_and_the_colours_of_the_model():
    """Whatever they have themselves."""
    model = model_of(get("pets", size="8x6", colour="rgb"))
    Image.fromarray(np.zeros((40, 40), np.uint8)).save("one.png")

    assert model.input_shape == (8, 6, 3)
    assert read_for(model, "one.png")[0].rows.shape == (1, 144)
    found, _ = read_for(model, "pets:cat,dog", labelled=True)
    assert found.files == ("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")
    assert labels_of(found) == ["cat", "cat", "dog", "dog"]


def test_the_wrong_kind_of_data_is_told(rise):
    """A table for a model of images and the reverse, values of another scale, and what is not there."""
    model, _ = rise
    arrays()
    pixels = model_of(get("bytes.npz"))
    with pytest.raises(DataError, match="mnist cannot be used: the model was trained on the columns of a table"):
        read_for(model, "mnist")
    for name in ("table.csv", "iris", "select 1 as x"):
        with pytest.raises(DataError, match=f"{name} cannot be used: .* on samples such as images, not a table"):
            read_for(pixels, name)
    with pytest.raises(DataError, match="no columns 'x', 'c'"):
        read_for(model, "iris")
    with pytest.raises(DataError, match=r"values divided by 255, but those of one\.npz by 1"):
        read_for(pixels, "one.npz")
    with pytest.raises(MissingFileError, match=r"no file nowhere\.csv"):
        read_for(model, "nowhere.csv")


@pytest.mark.parametrize("odd", [-1, "x", 2.5, None, [1], float("nan")])
def test_invalid_settings_do_no_harm(odd):
    """A model file of another program may say anything in them."""
    model = model_of(get("iris"))
    seeded = replace(model, settings={**model.settings, "random_state": odd})
    whole = replace(model, settings={**model.settings, "hold_out": odd})

    assert_same(read_for(seeded, "iris", labelled=True)[0], read_for(model, "iris", labelled=True)[0])
    assert read_for(whole, "iris", labelled=True)[0].n_samples == 150
