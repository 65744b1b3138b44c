"""A pass visits each sample once, in an order that follows from the seed and the pass."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, coded, evaluated, finish, flat
from twolayer.data.rows import ArrayRows
from twolayer.engines.kernel import load_kernel
from twolayer.engines.objective import Descended, Evaluation, Task, make_objective
from twolayer.parameters import Sizes, random_start
from twolayer.solvers import Adam
from twolayer.solvers.schedules import Schedule
from twolayer.solvers.sgd import SGD
from twolayer.solvers.solver import Moved

SOLVERS = {"adam": Adam, "sgd": SGD}
BLOCKS = st.lists(st.integers(1, 7), min_size=1, max_size=6).map(tuple)


def samples(m=50, block=None):
    """Return the objective of samples of two classes, in blocks of so many where that is asked for."""
    X = np.random.default_rng(0).normal(size=(m, 3))
    rows = X if block is None else ArrayRows(X, block)
    return make_objective(rows, coded(np.arange(m) % 2), Task("tanh", "log"), dtype="float64")


def batches(solver, blocks, state=None):
    """Return the mini-batches of a pass over nothing, and the state after it."""
    seen, p = [], flat()
    step = solver.step(state or solver.begin(p), p, None, blocks)
    moved, _ = finish(step, lambda trial: (seen.append(trial.rows), Evaluation(0.0, 0, np.zeros(4)))[1])
    return seen, moved.state


@pytest.mark.parametrize("kind", SOLVERS)
@given(blocks=BLOCKS, batch_size=st.integers(1, 5), seed=SEEDS, n_passes=st.integers(0, 9))
def test_a_pass_goes_block_by_block(kind, blocks, batch_size, seed, n_passes):
    """Each sample once, each mini-batch of one block and as large as can be, each block read once; again the same."""
    solver, ends = SOLVERS[kind](batch_size=batch_size, random_state=seed), np.cumsum(blocks)
    state = replace(solver.begin(flat()), n_passes=n_passes)

    seen, after = batches(solver, blocks, state)

    of_block = [np.searchsorted(ends, rows, "right") for rows in seen]
    assert sorted(np.concatenate(seen)) == list(range(ends[-1]))
    assert all(len(set(places)) == 1 for places in of_block)
    assert 1 + np.count_nonzero(np.diff([places[0] for places in of_block])) == len(blocks)
    assert len(seen) == sum(-(-size // batch_size) for size in blocks)
    assert all(len(rows) <= batch_size for rows in seen)
    assert (after.n_updates, after.n_passes) == (len(seen), n_passes + 1)
    again, _ = batches(SOLVERS[kind](batch_size=batch_size, random_state=seed), blocks, state)
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate(again))


@pytest.mark.parametrize("kind", SOLVERS)
@pytest.mark.parametrize("blocks", [(50,) * 6, (300,)])
def test_the_order_changes(kind, blocks):
    """From pass to pass and from seed to seed: that of the blocks, and that of the samples in them."""
    orders = []
    for seed in (0, 1):
        solver, state = SOLVERS[kind](batch_size=20, random_state=seed), None
        for _ in range(2):
            seen, state = batches(solver, blocks, state)
            orders.append(tuple(np.concatenate(seen).tolist()))

    assert len(set(orders)) == 4
    assert len(blocks) == 1 or len({tuple(np.array(order)[::50] // 50) for order in orders}) > 1


@pytest.mark.parametrize("kind", SOLVERS)
def test_in_one_block_the_order_is_one_permutation(kind):
    """Of the generator that the seed and the pass give."""
    seen, state = batches(SOLVERS[kind](batch_size=20, random_state=3), (300,))
    assert np.concatenate(seen).tolist() == np.random.default_rng([3, 0]).permutation(300).tolist()

    seen, _ = batches(SOLVERS[kind](batch_size=20, random_state=3), (300,), state)
    assert np.concatenate(seen).tolist() == np.random.default_rng([3, 1]).permutation(300).tolist()


@pytest.mark.parametrize("blocks", [(50,), (20, 20, 10)])
@pytest.mark.parametrize("kind", SOLVERS)
def test_a_pass_as_a_whole_goes_where_one_by_one_goes(kind, blocks):
    """It asks for each block as a whole first, and for its mini-batches where there is no quicker way."""
    objective, solver = samples(), SOLVERS[kind](batch_size=8, weight_decay=0.1)
    p, asked = random_start(Sizes(3, 4, 1), "float64", 0), []
    state = replace(solver.begin(p), n_updates=5, n_passes=1)

    def one_by_one(trial):
        asked.append(trial.rows)
        return evaluated(objective, trial.parameters, trial.rows)

    def at_once(descent):
        asked.append(descent.order)
        parameters, vectors = descent.parameters, descent.vectors
        for t, (rows, rate) in enumerate(zip(descent.batches, descent.rates.tolist(), strict=True), 1):
            gradient = evaluated(objective, parameters, rows).gradient
            parameters, vectors = descent.rule.move(parameters, vectors, gradient, rate, descent.n_updates + t)
        return Descended(parameters, vectors, 0.0, 0)

    first, _ = finish(solver.step(state, p, None, blocks), one_by_one)
    n_mini_batches = len(asked)
    second, _ = finish(solver.step(state, p, None, blocks), one_by_one, at_once)

    assert n_mini_batches == sum(-(-size // 8) for size in blocks)
    assert len(asked) == n_mini_batches + len(blocks)
    np.testing.assert_array_equal(first.parameters.vector, second.parameters.vector)
    np.testing.assert_array_equal(np.concatenate(asked[:n_mini_batches]), np.concatenate(asked[n_mini_batches:]))


@pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")
@pytest.mark.parametrize("block", [None, 20])
@pytest.mark.parametrize("kind", SOLVERS)
def test_two_passes_by_the_kernel_go_where_one_by_one_goes(kind, block):
    """Within rounding, whether all samples are in memory or are read block by block."""
    objective, solver = samples(block=block), SOLVERS[kind](batch_size=8, schedule=Schedule("cosine", 2))
    start = random_start(Sizes(3, 4, 1), "float64", 0)

    def evaluate(trial):
        return evaluated(objective, trial.parameters, trial.rows)

    by_kernel = by_formulas = Moved(start, solver.begin(start))
    for _ in range(2):
        step = solver.step(by_kernel.state, by_kernel.parameters, None, objective.blocks)
        by_kernel, costs = finish(step, evaluate, objective.descend)
        by_formulas, _ = finish(
            solver.step(by_formulas.state, by_formulas.parameters, None, objective.blocks), evaluate
        )
        assert costs == []

    assert by_kernel.state.n_updates == by_formulas.state.n_updates
    np.testing.assert_allclose(by_kernel.parameters.vector, by_formulas.parameters.vector, rtol=0, atol=1e-9)
    assert abs(by_kernel.parameters.vector - start.vector).max() > 1e-3


@pytest.mark.parametrize("blocks", [(40,), (20, 5, 10)])
@pytest.mark.parametrize("kind", SOLVERS)
def test_the_rate_is_that_of_the_schedule_in_the_midst_of_each_mini_batch(kind, blocks):
    """Pass by pass, through all blocks of one."""
    schedule, p, rates = Schedule("onecycle", 4), flat(), []
    solver = SOLVERS[kind](0.5, batch_size=10, schedule=schedule)
    state = solver.begin(p)

    def note(descent):
        rates.append(descent.rates)
        return Descended(descent.parameters, descent.vectors, 0.0, 0)

    for _ in range(4):
        moved, _ = finish(solver.step(state, p, None, blocks), None, note)
        state = moved.state

    expected = 0.5 * schedule.factors((np.arange(16) + 0.5) / 4)
    np.testing.assert_allclose(np.concatenate(rates), expected)
