"""Rasters brought to another grid, pixel by pixel: the same values whatever window is asked for.

GDAL's warper sizes its kernel and approximates its coordinates by the window it is given, so two windows that overlap
differ in their overlap (by up to 0.01 of reflectance between UTM zones). Here a pixel's place in the source depends on
the pixel alone: projections are computed at nodes every 16 pixels of a lattice that is fixed to the ground, and
interpolated between them, which is right to a thousandth of a pixel.
"""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from citygrain.imagery._sampling import average, bilinear, nearest

__all__ = ["Read", "Resampling", "places", "resample"]

Resampling = Literal["nearest", "bilinear"]

_NODES = 16
_DEGREE_M = 111_320.0
_FINER = 1.5
"""From this ratio of pixel sizes on, bilinear would leave pixels out: the mean is taken."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class Read(Protocol):
    """Reads a window of a source as float32, NaN = no data."""

    def __call__(self, rows: slice, columns: slice) -> Float32:
        """Return it; the slices lie within the source."""
        ...


def resample(read: Read, source: GeoBox, target: GeoBox, how: Resampling) -> Float32:
    """Return a source on the grid `target`.

    Parameters
    ----------
    read : callable
        Reads a window of the source; called once at most, with the smallest window that is needed.
    source : GeoBox
        The source's grid.
    target : GeoBox
        The wanted grid, a window of any size.
    how : str
        ``"nearest"`` for classes; ``"bilinear"`` for measurements: to coarser pixels (1.5 times or more) it is the
        mean of the source pixels in each.

    Returns
    -------
    ndarray of float32, (height, width)
        NaN where the source has nothing.
    """
    out = np.full(target.shape, np.nan, np.float32)
    ratio = abs(target.resolution.x) / _ground_size(source, target)
    side = int(np.ceil(ratio - 1e-6)) if how != "nearest" and ratio >= _FINER else 1
    rows, columns = places(source, target, side)
    window = _window(rows, columns, source)
    if window is None:
        return out
    values = np.ascontiguousarray(read(*window), np.float32)
    corner = (window[0].start, window[1].start)
    if side > 1:
        average(values, corner, rows, columns, out)
    elif how == "nearest":
        nearest(values, corner, rows, columns, out)
    else:
        bilinear(values, corner, rows, columns, out)
    return out


def places(source: GeoBox, target: GeoBox, side: int = 1) -> tuple[Float64, Float64]:
    """Return where the pixels of `target` lie in `source`: rows and columns, 0 = the upper left corner.

    With `side` above 1, `side` x `side` places within each pixel.
    """
    height, width = target.shape
    xs = _centres(target.affine.c, target.affine.a, width, side)
    ys = _centres(target.affine.f, target.affine.e, height, side)
    back = ~source.affine
    if target.crs == source.crs:
        x, y = np.meshgrid(xs, ys)
    else:
        x, y = _projected(xs, ys, target, source, side)
    return back.d * x + back.e * y + back.f, back.a * x + back.b * y + back.c


def _centres(start: float, step: float, count: int, side: int) -> Float64:
    return start + step * ((np.arange(count * side) + 0.5) / side)


def _projected(xs: Float64, ys: Float64, target: GeoBox, source: GeoBox, side: int) -> tuple[Float64, Float64]:
    """Project a lattice of places by interpolation between nodes that every window of the grid shares."""
    to = Transformer.from_crs(str(target.crs), str(source.crs), always_xy=True)
    affine = target.affine
    across, right = _nodes(affine.c, affine.a, target.shape[1])
    down, below = _nodes(affine.f, affine.e, target.shape[0])
    nodes = np.stack(to.transform(*np.meshgrid(across, down)))  # (2, nodes down, nodes across)
    i, u = _between(right, target.shape[1], side)
    j, v = _between(below, target.shape[0], side)
    upper = nodes[:, j][:, :, i] * (1 - u) + nodes[:, j][:, :, i + 1] * u
    lower = nodes[:, j + 1][:, :, i] * (1 - u) + nodes[:, j + 1][:, :, i + 1] * u
    x, y = upper * (1 - v)[:, None] + lower * v[:, None]
    return x, y


def _nodes(start: float, step: float, count: int) -> tuple[Float64, int]:
    """Return the nodes around `count` pixels, and where in the first cell of the lattice the first pixel stands."""
    first = round(start / step)  # number of the first pixel, counted from the origin of the projection
    offset = start - first * step  # what is left where the grid does not pass through the origin
    begin, end = first // _NODES, -(-(first + count) // _NODES)
    nodes: Float64 = offset + np.arange(begin, end + 1, dtype=np.float64) * (_NODES * step)
    return nodes, first - begin * _NODES


def _between(first: int, count: int, side: int) -> tuple[npt.NDArray[np.int64], Float64]:
    place = first + (np.arange(count * side) + 0.5) / side
    cell = np.floor(place / _NODES).astype(np.int64)
    return cell, place / _NODES - cell


def _window(rows: Float64, columns: Float64, source: GeoBox) -> tuple[slice, slice] | None:
    """Return the part of the source around all places, with the neighbours that bilinear needs."""
    height, width = source.shape
    inside = (rows > -1) & (rows < height + 1) & (columns > -1) & (columns < width + 1)
    if not inside.any():
        return None
    here, there = rows[inside], columns[inside]
    top, bottom = max(0, int(np.floor(here.min())) - 1), min(height, int(np.floor(here.max())) + 2)
    left, right = max(0, int(np.floor(there.min())) - 1), min(width, int(np.floor(there.max())) + 2)
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def _ground_size(source: GeoBox, target: GeoBox) -> float:
    """Return the size of a source pixel in units of the target, where both are in metres or both in degrees."""
    size = abs(float(source.resolution.x))
    metric = [bool(grid.crs and grid.crs.projected) for grid in (source, target)]
    return size if metric[0] == metric[1] else size * _DEGREE_M if metric[1] else size / _DEGREE_M
