"""Adam on mini-batches."""

from dataclasses import dataclass

from twolayer.aliases import Array
from twolayer.engines.rules import AdamRule
from twolayer.parameters import Parameters
from twolayer.solvers.batches import MiniBatches
from twolayer.solvers.schedules import Schedule


@dataclass(frozen=True)
class Moments:
    """Means of the gradient and of its square, decaying; updates and passes over the samples so far."""

    first: Array
    second: Array
    n_updates: int
    n_passes: int


class Adam(MiniBatches):
    """Adam (Kingma and Ba, 2015) on mini-batches; with weight decay AdamW (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    learning_rate : float
    batch_size : int
    random_state : int
    schedule : Schedule, optional
    weight_decay : float
        As for `Rule`.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        batch_size: int = 200,
        random_state: int = 0,
        schedule: Schedule | None = None,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            AdamRule(weight_decay), Moments, learning_rate, batch_size, random_state, schedule or Schedule()
        )

    def check(self, state: Moments, start: Parameters) -> None:
        """Check that the moments belong to the parameters."""
        super().check(state, start)
        if (state.second < 0).any():
            raise ValueError("its solver's moments or counts are invalid")
