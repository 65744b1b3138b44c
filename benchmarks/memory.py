"""Peak memory of a training above the raw pixels, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.job import TOLERANCES

_CODE = """
import json
import sys
from pathlib import Path
from twolayer import fit_model, load_mnist

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])

X, y, _, _ = load_mnist((0, 1))
settings = {"n_hidden": 10, "scale": 255.0, "tol": 0, "engine": sys.argv[1]}
fit_model(X[:200], y[:200], **settings, max_iter=2)  # what any training loads
before = kilobytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
cost = fit_model(X, y, **settings, max_iter=5)[1].cost
print(json.dumps({"copies_of_X": (kilobytes("VmHWM") - before) * 1024 / (X.size * 4), "cost": cost}))
"""


def measure_memory() -> dict[str, Any] | None:
    """Return the peak above the raw pixels in copies of X in float32, for both engines; None off Linux."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    copies = {}
    for name, engine in (("twolayer", "auto"), ("NumPy", "whole")):
        done = subprocess.run([sys.executable, "-c", _CODE, engine], capture_output=True, text=True, check=True)
        copies[name] = json.loads(done.stdout)
    costs = [facts["cost"] for facts in copies.values()]
    return {
        "contestants": copies,
        "same_cost": abs(costs[0] - costs[1]) <= TOLERANCES["float32"] * costs[1],
        "best_rival": None,
        "ours_copies": copies["twolayer"]["copies_of_X"],
        "ratio": None,
    }
