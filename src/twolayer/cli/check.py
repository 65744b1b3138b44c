"""`twolayer check`: a student's own code, formula by formula; or that of a class."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twolayer.cli.options import json_option

if TYPE_CHECKING:
    from twolayer.teach.marking import Marks
    from twolayer.teach.sandbox import Limits
    from twolayer.teach.submission import Submission


@click.command(short_help="Check a student's own code, formula by formula.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--course",
    type=click.Choice(["auto", "homework2", "planar"]),
    default="auto",
    show_default=True,
    help="Whose functions are expected; auto goes by the names that are defined.",
)
@click.option("--only", metavar="NAME", help="Check this function alone.")
@click.option(
    "--hint", type=click.IntRange(1, 3), default=2, show_default=True,
    help="How much is told of a mistake: 1 where it is, 2 which term, 3 also the formula.",
)  # fmt: skip
@click.option("--seconds", type=float, default=10.0, show_default=True, help="How long a submission may run.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page to hand back; of a folder, its folder.")
@click.option("--out", type=click.Path(path_type=Path), help="Of a folder: write a table of all as CSV.")
@json_option
def check(
    *,
    file: Path,
    course: str,
    only: str | None,
    hint: int,
    seconds: float,
    html: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Check FILE, a notebook or script with a student's own functions, or each one in a folder.

    Each function is judged by itself, with right inputs, in a process of its own within limits of time and memory.
    Where numbers are wrong, the wrong term is named if a known mistake gives exactly them. Exit code 0: all right; 1:
    something is wrong.
    """
    from twolayer.errors import SettingError
    from twolayer.settings import real
    from twolayer.teach.marking import check_file
    from twolayer.teach.sandbox import Limits

    limits = Limits(real(0, above=True).check("seconds", seconds))
    if file.is_dir():
        return _check_class(file, (course, only, hint), limits, html, out, as_json=as_json)
    if out is not None:
        raise SettingError("A table is for a folder of submissions: leave out `out`, or use `html`.")
    marks = check_file(file, course, only, limits)
    if html is not None:
        _write(html, _page(file.name, marks, hint))
    _show(marks, hint, as_json=as_json)
    return 0 if all(mark.verdict == "right" for mark in marks.functions) else 1


def _show(marks: "Marks", hint: int, *, as_json: bool) -> None:
    """Print the marks of one submission."""
    from twolayer.cli.output import print_json
    from twolayer.teach.pages import to_lines

    if as_json:
        print_json(marks.to_record())
    else:
        click.echo("\n".join(to_lines(marks, hint)))


def _page(name: str, marks: "Marks", hint: int) -> bytes:
    """Return the page of one submission."""
    from twolayer.teach.pages import to_page

    return to_page(name, marks, hint).encode()


def _write(path: Path, content: bytes) -> None:
    """Write a file, and the folder that it is in."""
    from twolayer.errors import StorageError
    from twolayer.storage import replace_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"Cannot create the folder {path.parent} ({error.strerror}): choose another one."
        raise StorageError(message) from error
    replace_file(path, content)


def _check_class(
    folder: Path,
    how: tuple[str, str | None, int],
    limits: "Limits",
    html: Path | None,
    out: Path | None,
    *,
    as_json: bool,
) -> int:
    """Check each submission of a folder, several at a time."""
    from twolayer.cli.output import print_json, print_table
    from twolayer.engines.objective import n_processors
    from twolayer.errors import DataError, TwoLayerError
    from twolayer.teach.marking import Marks, check_submission
    from twolayer.teach.pages import to_csv
    from twolayer.teach.submission import ENDINGS, read_submission

    course, only, hint = how
    paths = sorted(
        path for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file() and ".ipynb_checkpoints" not in path.parts
    )  # fmt: skip
    if not paths:
        raise DataError(f"The folder {folder} has no notebook (.ipynb) and no script (.py): name one that has.")

    def read(path: Path) -> "Submission | str":
        try:
            return read_submission(path)
        except TwoLayerError as error:
            return str(error)

    def one(submission: "Submission | str") -> "Marks | str":
        try:
            return submission if isinstance(submission, str) else check_submission(submission, course, only, limits)
        except TwoLayerError as error:
            return str(error)

    submissions = [read(path) for path in paths]  # not in threads: Python's parser does not bear that
    with ThreadPoolExecutor(n_processors()) as pool:
        found = dict(zip((str(path.relative_to(folder)) for path in paths), pool.map(one, submissions), strict=True))
    if out is not None:
        _write(out, to_csv(found).encode())
    for name, marks in found.items():
        if html is not None and isinstance(marks, Marks):
            _write(html / f"{name}.html", _page(name, marks, hint))
    if as_json:
        print_json(
            {name: {"error": marks} if isinstance(marks, str) else marks.to_record() for name, marks in found.items()}
        )
    else:
        rows = [(name, marks if isinstance(marks, str) else f"{marks.points:g} of {marks.most_points:g} points")
                for name, marks in found.items()]  # fmt: skip
        print_table(rows, ("submission", "points"))
    wrong = any(isinstance(marks, str) or marks.points < marks.most_points for marks in found.values())
    return 1 if wrong else 0
