"""How the work fits into the memory allowed: where the blocks are kept, and how many threads work."""

from dataclasses import dataclass
from pathlib import Path

from citygrain.errors import InputError
from citygrain.segments._lattice import Lattice
from citygrain.segments._pack import block_size
from citygrain.segments._shelf import FileShelf, MemoryShelf, Shelf
from citygrain.tiles import Tile

__all__ = ["Plan", "plan_memory", "reading_threads", "table_bytes", "work_bytes"]


@dataclass(frozen=True)
class Plan:
    """How a scene is worked on.

    Attributes
    ----------
    lattice, tiles, bands : Lattice, list of Tile, int
        What there is to do: blocks in lattice cells, and the number of features.
    threads : int
        Threads of this process.
    on_disk : bool
        Whether the blocks are kept in a scratch file.
    """

    lattice: Lattice
    tiles: list[Tile]
    bands: int
    threads: int
    on_disk: bool

    @property
    def sendable(self) -> int:
        """Blocks that can be held at a time, each packed for another process too, while no thread works here."""
        packed = 2 * (self.bands + self.bands % 2) + 1
        return max(1, self.threads * work_bytes(60, self.bands) // (3 * 60 * packed))

    def shelf(self, scratch: Path | None) -> Shelf:
        """Make the shelf of the blocks."""
        if self.on_disk:
            return FileShelf(self.lattice, self.tiles, self.bands, scratch)
        return MemoryShelf(len(self.tiles), self.bands)


def plan_memory(
    lattice: Lattice, tiles: list[Tile], bands: int, memory: int | None, threads: int, *, kept: int = 0
) -> Plan:
    """Decide what is kept where, and how many threads there is memory for; `kept` tables of centres are remembered.

    Raises
    ------
    InputError
        If one thread is too many.
    """
    if memory is None:
        return Plan(lattice, tiles, bands, threads, on_disk=False)
    room = max(block_size(lattice.edges(tile)) for tile in tiles)
    work, tables = work_bytes(room, bands), table_bytes(lattice, bands, kept)
    if tables + work > memory:
        need = -(-(tables + work) // 2**20)
        came = f"memory of {memory // 2**20} MB for {lattice.wanted} segments of {bands} features"
        raise InputError(came, wanted=f"at least {need} MB", mend="allow more, or make fewer segments")
    height, width = int(lattice.rows[-1]), int(lattice.columns[-1])
    stored = height * width * max(4, 2 * (bands + bands % 2) + 2)
    on_disk = tables + stored + work > memory
    free = memory - tables - (0 if on_disk else stored)
    return Plan(lattice, tiles, bands, max(1, min(threads, free // work)), on_disk)


def reading_threads(side: int, bands: int, memory: int | None, threads: int) -> int:
    """Return how many threads may read windows of `side` pixels at a time, before anything else is held."""
    return threads if memory is None else max(1, min(threads, memory // work_bytes(side * side, bands)))


def work_bytes(room: int, bands: int) -> int:
    """Return what a thread holds of a block of `room` pixels: read, packed, its rasters and the table of its parts.

    A window is counted four times, for what makes it; a part is taken for every sixth pixel.
    """
    return room * (16 * bands + 2 * bands + 2 + 40 + (20 * bands + 80) // 6)


def table_bytes(lattice: Lattice, bands: int, kept: int = 0) -> int:
    """Return what the tables of centres, of their changes, and of the pieces of all blocks take.

    `kept` older tables are those from which a cluster's lost blocks are made again.
    """
    cells = (lattice.shape[0] + 2) * (lattice.shape[1] + 2)
    centres = 16 * (bands + 3) + 4 * bands + 40 + kept * (2 * bands + 9)
    pieces = 3 * (20 * bands + 80)
    return cells * (centres + pieces)
