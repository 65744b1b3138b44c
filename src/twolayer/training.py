"""The one loop that trains: evaluate, tell, step. Everything else reads its epochs and its result."""

import itertools
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from twolayer.engines.objective import Measure, Objective
from twolayer.equations import Arrays
from twolayer.errors import SettingError
from twolayer.history import Epoch
from twolayer.solvers import Solver

_MANY_RISES = 0.05  # share of steps at which the cost may rise before it is worth a word


class Status(StrEnum):
    """How a training ended."""

    CONVERGED = "converged"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class Result:
    """What a training leaves behind.

    Attributes
    ----------
    parameters : dict
        The last parameters with a finite cost.
    status : Status
        How it ended.
    message : str
        The same in a sentence for a person.
    n_iter : int
        Steps made to reach `parameters`.
    cost : float
        Mean square loss at `parameters`.
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
    """

    parameters: Arrays = field(repr=False)
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


@dataclass(frozen=True)
class _Good:
    """The last parameters with a finite cost: one object, so that an interruption never sees half of it."""

    parameters: Arrays
    measure: Measure | None
    n_iter: int


@dataclass(frozen=True)
class _Look:
    """What a training asks of an objective: parameters to look at, as far as it needs to know."""

    parameters: Arrays
    rows: Any = None
    gradient: bool = False
    of_test: bool = False


_Training = Generator[_Look | Epoch, Any, Result]


def iter_epochs(
    objective: Objective,
    solver: Solver,
    parameters: Arrays,
    *,
    max_iter: int,
    tol: float = 0.0,
    test: Objective | None = None,
) -> Generator[Epoch, bool | None, Result]:
    """Train, yielding an epoch before each step; sending True ends the training early.

    Parameters
    ----------
    objective : Objective
        Of the training samples.
    solver : Solver
        How parameters move.
    parameters : dict
        The start: W1, b1, W2, b2.
    max_iter : int
        Number of steps at most; exactly so many for a fixed step with `tol` 0, if nothing intervenes.
    tol : float
        Converged when no entry of the gradient is larger than this; 0 for never.
    test : Objective, optional
        Of the test samples, measured at each epoch.

    Yields
    ------
    Epoch

    Returns
    -------
    Result
        As the generator's value.

    Raises
    ------
    SettingError
        If `max_iter` is less than 1 or `tol` is negative.
    """
    training = _train(objective, solver, parameters, max_iter, tol, test)
    step: Callable[[], _Look | Epoch] = partial(next, training)
    try:
        while True:
            asked = step()
            try:
                answer = (yield asked) if isinstance(asked, Epoch) else _answer(asked, objective, test)
            except KeyboardInterrupt as interrupt:
                step = partial(training.throw, interrupt)
            else:
                step = partial(training.send, answer)
    except StopIteration as end:
        result: Result = end.value
        return result


def train(
    objective: Objective,
    solver: Solver,
    parameters: Arrays,
    *,
    max_iter: int,
    tol: float = 0.0,
    test: Objective | None = None,
    on_epoch: Callable[[Epoch], bool | None] | None = None,
) -> Result:
    """Train to the end: `iter_epochs` driven, each epoch handed to `on_epoch`, which may return True to stop.

    Ctrl-C, in a step or in `on_epoch`, ends the training as interrupted, with the last good parameters.

    Parameters
    ----------
    objective, solver, parameters, max_iter, tol, test
        As for `iter_epochs`.
    on_epoch : callable, optional
        Called with each epoch.

    Returns
    -------
    Result
    """
    epochs = iter_epochs(objective, solver, parameters, max_iter=max_iter, tol=tol, test=test)
    stop: bool | None = None
    try:
        epoch = next(epochs)
        while True:
            try:
                stop = on_epoch(epoch) if on_epoch else None
            except KeyboardInterrupt as interrupt:
                epoch = epochs.throw(interrupt)
            else:
                epoch = epochs.send(stop)
    except StopIteration as end:
        result: Result = end.value
        return result


def train_many(
    objective: Objective,
    solvers: Sequence[Solver],
    starts: Sequence[Arrays],
    *,
    max_iter: int,
    tol: float = 0.0,
    test: Objective | None = None,
) -> list[Result]:
    """Train several networks side by side; each one's result is its result alone.

    Whenever several of them ask for the gradient over all samples, they are evaluated as one with a wide hidden layer,
    which reads the samples once for all of them. Mini-batches are each network's own.

    Parameters
    ----------
    objective : Objective
        Of the training samples.
    solvers : sequence of Solver
        One for each network: a solver remembers where its network stands.
    starts : sequence of dict
        One for each network; numbers of hidden units may differ.
    max_iter, tol, test
        As for `iter_epochs`.

    Returns
    -------
    list of Result
        In the order of the networks; their times overlap.
    """
    trainings = [
        _train(objective, solver, start, max_iter, tol, test) for solver, start in zip(solvers, starts, strict=True)
    ]
    results: dict[int, Result] = {}
    turns: dict[int, Callable[[], _Look | Epoch]] = {k: partial(next, each) for k, each in enumerate(trainings)}
    while turns:
        asked: dict[int, _Look] = {}
        for k, turn in turns.items():
            try:
                request = turn()
                while isinstance(request, Epoch):
                    request = trainings[k].send(None)
                asked[k] = request
            except StopIteration as end:
                results[k] = end.value
        try:
            answers = _answer_many(asked, objective, test)
        except KeyboardInterrupt as interrupt:
            turns = {k: partial(trainings[k].throw, interrupt) for k in asked}
        else:
            turns = {k: partial(trainings[k].send, answer) for k, answer in answers.items()}
    return [results[k] for k in range(len(trainings))]


