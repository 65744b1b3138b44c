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
from dataclasses import replace
from pathlib import Path

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Dataset, Labels
from twolayer.data.rows import MemoryRows
from twolayer.errors import FileFormatError, SettingError
from twolayer.storage import replace_file

IMAGE_SHAPE = (28, 28)
_SHIPPED = Path(__file__).parents[1] / "mnist_files"


_IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
_LABELS = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}
_SHA256 = {  # once decompressed
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load_mnist(digits: Iterable[int] | None = None) -> tuple[Array, Array, Array, Array]:
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
    (X_train, y_train), (X_test, y_test) = (_load_part(part, chosen) for part in ("train", "test"))
    return X_train, y_train, X_test, y_test


def read_mnist() -> Dataset:
    """Return all digits, those to test on beside those to learn from."""
    X_train, y_train, X_test, y_test = load_mnist()
    train, test = (
        Dataset("mnist", MemoryRows(X), Labels.found(y), IMAGE_SHAPE, 255.0)
        for X, y in ((X_train, y_train), (X_test, y_test))
    )
    return replace(train, test=test)


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
        raise SettingError(
            f"MNIST has the digits 0 to 9, each named at most once; got {got}: choose for example 0 and 1."
        )
    return chosen


def _load_part(part: str, digits: tuple[int, ...] | None) -> tuple[Array, Array]:
    images, labels = _load_file(_IMAGES[part])[16:].reshape(-1, 28 * 28), _load_file(_LABELS[part])[8:]  # headers
    if digits is None:
        return images, labels
    keep = np.isin(labels, np.asarray(digits, labels.dtype))
    return images[keep], labels[keep]


def _load_file(name: str) -> Array:
    """Return the bytes of one file: mapped from the cache when that is intact, else unpacked and cached."""
    cached = cache_folder() / "mnist" / name
    content = _map(cached)
    if content is None or hashlib.sha256(content.data).hexdigest() != _SHA256[name]:
        unpacked = _unpack(name)
        content = np.frombuffer(unpacked, np.uint8)
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time only
            cached.parent.mkdir(parents=True, exist_ok=True)
            replace_file(cached, unpacked)
    return content


def _map(path: Path) -> Array | None:
    """Map a file into memory as bytes; None if that is not possible."""
    try:
        return np.asarray(np.memmap(path, np.uint8, "r")) if path.is_file() else None
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None


def _unpack(name: str) -> bytes:
    path = _SHIPPED / f"{name}.gz"
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error):
        content = b""
    if hashlib.sha256(content).hexdigest() != _SHA256[name]:
        raise FileFormatError(f"The bundled file {path} is damaged: reinstall twolayer.")
    return content
