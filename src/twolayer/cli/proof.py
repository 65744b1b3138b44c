"""`twolayer proof`: every printed figure of the assignment beside the derived one."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from twolayer.cli.options import json_option

if TYPE_CHECKING:
    from twolayer.proof import Figure, Sheet

_PLACES_OF_A_DOUBLE = 15


@click.command(short_help="Check every figure of the assignment.")
@click.option("--all", "every", is_flag=True, help="Show every number on a line of its own.")
@json_option
def proof(every: bool, as_json: bool) -> int:  # noqa: FBT001
    """Re-derive every figure that the assignment prints, and compare; the exit code is 1 if one differs."""
    from twolayer.cli.output import print_json, print_table
    from twolayer.proof import prove

    with _progress() as begin:
        sheet = prove(on_exercise=begin)
    if as_json:
        print_json(_record(sheet))
    else:
        header = ("ex.", "quantity", "printed", "computed", "digits\nagreed", "verdict")
        print_table((row for figure in sheet.figures for row in _rows(figure, every=every)), header, gap=1)
        _print_readings(sheet)
        _print_summary(sheet)
    return 0 if sheet.agrees else 1


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Yield what to call as each exercise begins: a bar on a terminal's stderr; elsewhere one line is printed."""
    from twolayer.proof import STEPS

    if not sys.stderr.isatty():
        click.echo("Re-deriving the figures of the assignment; this takes up to a minute.", err=True)
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(STEPS))
        yield lambda exercise: bar.update(task, completed=STEPS.index(exercise), description=f"Exercise {exercise}")


def _rows(figure: "Figure", *, every: bool) -> list[tuple[str, ...]]:
    """Return the lines of one figure: the number that agrees least, or every number."""
    verdict = "agrees" if figure.agrees else "DIFFERS"
    if not figure.computed:
        return [(figure.exercise, figure.quantity, " ".join(figure.printed[:2]), figure.note, "0", verdict)]
    n = len(figure.printed)
    shown = range(n) if every else [min(range(n), key=lambda i: figure.digits[i] - figure.places[i])]
    suffix = "" if n == 1 else " [{}]" if every else f" ({n})"
    return [
        (
            figure.exercise,
            figure.quantity + suffix.format(index),
            figure.printed[index],
            _as_text(figure.computed[index], figure.printed[index], figure.places[index]),
            f"{figure.digits[index]}/{figure.places[index]}",
            verdict,
        )
        for index in shown
    ]


def _as_text(number: float, printed: str, places: int) -> str:
    """Return a computed number: whole where a whole one is printed, of an array with two more places than printed."""
    if "." not in printed and number.is_integer():
        return f"{number:.0f}"
    if "." in printed and places < _PLACES_OF_A_DOUBLE:
        return f"{number:.{places + 2}{'e' if 'e' in printed else 'f'}}"
    return repr(number)


def _print_summary(sheet: "Sheet") -> None:
    """Print how many numbers agree, and by which rule."""
    from twolayer.proof import LOSS_PLACES

    click.echo(
        "\nFor an array (its size in brackets), the number that agrees least is shown; --all shows\n"
        f"every number. Losses, costs and means must agree to {LOSS_PLACES} decimal places, because further\n"
        "digits depend on the order of summation; all other numbers must agree to every place.\n\n"
        f"{sheet.n_agreeing} of {sheet.n_numbers} printed numbers agree."
    )


def _print_readings(sheet: "Sheet") -> None:
    """Print both readings of exercise 10."""
    from twolayer.cli.output import print_table

    click.echo(
        "\nExercise 10, read in two ways (training / test accuracy). The printed table assigns one\n"
        "class to all samples: the one on whose side of 0.5 the mean of A2 lies. `predict`, as\n"
        "exercise 9 defines it, classifies each sample. The verdicts above use the first reading.\n"
    )
    rows = [
        (str(reading.n_h), *(_pair(pair) for pair in (reading.printed, reading.by_mean, reading.by_predict)))
        for reading in sheet.readings
    ]
    print_table(rows, header=("n_h", "printed", "class of the mean", "predict"), right=(0,))


def _pair(accuracies: tuple[float, float]) -> str:
    return " / ".join(f"{accuracy:.5f}" for accuracy in accuracies)


def _record(sheet: "Sheet") -> dict[str, object]:
    """Return the sheet as JSON values; a computed number that is not finite becomes null."""
    import math

    figures = [asdict(figure) for figure in sheet.figures]
    for figure in figures:
        figure["computed"] = [number if math.isfinite(number) else None for number in figure["computed"]]
    return {
        "agrees": sheet.agrees,
        "numbers": sheet.n_numbers,
        "numbers_agreeing": sheet.n_agreeing,
        "figures": figures,
        "exercise_10": [asdict(reading) for reading in sheet.readings],
    }
