"""Why a training went wrong, with the evidence, and the smallest change that was found to cure it.

Symptoms in history, network and data make causes likely; each likely cause of the training has a cure, which is tried
on the held-out samples before it is advised. Faults of the data have tests of their own.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Labels
from twolayer.errors import DataError, TwoLayerError
from twolayer.explain.symptoms import (
    Case,
    balanced_accuracy,
    see_data,
    see_history,
    see_labels,
    see_leak,
    see_network,
    see_shift,
)
from twolayer.explain.view import View
from twolayer.fit import fit_model
from twolayer.model import Model
from twolayer.settings import Settings, setting_fields
from twolayer.training.history import Epoch

_MOST_SAMPLES = 1000  # of each part, that are looked at
_MISSED = 0.04  # of balanced accuracy, below what can be had, from which a training went wrong
_HEALED = 0.6  # of what was missed, that a cure must bring back
_NEAR = 0.02  # to what can be had: no larger change is tried
_SURE = 3.0  # standard errors
_MOST_ITERATIONS = 5000
_LIKELY = 0.5  # strength from which a cause is named though no cure was found
_EXTRA = ("engine", "n_threads", "max_seconds")


@dataclass(frozen=True)
class Finding:
    """One cause of a bad result.

    Attributes
    ----------
    name : str
    evidence : dict
        Numbers that speak for it.
    cure : dict
        Settings that cured it when they were tried; empty where the data, not the settings, are at fault.
    before, after : float or None
        Balanced accuracy on the held-out samples, without and with the cure.
    message : str
        What is wrong and what to do, in a sentence or two.
    """

    name: str
    evidence: dict[str, float]
    cure: dict[str, Any]
    before: float | None
    after: float | None
    message: str


@dataclass(frozen=True)
class Diagnosis:
    """What a model's training suffers from, the most likely cause first; nothing where it is healthy.

    Attributes
    ----------
    findings : tuple of Finding
    score : float
        Balanced accuracy of the model on the held-out samples: the mean of the classes' recall.
    reference : float
        That of a network with nothing set, trained on the same samples.
    """

    findings: tuple[Finding, ...]
    score: float
    reference: float


def diagnose(model: Model, X: Any, y: Any, X_test: Any, y_test: Any, history: Sequence[Epoch] = ()) -> Diagnosis:
    """Find out why a training went wrong, and try what would cure it.

    Parameters
    ----------
    model : Model
    X, y : samples, as `Model.outputs` takes them, and their classes
        That the model was trained on.
    X_test, y_test : samples and their classes
        That it was not trained on.
    history : sequence of Epoch, optional
        Of the training.

    Returns
    -------
    Diagnosis

    Raises
    ------
    DataError
        If samples or classes do not fit the model, or there are none.

    Notes
    -----
    At most 1,000 samples of each kind are used, those at even distances. A training counts as bad where a network with
    nothing set is better by more than four points of balanced accuracy and more than chance would have it. A cure
    counts where it brings back three fifths of that.
    """
    view = View.of(model)
    train, test = (
        (view.read(rows), Labels.of(labels, model.classes).codes) for rows, labels in ((X, y), (X_test, y_test))
    )
    return diagnose_values(view, *train, *test, history)


def diagnose_values(
    view: View, values: Array, codes: Array, test: Array, test_codes: Array, history: Sequence[Epoch] = ()
) -> Diagnosis:
    """Return the diagnosis by values that enter the network, as `diagnose`."""
    if not len(values) or not len(test):
        raise DataError("A diagnosis needs training samples and others to judge by.")
    (values, codes), (test, test_codes) = _some(values, codes), _some(test, test_codes)
    case = Case(view, values, codes, test, test_codes, tuple(history), view.model.settings)
    seen = {**see_history(case), **see_network(case), **see_data(case)}
    trials = _Trials(case)
    reference = trials.reference()
    findings = [*_faults_of_data(case, seen), *_faults_of_training(case, seen, trials, reference)]
    if seen["most_predicted"] > 1 - 1 / len(test) and len(np.unique(test_codes)) > 1 and findings:
        findings.append(_one_class(case, seen))
    return Diagnosis(tuple(findings), seen["test_score"], reference)


def _some(values: Array, codes: Array) -> tuple[Array, Array]:
    """Return at most so many samples, at even distances."""
    if len(values) <= _MOST_SAMPLES:
        return values, codes
    chosen = np.linspace(0, len(values) - 1, _MOST_SAMPLES).astype(np.int64)
    return values[chosen], codes[chosen]


class _Trials:
    """Trains again with other settings, and judges by the held-out samples."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._labels = np.asarray(case.view.model.classes)[case.codes]
        known = {each.name for each in setting_fields(Settings)} - set(_EXTRA)
        self._settings = {name: value for name, value in case.settings.items() if name in known}
        self._settings |= {"recipe": "none", "members": None, "n_threads": 1}

    def score(self, changes: Mapping[str, Any]) -> float:
        """Return the balanced accuracy with some settings changed; 0 where that cannot be trained."""
        return self._train({**self._settings, **changes})

    def reference(self) -> float:
        """Return the balanced accuracy of networks with nothing set, and with classes of equal weight."""
        plain = {"members": 2, "n_threads": 1}
        scores = [self._train(plain), self._train({**plain, "class_weight": "balanced", "scaling": "standard"})]
        return max(scores)

    def _train(self, settings: Mapping[str, Any]) -> float:
        """Train, and return the balanced accuracy on the held-out samples."""
        case = self._case
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model, _ = fit_model(case.values, self._labels, classes=case.view.model.classes, **settings)
                predicted = model.predict_proba(case.test).argmax(axis=1)
        except TwoLayerError:
            return 0.0
        return balanced_accuracy(predicted, case.test_codes)


