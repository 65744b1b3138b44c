"""`twolayer homework`: the assignment as a notebook with blanks."""

from pathlib import Path

import click


@click.command(short_help="Write the assignment as a notebook, with blanks or with the answers.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--solution", is_flag=True, help="Write the answers, too: homework2-solution.ipynb.")
def homework(folder: Path, *, solution: bool) -> None:
    """Write homework2.ipynb to FOLDER: the assignment with blanks to fill in, and a cell after each that checks it.

    The digits come with this package. 'twolayer check FOLDER' checks what was filled in.
    """
    from twolayer.errors import StorageError
    from twolayer.storage import replace_file
    from twolayer.teach.handout import make_handout, to_json

    path = folder / ("homework2-solution.ipynb" if solution else "homework2.ipynb")
    if path.exists():
        raise StorageError(f"{path} exists already, perhaps with answers in it: choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot create the folder {folder} ({error.strerror}): choose another one.") from error
    replace_file(path, to_json(make_handout(solution=solution)))
    click.echo(f"The notebook is {path}.")
