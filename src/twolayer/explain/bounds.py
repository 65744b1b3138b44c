"""Linear bounds of hidden units, and what they say about a margin: how far one logit stays above another.

On an interval of its pre-activation, a unit lies between two lines. Weighted and added up, these are a linear function
of the input below the margin, whose least value over a box is known in closed form.
"""

from dataclasses import dataclass

import numpy as np

from twolayer.aliases import Array
from twolayer.equations import ACTIVATIONS
from twolayer.explain.view import View

_BISECTIONS = 40
_TINY = 1e-100  # instead of the width of an interval that has none
SAFETY = 1e-9  # relative, that rounding may take away


@dataclass(frozen=True)
class Margin:
    """How far the logit of a class is above that of another: a s(W1 x + b1) + c, greater than 0 where the class wins.

    Attributes
    ----------
    W1, b1 : arrays of shape (n_h, n_inputs) and (n_h,)
    a : array of shape (n_h,)
    c : float
    activation : str
    rival : int
        Place of the other class.
    """

    W1: Array
    b1: Array
    a: Array
    c: float
    activation: str
    rival: int

    def __call__(self, values: Array) -> Array:
        """Return the margin of each row of values."""
        margins: Array = ACTIVATIONS[self.activation].function(values @ self.W1.T + self.b1) @ self.a + self.c
        return margins

    def slope(self, values: Array) -> Array:
        """Return the gradient of the margin at each row of values."""
        slopes: Array = (ACTIVATIONS[self.activation].derivative(values @ self.W1.T + self.b1) * self.a) @ self.W1
        return slopes


def margins_of(view: View, code: int) -> list[Margin]:
    """Return the margins of a class over all others."""
    activation = view.model.activation
    if len(view.W2) == 1:
        sign = 1 if code == 1 else -1
        return [Margin(view.W1, view.b1, sign * view.W2[0], sign * float(view.b2[0]), activation, 1 - code)]
    return [
        Margin(view.W1, view.b1, view.W2[code] - view.W2[k], float(view.b2[code] - view.b2[k]), activation, k)
        for k in range(len(view.W2))
        if k != code
    ]


def lines_below(activation: str, a: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return slopes and intercepts of lines below a s(z) on the intervals from low to high, all of one shape."""
    function = ACTIVATIONS[activation].function
    up, down = _line(activation, low, high, below=True), _line(activation, low, high, below=False)
    slope, intercept = (np.where(a >= 0, one, other) for one, other in zip(up, down, strict=True))
    point = low >= high
    slope, intercept = np.where(point, 0.0, slope), np.where(point, function(low), intercept)
    return a * slope, a * intercept


def _line(activation: str, low: Array, high: Array, *, below: bool) -> tuple[Array, Array]:
    """Return slope and intercept of a line below, or above, an activation."""
    if activation == "relu":
        return _line_of_relu(low, high, below=below)
    if below:  # s(-z) is a constant minus s(z): what is below the one is above the other
        slope, intercept = _line(activation, -high, -low, below=False)
        total = 1.0 if activation == "sigmoid" else 0.0
        return slope, total - intercept
    return _line_above(activation, low, high)


def _line_of_relu(low: Array, high: Array, *, below: bool) -> tuple[Array, Array]:
    """Return a line below, or above, a rectified unit."""
    width = np.maximum(high - low, _TINY)
    chord = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, high / width))
    if not below:
        return chord, np.where((low < 0) & (high > 0), -low * chord, 0.0)
    return np.where(high > -low, 1.0, 0.0) * (high > 0), np.zeros_like(low)


def _line_above(activation: str, low: Array, high: Array) -> tuple[Array, Array]:
    """Return a line above a sigmoid or tanh unit, which bends up below 0 and down above it."""
    function, derivative = ACTIVATIONS[activation].function, ACTIVATIONS[activation].derivative
    s_low, s_high = function(low), function(high)
    chord = (s_high - s_low) / np.maximum(high - low, _TINY)
    touch = np.where(low >= 0, (low + high) / 2, 0.0)
    mixed = (low < 0) & (high > 0)
    # where the line from the left end touches the right branch: the slope there is that of the chord to it
    left, right = np.zeros_like(low), np.maximum(high, 0)
    for _ in range(_BISECTIONS):
        middle = (left + right) / 2
        rises = derivative(middle) * (middle - low) > function(middle) - s_low
        left, right = np.where(rises, middle, left), np.where(rises, right, middle)
    touch = np.where(mixed, right, touch)
    straight = (high <= 0) | (mixed & (derivative(high) * (high - low) >= s_high - s_low))
    slope = np.where(straight, chord, derivative(touch))
    intercept = np.where(straight, s_low - chord * low, function(touch) - slope * touch)
    return slope, intercept


def intervals(W1: Array, b1: Array, centre: Array, radius: Array) -> tuple[Array, Array]:
    """Return between which numbers the pre-activations are in boxes of centres and radii (m, n_inputs)."""
    Z, reach = centre @ W1.T + b1, radius @ np.abs(W1).T
    slack = SAFETY * (np.abs(Z) + reach)
    return Z - reach - slack, Z + reach + slack


def least_margin(margin: Margin, centre: Array, radius: Array) -> Array:
    """Return a lower bound of the margin over each box, of centres and radii (m, n_inputs)."""
    low, high = intervals(margin.W1, margin.b1, centre, radius)
    slope, intercept = lines_below(margin.activation, margin.a, low, high)
    w = slope @ margin.W1
    middle = (w * centre).sum(axis=1) + slope @ margin.b1
    reach = (np.abs(w) * radius).sum(axis=1)
    size = np.abs(middle) + reach + np.abs(intercept).sum(axis=1) + abs(margin.c)
    bound: Array = middle - reach + intercept.sum(axis=1) + margin.c - SAFETY * size
    return bound
