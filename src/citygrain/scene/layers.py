"""What a file holds before its bands are named and scaled: layers, each on its own grid, none of them loaded yet.

GDAL's formats and xarray's are opened by two different libraries; both answer with layers, so that names, units and
no data are settled in one place. A layer is a recipe, small and picklable: its source opens the file when it is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError

__all__ = ["FloatBand", "FloatBands", "Layer", "Source", "checked_grid", "missing_numbers"]

FloatBand = npt.NDArray[np.float32]
FloatBands = npt.NDArray[np.float32]


class Source(Protocol):
    """A file: hashable, picklable, safe in several threads."""

    @property
    def path(self) -> Path:
        """Where it is, absolute."""
        ...

    def read(self, keys: Sequence[Any], rows: slice, columns: slice, out: FloatBands) -> None:
        """Fill `out` (n, height, width) with the file's numbers of these bands in this window."""
        ...


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
    source : Source
        The file.
    key
        What the source calls the band.
    scale, offset : float
        The file's own tags, as ``value = number / scale + offset``; 1 and 0 where it has none.
    nodata : float or None
        The number that means no data.
    blocks : (int, int)
        Height and width of the blocks in which the file keeps the band.
    saturated : float or None
        The number of pixels that were too bright to be measured.
    never_zero : bool
        Whether the no-data number 0 is never a value, because the product says so.
    codes : bool
        Whether the numbers are codes (a mask, classes), of which there is no mean.
    """

    file: str
    name: str | None
    geobox: GeoBox
    source: Source
    key: Any
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    blocks: tuple[int, int] = (256, 256)
    saturated: float | None = None
    never_zero: bool = False
    codes: bool = False


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


def missing_numbers(band: FloatBand, nodata: float | None) -> npt.NDArray[np.bool_]:
    """Return where a band is NaN or holds its no-data number.

    Examples
    --------
    >>> missing_numbers(np.array([0, 7, np.nan], np.float32), 0).tolist()
    [True, False, True]
    """
    missing: npt.NDArray[np.bool_] = np.isnan(band)
    if nodata is None or np.isnan(nodata):
        return missing
    largest = float(np.finfo(np.float32).max)
    if abs(nodata) >= largest:
        # Such as -1.8e308 in a float64 file, which float32 can only hold as infinity or as its largest number.
        missing |= np.sign(nodata) * band >= np.float32(largest)
    else:
        missing |= band == np.float32(nodata)
    return missing
