"""Samples with their labels: what every reader returns and every training takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.report import DataReport
from twolayer.data.rows import Rows, SomeRows
from twolayer.errors import DataError
from twolayer.text import join

if TYPE_CHECKING:
    from twolayer.data.encoding import Encoding


@dataclass(frozen=True)
class Labels:
    """The class of each sample, coded once."""

    codes: Array  # int32 of shape (m,): positions among the classes
    classes: tuple[Label, ...]  # in order; of two the second is the positive one

    @classmethod
    def found(cls, y: Any) -> Self:
        """Code labels by the classes found, in order, however many there are."""
        classes, codes = np.unique(np.asarray(y), return_inverse=True)
        return cls(codes.astype(np.int32), tuple(classes.tolist()))

    @classmethod
    def of(cls, y: Any, classes: Sequence[Label] | None = None, source: str = "The data") -> Self:
        """Code labels by the classes that are known, or by those found, in order; one class is a DataError."""
        y = np.asarray(y)
        known = np.unique(y) if classes is None else np.asarray(classes)
        if len(known) < 2:
            raise DataError(f"All samples belong to one class, {join(known)}: give samples of at least two classes.")
        order = np.argsort(known, kind="stable")
        place = np.minimum(np.searchsorted(known, y, sorter=order), len(known) - 1)
        codes = order[place].astype(np.int32)
        strange = y[known[codes] != y]
        if len(strange):
            message = f"{source} has a label {strange[0]} that is not among the classes ({join(known)})"
            raise DataError(f"{message}: leave such samples out.")
        return cls(codes, tuple(known.tolist()))

    @property
    def n_outputs(self) -> int:
        """Outputs of a network for these classes: one for two classes, else one a class."""
        return count_outputs(len(self.classes))

    @property
    def counts(self) -> Array:
        """Number of samples of each class."""
        return np.bincount(self.codes, minlength=len(self.classes))

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.codes)

    def take(self, chosen: Array) -> "Labels":
        """Return the labels of some samples."""
        return replace(self, codes=self.codes[chosen])

    def decode(self) -> Array:
        """Return the label of each sample."""
        return np.asarray(self.classes)[self.codes]


def order_classes(classes: Sequence[Label], positive: str | None) -> tuple[Label, ...]:
    """Return classes in order, of two the positive one second; None for the second as they are."""
    if positive is None:
        return tuple(classes)
    named = [label for label in classes if str(label) == positive]
    if len(classes) != 2 or not named:
        raise DataError(f"`positive` must be one of two classes; got {positive!r} for the classes {join(classes)}.")
    return (*(label for label in classes if label != named[0]), named[0])


def count_outputs(n_classes: int) -> int:
    """Return the number of outputs of a network: one for two classes, else one for each class."""
    return 1 if n_classes == 2 else n_classes


@dataclass(frozen=True)
class Dataset:
    """Samples to learn from or to predict and, where there are any, samples to test on."""

    name: str  # as the user gave it
    rows: Rows  # a row is a sample, as stored
    labels: Labels | None  # None where they are unknown
    input_shape: tuple[int, ...]  # of one sample: (28, 28) for MNIST
    scale: float = 1.0  # what features are divided by before they enter a network: 255 for bytes, else 1
    encoding: "Encoding | None" = None  # how the columns of a table became values
    files: tuple[str, ...] | None = None  # the file that each sample came from
    numbers: Array | None = None  # of each sample in its source, where they are not simply counted
    notes: tuple[str, ...] = ()  # sentences about how the source was read
    test: "Dataset | None" = None  # samples of the same kind to test on
    held_out: float = 0.0  # fraction that was held out to test on; 0 where the test samples are others
    report: DataReport | None = field(default=None, repr=False)  # for a person

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.rows.shape[0]

    @property
    def known_labels(self) -> Labels:
        """The labels, or a DataError where there are none."""
        if self.labels is None:
            raise DataError(
                f"{self.name} has no labels: put the labels file (…-labels-idx1-ubyte) beside IDX images, set `labels` "
                "to the labels file of an NPY, or put images into one folder per class."
            )
        return self.labels

    def part(self, part: str | None = None) -> "Dataset":
        """Return the samples to "train" or to "test" on; where nothing is said, the test samples if there are any."""
        if part == "test" and self.test is None:
            raise DataError(f"{self.name} has no test samples: choose train as `part`.")
        return self if part == "train" or self.test is None else self.test

    def number_of(self, sample: int) -> int:
        """Return the number that a sample has in its source, as `twolayer explain` counts."""
        return sample if self.numbers is None else int(self.numbers[sample])

    def take(self, chosen: Array) -> "Dataset":
        """Return some of the samples, in rising order, without the test samples."""
        labels = None if self.labels is None else self.labels.take(chosen)
        files = None if self.files is None else tuple(self.files[k] for k in chosen)
        numbers = None if self.numbers is None else self.numbers[chosen]
        return replace(
            self, rows=SomeRows.of(self.rows, chosen), labels=labels, files=files, numbers=numbers, test=None
        )
