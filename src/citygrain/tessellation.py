"""Tessellations: cuts of a scene into the units that a model sees as rows.

A map is ``scatter(predict(gather(scene)))``. Pixels and superpixels differ only here; a model sees rows, never
geometry. Each tessellation is a table from pixels to rows (`parts`), so a map is a look-up, not a search.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import odc.geo.xr
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.rows import PatchRows, PixelRows
from citygrain.tiles import Tile
from citygrain.zones import boxes, centroids, moments, zonal_moments

__all__ = [
    "Pixels",
    "SegmentPatches",
    "SegmentStatistics",
    "Tessellation",
    "ground_of",
    "raster_like",
    "scatter_units",
    "valid_pixels",
]

OUTLINE = "SEGMENT"
"""Name of the channel that is 1 inside the superpixel and 0 outside."""

Rows = Any
"""Array-like (n, c) or (n, c, h, w): has `shape` and `dtype`, and ``rows[index]`` is a NumPy array."""


class Tessellation(Protocol):
    """A cut of the scene into n units."""

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

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster in which each unit's pixels hold its value; elsewhere 0, or NaN for floats."""
        ...

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return the row of the unit at each pixel of the window, (height, width); -1 where there is none."""
        ...

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground that each row is made of, (n, 4): xmin, ymin, xmax, ymax in map units."""
        ...


def raster_like(values: npt.NDArray[Any], geobox: GeoBox) -> xr.DataArray:
    """Return (y, x) values as a raster on `geobox`.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 20, 10), "EPSG:32633", resolution=10)
    >>> raster_like(np.zeros((1, 2), np.uint8), grid).odc.geobox == grid
    True
    """
    raster: xr.DataArray = odc.geo.xr.wrap_xr(values, geobox)
    return raster


def valid_pixels(features: xr.DataArray) -> xr.DataArray:
    """Return where any band of a (band, y, x) raster has a value, as a (y, x) raster of bool."""
    valid = np.zeros(features.shape[1:], bool)
    for band in features.values:
        valid |= np.isfinite(band)
    return raster_like(valid, features.odc.geobox)


def scatter_units(tessellation: Tessellation, values: npt.NDArray[Any]) -> xr.DataArray:
    """Return the raster in which each unit's pixels hold its value; elsewhere 0, or NaN for floats.

    Raises
    ------
    InputError
        If there is not one value for each unit.
    """
    values = np.asarray(values)
    if len(values) != len(tessellation):
        raise InputError(f"{len(values)} values for {len(tessellation)} units", wanted="one value for each unit")
    fill = np.array(np.nan if values.dtype.kind == "f" else 0, values.dtype)
    table = np.append(values, fill)  # row -1 is the last one: no data
    height, width = tessellation.geobox.shape
    return raster_like(table[tessellation.parts(Tile(0, 0, height, width))], tessellation.geobox)


def ground_of(boxes: npt.NDArray[np.int64], geobox: GeoBox) -> npt.NDArray[np.float64]:
    """Turn pixel boxes (top, left, bottom, right; ends excluded) into xmin, ymin, xmax, ymax."""
    a = geobox.affine
    x = a.c + a.a * boxes[:, [1, 3]]
    y = a.f + a.e * boxes[:, [0, 2]]
    return np.column_stack([x.min(1), y.min(1), x.max(1), y.max(1)])


@dataclass(frozen=True)
class Pixels:
    """Every pixel is a unit; row = pixel number in reading order, no-data pixels included.

    Attributes
    ----------
    valid : DataArray of bool, (y, x)
        False where there is no data.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 30, 20), "EPSG:32633", resolution=10)
    >>> pixels = Pixels(raster_like(np.array([[True, True, False], [True, True, True]]), grid))
    >>> pixels.scatter(np.arange(1, 7)).values.tolist()
    [[1, 2, 0], [4, 5, 6]]
    """

    valid: xr.DataArray

    @classmethod
    def of(cls, features: xr.DataArray) -> "Pixels":
        """Make the tessellation of a raster: a pixel is valid when any of its bands has a value."""
        return cls(valid_pixels(features))

    @property
    def geobox(self) -> GeoBox:
        """Grid of the scene."""
        return _grid(self.valid)

    def __len__(self) -> int:
        return int(self.valid.size)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return the names unchanged: a row holds the pixel's features."""
        return tuple(features)

    def gather(self, features: xr.DataArray) -> PixelRows:
        """Return rows (n, c), made on demand."""
        return PixelRows(features.values)

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values; no data is 0, or NaN for floats."""
        return scatter_units(self, values)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return the pixel numbers in a window; -1 is no data."""
        rows, columns = tile.slices
        width = self.valid.shape[1]
        numbers = np.arange(rows.start, rows.stop)[:, None] * width + np.arange(columns.start, columns.stop)
        return np.where(self.valid.values[rows, columns], numbers, -1)

    def extents(self) -> npt.NDArray[np.float64]:
        """Return each pixel's ground, (n, 4)."""
        row, column = np.divmod(np.arange(len(self)), self.valid.shape[1])
        return ground_of(np.column_stack([row, column, row + 1, column + 1]), self.geobox)


