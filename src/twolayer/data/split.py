"""Samples held out: a fraction of each class, the same for the same seed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.errors import SettingError


def hold_out(y: Any, fraction: float, random_state: int | Sequence[int] = 0) -> tuple[Array, Array]:
    """Choose samples at random, of each class its fraction; return the others and these, in rising order.

    A class of one sample stays to learn from. Where every class's part rounds to no sample, one of the largest class is
    held out, if it has two. The same seed chooses the same.
    """
    if not 0 <= fraction < 1:
        raise SettingError(f"The fraction held out must be at least 0 and less than 1; got {fraction:g}.")
    y = np.asarray(y)
    if not len(y):
        return np.arange(0), np.arange(0)
    random = np.random.default_rng(random_state)
    out = np.zeros(len(y), bool)
    classes, code = np.unique(y, return_inverse=True)
    by_class = np.argsort(code, kind="stable")
    counts = np.bincount(code, minlength=len(classes))
    wanted = np.minimum(np.round(fraction * counts).astype(int), counts - 1)
    if fraction and not wanted.any():
        wanted[counts.argmax()] = min(1, counts.max() - 1)
    for members, n in zip(np.split(by_class, np.cumsum(counts)[:-1]), wanted, strict=True):
        out[random.permutation(members)[:n]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)
