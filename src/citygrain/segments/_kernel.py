"""The compiled inner loops of SLIC: quantise, assign, sum, paint.

Everything that decides a label is an integer, or a float32 computed from one pixel and one centre alone, so neither
the tile, nor the thread, nor the order of the bands can change a bit. The functions are plain Python and run
uncompiled too (``assign.py_func``); nothing is compiled at import.

A *block* is a rectangle of whole lattice cells. Its pixels are stored cell after cell, in a cell band after band, in
a band row after row, filled up to a multiple of 32: all pixels of a cell share the same nine candidate centres, so
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
    "pack",
    "padded",
    "paint",
    "start",
]

NO_DATA = 255
"""Slot of a pixel without data; slots 0 to 8 are the cell's lattice neighbours, row by row."""

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


def compiled(function: Function) -> Function:
    """Compile at the first call, without the interpreter's lock, kept on disk for the next process."""
    return cast(Function, njit(nogil=True, cache=True)(function))


@compiled
def padded(height: int, width: int) -> int:
    """Return the room that a cell takes: its pixels, filled up to a multiple of 32."""
    return (height * width + 31) & ~31


@compiled
def block_size(rows: Int64, columns: Int64) -> int:
    """Return the room that a block's cells take together."""
    size = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            size += padded(rows[i + 1] - rows[i], columns[j + 1] - columns[j])
    return size


