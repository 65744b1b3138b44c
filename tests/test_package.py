"""The package as a whole: its house, its start-up, its promises in the README."""

import ast
import graphlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import twolayer

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "twolayer"

# Data flows from top to bottom: a module imports only from rooms above its own, and from its own. A room is a folder or
# a module by its path; the longest path that fits is a module's room.
ROOMS = (
    "errors",
    "aliases",
    "text",
    "storage",
    "equations",
    "settings",
    "parameters",
    "data/rows",
    "data/report",
    "data/dataset",
    "data/encoding",
    "data/split",
    "data/packed",
    "data/memory",
    "data/request",
    "data/tables",
    "data/readers",
    "data/sources",
    "data",
    "course",
    "proof",
    "engines",
    "solvers",
    "training",
    "committee",
    "baseline",
    "judgement",
    "recipe",
    "model",
    "files",
    "fit",
    "signature",
    "progress",
    "classifier",
    "evaluation",
    "explain",
    "plots",
    "explain/pictures",
    "explain/displays",
    "evaluation/pictures",
    "export",
    "runs",
    "racing",
    "sweeps",
    "report",
    "teach",
    "cli",
    "__main__",
)
MODULES = {
    ".".join(("twolayer", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path != SOURCE / "__init__.py"  # which names everything, and loads it when it is used
    and path.parent.name != "static"  # programs, not modules
}


def run_nodes(node):
    """Yield what may run of a module, functions included: all but the imports for type checkers."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from run_nodes(child)


def imports_of(name):
    """Return the modules that one imports, at its top, in a function, or by a name written out for importlib."""
    found = set()
    for node in run_nodes(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            modules = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= modules if len(modules) == len(node.names) else {node.module, *modules}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found & set(MODULES)


def room_of(name):
    """Return the index of a module's room."""
    path = name.removeprefix("twolayer.").replace(".", "/")
    rooms = [room for room in ROOMS if f"{path}/".startswith(f"{room}/")]
    assert rooms, f"{path} has no room: add it to ROOMS"
    return ROOMS.index(max(rooms, key=len))


@pytest.mark.parametrize("name", MODULES)
def test_imports_flow_one_way(name):
    """Each module imports only from its own room and from rooms above it."""
    assert [other for other in imports_of(name) if room_of(other) > room_of(name)] == []


def test_modules_import_each_other_in_no_circle():
    """File by file, imports in functions included, there is an order in which each module follows all it imports."""
    graph = graphlib.TopologicalSorter({name: imports_of(name) for name in MODULES})

    graph.prepare()  # CycleError names the circle


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
    """One file of tests a module, by its name; commands share test_cli.py, exported programs test_programs.py."""
    plain = ("__init__", "__main__", "aliases")
    apart = ("cli", "static")
    modules = {path.stem for path in MODULES.values() if path.stem not in plain and path.parent.name not in apart}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}

    assert modules - tests == set()


def test_every_test_says_what_is_expected():
    """A sentence a test."""
    silent = [
        f"{path.name}: {node.name}"
        for path in (ROOT / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert silent == []
