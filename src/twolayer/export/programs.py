"""Exports to Python and JavaScript: the real programs of the folder `static`, with a model put in."""

import keyword
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.equations import ACTIVATIONS
from twolayer.export.description import describe, summarize, write
from twolayer.export.samples import in_type, make_samples
from twolayer.model import Model

STAND_IN = "return tanh(z)"  # what the programs have in the place of the activation
_LARGEST_SAFE = 2**53 - 1  # whole number that a number of JavaScript holds


def to_python(model: Model, name: str) -> str:
    """Return a Python module that needs the standard library alone and computes in float64."""
    return _python("scorer", model, name, describe(model))


def to_torch(model: Model, name: str) -> str:
    """Return a Python file that makes a model a `torch.nn.Sequential`."""
    return _framework("torch_network", model, name)


def to_keras(model: Model, name: str) -> str:
    """Return a Python file that makes a model a `keras.Sequential`.

    With any backend but TensorFlow, Keras multiplies matrices in float32, those of float64 too.
    """
    return _framework("keras_network", model, name, rounded=in_type(model, np.float32))


def to_sklearn(model: Model, name: str) -> str:
    """Return a Python file that makes a model a scikit-learn pipeline that ends in an `MLPClassifier`."""
    return _framework("sklearn_network", model, name, activation=ACTIVATIONS[model.activation].sklearn)


def to_js(model: Model, name: str) -> str:
    """Return a JavaScript module, safe also between the script tags of a page."""
    description = describe(model)
    if any(isinstance(label, int) and abs(label) > _LARGEST_SAFE for label in model.classes):
        description["classes"] = [str(label) for label in model.classes]
    usage = f'import {{ classes, predict, predictProba, predictSet, selfTest }} from "./{file_name(name, ".mjs")}";'
    return comment([*summarize(model), "", usage], "// ") + put_in(read("scorer.mjs"), model, description)


def comment(lines: list[str], sign: str) -> str:
    """Return lines as a comment with an empty line after it."""
    return "".join(f"{sign}{line}".rstrip() + "\n" for line in lines) + "\n"


def read(name: str) -> str:
    """Return a program of the folder `static`."""
    return resources.files("twolayer.export").joinpath("static", name).read_text("utf-8")


def put_in(program: str, model: Model, description: dict[str, Any]) -> str:
    """Return a program with a model in the place of its own.

    In the JSON only texts have `<`, `>`, backticks and dollar signs, so that these can be escaped; three quotation
    marks in a row are nowhere in JSON.
    """
    text = re.sub("[<>`$]", lambda found: f"\\u{ord(found[0]):04x}", write(description))
    program = program.replace(STAND_IN, f"return {ACTIVATIONS[model.activation].expression}")
    return re.sub(r'(?<=["`])\{\n.*?\n\}\n(?=["`])', lambda _: text, program, count=1, flags=re.DOTALL)


def file_name(name: str, ending: str) -> str:
    """Return the name of a file for a comment, with its ending; characters that may not be safe there become `_`."""
    return re.sub(r"[^A-Za-z0-9 .+,=@_-]", "_", name if Path(name).suffix else name + ending)


def _framework(own: str, model: Model, name: str, *, rounded: Model | None = None, **changes: Any) -> str:
    """Return the program of a framework; `rounded` is the model in the type that the framework computes in."""
    tolerance = make_samples(rounded or model).tolerance
    return _python("batch", model, name, describe(model, tolerance=tolerance) | changes, framework=own)


def _python(program: str, model: Model, name: str, description: dict[str, Any], **parts: str) -> str:
    """Return a Python program with the model and the modules that it imports from `static` in it."""
    stem, ending = Path(name).stem, Path(name).suffix
    importable = stem.isidentifier() and stem.isascii() and not keyword.iskeyword(stem) and ending in ("", ".py")
    usage = f"import {stem}" if importable else "import network  # when this file is called network.py"
    text = _join(read(f"{program}.py"), {"rows": "rows", **parts})
    return comment([*summarize(model), "", usage], "# ") + put_in(text, model, description)


def _join(text: str, parts: dict[str, str]) -> str:
    """Return a program with the text of a module in the place of its first import."""

    def inline(found: re.Match[str]) -> str:
        module = parts.pop(found[1], None)
        return "" if module is None else _join("\n" + read(f"{module}.py").partition("\n\n")[2], parts) + "\n"

    names = "|".join(parts)
    return re.sub(rf"^from ({names}) import .*\n", inline, re.sub("  # noqa.*", "", text), flags=re.MULTILINE)
