"""The doctor names what was planted, tries the cure that it advises, and leaves the healthy alone."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_wine

import twolayer
from benchmarks.zoo import Data, assignment, healthy, load, sick
from benchmarks.zoo import examine as examine_animal
from twolayer.errors import DataError
from twolayer.explain import diagnose


@pytest.fixture(scope="module")
def data():
    return load("cancer")


GOOD = {"recipe": "none", "n_hidden": 16, "activation": "tanh", "loss": "log", "solver": "gd", "random_state": 0}


def examine(data, **settings):
    model, result = twolayer.fit_model(data.X, data.y, n_threads=1, **GOOD, **settings)
    return diagnose(model, data.X, data.y, data.X_test, data.y_test, result.history)


@pytest.mark.parametrize(
    "name", ["rate 0.0001", "rate 300", "penalty", "unscaled", "dead", "shuffled", "noise", "leak", "shifted",
             "constant", "little"],
)  # fmt: skip
def test_what_was_planted_is_named(data, name):
    """Among the first two names."""
    (animal,) = (each for each in sick(data) if each.name == name)
    found, _ = examine_animal(animal)

    assert set(animal.causes) & {finding.name for finding in found.findings[:2]}


def test_the_healthy_are_left_alone(data):
    """Each solver with each activation."""
    for animal in healthy(data):
        if animal.name.endswith("0"):
            assert examine_animal(animal)[0].findings == (), animal.name


def test_a_cure_does_what_it_is_said_to_do(data):
    """Trained with the settings that are advised, the model is as good as was found."""
    found = examine(data, learning_rate=1e-4, max_iter=100)
    first = found.findings[0]

    assert first.name == "step-too-small"
    assert first.evidence["learning_rate"] == 1e-4
    assert first.before == found.score < 0.8
    cured, result = twolayer.fit_model(
        data.X, data.y, n_threads=1, **{**GOOD, "max_iter": 100, "l2": 0.0, **first.cure}
    )
    after = diagnose(cured, data.X, data.y, data.X_test, data.y_test, result.history)
    assert after.score == pytest.approx(first.after)
    assert after.findings == ()


def test_several_causes_are_all_named(data):
    """A leak and a step that is too small."""
    leaky = Data(np.c_[data.X, data.y], data.y, np.c_[data.X_test, data.y_test], data.y_test)
    found = examine(leaky, learning_rate=1e-4, max_iter=100)

    assert {"leak", "step-too-small"} <= {finding.name for finding in found.findings}


def test_without_samples_there_is_no_diagnosis(data):
    """One sentence."""
    model, _ = twolayer.fit_model(data.X, data.y, **GOOD, max_iter=1)
    with pytest.raises(DataError, match="training samples and others"):
        diagnose(model, data.X, data.y, data.X_test[:0], data.y_test[:0])


def test_the_assignments_own_run_is_cured(call, tmp_path, monkeypatch):
    """The step is too small for ten iterations: its training says where to ask, and the doctor what to do."""
    monkeypatch.chdir(tmp_path)
    settings = ("--recipe", "none", "--solver", "gd", "--learning-rate", "0.01", "--iterations", "10", "--hidden", "10")
    _, out, _ = call("train", "mnist:0,1", *settings, "--out", "run", "--quiet")
    assert "twolayer doctor run" in out

    code, out, err = call("doctor", "run", "--json")
    record = json.loads(out)
    assert (code, err) == (1, "")
    first = record["findings"][0]
    assert (first["name"], set(first["cure"])) == ("step-too-small", {"learning_rate"})
    assert first["after"] > 0.97 > first["before"]
    _, out, _ = call("doctor", "run")
    assert "1. step-too-small" in out
    assert "--learning-rate" in out


@pytest.mark.slow
def test_the_assignments_twelve_trainings_are_cured():
    """All have a step that is too small for ten iterations, and learn the digits with a larger one."""
    for animal in assignment():
        found, _ = examine_animal(animal)
        first = found.findings[0]
        assert (first.name, set(first.cure)) == ("step-too-small", {"learning_rate"}), animal.name
        assert first.after > found.reference - 0.02 > first.before, animal.name


def test_a_second_change_is_tried_where_one_is_not_enough():
    """A step found by the solver still needs more than ten iterations: both are advised, and do what is said."""
    (animal,) = (each for each in sick(load("wine")) if each.name == "adam 1e-6")
    found, _ = examine_animal(animal)
    (first, *_), data = found.findings, animal.data

    assert len(first.cure) == 2
    assert first.after >= found.reference - 0.02
    cured, result = twolayer.fit_model(data.X, data.y, n_threads=1, **{**animal.settings, **first.cure})
    after = diagnose(cured, data.X, data.y, data.X_test, data.y_test, result.history)
    assert after.score == pytest.approx(first.after)


def test_a_healthy_run_is_said_to_be(call, refused, tmp_path, monkeypatch):
    """With exit code 0; a model that does not say its data is asked for them."""
    monkeypatch.chdir(tmp_path)
    X, y = load_wine(return_X_y=True)
    np.savez("wine.npz", X=X, y=y)
    assert "doctor" not in call("train", "wine.npz", "--members", "2", "--out", "run", "--quiet")[1]

    code, out, _ = call("doctor", "run")
    assert (code, out.startswith("Healthy: balanced accuracy")) == (0, True)
    assert json.loads(call("doctor", "run", "--json")[1])["findings"] == []
    model = twolayer.load("run/model.safetensors")
    twolayer.save(twolayer.Model(model.parameters, model.classes, model.input_shape, encoding=model.encoding,
                                 activation=model.activation, output=model.output), "bare.safetensors")  # fmt: skip
    assert "name the DATA" in refused("doctor", "bare.safetensors")
