"""The compiled inner loops of rows: cut windows out of a raster mirrored at its edges, fill their gaps, take moments.

All loops take a part of the scene and where it lies; a window's pixels, and nothing else, decide what comes out.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["any_finite", "context", "cut", "fill"]

Ints = npt.NDArray[np.int64]
Place = tuple[int, int, int, int]
"""Where a part begins in the scene (row, column), and the scene's rows and columns."""


@njit(nogil=True, cache=True)
def cut(values: npt.NDArray[Any], place: Place, corners: Ints, places: Ints, out: Any) -> None:
    """Copy the window at each corner (n, 2) from `values` (c, height, width) to ``out[places]`` (..., c, w, w).

    `place` is where `values` begins in the scene and how large the scene is.
    """
    size = out.shape[2]
    for i in range(places.size):
        top, left = corners[i, 0], corners[i, 1]
        inside = left >= 0 and left + size <= place[3]
        start = left - place[1]
        patch = out[places[i]]
        for band in range(values.shape[0]):
            for y in range(size):
                row = values[band, mirrored(top + y, place[2]) - place[0]]
                target = patch[band, y]
                if inside:
                    line = row[start : start + size]  # so that x is known to count from 0: twice as fast
                    for x in range(size):
                        target[x] = line[x]
                else:
                    for x in range(size):
                        target[x] = row[mirrored(left + x, place[3]) - place[1]]


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
                        total += np.float64(out[i, band, y, x])
                        there += 1
            if 0 < there < size * size:
                mean = total / there
                for y in range(size):
                    for x in range(size):
                        if not np.isfinite(out[i, band, y, x]):
                            out[i, band, y, x] = mean


@njit(nogil=True, cache=True)
def any_finite(values: npt.NDArray[Any], place: Place, corners: Ints, size: int) -> Any:
    """Tell for each window whether it holds a value; it is left at the first one, so most cost a single look."""
    found = np.zeros(len(corners), np.bool_)
    for i in range(len(corners)):
        for at in range(values.shape[0] * size * size):
            band, y, x = at // (size * size), at // size % size, at % size
            row = mirrored(corners[i, 0] + y, place[2]) - place[0]
            if np.isfinite(values[band, row, mirrored(corners[i, 1] + x, place[3]) - place[1]]):
                found[i] = True
                break
    return found


@njit(nogil=True, cache=True)
def context(values: npt.NDArray[Any], place: Place, corners: Ints, size: int, out: Any) -> None:
    """Write mean and deviation of the finite values of each window to `out` (n, 2 c); NaN where there is none.

    Each column of a window has its own sums, of differences from one of its values so that squares cancel little; so
    the processor adds a row at a time, and in the same order wherever the window is cut from.
    """
    bands = values.shape[0]
    line = np.empty(size, values.dtype)
    sums = np.empty((3, size))
    for i in range(len(corners)):
        top, left = corners[i, 0], corners[i, 1]
        inside = left >= 0 and left + size <= place[3]
        start = left - place[1]
        for band in range(bands):
            shift = first_finite(values[band], place, (top, left), size)
            sums[:] = 0.0
            for y in range(size):
                row = values[band, mirrored(top + y, place[2]) - place[0]]
                if inside:
                    add_line(row[start : start + size], shift, sums)
                else:
                    for x in range(size):
                        line[x] = row[mirrored(left + x, place[3]) - place[1]]
                    add_line(line, shift, sums)
            number = sums[2].sum()
            if number > 0:
                mean = sums[0].sum() / number
                out[i, band] = shift + mean
                out[i, bands + band] = np.sqrt(max(sums[1].sum() / number - mean * mean, 0.0))
            else:
                out[i, band] = out[i, bands + band] = np.nan


@njit(nogil=True, cache=True)
def add_line(line: Any, shift: float, sums: Any) -> None:
    """Add the finite values of a line, less `shift`, their squares and their number to the sums of its columns."""
    total, square, number = sums[0], sums[1], sums[2]
    for x in range(line.size):
        difference = np.float64(line[x]) - shift
        there = difference - difference == 0.0
        value = difference if there else 0.0
        total[x] += value
        square[x] += value * value
        number[x] += there


@njit(nogil=True, cache=True)
def first_finite(band: npt.NDArray[Any], place: Place, corner: tuple[int, int], size: int) -> float:
    """Return the first finite value of a window in reading order, or 0."""
    for y in range(size):
        row = mirrored(corner[0] + y, place[2]) - place[0]
        for x in range(size):
            value = band[row, mirrored(corner[1] + x, place[3]) - place[1]]
            if np.isfinite(value):
                return float(value)
    return 0.0


@njit(nogil=True, cache=True)
def mirrored(number: int, length: int) -> int:
    """Reflect a pixel number at both edges without repeating the edge pixel."""
    number = abs(number)
    return 2 * (length - 1) - number if number >= length else number
