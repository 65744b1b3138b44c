"""Files of a run, whole and broken, that the search begins with: model, checkpoint, request and history."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.run_targets import SOLVERS, train_tiny
from tests.test_checkpoint import with_array, with_record, with_state
from tests.test_history import LINE
from tests.test_model_file import BROKEN, FORMAT_1, with_columns
from twolayer.data.request import DataRequest
from twolayer.files.model_file import to_bytes
from twolayer.model import Model
from twolayer.runs.request import Request
from twolayer.settings import Settings


def small_model(
    n_y: int = 1, classes: tuple[int | str, ...] = (0, 1), dtype: str = "float32", output: str = "sigmoid"
) -> bytes:
    """Return the file of a network of three inputs and two hidden units."""
    shapes = {"W1": (2, 3), "b1": (2, 1), "W2": (n_y, 2), "b2": (n_y, 1)}
    parameters = {name: np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype) for name, shape in shapes.items()}
    settings = {"n_hidden": 2, "learning_rate": 0.5}
    return to_bytes(Model(parameters, classes, (3,), 255.0, "tanh", settings, output=output))


def models() -> dict[str, bytes]:
    """Return models of every kind, and one for each thing that can be wrong with a model, as its test tells them."""
    random = np.random.default_rng(0)
    shapes = {"W1": (3, 6), "b1": (3, 1), "W2": (1, 3), "b2": (1, 1)}
    parameters = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    whole = to_bytes(Model(parameters, (0, 1), (2, 3), 255.0, settings={"n_hidden": 3}))
    files = {"of numbers": small_model(), "of three texts": small_model(3, ("a", "b", "ü"), "float64", "softmax")}
    files["of a table"] = with_columns(whole)
    files |= {path.stem: path.read_bytes() for path in FORMAT_1[:1]}
    told = Counter()
    for name, (damage, sentence) in BROKEN.items():
        content = damage(whole)
        told[sentence] += 1
        if len(content) < 10_000 and (told[sentence] <= 2 or name.startswith("settings")):
            files[name] = content
    return files


def checkpoints() -> dict[str, bytes]:
    """Return checkpoints of every solver in the middle of a training, and broken ones."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for solver in SOLVERS:
            path = Path(folder, solver)
            train_tiny(path, solver, on_epoch=lambda epoch: epoch.iteration == 4)
            content = with_state(path.read_bytes(), "seconds", 0.5)
            files[f"of {solver}"] = with_array(content, "epochs.seconds", np.full(4, 0.25))
    gd, adam, lbfgs = files["of gd"], files["of adam"], files["of lbfgs"]
    n = 11  # parameters
    return files | {
        "no file": b"",
        "cut": gd[:-1],
        "a model": small_model(),
        "another checksum": gd[:-1] + b"\1",
        "a header that ends elsewhere": gd + bytes(8),
        "an older format": with_record(gd, format_version=1),
        "a newer format": with_record(gd, format_version=3),
        "a field too many": with_record(gd, extra=1),
        "other settings": with_record(gd, settings={}),
        "other samples": with_record(gd, data="0" * 64),
        "an iteration below 0": with_state(gd, "iteration", -1),
        "a later iteration": with_state(gd, "iteration", 10**6),
        "seconds that are not a number": with_state(gd, "seconds", "nan"),
        "no engine": with_state(gd, "engine", None),
        "an unknown array": with_state(gd, "parameters", "W9"),
        "an array of no use": with_array(gd, "more", np.zeros(1)),
        "not a number": with_array(gd, "parameters", np.full(n, np.nan)),
        "parameters of another type": with_array(gd, "parameters", np.zeros(n, np.float32)),
        "lists within lists": with_state(lbfgs, "solver.steps", [[[]]] * 3),
        "steps without changes": with_state(lbfgs, "solver.changes", []),
        "no curvature": with_array(lbfgs, "solver.changes.0", np.zeros(n)),
        "steps that overflow": with_array(lbfgs, "solver.steps.1", np.full(n, 1e300)),
        "an infinite step": with_array(lbfgs, "solver.steps.1", np.full(n, np.inf)),
        "a cost that is not a number": with_array(gd, "epochs.cost", np.full(4, np.nan)),
        "a cost without end": with_array(gd, "epochs.cost", np.full(4, np.inf)),
        "an accuracy of two": with_array(gd, "epochs.train_accuracy", np.full(4, 2.0)),
        "a score that is not a number": with_array(adam, "epochs.validation_score", np.full(4, np.nan)),
        "a score to beat that is not a number": with_state(adam, "bar", "nan"),
        "squares below 0": with_array(adam, "solver.second", np.full(n, -1.0)),
        "squares without end": with_array(adam, "solver.second", np.full(n, np.inf)),
        "very many updates": with_state(adam, "solver.n_updates", 2**53),
        "updates of many digits": with_state(adam, "solver.n_updates", 10**400),
        "a best point of nothing": with_state(adam, "best", {}),
        "best parameters without end": with_array(adam, "best.parameters", np.full(n, np.inf)),
    }


