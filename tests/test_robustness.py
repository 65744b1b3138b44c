"""What is called robust has no counterexample, what is turned has one, and small networks are decided."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twolayer
from tests.test_bounds import KINDS, make_view
from twolayer.errors import DataError, SettingError
from twolayer.explain import check_robustness
from twolayer.explain.robustness import ROBUST, TURNED, UNDECIDED


@settings(max_examples=30)
@given(KINDS, st.sampled_from([1, 3]), st.floats(0.01, 1.5), st.integers(0, 99))
def test_verdicts_are_those_of_a_dense_grid(activation, n_y, radius, seed):
    """In two dimensions all are decided: no point of the grid turns what is robust, and each example turns its own."""
    view = make_view(activation, n_x=2, n_h=4, n_y=n_y, seed=seed, scale=2.0)
    X = np.random.default_rng(seed).normal(size=(6, 2))
    found = check_robustness(view.model, X, radius, seconds=20)
    step = np.linspace(-1, 1, 41)
    grid = radius * np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)

    for row, verdict, example, margin in zip(X, found.verdicts, found.examples, found.margins, strict=True):
        own = view.model.predict(row[None])[0]
        turns = (view.model.predict(row + grid) != own).any()
        assert verdict != UNDECIDED
        if verdict == ROBUST:
            assert not turns
            assert margin > 0
        else:
            assert np.abs(example - row).max() <= radius + 1e-12
            assert view.model.predict(example[None])[0] != own
    assert sum(found.counts.values()) == 6


def test_limits_keep_values_where_they_can_be():
    """A pixel that is black cannot become darker; a sample outside the limits stays in its own box."""
    view = make_view("tanh", n_x=2, n_h=3, seed=3, scale=3.0)
    X = np.array([[0.0, 1.0], [0.5, 1.3]])
    found = check_robustness(view.model, X, 0.8, limits=(0, 1))

    for row, example in zip(X, found.examples, strict=True):
        if np.isfinite(example).all():
            assert (example >= np.minimum(row, 0)).all()
            assert (example <= np.maximum(row, 1)).all()


@pytest.mark.slow
def test_all_test_digits_are_decided():
    """Every 0 and 1, at a radius of a tenth, for the assignment's ten units."""
    X, y, X_test, _ = twolayer.load_mnist((0, 1))
    model, _ = twolayer.fit_model(X, y, scale=255.0, recipe="none", n_hidden=10)
    found = check_robustness(model, X_test, 0.1, limits=(0, 1))

    assert found.counts[UNDECIDED] == 0
    assert found.counts[ROBUST] > 1900
    turned = [k for k, verdict in enumerate(found.verdicts) if verdict == TURNED]
    examples = found.examples[turned] * 255
    assert (model.predict(examples) != model.predict(X_test[turned])).all()
    assert np.abs(examples / 255 - X_test[turned] / 255).max() <= 0.1 + 1e-6


def test_what_cannot_be_checked_is_told():
    """One sentence each."""
    model = make_view("tanh").model
    with pytest.raises(SettingError, match="greater than 0"):
        check_robustness(model, np.zeros((1, 3)), 0.0)
    with pytest.raises(SettingError, match="greater than 0"):
        check_robustness(model, np.zeros((1, 3)), 0.1, seconds=-1)
    with pytest.raises(DataError, match="no samples"):
        check_robustness(model, np.zeros((0, 3)), 0.1)


def test_the_command_counts_and_lists(call, refused, tmp_path, monkeypatch):
    """All samples, or one of them; and it refuses a picture."""
    monkeypatch.chdir(tmp_path)
    twolayer.save(make_view("tanh").model, "model.safetensors")
    np.savez("samples.npz", X=np.random.default_rng(0).normal(size=(9, 3)))
    arguments = ("explain", "model.safetensors", "samples.npz", "--radius", "0.05")

    code, out, err = call(*arguments)
    assert (code, err) == (0, "")
    assert "9 samples, each value changed by at most 0.05" in out
    record = json.loads(call(*arguments, "--json")[1])
    assert record["robust"] + record["turned_by_this_example"] == len(record["verdicts"]) == 9
    one = json.loads(call(*arguments, "--row", "4", "--json")[1])["verdicts"]
    assert one == [record["verdicts"][4]]
    assert "no picture of changes" in refused(*arguments, "--out", "x.png")
    assert "--radius must be" in refused(*arguments[:-1], "-1")
