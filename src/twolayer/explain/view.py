"""A model as explanations see it: in double precision, with the features that a person knows its values by."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.encoding import CategoryColumn, Column, NumberColumn
from twolayer.equations import ACTIVATIONS, OUTPUTS
from twolayer.errors import DataError, SettingError
from twolayer.model import Model, to_probabilities
from twolayer.text import join

_MOST_ROWS = 100  # of a background
_HALF = 0.5


@dataclass(frozen=True)
class View:
    """A model in float64. A feature is a column of a table or a number of a sample, however many values encode it.

    Attributes
    ----------
    model : Model
    W1, b1, W2, b2 : arrays of shape (n_h, n_inputs), (n_h,), (n_y, n_h), (n_y,)
    sizes : array of int of shape (n_features,)
        How many of the values that enter the network belong to each feature; they stand beside each other.
    """

    model: Model
    W1: Array
    b1: Array
    W2: Array
    b2: Array
    sizes: Array

    @classmethod
    def of(cls, model: Model) -> Self:
        """Return the view of a model."""
        W1, b1, W2, b2 = (np.asarray(model.parameters[name], np.float64) for name in ("W1", "b1", "W2", "b2"))
        sizes = [1] * model.n_inputs
        if model.encoding is not None:
            sizes = [sum(column.n_values for column in field) for field in model.encoding.fields]
        return cls(model, W1, b1[:, 0], W2, b2[:, 0], np.array(sizes))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each feature: that of a column; x0, x1, ... or pixel 0,0 by its place."""
        if self.model.table is not None:
            return tuple(field[0].name for field in self.model.table.fields)
        shape = self.model.input_shape
        if len(shape) == 1:
            return tuple(f"x{place}" for place in range(shape[0]))
        return tuple(f"pixel {','.join(map(str, place))}" for place in itertools.product(*map(range, shape)))

    @property
    def outputs(self) -> tuple[Label, ...]:
        """The class that each logit is of: with one output the second class."""
        return self.model.classes[1:] if len(self.W2) == 1 else self.model.classes

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.sizes)

    def activate(self, Z: Array) -> Array:
        """Return the activations of hidden units."""
        A: Array = ACTIVATIONS[self.model.activation].function(Z)
        return A

    def read(self, X: Any) -> Array:
        """Return the values that enter the network, (m, n_inputs), in float64."""
        values: Array = self.model.encode(X).astype(np.float64)
        return values

    def hidden(self, values: Array) -> Array:
        """Return Z1, (m, n_h), of values that enter the network."""
        Z: Array = values @ self.W1.T + self.b1
        return Z

    def logits(self, values: Array) -> Array:
        """Return Z2, (m, n_y), of values that enter the network."""
        Z: Array = self.activate(self.hidden(values)) @ self.W2.T + self.b2
        return Z

    def probabilities(self, Z: Array) -> Array:
        """Return the probability of each class, (m, n_classes), of hidden pre-activations Z1."""
        Z2 = self.W2 @ self.activate(Z).T + self.b2[:, None]
        return to_probabilities(OUTPUTS[self.model.output](Z2).T, self.model.output)

    def pool(self, shares: Array) -> Array:
        """Add up what belongs to the values of each feature, along the last axis."""
        if self.sizes.max() == 1 == self.sizes.min():
            return shares
        pooled = np.zeros((*shares.shape[:-1], self.n_features))
        used = self.sizes > 0
        if used.any():
            pooled[..., used] = np.add.reduceat(shares, self._starts[used], axis=-1)
        return pooled

    def spread(self, chosen: Array) -> Array:
        """Return for each value what is given for its feature, along the last axis."""
        return np.repeat(chosen, self.sizes, axis=-1)

    def span(self, feature: int) -> slice:
        """Return where the values of a feature stand."""
        start = int(self._starts[feature])
        return slice(start, start + int(self.sizes[feature]))

    def find(self, feature: str | int) -> int:
        """Return the place of a feature that is given by its name or its place.

        Raises
        ------
        SettingError
            If there is none.
        """
        place = self.names.index(feature) if feature in self.names else feature
        if isinstance(place, str) or not 0 <= place < self.n_features:
            raise SettingError(f"The model has no `column` {feature!r}: it has {join(self.names, 12)}.")
        return place

    def describe(self, row: Array) -> list[str]:
        """Return in words what each feature of one row of values is: a number, a category, or missing."""
        encoding = self.model.encoding
        if encoding is None:
            return [f"{value:.4g}" for value in row * self.model.scale]
        words = []
        for feature, field in enumerate(encoding.fields):
            words.append(_describe(field, row[self.span(feature)]))
        return words

    def to_numbers(self, feature: int, points: Array) -> Array:
        """Return the numbers that encoded ones, (n_points, n_values) of a feature, were made of."""
        encoding = self.model.encoding
        if encoding is None:
            return points[:, 0] * self.model.scale
        column = encoding.fields[feature][0]
        assert isinstance(column, NumberColumn)
        return np.array([_number(column, float(value)) for value in points[:, 0]])

    def baseline(self, choice: Any, values: Array, codes: Array | None = None) -> Array:
        """Return the rows of values that shares are counted from; where there are several, their mean is meant.

        Parameters
        ----------
        choice : str or array
            "mean", the mean of the samples; "zero", every value 0; "class:A", the mean of those of a class; "row:N",
            one of them; "data", up to 100 of them, evenly spread; else rows as `Model.outputs` takes them.
        values : array of shape (m, n_inputs)
            Of the samples.
        codes : array of int of shape (m,), optional
            The place of each sample's class.

        Raises
        ------
        SettingError
            If there is no such baseline.
        DataError
            If its rows do not fit the model, or the samples have no labels.
        """
        if not isinstance(choice, str):
            rows = self.read(choice)
            if not len(rows):
                raise DataError("A baseline needs at least one row.")
            return rows
        kind, _, name = choice.partition(":")
        if choice == "zero":
            return np.zeros((1, values.shape[1]))
        if kind == "class":
            values = values[self._of_class(name, codes)]
        elif kind == "row":
            number = find_row(name, len(values), "baseline")
            return values[number : number + 1]
        elif choice == "data":
            some: Array = values[np.linspace(0, len(values) - 1, min(len(values), _MOST_ROWS)).astype(int)]
            return some
        elif choice != "mean":
            raise SettingError(f"`baseline` must be mean, zero, data, class:LABEL or row:NUMBER; got {choice!r}.")
        mean: Array = values.mean(axis=0, keepdims=True)
        return mean

    def _of_class(self, name: str, codes: Array | None) -> Array:
        """Tell which samples are of a class."""
        labels = [str(label) for label in self.model.classes]
        if name not in labels:
            raise SettingError(f"`baseline` names a class {name!r} that the model has not: it has {join(labels)}.")
        if codes is None:
            raise DataError("A `baseline` of a class needs samples with labels: choose mean, zero or row:NUMBER.")
        chosen: Array = codes == labels.index(name)
        if not chosen.any():
            raise DataError(f"There is no sample of the class {name}: choose another `baseline`.")
        return chosen

    @cached_property
    def _starts(self) -> Array:
        """Where the values of each feature begin."""
        starts: Array = np.cumsum(self.sizes) - self.sizes
        return starts


