"""A report on data before training: how many of what, and what a person should know, in plain words."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.text import count, percent

_FEW = 10  # samples of a class
_UNEVEN = 0.1  # fraction of the smallest class that is worth a word
_WIDE = 20.0  # size of features from which sigmoid units are soon saturated
_COMPARED_BYTES = 2**30
_SAMPLED_ROWS = 10_000
_REMEMBERED = "the network can memorize their classes, so the test accuracy is too high"


@dataclass(frozen=True)
class DataReport:
    """What was found in the data."""

    n_train: int
    n_test: int
    target: str  # what the classes are called
    classes: dict[str, int]  # training samples of each
    columns: tuple[tuple[str, str, str], ...] = ()  # name, kind and summary of each column of a table
    warnings: tuple[str, ...] = ()  # sentences; settings that they propose are named in backticks

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


def count_classes(labels: Any) -> dict[str, int]:
    """Return the number of samples of each class."""
    return dict(zip(map(str, labels.classes), labels.counts.tolist(), strict=True))


def report_samples(dataset: Any) -> DataReport:
    """Return what is found in a labelled dataset in memory, in its test samples, and the notes of its reader."""
    labels, test = dataset.known_labels, dataset.test
    counts_test = np.zeros(0, np.int64) if test is None else test.known_labels.counts
    warnings = [*dataset.notes, *warn_of_classes(labels.classes, labels.counts, counts_test)]
    warnings += _warn_of_features(dataset.rows.read(0), labels.codes, dataset.scale)
    if test is not None:
        warnings += _warn_of_copies(dataset.rows.read(0), test.rows.read(0))
    n_test = 0 if test is None else test.n_samples
    return DataReport(len(labels), n_test, "label", count_classes(labels), (), tuple(warnings))


def warn_of_classes(classes: Sequence[Any], counts: Array, counts_test: Array) -> list[str]:
    """Return sentences about the samples of each class: few, uneven, those to test on all of one."""
    warnings = [
        f"Class {label} has only {count(n, 'training sample')}."
        for label, n in zip(classes, counts.tolist(), strict=True)
        if n < _FEW
    ][:_FEW]
    smallest = int(counts.argmin())
    if counts[smallest] < _UNEVEN * counts.sum() / (len(classes) / 2):
        part = percent(int(counts[smallest]), int(counts.sum()))
        advice = "set `class_weight` to balanced to give it more weight"
        warnings.append(f"Class {classes[smallest]} makes up {part} of the samples: {advice}.")
    if np.count_nonzero(counts_test) == 1:
        only = classes[int(counts_test.argmax())]
        warnings.append(f"All test samples belong to class {only}: the test accuracy means little.")
    return warnings


def warn_of_both(n_both: int, n_test: int, what: str) -> str:
    """Return the sentence about test samples, or rows, that are training samples too."""
    found = f"{n_both:,} of the {n_test:,} test {what} are also training {what} ({percent(n_both, n_test)})"
    return f"{found}: {_REMEMBERED}."


def _warn_of_copies(X: Array, X_test: Array) -> list[str]:
    """Return a sentence about test samples that are the same as training samples, where there are any."""
    if X.nbytes + X_test.nbytes > _COMPARED_BYTES:
        return []
    known = set(map(_digest, X))
    both = sum(_digest(row) in known for row in X_test)
    return [warn_of_both(both, len(X_test), "samples")] if both else []


def _warn_of_features(X: Array, codes: Array, scale: float) -> list[str]:
    """Return sentences about features other than bytes: unscaled, constant, or the target itself."""
    if X.dtype == np.uint8:
        return []
    warnings = []
    step = max(1, len(X) // _SAMPLED_ROWS)
    sample, codes = np.asarray(X[::step], float) / scale, codes[::step]
    largest, spreads = float(np.abs(sample).max(initial=0)), sample.std(axis=0)
    if largest > _WIDE:
        message = f"Features reach {largest:,.6g}, which saturates sigmoid units"
        warnings.append(f"{message}: scale them to about -1 to 1 first (columns of a table are standardized).")
    if n_constant := int((spreads == 0).sum()):
        warnings.append(f"{n_constant:,} of {X.shape[1]:,} features are constant in all samples examined.")
    same = [j for j in range(X.shape[1]) if spreads[j] and _is_target(sample[:, j], codes)]
    warnings += [f"Feature {j} alone determines the class: if it is known only later, leave it out." for j in same[:5]]
    return warnings


def _is_target(values: Array, codes: Array) -> bool:
    """Tell whether each class has one value of its own."""
    first = np.full(int(codes.max()) + 1, np.nan)
    first[codes] = values
    return bool((first[codes] == values).all() and len(np.unique(first[~np.isnan(first)])) == len(np.unique(codes)))


def _digest(row: Any) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()
