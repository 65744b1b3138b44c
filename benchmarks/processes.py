"""Whole processes that do the same job: read the digits, train until 99.8 % of the test digits are right, save."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.timing import run_in_turn, summarize

DIGITS = Path(__file__).parents[1] / "src" / "twolayer" / "data" / "mnist_files"
SCRIPTS = Path(__file__).parent / "rivals"
NEEDED = 0.998
Command = Callable[[str], tuple[str, ...]]
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
    commands: dict[str, Command] = {
        "twolayer": lambda out: (*OURS, out, "--no-pictures"),
        rival: lambda out: (str(SCRIPTS / script), str(DIGITS), out),
        "twolayer, with pictures": lambda out: (*OURS, out),
    }
    return race_commands(commands, rival, repeats, NEEDED)


def race_commands(commands: Mapping[str, Command], rival: str, repeats: int, needed: float) -> dict[str, Any]:
    """Time commands of Python in turn, each with a new path to write to.

    Parameters
    ----------
    commands : mapping of name to callable
        Return arguments of Python, given the path; the process prints a JSON object with a test accuracy.
    rival : str
        The one that "twolayer" is compared with.
    repeats : int
    needed : float
        The test accuracy that all must reach.

    Returns
    -------
    dict
        The record of the row, with the peak memory of each.
    """
    accuracies: dict[str, float] = dict.fromkeys(commands, 1.0)
    peaks: dict[str, float] = dict.fromkeys(commands, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        number = iter(range(10**6))

        def run(name: str) -> None:
            accuracy, peak_mb = _run(commands[name](str(Path(folder) / str(next(number)))))
            accuracies[name], peaks[name] = min(accuracies[name], accuracy), max(peaks[name], peak_mb)

        times = run_in_turn({name: partial(run, name) for name in commands}, repeats)
    contestants = {
        name: {**summarize(times[name]), "test_accuracy": accuracies[name], "peak_mb": peaks[name]} for name in commands
    }
    return {
        "contestants": contestants,
        "same_cost": all(accuracy >= needed for accuracy in accuracies.values()),
        "best_rival": rival,
        "ours_ms": contestants["twolayer"]["median_ms"],
        "ratio": contestants[rival]["median_ms"] / contestants["twolayer"]["median_ms"],
    }


def _run(command: tuple[str, ...]) -> tuple[float, float]:
    """Run Python with some arguments; return the test accuracy that it prints, and its peak memory, MB."""
    slow = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")  # would have each process compile its libraries anew
    environment = {name: value for name, value in os.environ.items() if name not in slow}
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen([sys.executable, *command], env=environment, stdout=printed)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # or it would be waited for once more
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        printed.seek(0)
        accuracy = float(json.loads(printed.read().splitlines()[-1])["test_accuracy"])
    return accuracy, used.ru_maxrss / 1024
