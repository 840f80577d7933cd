"""Superpixels: a scene of any number of bands cut into small, connected, homogeneous segments.

SLIC without seams. The centres are one small table; each tile labels its own pixels from it and returns integer sums,
so any tile size and any engine give the same segments to the last bit. Features are scaled once, by robust figures of
the whole scene, and quantised to 16 bits; a bright pixel far away changes nothing.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from citygrain.errors import InputError
from citygrain.segments import _pack
from citygrain.segments._blocks import Blocks, BlocksHere, Steps
from citygrain.segments._connect import Pieces
from citygrain.segments._far import BlocksThere
from citygrain.segments._lattice import Centres, Lattice, lay_lattice
from citygrain.segments._plan import Plan, plan_memory, reading_threads
from citygrain.segments._scaling import Scaling, scale_features, survey, whole_or_window
from citygrain.segments._seams import join_blocks, renumber
from citygrain.segments._shelf import Block, Shelf
from citygrain.segments._wish import Wish
from citygrain.tiles import Progress, Tile, map_tiles, processors, tile_grid

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Sink", "compile_ahead", "stream_superpixels", "superpixels"]

SMALLEST = 0.25
"""Fragments below this share of the mean segment area are merged."""

BLOCK = 512
"""Pixels on a side of a block, in whole lattice cells. Fragments within are merged first, so it tells."""

log = logging.getLogger(__name__)
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

Sink = Callable[[slice, slice, Ints32], None]
"""Takes a window of the segments: rows, columns, labels."""


def superpixels(
    features: xr.DataArray,
    *,
    n_segments: int | None = None,
    area_ha: float | None = None,
    area_pixels: float | None = None,
    compactness: float = 0.1,
    iterations: int = 10,
    memory: int | None = None,
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
        Number of segments over the pixels with data. Either this, `area_ha` or `area_pixels`.
    area_ha : float, optional
        Mean area of a segment in hectares; wants a projected CRS in metres.
    area_pixels : float, optional
        Mean area of a segment in pixels, 1 or more.
    compactness : float
        Weight of nearness in space against likeness, above 0; 0.1 follows the image, 1 is nearly square.
    iterations : int
        At least 1; it stops earlier when nothing moves.
    memory : int, optional
        Bytes to work in beside `features` and the result: what does not fit goes to a scratch file. By default all
        is kept in memory. The segments are the same.
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
    _check_shape(features)
    labels = np.empty(features.shape[1:], np.int32)

    def keep(rows: slice, columns: slice, window: Ints32) -> None:
        labels[rows, columns] = window

    wish = Wish(n_segments, area_ha, compactness, iterations, area_pixels)
    attrs = _segment(features, keep, wish, _Means(memory, None, engine, progress))
    coords = {name: coord for name, coord in features.coords.items() if "band" not in coord.dims}
    return xr.DataArray(labels, dims=("y", "x"), coords=coords, attrs=attrs, name="segments")


def stream_superpixels(
    features: xr.DataArray,
    sink: Sink,
    *,
    n_segments: int | None = None,
    area_ha: float | None = None,
    area_pixels: float | None = None,
    compactness: float = 0.1,
    iterations: int = 10,
    memory: int | None = None,
    scratch: Path | None = None,
    engine: "int | Client | None" = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cut a scene of any size into superpixels and hand them on window by window: those of `superpixels`.

    The scene is read twice by windows, once to learn its range and once to pack it in 2 bytes a value. Beside that
    about 1 kB for each segment (of 8 features) is held, and the work of each thread.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        See `superpixels`; may be lazy (see `citygrain.lazy`).
    sink : callable
        Called with (rows, columns, labels): slices of the scene and its segments there, int32. Windows come row by
        row, those of a row from left to right, one at a time, each pixel once.
    n_segments, area_ha, area_pixels, compactness, iterations, engine, progress
        See `superpixels`.
    memory : int, optional
        Bytes to work in: fewer threads work, and what does not fit goes to a scratch file.
    scratch : Path, optional
        Folder of that file, which is gone when this returns, or is stopped.

    Returns
    -------
    dict
        The attributes that `superpixels` gives its result: number of segments, how the features were scaled.

    Raises
    ------
    InputError
        As `superpixels`, and if `memory` is too little for a single thread.
    OutputError
        If the scratch file cannot be written.

    Examples
    --------
    >>> bands = np.repeat([[[0.1, 0.1, 0.8, 0.8]]], 4, axis=1)
    >>> scene = xr.DataArray(bands, dims=("band", "y", "x"), coords={"band": ["B08"]})
    >>> attrs = stream_superpixels(scene, lambda rows, columns, labels: print(rows, labels[0]), n_segments=2)
    slice(0, 4, None) [1 1 2 2]
    >>> attrs["n_segments"]
    2
    """
    _check_shape(features)
    wish = Wish(n_segments, area_ha, compactness, iterations, area_pixels)
    return _segment(features, sink, wish, _Means(memory, scratch, engine, progress))


@dataclass(frozen=True)
class _Means:
    """What to make them with, see `stream_superpixels`: nothing of it changes them."""

    memory: int | None
    scratch: Path | None
    engine: "int | Client | None"
    progress: Progress | None

    @property
    def threads(self) -> int:
        """Threads of this process, as many as there is memory for."""
        return self.engine if isinstance(self.engine, int) else processors()

    @property
    def on_cluster(self) -> bool:
        """Whether the blocks go to a cluster."""
        return not isinstance(self.engine, int | None)


