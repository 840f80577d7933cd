"""A map for Google Earth: a KMZ with the picture laid on the ground and the legend beside it.

The community of the Local Climate Zones looks at maps, and draws its training areas, in Google Earth.
"""

import io
import zipfile
from html import escape
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import calculate_default_transform, reproject

from citygrain.errors import InputError, OutputError
from citygrain.files import whole_file
from citygrain.legend import Legend

__all__ = ["write_kmz"]

_LARGEST = 4096
"""Pixels on a side that Google Earth shows without thinning them by itself."""
_FINER, _FINE = 15, 2048
"""Pixels of the picture for each of the map: Google Earth blurs between pixels, and cells are to keep their edges; but
no picture is made larger than 2048 pixels for that."""


def write_kmz(path: Path, codes: xr.DataArray, legend: Legend, *, title: str, key: bytes | None = None) -> None:
    """Write a map as KMZ: an overlay in longitude and latitude, transparent where there is no data.

    Parameters
    ----------
    path : Path
        The file, ``.kmz``.
    codes : DataArray of uint8, (y, x)
        Class codes; 0 = no data.
    legend : Legend
        The classes; the names are listed in the overlay's description.
    title : str
        Name of the map.
    key : bytes, optional
        Picture of the legend (PNG), shown at the screen's left edge.

    Raises
    ------
    InputError
        If the map has no coordinate system, or cannot be turned into longitude and latitude.
    OutputError
        If the file cannot be written.
    """
    picture, bounds = _overlay(codes, legend)
    files = {"doc.kml": _document(legend, title, bounds, with_key=key is not None), "map.png": picture}
    if key is not None:
        files["legend.png"] = key
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            kind = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            entry = zipfile.ZipInfo(name)  # with the format's first date: today's would make each file another
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, compress_type=kind)
    with whole_file(path) as partial:
        partial.write_bytes(content.getvalue())


def _overlay(codes: xr.DataArray, legend: Legend) -> tuple[bytes, tuple[float, float, float, float]]:
    """Return the picture (PNG with transparency) and its west, south, east and north in degrees."""
    source: GeoBox = codes.odc.geobox
    if source.crs is None:
        raise InputError("a map without a coordinate system", wanted="one, to find longitude and latitude")
    height, width = source.shape
    crs, box = source.crs.to_wkt(), source.boundingbox
    try:
        _, across, down = calculate_default_transform(crs, "EPSG:4326", width, height, *box)
        side = max(across, down)
        finer = min(_FINER, max(1, _FINE / side), _LARGEST / side)
        size = {"dst_width": max(1, round(finer * across)), "dst_height": max(1, round(finer * down))}
        transform, across, down = calculate_default_transform(crs, "EPSG:4326", width, height, *box, **size)
        turned = np.zeros((down, across), np.uint8)
        reproject(
            np.asarray(codes.values, np.uint8),
            turned,
            src_transform=source.affine,
            src_crs=crs,
            dst_transform=transform,
            dst_crs="EPSG:4326",
            src_nodata=0,
            dst_nodata=0,
            resampling=Resampling.nearest,
        )
    except RasterioError as error:
        raise InputError(f"a map in {source.crs} cannot be shown in degrees ({error})") from None
    west, north = transform * (0, 0)
    east, south = transform * (across, down)
    return _png(turned, transform, legend), (west, south, east, north)


def _png(codes: npt.NDArray[np.uint8], transform: Affine, legend: Legend) -> bytes:
    table = np.zeros((256, 4), np.uint8)
    for code, color in legend.colormap().items():
        table[code] = color
    bands = table[codes].transpose(2, 0, 1)  # (4, y, x)
    options = {"driver": "PNG", "count": 4, "height": codes.shape[0], "width": codes.shape[1], "dtype": "uint8"}
    options["transform"] = transform  # without one rasterio warns
    try:
        with rasterio.MemoryFile() as memory:
            with memory.open(**options) as target:
                target.write(bands)
            return bytes(memory.getbuffer())
    except RasterioError as error:
        raise OutputError(f"the picture of the map cannot be made ({error})") from None


def _document(legend: Legend, title: str, bounds: tuple[float, float, float, float], *, with_key: bool) -> bytes:
    root = Element("kml", xmlns="http://www.opengis.net/kml/2.2")
    document = SubElement(root, "Document")
    SubElement(document, "name").text = _printable(title)
    ground = SubElement(document, "GroundOverlay")
    SubElement(ground, "name").text = _printable(title)
    SubElement(ground, "description").text = _table(legend)
    SubElement(SubElement(ground, "Icon"), "href").text = "map.png"
    box = SubElement(ground, "LatLonBox")
    west, south, east, north = bounds
    for side, degrees in (("north", north), ("south", south), ("east", east), ("west", west)):
        SubElement(box, side).text = f"{degrees:.9f}"
    if with_key:
        screen = SubElement(document, "ScreenOverlay")
        SubElement(screen, "name").text = "Legend"
        SubElement(SubElement(screen, "Icon"), "href").text = "legend.png"
        for point, x, y in (("overlayXY", "0", "0.5"), ("screenXY", "0.01", "0.5")):
            SubElement(screen, point, x=x, y=y, xunits="fraction", yunits="fraction")
        SubElement(screen, "size", x="0", y="0", xunits="fraction", yunits="fraction")  # the picture's own
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}'.encode()


def _table(legend: Legend) -> str:
    """Return the classes as HTML, which Google Earth shows when the map is clicked; names are text, never markup."""
    cell = '<tr><td style="background:{color};width:2em">&#160;</td><td>{code}</td><td>{name}</td></tr>'
    rows = (cell.format(color=c.color, code=c.code, name=escape(_printable(c.name))) for c in legend)
    return f"<table>{''.join(rows)}</table>"


def _printable(text: str) -> str:
    # Control characters have no spelling in XML 1.0.
    return "".join(c if c.isprintable() else " " for c in text)
