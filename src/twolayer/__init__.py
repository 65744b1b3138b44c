"""twolayer: a two-layer neural network, exact enough to check and quick enough to use.

Each name is loaded when it is first used, so that `import twolayer` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twolayer import course as course
    from twolayer import equations as equations
    from twolayer import explain as explain
    from twolayer.classifier import TwoLayerClassifier as TwoLayerClassifier
    from twolayer.data.readers.mnist import load_mnist as load_mnist
    from twolayer.errors import TwoLayerError as TwoLayerError
    from twolayer.files.importing import import_parameters as import_parameters
    from twolayer.files.model_file import load as load
    from twolayer.files.model_file import save as save
    from twolayer.fit import fit_model as fit_model
    from twolayer.fit import fit_models as fit_models
    from twolayer.model import Model as Model

_HOME_OF = {
    "Model": "twolayer.model",
    "TwoLayerClassifier": "twolayer.classifier",
    "TwoLayerError": "twolayer.errors",
    "fit_model": "twolayer.fit",
    "fit_models": "twolayer.fit",
    "import_parameters": "twolayer.files.importing",
    "load": "twolayer.files.model_file",
    "load_mnist": "twolayer.data.readers.mnist",
    "save": "twolayer.files.model_file",
    "sweep": "twolayer.sweeps",
}
_MODULES = ("course", "equations", "explain")

__all__ = [
    "Model",
    "TwoLayerClassifier",
    "TwoLayerError",
    "__version__",
    "course",
    "equations",
    "explain",
    "fit_model",
    "fit_models",
    "import_parameters",
    "load",
    "load_mnist",
    "save",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"twolayer.{name}")
    elif name == "__version__":
        from importlib.metadata import version

        value = version("twolayer")
    else:
        raise AttributeError(f"module 'twolayer' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return __all__
