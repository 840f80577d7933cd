"""The compiled inner loops of SLIC: quantise, assign, sum, paint.

Everything that decides a label is an integer, or a float32 computed from one pixel and one centre alone, so neither
the tile, nor the thread, nor the order of the bands can change a bit. The functions are plain Python and run
uncompiled too (``assign.py_func``); nothing is compiled at import.

A *block* is a rectangle of whole lattice cells. Its pixels are stored cell after cell, in a cell band after band, in
a band row after row, filled up to a multiple of 16: all pixels of a cell share the same nine candidate centres, so
the innermost loops run over a few hundred neighbouring numbers and fill the processor's vectors.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = [
    "MOVED",
    "NO_DATA",
    "OWN",
    "RANGE",
    "SUBPIXEL",
    "accumulate",
    "assign",
    "compiled",
    "mean_cells",
    "pack",
    "padded",
    "paint",
    "start",
    "sum_cells",
]

NO_DATA = 255
"""Slot of a pixel without data; slots 0 to 8 are the cell's lattice neighbours, row by row."""

FARTHEST = np.int32(2**31 - 1)
NO_SLOT = 9
"""Where sums of pixels without data go, to be thrown away."""

MOVED = 2
"""State of a centre that has moved since the last assignment; 1 = has not, 0 = there is none."""

OWN = 4
"""Slot of a pixel's own lattice cell."""

RANGE = 2
"""Scaled features are kept within +-RANGE; 1 is the spread of the bulk of the scene."""

SUBPIXEL = 16
"""Positions of centres are integers in this part of a pixel."""

Function = TypeVar("Function", bound=Callable[..., Any])
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]
Edges = tuple[Int64, Int64]
Centres = tuple[Int16, Int64, UInt8]


def compiled(function: Function) -> Function:
    """Compile at the first call, without the interpreter's lock, kept on disk for the next process."""
    return cast(Function, njit(nogil=True, cache=True)(function))


@compiled
def padded(height: int, width: int) -> int:
    """Return the room that a cell takes: its pixels, filled up to a multiple of 16."""
    return (height * width + 15) & ~15


@compiled
def block_size(edges: Edges) -> int:
    """Return the room that a block's cells take together."""
    rows, columns = edges
    size = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            size += padded(rows[i + 1] - rows[i], columns[j + 1] - columns[j])
    return size


@compiled
def pack(block: Float32, edges: Edges, centre: Float64, unit: Float64, limit: float) -> Int16:
    """Quantise a block (band, y, x) to 16 bits and lay it out by cells.

    `edges` are the cells' rows and columns within the block, `unit` the steps per unit of each feature (0: leave
    out), `limit` the largest step; what is not finite takes the feature's centre, 0.
    """
    rows, columns = edges
    bands = block.shape[0]
    packed = np.zeros(block_size(edges) * bands, np.int16)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            for band in range(bands):
                for y in range(height):
                    row = packed[at + y * width : at + (y + 1) * width]
                    source = block[band, rows[i] + y, columns[j] : columns[j + 1]]
                    for x in range(width):
                        value = (source[x] - centre[band]) * unit[band]
                        value = min(max(value, -limit), limit)
                        row[x] = np.int16(np.rint(value)) if np.isfinite(source[x]) else np.int16(0)
                at += padded(height, width)
    return packed


@compiled
def start(valid: npt.NDArray[np.bool_], edges: Edges) -> UInt8:
    """Return the first slots of a block, by cells: every pixel with data is in its own cell."""
    rows, columns = edges
    slots = np.empty(block_size(edges), np.uint8)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            for y in range(height):
                for x in range(width):
                    slots[at + y * width + x] = OWN if valid[rows[i] + y, columns[j] + x] else NO_DATA
            for p in range(height * width, padded(height, width)):
                slots[at + p] = NO_DATA
            at += padded(height, width)
    return slots


