"""SGD is Nesterov's momentum, mini-batch by mini-batch."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, circle, finish, flat, normal, steps, timeless
from twolayer import fit_model
from twolayer.engines.objective import Evaluation
from twolayer.parameters import Parameters, Sizes
from twolayer.solvers import Momentum
from twolayer.solvers.descent import Velocity
from twolayer.solvers.schedules import Schedule
from twolayer.solvers.sgd import SGD, Rolling


def problem(m=200):
    """Return samples of two classes that no line separates."""
    X = np.random.default_rng(0).normal(size=(m, 4))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def test_sgd_is_nesterovs_momentum():
    """Three updates by hand, with weight decay and a rate that follows the schedule in the midst of each mini-batch."""
    solver = SGD(0.1, batch_size=2, schedule=Schedule("cosine", 1), weight_decay=0.5, momentum=0.8)
    p, gradients = flat(W2=1.0), iter((2.0, -1.0, 0.5))

    step = solver.step(solver.begin(p), p, None, (5,))
    moved, _ = finish(step, lambda _: Evaluation(0.0, 0, np.full(4, next(gradients))))

    velocity, value = 0.0, 1.0
    for k, g in enumerate((2.0, -1.0, 0.5)):
        rate = 0.1 * float(Schedule("cosine", 1).factors(np.array([(k + 0.5) / 3]))[0])
        velocity = 0.8 * velocity - rate * g
        value = value * (1 - rate * 0.5) + 0.8 * velocity - rate * g
    assert float(moved.parameters["W2"][0, 0]) == pytest.approx(value, rel=1e-12)
    assert (moved.state.n_updates, moved.state.n_passes) == (3, 1)


@given(SEEDS, st.sampled_from(["float32", "float64"]), st.floats(0, 1), st.floats(1e-3, 1))
def test_one_mini_batch_of_all_samples_is_a_step_of_momentum(seed, dtype, momentum, rate):
    """From the same state and gradient: the velocity is the same to the bit, where the parameters go to rounding.

    `Momentum` adds (p + momentum v) - push, `SGD` p + (momentum v - push). Besides, `SGD` alone clears a velocity that
    is next to nothing, which none here is.
    """
    sizes, random = Sizes(2, 3, 1), np.random.default_rng(seed)
    p, velocity, g = (normal(sizes, random, dtype).vector for _ in range(3))
    p, here = Parameters(p, sizes), Evaluation(0.0, 0, g)
    solver = SGD(rate, batch_size=9, momentum=momentum)

    moved, _ = finish(solver.step(Rolling(velocity, 3, 3), p, None, (9,)), lambda _: here)
    expected = Momentum(rate, momentum).step(Velocity(velocity), p, here, (9,))

    np.testing.assert_array_equal(moved.state.velocity, expected.state.velocity)
    room = 4 * np.finfo(dtype).eps * (abs(p.vector) + abs(velocity) + 2 * abs(g))
    assert (abs(moved.parameters.vector - expected.parameters.vector) <= room).all()
    assert moved.parameters.dtype == dtype
    assert (moved.state.n_updates, moved.state.n_passes) == (4, 4)


def test_with_all_samples_in_a_mini_batch_it_trains_as_momentum_does():
    """Step for step to rounding: the samples are summed in another order each time."""
    objective, start = circle(l2=0.01)
    ours = list(steps(SGD(0.5, batch_size=60, momentum=0.8), objective, start, 20))
    theirs = list(steps(Momentum(0.5, 0.8), objective, start, 20))

    for (_, before, moved), (_, expected_before, expected) in zip(ours, theirs, strict=True):
        assert before.cost == pytest.approx(expected_before.cost, rel=1e-9)
        np.testing.assert_allclose(moved.parameters.vector, expected.parameters.vector, rtol=0, atol=1e-9)
        np.testing.assert_allclose(moved.state.velocity, expected.state.velocity, rtol=0, atol=1e-9)
    assert ours[-1][1].cost < ours[0][1].cost


def test_a_state_of_other_parameters_is_refused():
    """Of another length or type, or with counts below 0."""
    solver, p = SGD(), flat()
    state = solver.begin(p)

    solver.check(state, p)
    for wrong in (
        replace(state, velocity=state.velocity[1:]),
        replace(state, velocity=state.velocity.astype(np.float32)),
        replace(state, n_updates=-1),
        replace(state, n_passes=-1),
    ):
        with pytest.raises(ValueError, match="its solver's"):
            solver.check(wrong, p)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_training_on_a_schedule_goes_on_from_its_checkpoint(tmp_path, solver):
    """Bit by bit, and it learns what no line can separate."""
    X, y = problem()
    settings = {"solver": solver, "schedule": "cosine", "weight_decay": 1e-3, "batch_size": 20, "activation": "tanh"}
    settings |= {"loss": "log", "max_iter": 60, "tol": 0, "learning_rate": 0.1 if solver == "sgd" else 0.02}
    whole, result = fit_model(X, y, **settings)

    path, seen = tmp_path / "checkpoint", []
    fit_model(X, y, **settings, checkpoint=path, on_epoch=lambda epoch: epoch.iteration == 31)
    again, result_again = fit_model(
        X, y, **settings, checkpoint=path, on_epoch=lambda epoch: seen.append(epoch.iteration)
    )

    for name, value in whole.parameters.items():
        np.testing.assert_array_equal(again.parameters[name], value)
    assert seen == list(range(31, 60))
    assert timeless(result_again.history) == timeless(result.history)
    assert result.train_correct > 180
