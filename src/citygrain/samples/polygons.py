"""Number the pixels by the polygon that they lie in, for splits that keep each polygon on one side.

Pixels of one polygon resemble each other more than pixels of one class do; a split that parts them scores a model on
what it has seen.
"""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from citygrain.errors import InputError
from citygrain.lcz import lcz_code
from citygrain.legend import LCZ, Legend
from citygrain.samples.codes import value_key
from citygrain.samples.kml import is_kml
from citygrain.samples.rasterise import burn_numbers
from citygrain.samples.shapes import read_shapes
from citygrain.samples.vector import existing_file, is_vector, read_placemarks

__all__ = ["polygon_ids"]


def polygon_ids(
    path: Path | str,
    geobox: GeoBox,
    *,
    field: str | None = None,
    layer: str | None = None,
    legend: Legend | None = None,
    ignore: Sequence[str | int] = (),
) -> xr.DataArray:
    """Return the number of the polygon that each pixel lies in.

    Parameters
    ----------
    path : Path or str
        Polygons or points.
    geobox : GeoBox
        The scene's grid.
    field, layer : str, optional
        As `read_reference` has them.
    legend : Legend, optional
        As `read_reference` has it. KML of which neither field nor legend is given is read as LCZ training areas where
        any of its names is a class.
    ignore : sequence of str or int
        Values whose shapes get no number, as `read_reference` leaves them unlabelled.

    Returns
    -------
    xarray.DataArray
        int32, dims ``(y, x)`` on `geobox`: 0 = none, else the number of the shape in the file, from 1. A pixel belongs
        to the shape that holds its centre, exactly as in `read_reference`: of several of one value to the first; where
        shapes of different values claim it, to none (also where `read_reference` makes one class of those values).

    Raises
    ------
    InputError
        If the file is a raster, cannot be used, or does not meet the scene.
    """
    path = existing_file(path, wanted="polygons or points")
    if not is_vector(path):
        raise InputError(f"{path.name} is no vector file", wanted="polygons or points")
    if legend is None and field is None and is_kml(path):
        marks, _ = read_placemarks(path, layer)
        zones = any(lcz_code(name) for mark in marks for name in (mark.name, *mark.folders))
        legend = LCZ if zones else None
    shapes = read_shapes(path, geobox, field=field, layer=layer, legend=legend)
    ignored = {value_key(value) for value in ignore}
    numbers = burn_numbers(shapes[~shapes["value"].isin(ignored)], geobox)
    return xr.DataArray(
        numbers, dims=("y", "x"), coords=xr_coords(geobox, always_yx=True), attrs={"source": path.name}, name="polygon"
    )
