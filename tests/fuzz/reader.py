"""How any reader is given a file, and what may come of it."""

import warnings
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.watch import watched
from twolayer.errors import TwoLayerError

Reader = Callable[[bytes, Path], None]


def check(read: Reader, content: bytes, folder: Path) -> None:
    """Give a file's content to a reader; whatever but a good result or a good error comes of it is raised."""
    with watched(folder), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read(content, folder)
        except TwoLayerError as error:
            sentence = str(error)
            assert sentence.endswith("."), sentence
            assert len(sentence) <= len(content) + 1000, sentence


def put(content: bytes, path: Path) -> Path:
    """Write a file, and return where."""
    path.write_bytes(content)
    return path
