"""`twolayer evaluate`: the accuracy of a model, with its interval, and the confusion matrix."""

from pathlib import Path
from typing import Any

import click

from twolayer.cli.options import add_option, json_option, part_option
from twolayer.data.request import DataRequest

_MOST_CLASSES_SHOWN = 30


@click.command(short_help="Print the accuracy with its confidence interval, and the confusion matrix.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@part_option
@add_option(DataRequest, "encoding")
@json_option
def evaluate(*, model: Path, data: str, part: Any, encoding: str, as_json: bool) -> None:
    """Print the accuracy of MODEL on DATA with its 95 % confidence interval (Wilson), and the confusion matrix.

    If DATA is what the model was trained on, only the held-out samples are used.
    """
    from twolayer.cli.output import print_json, print_table
    from twolayer.data.sources import read_for
    from twolayer.evaluation import score_predictions
    from twolayer.runs.folder import read_model
    from twolayer.text import count

    network = read_model(model)
    samples, _ = read_for(network, data, part=part, encoding=encoding, labelled=True)
    scores = score_predictions(samples.known_labels.decode(), network.predict(samples.rows), network.classes)
    low, high = scores.interval
    if as_json:
        print_json(
            {
                "model": str(model),
                "data": data,
                "samples": scores.n_samples,
                "errors": scores.n_errors,
                "accuracy": scores.accuracy,
                "accuracy_interval": [low, high],
                "classes": list(scores.classes),
                "confusion_matrix": scores.confusion.tolist(),
            }
        )
        return
    errors = count(scores.n_errors, "error")
    interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f} %"
    click.echo(f"Accuracy {100 * scores.accuracy:.2f} %  ({errors} of {scores.n_samples:,}; {interval})\n")
    if len(scores.classes) > _MOST_CLASSES_SHOWN:
        click.echo(f"The confusion matrix of {len(scores.classes):,} classes is too wide to print: see --json.")
        return
    names = [str(label) for label in scores.classes]
    rows = [(name, *(f"{count:,}" for count in counts)) for name, counts in zip(names, scores.confusion, strict=True)]
    print_table(rows, header=("true \\ predicted", *names), right=tuple(range(1, len(names) + 1)))
