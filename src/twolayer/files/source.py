"""A model in the form of another language or library: the table of targets, and the way to any of them."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twolayer.model import Model


@dataclass(frozen=True)
class Target:
    """What a model can be exported to.

    Attributes
    ----------
    function : str
        Module and function that make the text or the bytes of a model; loaded when used.
    ending : str
        What the name of the file ends in.
    named : bool
        Whether the function takes the name of the file, too.
    """

    function: str
    ending: str
    named: bool = False


TARGETS = {
    "onnx": Target("twolayer.files.onnx:to_bytes", ".onnx"),
    "c": Target("twolayer.files.source_c:to_c", ".h", named=True),
    "js": Target("twolayer.files.source_js:to_js", ".mjs", named=True),
    "python": Target("twolayer.files.source_python:to_python", ".py", named=True),
    "json": Target("twolayer.files.source_json:to_json", ".json"),
    "torch": Target("twolayer.files.frameworks:to_torch", "_torch.py"),
    "keras": Target("twolayer.files.frameworks:to_keras", "_keras.py"),
    "sklearn": Target("twolayer.files.frameworks:to_sklearn", "_sklearn.py"),
}


def export_model(model: "Model", target: str, name: str) -> bytes:
    """Return the content of the file of a model in another form.

    Parameters
    ----------
    model : Model
    target : str
        One of `TARGETS`.
    name : str
        Of the file, its ending may be left out: source code has names made of it.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    chosen = TARGETS[target]
    module, function = chosen.function.split(":")
    make = getattr(importlib.import_module(module), function)
    content = make(model, name) if chosen.named else make(model)
    return content if isinstance(content, bytes) else content.encode()
