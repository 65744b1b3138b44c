"""Samples read block by block give what the blackboard gives on all of them at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import Case, assert_alike, cases, coded, flat, normal, part
from twolayer.data.rows import ArrayRows, Rows
from twolayer.parameters import Sizes


class Counted(Rows):
    """Rows that count how often each block is read, and do something else when one is."""

    def __init__(self, rows, when_read=lambda: None):
        self._rows, self.shape, self.dtype, self.blocks = rows, rows.shape, rows.dtype, rows.blocks
        self.reads, self.when_read = [], when_read

    def read(self, block):
        """Return the rows of one block."""
        self.reads.append(block)
        self.when_read()
        return self._rows.read(block)


@given(cases(blocks=True))
def test_cost_and_gradients_are_those_of_the_blackboard(case):
    """Over any blocks, weights that leave whole blocks out among them, side by side and in a forward pass alone."""
    objective = case.objective("streamed")

    assert (objective.n_samples, objective.blocks) == (case.rows.shape[0], case.rows.blocks)
    together, forward = (objective.evaluate(case.networks, gradient=gradient) for gradient in (True, False))
    for network, got, measured in zip(case.networks, together, forward, strict=True):
        assert_alike(case, network, got)
        assert (measured.cost, measured.correct) == (got.cost, got.correct)


@given(cases(blocks=True), st.integers(0, 99))
def test_a_mini_batch_is_the_blackboard_on_its_samples(case, seed):
    """Those of one block, in any order, with their weights and the whole penalty."""
    random, objective = np.random.default_rng(seed), case.objective("streamed")
    starts = np.cumsum([0, *case.rows.blocks])
    for block in random.permutation(len(case.rows.blocks))[:3]:
        index = random.permutation(np.arange(starts[block], starts[block + 1]))[:40]

        (got,) = objective.evaluate(case.networks[:1], gradient=True, rows=index)

        small = part(case, index)
        if small.settings["sample_weight"] is None or small.settings["sample_weight"].any():
            assert_alike(small, case.networks[0], got)
        else:
            assert got.cost == pytest.approx(small.task.finish(got, case.networks[0]).cost / 2, rel=1e-4)


def test_each_pass_reads_each_block_once():
    """Also for several networks; mini-batches of one block read it once, and a pass lets go of it."""
    rows, network = (
        Counted(ArrayRows(np.random.default_rng(0).random((10, 2)), 4)),
        normal(Sizes(2, 1, 1), np.random.default_rng(0)),
    )
    streamed = Case(rows, coded(np.arange(10) % 2), []).objective("streamed")

    streamed.evaluate([network, network], gradient=True)
    assert rows.reads == [0, 1, 2]
    rows.reads.clear()
    for index in ([0, 3], [1, 2], [9, 8], [7], [0]):
        streamed.evaluate([network], gradient=True, rows=np.array(index))
    assert rows.reads == [0, 2, 0]
    streamed.evaluate([network], gradient=False)
    streamed.evaluate([network], gradient=True, rows=np.array([0]))
    assert rows.reads == [0, 2, 0, 0, 1, 2, 0]


def test_a_pass_is_abandoned_between_blocks():
    """It is asked before each one, no block is read after a yes, and the next pass is whole again."""
    rows = Counted(ArrayRows(np.random.default_rng(0).random((12, 1)), 3))
    streamed = Case(rows, coded(np.arange(12) % 2), []).objective("streamed")
    expected = streamed.evaluate([flat(W1=1.0)], gradient=True)
    for n_read in range(4):
        rows.reads.clear()
        assert streamed.evaluate([flat(W1=1.0)], gradient=True, stop=lambda n=n_read: len(rows.reads) == n) is None
        assert rows.reads == list(range(n_read))

    assert streamed.evaluate([flat(W1=1.0)], gradient=True)[0].cost == expected[0].cost


def test_parameters_out_of_range_give_a_cost_that_is_not_finite_and_no_warning():
    """As in memory, whichever block they show in, and whatever it weighs."""
    for weight in (None, [0.0, 1.0, 1.0]):
        case = Case(
            ArrayRows(np.array([[1.0], [0.0], [0.0]]), 1),
            coded([1, 0, 1]),
            [],
            settings={"dtype": "float64", "sample_weight": weight},
        )
        (found,) = case.objective("streamed").evaluate([flat(W1=np.inf)], gradient=True)
        assert not np.isfinite(found.cost)
