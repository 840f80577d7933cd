"""The compiled inner loop of means over time."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["mean_pixels"]

Float32 = npt.NDArray[np.float32]


@njit(nogil=True, cache=True)
def mean_pixels(stack: Float32, good: npt.NDArray[np.bool_], out: Float32) -> None:
    """Fill `out` (band, y, x) with the mean of the good (time, y, x) values; NaN where there is none.

    Values are added from the smallest up, so the order of the observations cannot change a bit.
    """
    times, bands, height, width = stack.shape
    values = np.empty(times, np.float32)
    for b in range(bands):
        for y in range(height):
            for x in range(width):
                n = 0
                for t in range(times):
                    if not good[t, y, x]:
                        continue
                    value = stack[t, b, y, x]
                    place = n
                    while place > 0 and values[place - 1] > value:
                        values[place] = values[place - 1]
                        place -= 1
                    values[place] = value
                    n += 1
                total = 0.0
                for i in range(n):
                    total += values[i]
                out[b, y, x] = total / n if n > 0 else np.nan
