"""`twolayer explain MODEL DATA --units`: what each hidden unit does."""

from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.output import print_table
from twolayer.text import count, shorten

if TYPE_CHECKING:
    from twolayer.data.dataset import Dataset
    from twolayer.explain.units import Pruning, UnitCard
    from twolayer.explain.view import View

_MOST_SHOWN = 15


def describe(view: "View", samples: "Dataset", learned: "Dataset") -> tuple[dict[str, Any], Any]:
    """Return the cards of all units as a JSON record, and a function that prints those that matter most."""
    from twolayer.explain.units import cards_for, pruning_for

    values, codes, number_of = view.read(samples.rows), samples.known_labels.codes, samples.number_of
    cards = cards_for(view, values, codes)
    pruning = pruning_for(view, view.read(learned.rows), values, codes)
    record = {
        "samples": len(values),
        "suffice": pruning.suffice,
        "steps": {name: list(getattr(pruning, name)) for name in ("units", "accuracy", "log_loss")},
        "units": [_record(view, card, number_of) for card in cards],
    }
    return record, lambda: _print(view, cards, pruning, len(values), number_of)


def _record(view: "View", card: "UnitCard", number_of: Any) -> dict[str, Any]:
    """Return a card as JSON values."""
    weights = {name: _record_weight(view, card, k) for k, name in enumerate(view.names)}
    plain = ("unit", "bias", "influence", "saturated", "accuracy_lost", "loss_added", "twin")
    return {
        **{name: getattr(card, name) for name in plain},
        "weights": weights,
        "outgoing": dict(zip(map(str, view.outputs), card.outgoing.tolist(), strict=True)),
        "most": [number_of(k) for k in card.most],
        "least": [number_of(k) for k in card.least],
    }


def _record_weight(view: "View", card: "UnitCard", feature: int) -> float | list[float]:
    """Return the weight of a feature, or those of the values that it is encoded in."""
    weights: list[float] = card.weights[view.span(feature)].tolist()
    return weights[0] if len(weights) == 1 else weights


def _print(view: "View", cards: list["UnitCard"], pruning: "Pruning", n_samples: int, number_of: Any) -> None:
    """Print the units that move the logits most."""
    import numpy as np

    rows = []
    shown = sorted(cards, key=lambda card: -card.influence)[:_MOST_SHOWN]
    for card in shown:
        strongest = np.argsort(-view.pool(np.abs(card.weights)), kind="stable")[:3]
        vote = int(np.abs(card.outgoing).argmax())
        twin = "" if card.twin is None else f"twin of {card.twin}"
        assert card.accuracy_lost is not None
        assert card.loss_added is not None
        rows.append((
            str(card.unit), ", ".join(shorten(view.names[k], 20) for k in strongest),
            f"{'for' if card.outgoing[vote] > 0 else 'against'} {view.outputs[vote]}", f"{card.influence:.3f}",
            f"{100 * card.saturated:.0f} %", f"{100 * card.accuracy_lost:+.2f}", f"{card.loss_added:+.4f}",
            ", ".join(str(number_of(k)) for k in card.most[:3]), twin,
        ))  # fmt: skip
    header = (
        "unit",
        "looks at",
        "votes",
        "influence",
        "saturated",
        "accuracy lost",
        "loss added",
        "most driven by",
        "",
    )
    click.echo(f"{count(len(cards), 'hidden unit')} over {count(n_samples, 'sample')}, the strongest first:\n")
    print_table(rows, header, (0, 3, 4, 5, 6))
    if len(cards) > len(rows):
        click.echo(f"... and {len(cards) - len(rows):,} more; --json lists all.")
    click.echo(f"\n{pruning.suffice:,} of them suffice (log loss at most 0.01 greater): 'twolayer prune' keeps those.")
