"""Integer rasters that we wrote ourselves: superpixel labels and class codes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
import numpy.typing as npt
import xarray as xr
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from citygrain.errors import InputError
from citygrain.lazy import lazy_raster
from citygrain.scene.open_files import close_after, close_files, lent_file
from citygrain.scene.rasters import open_raster

__all__ = ["open_codes", "read_class_names", "read_codes"]


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
        return open_codes(path, band=band).load()
    finally:
        close_files([Path(path).absolute()])


def open_codes(path: Path, *, band: int = 1) -> xr.DataArray:
    """Open a band of a raster without reading it: each window is read when it is asked for (see `citygrain.lazy`).

    Parameters
    ----------
    path : Path
        GeoTIFF of integers.
    band : int
        Number of the band, from 1.

    Returns
    -------
    DataArray of int, (y, x)
        Lazy; the blocks in which the file is kept are in ``.encoding["preferred_chunks"]``.

    Raises
    ------
    InputError
        If the file is missing, without coordinate system, or not of integers; when a window is read, if it is broken.
    """
    place = Path(path).absolute()
    try:
        with lent_file(open_raster, place) as source:
            geobox, dtype, blocks = GeoBox.from_rio(source), source.dtypes[band - 1], source.block_shapes[band - 1]
    except (InputError, RasterioError, IndexError) as error:
        raise _unreadable(path, error) from None
    if np.dtype(dtype).kind not in "iu":
        raise InputError(f"{path} holds {dtype}", wanted="integers: labels or class codes")
    if geobox.crs is None:
        raise InputError(f"{path} has no coordinate system", wanted="a raster that knows where it lies")
    reader = CodesReader(place, band, (geobox.shape.y, geobox.shape.x))
    close_after(reader, [place])
    raster = lazy_raster(reader, geobox, ["codes"], dtype=dtype).isel(band=0, drop=True)
    raster.encoding["preferred_chunks"] = {"y": blocks[0], "x": blocks[1]}
    return raster


@dataclass(frozen=True)
class CodesReader:
    """Reads windows of codes, see `citygrain.lazy.WindowReader`.

    Attributes
    ----------
    path : Path
        The raster, absolute.
    band : int
        Which band of it.
    shape : (int, int)
        Height and width that it had when it was opened.
    """

    path: Path
    band: int
    shape: tuple[int, int]

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return codes (1, height, width).

        Raises
        ------
        InputError
            If the file is broken, or no longer the one that was opened.
        """
        try:
            with lent_file(open_raster, self.path) as source:
                if source.shape != self.shape:
                    raise InputError(f"{self.path} has changed since it was opened", mend="begin again")
                codes: npt.NDArray[Any] = source.read(
                    [self.band] * len(bands), window=Window.from_slices(rows, columns)
                )
        except (RasterioError, IndexError) as error:
            raise _unreadable(self.path, error) from None
        return codes


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = error.came if isinstance(error, InputError) else error
    return InputError(f"{path} cannot be read: {reason}", wanted="a GeoTIFF of labels or class codes")


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
