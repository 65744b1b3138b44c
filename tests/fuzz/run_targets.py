"""What the readers of a run's own files make of them: model, checkpoint, request and history."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.reader import put
from twolayer.engines.kernel import load_kernel
from twolayer.files.model_file import from_bytes, load, to_bytes
from twolayer.fit import fit_model
from twolayer.runs.folder import RunFolder
from twolayer.runs.request import Request
from twolayer.training.history import from_json_lines, read_history, to_json_lines

load_kernel()  # before a reader is watched
SOLVERS = ("adam", "lbfgs", "momentum", "gd", "committee")


def read_model(content: bytes, folder: Path) -> None:
    """Load a model, predict, and save it again."""
    model = load(put(content, folder / "model.safetensors"))
    samples: Any = np.full((1, model.n_features), 0 if model.encoding is None else np.nan)
    if model.table is not None:
        samples = {column.name: np.array([None], object) for column in model.table.columns}
    assert np.asarray(model.classes).dtype.kind in "iU"
    assert np.asarray(model.classes).tolist() == list(model.classes)
    assert model.predict(samples).tolist()[0] in model.classes
    assert np.isfinite(model.predict_proba(samples)).all()
    again = to_bytes(model)
    assert to_bytes(from_bytes(again)) == again


def read_one_history(content: bytes, folder: Path) -> None:
    """Read a history, and write it again."""
    epochs = read_history(put(content, folder / "history.jsonl"))
    assert from_json_lines(to_json_lines(epochs)) == epochs


def train_tiny(path: Path, solver: str, **options: Any) -> Any:
    """Train a small network with a checkpoint, or go on from it."""
    X, y = np.sin(np.arange(24.0)).reshape(8, 3), np.arange(8) % 2
    if solver == "committee":
        return fit_model(X, y, n_hidden=2, members=2, max_iter=3, n_threads=1, checkpoint=path, **options)
    if solver == "adam":
        options |= {"batch_size": 3, "X_val": X, "y_val": y, "early_stopping": True, "n_iter_no_change": 5}
    rate = 0.5 if solver == "gd" else "auto"
    return fit_model(
        X, y, n_hidden=2, solver=solver, learning_rate=rate, max_iter=8, tol=0, n_threads=1, checkpoint=path, **options
    )


def read_checkpoint(content: bytes, folder: Path) -> None:
    """Go on with a training, of the solver that the checkpoint speaks of."""
    path = put(content, folder / "checkpoint.safetensors")
    names = {"committee": b"legs"}
    solver = next((solver for solver in SOLVERS if names.get(solver, solver.encode()) in content), "gd")
    model, result = train_tiny(path, solver)
    assert [epoch.iteration for epoch in result.history] == list(range(len(result.history)))
    assert all(np.isfinite(value).all() for value in model.parameters.values())
    assert to_bytes(from_bytes(to_bytes(model))) == to_bytes(model)
    to_json_lines(result.history)


def read_request(content: bytes, folder: Path) -> None:
    """Read what a run is to go on with, and write it again."""
    put(content, folder / "run.json")
    with RunFolder(folder, resume=True) as run:
        request = run.read_request()
    assert Request.from_json(request.to_json(), "the request") == request


READERS = {"model": read_model, "checkpoint": read_checkpoint, "run": read_request, "history": read_one_history}
