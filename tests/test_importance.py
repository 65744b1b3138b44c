"""What matters over many samples: shares, permutations, the effect of a column."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.inspection import partial_dependence, permutation_importance

from tests.networks import PEOPLE, model_of, table_model
from twolayer import TwoLayerClassifier
from twolayer.errors import DataError, SettingError
from twolayer.explain import attribute, measure_effect, measure_importance
from twolayer.explain.importance import observed
from twolayer.explain.view import View

random = np.random.default_rng(0)
X = random.standard_normal((300, 4))
y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def fitted():
    return TwoLayerClassifier(recipe="none", n_hidden=4, max_iter=50, random_state=0).fit(X, y)


@given(st.integers(0, 20), st.sampled_from([1, 3]), st.sampled_from(["sigmoid", "relu"]))
def test_shares_are_the_mean_of_the_accounts(seed, n_y, activation):
    """Of their absolute values; for several classes of what sets the classes apart."""
    model = model_of(4, 3, n_y, activation, seed=seed)
    shares = attribute(model, X[:20], "mean").shares
    sizes = np.abs(shares - (shares.mean(axis=1, keepdims=True) if n_y > 1 else 0)).mean(axis=1)

    found = measure_importance(model, X[:20])

    np.testing.assert_allclose(found.shares, sizes.mean(axis=0))
    np.testing.assert_allclose(found.shares_error, 1.96 * sizes.std(axis=0) / np.sqrt(20), atol=1e-9)
    assert found.accuracy_lost is None


def test_the_feature_that_matters_most_comes_out_first(fitted):
    """By each measure; and those that do not matter have next to nothing."""
    found = measure_importance(fitted.to_model(), X, y)

    for sizes in (found.shares, found.accuracy_lost, found.loss_added):
        assert np.argmax(sizes) == 0
        assert sizes[2:].max() < 0.2 * sizes[0]


def test_permutation_importance_is_that_of_scikit_learn(fitted):
    """To the chance of the permutations."""
    ours = measure_importance(fitted.to_model(), X, y, n_repeats=40)
    theirs = permutation_importance(fitted, X, y, n_repeats=40, random_state=1)

    np.testing.assert_allclose(ours.accuracy_lost, theirs.importances_mean, atol=0.02)
    assert (np.abs(ours.accuracy_lost - theirs.importances_mean) <= ours.accuracy_lost_error + 0.01).all()


@pytest.mark.skipif(
    "custom_values" not in inspect.signature(partial_dependence).parameters, reason="this scikit-learn takes no values"
)
def test_the_effect_of_a_number_is_scikit_learns_partial_dependence(fitted):
    """At the same values."""
    effect = measure_effect(fitted.to_model(), X, 1)
    theirs = partial_dependence(fitted, X, [1], custom_values={1: effect.numbers}, response_method="predict_proba")

    np.testing.assert_allclose(effect.probability[:, 1], theirs["average"][0], atol=1e-6)
    assert (effect.low <= effect.probability + 1e-12).all()
    assert (effect.high >= effect.probability - 1e-12).all()
    assert len(effect.values) == 25
    assert (np.diff(effect.numbers) > 0).all()


def test_the_effect_of_columns_of_a_table():
    """Numbers in order, and missing; categories with all others."""
    model = table_model()

    age, town = measure_effect(model, PEOPLE, "age"), measure_effect(model, PEOPLE, "town")

    assert age.values == ("25", "40", "61", "missing")
    np.testing.assert_allclose(age.numbers, [25, 40, 61, np.nan], rtol=1e-4)
    assert (town.values, town.numbers) == (("Ulm", "other", "Bern"), None)
    ulm = {**PEOPLE, "town": ["Ulm"] * 4}
    np.testing.assert_allclose(town.probability[0], model.predict_proba(ulm).mean(axis=0))


def test_many_values_are_taken_at_even_ranks():
    """The smallest and the largest among them."""
    view = View.of(model_of(1, 1))
    values = np.sort(random.standard_normal((500, 1)), axis=0)

    points, numbers = observed(view, values, 0, 10)

    assert len(points) == 10
    assert (numbers[0], numbers[-1]) == (values[0, 0], values[-1, 0])


def test_wrong_input_is_refused():
    """No such column, and no samples."""
    with pytest.raises(SettingError, match="no `column` 'city'"):
        measure_effect(table_model(), PEOPLE, "city")
    with pytest.raises(DataError, match="no samples"):
        measure_effect(model_of(4, 1), X[:0], 0)
    with pytest.raises(DataError, match="no samples"):
        measure_importance(model_of(4, 1), X[:0], baseline="zero")
