"""Two pictures: mean ranks with what Nemenyi's test cannot tell apart, and error and log loss against seconds."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.tables.board import Board
from benchmarks.tables.records import OURS, title_of
from twolayer.aliases import Array
from twolayer.plots import render
from twolayer.text import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIGURES = {"error": "mean error, %", "logloss": "mean log loss"}
_OURS, _OTHERS = "C3", "0.3"
_WIDE = 3  # from such a ratio of the largest to the smallest on, a scale is logarithmic
_SHORTEST = 1e-5  # seconds, as they are rounded in the results
_LETTER = 0.0142  # width of a letter, of that of the axes
_EDGES = ((-9, 0, -9, 9), (1, 9, -9, 9), (-9, 9, -9, 0), (-9, 9, 1, 9))  # what is outside the axes


def draw_ranks(board: Board, group: str) -> bytes:
    """Return a picture of the mean ranks by error and by log loss."""
    return _render(_draw_ranks, board, group, 1.5 + 0.27 * len(board.methods))


def draw_seconds(board: Board, group: str) -> bytes:
    """Return a picture of mean error and mean log loss against mean seconds."""
    return _render(_draw_seconds, board, group, 4.2)


def _render(draw: Callable[["Axes", Board, str], None], board: Board, group: str, height: float) -> bytes:
    """Return a picture of each figure side by side, and above it which tables it is of."""

    def draw_first(ax: "Axes") -> None:
        ax.figure.suptitle(f"{group} ({count(len(board.tables), 'table')})", fontsize=10)
        draw(ax, board, "error")

    return render([draw_first, lambda ax: draw(ax, board, "logloss")], (11, height))


def _draw_ranks(ax: "Axes", board: Board, figure: str) -> None:
    """Draw a row for each method, the best on top, and a bar beside each set of rows that may be the same."""
    ranks, n = board.ranks(figure), len(board.methods)
    order = ranks.argsort(kind="stable")
    for place, k in enumerate(order):
        colour = _colour(board.methods[k])
        ax.plot([0, ranks[k]], [place, place], color=colour, lw=0.8)
        ax.plot(ranks[k], place, "o", color=colour, ms=5)
        ax.annotate(f"{ranks[k]:.2f}", (ranks[k], place), (6, 0), textcoords="offset points", va="center", fontsize=7)
    ax.set_yticks(range(n), [title_of(board.methods[k]) for k in order], fontsize=8)
    for label, k in zip(ax.get_yticklabels(), order, strict=True):
        label.set_color(_colour(board.methods[k]))
    ax.set(xlim=(0, 1.3 * n), ylim=(n - 0.5, -0.6), xticks=range(1, n + 1))
    ax.set_xlabel(f"mean rank by {_FIGURES[figure].removeprefix('mean ').removesuffix(', %')}", fontsize=8)
    ax.tick_params(labelsize=8, length=2)
    ax.spines[["top", "right"]].set_visible(False)
    if n > 1:
        difference = board.critical_difference()
        ax.set_title(f"bars: closer than {difference:.2f} (Nemenyi's test, 5 %)", fontsize=8, loc="right")
        for column, (first, last) in enumerate(_alike(ranks[order], difference)):
            ax.plot([1.28 * n - 0.02 * n * column] * 2, [first - 0.25, last + 0.25], color="black", lw=2)


def _alike(ranks: Array, difference: float) -> list[tuple[int, int]]:
    """Return the longest runs of sorted ranks, from and to which place, that are closer than a difference."""
    lasts = [int((ranks <= rank + difference).sum()) - 1 for rank in ranks]
    runs = [(first, last) for first, last in enumerate(lasts) if first == 0 or last > lasts[first - 1]]
    return [(first, last) for first, last in runs if last > first]


def _draw_seconds(ax: "Axes", board: Board, figure: str) -> None:
    """Draw a named point for each method."""
    seconds, values = np.maximum(board.mean("seconds"), _SHORTEST), board.mean(figure)
    ax.set(xscale="log", xlim=(seconds.min() / 2, 4 * seconds.max()), xlabel="mean seconds of a fit (log scale)")
    margin = 0.12 * (values.max() - values.min()) or 1.0
    ax.set(ylim=(max(0, values.min() - margin), values.max() + margin), ylabel=_FIGURES[figure])
    if values.max() > _WIDE * values.min():
        ax.set(yscale="log", ylim=(values.min() / 1.2, 1.2 * values.max()), ylabel=f"{_FIGURES[figure]} (log scale)")
        ax.yaxis.set_minor_formatter("{x:g}")
        ax.yaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.tick_params(which="both", labelsize=8)
    ax.xaxis.label.set_fontsize(8)
    ax.yaxis.label.set_fontsize(8)
    ax.grid(visible=True, alpha=0.3)
    names = [title_of(method) for method in board.methods]
    places = _place(_in_axes(ax, seconds, values), [len(name) for name in names])
    for method, name, x, y, (right, up) in zip(board.methods, names, seconds, values, places, strict=True):
        ax.plot(x, y, "o", color=_colour(method), ms=6)
        ax.annotate(
            name,
            (x, y),
            (6 if right else -6, 3 if up else -3),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom" if up else "top",
            fontsize=8,
            color=_colour(method),
        )


def _in_axes(ax: "Axes", x: Array, y: Array) -> Array:
    """Return where points lie in the axes, from 0 to 1."""
    inside: Array = ax.transLimits.transform(ax.transScale.transform(np.column_stack([x, y])))
    return inside


def _place(points: Array, lengths: Sequence[int]) -> list[tuple[bool, bool]]:
    """Return for each point whether its name goes to the right of it, and whether above: where it hides the least."""
    taken = [*_EDGES, *((x - 0.012, x + 0.012, y - 0.025, y + 0.025) for x, y in points)]
    places = {}
    for k in sorted(range(len(points)), key=lambda k: -lengths[k]):
        (x, y), width, boxes = points[k], _LETTER * lengths[k], {}
        for right, up in ((True, True), (True, False), (False, True), (False, False)):
            left, bottom = (x + 0.012 if right else x - 0.012 - width), (y + 0.005 if up else y - 0.055)
            boxes[right, up] = (left, left + width, bottom, bottom + 0.05)
        places[k] = min(boxes, key=lambda place: sum(_overlap(boxes[place], other) for other in taken))
        taken.append(boxes[places[k]])
    return [places[k] for k in range(len(points))]


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the area that two boxes have in common."""
    width = min(one[1], other[1]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[2], other[2])
    return max(0.0, width) * max(0.0, height)


def _colour(method: str) -> str:
    return _OURS if method == OURS else _OTHERS
