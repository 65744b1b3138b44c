"""`twolayer evaluate`: how right a model is, with an interval and a confusion matrix."""

from pathlib import Path
from typing import Any

import click

from twolayer.cli.arguments import encoding_option, json_option, part_option

_MOST_CLASSES_SHOWN = 30


@click.command(short_help="Accuracy with its interval, confusion matrix.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@part_option
@encoding_option
@json_option
def evaluate(model: Path, data: str, part: Any, encoding: str, as_json: bool) -> None:  # noqa: FBT001
    """Print the accuracy of MODEL on DATA with its 95 % interval (Wilson), and the confusion matrix.

    On the data that it was trained on, the samples that were held out count.
    """
    from twolayer.cli.output import count, print_json, print_table
    from twolayer.evaluation import score_predictions
    from twolayer.files.run_folder import read_model
    from twolayer.using import open_samples

    network = read_model(model)
    samples, _ = open_samples(network, data, part=part, encoding=encoding, labelled=True)
    labels = network.check_labels(samples.labels(data), data)
    scores = score_predictions(labels, network.predict(samples.X), network.classes)
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
        click.echo(f"The confusion matrix of {len(scores.classes):,} classes is too wide to print: --json has it.")
        return
    names = [str(label) for label in scores.classes]
    rows = [(name, *(f"{count:,}" for count in counts)) for name, counts in zip(names, scores.confusion, strict=True)]
    print_table(rows, header=("true \\ predicted", *names), right=tuple(range(1, len(names) + 1)))
