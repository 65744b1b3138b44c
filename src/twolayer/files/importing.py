"""Parameters of networks that PyTorch, Keras or scikit-learn trained. Nothing here reads a pickle."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.equations import ACTIVATIONS
from twolayer.errors import DataError
from twolayer.text import choices, join

_TYPES = ("float16", "bfloat16", "float32", "float64")
_ONE_HIDDEN_LAYER = "give a network with one hidden layer and biases"

Layer = tuple[Array, Array]  # weights (outputs, inputs) and biases (outputs,)


def import_parameters(source: Any) -> dict[str, Array]:
    """Return the parameters of another framework's network in the shapes of the blackboard.

    What the source is decides what is transposed, never the shapes: PyTorch keeps weights as (outputs, inputs), Keras
    and scikit-learn as (inputs, outputs). The result is for `TwoLayerClassifier(initial_parameters=...)`,
    `fit_model(start=...)` and `Model(...)`. It does not say which activation the hidden units have, nor what makes
    probabilities of the outputs: `Model(..., output="softmax")` takes a softmax of three or more units. One of two
    units is a sigmoid of their difference, as in the last example.

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
    To train on where scikit-learn's `MLPClassifier` stopped (its logistic is sigmoid here):

    >>> parameters = twolayer.import_parameters(network)  # doctest: +SKIP
    >>> n_hidden, activation = network.hidden_layer_sizes[0], "relu"  # doctest: +SKIP
    >>> more = TwoLayerClassifier(n_hidden, activation=activation, initial_parameters=parameters)  # doctest: +SKIP
    >>> more.fit(X, y)  # doctest: +SKIP

    A file that safetensors wrote of a `state_dict()`, read without PyTorch:

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
    dtype = np.result_type(np.float32, W1, b1, W2, b2)
    arrays = {"W1": W1, "b1": b1[:, None], "W2": W2, "b2": b2[:, None]}
    parameters = {name: np.array(value, dtype, order="C") for name, value in arrays.items()}
    if not all(np.isfinite(value).all() for value in parameters.values()):
        raise DataError("The network has parameters that are not finite numbers: train it again.")
    return parameters


def _read_layers(source: Any) -> list[Layer]:
    """Return the layers of whichever source, from the inputs to the outputs."""
    if hasattr(source, "coefs_") or hasattr(source, "hidden_layer_sizes"):
        return _from_sklearn(source)
    for name in ("get_weights", "state_dict"):  # in this order: on PyTorch a Keras model is a module, too
        if callable(getattr(source, name, None)):
            source = getattr(source, name)()
            break
    if isinstance(source, Mapping):
        return _from_torch(source)
    if isinstance(source, list | tuple):
        return _from_keras(source)
    kinds = "a state_dict of PyTorch, a Keras model or its weights, or an MLPClassifier of scikit-learn"
    raise DataError(f"Parameters can be imported from {kinds}, not from {type(source).__name__}: give one of these.")


def _from_sklearn(network: Any) -> list[Layer]:
    """Return the layers of a network of scikit-learn."""
    if not hasattr(network, "coefs_"):
        raise DataError(f"This {type(network).__name__} has no parameters yet: fit it first.")
    if network.out_activation_ == "identity":
        raise DataError("The network predicts numbers, not classes: give an MLPClassifier.")
    if network.activation == "identity":
        known = choices([each.sklearn for each in ACTIVATIONS.values()])
        raise DataError(f"The activation must be {known}, not identity: train another network.")
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    return [(_to_array(weights, "coefs_").T, _to_array(bias, "intercepts_")) for weights, bias in pairs]


def _from_keras(weights: Sequence[Any]) -> list[Layer]:
    """Return the layers of a list of kernels and biases."""
    if not weights:
        raise DataError("The Keras model has no weights yet: build it first, by calling it on some samples.")
    if len(weights) != 4:
        message = f"Keras weights must be kernel, bias, kernel and bias, not {len(weights)} arrays"
        raise DataError(f"{message}: {_ONE_HIDDEN_LAYER}.")
    kernel1, bias1, kernel2, bias2 = (_to_array(value, f"number {k}") for k, value in enumerate(weights, start=1))
    return [(kernel1.T, bias1), (kernel2.T, bias2)]


def _from_torch(state: Mapping[Any, Any]) -> list[Layer]:
    """Return the layers of a mapping of names to tensors; files do not keep the order of the names."""
    names = [str(name).removesuffix("weight") for name in state if str(name).endswith("weight")]
    wanted = {f"{name}{kind}" for name in names for kind in ("weight", "bias")}
    odd = sorted(wanted.symmetric_difference(map(str, state)))
    if odd:
        what = "has no" if odd[0] in wanted else "has another parameter,"
        raise DataError(f"The network {what} {odd[0]!r}: {_ONE_HIDDEN_LAYER}, and nothing else.")
    layers: list[Layer] = []
    for name in names:
        weights, bias = (_to_array(state[key], key) for key in (f"{name}weight", f"{name}bias"))
        layers.append((weights, bias))
    if len(layers) == 2 and _is_chain(*reversed(layers)) and not (_is_chain(*layers) and _are_counted(*names)):
        layers.reverse()
    return layers


def _is_chain(first: Layer, second: Layer) -> bool:
    """Tell whether the outputs of a layer can be the inputs of another."""
    return first[0].ndim == 2 and second[0].ndim == 2 and first[0].shape[0] == second[0].shape[1]


def _are_counted(first: str, second: str) -> bool:
    """Tell whether two names that differ in a number alone are in its order; DataError where they differ in more."""
    if re.sub(r"\d+", "", first) != re.sub(r"\d+", "", second):
        message = f"The order of the layers {first.strip('.')!r} and {second.strip('.')!r} is ambiguous"
        raise DataError(f"{message}: number their names, as torch.nn.Sequential does.")
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
        raise DataError(f"The parameter {name} is not an array of numbers ({reason}): give a plain one.") from None
    if array.dtype.name not in _TYPES:
        raise DataError(f"The parameter {name} is of the type {array.dtype}: convert it to float32 or float64.")
    return array


def _check_layers(layers: list[Layer]) -> list[Layer]:
    """Check that layers are the two of a network."""
    if len(layers) != 2:
        raise DataError(f"The network has weights in {len(layers)} of its layers, not in 2: {_ONE_HIDDEN_LAYER}.")
    valid = all(weights.ndim == 2 and bias.shape == weights.shape[:1] and weights.size for weights, bias in layers)
    if not valid or not _is_chain(*layers):
        shapes = join(value.shape for layer in layers for value in layer)
        raise DataError(f"The shapes of the parameters do not fit together ({shapes}): {_ONE_HIDDEN_LAYER}.")
    if len(layers[1][1]) == 2:
        message = "The network has two outputs, but two classes need one here: for a softmax, give the difference"
        raise DataError(f"{message} of their weights and that of their biases, the second less the first.")
    return layers
