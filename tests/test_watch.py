"""A watch knows a training that goes wrong, leaves others alone, and ends it where it may."""

import numpy as np
import pytest

import twolayer
from twolayer.errors import SettingError
from twolayer.explain import Watch

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 5))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
GD = {"recipe": "none", "solver": "gd", "loss": "log", "max_iter": 200, "n_hidden": 8}


def train(watch, **settings):
    return twolayer.fit_model(X, Y, on_event=watch, **{**GD, **settings})[1]


def test_a_step_that_is_too_large_is_seen_and_ended():
    """By costs that rise again and again."""
    watch = Watch(stop=True)
    result = train(watch, learning_rate=500.0)

    assert watch.finding == "step-too-large"
    assert result.n_iter <= watch.iteration + 1 < 200
    assert train(Watch(), learning_rate=500.0).n_iter >= result.n_iter


def test_a_training_that_stands_still_is_seen():
    """From its beginning."""
    watch = Watch()
    train(watch, learning_rate=1e-9)

    assert (watch.finding, watch.iteration) == ("stuck", 20)


@pytest.mark.parametrize(
    "settings", [{"learning_rate": 0.5}, {"solver": "adam", "batch_size": 32}, {"solver": "lbfgs"}]
)
def test_others_are_left_alone(settings):
    """Steps that suit, noisy ones of mini-batches, and those of L-BFGS."""
    watch = Watch(stop=True)
    result = train(watch, **settings)

    assert watch.finding is None
    assert result.history[-1].cost < result.history[0].cost


def test_patience_is_a_number():
    """One sentence."""
    with pytest.raises(SettingError, match="at least 5"):
        Watch(patience=2)
