"""The report on samples before training: what is wrong is told, what is right is not."""

import numpy as np
import pytest

from twolayer.data.report import percent, report_samples, warn_of_classes


@pytest.fixture
def samples():
    """Return clean samples of three classes to learn from and to test on."""
    random = np.random.default_rng(0)
    return (
        random.standard_normal((90, 4)),
        np.arange(90) % 3,
        random.standard_normal((30, 4)),
        np.arange(30) % 3,
    )


def test_clean_samples_raise_no_alarm(samples):
    """Floats near 0, and bytes, which are pixels."""
    X, codes, X_test, codes_test = samples
    pixels = np.random.default_rng(1).integers(0, 256, (120, 4)).astype(np.uint8)

    assert report_samples(X, codes, X_test, codes_test, classes="abc").warnings == ()
    assert report_samples(pixels[:90], codes, pixels[90:], codes_test, classes="abc", scale=255.0).warnings == ()


def test_counts_are_those_of_the_samples(samples):
    """And the record can be written as JSON."""
    X, codes, X_test, codes_test = samples
    report = report_samples(X, codes, X_test, codes_test, classes=[3, 5, 8])

    assert (report.n_train, report.n_test, report.classes) == (90, 30, {"3": 30, "5": 30, "8": 30})
    assert report.to_record()["train_samples"] == 90


def test_test_samples_that_are_learned_from_are_counted(samples):
    """Byte by byte the same."""
    X, codes, X_test, codes_test = samples
    X_test[:3] = X[10:13]

    (warning,) = report_samples(X, codes, X_test, codes_test, classes="abc").warnings
    assert "3 of the 30 test samples stand among the training samples" in warning


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda X, codes: X.__setitem__((slice(None), 1), 7.0), "1 of 4 features are the same"),
        (lambda X, codes: X.__setitem__((slice(None), 1), codes * 2.5), "Feature 1 alone tells the target"),
        (lambda X, codes: X.__imul__(1000), "saturates"),
    ],
)
def test_features_that_are_constant_unscaled_or_the_target_are_told(samples, change, sentence):
    """One planted flaw, one warning."""
    X, codes, _, _ = samples
    change(X, codes)

    (warning,) = report_samples(X, codes, classes="abc").warnings
    assert sentence in warning


def test_notes_of_whoever_read_the_data_come_first(samples):
    """As they are."""
    assert report_samples(samples[0], samples[1], classes="abc", notes=["Look."]).warnings == ("Look.",)


def test_classes_that_are_small_uneven_or_alone_in_the_test_part_are_told():
    """A sentence each; even classes have none."""
    even, test = np.arange(100) % 2, np.arange(10) % 2

    assert warn_of_classes("ab", even, test) == []
    assert "only 3 samples" in warn_of_classes("ab", np.arange(100) < 3, test)[0]
    assert "--weights balanced" in warn_of_classes("ab", np.arange(1000) < 20, test)[0]
    assert "All test samples are of class b" in warn_of_classes("ab", even, np.ones(5, int))[0]


def test_shares_have_one_place():
    """In percent."""
    assert percent(1, 3) == "33.3 %"
