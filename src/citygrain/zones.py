"""Sums over zones: boxes, centroids, means and deviations, and class counts of labelled pixels.

Each in one pass over the labels, strip by strip; no search over the label image per superpixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.excerpt import Excerpt
from citygrain.tiles import tile_grid

__all__ = [
    "ZoneTable",
    "add_moments",
    "boxes",
    "centroids",
    "count_classes",
    "empty_moments",
    "look_up",
    "moments",
    "strips",
    "zone_table",
]

STRIP = 2**20
"""Pixels that are looked at at a time."""


@dataclass(frozen=True)
class ZoneTable:
    """What the labels alone tell of each zone.

    Attributes
    ----------
    boxes : ndarray of int64, (n, 4)
        Top, left, bottom, right in pixels, ends excluded.
    areas : ndarray of int64, (n,)
        Pixels.
    centres : ndarray of int64, (n, 2)
        Row and column of the pixel nearest to the centre of mass, rounded half up.
    """

    boxes: npt.NDArray[np.int64]
    areas: npt.NDArray[np.int64]
    centres: npt.NDArray[np.int64]


def zone_table(labels: Excerpt) -> ZoneTable:
    """Measure the zones of a whole label raster 1..n, 0 = none, in one pass.

    All sums are integers, so neither strips nor machines can change the result.

    Raises
    ------
    InputError
        If a label is negative, or one between 1 and the largest has no pixel.

    Examples
    --------
    >>> table = zone_table(Excerpt(np.array([[1, 1, 2], [0, 1, 2]]), (0, 0), (2, 3)))
    >>> table.boxes.tolist(), table.areas.tolist(), table.centres.tolist()
    ([[0, 0, 2, 2], [0, 2, 2, 3]], [3, 2], [[0, 1], [1, 2]])
    """
    boxes, sums = _measured(labels)
    if len(boxes) == 0 or not sums[:, 0].all():
        missing = [int(i) + 1 for i in np.flatnonzero(sums[:, 0] == 0)[:3]]
        raise InputError(f"segments without pixels: {missing or 'all'}", wanted="labels 1..n, each with a pixel")
    return ZoneTable(boxes, sums[:, 0].copy(), _centres(sums, labels.scene))


def boxes(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Return the pixel box of each label 1..n, (n, 4): top, left, bottom, right, ends excluded.

    Raises
    ------
    InputError
        If a label between 1 and the largest has no pixel.

    Examples
    --------
    >>> boxes(np.array([[1, 1, 2], [0, 1, 2]])).tolist()
    [[0, 0, 2, 2], [0, 2, 2, 3]]
    """
    return zone_table(Excerpt(labels, (0, 0), (labels.shape[0], labels.shape[1]))).boxes


def centroids(labels: npt.NDArray[np.integer[Any]], n: int) -> npt.NDArray[np.int64]:
    """Return the pixel nearest to each label's centre of mass, (n, 2) row and column, rounded half up.

    Examples
    --------
    >>> centroids(np.array([[1, 1, 2], [0, 1, 2]]), 2).tolist()
    [[0, 1], [1, 2]]
    """
    scene = labels.shape[0], labels.shape[1]
    _, sums = _measured(Excerpt(labels, (0, 0), scene))
    sums = np.concatenate([sums[:n], np.zeros((max(0, n - len(sums)), 3), np.int64)])
    return _centres(sums, scene)


