"""Steps: the fixed one is the assignment's, the others keep the promises of their names, and all can be resumed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from strategies import networks
from twolayer import equations
from twolayer.engines.objective import Evaluation, make_objective
from twolayer.errors import SettingError
from twolayer.solvers import LBFGS, Adam, AutomaticDescent, GradientDescent, Momentum, make_solver

NAMES = ("W1", "b1", "W2", "b2")
SETTINGS = {
    "gd": {"learning_rate": 0.5},
    "gd auto": {},
    "momentum": {"learning_rate": 0.3},
    "adam": {"batch_size": 4, "random_state": 3},
    "lbfgs": {},
}


def new(name):
    return make_solver(name.split()[0], **SETTINGS[name])


def drive(step, evaluate):
    """Answer what a step asks for; return where it went, and the costs it saw."""
    costs = []
    try:
        trial = next(step)
        while True:
            found = evaluate(trial)
            costs.append(found.cost)
            trial = step.send(found)
    except StopIteration as end:
        return end.value, costs


def run(solver, objective, parameters, n_steps):
    """Make steps; return the evaluations before each, and the parameters reached."""
    evaluations = []
    for _ in range(n_steps):
        evaluations.append(objective.evaluate(parameters))
        step = solver.step(parameters, evaluations[-1], objective.blocks)
        moved, _ = drive(
            step, lambda t: (objective if t.rows is None else objective.rows(t.rows)).evaluate(t.parameters)
        )
        if moved is None:
            break
        parameters, _ = moved
    return evaluations, parameters


def a_task(seed=0, dtype="float64", **settings):
    """Return the objective of 60 samples whose class is on which side of a circle they lie, and a start."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((2, 60)).astype(dtype)
    Y = ((X**2).sum(axis=0, keepdims=True) > 1.2).astype(dtype)
    start = equations.initialize_parameters(2, 6, 1, random)
    return make_objective(X, Y, **settings), {name: value.astype(dtype) for name, value in start.items()}


def flat(arrays, prefix=""):
    return np.concatenate([arrays[prefix + name].ravel() for name in NAMES])


@given(networks(), st.floats(1e-6, 1e3))
def test_a_fixed_step_is_the_assignments_update(network, learning_rate):
    """The new parameters are those of `update_parameters`, and no evaluation is spent."""
    X, Y, parameters = network
    evaluation = make_objective(X, Y).evaluate(parameters)

    (moved, known), costs = drive(GradientDescent(learning_rate).step(parameters, evaluation, (1,)), pytest.fail)

    assert known is None
    assert costs == []
    for name, value in equations.update_parameters(parameters, evaluation.grads, learning_rate).items():
        np.testing.assert_array_equal(value, moved[name])


@pytest.mark.parametrize("name", ["gd auto", "lbfgs"])
@given(network=networks())
def test_a_cost_never_rises(name, network):
    """From any start, with any data, at every step; and the evaluation that comes back is the one there."""
    X, Y, parameters = network
    objective, solver = make_objective(X, Y), new(name)
    evaluation = objective.evaluate(parameters)
    for _ in range(8):
        step, _ = drive(solver.step(parameters, evaluation, (1,)), lambda t: objective.evaluate(t.parameters))
        if step is None:
            break
        parameters, moved = step
        assert moved.cost <= evaluation.cost
        assert moved.cost == objective.measure(parameters).cost
        evaluation = moved


@pytest.mark.parametrize("start_scale", [0.1, 1.0, 100.0])
def test_the_automatic_step_needs_no_guess(start_scale):
    """Whether features are small or large, the cost falls to less than half within 60 steps."""
    random = np.random.default_rng(0)
    X = start_scale * random.standard_normal((3, 50))
    objective = make_objective(X, (X[:1] > 0).astype(float))
    start = equations.initialize_parameters(3, 4, 1, random)

    evaluations, _ = run(AutomaticDescent(), objective, start, 60)

    assert evaluations[-1].cost < 0.5 * evaluations[0].cost


@pytest.mark.parametrize("seed", range(5))
def test_lbfgs_goes_as_low_as_scipys(seed):
    """On the same cost from the same start, it ends at a flat point that is at most 5 % higher."""
    objective, start = a_task(seed, l2=1e-3)
    shapes = [start[name].shape for name in NAMES]

    def unflat(vector):
        parts = np.split(vector, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
        return {name: part.reshape(shape) for name, part, shape in zip(NAMES, parts, shapes, strict=True)}

    def scipys(vector):
        evaluation = objective.evaluate(unflat(vector))
        return evaluation.cost, flat(evaluation.grads, "d")

    theirs = minimize(scipys, flat(start), jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 0, "gtol": 0})
    evaluations, _ = run(LBFGS(), objective, start, 300)

    assert evaluations[-1].cost <= 1.05 * theirs.fun + 1e-9
    assert evaluations[-1].largest_slope() < 1e-7


