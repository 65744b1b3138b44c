"""How a cluster of Dask is reached, and whether it suits: who answers, with what, and how much they hold.

`distributed` is imported here and where a cluster is at work, never before one is asked for.
"""

import contextlib
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twolayer.errors import ClusterError, SettingError
from twolayer.settings import CLUSTER, cluster_address
from twolayer.text import count, shorten

ATTACH_SECONDS = 9.0
_MUST_MATCH = ("twolayer", "numpy", "duckdb", "distributed")
_HELD = 0.5  # of the workers' memory, which partitions may take: at 0.6 Dask writes them to disk
_SPEAKS_SECONDS = 5.0  # within which a scheduler says who it is
_MOST_FRAMES = 64  # of the message with which it does
_QUIET = logging.CRITICAL


@dataclass(frozen=True)
class Address:
    """Where a cluster is.

    Attributes
    ----------
    text : str
        As it was given.
    n_local : int
        Workers to start on this machine; 0 where there is a scheduler to attach to.
    """

    text: str
    n_local: int = 0

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Return an address; SettingError if it is none."""
        found = CLUSTER.fullmatch(cluster_address().check("cluster", text))
        assert found
        return cls(text, int(found["n"] or 0))

    def warning(self) -> str | None:
        """Return what a person should know before work is sent there unencrypted; None where nothing is."""
        found = CLUSTER.fullmatch(self.text)
        assert found
        if found["scheme"] != "tcp" or _is_loopback(found["host"].strip("[]")):
            return None
        risk = "whoever reaches the port can run code as the workers' user"
        return f"{self.text} is neither encrypted nor protected: {risk}; use tls:// outside a network that you trust."


def _is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, without asking a name server for more than its own names."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host in ("localhost", socket.gethostname()) and _resolves_to_loopback(host)


def _resolves_to_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(each[4][0]).partition("%")[0]).is_loopback for each in found)


@contextlib.contextmanager
def attached(address: str) -> Iterator[Any]:
    """Attach to a cluster, or start one on this machine for as long as the block lasts.

    Parameters
    ----------
    address : str
        tcp://HOST:PORT or tls://HOST:PORT of a scheduler, or local:N for N workers of one thread here.

    Yields
    ------
    distributed.Client

    Raises
    ------
    SettingError
        If the address is none, or `distributed` is not installed.
    ClusterError
        If nobody answers, there are no workers, or they have other versions than this process.
    """
    parsed = Address.parse(address)
    distributed = _import()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        where: Any = address
        if parsed.n_local:
            where = stack.enter_context(_local_cluster(distributed, parsed.n_local))
        else:
            _probe(distributed, address)
        client = _connect(distributed, where, address)
        stack.callback(_close, client)
        _wait_for_workers(client, address)
        check_versions(versions_of(client))
        yield client


def _import() -> Any:
    """Return the module `distributed`."""
    try:
        import distributed
    except ImportError:
        message = "A cluster needs the package distributed: pip install 'twolayer[cluster]'"
        raise SettingError(f"{message}, here and on every worker.") from None
    return distributed


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what distributed logs of lost connections off the screen: what matters becomes an error of ours."""
    logger = logging.getLogger("distributed")
    before, handlers = logger.level, {}
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            handlers[name] = logging.getLogger(name).level
            logging.getLogger(name).setLevel(_QUIET)
    logger.setLevel(_QUIET)
    try:
        yield
    finally:
        logger.setLevel(before)
        for name, level in handlers.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _local_cluster(distributed: Any, n_workers: int) -> Iterator[Any]:
    """Start workers of one thread each on this machine, with the page that shows them on any free port."""
    try:
        cluster = distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", silence_logs=_QUIET
        )
    except (OSError, RuntimeError) as error:
        message = f"Cannot start {count(n_workers, 'worker')} on this machine ({error or type(error).__name__})"
        raise ClusterError(f"{message}: use fewer.") from error
    with cluster:
        yield cluster


