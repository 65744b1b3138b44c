"""One name or path for every source of samples: `mnist:0,1`, IDX files, NPZ and NPY, a folder of images, a table.

After a colon a choice of labels may follow: `mnist:4,9`, `fashion/:0,6`, `pets/:cat,dog`.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from twolayer.data import mnist
from twolayer.data.arrays import MAX_DIMENSIONS
from twolayer.data.idx import read_idx
from twolayer.data.rows import Rows
from twolayer.data.tables import Table, as_table, is_table_name, read_table
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError

Part = Literal["train", "test"]
_FILE_PREFIX = {"train": "train", "test": "t10k"}
_PIXEL_MAXIMUM = 255.0
_BUNDLED_TABLES = ("breast_cancer", "iris", "wine")
_BUNDLED_TARGET = "target"
_OPENML = "openml:"
_DIGITS_MAXIMUM = 16.0
_ARRAY_FILES = (".npz", ".npy")


@dataclass(frozen=True)
class ReadOptions:
    """How a source is read, where it leaves a choice.

    Attributes
    ----------
    labels : Path, optional
        The NPY file of labels that belongs to one of samples.
    size : (int, int), optional
        Height and width that images are brought to.
    colour : "grey" or "rgb", optional
        What is kept of images.
    encoding : str
        Of the text in CSV files.
    memory_bytes : int, optional
        What a table may take while it is read.
    """

    labels: Path | None = None
    size: tuple[int, int] | None = None
    colour: Literal["grey", "rgb"] | None = None
    encoding: str = "utf-8"
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Samples:
    """Rows of features and, where known, the label of each row.

    Attributes
    ----------
    X : array of shape (m, n_features), as stored; or Rows
    y : array of shape (m,), or None
    files : list of str, optional
        The file that each sample came from.
    """

    X: Any
    y: np.ndarray[Any, Any] | None
    files: list[str] | None = None

    def labels(self, source: str) -> np.ndarray[Any, Any]:
        """Return the labels, or say that `source` has none."""
        if self.y is None:
            raise DataError(
                f"{source} has no labels: put the file of labels (…-labels-idx1-ubyte) beside IDX images, name that of "
                "an NPY by --labels, and give images a folder a class."
            )
        return self.y

    def some(self, chosen: np.ndarray[Any, Any]) -> "Samples":
        """Return some of the samples."""
        files = None if self.files is None else [self.files[k] for k in chosen]
        return Samples(self.X[chosen], None if self.y is None else self.y[chosen], files)


@dataclass(frozen=True)
class Dataset:
    """Samples to learn from and, where there are any, samples to test on.

    Attributes
    ----------
    name : str
        As the user gave it.
    train, test : Samples
        `test` is None where the source has no test files.
    input_shape : tuple of int
        Shape of one sample, (28, 28) for MNIST.
    scale : float
        What features are divided by before they enter a network: 255 for bytes, else 1.
    notes : tuple of str
        Sentences about how the source was read.
    """

    name: str
    train: Samples
    test: Samples | None
    input_shape: tuple[int, ...]
    scale: float
    notes: tuple[str, ...] = ()

    def part(self, part: Part | None = None) -> Samples:
        """Return the samples of one part; the test part, where there is one, if not told which."""
        if part == "test" and self.test is None:
            raise DataError(f"{self.name} has no test files: use --part train.")
        return self.train if part == "train" or self.test is None else self.test


def load_dataset(name: str, options: ReadOptions | None = None) -> Dataset:
    """Load the samples behind a name or path that is no table's.

    Parameters
    ----------
    name : str
        `mnist`, `mnist:0,1`, `digits`, or the path of an IDX file of images, of a folder with the four files
        (train|t10k)-(images-idx3|labels-idx1)-ubyte[.gz], of an NPZ or NPY, of an image or of a folder of images; each
        with or without a `:` and a choice of labels.
    options : ReadOptions, optional

    Returns
    -------
    Dataset

    Raises
    ------
    MissingFileError, StorageError, FileFormatError
        If a file is not there, cannot be read, or is damaged.
    DataError, SettingError
        If the files do not belong together, or the choice of labels finds nothing.
    """
    from twolayer.data.images import SUFFIXES, is_image_folder

    options = options or ReadOptions()
    source, choice = _split(name)
    if source == "mnist":
        return _from_mnist(name, choice)
    path = Path(source)
    if source == "digits" and not path.exists():
        dataset = _from_digits(name)
    elif path.suffix.lower() in _ARRAY_FILES and path.exists():
        dataset = _from_arrays(name, path, options)
    elif source and path.exists() and (path.suffix.lower() in SUFFIXES or is_image_folder(path)):
        dataset = _from_images(name, path, options)
    else:
        return _from_idx(name, source, choice)
    if choice is None:
        return dataset
    test = None if dataset.test is None else _choose(dataset.test, choice, name)
    return Dataset(name, _choose(dataset.train, choice, name), test, dataset.input_shape, dataset.scale, dataset.notes)


def is_table(name: str) -> bool:
    """Tell whether a name is that of a table."""
    return (name in _BUNDLED_TABLES and not Path(name).exists()) or name.startswith(_OPENML) or is_table_name(name)


def check_options(name: str, options: ReadOptions) -> None:
    """Check that what is asked is of use to the source behind a name.

    Raises
    ------
    SettingError
        If it is for sources of another kind.
    """
    from twolayer.data.images import SUFFIXES, is_image_folder

    table = is_table(name)
    path = Path(name if table else _split(name)[0])
    images = not table and path.exists() and (path.suffix.lower() in SUFFIXES or is_image_folder(path))
    wrong = {
        "--labels is for an NPY of samples": options.labels is not None and path.suffix.lower() != ".npy",
        "--size is for images": options.size is not None and not images,
        "--colour is for images": options.colour is not None and not images,
        "--encoding is for tables": options.encoding != ReadOptions.encoding and not table,
    }
    for sentence, is_wrong in wrong.items():
        if is_wrong:
            raise SettingError(f"{sentence}: leave it out for {name}.")


def open_table(name: str, options: ReadOptions | None = None) -> tuple[Table, str | None]:
    """Open the table behind a name: a file, a glob, a query, scikit-learn's breast_cancer, iris and wine, openml:NAME.

    Parameters
    ----------
    name : str
    options : ReadOptions, optional

    Returns
    -------
    table : Table
    target : str or None
        The column of the classes, where the source says so.

    Raises
    ------
    MissingFileError, StorageError, FileFormatError, DataError, SettingError
        If there is no such table, or it cannot be read.
    """
    options = options or ReadOptions()
    if name in _BUNDLED_TABLES and not Path(name).exists():
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
        columns[_BUNDLED_TARGET] = bunch.target_names[bunch.target].astype(object)
        return as_table(columns, name), _BUNDLED_TARGET
    if name.startswith(_OPENML):
        return _from_openml(name)
    return read_table(name, encoding=options.encoding, memory_bytes=options.memory_bytes), None


def _from_openml(name: str) -> tuple[Table, str | None]:
    """Fetch a table from OpenML, or take it from scikit-learn's cache."""
    from sklearn.datasets import fetch_openml

    stem, _, version = name.removeprefix(_OPENML).partition("@")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tries that failed; the sentences below say enough
            bunch = fetch_openml(stem, version=int(version) if version else "active", as_frame=True, n_retries=1)
    except ImportError:
        raise SettingError("Tables from OpenML need pandas: pip install 'twolayer[openml]'.") from None
    except ValueError as error:  # no such data set, or no such version
        raise MissingFileError(f"OpenML has no table {name!r} that can be used ({_brief(error)}): check it.") from None
    except Exception as error:  # noqa: BLE001 - a network fails in many ways
        raise MissingFileError(f"OpenML cannot be reached for {name!r} ({_brief(error)}): try again.") from None
    targets = bunch.target_names
    return as_table(bunch.frame, name), targets[0] if targets else None


