"""The one loop that trains: evaluate, tell, step. It runs one training, or many side by side."""

import math
import operator
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twolayer.aliases import Array
from twolayer.engines.objective import Descended, Descent, Evaluation, Objective
from twolayer.errors import SettingError
from twolayer.parameters import Parameters
from twolayer.solvers.solver import Moved, Solver
from twolayer.training.history import Epoch
from twolayer.training.result import Event, Listener, Point, Result, State, Status
from twolayer.training.stop import StopRequest

_MANY_RISES = 0.05  # fraction of steps at which the cost may rise before it is worth a word


@dataclass(frozen=True)
class Validation:
    """Samples kept apart, on which parameters are judged before each step.

    With `patience` the training stops when the score has not risen by more than `tol` for so many iterations in a row,
    and returns the parameters with the best one; without it the score is only kept. More is better; when no `score` is
    given, it is the fraction of right predictions. With `by_cost` the cost of these samples is
    judged instead, of which less is better.
    """

    objective: Objective
    score: Callable[[Parameters], float] | None = None
    patience: int | None = None
    tol: float = 0.0
    by_cost: bool = False

    def judge(self, point: Point) -> float | None:
        """Return what is to rise."""
        return -point.validation_cost if self.by_cost and point.validation_cost is not None else point.score


@dataclass(frozen=True)
class Training:
    """One network to train."""

    objective: Objective
    solver: Solver
    start: Parameters
    max_iter: int  # steps at most; exactly so many for a fixed step with `tol` 0, if nothing intervenes
    tol: float = 0.0  # converged when no entry of the gradient is larger; 0 for never
    test: Objective | None = None  # evaluated at each iteration
    validation: Validation | None = None  # evaluated at each iteration; may end the training
    state: State | None = None  # go on from there instead of beginning at `start`
    listeners: Sequence[Listener] = ()  # called before each step; any may return True to stop the training


@dataclass(frozen=True)
class _Ask:
    """What a training asks to be evaluated; a `last` one is answered also after a request to stop."""

    objective: Objective
    parameters: Parameters
    gradient: bool = False
    rows: Array | None = None
    last: bool = False
    descent: Descent | None = None


_Answer = Evaluation | Descended | None
_Run = Generator[_Ask, _Answer, Any]


class _Stopped(Exception):  # noqa: N818 - not an error
    """A request to stop came instead of an evaluation."""


def drive(trainings: Sequence[Training], stop: StopRequest | None = None) -> list[Result]:
    """Train networks to their ends, side by side; each one's result is its result alone.

    Whenever several ask for the same of all samples of one objective, they are evaluated as one with a wide hidden
    layer, which reads the samples once for all of them. Mini-batches are each network's own. `stop` is read between
    evaluations. Ctrl-C asks it, too: the trainings end as interrupted, with the last good parameters. Their times
    overlap.
    """
    stop = stop or StopRequest()
    runs = {k: _train(training) for k, training in enumerate(trainings)}
    answers: dict[int, _Answer] = dict.fromkeys(runs)
    results: dict[int, Result] = {}
    with stop.on_signals():
        while runs:
            asked: dict[int, _Ask] = {}
            for k, run in list(runs.items()):
                try:
                    asked[k] = run.send(answers[k])
                except StopIteration as end:
                    results[k] = end.value
                    del runs[k]
            answers = _answer(asked, stop)
    return [results[k] for k in range(len(trainings))]


def _answer(asked: Mapping[int, _Ask], stop: StopRequest) -> dict[int, _Answer]:
    """Evaluate what trainings ask for, all that ask for the same of all samples in one pass; None once it must stop."""
    answers: dict[int, _Answer] = dict.fromkeys(asked)
    passes: dict[Any, list[int]] = {}
    for k, ask in asked.items():
        own = None if ask.rows is None and ask.descent is None else k
        passes.setdefault((id(ask.objective), ask.gradient, ask.last, own), []).append(k)
    for alike in passes.values():
        ask = asked[alike[0]]
        if stop.asked and not ask.last:
            continue
        ends = (lambda: False) if ask.last else (lambda: stop.asked)
        if ask.descent is not None:
            answers[alike[0]] = ask.objective.descend(ask.descent, ends)
            continue
        networks = [asked[k].parameters for k in alike]
        found = ask.objective.evaluate(networks, gradient=ask.gradient, rows=ask.rows, stop=ends)
        if found is not None:
            answers.update(zip(alike, found, strict=True))
    return answers


