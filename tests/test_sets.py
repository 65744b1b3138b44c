"""Prediction sets hold the true class as often as promised, in the model, its file and each of its exports."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from tests.conftest import draw_probabilities
from tests.exports import STRICT_C, find, make_model
from twolayer import TwoLayerClassifier, load
from twolayer.errors import DataError, SettingError
from twolayer.evaluation import (
    calibrate,
    find_sets,
    jackknife_plus_sets,
    judge_sets,
    least_samples,
    try_sets,
    with_sets,
    with_threshold,
)
from twolayer.export.targets import export_model
from twolayer.files.model_file import from_bytes, to_bytes
from twolayer.model import PredictionSets


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_sets_hold_the_true_class_as_often_as_promised(coverage):
    """On average over 40 splits, of probabilities that are far too sure."""
    P, y = draw_probabilities(40 * 400, 4, 3, places=9)
    P = P**2 / (P**2).sum(axis=1, keepdims=True)
    held = []
    for part in range(40):
        rows, new = slice(400 * part, 400 * part + 200), slice(400 * part + 200, 400 * part + 400)
        sets = find_sets(P[rows], y[rows], range(4), coverage)
        held.append(judge_sets(sets.holding(P[new]), y[new], range(4)).coverage)

    assert coverage - 0.01 <= np.mean(held) <= coverage + 0.02
    assert try_sets(P, y, range(4), coverage).coverage == pytest.approx(coverage, abs=0.02)


@given(st.integers(0, 99), st.integers(12, 60), st.floats(0.5, 0.9))
def test_sets_hold_so_many_of_the_samples_that_they_were_found_by(seed, m, coverage):
    """At least the coverage of one sample more, and with any higher probability fewer."""
    P, y = draw_probabilities(m, 3, seed)
    sets = find_sets(P, y, range(3), coverage)
    own = P[np.arange(m), y]

    assert (own >= sets.least).sum() >= coverage * (m + 1)
    assert (own > sets.least * 1.0001).sum() < coverage * (m + 1) or sets.least == 0
    assert sets.n_samples == m


@given(st.integers(1, 200).map(lambda n: n / 201))
def test_as_many_samples_as_are_needed_suffice(coverage):
    """And one fewer do not."""
    P, y = (each[: least_samples(coverage)] for each in draw_probabilities(250, 3, 0))

    find_sets(P, y, range(3), coverage)
    if len(y) > 1:
        with pytest.raises(DataError, match="needs at least"):
            find_sets(P[1:], y[1:], range(3), coverage)


def test_jackknife_plus_needs_no_samples_set_aside():
    """On iris, over four splits, the true class is in the set about as often as asked for; nothing else is changed."""
    X, y = load_iris(return_X_y=True)
    network = TwoLayerClassifier(members=1, random_state=0)
    held, sizes = [], []
    for seed in range(4):
        new = np.zeros(150, bool)
        new[np.random.default_rng(seed).permutation(150)[:50]] = True
        sets = jackknife_plus_sets(network, X[~new], y[~new], X[new], 0.9, cv=5)
        found = judge_sets(sets, y[new], (0, 1, 2))
        held.append(found.coverage)
        sizes.append(found.mean_size)

    assert 0.85 <= np.mean(held) <= 1
    assert np.mean(sizes) < 1.3
    assert not hasattr(network, "classes_")


def make_calibrated(n_classes, output="softmax", labels="abcd"):
    """Return a network with prediction sets that hold from none to all of its classes."""
    model = make_model(3, 3, 4, labels[:n_classes], dtype="float64", output=output, weight=3.0)
    return replace(model, sets=PredictionSets(0.8, 0.3, 50))


ROWS = np.random.default_rng(0).normal(size=(40, 3)).round(3)


def run_python(model, _, target="python"):
    """Return the sets by the module in Python, or one of a framework."""
    names = {"__name__": "net"}
    exec(export_model(model, target, "net"), names)
    rows = ROWS.tolist()
    return names["predict_sets"](rows) if "predict_sets" in names else [names["predict_set"](row) for row in rows]


def run_sklearn(model, folder):
    return run_python(model, folder, "sklearn")


def run_js(model, folder):
    """Return the sets by the module in JavaScript."""
    (folder / "net.mjs").write_bytes(export_model(model, "js", "net"))
    rows = json.dumps(ROWS.tolist())
    code = f'import {{ predictSet }} from "./net.mjs"; console.log(JSON.stringify({rows}.map(predictSet)));'
    command = [find("node"), "--input-type=module", "-e", code]
    return json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)


def run_c(model, folder):
    """Return the sets by a compiled program, which prints a letter for each class."""
    (folder / "net.h").write_bytes(export_model(model, "c", "net"))
    numbers = ", ".join(map(str, ROWS.ravel()))
    (folder / "main.c").write_text(
        f"""#include "net.h"
        #include <stdio.h>
        int main(void) {{
            const double rows[] = {{{numbers}}};
            for (int k = 0; k < {len(ROWS)}; k++) {{
                int in_set[net_n_classes];
                printf("%d", net_set(&rows[3 * k], in_set));
                for (int j = 0; j < net_n_classes; j++) if (in_set[j]) printf("%s", net_classes[j]);
                printf("\\n");
            }}
            return 0;
        }}"""
    )
    subprocess.run([find("gcc"), *STRICT_C, "main.c", "-lm", "-o", "main"], cwd=folder, check=True)
    lines = subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert all(int(line[0]) == len(line) - 1 for line in lines)
    return [list(line[1:]) for line in lines]


def run_json(model, _):
    """Return the sets as the document's own rule says, from the model's probabilities."""
    document = json.loads(export_model(model, "json", "net"))
    assert (
        "The prediction set of a row has the classes whose probability is at least sets.least." in document["computes"]
    )
    P = model.predict_proba(ROWS)
    return [
        [label for label, p in zip(document["classes"], row, strict=True) if p >= document["sets"]["least"]]
        for row in P
    ]


def run_onnx(model, _):
    """Return the sets by onnxruntime: a third output."""
    session = pytest.importorskip("onnxruntime").InferenceSession(export_model(model, "onnx", "net"))
    assert [each.name for each in session.get_outputs()] == ["label", "probabilities", "set"]
    return [
        [label for label, held in zip(model.classes, row, strict=True) if held]
        for row in session.run(["set"], {"X": ROWS})[0]
    ]


@pytest.mark.parametrize(("n_classes", "output"), [(2, "sigmoid"), (4, "softmax"), (4, "sigmoid")])
@pytest.mark.parametrize("way", [run_python, run_sklearn, run_js, run_c, run_json, run_onnx])
def test_each_export_gives_the_sets_of_the_model(tmp_path, way, n_classes, output):
    """For forty rows, whose sets are of several sizes."""
    model = make_calibrated(n_classes, output)
    expected = [
        [label for label, held in zip(model.classes, row, strict=True) if held] for row in model.predict_sets(ROWS)
    ]

    assert len({len(each) for each in expected}) > 1
    assert way(model, tmp_path) == expected


def test_a_program_of_a_model_without_sets_says_so():
    """In Python and JavaScript; in C there is no such function, in ONNX no such output."""
    model = replace(make_calibrated(3), sets=None)
    names = {"__name__": "net"}
    exec(export_model(model, "python", "net"), names)

    with pytest.raises(ValueError, match="twolayer calibrate"):
        names["predict_set"]([0, 0, 0])
    assert b"twolayer calibrate" in export_model(model, "js", "net")
    assert b"#define NET_SETS 0" in export_model(model, "c", "net")
    session = pytest.importorskip("onnxruntime").InferenceSession(export_model(model, "onnx", "net"))
    assert [each.name for each in session.get_outputs()] == ["label", "probabilities"]


def test_a_file_keeps_the_sets():
    """And a model that is changed has none, as they were of other probabilities."""
    model, y = make_calibrated(3), np.array(["a", "b", "c", "a"] * 10)

    assert from_bytes(to_bytes(model)).sets == model.sets
    assert from_bytes(to_bytes(replace(model, sets=None))).sets is None
    assert calibrate(model, ROWS, y)[0].sets is None
    assert with_threshold(make_calibrated(2), 0.3).sets is None
    assert with_sets(model, ROWS, y, 0.7).sets == find_sets(model.predict_proba(ROWS), y, "abc", 0.7)


def test_what_has_no_sets_is_told():
    """One sentence each."""
    P, y = draw_probabilities(10, 3, 0)
    with pytest.raises(DataError, match="needs at least 19 samples; got 10"):
        find_sets(P, y, range(3), 0.95)
    with pytest.raises(SettingError, match="greater than 0 and less than 1"):
        find_sets(P, y, range(3), 1)
    with pytest.raises(SettingError, match="coverage between 0 and 1"):
        PredictionSets(0.9, 2.0, 5)
    with pytest.raises(DataError, match="twolayer calibrate"):
        replace(make_calibrated(3), sets=None).predict_sets(ROWS)
    with pytest.raises(DataError, match="2 folds or more"):
        jackknife_plus_sets(TwoLayerClassifier(), np.eye(12), [0, 1] * 6, np.eye(12), 0.5, cv=7)
    with pytest.raises(DataError, match="needs more samples; got 4"):
        jackknife_plus_sets(TwoLayerClassifier(), np.eye(4), [0, 1] * 2, np.eye(4), 0.9)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Return the path of a table whose classes cannot quite be told apart."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("people") / "people.csv"
    ages = random.uniform(20, 60, 600)
    rich = ages + random.normal(scale=8, size=600) > 40
    path.write_text(
        "age,income\n"
        + "".join(f"{age:.1f},{'high' if is_rich else 'low'}\n" for age, is_rich in zip(ages, rich, strict=True))
    )
    return path


def test_a_calibrated_model_is_used_everywhere(call, people, tmp_path, monkeypatch):
    """The command writes it, tells what comes of it, and predict and evaluate go by it."""
    monkeypatch.chdir(tmp_path)
    assert call("train", str(people), "--target", "income", "--members", "1", "--quiet")[0] == 0
    code, out, _ = call(
        "calibrate", "runs/people", str(people), "--threshold", "recall:0.95", "--coverage", "0.8", "--json"
    )
    told = json.loads(out)
    model = load(told["out"])

    assert code == 0
    assert told["sets"]["asked"] == model.sets.coverage == 0.8
    assert model.sets.least == told["sets"]["least_probability"]
    assert model.settings["threshold"] == told["threshold"]
    assert told["temperature"] > 0
    assert told["samples"] == 120
    table = call("predict", told["out"], str(people))[1].splitlines()
    assert table[0] == "income,prediction,probability_high,probability_low,in_set_high,in_set_low"
    record = json.loads(call("predict", told["out"], str(people), "--json")[1])
    inside = [
        [label for label, held in zip(("high", "low"), line.split(",")[-2:], strict=True) if held == "true"]
        for line in table[1:]
    ]
    assert record["sets"] == inside
    assert json.loads(call("evaluate", told["out"], str(people), "--json")[1])["sets"]["asked"] == 0.8
    assert "Prediction sets of at least 80 %" in call("evaluate", told["out"], str(people))[1]


def test_a_wrong_calibration_gets_one_sentence(refused, call, people, tmp_path, monkeypatch):
    """And no file is written."""
    monkeypatch.chdir(tmp_path)
    assert call("train", str(people), "--target", "income", "--members", "1", "--quiet")[0] == 0
    before = sorted(Path("runs/people").iterdir())
    Path("bare.csv").write_text("age\n30\n")
    for arguments, sentence in (
        ((str(people), "--coverage", "1"), "--coverage must be a number greater than 0 and less than 1"),
        ((str(people), "--coverage", "0.999"), "needs at least 999 samples"),
        ((str(people), "--threshold", "best"), "f1, recall:SHARE"),
        ((str(people), "--out", str(people)), "people.csv"),
        (("bare.csv",), "income"),
        (("nothing.csv",), "There is no file"),
    ):
        assert sentence in refused("calibrate", "runs/people", *arguments)
    assert sorted(Path("runs/people").iterdir()) == before
