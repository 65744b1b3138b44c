"""Watches a training while it runs, and says when it goes wrong."""

import math
from typing import TYPE_CHECKING

from twolayer.errors import SettingError

if TYPE_CHECKING:
    from twolayer.training.result import Event

_RISES = 0.4  # of the last iterations, from which the step is too large
_STUCK = 1e-4  # relative fall of the cost over so many iterations, below which it stands still


class Watch:
    """A listener for `fit_model(..., on_event=...)` that knows when a training goes wrong.

    Parameters
    ----------
    stop : bool
        Whether the training is ended then.
    patience : int
        Number of iterations that are looked at together, at least 5.

    Attributes
    ----------
    finding : str or None
        "step-too-large", "stuck", or None as long as all is well: names of the doctor's, but for "stuck", of which
        `diagnose` finds the cause.
    iteration : int or None
        When it was found.

    Raises
    ------
    SettingError
        If `patience` is no such number.
    """

    def __init__(self, *, stop: bool = False, patience: int = 20) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 5:
            raise SettingError(f"`patience` must be a whole number of at least 5; got {patience}.")
        self.stop, self.patience = stop, patience
        self.finding: str | None = None
        self.iteration: int | None = None
        self._costs: list[float] = []
        self._rises = 0

    def __call__(self, event: "Event") -> bool:
        """Look at the cost of an iteration; return whether the training is to end."""
        cost, costs = float(event.epoch.cost), self._costs
        self._rises += bool(costs) and cost > costs[-1]
        costs.append(cost)
        if len(costs) > self.patience + 1:
            self._rises -= costs[1] > costs[0]
            del costs[0]
        if self.finding is None and len(costs) > self.patience:
            if not math.isfinite(cost) or self._rises > _RISES * self.patience:
                self.finding = "step-too-large"
            elif event.epoch.iteration == self.patience and costs[0] - min(costs) < _STUCK * abs(costs[0]):
                self.finding = "stuck"
            if self.finding:
                self.iteration = event.epoch.iteration
        return self.stop and self.finding is not None
