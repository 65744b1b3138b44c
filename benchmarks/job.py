"""One training that all contestants do: samples, start, solver, type; and the judge of what they return."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twolayer import load_mnist
from twolayer.data.dataset import Labels, count_outputs
from twolayer.engines.objective import Objective, Task, make_objective
from twolayer.equations import Arrays
from twolayer.parameters import Parameters, Sizes, random_start

Train = Callable[[int], Arrays]
TOLERANCES = {"float32": 1e-4, "float64": 1e-9}
BATCH_TOLERANCES = {
    "float32": 2e-2,
    "float64": 1e-6,
}  # each step of Adam enlarges what was rounded


@dataclass(frozen=True)
class Job:
    """Gradient descent on all samples, or Adam on mini-batches in the order of the samples; a fixed step for both.

    Attributes
    ----------
    X : array of shape (m, n_x)
        Features as they are stored: bytes for images.
    scale : float
        What they are divided by.
    y : array of shape (m,)
        The class of each sample: 0 to n_classes - 1.
    n_hidden : int
    dtype : str
        Of the computation.
    learning_rate : float
    n_threads : int
    loss : str
        "square" or "log"; "log" of more than two classes is that of softmax.
    activation : str
    n_classes : int
    batch_size : int, optional
        Of Adam, an iteration of which is one pass over the samples. None: gradient descent on all of them.
    """

    X: Any
    scale: float
    y: Any
    n_hidden: int
    dtype: str
    learning_rate: float
    n_threads: int
    loss: str = "square"
    activation: str = "sigmoid"
    n_classes: int = 2
    batch_size: int | None = None

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return count_outputs(self.n_classes)

    @property
    def tolerance(self) -> float:
        """How much the costs of two libraries may differ, relatively."""
        return (BATCH_TOLERANCES if self.batch_size else TOLERANCES)[self.dtype]

    def features(self) -> Any:
        """Return the features in the type of the computation, rows of samples."""
        features = np.asarray(self.X, self.dtype)
        return features if self.scale == 1 else features / np.dtype(self.dtype).type(self.scale)

    def start(self, seed: int = 0) -> Parameters:
        """Return the same random start for all."""
        return random_start(Sizes(self.X.shape[1], self.n_hidden, self.n_outputs), self.dtype, seed)

    def objective(self, engine: str, dtype: str) -> Objective:
        """Return the objective of the samples by one of our engines."""
        labels = Labels(self.y.astype(np.int32), tuple(range(self.n_classes)))
        task = Task(self.activation, self.loss)
        n_threads = self.n_threads
        return make_objective(self.X, labels, task, engine=engine, dtype=dtype, scale=self.scale, n_threads=n_threads)

    def cost(self, parameters: Arrays) -> float:
        """Return the cost of parameters, whoever found them, by the blackboard in float64."""
        exact = Parameters.of({name: np.asarray(value, float) for name, value in parameters.items()})
        found = self.objective("whole", "float64").evaluate([exact], gradient=False)
        return found[0].cost if found else float("nan")


class Contestant(Protocol):
    """A library that can do the job."""

    name: str

    def does(self, job: Job) -> bool:
        """Tell whether it knows the job's loss, activation and batches."""

    def prepare(self, job: Job) -> Train:
        """Bring the data where the library wants it; return what trains from the start for some iterations."""


def digits(classes: tuple[int, ...] = (0, 1)) -> tuple[Any, Any, float]:
    """Return digits as bytes, their labels and their scale."""
    X, y, _, _ = load_mnist(classes)
    return X, y, 255.0


def dense(m: int, n_x: int) -> tuple[Any, Any, float]:
    """Return standard normal features in float32, and on which side of a plane they lie."""
    random = np.random.default_rng(0)
    X = random.standard_normal((m, n_x), np.float32)
    return X, (X @ random.standard_normal(n_x).astype(np.float32) > 0).astype(np.uint8), 1.0
