"""IDX files, plain or gzipped: the format of the MNIST database.

    two zero bytes, a type code, the number of dimensions d, d sizes (4 bytes each, big endian), the values (big endian)

A folder has (train|t10k)-(images-idx3|labels-idx1)-ubyte[.gz]; labels are found beside their images.

Source: the format description on the MNIST database's page (LeCun, Cortes, Burges).
"""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Dataset, Labels
from twolayer.data.packed import check_unpacked
from twolayer.data.readers.arrays import MAX_DIMENSIONS, check_finite, pixel_scale
from twolayer.data.rows import MemoryRows
from twolayer.errors import DataError, FileFormatError, MissingFileError
from twolayer.storage import open_file

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 4 * 2**30
_GZIP_START = b"\x1f\x8b"
_GZIP_MAX_RATIO = 1032  # deflate stores at most 258 bytes in two bits
_NUMPY_DIMENSIONS = 64
_BLOCK_BYTES = 2**20
_PREFIXES = {"train": "train", "test": "t10k"}


def read_idx_samples(path: Path) -> Dataset:
    """Read a file of images and their labels, or a folder of such files to train and to test on."""
    if not path.is_dir():
        return _read_samples(path)
    train, test = (_find_images(path, part) for part in ("train", "test"))
    if train is None:
        message = f"The folder {path} has no file train-images-idx3-ubyte[.gz] and no images"
        raise MissingFileError(f"{message}: name a folder that has them, or a file.")
    dataset = _read_samples(train)
    if test is None:
        return dataset
    tests = _read_samples(test)
    if tests.input_shape != dataset.input_shape or tests.rows.dtype != dataset.rows.dtype:
        raise DataError(f"{train} and {test} have samples of different shape or type: use matching files.")
    return Dataset(str(path), dataset.rows, dataset.labels, dataset.input_shape, dataset.scale, test=tests)


def _find_images(folder: Path, part: str) -> Path | None:
    """Return the file of images of one part, gzipped or not, with a hyphen or a point in its name."""
    stems = [folder / f"{_PREFIXES[part]}-images{separator}idx3-ubyte" for separator in "-."]
    paths = [stem.with_name(stem.name + ending) for stem in stems for ending in ("", ".gz")]
    return next((path for path in paths if path.is_file()), None)


def _find_labels(images: Path) -> Path | None:
    """Return the file of labels that belongs to a file of images; None if there is none."""
    stem = images.name.removesuffix(".gz")
    name = stem.replace("images", "labels").replace("idx3", "idx1")
    paths = [images.with_name(name), images.with_name(f"{name}.gz")] if name != stem else []
    return next((path for path in paths if path.is_file()), None)


def _read_samples(path: Path) -> Dataset:
    """Read images and, where there are any, their labels."""
    images = read_idx(path)
    if images.ndim < 2:
        raise DataError(f"{path} holds single values, not samples: name the file of images.")
    if images.ndim > MAX_DIMENSIONS:
        raise DataError(f"{path} holds samples of {images.ndim - 1} dimensions: use at most {MAX_DIMENSIONS - 1}.")
    if not images.size:
        raise DataError(f"{path} holds no samples: name a file that has some.")
    check_finite(images, str(path))
    labels_path = _find_labels(path)
    labels = None if labels_path is None else _read_labels(labels_path, path, len(images))
    rows = MemoryRows(images.reshape(len(images), -1))
    return Dataset(str(path), rows, labels, images.shape[1:], pixel_scale(images.dtype))


def _read_labels(path: Path, images: Path, m: int) -> Labels:
    """Read the labels of a file of images."""
    y = read_idx(path)
    if y.ndim != 1 or y.dtype.kind not in "ui":
        raise FileFormatError(f"{path} does not have one whole number per sample: name the matching labels.")
    if len(y) != m:
        raise DataError(f"{images} has {m:,} samples but {path} has {len(y):,} labels: use matching files.")
    return Labels.found(y)


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read one IDX file, in the processor's byte order; whether it is gzipped is seen from its first bytes.

    Refused is what claims more than `MAX_BYTES` or, gzipped, than `most_unpacked` lets it hold.
    """
    path = Path(path)
    with open_file(path) as file:
        gzipped = file.read(2) == _GZIP_START
        file.seek(0)
        stored_bytes = os.fstat(file.fileno()).st_size
        if not gzipped:
            return _read(file, path, stored_bytes, packed=False)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return _read(stream, path, stored_bytes, packed=True)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            message = f"{path} is damaged: its gzip data is cut short or changed; get a fresh copy."
            raise FileFormatError(message) from None


def _read(stream: IO[bytes] | gzip.GzipFile, path: Path, stored_bytes: int, *, packed: bool) -> Array:
    """Read header and values from an open stream of a file of `stored_bytes`."""
    shape, dtype = _read_header(stream, path)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > MAX_BYTES:
        message = f"{path} claims {n_bytes:,} bytes, more than the limit of {MAX_BYTES:,}"
        raise FileFormatError(f"{message}: split it into smaller files.")
    cut_short = FileFormatError(
        f"{path} is cut short: its header promises {n_bytes:,} bytes of values; get a fresh copy."
    )
    if n_bytes > stored_bytes * (_GZIP_MAX_RATIO if packed else 1):  # the file cannot hold what it claims
        raise cut_short
    if packed:
        check_unpacked(str(path), n_bytes, stored_bytes)
    values = np.empty(n_bytes, np.uint8)
    if not _fill(stream, values.data):
        raise cut_short
    if stream.read(1):
        raise FileFormatError(
            f"{path} is longer than the {n_bytes:,} bytes that its header promises: get a fresh copy."
        )
    try:
        array = values.view(dtype).reshape(shape)
    except ValueError:  # beside a size of 0 others may be too large
        raise FileFormatError(f"{path} claims {len(shape)} dimensions of impossible sizes: get a fresh copy.") from None
    return (array if array.dtype.isnative else array.byteswap(inplace=True)).view(dtype.newbyteorder("="))


def _read_header(stream: IO[bytes] | gzip.GzipFile, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the type of the values."""
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in IDX_TYPES or start[3] == 0:
        raise FileFormatError(f"{path} is not an IDX file: name a file like train-images-idx3-ubyte or its .gz.")
    n_dimensions = start[3]
    if n_dimensions > _NUMPY_DIMENSIONS:
        raise FileFormatError(f"{path} claims {n_dimensions} dimensions: get a fresh copy.")
    sizes = stream.read(4 * n_dimensions)
    if len(sizes) < 4 * n_dimensions:
        raise FileFormatError(f"{path} is cut short within its header: get a fresh copy.")
    return tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(IDX_TYPES[start[2]])


def _fill(stream: Any, view: memoryview) -> bool:
    """Read until `view` is full; False if the stream ends first."""
    done = 0
    while done < len(view) and (n := stream.readinto(view[done : done + _BLOCK_BYTES])):
        done += n
    return done == len(view)
