"""Tessellations: cuts of a scene into the units that a model sees as rows.

A map is ``scatter(predict(gather(scene)))``. Pixels and superpixels differ only here; a model sees rows, never
geometry. Each tessellation is a table from pixels to rows (`parts`), so a map is a look-up, not a search. Features and
superpixels may be lazy: all is done by windows, and what comes out does not depend on them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.excerpt import Excerpt
from citygrain.grids import check_grid, grid_of, ground_of, raster_like
from citygrain.rows import PatchRows, PixelRows, SceneRows
from citygrain.segment_rows import Segments, StatisticRows, statistic_rows
from citygrain.tiles import Tile, tile_grid
from citygrain.zones import look_up, strips

__all__ = [
    "Pixels",
    "SegmentPatches",
    "SegmentStatistics",
    "Tessellation",
    "ground_of",
    "raster_like",
    "scatter_units",
    "valid_pixels",
    "value_table",
]

OUTLINE = "SEGMENT"
"""Name of the channel that is 1 inside the superpixel and 0 outside."""

Rows = Any
"""Array-like (n, c) or (n, c, h, w): has `shape` and `dtype`, and ``rows[index]`` is a NumPy array."""


Block = tuple[Tile, npt.NDArray[np.int64]]
"""A window of the grid of the map, and rows of units."""


class Tessellation(Protocol):
    """A cut of the scene into n units."""

    by_window: ClassVar[bool]
    """Whether each unit is one pixel of the map, so that a window of the map holds all pixels of its units."""

    @property
    def geobox(self) -> GeoBox:
        """Grid of the raster that `scatter` gives."""
        ...

    def __len__(self) -> int: ...

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return the name of each column that `gather` makes of these features."""
        ...

    def gather(self, features: xr.DataArray) -> Rows:
        """Return one row for each unit."""
        ...

    def rows(self, features: xr.DataArray) -> SceneRows:
        """Return one row for each unit, made only when it is asked for."""
        ...

    def blocks(self, side: int) -> Iterator[Block]:
        """Yield windows of the grid, about `side` pixels of the scene high and wide, with the units that lie there.

        The units with data are each in one block: that of their centre.
        """
        ...

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster in which each unit's pixels hold its value; elsewhere 0, or NaN for floats."""
        ...

    def spread(self, table: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Return a window of that raster from the values (n + 1,), of which the last stands for no data."""
        ...

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return the row of the unit at each pixel of the window, (height, width); -1 where there is none."""
        ...

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground that each row is made of, (n, 4): xmin, ymin, xmax, ymax in map units."""
        ...


def valid_pixels(features: xr.DataArray) -> xr.DataArray:
    """Return where any band of a (band, y, x) raster has a value, as a (y, x) raster of bool; one pass by strips."""
    source = Excerpt.of(features)
    valid = np.zeros(source.scene, bool)
    for strip in strips(source.box):
        for band in source.cut(strip).values:
            valid[strip[0] : strip[2]] |= np.isfinite(band)
    return raster_like(valid, features.odc.geobox)


def value_table(tessellation: Tessellation, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values of the units and, last, what stands for no data: 0, or NaN for floats.

    Raises
    ------
    InputError
        If there is not one value for each unit.
    """
    values = np.asarray(values)
    if len(values) != len(tessellation):
        raise InputError(f"{len(values)} values for {len(tessellation)} units", wanted="one value for each unit")
    return np.append(values, np.array(np.nan if values.dtype.kind == "f" else 0, values.dtype))


def scatter_units(tessellation: Tessellation, values: npt.NDArray[Any]) -> xr.DataArray:
    """Return the raster in which each unit's pixels hold its value; elsewhere 0, or NaN for floats.

    Raises
    ------
    InputError
        If there is not one value for each unit.
    """
    table = value_table(tessellation, values)
    height, width = tessellation.geobox.shape
    raster = np.empty((height, width), table.dtype)
    for top, left, bottom, right in strips((0, 0, height, width)):
        tile = Tile(top, left, bottom - top, right - left)
        raster[tile.slices] = tessellation.spread(table, tile)
    return raster_like(raster, tessellation.geobox)


@dataclass(frozen=True)
class Pixels:
    """Every pixel is a unit; row = pixel number in reading order, no-data pixels included.

    Attributes
    ----------
    valid : DataArray of bool, (y, x)
        False where there is no data; it may be lazy.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 30, 20), "EPSG:32633", resolution=10)
    >>> pixels = Pixels(raster_like(np.array([[True, True, False], [True, True, True]]), grid))
    >>> pixels.scatter(np.arange(1, 7)).values.tolist()
    [[1, 2, 0], [4, 5, 6]]
    """

    by_window: ClassVar[bool] = True

    valid: xr.DataArray

    @classmethod
    def of(cls, features: xr.DataArray) -> "Pixels":
        """Make the tessellation of a raster: a pixel is valid when any of its bands has a value."""
        return cls(valid_pixels(features))

    @property
    def geobox(self) -> GeoBox:
        """Grid of the scene."""
        return grid_of(self.valid)

    def __len__(self) -> int:
        return int(self.valid.size)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return the names unchanged: a row holds the pixel's features."""
        return tuple(features)

    def gather(self, features: xr.DataArray) -> PixelRows:
        """Return rows (n, c), made on demand."""
        return self.rows(features)

    def rows(self, features: xr.DataArray) -> PixelRows:
        """Return rows (n, c), made on demand."""
        return PixelRows(Excerpt.of(features))

    def blocks(self, side: int) -> Iterator[Block]:
        """Yield windows of `side` x `side` pixels with the pixels that have data."""
        height, width = self.valid.shape
        for tile in tile_grid((height, width), side):
            numbers = self.parts(tile)
            yield tile, numbers[numbers >= 0]

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values; no data is 0, or NaN for floats."""
        return scatter_units(self, values)

    def spread(self, table: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Return a window of the raster of the values."""
        return look_up(self.parts(tile), table)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return the pixel numbers in a window; -1 is no data."""
        rows, columns = tile.slices
        width = self.valid.shape[1]
        numbers = np.arange(rows.start, rows.stop)[:, None] * width + np.arange(columns.start, columns.stop)
        return np.where(self.valid.variable[rows, columns].values, numbers, -1)

    def extents(self) -> npt.NDArray[np.float64]:
        """Return each pixel's ground, (n, 4)."""
        row, column = np.divmod(np.arange(len(self)), self.valid.shape[1])
        return ground_of(np.column_stack([row, column, row + 1, column + 1]), self.geobox)


@dataclass(frozen=True)
class SegmentPatches:
    """Superpixels seen through a window at their centroid: rows (n, c, window, window).

    Attributes
    ----------
    labels : DataArray of int, (y, x)
        Superpixels 1..n, 0 = no data; row i is label i + 1. It may be lazy.
    window : int
        Side of the window in pixels. The scene is reflected at its edges.
    outline : bool
        Add a channel ``SEGMENT``: 1 inside the superpixel, 0 outside.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    >>> labels = raster_like(np.array([[1, 1, 2, 2]] * 3, np.int32), grid)
    >>> patches = SegmentPatches(labels, window=3)
    >>> scene = labels.expand_dims(band=["B02"]).astype("float32")
    >>> patches.gather(scene)[:].shape, patches.scatter(np.array([7, 9])).values[0].tolist()
    ((2, 1, 3, 3), [7, 7, 9, 9])
    """

    by_window: ClassVar[bool] = False

    labels: xr.DataArray
    window: int = 25
    outline: bool = False

    @cached_property
    def _segments(self) -> Segments:
        return Segments(self.labels, self.window)

    @property
    def geobox(self) -> GeoBox:
        """Grid of the scene."""
        return grid_of(self.labels)

    def __len__(self) -> int:
        return len(self._segments)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return the channel names."""
        return (*features, OUTLINE) if self.outline else tuple(features)

    def gather(self, features: xr.DataArray) -> PatchRows:
        """Return rows (n, c, window, window), cut on demand."""
        return self.rows(features)

    def rows(self, features: xr.DataArray) -> PatchRows:
        """Return rows (n, c, window, window), cut on demand."""
        check_grid(features, self.labels)
        outline = Excerpt.of(self.labels) if self.outline else None
        return PatchRows(Excerpt.of(features), self._segments.corners, self.window, np.arange(len(self)), outline)

    def blocks(self, side: int) -> Iterator[Block]:
        """Yield windows of `side` x `side` pixels with the superpixels whose centre lies there."""
        return self._segments.blocks(side)

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values; no data is 0, or NaN for floats."""
        return scatter_units(self, values)

    def spread(self, table: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Return a window of the raster of the values."""
        return self._segments.spread(table, tile)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return label - 1 in a window."""
        return self._segments.numbers(tile)

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground of each window and its superpixel together, (n, 4)."""
        return self._segments.extents()


STATISTICS = ("mean", "std", "context_mean", "context_std")


@dataclass(frozen=True)
class SegmentStatistics:
    """Superpixels as rows of statistics: mean and deviation of each feature inside, and in the window around.

    Attributes
    ----------
    labels : DataArray of int, (y, x)
        Superpixels 1..n, 0 = no data; it may be lazy.
    window : int
        Side in pixels of the window at the centroid that gives the context.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    >>> labels = raster_like(np.array([[1, 1, 2, 2]] * 3, np.int32), grid)
    >>> scene = labels.expand_dims(band=["B02"]).astype("float32")
    >>> statistics = SegmentStatistics(labels, window=3)
    >>> statistics.names(["B02"]), statistics.gather(scene)[:, 0].tolist()
    (('B02 mean', 'B02 std', 'B02 context_mean', 'B02 context_std'), [1.0, 2.0])
    """

    by_window: ClassVar[bool] = False

    labels: xr.DataArray
    window: int = 25

    @cached_property
    def _segments(self) -> Segments:
        return Segments(self.labels, self.window)

    @property
    def geobox(self) -> GeoBox:
        """Grid of the scene."""
        return grid_of(self.labels)

    def __len__(self) -> int:
        return len(self._segments)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return ``"<feature> <statistic>"`` for each column."""
        return tuple(f"{feature} {statistic}" for statistic in STATISTICS for feature in features)

    def gather(self, features: xr.DataArray) -> npt.NDArray[np.float32] | StatisticRows:
        """Return rows (n, 4 c): means, deviations, context means, context deviations.

        They are an array; of a scene that is lazy they are made on demand.
        """
        rows = self.rows(features)
        return rows if rows.lazy else rows[:]

    def rows(self, features: xr.DataArray) -> StatisticRows:
        """Return rows (n, 4 c), made on demand."""
        check_grid(features, self.labels)
        return statistic_rows(features, self._segments)

    def blocks(self, side: int) -> Iterator[Block]:
        """Yield windows of `side` x `side` pixels with the superpixels whose centre lies there."""
        return self._segments.blocks(side)

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values; no data is 0, or NaN for floats."""
        return scatter_units(self, values)

    def spread(self, table: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Return a window of the raster of the values."""
        return self._segments.spread(table, tile)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return label - 1 in a window."""
        return self._segments.numbers(tile)

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground of each window and its superpixel together, (n, 4)."""
        return self._segments.extents()