def _train(t: Training) -> _Run:
    """Train one network: yield what is to be evaluated, be sent the evaluations, and return the result."""
    state, point, evaluation = _begin(t), None, None
    began = time.perf_counter() - state.seconds
    with_gradient = t.solver.needs_gradient or t.tol > 0
    judged = state
    try:
        while True:
            last_one = state.iteration == t.max_iter
            evaluation = evaluation or (
                yield from _evaluate(_Ask(t.objective, state.parameters, with_gradient and not last_one))
            )
            if not math.isfinite(evaluation.cost):
                status, message = _diverged(state.iteration, judged.best or point)
                break
            point = yield from _look_around(t, state, evaluation)
            judged = _judge(state, point, t.validation)
            if last_one:
                status, message = Status.FINISHED, _finished([*(epoch.cost for epoch in state.epochs), point.cost])
                break
            state = replace(state, seconds=time.perf_counter() - began)
            epoch = _to_epoch(t, point, state.seconds)
            state.epochs.append(epoch)
            wishes = [listener(Event(epoch, state, t.max_iter)) for listener in t.listeners]
            end = _reason_to_end(t, judged, evaluation, asked=any(wishes))
            moved = None if end else (yield from _step(t, state, evaluation))
            if moved is None:
                no_step = f"Converged at iteration {state.iteration:,}: no step lowers the cost any further."
                status, message = end or (Status.CONVERGED, no_step)
                break
            evaluation = moved.evaluation
            state = replace(judged, iteration=state.iteration + 1, parameters=moved.parameters, solver=moved.state)
    except _Stopped:
        n_iter = point.n_iter if point else state.iteration
        status, message = Status.INTERRUPTED, f"Interrupted at iteration {n_iter:,} of {t.max_iter:,}."
    good = judged.best or point or (yield from _look_at_last(t, state))
    return _to_result(t, good, state, status, message, time.perf_counter() - began)


def _begin(t: Training) -> State:
    """Return the state that a training begins with: a new one, or that of an earlier training, taken over."""
    if t.state is None:
        return State(0, t.start, t.solver.begin(t.start), engine=t.objective.engine)
    if t.state.iteration > t.max_iter:
        made = f"Training has already made {t.state.iteration:,} iterations"
        raise SettingError(f"{made}: `max_iter` must be at least that, not {t.max_iter:,}.")
    state = replace(t.state, epochs=t.state.history)
    if state.engine.startswith(t.objective.engine):
        return state
    return replace(state, engine=f"{t.objective.engine}; before iteration {state.iteration:,} {state.engine}")


def _evaluate(ask: _Ask) -> Generator[_Ask, _Answer, Any]:
    """Ask for an evaluation; `_Stopped` if there is to be none."""
    evaluation = yield ask
    if evaluation is None:
        raise _Stopped
    return evaluation


def _look_around(
    t: Training, state: State, evaluation: Evaluation, *, last: bool = False
) -> Generator[_Ask, _Answer, Point]:
    """Evaluate the test and validation samples, too."""
    parameters, test_correct = state.parameters, None
    if t.test:
        test_correct = (yield from _evaluate(_Ask(t.test, parameters, last=last))).correct
    point = Point(parameters, state.iteration, evaluation.cost, evaluation.correct, test_correct)
    if t.validation is None:
        return point
    kept = t.validation
    found = yield from _evaluate(_Ask(kept.objective, parameters, last=last))
    score = found.correct / kept.objective.n_samples if kept.score is None else float(kept.score(parameters))
    return replace(point, validation_cost=found.cost, score=score)


def _look_at_last(t: Training, state: State) -> Generator[_Ask, _Answer, Point]:
    """Evaluate the parameters that a training ends with, where no point was reached."""
    evaluation = yield from _evaluate(_Ask(t.objective, state.parameters, last=True))
    return (yield from _look_around(t, state, evaluation, last=True))


