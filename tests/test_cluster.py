"""Values that stay on a cluster: the same answers whatever is lost on the way, and no wait without end."""

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster
from distributed.core import Status

from citygrain import cluster
from citygrain.cluster import Kept, map_on, stream_on
from citygrain.errors import CitygrainError
from helpers.futures import all_forgotten

SIZE, STEPS = 12, 4


@pytest.fixture
def client() -> Iterator[Client]:
    """Two workers in this process."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as here,
        Client(here) as client,
    ):
        yield client


def lose(client: Client, count: int = 1) -> None:
    """Take workers away, with all that they hold."""

    async def remove(dask_scheduler: Any) -> None:
        for address in list(dask_scheduler.workers)[:count]:
            await dask_scheduler.remove_worker(address, stimulus_id="test")

    client.run_on_scheduler(remove)


def begin(k: int) -> np.ndarray:
    return np.full(1000, k)


def add(value: np.ndarray, more: int) -> tuple[np.ndarray, int]:
    return value + more, int(value.sum()) * more


def total(value: np.ndarray) -> int:
    return int(value.sum())


def answers(kept: Kept[np.ndarray]) -> Iterator[int]:
    """Ask at the beginning, take all steps, ask in the end."""
    yield from kept.ask(total)
    for step in range(STEPS):
        yield from kept.advance(add, partial(lambda step, k: 10 * step + k, step))
    yield from kept.ask(total, last=True)


def expected() -> list[int]:
    found, values = [1000 * k for k in range(SIZE)], list(range(SIZE))
    for step in range(STEPS):
        found += [1000 * value * (10 * step + k) for k, value in enumerate(values)]
        values = [value + 10 * step + k for k, value in enumerate(values)]
    return found + [1000 * value for value in values]


def test_values_are_sent_once_and_the_scheduler_forgets_them(client: Client) -> None:
    sent = []
    with Kept(client, SIZE, lambda k: (sent.append(k), begin(k))[1]) as kept:
        tasks = [len(client.cluster.scheduler.tasks) for _ in answers(kept)]
    assert sent == list(range(SIZE))
    assert max(tasks) <= 4 * SIZE  # of those that were done nothing is kept, however many steps there are
    with Kept(client, SIZE, begin) as kept:
        assert list(answers(kept)) == expected()


_LATE = [pytest.param(at, marks=pytest.mark.slow) for at in (SIZE, 2 * SIZE + 3, (1 + STEPS) * SIZE + 2)]


@pytest.mark.parametrize("at", [0, 5, *_LATE])
def test_a_lost_worker_changes_no_answer(client: Client, at: int) -> None:
    found = []
    with Kept(client, SIZE, begin) as kept:
        for answer in answers(kept):
            if len(found) == at:
                lose(client)
            found.append(answer)
    assert found == expected()
    assert all_forgotten(client)


def pause(client: Client) -> None:
    """Let workers take no more, as they do when their memory is full."""

    def stop(dask_worker: Any) -> None:
        dask_worker.memory_manager.memory_pause_fraction = False  # nobody else decides
        dask_worker.status = Status.paused

    client.run(stop)


@pytest.mark.parametrize("end", [partial(lose, count=2), pause], ids=["lost", "paused"])
def test_without_a_worker_it_ends_in_one_line(
    client: Client, end: Callable[[Client], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    kept = Kept(client, SIZE, begin)
    stream, tasks = answers(kept), stream_on(client, total_of, range(99), 5)
    assert next(stream) == 0 and next(tasks) == 5
    end(client)
    for waiting in (stream, tasks, map_on(client, abs, [1])):
        with pytest.raises(CitygrainError, match="no worker to work for") as caught:
            list(waiting)
        assert "\n" not in str(caught.value)


def total_of(shared: int, item: int) -> int:
    return shared + item


def test_what_is_lost_again_and_again_ends_in_one_line(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(self: object, future: object) -> None:
        raise CancelledError

    monkeypatch.setattr(Kept, "take", lost)
    with pytest.raises(CitygrainError, match="lost with its worker 5 times"):
        list(answers(Kept(client, SIZE, begin)))


@pytest.mark.parametrize("kind", [ZeroDivisionError, FileNotFoundError, TimeoutError])
def test_a_fault_of_the_work_itself_is_raised(client: Client, kind: type[Exception]) -> None:
    for wrong in (Kept(client, 3, begin).ask(partial(fail, kind)), map_on(client, partial(fail, kind), [1, 2])):
        with pytest.raises(kind, match="mine"):
            list(wrong)


def fail(kind: type[Exception], value: object) -> None:
    raise kind("mine")


def test_only_what_is_new_is_in_the_tasks(client: Client) -> None:
    """A task carries what its step takes beside the value, and not the value."""
    sizes = []
    with Kept(client, 2, lambda k: np.zeros(10**6)) as kept:
        for _ in kept.advance(add, lambda k: 1):
            sizes += [
                len(pickle.dumps(task.run_spec)) for task in client.cluster.scheduler.tasks.values() if task.run_spec
            ]
    assert sizes and max(sizes) < 10_000


def sum_of(shared: int, item: np.ndarray) -> int:
    return shared + int(item.sum())


@pytest.mark.parametrize("at", [None, 0, 3])
def test_large_items_go_to_the_workers_past_the_scheduler(client: Client, at: int | None) -> None:
    items = (np.full(2 * 10**6, k) for k in range(8))  # 16 MB each: dask warns of tasks from 10 MB on
    found = []
    for k, answer in enumerate(stream_on(client, sum_of, items, 5)):
        if k == at:
            lose(client)
        found.append(answer)
        sizes = [len(pickle.dumps(task.run_spec)) for task in client.cluster.scheduler.tasks.values() if task.run_spec]
        assert max(sizes, default=0) < 10_000
    assert found == [5 + 2 * 10**6 * k for k in range(8)]


def test_items_that_are_lost_again_and_again_end_in_one_line(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(client: object, future: object) -> None:
        raise CancelledError

    monkeypatch.setattr(cluster, "_await", lost)
    with pytest.raises(CitygrainError, match="lost with its worker 5 times"):
        list(stream_on(client, total_of, range(3), 5))
