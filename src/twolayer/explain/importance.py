"""What matters over many samples: mean absolute shares, permutation importance, and the effect of one column."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.dataset import Labels
from twolayer.data.encoding import CategoryColumn
from twolayer.errors import DataError
from twolayer.explain.account import iter_shares
from twolayer.explain.view import View
from twolayer.model import Model

_Z = 1.96  # standard errors on both sides, of an interval that holds the value in 95 of 100 cases
_REPEATS = 5  # permutations of each feature
_MOST_POINTS = 25  # of a curve
_MOST_EFFECT_ROWS = 2000


@dataclass(frozen=True)
class Importance:
    """How much each feature matters on average; errors are half the widths of 95 % intervals over the samples.

    Attributes
    ----------
    features : tuple of str
    shares, shares_error : arrays of shape (n_features,)
        Mean absolute share in the logit by integrated gradients; with more than two classes, in the logits minus their
        mean, averaged over the classes.
    accuracy_lost, accuracy_lost_error : arrays of shape (n_features,), or None
        By how much the accuracy falls, from 0 to 1, when the feature's values change places among the samples.
    loss_added, loss_added_error : arrays of shape (n_features,), or None
        By how much the log loss rises then.
    """

    features: tuple[str, ...]
    shares: Array
    shares_error: Array
    accuracy_lost: Array | None = None
    accuracy_lost_error: Array | None = None
    loss_added: Array | None = None
    loss_added_error: Array | None = None


@dataclass(frozen=True)
class Effect:
    """The partial effect of a column: the mean probability of each class if all samples had one value in it.

    Attributes
    ----------
    feature : str
    values : tuple of str
        Observed values of the column: numbers in rising order, or categories, the most frequent first.
    numbers : array of shape (n_values,), or None
        The values as numbers, NaN where missing; None for categories and dates.
    classes : tuple of int or of str
    probability : array of shape (n_values, n_classes)
        Mean over the samples.
    low, high : arrays of shape (n_values, n_classes)
        Quantiles over the samples, 10 % and 90 %.
    """

    feature: str
    values: tuple[str, ...]
    numbers: Array | None
    classes: tuple[Label, ...]
    probability: Array
    low: Array
    high: Array


def measure_importance(
    model: Model, X: Any, y: Any = None, baseline: Any = "mean", *, n_repeats: int = _REPEATS, random_state: int = 0
) -> Importance:
    """Measure how much each feature matters to a model.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
        Best those that it was not trained on.
    y : array of shape (m,), optional
        Their classes, for permutation importance.
    baseline
        As for `attribute`.
    n_repeats : int
        How many times each feature is permuted.
    random_state : int
        Seed of the permutations.

    Returns
    -------
    Importance

    Raises
    ------
    SettingError, DataError
        If samples, classes or the baseline do not fit the model.

    Notes
    -----
    Permutation importance: L. Breiman, "Random forests", Machine Learning 45 (2001). A feature whose information
    another one repeats may have a large share and a small permutation importance.
    """
    view = View.of(model)
    codes = None if y is None else Labels.of(y, model.classes).codes
    values = view.read(X)
    return importance_for(view, values, view.baseline(baseline, values, codes), codes, n_repeats, random_state)


def importance_for(
    view: View, values: Array, rows: Array, codes: Array | None = None, n_repeats: int = _REPEATS, random_state: int = 0
) -> Importance:
    """Return the importance over values that enter the network, from the rows of a baseline."""
    if not len(values):
        raise DataError("There are no samples: importance needs some.")
    total, square = np.zeros(view.n_features), np.zeros(view.n_features)
    for shares in iter_shares(view, values, rows):
        centred = shares - shares.mean(axis=1, keepdims=True) if shares.shape[1] > 1 else shares
        sizes = np.abs(centred).mean(axis=1)
        total += sizes.sum(axis=0)
        square += (sizes**2).sum(axis=0)
    m = len(values)
    mean = total / m
    error = _Z * np.sqrt(np.maximum(square / m - mean**2, 0) / m)
    if codes is None:
        return Importance(view.names, mean, error)
    return Importance(view.names, mean, error, *_permute(view, values, codes, n_repeats, random_state))


def _permute(view: View, values: Array, codes: Array, n_repeats: int, random_state: int) -> list[Array]:
    """Return the accuracy lost and the log loss added by permuting each feature, each with its error."""
    random = np.random.default_rng(random_state)
    Z = view.hidden(values)
    right, losses = _judge(view, Z, codes)
    found = np.zeros((4, view.n_features))
    for feature in range(view.n_features):
        span = view.span(feature)
        own, weights = values[:, span], view.W1[:, span].T
        changes = np.zeros((2, len(values)))
        for _ in range(n_repeats if own.any() else 0):
            moved = _judge(view, Z + (own[random.permutation(len(own))] - own) @ weights, codes)
            changes += right - moved[0], moved[1] - losses
        changes /= max(1, n_repeats)
        found[::2, feature] = changes.mean(axis=1)
        found[1::2, feature] = _Z * changes.std(axis=1) / math.sqrt(len(values))
    return list(found)


def _judge(view: View, Z: Array, codes: Array) -> tuple[Array, Array]:
    """Return whether each sample is predicted right, and its log loss."""
    P = view.probabilities(Z)
    own = P[np.arange(len(codes)), codes]
    return (P.argmax(axis=1) == codes).astype(float), -np.log(np.maximum(own, np.finfo(float).tiny))


def measure_effect(model: Model, X: Any, column: str | int) -> Effect:
    """Measure the partial effect of a column.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
        Of more than 2,000 those at even distances are used.
    column : str or int
        Name or place of the feature.

    Returns
    -------
    Effect

    Raises
    ------
    SettingError
        If there is no such column.
    DataError
        If samples do not fit the model.

    Notes
    -----
    J. H. Friedman, "Greedy function approximation", Annals of Statistics 29 (2001). The mean is over samples as they
    are, combined with values that some of them may never have.
    """
    view = View.of(model)
    return effect_for(view, view.read(X), view.find(column))


def effect_for(view: View, values: Array, feature: int) -> Effect:
    """Return the partial effect of a feature over values that enter the network."""
    points, numbers = observed(view, values, feature)
    some = values[np.linspace(0, len(values) - 1, min(len(values), _MOST_EFFECT_ROWS)).astype(int)]
    span = view.span(feature)
    rest = view.hidden(some) - some[:, span] @ view.W1[:, span].T
    figures = []
    for point in points:
        P = view.probabilities(rest + point @ view.W1[:, span].T)
        figures.append([P.mean(axis=0), *np.quantile(P, [0.1, 0.9], axis=0)])
    mean, low, high = np.moveaxis(np.array(figures), 1, 0)
    words = tuple(_words(view, feature, points))
    return Effect(view.names[feature], words, numbers, view.model.classes, mean, low, high)


def observed(view: View, values: Array, feature: int, most: int = _MOST_POINTS) -> tuple[Array, Array | None]:
    """Return what a feature's values may be: of few all, of many numbers those at even ranks.

    Parameters
    ----------
    view : View
    values : array of shape (m, n_inputs)
    feature : int
    most : int
        How many are returned at most.

    Returns
    -------
    points : array of shape (n_points, n_values)
        Values that enter the network.
    numbers : array of shape (n_points,), or None
        Those that are numbers, in rising order, NaN where missing; None for categories and dates.
    """
    if not len(values):
        raise DataError("There are no samples: give at least one.")
    points, counts = np.unique(values[:, view.span(feature)], axis=0, return_counts=True)
    field = None if view.model.encoding is None else view.model.encoding.fields[feature]
    if field is not None and (len(field) > 1 or isinstance(field[0], CategoryColumn)):
        frequent = np.argsort(-counts, kind="stable")[:most] if len(field) == 1 else _spread(counts, most)
        return points[frequent], None
    missing = np.zeros(len(points), bool)
    if field is not None and getattr(field[0], "flagged", False):
        missing = points[:, -1] > 0
    order = np.concatenate([np.flatnonzero(~missing)[_spread(counts[~missing], most)], np.flatnonzero(missing)])
    numbers = view.to_numbers(feature, points[order])
    numbers[missing[order]] = math.nan
    return points[order], numbers


def _spread(counts: Array, most: int) -> Array:
    """Return which of sorted values to take: all of few, else those at even ranks among the samples."""
    if len(counts) <= most:
        return np.arange(len(counts))
    ranks = np.cumsum(counts) - counts / 2
    return np.unique(np.searchsorted(ranks, np.linspace(ranks[0], ranks[-1], most)))


def _words(view: View, feature: int, points: Array) -> Iterator[str]:
    """Yield what points of a feature are called."""
    row = np.zeros(view.W1.shape[1])
    for point in points:
        row[view.span(feature)] = point
        yield view.describe(row)[feature]
