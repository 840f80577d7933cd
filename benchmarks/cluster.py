"""Superpixels on a dask cluster of this machine: one worker and two, what the scheduler costs, and what is moved.

    python -m benchmarks.cluster [--quick]

Workers are processes of one thread, to which the client talks directly; the bytes are also counted where all of them
go through the scheduler, as dask does by default. They are all that passes the machine's own network device meanwhile,
once each: what a cluster of several machines would send. They stand beside the bytes of the scene in 16 bits. The
scheduler's cost is that of a task that does nothing, beside a plain call. For information: no ratio is wanted.
"""

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import xarray as xr

from benchmarks.frame import Row, command_line
from benchmarks.scenes import large
from citygrain.segments.slic import superpixels
from citygrain.tiles import Tile, map_tiles, tile_grid

if TYPE_CHECKING:
    from distributed import Client

BANDS = 8

SEGMENT = 100
"""Pixels of a superpixel: 1 ha at 10 m."""


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows of speed-up, scheduler and traffic."""
    side, tiles = (256, 50) if quick else (4_096, 2_000)
    features = xr.DataArray(large(side, BANDS), dims=("band", "y", "x"))
    cut = partial(superpixels, n_segments=side * side // SEGMENT)
    serial = np.asarray(cut(features, engine=1))
    took, moved, each = {}, {}, 0.0
    for workers, direct in ((1, True), (2, False), (2, True)):
        with _client(workers, direct=direct) as client:
            cut(features[:, :128, :128], n_segments=160, engine=client)  # load, compile
            before, start = _moved(), time.perf_counter()
            labels = np.asarray(cut(features, engine=client))
            took[workers] = time.perf_counter() - start  # of two workers, the second time counts
            moved[direct] = (_moved() - before) / side**2
            each = _per_tile(client, tiles) if workers == 2 and direct else each
        if not (labels == serial).all():
            raise AssertionError(f"{workers} workers give other superpixels than none")
    what = f"superpixels of {side * side / 1e6:.1f} Mpixel on dask"
    alone = _per_tile(1, tiles)
    return [
        Row(f"{what}: 2 workers", took[2], took[1], "s", "1 worker", took[1] / took[2], None),
        _bytes(f"{what}: bytes moved per pixel", moved[True]),
        _bytes(f"{what}: bytes moved per pixel, all through the scheduler", moved[False]),
        Row("dask: scheduler per tile", each, alone, "ms", "a plain call", alone / each, None),
    ]


def _bytes(what: str, moved: float) -> Row:
    return Row(what, moved, 2 * BANDS, "", "the scene in 16 bits", 2 * BANDS / moved, None)


def _client(workers: int, *, direct: bool) -> "Client":
    from distributed import Client

    words: dict[str, Any] = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": "127.0.0.1:0",
        "direct_to_workers": direct,
    }
    return Client(**words, silence_logs=50)


def _moved() -> int:
    """Return the bytes that the machine has sent to itself since it started."""
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


def _nothing(tile: Tile) -> int:
    return tile.row


def _per_tile(engine: "int | Client", tiles: int) -> float:
    """Return milliseconds for a task that does nothing."""
    work = tile_grid((tiles, 1), 1)
    start = time.perf_counter()
    map_tiles(_nothing, work, engine=engine)
    return 1e3 * (time.perf_counter() - start) / tiles


if __name__ == "__main__":
    command_line(main, __doc__)
