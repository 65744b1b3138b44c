"""What commands print: tables, JSON, and lines on stderr."""

import contextlib
import json
from collections.abc import Iterable
from typing import Any

import click


def print_json(record: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(record, allow_nan=False))


def print_table(
    rows: Iterable[tuple[str, ...]],
    header: tuple[str, ...] | None = None,
    right: tuple[int, ...] = (),
    gap: int = 2,
    *,
    err: bool = False,
) -> None:
    """Print rows as a table, with the columns `right` aligned to the right; on stderr instead of stdout if `err`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(show_header=header is not None, box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for index, name in enumerate(header or ("",) * len(rows[0])):
        table.add_column(Text(name), justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False, stderr=err)
    if console.is_terminal:
        console.print(table)
        return
    console.width = 200  # a file or a pipe has no edge to wrap at
    with console.capture() as text:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()), err=err)


def print_line(line: str) -> None:
    """Print a line on stderr, which nobody need read."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)
