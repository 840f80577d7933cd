"""Integer rasters that we wrote ourselves: superpixel labels and class codes."""

from pathlib import Path

import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from citygrain.errors import InputError

__all__ = ["read_codes"]


def read_codes(path: Path, *, band: int = 1) -> xr.DataArray:
    """Read a band of a raster, as it is.

    Parameters
    ----------
    path : Path
        GeoTIFF of integers.
    band : int
        Number of the band, from 1.

    Returns
    -------
    DataArray of int, (y, x)

    Raises
    ------
    InputError
        If the file is missing, broken, without coordinate system, or not of integers.
    """
    try:
        with rasterio.open(path) as source:
            values, geobox = source.read(band), GeoBox.from_rio(source)
    except (rasterio.errors.RasterioError, IndexError) as error:
        raise InputError(f"{path} cannot be read: {error}", wanted="a GeoTIFF of labels or class codes") from None
    if values.dtype.kind not in "iu" or geobox.crs is None:
        raise InputError(f"{path} holds {values.dtype} in {geobox.crs}", wanted="integers in a coordinate system")
    raster: xr.DataArray = wrap_xr(values, geobox)
    return raster
