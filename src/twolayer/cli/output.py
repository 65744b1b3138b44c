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
    rows: Iterable[tuple[str, ...]], header: tuple[str, ...] | None = None, right: tuple[int, ...] = ()
) -> None:
    """Print rows as a table on stdout.

    Parameters
    ----------
    rows : iterable of tuples of str
    header : tuple of str, optional
    right : tuple of int
        Columns to align to the right.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(show_header=header is not None, box=None, pad_edge=False, padding=(0, 2, 0, 0))
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
def _bar(max_iter: int) -> Iterator[Callable[[Epoch], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("Training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=max_iter, figures="")
        yield lambda epoch: progress.update(task, completed=epoch.iteration + 1, figures=_figures(epoch))


def _print_line(epoch: Epoch) -> None:
    click.echo(f"Epoch {epoch.iteration}: {_figures(epoch)}", err=True)


def _figures(epoch: Epoch) -> str:
    test = "" if epoch.test_accuracy is None else f", test {100 * epoch.test_accuracy:.2f} %"
    return f"cost {epoch.cost:.6f}, training {100 * epoch.train_accuracy:.2f} %{test}"
