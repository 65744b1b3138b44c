"""A threshold and a temperature make better use of a trained model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import draw_probabilities
from twolayer import Model
from twolayer.errors import DataError, SettingError
from twolayer.evaluation import calibrate, choose_threshold, with_threshold


@given(st.integers(0, 99), st.sampled_from(["f1", "recall:0.9", "cost:5", "cost:0.2"]))
def test_a_threshold_is_the_best_of_all(seed, by):
    """None of those between two samples does better by what it was chosen for."""
    P, y = draw_probabilities(60, 2, seed)
    found = choose_threshold(P, y, (0, 1), by)

    def judge(t):
        called = P[:, 1] >= t
        hits = (called & (y == 1)).sum()
        if by == "f1":
            return 2 * hits / (called.sum() + y.sum())
        if by == "recall:0.9":
            return hits / max(called.sum(), 1) if hits / y.sum() >= 0.9 else -1
        return -(float(by[5:]) * (y.sum() - hits) + called.sum() - hits)

    edges = np.unique(P[:, 1])
    best = max(judge(t) for t in edges)
    assert judge(found.value) == pytest.approx(best)
    called = P[:, 1] >= found.value
    assert found.accuracy == pytest.approx((called == y).mean())
    assert found.recall == pytest.approx(called[y == 1].mean())


def make_model(n_classes=2, scale=1.0):
    random, n_y = np.random.default_rng(0), 1 if n_classes == 2 else n_classes
    shapes = {"W1": (6, 4), "b1": (6, 1), "W2": (n_y, 6), "b2": (n_y, 1)}
    parameters = {name: random.normal(size=shape) for name, shape in shapes.items()}
    parameters = {name: value * (scale if name in ("W2", "b2") else 1) for name, value in parameters.items()}
    return Model(parameters, tuple(range(n_classes)), (4,), output="softmax" if n_y > 1 else "sigmoid")


@given(st.floats(0.01, 0.99))
def test_a_model_with_a_threshold_decides_by_it(t):
    """As if the probabilities were compared with it; the threshold is in its settings."""
    model, X = make_model(), np.random.default_rng(1).normal(size=(200, 4))
    shifted = with_threshold(model, t)

    p = model.predict_proba(X)[:, 1]
    clear = np.abs(p - t) > 1e-9
    np.testing.assert_array_equal(shifted.predict(X)[clear], (p > t)[clear])
    assert shifted.settings["threshold"] == t


@pytest.mark.parametrize("n_classes", [2, 3])
def test_calibration_finds_the_temperature_that_was_put_in(n_classes):
    """Labels drawn from a model; one three times as sure gets a temperature of about 3, and its predictions stay."""
    model, sure = make_model(n_classes), make_model(n_classes, scale=3.0)
    X = np.random.default_rng(1).normal(size=(20_000, 4))
    P = model.predict_proba(X)
    y = (P.cumsum(axis=1) < np.random.default_rng(2).random((len(P), 1))).sum(axis=1)

    calibrated, temperature = calibrate(sure, X, y)

    assert temperature == pytest.approx(3, rel=0.1)
    np.testing.assert_array_equal(calibrated.predict(X), sure.predict(X))
    np.testing.assert_allclose(calibrated.predict_proba(X), P, atol=0.03)


def test_what_cannot_be_decided_is_told():
    """One sentence each."""
    P, y = draw_probabilities(10, 3, 0)
    for wrong, sentence in (
        (lambda: choose_threshold(P, y, range(3)), "two classes"),
        (lambda: calibrate(Model(make_model(3).parameters, (0, 1, 2), (4,)), np.zeros((1, 4)), [0]), "loss log"),
    ):
        with pytest.raises(DataError, match=sentence):
            wrong()
    with pytest.raises(SettingError, match="f1, recall:SHARE"):
        choose_threshold(P[:, :2], y.clip(max=1), (0, 1), "recall:2")
    with pytest.raises(SettingError, match="greater than 0 and less than 1"):
        with_threshold(make_model(), 1)
    with pytest.raises(SettingError, match="two classes; the model has 3"):
        with_threshold(make_model(3), 0.3)
