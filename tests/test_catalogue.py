"""One name or path for every source of samples."""

import numpy as np
import pytest

from twolayer.data.catalogue import load_dataset
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError


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
