"""The MNIST database of handwritten digits: the four original files, shipped with the package.

The first use unpacks a file into the platform's cache folder (`TWOLAYER_CACHE` names another); later uses map it into
memory after checking its SHA-256. A cache that is damaged, read-only or full is passed over: the shipped file serves.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"; CC BY-SA 3.0.
"""

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twolayer.errors import FileFormatError, SettingError
from twolayer.storage import replace_file

IMAGE_SHAPE = (28, 28)
_SHIPPED = Path(__file__).with_name("mnist_files")


class _File(NamedTuple):
    """One of the four files: its name, the SHA-256 once decompressed, the bytes before its values, its shape."""

    name: str
    sha256: str
    header_bytes: int
    shape: tuple[int, ...]


_FILES = {
    "train": (
        _File(
            "train-images-idx3-ubyte",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            16,
            (60_000, 784),
        ),
        _File(
            "train-labels-idx1-ubyte",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            8,
            (60_000,),
        ),
    ),
    "test": (
        _File(
            "t10k-images-idx3-ubyte",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            16,
            (10_000, 784),
        ),
        _File(
            "t10k-labels-idx1-ubyte",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            8,
            (10_000,),
        ),
    ),
}

Labelled = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def load_mnist(
    digits: Iterable[int] | None = None,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Load the MNIST digits, all ten or the chosen ones, in the order of the original files.

    Parameters
    ----------
    digits : distinct integers, optional
        Which digits, for example (0, 1); all ten when not given.

    Returns
    -------
    X_train : uint8 array of shape (m, 784)
        One image a row, pixels 0 to 255; 60,000 rows for all ten digits. Read-only where no digits were chosen.
    y_train : uint8 array of shape (m,)
        The digit of each row.
    X_test : uint8 array of shape (m_test, 784)
        10,000 rows for all ten digits.
    y_test : uint8 array of shape (m_test,)

    Raises
    ------
    SettingError
        If `digits` is not a choice of distinct digits 0 to 9.
    """
    chosen = None if digits is None else _check_digits(digits)
    (X_train, y_train), (X_test, y_test) = (_select(_load_part(part), chosen) for part in ("train", "test"))
    return X_train, y_train, X_test, y_test


def cache_folder() -> Path:
    """Return the folder of unpacked files: `TWOLAYER_CACHE`, or `twolayer` in the platform's cache folder."""
    chosen = os.environ.get("TWOLAYER_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_path("twolayer"))


def _check_digits(digits: Iterable[int]) -> tuple[int, ...]:
    chosen = tuple(digits) if isinstance(digits, Iterable) else ()
    whole = all(isinstance(digit, int | np.integer) and 0 <= digit <= 9 for digit in chosen)
    if not whole or not chosen or len(set(chosen)) < len(chosen):
        got = ", ".join(str(digit) for digit in chosen) or repr(digits)
        raise SettingError(f"MNIST has the digits 0 to 9, each named at most once; got {got}: choose, say, 0 and 1.")
    return chosen


def _load_part(part: str) -> Labelled:
    images, labels = (_load_file(file) for file in _FILES[part])
    return images, labels


def _select(labelled: Labelled, digits: tuple[int, ...] | None) -> Labelled:
    images, labels = labelled
    if digits is None:
        return images, labels
    keep = np.isin(labels, np.asarray(digits, labels.dtype))
    return images[keep], labels[keep]


def _load_file(file: _File) -> np.ndarray[Any, Any]:
    """Return the values of one file: mapped from the cache when that is intact, else unpacked and cached."""
    cached = cache_folder() / "mnist" / file.name
    content = _map(cached)
    if content is None or hashlib.sha256(content.data).hexdigest() != file.sha256:
        unpacked = _unpack(file)
        content = np.frombuffer(unpacked, np.uint8)
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time only
            cached.parent.mkdir(parents=True, exist_ok=True)
            replace_file(cached, unpacked)
    return content[file.header_bytes :].reshape(file.shape)


def _map(path: Path) -> np.ndarray[Any, Any] | None:
    """Map a file into memory as bytes; None if that is not possible."""
    try:
        return np.asarray(np.memmap(path, np.uint8, "r")) if path.is_file() else None
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None


def _unpack(file: _File) -> bytes:
    path = _SHIPPED / f"{file.name}.gz"
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error):
        content = b""
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise FileFormatError(f"The shipped file {path} is damaged: install twolayer again.")
    return content
