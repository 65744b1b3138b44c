"""A function called many times on a cluster, a future each; a call whose worker dies is made again."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twolayer.engines.cluster import cluster_errors

MOST_TRIES = 4  # of a call; Dask itself gives up a task whose workers die so many times, whatever the cause


def call_all(client: Any, function: Callable[..., Any], calls: Sequence[tuple[Any, tuple[Any, ...]]]) -> Iterator[Any]:
    """Call a function on a cluster.

    Parameters
    ----------
    client : distributed.Client
        As of `attached`.
    function : callable
    calls : sequence of (shared, arguments)
        It is called with `shared`, which is sent once for all calls that have the same one, and the arguments.

    Yields
    ------
    object
        What each call gives, as they come.

    Raises
    ------
    ClusterError
        If the cluster is lost, or worker after worker dies in the same call.
    """
    with cluster_errors():
        import distributed

        send = _Sender(client, function)
        waiting = {send(call): (call, 1) for call in calls}
        done: Any = distributed.as_completed  # which is not typed
        done = done(list(waiting), loop=client.loop)
        for future in done:
            call, tries = waiting.pop(future)
            try:
                result = future.result()
            except distributed.KilledWorker:
                if tries == MOST_TRIES:
                    raise
                again = send(call, anew=True)
                waiting[again] = call, tries + 1
                done.add(again)
                continue
            yield result


class _Sender:
    """Sends what calls share once, as a task that the scheduler can repeat where a worker that has it dies."""

    def __init__(self, client: Any, function: Callable[..., Any]) -> None:
        self._client, self._function = client, function
        self._sent: dict[int, Any] = {}

    def __call__(self, call: tuple[Any, tuple[Any, ...]], *, anew: bool = False) -> Any:
        """Return the future of a call, under a key of its own; `anew` sends what is shared again, too."""
        import dask

        shared, arguments = call
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            if anew or id(shared) not in self._sent:
                self._sent[id(shared)] = self._client.submit(_same, shared, pure=False)
            return self._client.submit(self._function, self._sent[id(shared)], *arguments, pure=False)


def _same(value: Any) -> Any:
    return value
