"""Integrated gradients of a network with one hidden layer, in closed form.

Along the straight path from a baseline x' to a sample x, each unit's pre-activation moves from z' to z in a straight
line, too. So the mean slope of the unit on the path is q = (s(z) - s(z')) / (z - z'), and the share of a value is

    (x_i - x'_i) sum_j W2_j W1_ji q_j,

for any activation and without a sum over steps. The shares add up to the difference of the logits.

Source: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017, for the integral.
"""

import numpy as np

from twolayer.aliases import Array
from twolayer.equations import ACTIVATIONS
from twolayer.explain.view import View

_NEAR = 0.02  # so near, a difference of activations has lost digits, and three Gauss points of the slope have none
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(3)


def mean_slopes(activation: str, Z: Array, Z0: Array) -> Array:
    """Return the mean slope of an activation between pre-activations: (s(z) - s(z')) / (z - z').

    Parameters
    ----------
    activation : str
    Z, Z0 : arrays of shapes that go together

    Returns
    -------
    array of their common shape
    """
    unit = ACTIVATIONS[activation]
    step = Z - Z0
    near = np.abs(step) < (0 if activation == "relu" else _NEAR)  # rectified differences are exact
    near |= step == 0
    slopes: Array = (unit.function(Z) - unit.function(Z0)) / np.where(near, 1.0, step)
    if near.any():
        start, length = np.broadcast_to(Z0, near.shape)[near], step[near]
        at = start + length * (_NODES[:, None] + 1) / 2
        slopes[near] = _WEIGHTS @ unit.derivative(at) / 2
    return slopes


def integrate(view: View, values: Array, baseline: Array) -> Array:
    """Return the shares of the features in the logits.

    Parameters
    ----------
    view : View
    values : array of shape (m, n_inputs)
    baseline : array of shape (k, n_inputs)
        The mean of the shares from each of its rows is returned: expected gradients.

    Returns
    -------
    array of shape (m, n_y, n_features)
    """
    shares = np.zeros((len(values), len(view.W2), view.n_features))
    Z = view.hidden(values)
    for row in baseline:
        slopes = mean_slopes(view.model.activation, Z, view.hidden(row[None]))
        step = values - row
        for output, weights in enumerate(view.W2):
            shares[:, output] += view.pool(step * ((weights * slopes) @ view.W1))
    return shares / len(baseline)


def integrate_units(view: View, row: Array, baseline: Array) -> Array:
    """Return the shares of the features in the activation of each hidden unit, for one sample and one baseline.

    Parameters
    ----------
    view : View
    row, baseline : arrays of shape (n_inputs,)

    Returns
    -------
    array of shape (n_h, n_features)
    """
    slopes = mean_slopes(view.model.activation, view.hidden(row), view.hidden(baseline))
    return view.pool(slopes[:, None] * view.W1 * (row - baseline))
