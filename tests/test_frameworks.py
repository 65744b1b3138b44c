"""A model as a file for scikit-learn, PyTorch or Keras predicts what the model does; the latter two where installed."""

import ast
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

import twolayer
from tests.exports import (
    HOSTILE,
    MODELS,
    SETTINGS,
    check,
    columns,
    make_model,
    make_rows,
    make_table_model,
)
from twolayer.data.encoding import CategoryColumn, NumberColumn
from twolayer.export.programs import to_keras, to_sklearn, to_torch

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras on PyTorch
FRAMEWORKS = {"sklearn": to_sklearn, "torch": to_torch, "keras": to_keras}
FEW = settings(
    max_examples=settings.default.max_examples // 7, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MODEST = SETTINGS | {"weight": st.sampled_from([0.1, 1.0])}  # where float32 keeps probabilities within 1e-6


@pytest.fixture(params=list(FRAMEWORKS))
def framework(request):
    """Return the name of each framework that is there."""
    pytest.importorskip(request.param, reason=f"{request.param} is not installed", exc_type=ImportError)
    return request.param


def run(source):
    """Return the names that a file defines."""
    names = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), names)
    return names


def answer(names, rows):
    """Return pairs of shares and class."""
    return list(zip(names["predict_proba"](rows), names["predict"](rows), strict=True))


@pytest.mark.parametrize("digits", [(0, 1), tuple(range(10))], ids=["two", "ten"])
def test_a_thousand_digits_get_the_models_probabilities(framework, digits):
    """Of a trained network in float32, within 1e-6, and with the same class."""
    X, y, X_test, _ = twolayer.load_mnist(digits)
    model, _ = twolayer.fit_model(X, y, scale=255.0, n_hidden=40, loss="log", activation="relu", max_iter=15)
    rows = X_test[:: len(X_test) // 1000][:1000].tolist()
    names = run(FRAMEWORKS[framework](model, "net"))

    check(model, rows, answer(names, rows))
    assert names["self_test"]() < 1e-6


@FEW
@given(
    model=st.builds(make_model, n_x=st.integers(1, 5), scale=st.sampled_from([1.0, 255.0, 0.1]), **MODEST)
    | st.builds(make_table_model, columns=columns(), **MODEST),
    seed=st.integers(0, 99),
)
def test_any_model_is_exported_truly(framework, model, seed):
    """Plain rows and tables, both types, each activation and output, two or more classes, whole numbers or texts."""
    rows = make_rows(model, 20, seed)
    names = run(FRAMEWORKS[framework](model, "net"))

    check(model, rows, answer(names, rows))
    assert names["self_test"]() <= 1e-6
    assert names["classes"] == model.classes
    assert names["predict"]([]) == names["predict_proba"]([]) == []


@FEW
@given(model=MODELS, seed=st.integers(0, 99))
@example(make_model(3, 1, 2, (0, 1, -1), weight=30.0, activation="relu"), 0)  # a sum of outputs of 1e-100
def test_weights_of_any_size_stay_exact_in_scikit_learn(model, seed):
    """It computes in float64, so that weights of 1e30 do no harm."""
    rows = make_rows(model, 20, seed)

    check(model, rows, answer(run(to_sklearn(model, "net")), rows))


def parameters_of(network, framework):
    """Return the parameters of a framework's own object, as arrays."""
    if framework == "sklearn":
        network = network[-1]
    elif framework == "torch":
        network = {name: value.numpy() for name, value in network.state_dict().items()}
    return twolayer.import_parameters(network)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [(0, 1), ("a", "b", "c")])
def test_the_parameters_are_there_bit_by_bit(framework, classes, dtype):
    """In the framework's own object and in their own type, a new object each time."""
    model = make_model(0, 7, 3, classes, dtype=dtype)
    network = run(FRAMEWORKS[framework](model, "net"))["network"]

    for name, value in parameters_of(network(), framework).items():
        assert value.dtype == dtype
        np.testing.assert_array_equal(value, model.parameters[name])
    assert network() is not network()


