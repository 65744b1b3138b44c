"""Samples held out: a share of each class, the same for the same seed."""

from typing import Any

import numpy as np

from twolayer.errors import SettingError


def hold_out(y: Any, share: float, random_state: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Choose samples at random, of each class its share; a class of one sample stays to learn from.

    Where every class's share rounds to none, one sample of the largest class is held out, if it has two.

    Parameters
    ----------
    y : array of shape (m,)
        Classes.
    share : float
        Of the samples, from 0 to less than 1.
    random_state : int
        Seed.

    Returns
    -------
    (rest, held_out) : arrays of int, in rising order

    Raises
    ------
    SettingError
        If the share is none.
    """
    if not 0 <= share < 1:
        raise SettingError(f"The share held out must be at least 0 and less than 1; got {share:g}.")
    y = np.asarray(y)
    if not len(y):
        return np.arange(0), np.arange(0)
    random = np.random.default_rng(random_state)
    out = np.zeros(len(y), bool)
    classes, code = np.unique(y, return_inverse=True)
    by_class = np.argsort(code, kind="stable")
    counts = np.bincount(code, minlength=len(classes))
    wanted = np.minimum(np.round(share * counts).astype(int), counts - 1)
    if share and not wanted.any():
        wanted[counts.argmax()] = min(1, counts.max() - 1)
    for members, n in zip(np.split(by_class, np.cumsum(counts)[:-1]), wanted, strict=True):
        out[random.permutation(members)[:n]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)
