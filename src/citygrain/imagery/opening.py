"""Files of catalogues are opened as what they are to be, and as nothing else.

What a server sends under the name of an image may be of any kind that GDAL knows, and some kinds read other files: a
VRT names files of this machine, or addresses behind a firewall, whose numbers would come out as pixels.
"""

from pathlib import Path
from urllib.parse import urlsplit

import rasterio
from rasterio.errors import RasterioIOError

__all__ = ["KINDS", "open_image"]

KINDS = ("GTiff", "JP2OpenJPEG")
"""GDAL's drivers for GeoTIFF, Cloud-Optimised ones among them, and for JPEG 2000."""


def open_image(address: str | Path) -> rasterio.DatasetReader:
    """Open a GeoTIFF or JPEG 2000 file.

    Parameters
    ----------
    address : str or Path
        A path, or an address that GDAL opens.

    Raises
    ------
    rasterio.errors.RasterioIOError
        If it cannot be opened or is of another kind; in one line, without what may be secret in the address.

    Examples
    --------
    >>> page = getfixture("tmp_path") / "a.tif"
    >>> _ = page.write_text("<VRTDataset rasterXSize='1' rasterYSize='1'/>")
    >>> open_image(page)
    Traceback (most recent call last):
    rasterio.errors.RasterioIOError: a.tif is no GeoTIFF or JPEG 2000
    """
    for kind in KINDS:
        try:
            return rasterio.open(address, driver=kind, sharing=False)
        except RasterioIOError as error:
            if "not recognized as being in a supported file format" not in str(error):
                raise
    raise RasterioIOError(f"{Path(urlsplit(str(address)).path).name} is no GeoTIFF or JPEG 2000")
