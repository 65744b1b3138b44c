"""The logistic regression beside a network is the one that scikit-learn finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from strategies import SEEDS
from twolayer.baseline import probabilities, train_logistic


@given(SEEDS, st.integers(2, 4), st.booleans())
def test_it_is_the_penalized_maximum_likelihood(seed, n_classes, weighted):
    """Of samples with and without weights: the cost has its minimum where scikit-learn's solver finds it."""
    random = np.random.default_rng(seed)
    X, codes = random.normal(size=(60, 3)), np.arange(60) % n_classes
    X[:, 0] += codes
    weight = random.uniform(0.5, 2, 60) if weighted else np.ones(60)

    found = probabilities(train_logistic(X, codes, n_classes, weight if weighted else None), X)

    theirs = LogisticRegression(C=1 / (1e-3 * weight.sum()), tol=1e-8, max_iter=1000).fit(X, codes, weight)
    if n_classes > 2:  # with two classes it has one row of weights, which the penalty sees another way
        np.testing.assert_allclose(found, theirs.predict_proba(X), atol=2e-3)
    else:
        np.testing.assert_allclose(found, theirs.predict_proba(X), atol=2e-2)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_it_stays_in_the_type_of_the_samples():
    """Float32 in, float32 out, and far features do not overflow."""
    X, codes = np.float32([[-1e4], [1e4], [-2e4], [2e4]]), np.array([0, 1, 0, 1])

    regression = train_logistic(X, codes, 2)

    assert regression.dtype == np.float32
    assert probabilities(regression, X).argmax(axis=1).tolist() == codes.tolist()
    assert probabilities(regression, X).max() == pytest.approx(1)
