"""How the learning rate changes over a training on mini-batches."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twolayer.aliases import Array

_WARM_UP = 0.05  # of the training, in which the rate of `cosine` rises
_RISE, _LOW, _LOWEST = 0.3, 1 / 25, 1e-5  # of `onecycle`, as in most libraries


@dataclass(frozen=True)
class Schedule:
    """The rate over so many passes.

    Attributes
    ----------
    name : str
        One of `SCHEDULES`.
    n_passes : int
        Those of the whole training; after them the rate is as at their end.
    """

    name: str = "constant"
    n_passes: int = 1

    def factors(self, passes: Array) -> Array:
        """Return what the learning rate is multiplied by, after so many passes."""
        return SCHEDULES[self.name](np.clip(passes / self.n_passes, 0, 1))


def _cosine(progress: Array) -> Array:
    fall = np.clip((progress - _WARM_UP) / (1 - _WARM_UP), 0, 1)
    return np.minimum(progress / _WARM_UP, (1 + np.cos(np.pi * fall)) / 2)


def _one_cycle(progress: Array) -> Array:
    rise, fall = np.clip(progress / _RISE, 0, 1), np.clip((progress - _RISE) / (1 - _RISE), 0, 1)
    rising = 1 + (_LOW - 1) * (1 + np.cos(np.pi * rise)) / 2
    falling = _LOWEST + (1 - _LOWEST) * (1 + np.cos(np.pi * fall)) / 2
    return np.where(progress < _RISE, rising, falling)


SCHEDULES: dict[str, Callable[[Array], Array]] = {  # of the fraction of the training that is over
    "constant": np.ones_like,
    "cosine": _cosine,
    "onecycle": _one_cycle,
}
