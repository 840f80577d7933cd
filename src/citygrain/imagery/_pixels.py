"""The compiled inner loops of compositing: one pixel's clear observations to one spectrum.

Choices compare integers (reflectance in steps of 1/10,000), so neither the window, nor the thread, nor the order of the
observations can change a result; what is handed on are the observations' own values.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["NONE", "best_scored", "chosen_pixels", "median_pixels", "nearest_to_median", "usable"]

NONE = np.int16(-1)
"""No observation."""
STEPS = np.float32(10_000.0)

Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]
Bools = npt.NDArray[np.bool_]


@njit(nogil=True, cache=True)
def usable(stack: Float32, clear: Bools, count: npt.NDArray[np.uint16]) -> Bools:
    """Return which observations (time, y, x) are clear and have all bands of `stack` (time, band, y, x); count them."""
    times, bands, height, width = stack.shape
    good = clear.copy()
    for t in range(times):
        for b in range(bands):
            for y in range(height):
                for x in range(width):
                    if not np.isfinite(stack[t, b, y, x]):
                        good[t, y, x] = False
        for y in range(height):
            for x in range(width):
                count[y, x] += np.uint16(good[t, y, x])
    return good


@njit(nogil=True, cache=True)
def median_pixels(stack: Float32, good: Bools, out: Float32) -> None:
    """Fill `out` (band, y, x) with the median of the usable observations; NaN where there is none.

    Of an even number it is the mean of the two in the middle.
    """
    times, bands, height, width = stack.shape
    values = np.empty(times, np.float32)
    for b in range(bands):
        for y in range(height):
            for x in range(width):
                n = 0
                for t in range(times):
                    if good[t, y, x]:
                        values[n] = stack[t, b, y, x]
                        n += 1
                out[b, y, x] = _middle(values, n)


@njit(nogil=True, cache=True)
def nearest_to_median(stack: Float32, good: Bools, chosen: Int16) -> None:
    """Fill `chosen` (y, x) with the usable observation whose spectrum is nearest to the median of each band."""
    times, bands, height, width = stack.shape
    column = np.empty(times, np.int64)
    where = np.empty(times, np.int64)
    distance = np.empty((width, times), np.int64)
    for y in range(height):
        distance[:] = 0
        for b in range(bands):
            for x in range(width):
                n = 0
                for t in range(times):
                    if good[t, y, x]:
                        where[n] = t
                        column[n] = _steps(stack[t, b, y, x])
                        n += 1
                if n > 0:
                    _add_distance(column, where, n, distance[x])
        for x in range(width):
            chosen[y, x] = _least(stack, good, distance[x], y, x)


@njit(nogil=True, cache=True)
def best_scored(stack: Float32, good: Bools, score: Float32, chosen: Int16) -> None:
    """Fill `chosen` (y, x) with the usable observation of the highest score (time, y, x)."""
    times, _, height, width = stack.shape
    for y in range(height):
        for x in range(width):
            best = -1
            for t in range(times):
                if not good[t, y, x]:
                    continue
                if (
                    best < 0
                    or score[t, y, x] > score[best, y, x]
                    or (score[t, y, x] == score[best, y, x] and _before(stack, t, best, y, x))
                ):
                    best = t
            chosen[y, x] = best


@njit(nogil=True, cache=True)
def chosen_pixels(stack: Float32, chosen: Int16, out: Float32) -> None:
    """Fill `out` (band, y, x) with the spectra of the chosen observations; NaN where none is chosen."""
    _, bands, height, width = stack.shape
    for b in range(bands):
        for y in range(height):
            for x in range(width):
                t = chosen[y, x]
                out[b, y, x] = stack[t, b, y, x] if t >= 0 else np.float32(np.nan)


@njit(nogil=True, cache=True)
def _middle(values: Float32, n: int) -> Any:
    if n == 0:
        return np.float32(np.nan)
    _sort(values, n)
    half = n // 2
    if n % 2:
        return values[half]
    return np.float32((values[half - 1] + values[half]) * np.float32(0.5))


@njit(nogil=True, cache=True)
def _sort(values: Any, n: int) -> None:
    """Sort the first `n` values; by insertion, which is quickest for some tens."""
    for i in range(1, n):
        value = values[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value


@njit(nogil=True, cache=True)
def _add_distance(column: Any, where: Any, n: int, distance: Any) -> None:
    """Add the squared distance of each value to the median, in half steps, so that it stays whole."""
    ordered = column[:n].copy()
    _sort(ordered, n)
    twice = ordered[n // 2] + ordered[(n - 1) // 2]
    for i in range(n):
        off = 2 * column[i] - twice
        distance[where[i]] += off * off


@njit(nogil=True, cache=True)
def _least(stack: Float32, good: Bools, distance: Any, y: int, x: int) -> int:
    best = -1
    for t in range(distance.size):
        if good[t, y, x] and (
            best < 0
            or distance[t] < distance[best]
            or (distance[t] == distance[best] and _before(stack, t, best, y, x))
        ):
            best = t
    return best


@njit(nogil=True, cache=True)
def _before(stack: Float32, one: int, other: int, y: int, x: int) -> bool:
    """Tell which of two observations comes first where all else is equal: the darker in the first band that differs."""
    for b in range(stack.shape[1]):
        if stack[one, b, y, x] != stack[other, b, y, x]:
            return bool(stack[one, b, y, x] < stack[other, b, y, x])
    return False


@njit(nogil=True, cache=True)
def _steps(value: np.float32) -> Any:
    return np.int64(np.rint(value * STEPS))
