"""The report on arrays of features tells each planted flaw, and nothing of clean ones."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.dataset import Dataset, Labels
from twolayer.data.report import DataReport, report_samples, warn_of_classes
from twolayer.data.rows import MemoryRows


def clean(m=200, n=6, seed=0):
    """Return random features and two classes of the same size."""
    random = np.random.default_rng(seed)
    return random.normal(size=(m, n)), random.permutation(np.arange(m) % 2)


def report(X, codes, X_test=None, codes_test=None, **fields):
    """Return the report on samples of two classes."""
    test, train = (
        None if rows is None else Dataset("x", MemoryRows(rows), Labels(each, ("no", "yes")), rows.shape[1:], **options)
        for rows, each, options in ((X_test, codes_test, {}), (X, codes, fields))
    )
    return report_samples(replace(train, test=test))


@given(st.integers(0, 2**32 - 1), st.integers(60, 400), st.integers(1, 9), st.sampled_from(["float32", "float64"]))
def test_clean_features_raise_no_alarm(seed, m, n, dtype):
    """Random numbers with random classes, and others to test on."""
    X, codes = clean(m, n, seed)
    found = report(X.astype(dtype), codes, X[: m // 2].astype(dtype) + 1, codes[: m // 2])

    assert found.warnings == ()
    assert (found.n_train, found.n_test, found.columns) == (m, m // 2, ())
    assert found.classes == {"no": int((codes == 0).sum()), "yes": int((codes == 1).sum())}


def test_pixels_raise_no_alarm():
    """Bytes may be 255 and the same in all images, as margins are."""
    X = np.zeros((100, 9), np.uint8)
    X[:, 4] = np.random.default_rng(0).integers(0, 256, 100)

    assert report(X, np.arange(100) % 2, scale=255.0).warnings == ()


def wide(X, _):
    X[:, 0] *= 1000


def constant(X, _):
    X[:, [1, 3]] = 5


def leak(X, codes):
    X[:, 2] = codes * 2 - 1


PLANTED = {
    "features that are not scaled": (wide, r"Features reach [1-9],[0-9.]+, which saturates sigmoid units: scale them"),
    "constant features": (constant, "2 of 6 features are constant in all samples"),
    "a feature that is the target": (leak, "Feature 2 alone determines the class: .* leave it out"),
}


@pytest.mark.parametrize("flaw", PLANTED)
def test_a_planted_flaw_of_features_is_told(flaw):
    """And nothing else."""
    change, sentence = PLANTED[flaw]
    X, codes = clean()
    change(X, codes)

    (warning,) = report(X, codes).warnings
    assert re.fullmatch(f"{sentence}.*", warning)


def test_features_count_as_they_enter_the_network():
    """What is divided by the scale is near enough."""
    X, codes = clean()

    assert report(X * 255, codes, scale=255.0).warnings == ()
    assert len(report(X * 255, codes).warnings) == 1


def test_only_a_feature_with_one_value_a_class_is_the_target():
    """A threshold that divides the classes is what a network learns."""
    X, codes = clean()
    X[:, 0] = codes + np.arange(len(X)) / 1000

    assert report(X, codes).warnings == ()


def test_samples_in_both_parts_are_counted():
    """Their classes can be remembered."""
    X, codes = clean(100)
    X_test = np.vstack([X[:7], X[:13] + 1])

    (warning,) = report(X, codes, X_test, np.arange(20) % 2).warnings
    assert warning.startswith("7 of the 20 test samples are also training samples (35.0 %)")


def test_what_memory_does_not_hold_is_not_compared(monkeypatch):
    """Looking at each sample would read it all."""
    from twolayer.data import report as module

    X, codes = clean(100)
    monkeypatch.setattr(module, "_COMPARED_BYTES", X.nbytes)
    assert report(X, codes, X, codes).warnings == ()


@pytest.mark.parametrize(
    ("counts", "test", "sentences"),
    [
        ((50, 50), (5, 5), []),
        ((50, 50), (0, 0), []),
        ((50, 9), (5, 1), ["Class 1 has only 9 training samples."]),
        ((50, 1), (5, 1), ["Class 1 has only 1 training sample.", "Class 1 makes up 2.0 % of the samples"]),
        ((500, 40), (5, 4), ["Class 1 makes up 7.4 % of the samples: set `class_weight` to balanced to give it more"]),
        ((500, 60), (5, 6), []),
        ((300, 300, 300, 50), (1, 1, 1, 1), []),
        ((300, 300, 300, 40), (1, 1, 1, 1), ["Class 3 makes up 4.3 % of the samples"]),
        ((50, 50), (9, 0), ["All test samples belong to class 0: the test accuracy means little."]),
        ((50, 0), (5, 5), ["Class 1 has only 0 training samples.", "Class 1 makes up 0.0 %"]),
    ],
)
def test_small_and_uneven_classes_are_told(counts, test, sentences):
    """And test samples of one class."""
    warnings = warn_of_classes(range(len(counts)), np.array(counts), np.array(test))

    assert len(warnings) == len(sentences)
    assert all(warning.startswith(sentence) for warning, sentence in zip(warnings, sentences, strict=True))


def test_not_every_one_of_many_small_classes_is_told():
    """Ten are enough to see."""
    assert len(warn_of_classes(range(50), np.ones(50, int), np.zeros(0, int))) == 10


def test_notes_of_the_reader_come_first():
    """They are shown with the rest."""
    X, codes = clean()

    assert report(X, codes, notes=("One image was turned.",)).warnings == ("One image was turned.",)


def test_the_report_as_json():
    """With every entry by name."""
    found = DataReport(3, 1, "y", {"0": 2, "1": 1}, (("a", "number", "1 to 2"),), ("One thing.",))

    assert json.loads(json.dumps(found.to_record())) == {
        "train_samples": 3,
        "test_samples": 1,
        "target": "y",
        "classes": {"0": 2, "1": 1},
        "columns": [{"name": "a", "kind": "number", "summary": "1 to 2"}],
        "warnings": ["One thing."],
    }
