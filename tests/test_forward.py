"""Predictions by the kernel are those of the blackboard."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume, given
from hypothesis import strategies as st

from strategies import SEEDS, normal
from twolayer import Model
from twolayer.engines import forward
from twolayer.engines.kernel import LEVELS, load_kernel
from twolayer.equations import ACTIVATIONS, forward_propagation
from twolayer.parameters import Sizes

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")
N_LEVELS = load_kernel().n_levels if load_kernel() else 0
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}


@st.composite
def predictions(draw):
    """Draw rows of some type, with few zeros or many, dense or sparse, and a network of any shape."""
    random = np.random.default_rng(draw(SEEDS))
    m, n_x, n_h, n_y = (draw(st.integers(1, most)) for most in (300, 30, 70, 11))
    X = random.integers(0, 256, (m, n_x)) * (random.random((m, n_x)) < draw(st.sampled_from([0.2, 1.0])))
    X = X.astype(draw(st.sampled_from([np.uint8, np.float32, np.float64, np.int64])))
    if draw(st.booleans()):
        X = scipy.sparse.csr_array(X)
    return X, normal(Sizes(n_x, n_h, n_y), random, draw(st.sampled_from([*TOLERANCES])))


@pytest.mark.parametrize("level", range(N_LEVELS), ids=LEVELS[:N_LEVELS])
@given(
    case=predictions(),
    activation=st.sampled_from([*ACTIVATIONS]),
    scale=st.sampled_from([1.0, 255.0]),
    n_threads=st.integers(1, 4),
)
def test_logits_are_those_of_the_formulas(level, case, activation, scale, n_threads):
    """Whatever the rows are stored as, on each level and with any number of threads."""
    X, parameters = case
    columns = (X if isinstance(X, np.ndarray) else X.toarray()).T.astype(float) / scale
    exact = {name: value.astype(float) for name, value in parameters.items()}
    expected = forward_propagation(columns, exact, activation)[1]["Z2"].T

    found = forward.logits(X, parameters, activation, scale, n_threads, level)

    assert found.dtype == parameters.dtype
    size = 1 + abs(expected).max() + abs(columns).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES[parameters.dtype.name] * size * 30)


@given(case=predictions(), seed=SEEDS)
def test_a_sample_is_predicted_the_same_whatever_stands_beside_it(case, seed):
    """Its place, its neighbours and the number of threads do not matter."""
    X, parameters = case
    order = np.random.default_rng(seed).permutation(X.shape[0])

    one, other = (forward.logits(rows, parameters, "tanh", 1.0, n) for rows, n in ((X, 1), (X[order], 3)))

    tolerance = TOLERANCES[parameters.dtype.name]
    np.testing.assert_allclose(one[order], other, rtol=tolerance, atol=tolerance * (1 + abs(one).max()))


@given(case=predictions(), activation=st.sampled_from([*ACTIVATIONS]))
def test_few_samples_are_predicted_as_by_the_formulas(case, activation):
    """Hidden units, logits and outputs: only the arrays on the way are left out."""
    X, parameters = case
    n_y = len(parameters["W2"])
    assume(n_y != 2)
    output = "softmax" if n_y > 2 else "sigmoid"
    model = Model(parameters, tuple(range(max(2, n_y))), (X.shape[1],), 1.0, activation, output=output)
    cache = forward_propagation(X.astype(parameters.dtype).T, parameters, activation, output)[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward, "pays", lambda *_: False)
        found = {"A1": model.transform(X), "Z2": model.decision_function(X), "A2": model.outputs(X)}

    for name, got in found.items():
        tolerance = TOLERANCES[parameters.dtype.name]
        atol = tolerance * (1 + abs(cache[name]).max())
        np.testing.assert_allclose(got.T.reshape(cache[name].shape), cache[name], rtol=0, atol=atol)


def test_a_model_predicts_many_samples_by_the_kernel(monkeypatch):
    """Two classes and ten; what comes out is what the formulas give."""
    random = np.random.default_rng(0)
    X = random.integers(0, 256, (2_000, 40), dtype=np.uint8)
    for classes in ((0, 1), tuple(range(10))):
        network = normal(Sizes(40, 30, len(classes) if len(classes) > 2 else 1), random, "float64")
        model = Model(network, classes, (40,), 255.0, "relu", output="softmax" if len(classes) > 2 else "sigmoid")
        found = model.predict_proba(X), model.decision_function(X)
        with monkeypatch.context() as patch:
            patch.setattr(forward, "pays", lambda *_: False)
            expected = model.predict_proba(X), model.decision_function(X)
        for got, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
