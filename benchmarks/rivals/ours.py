"""twolayer itself: by the engine that it chooses, and by the blackboard in NumPy."""

from collections.abc import Sequence

import numpy as np

from benchmarks.job import Job, Train
from twolayer.engines.objective import Descended, Descent, Objective
from twolayer.engines.rules import AdamRule
from twolayer.equations import Arrays
from twolayer.parameters import Parameters
from twolayer.solvers.descent import GradientDescent
from twolayer.training.loop import Training, drive


class Ours:
    """What `twolayer.fit_model` runs.

    Parameters
    ----------
    engine : str
        Of twolayer.
    """

    def __init__(self, name: str, engine: str) -> None:
        self.name, self.engine = name, engine

    def does(self, job: Job) -> bool:
        """Do any job; on mini-batches, the blackboard would keep the others waiting."""
        return self.engine == "auto" or not job.batch_size

    def prepare(self, job: Job) -> Train:
        """Make the objective."""
        objective, start = job.objective(self.engine, job.dtype), job.start()
        if job.batch_size:
            return lambda n_passes: _pass(objective, job, start, n_passes)
        return lambda n_iter: _train(objective, job.learning_rate, [start], n_iter)[0]


OURS = Ours("twolayer", "auto")
BLACKBOARD = Ours("NumPy", "whole")


def side_by_side(job: Job, n_networks: int) -> tuple[Train, Train]:
    """Return what trains one network, and what trains several from other seeds side by side."""
    objective = job.objective("auto", job.dtype)
    starts = [job.start(seed) for seed in range(n_networks)]

    def together(n_iter: int) -> Arrays:
        results = _train(objective, job.learning_rate, starts, n_iter)
        return {name: np.stack([result[name] for result in results]) for name in starts[0]}

    return lambda n_iter: _train(objective, job.learning_rate, starts[:1], n_iter)[0], together


def _pass(objective: Objective, job: Job, start: Parameters, n_passes: int) -> Parameters:
    """Return the parameters after so many passes of Adam over the samples in their order."""
    assert job.batch_size
    rule, order, n_updates = AdamRule(), np.arange(objective.n_samples), -(-objective.n_samples // job.batch_size)
    parameters, rates = start, np.full(n_updates, job.learning_rate)
    vectors = tuple(np.zeros_like(start.vector) for _ in range(2))
    for k in range(n_passes):
        descent = Descent(parameters, rule, vectors, order, job.batch_size, rates, k * n_updates)
        done = objective.descend(descent)
        assert isinstance(done, Descended)
        parameters, vectors = done.parameters, done.vectors
    return parameters


def _train(objective: Objective, rate: float, starts: Sequence[Parameters], n_iter: int) -> list[Parameters]:
    """Return the parameters after so many steps."""
    trainings = [Training(objective, GradientDescent(rate), start, n_iter) for start in starts]
    return [result.parameters for result in drive(trainings)]
