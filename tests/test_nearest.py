"""The nearest other answer is one, none is nearer than what is proved, and fewer columns do not do it."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_bounds import KINDS, make_view
from twolayer import Model
from twolayer.errors import DataError, SettingError
from twolayer.explain import find_change, find_nearest


def turns_somewhere(view, row, radius):
    """Return whether a dense grid of a disc has a point with another answer."""
    step = np.linspace(-1, 1, 121)
    grid = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
    disc = row + radius * grid[(grid**2).sum(axis=1) <= 1]
    return (view.model.predict(disc) != view.model.predict(row[None])[0]).any()


@settings(max_examples=25)
@given(KINDS, st.sampled_from([1, 3]), st.integers(0, 99))
def test_no_point_is_nearer_than_what_is_proved(activation, n_y, seed):
    """In two dimensions: the point turns the class, the bound holds on a grid, and both agree."""
    view = make_view(activation, n_x=2, n_h=4, n_y=n_y, seed=seed, scale=2.0)
    row = np.random.default_rng(seed).normal(size=2)
    try:
        found = find_nearest(view.model, row[None], seconds=10)
    except DataError:
        assert not turns_somewhere(view, row, 5.0)
        return

    assert view.model.predict(found.values[None])[0] == found.answer != found.prediction
    assert found.distance == pytest.approx(np.linalg.norm(found.values - row))
    assert found.least_distance <= found.distance
    assert not turns_somewhere(view, row, 0.999 * found.least_distance)
    assert found.least_distance >= 0.85 * found.distance
    assert found.certified is (found.least_distance >= 0.999 * found.distance)


def test_with_one_unit_it_is_the_distance_from_a_plane():
    """The answer changes where w x + b has one value: at |that - w x - b| / |w|."""
    w, b = np.array([3.0, 4.0]), 0.5
    parameters = {"W1": w[None], "b1": np.array([[b]]), "W2": np.array([[2.0]]), "b2": np.array([[-1.0]])}
    model = Model(parameters, (0, 1), (2,), activation="sigmoid")  # 2 s(z) = 1 where z = 0
    found = find_nearest(model, np.array([[1.0, 1.0]]))

    assert found.distance == pytest.approx(7.5 / 5)
    assert found.least_distance == pytest.approx(7.5 / 5, rel=1e-3)
    np.testing.assert_allclose(found.values, [1 - 0.9, 1 - 1.2], atol=1e-6)


@settings(max_examples=25)
@given(KINDS, st.integers(0, 99))
def test_no_fewer_columns_turn_it(activation, seed):
    """Of one column and of two by going through all; what is found turns it."""
    view = make_view(activation, n_x=4, seed=seed)
    X = np.random.default_rng(seed).normal(size=(12, 4)).round(1)
    change, own = find_change(view.model, X[:1], X), view.model.predict(X[:1])[0]

    def any_turns(n_columns):
        for columns in itertools.combinations(range(4), n_columns):
            for rows in itertools.product(range(12), repeat=n_columns):
                new = X[0].copy()
                new[list(columns)] = X[list(rows), list(columns)]
                if view.model.predict(new[None])[0] != own:
                    return True
        return False

    n_columns = None if change is None else len(change.features)
    assert any_turns(1) is (n_columns == 1)
    if n_columns != 1:
        assert any_turns(2) is (n_columns == 2)
    if change is not None:
        new = X[0].copy()
        for name, word in zip(change.features, change.values, strict=True):
            new[int(name[1:])] = float(word)
        assert view.model.predict(new[None])[0] == change.answer != own
        assert change.is_least is (n_columns <= 2)


def test_what_has_no_nearest_is_told():
    """Several samples, a network that has one answer, a time that is none."""
    model = make_view("tanh").model
    with pytest.raises(DataError, match="one sample at a time; got 2"):
        find_nearest(model, np.zeros((2, 3)))
    with pytest.raises(DataError, match="one sample at a time; got 2"):
        find_change(model, np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(SettingError, match="greater than 0"):
        find_nearest(model, np.zeros((1, 3)), seconds=0)
    model.parameters["W2"][:] = 0
    with pytest.raises(DataError, match="same everywhere"):
        find_nearest(model, np.zeros((1, 3)))
    assert find_change(model, np.zeros((1, 3)), np.ones((4, 3))) is None


def test_the_command_shows_both(call, refused, tmp_path, monkeypatch):
    """The nearest point and the fewest columns, of one sample."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in random.normal(size=(300, 2))]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *rows]))
    settings = ("--recipe", "none", "--hidden", "3", "--loss", "log")
    assert call("train", "table.csv", "--target", "y", *settings, "--out", "run")[0] == 0

    code, out, err = call("explain", "run", "table.csv", "--row", "5", "--nearest")
    assert (code, err) == (0, "")
    assert "none is nearer" in out
    assert "The fewest columns that turn it" in out
    record = json.loads(call("explain", "run", "table.csv", "--row", "5", "--nearest", "--json")[1])
    assert record["nearest"]["answer"] == record["fewest_columns"]["answer"] != record["prediction"]
    assert set(record["nearest"]["values"]) == {"a", "b"}
    assert "name its --row" in refused("explain", "run", "table.csv", "--nearest")
