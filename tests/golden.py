"""Trainings whose bits and figures are recorded in golden.json.

`python tests/golden.py` prints what this machine is and makes of them, for the tables of docs/reproducibility.md;
with `--record` it adds what the blackboard makes of them here to golden.json.
"""

import argparse
import contextlib
import hashlib
import json
import platform
import random
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
from numpy._core import _multiarray_umath
from threadpoolctl import threadpool_info, threadpool_limits

from twolayer import fit_model
from twolayer.data.dataset import Labels
from twolayer.data.rows import ArrayRows
from twolayer.engines.kernel import load_kernel
from twolayer.engines.objective import make_objective
from twolayer.files.model_file import to_bytes
from twolayer.parameters import Sizes, random_start

RECORD = Path(__file__).with_name("golden.json")
N_SAMPLES, N_FEATURES, N_HIDDEN, N_STEPS, SCALE = 2000, 120, 5, 20, 15.0
SOLVERS = {
    "gd, fixed step": {"solver": "gd", "learning_rate": 0.5},
    "momentum": {"solver": "momentum"},
    "adam": {"solver": "adam"},
    "gd": {"solver": "gd"},
    "lbfgs": {"solver": "lbfgs"},
}
VECTORS = ("FMA3", "AVX2", "AVX512_SKX", "X86_V3", "X86_V4", "ASIMDHP", "SVE")  # that arithmetic is made of
DTYPES = ("float32", "float64")
ENGINES = {"whole": {"engine": "whole"}}
if load_kernel():
    ENGINES |= {f"tiled on {n}": {"engine": "tiled", "n_threads": n} for n in (1, 2)}  # threads
ENGINES["streamed"] = {"engine": "auto", "n_threads": 2}


def samples():
    """Return bytes, half of them zero, and classes that no plane separates: by whole numbers, the same everywhere."""
    noise = np.arange(N_SAMPLES * N_FEATURES, dtype=np.uint32).reshape(N_SAMPLES, N_FEATURES)
    for shift, factor in ((15, 2246822519), (13, 3266489917)):
        noise = (noise ^ (noise >> np.uint32(shift))) * np.uint32(factor)
    x = np.maximum((noise >> np.uint32(27)).astype(int) - 16, 0)
    y = x[:, :25].sum(axis=1) - x[:, 25:50].sum(axis=1) + (x[:, 60] - 4) * (x[:, 61] - 4) > 0
    return x.astype(np.uint8), y.astype(int)


def train(engine, solver, dtype, n_steps=N_STEPS):
    """Return the model and the result of one of the trainings."""
    X, y = samples()
    settings = {"n_hidden": N_HIDDEN, "max_iter": n_steps, "tol": 0, "scale": SCALE, "dtype": dtype}
    return fit_model(as_rows(X, engine), y, **settings, **ENGINES[engine], **SOLVERS[solver])


def evaluate(engine, dtype):
    """Return the evaluation at the start of the trainings."""
    X, y = samples()
    objective = make_objective(as_rows(X, engine), Labels.of(y), **ENGINES[engine], dtype=dtype, scale=SCALE)
    (evaluation,) = objective.evaluate([random_start(Sizes(N_FEATURES, N_HIDDEN, 1), dtype, 0)], gradient=True)
    return evaluation


def as_rows(X, engine):
    """Return samples as they are, or in blocks to be streamed."""
    return ArrayRows(X, 700) if engine == "streamed" else X


def digest(result, extra=b""):
    """Return 16 figures that change with any bit of the parameters and the history, but for the times."""
    history = [{**asdict(epoch), "seconds": None} for epoch in result.history]
    bits = b"".join(result.parameters[name].tobytes() for name in ("W1", "b1", "W2", "b2"))
    return hashlib.sha256(bits + json.dumps(history).encode() + extra).hexdigest()[:16]


def short_digest(case):
    """Return the digest of one of the trainings with few steps: engine, solver and type."""
    return digest(train(*case, n_steps=6)[1])


