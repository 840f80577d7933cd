"""What a user asks to work with is opened when it is needed, and refused in one line where it cannot be."""

import socket
import time
from collections.abc import Iterator

import pytest
from distributed import LocalCluster

from citygrain import engines
from citygrain.engines import LateEngine
from citygrain.errors import InputError
from citygrain.tiles import map_tiles


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_PATIENCE", 1)


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as running:
        yield running


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"workers": 0}, "0 workers; wanted: at least 1"),
        (
            {"cluster": "10.0.0.5:8786"},
            r"cluster '10\.0\.0\.5:8786'; wanted: the address of a dask scheduler, as tcp://",
        ),
        *(
            ({"cluster": f"{wrong}"}, "wanted: the address of a dask scheduler")
            for wrong in ("tcp://", "tcp://[", "tcp://a b:1", "tls://a:1", "tcp://a:99999", "tcp://a:0", "tcp://a:1\n")
        ),
        ({"workers": 2, "cluster": "tcp://10.0.0.5:8786"}, "both workers and a cluster; wanted: one of them"),
    ],
)
def test_nonsense_is_refused_at_once(asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LateEngine(**asked)  # type: ignore[arg-type]


def test_nothing_is_started_that_nobody_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_started", lambda _: pytest.fail("started"))
    with LateEngine(workers=2) as late:
        assert late.asked
    with LateEngine() as late:
        assert late.engine is None and not late.asked


@pytest.mark.usefixtures("patience")
def test_where_nobody_answers_it_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        begun = time.monotonic()
        with (
            LateEngine(cluster=address) as late,
            pytest.raises(InputError, match=f"no dask scheduler answers at {address}"),
        ):
            _ = late.engine
        assert time.monotonic() - begun < 10


@pytest.mark.usefixtures("patience")
def test_a_cluster_without_workers_or_with_another_citygrain_is_refused(cluster: LocalCluster) -> None:
    address = str(cluster.scheduler_address)
    with (
        LateEngine(cluster=address) as late,
        pytest.raises(InputError, match="has no worker; start one with `dask worker"),
    ):
        _ = late.engine
    cluster.scale(1)
    with LateEngine(cluster=address) as late:
        client = late.engine
        assert client is not None and late.engine is client
        assert map_tiles(abs, [-1, -2], engine=client) == [1, 2]
        with pytest.raises(InputError, match=r"workers with citygrain \S+ at tcp://\S+; wanted: 0\.0\.1, as here"):
            engines._look_at_workers(client, address, here="0.0.1")  # type: ignore[arg-type]
    assert cluster.status.name == "running"  # it is not ours


@pytest.mark.slow
def test_workers_are_processes_that_end_with_it() -> None:
    import psutil

    with LateEngine(workers=2) as late:
        assert not isinstance(late.engine, int) and late.engine is not None
        numbers = set(late.engine.run(_own_number).values())
        assert len(numbers) == 2 and all(psutil.pid_exists(number) for number in numbers)
        assert {own.laddr.ip for number in numbers for own in psutil.Process(number).net_connections()} == {"127.0.0.1"}
    assert not any(psutil.pid_exists(number) for number in numbers)


def _own_number() -> int:
    import os

    return os.getpid()
