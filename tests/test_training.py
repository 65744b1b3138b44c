"""The loop: its epochs are the assignment's iterations, and every end has a status."""

import contextlib
import io
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer import course, training
from twolayer.engines.objective import make_objective
from twolayer.equations import initialize_parameters
from twolayer.errors import SettingError
from twolayer.solvers import LBFGS, Adam, AutomaticDescent, GradientDescent, Momentum
from twolayer.training import Status, Validation, iter_epochs, train, train_many


@pytest.fixture
def samples():
    """Return forty samples that a line divides."""
    X = np.random.default_rng(0).standard_normal((2, 40))
    return X, (X[:1] > X[1:]).astype(float)


@pytest.fixture
def start():
    return initialize_parameters(2, 3, 1, np.random.default_rng(1))


def in_single_precision(samples, start):
    """Return objective and start in float32, whose range a step of 1e308 leaves at once."""
    narrow = {name: value.astype(np.float32) for name, value in start.items()}
    return make_objective(*(array.astype(np.float32) for array in samples)), narrow


def test_the_epochs_are_the_assignments_iterations(samples):
    """The costs are those that `train_loop` prints, the parameters those that it returns, bit by bit."""
    X, Y = samples
    np.random.seed(4)
    start = course.initialize_parameters(2, 3, 1)
    np.random.seed(4)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        expected = course.train_loop(X, Y, 3, 0.5, 10)

    result = train(make_objective(X, Y), GradientDescent(0.5), start, max_iter=10)

    assert [float(loss) for loss in re.findall(r"Loss = (\S+)", printed.getvalue())] == [e.cost for e in result.history]
    for name, value in expected.items():
        np.testing.assert_array_equal(value, result.parameters[name])


def test_a_finished_training_tells_the_figures_of_its_parameters(samples, start):
    """Cost and right predictions are those of the returned parameters; the test samples count as well."""
    X, Y = samples
    objective, test = make_objective(X, Y), make_objective(X[:, :7], Y[:, :7])

    result = train(objective, GradientDescent(1.0), start, max_iter=30, test=test)

    assert (result.status, result.n_iter, len(result.history)) == (Status.FINISHED, 30, 30)
    assert result.cost == objective.measure(result.parameters).cost < result.history[0].cost
    assert result.train_correct == objective.measure(result.parameters).correct
    assert (result.test_correct, result.n_test) == (test.measure(result.parameters).correct, 7)
    assert [epoch.iteration for epoch in result.history] == list(range(30))
    assert all(0 <= epoch.test_accuracy <= 1 for epoch in result.history)
    assert result.history[0].seconds <= result.history[-1].seconds <= result.seconds


def test_a_cost_that_rises_is_told_with_the_cure(samples, start):
    """A step too large shows in the sentence of a finished training; a good one has no more to say."""
    objective = make_objective(*samples)

    steady = train(objective, GradientDescent(1.0), start, max_iter=30)
    worse = train(objective, GradientDescent(1e5), start, max_iter=30)
    rising = train(objective, GradientDescent(60.0), start, max_iter=30)

    assert steady.message == "Finished all 30 iterations."
    assert "ended higher than it began" in worse.message
    assert "The cost rose at" in rising.message


def test_without_test_samples_there_is_no_test_accuracy(samples, start):
    """None, not zero."""
    result = train(make_objective(*samples), GradientDescent(1.0), start, max_iter=1)

    assert (result.test_correct, result.n_test, result.history[0].test_accuracy) == (None, None, None)


def test_a_small_gradient_converges(samples, start):
    """The training ends as soon as no entry of the gradient exceeds the tolerance."""
    objective = make_objective(*samples)

    result = train(objective, GradientDescent(1.0), start, max_iter=10_000, tol=1e-2)

    assert result.status == Status.CONVERGED
    assert result.n_iter < 10_000
    assert objective.evaluate(result.parameters).largest_slope() <= 1e-2


def test_a_cost_that_is_not_finite_diverges_with_the_last_good_parameters(samples, start):
    """The parameters that come back have a finite cost, and the sentence says what to do."""
    objective, start = in_single_precision(samples, start)

    result = train(objective, GradientDescent(1e308), start, max_iter=10)

    assert result.status == Status.DIVERGED
    assert np.isfinite(result.cost)
    assert all(np.isfinite(value).all() for value in result.parameters.values())
    assert len(result.history) == result.n_iter + 1
    assert "smaller learning rate" in result.message


