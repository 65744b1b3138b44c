"""`twolayer prune`: a smaller model of fewer hidden units."""

from pathlib import Path

import click

from twolayer.cli.options import add_option, json_option
from twolayer.data.request import DataRequest
from twolayer.text import count


@click.command(short_help="Write a smaller model, of fewer hidden units.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", required=False)
@click.option("--units", type=int, help="How many hidden units to keep.  [default: as few as suffice]")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write it.  [default: beside the model]")
@add_option(DataRequest, "encoding")
@json_option
def prune(*, model: Path, data: str | None, units: int | None, out: Path | None, encoding: str, as_json: bool) -> None:
    """Write a model of fewer hidden units that comes as near to MODEL as can be.

    Units that repeat others are merged first, which changes nothing; then those that can best be spared are removed
    one after the other, and the output weights of the others take over what they can. DATA, by default what the model
    was trained on, tells which: its training samples choose, the others judge. Without --units, as few are kept as
    suffice: the log loss rises by at most 0.01.
    """
    from twolayer.cli.output import print_json, print_table
    from twolayer.data.sources import read_some
    from twolayer.errors import SettingError
    from twolayer.explain.units import check_n_units, judge, merge_twins, prune_to, pruning_for
    from twolayer.explain.view import View
    from twolayer.files.model_file import to_bytes
    from twolayer.runs.folder import MODEL_FILE, read_model
    from twolayer.storage import check_other_file, replace_file

    network = read_model(model)
    before = len(network.parameters["W1"])
    if units is not None:
        check_n_units(units, network)
    source = data or network.settings.get("data")
    if not isinstance(source, str):
        raise SettingError("The model does not say what it was trained on: name the `data`.")
    whole, view = View.of(network), View.of(merge_twins(network))
    values = view.read(read_some(network, source, "train", encoding).rows)
    test = read_some(network, source, "test", encoding)
    judged, codes = view.read(test.rows), test.known_labels.codes
    pruning = pruning_for(view, values, judged, codes)
    number = min(len(view.W1), units or pruning.suffice)
    smaller = prune_to(view, values, (number,))[0]
    target = out or (model if model.is_dir() else model.parent) / f"{_stem(model)}-{number}.safetensors"
    check_other_file(target, [model, model / MODEL_FILE])
    replace_file(target, to_bytes(smaller))
    figures = [judge(view, judged, codes) for view in (whole, View.of(smaller))]
    n_merged = before - len(view.W1)
    if as_json:
        names = ("units", "accuracy", "log_loss")
        print_json({
            "model": str(model), "data": source, "out": str(target), "units": number, "merged": n_merged,
            "suffice": pruning.suffice, "samples": len(codes),
            "before": dict(zip(names, (before, *figures[0]), strict=True)),
            "after": dict(zip(names, (number, *figures[1]), strict=True)),
            "steps": {name: list(getattr(pruning, name)) for name in names},
        })  # fmt: skip
        return
    merged = f" ({count(n_merged, 'unit')} merged, which changes nothing)" if n_merged else ""
    enough = "1 suffices" if pruning.suffice == 1 else f"{pruning.suffice:,} suffice"
    click.echo(f"{number:,} of {count(before, 'hidden unit')} kept{merged}; {enough}.\n")
    rows = [
        (f"{n:,}", f"{100 * accuracy:.2f} %", f"{loss:.4f}")
        for n, (accuracy, loss) in zip((before, number), figures, strict=True)
    ]
    print_table(rows, ("units", f"accuracy on {count(len(codes), 'sample')}", "log loss"), (0, 1, 2))
    click.echo(f"\nThe smaller model is in {target}.")


def _stem(model: Path) -> str:
    """Return what the file of a smaller model begins with."""
    return "model" if model.is_dir() else model.stem
