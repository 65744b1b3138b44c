"""NumPy's own files: arrays by name in an NPZ (as Keras keeps MNIST), or one array in an NPY.

    NPY: the byte 147, "NUMPY", a version, the length of the header, the header (type, order, shape), the values
    NPZ: a zip archive of NPY files

Nothing is unpickled. What a file claims is compared with its length before any memory is taken; an NPY stays on disk
and is mapped.

Source: the format description in NumPy's documentation (numpy.lib.format).
"""

import contextlib
import errno
import io
import math
import os
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np

from twolayer.data.packed import check_unpacked
from twolayer.data.rows import let_go
from twolayer.errors import DataError, FileFormatError, TwoLayerError
from twolayer.storage import open_file

MAX_BYTES = 4 * 2**30
MAX_DIMENSIONS = 9  # one for the samples, at most eight for each
MAX_LABEL_LENGTH = 1000
_NAMES = {  # in lower case
    "X_train": ("x_train", "x", "train_images", "images"),
    "y_train": ("y_train", "y", "train_labels", "labels"),
    "X_test": ("x_test", "test_images"),
    "y_test": ("y_test", "test_labels"),
}
_NPY_START = b"\x93NUMPY"
_LENGTH_BYTES = {b"\1\0": 2, b"\2\0": 4}  # by version; 3.0 is for named columns only
_MAX_HEADER_BYTES = 10_000  # what NumPy itself reads from a stranger
_MAX_LIST_BYTES = 2**20  # of what an NPZ says of its members, room for some ten thousand
_MAX_SIDE = 2**128  # so that a product of them can be told
_DEFLATE_MAX_RATIO = 1032  # it stores at most 258 bytes in two bits
_BLOCK_BYTES = 2**20
_BLOCK_VALUES = 2**20
_MAX_WHOLE = 2**53  # above it float64 has no odd numbers
_ZIP_ERRORS = (  # what zipfile raises for what it cannot read
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_KINDS = {"iubf": "numbers", "iubfUS": "whole numbers or text"}


@dataclass(frozen=True)
class ArraySet:
    """Samples, in the shape they are stored in, and their labels.

    Attributes
    ----------
    X_train : array of shape (m, ...)
        Of numbers, all finite.
    y_train : array of shape (m,), or None
        Whole numbers or text.
    X_test, y_test : arrays of the same kind, or None
    """

    X_train: np.ndarray[Any, Any]
    y_train: np.ndarray[Any, Any] | None
    X_test: np.ndarray[Any, Any] | None
    y_test: np.ndarray[Any, Any] | None


class _CarefulFile:
    """A file of which little is read at once: zipfile takes a list of members of any length into memory."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path

    def read(self, n: int = -1) -> bytes:
        """Return some bytes."""
        if n > _MAX_LIST_BYTES:
            raise FileFormatError(f"{self._path} has too many arrays to look through: save samples and labels alone.")
        return self._file.read(n)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Header(NamedTuple):
    """What an NPY says of itself, and where its values begin."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def memory(self, *, samples: bool) -> int:
        """Return the bytes of what is made of it: letters become four bytes each, truth values as labels eight."""
        least = 0 if samples else 8 * math.prod(self.shape)
        return max(self.n_bytes * (4 if self.dtype.kind == "S" else 1), least)


def read_npz(path: str | os.PathLike[str]) -> ArraySet:
    """Read the arrays of samples and labels from an NPZ.

    Parameters
    ----------
    path : path of the file
        Its arrays are called x_train, y_train, x_test, y_test (as in Keras's mnist.npz), or X and y, or train_images,
        train_labels, test_images, test_labels, in small or capital letters. Others are not read.

    Returns
    -------
    ArraySet
        In the processor's byte order.

    Raises
    ------
    MissingFileError, StorageError
        If the file is not there or cannot be read.
    FileFormatError
        If it is damaged or no NPZ, holds Python objects, or claims more than `MAX_BYTES`, than it can hold or, where
        it is compressed, than `most_unpacked` lets it hold.
    DataError
        If arrays are missing, are no samples or labels, or do not belong together.
    """
    path = Path(path)
    with open_file(path) as file:
        try:
            careful: Any = _CarefulFile(file, path)
            with zipfile.ZipFile(careful) as archive:
                return _read_archive(archive, path, os.fstat(file.fileno()).st_size)
        except TwoLayerError:
            raise
        except MemoryError:
            message = f"{path} needs more memory than there is: save fewer samples, or X as an NPY."
            raise FileFormatError(message) from None
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # the disk's, not a wrong place within the archive
                raise
            _damaged(path)
        except _ZIP_ERRORS:
            _damaged(path)


def read_npy(path: str | os.PathLike[str], labels: str | os.PathLike[str] | None = None) -> ArraySet:
    """Map the samples of an NPY into memory, and read their labels.

    Parameters
    ----------
    path : path of the samples
    labels : path of an NPY, optional
        If not given, a file beside the samples: y.npy beside X.npy, labels.npy beside images.npy, NAME_labels.npy or
        NAME-labels.npy beside NAME.npy.

    Returns
    -------
    ArraySet
        `X_train` stays on disk if its byte order is the processor's; there are no test arrays.

    Raises
    ------
    MissingFileError, StorageError
        If a file is not there or cannot be read.
    FileFormatError
        If it is damaged or no NPY, or holds Python objects.
    DataError
        If the arrays are no samples or labels, or do not belong together.
    """
    path = Path(path)
    labels_path = _find_labels(path) if labels is None else Path(labels)
    X = _map(path, None)
    y = None if labels_path is None else _map(labels_path, len(X))
    return ArraySet(X, y, None, None)


def _damaged(path: Path) -> NoReturn:
    raise FileFormatError(f"{path} is damaged or is not an NPZ file: get a fresh copy, or save it with numpy.savez.")


def _find_labels(path: Path) -> Path | None:
    """Return the file of labels beside a file of samples; None if there is none."""
    stem = path.stem
    names = [re.sub(r"^[Xx](?=$|[_-])", "y", stem), stem.replace("images", "labels")]
    names = [name for name in names if name != stem] + [f"{stem}_labels", f"{stem}-labels"]
    paths = (path.with_name(f"{name}{path.suffix}") for name in names)
    with contextlib.suppress(OSError):  # a name may become longer than the disk allows
        return next((path for path in paths if path.is_file()), None)
    return None


def _read_archive(archive: zipfile.ZipFile, path: Path, stored_bytes: int) -> ArraySet:
    """Read the arrays that are known by name: all headers first, then the values."""
    members = _find_members(archive, path)
    names = {role: f"{info.filename.removesuffix('.npy')} of {path}" for role, info in members.items()}
    for role, info in members.items():
        _check_member(info, names[role], stored_bytes)
    headers = {}
    for role, info in sorted(members.items()):  # X before y
        with archive.open(info) as stream:
            headers[role] = _read_header(stream, names[role])
        _check_length(headers[role], info.file_size, names[role])
    for role, header in headers.items():
        if role.startswith("X"):
            _check_samples(header, names[role])
        else:
            _check_labels(header, headers[f"X{role[1:]}"].shape[0], names[role])
        _check_memory(header, names[role], samples=role.startswith("X"))
    packed = [role for role, info in members.items() if info.compress_type != zipfile.ZIP_STORED]
    unpacked = sum(headers[role].memory(samples=role.startswith("X")) for role in packed)
    check_unpacked(str(path), unpacked, stored_bytes)
    _check_alike(headers, path)
    arrays = {}
    for role, info in members.items():
        with archive.open(info) as stream:
            array = _read_values(stream, headers[role], names[role])
        arrays[role] = _finish(array, names[role], samples=role.startswith("X"))
    return ArraySet(arrays["X_train"], arrays.get("y_train"), arrays.get("X_test"), arrays.get("y_test"))


def _find_members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the members that hold samples and labels, by what they are."""
    members: dict[str, zipfile.ZipInfo] = {}
    listed = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    for name, info in zip(listed, archive.infolist(), strict=True):
        role = next((role for role, known in _NAMES.items() if name.lower() in known), None)
        if role in members:
            first = members[role].filename.removesuffix(".npy")
            raise DataError(f"{path} has both {first} and {name}: keep the one to use.")
        if role is not None:
            members[role] = info
    for part in ("train", "test"):
        if f"X_{part}" not in members and (part == "train" or f"y_{part}" in members):
            named = ", ".join(name[:40] for name in listed[:10]) + (" and others" if len(listed) > 10 else "")
            either = "x_train or X" if part == "train" else "x_test"
            has = named or "nothing"
            raise DataError(f"{path} has no array {either}, it has {has}: save the samples under that name.")
    return members


def _check_member(info: zipfile.ZipInfo, name: str, stored_bytes: int) -> None:
    """Check that a member can be what it claims to be."""
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileFormatError(f"{name} is encrypted or packed as NumPy does not: save it with numpy.savez.")
    ratio = 1 if info.compress_type == zipfile.ZIP_STORED else _DEFLATE_MAX_RATIO
    if info.file_size > min(info.compress_size, stored_bytes) * ratio:
        message = f"{name} is damaged: it claims {info.file_size:,} bytes, more than it can hold; get a fresh copy."
        raise FileFormatError(message)


def _read_header(stream: IO[bytes], name: str) -> _Header:
    """Read the header of an NPY, without trusting any length in it."""
    start = stream.read(8)
    if start[:6] != _NPY_START:
        raise FileFormatError(f"{name} is not an NPY file: save it with numpy.save or numpy.savez.")
    n_length = _LENGTH_BYTES.get(start[6:])
    if n_length is None:
        raise FileFormatError(f"{name} is of a version that holds no plain array: save it again with numpy.save.")
    length = stream.read(n_length)
    n_header = int.from_bytes(length, "little")
    text = stream.read(min(n_header, _MAX_HEADER_BYTES))
    if n_header > _MAX_HEADER_BYTES or len(length) < n_length or len(text) < n_header:
        raise FileFormatError(f"{name} is damaged within its header: get a fresh copy.")
    read = np.lib.format.read_array_header_1_0 if n_length == 2 else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python 2's way to write a header
            shape, fortran_order, dtype = read(io.BytesIO(length + text))
    except Exception:  # noqa: BLE001 - any text may stand there, and NumPy lets Python's parser judge it
        raise FileFormatError(f"{name} is damaged: its header cannot be read; get a fresh copy.") from None
    if dtype.hasobject:
        message = f"{name} holds Python objects, which could run a program: save it again as numbers or text."
        raise FileFormatError(message)
    if any(type(side) is not int or not 0 <= side < _MAX_SIDE for side in shape) or not dtype.itemsize:
        raise FileFormatError(f"{name} is damaged: its header has an impossible shape or type; get a fresh copy.")
    return _Header(shape, fortran_order, dtype, len(start) + len(length) + len(text))


def _check_length(header: _Header, n_bytes: int, name: str) -> None:
    """Check that a file is as long as its header says."""
    there = n_bytes - header.offset
    if there != header.n_bytes:
        message = (
            f"{name} is damaged: its header promises {header.n_bytes:,} bytes of values but {there:,} are there; "
            "get a fresh copy."
        )
        raise FileFormatError(message)


def _check_memory(header: _Header, name: str, *, samples: bool) -> None:
    """Check what an array takes when it is read."""
    n_bytes = header.memory(samples=samples)
    if n_bytes > MAX_BYTES:
        message = (
            f"{name} takes {n_bytes:,} bytes, more than the {MAX_BYTES:,} that are read: "
            "save fewer samples, or X as an NPY."
        )
        raise FileFormatError(message)


def _check_kind(header: _Header, kinds: str, name: str) -> None:
    if header.dtype.kind not in kinds:
        raise DataError(f"{name} holds {header.dtype.name} values: save it again as {_KINDS[kinds]}.")


def _check_samples(header: _Header, name: str) -> None:
    """Check that an array can hold samples."""
    _check_kind(header, "iubf", name)
    n_dimensions = len(header.shape)
    if n_dimensions < 2:
        raise DataError(f"{name} holds single values, not samples: give it one row a sample.")
    if n_dimensions > MAX_DIMENSIONS:
        raise DataError(f"{name} holds samples of {n_dimensions - 1} dimensions: use at most {MAX_DIMENSIONS - 1}.")
    if not math.prod(header.shape):
        raise DataError(f"{name} holds no samples: name a file that has some.")


def _check_labels(header: _Header, m: int, name: str) -> None:
    """Check that an array can hold one label for each of `m` samples."""
    _check_kind(header, "iubfUS", name)
    if len(header.shape) != 1 and header.shape[1:] != (1,):
        raise DataError(f"{name} has the shape {header.shape}: save one label a sample, as a whole number or text.")
    if header.shape[0] != m:
        raise DataError(f"{name} has {header.shape[0]:,} labels for {m:,} samples: use files that belong together.")
    n_letters = header.dtype.itemsize // {"U": 4, "S": 1}.get(header.dtype.kind, header.dtype.itemsize)
    if n_letters > MAX_LABEL_LENGTH:
        raise DataError(f"{name} has labels of up to {n_letters:,} letters: use at most {MAX_LABEL_LENGTH:,}.")


def _check_alike(headers: dict[str, _Header], path: Path) -> None:
    """Check that what is trained on and what is tested on belong together."""
    train, test = headers["X_train"], headers.get("X_test")
    if test is not None and (
        test.shape[1:] != train.shape[1:] or test.dtype.newbyteorder("=") != train.dtype.newbyteorder("=")
    ):
        message = f"{path} trains and tests on samples of different shape or type: use arrays that belong together."
        raise DataError(message)
    texts = {headers[role].dtype.kind in "US" for role in ("y_train", "y_test") if role in headers}
    if len(texts) > 1:
        raise DataError(f"{path} has labels of text and of numbers: save y_train and y_test with the same classes.")


def _read_values(stream: IO[bytes], header: _Header, name: str) -> np.ndarray[Any, Any]:
    """Read the values of a member whose length is as claimed."""
    values = np.empty(header.n_bytes, np.uint8)
    view, done = values.data, 0
    stream.read(header.offset)
    while done < len(view):
        block = stream.read(min(_BLOCK_BYTES, len(view) - done))
        if not block:
            raise FileFormatError(f"{name} is cut short: get a fresh copy.")
        view[done : done + len(block)] = block
        done += len(block)
    stream.read(1)  # the end, where zipfile compares the checksum
    return values.view(header.dtype).reshape(header.shape, order="F" if header.fortran_order else "C")


def _map(path: Path, m: int | None) -> np.ndarray[Any, Any]:
    """Map an NPY of samples, or read one of labels of `m` samples."""
    name = str(path)
    with open_file(path) as file:
        header = _read_header(file, name)
        _check_length(header, os.fstat(file.fileno()).st_size, name)
        if m is None:
            _check_samples(header, name)
        else:
            _check_labels(header, m, name)
        source: Any = file  # as NumPy's stub wants a file to write to
        array: np.ndarray[Any, Any] = np.memmap(
            source,
            dtype=header.dtype,
            mode="r",
            offset=header.offset,
            shape=header.shape,
            order="F" if header.fortran_order else "C",
        )
    if m is not None or not array.dtype.isnative or not array.flags.aligned:
        _check_memory(header, name, samples=m is None)
        array = np.array(array, dtype=header.dtype.newbyteorder("="))
    return _finish(array, name, samples=m is None)


def _finish(array: np.ndarray[Any, Any], name: str, *, samples: bool) -> np.ndarray[Any, Any]:
    """Bring an array into the processor's byte order and check its values."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "b" and any((block > 1).any() for _, block in _blocks(array.view(np.uint8))):
        raise FileFormatError(f"{name} is damaged: it has truth values that are neither 0 nor 1; get a fresh copy.")
    if not samples:
        return _as_labels(array.reshape(-1), name)
    wrong = _first_wrong(array)
    if wrong is not None:
        raise DataError(f"Sample {wrong} (from 0) of {name} has a NaN or infinite value: remove or repair it.")
    return array


def _as_labels(y: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """Return labels as whole numbers or text."""
    if y.dtype.kind == "S":
        try:
            return np.strings.decode(y, "utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{name} has labels that are not text in UTF-8: save them as text.") from None
    if y.dtype.kind == "U":
        letters = y.view(np.uint32)
        if ((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters < 0xE000))).any():
            raise FileFormatError(f"{name} is damaged: it has labels that are no text; get a fresh copy.")
    if y.dtype.kind == "f":
        return _as_whole_numbers(y, name)
    return y.astype(np.int64) if y.dtype.kind == "b" else y


def _as_whole_numbers(y: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """Return labels that were saved as floats."""
    numbers = np.empty(len(y), np.int64)
    for start, stored in _blocks(y):
        with np.errstate(invalid="ignore"):  # of a NaN that signals
            block = stored.astype(np.result_type(stored, np.float64))  # float16 cannot tell what is too large
            whole = np.isfinite(block) & (np.abs(block) <= _MAX_WHOLE) & (block == np.rint(block))
        if not whole.all():
            first = int(np.argmin(whole))
            raise DataError(f"Label {start + first} (from 0) of {name} is {stored[first]}: use whole numbers or text.")
        numbers[start : start + len(block)] = block
    return numbers


def _blocks(array: np.ndarray[Any, Any]) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """Go through the values as they lie in the file, each block with its place; nothing is copied."""
    flat = np.asarray(array).ravel(order="K")
    for start in range(0, len(flat), _BLOCK_VALUES):
        yield start, flat[start : start + _BLOCK_VALUES]


def _first_wrong(X: np.ndarray[Any, Any]) -> int | None:
    """Return a sample that has a value that is not finite; None if all are."""
    if X.dtype.kind != "f":
        return None
    for start, block in _blocks(X):
        finite = np.isfinite(block)
        if isinstance(X, np.memmap):
            let_go(X)
        if not finite.all():
            place = start + int(np.argmin(finite))
            return place // math.prod(X.shape[1:]) if X.flags.c_contiguous else place % len(X)
    return None
