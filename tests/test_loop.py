"""The loop: its epochs are the assignment's iterations, and every end has a status."""

import contextlib
import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import coded, timeless
from twolayer import course
from twolayer.data.rows import ArrayRows
from twolayer.engines.kernel import load_kernel
from twolayer.engines.objective import Task, make_objective
from twolayer.errors import SettingError
from twolayer.parameters import Parameters, Sizes, random_start
from twolayer.solvers import LBFGS, Adam, AutomaticDescent, GradientDescent, Momentum
from twolayer.training.loop import Training, Validation, drive
from twolayer.training.result import Status
from twolayer.training.stop import StopRequest

X = np.random.default_rng(0).standard_normal((40, 2))
LABELS = coded(X[:, 0] > X[:, 1])
START = random_start(Sizes(2, 3, 1), "float64", 1)
GD = GradientDescent(1.0)


def objective(rows=slice(None), dtype="float64", **task):
    """Return the objective of some of forty samples that a line divides."""
    return make_objective(X[rows].astype(dtype), replace(LABELS, codes=LABELS.codes[rows]), Task(**task), dtype=dtype)


def train(of=None, solver=GD, start=START, max_iter=30, stop=None, **options):
    """Train one network."""
    return drive([Training(of or objective(), solver, start, max_iter, **options)], stop)[0]


def narrow():
    """Return objective and start in float32, whose range a step of 1e308 leaves at once."""
    return {"of": objective(dtype="float32"), "start": Parameters(START.vector.astype(np.float32), START.sizes)}


def measure(of, parameters):
    """Return the evaluation of parameters, without a gradient."""
    return of.evaluate([parameters], gradient=False)[0]


def counted(of):
    """Return the objective with a list of what is asked of it: True for a gradient, "rows", or a "pass" over those."""
    asked, evaluate, descend = [], of.evaluate, of.descend

    def count(networks, *, gradient, rows=None, **options):
        asked.append("rows" if rows is not None else gradient)
        return evaluate(networks, gradient=gradient, rows=rows, **options)

    def count_passes(*arguments):
        found = descend(*arguments)
        asked.extend([] if found is NotImplemented else ["pass"])
        return found

    of.evaluate, of.descend = count, count_passes
    return of, asked


def test_the_epochs_are_the_assignments_iterations():
    """The costs are those that `train_loop` prints, the parameters those that it returns, bit by bit."""
    np.random.seed(4)
    start = Parameters.of(course.initialize_parameters(2, 3, 1))
    np.random.seed(4)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        expected = course.train_loop(X.T, LABELS.codes[None].astype(float), 3, 0.5, 10)

    result = train(solver=GradientDescent(0.5), start=start, max_iter=10)

    assert [float(loss) for loss in re.findall(r"Loss = (\S+)", printed.getvalue())] == [e.cost for e in result.history]
    for name, value in expected.items():
        np.testing.assert_array_equal(value, result.parameters[name])


def test_a_finished_training_has_the_figures_of_its_parameters():
    """Cost and right predictions are those of the returned parameters; the test samples count as well."""
    of, test = objective(), objective(slice(7))

    result = train(of, test=test)

    assert (result.status, result.n_iter, len(result.history)) == (Status.FINISHED, 30, 30)
    assert result.cost == measure(of, result.parameters).cost < result.history[0].cost
    assert (result.train_correct, result.n_train) == (measure(of, result.parameters).correct, 40)
    assert (result.test_correct, result.n_test) == (measure(test, result.parameters).correct, 7)
    assert [epoch.iteration for epoch in result.history] == list(range(30))
    assert all(0 <= epoch.test_accuracy <= 1 for epoch in result.history)
    assert result.history[0].seconds <= result.history[-1].seconds <= result.seconds
    assert "for little data" in result.engine


def test_without_test_samples_there_is_no_test_accuracy():
    """None, not zero."""
    result = train(max_iter=1)

    assert (result.test_correct, result.n_test, result.history[0].test_accuracy) == (None, None, None)


def test_a_cost_that_rises_is_reported_with_the_cure():
    """A step too large shows in the sentence of a finished training; a good one has no more to say."""
    assert train().message == "Finished all 30 iterations."
    assert "final cost is higher than the initial one" in train(solver=GradientDescent(1e5)).message
    assert "The cost rose in" in train(solver=GradientDescent(60.0)).message


def test_a_small_gradient_converges():
    """The training ends as soon as no entry of the gradient exceeds the tolerance."""
    of = objective()

    result = train(of, max_iter=10_000, tol=1e-2)

    assert result.status == Status.CONVERGED
    assert result.n_iter < 10_000
    assert of.evaluate([result.parameters], gradient=True)[0].largest_slope() <= 1e-2


