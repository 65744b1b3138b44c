"""Runs in turn, so that a machine that drifts drifts for all."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

PAUSE = 0.05  # s


def run_in_turn(tasks: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Time tasks alternately, after one run of each that does not count; pause before each run.

    The threads of many libraries go on waiting in a loop for a while after their work: they would take the processors
    from the next.

    Parameters
    ----------
    tasks : mapping of name to callable
    repeats : int

    Returns
    -------
    dict
        The times of each, s.
    """
    for task in tasks.values():
        task()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            time.sleep(PAUSE)
            began = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - began)
    return times


def summarize(times: list[float], divide_by: float = 1.0) -> dict[str, Any]:
    """Return median, least, most and all of some times, each divided by the number of iterations, ms."""
    each = [1000 * seconds / divide_by for seconds in times]
    return {"median_ms": statistics.median(each), "min_ms": min(each), "max_ms": max(each), "all_ms": each}