def _probe(distributed: Any, address: str) -> None:
    """Check that a scheduler of Dask is there, which speaks first: distributed itself waits for others without end."""
    host, _, port = address.partition("://")[2].rpartition(":")
    place, until, failed = (host.strip("[]"), int(port)), time.monotonic() + ATTACH_SECONDS, ""
    tls = _tls_context(distributed, address) if address.startswith("tls:") else None
    while (left := until - time.monotonic()) > 0:
        try:
            with socket.create_connection(place, timeout=left) as plain:
                plain.settimeout(min(_SPEAKS_SECONDS, max(0.1, until - time.monotonic())))
                with tls.wrap_socket(plain, server_hostname=place[0]) if tls else contextlib.nullcontext(plain) as comm:
                    first = comm.recv(8)
            if len(first) == 8 and int.from_bytes(first, "little") <= _MOST_FRAMES:
                return
            break
        except socket.gaierror:
            raise ClusterError(f"There is no host {host}: check the address {address}.") from None
        except ssl.SSLError as error:
            failed = f" ({error.reason or error})".replace("_", " ").lower()
            break
        except TimeoutError:
            break
        except OSError:  # it may be just starting
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))
    what = f"Nobody answers at {address} as a scheduler of Dask does, within 10 s{failed}"
    advice = "check the address and the certificates" if tls else "start one there with 'dask scheduler', or check it"
    raise ClusterError(f"{what}: {advice}.")


def _tls_context(distributed: Any, address: str) -> Any:
    """Return what encrypts: the certificates that Dask's own configuration names."""
    context = distributed.Security().get_connection_args("client").get("ssl_context")
    if context is None:
        names = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..._CLIENT__CERT and ..._CLIENT__KEY"
        raise ClusterError(f"{address} needs certificates: set {names} to their files.")
    return context


def _connect(distributed: Any, where: Any, address: str) -> Any:
    """Return a client of a scheduler; ClusterError if there is none."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which are checked
            return distributed.Client(where, timeout=ATTACH_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        message = f"The scheduler at {address} does not let this process in ({shorten(error or type(error).__name__)})"
        raise ClusterError(f"{message}: install the same version of distributed here and there.") from None


def _close(client: Any) -> None:
    """Let a cluster go, whether it is still there or not."""
    with contextlib.suppress(Exception):  # it may be gone
        client.close(timeout=1)


def _wait_for_workers(client: Any, address: str) -> None:
    """Wait until there is a worker; ClusterError if there is none in time."""
    try:
        client.wait_for_workers(1, timeout=ATTACH_SECONDS)
    except (OSError, TimeoutError):
        message = f"The cluster at {address} has no workers: start some with 'dask worker {address}'"
        raise ClusterError(f"{message} on each machine.") from None


def versions_of(client: Any) -> Mapping[str, Any]:
    """Return the versions of all that results depend on, of scheduler, workers and this process."""
    found: Mapping[str, Any] = client.get_versions(packages=list(_MUST_MATCH))
    return found


def check_versions(found: Mapping[str, Any]) -> None:
    """Check that scheduler and workers have the versions of this process, which same results depend on.

    Parameters
    ----------
    found : mapping
        What `distributed.Client.get_versions` returns.

    Raises
    ------
    ClusterError
        If one has not, naming both versions.
    """
    own = found["client"]["packages"]
    others = {f"worker {name}": each for name, each in sorted(found["workers"].items())}
    for who, each in others.items():
        theirs = each["packages"] if isinstance(each, Mapping) else {}
        for package in _MUST_MATCH:
            if theirs.get(package) == own.get(package):
                continue
            if not theirs.get(package):
                raise ClusterError(f"The {who} lacks {package}: install {package} {own[package]} there.")
            differ = f"The {who} has {package} {theirs[package]}, this process {own[package]}"
            raise ClusterError(f"{differ}: install the same version everywhere.")


@dataclass(frozen=True)
class Worker:
    """One worker.

    Attributes
    ----------
    address : str
    n_threads : int
    memory : int
        Bytes that it may take; 0 for no limit.
    """

    address: str
    n_threads: int
    memory: int


def find_workers(client: Any) -> list[Worker]:
    """Return the workers that a cluster has now, by their addresses."""
    known = client.scheduler_info(n_workers=-1)["workers"]
    return [
        Worker(address, int(each["nthreads"]), int(each["memory_limit"] or 0))
        for address, each in sorted(known.items())
    ]


def check_memory(workers: list[Worker], n_bytes: int) -> None:
    """Check that so many bytes of partitions stay in the workers' memory.

    Raises
    ------
    ClusterError
        If they take more than half of it: Dask then begins to write to disk what must be read at each step.
    """
    whole = sum(worker.memory for worker in workers)
    if not all(worker.memory for worker in workers) or n_bytes <= _HELD * whole:
        return
    need = f"The partitions take {n_bytes / 1e9:.2f} GB"
    have = f"half of the memory of {count(len(workers), 'worker')}, {_HELD * whole / 1e9:.2f} GB"
    raise ClusterError(f"{need}, more than {have}: start more workers, or give them more memory.")
