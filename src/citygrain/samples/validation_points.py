"""Points to label, written for QGIS and Google Earth, and read back with what somebody wrote beside them.

The sheet does not tell the map's class by name, and the points come in random order: who labels them shall say what is
there, not agree with the map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.files import whole_file, write_text
from citygrain.samples.codes import CodeTable, value_key
from citygrain.samples.kml import is_kml
from citygrain.samples.shapes import grid_crs
from citygrain.samples.vector import existing_file, fields_of, read_placemarks, read_vector

__all__ = ["LabelledPoints", "read_points", "reference_codes", "write_points"]

REFERENCE = "reference"
"""Field that whoever labels the points fills in."""


@dataclass(frozen=True)
class LabelledPoints:
    """Points of a file, in its order.

    Attributes
    ----------
    id : ndarray of int64, (n,)
        Their numbers; the row in the file, from 1, where it has no field ``id``.
    x, y : ndarray of float, (n,)
        Where they are, in the map's coordinates.
    reference : tuple of str or None
        What was written as the class; None where nothing was.
    design : str or None
        Name of the file that says how they were drawn, where they know it.
    """

    id: npt.NDArray[np.int64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    reference: tuple[str | None, ...]
    design: str | None

    def __len__(self) -> int:
        return len(self.id)


def write_points(
    path: Path,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    *,
    stratum: npt.NDArray[np.int64],
    geobox: GeoBox,
    design: str,
) -> list[Path]:
    """Write points with an empty field ``reference`` as GeoPackage, and as KML beside it.

    Parameters
    ----------
    path : Path
        The GeoPackage; it keeps the map's coordinate system. The KML has longitude and latitude (WGS84).
    x, y : ndarray of float, (n,)
        Where they are, in the map's coordinates.
    stratum : ndarray of int, (n,)
        Number of the stratum that each was drawn in. It is the map's class: the GeoPackage holds it as a bare number,
        the KML, which shows its fields at a click, not at all.
    geobox : GeoBox
        Grid of the map.
    design : str
        Name of the file that says how they were drawn.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    numbers = np.arange(1, len(x) + 1)
    frame = gpd.GeoDataFrame(
        {"id": numbers, "stratum": stratum, REFERENCE: pd.Series([None] * len(x), dtype="str"), "design": design},
        geometry=gpd.points_from_xy(x, y),
        crs=grid_crs(geobox),
    )
    with whole_file(path) as partial:
        partial.unlink(missing_ok=True)
        frame.to_file(partial, driver="GPKG", layer="points", engine="pyogrio")
    places = frame.geometry.to_crs(4326)
    kml = path.with_suffix(".kml")
    write_text(kml, _kml(path.stem, places.x.to_numpy(), places.y.to_numpy(), design))
    return [path, kml]


def read_points(path: Path, geobox: GeoBox, *, field: str | None = None, layer: str | None = None) -> LabelledPoints:
    """Read points with what somebody wrote beside them: GeoPackage, GeoJSON, KML or what else GDAL reads.

    Parameters
    ----------
    path : Path
        The file.
    geobox : GeoBox
        Grid of the map; the points come in its coordinates.
    field : str, optional
        Attribute with the class; ``"reference"`` by default. In KML, where this is empty, a placemark that was renamed
        from its number to a class is labelled, too.
    layer : str, optional
        Layer to read, where there are several.

    Raises
    ------
    InputError
        If the file cannot be used, holds other shapes than points, or an ``id`` twice.
    """
    path = existing_file(path, wanted="labelled points")
    frame = read_vector(path, field=field or REFERENCE, layer=layer)
    known = _fields(path, layer)
    numbers = (
        read_vector(path, field="id", layer=layer)["value"] if "id" in known else pd.Series(range(1, len(frame) + 1))
    )
    designs = read_vector(path, field="design", layer=layer)["value"].dropna() if "design" in known else []
    if frame.geometry.isna().any() or not set(frame.geom_type) <= {"Point", "MultiPoint"}:
        kinds = sorted({str(kind) for kind in frame.geom_type if kind is not None})
        raise InputError(f"{path.name} holds {', '.join(kinds) or 'rows without a place'}", wanted="points")
    places = frame.geometry.to_crs(grid_crs(geobox)).centroid
    ids, said = _whole_numbers(numbers, path.name), [_written(value) for value in frame["value"].tolist()]
    if is_kml(path):
        said = _said_by_name(path, layer, ids, said)
    return LabelledPoints(
        ids,
        places.x.to_numpy(),
        places.y.to_numpy(),
        tuple(said),
        next((str(name) for name in designs), None),
    )


def reference_codes(points: LabelledPoints, table: CodeTable, *, file: str) -> npt.NDArray[np.uint8]:
    """Return the code of what was written at each point, (n,); 0 where nothing was.

    A class may be written by its name or its code, a natural Local Climate Zone by its letter, too.

    Raises
    ------
    InputError
        If something else was written.
    """
    names = {value_key(c.name): c.code for c in table.legend} | table.codes
    keys = [None if value is None else value_key(value) for value in points.reference]
    strange = sorted(
        {str(v) for key, v in zip(keys, points.reference, strict=True) if key is not None and key not in names}
    )
    if strange:
        raise InputError(
            f"{file} holds {', '.join(strange[:5])}, which no class has",
            wanted=f"a name or code of {', '.join(table.legend.names)}",
        )
    return np.array([0 if key is None else names[key] for key in keys], np.uint8)


def _fields(path: Path, layer: str | None) -> Sequence[str]:
    if is_kml(path):
        return sorted({name for mark in read_placemarks(path, layer)[0] for name in mark.fields})
    return fields_of(path, layer)


def _whole_numbers(values: "pd.Series[int]", file: str) -> npt.NDArray[np.int64]:
    try:
        numbers = pd.to_numeric(values).to_numpy(float)
        if not (np.isfinite(numbers) & (numbers == np.rint(numbers))).all():
            raise ValueError
    except (ValueError, TypeError):
        raise InputError(f"{file} holds an id that is no whole number", wanted="the ids as they were written") from None
    ids = numbers.astype(np.int64)
    if len(np.unique(ids)) < len(ids):
        twice = sorted({int(i) for i in ids if (ids == i).sum() > 1})
        raise InputError(f"{file} holds id {twice[0]} twice", wanted="each point once", mend="delete the copies")
    return ids


def _said_by_name(
    path: Path, layer: str | None, ids: npt.NDArray[np.int64], said: list[str | None]
) -> list[str | None]:
    """Take a renamed placemark for labelled: Google Earth lets nobody fill in a field, but a name."""
    names = [mark.name.strip() for mark in read_placemarks(path, layer)[0]]
    renamed = (name if name and name != str(number) else None for name, number in zip(names, ids, strict=True))
    return [written or name for written, name in zip(said, renamed, strict=True)]


def _written(value: object) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return str(value).strip() or None


def _kml(title: str, longitude: npt.NDArray[np.float64], latitude: npt.NDArray[np.float64], design: str) -> str:
    marks = "".join(
        f"<Placemark><name>{number}</name><ExtendedData>"
        f'<Data name="id"><value>{number}</value></Data><Data name="{REFERENCE}"><value></value></Data>'
        f'<Data name="design"><value>{escape(design)}</value></Data></ExtendedData>'
        f"<Point><coordinates>{x:.8f},{y:.8f}</coordinates></Point></Placemark>\n"
        for number, (x, y) in enumerate(zip(longitude, latitude, strict=True), start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"<name>{escape(title)}</name>\n{marks}</Document></kml>\n"
    )
