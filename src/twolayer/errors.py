"""What can go wrong, each kind also the builtin exception that a caller would expect.

Every message is one sentence for a person: what is wrong and what to do about it.
"""


class TwoLayerError(Exception):
    """Base of every error that twolayer raises on purpose."""


class DataError(TwoLayerError, ValueError):
    """The samples or labels do not fit the request."""


class SettingError(TwoLayerError, ValueError):
    """A setting (a size, a rate, a name) is outside what is possible."""


class ArrayTypeError(TwoLayerError, TypeError):
    """An argument is not an array of any Array-API library."""


class MissingFileError(TwoLayerError, FileNotFoundError):
    """A file or folder that was named is not there."""


class FileFormatError(TwoLayerError, ValueError):
    """A file is damaged, or is not of the kind that was expected."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, and the training went on without it."""


class StorageError(TwoLayerError, OSError):
    """A file could not be read or written: permission, a full disk, a folder in the way."""
