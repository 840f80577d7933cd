from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.tiles import Tile, map_tiles, stream_tiles, tile_grid


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
def test_tiles_cover_each_pixel_once(height: int, width: int, size: int) -> None:
    seen = np.zeros((height, width), int)
    for tile in tile_grid((height, width), size):
        seen[tile.slices] += 1
    assert (seen == 1).all()


@given(st.integers(0, 30), st.integers(0, 12))
def test_a_halo_stays_inside(row: int, halo: int) -> None:
    tile = Tile(row, 3, 8, 8).grown(halo, (40, 20))
    assert tile.row >= 0 and tile.column >= 0 and tile.row + tile.height <= 40 and tile.column + tile.width <= 20


def test_engines_agree_and_keep_the_order() -> None:
    tiles = tile_grid((50, 70), 9)
    serial = map_tiles(_area, tiles)
    assert map_tiles(_area, tiles, engine=4) == serial
    with Client(processes=False, dashboard_address=":0", n_workers=1, threads_per_worker=2) as client:
        assert map_tiles(_area, tiles, engine=client) == serial


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int]] = []
    map_tiles(_area, tile_grid((10, 10), 5), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@given(n=st.integers(0, 20), engine=st.integers(1, 4), taken=st.integers(0, 20))
def test_a_stream_keeps_the_order_and_takes_few_items_ahead(n: int, engine: int, taken: int) -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(n):
            made.append(number)
            yield number

    stream = stream_tiles(lambda shared, item: shared + item, items(), shared=100, engine=engine)
    assert list(islice(stream, taken)) == list(range(100, 100 + min(taken, n)))
    assert len(made) <= taken + engine
    stream.close()


def test_a_stream_over_a_cluster_shares_one_object_again_and_again() -> None:
    with Client(processes=False, dashboard_address=":0", n_workers=1, threads_per_worker=2) as client:
        for _ in range(3):
            assert list(stream_tiles(_scaled, range(9), shared=SHARED, engine=client)) == list(range(0, 90, 10))
        with pytest.raises(ZeroDivisionError):
            list(stream_tiles(_upside_down, range(9), shared=SHARED, engine=client))


def test_an_error_ends_a_stream() -> None:
    for engine in (1, 3):
        stream = stream_tiles(_upside_down, [2, 1, 0, 5], shared=SHARED, engine=engine)
        assert [next(stream), next(stream)] == [5, 10]
        with pytest.raises(ZeroDivisionError):
            next(stream)


SHARED = {"factor": 10, "weights": np.zeros(2**21)}  # larger than what dask warns of


def _scaled(shared: dict[str, Any], item: int) -> int:
    return int(shared["factor"] * item)


def _upside_down(shared: dict[str, Any], item: int) -> int:
    return int(shared["factor"] // item)


def test_no_tile_is_empty() -> None:
    with pytest.raises(InputError):
        tile_grid((4, 4), 0)


def _area(tile: Tile) -> int:
    return tile.height * tile.width + tile.row
