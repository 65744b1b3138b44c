"""Figures of merit are those of scikit-learn, their intervals hold what they should, and commands show them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tests.conftest import draw_probabilities
from twolayer.errors import DataError
from twolayer.evaluation import evaluate
from twolayer.evaluation.pictures import picture_evaluation


@settings(max_examples=30)
@given(st.integers(8, 60), st.integers(2, 4), st.integers(0, 99))
def test_figures_are_those_of_scikit_learn(m, n_classes, seed):
    """Of all classes and of each, ties among the probabilities included."""
    P, y = draw_probabilities(m, n_classes, seed, places=1)
    P = (P + 0.01) / (P + 0.01).sum(axis=1, keepdims=True)
    found, predicted, classes = evaluate(P, y, range(n_classes)), P.argmax(axis=1), list(range(n_classes))
    truth = np.eye(n_classes)[y]

    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(y, predicted))
    assert found["balanced accuracy"].value == pytest.approx(metrics.balanced_accuracy_score(y, predicted))
    assert found["log loss"].value == pytest.approx(metrics.log_loss(y, P, labels=classes))
    assert found["Brier score"].value == pytest.approx(((P - truth) ** 2).sum(axis=1).mean() / 2)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(y, predicted, labels=classes))
    each = metrics.precision_recall_fscore_support(y, predicted, labels=classes, zero_division=np.nan)
    for k, figures in enumerate(found.by_class):
        precision, recall, f1, auc = figures
        assert [precision.value, recall.value] == pytest.approx([each[0][k], each[1][k]], nan_ok=True)
        assert f1.value == pytest.approx(metrics.f1_score(y == k, predicted == k))
        assert auc.value == pytest.approx(metrics.roc_auc_score(y == k, P[:, k]))
    if n_classes == 2:
        assert found["AUC"].value == pytest.approx(metrics.roc_auc_score(y, P[:, 1]))
        assert found["F1"].value == pytest.approx(metrics.f1_score(y, predicted))


def test_calibrated_probabilities_have_no_calibration_error_and_others_have():
    """Of 20,000 samples: about 0 where classes are drawn from the probabilities, more where they are made surer."""
    P, y = draw_probabilities(20_000, 3, 0, places=6)
    sure = P**3 / (P**3).sum(axis=1, keepdims=True)

    assert evaluate(P, y, range(3))["calibration error"].value < 0.015
    assert evaluate(sure, y, range(3))["calibration error"].value > 0.1


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Of 100 draws of 200 samples each, 86 at least hold what 100,000 samples show."""
    P, y = draw_probabilities(100_000, 2, 0, places=6)
    whole = {"accuracy": (P.argmax(axis=1) == y).mean(), "AUC": metrics.roc_auc_score(y, P[:, 1]),
             "log loss": metrics.log_loss(y, P)}  # fmt: skip
    held = dict.fromkeys(whole, 0)
    for part in range(100):
        rows = slice(200 * part, 200 * part + 200)
        found = evaluate(P[rows], y[rows], (0, 1), random_state=part)
        for name, value in whole.items():
            held[name] += found[name].low <= value <= found[name].high

    assert min(held.values()) >= 86


def test_a_class_that_is_never_predicted_has_no_precision():
    """It is not a number, and the means leave it out."""
    P = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.2, 0.3]])
    found = evaluate(P, [0, 1, 2], range(3))

    assert np.isnan(found.by_class[2][0].value)
    assert found["precision"].value == pytest.approx(0.75)


@pytest.mark.parametrize("n_classes", [2, 3, 12])
def test_curves_are_drawn(n_classes):
    """For two classes, for three, and for more than fit."""
    assert picture_evaluation(*draw_probabilities(300, n_classes, 0), range(n_classes), "png")[:4] == b"\x89PNG"


@pytest.fixture
def models(call, tmp_path, monkeypatch):
    """Train a good and a bad model on a small table in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(500, 3))
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{'yes' if a * b > 0 else 'no'}" for a, b, c in X]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,y", *rows]))
    assert call("train", "table.csv", "--target", "y", "--members", "2", "--out", "good")[0] == 0
    call("train", "table.csv", "--target", "y", "--recipe", "none", "--iterations", "1", "--out", "bad")
    return tmp_path


def test_the_commands_show_figures_mistakes_threshold_and_comparison(call, models):
    """As tables, as JSON, and as a picture."""
    code, out, err = call("evaluate", "good", "table.csv", "--hardest", "3", "--threshold", "cost:5", "--out", "c.png")
    assert (code, err) == (0, "")
    for word in ("balanced accuracy", "calibration error", "true \\ predicted", "By cost:5, yes is to be", "hardest"):
        assert word in out
    assert (models / "c.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads(call("evaluate", "good", "table.csv", "--json", "--hardest", "3")[1])
    assert record["samples"] == 100
    assert record["figures"]["auc"]["low"] <= record["figures"]["auc"]["value"] <= record["figures"]["auc"]["high"]
    assert len(record["hardest"]) == 3

    compared = json.loads(call("compare", "bad", "good", "table.csv", "--json")[1])
    assert compared["verdict"].startswith("The second model is more accurate")
    assert "right alone" in call("compare", "good", "good", "table.csv")[1]


def test_the_commands_refuse_in_a_sentence(call, refused, models):
    """A picture of no known format, a threshold of no known kind, models of other classes."""
    assert "--out must end in .png" in refused("evaluate", "good", "table.csv", "--out", "c.txt")
    assert "recall:SHARE" in refused("evaluate", "good", "table.csv", "--threshold", "much")
    (models / "other.csv").write_text((models / "table.csv").read_text().replace("yes", "ja"))
    call("train", "other.csv", "--target", "y", "--members", "1", "--out", "other")
    assert "other classes" in refused("compare", "good", "other", "table.csv")


def test_what_cannot_be_evaluated_is_told():
    """One sentence each."""
    P, y = draw_probabilities(10, 3, 0)
    for wrong, sentence in (
        (lambda: evaluate(P[:, :2], y, range(3)), "a column for each of 3 classes"),
        (lambda: evaluate(P[:5], y, range(3)), "as many classes as rows"),
        (lambda: evaluate(P[:0], y[:0], range(3)), "no samples"),
    ):
        with pytest.raises(DataError, match=sentence):
            wrong()