def _segment(features: xr.DataArray, sink: Sink, wish: Wish, means: _Means) -> dict[str, Any]:
    """Cut a scene into superpixels, hand them to `sink` window by window, return what there is to say of them."""
    wish.check()
    height, width = features.shape[1:]
    readers = reading_threads(BLOCK, len(features), means.memory, means.threads)
    known = survey(features, tile_grid((height, width), BLOCK), readers)
    lattice = lay_lattice((height, width), known.valid, wish.wanted(features, known.valid))
    scaling = scale_features(known.bulk, wish.compactness**2 * lattice.reach)
    kept = wish.iterations if means.on_cluster else 0
    plan = plan_memory(lattice, lattice.tiles(BLOCK), len(features), means.memory, means.threads, kept=kept)
    with plan.shelf(means.scratch) as shelf:
        fill = partial(_fill, shelf, features, scaling, lattice)
        map_tiles(fill, list(enumerate(plan.tiles)), engine=plan.threads)
        weight = (wish.compactness * scaling.step) ** 2 / lattice.area
        with _work_on(shelf, lattice, weight, plan, means.engine) as blocks:
            _iterate(blocks, Centres.none(lattice.shape, plan.bands), wish.iterations, means.progress)
            pieces = blocks.cut()
        n = _connect(pieces, shelf, lattice, plan.tiles, sink)
    log.info("%d superpixels of %.1f pixels on average (%d wanted)", n, known.valid / n, lattice.wanted)
    return {
        "long_name": "superpixel",
        "n_segments": n,
        "wanted_segments": lattice.wanted,
        "compactness": float(wish.compactness),
        "iterations": int(wish.iterations),
        "feature_centre": scaling.centre.tolist(),
        "feature_spread": scaling.spread.tolist(),
    }


def _check_shape(features: xr.DataArray) -> None:
    if features.dims != ("band", "y", "x") or 0 in features.shape:
        came = f"features with dimensions {dict(zip(features.dims, features.shape, strict=True))}"
        raise InputError(came, wanted="(band, y, x), none empty", mend="transpose or rename them")


def _fill(shelf: Shelf, features: xr.DataArray, scaling: Scaling, lattice: Lattice, item: tuple[int, Tile]) -> None:
    """Read and quantise a tile; every pixel with data starts in its own cell."""
    k, tile = item
    rows, columns = lattice.edges(tile)
    values, (row, column) = whole_or_window(features, slice(rows[0], rows[-1]), slice(columns[0], columns[-1]))
    within = rows - rows[0] + row, columns - columns[0] + column
    packed = _pack.pack(values, within, scaling.centre, scaling.unit, scaling.limit)
    shelf.put(k, Block(tile, (rows, columns), packed, _pack.start(values, within)))


def _work_on(
    shelf: Shelf, lattice: Lattice, weight: float, plan: Plan, engine: "int | Client | None"
) -> AbstractContextManager[Blocks]:
    """Decide who works on the blocks: threads here, or the workers of a cluster."""
    shape = int(lattice.rows[-1]), int(lattice.columns[-1])
    steps = Steps(shelf.bands, weight, lattice.shape[1], shape, _limits(lattice))
    if engine is None or isinstance(engine, int):
        return nullcontext(BlocksHere(shelf, steps, plan.threads))
    return BlocksThere(shelf, steps, plan.tiles, engine, room=plan.sendable)


def _iterate(blocks: Blocks, centres: Centres, iterations: int, progress: Progress | None) -> None:
    """Sum block by block, move the centres, assign block by block and add the changes, repeat."""
    for tile, sums in blocks.sums():
        centres.part(tile).sums[...] += sums
    for done in range(1, iterations + 1):
        centres = centres.moved()
        moved = False
        for tile, change in blocks.assign(centres):
            centres.part(tile).sums[...] += change
            moved |= bool(change.any())
        if progress:
            progress(done, iterations)
        if not moved:
            break


def _connect(pieces: list[Pieces], shelf: Shelf, lattice: Lattice, tiles: list[Tile], sink: Sink) -> int:
    """Join the pieces of all blocks, merge fragments, number them, hand them on; return how many there are."""
    across = sum(tile.row == 0 for tile in tiles)
    final, n = join_blocks(pieces, across, (*_limits(lattice), lattice.wanted))
    map_tiles(partial(_hand_on, shelf, lattice, sink), list(zip(tiles, final, range(len(tiles)), strict=True)))
    return n


def _limits(lattice: Lattice) -> tuple[int, int]:
    """Return below how many pixels a fragment is merged, and from how many on a piece is never a fragment's target."""
    return round(SMALLEST * lattice.area), round(lattice.area)


def _hand_on(shelf: Shelf, lattice: Lattice, sink: Sink, item: tuple[Tile, Ints32, int]) -> None:
    tile, final, k = item
    rows, columns = lattice.edges(tile)
    labels = shelf.take_parts(k)
    renumber(labels, final)
    sink(slice(int(rows[0]), int(rows[-1])), slice(int(columns[0]), int(columns[-1])), labels)


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
