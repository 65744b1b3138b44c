"""The rows of the table that time one job with every library: prepared apart, run in turn, judged by the cost."""

import importlib
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.job import Contestant, Job
from benchmarks.rivals.ours import BLACKBOARD, OURS, side_by_side
from benchmarks.timing import run_in_turn, summarize

RIVALS = {"scikit-learn": "scikit_learn", "PyTorch": "pytorch", "JAX": "jax_jit", "LIBXSMM": "xsmm"}


def find_rivals() -> tuple[list[Contestant], list[str]]:
    """Return those that are installed, and the names of those that are not."""
    found: list[Contestant] = []
    missing = []
    for name, module in RIVALS.items():
        try:
            found.extend(importlib.import_module(f"benchmarks.rivals.{module}").RIVALS)
        except ImportError:
            missing.append(name)
    return found, missing


def race(job: Job, n_iter: int, repeats: int, rivals: list[Contestant]) -> dict[str, Any]:
    """Time a job with every library that can do it.

    scikit-learn knows the log loss only, so twolayer does that job as well and is compared with it there. The ratio of
    a row is the smallest one: the best rival's time to twolayer's on the same loss.

    Parameters
    ----------
    job : Job
    n_iter : int
        Iterations of one run.
    repeats : int
        Runs that count.
    rivals : list of Contestant

    Returns
    -------
    dict
        The contestants' times, costs and ratios, and whether all reached the same cost.
    """
    log_job = replace(job, loss="log")
    entries: list[tuple[Contestant, Job]] = [(each, job) for each in (OURS, BLACKBOARD, *rivals) if each.does(job)]
    log_only = [(rival, log_job) for rival in rivals if not rival.does(job) and rival.does(log_job)]
    entries += [(OURS, log_job), *log_only] if log_only else []
    runs, prepared = {}, {}
    for contestant, work in entries:
        key = f"{contestant.name}, log loss" if work is log_job else contestant.name
        began = time.perf_counter()
        train = contestant.prepare(work)
        train(1)
        prepared[key] = time.perf_counter() - began
        runs[key] = (train, work)
    with threadpool_limits(job.n_threads):
        times = run_in_turn({key: partial(train, n_iter) for key, (train, _) in runs.items()}, repeats)
    contestants: dict[str, dict[str, Any]] = {}
    for key, (train, work) in runs.items():
        cost = work.cost(train(n_iter))
        facts = {"loss": work.loss, "prepare_seconds": prepared[key], "cost": cost}
        contestants[key] = {**facts, **summarize(times[key], n_iter)}
    for key, facts in contestants.items():
        own = contestants["twolayer" if facts["loss"] == job.loss else "twolayer, log loss"]
        facts["same_cost"] = bool(abs(facts["cost"] - own["cost"]) <= job.tolerance * own["cost"])
        if not key.startswith(("twolayer", "NumPy")):
            facts["ratio"] = facts["median_ms"] / own["median_ms"]
    best = min(
        (key for key in contestants if "ratio" in contestants[key]), key=lambda k: contestants[k]["ratio"], default=None
    )
    return {
        "n_iter": n_iter,
        "contestants": contestants,
        "same_cost": all(facts["same_cost"] for facts in contestants.values()),
        "best_rival": best,
        "ours_ms": contestants["twolayer"]["median_ms"],
        "ratio": contestants[best]["ratio"] if best else None,
    }


def race_side_by_side(job: Job, n_networks: int, n_iter: int, repeats: int) -> dict[str, Any]:
    """Time several of our networks at once, a network, against one alone; its parameters must be those alone."""
    alone, together = side_by_side(job, n_networks)
    times = run_in_turn({"alone": lambda: alone(n_iter), "together": lambda: together(n_iter)}, repeats)
    contestants = {
        "one alone": summarize(times["alone"], n_iter),
        f"{n_networks} at once, each": summarize(times["together"], n_iter * n_networks),
    }
    expected, stacked = alone(n_iter), together(n_iter)
    tolerance = job.tolerance
    same = all(np.allclose(stacked[name][0], value, rtol=tolerance, atol=tolerance) for name, value in expected.items())
    one, each = contestants.values()
    return {
        "n_iter": n_iter,
        "contestants": contestants,
        "same_cost": same,
        "best_rival": "one alone",
        "ours_ms": each["median_ms"],
        "ratio": one["median_ms"] / each["median_ms"],
    }
