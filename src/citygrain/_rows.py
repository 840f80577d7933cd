"""The compiled inner loops of rows: cut windows out of a raster mirrored at its edges, fill their gaps, take moments.

All loops take a part of the scene and where it lies; a window's pixels, and nothing else, decide what comes out.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["any_finite", "context", "cut", "fill"]

Ints = npt.NDArray[np.int64]
Place = tuple[int, int]


@njit(nogil=True, cache=True)
def cut(values: npt.NDArray[Any], origin: Place, scene: Place, corners: Ints, places: Ints, out: Any) -> None:
    """Copy the window at each corner (n, 2) from `values` (c, height, width) to ``out[places]`` (..., c, w, w).

    `origin` is where `values` begins in the scene, `scene` the scene's rows and columns.
    """
    size = out.shape[2]
    for i in range(places.size):
        top, left = corners[i, 0], corners[i, 1]
        inside = left >= 0 and left + size <= scene[1]
        for band in range(values.shape[0]):
            for y in range(size):
                row = mirrored(top + y, scene[0]) - origin[0]
                if inside:
                    for x in range(size):
                        out[places[i], band, y, x] = values[band, row, left - origin[1] + x]
                else:
                    for x in range(size):
                        out[places[i], band, y, x] = values[band, row, mirrored(left + x, scene[1]) - origin[1]]


@njit(nogil=True, cache=True)
def fill(out: npt.NDArray[Any]) -> None:
    """Give missing values of each window (n, c, w, w) the window's mean of their band; a band of none stays missing."""
    rows, bands, size, _ = out.shape
    for i in range(rows):
        for band in range(bands):
            total, there = 0.0, 0
            for y in range(size):
                for x in range(size):
                    if np.isfinite(out[i, band, y, x]):
                        total += out[i, band, y, x]
                        there += 1
            if 0 < there < size * size:
                mean = total / there
                for y in range(size):
                    for x in range(size):
                        if not np.isfinite(out[i, band, y, x]):
                            out[i, band, y, x] = mean


@njit(nogil=True, cache=True)
def any_finite(values: npt.NDArray[Any], origin: Place, scene: Place, corners: Ints, size: int) -> Any:
    """Tell for each window whether it holds a value; it is left at the first one, so most cost a single look."""
    found = np.zeros(len(corners), np.bool_)
    for i in range(len(corners)):
        for at in range(values.shape[0] * size * size):
            band, y, x = at // (size * size), at // size % size, at % size
            row = mirrored(corners[i, 0] + y, scene[0]) - origin[0]
            if np.isfinite(values[band, row, mirrored(corners[i, 1] + x, scene[1]) - origin[1]]):
                found[i] = True
                break
    return found


@njit(nogil=True, cache=True)
def context(values: npt.NDArray[Any], origin: Place, scene: Place, corners: Ints, size: int, out: Any) -> None:
    """Write mean and deviation of the finite values of each window to `out` (n, 2 c); NaN where there is none.

    Each column of a window has its own sums, of differences from one of its values so that squares cancel little; so
    the processor adds a row at a time, and in the same order wherever the window is cut from.
    """
    bands = values.shape[0]
    total, square, number = np.empty(size), np.empty(size), np.empty(size)
    line = np.empty(size, values.dtype)
    for i in range(len(corners)):
        top, left = corners[i, 0], corners[i, 1]
        inside = left >= 0 and left + size <= scene[1]
        for band in range(bands):
            shift = first_finite(values[band], origin, scene, (top, left), size)
            total[:], square[:], number[:] = 0.0, 0.0, 0.0
            for y in range(size):
                row = values[band, mirrored(top + y, scene[0]) - origin[0]]
                if inside:
                    add_line(row[left - origin[1] : left - origin[1] + size], shift, total, square, number)
                else:
                    for x in range(size):
                        line[x] = row[mirrored(left + x, scene[1]) - origin[1]]
                    add_line(line, shift, total, square, number)
            there = number.sum()
            if there > 0:
                mean = total.sum() / there
                out[i, band] = shift + mean
                out[i, bands + band] = np.sqrt(max(square.sum() / there - mean * mean, 0.0))
            else:
                out[i, band] = out[i, bands + band] = np.nan


@njit(nogil=True, cache=True)
def add_line(line: Any, shift: float, total: Any, square: Any, number: Any) -> None:
    """Add the finite values of a line, less `shift`, to the sums of its columns."""
    for x in range(line.size):
        value = np.float64(line[x]) - shift
        there = value - value == 0.0
        value = value if there else 0.0
        total[x] += value
        square[x] += value * value
        number[x] += there


@njit(nogil=True, cache=True)
def first_finite(band: npt.NDArray[Any], origin: Place, scene: Place, corner: Place, size: int) -> float:
    """Return the first finite value of a window in reading order, or 0."""
    for y in range(size):
        row = mirrored(corner[0] + y, scene[0]) - origin[0]
        for x in range(size):
            value = band[row, mirrored(corner[1] + x, scene[1]) - origin[1]]
            if np.isfinite(value):
                return np.float64(value)
    return 0.0


@njit(nogil=True, cache=True)
def mirrored(number: int, length: int) -> int:
    """Reflect a pixel number at both edges without repeating the edge pixel."""
    number = abs(number)
    return 2 * (length - 1) - number if number >= length else number
