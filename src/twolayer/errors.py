"""What can go wrong, each kind also the builtin exception that a caller would expect.

Every message is one sentence: what is wrong and what to do about it. A setting is named in backticks, as `max_iter`;
the command line, and it alone, turns that into its option.
"""

import re


class TwoLayerError(Exception):
    """Base of every error that twolayer raises on purpose."""

    @property
    def settings(self) -> list[str]:
        """The names of the settings that the message is about."""
        return re.findall(r"`(\w+)`", str(self))


class DataError(TwoLayerError, ValueError):
    """The samples or labels do not fit the request."""


class SettingError(TwoLayerError, ValueError):
    """A setting (a size, a rate, a name) is invalid."""


class ArrayTypeError(TwoLayerError, TypeError):
    """An argument is not an array of any Array-API library."""


class MissingFileError(TwoLayerError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class FileFormatError(TwoLayerError, ValueError):
    """A file is damaged, or is not of the kind that was expected."""


class StorageError(TwoLayerError, OSError):
    """A file could not be read or written: permission, a full disk, a folder in the way."""


class ClusterError(TwoLayerError, ConnectionError):
    """A cluster cannot be reached, was lost, or does not suit the training."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, and the training went on without it."""
