"""What a user asks to work with: threads of this process, worker processes of this machine, or a dask cluster.

No result depends on it.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from citygrain.errors import InputError
from citygrain.tiles import Engine

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["LateEngine"]

_ADDRESS = re.compile(r"(tcp|ws)://([\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", re.ASCII)
_PATIENCE = 10
"""Seconds in which a scheduler must answer, and have a worker."""


class LateEngine:
    """The engine that was asked for, opened when it is first needed and closed at the end.

    Parameters
    ----------
    workers : int, optional
        Worker processes of this machine, of one thread each.
    cluster : str, optional
        Address of a running dask scheduler, such as ``tcp://10.0.0.5:8786``; its workers must have citygrain. Dask
        trusts whoever can reach it: nothing but a network that is trusted should.

    Raises
    ------
    InputError
        If both are given or one is no such thing; when it is opened, if no scheduler answers, it has no worker, or the
        workers have no citygrain, or another one.

    Examples
    --------
    >>> with LateEngine() as late:
    ...     print(late.engine)
    None
    """

    def __init__(self, workers: int | None = None, cluster: str | None = None) -> None:
        if workers is not None and cluster is not None:
            raise InputError("both workers and a cluster", wanted="one of them")
        if workers is not None and workers < 1:
            raise InputError(f"{workers} workers", wanted="at least 1")
        if cluster is not None and not ((found := _ADDRESS.fullmatch(cluster)) and 0 < int(found[3]) < 2**16):
            raise InputError(f"cluster {cluster!r}", wanted="the address of a dask scheduler, as tcp://10.0.0.5:8786")
        self._workers, self._cluster = workers, cluster
        self._open = ExitStack()
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine = None
        self._open.close()

    @property
    def asked(self) -> bool:
        """Whether anything but this process was asked for."""
        return self._workers is not None or self._cluster is not None

    @property
    def engine(self) -> "Engine | None":
        """A client of the cluster or of the workers; None = this process, with as many threads as suit the work."""
        if self._engine is None and self._cluster is not None:
            self._engine = self._open.enter_context(_reached(self._cluster))
        if self._engine is None and self._workers is not None:
            self._engine = self._open.enter_context(_started(self._workers))
        return self._engine


@contextmanager
def _started(workers: int) -> "Iterator[Client]":
    """Start worker processes on this machine, which answer to nobody else, and stop them afterwards."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 - 1 s, only where it was asked for

    _hush()
    start: Any = LocalCluster  # neither has types
    join: Any = Client
    here: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    with (
        start(n_workers=workers, threads_per_worker=1, processes=True, **here) as cluster,
        join(cluster, direct_to_workers=True, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _reached(address: str) -> "Iterator[Client]":
    """Join a cluster that is running; it goes on afterwards."""
    from distributed import Client  # noqa: PLC0415 - 1 s, only where it was asked for

    _hush()
    join: Any = Client
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mismatched versions", UserWarning)  # of other libraries: ours is looked at
        try:
            client = join(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            mend = "start one with `dask scheduler`, and workers with `dask worker` and its address"
            raise InputError(f"no dask scheduler answers at {address}", mend=mend) from error
        with client:
            _look_at_workers(client, address)
            yield client


def _hush() -> None:
    """Keep dask's own log back: what a user needs to know is said here."""
    for name in ("distributed", "distributed.client", "distributed.http.proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _look_at_workers(client: "Client", address: str, *, here: str = metadata.version("citygrain")) -> None:
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        mend = f"start one with `dask worker {address}`"
        raise InputError(f"the scheduler at {address} has no worker", mend=mend) from error
    try:
        there = set(client.run(metadata.version, "citygrain").values())
    except metadata.PackageNotFoundError as error:
        raise InputError(f"a worker of {address} has no citygrain", wanted=f"citygrain {here} on each") from error
    if there != {here}:
        versions = ", ".join(sorted(there))
        raise InputError(f"workers with citygrain {versions} at {address}", wanted=f"{here}, as here")