def quadratic(n, random):
    """Return the evaluation of x.A x / 2 - c.x as that of a network whose parameters are x, and where it is lowest."""
    A = random.standard_normal((n, n))
    A = A @ A.T + np.eye(n)
    c = random.standard_normal(n)

    def evaluate(trial):
        x = trial["W1"].ravel()
        return Evaluation(float(x @ A @ x / 2 - c @ x), 0, {"dW1": (A @ x - c)[None], **zeros("d")})

    def zeros(prefix=""):
        return {prefix + name: np.zeros((1, 1)) for name in NAMES[1:]}

    return evaluate, {"W1": np.zeros((1, n)), **zeros()}, np.linalg.solve(A, c)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_lbfgs_solves_a_quadratic(seed, n):
    """To six digits, in few steps: it is exact where the curvature does not change."""
    evaluate, x, lowest = quadratic(n, np.random.default_rng(seed))
    solver, evaluation = LBFGS(), evaluate(x)
    for _ in range(200):
        step, _ = drive(solver.step(x, evaluation, (1,)), lambda trial: evaluate(trial.parameters))
        if step is None:
            break
        x, evaluation = step

    np.testing.assert_allclose(x["W1"].ravel(), lowest, rtol=1e-6, atol=1e-6)


@given(networks())
def test_steps_of_lbfgs_satisfy_the_wolfe_conditions(network):
    """The cost falls enough, and the slope along the step is flat enough, or rounding left nothing to gain."""
    X, Y, parameters = network
    objective, solver = make_objective(X, Y), LBFGS()
    before = objective.evaluate(parameters)
    for _ in range(5):
        step, costs = drive(solver.step(parameters, before, (1,)), lambda t: objective.evaluate(t.parameters))
        if step is None or len(costs) >= 20:
            return
        moved, after = step
        s = flat(moved) - flat(parameters)
        slope, slope_after = flat(before.grads, "d") @ s, flat(after.grads, "d") @ s
        assert after.cost <= before.cost + 1e-4 * slope + 1e-14
        assert abs(slope_after) <= 0.9 * abs(slope) * (1 + 1e-6)
        parameters, before = moved, after


def test_momentum_is_nesterovs():
    """Two steps by hand: v = mu v - rate g, p = p + mu v - rate g."""
    solver, p = Momentum(0.1, 0.5), {name: np.ones((1, 1)) for name in NAMES}
    v = 0.0
    value = 1.0
    for g in (2.0, -1.0):
        (p, _), _ = drive(solver.step(p, Evaluation(0.0, 0, {f"d{n}": np.full((1, 1), g) for n in NAMES}), (1,)), None)
        v = 0.5 * v - 0.1 * g
        value = value + 0.5 * v - 0.1 * g
        assert {float(x[0, 0]) for x in p.values()} == {value}


