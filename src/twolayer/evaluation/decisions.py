"""Better use of a trained model: another threshold, calibrated probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.errors import DataError, SettingError
from twolayer.evaluation.figures import check_probabilities, encode
from twolayer.model import Model
from twolayer.settings import real

_FRACTION = real(0, 1, above=True)


@dataclass(frozen=True)
class Threshold:
    """From which probability on the second class is predicted, and what comes of it.

    Attributes
    ----------
    value : float
    precision, recall, f1, accuracy : float
        Of the second class, on the samples that it was chosen by.
    by : str
        What it was chosen for.
    """

    value: float
    precision: float
    recall: float
    f1: float
    accuracy: float
    by: str


def choose_threshold(probabilities: Any, y: Any, classes: Sequence[Label], by: str = "f1") -> Threshold:
    """Choose from which probability on the second of two classes is predicted.

    Parameters
    ----------
    probabilities : array of shape (m, 2)
        Of samples that the model was not trained on.
    y : array of shape (m,)
        The true classes.
    classes : sequence of two ints or strs
    by : str
        "f1", the best F1 of the second class; "recall:0.95", the best precision with at least that recall; or
        "cost:5", the least cost where a missed sample of the second class costs so many times as much as a false alarm.

    Returns
    -------
    Threshold

    Raises
    ------
    SettingError
        If `by` is none of these.
    DataError
        If there are not two classes with samples of both, or shapes do not fit.
    """
    P, codes = check_probabilities(probabilities, y, classes)
    if len(classes) != 2 or codes.min() == codes.max():
        raise DataError("A threshold is for two classes, with samples of both.")
    order = np.argsort(-P[:, 1], kind="stable")
    scores, is_second = P[order, 1], codes[order] == 1
    ends = np.flatnonzero(np.r_[np.diff(scores) < 0, True])
    hits = np.cumsum(is_second)[ends]
    alarms = ends + 1 - hits
    n_second = int(is_second.sum())
    recall, precision = hits / n_second, hits / (ends + 1)
    f1 = 2 * hits / (ends + 1 + n_second)
    place = _best(by, recall, precision, f1, alarms, n_second - hits)
    below = scores[ends[place] + 1] if ends[place] + 1 < len(scores) else 0.0
    accuracy = (hits[place] + len(codes) - n_second - alarms[place]) / len(codes)
    value = (float(scores[ends[place]]) + float(below)) / 2
    return Threshold(value, float(precision[place]), float(recall[place]), float(f1[place]), float(accuracy), by)


def _best(by: str, recall: Array, precision: Array, f1: Array, alarms: Array, missed: Array) -> int:
    """Return the place of the best threshold."""
    kind, _, text = by.partition(":")
    if by == "f1":
        return int(f1.argmax())
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if kind == "recall" and 0 < number <= 1:
        return int(np.where(recall >= number, precision, -1).argmax())
    if kind == "cost" and 0 < number < math.inf:
        return int((number * missed + alarms).argmin())
    raise SettingError(f"`by` must be f1, recall:SHARE such as recall:0.95, or cost:TIMES such as cost:5; got {by!r}.")


def with_threshold(model: Model, threshold: float) -> Model:
    """Return a model of two classes that predicts the second one from another probability on.

    Parameters
    ----------
    model : Model
    threshold : float
        Greater than 0, less than 1.

    Returns
    -------
    Model
        Its output bias is smaller by the logit of the threshold, so that every export of it decides alike. Its
        probabilities are those of a world in which the odds of the second class are multiplied by (1 - t) / t.

    Raises
    ------
    SettingError
        If the threshold is not between 0 and 1, or there are more than two classes.
    """
    t = _FRACTION.check("threshold", threshold)
    if len(model.classes) != 2:
        raise SettingError(f"A `threshold` is for two classes; the model has {len(model.classes)}.")
    b2 = np.asarray(model.parameters["b2"] - math.log(t / (1 - t)), model.parameters["b2"].dtype)
    settings = {**model.settings, "threshold": t}
    return replace(model, parameters={**model.parameters, "b2": b2}, settings=settings, sets=None)


def calibrate(model: Model, X: Any, y: Any) -> tuple[Model, float]:
    """Return a model whose probabilities are as sure as they should be, and the temperature that does it.

    Parameters
    ----------
    model : Model
        With one sigmoid output, or softmax outputs.
    X : samples, as `Model.outputs` takes them
        That it was not trained on.
    y : array of shape (m,)
        Their classes.

    Returns
    -------
    model : Model
        W2 and b2 are divided by the temperature: the predictions are the same.
    temperature : float
        Greater than 1 where the model was too sure.

    Raises
    ------
    DataError
        If samples or classes do not fit, or each class has a sigmoid output of its own.

    Notes
    -----
    C. Guo et al., "On calibration of modern neural networks", ICML 2017: the temperature of the least log loss.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    if len(model.classes) > 2 and model.output != "softmax":
        raise DataError("A model with a sigmoid output for each class has no temperature: train it with loss log.")
    codes, Z = encode(y, model.classes), np.asarray(model.decision_function(X), np.float64)
    if Z.ndim == 1:
        Z = np.stack([np.zeros_like(Z), Z], axis=1)
    own = Z[np.arange(len(codes)), codes]

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float((logsumexp(scale * Z, axis=1) - scale * own).mean())

    temperature = math.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x)
    parameters = dict(model.parameters)
    for name in ("W2", "b2"):
        parameters[name] = np.asarray(parameters[name] / temperature, parameters[name].dtype)
    return replace(model, parameters=parameters, sets=None), temperature