def find_row(row: Any, n_rows: int, setting: str = "row") -> int:
    """Return the number of a row, or raise a SettingError that says which there are."""
    try:
        number = int(row)
    except ValueError:
        number = -1
    if not 0 <= number < n_rows:
        raise SettingError(f"`{setting}` must be the number of a sample, from 0 to {n_rows - 1:,}; got {row}.")
    return number


def _describe(field: Sequence[Column], values: Array) -> str:
    """Return in words the value of a column, or of the parts of a date."""
    words, start = [], 0
    for column in field:
        end = start + column.n_values
        if isinstance(column, CategoryColumn):
            words.append(_category(column, values[start:end]))
        elif isinstance(column, NumberColumn):
            number = f"{_number(column, float(values[start])):.4g}"
            missing = column.flagged and values[end - 1] > _HALF
            words.append("missing" if missing else f"{column.part} {number}".strip())
        start = end
    return "missing" if "missing" in words else ", ".join(words)


def _number(column: NumberColumn, value: float) -> float:
    """Return the number that a value was made of."""
    if column.clip:
        share = min(abs(value) / column.clip, 1 - 1e-7)  # what is farther is not told apart
        value = math.copysign(column.clip * share / math.sqrt(1 - share**2), value)
    return column.mean + column.deviation * value


def _category(column: CategoryColumn, values: Array) -> str:
    """Return the category that values stand for, or the most frequent one of a mean."""
    if not len(values) or not values.any():
        return "other"
    place = int(values.argmax())
    names = [*column.levels, *["other"] * column.rare, *["missing"] * column.flagged]
    share = float(values[place])
    return names[place] if share > 1 - 1e-6 else f"{names[place]} ({100 * share:.0f} %)"
