"""What stands in the report of a run, measured and drawn; the page itself is `static/report.html`."""

import base64
import datetime as dt
import hashlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twolayer.aliases import Array
from twolayer.errors import DataError, SettingError
from twolayer.evaluation import evaluate, find_hardest, find_mislabelled
from twolayer.evaluation.figures import Evaluation, Figure
from twolayer.evaluation.pictures import picture_evaluation
from twolayer.explain.doctor import diagnose_values
from twolayer.explain.importance import importance_for
from twolayer.explain.pictures import draw_image, is_image, picture_importance
from twolayer.explain.units import UnitCard, cards_for, pruning_for
from twolayer.explain.view import View
from twolayer.model import Model, to_probabilities
from twolayer.plots import cost_label, draw_cost, draw_errors, render
from twolayer.runs.folder import read_run
from twolayer.text import count, shorten
from twolayer.training.history import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from twolayer.data.dataset import Dataset

_MOST_SAMPLES = 2000  # that importance and units are measured with
_MOST_UNITS, _MOST_HARD = 12, 12
_MOST_PERMUTED = 200  # features
_MOST_CLASSES = 30  # of a confusion matrix
_HASHED_BYTES = 2**24  # at once
_SHARES = {"accuracy", "balanced accuracy", "precision", "recall"}


@dataclass(frozen=True)
class _Subject:
    """A model, the samples that it is judged by, and what it says of them."""

    model: Model
    view: View
    source: str
    samples: "Dataset"
    labels: Array
    P: Array
    evaluation: Evaluation
    values: Array  # that enter the network, of some of the samples
    some: Array  # which


def make_report(run: Path, data: str | None = None) -> str:
    """Return the report of a run as a page of HTML: what was learned, how well, by what, and where it fails.

    Parameters
    ----------
    run : Path
        Of its folder, or of a model file.
    data : str, optional
        What the model is judged by; what it was trained on when not given, of which the held-out samples count.

    Returns
    -------
    str
        One page without scripts that loads nothing.

    Raises
    ------
    SettingError
        If the model does not say what it was trained on, and no data are given.
    DataError, FileFormatError, MissingFileError, StorageError
        If the run or the data cannot be read, or do not belong together.
    """
    from jinja2 import Environment, StrictUndefined

    from twolayer.data.sources import read_some

    model, epochs = read_run(run)
    subject = _examine(model, data)
    learned = read_some(model, subject.source, "train", most=_MOST_SAMPLES)
    values = subject.view.read(learned.rows)
    template = files(__package__).joinpath("static/report.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        name=run.resolve().name,
        data=subject.source,
        n_samples=f"{subject.evaluation.n_samples:,}",
        summary=_summary(subject),
        figures=[_cells(figure) for figure in subject.evaluation.figures],
        second=str(model.classes[1]) if len(model.classes) == 2 else None,
        by_class=_by_class(subject.evaluation),
        confusion=_confusion(subject.evaluation),
        curves=_picture(picture_evaluation(subject.P, subject.labels, model.classes, "svg"), "svg"),
        loss=_loss(model, epochs),
        importance=_importance(subject),
        doctor=_doctor(subject, values, learned.known_labels.codes, epochs),
        units=_units(subject, values),
        hardest=_hardest(subject),
        settings=_settings(model),
        facts=_facts(subject, data),
    )


def _examine(model: Model, data: str | None) -> _Subject:
    """Read the samples, and predict them."""
    from twolayer.data.sources import read_for

    source = data or model.settings.get("data")
    if not isinstance(source, str):
        raise SettingError("The model does not say what it was trained on: name the `data`.")
    samples = read_for(model, source, labelled=True)[0]
    labels, outputs = samples.known_labels.decode(), model.outputs(samples.rows)
    P = to_probabilities(outputs, model.output)
    evaluation = evaluate(P, labels, model.classes, model.choose(outputs))
    some = np.unique(np.linspace(0, samples.n_samples - 1, min(samples.n_samples, _MOST_SAMPLES)).astype(np.int64))
    view = View.of(model)
    values = view.read(samples.take(some).rows)
    return _Subject(model, view, source, samples, labels, P, evaluation, values, some)


