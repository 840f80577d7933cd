"""What a model says of each cell of a grid: probabilities, averaged over dates, and how unlike its training it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.grid_patches import GridPatches
from citygrain.maps.applicability import Applicability
from citygrain.maps.predict import Marker
from citygrain.maps.thematic_map import NO_SHARE, share_numbers
from citygrain.models.classifier import Classifier, Embedder
from citygrain.pixel_context import PixelContext
from citygrain.tessellation import Pixels
from citygrain.tiles import Engine, Progress, Tile, stream_tiles, tile_grid
from citygrain.workflows.trust import GROUND

__all__ = ["GridCells", "GridJob", "JudgedGrid", "dissimilarity_of", "judge_grid", "strips_of"]

_BATCH = 4096  # cells between two reports of progress; the model reads their patches in smaller slices

GridCells: TypeAlias = GridPatches | PixelContext | Pixels
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GridJob:
    """The cells of one grid on each date, and the model that judges them.

    Attributes
    ----------
    dates : sequence of DataArray, (band, y, x)
        The model's features.
    cells : sequence of GridCells
        The grid's cells on each date; dates differ in which of them have data.
    model : Classifier
        Judges them.

    Raises
    ------
    ModelMismatchError
        If features, their order or their units are not the model's.
    """

    dates: Sequence[xr.DataArray]
    cells: Sequence[GridCells]
    model: Classifier

    def __post_init__(self) -> None:
        for date, cells in zip(self.dates, self.cells, strict=True):
            names = cells.names([str(name) for name in date.band.values])
            self.model.card.check(names, str(date.attrs.get("units", "")), level=str(date.attrs.get("level", "")))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid of cells."""
        height, width = self.cells[0].geobox.shape
        return height, width


@dataclass(frozen=True)
class JudgedGrid:
    """What the model says of each cell, (..., y, x).

    Attributes
    ----------
    codes : ndarray of uint8, (y, x)
        Class codes; 0 = no data.
    confidence : ndarray of float32, (y, x)
        Probability of the class; NaN = no data.
    shares : ndarray of uint16, (k, y, x), or None
        The probability of every class, see `citygrain.maps.thematic_map.share_numbers`.
    marks : ndarray of uint32, (y, x), or None
        What the marker gave each cell; 0 = no data.
    """

    codes: npt.NDArray[np.uint8]
    confidence: Floats
    shares: npt.NDArray[np.uint16] | None
    marks: npt.NDArray[np.uint32] | None


def judge_grid(
    job: GridJob,
    *,
    shares: bool = False,
    marker: Marker | None = None,
    engine: Engine = 1,
    progress: Progress | None = None,
) -> JudgedGrid:
    """Average each cell's probabilities over the dates on which it has data, strip by strip of the grid.

    Parameters
    ----------
    job : GridJob
        Cells and model.
    shares : bool
        Keep the probability of every class.
    marker : callable, optional
        Gives a number for each cell from its probabilities, such as a set of classes as a bit mask.
    engine : int or distributed.Client
        Number of threads, or a client of a cluster. The map is the same.
    progress : callable, optional
        Called with (done, total) cells.
    """
    legend, (height, width) = job.model.card.legend, job.shape
    judged = JudgedGrid(
        np.zeros((height, width), np.uint8),
        np.full((height, width), np.nan, np.float32),
        np.full((len(legend), height, width), NO_SHARE, np.uint16) if shares else None,
        None if marker is None else np.zeros((height, width), np.uint32),
    )
    strips = _strips(job, sent=not isinstance(engine, int))
    for strip, probabilities in stream_tiles(_average, strips, shared=job.model, engine=engine):
        there = np.isfinite(probabilities[..., 0])
        judged.codes[strip.slices] = legend.codes(np.where(there, probabilities.argmax(-1), -1))
        judged.confidence[strip.slices] = probabilities.max(-1)
        if judged.shares is not None:
            judged.shares[:, *strip.slices] = share_numbers(probabilities).transpose(2, 0, 1)
        if marker is not None and judged.marks is not None:
            judged.marks[strip.slices][there] = marker(probabilities[there])
        if progress:
            progress((strip.row + strip.height) * width, height * width)
    return judged