def _brief(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _from_mnist(name: str, choice: tuple[str, ...] | None) -> Dataset:
    digits = None if choice is None else tuple(map(int, choice))
    X_train, y_train, X_test, y_test = mnist.load_mnist(digits)
    return Dataset(name, Samples(X_train, y_train), Samples(X_test, y_test), mnist.IMAGE_SHAPE, _PIXEL_MAXIMUM)


def _from_digits(name: str) -> Dataset:
    """Return scikit-learn's digits: 1,797 images of 8 x 8 pixels from 0 to 16."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Dataset(name, Samples(X.astype(np.uint8), y), None, (8, 8), _DIGITS_MAXIMUM)


def _from_arrays(name: str, path: Path, options: ReadOptions) -> Dataset:
    from twolayer.data.arrays import read_npy, read_npz

    arrays = read_npz(path) if path.suffix.lower() == ".npz" else read_npy(path, options.labels)
    shape, dtype = arrays.X_train.shape[1:], arrays.X_train.dtype
    train, test = (
        None if X is None else Samples(X.reshape(len(X), -1), y)
        for X, y in ((arrays.X_train, arrays.y_train), (arrays.X_test, arrays.y_test))
    )
    assert train is not None
    return Dataset(name, train, test, shape, _PIXEL_MAXIMUM if dtype == np.uint8 else 1.0)


def _from_images(name: str, path: Path, options: ReadOptions) -> Dataset:
    from twolayer.data.images import find_parts, read_images

    train_path, test_path = find_parts(path)
    read = read_images(train_path, size=options.size, colour=options.colour)
    test = None
    if test_path is not None:
        colour: Literal["grey", "rgb"] = "rgb" if len(read.input_shape) == 3 else "grey"
        height, width = read.input_shape[:2]
        read_test = read_images(test_path, size=(height, width), colour=colour)
        test = Samples(read_test.X, read_test.y, read_test.files)
    train = Samples(read.X, read.y, read.files)
    return Dataset(name, train, test, read.input_shape, _PIXEL_MAXIMUM, tuple(read.notes))


def _choose(samples: Samples, choice: tuple[str, ...], name: str) -> Samples:
    """Return the samples of some labels."""
    if samples.y is None or isinstance(samples.X, Rows):
        raise DataError(f"{name} has no labels to choose by: leave out the ':' and what follows.")
    labels = samples.y.astype(str)
    missing = sorted(set(choice) - set(np.unique(labels).tolist()))
    if missing:
        raise DataError(f"{name.rpartition(':')[0]} has no label {missing[0]}: it has {_listed(np.unique(samples.y))}.")
    return samples.some(np.flatnonzero(np.isin(labels, choice)))


def _from_idx(name: str, source: str, choice: tuple[str, ...] | None) -> Dataset:
    path = Path(source)
    if source and path.is_dir():
        train, test = (_find_images(path, part) for part in ("train", "test"))
        if train is None:
            message = f"The folder {path} has no file train-images-idx3-ubyte[.gz] and no images: name a folder that"
            raise MissingFileError(f"{message} has, or a file in it.")
    elif source and path.exists():
        train, test = path, None
    else:
        message = f"There is no dataset or file {name!r}: name mnist, mnist:0,1, digits, breast_cancer, openml:NAME"
        raise MissingFileError(f"{message} or a path that exists.")
    if choice is not None and not all(re.fullmatch(r"\d{1,9}", label) for label in choice):
        raise _no_choice(",".join(choice), source)
    return _from_files(name, train, test, None if choice is None else tuple(map(int, choice)))


def _no_choice(labels: str, source: str) -> SettingError:
    return SettingError(f"{labels!r} is not a choice of labels: write whole numbers with commas, like {source}:0,1.")


def _split(name: str) -> tuple[str, tuple[str, ...] | None]:
    """Return the source and the choice of labels of a name such as `mnist:0,1`."""
    source, colon, labels = name.rpartition(":")
    if not colon or Path(name).exists():
        return name, None
    if source == "mnist" and not re.fullmatch(r"\d{1,9}(,\d{1,9})*", labels):
        raise _no_choice(labels, source)
    if source in ("mnist", "digits") or (source and Path(source).exists()):
        choice = tuple(labels.split(","))
        if not all(choice):
            raise _no_choice(labels, source)
        return source, choice
    return name, None


def _find_images(folder: Path, part: str) -> Path | None:
    """Return the file of images of one part, gzipped or not, with a hyphen or a point in its name."""
    for separator in "-.":
        for ending in ("", ".gz"):
            path = folder / f"{_FILE_PREFIX[part]}-images{separator}idx3-ubyte{ending}"
            if path.is_file():
                return path
    return None


def _find_labels(images: Path) -> Path | None:
    """Return the file of labels that belongs to a file of images; None if there is none."""
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    if name == images.name.removesuffix(".gz"):
        return None
    return next((path for path in (images.with_name(name), images.with_name(f"{name}.gz")) if path.is_file()), None)


def _from_files(name: str, train: Path, test: Path | None, choice: tuple[int, ...] | None) -> Dataset:
    train_images, train_samples = _read_samples(train, choice)
    input_shape = train_images.shape[1:]
    test_samples = None
    if test is not None:
        test_images, test_samples = _read_samples(test, choice)
        if test_images.shape[1:] != input_shape or test_images.dtype != train_images.dtype:
            message = f"{train} and {test} hold samples of different shape or type: use files that belong together."
            raise DataError(message)
    scale = _PIXEL_MAXIMUM if train_images.dtype == np.uint8 else 1.0
    return Dataset(name, train_samples, test_samples, input_shape, scale)


def _read_samples(path: Path, choice: tuple[int, ...] | None) -> tuple[np.ndarray[Any, Any], Samples]:
    """Read images and, where there are any, their labels: the images as stored, and both as samples."""
    images = read_idx(path)
    _check_images(images, path)
    X = images.reshape(len(images), -1)
    labels_path = _find_labels(path)
    if labels_path is None:
        if choice is not None:
            raise DataError(f"{path} has no file of labels beside it to choose by: leave out the ':' and what follows.")
        return images, Samples(X, None)
    y = read_idx(labels_path)
    if y.ndim != 1 or y.dtype.kind not in "ui":
        raise FileFormatError(f"{labels_path} does not hold one whole number a sample: name the matching labels.")
    if len(y) != len(X):
        raise DataError(f"{path} has {len(X):,} samples but {labels_path} has {len(y):,} labels: use matching files.")
    if choice is not None:
        missing = sorted(set(choice) - set(np.unique(y).tolist()))
        if missing:
            raise DataError(f"{labels_path} has no label {missing[0]}: it has {_listed(np.unique(y))}.")
        keep = np.isin(y, choice)
        X, y = X[keep], y[keep]
    return images, Samples(X, y)


def _check_images(images: np.ndarray[Any, Any], path: Path) -> None:
    """Check that a file holds samples, of finite values."""
    if images.ndim < 2:
        raise DataError(f"{path} holds single values, not samples: name the file of images.")
    if images.ndim > MAX_DIMENSIONS:
        raise DataError(f"{path} holds samples of {images.ndim - 1} dimensions: use at most {MAX_DIMENSIONS - 1}.")
    if not images.size:
        raise DataError(f"{path} holds no samples: name a file that has some.")
    if not np.isfinite(images).all():
        first = int(np.argmin(np.isfinite(images.reshape(len(images), -1)).all(axis=1)))
        raise DataError(f"Sample {first} (from 0) of {path} has a NaN or infinite value: remove or repair it.")


def _listed(labels: np.ndarray[Any, Any]) -> str:
    """Name a few labels in a sentence."""
    words = [str(label) for label in labels[:10]]
    return ", ".join(words) + (" and others" if len(labels) > len(words) else "")
