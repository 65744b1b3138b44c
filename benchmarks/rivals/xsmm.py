"""LIBXSMM: a driver in C around its products, compiled where the library is installed (Debian: libxsmm-dev)."""

import ctypes
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.job import Job, Train

_BLOCK = 64  # as in xsmm.c


class Driver:
    """Gradient descent on all samples with rectified units and softmax, float32."""

    name = "LIBXSMM"

    def __init__(self, library: Any) -> None:
        self.library = library

    def does(self, job: Job) -> bool:
        """Do this one kind of job."""
        return job.activation == "relu" and job.n_outputs > 1 and job.dtype == "float32" and not job.batch_size

    def prepare(self, job: Job) -> Train:
        """Lay the samples out in blocks, turned over as well."""
        X, y, start = np.ascontiguousarray(job.features()), job.y.astype(np.int32), job.start()
        m, n_x = X.shape
        blocks = np.zeros((-(-m // _BLOCK) * _BLOCK, n_x), np.float32)
        blocks[:m] = X
        turned = np.ascontiguousarray(blocks.reshape(-1, _BLOCK, n_x).transpose(0, 2, 1))

        def run(n_iter: int) -> dict[str, Any]:
            V1, V2 = start["W1"].T.copy(), start["W2"].copy()
            b1, b2 = start["b1"].copy(), start["b2"].copy()
            pointers = [ctypes.c_void_p(array.ctypes.data) for array in (X, turned, y, V1, b1, V2, b2)]
            sizes = [ctypes.c_int(size) for size in (m, n_x, job.n_hidden, job.n_outputs)]
            rate = ctypes.c_float(job.learning_rate)
            self.library.train(*pointers[:3], *sizes, *pointers[3:], rate, n_iter, job.n_threads)
            return {"W1": V1.T, "b1": b1, "W2": V2, "b2": b2}

        return run


# What -ffast-math allows; the name itself would have the library flush small numbers of the whole process to zero.
_FAST = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-freciprocal-math"]


def _compile() -> Any:
    """Return the driver, compiled for this processor."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "xsmm.so")
        command = ["gcc", "-O3", "-march=native", *_FAST, "-ffinite-math-only", "-fopenmp", "-shared", "-fPIC"]
        command += ["-o", str(library), str(Path(__file__).with_suffix(".c")), "-lxsmm", "-lxsmmnoblas", "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True)
            return ctypes.CDLL(str(library))
        except (OSError, subprocess.CalledProcessError) as error:
            raise ImportError("LIBXSMM or gcc is not installed.") from error


RIVALS = (Driver(_compile()),)
