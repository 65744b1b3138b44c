"""One name or path for every source of samples."""

import http.client
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from PIL import Image
from sklearn.utils import Bunch

from twolayer.data.catalogue import ReadOptions, is_table, load_dataset, open_table
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError, StorageError


def test_mnist_by_name_has_both_parts():
    """`mnist:0,1` has 12,665 and 2,115 images of 28 x 28 bytes; the test part is what is evaluated."""
    dataset = load_dataset("mnist:0,1")

    assert (len(dataset.train.X), len(dataset.part().X)) == (12665, 2115)
    assert (dataset.input_shape, dataset.scale) == ((28, 28), 255.0)
    assert dataset.part("train") is dataset.train


def test_a_folder_of_idx_files_has_both_parts(idx_folder):
    """Gzipped and plain files are found by their usual names, and labels can be chosen."""
    whole, chosen = load_dataset(str(idx_folder)), load_dataset(f"{idx_folder}:0,2")

    assert (whole.train.X.shape, whole.test.X.shape, whole.input_shape) == ((60, 6), (30, 6), (2, 3))
    np.testing.assert_array_equal([0, 2], np.unique(chosen.train.y))
    assert (len(chosen.train.X), len(chosen.test.X)) == (40, 20)


def test_one_file_of_images_is_one_part(idx_folder, write_idx):
    """Its labels are found beside it; without them samples have none; there is no test part."""
    labelled = load_dataset(str(idx_folder / "t10k-images-idx3-ubyte.gz"))
    bare = load_dataset(str(write_idx("pictures", np.ones((4, 5, 5), np.float32))))

    assert (len(labelled.train.labels("it")), labelled.test) == (30, None)
    assert (bare.scale, bare.train.y, bare.part().X.shape) == (1.0, None, (4, 25))
    with pytest.raises(DataError, match="it has no labels"):
        bare.part().labels("it")
    with pytest.raises(DataError, match="no test files"):
        bare.part("test")


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("nowhere", MissingFileError, "no dataset or file"),
        ("", MissingFileError, "no dataset or file"),
        ("mnist:", SettingError, "choice of labels"),
        ("mnist:a", SettingError, "choice of labels"),
        ("mnist:0,77", SettingError, "digits 0 to 9"),
        ("nowhere:0,1", MissingFileError, "nowhere:0,1"),
    ],
)
def test_a_wrong_name_is_told(name, kind, sentence):
    """Each has a sentence of its own."""
    with pytest.raises(kind, match=sentence):
        load_dataset(name)


def test_a_folder_without_images_is_told(tmp_path):
    """The file that is missed is named."""
    with pytest.raises(MissingFileError, match="train-images-idx3-ubyte"):
        load_dataset(str(tmp_path))


def test_a_label_that_is_not_there_is_told(idx_folder):
    """With those that are."""
    with pytest.raises(DataError, match="no label 7: it has 0, 1, 2"):
        load_dataset(f"{idx_folder}:0,7")


def test_files_that_do_not_belong_together_are_told(idx_folder, write_idx):
    """Another number of labels, labels that are no numbers, a test part of another shape."""
    write_idx("small/train-labels-idx1-ubyte", np.zeros(59, np.uint8))
    with pytest.raises(DataError, match=r"60 samples .* 59 labels"):
        load_dataset(str(idx_folder))
    write_idx("small/train-labels-idx1-ubyte", np.zeros(60, np.float32))
    with pytest.raises(FileFormatError, match="whole number"):
        load_dataset(str(idx_folder))
    write_idx("small/train-labels-idx1-ubyte", np.zeros(60, np.uint8))
    write_idx("small/t10k-images-idx3-ubyte.gz", np.zeros((30, 3, 3), np.uint8))
    with pytest.raises(DataError, match="different shape"):
        load_dataset(str(idx_folder))


def test_files_without_usable_samples_are_told(write_idx):
    """Labels in place of images, no samples, NaN or infinite values, a choice without labels."""
    with pytest.raises(DataError, match="single values"):
        load_dataset(str(write_idx("labels", np.zeros(9, np.uint8))))
    with pytest.raises(DataError, match="no samples"):
        load_dataset(str(write_idx("empty", np.zeros((0, 2, 2), np.uint8))))
    with pytest.raises(DataError, match="10 dimensions"):
        load_dataset(str(write_idx("deep", np.zeros((2,) + (1,) * 10, np.uint8))))
    for bad in (np.nan, np.inf):
        images = np.zeros((9, 2, 2), np.float64)
        images[4, 1, 1] = bad
        with pytest.raises(DataError, match=r"Sample 4 .* NaN or infinite"):
            load_dataset(str(write_idx("nan", images)))
    with pytest.raises(DataError, match="no file of labels"):
        load_dataset(f"{write_idx('pictures', np.zeros((9, 2, 2), np.uint8))}:0,1")