def test_the_last_step_is_looked_at_too(samples, start):
    """A training whose only step goes out of range has diverged, not finished."""
    objective, start = in_single_precision(samples, start)
    n_good = train(objective, GradientDescent(1e308), start, max_iter=10).n_iter

    result = train(objective, GradientDescent(1e308), start, max_iter=n_good + 1)

    assert (result.status, result.n_iter) == (Status.DIVERGED, n_good)


def test_a_start_that_is_not_finite_diverges_at_once(samples, start):
    """There are no good parameters but the start, which comes back."""
    result = train(make_objective(*samples), GradientDescent(1.0), {**start, "b2": np.full((1, 1), np.nan)}, max_iter=3)

    assert (result.status, result.n_iter, result.history) == (Status.DIVERGED, 0, [])
    assert "the start is kept" in result.message


def test_a_listener_can_stop(samples, start):
    """Returning True from `on_epoch` ends the training early."""
    result = train(
        make_objective(*samples), GradientDescent(1.0), start, max_iter=50, on_epoch=lambda epoch: epoch.iteration == 6
    )

    assert (result.status, result.n_iter, len(result.history)) == (Status.STOPPED_EARLY, 6, 7)


@pytest.mark.parametrize("where", ["step", "listener", "first evaluation"])
def test_ctrl_c_ends_as_interrupted_with_good_parameters(samples, start, where):
    """Wherever the interruption falls, a result comes back."""
    objective = make_objective(*samples)
    calls = []

    class Interrupted(GradientDescent):
        def step(self, *arguments):
            calls.append(None)
            if where == "step" and len(calls) == 4:
                raise KeyboardInterrupt
            return (yield from super().step(*arguments))

    def listen(epoch):
        if where == "listener" and epoch.iteration == 3:
            raise KeyboardInterrupt

    if where == "first evaluation":
        evaluate = objective.evaluate

        def interrupt(_):
            objective.evaluate = evaluate
            raise KeyboardInterrupt

        objective.evaluate = interrupt
    result = train(objective, Interrupted(1.0), start, max_iter=50, on_epoch=listen)

    assert (result.status, result.n_iter) == (Status.INTERRUPTED, 0 if where == "first evaluation" else 3)
    assert result.cost == objective.measure(result.parameters).cost


def test_ctrl_c_at_any_line_of_the_loop_loses_nothing(samples, start):
    """Python may raise it anywhere between two epochs; what was trained so far comes back."""
    objective, functions = make_objective(*samples), ("train", "iter_epochs", "_train", "_step", "_look_around")

    def train_and_interrupt(at):
        lines = None

        def trace(frame, event, _):
            nonlocal lines
            own = frame.f_code.co_filename == training.__file__ and frame.f_code.co_name in functions
            if own and event == "line" and lines is not None:
                lines += 1
                if lines == at:
                    raise KeyboardInterrupt
            return trace if own else None

        def listen(epoch):
            nonlocal lines
            lines = {2: 0, 5: None}.get(epoch.iteration, lines)

        sys.settrace(trace)
        try:
            return train(objective, GradientDescent(1.0), start, max_iter=8, on_epoch=listen).status
        except KeyboardInterrupt:
            return "lost"
        finally:
            sys.settrace(None)

    statuses = [train_and_interrupt(at) for at in range(1, 200)]

    n_lines = statuses.index(Status.FINISHED)
    assert n_lines > 60
    assert statuses == [Status.INTERRUPTED] * n_lines + [Status.FINISHED] * (199 - n_lines)


def test_ctrl_c_while_the_result_is_looked_at_loses_nothing(samples, start):
    """The second one is heard."""
    for n_interrupts in (1, 2):
        objective, test = make_objective(*samples), make_objective(*samples)
        measure, calls = test.measure, []

        def interrupt(parameters, measure=measure, calls=calls, n_interrupts=n_interrupts):
            calls.append(None)
            if 4 <= len(calls) < 4 + n_interrupts:
                raise KeyboardInterrupt
            return measure(parameters)

        test.measure = interrupt
        if n_interrupts == 1:
            assert train(objective, GradientDescent(1.0), start, max_iter=3, test=test).status == Status.FINISHED
        else:
            with pytest.raises(KeyboardInterrupt):
                train(objective, GradientDescent(1.0), start, max_iter=3, test=test)


def test_the_epochs_can_be_driven_one_by_one(samples, start):
    """`iter_epochs` yields an epoch before each step and returns the result at the end."""
    epochs = iter_epochs(make_objective(*samples), GradientDescent(1.0), start, max_iter=2)

    assert [next(epochs).iteration, next(epochs).iteration] == [0, 1]
    with pytest.raises(StopIteration) as end:
        next(epochs)
    assert end.value.value.status == Status.FINISHED


