"""Pixels with what lies around them: each is a row of its own values and of mean and deviation in its window.

A pixel alone cannot tell a roof from a car park. On 100-m pixels of Local Climate Zones, and polygons never trained on,
its eight neighbours were worth three points to a forest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.excerpt import Excerpt, around, near_each_other, reflected
from citygrain.grids import ground_of
from citygrain.rows import NEAR, PixelRows
from citygrain.tessellation import Block, Pixels
from citygrain.tiles import Tile

__all__ = ["PixelContext"]

_SIDES = ("mean", "std")


@dataclass(frozen=True)
class PixelContext:
    """Every pixel is a unit, seen with the window around it: rows (n, 3 c).

    Attributes
    ----------
    pixels : Pixels
        The pixels; row = pixel number in reading order, no-data pixels included.
    window : int
        Side of the window in pixels, odd, 3 or more. The scene is reflected at its edges.

    Raises
    ------
    InputError
        If the window is even, too small, or larger than the scene.

    Examples
    --------
    >>> from citygrain.tessellation import raster_like
    >>> grid = GeoBox.from_bbox((0, 0, 30, 30), "EPSG:32633", resolution=10)
    >>> scene = raster_like(np.arange(9.0).reshape(3, 3), grid).expand_dims(band=["B02"])
    >>> pixels = PixelContext.of(scene, window=3)
    >>> pixels.names(["B02"]), pixels.gather(scene)[4].tolist()
    (('B02', 'B02 mean', 'B02 std'), [4.0, 4.0, 2.58198881149292])
    """

    by_window: ClassVar[bool] = True

    pixels: Pixels
    window: int = 3

    def __post_init__(self) -> None:
        least = min(self.pixels.valid.shape)
        if self.window < 3 or self.window % 2 == 0 or self.window > least:
            raise InputError(
                f"pixels with a window of {self.window} on a scene of {least} rows or columns",
                wanted="an odd number of pixels, 3 or more, that fits the scene",
            )

    @classmethod
    def of(cls, features: xr.DataArray, *, window: int = 3) -> "PixelContext":
        """Make the tessellation of a raster: a pixel is valid when any of its bands has a value."""
        return cls(Pixels.of(features), window)

    @property
    def geobox(self) -> GeoBox:
        """Grid of the scene."""
        return self.pixels.geobox

    def __len__(self) -> int:
        return len(self.pixels)

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return the features, then ``"<feature> mean"``, then ``"<feature> std"``."""
        return (*features, *(f"{feature} {side}" for side in _SIDES for feature in features))

    def gather(self, features: xr.DataArray) -> "ContextRows":
        """Return rows (n, 3 c), made on demand."""
        return self.rows(features)

    def rows(self, features: xr.DataArray) -> "ContextRows":
        """Return rows (n, 3 c), made on demand."""
        return ContextRows(self.pixels.rows(features), self.window)

    def blocks(self, side: int) -> Iterator[Block]:
        """Yield windows of `side` x `side` pixels with the pixels that have data."""
        return self.pixels.blocks(side)

    def scatter(self, values: npt.NDArray[Any]) -> xr.DataArray:
        """Return the raster of the values; no data is 0, or NaN for floats."""
        return self.pixels.scatter(values)

    def spread(self, table: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Return a window of the raster of the values."""
        return self.pixels.spread(table, tile)

    def parts(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return the pixel numbers in a window; -1 is no data."""
        return self.pixels.parts(tile)

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground of each pixel's window, (n, 4), within the scene."""
        height, width = self.pixels.valid.shape
        row, column = np.divmod(np.arange(len(self)), width)
        reach = self.window // 2
        low = np.clip(np.column_stack([row, column]) - reach, 0, None)
        high = np.minimum(np.column_stack([row, column]) + reach + 1, (height, width))
        return ground_of(np.hstack([low, high]), self.geobox)


@dataclass(frozen=True)
class ContextRows:
    """Rows (n, 3 c) of pixels, made when they are asked for: own values, means and deviations of the window.

    Attributes
    ----------
    pixels : PixelRows
        The pixels.
    window : int
        Side of the windows in pixels.
    """

    pixels: PixelRows
    window: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n, 3 c)."""
        return len(self.pixels), 3 * self.pixels.shape[1]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def lazy(self) -> bool:
        """Whether the scene is still to be read."""
        return self.pixels.lazy

    def __len__(self) -> int:
        return len(self.pixels)

    def subset(self, rows: npt.NDArray[Any]) -> "ContextRows":
        """Return the chosen rows, unread."""
        return replace(self, pixels=self.pixels.subset(rows))

    def cropped(self) -> "ContextRows":
        """Return the rows with their part of the scene."""
        if self.pixels.chosen is None or len(self) == 0:
            return self
        source = self.pixels.source
        box = around(reflected(self._corners(self.pixels.chosen), self.window, source.scene))
        return replace(self, pixels=replace(self.pixels, source=source.cut(box)))

    def loaded(self) -> "ContextRows":
        """Return the rows with their part of the scene in memory."""
        here = self.cropped()
        return replace(here, pixels=replace(here.pixels, source=here.pixels.source.read()))

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        single = np.ndim(rows) == 0 and not isinstance(rows, slice)
        chosen = self.pixels.subset(np.atleast_1d(rows) if single else rows)
        out = np.empty((len(chosen), self.shape[1]), np.float32)
        numbers = chosen.chosen
        if numbers is None or not len(numbers):
            return out
        if not self.lazy:
            self._make(chosen, out)
        else:
            for group in near_each_other(self._corners(numbers), NEAR):
                part = np.empty((len(group), self.shape[1]), np.float32)
                self._make(replace(self, pixels=chosen.subset(group)).loaded().pixels, part)
                out[group] = part
        return out[0] if single else out

    def _make(self, pixels: PixelRows, out: npt.NDArray[np.float32]) -> None:
        from citygrain._rows import context  # noqa: PLC0415 - compiled code only when it is needed

        own, numbers = pixels.shape[1], pixels.chosen
        source: Excerpt = pixels.source
        out[:, :own] = pixels[:]
        context(source.values, source.place, self._corners(numbers), self.window, out[:, own:])

    def _corners(self, numbers: Any) -> npt.NDArray[np.int64]:
        place = np.column_stack(np.divmod(numbers, self.pixels.source.scene[1]))
        return np.asarray(place - self.window // 2, np.int64)