def test_the_digits_of_scikit_learn():
    """Its 1,797 images of 8 x 8 pixels from 0 to 16, all of them or those of some digits."""
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    whole, some = load_dataset("digits"), load_dataset("digits:3,5")
    chosen = np.isin(y, [3, 5])

    assert (whole.input_shape, whole.scale, whole.test) == ((8, 8), 16.0, None)
    np.testing.assert_array_equal(whole.train.X, X)
    np.testing.assert_array_equal(some.train.X, X[chosen])
    np.testing.assert_array_equal(some.train.y, y[chosen])
    for name, sentence in (("digits:3,77", "digits has no label 77: it has 0, 1"), ("digits:", "choice of labels")):
        with pytest.raises((DataError, SettingError), match=sentence):
            load_dataset(name)


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine"])
def test_the_tables_of_scikit_learn(name):
    """Its numbers by their names, and its classes in the column target."""
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    table, target = open_table(name)

    assert is_table(name)
    assert (target, list(table.kinds)) == ("target", [*bunch.feature_names, "target"])
    rows = np.array(table.ask(f"SELECT * FROM {table.whole}"), object)
    np.testing.assert_array_equal(rows[:, :-1].astype(float), bunch.data)
    assert rows[:, -1].tolist() == bunch.target_names[bunch.target].tolist()


def test_a_file_with_the_name_of_a_bundled_set_wins(tmp_path, monkeypatch, write_idx):
    """What a person has put there is what they mean."""
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "iris"):
        write_idx(name, np.ones((4, 2, 2), np.uint8))
        assert not is_table(name)
        assert load_dataset(name).train.X.shape == (4, 4)
    pd.DataFrame({"a": [1, 2]}).to_csv("wine.csv", index=False)
    assert is_table("wine")
    assert open_table("wine.csv")[1] is None


@pytest.fixture
def openml(monkeypatch):
    """Put something in the place of the function that fetches from OpenML, and return what it was asked for."""

    def put(answer):
        asked = []

        def fetch_openml(name, *, version, as_frame, n_retries):
            asked.append((name, version, as_frame, n_retries))
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
        return asked

    return put


@pytest.mark.parametrize(("name", "asked"), [("openml:adult", ("adult", "active")), ("openml:adult@2", ("adult", 2))])
def test_a_table_from_openml(openml, name, asked):
    """With its target, where it names one."""
    frame = pd.DataFrame({"age": [30.0, 40.0], "class": pd.Categorical(["yes", "no"])})
    calls = openml(Bunch(frame=frame, target_names=["class"]))
    table, target = open_table(name)

    assert is_table(name)
    assert calls == [(*asked, True, 1)]
    assert (table.name, table.kinds, target) == (name, {"age": "number", "class": "category"}, "class")
    openml(Bunch(frame=frame, target_names=[]))
    assert open_table(name)[1] is None


@pytest.mark.parametrize(
    ("failure", "kind", "sentence"),
    [
        (ImportError("no pandas"), SettingError, r"need pandas: pip install 'twolayer\[openml\]'"),
        (ValueError("No known data set.\nMore."), MissingFileError, r"no table 'openml:x' .* \(No known data set\)"),
        (URLError("no route"), MissingFileError, "OpenML cannot be reached for 'openml:x' .*no route.*: try again"),
        (TimeoutError(), MissingFileError, r"cannot be reached for 'openml:x' \(TimeoutError\)"),
        (http.client.IncompleteRead(b""), MissingFileError, "cannot be reached"),
        (EOFError("cut short"), MissingFileError, r"cannot be reached .* \(cut short\)"),
    ],
)
def test_what_openml_does_not_give_is_told(openml, failure, kind, sentence):
    """No pandas, no such table, no network."""
    openml(failure)

    with pytest.raises(kind, match=sentence):
        open_table("openml:x")


def test_an_openml_version_that_is_no_number_is_told(openml):
    """Nothing is asked for."""
    calls = openml(None)

    with pytest.raises(MissingFileError, match="no table 'openml:x@y'"):
        open_table("openml:x@y")
    assert calls == []


