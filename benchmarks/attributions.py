"""Attributions beside those of shap and captum: errors and microseconds.

    python -m benchmarks.attributions

needs the packages of the extra `attributions`.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from twolayer import Model
from twolayer.aliases import Array
from twolayer.explain.account import account_for
from twolayer.explain.shapley import enumerate_subsets
from twolayer.explain.view import View

_MOST_EXACT = 14  # features whose subsets can be gone through


def make_network(n_x: int, n_h: int, seed: int = 0) -> tuple[View, Array, Array]:
    """Return the view of a network of tanh units with random weights, a sample and a baseline."""
    random = np.random.default_rng(seed)
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (1, n_h), "b2": (1, 1)}
    parameters = {name: random.normal(size=shape) for name, shape in shapes.items()}
    parameters["W1"] *= 2 / np.sqrt(n_x)
    model = Model(parameters, (0, 1), (n_x,), activation="tanh")
    return View.of(model), random.normal(size=n_x), random.normal(size=n_x)


def methods(view: View, x: Array, baseline: Array, kernel_samples: int) -> dict[str, Callable[[], Array]]:
    """Return calls that share out the logit of a sample, by whose method."""
    import captum.attr
    import shap
    import torch

    def logit(rows: Array) -> Array:
        found: Array = view.logits(np.asarray(rows))[:, 0]
        return found

    tensors = [torch.tensor(array) for array in (view.W1, view.b1, view.W2, view.b2)]

    def forward(rows: Any) -> Any:
        return (torch.tanh(rows @ tensors[0].T + tensors[1]) @ tensors[2].T + tensors[3])[:, 0]

    gradients, start, row = captum.attr.IntegratedGradients(forward), torch.tensor(baseline), torch.tensor(x)
    explainer = shap.KernelExplainer(logit, baseline[None])
    sampler = shap.PermutationExplainer(logit, baseline[None])
    return {
        "twolayer, gradients": lambda: account_for(view, x[None], baseline[None]).shares[0, 0],
        "captum, 50 steps": lambda: gradients.attribute(row[None], start[None], n_steps=50).numpy()[0],
        "twolayer, shapley": lambda: account_for(view, x[None], baseline[None], "shapley").shares[0, 0],
        "shap, KernelExplainer": lambda: explainer.shap_values(x, nsamples=kernel_samples, silent=True),
        "shap, PermutationExplainer": lambda: sampler(x[None], max_evals=2 * len(x) + 1, silent=True).values[0],
    }


def measure(call: Callable[[], Array], seconds: float = 1.0) -> tuple[Array, float]:
    """Return what a call returns, and how long the median call takes, s."""
    times: list[float] = []
    found, end = call(), time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return found, float(np.median(times))


def exact(view: View, x: Array, baseline: Array, name: str) -> Array | None:
    """Return the shares by definition: 200 Gauss points on the path, or all subsets; None if those are many."""
    if "gradients" in name or "captum" in name:
        nodes, weights = np.polynomial.legendre.leggauss(200)
        points = baseline + (nodes[:, None] + 1) / 2 * (x - baseline)
        slopes = (1 - np.tanh(points @ view.W1.T + view.b1) ** 2) * view.W2[0]
        shares: Array = (x - baseline) * (weights / 2 @ slopes @ view.W1)
        return shares
    if len(x) > _MOST_EXACT:
        return None
    values: Array = view.W2[0] @ enumerate_subsets(view.W1 * (x - baseline), view.hidden(baseline), view.activate)
    return values


@click.command()
@click.option("--kernel-samples", type=int, default=2048, show_default=True, help="Of shap's KernelExplainer.")
def main(kernel_samples: int) -> None:
    """Print the error and the time of each method for networks of 10 tanh units."""
    warnings.simplefilter("ignore")
    click.echo("| features | method | largest error of a share | sum of shares misses the logit by | µs |")
    click.echo("|---|---|---|---|---|")
    for n_x in (12, 100, 784):
        view, x, baseline = make_network(n_x, 10)
        rise = float((view.logits(x[None]) - view.logits(baseline[None]))[0, 0])
        for name, call in methods(view, x, baseline, kernel_samples).items():
            found, seconds = measure(call)
            true = exact(view, x, baseline, name)
            error = "-" if true is None else f"{np.abs(found - true).max():.1e}"
            missed = abs(float(found.sum()) - rise)
            click.echo(f"| {n_x} | {name} | {error} | {missed:.1e} | {1e6 * seconds:,.0f} |")


if __name__ == "__main__":
    main()
