"""Under load: many trainings in one process hold on to nothing, and trainings at once give what each gives alone."""

import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

import golden
import soak

MOST_GROWTH = 5_000_000  # bytes
CASES = list(product(golden.ENGINES, golden.SOLVERS, golden.DTYPES))[::5] + [("whole", "adam", "float32")] * 4
at_hand = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="the system does not tell what a process holds"
)


@at_hand
@pytest.mark.parametrize(("warm_up", "n_trainings"), [(50, 50), pytest.param(100, 1000, marks=pytest.mark.slow)])
def test_trainings_hold_on_to_nothing(warm_up, n_trainings):
    """By all solvers and engines, the estimator, model files and tables: no memory, no threads, no open files."""
    command = [sys.executable, soak.__file__, str(warm_up), str(n_trainings)]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=600)
    grown = json.loads(ended.stdout)

    assert grown.pop("memory") < MOST_GROWTH
    assert grown == {"threads": 0, "python_threads": 0, "files": 0}


KEEP = """
import json, os, sys, threading
from pathlib import Path
import soak
end, kept = threading.Event(), []

def keep(k, folder):
    soak.with_files(k, folder)
    kept.append((bytearray(os.urandom(1_000_000)), Path(os.devnull).open(), threading.Thread(target=end.wait)))
    kept[-1][2].start()

before, after = (soak.hold_after(10, Path(sys.argv[1]), keep) for _ in range(2))
end.set()
print(json.dumps({name: after[name] - number for name, number in before.items()}))
"""


@at_hand
def test_what_is_held_on_to_is_found(tmp_path):
    """Of trainings that keep a megabyte, a thread and an open file each, in a process that has no memory to spare."""
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-W", "ignore", "-c", KEEP, str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
    grown = json.loads(ended.stdout)

    assert grown.pop("memory") >= 10 * 1_000_000
    assert grown == {"threads": 10, "python_threads": 10, "files": 10}


@pytest.fixture(scope="module")
def alone():
    """Return what each training gives alone."""
    return [golden.short_digest(case) for case in CASES]


def test_eight_trainings_at_once_in_threads_give_what_each_gives_alone(alone):
    """Bit by bit, of all engines, by threads that share the helpers of the kernel and those of BLAS."""
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(golden.short_digest, CASES)) == alone


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python's word on threads, which do sleep
@pytest.mark.parametrize("method", sorted({"spawn", "fork"} & set(multiprocessing.get_all_start_methods())))
def test_eight_trainings_at_once_in_processes_give_what_each_gives_alone(method, alone):
    """Bit by bit, forked ones too, after threads were started."""
    with multiprocessing.get_context(method).Pool(8) as pool:
        assert pool.map_async(golden.short_digest, CASES, chunksize=1).get(timeout=120) == alone


FORK = """
import os, sys, threading
import golden
case = list(golden.ENGINES)[-2], "lbfgs", "float32"
expected, end, codes = golden.short_digest(case), threading.Event(), []

def train():
    while not end.is_set():
        golden.short_digest(case)

others = [threading.Thread(target=train) for _ in range(3)]
for other in others:
    other.start()
for _ in range(20):
    child = os.fork()
    if not child:
        os._exit(golden.short_digest(case) != expected)
    codes.append(os.waitpid(child, 0)[1])
end.set()
sys.exit(any(codes))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_process_forked_in_the_middle_of_others_trainings_trains_too():
    """With the same bits. BLAS has one thread there: in the middle of its work OpenBLAS itself cannot be forked."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-W", "ignore", "-c", FORK]

    assert subprocess.run(command, env=environment, check=False, timeout=120).returncode == 0


@pytest.mark.slow
def test_eight_commands_at_once_write_a_run_each(tmp_path):
    """Side by side in one folder, with a cache that none of them finds filled, the models that each writes alone."""
    environment = {**os.environ, "TWOLAYER_CACHE": str(tmp_path / "cache")}
    options = ["--iterations", "3", "--hidden", "4", "--threads", "2", "--quiet", "--no-pictures", "--json"]
    command = [sys.executable, "-m", "twolayer", "train", *options, "--seed"]

    def start(seed):
        return subprocess.Popen([*command, str(seed)], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)

    runs = [json.loads(each.communicate()[0])["run"] for each in [start(k % 2) for k in range(8)]]
    runs += [json.loads(start(k).communicate()[0])["run"] for k in range(2)]

    models = [(tmp_path / run / "model.safetensors").read_bytes() for run in runs]
    assert len(set(runs)) == 10
    assert models == models[:2] * 5
    assert models[0] != models[1]
