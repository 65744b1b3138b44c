"""Pictures of models and trainings: each function draws on a given matplotlib axis and returns what it drew."""

import io
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twolayer.aliases import Array
from twolayer.equations import LOSSES
from twolayer.errors import DataError
from twolayer.model import Model
from twolayer.text import count, shorten
from twolayer.training.history import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

FORMATS = ("png", "svg", "pdf")
MAX_UNITS, MAX_COLUMNS_OF_UNITS = 100, 24  # as images, and as columns
MAX_SAMPLES = 20
MAX_VALUES = 60
_NAME_LENGTH = 30
_DPI = 120
_LEAST_COLUMNS = 5  # room for the title
_PLAIN: dict[str, Any] = {"parse_math": False}  # for texts of the data, in which a $ is a $
_GAP = 2  # empty cells between the images of a mosaic


def cost_label(model: Model) -> str:
    """Return the name of the cost that a model was trained on, for an axis; "cost" where its settings do not tell."""
    loss = model.settings.get("loss")
    label = LOSSES[loss][0].label if isinstance(loss, str) and loss in LOSSES else "cost"
    return f"{label} + L2 penalty" if model.settings.get("l2") else label


def draw_cost(ax: "Axes", epochs: Sequence[Epoch], label: str = "cost") -> "Line2D":
    """Draw the cost of each iteration, on a logarithmic scale if it spans more than a factor of ten."""
    costs = [epoch.cost for epoch in epochs]
    (line,) = ax.plot([epoch.iteration for epoch in epochs], costs, color="C0")
    ax.set(xlabel="iteration", ylabel=label, title="Cost before each step")
    _scale_by_range(ax, costs)
    ax.grid(visible=True, alpha=0.3)
    return line


def draw_errors(ax: "Axes", epochs: Sequence[Epoch]) -> list["Line2D"]:
    """Draw the error rate of each iteration, on the training samples and, if known, on the test samples.

    The scale is logarithmic if the rates span more than a factor of ten; it leaves out rates of 0.
    """
    iterations = [epoch.iteration for epoch in epochs]
    rates = {"training": [100 * (1 - epoch.train_accuracy) for epoch in epochs]}
    test = [100 * (1 - epoch.test_accuracy) for epoch in epochs if epoch.test_accuracy is not None]
    if len(test) == len(iterations):
        rates["test"] = test
    lines = [ax.plot(iterations, values, label=name)[0] for name, values in rates.items()]
    ax.set(xlabel="iteration", ylabel="wrong predictions, %", title="Errors before each step")
    _scale_by_range(ax, [value for values in rates.values() for value in values])
    ax.legend()
    ax.grid(visible=True, alpha=0.3)
    return lines


def draw_choices(
    ax: "Axes", x: Sequence[Any], y: Sequence[float], error: Sequence[float], name: str, label: str
) -> None:
    """Draw a figure of each choice over its value of a setting, with its spread; what is no number by its name."""
    are_numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in x)
    places = list(x) if are_numbers else list(range(len(x)))
    order = sorted(range(len(x)), key=lambda k: places[k])
    ax.errorbar([places[k] for k in order], [y[k] for k in order], [error[k] for k in order], marker="o", capsize=3)
    if not are_numbers:
        ax.set_xticks(places, [shorten(str(each), _NAME_LENGTH) for each in x], rotation=30, ha="right", **_PLAIN)
    elif min(places) > 0 and max(places) >= 20 * min(places):
        ax.set_xscale("log")
    ax.set(xlabel=name.replace("_", " "), ylabel=label)
    ax.grid(visible=True, alpha=0.3)


