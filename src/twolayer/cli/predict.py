"""`twolayer predict`: the class of each sample, as CSV or Parquet."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.arguments import encoding_option, json_option, part_option

if TYPE_CHECKING:
    import numpy as np

    from twolayer.data.catalogue import Samples
    from twolayer.data.tables import Table
    from twolayer.model import Model


@click.command(short_help="The class of each sample, as CSV or Parquet.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@part_option
@encoding_option
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file, CSV or .parquet, not to stdout.")
@json_option
def predict(
    model: Path,
    data: str,
    part: Any,
    encoding: str,
    out: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Print the class that MODEL gives each sample of DATA and the share of each class, as CSV.

    Of a table the columns that the model does not use, such as an id, stand before them.
    """
    from twolayer.files.run_folder import MODEL_FILE, read_model
    from twolayer.storage import check_other_file, replace_file
    from twolayer.using import open_samples

    if out is not None:
        check_other_file(out, [model, model / MODEL_FILE, data])
    network = read_model(model)
    samples, table = open_samples(network, data, part=part, encoding=encoding)
    predictions, shares = network.predict(samples.X), network.predict_proba(samples.X)
    if as_json:
        labels = predictions.tolist()
        counts = {str(label): labels.count(label) for label in network.classes}
        record = {"model": str(model), "data": data, "samples": len(labels), "predicted": counts, "predictions": labels}
        text = json.dumps(record) + "\n"
    elif table is not None or (out is not None and out.suffix.lower() in (".parquet", ".pq")):
        _write_table(network, samples, table, predictions, shares, out)
        return
    else:
        text = _as_csv(network, samples, predictions, shares)
    if out:
        replace_file(out, text.encode())
    else:
        click.echo(text, nl=False)


def _write_table(
    network: "Model",
    samples: "Samples",
    table: "Table | None",
    predictions: "np.ndarray[Any, Any]",
    shares: "np.ndarray[Any, Any]",
    out: Path | None,
) -> None:
    """Write predictions beside the columns that are no features, to a file or to stdout."""
    import shutil
    import tempfile

    import numpy as np

    from twolayer.data.tables import as_table
    from twolayer.storage import replacement

    if table is None:
        first: dict[str, Any] = {"sample": np.arange(len(predictions))}
        first |= {} if samples.files is None else {"file": np.array(samples.files, object)}
        table, kept = as_table(first), list(first)
    else:
        assert network.table is not None
        features = {column.name for column in network.table.columns}
        kept = [name for name in table.kinds if name not in features]
    columns = {"prediction": predictions.astype(object) if predictions.dtype.kind == "U" else predictions}
    columns |= {f"share_{label}": shares[:, k] for k, label in enumerate(network.classes)}
    if samples.y is not None:
        columns["label"] = samples.y.astype(object) if samples.y.dtype.kind == "U" else samples.y
    taken = set(kept)
    columns = {_free(name, taken): column for name, column in columns.items()}
    if out is not None:
        with replacement(out) as path:
            table.write(path, kept, columns)
        return
    with tempfile.TemporaryDirectory(prefix="twolayer-") as folder:
        path = Path(folder, "predictions.csv")
        table.write(path, kept, columns)
        with path.open(encoding="utf-8", newline="") as file:
            shutil.copyfileobj(file, sys.stdout)


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no column has yet."""
    while name in taken:
        name = f"{name}_"
    taken.add(name)
    return name


def _as_csv(
    network: "Model", samples: "Samples", predictions: "np.ndarray[Any, Any]", shares: "np.ndarray[Any, Any]"
) -> str:
    """Return a header and a line a sample: its number, file, class, the share of each class, its label where known."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    y = None if samples.y is None else samples.y.tolist()
    named = ["sample"] if samples.files is None else ["sample", "file"]
    header = [*named, "prediction", *(f"share_{label}" for label in network.classes)]
    lines.writerow(header if y is None else [*header, "label"])
    for index, (prediction, row) in enumerate(zip(predictions.tolist(), shares.tolist(), strict=True)):
        first = [index] if samples.files is None else [index, samples.files[index]]
        values = [*first, prediction, *(f"{share:.6g}" for share in row)]
        lines.writerow(values if y is None else [*values, y[index]])
    return text.getvalue()