def test_a_solver_that_can_go_no_lower_has_converged():
    """With a sentence that says so."""
    result = train(objective(l2=1e-2), LBFGS(), max_iter=10_000)

    assert result.status == Status.CONVERGED
    assert "no step lowers the cost any further" in result.message


def test_a_cost_that_is_not_finite_diverges_with_the_last_good_parameters():
    """The parameters that come back have a finite cost, and the sentence says which they are and what to do."""
    result = train(**narrow(), solver=GradientDescent(1e308), max_iter=10)

    assert result.status == Status.DIVERGED
    assert np.isfinite(result.cost)
    assert np.isfinite(result.parameters.vector).all()
    assert len(result.history) == result.n_iter + 1
    assert f"the parameters of iteration {result.n_iter} are kept: use a smaller learning rate" in result.message
    last = train(**narrow(), solver=GradientDescent(1e308), max_iter=result.n_iter + 1)
    assert (last.status, last.n_iter) == (Status.DIVERGED, result.n_iter)


def test_a_start_that_is_not_finite_diverges_at_once():
    """There are no good parameters but the start, which comes back."""
    start = START.moved_to(np.append(START.vector[:-1], np.nan))

    result = train(start=start, max_iter=3)

    assert (result.status, result.n_iter, result.history) == (Status.DIVERGED, 0, [])
    assert "the initial parameters are kept" in result.message
    assert result.parameters is start


def test_each_evaluation_is_spent_once():
    """What a step came to know is not asked for again, and a forward pass is made where no gradient is needed."""
    of, asked = counted(objective())
    train(of, max_iter=10)
    assert asked == [True] * 10 + [False]

    asked.clear()
    result = train(of, AutomaticDescent(), max_iter=10)
    assert 11 <= len(asked) < 25
    assert all(asked)
    assert result.cost < result.history[-1].cost

    asked.clear()
    train(of, Adam(batch_size=20), max_iter=3)
    assert asked == [False, *(["pass"] if load_kernel() else ["rows", "rows"])] * 3 + [False]

    asked.clear()
    kept, of_kept = counted(objective())
    train(of, LBFGS(), max_iter=5, validation=Validation(kept, patience=9))
    assert of_kept == [False] * 6


def solvers():
    """Return solvers, the last of which diverges."""
    return [GD, Momentum(0.5), AutomaticDescent(), LBFGS(), Adam(batch_size=8), GradientDescent(1e308)]


def trainings(of, test=None, max_iter=20, **options):
    """Return a training by each solver, of networks of several sizes."""
    starts = [random_start(Sizes(2, 2 + k, 1), "float64", k) for k in range(6)]
    starts[-1] = starts[-1].moved_to(starts[-1].vector * 1e300)
    return [Training(of, s, p, max_iter, 1e-3, test, **options) for s, p in zip(solvers(), starts, strict=True)]


@pytest.mark.parametrize("rows", [X, ArrayRows(X, 15)], ids=["in memory", "in blocks"])
def test_networks_side_by_side_end_as_alone(rows):
    """Bit by bit: of several sizes, by every solver, one of them diverging and others converging early."""
    of, test = make_objective(rows, LABELS, dtype="float64"), objective(slice(9))

    together = drive(trainings(of, test))

    for training, result in zip(trainings(of, test), together, strict=True):
        (alone,) = drive([training])
        for name in ("status", "n_iter", "test_correct", "message", "cost", "engine"):
            assert getattr(result, name) == getattr(alone, name)
        assert [e.cost for e in result.history] == [e.cost for e in alone.history]
        np.testing.assert_array_equal(result.parameters.vector, alone.parameters.vector)


def test_networks_side_by_side_read_the_samples_once_for_all():
    """Whatever they ask for alike; mini-batches are each one's own."""
    of, asked = counted(objective())
    test, of_test = counted(objective())

    drive([Training(of, GradientDescent(rate), START, 5, test=test) for rate in (0.1, 1.0, 2.0)])

    assert asked == [True] * 5 + [False]
    assert of_test == [False] * 6


@pytest.mark.parametrize("k", range(5))
@pytest.mark.parametrize("patience", [None, 50])
def test_a_training_goes_on_from_a_state_bit_by_bit(k, patience):
    """With any of its states it ends as if it had never stopped, the epochs of earlier iterations among its history."""
    of, events = objective(), []
    scores = {}

    def score(parameters):
        return scores.setdefault(parameters.vector.tobytes(), math.sin(len(scores)))

    options = {"test": objective(slice(9)), "validation": Validation(objective(), score, patience)}
    training = replace(trainings(of, **options)[k], listeners=[events.append])
    (whole,) = drive([training])
    n_told = len(events)
    for event in (events[0], events[4], events[-1]):
        state = replace(event.state, epochs=list(event.state.history))

        (rest,) = drive([replace(training, state=state, listeners=())])

        for name in ("status", "n_iter", "test_correct", "message", "cost", "validation_score"):
            assert getattr(rest, name) == getattr(whole, name)
        assert timeless(rest.history) == timeless(whole.history)
        np.testing.assert_array_equal(rest.parameters.vector, whole.parameters.vector)
        assert rest.seconds >= state.seconds
    assert len(events) == n_told == len(whole.history)