@pytest.mark.parametrize("scale", [1.0, 255.0])
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize("classes", [("no", "yes"), ("yes", "no"), (3, 1, 2)])
def test_the_pipeline_of_scikit_learn_predicts_what_the_model_does(classes, output, scale):
    """With classes in any order and rows before their division, it predicts, gives probabilities and has a score."""
    model = make_model(1, 5, 4, classes, scale=scale, dtype="float64", activation="tanh", output=output)
    X = scale * np.random.default_rng(0).standard_normal((200, 5))
    network = run(to_sklearn(model, "net"))["network"]()
    labels = model.predict(X)

    assert isinstance(network, Pipeline)
    assert isinstance(network[-1], MLPClassifier)
    assert (type(network[-1]) is MLPClassifier) == (model.output == "softmax" or len(classes) == 2)
    assert set(labels.tolist()) == set(classes)
    np.testing.assert_array_equal(network.classes_, classes)
    np.testing.assert_array_equal(network.predict(X), labels)
    np.testing.assert_allclose(network.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    assert network.score(X, labels) == 1


def test_a_network_trains_on_in_its_framework(framework):
    """A step of gradient descent there is one of ours: the parameters are trainable, and the outputs are A2."""
    if framework == "sklearn" or (framework == "keras" and os.environ["KERAS_BACKEND"] != "torch"):
        pytest.skip("its gradients are not at hand")
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = make_model(0, 4, 3, (0, 1), dtype="float32")
    X, Y = np.random.default_rng(0).standard_normal((4, 30)).astype("float32"), np.arange(30)[None, :] % 2
    network = run(FRAMEWORKS[framework](model, "net"))["network"]()
    parameters = network.trainable_weights if framework == "keras" else list(network.parameters())
    tensors = [value.value if framework == "keras" else value for value in parameters]

    loss = ((network(torch.from_numpy(X.T)) - torch.from_numpy(Y.T)) ** 2).sum() / 60
    gradients = torch.autograd.grad(loss, tensors)

    A2, cache = twolayer.equations.forward_propagation(X, model.parameters)
    grads = twolayer.equations.back_propagation(X, Y, model.parameters, cache)
    assert loss.item() == pytest.approx(float(twolayer.equations.compute_cost(A2, Y)), rel=1e-5)
    for name, gradient in zip(("dW1", "db1", "dW2", "db2"), gradients, strict=True):
        found = gradient.numpy().T if framework == "keras" else gradient.numpy()
        np.testing.assert_allclose(found.reshape(grads[name].shape), grads[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("export", FRAMEWORKS.values(), ids=list(FRAMEWORKS))
def test_no_text_of_a_model_becomes_code(export):
    """Names of columns, levels and classes that try to break out stay texts, in a file that is ASCII."""
    drawn = [NumberColumn(f"n{text}", 1.0, 2.0, flagged=True) for text in HOSTILE]
    drawn += [CategoryColumn(text, tuple(level.strip() for level in HOSTILE), rare=True) for text in HOSTILE]
    source = export(make_table_model(2, drawn, 2, HOSTILE, weight=0.1), "net")
    calm = export(make_table_model(2, [CategoryColumn("a", ("b",), rare=True)], 2, ["c", "d", "e"]), "net")

    assert source.isascii()
    assert statements(source) == statements(calm)


def statements(source):
    """Return the statements of a program, without the model in it."""
    tree = ast.parse(source)
    model = next(node for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "MODEL")
    assert isinstance(model.value.args[0], ast.Constant)
    model.value.args = []
    return ast.dump(tree)


def test_hostile_texts_are_recognized(framework):
    """Rows with them get the probabilities of the model."""
    drawn = [CategoryColumn(text, tuple(level.strip() for level in HOSTILE), rare=True) for text in HOSTILE[:4]]
    model = make_table_model(2, drawn, 2, HOSTILE, weight=0.1)
    rows = make_rows(model, 30)

    check(model, rows, answer(run(FRAMEWORKS[framework](model, "net")), rows))


@pytest.mark.slow
def test_a_file_tests_itself_as_a_script(framework, tmp_path):
    """It exits with 0; with 1 if one of its numbers is another."""
    source = FRAMEWORKS[framework](make_model(0, 3, 2, (0, 1, 2)), "net")
    for text, code in ((source, 0), (re.sub(r'"b2": \[[^,]+', '"b2": [9.5', source), 1)):
        path = tmp_path / "net.py"
        path.write_text(text)
        done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
        assert done.stdout.startswith("worst deviation of 10 samples: "), done.stderr
        assert done.returncode == code


@pytest.mark.parametrize("export", FRAMEWORKS.values(), ids=list(FRAMEWORKS))
def test_a_wide_network_makes_a_file_of_moderate_size(export):
    """About a dozen characters a number in float32."""
    wide = make_model(0, 784, 300, (0, 1), scale=255.0)

    assert len(export(wide, "net")) < 14 * sum(value.size for value in wide.parameters.values()) + 100_000