def test_adam_is_the_papers():
    """Three updates by hand, bias correction and all, in an order that visits each sample once an epoch."""
    solver, p, seen = Adam(0.1, batch_size=2, random_state=0), {name: np.ones((1, 1)) for name in NAMES}, []
    gradients = iter((2.0, -1.0, 0.5))

    def evaluate(trial):
        seen.extend(trial.rows.tolist())
        return Evaluation(0.0, 0, dict.fromkeys((f"d{name}" for name in NAMES), np.full((1, 1), next(gradients))))

    (p, known), _ = drive(solver.step(p, None, (5,)), evaluate)

    m = v = 0.0
    value = 1.0
    for t, g in enumerate((2.0, -1.0, 0.5), start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        value -= 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert (known, sorted(seen)) == (None, [0, 1, 2, 3, 4])
    assert float(p["W2"][0, 0]) == pytest.approx(value, rel=1e-12)


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=6).map(tuple),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_adam_goes_block_by_block(blocks, batch_size, seed):
    """Each sample once, each mini-batch of one block and as large as can be, each block read once; again the same."""
    ends = np.cumsum(blocks)

    def epoch(solver):
        seen, zero = [], {f"d{name}": np.zeros((1, 1)) for name in NAMES}
        step = solver.step({name: np.ones((1, 1)) for name in NAMES}, None, blocks)
        drive(step, lambda trial: (seen.append(trial.rows), Evaluation(0.0, 0, zero))[1])
        return seen

    solver, again = (Adam(batch_size=batch_size, random_state=seed) for _ in range(2))
    for _ in range(2):
        batches = epoch(solver)
        of_block = [np.searchsorted(ends, rows, "right") for rows in batches]
        order = [places[0] for places in of_block]
        changes = 1 + np.count_nonzero(np.diff(order))

        assert sorted(np.concatenate(batches)) == list(range(ends[-1]))
        assert all(len(set(places)) == 1 for places in of_block)
        assert changes == len(blocks)
        assert len(batches) == sum(-(-size // batch_size) for size in blocks)
        assert all(len(rows) <= batch_size for rows in batches)
        np.testing.assert_array_equal(np.concatenate(batches), np.concatenate(epoch(again)))


def test_adam_changes_the_order_of_blocks_and_samples():
    """From epoch to epoch, and from seed to seed; in one block the samples are in the order of one permutation."""
    orders = []

    def evaluate(trial):
        orders[-1].extend(trial.rows.tolist())
        return Evaluation(0.0, 0, {f"d{name}": np.zeros((1, 1)) for name in NAMES})

    for blocks in ((50,) * 6, (300,)):
        for seed in (0, 1):
            solver = Adam(batch_size=20, random_state=seed)
            for _ in range(2):
                orders.append([])
                drive(solver.step({name: np.ones((1, 1)) for name in NAMES}, None, blocks), evaluate)

    assert len(set(map(tuple, orders))) == 8
    assert len({tuple(np.array(order)[::50] // 50) for order in orders[:4]}) > 1
    assert orders[4] == np.random.default_rng(0).permutation(300).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_solver_goes_on_where_another_stopped(name, dtype):
    """With its state, bit by bit as if it had never stopped."""
    objective, start = a_task(dtype=dtype)
    _, straight = run(new(name), objective, start, 12)

    first, second = new(name), new(name)
    _, half = run(first, objective, start, 5)
    second.set_state(first.get_state())
    _, resumed = run(second, objective, half, 7)

    for key, value in straight.items():
        np.testing.assert_array_equal(value, resumed[key])
        assert value.dtype == dtype


@pytest.mark.parametrize("name", SETTINGS)
def test_every_solver_lowers_the_cost(name):
    """Of a task that a line cannot solve, to that of one class for all at least."""
    objective, start = a_task()

    evaluations, end = run(new(name), objective, start, 100)

    assert objective.measure(end).cost < 0.85 * evaluations[0].cost


@pytest.mark.parametrize("name", ["gd auto", "lbfgs"])
def test_where_nothing_can_be_gained_a_step_says_so(name):
    """At a gradient of zero, and where every trial is higher, None comes back."""
    parameters = {key: np.ones((1, 1)) for key in NAMES}
    flat_ground = Evaluation(1.0, 0, {f"d{key}": np.zeros((1, 1)) for key in NAMES})
    slope = Evaluation(1.0, 0, {f"d{key}": np.ones((1, 1)) for key in NAMES})
    for evaluation in (flat_ground, slope):
        step, _ = drive(new(name).step(parameters, evaluation, (1,)), lambda _: Evaluation(2.0, 0, slope.grads))
        assert step is None


@pytest.mark.parametrize("name", ["gd auto", "lbfgs"])
def test_trials_out_of_range_are_stepped_back_from(name):
    """A cost that is no number counts as too high."""
    objective, start = a_task()
    limit = float(np.linalg.norm(flat(start)))

    def evaluate(trial):
        found = objective.evaluate(trial.parameters)
        far = np.linalg.norm(flat(trial.parameters) - flat(start)) > 0.01 * limit
        return Evaluation(float("nan"), 0, found.grads) if far else found

    before = objective.evaluate(start)
    (_, after), costs = drive(new(name).step(start, before, (60,)), evaluate)

    assert np.isnan(costs[0])
    assert after.cost < before.cost


def test_a_step_out_of_range_does_not_warn():
    """The loop sees the cost that follows."""
    objective, start = a_task(dtype="float32")
    for solver in (GradientDescent(1e308), Momentum(1e308)):
        (moved, _), _ = drive(solver.step(start, objective.evaluate(start), 60), None)
        assert not np.isfinite(moved["W2"]).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        *(({"name": name, "learning_rate": rate}, "greater than 0") for name in ("gd", "momentum", "adam")
          for rate in (0, -1.0, float("nan"), float("inf"))),
        ({"name": "gd", "learning_rate": "fast"}, "or auto; got 'fast'"),
        ({"name": "magic"}, "gd, momentum, adam, lbfgs"),
        ({"name": "lbfgs", "learning_rate": 0.1}, "finds its own steps"),
        ({"name": "gd", "batch_size": 5}, "take adam"),
        ({"name": "adam", "batch_size": 0}, "at least 1 sample"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told(wrong, sentence):
    """Each has a sentence of its own."""
    with pytest.raises(SettingError, match=sentence):
        make_solver(**wrong)


@pytest.mark.parametrize("make", [lambda: Momentum(momentum=1.0), lambda: LBFGS(memory=0)])
def test_a_wrong_memory_is_told(make):
    """Momentum below 1, at least one step to remember."""
    with pytest.raises(SettingError):
        make()
