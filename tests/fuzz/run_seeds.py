"""Files of a run, whole and broken, that the search begins with: model, checkpoint, request and history."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests import test_checkpoint, test_model_file
from tests.fuzz.run_targets import SOLVERS, train_tiny
from tests.test_checkpoint import record_of, with_array, with_record, with_state
from tests.test_history import LINE
from tests.test_model_file import BENT, DATE, NUMBER, with_columns
from twolayer.data.request import DataRequest
from twolayer.files.model_file import to_bytes
from twolayer.model import Model, PredictionSets
from twolayer.runs.request import Request
from twolayer.settings import Settings


def small_model(
    n_y: int = 1, classes: tuple[int | str, ...] = (0, 1), dtype: str = "float32", output: str = "sigmoid"
) -> bytes:
    """Return the file of a network of three inputs and two hidden units."""
    shapes = {"W1": (2, 3), "b1": (2, 1), "W2": (n_y, 2), "b2": (n_y, 1)}
    parameters = {name: np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype) for name, shape in shapes.items()}
    settings = {"n_hidden": 2, "learning_rate": 0.5}
    sets = PredictionSets(0.9, 0.2, 50) if n_y > 1 else None
    return to_bytes(Model(parameters, classes, (3,), 255.0, "tanh", settings, output=output, sets=sets))


def models() -> dict[str, bytes]:
    """Return models of every kind, and one for each thing that can be wrong with a model, as its test tells them."""
    random = np.random.default_rng(0)
    shapes = {"W1": (3, 6), "b1": (3, 1), "W2": (1, 3), "b2": (1, 1)}
    parameters = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    whole = to_bytes(Model(parameters, (0, 1), (2, 3), 255.0, settings={"n_hidden": 3}))
    files = {"of numbers": small_model(), "of three texts": small_model(3, ("a", "b", "ü"), "float64", "softmax")}
    files["of a table"] = with_columns(whole)
    dates = ({**DATE, "part": part} for part in ("year", "hour"))
    files["of clips, curves and dates"] = with_columns(whole, BENT, NUMBER, *dates)
    raw = (*({**BENT, "name": f"x{k}"} for k in range(3)), {"kind": "unused", "name": "x3"})
    files["of an array"] = with_columns(whole, *raw, target=None, input_shape=[2, 2])
    files |= {path.stem: path.read_bytes() for path in test_model_file.FORMAT_1[:1]}
    return files | broken(test_model_file.BROKEN, whole, 2)


def broken(ways: dict[str, tuple[Callable[[bytes], bytes], str]], whole: bytes, most: int) -> dict[str, bytes]:
    """Return small files, each broken in one of the ways of a test; so many at most that are told alike."""
    files, told = {}, Counter()
    for name, (damage, sentence) in ways.items():
        content = damage(whole)
        told[sentence] += 1
        if len(content) < 10_000 and (told[sentence] <= most or name.startswith("settings")):
            files[name] = content
    return files


def checkpoints() -> dict[str, bytes]:
    """Return checkpoints of every solver in the middle of a training, and broken ones."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for solver in SOLVERS:
            path = Path(folder, solver)
            if solver == "committee":
                train_tiny(path, solver, checkpoint_seconds=0)
                files[f"of a {solver}"] = path.read_bytes()
                continue
            train_tiny(path, solver, on_epoch=lambda epoch: epoch.iteration == 4)
            content = with_state(path.read_bytes(), "seconds", 0.5)
            files[f"of {solver}"] = with_array(content, "epochs.seconds", np.full(4, 0.25))
    committee = files["of a committee"]
    first, second = record_of(committee)["state"]["solver"]["legs"]
    for name, member in (("of no committee", 7), ("twice", 0)):
        files[f"a network {name}"] = with_state(committee, "solver.legs", [first, {**second, "member": member}])
    files["a network of infinite numbers"] = with_array(committee, "solver.legs.0.vector", np.inf)
    gd, adam, lbfgs = files["of gd"], files["of adam"], files["of lbfgs"]
    ways = {name: way for name, way in test_checkpoint.BROKEN.items() if not way[1].startswith("state.")}
    files |= broken(ways, adam, 1) | broken(test_checkpoint.BROKEN_PAIRS, lbfgs, 2)
    return files | {
        "no file": b"",
        "a header that ends elsewhere": gd + bytes(8),
        "other settings": with_record(gd, settings={}),
        "other samples": with_record(gd, data="0" * 64),
        "a score that is not a number": with_array(adam, "epochs.validation_score", np.nan),
        "a score to beat that is not a number": with_state(adam, "bar", "nan"),
        "very many updates": with_state(adam, "solver.n_updates", 2**53),
        "updates of many digits": with_state(adam, "solver.n_updates", 10**400),
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
        "a newer format": run({}, {}, format_version=4),
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


MAKERS = {"model": models, "checkpoint": checkpoints, "run": runs, "history": histories}
