"""What each hidden unit does, and how few of them suffice.

The logits are linear in the activations of the hidden units, so that the best output weights for some of the units are
those of a least-squares problem, and what a unit is worth beside the others stands in its solution.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Labels
from twolayer.equations import ACTIVATIONS, OUTPUTS
from twolayer.errors import DataError, SettingError
from twolayer.explain.view import View
from twolayer.model import Model, to_probabilities

_N_EXTREMES = 4  # samples that drive a unit most, and least
_FLAT = 0.01  # of the greatest slope of the activation: below that a unit is saturated
_SAME = 1e-6  # relative distance between the weights of twins
_RIDGE = 1e-9  # of the mean square of an activation, so that units which say the same can be told apart
_LEAST_WEIGHT = 0.01  # of a sample that the network is sure of
_SUFFICES = 0.01  # by how much the log loss may rise
_ONE_BY_ONE = 512  # units, of which one after the other is removed; more of them several at a time


@dataclass(frozen=True)
class UnitCard:
    """What one hidden unit does.

    Attributes
    ----------
    unit : int
    weights : array of shape (n_inputs,)
        Its row of W1.
    bias : float
    outgoing : array of shape (n_y,)
        Its column of W2.
    influence : float
        How far its terms move the logits: the standard deviation of its activation times the norm of `outgoing`.
    saturated : float
        On what share of the samples the slope of its activation is below a hundredth of the greatest; of a rectified
        unit, where it is off.
    most, least : tuple of int
        The samples with the largest and the smallest pre-activation, the most extreme first.
    accuracy_lost, loss_added : float or None
        By how much accuracy (0 to 1) falls and log loss rises where its activation is replaced by its mean.
    twin : int or None
        Another unit with the same weights, or with the same of opposite sign, which could be merged.
    """

    unit: int
    weights: Array
    bias: float
    outgoing: Array
    influence: float
    saturated: float
    most: tuple[int, ...]
    least: tuple[int, ...]
    accuracy_lost: float | None = None
    loss_added: float | None = None
    twin: int | None = None


@dataclass(frozen=True)
class Pruning:
    """How well networks of fewer units do.

    Attributes
    ----------
    units : tuple of int
        Numbers of units, from all of them down to 1.
    accuracy, log_loss : tuple of float
        With so many.
    suffice : int
        The least number with which the log loss is at most 0.01 greater than with all.
    """

    units: tuple[int, ...]
    accuracy: tuple[float, ...]
    log_loss: tuple[float, ...]
    suffice: int


def describe_units(model: Model, X: Any, y: Any = None) -> list[UnitCard]:
    """Describe each hidden unit by its weights and by what it does to samples.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
        Best those that it was not trained on.
    y : array of shape (m,), optional
        Their classes, for what is lost without a unit.

    Returns
    -------
    list of UnitCard

    Raises
    ------
    DataError
        If samples or classes do not fit the model, or there are none.
    """
    view = View.of(model)
    return cards_for(view, view.read(X), None if y is None else Labels.of(y, model.classes).codes)


def cards_for(view: View, values: Array, codes: Array | None = None) -> list[UnitCard]:
    """Return the card of each unit by values that enter the network."""
    if not len(values):
        raise DataError("There are no samples: a description of units needs some.")
    Z = view.hidden(values)
    A = view.activate(Z)
    mean, spread = A.mean(axis=0), A.std(axis=0)
    order = np.argsort(Z, axis=0, kind="stable")
    n = min(_N_EXTREMES, len(values))
    saturated, twins = _share_saturated(view, Z), find_twins(view.model)
    lost = [(None, None)] * len(Z[0]) if codes is None else list(_without_each(view, A, mean, codes))
    return [
        UnitCard(
            unit=unit,
            weights=view.W1[unit],
            bias=float(view.b1[unit]),
            outgoing=view.W2[:, unit],
            influence=float(spread[unit] * np.linalg.norm(view.W2[:, unit])),
            saturated=float(saturated[unit]),
            most=tuple(order[::-1][:n, unit].tolist()),
            least=tuple(order[:n, unit].tolist()),
            accuracy_lost=lost[unit][0],
            loss_added=lost[unit][1],
            twin=twins.get(unit),
        )
        for unit in range(len(view.W1))
    ]


def find_twins(model: Model) -> dict[int, int]:
    """Return for each unit that repeats an earlier one which that is.

    The same is a unit with the same w and b, or, for sigmoid and tanh, with -w and -b, as s(-z) = 1 - s(z); for
    rectified units, with a positive multiple of them.
    """
    rows = _canonical(model)[0]
    norms = np.linalg.norm(rows, axis=1)
    close = norms[:, None] ** 2 + norms**2 - 2 * rows @ rows.T <= 1e-6 * np.maximum(norms[:, None], norms) ** 2
    twins: dict[int, int] = {}
    for unit, other in np.argwhere(np.tril(close, -1)).tolist():
        same = np.linalg.norm(rows[unit] - rows[other]) <= _SAME * max(norms[unit], norms[other])
        if same and unit not in twins and other not in twins:
            twins[unit] = other
    return twins


def merge_twins(model: Model) -> Model:
    """Return the same function with fewer units: those that repeat another one, and those that are constant, merged.

    Parameters
    ----------
    model : Model

    Returns
    -------
    Model
        Its logits are the same but for rounding.
    """
    view, (_, factors) = View.of(model), _canonical(model)
    W2, b2, twins = view.W2.copy(), view.b2.copy(), find_twins(model)
    for unit, other in twins.items():
        ratio = factors[unit] / factors[other]
        if model.activation == "relu":
            W2[:, other] += ratio * W2[:, unit]
        elif ratio > 0:
            W2[:, other] += W2[:, unit]
        else:  # s(-z) = 1 - s(z), tanh(-z) = -tanh(z)
            W2[:, other] -= W2[:, unit]
            b2 += W2[:, unit] if model.activation == "sigmoid" else 0
    idle = np.flatnonzero(~view.W1.any(axis=1) | ~view.W2.any(axis=0)).tolist()
    constant = [unit for unit in idle if unit not in twins]
    b2 += W2[:, constant] @ view.activate(view.b1[constant])
    kept = np.setdiff1d(np.arange(len(view.W1)), [*twins, *constant])
    if not len(kept):  # a model has at least one unit
        kept, W2 = np.array([0]), np.zeros_like(W2)
    return _with_units(view, kept, W2, b2)


def prune(model: Model, X: Any, n_units: int) -> Model:
    """Return a network of fewer hidden units that comes as near to a model's logits as can be.

    Units are removed one after the other, each time the one that can best be spared; the output weights of the others
    take over what they can of it.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
        Best those that it was trained on; no labels are needed.
    n_units : int
        How many units are kept.

    Returns
    -------
    Model

    Raises
    ------
    SettingError
        If there are not so many units.
    DataError
        If samples do not fit the model, or there are none.

    Notes
    -----
    Removing unit j from the least-squares fit with coefficients B and inverse Gram matrix P adds the squares of
    B_j / sqrt(P_jj) to the squared error of the logits (B. Hassibi, D. Stork, "Second order derivatives for network
    pruning", NIPS 1992). Samples count by 1 - sum of p^2, as the probabilities p of the others hardly change.
    """
    check_n_units(n_units, model)
    view = View.of(model)
    return prune_to(view, view.read(X), (n_units,))[0]


def check_n_units(n_units: Any, model: Model) -> None:
    """Check that a model has so many units to keep; SettingError if not."""
    n_h = len(model.parameters["W1"])
    if isinstance(n_units, bool) or not isinstance(n_units, int | np.integer) or not 1 <= n_units <= n_h:
        raise SettingError(f"`units` must be a whole number from 1 to {n_h:,}, the units of the model; got {n_units}.")


def measure_pruning(model: Model, X: Any, X_test: Any, y_test: Any) -> Pruning:
    """Measure how well networks of fewer and fewer units do.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
        By which the units are chosen.
    X_test, y_test : samples and their classes
        By which the networks are judged.

    Returns
    -------
    Pruning

    Raises
    ------
    DataError
        If samples or classes do not fit the model, or there are none.
    """
    view = View.of(model)
    return pruning_for(view, view.read(X), view.read(X_test), Labels.of(y_test, model.classes).codes)


def pruning_for(view: View, values: Array, test: Array, codes: Array) -> Pruning:
    """Return how well fewer units do, by values that enter the network."""
    if not len(test):
        raise DataError("There are no samples to judge by: measuring units needs some.")
    numbers = tuple(_fewer_and_fewer(len(view.W1)))
    judged = [judge(View.of(model), test, codes) for model in prune_to(view, values, numbers)]
    accuracy, losses = zip(*judged, strict=True)
    whole = judge(view, test, codes)[1]
    enough = [n for n, loss in zip(numbers, losses, strict=True) if loss <= whole + _SUFFICES]
    return Pruning(numbers, accuracy, losses, min(enough, default=numbers[0]))


def prune_to(view: View, values: Array, numbers: tuple[int, ...]) -> list[Model]:
    """Return networks with falling numbers of units, by values that enter the network."""
    if not len(values):
        raise DataError("There are no samples: choosing units needs some.")
    A = view.activate(view.hidden(values))
    H = np.concatenate([A, np.ones((len(A), 1))], axis=1)
    P = to_probabilities(OUTPUTS[view.model.output]((A @ view.W2.T + view.b2).T).T, view.model.output)
    weights = _LEAST_WEIGHT + 1 - (P**2).sum(axis=1)
    gram = (H * (weights / weights.sum())[:, None]).T @ H
    inverse = np.linalg.inv(gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)))
    coefficients = np.concatenate([view.W2.T, view.b2[None]])
    alive, models = np.arange(len(H[0])), []
    for number in numbers:
        while (n_alive := len(alive) - 1) > number:
            n_removed = min(n_alive - number, max(1, (n_alive - _ONE_BY_ONE) // 16))
            cost = (coefficients[:-1] ** 2).sum(axis=1) / np.diag(inverse)[:-1]
            gone = np.sort(np.argsort(cost, kind="stable")[:n_removed])
            kept = np.setdiff1d(np.arange(len(alive)), gone)
            share = np.linalg.solve(inverse[np.ix_(gone, gone)], np.c_[coefficients[gone], inverse[np.ix_(gone, kept)]])
            n_y = coefficients.shape[1]
            coefficients = coefficients[kept] - inverse[np.ix_(kept, gone)] @ share[:, :n_y]
            inverse = inverse[np.ix_(kept, kept)] - inverse[np.ix_(kept, gone)] @ share[:, n_y:]
            alive = alive[kept]
        W2 = np.zeros_like(view.W2)
        W2[:, alive[:-1]] = coefficients[:-1].T
        models.append(_with_units(view, alive[:-1], W2, coefficients[-1]))
    return models


def _fewer_and_fewer(n: int) -> Iterator[int]:
    """Yield n and smaller numbers, each about a seventh less, down to 1."""
    while n >= 1:
        yield n
        n = min(n - 1, round(n * 0.86))


def _with_units(view: View, kept: Array, W2: Array, b2: Array) -> Model:
    """Return the model with some of its units, and other output weights."""
    dtype = view.model.parameters["W1"].dtype
    parameters = {"W1": view.W1[kept], "b1": view.b1[kept, None], "W2": W2[:, kept], "b2": b2[:, None]}
    settings = {**view.model.settings, "n_hidden": len(kept), "pruned_from": len(view.W1)}
    rounded = {name: np.ascontiguousarray(value, dtype) for name, value in parameters.items()}
    return replace(view.model, parameters=rounded, settings=settings, sets=None)  # which are of other probabilities


def _canonical(model: Model) -> tuple[Array, Array]:
    """Return w and b of each unit in a form that units with the same direction share, and by what they were divided."""
    view = View.of(model)
    rows = np.c_[view.W1, view.b1]
    if model.activation == "relu":
        factors = np.linalg.norm(rows, axis=1)
        factors[factors == 0] = 1
    else:
        largest = np.abs(rows).argmax(axis=1)
        factors = np.where(rows[np.arange(len(rows)), largest] < 0, -1.0, 1.0)
    return rows / factors[:, None], factors


def _share_saturated(view: View, Z: Array) -> Array:
    """Return on what share of the samples each unit hardly has a slope."""
    derivative = ACTIVATIONS[view.model.activation].derivative
    share: Array = (derivative(Z) < _FLAT * derivative(np.array([0.0, 1.0])).max()).mean(axis=0)
    return share


def _without_each(view: View, A: Array, mean: Array, codes: Array) -> Iterator[tuple[float, float]]:
    """Yield accuracy lost and log loss added, where the activation of each unit is its mean."""
    Z2 = A @ view.W2.T + view.b2
    accuracy, loss = _judge_logits(view, Z2, codes)
    for unit in range(len(mean)):
        without = Z2 - (A[:, unit : unit + 1] - mean[unit]) * view.W2[:, unit]
        fewer, more = _judge_logits(view, without, codes)
        yield accuracy - fewer, more - loss


def judge(view: View, values: Array, codes: Array) -> tuple[float, float]:
    """Return accuracy and log loss by values that enter the network."""
    return _judge_logits(view, view.logits(values), codes)


def _judge_logits(view: View, Z2: Array, codes: Array) -> tuple[float, float]:
    """Return accuracy and log loss of logits."""
    P = to_probabilities(OUTPUTS[view.model.output](Z2.T).T, view.model.output)
    likely = np.maximum(P[np.arange(len(codes)), codes], np.finfo(float).tiny)
    return float((P.argmax(axis=1) == codes).mean()), float(-np.log(likely).mean())
