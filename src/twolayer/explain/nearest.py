"""The nearest other answer: the smallest change that turns a prediction, and the fewest columns that do."""

import heapq
import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.errors import DataError
from twolayer.explain.bounds import SAFETY, Margin, lines_below, margins_of
from twolayer.explain.view import View
from twolayer.model import Model
from twolayer.settings import real

_STEPS, _STARTS = 60, 8
_CERTIFIED = 1e-3  # relative gap between what was found and what is proved
_MOST_VALUES, _MOST_COLUMNS = 40, 40  # of a column, and of which pairs are gone through
_SECONDS = real(0, above=True)


@dataclass(frozen=True)
class Nearest:
    """The nearest point with another answer, in the values that enter the network.

    Attributes
    ----------
    values : array of shape (n_inputs,)
        The point.
    distance : float
        Euclidean, from the sample.
    least_distance : float
        No point with another answer is nearer: a proved bound.
    certified : bool
        Whether both agree within a thousandth.
    prediction, answer : int or str
        The class of the sample, and that of the point.
    """

    values: Array
    distance: float
    least_distance: float
    certified: bool
    prediction: Label
    answer: Label


@dataclass(frozen=True)
class Change:
    """The fewest columns whose values, as other samples have them, turn a prediction.

    Attributes
    ----------
    features : tuple of str
    values : tuple of str
        Their new values in words.
    is_least : bool
        Whether fewer columns were gone through and do not do it.
    answer : int or str
        The new class.
    """

    features: tuple[str, ...]
    values: tuple[str, ...]
    is_least: bool
    answer: Label


def find_nearest(model: Model, x: Any, *, seconds: float = 2.0) -> Nearest:
    """Find the nearest point with another answer, and prove how much nearer any could be.

    Parameters
    ----------
    model : Model
    x : one sample, as `Model.outputs` takes it
    seconds : float
        For the proof; after that the bound is what it has come to.

    Returns
    -------
    Nearest

    Raises
    ------
    SettingError
        If the time is not a number greater than 0.
    DataError
        If it is not one sample, does not fit the model, or no point was found that has another answer.

    Notes
    -----
    What does not lie in the row space of W1 changes no pre-activation, so that the search is one in as many dimensions
    as there are units. Regions between pre-activations are bounded by least-distance problems and split, the nearest
    first.
    """
    view = View.of(model)
    values = view.read(x)
    if len(values) != 1:
        raise DataError(f"The nearest answer is that of one sample at a time; got {len(values):,}.")
    return nearest_for(view, values[0], seconds)


def nearest_for(view: View, row: Array, seconds: float = 2.0) -> Nearest:
    """Return the nearest point with another answer to the values of one sample, as `find_nearest`."""
    seconds = _SECONDS.check("seconds", seconds)
    code = int(view.probabilities(view.hidden(row[None]))[0].argmax())
    margins = margins_of(view, code)
    found = [(point, margin) for margin in margins if (point := _descend(margin, row)) is not None]
    if not found:
        raise DataError("No change was found that turns this prediction: the network may answer the same everywhere.")
    point, _ = min(found, key=lambda each: float(np.linalg.norm(each[0] - row)))
    distance = float(np.linalg.norm(point - row))
    end = time.monotonic() + seconds
    bounds = []
    for each in margins:
        bound, better = _prove(each, row, distance, end)
        bounds.append(bound)
        if better is not None and np.linalg.norm(better - row) < distance:
            point, distance = better, float(np.linalg.norm(better - row))
    point, answer = _turned(view, code, row, point)
    distance = float(np.linalg.norm(point - row))
    least = min(*bounds, distance)
    classes = view.model.classes
    certified = least >= distance * (1 - _CERTIFIED)
    return Nearest(point, distance, float(least), bool(certified), classes[code], classes[answer])