@dataclass(frozen=True)
class _Cause:
    """A fault of the training: how strongly symptoms speak for it, what cures it, what to say."""

    name: str
    strength: Callable[[Case, Mapping[str, float]], float]
    cures: Callable[[Case], list[dict[str, Any]]]
    evidence: tuple[str, ...]
    message: str
    settings: tuple[str, ...] = field(default=())  # of which the values are evidence, too


def _rate(case: Case, *factors: float) -> list[dict[str, Any]]:
    """Return the learning rate times some factors, and found by the solver; nothing where it is so already."""
    rate = case.settings.get("learning_rate")
    if not isinstance(rate, int | float):
        return []
    return [{"learning_rate": float(f"{rate * factor:.6g}")} for factor in factors] + [{"learning_rate": "auto"}]


def _more_iterations(case: Case) -> list[dict[str, Any]]:
    """Return more iterations."""
    n = int(case.settings.get("max_iter") or 200)
    return [{"max_iter": more} for more in (10 * n, 50 * n, 300 * n) if more <= _MOST_ITERATIONS] or [
        {"max_iter": max(2 * n, _MOST_ITERATIONS)}
    ]


def _weaker_penalty(case: Case) -> list[dict[str, Any]]:
    """Return a thousandth of the penalty, and none."""
    less = float(f"{float(case.settings.get('l2') or 0) / 1000:.6g}")
    return [{"l2": less, "weight_decay": 0.0}, {"l2": 0.0, "weight_decay": 0.0}]


def _of_rate(case: Case) -> bool:
    """Tell whether the training had a learning rate."""
    return isinstance(case.settings.get("learning_rate"), int | float)


def _too_large(case: Case, seen: Mapping[str, float]) -> float:
    if case.settings.get("status") == "diverged":
        return 1.0
    if not _of_rate(case):
        return 0.0
    if seen.get("last_cost", 0.0) > seen.get("first_cost", np.inf):
        return 0.95
    return 0.9 if seen.get("rises", 0.0) > 0.2 else 0.3 if seen.get("rises", 0.0) > 0.05 else 0.0


def _too_small(case: Case, seen: Mapping[str, float]) -> float:
    if not _of_rate(case) or seen.get("rises", 0.0) > 0.2:
        return 0.0
    return 0.8 if seen.get("fell", 1.0) < 0.5 else 0.3


def _too_few_iterations(case: Case, seen: Mapping[str, float]) -> float:
    if case.settings.get("status") not in ("finished", None):
        return 0.0
    few = int(case.settings.get("n_iter") or case.settings.get("max_iter") or 200) <= 30
    return (0.5 if few else 0.2) + (0.35 if seen.get("fell_lately", 0.0) > 0.02 else 0.0)


