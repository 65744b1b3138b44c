"""Parameters of networks that PyTorch, Keras or scikit-learn trained. Nothing here reads a pickle."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twolayer.equations import Arrays
from twolayer.errors import DataError

_TYPES = ("float16", "bfloat16", "float32", "float64")
_ACTIVATIONS = ("logistic", "tanh", "relu")  # of scikit-learn's hidden units, those that units here may have
_ONE_HIDDEN_LAYER = "give a network with one hidden layer and biases"

Array = np.ndarray[Any, Any]
Layer = tuple[Array, Array]  # weights (outputs, inputs) and biases (outputs,)


def import_parameters(source: Any) -> Arrays:
    """Return the parameters of another framework's network in the shapes of the blackboard.

    What the source is decides what is transposed, never the shapes: PyTorch keeps weights as (outputs, inputs), Keras
    and scikit-learn as (inputs, outputs). The result is for `TwoLayerClassifier(initial_parameters=...)`,
    `fit_model(start=...)` and `Model(...)`. It says nothing of the activation of the hidden units; the outputs are
    taken for sigmoids. A softmax of three and more units gives the same class here, but other shares; one of two units
    is a sigmoid of their difference, which the last example makes of it.

    Parameters
    ----------
    source : mapping, list, model or estimator
        A `torch.nn.Module` or its `state_dict()`: a mapping of names that end in weight and bias to tensors or arrays.
        A Keras model or its `get_weights()`: a list of kernel, bias, kernel, bias.
        A fitted `MLPClassifier` of scikit-learn.

    Returns
    -------
    dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1), copied: in float64 where one of them is, else in
        float32, which holds each float16 and bfloat16 as it is.

    Raises
    ------
    DataError
        If the source is none of these, or not a network with one hidden layer, biases and finite numbers.

    Examples
    --------
    To go on training where scikit-learn's `MLPClassifier` stopped:

    >>> parameters = twolayer.import_parameters(network)  # doctest: +SKIP
    >>> n_hidden, activation = network.hidden_layer_sizes[0], "relu"  # doctest: +SKIP
    >>> more = TwoLayerClassifier(n_hidden, activation=activation, initial_parameters=parameters)  # doctest: +SKIP
    >>> more.fit(X, y)  # doctest: +SKIP

    (Its logistic is sigmoid here.) A file that safetensors wrote of a `state_dict()`, read without PyTorch:

    >>> from safetensors.numpy import load_file
    >>> parameters = twolayer.import_parameters(load_file("network.safetensors"))  # doctest: +SKIP
    >>> model = twolayer.Model(parameters, ("no", "yes"), (784,), 255.0, "relu")  # doctest: +SKIP

    A softmax of two units:

    >>> state = network.state_dict()  # doctest: +SKIP
    >>> for name in ("2.weight", "2.bias"):  # doctest: +SKIP
    ...     state[name] = state[name][1:] - state[name][:1]
    >>> parameters = twolayer.import_parameters(state)  # doctest: +SKIP
    """
    (W1, b1), (W2, b2) = _check_layers(_read_layers(source))
    arrays = {"W1": W1, "b1": b1[:, None], "W2": W2, "b2": b2[:, None]}
    dtype = np.float64 if any(value.dtype == np.float64 for value in arrays.values()) else np.float32
    parameters = {name: np.array(value, dtype, order="C") for name, value in arrays.items()}
    if not all(np.isfinite(value).all() for value in parameters.values()):
        raise DataError("The network has parameters that are not finite numbers: train it again.")
    return parameters


def _read_layers(source: Any) -> list[Layer]:
    """Return the layers of whichever source, from the inputs to the outputs."""
    if hasattr(source, "coefs_") or hasattr(source, "hidden_layer_sizes"):
        return _from_sklearn(source)
    if callable(getattr(source, "get_weights", None)):  # before the next: on PyTorch a Keras model is a module, too
        source = source.get_weights()
    elif callable(getattr(source, "state_dict", None)):
        source = source.state_dict()
    if isinstance(source, Mapping):
        return _from_torch(source)
    if isinstance(source, list | tuple):
        return _from_keras(source)
    kinds = "a state_dict of PyTorch, a Keras model or its weights, or an MLPClassifier of scikit-learn"
    raise DataError(f"Parameters come from {kinds}; this is of the type {type(source).__name__}: give one of these.")


def _from_sklearn(network: Any) -> list[Layer]:
    """Return the layers of a network of scikit-learn."""
    if not hasattr(network, "coefs_"):
        raise DataError(f"This {type(network).__name__} has no parameters yet: fit it first.")
    if network.out_activation_ == "identity":
        raise DataError("The network predicts numbers, and those here tell classes: give an MLPClassifier.")
    if network.activation == "identity":
        raise DataError(f"Hidden units here are {', '.join(_ACTIVATIONS)}, not identity: train another network.")
    names = ("coefs_", "intercepts_")
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    return [(_to_array(weights, names[0]).T, _to_array(bias, names[1])) for weights, bias in pairs]


def _from_keras(weights: Sequence[Any]) -> list[Layer]:
    """Return the layers of a list of kernels and biases."""
    if not weights:
        raise DataError("The Keras model has no weights yet: build it first, by calling it on some samples.")
    if len(weights) != 4:
        message = f"Weights of Keras are kernel, bias, kernel, bias here, not {len(weights)} arrays"
        raise DataError(f"{message}: {_ONE_HIDDEN_LAYER}.")
    kernel1, bias1, kernel2, bias2 = (_to_array(value, f"number {k}") for k, value in enumerate(weights, start=1))
    return [(kernel1.T, bias1), (kernel2.T, bias2)]


def _from_torch(state: Mapping[Any, Any]) -> list[Layer]:
    """Return the layers of a mapping of names to tensors; files do not keep the order of the names."""
    layers = [str(name).removesuffix("weight") for name in state if str(name).endswith("weight")]
    wanted = {f"{layer}{kind}" for layer in layers for kind in ("weight", "bias")}
    odd = sorted(wanted.symmetric_difference(map(str, state)))
    if odd:
        what = "has no" if odd[0] in wanted else "has another parameter,"
        raise DataError(f"The network {what} {odd[0]!r}: {_ONE_HIDDEN_LAYER}, and nothing else.")
    if len(layers) != 2:
        raise DataError(f"The network has weights in {len(layers)} of its layers, not in 2: {_ONE_HIDDEN_LAYER}.")
    first, second = (_to_layer(state, layer) for layer in layers)
    swapped = _is_chain(second, first) and not (_is_chain(first, second) and _is_counted(*layers))
    return [second, first] if swapped else [first, second]


def _to_layer(state: Mapping[Any, Any], name: str) -> Layer:
    return _to_array(state[f"{name}weight"], f"{name}weight"), _to_array(state[f"{name}bias"], f"{name}bias")


def _is_chain(first: Layer, second: Layer) -> bool:
    """Tell whether the outputs of a layer can be the inputs of another."""
    return first[0].ndim == 2 and second[0].ndim == 2 and first[0].shape[0] == second[0].shape[1]


def _is_counted(first: str, second: str) -> bool:
    """Tell whether two names that differ in a number alone are in its order; DataError where they differ in more."""
    if re.sub(r"\d+", "", first) != re.sub(r"\d+", "", second):
        message = f"Each of the layers {first.strip('.')!r} and {second.strip('.')!r} may be the first by its shape"
        raise DataError(f"{message}: name them by numbers, as torch.nn.Sequential does.")
    return [*map(int, re.findall(r"\d+", first))] < [*map(int, re.findall(r"\d+", second))]


def _to_array(value: Any, name: str) -> Array:
    """Return a tensor or an array of whichever library as one of NumPy's."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            if str(value.dtype) == "torch.bfloat16":  # NumPy has none
                value = value.float()
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"The parameter {name} is no array of numbers ({reason}): give a plain one.") from None
    if array.dtype.name not in _TYPES:
        raise DataError(f"The parameter {name} is of the type {array.dtype}: make it float32 or float64.")
    return array


def _check_layers(layers: list[Layer]) -> list[Layer]:
    """Check that layers are the two of a network."""
    if len(layers) != 2:
        raise DataError(f"The network has weights in {len(layers)} of its layers, not in 2: {_ONE_HIDDEN_LAYER}.")
    shapes = [value.shape for layer in layers for value in layer]
    good = all(weights.ndim == 2 and bias.shape == weights.shape[:1] and weights.size for weights, bias in layers)
    if not good or not _is_chain(*layers):
        listed = ", ".join(map(str, shapes))
        raise DataError(f"The shapes of the parameters do not fit together ({listed}): {_ONE_HIDDEN_LAYER}.")
    if len(layers[1][1]) == 2:
        message = "The network has two outputs, and two classes have one here: of a softmax give the difference"
        raise DataError(f"{message} of their weights and that of their biases, the second less the first.")
    return layers
