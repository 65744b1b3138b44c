"""`twolayer evaluate`: how good a model is, with intervals; `twolayer compare`: whether another one is better."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.calibrate import sets_in_words
from twolayer.cli.options import add_option, json_option, part_option
from twolayer.data.request import DataRequest
from twolayer.text import count

if TYPE_CHECKING:
    from twolayer.aliases import Array
    from twolayer.evaluation import Evaluation, Figure, Threshold
    from twolayer.model import Model

_MOST_CLASSES_SHOWN = 30
_IN_PERCENT = {"accuracy", "balanced accuracy", "precision", "recall"}
_OF_A_CLASS = {"precision", "recall", "F1", "AUC"}


@click.command(short_help="Print how good a model is, with confidence intervals, and the confusion matrix.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@part_option
@add_option(DataRequest, "encoding")
@click.option("--hardest", type=click.IntRange(min=1), help="List so many of the samples that the model finds hardest.")
@click.option(
    "--threshold",
    metavar="f1|recall:SHARE|cost:TIMES",
    help="Choose from which probability on the second of two classes is predicted, and what comes of it: the best F1, "
    "a recall of at least so much, or the least cost where a missed sample costs so many times a false alarm.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Draw the curves to this file: .png, .svg or .pdf.")
@json_option
def evaluate(
    *,
    model: Path,
    data: str,
    part: Any,
    encoding: str,
    hardest: int | None,
    threshold: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print how good MODEL is on DATA: figures with their 95 % intervals, each class, and the confusion matrix.

    If DATA is what the model was trained on, only the held-out samples are used.
    """
    from twolayer.cli.output import print_json
    from twolayer.data.sources import read_for
    from twolayer.evaluation import choose_threshold, find_hardest, find_mislabelled, judge_sets
    from twolayer.evaluation import evaluate as measure
    from twolayer.model import to_probabilities
    from twolayer.runs.folder import read_model

    network = read_model(model)
    if out is not None:
        _check_out(out, [model, data])
    samples, _ = read_for(network, data, part=part, encoding=encoding, labelled=True)
    labels, outputs = samples.known_labels.decode(), network.outputs(samples.rows)
    P, predicted = to_probabilities(outputs, network.output), network.choose(outputs)
    found = measure(P, labels, network.classes, predicted)
    sets = None if network.sets is None else judge_sets(network.sets.holding(P), labels, network.classes)
    chosen = None if threshold is None else choose_threshold(P, labels, network.classes, threshold)
    listed = find_hardest(P, labels, network.classes, hardest).tolist() if hardest else []
    suspects = set(find_mislabelled(P, labels, network.classes).tolist()) if hardest else set()
    hard = [
        {"row": samples.number_of(k), **_hard(network, k, labels, P, predicted), "likely_mislabelled": k in suspects}
        for k in listed
    ]
    if out is not None:
        from twolayer.evaluation.pictures import picture_evaluation
        from twolayer.storage import replace_file

        replace_file(out, picture_evaluation(P, labels, network.classes, out.suffix.lower().lstrip(".")))
    if as_json:
        more: dict[str, Any] = {} if chosen is None else {"threshold": vars(chosen)}
        more |= {} if network.sets is None else {"sets": {"asked": network.sets.coverage, **vars(sets)}}
        more |= {"hardest": hard} if hardest else {}
        print_json({"model": str(model), "data": data, **_record(found), **more})
        return
    _print(found)
    if sets is not None and network.sets is not None:
        click.echo(f"\n{sets_in_words(sets, network.sets.coverage)}")
    if chosen is not None:
        _print_threshold(chosen, network)
    if hard:
        _print_hardest(hard)
    if out is not None:
        click.echo(f"\nThe picture is in {out}.")


@click.command(short_help="Compare two models on the same samples.")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.argument("data")
@part_option
@add_option(DataRequest, "encoding")
@json_option
def compare(*, first: Path, second: Path, data: str, part: Any, encoding: str, as_json: bool) -> None:
    """Tell whether SECOND is better than FIRST on DATA, both of the same classes.

    Accuracy by McNemar's exact test, probabilities by their log loss, with 95 % intervals. Samples that one of them
    was trained on favour it: if DATA is what they were trained on, those that the first one held out are used.
    """
    import numpy as np

    from twolayer.cli.output import print_json, print_table
    from twolayer.data.sources import read_for
    from twolayer.errors import DataError
    from twolayer.evaluation import compare as measure
    from twolayer.runs.folder import read_model

    one, other = read_model(first), read_model(second)
    if one.classes != other.classes:
        raise DataError(f"{first} and {second} have other classes: compare models of the same.")
    samples, _ = read_for(one, data, part=part, encoding=encoding, labelled=True)
    again = samples
    if one.table is not None:  # each model has an encoding of its own
        again, _ = read_for(other, data, part=part, encoding=encoding, labelled=True)
    if not np.array_equal(again.known_labels.codes, samples.known_labels.codes):
        raise DataError(f"{first} and {second} held out other rows of {data}: compare them on other data.")
    found = measure(
        one.predict_proba(samples.rows), other.predict_proba(again.rows), samples.known_labels.decode(), one.classes
    )
    if as_json:
        print_json({"first": str(first), "second": str(second), "data": data, **vars(found), "verdict": found.verdict})
        return
    rows = [
        (str(path), f"{100 * accuracy:.2f} %", f"{loss:.4f}", f"{alone:,}")
        for path, accuracy, loss, alone in zip(
            (first, second), found.accuracy, found.log_loss, (found.only_first, found.only_second), strict=True
        )
    ]
    gain, loss = 100 * found.accuracy_gain, found.log_loss_added
    rows.append((
        "difference", f"{gain:+.2f} ± {100 * found.accuracy_gain_error:.2f}",
        f"{loss:+.4f} ± {found.log_loss_added_error:.4f}", "",
    ))  # fmt: skip
    click.echo(f"On {count(found.n_samples, 'sample')}, with 95 % intervals:\n")
    print_table(rows, ("model", "accuracy", "log loss", "right alone"), (1, 2, 3))
    click.echo(f"\n{found.verdict} McNemar's test: p = {found.p_value:.3g}.")


