"""Trainings on a Dask cluster: how one is reached, what is refused, and how jobs survive a lost worker."""

import asyncio
import contextlib
import importlib
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, TypeVar

from twolayer.errors import DataError, SettingError

_SECONDS = 10  # within which a scheduler must answer
_MOST_LOSSES = 3  # of workers, while they train the same
_HOME = re.compile(r"(tcp|tls)://(localhost|127\.[0-9.]+|\[::1\])(:|$)")

T = TypeVar("T")


class Cluster:
    """A Dask cluster that trains; made by `connect`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]]) -> Iterator[T]:
        """Yield what a function makes of each job, as they come; a job whose worker dies is given to another one.

        Parameters
        ----------
        function : callable
        jobs : sequence of tuple
            Its arguments. What several jobs share is sent once.

        Raises
        ------
        DataError
            If the cluster is lost, or a job has cost several workers.
        """
        from distributed import CancelledError, KilledWorker, as_completed

        shared = {id(part): part for job in jobs for part in job if _is_large(part)}
        sent = {name: self._client.submit(_keep, part, pure=False) for name, part in shared.items()}

        def submit(job: tuple[Any, ...]) -> Any:
            return self._client.submit(function, *(sent.get(id(part), part) for part in job), pure=False)

        waiting = {future: (job, 0) for job in jobs for future in [submit(job)]}
        ready = as_completed(waiting, loop=self._client.loop)
        try:
            for future in ready:
                job, losses = waiting.pop(future)
                try:
                    yield future.result()
                except KilledWorker:
                    if losses + 1 == _MOST_LOSSES:
                        message = "A training has cost the cluster its worker again and again"
                        raise DataError(f"{message}: give the workers more memory, or use fewer samples.") from None
                    again = submit(job)
                    waiting[again] = job, losses + 1
                    ready.add(again)
        except (CancelledError, OSError) as error:
            message = f"The cluster was lost ({type(error).__name__}): what is known is kept"
            raise DataError(f"{message}; start the cluster and give the same command again.") from None


@contextlib.contextmanager
def connect(address: str, tell: Callable[[str], None] = lambda _: None) -> Iterator[Cluster]:
    """Reach a cluster, or start one on this machine, and leave it at the end.

    Parameters
    ----------
    address : str
        tcp://HOST:PORT or tls://HOST:PORT of a scheduler, or local:N for N processes on this machine.
    tell : callable
        Called with a sentence of warning.

    Yields
    ------
    Cluster

    Raises
    ------
    SettingError
        If the address is none, nobody answers, or Dask is not installed.
    DataError
        If there is no worker, or workers have other versions.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ImportError:
        raise SettingError("A cluster needs Dask: pip install 'twolayer[cluster]'.") from None
    local = re.fullmatch(r"local:([1-9][0-9]{0,2})", address)
    if local is None and not re.match(r"(tcp|tls)://[^/]+:[0-9]+$", address):
        raise SettingError(
            f"`cluster` must be tcp://HOST:PORT, tls://HOST:PORT, or local:N for N processes; got {address!r}."
        )
    if address.startswith("tcp://") and not _HOME.match(address):
        tell(f"Whoever reaches {address} can run code there, as no one is asked who they are: prefer tls://.")
    with contextlib.ExitStack() as stack:
        if local:
            own = distributed.LocalCluster(
                n_workers=int(local[1]), threads_per_worker=1, dashboard_address=":0", silence_logs=50
            )
            address = stack.enter_context(own)
        else:
            _find_scheduler(distributed, address)
        client = stack.enter_context(distributed.Client(address, timeout=_SECONDS, set_as_default=False))
        _check_workers(client)
        yield Cluster(client)


def _find_scheduler(distributed: Any, address: str) -> None:
    """Check that a scheduler answers at an address; in a thread, as a notebook has an event loop of its own."""

    async def ask() -> None:
        arguments = distributed.Security().get_connection_args("client")
        async with distributed.rpc(address, timeout=_SECONDS, connection_args=arguments) as scheduler:
            await asyncio.wait_for(scheduler.identity(), _SECONDS)

    with ThreadPoolExecutor(1) as thread:
        error = thread.submit(asyncio.run, ask()).exception()
    if error is not None:  # whatever a port says that is no scheduler's
        raise SettingError(f"No Dask scheduler answers at {address}: check the address, or start one.") from None


def _check_workers(client: Any) -> None:
    """Refuse a cluster without workers, or whose workers would compute something else."""
    mine, theirs = _versions(), {}
    try:
        client.wait_for_workers(1, timeout=_SECONDS)
        theirs = client.run(_versions)
    except TimeoutError:
        raise DataError("The cluster has no worker: start one with 'dask worker ADDRESS'.") from None
    except Exception as error:  # noqa: BLE001 - whatever loading the function on a worker raises
        raise DataError(f"The workers cannot load twolayer ({type(error).__name__}): install it there.") from None
    for worker, versions in theirs.items():
        for name, own in mine.items():
            if versions[name] != own:
                message = f"The worker {worker} has {name} {versions[name]}, this machine {own}"
                raise DataError(f"{message}: install the same on both.")


def _versions() -> dict[str, str]:
    """Return the versions that must be the same everywhere."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"Python": python, "twolayer": version("twolayer"), "numpy": version("numpy"), "machine": platform.machine()}


def _is_large(part: Any) -> bool:
    """Tell whether an argument is samples, which are sent to each worker once."""
    return hasattr(part, "rows")


def _keep(part: T) -> T:
    """Return samples as they are: a task, so that a lost worker's copy is made again."""
    return part
