"""The rows of the table that time calls: probabilities of many samples or of one, a step with a small batch."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.job import Job
from benchmarks.timing import run_in_turn, summarize
from twolayer import Model, TwoLayerClassifier
from twolayer.aliases import Array

Predict = Callable[[Array], Array]
_TOLERANCE = 1e-4  # of probabilities


def race_calls(calls: Mapping[str, Callable[[], Array]], n_calls: int, repeats: int, n_threads: int) -> dict[str, Any]:
    """Time calls in turn, the first of which is ours; all must return the same numbers, within 1e-4.

    Parameters
    ----------
    calls : mapping of name to callable
    n_calls : int
        Calls in one run.
    repeats : int
        Runs that count.
    n_threads : int

    Returns
    -------
    dict
        The record of the row.
    """
    expected = next(iter(calls.values()))()
    same = {name: bool(np.allclose(call(), expected, rtol=0, atol=_TOLERANCE)) for name, call in calls.items()}

    def repeat(call: Callable[[], Array]) -> None:
        for _ in range(n_calls):
            call()

    with threadpool_limits(n_threads):
        times = run_in_turn({name: partial(repeat, call) for name, call in calls.items()}, repeats)
    contestants = {name: {**summarize(times[name], n_calls), "same_cost": same[name]} for name in calls}
    ours, *rivals = contestants
    for name in rivals:
        contestants[name]["ratio"] = contestants[name]["median_ms"] / contestants[ours]["median_ms"]
    best = min(rivals, key=lambda name: contestants[name]["median_ms"], default=None)
    return {
        "n_iter": n_calls,
        "contestants": contestants,
        "same_cost": all(same.values()),
        "best_rival": best,
        "ours_ms": contestants[ours]["median_ms"],
        "ratio": contestants[best]["ratio"] if best else None,
    }


def predictors(job: Job) -> dict[str, Predict]:
    """Return what gives the probabilities of samples by the job's start, from float32, with what is installed."""
    model = Model(dict(job.start()), tuple(range(job.n_classes)), (job.X.shape[1],), activation=job.activation,
                  output="softmax" if job.n_outputs > 1 else "sigmoid")  # fmt: skip
    found: dict[str, Predict] = {"twolayer": model.predict_proba, "scikit-learn": _scikit_learn(job)}
    for name, make in (("PyTorch", _torch), ("JAX", _jax)):
        with suppress(ImportError):
            found[name] = make(job)
    with suppress(ImportError):
        found["onnxruntime"] = _onnxruntime(model, job.n_threads)
    return found


def steps(X: Array, y: Array, n_hidden: int) -> dict[str, Callable[[], Array]]:
    """Return calls of `partial_fit` with a small batch, ours and scikit-learn's; what they return is their shape."""
    from sklearn.neural_network import MLPClassifier

    ours = TwoLayerClassifier(n_hidden=n_hidden, solver="adam", loss="log", random_state=0)
    theirs = MLPClassifier((n_hidden,), random_state=0)
    classes = np.unique(y)

    def step(estimator: Any) -> Array:
        estimator.partial_fit(X, y, classes=classes)
        return np.array(np.shape(estimator.coefs_[0]))

    return {"twolayer": partial(step, ours), "scikit-learn": partial(step, theirs)}


def _scikit_learn(job: Job) -> Predict:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    start = job.start()
    network = MLPClassifier((job.n_hidden,), activation="logistic" if job.activation == "sigmoid" else job.activation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        few = np.concatenate([np.flatnonzero(job.y == label)[:2] for label in range(job.n_classes)])
        network.set_params(max_iter=1).fit(job.features()[few], job.y[few])
    network.coefs_ = [np.ascontiguousarray(start[name].T) for name in ("W1", "W2")]
    network.intercepts_ = [start[name][:, 0].copy() for name in ("b1", "b2")]
    predict: Predict = network.predict_proba
    return predict


def _torch(job: Job) -> Predict:
    import torch
    from torch.nn.functional import linear

    torch.set_num_threads(job.n_threads)
    start = {name: torch.from_numpy(value[:, 0] if name[0] == "b" else value) for name, value in job.start().items()}
    activation = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[job.activation]

    def predict(X: Array) -> Array:
        with torch.inference_mode():
            found: Array = probabilities(torch.from_numpy(X)).numpy()
        return found

    def probabilities(X: Any) -> Any:
        z = linear(activation(linear(X, start["W1"], start["b1"])), start["W2"], start["b2"])
        if job.n_outputs > 1:
            return torch.softmax(z, 1)
        p = torch.sigmoid(z)
        return torch.cat([1 - p, p], 1)

    return predict


def _jax(job: Job) -> Predict:
    import jax
    import jax.numpy as jnp

    start = {name: jnp.asarray(value) for name, value in job.start().items()}
    activation = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[job.activation]

    def probabilities(X: Any) -> Any:
        z = activation(X @ start["W1"].T + start["b1"].T) @ start["W2"].T + start["b2"].T
        if job.n_outputs > 1:
            return jax.nn.softmax(z, axis=1)
        p = jax.nn.sigmoid(z)
        return jnp.concatenate([1 - p, p], axis=1)

    compiled: Any = jax.jit(probabilities)
    return lambda X: np.asarray(compiled(X))


def _onnxruntime(model: Model, n_threads: int) -> Predict:
    import onnxruntime

    from twolayer.export.targets import export_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = n_threads, 3
    content = export_model(model, "onnx", "net")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, session.get_outputs()[1].name
    return lambda X: session.run([output], {name: X})[0]
