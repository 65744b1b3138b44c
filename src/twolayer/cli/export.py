"""`twolayer export`: convert a model to another language or library."""

import importlib.util
import keyword
from pathlib import Path

import click

from twolayer.cli.options import json_option
from twolayer.export.targets import TARGETS, export_model


@click.command(short_help="Convert a model to ONNX, C, JavaScript, Python and others.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Choice(list(TARGETS)), required=True, help="Target language or library.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write to this file; - for stdout.  [default: named after MODEL]"
)
@json_option
def export(model: Path, target: str, out: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Convert MODEL, a model file or the folder of a run, to one file that works without twolayer.

    c is a header, js a module for Node.js and browsers, python a module that needs no package, json a document for
    other programs; torch, keras and sklearn are Python files for these libraries. Each file contains the
    preprocessing, the class names and a self-test.

    Without --out, the file is written to the current folder, named after MODEL; an existing file is not replaced.
    """
    from twolayer.cli.output import print_json, print_table
    from twolayer.errors import SettingError, StorageError
    from twolayer.export.samples import make_samples
    from twolayer.runs.folder import MODEL_FILE, read_model
    from twolayer.storage import check_other_file, replace_file

    to_stdout = out == Path("-")
    if as_json and to_stdout:
        raise SettingError("--json and --out - both write to stdout: leave one of them out.")
    network = read_model(model)
    path = _default_path(model, TARGETS[target].ending) if out is None or to_stdout else out
    check_other_file(path, [model, model / MODEL_FILE])
    if out is None and path.exists():
        raise StorageError(f"{path} already exists: to replace it, name it with --out.")
    content = export_model(network, target, path.name)
    if to_stdout:
        click.echo(content, nl=False)
        return
    replace_file(path, content)
    samples = make_samples(network)
    n, deviation = len(samples.rows), samples.deviation
    if as_json:
        record = {"model": str(model), "to": target, "out": str(path), "bytes": len(content)}
        print_json(record | {"samples": n, "worst_deviation": deviation})
        return
    tested = f"{n} samples, at most {deviation:.1e} from the model's own probabilities"
    print_table([("written to", f"{path} ({len(content):,} bytes)"), ("tested with", tested)])


def _default_path(model: Path, ending: str) -> Path:
    """Return the path of a file in the current folder named after a model, in characters that are safe in code."""
    from twolayer.export.c import identifier

    place = model.resolve()
    name = identifier(place.name if place.is_dir() else place.stem, "model")
    return Path(f"{name}_model{ending}" if ending == ".py" and _is_taken(name) else f"{name}{ending}")


def _is_taken(name: str) -> bool:
    """Tell whether a module cannot have a name, or would stand in the way of another one, as numpy would."""
    found = None if keyword.iskeyword(name) else importlib.util.find_spec(name)
    return keyword.iskeyword(name) or (found is not None and found.origin != str(Path(f"{name}.py").resolve()))
