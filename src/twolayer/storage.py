"""Files are written whole or not at all, and what cannot be read or written is answered by a sentence."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from twolayer.errors import MissingFileError, StorageError, TwoLayerError

_ADVICE = {
    errno.ENOSPC: "free some space or choose another place",
    errno.EDQUOT: "free some space or choose another place",
    errno.ENOENT: "create its folder first, or choose another place",
}


def check_other_file(path: Path, read: Sequence[str | os.PathLike[str]]) -> None:
    """Check that a file to be written is not one of those that are read; what is no path is passed over."""
    for each in read:
        same = False
        with contextlib.suppress(OSError, ValueError):  # one is not there, or is the name of something else
            same = path.samefile(each)
        if same:
            raise StorageError(f"{path} is an input and would be overwritten: choose another `out`.")


@contextlib.contextmanager
def open_file(path: Path, advice: str = "check the path") -> Iterator[BinaryIO]:
    """Open a regular file to read its bytes; `advice` is what to do if there is no such file.

    MissingFileError if it is not there, StorageError if it is a folder, a device or a pipe, or cannot be read.
    """
    try:
        if path.is_dir():
            raise StorageError(f"{path} is a folder: name a file in it.")
        if path.exists() and not path.is_file():  # reading a pipe or a device may never end
            raise StorageError(f"{path} is not a regular file: copy its contents to one.")
        with path.open("rb") as file:
            yield file
    except TwoLayerError:
        raise
    except FileNotFoundError:
        raise MissingFileError(f"There is no file {path}: {advice}.") from None
    except OSError as error:
        raise StorageError(f"Cannot read {path} ({error.strerror or error}): check its permissions.") from error


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`, in a folder that exists, so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder, reach the disk, and are renamed over `path`; after a failure
    the temporary file is gone and the old file is as it was. An old file's permissions are kept. StorageError if the
    folder cannot be written or the disk is full.
    """
    with replacement(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """Give a path of the same ending to write, whose file replaces `path` at the end, as `replace_file` says."""
    if path.is_dir():
        raise StorageError(f"{path} is a folder: name a file in it.")
    target = Path(os.path.realpath(path))  # a link stays a link, and what it points to is replaced
    temporary = target.with_name(f".{secrets.token_hex(4)}.{target.name[-100:]}")
    try:
        if target.exists() and not target.is_file():
            yield target  # a device or a pipe takes bytes and cannot be replaced
            return
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except TwoLayerError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, "choose another place")
        raise StorageError(f"Cannot write {path} ({reason}): {advice}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
