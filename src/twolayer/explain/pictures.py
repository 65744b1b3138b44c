"""Pictures of explanations: each function draws on a given matplotlib axis and returns what it drew.

Red speaks for a class and blue against it, on scales that colour-blind people tell apart.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twolayer.aliases import Array
from twolayer.explain.account import Account
from twolayer.explain.importance import Effect, Importance
from twolayer.model import Model
from twolayer.plots import render
from twolayer.text import count, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

FOR, AGAINST, PLAIN = "#b2182b", "#2166ac", "#555555"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")  # Okabe and Ito
_MOST_BARS = 12
_MOST_LINES = 6
_MOST_TICKS = 30  # letters of all categories that still fit beside each other
_NAME, _VALUE = 26, 18  # letters
_TEXT: dict[str, Any] = {"parse_math": False}  # in texts of the data, a $ is a $


def is_image(model: Model) -> bool:
    """Tell whether samples are images, grey or in colour."""
    shape = model.input_shape
    return model.table is None and (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3))


def draw_account(
    ax: "Axes", account: Account, words: Sequence[str] | None = None, *, sample: int = 0, output: int = 0
) -> "BarContainer":
    """Draw how the shares lead from the logit at the baseline to that of a sample, the largest share first.

    Parameters
    ----------
    ax : matplotlib axis
    account : Account
    words : sequence of str, optional
        What the value of each feature is.
    sample, output : int
        Which of the account's samples and logits.

    Returns
    -------
    BarContainer
    """
    shares = account.shares[sample, output]
    order = np.argsort(-np.abs(shares), kind="stable")
    shown, rest = order[:_MOST_BARS], order[_MOST_BARS:]
    names = [account.features[k] if words is None else _named(account.features[k], words[k]) for k in shown]
    sizes = shares[shown]
    if len(rest):
        names, sizes = [*names, f"{count(len(rest), 'other feature')}"], np.append(sizes, shares[rest].sum())
    ends = account.start[output] + np.cumsum(sizes)
    colours = [FOR if size > 0 else AGAINST for size in sizes]
    bars = ax.barh(range(len(sizes)), sizes, left=ends - sizes, color=colours, height=0.7)
    for row, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        ax.plot([end, end], [row - 0.35, row + 1.35], color=PLAIN, linewidth=0.7)
        ax.annotate(
            _signed(size), (max(end, end - size), row), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    ax.axvline(account.start[output], color=PLAIN, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(names)), names, fontsize=8, **_TEXT)
    ax.set_ylim(len(sizes) + 0.4, -0.8)
    ax.use_sticky_edges = False  # or the bar that is farthest left touches the frame
    ax.margins(x=0.12)
    ax.spines[["top", "right"]].set_visible(False)
    start, end = float(account.start[output]), float(account.logits[sample, output])
    ax.set_xlabel(f"logit of {account.outputs[output]}", **_TEXT)
    title = f"Logit of {account.outputs[output]}: {_plain(start)} at the baseline, {_plain(end)} here"
    ax.set_title(title, fontsize=10, loc="left", **_TEXT)
    return bars


def draw_pixels(ax: "Axes", shares: Array, title: str, image: Array | None = None, label: str = "share") -> "AxesImage":
    """Draw what each pixel contributes, on a symmetric scale or, where nothing is negative, from 0.

    Parameters
    ----------
    ax : matplotlib axis
    shares : array of shape (height, width) or (height, width, 3)
        Those of colours are added up.
    title : str
    image : array of the same shape, optional
        The sample itself, whose outline is drawn over it.
    label : str
        Of the scale of colours.

    Returns
    -------
    AxesImage
    """
    grey = shares.sum(axis=2) if shares.ndim == 3 else shares
    limit = float(np.abs(grey).max()) or 1.0
    signed = bool((grey < 0).any())
    cmap, least = ("RdBu_r", -limit) if signed else ("Reds", 0.0)
    drawn = ax.imshow(grey, interpolation="nearest", cmap=cmap, vmin=least, vmax=limit)
    if image is not None and image.max() > image.min() and min(image.shape[:2]) > 1:
        outline = image.mean(axis=2) if image.ndim == 3 else image
        ax.contour(outline, [(float(outline.min()) + float(outline.max())) / 2], colors="black", linewidths=0.6)
    ax.set_title(title, fontsize=10, **_TEXT)
    ax.set_axis_off()
    ax.figure.colorbar(drawn, ax=ax, shrink=0.75, label=label)
    return drawn


def draw_image(ax: "Axes", model: Model, x: Array, title: str) -> "AxesImage":
    """Draw one sample, whose values are as stored, as an image."""
    image = x.reshape(model.input_shape)
    ax.set_title(title, fontsize=10, **_TEXT)
    ax.set_axis_off()
    return ax.imshow(image / model.stored_scale if image.ndim == 3 else image, cmap="gray_r", interpolation="nearest")


def draw_importance(ax: "Axes", importance: Importance) -> "BarContainer":
    """Draw the mean absolute share of the features that matter most, with its 95 % interval."""
    order = np.argsort(-importance.shares, kind="stable")[:20]
    names = [shorten(importance.features[k], _NAME) for k in order]
    error = importance.shares_error[order]
    line = {"linewidth": 0.9, "capsize": 2}
    bars = ax.barh(range(len(order)), importance.shares[order], xerr=error, color=_COLOURS[0], error_kw=line)
    ax.set_yticks(range(len(order)), names, fontsize=8, **_TEXT)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.spines[["top", "right"]].set_visible(False)
    total = len(importance.features)
    shown = "" if len(order) == total else f", {len(order)} of {count(total, 'feature')}"
    ax.set(xlabel="mean absolute share in the logit (95 % interval)")
    ax.set_title(f"What matters{shown}", fontsize=10, loc="left")
    return bars


def draw_effect(ax: "Axes", effect: Effect) -> "list[Line2D]":
    """Draw the mean probability of each class over the values of a column, with the middle 80 % of the samples.

    With two classes, the second alone; with more than six, those that change most.
    """
    changes = effect.probability.max(axis=0) - effect.probability.min(axis=0)
    chosen = [1] if len(effect.classes) == 2 else np.sort(np.argsort(-changes, kind="stable")[:_MOST_LINES]).tolist()
    known = np.ones(len(effect.values), bool) if effect.numbers is None else np.isfinite(effect.numbers)
    at = np.arange(len(effect.values)) if effect.numbers is None else effect.numbers[known]
    lines = []
    for colour, code in zip(_COLOURS, chosen, strict=False):
        style: dict[str, Any] = {"color": colour, "label": str(effect.classes[code])}
        mean, low, high = (part[known, code] for part in (effect.probability, effect.low, effect.high))
        if effect.numbers is None:
            lines.append(
                ax.errorbar(at, mean, [np.maximum(mean - low, 0), np.maximum(high - mean, 0)], fmt="o", **style)[0]
            )
        else:
            lines += ax.plot(at, mean, marker=".", **style)
            if len(chosen) < 3:
                ax.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
        if not known.all():
            missing = float(effect.probability[~known, code][0])
            ax.axhline(missing, color=colour, linestyle=":", linewidth=1)
            ax.annotate(
                "missing", (1, missing), xycoords=("axes fraction", "data"), fontsize=7, ha="right", va="bottom"
            )
    if effect.numbers is None:
        names = [shorten(word, _VALUE) for word in effect.values]
        slanted = sum(map(len, names)) > 2 * _MOST_TICKS
        ax.set_xticks(
            at, names, fontsize=8, rotation=40 if slanted else 0, ha="right" if slanted else "center", **_TEXT
        )
    ax.set_ylim(0, 1)
    ax.set_xlabel(shorten(effect.feature, 60), **_TEXT)
    only = f" of {effect.classes[1]}" if len(effect.classes) == 2 else ""
    ax.set_ylabel(f"mean probability{only}", **_TEXT)
    ax.set_title(f"Effect of {shorten(effect.feature, _NAME)} (band: middle 80 % of samples)", fontsize=10, **_TEXT)
    ax.grid(visible=True, alpha=0.3)
    if len(chosen) > 1:
        ax.legend(title="class", fontsize=8)
    return lines


def picture_account(
    model: Model, account: Account, x: Array | None, words: Sequence[str], outputs: Sequence[int], form: str
) -> bytes:
    """Return a picture of the account of one sample in some of its logits: as an image, or as steps."""
    if x is None or not is_image(model):
        steps = [lambda ax, output=output: draw_account(ax, account, words, output=output) for output in outputs]
        return render(steps, (7.0 * len(outputs), 4.6), form)
    image = x.reshape(model.input_shape).astype(float)
    draws: list[Callable[[Axes], Any]] = [lambda ax: draw_image(ax, model, x, "The sample")]
    for output in outputs:
        label, shares = account.outputs[output], account.shares[0, output].reshape(model.input_shape)
        title = f"For {label} (red) and against it (blue)"
        draws.append(lambda ax, shares=shares, title=title: draw_pixels(ax, shares, title, image))  # type: ignore[misc]
    return render(draws, (3.4 + 4.2 * len(outputs), 3.6), form)


def picture_importance(model: Model, importance: Importance, form: str) -> bytes:
    """Return a picture of the importance of features, as an image where they are pixels."""
    if is_image(model):
        shares, label = importance.shares.reshape(model.input_shape), "mean absolute share"
        return render([lambda ax: draw_pixels(ax, shares, "What matters", None, label)], (5, 4), form)
    height = 1.3 + 0.24 * min(20, len(importance.features))
    return render([lambda ax: draw_importance(ax, importance)], (7, height), form)


def _named(name: str, value: str) -> str:
    """Return a feature with its value."""
    return f"{shorten(name, _NAME)} = {shorten(value, _VALUE)}"


def _plain(number: float) -> str:
    """Write a number with two places, a true minus before negative ones."""
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def _signed(number: float) -> str:
    """Write a number with its sign and two places."""
    return f"{round(number, 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}")
