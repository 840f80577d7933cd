"""Superpixels: a scene of any number of bands cut into small, connected, homogeneous segments.

SLIC without seams. The centres are one small table; each tile labels its own pixels from it and returns integer sums,
so any tile size and any engine give the same segments to the last bit. Features are scaled once, by robust figures of
the whole scene, and quantised to 16 bits; a bright pixel far away changes nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from citygrain.errors import InputError
from citygrain.segments import _connect, _kernel
from citygrain.segments._lattice import Centres, Lattice, lay_lattice
from citygrain.segments._scaling import Scaling, scale_features
from citygrain.tiles import Progress, Tile, map_tiles, processors, tile_grid

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["compile_ahead", "superpixels"]

SMALLEST = 0.25
"""Fragments below this share of the mean segment area are merged."""

TILE = 512
"""Pixels on a side of a tile, if the caller does not say."""

log = logging.getLogger(__name__)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Block:
    """One tile's share of the work, whole in itself, so that it can be sent to another process."""

    tile: Tile
    edges: tuple[Ints, Ints]
    packed: npt.NDArray[np.int16]
    slots: npt.NDArray[np.uint8]


Assign = Callable[[list[tuple[_Block, Centres]]], list[tuple[npt.NDArray[np.uint8], Ints]]]


def superpixels(
    features: xr.DataArray,
    *,
    n_segments: int | None = None,
    area_ha: float | None = None,
    compactness: float = 0.1,
    iterations: int = 10,
    tile: int | None = None,
    engine: "int | Client | None" = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    r"""Cut a scene into superpixels (SLIC, doi:10.1109/TPAMI.2012.120).

    Each pixel goes to the nearest of nine centres, those of its cell on a lattice fixed to the scene and of the
    eight cells around, by

    .. math:: D^2 = \sum_b \left(\frac{f_b - m_b}{w_b}\right)^2 + \left(c\,\frac{d_{xy}}{S}\right)^2

    where :math:`w_b` is the width of the bulk of feature b (its 2nd to 98th percentile over the whole scene, on a
    fixed stride, rounded to an eighth of an octave), features are kept within two widths of the middle, S is the
    square root of the mean segment area, and c the compactness: the measure of scikit-image's ``slic`` on bands
    stretched to 0-1. Then each segment is made 4-connected: fragments below a quarter of the mean area join the
    adjacent segment most like them; if more than `n_segments` are left, the least go on joining.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        Float, NaN = no data. A pixel without any finite band has no data; in a pixel with some, a missing band
        takes that band's middle.
    n_segments : int, optional
        Number of segments over the pixels with data. Either this or `area_ha`.
    area_ha : float, optional
        Mean area of a segment in hectares; wants a projected CRS in metres.
    compactness : float
        Weight of nearness in space against likeness, above 0; 0.1 follows the image, 1 is nearly square.
    iterations : int
        At least 1; it stops earlier when nothing moves.
    tile : int, optional
        Pixels on a side of what one task works on, made up to whole lattice cells. Does not change the result.
    engine : int or distributed.Client, optional
        Number of threads, or a client of a cluster; by default all processors. The segments are the same.
    progress : callable, optional
        Called with (iterations done, iterations).

    Returns
    -------
    DataArray of int32, (y, x)
        Segments 1..n in reading order of their first pixel, 0 = no data.

    Raises
    ------
    InputError
        If the raster has no data or other dimensions, or an argument is out of range.

    Examples
    --------
    >>> bands = np.repeat([[[0.1, 0.1, 0.8, 0.8]]], 4, axis=1)
    >>> scene = xr.DataArray(bands, dims=("band", "y", "x"), coords={"band": ["B08"]})
    >>> superpixels(scene, n_segments=2).values[0]
    array([1, 1, 2, 2], dtype=int32)
    """
    _check(features, compactness, iterations, tile)
    crew = processors() if engine is None else engine
    valid = _find_valid(features)
    lattice = lay_lattice(valid, _wanted(features, n_segments, area_ha, int(valid.sum())))
    scaling = scale_features(features, compactness**2 * lattice.reach)
    weight = (compactness * scaling.step) ** 2 / lattice.area
    blocks = map_tiles(
        partial(_read_block, features, valid, scaling, lattice),
        lattice.tiles(tile or TILE),
        engine=crew if isinstance(crew, int) else 1,
    )
    assign = partial(map_tiles, partial(_assign_block, weight), engine=crew)
    blocks = _iterate(blocks, Centres.none(lattice.shape, len(features)), iterations, assign, progress)
    labels, n = _connect_blocks(blocks, lattice, len(features))
    attrs = {
        "long_name": "superpixel",
        "n_segments": n,
        "wanted_segments": lattice.wanted,
        "compactness": float(compactness),
        "iterations": int(iterations),
        "feature_centre": scaling.centre.tolist(),
        "feature_spread": scaling.spread.tolist(),
    }
    log.info("%d superpixels of %.1f pixels on average (%d wanted)", n, valid.sum() / n, lattice.wanted)
    coords = {name: coord for name, coord in features.coords.items() if "band" not in coord.dims}
    return xr.DataArray(labels, dims=("y", "x"), coords=coords, attrs=attrs, name="segments")


def _check(features: xr.DataArray, compactness: float, iterations: int, tile: int | None) -> None:
    if features.dims != ("band", "y", "x") or 0 in features.shape:
        came = f"features with dimensions {dict(zip(features.dims, features.shape, strict=True))}"
        raise InputError(came, wanted="(band, y, x), none empty", mend="transpose or rename them")
    if not (np.isfinite(compactness) and 0 < compactness <= 1000):
        raise InputError(f"compactness {compactness}", wanted="above 0, at most 1000; 0.1 is usual")
    if iterations < 1:
        raise InputError(f"{iterations} iterations", wanted="at least 1; 10 are usual")
    if tile is not None and tile < 1:
        raise InputError(f"tile of {tile} pixels", wanted="at least 1")


def _find_valid(features: xr.DataArray) -> npt.NDArray[np.bool_]:
    height, width = features.shape[1:]
    valid = np.empty((height, width), bool)
    for strip in tile_grid((height, width), (256, width)):
        valid[strip.slices] = np.isfinite(_read(features, *strip.slices)).any(axis=0)
    if not valid.any():
        raise InputError("a scene without a single valid pixel", mend="check the nodata value and the bands")
    return valid


def _read(features: xr.DataArray, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(features[:, rows, columns].values, dtype=np.float32)


def _wanted(features: xr.DataArray, n_segments: int | None, area_ha: float | None, valid: int) -> int:
    """Return the number of segments asked for, one way or the other."""
    if (n_segments is None) == (area_ha is None):
        raise InputError(f"n_segments={n_segments} and area_ha={area_ha}", wanted="exactly one of the two")
    if n_segments is not None:
        if not 1 <= n_segments <= valid:
            raise InputError(f"n_segments={n_segments}", wanted=f"1 to {valid}, the number of pixels with data")
        return int(n_segments)
    geobox = features.odc.geobox
    if geobox is None or geobox.crs is None or not geobox.crs.projected or set(geobox.crs.units) > {"metre", "m"}:
        crs = None if geobox is None else geobox.crs
        raise InputError(
            f"area_ha on CRS {crs}", wanted="a projected CRS in metres", mend="reproject, or use n_segments"
        )
    pixel_ha = abs(geobox.affine.determinant) / 10_000
    if not (area_ha is not None and pixel_ha <= area_ha < np.inf):
        raise InputError(f"area_ha={area_ha}", wanted=f"at least one pixel, {pixel_ha:g} ha")
    return max(1, round(valid * float(pixel_ha) / area_ha))


def _read_block(
    features: xr.DataArray, valid: npt.NDArray[np.bool_], scaling: Scaling, lattice: Lattice, tile: Tile
) -> _Block:
    """Read and quantise one tile; every pixel with data starts in its own cell."""
    rows, columns = lattice.edges(tile)
    window = slice(rows[0], rows[-1]), slice(columns[0], columns[-1])
    within = rows - rows[0], columns - columns[0]
    packed = _kernel.pack(_read(features, *window), within, scaling.centre, scaling.unit, scaling.limit)
    return _Block(tile, (rows, columns), packed, _kernel.start(valid[window], within))


def _iterate(
    blocks: list[_Block], centres: Centres, iterations: int, assign: Assign, progress: Progress | None
) -> list[_Block]:
    """Assign and sum tile by tile, move the centres, repeat; return the blocks with their last slots."""
    bands = centres.features.shape[2]
    for block in blocks:
        centres.part(block.tile).sums[...] += _kernel.sum_cells(block.packed, block.slots, block.edges, bands)
    for done in range(1, iterations + 1):
        centres = centres.moved()
        found = assign([(block, centres.part(block.tile)) for block in blocks])
        blocks = [replace(block, slots=slots) for block, (slots, _) in zip(blocks, found, strict=True)]
        for block, (_, change) in zip(blocks, found, strict=True):
            centres.part(block.tile).sums[...] += change
        if progress:
            progress(done, iterations)
        if not any(change.any() for _, change in found):
            break
    return blocks


def _assign_block(weight: float, item: tuple[_Block, Centres]) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Return a block's new slots and the change of the sums: the map of map and reduce."""
    block, centres = item
    table = (
        np.ascontiguousarray(centres.features),
        np.ascontiguousarray(centres.places),
        np.ascontiguousarray(centres.states),
    )
    return _kernel.assign(block.packed, block.slots, block.edges, table, weight)


def _connect_blocks(blocks: list[_Block], lattice: Lattice, bands: int) -> tuple[npt.NDArray[np.int32], int]:
    """Join the blocks, make the segments connected, merge fragments, number them; return the labels and how many."""
    clusters = np.empty((lattice.rows[-1], lattice.columns[-1]), np.int32)
    for block in blocks:
        first = block.tile.row, block.tile.column
        _kernel.paint(clusters, block.slots, block.edges, first, lattice.shape[1])
    parts, n = _connect.label_parts(clusters)
    del clusters
    sums = np.zeros((n + 1, bands + 1), np.int64)
    for block in blocks:
        _connect.add_parts(block.packed, parts, block.edges, sums)
    smallest, largest = round(SMALLEST * lattice.area), round(lattice.area)
    borders = _connect.find_borders(parts, sums[:, -1], max(smallest, largest))
    parents = _connect.merge_fragments(borders, sums, smallest, largest, lattice.wanted)
    return parts, _connect.renumber(parts, parents)


def compile_ahead() -> None:
    """Compile the kernels now, so that the first scene need not wait; they are kept on disk for later processes.

    Examples
    --------
    >>> compile_ahead()
    """
    grid = GeoBox.from_bbox((0, 0, 640, 640), "EPSG:32633", resolution=10)
    values = np.random.default_rng(0).random((5, 64, 64), np.float32)
    values[:, :8, :8] = np.nan
    features = xr.concat([wrap_xr(band, grid) for band in values], "band")
    superpixels(features, n_segments=16)
