"""`twolayer plot`: draw the pictures of a run again."""

from pathlib import Path

import click

from twolayer.cli.arguments import DATA_HELP


@click.command(short_help="Draw the pictures of a run again.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", help=f"Samples to show: {DATA_HELP}.  [default: those it was trained on]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the pictures.  [default: that of the run]")
@click.option("--format", "form", type=click.Choice(["png", "svg", "pdf"]), default="png", show_default=True)
def plot(run: Path, data: str | None, out: Path | None, form: str) -> None:
    """Draw the pictures of RUN, a run's folder or a model file: loss, hidden units, samples."""
    from twolayer.errors import StorageError
    from twolayer.files.run_folder import read_run
    from twolayer.plots import pictures
    from twolayer.storage import replace_file
    from twolayer.using import open_samples

    model, epochs = read_run(run)
    X = y = None
    source = data or model.settings.get("data")
    if isinstance(source, str) and model.table is None:
        samples, _ = open_samples(model, source, labelled=True)
        X, y = samples.X, samples.y
    folder = out or (run if run.is_dir() else run.parent)
    files = pictures(model, epochs, X, y, form)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot make the folder {folder} ({error.strerror}): choose another --out.") from error
    for name, content in files.items():
        replace_file(folder / name, content)
    click.echo("\n".join(str(folder / name) for name in files))
    if not epochs:
        click.echo("There is no history.jsonl beside the model, so the loss is not drawn.", err=True)
    if X is None and model.table is None:
        click.echo("The model does not name its data: --data DATA draws samples of it.", err=True)
