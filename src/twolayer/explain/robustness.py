"""Whether any change within a radius turns a prediction: proved, or shown by an example."""

import heapq
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.errors import DataError
from twolayer.explain.bounds import SAFETY, Margin, intervals, least_margin, lines_below, margins_of
from twolayer.explain.view import View
from twolayer.model import Model
from twolayer.settings import real

ROBUST, TURNED, UNDECIDED = "robust", "turned by this example", "undecided in the time"
_N_STEPS, _N_STARTS = 20, 4  # of the attack
_RADIUS, _SECONDS = real(0, above=True), real(0, above=True)


@dataclass(frozen=True)
class Robustness:
    """Whether predictions hold for all changes of each value by at most a radius.

    Attributes
    ----------
    verdicts : tuple of str
        For each sample "robust", "turned by this example" or "undecided in the time".
    examples : array of shape (m, n_inputs)
        What turns a prediction, as it enters the network; NaN where nothing was found.
    margins : array of shape (m,)
        A lower bound of the margin: how far the logit of the predicted class stays above all others at least.
    predictions : tuple of int or of str
    """

    verdicts: tuple[str, ...]
    examples: Array
    margins: Array
    predictions: tuple[Label, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many samples have each verdict."""
        return {verdict: self.verdicts.count(verdict) for verdict in (ROBUST, TURNED, UNDECIDED)}


def check_robustness(
    model: Model, X: Any, radius: float, *, limits: tuple[float, float] | None = None, seconds: float = 60.0
) -> Robustness:
    """Decide for each sample whether a change of each value by at most a radius can turn its prediction.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
    radius : float
        Of each value that enters the network: after division by the scale, and encoded.
    limits : tuple of two floats, optional
        Between which values stay: (0, 1) for images.
    seconds : float
        After which what is not decided is left so.

    Returns
    -------
    Robustness

    Raises
    ------
    SettingError
        If the radius or the time is not a number greater than 0.
    DataError
        If samples do not fit the model, or there are none.

    Notes
    -----
    Lines above and below each unit bound the margin (H. Zhang et al., "Efficient neural network robustness
    certification", NeurIPS 2018); what they leave open is split at the pre-activation of the unit that they fit worst,
    and bounded by linear programs. With time enough this ends for each sample that is not exactly on the border.
    """
    view = View.of(model)
    return robustness_for(view, view.read(X), radius, limits=limits, seconds=seconds)


def robustness_for(
    view: View, values: Array, radius: float, *, limits: tuple[float, float] | None = None, seconds: float = 60.0
) -> Robustness:
    """Decide by values that enter the network, as `check_robustness`."""
    radius, seconds = _RADIUS.check("radius", radius), _SECONDS.check("seconds", seconds)
    if not len(values):
        raise DataError("There are no samples: robustness needs some.")
    end = time.monotonic() + seconds
    low, high = values - radius, values + radius
    if limits is not None:
        low, high = np.clip(low, *limits), np.clip(high, *limits)
    low, high = np.minimum(low, values), np.maximum(high, values)  # a sample is in its own box
    centre, reach = (low + high) / 2, (high - low) / 2
    codes = view.probabilities(view.hidden(values)).argmax(axis=1)
    margins, examples = np.full(len(values), np.inf), np.full(values.shape, np.nan)
    turned = np.zeros(len(values), bool)
    for code in np.unique(codes):
        here = np.flatnonzero(codes == code)
        for margin in margins_of(view, int(code)):
            margins[here] = np.minimum(margins[here], least_margin(margin, centre[here], reach[here]))
            open_ = here[(margins[here] <= 0) & ~turned[here]]
            found = _attack(margin, values[open_], low[open_], high[open_])
            hit = margin(found) < 0
            examples[open_[hit]], turned[open_[hit]] = found[hit], True
    for sample in np.flatnonzero((margins <= 0) & ~turned):
        each = [_search(margin, low[sample], high[sample], end) for margin in margins_of(view, int(codes[sample]))]
        example = next((example for _, example in each if example is not None), None)
        if example is not None:
            examples[sample], turned[sample] = example, True
        margins[sample] = min(bound for bound, _ in each)
    verdicts = [TURNED if is_turned else ROBUST if bound > 0 else UNDECIDED
                for is_turned, bound in zip(turned, margins, strict=True)]  # fmt: skip
    return Robustness(tuple(verdicts), examples, margins, tuple(view.model.classes[code] for code in codes))


def _attack(margin: Margin, values: Array, low: Array, high: Array) -> Array:
    """Return for each sample the point of its box with the least margin that steps along the gradient come to."""
    random = np.random.default_rng(0)
    best, least = values.copy(), margin(values) if len(values) else np.zeros(0)
    for start in range(_N_STARTS if len(values) else 0):
        x = values if start == 0 else low + random.random(values.shape) * (high - low)
        for step in range(_N_STEPS):
            corner = np.where(margin.slope(x) > 0, low, high)
            x = corner if step < 3 else x + (corner - x) / (step - 1)
            found = margin(x)
            better = found < least
            best[better], least[better] = x[better], found[better]
    return best


def _search(margin: Margin, low: Array, high: Array, end: float) -> tuple[float, Array | None]:
    """Return a lower bound of the margin over a box, split by split, and an example below 0; None where none is."""
    centre, radius = (low + high) / 2, (high - low) / 2
    z_low, z_high = (part[0] for part in intervals(margin.W1, margin.b1, centre[None], radius[None]))
    bound, x = _program(margin, low, high, z_low, z_high)
    heap = [(bound, 0, z_low, z_high, x)]
    n_made = 1
    while heap and heap[0][0] <= 0:
        bound, _, z_low, z_high, x = heapq.heappop(heap)
        if x is None:
            continue
        for candidate in (x, _attack(margin, x[None], low[None], high[None])[0] if n_made % 8 == 1 else x):
            if margin(candidate[None])[0] < 0:
                return bound, candidate
        if time.monotonic() > end:
            return bound, None
        unit, at = _worst_unit(margin, z_low, z_high, x)
        for side in (0, 1):
            part_low, part_high = z_low.copy(), z_high.copy()
            (part_high if side == 0 else part_low)[unit] = at
            bound, x_part = _program(margin, low, high, part_low, part_high)
            heapq.heappush(heap, (bound, n_made, part_low, part_high, x_part))
            n_made += 1
    return (heap[0][0] if heap else np.inf), None


def _worst_unit(margin: Margin, z_low: Array, z_high: Array, x: Array) -> tuple[int, float]:
    """Return the unit whose line is farthest below it, and where to split its interval."""
    from twolayer.equations import ACTIVATIONS

    z = np.clip(margin.W1 @ x + margin.b1, z_low, z_high)
    slope, intercept = lines_below(margin.activation, margin.a, z_low, z_high)
    gap = margin.a * ACTIVATIONS[margin.activation].function(z) - (slope * z + intercept)
    unit = int(gap.argmax())
    middle = (z_low[unit] + z_high[unit]) / 2
    if margin.activation == "relu" and z_low[unit] < 0 < z_high[unit]:
        return unit, 0.0
    return unit, float((middle + z[unit]) / 2)


def _program(margin: Margin, low: Array, high: Array, z_low: Array, z_high: Array) -> tuple[float, Array | None]:
    """Return a lower bound of the margin where pre-activations are within intervals, and the point that it is for.

    The bound is that of the dual solution, which holds however inexactly it was found; infinite where no point is.
    """
    from scipy.optimize import linprog

    slope, intercept = lines_below(margin.activation, margin.a, z_low, z_high)
    w = slope @ margin.W1
    constant = float(slope @ margin.b1 + intercept.sum() + margin.c)
    A, b = np.r_[margin.W1, -margin.W1], np.r_[z_high - margin.b1, margin.b1 - z_low]
    solved = linprog(w, A, b, bounds=np.c_[low, high], method="highs")
    if solved.status == 2:
        return np.inf, None
    if solved.x is None:
        return -np.inf, np.clip((low + high) / 2, low, high)
    multipliers = np.maximum(-solved.ineqlin.marginals, 0)
    reduced = w + multipliers @ A
    least = np.where(reduced > 0, low, high) @ reduced - multipliers @ b
    size = float(np.abs(reduced) @ np.maximum(np.abs(low), np.abs(high)) + multipliers @ np.abs(b) + abs(constant))
    return float(least + constant - SAFETY * size), np.clip(solved.x, low, high)