def _measured(labels: Excerpt) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the boxes (n, 4) and the areas, sums of rows and sums of columns (n, 3) of labels 1..n."""
    from citygrain._zones import measure  # noqa: PLC0415 - compiled code only when it is needed

    found, sums = np.empty((0, 4), np.int64), np.empty((0, 3), np.int64)
    n, pixels = 0, labels.scene[0] * labels.scene[1]
    for strip in strips(labels.box):
        values = labels.cut(strip).read().values
        least, most = int(values.min(initial=0)), int(values.max(initial=0))
        if least < 0 or most > pixels:
            raise InputError(f"segments numbered {least} to {most}", wanted=f"1 to {pixels} at most, 0 = no data")
        n = max(n, most)
        if n > len(found):  # room for as many again
            more = 2 * n - len(found)
            found = np.concatenate([found, np.tile(np.array([[pixels, pixels, 0, 0]]), (more, 1))])
            sums = np.concatenate([sums, np.zeros((more, 3), np.int64)])
        measure(values, strip[0], found, sums)
    return found[:n].copy(), sums[:n].copy()


def _centres(sums: npt.NDArray[np.int64], scene: tuple[int, int]) -> npt.NDArray[np.int64]:
    area = np.maximum(sums[:, :1], 1)
    inside: npt.NDArray[np.int64] = np.minimum((2 * sums[:, 1:] + area) // (2 * area), np.array(scene) - 1)
    return inside


def strips(box: tuple[int, int, int, int], pixels: int = STRIP) -> Iterator[tuple[int, int, int, int]]:
    """Cut a box (top, left, bottom, right) into boxes of its width with at most about so many pixels, downwards.

    Examples
    --------
    >>> list(strips((1, 0, 6, 10), 20))
    [(1, 0, 3, 10), (3, 0, 5, 10), (5, 0, 6, 10)]
    """
    top, left, bottom, right = box
    for tile in tile_grid((bottom - top, right - left), (max(1, pixels // max(1, right - left)), max(1, right - left))):
        yield top + tile.row, left, top + tile.row + tile.height, right


def empty_moments(zones: int, bands: int) -> npt.NDArray[np.float64]:
    """Return the state to which `add_moments` adds, (zones, bands, 4)."""
    return np.zeros((zones, bands, 4))


def add_moments(
    features: Excerpt, labels: Excerpt, chosen: npt.NDArray[np.int64], state: npt.NDArray[np.float64]
) -> None:
    """Add the values of the chosen zones in a window to their state, pixel by pixel in reading order.

    Parameters
    ----------
    features : Excerpt, (c, height, width)
        Values; what is not finite is left out.
    labels : Excerpt, (height, width)
        Zones of the same window.
    chosen : ndarray of int64, (m,)
        Labels of the zones, each once, in any order.
    state : ndarray of float64, (m, c, 4)
        Their states, see `empty_moments`; `moments` reads it.
    """
    from citygrain import _zones  # noqa: PLC0415 - compiled code only when it is needed

    if len(chosen) == 0:
        return
    lowest = int(chosen.min())
    slots = np.full(int(chosen.max()) - lowest + 1, -1, np.int32)
    slots[chosen - lowest] = np.arange(len(chosen), dtype=np.int32)
    _zones.add_moments(features.values, labels.values, slots, lowest, state)


def moments(state: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return means and standard deviations of zones, (m, 2 c): all means, then all deviations; NaN without a value.

    Examples
    --------
    >>> values, labels = np.array([[[1, 3, 5]]], np.float32), np.array([[1, 1, 2]])
    >>> state = empty_moments(2, 1)
    >>> add_moments(*(Excerpt(part, (0, 0), (1, 3)) for part in (values, labels)), np.array([1, 2]), state)
    >>> moments(state).tolist()
    [[2.0, 1.0], [5.0, 0.0]]
    """
    number, first, total, square = np.moveaxis(state, 2, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / number
        deviation = np.sqrt(np.maximum(square / number - mean * mean, 0))
    return np.hstack([mean + first, deviation]).astype(np.float32)


def count_classes(
    zones: npt.NDArray[np.integer[Any]],
    codes: npt.NDArray[np.integer[Any]],
    columns: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    *,
    first: int = 0,
) -> int:
    """Add the pixels of each class in each zone to `counts`.

    Parameters
    ----------
    zones : ndarray of int, (height, width)
        Zone first..first+n-1 of each pixel; smaller = none.
    codes : ndarray of int, (height, width)
        Class code of each pixel.
    columns : ndarray of int64, (256,)
        Column of each code, -1 = not counted, -2 = there is no such code.
    counts : ndarray of int64, (n, k)
        Gets the sums.
    first : int
        Zone of the first row, at least 0.

    Returns
    -------
    int
        Number of pixels whose code is not there.

    Examples
    --------
    >>> columns = np.full(256, -2)
    >>> columns[[0, 7, 8]] = -1, 0, 1
    >>> counts = np.zeros((2, 2), np.int64)
    >>> count_classes(np.array([[0, 0, 1, -1]]), np.array([[8, 8, 0, 7]]), columns, counts), counts.tolist()
    (0, [[0, 2], [0, 0]])
    """
    from citygrain import _zones  # noqa: PLC0415 - compiled code only when it is needed

    return int(_zones.count_classes(zones, codes, columns, first, counts))


def look_up(numbers: npt.NDArray[np.integer[Any]], table: npt.NDArray[Any], *, first: int = 0) -> npt.NDArray[Any]:
    """Return the table entry of each number (height, width): entry 0 for `first`, the last one for the number below.

    Examples
    --------
    >>> look_up(np.array([[0, 1, -1]]), np.array([7, 8, 9])).tolist()
    [[7, 8, 9]]
    >>> look_up(np.array([[0, 1, 2]]), np.array([7, 8, 9]), first=1).tolist()
    [[9, 7, 8]]
    """
    from citygrain import _zones  # noqa: PLC0415 - compiled code only when it is needed

    out = np.empty(numbers.shape, table.dtype)
    _zones.look_up(np.ascontiguousarray(numbers), table, first, out)
    return out
