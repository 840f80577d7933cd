"""A map is ``scatter(predict(gather(scene)))``: every unit of a tessellation gets a class and a confidence.

The scene is taken block by block: one window is read, the rows of the units that lie there are made from it, and the
model judges them. A block needs nothing else, so blocks may be done by threads or by a cluster, and scenes may be of
any size.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.legend import Legend
from citygrain.maps.thematic_map import ThematicMap
from citygrain.models.classifier import Classifier
from citygrain.rows import SceneRows
from citygrain.tessellation import Tessellation, value_table
from citygrain.tiles import Engine, Progress, Tile, stream_tiles, tile_grid

__all__ = ["BLOCK", "MapWindow", "predict_map", "predict_units", "predict_windows", "scatter_map"]

BLOCK = 1024
"""Side of a block in pixels: ten float32 bands of one take 42 MB."""

Floats = npt.NDArray[np.float32]
Marker = Callable[[Floats], npt.NDArray[np.uint32]]
"""Gives units of these probabilities (m, k) a number each that goes onto the map beside the class."""
Listener = Callable[[npt.NDArray[np.int64], Floats], None]
"""Is told of units (m,) and their probabilities (m, k)."""


@dataclass(frozen=True)
class MapWindow:
    """A window of a map.

    Attributes
    ----------
    tile : Tile
        Where it lies on the map.
    codes : ndarray of uint8, (height, width)
        Class codes; 0 = no data.
    confidence : ndarray of float32, (height, width)
        Probability of the class, 0 to 1; NaN = no data.
    probabilities : ndarray of float32, (k, height, width), or None
        Probability of every class in legend order, where it was asked for; NaN = no data.
    marks : ndarray of uint32, (height, width), or None
        What a marker gave each unit, where there is one; 0 = no data.
    """

    tile: Tile
    codes: npt.NDArray[np.uint8]
    confidence: Floats
    probabilities: Floats | None = None
    marks: npt.NDArray[np.uint32] | None = None


def predict_units(
    features: xr.DataArray,
    tessellation: Tessellation,
    model: Classifier,
    *,
    engine: Engine = 1,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> Floats:
    """Return the class probabilities of each unit, (n, k), in legend order; NaN for a pixel without data.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features that the model was trained on; they may be lazy.
    tessellation : Tessellation
        n units.
    model : Classifier
        A fitted model.
    engine : int or distributed.Client
        Number of threads, or a client of a cluster. The result is the same.
    block : int
        Side in pixels of what is read at a time. Does not change the result of a model that judges each row alone.
    progress : callable, optional
        Called with (done, total) units.

    Raises
    ------
    ModelMismatchError
        If the features, their order or their units are not those of the model.
    """
    judged = _judged(_Job(features, tessellation, model), engine, block, progress)
    probabilities = np.full((len(tessellation), len(model.card.legend)), np.nan, np.float32)
    for _, units, shares in judged:
        probabilities[units] = shares
    return probabilities


def scatter_map(probabilities: Floats, tessellation: Tessellation, model: Classifier) -> ThematicMap:
    """Put each unit's most likely class, and its probability, back onto the map by look-up.

    Parameters
    ----------
    probabilities : ndarray, (n, k)
        Class probabilities of each unit, in legend order.
    tessellation : Tessellation
        n units.
    model : Classifier
        The model that gave them; its legend names the columns.
    """
    legend = model.card.legend
    codes, confidence = _best(probabilities, legend)
    return ThematicMap(tessellation.scatter(codes), tessellation.scatter(confidence), legend)


def predict_map(
    features: xr.DataArray,
    tessellation: Tessellation,
    model: Classifier,
    *,
    engine: Engine = 1,
    progress: Progress | None = None,
) -> ThematicMap:
    """Map a scene: gather, predict, scatter. The map is in memory; `predict_windows` maps scenes of any size.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features that the model was trained on, NaN = no data; they may be lazy.
    tessellation : Tessellation
        Units of the scene.
    model : Classifier
        A fitted model.
    engine : int or distributed.Client
        Number of threads, or a client of a cluster. The map is the same.
    progress : callable, optional
        Called with (done, total) units.

    Returns
    -------
    ThematicMap
        Code 0 where there is no data, and only there.

    Raises
    ------
    ModelMismatchError
        If the features, their order or their units are not those of the model.
    """
    probabilities = predict_units(features, tessellation, model, engine=engine, progress=progress)
    return scatter_map(probabilities, tessellation, model)


def predict_windows(
    features: xr.DataArray,
    tessellation: Tessellation,
    model: Classifier,
    *,
    probabilities: bool = False,
    marker: Marker | None = None,
    listener: Listener | None = None,
    engine: Engine = 1,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> Iterator[MapWindow]:
    """Map a scene of any size: yield the map window by window, row by row, without ever holding it.

    Beside the windows under way only the answer for each superpixel is held; for pixels and cells nothing is. The
    windows together are the map of `predict_map`.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features that the model was trained on, NaN = no data; they may be lazy.
    tessellation : Tessellation
        Units of the scene.
    model : Classifier
        A fitted model.
    probabilities : bool
        Give the probability of every class too.
    marker : callable, optional
        Gives a number for each unit from its probabilities, such as a set of classes as a bit mask.
    listener : callable, optional
        Told of units and their probabilities, block by block in order.
    engine : int or distributed.Client
        Number of threads, or a client of a cluster. The map is the same.
    block : int
        Side in pixels of what is read at a time, and of the windows (of cells: as many as cover it).
    progress : callable, optional
        Called with (done, total) units.

    Raises
    ------
    ModelMismatchError
        If the features, their order or their units are not those of the model.
    """
    job = _Job(features, tessellation, model, marker)
    judged = _judged(job, engine, block, progress)
    if listener is not None:
        judged = _heard(judged, listener)
    return (
        _by_window(job, judged, probabilities)
        if tessellation.by_window
        else _by_unit(job, judged, probabilities, block)
    )


@dataclass(frozen=True)
class _Job:
    """What is mapped by what; refused if they do not fit."""

    features: xr.DataArray
    tessellation: Tessellation
    model: Classifier
    marker: Marker | None = None
    rows: SceneRows = field(init=False)

    def __post_init__(self) -> None:
        names = self.tessellation.names([str(name) for name in self.features.band.values])
        object.__setattr__(self, "rows", self.tessellation.rows(self.features))
        units, level = (str(self.features.attrs.get(key, "")) for key in ("units", "level"))
        self.model.card.check(names, units, tuple(self.rows.shape[1:]), level=level)

    @property
    def legend(self) -> Legend:
        return self.model.card.legend


_Judged = tuple[Tile, npt.NDArray[np.int64], Floats]
"""A block of the map, the units that lie there, and their class probabilities (m, k)."""


def _judged(job: _Job, engine: Engine, block: int, progress: Progress | None) -> Iterator[_Judged]:
    """Yield the blocks of a scene with the answers for their units, in order."""
    done, total = 0, len(job.tessellation)
    under_way: deque[tuple[Tile, npt.NDArray[np.int64]]] = deque()  # what the workers of a cluster need not know

    def rows() -> Iterator[SceneRows]:
        for tile, units in job.tessellation.blocks(block):
            under_way.append((tile, units))
            chosen = job.rows.subset(units)
            yield chosen if isinstance(engine, int) else chosen.cropped()

    for shares in stream_tiles(_judge, rows(), shared=job.model, engine=engine):
        tile, units = under_way.popleft()
        done += units.size
        if progress:
            progress(done, total)
        yield tile, units, shares
    if progress and done < total:  # pixels without data were left out
        progress(total, total)


def _heard(judged: Iterator[_Judged], listener: Listener) -> Iterator[_Judged]:
    for answer in judged:
        listener(answer[1], answer[2])
        yield answer


def _judge(model: Classifier, rows: SceneRows) -> Floats:
    """Read the window of a block, make its rows and judge them: a pure function, here or on a cluster."""
    if len(rows) == 0:
        return np.empty((0, len(model.card.legend)), np.float32)
    near = rows.loaded()
    # Patches are cut as the model reads them; rows of single values are small.
    return model.predict_proba(near[:] if len(rows.shape) == 2 else near)


def _by_window(job: _Job, judged: Iterator[_Judged], probabilities: bool) -> Iterator[MapWindow]:
    """Yield the windows of a map of which each unit is one pixel: a block's answers are its window."""
    for tile, _, shares in judged:
        there = job.tessellation.parts(tile) >= 0
        codes, confidence = np.zeros(there.shape, np.uint8), np.full(there.shape, np.nan, np.float32)
        codes[there], confidence[there] = _best(shares, job.legend)
        every = np.full((len(job.legend), *there.shape), np.nan, np.float32) if probabilities else None
        if every is not None:
            every[:, there] = shares.T
        marks = None if job.marker is None else np.zeros(there.shape, np.uint32)
        if job.marker is not None and marks is not None:
            marks[there] = job.marker(shares)
        yield MapWindow(tile, codes, confidence, every, marks)


