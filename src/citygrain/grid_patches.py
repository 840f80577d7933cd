"""Cells of a regular grid, each seen through the patch around its centre: how a network of patches maps a scene.

So2Sat and its networks label a patch of 32 x 32 pixels by the Local Climate Zone at its middle, so a map of 100-m cells
needs one patch for each cell, centred on it. Published code puts the patch beside the cell or the map beside the ground
by up to one cell; here the two are tied by `GridPatches.geobox` and tested against each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.excerpt import Excerpt, around, reflected
from citygrain.grids import ground_of
from citygrain.rows import asked, cut_patches
from citygrain.tessellation import Block, scatter_units, valid_pixels
from citygrain.tiles import Tile, tile_grid
from citygrain.zones import STRIP, look_up, strips

__all__ = ["GridPatches", "GridRows"]


@dataclass(frozen=True)
class GridRows:
    """Patches (n, c, size, size) around the cells of a grid, cut when they are asked for.

    Missing values are filled as `GridPatches` says.

    Attributes
    ----------
    source : Excerpt, (c, height, width)
        The features, mirrored at the scene's edges.
    cells : ndarray of int, (n,)
        Number of each row's cell, in reading order.
    across : int
        Cells in a row of the grid.
    size : int
        Side of a patch in pixels.
    stride : int
        Side of a cell in pixels.
    holes : bool
        Whether any value may be missing and has to be filled.
    """

    source: Excerpt
    cells: npt.NDArray[np.int64]
    across: int
    size: int
    stride: int
    holes: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, c, size, size)."""
        return len(self.cells), int(self.source.data.shape[0]), self.size, self.size

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def lazy(self) -> bool:
        """Whether the scene is still to be read."""
        return self.source.lazy

    def __len__(self) -> int:
        return len(self.cells)

    def subset(self, rows: npt.NDArray[Any]) -> "GridRows":
        """Return the chosen rows, still uncut."""
        return replace(self, cells=self.cells[rows])

    def cropped(self) -> "GridRows":
        """Return the rows, still uncut, with their part of the scene."""
        if len(self) == 0:
            return self
        box = around(reflected(self._places(self.cells), self.size, self.source.scene))
        return replace(self, source=self.source.cut(box))

    def loaded(self) -> "GridRows":
        """Return the rows, still uncut, with their part of the scene in memory."""
        if len(self) == 0:
            return self
        source = self.cropped().source.read()
        return replace(self, source=source, holes=self.holes and not _whole(source.values))

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        from citygrain._rows import fill  # noqa: PLC0415 - compiled code only when patches are cut

        cells, single = asked(self.cells, rows)
        out = np.empty((len(cells), *self.shape[1:]), np.float32)
        cut_patches(self.source, self._places(cells), self.size, out)
        if self.holes:
            fill(out)
        return out[0] if single else out

    def _places(self, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return _corners(np.column_stack(np.divmod(cells, self.across)), self.size, self.stride)


@dataclass(frozen=True)
class GridPatches:
    """Cells of ``stride`` x ``stride`` pixels, each labelled by the patch of ``size`` x ``size`` pixels centred on it.

    The grid starts at the scene's upper left corner. A cell takes part if its centre lies in the scene, so cells at
    the right and lower edge may reach out of it. The patch's centre is the cell's centre where `size` and `stride` are
    both even or both odd; else no patch can be centred, and it lies half a pixel up and left of the cell's centre.

    A cell has a class if at least half of its own pixels within the scene have data; a pixel has data if any of its
    bands has. Missing values in the patch of such a cell take the patch's mean of that band, since a network without
    standardisation would read them as 0, which is black. A band without any value in the patch stays missing.

    Attributes
    ----------
    valid : DataArray of bool, (y, x)
        True where the scene has data; it may be lazy.
    size : int
        Side of the patches in pixels. The scene is reflected at its edges.
    stride : int
        Side of the cells in pixels: 10 makes 100-m cells of Sentinel-2.

    Raises
    ------
    InputError
        If the scene is smaller than a patch, or a side is no positive number.

    Examples
    --------
    >>> from citygrain.tessellation import raster_like
    >>> grid = GeoBox.from_bbox((0, 0, 400, 360), "EPSG:32633", resolution=10)
    >>> cells = GridPatches(raster_like(np.ones((36, 40), bool), grid), size=32, stride=10)
    >>> len(cells), cells.geobox.shape, cells.geobox.resolution.x
    (16, Shape2d(x=4, y=4), 100.0)
    >>> cells.scatter(np.arange(1, 17)).values[0].tolist()
    [1, 2, 3, 4]
    """

    by_window: ClassVar[bool] = True

    valid: xr.DataArray
    size: int = 32
    stride: int = 10

    def __post_init__(self) -> None:
        height, width = self.valid.shape
        if self.stride < 1:
            raise InputError(f"cells of {self.stride} pixels", wanted="1 or more")
        if not 1 <= self.size <= min(height, width):
            raise InputError(f"a scene of {height} x {width} pixels", wanted=f"room for a patch of {self.size} pixels")
        if min(self._shape) < 1:
            raise InputError(f"a scene of {height} x {width} pixels", wanted=f"room for a cell of {self.stride} pixels")

    @classmethod
    def of(cls, features: xr.DataArray, *, size: int = 32, stride: int = 10) -> "GridPatches":
        """Make the tessellation of a raster (band, y, x); a pixel has data when any of its bands has a value."""
        return cls(valid_pixels(features), size, stride)

    @property
    def geobox(self) -> GeoBox:
        """Grid of the cells."""
        scene: GeoBox = self.valid.odc.geobox
        cells: GeoBox = scene.zoom_out(self.stride).crop(self._shape)
        return cells

    def __len__(self) -> int:
        return len(self._cells)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return the names unchanged: a patch holds the features."""
        return tuple(features)

    def gather(self, features: xr.DataArray) -> GridRows:
        """Return rows (n, c, size, size), cut on demand.

        Raises
        ------
        InputError
            If the features are not on the scene's grid.
        """
        return self.rows(features)

    def rows(self, features: xr.DataArray) -> GridRows:
        """Return rows (n, c, size, size), cut on demand."""
        if features.shape[1:] != self.valid.shape:
            raise InputError(
                f"features of {features.shape[1:]} and cells of {self.valid.shape} pixels", wanted="one grid for both"
            )
        source = Excerpt.of(features)
        holes = source.lazy or not _whole(source.values)
        return GridRows(source, self._cells, self._shape[1], self.size, self.stride, holes)

    def blocks(self, side: int) -> Iterator[Block]:
        """Yield windows of the grid, at most `side` pixels of the scene high and wide, with their cells with data."""
        for tile in tile_grid(self._shape, max(1, side // self.stride)):
            numbers = self.parts(tile)
            yield tile, numbers[numbers >= 0]

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values, one pixel for each cell; no data is 0, or NaN for floats."""
        return scatter_units(self, values)

    def spread(self, table: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Return a window of the raster of the values."""
        return look_up(self._numbers[tile.slices], table)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return the row of each cell in a window of the grid of cells; -1 is no data."""
        return self._numbers[tile.slices].astype(np.int64)

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground of each cell and its patch together within the scene, (n, 4)."""
        place = np.column_stack(np.divmod(self._cells, self._shape[1]))
        corners, cells = _corners(place, self.size, self.stride), place * self.stride
        first = np.clip(np.minimum(corners, cells), 0, None)
        last = np.minimum(np.maximum(corners + self.size, cells + self.stride), self.valid.shape)
        scene: GeoBox = self.valid.odc.geobox
        return ground_of(np.column_stack([first, last]), scene)

    @property
    def _shape(self) -> tuple[int, int]:
        """Rows and columns of the cells whose centre lies in the scene."""
        height, width = ((2 * side + self.stride - 1) // (2 * self.stride) for side in self.valid.shape)
        return height, width

    @cached_property
    def _with_data(self) -> npt.NDArray[np.bool_]:
        pixels = _block_sums(self.valid, self.stride, self._shape)
        rows, columns = (
            np.minimum(side - self.stride * np.arange(number, dtype=np.int32), self.stride)
            for side, number in zip(self.valid.shape, self._shape, strict=True)
        )
        return np.asarray((pixels > 0) & (2 * pixels >= rows[:, None] * columns))

    @cached_property
    def _cells(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self._with_data)

    @cached_property
    def _numbers(self) -> npt.NDArray[np.int32]:
        flat = self._with_data.ravel()
        return np.where(flat, np.cumsum(flat, dtype=np.int32) - 1, -1).reshape(self._shape).astype(np.int32)


def _corners(place: npt.NDArray[np.int64], size: int, stride: int) -> npt.NDArray[np.int64]:
    """Return the upper left pixel of the patch of each cell (row, column); it may lie outside the scene."""
    return np.ascontiguousarray(place * stride + (stride - size) // 2)


def _whole(values: npt.NDArray[Any]) -> bool:
    """Tell whether no value (c, height, width) is missing; band by band, to spare memory."""
    return all(np.isfinite(band).all() for band in values)


def _block_sums(valid: xr.DataArray, side: int, shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Count the True pixels in each block of `side`, by strips; the last blocks may be cut off by the edge."""
    sums = np.empty(shape, np.int32)
    for first, _, last, _ in strips((0, 0, *shape), max(1, STRIP // side**2)):  # rows of blocks
        kept = valid.variable[first * side : last * side, : shape[1] * side].values
        rows = np.add.reduceat(kept, np.arange(0, kept.shape[0], side), axis=0, dtype=np.int32)
        sums[first:last] = np.add.reduceat(rows, np.arange(0, kept.shape[1], side), axis=1, dtype=np.int32)
    return sums
