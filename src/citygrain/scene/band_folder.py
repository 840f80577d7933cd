"""A folder of single-band files, whose names say which band each is, and nothing says what the numbers mean."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from citygrain.errors import InputError
from citygrain.scene.archive import Archive
from citygrain.scene.bands import band_in_file_name
from citygrain.scene.product import Product, ProductBand
from citygrain.sensors import Sensor

__all__ = ["band_files", "folder_product"]

logger = logging.getLogger(__name__)

_RASTERS = (".tif", ".tiff", ".jp2")


def band_files(names: Sequence[str], sensor: Sensor) -> dict[str, list[str]]:
    """Return the rasters at the top of a folder by the band that their name tells.

    Examples
    --------
    >>> from citygrain.sensors import SENTINEL2
    >>> band_files(["s2_B04.tif", "B8A_20m.jp2", "quicklook.tif", "B04.txt"], SENTINEL2)
    {'B04': ['s2_B04.tif'], 'B8A': ['B8A_20m.jp2']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        band = band_in_file_name(name, sensor) if _is_raster(name) else None
        if band:
            found.setdefault(band, []).append(name)
    return found


def folder_product(archive: Archive, sensor: Sensor, found: Mapping[str, Sequence[str]]) -> Product:
    """Return a folder of single bands; scale and level stay open.

    Parameters
    ----------
    archive : Archive
        The folder.
    sensor : Sensor
        Whose bands they are.
    found : mapping of str to sequence of str
        See `band_files`.

    Raises
    ------
    InputError
        If several files are the same band.
    """
    twice = next((names for names in found.values() if len(names) > 1), None)
    if twice:
        raise InputError(
            f"{archive.path.name} holds {' and '.join(twice[:2])}, both the same band by their names",
            wanted="one file for each band",
            mend="name the files one by one, or put each date and resolution into a folder of its own",
        )
    used = {names[0] for names in found.values()}
    others = [name for name in archive.names if _is_raster(name) and name not in used]
    if others:
        logger.info("%s: no band by its name, not read: %s", archive.path.name, ", ".join(others))
    bands = tuple(ProductBand(band, names[0], _resolution(names[0])) for band, names in found.items())
    wanted = [band.name for band in sensor.bands]
    usual = tuple(sorted(found, key=wanted.index))
    return Product("a folder of bands", archive, None, bands, usual)


def _is_raster(name: str) -> bool:
    path = PurePosixPath(name)
    return len(path.parts) == 1 and path.suffix.lower() in _RASTERS


def _resolution(name: str) -> float:
    found = re.search(r"_(\d\d)m(?=[._])", name)
    return float(found[1]) if found else 0.0
