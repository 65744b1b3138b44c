"""`twolayer predict`: the class of each sample, as CSV or Parquet."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.options import add_option, json_option, part_option
from twolayer.data.request import DataRequest
from twolayer.text import free_name

if TYPE_CHECKING:
    from twolayer.aliases import Array
    from twolayer.data.dataset import Dataset
    from twolayer.model import Model


@click.command(short_help="Predict the class of each sample, as CSV or Parquet.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@part_option
@add_option(DataRequest, "encoding")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write to this file, CSV or .parquet.  [default: CSV on stdout]"
)
@json_option
def predict(*, model: Path, data: str, part: Any, encoding: str, out: Path | None, as_json: bool) -> None:
    """Print the class that MODEL predicts for each sample of DATA, and the probability of each class, as CSV.

    Columns of a table that the model does not use, such as an id, come first. A model that 'twolayer calibrate' made
    adds whether each class is in the sample's prediction set: whether it cannot be ruled out.
    """
    from twolayer.data.sources import read_for
    from twolayer.runs.folder import MODEL_FILE, read_model
    from twolayer.storage import check_other_file, replace_file

    if out is not None:
        check_other_file(out, [model, model / MODEL_FILE, data])
    network = read_model(model)
    samples, table = read_for(network, data, part=part, encoding=encoding)
    outputs = network.outputs(samples.rows)
    if as_json:
        text = _as_json(network, outputs, {"model": str(model), "data": data})
    else:
        columns = _columns(network, samples, outputs)
        if table is not None or (out is not None and out.suffix.lower() in (".parquet", ".pq")):
            _write_table(network, samples, table, columns, out)
            return
        text = _as_csv(_first_columns(samples) | columns)
    if out:
        replace_file(out, text.encode())
    else:
        click.echo(text, nl=False)


def _as_json(network: "Model", outputs: "Array", record: dict[str, Any]) -> str:
    """Return one JSON object: the predictions, how many of each class, and the prediction sets where there are some."""
    from twolayer.model import to_probabilities

    labels = network.choose(outputs).tolist()
    counts = {str(label): labels.count(label) for label in network.classes}
    record |= {"samples": len(labels), "predicted": counts, "predictions": labels}
    if network.sets is not None:
        inside = network.sets.holding(to_probabilities(outputs, network.output)).tolist()
        record["sets"] = [[label for label, is_in in zip(network.classes, row, strict=True) if is_in] for row in inside]
    return json.dumps(record) + "\n"


def _columns(network: "Model", samples: "Dataset", outputs: "Array") -> dict[str, "Array"]:
    """Return the columns of a prediction: the class, the probability of each, the set, the label where it is known."""
    from twolayer.model import to_probabilities

    probabilities = to_probabilities(outputs, network.output)
    columns = {"prediction": network.choose(outputs)}
    columns |= {f"probability_{label}": probabilities[:, k] for k, label in enumerate(network.classes)}
    if network.sets is not None:
        inside = network.sets.holding(probabilities)
        columns |= {f"in_set_{label}": inside[:, k] for k, label in enumerate(network.classes)}
    return columns if samples.labels is None else columns | {"label": samples.labels.decode()}


def _first_columns(samples: "Dataset") -> dict[str, "Array"]:
    """Return the columns that come first where there is no table: the number of each sample, and its file."""
    import numpy as np

    first = {"sample": np.arange(samples.n_samples)}
    return first if samples.files is None else first | {"file": np.array(samples.files, object)}


def _write_table(
    network: "Model", samples: "Dataset", table: Any, columns: dict[str, "Array"], out: Path | None
) -> None:
    """Write predictions beside the columns that the model does not use, to a file or to stdout."""
    import shutil
    import tempfile

    from twolayer.data.tables import as_table
    from twolayer.storage import replacement

    if table is None or network.table is None:
        first = _first_columns(samples)
        table, kept = as_table(first), list(first)
    else:
        used = {column.name for column in network.table.columns}
        kept = [name for name in table.kinds if name not in used]
    named: dict[str, Array] = {}
    for name, column in columns.items():
        named[free_name(name, [*kept, *named])] = column.astype(object) if column.dtype.kind == "U" else column
    if out is not None:
        with replacement(out) as path:
            table.write(path, kept, named)
        return
    with tempfile.TemporaryDirectory(prefix="twolayer-") as folder:
        path = Path(folder, "predictions.csv")
        table.write(path, kept, named)
        with path.open(encoding="utf-8", newline="") as file:
            shutil.copyfileobj(file, sys.stdout)


def _as_csv(columns: dict[str, "Array"]) -> str:
    """Return a header and a line for each sample."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(columns)
    values = [map("{:.6g}".format, each) if each.dtype.kind == "f" else each.tolist() for each in columns.values()]
    lines.writerows(zip(*values, strict=True))
    return text.getvalue()
