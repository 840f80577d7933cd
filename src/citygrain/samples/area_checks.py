"""Are these training areas good enough? Number, size, shape, overlap and spectrum, class by class and one by one.

A map is no better than the polygons that teach it. The limits are those of the WUDAPT protocol: zones are hundreds of
metres wide, each class needs several examples, and a huge polygon counts for more than its due.
"""

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr

from citygrain.errors import InputError
from citygrain.legend import LCZ
from citygrain.samples.area_spectra import spectral_distances
from citygrain.samples.training_areas import TrainingAreas

__all__ = ["FLAGS", "AreaChecks", "check_areas", "map_projection"]

FEWEST = 3
"""Polygons that a class needs."""
LARGEST = 300_000.0
"""m2; WUDAPT's LCZ Generator reduces larger polygons, so that no single one outweighs its class."""
SMALLEST = 10_000.0
"""m2, one hectare, one cell of a map of 100 m."""
NARROWEST = 200.0
"""m; "hundreds of metres" at the least (Stewart & Oke 2012)."""
_WIDEST = 10.0
"""Degrees, beyond which no one projection measures both size and width."""
_OVERLAP = 0.01
_SAME = 0.95
_FAR = 2.0

FLAGS = {
    "few": f"class with fewer than {FEWEST} polygons",
    "large": f"larger than {LARGEST:,.0f} m2",
    "small": f"smaller than {SMALLEST:,.0f} m2",
    "narrow": f"narrower than {NARROWEST:g} m",
    "overlap": "overlaps a polygon of another class",
    "duplicate": "covers the same ground as an earlier polygon",
    "parts": "has several parts",
    "invalid": "crosses itself or is otherwise invalid",
    "outlier": "looks more like another class",
}
"""What each flag says; ``few`` is a class's, the others a polygon's."""


@dataclass(frozen=True)
class AreaChecks:
    """What was found.

    Attributes
    ----------
    areas : TrainingAreas
        The areas that were checked.
    polygons : pandas.DataFrame
        One row for each polygon, index as in ``areas.frame``: ``polygon`` (number in the file), ``code``, ``name``,
        ``area_m2``, ``width_m``, ``flags`` (tuple of keys of `FLAGS`), ``notes`` (the flags in words), and with a scene
        ``own_distance``, ``other_distance`` and ``nearest_code`` (see `spectral_distances`).
    classes : pandas.DataFrame
        One row for each class that occurs: ``code``, ``name``, ``count``, ``total_m2``, ``min_m2``, ``median_m2``,
        ``max_m2``, ``flagged`` (number of its polygons that have a flag) and ``flags`` (``few``, and those of its
        polygons, the most frequent first).
    """

    areas: TrainingAreas
    polygons: pd.DataFrame
    classes: pd.DataFrame

    @property
    def flagged(self) -> pd.DataFrame:
        """The polygons that have a flag."""
        return self.polygons[self.polygons["flags"].map(len) > 0]

    def to_dict(self) -> dict[str, Any]:
        """Return both tables as plain values for JSON; undefined figures are None."""
        areas = self.areas
        return {
            "source": areas.source,
            "city": areas.city,
            "date": areas.date.isoformat() if areas.date else None,
            "author": areas.author,
            "skipped": list(areas.skipped),
            "classes": _plain(self.classes),
            "polygons": _plain(self.polygons),
        }


def check_areas(areas: TrainingAreas, *, scene: xr.DataArray | None = None) -> AreaChecks:
    """Check training areas.

    Areas and widths are measured in a Lambert azimuthal equal-area projection around the areas' middle. The width of a
    polygon is the smaller of the short side of its minimum rotated rectangle and 4 A / P (A its area, P its perimeter;
    the side of a square, the diameter of a disc), which also finds a long bent strip. Two polygons overlap where they
    share more than 1 % of the smaller one; they are duplicates where they share 95 % of what they cover together.

    Parameters
    ----------
    areas : TrainingAreas
        The areas.
    scene : DataArray, (band, y, x), optional
        A scene, to find polygons that look like another class: further than 2 robust deviations from the median of
        their own, and nearer to that of another (see `spectral_distances`).

    Returns
    -------
    AreaChecks

    Raises
    ------
    InputError
        If the areas span more than 10 degrees, or the scene has no CRS.

    Examples
    --------
    >>> from shapely.geometry import box
    >>> shapes = [box(13.0, 52.0, 13.005, 52.003), box(13.004, 52.0, 13.009, 52.003), box(13.1, 52.0, 13.2, 52.1)]
    >>> columns = {"polygon": [1, 2, 3], "code": [2, 5, 5], "name": ["2", "5", "5"], "folder": ""}
    >>> areas = TrainingAreas(gpd.GeoDataFrame(columns, geometry=shapes, crs=4326), "areas.kml")
    >>> checks = check_areas(areas)
    >>> checks.polygons["flags"].tolist()
    [('overlap',), ('overlap',), ('large',)]
    >>> checks.classes[["code", "count", "flags"]].values.tolist()
    [[2, 1, ('few', 'overlap')], [5, 2, ('few', 'overlap', 'large')]]
    """
    frame = areas.frame
    west, south, east, north = frame.total_bounds
    if max(east - west, north - south) > _WIDEST:
        came = f"the training areas of {areas.source} span {east - west:.4g} by {north - south:.4g} degrees"
        raise InputError(came, wanted=f"those of one city, within {_WIDEST:g} degrees")
    shapes = _repaired(frame.to_crs(map_projection(frame)))
    table = pd.DataFrame(
        {
            "polygon": frame["polygon"],
            "code": frame["code"],
            "name": frame["name"],
            "area_m2": shapely.area(shapes),
            "width_m": _widths(shapes),
        },
        index=frame.index,
    )
    notes: list[dict[str, str]] = [{} for _ in shapes]
    _note_shapes(notes, frame, table)
    _note_meetings(notes, shapes, table)
    if scene is not None:
        distances = spectral_distances(frame, scene)
        table = table.join(distances)
        _note_outliers(notes, table)
    table["flags"] = [tuple(flag for flag in FLAGS if flag in found) for found in notes]
    table["notes"] = ["; ".join(found[flag] for flag in FLAGS if flag in found) for found in notes]
    return AreaChecks(areas, table, _by_class(table))


