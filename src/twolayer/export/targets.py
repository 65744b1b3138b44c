"""What a model can be exported to."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twolayer.model import Model


@dataclass(frozen=True)
class Target:
    """A form of a model: how its file is called at the end, and what makes text or bytes of a model and that name."""

    function: str  # module of this room and name, loaded when used
    ending: str


TARGETS = {
    "onnx": Target("onnx:to_onnx", ".onnx"),
    "c": Target("c:to_c", ".h"),
    "js": Target("programs:to_js", ".mjs"),
    "python": Target("programs:to_python", ".py"),
    "json": Target("description:to_json", ".json"),
    "torch": Target("programs:to_torch", "_torch.py"),
    "keras": Target("programs:to_keras", "_keras.py"),
    "sklearn": Target("programs:to_sklearn", "_sklearn.py"),
}


def export_model(model: "Model", target: str, name: str) -> bytes:
    """Return the content of the file of a model in another form; equal models give equal files.

    Every file but JSON and ONNX tests itself: `self_test` gives its largest deviation from what the model computes.

    Parameters
    ----------
    model : Model
    target : str
        One of `TARGETS`.
    name : str
        Name of the file, with or without its ending: source code names itself after it.

    Returns
    -------
    bytes
        Text in ASCII; of ONNX, a protocol buffer.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers, or ONNX cannot hold the model.
    SettingError
        If ONNX is not installed.
    """
    module, function = TARGETS[target].function.split(":")
    content = getattr(importlib.import_module(f"twolayer.export.{module}"), function)(model, name)
    return content if isinstance(content, bytes) else content.encode("ascii")