@compiled
def assign(packed: Int16, slots: UInt8, edges: Edges, centres: Centres, weight: float) -> UInt8:
    """Return the slot of the nearest of nine candidate centres for each pixel of a block.

    Parameters
    ----------
    packed, slots : ndarray
        The block's features and present slots, by cells.
    edges : tuple of ndarray
        The cells' rows and columns in the scene.
    centres : tuple of ndarray
        Of the block's cells and one ring of cells around them, (i + 2, j + 2): features (.., band), position
        (.., 2) in sub-pixels, and state: 0 = no centre, 1 = as before, 2 = moved.
    weight : float
        Squared quantised feature units per squared pixel: (compactness * unit / S) ** 2.
    """
    rows, columns = edges
    means, places, states = centres
    found = slots.copy()
    room, bands = _largest_room(edges), means.shape[2]
    best, distance = np.empty(room, np.int32), np.empty(room, np.int32)
    ys, xs = np.empty(room, np.float32), np.empty(room, np.float32)
    at, laid_out = 0, 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            width = columns[j + 1] - columns[j]
            n = padded(rows[i + 1] - rows[i], width)
            if _any_moved(states, i, j):
                cell = packed[at * bands : (at + n) * bands]
                near, apart = best[:n], distance[:n]
                if width != laid_out:
                    _lay_out(ys, xs, width)
                    laid_out = width
                for p in range(n):
                    near[p] = FARTHEST
                for slot in range(9):
                    di, dj = i + slot // 3, j + slot % 3
                    if states[di, dj] == 0:
                        continue
                    y = np.float32(places[di, dj, 0] - SUBPIXEL * rows[i]) / np.float32(SUBPIXEL)
                    x = np.float32(places[di, dj, 1] - SUBPIXEL * columns[j]) / np.float32(SUBPIXEL)
                    _measure_space(apart, ys, xs, (y, x), np.float32(weight))
                    _measure_features(apart, cell, means, (di, dj))
                    _keep_nearest(near, apart, slot)
                for p in range(n):
                    if slots[at + p] != NO_DATA:
                        found[at + p] = near[p] & 15
            at += n
    return found


@compiled
def _largest_room(edges: Edges) -> int:
    rows, columns = edges
    height, width = 0, 0
    for i in range(rows.size - 1):
        height = max(height, rows[i + 1] - rows[i])
    for j in range(columns.size - 1):
        width = max(width, columns[j + 1] - columns[j])
    return padded(height, width)


