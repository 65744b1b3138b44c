"""Where a training stands, and what it leaves."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from twolayer.parameters import Parameters
from twolayer.text import count
from twolayer.training.history import Epoch


class Status(StrEnum):
    """How a training ended."""

    CONVERGED = "converged"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class Point:
    """Parameters, with what all samples tell of them."""

    parameters: Parameters = field(repr=False)
    n_iter: int  # steps made to reach them
    cost: float  # of the training samples, with the penalty
    correct: int  # training samples predicted right
    test_correct: int | None = None  # the same of the test samples
    validation_cost: float | None = None  # of the validation samples, as the score
    score: float | None = None


@dataclass(frozen=True)
class State:
    """All that a training needs to go on from the beginning of an iteration, bit by bit: what a checkpoint holds."""

    iteration: int  # the one that begins, counted from 0
    parameters: Parameters = field(repr=False)  # as they are then
    solver: Any = field(repr=False)  # what the solver remembers then
    best: Point | None = None  # with the best validation score so far; None where nobody waits for a better one
    bar: float = -math.inf  # the score to beat
    waited: int = 0  # iterations in a row without a better one
    epochs: list[Epoch] = field(default_factory=list, repr=False)  # of the iterations before; later ones are added
    seconds: float = 0.0  # time the training took so far, s
    engine: str = ""  # what computed so far

    @property
    def history(self) -> list[Epoch]:
        """The epochs before this iteration."""
        return self.epochs[: self.iteration]


@dataclass(frozen=True)
class Part:
    """Where in the training of a committee an iteration belongs.

    Attributes
    ----------
    member, members : int
        Which network, counted from 1, of how many.
    done : int
        Networks whose training had ended when this one began.
    """

    member: int
    members: int
    done: int


@dataclass(frozen=True)
class Event:
    """An iteration that begins: all that anyone outside the loop learns.

    Attributes
    ----------
    epoch : Epoch
        The figures of the parameters at hand.
    state : State
        From which a later training can go on with this iteration.
    max_iter : int
        Iterations of this training at most.
    part : Part or None
        Where it belongs, where several networks are trained and joined.
    """

    epoch: Epoch
    state: State
    max_iter: int = 0
    part: Part | None = None


Listener = Callable[[Event], bool | None]


class Figure(NamedTuple):
    """A figure of the table at the end of a training."""

    label: str
    text: str  # as the label, for a person
    values: dict[str, Any]  # for a program, by the keys of the JSON output


@dataclass(frozen=True)
class Result:
    """What a training leaves.

    Attributes
    ----------
    parameters : Parameters
        The last ones with a finite cost, or those with the best validation score.
    status : Status
        How it ended.
    message : str
        The same in a sentence for a person.
    n_iter : int
        Steps made to reach `parameters`.
    cost : float
        Cost of the training samples at `parameters`.
    train_correct, n_train : int
        Training samples predicted right, and all of them.
    test_correct, n_test : int or None
        The same of the test samples; None where there are none.
    seconds : float
        Time the training took, s.
    engine : str
        What computed, and why.
    history : list of Epoch
        One entry an iteration.
    validation_score : float or None
        That of `parameters` on the validation samples; None where there are none.
    state : State
        With which the last iteration began.
    """

    parameters: Parameters = field(repr=False)
    status: Status
    message: str
    n_iter: int
    cost: float
    train_correct: int
    n_train: int
    test_correct: int | None
    n_test: int | None
    seconds: float
    engine: str
    history: list[Epoch] = field(repr=False)
    validation_score: float | None = None
    state: State | None = field(default=None, repr=False)
    choices: tuple[Figure, ...] = ()

    def figures(self) -> list[Figure]:
        """Return what is reported at the end: a new figure is one line here."""
        train, n_train = self.train_correct, self.n_train
        test, n_test = self.test_correct, self.n_test
        of_test: dict[str, Any] = {"test_accuracy": None, "test_errors": None, "test_samples": n_test}
        test_text = "no test samples"
        if test is not None and n_test is not None:
            of_test = {"test_accuracy": test / n_test, "test_errors": n_test - test, "test_samples": n_test}
            test_text = _accuracy(test, n_test)
        of_train = {"train_accuracy": train / n_train, "train_errors": n_train - train, "train_samples": n_train}
        return [
            Figure("training", self.message, {"status": str(self.status), "message": self.message}),
            *self.choices,
            Figure("iterations", f"{self.n_iter:,}", {"iterations": self.n_iter}),
            Figure("cost", f"{self.cost:.8f}", {"cost": self.cost}),
            Figure("training accuracy", _accuracy(train, n_train), of_train),
            Figure("test accuracy", test_text, of_test),
            Figure("time", f"{self.seconds:.2f} s", {"seconds": self.seconds}),
            Figure("engine", self.engine, {"engine": self.engine}),
        ]


def _accuracy(n_right: int, n: int) -> str:
    return f"{100 * n_right / n:.2f} %  ({count(n - n_right, 'error')} of {n:,})"