def test_more_iterations_can_be_made():
    """From the state of the result; as many as were made are made already, and fewer are refused."""
    of = objective()
    result = train(of, LBFGS(), max_iter=5)

    further = train(of, LBFGS(), max_iter=9, state=result.state)

    whole = train(of, LBFGS(), max_iter=9)
    assert (further.cost, further.n_iter) == (whole.cost, 9)
    np.testing.assert_array_equal(further.parameters.vector, whole.parameters.vector)
    assert train(of, LBFGS(), max_iter=5, state=result.state).cost == result.cost
    with pytest.raises(SettingError, match="already made 5 iterations: `max_iter` must be at least that, not 3"):
        train(of, LBFGS(), max_iter=3, state=result.state)


def test_the_result_says_what_computed_before():
    """Where another engine goes on; the same one needs no word."""
    events = []
    train(max_iter=5, listeners=[events.append])
    state = events[3].state

    assert train(max_iter=5, state=state).engine == state.engine
    other = train(make_objective(X, LABELS, engine="streamed", dtype="float64"), max_iter=5, state=state).engine
    assert re.fullmatch(r"streamed: .*; before iteration 3 whole: .*", other)


def test_events_come_before_their_step():
    """Each with its epoch and the state that it begins with, the parameters among it: the first is the start."""
    of, told = objective(), []

    train(of, max_iter=3, listeners=[told.append, lambda event: told.append(event.epoch)])

    assert told[0].state.parameters is START
    assert [event.state.iteration for event in told[::2]] == [0, 1, 2]
    for event, epoch in zip(told[::2], told[1::2], strict=True):
        assert event.epoch is epoch
        assert measure(of, event.state.parameters).cost == epoch.cost
        assert len(event.state.history) == epoch.iteration
        assert event.state.seconds == epoch.seconds


def test_any_listener_can_stop():
    """All are told of the iteration, and its step is not made."""
    told = []

    result = train(max_iter=50, listeners=[lambda event: event.epoch.iteration == 6, told.append])

    assert (result.status, result.n_iter, len(result.history)) == (Status.STOPPED_EARLY, 6, 7)
    assert result.message == "Stopped on request at iteration 6."
    assert len(told) == 7


@pytest.mark.parametrize("solver", solvers()[:5], ids=lambda solver: type(solver).__name__)
@given(n=st.integers(0, 30))
def test_a_request_to_stop_is_heard_at_the_next_evaluation(solver, n):
    """Wherever it comes, a result comes back: of the last iteration whose figures are all known."""
    of, test, stop, epochs, calls, late = objective(), objective(slice(9)), StopRequest(), [], [], []

    def asking(evaluate):
        def evaluate_and_ask(*arguments, **options):
            (late if stop.asked else calls).append(options)
            if len(calls) > n:
                stop.ask()
            return evaluate(*arguments, **options)

        return evaluate_and_ask

    of.evaluate, test.evaluate = asking(of.evaluate), asking(test.evaluate)

    result = train(of, solver, max_iter=50, test=test, stop=stop, listeners=[lambda e: epochs.append(e.epoch)])

    assert result.status == Status.INTERRUPTED
    assert len(calls) == n + 1
    assert len(late) <= (0 if epochs else 2)  # the figures of the start, which are not known yet
    assert result.n_iter == (epochs[-1].iteration if epochs else 0)
    assert result.message == f"Interrupted at iteration {result.n_iter} of 50."
    assert result.cost == (epochs[-1].cost if epochs else measure(objective(), START).cost)
    assert result.test_correct == measure(objective(slice(9)), result.parameters).correct


def test_a_request_before_the_start_gives_the_start():
    """With its figures."""
    stop = StopRequest()
    stop.ask()

    results = drive(trainings(objective()), stop)

    assert {(result.status, result.n_iter) for result in results[:5]} == {(Status.INTERRUPTED, 0)}
    assert all(len(result.history) == 0 and result.cost > 0 for result in results[:5])