def _check_out(out: Path, read: list[Any]) -> None:
    """Refuse a picture in an unknown format, or in the place of what is read."""
    from twolayer.errors import SettingError
    from twolayer.storage import check_other_file

    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise SettingError(f"`out` must end in .png, .svg or .pdf; got {out}.")
    check_other_file(out, read)


def _record(found: "Evaluation") -> dict[str, Any]:
    """Return an evaluation as JSON values; what is not defined is null."""

    def numbers(figures: tuple["Figure", ...]) -> dict[str, Any]:
        values = {each.name: (each.value, each.low, each.high) for each in figures}
        return {
            name.replace(" ", "_").lower(): {
                key: None if math.isnan(number) else number
                for key, number in zip(("value", "low", "high"), each, strict=True)
            }
            for name, each in values.items()
        }

    accuracy = found["accuracy"]
    errors = int(found.n_samples - found.confusion.trace())
    return {
        "samples": found.n_samples,
        "errors": errors,
        "accuracy": accuracy.value,
        "accuracy_interval": [accuracy.low, accuracy.high],
        "classes": list(found.classes),
        "confusion_matrix": found.confusion.tolist(),
        "figures": numbers(found.figures),
        "by_class": [
            {"class": label, **numbers(figures)} for label, figures in zip(found.classes, found.by_class, strict=True)
        ],
    }


def _print(found: "Evaluation") -> None:
    """Print an evaluation."""
    from twolayer.cli.output import print_table

    accuracy, n_errors = found["accuracy"], int(found.n_samples - found.confusion.trace())
    interval = f"95 % interval {100 * accuracy.low:.2f} to {100 * accuracy.high:.2f} %"
    errors = count(n_errors, "error")
    click.echo(f"Accuracy {100 * accuracy.value:.2f} %  ({errors} of {found.n_samples:,}; {interval})\n")
    of = f"{found.classes[1]}" if len(found.classes) == 2 else "mean of classes"
    names = [f"{each.name}, {of}" if each.name in _OF_A_CLASS else each.name for each in found.figures]
    rows = [(name, _value(each), _interval(each)) for name, each in zip(names, found.figures, strict=True)][1:]
    print_table(rows, ("figure", "value", "95 % interval"), (1, 2))
    if len(found.classes) > _MOST_CLASSES_SHOWN:
        click.echo(f"\nThe figures of {len(found.classes):,} classes are too many to print: see --json.")
        return
    names = [str(label) for label in found.classes]
    lines = [
        (name, f"{n:,}", *(f"{_value(each)} ({_interval(each)})" for each in figures))
        for name, n, figures in zip(names, found.confusion.sum(axis=1), found.by_class, strict=True)
    ]
    click.echo()
    header = ("class", "samples", *(each.name for each in found.by_class[0]))
    print_table(lines, header, tuple(range(1, len(header))))
    click.echo()
    matrix = [(name, *(f"{n:,}" for n in line)) for name, line in zip(names, found.confusion, strict=True)]
    print_table(matrix, ("true \\ predicted", *names), tuple(range(1, len(names) + 1)))


def _value(figure: "Figure") -> str:
    """Write the value of a figure."""
    if math.isnan(figure.value):
        return "-"
    return f"{100 * figure.value:.2f} %" if figure.name in _IN_PERCENT else f"{figure.value:.4f}"


def _interval(figure: "Figure") -> str:
    """Write the interval of a figure."""
    if math.isnan(figure.low):
        return "-"
    if figure.name in _IN_PERCENT:
        return f"{100 * figure.low:.2f} to {100 * figure.high:.2f}"
    return f"{figure.low:.4f} to {figure.high:.4f}"


def _print_threshold(chosen: "Threshold", model: "Model") -> None:
    """Print a threshold and what comes of it."""
    second = model.classes[1]
    click.echo(
        f"\nBy {chosen.by}, {second} is to be predicted from a probability of {chosen.value:.4f} on: "
        f"precision {100 * chosen.precision:.2f} %, recall {100 * chosen.recall:.2f} %, F1 {chosen.f1:.4f}, "
        f"accuracy {100 * chosen.accuracy:.2f} %."
    )


def _hard(model: "Model", k: int, labels: "Array", P: "Array", predicted: "Array") -> dict[str, Any]:
    """Return one of the hardest samples as JSON values."""
    place = model.classes.index(labels[k].item())
    return {
        "label": labels[k].item(),
        "probability": float(P[k, place]),
        "prediction": predicted[k].item(),
    }


def _print_hardest(hard: list[dict[str, Any]]) -> None:
    """Print the hardest samples."""
    from twolayer.cli.output import print_table

    click.echo("\nThe samples that the model finds hardest:\n")
    rows = [
        (str(each["row"]), str(each["label"]), f"{100 * each['probability']:.2f} %", str(each["prediction"]),
         "label doubtful" if each["likely_mislabelled"] else "")
        for each in hard
    ]  # fmt: skip
    print_table(rows, ("sample", "label", "its probability", "prediction", ""), (0, 2))
