"""The compiled inner loops of resampling: each target pixel from its own place in the source, and from nothing else."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["average", "bilinear", "nearest"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@njit(nogil=True, cache=True)
def nearest(source: Float32, corner: tuple[int, int], rows: Float64, columns: Float64, out: Float32) -> None:
    """Fill `out` (h, w) with the source pixel in which each place lies; NaN outside.

    Places are in pixels of the whole source, 0 = its upper left corner; `source` is its part that begins at `corner`.
    Only whole numbers are taken from `corner`, so no rounding depends on it.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = _at(source, corner, rows[y, x], columns[y, x])


@njit(nogil=True, cache=True)
def bilinear(source: Float32, corner: tuple[int, int], rows: Float64, columns: Float64, out: Float32) -> None:
    """Fill `out` (h, w) with the four pixels around each place, weighted by nearness.

    Pixels without data have no weight; where the pixel in which the place lies has none, the result has none: what is
    seen neither grows nor shrinks.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            row, column = rows[y, x], columns[y, x]
            if np.isnan(_at(source, corner, row, column)):
                out[y, x] = np.nan
                continue
            top, left = np.floor(row - 0.5), np.floor(column - 0.5)
            down, right = row - 0.5 - top, column - 0.5 - left
            total = weight = 0.0
            for i in range(2):
                for j in range(2):
                    share = (down if i else 1.0 - down) * (right if j else 1.0 - right)
                    value = _at(source, corner, top + i, left + j)
                    if share > 0.0 and not np.isnan(value):
                        total += share * value
                        weight += share
            out[y, x] = total / weight


@njit(nogil=True, cache=True)
def average(source: Float32, corner: tuple[int, int], rows: Float64, columns: Float64, out: Float32) -> None:
    """Fill `out` (h, w) with the mean of the source pixels at several places, side x side, within each target pixel.

    `rows` and `columns` are (h side, w side). Pixels without data are left out; fewer than half of them are none.
    """
    side = rows.shape[0] // out.shape[0]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            total, n = 0.0, 0
            for i in range(side):
                for j in range(side):
                    row, column = rows[y * side + i, x * side + j], columns[y * side + i, x * side + j]
                    value = _at(source, corner, row, column)
                    if not np.isnan(value):
                        total += value
                        n += 1
            out[y, x] = total / n if 2 * n >= side * side else np.nan


@njit(nogil=True, cache=True)
def _at(source: Float32, corner: tuple[int, int], row: float, column: float) -> Any:
    i, j = int(np.floor(row)) - corner[0], int(np.floor(column)) - corner[1]
    if i < 0 or j < 0 or i >= source.shape[0] or j >= source.shape[1]:
        return np.float32(np.nan)
    return source[i, j]
