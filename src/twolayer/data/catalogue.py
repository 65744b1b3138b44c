"""One name or path for every source of samples: `mnist:0,1`, a folder of IDX files, one IDX file of images.

After a colon a choice of labels may follow: `mnist:4,9`, `fashion/:0,6`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from twolayer.data import mnist
from twolayer.data.idx import read_idx
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError

Part = Literal["train", "test"]
_FILE_PREFIX = {"train": "train", "test": "t10k"}
_PIXEL_MAXIMUM = 255.0
MAX_DIMENSIONS = 9  # one for the samples, at most eight for each


@dataclass(frozen=True)
class Samples:
    """Rows of features and, where known, the label of each row.

    Attributes
    ----------
    X : array of shape (m, n_features), as stored
    y : integer array of shape (m,), or None
    """

    X: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any] | None

    def labels(self, source: str) -> np.ndarray[Any, Any]:
        """Return the labels, or say that `source` has none."""
        if self.y is None:
            raise DataError(f"{source} has no labels: put the file of labels (…-labels-idx1-ubyte) beside the images.")
        return self.y


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
    """

    name: str
    train: Samples
    test: Samples | None
    input_shape: tuple[int, ...]
    scale: float

    def part(self, part: Part | None = None) -> Samples:
        """Return the samples of one part; the test part, where there is one, if not told which."""
        if part == "test" and self.test is None:
            raise DataError(f"{self.name} has no test files: use --part train.")
        return self.train if part == "train" or self.test is None else self.test


def load_dataset(name: str) -> Dataset:
    """Load the samples behind a name or path.

    Parameters
    ----------
    name : str
        `mnist`, `mnist:0,1`, or the path of an IDX file of images or of a folder with the four files
        (train|t10k)-(images-idx3|labels-idx1)-ubyte[.gz], each with or without a `:` and a choice of labels.

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
    source, choice = _split(name)
    if source == "mnist":
        X_train, y_train, X_test, y_test = mnist.load_mnist(choice)
        return Dataset(name, Samples(X_train, y_train), Samples(X_test, y_test), mnist.IMAGE_SHAPE, _PIXEL_MAXIMUM)
    path = Path(source)
    if source and path.is_dir():
        train, test = (_find_images(path, part) for part in ("train", "test"))
        if train is None:
            message = (
                f"The folder {path} has no file train-images-idx3-ubyte[.gz]: name a folder or file of IDX images."
            )
            raise MissingFileError(message)
    elif source and path.exists():
        train, test = path, None
    else:
        raise MissingFileError(f"There is no dataset or file {name!r}: name mnist, mnist:0,1 or a path that exists.")
    return _from_files(name, train, test, choice)


def _split(name: str) -> tuple[str, tuple[int, ...] | None]:
    """Return the source and the choice of labels of a name such as `mnist:0,1`."""
    source, colon, labels = name.rpartition(":")
    if not colon or Path(name).exists():
        return name, None
    if re.fullmatch(r"\d{1,9}(,\d{1,9})*", labels):
        return source, tuple(int(label) for label in labels.split(","))
    if source == "mnist" or Path(source).exists():
        raise SettingError(f"{labels!r} is not a choice of labels: write whole numbers with commas, like {source}:0,1.")
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
