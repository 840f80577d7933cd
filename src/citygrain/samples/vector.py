"""Shapes of a vector file, each with the value of its class, in the file's own CRS.

KML goes through our own reader (`citygrain.samples.kml`), all else through GDAL.
"""

import logging
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError
from shapely import GEOSException
from shapely.geometry import GeometryCollection, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from citygrain.errors import InputError
from citygrain.samples.kml import Placemark, is_kml, read_kml

__all__ = ["areal_part", "existing_file", "fields_of", "is_vector", "read_placemarks", "read_vector"]

logger = logging.getLogger(__name__)

_PATH = re.compile(r"^'[^']*[/\\\\][^']*'")
_SUFFIXES = {".gpkg", ".geojson", ".json", ".shp", ".fgb", ".kml", ".kmz", ".gml", ".zip"}


def existing_file(path: Path | str, *, wanted: str) -> Path:
    """Return the path of a file that is there.

    Raises
    ------
    InputError
        If it is missing or a folder.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is a folder" if path.is_dir() else f"{path} does not exist", wanted=wanted)
    return path


def is_vector(path: Path) -> bool:
    """Return whether `path` is a vector file, by its suffix; a GeoPackage of rasters only is none."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    if is_kml(path):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # reading it says what is missing
            return len(pyogrio.list_layers(path)) > 0
    except DataSourceError:
        return True  # reading it says why it cannot be


def read_vector(path: Path, *, field: str | None, layer: str | None) -> gpd.GeoDataFrame:
    """Read the shapes of a file with their values.

    Parameters
    ----------
    path : Path
        GeoPackage, GeoJSON, Shapefile, KML or what else GDAL reads.
    field : str or None
        Attribute with the class; ``"layer"`` where each layer of the file is a class. Of KML: a data field, ``"name"``
        (the default) for the placemark's name, ``"layer"`` for the folder that it lies in.
    layer : str or None
        Layer to read, where there are several; of KML a folder.

    Returns
    -------
    geopandas.GeoDataFrame
        Columns ``value`` and ``geometry``, in the file's CRS and order; the index is the row in the file, from 0.

    Raises
    ------
    InputError
        If file, layer or field cannot be used, or there is no CRS.
    """
    if is_kml(path):
        marks, rows = read_placemarks(path, layer)
        values = _values(marks, field, path.name)
        shapes = [areal_part(mark.geometry) for mark in marks]
        return gpd.GeoDataFrame({"value": values}, geometry=shapes, crs=4326, index=rows)
    return gpd.GeoDataFrame(pd.concat(list(_frames(path, field, layer)), ignore_index=True))


def read_placemarks(path: Path, folder: str | None) -> tuple[list[Placemark], list[int]]:
    """Return the placemarks of a KML file, of one folder where it is given, and their rows in the file.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no shape or no such folder.
    """
    marks = read_kml(path)
    rows = [row for row, mark in enumerate(marks) if folder is None or folder in mark.folders]
    if not rows:
        known = sorted({name for mark in marks for name in mark.folders if name})
        came = f"{path.name} has no placemark with a shape" + (f" in a folder {folder!r}" if marks else "")
        raise InputError(came, wanted=f"one of {', '.join(known)}" if known else "polygons or points")
    return [marks[row] for row in rows], rows


def fields_of(path: Path, layer: str | None) -> tuple[str, ...]:
    """Return the attributes of a vector file other than KML; nothing where it has several layers and none is chosen."""
    with _spoken_errors(path):
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is None and len(layers) != 1:
            return ()
        return tuple(str(name) for name in pyogrio.read_info(path, layer=layer)["fields"])


def areal_part(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a collection that has some: Google Earth adds a point for the label. Else it unchanged."""
    if not isinstance(geometry, GeometryCollection):
        return geometry
    polygons = [part for part in geometry.geoms if isinstance(part, Polygon)]
    return MultiPolygon(polygons) if len(polygons) > 1 else polygons[0] if polygons else geometry


def _values(marks: Sequence[Placemark], field: str | None, file: str) -> list[str | None]:
    known = list(dict.fromkeys(["name", "layer", *(key for mark in marks for key in mark.fields)]))
    if field is None or field in ("name", "Name"):
        return [mark.name or None for mark in marks]
    if field not in known:
        raise InputError(f"field {field!r} is not in {file}", wanted=f"field = one of {', '.join(known)}")
    if any(field in mark.fields for mark in marks):
        return [mark.fields.get(field) or None for mark in marks]
    return [mark.folders[-1] if mark.folders else None for mark in marks]


def _frames(path: Path, field: str | None, layer: str | None) -> Iterator[gpd.GeoDataFrame]:
    with _spoken_errors(path):
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is not None and layer not in layers:
            raise InputError(f"layer {layer!r} is not in {path.name}", wanted=f"one of {', '.join(layers)}")
        chosen = [layer] if layer is not None else layers
        by_layer = field == "layer" and all(
            "layer" not in pyogrio.read_info(path, layer=name)["fields"] for name in chosen
        )
        if not chosen:
            raise InputError(f"{path.name} has no layer with shapes", wanted="polygons or points")
        if len(chosen) > 1 and not by_layer:
            raise InputError(
                f"{path.name} has layers {', '.join(layers)}",
                wanted="one of them as layer",
                mend='or field = "layer" where each layer is a class',
            )
        for name in chosen:
            yield _frame(path, name, field, by_layer=by_layer)


@contextmanager
def _spoken_errors(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a CRS that cannot be read: our line says so
            yield
    except (DataSourceError, DataLayerError, FieldError, GeometryError, GEOSException) as error:
        raise InputError(
            f"{path.name} cannot be read as shapes ({_reason(error)})", wanted="a GeoPackage or GeoJSON"
        ) from error


def _reason(error: Exception) -> str:
    """Return what GDAL has against a file in a few words, without its SQL, its advice, and the path.

    Examples
    --------
    >>> _reason(ValueError("sqlite3_prepare_v2(SELECT 1) failed: disk image is malformed; disk image is malformed"))
    'disk image is malformed'
    >>> _reason(ValueError("'/a/b.gpkg' not recognized as being in a supported file format.; It might help to ..."))
    'not recognized as being in a supported file format'
    """
    said = (str(error).splitlines() or [""])[0].rpartition("failed: ")[2]
    said = _PATH.sub("", said.partition(";")[0].partition(" - ")[0]).strip(" .")
    return textwrap.shorten(said, 90, placeholder=" ...") or type(error).__name__


def _frame(path: Path, layer: str, field: str | None, *, by_layer: bool) -> gpd.GeoDataFrame:
    info = pyogrio.read_info(path, layer=layer)
    fields = [str(name) for name in info["fields"]]
    if not by_layer and field not in fields:
        came = f"field {field!r} is not in {path.name}" if field else f"{path.name} holds shapes, but field is not set"
        raise InputError(came, wanted=f"field = one of {', '.join(fields)}" if fields else 'field = "layer"')
    if info["crs"] is None:
        raise InputError(f"{path.name} has no CRS", wanted="shapes with a CRS", mend="set it with ogr2ogr -a_srs")
    with warnings.catch_warnings():
        # Heights ("Measured (M) geometry types are not supported") play no part here.
        warnings.simplefilter("ignore", UserWarning)
        frame = pyogrio.read_dataframe(path, layer=layer, columns=[] if by_layer else [field])
    values = [layer] * len(frame) if by_layer else frame[field].tolist()
    return gpd.GeoDataFrame({"value": values}, geometry=frame.geometry, crs=frame.crs)