def figures(result):
    """Return a few numbers of a result, each bit of them: first and last cost, some parameters, right predictions."""
    some = [value.ravel()[:4] for value in result.parameters.values()]
    numbers = [result.history[0].cost, result.cost, *np.concatenate(some).tolist()]
    return {"numbers": [float(number).hex() for number in numbers], "correct": result.train_correct}


def differences(got, expected):
    """Return how far figures are from others: costs relatively, parameters relatively to the largest, predictions."""
    a, b = (np.array([float.fromhex(number) for number in each["numbers"]]) for each in (got, expected))
    first, last = abs(a[:2] / b[:2] - 1)
    parameters = abs(a[2:] - b[2:]).max() / abs(b[2:]).max()
    predictions = abs(got["correct"] - expected["correct"])
    return {"first cost": first, "cost": last, "parameters": parameters, "predictions": predictions}


def machine():
    """Return what determines the bits of NumPy's engine, as far as is known."""
    available = _multiarray_umath.__cpu_features__
    vectors = [name for name in _multiarray_umath.__cpu_dispatch__ if name in VECTORS and available[name]]
    libraries = [each for each in threadpool_info() if each["user_api"] == "blas" and "numpy" in each["filepath"]]
    blas = [f"{each['internal_api']} {each['version']} {each.get('architecture')}" for each in libraries]
    libc = " ".join(platform.libc_ver())
    return ", ".join([platform.machine(), f"NumPy {np.__version__}", " ".join(vectors), *blas, libc])


def blackboard():
    """Return digests and figures of NumPy's engine, by solver and type, with one thread for BLAS."""
    with threadpool_limits(1, "blas"):
        results = {f"{solver}, {dtype}": train("whole", solver, dtype)[1] for solver, dtype in product(SOLVERS, DTYPES)}
    digests = {name: digest(each) for name, each in results.items()}
    return digests, {name: figures(each) for name, each in results.items()}


def all_digests(seed, n_steps=N_STEPS):
    """Return digests of all trainings, model files included, made in an order and with a heap that the seed chooses."""
    order = random.Random(seed)
    cases = list(product(ENGINES, SOLVERS, DTYPES))
    order.shuffle(cases)
    heap, digests = [], {}
    for case in cases:
        heap += [np.ones(order.randrange(1, 20_000)) for _ in range(20)]
        order.shuffle(heap)
        del heap[::2]
        model, result = train(*case, n_steps)
        digests[", ".join(case)] = digest(result, to_bytes(model))
    return dict(sorted(digests.items()))


def record(digests, numbers):
    """Put in this machine's digests, and those figures that are not there yet."""
    known = {"figures": {}, "bits": []}
    with contextlib.suppress(FileNotFoundError):
        known = json.loads(RECORD.read_text())
    known["figures"] = numbers | known["figures"]
    for group in known["bits"]:
        group["machines"] = [each for each in group["machines"] if each != machine()]
    groups = [group for group in known["bits"] if group["digests"] == digests]
    if not groups:
        groups = [{"digests": digests, "machines": []}]
        known["bits"] += groups
    groups[0]["machines"] = sorted([*groups[0]["machines"], machine()])
    known["bits"] = [group for group in known["bits"] if group["machines"]]
    RECORD.write_text(json.dumps(known, indent=1) + "\n")


def main():
    """Print what this machine makes of the trainings, or record it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    parser.add_argument(
        "--digests", type=int, metavar="SEED", help="print digests as JSON, made in an order of its own"
    )
    arguments = parser.parse_args()
    if arguments.digests is not None:
        print(json.dumps(all_digests(arguments.digests, n_steps=5)))
        return
    digests, numbers = blackboard()
    if arguments.record:
        record(digests, numbers)
    digests = all_digests(0)
    print(machine())
    for engine in ENGINES:
        own = "".join(each for name, each in digests.items() if name.startswith(engine))
        print(f"  {engine:24} {hashlib.sha256(own.encode()).hexdigest()[:8]}")
    recorded = json.loads(RECORD.read_text())["figures"]
    for name, figure in numbers.items():
        off = differences(figure, recorded[name])
        print(f"  {name:24} {',  '.join(f'{what} {number:.1e}' for what, number in off.items())}")


if __name__ == "__main__":
    main()
