"""`twolayer proof`: every printed figure of the assignment beside the derived one."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from twolayer.cli.arguments import json_option

if TYPE_CHECKING:
    from twolayer.proof import Figure, Sheet


@click.command(short_help="Re-derive every figure of the assignment.")
@click.option("--all", "every", is_flag=True, help="Show every number on a line of its own.")
@json_option
def proof(every: bool, as_json: bool) -> int:  # noqa: FBT001
    """Re-derive every figure that the assignment prints; exit code 1 if one differs."""
    import sys

    from twolayer.cli.output import print_json, print_table
    from twolayer.proof import prove

    def say(exercise: str) -> None:
        click.echo(f"\rExercise {exercise} ...".ljust(32), nl=False, err=True)

    on_terminal = sys.stderr.isatty()
    sheet = prove(on_exercise=say if on_terminal else None)
    if on_terminal:
        click.echo("\r".ljust(33) + "\r", nl=False, err=True)
    if as_json:
        print_json(_record(sheet))
    else:
        header = ("exercise", "quantity", "printed", "computed", "digits agreed", "verdict")
        print_table((row for figure in sheet.figures for row in _rows(figure, every=every)), header)
        _print_readings(sheet)
        click.echo("\nOf an array the number that agrees least is shown; --all shows each.")
        click.echo(f"{sheet.n_agreeing} of {sheet.n_numbers} printed numbers agree.")
    return 0 if sheet.agrees else 1


def _rows(figure: "Figure", *, every: bool) -> list[tuple[str, ...]]:
    """Return the lines of one figure: the number that agrees least, or every number."""
    verdict = "agrees" if figure.agrees else "DIFFERS"
    if not figure.computed:
        return [(figure.exercise, figure.quantity, " ".join(figure.printed[:2]), figure.note, "0", verdict)]
    n = len(figure.printed)
    shown = range(n) if every else [min(range(n), key=lambda i: figure.digits[i] - figure.places[i])]
    suffix = "" if n == 1 else " [{}]" if every else f" ({n} numbers)"
    return [
        (
            figure.exercise,
            figure.quantity + suffix.format(index),
            figure.printed[index],
            repr(figure.computed[index]),
            f"{figure.digits[index]} of {figure.places[index]}",
            verdict,
        )
        for index in shown
    ]


def _print_readings(sheet: "Sheet") -> None:
    """Print both readings of exercise 10."""
    from twolayer.cli.output import print_table

    click.echo(
        "\nExercise 10 in two readings (training / test accuracy). The printed table gives every sample one class,\n"
        "that on whose side of 0.5 the mean of A2 lies; exercise 9's predict gives each sample its own:\n"
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