def _by_unit(job: _Job, judged: Iterator[_Judged], probabilities: bool, block: int) -> Iterator[MapWindow]:
    """Judge all superpixels, then yield the windows of the map by look-up."""
    n, cut = len(job.tessellation), job.tessellation
    codes, confidence = np.empty(n, np.uint8), np.empty(n, np.float32)
    every = np.empty((len(job.legend) if probabilities else 0, n), np.float32)
    marks = np.zeros(n, np.uint32)
    for _, units, shares in judged:
        codes[units], confidence[units] = _best(shares, job.legend)
        if probabilities:
            every[:, units] = shares.T
        if job.marker is not None:
            marks[units] = job.marker(shares)
    tables = [value_table(cut, values) for values in (codes, confidence, *every)]
    marked = None if job.marker is None else value_table(cut, marks)
    height, width = cut.geobox.shape
    for tile in tile_grid((height, width), block):
        code, sure, *others = (cut.spread(table, tile) for table in tables)
        mark = None if marked is None else cut.spread(marked, tile)
        yield MapWindow(tile, code, sure, np.stack(others) if probabilities else None, mark)


def _best(shares: Floats, legend: Legend) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Return the code of the most likely class of each unit, and its probability."""
    if len(shares) == 0:
        return np.empty(0, np.uint8), np.empty(0, np.float32)
    return legend.codes(shares.argmax(1)), shares.max(1)