def _judge(state: State, point: Point, validation: Validation | None) -> State:
    """Keep the point if its validation score is the best so far, and count the iterations without a better one."""
    if validation is None or validation.patience is None:
        return state
    score, best = validation.judge(point), state.best
    if score is None:
        return state
    known = None if best is None else validation.judge(best)
    if known is None or math.isnan(known) or score > known:
        best = point  # some parameters may have no score
    waited = 0 if score > state.bar + validation.tol else state.waited + 1
    return replace(state, best=best, bar=max(state.bar, score), waited=waited)


def _step(t: Training, state: State, evaluation: Evaluation) -> Generator[_Ask, _Answer, Moved | None]:
    """Make a solver's step, passing on what it asks for."""
    step = t.solver.step(state.solver, state.parameters, evaluation, t.objective.blocks)
    if step is None or isinstance(step, Moved):
        return step
    try:
        trial = next(step)
        while True:
            if isinstance(trial, Descent):
                ask = _Ask(t.objective, trial.parameters, descent=trial)
            else:
                ask = _Ask(t.objective, trial.parameters, gradient=True, rows=trial.rows)
            trial = step.send((yield from _evaluate(ask)))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _reason_to_end(t: Training, judged: State, evaluation: Evaluation, *, asked: bool) -> tuple[Status, str] | None:
    """Return why the training ends before the step of an iteration; None if it goes on."""
    iteration = judged.iteration
    if asked:
        return Status.STOPPED_EARLY, f"Stopped on request at iteration {iteration:,}."
    patience = t.validation.patience if t.validation else None
    if judged.best is not None and patience is not None and judged.waited >= patience:
        kept = f"the parameters of iteration {judged.best.n_iter:,} are kept"
        message = f"Stopped early at iteration {iteration:,}: the validation score stopped improving; {kept}."
        return Status.STOPPED_EARLY, message
    if t.tol and evaluation.largest_slope() <= t.tol:
        reason = f"every gradient entry is below tol = {t.tol:g}; with a smaller one it may learn more"
        message = f"Stopped at iteration {iteration:,}: {reason}."
        return Status.CONVERGED, message
    return None


def _to_epoch(t: Training, point: Point, seconds: float) -> Epoch:
    """Return the figures of a point for the history."""
    return Epoch(
        iteration=point.n_iter,
        cost=point.cost,
        train_accuracy=point.correct / t.objective.n_samples,
        test_accuracy=None if t.test is None or point.test_correct is None else point.test_correct / t.test.n_samples,
        validation_cost=point.validation_cost,
        validation_score=point.score,
        seconds=seconds,
    )


def _to_result(t: Training, good: Point, state: State, status: Status, message: str, seconds: float) -> Result:
    return Result(
        parameters=good.parameters,
        status=status,
        message=message,
        n_iter=good.n_iter,
        cost=good.cost,
        train_correct=good.correct,
        n_train=t.objective.n_samples,
        test_correct=good.test_correct,
        n_test=t.test.n_samples if t.test else None,
        seconds=seconds,
        engine=state.engine,
        history=state.epochs,
        validation_score=good.score,
        state=state,
    )


def _finished(costs: Sequence[float]) -> str:
    """Say that all iterations were made and, where the cost did not fall steadily, what to do about it."""
    sentence = f"Finished all {len(costs) - 1:,} iterations."
    n_rises = sum(map(operator.lt, costs, costs[1:]))
    if costs[-1] > costs[0]:
        return f"{sentence} The final cost is higher than the initial one: use a smaller learning rate."
    if n_rises > len(costs) * _MANY_RISES:
        return f"{sentence} The cost rose in {n_rises:,} of them: a smaller learning rate may help."
    return sentence


def _diverged(iteration: int, good: Point | None) -> tuple[Status, str]:
    kept = f"the parameters of iteration {good.n_iter:,} are kept" if good else "the initial parameters are kept"
    message = f"Diverged: the cost is not a finite number at iteration {iteration:,}; {kept}: use a smaller learning"
    return Status.DIVERGED, f"{message} rate."