@compiled
def _any_moved(states: UInt8, i: int, j: int) -> bool:
    """Tell whether any candidate of a cell has moved; if all stand where they stood, no pixel can change."""
    moved = False
    for slot in range(9):
        moved |= states[i + slot // 3, j + slot % 3] == MOVED
    return moved


@compiled
def _lay_out(ys: Float32, xs: Float32, width: int) -> None:
    """Write the row and column of each pixel of a cell."""
    y, x = 0, 0
    for p in range(ys.size):
        ys[p], xs[p] = y, x
        x += 1
        if x == width:
            y, x = y + 1, 0


@compiled
def _measure_space(distance: Int32, ys: Float32, xs: Float32, place: tuple[Any, Any], weight: Any) -> None:
    """Set the weighted squared distance in the plane; single precision, for one pixel and one centre only."""
    y, x = place
    for p in range(distance.size):
        dy, dx = ys[p] - y, xs[p] - x
        distance[p] = np.int32((dy * dy + dx * dx) * weight)


@compiled
def _measure_features(distance: Int32, cell: Int16, means: Int16, at: tuple[int, int]) -> None:
    """Add the squared distance in the features, four bands in a pass to spare the memory.

    Differences fit in 16 bits, and said so they are multiplied at twice the speed.
    """
    i, j = at
    n, bands = distance.size, means.shape[2]
    fours = bands - bands % 4
    for band in range(0, fours, 4):
        first = band * n
        a, b = cell[first : first + n], cell[first + n : first + 2 * n]
        c, d = cell[first + 2 * n : first + 3 * n], cell[first + 3 * n : first + 4 * n]
        ma, mb = means[i, j, band], means[i, j, band + 1]
        mc, md = means[i, j, band + 2], means[i, j, band + 3]
        for p in range(n):
            da, db = np.int32(np.int16(a[p] - ma)), np.int32(np.int16(b[p] - mb))
            dc, dd = np.int32(np.int16(c[p] - mc)), np.int32(np.int16(d[p] - md))
            distance[p] += np.int32(da * da) + np.int32(db * db) + np.int32(dc * dc) + np.int32(dd * dd)
    for band in range(fours, bands):
        a, ma = cell[band * n : (band + 1) * n], means[i, j, band]
        for p in range(n):
            da = np.int32(np.int16(a[p] - ma))
            distance[p] += np.int32(da * da)


@compiled
def _keep_nearest(best: Int32, distance: Int32, slot: int) -> None:
    """Keep the least distance with its slot in the four lowest bits, so that one minimum finds both."""
    for p in range(best.size):
        key = np.int32((distance[p] & np.int32(-16)) | slot)
        best[p] = key if key < best[p] else best[p]


@compiled
def sum_cells(packed: Int16, slots: UInt8, edges: Edges) -> Int64:
    """Return the sums of a block whose pixels with data are all in their own cells, as `accumulate` does."""
    rows, columns = edges
    bands = packed.size // slots.size
    sums = np.zeros((rows.size + 1, columns.size + 1, bands + 3), np.int64)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            n = padded(height, width)
            for band in range(bands):
                total = np.int64(0)
                for value in packed[at * bands + band * n : at * bands + (band + 1) * n]:
                    total += value  # 0 where there is no data
                sums[i + 1, j + 1, band] = total
            for y in range(height):
                for x in range(width):
                    if slots[at + y * width + x] != NO_DATA:
                        sums[i + 1, j + 1, bands] += rows[i] + y
                        sums[i + 1, j + 1, bands + 1] += columns[j] + x
                        sums[i + 1, j + 1, bands + 2] += 1
            at += n
    return sums


@compiled
def accumulate(packed: Int16, before: UInt8, after: UInt8, edges: Edges) -> Int64:
    """Return the change of each centre's sums where slots changed: (i + 2, j + 2, band + 3).

    The last three are the sums of rows and columns in the scene and the number of pixels. Integers: exact in any
    order, so adding changes to old sums gives the same as summing anew.
    """
    rows, columns = edges
    bands = packed.size // before.size
    sums = np.zeros((rows.size + 1, columns.size + 1, bands + 3), np.int64)
    room = _largest_room(edges)
    changed, old, new = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    local = np.empty((NO_SLOT + 1, bands + 3), np.int64)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            width = columns[j + 1] - columns[j]
            n = padded(rows[i + 1] - rows[i], width)
            count = 0
            for p in range(n):
                if before[at + p] != after[at + p]:
                    changed[count] = p
                    old[count], new[count] = min(before[at + p], NO_SLOT), min(after[at + p], NO_SLOT)
                    count += 1
            if count > 0:
                cell = packed[at * bands : (at + n) * bands]
                _sum_cell(local, cell, changed[:count], (rows[i], columns[j], width), (old, new))
                for slot in range(9):
                    for column in range(bands + 3):
                        sums[i + slot // 3, j + slot % 3, column] += local[slot, column]
            at += n
    return sums


@compiled
def _sum_cell(
    local: Int64, cell: Int16, changed: Int64, place: tuple[int, int, int], slots: tuple[Int64, Int64]
) -> None:
    """Set `local` (slot, column) to the changes of a cell's sums; `place` is its first row and column, and width."""
    top, left, width = place
    old, new = slots
    bands = local.shape[1] - 3
    n = cell.size // bands
    for slot in range(local.shape[0]):
        for column in range(local.shape[1]):
            local[slot, column] = 0
    for q in range(changed.size):
        p, less, more = changed[q], local[old[q]], local[new[q]]
        for band in range(bands):
            value = cell[band * n + p]
            less[band] -= value
            more[band] += value
        y, x = top + p // width, left + p % width
        less[bands] -= y
        more[bands] += y
        less[bands + 1] -= x
        more[bands + 1] += x
        less[bands + 2] -= 1
        more[bands + 2] += 1


@compiled
def mean_cells(sums: Int64, old_means: Int16, old_places: Int64, means: Int16, places: Int64) -> None:
    """Write the mean features and places of each centre; one without members keeps the old ones."""
    bands = means.shape[2]
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            n = sums[i, j, bands + 2]
            for band in range(bands):
                means[i, j, band] = (2 * sums[i, j, band] + n) // (2 * n) if n > 0 else old_means[i, j, band]
            for axis in range(2):
                total = SUBPIXEL * sums[i, j, bands + axis]
                places[i, j, axis] = (total + n // 2) // n if n > 0 else old_places[i, j, axis]


@compiled
def paint(clusters: Int32, slots: UInt8, edges: Edges, first: tuple[int, int], across: int) -> None:
    """Write a block's clusters, numbered from 1 along the lattice of `across` columns, into the scene; 0 = no data.

    `first` is the block's first cell.
    """
    rows, columns = edges
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            for p in range(height * width):
                slot = np.int64(slots[at + p])
                row, column = first[0] + i + slot // 3 - 1, first[1] + j + slot % 3 - 1
                cluster = row * across + column + 1 if slot != NO_DATA else 0
                clusters[rows[i] + p // width, columns[j] + p % width] = cluster
            at += padded(height, width)
