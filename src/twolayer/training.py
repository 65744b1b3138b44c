"""The one loop that trains: evaluate, tell, step. Everything else reads its epochs and its result."""

import itertools
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any

from twolayer.engines.objective import Measure, Objective
from twolayer.equations import Arrays
from twolayer.errors import SettingError
from twolayer.history import Epoch
from twolayer.solvers import Solver
from twolayer.solvers import State as SolverState

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
    validation_score : float or None
        That of `parameters` on the validation samples; None where there are none.
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
    validation_score: float | None = None


@dataclass(frozen=True)
class Validation:
    """Samples kept apart, on which parameters are judged before each step.

    Attributes
    ----------
    objective : Objective
        Of these samples.
    score : callable, optional
        Parameters in, a number out, more is better; the share of right predictions when not given.
    patience : int, optional
        Stop when the score has not risen by more than `tol` for so many iterations in a row, and return the parameters
        with the best one; without it the score is only kept.
    tol : float
        What counts as a rise.
    """

    objective: Objective
    score: Callable[[Arrays], float] | None = None
    patience: int | None = None
    tol: float = 0.0


@dataclass(frozen=True)
class Good:
    """Parameters with a finite cost: one object, so that an interruption never sees half of it."""

    parameters: Arrays
    measure: Measure | None
    n_iter: int
    validation_cost: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Wait:
    """How the wait for a better validation score stands.

    Attributes
    ----------
    best : Good or None
        The parameters with the best score; None before there are any, and where nobody waits.
    bar : float
        The score to beat.
    waited : int
        Iterations in a row without a better one.
    """

    best: Good | None = None
    bar: float = -math.inf
    waited: int = 0


@dataclass(frozen=True)
class TrainingState:
    """All that a training needs to go on, bit by bit, from the beginning of an iteration.

    Attributes
    ----------
    iteration : int
        The one that begins, counted from 0.
    parameters : dict
        W1, b1, W2, b2 as they are then.
    solver : dict
        What `get_state` of the solver gave then.
    wait : Wait
    epochs : list of Epoch
        One for each iteration before this one; the training may add later ones behind them.
    seconds : float
        Time the training took so far, s.
    engine : str
        What computed so far.
    """

    iteration: int
    parameters: Arrays = field(repr=False)
    solver: SolverState = field(repr=False)
    wait: Wait
    epochs: list[Epoch] = field(repr=False)
    seconds: float
    engine: str

    @property
    def history(self) -> list[Epoch]:
        """The epochs before this iteration."""
        return self.epochs[: self.iteration]


class _Judge:
    """Keeps the best parameters by their validation score, and says when to stop waiting for better ones."""

    def __init__(self, validation: Validation | None, wait: Wait) -> None:
        self._validation, self.wait = validation, wait

    def judge(self, good: Good) -> Generator["_Look", Any, tuple[Good, bool]]:
        """Return parameters with their validation cost and score, and whether the patience is at its end."""
        kept = self._validation
        if kept is None:
            return good, False
        measure = yield _Look(good.parameters, kept.objective)
        score = measure.correct / kept.objective.n_samples if kept.score is None else float(kept.score(good.parameters))
        good = replace(good, validation_cost=measure.cost, score=score)
        if kept.patience is None:
            return good, False
        best, bar, waited = self.wait.best, self.wait.bar, self.wait.waited
        if best is None or best.score is None or math.isnan(best.score) or score > best.score:
            best = good  # some outputs may have no score
        waited = 0 if score > bar + kept.tol else waited + 1
        self.wait = Wait(best, max(bar, score), waited)
        return good, waited >= kept.patience


@dataclass(frozen=True)
class _Look:
    """What a training asks of an objective: parameters to look at, as far as it needs to know."""

    parameters: Arrays
    objective: Objective
    rows: Any = None
    gradient: bool = False


_Training = Generator[_Look | Epoch, Any, Result]


