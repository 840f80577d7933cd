"""Burn shapes into a grid: as class codes, or as the number of each shape.

Both go by one rule: a polygon takes the pixels whose centres it holds, a point the pixel that it falls in, and what
shapes of different classes claim belongs to none.
"""

import logging
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from rasterio import features

from citygrain.samples.codes import CodeTable

__all__ = ["burn_codes", "burn_numbers"]

logger = logging.getLogger(__name__)


def burn_codes(shapes: gpd.GeoDataFrame, geobox: GeoBox, table: CodeTable, file: str) -> npt.NDArray[np.uint8]:
    """Burn the codes of shapes in; pixels that two classes claim stay 0, which is logged.

    Parameters
    ----------
    shapes : geopandas.GeoDataFrame
        Of `read_shapes`, on the grid's CRS.
    geobox : GeoBox
        The grid.
    table : CodeTable
        Code by value.
    file : str
        Name of the file, for messages.

    Raises
    ------
    InputError
        If a value has no code.
    """
    table.check(shapes["value"].value_counts().to_dict(), what="shapes", file=file)
    codes = np.zeros(geobox.shape, np.uint8)
    disputed = np.zeros(geobox.shape, bool)
    numbers = shapes["value"].map(table.codes)
    for code in sorted(set(numbers) - {0}):
        mask = _covered(shapes[numbers == code], geobox).view(bool)
        if not mask.any():
            logger.warning("%s: the shapes of %s hold no pixel", file, table.legend.name_of(code))
        np.logical_or(disputed, codes, out=disputed, where=mask)
        codes[mask] = code
    if disputed.any():
        logger.warning("%s: %d pixels are claimed by two classes and left unlabelled", file, disputed.sum())
        codes[disputed] = 0
    return codes


def burn_numbers(shapes: gpd.GeoDataFrame, geobox: GeoBox) -> npt.NDArray[np.int32]:
    """Burn the number of each shape in: its index + 1; of several of one class the first has the pixel.

    Parameters
    ----------
    shapes : geopandas.GeoDataFrame
        Of `read_shapes`: the index is the row in the file, ``value`` the class.
    geobox : GeoBox
        The grid.
    """
    numbers = np.zeros(geobox.shape, np.int32)
    disputed = np.zeros(geobox.shape, bool)
    for _, of_class in shapes.groupby("value", sort=False):
        own = _covered(of_class, geobox, of_class.index.to_numpy() + 1)
        disputed |= (own > 0) & (numbers > 0)
        numbers = np.where(own > 0, own, numbers)
    numbers[disputed] = 0
    return numbers


def _covered(
    shapes: gpd.GeoDataFrame, geobox: GeoBox, numbers: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[Any]:
    """Return the number of the first shape at each pixel as int32; a byte of 1 where no numbers are given; or 0."""
    covered = np.zeros(geobox.shape, np.uint8 if numbers is None else np.int32)
    numbers = np.ones(len(shapes), np.int64) if numbers is None else numbers
    pointlike = shapes.geom_type.str.endswith("Point").to_numpy()
    if not pointlike.all():
        polygons = zip(shapes.geometry[~pointlike], numbers[~pointlike], strict=True)
        # What is burnt later covers what is there, so the first comes last.
        features.rasterize(list(polygons)[::-1], out=covered, transform=geobox.affine)
    points = shapes.geometry[pointlike].reset_index(drop=True).explode()
    owners = numbers[pointlike][points.index.to_numpy()]
    columns = np.floor((points.x.to_numpy() - geobox.affine.c) / geobox.affine.a).astype(int)
    rows = np.floor((points.y.to_numpy() - geobox.affine.f) / geobox.affine.e).astype(int)
    height, width = geobox.shape
    for row, column, number in zip(rows[::-1], columns[::-1], owners[::-1], strict=True):
        if 0 <= row < height and 0 <= column < width and (covered[row, column] == 0 or covered[row, column] > number):
            covered[row, column] = number
    return covered