def draw_units(ax: "Axes", model: Model) -> "AxesImage":
    """Draw the weights of each hidden unit, all on one symmetric diverging scale.

    Red weights raise the unit's activation, blue ones lower it. The weights of a unit are drawn as an image or, for a
    table or an encoded array, as a column; those of colours are averaged, and samples that are not images are drawn as
    rows. Of an image that is encoded, they are the weights of its standardized pixels, without their curves. The title
    of a unit is its number and, with one output, its outgoing weight W2: where it is positive, the unit votes for the
    second class. Of more than `MAX_UNITS` units, or `MAX_COLUMNS_OF_UNITS` as columns, those with the largest outgoing
    weights are drawn; of more than `MAX_VALUES` named values, those with the largest weights.

    Parameters
    ----------
    ax : matplotlib axis
    model : Model

    Returns
    -------
    AxesImage
    """
    W1, W2 = model.parameters["W1"], model.parameters["W2"]
    units = np.sort(np.argsort(-np.abs(W2).max(axis=0), kind="stable")[: _most_units(model)])
    one_output = len(W2) == 1
    titles = [f"{unit}: {_signed(float(W2[0, unit]))}" if one_output else f"{unit}" for unit in units]
    names = _value_names(model)
    if names is not None:
        image = _draw_columns(ax, W1[units].T, names, titles)
    else:
        images = [_as_image(weights, model.input_shape) for weights in _pixel_weights(model)[units]]
        images = [image.mean(axis=2) if image.ndim == 3 else image for image in images]
        limit = max(float(np.abs(each).max()) for each in images) or 1.0
        image = _draw_mosaic(ax, images, titles, cmap="RdBu_r", vmin=-limit, vmax=limit)
    total = count(len(W1), "hidden unit")
    shown = total if len(units) == len(W1) else f"the {len(units)} strongest of {total}"
    legend = f" (number: weight towards class {model.classes[1]})" if one_output else ""
    ax.set_title(f"Weights of {shown}{legend}", pad=8, **_PLAIN)
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label="weight W1", pad=0.02)
    return image


def draw_samples(ax: "Axes", model: Model, X: Any, y: Any = None) -> "AxesImage":
    """Draw samples with their predictions: some errors, the most confident of each class first, then correct ones.

    Without the true classes, samples are taken at equal distances.
    """
    X = np.asarray(X)
    probabilities = model.predict_proba(X)
    predicted = np.asarray(model.classes)[probabilities.argmax(axis=1)] if y is None else model.predict(X)
    confidence = probabilities.max(axis=1)
    wrong = np.zeros(len(X), bool) if y is None else predicted != np.asarray(y)
    chosen = _choose(wrong, confidence, y)
    titles = [f"{predicted[i]} ({100 * confidence[i]:.0f} %)" for i in chosen]
    titles = [f"{y[i]} taken for {title}" if wrong[i] else title for i, title in zip(chosen, titles, strict=True)]
    images = [_as_image(X[i], model.input_shape) for i in chosen]
    images = [image / model.stored_scale if image.ndim == 3 else image for image in images]  # colours from 0 to 1
    colors = ["C3" if wrong[i] else "black" for i in chosen]
    known = X[chosen][np.isfinite(X[chosen])]
    low, high = (known.min(), known.max()) if len(known) else (0, 1)
    shade = {"cmap": "gray_r", "vmin": float(low), "vmax": float(high)}
    image = _draw_mosaic(ax, images, titles, colors, **shade)
    total = f"{int(wrong.sum()):,} of {len(X):,} wrong, in red" if y is not None else count(len(X), "sample")
    ax.set_title(f"Predictions and their probabilities: {total}", pad=8)
    return image


def render(draws: Sequence[Callable[["Axes"], Any]], size: tuple[float, float], form: str = "png") -> bytes:
    """Draw on axes side by side, of so many inches, and return the content of a file in one of `FORMATS`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    for ax, draw in zip(figure.subplots(1, len(draws), squeeze=False)[0], draws, strict=True):
        draw(ax)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is drawn as a box
        figure.savefig(content, format=form)
    return content.getvalue()


def pictures(
    model: Model, epochs: Sequence[Epoch], X: Any = None, y: Any = None, form: str = "png"
) -> dict[str, bytes]:
    """Return the pictures of a run by file name: loss, units and, if samples are given, samples.

    Without epochs there is no picture of the loss.
    """
    if X is not None and not len(X):
        raise DataError("There are no samples to draw: give at least one.")
    files = {}
    if epochs:
        both = [lambda ax: draw_cost(ax, epochs, cost_label(model)), lambda ax: draw_errors(ax, epochs)]
        files[f"loss.{form}"] = render(both, (10, 4), form)
    n_units = min(_most_units(model), len(model.parameters["W1"]))
    columns_size = max(7.0, 0.5 * n_units + 3.0), max(2.5, 0.18 * min(MAX_VALUES, model.n_inputs) + 1.2)
    size = _mosaic_size(n_units, 1.5) if _value_names(model) is None else columns_size
    files[f"units.{form}"] = render([lambda ax: draw_units(ax, model)], size, form)
    if X is not None:
        draw_size = _mosaic_size(min(MAX_SAMPLES, len(X)), 0.5)
        files[f"samples.{form}"] = render([lambda ax: draw_samples(ax, model, X, y)], draw_size, form)
    return files


def _most_units(model: Model) -> int:
    return MAX_UNITS if _value_names(model) is None else MAX_COLUMNS_OF_UNITS


def _choose(wrong: Array, confidence: Array, y: Any) -> Array:
    """Choose samples to draw: errors on each true class in turn, the most confident first, then correct ones."""
    errors = np.flatnonzero(wrong)
    errors = errors[np.argsort(-confidence[errors], kind="stable")]
    seen: Counter[Any] = Counter()
    turns = []
    for label in np.asarray(y)[errors].tolist() if len(errors) else ():
        turns.append(seen[label])
        seen[label] += 1
    errors = errors[np.argsort(turns, kind="stable")][: MAX_SAMPLES // 2]
    rest = np.flatnonzero(~wrong)
    n_rest = min(MAX_SAMPLES - len(errors), len(rest))
    return np.concatenate([errors, rest[np.linspace(0, len(rest) - 1, n_rest).astype(int)]])


def _value_names(model: Model) -> list[str] | None:
    """Return the names of the values that enter the network; None where they are drawn as an image, or have none."""
    return None if model.encoding is None or len(model.input_shape) > 1 else model.encoding.value_names


def _pixel_weights(model: Model) -> Array:
    """Return the weight of each number of a sample in each unit: of encoded ones the first, of unused ones 0."""
    W1: Array = model.parameters["W1"]
    if model.encoding is None:
        return W1
    sizes = np.array([column.n_values for column in model.encoding.columns])
    weights = np.zeros((len(W1), len(sizes)), W1.dtype)
    weights[:, sizes > 0] = W1[:, (np.cumsum(sizes) - sizes)[sizes > 0]]
    return weights


def _signed(number: float) -> str:
    """Write a number with its sign and one place, a true minus before negative ones."""
    return f"{round(number, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")


def _as_image(values: Array, shape: tuple[int, ...]) -> Array:
    """Return one sample's values as an image, grey or with three colours; other shapes become one row."""
    is_image = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    return values.reshape(shape) if is_image else values.reshape(1, -1)