def iter_epochs(
    objective: Objective,
    solver: Solver,
    parameters: Arrays,
    *,
    max_iter: int,
    tol: float = 0.0,
    test: Objective | None = None,
    validation: Validation | None = None,
    on_parameters: Callable[[Arrays], None] | None = None,
    state: TrainingState | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
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
    validation : Validation, optional
        Samples that are measured at each epoch and may end the training.
    on_parameters : callable, optional
        Called with the parameters of each epoch before it is yielded.
    state : TrainingState, optional
        Go on from there, with a new solver of the same settings, instead of starting at `parameters`.
    on_state : callable, optional
        Called at the beginning of each iteration with what a later training needs to go on from it. The arrays in it
        stay as they are.

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
        If `max_iter` is less than 1, or not more than the iterations that were made before, or `tol` is negative.
    """
    training = _train(objective, solver, parameters, max_iter, tol, test, validation, on_parameters, state, on_state)
    step: Callable[[], _Look | Epoch] = partial(next, training)
    while True:
        try:
            while True:  # within the try, as Python may interrupt at the end of each round, too
                asked = step()
                answer = (yield asked) if isinstance(asked, Epoch) else _answer(asked)
                step = partial(training.send, answer)
        except KeyboardInterrupt as interrupt:
            if getgeneratorstate(training) == GEN_CLOSED:  # it has ended: the second Ctrl-C
                raise
            step = partial(training.throw, interrupt)
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
    validation: Validation | None = None,
    on_parameters: Callable[[Arrays], None] | None = None,
    state: TrainingState | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
    on_epoch: Callable[[Epoch], bool | None] | None = None,
) -> Result:
    """Train to the end: `iter_epochs` driven, each epoch handed to `on_epoch`, which may return True to stop.

    Ctrl-C, in a step or in `on_epoch`, ends the training as interrupted, with the last good parameters.

    Parameters
    ----------
    objective, solver, parameters, max_iter, tol, test, validation, on_parameters, state, on_state
        As for `iter_epochs`.
    on_epoch : callable, optional
        Called with each epoch.

    Returns
    -------
    Result
    """
    epochs = iter_epochs(
        objective,
        solver,
        parameters,
        max_iter=max_iter,
        tol=tol,
        test=test,
        validation=validation,
        on_parameters=on_parameters,
        state=state,
        on_state=on_state,
    )
    step: Callable[[], Epoch] = partial(next, epochs)
    while True:
        try:
            while True:
                epoch = step()
                stop = on_epoch(epoch) if on_epoch else None
                step = partial(epochs.send, stop)
        except KeyboardInterrupt as interrupt:
            if getgeneratorstate(epochs) == GEN_CLOSED:
                raise
            step = partial(epochs.throw, interrupt)
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
            answers = _answer_many(asked)
        except KeyboardInterrupt as interrupt:
            turns = {k: partial(trainings[k].throw, interrupt) for k in asked}
        else:
            turns = {k: partial(trainings[k].send, answer) for k, answer in answers.items()}
    return [results[k] for k in range(len(trainings))]


def _train(
    objective: Objective,
    solver: Solver,
    parameters: Arrays,
    max_iter: int,
    tol: float,
    test: Objective | None,
    validation: Validation | None = None,
    on_parameters: Callable[[Arrays], None] | None = None,
    state: TrainingState | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
) -> _Training:
    """Train one network: yield what has to be looked at, to be sent the answer, and an epoch before each step."""
    state = _begin(objective, solver, parameters, max_iter, tol, state)
    parameters, history, engine = state.parameters, state.history, state.engine
    began = time.perf_counter() - state.seconds
    evaluation: Any = None
    judge = _Judge(validation, state.wait)
    good = Good(parameters, None, state.iteration)
    status, message = Status.FINISHED, ""
    with_gradient = solver.needs_gradient or tol > 0
    try:
        for iteration in range(state.iteration, max_iter):
            evaluation = evaluation or (yield _Look(parameters, objective, gradient=with_gradient))
            if not math.isfinite(evaluation.cost):
                status, message = _diverged(iteration)
                break
            good = Good(parameters, evaluation, iteration)
            if on_state:
                seconds = time.perf_counter() - began
                on_state(TrainingState(iteration, parameters, solver.get_state(), judge.wait, history, seconds, engine))
            good, weary, epoch = yield from _look_around(good, objective, test, judge, began)
            history.append(epoch)
            if on_parameters:
                on_parameters(parameters)
            end = _reason_to_end((yield epoch), judge.wait.best if weary else None, evaluation, tol, iteration)
            moved = None if end else (yield from _step(solver, parameters, evaluation, objective))
            if moved is None:
                status, message = end or (Status.CONVERGED, _no_step(iteration))
                break
            parameters, evaluation = moved
        else:
            last = evaluation or (yield _Look(parameters, objective))
            if math.isfinite(last.cost):
                good = Good(parameters, last, max_iter)
                message = _finished([*(epoch.cost for epoch in history), last.cost])
                good, _ = yield from judge.judge(good)
            else:
                status, message = _diverged(max_iter)
    except KeyboardInterrupt:
        status, message = Status.INTERRUPTED, f"Interrupted at iteration {good.n_iter:,} of {max_iter:,}."
    good = judge.wait.best or good
    try:
        train_measure, test_measure = yield from _look_at_last(good, objective, test)
    except (
        KeyboardInterrupt
    ):  # while what was trained is looked at: it is worth a second look, which can be interrupted
        train_measure, test_measure = yield from _look_at_last(good, objective, test)
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
        engine=engine,
        history=history,
        validation_score=good.score,
    )


def _begin(
    objective: Objective,
    solver: Solver,
    parameters: Arrays,
    max_iter: int,
    tol: float,
    state: TrainingState | None,
) -> TrainingState:
    """Return the state that a training begins with: a new one, or that of an earlier training, taken over."""
    if max_iter < 1 or not 0 <= tol < math.inf:
        raise SettingError(f"Iterations must be at least 1 and the tolerance at least 0; got {max_iter} and {tol}.")
    if state is None:
        return TrainingState(0, parameters, solver.get_state(), Wait(), [], 0.0, objective.engine)
    if state.iteration >= max_iter:
        at = f"The training is at iteration {state.iteration:,} already"
        raise SettingError(f"{at}: give it more than {max_iter:,} iterations.")
    solver.set_state(state.solver)
    if state.engine.startswith(objective.engine):
        return state
    return replace(state, engine=f"{objective.engine}; before iteration {state.iteration:,} {state.engine}")


def _look_around(
    good: Good, objective: Objective, test: Objective | None, judge: _Judge, began: float
) -> Generator[_Look, Any, tuple[Good, bool, Epoch]]:
    """Look at the test and validation samples; return the parameters judged, whether to stop, and the epoch."""
    assert good.measure is not None
    test_accuracy = (yield _Look(good.parameters, test)).correct / test.n_samples if test else None
    good, weary = yield from judge.judge(good)
    assert good.measure is not None
    epoch = Epoch(
        iteration=good.n_iter,
        cost=good.measure.cost,
        train_accuracy=good.measure.correct / objective.n_samples,
        test_accuracy=test_accuracy,
        validation_cost=good.validation_cost,
        validation_score=good.score,
        seconds=time.perf_counter() - began,
    )
    return good, weary, epoch


def _look_at_last(
    good: Good, objective: Objective, test: Objective | None
) -> Generator[_Look, Any, tuple[Measure, Measure | None]]:
    """Look at the training and test samples with the parameters that a training ends with."""
    train_measure = good.measure or (yield _Look(good.parameters, objective))
    return train_measure, (yield _Look(good.parameters, test)) if test else None


def _step(solver: Solver, parameters: Arrays, evaluation: Any, objective: Objective) -> Generator[_Look, Any, Any]:
    """Make a solver's step, passing on what it asks for."""
    step = solver.step(parameters, evaluation, objective.blocks)
    try:
        trial = next(step)
        while True:
            trial = step.send((yield _Look(trial.parameters, objective, trial.rows, gradient=True)))
    except StopIteration as end:
        return end.value


def _answer(asked: _Look) -> Measure:
    """Look at parameters."""
    part = asked.objective if asked.rows is None else asked.objective.rows(asked.rows)
    return part.evaluate(asked.parameters) if asked.gradient else part.measure(asked.parameters)


def _answer_many(asked: dict[int, _Look]) -> dict[int, Measure]:
    """Look at the parameters of several networks: all that ask for the same of all samples in one pass."""
    answers: dict[int, Measure] = {}
    kinds: dict[tuple[int, bool], dict[int, _Look]] = {}
    for k, look in asked.items():
        if look.rows is None:
            kinds.setdefault((id(look.objective), look.gradient), {})[k] = look
        else:
            answers[k] = _answer(look)
    for (_, gradient), alike in kinds.items():
        part = next(iter(alike.values())).objective
        look_at: Any = part.evaluate_many if gradient else part.measure_many
        answers.update(zip(alike, look_at([look.parameters for look in alike.values()]), strict=True))
    return {k: answers[k] for k in asked}


def _finished(costs: list[float]) -> str:
    """Say that all iterations were made and, where the cost did not fall steadily, what to do about it."""
    sentence = f"Finished all {len(costs) - 1:,} iterations."
    n_rises = sum(after > before for before, after in itertools.pairwise(costs))
    if costs[-1] > costs[0]:
        return f"{sentence} The cost ended higher than it began: take a smaller learning rate."
    if n_rises > len(costs) * _MANY_RISES:
        return f"{sentence} The cost rose at {n_rises:,} of them: a smaller learning rate may do better."
    return sentence


def _reason_to_end(
    asked: Any, best: Good | None, evaluation: Any, tol: float, iteration: int
) -> tuple[Status, str] | None:
    """Return why the training ends before the step of an iteration; None if it goes on."""
    if asked:
        return Status.STOPPED_EARLY, f"Stopped on request at iteration {iteration:,}."
    if best is not None:
        kept = f"the parameters of iteration {best.n_iter:,} are kept"
        message = f"Stopped early at iteration {iteration:,}: the validation score rises no more; {kept}."
        return Status.STOPPED_EARLY, message
    if tol and evaluation.largest_slope() <= tol:
        message = f"Converged: no entry of the gradient is larger than {tol:g} at iteration {iteration:,}."
        return Status.CONVERGED, message
    return None


def _no_step(iteration: int) -> str:
    return f"Converged: no step from iteration {iteration:,} lowers the cost any further."


def _diverged(iteration: int) -> tuple[Status, str]:
    kept = f"the parameters of iteration {iteration - 1:,} are kept" if iteration else "the start is kept"
    return (
        Status.DIVERGED,
        f"Diverged: the cost is no finite number at iteration {iteration:,}; {kept}: take a smaller learning rate.",
    )
