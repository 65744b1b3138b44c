"""How the cost of an iteration grows with samples, hidden units, features and threads."""

from functools import partial
from typing import Any

from benchmarks.job import Job, dense
from benchmarks.rivals.ours import OURS
from benchmarks.timing import run_in_turn, summarize

BASE = {"m": 16_384, "n_h": 32, "n_x": 512}  # enough for arithmetic to count: below, growth is slower
DOUBLINGS = 5


def measure_scaling(n_threads: int, repeats: int, *, quick: bool) -> dict[str, Any]:
    """Time iterations on dense data while one size doubles, the others staying.

    Returns
    -------
    dict
        For m, n_h and n_x the sizes, the times and how far the growth is from proportional, in percent of it; for
        threads the times.
    """
    base = {name: size // 16 for name, size in BASE.items()} if quick else BASE
    n_doublings = 2 if quick else DOUBLINGS
    record: dict[str, Any] = {"base": base}
    for name in base:
        sizes = [base[name] << k for k in range(n_doublings)]
        times = _time([{**base, name: size} for size in sizes], [n_threads] * len(sizes), repeats)
        growth = times[-1] / times[0] / (sizes[-1] / sizes[0])
        record[name] = {"sizes": sizes, "ms": times, "from_linear_percent": 100 * (growth - 1)}
    threads = list(range(1, n_threads + 1))
    largest = {**base, "m": base["m"] << (n_doublings - 1)}
    record["threads"] = {"sizes": threads, "ms": _time([largest] * len(threads), threads, repeats)}
    return record


def _time(shapes: list[dict[str, int]], threads: list[int], repeats: int) -> list[float]:
    """Return the least time of an iteration for each shape, ms: the growth is a matter of the work, not of pauses."""
    n_iter = 5
    tasks = {}
    for index, (shape, n_threads) in enumerate(zip(shapes, threads, strict=True)):
        X, y, scale = dense(shape["m"], shape["n_x"])
        train = OURS.prepare(Job(X, scale, y, shape["n_h"], "float32", 0.01, n_threads))
        tasks[str(index)] = partial(train, n_iter)
    times = run_in_turn(tasks, max(repeats, 5))
    return [summarize(each, n_iter)["min_ms"] for each in times.values()]
