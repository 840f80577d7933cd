"""Training areas of Local Climate Zones: polygons that people drew over a city, as WUDAPT keeps them.

WUDAPT's file is a KML with a folder for each class and polygons named ``1`` to ``10`` and ``A`` to ``G``; people write
the names in other ways, leave the name to the folder, and keep a region of interest beside them. The same areas also
come as GeoPackage or GeoJSON with a class field.
"""

import datetime
import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from citygrain.errors import InputError
from citygrain.lcz import lcz_code
from citygrain.samples.kml import Placemark, is_kml
from citygrain.samples.vector import areal_part, existing_file, fields_of, read_placemarks, read_vector

__all__ = ["TrainingAreas", "read_training_areas"]

logger = logging.getLogger(__name__)

_FIELDS = ("lcz", "lcz_class", "lczclass", "lcz_code", "class", "class_id", "code", "name", "value", "label")
"""Names of a class field, the first that a file has; any capitals."""


@dataclass(frozen=True)
class TrainingAreas:
    """Polygons with their Local Climate Zone.

    Attributes
    ----------
    frame : geopandas.GeoDataFrame
        In file order, EPSG:4326: ``polygon`` (number of the shape in the file, from 1), ``code`` (1 to 17), ``name``
        as written, ``folder`` (names joined by ``/``, or empty) and ``geometry``. The index is `polygon` - 1.
    source : str
        Name of the file.
    city, author : str or None
        From a file name ``city(yyyy-mm-dd){author}.kml``.
    date : datetime.date or None
        The day that the areas stand for, from the same.
    skipped : tuple of str
        Names of the shapes that are no class (a region of interest) or no polygon.
    """

    frame: gpd.GeoDataFrame
    source: str
    city: str | None = None
    date: datetime.date | None = None
    author: str | None = None
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    def counts(self) -> dict[int, int]:
        """Return the number of polygons of each class that occurs, by code."""
        return {int(code): count for code, count in sorted(Counter(self.frame["code"]).items())}


def read_training_areas(path: Path | str, *, field: str | None = None, layer: str | None = None) -> TrainingAreas:
    """Read the training areas of a city.

    Parameters
    ----------
    path : Path or str
        KML or KMZ, where the class is the placemark's name or, where that is no class, the innermost folder's whose
        name is one; or GeoPackage, GeoJSON, Shapefile with a class field. Names are read as `lcz_code` reads them.
    field : str, optional
        Attribute with the class; by default the first of lcz, lcz_class, class, code, name, value (and a few spellings
        of them) that the file has, which is logged. Of KML: see `read_vector`.
    layer : str, optional
        Layer to read, where there are several; of KML a folder.

    Returns
    -------
    TrainingAreas
        Shapes without a class, such as a region of interest, are left out with a word in the log.

    Raises
    ------
    InputError
        If the file cannot be read, or no polygon has a class.

    Examples
    --------
    >>> from citygrain.files import write_text
    >>> path = getfixture("tmp_path") / "Oz(2024-08-01){Dorothy}.kml"
    >>> ring = "<LinearRing><coordinates>13,52 13.1,52 13.1,52.1 13,52</coordinates></LinearRing>"
    >>> mark = f"<Placemark><name>{{}}</name><Polygon><outerBoundaryIs>{ring}</outerBoundaryIs></Polygon></Placemark>"
    >>> write_text(path, f"<kml><Document>{mark.format('ROI')}{mark.format('LCZ A')}</Document></kml>")
    >>> areas = read_training_areas(path)
    >>> areas.counts(), areas.city, str(areas.date), areas.author, areas.skipped
    ({11: 1}, 'Oz', '2024-08-01', 'Dorothy', ('ROI',))
    """
    path = existing_file(path, wanted="training areas: KML, KMZ, GeoPackage or GeoJSON")
    named = is_kml(path) and field is None
    frame = _from_placemarks(path, layer) if named else _from_field(path, field, layer)
    known = frame["code"].notna()
    areal = frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])
    skipped = tuple(str(name) or "unnamed" for name in frame.loc[~(known & areal), "name"])
    kept = frame[known & areal]
    if kept.empty:
        seen = ", ".join(f"{name!r}" for name in sorted(set(skipped))[:6])
        raise InputError(
            f"{path.name} has no polygon of a Local Climate Zone, but {seen or 'nothing'}",
            wanted="names 1 to 10 and A to G (or 1 to 17, LCZ 5, Open midrise)",
        )
    if skipped:
        logger.warning("%s: left out, being no training area: %s", path.name, _tally(skipped))
    city, date, author = _said_by_name(path.name)
    return TrainingAreas(kept.astype({"code": "int64"}), path.name, city, date, author, skipped)


