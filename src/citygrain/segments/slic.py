"""Superpixels: a scene of any number of bands cut into small, connected, homogeneous segments.

SLIC without seams. The centres are one small table; each tile labels its own pixels from it and returns integer sums,
so any tile size and any engine give the same segments to the last bit. Features are scaled once, by robust figures of
the whole scene, and quantised to 16 bits; a bright pixel far away changes nothing.
"""

import logging
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from citygrain.errors import InputError
from citygrain.segments import _connect, _kernel
from citygrain.segments._scaling import Scaling, scale_features
from citygrain.tiles import Progress, Tile, map_tiles, tile_grid

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["superpixels"]

SMALLEST = 0.25
"""Fragments below this share of the mean segment area are merged."""

TILE = 1024
"""Pixels on a side of a tile, if the caller does not say."""

log = logging.getLogger(__name__)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Lattice:
    """Cells fixed to the scene.

    Attributes
    ----------
    rows, columns : ndarray of int64
        Edges of the rows and columns of cells, in pixels.
    wanted : int
        Number of segments asked for.
    area : float
        Mean area of a cell in pixels.
    """

    rows: Ints
    columns: Ints
    wanted: int
    area: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.size - 1, self.columns.size - 1

    def edges(self, tile: Tile) -> tuple[Ints, Ints]:
        """Edges in the scene of the cells in `tile` (in cells)."""
        rows = self.rows[tile.row : tile.row + tile.height + 1]
        return rows, self.columns[tile.column : tile.column + tile.width + 1]

    def tiles(self, size: int) -> list[Tile]:
        """Cut the lattice into tiles (in cells) of at most `size` pixels, or one cell."""
        height, width = self.largest
        return tile_grid(self.shape, (max(1, size // height), max(1, size // width)))

    @property
    def largest(self) -> tuple[int, int]:
        """Height and width of the largest cell."""
        return int(np.diff(self.rows).max()), int(np.diff(self.columns).max())

    @property
    def reach(self) -> float:
        """Largest squared distance of a pixel from a candidate centre, three cells each way, in mean areas."""
        height, width = self.largest
        return 9 * (height**2 + width**2) / self.area


@dataclass(frozen=True)
class _Centres:
    """The table of centres, by lattice cell, with a ring of empty cells around.

    Attributes
    ----------
    sums : ndarray of int64, (i, j, band + 3)
        Sums over the members: features, rows, columns, pixels.
    features : ndarray of int32, (i, j, band)
        Mean features.
    places : ndarray of int64, (i, j, 2)
        Mean row and column, in sub-pixels.
    states : ndarray of uint8, (i, j)
        0 = no centre, 1 = as before, 2 = moved.
    """

    sums: Ints
    features: npt.NDArray[np.int32]
    places: Ints
    states: npt.NDArray[np.uint8]

    @classmethod
    def none(cls, shape: tuple[int, int], bands: int) -> "_Centres":
        i, j = shape[0] + 2, shape[1] + 2
        sums, features = np.zeros((i, j, bands + 3), np.int64), np.zeros((i, j, bands), np.int32)
        return cls(sums, features, np.zeros((i, j, 2), np.int64), np.zeros((i, j), np.uint8))

    def part(self, tile: Tile) -> "_Centres":
        """The centres of `tile` (in cells) and of the ring of cells around it."""
        window = slice(tile.row, tile.row + tile.height + 2), slice(tile.column, tile.column + tile.width + 2)
        return _Centres(self.sums[window], self.features[window], self.places[window], self.states[window])

    def moved(self) -> "_Centres":
        """The centres after their sums have changed; one without members stays where it was."""
        n = np.maximum(self.sums[..., -1:], 1)
        members = self.sums[..., -1:] > 0
        features = np.where(members, (2 * self.sums[..., :-3] + n) // (2 * n), self.features).astype(np.int32)
        places = np.where(members, (_kernel.SUBPIXEL * self.sums[..., -3:-1] + n // 2) // n, self.places)
        stayed = (features == self.features).all(axis=-1) & (places == self.places).all(axis=-1) & (self.states > 0)
        states = np.where(stayed, 1, np.where(members[..., 0], 2, self.states)).astype(np.uint8)
        return _Centres(self.sums, features, places, states)


@dataclass(frozen=True)
class _Block:
    """One tile's share of the work, whole in itself, so that it can be sent to another process."""

    tile: Tile
    edges: tuple[Ints, Ints]
    packed: npt.NDArray[np.int16]
    slots: npt.NDArray[np.uint8]
    centres: _Centres | None = None
    weight: float = 0.0


def superpixels(
    features: xr.DataArray,
    *,
    n_segments: int | None = None,
    area_ha: float | None = None,
    compactness: float = 0.1,
    iterations: int = 10,
    tile: int | None = None,
    engine: "int | Client" = 1,
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
    engine : int or distributed.Client
        Threads, or a running cluster. Does not change the result.
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
    valid = _find_valid(features)
    lattice = _lay_lattice(valid, _wanted(features, n_segments, area_ha, int(valid.sum())))
    scaling = scale_features(features, compactness**2 * lattice.reach)
    threads = engine if isinstance(engine, int) else 1
    blocks = map_tiles(
        partial(_read_block, features, valid, scaling, lattice), lattice.tiles(tile or TILE), engine=threads
    )
    weight = (compactness * scaling.step) ** 2 / lattice.area
    blocks = _iterate(blocks, _Centres.none(lattice.shape, len(features)), weight, iterations, engine, progress)
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
    valid = np.empty(features.shape[1:], bool)
    for strip in tile_grid(features.shape[1:], (256, features.shape[2])):
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
    return max(1, round(valid * pixel_ha / area_ha))


def _lay_lattice(valid: npt.NDArray[np.bool_], wanted: int) -> _Lattice:
    """Lay so many cells, about square, over the scene that `wanted` cover the pixels with data."""
    height, width = valid.shape
    cells = wanted * valid.size / valid.sum()
    down = min(height, max(1, round(sqrt(cells * height / width))))
    across = min(width, max(1, round(cells / down)))
    rows, columns = np.arange(down + 1) * height // down, np.arange(across + 1) * width // across
    return _Lattice(rows, columns, wanted, valid.size / (down * across))


def _read_block(
    features: xr.DataArray, valid: npt.NDArray[np.bool_], scaling: Scaling, lattice: _Lattice, tile: Tile
) -> _Block:
    """Read and quantise one tile; every pixel with data starts in its own cell."""
    rows, columns = lattice.edges(tile)
    window = slice(rows[0], rows[-1]), slice(columns[0], columns[-1])
    within = rows - rows[0], columns - columns[0]
    packed = _kernel.pack(_read(features, *window), *within, scaling.centre, scaling.unit, scaling.limit)
    return _Block(tile, (rows, columns), packed, _kernel.start(valid[window], *within))


def _iterate(
    blocks: list[_Block],
    centres: _Centres,
    weight: float,
    iterations: int,
    engine: "int | Client",
    progress: Progress | None,
) -> list[_Block]:
    """Assign and sum tile by tile, move the centres, repeat; return the blocks with their last slots."""
    for block in blocks:
        nothing = np.full_like(block.slots, _kernel.NO_DATA)
        centres.part(block.tile).sums[...] += _change(block, nothing, block.slots)
    for done in range(1, iterations + 1):
        centres = centres.moved()
        items = [replace(block, centres=centres.part(block.tile), weight=weight) for block in blocks]
        found = map_tiles(_assign_block, items, engine=engine)
        blocks = [replace(block, slots=slots) for block, (slots, _) in zip(blocks, found, strict=True)]
        for block, (_, change) in zip(blocks, found, strict=True):
            centres.part(block.tile).sums[...] += change
        if progress:
            progress(done, iterations)
        if not any(change.any() for _, change in found):
            break
    return blocks


def _assign_block(block: _Block) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Return a block's new slots and the change of the sums: the map of map and reduce."""
    centres = block.centres
    assert centres is not None  # noqa: S101 - tells mypy
    places, states = np.ascontiguousarray(centres.places), np.ascontiguousarray(centres.states)
    table = np.ascontiguousarray(centres.features)
    slots = _kernel.assign(block.packed, block.slots, *block.edges, table, places, states, block.weight)
    return slots, _change(block, block.slots, slots)


def _change(block: _Block, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> Ints:
    return _kernel.accumulate(block.packed, before, after, *block.edges)


def _connect_blocks(blocks: list[_Block], lattice: _Lattice, bands: int) -> tuple[npt.NDArray[np.int32], int]:
    """Join the blocks, make the segments connected, merge fragments, number them; return the labels and how many."""
    clusters = np.empty((lattice.rows[-1], lattice.columns[-1]), np.int32)
    for block in blocks:
        _kernel.paint(clusters, block.slots, *block.edges, (block.tile.row, block.tile.column), lattice.shape[1])
    parts, n = _connect.label_parts(clusters)
    del clusters
    sums = np.zeros((n + 1, bands + 1), np.int64)
    for block in blocks:
        _connect.add_parts(block.packed, parts, *block.edges, sums)
    smallest, largest = round(SMALLEST * lattice.area), round(lattice.area)
    borders = _connect.find_borders(parts, sums[:, -1], max(smallest, largest))
    parents = _connect.merge_fragments(borders, sums, smallest, largest, lattice.wanted)
    return parts, _connect.renumber(parts, parents)
