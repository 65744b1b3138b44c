"""What every solver promises: steps that follow from its state alone, states that can be kept, and lower costs."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import numpy as np
import pytest

from strategies import circle, evaluated, finish, flat, steps
from twolayer.engines.objective import Evaluation
from twolayer.settings import SOLVERS as NAMES
from twolayer.settings import Settings
from twolayer.solvers import SOLVERS, Adam, AutomaticDescent, GradientDescent, Momentum, make_solver
from twolayer.solvers.solver import check_vector, dot

SETTINGS = {
    "gd": {"learning_rate": 3.0},
    "gd auto": {},
    "momentum": {"learning_rate": 0.3},
    "adam": {"batch_size": 4, "random_state": 3},
    "lbfgs": {},
}
each_solver = pytest.mark.parametrize("name", SETTINGS)


def new(name):
    """Return a solver."""
    return make_solver(Settings(solver=name.split()[0], **SETTINGS[name]))


def same(one, other):
    """Tell whether two states are the same, bit by bit."""
    return type(one) is type(other) and all(
        np.array_equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)
    )


@each_solver
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_follows_from_the_state_alone(name, dtype):
    """Made again, also by another solver of the same settings, it goes to the same bits; nothing given is changed."""
    objective, start = circle(dtype=dtype)
    walked = list(steps(new(name), objective, start, 8))
    assert len(walked) == 8

    for k in (0, 3, 7):
        solver = new(name)
        state = walked[k - 1][2].state if k else solver.begin(start)
        again = list(steps(solver, objective, walked[k][0], 8 - k, state))
        for (_, _, expected), (_, _, moved) in zip(walked[k:], again, strict=True):
            np.testing.assert_array_equal(moved.parameters.vector, expected.parameters.vector)
            assert moved.parameters.dtype == dtype
            assert same(moved.state, expected.state)


@each_solver
def test_a_state_is_a_frozen_value_of_numbers_and_vectors(name):
    """So that a checkpoint can hold it; its solver takes it as its own."""
    objective, start = circle(dtype="float32")
    solver = new(name)
    states = [solver.begin(start), *(moved.state for _, _, moved in steps(solver, objective, start, 3))]

    assert len(states) == 4
    for state in states:
        assert is_dataclass(state)
        for each in fields(state):
            value = getattr(state, each.name)
            parts = value if isinstance(value, tuple) else (value,)
            assert all(isinstance(part, int | float) or part.ndim == 1 for part in parts)
            with pytest.raises(FrozenInstanceError):
                setattr(state, each.name, value)
        solver.check(state, start)


@each_solver
def test_a_state_of_another_network_is_refused(name):
    """Vectors of another length or type do not belong to the parameters; numbers out of range to no solver."""
    objective, start = circle(dtype="float32")
    solver = new(name)
    *_, (_, _, moved) = steps(solver, objective, start, 3)
    for each in fields(moved.state):
        value = getattr(moved.state, each.name)
        if isinstance(value, int | float):
            wrong = [-1]
        else:
            change = (lambda v: v[:-1]), (lambda v: v.astype(np.float16)), (lambda v: v[None])
            wrong = [tuple(map(c, value)) if isinstance(value, tuple) else c(value) for c in change]
        for other in wrong:
            with pytest.raises(ValueError, match="its solver"):
                solver.check(replace(moved.state, **{each.name: other}), start)


@each_solver
def test_every_solver_lowers_the_cost(name):
    """Of a task that a line cannot solve, to less than that of one class for all."""
    objective, start = circle()

    *_, (_, _, moved) = steps(new(name), objective, start, 100)

    assert evaluated(objective, moved.parameters).cost < 0.85 * evaluated(objective, start).cost


@pytest.mark.parametrize("name", ["gd auto", "lbfgs"])
def test_where_nothing_can_be_gained_there_is_no_step(name):
    """At a gradient of zero, and where every trial is higher."""
    for gradient in (np.zeros(4), np.ones(4)):
        solver, p, here = new(name), flat(W1=1.0), Evaluation(1.0, 0, gradient)
        step, _ = finish(solver.step(solver.begin(p), p, here, (1,)), lambda _: Evaluation(2.0, 0, np.ones(4)))
        assert step is None


@pytest.mark.parametrize("name", ["gd auto", "lbfgs"])
def test_trials_out_of_range_are_stepped_back_from(name):
    """A cost that is not a number counts as too high."""
    objective, start = circle()

    def evaluate(trial):
        far = np.linalg.norm(trial.parameters.vector - start.vector) > 0.01 * np.linalg.norm(start.vector)
        found = evaluated(objective, trial.parameters)
        return replace(found, cost=float("nan")) if far else found

    solver, before = new(name), evaluated(objective, start)
    moved, costs = finish(solver.step(solver.begin(start), start, before, (60,)), evaluate)

    assert np.isnan(costs[0])
    assert moved.evaluation.cost < before.cost


def test_a_step_out_of_range_does_not_warn():
    """The loop sees the cost that follows."""
    objective, start = circle(dtype="float32")
    for solver in (GradientDescent(1e308), Momentum(1e308), Adam(1e308, 60)):
        (_, _, moved), *_ = steps(solver, objective, start, 1)
        assert not np.isfinite(moved.parameters.vector).all()


def test_settings_choose_the_solver():
    """By its name or by what suits the learning rate, which of itself is 1 for momentum and 0.01 for Adam."""
    assert set(SOLVERS) == set(NAMES)
    assert isinstance(make_solver(Settings(solver="gd")), AutomaticDescent)
    assert type(make_solver(Settings(learning_rate=0.5))) is GradientDescent
    assert make_solver(Settings(learning_rate=0.5)).learning_rate == 0.5
    assert make_solver(Settings(solver="momentum")).learning_rate == 1.0
    adam = make_solver(Settings(solver="adam", random_state=5))
    assert (adam.learning_rate, adam.batch_size, adam.random_state) == (0.01, 200, 5)
    assert make_solver(Settings(solver="adam", batch_size=7)).batch_size == 7
    assert make_solver(Settings()).memory == 10


def test_the_scalar_product_is_in_float64():
    """Of vectors in float64."""
    assert dot(np.array([1.0, 2.0]), np.array([3.0, 1e-9])) == 3.0 + 2e-9


def test_a_vector_of_other_parameters_is_refused():
    """By its shape and by its type."""
    start = flat()
    check_vector(np.zeros(4), start, np.float64)
    for vector in (np.zeros(5), np.zeros((1, 4)), np.zeros(4, np.float32)):
        with pytest.raises(ValueError, match="another shape or type"):
            check_vector(vector, start, np.float64)
