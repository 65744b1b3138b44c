"""Errors carry the names of settings, which the command line spells as options."""

from twolayer.errors import SettingError


def test_an_error_knows_the_settings_it_names():
    """Those in backticks, in their order; other words are words."""
    error = SettingError("L-BFGS finds its steps: leave `learning_rate` at auto, or take gd as `solver`.")

    assert error.settings == ["learning_rate", "solver"]
    assert SettingError("nothing").settings == []
