"""The compiled inner loops of SLIC: assign, sum, paint.

Everything that decides a label is an integer, or a float32 computed from one pixel and one centre alone, so neither
the tile, nor the thread, nor the order of the bands can change a bit. The functions are plain Python and run
uncompiled too (``assign.py_func``); nothing is compiled at import.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.segments._pack import NO_DATA, Edges, compiled, padded
from citygrain.segments._products import set_products, set_squares

__all__ = ["MOVED", "SUBPIXEL", "assign", "mean_cells", "paint", "sum_cells"]

FARTHEST = np.int32(2**31 - 1)
NO_SLOT = 9
"""Where sums of pixels without data go, to be thrown away."""

MOVED = 2
"""State of a centre that has moved since the last assignment; 1 = has not, 0 = there is none."""

SUBPIXEL = 16
"""Positions of centres are integers in this part of a pixel."""

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Centres = tuple[Int16, Int64, UInt8]
Work = tuple[Int32, Int32, Float32, Float32]
Space = tuple[Float32, Float32, Any, Any, Any]


@compiled
def assign(packed: Int16, slots: UInt8, edges: Edges, centres: Centres, weight: float) -> tuple[UInt8, Int64]:
    """Return the slot of the nearest of nine candidate centres for each pixel of a block, and the change of the sums.

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

    Returns
    -------
    slots : ndarray of uint8
        New slots.
    sums : ndarray of int64, (i + 2, j + 2, band + 3)
        What the sums of each centre's members change by: features, rows and columns in the scene, pixels. Integers:
        exact in any order, so adding changes to old sums gives the same as summing anew.
    """
    rows, columns = edges
    means, _, states = centres
    found = slots.copy()
    bands, depth = means.shape[2], packed.size // slots.size
    sums = np.zeros((rows.size + 1, columns.size + 1, bands + 3), np.int64)
    room = _largest_room(edges)
    best, work = np.empty(room, np.int32), np.empty((2, room), np.int32)
    ys, xs = np.empty(room, np.float32), np.empty(room, np.float32)
    changed = np.empty(room + 1, np.int32)
    local = np.zeros((NO_SLOT + 1, bands + 3), np.int64)
    at, laid_out = 0, 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            width = columns[j + 1] - columns[j]
            n = padded(rows[i + 1] - rows[i], width)
            if _any_moved(states, i, j):
                if width != laid_out:
                    _lay_out(ys, xs, width)
                    laid_out = width
                cell = packed[at * depth : (at + n) * depth]
                corner = rows[i], columns[j]
                near = work[0, :n], work[1, :n], ys, xs
                _find_nearest(best[:n], cell, near, (centres, weight), (i, j, corner))
                before, after = slots[at : at + n], found[at : at + n]
                count = _change(after, before, best, changed)
                if count > 0:
                    _sum_changed(local, cell, changed[:count], (rows[i], columns[j], width), (before, after))
                    _add_local(sums, local, i, j)
            at += n
    return found, sums


@compiled
def _find_nearest(
    best: Int32, cell: Int16, work: Work, table: tuple[Centres, float], place: tuple[int, int, tuple[int, int]]
) -> None:
    """Set `best` to the nearest centre of each pixel of a cell: its slot in the four lowest bits, above it how far.

    The squared distance in the features is that of the pixel from 0, less twice its product with the centre, plus
    that of the centre from 0: whole numbers, so it is exact, and all but the product is done once.
    """
    squares, products, ys, xs = work
    (means, places, states), weight = table
    i, j, corner = place
    factors = np.zeros(cell.size // best.size, np.int16)
    set_squares(squares, cell)
    for p in range(best.size):
        best[p] = FARTHEST
    for slot in range(9):
        di, dj = i + slot // 3, j + slot % 3
        if states[di, dj] == 0:
            continue
        square = np.int32(0)
        for band in range(means.shape[2]):
            mean = np.int32(means[di, dj, band])
            factors[band] = -2 * mean
            square += mean * mean
        set_products(products, cell, factors, square)
        y = np.float32(places[di, dj, 0] - SUBPIXEL * corner[0]) / np.float32(SUBPIXEL)
        x = np.float32(places[di, dj, 1] - SUBPIXEL * corner[1]) / np.float32(SUBPIXEL)
        _keep_nearest(best, squares, products, (ys, xs, y, x, np.float32(weight)), np.int32(slot))


@compiled
def _keep_nearest(best: Int32, squares: Int32, products: Int32, space: Space, slot: Any) -> None:
    """Keep the least distance with its slot in the four lowest bits, so that one minimum finds both.

    The distance in the plane is single precision, of one pixel and one centre only. Each sum is said to be of 32
    bits: numba would take 64, and half as many at a time.
    """
    ys, xs, y, x, weight = space
    for p in range(best.size):
        dy, dx = ys[p] - y, xs[p] - x
        near = np.int32(squares[p] + products[p])
        distance = np.int32(near + np.int32((dy * dy + dx * dx) * weight))
        key = np.int32((distance & np.int32(-16)) | slot)
        best[p] = key if key < best[p] else best[p]


@compiled
def _change(after: UInt8, before: UInt8, best: Int32, changed: Int32) -> int:
    """Write the new slots of pixels with data, and which pixels changed; return how many."""
    differ = np.int64(0)
    for p in range(after.size):
        slot = np.uint8(best[p] & 15) if before[p] != NO_DATA else np.uint8(NO_DATA)
        differ += slot != before[p]
        after[p] = slot
    if differ == 0:
        return 0
    count = 0
    for p in range(after.size):
        changed[count] = p
        count += after[p] != before[p]
    return count


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
def sum_cells(packed: Int16, slots: UInt8, edges: Edges, bands: int) -> Int64:
    """Return the sums of a block whose pixels with data are all in their own cells, as `assign` does."""
    rows, columns = edges
    depth = packed.size // slots.size
    sums = np.zeros((rows.size + 1, columns.size + 1, bands + 3), np.int64)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            n = padded(height, width)
            own = sums[i + 1, j + 1]
            for band in range(0, bands, 2):
                one, other = np.int64(0), np.int64(0)
                pairs = packed[at * depth + band * n : at * depth + (band + 2) * n]
                for p in range(n):
                    one += pairs[2 * p]  # 0 where there is no data
                    other += pairs[2 * p + 1]
                own[band] = one
                if band + 1 < bands:
                    own[band + 1] = other
            for y in range(height):
                count, across = np.int64(0), np.int64(0)
                for x in range(width):
                    known = np.int64(slots[at + y * width + x] != NO_DATA)
                    count += known
                    across += known * x
                own[bands] += count * (rows[i] + y)
                own[bands + 1] += count * columns[j] + across
                own[bands + 2] += count
            at += n
    return sums


@compiled
def _sum_changed(
    local: Int64, cell: Int16, changed: Int32, place: tuple[int, int, int], slots: tuple[UInt8, UInt8]
) -> None:
    """Add to `local` (slot, column) the changes of a cell's sums; `place` is its first row and column, and width."""
    top, left, width = place
    before, after = slots
    bands, n = local.shape[1] - 3, before.size
    for q in range(changed.size):
        p = np.int64(changed[q])
        less, more = local[min(before[p], NO_SLOT)], local[min(after[p], NO_SLOT)]
        for band in range(bands):
            value = cell[((band >> 1) * n + p) * 2 + (band & 1)]
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
def _add_local(sums: Int64, local: Int64, i: int, j: int) -> None:
    """Add the sums of a cell's nine slots to those of the centres, and empty them."""
    for slot in range(NO_SLOT + 1):
        for column in range(local.shape[1]):
            if slot < NO_SLOT:
                sums[i + slot // 3, j + slot % 3, column] += local[slot, column]
            local[slot, column] = 0


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
def paint(slots: UInt8, edges: Edges, first: tuple[int, int], across: int) -> Int32:
    """Return a block's clusters (y, x), numbered from 1 along the lattice of `across` columns; 0 = no data.

    `first` is the block's first cell.
    """
    rows, columns = edges
    clusters = np.empty((rows[-1] - rows[0], columns[-1] - columns[0]), np.int32)
    numbers = np.zeros(NO_DATA + 1, np.int32)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            for slot in range(9):
                numbers[slot] = (first[0] + i + slot // 3 - 1) * across + first[1] + j + slot % 3
            for y in range(height):
                line = clusters[rows[i] - rows[0] + y, columns[j] - columns[0] : columns[j + 1] - columns[0]]
                for x in range(width):
                    line[x] = numbers[slots[at + y * width + x]]
            at += padded(height, width)
    return clusters
