"""PyTorch: autograd and its own optimizers, compiled or not, or the gradients written out by hand without a graph."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, linear

from benchmarks.job import Job, Train
from twolayer.equations import Arrays

_NAMES = ("W1", "b1", "W2", "b2")
_ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
Cost = Callable[..., torch.Tensor]


class Autograd:
    """The network with autograd, and `torch.optim.SGD` or the fused `torch.optim.Adam`.

    Parameters
    ----------
    compiled : bool
        Compile cost and gradient by `torch.compile`.
    """

    def __init__(self, name: str, *, compiled: bool) -> None:
        self.name, self.compiled = name, compiled

    def does(self, job: Job) -> bool:  # noqa: ARG002
        """Do any job."""
        return True

    def prepare(self, job: Job) -> Train:
        """Move the data into tensors."""
        X, y, start = _to_tensors(job)
        cost: Cost = _cost(job)
        if self.compiled:
            cost = torch.compile(cost, dynamic=False)
        size = job.batch_size or len(X)
        batches = list(zip(X.split(size), y.split(size), strict=True))

        def run(n_iter: int) -> Arrays:
            parameters = [value.clone().requires_grad_() for value in start]
            descent: Any = torch.optim.Adam if job.batch_size else torch.optim.SGD
            descent = descent(parameters, lr=job.learning_rate, **({"fused": True} if job.batch_size else {}))
            for _ in range(n_iter):
                for some, labels in batches:
                    descent.zero_grad()
                    cost(some, labels, *parameters).backward()
                    descent.step()
            return _to_arrays([value.detach() for value in parameters])

        return run


class ByHand:
    """The gradients of all samples written out, without a graph, in place where that saves memory."""

    name = "PyTorch, by hand"

    def does(self, job: Job) -> bool:
        """Do gradient descent on all samples with sigmoid units."""
        return job.activation == "sigmoid" and not job.batch_size

    def prepare(self, job: Job) -> Train:
        """Move the data into tensors."""
        X, y, start = _to_tensors(job)
        target = torch.nn.functional.one_hot(y, job.n_classes).to(X.dtype) if job.n_outputs > 1 else y

        def slope(z2: torch.Tensor) -> torch.Tensor:
            if job.n_outputs > 1:
                return torch.softmax(z2, 1).sub_(target).div_(len(X))
            a2 = z2.sigmoid_()
            error = (a2 - target).div_(len(X))
            return error if job.loss == "log" else error.mul_(a2 * (1 - a2))

        def run(n_iter: int) -> Arrays:
            with torch.no_grad():
                W1, b1, W2, b2 = (value.clone() for value in start)
                for _ in range(n_iter):
                    a1 = linear(X, W1, b1).sigmoid_()
                    dz2 = slope(linear(a1, W2, b2))
                    dz1 = (dz2 @ W2).mul_(a1).mul_(1 - a1)
                    for value, grad in ((W1, dz1.T @ X), (b1, dz1.sum(0)), (W2, dz2.T @ a1), (b2, dz2.sum(0))):
                        value.sub_(grad, alpha=job.learning_rate)
            return _to_arrays([W1, b1, W2, b2])

        return run


RIVALS = (
    Autograd("PyTorch", compiled=False),
    Autograd("PyTorch, compiled", compiled=True),
    ByHand(),
)


def _cost(job: Job) -> Cost:
    """Return the mean loss as a function of samples, labels and parameters."""
    activation = _ACTIVATIONS[job.activation]

    def cost(X: torch.Tensor, y: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        W1, b1, W2, b2 = parameters
        z = linear(activation(linear(X, W1, b1)), W2, b2)
        if job.n_outputs > 1:
            return cross_entropy(z, y)
        if job.loss == "log":
            return binary_cross_entropy_with_logits(z, y)
        return ((torch.sigmoid(z) - y) ** 2).sum() / (2 * len(X))

    return cost


def _to_tensors(job: Job) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    torch.set_num_threads(job.n_threads)
    start = job.start()
    values = [torch.from_numpy(start[name][:, 0] if name.startswith("b") else start[name]) for name in _NAMES]
    y = job.y.astype(np.int64) if job.n_outputs > 1 else job.y.astype(job.dtype)[:, None]
    return torch.from_numpy(job.features()), torch.from_numpy(y), values


def _to_arrays(values: list[torch.Tensor]) -> Arrays:
    arrays = (value.numpy() for value in values)
    return {name: np.atleast_2d(a.T).T if name.startswith("b") else a for name, a in zip(_NAMES, arrays, strict=True)}
