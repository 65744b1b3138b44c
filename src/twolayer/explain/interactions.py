"""Which pairs of features act together: what they contribute beside what each contributes alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.errors import DataError, SettingError
from twolayer.explain.account import account_for, prepare
from twolayer.explain.shapley import value_units
from twolayer.explain.view import View
from twolayer.model import Model

METHODS = ("shapley", "hessian")
_CANDIDATES = 10  # features whose pairs are looked at: those with the largest shares
_MOST_PAIRS = 20


@dataclass(frozen=True)
class Interactions:
    """How much pairs of features contribute together, the strongest first.

    Attributes
    ----------
    pairs : tuple of pairs of str
        Names of features.
    outputs : tuple of int or of str
        The class that each logit is of; with two classes the second alone.
    strength : array of shape (n_y, n_pairs)
        In the unit of the logits. Positive where both together speak more for the class than each alone does.
    error : array of shape (n_y,)
        Bound on the error of any strength, besides rounding.
    method : str
        "shapley" or "hessian".
    """

    pairs: tuple[tuple[str, str], ...]
    outputs: tuple[Label, ...]
    strength: Array
    error: Array
    method: str


def measure_interactions(
    model: Model, x: Any, baseline: Any = "mean", *, method: str = "shapley", data: Any = None, labels: Any = None
) -> Interactions:
    """Measure how much pairs of features contribute together to the logits of one sample.

    Parameters
    ----------
    model : Model
    x : one sample, as `Model.outputs` takes it: an array of shape (1, n_features), or a table of one row
    baseline, data, labels
        As for `attribute`; without `data` the baseline is "zero" or samples of your own. Of several rows the mean of
        them is the baseline.
    method : str
        "shapley", the Shapley interaction index; or "hessian", the second derivative at the sample times both
        distances from the baseline.

    Returns
    -------
    Interactions
        Of the ten features with the largest shares with all others, the 20 strongest.

    Raises
    ------
    SettingError
        If there is no such method or baseline, or the units are rectified, which have no curvature, for "hessian".
    DataError
        If it is not one sample, or does not fit the model.

    Notes
    -----
    The Shapley interaction index of i and j is the mean of f(S, i, j) - f(S, i) - f(S, j) + f(S) over the sets S of the
    other features, weighted as by Shapley: the Shapley value of j where i is as in the sample minus that where it is as
    in the baseline (M. Grabisch, M. Roubens, Int. J. Game Theory 28, 1999). The Hessian of a logit is
    sum_j W2_j s''(z_j) w_j w_j'.
    """
    view, values, rows = prepare(model, x, baseline, "gradients", data, labels)
    if len(values) != 1:
        raise DataError(f"Interactions are those of one sample at a time; got {len(values):,}.")
    return interactions_for(view, values[0], rows.mean(axis=0), method)


def interactions_for(view: View, row: Array, baseline: Array, method: str = "shapley") -> Interactions:
    """Return the interactions in the values of one sample, from those of a baseline; as `measure_interactions`."""
    if method not in METHODS:
        raise SettingError(f"`method` must be shapley or hessian; got {method!r}.")
    shares = account_for(view, row[None], baseline[None]).shares[0]
    order = np.argsort(-np.abs(shares).max(axis=0), kind="stable")
    chosen = [int(k) for k in order[:_CANDIDATES] if shares[:, k].any()]
    if method == "hessian":
        matrix, error = _curvature(view, row, baseline)[:, chosen], np.zeros(len(view.W2))
    else:
        matrix, error = _shapley_rows(view, row, baseline, chosen)
    pairs: dict[tuple[int, int], Array] = {}
    for place, i in enumerate(chosen):
        for j in range(view.n_features):
            if j != i and matrix[:, place, j].any():
                pairs[min(i, j), max(i, j)] = matrix[:, place, j]
    strongest = sorted(pairs, key=lambda pair: -float(np.abs(pairs[pair]).max()))[:_MOST_PAIRS]
    strength = np.array([pairs[pair] for pair in strongest]).reshape(len(strongest), len(view.W2)).T
    names = tuple((view.names[i], view.names[j]) for i, j in strongest)
    return Interactions(names, view.outputs, strength, error, method)


def _shapley_rows(view: View, row: Array, baseline: Array, chosen: list[int]) -> tuple[Array, Array]:
    """Return the Shapley interactions of some features with all, (n_y, n_chosen, n_features), and their error."""
    matrix, error = np.zeros((len(view.W2), len(chosen), view.n_features)), np.zeros(len(view.W2))
    for place, feature in enumerate(chosen):
        span = view.span(feature)
        with_it, without = baseline.copy(), row.copy()
        with_it[span], without[span] = row[span], baseline[span]
        (present, missed), (absent, also_missed) = value_units(view, row, with_it), value_units(view, without, baseline)
        matrix[:, place] = view.W2 @ (present - absent)
        error = np.maximum(error, missed + also_missed)
    return matrix, error


def _curvature(view: View, row: Array, baseline: Array) -> Array:
    """Return d' H d of each logit by pairs of features, (n_y, n_features, n_features), d the way from the baseline."""
    A = view.activate(view.hidden(row))
    activation = view.model.activation
    if activation == "relu":
        raise SettingError("Rectified units have no curvature: set `method` to shapley.")
    bend = A * (1 - A) * (1 - 2 * A) if activation == "sigmoid" else -2 * A * (1 - A**2)
    moved = view.pool(view.W1 * (row - baseline))
    matrix: Array = np.einsum("yh,hi,hj->yij", view.W2 * bend, moved, moved)
    return matrix
