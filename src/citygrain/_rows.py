"""The compiled inner loops of rows: cut windows out of a raster, mirrored at its edges, and fill their gaps."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["cut", "fill"]


@njit(nogil=True, cache=True)
def cut(
    values: npt.NDArray[Any], corners: npt.NDArray[np.int64], units: npt.NDArray[np.int64], out: npt.NDArray[Any]
) -> None:
    """Copy the window of each unit from `values` (c, height, width) to `out` (n, c, w, w)."""
    bands, height, width = values.shape
    size = out.shape[2]
    for i in range(units.size):
        top, left = corners[units[i], 0], corners[units[i], 1]
        inside = left >= 0 and left + size <= width
        for band in range(bands):
            for y in range(size):
                row = mirrored(top + y, height)
                if inside:
                    for x in range(size):
                        out[i, band, y, x] = values[band, row, left + x]
                else:
                    for x in range(size):
                        out[i, band, y, x] = values[band, row, mirrored(left + x, width)]


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
def mirrored(number: int, length: int) -> int:
    """Reflect a pixel number at both edges without repeating the edge pixel."""
    number = abs(number)
    return 2 * (length - 1) - number if number >= length else number
