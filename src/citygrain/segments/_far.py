"""The blocks of a scene on the workers of a cluster: sent once, cut there in the end.

Between the iterations only centres go there and changes of sums come back. The shelf keeps every block as it was at
the beginning, and the centres of each iteration are kept: so a block that is lost with its worker is made again.
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from citygrain.cluster import Kept, threads_of
from citygrain.segments._blocks import Steps
from citygrain.segments._connect import Pieces
from citygrain.segments._lattice import Centres, Table, ring
from citygrain.segments._shelf import Block, Shelf
from citygrain.tiles import Tile

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["BlocksThere"]

TOGETHER = 16
"""Blocks that are one task, at most: a task costs the scheduler some milliseconds, whatever it does."""

SHARES = 4
"""Tasks for each thread of the cluster, at least: so that all are busy to the end."""

Ints = npt.NDArray[np.int64]
Share = list[Block]


class BlocksThere:
    """Blocks that stay on the workers of a cluster.

    Parameters
    ----------
    shelf : Shelf
        All blocks as they are at the beginning; their pieces are put there in the end.
    steps : Steps
        What is done to them.
    tiles : list of Tile
        Where they lie, in lattice cells.
    client : distributed.Client
        A client of the cluster.
    room : int
        Blocks that this process has room for at a time.
    """

    def __init__(self, shelf: Shelf, steps: Steps, tiles: list[Tile], client: "Client", *, room: int) -> None:
        self._shelf, self._steps, self._tiles = shelf, steps, tiles
        together = max(1, min(TOGETHER, room, len(tiles) // (SHARES * threads_of(client))))
        self._shares = [range(len(tiles))[first : first + together] for first in range(0, len(tiles), together)]
        self._kept: Kept[Share] = Kept(client, len(self._shares), self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._kept.__exit__(*error)

    def sums(self) -> Iterator[tuple[Tile, Ints]]:
        """Give the sums of each block at the beginning."""
        return self._with_tiles(self._kept.ask(partial(_sum, self._steps)))

    def assign(self, centres: Centres) -> Iterator[tuple[Tile, Ints]]:
        """Assign the pixels of each block; give the changes of its sums."""
        part = partial(self._parts, _thin(centres))
        return self._with_tiles(self._kept.advance(partial(_assign, self._steps), part))

    def cut(self) -> list[Pieces]:
        """Find the connected pieces of each block; they take its place on the shelf."""
        found = []
        for share, cut in zip(self._shares, self._kept.ask(partial(_cut, self._steps), last=True), strict=True):
            for k, (raster, pieces) in zip(share, cut, strict=True):
                self._shelf.put_parts(k, raster.astype(np.int32))
                found.append(pieces)
        return found

    def _begin(self, share: int) -> Share:
        return [self._shelf.get(k) for k in self._shares[share]]

    def _with_tiles(self, answers: Iterator[list[Ints]]) -> Iterator[tuple[Tile, Ints]]:
        for share, answer in zip(self._shares, answers, strict=True):
            yield from zip((self._tiles[k] for k in share), answer, strict=True)

    def _parts(self, table: Table, share: int) -> list[Table]:
        """Cut what each block of a share needs out of the table of centres."""
        windows = [ring(self._tiles[k]) for k in self._shares[share]]
        return [tuple(np.ascontiguousarray(column[window]) for column in table) for window in windows]  # type: ignore[misc]


def _thin(centres: Centres) -> Table:
    """Return what is kept of the centres of an iteration: places in half the bytes."""
    return centres.features, centres.places.astype(np.int32), centres.states


def _sum(steps: Steps, share: Share) -> list[Ints]:
    return [_small(steps.sums(_aligned(block))) for block in share]


def _assign(steps: Steps, share: Share, parts: list[Table]) -> tuple[Share, list[Ints]]:
    blocks, changes = [], []
    for block, (features, places, states) in zip(share, parts, strict=True):
        table = _plain(features), places.astype(np.int64), _plain(states)
        after, change = steps.assign(_aligned(block), table)
        blocks.append(after)
        changes.append(_small(change))
    return blocks, changes


def _cut(steps: Steps, share: Share) -> list[tuple[npt.NDArray[Any], Pieces]]:
    return [(_small(raster), pieces) for raster, pieces in map(steps.cut, map(_aligned, share))]


def _aligned(block: Block) -> Block:
    """Return a block as it was before it was sent: for arrays that begin anywhere all would be compiled once more."""
    rows, columns = block.edges
    return Block(block.tile, (_plain(rows), _plain(columns)), _plain(block.packed), _plain(block.slots))


def _plain(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.require(values, requirements=("A", "C", "W"))


def _small(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return whole numbers in as few bytes as they need, to be moved."""
    least, most = int(values.min(initial=0)), int(values.max(initial=0))
    for kind in (np.uint16, np.int16, np.int32):
        if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max:
            return values.astype(kind)
    return values
