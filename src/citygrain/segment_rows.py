"""What the tessellations of superpixels share: where each superpixel lies, and rows of statistics of them.

The statistics of a superpixel are made from its own pixels and its own window alone, always in the same order, so they
are the same to the last bit whatever else is made beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.excerpt import Excerpt, around, near_each_other, reflected
from citygrain.grids import grid_of, ground_of
from citygrain.rows import NEAR, asked
from citygrain.tiles import Tile, tile_grid
from citygrain.zones import ZoneTable, add_moments, empty_moments, look_up, moments, strips, zone_table

__all__ = ["Segments", "StatisticRows", "statistic_rows"]

_REACH = 64, 512
"""A superpixel that reaches farther than this from its centre is summed up apart, so that windows stay small; it is
between these numbers of pixels, and as a rule four times the side of a superpixel."""


@dataclass(frozen=True)
class Segments:
    """Superpixels 1..n on a grid, and the window at the centre of each.

    Attributes
    ----------
    labels : DataArray of int, (y, x)
        Superpixels, 0 = no data; it may be lazy.
    window : int
        Side of the windows in pixels.
    table : ZoneTable
        Boxes, areas and centres, measured in one pass over the labels.

    Raises
    ------
    InputError
        If they are no integers, a number has no pixel, or the scene is smaller than the window.
    """

    labels: xr.DataArray
    window: int
    table: ZoneTable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        labels, shape = self.labels, self.labels.shape
        if labels.ndim != 2 or labels.dtype.kind not in "iu":
            raise InputError(f"segments of {labels.ndim} dimensions and type {labels.dtype}", wanted="integers (y, x)")
        if self.window < 1 or self.window > min(shape):
            size = " x ".join(map(str, shape))
            raise InputError(
                f"scene of {size} pixels is smaller than the window of {self.window}",
                wanted=f"1 to {min(shape)}",
                mend="set a smaller [samples] window",
            )
        object.__setattr__(self, "table", zone_table(Excerpt.of(labels)))

    def __len__(self) -> int:
        return len(self.table.areas)

    @cached_property
    def corners(self) -> npt.NDArray[np.int64]:
        """The upper left pixel of each window, (n, 2); it may lie outside the scene."""
        return self.table.centres - self.window // 2

    def footprints(self) -> npt.NDArray[np.int64]:
        """Return the pixel box that holds a unit and its window within the scene, (n, 4)."""
        boxes, corner = self.table.boxes, np.clip(self.corners, 0, None)
        end = np.minimum(self.corners + self.window, self.labels.shape)
        return np.column_stack([np.minimum(boxes[:, :2], corner), np.maximum(boxes[:, 2:], end)])

    def extents(self) -> npt.NDArray[np.float64]:
        """Return the ground of each window and its superpixel together, (n, 4): xmin, ymin, xmax, ymax."""
        return ground_of(self.footprints(), grid_of(self.labels))

    def within(self, tile: Tile) -> npt.NDArray[Any]:
        """Return the labels in a window of the scene, (height, width)."""
        return np.asarray(self.labels.variable[tile.slices].values)

    def numbers(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return label - 1 in a window; -1 = no data."""
        numbers: npt.NDArray[np.int64] = np.subtract(self.within(tile), 1, dtype=np.int64, casting="unsafe")
        return numbers

    def spread(self, table: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Look up the values (n + 1,), of which the last is for no data, of the superpixels in a window."""
        return look_up(self.within(tile), table, first=1)

    def blocks(self, side: int) -> Iterator[tuple[Tile, npt.NDArray[np.int64]]]:
        """Yield windows of `side` x `side` pixels with the rows of the superpixels whose centre lies there."""
        height, width = self.labels.shape
        return ((tile, self.inside(tile)) for tile in tile_grid((height, width), side))

    def inside(self, tile: Tile) -> npt.NDArray[np.int64]:
        """Return the rows of the superpixels whose centre lies in a window of the scene, in increasing order."""
        rows, columns = tile.slices
        ordered, order = self._by_row
        near = order[np.searchsorted(ordered, rows.start) : np.searchsorted(ordered, rows.stop)]
        column = self.table.centres[near, 1]
        return np.sort(near[(column >= columns.start) & (column < columns.stop)])

    @cached_property
    def _by_row(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        order = np.argsort(self.table.centres[:, 0], kind="stable")
        return self.table.centres[order, 0], order


@dataclass(frozen=True)
class StatisticRows:
    """Rows (n, 4 c) of superpixels, made when they are asked for: mean and deviation inside, and in the window around.

    Attributes
    ----------
    source : Excerpt, (c, height, width)
        The features.
    labels : Excerpt, (height, width)
        The superpixels.
    window : int
        Side of the windows in pixels.
    units : ndarray of int64, (n,)
        Unit of each row: label - 1.
    corners, boxes : ndarray of int64, (n, 2) and (n, 4)
        Upper left pixel of each window, and pixel box of each superpixel.
    apart : ndarray of int64, (n,)
        Row in `wide` of a superpixel that is too wide for the windows; -1 = it is not.
    wide : ndarray of float32, (m, 2 c)
        Means and deviations of the wide superpixels.
    """

    source: Excerpt
    labels: Excerpt
    window: int
    units: npt.NDArray[np.int64]
    corners: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]
    apart: npt.NDArray[np.int64]
    wide: npt.NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(n, 4 c)."""
        return len(self.units), 4 * int(self.source.data.shape[0])

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def lazy(self) -> bool:
        """Whether the scene is still to be read."""
        return self.source.lazy or self.labels.lazy

    def __len__(self) -> int:
        return len(self.units)

    def subset(self, rows: npt.NDArray[Any]) -> "StatisticRows":
        """Return the chosen rows, still to be made."""
        tables = {name: getattr(self, name)[rows] for name in ("units", "corners", "boxes", "apart")}
        return replace(self, **tables)

    def cropped(self) -> "StatisticRows":
        """Return the rows, still to be made, with their part of the scene."""
        if len(self) == 0:
            return self
        box = around(reflected(self.corners, self.window, self.source.scene), self.boxes[self.apart < 0])
        return replace(self, source=self.source.cut(box), labels=self.labels.cut(box))

    def loaded(self) -> "StatisticRows":
        """Return the rows, still to be made, with their part of the scene in memory."""
        if len(self) == 0:
            return self
        here = self.cropped()
        return replace(here, source=here.source.read(), labels=here.labels.read())

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        index, single = asked(np.arange(len(self)), rows)
        chosen = self.subset(index)
        height, width = self.source.data.shape[1:]
        if not self.lazy and 2 * np.prod(chosen.boxes[:, 2:] - chosen.boxes[:, :2], axis=1).sum() > height * width:
            out = chosen._made()  # most of what is there is wanted
        else:
            out = np.empty(chosen.shape, np.float32)
            for group in near_each_other(chosen.corners, NEAR):
                out[group] = chosen.subset(group).loaded()._made()
        return out[0] if single else out

    def _made(self) -> npt.NDArray[np.float32]:
        """Return the rows, from the part of the scene that is loaded."""
        from citygrain._rows import context  # noqa: PLC0415 - compiled code only when it is needed

        columns = self.shape[1] // 2
        out = np.empty(self.shape, np.float32)
        kept = self.apart < 0
        labels, place = np.unique(self.units[kept] + 1, return_inverse=True)  # a row may be asked for twice
        state = empty_moments(len(labels), columns // 2)
        add_moments(self.source, self.labels, labels, state)
        out[kept, :columns] = moments(state)[place]
        out[~kept, :columns] = self.wide[self.apart[~kept]]
        context(self.source.values, self.source.place, self.corners, self.window, out[:, columns:])
        return out


def statistic_rows(features: xr.DataArray, segments: Segments) -> StatisticRows:
    """Return the rows of all superpixels, to be made on demand; those too wide for windows are summed up here.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features, lazy or not.
    segments : Segments
        n superpixels on their grid.
    """
    source, labels = Excerpt.of(features), Excerpt.of(segments.labels)
    centres, boxes = segments.table.centres, segments.table.boxes
    reach = np.maximum(centres - boxes[:, :2], boxes[:, 2:] - centres).max(1)
    wide = np.flatnonzero(reach > np.clip(4 * segments.table.areas.mean() ** 0.5, *_REACH))
    apart = np.full(len(segments), -1, np.int64)
    apart[wide] = np.arange(len(wide))
    return StatisticRows(
        source,
        labels,
        segments.window,
        np.arange(len(segments)),
        segments.corners,
        boxes,
        apart,
        _summed(source, labels, wide + 1, boxes[wide]),
    )


def _summed(
    source: Excerpt, labels: Excerpt, chosen: npt.NDArray[np.int64], boxes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return means and deviations of labels wherever they lie, (m, 2 c): one pass over the rows that they touch."""
    state = empty_moments(len(chosen), int(source.data.shape[0]))
    if len(chosen):
        for strip in strips(around(boxes)):
            add_moments(source.cut(strip).read(), labels.cut(strip).read(), chosen, state)
    return moments(state)
