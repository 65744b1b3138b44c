"""`twolayer plot`: redraw the pictures of a run."""

from pathlib import Path

import click

from twolayer.cli.options import DATA_HELP


@click.command(short_help="Draw the pictures of a run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", help=f"Samples to draw: {DATA_HELP}.  [default: the data it was trained on]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the pictures.  [default: that of the run]")
@click.option(
    "--format", "form", type=click.Choice(["png", "svg", "pdf"]), default="png", show_default=True, help="File format."
)
def plot(run: Path, data: str | None, out: Path | None, form: str) -> None:
    """Draw the pictures of RUN, the folder of a run or a model file: loss, hidden units and samples."""
    from twolayer.data.sources import read_for
    from twolayer.errors import StorageError
    from twolayer.plots import pictures
    from twolayer.runs.folder import read_run
    from twolayer.runs.run import samples_to_show
    from twolayer.storage import replace_file

    model, epochs = read_run(run)
    X = y = None
    source = data or model.settings.get("data")
    if isinstance(source, str) and model.table is None:
        X, y = samples_to_show(read_for(model, source, labelled=True)[0])
    folder = out or (run if run.is_dir() else run.parent)
    files = pictures(model, epochs, X, y, form)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot create the folder {folder} ({error.strerror}): choose another `out`.") from error
    for name, content in files.items():
        replace_file(folder / name, content)
    click.echo("\n".join(str(folder / name) for name in files))
    if not epochs:
        click.echo("There is no history.jsonl beside the model: the loss is not drawn.", err=True)
    if not source and model.table is None:
        click.echo("The model does not record its data: use --data DATA to draw samples.", err=True)
