"""Parameters of other frameworks come in the shapes of the blackboard, and give the same probabilities as there."""

import os
import warnings
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

import twolayer
from tests.strategies import SEEDS, SIZES
from twolayer import import_parameters
from twolayer.errors import DataError
from twolayer.model import Model

NAMES = ("W1", "b1", "W2", "b2")
ACTIVATIONS = {"sigmoid": expit, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}


class Tensor:
    """What this library knows of a tensor of PyTorch's that is trained on another device."""

    def __init__(self, values, dtype="torch.float32", ready=0):
        self.values, self.dtype, self.ready = np.asarray(values), dtype, ready

    def detach(self):
        """Leave the graph."""
        return Tensor(self.values, self.dtype, 1)

    def cpu(self):
        """Leave the device."""
        return Tensor(self.values, self.dtype, self.ready + 1)

    def float(self):
        """Become float32."""
        return Tensor(self.values, ready=self.ready)

    def __array__(self, dtype=None, copy=None):
        if self.ready < 2:
            raise RuntimeError("Can't call numpy() on a tensor of another device.\nMore lines.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values.astype(dtype or self.values.dtype)


def draw_arrays(seed, n_x=3, n_h=2, n_y=1, dtype="float32"):
    """Return weights as PyTorch has them and biases."""
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(dtype) for shape in ((n_h, n_x), (n_h,), (n_y, n_h), (n_y,))]


def to_state(arrays, first="0.", second="2."):
    """Return a state_dict."""
    names = [f"{first}weight", f"{first}bias", f"{second}weight", f"{second}bias"]
    return OrderedDict(zip(names, arrays, strict=True))


def to_list(arrays):
    """Return weights as Keras has them."""
    W1, b1, W2, b2 = arrays
    return [W1.T, b1, W2.T, b2]


def check_same(parameters, arrays):
    """Check that parameters are bit by bit those of arrays as PyTorch has them."""
    assert tuple(parameters) == NAMES
    for value, wanted in zip(parameters.values(), arrays, strict=True):
        expected = wanted if wanted.ndim == 2 else wanted[:, None]
        assert value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)
        assert value.flags.c_contiguous
        assert not np.shares_memory(value, wanted)


@given(SEEDS, SIZES, SIZES, SIZES.filter(lambda n: n != 2), st.sampled_from(["float32", "float64"]))
def test_the_kind_of_the_source_says_what_is_transposed(seed, n_x, n_h, n_y, dtype):
    """Whatever the shapes, squares among them; and a file that sorts the layers by name does not swap them."""
    arrays = draw_arrays(seed, n_x, n_h, n_y, dtype)
    state = to_state(arrays)

    check_same(import_parameters(state), arrays)
    check_same(import_parameters(dict(reversed(state.items()))), arrays)
    check_same(import_parameters(to_list(arrays)), arrays)


def test_the_shapes_tell_the_order_where_names_do_not():
    """The output layer may come first in the alphabet; where both fit, numbers in the names decide."""
    arrays, square = draw_arrays(0), draw_arrays(0, 3, 3, 3)

    check_same(import_parameters(to_state(arrays, "net.", "classifier.")), arrays)
    check_same(import_parameters(dict(sorted(to_state(arrays, "net.", "classifier.").items()))), arrays)
    check_same(import_parameters(dict(sorted(to_state(square, "fc9.", "fc10.").items()))), square)
    with pytest.raises(DataError, match=r"'net' and 'classifier' is ambiguous.*torch\.nn\.Sequential"):
        import_parameters(to_state(square, "net.", "classifier."))


def test_tensors_are_taken_off_their_graph_and_device():
    """Whether they need a gradient, lie on another device, or are of a type that NumPy has not."""
    arrays = draw_arrays(0)
    check_same(import_parameters(to_state([Tensor(value) for value in arrays])), arrays)
    check_same(import_parameters(to_state([Tensor(value, "torch.bfloat16") for value in arrays])), arrays)


def test_half_becomes_single_and_mixed_becomes_double():
    """Each number stays what it is."""
    half = [value.astype(np.float16) for value in draw_arrays(0)]
    mixed = [*half[:3], half[3].astype(np.float64)]

    check_same(import_parameters(half_list := to_list(half)), [value.astype(np.float32) for value in half])
    check_same(import_parameters([*half_list[:3], mixed[3]]), [value.astype(np.float64) for value in half])


def test_a_module_gives_its_state_and_a_model_its_weights():
    """The objects themselves will do, a Keras model that is a module of PyTorch's among them."""
    arrays = draw_arrays(0)
    module = type("Module", (), {"state_dict": lambda self: to_state(arrays)})()
    model = type("Model", (type(module),), {"get_weights": lambda self: to_list(arrays)})()

    check_same(import_parameters(module), arrays)
    check_same(import_parameters(model), arrays)


