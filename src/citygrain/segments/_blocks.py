"""What is done to the blocks of a scene, and who does it: the threads of this process, on the blocks on the shelf."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from citygrain.segments import _kernel
from citygrain.segments._connect import Pieces, cut_pieces
from citygrain.segments._lattice import Centres, Table
from citygrain.segments._shelf import Block, Shelf
from citygrain.tiles import Tile, map_tiles

__all__ = ["Blocks", "BlocksHere", "Steps"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Steps:
    """What is done to a block, wherever it lies: pure functions, small enough to be sent with each block.

    Attributes
    ----------
    bands : int
        Number of features.
    weight : float
        Of nearness against likeness, see `_kernel.assign`.
    across : int
        Columns of the lattice.
    shape : (int, int)
        Rows and columns of the scene.
    limits : (int, int)
        Sizes of fragments, see `cut_pieces`.
    """

    bands: int
    weight: float
    across: int
    shape: tuple[int, int]
    limits: tuple[int, int]

    def sums(self, block: Block) -> Ints:
        """Return the sums of a block of which each pixel is still in its own cell."""
        return _kernel.sum_cells(block.packed, block.slots, block.edges, self.bands)

    def assign(self, block: Block, table: Table) -> tuple[Block, Ints]:
        """Return a block with its new slots, and the change of the sums: the map of map and reduce."""
        slots, change = _kernel.assign(block.packed, block.slots, block.edges, table, self.weight)
        return replace(block, slots=slots), change

    def cut(self, block: Block) -> tuple[Ints32, Pieces]:
        """Return the connected pieces of a block as a raster, and what there is to know of them."""
        clusters = _kernel.paint(block.slots, block.edges, (block.tile.row, block.tile.column), self.across)
        return cut_pieces(clusters, block.packed, block.edges, (self.bands, *self.shape), limits=self.limits)


class Blocks(Protocol):
    """All blocks of a scene, and who works on them."""

    def sums(self) -> Iterable[tuple[Tile, Ints]]:
        """Give the sums of each block at the beginning."""

    def assign(self, centres: Centres) -> Iterable[tuple[Tile, Ints]]:
        """Assign the pixels of each block; give the changes of its sums."""

    def cut(self) -> list[Pieces]:
        """Find the connected pieces of each block; they take its place on the shelf."""


@dataclass(frozen=True)
class BlocksHere:
    """Blocks on the shelf, worked on by threads."""

    shelf: Shelf
    steps: Steps
    threads: int

    def sums(self) -> Iterable[tuple[Tile, Ints]]:
        """Give the sums of each block at the beginning."""
        return map_tiles(self._sum, range(len(self.shelf)), engine=self.threads)

    def assign(self, centres: Centres) -> Iterable[tuple[Tile, Ints]]:
        """Assign the pixels of each block; give the changes of its sums."""
        return map_tiles(partial(self._assign, centres), range(len(self.shelf)), engine=self.threads)

    def cut(self) -> list[Pieces]:
        """Find the connected pieces of each block; they take its place on the shelf."""
        return map_tiles(self._cut, range(len(self.shelf)), engine=self.threads)

    def _sum(self, k: int) -> tuple[Tile, Ints]:
        block = self.shelf.get(k)
        return block.tile, self.steps.sums(block)

    def _assign(self, centres: Centres, k: int) -> tuple[Tile, Ints]:
        block = self.shelf.get(k)
        after, change = self.steps.assign(block, centres.part(block.tile).table())
        self.shelf.put_slots(k, after.slots)
        return block.tile, change

    def _cut(self, k: int) -> Pieces:
        raster, pieces = self.steps.cut(self.shelf.get(k))
        self.shelf.put_parts(k, raster)
        return pieces
