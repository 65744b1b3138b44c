"""`twolayer calibrate`: a model whose probabilities and decisions are set by samples that it was not trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.options import add_option, json_option, part_option
from twolayer.data.request import DataRequest
from twolayer.text import count

if TYPE_CHECKING:
    from twolayer.aliases import Array, Label
    from twolayer.data.dataset import Dataset
    from twolayer.evaluation import SetFigures

_SHIFTED = (
    "The new model predicts the second class from a probability of 0.5 on: the threshold has moved its probabilities. "
    "Log loss and calibration error are those before that."
)


@click.command(short_help="Set a model's temperature, threshold and prediction sets.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@part_option
@add_option(DataRequest, "encoding")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the new model.  [default: beside MODEL]")
@click.option(
    "--temperature/--no-temperature",
    default=True,
    help="Whether to make the probabilities as sure as they should be.  [default: temperature]",
)
@click.option(
    "--threshold",
    metavar="f1|recall:SHARE|cost:TIMES",
    help="Predict the second of two classes from another probability on: the best F1, a recall of at least so much, "
    "or the least cost where a missed sample costs so many times a false alarm.",
)
@click.option(
    "--coverage", type=float, default=0.9, show_default=True, help="How often a prediction set is to hold the class."
)
@json_option
def calibrate(
    *,
    model: Path,
    data: str,
    part: Any,
    encoding: str,
    out: Path | None,
    temperature: bool,
    threshold: str | None,
    coverage: float,
    as_json: bool,
) -> None:
    """Write a model like MODEL that is calibrated by DATA, samples with labels that it was not trained on.

    One half of the samples finds the temperature and the threshold, the other half judges them and finds the
    prediction sets: the classes of a sample that cannot be ruled out. All of it is in the new model's file: `predict`
    and every export go by it. If DATA is what the model was trained on, only the held-out samples are used.
    """
    from dataclasses import replace

    from twolayer.cli.output import print_json, print_table
    from twolayer.data.sources import read_for
    from twolayer.evaluation import calibrate as cool
    from twolayer.evaluation import choose_threshold, find_sets, least_samples, try_sets, with_threshold
    from twolayer.files.model_file import to_bytes
    from twolayer.runs.folder import MODEL_FILE, read_model
    from twolayer.storage import check_other_file, replace_file

    network = new = read_model(model)
    target = out or (model if model.is_dir() else model.parent) / f"{_stem(model)}-calibrated.safetensors"
    check_other_file(target, [model, model / MODEL_FILE, data])
    samples, _ = read_for(network, data, part=part, encoding=encoding, labelled=True)
    classes, (one, other) = network.classes, _halves(samples)
    labels, judged = one.known_labels.decode(), other.known_labels.decode()
    found: dict[str, float] = {}
    if temperature and (len(classes) == 2 or network.output == "softmax"):
        new, found["temperature"] = cool(new, one.rows, labels)
    sure = new.predict_proba(other.rows)
    if threshold is not None:
        found["threshold"] = choose_threshold(new.predict_proba(one.rows), labels, classes, threshold).value
        new = with_threshold(new, found["threshold"])
    P = new.predict_proba(other.rows)
    sets = find_sets(P, judged, classes, coverage)
    new = replace(new, sets=sets)
    tried = try_sets(P, judged, classes, coverage) if len(judged) >= 2 * least_samples(coverage) else None
    before = network.predict_proba(other.rows)
    figures = [_judge(*each, judged, classes) for each in ((before, before), (P, sure))]
    replace_file(target, to_bytes(new))
    if as_json:
        told = {"asked": coverage, "least_probability": sets.least, **(vars(tried) if tried else {})}
        print_json({
            "model": str(model), "data": data, "out": str(target), "samples": samples.n_samples, **found,
            "before": figures[0], "after": figures[1], "sets": told,
        })  # fmt: skip
        return
    for name, value in found.items():
        click.echo(f"{name.capitalize()} {value:.4g}, found by {count(one.n_samples, 'sample')}.")
    rows = [(name.replace("_", " "), *(f"{each[name]:.4f}" for each in figures)) for name in figures[0]]
    click.echo()
    print_table(rows, (f"on {count(other.n_samples, 'other sample')}", "before", "after"), (1, 2))
    if threshold is not None:
        click.echo(f"\n{_SHIFTED}")
    click.echo(f"\n{sets_in_words(tried, coverage)}\n\nThe new model is in {target}.")


def sets_in_words(found: "SetFigures | None", coverage: float) -> str:
    """Return how good prediction sets are; None stands for too few samples to tell."""
    if found is None:
        return (
            f"Prediction sets of at least {100 * coverage:g} %: too few samples to tell how often they hold the class."
        )
    held, low, high = (f"{100 * share:.2f}" for share in (found.coverage, found.low, found.high))
    return (
        f"Prediction sets of at least {100 * coverage:g} %: they hold the true class of {held} % of the samples"
        f" (95 % interval {low} to {high}), {found.mean_size:.2f} classes on average,"
        f" one alone for {100 * found.alone:.1f} %, none for {100 * found.empty:.1f} %."
    )


def _halves(samples: "Dataset") -> tuple["Dataset", "Dataset"]:
    """Return two halves of samples, drawn by chance but always the same."""
    import numpy as np

    from twolayer.errors import DataError

    if samples.n_samples < 2:
        raise DataError("A calibration needs samples with labels, some dozens at least.")
    one, other = np.array_split(np.random.default_rng(0).permutation(samples.n_samples), 2)
    return samples.take(np.sort(one)), samples.take(np.sort(other))


def _judge(P: "Array", sure: "Array", labels: "Array", classes: tuple["Label", ...]) -> dict[str, float]:
    """Return what calibration changes: figures of the decisions, and of the probabilities before a threshold."""
    from twolayer.evaluation import evaluate

    names = {"accuracy": P, "precision": P, "recall": P, "F1": P, "log loss": sure, "calibration error": sure}
    found = {id(each): evaluate(each, labels, classes) for each in (P, sure)}
    return {name.lower().replace(" ", "_"): found[id(each)][name].value for name, each in names.items()}


def _stem(model: Path) -> str:
    """Return what the file of a calibrated model begins with."""
    return "model" if model.is_dir() else model.stem
