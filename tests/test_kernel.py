"""The C file: what it computes is in test_tiled.py; here are its memory, its compilers, and a machine without one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from twolayer.engines import kernel
from twolayer.engines.kernel import LEVELS, TiledSamples, load_kernel

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "twolayer" / "engines" / "kernel.c"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
FLAGS = ["-std=gnu11", "-shared", "-fPIC", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]

# Runs a file of tests, or a line of Python, with the kernel of another library.
WITH_LIBRARY = (
    "import sys, numpy as np\n"
    "from twolayer.engines import kernel\n"
    "other = kernel.Kernel(sys.argv[1])\n"
    "kernel.load_kernel = lambda: other\n"
    "{then}"
)


@pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")
def test_the_kernel_has_a_level_of_this_processor():
    """At least the one that every processor has."""
    assert 1 <= load_kernel().n_levels <= len(LEVELS)


@pytest.mark.skipif(not COMPILERS or os.name == "nt", reason="there is no compiler that Python would take")
def test_where_there_is_a_compiler_there_is_a_kernel():
    """The installation built it; a missing one would make everything slow in silence."""
    assert load_kernel() is not None


def test_a_structure_keeps_its_arrays():
    """C has their addresses only, so Python must not let go of them."""
    arrays = dict.fromkeys(("first", "feature", "x", "label"), np.arange(4))

    structure = TiledSamples.of(n_features=3, storage=0, **arrays)

    assert structure.members["x"].ctypes.data == structure.x
    assert (structure.weight, structure.n_features) == (None, 3)


def test_a_library_of_another_kind_is_no_kernel(tmp_path, monkeypatch):
    """A file that cannot be loaded counts as not there."""
    broken = tmp_path / "_kernel.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr(kernel.importlib.util, "find_spec", lambda _: type("Spec", (), {"origin": str(broken)}))

    assert load_kernel.__wrapped__() is None


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_it_compiles_without_a_warning(compiler, tmp_path):
    """With all the usual ones on."""
    flags = ["-O3", "-Wall", "-Wextra", "-Werror", *FLAGS]
    subprocess.run([compiler, *flags, SOURCE, "-o", tmp_path / "kernel.so"], check=True, timeout=120)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """Return the kernel's library and the environment under which its memory is watched, every level included."""
    if "gcc" not in COMPILERS:
        pytest.skip("there is no gcc")
    library = tmp_path_factory.mktemp("sanitized") / "kernel.so"
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DANY_PROCESSOR", "-Wno-psabi"]
    built = subprocess.run(["gcc", "-g", "-O0", *sanitizers, *FLAGS, SOURCE, "-o", library], check=False, timeout=600)
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    if built.returncode or not Path(runtime.stdout.strip()).is_absolute():
        pytest.skip("this gcc has no sanitizers")
    options = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    return library, {**os.environ, **options, "LD_PRELOAD": runtime.stdout.strip(), "PYTHONMALLOC": "malloc"}


def run_with(sanitized, then):
    library, environment = sanitized
    command = [sys.executable, "-c", WITH_LIBRARY.format(then=then), library]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.slow
def test_no_byte_is_read_or_written_that_is_not_its_own(sanitized):
    """All tests of tiles and threads pass under AddressSanitizer and UndefinedBehaviorSanitizer, on every level.

    Also those that this processor does not have: their vectors are then made of what it has.
    """
    options = ["-q", "-p", "no:cacheprovider", "tests/test_tiled.py", "tests/test_helpers.py", "-k", "not fork"]
    tests = f"import pytest\nsys.exit(pytest.main({options}))"
    ended = run_with(sanitized, tests)

    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    listed = run_with(sanitized, tests.replace("'-q'", "'--collect-only', '-q'")).stdout
    assert all(f"[{level}]" in listed for level in LEVELS)


@pytest.mark.slow
def test_a_byte_that_is_not_its_own_would_be_found(sanitized):
    """With working memory that is too small the same watch ends the program."""
    then = (
        "other.scratch = lambda *_: 16\n"
        "from twolayer.data.dataset import Labels\n"
        "from twolayer.engines.objective import make_objective\n"
        "from twolayer.parameters import Parameters, Sizes\n"
        "objective = make_objective(np.ones((50, 3)), Labels(np.zeros(50, np.int32), (0, 1)), engine='tiled')\n"
        "objective.evaluate([Parameters(np.ones(46, np.float32), Sizes(3, 9, 1))], gradient=True)\n"
    )
    ended = run_with(sanitized, then)

    assert ended.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in ended.stderr


@pytest.mark.slow
def test_without_a_compiler_the_installation_goes_on(tmp_path):
    """NumPy computes then, and the version says so."""
    source, site = tmp_path / "source", tmp_path / "site"
    ignored = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "src", source / "src", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    environment = {**os.environ, "CC": str(tmp_path / "no-compiler"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, source]
    subprocess.run(install, env=environment, check=True, timeout=300)

    def run(*arguments):
        command = [sys.executable, "-m", "twolayer", *arguments]
        return subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(site)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "the C kernel was not built: NumPy is used" in run("--version")
    record = json.loads(run("train", "--json", "--quiet", "--no-pictures"))
    assert record["engine"] == "whole: the formulas on all samples at once, because the C kernel was not built"
    assert record["test_errors"] <= 2
