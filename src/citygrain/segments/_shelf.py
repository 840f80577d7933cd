"""Where the packed blocks of a scene are kept between the iterations: in memory, or in a scratch file."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from citygrain.tiles import Tile

__all__ = ["Block", "MemoryShelf", "Shelf"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """One tile's share of the work, whole in itself, so that it can be sent to another process.

    Attributes
    ----------
    tile : Tile
        Its lattice cells.
    edges : tuple of ndarray of int64
        Rows and columns of the cells in the scene.
    packed : ndarray of int16
        Quantised features, by cells.
    slots : ndarray of uint8
        The centre that each pixel belongs to, by cells.
    """

    tile: Tile
    edges: tuple[Int64, Int64]
    packed: npt.NDArray[np.int16]
    slots: npt.NDArray[np.uint8]


class Shelf(Protocol):
    """Keeps blocks by number; several threads may use it, each on its own block."""

    bands: int

    def __len__(self) -> int: ...

    def put(self, k: int, block: Block) -> None:
        """Keep a block."""

    def get(self, k: int) -> Block:
        """Return a block."""

    def put_slots(self, k: int, slots: npt.NDArray[np.uint8]) -> None:
        """Keep new slots of a block."""

    def put_parts(self, k: int, parts: Int32) -> None:
        """Keep a raster of a block's connected parts instead of the block."""

    def take_parts(self, k: int) -> Int32:
        """Return it, and forget it."""


class MemoryShelf:
    """Blocks in memory."""

    def __init__(self, size: int, bands: int) -> None:
        self.bands = bands
        self._blocks: list[Block | None] = [None] * size
        self._parts: list[Int32 | None] = [None] * size

    def __len__(self) -> int:
        return len(self._blocks)

    def put(self, k: int, block: Block) -> None:
        """Keep a block."""
        self._blocks[k] = block

    def get(self, k: int) -> Block:
        """Return a block."""
        block = self._blocks[k]
        if block is None:
            raise KeyError(k)
        return block

    def put_slots(self, k: int, slots: npt.NDArray[np.uint8]) -> None:
        """Keep new slots of a block."""
        self._blocks[k] = replace(self.get(k), slots=slots)

    def put_parts(self, k: int, parts: Int32) -> None:
        """Keep a raster of a block's connected parts instead of the block."""
        self._blocks[k], self._parts[k] = None, parts

    def take_parts(self, k: int) -> Int32:
        """Return it, and forget it."""
        parts, self._parts[k] = self._parts[k], None
        if parts is None:
            raise KeyError(k)
        return parts
