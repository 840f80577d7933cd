"""Where the packed blocks of a scene are kept between the iterations: in memory, or in a scratch file.

The file has no name where the system allows it, so it is gone with the process however that ends. Blocks are read
and written whole, each thread into its own arrays; nothing is mapped, so what is held is what was asked for.
"""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from citygrain.errors import OutputError
from citygrain.segments._lattice import Lattice
from citygrain.segments._pack import block_size
from citygrain.tiles import Tile

__all__ = ["Block", "FileShelf", "MemoryShelf", "Shelf"]

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

    def __sizeof__(self) -> int:
        """Return its bytes, as dask asks for them to decide what to move, and what to write to disk."""
        return self.packed.nbytes + self.slots.nbytes


class Shelf(Protocol):
    """Keeps blocks by number; several threads may use it, each on its own block."""

    bands: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._blocks.clear()
        self._parts.clear()

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


class FileShelf:
    """Blocks in a scratch file.

    Parameters
    ----------
    lattice, tiles : Lattice, list of Tile
        The blocks, in lattice cells.
    bands : int
        Number of features.
    folder : Path, optional
        Where the file is made, by default where the system keeps such files.
    """

    def __init__(self, lattice: Lattice, tiles: list[Tile], bands: int, folder: Path | None) -> None:
        self.bands, self._depth = bands, bands + bands % 2
        self._tiles, self._edges = tiles, [lattice.edges(tile) for tile in tiles]
        self._rooms = [block_size(edges) for edges in self._edges]
        sizes = [max(room * (2 * self._depth + 1), 4 * room) for room in self._rooms]
        self._at = [0, *np.cumsum(sizes).tolist()]
        self._lock = Lock()
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, prefix="citygrain-")  # noqa: SIM115 - see __exit__
        except OSError as error:
            raise _no_room(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._tiles)

    def put(self, k: int, block: Block) -> None:
        """Keep a block."""
        self._write(self._at[k], block.packed)
        self.put_slots(k, block.slots)

    def get(self, k: int) -> Block:
        """Return a block."""
        packed = np.empty(self._rooms[k] * self._depth, np.int16)
        slots = np.empty(self._rooms[k], np.uint8)
        self._read(self._at[k], packed)
        self._read(self._at[k] + packed.nbytes, slots)
        return Block(self._tiles[k], self._edges[k], packed, slots)

    def put_slots(self, k: int, slots: npt.NDArray[np.uint8]) -> None:
        """Keep new slots of a block."""
        self._write(self._at[k] + 2 * self._depth * self._rooms[k], slots)

    def put_parts(self, k: int, parts: Int32) -> None:
        """Keep a raster of a block's connected parts instead of the block."""
        self._write(self._at[k], parts)

    def take_parts(self, k: int) -> Int32:
        """Return it."""
        rows, columns = self._edges[k]
        parts = np.empty((rows[-1] - rows[0], columns[-1] - columns[0]), np.int32)
        self._read(self._at[k], parts)
        return parts

    def _read(self, at: int, values: npt.NDArray[Any]) -> None:
        """Fill an array; where the system can read at a place, threads need not wait for each other."""
        rest = memoryview(values.data).cast("B")
        while rest:
            if hasattr(os, "preadv"):
                count = os.preadv(self._file.fileno(), [rest], at)
            else:
                with self._lock:
                    self._file.seek(at)
                    count = self._file.readinto(rest)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            rest, at = rest[count:], at + count

    def _write(self, at: int, values: npt.NDArray[Any]) -> None:
        rest = memoryview(np.ascontiguousarray(values).data).cast("B")
        try:
            while rest:
                if hasattr(os, "pwritev"):
                    count = os.pwritev(self._file.fileno(), [rest], at)
                else:
                    with self._lock:
                        self._file.seek(at)
                        count = self._file.write(rest)
                        self._file.flush()
                rest, at = rest[count:], at + count
        except OSError as error:
            raise _no_room(error) from error


def _no_room(error: OSError) -> OutputError:
    came = f"the scratch file of the superpixels could not be written: {error.strerror or error}"
    return OutputError(came, mend="name a scratch folder with room, or allow more memory")
