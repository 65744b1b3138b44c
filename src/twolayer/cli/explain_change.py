"""`twolayer explain --nearest` and `--radius`: what change would turn a prediction, and which none can."""

from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.output import print_table
from twolayer.text import count

if TYPE_CHECKING:
    from twolayer.aliases import Array
    from twolayer.data.dataset import Dataset
    from twolayer.explain.view import View

_MOST_SHOWN = 10


def explain_nearest(view: "View", row: "Array", others: "Array", number: int) -> tuple[dict[str, Any], Any]:
    """Return the nearest other answer of a sample as a JSON record, and a function that prints it."""
    from twolayer.explain.nearest import change_for, nearest_for

    found, change = nearest_for(view, row), change_for(view, row, others)
    words = list(zip(view.names, view.describe(row), view.describe(found.values), strict=True))
    record = {
        "row": number,
        "prediction": found.prediction,
        "nearest": {
            "answer": found.answer,
            "distance": found.distance,
            "least_distance": found.least_distance,
            "certified": found.certified,
            "values": dict(zip(view.names, (new for _, _, new in words), strict=True)),
        },
        "fewest_columns": None
        if change is None
        else {
            "answer": change.answer,
            "values": dict(zip(change.features, change.values, strict=True)),
            "is_least": change.is_least,
        },
    }

    def show() -> None:
        import numpy as np

        proved = (
            "none is nearer"
            if found.certified
            else f"none is nearer than {found.least_distance:.4g}, as far as was proved in the time"
        )
        click.echo(
            f"Sample {number}, predicted as {found.prediction}, becomes {found.answer} at a distance of "
            f"{found.distance:.4g}; {proved}. (Euclidean, in the values that enter the network.)\n"
        )
        moved = view.pool((found.values - row) ** 2)
        order = [k for k in np.argsort(-moved, kind="stable")[:_MOST_SHOWN] if moved[k] > 0]
        kind = "pixel" if len(view.model.input_shape) > 1 else "column"
        print_table([words[k] for k in order], (kind, "value", "becomes"))
        if change is None:
            click.echo("\nNo columns' values of other samples turn it.")
            return
        how = "The fewest" if change.is_least else "Few"
        changes = ", ".join(f"{name} {value}" for name, value in zip(change.features, change.values, strict=True))
        click.echo(f"\n{how} {kind}s that turn it, with values as other samples have: {changes} ({change.answer}).")

    return record, show


def explain_radius(view: "View", samples: "Dataset", radius: float, seconds: float) -> tuple[dict[str, Any], Any]:
    """Return which predictions no change within a radius turns, as a JSON record, and a function that prints it."""
    import numpy as np

    from twolayer.explain.robustness import TURNED, robustness_for

    limits = (0.0, 1.0) if len(view.model.input_shape) > 1 and view.model.encoding is None else None
    values = view.read(samples.rows)
    found = robustness_for(view, values, radius, limits=limits, seconds=seconds)
    numbers = [samples.number_of(k) for k in range(len(values))]
    record = {
        "radius": radius,
        "limits": limits,
        "samples": len(values),
        **{verdict.replace(" ", "_"): n for verdict, n in found.counts.items()},
        "verdicts": [
            {"row": number, "prediction": prediction, "verdict": verdict, "margin": float(margin)}
            for number, prediction, verdict, margin in zip(
                numbers, found.predictions, found.verdicts, found.margins, strict=True
            )
        ],
    }

    def show() -> None:
        click.echo(f"{count(len(values), 'sample')}, each value changed by at most {radius:g}:\n")
        print_table([(verdict, f"{n:,}") for verdict, n in found.counts.items()], right=(1,))
        turned = [number for number, verdict in zip(numbers, found.verdicts, strict=True) if verdict == TURNED]
        if turned:
            shown = ", ".join(map(str, turned[:_MOST_SHOWN]))
            more = f" and {len(turned) - _MOST_SHOWN:,} more" if len(turned) > _MOST_SHOWN else ""
            click.echo(f"\nTurned: sample {shown}{more}.")
        weakest = np.argsort(found.margins, kind="stable")[:1]
        click.echo(f"Least margin that is proved: {found.margins[weakest[0]]:.4g}, of sample {numbers[weakest[0]]}.")

    return record, show
