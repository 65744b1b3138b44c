"""The package as a whole: its house, its start-up, its promises in the README."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import twolayer

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "twolayer"

# Data flows from top to bottom: a module imports only from rooms above it, and from its own.
ROOMS = (
    "errors",
    "storage",
    "equations",
    "data",
    "course",
    "proof",
    "engines",
    "solvers",
    "history",
    "training",
    "checkpoint",
    "model",
    "fitting",
    "progress",
    "using",
    "classifier",
    "evaluation",
    "explain",
    "plots",
    "files",
    "cli",
    "__main__",
)


def imports_of(path):
    """Return the rooms that a module imports, at its top or within."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module else []
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("twolayer."))


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_flow_one_way(path):
    """Each module imports from rooms above its own only; `__init__` names them all."""
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room == "__init__":
        return

    allowed = ROOMS[: ROOMS.index(room) + 1]

    assert [name for name in imports_of(path) if name not in allowed] == []


def run_python(code):
    """Return what a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_loads_nothing_heavy():
    """Not even NumPy."""
    assert run_python("import sys, twolayer; print('numpy' in sys.modules)") == "False"


def test_help_loads_nothing_heavy():
    """`twolayer --help` needs click alone, and none of the libraries that compute or draw."""
    heavy = "{'numpy', 'scipy', 'sklearn', 'matplotlib', 'rich', 'safetensors'}"
    code = f"import sys, twolayer.cli as c; c.run(['--help']); print(sorted({heavy} & set(sys.modules)))"

    assert run_python(code).splitlines()[-1] == "[]"


def test_training_loads_neither_scipy_nor_scikit_learn(tmp_path):
    """What `twolayer train` does not need it does not wait for."""
    code = (
        "import sys, twolayer.cli as c\n"
        f"c.run(['train', '--iterations', '1', '--quiet', '--out', {str(tmp_path / 'run')!r}])\n"
        "print(sorted({'scipy', 'sklearn', 'matplotlib.pyplot'} & set(sys.modules)))"
    )

    assert run_python(code).splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", twolayer.__all__)
def test_every_public_name_is_there(name):
    """Loaded when first used, and listed."""
    assert getattr(twolayer, name) is not None
    assert name in dir(twolayer)


def test_an_unknown_name_is_an_attribute_error():
    """As of any module."""
    with pytest.raises(AttributeError, match="nothing"):
        twolayer.nothing  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    """One place holds it."""
    assert twolayer.__version__ == metadata.version("twolayer")


def test_every_error_is_also_a_builtin_one():
    """A caller who does not know the package catches what they would expect; warnings are warnings."""
    from twolayer import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.TwoLayerError]
    kinds = [kind for kind in kinds if not issubclass(kind, UserWarning)]
    assert all(issubclass(kind, errors.TwoLayerError) for kind in kinds)
    assert all(len(kind.__bases__) == 2 and kind.__bases__[1].__module__ == "builtins" for kind in kinds)


def test_each_module_has_tests_of_its_own():
    """One file of tests a module, by its name."""
    modules = {path.stem for path in SOURCE.rglob("*.py") if path.stem not in ("__init__", "__main__", "errors")}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    own = {"cli": {"train", "predict", "evaluate", "export", "plot", "proof", "arguments", "output"}}

    assert modules - tests - set().union(*(own[name] for name in own if name in tests)) == set()


def test_every_test_says_what_is_expected():
    """A sentence a test."""
    silent = [
        f"{path.name}: {node.name}"
        for path in (ROOT / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert silent == []