def _bad_start(case: Case, seen: Mapping[str, float]) -> float:  # noqa: ARG001
    return 0.9 if seen.get("start_ratio", 1.0) > 2 else 0.2


def _penalty(case: Case, seen: Mapping[str, float]) -> float:  # noqa: ARG001
    l2 = float(case.settings.get("l2") or 0)
    decay = float(case.settings.get("weight_decay") or 0)
    return 0.85 if l2 >= 0.03 or decay >= 0.3 else 0.4 if l2 > 0 or decay > 0 else 0.0


def _over_fitting(case: Case, seen: Mapping[str, float]) -> float:  # noqa: ARG001
    return 0.7 if seen["train_score"] - seen["test_score"] > 0.08 else 0.0


def _too_few_units(case: Case, seen: Mapping[str, float]) -> float:
    n = len(case.view.W1)
    return (0.75 if n <= max(2, case.n_classes // 3) else 0.2 if n <= 8 else 0.0) * (seen["twin_units"] < 0.5)


def _imbalance(case: Case, seen: Mapping[str, float]) -> float:
    uneven = seen["smallest_class"] < 0.5 / case.n_classes
    return 0.9 if uneven and seen["recall_of_smallest"] < 0.6 else 0.0


_TRAINING: tuple[_Cause, ...] = (
    _Cause(
        "step-too-large", _too_large, lambda case: _rate(case, 0.1, 0.01, 0.001),
        ("first_cost", "last_cost", "rises"), "The cost rises instead of falling: the learning rate is too large.",
        ("learning_rate",),
    ),
    _Cause(
        "twin-units", lambda case, seen: 0.97 if seen["twin_units"] >= 0.5 else 0.0,  # noqa: ARG005
        lambda case: [{"init": "glorot"}],  # noqa: ARG005
        ("twin_units",), "Hidden units repeat each other and learn the same: start from random weights.",
    ),
    _Cause(
        "unscaled-input",
        lambda case, seen: 0.93 if seen["largest_value"] > 20 or seen["spread_ratio"] > 100 else 0.0,  # noqa: ARG005
        lambda case: [{"scaling": "standard"}],  # noqa: ARG005
        ("largest_value", "spread_ratio"), "The features are of very different or large sizes: standardize them.",
    ),
    _Cause(
        "dead-units", lambda case, seen: 0.9 if seen["dead_units"] >= 0.5 else 0.0,  # noqa: ARG005
        lambda case: [{"init": "he"}, *_rate(case, 0.1, 0.01), {"activation": "tanh"}],
        ("dead_units",), "Most rectified units are off for all samples and cannot learn.",
    ),
    _Cause(
        "bad-start", _bad_start, lambda case: [{"init": "glorot"}], ("start_ratio", "first_cost"),  # noqa: ARG005
        "The training began far worse than a guess: start from smaller random weights.",
    ),
    _Cause(
        "saturated-units", lambda case, seen: 0.8 if seen["saturated_units"] >= 0.5 else 0.0,  # noqa: ARG005
        lambda case: [{"init": "glorot"}, *_rate(case, 0.1, 0.01), {"scaling": "standard"}],
        ("saturated_units", "largest_value"), "Most units are saturated, where their slope is about 0.",
    ),
    _Cause(
        "class-imbalance", _imbalance, lambda case: [{"class_weight": "balanced"}],  # noqa: ARG005
        ("smallest_class", "recall_of_smallest"), "The smallest class is hardly ever predicted: weigh classes equally.",
    ),
    _Cause(
        "penalty-too-strong", _penalty, _weaker_penalty,
        ("train_score",), "The penalty keeps the weights too small to learn.", ("l2", "weight_decay"),
    ),
    _Cause(
        "step-too-small", _too_small, lambda case: _rate(case, 10, 100, 1000), ("first_cost", "last_cost", "fell"),
        "The cost hardly falls in so many iterations: the learning rate is too small.", ("learning_rate", "max_iter"),
    ),
    _Cause(
        "too-few-iterations", _too_few_iterations, _more_iterations, ("fell", "fell_lately"),
        "The cost was still falling when the training ended: it needs more iterations.", ("max_iter",),
    ),
    _Cause(
        "too-few-units", _too_few_units, lambda case: [{"n_hidden": max(16, 8 * len(case.view.W1))}], ("train_score",),
        "There are too few hidden units for these classes.", ("n_hidden",),
    ),
    _Cause(
        "over-fitting", _over_fitting,
        lambda case: [{"early_stopping": True}, {"l2": 0.01}, {"l2": 0.1}, {"recipe": "quick"}],  # noqa: ARG005
        ("train_score", "test_score"), "The network learned the training samples by heart.",
    ),
    _Cause(
        "wrong-loss", lambda case, seen: 0.45 if case.settings.get("loss") == "square" else 0.0,  # noqa: ARG005
        lambda case: [{"loss": "log"}], ("train_score",),  # noqa: ARG005
        "The square loss learns slowly where outputs are far off: use the log loss.", ("loss",),
    ),
)  # fmt: skip


def _faults_of_training(case: Case, seen: Mapping[str, float], trials: _Trials, reference: float) -> list[Finding]:
    """Return causes in the settings, those that were cured and have the strongest symptoms first."""
    score = seen["test_score"]
    missed = reference - score
    n = np.bincount(case.test_codes)
    error = np.sqrt(0.25 / n[n > 0].min() / len(n[n > 0]))
    diverged = case.settings.get("status") == "diverged"
    if not diverged and (missed < _MISSED or missed < _SURE * error * np.sqrt(max(1 - reference, 0.02) * 4 * 0.5)):
        return []
    if case.settings.get("recipe") not in ("none", None):
        return []
    found: list[tuple[float, float, Finding]] = []
    for cause in _TRAINING:
        strength = cause.strength(case, seen)
        if strength < 0.1:
            continue
        cure, after = _try(cause, case, trials, score + _HEALED * missed, reference - _NEAR)
        healed = min(1.0, (after - score) / missed) if missed > 0 else float(after >= score)
        if cure is None and strength < _LIKELY:
            continue
        rank = strength + (0.5 * healed if cure is not None else -0.5)
        found.append((rank, strength, _finding(cause, case, seen, cure, score, after)))
    found.sort(key=lambda each: -each[0])
    explained = any(strength >= _LIKELY and finding.cure for _, strength, finding in found)
    findings = [finding for _, strength, finding in found if strength >= _LIKELY or not explained]
    return _with_second_change(findings, case, trials, reference - _NEAR)


def _with_second_change(findings: list[Finding], case: Case, trials: _Trials, enough: float) -> list[Finding]:
    """Return findings; if no cure brings enough, the best one is with a second change, where that brings more."""
    best = max((finding.after or 0.0 for finding in findings if finding.cure), default=enough)
    if best >= enough:
        return findings
    first = next(finding for finding in findings if finding.after == best and finding.cure)
    cause = next(cause for cause in _TRAINING if cause.name == first.name)
    found, score = first.cure, best
    for more in _second_changes(case):
        cure = {**first.cure, **{name: value for name, value in more.items() if name not in first.cure}}
        after = trials.score(cure) if cure != first.cure else 0.0
        if after > score:
            found, score = cure, after
        if score >= enough:
            break
    changed = first if found is first.cure else replace(first, **_told(cause, found, first.before or 0.0, score))
    return [changed if finding is first else finding for finding in findings]


def _second_changes(case: Case) -> list[dict[str, Any]]:
    """Return what is tried on top of a cure that does not bring enough."""
    rate: list[dict[str, Any]] = [{"learning_rate": "auto"}] if _of_rate(case) else []
    solver = [] if case.settings.get("solver") == "lbfgs" else [{"solver": "lbfgs", "batch_size": None}]
    return [*_more_iterations(case)[:2], *rate, *solver, {"l2": 0.001}, {"init": "glorot"}]


def _try(
    cause: _Cause, case: Case, trials: _Trials, wanted: float, enough: float
) -> tuple[dict[str, Any] | None, float]:
    """Return the first cure of a cause that brings enough, or else the best one if it brings what is wanted."""
    best: tuple[dict[str, Any] | None, float] = None, 0.0
    for cure in cause.cures(case):
        after = trials.score(cure)
        if after > best[1]:
            best = cure, after
        if after >= enough:
            break
    return best if best[1] >= wanted else (None, best[1])


def _finding(
    cause: _Cause, case: Case, seen: Mapping[str, float], cure: dict[str, Any] | None, before: float, after: float
) -> Finding:
    """Return a cause as a finding."""
    evidence = {name: seen[name] for name in cause.evidence if name in seen}
    evidence |= {name: value for name in cause.settings if isinstance(value := case.settings.get(name), int | float)}
    if cure is None:
        message = f"{cause.message} No single change that was tried cured it."
        return Finding(cause.name, evidence, {}, before, None, message)
    return Finding(cause.name, evidence, before=before, **_told(cause, cure, before, after))


def _told(cause: _Cause, cure: dict[str, Any], before: float, after: float) -> dict[str, Any]:
    """Return what a finding says of a cure."""
    change = " and ".join(f"`{name}` {value}" for name, value in cure.items())
    message = f"{cause.message} With {change}, {100 * after:.1f} instead of {100 * before:.1f} % (balanced accuracy)."
    return {"cure": cure, "after": after, "message": message}


def _one_class(case: Case, seen: Mapping[str, float]) -> Finding:
    """Return that only one class is predicted: a symptom, which the causes before it explain."""
    P = case.view.probabilities(case.view.hidden(case.test[:1]))
    label = case.view.model.classes[int(P.argmax())]
    message = f"Every held-out sample is predicted as {label}: the network has learned nothing but that."
    return Finding("one-class", {"most_predicted": seen["most_predicted"]}, {}, seen["test_score"], None, message)


def _faults_of_data(case: Case, seen: Mapping[str, float]) -> list[Finding]:
    """Return causes in the data."""
    found = []
    if seen["varying"] <= 0.02 or len(np.unique(case.values, axis=0)) <= 2:
        text = "The features hardly vary: there is nothing to tell the classes by. Check how they were read."
        return [Finding("constant-input", {"varying": seen["varying"]}, {}, seen["test_score"], None, text)]
    shift = see_shift(case)
    if shift["told_apart"] > 0.5 + max(0.15, 4 * shift["told_apart_error"]):
        text = "Training and test samples can be told apart: they are not of the same kind. Split one source at random."
        found.append(Finding("shifted-test-data", shift, {}, seen["test_score"], None, text))
    if seen["samples_of_smallest"] < 10:
        evidence = {"samples_of_smallest": seen["samples_of_smallest"], "samples": float(len(case.codes))}
        text = f"A class has only {int(seen['samples_of_smallest'])} training samples: collect more."
        found.append(Finding("too-little-data", evidence, {}, seen["test_score"], None, text))
    leak = see_leak(case)
    alone, others = leak["best_alone"], leak["others"]
    if (alone > 0.985 and alone - others > 0.03) or (alone == 1 and len(case.codes) >= 100):
        name = case.view.names[int(leak["best_feature"])]
        text = f"{name} alone determines the class: if it is known only later, leave it out."
        found.append(Finding("leak", leak, {}, seen["test_score"], None, text))
    labels = see_labels(case)
    even = seen["smallest_class"] > 0.3 / case.n_classes
    if even and labels["above_chance"] < 2 and seen["test_score"] < 1 / case.n_classes + 0.1 and len(case.codes) >= 100:
        text = "The labels cannot be told from the features better than by chance: check that rows and labels belong."
        found.append(Finding("labels-shuffled", labels, {}, seen["test_score"], None, text))
    elif _are_labels_wrong(labels, len(case.codes)):
        text = (
            "Labels disagree even where the classes are far apart: some are wrong. `twolayer evaluate --hardest` names."
        )
        found.append(Finding("label-noise", labels, {}, seen["test_score"], None, text))
    return found


def _are_labels_wrong(labels: Mapping[str, float], n_samples: int) -> bool:
    """Tell whether mistakes are about as frequent where a model is surest as where it is less sure."""
    deep, following = labels["wrong_where_sure"], labels["wrong_where_less_sure"]
    enough = deep * 0.15 * n_samples >= 3 and deep >= 0.03
    return enough and deep >= 0.4 * following and following < 0.35
