"""Stochastic gradient descent: Nesterov's momentum on mini-batches."""

from dataclasses import dataclass

from twolayer.aliases import Array
from twolayer.engines.rules import MomentumRule
from twolayer.solvers.batches import MiniBatches
from twolayer.solvers.schedules import Schedule


@dataclass(frozen=True)
class Rolling:
    """How the parameters move; updates and passes over the samples so far."""

    velocity: Array
    n_updates: int
    n_passes: int


class SGD(MiniBatches):
    """Nesterov's momentum on mini-batches, as `Momentum` has it on all samples.

    Parameters
    ----------
    learning_rate : float
    batch_size : int
    random_state : int
    schedule : Schedule, optional
    weight_decay : float
        As for `Rule`.
    momentum : float
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        batch_size: int = 200,
        random_state: int = 0,
        schedule: Schedule | None = None,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
    ) -> None:
        rule = MomentumRule(weight_decay, momentum)
        super().__init__(rule, Rolling, learning_rate, batch_size, random_state, schedule or Schedule())
