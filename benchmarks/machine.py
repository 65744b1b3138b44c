"""What the figures were taken on: facts, no names."""

import datetime as dt
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from twolayer.engines.kernel import LEVELS, load_kernel
from twolayer.engines.objective import n_processors

LIBRARIES = ("twolayer", "numpy", "scipy", "scikit-learn", "torch", "jax", "jaxlib")


def describe() -> dict[str, Any]:
    """Return processor, system, versions and date."""
    kernel = load_kernel()
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": _processor(),
        "processors_usable": n_processors(),
        "kernel": LEVELS[kernel.n_levels - 1] if kernel else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
        "blas": sorted({f"{lib['internal_api']} {lib['version']} ({_core(lib)})" for lib in threadpool_info()}),
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE"),
    }


def _core(library: dict[str, Any]) -> str:
    """Return what a library computes with: OpenBLAS names the processor it chose its code for."""
    return str(library.get("architecture") or library.get("threading_layer") or library["prefix"])


def _processor() -> str:
    """Return the processor's name and the vectors that it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    vectors = [name for name in ("avx2", "avx512f") if name in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", platform.machine()), *vectors])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
