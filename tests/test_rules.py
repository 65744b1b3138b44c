"""The rules by which a gradient moves parameters are those of their papers, and leave alone what they are given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS
from twolayer.engines.rules import AdamRule, MomentumRule, without_specks
from twolayer.parameters import Parameters, Sizes

SIZES = Sizes(3, 2, 1)
RULE = st.sampled_from([AdamRule(), AdamRule(0.3), MomentumRule(), MomentumRule(0.3, 0.5)])


def kept(rate, weight_decay):
    """Return what is left of each parameter after its decay: weights lose rate times decay, biases nothing."""
    left = Parameters(np.ones(SIZES.n_parameters), SIZES)
    for name in ("W1", "W2"):
        left[name][:] = 1 - rate * weight_decay
    return left.vector


def case(seed, dtype="float64"):
    """Return parameters, what a rule may remember of them, and a gradient."""
    random = np.random.default_rng(seed)
    p, first, second, gradient = random.normal(size=(4, SIZES.n_parameters)).astype(dtype)
    return Parameters(p, SIZES), (first, second**2), gradient


@given(SEEDS, st.integers(1, 50), st.floats(0, 0.5))
def test_adam_is_the_papers_and_its_decay_is_decoupled(seed, t, weight_decay):
    """The weights, not the biases, first lose rate times decay of themselves (Loshchilov and Hutter)."""
    p, (m, v), g = case(seed)

    moved, (first, second) = AdamRule(weight_decay).move(p, (m, v), g, 0.1, t)

    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    step = 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(moved.vector, p.vector * kept(0.1, weight_decay) - step, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(first, m)
    np.testing.assert_allclose(second, v)


@given(SEEDS, st.floats(0, 1), st.floats(0, 0.5))
def test_momentum_is_nesterovs(seed, momentum, weight_decay):
    """It moves by where the velocity will be after the next push, from weights that have decayed."""
    p, (velocity, _), g = case(seed)

    moved, (after,) = MomentumRule(weight_decay, momentum).move(p, (velocity,), g, 0.1, 1)

    np.testing.assert_allclose(after, momentum * velocity - 0.1 * g)
    expected = p.vector * kept(0.1, weight_decay) + momentum * after - 0.1 * g
    np.testing.assert_allclose(moved.vector, expected, rtol=1e-12, atol=1e-14)


@given(SEEDS, RULE, st.sampled_from(["float32", "float64"]))
def test_what_a_rule_is_given_stays_as_it_is(seed, rule, dtype):
    """And the type stays the same."""
    p, vectors, g = case(seed, dtype)
    before = [array.copy() for array in (p.vector, *vectors, g)]

    moved, remembered = rule.move(p, vectors[: rule.n_vectors], g, 0.1, 3)

    assert {array.dtype for array in (moved.vector, *remembered)} == {np.dtype(dtype)}
    for array, copy in zip((p.vector, *vectors, g), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@given(RULE, st.integers(1, 1000))
def test_the_kernel_is_told_the_same_numbers(rule, t):
    """Step, correction of the mean square, and what is kept of the weights, for each update from the t-th."""
    rates = np.array([0.1, 0.2, 0.3])

    numbers = rule.numbers(rates, t)

    np.testing.assert_allclose(numbers[:, 2], 1 - rates * rule.weight_decay)
    if isinstance(rule, AdamRule):
        np.testing.assert_allclose(numbers[:, 0], rates / (1 - 0.9 ** np.arange(t, t + 3)))
        np.testing.assert_allclose(numbers[:, 1], 1 / (1 - 0.999 ** np.arange(t, t + 3)))
    else:
        np.testing.assert_array_equal(numbers[:, :2], np.column_stack([rates, np.ones(3)]))


@given(SEEDS, RULE, st.integers(1, 1000), st.floats(1e-6, 1))
def test_with_these_numbers_the_kernels_formula_goes_where_the_rule_goes(seed, rule, t, rate):
    """The formula of `move` in minibatch.c, the only one that they are made for."""
    p, vectors, g = case(seed)
    step, correction, left = rule.numbers(np.array([rate]), t)[0]

    moved, remembered = rule.move(p, vectors[: rule.n_vectors], g, rate, t)

    start = np.where(kept(1.0, 1.0) == 0, left, 1.0) * p.vector  # weights alone decay
    if isinstance(rule, AdamRule):
        m, v = remembered
        expected = start - step * m / (np.sqrt(v * correction) + rule.epsilon)
    else:
        expected = start + rule.momentum * remembered[0] - step * g
    np.testing.assert_allclose(moved.vector, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_specks_become_nothing(dtype):
    """Numbers near the smallest of full precision; others stay, also those that are out of range."""
    tiny = np.finfo(dtype).tiny

    cleared = without_specks(np.array([tiny, -tiny * 1000, 1e-20, 0, -3, np.inf, np.nan], dtype))

    np.testing.assert_array_equal(cleared, np.array([0, 0, 1e-20, 0, -3, np.inf, np.nan], dtype))
