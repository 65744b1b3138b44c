"""Files that appear whole or not at all."""

import os
import secrets
from pathlib import Path

from twolayer.errors import StorageError


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder, reach the disk, and are renamed over `path`; after a failure
    the temporary file is gone and the old file is as it was.

    Parameters
    ----------
    path : Path
        Where to; its folder exists.
    data : bytes
        The whole content.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full.
    """
    if path.is_dir():
        raise StorageError(f"{path} is a folder: name a file in it.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"Cannot write {path} ({reason}): free some space or choose another place."
        raise StorageError(message) from error
    finally:
        temporary.unlink(missing_ok=True)
