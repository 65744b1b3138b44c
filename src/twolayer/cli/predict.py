"""`twolayer predict`: the class of each sample, as CSV."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.arguments import json_option

if TYPE_CHECKING:
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
    """Print the class that MODEL gives each sample of DATA, and the share of each class, as CSV."""
    from twolayer.atomic import replace_file
    from twolayer.cli.output import print_json
    from twolayer.data.catalogue import load_dataset
    from twolayer.files.run_folder import read_model

    network = read_model(model)
    dataset = load_dataset(data)
    network.check_scale(dataset.scale, data)
    X = dataset.part(part).X
    text = _as_csv(network, X)
    if out:
        replace_file(out, text.encode())
    if as_json:
        labels = network.predict(X).tolist()
        counts = {str(label): labels.count(label) for label in network.classes}
        print_json({"model": str(model), "data": data, "samples": len(X), "predicted": counts, "predictions": labels})
    elif not out:
        click.echo(text, nl=False)


def _as_csv(network: "Model", X: Any) -> str:
    """Return a header and a line a sample: its number, its class, the share of each class."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["sample", "prediction", *(f"share_{label}" for label in network.classes)])
    for index, (label, shares) in enumerate(zip(network.predict(X), network.predict_proba(X).tolist(), strict=True)):
        lines.writerow([index, label, *(f"{share:.6g}" for share in shares)])
    return text.getvalue()
