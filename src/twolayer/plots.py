"""Pictures of records: each function draws on a given matplotlib axis and returns what it drew."""

import io
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from twolayer.errors import DataError
from twolayer.history import Epoch
from twolayer.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

FORMATS = ("png", "svg", "pdf")
MAX_UNITS = 100
MAX_SAMPLES = 20
MAX_VALUES = 60
_NAME_LENGTH = 30
_DPI = 120
_LEAST_COLUMNS = 5  # room for the title
_PLAIN: dict[str, Any] = {"parse_math": False}  # for texts of the data, in which a $ is a $
_GAP = 2  # empty cells between the images of a mosaic


def draw_cost(ax: "Axes", epochs: Sequence[Epoch]) -> "Line2D":
    """Draw the cost of each iteration, on a logarithmic scale where it spans more than a factor of ten.

    Parameters
    ----------
    ax : matplotlib axis
    epochs : sequence of Epoch, at least one

    Returns
    -------
    Line2D
        The line of the cost.
    """
    costs = [epoch.cost for epoch in epochs]
    (line,) = ax.plot([epoch.iteration for epoch in epochs], costs, color="C0")
    ax.set(xlabel="iteration", ylabel="half the mean square error", title="Cost before each step")
    _scale_by_range(ax, costs)
    ax.grid(visible=True, alpha=0.3)
    return line


def draw_errors(ax: "Axes", epochs: Sequence[Epoch]) -> list["Line2D"]:
    """Draw the share of wrong predictions of each iteration, of the training and, where known, the test samples.

    The scale is logarithmic where the shares span more than a factor of ten; it leaves out shares of 0.

    Parameters
    ----------
    ax : matplotlib axis
    epochs : sequence of Epoch, at least one

    Returns
    -------
    list of Line2D
    """
    iterations = [epoch.iteration for epoch in epochs]
    shares = {"training": [100 * (1 - epoch.train_accuracy) for epoch in epochs]}
    test = [100 * (1 - epoch.test_accuracy) for epoch in epochs if epoch.test_accuracy is not None]
    if len(test) == len(iterations):
        shares["test"] = test
    lines = [ax.plot(iterations, values, label=name)[0] for name, values in shares.items()]
    ax.set(xlabel="iteration", ylabel="wrong predictions, %", title="Errors before each step")
    _scale_by_range(ax, [value for values in shares.values() for value in values])
    ax.legend()
    ax.grid(visible=True, alpha=0.3)
    return lines


def draw_units(ax: "Axes", model: Model) -> "AxesImage":
    """Draw each hidden unit's weights as an image, or of a table as a column, all on one symmetric diverging scale.

    Red weights raise the unit's activation, blue ones lower it. Above each image stands the unit's number and, with
    one output, its outgoing weight W2: where that is positive, the unit speaks for the second class. Of more than
    `MAX_UNITS` units, those with the largest outgoing weights are drawn. The weights of colours are averaged; samples
    that are no images are drawn as rows. Of the values of a table, the `MAX_VALUES` with the largest weights are drawn.

    Parameters
    ----------
    ax : matplotlib axis
    model : Model

    Returns
    -------
    AxesImage
    """
    W1, W2 = model.parameters["W1"], model.parameters["W2"]
    n_h = W1.shape[0]
    units = np.sort(np.argsort(-np.abs(W2).max(axis=0), kind="stable")[:MAX_UNITS])
    one_output = W2.shape[0] == 1
    titles = [f"{unit}: {_signed(float(W2[0, unit]))}" if one_output else f"{unit}" for unit in units]
    if model.table is not None:
        image = _draw_columns(ax, W1[units].T, model.table.value_names, titles)
    else:
        images = [_in_grey(_as_image(W1[unit], model.input_shape)) for unit in units]
        limit = max(float(np.abs(each).max()) for each in images) or 1.0
        image = _draw_mosaic(ax, images, titles, "RdBu_r", -limit, limit)
    shown = (
        f"{n_h} hidden unit{'s' * (n_h > 1)}"
        if len(units) == n_h
        else f"the {len(units)} strongest of {n_h} hidden units"
    )
    legend = f" (number: weight towards class {model.classes[1]})" if one_output else ""
    ax.set_title(f"Weights of {shown}{legend}", pad=8, **_PLAIN)
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label="weight W1", pad=0.02)
    return image


