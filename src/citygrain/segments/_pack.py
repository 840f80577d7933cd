"""How a scene is laid out for SLIC: quantised to 16 bits, by lattice cells.

A *block* is a rectangle of whole lattice cells. Its pixels are stored cell after cell, in a cell two bands after two
bands, in these row after row, filled up to a multiple of 16: all pixels of a cell share the same nine candidate
centres, so the innermost loops run over a few hundred neighbouring numbers and fill the processor's vectors.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["NO_DATA", "OWN", "RANGE", "Edges", "block_size", "compiled", "count_valid", "pack", "padded", "start"]

NO_DATA = 255
"""Slot of a pixel without data; slots 0 to 8 are the cell's lattice neighbours, row by row."""

OWN = 4
"""Slot of a pixel's own lattice cell."""

RANGE = 2
"""Scaled features are kept within +-RANGE; 1 is the spread of the bulk of the scene."""

ROUNDER = 1.5 * 2.0**52
"""Added and taken away again it rounds a small double to a whole number, halves to even."""

Function = TypeVar("Function", bound=Callable[..., Any])
Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]
Edges = tuple[Int64, Int64]
Pair = tuple[float, float]


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
    """Quantise a block of an array (band, y, x) to 16 bits and lay it out by cells.

    `edges` are the cells' rows and columns in the array, `unit` the steps per unit of each feature (0: leave
    out), `limit` the largest step; what is not finite takes the feature's centre, 0.
    """
    rows, columns = edges
    bands = block.shape[0]
    packed = np.zeros(block_size(edges) * (bands + bands % 2), np.int16)
    left, right = columns[0], columns[-1]
    line = np.zeros(2 * (right - left), np.int16)
    at = 0
    for i in range(rows.size - 1):
        for first in range(0, bands, 2):
            second = min(first + 1, bands - 1)
            scales = unit[first], unit[second] * (second - first)  # the pair of a last odd band counts 0
            for y in range(rows[i], rows[i + 1]):
                pair = block[first, y, left:right], block[second, y, left:right]
                _quantise(line, pair, (centre[first], centre[second]), scales, limit)
                _deal(packed, line, edges, (at * (bands + bands % 2), i, first, y), bands + bands % 2)
        for j in range(columns.size - 1):
            at += padded(rows[i + 1] - rows[i], columns[j + 1] - columns[j])
    return packed


@compiled
def _quantise(line: Int16, pair: tuple[Float32, Float32], centres: Pair, units: Pair, limit: float) -> None:
    """Write the steps of a row of two bands in turn."""
    one, other = pair
    for x in range(one.size):
        line[2 * x] = _steps(one[x], centres[0], units[0], limit)
        line[2 * x + 1] = _steps(other[x], centres[1], units[1], limit)


@compiled
def _steps(value: float, centre: float, unit: float, limit: float) -> Any:
    """Return the nearest whole step, halves to even; 0 of what is not finite."""
    steps: Any = (np.float64(value) - centre) * unit
    steps = -limit if steps < -limit else steps
    steps = limit if steps > limit else steps
    return np.int16((steps if value - value == 0 else 0.0) + ROUNDER - ROUNDER)


@compiled
def _deal(packed: Int16, line: Int16, edges: Edges, place: tuple[int, int, int, int], bands: int) -> None:
    """Deal a row of two bands out to the cells of a row of cells; `place` is their first number, row, band, and y."""
    rows, columns = edges
    at, i, band, y = place
    for j in range(columns.size - 1):
        width = columns[j + 1] - columns[j]
        n = padded(rows[i + 1] - rows[i], width)
        first = at + band * n + 2 * (y - rows[i]) * width
        source = line[2 * (columns[j] - columns[0]) : 2 * (columns[j + 1] - columns[0])]
        cell = packed[first : first + 2 * width]
        for x in range(2 * width):
            cell[x] = source[x]
        at += n * bands


@compiled
def count_valid(block: Float32, rows: tuple[int, int], columns: tuple[int, int]) -> int:
    """Count the pixels with a finite band in a window of (band, y, x)."""
    count = 0
    for y in range(rows[0], rows[1]):
        for x in range(columns[0], columns[1]):
            count += _any_finite(block, y, x)
    return count


@compiled
def _any_finite(block: Float32, y: int, x: int) -> bool:
    finite = False
    band = 0
    while not finite and band < block.shape[0]:
        finite = bool(np.isfinite(block[band, y, x]))
        band += 1
    return finite


@compiled
def start(block: Float32, edges: Edges) -> UInt8:
    """Return the first slots of a block of (band, y, x), by cells: every pixel with data is in its own cell."""
    rows, columns = edges
    slots = np.empty(block_size(edges), np.uint8)
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            for y in range(height):
                for x in range(width):
                    slots[at + y * width + x] = OWN if _any_finite(block, rows[i] + y, columns[j] + x) else NO_DATA
            for p in range(height * width, padded(height, width)):
                slots[at + p] = NO_DATA
            at += padded(height, width)
    return slots
