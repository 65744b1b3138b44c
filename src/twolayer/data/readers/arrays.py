"""NumPy's own files: arrays by name in an NPZ (as Keras keeps MNIST), or one array in an NPY.

NumPy reads them, without pickles. Before it may take any memory, what a file claims is compared with its length; an NPY
stays on disk and is mapped.

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
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Dataset, Labels
from twolayer.data.packed import check_unpacked
from twolayer.data.rows import ArrayRows, MemoryRows, let_go
from twolayer.errors import DataError, FileFormatError, TwoLayerError
from twolayer.storage import open_file
from twolayer.text import join

MAX_BYTES = 4 * 2**30
MAX_DIMENSIONS = 9  # one for the samples, at most eight for each
MAX_LABEL_LENGTH = 1000
_NAMES = {  # in lower case
    "X_train": ("x_train", "x", "train_images", "images"),
    "y_train": ("y_train", "y", "train_labels", "labels"),
    "X_test": ("x_test", "test_images"),
    "y_test": ("y_test", "test_labels"),
}
_VERSIONS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MAX_HEADER_BYTES = 10_000  # what NumPy itself reads from a stranger
_MAX_LIST_BYTES = 2**20  # of what an NPZ says of its members, room for some ten thousand
_MAX_SIDE = 2**128  # so that a product of them can be told
_DEFLATE_MAX_RATIO = 1032  # it stores at most 258 bytes in two bits
_BLOCK_VALUES = 2**20
_BLOCK_ROWS = 4096
_MAX_WHOLE = 2**53  # above it float64 has no odd numbers
_ZIP_ERRORS = (  # what zipfile and NumPy raise for what they cannot read
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class _CarefulFile:
    """A file of which little is read at once: zipfile takes a list of members of any length into memory."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path

    def read(self, n: int = -1) -> bytes:
        """Return some bytes."""
        if n > _MAX_LIST_BYTES:
            raise FileFormatError(f"{self._path} has too many arrays: save only the samples and the labels.")
        return self._file.read(n)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Claim(NamedTuple):
    """What an NPY says of itself: of samples, or of labels."""

    name: str
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    offset: int
    samples: bool

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def memory(self) -> int:
        """Bytes of what is made of it: letters become four bytes each, truth values as labels eight."""
        least = 0 if self.samples else 8 * math.prod(self.shape)
        return max(self.n_bytes * (4 if self.dtype.kind == "S" else 1), least)


def pixel_scale(dtype: np.dtype[Any]) -> float:
    """Return what stored values are divided by: 255 for bytes."""
    return 255.0 if dtype == np.uint8 else 1.0


def read_npz(path: str | os.PathLike[str]) -> Dataset:
    """Read the samples and labels of an NPZ: those of its arrays whose names are known, in small or capital letters.

    Refused are Python objects, and claims of more than `MAX_BYTES`, than the file can hold or, where it is compressed,
    than `most_unpacked` lets it hold.
    """
    path = Path(path)
    with open_file(path) as file:
        try:
            careful: Any = _CarefulFile(file, path)
            with zipfile.ZipFile(careful) as archive:
                arrays = _read_archive(archive, path, os.fstat(file.fileno()).st_size)
        except TwoLayerError:
            raise
        except MemoryError:
            message = f"{path} does not fit in memory: save fewer samples, or X as an NPY."
            raise FileFormatError(message) from None
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # the disk's, not a wrong place within the archive
                raise
            _damaged(path)
        except _ZIP_ERRORS:
            _damaged(path)
    test = _as_dataset(path, arrays["X_test"], arrays.get("y_test")) if "X_test" in arrays else None
    return _as_dataset(path, arrays["X_train"], arrays.get("y_train"), test)


def read_npy(path: str | os.PathLike[str], labels: str | os.PathLike[str] | None = None) -> Dataset:
    """Map the samples of an NPY into memory, and read their labels; they stay on disk in the processor's byte order.

    If no path of the labels is given, they are in a file beside the samples: y.npy beside X.npy, labels.npy beside
    images.npy, NAME_labels.npy or NAME-labels.npy beside NAME.npy.
    """
    path = Path(path)
    labels_path = _find_labels(path) if labels is None else Path(labels)
    X = _map(path, None)
    return _as_dataset(path, X, None if labels_path is None else _map(labels_path, len(X)))


def _as_dataset(path: Path, X: Array, y: Array | None, test: Dataset | None = None) -> Dataset:
    flat = X.reshape(len(X), -1)
    on_disk = isinstance(X, np.memmap) and np.may_share_memory(flat, X)  # else an order of axes that has to be copied
    rows = ArrayRows(flat, _BLOCK_ROWS) if on_disk else MemoryRows(flat)
    labels = None if y is None else Labels.found(y)
    return Dataset(str(path), rows, labels, X.shape[1:], pixel_scale(X.dtype), test=test)


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


