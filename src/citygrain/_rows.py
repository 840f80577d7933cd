"""The compiled inner loop of `rows`: cut windows out of a raster, mirrored at its edges."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["cut"]


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
def mirrored(number: int, length: int) -> int:
    """Reflect a pixel number at both edges without repeating the edge pixel."""
    number = abs(number)
    return 2 * (length - 1) - number if number >= length else number
