"""The door to kernel.c: its structures, and its functions where the extension was built."""

import ctypes
import functools
import importlib.util
from ctypes import POINTER, c_double, c_int, c_int64, c_void_p
from typing import Any, Self, TypeVar

import numpy as np

LEVELS = ("base", "avx2", "avx512")  # of processors, as kernel.c has them
STORAGES = {"uint8": 0, "float32": 1, "float64": 2}
_INTERFACE = 6  # of kernel.c
LINE = 64  # bytes of a tile's row: a cache line
_S = TypeVar("_S", bound="_Structure")


class _Structure(ctypes.Structure):
    """A structure of C that keeps the arrays it points to alive."""

    @classmethod
    def of(cls, **members: Any) -> Self:
        """Make it from numbers and arrays; None is a null pointer."""
        return _fill(cls(), members, {})

    def having(self, **members: Any) -> Self:
        """Return a copy with other members."""
        return _fill(type(self).from_buffer_copy(self), members, self.members)


def _fill(structure: _S, members: dict[str, Any], others: dict[str, Any]) -> _S:
    """Set members, and keep alive what these and others point to."""
    for name, member in members.items():
        setattr(structure, name, member.ctypes.data if isinstance(member, np.ndarray) else member)
    structure.members = others | members
    return structure


def _layout(numbers: str, arrays: str) -> list[tuple[str, Any]]:
    return [*((name, c_int64) for name in numbers.split()), *((name, c_void_p) for name in arrays.split())]


class PackedRows(_Structure):
    """`struct rows`: samples on their way into tiles."""

    _fields_ = _layout("n_rows n_features size tile", "row x start column")


class TiledSamples(_Structure):
    """`struct samples`: samples in tiles."""

    _fields_ = _layout("n_features storage tile", "first feature x weight label")


class Networks(_Structure):
    """`struct networks`: networks side by side."""

    _fields_ = _layout("n_networks n_hidden n_padded n_y activation loss", "unit W1 b1 W2 b2")


class Sums(_Structure):
    """`struct sums`: what the tiles of one thread add up to."""

    _fields_ = _layout("", "dW1 db1 dW2 db2 cost correct")


class Post(_Structure):
    """`struct post`: where a helping thread finds its jobs."""

    _fields_ = [
        *_layout("turn done awake", "pass_ data net out scratch"),
        *_layout("from_tile to_tile step is_double level thread", ""),
    ]


class Pass(_Structure):
    """`struct pass`: a pass over mini-batches."""

    _fields_ = [
        *_layout("n_features n_hidden n_y activation loss rule", ""),
        *_layout("storage skips_zeros room n_samples batch_size n_threads from_batch to_batch", ""),
        *((name, c_double) for name in ["factor", "l2", "decay1", "decay2", "epsilon"]),
        *_layout("", "x start column label weight order moves parameters first second figures outputs scratch"),
        ("apart", c_int64 * (LINE // 8)),
        *_layout("n_arrived turn given_up", ""),
    ]


class Kernel:
    """The functions of kernel.c.

    Parameters
    ----------
    path : str
        The shared library.
    """

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)  # it releases the interpreter's lock while a function runs
        if library.twolayer_interface() != _INTERFACE:
            raise OSError("it was built by another version")
        self.n_levels: int = library.twolayer_levels()
        self.scratch = library.twolayer_scratch
        self.scratch.restype = c_int64
        self.scratch.argtypes = [POINTER(Networks), c_int64, c_int64, c_int64, c_int]
        self.arrange = library.twolayer_arrange
        self.arrange.restype = None
        self.arrange.argtypes = [POINTER(Networks), c_int64, c_void_p, c_double, c_void_p, c_int, c_int]
        self.evaluate = library.twolayer_evaluate
        self.evaluate.restype = None
        self.evaluate.argtypes = [
            *(POINTER(structure) for structure in (TiledSamples, Networks, Sums)),
            *(c_int64, c_int64, c_int64, c_void_p, c_int, c_int),
        ]
        self.pass_bytes = library.twolayer_pass_bytes
        self.pass_bytes.restype = c_int64
        self.pass_bytes.argtypes = [POINTER(Pass), c_int, c_int]
        self.descend = library.twolayer_descend
        self.descend.restype = None
        self.descend.argtypes = [POINTER(Pass), c_int64, c_int, c_int]
        self.give = library.twolayer_give
        self.give.argtypes = [POINTER(Post)]
        self.serve = library.twolayer_serve
        self.serve.restype = None
        self.serve.argtypes = [POINTER(Post), c_int64]
        self.wait = library.twolayer_wait
        self.wait.argtypes = [POINTER(Post), c_int64]
        self.collect = library.twolayer_collect
        self.collect.restype = None
        self.collect.argtypes = [POINTER(Networks), c_int64, POINTER(Sums), c_int64, c_double, c_void_p, c_int]
        self.pack = library.twolayer_pack
        self.pack.restype = None
        self.pack.argtypes = [POINTER(PackedRows), c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]


@functools.cache
def load_kernel() -> Kernel | None:
    """Return the kernel, or None where the extension was not built or cannot be loaded."""
    spec = importlib.util.find_spec("twolayer.engines._kernel")
    if spec is None or spec.origin is None:
        return None
    try:
        return Kernel(spec.origin)
    except (OSError, AttributeError):  # built for another system, or by an older version
        return None
