"""`twolayer report`: a run as one page of HTML."""

from pathlib import Path

import click

from twolayer.cli.options import DATA_HELP


@click.command(short_help="Write a page on what a run has learned, how well, and where it fails.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", help=f"Samples to judge by: {DATA_HELP}.  [default: the data it was trained on]")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write it.  [default: report.html in the run]")
def report(run: Path, data: str | None, out: Path | None) -> None:
    """Write the report of RUN, the folder of a run or a model file: one page of HTML that needs nothing else.

    Figures with intervals, curves, what matters, hidden units, the hardest samples, settings and fingerprints. Of the
    data that the model was trained on, the held-out samples count.
    """
    from twolayer.errors import SettingError
    from twolayer.report import make_report
    from twolayer.storage import check_other_file, replace_file

    target = out or (run if run.is_dir() else run.parent) / "report.html"
    if target.suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"`out` must end in .html; got {target}.")
    check_other_file(target, [run] if data is None else [run, data])
    page = make_report(run, data)
    replace_file(target, page.encode())
    click.echo(f"The report is in {target}.")
