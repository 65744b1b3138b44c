"""PyTorch: autograd and its own SGD, or the gradients written out by hand without a graph."""

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, linear

from benchmarks.job import Job, Train
from twolayer.equations import Arrays

_NAMES = ("W1", "b1", "W2", "b2")


class Autograd:
    """The network with autograd and `torch.optim.SGD`."""

    name, losses = "PyTorch", ("square", "log")

    def prepare(self, job: Job) -> Train:
        """Move the data into tensors."""
        X, y, start = _to_tensors(job)

        def run(n_iter: int) -> Arrays:
            parameters = [value.clone().requires_grad_() for value in start]
            W1, b1, W2, b2 = parameters
            descent = torch.optim.SGD(parameters, lr=job.learning_rate)
            for _ in range(n_iter):
                descent.zero_grad()
                z = linear(torch.sigmoid(linear(X, W1, b1)), W2, b2)
                if job.loss == "square":
                    cost = ((torch.sigmoid(z) - y) ** 2).sum() / (2 * len(X))
                else:
                    cost = binary_cross_entropy_with_logits(z, y)
                cost.backward()
                descent.step()
            return _to_arrays([value.detach() for value in parameters])

        return run


class ByHand:
    """The gradients written out, without a graph, in place where that saves memory."""

    name, losses = "PyTorch, by hand", ("square",)

    def prepare(self, job: Job) -> Train:
        """Move the data into tensors."""
        X, y, start = _to_tensors(job)

        def run(n_iter: int) -> Arrays:
            with torch.no_grad():
                W1, b1, W2, b2 = (value.clone() for value in start)
                for _ in range(n_iter):
                    a1 = linear(X, W1, b1).sigmoid_()
                    a2 = linear(a1, W2, b2).sigmoid_()
                    dz2 = (a2 - y).mul_(a2 * (1 - a2)).div_(len(X))
                    dz1 = (dz2 @ W2).mul_(a1).mul_(1 - a1)
                    for value, grad in ((W1, dz1.T @ X), (b1, dz1.sum(0)), (W2, dz2.T @ a1), (b2, dz2.sum(0))):
                        value.sub_(grad, alpha=job.learning_rate)
            return _to_arrays([W1, b1, W2, b2])

        return run


RIVALS = (Autograd(), ByHand())


def _to_tensors(job: Job) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    torch.set_num_threads(job.n_threads)
    start = job.start()
    values = [torch.from_numpy(start[name][:, 0] if name.startswith("b") else start[name]) for name in _NAMES]
    return torch.from_numpy(job.features()), torch.from_numpy(job.y.astype(job.dtype))[:, None], values


def _to_arrays(values: list[torch.Tensor]) -> Arrays:
    arrays = (value.numpy() for value in values)
    return {name: np.atleast_2d(a.T).T if name.startswith("b") else a for name, a in zip(_NAMES, arrays, strict=True)}