def draw_samples(ax: "Axes", model: Model, X: Any, y: Any = None) -> "AxesImage":
    """Draw samples with their predictions: some wrong ones, the surest of each class first, then right ones.

    Parameters
    ----------
    ax : matplotlib axis
    model : Model
    X : array of shape (m, n_features), m >= 1
    y : array of shape (m,), optional
        The true classes; without them samples are spread over the data.

    Returns
    -------
    AxesImage
    """
    X = np.asarray(X)
    shares = model.predict_proba(X)
    predicted = np.asarray(model.classes)[shares.argmax(axis=1)] if y is None else model.predict(X)
    sureness = shares.max(axis=1)
    wrong = np.zeros(len(X), bool) if y is None else predicted != np.asarray(y)
    errors = _in_turn(np.flatnonzero(wrong), sureness, y)[: MAX_SAMPLES // 2]
    rest = np.flatnonzero(~wrong)
    n_rest = min(MAX_SAMPLES - len(errors), len(rest))
    spread = rest[np.linspace(0, len(rest) - 1, n_rest).astype(int)] if n_rest else rest[:0]
    chosen = np.concatenate([errors, spread])
    titles = [
        f"{y[i]} taken for {predicted[i]} ({100 * sureness[i]:.0f} %)"
        if wrong[i]
        else f"{predicted[i]} ({100 * sureness[i]:.0f} %)"
        for i in chosen
    ]
    images = [_as_image(X[i], model.input_shape) for i in chosen]
    images = [image / model.scale if image.ndim == 3 else image for image in images]  # colours from 0 to 1
    colors = ["C3" if wrong[i] else "black" for i in chosen]
    image = _draw_mosaic(ax, images, titles, "gray_r", float(X[chosen].min()), float(X[chosen].max()), colors)
    total = f"{int(wrong.sum()):,} of {len(X):,} wrong, in red" if y is not None else f"{len(X):,} samples"
    ax.set_title(f"Predictions and how sure they are: {total}", pad=8)
    return image


def render(draws: Sequence[Callable[["Axes"], Any]], size: tuple[float, float], form: str = "png") -> bytes:
    """Draw on axes side by side and return the picture as a file's content.

    Parameters
    ----------
    draws : sequence of callable
        Each draws on the axis that it is given.
    size : (float, float)
        Width and height, inches.
    form : str
        One of `FORMATS`.

    Returns
    -------
    bytes
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    for ax, draw in zip(figure.subplots(1, len(draws), squeeze=False)[0], draws, strict=True):
        draw(ax)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font has not is drawn as a box
        figure.savefig(content, format=form)
    return content.getvalue()


def pictures(
    model: Model, epochs: Sequence[Epoch], X: Any = None, y: Any = None, form: str = "png"
) -> dict[str, bytes]:
    """Return the pictures of a run by file name: loss, units and, where samples are given, samples.

    Parameters
    ----------
    model : Model
    epochs : sequence of Epoch
        Without any there is no picture of the loss.
    X, y : arrays, optional
        Samples to show, and their classes.
    form : str
        One of `FORMATS`.

    Returns
    -------
    dict
        File name to content.

    Raises
    ------
    DataError
        If there are no samples in X.
    """
    files = {}
    if epochs:
        both = [lambda ax: draw_cost(ax, epochs), lambda ax: draw_errors(ax, epochs)]
        files[f"loss.{form}"] = render(both, (10, 4), form)
    n_units = min(MAX_UNITS, model.parameters["W1"].shape[0])
    size = _mosaic_size(n_units, 1.5) if model.table is None else _columns_size(n_units, model.n_features)
    files[f"units.{form}"] = render([lambda ax: draw_units(ax, model)], size, form)
    if X is not None:
        if not len(X):
            raise DataError("There are no samples to draw: give some.")
        draw_size = _mosaic_size(min(MAX_SAMPLES, len(X)), 0.5)
        files[f"samples.{form}"] = render([lambda ax: draw_samples(ax, model, X, y)], draw_size, form)
    return files


def _in_turn(errors: np.ndarray[Any, Any], sureness: np.ndarray[Any, Any], y: Any) -> np.ndarray[Any, Any]:
    """Order errors so that the true classes take turns, the surest error of each class first."""
    if not len(errors):
        return errors
    errors = errors[np.argsort(-sureness[errors], kind="stable")]
    seen: Counter[Any] = Counter()
    turns = []
    for label in np.asarray(y)[errors].tolist():
        turns.append(seen[label])
        seen[label] += 1
    return errors[np.argsort(turns, kind="stable")]


def _signed(number: float) -> str:
    """Write a number with its sign and one place, a true minus before negative ones."""
    return f"{round(number, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")


def _as_image(values: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return one sample's values as an image, grey or with three colours; other shapes become one row."""
    is_image = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    return values.reshape(shape) if is_image else values.reshape(1, -1)


def _in_grey(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an image without colours: their mean."""
    return image.mean(axis=2) if image.ndim == 3 else image


def _columns(n: int) -> int:
    """How many images stand in a row of a mosaic of n."""
    return max(_LEAST_COLUMNS, math.ceil(math.sqrt(n)))


def _mosaic_size(n: int, margin: float) -> tuple[float, float]:
    """Width and height in inches of a mosaic of n images, `margin` more for what stands beside it."""
    columns = _columns(n)
    return max(7.0, 1.3 * columns + margin), 1.45 * math.ceil(n / columns) + 0.8


def _draw_mosaic(
    ax: "Axes",
    images: list[np.ndarray[Any, Any]],
    titles: list[str],
    colors: str,
    low: float,
    high: float,
    title_colors: Sequence[str] | None = None,
) -> "AxesImage":
    """Draw images of one shape in a grid, each with a title, as one picture with one scale of colours."""
    height, width = images[0].shape[:2]
    columns = _columns(len(images))
    title_height = max(6.0, 0.28 * width) if height > 1 else 1.0
    row_height = height + math.ceil(title_height)
    size = math.ceil(len(images) / columns) * row_height, columns * (width + _GAP) - _GAP
    mosaic = np.full((*size, *images[0].shape[2:]), np.nan if images[0].ndim == 2 else 1.0, np.float32)
    for index, (image, title) in enumerate(zip(images, titles, strict=True)):
        top, left = index // columns * row_height + math.ceil(title_height), index % columns * (width + _GAP)
        mosaic[top : top + height, left : left + width] = image
        color = title_colors[index] if title_colors else "black"
        ax.text(left + width / 2, top - 1, title, ha="center", va="bottom", fontsize=7, color=color, **_PLAIN)
    aspect: Literal["equal", "auto"] = "equal" if height > 1 else "auto"
    ax.set_anchor("N")
    drawn = ax.imshow(mosaic, cmap=colors, vmin=low, vmax=high, interpolation="nearest", aspect=aspect)
    ax.set_axis_off()
    return drawn


def _draw_columns(ax: "Axes", weights: np.ndarray[Any, Any], names: list[str], titles: list[str]) -> "AxesImage":
    """Draw weights (values, units) as a picture with a named row a value and a column a unit."""
    largest = np.abs(weights).max(axis=1)
    shown = np.sort(np.argsort(-largest, kind="stable")[:MAX_VALUES])
    limit = float(largest.max()) or 1.0
    image = ax.imshow(weights[shown], cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    ax.set_yticks(range(len(shown)), [_shortened(names[value]) for value in shown], fontsize=7, **_PLAIN)
    ax.set_xticks(range(len(titles)), titles, fontsize=7, rotation=90 if len(titles) > 12 else 0)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    return image


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"


def _columns_size(n_units: int, n_values: int) -> tuple[float, float]:
    """Width and height in inches of a picture of columns."""
    return max(7.0, 0.5 * n_units + 3.0), max(2.5, 0.18 * min(MAX_VALUES, n_values) + 1.2)


def _scale_by_range(ax: "Axes", values: Sequence[float]) -> None:
    """Make the vertical scale logarithmic, with plain numbers, if positive values span more than a factor of ten."""
    positive = [value for value in values if value > 0]
    if positive and max(positive) > 10 * min(positive):
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:e}"[0] in "25" else "")
        ax.set_ylabel(f"{ax.get_ylabel()} (log scale)")
