"""How parameters move. A new solver is one class, and one line here."""

from collections.abc import Callable
from typing import Any

from twolayer.settings import AUTO, Settings
from twolayer.solvers.adam import Adam
from twolayer.solvers.descent import AutomaticDescent, GradientDescent, Momentum
from twolayer.solvers.lbfgs import LBFGS
from twolayer.solvers.schedules import Schedule
from twolayer.solvers.sgd import SGD
from twolayer.solvers.solver import Solver


def _rate(settings: Settings, auto: float) -> float:
    return auto if settings.learning_rate == AUTO else float(settings.learning_rate)


def _on_batches(settings: Settings) -> tuple[int, int, Schedule, float]:
    schedule = Schedule(settings.schedule or "constant", settings.max_iter or 1)
    return settings.batch_size or 200, settings.random_state, schedule, settings.weight_decay


SOLVERS: dict[str, Callable[[Settings], Any]] = {
    "lbfgs": lambda _: LBFGS(),
    "gd": lambda s: AutomaticDescent() if s.learning_rate == AUTO else GradientDescent(float(s.learning_rate)),
    "momentum": lambda s: Momentum(_rate(s, 1.0)),
    "adam": lambda s: Adam(_rate(s, 0.01), *_on_batches(s)),
    "sgd": lambda s: SGD(_rate(s, 0.1), *_on_batches(s)),
}


def make_solver(settings: Settings) -> Solver:
    """Return the solver that settings ask for."""
    solver: Solver = SOLVERS[settings.solver_name](settings)
    return solver
