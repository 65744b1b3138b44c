"""`twolayer explain`, used as from a shell."""

import json
import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.networks import PEOPLE, model_of, table_model
from twolayer import load, save
from twolayer.explain import attribute, measure_effect, measure_importance

PEOPLE_FRAME = pd.DataFrame(PEOPLE)
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 4, 5)).astype(np.uint8)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each command in a folder with models and data."""
    monkeypatch.chdir(tmp_path)
    save(table_model(), "people.safetensors")
    save(model_of(20, 3, 3, input_shape=(4, 5), scale=255.0), "images.safetensors")
    PEOPLE_FRAME.assign(y=[0, 1, 1, 0]).to_csv("people.csv", index=False)
    PEOPLE_FRAME.to_csv("bare.csv", index=False)
    np.savez("images.npz", x_test=PIXELS, y_test=np.arange(30) % 3, x_train=PIXELS, y_train=np.arange(30) % 3)
    Path("text.txt").write_text("hello")


def explain_json(call, *arguments):
    """Explain, and return what is printed as JSON."""
    code, out, err = call("explain", *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("method", ["gradients", "shapley"])
def test_a_prediction_is_accounted_for(call, method):
    """The JSON has what Python returns: logits are the baseline's and the shares, and the terms of the units."""
    record = explain_json(call, "people.safetensors", "people.csv", "--row", 1, "--method", method)
    (logit,) = record["logits"]
    account = attribute(load("people.safetensors"), PEOPLE_FRAME[1:2], method=method, data=PEOPLE_FRAME)

    assert record["features"] == ["age", "town"]
    assert record["values"] == ["61", "Bern"]
    assert (record["row"], record["label"], record["baseline"], record["method"]) == (1, None, "mean", method)
    np.testing.assert_allclose(logit["shares"], account.shares[0, 0])
    assert logit["baseline_logit"] + sum(logit["shares"]) == pytest.approx(logit["logit"], abs=1e-8)
    assert record["probabilities"]["1"] == pytest.approx(1 / (1 + np.exp(-logit["logit"])))
    bias = load("people.safetensors").parameters["b2"][0, 0]
    assert bias + sum(unit["terms"][0] for unit in record["units"]) == pytest.approx(logit["logit"])


def test_an_account_is_printed_as_a_table(call):
    """With values in words, shares, how exact they are, and the hidden units."""
    code, out, err = call("explain", "people.safetensors", "bare.csv", "--row", 2)

    assert (code, err) == (0, "")
    assert out.startswith("Sample 2 of bare.csv: ")
    assert [line.split()[:2] for line in out.splitlines() if line.startswith(("age", "town"))] in (
        [["age", "missing"], ["town", "other"]],
        [["town", "other"], ["age", "missing"]],
    )
    assert "Integrated gradients, exact" in out
    assert "and 4 terms" in out


def test_the_method_says_how_exact_it_is(call):
    """A bound, or the interval of what was sampled."""
    save(model_of(20, 3, 1, "relu", input_shape=(4, 5), scale=255.0, classes=(0, 1)), "relu.safetensors")
    shapley = ("--row", 0, "--method", "shapley", "--baseline", "zero")
    np.savez("two.npz", x_test=PIXELS, y_test=np.arange(30) % 2, x_train=PIXELS, y_train=np.arange(30) % 2)

    assert "Shapley values, " in call("explain", "people.safetensors", "people.csv", *shapley)[1]
    assert "sampled orders: 95 % intervals of at most" in call("explain", "relu.safetensors", "two.npz", *shapley)[1]


def test_the_two_most_probable_of_more_classes_are_shown(call):
    """Beside each other, and the 5 pixels beyond the 15 strongest as one line."""
    code, out, _ = call("explain", "images.safetensors", "images.npz", "--row", 4, "--baseline", "class:2")

    assert code == 0
    assert out.splitlines()[0].endswith("; labelled 1")
    assert sum(line.startswith("logit of ") for line in out.splitlines()) == 2
    assert out.count("share for ") == 2
    assert "\n5 others " in out


