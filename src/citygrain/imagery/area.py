"""The area that is fetched, and the grid it comes onto.

An area is a box of longitudes and latitudes, or the shapes of a file; `places.py` finds it by a name.
The grid is that of Sentinel-2: UTM, pixel edges at multiples of 20 m, so that bands of 10 and 20 m are copied and not
resampled.
"""

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.errors
import pyogrio.raw
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError

__all__ = [
    "Area", "area_from_bbox", "area_from_file", "as_geojson", "checked", "grid_for", "read_shapes",
    "refuse_missing", "utm_of",
]  # fmt: skip

_LATTICE = 20.0
"""Metres: edges of the grid lie at multiples of it, where bands of 10 and of 20 m both have pixel edges."""
_MOST = 40_000
"""Pixels along a side; more is a mistake in the area, or one for several grids."""


@dataclass(frozen=True)
class Area:
    """A piece of the ground.

    Attributes
    ----------
    polygon : shapely geometry
        In degrees of longitude and latitude, WGS 84.
    name : str
        What to call it.
    """

    polygon: shapely.Geometry
    name: str = "area"

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = map(float, shapely.bounds(self.polygon))
        return west, south, east, north


def area_from_bbox(text: str | Sequence[float], *, name: str = "area") -> Area:
    """Return the area of a box ``west,south,east,north`` in degrees.

    Raises
    ------
    InputError
        If these are not four numbers in that order on the globe, or cross the 180th meridian.

    Examples
    --------
    >>> area_from_bbox("13.2,52.4,13.6,52.6").bbox
    (13.2, 52.4, 13.6, 52.6)
    >>> area_from_bbox("52.4,113.2,52.6,113.6")
    Traceback (most recent call last):
    citygrain.errors.InputError: box 52.4,113.2,52.6,113.6: latitude 113.2; wanted: west,south,east,north in degrees; \
longitude comes first
    """
    wanted = "west,south,east,north in degrees"
    said = text if isinstance(text, str) else ",".join(f"{number:g}" for number in text)
    try:
        west, south, east, north = (float(part) for part in (text.split(",") if isinstance(text, str) else text))
    except ValueError:
        raise InputError(f"box {said!r}", wanted=f"four numbers {wanted}") from None
    for latitude in (south, north):
        if not abs(latitude) <= 90:
            raise InputError(f"box {said}: latitude {latitude:g}", wanted=wanted, mend="longitude comes first")
    for longitude in (west, east):
        if not abs(longitude) <= 180:
            raise InputError(f"box {said}: longitude {longitude:g}", wanted=f"{wanted}, from -180 to 180")
    if west > east:
        raise InputError(
            f"box {said}: west of {west:g} lies east of {east:g}",
            wanted=wanted,
            mend="write the smaller longitude first; a box across the 180th meridian is fetched in two halves",
        )
    if not (west < east and south < north):
        raise InputError(f"box {said} is empty or upside down", wanted=wanted)
    return Area(shapely.box(west, south, east, north), name)


def area_from_file(path: Path) -> Area:
    """Return the area that the polygons of a file cover together (GeoJSON, GeoPackage, Shapefile).

    Raises
    ------
    InputError
        If the file cannot be read, has no polygons, or does not say where on the ground it lies.
    """
    shapes, _ = read_shapes(path)
    polygons = [shape for shape in shapes if shape is not None and shapely.get_dimensions(shape) == 2]
    if not polygons:
        raise InputError(f"{path} holds no polygon", wanted="polygons, or give the box by --bbox")
    return checked(Area(shapely.union_all([shapely.make_valid(shape) for shape in polygons]), path.stem), str(path))