def _columns(n: int) -> int:
    """Return the number of images in a row of a mosaic of n."""
    return max(_LEAST_COLUMNS, math.ceil(math.sqrt(n)))


def _mosaic_size(n: int, margin: float) -> tuple[float, float]:
    """Return width and height in inches of a mosaic of n images, with a margin for what is beside it."""
    columns = _columns(n)
    return max(7.0, 1.3 * columns + margin), 1.45 * math.ceil(n / columns) + 0.8


def _draw_mosaic(
    ax: "Axes", images: list[Array], titles: list[str], colors: Sequence[str] | None = None, **shades: Any
) -> "AxesImage":
    """Draw images of one shape in a grid, each with a title, as one picture with one scale of colours."""
    height, width = images[0].shape[:2]
    columns = _columns(len(images))
    title_height = math.ceil(max(6.0, 0.28 * width)) if height > 1 else 1
    size = math.ceil(len(images) / columns) * (height + title_height), columns * (width + _GAP) - _GAP
    mosaic = np.full((*size, *images[0].shape[2:]), np.nan if images[0].ndim == 2 else 1.0, np.float32)
    for index, (image, title, color) in enumerate(zip(images, titles, colors or ["black"] * len(images), strict=True)):
        row, column = divmod(index, columns)
        top, left = row * (height + title_height) + title_height, column * (width + _GAP)
        mosaic[top : top + height, left : left + width] = image
        ax.text(left + width / 2, top - 1, title, ha="center", va="bottom", fontsize=7, color=color, **_PLAIN)
    ax.set_anchor("N")
    drawn = ax.imshow(mosaic, interpolation="nearest", aspect="equal" if height > 1 else "auto", **shades)
    ax.set_axis_off()
    return drawn


def _draw_columns(ax: "Axes", weights: Array, names: list[str], titles: list[str]) -> "AxesImage":
    """Draw weights (values, units) as a picture with a named row for each value and a column for each unit."""
    largest = np.abs(weights).max(axis=1)
    shown = np.sort(np.argsort(-largest, kind="stable")[:MAX_VALUES])
    limit = float(largest.max()) or 1.0
    image = ax.imshow(weights[shown], cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    labels = [shorten(names[value], _NAME_LENGTH) for value in shown]
    ax.set_yticks(range(len(shown)), labels, fontsize=7, **_PLAIN)
    ax.set_xticks(range(len(titles)), titles, fontsize=7, rotation=90 if len(titles) > 12 else 0)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    return image


def _scale_by_range(ax: "Axes", values: Sequence[float]) -> None:
    """Make the vertical scale logarithmic, with plain numbers, if positive values span more than a factor of ten."""
    positive = [value for value in values if value > 0]
    if positive and max(positive) > 10 * min(positive):
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:e}"[0] in "25" else "")
        ax.set_ylabel(f"{ax.get_ylabel()} (log scale)")