def _turned(view: View, code: int, row: Array, point: Array) -> tuple[Array, int]:
    """Return a point on the border, moved beyond it as far as rounding asks for, and the class there."""
    for power in range(30):
        beyond = row + (point - row) * (1 + 2.0**power * 1e-12)
        answer = int(view.probabilities(view.hidden(beyond[None]))[0].argmax())
        if answer != code:
            return beyond, answer
    raise DataError(
        "The nearest point with another answer is lost in rounding: the network hardly tells classes apart."
    )


def _descend(margin: Margin, row: Array) -> Array | None:
    """Return the nearest point below 0 that steps onto the linearized border come to; None if there is none."""
    best: Array | None = None
    for start in [row, *_starts(margin, row)]:
        for point in (_polish(margin, row, start), start):
            crossed = _cross(margin, row, point)
            if crossed is not None and (best is None or np.linalg.norm(crossed - row) < np.linalg.norm(best - row)):
                best = crossed
    return None if best is None else _cross(margin, row, _polish(margin, row, best), best)


def _starts(margin: Margin, row: Array) -> list[Array]:
    """Return points below 0 on straight lines from a row: towards the units that count, and in random directions."""
    size = np.maximum(np.linalg.norm(margin.W1, axis=1), 1e-12)
    strongest = np.argsort(-np.abs(margin.a), kind="stable")[:_STARTS]
    random = np.random.default_rng(0).normal(size=(_STARTS, len(size)))
    weights = np.r_[-(margin.a / size)[None], -np.sign(margin.a[strongest])[:, None] * np.eye(len(size))[strongest],
                    random / size]  # fmt: skip
    ways = weights @ margin.W1
    ways /= np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-12)
    reach = 1 / float(size.max())
    found = (_cross(margin, row, row + reach * way) for way in ways)
    return [point for point in found if point is not None]


def _polish(margin: Margin, row: Array, x: Array) -> Array:
    """Return where steps to the nearest point of the linearized border lead from x."""
    for _ in range(_STEPS):
        slope = margin.slope(x[None])[0]
        size = float(slope @ slope)
        if size < 1e-24:
            break
        value = float(margin(x[None])[0])
        new: Array = row + slope * min(0.0, -(value - float(slope @ (x - row))) / size) * (1 + 1e-9)
        if np.linalg.norm(new - x) < 1e-12 * (1 + np.linalg.norm(x)):
            return new
        x = new if np.linalg.norm(new - row) < 1e6 * (1 + np.linalg.norm(row)) else (x + row) / 2
    return x


def _cross(margin: Margin, row: Array, x: Array, otherwise: Array | None = None) -> Array | None:
    """Return the first point below 0 on the way to a point and beyond, or the nearer other one; None if none is."""
    steps = np.concatenate([np.linspace(0, 1.2, 49), 1.5 ** np.arange(1, 18)])
    below = np.flatnonzero(margin(row + steps[:, None] * (x - row)) < 0)
    if not len(below) or below[0] == 0:
        return otherwise
    inside, outside = steps[below[0] - 1], steps[below[0]]
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if margin((row + middle * (x - row))[None])[0] < 0 else (middle, outside)
    crossed: Array = row + outside * (x - row)
    if otherwise is not None and np.linalg.norm(otherwise - row) < np.linalg.norm(crossed - row):
        return otherwise
    return crossed


