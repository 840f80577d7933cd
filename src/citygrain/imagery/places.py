"""The area of a place by its name, from a file of places that the user keeps."""

import csv
import math
from pathlib import Path
from typing import Any

import shapely

from citygrain.errors import InputError
from citygrain.imagery.area import Area, area_from_bbox, checked, read_shapes, refuse_missing

__all__ = ["area_around", "area_of_place"]


def area_of_place(name: str, path: Path, *, radius_km: float | None = None) -> Area:
    """Return the area of a place in a file of places.

    Parameters
    ----------
    name : str
        As in the file's column ``name`` (or one that begins so); case does not matter.
    path : Path
        GeoJSON or GeoPackage of outlines or points, or a CSV with the columns name, lon, lat or name, west, south,
        east, north.
    radius_km : float, optional
        Half the side of the box around a point, in kilometres.

    Raises
    ------
    InputError
        If the place is not there, is there twice, or is a point without a radius.
    """
    if radius_km is not None and not 0 < radius_km < 500:
        raise InputError(f"radius of {radius_km:g} km", wanted="more than 0 and less than 500")
    found = [shape for said, shape in _places(path) if said.strip().casefold() == name.strip().casefold()]
    if len(found) != 1:
        there = sorted({said for said, _ in _places(path)})
        some = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
        raise InputError(f"{len(found)} places called {name} in {path}", wanted=f"one; there are {some or 'none'}")
    if shapely.get_dimensions(found[0]) == 2:
        return checked(Area(found[0], name), f"{name} in {path}")
    if radius_km is None:
        raise InputError(f"{name} is a point in {path}", wanted="an outline", mend="give --radius in km")
    return area_around(found[0].x, found[0].y, radius_km, name=name)


def area_around(longitude: float, latitude: float, radius_km: float, *, name: str = "area") -> Area:
    """Return the box that reaches `radius_km` north, east, south and west of a point.

    Examples
    --------
    >>> [round(edge, 2) for edge in area_around(0, 60, 11.1).bbox]
    [-0.2, 59.9, 0.2, 60.1]
    """
    up = radius_km / 111.195  # kilometres in a degree of latitude
    across = up / max(0.01, math.cos(math.radians(latitude)))
    return area_from_bbox([longitude - across, latitude - up, longitude + across, latitude + up], name=name)


def _places(path: Path) -> list[tuple[str, Any]]:
    """Return the names and shapes of a file of places."""
    if path.suffix.lower() == ".csv":
        return _table_places(path)
    shapes, fields = read_shapes(path)
    column = next((key for key in fields if key.lower() == "name"), None) or next(
        (key for key in fields if key.lower().startswith("name")), None
    )
    if column is None:
        raise InputError(f"{path} has no column name", wanted=f"one; there are {', '.join(fields) or 'none'}")
    return [(str(said), shape) for said, shape in zip(fields[column], shapes, strict=True) if shape is not None]


def _table_places(path: Path) -> list[tuple[str, Any]]:
    refuse_missing(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{(k or "").strip().lower(): v for k, v in row.items()} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}", wanted="a CSV table in UTF-8") from None
    try:
        return [(row["name"], _table_shape(row)) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path} cannot be read as a table of places",
            wanted="columns name, lon, lat or name, west, south, east, north, in degrees",
        ) from None


def _table_shape(row: dict[str, Any]) -> Any:
    if row.get("west"):
        return area_from_bbox([float(row[edge]) for edge in ("west", "south", "east", "north")]).polygon
    return shapely.Point(float(row["lon"]), float(row["lat"]))