def dissimilarity_of(job: GridJob, known: Applicability, *, everywhere: bool, seed: int = 0) -> Floats:
    """Return how unlike the training rows cells are, (y, x); on several dates that of the least like one.

    Parameters
    ----------
    job : GridJob
        Cells and a model that tells what it decides on.
    known : Applicability
        What the training rows were like.
    everywhere : bool
        Look at every cell; else at `citygrain.workflows.trust.GROUND` of those with data, drawn at random.
    seed : int
        Source of the draw.

    Returns
    -------
    ndarray of float32, (y, x)
        NaN where there is no data or nobody looked.
    """
    model, index = job.model, np.full(job.shape, np.nan, np.float32)
    if not isinstance(model, Embedder):
        return index
    looked = None if everywhere else _drawn(job, seed)
    for rows, cells in zip(_rows(job), job.cells, strict=True):
        for strip in strips_of(job.shape):
            part = cells.parts(strip)
            there = part >= 0 if looked is None else (part >= 0) & looked[strip.slices]
            if there.any():
                near = known.dissimilarity(_asked(rows.subset(part[there]), model.embed))
                window = index[strip.slices]
                window[there] = np.fmax(window[there], near)
    return index


def strips_of(shape: tuple[int, int]) -> list[Tile]:
    """Return strips of a grid, as wide as it is, of some thousand cells each."""
    height, width = shape
    return tile_grid((height, width), (max(1, _BATCH // width), width))


def _rows(job: GridJob) -> list[Any]:
    return [cells.rows(date) for cells, date in zip(job.cells, job.dates, strict=True)]


def _asked(rows: Any, judge: Callable[[Any], Floats]) -> Floats:
    """Ask a model about rows. Patches stay uncut until it reads them, slice by slice; other rows are small."""
    return judge(rows[:] if len(rows.shape) == 2 else rows)


_Date = tuple[npt.NDArray[np.bool_], Any]
"""Which cells of a strip have data on a date, (y, x), and their rows, still to be made."""


def _strips(job: GridJob, *, sent: bool) -> Iterator[tuple[Tile, list[_Date]]]:
    """Yield the strips of the grid with all that is needed to judge them; what is sent takes its pixels along."""
    rows = _rows(job)
    for strip in strips_of(job.shape):
        parts = zip(rows, _parts(job, strip), strict=True)
        chosen = [(part >= 0, each.subset(part[part >= 0])) for each, part in parts]
        yield strip, [(there, near.cropped() if sent else near) for there, near in chosen]


def _average(model: Classifier, item: tuple[Tile, list[_Date]]) -> tuple[Tile, Floats]:
    """Return a strip's mean probabilities over the dates that have them, (y, x, k); NaN where none has."""
    strip, asked = item
    shape = asked[0][0].shape
    total, dates = np.zeros((*shape, len(model.card.legend)), np.float32), np.zeros(shape, np.float32)
    for there, rows in asked:
        if there.any():
            total[there] += _asked(rows, model.predict_proba)
            dates += there
    return strip, np.where(dates[..., None] > 0, total / np.maximum(dates, 1)[..., None], np.float32(np.nan))


def _drawn(job: GridJob, seed: int) -> npt.NDArray[np.bool_]:
    """Draw cells among those that have data on any date, (y, x)."""
    with_data = np.zeros(job.shape, bool)
    for strip in strips_of(job.shape):
        with_data[strip.slices] = np.any([part >= 0 for part in _parts(job, strip)], axis=0)
    there = np.flatnonzero(with_data)
    chosen = np.random.default_rng([seed, 5]).choice(there, min(GROUND, there.size), replace=False)
    looked = np.zeros(with_data.size, bool)
    looked[chosen] = True
    return looked.reshape(job.shape)


def _parts(job: GridJob, strip: Tile) -> Iterator[npt.NDArray[np.int64]]:
    return (cells.parts(strip) for cells in job.cells)