def _prove(margin: Margin, row: Array, distance: float, end: float) -> tuple[float, Array | None]:
    """Return a lower bound of the distance of any point below 0, and a nearer one than is known where one was met."""
    basis = np.linalg.svd(margin.W1, full_matrices=False)[2]  # of the row space
    V, z = margin.W1 @ basis.T, margin.W1 @ row + margin.b1
    reach = distance * np.linalg.norm(V, axis=1) * (1 + SAFETY)
    bound, step = _region(margin, V, z, z - reach, z + reach)
    heap: list[tuple[float, int, Array, Array, Array | None]] = [(bound, 0, z - reach, z + reach, step)]
    nearer: Array | None = None
    for n_made in itertools.count(1):
        bound, _, low, high, step = heap[0]
        if bound >= distance * (1 - _CERTIFIED / 2) or step is None or time.monotonic() > end:
            break
        heapq.heappop(heap)
        if n_made % 16 == 1:
            crossed = _cross(margin, row, row + basis.T @ step) if step.any() else None
            polished = None if crossed is None else _cross(margin, row, _polish(margin, row, crossed))
            for point in (crossed, polished):
                if point is not None and np.linalg.norm(point - row) < distance * (1 - 1e-12):
                    nearer, distance = point, float(np.linalg.norm(point - row))
        unit, at = _worst_unit(margin, low, high, np.clip(z + V @ step, low, high))
        for side in (0, 1):
            part_low, part_high = low.copy(), high.copy()
            (part_high if side == 0 else part_low)[unit] = at
            part = _region(margin, V, z, part_low, part_high)
            heapq.heappush(heap, (max(bound, part[0]), 2 * n_made + side, part_low, part_high, part[1]))
    return min(heap[0][0], distance), nearer


def _region(margin: Margin, V: Array, z: Array, low: Array, high: Array) -> tuple[float, Array | None]:
    """Return how far the points of a region that may be below 0 are at least, and the step to the nearest of them."""
    slope, intercept = lines_below(margin.activation, margin.a, low, high)
    w = slope @ V
    rest = float(slope @ z + intercept.sum() + margin.c)
    G, h = np.r_[V, -V, -w[None]], np.r_[low - z, z - high, rest]
    return _least_distance(G, h - SAFETY * (1 + np.abs(h)))


def _least_distance(G: Array, h: Array) -> tuple[float, Array | None]:
    """Return the norm of the shortest x with G x >= h and that x; infinity and None where there is none.

    Source: C. Lawson, R. Hanson, "Solving Least Squares Problems" (1974), chapter 23. The norm is that of the dual
    solution, a lower bound even where it is inexact.
    """
    from scipy.optimize import lsq_linear, nnls

    if (h <= 0).all():
        return 0.0, np.zeros(G.shape[1])
    size = np.maximum(np.linalg.norm(G, axis=1), 1e-300)
    G, h = G / size[:, None], h / size
    scale = float(np.abs(h).max())
    E, f = np.vstack([G.T, h[None] / scale]), np.r_[np.zeros(G.shape[1]), 1.0]
    try:
        dual, _ = nnls(E, f)
    except (RuntimeError, np.linalg.LinAlgError):  # old releases of SciPy do not solve all
        dual = np.maximum(lsq_linear(E, f, (0, np.inf), method="bvls", tol=1e-14).x, 0)
    residual = E @ dual - f
    if np.linalg.norm(residual) < 1e-9 or -residual[-1] < 1e-12:
        return np.inf, None
    x = scale * residual[:-1] / -residual[-1]
    multiplier = G.T @ dual
    long = float(np.linalg.norm(multiplier))
    bound = float(dual @ h) / long if long > 0 else 0.0
    return max(0.0, bound, float(h.max())) * (1 - SAFETY), x


def _worst_unit(margin: Margin, low: Array, high: Array, z: Array) -> tuple[int, float]:
    """Return the unit whose line is farthest below it, and where to split its interval."""
    from twolayer.equations import ACTIVATIONS

    slope, intercept = lines_below(margin.activation, margin.a, low, high)
    gap = margin.a * ACTIVATIONS[margin.activation].function(z) - (slope * z + intercept)
    unit = int(gap.argmax())
    if margin.activation == "relu" and low[unit] < 0 < high[unit]:
        return unit, 0.0
    return unit, float(((low[unit] + high[unit]) / 2 + z[unit]) / 2)


