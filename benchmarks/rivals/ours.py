"""twolayer itself: by the engine that it chooses, and by the blackboard in NumPy."""

import numpy as np

from benchmarks.job import Job, Train
from twolayer.engines.objective import make_objective
from twolayer.equations import Arrays
from twolayer.solvers import GradientDescent
from twolayer.training import train, train_many


class Ours:
    """Gradient descent with a fixed step, as `twolayer.fit_model` runs it.

    Parameters
    ----------
    engine : str
        Of twolayer.
    """

    losses: tuple[str, ...] = ("square", "log")

    def __init__(self, name: str, engine: str) -> None:
        self.name, self.engine = name, engine

    def prepare(self, job: Job) -> Train:
        """Make the objective."""
        Y = job.y[None].astype(job.dtype)
        objective = make_objective(
            job.X.T, Y, self.engine, dtype=job.dtype, scale=job.scale, loss=job.loss, n_threads=job.n_threads
        )
        start = job.start()

        def run(n_iter: int) -> Arrays:
            return train(objective, GradientDescent(job.learning_rate), start, max_iter=n_iter).parameters

        return run


OURS = Ours("twolayer", "auto")
BLACKBOARD = Ours("NumPy", "whole")


def side_by_side(job: Job, n_networks: int) -> tuple[Train, Train]:
    """Return what trains one network, and what trains several from other seeds side by side."""
    Y = job.y[None].astype(job.dtype)
    objective = make_objective(job.X.T, Y, dtype=job.dtype, scale=job.scale, n_threads=job.n_threads)
    starts = [job.start(seed) for seed in range(n_networks)]

    def alone(n_iter: int) -> Arrays:
        return train(objective, GradientDescent(job.learning_rate), starts[0], max_iter=n_iter).parameters

    def together(n_iter: int) -> Arrays:
        solvers = [GradientDescent(job.learning_rate) for _ in starts]
        results = train_many(objective, solvers, starts, max_iter=n_iter)
        return {name: np.stack([result.parameters[name] for result in results]) for name in starts[0]}

    return alone, together
