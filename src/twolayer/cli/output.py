"""What commands print: tables and JSON on stdout, progress on stderr."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from twolayer.history import Epoch

_PLAIN_LINES = 20


def print_json(record: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(record, allow_nan=False))


def print_table(
    rows: Iterable[tuple[str, ...]],
    header: tuple[str, ...] | None = None,
    right: tuple[int, ...] = (),
    gap: int = 2,
) -> None:
    """Print rows as a table on stdout.

    Parameters
    ----------
    rows : iterable of tuples of str
    header : tuple of str, optional
    right : tuple of int
        Columns to align to the right.
    gap : int
        Spaces between columns.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(show_header=header is not None, box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for index, name in enumerate(header or ("",) * len(rows[0])):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    console.width = 200  # a file or a pipe has no edge to wrap at
    with console.capture() as text:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def count(n: int, noun: str) -> str:
    """Return a number with its noun: 1 error, 1,024 errors."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


@contextlib.contextmanager
def epoch_display(max_iter: int, *, quiet: bool) -> Iterator[Callable[[Epoch], None]]:
    """Show the epochs of a training on stderr: a live bar on a terminal, some plain lines elsewhere.

    Parameters
    ----------
    max_iter : int
        Number of epochs at most.
    quiet : bool
        Show nothing.

    Yields
    ------
    callable
        To be called with each epoch.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(max_iter) as show:
            yield show
    else:
        every = max(1, max_iter // _PLAIN_LINES)
        yield (
            lambda epoch: (
                _print_line(epoch) if epoch.iteration % every == 0 or epoch.iteration == max_iter - 1 else None
            )
        )


@contextlib.contextmanager
def working(what: str, *, quiet: bool) -> Iterator[None]:
    """Say on a terminal's stderr what is being done, for as long as it takes."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextlib.contextmanager
def _bar(max_iter: int) -> Iterator[Callable[[Epoch], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=max_iter, figures="")
        yield lambda epoch: progress.update(task, completed=epoch.iteration + 1, figures=_figures(epoch))


def _print_line(epoch: Epoch) -> None:
    with contextlib.suppress(OSError):  # a reader of the progress that went away does not end the training
        click.echo(f"Epoch {epoch.iteration}: {_figures(epoch)}", err=True)


def _figures(epoch: Epoch) -> str:
    part, accuracy = "training", epoch.train_accuracy
    if epoch.test_accuracy is not None:
        part, accuracy = "test", epoch.test_accuracy
    return f"cost {epoch.cost:.6f}, {part} {100 * accuracy:.2f} %"