@pytest.fixture
def pets(tmp_path):
    """Return a folder of a few pictures of cats in grey and dogs, to train and to test on."""
    random = np.random.default_rng(0)
    for part, m in (("train", 4), ("test", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            for k in range(m):
                Image.fromarray(random.integers(0, 256, (6, 5)).astype(np.uint8)).save(folder / f"{k}.png")
    return tmp_path / "pets"


def test_a_folder_of_pictures_has_classes(pets):
    """Those of its folders; train and test where there are both; of one size, and grey or in colour on request."""
    both, one = load_dataset(str(pets)), load_dataset(str(pets / "train"))
    colour = load_dataset(str(pets), ReadOptions(size=(3, 3), colour="rgb"))

    assert (both.input_shape, both.scale, len(both.train.X), len(both.test.X)) == ((6, 5), 255.0, 8, 4)
    assert both.test.y.tolist() == ["cat", "cat", "dog", "dog"]
    assert both.test.files == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert one.test is None
    np.testing.assert_array_equal(one.train.X, both.train.X)
    assert (colour.input_shape, colour.test.X.shape) == ((3, 3, 3), (4, 27))
    assert len(colour.notes) > 0


def test_classes_of_pictures_can_be_chosen(pets):
    """By their names; the files go with them."""
    (pets / "train" / "cow").mkdir()
    (pets / "test" / "cow").mkdir()
    for part in ("train", "test"):
        Image.fromarray(np.zeros((6, 5), np.uint8)).save(pets / part / "cow" / "0.png")
    dataset = load_dataset(f"{pets}:cat,cow")

    assert sorted(set(dataset.train.y.tolist())) == ["cat", "cow"]
    assert dataset.test.files == ["cat/0.png", "cat/1.png", "cow/0.png"]
    with pytest.raises(DataError, match="pets has no label pig: it has cat, cow, dog"):
        load_dataset(f"{pets}:cat,pig")
    with pytest.raises(SettingError, match="choice of labels"):
        load_dataset(f"{pets}:cat,")


def test_a_bare_picture_and_a_bare_folder_have_no_classes(pets):
    """They can be predicted, not chosen from."""
    one, bare = load_dataset(str(pets / "test" / "cat" / "0.png")), load_dataset(str(pets / "test" / "cat"))

    assert (len(one.train.X), one.train.y, one.train.files) == (1, None, ["0.png"])
    assert (len(bare.train.X), bare.train.y) == (2, None)
    with pytest.raises(DataError, match="no labels to choose by"):
        load_dataset(f"{pets / 'test' / 'cat'}:cat")
    with pytest.raises(DataError, match=r"has no labels: .* a folder a class"):
        bare.train.labels(str(pets))


@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 255.0), ("float32", 1.0), ("int64", 1.0)])
def test_files_of_arrays(tmp_path, dtype, scale):
    """NPZ with names, NPY with its labels beside it or named; samples keep their shape."""
    X, y = (np.arange(48) % 7).reshape(4, 4, 3).astype(dtype), np.array(["a", "b", "b", "c"])
    np.savez(tmp_path / "all.npz", x_train=X, y_train=y, x_test=X[:2], y_test=y[:2])
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "other.npy", y)
    npz = load_dataset(str(tmp_path / "all.npz"))
    npy = load_dataset(str(tmp_path / "X.npy"), ReadOptions(labels=tmp_path / "other.npy"))
    some = load_dataset(f"{tmp_path / 'all.npz'}:a,b")

    assert (npz.input_shape, npz.scale, npz.test.y.tolist()) == ((4, 3), scale, ["a", "b"])
    for dataset in (npz, npy):
        np.testing.assert_array_equal(dataset.train.X, X.reshape(4, 12))
        assert dataset.train.y.tolist() == y.tolist()
    assert some.train.y.tolist() == ["a", "b", "b"]
    assert some.test.y.tolist() == ["a", "b"]
    assert load_dataset(str(tmp_path / "X.npy")).train.y is None


def test_labels_of_arrays_that_are_not_there_are_told(tmp_path):
    """In a choice, in a test part, or as a file."""
    np.savez(tmp_path / "all.npz", X=np.ones((4, 2)), y=[1, 2, 2, 3])
    np.save(tmp_path / "X.npy", np.ones((4, 2)))

    with pytest.raises(DataError, match=r"all.npz has no label 4: it has 1, 2, 3\."):
        load_dataset(f"{tmp_path / 'all.npz'}:1,4")
    with pytest.raises(DataError, match="no labels to choose by"):
        load_dataset(f"{tmp_path / 'X.npy'}:1,2")
    with pytest.raises(MissingFileError, match=r"no file .*nowhere\.npy"):
        load_dataset(str(tmp_path / "X.npy"), ReadOptions(labels=Path("nowhere.npy")))
    with pytest.raises(MissingFileError, match=r"no dataset or file .*nowhere\.npz"):
        load_dataset(str(tmp_path / "nowhere.npz"))


def test_names_of_tables_that_are_not_there_are_told(tmp_path):
    """By the same sentences as for all files."""
    with pytest.raises(MissingFileError, match=r"no file nowhere\.csv"):
        open_table("nowhere.csv")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(StorageError, match="is a folder: name its files"):
        open_table(str(tmp_path / "folder.parquet"))
    with pytest.raises(SettingError, match="no encoding 'utf-7'"):
        open_table("nowhere.csv", ReadOptions(encoding="utf-7"))
