"""Windows over a raster, and the engines that run a function over them: serial, threads, or a dask cluster.

Results come back in tile order whatever the engine, so a reduction over them adds in a fixed order.
"""

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from citygrain.cluster import in_turn, map_on, stream_on
from citygrain.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Engine", "Progress", "Tile", "block_tiles", "map_tiles", "processors", "stream_tiles", "tile_grid"]

Progress = Callable[[int, int], None]
"""Called with (done, total); long functions take one as `progress`."""

Engine: TypeAlias = "int | Client"
"""Number of threads, or a client of a running cluster; no result depends on it."""

Result = TypeVar("Result")
Item = TypeVar("Item")
Shared = TypeVar("Shared")


@dataclass(frozen=True)
class Tile:
    """A window of a raster.

    Attributes
    ----------
    row, column : int
        Upper left pixel.
    height, width : int
        Size in pixels.
    """

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the window."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    def grown(self, halo: int, shape: tuple[int, int]) -> "Tile":
        """Return the window with `halo` pixels more on each side, cut at the raster's edge.

        Examples
        --------
        >>> Tile(0, 8, 8, 8).grown(2, (16, 16))
        Tile(row=0, column=6, height=10, width=10)
        """
        top, left = max(0, self.row - halo), max(0, self.column - halo)
        bottom = min(shape[0], self.row + self.height + halo)
        right = min(shape[1], self.column + self.width + halo)
        return Tile(top, left, bottom - top, right - left)


def processors() -> int:
    """Return the number of processors that this process may use.

    Examples
    --------
    >>> processors() >= 1
    True
    """
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def tile_grid(shape: tuple[int, int], size: int | tuple[int, int]) -> list[Tile]:
    """Cut a raster of `shape` (rows, columns) into windows of at most `size` pixels, row by row.

    Examples
    --------
    >>> tile_grid((3, 5), 3)
    [Tile(row=0, column=0, height=3, width=3), Tile(row=0, column=3, height=3, width=2)]
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise InputError(f"tile size {size}", wanted="at least 1 pixel")
    return [
        Tile(row, column, min(height, shape[0] - row), min(width, shape[1] - column))
        for row in range(0, shape[0], height)
        for column in range(0, shape[1], width)
    ]


def block_tiles(shape: tuple[int, int], blocks: tuple[int, int], *, pixels: int) -> list[Tile]:
    """Cut a raster along the blocks in which its file is kept, so that each block is read once.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the raster.
    blocks : (int, int)
        Rows and columns of a block.
    pixels : int
        A window has about so many at most; a larger block is a window by itself.

    Examples
    --------
    >>> [(tile.height, tile.width) for tile in block_tiles((600, 500), (256, 256), pixels=2**17)]
    [(256, 500), (256, 500), (88, 500)]
    """
    height, width = min(blocks[0], shape[0]), min(blocks[1], shape[1])
    across = min(shape[1], width * max(1, pixels // (height * width)))  # first along a row of blocks
    down = height * max(1, pixels // (height * across))
    return tile_grid(shape, (down, across))


def map_tiles(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    engine: "int | Client" = 1,
    progress: Progress | None = None,
) -> list[Result]:
    """Apply `function` to each item and return the results in the items' order.

    Parameters
    ----------
    function : callable
        Pure function of one item; on a cluster it and its result are pickled by dask between our own processes.
    items : sequence
        Tiles, or tiles with their data.
    engine : int or distributed.Client
        Number of threads, or a client of a running cluster.
    progress : callable, optional
        Called with (done, total).

    Examples
    --------
    >>> map_tiles(lambda tile: tile.width, tile_grid((2, 5), 2), engine=2)
    [2, 2, 1]
    """
    if not isinstance(engine, int):
        return _collect(map_on(engine, function, items), len(items), progress)
    if engine <= 1:
        return _collect(map(function, items), len(items), progress)
    with ThreadPoolExecutor(engine) as pool:
        return _collect(pool.map(function, items), len(items), progress)


def stream_tiles(
    function: Callable[[Shared, Item], Result],
    items: Iterable[Item],
    *,
    shared: Shared,
    engine: Engine = 1,
) -> Generator[Result]:
    """Yield ``function(shared, item)`` in the items' order, with no more than a few of them under way at a time.

    Items are taken as workers come free and results are handed on at once, so neither all items nor all results are
    ever held.

    Parameters
    ----------
    function : callable
        Pure function of the shared object and one item.
    items : iterable
        Tiles, or tiles with their data; made when they are needed.
    shared : object
        What all calls need, such as a model. A cluster gets it once, and hands it to workers as they need it.
    engine : int or distributed.Client
        Number of threads, or a client of a running cluster.

    Examples
    --------
    >>> list(stream_tiles(lambda area, tile: tile.width * area, tile_grid((2, 5), 2), shared=10, engine=2))
    [20, 20, 10]
    """
    if not isinstance(engine, int):
        yield from stream_on(engine, function, items, shared)
    elif engine <= 1:
        for item in items:
            yield function(shared, item)
    else:
        pool, patient = ThreadPoolExecutor(engine), True
        try:
            yield from in_turn(lambda item: pool.submit(function, shared, item), items, engine + 1)
        except KeyboardInterrupt:
            patient = False  # who interrupts does not wait for a worker that waits for a silent server
            raise
        finally:
            pool.shutdown(wait=patient, cancel_futures=not patient)


def _collect(results: Iterable[Result], total: int, progress: Progress | None) -> list[Result]:
    collected = []
    for done, result in enumerate(results, start=1):
        collected.append(result)
        if progress:
            progress(done, total)
    return collected
