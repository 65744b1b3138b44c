"""Kinds of command-line values, each refused with a sentence that says what is wanted."""

import math
import re
from typing import Any

import click


class WholeNumber(click.ParamType):  # type: ignore[type-arg]  # older click has no arguments
    """A whole number within bounds.

    Parameters
    ----------
    least, most : int
    """

    name = "whole number"

    def __init__(self, least: int, most: int = 2**63 - 1) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or refuse it."""
        try:
            number = int(value)
        except ValueError:
            number = self.least - 1
        if number > self.most:
            self.fail(f"it must be a whole number of at most {self.most}, not {value!r}", param, ctx)
        if number < self.least:
            self.fail(f"it must be a whole number of at least {self.least}, not {value!r}", param, ctx)
        return number


class Number(click.ParamType):  # type: ignore[type-arg]
    """A finite number within bounds.

    Parameters
    ----------
    least, most : float
    """

    name = "number"

    def __init__(self, least: float, most: float = math.inf) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or refuse it."""
        number = _to_number(value)
        if not self.least <= number < math.inf:
            self.fail(f"it must be a number of at least {self.least:g}, not {value!r}", param, ctx)
        if number > self.most:
            self.fail(f"it must be a number of at most {self.most:g}, not {value!r}", param, ctx)
        return number


class PositiveNumber(click.ParamType):  # type: ignore[type-arg]
    """A finite number greater than 0, or one word instead.

    Parameters
    ----------
    word : str
    """

    name = "number"

    def __init__(self, word: str) -> None:
        self.word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the number or the word, or refuse it."""
        if value == self.word:
            return self.word
        number = _to_number(value)
        if not 0 < number < math.inf:
            self.fail(f"it must be a number greater than 0, or {self.word}, not {value!r}", param, ctx)
        return number


def _to_number(value: Any) -> float:
    """Return a number, NaN for what is none."""
    try:
        return float(value)
    except ValueError:
        return math.nan


class ImageSize(click.ParamType):  # type: ignore[type-arg]
    """Height and width, such as 28x28."""

    name = "heightxwidth"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return height and width, or refuse it."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", value.strip())
        if found is None:
            self.fail(f"it must be height x width in pixels, like 28x28, not {value!r}", param, ctx)
        return int(found[1]), int(found[2])


AUTO = "auto"
DATA_HELP = "a name or a path, as for train"
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
encoding_option = click.option(
    "--encoding",
    type=click.Choice(["utf-8", "utf-16", "latin-1"]),
    default="utf-8",
    show_default=True,
    help="Of the text in CSV files.",
)
part_option = click.option(
    "--part", type=click.Choice(["train", "test"]), help="Which samples.  [default: test, where there are any]"
)


def split_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that options hold, each one or several with commas; a name with a comma stands in quotes."""
    import csv

    return tuple(name for line in csv.reader(values, skipinitialspace=True) for name in line)