def map_projection(frame: gpd.GeoDataFrame) -> str:
    """Return the Lambert azimuthal equal-area projection around the middle of `frame` (in degrees), in PROJ's words."""
    west, south, east, north = frame.total_bounds
    return f"+proj=laea +lat_0={(south + north) / 2:.6f} +lon_0={(west + east) / 2:.6f} +datum=WGS84 +units=m"


def _repaired(frame: gpd.GeoDataFrame) -> npt.NDArray[np.object_]:
    return np.asarray(shapely.make_valid(frame.geometry.to_numpy()))


def _widths(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    area, around = shapely.area(shapes), shapely.length(shapes)
    widths = np.divide(4 * area, around, out=np.zeros(len(shapes)), where=around > 0)
    for i, rectangle in enumerate(shapely.oriented_envelope(shapes)):
        corners = shapely.get_coordinates(rectangle)
        sides = np.hypot(*np.diff(corners[:3], axis=0).T) if len(corners) == 5 else np.zeros(1)
        widths[i] = min(widths[i], sides.min())
    return widths


def _note_shapes(notes: list[dict[str, str]], frame: gpd.GeoDataFrame, table: pd.DataFrame) -> None:
    parts = shapely.get_num_geometries(frame.geometry.to_numpy())
    reasons = shapely.is_valid_reason(frame.geometry.to_numpy())
    for found, area, width, count, reason in zip(
        notes, table["area_m2"], table["width_m"], parts, reasons, strict=True
    ):
        if area > LARGEST:
            found["large"] = f"{area:,.0f} m2"
        if area < SMALLEST:
            found["small"] = f"{area:,.0f} m2"
        if width < 0.99 * NARROWEST:  # a strip of exactly that, in another projection, is not too narrow
            found["narrow"] = f"{width:.0f} m wide"
        if count > 1:
            found["parts"] = f"{count} parts"
        if reason != "Valid Geometry":
            found["invalid"] = str(reason).partition("[")[0].lower()


def _note_meetings(notes: list[dict[str, str]], shapes: npt.NDArray[np.object_], table: pd.DataFrame) -> None:
    """Note what overlaps or repeats; pairs come from a spatial index."""
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = first < second
    first, second = first[pairs], second[pairs]
    area = table["area_m2"].to_numpy()
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    together = area[first] + area[second] - shared
    number, code = table["polygon"].to_numpy(), table["code"].to_numpy()
    for a, b, common, union in zip(first, second, shared, together, strict=True):
        if union > 0 and common > _SAME * union:
            notes[b].setdefault("duplicate", f"the same ground as polygon {number[a]}")
        if code[a] != code[b] and common > _OVERLAP * min(area[a], area[b]):
            for one, other in ((a, b), (b, a)):
                text = f"overlaps polygon {number[other]} (LCZ {code[other]}) by {common:,.0f} m2"
                notes[one]["overlap"] = ", ".join(filter(None, (notes[one].get("overlap"), text)))


def _note_outliers(notes: list[dict[str, str]], table: pd.DataFrame) -> None:
    rows = zip(table["own_distance"], table["other_distance"], table["nearest_code"], strict=True)
    for found, (own, other, nearest) in zip(notes, rows, strict=True):
        if own > _FAR and other < own:
            found["outlier"] = (
                f"looks like LCZ {nearest:.0f} ({own:.1f} deviations from its class, {other:.1f} from that)"
            )


def _by_class(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for code, group in table.groupby("code"):
        often = group["flags"].explode().value_counts()
        flags = (["few"] if len(group) < FEWEST else []) + [str(flag) for flag in often.index]
        area = group["area_m2"]
        rows.append(
            {
                "code": int(str(code)),
                "name": LCZ.name_of(int(str(code))),
                "count": len(group),
                "total_m2": area.sum(),
                "min_m2": area.min(),
                "median_m2": area.median(),
                "max_m2": area.max(),
                "flagged": int((group["flags"].map(len) > 0).sum()),
                "flags": tuple(flags),
            }
        )
    return pd.DataFrame(rows)


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).to_dict("records")
    return [{str(key): _value(value) for key, value in row.items()} for row in rows]


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float | np.floating):
        return round(float(value), 3) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
