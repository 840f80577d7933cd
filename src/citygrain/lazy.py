"""Rasters that are read or computed window by window, when a window is asked for.

To its users a lazy raster is an ordinary DataArray: ``raster[:, rows, columns].values`` reads or computes that window
and no more, and a lazy raster is pickled as the recipe that it is, so that another process reads its own windows. Only
``raster.values``, or arithmetic with the whole, brings all of it into memory: code for scenes of any size asks for
windows.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from xarray.backends import BackendArray
from xarray.core import indexing

from citygrain.tiles import Tile, block_tiles, map_tiles, processors

__all__ = ["WindowReader", "blocks_of", "is_lazy", "lazy_raster", "loaded", "made_by_windows", "read_window"]

_STRIP = 2**22
"""Pixels that are read at a time where only some of them are wanted."""
_PART = 2**18
"""Pixels that are read or computed at a time where all of them are, by each processor; up to four times as many at
once."""


class WindowReader(Protocol):
    """Something that fills windows of a raster: picklable, and safe in several threads."""

    def __call__(
        self, bands: npt.NDArray[np.int64], rows: slice, columns: slice
    ) -> npt.NDArray[Any]:  # (bands, rows, columns)
        """Return the window of these bands; the slices have a start and a stop within the raster, and step 1."""
        ...


def lazy_raster(
    reader: WindowReader,
    geobox: GeoBox,
    bands: Sequence[str],
    *,
    dtype: npt.DTypeLike = np.float32,
    attrs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> xr.DataArray:
    """Return a raster (band, y, x) whose windows `reader` makes.

    Parameters
    ----------
    reader : callable
        Gives windows, see `WindowReader`.
    geobox : GeoBox
        Grid of the whole.
    bands : sequence of str
        Names of the bands.
    dtype : dtype
        What `reader` returns.
    attrs : mapping, optional
        Attributes.
    name : str, optional
        Name of the raster.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    >>> def rows_as_values(bands, rows, columns):
    ...     ys = np.arange(rows.start, rows.stop, dtype=np.float32)
    ...     return np.broadcast_to(ys[:, None], (len(bands), len(ys), columns.stop - columns.start))
    >>> raster = lazy_raster(rows_as_values, grid, ["B02", "B03"])
    >>> raster.shape, raster[:, 1:, 2:3].values[1].tolist(), raster.odc.geobox == grid
    ((2, 3, 4), [[1.0], [2.0]], True)
    """
    height, width = geobox.shape
    data = indexing.LazilyIndexedArray(_Windows(reader, (len(bands), int(height), int(width)), np.dtype(dtype)))
    coords: dict[Any, Any] = {"band": list(bands), **xr_coords(geobox, always_yx=True)}
    return xr.DataArray(xr.Variable(("band", "y", "x"), data), coords=coords, attrs=dict(attrs or {}), name=name)


def read_window(raster: xr.DataArray, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
    """Return a window of a raster (band, y, x), lazy or not, as a contiguous float32 array."""
    return np.ascontiguousarray(raster.variable[:, rows, columns].values, dtype=np.float32)


def loaded(raster: xr.DataArray) -> xr.DataArray:
    """Return a raster (band, y, x) in memory: a lazy one is read window by window, by all processors.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    >>> raster = lazy_raster(lambda bands, rows, columns: np.ones((1, rows.stop - rows.start, 4)), grid, ["B02"])
    >>> is_lazy(raster), is_lazy(loaded(raster))
    (True, False)
    """
    if not is_lazy(raster):
        return raster

    def read(bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[Any]:
        return raster.variable[:, rows, columns].values

    return raster.copy(data=made_by_windows(read, raster.shape, raster.dtype, blocks_of(raster)))


def made_by_windows(
    reader: WindowReader, shape: tuple[int, ...], dtype: npt.DTypeLike, blocks: tuple[int, int] = (256, 256)
) -> npt.NDArray[Any]:
    """Return all that `reader` gives, (bands, rows, columns), made in windows of whole blocks by all processors."""
    bands, height, width = shape
    if height * width <= 4 * _PART:
        return np.asarray(reader(np.arange(bands), slice(0, height), slice(0, width)), dtype)
    out = np.empty(shape, dtype)
    map_tiles(partial(_fill, reader, out), block_tiles((height, width), blocks, pixels=_PART), engine=processors())
    return out


def _fill(reader: WindowReader, out: npt.NDArray[Any], tile: Tile) -> None:
    rows, columns = tile.slices
    out[:, rows, columns] = reader(np.arange(len(out)), rows, columns)


def is_lazy(raster: xr.DataArray) -> bool:
    """Tell whether a raster is read or computed when asked for."""
    return not isinstance(raster.variable._data, np.ndarray)


def blocks_of(raster: xr.DataArray) -> tuple[int, int]:
    """Return height and width of the blocks in which a raster's file is kept; 256 by 256 where nothing says so."""
    chunks = raster.variable.encoding.get("preferred_chunks", {})
    return int(chunks.get("y", 256)), int(chunks.get("x", 256))


class _Windows(BackendArray):
    """The form in which xarray takes a reader."""

    def __init__(self, reader: WindowReader, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.reader, self.shape, self.dtype = reader, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._outer)

    def _outer(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        wanted = [np.atleast_1d(np.arange(size)[k]) for size, k in zip(self.shape, key, strict=True)]
        values = self._pick(*wanted)
        dropped = tuple(axis for axis, k in enumerate(key) if isinstance(k, (int, np.integer)))
        return values.squeeze(dropped) if dropped else values

    def _pick(self, bands: npt.NDArray[Any], rows: npt.NDArray[Any], columns: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if 0 in (bands.size, rows.size, columns.size):
            return np.empty((bands.size, rows.size, columns.size), self.dtype)
        if _adjacent(rows) and _adjacent(columns):
            window = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
            return np.asarray(self.reader(bands, *window), self.dtype)
        across = slice(int(columns.min()), int(columns.max()) + 1)
        height = max(1, _STRIP // (across.stop - across.start))
        out = np.empty((bands.size, rows.size, columns.size), self.dtype)
        for top in np.unique(rows // height) * height:  # strips of the raster that hold a wanted row
            inside = np.flatnonzero((rows >= top) & (rows < top + height))
            here = rows[inside]
            strip = np.asarray(self.reader(bands, slice(int(here.min()), int(here.max()) + 1), across))
            out[:, inside] = strip[:, (here - here.min())[:, None], columns - across.start]
        return out


def _adjacent(numbers: npt.NDArray[Any]) -> bool:
    """Tell whether numbers follow each other without a gap."""
    return bool(numbers.size == 1 or (np.diff(numbers) == 1).all())
