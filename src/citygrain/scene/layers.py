"""What a file holds before its bands are named and scaled: layers, each on its own grid, none of them loaded yet.

GDAL's formats and xarray's are opened by two different libraries; both answer with layers, so that names, units and
no data are settled in one place.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError

__all__ = ["FloatBand", "Layer", "checked_grid", "common_grid", "load_on"]

logger = logging.getLogger(__name__)

FloatBand = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """One band of a file.

    Attributes
    ----------
    file : str
        Name of the file, for messages.
    name : str or None
        What the file calls the band, if anything.
    geobox : GeoBox
        The grid, north up.
    load : callable
        Fills a (height, width) float32 array with the file's numbers.
    scale, offset : float
        The file's own tags, as ``value = number / scale + offset``; 1 and 0 where it has none.
    nodata : float or None
        The number that means no data.
    """

    file: str
    name: str | None
    geobox: GeoBox
    load: Callable[[FloatBand], None]
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None


def checked_grid(geobox: GeoBox, file: str) -> GeoBox:
    """Return `geobox` if it is north up, unrotated and has a CRS.

    Raises
    ------
    InputError
        If it has no CRS, no place on the ground, or is rotated or mirrored.
    """
    affine = geobox.affine
    if geobox.crs is None:
        raise InputError(f"{file} has no CRS", wanted="a georeferenced raster", mend="set it with gdal_edit -a_srs")
    if affine.is_identity:
        raise InputError(f"{file} has no geotransform", wanted="a georeferenced raster", mend="use gdalwarp first")
    if affine.b or affine.d:
        raise InputError(f"the grid of {file} is rotated", wanted="a north-up grid", mend="use gdalwarp first")
    if affine.a <= 0 or affine.e >= 0:
        raise InputError(f"the grid of {file} is mirrored", wanted="a north-up grid", mend="use gdalwarp first")
    return geobox


def common_grid(layers: Sequence[Layer]) -> GeoBox:
    """Return the finest grid among `layers`; all others are on it or coarser, in the same CRS, and cover it.

    Raises
    ------
    InputError
        If a layer cannot be brought to that grid without warping or leaving gaps.
    """
    finest = min(layers, key=lambda layer: _pixel_area(layer.geobox))
    for layer in layers:
        if _same_grid(layer.geobox, finest.geobox):
            continue
        problem = _misfit(layer.geobox, finest.geobox)
        if problem:
            raise InputError(
                f"{layer.file} {problem} {finest.file}",
                wanted="files on one grid, or coarser ones that cover it",
                mend="bring them together with gdalwarp",
            )
        logger.info("%s: resampled to the grid of %s by nearest neighbour", layer.file, finest.file)
    return finest.geobox


def load_on(layer: Layer, geobox: GeoBox, out: FloatBand) -> None:
    """Fill `out` with the layer's numbers on `geobox`, by nearest neighbour where the layer is coarser."""
    if _same_grid(layer.geobox, geobox):
        layer.load(out)
        return
    coarse = np.empty(layer.geobox.shape, np.float32)
    layer.load(coarse)
    near, far = geobox.affine, layer.geobox.affine
    x = near.c + (np.arange(out.shape[1]) + 0.5) * near.a
    y = near.f + (np.arange(out.shape[0]) + 0.5) * near.e
    columns = np.clip(np.floor((x - far.c) / far.a).astype(int), 0, coarse.shape[1] - 1)
    rows = np.clip(np.floor((y - far.f) / far.e).astype(int), 0, coarse.shape[0] - 1)
    for row, source_row in enumerate(rows):
        out[row] = coarse[source_row, columns]


def _pixel_area(geobox: GeoBox) -> float:
    return float(abs(geobox.affine.a * geobox.affine.e))


def _same_grid(one: GeoBox, other: GeoBox) -> bool:
    if one.shape != other.shape or one.crs != other.crs:
        return False
    # A thousandth of a pixel: coordinates stored as centres come back with rounding errors.
    difference = np.abs(np.array(one.affine[:6]) - np.array(other.affine[:6]))
    return bool((difference < 1e-3 * abs(other.affine.a)).all())


def _misfit(coarse: GeoBox, fine: GeoBox) -> str:
    if coarse.crs != fine.crs:
        return "is in another CRS than"
    if _pixel_area(coarse) < 1.5 * _pixel_area(fine):
        return "is shifted or cropped against"
    outer, inner, slack = coarse.boundingbox, fine.boundingbox, abs(fine.affine.a) / 2
    if (
        outer.left > inner.left + slack
        or outer.right < inner.right - slack
        or outer.bottom > inner.bottom + slack
        or outer.top < inner.top - slack
    ):
        return "does not cover"
    return ""
