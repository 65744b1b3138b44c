"""Figures of merit of probabilities, over all classes and for each, with 95 % intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.errors import DataError
from twolayer.evaluation.scores import wilson_interval

_N_RESAMPLES, _LEAST_RESAMPLES = 400, 100  # of the bootstrap
_WORK = 8e7  # samples times classes times resamples, beyond which fewer are drawn
_N_BINS = 15  # of the calibration error
_TINY = np.finfo(np.float64).tiny
_ACCURACY = "accuracy"


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval: Wilson's for a proportion of samples, else that of the bootstrap.

    Attributes
    ----------
    name : str
    value : float
        NaN where it is not defined, as the precision of a class that is never predicted.
    low, high : float
    """

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """How good probabilities are.

    Attributes
    ----------
    n_samples : int
    classes : tuple of int or of str
    figures : tuple of Figure
        accuracy, balanced accuracy, precision, recall, F1 and AUC (means over the classes; with two classes those of
        the second), log loss, Brier score, calibration error.
    by_class : tuple of tuple of Figure
        precision, recall, F1 and AUC of each class against the others.
    confusion : array of int of shape (n_classes, n_classes)
        Rows are true classes, columns predicted ones.
    """

    n_samples: int
    classes: tuple[Label, ...]
    figures: tuple[Figure, ...]
    by_class: tuple[tuple[Figure, ...], ...]
    confusion: Array

    def __getitem__(self, name: str) -> Figure:
        """Return a figure over all classes by its name."""
        return next(figure for figure in self.figures if figure.name == name)


