"""Work on a dask cluster: results awaited in order, and values that stay on the workers from step to step.

The only room that knows dask. A worker may be lost at any time. Dask does lost tasks again elsewhere; values that were
sent are lost with their worker, so they are sent and worked on again. A cluster without workers is an error in the end,
not a wait without one.
"""

import contextlib
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from citygrain.errors import CitygrainError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Kept", "in_turn", "map_on", "stream_on", "threads_of"]

PATIENCE = 60.0
"""Seconds that a cluster may be without a worker: those that are started again need some."""

TRIES = 5
"""How often a value is sent again within a step."""

AHEAD = 4
"""Tasks under way for each thread of the cluster."""

_LOOK = 5.0
"""Seconds to wait for a result before looking whether a worker is left."""

Item = TypeVar("Item")
Value = TypeVar("Value")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Awaited(Protocol[Result_co]):
    """A result that will come."""

    def result(self) -> Result_co:
        """Wait for it."""

    def cancel(self) -> object:
        """Do not want it any more."""


def in_turn(submit: Callable[[Item], Awaited[Result]], items: Iterable[Item], ahead: int) -> Generator[Result]:
    """Submit items, at most `ahead` before the first result that is still awaited; yield results in order."""
    waiting: deque[Awaited[Result]] = deque()
    try:
        for item in items:
            waiting.append(submit(item))
            if len(waiting) >= max(1, ahead):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:  # an error, or nobody wants the rest
            future.cancel()


def threads_of(client: "Client") -> int:
    """Return how many threads the workers of a cluster have together, at least 1."""
    there: Any = client  # dask says no types
    try:
        return max(1, int(sum(there.nthreads().values())))
    except (OSError, RuntimeError) as error:
        raise _no_scheduler() from error


def map_on(client: "Client", function: Callable[[Item], Result], items: Sequence[Item]) -> Generator[Result]:
    """Send all items at once; yield the results in order."""
    for future in client.map(function, items, pure=False):
        yield _Task(client, future).result()


def stream_on(
    client: "Client", function: Callable[[Any, Item], Result], items: Iterable[Item], shared: object
) -> Generator[Result]:
    """Yield ``function(shared, item)`` in order; `shared` is sent once, items as workers come free."""
    there = _shared(client, shared)

    def submit(item: Item) -> Awaited[Result]:
        return _Sent(client, function, there, item)

    yield from in_turn(submit, items, 2 * threads_of(client))


