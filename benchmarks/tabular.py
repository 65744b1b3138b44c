"""Tables as whole processes: from a file to the first pass over it, and from a file of rows to one of predictions."""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.processes import SCRIPTS, race_commands

N_FEATURES = 28
_NEEDED = 0.85  # of the rows on their side of the plane
_NETWORK = ("--hidden", "64", "--solver", "adam", "--loss", "log", "--activation", "relu", "--batch-size", "256")


def make_table(path: Path, n_rows: int) -> None:
    """Write a CSV or Parquet file of features in five digits, labelled by the side of a plane on which they lie."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SELECT setseed(0.5)")
    features = ", ".join(f"round(random() * 2 - 1, 5)::FLOAT AS x{k}" for k in range(N_FEATURES))
    plane = " + ".join(f"x{k}" for k in range(0, N_FEATURES, 2))
    query = f"SELECT *, CAST({plane} > 0 AS INTEGER) AS y FROM (SELECT {features} FROM range({n_rows}))"  # noqa: S608
    connection.execute(f"COPY ({query}) TO '{path}'")


def race_reading(suffix: str, n_rows: int, repeats: int) -> dict[str, Any] | None:
    """Time reading a table, one pass of Adam over four fifths, and a test; None where pandas is not installed."""
    if find_spec("pandas") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="twolayer-table-") as folder:
        table = Path(folder, f"table.{suffix}")
        make_table(table, n_rows)
        train = ("-m", "twolayer", "train", str(table), "--target", "y", *_NETWORK, "--iterations", "1")
        return race_commands(
            {
                "twolayer": lambda out: (*train, "--quiet", "--json", "--no-pictures", "--out", out),
                "scikit-learn": lambda out: (str(SCRIPTS / "table_sklearn.py"), "train", str(table), out, "1"),
            },
            "scikit-learn", repeats, _NEEDED,
        )  # fmt: skip


def race_predicting(n_rows: int, repeats: int) -> dict[str, Any] | None:
    """Time CSV in, CSV with class and probabilities out, by a model of 64 units; None where pandas is not installed."""
    if find_spec("pandas") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="twolayer-table-") as folder:
        few, table, ours, theirs = (Path(folder, name) for name in ("few.csv", "table.csv", "ours", "theirs"))
        make_table(few, 20_000)
        make_table(table, n_rows)
        train = ("-m", "twolayer", "train", few, "--target", "y", *_NETWORK, "--iterations", "20", "--quiet")
        for command in ((*train, "--out", ours), (SCRIPTS / "table_sklearn.py", "train", few, theirs, 20)):
            subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
        return race_commands(
            {
                "twolayer": lambda out: (str(SCRIPTS / "table_ours.py"), str(ours), str(table), f"{out}.csv"),
                "scikit-learn": lambda out: (
                    str(SCRIPTS / "table_sklearn.py"), "predict", str(theirs), str(table), f"{out}.csv",
                ),
            },
            "scikit-learn", repeats, _NEEDED,
        )  # fmt: skip