def runs() -> dict[str, bytes]:
    """Return requests of runs, whole and broken."""

    def run(data: dict[str, object], settings: dict[str, object], /, **changes: object) -> bytes:
        record = json.loads(Request(DataRequest(**data), Settings(**settings)).to_json())
        for name, value in changes.items():
            part = next(part for part in (record["data"], record["settings"], record) if name in part or part is record)
            part[name] = value
        return json.dumps(record).encode()

    table = {"data": "x.csv", "target": "y"}
    return {
        "of digits": run({}, {"n_hidden": 5, "max_iter": 3}),
        "of a table": run({**table, "ignore": ("a", "b"), "memory": "1GB"}, {"class_weight": "balanced"}),
        "of images": run({"data": "pets", "size": (8, 8), "colour": "grey"}, {"learning_rate": 0.5, "engine": "whole"}),
        "of a query": run({"data": "select 1); copy (select 1) to 'x' (format csv", "target": "y"}, {}),
        "of weights": run(table, {"class_weight": {"a": 2}}, pictures=False, checkpoint_seconds=60),
        "an older format": run({}, {}, format_version=1),
        "a newer format": run({}, {}, format_version=3),
        "a format of true": run({}, {}, format_version=True),
        "a name too many": run({}, {}, extra=1),
        "no data": run({}, {}, data=None),
        "a number that is text": run({}, {}, n_hidden="5"),
        "a number that is none": run({}, {}, l2=float("nan")),
        "no memory": run({}, {}, memory=-1),
        "settings apart": run({}, {}, batch_size=5),
        "controls": run({**table, "target": "\x1b[2J\0\ud800"}, {}, data="\0"),
        "class weights of anything": run({}, {}, class_weight={"a": 1e308, "\u00fc": 0, "": -0.0}),
        "data that are a list": run({}, {}, data=[]),
        "a list": b"[]",
        "empty": b"",
        "nested deeply": b"[" * 3000,
        "no text at all": b"\xff\xfe",
        "large": b" " * 2**14 + run({}, {}),
    }


def histories() -> dict[str, bytes]:
    """Return histories whole and broken."""

    def lines(*changes: dict[str, object]) -> bytes:
        return "".join(
            json.dumps({**LINE, "iteration": k, **change}) + "\n" for k, change in enumerate(changes)
        ).encode()

    scores = {"test_accuracy": 1, "validation_cost": 0.25, "validation_score": -3e-7}
    return {
        "empty": b"",
        "three epochs": lines({}, {"cost": 0.25}, scores),
        "carriage returns": lines({}, {}).replace(b"\n", b"\r\n"),
        "no end of line": lines({})[:-1],
        "an empty line": lines({}, {}).replace(b"\n", b"\n\n"),
        "a line separator": lines({}).replace(b"\n", b"\xe2\x80\xa8"),
        "cut": lines({}, {})[:-30],
        "an epoch left out": lines({}, {"iteration": 2}),
        "not a number": lines({"cost": float("nan")}),
        "infinite": lines({"seconds": float("inf")}),
        "too large": lines({"cost": 10**400}),
        "many digits": lines({}).replace(b"0.5", b"9" * 5000, 1),
        "an accuracy of two": lines({"train_accuracy": 2}),
        "a text": lines({"cost": "0.5"}),
        "a name too many": lines({"extra": 1}),
        "a name twice": lines({}).replace(b"{", b'{"cost": 1, '),
        "a list": b"[]\n",
        "nested deeply": b"[" * 3000,
        "no text": b"\xff\xfe{}",
        "byte order mark": b"\xef\xbb\xbf" + lines({}),
    }


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "model": models,
    "checkpoint": checkpoints,
    "run": runs,
    "history": histories,
}
