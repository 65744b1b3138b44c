"""What can be seen of a training that went wrong: numbers from its history, its network and its data."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.baseline import probabilities, train_logistic
from twolayer.explain.units import find_twins
from twolayer.explain.view import View
from twolayer.fit import fit_model
from twolayer.training.history import Epoch

_N_FOLDS = 5
_SATURATED = 0.95  # of the samples, from which a unit counts as saturated
_FLAT = 0.01  # of the greatest slope of the activation
_DEEP, _NEXT = 0.15, 0.5  # of the samples, those that a model is surest of, and those after them
_FEW_CLASSES = 4  # whose intervals of a column are searched
_EPS = 1e-12


@dataclass(frozen=True)
class Case:
    """A trained model with what it was trained on and what it is judged by.

    Attributes
    ----------
    view : View
    values, codes : arrays of shape (m, n_inputs) and (m,)
        Training samples as they enter the network, and the places of their classes.
    test, test_codes : arrays
        The same of the samples that were held out.
    epochs : sequence of Epoch
        The history; empty where it is not known.
    settings : mapping
        Of the training.
    """

    view: View
    values: Array
    codes: Array
    test: Array
    test_codes: Array
    epochs: Sequence[Epoch]
    settings: Mapping[str, Any]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.view.model.classes)


def balanced_accuracy(predicted: Array, codes: Array) -> float:
    """Return the mean recall of the classes that there are."""
    return float(np.mean([(predicted[codes == k] == k).mean() for k in np.unique(codes)]))


def see_history(case: Case) -> dict[str, float]:
    """Return how the cost went: its first and last value, how much it fell, how often it rose."""
    costs = [epoch.cost for epoch in case.epochs]
    if len(costs) < 2:
        return {}
    rises = sum(after > before for before, after in itertools.pairwise(costs)) / (len(costs) - 1)
    late = costs[max(0, int(0.8 * (len(costs) - 1)) - 1)]
    return {
        "first_cost": costs[0],
        "last_cost": costs[-1],
        "fell": (costs[0] - min(costs)) / max(costs[0], _EPS),
        "fell_lately": (late - costs[-1]) / max(late, _EPS),
        "rises": rises,
        "start_ratio": costs[0] / _cost_of_ignorance(case),
    }


def _cost_of_ignorance(case: Case) -> float:
    """Return the cost of a network that gives all classes the same probability."""
    n = case.n_classes
    if case.settings.get("loss") == "square":
        return 0.125 if n == 2 else 0.125 * n
    return math.log(n)


def see_network(case: Case) -> dict[str, float]:
    """Return what the units and the predictions look like."""
    view = case.view
    Z = view.hidden(case.values)
    slope = _slopes(view, Z)
    flat = (slope < _FLAT * _greatest(view)).mean(axis=0)
    n_units = len(view.W1)
    P, P_test = view.probabilities(Z), view.probabilities(view.hidden(case.test))
    predicted, test_predicted = P.argmax(axis=1), P_test.argmax(axis=1)
    smallest = int(np.bincount(case.codes, minlength=case.n_classes).argmin())
    of_smallest = case.test_codes == smallest
    return {
        "saturated_units": float((flat >= _SATURATED).mean()) if view.model.activation != "relu" else 0.0,
        "dead_units": float((flat == 1).mean()) if view.model.activation == "relu" else 0.0,
        "twin_units": len(find_twins(view.model)) / n_units,
        "most_predicted": float(np.bincount(test_predicted, minlength=1).max() / len(test_predicted)),
        "train_score": balanced_accuracy(predicted, case.codes),
        "test_score": balanced_accuracy(test_predicted, case.test_codes),
        "recall_of_smallest": float((test_predicted[of_smallest] == smallest).mean()) if of_smallest.any() else 1.0,
    }


def _slopes(view: View, Z: Array) -> Array:
    """Return the slope of each unit on each sample."""
    from twolayer.equations import ACTIVATIONS

    slopes: Array = ACTIVATIONS[view.model.activation].derivative(Z)
    return slopes


def _greatest(view: View) -> float:
    """Return the greatest slope of the activation."""
    return float(_slopes(view, np.array([0.0, 1.0])).max())


def see_data(case: Case) -> dict[str, float]:
    """Return what the values that enter the network look like."""
    spread = case.values.std(axis=0)
    varying = spread > _EPS * np.maximum(1, np.abs(case.values).max(axis=0))
    counts = np.bincount(case.codes, minlength=case.n_classes)
    return {
        "largest_value": float(np.abs(case.values).max()),
        "spread_ratio": float(spread[varying].max() / max(np.quantile(spread[varying], 0.1), _EPS))
        if varying.any()
        else 1.0,
        "varying": float(varying.mean()),
        "smallest_class": float(counts.min() / counts.sum()),
        "samples_of_smallest": float(counts.min()),
    }


def standardize(values: Array, others: Array) -> tuple[Array, Array]:
    """Return values with mean 0 and deviation 1, and others scaled alike; what does not vary is left out."""
    mean, spread = values.mean(axis=0), values.std(axis=0)
    kept = spread > _EPS * np.maximum(1, np.abs(mean))
    if not kept.any():
        return np.zeros((len(values), 1)), np.zeros((len(others), 1))
    return tuple(np.clip((part[:, kept] - mean[kept]) / spread[kept], -10, 10) for part in (values, others))


Learner = Callable[[Array, Array, int, Array], Array]


def by_regression(X: Array, codes: Array, n_classes: int, judged: Array) -> Array:
    """Return the probabilities that a logistic regression gives samples."""
    X, judged = standardize(X, judged)
    return probabilities(train_logistic(X, codes, n_classes), judged)


def by_network(X: Array, codes: Array, n_classes: int, judged: Array) -> Array:
    """Return the probabilities that a network with nothing set gives samples."""
    X, judged = standardize(X, judged)
    model, _ = fit_model(X, codes, classes=range(n_classes), recipe="quick", n_threads=1)
    return model.predict_proba(judged)


def predict_apart(values: Array, codes: Array, n_classes: int, learn: Learner = by_regression) -> Array:
    """Return probabilities of each sample by models that did not learn from it."""
    P = np.full((len(codes), n_classes), 1 / n_classes)
    fold = np.empty(len(codes), int)
    random = np.random.default_rng(0)
    for k in range(n_classes):
        of_class = random.permutation(np.flatnonzero(codes == k))
        fold[of_class] = (np.arange(len(of_class)) + k) % _N_FOLDS
    for part in range(_N_FOLDS):
        learned, judged = fold != part, fold == part
        if judged.any() and len(np.unique(codes[learned])) > 1:
            P[judged] = learn(values[learned], codes[learned], n_classes, values[judged])
    return P


def see_labels(case: Case) -> dict[str, float]:
    """Return how well labels can be told from the features, and how often they are wrong where that is surest."""
    P = predict_apart(case.values, case.codes, case.n_classes, by_network)
    predicted = P.argmax(axis=1)
    wrong = (predicted != case.codes)[np.argsort(-P.max(axis=1), kind="stable")]
    n = len(wrong)
    deep, following = wrong[: int(_DEEP * n)], wrong[int(_DEEP * n) : int(_NEXT * n)]
    chance = 1 / case.n_classes
    apart = balanced_accuracy(predicted, case.codes)
    counts = np.bincount(case.codes, minlength=case.n_classes)
    error = math.sqrt(chance * (1 - chance) / max(1, counts[counts > 0].min()) / case.n_classes)
    return {
        "apart_score": apart,
        "above_chance": (apart - chance) / error,
        "wrong_where_sure": float(deep.mean()) if len(deep) else 0.0,
        "wrong_where_less_sure": float(following.mean()) if len(following) else 0.0,
    }


def see_leak(case: Case) -> dict[str, float]:
    """Return how well the single best feature tells the classes, how well all others do, and which it is."""
    pooled = [case.values[:, case.view.span(k)] for k in range(case.view.n_features)]
    best, place = 0.0, 0
    for k, columns in enumerate(pooled):
        score = max((_stump(column, case.codes, case.n_classes) for column in columns.T), default=0.0)
        if score > best:
            best, place = score, k
    rest = [columns for k, columns in enumerate(pooled) if k != place]
    others = 1 / case.n_classes
    if rest and best > 0.9:
        P = predict_apart(np.concatenate(rest, axis=1), case.codes, case.n_classes)
        others = balanced_accuracy(P.argmax(axis=1), case.codes)
    return {"best_feature": float(place), "best_alone": best, "others": others}


def _stump(column: Array, codes: Array, n_classes: int) -> float:
    """Return the accuracy of the best rule that gives each of n_classes intervals of a column a class of its own."""
    order = np.argsort(column, kind="stable")
    sorted_codes, value = codes[order], column[order]
    ends = np.flatnonzero(np.r_[np.diff(value) > 0, True])
    if len(ends) < 2:
        return 0.0
    totals = np.cumsum(np.eye(n_classes)[sorted_codes], axis=0)[ends]
    if n_classes > _FEW_CLASSES:  # of many classes, how pure the groups of equal values are
        groups = np.diff(np.r_[np.zeros((1, n_classes)), totals], axis=0)
        return float(groups.max(axis=1).sum() / len(codes)) if len(ends) <= 2 * n_classes else 0.0
    # dynamic programming over intervals: the best accuracy with at most n_classes intervals
    score = totals.max(axis=1)
    for _ in range(n_classes - 1):
        gains = np.maximum.accumulate(score[:, None] - totals, axis=0)
        score = np.maximum(score, np.r_[totals.max(axis=1)[:1], (gains[:-1] + totals[1:]).max(axis=1)])
    return float(score[-1] / len(codes))


def see_shift(case: Case) -> dict[str, float]:
    """Return how well training and test samples of the same class can be told apart: 0.5 means not at all."""
    both, classes = np.concatenate([case.values, case.test]), np.r_[case.codes, case.test_codes]
    is_test = np.r_[np.zeros(len(case.values), int), np.ones(len(case.test), int)]
    P = predict_apart(both, is_test, 2)[:, 1]
    areas, masses = [], []
    for k in np.unique(classes):
        here = classes == k
        n, m = int(is_test[here].sum()), int((1 - is_test[here]).sum())
        if n and m:
            ranks = np.empty(n + m)
            ranks[np.argsort(P[here], kind="stable")] = np.arange(1, n + m + 1)
            areas.append((ranks[is_test[here] == 1].sum() - n * (n + 1) / 2) / (n * m))
            masses.append(n * m / (n + m + 1))
    if not areas:
        return {"told_apart": 0.5, "told_apart_error": 1.0}
    return {
        "told_apart": float(np.average(areas, weights=masses)),
        "told_apart_error": math.sqrt(1 / (12 * sum(masses))),
    }
