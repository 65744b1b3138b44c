"""The data to read, as settings: the options of the command line are made from these fields."""

import operator
import os
import re
from dataclasses import dataclass
from typing import Any

from twolayer.data.memory import parse_bytes
from twolayer.errors import SettingError
from twolayer.settings import Checked, Kind, choice, flag, real, setting, text

ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1")
COLOURS = ("grey", "rgb")
MAX_PIXELS = 50_000_000  # of one image; decoded it takes four bytes a pixel


def _path(value: Any) -> str:
    return os.fsdecode(os.fspath(value))


def _names(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError
    return names


def _size(value: Any) -> tuple[int, int]:
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]{1,9})[xX]([0-9]{1,9})\s*", value)
        value = () if found is None else map(int, found.groups())
    height, width = map(operator.index, value)
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise ValueError
    return height, width


@dataclass(frozen=True)
class DataRequest(Checked):
    """Which samples to train and test on, and how to read them. Values are checked on construction.

    Raises
    ------
    SettingError
        If a value is invalid, or two of them conflict.
    """

    data: str = setting(
        "mnist:0,1", Kind("a name, a path or a query", _path), "Data to train on: a name, a path or a query."
    )
    target: str | None = setting(None, text(None), "Column to predict, for a table.")
    ignore: tuple[str, ...] = setting((), Kind("names of columns", _names), "Columns to leave out.", shown="none")
    positive: str | None = setting(
        None, text(None), "Which of two classes is the positive one.", shown="the second in alphabetical order"
    )
    test: str | None = setting(
        None, Kind("a name, a path or a query", _path, (None,)), "Data to test on: a name, a path or a query."
    )
    hold_out: float | None = setting(
        None,
        real(0, 1, None),
        "Fraction of the samples to hold out for testing, if there are no test data.",
        shown="0.2",
    )
    keep_spellings: bool = setting(
        default=False, kind=flag(), summary="Treat different spellings, like Yes and yes, as different classes."
    )
    labels: str | None = setting(
        None,
        Kind("a path", _path, (None,)),
        "NPY file of the labels, for an NPY of samples.",
        shown="the one beside it",
    )
    size: tuple[int, int] | None = setting(
        None,
        Kind("height and width in pixels, like 28x28,", _size, (None,)),
        "Height and width to resize images to, in pixels.",
        shown="the most common size, at most 64 a side",
    )
    colour: str | None = setting(
        None, choice(COLOURS, None), "Read images in grey or in colour.", shown="grey if all images are grey"
    )
    encoding: str = setting(ENCODINGS[0], choice(ENCODINGS), "Text encoding of CSV files; Excel often uses cp1252.")
    memory: int | None = setting(
        None,
        Kind("an amount of memory like 800MB or 1.5GB,", parse_bytes, (None,)),
        "Maximum memory to use; larger data are read block by block.",
        shown="half of the machine's memory",
    )

    def __post_init__(self) -> None:
        """Check each field, and those that must go together."""
        super().__post_init__()
        if self.hold_out is not None and self.test is not None:
            raise SettingError("`hold_out` and `test` cannot be used together: leave one of them out.")
