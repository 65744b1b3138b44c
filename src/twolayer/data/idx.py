"""IDX files, plain or gzipped: the format of the MNIST database.

    two zero bytes, a type code, the number of dimensions d, d sizes (4 bytes each, big endian), the values (big endian)

Source: the format description on the MNIST database's page (LeCun, Cortes, Burges).
"""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from twolayer.data.packed import check_unpacked
from twolayer.errors import FileFormatError
from twolayer.storage import open_file

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 4 * 2**30
_GZIP_START = b"\x1f\x8b"
_GZIP_MAX_RATIO = 1032  # deflate stores at most 258 bytes in two bits
_MAX_DIMENSIONS = 64  # of an array of NumPy's
_BLOCK_BYTES = 2**20


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Read one IDX file, gzipped or not.

    Parameters
    ----------
    path : path of the file
        Whether it is gzipped is seen from its first bytes, not from its name.

    Returns
    -------
    array with the file's shape, in the processor's byte order

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it is no IDX file, ends early, holds more than its header says, or claims more than `MAX_BYTES` or, gzipped,
        than `most_unpacked` lets it hold.
    StorageError
        If it cannot be read.
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


def _read(stream: IO[bytes] | gzip.GzipFile, path: Path, stored_bytes: int, *, packed: bool) -> np.ndarray[Any, Any]:
    """Read header and values from an open stream of a file of `stored_bytes`."""
    shape, dtype = _read_header(stream, path)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > MAX_BYTES:
        message = (
            f"{path} claims {n_bytes:,} bytes, more than the {MAX_BYTES:,} that are read: split it into smaller files."
        )
        raise FileFormatError(message)
    values = None
    if n_bytes <= stored_bytes * (_GZIP_MAX_RATIO if packed else 1):  # else the file cannot keep what it claims
        if packed:
            check_unpacked(str(path), n_bytes, stored_bytes)
        values = np.empty(n_bytes, np.uint8)
        values = values if _fill(stream, values.data) else None
    if values is None:
        raise FileFormatError(
            f"{path} is cut short: its header promises {n_bytes:,} bytes of values; get a fresh copy."
        )
    if stream.read(1):
        raise FileFormatError(f"{path} holds more than the {n_bytes:,} bytes of its header: get a fresh copy.")
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
    if n_dimensions > _MAX_DIMENSIONS:
        raise FileFormatError(f"{path} claims {n_dimensions} dimensions: get a fresh copy.")
    sizes = stream.read(4 * n_dimensions)
    if len(sizes) < 4 * n_dimensions:
        raise FileFormatError(f"{path} is cut short within its header: get a fresh copy.")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))
    return shape, np.dtype(IDX_TYPES[start[2]])


def _fill(stream: IO[bytes] | gzip.GzipFile, view: memoryview) -> bool:
    """Read until `view` is full; False if the stream ends first."""
    done = 0
    while done < len(view):
        block = stream.read(min(_BLOCK_BYTES, len(view) - done))
        if not block:
            return False
        view[done : done + len(block)] = block
        done += len(block)
    return True
