"""The proof sheet: printed numbers beside computed ones, and on how many decimal places they agree."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

LOSS_PLACES = 14  # the digits beyond depend on the order in which a BLAS adds
_ARRAY_PLACES = 8
_COUNTED = ("9", "10")  # accuracies are counts divided: every digit of them is needed


@dataclass(frozen=True)
class Figure:
    """One printed quantity beside what the functions give."""

    exercise: str  # number of the exercise or section
    quantity: str  # what is printed
    printed: list[str]  # its numbers as the assignment prints them
    computed: list[float]  # the same numbers from the functions; empty if they gave none
    digits: list[int]  # decimal places on which each pair agrees
    places: list[int]  # decimal places printed
    agrees: bool  # whether every number agrees on as many places as it must
    note: str = ""  # why the functions gave no numbers to compare


@dataclass(frozen=True)
class SizeReading:
    """Exercise 10 for one size of network, training and test accuracy, read in two ways.

    The printed table gives every sample one class: the one on whose side of 0.5 the mean of A2 lies. `predict`, as
    exercise 9 specifies it, gives each sample its own.
    """

    n_h: int
    printed: tuple[float, float]
    by_mean: tuple[float, float]
    by_predict: tuple[float, float]


@dataclass(frozen=True)
class Sheet:
    """All figures, and both readings of exercise 10 for the sizes on which the functions do not fail."""

    figures: list[Figure] = field(default_factory=list)
    readings: list[SizeReading] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every figure agrees."""
        return all(figure.agrees for figure in self.figures)

    @property
    def n_numbers(self) -> int:
        """How many printed numbers the figures hold."""
        return sum(len(figure.printed) for figure in self.figures)

    @property
    def n_agreeing(self) -> int:
        """How many numbers belong to figures that agree."""
        return sum(len(figure.printed) for figure in self.figures if figure.agrees)


@dataclass(frozen=True)
class Failure:
    """An exception in place of a value."""

    error: Exception


def attempt(compute: Callable[..., Any], *arguments: Any) -> Any:
    """Return a value, or the failure to compute it, whatever wrong functions raise; a failure passes through."""
    for argument in arguments:
        if isinstance(argument, Failure):
            return argument
    try:
        return compute(*arguments)
    except Exception as error:  # noqa: BLE001 - wrong functions may raise anything
        return Failure(error)


def compare(exercise: str, quantity: str, printed: Any, value: Any) -> Figure:
    """Set a computed value, a `Failure` or anything else beside the printed numbers, whose shape it must have."""
    texts = np.ravel(printed).tolist()
    places = [_places(text, in_array=np.ndim(printed) > 0) for text in texts]
    note, numbers = _read(value, np.shape(printed))
    if note:
        return Figure(exercise, quantity, texts, [], [0] * len(texts), places, agrees=False, note=note)
    digits = [_agreeing_places(*each) for each in zip(texts, numbers, places, strict=True)]
    needed = places if exercise in _COUNTED else [min(p, LOSS_PLACES) for p in places]
    agrees = all(d >= n for d, n in zip(digits, needed, strict=True))
    return Figure(exercise, quantity, texts, numbers, digits, places, agrees)


def _read(value: Any, shape: tuple[int, ...]) -> tuple[str, list[float]]:
    """Return the numbers of a value of the right shape, or what is wrong with it."""
    computed = attempt(np.asarray, value, np.float64)
    if isinstance(computed, Failure):
        return f"{type(computed.error).__name__}: {computed.error}", []
    if computed.shape != shape:
        return f"shape {computed.shape} instead of {shape}", []
    return "", computed.ravel().tolist()


def _places(text: str, *, in_array: bool) -> int:
    """Count the printed places: NumPy prints arrays to eight, those of the mantissa, without trailing zeros."""
    mantissa = text.partition("e")[0]
    if "." not in mantissa:
        return len(mantissa)
    return _ARRAY_PLACES if in_array else len(mantissa.partition(".")[2])


def _agreeing_places(text: str, number: float, places: int) -> int:
    """Count the places on which a printed number agrees with a computed one, both rounded there."""
    printed = Decimal(text)
    if not np.isfinite(number):
        return 0
    distance = abs(Decimal(number) - printed)
    if printed == printed.to_integral_value():  # a whole number, or the 0. of an array of zeros
        return places if distance == 0 else 0
    if "e" in text:
        distance = distance.scaleb(-printed.adjusted())
    return next((p for p in range(places, 0, -1) if distance <= Decimal("0.5").scaleb(-p)), 0)