def _read_archive(archive: zipfile.ZipFile, path: Path, stored_bytes: int) -> dict[str, Array]:
    """Read the arrays that are known by name: all headers first, then the values."""
    members = _find_members(archive, path)
    claims: dict[str, _Claim] = {}
    for role, info in sorted(members.items()):  # X before y
        name = f"{info.filename.removesuffix('.npy')} of {path}"
        _check_member(info, name, stored_bytes)
        m = claims[f"X{role[1:]}"].shape[0] if role.startswith("y") else None
        with archive.open(info) as stream:
            claims[role] = _read_claim(stream, name, info.file_size, m)
        _check_memory(claims[role])
    packed = [role for role, info in members.items() if info.compress_type != zipfile.ZIP_STORED]
    check_unpacked(str(path), sum(claims[role].memory for role in packed), stored_bytes)
    _check_alike(claims, path)
    arrays = {}
    for role, info in members.items():
        with archive.open(info) as stream:
            array = _read_values(stream)
            stream.read(1)  # the end, where zipfile compares the checksum
        arrays[role] = _finish(array, claims[role])
    return arrays


def _read_values(stream: IO[bytes]) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python 2's way to write a header
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _find_members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the members that hold samples and labels, by what they are."""
    members: dict[str, zipfile.ZipInfo] = {}
    listed = [(info.filename.removesuffix(".npy"), info) for info in archive.infolist()]
    for name, info in listed:
        role = next((role for role, known in _NAMES.items() if name.lower() in known), None)
        if role in members:
            first = members[role].filename.removesuffix(".npy")
            raise DataError(f"{path} has both {first} and {name}: keep only one of them.")
        if role is not None:
            members[role] = info
    for part, wanted in (("train", "x_train or X"), ("test", "x_test")):
        if f"X_{part}" not in members and (part == "train" or f"y_{part}" in members):
            has = join(name[:40] for name, _ in listed) or "nothing"
            raise DataError(f"{path} has no array {wanted} (it has {has}): save the samples under that name.")
    return members


def _check_member(info: zipfile.ZipInfo, name: str, stored_bytes: int) -> None:
    """Check that a member can be what it claims to be."""
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileFormatError(
            f"{name} is encrypted or compressed in a way that NumPy does not use: save it with numpy.savez."
        )
    ratio = 1 if info.compress_type == zipfile.ZIP_STORED else _DEFLATE_MAX_RATIO
    if info.file_size > min(info.compress_size, stored_bytes) * ratio:
        message = f"{name} is damaged: it claims {info.file_size:,} bytes, more than it can hold; get a fresh copy."
        raise FileFormatError(message)


def _read_claim(stream: IO[bytes], name: str, n_bytes: int, m: int | None) -> _Claim:
    """Read the header of an NPY of samples, or of the labels of `m` samples, and check it against the file's length."""
    start = io.BytesIO(stream.read(_MAX_HEADER_BYTES))  # it may claim any length
    try:
        version = np.lib.format.read_magic(start)
    except ValueError:
        raise FileFormatError(f"{name} is not an NPY file: save it with numpy.save or numpy.savez.") from None
    if version not in _VERSIONS:
        raise FileFormatError(f"{name} has a version that is not used for plain arrays: save it again with numpy.save.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python 2's way to write a header
            shape, fortran_order, dtype = _VERSIONS[version](start)
    except Exception:  # noqa: BLE001 - any text may stand there, and NumPy lets Python's parser judge it
        raise FileFormatError(f"{name} is damaged: its header cannot be read; get a fresh copy.") from None
    if dtype.hasobject:
        message = f"{name} holds Python objects, which could run a program: save it again as numbers or text."
        raise FileFormatError(message)
    if any(type(side) is not int or not 0 <= side < _MAX_SIDE for side in shape) or not dtype.itemsize:
        raise FileFormatError(f"{name} is damaged: its header has an impossible shape or type; get a fresh copy.")
    claim = _Claim(name, shape, fortran_order, dtype, start.tell(), samples=m is None)
    _check_length(claim, n_bytes)
    if m is None:
        _check_samples(claim)
    else:
        _check_labels(claim, m)
    return claim


def _check_length(claim: _Claim, n_bytes: int) -> None:
    """Check that a file is as long as its header says."""
    there = n_bytes - claim.offset
    if there != claim.n_bytes:
        found = f"its header promises {claim.n_bytes:,} bytes of values, but it has {there:,}"
        raise FileFormatError(f"{claim.name} is damaged: {found}; get a fresh copy.")


def _check_memory(claim: _Claim) -> None:
    """Check what an array takes when it is read."""
    if claim.memory > MAX_BYTES:
        message = f"{claim.name} needs {claim.memory:,} bytes, more than the limit of {MAX_BYTES:,}"
        raise FileFormatError(f"{message}: save fewer samples, or X as an NPY.")


def _check_samples(claim: _Claim) -> None:
    """Check that an array can hold samples."""
    name, n_dimensions = claim.name, len(claim.shape)
    if claim.dtype.kind not in "iubf":
        raise DataError(f"{name} holds {claim.dtype.name} values: save it again as numbers.")
    if n_dimensions < 2:
        raise DataError(f"{name} holds single values, not samples: save one row per sample.")
    if n_dimensions > MAX_DIMENSIONS:
        raise DataError(f"{name} holds samples of {n_dimensions - 1} dimensions: use at most {MAX_DIMENSIONS - 1}.")
    if not math.prod(claim.shape):
        raise DataError(f"{name} holds no samples: name a file that has some.")


def _check_labels(claim: _Claim, m: int) -> None:
    """Check that an array can hold one label for each of `m` samples."""
    name, shape, dtype = claim.name, claim.shape, claim.dtype
    if dtype.kind not in "iubfUS":
        raise DataError(f"{name} holds {dtype.name} values: save it again as whole numbers or text.")
    if len(shape) != 1 and shape[1:] != (1,):
        raise DataError(f"{name} has the shape {shape}: save one label per sample, as a whole number or text.")
    if shape[0] != m:
        raise DataError(f"{name} has {shape[0]:,} labels for {m:,} samples: use matching files.")
    n_letters = dtype.itemsize // {"U": 4, "S": 1}.get(dtype.kind, dtype.itemsize)
    if n_letters > MAX_LABEL_LENGTH:
        raise DataError(f"{name} has labels of up to {n_letters:,} letters: use at most {MAX_LABEL_LENGTH:,}.")


def _check_alike(claims: dict[str, _Claim], path: Path) -> None:
    """Check that what is trained on and what is tested on belong together."""
    kinds = {(claim.shape[1:], claim.dtype.newbyteorder("=")) for claim in claims.values() if claim.samples}
    if len(kinds) > 1:
        message = f"The training and test samples of {path} differ in shape or type: use matching arrays."
        raise DataError(message)
    if len({claim.dtype.kind in "US" for claim in claims.values() if not claim.samples}) > 1:
        raise DataError(f"{path} has labels of text and of numbers: save y_train and y_test with the same classes.")


def _map(path: Path, m: int | None) -> Array:
    """Map an NPY of samples, or read one of the labels of `m` samples."""
    with open_file(path) as file:
        claim = _read_claim(file, str(path), os.fstat(file.fileno()).st_size, m)
        source: Any = file  # as NumPy's stub wants a file to write to
        order: Any = "F" if claim.fortran_order else "C"
        array: Array = np.memmap(source, claim.dtype, "r", claim.offset, claim.shape, order)
    if m is not None or not array.dtype.isnative or not array.flags.aligned:
        _check_memory(claim)
        array = np.array(array, dtype=claim.dtype.newbyteorder("="))
    return _finish(array, claim)


def _finish(array: Array, claim: _Claim) -> Array:
    """Bring an array into the processor's byte order and check its values."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "b" and any((block > 1).any() for _, block in _blocks(array.view(np.uint8))):
        message = f"{claim.name} is damaged: it has booleans that are neither 0 nor 1; get a fresh copy."
        raise FileFormatError(message)
    if not claim.samples:
        return _as_labels(array.reshape(-1), claim.name)
    check_finite(array, claim.name)
    return array


def _as_labels(y: Array, name: str) -> Array:
    """Return labels as whole numbers or text."""
    if y.dtype.kind == "S":
        try:
            return np.strings.decode(y, "utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{name} has labels that are not text in UTF-8: save them as text.") from None
    if y.dtype.kind == "U":
        letters = y.view(np.uint32)
        if ((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters < 0xE000))).any():
            raise FileFormatError(f"{name} is damaged: it has labels that are not text; get a fresh copy.")
    if y.dtype.kind == "f":
        return _as_whole_numbers(y, name)
    return y.astype(np.int64) if y.dtype.kind == "b" else y


def _as_whole_numbers(y: Array, name: str) -> Array:
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


def _blocks(array: Array) -> Iterator[tuple[int, Array]]:
    """Yield the values as they lie in the file, each block with its place; nothing is copied."""
    flat = np.asarray(array).ravel(order="K")
    for start in range(0, len(flat), _BLOCK_VALUES):
        yield start, flat[start : start + _BLOCK_VALUES]


def check_finite(X: Array, name: str) -> None:
    """Check that samples are finite numbers; `name` is what the error calls them."""
    if X.dtype.kind != "f":
        return
    for start, block in _blocks(X):
        finite = np.isfinite(block)
        if isinstance(X, np.memmap):
            let_go(X)
        if not finite.all():
            place = start + int(np.argmin(finite))
            sample = place // math.prod(X.shape[1:]) if X.flags.c_contiguous else place % len(X)
            raise DataError(f"Sample {sample} (from 0) of {name} has a NaN or infinite value: remove or repair it.")
