"""The compiled inner loops over labelled pixels: boxes and centres, sums of values, class counts, look-ups.

The sums of a zone are added pixel by pixel in reading order, and no other zone's pixel takes part: as long as a window
holds the whole zone, or windows follow each other from top to bottom, the result is the same to the last bit.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["add_moments", "count_classes", "look_up", "measure"]

Ints = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def measure(labels: npt.NDArray[Any], top: int, boxes: Ints, sums: Ints) -> None:
    """Widen the boxes (n, 4) of labels 1..n and add to their areas, rows and columns (n, 3), strip by strip.

    The strip begins at row `top`. A row is taken run by run, for a zone has many neighbours in a row.
    """
    height, width = labels.shape
    for y in range(height):
        row = top + y
        x = 0
        while x < width:
            label = labels[y, x]
            end = x + 1
            while end < width and labels[y, end] == label:
                end += 1
            if label > 0:
                box, total = boxes[label - 1], sums[label - 1]
                box[0] = min(box[0], row)
                box[1] = min(box[1], x)
                box[2] = max(box[2], row + 1)
                box[3] = max(box[3], end)
                total[0] += end - x
                total[1] += (end - x) * row
                total[2] += (x + end - 1) * (end - x) // 2
            x = end


@njit(nogil=True, cache=True)
def add_moments(
    values: npt.NDArray[Any], labels: npt.NDArray[Any], slots: npt.NDArray[np.int32], lowest: int, state: Any
) -> None:
    """Add the finite values (bands, height, width) of each zone to its `state` (zones, bands, 4).

    A state is the number of values, the first of them, and the sums of the differences from it and of their squares.
    Label l has the row ``slots[l - lowest]`` of the state; below 0 it has none.
    """
    bands, height, width = values.shape
    for y in range(height):
        x = 0
        while x < width:
            label = labels[y, x]
            end = x + 1
            while end < width and labels[y, end] == label:
                end += 1
            place = label - lowest
            slot = slots[place] if 0 <= place < slots.size else -1
            if slot >= 0:
                for band in range(bands):
                    zone = state[slot, band]
                    number, first, total, square = zone[0], zone[1], zone[2], zone[3]
                    for i in range(x, end):
                        value = np.float64(values[band, y, i])
                        if np.isfinite(value):
                            if number == 0.0:
                                first = value
                            number += 1.0
                            value -= first
                            total += value
                            square += value * value
                    zone[0], zone[1], zone[2], zone[3] = number, first, total, square
            x = end


@njit(nogil=True, cache=True)
def count_classes(zones: npt.NDArray[Any], codes: npt.NDArray[Any], columns: Ints, first: int, counts: Ints) -> int:
    """Add the pixels of each class to `counts` (zones from `first` on, classes); return how many codes have no class.

    A zone below `first` is none. `columns` (256,) is the class of each code: -1 = unlabelled, -2 = no such code.
    """
    strange = 0
    for y in range(zones.shape[0]):
        for x in range(zones.shape[1]):
            code = codes[y, x]
            column = columns[code] if 0 <= code < 256 else -2
            if column == -2:
                strange += 1
            elif column >= 0 and zones[y, x] >= first:
                counts[zones[y, x] - first, column] += 1
    return strange


@njit(nogil=True, cache=True)
def look_up(numbers: npt.NDArray[Any], table: npt.NDArray[Any], first: int, out: npt.NDArray[Any]) -> None:
    """Fill `out` (height, width) with the `table` entry of each number; number `first` is entry 0, the one below last.

    All numbers are taken to be in the table.
    """
    for y in range(numbers.shape[0]):
        for x in range(numbers.shape[1]):
            out[y, x] = table[np.int64(numbers[y, x]) - first]