@dataclass(frozen=True)
class _Segments:
    """What both superpixel tessellations share: labels 1..n on a grid, their boxes and centroids."""

    labels: xr.DataArray
    window: int
    boxes: npt.NDArray[np.int64] = field(init=False, repr=False)  # (n, 4) top, left, bottom, right
    centres: npt.NDArray[np.int64] = field(init=False, repr=False)  # (n, 2) row, column

    def __post_init__(self) -> None:
        labels = self.labels.values
        if labels.ndim != 2 or labels.dtype.kind not in "iu":
            raise InputError(f"segments of {labels.ndim} dimensions and type {labels.dtype}", wanted="integers (y, x)")
        if self.window < 1 or self.window > min(labels.shape):
            size = " x ".join(map(str, labels.shape))
            raise InputError(
                f"scene of {size} pixels is smaller than the window of {self.window}",
                wanted=f"1 to {min(labels.shape)}",
                mend="set a smaller [samples] window",
            )
        object.__setattr__(self, "boxes", boxes(labels))
        object.__setattr__(self, "centres", centroids(labels, len(self.boxes)))

    def corners(self) -> npt.NDArray[np.int64]:
        """Return the upper left pixel of each window, (n, 2); it may lie outside the scene."""
        return self.centres - self.window // 2

    def footprints(self) -> npt.NDArray[np.int64]:
        """Return the pixel box that holds a unit and its window within the scene, (n, 4)."""
        corner = np.clip(self.corners(), 0, None)
        end = np.minimum(self.corners() + self.window, self.labels.shape)
        return np.column_stack([np.minimum(self.boxes[:, :2], corner), np.maximum(self.boxes[:, 2:], end)])


@dataclass(frozen=True)
class SegmentPatches:
    """Superpixels seen through a window at their centroid: rows (n, c, window, window).

    Attributes
    ----------
    labels : DataArray of int, (y, x)
        Superpixels 1..n, 0 = no data; row i is label i + 1.
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

    labels: xr.DataArray
    window: int = 25
    outline: bool = False

    @cached_property
    def _segments(self) -> _Segments:
        return _Segments(self.labels, self.window)

    @property
    def geobox(self) -> GeoBox:
        """Grid of the scene."""
        return _grid(self.labels)

    def __len__(self) -> int:
        return len(self._segments.boxes)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return the channel names."""
        return (*features, OUTLINE) if self.outline else tuple(features)

    def gather(self, features: xr.DataArray) -> PatchRows:
        """Return rows (n, c, window, window), cut on demand."""
        _same_grid(features, self.labels)
        labels = self.labels.values if self.outline else None
        index = np.arange(len(self))
        return PatchRows(features.values, self._segments.corners(), self.window, labels, index)

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values; no data is 0, or NaN for floats."""
        return scatter_units(self, values)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return label - 1 in a window."""
        return self.labels.values[tile.slices].astype(np.int64) - 1

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground of each window and its superpixel together, (n, 4)."""
        return ground_of(self._segments.footprints(), self.geobox)


def _grid(raster: xr.DataArray) -> GeoBox:
    geobox: GeoBox = raster.odc.geobox
    return geobox


def _same_grid(features: xr.DataArray, labels: xr.DataArray) -> None:
    if features.shape[1:] != labels.shape:
        raise InputError(
            f"features of {features.shape[1:]} and segments of {labels.shape} pixels", wanted="one grid for both"
        )


STATISTICS = ("mean", "std", "context_mean", "context_std")


@dataclass(frozen=True)
class SegmentStatistics:
    """Superpixels as rows of statistics: mean and deviation of each feature inside, and in the window around.

    Attributes
    ----------
    labels : DataArray of int, (y, x)
        Superpixels 1..n, 0 = no data.
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

    labels: xr.DataArray
    window: int = 25

    @cached_property
    def _patches(self) -> SegmentPatches:
        return SegmentPatches(self.labels, self.window)

    @property
    def geobox(self) -> GeoBox:
        """Grid of the scene."""
        return _grid(self.labels)

    def __len__(self) -> int:
        return len(self._patches)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return ``"<feature> <statistic>"`` for each column."""
        return tuple(f"{feature} {statistic}" for statistic in STATISTICS for feature in features)

    def gather(self, features: xr.DataArray) -> npt.NDArray[np.float32]:
        """Return rows (n, 4 c): means, deviations, context means, context deviations."""
        _same_grid(features, self.labels)
        n, c = len(self), features.shape[0]
        rows = np.empty((n, 4 * c), np.float32)
        flat = self.labels.values.ravel()
        for k, band in enumerate(features.values):
            rows[:, k], rows[:, c + k] = zonal_moments(flat, band.ravel(), n)
        patches = self._patches.gather(features)
        for start in range(0, n, 1024):
            block = patches[start : start + 1024].reshape(-1, c, self.window**2)
            rows[start : start + 1024, 2 * c :] = np.hstack(moments(block))
        return rows

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values; no data is 0, or NaN for floats."""
        return scatter_units(self, values)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return label - 1 in a window."""
        return self._patches.parts(tile)

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground of each window and its superpixel together, (n, 4)."""
        return self._patches.extents()
