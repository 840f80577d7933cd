"""Rasters and boxes of pixels on a grid on the ground."""

from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError

__all__ = ["check_grid", "grid_of", "ground_of", "raster_like"]


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


def ground_of(boxes: npt.NDArray[np.int64], geobox: GeoBox) -> npt.NDArray[np.float64]:
    """Turn pixel boxes (top, left, bottom, right; ends excluded) into xmin, ymin, xmax, ymax."""
    a = geobox.affine
    x = a.c + a.a * boxes[:, [1, 3]]
    y = a.f + a.e * boxes[:, [0, 2]]
    return np.column_stack([x.min(1), y.min(1), x.max(1), y.max(1)])


def grid_of(raster: xr.DataArray) -> GeoBox:
    """Return the grid of a raster."""
    geobox: GeoBox = raster.odc.geobox
    return geobox


def check_grid(features: xr.DataArray, labels: xr.DataArray) -> None:
    """Refuse superpixels that are not on the grid of the features.

    Raises
    ------
    InputError
        If their sizes differ.
    """
    if features.shape[1:] != labels.shape:
        raise InputError(
            f"features of {features.shape[1:]} and segments of {labels.shape} pixels", wanted="one grid for both"
        )
