"""`python -m benchmarks.large`: train from disk on a file larger than memory, under a limit that the kernel enforces.

The file is created and removed again: standard normal features, labelled by the side of a plane on which they lie.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.machine import describe
from twolayer.data.memory import parse_bytes

N_FEATURES = 100
_BLOCK_ROWS = 50_000


def make_npy(folder: Path, n_rows: int) -> Path:
    """Write X.npy and y.npy; return the path of the former."""
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (n_rows, N_FEATURES))
    y = np.empty(n_rows, np.uint8)
    random = np.random.default_rng(0)
    plane = random.standard_normal(N_FEATURES).astype(np.float32)
    for first in range(0, n_rows, _BLOCK_ROWS):
        block = random.standard_normal((min(_BLOCK_ROWS, n_rows - first), N_FEATURES), np.float32)
        X[first : first + len(block)] = block
        y[first : first + len(block)] = block @ plane > 0
    X.flush()
    np.save(folder / "y.npy", y)
    return folder / "X.npy"


def make_parquet(folder: Path, n_rows: int) -> Path:
    """Write table.parquet with a column y; return its path."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET memory_limit = '1GB'")
    features = ", ".join(f"(random() - 0.5)::FLOAT AS x{k}" for k in range(N_FEATURES))
    plane = " + ".join(f"x{k}" for k in range(0, N_FEATURES, 2))
    path = folder / "table.parquet"
    query = f"SELECT *, CAST({plane} > 0 AS INTEGER) AS y FROM (SELECT {features} FROM range({n_rows}))"  # noqa: S608
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 50000)")
    return path


def train_limited(path: Path, limit_bytes: int, n_iter: int) -> dict[str, Any]:
    """Train in a process whose own memory the kernel limits; return what it printed, its seconds and its peak."""
    command = [sys.executable, "-m", "twolayer", "train", str(path), "--memory", str(limit_bytes)]
    command += ["--iterations", str(n_iter), "--out", str(path.parent / "run"), "--no-pictures", "--quiet", "--json"]
    command += ["--target", "y"] if path.suffix == ".parquet" else []
    began = time.perf_counter()
    limits = (limit_bytes, limit_bytes)
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, limits),
    )
    if ended.returncode:
        raise click.ClickException(f"The training failed: {ended.stderr.strip()}")
    result = json.loads(ended.stdout)
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {
        "file_bytes": path.stat().st_size,
        "limit_bytes": limit_bytes,
        "peak_bytes": peak_bytes,
        "process_seconds": time.perf_counter() - began,
        **{key: result[key] for key in ("seconds", "iterations", "test_accuracy", "train_samples", "engine")},
    }


@click.command()
@click.option("--size", default="4GB", show_default=True, help="Size of the features in the file.")
@click.option("--limit", default="1GB", show_default=True, help="Limit of memory.")
@click.option("--form", type=click.Choice(["npy", "parquet"]), default="npy", show_default=True)
@click.option("--iterations", type=click.IntRange(1), default=10, show_default=True)
def main(size: str, limit: str, form: str, iterations: int) -> None:
    """Print one JSON object: the sizes, the peak memory, the seconds and the accuracy."""
    n_rows = parse_bytes(size) // (4 * N_FEATURES)
    with tempfile.TemporaryDirectory(prefix="twolayer-large-") as folder:
        path = (make_npy if form == "npy" else make_parquet)(Path(folder), n_rows)
        record = train_limited(path, parse_bytes(limit), iterations)
    click.echo(json.dumps({"machine": describe(), "form": form, **record}, indent=1))


if __name__ == "__main__":
    main()