def find_change(model: Model, x: Any, data: Any) -> Change | None:
    """Find the fewest columns that turn a prediction where they get values that other samples have.

    Parameters
    ----------
    model : Model
    x : one sample, as `Model.outputs` takes it
    data : samples, as `Model.outputs` takes them
        Whose values may be taken; each column for itself.

    Returns
    -------
    Change or None
        One column or two are the fewest of all; beyond, columns are added one by one. None where not even all do it.

    Raises
    ------
    DataError
        If it is not one sample, or samples do not fit the model.
    """
    view = View.of(model)
    values = view.read(x)
    if len(values) != 1:
        raise DataError(f"A change is that of one sample at a time; got {len(values):,}.")
    return change_for(view, values[0], view.read(data))


def change_for(view: View, row: Array, values: Array) -> Change | None:
    """Return the fewest columns that turn the prediction for the values of one sample, as `find_change`."""
    code = int(view.probabilities(view.hidden(row[None]))[0].argmax())
    choices = [_observed(values[:, view.span(k)], row[view.span(k)]) for k in range(view.n_features)]
    z = view.hidden(row[None])[0]
    moves = [(new - row[view.span(k)]) @ view.W1[:, view.span(k)].T for k, new in enumerate(choices)]

    def margin(Z: Array) -> Array:
        P = view.probabilities(Z)
        found: Array = P[:, code] - np.delete(P, code, axis=1).max(axis=1)
        return found

    alone = [margin(z + move) if len(move) else np.array([np.inf]) for move in moves]
    order = np.argsort([float(each.min()) for each in alone], kind="stable")
    first = int(order[0])
    if alone[first].min() < 0:
        return _change(view, row, choices, {first: int(alone[first].argmin())}, is_least=True)
    candidates = [int(k) for k in order[:_MOST_COLUMNS] if len(moves[k])]
    best: tuple[float, dict[int, int]] = (np.inf, {})
    for i, j in itertools.combinations(candidates, 2):
        found = margin((z + moves[i][:, None] + moves[j][None]).reshape(-1, len(z)))
        place = int(found.argmin())
        if found[place] < best[0]:
            best = float(found[place]), {i: place // len(moves[j]), j: place % len(moves[j])}
    if best[0] < 0:
        return _change(view, row, choices, best[1], is_least=True)
    return _greedy(view, row, choices, moves, best, margin)


def _greedy(view: View, row: Array, choices: list[Array], moves: list[Array], best: Any, margin: Any) -> Change | None:
    """Add the column that brings most, until the prediction turns; None if none brings anything more."""
    least, chosen = best
    z = view.hidden(row[None])[0] + sum((moves[k][place] for k, place in chosen.items()), np.zeros(len(view.W1)))
    while least >= 0:
        options = [(float((found := margin(z + move)).min()), k, int(found.argmin()))
                   for k, move in enumerate(moves) if k not in chosen and len(move)]  # fmt: skip
        if not options or min(options)[0] >= least:
            return None
        least, k, place = min(options)
        chosen, z = {**chosen, k: place}, z + moves[k][place]
    return _change(view, row, choices, chosen, is_least=False)


def _observed(block: Array, own: Array) -> Array:
    """Return the different values of a column, evenly thinned out where there are many, without those of the sample."""
    found = np.unique(block, axis=0)
    found = found[(found != own).any(axis=1)] if block.shape[1] else found[:0]
    if len(found) > _MOST_VALUES:
        found = found[np.linspace(0, len(found) - 1, _MOST_VALUES).astype(int)]
    return found


def _change(view: View, row: Array, choices: list[Array], chosen: dict[int, int], *, is_least: bool) -> Change:
    """Return a change in words."""
    new = row.copy()
    for k, place in chosen.items():
        new[view.span(k)] = choices[k][place]
    words = view.describe(new)
    answer = view.model.classes[int(view.probabilities(view.hidden(new[None]))[0].argmax())]
    return Change(tuple(view.names[k] for k in chosen), tuple(words[k] for k in chosen), is_least, answer)
