"""Figures of a committee on samples that it did not learn from, and a word where a simpler method does as well."""

import numpy as np
import pytest

from twolayer import fit_model

FAST = {"members": 4, "n_hidden": 8, "max_iter": 30, "n_threads": 1}


def learn(X, y, **more):
    """Return the result, and its figures by their labels."""
    _, result = fit_model(X, y, **{**FAST, **more})
    return result, {figure.label: figure for figure in result.figures()}


def circles(m=400):
    """Return samples whose classes no plane separates."""
    random = np.random.default_rng(0)
    X = random.normal(size=(m, 2))
    return X, (np.linalg.norm(X, axis=1) + 0.2 * random.normal(size=m) > 1.2).astype(int)


def test_what_was_chosen_and_how_it_validates_is_told():
    """Units, penalty, encoding; log loss and accuracy with their intervals, which have the values of a good network."""
    result, figures = learn(*circles())

    assert figures["chosen"].text.startswith("4 x 8 relu units, L2 penalty 0.0015")
    assert figures["chosen"].text.endswith(", numbers with their quantiles")
    assert figures["validation accuracy"].text.endswith(" %")
    assert " ± " in figures["validation log loss"].text
    accuracy = figures["validation accuracy"].values["validation_accuracy"]
    assert 0.8 < accuracy == result.validation_score < 1
    assert 0.1 < figures["validation log loss"].values["validation_log_loss"] < 0.5
    assert "note" not in figures


def test_where_the_majority_does_as_well_it_is_said():
    """Features that have nothing to do with the classes."""
    random = np.random.default_rng(0)
    _, figures = learn(
        random.normal(size=(200, 3)), np.array(["rare", "usual"])[(random.random(200) > 0.1).astype(int)]
    )

    assert figures["note"].text == "To answer usual always is right as often: the features tell little."


def test_where_a_logistic_regression_does_as_well_it_is_said():
    """Classes that a plane separates, and a network that has not learned them yet; with both log losses."""
    random = np.random.default_rng(3)
    X = random.normal(size=(150, 6))
    y = (X.sum(axis=1) + random.normal(size=150) > 0).astype(int)
    _, figures = learn(X, y, n_hidden=2, max_iter=3)

    note = figures["note"]
    assert note.text.startswith("A logistic regression is as good (log loss 0.")
    assert note.values["logistic_log_loss"] <= note.values["compared_log_loss"]


@pytest.mark.parametrize("n", [1, 4])
def test_weights_count_in_the_figures(n):
    """A validation sample of weight 3 counts as three."""
    X, y = circles(120)
    X_val, y_val = circles(60)
    weight = np.tile([1, 3], 30)
    more = {"X_val": X_val, "y_val": y_val, "members": n}
    result, _ = learn(X, y, sample_weight_val=weight, **more)
    thrice, _ = learn(X, y, **{**more, "X_val": X_val.repeat(weight, axis=0), "y_val": y_val.repeat(weight)})

    assert result.validation_score == pytest.approx(thrice.validation_score)
