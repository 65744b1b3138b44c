"""The plain engine is the blackboard, behind the contract of an objective."""

import numpy as np
import pytest
from hypothesis import given

from strategies import cases
from twolayer import equations
from twolayer.engines.whole import to_columns
from twolayer.errors import DataError


@given(cases())
def test_cost_and_gradients_are_those_of_the_blackboard(case):
    """Bit by bit: the whole batch is one call of each formula, with the penalty beside it."""
    task, p, dtype = case.task, case.networks[0], np.dtype(case.settings["dtype"])
    weight, codes, n_y = case.settings["sample_weight"], case.labels.codes, case.labels.n_outputs
    weight = None if weight is None else weight.astype(dtype)
    X = to_columns(case.rows, case.settings["scale"], dtype)
    Y = (codes == (np.arange(n_y)[:, None] if n_y > 1 else np.ones((1, 1)))).astype(dtype)
    loss = equations.find_loss(task.loss, n_y)
    A2, cache = equations.forward_propagation(X, p, task.activation, loss.output)
    grads = equations.back_propagation(X, Y, p, cache, activation=task.activation, loss=task.loss, sample_weight=weight)
    penalty = task.l2 / 2 * (float((p["W1"] ** 2).sum()) + float((p["W2"] ** 2).sum()))

    (got,) = case.objective().evaluate([p], gradient=True)

    assert got.cost == float(loss.cost(cache, Y, weight)) + penalty
    assert got.correct == ((A2[0] > 0.5) == codes if n_y == 1 else A2.argmax(axis=0) == codes).sum()
    for name, grad in p.sizes.split(got.gradient).items():
        pull = task.l2 * p[name] if name in ("W1", "W2") else 0
        np.testing.assert_array_equal(grad, grads[f"d{name}"] + pull)


@pytest.mark.parametrize(("far", "scale"), [(1e300, 1.0), (1e30, 1e-20)])
def test_features_out_of_range_are_refused(far, scale):
    """A float64 that float32 cannot hold, or that a small scale makes too large."""
    with pytest.raises(DataError, match="out of the range of float32"):
        to_columns(np.full((2, 3), far), scale, np.dtype("float32"))
