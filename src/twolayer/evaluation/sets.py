"""Prediction sets: for each sample the classes that cannot be ruled out, with the true one as often as asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.errors import DataError
from twolayer.evaluation.figures import check_probabilities
from twolayer.evaluation.scores import wilson_interval
from twolayer.model import Model, PredictionSets
from twolayer.settings import real

_FRACTION = real(0, 1, above=True)
_ROUNDING = 1e-5  # an export may compute a probability so much smaller


@dataclass(frozen=True)
class SetFigures:
    """How good prediction sets are.

    Attributes
    ----------
    coverage, low, high : float
        How often the true class is in the set, with Wilson's 95 % interval.
    mean_size : float
    alone : float
        Share of samples whose set is one class.
    empty : float
        Share of samples for which no class is likely enough.
    """

    coverage: float
    low: float
    high: float
    mean_size: float
    alone: float
    empty: float


def find_sets(probabilities: Any, y: Any, classes: Sequence[Label], coverage: float = 0.9) -> PredictionSets:
    """Find from which probability on a class belongs to a prediction set.

    Parameters
    ----------
    probabilities : array of shape (m, n_classes)
        Of samples that the model was not trained on.
    y : array of shape (m,)
        Their classes.
    classes : sequence of int or of str
    coverage : float
        How often the true class is to be in the set: greater than 0, less than 1.

    Returns
    -------
    PredictionSets

    Raises
    ------
    SettingError, DataError
        If the coverage is no such number; if there are too few samples for it, or shapes do not fit.

    Notes
    -----
    Split conformal prediction: at least the coverage holds on average over samples like the given ones, whatever the
    model (V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", 2005). An empty set says that
    no class is likely enough.
    """
    share = _FRACTION.check("coverage", coverage)
    P, codes = check_probabilities(probabilities, y, classes)
    rank = math.ceil(share * (len(codes) + 1))
    if rank > len(codes):
        raise DataError(f"A coverage of {share:g} needs at least {least_samples(share):,} samples; got {len(codes):,}.")
    least = float(np.sort(P[np.arange(len(codes)), codes])[::-1][rank - 1])
    return PredictionSets(share, least * (1 - _ROUNDING), len(codes))


def least_samples(coverage: float) -> int:
    """Return how many samples a coverage needs at least: so many that one may be left out of the sets.

    Parameters
    ----------
    coverage : float
        Greater than 0, less than 1.

    Returns
    -------
    int
    """
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def with_sets(model: Model, X: Any, y: Any, coverage: float = 0.9) -> Model:
    """Return a model that has prediction sets: in its file, in `predict_sets` and in every export.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
        That it was not trained on.
    y : array of shape (m,)
        Their classes.
    coverage : float

    Returns
    -------
    Model

    Raises
    ------
    SettingError, DataError
        As of `find_sets`.
    """
    return replace(model, sets=find_sets(model.predict_proba(X), y, model.classes, coverage))


def judge_sets(sets: Any, y: Any, classes: Sequence[Label]) -> SetFigures:
    """Return how often sets hold the true class, and how large they are.

    Parameters
    ----------
    sets : array of bool of shape (m, n_classes)
        As of `Model.predict_sets`, for samples that they were not found by.
    y : array of shape (m,)
    classes : sequence of int or of str

    Returns
    -------
    SetFigures

    Raises
    ------
    DataError
        If shapes do not fit.
    """
    S, codes = check_probabilities(np.asarray(sets, np.float64), y, classes)
    n_held, sizes = int(S[np.arange(len(codes)), codes].sum()), S.sum(axis=1)
    interval = wilson_interval(n_held, len(codes))
    shares = [float((sizes == size).mean()) for size in (1, 0)]
    return SetFigures(n_held / len(codes), *interval, float(sizes.mean()), *shares)


def try_sets(probabilities: Any, y: Any, classes: Sequence[Label], coverage: float = 0.9) -> SetFigures:
    """Return how good prediction sets are that one half of the samples finds, on the other half, both ways.

    Parameters
    ----------
    probabilities, y, classes, coverage
        As of `find_sets`.

    Returns
    -------
    SetFigures

    Raises
    ------
    SettingError, DataError
        As of `find_sets`: each half must be large enough.
    """
    P, codes = check_probabilities(probabilities, y, classes)
    halves = np.array_split(np.random.default_rng(0).permutation(len(codes)), 2)
    labels, inside = np.asarray(classes)[codes], np.zeros(P.shape, bool)
    for known, new in (halves, halves[::-1]):
        inside[new] = find_sets(P[known], labels[known], classes, coverage).holding(P[new])
    return judge_sets(inside, labels, classes)


def jackknife_plus_sets(
    estimator: Any, X: Any, y: Any, new: Any, coverage: float = 0.9, *, cv: int | None = 10
) -> Array:
    """Return prediction sets that need no samples to be set aside: networks that each left out a fold find them.

    Parameters
    ----------
    estimator : scikit-learn classifier with `predict_proba`
        Such as `TwoLayerClassifier`; it is cloned, not changed.
    X : array of shape (m, n_features)
    y : array of shape (m,)
    new : array of shape (n, n_features)
        The samples in question.
    coverage : float
    cv : int, optional
        How many folds; None leaves out one sample at a time, which trains m networks.

    Returns
    -------
    array of bool of shape (n, n_classes)
        Classes in sorted order.

    Raises
    ------
    SettingError, DataError
        If the coverage is not between 0 and 1, or there are too few samples for it.

    Notes
    -----
    A class is in the set unless, for at least a share `coverage` of the m + 1 samples, the network that left the sample
    out gives the sample's own class more than it gives this class of the new sample. The true class is in it
    with a probability of about `coverage`, and at least 2 `coverage` - 1 is certain (R. F. Barber, E. J. Candès, A.
    Ramdas, R. J. Tibshirani, "Predictive inference with the jackknife+", 2021; Y. Romano, M. Sesia, E. J. Candès,
    "Classification with valid and adaptive coverage", 2020). Prediction needs all these networks: no model file
    holds such sets.
    """
    from sklearn.base import clone
    from sklearn.model_selection import LeaveOneOut, StratifiedKFold

    share = _FRACTION.check("coverage", coverage)
    X, y, new = np.asarray(X), np.asarray(y), np.asarray(new)
    classes, codes = np.unique(y, return_inverse=True)
    if math.ceil(share * (len(y) + 1)) > len(y):
        raise DataError(f"A coverage of {share:g} needs more samples; got {len(y):,}.")
    if len(classes) < 2 or (cv is not None and not 2 <= cv <= np.bincount(codes).min()):
        raise DataError(f"Jackknife+ needs two classes, and 2 folds or more with samples of each class; got cv={cv}.")
    folds = LeaveOneOut() if cv is None else StratifiedKFold(cv, shuffle=True, random_state=0)
    n_above = np.zeros((len(new), len(classes)))
    for rest, out in folds.split(X, y):
        network = clone(estimator).fit(X[rest], y[rest])
        own = np.sort(network.predict_proba(X[out])[np.arange(len(out)), codes[out]])
        n_above += len(out) - np.searchsorted(own, network.predict_proba(new), side="right")
    inside: Array = n_above < share * (len(y) + 1)
    return inside