def _summary(subject: _Subject) -> str:
    """Say in a sentence how good the model is."""
    evaluation, model = subject.evaluation, subject.model
    accuracy = evaluation["accuracy"]
    n_errors = int(evaluation.n_samples - evaluation.confusion.trace())
    share = evaluation.confusion.sum(axis=1).max() / evaluation.n_samples
    frequent = model.classes[int(evaluation.confusion.sum(axis=1).argmax())]
    text = (
        f"A network with {count(len(subject.view.W1), 'hidden unit')} that tells {len(model.classes):,} classes "
        f"apart: {100 * accuracy.value:.2f} % right ({count(n_errors, 'error')}; 95 % interval "
        f"{100 * accuracy.low:.2f} to {100 * accuracy.high:.2f} %)."
    )
    return f"{text} To answer {frequent} always would be right in {100 * share:.2f} %."


def _cells(figure: Figure) -> tuple[str, str, str]:
    """Return name, value and interval of a figure in words."""
    if not np.isfinite(figure.value):
        return figure.name, "-", "-"
    if figure.name in _SHARES:
        return figure.name, f"{100 * figure.value:.2f} %", f"{100 * figure.low:.2f} to {100 * figure.high:.2f} %"
    return figure.name, f"{figure.value:.4f}", f"{figure.low:.4f} to {figure.high:.4f}"


def _by_class(evaluation: Evaluation) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Return class, number of samples, and figures of each class."""
    totals = evaluation.confusion.sum(axis=1)
    return [
        (str(label), f"{n:,}", [_cells(figure) for figure in figures])
        for label, n, figures in zip(evaluation.classes, totals.tolist(), evaluation.by_class, strict=True)
    ][: 2 * _MOST_CLASSES]


def _confusion(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the confusion matrix, with the share of its row for each number; None if it is too wide."""
    if len(evaluation.classes) > _MOST_CLASSES:
        return None
    names = [str(label) for label in evaluation.classes]
    totals = np.maximum(evaluation.confusion.sum(axis=1, keepdims=True), 1)
    shares = evaluation.confusion / totals
    rows = [
        (name, [(f"{n:,}", f"{share:.3f}", row == k) for k, (n, share) in enumerate(zip(line, part, strict=True))])
        for row, (name, line, part) in enumerate(
            zip(names, evaluation.confusion.tolist(), shares.tolist(), strict=True)
        )
    ]
    return {"names": names, "rows": rows}


def _picture(content: bytes, form: str) -> str:
    """Return a picture as an address that holds it."""
    kind = {"svg": "image/svg+xml", "png": "image/png"}[form]
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _loss(model: Model, epochs: Sequence[Epoch]) -> str | None:
    """Return the picture of the training; None where its history is not there."""
    if not epochs:
        return None
    draws: list[Callable[[Axes], Any]] = [
        lambda ax: draw_cost(ax, epochs, cost_label(model)),
        lambda ax: draw_errors(ax, epochs),
    ]
    return _picture(render(draws, (10, 3.8), "svg"), "svg")


def _importance(subject: _Subject) -> dict[str, Any]:
    """Return what matters, as a picture and as a table."""
    view, codes = subject.view, subject.samples.known_labels.codes[subject.some]
    permuted = view.n_features <= _MOST_PERMUTED
    baseline = view.baseline("mean", subject.values)
    found = importance_for(view, subject.values, baseline, codes if permuted else None)
    form = "png" if is_image(subject.model) else "svg"
    rows: list[tuple[str, str, str | None]] = []
    for k in [] if is_image(subject.model) else np.argsort(-found.shares, kind="stable")[:15].tolist():
        lost = None if found.accuracy_lost is None else f"{100 * found.accuracy_lost[k]:.2f}"
        rows.append((found.features[k], f"{found.shares[k]:.4f} ± {found.shares_error[k]:.4f}", lost))
    return {"picture": _picture(picture_importance(subject.model, found, form), form), "rows": rows, "lost": permuted}


def _doctor(subject: _Subject, values: Array, codes: Array, epochs: Sequence[Epoch]) -> dict[str, Any]:
    """Return what the doctor says, each finding with its evidence."""
    judged = subject.samples.known_labels.codes[subject.some]
    found = diagnose_values(subject.view, values, codes, subject.values, judged, epochs)
    findings = [
        (
            each.name,
            each.message.replace("`", ""),
            ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in each.evidence.items()),
        )
        for each in found.findings
    ]
    return {"findings": findings, "score": f"{100 * found.score:.1f} %", "reference": f"{100 * found.reference:.1f} %"}


