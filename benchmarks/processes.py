"""Whole processes that do the same job: read the digits, train until 99.8 % of the test digits are right, save."""

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.timing import run_in_turn, summarize

DIGITS = Path(__file__).parents[1] / "src" / "twolayer" / "data" / "mnist_files"
SCRIPTS = Path(__file__).parent / "rivals"
NEEDED = 0.998
OURS = ("-m", "twolayer", "train", "--hidden", "10", "--quiet", "--json", "--out")


def race_processes(rival: str, script: str, library: str, repeats: int) -> dict[str, Any] | None:
    """Time our command and a rival's script in turn; None where the rival's library is not installed.

    Parameters
    ----------
    rival : str
        Its name.
    script : str
        File in `benchmarks/rivals`.
    library : str
        What the script imports.
    repeats : int

    Returns
    -------
    dict or None
    """
    if find_spec(library) is None:
        return None
    accuracies: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        number = iter(range(10**6))

        def run(name: str, *command: str) -> None:
            accuracies[name] = min(accuracies.get(name, 1.0), _run(command))

        def out() -> str:
            return str(Path(folder) / str(next(number)))

        tasks = {
            "twolayer": lambda: run("twolayer", *OURS, out(), "--no-pictures"),
            rival: lambda: run(rival, str(SCRIPTS / script), str(DIGITS), out()),
            "twolayer, with pictures": lambda: run("twolayer, with pictures", *OURS, out()),
        }
        times = run_in_turn(tasks, repeats)
    contestants = {name: {**summarize(times[name]), "test_accuracy": accuracies[name]} for name in tasks}
    return {
        "contestants": contestants,
        "same_cost": all(accuracy >= NEEDED for accuracy in accuracies.values()),
        "best_rival": rival,
        "ours_ms": contestants["twolayer"]["median_ms"],
        "ratio": contestants[rival]["median_ms"] / contestants["twolayer"]["median_ms"],
    }


def _run(command: tuple[str, ...]) -> float:
    """Run Python with some arguments; return the test accuracy of the JSON object that it prints."""
    slow = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")  # would have each process compile its libraries anew
    environment = {name: value for name, value in os.environ.items() if name not in slow}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["test_accuracy"])
