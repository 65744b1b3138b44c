"""Curves of an evaluation: ROC, precision and recall, calibration, and what each threshold gives."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.evaluation.figures import check_probabilities
from twolayer.evaluation.scores import wilson_interval
from twolayer.plots import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933")  # Okabe and Ito
_MOST_CURVES = 8
_N_BINS = 10


def picture_evaluation(probabilities: Any, y: Any, classes: Sequence[Label], form: str) -> bytes:
    """Return a picture of the curves: of the second of two classes, or of each class, the hardest eight of many.

    Parameters
    ----------
    probabilities : array of shape (m, n_classes)
        As of `Model.predict_proba`.
    y : array of shape (m,)
        The true classes.
    classes : sequence of int or of str
    form : str
        png, svg or pdf.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        If there are no samples, or shapes or classes do not fit.
    """
    P, codes = check_probabilities(probabilities, y, classes)
    shown = [1] if len(classes) == 2 else _hardest_classes(P, codes)
    of = [(k, str(classes[k]), colour) for k, colour in zip(shown, _COLOURS, strict=False)]
    draws: list[Callable[[Axes], Any]] = [
        lambda ax: draw_roc(ax, P, codes, of),
        lambda ax: draw_precision_recall(ax, P, codes, of),
        lambda ax: draw_calibration(ax, P, codes),
    ]
    if len(classes) == 2:
        draws.append(lambda ax: draw_thresholds(ax, P, codes, str(classes[1])))
    return render(draws, (4.2 * len(draws), 4.0), form)


_Curves = Sequence[tuple[int, str, str]]


def draw_roc(ax: "Axes", P: Array, codes: Array, of: _Curves) -> None:
    """Draw the share of a class that is found over the share of others that is taken for it."""
    from sklearn.metrics import auc, roc_curve

    for k, name, colour in of:
        false, true, _ = roc_curve(codes == k, P[:, k])
        ax.plot(false, true, color=colour, label=f"{name}: {auc(false, true):.4f}")
    ax.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    _finish(ax, "false alarms", "found", "ROC (area)", "lower right")


def draw_precision_recall(ax: "Axes", P: Array, codes: Array, of: _Curves) -> None:
    """Draw how many of those called a class are of it, over how many of it are found."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    for k, name, colour in of:
        precision, recall, _ = precision_recall_curve(codes == k, P[:, k])
        area = average_precision_score(codes == k, P[:, k])
        ax.step(recall, precision, where="post", color=colour, label=f"{name}: {area:.4f}")
    _finish(ax, "recall", "precision", "Precision and recall (area)", "lower left")


def draw_calibration(ax: "Axes", P: Array, codes: Array) -> None:
    """Draw how often predictions are right over how sure the model is, in ten groups of equal size."""
    sure, right = P.max(axis=1), P.argmax(axis=1) == codes
    groups = np.array_split(np.argsort(sure, kind="stable"), min(_N_BINS, len(sure)))
    x = [float(sure[group].mean()) for group in groups]
    y = [float(right[group].mean()) for group in groups]
    ends = [wilson_interval(int(right[group].sum()), len(group)) for group in groups]
    half = np.maximum([[at - low for at, (low, _) in zip(y, ends, strict=True)],
                       [high - at for at, (_, high) in zip(y, ends, strict=True)]], 0)  # fmt: skip
    ax.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    ax.errorbar(x, y, half, color=_COLOURS[0], marker="o", markersize=4, linewidth=1, capsize=2)
    low = max(0.0, min([*x, *(low for low, _ in ends)]) - 0.03)
    _finish(ax, "how sure", "how often right", "Calibration (95 % intervals)", None)
    ax.set(xlim=(low, 1.02), ylim=(low, 1.02))


def draw_thresholds(ax: "Axes", P: Array, codes: Array, name: str) -> None:
    """Draw precision, recall and F1 of the second class over the probability from which it is predicted."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, at = precision_recall_curve(codes == 1, P[:, 1])
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    for values, label, colour in zip((precision, recall, f1), ("precision", "recall", "F1"), _COLOURS, strict=False):
        ax.plot(at, values[:-1], color=colour, label=label, drawstyle="steps-pre")
    ax.axvline(0.5, color="#999999", linewidth=0.8, linestyle=":")
    _finish(ax, f"threshold for {name}", "", "Thresholds", "lower center")


def _finish(ax: "Axes", x: str, y: str, title: str, legend: Any) -> None:
    """Label an axis whose values are shares."""
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_xlabel(x, parse_math=False)
    ax.set_ylabel(y)
    ax.set_title(title, fontsize=10, loc="left")
    ax.grid(visible=True, alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    if legend:
        for text in ax.legend(loc=legend, fontsize=8).get_texts():
            text.set_parse_math(False)


def _hardest_classes(P: Array, codes: Array) -> list[int]:
    """Return those classes that have samples, the eight with the lowest recall of many, in their order."""
    right = P.argmax(axis=1) == codes
    there = np.unique(codes)
    recall = np.array([right[codes == k].mean() for k in there])
    return sorted(there[np.argsort(recall, kind="stable")[:_MOST_CURVES]].tolist())
