"""Search for files that a reader does not stand: libFuzzer, led by the coverage of the readers' own lines.

    python -m tests.fuzz model --runs 200000

A file that breaks something is left in the output folder, and named; new files that reached new lines are in `new/`,
the figures so far in `record.json`.
"""

import argparse
import contextlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mutators import MUTATORS, mutate

CORPUS = Path(__file__).with_name("corpus")
LIMIT_SECONDS = 2
LIMIT_MIB = 1024
LARGEST = {"csv": 2048}  # bytes of a file; 16,384 of the others
CONNECTION_USES = 500  # of DuckDB, which takes most of the time to begin


def main() -> None:
    """Search until the time or the number of files is reached, or something is found."""
    arguments = _parse()
    import atheris

    with atheris.instrument_imports(include=["twolayer", "zipfile", "gzip"]):
        from tests.fuzz import reader, targets
    out = arguments.out.resolve() / arguments.format
    folder, new = out / "files", out / "new"
    for each in (folder, new):
        each.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)
    read = targets.READERS[arguments.format]
    record = _Record(out)

    def one_input(content: bytes) -> None:
        start = time.process_time()
        reader.check(read, content, folder)
        record.add(content, time.process_time() - start)

    def one_mutation(content: bytes, limit: int, seed: int) -> bytes:
        return mutate(arguments.format, content, limit, seed, atheris.Mutate)

    if arguments.format == "csv":
        _share_connections()
    one_input(b"")  # loads what is loaded late
    _limit_memory()
    flags = {
        "runs": arguments.runs,
        "max_total_time": arguments.seconds,
        "timeout": arguments.timeout,
        "rss_limit_mb": LIMIT_MIB,
        "max_len": LARGEST.get(arguments.format, 16_384),
        "artifact_prefix": f"{out}/",
        "print_final_stats": 1,
    }
    options = [f"-{name}={value}" for name, value in flags.items()]
    folders = [str(new), str(CORPUS / arguments.format)]
    atheris.Setup([sys.argv[0], *options, *folders], one_input, custom_mutator=one_mutation, internal_libfuzzer=True)
    atheris.Fuzz()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("format", choices=sorted(path.name for path in CORPUS.iterdir() if path.name in MUTATORS))
    parser.add_argument("--runs", type=int, default=200_000, help="files to try")
    parser.add_argument("--seconds", type=int, default=0, help="to search at most; 0 is no limit")
    parser.add_argument("--timeout", type=int, default=LIMIT_SECONDS, help="seconds for one file")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir(), "twolayer-fuzz"), help="output folder")
    return parser.parse_args()


class _Record:
    """The number of files, and the slowest of them, in `out/record.json`."""

    def __init__(self, out: Path) -> None:
        self._out, self._slowest, self._n, self._start = out, 0.0, 0, time.monotonic()

    def add(self, content: bytes, seconds: float) -> None:
        self._n += 1
        if seconds > self._slowest:
            self._slowest = seconds
            (self._out / "slowest").write_bytes(content)
        if self._n & (self._n - 1) == 0 or self._n % 1000 == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            figures = {"files": self._n, "seconds": round(time.monotonic() - self._start, 1)}
            figures |= {"slowest_cpu_seconds": round(self._slowest, 4), "peak_mib": peak}
            (self._out / "record.json").write_text(json.dumps(figures))
        assert seconds <= LIMIT_SECONDS, f"took {seconds:.1f} s of the processor's time"


def _share_connections() -> None:
    """Let many tables have one database of DuckDB's, each with a cursor of its own."""
    from twolayer.data.tables import reading as tables

    connect, shared = tables.connect, []

    def one_of_many(memory_bytes: int | None):
        if len(shared) != 1 or shared[0][1] >= CONNECTION_USES:
            shared[:] = [[connect(memory_bytes), 0]]
        shared[0][1] += 1
        return shared[0][0].cursor()

    tables.connect = one_of_many


def _limit_memory() -> None:
    """Let a request for more than the limit fail at once, whether or not the memory is then used."""
    with contextlib.suppress(OSError, ValueError):
        used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
        limit = 1024 * int(used.split()[1]) + LIMIT_MIB * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    main()
