"""Kinds of command-line values, each refused with a sentence that says what is wanted."""

import math
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
    """A finite number of at least some other.

    Parameters
    ----------
    least : float
    """

    name = "number"

    def __init__(self, least: float) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or refuse it."""
        number = _to_number(value)
        if not self.least <= number < math.inf:
            self.fail(f"it must be a number of at least {self.least:g}, not {value!r}", param, ctx)
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


AUTO = "auto"
DATA_HELP = "mnist, mnist:0,1, or the path of IDX files with or without such a choice of labels"
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
