"""Polygons and points of a reference file, each with the value of its class, in the scene's CRS."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError

from citygrain.errors import InputError
from citygrain.samples.codes import value_key

__all__ = ["grid_crs", "is_vector", "read_shapes", "spoken_extent"]

logger = logging.getLogger(__name__)

_SUFFIXES = {".gpkg", ".geojson", ".json", ".shp", ".fgb", ".kml", ".kmz", ".gml", ".zip"}
_SHAPES = {"Point", "MultiPoint", "Polygon", "MultiPolygon"}


def is_vector(path: Path) -> bool:
    """Return whether `path` is a vector file, by its suffix; a GeoPackage of rasters only is none."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        return len(pyogrio.list_layers(path)) > 0
    except DataSourceError:
        return True  # reading it says why it cannot be


def read_shapes(path: Path, geobox: GeoBox, *, field: str | None, layer: str | None) -> gpd.GeoDataFrame:
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

    Returns
    -------
    geopandas.GeoDataFrame
        Columns ``value`` (see `value_key`), ``name`` (the value as written) and ``geometry``, in the scene's CRS.

    Raises
    ------
    InputError
        If the file, layer, field, CRS or kind of shape cannot be used, or nothing meets the scene.
    """
    frame = pd.concat(list(_frames(path, field, layer)), ignore_index=True)
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


def _frames(path: Path, field: str | None, layer: str | None) -> Iterator[gpd.GeoDataFrame]:
    try:
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
    except (DataSourceError, DataLayerError, FieldError, GeometryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path.name} cannot be read as shapes ({reason})", wanted="a GeoPackage or GeoJSON"
        ) from error


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
