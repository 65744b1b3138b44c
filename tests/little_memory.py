"""Files are read in a process of its own that may take little memory, so that what takes much is seen."""

import contextlib
import json
import subprocess
import sys
import tracemalloc

import pytest

MIB = 2**20
ROOM = 64 * MIB  # beyond what a process has when all is imported
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")

_READ = """
import importlib, json, operator, resource, sys
from pathlib import Path
import numpy, safetensors.numpy
from twolayer.errors import TwoLayerError

reader, room, *paths = sys.argv[1:]
module, _, name = reader.partition(":")
read = operator.attrgetter(name)(importlib.import_module(module))
status = Path("/proc/self/status").read_text().splitlines()
used = 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + int(room), resource.RLIM_INFINITY))
for path in paths:
    try:
        read(path)
    except TwoLayerError as error:
        print(json.dumps(str(error)))
    except BaseException as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))
    else:
        print(json.dumps("a result"))
"""


def read_with_little_memory(reader, *paths, room=ROOM):
    """Return what a reader, "module:function", says of files with so little room; "a result" where it reads them."""
    command = [sys.executable, "-c", _READ, reader, str(room), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def peak_below(n_bytes):
    """See that what is done within takes less memory than so many bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < n_bytes
    finally:
        tracemalloc.stop()
