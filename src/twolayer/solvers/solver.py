"""What a solver is: it makes steps, asks for evaluations on the way, and knows nothing of samples.

A step is a generator: it yields a `Trial`, is sent the evaluation there, and returns where it went. Or it yields a
`Descent`, a whole pass over mini-batches, and is sent where that went, or NotImplemented. So one loop drives one
solver, or many side by side. A solver itself holds settings alone; what it remembers from step to step is its
state, a frozen value that it makes and checks.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.objective import Descent, Evaluation
from twolayer.parameters import Parameters


@dataclass(frozen=True)
class Trial:
    """Parameters at which a solver asks for an evaluation: of all samples, or of a mini-batch of `rows`."""

    parameters: Parameters
    rows: Array | None = None


@dataclass(frozen=True)
class Moved:
    """Where a step went: the next parameters, what the solver remembers, and the evaluation there, if it is known."""

    parameters: Parameters
    state: Any
    evaluation: Evaluation | None = None


Steps = Generator[Trial | Descent, Any, Moved | None]  # is sent an Evaluation for the one, Descended for the other
Step = Moved | Steps | None


class Solver(Protocol):
    """One step at a time from the parameters at hand to better ones."""

    needs_gradient: bool  # whether a step begins from the gradient over all samples

    def begin(self, start: Parameters) -> Any:
        """Return what the solver remembers before the first step: a frozen value of numbers and arrays."""

    def check(self, state: Any, start: Parameters) -> None:
        """Check a state that was read from a file; ValueError if it is not one of this solver's for such parameters."""

    def step(self, state: Any, parameters: Parameters, evaluation: Evaluation, blocks: tuple[int, ...]) -> Step:
        """Return where a step goes, None if none lowers the cost any further, or a generator that returns one of these.

        The state is what the solver remembers, the evaluation that at the parameters, where it stands; `blocks` are
        numbers of samples that are read together: each mini-batch is of one block.
        """


def dot(a: Array, b: Array) -> float:
    """Return the scalar product, not by BLAS: its threads would wait in a loop where the objective's are to run."""
    return float(np.einsum("i,i->", a, b))


def check_vector(vector: Array, start: Parameters, dtype: Any) -> None:
    """Check that a vector of a state belongs to parameters; ValueError if it does not."""
    if vector.shape != start.vector.shape or vector.dtype != dtype:
        raise ValueError("its solver's arrays have another shape or type")
