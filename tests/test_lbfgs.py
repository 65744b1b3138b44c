"""L-BFGS goes as low as SciPy's, by steps that satisfy the strong Wolfe conditions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from strategies import cases, circle, evaluated, finish, steps
from twolayer.engines.objective import Evaluation
from twolayer.parameters import Parameters, Sizes
from twolayer.solvers import LBFGS


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_it_goes_as_low_as_scipys(seed):
    """On the same cost from the same start, it ends at a flat point that is at most 5 % higher."""
    objective, start = circle(seed, l2=1e-3)

    def scipys(vector):
        evaluation = evaluated(objective, start.moved_to(vector))
        return evaluation.cost, evaluation.gradient

    theirs = minimize(scipys, start.vector, jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 0, "gtol": 0})
    *_, (_, before, _) = steps(LBFGS(), objective, start, 300)

    assert before.cost <= 1.05 * theirs.fun + 1e-9
    assert before.largest_slope() < 1e-7


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_it_solves_a_quadratic(seed, n):
    """To six digits, in few steps: it is exact where the curvature does not change."""
    random = np.random.default_rng(seed)
    A = random.standard_normal((n, n))
    A, c = A @ A.T + np.eye(n), random.standard_normal(n)

    class Quadratic:
        blocks, descend = (1,), None

        def evaluate(self, networks, **_):
            x = networks[0].vector[:n]
            return [Evaluation(float(x @ A @ x / 2 - c @ x), 0, np.append(A @ x - c, np.zeros(3)))]

    start = Parameters(np.zeros(n + 3), Sizes(n, 1, 1))
    *_, (_, _, moved) = steps(LBFGS(), Quadratic(), start, 200)

    np.testing.assert_allclose(moved.parameters.vector[:n], np.linalg.solve(A, c), rtol=1e-6, atol=1e-6)


@given(cases())
def test_steps_satisfy_the_wolfe_conditions(case):
    """The cost falls enough and never rises, and the slope along the step is flat enough, but for rounding."""
    objective, solver, p = case.objective(), LBFGS(), case.networks[0]
    p = Parameters(p.vector.astype(float), p.sizes)
    state, before = solver.begin(p), evaluated(objective, p)
    for _ in range(5):
        step = solver.step(state, p, before, (1,))
        moved, costs = finish(step, lambda trial: evaluated(objective, trial.parameters))
        if moved is None:
            return
        after = moved.evaluation
        assert after.cost <= before.cost
        assert after.cost == evaluated(objective, moved.parameters).cost
        if len(costs) >= 20 or case.settings["dtype"] == "float32":
            return  # rounding left no such step
        s = moved.parameters.vector - p.vector
        slope, slope_after = before.gradient @ s, after.gradient @ s
        assert after.cost <= before.cost + 1e-4 * slope + 1e-14
        assert abs(slope_after) <= 0.9 * abs(slope) * (1 + 1e-6)
        p, state, before = moved.parameters, moved.state, after


def test_it_remembers_the_last_pairs_alone():
    """As many as it was made for, each with a curvature."""
    objective, start = circle()
    for memory in (1, 3):
        *_, (_, _, moved) = steps(LBFGS(memory), objective, start, 9)
        assert len(moved.state.steps) == len(moved.state.changes) == memory
        assert all(s @ y > 0 for s, y in zip(moved.state.steps, moved.state.changes, strict=True))


def test_pairs_that_cannot_be_divided_by_are_refused():
    """Without curvature, not finite, one without the other, or more than it remembers."""
    objective, start = circle()
    solver = LBFGS(2)
    *_, (_, _, moved) = steps(solver, objective, start, 3)
    memory, kind = moved.state, type(moved.state)
    s, y = memory.steps, memory.changes
    for wrong in (
        kind(s, tuple(-each for each in y)),
        kind(s, tuple(0 * each for each in y)),
        kind(s, tuple(np.inf * each for each in y)),
        kind(s, y[:1]),
        kind(s * 2, y * 2),
    ):
        with pytest.raises(ValueError, match="its solver"):
            solver.check(wrong, start)