def evaluate(
    probabilities: Any, y: Any, classes: Sequence[Label], predictions: Any = None, *, random_state: int = 0
) -> Evaluation:
    """Evaluate probabilities of classes.

    Parameters
    ----------
    probabilities : array of shape (m, n_classes)
        As of `Model.predict_proba`.
    y : array of shape (m,)
        The true classes.
    classes : sequence of int or of str
        One for each column.
    predictions : array of shape (m,), optional
        The predicted classes; the most probable ones when not given.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If there are no samples, or shapes or classes do not fit.

    Notes
    -----
    The log loss is the mean of -ln p of the true class. Brier's score is the mean squared distance between the
    probabilities and the truth, halved, so that it lies between 0 and 1. The calibration error is the mean distance
    between how sure the model is and how often it is right, over 15 groups of samples of equal size (M. Naeini et al.,
    "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015). The AUC of a class is the probability
    that a sample of it gets a higher probability than one of another class. The bootstrap draws the samples anew 400
    times, of very many samples 100 times; an interval holds its middle 95 %.
    """
    P, codes = check_probabilities(probabilities, y, classes)
    predicted = P.argmax(axis=1) if predictions is None else encode(predictions, classes)
    measure = _Measures(P, codes, predicted)
    value, n = measure(np.ones(len(codes))), len(codes)
    n_drawn = int(max(_LEAST_RESAMPLES, min(_N_RESAMPLES, _WORK // P.size)))
    random = np.random.default_rng(random_state)
    drawn = [measure(np.bincount(random.integers(0, n, n), minlength=n)) for _ in range(n_drawn)]
    confusion = _count_pairs(codes, predicted, len(classes))
    true, called, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    counted: dict[str, tuple[Array, Array]] = {"precision": (right, called), "recall": (right, true)}
    by_class = []
    for k in range(len(classes)):
        figures = [_figure(name, value[1][name][k], [of_class[name][k] for _, of_class in drawn]) for name in value[1]]
        by_class.append(tuple(_with_wilson(each, *(n[k] for n in counted.get(each.name, ()))) for each in figures))
    overall = {name: _figure(name, value[0][name], [of_all[name] for of_all, _ in drawn]) for name in value[0]}
    overall[_ACCURACY] = _with_wilson(overall[_ACCURACY], right.sum(), n)
    if len(classes) == 2:
        overall |= {each.name: each for each in by_class[1]}
    return Evaluation(n, tuple(classes), tuple(overall.values()), tuple(by_class), confusion)


def _with_wilson(figure: Figure, n_right: Any = None, n_samples: Any = 0) -> Figure:
    """Return a proportion of samples with Wilson's interval; another figure as it is."""
    if n_right is None or not n_samples:
        return figure
    return Figure(figure.name, figure.value, *wilson_interval(int(n_right), int(n_samples)))


def check_probabilities(probabilities: Any, y: Any, classes: Sequence[Label]) -> tuple[Array, Array]:
    """Return probabilities in double precision and the place of each sample's class; DataError if they do not fit."""
    P = np.asarray(probabilities, np.float64)
    if P.ndim != 2 or P.shape[1] != len(classes):
        raise DataError(f"The probabilities must have a column for each of {len(classes)} classes; got {P.shape}.")
    codes = encode(y, classes)
    if len(codes) != len(P):
        raise DataError(f"There must be as many classes as rows of probabilities; got {len(codes)} and {len(P)}.")
    if not len(P):
        raise DataError("There are no samples: an evaluation needs some.")
    return P, codes


def encode(y: Any, classes: Sequence[Label]) -> Array:
    """Return the place of each label among the classes; DataError if one is strange."""
    from twolayer.data.dataset import Labels

    codes: Array = Labels.of(np.asarray(y), tuple(classes)).codes
    return codes


_Values = tuple[dict[str, float], dict[str, Array]]


class _Measures:
    """Computes all figures of samples that count with weights: of a draw of the bootstrap, how often each was drawn."""

    def __init__(self, P: Array, codes: Array, predicted: Array) -> None:
        n, n_classes = P.shape
        self.n_classes, self.codes = n_classes, codes
        self.pairs = codes * n_classes + predicted
        truth = np.eye(n_classes)[codes]
        self.loss = -np.log(np.maximum(P[np.arange(n), codes], _TINY))
        self.brier = ((P - truth) ** 2).sum(axis=1) / 2
        chosen = P[np.arange(n), predicted]
        self.surplus = chosen - (predicted == codes)
        order = np.argsort(chosen, kind="stable")
        self.bins = np.empty(n, np.int64)
        self.bins[order] = np.arange(n) * _N_BINS // n
        self.orders = [(np.argsort(P[:, k], kind="stable"), k) for k in range(n_classes)]
        self.ties = [np.flatnonzero(np.r_[True, np.diff(P[order, k]) > 0]) for order, k in self.orders]

    def __call__(self, weight: Array) -> _Values:
        """Return the figures over all classes, and those of each."""
        total = weight.sum()
        confusion = np.bincount(self.pairs, weight, self.n_classes**2).reshape(self.n_classes, self.n_classes)
        right, true, called = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall, f1 = right / called, right / true, 2 * right / (true + called)
            auc = np.array([self._auc(weight, *each) for each in zip(self.orders, self.ties, strict=True)])
        of_class = {"precision": precision, "recall": recall, "F1": f1, "AUC": auc}
        gaps = np.abs(np.bincount(self.bins, weight * self.surplus, _N_BINS)).sum() / total
        overall = {_ACCURACY: right.sum() / total, "balanced accuracy": _mean(recall)}
        overall |= {name: values[1] if self.n_classes == 2 else _mean(values) for name, values in of_class.items()}
        overall |= {
            "log loss": weight @ self.loss / total,
            "Brier score": weight @ self.brier / total,
            "calibration error": gaps,
        }
        return {name: float(value) for name, value in overall.items()}, of_class

    def _auc(self, weight: Array, ordered: tuple[Array, int], ties: Array) -> float:
        """Return the area under the ROC curve of a class: ties count half."""
        order, k = ordered
        is_k = self.codes[order] == k
        sorted_weight = weight[order]
        of_k = np.add.reduceat(sorted_weight * is_k, ties)
        of_others = np.add.reduceat(sorted_weight * ~is_k, ties)
        below = np.cumsum(of_others) - of_others / 2
        return float(of_k @ below / (of_k.sum() * of_others.sum()))


def _mean(values: Array) -> float:
    """Return the mean of those values that are defined."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _figure(name: str, value: float, drawn: list[float]) -> Figure:
    """Return a figure with the middle 95 % of what the bootstrap drew."""
    known = np.array(drawn)[np.isfinite(drawn)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (float("nan"), float("nan"))
    return Figure(name, float(value), float(low), float(high))


def _count_pairs(codes: Array, predicted: Array, n_classes: int) -> Array:
    """Return the confusion matrix."""
    pairs: Array = np.bincount(codes * n_classes + predicted, minlength=n_classes**2)
    return pairs.reshape(n_classes, n_classes)
