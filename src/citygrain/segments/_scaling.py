"""How features become comparable 16-bit integers: by robust figures of the whole scene, fixed beforehand.

Scaling by extremes would let one bright pixel change every superpixel of the scene, and scaling by tile would leave
seams; percentiles on a fixed stride do neither, and rounding them keeps a few odd pixels from moving them at all.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isqrt, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.lazy import read_window
from citygrain.segments._pack import RANGE, count_valid
from citygrain.tiles import Tile, map_tiles

__all__ = ["Scaling", "Survey", "scale_features", "survey", "whole_or_window"]

SAMPLE = 40_000
"""At least so many pixels (all of a smaller scene), on a fixed stride, tell the middle and width of each feature."""

FINEST = 2**15 // (2 * RANGE) - 1
"""Steps per width at which differences fit in 16 bits."""

log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """How features become integers: round((value - centre) * unit), kept within +-limit.

    Attributes
    ----------
    centre, spread : ndarray, (band,)
        Middle and width of the bulk of each feature, from its 2nd to its 98th percentile; width 0 = left out.
    step : float
        Integers per width.
    """

    centre: Floats
    spread: Floats
    step: float

    @property
    def unit(self) -> Floats:
        """Integers per unit of each feature, 0 where it is left out."""
        return np.divide(self.step, self.spread, out=np.zeros_like(self.spread), where=self.spread > 0)

    @property
    def limit(self) -> float:
        """The largest integer."""
        return RANGE * self.step


@dataclass(frozen=True)
class Survey:
    """What is known of a scene after it has been read once.

    Attributes
    ----------
    valid : int
        Pixels with data.
    bulk : ndarray, (band, 2)
        Middle and width of the bulk of each feature.
    """

    valid: int
    bulk: Floats


def survey(features: xr.DataArray, windows: Sequence[Tile], threads: int) -> Survey:
    """Read a scene once, by windows: count the pixels with data and find each feature's middle and width.

    Raises
    ------
    InputError
        If no pixel has data, or a feature has no finite value.
    """
    bands, height, width = features.shape
    stride = max(1, isqrt(height * width // SAMPLE))
    sample = np.empty((bands, -(-height // stride), -(-width // stride)), np.float32)
    valid = sum(map_tiles(partial(_look, features, sample, stride), windows, engine=threads))
    if not valid:
        raise InputError("a scene without a single valid pixel", mend="check the nodata value and the bands")
    bulk = []
    for band, values in enumerate(sample):
        name = features.band.values[band] if "band" in features.coords else band
        known = values[np.isfinite(values)]
        if not known.size:  # all of it between the stride
            known = np.concatenate([_finite(features[band : band + 1], window) for window in windows])
        if not known.size:
            raise InputError(f"feature {name} has no valid pixel", mend="leave it out, or check its nodata value")
        bulk.append(_middle_and_width(known.astype(np.float64)))
        if bulk[-1][1] == 0:
            log.warning("feature %s is constant and does not count for the superpixels", name)
    return Survey(valid, np.array(bulk))


def _look(features: xr.DataArray, sample: npt.NDArray[np.float32], stride: int, window: Tile) -> int:
    """Count the pixels of a window that have data, and write those on the stride into `sample`."""
    values, (row, column) = whole_or_window(features, *window.slices)
    found = count_valid(values, (row, row + window.height), (column, column + window.width))
    top, left = -window.row % stride, -window.column % stride
    thin = values[:, row + top : row + window.height : stride, column + left : column + window.width : stride]
    row, column = (window.row + top) // stride, (window.column + left) // stride
    sample[:, row : row + thin.shape[1], column : column + thin.shape[2]] = thin
    return int(found)


def whole_or_window(
    features: xr.DataArray, rows: slice, columns: slice
) -> tuple[npt.NDArray[np.float32], tuple[int, int]]:
    """Return an array that holds a window and where it begins there: all of a raster in memory, not a copy."""
    values = features.variable._data
    if isinstance(values, np.ndarray) and values.dtype == np.float32 and values.flags.c_contiguous:
        return values, (rows.start, columns.start)
    return read_window(features, rows, columns), (0, 0)


def _finite(band: xr.DataArray, window: Tile) -> npt.NDArray[np.float32]:
    values = read_window(band, *window.slices)
    return values[np.isfinite(values)]


def scale_features(bulk: Floats, reach: float) -> Scaling:
    """Find the finest step at which all squared distances fit in 31 bits.

    `bulk` is what `survey` found; `reach` is the largest squared distance in space, in squared widths.
    """
    farthest = len(bulk) * (2 * RANGE) ** 2 + reach
    centre, spread = bulk.T
    return Scaling(centre, spread, float(min(int(sqrt((2**31 - 2**16) / farthest)), FINEST)))


def _middle_and_width(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return middle and width between the 2nd and 98th percentile, rounded so that a few pixels cannot move them."""
    low, high = np.percentile(values, (2, 98))
    if low == high:  # a scene that is nearly all one value: the rest of it tells
        others = values[values != low]
        if not others.size:
            return float(low), 0.0
        least, most = np.percentile(others, (2, 98))
        low, high = min(low, least), max(high, most)
    width = 2.0 ** (np.round(8 * np.log2(high - low)) / 8)
    return float(np.round((low + high) / 2 / width * 16) / 16 * width), float(width)
