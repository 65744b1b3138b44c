"""The account of a prediction, by features and by hidden units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.networks import PEOPLE, model_of, table_model
from twolayer.errors import DataError, SettingError
from twolayer.explain import attribute, attribute_units
from twolayer.explain.account import iter_shares
from twolayer.explain.view import View

X = np.random.default_rng(0).standard_normal((6, 4))
METHODS = st.sampled_from(["gradients", "shapley"])
KINDS = st.sampled_from(["sigmoid", "tanh", "relu"])


@given(METHODS, KINDS, st.sampled_from([1, 3]), st.sampled_from(["mean", "zero", "data", "row:1", "class:0"]))
def test_logits_are_the_start_and_the_shares(method, activation, n_y, baseline):
    """For each method, activation, number of classes and baseline."""
    model = model_of(4, 3, n_y, activation)

    account = attribute(model, X[:3], baseline, method=method, data=X, labels=[0, 1, 0, 1, 1, 0])

    np.testing.assert_allclose(
        account.start + account.shares.sum(axis=2),
        account.logits,
        rtol=0,
        atol=1e-12 if method == "gradients" else 1e-8,
    )
    np.testing.assert_allclose(np.reshape(model.decision_function(X[:3]), (3, n_y)), account.logits, atol=1e-12)
    assert (account.error < 1e-8).all()
    assert account.outputs == ((1,) if n_y == 1 else (0, 1, 2))


@given(METHODS, KINDS)
def test_logits_are_the_terms_of_the_units(method, activation):
    """The logit is b2 and the terms, and each term is its start and W2 times the shares in its activation."""
    model = model_of(4, 3, 3, activation)

    units = attribute_units(model, X[:1], X[2:4], method=method)

    np.testing.assert_allclose(units.bias + units.terms.sum(axis=1), model.decision_function(X[:1])[0], atol=1e-12)
    by_unit = model.parameters["W2"] * units.shares.sum(axis=1)
    np.testing.assert_allclose(units.start + by_unit, units.terms, rtol=0, atol=1e-8)


def test_a_table_has_a_share_a_column():
    """Its values are those of the model's own encoding."""
    account = attribute(table_model(), PEOPLE, "zero")

    assert account.features == ("age", "town")
    assert account.shares.shape == (4, 1, 2)


def test_the_two_methods_agree_where_the_network_is_linear():
    """Far from every kink, a rectified network has one account."""
    model = model_of(4, 3, activation="relu")
    model.parameters["b1"][:] = 100

    by_gradients, by_shapley = (attribute(model, X, method=method).shares for method in ("gradients", "shapley"))

    np.testing.assert_allclose(by_gradients, by_shapley, atol=1e-10)


def test_sampled_shares_are_marked():
    """And have an error; a seed gives the same ones."""
    model, rows = model_of(30, 3, activation="relu"), np.random.default_rng(1).standard_normal((2, 30))

    account = attribute(model, rows[:1], rows[1:], method="shapley")

    assert account.is_sampled
    assert account.error[0, 0] > 1e-4
    assert not attribute(model_of(4, 3, activation="relu"), X, method="shapley").is_sampled
    assert (attribute(model, rows[:1], rows[1:], method="shapley").shares == account.shares).all()


def test_shares_of_many_samples_come_in_blocks(monkeypatch):
    """Each block is that of the samples alone."""
    monkeypatch.setattr("twolayer.explain.account._BLOCK_VALUES", 8)
    view = View.of(model_of(4, 3))

    blocks = list(iter_shares(view, X, X[:1]))

    assert [len(block) for block in blocks] == [2, 2, 2]
    np.testing.assert_allclose(np.concatenate(blocks), attribute(view.model, X, X[:1]).shares, atol=1e-14)


def test_a_wrong_method_and_several_samples_by_unit_are_refused():
    """In one sentence."""
    with pytest.raises(SettingError, match="must be gradients or shapley"):
        attribute(model_of(4, 1), X, method="lime")
    with pytest.raises(DataError, match="one sample at a time; got 6"):
        attribute_units(model_of(4, 1), X, "zero")