def utm_of(longitude: float, latitude: float) -> str:
    """Return the UTM zone of a point as EPSG code, with the wider zones of Norway and Svalbard.

    Raises
    ------
    InputError
        If it lies too near a pole for UTM.

    Examples
    --------
    >>> utm_of(13.4, 52.5), utm_of(-70.6, -33.4), utm_of(5.3, 60.4)
    ('EPSG:32633', 'EPSG:32719', 'EPSG:32632')
    """
    if not -80 <= latitude <= 84:
        raise InputError(f"latitude {latitude:g} has no UTM zone", wanted="-80 to 84", mend="name a grid by --crs")
    zone = min(60, int((longitude + 180) // 6) + 1)
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        zone = 32
    if latitude >= 72 and 0 <= longitude < 42:
        zone = next(z for z, east in ((31, 9), (33, 21), (35, 33), (37, 42)) if longitude < east)
    return f"EPSG:{(32700 if latitude < 0 else 32600) + zone}"


def grid_for(area: Area, *, resolution: int = 10, crs: str | None = None) -> GeoBox:
    """Return the grid of pixels that covers an area.

    Parameters
    ----------
    area : Area
        The area.
    resolution : int
        Side of a pixel in metres, 10 or 20.
    crs : str, optional
        ``"EPSG:32633"``; the UTM zone of the area's centre without it.

    Returns
    -------
    GeoBox
        With edges at multiples of 20 m.

    Raises
    ------
    InputError
        If the resolution is another one, the projection is unknown or not in metres, or the area is too large.

    Examples
    --------
    >>> grid = grid_for(area_from_bbox("13.2,52.4,13.6,52.6"), resolution=10)
    >>> str(grid.crs), grid.shape.yx, grid.affine.c % 20, grid.affine.f % 20
    ('EPSG:32633', (2286, 2768), 0.0, 0.0)
    """
    if resolution not in (10, 20):
        raise InputError(f"resolution of {resolution} m", wanted="10 or 20")
    west, south, east, north = area.bbox
    target = _metric(crs or utm_of((west + east) / 2, (south + north) / 2))
    outline = _moved(shapely.segmentize(area.polygon, 0.01), CRS("EPSG:4326"), target)
    box = np.array(outline.bounds)
    if not np.isfinite(box).all():
        raise InputError(f"{area.name} does not fit into {target}", mend="choose another --crs")
    left, bottom = np.floor(box[:2] / _LATTICE + 1e-9) * _LATTICE
    right, top = np.ceil(box[2:] / _LATTICE - 1e-9) * _LATTICE
    if max(right - left, top - bottom) > _MOST * resolution:
        raise InputError(
            f"{area.name} is {(right - left) / 1000:.0f} by {(top - bottom) / 1000:.0f} km",
            wanted=f"at most {_MOST * resolution / 1000:.0f} km a side", mend="choose a smaller box",
        )  # fmt: skip
    return GeoBox.from_bbox((left, bottom, right, top), target, resolution=resolution)


def _metric(name: str) -> CRS:
    try:
        crs = CRS(name)
    except (RuntimeError, ValueError):  # the first is what PROJ raises
        raise InputError(f"projection {name!r} is unknown", wanted="a code such as EPSG:32633") from None
    if not crs.projected or crs.units[0] not in ("metre", "meter", "m"):
        raise InputError(f"projection {name} is not in metres", wanted="a UTM zone such as EPSG:32633")
    return crs


def checked(area: Area, came: str) -> Area:
    """Return an area, if it has one and lies on the globe; `came` says where it is from."""
    west, south, east, north = area.bbox
    if not (math.isfinite(west) and float(shapely.area(area.polygon)) > 0):
        raise InputError(f"{came} is empty", wanted="polygons with an area")
    area_from_bbox([west, south, east, north])
    if east - west > 180:
        raise InputError(f"{came} crosses the 180th meridian", mend="fetch it in two halves")
    return area


def read_shapes(path: Path) -> tuple[list[Any], dict[str, list[Any]]]:
    """Return shapes in degrees, and the columns of their table."""
    refuse_missing(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta, _, shapes, columns = pyogrio.raw.read(path)
        found = list(shapely.from_wkb(shapes)) if shapes is not None else []
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, shapely.errors.ShapelyError) as error:
        why = str(error).splitlines()[0].split("; It might help")[0].rstrip(".")  # GDAL's advice is for its own callers
        raise InputError(f"{path} cannot be read: {why}", wanted="GeoJSON or GeoPackage") from None
    fields = {str(name): list(column) for name, column in zip(meta["fields"], columns, strict=True)}
    if not meta["crs"]:
        raise InputError(f"{path} does not say its projection", wanted="a file with one, such as GeoJSON")
    crs = CRS(meta["crs"])
    if crs == CRS("EPSG:4326"):
        return found, fields
    return [None if shape is None else _moved(shape, crs, CRS("EPSG:4326")) for shape in found], fields


def _moved(shape: Any, source: CRS, target: CRS) -> Any:
    """Return a shape in another projection."""
    change = source.transformer_to_crs(target)
    return shapely.transform(shape, lambda points: np.column_stack(change(*points.T)))


def refuse_missing(path: Path) -> None:
    """Refuse a path where no file is."""
    if not path.is_file():
        raise InputError(f"{path} does not exist", wanted="a file of shapes")


def as_geojson(area: Area) -> dict[str, Any]:
    """Return an area's polygon as GeoJSON geometry."""
    geometry: dict[str, Any] = json.loads(shapely.to_geojson(area.polygon))
    return geometry