@compiled
def pack(block: Float32, rows: Int64, columns: Int64, centre: Float64, unit: Float64, limit: float) -> Int16:
    """Quantise a block (band, y, x) to 16 bits and lay it out by cells.

    `rows` and `columns` are the cells' edges within the block, `unit` the steps per unit of each feature (0: leave
    out), `limit` the largest step; what is not finite takes the feature's centre, 0.
    """
    bands = block.shape[0]
    packed = np.zeros(block_size(rows, columns) * bands, np.int16)
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
def start(valid: npt.NDArray[np.bool_], rows: Int64, columns: Int64) -> UInt8:
    """Return the first slots of a block, by cells: every pixel with data is in its own cell."""
    slots = np.full(block_size(rows, columns), NO_DATA, np.uint8)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            for p in range(height * width):
                if valid[rows[i] + p // width, columns[j] + p % width]:
                    slots[at + p] = OWN
            at += padded(height, width)
    return slots


@compiled
def assign(
    packed: Int16,
    slots: UInt8,
    rows: Int64,
    columns: Int64,
    centres: Int32,
    places: Int64,
    states: UInt8,
    weight: float,
) -> UInt8:
    """Return the slot of the nearest of nine candidate centres for each pixel of a block.

    Parameters
    ----------
    packed, slots : ndarray
        The block's features and present slots, by cells.
    rows, columns : ndarray
        The cells' edges in the scene.
    centres, places, states : ndarray
        Of the block's cells and one ring of cells around them, (i + 2, j + 2): features (.., band), position
        (.., 2) in sub-pixels, and state: 0 = no centre, 1 = as before, 2 = moved.
    weight : float
        Squared quantised feature units per squared pixel: (compactness * unit / S) ** 2.
    """
    found = slots.copy()
    room = _largest_room(rows, columns)
    best, distance = np.empty(room, np.int32), np.empty(room, np.int32)
    ys, xs = np.empty(room, np.float32), np.empty(room, np.float32)
    bands = centres.shape[2]
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            n = padded(height, width)
            if _any_moved(states, i, j):
                _lay_out(ys, xs, width, n)
                best[:n] = np.int32(2**31 - 1)
                for slot in range(9):
                    di, dj = i + slot // 3, j + slot % 3
                    if states[di, dj] == 0:
                        continue
                    y = np.float32(places[di, dj, 0] - SUBPIXEL * rows[i]) / np.float32(SUBPIXEL)
                    x = np.float32(places[di, dj, 1] - SUBPIXEL * columns[j]) / np.float32(SUBPIXEL)
                    _measure_space(distance, ys, xs, y, x, np.float32(weight), n)
                    _measure_features(distance, packed, at * bands, centres, di, dj, n)
                    _keep_nearest(best, distance, slot, n)
                for p in range(n):
                    if slots[at + p] != NO_DATA:
                        found[at + p] = best[p] & 15
            at += n
    return found


@compiled
def _largest_room(rows: Int64, columns: Int64) -> int:
    room = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            room = max(room, padded(rows[i + 1] - rows[i], columns[j + 1] - columns[j]))
    return room


@compiled
def _any_moved(states: UInt8, i: int, j: int) -> bool:
    """Tell whether any candidate of a cell has moved; if all stand where they stood, no pixel can change."""
    for slot in range(9):
        if states[i + slot // 3, j + slot % 3] == MOVED:
            return True
    return False


@compiled
def _lay_out(ys: Float32, xs: Float32, width: int, n: int) -> None:
    """Write the row and column of each pixel of a cell."""
    y, x = 0, 0
    for p in range(n):
        ys[p], xs[p] = y, x
        x += 1
        if x == width:
            y, x = y + 1, 0


@compiled
def _measure_space(distance: Int32, ys: Float32, xs: Float32, y: Any, x: Any, weight: Any, n: int) -> None:
    """Set the weighted squared distance in the plane; single precision, for one pixel and one centre only."""
    for p in range(n):
        dy, dx = ys[p] - y, xs[p] - x
        distance[p] = np.int32((dy * dy + dx * dx) * weight)


@compiled
def _measure_features(distance: Int32, packed: Int16, at: int, centres: Int32, i: int, j: int, n: int) -> None:
    """Add the squared distance in the features, four bands in a pass to spare the memory."""
    bands = centres.shape[2]
    fours = bands - bands % 4
    for band in range(0, fours, 4):
        first = at + band * n
        a, b = packed[first : first + n], packed[first + n : first + 2 * n]
        c, d = packed[first + 2 * n : first + 3 * n], packed[first + 3 * n : first + 4 * n]
        ma, mb, mc, md = (
            centres[i, j, band],
            centres[i, j, band + 1],
            centres[i, j, band + 2],
            centres[i, j, band + 3],
        )
        for p in range(n):
            da, db = np.int32(a[p] - ma), np.int32(b[p] - mb)
            dc, dd = np.int32(c[p] - mc), np.int32(d[p] - md)
            distance[p] += np.int32(da * da) + np.int32(db * db) + np.int32(dc * dc) + np.int32(dd * dd)
    for band in range(fours, bands):
        a, ma = packed[at + band * n : at + (band + 1) * n], centres[i, j, band]
        for p in range(n):
            da = np.int32(a[p] - ma)
            distance[p] += np.int32(da * da)


@compiled
def _keep_nearest(best: Int32, distance: Int32, slot: int, n: int) -> None:
    """Keep the least distance with its slot in the four lowest bits, so that one minimum finds both."""
    for p in range(n):
        key = np.int32((distance[p] & np.int32(-16)) | slot)
        best[p] = key if key < best[p] else best[p]


@compiled
def accumulate(packed: Int16, before: UInt8, after: UInt8, rows: Int64, columns: Int64) -> Int64:
    """Return the change of each centre's sums where slots changed: (i + 2, j + 2, band + 3).

    The last three are the sums of rows and columns in the scene and the number of pixels. Integers: exact in any
    order, so adding changes to old sums gives the same as summing anew.
    """
    bands = packed.size // before.size
    sums = np.zeros((rows.size + 1, columns.size + 1, bands + 3), np.int64)
    room = _largest_room(rows, columns)
    pixels, old, new = np.empty(room, np.int32), np.empty(room, np.uint8), np.empty(room, np.uint8)
    local = np.zeros((NO_SLOT + 1, bands + 3), np.int64)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            width = columns[j + 1] - columns[j]
            n = padded(rows[i + 1] - rows[i], width)
            changed = 0
            for p in range(n):
                if before[at + p] != after[at + p]:
                    pixels[changed] = p
                    old[changed], new[changed] = min(before[at + p], NO_SLOT), min(after[at + p], NO_SLOT)
                    changed += 1
            if changed > 0:
                local[:] = 0
                for band in range(bands):
                    values = packed[at * bands + band * n : at * bands + (band + 1) * n]
                    for q in range(changed):
                        local[old[q], band] -= values[pixels[q]]
                        local[new[q], band] += values[pixels[q]]
                for q in range(changed):
                    y, x = rows[i] + pixels[q] // width, columns[j] + pixels[q] % width
                    for slot, sign in ((old[q], -1), (new[q], 1)):
                        local[slot, bands] += sign * y
                        local[slot, bands + 1] += sign * x
                        local[slot, bands + 2] += sign
                for slot in range(9):
                    sums[i + slot // 3, j + slot % 3] += local[slot]
            at += n
    return sums


@compiled
def paint(clusters: Int32, slots: UInt8, rows: Int64, columns: Int64, first: tuple[int, int], across: int) -> None:
    """Write a block's clusters, numbered from 1 along the lattice of `across` columns, into the scene; 0 = no data.

    `first` is the block's first cell.
    """
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
