"""Polygons and points of a reference file, each with the value of its class, in the scene's CRS."""

import logging
from collections.abc import Iterable
from pathlib import Path

import geopandas as gpd
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.lcz import lcz_code
from citygrain.legend import Legend
from citygrain.samples.codes import value_key
from citygrain.samples.kml import is_kml
from citygrain.samples.training_areas import read_training_areas
from citygrain.samples.vector import read_vector

__all__ = ["grid_crs", "read_shapes", "spoken_extent"]

logger = logging.getLogger(__name__)

_SHAPES = {"Point", "MultiPoint", "Polygon", "MultiPolygon"}


def read_shapes(
    path: Path, geobox: GeoBox, *, field: str | None, layer: str | None, legend: Legend | None = None
) -> gpd.GeoDataFrame:
    """Read the shapes that meet the scene.

    Parameters
    ----------
    path : Path
        A vector file.
    geobox : GeoBox
        The scene's grid.
    field : str or None
        Attribute with the class; ``"layer"`` where each layer of the file is a class.
    layer : str or None
        Layer to read, where there are several.
    legend : Legend, optional
        With `LCZ` the values are Local Climate Zones in any of their spellings, and KML without a `field` is read as
        training areas, see `read_training_areas`.

    Returns
    -------
    geopandas.GeoDataFrame
        Columns ``value`` (see `value_key`), ``name`` (the value as written) and ``geometry``, in the scene's CRS. The
        index is the row in the file, from 0.

    Raises
    ------
    InputError
        If the file, layer, field, CRS or kind of shape cannot be used, or nothing meets the scene.
    """
    zones = legend is not None and legend.scheme == "lcz"
    frame = _zones(path, field, layer) if zones else read_vector(path, field=field, layer=layer)
    frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
    kinds = set(frame.geom_type) - _SHAPES
    if kinds:
        raise InputError(f"{path.name} holds {', '.join(sorted(kinds))}", wanted="polygons or points")
    frame = frame.to_crs(grid_crs(geobox))
    bounds = geobox.boundingbox
    spans = frame.bounds
    meets = (spans.minx < bounds.right) & (spans.maxx >= bounds.left)
    inside = frame[meets & (spans.miny <= bounds.top) & (spans.maxy > bounds.bottom)]
    if inside.empty:
        raise InputError(
            f"{path.name} does not meet the scene: it spans {spoken_extent(frame.total_bounds)}",
            wanted=f"shapes within {spoken_extent(bounds.bbox)} (left, bottom, right, top in the scene's CRS)",
        )
    if len(inside) < len(frame):
        logger.info("%s: %d of %d shapes lie outside the scene", path.name, len(frame) - len(inside), len(frame))
    unset = int(inside["value"].isna().sum())
    if unset:
        logger.warning("%s: %d shapes have no class and are left out", path.name, unset)
    inside = inside[inside["value"].notna()]
    return inside.assign(name=inside["value"].astype(str).str.strip(), value=inside["value"].map(value_key))


def grid_crs(geobox: GeoBox) -> str:
    """Return the CRS of the scene's grid as WKT.

    Raises
    ------
    InputError
        If it has none.
    """
    if geobox.crs is None:
        raise InputError("the scene's grid has no CRS", wanted="a georeferenced scene")
    return str(geobox.crs.to_wkt())


def spoken_extent(bounds: Iterable[float]) -> str:
    """Return left, bottom, right and top in words.

    Examples
    --------
    >>> spoken_extent((384040.0, 5816840.0, 387520.0, 5820320.0))
    '(384040, 5816840, 387520, 5820320)'
    """
    return "(" + ", ".join(f"{value:.8g}" for value in bounds) + ")"


def _zones(path: Path, field: str | None, layer: str | None) -> gpd.GeoDataFrame:
    if is_kml(path) and field is None:
        areas = read_training_areas(path, layer=layer).frame
        return gpd.GeoDataFrame({"value": areas["code"]}, geometry=areas.geometry, crs=areas.crs)
    frame = read_vector(path, field=field, layer=layer)
    return frame.assign(value=[value if (code := lcz_code(value)) is None else code for value in frame["value"]])