@pytest.mark.parametrize("wrong", [{"max_iter": 0}, {"max_iter": 1, "tol": -1.0}, {"max_iter": 1, "tol": float("nan")}])
def test_wrong_limits_are_told(samples, start, wrong):
    """At least one iteration, a tolerance of at least 0."""
    with pytest.raises(SettingError, match="at least"):
        train(make_objective(*samples), GradientDescent(1.0), start, **wrong)


def test_a_solver_that_can_go_no_lower_has_converged(samples, start):
    """The automatic step ends by itself at the bottom, with a sentence."""
    result = train(make_objective(*samples, l2=1e-2), LBFGS(), start, max_iter=10_000)

    assert result.status == Status.CONVERGED
    assert "lowers the cost any further" in result.message


def test_each_evaluation_is_spent_once(samples, start):
    """What a step came to know is not asked for again, and a forward pass is made where no gradient is needed."""
    objective = make_objective(*samples)
    counts = {"evaluate": 0, "measure": 0}
    for name in counts:
        real = getattr(objective, name)

        def counted(parameters, name=name, real=real):
            counts[name] += 1
            return real(parameters)

        setattr(objective, name, counted)
    train(objective, GradientDescent(1.0), start, max_iter=10)
    assert counts == {"evaluate": 10, "measure": 1}

    counts.update(evaluate=0, measure=0)
    result = train(objective, AutomaticDescent(), start, max_iter=10)
    assert counts["measure"] == 0
    assert 11 <= counts["evaluate"] < 25
    assert result.cost < result.history[-1].cost

    counts.update(evaluate=0, measure=0)
    train(objective, Adam(batch_size=20), start, max_iter=3)
    assert counts == {"evaluate": 0, "measure": 4}


def several_solvers():
    return [
        GradientDescent(1.0),
        Momentum(0.5),
        AutomaticDescent(),
        LBFGS(),
        Adam(batch_size=8),
        GradientDescent(1e308),
    ]


def test_networks_side_by_side_end_as_alone(samples):
    """Of several sizes, with every solver, one of them diverging and others converging early."""
    X, Y = samples
    objective, test = make_objective(X, Y), make_objective(X[:, :9], Y[:, :9])
    starts = [initialize_parameters(2, 2 + k, 1, np.random.default_rng(k)) for k in range(6)]
    starts[-1] = {name: value * 1e300 for name, value in starts[-1].items()}

    together = train_many(objective, several_solvers(), starts, max_iter=40, tol=1e-3, test=test)

    for solver, begin, result in zip(several_solvers(), starts, together, strict=True):
        alone = train(objective, solver, begin, max_iter=40, tol=1e-3, test=test)
        assert (result.status, result.n_iter, result.test_correct) == (alone.status, alone.n_iter, alone.test_correct)
        assert [e.cost for e in result.history] == pytest.approx([e.cost for e in alone.history], rel=1e-9)
        for name, value in alone.parameters.items():
            np.testing.assert_allclose(result.parameters[name], value, rtol=1e-7, atol=1e-10)


def test_ctrl_c_ends_all_networks_with_what_they_have(samples, start):
    """Each has a result of its own, as far as it came."""
    objective = make_objective(*samples)
    evaluate_many, calls = objective.evaluate_many, []

    def interrupt(networks):
        calls.append(None)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return evaluate_many(networks)

    objective.evaluate_many = interrupt
    results = train_many(objective, [GradientDescent(1.0), GradientDescent(2.0)], [start, start], max_iter=50)

    assert [(result.status, result.n_iter) for result in results] == [(Status.INTERRUPTED, 3)] * 2


def test_the_result_says_what_computed(samples, start):
    """The engine, and why it was chosen."""
    assert "for little data" in train(make_objective(*samples), GradientDescent(1.0), start, max_iter=1).engine


SCORES = st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5, 1.0, float("nan")]), min_size=2, max_size=12)


@given(SCORES, st.integers(1, 4), st.sampled_from([0.0, 0.25, 0.3]))
def test_patience_ends_the_training_and_the_best_parameters_come_back(scores, patience, tol):
    """It ends where none of so many scores rose by more than the tolerance; the first of the best ones is kept."""
    X = np.random.default_rng(0).standard_normal((2, 40))
    objective = make_objective(X, (X[:1] > X[1:]).astype(float))
    start = initialize_parameters(2, 3, 1, np.random.default_rng(1))
    asked, told = iter(scores), []
    validation = Validation(objective, lambda _: next(asked), patience, tol)
    known = [[score for score in scores[:k] if score == score] for k in range(len(scores))]  # noqa: PLR0124 - not NaN
    rose = [score > max(before, default=-np.inf) + tol for score, before in zip(scores, known, strict=True)]
    last = len(scores) - 1
    end = next((k for k in range(patience - 1, last) if not any(rose[k - patience + 1 : k + 1])), last)
    numbers = np.array(scores[: end + 1])
    best = end if np.isnan(numbers).all() else int(np.nanargmax(numbers))

    result = train(
        objective, GradientDescent(0.1), start, max_iter=last, validation=validation, on_parameters=told.append
    )

    assert result.status == (Status.STOPPED_EARLY if end < last else Status.FINISHED)
    assert len(result.history) == (end + 1 if end < last else last)
    assert result.n_iter == best
    assert result.cost == objective.measure(result.parameters).cost
    np.testing.assert_equal(result.validation_score, scores[best])
    if best < len(told):
        assert result.parameters is told[best]


