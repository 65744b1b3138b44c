"""`twolayer predict`: the class of each sample, as CSV."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.arguments import json_option

if TYPE_CHECKING:
    from twolayer.data.catalogue import Samples
    from twolayer.model import Model


@click.command(short_help="The class of each sample, as CSV.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option(
    "--part", type=click.Choice(["train", "test"]), help="Which samples.  [default: test, where there are any]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file instead of stdout.")
@json_option
def predict(model: Path, data: str, part: Any, out: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Print the class that MODEL gives each sample of DATA, the share of each class and the label, as CSV."""
    from twolayer.data.catalogue import load_dataset
    from twolayer.files.run_folder import read_model
    from twolayer.storage import replace_file

    network = read_model(model)
    dataset = load_dataset(data)
    network.check_scale(dataset.scale, data)
    samples = dataset.part(part)
    if as_json:
        labels = network.predict(samples.X).tolist()
        counts = {str(label): labels.count(label) for label in network.classes}
        record = {"model": str(model), "data": data, "samples": len(labels), "predicted": counts, "predictions": labels}
        text = json.dumps(record) + "\n"
    else:
        text = _as_csv(network, samples)
    if out:
        replace_file(out, text.encode())
    else:
        click.echo(text, nl=False)


def _as_csv(network: "Model", samples: "Samples") -> str:
    """Return a header and a line a sample: its number, its class, the share of each class, its label where known."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    y = None if samples.y is None else samples.y.tolist()
    header = ["sample", "prediction", *(f"share_{label}" for label in network.classes)]
    lines.writerow(header if y is None else [*header, "label"])
    predictions, shares = network.predict(samples.X).tolist(), network.predict_proba(samples.X).tolist()
    for index, (prediction, row) in enumerate(zip(predictions, shares, strict=True)):
        values = [index, prediction, *(f"{share:.6g}" for share in row)]
        lines.writerow(values if y is None else [*values, y[index]])
    return text.getvalue()