def test_a_streamed_pass_is_abandoned_between_blocks():
    """The last parameters whose pass was whole come back."""
    stop, reads = StopRequest(), []

    class Asking(ArrayRows):
        def read(self, block):
            reads.append(block)
            if len(reads) == 3 * 8 + 4:
                stop.ask()
            return super().read(block)

    result = train(make_objective(Asking(X, 5), LABELS, dtype="float64"), max_iter=50, stop=stop)

    assert (result.status, result.n_iter) == (Status.INTERRUPTED, 2)
    assert len(reads) == 3 * 8 + 4


def test_an_error_of_a_listener_or_a_score_comes_through():
    """It is the caller's own."""

    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(listeners=[fail])
    with pytest.raises(ZeroDivisionError):
        train(validation=Validation(objective(), fail))


def test_no_trainings_are_no_results():
    """An empty list."""
    assert drive([]) == []


SCORES = st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5, 1.0, float("nan")]), min_size=2, max_size=12)


@given(SCORES, st.integers(1, 4), st.sampled_from([0.0, 0.25, 0.3]))
def test_patience_ends_the_training_and_the_best_parameters_come_back(scores, patience, tol):
    """It ends where none of so many scores rose by more than the tolerance; the first of the best ones is kept."""
    of, asked, told = objective(), iter(scores), []
    validation = Validation(of, lambda _: next(asked), patience, tol)
    known = [[score for score in scores[:k] if score == score] for k in range(len(scores))]  # noqa: PLR0124 - not NaN
    rose = [score > max(before, default=-np.inf) + tol for score, before in zip(scores, known, strict=True)]
    last = len(scores) - 1
    end = next((k for k in range(patience - 1, last) if not any(rose[k - patience + 1 : k + 1])), last)
    numbers = np.array(scores[: end + 1])
    best = end if np.isnan(numbers).all() else int(np.nanargmax(numbers))

    result = train(of, GradientDescent(0.1), max_iter=last, validation=validation, listeners=[told.append])

    assert result.n_iter == best
    assert result.status == (Status.STOPPED_EARLY if end < last else Status.FINISHED)
    assert len(result.history) == (end + 1 if end < last else last)
    assert result.cost == measure(of, result.parameters).cost
    np.testing.assert_equal(result.validation_score, scores[best])
    if best < len(told):
        assert result.parameters is told[best].state.parameters


def test_samples_kept_apart_are_evaluated_at_each_epoch():
    """Their cost and fraction of right predictions are those of the parameters at hand; without patience no more."""
    of, kept, told = objective(slice(7, None)), objective(slice(7)), []

    result = train(of, max_iter=20, validation=Validation(kept), listeners=[told.append])
    plain = train(of, max_iter=20)

    assert (result.status, len(told)) == (Status.FINISHED, 20)
    for event in told:
        there = measure(kept, event.state.parameters)
        assert (event.epoch.validation_cost, event.epoch.validation_score) == (there.cost, there.correct / 7)
    assert result.validation_score == measure(kept, result.parameters).correct / 7
    np.testing.assert_array_equal(plain.parameters.vector, result.parameters.vector)
    assert plain.validation_score is plain.history[0].validation_cost is plain.history[0].validation_score is None


@pytest.mark.parametrize("end", ["interrupted", "stopped early", "converged", "diverged", "finished"])
def test_the_best_parameters_come_back_however_it_ends(end):
    """Those with the best score, not the last ones; the sentence of a divergence names them."""
    solver, stop = GradientDescent(1.0), StopRequest()
    scores, told = iter([0.2, 0.7, *[0.3] * 9000]), []

    def listen(event):
        told.append(event)
        if event.epoch.iteration == 4 and end == "interrupted":
            stop.ask()
        if event.epoch.iteration == 4 and end == "diverged":
            solver.learning_rate = 1e308
        return event.epoch.iteration == 4 and end == "stopped early"

    task = narrow()
    result = train(
        **task,
        solver=solver,
        max_iter=9000 if end != "finished" else 6,
        tol=1e-2 if end == "converged" else 0.0,
        validation=Validation(task["of"], lambda _: next(scores), patience=9000),
        listeners=[listen],
        stop=stop,
    )

    assert (str(result.status), result.n_iter, result.validation_score) == (end, 1, 0.7)
    assert len(told) >= 5
    assert result.parameters is told[1].state.parameters
    assert result.cost == measure(task["of"], result.parameters).cost
    if end == "diverged":
        assert "the parameters of iteration 1 are kept" in result.message


def test_a_validation_that_ends_the_training_says_which_parameters_are_kept():
    """In the sentence for a person."""
    of, scores = objective(), iter([0.1, 0.9, *[0.5] * 99])

    result = train(of, max_iter=99, validation=Validation(of, lambda _: next(scores), patience=5))

    assert "Stopped early at iteration 6: the validation score stopped improving" in result.message
    assert "the parameters of iteration 1 are kept" in result.message