def test_samples_kept_apart_are_measured_at_each_epoch(samples, start):
    """Their cost and their share of right predictions are those of the parameters at hand; without patience no more."""
    X, Y = samples
    objective, kept = make_objective(X[:, 7:], Y[:, 7:]), make_objective(X[:, :7], Y[:, :7])
    told = []

    result = train(
        objective,
        GradientDescent(1.0),
        start,
        max_iter=20,
        validation=Validation(kept),
        on_parameters=told.append,
    )
    plain = train(objective, GradientDescent(1.0), start, max_iter=20)

    assert (result.status, len(told)) == (Status.FINISHED, 20)
    for epoch, parameters in zip(result.history, told, strict=True):
        measure = kept.measure(parameters)
        assert (epoch.validation_cost, epoch.validation_score) == (measure.cost, measure.correct / 7)
    assert result.validation_score == kept.measure(result.parameters).correct / 7
    for name, value in plain.parameters.items():
        np.testing.assert_array_equal(value, result.parameters[name])
    assert plain.validation_score is plain.history[0].validation_cost is plain.history[0].validation_score is None


def test_samples_kept_apart_cost_a_forward_pass_each_epoch(samples, start):
    """And one for the parameters that come back; their gradient is never asked for."""
    objective, kept = make_objective(*samples), make_objective(*samples)
    calls, measure = [], kept.measure
    kept.measure = lambda parameters: (calls.append(parameters), measure(parameters))[1]
    kept.evaluate = pytest.fail

    train(objective, LBFGS(), start, max_iter=5, validation=Validation(kept, patience=9))

    assert len(calls) == 6


def test_parameters_are_told_before_their_epoch(samples, start):
    """Each epoch's own: the first is the start."""
    objective, told = make_objective(*samples), []

    train(
        objective,
        GradientDescent(1.0),
        start,
        max_iter=3,
        on_parameters=told.append,
        on_epoch=lambda epoch: told.append(epoch) or False,
    )

    assert told[0] is start
    assert [epoch.iteration for epoch in told[1::2]] == [0, 1, 2]
    for parameters, epoch in zip(told[::2], told[1::2], strict=True):
        assert objective.measure(parameters).cost == epoch.cost


@pytest.mark.parametrize("end", ["interrupted", "stopped early", "converged", "diverged"])
def test_the_best_parameters_come_back_however_it_ends(samples, start, end):
    """Those with the best score, not the last ones."""
    objective, start = in_single_precision(samples, start)
    solver = GradientDescent(1.0)
    scores, told = iter([0.2, 0.7, *[0.3] * 9000]), []

    def listen(epoch):
        if epoch.iteration == 4 and end == "interrupted":
            raise KeyboardInterrupt
        if epoch.iteration == 4 and end == "diverged":
            solver.learning_rate = 1e308
        return epoch.iteration == 4 and end == "stopped early"

    result = train(
        objective,
        solver,
        start,
        max_iter=9000,
        tol=2e-2 if end == "converged" else 0.0,
        validation=Validation(objective, lambda _: next(scores), patience=9000),
        on_parameters=told.append,
        on_epoch=listen,
    )

    assert (str(result.status), result.n_iter, result.validation_score) == (end, 1, 0.7)
    assert len(told) >= 5
    assert result.parameters is told[1]
    assert result.cost == objective.measure(told[1]).cost


def test_a_validation_that_ends_the_training_says_which_parameters_are_kept(samples, start):
    """In the sentence for a person."""
    objective, scores = make_objective(*samples), iter([0.1, 0.9, *[0.5] * 99])

    result = train(
        objective,
        GradientDescent(1.0),
        start,
        max_iter=99,
        validation=Validation(objective, lambda _: next(scores), patience=5),
    )

    assert "Stopped early at iteration 6: the validation score rises no more" in result.message
    assert "the parameters of iteration 1 are kept" in result.message
