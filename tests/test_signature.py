"""The estimator's parameters are the settings: one list of names, defaults, bounds and explanations."""

import inspect
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.base import clone

from twolayer.classifier import TwoLayerClassifier
from twolayer.errors import SettingError
from twolayer.settings import Settings, default_of, real, setting, setting_fields
from twolayer.signature import takes_settings


def test_parameters_are_the_settings():
    """In their order and with their defaults, the first by position too, then the estimator's own; but no seed."""
    parameters = inspect.signature(TwoLayerClassifier).parameters
    names = [each.name for each in setting_fields(Settings)]

    assert list(parameters)[: len(names)] == names
    for each in setting_fields(Settings):
        assert each.name == "random_state" or parameters[each.name].default == default_of(each)
    assert set(parameters) - set(names) == {"scoring", "warm_start", "initial_parameters", "verbose", "on_epoch"}
    assert {each.kind for each in list(parameters.values())[1:]} == {inspect.Parameter.KEYWORD_ONLY}
    assert TwoLayerClassifier().random_state is None
    assert TwoLayerClassifier(9).n_hidden == 9
    for arguments, more in (((5, "tanh"), {}), ((), {"magic": 1})):
        with pytest.raises(TypeError):
            TwoLayerClassifier(*arguments, **more)


def test_a_new_setting_is_one_field():
    """Parameter, default, check, documentation, fingerprint, and the record in a model follow from it."""

    @dataclass(frozen=True)
    class MoreSettings(Settings):
        dropout: float = setting(0.25, real(0, 1), "Fraction of units left out at a step.")

    @takes_settings(MoreSettings)
    class WithDropout(TwoLayerClassifier):
        """A network.

        Parameters
        ----------
        {parameters}
        """

    X, y = np.eye(6), np.arange(6) % 2
    network = clone(WithDropout(max_iter=1, tol=0, dropout=np.float64(0.5)))

    assert list(inspect.signature(WithDropout).parameters).index("dropout") == len(setting_fields(Settings))
    assert WithDropout().get_params() == {**TwoLayerClassifier().get_params(), "dropout": 0.25}
    assert network.get_params()["dropout"] == 0.5
    lines = WithDropout.__doc__.splitlines()
    at = lines.index("dropout : a number of at least 0 and less than 1, default=0.25")
    assert lines[at + 1] == "    Fraction of units left out at a step."
    assert network.fit(X, y).to_model().settings["dropout"] == MoreSettings(dropout=0.5).fingerprint()["dropout"] == 0.5
    with pytest.raises(SettingError, match="`dropout` must be a number of at least 0 and less than 1; got 1"):
        network.set_params(dropout=1).fit(X, y)


@pytest.mark.parametrize("name", TwoLayerClassifier().get_params())
def test_each_parameter_is_documented(name):
    """With what it may be and what it does, no line longer than a page."""
    lines = TwoLayerClassifier.__doc__.splitlines()
    (at,) = (k for k, line in enumerate(lines) if line.startswith(f"{name} : "))

    assert lines[at].endswith(f", default={TwoLayerClassifier().get_params()[name]!r}")
    assert lines[at + 1].startswith("    ")
    assert max(map(len, lines)) <= 120