def test_a_file_of_safetensors_is_a_source(tmp_path):
    """Without the framework that wrote it."""
    arrays = draw_arrays(0)
    save_file(to_state(arrays, "fc1.", "fc2."), tmp_path / "network.safetensors")

    check_same(import_parameters(load_file(tmp_path / "network.safetensors")), arrays)


def fit(classes, activation="logistic", dtype="float64"):
    """Return a network of scikit-learn's, its samples and labels."""
    random = np.random.default_rng(0)
    X, y = random.standard_normal((60, 4)).astype(dtype), np.array(classes)[np.arange(60) % len(classes)]
    X[:, 0] += np.arange(60) % len(classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = MLPClassifier((5,), activation, max_iter=30, random_state=0)
        return network.fit(X, y), X, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_a_network_of_scikit_learn_has_the_same_probabilities_here(activation, dtype):
    """Two classes: to rounding."""
    network, X, _ = fit(["no", "yes"], activation, dtype)
    parameters = import_parameters(network)
    model = Model(parameters, ("no", "yes"), (4,), activation=activation.replace("logistic", "sigmoid"))

    assert parameters["W1"].dtype == dtype
    atol = 1e-6 if dtype == "float32" else 1e-15
    np.testing.assert_allclose(model.predict_proba(X), network.predict_proba(X), rtol=0, atol=atol)
    np.testing.assert_array_equal(model.predict(X), network.predict(X))


def test_a_softmax_of_scikit_learn_has_the_same_probabilities_here():
    """Three classes, with softmax as the output of the model: to rounding."""
    network, X, _ = fit([1, 2, 3])
    model = Model(import_parameters(network), (1, 2, 3), (4,), output="softmax")

    np.testing.assert_array_equal(model.predict(X), network.predict(X))
    np.testing.assert_allclose(model.predict_proba(X), network.predict_proba(X), atol=1e-14)


def test_a_softmax_of_two_units_is_a_sigmoid_of_their_difference():
    """As the docstring makes one of it."""
    arrays = draw_arrays(0, n_y=2)
    X = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    W1, b1, W2, b2 = arrays
    expected = softmax(np.tanh(X @ W1.T + b1) @ W2.T + b2, axis=1)

    state = to_state(arrays)
    for name in ("2.weight", "2.bias"):
        state[name] = state[name][1:] - state[name][:1]
    model = Model(import_parameters(state), (0, 1), (3,), activation="tanh")

    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


def test_a_training_goes_on_from_them():
    """By the estimator and by `fit_model`; the first cost is that of the network that came in."""
    network, X, y = fit(["no", "yes"])
    parameters = import_parameters(network)
    expected = ((network.predict_proba(X)[:, 1] - (y == "yes")) ** 2).mean() / 2

    estimator = twolayer.TwoLayerClassifier(5, initial_parameters=parameters).fit(X, y)
    _, result = twolayer.fit_model(X, y, n_hidden=5, start=parameters, dtype="float64", max_iter=5)

    for history in (estimator.history_, result.history):
        assert history[0].cost == pytest.approx(expected)
        assert history[-1].cost < expected
    check_same(
        import_parameters(estimator),
        [value.T for pair in zip(estimator.coefs_, estimator.intercepts_, strict=True) for value in pair],
    )


def changed(place, change):
    """Return weights of Keras with one of them changed."""
    weights = to_list(draw_arrays(0))
    weights[place] = change(weights[place])
    return weights


def state(without=""):
    """Return a state_dict, without a name."""
    return {name: value for name, value in to_state(draw_arrays(0)).items() if name != without}


def deep():
    """Return a network of scikit-learn's with two hidden layers."""
    network, X, y = fit(["no", "yes"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.set_params(hidden_layer_sizes=(3, 2), max_iter=3).fit(X, y)


REGRESSION = MLPRegressor(hidden_layer_sizes=(2,), max_iter=5000, random_state=0)
REFUSED = {
    "a number": (lambda: 3, "from a state_dict .* not from int"),
    "a text": (lambda: "network.pt", "not from str"),
    "an estimator of scikit-learn, not fitted": (MLPClassifier, "fit it first"),
    "an estimator of ours, not fitted": (lambda: twolayer.TwoLayerClassifier(3), "not from TwoLayerClassifier"),
    "a regression": (lambda: REGRESSION.fit([[0.0], [1.0]], [0.0, 1.0]), "not classes"),
    "no activation": (lambda: fit(["no", "yes"], "identity")[0], "not identity"),
    "two hidden layers of scikit-learn": (deep, "weights in 3 of its layers"),
    "a Keras model that is not built": (list, "build it first"),
    "two hidden layers of Keras": (lambda: to_list(draw_arrays(0)) * 2, "not 8 arrays"),
    "no biases of Keras": (lambda: to_list(draw_arrays(0))[::2], "not 2 arrays"),
    "no bias of PyTorch": (lambda: state("2.bias"), r"has no '2\.bias'"),
    "no hidden layer": (lambda: {"weight": np.ones((1, 3)), "bias": np.ones(1)}, "weights in 1 of its layers, not"),
    "two hidden layers": (lambda: state() | to_state(draw_arrays(0), "4.", "6."), "weights in 4 of its layers, not"),
    "a batch norm": (lambda: state() | {"1.running_mean": np.ones(2)}, r"another parameter, '1\.running_mean'"),
    "names of the blackboard": (lambda: dict(zip(NAMES, draw_arrays(0), strict=True)), "another parameter, 'W1'"),
    "names that are numbers": (lambda: {0: np.ones((2, 2))}, "another parameter, '0'"),
    "a kernel of a convolution": (lambda: changed(0, lambda W: W[None, None]), r"\(2, 3, 1, 1\)"),
    "a bias of another size": (lambda: changed(1, lambda b: np.append(b, b)), r"not fit together \(\(2, 3\), \(4,\)"),
    "a bias in a column": (lambda: changed(1, lambda b: b[:, None]), "do not fit together"),
    "layers that do not fit": (lambda: changed(2, lambda W: np.vstack([W, W])), "do not fit together"),
    "no inputs": (lambda: changed(0, lambda W: W[:0]), "do not fit together"),
    "weights of PyTorch as a list": (lambda: draw_arrays(0), "do not fit together"),
    "two outputs": (lambda: to_state(draw_arrays(0, n_y=2)), "two outputs.*second less the first"),
    "a NaN": (lambda: changed(3, lambda b: b * np.nan), "not finite"),
    "an infinity": (lambda: changed(0, lambda W: W + np.float32(np.inf)), "not finite"),
    "whole numbers": (lambda: changed(0, lambda W: W.astype(np.int8)), "number 1 is of the type int8"),
    "complex numbers": (lambda: changed(0, lambda W: W + 0j), "complex64"),
    "objects": (lambda: changed(0, lambda W: W.astype(object)), "type object"),
    "a list of different lengths": (lambda: changed(0, lambda W: [[1.0], [1.0, 2.0]]), "not an array of numbers"),
    "a tensor without values": (
        lambda: to_state([*map(Tensor, draw_arrays(0)[:3]), Broken()]),
        r"2\.bias is not an array of numbers \(nothing here\)",
    ),
}


class Broken(Tensor):
    """A tensor of the meta device."""

    def __init__(self):
        super().__init__([0.0])

    def detach(self):
        """Say that there is nothing."""
        raise NotImplementedError("nothing here.\nMore.")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_network_is_told(name):
    """One sentence each."""
    make, sentence = REFUSED[name]
    source = make()

    with pytest.raises(DataError, match=sentence) as caught:
        import_parameters(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_of_pytorch_has_the_same_probabilities_here(activation, dtype):
    """Two classes: to rounding, from the module and from its state."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    function = {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[activation]
    network = torch.nn.Sequential(torch.nn.Linear(4, 5), function(), torch.nn.Linear(5, 1), torch.nn.Sigmoid())
    network = network.to(getattr(torch, dtype))
    wide = network.double() if dtype == "float64" else network.float()
    X = torch.randn(50, 4, dtype=wide[0].weight.dtype)
    network = network.to(getattr(torch, dtype))

    parameters = import_parameters(network)
    model = Model(parameters, ("no", "yes"), (4,), activation=activation)

    expected = (network.double() if dtype == "float64" else network.float())(X).detach().numpy()[:, 0]
    np.testing.assert_allclose(model.predict_proba(X.numpy())[:, 1], expected, rtol=0, atol=3e-7)
    for name, value in import_parameters(network.state_dict()).items():
        np.testing.assert_array_equal(value, parameters[name])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras itself, on PyTorch
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_of_keras_has_the_same_probabilities_here(activation):
    """Two classes: to rounding, from the model and from its weights."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras is not installed", exc_type=ImportError)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, activation=activation), keras.layers.Dense(1, activation="sigmoid")]
    network = keras.Sequential([keras.Input((4,)), *layers])
    X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)

    parameters = import_parameters(network)
    model = Model(parameters, ("no", "yes"), (4,), activation=activation)

    expected = keras.ops.convert_to_numpy(network(X))[:, 0]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expected, rtol=0, atol=3e-7)
    for name, value in import_parameters(network.get_weights()).items():
        np.testing.assert_array_equal(value, parameters[name])