class Kept(Generic[Value]):
    """Values that stay on the workers of a cluster while steps are done to them; only answers come back.

    The scheduler holds none of them: they are sent to the workers, and forgotten there as each step replaces them. The
    steps are remembered, so that a value that is lost with its worker is begun again and taken through all of them.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.
    size : int
        Number of values.
    begin : callable
        Returns value k as it is before the first step, whenever it is asked to.
    """

    def __init__(self, client: "Client", size: int, begin: Callable[[int], Value]) -> None:
        self._client: Any = client
        self._begin = begin
        self._there: list[Any] = [None] * size
        self._ages = [0] * size
        self._steps: list[tuple[Callable[[Any, Any], Any], Callable[[int], Any]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._there.clear()  # the cluster forgets what nobody holds

    def ask(self, function: Callable[[Value], Result], *, last: bool = False) -> Generator[Result]:
        """Yield ``function(value)`` for each value in order; after the `last` question a value is let go."""

        def submit(k: int) -> Awaited[Result]:
            return _Reply(self, k, function, last)

        yield from in_turn(submit, range(len(self._there)), AHEAD * threads_of(self._client))

    def advance(
        self, function: Callable[[Value, Item], tuple[Value, Result]], item: Callable[[int], Item]
    ) -> Generator[Result]:
        """Replace each value by the first of ``function(value, item(k))``, yield the second, in order."""
        self._steps.append((function, item))

        def submit(k: int) -> Awaited[Result]:
            return _Reply(self, k, None, last=False)

        yield from in_turn(submit, range(len(self._there)), AHEAD * threads_of(self._client))

    def request(self, k: int, question: Callable[[Value], Any] | None) -> Any:
        """Bring value k up to date, from its beginning if need be; return the future answer of its last step."""
        if self._there[k] is None:
            self._there[k], self._ages[k] = _place(self._client, (self._begin(k), None)), 0
        for function, item in self._steps[self._ages[k] :]:
            self._there[k] = self._client.submit(_step, function, self._there[k], item(k), pure=False)
            self._ages[k] += 1
        if question is None:
            return self._client.submit(_answer, self._there[k], pure=False)
        return self._client.submit(_ask, question, self._there[k], pure=False)

    def take(self, future: Any) -> Any:
        """Wait for an answer."""
        return _await(self._client, future)

    def forget(self, k: int) -> None:
        """Let value k go: it was lost, or is not needed any more."""
        if self._there:
            self._there[k] = None


class _Reply:
    """The answer of one value; asked for again where it is lost on the way."""

    def __init__(self, kept: Kept[Any], k: int, question: Callable[[Any], Any] | None, last: bool) -> None:
        self._kept, self._k, self._question, self._last = kept, k, question, last
        self._future: Any = None
        with contextlib.suppress(_LostError):
            self._ask()

    def result(self) -> Any:
        for _ in range(TRIES):
            with contextlib.suppress(_LostError):
                if self._future is None:
                    self._ask()
                answer = self._take()
                if self._last:
                    self._kept.forget(self._k)
                return answer
        raise _lost_again()

    def cancel(self) -> None:
        self._future = None

    def _ask(self) -> None:
        with self._mourned():
            self._future = self._kept.request(self._k, self._question)

    def _take(self) -> Any:
        with self._mourned():
            return self._kept.take(self._future)

    @contextlib.contextmanager
    def _mourned(self) -> Iterator[None]:
        """Forget a value that turns out to be lost."""
        try:
            with _losses():
                yield
        except _LostError:
            self._kept.forget(self._k)
            self._future = None
            raise


class _Sent:
    """The answer to an item that is sent to a worker, past the scheduler; sent again where it is lost with it."""

    def __init__(self, client: Any, function: Callable[[Any, Any], Any], shared: Any, item: object) -> None:
        self._client, self._function, self._shared, self._item = client, function, shared, item
        self._future: Any = None
        with contextlib.suppress(_LostError):
            self._send()

    def result(self) -> Any:
        for _ in range(TRIES):
            with contextlib.suppress(_LostError):
                if self._future is None:
                    self._send()
                return self._take()
        raise _lost_again()

    def cancel(self) -> None:
        self._future = None

    def _send(self) -> None:
        with _losses():
            placed = _place(self._client, _Held(self._item))
            self._future = self._client.submit(_do, self._function, self._shared, placed, pure=False)

    def _take(self) -> Any:
        future, self._future = self._future, None
        with _losses():
            return _await(self._client, future)


class _LostError(Exception):
    """A value went with its worker."""


@contextlib.contextmanager
def _losses() -> Iterator[None]:
    """Call what dask says of lost values by one name."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, CancelledError) and type(error).__name__ != "KilledWorker":
            raise
        raise _LostError from error.with_traceback(None)  # dask holds the error, and that would hold us


def _lost_again() -> CitygrainError:
    came = f"a block was lost with its worker {TRIES} times"
    return CitygrainError(came, mend="see what ends the workers: memory, as a rule")


def _do(function: Callable[[Any, Any], Any], shared: Any, item: "_Held") -> Any:
    return function(shared, item.value)


def _step(function: Callable[[Any, Any], tuple[Any, Any]], held: tuple[Any, Any], item: Any) -> tuple[Any, Any]:
    """Return the next value with the answer: they stay together until the answer is fetched."""
    return function(held[0], item)


def _answer(held: tuple[Any, Any]) -> Any:
    return held[1]


def _ask(question: Callable[[Any], Any], held: tuple[Any, Any]) -> Any:
    return question(held[0])


def _place(client: Any, value: object) -> Any:
    """Send a value to a worker; unlike what a task gets with it, the scheduler does not keep it."""
    try:
        (future,) = client.scatter([value], hash=False, timeout=PATIENCE)
    except TimeoutError as error:
        raise _no_worker() from error
    except (OSError, KeyError) as error:
        if client.status != "running":
            raise _no_scheduler() from error
        raise CancelledError from error  # the worker went away meanwhile
    return future


@dataclass(frozen=True)
class _Task:
    """A task of dask as something awaited."""

    client: Any
    future: Any

    def result(self) -> Any:
        try:
            return _await(self.client, self.future)
        except CancelledError as error:
            raise CitygrainError(f"the cluster gave a task up: {error}", mend="see the log of its scheduler") from error

    def cancel(self) -> None:
        self.future.cancel()


def _await(client: Any, future: Any) -> Any:
    """Wait for a result as long as there are workers at work, or may be some again soon."""
    look, alone = _LOOK, 0.0
    while True:
        start = time.monotonic()
        try:
            return future.result(timeout=min(look, PATIENCE))
        except OSError as error:
            if future.status == "error":
                future.result()  # its own error
            if not isinstance(error, TimeoutError):
                raise _no_scheduler() from error
        alone = 0.0 if _anyone_works(client) else alone + time.monotonic() - start
        if alone >= PATIENCE:
            raise _no_worker()
        look *= 2  # a large result over a slow line may take its time


def _anyone_works(client: Any) -> bool:
    """Tell whether a worker takes tasks, or is still at one: one whose memory is full does neither in the end."""
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()  # more than a few only when asked for
    except OSError:
        return False
    return any(
        worker["status"] == "running" or worker["metrics"].get("task_counts", {}).get("executing") for worker in workers
    )


def _no_worker() -> CitygrainError:
    came = f"the cluster had no worker to work for {PATIENCE:.0f} s"
    return CitygrainError(came, wanted="one that runs and has memory free", mend="start workers, then begin again")


def _no_scheduler() -> CitygrainError:
    return CitygrainError("the scheduler of the cluster does not answer any more", mend="start it, then begin again")


def _shared(client: Any, value: object) -> Any:
    """Put an object onto a cluster as the result of a task: unlike scattered data it is made again if it is lost."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)  # once, and meant
        return client.submit(_itself, _Held(value), pure=False)


@dataclass(frozen=True)
class _Held:
    """An object whose parts dask does not look at."""

    value: Any


def _itself(held: _Held) -> Any:
    return held.value
