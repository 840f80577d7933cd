"""Superpixels on a cluster: the bytes of the serial ones, whatever is lost; each block is moved once."""

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain import cluster
from citygrain.cluster import Kept
from citygrain.errors import CitygrainError, InputError
from citygrain.segments import slic
from citygrain.segments._far import BlocksThere, _aligned
from citygrain.segments._lattice import lay_lattice
from citygrain.segments._plan import Plan, plan_memory, table_bytes
from citygrain.segments._shelf import Block
from citygrain.segments.slic import superpixels
from citygrain.tiles import Tile
from helpers.futures import all_forgotten

BANDS = 8


def quilt(height: int, width: int, seed: int = 0, bands: int = 4) -> xr.DataArray:
    """Patches with noise, and a hole."""
    rng = np.random.default_rng(seed)
    plots = rng.random((bands, height // 9 + 1, width // 7 + 1))
    values = plots.repeat(9, 1).repeat(7, 2)[:, :height, :width] + rng.normal(0, 0.02, (bands, height, width))
    values[:, 20:30, 12:40] = np.nan
    return xr.DataArray(values.astype(np.float32), dims=("band", "y", "x"))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers in this process."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=False, dashboard_address=":0") as here,
        Client(here) as client,
    ):
        yield client


@pytest.mark.slow
def test_the_bytes_of_the_serial_ones(client: Client) -> None:
    @given(block=st.integers(5, 90), seed=st.integers(0, 5), memory=st.sampled_from([None, 12 * 2**20, 2**30]))
    @settings(max_examples=8)
    def law(block: int, seed: int, memory: int | None) -> None:
        scene = quilt(80, 70, seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slic, "BLOCK", block)
            there = superpixels(scene, n_segments=60, engine=client, memory=memory)
            here = superpixels(scene, n_segments=60, engine=1)
        assert there.values.tobytes() == here.values.tobytes()
        assert there.attrs == here.attrs

    law()
    assert all_forgotten(client)


def test_a_block_is_moved_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is sent and all that comes back, as dask would pack it: a little more than the scene in 16 bits."""
    moved = {"blocks": 0, "answers": 0, "tasks": 0}
    place, take, submit = cluster._place, Kept.take, client.submit

    def placed(there: Client, value: object) -> Any:
        moved["blocks"] += len(pickle.dumps(value, 5))
        return place(there, value)

    def taken(kept: Kept[Any], future: Any) -> Any:
        answer = take(kept, future)
        moved["answers"] += len(pickle.dumps(answer, 5))
        return answer

    def submitted(function: Callable[..., Any], *arguments: Any, **words: Any) -> Any:
        own = [argument for argument in arguments if not hasattr(argument, "key")]
        moved["tasks"] += len(pickle.dumps((function, own), 5))
        return submit(function, *arguments, **words)

    monkeypatch.setattr(cluster, "_place", placed)
    monkeypatch.setattr(Kept, "take", taken)
    monkeypatch.setattr(client, "submit", submitted)
    monkeypatch.setattr(slic, "BLOCK", 200)
    scene = quilt(600, 600, bands=BANDS)
    superpixels(scene, n_segments=scene[0].size // 400, engine=client)
    pixels = scene[0].size
    assert 2 * BANDS + 1 <= moved["blocks"] / pixels < 2 * BANDS + 2
    assert moved["answers"] / pixels < 7  # 2 for the pieces, the rest for sums of ten iterations
    assert moved["tasks"] / pixels < 4  # the centres


def test_older_centres_are_counted_and_no_more_is_sent_than_there_is_room_for() -> None:
    lattice = lay_lattice((400, 500), 400 * 500, 500)
    assert table_bytes(lattice, 8, kept=10) - table_bytes(lattice, 8) >= 10 * 500 * 25
    one, many = (Plan(lattice, lattice.tiles(100), 8, threads, on_disk=False).sendable for threads in (1, 16))
    assert 1 <= one < many
    with pytest.raises(InputError, match="MB"):
        plan_memory(lattice, lattice.tiles(100), 8, 2 * 10**7, 1, kept=10**4)


def test_what_was_received_is_compiled_for_what_is_here() -> None:
    """A message is cut into arrays that begin anywhere, and numba compiles for those anew."""
    anywhere = np.frombuffer(bytes(1 + 8 * 40), np.int64, offset=1)
    assert not anywhere.flags.aligned
    block = _aligned(Block(Tile(0, 0, 1, 1), (anywhere, anywhere), anywhere.view(np.int16), anywhere.view(np.uint8)))
    for values in (*block.edges, block.packed, block.slots):
        assert values.flags.aligned and values.flags.writeable
    assert _aligned(block).packed is block.packed


@pytest.mark.slow
def test_workers_may_be_killed_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slic, "BLOCK", 40)
    scene = quilt(300, 320)
    whole = superpixels(scene, n_segments=900, engine=1).values
    begun: list[int] = []
    victims: set[int] = set()
    begin, take = BlocksThere._begin, Kept.take

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as here, Client(here) as client:

        def kill(count: int) -> None:
            for pid in list(client.run(os.getpid).values())[:count]:
                os.kill(pid, signal.SIGKILL)

        def beginning(blocks: BlocksThere, share: int) -> Any:
            begun.append(share)
            if len(begun) in victims:
                kill(1)
            return begin(blocks, share)

        def taking(kept: Kept[Any], future: Any) -> Any:
            taken.append(None)
            if len(taken) == doom[0]:
                kill(doom[1])
            return take(kept, future)

        monkeypatch.setattr(BlocksThere, "_begin", beginning)
        monkeypatch.setattr(Kept, "take", taking)
        doom, taken = (0, 0), []  # nobody dies
        assert superpixels(scene, n_segments=900, engine=client).values.tobytes() == whole.tobytes()
        shares = len(begun)
        assert begun == list(range(shares)) and len(taken) == 12 * shares
        for where, when in (("sent", (0, 0)), ("assigned", (5 * shares, 1)), ("cut", (11 * shares + 3, 2))):
            client.wait_for_workers(2)
            begun, taken, doom = [], [], when
            victims = {shares // 2} if where == "sent" else set()
            assert superpixels(scene, n_segments=900, engine=client).values.tobytes() == whole.tobytes()
            assert len(begun) > shares, where
        assert all_forgotten(client)


def test_no_worker_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as here,
        Client(here) as client,
        pytest.raises(CitygrainError, match="no worker"),
    ):
        superpixels(quilt(40, 50), n_segments=20, engine=client)
