"""Places for others to look at: outlines with attributes, as GeoPackage for QGIS and as KML for Google Earth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyogrio
import rasterio.features
from odc.geo.geobox import GeoBox
from shapely import union_all
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry

from citygrain.errors import InputError
from citygrain.files import whole_file
from citygrain.samples.shapes import grid_crs

__all__ = ["outline_of", "write_places"]


def outline_of(mask: npt.NDArray[np.bool_], geobox: GeoBox) -> BaseGeometry:
    """Return the outline of the pixels that are set, in the grid's coordinates.

    Parameters
    ----------
    mask : ndarray of bool, (h, w)
        The pixels.
    geobox : GeoBox
        Their grid, of the same shape.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 30, 20), "EPSG:32633", resolution=10)
    >>> outline_of(np.array([[1, 1, 0], [0, 0, 0]], bool), grid).bounds
    (0.0, 10.0, 20.0, 20.0)
    """
    found = rasterio.features.shapes(mask.astype(np.uint8), mask=mask, transform=geobox.affine)
    return union_all([shape(one) for one, _ in found])


def write_places(
    path: Path, shapes: Sequence[BaseGeometry], table: Sequence[Mapping[str, Any]], geobox: GeoBox, *, name: str
) -> None:
    """Write outlines with their attributes; the file's ending chooses GeoPackage or KML.

    Parameters
    ----------
    path : Path
        ``.gpkg``, in the grid's CRS, or ``.kml``, in degrees.
    shapes : sequence of geometries
        Polygons in the CRS of `geobox`.
    table : sequence of mapping
        Attributes of each, the same keys in all; None is written as missing. Of KML, ``title`` and ``words`` are the
        placemark's name and description.
    geobox : GeoBox
        Grid that tells the CRS.
    name : str
        What the layer is called.

    Raises
    ------
    InputError
        If the ending is another, or there are no shapes.
    OutputError
        If it cannot be written.
    """
    if path.suffix.lower() not in (".gpkg", ".kml"):
        raise InputError(f"places as {path.suffix or path.name!r}", wanted=".gpkg or .kml")
    if not shapes:
        raise InputError("no places to write", wanted="one at least")
    columns = {key: [row[key] for row in table] for key in table[0]}
    frame = gpd.GeoDataFrame(columns, geometry=list(shapes), crs=grid_crs(geobox))
    with whole_file(path) as partial:
        if path.suffix.lower() == ".kml":
            partial.write_text(_kml(frame.to_crs(4326), name), encoding="utf-8")
        else:
            texts = [key for key, values in columns.items() if all(v is None or isinstance(v, str) for v in values)]
            pyogrio.write_dataframe(frame.astype(dict.fromkeys(texts, "string")), partial, layer=name)


def _kml(frame: gpd.GeoDataFrame, name: str) -> str:
    style = (
        '<Style id="place"><LineStyle><color>ff3ce1ff</color><width>2</width></LineStyle>'
        "<PolyStyle><fill>0</fill></PolyStyle></Style>"
    )
    marks = "\n".join(_placemark(row._asdict()) for row in frame.itertuples(index=False))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<name>{_text(name)}</name>{style}\n{marks}\n</Document></kml>\n"
    )


def _placemark(row: dict[str, Any]) -> str:
    geometry, title, words = row.pop("geometry"), row.pop("title", ""), row.pop("words", "")
    data = "".join(
        f"<Data name={quoteattr(key)}><value>{_text(value)}</value></Data>"
        for key, value in row.items()
        if value is not None
    )
    return (
        f"<Placemark><name>{_text(title)}</name><description>{_text(words)}</description>"
        f"<styleUrl>#place</styleUrl><ExtendedData>{data}</ExtendedData>{_polygons(geometry)}</Placemark>"
    )


def _polygons(geometry: BaseGeometry) -> str:
    parts = geometry.geoms if isinstance(geometry, MultiPolygon) else [geometry]
    made = "".join(_polygon(part) for part in parts if isinstance(part, Polygon))
    return f"<MultiGeometry>{made}</MultiGeometry>" if len(parts) > 1 else made


def _polygon(part: Polygon) -> str:
    holes = "".join(f"<innerBoundaryIs>{_ring(hole.coords)}</innerBoundaryIs>" for hole in part.interiors)
    return f"<Polygon><outerBoundaryIs>{_ring(part.exterior.coords)}</outerBoundaryIs>{holes}</Polygon>"


def _ring(corners: Any) -> str:
    written = " ".join(f"{corner[0]:.7f},{corner[1]:.7f}" for corner in corners)
    return f"<LinearRing><coordinates>{written}</coordinates></LinearRing>"


def _text(value: object) -> str:
    """Return a value as XML text; characters that XML does not have are left out."""
    return escape("".join(sign for sign in str(value) if sign in "\t\n" or ord(sign) >= 32))
