"""Draw samples: one row for each unit of a tessellation, with its majority class and its purity."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.rows import PatchRows
from citygrain.samples.samples import Samples
from citygrain.segment_rows import StatisticRows
from citygrain.tessellation import Tessellation
from citygrain.tiles import Engine, Tile, processors, stream_tiles
from citygrain.zones import count_classes, strips

__all__ = ["draw_samples", "majority", "unit_counts"]

_BLOCK = 1_024
"""Side in pixels of the windows from which rows are made at a time."""

_Ints = npt.NDArray[np.int64]
_Window = tuple[npt.NDArray[np.integer], npt.NDArray[np.uint8]]
"""Units and class codes of the same pixels."""


def unit_counts(
    tessellation: Tessellation, reference: xr.DataArray, legend: Legend, *, engine: "Engine | None" = None
) -> npt.NDArray[np.int64]:
    """Count the reference pixels of each class in each unit.

    Parameters
    ----------
    tessellation : Tessellation
        n units.
    reference : DataArray of uint8, (y, x)
        Class codes on the tessellation's grid; 0 = unlabelled.
    legend : Legend
        k classes.
    engine : int or distributed.Client, optional
        Number of threads, or a client of a cluster; by default all processors. The counts are the same.

    Returns
    -------
    ndarray of int64, (n, k)

    Raises
    ------
    InputError
        If the grids differ, or a code is not in the legend.
    """
    height, width = tessellation.geobox.shape
    if reference.shape != (height, width):
        raise InputError(f"reference of {reference.shape} pixels on a scene of {(height, width)}", wanted="one grid")
    columns = np.full(256, -2, np.int64)
    columns[[0, *legend.values]] = legend.columns([0, *legend.values])
    counts = np.zeros((len(tessellation), len(legend)), np.int64)
    engine = processors() if engine is None else engine
    windows = _windows(tessellation, reference, sent=not isinstance(engine, int))
    for first, found, codes in stream_tiles(_count, windows, shared=(columns, len(legend)), engine=engine):
        legend.columns(codes)  # says which codes are strange
        counts[first : first + len(found)] += found
    return counts


def _windows(tessellation: Tessellation, reference: xr.DataArray, *, sent: bool) -> Iterator[_Window]:
    height, width = tessellation.geobox.shape
    narrow = np.int32 if sent and len(tessellation) < 2**31 else np.int64
    for top, left, bottom, right in strips((0, 0, height, width)):
        tile = Tile(top, left, bottom - top, right - left)
        codes = np.ascontiguousarray(reference.variable[tile.slices].values)
        yield tessellation.parts(tile).astype(narrow, copy=False), codes


def _count(told: tuple[_Ints, int], window: _Window) -> tuple[int, _Ints, npt.NDArray[np.uint8]]:
    """Count a window: return its first unit, the counts from there on, and its codes if some are strange."""
    (columns, classes), (units, codes) = told, window
    first, end = int(units.min(initial=0)), int(units.max(initial=-1)) + 1
    if first < 0:  # there is no data in places
        first = int(units.min(initial=end, where=units >= 0))
    counts = np.zeros((end - first, classes), np.int64)
    strange = count_classes(units, codes, columns, counts, first=first)
    return first, counts, np.unique(codes) if strange else codes[:0, 0]


def majority(counts: npt.NDArray[np.int64], legend: Legend) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return the majority class of each unit and its share of the unit's labelled pixels.

    Parameters
    ----------
    counts : ndarray of int64, (n, k)
        Pixels of each class in each unit.
    legend : Legend
        k classes.

    Returns
    -------
    codes : ndarray of uint8, (n,)
        0 where no pixel is labelled; among equals the class that comes first in the legend.
    purity : ndarray of float32, (n,)
        0 to 1; 0 where no pixel is labelled.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> codes, purity = majority(np.array([[1, 0, 0, 3], [0, 0, 0, 0]]), URBAN)
    >>> codes.tolist(), purity.tolist()
    ([4, 0], [0.75, 0.0])
    """
    total = counts.sum(1)
    codes = np.where(total > 0, legend.values[counts.argmax(1)], 0).astype(np.uint8)
    return codes, (counts.max(1) / np.maximum(total, 1)).astype(np.float32)


def draw_samples(
    features: xr.DataArray,
    tessellation: Tessellation,
    reference: xr.DataArray,
    *,
    legend: Legend,
    engine: "Engine | None" = None,
) -> Samples:
    """Draw one sample for each unit: its features, majority class, purity and ground.

    Every unit gives a sample, the ones at the edge and the smallest too; patches are cut when they are asked for.
    Features and reference may be lazy: the reference is read once, the features only where they are needed.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        Features, NaN = no data.
    tessellation : Tessellation
        n units.
    reference : DataArray of uint8, (y, x)
        Class codes, 0 = unlabelled.
    legend : Legend
        The classes.
    engine : int or distributed.Client, optional
        Number of threads, or a client of a cluster; by default all processors. The samples are the same.

    Returns
    -------
    Samples
        n rows in the order of the units. A unit whose window is wholly without data is labelled 0.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> from citygrain.legend import URBAN
    >>> from citygrain.tessellation import SegmentPatches, raster_like
    >>> grid = GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    >>> segments = raster_like(np.array([[1, 1, 2, 2]] * 3, np.int32), grid)
    >>> scene = segments.expand_dims(band=["B02"]).astype("float32")
    >>> samples = draw_samples(scene, SegmentPatches(segments, 3), segments.astype("uint8"), legend=URBAN)
    >>> samples.y.tolist(), samples.x.shape, samples.extent[0].tolist()
    ([1, 2], (2, 1, 3, 3), [0.0, 0.0, 30.0, 30.0])
    """
    engine = processors() if engine is None else engine
    codes, purity = majority(unit_counts(tessellation, reference, legend, engine=engine), legend)
    names = tessellation.names([str(name) for name in features.band.values])
    rows = tessellation.rows(features)
    x = _made(rows, tessellation, engine) if isinstance(rows, StatisticRows) and not rows.lazy else rows
    if isinstance(x, PatchRows):
        labelled = np.flatnonzero(codes)
        empty = labelled[~x.subset(labelled).has_data()]
        codes[empty] = 0
    return Samples.of(x, codes, features=names, legend=legend, extent=tessellation.extents(), purity=purity)


def _made(rows: StatisticRows, tessellation: Tessellation, engine: Engine) -> npt.NDArray[np.float32]:
    """Return rows of a scene in memory, made block by block of it; those of a lazy scene wait to be asked for."""
    out = np.empty(rows.shape, np.float32)
    blocks = ((units, rows.subset(units).cropped()) for _, units in tessellation.blocks(_BLOCK) if units.size)
    for units, values in stream_tiles(_make, blocks, shared=None, engine=engine):
        out[units] = values
    return out


def _make(_: None, block: tuple[_Ints, StatisticRows]) -> tuple[_Ints, npt.NDArray[np.float32]]:
    units, rows = block
    return units, rows[:]
