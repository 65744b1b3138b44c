"""Runs in a process of its own: defines what a submission defines, makes the calls it is told, and says what came.

Reads a request as JSON from the file named first; writes a line of JSON for each call to the descriptor named second.
"""

import contextlib
import functools
import gzip
import importlib
import importlib.abc
import importlib.machinery
import io
import json
import os
import sys
import types

import numpy as np

_STUBBED = ("matplotlib", "seaborn", "IPython", "google", "testCases", "public_tests")
_ABSENT = ("tensorflow", "keras")
_MOST_LETTERS = 300
_digits = {"folder": None, "loaded": None}  # where ours are, and what to call when they are asked for


class Anything(types.ModuleType):
    """Stands in for a library that draws or loads: whatever is asked of it is it again."""

    def __init__(self, name="anything"):
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name):
        """Return it again."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_, **__):
        """Return it again."""
        return self

    def __iter__(self):
        """Give as many of it as plots and data sets are unpacked into."""
        return iter((self, self))

    def __getitem__(self, _):
        """Return it again."""
        return self


class Absent(types.ModuleType):
    """Stands in for TensorFlow: it can be imported, and gives our digits for its MNIST; all else is not there."""

    def __init__(self, name="tensorflow"):
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name):
        """Return what can be named, but not used."""
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}")

    def __call__(self, *_, **__):
        """Return the digits, if these are asked for."""
        if not self.__name__.endswith("datasets.mnist.load_data"):
            self.refuse()
        _digits["loaded"]()
        return (read_idx("train-images"), read_idx("train-labels")), (read_idx("t10k-images"), read_idx("t10k-labels"))

    def refuse(self, *_, **__):
        """Say that it is not there."""
        raise ModuleNotFoundError(f"{self.__name__}: TensorFlow is not there, but for its MNIST digits. Use NumPy.")

    __iter__ = __getitem__ = __len__ = __bool__ = __array__ = __mro_entries__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = refuse


@functools.cache
def unpack(name):
    """Return the bytes of a file of digits."""
    with gzip.open(os.path.join(_digits["folder"], name)) as file:
        return file.read()


def read_idx(name):
    """Return the images, of 28 by 28 bytes, or the labels that a file of digits holds."""
    images = name.endswith("images")
    content = bytearray(unpack(f"{name}-idx{3 if images else 1}-ubyte.gz"))  # may be written to, as TensorFlow's
    array = np.frombuffer(content, np.uint8, offset=16 if images else 8)
    return array.reshape(-1, 28, 28) if images else array


class Stand(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for modules that draw or load, or that are not installed."""

    def find_spec(self, name, path=None, target=None):
        """Find what nothing else has found."""
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        """Make the stand-in."""
        return Absent(spec.name) if spec.name.partition(".")[0] in _ABSENT else Anything(spec.name)

    def exec_module(self, module):
        """Have nothing to run."""


class First(Stand):
    """Finds a stand-in for some modules before all others do."""

    def find_spec(self, name, path=None, target=None):
        """Find those that are never to be loaded."""
        return super().find_spec(name) if name.partition(".")[0] in (*_STUBBED, *_ABSENT) else None


def encode(value, depth=0):
    """Return a value as JSON holds it, with its type."""
    if depth > 4:
        return {"kind": "other", "text": "nested too deeply"}
    if isinstance(value, (bool, np.bool_)):
        return {"kind": "array", "shape": [], "values": [bool(value)], "type": "bool"}
    if isinstance(value, (int, float, np.number)) and not isinstance(value, complex):
        return {"kind": "array", "shape": [], "values": [float(value)], "type": type(value).__name__}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size <= 10000:
        numbers = value.astype(float).ravel().tolist()
        return {"kind": "array", "shape": list(value.shape), "values": numbers, "type": str(value.dtype)}
    if isinstance(value, dict):
        return {"kind": "dict", "items": {str(key): encode(item, depth + 1) for key, item in list(value.items())[:50]}}
    if isinstance(value, (tuple, list)):
        with contextlib.suppress(Exception):
            array = np.array(value, dtype=float)
            if isinstance(value, list) and array.size <= 10000:
                return encode(array)
        return {"kind": "tuple", "items": [encode(item, depth + 1) for item in value[:20]]}
    if isinstance(value, Absent):
        value.refuse()
    return {"kind": "none" if value is None else "other", "text": type(value).__name__}


def decode(value):
    """Return what the request holds of an argument."""
    if isinstance(value, dict) and "array" in value:
        return np.array(value["array"], dtype=value["type"]).reshape(value["shape"])
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    return value


def main():
    """Run the request."""
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    answers = os.fdopen(int(sys.argv[2]), "w", encoding="utf-8")
    if request["limits"]:
        import resource

        for name, most in request["limits"].items():
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (most, most))

    def say(record):
        answers.write(json.dumps(record) + "\n")
        answers.flush()

    _digits.update(folder=request["digits"], loaded=lambda: say({"digits": True}))
    sys.meta_path.insert(0, First())
    sys.meta_path.append(Stand())
    sys.stdin = io.StringIO()
    sys.stdout = sys.stderr = Quiet()
    own, failed = {"__name__": "submission"}, {}
    for place, part in enumerate(request["parts"]):
        say({"begun": place})
        try:
            exec(compile(part["source"], "<submission>", "exec"), own)
            say({"part": place})
        except BaseException as error:
            failed[part["function"]] = describe(error)
            say({"part": place})
    reference = {"__name__": "reference"}
    exec(compile(request["reference"], "<reference>", "exec"), reference)
    for call in request["calls"]:
        say({"called": call["id"]})
        if own.get(call["function"]) is None and call["function"] in failed:
            say({"id": call["id"], "error": failed[call["function"]]})
            continue
        try:
            say({"id": call["id"], "result": encode(answer(call, own, reference))})
        except BaseException as error:
            say({"id": call["id"], "error": describe(error)})
    say({"end": True})


def answer(call, own, reference):
    """Make a call, with the course's own functions in the place of all others."""
    space = dict(own)
    function = own.get(call["function"])
    for name in call["replaced"]:
        right = reference[name]
        space[name] = reference["in_convention"](right, call["convention"]) if call["convention"] else right
    if isinstance(function, types.FunctionType) and call["replaced"]:
        named = function.__kwdefaults__
        function = types.FunctionType(
            function.__code__, space, function.__name__, function.__defaults__, function.__closure__
        )
        function.__kwdefaults__ = named
    np.random.seed(call["seed"])
    with np.errstate(all="ignore"):
        return function(*map(decode, call["arguments"]))


def describe(error):
    """Return an error in a line."""
    text = " ".join(str(error).split())
    return {"type": type(error).__name__, "text": text[:_MOST_LETTERS]}


class Quiet(io.TextIOBase):
    """Takes what a submission prints, and forgets it."""

    def write(self, text):
        """Forget a text."""
        return len(text)


if __name__ == "__main__":
    main()
