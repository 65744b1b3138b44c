"""How good a committee is on samples that it did not learn from, with what a simpler method makes of them beside it."""

import math
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.baseline import probabilities, train_logistic
from twolayer.committee import FoldedSamples, Joined
from twolayer.settings import Settings
from twolayer.text import count
from twolayer.training.result import Figure

_MOST, _WORK = 5000, 4e6  # samples that the baseline learns from, and multiplications of an evaluation, at most
_NUMBERS = {
    None: "",
    "standard": ", standardized numbers",
    "clip": ", clipped numbers",
    "quantile": ", numbers with their quantiles",
    "bins": ", numbers with their places in bins",
}
_Z = 1.96  # standard errors on both sides of a mean, of an interval that holds it in 95 of 100 cases


def judge(
    joined: Joined, samples: FoldedSamples, settings: Settings, *, validated_apart: bool
) -> tuple[tuple[Figure, ...], float | None]:
    """Return what was chosen and how it validates.

    Parameters
    ----------
    joined : Joined
    samples : FoldedSamples
        That were learned from.
    settings : Settings
        Of each member, complete.
    validated_apart : bool
        Whether all members validated on other samples, instead of each on its fold.

    Returns
    -------
    figures : tuple of Figure
        What was chosen; log loss and accuracy with their 95 % intervals; a note where a baseline is not beaten.
    accuracy : float or None
        On the validation samples; None where there are none.
    """
    n, units = len(joined.n_iter), settings.n_hidden
    network = f"{'' if n == 1 else f'{n} x '}{count(units or 1, f'{settings.activation} unit')}"
    values: dict[str, Any] = {"members": n, "l2": settings.l2, "temperature": joined.temperature}
    figures = [Figure("chosen", f"{network}, L2 penalty {settings.l2:.2g}{_NUMBERS[settings.scaling]}", values)]
    if joined.probabilities is None:
        return tuple(figures), None
    judged = joined.judged
    codes, mass = judged.labels.codes, np.ones(len(judged.labels)) if judged.weight is None else judged.weight
    losses = -np.log(np.maximum(joined.probabilities[np.arange(len(codes)), codes], np.finfo(float).tiny))
    loss, loss_error = _mean_with_error(losses, mass)
    right = joined.probabilities.argmax(axis=1) == codes
    accuracy, error = _mean_with_error(right.astype(float), mass)
    shares = np.bincount(codes, mass, len(judged.labels.classes)) / mass.sum()
    majority = float(shares.max())
    values = {"validation_accuracy": accuracy, "majority_accuracy": majority}
    figures += [
        Figure("validation log loss", f"{loss:.4f} ± {_Z * loss_error:.4f}", {"validation_log_loss": loss}),
        Figure("validation accuracy", f"{100 * accuracy:.2f} ± {100 * _Z * error:.2f} %", values),
    ]
    if accuracy <= majority:
        label = judged.labels.classes[int(shares.argmax())]
        figures.append(Figure("note", f"To answer {label} always is right as often: the features tell little.", {}))
    elif joined.complete:
        here = np.flatnonzero((judged.fold == 0) | validated_apart)
        learned = samples if validated_apart else samples.take(np.flatnonzero(samples.fold != 0))
        theirs = _loss_of_logistic(learned, judged.take(here))
        ours, _ = _mean_with_error(losses[here], mass[here])
        if theirs <= ours:
            text = f"A logistic regression is as good (log loss {theirs:.4f}, here {ours:.4f}, on the same samples)."
            figures.append(Figure("note", text, {"logistic_log_loss": theirs, "compared_log_loss": ours}))
    return tuple(figures), accuracy


def _loss_of_logistic(learned: FoldedSamples, judged: FoldedSamples) -> float:
    """Return the mean log loss of a logistic regression on samples that it did not learn from."""
    n_classes = len(learned.labels.classes)
    most = max(100, min(_MOST, int(_WORK / (learned.X.shape[1] * n_classes))))
    some = learned.take(np.linspace(0, len(learned.labels) - 1, min(most, len(learned.labels))).astype(int))
    regression = train_logistic(_to_floats(some), some.labels.codes, n_classes, some.weight)
    P = probabilities(regression, _to_floats(judged))[np.arange(len(judged.labels)), judged.labels.codes]
    weight = np.ones(len(P)) if judged.weight is None else judged.weight
    return _mean_with_error(-np.log(np.maximum(P, np.finfo(np.float32).tiny)), weight)[0]


def _to_floats(samples: FoldedSamples) -> Array:
    X = samples.X if isinstance(samples.X, np.ndarray) else samples.X.toarray()
    floats: Array = X.astype(np.float32) / np.float32(samples.scale)
    return floats


def _mean_with_error(values: Array, mass: Array) -> tuple[float, float]:
    """Return a weighted mean and its standard error."""
    mean = float(np.average(values, weights=mass))
    variance = float(np.average((values - mean) ** 2, weights=mass))
    return mean, math.sqrt(variance * float((mass**2).sum()) / float(mass.sum()) ** 2)
