"""Harmonized Landsat Sentinel-2 (HLS) v2: a folder of single bands, whose names say all there is to know.

``HLS.S30.T33UUU.2021147T101559.v2.0.B04.tif``: product, tile, year and day and time, version, band. The scale is the
same for all (HLS v2.0 User Guide): 0.0001 for reflectance, 0.01 degrees Celsius for heat, -9999 for no data.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from citygrain.errors import InputError
from citygrain.scene.archive import Archive
from citygrain.scene.product import Product, ProductBand
from citygrain.sensors import LANDSAT8, SENTINEL2, Sensor

__all__ = ["hls_product", "is_hls"]

_FILE = re.compile(r"(?:.*/)?(HLS\.([LS]30)\.T(\d{2}[A-Z]{3})\.(\d{7}T\d{6})\.v(\d\.\d))\.(\w+)\.tiff?", re.I)
_REFLECTANCE, _CELSIUS, _NODATA = 10_000.0, 100.0, -9999.0
_MASK, _NO_MASK = "Fmask", 255.0
_AIR = {"S30": {"B01", "B09", "B10"}, "L30": {"B09"}}
"""Bands that see aerosol, water vapour and cirrus."""


def is_hls(names: Sequence[str]) -> bool:
    """Tell whether there is a band of HLS among file names."""
    return any(_FILE.fullmatch(name) for name in names)


def hls_product(archive: Archive) -> Product:
    """Return an HLS granule.

    Raises
    ------
    InputError
        If there are several granules, or no band of one.
    """
    found = [match for name in archive.names if (match := _FILE.fullmatch(name))]
    granules = sorted({match[1] for match in found})
    if len(granules) > 1:
        came = f"{archive.path.name} holds {len(granules)} granules ({', '.join(granules[:2])})"
        raise InputError(came, wanted="the bands of one granule", mend="put each into a folder of its own")
    kind = found[0][2].upper()
    sensor = SENTINEL2 if kind == "S30" else LANDSAT8
    bands = [band for match in found if (band := _band(match[6], match[0], sensor))]
    usual = tuple(b.name for b in bands if b.scale == _REFLECTANCE and _as_in_file(b.name) not in _AIR[kind])
    if not usual:
        raise InputError(f"{archive.path.name} holds no band of HLS that sees the ground", wanted="B02, B03, ...")
    return Product(
        kind=f"HLS {kind}",
        archive=archive,
        sensor=sensor,
        bands=tuple(bands),
        usual=usual,
        level="SR",
        baseline=found[0][5],
        time=_time(found[0][4], archive.path.name),
        tile=found[0][3].upper(),
        evidence="scale 0.0001 of HLS v2",
    )


def _band(name: str, file: str, sensor: Sensor) -> ProductBand | None:
    if name.lower() == _MASK.lower():
        return ProductBand(_MASK, file, 30, 1.0, 0.0, nodata=_NO_MASK, codes=True)
    if not re.fullmatch(r"(?i)B(\d\d|8A)", name):
        return None  # angles of sun and view
    band = sensor.find(name)
    if band is None:
        return None
    scale = _CELSIUS if band.wavelength_nm > 3000 else _REFLECTANCE
    return ProductBand(band.name, file, 30, scale, 0.0, nodata=_NODATA)


def _as_in_file(name: str) -> str:
    return f"B{name[1:].zfill(2)}"


def _time(text: str, where: str) -> str:
    try:
        return f"{datetime.strptime(text, '%Y%jT%H%M%S'):%Y-%m-%dT%H:%M:%S}Z"
    except ValueError:
        raise InputError(f"{where} holds HLS files of {text}", wanted="year, day of the year and time") from None