def _from_placemarks(path: Path, folder: str | None) -> gpd.GeoDataFrame:
    marks, rows = read_placemarks(path, folder)
    columns = {
        "polygon": [row + 1 for row in rows],
        "code": [_class_of(mark) for mark in marks],
        "name": [mark.name for mark in marks],
        "folder": ["/".join(mark.folders) for mark in marks],
    }
    return gpd.GeoDataFrame(columns, geometry=[areal_part(mark.geometry) for mark in marks], crs=4326, index=rows)


def _class_of(mark: Placemark) -> int | None:
    """Return the class by the placemark's name, or by the innermost folder that is named as one.

    A region of interest may lie in a folder of a class by mistake, but it is never that class.
    """
    own = lcz_code(mark.name)
    if own is not None or re.fullmatch(r"(?i)\W*(roi|region[\s_-]*of[\s_-]*interest|study[\s_-]*area)\W*", mark.name):
        return own
    return next((code for folder in reversed(mark.folders) if (code := lcz_code(folder)) is not None), None)


def _from_field(path: Path, field: str | None, layer: str | None) -> gpd.GeoDataFrame:
    if field is None:
        present = {name.lower(): name for name in reversed(fields_of(path, layer))}
        field = next((present[name] for name in _FIELDS if name in present), None)
        if field is not None:
            logger.info("%s: the class is taken from its field %s", path.name, field)
    frame = read_vector(path, field=field, layer=layer).to_crs(4326)
    frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
    west, south, east, north = frame.total_bounds
    if len(frame) and not (west >= -180 and east <= 180 and south >= -90 and north <= 90):  # false for NaN too
        raise InputError(
            f"{path.name} spans {west:g}, {south:g}, {east:g}, {north:g} degrees", wanted="at most -180, -90, 180, 90"
        )
    names = ["" if pd.isna(value) else str(value).strip() for value in frame["value"]]
    columns: dict[str, Any] = {
        "polygon": frame.index + 1,
        "code": [lcz_code(name) for name in names],
        "name": names,
        "folder": "",
    }
    shapes = [areal_part(shape) for shape in frame.geometry.force_2d()]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=frame.crs, index=frame.index)


def _tally(names: tuple[str, ...], most: int = 8) -> str:
    counts = Counter(names).most_common()
    spoken = [name if count == 1 else f"{name} ({count})" for name, count in counts[:most]]
    return ", ".join(spoken + (["..."] if len(counts) > most else []))


def _said_by_name(file: str) -> tuple[str | None, datetime.date | None, str | None]:
    """Return what a file name ``city(yyyy-mm-dd){author}.kml`` says.

    Examples
    --------
    >>> _said_by_name("Melbourne_2019.kml")
    (None, None, None)
    """
    parts = re.match(r"\s*([^(){}]+?)\s*\((\d{4})-(\d{2})-(\d{2})\)\s*\{([^{}]*)\}", file)
    if parts is None:
        return None, None, None
    try:
        date = datetime.date(int(parts[2]), int(parts[3]), int(parts[4]))
    except ValueError:
        date = None
    return parts[1], date, parts[5].strip() or None
