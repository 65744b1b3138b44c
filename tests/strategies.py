"""Random networks and samples for property tests, and the comparison of engines with the blackboard."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import sparse

from twolayer.data.dataset import Labels
from twolayer.data.rows import ArrayRows, SomeRows, as_rows, gather
from twolayer.engines.objective import Descent, Evaluation, Samples, Task, make_objective
from twolayer.engines.tiled import Tiled
from twolayer.equations import ACTIVATIONS, LOSSES, find_loss, forward_propagation, initialize_parameters
from twolayer.parameters import Parameters, Sizes
from twolayer.solvers.solver import Moved

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 6)
TASKS = st.builds(Task, st.sampled_from([*ACTIVATIONS]), st.sampled_from([*LOSSES]), st.sampled_from([0.0, 0.1]))
TOLERANCES = {"float32": 1e-4, "float64": 1e-10}  # that an engine has beside the blackboard


@st.composite
def networks(draw: Any, max_samples: int = 9) -> tuple[Any, Any, dict[str, Any]]:
    """Draw samples X, Y and parameters of random shapes, m = 1, n_h = 1 and n_y > 1 among them."""
    n_x, n_h, n_y = draw(SIZES), draw(SIZES), draw(st.integers(1, 4))
    m = draw(st.integers(1, max_samples))
    random = np.random.default_rng(draw(SEEDS))
    X = random.standard_normal((n_x, m))
    Y = random.integers(0, 2, (n_y, m)).astype(float)
    parameters = {
        "W1": random.standard_normal((n_h, n_x)),
        "b1": random.standard_normal((n_h, 1)),
        "W2": random.standard_normal((n_y, n_h)),
        "b2": random.standard_normal((n_y, 1)),
    }
    return X, Y, parameters


def normal(sizes: Sizes, random: np.random.Generator, dtype: str = "float64") -> Parameters:
    """Return parameters drawn from N(0, 1), the biases too."""
    return Parameters(random.standard_normal(sizes.n_parameters).astype(dtype), sizes)


def flat(**values: float) -> Parameters:
    """Return a network of one input, one hidden unit and one output, of zeros where nothing else is given."""
    return Parameters.of({name: np.full((1, 1), values.get(name, 0.0)) for name in ("W1", "b1", "W2", "b2")})


def coded(codes: Any, n_classes: int = 2) -> Labels:
    """Return labels of classes 0, 1, ..."""
    return Labels(np.asarray(codes, np.int32), tuple(range(n_classes)))


def labels_of(dataset: Any) -> list[Any] | None:
    """Return the label of each sample, or None."""
    return None if dataset.labels is None else dataset.labels.decode().tolist()


def timeless(epochs: Any) -> list[Any]:
    """Return epochs without their time, which no two trainings share."""
    return [replace(epoch, seconds=0) for epoch in epochs]


@dataclass(frozen=True)
class Case:
    """Samples, what is to be computed of them, and networks."""

    rows: Any
    labels: Labels
    networks: list[Parameters]
    task: Task = field(default_factory=Task)
    settings: dict[str, Any] = field(default_factory=lambda: {"dtype": "float64"})

    def objective(self, engine: str = "whole") -> Any:
        """Return the objective by an engine."""
        return make_objective(self.rows, self.labels, self.task, engine=engine, **self.settings)

    def tiled(self, **options: Any) -> Tiled:
        """Return the objective by the kernel, with options that only it has."""
        settings = {"n_threads": 1, **self.settings, "dtype": np.dtype(self.settings["dtype"])}
        settings["weight"] = settings.pop("sample_weight", None)
        return Tiled(Samples(as_rows(self.rows), self.labels, self.task, **settings), **options)

    def in_memory(self) -> "Case":
        """Return the same with all rows in one block."""
        rows = self.rows if sparse.issparse(self.rows) else gather(as_rows(self.rows))
        return Case(rows, self.labels, self.networks, self.task, self.settings)

    def forward(self, network: Parameters) -> dict[str, Any]:
        """Return the cache of the blackboard, in float64, with X."""
        rows = self.in_memory().rows
        X = (rows.toarray() if sparse.issparse(rows) else rows).T / self.settings.get("scale", 1.0)
        output = find_loss(self.task.loss, self.labels.n_outputs).output
        return {"X": X, **forward_propagation(X, network, self.task.activation, output)[1]}


@st.composite
def cases(draw: Any, *, blocks: bool = False) -> Case:
    """Draw samples of any storage and fraction of zeros, two classes or more, weights, a task and networks.

    In blocks, some rows may be left out, and whole blocks weigh nothing.
    """
    random, dtype = np.random.default_rng(draw(SEEDS)), draw(st.sampled_from([*TOLERANCES]))
    n_x, m, n_classes = draw(st.integers(1, 40)), draw(st.integers(1, 150)), draw(st.integers(2, 4))
    storage = draw(st.sampled_from(["uint8", "bool", "int16", "float32", "float64"]))
    X = 3 * random.standard_normal((m, n_x)) * (random.random((m, n_x)) < draw(st.sampled_from([0.0, 0.2, 1.0])))
    X = np.abs(20 * X).astype(storage) if storage in ("uint8", "int16") else X.astype(storage)
    rows = _blocks(draw, X, random) if blocks else _form(draw, X)
    m = rows.shape[0]
    weight = random.random(m) * (random.random(m) < 0.8) + 1e-3 if draw(st.booleans()) else None
    if weight is not None and blocks:
        starts = np.concatenate([[0], np.cumsum(rows.blocks)])
        for block in draw(st.sets(st.integers(0, len(rows.blocks) - 1), max_size=len(rows.blocks) - 1)):
            weight[starts[block] : starts[block + 1]] = 0
    labels = coded(random.integers(0, n_classes, m), n_classes)
    hidden = draw(st.lists(st.integers(1, 30), min_size=1, max_size=3))
    several = [normal(Sizes(n_x, n_h, labels.n_outputs), random, dtype) for n_h in hidden]
    settings = {"dtype": dtype, "scale": 60.0 if storage in ("uint8", "int16") else 2.0, "sample_weight": weight}
    return Case(rows, labels, several, draw(TASKS), settings | {"n_threads": draw(st.integers(1, 4))})


def _form(draw: Any, X: Any) -> Any:
    form = draw(st.sampled_from(["rows", "columns", "sparse"]))
    return {"rows": lambda: X, "columns": lambda: np.asfortranarray(X), "sparse": lambda: sparse.csr_array(X)}[form]()


def _blocks(draw: Any, X: Any, random: np.random.Generator) -> Any:
    rows = ArrayRows(X, draw(st.integers(max(1, len(X) // 6), len(X))))
    if draw(st.booleans()):
        return rows
    return SomeRows(rows, np.sort(random.permutation(len(X))[: draw(st.integers(1, len(X)))]))


def part(case: Case, index: Any) -> Case:
    """Return some samples of a case, which weigh what they weighed."""
    weight = case.settings.get("sample_weight")
    settings = case.settings | {"sample_weight": None if weight is None else weight[index]}
    return Case(case.in_memory().rows[index], case.labels.take(index), case.networks, case.task, settings)


def assert_alike(case: Case, network: Parameters, got: Evaluation) -> None:
    """Compare an evaluation with the blackboard's: cost, right predictions, gradients relative to their largest entry.

    Of a saturated unit's slope, 1 - A1^2 say, rounding may be all that is left. A hundredth of the gradient that the
    unit would have with slope and error at 1 is therefore looked at, however little comes through.
    """
    tolerance, cache = TOLERANCES[network.dtype.name], case.forward(network)
    (expected,) = case.in_memory().objective().evaluate([network], gradient=True)
    A2, weights = np.sort(cache["A2"], axis=0), np.abs(network["W2"]).sum(0).max()
    gap = np.abs(A2[0] - 0.5) if len(A2) == 1 else A2[-1] - A2[-2]
    reach = {"W1": weights * np.abs(cache["X"]).max(), "b1": weights, "W2": np.abs(cache["A1"]).max(), "b2": 1.0}

    assert got.cost == pytest.approx(expected.cost, rel=tolerance, abs=tolerance * 1e-3)
    assert abs(got.correct - expected.correct) <= (gap < 1e-4).sum()  # so close that rounding decides the class
    assert (got.gradient.dtype, got.gradient.shape) == (network.dtype, network.vector.shape)
    theirs = network.sizes.split(got.gradient)
    for name, grad in network.sizes.split(expected.gradient).items():
        allowed = tolerance * (np.abs(grad).max() + reach[name] / 100)
        np.testing.assert_allclose(theirs[name], grad, rtol=0, atol=allowed)


def circle(seed: int = 0, dtype: str = "float64", l2: float = 0.0) -> tuple[Any, Parameters]:
    """Return the objective of 60 samples whose class is on which side of a circle they lie, and a start."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((60, 2)).astype(dtype)
    objective = make_objective(X, coded((X**2).sum(axis=1) > 1.2), Task(l2=l2), dtype=dtype)
    return objective, Parameters.of(initialize_parameters(2, 6, 1, random), dtype)