def _units(subject: _Subject, values: Array) -> dict[str, Any]:
    """Return the cards of the units that matter most, and how few suffice."""
    codes = subject.samples.known_labels.codes[subject.some]
    cards = cards_for(subject.view, subject.values, codes)
    shown = sorted(cards, key=lambda card: -card.influence)[:_MOST_UNITS]
    pruning = pruning_for(subject.view, values, subject.values, codes)
    entries = [_card(subject, card) for card in shown]
    return {"cards": entries, "total": f"{len(cards):,}", "suffice": f"{pruning.suffice:,}"}


def _card(subject: _Subject, card: UnitCard) -> dict[str, Any]:
    """Return the card of a unit in words, with its weights as a picture where samples are images."""
    model, picture = subject.model, None
    weights = subject.view.pool(np.abs(card.weights))
    strongest = np.argsort(-weights, kind="stable")[:4].tolist()
    if is_image(model) and len(card.weights) == model.n_features:
        image = card.weights.reshape(model.input_shape)
        picture = _picture(_draw_weights(image.sum(axis=2) if image.ndim == 3 else image), "png")
    votes = int(np.abs(card.outgoing).argmax())
    towards = subject.view.outputs[votes]
    sign = "for" if card.outgoing[votes] > 0 else "against"
    return {
        "unit": card.unit,
        "picture": picture,
        "features": ", ".join(shorten(subject.view.names[k], 26) for k in strongest),
        "vote": f"{sign} {towards} ({card.outgoing[votes]:+.2f})",
        "influence": f"{card.influence:.3f}",
        "saturated": f"{100 * card.saturated:.0f} %",
        "loss": f"{card.loss_added:+.4f}",
        "twin": card.twin,
    }


def _draw_weights(image: Array) -> bytes:
    """Return the weights of a unit as a small picture."""

    def draw(ax: "Axes") -> None:
        limit = float(np.abs(image).max()) or 1.0
        ax.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        ax.set_axis_off()

    return render([draw], (1.0, 1.0), "png")


def _draw_sample(model: Model, x: Array) -> bytes:
    """Return a sample as a small picture."""
    return render([lambda ax: draw_image(ax, model, x, "")], (1.0, 1.0), "png")


def _hardest(subject: _Subject) -> list[dict[str, Any]]:
    """Return the samples that the model finds hardest."""
    model, P, labels = subject.model, subject.P, subject.labels
    suspects = set(find_mislabelled(P, labels, model.classes).tolist())
    entries = []
    for k in find_hardest(P, labels, model.classes, _MOST_HARD).tolist():
        label, best = labels[k].item(), int(P[k].argmax())
        picture = None
        if is_image(model):
            x = np.asarray(subject.samples.take(np.array([k])).rows.read(0))[0]
            picture = _picture(_draw_sample(model, x), "png")
        entries.append(
            {
                "row": subject.samples.number_of(k),
                "label": label,
                "probability": f"{100 * P[k, model.classes.index(label)]:.2f} %",
                "prediction": model.classes[best],
                "sure": f"{100 * P[k, best]:.2f} %",
                "suspect": k in suspects,
                "picture": picture,
            }
        )
    return entries


def _settings(model: Model) -> list[tuple[str, str]]:
    """Return the settings of the training in words."""
    return [(name, shorten(value, 80)) for name, value in model.settings.items() if value is not None]


def _facts(subject: _Subject, data: str | None) -> list[tuple[str, str]]:
    """Return what it takes to know again what was reported of what, and by what."""
    held_out = "" if data or subject.model.settings.get("hold_out") is None else ", of which the held-out samples count"
    facts = [("data", f"{subject.source}{held_out}")]
    path = Path(subject.source)
    if path.is_file():
        facts.append(("SHA-256 of the file", _fingerprint(path)))
    facts.append(("SHA-256 of the parameters", _digest(subject.model)))
    facts.append(
        ("versions", f"twolayer {version('twolayer')}, NumPy {np.__version__}, Python {platform.python_version()}")
    )
    facts.append(("made on", dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")))
    return facts


def _fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(_HASHED_BYTES):
                digest.update(part)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}): check it and try again.") from error
    return digest.hexdigest()


def _digest(model: Model) -> str:
    """Return the SHA-256 of the parameters."""
    digest = hashlib.sha256()
    for name, value in sorted(model.parameters.items()):
        digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
