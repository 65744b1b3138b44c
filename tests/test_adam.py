"""Adam is the paper's, on mini-batches whose order follows from the seed and the pass."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, finish, flat
from twolayer.engines.objective import Evaluation
from twolayer.parameters import Parameters, Sizes
from twolayer.solvers import Adam


def batches(solver, blocks, state=None):
    """Return the mini-batches of a pass over nothing, and the state after it."""
    seen, p = [], flat()
    step = solver.step(state or solver.begin(p), p, None, blocks)
    moved, _ = finish(step, lambda trial: (seen.append(trial.rows), Evaluation(0.0, 0, np.zeros(4)))[1])
    return seen, moved.state


def test_adam_is_the_papers():
    """Three updates by hand, bias correction and all, in an order that visits each sample once in a pass."""
    solver, p, gradients = Adam(0.1, batch_size=2), flat(W2=1.0), iter((2.0, -1.0, 0.5))

    step = solver.step(solver.begin(p), p, None, (5,))
    moved, _ = finish(step, lambda _: Evaluation(0.0, 0, np.full(4, next(gradients))))

    m, v, value = 0.0, 0.0, 1.0
    for t, g in enumerate((2.0, -1.0, 0.5), start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        value -= 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert moved.evaluation is None
    assert float(moved.parameters["W2"][0, 0]) == pytest.approx(value, rel=1e-12)
    assert (moved.state.n_updates, moved.state.n_passes) == (3, 1)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6).map(tuple), st.integers(1, 5), SEEDS, st.integers(0, 9))
def test_a_pass_goes_block_by_block(blocks, batch_size, seed, n_passes):
    """Each sample once, each mini-batch of one block and as large as can be, each block read once; again the same."""
    solver, ends = Adam(batch_size=batch_size, random_state=seed), np.cumsum(blocks)
    state = replace(solver.begin(flat()), n_passes=n_passes)

    seen, after = batches(solver, blocks, state)

    of_block = [np.searchsorted(ends, rows, "right") for rows in seen]
    assert sorted(np.concatenate(seen)) == list(range(ends[-1]))
    assert all(len(set(places)) == 1 for places in of_block)
    assert 1 + np.count_nonzero(np.diff([places[0] for places in of_block])) == len(blocks)
    assert len(seen) == sum(-(-size // batch_size) for size in blocks)
    assert all(len(rows) <= batch_size for rows in seen)
    assert after.n_passes == n_passes + 1
    again, _ = batches(Adam(batch_size=batch_size, random_state=seed), blocks, state)
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate(again))


@pytest.mark.parametrize("blocks", [(50,) * 6, (300,)])
def test_the_order_changes(blocks):
    """From pass to pass and from seed to seed: that of the blocks, and that of the samples in them."""
    orders = []
    for seed in (0, 1):
        solver, state = Adam(batch_size=20, random_state=seed), None
        for _ in range(2):
            seen, state = batches(solver, blocks, state)
            orders.append(tuple(np.concatenate(seen).tolist()))

    assert len(set(orders)) == 4
    assert len(blocks) == 1 or len({tuple(np.array(order)[::50] // 50) for order in orders}) > 1


def test_in_one_block_the_order_is_one_permutation():
    """Of the generator that the seed and the pass give."""
    seen, state = batches(Adam(batch_size=20, random_state=3), (300,))
    assert np.concatenate(seen).tolist() == np.random.default_rng([3, 0]).permutation(300).tolist()

    seen, _ = batches(Adam(batch_size=20, random_state=3), (300,), state)
    assert np.concatenate(seen).tolist() == np.random.default_rng([3, 1]).permutation(300).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_decays_never_comes_to_numbers_that_take_long(dtype):
    """Moments of a gradient that is 0 from now on end at 0, not at numbers below full precision."""
    solver = Adam(batch_size=1)
    p = Parameters(np.ones(4, dtype), Sizes(1, 1, 1))
    tiny = np.finfo(dtype).tiny
    state = replace(solver.begin(p), first=np.full(4, tiny * 100, dtype), second=np.full(4, tiny * 100, dtype))

    moved, _ = finish(solver.step(state, p, None, (1,)), lambda _: Evaluation(0.0, 0, np.zeros(4, dtype)))

    assert not moved.state.first.any()
    assert not moved.state.second.any()
    np.testing.assert_array_equal(moved.parameters.vector, p.vector)
