"""A report on data before training: how many of what, and what a person should know, in plain words."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_FEW = 10  # samples of a class
_UNEVEN = 0.1  # share of the smallest class that is worth a word
_WIDE = 20.0  # size of features from which sigmoid units are soon saturated
_COMPARED_BYTES = 2**30


@dataclass(frozen=True)
class DataReport:
    """What was found in the data.

    Attributes
    ----------
    n_train, n_test : int
        Samples to learn from, and to test on.
    target : str
        What the classes are called.
    classes : dict
        Training samples of each class.
    columns : tuple of (name, kind, summary)
        Of a table; empty for other data.
    warnings : tuple of str
        Sentences.
    """

    n_train: int
    n_test: int
    target: str
    classes: dict[str, int]
    columns: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        columns = [dict(zip(("name", "kind", "summary"), column, strict=True)) for column in self.columns]
        return {
            "train_samples": self.n_train,
            "test_samples": self.n_test,
            "target": self.target,
            "classes": self.classes,
            "columns": columns,
            "warnings": list(self.warnings),
        }


def report_samples(
    X: Any,
    codes: np.ndarray[Any, Any],
    X_test: Any = None,
    codes_test: np.ndarray[Any, Any] | None = None,
    *,
    classes: Sequence[Any],
    scale: float = 1.0,
    target: str = "label",
    notes: Sequence[str] = (),
) -> DataReport:
    """Look at rows of features that are to be learned from.

    Parameters
    ----------
    X, X_test : arrays of shape (m, n_features)
    codes, codes_test : arrays of int of shape (m,)
        Places of the samples' classes.
    classes : the labels, in order
    scale : float
        What features are divided by.
    target : str
        What the classes are called.
    notes : sequence of str
        Sentences of whoever read the data.

    Returns
    -------
    DataReport
    """
    codes_test = np.zeros(0, int) if codes_test is None else codes_test
    warnings = [*notes, *warn_of_classes(classes, codes, codes_test), *_warn_of_features(X, codes, scale)]
    n_test = 0 if X_test is None else len(X_test)
    if n_test and X.nbytes + X_test.nbytes <= _COMPARED_BYTES:
        known = {_digest(row) for row in X}
        both = sum(_digest(row) in known for row in X_test)
        if both:
            share = percent(both, n_test)
            message = f"{both:,} of the {n_test:,} test samples stand among the training samples too ({share})"
            warnings.append(f"{message}: their part of the test accuracy is remembered, not learned.")
    counts = dict(zip(map(str, classes), np.bincount(codes, minlength=len(classes)).tolist(), strict=True))
    return DataReport(len(codes), n_test, target, counts, (), tuple(warnings))


def warn_of_classes(classes: Sequence[Any], codes: np.ndarray[Any, Any], codes_test: np.ndarray[Any, Any]) -> list[str]:
    """Return sentences about classes: few samples, uneven shares, none in the test part.

    Parameters
    ----------
    classes : the labels, in order
    codes, codes_test : arrays of int
        Places of the samples' classes.
    """
    counts = np.bincount(codes, minlength=len(classes))
    warnings = [
        f"Class {label} has only {n:,} sample{'s' * (n != 1)} to learn from."
        for label, n in zip(classes, counts.tolist(), strict=True)
        if n < _FEW
    ][:_FEW]
    smallest = int(counts.argmin())
    if counts[smallest] < _UNEVEN * counts.sum() / (len(classes) / 2):
        share = percent(int(counts[smallest]), int(counts.sum()))
        warnings.append(f"Class {classes[smallest]} is {share} of the samples: --weights balanced lets it count more.")
    if len(codes_test) and len(np.unique(codes_test)) == 1:
        warnings.append(f"All test samples are of class {classes[codes_test[0]]}: their accuracy says little.")
    return warnings


def percent(part: float, whole: float) -> str:
    """Return a share in percent, with one place."""
    return f"{100 * part / whole:.1f} %"


def _warn_of_features(X: Any, codes: np.ndarray[Any, Any], scale: float) -> list[str]:
    """Return sentences about features that are no pixels: unscaled, constant, or the target itself."""
    if X.dtype == np.uint8 or len(X.shape) != 2:
        return []
    warnings = []
    sample = np.asarray(X[:: max(1, len(X) // 10_000)], float) / scale
    largest, spreads = float(np.abs(sample).max(initial=0)), sample.std(axis=0)
    if largest > _WIDE:
        message = f"Features reach {largest:,.6g}, which saturates sigmoid units"
        warnings.append(f"{message}: bring them near -1 to 1 first (a table's columns are standardized by themselves).")
    n_constant = int((spreads == 0).sum())
    if n_constant:
        warnings.append(f"{n_constant:,} of {X.shape[1]:,} features are the same in all samples looked at.")
    same = [j for j in range(X.shape[1]) if spreads[j] and _is_target(sample[:, j], codes[:: max(1, len(X) // 10_000)])]
    warnings += [f"Feature {j} alone tells the target: if it is known only afterwards, leave it out." for j in same[:5]]
    return warnings


def _is_target(values: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> bool:
    """Tell whether each class has one value of its own."""
    first = np.full(int(codes.max()) + 1, np.nan)
    first[codes] = values
    return bool((first[codes] == values).all() and len(np.unique(first[~np.isnan(first)])) == len(np.unique(codes)))


def _digest(row: Any) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()
