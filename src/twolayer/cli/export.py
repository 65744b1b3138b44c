"""`twolayer export`: a model in the form of another language or library."""

import importlib.util
import keyword
from pathlib import Path

import click

from twolayer.cli.arguments import json_option
from twolayer.files.source import TARGETS


@click.command(short_help="A model as ONNX, C, JavaScript, Python and others.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Choice(list(TARGETS)), required=True, help="What to make of it.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write to this file, - for stdout.  [default: MODEL's name]"
)
@json_option
def export(model: Path, target: str, out: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Write MODEL, a model file or the folder of a run, as one file that works without twolayer.

    c is a header, js a module for Node.js and browsers, python a module that needs no package, json a document for
    other programs; torch, keras and sklearn are Python files for these libraries. Preprocessing and classes are in each
    file, and so are samples that it tests itself with.

    Without --out the file is named after MODEL, in the current folder, and none that is there already is replaced.
    """
    from twolayer.cli.output import print_json, print_table
    from twolayer.errors import SettingError, StorageError
    from twolayer.files.run_folder import MODEL_FILE, read_model
    from twolayer.files.scorer import make_vectors
    from twolayer.files.source import export_model
    from twolayer.storage import check_other_file, replace_file

    to_stdout = out == Path("-")
    if as_json and to_stdout:
        raise SettingError("--json and --out - both print to stdout: leave one of them out.")
    network = read_model(model)
    path = _default_path(model, TARGETS[target].ending) if out is None or to_stdout else out
    check_other_file(path, [model, model / MODEL_FILE])
    if out is None and path.exists():
        raise StorageError(f"{path} is there already: name a file with --out, which replaces it.")
    content = export_model(network, target, path.name)
    if to_stdout:
        click.echo(content, nl=False)
        return
    replace_file(path, content)
    vectors = make_vectors(network)
    if as_json:
        record = {"model": str(model), "to": target, "out": str(path), "bytes": len(content)}
        print_json(record | {"samples": len(vectors.rows), "worst_deviation": vectors.deviation})
        return
    deviation = f"{len(vectors.rows)} samples, at most {vectors.deviation:.1e} from the model's own shares"
    print_table([("written to", f"{path} ({len(content):,} bytes)"), ("tested with", deviation)])


def _default_path(model: Path, ending: str) -> Path:
    """Return the path of a file in the current folder named after a model, by letters that are safe in code."""
    from twolayer.files.scorer import identifier

    place = model.resolve()
    name = identifier(place.name if place.is_dir() else place.stem, "model")
    return Path(f"{name}_model{ending}" if ending == ".py" and _is_taken(name) else f"{name}{ending}")


def _is_taken(name: str) -> bool:
    """Tell whether a module cannot have a name, or would stand in the way of another one, as numpy would."""
    found = None if keyword.iskeyword(name) else importlib.util.find_spec(name)
    return keyword.iskeyword(name) or (found is not None and found.origin != str(Path(f"{name}.py").resolve()))
