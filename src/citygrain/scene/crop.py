"""The part of a scene within a rectangle of longitude and latitude."""

import math

import xarray as xr
from rasterio.warp import transform_bounds

from citygrain.errors import InputError

__all__ = ["BoundingBox", "crop"]

_DEGREES = "EPSG:4326"
_SLACK = 1e-6
"""Of a pixel: an edge that meets the rectangle's does not count as touched."""

BoundingBox = tuple[float, float, float, float]
"""West, south, east, north, in degrees (WGS 84)."""


def crop(raster: xr.DataArray, bbox: BoundingBox) -> xr.DataArray:
    """Return the whole pixels of a raster that touch a rectangle; a lazy one stays lazy.

    Parameters
    ----------
    raster : DataArray, (..., y, x)
        In any coordinate system.
    bbox : (float, float, float, float)
        West, south, east, north, in degrees. Its edges are meridians and parallels, so that in other coordinates the
        part returned is a little larger.

    Raises
    ------
    InputError
        If the rectangle is none, or lies beside the raster.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> from odc.geo.xr import xr_zeros
    >>> raster = xr_zeros(GeoBox.from_bbox((390000, 5810000, 400000, 5820000), "EPSG:32633", resolution=10))
    >>> crop(raster, (13.41, 52.45, 13.42, 52.46)).shape
    (114, 72)
    """
    west, south, east, north = bbox
    if not (all(map(math.isfinite, bbox)) and -180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InputError(f"the rectangle {_words(bbox)}", wanted="west, south, east, north in degrees")
    geobox = raster.odc.geobox
    ground = transform_bounds(_DEGREES, geobox.crs.to_wkt(), *bbox, densify_pts=21)
    affine, (height, width) = geobox.affine, geobox.shape
    left, right = ((side - affine.c) / affine.a for side in ground[::2])
    bottom, top = ((side - affine.f) / affine.e for side in ground[1::2])
    rows = slice(max(0, math.floor(top + _SLACK)), min(height, math.ceil(bottom - _SLACK)))
    columns = slice(max(0, math.floor(left + _SLACK)), min(width, math.ceil(right - _SLACK)))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        here = transform_bounds(geobox.crs.to_wkt(), _DEGREES, *geobox.boundingbox.bbox)
        raise InputError(f"the rectangle {_words(bbox)} lies beside the scene", wanted=f"some of {_words(here)}")
    return raster.isel(y=rows, x=columns)


def _words(bbox: BoundingBox) -> str:
    return ", ".join(f"{side:.6g}" for side in bbox)
