"""The lattice that fixes the seeds to the scene, and the small table of centres that is all the tiles share."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from citygrain.segments._kernel import MOVED, mean_cells
from citygrain.tiles import Tile, tile_grid

__all__ = ["Centres", "Lattice", "Table", "lay_lattice", "ring"]

Ints = npt.NDArray[np.int64]
Table = tuple[npt.NDArray[np.int16], Ints, npt.NDArray[np.uint8]]
"""Features, places and states of centres, as `_kernel.assign` takes them."""


@dataclass(frozen=True)
class Lattice:
    """Cells fixed to the scene.

    Attributes
    ----------
    rows, columns : ndarray of int64
        Edges of the rows and columns of cells, in pixels.
    wanted : int
        Number of segments asked for.
    area : float
        Mean area of a cell in pixels.
    """

    rows: Ints
    columns: Ints
    wanted: int
    area: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.rows.size - 1, self.columns.size - 1

    def edges(self, tile: Tile) -> tuple[Ints, Ints]:
        """Return the edges in the scene of the cells in `tile` (in cells)."""
        rows = self.rows[tile.row : tile.row + tile.height + 1]
        return rows, self.columns[tile.column : tile.column + tile.width + 1]

    def tiles(self, size: int) -> list[Tile]:
        """Cut the lattice into tiles (in cells) of at most `size` pixels, or one cell."""
        height, width = self.largest
        return tile_grid(self.shape, (max(1, size // height), max(1, size // width)))

    @property
    def largest(self) -> tuple[int, int]:
        """Height and width of the largest cell."""
        return int(np.diff(self.rows).max()), int(np.diff(self.columns).max())

    @property
    def reach(self) -> float:
        """Largest squared distance of a pixel from a candidate centre, three cells each way, in mean areas."""
        height, width = self.largest
        return 9 * (height**2 + width**2) / self.area


@dataclass(frozen=True)
class Centres:
    """The table of centres, by lattice cell, with a ring of empty cells around.

    Attributes
    ----------
    sums : ndarray of int64, (i, j, band + 3)
        Sums over the members: features, rows, columns, pixels.
    features : ndarray of int16, (i, j, band)
        Mean features.
    places : ndarray of int64, (i, j, 2)
        Mean row and column, in sub-pixels.
    states : ndarray of uint8, (i, j)
        0 = no centre, 1 = as before, 2 = moved.
    """

    sums: Ints
    features: npt.NDArray[np.int16]
    places: Ints
    states: npt.NDArray[np.uint8]

    @classmethod
    def none(cls, shape: tuple[int, int], bands: int) -> "Centres":
        """Make the table of a lattice of `shape` cells, without members."""
        i, j = shape[0] + 2, shape[1] + 2
        sums, features = np.zeros((i, j, bands + 3), np.int64), np.zeros((i, j, bands), np.int16)
        return cls(sums, features, np.zeros((i, j, 2), np.int64), np.zeros((i, j), np.uint8))

    def part(self, tile: Tile) -> "Centres":
        """Return the centres of `tile` (in cells) and of the ring of cells around it."""
        window = ring(tile)
        return Centres(self.sums[window], self.features[window], self.places[window], self.states[window])

    def table(self) -> Table:
        """Return what an assignment needs of them."""
        features, places = np.ascontiguousarray(self.features), np.ascontiguousarray(self.places)
        return features, places, np.ascontiguousarray(self.states)

    def moved(self) -> "Centres":
        """Return the centres after their sums have changed; one without members stays where it was."""
        members = self.sums[..., -1:] > 0
        features, places = np.empty_like(self.features), np.empty_like(self.places)
        mean_cells(self.sums, self.features, self.places, features, places)
        stayed = (features == self.features).all(axis=-1) & (places == self.places).all(axis=-1) & (self.states > 0)
        states = np.where(stayed, 1, np.where(members[..., 0], MOVED, self.states)).astype(np.uint8)
        return Centres(self.sums, features, places, states)


def ring(tile: Tile) -> tuple[slice, slice]:
    """Return where the centres of `tile` (in cells) and of the ring of cells around it lie in their table."""
    return slice(tile.row, tile.row + tile.height + 2), slice(tile.column, tile.column + tile.width + 2)


def lay_lattice(shape: tuple[int, int], valid: int, wanted: int) -> Lattice:
    """Lay so many cells, about square, over a scene of `shape` that `wanted` cover the `valid` pixels with data."""
    height, width = shape
    cells = wanted * (height * width) / valid
    down = min(height, max(1, round(sqrt(cells * height / width))))
    across = min(width, max(1, round(cells / down)))
    rows, columns = np.arange(down + 1) * height // down, np.arange(across + 1) * width // across
    return Lattice(rows, columns, wanted, height * width / (down * across))
