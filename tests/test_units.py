"""Hidden units are described by what they do, twins are merged exactly, and fewer units take over for the others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer import Model, load, save
from twolayer.errors import DataError, SettingError
from twolayer.explain import describe_units, measure_pruning, merge_twins, prune
from twolayer.explain.units import find_twins

ACTIVATIONS = st.sampled_from(["sigmoid", "tanh", "relu"])


def make_model(activation="tanh", n_x=5, n_h=6, classes=(0, 1), seed=0, dtype="float64"):
    random, n_y = np.random.default_rng(seed), 1 if len(classes) == 2 else len(classes)
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    parameters = {name: random.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    return Model(parameters, classes, (n_x,), activation=activation, output="softmax" if n_y > 1 else "sigmoid")


def make_samples(m=300, n_x=5, seed=1):
    return np.random.default_rng(seed).normal(size=(m, n_x))


def with_twin(model, unit, factor):
    """Return a model with one more unit: another one with its weights times a factor."""
    P = model.parameters
    more = {
        "W1": np.r_[P["W1"], factor * P["W1"][unit : unit + 1]],
        "b1": np.r_[P["b1"], factor * P["b1"][unit : unit + 1]],
        "W2": np.c_[P["W2"], np.full(len(P["W2"]), 0.7)],
        "b2": P["b2"],
    }
    return replace(model, parameters=more)


@given(ACTIVATIONS, st.integers(0, 5), st.booleans(), st.sampled_from([(0, 1), ("a", "b", "c")]), st.integers(0, 9))
def test_twins_are_merged_and_nothing_changes(activation, unit, mirrored, classes, seed):
    """The same unit twice; its mirror image for sigmoid and tanh; a multiple of it for rectified units."""
    model = make_model(activation, classes=classes, seed=seed)
    factor = {"relu": 2.5}.get(activation, -1.0 if mirrored else 1.0)
    twice, X = with_twin(model, unit, factor), make_samples(seed=seed)

    merged = merge_twins(twice)

    assert find_twins(model) == {}
    assert find_twins(twice) == {6: unit}
    assert len(merged.parameters["W1"]) == 6
    np.testing.assert_allclose(merged.decision_function(X), twice.decision_function(X), rtol=1e-12, atol=1e-12)


@given(ACTIVATIONS)
def test_units_that_are_constant_or_without_effect_are_merged(activation):
    """Their terms go into b2; a model keeps at least one unit."""
    model, X = make_model(activation), make_samples()
    P = {name: value.copy() for name, value in model.parameters.items()}
    P["W1"][2], P["W2"][:, 4] = 0, 0
    idle = replace(model, parameters=P)
    none = replace(model, parameters={**P, "W2": np.zeros_like(P["W2"])})

    merged = merge_twins(idle)

    assert len(merged.parameters["W1"]) == 4
    np.testing.assert_allclose(merged.decision_function(X), idle.decision_function(X), rtol=1e-12, atol=1e-12)
    assert len(merge_twins(none).parameters["W1"]) == 1
    np.testing.assert_allclose(merge_twins(none).decision_function(X), none.decision_function(X))


@given(ACTIVATIONS, st.integers(1, 6))
def test_of_repeated_units_only_one_is_kept(activation, n_units):
    """A network of each unit twice, slightly apart, is pruned to half of them with nearly the same logits."""
    half = make_model(activation, n_h=n_units)
    P, X = half.parameters, make_samples(2000)
    double = replace(half, parameters={
        "W1": np.r_[P["W1"], P["W1"] + 1e-7], "b1": np.r_[P["b1"], P["b1"]],
        "W2": np.c_[P["W2"], 0.5 * P["W2"]], "b2": P["b2"],
    })  # fmt: skip

    pruned = prune(double, X, n_units)

    np.testing.assert_allclose(pruned.decision_function(X), double.decision_function(X), atol=1e-3)
    assert pruned.settings["pruned_from"] == 2 * n_units


def test_removing_one_unit_is_the_best_least_squares_fit():
    """Of all ways to leave out one unit, with the others' weights found anew, the one with the smallest error."""
    model, X = make_model("sigmoid", n_h=5), make_samples(500)
    A, Z = model.transform(X), model.decision_function(X)
    p = model.predict_proba(X)
    weight = np.sqrt(0.01 + 1 - (p**2).sum(axis=1))

    def error(units):
        H = np.c_[A[:, units], np.ones(len(A))] * weight[:, None]
        return np.linalg.norm(H @ np.linalg.lstsq(H, Z * weight, rcond=None)[0] - Z * weight)

    pruned = prune(model, X, 4)
    kept = [int(np.flatnonzero((model.parameters["W1"] == row).all(axis=1))[0]) for row in pruned.parameters["W1"]]
    errors = {gone: error([u for u in range(5) if u != gone]) for gone in range(5)}

    assert set(range(5)) - set(kept) == {min(errors, key=errors.get)}
    found = np.linalg.norm((pruned.decision_function(X) - Z) * weight)
    assert found == pytest.approx(min(errors.values()), rel=1e-4)


