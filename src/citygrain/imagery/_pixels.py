"""The compiled inner loops of compositing: one pixel's clear observations to one spectrum.

Medians sort many pixels at once by a network of comparisons that is the same for all of them, which processors do
eight pixels at a time. Choices compare integers (reflectance in steps of 1/10,000). So neither the window, nor the
thread, nor the order of the observations can change a result; what is handed on are the observations' own values.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["NONE", "best_scored", "chosen_pixels", "median_pixels", "nearest_to_median", "network", "usable"]

NONE = np.int16(-1)
"""No observation."""
STEPS = np.float32(10_000.0)

_BLOCK = 128
"""Pixels of a row that are sorted together: their observations stay in the processor's first cache."""
_FARTHEST = 2**31 - 1

Float32 = npt.NDArray[np.float32]
Pairs = npt.NDArray[np.int64]
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


@lru_cache(maxsize=256)
def network(n: int) -> Pairs:
    """Return pairs (k, 2) of places that, put in order one pair after the other, sort any `n` values.

    Batcher's merge exchange (Knuth, The Art of Computer Programming, volume 3, algorithm 5.2.2M).
    """
    pairs = []
    first = 1 << (max(n - 1, 0).bit_length() - 1) if n > 1 else 0
    p = first
    while p > 0:
        q, r, d = first, 0, p
        while d > 0:
            pairs += [(i, i + d) for i in range(n - d) if (i & p) == r]
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, np.int64).reshape(-1, 2)


def median_pixels(stack: Float32, good: Bools, out: Float32) -> None:
    """Fill `out` (band, y, x) with the median of the good observations; NaN where there is none.

    Of an even number it is the mean of the two in the middle.
    """
    _medians(stack, good, network(len(stack)), out)


def nearest_to_median(stack: Float32, good: Bools, chosen: Int16) -> None:
    """Fill `chosen` (y, x) with the good observation whose spectrum is nearest to the median of each band."""
    _nearest(stack, good, network(len(stack)), chosen)


@njit(nogil=True, cache=True)
def _medians(stack: Float32, good: Bools, pairs: Pairs, out: Float32) -> None:
    times, bands, height, width = stack.shape
    values = np.empty((times, _BLOCK), np.float32)
    counts = np.empty(_BLOCK, np.int64)
    for y in range(height):
        for left in range(0, width, _BLOCK):
            n = min(_BLOCK, width - left)
            _count(good, y, left, n, counts)
            for b in range(bands):
                for t in range(times):
                    for x in range(n):
                        values[t, x] = stack[t, b, y, left + x] if good[t, y, left + x] else np.float32(np.inf)
                _sort_columns(values, pairs, n)
                for x in range(n):
                    if counts[x] == 0:
                        out[b, y, left + x] = np.nan
                    else:
                        low, high = values[(counts[x] - 1) // 2, x], values[counts[x] // 2, x]
                        out[b, y, left + x] = (low + high) * np.float32(0.5)


@njit(nogil=True, cache=True)
def _nearest(stack: Float32, good: Bools, pairs: Pairs, chosen: Int16) -> None:
    times, bands, height, width = stack.shape
    steps, ordered = np.empty((times, _BLOCK), np.int32), np.empty((times, _BLOCK), np.int32)
    counts, twice = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    distance = np.empty((times, _BLOCK), np.int64)
    for y in range(height):
        for left in range(0, width, _BLOCK):
            n = min(_BLOCK, width - left)
            _count(good, y, left, n, counts)
            distance[:] = 0
            for b in range(bands):
                for t in range(times):
                    for x in range(n):
                        here = good[t, y, left + x]
                        steps[t, x] = np.int32(np.rint(stack[t, b, y, left + x] * STEPS)) if here else _FARTHEST
                        ordered[t, x] = steps[t, x]
                _sort_columns(ordered, pairs, n)
                for x in range(n):
                    if counts[x] > 0:  # in half steps, so that it stays whole
                        low, high = ordered[(counts[x] - 1) // 2, x], ordered[counts[x] // 2, x]
                        twice[x] = np.int64(low) + np.int64(high)
                for t in range(times):
                    for x in range(n):
                        off = 2 * np.int64(steps[t, x]) - twice[x]
                        distance[t, x] += off * off if good[t, y, left + x] else 0
            for x in range(n):
                chosen[y, left + x] = _least(stack, good, distance[:, x], y, left + x)


@njit(nogil=True, cache=True)
def _count(good: Bools, y: int, left: int, n: int, counts: Any) -> None:
    counts[:] = 0
    for t in range(good.shape[0]):
        for x in range(n):
            counts[x] += good[t, y, left + x]


@njit(nogil=True, cache=True)
def _sort_columns(values: Any, pairs: Pairs, n: int) -> None:
    """Sort the first `n` columns of `values` (time, x), each by itself."""
    for k in range(pairs.shape[0]):
        one, other = values[pairs[k, 0]], values[pairs[k, 1]]
        for x in range(n):
            a, b = one[x], other[x]
            one[x] = a if a < b else b
            other[x] = b if a < b else a


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