@pytest.mark.parametrize("baseline", ["mean", "zero", "data", "class:1", "row:2"])
def test_shares_are_counted_from_the_baseline(call, baseline):
    """For one prediction and for all, as in Python."""
    arguments = ("people.safetensors", "people.csv", "--baseline", baseline)
    (logit,) = explain_json(call, *arguments, "--row", 0)["logits"]
    more = {"data": PEOPLE_FRAME, "labels": [0, 1, 1, 0]}
    account = attribute(load("people.safetensors"), PEOPLE_FRAME[:1], baseline, **more)
    np.testing.assert_allclose(logit["shares"], account.shares[0, 0], atol=1e-15)

    record = explain_json(call, *arguments)
    importance = measure_importance(load("people.safetensors"), PEOPLE_FRAME, more["labels"], baseline)
    for name in ("shares", "shares_error", "accuracy_lost", "loss_added"):
        np.testing.assert_allclose(record[name], getattr(importance, name), atol=1e-15)


def test_what_matters_is_printed_with_intervals(call):
    """The features with the largest shares first, and how many more there are."""
    code, out, err = call("explain", "images.safetensors", "images.npz")

    assert (code, err) == (0, "")
    assert out.startswith("What matters over 30 samples")
    assert len([line for line in out.splitlines() if line.startswith("pixel ")]) == 15
    assert "and 5 more" in out


def test_the_effect_of_a_column_is_printed(call):
    """Named by its name or its place; the JSON has the mean probability of each class."""
    code, out, _ = call("explain", "people.safetensors", "bare.csv", "--column", "age")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[3:]] == ["25", "40", "61", "missing"]

    record = explain_json(call, "people.safetensors", "bare.csv", "--column", 0)
    effect = measure_effect(load("people.safetensors"), PEOPLE_FRAME, "age")
    assert (record["column"], record["values"]) == ("age", list(effect.values))
    np.testing.assert_allclose(record["probabilities"]["1"], effect.probability[:, 1])


def test_many_samples_are_thinned_out(call, monkeypatch):
    """A line on stderr says so."""
    monkeypatch.setattr(sys.modules["twolayer.cli.explain"], "_MOST_SAMPLES", 10)
    code, out, err = call("explain", "images.safetensors", "images.npz")

    assert (code, out.splitlines()[0][:28]) == (0, "What matters over 10 samples")
    assert "of 30 samples, 10 at even distances" in err


@pytest.mark.parametrize(("what", "ending"), [("--row 1", "png"), ("", "svg"), ("--column 1", "pdf")])
def test_pictures_are_drawn_where_they_are_asked_for(call, what, ending):
    """Of tables and of images, in each format."""
    for kind, data in (("people", "people.csv"), ("images", "images.npz")):
        out = f"{kind}.{ending}"
        code, printed, _ = call("explain", f"{kind}.safetensors", data, *what.split(), "--out", out)
        assert (code, printed.splitlines()[-1]) == (0, f"The picture is in {out}.")
        assert Path(out).stat().st_size > 1000


MODEL, IMAGES = "people.safetensors people.csv", "images.safetensors images.npz"
WRONG = {
    "nowhere people.csv": "no file nowhere",
    "people.safetensors images.npz": "trained on the columns of a table",
    "images.safetensors people.csv": "not a table",
    f"{MODEL} --row 4": "--row must be the number of a sample, from 0 to 3; got 4.",
    f"{MODEL} --row -1": "--row must be the number of a sample",
    f"{MODEL} --row one": "--row",
    f"{MODEL} --row 1 --column age": "--row and --column exclude each other",
    f"{MODEL} --column income": "no --column 'income': it has age, town.",
    f"{MODEL} --column 2": "no --column",
    f"{MODEL} --baseline middle": "--baseline must be mean, zero, data, class:LABEL or row:NUMBER",
    f"{MODEL} --baseline row:9": "--baseline must be the number of a sample",
    f"{MODEL} --baseline row:9 --row 0": "--baseline must be the number of a sample",
    f"{MODEL} --baseline class:rich": "--baseline names a class 'rich'",
    "people.safetensors bare.csv": "bare.csv has no column 'y'",
    "people.safetensors bare.csv --row 0 --baseline class:1": "bare.csv has no column 'y'",
    f"{MODEL} --method magic": "not one of",
    f"{MODEL} --out account.gif": "--out must end in .png, .svg or .pdf",
    f"{IMAGES} --row 0 --out nowhere/a.png": "Cannot write nowhere/a.png",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_each_wrong_input_gets_one_sentence_and_leaves_nothing(refused, arguments):
    """Exit code 2, one line on stderr, and no file more than before."""
    before = sorted(os.listdir())

    assert WRONG[arguments] in refused("explain", *shlex.split(arguments))
    assert sorted(os.listdir()) == before