def test_a_card_says_what_a_unit_does():
    """Its weights, the samples at its ends, how often it is saturated, and what is lost without it."""
    model, X = make_model("relu"), make_samples()
    y = model.predict(X)
    cards = describe_units(model, X, y)
    Z = X @ model.parameters["W1"].T + model.parameters["b1"][:, 0]

    for unit, card in enumerate(cards):
        np.testing.assert_array_equal(card.weights, model.parameters["W1"][unit])
        assert card.most[0] == Z[:, unit].argmax()
        assert card.least[0] == Z[:, unit].argmin()
        assert card.saturated == pytest.approx((Z[:, unit] <= 0).mean())
        assert card.accuracy_lost >= 0  # the labels are its own predictions
        assert card.twin is None
    A = np.maximum(Z, 0)
    A[:, 3] = A[:, 3].mean()
    logits = A @ model.parameters["W2"][0] + model.parameters["b2"][0, 0]
    assert cards[3].accuracy_lost == pytest.approx(1 - ((logits > 0) == y).mean())


def test_few_units_suffice_where_few_matter():
    """Twenty units of which three have a say: three suffice, and the figures fall from there on."""
    model = make_model("tanh", n_h=20)
    model.parameters["W2"][:, 3:] *= 1e-3
    X = make_samples(800)
    y = model.predict(X)

    pruning = measure_pruning(model, X, X, y)

    assert (pruning.units[0], pruning.units[-1], len(pruning.units)) == (20, 1, len(pruning.log_loss))
    assert pruning.suffice <= 4
    assert pruning.log_loss[0] < pruning.log_loss[-1]


def test_what_cannot_be_pruned_is_told():
    """One sentence each."""
    model, X = make_model(), make_samples()

    for number in (0, 7, 2.5, True):
        with pytest.raises(SettingError, match="from 1 to 6, the units of the model"):
            prune(model, X, number)
    with pytest.raises(DataError, match="no samples"):
        prune(model, X[:0], 2)
    with pytest.raises(DataError, match="no samples"):
        describe_units(model, X[:0])


@pytest.fixture
def trained(call, tmp_path, monkeypatch):
    """Train on a small table in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 3))
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{'yes' if a + b > 0 else 'no'}" for a, b, c in X]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,y", *rows]))
    assert call("train", "table.csv", "--target", "y", "--hidden", "12", "--members", "2", "--out", "run")[0] == 0
    return tmp_path


def test_the_command_writes_a_smaller_model(call, trained):
    """Beside the model unless told otherwise, by the data that the model was trained on."""
    code, out, err = call("prune", "run", "--units", "3", "--json")
    record = json.loads(out)

    assert (code, err) == (0, "")
    assert record["out"] == "run/model-3.safetensors"
    assert (record["before"]["units"], record["after"]["units"]) == (24, 3)
    assert record["after"]["accuracy"] > 0.9
    assert len(load(trained / "run/model-3.safetensors").parameters["W1"]) == 3
    assert call("predict", "run/model-3.safetensors", "table.csv")[0] == 0
    code, out, _ = call("prune", "run", "table.csv", "--out", "few.safetensors")
    assert code == 0
    assert "suffice" in out
    assert len(load("few.safetensors").parameters["W1"]) <= 24


def test_units_are_described_from_the_command_line(call, trained):
    """The strongest as a table, all of them as JSON, with the numbers that samples have in the file; and a picture."""
    code, out, err = call("explain", "run", "table.csv", "--units", "--out", "units.png")
    assert (code, err) == (0, "")
    assert "24 hidden units over 80 samples" in out
    assert "... and 9 more" in out
    assert (trained / "units.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads(call("explain", "run", "table.csv", "--units", "--json")[1])
    assert [unit["unit"] for unit in record["units"]] == list(range(24))
    assert list(record["units"][0]["weights"]) == ["a", "b", "c"]
    assert max(row for unit in record["units"] for row in unit["most"]) > 80


def test_the_command_refuses_in_a_sentence(refused, trained):
    """Too many units, no data to choose by, a file that would be lost, two questions at once."""
    assert "--column and --units exclude each other" in refused("explain", "run", "table.csv", "--units", "--column", 0)
    assert "--units must be a whole number from 1 to 24" in refused("prune", "run", "--units", "25")
    save(make_model(), trained / "bare.safetensors")
    assert "name the DATA" in refused("prune", "bare.safetensors", "--units", "2")
    assert "model.safetensors" in refused("prune", "run", "--units", "2", "--out", "run/model.safetensors")
