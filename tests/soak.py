"""Many trainings in one process, for test_load.py.

`python tests/soak.py 100 1000` prints as JSON what the process holds after 1,000 trainings that it did not hold after
the 100 before them. With MALLOC_ARENA_MAX=1 all threads share one heap, and memory tells what is held to some 100 kB.
"""

import gc
import json
import os
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from golden import DTYPES, SOLVERS, as_rows
from twolayer import TwoLayerClassifier, load, save
from twolayer.data.request import DataRequest
from twolayer.data.sources import load as load_data
from twolayer.engines.kernel import load_kernel
from twolayer.fit import fit, fit_model
from twolayer.settings import Settings

ENGINES = ("whole", "tiled", "streamed") if load_kernel() else ("whole", "streamed")


def make_samples(m, n_features):
    """Return rows and two classes."""
    X = np.random.default_rng(0).standard_normal((m, n_features)).astype("float32")
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def with_fit_model(k, folder):  # noqa: ARG001
    """Train by one solver and engine after the other, on little data and on enough for two threads."""
    engine = ENGINES[k // 5 % len(ENGINES)]
    X, y = make_samples(*((2000, 120) if k % 3 == 0 else (300, 20)))
    settings = {"engine": "auto" if engine == "streamed" else engine, "dtype": DTYPES[k % 2], "n_threads": 2}
    fit_model(as_rows(X, engine), y, n_hidden=4, max_iter=5, **settings, **list(SOLVERS.values())[k % 5])


def with_the_estimator(k, folder):  # noqa: ARG001
    """Fit and predict."""
    X, y = make_samples(300, 20)
    solver = ("gd", "momentum", "adam", "lbfgs")[k % 4]
    network = TwoLayerClassifier(4, solver=solver, max_iter=5, n_threads=2, early_stopping=k % 3 == 0, random_state=k)
    network.fit(X, y).predict_proba(X)


def with_files(k, folder):
    """Save what was trained, and predict with what is loaded."""
    X, y = make_samples(300, 20)
    model, _ = fit_model(X, y, n_hidden=4, max_iter=5)
    save(model, folder / f"{k % 3}.safetensors")
    load(folder / f"{k % 3}.safetensors").predict(X)


def with_a_table(k, folder):  # noqa: ARG001
    """Read a table, train, and predict from columns."""
    table = folder / "table.csv"
    if not table.exists():
        rows = zip(*make_samples(300, 2), strict=True)
        lines = [f"{row[0]:.3f},{'uvw'[int(9 * row[1] ** 2) % 3]},{label}" for row, label in rows]
        table.write_text("\n".join(["number,word,label", *lines]))
    settings = Settings(n_hidden=3, max_iter=5)
    model, _ = fit(load_data(DataRequest(str(table), target="label"), settings), settings)
    model.predict({"number": [1.0, None], "word": ["u", "new"]})


def train(k, folder):
    """Train in one way after the other; tables are slow to read, so there are fewer of them."""
    ways = (with_fit_model, with_fit_model, with_the_estimator, with_fit_model, with_files)
    (with_a_table if k % 25 == 0 else ways[k % 5])(k // 5, folder)


def possessions():
    """Return what the process holds: memory in bytes, threads, and open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
        "threads": len(os.listdir("/proc/self/task")),
        "python_threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
    }


def hold_after(n_trainings, folder, train=train):
    """Train so many times; return what the process holds then."""
    for k in range(n_trainings):
        train(k, folder)
    return possessions()


def main():
    """Print what trainings hold on to after a warm-up."""
    warm_up, n_trainings = map(int, sys.argv[1:])
    warnings.simplefilter("ignore", ConvergenceWarning)  # few steps are enough
    with tempfile.TemporaryDirectory() as folder:
        before = hold_after(warm_up, Path(folder))
        after = hold_after(n_trainings, Path(folder))
    print(json.dumps({name: after[name] - number for name, number in before.items()}))


if __name__ == "__main__":
    main()
