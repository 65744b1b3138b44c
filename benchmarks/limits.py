"""What this machine can do at most, and what share of it the rows of a record reach.

    python -m benchmarks.limits [--record docs/benchmarks/benchmarks.json]

Measures products with sums a second (FMA, in float32, from registers) and bytes read a second from memory, by a program
in C that is compiled here with all threads; then lists each training with the products that it needs.
"""

import ctypes
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

_SOURCE = r"""
#include <stdint.h>
#include <stdlib.h>
#include <omp.h>
typedef float vec __attribute__((vector_size(WIDTH)));
double fma_seconds(int threads, int64_t n) {
    double begin = omp_get_wtime();
    volatile float sink = 0;
    #pragma omp parallel num_threads(threads)
    {
        vec sums[12], a, b;
        for (int k = 0; k < 12; k++) for (int j = 0; j < WIDTH / 4; j++) sums[k][j] = (float)(k + j);
        for (int j = 0; j < WIDTH / 4; j++) { a[j] = 0.999f + 1e-7f * omp_get_thread_num(); b[j] = 1e-6f; }
        for (int64_t i = 0; i < n; i++)
            for (int k = 0; k < 12; k++) sums[k] = sums[k] * a + b;
        float total = 0;
        for (int k = 0; k < 12; k++) for (int j = 0; j < WIDTH / 4; j++) total += sums[k][j];
        #pragma omp critical
        sink += total;
    }
    return omp_get_wtime() - begin;
}
double read_seconds(int threads, int64_t n, int64_t repeats) {
    float *data = aligned_alloc(64, n * sizeof(float));
    #pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; i++) data[i] = (float)(i & 7);
    double begin = omp_get_wtime();
    volatile float sink = 0;
    for (int64_t r = 0; r < repeats; r++) {
        float total = 0;
        #pragma omp parallel for num_threads(threads) reduction(+:total) schedule(static)
        for (int64_t i = 0; i < n; i++) total += data[i];
        sink += total;
    }
    double seconds = omp_get_wtime() - begin;
    free(data);
    return seconds;
}
"""
_N_FMA, _N_FLOATS, _REPEATS, _TRIES = 40_000_000, 2**27, 3, 5


@dataclass(frozen=True)
class Work:
    """What an iteration of a row takes: samples, features, units, outputs, what share of the features is not zero."""

    m: int
    n_x: int
    n_h: int
    n_y: int = 1
    nonzero: float = 1.0
    bytes_each: int = 4

    @property
    def products(self) -> float:
        """Products with sums of one pass forward and back, zeros left out."""
        return 2.0 * self.m * self.n_h * (self.n_x * self.nonzero + self.n_y)

    @property
    def n_bytes(self) -> float:
        """Bytes of samples that are read once."""
        return float(self.m * self.n_x * self.bytes_each)


WORK = {
    "mnist-10-float32": Work(12_665, 784, 10, 1, 0.194, 1),
    "mnist-100-float32": Work(12_665, 784, 100, 1, 0.194, 1),
    "dense-10-float32": Work(12_665, 784, 10),
    "tall-32-float32": Work(1_000_000, 28, 32),
    "ten-10": Work(60_000, 784, 10, 10, 0.191, 1),
    "ten-100": Work(60_000, 784, 100, 10, 0.191, 1),
    "ten-300": Work(60_000, 784, 300, 10, 0.191, 1),
    "ten-800": Work(60_000, 784, 800, 10, 0.191, 1),
    "batches-300": Work(60_000, 784, 300, 10, 0.191, 1),
    "batches-100": Work(60_000, 784, 100, 10, 0.191, 1),
    "batches-dense": Work(60_000, 784, 300),
    "batches-tall": Work(1_000_000, 28, 64),
}


def measure_limits(threads: int) -> tuple[float, float]:
    """Return the products with sums, and the bytes from memory, a second."""
    width = 64 if "avx512f" in Path("/proc/cpuinfo").read_text() else 32
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "limits.c"), Path(folder, "limits.so")
        source.write_text(_SOURCE)
        command = ["gcc", "-O3", "-march=native", "-ffp-contract=fast", "-fassociative-math", "-fno-signed-zeros"]
        command += ["-fno-trapping-math", "-mprefer-vector-width=512", f"-DWIDTH={width}", "-fopenmp", "-shared"]
        subprocess.run([*command, "-fPIC", "-o", str(library), str(source)], check=True)
        limits = ctypes.CDLL(str(library))
    limits.fma_seconds.restype = limits.read_seconds.restype = ctypes.c_double
    fma = min(limits.fma_seconds(threads, ctypes.c_int64(_N_FMA)) for _ in range(_TRIES))
    read = min(limits.read_seconds(threads, ctypes.c_int64(_N_FLOATS), ctypes.c_int64(_REPEATS)) for _ in range(_TRIES))
    return threads * _N_FMA * 12 * (width // 4) / fma, _N_FLOATS * 4 * _REPEATS / read


@click.command()
@click.option("--record", type=click.Path(path_type=Path), default=Path("docs/benchmarks/benchmarks.json"))
def main(record: Path) -> None:
    """Print the limits of this machine, and what share of them each training of a record reaches."""
    measured = json.loads(record.read_text())
    threads = int(measured["threads"])
    fma, read = measure_limits(threads)
    click.echo(f"{threads} threads: {fma / 1e9:.0f} thousand million products with sums a second (float32), "
               f"{read / 1e9:.1f} GB read a second.\n")  # fmt: skip
    click.echo("| | ms | products, share of the limit | bytes read, share of the limit |\n|---|---|---|---|")
    for name, work in WORK.items():
        row = measured["rows"].get(name)
        if row:
            seconds = row["ours_ms"] / 1000
            shares = work.products / seconds / fma, work.n_bytes / seconds / read
            click.echo(f"| {name} | {row['ours_ms']:.2f} | {100 * shares[0]:.0f} % | {100 * shares[1]:.0f} % |")


if __name__ == "__main__":
    main()
