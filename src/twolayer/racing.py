"""Which choices of settings are trained further when not all can be: the better half, again and again."""

import math
import re
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from twolayer.errors import SettingError

_RANGE = re.compile(r"\s*([0-9.eE+-]+?)\s*\.\.\s*([0-9.eE+-]+)\s*")
_MOST_TRIES = 100  # to draw choices that differ
_AT_ONCE = 16

P = TypeVar("P")
C = TypeVar("C", bound=Hashable)


@dataclass(frozen=True)
class Range:
    """Numbers to draw from: whole ones if both ends are; each factor is as likely where the lower end is above 0."""

    low: float
    high: float
    is_whole: bool

    @classmethod
    def of(cls, value: Any) -> "Range | None":
        """Return the range that a text such as 0.01..10 stands for, or None if it is no such text.

        Raises
        ------
        SettingError
            If its ends are no numbers, or in the wrong order.
        """
        found = _RANGE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return None
        try:
            low, high = map(float, found.groups())
        except ValueError:
            low, high = math.nan, math.nan
        if not low < high < math.inf:
            raise SettingError(f"A range goes from a number to a larger one, as 0.01..10; got {value!r}.")
        return cls(low, high, all(re.fullmatch("[0-9]+", end) for end in found.groups()))

    def draw(self, random: np.random.Generator) -> int | float:
        """Return a number of the range, of four digits if it is not whole."""
        if self.low > 0:
            value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = random.uniform(self.low, self.high)
        return round(value) if self.is_whole else float(f"{value:.4g}")


def draw_choices(values: Mapping[str, Sequence[Any] | Range], n: int, seed: int) -> list[tuple[tuple[str, Any], ...]]:
    """Return so many different choices, drawn at random; fewer where there are not so many.

    Parameters
    ----------
    values : mapping of a setting's name to its values or a range
    n : int
    seed : int
        The same seed gives the same choices, and a larger n more of them.

    Returns
    -------
    list of tuples of name and value
    """
    random = np.random.default_rng([seed, 1])
    found: dict[str, tuple[tuple[str, Any], ...]] = {}
    for _ in range(_MOST_TRIES * n):
        choice = tuple(
            (name, each.draw(random) if isinstance(each, Range) else each[int(random.integers(len(each)))])
            for name, each in values.items()
        )
        found[repr(choice)] = choice
        if len(found) == n:
            break
    return list(found.values())


@dataclass(frozen=True)
class Budget:
    """What a sweep may cost: a number of trainings, or seconds."""

    trainings: float = math.inf
    seconds: float = math.inf

    @classmethod
    def of(cls, value: Any) -> "Budget | None":
        """Return the budget that a number of trainings, or a text such as 90s, stands for; None stands for no limit.

        Raises
        ------
        SettingError
            If it is neither.
        """
        if value is None or isinstance(value, Budget):
            return value
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(s?)", str(value).strip())
        if found and float(found[1]) > 0 and (found[2] or "." not in found[1]):
            return cls(seconds=float(found[1])) if found[2] else cls(trainings=int(found[1]))
        raise SettingError(
            f"`budget` must be a number of trainings, such as 50, or seconds, such as 90s; got {value!r}."
        )


def race(
    choices: Mapping[C, Sequence[P]],
    budget: Budget,
    train: Callable[[Sequence[P]], Iterable[tuple[float, float]]],
) -> list[P]:
    """Train each choice once, the better half once more, and so on, until the budget is spent or one is left.

    Parameters
    ----------
    choices : mapping of a choice to its trainings, all as many
        Those of several seeds and folds.
    budget : Budget
    train : callable
        Trains, and returns accuracy and log loss of each training.

    Returns
    -------
    list
        The trainings that were done.

    Notes
    -----
    Successive halving (K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
    optimization", AISTATS 2016), with trainings as what is spent. If the budget does not suffice for all choices,
    those that are tried are drawn.
    """
    begin = time.perf_counter()
    done: list[P] = []
    order = np.random.default_rng(0).permutation(len(choices))
    alive = [list(choices)[k] for k in order[: int(min(len(choices), budget.trainings))]]
    scores: dict[C, list[tuple[float, float]]] = {choice: [] for choice in alive}
    for turn in range(len(next(iter(choices.values())))):
        for first in range(0, len(alive), _AT_ONCE):
            part = alive[first : first + _AT_ONCE][: int(min(_AT_ONCE, budget.trainings - len(done)))]
            if done and time.perf_counter() - begin >= budget.seconds:
                part = []
            points = [choices[choice][turn] for choice in part]
            for choice, score in zip(part, train(points) if points else (), strict=True):
                scores[choice].append(score)
            done += points
        tried = [choice for choice in alive if len(scores[choice]) > turn]
        tried.sort(key=lambda choice: _rank(scores[choice]))
        if len(tried) < len(alive) or len(tried) == 1:
            break
        alive = tried[: math.ceil(len(tried) / 2)]
    return done


def _rank(scores: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return what sorts the best first: by accuracy, then by log loss."""
    accuracy, loss = np.mean(scores, axis=0)
    return -float(accuracy), float(loss)
