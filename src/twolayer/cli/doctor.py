"""`twolayer doctor`: why a training went wrong, and what cures it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.options import add_option, json_option
from twolayer.data.request import DataRequest

if TYPE_CHECKING:
    from twolayer.explain.doctor import Diagnosis


@click.command(short_help="Find out why a training went wrong, and try what cures it.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("data", required=False)
@add_option(DataRequest, "encoding")
@json_option
def doctor(*, run: Path, data: str | None, encoding: str, as_json: bool) -> int:
    """Find out what is wrong with RUN, the folder of a run or a model file, by DATA: by default what it was trained on.

    Symptoms in the history, the network and the data make causes likely. Each has a cure, which is tried on the
    held-out samples before it is advised. The most likely cause comes first. Exit code 0: healthy; 1: something is
    wrong.
    """
    from twolayer.cli.output import print_json
    from twolayer.data.sources import read_some
    from twolayer.errors import SettingError
    from twolayer.explain.doctor import diagnose_values
    from twolayer.explain.view import View
    from twolayer.runs.folder import read_run

    model, epochs = read_run(run)
    source = data or model.settings.get("data")
    if not isinstance(source, str):
        raise SettingError("The model does not say what it was trained on: name the `data`.")
    view = View.of(model)
    parts = [read_some(model, source, part, encoding) for part in ("train", "test")]
    train, test = ((view.read(part.rows), part.known_labels.codes) for part in parts)
    found = diagnose_values(view, *train, *test, epochs)
    if as_json:
        print_json({"run": str(run), "data": source, **_record(found)})
    else:
        _print(found)
    return 1 if found.findings else 0


def _record(found: "Diagnosis") -> dict[str, Any]:
    """Return a diagnosis as JSON values."""
    findings = [vars(finding) for finding in found.findings]
    return {"findings": findings, "balanced_accuracy": found.score, "reference": found.reference}


def _print(found: "Diagnosis") -> None:
    """Print a diagnosis."""
    from twolayer.cli.options import spelled
    from twolayer.cli.output import print_table
    from twolayer.cli.train import train

    can = f"a network with nothing set, trained on at most 1,000 samples, comes to {100 * found.reference:.1f} %"
    if not found.findings:
        click.echo(f"Healthy: balanced accuracy {100 * found.score:.1f} % on held-out samples; {can}.")
        return
    click.echo(f"Balanced accuracy {100 * found.score:.1f} % on held-out samples; {can}.\n")
    for number, finding in enumerate(found.findings, 1):
        click.echo(f"{number}. {finding.name}: {spelled(finding.message, train)}")
        rows = [(name.replace("_", " "), f"{value:.4g}") for name, value in finding.evidence.items()]
        print_table([("  ", *row) for row in rows], right=(2,))
        click.echo()
