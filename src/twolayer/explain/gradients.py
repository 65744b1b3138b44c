"""Is a gradient right? Directional central differences answer for each parameter separately."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.equations import Arrays, back_propagation, find_loss, forward_propagation

TOLERANCE = 1e-5
_EPS = float(np.finfo(np.float64).eps)
_STEP = _EPS ** (1 / 3)  # balances truncation (step^2) and rounding (eps / step)
_ROUNDING = 4 * _EPS  # relative error allowed in one cost


@dataclass(frozen=True)
class GradientCheck:
    """How the gradient of one parameter compares with difference quotients.

    The error is the largest distance between the given slope and the difference quotient over the directions tried,
    relative to the norm of the gradient; rounding alone makes about 1e-8. It agrees if that is within the tolerance,
    beyond what rounding of the cost explains.
    """

    name: str
    error: float
    agrees: bool


def check_gradients(
    cost: Callable[[Arrays], float],
    parameters: Arrays,
    grads: Arrays,
    random: np.random.Generator,
    *,
    n_directions: int = 4,
    tolerance: float = TOLERANCE,
) -> list[GradientCheck]:
    """Compare gradients with central differences (L(p + h d) - L(p - h d)) / 2h along random directions d.

    `cost` is that of given parameters, float64 arrays W1, b1, W2, b2; `grads` are the gradients to check, dW1, db1,
    dW2, db2, at `parameters`. There are `n_directions` for each parameter; `tolerance` is the largest error that
    passes.
    """
    checks = []
    for name, parameter in parameters.items():
        grad = grads["d" + name]
        norm = float(np.linalg.norm(grad))
        errors, excesses = [], []
        for _ in range(n_directions):
            direction = random.standard_normal(parameter.shape)
            h = _STEP / max(1.0, float(np.linalg.norm(direction)))
            high = float(cost({**parameters, name: parameter + h * direction}))
            low = float(cost({**parameters, name: parameter - h * direction}))
            rounding = _ROUNDING * (abs(high) + abs(low)) / h
            distance = abs((high - low) / (2 * h) - float(np.sum(grad * direction)))
            errors.append(distance / norm if norm else distance)
            excesses.append(distance - rounding)
        checks.append(GradientCheck(name, max(errors), max(excesses) <= tolerance * norm))
    return checks


def check_back_propagation(
    X: Any,
    Y: Any,
    parameters: Arrays,
    random: np.random.Generator,
    *,
    activation: str = "sigmoid",
    loss: str = "square",
    sample_weight: Any = None,
) -> list[GradientCheck]:
    """Check `back_propagation` at given samples and parameters.

    Parameters
    ----------
    X : float64 array of shape (n_x, m)
    Y : float64 array of shape (n_y, m), values in [0, 1]
    parameters : dict
        float64 arrays W1, b1, W2, b2.
    random : numpy.random.Generator
        Draws the directions.
    activation, loss, sample_weight
        As for `back_propagation`.

    Returns
    -------
    list of GradientCheck
        One for each parameter.
    """
    kind = find_loss(loss, len(Y))

    def cost(p: Arrays) -> float:
        _, cache = forward_propagation(X, p, activation, kind.output)
        return float(kind.cost(cache, Y, sample_weight))

    _, cache = forward_propagation(X, parameters, activation, kind.output)
    grads = back_propagation(X, Y, parameters, cache, activation=activation, loss=loss, sample_weight=sample_weight)
    return check_gradients(cost, parameters, grads, random)