def evaluated(objective: Any, parameters: Parameters, rows: Any = None) -> Evaluation:
    """Return the evaluation of one network, with its gradient."""
    (evaluation,) = objective.evaluate([parameters], gradient=True, rows=rows)
    return evaluation


def finish(step: Any, evaluate: Any, descend: Any = lambda _: NotImplemented) -> tuple[Moved | None, list[float]]:
    """Answer what a step asks for; return where it went, and the costs that it saw."""
    costs: list[float] = []
    if step is None or isinstance(step, Moved):
        return step, costs
    try:
        trial = next(step)
        while True:
            if isinstance(trial, Descent):
                trial = step.send(descend(trial))
                continue
            found = evaluate(trial)
            costs.append(found.cost)
            trial = step.send(found)
    except StopIteration as end:
        return end.value, costs


def steps(solver: Any, objective: Any, parameters: Parameters, n_steps: int, state: Any = None) -> Any:
    """Yield so many steps of a solver, each as the parameters before it, the evaluation there, and what it moved to."""
    state = solver.begin(parameters) if state is None else state
    for _ in range(n_steps):
        before = evaluated(objective, parameters)
        step = solver.step(state, parameters, before, objective.blocks)
        moved, _ = finish(step, lambda trial: evaluated(objective, trial.parameters, trial.rows), objective.descend)
        if moved is None:
            return
        yield parameters, before, moved
        parameters, state = moved.parameters, moved.state
