"""How the gradient of a mini-batch moves parameters: each rule as a formula here, and in minibatch.c once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from twolayer.aliases import Array
from twolayer.parameters import Parameters

_SPECK = 2.0**30  # times the smallest number of full precision: 1e-29 in float32


@dataclass(frozen=True)
class Rule:
    """A rule; what it remembers are vectors in the order of the parameters.

    Attributes
    ----------
    weight_decay : float
        Each update first takes so much, times the rate, off the weights (not the biases), whatever the gradient is.
    n_vectors : int
        How many vectors it remembers.
    """

    weight_decay: float = 0.0
    n_vectors: ClassVar[int]

    def move(
        self, parameters: Parameters, vectors: Sequence[Array], gradient: Array, rate: float, t: int
    ) -> tuple[Parameters, tuple[Array, ...]]:
        """Return where the t-th update goes, and what the rule remembers then."""
        raise NotImplementedError

    def numbers(self, rates: Array, t: int) -> Array:  # noqa: ARG002 - for rules whose updates differ
        """Return what the kernel needs for the updates from the t-th: step, correction, what is kept of the weights."""
        return np.stack([rates, np.ones_like(rates), 1 - rates * self.weight_decay], axis=1)

    def decayed(self, parameters: Parameters, rate: float) -> Array:
        """Return the vector of parameters whose weights have decayed."""
        if not self.weight_decay:
            return parameters.vector
        vector = parameters.vector.copy()
        parts = parameters.sizes.split(vector)
        for name in ("W1", "W2"):
            parts[name] *= 1 - rate * self.weight_decay
        return vector


@dataclass(frozen=True)
class AdamRule(Rule):
    """Adam (Kingma and Ba, 2015); with weight decay AdamW (Loshchilov and Hutter, 2019).

    m <- d1 m + (1 - d1) g;   v <- d2 v + (1 - d2) g^2
    p <- p - rate * (m / (1 - d1^t)) / (sqrt(v / (1 - d2^t)) + epsilon)
    """

    decay1: float = 0.9  # as in the paper
    decay2: float = 0.999
    epsilon: float = 1e-8
    n_vectors: ClassVar[int] = 2

    def move(
        self, parameters: Parameters, vectors: Sequence[Array], gradient: Array, rate: float, t: int
    ) -> tuple[Parameters, tuple[Array, ...]]:
        """Return where the t-th update goes, and the means of the gradient and of its square then."""
        first, second = vectors
        m = without_specks(self.decay1 * first + (1 - self.decay1) * gradient)
        v = without_specks(self.decay2 * second + (1 - self.decay2) * gradient**2)
        step = rate / (1 - self.decay1**t) * m / (np.sqrt(v / (1 - self.decay2**t)) + self.epsilon)
        return parameters.moved_to(without_specks(self.decayed(parameters, rate) - step)), (m, v)

    def numbers(self, rates: Array, t: int) -> Array:
        """Return them, the corrections of the means that begin at 0 among them."""
        numbers, ts = super().numbers(rates, t), np.arange(t, t + len(rates), dtype=float)
        with np.errstate(over="ignore"):  # the loop sees the cost that follows
            numbers[:, 0] /= 1 - self.decay1**ts
        numbers[:, 1] /= 1 - self.decay2**ts
        return numbers


@dataclass(frozen=True)
class MomentumRule(Rule):
    """Nesterov's momentum (1983), in the form that evaluates where it looks ahead.

    v <- momentum v - rate g;   p <- p + momentum v - rate g
    """

    momentum: float = 0.9
    n_vectors: ClassVar[int] = 1

    def move(
        self,
        parameters: Parameters,
        vectors: Sequence[Array],
        gradient: Array,
        rate: float,
        t: int,  # noqa: ARG002 - each update is like the others
    ) -> tuple[Parameters, tuple[Array, ...]]:
        """Return where an update goes, and how the parameters move then."""
        push = rate * gradient
        velocity = without_specks(self.momentum * vectors[0] - push)
        return parameters.moved_to(self.decayed(parameters, rate) + (self.momentum * velocity - push)), (velocity,)


RULES: tuple[type[Rule], ...] = (AdamRule, MomentumRule)  # in the order of minibatch.c


def without_specks(array: Array) -> Array:
    """Return an array, its own entries that are next to nothing made 0.

    What decays step by step comes to numbers so small that processors compute with them many times more slowly.
    """
    array[abs(array) < np.finfo(array.dtype).tiny * _SPECK] = 0
    return array
