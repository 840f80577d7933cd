"""The compiled inner loops of the speckle filters: each pixel from the window around it, added in one fixed order."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["edge_aligned", "square"]

Float32 = npt.NDArray[np.float32]
_REACH = 3
"""The refined filter looks three pixels far: its window has 7 x 7."""


@njit(nogil=True, cache=True)
def edge_aligned(guide: Float32, layers: Float32, noise: float, out: Float32) -> None:
    """Fill `out` (layer, y, x) with layers filtered in the half of 7 x 7 pixels on the pixel's side of an edge.

    `guide` (y, x) decides on the half and on the weight; `noise` is the squared coefficient of variation of speckle.
    """
    height, width = guide.shape
    means = np.empty((3, 3), np.float64)
    for y in range(height):
        for x in range(width):
            if np.isnan(guide[y, x]):
                out[:, y, x] = np.nan
                continue
            _block_means(guide, y, x, means)
            direction, side = _edge(means)
            _filter(guide, layers, (y, x, _REACH, direction, side), noise, out)


@njit(nogil=True, cache=True)
def square(guide: Float32, layers: Float32, reach: int, noise: float, out: Float32) -> None:
    """Fill `out` (layer, y, x) with layers filtered in the whole window; a negative `noise` gives the plain mean."""
    height, width = guide.shape
    for y in range(height):
        for x in range(width):
            if np.isnan(guide[y, x]):
                out[:, y, x] = np.nan
            else:
                _filter(guide, layers, (y, x, reach, -1, 0), noise, out)


@njit(nogil=True, cache=True)
def _filter(
    guide: Float32, layers: Float32, window: tuple[int, int, int, int, int], noise: float, out: Float32
) -> None:
    """Lee's estimate: the mean of the window, and as much of the pixel itself as varies more than speckle does.

    `window` is row, column, reach, direction and side.
    """
    y, x, reach, direction, side = window
    n, mean = 0, 0.0
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            value = _value(guide, y + i, x + j)
            if not np.isnan(value) and _inside(i, j, direction, side):
                n += 1
                mean += value
    mean /= n
    spread = 0.0
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            value = _value(guide, y + i, x + j)
            if not np.isnan(value) and _inside(i, j, direction, side):
                spread += (value - mean) ** 2
    weight = 0.0
    if noise >= 0 and n > 1 and spread > 0:
        variance = spread / (n - 1)
        weight = max(0.0, (variance - mean * mean * noise) / (1.0 + noise)) / variance
    for layer in range(layers.shape[0]):
        total, m = 0.0, 0
        for i in range(-reach, reach + 1):
            for j in range(-reach, reach + 1):
                if np.isnan(_value(guide, y + i, x + j)) or not _inside(i, j, direction, side):
                    continue
                value = layers[layer, y + i, x + j]
                if not np.isnan(value):
                    total += value
                    m += 1
        own = layers[layer, y, x]
        out[layer, y, x] = total / m + weight * (own - total / m) if m > 0 and not np.isnan(own) else np.nan


@njit(nogil=True, cache=True)
def _block_means(guide: Float32, y: int, x: int, means: Any) -> None:
    """Means of nine overlapping blocks of 3 x 3 pixels within 7 x 7; a block without data has the middle one's."""
    for a in range(3):
        for b in range(3):
            total, n = 0.0, 0
            for i in range(-1, 2):
                for j in range(-1, 2):
                    value = _value(guide, y + 2 * (a - 1) + i, x + 2 * (b - 1) + j)
                    if not np.isnan(value):
                        total += value
                        n += 1
            means[a, b] = total / n if n > 0 else np.nan
    for a in range(3):
        for b in range(3):
            if np.isnan(means[a, b]):
                means[a, b] = means[1, 1]


@njit(nogil=True, cache=True)
def _edge(m: Any) -> tuple[int, int]:
    """Return the direction of the steepest of four gradients, and on which side of the edge the pixel lies.

    Directions: 0 = left to right, 1 = lower left to upper right, 2 = top to bottom, 3 = upper left to lower right.
    Sides: -1 = left, lower left, top, upper left; 1 = the other.
    """
    gradients = (
        abs(m[0, 2] + m[1, 2] + m[2, 2] - m[0, 0] - m[1, 0] - m[2, 0]),
        abs(m[0, 1] + m[0, 2] + m[1, 2] - m[1, 0] - m[2, 0] - m[2, 1]),
        abs(m[0, 0] + m[0, 1] + m[0, 2] - m[2, 0] - m[2, 1] - m[2, 2]),
        abs(m[0, 0] + m[0, 1] + m[1, 0] - m[1, 2] - m[2, 1] - m[2, 2]),
    )
    direction = 0
    for k in range(1, 4):
        if gradients[k] > gradients[direction]:
            direction = k
    ends = ((m[1, 0], m[1, 2]), (m[2, 0], m[0, 2]), (m[0, 1], m[2, 1]), (m[0, 0], m[2, 2]))[direction]
    return direction, -1 if abs(ends[0] - m[1, 1]) < abs(ends[1] - m[1, 1]) else 1


@njit(nogil=True, cache=True)
def _inside(i: int, j: int, direction: int, side: int) -> bool:
    """Tell whether an offset lies in the half window; the line through the pixel belongs to both halves."""
    if direction < 0:
        return True
    if direction == 0:
        return j * side >= 0
    if direction == 1:
        return (j - i) * side >= 0
    if direction == 2:
        return i * side >= 0
    return (i + j) * side >= 0


@njit(nogil=True, cache=True)
def _value(guide: Float32, y: int, x: int) -> Any:
    if y < 0 or x < 0 or y >= guide.shape[0] or x >= guide.shape[1]:
        return np.float32(np.nan)
    return guide[y, x]
