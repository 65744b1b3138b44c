"""Displays are drawn as scikit-learn's are: from an estimator or a model, on an axis that is given or a new one."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from twolayer import TwoLayerClassifier
from twolayer.explain.displays import AccountDisplay, EffectDisplay, ImportanceDisplay, UnitsDisplay


@pytest.fixture(scope="module")
def fitted():
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 4))
    y = (X[:, 0] > 0).astype(int)
    return TwoLayerClassifier(n_hidden=5, max_iter=30, random_state=0).fit(X, y), X, y


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


MAKERS = {
    "account": lambda model, X, y, ax: AccountDisplay.from_estimator(model, X[:3], sample=1, baseline="zero", ax=ax),
    "importance": lambda model, X, y, ax: ImportanceDisplay.from_estimator(model, X, y, ax=ax),
    "effect": lambda model, X, y, ax: EffectDisplay.from_estimator(model, X, 0, ax=ax),
    "units": lambda model, X, y, ax: UnitsDisplay.from_estimator(model, ax=ax),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_display_draws_on_the_axis_that_it_is_given(fitted, kind):
    """Or on a new one; an estimator and its model give the same picture."""
    estimator, X, y = fitted
    with plt.rc_context({"backend": "agg"}):
        _, ax = plt.subplots()
        display = MAKERS[kind](estimator, X, y, ax)
        other = MAKERS[kind](estimator.to_model(), X, y, None)

    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert other.ax_ is not ax
    assert len(display.ax_.patches) == len(other.ax_.patches)
    assert display.ax_.get_title(loc="left") == other.ax_.get_title(loc="left")
    assert display.plot().ax_ is not ax