def _train(
    objective: Objective, solver: Solver, parameters: Arrays, max_iter: int, tol: float, test: Objective | None
) -> _Training:
    """Train one network: yield what has to be looked at, to be sent the answer, and an epoch before each step."""
    if max_iter < 1 or not 0 <= tol < math.inf:
        raise SettingError(f"Iterations must be at least 1 and the tolerance at least 0; got {max_iter} and {tol}.")
    began = time.perf_counter()
    history: list[Epoch] = []
    evaluation: Any = None
    good = _Good(parameters, None, 0)
    status, message = Status.FINISHED, ""
    with_gradient = solver.needs_gradient or tol > 0
    try:
        for iteration in range(max_iter):
            evaluation = evaluation or (yield _Look(parameters, gradient=with_gradient))
            if not math.isfinite(evaluation.cost):
                status, message = _diverged(iteration)
                break
            good = _Good(parameters, evaluation, iteration)
            test_accuracy = (yield _Look(parameters, of_test=True)).correct / test.n_samples if test else None
            epoch = Epoch(
                iteration=iteration,
                cost=evaluation.cost,
                train_accuracy=evaluation.correct / objective.n_samples,
                test_accuracy=test_accuracy,
                seconds=time.perf_counter() - began,
            )
            history.append(epoch)
            if (yield epoch):
                status, message = Status.STOPPED_EARLY, f"Stopped on request at iteration {good.n_iter:,}."
                break
            if tol and evaluation.largest_slope() <= tol:
                status = Status.CONVERGED
                message = f"Converged: no entry of the gradient is larger than {tol:g} at iteration {good.n_iter:,}."
                break
            moved = yield from _step(solver, parameters, evaluation, objective.n_samples)
            if moved is None:
                status = Status.CONVERGED
                message = f"Converged: no step from iteration {good.n_iter:,} lowers the cost any further."
                break
            parameters, evaluation = moved
        else:
            measure = evaluation or (yield _Look(parameters))
            if math.isfinite(measure.cost):
                good = _Good(parameters, measure, max_iter)
                message = _finished([*(epoch.cost for epoch in history), measure.cost])
            else:
                status, message = _diverged(max_iter)
    except KeyboardInterrupt:
        status, message = Status.INTERRUPTED, f"Interrupted at iteration {good.n_iter:,} of {max_iter:,}."
    train_measure = good.measure or (yield _Look(good.parameters))
    test_measure = (yield _Look(good.parameters, of_test=True)) if test else None
    return Result(
        parameters=good.parameters,
        status=status,
        message=message,
        n_iter=good.n_iter,
        cost=train_measure.cost,
        train_correct=train_measure.correct,
        n_train=objective.n_samples,
        test_correct=test_measure.correct if test_measure else None,
        n_test=test.n_samples if test else None,
        seconds=time.perf_counter() - began,
        engine=objective.engine,
        history=history,
    )


def _step(solver: Solver, parameters: Arrays, evaluation: Any, n_samples: int) -> Generator[_Look, Any, Any]:
    """Make a solver's step, passing on what it asks for."""
    step = solver.step(parameters, evaluation, n_samples)
    try:
        trial = next(step)
        while True:
            trial = step.send((yield _Look(trial.parameters, trial.rows, gradient=True)))
    except StopIteration as end:
        return end.value


def _answer(asked: _Look, objective: Objective, test: Objective | None) -> Measure:
    """Look at parameters."""
    part = objective if not asked.of_test or test is None else test
    part = part if asked.rows is None else part.rows(asked.rows)
    return part.evaluate(asked.parameters) if asked.gradient else part.measure(asked.parameters)


def _answer_many(asked: dict[int, _Look], objective: Objective, test: Objective | None) -> dict[int, Measure]:
    """Look at the parameters of several networks: all that ask for the same of all samples in one pass."""
    answers: dict[int, Measure] = {}
    for of_test, gradient in itertools.product((False, True), repeat=2):
        alike = {k: look for k, look in asked.items() if (look.of_test, look.gradient) == (of_test, gradient)}
        together = {k: look.parameters for k, look in alike.items() if look.rows is None}
        if together:
            part = objective if not of_test or test is None else test
            look_at: Any = part.evaluate_many if gradient else part.measure_many
            answers.update(zip(together, look_at(list(together.values())), strict=True))
    return {k: answers[k] if k in answers else _answer(look, objective, test) for k, look in asked.items()}


def _finished(costs: list[float]) -> str:
    """Say that all iterations were made and, where the cost did not fall steadily, what to do about it."""
    sentence = f"Finished all {len(costs) - 1:,} iterations."
    n_rises = sum(after > before for before, after in itertools.pairwise(costs))
    if costs[-1] > costs[0]:
        return f"{sentence} The cost ended higher than it began: take a smaller learning rate."
    if n_rises > len(costs) * _MANY_RISES:
        return f"{sentence} The cost rose at {n_rises:,} of them: a smaller learning rate may do better."
    return sentence


def _diverged(iteration: int) -> tuple[Status, str]:
    kept = f"the parameters of iteration {iteration - 1:,} are kept" if iteration else "the start is kept"
    return (
        Status.DIVERGED,
        f"Diverged: the cost is no finite number at iteration {iteration:,}; {kept}: take a smaller learning rate.",
    )
