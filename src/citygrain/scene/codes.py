"""Integer rasters that we wrote ourselves: superpixel labels and class codes."""

from pathlib import Path
from xml.etree.ElementTree import ParseError

import rasterio
import xarray as xr
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from citygrain.errors import InputError

__all__ = ["read_class_names", "read_codes"]


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
    if values.dtype.kind not in "iu":
        raise InputError(f"{path} holds {values.dtype}", wanted="integers: labels or class codes")
    if geobox.crs is None:
        raise InputError(f"{path} has no coordinate system", wanted="a raster that knows where it lies")
    raster: xr.DataArray = wrap_xr(values, geobox)
    return raster


def read_class_names(path: Path) -> dict[int, str]:
    """Return the class names that GDAL keeps beside a raster (``.aux.xml``), by code; none where it keeps none.

    Parameters
    ----------
    path : Path
        The raster.
    """
    try:
        band = parse(f"{path}.aux.xml").find("PAMRasterBand")
    except (OSError, ParseError, DefusedXmlException):
        return {}
    names = band.findall("CategoryNames/Category") if band is not None else []
    return {code: name.text for code, name in enumerate(names) if name.text}
