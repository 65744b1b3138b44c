"""A trained network together with what it takes to use it: how samples enter it and which classes leave it.

Rows are samples here; this is where they become the columns of the blackboard.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.dataset import count_outputs
from twolayer.data.encoding import STORED_SCALE, CategoryColumn, Encoding, NumberColumn, UnusedColumn
from twolayer.data.rows import MemoryRows, Rows, as_rows, check_finite
from twolayer.engines import forward
from twolayer.engines.objective import range_overrun
from twolayer.engines.whole import to_columns
from twolayer.equations import ACTIVATIONS, OUTPUTS
from twolayer.errors import DataError, SettingError
from twolayer.parameters import NAMES, Parameters, Sizes
from twolayer.text import join

_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class PredictionSets:
    """From which probability on a class cannot be ruled out: such classes of a sample are its prediction set.

    Attributes
    ----------
    coverage : float
        How often the true class is in the set, at least, of samples like those that `least` was found by.
    least : float
        The least probability of a class in a set.
    n_samples : int
        How many samples it was found by.

    Raises
    ------
    SettingError
        If the coverage is not between 0 and 1, the probability neither, or there is no sample.
    """

    coverage: float
    least: float
    n_samples: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (0 < self.coverage < 1 and 0 <= self.least <= 1 and self.n_samples >= 1):
            raise SettingError("Prediction sets need a coverage between 0 and 1, a probability and a sample.")

    def holding(self, probabilities: Array) -> Array:
        """Return whether each class is in the set, (m, n_classes) of bool."""
        inside: Array = probabilities >= self.least
        return inside


@dataclass(frozen=True)
class Model:
    """A trained network: parameters, classes, and the way of samples into it.

    Attributes
    ----------
    parameters : dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1), all float32 or all float64.
    classes : tuple of int or of str
        Two for one output (A2 > 0.5 means the second), else one an output.
    input_shape : tuple of int
        Shape of one sample; its product is n_x.
    scale : float
        What features are divided by before they enter the network.
    activation : str
        Of the hidden layer: "sigmoid", "tanh" or "relu".
    settings : dict
        How it was trained: text and numbers, for people and for doing it again.
    encoding : Encoding, optional
        How raw columns become the values that enter the network: those of a table, or, where the encoding has no
        target, those of an array, of which `input_shape` is then the shape of a raw sample.
    output : str
        What makes A2 of Z2: "sigmoid" for each output by itself, or "softmax".
    sets : PredictionSets, optional
        Which classes `predict_sets` does not rule out.

    Raises
    ------
    SettingError
        If there is no such activation or output.
    DataError
        If the shapes of the parameters do not fit the classes and the shape of a sample.
    """

    parameters: Mapping[str, Array] = field(repr=False)
    classes: tuple[Label, ...]
    input_shape: tuple[int, ...]
    scale: float = 1.0
    activation: str = "sigmoid"
    settings: Mapping[str, Any] = field(default_factory=dict)
    encoding: Encoding | None = None
    output: str = "sigmoid"
    sets: PredictionSets | None = None

    def __post_init__(self) -> None:
        """Check that all of it belongs together."""
        if self.activation not in ACTIVATIONS:
            raise SettingError(f"`activation` must be one of {', '.join(ACTIVATIONS)}; got {self.activation!r}.")
        if self.output not in OUTPUTS or (self.output == "softmax" and len(self.classes) == 2):
            raise SettingError(f"`output` must be sigmoid, or softmax for more than two classes; got {self.output!r}.")
        if set(self.parameters) != set(NAMES):
            raise DataError("The parameters of a model are W1, b1, W2 and b2: give exactly these.")
        self._check_encoding()
        n_inputs = self.n_features if self.encoding is None else self.encoding.n_values
        sizes = Sizes(n_inputs, len(self.parameters["W1"]), count_outputs(len(self.classes)))
        for name, shape in sizes.shapes.items():
            got = self.parameters[name].shape
            if got != shape:
                of = f"{len(self.classes)} classes and samples of the shape {self.input_shape}"
                raise DataError(f"A model of {of} needs {name} of the shape {shape}, not {got}.")

    def _check_encoding(self) -> None:
        """Check that an encoding makes samples of this shape, of columns that a table or an array may have."""
        encoding = self.encoding
        if encoding is None:
            return
        is_table, n_values = encoding.target is not None, encoding.n_values
        fits = self.input_shape == (n_values,) if is_table else self.n_features == len(encoding.columns)
        if not (n_values and fits and self.scale == 1):
            raise DataError("The encoding of a model must make values of samples of its input_shape, and of scale 1.")
        kinds = (NumberColumn, CategoryColumn) if is_table else (NumberColumn, UnusedColumn)
        for column in encoding.columns:
            if not isinstance(column, kinds) or (isinstance(column, NumberColumn) and column.part and not is_table):
                of = "numbers and categories" if is_table else "numbers"
                raise DataError(f"The columns of {'a table' if is_table else 'an array'} must be {of}.")

    @property
    def table(self) -> Encoding | None:
        """The encoding, if it is of the columns of a table."""
        return None if self.encoding is None or self.encoding.target is None else self.encoding

    @property
    def n_features(self) -> int:
        """Number of values in one sample: raw ones of an array, encoded ones of a table."""
        return math.prod(self.input_shape)

    @property
    def _sizes(self) -> Sizes:
        n_h, n_x = self.parameters["W1"].shape
        return Sizes(n_x, n_h, len(self.parameters["W2"]))

    @property
    def n_inputs(self) -> int:
        """Number of values that enter the network."""
        return int(self.parameters["W1"].shape[1])

    def outputs(self, X: Any) -> Array:
        """Return the network's outputs A2, a row a sample.

        Parameters
        ----------
        X : array or SciPy sparse matrix of shape (m, n_features), as the training data was: before division by `scale`
            Or `twolayer.data.rows.Rows`, read block by block. NaN is missing where the model has an encoding, else
            refused. A model of a table takes a frame, or a mapping of names to columns, with the columns that it knows,
            in any order, or `Rows` that are encoded already.

        Returns
        -------
        array of shape (m, n_y), values in [0, 1]

        Raises
        ------
        DataError
            If the rows have another number of values than the network takes, or values that are not finite numbers.
        """
        return self._propagate(X, "A2")

    def decision_function(self, X: Any) -> Array:
        """Return Z2, the logit of the outputs: greater than 0 means the second class with one output.

        Parameters
        ----------
        X
            As for `outputs`.

        Returns
        -------
        array of shape (m,) with one output, else (m, n_classes)
        """
        Z2 = self._propagate(X, "Z2")
        return Z2[:, 0] if Z2.shape[1] == 1 else Z2

    def transform(self, X: Any) -> Array:
        """Return the activations A1 of the hidden units, a row a sample.

        Parameters
        ----------
        X
            As for `outputs`.

        Returns
        -------
        array of shape (m, n_h)
        """
        return self._propagate(X, "A1")

    def encode(self, X: Any) -> Array:
        """Return the values that enter the network, a row a sample.

        Parameters
        ----------
        X
            As for `outputs`.

        Returns
        -------
        array of shape (m, n_inputs)
        """
        dtype = self.parameters["W1"].dtype
        parts = (to_columns(values, self.scale, dtype).T for values in self._iter_values(self._to_rows(X)))
        return np.concatenate([part if isinstance(part, np.ndarray) else part.toarray() for part in parts])

    def _propagate(self, X: Any, name: str) -> Array:
        """Return A1, Z2 or A2, a row a sample: computed block by block, so that memory is bounded."""
        rows, parts = self._to_rows(X), []
        by_kernel = name != "A1" and forward.pays(rows.shape[0], self._sizes)
        block_rows = max(_BLOCK_ROWS, forward.BLOCK_VALUES // rows.shape[1]) if by_kernel else _BLOCK_ROWS
        for values in self._iter_values(rows, block_rows):
            with range_overrun():
                parts.append(self._propagate_block(values, name, by_kernel=by_kernel))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _propagate_block(self, values: Any, name: str, *, by_kernel: bool) -> Array:
        """Return A1, Z2 or A2 of a block of samples, a row a sample."""
        if by_kernel:
            Z2 = forward.logits(values, Parameters.of(self.parameters), self.activation, self.scale)
        else:
            columns = to_columns(values, self.scale, self.parameters["W1"].dtype)
            A1 = forward.hidden(columns, self.parameters, self.activation)
            if name == "A1":
                return A1.T
            Z2 = (self.parameters["W2"] @ A1 + self.parameters["b2"]).T
        return Z2 if name == "Z2" else forward.OUTPUTS[self.output](Z2.T).T

    def _iter_values(self, rows: Rows, block_rows: int = _BLOCK_ROWS) -> Iterator[Any]:
        """Yield blocks of samples with their columns encoded, not yet scaled."""
        encoding = self.encoding if self.table is None else None
        for block in _iter_blocks(rows, block_rows):
            yield block if encoding is None else encoding.encode_rows(block, self.parameters["W1"].dtype)

    def _to_rows(self, X: Any) -> Rows:
        """Return samples as rows of numbers, made of the columns of a table where the model is of one."""
        if self.table is not None and not isinstance(X, Rows):
            from twolayer.data.tables import TableRows, as_table

            return TableRows(as_table(X), self.table, dtype=self.parameters["W1"].dtype)
        rows = as_rows(X)
        check_finite(rows, missing=self.encoding is not None and self.table is None)
        if len(rows.shape) != 2 or rows.shape[1] != self.n_features:
            shape = " x ".join(str(size) for size in self.input_shape)
            got = f"{rows.shape[1]} values" if len(rows.shape) == 2 else f"the shape {rows.shape}"
            raise DataError(f"The model takes rows of {self.n_features} values ({shape}); these have {got}.")
        return rows

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class: (1 - A2, A2) with one output, else A2, divided by its sum if sigmoid.

        Parameters
        ----------
        X : array of shape (m, n_features)

        Returns
        -------
        array of shape (m, n_classes), rows sum to 1
        """
        return to_probabilities(self.outputs(X), self.output)

    def predict(self, X: Any) -> Array:
        """Return the class of each row: the second where A2 > 0.5 with one output, else that of the largest output.

        Parameters
        ----------
        X : array of shape (m, n_features)

        Returns
        -------
        array of shape (m,), entries from `classes`
        """
        return self.choose(self.outputs(X))

    def predict_sets(self, X: Any) -> Array:
        """Return for each row which classes are in its prediction set: those that cannot be ruled out.

        Parameters
        ----------
        X : array of shape (m, n_features)

        Returns
        -------
        array of bool of shape (m, n_classes)

        Raises
        ------
        DataError
            If the model has no prediction sets.
        """
        if self.sets is None:
            raise DataError("The model has no prediction sets: make one that has with 'twolayer calibrate'.")
        return self.sets.holding(self.predict_proba(X))

    def choose(self, A2: Array) -> Array:
        """Return the class of each row of outputs A2, as `predict`."""
        index = (A2[:, 0] > 0.5).astype(np.intp) if A2.shape[1] == 1 else A2.argmax(axis=1)
        labels: Array = np.asarray(self.classes)[index]
        return labels

    @property
    def stored_scale(self) -> float:
        """What brings the values of samples, as they are stored, to 1: `scale`, or what is in the settings instead."""
        stored = self.settings.get(STORED_SCALE)
        return float(stored) if isinstance(stored, int | float) and stored > 0 else self.scale

    def check_scale(self, scale: float, source: str) -> None:
        """Check that data was stored as the training data was.

        Parameters
        ----------
        scale : float
            What features of the data are to be divided by.
        source : str
            What to call the data in an error.

        Raises
        ------
        DataError
            If it is not the scale of the training data.
        """
        if scale != self.stored_scale:
            message = (
                f"The model was trained on values divided by {self.stored_scale:g}, but those of {source} by {scale:g}"
            )
            raise DataError(f"{message}: use data stored in the same way.")

    def check_labels(self, y: Array, source: str) -> Array:
        """Return labels, or name one that is not a class of the model.

        Parameters
        ----------
        y : array of shape (m,)
        source : str
            What to call the data in an error.

        Raises
        ------
        DataError
            If a label is not among the classes.
        """
        strange = y[~np.isin(y, np.asarray(self.classes))]
        if len(strange):
            message = f"{source} has a label {strange[0]} that is not a class of the model ({join(self.classes)})"
            raise DataError(f"{message}: leave such samples out, as mnist:0,1 does.")
        return y


def to_probabilities(A2: Array, output: str) -> Array:
    """Return the probability of each class, a row a sample, of outputs A2; as `Model.predict_proba`."""
    if A2.shape[1] == 1:
        return np.concatenate([1 - A2, A2], axis=1)
    if output == "softmax":
        return A2
    A2 = np.maximum(A2, np.finfo(A2.dtype).tiny)  # all outputs may round to 0
    probabilities: Array = A2 / A2.sum(axis=1, keepdims=True)
    return probabilities


def _iter_blocks(rows: Rows, most: int) -> Iterator[Any]:
    """Yield rows in blocks, those in memory of so many at most; no rows are a block, too."""
    if not isinstance(rows, MemoryRows):
        yield from (rows.read(block) for block in range(len(rows.blocks)))
        return
    for first in range(0, rows.shape[0] or 1, most):
        yield rows.X[first : first + most]
